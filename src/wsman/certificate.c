/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Just enough X.509 (RFC 5280 4.1) to find three things: the signature algorithm, the
 * public key, and where the certificate ends. */

#include "certificate.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <nettle/sha2.h>

#include "base64.h"
#include "err.h"
#include "text.h"

struct der {
    const unsigned char *at, *end;
};

enum { DER_SEQUENCE = 0x30, DER_OID = 0x06, DER_VERSION = 0xa0, MAX_DER = 1 << 20 };

/* The next element: its whole bytes and its content. */
static bool der_next(struct der *in, unsigned *tag, struct der *whole, struct der *content)
{
    const unsigned char *at = in->at;
    size_t len, size_bytes;

    if (in->end - at < 2)
        return false;
    *tag = *at++;
    len = *at++;
    if (len >= 0x80) {
        size_bytes = len & 0x7f;
        if (size_bytes == 0 || size_bytes > 3 || (size_t)(in->end - at) < size_bytes)
            return false;
        for (len = 0; size_bytes > 0; size_bytes--)
            len = len << 8 | *at++;
    }
    if ((size_t)(in->end - at) < len)
        return false;
    *whole = (struct der){ in->at, at + len };
    *content = (struct der){ at, at + len };
    in->at = at + len;
    return true;
}

static bool der_enter(struct der *in, unsigned want, struct der *content)
{
    struct der whole;
    unsigned tag;

    return der_next(in, &tag, &whole, content) && tag == want;
}

static bool der_is(const struct der *d, const char *bytes, size_t len)
{
    return (size_t)(d->end - d->at) == len && memcmp(d->at, bytes, len) == 0;
}

enum hash { HASH_NONE, HASH_256, HASH_384, HASH_512 };

#define RSA "\x2a\x86\x48\x86\xf7\x0d\x01\x01"
#define ECDSA "\x2a\x86\x48\xce\x3d\x04"
#define NIST_HASH "\x60\x86\x48\x01\x65\x03\x04\x02"

static const struct {
    const char *oid;
    size_t len;
    enum hash hash;
} signatures[] = {
    { RSA "\x04", 9, HASH_256 }, /* MD5, and below SHA-1: raised to SHA-256 */
    { RSA "\x05", 9, HASH_256 },       { RSA "\x0b", 9, HASH_256 },
    { RSA "\x0c", 9, HASH_384 },       { RSA "\x0d", 9, HASH_512 },
    { ECDSA "\x01", 7, HASH_256 },     { ECDSA "\x03\x02", 8, HASH_256 },
    { ECDSA "\x03\x03", 8, HASH_384 }, { ECDSA "\x03\x04", 8, HASH_512 },
};

/* RSASSA-PSS names its hash in its parameters (RFC 4055 3.1); SHA-1 when it does not. */
static enum hash pss_hash(struct der parameters)
{
    struct der sequence, tagged, algorithm, oid;

    if (!der_enter(&parameters, DER_SEQUENCE, &sequence) ||
        !der_enter(&sequence, 0xa0, &tagged) ||
        !der_enter(&tagged, DER_SEQUENCE, &algorithm) ||
        !der_enter(&algorithm, DER_OID, &oid))
        return HASH_256;
    if (der_is(&oid, NIST_HASH "\x02", 9))
        return HASH_384;
    return der_is(&oid, NIST_HASH "\x03", 9) ? HASH_512 : HASH_256;
}

static enum hash signature_hash(struct der algorithm)
{
    struct der oid;

    if (!der_enter(&algorithm, DER_OID, &oid))
        return HASH_NONE;
    if (der_is(&oid, RSA "\x0a", 9))
        return pss_hash(algorithm);
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
        if (der_is(&oid, signatures[i].oid, signatures[i].len))
            return signatures[i].hash;
    return HASH_NONE;
}

static void sha256(struct der what, unsigned char *ret)
{
    struct sha256_ctx sha;

    sha256_init(&sha);
    sha256_update(&sha, (size_t)(what.end - what.at), what.at);
    sha256_digest(&sha, CERTIFICATE_HASH, ret);
}

static void make_binding(struct der whole, enum hash hash, struct certificate *ret)
{
    size_t len = (size_t)(whole.end - whole.at);
    struct sha512_ctx sha;

    if (hash == HASH_256) {
        memcpy(ret->binding, ret->sha256, SHA256_DIGEST_SIZE);
        ret->binding_len = SHA256_DIGEST_SIZE;
    } else if (hash == HASH_384) {
        sha384_init(&sha);
        sha384_update(&sha, len, whole.at);
        sha384_digest(&sha, SHA384_DIGEST_SIZE, ret->binding);
        ret->binding_len = SHA384_DIGEST_SIZE;
    } else if (hash == HASH_512) {
        sha512_init(&sha);
        sha512_update(&sha, len, whole.at);
        sha512_digest(&sha, SHA512_DIGEST_SIZE, ret->binding);
        ret->binding_len = SHA512_DIGEST_SIZE;
    }
}

static bool read_der(struct der in, struct certificate *ret)
{
    struct der whole, certificate, tbs, algorithm, skipped, key;
    unsigned tag;

    *ret = (struct certificate){ 0 };
    if (!der_next(&in, &tag, &whole, &certificate) || tag != DER_SEQUENCE ||
        !der_enter(&certificate, DER_SEQUENCE, &tbs) ||
        !der_enter(&certificate, DER_SEQUENCE, &algorithm))
        return false;
    /* Version (may be missing), serial number, signature, issuer, validity, subject. */
    if (!der_next(&tbs, &tag, &key, &skipped))
        return false;
    for (unsigned i = tag == DER_VERSION ? 0 : 1; i < 5; i++)
        if (!der_next(&tbs, &tag, &key, &skipped))
            return false;
    if (!der_next(&tbs, &tag, &key, &skipped) || tag != DER_SEQUENCE)
        return false;
    sha256(whole, ret->sha256);
    sha256(key, ret->spki_sha256);
    make_binding(whole, signature_hash(algorithm), ret);
    return true;
}

bool certificate_read_der(const void *bytes, size_t len, struct certificate *ret,
                          struct err *err)
{
    const unsigned char *der = bytes;

    return read_der((struct der){ der, der + len }, ret) ||
           err_fail(err, ERR_PROTOCOL, 0, "the host's certificate is malformed");
}

bool certificate_read(const char *pem, struct certificate *ret, struct err *err)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *from = strstr(pem, begin), *to;
    CLEANUP(free_cleanup) char *bytes = NULL;
    size_t size = 0;

    if (from)
        from += sizeof(begin) - 1;
    to = from ? strstr(from, "-----END") : NULL;
    if (!to || to - from > MAX_DER)
        return err_fail(err, ERR_PROTOCOL, 0, "the host's certificate is not PEM");
    bytes = text_ndup(from, (size_t)(to - from));
    if (!bytes)
        return err_no_memory(err);
    if (!base64_decode(bytes, strlen(bytes), &size))
        return err_fail(err, ERR_PROTOCOL, 0, "the host's certificate is malformed");
    return certificate_read_der(bytes, size, ret, err);
}

/* ---- pins ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static bool parse_hex(const char *text, unsigned char *ret)
{
    size_t count = 0;

    for (; *text; text++) {
        int digit = hex_digit(*text);

        if (*text == ':' || *text == ' ')
            continue;
        if (digit < 0 || count == (size_t)2 * CERTIFICATE_HASH)
            return false;
        ret[count / 2] = (unsigned char)(ret[count / 2] << 4 | digit);
        count++;
    }
    return count == (size_t)2 * CERTIFICATE_HASH;
}

bool certificate_pin_parse(const char *text, struct certificate_pin *ret, struct err *err)
{
    struct certificate_pin pin = { 0 };

    if (text_istarts(text, "sha256//")) {
        CLEANUP(free_cleanup) char *bytes = text_dup(text + strlen("sha256//"));
        size_t len = 0;

        if (!bytes)
            return err_no_memory(err);
        pin.is_spki = true;
        if (base64_decode(bytes, strlen(bytes), &len) && len == sizeof(pin.hash)) {
            memcpy(pin.hash, bytes, len);
            *ret = pin;
            return true;
        }
    } else if (parse_hex(text_istarts(text, "sha256:") ? text + strlen("sha256:") : text,
                         pin.hash)) {
        *ret = pin;
        return true;
    }
    err_fail(err, ERR_INVALID, 0, "'%.120s' is not the SHA-256 of a certificate", text);
    return err_hint(err, "a pin is sha256: and 64 hex digits (of the certificate), or "
                         "sha256// and base64 (of its public key)");
}

bool certificate_pin_matches(const struct certificate_pin *pin,
                             const struct certificate *certificate)
{
    return memcmp(pin->hash, pin->is_spki ? certificate->spki_sha256 : certificate->sha256,
                  sizeof(pin->hash)) == 0;
}

void certificate_pin_format(const struct certificate *certificate,
                            char ret[CERTIFICATE_PIN_TEXT])
{
    size_t at = (size_t)snprintf(ret, CERTIFICATE_PIN_TEXT, "sha256:");

    for (size_t i = 0; i < CERTIFICATE_HASH; i++, at += 2)
        snprintf(ret + at, CERTIFICATE_PIN_TEXT - at, "%02x", certificate->sha256[i]);
}

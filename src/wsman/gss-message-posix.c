/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wrapping and unwrapping, which differs between the mechanisms in what stands where. */

#include "gss-message.h"

#include <string.h>

#include <gssapi/gssapi_ext.h>

#include "err.h"

enum {
    NTLM_SIGNATURE = 16,
    OID_LEN = 11,    /* of Kerberos, with tag and length */
    RC4_FIELDS = 32, /* algorithms, sequence number, checksum, confounder: 8 bytes each */
    RC4_PADDING = 1, /* its value: there is one byte */
};

/* Not gss_fail(): the same codes mean wrong passwords and the like during the log-on. */
static bool wrap_fail(OM_uint32 major, OM_uint32 minor, const char *why, const char *what,
                      struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf words = STRBUF_INIT;

    gss_words(&(struct gss_failure){ major, minor, GSS_C_NO_OID }, &words);
    err_fail(err, ERR_PROTOCOL, 0, "%s (%s)", why,
             words.len ? words.text : "no reason given");
    return err_wrap(err, "%s", what);
}

/* NTLM: the signature, and behind it the data; gss-ntlmssp has no gss_wrap_iov(). */
static bool wrap_ntlm(gss_ctx_id_t ctx, gss_buffer_desc plain, struct wsman_sealed *ret,
                      struct err *err)
{
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor, ignored;
    int sealed = 0;
    bool ok;

    major = gss_wrap(&minor, ctx, 1, GSS_C_QOP_DEFAULT, &plain, &sealed, &out);
    ok = major == GSS_S_COMPLETE && sealed && out.length > NTLM_SIGNATURE;
    if (ok) {
        strbuf_add(&ret->header, out.value, NTLM_SIGNATURE);
        strbuf_add(&ret->data, (char *)out.value + NTLM_SIGNATURE,
                   out.length - NTLM_SIGNATURE);
    }
    gss_release_buffer(&ignored, &out);
    return ok || wrap_fail(major, minor, "the log-on cannot encrypt",
                           "encrypting the request", err);
}

/* Kerberos: everything that is not data stands in front, as SSPI has it (RFC 4121 4.2.5,
 * the rotated form), and only the iov calls make it so. */
static bool wrap_kerberos(gss_ctx_id_t ctx, gss_buffer_desc plain, struct wsman_sealed *ret,
                          struct err *err)
{
    CLEANUP(free_cleanup) char *data = malloc(plain.length + 1);
    gss_iov_buffer_desc iov[3] = {
        { GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER },
        { GSS_IOV_BUFFER_TYPE_DATA, { plain.length, data } },
        { GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER },
    };
    OM_uint32 major, minor, ignored;
    int sealed = 0;
    bool ok;

    if (!data)
        return err_no_memory(err);
    memcpy(data, plain.value, plain.length);
    major = gss_wrap_iov(&minor, ctx, 1, GSS_C_QOP_DEFAULT, &sealed, iov, 3);
    ok = major == GSS_S_COMPLETE && sealed;
    if (ok) {
        strbuf_add(&ret->header, iov[0].buffer.value, iov[0].buffer.length);
        strbuf_add(&ret->data, iov[1].buffer.value, iov[1].buffer.length);
        strbuf_add(&ret->data, iov[2].buffer.value, iov[2].buffer.length);
    }
    gss_release_iov_buffer(&ignored, iov, 3);
    return ok || wrap_fail(major, minor, "the log-on cannot encrypt",
                           "encrypting the request", err);
}

bool gss_message_wrap(gss_ctx_id_t ctx, const struct gss_mech *mech, const void *bytes,
                      size_t len, struct wsman_sealed *ret, struct err *err)
{
    gss_buffer_desc plain = { len, (void *)(uintptr_t)bytes };
    bool ok = mech == &gss_mech_ntlm ? wrap_ntlm(ctx, plain, ret, err)
                                     : wrap_kerberos(ctx, plain, ret, err);

    return ok && ((!ret->header.failed && !ret->data.failed) || err_no_memory(err));
}

/* The length of what stands in front of the data of a token with RC4 (RFC 4757 7.3), or 0 for
 * all other tokens. */
static size_t rc4_header(const unsigned char *token, size_t len)
{
    static const unsigned char rc4[] = { 0x02, 0x01, 0x11, 0x00, 0x10, 0x00 };
    size_t at;

    if (len < 2 || token[0] != 0x60)
        return 0;
    at = 2 + (token[1] & 0x80 ? token[1] & 0x7f : 0) + OID_LEN;
    return len >= at + RC4_FIELDS && memcmp(token + at, rc4, sizeof(rc4)) == 0
               ? at + RC4_FIELDS
               : 0;
}

/* Windows leaves out the padding of RC4, which gss_unwrap() then takes from the data (krb5/krb5
 * pull request 1093). Of header, data and data gss_unwrap_iov() does not look for any; no XML
 * ends with that byte, so it is plain whether there was one. */
static OM_uint32 unwrap_rc4(OM_uint32 *minor, gss_ctx_id_t ctx, char *token,
                            size_t header_len, size_t len, int *sealed, struct strbuf *ret)
{
    gss_iov_buffer_desc iov[] = {
        { GSS_IOV_BUFFER_TYPE_HEADER, { header_len, token } },
        { GSS_IOV_BUFFER_TYPE_DATA, { len - header_len, token + header_len } },
        { GSS_IOV_BUFFER_TYPE_DATA, GSS_C_EMPTY_BUFFER },
    };
    OM_uint32 major = gss_unwrap_iov(minor, ctx, sealed, NULL, iov, 3);

    if (major == GSS_S_COMPLETE && *sealed) {
        const char *plain = iov[1].buffer.value;
        size_t left = iov[1].buffer.length;

        strbuf_add(ret, plain, left - (left && plain[left - 1] == RC4_PADDING));
    }
    return major;
}

bool gss_message_unwrap(gss_ctx_id_t ctx, const void *token, size_t len, struct strbuf *ret,
                        struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf copy = STRBUF_INIT;
    gss_buffer_desc in = { len, (void *)(uintptr_t)token }, out = GSS_C_EMPTY_BUFFER;
    size_t header_len = rc4_header(token, len);
    OM_uint32 major, minor, ignored;
    int sealed = 0;

    if (header_len) {
        strbuf_add(&copy, token, len); /* it is decrypted in place */
        if (copy.failed)
            return err_no_memory(err);
        major = unwrap_rc4(&minor, ctx, copy.text, header_len, len, &sealed, ret);
    } else {
        major = gss_unwrap(&minor, ctx, &in, &out, &sealed, NULL);
        if (major == GSS_S_COMPLETE && sealed)
            strbuf_add(ret, out.value, out.length);
        gss_release_buffer(&ignored, &out);
    }
    if (major != GSS_S_COMPLETE)
        return wrap_fail(
            major, minor,
            "it was changed on the way, repeated, or is one of another connection",
            "decrypting the answer", err);
    if (!sealed)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer is signed but not encrypted");
    return !ret->failed || err_no_memory(err);
}

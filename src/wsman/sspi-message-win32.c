/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages encrypted by a context of SSPI: the token in front, the data and its padding behind
 * it, as WinRM has them (MS-WSMV 2.2.9.1); and the context itself.
 *
 * Source: MicrosoftDocs/win32 secauthn EncryptMessage (Kerberos, NTLM, Negotiate),
 * DecryptMessage, "SSPI/Kerberos Interoperability with GSSAPI".
 */

#include "sspi-win32.h"
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

#ifndef SECQOP_WRAP_NO_ENCRYPT
#define SECQOP_WRAP_NO_ENCRYPT 0x80000001
#endif

enum {
    PADDING = 1, /* of RC4: one byte with this value */
    MESSAGE_MOST = 1 << 28,
};

/* ---- the context ---- */

void sspi_forget(struct sspi_context *c)
{
    if (c->has_ctx)
        DeleteSecurityContext(&c->ctx);
    if (c->has_cred)
        FreeCredentialsHandle(&c->cred);
    *c = (struct sspi_context){ .mechanism = SSPI_NOT_KNOWN };
}

static enum sspi_mechanism mechanism_of(const wchar_t *package)
{
    if (_wcsicmp(package, L"Kerberos") == 0)
        return SSPI_KERBEROS;
    return _wcsicmp(package, L"NTLM") == 0 ? SSPI_NTLM : SSPI_NOT_KNOWN;
}

void sspi_find_mechanism(struct sspi_context *c, const wchar_t *package, const void *token,
                         size_t len)
{
    static const char ntlm[] = "NTLMSSP",
                      kerberos[] = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
    SecPkgContext_NegotiationInfoW info = { 0 };
    enum sspi_mechanism found = mechanism_of(package);

    if (found == SSPI_NOT_KNOWN &&
        QueryContextAttributesW(&c->ctx, SECPKG_ATTR_NEGOTIATION_INFO, &info) == SEC_E_OK &&
        info.PackageInfo) {
        if (info.PackageInfo->Name)
            found = mechanism_of(info.PackageInfo->Name);
        FreeContextBuffer(info.PackageInfo);
    }
    /* SPNEGO's first token has the token of the mechanism it hopes for. */
    for (size_t i = 0; found == SSPI_NOT_KNOWN && i + sizeof(ntlm) <= len; i++)
        if (memcmp((const char *)token + i, ntlm, sizeof(ntlm)) == 0)
            found = SSPI_NTLM;
    for (size_t i = 0; found == SSPI_NOT_KNOWN && i + sizeof(kerberos) - 1 <= len; i++)
        if (memcmp((const char *)token + i, kerberos, sizeof(kerberos) - 1) == 0)
            found = SSPI_KERBEROS;
    if (found != SSPI_NOT_KNOWN)
        c->mechanism = found;
}

const char *sspi_mechanism_name(const struct sspi_context *c, const char *otherwise)
{
    switch (c->mechanism) {
    case SSPI_KERBEROS:
        return "Kerberos";
    case SSPI_NTLM:
        return "NTLM";
    default:
        return otherwise;
    }
}

/* ---- messages ---- */

/* Not sspi_fail(): the same codes mean wrong passwords and the like during the log-on. */
static bool message_fail(SECURITY_STATUS status, const char *why, const char *what,
                         struct err *err)
{
    char words[160];

    sspi_words(status, words, sizeof(words));
    err_fail(err, ERR_PROTOCOL, 0, "%s (%s)", why, words);
    return err_wrap(err, "%s", what);
}

bool sspi_wrap(struct sspi_context *c, const void *bytes, size_t len,
               struct wsman_sealed *ret, struct err *err)
{
    static const char what[] = "encrypting the request",
                      cannot[] = "the log-on cannot encrypt";
    CLEANUP(free_cleanup) char *room = NULL;
    SecPkgContext_Sizes sizes = { 0 };
    SECURITY_STATUS status;
    SecBuffer parts[3];
    SecBufferDesc all = { SECBUFFER_VERSION, ARRAY_LEN(parts), parts };
    char *data;

    status = QueryContextAttributesW(&c->ctx, SECPKG_ATTR_SIZES, &sizes);
    if (status != SEC_E_OK)
        return message_fail(status, cannot, what, err);
    if (len == 0 || len > MESSAGE_MOST || sizes.cbSecurityTrailer > MESSAGE_MOST ||
        sizes.cbBlockSize > MESSAGE_MOST)
        return err_fail(err, ERR_INVALID, 0, "a message of %zu bytes is not sent", len);
    room = malloc(sizes.cbSecurityTrailer + len + sizes.cbBlockSize);
    if (!room)
        return err_no_memory(err);
    data = room + sizes.cbSecurityTrailer;
    memcpy(data, bytes, len);
    parts[0] = (SecBuffer){ sizes.cbSecurityTrailer, SECBUFFER_TOKEN, room };
    parts[1] = (SecBuffer){ (unsigned long)len, SECBUFFER_DATA, data };
    parts[2] = (SecBuffer){ sizes.cbBlockSize, SECBUFFER_PADDING, data + len };
    status = EncryptMessage(&c->ctx, 0, &all, 0);
    /* A context without encryption signs instead, and says nothing of it. */
    if (status == SEC_E_OK && memcmp(data, bytes, len) == 0)
        status = SEC_E_UNSUPPORTED_FUNCTION;
    if (status == SEC_E_OK) {
        strbuf_add(&ret->header, parts[0].pvBuffer, parts[0].cbBuffer);
        strbuf_add(&ret->data, parts[1].pvBuffer, parts[1].cbBuffer);
        if (parts[2].cbBuffer <= sizes.cbBlockSize)
            strbuf_add(&ret->data, parts[2].pvBuffer, parts[2].cbBuffer);
    }
    os_wipe(room, sizes.cbSecurityTrailer + len + sizes.cbBlockSize);
    if (status != SEC_E_OK)
        return message_fail(status, cannot, what, err);
    return (!ret->header.failed && !ret->data.failed) || err_no_memory(err);
}

bool sspi_unwrap(struct sspi_context *c, const void *token, size_t header_len, size_t len,
                 struct strbuf *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf copy = STRBUF_INIT;
    SecBuffer parts[3];
    SecBufferDesc all = { SECBUFFER_VERSION, ARRAY_LEN(parts), parts };
    unsigned long quality = 0;
    SECURITY_STATUS status;
    const char *plain;
    size_t left;

    if (header_len > len || len > MESSAGE_MOST)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer's lengths do not fit");
    strbuf_add(&copy, token, len); /* it is decrypted in place */
    if (copy.failed)
        return err_no_memory(err);
    parts[0] = (SecBuffer){ (unsigned long)header_len, SECBUFFER_TOKEN, copy.text };
    parts[1] = (SecBuffer){ (unsigned long)(len - header_len), SECBUFFER_DATA,
                            copy.text + header_len };
    parts[2] = (SecBuffer){ 0, SECBUFFER_PADDING, NULL };
    status = DecryptMessage(&c->ctx, &all, 0, &quality);
    if (status != SEC_E_OK)
        return message_fail(
            status, "it was changed on the way, repeated, or is one of another connection",
            "decrypting the answer", err);
    if (quality == SECQOP_WRAP_NO_ENCRYPT)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer is signed but not encrypted");
    plain = parts[1].pvBuffer;
    left = parts[1].cbBuffer;
    if (left > len)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer's lengths do not fit");
    /* RC4's padding may be counted as data; no XML ends with that byte. */
    if (c->mechanism == SSPI_KERBEROS && left > 0 && plain[left - 1] == PADDING)
        left--;
    strbuf_add(ret, plain, left);
    os_wipe(copy.text, copy.len);
    return !ret->failed || err_no_memory(err);
}

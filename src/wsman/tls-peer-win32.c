/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other side's certificate as Schannel has it, and certificates of our own in the forms it
 * takes: one of the user's or the machine's store, or a .pfx file.
 *
 * Source: curl.se CURLINFO_TLS_SSL_PTR (Schannel: CtxtHandle), CURLOPT_SSLCERT;
 * MicrosoftDocs/win32 secauthn SECPKG_ATTR_REMOTE_CERT_CONTEXT.
 */

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#define SECURITY_WIN32
#include <windows.h>
#include <wincrypt.h>
#include <security.h>
#include <schannel.h>

#include "tls-peer.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

enum { PFX_MOST = 1 << 20 };

/* A list of revoked certificates that cannot be reached is no reason to refuse: those of a
 * domain's own authority often cannot, and other systems do not ask for them at all.  One that
 * can be reached counts. */
CURLcode tls_peer_prepare(CURL *curl)
{
    return curl_easy_setopt(curl, CURLOPT_SSL_OPTIONS, (long)CURLSSLOPT_REVOKE_BEST_EFFORT);
}

/* NULL: none; else to be freed. */
static const CERT_CONTEXT *peer_context(CURL *curl)
{
    struct curl_tlssessioninfo *session = NULL;
    const CERT_CONTEXT *context = NULL;

    if (curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &session) || !session ||
        session->backend != CURLSSLBACKEND_SCHANNEL || !session->internals)
        return NULL;
    return QueryContextAttributesW(session->internals, SECPKG_ATTR_REMOTE_CERT_CONTEXT,
                                   &context) == SEC_E_OK
               ? context
               : NULL;
}

bool tls_peer_certificate(CURL *curl, struct certificate *ret)
{
    const CERT_CONTEXT *context = peer_context(curl);
    struct err ignored = ERR_INIT;
    bool ok = context && certificate_read_der(context->pbCertEncoded,
                                              context->cbCertEncoded, ret, &ignored);

    if (context)
        CertFreeCertificateContext(context);
    return ok;
}

/* Letters beyond ASCII cannot be in such a name. */
static void put_name(const wchar_t *name, char ret[TLS_NAMES_MOST], size_t *used)
{
    const char *before = *used ? ", DNS:" : "DNS:";

    if (*used + strlen(before) + wcslen(name) + 1 > TLS_NAMES_MOST)
        return;
    while (*before)
        ret[(*used)++] = *before++;
    for (; *name; name++)
        ret[(*used)++] = *name >= L' ' && *name <= L'~' ? (char)*name : '?';
    ret[*used] = '\0';
}

void tls_peer_names(CURL *curl, char ret[TLS_NAMES_MOST])
{
    const CERT_CONTEXT *context = peer_context(curl);
    wchar_t names[1024] = L""; /* one after the other, the last one empty */
    size_t used = 0;

    ret[0] = '\0';
    if (!context)
        return;
    if (CertGetNameStringW(context, CERT_NAME_DNS_TYPE,
                           CERT_NAME_SEARCH_ALL_NAMES_FLAG |
                               CERT_NAME_DISABLE_IE4_UTF8_FLAG,
                           NULL, names, ARRAY_LEN(names)) > 1)
        for (const wchar_t *at = names; at < names + ARRAY_LEN(names) && *at;
             at += wcslen(at) + 1)
            put_name(at, ret, &used);
    CertFreeCertificateContext(context);
}

static bool is_in_store(const char *name)
{
    static const char *const stores[] = { "CurrentUser\\", "LocalMachine\\" };

    for (size_t i = 0; i < ARRAY_LEN(stores); i++)
        if (text_istarts(name, stores[i]))
            return true;
    return false;
}

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len > end_len && text_ieq(name + len - end_len, end);
}

static bool use_pfx(CURL *curl, const char *file, struct err *err)
{
    size_t len = 0;
    char *bytes = os_read_file(file, PFX_MOST, &len, err);
    struct curl_blob blob = { bytes, len, CURL_BLOB_COPY };
    bool ok;

    if (!bytes) {
        err->kind = ERR_INVALID;
        return err_wrap(err, "the client certificate cannot be read");
    }
    ok = curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &blob) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_SSLCERTTYPE, "P12") == CURLE_OK;
    os_wipe(bytes, len);
    free(bytes);
    return ok || err_no_memory(err);
}

bool tls_set_client_certificate(CURL *curl, const char *certificate, const char *key,
                                struct err *err)
{
    if (is_in_store(certificate) && !key)
        return curl_easy_setopt(curl, CURLOPT_SSLCERT, certificate) == CURLE_OK ||
               err_no_memory(err);
    if ((ends_in(certificate, ".pfx") || ends_in(certificate, ".p12")) && !key)
        return use_pfx(curl, certificate, err);
    err_fail(err, ERR_UNSUPPORTED, 0,
             "Windows does not take '%.120s' as a client certificate", certificate);
    return err_hint(
        err, "give --cert CurrentUser\\MY\\THUMBPRINT (of its certificate store), or a "
             ".pfx file without a password, which has the key in it (openssl pkcs12 "
             "-export)");
}

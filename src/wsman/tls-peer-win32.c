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
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

enum { PFX_MOST = 1 << 20, SHA1_BYTES = 20 };

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

/* ---- certificates of our own ---- */

/* LOCATION\\STORE\\THUMBPRINT */
struct place {
    const char *location;
    DWORD flag;
    wchar_t store[64];
    char thumbprint[2 * SHA1_BYTES + 1];
};

static const struct {
    const char *name;
    DWORD flag;
} locations[] = {
    { "CurrentUser", CERT_SYSTEM_STORE_CURRENT_USER },
    { "LocalMachine", CERT_SYSTEM_STORE_LOCAL_MACHINE },
};

/* The rest behind "CurrentUser\\" or "LocalMachine\\"; NULL: a name of another kind. */
static const char *find_location(const char *name, struct place *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(locations); i++) {
        size_t len = strlen(locations[i].name);

        if (text_istarts(name, locations[i].name) && name[len] == '\\') {
            ret->location = locations[i].name;
            ret->flag = locations[i].flag;
            return name + len + 1;
        }
    }
    return NULL;
}

/* As Windows' own dialogs show it, too: in pairs. */
static bool parse_thumbprint(const char *text, char ret[2 * SHA1_BYTES + 1])
{
    size_t len = 0;

    for (; *text; text++) {
        if (*text == ' ' || *text == ':')
            continue;
        if (!strchr("0123456789abcdefABCDEF", *text) || len == 2 * SHA1_BYTES)
            return false;
        ret[len++] = *text;
    }
    ret[len] = '\0';
    return len == 2 * SHA1_BYTES;
}

static bool parse_place(const char *name, const char *rest, struct place *ret,
                        struct err *err)
{
    size_t len = strcspn(rest, "\\");

    if (len > 0 && len < ARRAY_LEN(ret->store) && rest[len] &&
        parse_thumbprint(rest + len + 1, ret->thumbprint)) {
        for (size_t i = 0; i < len; i++)
            ret->store[i] = (unsigned char)rest[i];
        ret->store[len] = L'\0';
        return true;
    }
    err_fail(err, ERR_INVALID, 0, "'%.120s' names no certificate of a store", name);
    return err_hint(
        err, "a certificate is named CurrentUser\\MY\\THUMBPRINT; the thumbprint has "
             "40 hex digits (Get-ChildItem Cert:\\CurrentUser\\My shows it)");
}

/* NULL: there is none; else to be freed. */
static const CERT_CONTEXT *find_in_store(const struct place *place)
{
    BYTE bytes[SHA1_BYTES];
    CRYPT_HASH_BLOB hash = { sizeof(bytes), bytes };
    const CERT_CONTEXT *found = NULL;
    HCERTSTORE store = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0,
                                     place->flag | CERT_STORE_OPEN_EXISTING_FLAG |
                                         CERT_STORE_READONLY_FLAG,
                                     place->store);

    for (int i = 0; i < SHA1_BYTES; i++) {
        char pair[3] = { place->thumbprint[2 * i], place->thumbprint[2 * i + 1] };

        bytes[i] = (BYTE)strtoul(pair, NULL, 16);
    }
    if (store) {
        found = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_HASH,
                                           &hash, NULL);
        CertCloseStore(store, 0);
    }
    return found;
}

/* libcurl would only say that something is wrong with it. */
static bool use_store(CURL *curl, const char *name, const struct place *place,
                      struct err *err)
{
    const CERT_CONTEXT *found = find_in_store(place);
    DWORD size = 0;
    char path[128];
    bool has_key;

    if (!found) {
        err_fail(err, ERR_NOT_FOUND, 0, "the store has no certificate '%.120s'", name);
        return err_hint(err, "Get-ChildItem Cert:\\%s\\%ls lists what it has",
                        place->location, place->store);
    }
    has_key =
        CertGetCertificateContextProperty(found, CERT_KEY_PROV_INFO_PROP_ID, NULL, &size);
    CertFreeCertificateContext(found);
    if (!has_key) {
        err_fail(err, ERR_INVALID, 0, "the certificate '%.120s' is there without its key",
                 name);
        return err_hint(err, "import it with its private key, from a .pfx file");
    }
    snprintf(path, sizeof(path), "%s\\%ls\\%s", place->location, place->store,
             place->thumbprint);
    return curl_easy_setopt(curl, CURLOPT_SSLCERT, path) == CURLE_OK || err_no_memory(err);
}

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len > end_len && text_ieq(name + len - end_len, end);
}

/* Opened here once as libcurl will, since its own words for it are a number. */
static bool check_pfx(const char *file, char *bytes, size_t len, struct err *err)
{
    CRYPT_DATA_BLOB blob = { (DWORD)len, (BYTE *)bytes };
    HCERTSTORE store = PFXImportCertStore(&blob, L"", PKCS12_NO_PERSIST_KEY);

    if (store) {
        CertCloseStore(store, 0);
        return true;
    }
    err_fail(err, ERR_INVALID, GetLastError(),
             "'%.120s' is no .pfx file, or has a password", file);
    return err_hint(err,
                    "hvgpu takes one without a password; or import it into Windows' store "
                    "(certutil -user -importPFX FILE) and give --cert "
                    "CurrentUser\\MY\\THUMBPRINT");
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
    ok = check_pfx(file, bytes, len, err) &&
         ((curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &blob) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLCERTTYPE, "P12") == CURLE_OK) ||
          err_no_memory(err));
    os_wipe(bytes, len);
    free(bytes);
    return ok;
}

bool tls_set_client_certificate(CURL *curl, const char *certificate, const char *key,
                                struct err *err)
{
    struct place place;
    const char *rest = find_location(certificate, &place);

    if (rest && !key)
        return parse_place(certificate, rest, &place, err) &&
               use_store(curl, certificate, &place, err);
    if ((ends_in(certificate, ".pfx") || ends_in(certificate, ".p12")) && !key)
        return use_pfx(curl, certificate, err);
    err_fail(err, ERR_UNSUPPORTED, 0,
             "Windows does not take '%.120s' as a client certificate", certificate);
    return err_hint(
        err, "give --cert CurrentUser\\MY\\THUMBPRINT (of its certificate store), or a "
             ".pfx file without a password, which has the key in it (openssl pkcs12 "
             "-export)");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls-binding.h"

#include <string.h>

#include <gnutls/x509.h>

#include "err.h"

bool tls_binding_make(const char *pem, struct strbuf *ret, struct err *err)
{
    gnutls_datum_t text = { (unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem) };
    gnutls_digest_algorithm_t hash;
    gnutls_x509_crt_t certificate;
    unsigned char bytes[64];
    size_t len = sizeof(bytes);
    int failed = gnutls_x509_crt_init(&certificate);

    if (failed < 0)
        return err_no_memory(err);
    failed = gnutls_x509_crt_import(certificate, &text, GNUTLS_X509_FMT_PEM);
    if (failed >= 0) {
        hash = gnutls_sign_get_hash_algorithm(
            (gnutls_sign_algorithm_t)gnutls_x509_crt_get_signature_algorithm(certificate));
        if (hash == GNUTLS_DIG_MD5 || hash == GNUTLS_DIG_SHA1)
            hash = GNUTLS_DIG_SHA256; /* RFC 5929 4.1 */
        failed = hash == GNUTLS_DIG_UNKNOWN
                     ? 0
                     : gnutls_x509_crt_get_fingerprint(certificate, hash, bytes, &len);
        if (failed >= 0 && hash != GNUTLS_DIG_UNKNOWN) {
            strbuf_puts(ret, "tls-server-end-point:");
            strbuf_add(ret, bytes, len);
        }
    }
    gnutls_x509_crt_deinit(certificate);
    if (failed < 0)
        return err_fail(err, ERR_INVALID, 0, "the TLS certificate: %s",
                        gnutls_strerror(failed));
    return !ret->failed || err_no_memory(err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side's certificate by CURLINFO_CERTINFO, as OpenSSL gives it. */

#include "tls-peer.h"

#include <string.h>

#include "err.h"
#include "text.h"

CURLcode tls_peer_prepare(CURL *curl)
{
    return curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
}

/* The host's own certificate comes first. */
static const struct curl_slist *first_certificate(CURL *curl)
{
    struct curl_certinfo *info = NULL;

    return curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) || !info ||
                   info->num_of_certs < 1
               ? NULL
               : info->certinfo[0];
}

bool tls_peer_certificate(CURL *curl, struct certificate *ret)
{
    struct err ignored = ERR_INIT;

    for (const struct curl_slist *line = first_certificate(curl); line; line = line->next)
        if (strncmp(line->data, "Cert:", 5) == 0)
            return certificate_read(line->data + 5, ret, &ignored);
    return false;
}

void tls_peer_names(CURL *curl, char ret[TLS_NAMES_MOST])
{
    static const char label[] = "X509v3 Subject Alternative Name:";

    ret[0] = '\0';
    for (const struct curl_slist *line = first_certificate(curl); line; line = line->next) {
        size_t used = 0;

        if (!text_istarts(line->data, label))
            continue;
        /* Foreign words: what is printable of them. */
        for (const char *at = line->data + strlen(label); *at && used + 1 < TLS_NAMES_MOST;
             at++)
            if (*at >= ' ' && *at <= '~' && (used || *at != ' '))
                ret[used++] = *at;
        ret[used] = '\0';
    }
}

bool tls_set_client_certificate(CURL *curl, const char *certificate, const char *key,
                                struct err *err)
{
    return (curl_easy_setopt(curl, CURLOPT_SSLCERT, certificate) == CURLE_OK &&
            curl_easy_setopt(curl, CURLOPT_SSLKEY, key ? key : certificate) == CURLE_OK) ||
           err_no_memory(err);
}

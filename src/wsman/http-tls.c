/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS: which host is trusted, and what to say when it is none. */

#include <string.h>

#include "err.h"
#include "http-inside.h"
#include "text.h"

bool http_tls_set_up(struct http *h, const struct wsman_options *o, struct err *err)
{
    CURL *c = h->curl;
    CURLcode bad = 0;

    h->has_pin = o->pin;
    if (o->pin && !certificate_pin_parse(o->pin, &h->pin, err))
        return false;
    /* A pinned certificate is known by itself: nobody needs to vouch for it. */
    h->is_verified = !o->insecure && (!o->pin || o->ca_file);
    h->ca_file = text_dup(o->ca_file);
    h->client_cert = text_dup(o->client_cert);
    h->client_key = text_dup(o->client_key);
    if ((!h->ca_file && o->ca_file) || (!h->client_cert && o->client_cert) ||
        (!h->client_key && o->client_key))
        return err_no_memory(err);
    bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, h->is_verified ? 1L : 0L);
    bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, h->is_verified ? 2L : 0L);
    bad |= curl_easy_setopt(c, CURLOPT_CERTINFO, 1L);
    /* A resumed connection has no certificate to look at. */
    bad |= curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (h->ca_file)
        bad |= curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
    if (h->client_cert)
        bad |= curl_easy_setopt(c, CURLOPT_SSLCERT, h->client_cert);
    if (h->client_cert)
        bad |= curl_easy_setopt(c, CURLOPT_SSLKEY,
                                h->client_key ? h->client_key : h->client_cert);
    return bad == CURLE_OK || err_no_memory(err);
}

/* The host's own certificate comes first. */
static bool read_certificate(CURL *curl, struct certificate *ret)
{
    struct curl_certinfo *info = NULL;
    struct err ignored = ERR_INIT;

    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) || !info ||
        info->num_of_certs < 1)
        return false;
    for (const struct curl_slist *line = info->certinfo[0]; line; line = line->next)
        if (strncmp(line->data, "Cert:", 5) == 0)
            return certificate_read(line->data + 5, ret, &ignored);
    return false;
}

bool http_tls_check(struct http *h)
{
    if (!h->endpoint.is_tls)
        return true;
    if (h->socket != h->sockets) /* a new connection: it alone has shown a certificate */
        h->has_certificate = read_certificate(h->curl, &h->certificate);
    if (!h->has_pin)
        return true;
    h->is_pin_wrong =
        !h->has_certificate || !certificate_pin_matches(&h->pin, &h->certificate);
    return !h->is_pin_wrong;
}

void http_tls_binding(const struct http *h, struct strbuf *ret)
{
    strbuf_clear(ret);
    if (!h->endpoint.is_tls || !h->has_certificate || !h->certificate.binding_len)
        return;
    strbuf_puts(ret, "tls-server-end-point:");
    strbuf_add(ret, h->certificate.binding, h->certificate.binding_len);
}

/* ---- what is wrong with it ---- */

static size_t drop_bytes(char *bytes, size_t one, size_t len, void *user)
{
    return len;
}

enum { NAMES_MOST = 160 };

/* "DNS:hv-01.example.org, DNS:hv-01" of the host's own certificate; "" when it has none. */
static void read_names(CURL *curl, char ret[NAMES_MOST])
{
    static const char label[] = "X509v3 Subject Alternative Name:";
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) || !info ||
        info->num_of_certs < 1)
        return;
    for (const struct curl_slist *line = info->certinfo[0]; line; line = line->next) {
        const char *at;
        size_t used = 0;

        if (!text_istarts(line->data, label))
            continue;
        /* Foreign words: what is printable of them. */
        for (at = line->data + strlen(label); *at && used + 1 < NAMES_MOST; at++)
            if (*at >= ' ' && *at <= '~' && (used || *at != ' '))
                ret[used++] = *at;
        ret[used] = '\0';
    }
}

/* Connects once more, believing anything and sending nothing, to see the certificate. */
static bool look_at_certificate(struct http *h, struct certificate *ret,
                                char ret_names[NAMES_MOST])
{
    CURL *c = curl_easy_init();
    bool found = false;

    ret_names[0] = '\0';
    if (c && !curl_easy_setopt(c, CURLOPT_URL, h->url) &&
        !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") &&
        !curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L) &&
        !curl_easy_setopt(c, CURLOPT_PROXY, "") &&
        !curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) &&
        !curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 5000L) &&
        !curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
        !curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) &&
        !curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L) &&
        !curl_easy_setopt(c, CURLOPT_CERTINFO, 1L) &&
        !curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop_bytes) &&
        curl_easy_perform(c) == CURLE_OK) {
        found = read_certificate(c, ret);
        read_names(c, ret_names);
    }
    curl_easy_cleanup(c);
    return found;
}

/* In libcurl's words (OpenSSL's X509_verify_cert_error_string). */
static const struct {
    const char *words, *what, *hint;
} reasons[] = {
    { "self-signed certificate in",
      "the host's certificate was issued by an unknown authority",
      "give that authority's certificate with --ca FILE" },
    { "self-signed", "the host's certificate is self-signed", "give it with --ca FILE" },
    { "unable to get local issuer",
      "the host's certificate was issued by an unknown authority",
      "give that authority's certificate with --ca FILE" },
    { "unable to verify the first",
      "the host's certificate was issued by an unknown authority",
      "give that authority's certificate with --ca FILE" },
    { "has expired", "the host's certificate has expired",
      "renew it on the host, and set its thumbprint in the listener "
      "(winrm set winrm/config/Listener?Address=*+Transport=HTTPS)" },
    { "not yet valid", "the host's certificate is not valid yet",
      "check the clocks of both machines" },
    { "subject name", "the host's certificate is for another name",
      "connect by the name it was made for" },
    { "too weak", "the host's certificate is too weak", "make a new one on the host" },
    { "too small", "the host's certificate is too weak", "make a new one on the host" },
};

/* No certificate was seen: the two did not come to an understanding before that. */
bool http_tls_connect_fail(const struct http *h, struct err *err)
{
    static const char mixed_up[] =
        "5986 is the port for https, 5985 for http; write -H http://NAME:5985/wsman to use "
        "that one";
    static const struct {
        const char *words, *what, *hint;
    } causes[] = {
        { "wrong version number", "what answers there does not speak TLS", mixed_up },
        /* A server of http may hang up before its complaint has arrived. */
        { "SSL_ERROR_SYSCALL", "what is there hangs up, or does not speak TLS", mixed_up },
        { "unexpected eof", "what is there hangs up, or does not speak TLS", mixed_up },
        { "alert protocol version", "the host speaks only TLS older than 1.2",
          "switch TLS 1.2 on there (HKLM\\SYSTEM\\CurrentControlSet\\Control\\"
          "SecurityProviders\\SCHANNEL\\Protocols)" },
        { "unsupported protocol", "the host speaks only TLS older than 1.2",
          "switch TLS 1.2 on there (HKLM\\SYSTEM\\CurrentControlSet\\Control\\"
          "SecurityProviders\\SCHANNEL\\Protocols)" },
        { "handshake failure",
          "the host and this machine have no TLS cipher in common, or it "
          "wants a client certificate",
          "bring the host up to date, look at its SCHANNEL settings, or give --cert and "
          "--cert-key" },
        { "certificate required", "the host wants a client certificate",
          "give one with --cert and --cert-key" },
        { "bad certificate", "the host does not take this client certificate",
          "it must come from an authority that the host knows" },
    };

    for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
        if (!text_istr(h->why, causes[i].words))
            continue;
        err_fail(err, ERR_UNREACHABLE, 0, "no TLS connection: %s (%s)", causes[i].what,
                 h->why);
        err_hint(err, "%s", causes[i].hint);
        return err_wrap(err, "'%s'", h->url);
    }
    err_fail(err, ERR_UNREACHABLE, 0, "no TLS connection: %s", h->why);
    err_hint(err,
             "check that this port speaks https (5986 does, 5985 does not), and TLS 1.2 "
             "or newer");
    return err_wrap(err, "'%s'", h->url);
}

bool http_tls_fail(struct http *h, struct err *err)
{
    const char *what = "the host's certificate is not trusted",
               *hint = "give its issuer with --ca FILE";
    char pin[CERTIFICATE_PIN_TEXT] = "", names[NAMES_MOST];
    struct certificate seen;
    bool is_misnamed;

    if (h->is_pin_wrong) {
        if (h->has_certificate)
            certificate_pin_format(&h->certificate, pin);
        err_fail(err, ERR_UNREACHABLE, 0, "the host's certificate is not the pinned one");
        if (pin[0])
            err_hint(err,
                     "its certificate is %s; if the host has a new one, pin that, else "
                     "somebody is in between",
                     pin);
        return err_wrap(err, "'%s'", h->url);
    }
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (text_istr(h->why, reasons[i].words)) {
            what = reasons[i].what;
            hint = reasons[i].hint;
            break;
        }
    }
    err_fail(err, ERR_UNREACHABLE, 0, "%s: %s", what, h->why);
    is_misnamed = text_istr(h->why, "subject name");
    if (look_at_certificate(h, &seen, names)) {
        certificate_pin_format(&seen, pin);
        err_hint(err, "%s%s%s%s; or, if it is really the host's, --pin %s", hint,
                 is_misnamed && names[0] ? " (" : "", is_misnamed ? names : "",
                 is_misnamed && names[0] ? ")" : "", pin);
    } else {
        err_hint(err, "%s", hint);
    }
    return err_wrap(err, "'%s'", h->url);
}

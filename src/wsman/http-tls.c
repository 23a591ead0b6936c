/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS: which host is trusted, and what to say when it is none. */

#include <string.h>

#include "err.h"
#include "http-inside.h"
#include "os.h"
#include "text.h"
#include "tls-peer.h"

enum { AUTHORITIES_MOST = 4 << 20 }; /* the bundle of a system has 200 KiB */

/* Read here, so that any name of a file will do on every system. */
static bool set_authorities(CURL *curl, const char *file, struct err *err)
{
    size_t len = 0;
    CLEANUP(free_cleanup) char *pem = os_read_file(file, AUTHORITIES_MOST, &len, err);
    struct curl_blob blob = { pem, len, CURL_BLOB_COPY };

    if (!pem) {
        err->kind = ERR_INVALID;
        return err_wrap(err, "the CA file cannot be read");
    }
    if (!strstr(pem, "CERTIFICATE-----")) {
        err_fail(err, ERR_INVALID, 0, "'%s' holds no certificate", file);
        return err_hint(err, "--ca takes PEM: -----BEGIN CERTIFICATE-----");
    }
    return curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK ||
           err_no_memory(err);
}

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
    bad |= tls_peer_prepare(c);
    /* A resumed connection has no certificate to look at. */
    bad |= curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (h->ca_file && !set_authorities(c, h->ca_file, err))
        return false;
    if (h->client_cert &&
        !tls_set_client_certificate(c, h->client_cert, h->client_key, err))
        return false;
    return bad == CURLE_OK || err_no_memory(err);
}

bool http_tls_check(struct http *h)
{
    if (!h->endpoint.is_tls)
        return true;
    if (h->socket != h->sockets) /* a new connection: it alone has shown a certificate */
        h->has_certificate = tls_peer_certificate(h->curl, &h->certificate);
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

struct look {
    CURL *curl;
    struct certificate certificate;
    char names[TLS_NAMES_MOST];
    bool has_certificate;
};

/* Called when the connection is there; nothing is sent on it. */
static int on_seen(void *user, char *ip, char *local_ip, int port, int local_port)
{
    struct look *look = user;

    look->has_certificate = tls_peer_certificate(look->curl, &look->certificate);
    tls_peer_names(look->curl, look->names);
    return CURL_PREREQFUNC_ABORT;
}

/* Connects once more, believing anything and sending nothing, to see the certificate. */
static bool look_at_certificate(struct http *h, struct look *look)
{
    CURL *c = curl_easy_init();

    *look = (struct look){ .curl = c };
    if (c && !curl_easy_setopt(c, CURLOPT_URL, h->url) &&
        !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") &&
        !curl_easy_setopt(c, CURLOPT_PROXY, "") &&
        !curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) &&
        !curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 5000L) &&
        !curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
        !curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) &&
        !curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L) && !tls_peer_prepare(c) &&
        !curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_seen) &&
        !curl_easy_setopt(c, CURLOPT_PREREQDATA, look))
        (void)curl_easy_perform(c);
    curl_easy_cleanup(c);
    return look->has_certificate;
}

/* In libcurl's words: OpenSSL's X509_verify_cert_error_string, and what Schannel and the
 * chains of Windows are called. */
static const struct reason {
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
    { "UNTRUSTED_ROOT", "the host's certificate was issued by an unknown authority",
      "give that authority's certificate with --ca FILE" },
    { "PARTIAL_CHAIN", "the host's certificate was issued by an unknown authority",
      "give that authority's certificate with --ca FILE" },
    { "error mask: 0x00000020", "the host's certificate was issued by an unknown authority",
      "give that authority's certificate with --ca FILE" },
    { "CERT_EXPIRED", "the host's certificate has expired or is not valid yet",
      "check the clocks of both machines, or renew it on the host" },
    { "NOT_TIME_VALID", "the host's certificate has expired or is not valid yet",
      "check the clocks of both machines, or renew it on the host" },
    { "IS_REVOKED", "the host's certificate was revoked", "make a new one for the host" },
    { "CRYPT_E_REVOKED", "the host's certificate was revoked",
      "make a new one for the host" },
    { "SNI or certificate check", "the host's certificate is for another name",
      "connect by the name it was made for" },
    { "name verification failed", "the host's certificate is for another name",
      "connect by the name it was made for" },
    { "failed to match connection hostname", "the host's certificate is for another name",
      "connect by the name it was made for" },
    { "too weak", "the host's certificate is too weak", "make a new one on the host" },
    { "too small", "the host's certificate is too weak", "make a new one on the host" },
};

/* Why the host's certificate was not believed; NULL: that was not the reason. */
static const struct reason *find_reason(const struct http *h)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (text_istr(h->why, reasons[i].words))
            return &reasons[i];
    return NULL;
}

/* No certificate was seen: the two did not come to an understanding before that.  But
 * Schannel judges the certificate while connecting, so that it may be the reason. */
bool http_tls_connect_fail(struct http *h, struct err *err)
{
    static const char mixed_up[] =
        "5986 is the port for https, 5985 for http; write -H http://NAME:5985/wsman to use "
        "that one";
    static const char old_tls[] =
        "switch TLS 1.2 on there (HKLM\\SYSTEM\\CurrentControlSet\\Control\\"
        "SecurityProviders\\SCHANNEL\\Protocols)";
    static const struct {
        const char *words, *what, *hint;
    } causes[] = {
        { "wrong version number", "what answers there does not speak TLS", mixed_up },
        /* A server of http may hang up before its complaint has arrived. */
        { "SSL_ERROR_SYSCALL", "what is there hangs up, or does not speak TLS", mixed_up },
        { "unexpected eof", "what is there hangs up, or does not speak TLS", mixed_up },
        { "alert protocol version", "the host speaks only TLS older than 1.2", old_tls },
        { "unsupported protocol", "the host speaks only TLS older than 1.2", old_tls },
        { "handshake failure",
          "the host and this machine have no TLS cipher in common, or it "
          "wants a client certificate",
          "bring the host up to date, look at its SCHANNEL settings, or give --cert and "
          "--cert-key" },
        { "certificate required", "the host wants a client certificate",
          "give one with --cert and --cert-key" },
        { "SEC_E_INVALID_TOKEN", "what answers there does not speak TLS", mixed_up },
        { "SEC_E_ILLEGAL_MESSAGE", "what answers there does not speak TLS", mixed_up },
        { "failed to receive handshake", "what is there hangs up, or does not speak TLS",
          mixed_up },
        { "SEC_E_UNSUPPORTED_FUNCTION", "the host speaks only TLS older than 1.2",
          old_tls },
        { "SEC_E_ALGORITHM_MISMATCH",
          "the host and this machine have no TLS cipher in common",
          "bring the host up to date, or look at its SCHANNEL settings" },
        { "SEC_I_INCOMPLETE_CREDENTIALS", "the host wants a client certificate",
          "give one with --cert" },
        { "bad certificate", "the host does not take this client certificate",
          "it must come from an authority that the host knows" },
    };

    if (find_reason(h))
        return http_tls_fail(h, err);
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
    static const struct reason unknown = { "", "the host's certificate is not trusted",
                                           "give its issuer with --ca FILE" };
    const struct reason *reason = find_reason(h);
    char pin[CERTIFICATE_PIN_TEXT] = "";
    struct look seen;
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
    if (!reason)
        reason = &unknown;
    err_fail(err, ERR_UNREACHABLE, 0, "%s: %s", reason->what, h->why);
    is_misnamed = strstr(reason->what, "another name") != NULL;
    if (look_at_certificate(h, &seen)) {
        certificate_pin_format(&seen.certificate, pin);
        err_hint(err, "%s%s%s%s; or, if it is really the host's, --pin %s", reason->hint,
                 is_misnamed && seen.names[0] ? " (" : "", is_misnamed ? seen.names : "",
                 is_misnamed && seen.names[0] ? ")" : "", pin);
    } else {
        err_hint(err, "%s", reason->hint);
    }
    return err_wrap(err, "'%s'", h->url);
}

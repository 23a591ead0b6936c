/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libcurl and HTTP say, and what a person can do about it (texts: measured with
 * libcurl 7.88 and OpenSSL 3). */

#include <stdlib.h>
#include <time.h>

#include "err.h"
#include "http-inside.h"

enum { SKEW_SECONDS = 5 * 60 };

static const struct {
    CURLcode code;
    enum err_kind kind;
    const char *what, *hint;
} curl_errors[] = {
    { CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE,
      "the name of the host cannot be resolved",
      "check the spelling of the host name, and DNS" },
    { CURLE_COULDNT_CONNECT, ERR_UNREACHABLE, "no connection",
      "on the host: winrm quickconfig, and a firewall rule for this port (http 5985, https "
      "5986); or name the port, as in -H NAME:5986" },
    { CURLE_OPERATION_TIMEDOUT, ERR_UNREACHABLE, "no answer in time",
      "check that the host is up and reachable; raise the time limit if it is only slow" },
    { CURLE_SSL_CACERT_BADFILE, ERR_INVALID, "the CA file cannot be read", NULL },
    { CURLE_SSL_CERTPROBLEM, ERR_INVALID, "the client certificate cannot be used",
      "--cert and --cert-key name PEM files that belong together" },
    { CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL, "the answer is not HTTP/1.1",
      "check that the port is WinRM's, and http and https are not mixed up" },
    { CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL, "the answer is not HTTP/1.1",
      "check that the port is WinRM's, and http and https are not mixed up" },
    { CURLE_GOT_NOTHING, ERR_UNREACHABLE, "the connection was closed without an answer",
      "check that http and https are not mixed up" },
    { CURLE_RECV_ERROR, ERR_UNREACHABLE, "the connection broke", NULL },
    { CURLE_SEND_ERROR, ERR_UNREACHABLE, "the connection broke", NULL },
    { CURLE_PARTIAL_FILE, ERR_UNREACHABLE, "the connection broke within the answer", NULL },
    { CURLE_ABORTED_BY_CALLBACK, ERR_UNREACHABLE, "the connection broke", NULL },
    { CURLE_OUT_OF_MEMORY, ERR_NO_MEMORY, "out of memory", NULL },
};

bool http_curl_fail(struct http *h, CURLcode code, struct err *err)
{
    const char *what = "the request could not be made", *hint = NULL;
    enum err_kind kind = ERR_UNREACHABLE;
    const char *why = h->why[0] ? h->why : curl_easy_strerror(code);

    if (code == CURLE_PEER_FAILED_VERIFICATION || h->is_pin_wrong)
        return http_tls_fail(h, err);
    if (code == CURLE_SSL_CONNECT_ERROR)
        return http_tls_connect_fail(h, err);
    for (size_t i = 0; i < ARRAY_LEN(curl_errors); i++) {
        if (curl_errors[i].code == code) {
            what = curl_errors[i].what;
            kind = curl_errors[i].kind;
            hint = curl_errors[i].hint;
        }
    }
    err_fail(err, kind, 0, "%s: %s", what,
             code == CURLE_ABORTED_BY_CALLBACK ? "not sent again" : why);
    if (hint)
        err_hint(err, "%s", hint);
    return err_wrap(err, "'%s'", h->url);
}

static const struct {
    long status;
    enum err_kind kind;
    const char *what, *hint;
} statuses[] = {
    { 400, ERR_PROTOCOL, "the host could not read the request", NULL },
    { 401, ERR_DENIED, "the host did not accept the user name and password",
      "check them; Basic takes local accounts only and must be enabled on the host "
      "(winrm set winrm/config/service/auth @{Basic=\"true\"})" },
    { 403, ERR_DENIED, "the host's web server forbids the request",
      "check for a proxy or filter in between, and for a required client certificate" },
    { 404, ERR_UNREACHABLE, "there is no WinRM at this address",
      "check the end of the URL: WinRM listens at /wsman" },
    { 407, ERR_DENIED, "a proxy wants authentication", NULL },
    { 413, ERR_REFUSED, "the request is too large for the host",
      "raise MaxEnvelopeSizekb there: winrm set winrm/config @{MaxEnvelopeSizekb=\"500\"}" },
    { 414, ERR_REFUSED, "the URL is too long for the host", NULL },
    { 500, ERR_REFUSED, "the host refused the request without saying why",
      "an unencrypted request to a host with AllowUnencrypted=false looks like this: use "
      "--auth negotiate, which encrypts, or https" },
    { 503, ERR_UNREACHABLE, "the WinRM service is starting or stopped",
      "try again in a minute; on the host: sc query winrm" },
};

/* A Kerberos ticket is worth nothing to a host whose clock disagrees; all it says is 401,
 * but its answer has a date. */
static void explain_denial(const struct http *h, struct err *err)
{
    long apart = h->head.date < 0 ? 0 : labs((long)(time(NULL) - h->head.date));

    if (apart > SKEW_SECONDS)
        err_hint(err,
                 "the clocks of this machine and of the host are %ld minutes apart, and "
                 "Kerberos allows 5: set both by the same time server",
                 apart / 60);
    if (h->auth && h->auth->ops->explain)
        h->auth->ops->explain(h->auth, err);
}

bool http_status_fail(const struct http *h, long status, struct err *err)
{
    const char *what = "an unexpected answer", *hint = NULL;
    enum err_kind kind = ERR_PROTOCOL;

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].status == status) {
            what = statuses[i].what;
            kind = statuses[i].kind;
            hint = statuses[i].hint;
        }
    }
    err_fail(err, kind, status, "%s (HTTP %ld)", what, status);
    if (status == 401)
        explain_denial(h, err);
    if (hint)
        err_hint(err, "%s", hint);
    return err_wrap(err, "'%s'", h->url);
}

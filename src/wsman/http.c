/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP to a WinRM endpoint, on libcurl. */

#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "err.h"
#include "os.h"
#include "text.h"

enum {
    DEFAULT_CONNECT_MS = 10000,
    MIN_ANSWER = 4 << 20, /* largest answer taken, unless the envelope may be larger */
};

struct http {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    struct wsman_endpoint endpoint;
    struct wsman_auth *auth;
    size_t max_answer;
    bool (*is_cancelled)(void *user);
    void *cancel_user;
    struct wsman_stats stats;
    char why[CURL_ERROR_SIZE];
    /* Of the request under way: */
    struct strbuf *answer;
    bool cancelled, too_large, may_repeat, check_cancel;
    unsigned sent;
};

/* What libcurl says, and what a person can do about it (texts: measured with libcurl
 * 7.88 and OpenSSL 3). */
static const struct {
    CURLcode code;
    enum err_kind kind;
    const char *what, *hint;
} curl_errors[] = {
    { CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE,
      "the name of the host cannot be resolved",
      "check the spelling of the host name, and DNS" },
    { CURLE_COULDNT_CONNECT, ERR_UNREACHABLE, "no connection",
      "on the host: winrm quickconfig, and a firewall rule for this port (http 5985, https 5986)" },
    { CURLE_OPERATION_TIMEDOUT, ERR_UNREACHABLE, "no answer in time",
      "check that the host is up and reachable; raise the time limit if it is only slow" },
    { CURLE_PEER_FAILED_VERIFICATION, ERR_UNREACHABLE,
      "the host's certificate is not trusted",
      "give its issuer with --ca, and use the name the certificate was made for" },
    { CURLE_SSL_CONNECT_ERROR, ERR_UNREACHABLE, "no TLS connection",
      "check that this port speaks https: 5986 does, 5985 does not" },
    { CURLE_SSL_CACERT_BADFILE, ERR_INVALID, "the CA file cannot be read", NULL },
    { CURLE_SSL_CERTPROBLEM, ERR_INVALID, "a certificate cannot be used", NULL },
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

static bool curl_fail(const struct http *h, CURLcode code, struct err *err)
{
    const char *what = "the request could not be made", *hint = NULL;
    enum err_kind kind = ERR_UNREACHABLE;
    const char *why = h->why[0] ? h->why : curl_easy_strerror(code);

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
    { 413, ERR_REFUSED, "the request is too large for the host", NULL },
    { 414, ERR_REFUSED, "the URL is too long for the host", NULL },
    { 500, ERR_REFUSED, "the host refused the request without saying why",
      "an unencrypted request to a host with AllowUnencrypted=false looks like this: use https" },
    { 503, ERR_UNREACHABLE, "the WinRM service is starting or stopped",
      "try again in a minute; on the host: sc query winrm" },
};

static bool status_fail(const struct http *h, long status, struct err *err)
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
    if (hint)
        err_hint(err, "%s", hint);
    return err_wrap(err, "'%s'", h->url);
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *user)
{
    struct http *h = user;

    if (h->answer->len + len > h->max_answer) {
        h->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    strbuf_add(h->answer, bytes, len);
    return h->answer->failed ? CURL_WRITEFUNC_ERROR : len;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct http *h = user;

    if (h->check_cancel && h->is_cancelled && h->is_cancelled(h->cancel_user))
        h->cancelled = true;
    return h->cancelled;
}

/* libcurl sends a request again by itself when a kept connection turns out to be closed.
 * The host may have acted on the first one, so only harmless requests may go twice. */
static int on_request(void *user, char *ip, char *local_ip, int port, int local_port)
{
    struct http *h = user;

    return h->sent++ && !h->may_repeat ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool is_loopback(const char *host)
{
    unsigned a, b, c, d;
    char rest;

    if (text_ieq(host, "localhost") || strcmp(host, "[::1]") == 0)
        return true;
    return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) == 4 && a == 127;
}

static bool parse_url(struct http *h, const char *url, struct err *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    bool ok = false;

    if (!u)
        return err_no_memory(err);
    if (curl_url_set(u, CURLUPART_URL, url, 0) ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) ||
        (!text_ieq(scheme, "http") && !text_ieq(scheme, "https"))) {
        err_fail(err, ERR_INVALID, 0,
                 "'%.200s' is no address of the form https://host:5986/wsman", url);
    } else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        err_fail(err, ERR_INVALID, 0, "the address of a host must not hold a user name");
    } else {
        h->endpoint.is_tls = text_ieq(scheme, "https");
        h->endpoint.is_loopback = is_loopback(host);
        h->endpoint.host = text_dup(host);
        h->url = text_dup(url);
        ok = (h->endpoint.host && h->url) || err_no_memory(err);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(u);
    return ok;
}

static bool add_header(struct http *h, const char *name, const char *value)
{
    char *line = text_printf("%s: %s", name, value);
    struct curl_slist *longer = line ? curl_slist_append(h->headers, line) : NULL;

    if (line)
        os_wipe(line, strlen(line));
    free(line);
    if (longer)
        h->headers = longer;
    return longer != NULL;
}

static bool make_headers(struct http *h)
{
    const char *authorization = h->auth->ops->header(h->auth);

    return add_header(h, "Content-Type", "application/soap+xml;charset=UTF-8") &&
           add_header(h, "Accept-Encoding", "identity") && add_header(h, "Expect", "") &&
           add_header(h, "Authorization", authorization);
}

static bool set_up(struct http *h, const struct wsman_options *o)
{
    CURL *c = h->curl;
    long connect_ms =
        o->connect_timeout_ms ? (long)o->connect_timeout_ms : DEFAULT_CONNECT_MS;
    CURLcode bad = 0;

    bad |= curl_easy_setopt(c, CURLOPT_URL, h->url);
    bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
    bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "hvgpu/" HVGPU_VERSION);
    bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(c, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_MAXCONNECTS, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
    bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
    if (o->ca_file)
        bad |= curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file);
    bad |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    bad |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    bad |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
    bad |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    bad |= curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_request);
    bad |= curl_easy_setopt(c, CURLOPT_PREREQDATA, h);
    bad |= curl_easy_setopt(c, CURLOPT_POST, 1L);
    return bad == CURLE_OK;
}

static pthread_once_t init_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void http_close(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    for (struct curl_slist *line = h->headers; line; line = line->next)
        os_wipe(line->data, strlen(line->data));
    curl_slist_free_all(h->headers);
    wsman_auth_release(h->auth);
    free(h->endpoint.host);
    free(h->url);
    free(h);
}
DEFINE_CLEANUP(http_cleanup, struct http *, http_close)

struct http *http_open(const struct wsman_options *options, struct err *err)
{
    CLEANUP(http_cleanup) struct http *h = calloc(1, sizeof(*h));

    if (!h) {
        err_no_memory(err);
        return NULL;
    }
    pthread_once(&init_once, init_curl);
    h->max_answer = (size_t)options->max_envelope_bytes * 4;
    if (h->max_answer < MIN_ANSWER)
        h->max_answer = MIN_ANSWER;
    h->is_cancelled = options->is_cancelled;
    h->cancel_user = options->cancel_user;
    if (!parse_url(h, options->url ? options->url : "", err))
        return NULL;
    h->auth = wsman_auth_open(options, &h->endpoint, err);
    if (!h->auth)
        return NULL;
    h->curl = curl_easy_init();
    if (!h->curl || !make_headers(h) || !set_up(h, options)) {
        err_no_memory(err);
        return NULL;
    }
    return TAKE(h);
}

static void count(struct http *h)
{
    curl_off_t down = 0, up = 0;
    long head_down = 0, head_up = 0;

    curl_easy_getinfo(h->curl, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(h->curl, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(h->curl, CURLINFO_HEADER_SIZE, &head_down);
    curl_easy_getinfo(h->curl, CURLINFO_REQUEST_SIZE, &head_up);
    h->stats.requests++;
    /* REQUEST_SIZE counts the headers, and what of the body went out with them. */
    h->stats.sent_bytes += (uint64_t)(head_up > up ? head_up : head_up + up);
    h->stats.received_bytes += (uint64_t)(down + head_down);
}

static CURLcode perform(struct http *h, const struct http_request *request,
                        struct strbuf *body)
{
    CURLcode code;

    strbuf_clear(body);
    h->answer = body;
    h->cancelled = h->too_large = false;
    h->may_repeat = request->may_repeat;
    h->check_cancel = !request->even_if_cancelled;
    h->sent = 0;
    h->why[0] = '\0';
    if (curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, request->body) ||
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len) ||
        curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms))
        return CURLE_OUT_OF_MEMORY;
    code = curl_easy_perform(h->curl);
    count(h);
    return code;
}

static bool is_lost_connection(CURLcode code)
{
    return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
           code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE;
}

static bool is_xml(const char *content_type)
{
    return content_type && (text_istarts(content_type, "application/soap+xml") ||
                            text_istarts(content_type, "text/xml") ||
                            text_istarts(content_type, "application/xml"));
}

static bool check_answer(struct http *h, const struct strbuf *body, struct err *err)
{
    const char *type = NULL;
    long status = 0;

    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
    if (body->len && is_xml(type) && (status == 200 || status == 400 || status >= 500))
        return true;
    if (status != 200)
        return status_fail(h, status, err);
    err_fail(err, ERR_PROTOCOL, status, "the answer is %s%.80s%s instead of SOAP",
             body->len ? "of type '" : "empty", body->len ? (type ? type : "not said") : "",
             body->len ? "'" : "");
    err_hint(err, "check that the address is that of WinRM, not of another web server");
    return err_wrap(err, "'%s'", h->url);
}

bool http_post(struct http *h, const struct http_request *request, struct strbuf *ret_body,
               struct err *err)
{
    CURLcode code = perform(h, request, ret_body);

    if (request->may_repeat && is_lost_connection(code) && !h->cancelled)
        code = perform(h, request, ret_body);
    if (h->cancelled)
        return err_fail(err, ERR_CANCELLED, 0, "stopped");
    if (h->too_large) {
        err_fail(err, ERR_PROTOCOL, 0, "the answer is longer than %zu bytes",
                 h->max_answer);
        return err_wrap(err, "'%s'", h->url);
    }
    if (ret_body->failed)
        return err_no_memory(err);
    if (code != CURLE_OK)
        return curl_fail(h, code, err);
    return check_answer(h, ret_body, err);
}

const char *http_url(const struct http *h)
{
    return h->url;
}

void http_get_stats(const struct http *h, struct wsman_stats *ret)
{
    *ret = h->stats;
}

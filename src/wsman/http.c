/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP to a WinRM endpoint, on libcurl. */

#include "http.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "encrypted.h"
#include "err.h"
#include "http-inside.h"
#include "os.h"
#include "text.h"

enum {
    DEFAULT_CONNECT_MS = 10000,
    MIN_ANSWER = 4 << 20, /* largest answer taken, unless the envelope may be larger */
};

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

static int on_socket(void *user, curl_socket_t socket, curlsocktype purpose)
{
    struct http *h = user;

    h->sockets++;
    return CURL_SOCKOPT_OK;
}

/* Called when a connection is there and nothing was sent yet.  libcurl takes a new one, or
 * sends a request again, by itself when a kept connection turns out to be closed.  But what
 * was wrapped for one connection is worth nothing on another, and the host may have acted
 * on what was sent, so only harmless requests may go twice. */
static int on_request(void *user, char *ip, char *local_ip, int port, int local_port)
{
    struct http *h = user;

    if (!http_tls_check(h))
        return CURL_PREREQFUNC_ABORT;
    if (h->is_bound && h->socket != h->sockets) {
        h->moved = true;
        return CURL_PREREQFUNC_ABORT;
    }
    h->socket = h->sockets;
    return h->sent++ && !h->may_repeat ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool is_ipv4(const char *host)
{
    unsigned a, b, c, d;
    char rest;

    return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) == 4;
}

static bool is_loopback(const char *host)
{
    return text_ieq(host, "localhost") || strcmp(host, "[::1]") == 0 ||
           (is_ipv4(host) && strncmp(host, "127.", 4) == 0);
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
        h->endpoint.is_address = host[0] == '[' || is_ipv4(host);
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

struct curl_slist *http_add_header(struct curl_slist *list, const char *name,
                                   const char *value)
{
    char *line = text_printf("%s:%s%s", name, *value ? " " : "", value);
    struct curl_slist *longer = line ? curl_slist_append(list, line) : NULL;

    if (line)
        os_wipe(line, strlen(line));
    free(line);
    if (!longer)
        curl_slist_free_all(list);
    return longer;
}

/* Of every message; they change once, when the scheme is chosen. */
static bool make_headers(struct http *h)
{
    bool sealing = http_is_sealing(h);
    struct curl_slist *list = http_add_header(
        NULL, "Content-Type",
        sealing ? encrypted_type(h->is_bare) : "application/soap+xml;charset=UTF-8");

    if (list)
        list = http_add_header(list, "Accept-Encoding", "identity");
    if (list)
        list = http_add_header(list, "Expect", "");
    if (list && h->auth->ops->header)
        list = http_add_header(list, "Authorization", h->auth->ops->header(h->auth));
    h->headers = list;
    return list;
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
    bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "hvgpu/" HVGPU_VERSION);
    bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(c, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_MAXCONNECTS, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    bad |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    bad |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_on_header);
    bad |= curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    bad |= curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_socket);
    bad |= curl_easy_setopt(c, CURLOPT_SOCKOPTDATA, h);
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
    for (size_t i = 0; i < h->auth_count; i++)
        wsman_auth_release(h->auths[i]);
    strbuf_free(&h->head.token);
    free(h->no_auth);
    free(h->passed_over);
    free(h->ca_file);
    free(h->client_cert);
    free(h->client_key);
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
    http_expect(h, options->max_envelope_bytes);
    h->is_cancelled = options->is_cancelled;
    h->cancel_user = options->cancel_user;
    h->on_log_on = options->on_log_on;
    h->log_on_user = options->log_on_user;
    if (!parse_url(h, options->url ? options->url : "", err))
        return NULL;
    if (!wsman_auth_open(options, &h->endpoint, h->auths, &h->auth_count, &h->passed_over,
                         err)) {
        if (!options->without_credentials || err->kind == ERR_NO_MEMORY)
            return NULL;
        h->no_auth = malloc(sizeof(*h->no_auth));
        if (!h->no_auth) {
            err_no_memory(err);
            return NULL;
        }
        *h->no_auth = *err;
        *err = ERR_INIT;
    }
    h->curl = curl_easy_init();
    if (!h->curl || !set_up(h, options)) {
        err_no_memory(err);
        return NULL;
    }
    return http_tls_set_up(h, options, err) ? TAKE(h) : NULL;
}

CURLcode http_perform(struct http *h, const struct http_request *request,
                      struct curl_slist *headers, struct strbuf *body)
{
    CURLcode code;

    strbuf_clear(body);
    h->answer = body;
    h->cancelled = h->too_large = h->moved = h->is_pin_wrong = false;
    h->may_repeat = request->may_repeat;
    h->check_cancel = !request->even_if_cancelled;
    h->sent = 0;
    h->head.bytes = 0;
    h->why[0] = '\0';
    if (curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers) ||
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, request->body) ||
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len) ||
        curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms))
        return CURLE_OUT_OF_MEMORY;
    h->code = code = curl_easy_perform(h->curl);
    return code;
}

bool http_is_lost(CURLcode code)
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

bool http_check(struct http *h, CURLcode code, const struct strbuf *body, struct err *err)
{
    if (h->cancelled)
        return err_fail(err, ERR_CANCELLED, 0, "stopped");
    if (h->too_large) {
        err_fail(err, ERR_PROTOCOL, 0, "the answer is longer than %zu bytes",
                 h->max_answer);
        return err_wrap(err, "'%s'", h->url);
    }
    if (body->failed)
        return err_no_memory(err);
    return code == CURLE_OK || http_curl_fail(h, code, err);
}

static bool check_type(const struct http *h, const struct strbuf *body, const char *type,
                       long status, struct err *err)
{
    if (body->len && is_xml(type) && (status == 200 || status == 400 || status >= 500))
        return true;
    if (status != 200)
        return http_status_fail(h, status, err);
    err_fail(err, ERR_PROTOCOL, status, "the answer is %s%.80s%s instead of SOAP",
             body->len ? "of type '" : "empty", body->len ? (type ? type : "not said") : "",
             body->len ? "'" : "");
    err_hint(err, "check that the address is that of WinRM, not of another web server");
    return err_wrap(err, "'%s'", h->url);
}

/* Where messages are encrypted, one that is not could come from anybody. */
static bool check_answer(struct http *h, struct strbuf *body, struct err *err)
{
    const char *type = NULL;
    long status = 0;

    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
    if (!http_is_sealing(h))
        return check_type(h, body, type, status, err);
    if (encrypted_is_type(type) && (status == 200 || status == 400 || status >= 500))
        return http_unseal(h, body, err);
    if (status != 200)
        return http_status_fail(h, status, err);
    err_fail(err, ERR_PROTOCOL, status, "the answer is not encrypted");
    return err_wrap(err, "'%s'", h->url);
}

/* The scheme's headers, once it is known. */
static bool prepare(struct http *h, const struct http_request *request, struct err *err)
{
    if (!http_log_on(h, request, err))
        return false;
    return h->headers || make_headers(h) || err_no_memory(err);
}

static bool send_once(struct http *h, const struct http_request *request,
                      struct strbuf *ret_body, CURLcode *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf sealed = STRBUF_INIT;
    struct http_request what = *request;

    if (!prepare(h, request, err))
        return false;
    if (http_is_sealing(h)) {
        if (!http_seal(h, request, &sealed, err))
            return false;
        what.body = sealed.text;
        what.len = sealed.len;
    }
    /* Bound to this connection, libcurl must not send it again by itself even so. */
    what.may_repeat = request->may_repeat && !h->auth->ops->begin;
    *ret = http_perform(h, &what, h->headers, ret_body);
    return true;
}

/* Once more after a lost connection: when nothing had been sent, or nothing can come of it
 * twice; and after a 401 to a connection that was logged on, which says that the host has
 * forgotten it and done nothing. */
static bool may_go_again(struct http *h, const struct http_request *request, CURLcode code)
{
    long status = 0;

    if (h->cancelled || h->too_large)
        return false;
    if (h->moved)
        return h->sent == 0 || request->may_repeat;
    if (code == CURLE_OK && h->auth->ops->begin) {
        curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
        return status == 401;
    }
    return request->may_repeat && http_is_lost(code);
}

bool http_post(struct http *h, const struct http_request *request, struct strbuf *ret_body,
               struct err *err)
{
    CURLcode code = CURLE_OK;

    if (!send_once(h, request, ret_body, &code, err))
        return false;
    if (may_go_again(h, request, code)) {
        h->logged_on = h->is_bound = false;
        if (!send_once(h, request, ret_body, &code, err))
            return false;
    }
    if (code == CURLE_OK && !ret_body->failed && !h->too_large && !h->cancelled &&
        check_answer(h, ret_body, err))
        return true;
    /* Whatever it was, what comes next starts with a connection of its own. */
    h->logged_on = false;
    if (code == CURLE_OK && !ret_body->failed && !h->too_large && !h->cancelled)
        return false;
    return http_check(h, code, ret_body, err);
}

void http_expect(struct http *h, uint32_t envelope_bytes)
{
    h->max_answer = (size_t)envelope_bytes * 4;
    if (h->max_answer < MIN_ANSWER)
        h->max_answer = MIN_ANSWER;
}

bool http_was_lost(const struct http *h)
{
    return !h->cancelled && !h->too_large && http_is_lost(h->code);
}

const char *http_url(const struct http *h)
{
    return h->url;
}

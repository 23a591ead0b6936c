/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging a connection on (RFC 4559, MS-WSMV 3.1.4): asking what the host offers, the
 * exchange of tokens, and wrapping what goes over it.
 *
 * A token or a wrapped body belongs to one connection: on_request() in http.c stops libcurl
 * before it sends one on another.
 */

#include <string.h>

#include "base64.h"
#include "encrypted.h"
#include "err.h"
#include "http-inside.h"
#include "os.h"
#include "text.h"

enum {
    MAX_HEAD = 256 * 1024,
    MAX_TOKEN = 96 * 1024, /* a ticket with a large PAC has 65535 bytes at most */
    MAX_LEGS = 8,
};

/* ---- the head of an answer ---- */

static const char *scheme_name(const struct http *h)
{
    return h->is_bare ? "Kerberos" : "Negotiate";
}

/* One "Scheme" or "Scheme token", which is @len bytes long. */
static bool take_offer(const struct http *h, struct http_head *head, const char *value,
                       size_t len)
{
    const char *blank = memchr(value, ' ', len);
    size_t name = blank ? (size_t)(blank - value) : len, used = strlen(head->offers);

    if (name + 3 < sizeof(head->offers) - used) {
        snprintf(head->offers + used, sizeof(head->offers) - used, "%s%.*s",
                 used ? ", " : "", (int)name, value);
        for (char *c = head->offers + used; *c; c++) /* for people: foreign words */
            if (*c < ' ' || *c > '~')
                *c = '?';
    }
    head->offers_negotiate |= name == 9 && text_istarts(value, "Negotiate");
    head->offers_kerberos |= name == 8 && text_istarts(value, "Kerberos");
    head->offers_basic |= name == 5 && text_istarts(value, "Basic");
    if (name == strlen(scheme_name(h)) && text_istarts(value, scheme_name(h))) {
        name += strspn(value + name, " ");
        if (name < len && len - name > MAX_TOKEN)
            return false;
        strbuf_clear(&head->token);
        strbuf_add(&head->token, value + name, name < len ? len - name : 0);
    }
    return true;
}

/* Servers write one line for each scheme; who stands between may have made one of them all
 * (RFC 9110 11.6.1), in which a comma also parts the parameters of one scheme. */
static bool take_offers(const struct http *h, struct http_head *head, const char *value)
{
    while (*value) {
        const char *end = value;
        bool is_quoted = false;
        size_t len;

        for (; *end && (is_quoted || *end != ','); end++)
            is_quoted ^= *end == '"';
        len = (size_t)(end - value);
        while (len > 0 && value[len - 1] == ' ')
            len--;
        /* "realm=x" belongs to the scheme before; no scheme has such a name. */
        if (len > 0 && value[strcspn(value, " =,")] != '=' &&
            !take_offer(h, head, value, len))
            return false;
        value = end + strspn(end, ", ");
    }
    return true;
}

static void reset_head(struct http_head *head)
{
    struct strbuf token = head->token;

    strbuf_clear(&token);
    *head = (struct http_head){ .token = token, .date = -1, .bytes = head->bytes };
}

size_t http_on_header(char *bytes, size_t one, size_t len, void *user)
{
    static const char challenge[] = "WWW-Authenticate:", date[] = "Date:";
    struct http *h = user;
    CLEANUP(free_cleanup) char *line = NULL;
    const char *value;

    h->head.bytes += len;
    if (h->head.bytes > MAX_HEAD) {
        h->too_large = true;
        return 0;
    }
    line = text_ndup(bytes, len);
    if (!line)
        return 0;
    line[strcspn(line, "\r\n")] = '\0';
    value = strchr(line, ':');
    value = value ? value + 1 + strspn(value + 1, " \t") : "";
    if (text_istarts(line, "HTTP/")) {
        reset_head(&h->head);
    } else if (text_istarts(line, challenge)) {
        if (!take_offers(h, &h->head, value)) {
            h->too_large = true;
            return 0;
        }
    } else if (text_istarts(line, date)) {
        h->head.date = curl_getdate(value, NULL);
    }
    return len;
}

/* ---- choosing the scheme ---- */

static long status_of(const struct http *h)
{
    long status = 0;

    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* "Negotiate" is preferred to "Kerberos": the tickets are the same, and it is what every
 * host has.  A host without it is spoken to as it wants, if we have Kerberos. */
static bool go_bare(struct http *h, struct wsman_auth *auth)
{
    if (h->is_bare || h->head.offers_negotiate || !h->head.offers_kerberos ||
        !auth->ops->go_bare)
        return false;
    h->is_bare = auth->ops->go_bare(auth);
    return h->is_bare;
}

static bool is_offered(struct http *h, struct wsman_auth *auth)
{
    const char *scheme = auth->ops->scheme;

    return !scheme ||
           (text_ieq(scheme, "Basic") ? h->head.offers_basic
                                      : h->head.offers_negotiate || go_bare(h, auth));
}

static bool no_scheme(const struct http *h, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf ours = STRBUF_INIT;

    for (size_t i = 0; i < h->auth_count; i++)
        strbuf_printf(&ours, "%s%s", i ? ", " : "", h->auths[i]->ops->name);
    err_fail(err, ERR_DENIED, 401, "the host offers %s to log on, and hvgpu could use %s",
             h->head.offers[0] ? h->head.offers : "nothing",
             ours.len ? ours.text : "nothing");
    if (h->head.offers_basic && !h->endpoint.is_tls)
        err_hint(err,
                 "Basic would send the password in the clear: use https, or --insecure "
                 "if everyone on the way may read it");
    else if (h->head.offers_negotiate)
        err_hint(err, "%s", wsman_auth_nothing_given);
    else
        err_hint(err, "on the host: winrm set winrm/config/service/auth "
                      "@{Negotiate=\"true\"}");
    return err_wrap(err, "'%s'", h->url);
}

/* An exchange without a body: asking what is offered, or handing over a token. */
static bool exchange(struct http *h, const struct http_request *request,
                     struct curl_slist *headers, long *ret_status, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct http_request empty = { .body = "",
                                  .timeout_ms = request->timeout_ms,
                                  .even_if_cancelled = request->even_if_cancelled };
    CURLcode code;

    if (!headers)
        return err_no_memory(err);
    code = http_perform(h, &empty, headers, &body);
    if (!http_check(h, code, &body, err))
        return false;
    *ret_status = status_of(h);
    return true;
}

static struct curl_slist *exchange_headers(const char *authorization)
{
    struct curl_slist *list =
        http_add_header(NULL, "Content-Type", "application/soap+xml;charset=UTF-8");

    list = list ? http_add_header(list, "Expect", "") : NULL;
    return list && authorization ? http_add_header(list, "Authorization", authorization)
                                 : list;
}

bool http_ask_offers(struct http *h, const struct http_request *request, struct err *err)
{
    struct curl_slist *headers = exchange_headers(NULL);
    long status = 0;
    bool ok = exchange(h, request, headers, &status, err);

    curl_slist_free_all(headers);
    if (ok && status != 401)
        return http_status_fail(h, status, err);
    return ok;
}

/* Schemes that are in every request have no log-on to tell of. */
static void tell_choice(const struct http *h)
{
    CLEANUP(free_cleanup)
    char *text =
        text_printf("%s: logs on with %s, messages %s%s%s%s", h->url, h->auth->ops->name,
                    h->endpoint.is_tls ? "in TLS" : "readable by anyone on the way",
                    h->passed_over ? " (not with " : "",
                    h->passed_over ? h->passed_over : "", h->passed_over ? ")" : "");

    if (text)
        h->on_log_on(text, h->log_on_user);
}

static bool find_scheme(struct http *h, const struct http_request *request, struct err *err)
{
    if (h->auth_count == 1 || !h->auths[0]->ops->scheme) { /* nothing to ask for */
        h->auth = h->auths[0];
        return true;
    }
    if (!http_ask_offers(h, request, err))
        return false;
    for (size_t i = 0; !h->auth && i < h->auth_count; i++)
        if (is_offered(h, h->auths[i]))
            h->auth = h->auths[i];
    return h->auth || no_scheme(h, err);
}

static bool choose(struct http *h, const struct http_request *request, struct err *err)
{
    if (!find_scheme(h, request, err))
        return false;
    if (h->on_log_on && !h->auth->ops->begin)
        tell_choice(h);
    return true;
}

/* ---- tokens ---- */

static bool send_token(struct http *h, const struct http_request *request,
                       const struct strbuf *token, long *ret_status, struct err *err)
{
    const char *scheme = scheme_name(h);
    size_t size = base64_size(token->len) + strlen(scheme) + 2;
    CLEANUP(free_cleanup) char *value = malloc(size);
    struct curl_slist *headers;
    bool ok;

    if (!value)
        return err_no_memory(err);
    snprintf(value, size, "%s ", scheme);
    base64_encode(token->text ? token->text : "", token->len, value + strlen(value));
    headers = exchange_headers(value);
    ok = exchange(h, request, headers, ret_status, err);
    curl_slist_free_all(headers);
    return ok;
}

static bool take_token(struct http *h, size_t *ret_len, struct err *err)
{
    struct strbuf *token = &h->head.token;

    *ret_len = 0;
    if (token->failed)
        return err_no_memory(err);
    if (token->len == 0 || base64_decode(token->text, token->len, ret_len))
        return true;
    err_fail(err, ERR_PROTOCOL, 0, "the host's log-on token is malformed");
    return err_wrap(err, "'%s'", h->url);
}

static bool refused(struct http *h, struct err *err)
{
    if (!(h->is_bare ? h->head.offers_kerberos : h->head.offers_negotiate) &&
        h->head.offers[0])
        return no_scheme(h, err);
    return http_status_fail(h, 401, err);
}

static bool unproven(const struct http *h, struct err *err)
{
    err_fail(err, ERR_PROTOCOL, 0, "the host let us in without proving who it is");
    return err_wrap(err, "'%s'", h->url);
}

/* One token after the other until both sides are done.  All go over one connection; the
 * first may open it, unless a certificate was looked at on it already. */
static bool exchange_tokens(struct http *h, const struct http_request *request,
                            struct strbuf *token, bool done, struct err *err)
{
    const struct wsman_auth_ops *ops = h->auth->ops;

    for (unsigned leg = 0; leg < MAX_LEGS; leg++) {
        long status = 0;
        size_t len = 0;

        if (!send_token(h, request, token, &status, err))
            return false;
        h->is_bound = true;
        if (status != 401 && status != 200)
            return http_status_fail(h, status, err);
        if (!take_token(h, &len, err))
            return false;
        if (status == 401 && len == 0)
            return refused(h, err);
        strbuf_clear(token);
        if (len && !ops->step(h->auth, h->head.token.text, len, token, &done, err)) {
            /* A host that refuses may say why in its last token (clock skew does so). */
            return status == 401 && !err->hint[0] ? refused(h, err)
                                                  : err_wrap(err, "'%s'", h->url);
        }
        if (status == 200)
            return (done && token->len == 0) || unproven(h, err);
        if (token->len == 0)
            return refused(h, err);
    }
    err_fail(err, ERR_PROTOCOL, 0, "the host does not end the log-on");
    return err_wrap(err, "'%s'", h->url);
}

static bool log_on_once(struct http *h, const struct http_request *request, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf binding = STRBUF_INIT;
    bool done = false;

    h->is_bound = false;
    if (h->endpoint.is_tls) {
        /* The binding needs the certificate, so the connection comes first. */
        if (!http_ask_offers(h, request, err))
            return false;
        h->is_bound = true;
        http_tls_binding(h, &binding);
        if (binding.failed)
            return err_no_memory(err);
    }
    return h->auth->ops->begin(h->auth, binding.len ? &binding : NULL, &token, &done,
                               err) &&
           exchange_tokens(h, request, &token, done, err);
}

static void tell(const struct http *h)
{
    const struct wsman_auth_ops *ops = h->auth->ops;
    const char *passed_over = ops->passed_over ? ops->passed_over(h->auth) : NULL;
    CLEANUP(free_cleanup)
    char *text = text_printf(
        "%s: logged on with %s, messages %s%s%s%s", h->url, ops->mechanism(h->auth),
        h->endpoint.is_tls ? "in TLS" : "encrypted", passed_over ? " (not with " : "",
        passed_over ? passed_over : "", passed_over ? ")" : "");

    if (text)
        h->on_log_on(text, h->log_on_user);
}

bool http_log_on(struct http *h, const struct http_request *request, struct err *err)
{
    if (h->no_auth) {
        *err = *h->no_auth;
        return false;
    }
    if (!h->auth && !choose(h, request, err))
        return false;
    if (!h->auth->ops->begin || h->logged_on)
        return true;
    /* A host that closes the connection between two tokens gets a second chance; so does one
     * that takes Kerberos only under its own name. */
    for (unsigned attempt = 0; !h->logged_on; attempt++) {
        *err = ERR_INIT;
        h->logged_on = log_on_once(h, request, err);
        if (!h->logged_on && !go_bare(h, h->auth) && (!h->moved || attempt > 0))
            return false;
    }
    if (h->on_log_on)
        tell(h);
    return true;
}

/* ---- bodies ---- */

bool http_is_sealing(const struct http *h)
{
    return h->auth && h->auth->ops->wrap && !h->endpoint.is_tls;
}

bool http_seal(struct http *h, const struct http_request *request, struct strbuf *ret,
               struct err *err)
{
    struct wsman_sealed sealed = { STRBUF_INIT, STRBUF_INIT };
    bool ok = h->auth->ops->wrap(h->auth, request->body, request->len, &sealed, err);

    if (ok)
        encrypted_put(ret, h->is_bare, &sealed.header, &sealed.data);
    strbuf_free(&sealed.header);
    strbuf_free(&sealed.data);
    return ok && (!ret->failed || err_no_memory(err));
}

bool http_unseal(struct http *h, struct strbuf *body, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf plain = STRBUF_INIT;
    struct encrypted_part part;

    if (!encrypted_find(body->text ? body->text : "", body->len, &part, err) ||
        !h->auth->ops->unwrap(h->auth, part.token, part.header_len,
                              part.header_len + part.data_len, &plain, err))
        return err_wrap(err, "'%s'", h->url);
    strbuf_free(body);
    *body = plain;
    plain = STRBUF_INIT;
    return true;
}

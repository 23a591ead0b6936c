/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the HTTP connection share: http.c (sending), http-log-on.c
 * (authentication of the connection), http-tls.c (whose certificate), http-error.c. */
#pragma once

#include <curl/curl.h>

#include "auth.h"
#include "certificate.h"
#include "http.h"

/* What the head of the last answer said. */
struct http_head {
    bool offers_negotiate, offers_kerberos, offers_basic;
    char offers[128];    /* the schemes' names, for a person */
    struct strbuf token; /* of the scheme in use, base64; empty: none */
    time_t date;         /* -1: not said */
    size_t bytes;        /* of all header lines, to bound them */
};

struct http {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    struct wsman_endpoint endpoint;
    size_t max_answer;
    bool (*is_cancelled)(void *user);
    void *cancel_user;
    void (*on_log_on)(const char *text, void *user);
    void *log_on_user;
    char why[CURL_ERROR_SIZE];

    /* Authentication. */
    struct wsman_auth *auths[WSMAN_AUTH_MOST]; /* best first */
    size_t auth_count;
    char *passed_over;       /* what is not among them, and why; NULL: nothing */
    struct err *no_auth;     /* why there is none; NULL: there is */
    struct wsman_auth *auth; /* the one in use; NULL: not chosen yet */
    bool is_bare;            /* its tokens go under "Kerberos" instead of "Negotiate" */
    bool logged_on;          /* the connection, with a scheme that has begin() */

    /* TLS. */
    bool is_verified, has_pin;
    struct certificate_pin pin;
    struct certificate certificate; /* of the present connection */
    bool has_certificate, is_pin_wrong;
    char *ca_file, *client_cert, *client_key; /* for looking at the certificate */

    /* The connection: sockets opened so far tell one from the next, because libcurl does
     * not say before a request which one it goes out on. */
    unsigned sockets, socket; /* ... and at the last request */
    bool is_bound;            /* this request may go out on no other connection */

    /* Of the request under way: */
    struct http_head head;
    struct strbuf *answer;
    bool cancelled, too_large, may_repeat, check_cancel, moved;
    unsigned sent;
    CURLcode code; /* how it ended */
};

/* One exchange as it is, with @extra in the place of the headers.  The body may be empty. */
CURLcode http_perform(struct http *h, const struct http_request *request,
                      struct curl_slist *headers, struct strbuf *body);
bool http_is_lost(CURLcode code); /* the connection broke; the host may have acted */
/* A line "NAME: VALUE" more; NULL: no memory, and the old list is gone. */
struct curl_slist *http_add_header(struct curl_slist *list, const char *name,
                                   const char *value);
/* What went wrong with an exchange, whatever its answer; true: nothing. */
bool http_check(struct http *h, CURLcode code, const struct strbuf *body, struct err *err);

/* ---- http-log-on.c ---- */

/* Chooses the scheme if it is not chosen yet, and logs the connection on if it is not. */
bool http_log_on(struct http *h, const struct http_request *request, struct err *err)
    MUST_CHECK;
/* Fills head.offers with what a request without a log-on is told. */
bool http_ask_offers(struct http *h, const struct http_request *request, struct err *err)
    MUST_CHECK;
/* True: this scheme's bodies are wrapped here. */
bool http_is_sealing(const struct http *h);
bool http_seal(struct http *h, const struct http_request *request, struct strbuf *ret,
               struct err *err) MUST_CHECK;
/* In place. */
bool http_unseal(struct http *h, struct strbuf *body, struct err *err) MUST_CHECK;
size_t http_on_header(char *bytes, size_t one, size_t len, void *http);

/* ---- http-tls.c ---- */

bool http_tls_set_up(struct http *h, const struct wsman_options *options, struct err *err)
    MUST_CHECK;
/* Within a request, before anything was sent: false: this is not the host we want. */
bool http_tls_check(struct http *h);
/* RFC 5929: "tls-server-end-point:" and the hash.  Empty without TLS. */
void http_tls_binding(const struct http *h, struct strbuf *ret);
/* What is wrong with the host's certificate, and the option that would accept it. */
bool http_tls_fail(struct http *h, struct err *err);
/* Why there is no TLS at all; or what http_tls_fail() says. */
bool http_tls_connect_fail(struct http *h, struct err *err);

/* ---- http-error.c ---- */

bool http_curl_fail(struct http *h, CURLcode code, struct err *err);
bool http_status_fail(const struct http *h, long status, struct err *err);

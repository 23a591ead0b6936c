/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One HTTP connection to one WinRM endpoint: a POST in, a bounded body out.
 *
 * HTTP/1.1 only, no redirects, no proxy, no compression, no Expect: 100-continue (it costs
 * a round trip), TLS 1.2 or newer.  A request is sent again after a lost connection only if
 * its sender says that it may be.
 */
#pragma once

#include "strbuf.h"
#include "wsman.h"

struct http;

struct http *http_open(const struct wsman_options *options, struct err *err);
void http_close(struct http *http); /* NULL is fine */

struct http_request {
    const char *body;
    size_t len;
    unsigned timeout_ms;
    bool may_repeat;        /* changes nothing, or the same again */
    bool even_if_cancelled; /* tidying up after a cancelled request */
};

/* True: an HTTP answer came and @ret_body holds XML, for better (200) or worse (a fault).
 * Every other outcome is in @err: no connection, TLS, a status without a SOAP body, a body
 * that is no XML or longer than the limit. */
bool http_post(struct http *http, const struct http_request *request,
               struct strbuf *ret_body, struct err *err) MUST_CHECK;

/* Takes answers of @envelope_bytes and what may stand around them. */
void http_expect(struct http *http, uint32_t envelope_bytes);
/* The newest request ended with its connection, not with an answer. */
bool http_was_lost(const struct http *http);

bool http_check_way(struct http *http, struct wsman_check *ret, struct err *err) MUST_CHECK;
const char *http_url(const struct http *http);

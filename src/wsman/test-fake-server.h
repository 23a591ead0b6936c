/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted HTTP server for tests: answers request after request with what the script
 * says, keeps what was asked, on a loopback port of its own.  REQUEST_ID in a body becomes
 * the MessageID of the request, LAST_REQUEST_ID that of the one before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_ID "@request@"
#define LAST_REQUEST_ID "@last-request@"

struct fake_answer {
    const char *body;  /* NULL: none */
    int status;        /* 0: 200 */
    const char *type;  /* NULL: application/soap+xml;charset=UTF-8 */
    const char *raw;   /* these bytes instead of an HTTP answer */
    size_t cut;        /* send only so many bytes of the answer, then close; 0: all */
    unsigned delay_ms; /* before the answer */
    bool drop;         /* close without an answer */
    size_t repeat;     /* the body is this many 'x' more; for answers without end */
};

struct fake_server;

/* The script is lent until the server stops; requests after its end are dropped. */
struct fake_server *fake_server_start(const struct fake_answer *script, size_t count);
/* "http://127.0.0.1:PORT/wsman", lent. */
const char *fake_server_url(const struct fake_server *server);
size_t fake_server_requests(struct fake_server *server);
/* The n-th request's body (from 0), or its head with the header lines; lent until stop. */
const char *fake_server_body(struct fake_server *server, size_t n);
const char *fake_server_head(struct fake_server *server, size_t n);
void fake_server_stop(struct fake_server *server);

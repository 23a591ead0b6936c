/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a client says who it is: a table of functions per scheme.
 *
 * Schemes that authenticate every request by itself (Basic) need header() alone.  Schemes
 * that authenticate the connection (Negotiate, Kerberos: RFC 4559, MS-WSMV 2.2.9.1)
 * exchange tokens on each new connection and then wrap every body; http.c is where a
 * connection and a body exist, so that is where such a scheme is called from.
 */
#pragma once

#include <stdbool.h>

#include "attr.h"

struct err;
struct wsman_auth;
struct wsman_options;

/* What a scheme must know of where it goes. */
struct wsman_endpoint {
    bool is_tls;
    bool is_loopback;
    char *host;
};

struct wsman_auth_ops {
    const char *name; /* as in wsman_options.auth */
    /* Checks that the scheme may be used here and keeps what it needs of the secrets. */
    struct wsman_auth *(*open)(const struct wsman_options *options,
                               const struct wsman_endpoint *endpoint, struct err *err);
    /* The value of the Authorization header of a request; lent until release. */
    const char *(*header)(const struct wsman_auth *self);
    void (*release)(struct wsman_auth *self); /* wipes the secrets */
};

struct wsman_auth {
    const struct wsman_auth_ops *ops;
};

/* The scheme named in @options, or the best one for what they hold. */
struct wsman_auth *wsman_auth_open(const struct wsman_options *options,
                                   const struct wsman_endpoint *endpoint, struct err *err);
void wsman_auth_release(struct wsman_auth *auth); /* NULL is fine */

extern const struct wsman_auth_ops wsman_auth_basic;

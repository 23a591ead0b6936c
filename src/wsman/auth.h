/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a client says who it is: a table of functions per scheme.
 *
 * Schemes that authenticate every request by itself (Basic, a client certificate) have
 * header() alone.  Schemes that authenticate the connection (Negotiate: RFC 4559) have the
 * other half instead: begin() and step() on each new connection, then wrap() and unwrap()
 * for every body that travels outside TLS (MS-WSMV 2.2.9.1).  A connection and a body
 * exist in http-log-on.c, which calls them.
 */
#pragma once

#include <stdbool.h>

#include "attr.h"
#include "strbuf.h"

struct err;
struct wsman_auth;
struct wsman_options;

/* What a scheme must know of where it goes. */
struct wsman_endpoint {
    bool is_tls;
    bool is_loopback;
    bool is_address; /* @host is an IP address: nobody issues Kerberos tickets for those */
    char *host;
};

/* A body as it goes into multipart/encrypted. */
struct wsman_sealed {
    struct strbuf header, data; /* @data with what the mechanism filled it up with */
};

struct wsman_auth_ops {
    const char *name;   /* as in wsman_options.auth */
    const char *scheme; /* of HTTP: what WWW-Authenticate must offer; NULL: nothing */
    /* Checks that the scheme may be used here and keeps what it needs of the secrets. */
    struct wsman_auth *(*open)(const struct wsman_options *options,
                               const struct wsman_endpoint *endpoint, struct err *err);
    void (*release)(struct wsman_auth *self); /* wipes the secrets */

    /* Of every request: the value of the Authorization header; lent until release. */
    const char *(*header)(const struct wsman_auth *self);

    /* Of the connection; NULL where header() is not.
     *
     * begin() forgets the connection before and gives the first token.  @binding (may be
     * NULL) is what ties the log-on to the TLS connection (RFC 5929).  step() takes the
     * host's token and gives the next one, "" when there is none; *ret_done: logged on,
     * and the host has proved that it knows us. */
    bool (*begin)(struct wsman_auth *self, const struct strbuf *binding,
                  struct strbuf *ret_token, bool *ret_done, struct err *err);
    bool (*step)(struct wsman_auth *self, const void *token, size_t len,
                 struct strbuf *ret_token, bool *ret_done, struct err *err);
    /* A host may offer the scheme "Kerberos" instead of "Negotiate" (RFC 4559 has the
     * latter alone; MS-WSMV 2.2.9.1 knows both): Kerberos' own tokens, without SPNEGO
     * around them.  True: from the next begin() on they are those; false: this is not
     * Kerberos, or NULL, the same.  */
    bool (*go_bare)(struct wsman_auth *self);
    /* Each wrapped body must go out once, in order, on its own connection. */
    bool (*wrap)(struct wsman_auth *self, const void *bytes, size_t len,
                 struct wsman_sealed *ret, struct err *err);
    /* @token: @header_len bytes of header, and the data behind it up to @len. */
    bool (*unwrap)(struct wsman_auth *self, const void *token, size_t header_len,
                   size_t len, struct strbuf *ret, struct err *err);
    const char *(*mechanism)(const struct wsman_auth *self); /* for a person */
    /* What was tried before mechanism() and could not begin, and why; NULL: nothing. */
    const char *(*passed_over)(const struct wsman_auth *self);
    /* The log-on was refused after begin(): what is known about it, for a person. */
    void (*explain)(const struct wsman_auth *self, struct err *err);
};

struct wsman_auth {
    const struct wsman_auth_ops *ops;
};

/* The schemes that @options allow, best first: the one they name, or all that can be used.
 * ERR_DENIED, ERR_UNSUPPORTED when there is none.  @ret_passed_over: which of them cannot
 * be used although it would be better, and why; owned by the caller; NULL: none. */
enum { WSMAN_AUTH_MOST = 3 };
bool wsman_auth_open(const struct wsman_options *options,
                     const struct wsman_endpoint *endpoint,
                     struct wsman_auth *ret[WSMAN_AUTH_MOST], size_t *ret_count,
                     char **ret_passed_over, struct err *err) MUST_CHECK;
void wsman_auth_release(struct wsman_auth *auth); /* NULL is fine */

/* Kerberos knows hosts by name alone: ERR_INVALID for an address. */
bool wsman_auth_has_name(const struct wsman_endpoint *endpoint, struct err *err) MUST_CHECK;
/* The host refused what @mechanism proved: what a person may look at. */
void wsman_auth_explain_refusal(const char *mechanism, bool is_ntlm, struct err *err);
/* What to give when Negotiate was offered and could not be used. */
extern const char wsman_auth_nothing_given[];

extern const struct wsman_auth_ops wsman_auth_basic, wsman_auth_certificate;
/* The same thing with the mechanisms chosen for it: what can be used, or one of them. */
extern const struct wsman_auth_ops wsman_auth_negotiate, wsman_auth_kerberos,
    wsman_auth_ntlm;

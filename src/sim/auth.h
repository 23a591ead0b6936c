/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may talk to a simulated host.  A scheme is a table of functions: Basic looks at every
 * request, Negotiate at a connection, whose state it keeps and whose messages it seals.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "strbuf.h"
#include "winrm-config.h"

struct err;

struct auth_users {
    const char *user, *password;
    const struct strbuf *binding; /* to this server's TLS (RFC 5929); empty: none */
    enum winrm_cbt cbt;           /* how @binding counts */
    unsigned schemes;             /* bit n: auth_schemes[n] is offered */
};

enum auth_result {
    AUTH_OK,       /* go on; the request's own body counts */
    AUTH_CONTINUE, /* answer 401 with @challenge */
    AUTH_DENIED,   /* answer 401 with the list of schemes */
};

struct auth_scheme {
    const char *name;      /* "Basic": what the Authorization header begins with */
    const char *challenge; /* the WWW-Authenticate line that offers it */
    /* @credentials: what follows the name.  *state belongs to the connection.  @challenge:
     * the WWW-Authenticate line of the answer, also of a good one; empty: none. */
    enum auth_result (*check)(const struct auth_users *users, const char *credentials,
                              void **state, struct strbuf *challenge);
    void (*forget)(void *state);

    const char *protocol; /* of its sealed messages (MS-WSMV 2.2.9.1); NULL: none */

    /* Only where the connection is what is logged on; NULL elsewhere. */
    bool (*is_done)(const void *state); /* later requests need no Authorization */
    /* @header and @data as they stand behind one another in multipart/encrypted. */
    bool (*seal)(void *state, const struct strbuf *plain, struct strbuf *header,
                 struct strbuf *data);
    bool (*unseal)(void *state, const char *header, size_t header_len, const char *data,
                   size_t data_len, struct strbuf *plain);
};

extern const struct auth_scheme *const auth_schemes[]; /* NULL-terminated */
extern const struct auth_scheme auth_negotiate, auth_kerberos;

/* "basic,negotiate,kerberos" as auth_users.schemes. */
bool auth_parse(const char *list, unsigned *ret, struct err *err);

/* @authorization: the header's value, or NULL. */
enum auth_result auth_check(const struct auth_users *users, const char *authorization,
                            const struct auth_scheme **scheme, void **state,
                            struct strbuf *challenge);

bool auth_base64_decode(const char *text, struct strbuf *ret); /* false: no base64 */

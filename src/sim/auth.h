/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may talk to a simulated host.  A scheme is a table of functions, so that Negotiate
 * can stand beside Basic: per-connection state and several legs are provided for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct auth_users {
    const char *user, *password;
};

enum auth_result {
    AUTH_OK,       /* go on; the request's own body counts */
    AUTH_CONTINUE, /* answer 401 with @challenge */
    AUTH_DENIED,   /* answer 401 with the list of schemes */
};

struct auth_scheme {
    const char *name;      /* "Basic": what the Authorization header begins with */
    const char *challenge; /* the WWW-Authenticate line that offers it */
    /* @credentials: what follows the name.  *state belongs to the connection. */
    enum auth_result (*check)(const struct auth_users *users, const char *credentials,
                              void **state, char *challenge, size_t challenge_size);
    void (*forget)(void *state);
};

extern const struct auth_scheme *const auth_schemes[]; /* NULL-terminated */

/* @authorization: the header's value, or NULL. */
enum auth_result auth_check(const struct auth_users *users, const char *authorization,
                            const struct auth_scheme **scheme, void **state,
                            char *challenge, size_t challenge_size);

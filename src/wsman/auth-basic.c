/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Basic (RFC 7617): the password goes over the wire, so only to this machine or inside
 * TLS.  Windows takes it for local accounts only.
 */

#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "base64.h"
#include "err.h"
#include "os.h"
#include "wsman.h"

struct basic {
    struct wsman_auth base;
    char *header;
};

static void basic_release(struct wsman_auth *self)
{
    struct basic *b = (struct basic *)self;

    if (b->header)
        os_wipe(b->header, strlen(b->header));
    free(b->header);
    free(b);
}

/* "Basic " and the base64 of "user:password". */
static char *make_header(const char *user, const char *password)
{
    size_t len = strlen(user) + 1 + strlen(password), size = base64_size(len);
    char *plain = malloc(len + 1), *header = malloc(size + 6);

    if (plain && header) {
        memcpy(plain, user, strlen(user));
        plain[strlen(user)] = ':';
        memcpy(plain + strlen(user) + 1, password, strlen(password));
        memcpy(header, "Basic ", 6);
        base64_encode(plain, len, header + 6);
    } else {
        free(header);
        header = NULL;
    }
    if (plain)
        os_wipe(plain, len);
    free(plain);
    return header;
}

static bool may_use(const struct wsman_options *options,
                    const struct wsman_endpoint *endpoint, struct err *err)
{
    if (!options->user || !*options->user) {
        err_fail(err, ERR_DENIED, 0, "no user name was given for '%s'", endpoint->host);
        return err_hint(err, "name a user of that host and its password");
    }
    if (strchr(options->user, ':'))
        return err_fail(err, ERR_INVALID, 0,
                        "the user name contains ':', which Basic cannot send");
    if (endpoint->is_tls || endpoint->is_loopback || options->insecure)
        return true;
    err_fail(err, ERR_DENIED, 0,
             "the password would go to '%s' in the clear: Basic over plain http",
             endpoint->host);
    return err_hint(
        err, "use https (port 5986), or --insecure if everyone on the way may read it");
}

static struct wsman_auth *basic_open(const struct wsman_options *options,
                                     const struct wsman_endpoint *endpoint, struct err *err)
{
    struct basic *b;

    if (!may_use(options, endpoint, err))
        return NULL;
    b = calloc(1, sizeof(*b));
    if (b)
        b->header = make_header(options->user, options->password ? options->password : "");
    if (!b || !b->header) {
        free(b);
        err_no_memory(err);
        return NULL;
    }
    b->base.ops = &wsman_auth_basic;
    return &b->base;
}

static const char *basic_header(const struct wsman_auth *self)
{
    return ((const struct basic *)self)->header;
}

const struct wsman_auth_ops wsman_auth_basic = {
    .name = "basic",
    .scheme = "Basic",
    .open = basic_open,
    .header = basic_header,
    .release = basic_release,
};

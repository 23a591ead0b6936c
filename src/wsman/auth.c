/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of authentication schemes. */

#include "auth.h"

#include "err.h"
#include "text.h"
#include "wsman.h"

/* Best first. */
static const struct wsman_auth_ops *const schemes[] = { &wsman_auth_basic };

struct wsman_auth *wsman_auth_open(const struct wsman_options *options,
                                   const struct wsman_endpoint *endpoint, struct err *err)
{
    if (!options->auth)
        return schemes[0]->open(options, endpoint, err);
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (text_ieq(schemes[i]->name, options->auth))
            return schemes[i]->open(options, endpoint, err);
    err_fail(err, ERR_UNSUPPORTED, 0, "authentication '%.40s' is not supported",
             options->auth);
    err_hint(err, "use 'basic' over https");
    return NULL;
}

void wsman_auth_release(struct wsman_auth *auth)
{
    if (auth)
        auth->ops->release(auth);
}

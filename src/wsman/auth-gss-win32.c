/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Negotiate on Windows would be SSPI, which nobody has written yet: refused by name. */

#include "auth.h"
#include "err.h"
#include "wsman.h"

static struct wsman_auth *absent_open(const struct wsman_options *options,
                                      const struct wsman_endpoint *endpoint,
                                      struct err *err)
{
    err_fail(err, ERR_UNSUPPORTED, 0,
             "this build knows neither Kerberos nor NTLM: it cannot log on to '%s'",
             endpoint->host);
    err_hint(err, "use --auth basic over https, or hvgpu on Linux");
    return NULL;
}

const struct wsman_auth_ops wsman_auth_negotiate = { .name = "negotiate",
                                                     .open = absent_open };
const struct wsman_auth_ops wsman_auth_kerberos = { .name = "kerberos",
                                                    .open = absent_open };
const struct wsman_auth_ops wsman_auth_ntlm = { .name = "ntlm", .open = absent_open };

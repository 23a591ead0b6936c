/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TLS client certificate, which Windows maps to a local account.  The certificate itself
 * is libcurl's business; WinRM also wants to be told to look at it (masterzen/winrm
 * auth.go; MS-WSMV 3.1.4.1.30.3).
 */

#include "auth.h"
#include "err.h"
#include "wsman.h"

static void certificate_release(struct wsman_auth *self)
{
    free(self);
}

static struct wsman_auth *certificate_open(const struct wsman_options *options,
                                           const struct wsman_endpoint *endpoint,
                                           struct err *err)
{
    struct wsman_auth *auth;

    if (!options->client_cert) {
        err_fail(err, ERR_DENIED, 0, "no client certificate was given for '%s'",
                 endpoint->host);
        err_hint(err, "name one with --cert, and its key with --cert-key");
        return NULL;
    }
    if (!endpoint->is_tls) {
        err_fail(err, ERR_INVALID, 0, "a client certificate needs https");
        err_hint(err, "use https (port 5986)");
        return NULL;
    }
    auth = calloc(1, sizeof(*auth));
    if (!auth) {
        err_no_memory(err);
        return NULL;
    }
    auth->ops = &wsman_auth_certificate;
    return auth;
}

static const char *certificate_header(const struct wsman_auth *self)
{
    return "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
}

const struct wsman_auth_ops wsman_auth_certificate = {
    .name = "certificate",
    .open = certificate_open,
    .header = certificate_header,
    .release = certificate_release,
};

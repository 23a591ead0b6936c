/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of authentication schemes, and the choice between them. */

#include "auth.h"

#include "err.h"
#include "text.h"
#include "wsman.h"

static const struct wsman_auth_ops *const schemes[] = {
    &wsman_auth_certificate, &wsman_auth_negotiate, &wsman_auth_kerberos,
    &wsman_auth_ntlm,        &wsman_auth_basic,
};

/* Best first; which of them the host takes is known when it is asked. */
static const struct wsman_auth_ops *const automatic[WSMAN_AUTH_MOST] = {
    &wsman_auth_certificate,
    &wsman_auth_negotiate,
    &wsman_auth_basic,
};

static bool open_named(const struct wsman_options *options,
                       const struct wsman_endpoint *endpoint, struct wsman_auth **ret,
                       struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (!text_ieq(schemes[i]->name, options->auth))
            continue;
        *ret = schemes[i]->open(options, endpoint, err);
        return *ret;
    }
    err_fail(err, ERR_UNSUPPORTED, 0, "authentication '%.40s' is not supported",
             options->auth);
    return err_hint(err, "use negotiate, kerberos, ntlm, basic or certificate");
}

bool wsman_auth_open(const struct wsman_options *options,
                     const struct wsman_endpoint *endpoint,
                     struct wsman_auth *ret[WSMAN_AUTH_MOST], size_t *ret_count,
                     char **ret_passed_over, struct err *err)
{
    struct err first = ERR_INIT;
    size_t count = 0, first_at = 0;

    *ret_passed_over = NULL;

    if (options->auth) {
        *ret_count = 1;
        return open_named(options, endpoint, ret, err);
    }
    for (size_t i = 0; i < ARRAY_LEN(automatic); i++) {
        struct err why = ERR_INIT;

        if (automatic[i] == &wsman_auth_certificate && !options->client_cert)
            continue;
        ret[count] = automatic[i]->open(options, endpoint, &why);
        if (ret[count]) {
            count++;
        } else if (first.kind == ERR_NONE || automatic[i] == &wsman_auth_certificate) {
            first = why;
            first_at = i;
        }
    }
    *ret_count = count;
    if (count == 0)
        *err = first;
    else if (first.kind != ERR_NONE) /* without memory it is merely not told */
        *ret_passed_over = text_printf("%s: %s", automatic[first_at]->name, first.text[0]);
    return count > 0;
}

void wsman_auth_release(struct wsman_auth *auth)
{
    if (auth)
        auth->ops->release(auth);
}

bool wsman_auth_has_name(const struct wsman_endpoint *endpoint, struct err *err)
{
    if (!endpoint->is_address)
        return true;
    err_fail(err, ERR_INVALID, 0, "Kerberos knows hosts by name, not by address ('%s')",
             endpoint->host);
    return err_hint(err, "use the host's full name as in its domain");
}

void wsman_auth_explain_refusal(const char *mechanism, bool is_ntlm, struct err *err)
{
    if (is_ntlm)
        err_hint(err,
                 "check user name and password; a user of a domain is DOMAIN\\user, one "
                 "of the host COMPUTER\\user; local administrators but the built-in one "
                 "need LocalAccountTokenFilterPolicy=1; the host may refuse NTLM");
    else
        err_hint(err,
                 "the host does not take this ticket: check that it is a member of the "
                 "domain under this name (setspn -L), and the clocks of both machines");
    err_wrap(err, "logging on with %s", mechanism);
}

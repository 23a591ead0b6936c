/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to ask a busy host again.
 *
 * Only for what changes nothing (Get, Enumerate): an Invoke or a Put may have been done
 * although its answer says otherwise or never came, so their callers read again what they
 * wanted to change instead (src/share, src/plan).  A Pull is not repeated either: the host
 * has moved on in its list.
 *
 * Worth another try: HTTP 503 (the service starts or stops), a quota that others use up at
 * the moment, a connection that broke although this host has answered before.  A host that
 * never answered is more likely none, or not WinRM, and is reported at once.
 */

#include "err.h"
#include "names.h"
#include "os.h"
#include "wsman-session.h"

enum {
    FIRST_WAIT_MS = 250, /* then twice as long each time: 3.75 s together */
    TRIES = 4,           /* after the first */
    STEP_MS = 50,        /* how long a cancellation may go unnoticed */
    HTTP_UNAVAILABLE = 503,
};

struct wsman_patience wsman_patience(const struct wsman_session *ws)
{
    return (struct wsman_patience){ .deadline_ms = os_monotonic_ms() + ws->timeout_ms,
                                    .wait_ms = FIRST_WAIT_MS,
                                    .tries_left = TRIES };
}

static bool is_worth_it(const struct wsman_session *ws, const struct err *err)
{
    switch (err->code) {
    case HTTP_UNAVAILABLE:
        return err->kind == ERR_UNREACHABLE;
    case WSMAN_QUOTA_LIMIT:
    case WSMAN_TOO_MANY_OPERATIONS:
    case WSMAN_QUOTA_USER:
    case WSMAN_QUOTA_SYSTEM:
        return true;
    default:
        return err->kind == ERR_UNREACHABLE && ws->had_answer && http_was_lost(ws->http);
    }
}

bool wsman_wait(struct wsman_session *ws, struct wsman_patience *p, struct err *err)
{
    uint64_t until = os_monotonic_ms() + p->wait_ms;

    if (p->tries_left == 0 || until >= p->deadline_ms || !is_worth_it(ws, err))
        return false;
    while (os_monotonic_ms() < until) {
        if (ws->is_cancelled && ws->is_cancelled(ws->cancel_user)) {
            *err = ERR_INIT;
            return err_fail(err, ERR_CANCELLED, 0, "stopped");
        }
        os_sleep_ms(STEP_MS);
    }
    p->wait_ms *= 2;
    p->tries_left--;
    return true;
}

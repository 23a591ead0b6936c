/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the WS-Management session share. */
#pragma once

#include "answer.h"
#include "envelope.h"
#include "http.h"
#include "session.h"
#include "wsman.h"

struct wsman_session {
    struct cim_session base;
    struct http *http;
    unsigned timeout_ms;
    uint32_t max_envelope_bytes, max_elements;
    bool (*is_cancelled)(void *user);
    void *cancel_user;
    bool knows_envelope;       /* the host's limit was asked for */
    uint64_t host_envelope_kb; /* 0: not known */
    bool had_answer; /* this host has answered before: it is there, and speaks SOAP */
    char message_id[MESSAGE_ID]; /* of the newest request */
    char *shell_id;              /* of the one shell of this session; NULL: none yet */
};

/* Begins a request in @to; the caller adds the body.  @e needs action and resource_uri. */
void wsman_begin(struct wsman_session *ws, struct strbuf *to, struct envelope *e);

/* Ends the request in @body and sends it; @ret_answer holds the answer's XML. */
struct wsman_send {
    bool may_repeat;
    bool even_if_cancelled;
    unsigned timeout_ms; /* 0: the session's */
};
bool wsman_send(struct wsman_session *ws, struct strbuf *body, const struct wsman_send *how,
                struct strbuf *ret_answer, struct err *err) MUST_CHECK;

/* What wsman_send() brought, as one to the newest request; lent from both. */
struct soap_answer wsman_answer(const struct wsman_session *ws, const struct strbuf *text);

/* ---- retry.c: the patience with a host that is busy ---- */

struct wsman_patience {
    uint64_t deadline_ms; /* of os_monotonic_ms() */
    unsigned wait_ms;     /* before the next try */
    unsigned tries_left;
};
struct wsman_patience wsman_patience(const struct wsman_session *ws);
/* After a request that changes nothing failed with @err: waits and returns true when it is
 * worth sending once more.  False: not worth it, out of patience, or stopped (then @err
 * says that). */
bool wsman_wait(struct wsman_session *ws, struct wsman_patience *p, struct err *err);

/* ---- envelope-limit.c ---- */

bool wsman_is_too_large(const struct err *err); /* the answer did not fit */
/* Goes by the host's own limit from now on.  True: that changes something, ask again. */
bool wsman_learn_envelope(struct wsman_session *ws);
/* Hints at the host's limit, if it is known; returns false. */
bool wsman_say_limit(const struct wsman_session *ws, struct err *err);

bool wsman_query(struct cim_session *self, const char *ns, const char *wql,
                 cim_row_fn *on_row, void *user, struct err *err);

bool wsman_run(struct cim_session *self, const struct shell_command *command,
               uint32_t *ret_exit_code, struct err *err);
void wsman_shell_close(struct wsman_session *ws); /* if there is one */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `host check` is made of: a list of checks, and the checks of both ways to a host. */
#pragma once

#include "command.h"
#include "hosts.h"
#include "strbuf.h"

/* ---- the list (host-check-list.c) ---- */

enum check_state { CHECK_OPEN, CHECK_GOOD, CHECK_BAD }; /* open: not tried */

struct check_title {
    const char *id, *text; /* for JSON; for people, N_() */
};

struct check_item {
    const struct check_title *title;
    enum check_state state;
    bool is_left_out;   /* of the text: it does not come up here */
    struct strbuf said; /* what was found, when good */
    struct err err;     /* why not, when bad */
};

void check_items_init(struct check_item *items, const struct check_title *titles,
                      size_t count);
void check_items_free(struct check_item *items, size_t count);
/* Returns @good: whether to go on. */
bool check_judge(struct check_item *item, bool good, const struct err *err);
bool check_all_good(const struct check_item *items, size_t count);
json_t *check_document(const char *host, const struct check_item *items, size_t count);
/* Text or JSON, and the exit status. */
bool check_show(const struct invocation *in, const char *host,
                const struct check_item *items, size_t count, int *ret_exit,
                struct err *err) MUST_CHECK;

/* Writes the file of --report, if it was asked for. */
bool check_report(const struct invocation *in, const struct host_target *target,
                  const struct check_item *items, size_t count, struct err *err) MUST_CHECK;

/* ---- what a host is, and what one may do there (host-check-hyper-v.c) ---- */

struct check_facts {
    uint64_t sku, product_type; /* 0: not told */
};

/* Each returns whether to go on. */
bool check_system(struct check_item *item, struct cim_session *session,
                  struct check_facts *ret);
bool check_namespace(struct check_item *item, struct cim_session *session,
                     const struct check_facts *facts);
bool check_hypervisor(struct check_item *item, struct cim_session *session);
bool check_hyper_v_rights(struct check_item *item, struct cim_session *session);

/* ---- the machine itself (host-check-local.c) ---- */

bool check_local(const struct invocation *in, const struct host_target *target,
                 int *ret_exit, struct err *err) MUST_CHECK;

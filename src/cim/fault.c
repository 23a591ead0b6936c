/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session that breaks the n-th change, so that tests can prove that nothing is lost. */

#include <stdlib.h>

#include "err.h"
#include "os.h"
#include "session.h"

struct fault_session {
    struct cim_session base;
    struct cim_session *next;
    enum cim_fault_mode mode;
    unsigned at, seen;
};

/* Counts one change.  True when it is the one to break. */
static bool is_due(struct fault_session *f)
{
    f->seen++;
    return f->at && f->seen == f->at;
}

static bool lose(struct fault_session *f, const char *when, struct err *err)
{
    return err_fail(err, ERR_UNREACHABLE, 0,
                    "connection lost %s change %u (fault injection)", when, f->at);
}

/* False: the change must not happen. */
static bool before(struct fault_session *f, bool due, struct err *err)
{
    if (due && f->mode == CIM_FAULT_KILL_BEFORE)
        os_die();
    if (due && f->mode == CIM_FAULT_FAIL_BEFORE)
        return lose(f, "before", err);
    return true;
}

/* False: the change happened, but nobody will hear of it. */
static bool after(struct fault_session *f, bool due, struct err *err)
{
    if (due && f->mode == CIM_FAULT_KILL_AFTER)
        os_die();
    if (due && f->mode == CIM_FAULT_FAIL_AFTER)
        return lose(f, "after", err);
    return true;
}

static bool fault_query(struct cim_session *self, const char *ns, const char *wql,
                        cim_row_fn *on_row, void *user, struct err *err)
{
    struct fault_session *f = (struct fault_session *)self;

    return f->next->ops->query(f->next, ns, wql, on_row, user, err);
}

static bool fault_get(struct cim_session *self, const struct cim_path *path,
                      struct cim_instance **ret, struct err *err)
{
    struct fault_session *f = (struct fault_session *)self;

    return f->next->ops->get(f->next, path, ret, err);
}

static bool fault_put(struct cim_session *self, const struct cim_path *path,
                      const struct cim_instance *changes, struct err *err)
{
    struct fault_session *f = (struct fault_session *)self;
    bool due = is_due(f);

    return before(f, due, err) && f->next->ops->put(f->next, path, changes, err) &&
           after(f, due, err);
}

static bool fault_invoke(struct cim_session *self, const struct cim_path *path,
                         const char *method, const struct cim_instance *in,
                         struct cim_instance **ret_out, struct err *err)
{
    struct fault_session *f = (struct fault_session *)self;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    bool due = !cim_method_reads_only(method) && is_due(f);

    if (!before(f, due, err) ||
        !f->next->ops->invoke(f->next, path, method, in, &out, err) || !after(f, due, err))
        return false;
    *ret_out = TAKE(out);
    return true;
}

static bool fault_run(struct cim_session *self, const struct shell_command *command,
                      uint32_t *ret_exit_code, struct err *err)
{
    struct fault_session *f = (struct fault_session *)self;
    uint32_t exit_code;
    bool due;

    if (!f->next->ops->run)
        return err_fail(err, ERR_UNSUPPORTED, 0, "this connection cannot run commands");
    due = !command->reads_only && is_due(f);
    if (!before(f, due, err) || !f->next->ops->run(f->next, command, &exit_code, err) ||
        !after(f, due, err))
        return false;
    *ret_exit_code = exit_code;
    return true;
}

static void fault_release(struct cim_session *self)
{
    struct fault_session *f = (struct fault_session *)self;

    cim_release(f->next);
    free(f);
}

static const struct cim_session_ops fault_ops = {
    .name = "fault",
    .query = fault_query,
    .get = fault_get,
    .put = fault_put,
    .invoke = fault_invoke,
    .run = fault_run,
    .release = fault_release,
};

struct cim_session *cim_fault_open(struct cim_session **next, enum cim_fault_mode mode,
                                   unsigned at, struct err *err)
{
    struct fault_session *f = calloc(1, sizeof(*f));

    if (!f) {
        err_no_memory(err);
        return NULL;
    }
    f->base.ops = &fault_ops;
    f->next = TAKE(*next);
    f->mode = mode;
    f->at = at;
    return &f->base;
}

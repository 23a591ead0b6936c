/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls every session offers: checks, and the context errors need. */

#include "session.h"

#include "err.h"
#include "text.h"

bool cim_query(struct cim_session *session, const char *ns, const char *wql,
               cim_row_fn *on_row, void *user, struct err *err)
{
    if (!session->ops->query(session, ns, wql, on_row, user, err))
        return err_wrap(err, "asking '%s' for '%.160s'", ns, wql);
    return true;
}

bool cim_fetch(struct cim_session *session, const struct cim_path *path,
               struct cim_instance **ret, struct err *err)
{
    if (!session->ops->get(session, path, ret, err))
        return err_wrap(err, "reading one '%s'", path->class_name);
    return true;
}

bool cim_put(struct cim_session *session, const struct cim_path *path,
             const struct cim_instance *changes, struct err *err)
{
    if (!session->ops->put(session, path, changes, err))
        return err_wrap(err, "writing one '%s'", path->class_name);
    return true;
}

bool cim_invoke(struct cim_session *session, const struct cim_path *path,
                const char *method, const struct cim_instance *in,
                struct cim_instance **ret_out, struct err *err)
{
    if (!session->ops->invoke(session, path, method, in, ret_out, err))
        return err_wrap(err, "calling '%s' of '%s'", method, path->class_name);
    return true;
}

bool cim_run(struct cim_session *session, const struct shell_command *command,
             uint32_t *ret_exit_code, struct err *err)
{
    if (!session->ops->run)
        return err_fail(err, ERR_UNSUPPORTED, 0, "this connection cannot run commands");
    if (!session->ops->run(session, command, ret_exit_code, err))
        return err_wrap(err, "running '%.160s' on the host", command->line);
    return true;
}

bool cim_method_reads_only(const char *method)
{
    static const char *const prefixes[] = { "Get",   "Enum",     "Find",     "Check",
                                            "Query", "Validate", "Calculate" };

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (text_istarts(method, prefixes[i]))
            return true;
    return false;
}

void cim_release(struct cim_session *session)
{
    if (session)
        session->ops->release(session);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters of steps, and PowerShell literals. */

#include "step-params.h"

bool param_text(const struct step *step, const char *name, const char **ret,
                struct err *err)
{
    *ret = json_string_value(json_object_get(step->params, name));
    if (!*ret)
        return err_fail(err, ERR_PROTOCOL, 0, "the journal's step %u (%s) lacks '%s'",
                        step->n, step->kind->name, name);
    return true;
}

const char *param_optional(const struct step *step, const char *name)
{
    return json_string_value(json_object_get(step->params, name));
}

bool param_true(const struct step *step, const char *name)
{
    return json_is_true(json_object_get(step->params, name));
}

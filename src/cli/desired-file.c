/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hosts a file of desired state is about. */

#include "desired-file.h"

#include "hosts.h"
#include "localize.h"
#include "text.h"
#include "tr.h"

/* -H chooses among them: what the file does not name, it says nothing about. */
static bool check_named(const struct desired *desired, const struct host_list *list,
                        struct err *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (!desired_find_host(desired, list->items[i].name)) {
            err_fail(err, ERR_INVALID, 0, _("the file says nothing of host '%.80s'"),
                     list->items[i].name);
            return err_hint(err, _("it names '%.80s'%s"), desired->hosts[0].name,
                            desired->host_count > 1 ? _(" and others") : "");
        }
    return true;
}

/* Hosts have one name, by which the file is asked about them: 'local' is this machine's. */
static bool check_called(const char *const *names, const struct host_list *list,
                         struct err *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (!text_ieq(names[i], list->items[i].name)) {
            err_fail(err, ERR_INVALID, 0, _("the file's host '%.80s' is called '%.80s'"),
                     names[i], list->items[i].name);
            return err_hint(err, _("give it that name in the file"));
        }
    return true;
}

bool desired_file_hosts(struct invocation *in, struct host_list *list, struct err *err)
{
    struct desired *desired = desired_read_file(in->operands[0], err);
    CLEANUP(free_cleanup) const char **names = NULL;

    if (!desired)
        return false;
    in->data = desired;
    if (option_get(in, "host"))
        return host_list_make(in->values, list, err) && check_named(desired, list, err);
    names = calloc(desired->host_count, sizeof(*names));
    if (!names)
        return err_no_memory(err);
    for (size_t i = 0; i < desired->host_count; i++)
        names[i] = desired->hosts[i].name;
    return host_list_name(in->values, names, desired->host_count, list, err) &&
           check_called(names, list, err);
}

void desired_file_end(struct invocation *in)
{
    desired_free(in->data);
    in->data = NULL;
}

const struct desired_host *desired_file_part(const struct invocation *in, const char *name,
                                             struct err *err)
{
    const struct desired_host *part = desired_find_host(in->data, name);

    if (!part)
        err_fail(err, ERR_NOT_FOUND, 0, "the file says nothing of this host");
    return part;
}

bool desired_file_local(const struct invocation *in, const struct desired_host *wanted,
                        const struct hv_host *found, struct desired_host *ret,
                        struct err *err)
{
    return desired_localize(in->data, wanted, found, ret, err);
}

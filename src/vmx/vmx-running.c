/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a VM open: what the processes of this machine say, beside the lock files.
 *
 * A running VM is a process "vmware-vmx" with the .vmx among its arguments; the windows of
 * Workstation and Player are "vmware" and "vmplayer", which lock a VM that is open in them and
 * need not name it.  Source: hashicorp/packer-plugin-vmware builder/vmware/common; VMware's
 * pages on lock files.
 */
#include "vmx.h"

#include <string.h>

#include "os.h"
#include "text.h"

struct search {
    const char *path; /* absolute, links followed */
    const char *file; /* its last part */
    struct vmx_running found;
};

static const char *last_part(const char *path)
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] != '/' && path[len - 1] != '\\')
        len--;
    return path + len;
}

/* A name that says no folder is taken for ours when it is called so: where that process looks
 * for it is not ours to know. */
static bool is_ours(const struct search *search, const char *argument)
{
    CLEANUP(free_cleanup) char *path = NULL;
    struct err ignored = ERR_INIT;

    if (!text_iends(argument, ".vmx"))
        return false;
    if (last_part(argument) == argument)
        return text_ieq(argument, search->file);
    path = os_absolute_path(argument, &ignored);
    return text_ieq(argument, search->path) || text_ieq(path, search->path);
}

static bool on_process(const struct os_process *process, void *user, struct err *err)
{
    struct search *search = user;
    bool runs_vm = text_istarts(process->name, "vmware-vmx");

    (void)err;
    if (!runs_vm && !text_ieq(process->name, "vmware") &&
        !text_ieq(process->name, "vmplayer"))
        return true;
    search->found.has_vmware = true;
    for (size_t i = 1; runs_vm && i < process->argument_count; i++)
        if (is_ours(search, process->arguments[i]))
            search->found.process = process->id;
    return true;
}

struct vmx_running vmx_find_running(const char *path)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) char *absolute = os_absolute_path(path, &ignored);
    struct search search = { .path = absolute ? absolute : path };

    search.file = last_part(search.path);
    search.found.is_known = os_list_processes(on_process, &search, &ignored);
    return search.found;
}

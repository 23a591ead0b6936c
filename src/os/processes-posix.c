/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of this machine, as /proc shows them: proc(5).  Arguments are what a process
 * says of itself; another user's may be hidden (hidepid).
 */
#include "os.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "text.h"

enum { COMMAND_BYTES_MAX = 256 << 10, ARGUMENTS_MAX = 4096 };

/* Cut where it is longer; *ret_len 0: a kernel's thread, gone meanwhile, or not ours to see. */
static size_t read_command(const char *id, char *to)
{
    char path[64];
    size_t len = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%.20s/cmdline", id);
    file = fopen(path, "re");
    if (!file)
        return 0;
    len = fread(to, 1, COMMAND_BYTES_MAX, file);
    fclose(file);
    to[len] = '\0';
    return len;
}

static bool tell(const char *id, char *command, size_t len, const char **arguments,
                 bool (*on_process)(const struct os_process *process, void *user,
                                    struct err *err),
                 void *user, struct err *err)
{
    struct os_process process = { .arguments = arguments };
    const char *slash;

    for (const char *at = command;
         at < command + len && process.argument_count < ARGUMENTS_MAX; at += strlen(at) + 1)
        arguments[process.argument_count++] = at;
    if (!text_to_u64(id, 10, &process.id))
        return true;
    slash = strrchr(command, '/');
    process.name = slash ? slash + 1 : command;
    return on_process(&process, user, err);
}

struct listing {
    char *command;          /* room for one */
    const char **arguments; /* the same */
    bool (*on_process)(const struct os_process *process, void *user, struct err *err);
    void *user;
    size_t count;
};

static bool on_entry(const struct os_entry *entry, void *user, struct err *err)
{
    struct listing *listing = user;
    size_t len;

    if (!isdigit((unsigned char)entry->name[0]))
        return true;
    len = read_command(entry->name, listing->command);
    listing->count += len > 0;
    return len == 0 || tell(entry->name, listing->command, len, listing->arguments,
                            listing->on_process, listing->user, err);
}

bool os_list_processes(bool (*on_process)(const struct os_process *process, void *user,
                                          struct err *err),
                       void *user, struct err *err)
{
    struct listing listing = { .command = malloc(COMMAND_BYTES_MAX + 1),
                               .arguments = calloc(ARGUMENTS_MAX, sizeof(char *)),
                               .on_process = on_process,
                               .user = user };
    bool ok = (listing.command && listing.arguments) || err_no_memory(err);

    ok = ok && os_list_dir("/proc", on_entry, &listing, err);
    if (ok && listing.count == 0) /* not even this one: it is no proc(5) */
        ok = err_fail(err, ERR_NOT_FOUND, 0, "/proc shows no processes");
    free(listing.command);
    free(listing.arguments);
    return ok;
}

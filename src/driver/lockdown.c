/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PnpLockdownFiles notes: names at once, contents when asked for. */

#include "lockdown.h"

#include <string.h>

#include "text.h"
#include "win-path.h"

static const char KEY[] =
    "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Setup\\PnpLockdownFiles";

enum {
    NOTES_MAX = 20000,
    NOTES_REMOTE_MAX = 1000, /* two questions each over the network */
};

static bool need_list(struct lockdown *lockdown, struct err *err)
{
    size_t count = 0;

    if (lockdown->is_listed)
        return true;
    if (!source_list_reg(lockdown->source, KEY, false, &lockdown->names, &count, err))
        return false;
    lockdown->count = count;
    if (count > NOTES_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d PnpLockdownFiles",
                        NOTES_MAX);
    lockdown->notes = calloc(count + 1, sizeof(*lockdown->notes));
    lockdown->is_read = calloc(count + 1, sizeof(*lockdown->is_read));
    if (!lockdown->notes || !lockdown->is_read)
        return err_no_memory(err);
    lockdown->is_listed = true;
    return true;
}

void lockdown_clear(struct lockdown *lockdown)
{
    for (size_t i = 0; lockdown->notes && i < lockdown->count; i++) {
        hive_texts_free(lockdown->notes[i].owners, lockdown->notes[i].owner_count);
        free(lockdown->notes[i].package);
        free(lockdown->notes[i].source);
    }
    hive_texts_free(lockdown->names, lockdown->count);
    free(lockdown->notes);
    free(lockdown->is_read);
    *lockdown = (struct lockdown){ 0 };
}

static bool need_note(struct lockdown *lockdown, size_t i, struct err *err)
{
    struct lockdown_note *note = &lockdown->notes[i];
    CLEANUP(free_cleanup) char *key = NULL;

    if (lockdown->is_read[i])
        return true;
    key = text_printf("%s\\%s", KEY, lockdown->names[i]);
    if (!key)
        return err_no_memory(err);
    if (!source_texts(lockdown->source, key, "Owners", &note->owners, &note->owner_count,
                      err) ||
        !source_text(lockdown->source, key, "Source", &note->source, err))
        return false;
    note->package = note->source ? win_path_store_package(note->source) : NULL;
    lockdown->is_read[i] = true;
    return true;
}

bool lockdown_find(struct lockdown *lockdown, const char *path,
                   const struct lockdown_note **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *name = text_printf("%%SystemRoot%%/%s", path);

    *ret = NULL;
    if (!name)
        return err_no_memory(err);
    for (char *p = name; *p; p++)
        *p = *p == '\\' ? '/' : *p;
    if (!need_list(lockdown, err))
        return false;
    for (size_t i = 0; i < lockdown->count; i++) {
        if (!text_ieq(lockdown->names[i], name))
            continue;
        if (!need_note(lockdown, i, err))
            return false;
        *ret = &lockdown->notes[i];
        return true;
    }
    return true;
}

bool lockdown_is_owner(const struct lockdown_note *note, const char *published)
{
    for (size_t i = 0; i < note->owner_count; i++)
        if (text_ieq(note->owners[i], published))
            return true;
    return false;
}

bool lockdown_each(struct lockdown *lockdown, lockdown_fn *on_note, void *user,
                   bool *ret_all, struct err *err)
{
    *ret_all = false;
    if (!need_list(lockdown, err))
        return false;
    if (lockdown->source->is_remote && lockdown->count > NOTES_REMOTE_MAX)
        return true;
    for (size_t i = 0; i < lockdown->count; i++)
        if (!need_note(lockdown, i, err) || !on_note(&lockdown->notes[i], user, err))
            return false;
    *ret_all = true;
    return true;
}

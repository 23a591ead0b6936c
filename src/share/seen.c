/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen on a VM's disks when nothing was left to do. */

#include "seen.h"

#include <string.h>

#include "driver.h"
#include "host-disk.h"
#include "text.h"

void seen_clear(struct seen *seen)
{
    free(seen->name);
    json_decref(seen->files);
    *seen = (struct seen){ 0 };
}

/* [[path, size, time]]; NULL when a file's size or time is not known. */
static bool read_files(struct plan_context *context, const struct hv_vm *vm, json_t **ret,
                       struct err *err)
{
    json_t *files = json_array();

    *ret = NULL;
    if (!files)
        return err_no_memory(err);
    for (size_t i = 0; i < vm->disk_count; i++) {
        json_t *file = NULL;

        if (!host_read_file_stamp(context->session, vm->disks[i].path, &file, err)) {
            json_decref(files);
            return false;
        }
        if (!file) {
            json_decref(files);
            return true;
        }
        if (json_array_append_new(files, file) != 0) {
            json_decref(files);
            return err_no_memory(err);
        }
    }
    *ret = files;
    return true;
}

bool seen_now(struct plan_context *context, const char *host, const struct hv_vm *vm,
              const char *const *gpus, size_t gpu_count, struct seen *ret, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;

    *ret = (struct seen){ .name = text_printf("seen %s %s", host, vm->id) };
    if (!ret->name)
        return err_no_memory(err);
    if (!read_files(context, vm, &ret->files, err))
        return false;
    if (gpu_count > 0) {
        source = windows_source_live(context->session, err);
        if (!source)
            return false;
    }
    if (!driver_fingerprint(NULL, ret->driver, err))
        return false;
    for (size_t i = 0; i < gpu_count; i++) {
        CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;

        if (!driver_resolve(source, gpus[i], &set, err) ||
            !driver_fingerprint(set, ret->driver, err))
            return false;
    }
    return true;
}

static json_t *to_json(const struct seen *seen)
{
    return json_pack("{s:O, s:s}", "files", seen->files, "driver", seen->driver);
}

bool seen_compare(struct plan_context *context, const struct seen *seen, bool *ret_same,
                  struct err *err)
{
    json_t *was = NULL, *now;

    *ret_same = false;
    if (!seen->files)
        return true;
    if (!journal_read_note(context->journal, seen->name, &was, err))
        return false;
    now = to_json(seen);
    *ret_same = now && json_equal(was, now);
    json_decref(now);
    json_decref(was);
    return true;
}

bool seen_keep(struct plan_context *context, const struct seen *seen, struct err *err)
{
    json_t *now = seen->files ? to_json(seen) : NULL;
    bool ok;

    if (seen->files && !now)
        return err_no_memory(err);
    ok = journal_note(context->journal, seen->name, now, err);
    json_decref(now);
    return ok;
}

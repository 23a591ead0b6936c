/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen on a VM's disks when nothing was left to do. */

#include "seen.h"

#include <string.h>

#include "driver.h"
#include "host-disk.h"
#include "remote-shell.h"
#include "source.h"
#include "text.h"
#include "win-path.h"

void seen_clear(struct seen *seen)
{
    free(seen->name);
    json_decref(seen->files);
    json_decref(seen->gpus);
    *seen = (struct seen){ 0 };
}

/* ---- what is now ---- */

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

static const struct hv_gpu *find_gpu(const struct hv_host *host, const char *interface_path)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].interface_path, interface_path))
            return &host->gpus[i];
    return NULL;
}

/* NULL: Windows does not tell enough of one of them to go by. */
static bool describe_gpus(const struct hv_host *host, const char *const *gpus, size_t count,
                          json_t **ret, struct err *err)
{
    json_t *all = json_array();

    *ret = NULL;
    if (!all)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct hv_gpu *gpu = find_gpu(host, gpus[i]);

        if (!gpu || !gpu->instance_id || !gpu->driver_version || !gpu->driver_inf) {
            json_decref(all);
            return true;
        }
        if (json_array_append_new(
                all, json_pack("[s, s, s, s, s]", gpu->instance_id, gpu->driver_version,
                               gpu->driver_date ? gpu->driver_date : "", gpu->driver_inf,
                               gpu->driver_package ? gpu->driver_package : "")) != 0) {
            json_decref(all);
            return err_no_memory(err);
        }
    }
    *ret = all;
    return true;
}

bool seen_now(struct plan_context *context, const char *host_name,
              const struct hv_host *host, const struct hv_vm *vm, const char *const *gpus,
              size_t gpu_count, struct seen *ret, struct err *err)
{
    *ret = (struct seen){ .name = text_printf("seen %s %s", host_name, vm->id) };
    if (!ret->name)
        return err_no_memory(err);
    return read_files(context, vm, &ret->files, err) &&
           describe_gpus(host, gpus, gpu_count, &ret->gpus, err);
}

/* ---- what the drivers consist of: {folder: fingerprint}, [[file, size, time]] ---- */

static bool is_listed_so(struct plan_context *context, const char *folder,
                         const char *fingerprint, bool *ret, struct err *err)
{
    struct source_file *files = NULL;
    size_t count = 0;
    bool found = false, ok;
    char now[65];

    *ret = false;
    if (!win_path_is_absolute(folder))
        return true; /* no note of ours */
    ok = shell_list(context->session, folder, "*", 0, &found, &files, &count, err) &&
         driver_listing_fingerprint(files, count, now, err);
    source_files_free(files, count);
    if (ok && found && fingerprint)
        *ret = strcmp(now, fingerprint) == 0;
    return ok;
}

static bool compare_drivers(struct plan_context *context, const json_t *note,
                            bool *ret_same, struct err *err)
{
    json_t *folders = json_object_get(note, "folders");
    const json_t *outside = json_object_get(note, "outside");
    const char *folder;
    json_t *fingerprint;

    *ret_same = json_is_object(folders) && json_is_array(outside);
    json_object_foreach(folders, folder, fingerprint) if (*ret_same)
    {
        if (!is_listed_so(context, folder, json_string_value(fingerprint), ret_same, err))
            return false;
    }
    for (size_t i = 0; *ret_same && i < json_array_size(outside); i++) {
        const json_t *was = json_array_get(outside, i);
        const char *path = json_string_value(json_array_get(was, 0));
        json_t *now = NULL;

        if (path && !host_read_file_stamp(context->session, path, &now, err))
            return false;
        *ret_same = now && json_equal(was, now);
        json_decref(now);
    }
    return true;
}

bool seen_compare(struct plan_context *context, const struct seen *seen, bool *ret_same,
                  struct err *err)
{
    json_t *was = NULL;
    bool ok = true;

    *ret_same = false;
    if (!seen->files || !seen->gpus)
        return true;
    if (!journal_read_note(context->journal, seen->name, &was, err))
        return false;
    if (was && json_equal(json_object_get(was, "disks"), seen->files) &&
        json_equal(json_object_get(was, "gpus"), seen->gpus))
        ok = compare_drivers(context, was, ret_same, err);
    json_decref(was);
    return ok;
}

/* ---- keeping ---- */

static bool is_in_package(const struct driver_set *set, const char *source)
{
    for (size_t i = 0; i < set->package_count; i++)
        if (win_path_below(source, set->packages[i].source))
            return true;
    return false;
}

/* *ret_known false: a file's time is not told, so nothing can be remembered. */
static bool add_driver(struct plan_context *context, const struct driver_set *set,
                       json_t *folders, json_t *outside, bool *ret_known, struct err *err)
{
    for (size_t i = 0; i < set->package_count; i++) {
        const struct driver_package *package = &set->packages[i];
        char fingerprint[65];

        if (!driver_listing_fingerprint(package->files, package->file_count, fingerprint,
                                        err))
            return false;
        if (json_object_set_new(folders, package->source, json_string(fingerprint)) != 0)
            return err_no_memory(err);
    }
    for (size_t i = 0; i < set->file_count; i++) {
        json_t *file = NULL;

        if (is_in_package(set, set->files[i].source))
            continue;
        if (!host_read_file_stamp(context->session, set->files[i].source, &file, err))
            return false;
        *ret_known &= file != NULL;
        if (file && json_array_append_new(outside, file) != 0)
            return err_no_memory(err);
    }
    return true;
}

bool seen_keep(struct plan_context *context, const struct seen *seen,
               const char *const *gpus, size_t gpu_count, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    json_t *folders = json_object(), *outside = json_array(), *note = NULL;
    bool known = seen->files && seen->gpus;
    bool ok = (folders && outside) || err_no_memory(err);

    if (ok && known && gpu_count > 0) {
        source = windows_source_live(context->session, err);
        ok = source != NULL;
    }
    for (size_t i = 0; ok && known && i < gpu_count; i++) {
        CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;

        ok = driver_resolve(source, gpus[i], &set, err) &&
             add_driver(context, set, folders, outside, &known, err);
    }
    if (ok && known) {
        note = json_pack("{s:O, s:O, s:O, s:O}", "disks", seen->files, "gpus", seen->gpus,
                         "folders", folders, "outside", outside);
        ok = note || err_no_memory(err);
    }
    ok = ok && journal_note(context->journal, seen->name, note, err);
    json_decref(note);
    json_decref(folders);
    json_decref(outside);
    return ok;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen on a VM's disks when nothing was left to do. */

#include "seen.h"

#include <string.h>

#include "host-disk.h"
#include "remote-shell.h"
#include "share-steps.h"
#include "source.h"
#include "text.h"
#include "win-path.h"

void seen_clear(struct seen *seen)
{
    free(seen->name);
    json_decref(seen->files);
    json_decref(seen->gpus);
    json_decref(seen->folders);
    json_decref(seen->outside);
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
        if (json_array_append_new(all, json_pack("[s, s, s, s]", gpu->instance_id,
                                                 gpu->driver_version,
                                                 gpu->driver_date ? gpu->driver_date : "",
                                                 gpu->driver_inf)) != 0) {
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
    *ret = (struct seen){ .name = text_printf("seen %s %s", host_name, vm->id),
                          .folders = json_object(),
                          .outside = json_array() };
    if (!ret->name || !ret->folders || !ret->outside)
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
                  json_t **ret_said, struct err *err)
{
    json_t *was = NULL;
    bool ok = true;

    *ret_same = false;
    *ret_said = NULL;
    if (!seen->files || !seen->gpus)
        return true;
    if (!journal_read_note(context->journal, seen->name, &was, err))
        return false;
    if (was && json_equal(json_object_get(was, "disks"), seen->files) &&
        json_equal(json_object_get(was, "gpus"), seen->gpus))
        ok = compare_drivers(context, was, ret_same, err);
    if (ok && *ret_same && json_is_array(json_object_get(was, "said")))
        *ret_said = json_incref(json_object_get(was, "said"));
    json_decref(was);
    return ok;
}

/* ---- keeping ---- */

void seen_spoil(struct seen *seen)
{
    json_decref(TAKE(seen->files));
}

static bool is_known(const struct seen *seen)
{
    return seen->files && seen->gpus;
}

static bool is_in_package(const struct driver_set *set, const char *source)
{
    for (size_t i = 0; i < set->package_count; i++)
        if (win_path_below(source, set->packages[i].source))
            return true;
    return false;
}

static bool is_listed(const json_t *outside, const char *path)
{
    const json_t *file;
    size_t i;

    json_array_foreach(outside, i, file)
    {
        if (text_ieq(json_string_value(json_array_get(file, 0)), path))
            return true;
    }
    return false;
}

static bool add_outside(struct plan_context *context, struct seen *seen,
                        const struct driver_set *set, struct err *err)
{
    for (size_t i = 0; i < set->file_count; i++) {
        const char *source = set->files[i].source;
        json_t *file = NULL;

        if (is_in_package(set, source) || is_listed(seen->outside, source))
            continue;
        if (!host_read_file_stamp(context->session, source, &file, err))
            return false;
        if (!file)
            seen_spoil(seen); /* its time is not told, so nothing can be remembered */
        else if (json_array_append_new(seen->outside, file) != 0)
            return err_no_memory(err);
    }
    return true;
}

bool seen_driver(struct plan_context *context, struct seen *seen,
                 const struct driver_set *set, struct err *err)
{
    if (!is_known(seen))
        return true;
    for (size_t i = 0; i < set->package_count; i++) {
        const struct driver_package *package = &set->packages[i];
        char fingerprint[65];

        if (!driver_listing_fingerprint(package->files, package->file_count, fingerprint,
                                        err))
            return false;
        if (json_object_set_new(seen->folders, package->source, json_string(fingerprint)) !=
            0)
            return err_no_memory(err);
    }
    return add_outside(context, seen, set, err);
}

static json_t *note_of(const json_t *disks, const json_t *gpus, const json_t *folders,
                       const json_t *outside, const json_t *said)
{
    return json_pack("{s:O, s:O, s:O, s:O, s:O}", "disks", disks, "gpus", gpus, "folders",
                     folders, "outside", outside, "said", said);
}

/* What the driver's planner says of the guest as it is; what drifted is over when the plan is
 * done, and whether there is room for it too. */
static bool is_lasting(const json_t *finding)
{
    const char *id = json_string_value(json_object_get(finding, "id"));

    return id && text_istarts(id, "guest-") && !text_ieq(id, "guest-space");
}

/* The warnings of @findings that stay true.  NULL: no memory. */
static json_t *warnings_of(const json_t *findings)
{
    json_t *said = json_array();
    json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        const char *severity = json_string_value(json_object_get(finding, "severity"));

        if (text_ieq(severity, "warning") && is_lasting(finding) &&
            json_array_append(said, finding) != 0) {
            json_decref(said);
            return NULL;
        }
    }
    return said;
}

bool seen_keep(struct plan_context *context, const struct seen *seen,
               const json_t *findings, struct err *err)
{
    json_t *note = NULL, *said;
    bool ok = true;

    if (is_known(seen)) {
        said = warnings_of(findings);
        note = said ? note_of(seen->files, seen->gpus, seen->folders, seen->outside, said)
                    : NULL;
        json_decref(said);
        ok = note || err_no_memory(err);
    }
    ok = ok && journal_note(context->journal, seen->name, note, err);
    json_decref(note);
    return ok;
}

/* ---- keeping what a plan has put right ---- */

static bool gives_back(const struct plan *plan, const char *image)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].kind == &step_image_detach &&
            text_ieq(json_string_value(json_object_get(plan->steps[i].params, "image")),
                     image))
            return true;
    return false;
}

/* A disk that the plan writes has a size and a time when it is given back; one that it leaves
 * alone has those from before it was looked at. */
bool seen_keep_later(struct plan *plan, const struct seen *seen, struct err *err)
{
    struct step *last = plan->step_count ? &plan->steps[plan->step_count - 1] : NULL;
    json_t *disks, *note, *file, *said;
    size_t i;

    if (!last || last->kind != &step_image_detach || !is_known(seen))
        return true;
    disks = json_array();
    json_array_foreach(seen->files, i, file)
    {
        const char *image = json_string_value(json_array_get(file, 0));

        if (json_array_append_new(disks, gives_back(plan, image) ? json_pack("[s]", image)
                                                                 : json_incref(file)) != 0)
            break;
    }
    said = warnings_of(plan->findings);
    note = said && i == json_array_size(seen->files)
               ? note_of(disks, seen->gpus, seen->folders, seen->outside, said)
               : NULL;
    json_decref(disks);
    json_decref(said);
    if (!note || json_object_set_new(note, "name", json_string(seen->name)) != 0 ||
        json_object_set(last->params, "seen", note) != 0) {
        json_decref(note);
        return err_no_memory(err);
    }
    json_decref(note);
    return true;
}

/* *ret NULL: one of them has no time. */
static bool stamp_disks(struct plan_context *context, const json_t *disks, json_t **ret,
                        struct err *err)
{
    json_t *now = json_array(), *disk;
    size_t i;

    *ret = NULL;
    json_array_foreach(disks, i, disk)
    {
        const char *image = json_string_value(json_array_get(disk, 0));
        json_t *stamp = json_array_size(disk) > 1 ? json_incref(disk) : NULL;

        if ((!stamp && image &&
             !host_read_file_stamp(context->session, image, &stamp, err)) ||
            !stamp || json_array_append_new(now, stamp) != 0) {
            json_decref(now);
            return err->kind == ERR_NONE;
        }
    }
    *ret = now;
    return true;
}

void seen_step_done(struct plan_context *context, const struct step *step)
{
    const json_t *planned = json_object_get(step->params, "seen");
    const char *name = json_string_value(json_object_get(planned, "name"));
    struct err ignored = ERR_INIT;
    json_t *disks = NULL, *note = NULL;

    if (name && stamp_disks(context, json_object_get(planned, "disks"), &disks, &ignored) &&
        disks)
        note = note_of(
            disks, json_object_get(planned, "gpus"), json_object_get(planned, "folders"),
            json_object_get(planned, "outside"), json_object_get(planned, "said"));
    if (name)
        (void)!journal_note(context->journal, name, note, &ignored);
    json_decref(disks);
    json_decref(note);
}

void seen_step_undone(struct plan_context *context, const struct step *step)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(step->params, "seen"), "name"));
    struct err ignored = ERR_INIT;

    if (name)
        (void)!journal_note(context->journal, name, NULL, &ignored);
}

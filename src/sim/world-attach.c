/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images attached to the host: one locked disk each, one mounted volume at a time, every
 * change committed before the caller is answered.
 *
 * Refusals: an image in use is Win32 32 (the code that Hyper-V gives is unconfirmed in
 * public sources, the text of a sharing violation is not); a volume that no host could
 * mount without more (BitLocker, ReFS) is 1005.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make-file.h"
#include "cluster.h"
#include "lab.h"
#include "os.h"
#include "text.h"
#include "world-inside.h"

#define BASIC_DATA "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"

static bool is_data(const struct partition *p)
{
    return text_ieq(p->type, BASIC_DATA) || text_ieq(p->type, "0x07");
}

void attached_volume_name(const struct attached *a, unsigned part, char ret[64])
{
    const struct partition *p = &a->parts[part];

    if (text_is_guid(p->id)) { /* Windows takes the partition's GUID for basic disks */
        snprintf(ret, 64, "\\\\?\\Volume{%.36s}\\", p->id[0] == '{' ? p->id + 1 : p->id);
    } else { /* MBR: the mount manager invents one and keeps it */
        uint64_t a1 = make_hash(p->id, 0), a2 = make_hash(p->id, a1);

        snprintf(ret, 64, "\\\\?\\Volume{%08x-%04x-%04x-%04x-%012llx}\\",
                 (unsigned)(a1 >> 32), (unsigned)(a1 >> 16) & 0xffff, (unsigned)a1 & 0xffff,
                 (unsigned)(a2 >> 48), (unsigned long long)(a2 & 0xffffffffffff));
    }
    text_lower(ret + 4);
    ret[4] = 'V';
}

static void attached_free(struct attached *a)
{
    if (!a)
        return;
    volume_drop(a->volume);
    disk_close(a->disk);
    for (unsigned i = 0; a->access && i < a->part_count; i++)
        free(a->access[i]);
    free(a->access);
    free(a->parts);
    free(a->path);
    free(a);
}
DEFINE_CLEANUP(attached_cleanup, struct attached *, attached_free)

void attached_free_all(struct sim_world *w)
{
    while (w->attached) {
        struct attached *next = w->attached->next;

        attached_free(w->attached);
        w->attached = next;
    }
}

struct attached *attached_find(struct sim_world *w, const char *path)
{
    for (struct attached *a = w->attached; a; a = a->next)
        if (text_ieq(a->path, path))
            return a;
    return NULL;
}

bool world_is_attached(struct sim_world *w, const char *path)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *plain = world_normalize(path, &err);

    return plain && attached_find(w, plain) != NULL;
}

/* ---- the volume in use ---- */

static bool commit(struct attached *a, struct err *err)
{
    bool ok = volume_close(TAKE(a->volume), err);

    a->changed = false;
    return ok && disk_commit(a->disk, err);
}

bool attached_volume(struct sim_world *w, struct attached *a, unsigned part,
                     struct volume **ret, struct err *err)
{
    if (a->volume && a->volume_part != part) {
        if (a->changed && !commit(a, err))
            return false;
        /* Not dropped: that would spoil a disk that is open for writing. */
        if (a->volume && !volume_close(TAKE(a->volume), err))
            return false;
    }
    if (!a->volume) {
        a->volume = volume_open(a->disk, &a->parts[part],
                                a->read_only ? DISK_READ : DISK_WRITE, err);
        a->volume_part = part;
    }
    *ret = a->volume;
    return a->volume != NULL;
}

bool attached_changed(struct sim_world *w, struct attached *a, struct err *err)
{
    a->changed = true;
    return w->batch > 0 || commit(a, err);
}

bool world_batch_begin(struct sim_world *w, struct err *err)
{
    w->batch++;
    return true;
}

bool world_batch_end(struct sim_world *w, struct err *err)
{
    bool ok = true;

    if (--w->batch > 0)
        return true;
    for (struct attached *a = w->attached; a; a = a->next)
        if (a->changed && ok)
            ok = commit(a, err);
    return ok;
}

/* ---- attach and detach ---- */

static bool open_image(struct sim_world *w, struct attached *a, struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct err unreadable = ERR_INIT;
    const char *table;

    if (!world_resolve(w, a->path, &place, err))
        return false;
    if (!place.exists || place.attached)
        return world_fail(
            err, place.parent_exists ? WIN_FILE_NOT_FOUND : WIN_PATH_NOT_FOUND, a->path);
    a->disk = disk_open(place.inner, a->read_only ? DISK_READ : DISK_WRITE, err);
    if (!a->disk) {
        if (err->kind == ERR_CONFLICT)
            return world_fail(err, WIN_SHARING_VIOLATION, a->path);
        return false;
    }
    a->parts = calloc(PARTITION_MAX, sizeof(*a->parts));
    if (!a->parts)
        return err_no_memory(err);
    /* No table: a raw disk, without partitions, as in Windows. */
    if (!disk_partitions(a->disk, a->parts, &a->part_count, &table, &unreadable))
        a->part_count = 0;
    a->access = calloc(a->part_count + 1, sizeof(*a->access));
    return a->access || err_no_memory(err);
}

bool attached_restore(struct sim_world *w, const char *path, bool read_only,
                      unsigned number, int64_t since_usec, struct err *err)
{
    CLEANUP(attached_cleanup) struct attached *a = calloc(1, sizeof(*a));
    struct attached **end = &w->attached;

    if (!a)
        return err_no_memory(err);
    a->path = text_dup(path);
    if (!a->path)
        return err_no_memory(err);
    a->read_only = read_only;
    a->number = number;
    a->since_usec = since_usec;
    if (!open_image(w, a, err))
        return false;
    while (*end)
        end = &(*end)->next;
    *end = TAKE(a);
    return true;
}

static unsigned free_number(struct sim_world *w)
{
    unsigned number = FIRST_IMAGE_NUMBER;
    struct attached *a = w->attached;

    while (a) {
        if (a->number == number) {
            number++;
            a = w->attached;
        } else {
            a = a->next;
        }
    }
    return number;
}

/* Windows gives letters from D: on. */
bool attached_free_letter(struct sim_world *w, char *ret)
{
    for (char letter = 'D'; letter <= 'Z'; letter++) {
        bool taken = false;

        for (struct attached *a = w->attached; a; a = a->next)
            for (unsigned i = 0; i < a->part_count; i++)
                taken = taken || (a->access[i] && a->access[i][0] == letter &&
                                  strlen(a->access[i]) == 3);
        if (!taken) {
            *ret = letter;
            return true;
        }
    }
    return false;
}

bool attached_by_any(struct sim_world *w, const char *path, struct attached **ret,
                     struct err *err)
{
    struct sim_cluster *cluster = lab_is_shared_path(path) ? w->host->cluster : NULL;

    *ret = attached_find(w, path);
    for (size_t i = 0; cluster && !*ret && i < cluster->node_count; i++) {
        struct sim_world *other = sim_host_world(cluster->nodes[i], err);

        if (!other)
            return false;
        *ret = attached_find(other, path);
    }
    return true;
}

bool attached_set_access(struct sim_world *w, struct attached *a, unsigned part,
                         const char *access, struct err *err)
{
    char *copy = access ? text_dup(access) : NULL;

    if (access && !copy)
        return err_no_memory(err);
    free(a->access[part]);
    a->access[part] = copy;
    return world_state_save(w, err);
}

bool world_attach(struct sim_world *w, const char *path, bool read_only, bool assign_letter,
                  struct err *err)
{
    CLEANUP(free_cleanup) char *plain = world_normalize(path, err);
    struct attached *a;
    char access[] = "D:\\";

    if (!plain)
        return false;
    if (!attached_by_any(w, plain, &a, err))
        return false;
    if (a || (w->host->store && sim_vm_uses_disk(w->host, plain)))
        return world_fail(err, WIN_SHARING_VIOLATION, path);
    if (!attached_restore(w, plain, read_only, free_number(w), os_now_usec(), err))
        return false;
    a = attached_find(w, plain);
    for (unsigned i = 0; assign_letter && i < a->part_count; i++)
        if (is_data(&a->parts[i]) && attached_free_letter(w, &access[0])) {
            a->access[i] = text_dup(access);
            if (!a->access[i])
                return err_no_memory(err);
        }
    return world_state_save(w, err);
}

/* A loaded hive lies on it: whether a host detaches then, no source says. */
static bool holds_hive(struct sim_world *w, struct attached *a)
{
    for (size_t i = 0; i < w->hive_count; i++) {
        CLEANUP(place_clear) struct place place = { 0 };
        struct err err = ERR_INIT;

        if (!w->hives[i].own && world_resolve(w, w->hives[i].file, &place, &err) &&
            place.attached == a)
            return true;
    }
    return false;
}

bool world_detach(struct sim_world *w, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *plain = world_normalize(path, err);
    struct attached *a, **at;

    if (!plain)
        return false;
    a = attached_find(w, plain);
    if (!a)
        return world_fail(err, WIN_FILE_NOT_FOUND, path);
    if (holds_hive(w, a))
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "detaching '%s' while a hive on it is loaded", plain);
    if (a->changed && !commit(a, err))
        return false;
    for (at = &w->attached; *at != a; at = &(*at)->next)
        ;
    *at = a->next;
    attached_free(a);
    return world_state_save(w, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that a package's INF puts outside the driver store: System32 and SysWOW64 of
 * the guest need the same ones.  What the INF puts anywhere else stays out, and is said.
 *
 * The section is the one the host's class key names; nothing is chosen again, and nothing
 * is derived from names alone: the package of NVIDIA 470.05 has a real nvml.dll beside the
 * nvml_loader.dll that its INF installs as System32\nvml.dll.
 *
 * Sources: MicrosoftDocs/windows-driver-docs install/inf-copyfiles-directive,
 * inf-destinationdirs-section, using-dirids, display/gpu-paravirtualization.md; NVIDIA
 * 470.05 nv_dispi.inf, Intel 21.20 igdlh64.inf.
 */

#include <string.h>

#include "driver-set.h"
#include "file-version.h"
#include "package-inf.h"
#include "store-index.h"
#include "strbuf.h"
#include "text.h"
#include "win-path.h"

enum { NAMES_SHOWN = 8 };

/* What stays out for one reason, to be said in one line. */
struct left_group {
    char *folder;
    const char *why;
    size_t count;
    struct strbuf names;
};

struct work {
    struct driver_set *set;
    const struct driver_package *package;
    const char *inf; /* published name */
    struct lockdown *lockdown;
    struct left_group *groups;
    size_t group_count;
};

/* ---- where a file goes ---- */

static const char WHY_LINUX[] = "only Linux guests use it";
static const char WHY_KERNEL[] =
    "drivers, INFs and catalogs of the host are not installed in a guest";
static const char WHY_ELSEWHERE[] = "outside System32 and SysWOW64";
static const char WHY_NAME[] = "its destination is no plain path";

/* "SysWow64\\x" below @folder -> "x"; "" for @folder itself; NULL: not below. */
static const char *below(const char *subdir, const char *folder)
{
    size_t len = strlen(folder);

    if (!text_istarts(subdir, folder) || (subdir[len] && subdir[len] != '\\'))
        return NULL;
    return subdir + len + (subdir[len] == '\\');
}

/* The guest's folder and the sub-folder in it; false: it stays out, *ret_why. */
static bool choose_folder(const struct inf_file *file, const char **ret_folder,
                          const char **ret_sub, const char **ret_why)
{
    const char *sub = NULL;

    *ret_why = WHY_ELSEWHERE;
    *ret_folder = "System32";
    if (file->dirid == INF_DIR_SYSTEM32) {
        sub = file->subdir;
    } else if (file->dirid == INF_DIR_SYSWOW64) {
        *ret_folder = "SysWOW64";
        sub = file->subdir;
    } else if (file->dirid == INF_DIR_WINDOWS) {
        sub = below(file->subdir, "System32");
        if (!sub) {
            *ret_folder = "SysWOW64";
            sub = below(file->subdir, "SysWOW64");
        }
    }
    if (!sub)
        return false;
    if (text_istarts(sub, "lxss") && (!sub[4] || sub[4] == '\\')) {
        *ret_why = WHY_LINUX;
        return false;
    }
    *ret_sub = sub;
    return true;
}

/* Below the guest's Windows folder; *ret NULL: it stays out, *ret_why. */
static bool destination_of(const struct inf_file *file, char **ret, const char **ret_why,
                           struct err *err)
{
    static const char *const never[] = { ".sys", ".inf", ".cat" };
    CLEANUP(free_cleanup) char *folder = NULL;
    CLEANUP(free_cleanup) char *path = NULL;
    const char *base, *sub;

    *ret = NULL;
    if (!choose_folder(file, &base, &sub, ret_why))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (text_iends(file->name, never[i])) {
            *ret_why = WHY_KERNEL;
            return true;
        }
    folder = *sub ? win_path_join(base, sub) : text_dup(base);
    path = folder ? win_path_join(folder, file->name) : NULL;
    if (!path)
        return err_no_memory(err);
    if (!win_name_is_plain(file->name) || !win_path_is_relative(path))
        *ret_why = WHY_NAME;
    else if (driver_may_place(path))
        *ret = TAKE(path);
    return true;
}

/* ---- what stays out ---- */

static char *folder_name(const struct inf_file *file)
{
    CLEANUP(free_cleanup) char *full = inf_file_destination(file);

    return full ? win_path_parent(full) : NULL;
}

static bool leave_out(struct work *work, const struct inf_file *file, const char *why,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *folder = folder_name(file);
    struct left_group *group = NULL;

    if (!folder)
        return err_no_memory(err);
    for (size_t i = 0; i < work->group_count && !group; i++)
        if (work->groups[i].why == why && text_ieq(work->groups[i].folder, folder))
            group = &work->groups[i];
    if (!group) {
        struct left_group *more =
            realloc(work->groups, (work->group_count + 1) * sizeof(*more));

        if (!more)
            return err_no_memory(err);
        work->groups = more;
        group = &more[work->group_count++];
        *group = (struct left_group){ .folder = TAKE(folder), .why = why };
    }
    if (group->count++ < NAMES_SHOWN)
        strbuf_printf(&group->names, "%s%s", group->names.len ? ", " : "", file->name);
    return true;
}

static bool say_left_out(struct work *work, struct err *err)
{
    for (size_t i = 0; i < work->group_count; i++) {
        const struct left_group *group = &work->groups[i];

        if (!group->names.text)
            return err_no_memory(err);
        if (!driver_set_leave_out(work->set, err, "%zu file%s of '%s' for %s (%s%s): %s",
                                  group->count, group->count == 1 ? "" : "s",
                                  work->package->name, group->folder, group->names.text,
                                  group->count > NAMES_SHOWN ? ", ..." : "", group->why))
            return false;
    }
    return true;
}

static void clear_work(struct work *work)
{
    for (size_t i = 0; i < work->group_count; i++) {
        free(work->groups[i].folder);
        strbuf_free(&work->groups[i].names);
    }
    free(work->groups);
}

/* ---- one destination from two places ---- */

static bool same_content(struct driver_set *set, const struct driver_file *there,
                         const struct driver_file *one, bool *ret, struct err *err)
{
    struct driver_file a = *there, b = *one;

    *ret = false;
    if (a.size != b.size)
        return true;
    if (!driver_set_hash_file(set, &a, err) || !driver_set_hash_file(set, &b, err))
        return false;
    *ret = strcmp(a.sha256, b.sha256) == 0;
    return true;
}

/* Whether @one replaces @there; both are loaders, the newer wins. */
static bool is_newer(struct driver_set *set, const struct driver_file *one,
                     const struct driver_file *there, bool *ret, struct err *err)
{
    const struct windows_source_ops *ops = set->origin->ops;
    struct file_version a = { 0 }, b = { 0 };
    bool a_told = false, b_told = false;

    if (!ops->version(set->origin, one->origin_path, &a, &a_told, err) ||
        !ops->version(set->origin, there->origin_path, &b, &b_told, err))
        return false;
    if (a_told && b_told && a.has_version && b.has_version && a.version != b.version)
        *ret = a.version > b.version;
    else
        *ret = one->mtime_usec > there->mtime_usec;
    return true;
}

static bool meet(struct work *work, size_t index, const struct driver_file *one,
                 struct err *err)
{
    struct driver_set *set = work->set;
    struct driver_file *there = &set->files[index];
    CLEANUP(free_cleanup) char *other = win_path_store_package(there->origin_path);
    bool same, newer;

    if (text_ieq(there->origin_path, one->origin_path))
        return true; /* said twice; or CopyToVm and the INF agree */
    if (text_istarts(there->reason, "CopyToVm"))
        return driver_set_leave_out(
            set, err, "'%s' from '%s' as its INF says: %s names '%s'", one->destination,
            one->origin_path, there->reason, there->origin_path);
    if (!same_content(set, there, one, &same, err))
        return false;
    if (same)
        return true;
    if (text_ieq(other, work->package->name) || !driver_is_shared_loader(one->destination))
        return err_fail(err, ERR_CONFLICT, 0,
                        "'%s' would come from '%s' (%s) and from '%s' (%s), which differ",
                        one->destination, there->origin_path, there->reason,
                        one->origin_path, one->reason);
    if (!is_newer(set, one, there, &newer, err))
        return false;
    there->rule = RULE_NEWER;
    if (!newer)
        return driver_set_leave_out(set, err, "'%s' of '%s': that of '%s' is as new",
                                    one->destination, work->package->name, other);
    return driver_set_replace_file(set, index, one->origin_path, RULE_NEWER, one->size,
                                   one->mtime_usec, one->reason, err);
}

/* ---- what Windows recorded about it ---- */

static bool lockdown_agrees(struct work *work, const struct driver_file *file,
                            struct err *err)
{
    const struct lockdown_note *note;
    const char *relative;

    if (!lockdown_find(work->lockdown, file->destination, &note, err))
        return false;
    relative =
        note && note->source ? text_istr(note->source, "\\System32\\DriverStore\\") : NULL;
    if (!relative || !lockdown_is_owner(note, work->inf) ||
        text_ieq(relative + 1, file->origin_path))
        return true; /* another package's file lies there on the host, or none is named */
    return err_fail(err, ERR_CONFLICT, 0,
                    "'%s' comes from '%s' by the INF, from '%s' by the host's "
                    "PnpLockdownFiles",
                    file->destination, file->origin_path, note->source);
}

/* ---- the files ---- */

static const struct source_file *in_package(const struct driver_package *package,
                                            const char *path)
{
    for (size_t i = 0; i < package->file_count; i++)
        if (text_ieq(package->files[i].path, path))
            return &package->files[i];
    return NULL;
}

static enum driver_rule rule_of(enum inf_rule rule)
{
    switch (rule) {
    case INF_NEWER:
        return RULE_NEWER;
    case INF_ABSENT:
        return RULE_ABSENT;
    case INF_ALWAYS:
        return RULE_ALWAYS;
    case INF_EXACT:
        break;
    }
    return RULE_EXACT;
}

static bool add_file(struct work *work, const struct inf_file *file,
                     const char *destination, struct err *err)
{
    const struct source_file *found = in_package(work->package, file->source);
    CLEANUP(free_cleanup) char *folder = driver_store_path(work->package->name);
    CLEANUP(free_cleanup) char *path = folder ? win_path_join(folder, file->source) : NULL;
    CLEANUP(free_cleanup) char *reason = text_printf("INF of %s", work->package->name);
    struct driver_file one = { .origin_path = path,
                               .source = path,
                               .destination = (char *)(uintptr_t)destination,
                               .rule = rule_of(file->rule),
                               .reason = reason };

    if (!path || !reason)
        return err_no_memory(err);
    if (!found)
        return driver_set_leave_out(work->set, err, "'%s': package '%s' has no '%s'",
                                    destination, work->package->name, file->source);
    one.size = found->size;
    one.mtime_usec = found->mtime_usec;
    if (!lockdown_agrees(work, &one, err))
        return false;
    for (size_t i = 0; i < work->set->file_count; i++)
        if (text_ieq(work->set->files[i].destination, destination))
            return meet(work, i, &one, err);
    return driver_set_add_file(work->set, path, destination, one.rule, one.size,
                               one.mtime_usec, reason, err);
}

static bool consider(struct work *work, const struct inf_file *file, struct err *err)
{
    CLEANUP(free_cleanup) char *destination = NULL;
    const char *why;

    if (file->dirid == INF_DIR_STORE || file->dirid == INF_DIR_SOURCE)
        return true; /* comes with the package */
    if (!destination_of(file, &destination, &why, err))
        return false;
    return destination ? add_file(work, file, destination, err)
                       : leave_out(work, file, why, err);
}

bool driver_needs_inf(struct driver_set *set, struct store_index *index,
                      const char *package, const struct package_inf *inf,
                      const char *published, struct err *err)
{
    struct work work = { .set = set,
                         .package = driver_set_package(set, package),
                         .inf = published,
                         .lockdown = &index->lockdown };
    bool ok = true;

    for (size_t i = 0; ok && i < inf->install.file_count; i++)
        ok = consider(&work, &inf->install.files[i], err);
    for (size_t i = 0; ok && i < inf->install.unresolved_count; i++)
        ok = driver_set_leave_out(set, err, "what '%s' of '%s' would install",
                                  inf->install.unresolved[i], package);
    ok = ok && say_left_out(&work, err);
    clear_work(&work);
    return ok;
}

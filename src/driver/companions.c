/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packages that belong to a display driver besides its own: AMD's OpenGL, Vulkan and
 * OpenCL come as software components with INFs of their own.
 *
 * Four records lead to them: paths in the adapter's class key, CopyINF lines, the class
 * keys of software components, and the notes about files that INFs of the driver put into
 * Windows' folders (PnpLockdownFiles).
 *
 * Sources: MicrosoftDocs/windows-driver-docs install/inf-copyinf-directive,
 * install/using-a-component-inf-file; BXWX/Lenovo-AMD-Drivers-R9000P_2023 (packages of one
 * AMD release); DanielChrobak/Hyper-V-GPU-Paravirtualization-Manager issue 11.
 */

#include <stdio.h>
#include <string.h>

#include "components.h"
#include "package-inf.h"
#include "text.h"
#include "win-path.h"

enum { DEPTH_MAX = 8 };

struct companions {
    struct driver_set *set;
    struct store_index *index;
    const char *version;
    struct components components;
};

bool driver_versions_equal(const char *a, const char *b)
{
    unsigned x[4], y[4];
    char rest;

    if (!a || !b)
        return false;
    if (sscanf(a, "%9u.%9u.%9u.%9u%c", &x[0], &x[1], &x[2], &x[3], &rest) != 4 ||
        sscanf(b, "%9u.%9u.%9u.%9u%c", &y[0], &y[1], &y[2], &y[3], &rest) != 4)
        return text_ieq(a, b);
    return memcmp(x, y, sizeof(x)) == 0;
}

/* ---- one companion ---- */

static bool add(struct companions *all, const char *package, const char *reason,
                unsigned depth, struct err *err);

struct copy_target {
    struct companions *all;
    char *found;
    char *other_class; /* why one was not taken */
};

static bool is_display_part(const struct inf_version *version)
{
    return text_ieq(version->class_name, "Display") ||
           text_ieq(version->class_name, "SoftwareComponent");
}

/* An extension INF may bring files, or only settings for the host's device. */
static bool has_files(const struct driver_package *package)
{
    for (size_t i = 0; i < package->file_count; i++)
        if (!text_iends(package->files[i].path, ".inf") &&
            !text_iends(package->files[i].path, ".cat"))
            return true;
    return false;
}

static bool consider_target(const char *package, void *user, struct err *err)
{
    struct copy_target *target = user;
    struct companions *all = target->all;
    struct package_inf inf = { 0 };
    bool ok = true;

    if (!package_inf_read(all->set->origin, package, NULL, all->set->architecture, &inf,
                          err))
        return false;
    if (!is_display_part(&inf.version)) {
        free(target->other_class);
        target->other_class = text_dup(inf.version.class_name);
    } else if (text_ieq(inf.version.provider, all->set->provider) &&
               driver_versions_equal(inf.version.driver_version, all->version)) {
        if (target->found)
            ok = err_fail(err, ERR_CONFLICT, 0,
                          "two packages of the driver's version: '%s' and '%s'",
                          target->found, package);
        else
            target->found = text_dup(package);
    }
    package_inf_clear(&inf);
    return ok;
}

/* CopyINF targets of @inf: the driver wants them installed too. */
static bool add_copied(struct companions *all, const struct package_inf *inf,
                       unsigned depth, struct err *err)
{
    for (size_t i = 0; i < inf->install.copy_inf_count; i++) {
        const char *name = win_path_base(inf->install.copy_infs[i]);
        struct copy_target target = { .all = all };
        bool ok;

        if (!win_name_is_plain(name))
            return err_fail(err, ERR_PROTOCOL, 0, "CopyINF names '%s'", name);
        ok = store_each_package(all->index, name, consider_target, &target, err);
        if (ok && target.found)
            ok = add(all, target.found, "CopyINF", depth + 1, err);
        else if (ok)
            ok = driver_set_leave_out(all->set, err, "'%s' (CopyINF): %s%s", name,
                                      target.other_class ? "it is of class "
                                                         : "not in the host's store in the "
                                                           "driver's version",
                                      target.other_class ? target.other_class : "");
        free(target.found);
        free(target.other_class);
        if (!ok)
            return err_wrap(err, "CopyINF '%s'", name);
    }
    return true;
}

static bool add_contents(struct companions *all, const char *package,
                         const struct component *component, unsigned depth, struct err *err)
{
    struct package_inf inf = { 0 };
    bool ok;

    if (!component || !component->section)
        return driver_set_leave_out(all->set, err,
                                    "files outside package '%s': no record says which "
                                    "section of its INF was installed",
                                    package);
    ok = package_inf_read(all->set->origin, package, component->section,
                          all->set->architecture, &inf, err) &&
         driver_needs_inf(all->set, all->index, package, &inf, component->published, err) &&
         add_copied(all, &inf, depth, err);
    package_inf_clear(&inf);
    return ok;
}

static bool add(struct companions *all, const char *package, const char *reason,
                unsigned depth, struct err *err)
{
    const struct component *component = components_of(&all->components, package);
    struct package_inf head = { 0 };
    bool ok, skip;

    if (driver_set_package(all->set, package))
        return true;
    if (depth > DEPTH_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "packages name each other %d deep",
                        DEPTH_MAX);
    if (!driver_set_add_package(all->set, package, reason, err) ||
        !package_inf_read(all->set->origin, package, NULL, all->set->architecture, &head,
                          err))
        return false;
    skip = !is_display_part(&head.version) &&
           (!text_ieq(head.version.class_name, "Extension") ||
            !has_files(driver_set_package(all->set, package)));
    if (skip) {
        driver_set_drop_package(all->set, package);
        ok = driver_set_leave_out(all->set, err,
                                  "package '%s' (%s): it is of class %s, no part of a "
                                  "display driver",
                                  package, reason,
                                  head.version.class_name ? head.version.class_name
                                                          : "not known");
    } else if (component &&
               !driver_versions_equal(head.version.driver_version, all->version)) {
        ok = err_fail(err, ERR_CONFLICT, 0,
                      "package '%s' has driver version %s, but the host registered %s",
                      package,
                      head.version.driver_version ? head.version.driver_version : "unknown",
                      all->version);
    } else {
        ok = add_contents(all, package, component, depth, err);
    }
    package_inf_clear(&head);
    return ok;
}

/* ---- the four records ---- */

bool driver_store_texts(struct driver_set *set, const char *key, const char *name,
                        char ***ret, size_t *ret_count, struct err *err)
{
    *ret = NULL;
    *ret_count = 0;
    if (source_texts(set->origin, key, name, ret, ret_count, err))
        return true;
    if (err->kind != ERR_UNSUPPORTED) /* a type that a running host does not give out */
        return false;
    *err = ERR_INIT;
    return true;
}

/* Every package that a text of the class key or of a key below it is a path into. */
static bool add_named(struct companions *all, const char *key, unsigned depth,
                      struct err *err)
{
    char **names = NULL, **keys = NULL;
    size_t name_count = 0, key_count = 0;
    bool ok = source_list_reg(all->set->origin, key, true, &names, &name_count, err);

    for (size_t i = 0; ok && i < name_count; i++) {
        char **texts = NULL;
        size_t count = 0;

        ok = driver_store_texts(all->set, key, names[i], &texts, &count, err);
        for (size_t j = 0; ok && j < count; j++) {
            CLEANUP(free_cleanup) char *package = win_path_store_package(texts[j]);

            ok = !package || add(all, package, names[i], 0, err) ||
                 err_wrap(err, "'%s' of the class key names it", names[i]);
        }
        hive_texts_free(texts, count);
    }
    hive_texts_free(names, name_count);
    if (!ok || depth == DEPTH_MAX)
        return ok;
    ok = source_list_reg(all->set->origin, key, false, &keys, &key_count, err);
    for (size_t i = 0; ok && i < key_count; i++) {
        CLEANUP(free_cleanup) char *below = text_printf("%s\\%s", key, keys[i]);

        ok = below ? add_named(all, below, depth + 1, err) : err_no_memory(err);
    }
    hive_texts_free(keys, key_count);
    return ok;
}

/* Two records must agree on a component's package, as on the adapter's own; that the class
 * key or a CopyINF line brought the same package already is one. */
static bool add_components(struct companions *all, struct err *err)
{
    for (size_t i = 0; i < all->components.count; i++) {
        const struct component *one = &all->components.all[i];
        bool is_named = one->package && driver_set_package(all->set, one->package);

        if (one->votes + is_named < 2) {
            err_fail(err, ERR_CONFLICT, 0, "%s", one->told);
            err_wrap(err,
                     "%s of the host names the driver package of '%s', a software "
                     "component of this driver",
                     one->votes ? "only one record" : "no record", one->published);
            return err_hint(err,
                            "the DRIVERS hive, the folder Windows\\INF and the SOFTWARE "
                            "hive hold such records: are they there?");
        }
        if (!add(all, one->package, "software component", 0, err))
            return err_wrap(err, "software component '%s'", one->published);
    }
    return true;
}

/* ---- the notes about files in Windows' folders ---- */

static bool is_in_set(const struct companions *all, const char *published)
{
    if (text_ieq(all->set->inf, published))
        return true;
    for (size_t i = 0; i < all->components.count; i++) {
        const struct component *one = &all->components.all[i];

        if (text_ieq(one->published, published) &&
            driver_set_package(all->set, one->package))
            return true;
    }
    return false;
}

/* Another package that an INF of the driver put files from. */
static bool add_noted(const struct lockdown_note *note, void *user, struct err *err)
{
    struct companions *all = user;

    for (size_t i = 0; note->package && i < note->owner_count; i++)
        if (is_in_set(all, note->owners[i]))
            return add(all, note->package, "PnpLockdownFiles", 0, err) ||
                   err_wrap(err, "PnpLockdownFiles of '%s' name package '%s'",
                            note->owners[i], note->package);
    return true;
}

static bool add_all_noted(struct companions *all, struct err *err)
{
    size_t before;
    bool whole = true;

    do { /* until nothing changes */
        before = all->set->package_count;
        if (!lockdown_each(&all->index->lockdown, add_noted, all, &whole, err))
            return false;
    } while (all->set->package_count != before);
    return whole || driver_set_leave_out(all->set, err,
                                         "what the host's PnpLockdownFiles name: there are "
                                         "too many of them to ask a running host for each");
}

bool driver_add_companions(struct driver_set *set, struct store_index *index,
                           const char *key, const struct inf_version *head,
                           const struct package_inf *inf, struct err *err)
{
    struct companions all = { .set = set, .index = index, .version = head->driver_version };
    bool ok = components_read(set, index, all.version, &all.components, err) &&
              add_named(&all, key, 0, err) && add_copied(&all, inf, 0, err) &&
              add_components(&all, err) && add_all_noted(&all, err);

    components_clear(&all.components);
    return ok;
}

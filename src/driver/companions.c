/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packages that belong to a display driver besides its own: AMD's OpenGL, Vulkan and
 * OpenCL come as software components with INFs of their own.
 *
 * Three records lead to them: paths in the adapter's class key, the class keys of software
 * components, and CopyINF lines.  That a component is the adapter's is told by provider
 * and version, on which both its class key and its INF must agree with the driver: the
 * link from component to adapter is not in every hive.
 *
 * Sources: MicrosoftDocs/windows-driver-docs install/inf-copyinf-directive,
 * install/using-a-component-inf-file; BXWX/Lenovo-AMD-Drivers-R9000P_2023 (packages of one
 * AMD release); DanielChrobak/Hyper-V-GPU-Paravirtualization-Manager issue 11.
 */

#include <stdio.h>
#include <string.h>

#include "driver-set.h"
#include "package-inf.h"
#include "store-index.h"
#include "text.h"
#include "win-path.h"

static const char COMPONENT_CLASS[] = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Class\\"
                                      "{5c4c3332-344d-483c-8739-259e934c9cc8}";

enum { COMPANIONS_MAX = 64, DEPTH_MAX = 8 };

/* A software component of the driver's provider and version. */
struct component {
    char *published, *section;
    char *package; /* NULL: no record names it */
};

struct companions {
    struct driver_set *set;
    struct store_index *index;
    const char *version;
    struct component components[COMPANIONS_MAX];
    size_t count;
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

/* ---- software components ---- */

/* What the databases and the INF's bytes say; they must not differ. */
static bool find_package(struct companions *all, const char *published, char **ret,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *drivers = NULL;
    CLEANUP(free_cleanup) char *system = NULL;
    CLEANUP(free_cleanup) char *bytes = NULL;
    const char *found = NULL;

    if (!store_ask_database(all->set->origin, "DRIVERS", published, &drivers, err) ||
        !store_ask_database(all->set->origin, "SYSTEM", published, &system, err) ||
        !store_match_inf(all->index, published, &bytes, err))
        return false;
    const char *const told[] = { drivers, system, bytes };

    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        if (!told[i])
            continue;
        if (found && !text_ieq(found, told[i]))
            return err_fail(
                err, ERR_CONFLICT, 0,
                "the host's records of '%s' name different packages: '%s', '%s'", published,
                found, told[i]);
        found = told[i];
    }
    *ret = text_dup(found);
    return *ret || !found ? true : err_no_memory(err);
}

static bool consider_component(struct companions *all, const char *number, struct err *err)
{
    struct windows_source *source = all->set->origin;
    CLEANUP(free_cleanup) char *key = text_printf("%s\\%s", COMPONENT_CLASS, number);
    CLEANUP(free_cleanup) char *provider = NULL;
    CLEANUP(free_cleanup) char *version = NULL;
    CLEANUP(free_cleanup) char *published = NULL;
    CLEANUP(free_cleanup) char *section = NULL;
    CLEANUP(free_cleanup) char *extension = NULL;
    struct component *one;

    if (!key)
        return err_no_memory(err);
    if (!source_text(source, key, "ProviderName", &provider, err) ||
        !source_text(source, key, "DriverVersion", &version, err) ||
        !source_text(source, key, "InfPath", &published, err))
        return false;
    if (!published || !win_name_is_plain(published) ||
        !text_ieq(provider, all->set->provider) ||
        !driver_versions_equal(version, all->version))
        return true;
    for (size_t i = 0; i < all->count; i++)
        if (text_ieq(all->components[i].published, published))
            return true; /* one package, several components */
    if (all->count == COMPANIONS_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d software components",
                        COMPANIONS_MAX);
    if (!source_text(source, key, "InfSection", &section, err) ||
        !source_text(source, key, "InfSectionExt", &extension, err))
        return false;
    one = &all->components[all->count++];
    one->section =
        section ? text_printf("%s%s", section, extension ? extension : "") : NULL;
    if (!find_package(all, published, &one->package, err))
        return false;
    one->published = TAKE(published);
    return true;
}

static bool read_components(struct companions *all, struct err *err)
{
    char **numbers;
    size_t count;
    bool ok = true;

    if (!source_list_reg(all->set->origin, COMPONENT_CLASS, false, &numbers, &count, err))
        return false;
    for (size_t i = 0; ok && i < count; i++)
        if (strspn(numbers[i], "0123456789") == 4 && !numbers[i][4])
            ok = consider_component(all, numbers[i], err);
    hive_texts_free(numbers, count);
    return ok;
}

static const struct component *component_of(const struct companions *all,
                                            const char *package)
{
    for (size_t i = 0; i < all->count; i++)
        if (text_ieq(all->components[i].package, package))
            return &all->components[i];
    return NULL;
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
         driver_needs_inf(all->set, package, &inf, component->published, err) &&
         add_copied(all, &inf, depth, err);
    package_inf_clear(&inf);
    return ok;
}

static bool add(struct companions *all, const char *package, const char *reason,
                unsigned depth, struct err *err)
{
    const struct component *component = component_of(all, package);
    struct package_inf head = { 0 };
    bool ok;

    if (driver_set_package(all->set, package))
        return true;
    if (depth > DEPTH_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "packages name each other %d deep",
                        DEPTH_MAX);
    if (!driver_set_add_package(all->set, package, reason, err) ||
        !package_inf_read(all->set->origin, package, NULL, all->set->architecture, &head,
                          err))
        return false;
    if (!is_display_part(&head.version))
        ok = err_fail(err, ERR_UNSUPPORTED, 0,
                      "package '%s' is of class '%s', neither Display nor "
                      "SoftwareComponent",
                      package,
                      head.version.class_name ? head.version.class_name : "not known");
    else if (component && !driver_versions_equal(head.version.driver_version, all->version))
        ok = err_fail(err, ERR_CONFLICT, 0,
                      "package '%s' has driver version %s, but the host registered %s",
                      package,
                      head.version.driver_version ? head.version.driver_version : "unknown",
                      all->version);
    else
        ok = add_contents(all, package, component, depth, err);
    package_inf_clear(&head);
    return ok;
}

/* ---- the three records ---- */

/* The texts of a value; none of a value that no text can be in. */
static bool texts_of(struct companions *all, const char *key, const char *name, char ***ret,
                     size_t *ret_count, struct err *err)
{
    *ret = NULL;
    *ret_count = 0;
    if (source_texts(all->set->origin, key, name, ret, ret_count, err))
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

        ok = texts_of(all, key, names[i], &texts, &count, err);
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

static bool add_components(struct companions *all, struct err *err)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct component *one = &all->components[i];

        if (!one->package) {
            if (!driver_set_leave_out(
                    all->set, err,
                    "software component '%s': no record of the host names "
                    "its package",
                    one->published))
                return false;
        } else if (!add(all, one->package, "software component", 0, err)) {
            return err_wrap(err, "software component '%s'", one->published);
        }
    }
    return true;
}

bool driver_add_companions(struct driver_set *set, struct store_index *index,
                           const char *key, const struct inf_version *head,
                           const struct package_inf *inf, struct err *err)
{
    struct companions all = { .set = set, .index = index, .version = head->driver_version };
    bool ok = read_components(&all, err) && add_named(&all, key, 0, err) &&
              add_components(&all, err) && add_copied(&all, inf, 0, err);

    for (size_t i = 0; i < all.count; i++) {
        free(all.components[i].published);
        free(all.components[i].section);
        free(all.components[i].package);
    }
    return ok;
}

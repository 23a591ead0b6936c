/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a GPU to its driver package: Enum key, class key, published INF, package folder.
 *
 * No single record names the package reliably (the SYSTEM hive's own driver database
 * leaves display drivers out, an update may be staged but not active), so two that do
 * not depend on each other must agree, or nothing is chosen.
 *
 * Sources: SYSTEM hives of real hosts (mkorman90/regipy test data); lxc/distrobuilder
 * windows/repack_util.go (DRIVERS hive); Justsenger/ExHyperV
 * src/Services/Vm/GpuDriverPackageResolver.cs; MicrosoftDocs/windows-driver-docs.
 */

#include <stdio.h>
#include <string.h>

#include "driver-set.h"
#include "inventory.h"
#include "package-inf.h"
#include "store-index.h"
#include "strbuf.h"
#include "text.h"
#include "win-path.h"

#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"
static const char ENUM[] = "HKLM\\SYSTEM\\CurrentControlSet\\Enum";
static const char CLASS[] = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Class";
static const char SERVICES[] = "HKLM\\SYSTEM\\CurrentControlSet\\Services";

enum { CONFIGFLAG_DISABLED = 1 };

/* ---- the device ---- */

struct device_search {
    struct windows_source *source;
    const char *name;    /* a part of the adapter's name; NULL: any */
    struct strbuf found; /* instance ids, with names when @name is given */
    unsigned count;
    char *first;
};

/* Whether the device's driver calls it something with @search->name in it. */
static bool has_name(struct device_search *search, const char *key, char **ret_name,
                     bool *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *driver = NULL;
    CLEANUP(free_cleanup) char *class_key = NULL;

    *ret = !search->name;
    if (*ret)
        return true;
    if (!source_text(search->source, key, "Driver", &driver, err))
        return false;
    if (!driver || !text_istarts(driver, DISPLAY_CLASS "\\") ||
        !win_path_is_relative(driver))
        return true;
    class_key = text_printf("%s\\%s", CLASS, driver);
    if (!class_key)
        return err_no_memory(err);
    if (!source_text(search->source, class_key, "DriverDesc", ret_name, err))
        return false;
    *ret = *ret_name && text_istr(*ret_name, search->name);
    return true;
}

/* Takes @id into account when its class is display and its name fits. */
static bool consider_instance(struct device_search *search, const char *device,
                              const char *instance, struct err *err)
{
    CLEANUP(free_cleanup)
    char *key = text_printf("%s\\PCI\\%s\\%s", ENUM, device, instance);
    CLEANUP(free_cleanup) char *class_guid = NULL;
    CLEANUP(free_cleanup) char *name = NULL;
    bool fits;

    if (!key)
        return err_no_memory(err);
    if (!source_text(search->source, key, "ClassGUID", &class_guid, err))
        return false;
    if (!text_ieq(class_guid, DISPLAY_CLASS))
        return true;
    if (!has_name(search, key, &name, &fits, err))
        return false;
    if (!fits)
        return true;
    if (search->count++ == 0)
        search->first = text_printf("PCI\\%s\\%s", device, instance);
    strbuf_printf(&search->found, "%s%s%s%sPCI\\%s\\%s", search->found.len ? ", " : "",
                  name ? "'" : "", name ? name : "", name ? "' " : "", device, instance);
    return search->first ? true : err_no_memory(err);
}

static bool consider_device(struct device_search *search, const char *device,
                            struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf("%s\\PCI\\%s", ENUM, device);
    char **instances;
    size_t count;
    bool ok = true;

    if (!key)
        return err_no_memory(err);
    if (!source_list_reg(search->source, key, false, &instances, &count, err))
        return false;
    for (size_t i = 0; ok && i < count; i++)
        ok = consider_instance(search, device, instances[i], err);
    hive_texts_free(instances, count);
    return ok;
}

/* The one display adapter whose device id begins with @prefix and whose name has @name in it
 * (NULL: any); @gpu is what was asked for. */
static char *find_one(struct windows_source *source, const char *gpu, const char *prefix,
                      const char *name, struct err *err)
{
    CLEANUP(free_cleanup) char *pci = text_printf("%s\\PCI", ENUM);
    struct device_search search = { .source = source, .name = name };
    char **devices;
    size_t count;
    bool ok = pci ? source_list_reg(source, pci, false, &devices, &count, err)
                  : err_no_memory(err);

    if (!ok)
        return NULL;
    for (size_t i = 0; ok && i < count; i++)
        if (text_istarts(devices[i], prefix))
            ok = consider_device(&search, devices[i], err);
    hive_texts_free(devices, count);
    if (ok && search.count == 0) {
        ok =
            err_fail(err, ERR_NOT_FOUND, 0, "no display adapter '%s' in that Windows", gpu);
        err_hint(err,
                 "give a part of its name, vendor:device (10de:2860), an instance id or "
                 "an interface path; 'driver adapters' lists them");
    } else if (ok && search.count > 1) {
        err_fail(err, ERR_INVALID, 0, "'%s' means %u display adapters: %s", gpu,
                 search.count, search.found.text ? search.found.text : "");
        ok = err_hint(err, "name one by its instance id");
    }
    strbuf_free(&search.found);
    if (!ok) {
        free(search.first);
        return NULL;
    }
    return search.first;
}

/* "10de:2860" -> the one display adapter of that kind. */
static char *find_by_pci_id(struct windows_source *source, const char *pci_id,
                            struct err *err)
{
    CLEANUP(free_cleanup)
    char *prefix = text_printf("VEN_%.4s&DEV_%.4s", pci_id, pci_id + 5);

    if (!prefix) {
        err_no_memory(err);
        return NULL;
    }
    return find_one(source, pci_id, prefix, NULL, err);
}

static bool is_pci_id(const char *text)
{
    if (strlen(text) != 9 || text[4] != ':')
        return false;
    for (size_t i = 0; i < 9; i++)
        if (i != 4 && !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    return true;
}

/* The instance id @gpu means: three plain parts, "PCI\\device\\instance".  What has no '\\' in
 * it is a part of a name. */
static char *instance_of(struct windows_source *source, const char *gpu, struct err *err)
{
    CLEANUP(free_cleanup) char *id = NULL;
    unsigned parts = 1;

    if (is_pci_id(gpu))
        return find_by_pci_id(source, gpu, err);
    if (*gpu && !strchr(gpu, '\\'))
        return find_one(source, gpu, "", gpu, err);
    id = gpu_instance_from_interface(gpu);
    if (!id)
        id = text_dup(gpu);
    for (const char *p = id; p && *p; p++)
        parts += *p == '\\';
    if (!id || parts != 3 || !win_path_is_relative(id)) {
        err_fail(err, ERR_INVALID, 0, "'%s' names no device", gpu);
        err_hint(err,
                 "give vendor:device (10de:2860), an instance id or an interface path");
        return NULL;
    }
    return TAKE(id);
}

static bool read_device(struct driver_set *set, struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf("%s\\%s", ENUM, set->instance_id);
    CLEANUP(free_cleanup) char *class_guid = NULL;
    uint64_t flags;

    if (!key)
        return err_no_memory(err);
    if (!source_text(set->origin, key, "ClassGUID", &class_guid, err) ||
        !source_text(set->origin, key, "Driver", &set->class_key, err) ||
        !source_text(set->origin, key, "Service", &set->service, err) ||
        !source_u64(set->origin, key, "ConfigFlags", 0, &flags, err))
        return false;
    if (!class_guid && !set->class_key && !set->service)
        return err_fail(err, ERR_NOT_FOUND, 0, "no device '%s' in that Windows",
                        set->instance_id);
    if (!text_ieq(class_guid, DISPLAY_CLASS))
        return err_fail(err, ERR_INVALID, 0, "'%s' is not a display adapter (class %s)",
                        set->instance_id, class_guid ? class_guid : "not known");
    if (flags & CONFIGFLAG_DISABLED) {
        err_fail(err, ERR_CONFLICT, 0, "'%s' is disabled on the host", set->instance_id);
        return err_hint(err,
                        "enable the device, or return it from the VM it is assigned to");
    }
    if (!set->class_key || !text_istarts(set->class_key, DISPLAY_CLASS "\\") ||
        !win_path_is_relative(set->class_key)) {
        err_fail(err, ERR_CONFLICT, 0, "'%s' has no driver on the host", set->instance_id);
        return err_hint(err, "install the vendor's driver on the host first");
    }
    return true;
}

/* ---- the driver ---- */

/* Microsoft's own drivers for displays: nothing a guest could use. */
static bool is_inbox(const char *inf)
{
    static const char *const inbox[] = { "display.inf",     "basicdisplay.inf",
                                         "basicrender.inf", "wvmbusvideo.inf",
                                         "vrd.inf",         "rdpidd.inf",
                                         "indirectkmd.inf", "c_display.inf" };

    for (size_t i = 0; i < ARRAY_LEN(inbox); i++)
        if (text_ieq(inf, inbox[i]))
            return true;
    return false;
}

/* What of a path to a user-mode driver is in the store; "" of a bare name. */
static bool any_store_resident(const struct driver_set *set)
{
    for (size_t i = 0; i < set->user_mode_driver_count; i++) {
        CLEANUP(free_cleanup)
        char *package = win_path_store_package(set->user_mode_drivers[i]);

        if (package)
            return true;
    }
    return false;
}

/* InfSection and InfSectionExt are one name: "Section001" ".NTamd64". */
static bool read_section(struct driver_set *set, const char *key, struct err *err)
{
    CLEANUP(free_cleanup) char *section = NULL;
    CLEANUP(free_cleanup) char *extension = NULL;

    if (!source_text(set->origin, key, "InfSection", &section, err) ||
        !source_text(set->origin, key, "InfSectionExt", &extension, err))
        return false;
    if (!section)
        return true;
    set->inf_section = text_printf("%s%s", section, extension ? extension : "");
    return set->inf_section ? true : err_no_memory(err);
}

/* "8-14-2024", as Windows notes it whatever the language, is 2024-08-14 for everybody else.
 * What is no such date is not known. */
static bool read_date(struct driver_set *set, const char *key, struct err *err)
{
    CLEANUP(free_cleanup) char *noted = NULL;
    unsigned month, day, year;
    char rest;

    if (!source_text(set->origin, key, "DriverDate", &noted, err))
        return false;
    if (!noted || sscanf(noted, "%2u-%2u-%4u%c", &month, &day, &year, &rest) != 3 ||
        month < 1 || month > 12 || day < 1 || day > 31 || year < 1601)
        return true;
    free(set->driver_date);
    set->driver_date = text_printf("%04u-%02u-%02u", year, month, day);
    return set->driver_date || err_no_memory(err);
}

bool driver_read_class_key(struct driver_set *set, const char *key, struct err *err)
{
    struct windows_source *source = set->origin;

    return source_text(source, key, "DriverDesc", &set->gpu_name, err) &&
           source_text(source, key, "ProviderName", &set->provider, err) &&
           source_text(source, key, "InfPath", &set->inf, err) &&
           read_section(set, key, err) &&
           source_text(source, key, "MatchingDeviceId", &set->matching_device_id, err) &&
           source_text(source, key, "DriverVersion", &set->driver_version, err) &&
           read_date(set, key, err) &&
           source_texts(source, key, "UserModeDriverName", &set->user_mode_drivers,
                        &set->user_mode_driver_count, err);
}

static bool judge_class_key(const struct driver_set *set, struct err *err)
{
    if (!set->inf || !win_name_is_plain(set->inf))
        return err_fail(err, ERR_PROTOCOL, 0, "class key '%s' names no INF",
                        set->class_key);
    if (is_inbox(set->inf)) {
        err_fail(err, ERR_UNSUPPORTED, 0, "'%s' runs with Windows' own driver (%s)",
                 set->gpu_name ? set->gpu_name : set->instance_id, set->inf);
        return err_hint(err, "install the GPU vendor's driver on the host first");
    }
    return true;
}

/* ---- the candidates ---- */

static const char DRIVERS[] = "DRIVERS hive";

static bool ask_database(struct driver_set *set, const char *hive, const char *source,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *package = NULL;

    return store_ask_database(set->origin, hive, set->inf, &package, err) &&
           driver_set_add_candidate(set, source, package, err);
}

static bool ask_service(struct driver_set *set, struct err *err)
{
    CLEANUP(free_cleanup) char *key = NULL;
    CLEANUP(free_cleanup) char *image = NULL;
    CLEANUP(free_cleanup) char *package = NULL;

    if (set->service && win_name_is_plain(set->service)) {
        key = text_printf("%s\\%s", SERVICES, set->service);
        if (!key)
            return err_no_memory(err);
        if (!source_text(set->origin, key, "ImagePath", &image, err))
            return false;
        package = image ? win_path_store_package(image) : NULL;
    }
    return driver_set_add_candidate(set, "service image path", package, err);
}

/* One candidate per different package; usually one. */
static bool ask_user_mode(struct driver_set *set, struct err *err)
{
    static const char source[] = "user-mode driver path";
    size_t first = set->candidate_count;

    for (size_t i = 0; i < set->user_mode_driver_count; i++) {
        CLEANUP(free_cleanup)
        char *package = win_path_store_package(set->user_mode_drivers[i]);
        bool seen = false;

        for (size_t j = first; j < set->candidate_count; j++)
            seen |= text_ieq(set->candidates[j].package, package);
        if (package && !seen && !driver_set_add_candidate(set, source, package, err))
            return false;
    }
    return set->candidate_count > first || driver_set_add_candidate(set, source, NULL, err);
}

static bool ask_published_inf(struct driver_set *set, struct store_index *index,
                              struct err *err)
{
    CLEANUP(free_cleanup) char *package = NULL;

    return store_match_inf(index, set->inf, &package, err) &&
           driver_set_add_candidate(set, "published INF", package, err);
}

static void describe_candidates(const struct driver_set *set, struct strbuf *to)
{
    for (size_t i = 0; i < set->candidate_count; i++) {
        const struct driver_candidate *one = &set->candidates[i];
        bool given = !set->origin->lacks_drivers || strcmp(one->source, DRIVERS) != 0;

        strbuf_printf(to, "%s%s: %s", i ? "; " : "", one->source,
                      one->package ? one->package
                      : given      ? "does not tell"
                                   : "not given");
    }
}

/* At least two, and all of one opinion. */
static bool judge_candidates(const struct driver_set *set, const char **ret_package,
                             struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf all = STRBUF_INIT;
    const char *package = NULL;
    unsigned votes = 0;
    bool agreed = true;

    for (size_t i = 0; i < set->candidate_count; i++) {
        const char *one = set->candidates[i].package;

        if (!one)
            continue;
        votes++;
        agreed &= !package || text_ieq(package, one);
        package = one;
    }
    if (votes >= 2 && agreed) {
        *ret_package = package;
        return true;
    }
    describe_candidates(set, &all);
    err_fail(err, ERR_CONFLICT, 0, "%s", all.text ? all.text : "no records");
    if (!agreed)
        return err_wrap(err, "the host's records of '%s' name different driver packages",
                        set->inf);
    if (votes == 1)
        return err_wrap(err, "only one record of the host names the driver package of '%s'",
                        set->inf);
    return err_wrap(err, "no record of the host names the driver package of '%s'",
                    set->inf);
}

static bool find_package(struct driver_set *set, struct store_index *index,
                         const char **ret_package, struct err *err)
{
    if (!ask_database(set, "DRIVERS", DRIVERS, err) ||
        !ask_database(set, "SYSTEM", "SYSTEM hive's driver database", err) ||
        !ask_service(set, err) || !ask_user_mode(set, err) ||
        !ask_published_inf(set, index, err))
        return false;
    if (!any_store_resident(set)) {
        CLEANUP(strbuf_cleanup) struct strbuf all = STRBUF_INIT;

        describe_candidates(set, &all);
        err_fail(err, ERR_UNSUPPORTED, 0, "%s", all.text ? all.text : "");
        err_wrap(
            err,
            "the driver of '%s' (%s) is not store-resident: its user-mode driver is '%s'",
            set->gpu_name ? set->gpu_name : set->instance_id, set->inf,
            set->user_mode_driver_count ? set->user_mode_drivers[0] : "not named");
        return err_hint(err,
                        "install a current driver package (DCH) of the GPU's vendor on "
                        "the host");
    }
    return judge_candidates(set, ret_package, err);
}

/* ---- the package ---- */

/* The INF in the package must be the one whose driver is registered: an update that is
 * staged, but not active before a restart, is told apart here. */
static bool check_inf(const struct driver_set *set, const char *package,
                      const struct inf_version *version, struct err *err)
{
    if (!text_ieq(version->class_name, "Display") &&
        !text_ieq(version->class_guid, DISPLAY_CLASS))
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "package '%s' is of class '%s', not Display", package,
                        version->class_name ? version->class_name : "not known");
    if (driver_versions_equal(version->driver_version, set->driver_version))
        return true;
    err_fail(err, ERR_CONFLICT, 0,
             "package '%s' has driver version %s, but the host registered %s", package,
             version->driver_version ? version->driver_version : "unknown",
             set->driver_version ? set->driver_version : "none");
    return err_hint(err, "restart the host to finish its driver update, then try again");
}

/* Version first: a package of another class is refused by name, whatever its sections. */
static bool add_main_package(struct driver_set *set, const char *package,
                             struct store_index *index, const char *key, struct err *err)
{
    struct package_inf head = { 0 }, inf = { 0 };
    bool ok = package_inf_read(set->origin, package, NULL, set->architecture, &head, err) &&
              check_inf(set, package, &head.version, err);

    if (ok && !set->inf_section)
        ok = driver_set_leave_out(set, err,
                                  "files outside the package: the class key does not say "
                                  "which section of '%s' was installed",
                                  set->inf);
    else if (ok)
        ok = package_inf_read(set->origin, package, set->inf_section, set->architecture,
                              &inf, err) &&
             driver_needs_inf(set, index, package, &inf, set->inf, err);
    ok = ok && driver_add_companions(set, index, key, &head.version, &inf, err);
    package_inf_clear(&head);
    package_inf_clear(&inf);
    return ok;
}

bool driver_find_package(struct driver_set *set, struct store_index *index,
                         const char **ret_package, struct err *err)
{
    CLEANUP(free_cleanup) char *key = NULL;

    if (!read_device(set, err))
        return false;
    key = text_printf("%s\\%s", CLASS, set->class_key);
    if (!key)
        return err_no_memory(err);
    return driver_read_class_key(set, key, err) && judge_class_key(set, err) &&
           find_package(set, index, ret_package, err);
}

bool driver_read_package(struct driver_set *set, struct store_index *index,
                         const char *package, struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf("%s\\%s", CLASS, set->class_key);

    if (!key)
        return err_no_memory(err);
    set->architecture = win_package_architecture(package);
    if (!set->architecture)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' is no name of a driver package",
                        package);
    /* What the vendor says about virtual machines comes before what the INF says. */
    return driver_set_add_package(set, package, "main package", err) &&
           driver_needs_copy_to_vm(set, key, err) &&
           add_main_package(set, package, index, key, err) &&
           driver_needs_registry(set, key, err);
}

static bool resolve(struct driver_set *set, const char *gpu, struct store_index *index,
                    struct err *err)
{
    const char *package = NULL;

    set->instance_id = instance_of(set->origin, gpu, err);
    return set->instance_id && driver_find_package(set, index, &package, err) &&
           driver_read_package(set, index, package, err);
}

bool driver_resolve(struct windows_source *source, const char *gpu, struct driver_set **ret,
                    struct err *err)
{
    CLEANUP(driver_set_cleanup) struct driver_set *set = calloc(1, sizeof(*set));
    struct store_index index;
    bool ok;

    if (!set)
        return err_no_memory(err);
    set->origin = source;
    store_index_init(&index, source);
    ok = resolve(set, gpu, &index, err);
    store_index_clear(&index);
    if (!ok)
        return err_wrap(err, "finding the driver of GPU '%s'", gpu);
    *ret = TAKE(set);
    return true;
}

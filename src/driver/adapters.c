/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every display adapter that a Windows has a class key for: present, or remembered.
 *
 * The class key is what counts (a driver was installed under it); the device that points
 * to it is looked for below Enum, in any enumerator.
 */

#include <string.h>

#include "driver-set.h"
#include "store-index.h"
#include "text.h"
#include "win-path.h"

#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"
static const char ENUM[] = "HKLM\\SYSTEM\\CurrentControlSet\\Enum";
static const char CLASS[] = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Class";

enum { ADAPTERS_MAX = 256 };

/* ---- which device uses which class key ---- */

struct devices {
    struct windows_source *source;
    struct {
        char *id, *driver;
    } all[ADAPTERS_MAX];
    size_t count;
};

typedef bool key_fn(struct devices *devices, const char *path, struct err *err);

/* @next for each key below ENUM\@path. */
static bool each_key(struct devices *devices, const char *path, key_fn *next,
                     struct err *err)
{
    CLEANUP(free_cleanup)
    char *key = *path ? text_printf("%s\\%s", ENUM, path) : text_dup(ENUM);
    char **names = NULL;
    size_t count = 0;
    bool ok = key ? source_list_reg(devices->source, key, false, &names, &count, err)
                  : err_no_memory(err);

    for (size_t i = 0; ok && i < count; i++) {
        CLEANUP(free_cleanup)
        char *below = *path ? text_printf("%s\\%s", path, names[i]) : text_dup(names[i]);

        ok = below ? next(devices, below, err) : err_no_memory(err);
    }
    hive_texts_free(names, count);
    return ok;
}

static bool take_instance(struct devices *devices, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf("%s\\%s", ENUM, path);
    CLEANUP(free_cleanup) char *driver = NULL;
    CLEANUP(free_cleanup) char *id = NULL;

    if (!key)
        return err_no_memory(err);
    if (!source_text(devices->source, key, "Driver", &driver, err))
        return false;
    if (!driver || !text_istarts(driver, DISPLAY_CLASS "\\"))
        return true;
    if (devices->count == ADAPTERS_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d display devices",
                        ADAPTERS_MAX);
    id = text_dup(path);
    if (!id)
        return err_no_memory(err);
    devices->all[devices->count].id = TAKE(id);
    devices->all[devices->count++].driver = TAKE(driver);
    return true;
}

static bool take_device(struct devices *devices, const char *path, struct err *err)
{
    return each_key(devices, path, take_instance, err);
}

static bool take_enumerator(struct devices *devices, const char *path, struct err *err)
{
    return each_key(devices, path, take_device, err);
}

/* ---- one adapter ---- */

static char *reason_of(const struct err *err)
{
    char text[2048];

    err_format(err, text, sizeof(text));
    return text_dup(text);
}

/* Errors of reading are the caller's; what is found out about the adapter is a reason. */
static bool is_finding(const struct err *err)
{
    return err->kind != ERR_NO_MEMORY && err->kind != ERR_SYSTEM &&
           err->kind != ERR_CANCELLED && err->kind != ERR_UNREACHABLE;
}

static bool judge(struct driver_adapter *adapter, struct store_index *index,
                  const char *instance_id, struct err *err)
{
    struct driver_set *set = adapter->set;
    struct err why = ERR_INIT;

    set->instance_id = text_dup(instance_id);
    if (!set->instance_id)
        return err_no_memory(err);
    if (driver_find_package(set, index, &adapter->package, &why)) {
        if (set->origin->lacks_store) {
            adapter->usable = USABLE_UNKNOWN;
            adapter->reason = text_dup("the package was not looked at: its folder was not "
                                       "given");
            return adapter->reason || err_no_memory(err);
        }
        if (driver_read_package(set, index, adapter->package, &why)) {
            adapter->usable = USABLE_YES;
            return true;
        }
    }
    if (!is_finding(&why)) {
        *err = why;
        return false;
    }
    adapter->reason = reason_of(&why);
    return adapter->reason || err_no_memory(err);
}

static bool read_adapter(struct driver_adapter *adapter, struct store_index *index,
                         const struct devices *devices, const char *number, struct err *err)
{
    CLEANUP(free_cleanup) char *class_key = text_printf("%s\\%s", DISPLAY_CLASS, number);
    CLEANUP(free_cleanup)
    char *key = text_printf("%s\\%s\\%s", CLASS, DISPLAY_CLASS, number);
    const char *first = NULL;

    adapter->set = calloc(1, sizeof(*adapter->set));
    if (!adapter->set || !class_key || !key)
        return err_no_memory(err);
    adapter->set->origin = devices->source;
    for (size_t i = 0; i < devices->count && !first; i++)
        if (text_ieq(devices->all[i].driver, class_key))
            first = devices->all[i].id;
    if (first && !judge(adapter, index, first, err))
        return false;
    /* What a refusal came before. */
    if (!adapter->set->class_key)
        adapter->set->class_key = TAKE(class_key);
    if (!adapter->set->inf && !driver_read_class_key(adapter->set, key, err))
        return false;
    if (first)
        return true;
    adapter->reason = text_dup("no device of this Windows uses it");
    return adapter->reason || err_no_memory(err);
}

static bool read_all(struct store_index *index, const struct devices *devices,
                     char *const *names, size_t count, struct driver_adapter *ret,
                     size_t *ret_count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strspn(names[i], "0123456789") != 4 || names[i][4])
            continue; /* "Configuration", "Properties" */
        (*ret_count)++;
        if (!read_adapter(&ret[*ret_count - 1], index, devices, names[i], err))
            return err_wrap(err, "display class key %s", names[i]);
    }
    return true;
}

bool driver_list_adapters(struct windows_source *source, struct driver_adapter **ret,
                          size_t *ret_count, struct err *err)
{
    CLEANUP(free_cleanup) char *class = text_printf("%s\\%s", CLASS, DISPLAY_CLASS);
    struct devices *devices = calloc(1, sizeof(*devices));
    struct store_index index;
    struct driver_adapter *all = NULL;
    char **names = NULL;
    size_t count = 0, found = 0;
    bool ok = class && devices ? source_list_reg(source, class, false, &names, &count, err)
                               : err_no_memory(err);

    store_index_init(&index, source);
    if (ok) {
        devices->source = source;
        all = calloc(count + 1, sizeof(*all));
        ok = all ? each_key(devices, "", take_enumerator, err) &&
                       read_all(&index, devices, names, count, all, &found, err)
                 : err_no_memory(err);
    }
    hive_texts_free(names, count);
    store_index_clear(&index);
    for (size_t i = 0; devices && i < devices->count; i++) {
        free(devices->all[i].id);
        free(devices->all[i].driver);
    }
    free(devices);
    if (!ok) {
        driver_adapters_free(all, found);
        return false;
    }
    *ret = all;
    *ret_count = found;
    return true;
}

void driver_adapters_free(struct driver_adapter *adapters, size_t count)
{
    for (size_t i = 0; adapters && i < count; i++) {
        driver_set_free(adapters[i].set);
        free(adapters[i].reason);
    }
    free(adapters);
}

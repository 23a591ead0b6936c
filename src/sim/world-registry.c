/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of a simulated host: SYSTEM and SOFTWARE are the hive files on C:, other
 * hives can be loaded beside them (RegLoadKey).  Every change is in the file before the
 * call returns.  HKLM\DRIVERS is there only when somebody has loaded it: Windows keeps
 * that hive unloaded (guest-driver notes: DRIVERS is a separate hive file).
 */
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "text.h"
#include "world-inside.h"

enum {
    HIVE_FILE_MAX = 512 << 20,
    ERROR_BADDB = 1009,
    ERROR_NOT_REGISTRY_FILE = 1017,
    ERROR_INVALID_PARAMETER = 87,
    ERROR_NO_MEMORY = 8,
};

static const struct {
    const char *mount, *file;
} own[] = {
    { "HKLM\\SYSTEM", "C:\\Windows\\System32\\config\\SYSTEM" },
    { "HKLM\\SOFTWARE", "C:\\Windows\\System32\\config\\SOFTWARE" },
};

/* The local file of an own hive: config lies directly below the root. */
static char *own_file(struct sim_world *w, const char *file)
{
    return text_printf("%s/Windows/System32/config/%s", w->root, strrchr(file, '\\') + 1);
}

static struct loaded_hive *find_mount(struct sim_world *w, const char *key)
{
    for (size_t i = 0; i < w->hive_count; i++) {
        const char *mount = w->hives[i].mount;
        size_t len = strlen(mount);

        if (text_istarts(key, mount) && (key[len] == '\\' || key[len] == '\0'))
            return &w->hives[i];
    }
    return NULL;
}

static bool add_hive(struct sim_world *w, const char *mount, const char *file,
                     struct hive **hive, bool is_own)
{
    struct loaded_hive *at = &w->hives[w->hive_count];

    if (w->hive_count >= LOADED_HIVE_MAX)
        return false;
    at->mount = text_dup(mount);
    at->file = text_dup(file);
    if (!at->mount || !at->file) {
        free(at->mount);
        free(at->file);
        return false;
    }
    at->hive = TAKE(*hive);
    at->own = is_own;
    w->hive_count++;
    return true;
}

/* The own hive that @key lies in, opened on first use. */
static uint32_t open_own(struct sim_world *w, const char *key)
{
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        size_t len = strlen(own[i].mount);
        CLEANUP(free_cleanup) char *file = NULL;
        CLEANUP(hive_cleanup) struct hive *hive = NULL;

        if (!text_istarts(key, own[i].mount) || (key[len] != '\\' && key[len] != '\0'))
            continue;
        if (!w->registry_made && !host_make_registry(w, &err))
            return world_code(&err);
        file = own_file(w, own[i].file);
        if (!file)
            return ERROR_NO_MEMORY;
        hive = hive_open_file(file, true, &err);
        if (!hive)
            return ERROR_BADDB;
        return add_hive(w, own[i].mount, own[i].file, &hive, true) ? 0 : ERROR_NO_MEMORY;
    }
    return 0;
}

/* What of HKLM is not simulated, though every host has it. */
static bool is_unknown_root(const char *key)
{
    static const char *const roots[] = {
        "HKLM\\HARDWARE", "HKLM\\BCD00000000", "HKCU", "HKCR", "HKU\\.DEFAULT", "HKU\\S-1-"
    };

    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if (text_istarts(key, roots[i]))
            return true;
    return false;
}

/* Key within a hive, with CurrentControlSet resolved.  0 and *ret, or a Win32 code. */
static uint32_t locate(struct sim_world *w, const char *key, struct loaded_hive **ret_hive,
                       char **ret_key)
{
    static const char link[] = "CurrentControlSet";
    struct loaded_hive *hive = find_mount(w, key);
    struct err err = ERR_INIT;
    const char *rest;

    if (!hive) {
        uint32_t code = open_own(w, key);

        if (code != 0)
            return code;
        hive = find_mount(w, key);
    }
    if (!hive) {
        if (text_istarts(key, "HKLM\\SAM") || text_istarts(key, "HKLM\\SECURITY"))
            return WIN_ACCESS_DENIED; /* only the system account may read them */
        return is_unknown_root(key) ? WIN_UNKNOWN : WIN_FILE_NOT_FOUND;
    }
    rest = key + strlen(hive->mount);
    while (*rest == '\\')
        rest++;
    if (hive->own && text_ieq(hive->mount, "HKLM\\SYSTEM") && text_istarts(rest, link) &&
        (rest[sizeof(link) - 1] == '\\' || rest[sizeof(link) - 1] == '\0')) {
        CLEANUP(free_cleanup) char *set = hive_current_control_set(hive->hive, &err);

        if (!set)
            return ERROR_BADDB;
        *ret_key = text_printf("%s%s", set, rest + sizeof(link) - 1);
    } else {
        *ret_key = text_dup(rest);
    }
    if (!*ret_key)
        return ERROR_NO_MEMORY;
    for (size_t len = strlen(*ret_key); len > 0 && (*ret_key)[len - 1] == '\\'; len--)
        (*ret_key)[len - 1] = '\0';
    *ret_hive = hive;
    return 0;
}

static uint32_t code_of(const struct err *err)
{
    if (err->kind == ERR_NOT_FOUND)
        return WIN_FILE_NOT_FOUND;
    if (err->kind == ERR_NO_MEMORY)
        return ERROR_NO_MEMORY;
    return err->kind == ERR_INVALID ? ERROR_INVALID_PARAMETER : ERROR_BADDB;
}

/* Writes the hive to its file: on C:, or into the attached image it came from. */
static uint32_t write_back(struct sim_world *w, struct loaded_hive *hive)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(place_clear) struct place place = { 0 };
    CLEANUP(free_cleanup) char *local = NULL;
    struct file_info info = { 0 };
    struct err err = ERR_INIT;
    struct volume *volume;
    size_t len;

    if (!hive_bytes(hive->hive, &bytes, &len, &err))
        return code_of(&err);
    if (hive->own) {
        local = own_file(w, hive->file);
        return local && os_write_file(local, bytes, len, &err) ? 0 : WIN_DISK_FULL;
    }
    if (!world_resolve(w, hive->file, &place, &err))
        return world_code(&err);
    if (!place.attached)
        return os_write_file(place.inner, bytes, len, &err) ? 0 : world_code(&err);
    if (!attached_volume(w, place.attached, place.part, &volume, &err) ||
        !volume_stat(volume, place.inner, &info, &err))
        return world_code(&err);
    free(info.name);
    if (!volume_write_all(volume, place.inner, bytes, len, os_now_usec(), info.attributes,
                          &err) ||
        !attached_changed(w, place.attached, &err))
        return world_code(&err);
    return 0;
}

/* After a failed write the file is what counts: read it again. */
static uint32_t finish_change(struct sim_world *w, struct loaded_hive *hive, bool ok,
                              const struct err *err)
{
    return ok ? write_back(w, hive) : code_of(err);
}

uint32_t world_reg_get(struct sim_world *w, const char *key, const char *name,
                       struct hive_value *ret)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    struct loaded_hive *hive;
    struct err err = ERR_INIT;
    uint32_t code = locate(w, key, &hive, &inner);

    if (code != 0)
        return code;
    return hive_get(hive->hive, inner, name, ret, &err) ? 0 : code_of(&err);
}

uint32_t world_reg_set(struct sim_world *w, const char *key, const char *name,
                       const struct hive_value *value)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    struct loaded_hive *hive;
    struct err err = ERR_INIT;
    uint32_t code = locate(w, key, &hive, &inner);

    if (code != 0)
        return code;
    if (!hive_has_key(hive->hive, inner))
        return WIN_FILE_NOT_FOUND;
    return finish_change(w, hive, hive_set(hive->hive, inner, name, value, &err), &err);
}

uint32_t world_reg_create(struct sim_world *w, const char *key)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    struct loaded_hive *hive;
    struct err err = ERR_INIT;
    uint32_t code = locate(w, key, &hive, &inner);

    if (code != 0)
        return code;
    if (hive_has_key(hive->hive, inner))
        return 0;
    return finish_change(w, hive, hive_create_key(hive->hive, inner, &err), &err);
}

uint32_t world_reg_delete_value(struct sim_world *w, const char *key, const char *name)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    struct hive_value found = { 0 };
    struct loaded_hive *hive;
    struct err err = ERR_INIT;
    uint32_t code = locate(w, key, &hive, &inner);

    if (code != 0)
        return code;
    if (!hive_get(hive->hive, inner, name, &found, &err))
        return code_of(&err);
    hive_value_clear(&found);
    return finish_change(w, hive, hive_delete_value(hive->hive, inner, name, &err), &err);
}

uint32_t world_reg_delete_key(struct sim_world *w, const char *key, bool tree)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    struct loaded_hive *hive;
    struct err err = ERR_INIT;
    char **names = NULL;
    size_t count = 0;
    uint32_t code = locate(w, key, &hive, &inner);

    if (code != 0)
        return code;
    if (!hive_has_key(hive->hive, inner))
        return WIN_FILE_NOT_FOUND;
    if (!*inner)
        return WIN_ACCESS_DENIED; /* the root of a hive is unloaded, not deleted */
    if (!hive_list_keys(hive->hive, inner, &names, &count, &err))
        return code_of(&err);
    hive_texts_free(names, count);
    if (count > 0 && !tree)
        return WIN_ACCESS_DENIED;
    return finish_change(w, hive, hive_delete_key(hive->hive, inner, &err), &err);
}

/* The keys directly below HKLM or HKU: hives. */
static uint32_t list_mounts(struct sim_world *w, const char *root, char ***ret_names,
                            size_t *ret_count)
{
    char **names = calloc(LOADED_HIVE_MAX + ARRAY_LEN(own), sizeof(*names));
    size_t count = 0;

    if (!names)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (text_ieq(root, "HKLM") && (names[count] = text_dup(own[i].mount + 5)))
            count++;
    for (size_t i = 0; i < w->hive_count; i++) {
        const char *slash = strchr(w->hives[i].mount, '\\');

        if (!w->hives[i].own && text_istarts(w->hives[i].mount, root) &&
            (names[count] = text_dup(slash + 1)))
            count++;
    }
    *ret_names = names;
    *ret_count = count;
    return 0;
}

uint32_t world_reg_list(struct sim_world *w, const char *key, bool values,
                        char ***ret_names, size_t *ret_count)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    struct loaded_hive *hive;
    struct err err = ERR_INIT;
    uint32_t code;
    bool ok;

    if (text_ieq(key, "HKLM") || text_ieq(key, "HKU")) {
        if (!values)
            return list_mounts(w, key, ret_names, ret_count);
        *ret_names = NULL;
        *ret_count = 0;
        return 0;
    }
    code = locate(w, key, &hive, &inner);
    if (code != 0)
        return code;
    ok = values ? hive_list_values(hive->hive, inner, ret_names, ret_count, &err)
                : hive_list_keys(hive->hive, inner, ret_names, ret_count, &err);
    return ok ? 0 : code_of(&err);
}

static bool is_mount_point(const char *key)
{
    const char *name = strchr(key, '\\');

    return name && (text_istarts(key, "HKLM\\") || text_istarts(key, "HKU\\")) && name[1] &&
           !strchr(name + 1, '\\');
}

uint32_t world_reg_load(struct sim_world *w, const char *key, const char *file)
{
    CLEANUP(place_clear) struct place place = { 0 };
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;

    if (!is_mount_point(key))
        return ERROR_INVALID_PARAMETER;
    if (is_unknown_root(key))
        return WIN_UNKNOWN;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (text_ieq(key, own[i].mount))
            return WIN_SHARING_VIOLATION;
    if (find_mount(w, key))
        return WIN_SHARING_VIOLATION;
    if (!world_resolve(w, file, &place, &err) ||
        !world_read_all(w, file, HIVE_FILE_MAX, &bytes, &len, &err))
        return world_code(&err);
    hive = hive_open(bytes, len, true, &err);
    if (!hive) /* dirty: Windows would replay its logs, which the simulator does not */
        return err.kind == ERR_CONFLICT ? WIN_UNKNOWN : ERROR_NOT_REGISTRY_FILE;
    if (!add_hive(w, key, place.windows, &hive, false))
        return ERROR_NO_MEMORY;
    return world_state_save(w, &err) ? 0 : WIN_DISK_FULL;
}

uint32_t world_reg_unload(struct sim_world *w, const char *key)
{
    struct err err = ERR_INIT;

    if (!is_mount_point(key))
        return ERROR_INVALID_PARAMETER;
    for (size_t i = 0; i < w->hive_count; i++) {
        struct loaded_hive *hive = &w->hives[i];

        if (!text_ieq(hive->mount, key))
            continue;
        if (hive->own)
            return WIN_ACCESS_DENIED;
        free(hive->mount);
        free(hive->file);
        hive_close(hive->hive);
        w->hives[i] = w->hives[--w->hive_count];
        return world_state_save(w, &err) ? 0 : WIN_DISK_FULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (text_ieq(key, own[i].mount))
            return WIN_ACCESS_DENIED;
    return ERROR_INVALID_PARAMETER;
}

uint32_t world_reg_save(struct sim_world *w, const char *key, const char *file,
                        bool overwrite)
{
    CLEANUP(free_cleanup) char *inner = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct loaded_hive *hive;
    struct file_info info;
    struct err err = ERR_INIT;
    size_t len;
    uint32_t code = locate(w, key, &hive, &inner);

    if (code != 0)
        return code;
    if (*inner)
        return WIN_UNKNOWN; /* part of a hive */
    if (!overwrite && world_stat(w, file, &info, &err)) {
        free(info.name);
        return WIN_ALREADY_EXISTS;
    }
    err = ERR_INIT;
    if (!hive_bytes(hive->hive, &bytes, &len, &err))
        return code_of(&err);
    return world_write_all(w, file, bytes, len, os_now_usec(), FILE_IS_ARCHIVE, &err)
               ? 0
               : world_code(&err);
}

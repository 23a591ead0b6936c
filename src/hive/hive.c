/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hives through hivex.
 *
 * hivex finds names by ASCII case, as Windows' own names are.  It has three traps
 * this file stands in front of: it edits dirty hives as if they were clean; it changes
 * one value by rewriting all values of the key; and it rewrites values above 16344
 * bytes in a form that Windows reads only in old hives.
 */

#include "hive.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define hive_type hivex_own_type /* hivex.h has an enum of our enum's name */
#include <hivex.h>
#undef hive_type

#include "base-block.h"
#include "err.h"
#include "hive-new.h"
#include "memory-file.h"
#include "text.h"

enum {
    KEY_NAME_MAX = 255, /* UTF-16 units, Windows' own limits */
    VALUE_NAME_MAX = 16383,
    KEY_DEPTH_MAX = 512,
    BIG_VALUE_BYTES = 16344, /* larger ones need "db" cells, which hivex cannot write */
};

struct hive {
    hive_h *hivex;
    int fd; /* the bytes as given */
    bool writable;
    bool edited;
    bool is_dirty;
    uint32_t minor;
};

static bool fail_hivex(struct err *err, const char *what, const char *key)
{
    if (errno == ENOMEM)
        return err_no_memory(err);
    err_fail(err, ERR_PROTOCOL, errno, "the registry hive is damaged");
    return err_wrap(err, "%s '%s'", what, key);
}

/* hivex does not know that a sum of 0 or -1 is never stored: its copy has the plain one. */
static bool give_plain_sum(int fd, const uint8_t *base, struct err *err)
{
    uint32_t sum = hive_base_sum(base);
    uint8_t plain[4];

    if (sum == hive_load_u32(base + HIVE_CHECKSUM))
        return true;
    hive_store_u32(plain, sum);
    return memory_file_patch(fd, HIVE_CHECKSUM, plain, sizeof(plain), err);
}

struct hive *hive_open(const void *bytes, size_t len, bool writable, struct err *err)
{
    CLEANUP(hive_cleanup) struct hive *hive = calloc(1, sizeof(*hive));
    struct hive_base_block base;
    char path[MEMORY_FILE_PATH];

    if (!hive) {
        err_no_memory(err);
        return NULL;
    }
    hive->fd = -1;
    hive->writable = writable;
    if (!hive_base_check(bytes, len, &base, err))
        return NULL;
    if (base.is_dirty && writable) {
        hive_fail_dirty(err, "its two sequence numbers differ");
        return NULL;
    }
    hive->is_dirty = base.is_dirty;
    hive->minor = base.minor;
    hive->fd = memory_file_new(bytes, len, path, err);
    if (hive->fd < 0 || !give_plain_sum(hive->fd, bytes, err))
        return NULL;
    errno = 0;
    hive->hivex = hivex_open(path, writable ? HIVEX_OPEN_WRITE : 0);
    if (!hive->hivex) {
        if (errno == ENOMEM)
            err_no_memory(err);
        else
            err_fail(err, ERR_PROTOCOL, errno, "the registry hive is damaged");
        return NULL;
    }
    return TAKE(hive);
}

struct hive *hive_open_file(const char *path, bool writable, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct hive *hive;
    size_t len = 0;
    long size;
    FILE *file = fopen(path, "rb");
    bool ok;

    if (!file) {
        err_errno(err, errno, "opening '%s'", path);
        if (errno == ENOENT)
            err->kind = ERR_NOT_FOUND;
        return NULL;
    }
    ok = fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
         fseek(file, 0, SEEK_SET) == 0;
    if (!ok) {
        err_errno(err, errno, "reading '%s'", path);
    } else if (size > HIVE_FILE_MAX) {
        ok = err_fail(err, ERR_PROTOCOL, 0, "'%s' is too large for a registry hive", path);
    } else if (!(bytes = malloc((size_t)size + 1))) {
        ok = err_no_memory(err);
    } else {
        len = fread(bytes, 1, (size_t)size, file);
        if (ferror(file))
            ok = err_errno(err, errno, "reading '%s'", path);
    }
    fclose(file);
    if (!ok)
        return NULL;
    hive = hive_open(bytes, len, writable, err);
    if (!hive)
        err_wrap(err, "opening '%s'", path);
    return hive;
}

struct hive *hive_new(struct err *err)
{
    uint8_t bytes[HIVE_EMPTY_BYTES];

    hive_make_empty(bytes);
    return hive_open(bytes, sizeof(bytes), true, err);
}

void hive_close(struct hive *hive)
{
    if (!hive)
        return;
    if (hive->hivex)
        hivex_close(hive->hivex);
    if (hive->fd >= 0)
        close(hive->fd);
    free(hive);
}

bool hive_is_dirty(const struct hive *hive)
{
    return hive->is_dirty;
}

bool hive_bytes(struct hive *hive, uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
    char path[MEMORY_FILE_PATH];
    int fd;
    bool ok;

    if (!hive->edited) {
        /* The very bytes that came, so that nothing needs writing. */
        ok = memory_file_read(hive->fd, ret_bytes, ret_len, err);
    } else {
        fd = memory_file_new(NULL, 0, path, err);
        if (fd < 0)
            return false;
        ok = hivex_commit(hive->hivex, path, 0) == 0;
        if (!ok)
            err_errno(err, errno, "writing the registry hive");
        else
            ok = memory_file_read(fd, ret_bytes, ret_len, err);
        close(fd);
    }
    /* hivex's sum is the plain one. */
    if (ok && *ret_len >= HIVE_BASE_BYTES)
        hive_store_u32(*ret_bytes + HIVE_CHECKSUM, hive_base_checksum(*ret_bytes));
    return ok;
}

/* ---- keys ---- */

/* Cuts the next name off *@path; false when nothing is left or the name is bad
 * (then @err is filled). */
static bool next_name(const char **path, char **ret_name, struct err *err)
{
    size_t len = strcspn(*path, "\\");
    size_t units = 0;
    char *name = text_ndup(*path, len);
    CLEANUP(free_cleanup) uint8_t *wide = name ? text_to_utf16le(name, &units) : NULL;

    if (!name)
        return err_no_memory(err);
    if (len == 0 || !wide || units / 2 > KEY_NAME_MAX) {
        free(name);
        return err_fail(err, ERR_INVALID, 0, "'%.80s' is no name of a registry key", *path);
    }
    *path += len;
    if (**path == '\\' && (*path)[1])
        ++*path;
    else if (**path == '\\') {
        free(name);
        return err_fail(err, ERR_INVALID, 0, "a registry key cannot end in '\\'");
    }
    *ret_name = name;
    return true;
}

/* The whole path is checked before the first key is looked up or made. */
static bool check_key(const char *key, struct err *err)
{
    const char *rest = key;

    for (unsigned depth = 0; *rest; depth++) {
        CLEANUP(free_cleanup) char *name = NULL;

        if (depth == KEY_DEPTH_MAX)
            return err_fail(err, ERR_INVALID, 0, "registry keys nest too deep");
        if (!next_name(&rest, &name, err))
            return false;
    }
    return true;
}

/* ret_node 0: no such key.  With @make, makes it. */
static bool find_key(struct hive *hive, const char *key, bool make, hive_node_h *ret_node,
                     struct err *err)
{
    hive_node_h node = hivex_root(hive->hivex);
    const char *rest = key;

    if (!node)
        return fail_hivex(err, "reading key", key);
    if (!check_key(key, err))
        return false;
    while (*rest) {
        CLEANUP(free_cleanup) char *name = NULL;
        hive_node_h child;

        if (!next_name(&rest, &name, err))
            return false;
        errno = 0;
        child = hivex_node_get_child(hive->hivex, node, name);
        if (!child && errno)
            return fail_hivex(err, "reading key", key);
        if (!child && !make) {
            node = 0;
            break;
        }
        if (!child) {
            child = hivex_node_add_child(hive->hivex, node, name);
            if (!child)
                return fail_hivex(err, "making key", key);
            hive->edited = true;
        }
        node = child;
    }
    *ret_node = node;
    return true;
}

static bool must_find_key(struct hive *hive, const char *key, hive_node_h *ret_node,
                          struct err *err)
{
    if (!find_key(hive, key, false, ret_node, err))
        return false;
    if (!*ret_node)
        return err_fail(err, ERR_NOT_FOUND, 0, "no registry key '%s'", key);
    return true;
}

static bool must_be_writable(const struct hive *hive, struct err *err)
{
    if (!hive->writable)
        return err_fail(err, ERR_INVALID, 0, "the registry hive is open for reading only");
    return true;
}

bool hive_has_key(struct hive *hive, const char *key)
{
    struct err err = ERR_INIT;
    hive_node_h node;

    return find_key(hive, key, false, &node, &err) && node != 0;
}

bool hive_create_key(struct hive *hive, const char *key, struct err *err)
{
    hive_node_h node;

    return must_be_writable(hive, err) && find_key(hive, key, true, &node, err);
}

bool hive_delete_key(struct hive *hive, const char *key, struct err *err)
{
    hive_node_h node;

    if (!must_be_writable(hive, err))
        return false;
    if (!*key)
        return err_fail(err, ERR_INVALID, 0,
                        "the root of a registry hive cannot be deleted");
    if (!find_key(hive, key, false, &node, err))
        return false;
    if (!node)
        return true;
    hive->edited = true;
    if (hivex_node_delete_child(hive->hivex, node) != 0)
        return fail_hivex(err, "deleting key", key);
    return true;
}

/* ---- lists ---- */

bool hive_list_keys(struct hive *hive, const char *key, char ***ret_names,
                    size_t *ret_count, struct err *err)
{
    CLEANUP(free_cleanup) hive_node_h *nodes = NULL;
    hive_node_h node;
    char **names;
    size_t count = 0;

    if (!must_find_key(hive, key, &node, err))
        return false;
    nodes = hivex_node_children(hive->hivex, node);
    if (!nodes)
        return fail_hivex(err, "listing key", key);
    while (nodes[count])
        count++;
    names = calloc(count + 1, sizeof(*names));
    if (!names)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        names[i] = hivex_node_name(hive->hivex, nodes[i]);
        if (!names[i]) {
            hive_texts_free(names, i);
            return fail_hivex(err, "listing key", key);
        }
    }
    *ret_names = names;
    *ret_count = count;
    return true;
}

bool hive_list_values(struct hive *hive, const char *key, char ***ret_names,
                      size_t *ret_count, struct err *err)
{
    CLEANUP(free_cleanup) hive_value_h *values = NULL;
    hive_node_h node;
    char **names;
    size_t count = 0;

    if (!must_find_key(hive, key, &node, err))
        return false;
    values = hivex_node_values(hive->hivex, node);
    if (!values)
        return fail_hivex(err, "listing the values of", key);
    while (values[count])
        count++;
    names = calloc(count + 1, sizeof(*names));
    if (!names)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        names[i] = hivex_value_key(hive->hivex, values[i]);
        if (!names[i]) {
            hive_texts_free(names, i);
            return fail_hivex(err, "listing the values of", key);
        }
    }
    *ret_names = names;
    *ret_count = count;
    return true;
}

/* ---- values ---- */

bool hive_get(struct hive *hive, const char *key, const char *name, struct hive_value *ret,
              struct err *err)
{
    hive_node_h node;
    hive_value_h value;
    enum hivex_own_type type;
    size_t len;
    char *bytes;

    if (!must_find_key(hive, key, &node, err))
        return false;
    errno = 0;
    value = hivex_node_get_value(hive->hivex, node, name);
    if (!value && errno)
        return fail_hivex(err, "reading a value of", key);
    if (!value)
        return err_fail(err, ERR_NOT_FOUND, 0, "no registry value '%s' in '%s'", name, key);
    bytes = hivex_value_value(hive->hivex, value, &type, &len);
    if (!bytes)
        return fail_hivex(err, "reading a value of", key);
    *ret = (struct hive_value){ .type = (uint32_t)type,
                                .len = len,
                                .bytes = (uint8_t *)bytes };
    return true;
}

/* All values of one key, to be given back to hivex changed. */
struct value_list {
    hive_set_value *values;
    size_t count;
};

static void value_list_clear(struct value_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->values[i].key);
        free(list->values[i].value);
    }
    free(list->values);
}

static bool value_list_read(struct hive *hive, hive_node_h node, const char *key,
                            struct value_list *list, struct err *err)
{
    CLEANUP(free_cleanup) hive_value_h *values = hivex_node_values(hive->hivex, node);
    size_t count = 0;

    if (!values)
        return fail_hivex(err, "reading the values of", key);
    while (values[count])
        count++;
    list->values = calloc(count + 1, sizeof(*list->values)); /* room for one more */
    if (!list->values)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        hive_set_value *value = &list->values[i];
        enum hivex_own_type type;

        value->key = hivex_value_key(hive->hivex, values[i]);
        value->value = hivex_value_value(hive->hivex, values[i], &type, &value->len);
        value->t = type;
        list->count++;
        if (!value->key || !value->value)
            return fail_hivex(err, "reading the values of", key);
    }
    return true;
}

static bool value_list_write(struct hive *hive, hive_node_h node, const char *key,
                             const struct value_list *list, struct err *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (hive->minor > 3 && list->values[i].len > BIG_VALUE_BYTES)
            return err_fail(
                err, ERR_UNSUPPORTED, 0,
                "registry value '%s' in '%s' has more than %d bytes: hvgpu does "
                "not edit such keys",
                list->values[i].key, key, BIG_VALUE_BYTES);
    hive->edited = true;
    if (hivex_node_set_values(hive->hivex, node, list->count, list->values, 0) != 0)
        return fail_hivex(err, "writing the values of", key);
    return true;
}

static size_t value_list_find(const struct value_list *list, const char *name)
{
    size_t i = 0;

    while (i < list->count && !text_ieq(list->values[i].key, name))
        i++;
    return i;
}

static bool value_list_set(struct value_list *list, const char *name,
                           const struct hive_value *value, struct err *err)
{
    hive_set_value *slot = &list->values[value_list_find(list, name)];
    CLEANUP(free_cleanup) char *bytes = malloc(value->len ? value->len : 1);

    if (!bytes)
        return err_no_memory(err);
    if (value->len)
        memcpy(bytes, value->bytes, value->len);
    if (slot == &list->values[list->count]) {
        slot->key = text_dup(name);
        if (!slot->key)
            return err_no_memory(err);
        list->count++;
    }
    free(slot->value);
    slot->value = TAKE(bytes);
    slot->len = value->len;
    slot->t = (enum hivex_own_type)value->type;
    return true;
}

bool hive_set(struct hive *hive, const char *key, const char *name,
              const struct hive_value *value, struct err *err)
{
    struct value_list list = { 0 };
    CLEANUP(free_cleanup) uint8_t *wide = NULL;
    size_t units = 0;
    hive_node_h node;
    bool ok;

    if (!must_be_writable(hive, err))
        return false;
    wide = text_to_utf16le(name, &units);
    if (!wide || units / 2 > VALUE_NAME_MAX)
        return err_fail(err, ERR_INVALID, 0, "'%.80s' is no name of a registry value",
                        name);
    if (!find_key(hive, key, true, &node, err))
        return false;
    ok = value_list_read(hive, node, key, &list, err) &&
         value_list_set(&list, name, value, err) &&
         value_list_write(hive, node, key, &list, err);
    value_list_clear(&list);
    return ok;
}

bool hive_delete_value(struct hive *hive, const char *key, const char *name,
                       struct err *err)
{
    struct value_list list = { 0 };
    hive_node_h node;
    size_t at;
    bool ok;

    if (!must_be_writable(hive, err) || !find_key(hive, key, false, &node, err))
        return false;
    if (!node)
        return true;
    ok = value_list_read(hive, node, key, &list, err);
    at = ok ? value_list_find(&list, name) : list.count;
    if (at < list.count) {
        free(list.values[at].key);
        free(list.values[at].value);
        list.values[at] = list.values[--list.count];
        ok = value_list_write(hive, node, key, &list, err);
    }
    value_list_clear(&list);
    return ok;
}

char *hive_current_control_set(struct hive *system, struct err *err)
{
    struct hive_value value = { 0 };
    uint64_t number = 0;
    char *name;

    if (!hive_get(system, "Select", "Current", &value, err)) {
        err_wrap(err, "finding the current control set");
        return NULL;
    }
    if (!hive_value_u64(&value, &number) || number == 0 || number > 999) {
        hive_value_clear(&value);
        err_fail(err, ERR_PROTOCOL, 0,
                 "the hive does not say which control set is current");
        return NULL;
    }
    hive_value_clear(&value);
    name = text_printf("ControlSet%03u", (unsigned)number);
    if (!name)
        err_no_memory(err);
    return name;
}

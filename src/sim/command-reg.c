/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reg.exe: query, add, delete, load, unload, save.  Texts are those of an English Windows.
 *
 * Source: MicrosoftDocs/windowsserverdocs administration/windows-commands/reg-*.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-inside.h"
#include "text.h"

enum { DEPTH_MAX = 64 };

struct reg {
    struct task *task;
    struct sim_world *world; /* while locked */
    char *key;               /* "HKLM\\..." */
    const char *file;
    const char *name; /* /v; "" with /ve; NULL: neither */
    const char *type, *data, *separator;
    bool all_values, force, below;
};

static const struct {
    uint32_t type;
    const char *name;
} types[] = {
    { HIVE_SZ, "REG_SZ" },
    { HIVE_EXPAND_SZ, "REG_EXPAND_SZ" },
    { HIVE_BINARY, "REG_BINARY" },
    { HIVE_DWORD, "REG_DWORD" },
    { HIVE_MULTI_SZ, "REG_MULTI_SZ" },
    { HIVE_QWORD, "REG_QWORD" },
    { HIVE_NONE, "REG_NONE" },
};

static const char *type_name(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return "REG_NONE";
}

/* HKLM or HKEY_LOCAL_MACHINE -> "HKLM\..."; NULL: another root or computer. */
static char *plain_key(const char *word)
{
    static const char *const roots[][2] = {
        { "HKEY_LOCAL_MACHINE", "HKLM" }, { "HKLM", "HKLM" },
        { "HKEY_USERS", "HKU" },          { "HKU", "HKU" },
        { "HKEY_CURRENT_USER", "HKCU" },  { "HKCU", "HKCU" },
        { "HKEY_CLASSES_ROOT", "HKCR" },  { "HKCR", "HKCR" },
    };

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        size_t len = strlen(roots[i][0]);

        if (text_istarts(word, roots[i][0]) && (word[len] == '\\' || !word[len])) {
            char *key = text_printf("%s%s", roots[i][1], word + len);

            for (size_t n = key ? strlen(key) : 0; n > 0 && key[n - 1] == '\\'; n--)
                key[n - 1] = '\0';
            return key;
        }
    }
    return NULL;
}

/* How reg shows a key: with the root's long name. */
static char *long_key(const char *key)
{
    if (text_istarts(key, "HKLM"))
        return text_printf("HKEY_LOCAL_MACHINE%s", key + 4);
    return text_printf("HKEY_USERS%s", key + 3);
}

static uint32_t failed(struct reg *r, uint32_t code)
{
    if (code == WIN_UNKNOWN)
        return not_simulated(r->task, "this part of the registry");
    if (code == WIN_FILE_NOT_FOUND)
        complain(r->task, "ERROR: The system was unable to find the specified registry "
                          "key or value.\r\n");
    else if (code == 87)
        complain(r->task, "ERROR: The parameter is incorrect.\r\n");
    else
        complain(r->task, "ERROR: %s\r\n", world_code_text(code));
    return 1;
}

static uint32_t done(struct reg *r)
{
    say(r->task, "The operation completed successfully.\r\n");
    return 0;
}

/* ---- query ---- */

static void put_value(const char *name, const struct hive_value *value, struct strbuf *to)
{
    CLEANUP(free_cleanup) char *text = NULL;
    uint64_t number;
    size_t count = 0;

    strbuf_printf(to, "    %s    %s    ", *name ? name : "(Default)",
                  type_name(value->type));
    switch (value->type) {
    case HIVE_SZ:
    case HIVE_EXPAND_SZ:
        text = hive_value_text(value);
        strbuf_puts(to, text ? text : "");
        break;
    case HIVE_DWORD:
    case HIVE_QWORD:
        if (hive_value_u64(value, &number))
            strbuf_printf(to, "0x%" PRIx64, number);
        break;
    case HIVE_MULTI_SZ: {
        char **texts = hive_value_texts(value, &count);

        for (size_t i = 0; texts && i < count; i++)
            strbuf_printf(to, "%s%s", i ? "\\0" : "", texts[i]);
        hive_texts_free(texts, count);
        break;
    }
    default:
        for (size_t i = 0; i < value->len; i++)
            strbuf_printf(to, "%02X", value->bytes[i]);
    }
    strbuf_puts(to, "\r\n");
}

static uint32_t query_key(struct reg *r, const char *key, unsigned depth, struct strbuf *to)
{
    CLEANUP(free_cleanup) char *shown = long_key(key);
    char **names = NULL;
    size_t count = 0;
    uint32_t code;

    if (depth > DEPTH_MAX || !shown)
        return 8;
    code = world_reg_list(r->world, key, true, &names, &count);
    if (code != 0)
        return code;
    strbuf_printf(to, "\r\n%s\r\n", shown);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(hive_value_clear) struct hive_value value = { 0 };

        if (world_reg_get(r->world, key, names[i], &value) == 0)
            put_value(names[i], &value, to);
    }
    hive_texts_free(names, count);
    names = NULL;
    count = 0;
    code = world_reg_list(r->world, key, false, &names, &count);
    if (code == 0 && !r->below && count > 0)
        strbuf_puts(to, "\r\n");
    for (size_t i = 0; code == 0 && i < count; i++) {
        CLEANUP(free_cleanup) char *below = text_printf("%s\\%s", key, names[i]);

        if (r->below)
            code = below ? query_key(r, below, depth + 1, to) : 8;
        else
            strbuf_printf(to, "%s\\%s\r\n", shown, names[i]);
    }
    hive_texts_free(names, count);
    return code;
}

static uint32_t query(struct reg *r, struct strbuf *to)
{
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };
    CLEANUP(free_cleanup) char *shown = NULL;
    uint32_t code;

    if (!r->name) {
        code = query_key(r, r->key, 0, to);
        if (code == 0)
            strbuf_puts(to, "\r\n");
        return code;
    }
    code = world_reg_get(r->world, r->key, r->name, &value);
    shown = long_key(r->key);
    if (code != 0 || !shown)
        return code ? code : 8;
    strbuf_printf(to, "\r\n%s\r\n", shown);
    put_value(r->name, &value, to);
    strbuf_puts(to, "\r\n");
    return 0;
}

/* ---- add ---- */

static bool parse_binary(const char *data, struct hive_value *ret)
{
    size_t len = strlen(data) / 2;

    if (strlen(data) % 2)
        return false;
    ret->bytes = malloc(len + 1);
    if (!ret->bytes)
        return false;
    ret->type = HIVE_BINARY;
    ret->len = len;
    for (size_t i = 0; i < len; i++) {
        char pair[3] = { data[2 * i], data[2 * i + 1], 0 };
        uint64_t byte;

        if (!text_to_u64(pair, 16, &byte))
            return false;
        ret->bytes[i] = (uint8_t)byte;
    }
    return true;
}

/* Strings of a MULTI_SZ are parted by "\0" (the two characters) or by /s. */
static bool parse_multi(const char *data, const char *separator, struct hive_value *ret)
{
    char *texts[64] = { 0 };
    size_t count = 0, len = strlen(separator);
    bool ok = true;

    for (const char *end; ok && *data && count < ARRAY_LEN(texts); data = end) {
        end = strstr(data, separator);
        texts[count] = text_ndup(data, end ? (size_t)(end - data) : strlen(data));
        ok = texts[count++] != NULL;
        end = end ? end + len : data + strlen(data);
    }
    ok = ok && hive_value_set_texts(ret, (const char *const *)texts, count);
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    return ok;
}

static bool parse_data(const struct reg *r, struct hive_value *ret)
{
    const char *data = r->data ? r->data : "";
    uint32_t type = HIVE_SZ;
    uint64_t number = 0;

    for (size_t i = 0; r->type && i < ARRAY_LEN(types); i++)
        if (text_ieq(types[i].name, r->type))
            type = types[i].type;
    if (r->type && !text_ieq(type_name(type), r->type))
        return false;
    switch (type) {
    case HIVE_DWORD:
    case HIVE_QWORD:
        return text_to_u64(data, 0, &number) &&
               (type == HIVE_QWORD || number <= UINT32_MAX) &&
               hive_value_set_u64(ret, type, number);
    case HIVE_BINARY:
        return parse_binary(data, ret);
    case HIVE_MULTI_SZ:
        return parse_multi(data, r->separator ? r->separator : "\\0", ret);
    case HIVE_SZ:
    case HIVE_EXPAND_SZ:
        return hive_value_set_text(ret, type, data);
    default:
        return false;
    }
}

static uint32_t add(struct reg *r)
{
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };
    uint32_t code = world_reg_create(r->world, r->key);

    if (code != 0 || !r->name)
        return code;
    if (!parse_data(r, &value))
        return 87;
    return world_reg_set(r->world, r->key, r->name, &value);
}

static uint32_t delete_what(struct reg *r)
{
    char **names = NULL;
    size_t count = 0;
    uint32_t code;

    if (!r->all_values)
        return r->name ? world_reg_delete_value(r->world, r->key, r->name)
                       : world_reg_delete_key(r->world, r->key, true);
    code = world_reg_list(r->world, r->key, true, &names, &count);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = world_reg_delete_value(r->world, r->key, names[i]);
    hive_texts_free(names, count);
    return code;
}

/* ---- the command ---- */

static bool read_arguments(struct reg *r, const struct arguments *a, size_t positional)
{
    size_t i = 1;

    if (a->count < 1 + positional)
        return false;
    r->key = plain_key(a->words[i++]);
    if (!r->key)
        return false;
    if (positional == 2)
        r->file = a->words[i++];
    for (; i < a->count; i++) {
        const char *word = a->words[i];
        const char **to = text_ieq(word, "/v")   ? &r->name
                          : text_ieq(word, "/t") ? &r->type
                          : text_ieq(word, "/d") ? &r->data
                                                 : NULL;

        if (text_ieq(word, "/s") && text_ieq(a->words[0], "add"))
            to = &r->separator;
        if (to) {
            if (++i == a->count)
                return false;
            *to = a->words[i];
        } else if (text_ieq(word, "/ve")) {
            r->name = "";
        } else if (text_ieq(word, "/va")) {
            r->all_values = true;
        } else if (text_ieq(word, "/f") || text_ieq(word, "/y")) {
            r->force = true;
        } else if (text_ieq(word, "/s")) {
            r->below = true;
        } else if (!text_ieq(word, "/reg:64")) {
            return false;
        }
    }
    return true;
}

uint32_t run_reg(struct task *task, const struct arguments *arguments)
{
    struct reg r = { .task = task };
    CLEANUP(strbuf_cleanup) struct strbuf out = STRBUF_INIT;
    struct hive_value value = { 0 };
    const char *verb = arguments->count ? arguments->words[0] : "";
    bool save = text_ieq(verb, "save");
    bool load = text_ieq(verb, "load") || save, unload = text_ieq(verb, "unload");
    bool is_query = text_ieq(verb, "query"), is_add = text_ieq(verb, "add");
    bool is_delete = text_ieq(verb, "delete"), exists = false;
    struct err err = ERR_INIT;
    uint32_t code;

    if (!load && !unload && !is_query && !is_add && !is_delete)
        return not_simulated(task, "this operation of reg");
    if (!read_arguments(&r, arguments, load ? 2 : 1)) {
        complain(task, "ERROR: Invalid syntax.\r\nType \"REG %s /?\" for usage.\r\n", verb);
        free(r.key);
        return 1;
    }
    if (is_delete && !r.force) {
        free(r.key);
        return not_simulated(task, "'reg delete' without /f, which asks");
    }
    r.world = task_lock(task, &err);
    if (!r.world) {
        free(r.key);
        return failed(&r, world_code(&err));
    }
    if (is_add && r.name && !r.force)
        exists = world_reg_get(r.world, r.key, r.name, &value) == 0;
    hive_value_clear(&value);
    if (load) {
        CLEANUP(free_cleanup) char *file = task_path(task, r.file);

        code = !file  ? 8
               : save ? world_reg_save(r.world, r.key, file, r.force)
                      : world_reg_load(r.world, r.key, file);
    } else {
        code = unload     ? world_reg_unload(r.world, r.key)
               : is_query ? query(&r, &out)
               : exists   ? 0
               : is_add   ? add(&r)
                          : delete_what(&r);
    }
    task_unlock(task);
    free(TAKE(r.key));
    if (exists)
        return not_simulated(task, "'reg add' over a value without /f, which asks");
    if (code != 0)
        return failed(&r, code);
    if (is_query) {
        say_bytes(task, out.text ? out.text : "", out.len);
        return 0;
    }
    return done(&r);
}

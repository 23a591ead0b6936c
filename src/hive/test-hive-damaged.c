/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hives and logs made to be refused: every structure that an operation needs is broken in
 * turn.  Places after msuhanov/regf, "Windows registry file format specification".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base-block.h"
#include "err.h"
#include "hive-log.h"
#include "hive.h"
#include "test.h"
#include "text.h"

/* A refusal's text, for who made it. */
static void check_says(const struct err *err, enum err_kind kind, const char *part)
{
    char text[1024];

    err_format(err, text, sizeof(text));
    test_report(err->kind == kind && strstr(text, part), __FILE__, __LINE__,
                "%s: \"%s\" has no \"%s\"", err_kind_name(err->kind), text, part);
}

struct hive_file {
    uint8_t *bytes;
    size_t len;
};

static void hive_file_clear(struct hive_file *file)
{
    free(file->bytes);
}

/* "Key" with the value "Name" of 100 bytes and the key "Below". */
static struct hive_file make_file(void)
{
    uint8_t content[100] = "content";
    struct hive_value value = { .type = HIVE_BINARY, .len = 100, .bytes = content };
    struct hive_file file = { 0 };
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(&err);

    CHECK_OK(hive && hive_set(hive, "Key", "Name", &value, &err) &&
             hive_create_key(hive, "Key\\Below", &err) &&
             hive_bytes(hive, &file.bytes, &file.len, &err));
    return file;
}

static void seal(struct hive_file *file)
{
    hive_store_u32(file->bytes + HIVE_CHECKSUM, hive_base_checksum(file->bytes));
}

/* ---- cells ---- */

/* The cell of the key ("nk") or value ("vk") @name, whose name lies at @name_at in it. */
static uint8_t *find_cell(struct hive_file *file, const char *sign, const char *name,
                          size_t name_at)
{
    size_t len = strlen(name);

    for (size_t at = HIVE_BASE_BYTES; at + name_at + len <= file->len; at += 4)
        if (memcmp(file->bytes + at + 4, sign, 2) == 0 &&
            memcmp(file->bytes + at + name_at, name, len) == 0)
            return file->bytes + at;
    CHECK(false);
    return file->bytes;
}

static uint8_t *key_cell(struct hive_file *file, const char *name)
{
    return find_cell(file, "nk", name, 80);
}

static uint8_t *value_cell(struct hive_file *file)
{
    return find_cell(file, "vk", "Name", 24);
}

static void list_of_keys(struct hive_file *file)
{
    hive_store_u32(key_cell(file, "Key") + 32, 0x7FFFFFF0);
}
static void sign_of_a_key(struct hive_file *file)
{
    key_cell(file, "Below")[4] = 'x';
}
static void length_of_a_keys_name(struct hive_file *file)
{
    hive_store_u32(key_cell(file, "Below") + 76, 0xFFFF);
}
static void list_of_values(struct hive_file *file)
{
    hive_store_u32(key_cell(file, "Key") + 44, 0x7FFFFFF0);
}
static void sign_of_a_value(struct hive_file *file)
{
    value_cell(file)[4] = 'x';
}
static void length_of_a_values_name(struct hive_file *file)
{
    value_cell(file)[6] = value_cell(file)[7] = 0xFF;
}
static void place_of_a_values_bytes(struct hive_file *file)
{
    hive_store_u32(value_cell(file) + 12, 0x7FFFFFF0);
}
static void security_of_a_key(struct hive_file *file)
{
    hive_store_u32(key_cell(file, "Key") + 48, 0x7FFFFFF0);
}
static void parent_of_a_key(struct hive_file *file)
{
    hive_store_u32(key_cell(file, "Below") + 20, 0x7FFFFFF0);
}

static bool list_keys(struct hive *hive, struct err *err)
{
    char **names = NULL;
    size_t count = 0;
    bool ok = hive_list_keys(hive, "Key", &names, &count, err);

    if (ok)
        hive_texts_free(names, count);
    return ok;
}
static bool list_values(struct hive *hive, struct err *err)
{
    char **names = NULL;
    size_t count = 0;
    bool ok = hive_list_values(hive, "Key", &names, &count, err);

    if (ok)
        hive_texts_free(names, count);
    return ok;
}
static bool get(struct hive *hive, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_get(hive, "Key", "Name", &value, err);

    hive_value_clear(&value);
    return ok;
}
static bool look_below(struct hive *hive, struct err *err)
{
    struct hive_value value = { 0 };

    return hive_get(hive, "Key\\Below", "x", &value, err);
}
static bool set(struct hive *hive, struct err *err)
{
    struct hive_value value = { .type = HIVE_BINARY, .len = 3, .bytes = (uint8_t *)"abc" };

    return hive_set(hive, "Key", "New", &value, err);
}
static bool make_key(struct hive *hive, struct err *err)
{
    return hive_create_key(hive, "Key\\New", err);
}
static bool delete_key(struct hive *hive, struct err *err)
{
    return hive_delete_key(hive, "Key\\Below", err);
}

TEST(a_broken_cell_is_refused_by_whoever_needs_it)
{
    static const struct {
        const char *name;
        void (*harm)(struct hive_file *file);
        bool (*ask)(struct hive *hive, struct err *err);
        const char *text;
    } cases[] = {
        { "listing keys, no list", list_of_keys, list_keys, "listing key 'Key'" },
        { "listing keys, no key", sign_of_a_key, list_keys, "listing key 'Key'" },
        { "listing keys, no name", length_of_a_keys_name, list_keys, "listing key 'Key'" },
        { "a key, no list", list_of_keys, look_below, "reading key 'Key\\Below'" },
        { "listing values, no list", list_of_values, list_values,
          "listing the values of 'Key'" },
        { "listing values, no name", length_of_a_values_name, list_values,
          "listing the values of 'Key'" },
        { "a value, no list", list_of_values, get, "reading a value of 'Key'" },
        { "a value, no bytes", place_of_a_values_bytes, get, "reading a value of 'Key'" },
        { "setting, no list", list_of_values, set, "reading the values of 'Key'" },
        { "setting, no bytes", place_of_a_values_bytes, set,
          "reading the values of 'Key'" },
        { "making, no security", security_of_a_key, make_key, "making key 'Key\\New'" },
        { "deleting, no parent", parent_of_a_key, delete_key, "deleting key 'Key\\Below'" },
        { "a value of another kind", sign_of_a_value, list_values,
          "listing the values of 'Key'" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(hive_file_clear) struct hive_file file = make_file();
        CLEANUP(hive_cleanup) struct hive *hive = NULL;
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        cases[i].harm(&file);
        hive = hive_open(file.bytes, file.len, true, &err);
        CHECK_OK(hive != NULL);
        if (!hive)
            continue;
        CHECK(!cases[i].ask(hive, &err));
        check_says(&err, ERR_PROTOCOL, cases[i].text);
        check_says(&err, ERR_PROTOCOL, "the registry hive is damaged");
    }
}

TEST(a_hive_of_impossible_size_or_without_a_control_set_is_refused)
{
    static const uint8_t first[HIVE_BASE_BYTES] = "regf";
    struct hive_value zero = { .type = HIVE_DWORD,
                               .len = 4,
                               .bytes = (uint8_t *)"\0\0\0\0" };
    CLEANUP(free_cleanup) char *longer = malloc(20001);
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    struct hive_base_block base;
    struct err err = ERR_INIT;

    CHECK(!hive_base_check(first, (size_t)HIVE_FILE_MAX + 4096, &base, &err));
    check_says(&err, ERR_PROTOCOL, "a registry hive of 512 MiB is too large");
    err = ERR_INIT;
    hive = hive_new(&err);
    CHECK_OK(hive && hive_set(hive, "Select", "Current", &zero, &err));
    CHECK(hive && !hive_current_control_set(hive, &err));
    check_says(&err, ERR_PROTOCOL, "which control set is current");
    memset(longer, 'v', 20000);
    longer[20000] = '\0';
    CHECK(hive && !hive_set(hive, "Select", longer, &zero, &err));
    check_says(&err, ERR_INVALID, "no name of a registry value");
    CHECK(!hive_open_file("no/such/hive", false, &err));
    check_says(&err, ERR_NOT_FOUND, "opening 'no/such/hive'");
}

/* ---- logs ---- */

enum { LOG_HEADER = 512, ENTRY_HEAD = 40, PAGE = 4096, LOG_BYTES = 512 + 4096 + 1024 };

/* Marvin32 with the seed of registry logs. */
static uint64_t hash(const uint8_t *bytes, size_t len)
{
    uint32_t a = 0x7A4E55C5, b = 0x82EF4D88;

    for (size_t at = 0; at <= len + 4; at += 4) {
        uint32_t word = 0;

        for (unsigned i = 0; i < 4; i++)
            word |= (uint32_t)(at + i < len    ? bytes[at + i]
                               : at + i == len ? 0x80
                                               : 0)
                    << (8 * i);
        a += word;
        b ^= a;
        a = (a << 20 | a >> 12) + b;
        b = (b << 9 | b >> 23) ^ a;
        a = (a << 27 | a >> 5) + b;
        b = b << 19 | b >> 13;
    }
    return (uint64_t)b << 32 | a;
}

static void put_u64(uint8_t *at, uint64_t number)
{
    hive_store_u32(at, (uint32_t)number);
    hive_store_u32(at + 4, (uint32_t)(number >> 32));
}

/* A log since Windows 8.1 with one entry: the first page of the hive's bins, put at
 * @offset, and the hive's size @bins. */
static void make_new_log(const struct hive_file *hive, uint8_t log[LOG_BYTES],
                         uint32_t offset, uint32_t bins)
{
    uint8_t *entry = log + LOG_HEADER;
    uint32_t size = LOG_BYTES - LOG_HEADER;

    memset(log, 0, LOG_BYTES);
    memcpy(log, hive->bytes, LOG_HEADER);
    hive_store_u32(log + HIVE_FILE_TYPE, 6);
    hive_store_u32(log + HIVE_CHECKSUM, hive_base_checksum(log));
    memcpy(entry, "HvLE", 4);
    hive_store_u32(entry + 4, size);
    hive_store_u32(entry + 12, hive_load_u32(hive->bytes + HIVE_SEQUENCE_2));
    hive_store_u32(entry + 16, bins);
    hive_store_u32(entry + 20, 1);
    hive_store_u32(entry + ENTRY_HEAD, offset);
    hive_store_u32(entry + ENTRY_HEAD + 4, PAGE);
    memcpy(entry + ENTRY_HEAD + 8, hive->bytes + HIVE_BASE_BYTES, PAGE);
    put_u64(entry + 24, hash(entry + ENTRY_HEAD, size - ENTRY_HEAD));
    put_u64(entry + 32, hash(entry, 32));
}

/* A log of Windows 8 and before: the first @pages of 512 bytes. */
static void make_old_log(const struct hive_file *hive, uint8_t log[LOG_BYTES],
                         unsigned pages)
{
    memset(log, 0, LOG_BYTES);
    memcpy(log, hive->bytes, LOG_HEADER);
    hive_store_u32(log + HIVE_FILE_TYPE, 1);
    hive_store_u32(log + HIVE_SEQUENCE_1, hive_load_u32(log + HIVE_SEQUENCE_2));
    hive_store_u32(log + HIVE_CHECKSUM, hive_base_checksum(log));
    memcpy(log + LOG_HEADER, "DIRT", 4);
    for (unsigned i = 0; i < pages; i++)
        log[LOG_HEADER + 4 + i / 8] |= (uint8_t)(1 << i % 8);
    memcpy(log + 1024, hive->bytes + HIVE_BASE_BYTES, LOG_BYTES - 1024);
}

TEST(a_log_that_makes_no_sense_is_refused)
{
    static const struct {
        const char *name;
        bool is_old;
        uint32_t offset, bins; /* 0: the hive's */
        unsigned pages;
        size_t len;
        const char *text; /* NULL: it is applied */
    } cases[] = {
        { "new, fine", false, 0, 0, 0, LOG_BYTES, NULL },
        { "new, outside", false, 0x100000, 0, 0, LOG_BYTES, "writes outside of its hive" },
        { "new, no size", false, 0, 4095, 0, LOG_BYTES, "names a size of 4095 bytes" },
        { "new, larger than any", false, 0, 0x7FFFF000, 0, LOG_BYTES,
          "names a size of 2147479552 bytes" },
        { "old, fine", true, 0, 0, 8, LOG_BYTES, NULL },
        { "old, without pages", true, 0, 0, 8, 600, "a registry log is cut off" },
        { "old, without the last", true, 0, 0, 8, LOG_BYTES - 2000,
          "a registry log is cut off" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(hive_file_clear) struct hive_file file = make_file();
        CLEANUP(free_cleanup) uint8_t *bytes = NULL;
        uint32_t bins = hive_load_u32(file.bytes + HIVE_BINS_BYTES);
        struct err err = ERR_INIT;
        uint8_t log[LOG_BYTES];
        const struct hive_log logs[] = { { log, cases[i].len } };
        unsigned applied = 0;
        size_t len = 0;

        test_case(cases[i].name);
        hive_store_u32(file.bytes + HIVE_SEQUENCE_1, 9); /* not written to its end */
        seal(&file);
        if (cases[i].is_old)
            make_old_log(&file, log, cases[i].pages);
        else
            make_new_log(&file, log, cases[i].offset, cases[i].bins ? cases[i].bins : bins);
        CHECK_EQ(hive_replay(file.bytes, file.len, logs, 1, &bytes, &len, &applied, &err),
                 cases[i].text == NULL);
        if (cases[i].text)
            check_says(&err, ERR_PROTOCOL, cases[i].text);
        else
            CHECK_EQ(applied, 1);
    }
}

TEST(a_torn_first_block_without_a_copy_is_refused)
{
    CLEANUP(hive_file_clear) struct hive_file file = make_file();
    struct err err = ERR_INIT;
    uint8_t *bytes = NULL;
    size_t len = 0;

    file.bytes[100] ^= 1;
    CHECK(!hive_replay(file.bytes, file.len, NULL, 0, &bytes, &len, NULL, &err));
    check_says(&err, ERR_CONFLICT, "its first block is torn and no log has a copy");
    CHECK(err.hint[0]);
}

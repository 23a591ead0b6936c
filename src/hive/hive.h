/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A registry hive file, held in memory and edited with hivex.
 *
 * Before hivex sees it the base block is checked: signature, checksum, sequence
 * numbers, sizes.  A dirty hive (sequence numbers differ: Windows did not finish
 * writing it) may be read, marked by hive_is_dirty(), but opening it for writing is
 * refused with ERR_CONFLICT; hivex itself would edit stale data.
 * Keys are paths with '\' ("ControlSet001\\Services\\nvlddmkm"); "" is the root.
 * Names compare without case.
 *
 * Sources: docs/disk-images.md; hivex(3); msuhanov/regf for the base block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

/* Windows' own numbers. */
enum hive_type {
    HIVE_NONE = 0,
    HIVE_SZ = 1,
    HIVE_EXPAND_SZ = 2,
    HIVE_BINARY = 3,
    HIVE_DWORD = 4,
    HIVE_MULTI_SZ = 7,
    HIVE_QWORD = 11,
};

/* Raw: @type as stored, @bytes as stored (texts are UTF-16LE).  Any type number. */
struct hive_value {
    uint32_t type;
    size_t len;
    uint8_t *bytes; /* owned by whoever holds the struct; hive_value_clear() */
};
void hive_value_clear(struct hive_value *value);
bool hive_value_equal(const struct hive_value *a, const struct hive_value *b);
/* Typed views; false/NULL when the type or the bytes do not fit. */
char *hive_value_text(const struct hive_value *value); /* SZ, EXPAND_SZ; owned */
char **hive_value_texts(const struct hive_value *value,
                        size_t *ret_count); /* MULTI_SZ, also
                          * SZ as one; each and the array owned; hive_texts_free() */
void hive_texts_free(char **texts, size_t count);
bool hive_value_u64(const struct hive_value *value, uint64_t *ret); /* DWORD, QWORD, and
                          * BINARY of 4 or 8 bytes (qwMemorySize is stored so) */
bool hive_value_set_text(struct hive_value *value, uint32_t type, const char *text);
bool hive_value_set_texts(struct hive_value *value, const char *const *texts, size_t count);
bool hive_value_set_u64(struct hive_value *value, uint32_t type, uint64_t number);

struct hive;

/* Copies @bytes.  ERR_PROTOCOL: no hive or damaged; ERR_CONFLICT: dirty, and @writable,
 * or the base block was written half. */
struct hive *hive_open(const void *bytes, size_t len, bool writable, struct err *err);
struct hive *hive_open_file(const char *path, bool writable, struct err *err);
/* Loads what hivex needs of the system (character conversions), and keeps it: for a process
 * that may open no files later.  Once is enough; false: they are not there. */
bool hive_prepare(void);
/* An empty hive (root key only), writable. */
struct hive *hive_new(struct err *err);
void hive_close(struct hive *hive); /* NULL is fine; drops what was not taken */
DEFINE_CLEANUP(hive_cleanup, struct hive *, hive_close)
/* What is read may be older than what Windows will see after replaying its logs. */
bool hive_is_dirty(const struct hive *hive);
/* The hive with all edits, as Windows would load it: clean, checksum right. */
bool hive_bytes(struct hive *hive, uint8_t **ret_bytes, size_t *ret_len, struct err *err)
    MUST_CHECK;

bool hive_has_key(struct hive *hive, const char *key);
/* ERR_NOT_FOUND: no such key or value.  Value name "" is the default value. */
bool hive_get(struct hive *hive, const char *key, const char *name, struct hive_value *ret,
              struct err *err) MUST_CHECK;
/* Creates the key, and the keys above it, as needed. */
bool hive_set(struct hive *hive, const char *key, const char *name,
              const struct hive_value *value, struct err *err) MUST_CHECK;
bool hive_create_key(struct hive *hive, const char *key, struct err *err) MUST_CHECK;
bool hive_delete_value(struct hive *hive, const char *key, const char *name,
                       struct err *err) MUST_CHECK; /* missing is fine */
bool hive_delete_key(struct hive *hive, const char *key, struct err *err)
    MUST_CHECK; /* with all below it; missing is fine */
bool hive_list_keys(struct hive *hive, const char *key, char ***ret_names,
                    size_t *ret_count, struct err *err) MUST_CHECK;
bool hive_list_values(struct hive *hive, const char *key, char ***ret_names,
                      size_t *ret_count, struct err *err) MUST_CHECK;

/* "ControlSet001" from Select\Current of a SYSTEM hive.  Owned. */
char *hive_current_control_set(struct hive *system, struct err *err);

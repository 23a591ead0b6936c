/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registry hives: a hive that opens is walked to the end, edited, and opens again. */

#include "base-block.h"
#include "err.h"
#include "fuzz.h"
#include "hive.h"
#include "text.h"

enum { INPUT_MAX = 1 << 20, DEPTH_MAX = 8, KEYS_MAX = 500 };

static void look_at_values(struct hive *hive, const char *key, char **names, size_t count)
{
    for (size_t i = 0; i < count && i < KEYS_MAX; i++) {
        struct hive_value value = { 0 };
        struct err err = ERR_INIT;
        size_t text_count = 0;
        uint64_t number;
        char **texts;

        if (!hive_get(hive, key, names[i], &value, &err)) {
            MUST(err.kind != ERR_NONE);
            continue;
        }
        free(hive_value_text(&value));
        texts = hive_value_texts(&value, &text_count);
        hive_texts_free(texts, text_count);
        if (!hive_value_u64(&value, &number))
            number = 0;
        hive_value_clear(&value);
    }
}

static void walk(struct hive *hive, const char *key, unsigned depth, unsigned *left)
{
    struct err err = ERR_INIT;
    char **names = NULL;
    size_t count = 0;

    if (hive_list_values(hive, key, &names, &count, &err)) {
        look_at_values(hive, key, names, count);
        hive_texts_free(names, count);
    }
    if (depth == DEPTH_MAX || !hive_list_keys(hive, key, &names, &count, &err))
        return;
    for (size_t i = 0; i < count && *left; i++, --*left) {
        char *below = *key ? text_printf("%s\\%s", key, names[i]) : text_dup(names[i]);

        MUST(below);
        walk(hive, below, depth + 1, left);
        free(below);
    }
    hive_texts_free(names, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    struct hive_value value = { .type = HIVE_BINARY, .len = 4, .bytes = (uint8_t *)"abc" };
    uint8_t *copy, *bytes = NULL;
    struct err err = ERR_INIT;
    unsigned left = KEYS_MAX;
    size_t len = 0;

    if (size > INPUT_MAX)
        return 0;
    copy = malloc(size + 1);
    MUST(copy);
    memcpy(copy, data, size);
    if (size >= HIVE_BASE_BYTES)
        hive_store_u32(copy + HIVE_CHECKSUM, hive_base_checksum(copy));
    hive = hive_open(copy, size, true, &err);
    free(copy);
    if (!hive) {
        MUST(err.kind != ERR_NONE && err.depth > 0);
        return 0;
    }
    walk(hive, "", 0, &left);
    free(hive_current_control_set(hive, &err));
    if (hive_set(hive, "Fuzz\\Key", "value", &value, &err) &&
        hive_bytes(hive, &bytes, &len, &err)) {
        struct hive *again = hive_open(bytes, len, false, &err);

        MUST(again);
        hive_close(again);
    }
    free(bytes);
    return 0;
}

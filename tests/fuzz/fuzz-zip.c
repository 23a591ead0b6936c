/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zip files: what is found lies within the file, and is found again when it is written anew. */

#include <stdlib.h>

#include "err.h"
#include "fuzz.h"
#include "zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data, *found = NULL, *again = NULL;
    size_t len = 0, again_len = 0, file_len = 0;
    struct err err = ERR_INIT;
    struct zip_entry entry = { .name = "recording.jsonl" };
    char *file;

    if (!zip_find(bytes, size, entry.name, &found, &len, &err)) {
        MUST(err.kind == ERR_PROTOCOL || err.kind == ERR_NOT_FOUND ||
             err.kind == ERR_UNSUPPORTED);
        return 0;
    }
    MUST(found >= bytes && len <= size && (size_t)(found - bytes) <= size - len);
    entry.bytes = found;
    entry.len = len;
    file = zip_write(&entry, 1, &file_len, &err);
    MUST(file && zip_find(file, file_len, entry.name, &again, &again_len, &err));
    MUST(again_len == len && memcmp(again, found, len) == 0);
    free(file);
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Manifests: one that is taken is written, and the text is taken again. */

#include "err.h"
#include "fuzz.h"
#include "manifest.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = fuzz_text(bytes, size), *again;
    struct err err = ERR_INIT;
    json_t *manifest = manifest_parse(text, size, &err), *second;

    free(text);
    if (!manifest) {
        MUST(err.kind != ERR_NONE && err.depth > 0);
        return 0;
    }
    again = manifest_text(manifest);
    MUST(again);
    second = manifest_parse(again, strlen(again), &err);
    MUST(second && json_equal(manifest, second));
    json_decref(second);
    json_decref(manifest);
    free(again);
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Object paths: what is read can be written, and means the same when read again. */

#include "cim.h"
#include "err.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *once, *twice;
    struct err err = ERR_INIT;
    struct cim_path *path = cim_path_parse(text, &err), *again;

    free(text);
    if (!path) {
        MUST(err.kind == ERR_INVALID && err.depth > 0);
        return 0;
    }
    once = cim_path_format(path);
    MUST(once);
    again = cim_path_parse(once, &err);
    /* Escaping makes the text longer: only the length limit may refuse it. */
    if (again) {
        twice = cim_path_format(again);
        MUST(cim_path_equal(path, again));
        MUST(twice && strcmp(once, twice) == 0);
        free(twice);
    } else {
        MUST(strlen(once) > 60000);
    }
    cim_path_free(again);
    cim_path_free(path);
    free(once);
    return 0;
}

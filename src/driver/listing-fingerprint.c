/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling by a listing whether a folder is still what it was. */

#include <inttypes.h>

#include "driver.h"
#include "hash.h"
#include "strbuf.h"

bool driver_listing_fingerprint(const struct source_file *files, size_t count,
                                char sha256[65], struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    strbuf_printf(&text, "%zu\n", count);
    for (size_t i = 0; i < count; i++)
        strbuf_printf(&text, "%s|%" PRIu64 "|%" PRId64 "\n", files[i].path, files[i].size,
                      files[i].mtime_usec);
    if (text.failed || !text.text)
        return err_no_memory(err);
    hash_bytes(text.text, text.len, sha256);
    return true;
}

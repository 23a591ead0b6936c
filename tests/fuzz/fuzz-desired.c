/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of desired state: what can be read is written, and that is read as the same. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "desired.h"
#include "err.h"
#include "strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(desired_cleanup) struct desired *first = NULL;
    CLEANUP(desired_cleanup) struct desired *second = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
    struct err err = ERR_INIT;

    first = desired_read("fuzz", (const char *)bytes, size, &err);
    if (!first)
        return 0;
    desired_write(first, &once);
    second = desired_read("written", once.text, once.len, &err);
    if (!second)
        abort();
    desired_write(second, &twice);
    if (once.len != twice.len || memcmp(once.text, twice.text, once.len) != 0)
        abort();
    return 0;
}

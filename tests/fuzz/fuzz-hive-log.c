/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the length of a hive in pages (one byte), the hive, a transaction log. */
#include "fuzz.h"

#include "err.h"
#include "hive-log.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t hive = size ? (size_t)bytes[0] * 4096 : 0;
    struct hive_log log;
    struct err err = ERR_INIT;
    uint8_t *out;
    size_t len;

    if (size < 1 + hive)
        return 0;
    log = (struct hive_log){ bytes + 1 + hive, size - 1 - hive };
    if (hive_replay(bytes + 1, hive, &log, 1, &out, &len, NULL, &err))
        free(out);
    return 0;
}

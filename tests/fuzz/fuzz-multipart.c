/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encrypted messages from a host, before their sender is known. */

#include <stdbool.h>

#include "encrypted.h"
#include "err.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct encrypted_part part;
    struct err err = ERR_INIT;

    if (encrypted_find((const char *)data, size, &part, &err)) {
        MUST(part.token >= (const char *)data);
        MUST(part.header_len + part.data_len <=
             size - (size_t)(part.token - (const char *)data));
    } else {
        MUST(err.kind == ERR_PROTOCOL);
    }
    return 0;
}

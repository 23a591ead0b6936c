/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random GUIDs (RFC 4122, version 4), the same on every system. */

#include "os.h"

#include <stdint.h>
#include <stdio.h>

void os_guid(char ret[37])
{
    uint8_t b[16];

    if (!os_random(b, sizeof(b)))
        abort(); /* no randomness: nothing that follows could be trusted */
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    snprintf(ret, 37,
             "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
}

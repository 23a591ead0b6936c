/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals, as behaviours put them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "behaviour.h"

/* A text cut by %.80s may end in half a character; control characters cannot stand in
 * XML at all. */
static void make_sendable(char *text)
{
    unsigned char *c = (unsigned char *)text;

    while (*c) {
        unsigned more = *c >= 0xf0 ? 3 : *c >= 0xe0 ? 2 : *c >= 0xc0 ? 1 : 0;
        bool ok = *c < 0x80 ? *c >= 0x20 : *c >= 0xc2 && *c <= 0xf4;

        for (unsigned i = 1; ok && i <= more; i++)
            ok = (c[i] & 0xc0) == 0x80;
        if (ok && more == 2)
            ok = !(c[0] == 0xe0 && c[1] < 0xa0) && !(c[0] == 0xed && c[1] >= 0xa0) &&
                 !(c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe);
        if (ok && more == 3)
            ok = !(c[0] == 0xf0 && c[1] < 0x90) && !(c[0] == 0xf4 && c[1] >= 0x90);
        if (!ok)
            *c = '?';
        c += ok ? more + 1 : 1;
    }
}

bool sim_refuse(struct sim_fault *fault, const char *subcode, uint32_t code,
                const char *fmt, ...)
{
    va_list args;

    fault->subcode = subcode;
    fault->code = code;
    va_start(args, fmt);
    vsnprintf(fault->text, sizeof(fault->text), fmt, args);
    va_end(args);
    make_sendable(fault->text);
    return false;
}

bool sim_unknown(struct sim_fault *fault, const char *what)
{
    return sim_refuse(
        fault, "w:UnsupportedFeature", 0x80338042u,
        "hvgpu-sim: %s: what a real host answers is not known from public sources, "
        "so the simulator does not guess",
        what);
}

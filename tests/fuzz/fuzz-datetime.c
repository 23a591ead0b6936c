/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datetimes: both forms of what was read are read as the same time again. */

#include "cim.h"
#include "err.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), cim[26], iso[40];
    struct cim_datetime t = { 0 }, from_cim = { 0 }, from_iso = { 0 };
    struct err err = ERR_INIT;
    bool ok = cim_datetime_parse(text, &t, &err);

    free(text);
    if (!ok) {
        MUST(err.kind == ERR_INVALID);
        return 0;
    }
    cim_datetime_to_cim(&t, cim);
    cim_datetime_to_iso(&t, iso);
    MUST(strlen(cim) == 25);
    MUST(cim_datetime_parse(cim, &from_cim, &err));
    MUST(cim_datetime_parse(iso, &from_iso, &err));
    MUST(from_cim.interval == t.interval && from_iso.interval == t.interval);
    /* At the two ends of the calendar a zone may lead outside of it. */
    if (t.interval ||
        (t.usec > INT64_C(-50491000000000000) && t.usec < INT64_C(265046000000000000))) {
        MUST(from_cim.usec == t.usec);
        MUST(from_iso.usec == t.usec);
    }
    return 0;
}

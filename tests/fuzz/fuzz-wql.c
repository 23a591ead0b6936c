/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text as WQL: parsed, checked and matched against an object. */
#include "err.h"
#include "fuzz.h"
#include "wql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct cim_class *class =
        cim_schema_class("root/virtualization/v2", "Msvm_ComputerSystem");
    CLEANUP(free_cleanup) char *text = fuzz_text(data, size);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *row =
        cim_instance_new("root/virtualization/v2", "Msvm_ComputerSystem");
    struct err err = ERR_INIT;
    CLEANUP(wql_cleanup) struct wql_query *query = text ? wql_parse(text, &err) : NULL;

    if (!query || !row || query->kind != WQL_SELECT || !wql_check(query, class, &err) ||
        !cim_set_text(row, "Name", "a", &err) ||
        !cim_set_uint(row, "EnabledState", CIM_UINT16, 2, &err))
        return 0;
    wql_matches(query, row, class);
    cim_instance_free(wql_equalities(query, class, &err));
    return 0;
}

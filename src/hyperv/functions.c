/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of cards that have a GPU on them. */

#include <string.h>

#include "inventory-parts.h"
#include "text.h"

bool hv_same_card(const char *location_path, const char *other)
{
    size_t len = location_path ? strlen(location_path) : 0;

    /* "...#PCI(ddff)": the function is the two digits before the last ')'. */
    return len > 3 && other && strlen(other) == len && location_path[len - 1] == ')' &&
           other[len - 1] == ')' && text_istarts(location_path, "PCIROOT(") &&
           strncasecmp(location_path, other, len - 3) == 0;
}

/* The id without its bus: `PCI\...` and `PCIP\...` are the same device. */
static const char *without_bus(const char *id)
{
    const char *slash = id ? strchr(id, '\\') : NULL;

    return slash ? slash + 1 : id ? id : "";
}

const struct hv_function *hv_find_function(const struct hv_host *host,
                                           const char *instance_id)
{
    for (size_t i = 0; instance_id && i < host->function_count; i++)
        if (text_ieq(without_bus(host->functions[i].instance_id), without_bus(instance_id)))
            return &host->functions[i];
    return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a property list of the cluster API; what is read is written and read again. */
#include "cim.h"
#include "err.h"
#include "fuzz.h"
#include "property-list.h"
#include "strbuf.h"

static bool is_any(const char *name)
{
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf list = STRBUF_INIT;
    CLEANUP(cim_instance_cleanup) struct cim_instance *back = NULL;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *properties = property_list_read(data, size, &err);

    if (!properties)
        return 0;
    MUST(property_list_write(properties, is_any, &list, &err));
    back = property_list_read((const uint8_t *)list.text, list.len, &err);
    MUST(back && back->count == properties->count);
    for (size_t i = 0; i < back->count; i++)
        MUST(cim_value_equal(&back->properties[i].value, &properties->properties[i].value));
    return 0;
}

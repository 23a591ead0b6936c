/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIM-XML instances: what is read can be written, and stays the same from then on. */

#include "cim.h"
#include "err.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *once, *twice;
    struct err err = ERR_INIT;
    struct cim_instance *instance = cim_xml_read(text, size, &err), *again, *copy;

    free(text);
    if (!instance) {
        MUST(err.kind != ERR_NONE && err.kind != ERR_INVALID);
        return 0;
    }
    copy = cim_instance_copy(instance);
    MUST(copy && copy->count == instance->count);
    for (size_t i = 0; i < copy->count; i++)
        MUST(cim_value_equal(&copy->properties[i].value, &instance->properties[i].value));
    once = cim_xml_write(instance, &err);
    MUST(once);
    again = cim_xml_read(once, strlen(once), &err);
    MUST(again && again->count == instance->count);
    twice = cim_xml_write(again, &err);
    MUST(twice && strcmp(once, twice) == 0);
    cim_instance_free(copy);
    cim_instance_free(again);
    cim_instance_free(instance);
    free(once);
    free(twice);
    return 0;
}

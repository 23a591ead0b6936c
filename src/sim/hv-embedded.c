/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Setting data as a client sends it: CIM-XML text, checked as hard as a host does.
 */
#include "hv-settings.h"
#include <string.h>

#include "err.h"
#include "text.h"

/* Named entities: go-wsman embedded_escape_test.go, measured on a host; numeric ones
 * are right. */
static uint32_t check_entities(const char *text)
{
    for (const char *c = text; (c = strchr(c, '&')); c++) {
        if (c[1] == '#')
            continue;
        if (text_istarts(c, "&amp;"))
            return HV_FAILED;
        return HV_INVALID_PARAMETER; /* &lt; is measured, the others are like it */
    }
    return 0;
}

static bool is_cim_datetime(const char *text, size_t len)
{
    if (len != 25 || text[14] != '.' || !strchr(":+-", text[21]))
        return false;
    for (size_t i = 0; i < 25; i++)
        if (i != 14 && i != 21 && (text[i] < '0' || text[i] > '9') && text[i] != '*')
            return false;
    return true;
}

/* The parser takes ISO 8601 too, a host does not: ErrorCode 32768 (measured: go-wsman). */
static uint32_t check_datetimes(const char *text)
{
    const char *c = text;

    while ((c = text_istr(c, "TYPE=\"datetime\""))) {
        const char *end = text_istr(c, "</PROPERTY"), *value = text_istr(c, "<VALUE>");

        if (value && end && value < end) {
            const char *stop = strchr(value + 7, '<');

            if (!stop || !is_cim_datetime(value + 7, (size_t)(stop - value - 7)))
                return HV_FAILED;
        }
        c += 4;
    }
    return 0;
}

static uint32_t check_types(const struct cim_instance *instance,
                            const struct cim_class *class)
{
    for (size_t i = 0; i < instance->count; i++) {
        const struct cim_property *p = &instance->properties[i];
        const struct cim_class_property *known = cim_schema_property(class, p->name);

        if (!known)
            return HV_INVALID_PARAMETER;
        /* HostResource as a scalar: 32773; a wrong TYPE: 32768 (go-wsman, both measured). */
        if (known->is_array != p->value.is_array)
            return HV_INVALID_PARAMETER;
        if (known->type != p->value.type)
            return HV_FAILED;
    }
    return 0;
}

uint32_t hv_read_setting(const char *text, struct cim_instance **ret,
                         const struct cim_class **ret_class)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = NULL;
    const struct cim_class *class;
    struct err err = ERR_INIT;
    uint32_t error = check_entities(text);

    if (!error)
        error = check_datetimes(text);
    if (error)
        return error;
    instance = cim_xml_read(text, strlen(text), &err);
    class = instance ? cim_schema_class(HV_NS, instance->class_name) : NULL;
    if (!class)
        return HV_INVALID_PARAMETER;
    error = check_types(instance, class);
    if (error)
        return error;
    *ret = TAKE(instance);
    *ret_class = class;
    return 0;
}

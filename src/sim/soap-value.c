/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values in requests: parameters of methods, properties of Put.  Strict, as real hosts
 * are: what does not fit the schema is SchemaValidationError. */
#include <string.h>

#include "err.h"
#include "soap.h"
#include "text.h"

static bool invalid(struct sim_fault *fault, const xmlNode *node, const char *why)
{
    return sim_refuse(
        fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
        "The SOAP XML in the message does not match the corresponding XML schema "
        "definition: %.100s: %s",
        (const char *)node->name, why);
}

static bool is_nil(const xmlNode *node)
{
    CLEANUP(free_cleanup) char *nil = soap_attribute(node, NS_XSI, "nil");

    return nil && (strcmp(nil, "true") == 0 || strcmp(nil, "1") == 0);
}

/* A REF parameter is the endpoint reference itself; an a:EndpointReference within is
 * refused (r4sd/go-wsman epr.go, libvirt hyperv_wmi.c). */
static bool add_reference(const xmlNode *node, struct cim_value *value,
                          struct sim_fault *fault)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    union cim_datum *grown;

    if (soap_child(node, NS_ADDRESSING, "EndpointReference"))
        return invalid(fault, node,
                       "a reference stands directly in the parameter's element");
    if (!soap_reference(node, &path, fault))
        return false;
    grown = realloc(value->data, (value->count + 1) * sizeof(*grown));
    if (!grown)
        return invalid(fault, node, "not enough memory");
    value->data = grown;
    value->data[value->count++].path = TAKE(path);
    value->is_null = false;
    return true;
}

/* <p:X><cim:Datetime>…</cim:Datetime></p:X>, and the text alone. */
static const xmlNode *text_holder(const xmlNode *node, enum cim_type type)
{
    const xmlNode *child = soap_first(node);

    if (type == CIM_DATETIME && child && !soap_next(child) &&
        (soap_is(child, NS_CIM, "Datetime") || soap_is(child, NS_CIM, "Interval") ||
         soap_is(child, NS_CIM, "CIM_DateTime") || soap_is(child, NS_CIM, "Date")))
        return child;
    return node;
}

static bool add_text(const xmlNode *node, struct cim_value *value, struct sim_fault *fault)
{
    const xmlNode *holder = text_holder(node, value->type);
    CLEANUP(free_cleanup) char *text = NULL;
    char why[ERR_TEXT];
    struct err err = ERR_INIT;

    /* Embedded instances go as CIM-XML text; the WS-CIM element form is refused
     * (measured by r4sd/go-wsman). */
    if (soap_first(holder))
        return invalid(fault, node, "elements where text belongs");
    text = soap_text(holder);
    if (!text)
        return invalid(fault, node, "not enough memory");
    if (cim_value_add_text(value, text, &err))
        return true;
    err_format(&err, why, sizeof(why));
    return invalid(fault, node, why);
}

static bool add_element(const xmlNode *node, struct cim_value *value,
                        struct sim_fault *fault)
{
    if (value->count > 0 && !value->is_array)
        return invalid(fault, node, "not an array, yet given more than once");
    if (value->type == CIM_OBJECT)
        return invalid(fault, node, "embedded objects as elements are not simulated");
    if (value->type == CIM_REFERENCE)
        return add_reference(node, value, fault);
    return add_text(node, value, fault);
}

bool soap_value(const xmlNode *parent, const char *ns, const char *name,
                struct cim_value *ret, struct sim_fault *fault)
{
    for (xmlNode *node = soap_first(parent); node; node = soap_next(node)) {
        if (strcmp((const char *)node->name, name) != 0 ||
            !text_ieq(node->ns ? (const char *)node->ns->href : "", ns))
            continue;
        if (is_nil(node) && !soap_first(node))
            continue;
        if (!add_element(node, ret, fault)) {
            cim_value_clear(ret);
            return false;
        }
    }
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers: envelopes, instances, references, faults.  The shapes are those of recorded
 * answers (r4sd/go-wsman hyperv/testdata, jborean93/pypsrp tests/tests_pypsrp/responses). */
#include <string.h>

#include "host.h"
#include "os.h"
#include "fault-text.h"
#include "soap.h"
#include "text.h"
#include "xml.h"

static void put_message_id(struct strbuf *to)
{
    char guid[37];

    os_guid(guid);
    strbuf_printf(to, "<a:MessageID>uuid:%s</a:MessageID>", guid);
}

void soap_open(struct strbuf *to, const char *locale, const char *action,
               const char *relates_to, const char *extra)
{
    strbuf_printf(to,
                  "<s:Envelope xml:lang=\"%s\" xmlns:s=\"" NS_SOAP
                  "\" xmlns:a=\"" NS_ADDRESSING "\" xmlns:x=\"" NS_TRANSFER
                  "\" xmlns:n=\"" NS_ENUMERATION "\" xmlns:w=\"" NS_WSMAN
                  "\"%s><s:Header><a:Action>",
                  locale, extra);
    xml_put_text(to, action);
    strbuf_puts(to, "</a:Action>");
    put_message_id(to);
    strbuf_puts(to, "<a:To>" ANONYMOUS "</a:To>");
    if (relates_to) {
        strbuf_puts(to, "<a:RelatesTo>");
        xml_put_text(to, relates_to);
        strbuf_puts(to, "</a:RelatesTo>");
    }
    strbuf_puts(to, "</s:Header><s:Body>");
}

void soap_close(struct strbuf *to)
{
    strbuf_puts(to, "</s:Body></s:Envelope>");
}

void soap_put_class_uri(struct strbuf *to, const char *ns, const char *class_name)
{
    strbuf_puts(to, WMI_PREFIX);
    for (const char *c = ns; *c; c++)
        strbuf_putc(to, *c == '\\' ? '/' : *c);
    strbuf_putc(to, '/');
    strbuf_puts(to, class_name);
}

static void put_selector(struct strbuf *to, const struct cim_property *key)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    strbuf_puts(to, "<w:Selector Name=\"");
    xml_put_text(to, key->name);
    strbuf_puts(to, "\">");
    if (key->value.type == CIM_REFERENCE && key->value.count == 1) {
        strbuf_puts(to, "<a:EndpointReference>");
        soap_put_epr(to, key->value.data->path);
        strbuf_puts(to, "</a:EndpointReference>");
    } else if (key->value.count == 1) {
        cim_value_put_text(&key->value, 0, &text);
        xml_put_text(to, text.text ? text.text : "");
    }
    strbuf_puts(to, "</w:Selector>");
}

void soap_put_epr(struct strbuf *to, const struct cim_path *path)
{
    strbuf_puts(to, "<a:Address>" ANONYMOUS
                    "</a:Address><a:ReferenceParameters><w:ResourceURI>");
    soap_put_class_uri(to, path->ns ? path->ns : "root/cimv2", path->class_name);
    strbuf_puts(to, "</w:ResourceURI><w:SelectorSet>");
    for (size_t i = 0; i < path->count; i++)
        put_selector(to, &path->keys[i]);
    strbuf_puts(to, "</w:SelectorSet></a:ReferenceParameters>");
}

/* ---- values ---- */

/* Intervals as P0DT0H5M0S and times as ...Z, with cim: or, in fragments, without. */
static void put_datetime(struct strbuf *to, const char *prefix,
                         const struct cim_datetime *time)
{
    const char *cim = *prefix ? "cim:" : "";
    const char *name = time->interval ? "Interval" : "Datetime";
    char text[40];

    cim_datetime_to_iso(time, text);
    strbuf_printf(to, "<%s%s>%s</%s%s>", cim, name, text, cim, name);
}

static void put_properties(struct strbuf *to, const struct cim_instance *instance,
                           const struct cim_class *class, unsigned build,
                           const char *prefix, char *const *columns, size_t column_count);

static void put_object(struct strbuf *to, const struct cim_instance *object,
                       const char *default_ns)
{
    const struct cim_class *class =
        cim_schema_class(object->ns ? object->ns : default_ns, object->class_name);

    if (class)
        put_properties(to, object, class, ~0u, "p:", NULL, 0);
}

static void put_datum(struct strbuf *to, const char *prefix, const struct cim_value *value,
                      size_t i, const char *default_ns)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    switch (value->type) {
    case CIM_DATETIME:
        put_datetime(to, prefix, &value->data[i].datetime);
        return;
    case CIM_REFERENCE:
        soap_put_epr(to, value->data[i].path);
        return;
    case CIM_OBJECT:
        put_object(to, value->data[i].object, default_ns);
        return;
    default:
        cim_value_put_text(value, i, &text);
    }
    to->failed |= text.failed;
    /* Characters that XML cannot carry: real hosts replace or fail; we never send them
     * changed silently, so the whole answer fails. */
    xml_put_text(to, text.text ? text.text : "");
}

static bool is_nothing(const struct cim_value *value, size_t i)
{
    return (value->type == CIM_STRING && !value->data[i].text) ||
           (value->type == CIM_REFERENCE && !value->data[i].path) ||
           (value->type == CIM_OBJECT && !value->data[i].object);
}

/* These are the most of what a simulator writes: no format strings here. */
static void put_tag(struct strbuf *to, const char *begin, const char *prefix,
                    const char *name)
{
    strbuf_puts(to, begin);
    strbuf_puts(to, prefix);
    strbuf_puts(to, name);
}

static void put_nil(struct strbuf *to, const char *prefix, const char *name)
{
    put_tag(to, "<", prefix, name);
    strbuf_puts(to, " xsi:nil=\"true\"/>");
}

void soap_put_value(struct strbuf *to, const char *prefix, const char *name,
                    const struct cim_value *value, const char *default_ns)
{
    /* An empty array cannot be told from null on this wire. */
    if (!value || value->is_null || value->count == 0) {
        put_nil(to, prefix, name);
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (is_nothing(value, i)) {
            put_nil(to, prefix, name);
            continue;
        }
        put_tag(to, "<", prefix, name);
        if (value->type == CIM_REFERENCE)
            strbuf_puts(to, " xmlns:a=\"" NS_ADDRESSING "\" xmlns:w=\"" NS_WSMAN "\"");
        if (value->type == CIM_OBJECT) {
            strbuf_puts(to, " xmlns:p=\"");
            soap_put_class_uri(
                to, value->data[i].object->ns ? value->data[i].object->ns : default_ns,
                value->data[i].object->class_name);
            strbuf_printf(to, "\" xsi:type=\"p:%s_Type\"",
                          value->data[i].object->class_name);
        }
        strbuf_putc(to, '>');
        put_datum(to, prefix, value, i, default_ns);
        put_tag(to, "</", prefix, name);
        strbuf_putc(to, '>');
    }
}

/* ---- instances ---- */

static bool is_column(const char *name, char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_ieq(columns[i], name))
            return true;
    return count == 0;
}

/* Properties that only the instance has: MSCluster_Property declares none and carries those
 * of the cluster object it belongs to (microsoft/wmi server23h2 MSCluster_Property.go; each
 * Get-WmiObject script that reads PrivateProperties.VmID). */
static void put_dynamic(struct strbuf *to, const struct cim_instance *instance,
                        const struct cim_class *class, const char *prefix,
                        size_t column_count)
{
    for (size_t i = 0; column_count == 0 && i < instance->count; i++)
        if (!cim_schema_property(class, instance->properties[i].name))
            soap_put_value(to, prefix, instance->properties[i].name,
                           &instance->properties[i].value, class->ns);
}

/* In the order of the names, as recorded from real hosts, which is that of the class
 * table. */
static void put_properties(struct strbuf *to, const struct cim_instance *instance,
                           const struct cim_class *class, unsigned build,
                           const char *prefix, char *const *columns, size_t column_count)
{
    const struct cim_value **values = calloc(class->property_count + 1, sizeof(*values));

    if (!values) {
        to->failed = true;
        return;
    }
    for (size_t i = 0; i < instance->count; i++) {
        const struct cim_class_property *p =
            cim_schema_property(class, instance->properties[i].name);

        if (p)
            values[p - class->properties] = &instance->properties[i].value;
    }
    for (size_t i = 0; i < class->property_count; i++) {
        const struct cim_class_property *p = &class->properties[i];

        if (p->first_build <= build && is_column(p->name, columns, column_count))
            soap_put_value(to, prefix, p->name, values[i], class->ns);
    }
    free(values);
    put_dynamic(to, instance, class, prefix, column_count);
}

void soap_put_instance(struct strbuf *to, const struct cim_instance *instance,
                       const struct cim_class *class, unsigned build)
{
    strbuf_printf(to, "<p:%s xmlns:xsi=\"" NS_XSI "\" xmlns:p=\"", class->name);
    soap_put_class_uri(to, class->ns, class->name);
    strbuf_printf(to, "\" xmlns:cim=\"" NS_CIM "\" xsi:type=\"p:%s_Type\">", class->name);
    put_properties(to, instance, class, build, "p:", NULL, 0);
    strbuf_printf(to, "</p:%s>", class->name);
}

void soap_put_fragment(struct strbuf *to, const struct cim_instance *instance,
                       const struct cim_class *class, unsigned build, char *const *columns,
                       size_t column_count)
{
    strbuf_puts(to, "<w:XmlFragment xmlns:xsi=\"" NS_XSI "\">");
    put_properties(to, instance, class, build, "", columns, column_count);
    strbuf_puts(to, "</w:XmlFragment>");
}

/* ---- faults ---- */

static const char *detail_of(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *detail;
    } details[] = { { CODE_UNEXPECTED_SELECTORS, "UnexpectedSelectors" },
                    { CODE_INSUFFICIENT_SELECTORS, "InsufficientSelectors" },
                    { CODE_INVALID_RESOURCE_URI, "InvalidResourceURI" },
                    { CODE_INVALID_PARAMETER, "InvalidValue" },
                    { CODE_MAX_ENVELOPE_SIZE, "MaxEnvelopeSize" },
                    { CODE_ENVELOPE_EXCEEDED, "MaxEnvelopeSizeExceeded" } };

    for (size_t i = 0; i < ARRAY_LEN(details); i++)
        if (details[i].code == code)
            return details[i].detail;
    return NULL;
}

/* Recorded: header faults carry the addressing action, all others WS-Management's. */
static const char *fault_action(const char *subcode)
{
    if (text_istarts(subcode, "a:") && strcmp(subcode, "a:DestinationUnreachable") != 0)
        return NS_ADDRESSING "/fault";
    if (text_istarts(subcode, "n:"))
        return NS_ENUMERATION "/fault";
    return "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";
}

static bool is_receiver(const char *subcode)
{
    return strcmp(subcode, "w:InternalError") == 0 || strcmp(subcode, "w:TimedOut") == 0 ||
           strcmp(subcode, "a:EndpointUnavailable") == 0;
}

static void put_wsman_fault(struct strbuf *to, const struct sim_host *host,
                            const struct sim_fault *fault, const char *text)
{
    /* What WMI itself refused comes as a fault of the WMI provider. */
    bool is_wmi = fault->code >> 12 == 0x80041 || fault->code >> 12 == 0x80044;

    strbuf_printf(to, "<f:WSManFault xmlns:f=\"" NS_FAULT "\" Code=\"%u\" Machine=\"",
                  fault->code);
    xml_put_text(to, host->name);
    strbuf_puts(to, "\"><f:Message>");
    if (is_wmi) {
        strbuf_printf(to,
                      "<f:ProviderFault provider=\"WMI Provider\" "
                      "path=\"%%systemroot%%\\system32\\WsmWmiPl.dll\"><f:WSManFault "
                      "xmlns:f=\"" NS_FAULT "\" Code=\"%u\" Machine=\"",
                      fault->code);
        xml_put_text(to, host->name);
        strbuf_puts(to, "\"><f:Message>");
    }
    xml_put_text(to, text);
    if (is_wmi)
        strbuf_printf(to, " HRESULT = 0x%08x</f:Message></f:WSManFault></f:ProviderFault>",
                      fault->code);
    strbuf_puts(to, "</f:Message></f:WSManFault>");
}

void soap_put_fault(struct strbuf *to, const struct sim_host *host, const char *relates_to,
                    const struct sim_fault *fault)
{
    const char *detail = detail_of(fault->code);
    const char *local = fault_text_in(host->locale, fault->code);
    const char *text = local ? local : fault->text;

    soap_open(to, host->locale, fault_action(fault->subcode), relates_to, "");
    strbuf_puts(to, "<s:Fault><s:Code>");
    if (strcmp(fault->subcode, "s:MustUnderstand") == 0)
        strbuf_puts(to, "<s:Value>s:MustUnderstand</s:Value>");
    else
        strbuf_printf(
            to, "<s:Value>%s</s:Value><s:Subcode><s:Value>%s</s:Value></s:Subcode>",
            is_receiver(fault->subcode) ? "s:Receiver" : "s:Sender", fault->subcode);
    strbuf_puts(to, "</s:Code><s:Reason><s:Text xml:lang=\"");
    xml_put_text(to, local ? host->locale : "en-US");
    strbuf_puts(to, "\">");
    xml_put_text(to, text);
    strbuf_puts(to, "</s:Text></s:Reason><s:Detail>");
    if (detail)
        strbuf_printf(to, "<w:FaultDetail>" FAULT_DETAIL "%s</w:FaultDetail>", detail);
    put_wsman_fault(to, host, fault, text);
    strbuf_puts(to, "</s:Detail></s:Fault>");
    soap_close(to);
}

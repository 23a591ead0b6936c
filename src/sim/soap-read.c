/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: bytes to headers, selectors and a body.  Bounded by libxml2's own limits (256
 * levels, 10 MB per text) and by the size of what the HTTP side lets in. */
#include "soap.h"

#include <string.h>

#include <libxml/parser.h>

#include "err.h"
#include "text.h"

/* ---- nodes ---- */

bool soap_is(const xmlNode *node, const char *ns, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE &&
           strcmp((const char *)node->name, name) == 0 &&
           strcmp(node->ns ? (const char *)node->ns->href : "", ns) == 0;
}

xmlNode *soap_first(const xmlNode *parent)
{
    xmlNode *node = parent ? parent->children : NULL;

    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

xmlNode *soap_next(const xmlNode *node)
{
    xmlNode *next = node->next;

    while (next && next->type != XML_ELEMENT_NODE)
        next = next->next;
    return next;
}

xmlNode *soap_child(const xmlNode *parent, const char *ns, const char *name)
{
    xmlNode *node = soap_first(parent);

    while (node && !soap_is(node, ns, name))
        node = soap_next(node);
    return node;
}

char *soap_text(const xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent(node);
    char *copy = text_dup(content ? (const char *)content : "");

    xmlFree(content);
    return copy;
}

char *soap_attribute(const xmlNode *node, const char *ns, const char *name)
{
    xmlChar *value = ns ? xmlGetNsProp(node, (const xmlChar *)name, (const xmlChar *)ns)
                        : xmlGetNoNsProp(node, (const xmlChar *)name);
    char *copy = text_dup((const char *)value);

    xmlFree(value);
    return copy;
}

/* A URI or a number: white space around it does not count. */
static char *trimmed_text(const xmlNode *node)
{
    CLEANUP(free_cleanup) char *text = soap_text(node);
    const char *from = text;
    size_t len;

    if (!text)
        return NULL;
    from += strspn(from, " \t\r\n");
    len = strlen(from);
    while (len > 0 && strchr(" \t\r\n", from[len - 1]))
        len--;
    return text_ndup(from, len);
}

/* ---- names ---- */

bool soap_split_uri(const char *uri, char **ret_ns, char **ret_class)
{
    const char *rest, *slash;

    if (text_istarts(uri, DMTF_PREFIX)) {
        *ret_ns = text_dup("root/cimv2"); /* unless __cimnamespace says another */
        *ret_class = text_dup(uri + strlen(DMTF_PREFIX));
        return *ret_ns && *ret_class && **ret_class;
    }
    if (!text_istarts(uri, WMI_PREFIX))
        return false;
    rest = uri + strlen(WMI_PREFIX);
    slash = strrchr(rest, '/');
    if (!slash || slash == rest || !slash[1])
        return false;
    *ret_ns = text_ndup(rest, (size_t)(slash - rest));
    *ret_class = text_dup(slash + 1);
    return *ret_ns && *ret_class;
}

static bool out_of_memory(struct sim_fault *fault)
{
    return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
}

static bool add_key(struct cim_path *path, const struct cim_class *class,
                    const struct soap_named *selector, struct sim_fault *fault)
{
    const struct cim_class_property *known = cim_schema_property(class, selector->name);
    struct cim_value value;
    struct err err = ERR_INIT;
    bool ok;

    if (!known || !known->is_key)
        return sim_refuse(
            fault, "w:InvalidSelectors", CODE_UNEXPECTED_SELECTORS,
            "The WS-Management service cannot process the request because the "
            "request contained invalid selectors for the resource: %.80s",
            selector->name);
    if (selector->target)
        return cim_path_set_ref(path, known->name, selector->target, &err) ||
               out_of_memory(fault);
    value = (struct cim_value){ .type = known->type, .is_null = true };
    ok = cim_value_add_text(&value, selector->value, &err) &&
         cim_path_set_value(path, known->name, &value, &err);
    cim_value_clear(&value);
    return ok ||
           sim_refuse(fault, "w:InvalidSelectors", CODE_UNEXPECTED_SELECTORS,
                      "The value of selector %.80s does not fit its type", known->name);
}

bool soap_path(const char *ns, const char *class_name, const struct soap_named *selectors,
               size_t count, struct cim_path **ret, struct sim_fault *fault)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    const struct cim_class *class;

    for (size_t i = 0; i < count; i++)
        if (text_ieq(selectors[i].name, "__cimnamespace") && selectors[i].value)
            ns = selectors[i].value;
    class = cim_schema_class(ns, class_name);
    if (!class)
        return sim_refuse(
            fault, "a:DestinationUnreachable", CODE_INVALID_RESOURCE_URI,
            "The WS-Management service cannot process the request. There is no "
            "class %.120s in namespace %.120s.",
            class_name, ns);
    path = cim_path_new(class->ns, class->name);
    if (!path)
        return out_of_memory(fault);
    for (size_t i = 0; i < count; i++)
        if (!text_ieq(selectors[i].name, "__cimnamespace") &&
            !add_key(path, class, &selectors[i], fault))
            return false;
    *ret = TAKE(path);
    return true;
}

/* ---- selectors and options ---- */

static void clear_named(struct soap_named *named, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(named[i].name);
        free(named[i].value);
        cim_path_free(named[i].target);
    }
}

static bool read_selectors(const xmlNode *set, struct soap_named *named, size_t *count,
                           unsigned depth, struct sim_fault *fault);

static bool read_reference(const xmlNode *node, struct cim_path **ret, unsigned depth,
                           struct sim_fault *fault)
{
    xmlNode *parameters = soap_child(node, NS_ADDRESSING, "ReferenceParameters");
    xmlNode *uri_node = soap_child(parameters, NS_WSMAN, "ResourceURI");
    CLEANUP(free_cleanup) char *uri = uri_node ? trimmed_text(uri_node) : NULL;
    CLEANUP(free_cleanup) char *ns = NULL;
    CLEANUP(free_cleanup) char *class_name = NULL;
    struct soap_named named[SOAP_SELECTORS_MAX] = { 0 };
    size_t count = 0;
    bool ok;

    if (!uri || !soap_split_uri(uri, &ns, &class_name))
        return sim_refuse(
            fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
            "An endpoint reference has a:ReferenceParameters with a w:ResourceURI "
            "as its direct children");
    ok = read_selectors(soap_child(parameters, NS_WSMAN, "SelectorSet"), named, &count,
                        depth + 1, fault) &&
         soap_path(ns, class_name, named, count, ret, fault);
    clear_named(named, count);
    return ok;
}

bool soap_reference(const xmlNode *node, struct cim_path **ret, struct sim_fault *fault)
{
    return read_reference(node, ret, 0, fault);
}

static bool read_selectors(const xmlNode *set, struct soap_named *named, size_t *count,
                           unsigned depth, struct sim_fault *fault)
{
    for (xmlNode *node = soap_first(set); node; node = soap_next(node)) {
        xmlNode *nested = soap_child(node, NS_ADDRESSING, "EndpointReference");
        struct soap_named *to = &named[*count];

        if (!soap_is(node, NS_WSMAN, "Selector") || *count == SOAP_SELECTORS_MAX ||
            depth > 4)
            return sim_refuse(
                fault, "w:InvalidSelectors", CODE_INVALID_SELECTORS,
                "The WS-Management service cannot process the request because the "
                "selectors are malformed or too many");
        ++*count;
        to->name = soap_attribute(node, NULL, "Name");
        if (!to->name)
            return sim_refuse(fault, "w:InvalidSelectors", CODE_INVALID_SELECTORS,
                              "A selector has no Name");
        if (nested) {
            if (!read_reference(nested, &to->target, depth, fault))
                return false;
        } else {
            to->value = soap_text(node);
            if (!to->value)
                return out_of_memory(fault);
        }
    }
    return true;
}

static bool read_options(const xmlNode *set, struct soap_request *r,
                         struct sim_fault *fault)
{
    for (xmlNode *node = soap_first(set); node; node = soap_next(node)) {
        struct soap_named *to = &r->options[r->option_count];

        if (!soap_is(node, NS_WSMAN, "Option") || r->option_count == SOAP_OPTIONS_MAX)
            return sim_refuse(fault, "a:InvalidMessageInformationHeader",
                              CODE_INVALID_HEADER,
                              "The OptionSet is malformed or too long");
        r->option_count++;
        to->name = soap_attribute(node, NULL, "Name");
        to->value = soap_text(node);
        if (!to->name || !to->value)
            return sim_refuse(fault, "a:InvalidMessageInformationHeader",
                              CODE_INVALID_HEADER, "An option has no Name");
    }
    return true;
}

static const char *find_named(const struct soap_named *named, size_t count,
                              const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (text_ieq(named[i].name, name))
            return named[i].value;
    return NULL;
}

const char *soap_selector(const struct soap_request *request, const char *name)
{
    return find_named(request->selectors, request->selector_count, name);
}

const char *soap_option(const struct soap_request *request, const char *name)
{
    return find_named(request->options, request->option_count, name);
}

/* ---- headers ---- */

static bool bad_header(struct sim_fault *fault, const char *name)
{
    return sim_refuse(
        fault, "a:InvalidMessageInformationHeader", CODE_INVALID_HEADER,
        "The WS-Management service cannot process the request. The header %s is "
        "invalid.",
        name);
}

static bool header_text(const xmlNode *node, char **ret, struct sim_fault *fault)
{
    if (*ret)
        return bad_header(fault, (const char *)node->name); /* said twice */
    *ret = trimmed_text(node);
    return *ret || out_of_memory(fault);
}

static bool read_envelope_size(const xmlNode *node, struct soap_request *r,
                               struct sim_fault *fault)
{
    CLEANUP(free_cleanup) char *text = trimmed_text(node);
    uint64_t bytes;

    if (!text || !text_to_u64(text, 10, &bytes) || bytes > UINT32_MAX)
        return bad_header(fault, "MaxEnvelopeSize");
    /* DSP0226 R13.1-3: less than 8192 may be refused, and Windows does. */
    if (bytes < 8192)
        return sim_refuse(
            fault, "w:EncodingLimit", CODE_MAX_ENVELOPE_SIZE,
            "The WS-Management service cannot process the request because the "
            "MaxEnvelopeSize of %u bytes is too small.",
            (unsigned)bytes);
    r->max_envelope_bytes = (uint32_t)bytes;
    return true;
}

static bool read_timeout(const xmlNode *node, struct soap_request *r,
                         struct sim_fault *fault)
{
    CLEANUP(free_cleanup) char *text = trimmed_text(node);
    struct cim_datetime duration;
    struct err ignored = ERR_INIT;

    if (!text || text[0] != 'P' || !cim_datetime_parse(text, &duration, &ignored) ||
        !duration.interval || duration.usec <= 0)
        return bad_header(fault, "OperationTimeout");
    r->timeout_ms =
        duration.usec / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(duration.usec / 1000);
    return true;
}

static bool is_anonymous(const xmlNode *reply_to)
{
    xmlNode *address = soap_child(reply_to, NS_ADDRESSING, "Address");
    CLEANUP(free_cleanup) char *text = address ? trimmed_text(address) : NULL;

    return text && strcmp(text, ANONYMOUS) == 0;
}

/* Without the s: prefix it is accepted too (pywinrm sends it so, and Windows takes it). */
static bool must_understand(const xmlNode *node)
{
    CLEANUP(free_cleanup) char *value = soap_attribute(node, NS_SOAP, "mustUnderstand");

    if (!value)
        value = soap_attribute(node, NULL, "mustUnderstand");
    return value && (strcmp(value, "1") == 0 || text_ieq(value, "true"));
}

static bool read_header(const xmlNode *node, struct soap_request *r,
                        struct sim_fault *fault)
{
    if (soap_is(node, NS_ADDRESSING, "Action"))
        return header_text(node, &r->action, fault);
    if (soap_is(node, NS_ADDRESSING, "MessageID"))
        return header_text(node, &r->message_id, fault);
    if (soap_is(node, NS_WSMAN, "ResourceURI"))
        return header_text(node, &r->resource_uri, fault);
    if (soap_is(node, NS_ADDRESSING, "ReplyTo"))
        return is_anonymous(node) || bad_header(fault, "ReplyTo");
    if (soap_is(node, NS_WSMAN, "SelectorSet"))
        return read_selectors(node, r->selectors, &r->selector_count, 0, fault);
    if (soap_is(node, NS_WSMAN, "OptionSet"))
        return read_options(node, r, fault);
    if (soap_is(node, NS_WSMAN, "MaxEnvelopeSize"))
        return read_envelope_size(node, r, fault);
    if (soap_is(node, NS_WSMAN, "OperationTimeout"))
        return read_timeout(node, r, fault);
    if (soap_is(node, NS_ADDRESSING, "To") || soap_is(node, NS_ADDRESSING, "From") ||
        soap_is(node, NS_ADDRESSING, "FaultTo") ||
        soap_is(node, NS_WSMAN, "FragmentTransfer"))
        return !soap_is(node, NS_WSMAN, "FragmentTransfer") ||
               sim_refuse(fault, "w:UnsupportedFeature", 0x80338042u,
                          "Fragment transfer is not simulated");
    /* Everything else may be passed over, unless the client insists.  Locale with
     * mustUnderstand is refused by real hosts as well. */
    if (must_understand(node) && !soap_is(node, NS_MS_WSMAN, "SessionId") &&
        !soap_is(node, NS_MS_WSMAN, "OperationID") &&
        !soap_is(node, NS_MS_WSMAN, "SequenceId"))
        return sim_refuse(
            fault, "s:MustUnderstand", CODE_MUST_UNDERSTAND,
            "The WS-Management service cannot process the request. The header "
            "%.80s is not understood.",
            (const char *)node->name);
    return true;
}

static bool read_headers(const xmlNode *header, struct soap_request *r,
                         struct sim_fault *fault)
{
    for (xmlNode *node = soap_first(header); node; node = soap_next(node))
        if (!read_header(node, r, fault))
            return false;
    if (r->is_identify)
        return true;
    if (!r->action || !r->message_id || !r->resource_uri ||
        !soap_child(header, NS_ADDRESSING, "To") ||
        !soap_child(header, NS_ADDRESSING, "ReplyTo"))
        return sim_refuse(
            fault, "a:MessageInformationHeaderRequired", CODE_HEADER_REQUIRED,
            "The WS-Management service cannot process the request. The request "
            "does not have all the expected SOAP headers.");
    soap_split_uri(r->resource_uri, &r->ns, &r->class_name);
    return true;
}

static bool has_doctype(const char *bytes, size_t len)
{
    return memmem(bytes, len, "<!DOCTYPE", 9) != NULL;
}

static bool read_document(const char *bytes, size_t len, const char *encoding,
                          struct soap_request *r, struct sim_fault *fault)
{
    const int flags =
        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;

    if (!has_doctype(bytes, len) && len <= 64 * 1024 * 1024)
        r->document = xmlReadMemory(bytes, (int)len, NULL, encoding, flags);
    if (!r->document || r->document->intSubset)
        return sim_refuse(
            fault, "w:SchemaValidationError", CODE_INVALID_XML,
            "The WS-Management service cannot process the request because the XML "
            "is invalid.");
    return true;
}

bool soap_read(const char *bytes, size_t len, const char *encoding,
               struct soap_request **ret, struct sim_fault *fault)
{
    struct soap_request *r = calloc(1, sizeof(*r));
    xmlNode *root, *body;

    *ret = r;
    if (!r)
        return out_of_memory(fault);
    if (!read_document(bytes, len, encoding, r, fault))
        return false;
    root = xmlDocGetRootElement(r->document);
    body = soap_child(root, NS_SOAP, "Body");
    if (!soap_is(root, NS_SOAP, "Envelope") || !body)
        return sim_refuse(
            fault, "a:InvalidMessageInformationHeader", CODE_INVALID_HEADER,
            "The WS-Management service cannot process the request. The SOAP packet "
            "that WS-Management received did not contain a valid Body element.");
    r->body = soap_first(body);
    r->is_identify = soap_is(r->body, NS_IDENTITY, "Identify");
    return read_headers(soap_child(root, NS_SOAP, "Header"), r, fault);
}

void soap_request_free(struct soap_request *r)
{
    if (!r)
        return;
    xmlFreeDoc(r->document);
    free(r->action);
    free(r->message_id);
    free(r->resource_uri);
    free(r->ns);
    free(r->class_name);
    clear_named(r->selectors, r->selector_count);
    clear_named(r->options, r->option_count);
    free(r);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WS-Management messages, the server's side: reading requests, writing answers.
 * Written from DSP0226/0227/0230 and MS-WSMV, and shaped like answers recorded from real
 * hosts (r4sd/go-wsman hyperv/testdata, jborean93/pypsrp tests).  Deliberately shares no
 * code with hvgpu's client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxml/tree.h>

#include "behaviour.h"
#include "strbuf.h"

#define NS_SOAP "http://www.w3.org/2003/05/soap-envelope"
#define NS_ADDRESSING "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define NS_ENUMERATION "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define NS_TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define NS_WSMAN "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define NS_MS_WSMAN "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
#define NS_BINDING "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"
#define NS_CIM "http://schemas.dmtf.org/wbem/wscim/1/common"
#define NS_FAULT "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
#define NS_SHELL "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
#define NS_IDENTITY "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
#define NS_XSI "http://www.w3.org/2001/XMLSchema-instance"
#define ANONYMOUS "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
#define WMI_PREFIX "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
#define DMTF_PREFIX "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define SHELL_CMD "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
#define CONFIG_URI "http://schemas.microsoft.com/wbem/wsman/1/config"
#define FAULT_DETAIL "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"

/* WSManFault codes (windows-docs-rs, Win32::System::RemoteManagement) and WMI's. */
enum sim_code {
    CODE_ACCESS_DENIED = 5,
    CODE_INVALID_PARAMETER = 87,
};
#define CODE_RESOURCE_NOT_FOUND 0x80338000u
#define CODE_UNSUPPORTED_TIMEOUT 0x8033800Cu
#define CODE_INVALID_HEADER 0x8033800Fu
#define CODE_MUST_UNDERSTAND 0x80338010u
#define CODE_HEADER_REQUIRED 0x80338011u
#define CODE_ACTION_NOT_SUPPORTED 0x80338013u
#define CODE_FILTERING_NOT_SUPPORTED 0x80338018u
#define CODE_FILTER_DIALECT 0x80338019u
#define CODE_CANNOT_PROCESS_FILTER 0x8033801Au
#define CODE_INVALID_CONTEXT 0x8033801Bu
#define CODE_TIMED_OUT 0x80338029u
#define CODE_INVALID_RESOURCE_URI 0x8033803Bu
#define CODE_INVALID_SELECTORS 0x8033803Du
#define CODE_QUOTA_LIMIT 0x8033803Fu
#define CODE_SCHEMA_VALIDATION 0x80338041u
#define CODE_INVALID_XML 0x80338043u
#define CODE_MAX_ENVELOPE_SIZE 0x80338047u
#define CODE_ENVELOPE_EXCEEDED 0x80338048u
#define CODE_INSUFFICIENT_SELECTORS 0x8033805Au
#define CODE_UNEXPECTED_SELECTORS 0x8033805Bu
#define CODE_NOT_A_SINGLETON 0x803380FAu
#define CODE_WQL_NEEDS_WILDCARD 0x803380FBu
#define CODE_TOO_MANY_SHELLS 0x803381A5u
#define CODE_TOO_MANY_OPERATIONS 0x803381A6u
#define CODE_WBEM_NOT_FOUND 0x80041002u
#define CODE_WBEM_INVALID_CLASS 0x80041010u
#define CODE_WBEM_INVALID_QUERY 0x80041017u
#define CODE_WBEM_NO_METHOD_PARAMS 0x8004102Fu
#define CODE_WBEM_METHOD_NOT_FOUND 0x80041055u

/* ---- reading (soap-read.c) ---- */

enum { SOAP_SELECTORS_MAX = 32, SOAP_OPTIONS_MAX = 32 };

struct soap_named {
    char *name;
    char *value;             /* text; NULL for a reference */
    struct cim_path *target; /* a selector that holds an endpoint reference */
};

struct soap_request {
    xmlDoc *document;
    char *action, *message_id, *resource_uri;
    /* From the resource URI; NULL when it names no CIM class.  class_name may be "*". */
    char *ns, *class_name;
    uint32_t max_envelope_bytes; /* 0: not said */
    uint32_t timeout_ms;         /* 0: not said */
    size_t selector_count;
    struct soap_named selectors[SOAP_SELECTORS_MAX];
    size_t option_count;
    struct soap_named options[SOAP_OPTIONS_MAX];
    xmlNode *body; /* the first element within Body; NULL: empty */
    bool is_identify;
};

/* Always hands out a request: what could be read of it is needed to answer the fault. */
bool soap_read(const char *bytes, size_t len, const char *encoding,
               struct soap_request **ret, struct sim_fault *fault);
void soap_request_free(struct soap_request *request); /* NULL is fine */
DEFINE_CLEANUP(soap_request_cleanup, struct soap_request *, soap_request_free)

const char *soap_selector(const struct soap_request *request, const char *name);
const char *soap_option(const struct soap_request *request, const char *name);

bool soap_is(const xmlNode *node, const char *ns, const char *name);
xmlNode *soap_child(const xmlNode *parent, const char *ns, const char *name); /* or NULL */
xmlNode *soap_first(const xmlNode *parent); /* first child element */
xmlNode *soap_next(const xmlNode *node);    /* next sibling element */
char *soap_text(const xmlNode *node);       /* owned; NULL: no memory */
char *soap_attribute(const xmlNode *node, const char *ns, const char *name); /* owned */

/* The class part of a resource URI; false: it names none. */
bool soap_split_uri(const char *uri, char **ret_ns, char **ret_class);
/* Selectors by the types of the class's properties; unknown names are
 * w:InvalidSelectors. */
bool soap_path(const char *ns, const char *class_name, const struct soap_named *selectors,
               size_t count, struct cim_path **ret, struct sim_fault *fault);
/* An endpoint reference whose parts are the children of @node. */
bool soap_reference(const xmlNode *node, struct cim_path **ret, struct sim_fault *fault);

/* Values (soap-value.c): the elements called @name in @ns below @parent, as one value of
 * the type that *ret already has. */
bool soap_value(const xmlNode *parent, const char *ns, const char *name,
                struct cim_value *ret, struct sim_fault *fault);

/* ---- writing (soap-write.c) ---- */

/* Envelope up to and with <s:Body>; @extra: further xmlns declarations, or "". */
void soap_open(struct strbuf *to, const char *locale, const char *action,
               const char *relates_to, const char *extra);
void soap_close(struct strbuf *to);

void soap_put_class_uri(struct strbuf *to, const char *ns, const char *class_name);
/* <a:EndpointReference> is the caller's; this puts Address and ReferenceParameters. */
void soap_put_epr(struct strbuf *to, const struct cim_path *path);
/* One property or parameter: elements or one nil; @prefix "p:" or "". */
void soap_put_value(struct strbuf *to, const char *prefix, const char *name,
                    const struct cim_value *value, const char *default_ns);
/* All of @instance's properties that a host of @build knows, nulls too. */
void soap_put_instance(struct strbuf *to, const struct cim_instance *instance,
                       const struct cim_class *class, unsigned build);
/* Only @columns, as w:XmlFragment with unqualified children. */
void soap_put_fragment(struct strbuf *to, const struct cim_instance *instance,
                       const struct cim_class *class, unsigned build, char *const *columns,
                       size_t column_count);
/* A whole envelope. */
void soap_put_fault(struct strbuf *to, const struct sim_host *host, const char *relates_to,
                    const struct sim_fault *fault);

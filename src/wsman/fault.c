/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SOAP faults to errors: one table of codes, one of subcodes. */

#include "fault.h"
#include <string.h>

#include "err.h"
#include "names.h"
#include "text.h"

#define ACCESS_HINT                                                                      \
    "the user must be in Administrators or Hyper-V Administrators of the host; a local " \
    "administrator needs LocalAccountTokenFilterPolicy=1 to keep the rights over the network"
#define QUOTA_HINT                                                                             \
    "close other programs that manage this host, or wait: what they left open ends by itself " \
    "after some minutes"

/* Numbers: Win32::System::RemoteManagement, WMI error constants. */
static const struct {
    uint32_t code;
    enum err_kind kind;
    const char *hint;
} codes[] = {
    { 5, ERR_DENIED, ACCESS_HINT },
    { 0x80070005, ERR_DENIED, ACCESS_HINT },
    { 0x80041003, ERR_DENIED, ACCESS_HINT },
    { 0x80338036, ERR_DENIED, "check user name and password" },
    { 87, ERR_INVALID, NULL },
    { 0x80070002, ERR_NOT_FOUND, NULL },
    { 0x80041002, ERR_NOT_FOUND, NULL },
    { 0x8004100E, ERR_NOT_FOUND,
      "this namespace does not exist on the host: the role or feature it belongs to is not "
      "installed" },
    { 0x80041010, ERR_NOT_FOUND, "this class does not exist in this version of Windows" },
    { 0x80041017, ERR_INVALID, NULL },
    { 0x8004102F, ERR_INVALID, NULL },
    { 0x80338000, ERR_NOT_FOUND, NULL },
    { 0x80338002, ERR_INVALID, NULL },
    { 0x80338006, ERR_CONFLICT, "another request is reading the same list: try again" },
    { 0x8033800F, ERR_INVALID, NULL },
    { 0x80338012, ERR_NOT_FOUND, NULL },
    { 0x8033801A, ERR_INVALID, NULL },
    { 0x8033801B, ERR_CONFLICT, "the host dropped the list while it was read: try again" },
    { 0x8033801C, ERR_CONFLICT, "the host dropped the list while it was read: try again" },
    { WSMAN_ENVELOPE_TOO_LARGE, ERR_REFUSED, "raise MaxEnvelopeSizekb on the host" },
    { WSMAN_TIMED_OUT, ERR_UNREACHABLE, "the host is busy: raise the time limit" },
    { WSMAN_ENCODING_LIMIT, ERR_REFUSED, NULL },
    { 0x8033803B, ERR_NOT_FOUND,
      "the class or namespace does not exist on the host: the role or feature it belongs to is "
      "not installed" },
    { 0x8033803F, ERR_CONFLICT, QUOTA_HINT },
    { WSMAN_ENVELOPE_TOO_SMALL, ERR_REFUSED, "raise MaxEnvelopeSizekb on the host" },
    { WSMAN_ENVELOPE_EXCEEDED, ERR_REFUSED, "raise MaxEnvelopeSizekb on the host" },
    { 0x8033805A, ERR_INVALID, NULL },
    { WSMAN_INVALID_SELECTORS, ERR_NOT_FOUND, NULL },
    { 0x803380FA, ERR_INVALID, NULL },
    { 0x803380FB, ERR_INVALID, NULL },
    { 0x803381A5, ERR_CONFLICT, QUOTA_HINT },
    { 0x803381A6, ERR_CONFLICT, QUOTA_HINT },
    { 0x803381A7, ERR_CONFLICT, QUOTA_HINT },
    { 0x803381A8, ERR_CONFLICT, QUOTA_HINT },
    { 0x803381AD, ERR_INVALID, NULL },
    { 0x80090322, ERR_DENIED,
      "the host has no Kerberos name like this one: use the name under which it joined the "
      "domain (setspn -L HOST shows its names)" },
};

/* For faults that carry no number.  DSP0226 14.6. */
static const struct {
    const char *subcode;
    enum err_kind kind;
    uint32_t code; /* the number Windows uses for it; 0: none */
    const char *hint;
} subcodes[] = {
    { "AccessDenied", ERR_DENIED, 5, ACCESS_HINT },
    { "ActionNotSupported", ERR_UNSUPPORTED, 0, NULL },
    { "AlreadyExists", ERR_CONFLICT, 0, NULL },
    { "CannotProcessFilter", ERR_INVALID, 0x8033801A, NULL },
    { "Concurrency", ERR_CONFLICT, 0, NULL },
    { "DestinationUnreachable", ERR_NOT_FOUND, 0x80338012, NULL },
    { "EncodingLimit", ERR_REFUSED, WSMAN_ENCODING_LIMIT, NULL },
    { "InvalidEnumerationContext", ERR_CONFLICT, 0x8033801B, NULL },
    { "InvalidMessageInformationHeader", ERR_INVALID, 0x8033800F, NULL },
    { "InvalidParameter", ERR_INVALID, 0, NULL },
    { "InvalidSelectors", ERR_NOT_FOUND, WSMAN_INVALID_SELECTORS, NULL },
    { "QuotaLimit", ERR_CONFLICT, 0x8033803F, QUOTA_HINT },
    { "SchemaValidationError", ERR_INVALID, 0, NULL },
    { "TimedOut", ERR_UNREACHABLE, WSMAN_TIMED_OUT, NULL },
    { "UnsupportedFeature", ERR_UNSUPPORTED, 0, NULL },
};

/* A number as Windows writes it: unsigned decimal; some write an HRESULT as negative. */
static bool parse_code(const char *text, uint32_t *ret)
{
    uint64_t u;
    int64_t s;

    if (text_to_u64(text, 10, &u) && u <= UINT32_MAX)
        *ret = (uint32_t)u;
    else if (text_to_i64(text, 10, &s) && s < 0 && s >= INT32_MIN)
        *ret = (uint32_t)(int32_t)s;
    else
        return false;
    return true;
}

void soap_fault_start(struct soap_fault *fault, const struct xml_element *e)
{
    const char *code;

    fault->present = true;
    if (!xml_is(e, NS_FAULT, "WSManFault"))
        return;
    code = xml_attr(e, "", "Code");
    /* Nested ones come later and are nearer to the cause. */
    if (code && !fault->code_is_wmi)
        (void)!parse_code(code, &fault->code);
}

/* MSFT_WmiError, and OMI_Error of other servers: "HRESULT 0x80041010" in MessageID. */
static void keep_wmi_error(struct soap_fault *fault, const struct xml_element *e)
{
    const char *number;
    uint64_t code;

    if (strcmp(e->name, "Message") == 0 && *e->text)
        text_put_line(fault->message, sizeof(fault->message), e->text);
    if (strcmp(e->name, "error_Code") == 0 && !fault->code)
        (void)!parse_code(e->text, &fault->code);
    if (strcmp(e->name, "MessageID") == 0) {
        number = text_istr(e->text, "HRESULT 0x");
        if (number && text_to_u64(number + 10, 16, &code) && code <= UINT32_MAX && code) {
            fault->code = (uint32_t)code;
            fault->code_is_wmi = true;
        }
    }
}

void soap_fault_end(struct soap_fault *fault, const struct xml_element *e)
{
    const char *colon = strchr(e->text, ':');

    if (xml_is(e, NS_SOAP, "Value")) {
        /* Code/Value comes first, then Subcode/Value, perhaps nested: the last counts. */
        text_put_line(fault->subcode, sizeof(fault->subcode), colon ? colon + 1 : e->text);
    } else if (xml_is(e, NS_SOAP, "Text")) {
        if (!fault->reason[0])
            text_put_line(fault->reason, sizeof(fault->reason), e->text);
    } else if (strcmp(e->ns, NS_FAULT) == 0) {
        /* Inner elements end first, so the first text is the innermost. */
        if (!fault->message[0])
            text_put_line(fault->message, sizeof(fault->message), e->text);
    } else if (text_iends(e->ns, "/MSFT_WmiError") || text_iends(e->ns, "/OMI_Error")) {
        keep_wmi_error(fault, e);
    }
}

bool soap_fault_to_err(const struct soap_fault *fault, struct err *err)
{
    const char *text = fault->message[0]  ? fault->message
                       : fault->reason[0] ? fault->reason
                                          : "no reason given";
    const char *hint = NULL;
    enum err_kind kind = ERR_REFUSED;
    uint32_t code = fault->code;
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(codes) && !known; i++) {
        if (codes[i].code == code) {
            known = true;
            kind = codes[i].kind;
            hint = codes[i].hint;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(subcodes) && !known; i++) {
        if (strcmp(subcodes[i].subcode, fault->subcode) == 0) {
            known = true;
            kind = subcodes[i].kind;
            hint = subcodes[i].hint;
            code = code ? code : subcodes[i].code;
        }
    }
    if (code)
        err_fail(err, kind, code, "%s (%s%s0x%X)", text, fault->subcode,
                 fault->subcode[0] ? ", " : "", (unsigned)code);
    else
        err_fail(err, kind, 0, "%s%s%s%s", text, fault->subcode[0] ? " (" : "",
                 fault->subcode, fault->subcode[0] ? ")" : "");
    if (hint)
        err_hint(err, "%s", hint);
    return false;
}

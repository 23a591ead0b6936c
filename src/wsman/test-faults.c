/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every fault that hosts are known to answer with (MS-WSMV 2.2.4.43, DSP0226 14.6, the
 * constants of Win32::System::RemoteManagement and of WMI), in every layout they have:
 * what it is for the user, and that its number is kept.
 */

#include <stdio.h>

#include "answer.h"
#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

#define FAULT_NS "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"

/* Reads "<s:Fault>" with that code, subcode and detail. */
static struct err read_fault(const char *subcode, const char *detail)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    struct err err = ERR_INIT;

    strbuf_printf(
        &text,
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
        "xmlns:f=\"" FAULT_NS "\"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value>"
        "<s:Subcode><s:Value>%s</s:Value></s:Subcode></s:Code><s:Reason>"
        "<s:Text xml:lang=\"de-DE\">Grund</s:Text></s:Reason>%s</s:Fault></s:Body>"
        "</s:Envelope>",
        subcode, detail);
    CHECK(!answer_read_empty(&(struct soap_answer){ text.text, text.len, NULL }, &err));
    return err;
}

static const struct {
    uint32_t code;
    enum err_kind kind;
    const char *hint; /* a part of it; NULL: none is needed */
} numbers[] = {
    { 5, ERR_DENIED, "Hyper-V Administrators" },
    { 87, ERR_INVALID, NULL },
    { 0x80070002, ERR_NOT_FOUND, NULL },
    { 0x80070005, ERR_DENIED, "Hyper-V Administrators" },
    { 0x80338000, ERR_NOT_FOUND, NULL },
    { 0x80338002, ERR_INVALID, NULL },
    { 0x80338006, ERR_CONFLICT, "try again" },
    { 0x8033800F, ERR_INVALID, NULL },
    { 0x80338012, ERR_NOT_FOUND, NULL },
    { 0x8033801A, ERR_INVALID, NULL },
    { 0x8033801B, ERR_CONFLICT, "try again" },
    { 0x8033801C, ERR_CONFLICT, "try again" },
    { 0x80338026, ERR_REFUSED, "MaxEnvelopeSizekb" },
    { 0x80338029, ERR_UNREACHABLE, "time limit" },
    { 0x80338035, ERR_REFUSED, NULL },
    { 0x80338036, ERR_DENIED, "password" },
    { 0x8033803B, ERR_NOT_FOUND, "not installed" },
    { 0x8033803F, ERR_CONFLICT, "wait" },
    { 0x80338047, ERR_REFUSED, "MaxEnvelopeSizekb" },
    { 0x80338048, ERR_REFUSED, "MaxEnvelopeSizekb" },
    { 0x8033805A, ERR_INVALID, NULL },
    { 0x8033805B, ERR_NOT_FOUND, NULL },
    { 0x803380FA, ERR_INVALID, NULL },
    { 0x803380FB, ERR_INVALID, NULL },
    { 0x80338170, ERR_REFUSED, NULL },
    { 0x80338171, ERR_REFUSED, NULL },
    { 0x803381A5, ERR_CONFLICT, "wait" },
    { 0x803381A6, ERR_CONFLICT, "wait" },
    { 0x803381A7, ERR_CONFLICT, "wait" },
    { 0x803381A8, ERR_CONFLICT, "wait" },
    { 0x803381AD, ERR_INVALID, NULL },
    { 0x80041002, ERR_NOT_FOUND, NULL },
    { 0x80041003, ERR_DENIED, "Hyper-V Administrators" },
    { 0x8004100E, ERR_NOT_FOUND, "not installed" },
    { 0x80041010, ERR_NOT_FOUND, "version of Windows" },
    { 0x80041017, ERR_INVALID, NULL },
    { 0x8004102F, ERR_INVALID, NULL },
    { 0x80090322, ERR_DENIED, "setspn" },
    { 0x12345678, ERR_REFUSED, NULL }, /* nobody knows it */
};

static void check_number(size_t i, const struct err *err, const char *layout)
{
    char name[64];

    snprintf(name, sizeof(name), "0x%08X %s", (unsigned)numbers[i].code, layout);
    test_case(name);
    CHECK_EQ(err->kind, numbers[i].kind);
    CHECK_EQ(err->code, numbers[i].code);
    CHECK(!numbers[i].hint || strstr(err->hint, numbers[i].hint));
    CHECK(strstr(err->text[0], "the words")); /* the innermost ones are shown */
}

TEST(every_number_is_known_in_every_layout)
{
    static const char wmi[] =
        "<s:Detail><p:MSFT_WmiError xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding"
        ".xsd\" b:IsCIM_Error=\"true\" xmlns:p=\"http://schemas.dmtf.org/wbem/wscim/1/"
        "cim-schema/2/%s\"><p:CIMStatusCode>1</p:CIMStatusCode>"
        "<p:Message>the words</p:Message><p:MessageID>HRESULT 0x%08x</p:MessageID>"
        "<p:error_Code>1</p:error_Code></p:MSFT_WmiError></s:Detail>";

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        unsigned code = numbers[i].code;
        char detail[1024];
        struct err err;

        snprintf(detail, sizeof(detail),
                 "<s:Detail><f:WSManFault Code=\"%u\" Machine=\"H\"><f:Message>the words"
                 "</f:Message></f:WSManFault></s:Detail>",
                 code);
        err = read_fault("w:Something", detail);
        check_number(i, &err, "flat");

        snprintf(detail, sizeof(detail),
                 "<s:Detail><f:WSManFault Code=\"2150858752\" Machine=\"H\"><f:Message>"
                 "<f:ProviderFault provider=\"P\" path=\"x\"><f:WSManFault Code=\"%u\" "
                 "Machine=\"H\"><f:Message>the words</f:Message></f:WSManFault>"
                 "</f:ProviderFault></f:Message></f:WSManFault></s:Detail>",
                 code);
        err = read_fault("w:InternalError", detail);
        check_number(i, &err, "of a provider");

        snprintf(detail, sizeof(detail),
                 "<s:Detail><f:WSManFault Code=\"%d\"><f:Message>the words</f:Message>"
                 "</f:WSManFault></s:Detail>",
                 (int)code);
        err = read_fault("w:Something", detail);
        check_number(i, &err, "as a negative number");

        snprintf(detail, sizeof(detail), wmi, "MSFT_WmiError", code);
        err = read_fault("w:InternalError", detail);
        check_number(i, &err, "of WMI");
        snprintf(detail, sizeof(detail), wmi, "OMI_Error", code);
        err = read_fault("w:InternalError", detail);
        check_number(i, &err, "of OMI");
    }
}

TEST(every_subcode_is_known_without_a_number)
{
    static const struct {
        const char *subcode;
        enum err_kind kind;
        int64_t code;
    } cases[] = {
        { "w:AccessDenied", ERR_DENIED, 5 },
        { "w:TimedOut", ERR_UNREACHABLE, 0x80338029 },
        { "w:InternalError", ERR_REFUSED, 0 },
        { "w:QuotaLimit", ERR_CONFLICT, 0x8033803F },
        { "w:EncodingLimit", ERR_REFUSED, 0x80338035 },
        { "w:InvalidSelectors", ERR_NOT_FOUND, 0x8033805B },
        { "w:InvalidParameter", ERR_INVALID, 0 },
        { "w:SchemaValidationError", ERR_INVALID, 0 },
        { "w:UnsupportedFeature", ERR_UNSUPPORTED, 0 },
        { "w:CannotProcessFilter", ERR_INVALID, 0x8033801A },
        { "w:AlreadyExists", ERR_CONFLICT, 0 },
        { "w:Concurrency", ERR_CONFLICT, 0 },
        { "a:DestinationUnreachable", ERR_NOT_FOUND, 0x80338012 },
        { "a:ActionNotSupported", ERR_UNSUPPORTED, 0 },
        { "a:InvalidMessageInformationHeader", ERR_INVALID, 0x8033800F },
        { "n:InvalidEnumerationContext", ERR_CONFLICT, 0x8033801B },
        { "other:AccessDenied", ERR_DENIED, 5 }, /* prefixes are the server's own */
        { "AccessDenied", ERR_DENIED, 5 },
        { "w:SomethingNew", ERR_REFUSED, 0 },
        { "", ERR_REFUSED, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = read_fault(cases[i].subcode, "<s:Detail/>");

        test_case(cases[i].subcode);
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(err.code, cases[i].code);
        CHECK(strstr(err.text[0], "Grund"));
    }
}

TEST(a_number_counts_more_than_the_subcode)
{
    struct err err = read_fault("w:AccessDenied",
                                "<s:Detail><f:WSManFault Code=\"2150858811\"><f:Message>x"
                                "</f:Message></f:WSManFault></s:Detail>");

    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    /* ... but one that nobody knows does not. */
    err =
        read_fault("w:AccessDenied", "<s:Detail><f:WSManFault Code=\"305419896\">"
                                     "<f:Message>x</f:Message></f:WSManFault></s:Detail>");
    CHECK_EQ(err.kind, ERR_DENIED);
    CHECK_EQ(err.code, 0x12345678);
}

TEST(numbers_that_are_none_are_left_out)
{
    static const char *const codes[] = { "", "x", "99999999999", "-99999999999", "5 5" };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        char detail[256];
        struct err err;

        snprintf(detail, sizeof(detail), "<s:Detail><f:WSManFault Code=\"%s\"/></s:Detail>",
                 codes[i]);
        test_case(codes[i]);
        err = read_fault("w:Concurrency", detail);
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK_EQ(err.code, 0);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HRESULTs to errors. */

#include "wmi-error.h"

#include "err.h"
#include "test.h"

TEST(callers_see_the_same_kinds_as_over_ws_management)
{
    static const struct {
        uint32_t code;
        enum err_kind kind;
        bool has_hint;
    } cases[] = {
        { 0x80041002, ERR_NOT_FOUND, false },   { 0x80041003, ERR_DENIED, true },
        { 0x8004100E, ERR_NOT_FOUND, true },    { 0x80041010, ERR_NOT_FOUND, true },
        { 0x80041017, ERR_INVALID, false },     { 0x8004102F, ERR_INVALID, false },
        { 0x80070005, ERR_DENIED, true },       { 0x80041015, ERR_UNREACHABLE, true },
        { 0x80041069, ERR_UNREACHABLE, true },  { 0x800706BA, ERR_UNREACHABLE, true },
        { 0x80041024, ERR_UNSUPPORTED, false }, { 0x8004FFFF, ERR_REFUSED, false },
        { 0x8007000E, ERR_NO_MEMORY, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        char name[16];

        snprintf(name, sizeof(name), "0x%X", (unsigned)cases[i].code);
        test_case(name);
        SetErrorInfo(0, NULL);
        CHECK(!wmi_fail((HRESULT)cases[i].code, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(err.code, cases[i].code); /* positive, as WS-Management has it */
        CHECK_EQ(err.hint[0] != '\0', cases[i].has_hint);
        CHECK(strstr(err.text[0], name));
        CHECK(err.text[0][0] != ' ' && !strchr(err.text[0], '\n'));
    }
}

TEST(the_providers_words_are_kept_in_one_line_and_only_once)
{
    ICreateErrorInfo *made = NULL;
    IErrorInfo *info = NULL;
    struct err err = ERR_INIT;
    WCHAR text[700];

    wcscpy(text, L"  Nicht  m\x00f6glich:\r\n\tweil. \r\n");
    CHECK(SUCCEEDED(CreateErrorInfo(&made)));
    ICreateErrorInfo_SetDescription(made, text);
    ICreateErrorInfo_QueryInterface(made, &IID_IErrorInfo, (void **)(void *)&info);
    SetErrorInfo(0, info);
    CHECK(!wmi_fail((HRESULT)WBEM_E_FAILED, &err));
    CHECK_STR_EQ(err.text[0],
                 "the provider failed: Nicht m\xc3\xb6glich: weil (0x80041001)");
    CHECK(!wmi_fail((HRESULT)WBEM_E_FAILED, &err));
    CHECK_STR_EQ(err.text[0], "the provider failed (0x80041001)");
    /* However long: cut between letters. */
    for (size_t i = 0; i < 600; i++)
        text[i] = 0x6D4B;
    text[600] = 0;
    ICreateErrorInfo_SetDescription(made, text);
    SetErrorInfo(0, info);
    CHECK(!wmi_fail((HRESULT)WBEM_E_FAILED, &err));
    CHECK(strstr(err.text[0], "\xe6\xb5\x8b (0x80041001)"));
    IErrorInfo_Release(info);
    ICreateErrorInfo_Release(made);
}

TEST(a_lost_connection_is_told_from_a_refusal)
{
    CHECK(wmi_is_lost(RPC_E_DISCONNECTED));
    CHECK(wmi_is_lost((HRESULT)0x800706BA));
    CHECK(wmi_is_lost((HRESULT)WBEM_E_SHUTTING_DOWN));
    CHECK(!wmi_is_lost((HRESULT)WBEM_E_ACCESS_DENIED));
    CHECK(!wmi_is_lost((HRESULT)WBEM_E_TIMED_OUT));
}

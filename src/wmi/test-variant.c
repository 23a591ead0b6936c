/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values between VARIANT and CIM, both ways, every type. */

#include "variant.h"

#include <stdlib.h>

#include "bstr.h"
#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

static struct cim_instance *read_object(IUnknown *object, void *user, struct err *err)
{
    ++*(int *)user;
    return cim_instance_new(NULL, "Embedded");
}

static HRESULT WINAPI unknown_query(IUnknown *iface, REFIID iid, void **ret)
{
    return E_NOINTERFACE;
}
static LONG references;
static ULONG WINAPI unknown_add(IUnknown *iface)
{
    return (ULONG)++references;
}
static ULONG WINAPI unknown_release(IUnknown *iface)
{
    return (ULONG)--references;
}
static IUnknownVtbl unknown_table = { unknown_query, unknown_add, unknown_release };
static IUnknown unknown = { &unknown_table };

static IUnknown *write_object(const struct cim_instance *instance, void *user,
                              struct err *err)
{
    ++*(int *)user;
    references++;
    return &unknown;
}

static int calls;
static const struct variant_objects objects = { read_object, write_object, &calls };

static VARIANT of_i4(VARTYPE form, LONG value)
{
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = form;
    V_I8(&v) = 0;
    switch (form) {
    case VT_I1:
    case VT_UI1:
        V_UI1(&v) = (BYTE)value;
        break;
    case VT_I2:
    case VT_UI2:
    case VT_BOOL:
        V_I2(&v) = (SHORT)value;
        break;
    case VT_I8:
    case VT_UI8:
        V_I8(&v) = value;
        break;
    default:
        V_I4(&v) = value;
    }
    return v;
}

static VARIANT of_text(const WCHAR *text)
{
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = VT_BSTR;
    V_BSTR(&v) = SysAllocString(text);
    return v;
}

/* The value's elements as texts, joined by '|'; owned. */
static char *text_of(const struct cim_value *value)
{
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < value->count; i++) {
        if (i)
            strbuf_putc(&text, '|');
        cim_value_put_text(value, i, &text);
    }
    return strbuf_take(&text);
}

TEST(windows_numbers_of_types_are_known_both_ways)
{
    /* sdk-api wbemcli CIMTYPE_ENUMERATION, in the order of ours */
    static const CIMTYPE numbers[CIM_TYPE_COUNT] = { 11, 17, 18, 19,  21, 16,  2,   3,
                                                     20, 4,  5,  103, 8,  101, 102, 13 };
    enum cim_type type;
    bool is_array;

    for (int i = 0; i < CIM_TYPE_COUNT; i++) {
        test_case(cim_type_name((enum cim_type)i));
        CHECK_EQ(wmi_type_number((enum cim_type)i, false), numbers[i]);
        CHECK_EQ(wmi_type_number((enum cim_type)i, true), numbers[i] | 0x2000);
        CHECK(wmi_type_read(numbers[i] | 0x2000, &type, &is_array));
        CHECK(type == (enum cim_type)i && is_array);
        CHECK(wmi_type_read(numbers[i], &type, &is_array) && !is_array);
    }
    CHECK(!wmi_type_read(0, &type, &is_array));
    CHECK(!wmi_type_read(0xfff, &type, &is_array));
}

TEST(numbers_keep_their_value_whatever_automation_type_they_come_in)
{
    static const struct {
        enum cim_type type;
        VARTYPE form;
        LONG value;
        const char *want; /* NULL: refused */
    } cases[] = {
        { CIM_BOOLEAN, VT_BOOL, -1, "true" },
        { CIM_BOOLEAN, VT_BOOL, 0, "false" },
        { CIM_BOOLEAN, VT_I4, 1, "true" },
        { CIM_UINT8, VT_UI1, 200, "200" },
        { CIM_UINT8, VT_I4, 256, NULL },
        { CIM_UINT16, VT_I4, 65535, "65535" },
        { CIM_UINT16, VT_I2, -1, "65535" },
        { CIM_UINT16, VT_I4, 65536, NULL },
        { CIM_UINT32, VT_I4, -1, "4294967295" },
        { CIM_UINT32, VT_I4, INT32_MIN, "2147483648" },
        { CIM_UINT32, VT_UI4, -2, "4294967294" },
        { CIM_UINT64, VT_I4, 7, "7" },
        { CIM_UINT64, VT_UI8, 9, "9" },
        { CIM_SINT8, VT_I2, -128, "-128" },
        { CIM_SINT8, VT_I2, 128, NULL },
        { CIM_SINT16, VT_I2, -32768, "-32768" },
        { CIM_SINT16, VT_I4, 40000, NULL },
        { CIM_SINT32, VT_I4, -5, "-5" },
        { CIM_SINT64, VT_I8, -6, "-6" },
        { CIM_CHAR16, VT_I2, -1, "65535" },
        { CIM_CHAR16, VT_I2, 65, "65" },
        { CIM_REAL32, VT_I4, 3, "3" },
        { CIM_STRING, VT_I4, 3, NULL },
        { CIM_DATETIME, VT_I4, 3, NULL },
        { CIM_REFERENCE, VT_I2, 3, NULL },
        { CIM_OBJECT, VT_I4, 3, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        VARIANT v = of_i4(cases[i].form, cases[i].value);
        struct cim_value value;
        struct err err = ERR_INIT;
        char name[64], *text;
        bool ok;

        snprintf(name, sizeof(name), "%s from %u: %ld", cim_type_name(cases[i].type),
                 cases[i].form, cases[i].value);
        test_case(name);
        ok = wmi_value_read(&v, wmi_type_number(cases[i].type, false), &objects, &value,
                            &err);
        CHECK_EQ(ok, cases[i].want != NULL);
        if (!ok)
            CHECK_EQ(err.kind, ERR_PROTOCOL);
        text = text_of(&value);
        if (cases[i].want)
            CHECK_STR_EQ(text, cases[i].want);
        free(text);
        cim_value_clear(&value);
    }
}

TEST(texts_become_what_their_type_says)
{
    static const struct {
        enum cim_type type;
        const WCHAR *text;
        enum cim_type got;
        const char *want; /* NULL: refused */
    } cases[] = {
        { CIM_STRING, L"", CIM_STRING, "" },
        { CIM_STRING, L"K\x00e4se \xd83d\xde00", CIM_STRING,
          "K\xc3\xa4se \xf0\x9f\x98\x80" },
        { CIM_STRING, L"half \xd83d", CIM_STRING, "half \xef\xbf\xbd" },
        { CIM_UINT64, L"18446744073709551615", CIM_UINT64, "18446744073709551615" },
        { CIM_UINT64, L"18446744073709551616", CIM_UINT64, NULL },
        { CIM_UINT64, L"-1", CIM_UINT64, NULL },
        { CIM_SINT64, L"-9223372036854775808", CIM_SINT64, "-9223372036854775808" },
        { CIM_DATETIME, L"20260102030405.678901+060", CIM_DATETIME,
          "20260102030405.678901+060" },
        { CIM_DATETIME, L"00000000000200.000000:000", CIM_DATETIME,
          "00000000000200.000000:000" },
        /* Windows fills with '*' what it does not know. */
        { CIM_DATETIME, L"20260102******.******+***", CIM_STRING,
          "20260102******.******+***" },
        { CIM_REFERENCE, L"\\\\PC\\root\\cimv2:Win32_Service.Name=\"a\\\\b\"",
          CIM_REFERENCE, "\\\\PC\\root\\cimv2:Win32_Service.Name=\"a\\\\b\"" },
        { CIM_REFERENCE, L"what?", CIM_STRING, "what?" },
        { CIM_OBJECT, L"<INSTANCE/>", CIM_OBJECT, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        VARIANT v = of_text(cases[i].text);
        struct cim_value value;
        struct err err = ERR_INIT;
        char *text;
        bool ok;

        test_case(cases[i].want ? cases[i].want : "refused");
        ok = wmi_value_read(&v, wmi_type_number(cases[i].type, false), &objects, &value,
                            &err);
        CHECK_EQ(ok, cases[i].want != NULL);
        if (ok)
            CHECK_EQ(value.type, cases[i].got);
        text = text_of(&value);
        if (cases[i].want)
            CHECK_STR_EQ(text, cases[i].want);
        free(text);
        cim_value_clear(&value);
        VariantClear(&v);
    }
}

TEST(null_is_a_null_of_the_type_and_an_empty_array_is_none)
{
    struct cim_value value;
    struct err err = ERR_INIT;
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = VT_NULL;
    CHECK_OK(
        wmi_value_read(&v, WBEM_CIM_UINT16 | WBEM_CIM_FLAG_ARRAY, &objects, &value, &err));
    CHECK(value.is_null && value.is_array && value.type == CIM_UINT16);

    V_VT(&v) = VT_ARRAY | VT_I4;
    V_ARRAY(&v) = SafeArrayCreateVector(VT_I4, 0, 0);
    CHECK_OK(
        wmi_value_read(&v, WBEM_CIM_UINT16 | WBEM_CIM_FLAG_ARRAY, &objects, &value, &err));
    CHECK(!value.is_null && value.is_array && value.count == 0);
    VariantClear(&v);
    cim_value_clear(&value);
}

TEST(an_array_of_two_dimensions_or_of_a_million_elements_is_refused)
{
    SAFEARRAYBOUND bounds[2] = { { 2, 0 }, { 2, 0 } }, huge = { (1 << 20) + 1, 0 };
    struct cim_value value;
    struct err err = ERR_INIT;
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = VT_ARRAY | VT_I4;
    V_ARRAY(&v) = SafeArrayCreate(VT_I4, 2, bounds);
    CHECK(
        !wmi_value_read(&v, WBEM_CIM_UINT32 | WBEM_CIM_FLAG_ARRAY, &objects, &value, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    cim_value_clear(&value);
    VariantClear(&v);
    V_VT(&v) = VT_ARRAY | VT_UI1;
    V_ARRAY(&v) = SafeArrayCreate(VT_UI1, 1, &huge);
    CHECK(
        !wmi_value_read(&v, WBEM_CIM_UINT8 | WBEM_CIM_FLAG_ARRAY, &objects, &value, &err));
    cim_value_clear(&value);
    VariantClear(&v);
}

TEST(what_comes_as_an_array_is_one_and_variants_within_are_opened)
{
    struct cim_value value;
    struct err err = ERR_INIT;
    VARIANT v, element = of_text(L"x");
    LONG at = 0;
    char *text;

    VariantInit(&v);
    V_VT(&v) = VT_ARRAY | VT_VARIANT;
    V_ARRAY(&v) = SafeArrayCreateVector(VT_VARIANT, 0, 1);
    SafeArrayPutElement(V_ARRAY(&v), &at, &element);
    CHECK_OK(wmi_value_read(&v, WBEM_CIM_STRING, &objects, &value, &err));
    CHECK(value.is_array);
    text = text_of(&value);
    CHECK_STR_EQ(text, "x");
    free(text);
    cim_value_clear(&value);
    VariantClear(&element);
    VariantClear(&v);
}

/* Through VARIANT and back again nothing is lost. */
TEST(every_type_survives_the_way_there_and_back_alone_and_in_arrays)
{
    static const struct {
        enum cim_type type;
        VARTYPE form;
        const char *texts[3];
    } cases[] = {
        { CIM_BOOLEAN, VT_BOOL, { "true", "false" } },
        { CIM_UINT8, VT_UI1, { "0", "255" } },
        { CIM_UINT16, VT_I4, { "0", "65535" } },
        { CIM_UINT32, VT_I4, { "1", "4294967295", "2147483648" } },
        { CIM_UINT64, VT_BSTR, { "0", "18446744073709551615" } },
        { CIM_SINT8, VT_I2, { "-128", "127" } },
        { CIM_SINT16, VT_I2, { "-32768", "32767" } },
        { CIM_SINT32, VT_I4, { "-2147483648", "2147483647" } },
        { CIM_SINT64, VT_BSTR, { "-9223372036854775808", "9223372036854775807" } },
        { CIM_REAL32, VT_R4, { "0.5", "-1.25" } },
        { CIM_REAL64, VT_R8, { "0.10000000000000001", "-2" } },
        { CIM_CHAR16, VT_I2, { "65", "65535" } },
        { CIM_STRING, VT_BSTR, { "", "\xe6\xb5\x8b \"quoted\"" } },
        { CIM_DATETIME,
          VT_BSTR,
          { "20260102030405.678901+060", "00000001000000.000000:000" } },
        { CIM_REFERENCE,
          VT_BSTR,
          { "\\\\PC\\root\\cimv2:C.K=\"v\"", "\\\\PC\\root\\cimv2:C.K=2" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cim_value many = { .type = cases[i].type,
                                  .is_array = true,
                                  .is_null = true };
        struct cim_value back;
        struct err err = ERR_INIT;
        VARIANT v;

        test_case(cim_type_name(cases[i].type));
        for (size_t n = 0; n < 3 && cases[i].texts[n]; n++) {
            struct cim_value one = { .type = cases[i].type, .is_null = true };

            CHECK_OK(cim_value_add_text(&one, cases[i].texts[n], &err));
            CHECK_OK(cim_value_add_text(&many, cases[i].texts[n], &err));
            CHECK_OK(wmi_value_write(&one, wmi_type_number(one.type, false), &objects, &v,
                                     &err));
            CHECK_EQ(V_VT(&v), cases[i].form);
            CHECK_OK(wmi_value_read(&v, wmi_type_number(one.type, false), &objects, &back,
                                    &err));
            CHECK(cim_value_equal(&one, &back));
            VariantClear(&v);
            cim_value_clear(&one);
            cim_value_clear(&back);
        }
        CHECK_OK(
            wmi_value_write(&many, wmi_type_number(many.type, true), &objects, &v, &err));
        CHECK_EQ(V_VT(&v), VT_ARRAY | cases[i].form);
        CHECK_OK(
            wmi_value_read(&v, wmi_type_number(many.type, true), &objects, &back, &err));
        CHECK(cim_value_equal(&many, &back));
        VariantClear(&v);
        cim_value_clear(&many);
        cim_value_clear(&back);
    }
}

TEST(embedded_objects_go_through_the_callers_hands_and_none_is_kept)
{
    struct cim_value value = { .type = CIM_OBJECT, .is_array = true, .is_null = true };
    struct cim_value back;
    struct err err = ERR_INIT;
    VARIANT v;

    calls = 0;
    references = 0;
    for (int i = 0; i < 2; i++)
        CHECK_OK(cim_value_take(
            &value, (union cim_datum){ .object = cim_instance_new(NULL, "X") }, &err));
    CHECK_OK(
        wmi_value_write(&value, WBEM_CIM_OBJECT | WBEM_CIM_FLAG_ARRAY, &objects, &v, &err));
    CHECK_EQ(calls, 2);
    CHECK_OK(
        wmi_value_read(&v, WBEM_CIM_OBJECT | WBEM_CIM_FLAG_ARRAY, &objects, &back, &err));
    CHECK_EQ(calls, 4);
    CHECK_EQ(back.count, 2);
    VariantClear(&v);
    CHECK_EQ(references, 0);
    cim_value_clear(&value);
    cim_value_clear(&back);
}

TEST(values_of_another_type_are_written_as_the_property_wants_them)
{
    static const struct {
        enum cim_type type;
        const char *text;
        enum cim_type wanted;
        const WCHAR *want; /* NULL: see number */
        LONG number;
        bool refused;
    } cases[] = {
        { CIM_UINT32, "2147483650", CIM_SINT32, NULL, INT32_MIN + 2, false },
        { CIM_SINT32, "-1", CIM_UINT32, NULL, -1, false },
        { CIM_UINT32, "5", CIM_UINT64, L"5", 0, false },
        { CIM_STRING, "5", CIM_UINT16, NULL, 5, false },
        { CIM_STRING, "five", CIM_UINT16, NULL, 0, true },
        { CIM_UINT32, "70000", CIM_UINT16, NULL, 0, true },
        { CIM_REFERENCE, "root/cimv2:C.K=\"v\"", CIM_STRING, L"root\\cimv2:C.K=\"v\"", 0,
          false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cim_value value = { .type = cases[i].type, .is_null = true };
        struct err err = ERR_INIT;
        VARIANT v;
        bool ok;

        test_case(cases[i].text);
        CHECK_OK(cim_value_add_text(&value, cases[i].text, &err));
        ok = wmi_value_write(&value, wmi_type_number(cases[i].wanted, false), &objects, &v,
                             &err);
        CHECK_EQ(ok, !cases[i].refused);
        if (!ok)
            CHECK_EQ(err.kind, ERR_INVALID);
        else if (cases[i].want)
            CHECK(V_VT(&v) == VT_BSTR && wcscmp(V_BSTR(&v), cases[i].want) == 0);
        else
            CHECK_EQ(V_I4(&v), cases[i].number);
        VariantClear(&v);
        cim_value_clear(&value);
    }
}

TEST(an_embedded_instance_for_a_text_is_cim_xml)
{
    struct cim_value value = { .type = CIM_OBJECT, .is_null = true };
    struct cim_instance *instance = cim_instance_new(NULL, "Msvm_X");
    struct err err = ERR_INIT;
    VARIANT v;

    CHECK_OK(cim_set_uint(instance, "N", CIM_UINT16, 3, &err));
    CHECK_OK(cim_value_take(&value, (union cim_datum){ .object = instance }, &err));
    CHECK_OK(wmi_value_write(&value, WBEM_CIM_STRING, &objects, &v, &err));
    CHECK(V_VT(&v) == VT_BSTR &&
          wcscmp(V_BSTR(&v),
                 L"<INSTANCE CLASSNAME=\"Msvm_X\"><PROPERTY NAME=\"N\" TYPE=\"uint16\">"
                 L"<VALUE>3</VALUE></PROPERTY></INSTANCE>") == 0);
    VariantClear(&v);
    cim_value_clear(&value);
}

TEST(a_list_for_one_value_is_refused_and_a_null_is_written_as_null)
{
    struct cim_value value = { .type = CIM_UINT16, .is_array = true, .is_null = true };
    struct err err = ERR_INIT;
    VARIANT v;

    CHECK_OK(wmi_value_write(&value, WBEM_CIM_UINT16, &objects, &v, &err));
    CHECK_EQ(V_VT(&v), VT_NULL);
    CHECK_OK(cim_value_add_text(&value, "1", &err));
    CHECK_OK(cim_value_add_text(&value, "2", &err));
    CHECK(!wmi_value_write(&value, WBEM_CIM_UINT16, &objects, &v, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    cim_value_clear(&value);
    value = (struct cim_value){ .type = CIM_UINT16, .is_array = true };
    err = ERR_INIT;
    CHECK(!wmi_value_write(&value, WBEM_CIM_UINT16, &objects, &v, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

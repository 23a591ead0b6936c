/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wql.h"

#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

#define V2 "root/virtualization/v2"

static const struct cim_class *vm_class(void)
{
    return cim_schema_class(V2, "Msvm_ComputerSystem");
}

static struct cim_instance *make_vm(void)
{
    struct cim_instance *vm = cim_instance_new(V2, "Msvm_ComputerSystem");
    const struct cim_datetime when = { .usec =
                                           13410438922702341 }; /* 2025-12-17T09:55:22 */
    const uint64_t status[] = { 2, 15 };
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_text(vm, "Name", "4A5B", &err) &&
             cim_set_text(vm, "ElementName", "it's C:\\vm 100%", &err) &&
             cim_set_uint(vm, "EnabledState", CIM_UINT16, 3, &err) &&
             cim_set_uint(vm, "OnTimeInMilliseconds", CIM_UINT64, UINT64_MAX, &err) &&
             cim_set_uints(vm, "OperationalStatus", CIM_UINT16, status, 2, &err) &&
             cim_set_datetime(vm, "InstallDate", &when, &err));
    return vm;
}

/* "true", "false", or why not. */
static const char *judge(const struct cim_instance *vm, const char *condition)
{
    static char why[1024];
    CLEANUP(free_cleanup)
    char *text = text_printf("SELECT * FROM Msvm_ComputerSystem WHERE %s", condition);
    struct err err = ERR_INIT;
    CLEANUP(wql_cleanup) struct wql_query *q = wql_parse(text, &err);

    if (!q || !wql_check(q, vm_class(), &err)) {
        err_format(&err, why, sizeof(why));
        return why;
    }
    return wql_matches(q, vm, vm_class()) ? "true" : "false";
}

TEST(conditions_hold_or_not_as_wmi_has_it)
{
    static const struct {
        const char *condition;
        bool holds;
    } cases[] = {
        { "Name = '4a5b'", true },
        { "Name = \"4A5B\"", true },
        { "'4A5B' = Name", true },
        { "Name <> '4A5B'", false },
        { "Name != 'x'", true },
        { "name<'5'", true },
        { "EnabledState = 3", true },
        { "EnabledState = 0x3", true },
        { "EnabledState = '3'", true },
        { "EnabledState >= 3 AND EnabledState <= 3", true },
        { "EnabledState > 3", false },
        { "2 < EnabledState", true },
        { "EnabledState > -1", true },
        { "OnTimeInMilliseconds = 18446744073709551615", true },
        { "OnTimeInMilliseconds > 9223372036854775807", true },
        { "ElementName = 'it\\'s C:\\\\vm 100%'", true },
        { "ElementName = \"it's C:\\\\vm 100%\"", true },
        { "ElementName LIKE 'IT%'", true },
        { "ElementName LIKE '%vm ___[%]'", true },
        { "ElementName LIKE '%[x-z]%'", false },
        { "ElementName NOT LIKE '%zzz'", true },
        { "Caption IS NULL", true },
        { "Caption = NULL", true },
        { "Name IS NOT NULL", true },
        { "Name <> NULL", true },
        { "Caption = 'x'", false },
        { "NOT Caption = 'x'", false }, /* unknown stays unknown */
        { "Caption = 'x' OR Name = '4A5B'", true },
        { "Caption = 'x' AND Name = '4A5B'", false },
        { "Name = 'x' OR Name = 'y' OR Name = '4A5B'", true },
        { "Name = 'x' AND Name = 'y' OR Name = '4A5B'", true },
        { "Name = 'x' AND (Name = 'y' OR Name = '4A5B')", false },
        { "NOT (Name = 'x' OR Name = 'y')", true },
        { "NOT NOT Name = '4A5B'", true },
        { "InstallDate > '20251217000000.000000+000'", true },
        { "InstallDate < '20251217000000.000000+000'", false },
        { "__CLASS = 'msvm_computersystem'", true },
        { "__CLASS ISA 'CIM_ComputerSystem'", true },
        { "__this ISA 'CIM_Job'", false },
    };
    CLEANUP(cim_instance_cleanup) struct cim_instance *vm = make_vm();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_case(cases[i].condition);
        CHECK_STR_EQ(judge(vm, cases[i].condition), cases[i].holds ? "true" : "false");
    }
}

TEST(conditions_that_make_no_sense_are_errors)
{
    static const char *const cases[] = {
        "Colour = 1",
        "EnabledState = 'red'",
        "EnabledState = TRUE",
        "EnabledState LIKE '1%'",
        "OperationalStatus = 2",
        "InstallDate = 'soon'",
        "Name = 5",
        "Name",
        "Name =",
        "Name = 'x",
        "Name = 'x' AND",
        "(Name = 'x'",
        "Name = 'x')",
        "Name > NULL",
        "= 'x'",
        "Name == 'x'",
        "Name ~ 'x'",
    };
    CLEANUP(cim_instance_cleanup) struct cim_instance *vm = make_vm();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *verdict = judge(vm, cases[i]);

        test_case(cases[i]);
        CHECK(text_istarts(verdict, "WQL: "));
    }
}

TEST(columns_and_class_are_read)
{
    struct err err = ERR_INIT;
    CLEANUP(wql_cleanup)
    struct wql_query *q =
        wql_parse("  select Name ,\tElementName\nfrom Msvm_ComputerSystem ", &err);

    CHECK_OK(q != NULL);
    if (!q)
        return;
    CHECK_EQ(q->kind, WQL_SELECT);
    CHECK_EQ(q->column_count, 2);
    CHECK_STR_EQ(q->columns[1], "ElementName");
    CHECK_STR_EQ(q->class_name, "Msvm_ComputerSystem");
    CHECK(q->where == NULL);
    CHECK_OK(wql_check(q, vm_class(), &err));
}

TEST(associations_are_read_as_libvirt_writes_them)
{
    struct err err = ERR_INIT;
    CLEANUP(wql_cleanup)
    struct wql_query *q = wql_parse(
        "ASSOCIATORS OF {Msvm_ComputerSystem.CreationClassName='Msvm_ComputerSystem',"
        "Name='a}b'} WHERE AssocClass = Msvm_SettingsDefineState ResultClass="
        "Msvm_VirtualSystemSettingData Role = ManagedElement ResultRole=SettingData",
        &err);
    CLEANUP(wql_cleanup)
    struct wql_query *r = wql_parse(
        "references of {Msvm_ComputerSystem.Name=\"C:\\\\x\"} where resultclass = X", &err);

    CHECK_OK(q && r);
    if (!q || !r)
        return;
    CHECK_EQ(q->kind, WQL_ASSOCIATORS);
    CHECK_STR_EQ(cim_path_get(q->source, "Name"), "a}b");
    CHECK_STR_EQ(q->assoc_class, "Msvm_SettingsDefineState");
    CHECK_STR_EQ(q->result_class, "Msvm_VirtualSystemSettingData");
    CHECK_STR_EQ(q->role, "ManagedElement");
    CHECK_STR_EQ(q->result_role, "SettingData");
    CHECK_EQ(r->kind, WQL_REFERENCES);
    CHECK_STR_EQ(cim_path_get(r->source, "Name"), "C:\\x");
}

TEST(statements_that_are_none_are_errors)
{
    static const char *const cases[] = {
        "",
        " ",
        "SELECT",
        "SELECT *",
        "SELECT * FROM",
        "SELECT * FROM A B",
        "SELECT * FROM A WHERE",
        "SELECT FROM A",
        "SELECT a, FROM A",
        "SELECT a,,b FROM A",
        "DELETE FROM A",
        "ASSOCIATORS OF",
        "ASSOCIATORS OF x",
        "ASSOCIATORS OF {",
        "ASSOCIATORS OF {}",
        "ASSOCIATORS OF {A.b='c'} WHERE",
        "ASSOCIATORS OF {A.b='c'} WHERE Colour = red",
        "ASSOCIATORS OF {A.b='c'} WHERE Role = a AND ResultClass = b",
        "ASSOCIATORS OF {A.b='c'} WHERE Role = a Role = b",
        "REFERENCES OF {A.b='c'} WHERE AssocClass = x",
        "SELECT * FROM A;",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        CLEANUP(wql_cleanup) struct wql_query *q = wql_parse(cases[i], &err);

        test_case(cases[i]);
        CHECK(q == NULL);
        CHECK_EQ(err.kind, ERR_INVALID);
    }
}

TEST(nesting_and_length_have_limits)
{
    CLEANUP(strbuf_cleanup) struct strbuf deep = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf wide = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf large = STRBUF_INIT;
    struct err err = ERR_INIT;

    strbuf_puts(&deep, "SELECT * FROM A WHERE ");
    for (unsigned i = 0; i < 20000; i++)
        strbuf_putc(&deep, '(');
    CHECK(!wql_parse(deep.text, &err));
    strbuf_puts(&wide, "SELECT * FROM A WHERE a=1");
    for (unsigned i = 0; i < 5000; i++)
        strbuf_puts(&wide, " OR a=1");
    CHECK(!wql_parse(wide.text, &err));
    strbuf_puts(&large, "SELECT * FROM A WHERE a='");
    for (unsigned i = 0; i < 70000; i++)
        strbuf_putc(&large, 'x');
    strbuf_putc(&large, '\'');
    CHECK(!wql_parse(large.text, &err));
}

TEST(like_takes_no_exponential_time)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf pattern = STRBUF_INIT;

    for (unsigned i = 0; i < 2000; i++)
        strbuf_putc(&text, 'a');
    for (unsigned i = 0; i < 500; i++)
        strbuf_puts(&pattern, "a%");
    strbuf_putc(&pattern, 'b');
    CHECK(!wql_like(text.text, pattern.text));
    CHECK(wql_like("Gr\xc3\xbc\xc3\x9f", "gr__"));
    CHECK(wql_like("", "%"));
    CHECK(!wql_like("", "_"));
}

TEST(plain_equalities_are_handed_to_classes_made_on_demand)
{
    struct err err = ERR_INIT;
    CLEANUP(wql_cleanup)
    struct wql_query *q =
        wql_parse("SELECT * FROM Msvm_ComputerSystem WHERE Name='x' AND EnabledState=2 AND "
                  "(ElementName='y' OR Caption='z') AND NOT Description='d'",
                  &err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *where = q ? wql_equalities(q, vm_class(), &err) : NULL;
    uint64_t state = 0;

    CHECK_OK(where != NULL);
    if (!where)
        return;
    CHECK_EQ(where->count, 2);
    CHECK_STR_EQ(cim_get_text(where, "Name"), "x");
    CHECK(cim_get_u64(where, "EnabledState", &state) && state == 2);
}

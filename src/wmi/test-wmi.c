/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session against a WMI made of vtables. */

#include "wmi.h"

#include <stdlib.h>
#include <wchar.h>

#include "err.h"
#include "test-fake-wbem.h"
#include "test.h"

#define HV "root/virtualization/v2"

static bool is_stopped(void *user)
{
    return *(bool *)user;
}

static struct cim_session *start(unsigned timeout_ms)
{
    struct wmi_options options = { .operation_timeout_ms = timeout_ms };
    struct err err = ERR_INIT;
    struct cim_session *session;

    fake_wbem_reset();
    session = wmi_open(&options, &err);
    CHECK(session);
    return session;
}

/* Nothing is left of what the session was given or made. */
static void stop(struct cim_session *session)
{
    cim_release(session);
    if (fake_wbem.put_object)
        IWbemClassObject_Release(&fake_wbem.put_object->iface);
    if (fake_wbem.in_object)
        IWbemClassObject_Release(&fake_wbem.in_object->iface);
    CHECK_EQ(fake_wbem.live, 0);
    CHECK_EQ(fake_wbem.initialized, 0);
    strbuf_free(&fake_wbem.log);
}

struct rows {
    struct cim_instance *items[8];
    size_t count, most;
};

static bool keep(const struct cim_instance *row, void *user, struct err *err)
{
    struct rows *rows = user;

    if (rows->most && rows->count == rows->most)
        return err_fail(err, ERR_CANCELLED, 0, "enough");
    rows->items[rows->count++] = cim_instance_copy(row);
    return true;
}

static void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        cim_instance_free(rows->items[i]);
    *rows = (struct rows){ 0 };
}

static struct fake_object *vm(const WCHAR *name, LONG state)
{
    struct fake_object *o = fake_object(L"Msvm_ComputerSystem");

    fake_set_text(o, L"__SERVER", WBEM_CIM_STRING, L"PC");
    fake_set_text(o, L"Name", WBEM_CIM_STRING, name);
    fake_set_i4(o, L"EnabledState", WBEM_CIM_UINT16, state);
    return o;
}

static void give_rows(size_t at, HRESULT result, struct fake_object *a,
                      struct fake_object *b)
{
    fake_wbem.next[at].result = result;
    if (a)
        fake_wbem.next[at].rows[fake_wbem.next[at].row_count++] = a;
    if (b)
        fake_wbem.next[at].rows[fake_wbem.next[at].row_count++] = b;
    fake_wbem.next_count = at + 1;
}

/* ---- query ---- */

TEST(rows_come_from_several_batches_with_class_namespace_and_types)
{
    struct cim_session *session = start(0);
    struct rows rows = { 0 };
    struct err err = ERR_INIT;
    uint64_t state;

    give_rows(0, WBEM_S_NO_ERROR, vm(L"a", 2), vm(L"b", 3));
    give_rows(1, WBEM_S_TIMEDOUT, NULL, NULL);
    give_rows(2, WBEM_S_FALSE, vm(L"c", 32768), NULL);
    CHECK_OK(
        cim_query(session, HV, "SELECT * FROM Msvm_ComputerSystem", keep, &rows, &err));
    CHECK_EQ(rows.count, 3);
    CHECK_STR_EQ(rows.items[2]->class_name, "Msvm_ComputerSystem");
    CHECK_STR_EQ(rows.items[2]->ns, HV);
    CHECK_STR_EQ(cim_get_text(rows.items[0], "Name"), "a");
    CHECK(cim_get_u64(rows.items[2], "EnabledState", &state) && state == 32768);
    CHECK(!cim_get(rows.items[0], "__SERVER"));
    CHECK_STR_EQ(fake_wbem.log.text, "connect root\\virtualization\\v2\n"
                                     "query SELECT * FROM Msvm_ComputerSystem\n");
    rows_free(&rows);
    stop(session);
}

TEST(an_error_that_comes_with_the_rows_is_the_querys_and_keeps_what_wmi_says)
{
    static const struct {
        HRESULT result;
        enum err_kind kind;
    } cases[] = {
        { (HRESULT)WBEM_E_INVALID_CLASS, ERR_NOT_FOUND },
        { (HRESULT)WBEM_E_INVALID_QUERY, ERR_INVALID },
        { (HRESULT)WBEM_E_ACCESS_DENIED, ERR_DENIED },
        { (HRESULT)WBEM_S_PARTIAL_RESULTS, ERR_REFUSED },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cim_session *session = start(0);
        struct rows rows = { 0 };
        struct err err = ERR_INIT;
        char text[600];

        fake_wbem.said = L"The provider's own words.\r\n";
        give_rows(0, WBEM_S_NO_ERROR, vm(L"a", 2), NULL);
        give_rows(1, cases[i].result, vm(L"b", 2), NULL);
        CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
        CHECK_EQ(rows.count, 2);
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(err.code, (uint32_t)cases[i].result);
        err_format(&err, text, sizeof(text));
        if (FAILED(cases[i].result))
            CHECK(strstr(text, ": The provider's own words (0x8004"));
        rows_free(&rows);
        stop(session);
    }
}

TEST(what_wmi_said_of_an_earlier_error_is_not_said_again)
{
    struct cim_session *session = start(0);
    struct rows rows = { 0 };
    struct err err = ERR_INIT;

    fake_wbem.said = L"old words";
    fake_wbem.query_result = (HRESULT)WBEM_E_INVALID_QUERY;
    CHECK(!cim_query(session, HV, "SELECT", keep, &rows, &err));
    CHECK(strstr(err.text[0], "old words"));
    fake_wbem.said = NULL;
    CHECK(!cim_query(session, HV, "SELECT", keep, &rows, &err));
    CHECK(!strstr(err.text[0], "old words"));
    stop(session);
}

TEST(a_namespace_that_is_not_there_is_not_found)
{
    struct cim_session *session = start(0);
    struct rows rows = { 0 };
    struct err err = ERR_INIT;

    fake_wbem.connect_result = (HRESULT)WBEM_E_INVALID_NAMESPACE;
    CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_EQ(err.code, 0x8004100E);
    stop(session);
}

TEST(a_caller_who_has_enough_stops_the_query_and_the_rest_is_let_go)
{
    struct cim_session *session = start(0);
    struct rows rows = { .most = 1 };
    struct err err = ERR_INIT;

    give_rows(0, WBEM_S_FALSE, vm(L"a", 2), vm(L"b", 2));
    CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK_EQ(rows.count, 1);
    rows_free(&rows);
    stop(session);
}

TEST(a_query_that_says_nothing_ends_at_its_time_limit)
{
    struct cim_session *session = start(200);
    struct rows rows = { 0 };
    struct err err = ERR_INIT;

    give_rows(0, WBEM_S_TIMEDOUT, NULL, NULL);
    CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    stop(session);
}

TEST(a_user_who_stops_is_heard_while_rows_are_waited_for)
{
    bool stopped = false;
    struct wmi_options options = { .is_cancelled = is_stopped, .cancel_user = &stopped };
    struct cim_session *session;
    struct rows rows = { 0 };
    struct err err = ERR_INIT;

    fake_wbem_reset();
    session = wmi_open(&options, &err);
    give_rows(0, WBEM_S_NO_ERROR, vm(L"a", 2), NULL);
    give_rows(1, WBEM_S_FALSE, NULL, NULL);
    CHECK_OK(cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    stopped = true;
    CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    rows_free(&rows);
    stop(session);
}

TEST(a_service_that_was_restarted_is_connected_to_anew_once)
{
    struct cim_session *session = start(0);
    struct rows rows = { 0 };
    struct err err = ERR_INIT;

    give_rows(0, RPC_E_DISCONNECTED, NULL, NULL);
    give_rows(1, WBEM_S_FALSE, vm(L"a", 2), NULL);
    CHECK_OK(cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(rows.count, 1);
    CHECK_EQ(fake_wbem.connects, 2);
    rows_free(&rows);
    /* In the middle of a list it is an error: rows would come twice. */
    memset(fake_wbem.next, 0, sizeof(fake_wbem.next));
    fake_wbem.next_at = 0;
    give_rows(0, WBEM_S_NO_ERROR, vm(L"a", 2), NULL);
    give_rows(1, RPC_E_DISCONNECTED, NULL, NULL);
    CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(rows.count, 1);
    rows_free(&rows);
    stop(session);
}

TEST(a_connection_that_cannot_be_encrypted_is_refused)
{
    struct cim_session *session = start(0);
    struct rows rows = { 0 };
    struct err err = ERR_INIT;

    fake_wbem.blanket_result = E_ACCESSDENIED;
    CHECK(!cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    /* What is no proxy has no blanket to be set. */
    fake_wbem.blanket_result = E_NOINTERFACE;
    CHECK_OK(cim_query(session, HV, "SELECT * FROM X", keep, &rows, &err));
    stop(session);
}

/* ---- objects ---- */

static struct cim_path *vm_path(void)
{
    struct cim_path *path = cim_path_new(HV, "Msvm_ComputerSystem");
    struct err err = ERR_INIT;

    CHECK_OK(cim_path_set(path, "CreationClassName", "Msvm_ComputerSystem", &err));
    CHECK_OK(cim_path_set(path, "Name", "A\\B", &err));
    return path;
}

TEST(an_object_is_fetched_by_its_path_directly_or_when_it_comes)
{
    for (int slow = 0; slow < 2; slow++) {
        struct cim_session *session = start(0);
        struct cim_path *path = vm_path();
        struct cim_instance *got = NULL;
        struct err err = ERR_INIT;

        test_case(slow ? "later" : "at once");
        fake_wbem.is_slow = slow;
        fake_wbem.waits = 3;
        fake_wbem.objects[fake_wbem.object_count++] = vm(L"A\\B", 2);
        CHECK_OK(cim_fetch(session, path, &got, &err));
        CHECK_STR_EQ(got ? cim_get_text(got, "Name") : NULL, "A\\B");
        CHECK(strstr(fake_wbem.log.text,
                     "object Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\","
                     "Name=\"A\\\\B\"\n"));
        cim_instance_free(got);
        got = NULL;
        CHECK(!cim_fetch(session, path, &got, &err));
        CHECK_EQ(err.kind, ERR_NOT_FOUND);
        CHECK_EQ(err.code, 0x80041002);
        cim_path_free(path);
        stop(session);
    }
}

TEST(a_call_that_does_not_end_is_given_up_at_the_time_limit)
{
    struct cim_session *session = start(200);
    struct cim_path *path = vm_path();
    struct cim_instance *got = NULL;
    struct err err = ERR_INIT;

    fake_wbem.is_slow = fake_wbem.never_finishes = true;
    fake_wbem.objects[fake_wbem.object_count++] = vm(L"A", 2);
    CHECK(!cim_fetch(session, path, &got, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(strstr(err.hint, "--timeout"));
    cim_path_free(path);
    stop(session);
}

TEST(embedded_objects_and_references_are_read)
{
    struct cim_session *session = start(0);
    struct cim_path *path = vm_path();
    struct fake_object *outer = fake_object(L"X"), *inner = fake_object(L"Y");
    struct cim_instance *got = NULL;
    const struct cim_instance *object;
    const struct cim_path *reference;
    struct err err = ERR_INIT;
    VARIANT v;

    fake_set_text(inner, L"Text", WBEM_CIM_STRING, L"deep");
    VariantInit(&v);
    V_VT(&v) = VT_UNKNOWN;
    V_UNKNOWN(&v) = (IUnknown *)&inner->iface;
    fake_set(outer, L"Inner", WBEM_CIM_OBJECT, v);
    fake_set_text(outer, L"Job", WBEM_CIM_REFERENCE,
                  L"\\\\PC\\root\\virtualization\\v2:Msvm_ConcreteJob.InstanceID=\"J\"");
    fake_wbem.objects[fake_wbem.object_count++] = outer;
    CHECK_OK(cim_fetch(session, path, &got, &err));
    object = got ? cim_get_object(got, "Inner", 0) : NULL;
    CHECK(object);
    if (object) {
        CHECK_STR_EQ(object->class_name, "Y");
        CHECK_STR_EQ(cim_get_text(object, "Text"), "deep");
    }
    reference = got ? cim_get_path(got, "Job") : NULL;
    CHECK(reference && !reference->host);
    CHECK_STR_EQ(reference ? cim_path_get(reference, "InstanceID") : NULL, "J");
    cim_instance_free(got);
    cim_path_free(path);
    stop(session);
}

TEST(objects_nested_without_end_are_refused)
{
    struct cim_session *session = start(0);
    struct cim_path *path = vm_path();
    struct cim_instance *got = NULL;
    struct fake_object *outer = NULL;
    struct err err = ERR_INIT;

    for (int i = 0; i < 12; i++) {
        struct fake_object *o = fake_object(L"X");
        VARIANT v;

        VariantInit(&v);
        if (outer) {
            V_VT(&v) = VT_UNKNOWN;
            V_UNKNOWN(&v) = (IUnknown *)&outer->iface;
            fake_set(o, L"Inner", WBEM_CIM_OBJECT, v);
        }
        outer = o;
    }
    fake_wbem.objects[fake_wbem.object_count++] = outer;
    CHECK(!cim_fetch(session, path, &got, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    cim_path_free(path);
    stop(session);
}

TEST(the_schema_decides_on_types_where_the_provider_tells_others)
{
    struct cim_session *session = start(0);
    struct cim_path *path = vm_path();
    struct cim_instance *got = NULL;
    struct fake_object *o = fake_object(L"Msvm_ComputerSystem");
    struct err err = ERR_INIT;
    uint64_t state;

    fake_set_text(o, L"EnabledState", WBEM_CIM_STRING, L"3");
    fake_set_text(o, L"ElementName", WBEM_CIM_STRING, L"42");
    fake_wbem.objects[fake_wbem.object_count++] = o;
    CHECK_OK(cim_fetch(session, path, &got, &err));
    CHECK(got && cim_get_u64(got, "EnabledState", &state) && state == 3);
    CHECK_STR_EQ(got ? cim_get_text(got, "ElementName") : NULL, "42");
    cim_instance_free(got);
    cim_path_free(path);
    stop(session);
}

/* ---- put ---- */

TEST(a_put_changes_only_what_is_named_and_makes_nothing_new)
{
    struct cim_session *session = start(0);
    struct cim_path *path = vm_path();
    struct cim_instance *changes = cim_instance_new(NULL, "Msvm_ComputerSystem");
    struct err err = ERR_INIT;
    const VARIANT *v;

    fake_wbem.objects[fake_wbem.object_count++] = vm(L"A\\B", 2);
    CHECK_OK(cim_set_uint(changes, "EnabledState", CIM_UINT16, 3, &err));
    CHECK_OK(cim_put(session, path, changes, &err));
    CHECK(fake_wbem.put_object);
    v = fake_get(fake_wbem.put_object, L"EnabledState");
    CHECK(V_VT(v) == VT_I4 && V_I4(v) == 3);
    v = fake_get(fake_wbem.put_object, L"Name");
    CHECK(V_VT(v) == VT_BSTR && wcscmp(V_BSTR(v), L"A\\B") == 0);
    cim_instance_free(changes);
    cim_path_free(path);
    stop(session);
}

TEST(a_put_of_an_unknown_property_is_invalid_and_nothing_is_sent)
{
    struct cim_session *session = start(0);
    struct cim_path *path = vm_path();
    struct cim_instance *changes = cim_instance_new(NULL, "Msvm_ComputerSystem");
    struct err err = ERR_INIT;

    fake_wbem.objects[fake_wbem.object_count++] = vm(L"A\\B", 2);
    CHECK_OK(cim_set_text(changes, "Nope", "x", &err));
    CHECK(!cim_put(session, path, changes, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(err.code != 0x80041002); /* which would say that the object is not there */
    CHECK(!strstr(fake_wbem.log.text, "\nput"));
    cim_instance_free(changes);
    cim_path_free(path);
    stop(session);
}

TEST(a_put_whose_answer_is_lost_is_not_sent_again)
{
    struct cim_session *session = start(0);
    struct cim_path *path = vm_path();
    struct cim_instance *changes = cim_instance_new(NULL, "Msvm_ComputerSystem");
    struct err err = ERR_INIT;

    fake_wbem.objects[fake_wbem.object_count++] = vm(L"A\\B", 2);
    fake_wbem.is_slow = true;
    fake_wbem.put_result = RPC_E_DISCONNECTED;
    CHECK_OK(cim_set_uint(changes, "EnabledState", CIM_UINT16, 3, &err));
    CHECK(!cim_put(session, path, changes, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_STR_EQ(strstr(fake_wbem.log.text, "\nput"), "\nput \n");
    CHECK_EQ(fake_wbem.connects, 1);
    cim_instance_free(changes);
    cim_path_free(path);
    stop(session);
}

/* ---- invoke ---- */

/* The class of a service with one method, whose parameters are of many kinds. */
static struct fake_object *service_class(void)
{
    struct fake_object *class = fake_object(L"Msvm_Fake"),
                       *in = fake_object(L"__PARAMETERS");

    fake_set_text(class, L"__SERVER", WBEM_CIM_STRING, L"PC");
    fake_set_text(in, L"Settings", WBEM_CIM_STRING | WBEM_CIM_FLAG_ARRAY, NULL);
    fake_set_text(in, L"System", WBEM_CIM_REFERENCE, NULL);
    fake_set_text(in, L"Bytes", WBEM_CIM_UINT64, NULL);
    fake_set_text(in, L"Count", WBEM_CIM_UINT16, NULL);
    wcscpy(class->method, L"Change");
    class->in = &in->iface;
    return class;
}

static struct cim_path *service_path(void)
{
    struct cim_path *path = cim_path_new(HV, "Msvm_Fake");
    struct err err = ERR_INIT;

    CHECK_OK(cim_path_set(path, "Name", "vmms", &err));
    return path;
}

TEST(a_method_is_called_with_parameters_as_its_signature_types_them)
{
    for (int slow = 0; slow < 2; slow++) {
        struct cim_session *session = start(0);
        struct cim_path *path = service_path(), *system = vm_path();
        struct cim_instance *in = cim_instance_new(NULL, "__PARAMETERS"), *out = NULL;
        static const char *const texts[] = { "<INSTANCE/>", "b" };
        struct fake_object *result = fake_object(L"__PARAMETERS");
        struct err err = ERR_INIT;
        const VARIANT *v;
        uint64_t code;

        test_case(slow ? "later" : "at once");
        fake_wbem.is_slow = slow;
        fake_wbem.objects[fake_wbem.object_count++] = service_class();
        fake_set_i4(result, L"ReturnValue", WBEM_CIM_UINT32, 4096);
        fake_set_text(result, L"Job", WBEM_CIM_REFERENCE,
                      L"\\\\PC\\root\\virtualization\\v2:Msvm_StorageJob.InstanceID=\"J\"");
        fake_wbem.out_object = result;
        CHECK_OK(cim_set_texts(in, "Settings", texts, 2, &err));
        CHECK_OK(cim_set_path(in, "System", system, &err));
        CHECK_OK(cim_set_uint(in, "Bytes", CIM_UINT32, 4000000000u, &err));
        CHECK_OK(cim_set_null(in, "Count", CIM_UINT16, false, &err));
        CHECK_OK(cim_invoke(session, path, "Change", in, &out, &err));
        CHECK(out && cim_get_u64(out, "ReturnValue", &code) && code == 4096);
        CHECK(out && cim_get_path(out, "Job"));
        CHECK(strstr(fake_wbem.log.text,
                     "object Msvm_Fake\n"
                     "method Msvm_Fake.Name=\"vmms\"\n  name Change\n"));
        CHECK(fake_wbem.in_object);
        v = fake_get(fake_wbem.in_object, L"Bytes");
        CHECK(V_VT(v) == VT_BSTR && wcscmp(V_BSTR(v), L"4000000000") == 0);
        v = fake_get(fake_wbem.in_object, L"System");
        CHECK(V_VT(v) == VT_BSTR &&
              wcscmp(V_BSTR(v),
                     L"\\\\PC\\root\\virtualization\\v2:Msvm_ComputerSystem."
                     L"CreationClassName=\"Msvm_ComputerSystem\",Name=\"A\\\\B\"") == 0);
        v = fake_get(fake_wbem.in_object, L"Settings");
        CHECK_EQ(V_VT(v), VT_ARRAY | VT_BSTR);
        CHECK_EQ(V_VT(fake_get(fake_wbem.in_object, L"Count")), VT_NULL);
        cim_instance_free(in);
        cim_instance_free(out);
        cim_path_free(path);
        cim_path_free(system);
        stop(session);
    }
}

TEST(wrong_methods_and_parameters_are_invalid_and_nothing_is_sent)
{
    static const struct {
        const char *method, *parameter;
        enum cim_type type;
        const char *text;
    } cases[] = {
        { "Nope", "Count", CIM_UINT16, "1" },
        { "Change", "Nope", CIM_UINT16, "1" },
        { "Change", "Count", CIM_UINT32, "70000" },
        { "Change", "Bytes", CIM_STRING, "many" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cim_session *session = start(0);
        struct cim_path *path = service_path();
        struct cim_instance *in = cim_instance_new(NULL, "__PARAMETERS"), *out = NULL;
        struct cim_value value = { .type = cases[i].type, .is_null = true };
        struct err err = ERR_INIT;

        test_case(cases[i].parameter);
        fake_wbem.objects[fake_wbem.object_count++] = service_class();
        CHECK_OK(cim_value_add_text(&value, cases[i].text, &err));
        CHECK_OK(cim_set(in, cases[i].parameter, &value, &err));
        CHECK(!cim_invoke(session, path, cases[i].method, in, &out, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(!strstr(fake_wbem.log.text, "\nmethod"));
        cim_instance_free(in);
        cim_path_free(path);
        stop(session);
    }
}

TEST(a_method_that_fails_gives_the_hosts_error_and_is_not_repeated)
{
    struct cim_session *session = start(0);
    struct cim_path *path = service_path();
    struct cim_instance *out = NULL;
    struct err err = ERR_INIT;

    fake_wbem.is_slow = true;
    fake_wbem.said = L"busy with something";
    fake_wbem.method_result = (HRESULT)WBEM_E_PROVIDER_FAILURE;
    fake_wbem.objects[fake_wbem.object_count++] = service_class();
    CHECK(!cim_invoke(session, path, "Change", NULL, &out, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
    CHECK_EQ(err.code, 0x80041004);
    CHECK(strstr(err.text[0], "busy with something"));
    cim_path_free(path);
    stop(session);
}

/* ---- rights ---- */

static const char *asked_for;

static bool may_not(const char *ns, struct err *err)
{
    asked_for = ns ? ns : "(command)";
    return err_fail(err, ERR_DENIED, 0, "not elevated");
}

TEST(who_may_not_change_is_refused_before_anything_is_sent_and_may_read)
{
    struct wmi_options options = { .may_change = may_not };
    struct shell_command command = { .line = "echo x" };
    struct cim_path *path = service_path();
    struct cim_instance *changes = cim_instance_new(NULL, "Msvm_Fake"), *out = NULL;
    struct err err = ERR_INIT;
    struct cim_session *session;
    uint32_t code;

    fake_wbem_reset();
    session = wmi_open(&options, &err);
    CHECK(!cim_invoke(session, path, "Change", NULL, &out, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    CHECK_STR_EQ(asked_for, HV);
    CHECK(!cim_put(session, path, changes, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    asked_for = NULL;
    CHECK(!cim_run(session, &command, &code, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    CHECK_STR_EQ(asked_for, "(command)");
    CHECK(fake_wbem.log.len == 0);
    asked_for = NULL;
    CHECK(!cim_invoke(session, path, "GetSomething", NULL, &out, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND); /* of the class: it was asked */
    CHECK(!asked_for);
    cim_instance_free(changes);
    cim_path_free(path);
    stop(session);
}

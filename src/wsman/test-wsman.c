/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session against a scripted server: what it sends, and the values it reads. */

#include <stdio.h>

#include "base64.h"
#include "os.h"
#include "strbuf.h"
#include "test-soap.h"
#include "text.h"

TEST(every_way_hosts_batch_gives_all_items_once)
{
    static const struct {
        const char *name, *expected;
        struct fake_answer script[6];
        size_t requests;
    } cases[] = {
        { "everything at once",
          "a;b;c;",
          { { ENUMERATED(CONTEXT("") "<w:Items>" VM("a") VM("b")
                             VM("c") "</w:Items>"
                                     "<w:EndOfSequence/>") } },
          1 },
        { "nothing at all", "", { { ENUMERATED(CONTEXT("") "<w:EndOfSequence/>") } }, 1 },
        { "one item first, then the rest",
          "a;b;c;",
          { { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
            { PULLED("<n:Items>" VM("b") VM("c") "</n:Items>" END) } },
          2 },
        { "one item per pull, end with the last",
          "a;b;c;",
          { { ENUMERATED(CONTEXT("1")) },
            { PULLED(CONTEXT("2") "<n:Items>" VM("a") "</n:Items>") },
            { PULLED(CONTEXT("3") "<n:Items>" VM("b") "</n:Items>") },
            { PULLED("<n:Items>" VM("c") "</n:Items>" END) } },
          4 },
        { "an empty last pull",
          "a;",
          { { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
            { PULLED("<n:Items/>" END) } },
          2 },
        { "an empty pull in between",
          "a;b;",
          { { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
            { PULLED(CONTEXT("2") "<n:Items/>") },
            { PULLED("<n:Items>" VM("b") "</n:Items><w:EndOfSequence/>") } },
          3 },
        { "an end marker beside a context",
          "a;",
          { { ENUMERATED(
              CONTEXT("1") "<w:Items>" VM("a") "</w:Items><w:EndOfSequence/>") } },
          1 },
        { "no end marker, but no context either",
          "a;",
          { { ENUMERATED("<w:Items>" VM("a") "</w:Items>") } },
          1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        size_t requests;
        struct seen seen = query_script(cases[i].script, 6, 5000, &err, &requests);

        test_case(cases[i].name);
        CHECK_EQ(err.kind, ERR_NONE);
        CHECK_STR_EQ(seen.names, cases[i].expected);
        CHECK_EQ(requests, cases[i].requests);
    }
}

TEST(a_query_is_sent_as_hosts_want_it)
{
    static const struct fake_answer script[] = {
        { ENUMERATED(CONTEXT("c&amp;1")) },
        { PULLED(CONTEXT("c2") "<n:Items/>") },
        { PULLED(END) },
    };
    struct fake_server *server = fake_server_start(script, 3);
    struct cim_session *session = connect_with(server, 8000);
    struct seen seen = { 0 };
    struct err err = ERR_INIT;
    const char *body, *head;

    CHECK_OK(cim_query(session, "root\\virtualization\\v2",
                       "select * from X where A < '\\\\'", see, &seen, &err));
    body = fake_server_body(server, 0);
    head = fake_server_head(server, 0);
    CHECK(strstr(head, "POST /wsman HTTP/1.1") == head);
    CHECK(strstr(head, "Authorization: Basic bWU6cHc="));
    CHECK(strstr(head, "Content-Type: application/soap+xml;charset=UTF-8"));
    CHECK(!text_istr(head, "Expect:"));
    CHECK(strstr(body, "s:mustUnderstand=\"true\">" V2 "*</w:ResourceURI>"));
    CHECK(strstr(body, "/ws/2004/09/enumeration/Enumerate</a:Action>"));
    CHECK(strstr(body, "<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>"));
    CHECK(strstr(body, "wsman/1/WQL\">select * from X where A &#60; '\\\\'</w:Filter>"));
    CHECK(strstr(
        body,
        ">512000</w:MaxEnvelopeSize><w:OperationTimeout>PT6.000S</w:OperationTimeout>"));
    CHECK(strstr(body, "<a:MessageID>uuid:"));
    CHECK(!strstr(body, "SelectorSet"));
    CHECK(strstr(
        fake_server_body(server, 1),
        "<n:EnumerationContext>c&#38;1</n:EnumerationContext><n:MaxElements>32000</n:MaxElements>"));
    CHECK(strstr(fake_server_body(server, 2), ">c2</n:EnumerationContext>"));
    CHECK_EQ(fake_server_requests(server), 3);
    cim_release(session);
    fake_server_stop(server);
}

TEST(a_query_stopped_early_releases_its_context)
{
    static const struct fake_answer script[] = {
        { ENUMERATED(CONTEXT("first") "<w:Items>" VM("a") VM("b") "</w:Items>") },
        { ENV("<n:ReleaseResponse/>") },
    };
    struct fake_server *server = fake_server_start(script, 2);
    struct cim_session *session = connect_with(server, 5000);
    struct seen seen = { .stop_at = 1 };
    struct err err = ERR_INIT;

    CHECK(!query(session, &seen, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_STR_EQ(seen.names, "a;");
    CHECK_EQ(fake_server_requests(server), 2);
    CHECK(strstr(fake_server_body(server, 1), "<n:Release><n:EnumerationContext>first<"));
    cim_release(session);
    fake_server_stop(server);
}

TEST(items_that_do_not_fit_are_asked_for_in_smaller_numbers)
{
    static const struct fake_answer script[] = {
        { FAULT("EncodingLimit", "2150858824"), 500 },
        { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
        { FAULT("EncodingLimit", "2150858824"), 500 },
        { FAULT("EncodingLimit", "2150858824"), 500 },
        { PULLED("<n:Items>" VM("b") "</n:Items>" END) },
    };
    struct fake_server *server = fake_server_start(script, 5);
    struct cim_session *session = connect_with(server, 5000);
    struct seen seen = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(query(session, &seen, &err));
    CHECK_STR_EQ(seen.names, "a;b;");
    CHECK(strstr(fake_server_body(server, 1), "<w:MaxElements>64<"));
    CHECK(strstr(fake_server_body(server, 3), "<n:MaxElements>8<"));
    CHECK(strstr(fake_server_body(server, 4), "<n:MaxElements>1<"));
    cim_release(session);
    fake_server_stop(server);
}

#define TOO_LARGE                                 \
    {                                             \
        FAULT("EncodingLimit", "2150858824"), 500 \
    }
#define CONFIG(kb)                                                           \
    ENV("<cfg:Config xmlns:cfg=\"http://schemas.microsoft.com/wbem/wsman/1/" \
        "config\"><cfg:MaxEnvelopeSizekb>" kb "</cfg:MaxEnvelopeSizekb></cfg:Config>")
#define SIZE(bytes) "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">" bytes "<"

TEST(one_item_that_does_not_fit_is_asked_for_within_the_hosts_own_limit)
{
    static const struct fake_answer script[] = {
        TOO_LARGE, /* 32000 items, then 64, 8, 1 */
        TOO_LARGE,
        TOO_LARGE,
        TOO_LARGE,
        { CONFIG("8192") },
        { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
        { PULLED("<n:Items>" VM("b") "</n:Items>" END) },
    };
    struct fake_server *server = fake_server_start(script, 7);
    struct cim_session *session = connect_with(server, 5000);
    struct seen seen = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(query(session, &seen, &err));
    CHECK_STR_EQ(seen.names, "a;b;");
    CHECK(strstr(fake_server_body(server, 3), SIZE("512000")));
    CHECK(strstr(fake_server_body(server, 4), "wbem/wsman/1/config</w:ResourceURI>"));
    CHECK(strstr(fake_server_body(server, 5), SIZE("8388608")));
    CHECK(strstr(fake_server_body(server, 6), SIZE("8388608")));
    cim_release(session);
    fake_server_stop(server);
}

TEST(who_may_not_read_the_hosts_limit_goes_by_the_documented_one)
{
    static const struct fake_answer script[] = {
        TOO_LARGE,
        { FAULT("AccessDenied", "5"), 500 },
        { ENV("<p:X xmlns:p=\"" V2 "X\"/>") },
        TOO_LARGE,
    };
    struct fake_server *server = fake_server_start(script, 4);
    struct cim_session *session = connect_with(server, 5000);
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/virtualization/v2", "X");
    struct cim_instance *got = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(cim_fetch(session, path, &got, &err));
    cim_instance_free(TAKE(got));
    CHECK(strstr(fake_server_body(server, 2), SIZE("153600")));
    /* It is asked for once. */
    CHECK(!cim_fetch(session, path, &got, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
    CHECK_EQ(fake_server_requests(server), 4);
    cim_release(session);
    fake_server_stop(server);
}

TEST(an_item_larger_than_the_hosts_own_limit_is_an_error_with_the_line_that_helps)
{
    static const struct fake_answer script[] = { TOO_LARGE, TOO_LARGE,         TOO_LARGE,
                                                 TOO_LARGE, { CONFIG("150") }, TOO_LARGE };
    struct fake_server *server = fake_server_start(script, 6);
    struct cim_session *session = connect_with(server, 5000);
    struct seen seen = { 0 };
    struct err err = ERR_INIT;

    CHECK(!query(session, &seen, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
    CHECK(strstr(err.hint, "now 150 KB"));
    CHECK(strstr(err.hint, "winrm set winrm/config @{MaxEnvelopeSizekb=\"300\"}"));
    CHECK_EQ(fake_server_requests(server), 6);
    cim_release(session);
    fake_server_stop(server);
}

TEST(a_change_that_does_not_fit_is_not_sent_again)
{
    static const struct fake_answer script[] = { TOO_LARGE, TOO_LARGE };
    struct fake_server *server = fake_server_start(script, 2);
    struct cim_session *session = connect_with(server, 5000);
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/virtualization/v2", "X");
    struct cim_instance *out = NULL;
    struct err err = ERR_INIT;

    CHECK(!cim_invoke(session, path, "M", NULL, &out, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
    CHECK_EQ(fake_server_requests(server), 1);
    cim_release(session);
    fake_server_stop(server);
}

TEST(get_sends_all_keys_and_nested_references)
{
    static const struct fake_answer script[] = {
        { ENV("<p:Msvm_SettingsDefineState xmlns:p=\"" V2 "Msvm_SettingsDefineState\"/>") },
        { FAULT("DestinationUnreachable", "2150858770"), 500 },
    };
    struct fake_server *server = fake_server_start(script, 2);
    struct cim_session *session = connect_with(server, 5000);
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_parse(
        "root/virtualization/v2:Msvm_SettingsDefineState.ManagedElement=\"root\\\\virtualization\\\\v2:"
        "Msvm_ComputerSystem.CreationClassName=\\\"Msvm_ComputerSystem\\\",Name=\\\"A&B\\\"\","
        "SettingData=\"root\\\\virtualization\\\\v2:Msvm_VirtualSystemSettingData.InstanceID=\\\"x\\\"\"",
        &err);
    struct cim_instance *got = NULL;
    const char *body;

    CHECK(path != NULL);
    CHECK_OK(cim_fetch(session, path, &got, &err));
    cim_instance_free(TAKE(got));
    body = fake_server_body(server, 0);
    CHECK(strstr(body, V2 "Msvm_SettingsDefineState</w:ResourceURI>"));
    CHECK(strstr(body,
                 "<w:Selector Name=\"ManagedElement\"><a:EndpointReference><a:Address>"));
    CHECK(strstr(body,
                 "<w:ResourceURI>" V2 "Msvm_ComputerSystem</w:ResourceURI><w:SelectorSet>"
                 "<w:Selector Name=\"CreationClassName\">Msvm_ComputerSystem</w:Selector>"
                 "<w:Selector Name=\"Name\">A&#38;B</w:Selector></w:SelectorSet>"));
    CHECK(!cim_fetch(session, path, &got, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_STR_EQ(err.text[1], "reading one 'Msvm_SettingsDefineState'");
    cim_release(session);
    fake_server_stop(server);
}

TEST(invoke_writes_every_kind_of_parameter)
{
    static const struct fake_answer script[] = {
        { ENV(
            "<p:AddResourceSettings_OUTPUT xmlns:p=\"" V2
            "Msvm_VirtualSystemManagementService\">"
            "<p:Job><a:Address>x</a:Address><a:ReferenceParameters><w:ResourceURI>" V2
            "Msvm_ConcreteJob</w:ResourceURI><w:SelectorSet><w:Selector Name=\"InstanceID\">J1"
            "</w:Selector></w:SelectorSet></a:ReferenceParameters></p:Job>"
            "<p:ResultingResourceSettings xsi:nil=\"true\"/><p:ReturnValue>4096</p:ReturnValue>"
            "</p:AddResourceSettings_OUTPUT>") },
    };
    struct fake_server *server = fake_server_start(script, 1);
    struct cim_session *session = connect_with(server, 5000);
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup)
    struct cim_path *service =
        cim_path_new("root/virtualization/v2", "Msvm_VirtualSystemManagementService");
    CLEANUP(cim_path_cleanup)
    struct cim_path *settings =
        cim_path_new("root/virtualization/v2", "Msvm_VirtualSystemSettingData");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "__PARAMETERS");
    const char *const embedded[] = { "<INSTANCE CLASSNAME=\"A\"/>", "<B>&#38;</B>" };
    struct cim_datetime time = { .interval = true, .usec = 1500000 };
    struct cim_instance *out = NULL;
    const char *body;
    uint64_t value = 0;

    CHECK_OK(cim_path_set(service, "CreationClassName",
                          "Msvm_VirtualSystemManagementService", &err));
    CHECK_OK(cim_path_set(settings, "InstanceID", "Microsoft:A\\B", &err));
    /* Not in the order of the method, not in its spelling; and one it does not have. */
    CHECK_OK(cim_set_texts(in, "resourcesettings", embedded, 2, &err));
    CHECK_OK(cim_set_path(in, "AffectedConfiguration", settings, &err));
    CHECK_OK(cim_set_datetime(in, "Delay", &time, &err));
    CHECK_OK(cim_set_null(in, "Nothing", CIM_STRING, false, &err));
    CHECK_OK(cim_invoke(session, service, "AddResourceSettings", in, &out, &err));
    body = fake_server_body(server, 0);
    CHECK(strstr(body,
                 V2 "Msvm_VirtualSystemManagementService/AddResourceSettings</a:Action>"));
    CHECK(strstr(
        body,
        "<p:AddResourceSettings_INPUT xmlns:p=\"" V2
        "Msvm_VirtualSystemManagementService\">"
        "<p:AffectedConfiguration><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/"
        "role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>" V2
        "Msvm_VirtualSystemSettingData</w:ResourceURI><w:SelectorSet><w:Selector "
        "Name=\"InstanceID\">Microsoft:A\\B</w:Selector></w:SelectorSet>"
        "</a:ReferenceParameters></p:AffectedConfiguration>"
        "<p:ResourceSettings>&#60;INSTANCE CLASSNAME=&#34;A&#34;/&#62;</p:ResourceSettings>"
        "<p:ResourceSettings>&#60;B&#62;&#38;#38;&#60;/B&#62;</p:ResourceSettings>"
        "<p:Delay><cim:Interval xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">"
        "P0DT0H0M1.5S</cim:Interval></p:Delay></p:AddResourceSettings_INPUT>"));
    CHECK(cim_get_u64(out, "ReturnValue", &value) && value == 4096);
    CHECK_STR_EQ(cim_path_get(cim_get_path(out, "Job"), "InstanceID"), "J1");
    CHECK_STR_EQ(cim_get_path(out, "Job")->class_name, "Msvm_ConcreteJob");
    CHECK(cim_get(out, "ResultingResourceSettings")->is_null);
    CHECK(cim_get(out, "ResultingResourceSettings")->is_array);
    cim_instance_free(out);
    cim_release(session);
    fake_server_stop(server);
}

#define CIMV2 "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/"

TEST(embedded_objects_are_read_in_both_forms)
{
    static const struct fake_answer script[] = {
        { ENV(
            "<p:GetDeviceProperties_OUTPUT xmlns:p=\"" CIMV2 "Win32_PnPEntity\">"
            "<p:deviceProperties xmlns:q=\"" CIMV2 "Win32_PnPDevicePropertyString\" "
            "xsi:type=\"q:Win32_PnPDevicePropertyString_Type\"><q:Data>text</q:Data>"
            "<q:KeyName>K1</q:KeyName></p:deviceProperties>"
            "<p:deviceProperties><r:Win32_PnPDevicePropertyUint32 xmlns:r=\"" CIMV2
            "Win32_PnPDevicePropertyUint32\"><r:Data>7</r:Data><r:Type>7</r:Type>"
            "</r:Win32_PnPDevicePropertyUint32></p:deviceProperties><p:ReturnValue>0</p:ReturnValue>"
            "</p:GetDeviceProperties_OUTPUT>") },
    };
    struct fake_server *server = fake_server_start(script, 1);
    struct cim_session *session = connect_with(server, 5000);
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup)
    struct cim_path *path =
        cim_path_parse("root/cimv2:Win32_PnPEntity.DeviceID=\"PCI\\\\X\"", &err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    const struct cim_instance *one, *two;
    uint64_t data = 0;

    CHECK_OK(cim_invoke(session, path, "GetDeviceProperties", NULL, &out, &err));
    CHECK_EQ(cim_get_count(out, "deviceProperties"), 2);
    one = cim_get_object(out, "deviceProperties", 0);
    two = cim_get_object(out, "deviceProperties", 1);
    CHECK_STR_EQ(one->class_name, "Win32_PnPDevicePropertyString");
    CHECK_STR_EQ(one->ns, "root/cimv2");
    CHECK_STR_EQ(cim_get_text(one, "Data"), "text");
    CHECK_STR_EQ(cim_get_text(one, "KeyName"), "K1");
    CHECK_STR_EQ(two->class_name, "Win32_PnPDevicePropertyUint32");
    CHECK(cim_get_u64(two, "Data", &data) && data == 7);
    cim_release(session);
    fake_server_stop(server);
}

static bool see_fragment(const struct cim_instance *row, void *user, struct err *err)
{
    struct cim_datetime t = { 0 };
    uint64_t state = 0;

    CHECK_STR_EQ(row->class_name, "Msvm_ComputerSystem");
    CHECK(cim_get_u64(row, "EnabledState", &state) && state == 3);
    CHECK(cim_get_datetime(row, "InstallDate", &t) && t.usec > 0);
    CHECK(cim_get(row, "OperationalStatus")->is_array &&
          cim_get_count(row, "OperationalStatus") == 2);
    ++*(unsigned *)user;
    return true;
}

TEST(fragments_of_a_projection_are_typed_by_the_query)
{
    static const struct fake_answer script[] = {
        { ENUMERATED(
            "<w:Items><w:XmlFragment><EnabledState>3</EnabledState><InstallDate><Datetime>"
            "2025-12-17T09:55:22Z</Datetime></InstallDate><OperationalStatus>2</OperationalStatus>"
            "<OperationalStatus>32768</OperationalStatus></w:XmlFragment></w:Items>"
            "<w:EndOfSequence/>") },
    };
    struct fake_server *server = fake_server_start(script, 1);
    struct cim_session *session = connect_with(server, 5000);
    struct err err = ERR_INIT;
    unsigned rows = 0;

    CHECK_OK(cim_query(
        session, "root/virtualization/v2",
        "SELECT EnabledState,InstallDate FROM Msvm_ComputerSystem WHERE Name='from x'",
        see_fragment, &rows, &err));
    CHECK_EQ(rows, 1);
    cim_release(session);
    fake_server_stop(server);
}

TEST(put_sends_the_changes_and_nothing_else)
{
    static const struct fake_answer script[] = {
        { ENV("<p:Msvm_PartitionableGpu xmlns:p=\"" V2 "Msvm_PartitionableGpu\"/>") },
    };
    struct fake_server *server = fake_server_start(script, 1);
    struct cim_session *session = connect_with(server, 5000);
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/virtualization/v2", "Msvm_PartitionableGpu");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *changes = cim_instance_new(NULL, "Msvm_PartitionableGpu");

    CHECK_OK(cim_path_set(path, "Name", "\\\\?\\PCI#X", &err));
    CHECK_OK(cim_set_uint(changes, "PartitionCount", CIM_UINT16, 4, &err));
    CHECK_OK(cim_set_null(changes, "Caption", CIM_STRING, false, &err));
    CHECK_OK(cim_put(session, path, changes, &err));
    CHECK(strstr(fake_server_body(server, 0),
                 "<s:Body><p:Msvm_PartitionableGpu xmlns:p=\"" V2 "Msvm_PartitionableGpu\">"
                 "<p:PartitionCount>4</p:PartitionCount><p:Caption xsi:nil=\"true\"/>"
                 "</p:Msvm_PartitionableGpu></s:Body>"));
    cim_release(session);
    fake_server_stop(server);
}

TEST(base64_is_what_the_rfc_says)
{
    static const char *const cases[][2] = { { "", "" },
                                            { "f", "Zg==" },
                                            { "fo", "Zm8=" },
                                            { "foo", "Zm9v" },
                                            { "foobar", "Zm9vYmFy" } };
    static const char *const bad[] = { "Z", "Zg=", "Zg===", "Z!==", "Zg==Zg==", "====" };
    char text[32];
    size_t len;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        base64_encode(cases[i][0], strlen(cases[i][0]), text);
        CHECK_STR_EQ(text, cases[i][1]);
        CHECK(base64_decode(text, strlen(text), &len) && len == strlen(cases[i][0]));
        CHECK(memcmp(text, cases[i][0], len) == 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        strcpy(text, bad[i]);
        test_case(bad[i]);
        CHECK(!base64_decode(text, strlen(text), &len));
    }
}

static bool count_row(const struct cim_instance *row, void *user, struct err *err)
{
    ++*(unsigned *)user;
    return true;
}

/* One answer with 1000 VMs, as one Pull from a large host: far below 50 ms. */
TEST(a_thousand_instances_are_read_quickly)
{
    char *recording, *item, *item_end;
    char *path =
        text_printf(WSMAN_RECORDINGS "/recorded_computersystem_pull_vm_running_a.xml");
    struct strbuf body = STRBUF_INIT;
    struct fake_answer script[1] = { { 0 } };
    struct fake_server *server;
    struct wsman_options options = {
        .user = "u", .auth = "basic", .password = "p", .max_envelope_bytes = 16 << 20
    };
    struct cim_session *session;
    struct err err = ERR_INIT;
    unsigned rows = 0, took;
    uint64_t start;

    recording = os_read_file(path, 1 << 20, NULL, &err);
    item = strstr(recording, "<p:Msvm_ComputerSystem ");
    item_end = strstr(recording, "</n:Items>");
    strbuf_puts(&body,
                "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
                "xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" "
                "xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" "
                "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><s:Header>"
                "<a:RelatesTo>" REQUEST_ID "</a:RelatesTo></s:Header><s:Body>"
                "<n:EnumerateResponse><w:Items>");
    for (size_t i = 0; i < 1000; i++)
        strbuf_add(&body, item, (size_t)(item_end - item));
    strbuf_puts(&body,
                "</w:Items><w:EndOfSequence/></n:EnumerateResponse></s:Body></s:Envelope>");
    script[0].body = body.text;
    server = fake_server_start(script, 1);
    options.url = fake_server_url(server);
    session = wsman_open(&options, &err);
    start = os_monotonic_ms();
    CHECK_OK(cim_query(session, "root/virtualization/v2",
                       "select * from Msvm_ComputerSystem", count_row, &rows, &err));
    took = (unsigned)(os_monotonic_ms() - start);
    CHECK_EQ(rows, 1000);
    printf("# 1000 instances, %zu bytes: %u ms\n", body.len, took);
    CHECK(took < 2000); /* slack for sanitizers and busy machines; about 30 ms otherwise */
    cim_release(session);
    fake_server_stop(server);
    strbuf_free(&body);
    free(recording);
    free(path);
}

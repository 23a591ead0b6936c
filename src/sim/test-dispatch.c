/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages in, messages out, without a network. */
#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "test-fixture.h"
#include "test.h"
#include "text.h"

#define HEADER_START                                                                   \
    "<s:Envelope xmlns:s=\"" NS_SOAP "\" xmlns:a=\"" NS_ADDRESSING                     \
    "\" xmlns:w=\"" NS_WSMAN "\" xmlns:n=\"" NS_ENUMERATION "\" xmlns:rsp=\"" NS_SHELL \
    "\" xmlns:xsi=\"" NS_XSI "\" xmlns:b=\"" NS_BINDING                                \
    "\"><s:Header><a:To>http://x/wsman</a:To><a:ReplyTo><a:Address>" ANONYMOUS         \
    "</a:Address></a:ReplyTo><a:MessageID>uuid:1</a:MessageID>"
#define V2_URI WMI_PREFIX FIXTURE_V2 "/"

struct setup {
    struct sim_host *host;
    struct endpoint endpoint;
    struct answer answer;
};

static bool set_up(struct setup *s, unsigned vms)
{
    struct err err = ERR_INIT;

    *s = (struct setup){ 0 };
    s->host = fixture_host("SIM1", vms, &err);
    CHECK_OK(s->host != NULL);
    if (!s->host)
        return false;
    CHECK_OK(endpoint_init(&s->endpoint, s->host, &err));
    s->endpoint.url = text_dup("http://127.0.0.1:5985/wsman");
    s->endpoint.owner = "admin";
    return true;
}

static void tear_down(struct setup *s)
{
    strbuf_free(&s->answer.body);
    endpoint_clear(&s->endpoint);
    fixture_host_free(s->host);
}

static const char *send_raw(struct setup *s, const char *message)
{
    strbuf_free(&s->answer.body);
    s->answer.status = 0;
    dispatch(&s->endpoint, message, strlen(message), NULL, "127.0.0.1", &s->answer);
    return s->answer.body.text ? s->answer.body.text : "";
}

/* @headers: further header elements. */
static const char *ask(struct setup *s, const char *action, const char *uri,
                       const char *headers, const char *body)
{
    CLEANUP(free_cleanup)
    char *message = text_printf(
        HEADER_START "<a:Action s:mustUnderstand=\"true\">%s</a:Action><w:ResourceURI>%s"
                     "</w:ResourceURI>%s</s:Header><s:Body>%s</s:Body></s:Envelope>",
        action, uri, headers, body);

    return send_raw(s, message ? message : "");
}

static const char *enumerate(struct setup *s, const char *uri, const char *inner)
{
    CLEANUP(free_cleanup) char *body = text_printf("<n:Enumerate>%s</n:Enumerate>", inner);

    return ask(s, NS_ENUMERATION "/Enumerate", uri, "", body);
}

static const char *query(struct setup *s, const char *wql)
{
    CLEANUP(free_cleanup)
    char *inner = text_printf(
        "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">%s</w:Filter>",
        wql);

    return enumerate(s, V2_URI "*", inner);
}

static const char *pull(struct setup *s, const char *enumerate_answer, const char *max)
{
    const char *from = strstr(enumerate_answer, "<n:EnumerationContext>");
    CLEANUP(free_cleanup)
    char *id = from ? text_ndup(from + 22, strcspn(from + 22, "<")) : text_dup("none");
    CLEANUP(free_cleanup)
    char *body = text_printf(
        "<n:Pull><n:EnumerationContext>%s</n:EnumerationContext>%s</n:Pull>", id, max);

    return ask(s, NS_ENUMERATION "/Pull", V2_URI "*", "", body);
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

#define HAS(text, part)                                                               \
    do {                                                                              \
        const char *text_ = (text);                                                   \
                                                                                      \
        text_ = text_ ? text_ : "nothing";                                            \
        test_report(strstr(text_, (part)) != NULL, __FILE__, __LINE__, "no %s in %s", \
                    (part), text_);                                                   \
    } while (0)

TEST(an_instance_has_the_shape_that_was_recorded_from_a_real_host)
{
    struct setup s;
    const char *answer;

    if (!set_up(&s, 1))
        return;
    answer =
        ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_ComputerSystem",
            "<w:SelectorSet><w:Selector Name=\"CreationClassName\">Msvm_ComputerSystem"
            "</w:Selector><w:Selector Name=\"Name\">00000000-0000-4000-8000-000000000001"
            "</w:Selector></w:SelectorSet>",
            "");
    CHECK_EQ(s.answer.status, 200);
    HAS(answer, "<s:Envelope xml:lang=\"ja-JP\"");
    HAS(answer, "<a:RelatesTo>uuid:1</a:RelatesTo>");
    HAS(answer, "<a:Action>" NS_TRANSFER "/GetResponse</a:Action>");
    HAS(answer, "<p:Msvm_ComputerSystem xmlns:xsi=\"" NS_XSI "\" xmlns:p=\"" V2_URI
                "Msvm_ComputerSystem\" xmlns:cim=\"" NS_CIM
                "\" xsi:type=\"p:Msvm_ComputerSystem_Type\"><p:");
    HAS(answer, "<p:InstallDate><cim:Datetime>2025-12-17T09:55:22.702341Z</cim:Datetime>");
    HAS(answer, "<p:DetailedStatus xsi:nil=\"true\"/>");
    HAS(answer, "<p:OnTimeInMilliseconds>18446744073709551615</p:OnTimeInMilliseconds>");
    CHECK(strstr(answer, "p:Caption") < strstr(answer, "p:CreationClassName"));
    CHECK(strstr(answer, "p:Name>") < strstr(answer, "p:OperationalStatus"));
    /* since=26100: this host is 22631 */
    CHECK(!strstr(answer, "ManagementVtlImageFileName"));
    tear_down(&s);
}

TEST(get_with_too_few_or_wrong_keys_is_refused_as_hyper_v_does)
{
    struct setup s;

    if (!set_up(&s, 2))
        return;
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_ComputerSystem",
            "<w:SelectorSet><w:Selector Name=\"Name\">SIM1</w:Selector></w:SelectorSet>",
            ""),
        "a:DestinationUnreachable");
    CHECK_EQ(s.answer.status, 500);
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_ComputerSystem", "", ""),
        "Code=\"2150859002\"");
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_ComputerSystem",
            "<w:SelectorSet><w:Selector Name=\"Colour\">red</w:Selector></w:SelectorSet>",
            ""),
        "Code=\"2150858843\"");
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_NoSuchClass", "", ""),
        "Code=\"2150858811\"");
    HAS(ask(&s, NS_TRANSFER "/Get", "http://example.com/x", "", ""), "Code=\"2150858811\"");
    tear_down(&s);
}

TEST(pull_gives_one_item_and_the_last_one_comes_with_the_end)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;
    const char *answer;

    if (!set_up(&s, 2))
        return;
    opened = text_dup(enumerate(&s, V2_URI "Msvm_ComputerSystem", ""));
    CHECK_EQ(count(opened, "EndOfSequence"), 0);
    CHECK_EQ(count(opened, "<p:Msvm_ComputerSystem "), 0);
    for (unsigned i = 0; i < 2; i++) {
        answer = pull(&s, opened, "");
        CHECK_EQ(count(answer, "<p:Msvm_ComputerSystem "), 1);
        CHECK_EQ(count(answer, "EndOfSequence"), 0);
        CHECK_EQ(count(answer, "<n:EnumerationContext>"), 1);
    }
    answer = pull(&s, opened, "");
    CHECK_EQ(count(answer, "<p:Msvm_ComputerSystem "), 1);
    CHECK_EQ(count(answer, "<n:EndOfSequence/>"), 1);
    CHECK_EQ(count(answer, "<n:EnumerationContext>"), 0);
    HAS(pull(&s, opened, ""), "n:InvalidEnumerationContext");
    tear_down(&s);
}

TEST(an_optimized_enumeration_starts_with_one_item_and_fills_its_pulls)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;
    unsigned total = 1, pulls = 0;

    if (!set_up(&s, 200))
        return;
    opened = text_dup(enumerate(&s, V2_URI "Msvm_ComputerSystem",
                                "<w:OptimizeEnumeration/>"
                                "<w:MaxElements>32000"
                                "</w:MaxElements>"));
    CHECK_EQ(count(opened, "<p:Msvm_ComputerSystem "), 1);
    CHECK_EQ(count(opened, "EndOfSequence"), 0);
    for (bool end = false; !end && pulls < 50; pulls++) {
        const char *answer = pull(&s, opened, "<n:MaxElements>32000</n:MaxElements>");

        CHECK(strlen(answer) <= 256000);
        total += count(answer, "<p:Msvm_ComputerSystem ");
        end = strstr(answer, "EndOfSequence");
    }
    CHECK_EQ(total, 201);
    CHECK(pulls > 1 && pulls < 8);
    tear_down(&s);
}

TEST(an_empty_optimized_enumeration_ends_at_once)
{
    struct setup s;
    const char *answer;

    if (!set_up(&s, 0))
        return;
    answer =
        enumerate(&s, V2_URI "Msvm_VirtualSystemSettingData", "<w:OptimizeEnumeration/>");
    HAS(answer, "<n:EnumerationContext></n:EnumerationContext><w:EndOfSequence/>");
    CHECK_EQ(s.endpoint.context_count, 0);
    tear_down(&s);
}

TEST(wql_wants_the_class_star_and_says_so)
{
    struct setup s;
    const char *filter =
        "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">SELECT * FROM "
        "Msvm_ComputerSystem</w:Filter>";
    const char *answer;

    if (!set_up(&s, 1))
        return;
    answer = enumerate(&s, V2_URI "Msvm_ComputerSystem", filter);
    HAS(answer, "w:CannotProcessFilter");
    HAS(answer, "Code=\"2150859003\"");
    enumerate(&s, V2_URI "*", filter);
    CHECK_EQ(s.answer.status, 200);
    HAS(query(&s, "SELECT FROM x"), "w:CannotProcessFilter");
    HAS(query(&s, "SELECT * FROM Msvm_Nothing"), "Code=\"2150858811\"");
    HAS(query(&s, "SELECT * FROM Msvm_ComputerSystem WHERE Colour = 'red'"),
        "w:CannotProcessFilter");
    tear_down(&s);
}

TEST(a_projection_comes_as_fragment_without_namespaces)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;
    const char *answer;

    if (!set_up(&s, 1))
        return;
    opened = text_dup(
        query(&s, "select Name, InstallDate, Status from Msvm_ComputerSystem where "
                  "Name != 'SIM1'"));
    answer = pull(&s, opened, "");
    HAS(answer, "<w:XmlFragment xmlns:xsi=\"" NS_XSI "\"><InstallDate><Datetime>2025-");
    HAS(answer,
        "<Name>00000000-0000-4000-8000-000000000001</Name><Status xsi:nil=\"true\"/>"
        "</w:XmlFragment>");
    tear_down(&s);
}

TEST(associations_are_walked_both_ways)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;
    const char *answer;

    if (!set_up(&s, 3))
        return;
    opened = text_dup(query(
        &s, "ASSOCIATORS OF {Msvm_ComputerSystem.CreationClassName='Msvm_ComputerSystem',"
            "Name='00000000-0000-4000-8000-000000000002'} WHERE AssocClass = "
            "Msvm_SettingsDefineState ResultClass = Msvm_VirtualSystemSettingData"));
    answer = pull(&s, opened, "<n:MaxElements>10</n:MaxElements>");
    CHECK_EQ(count(answer, "xsi:type=\"p:Msvm_VirtualSystemSettingData_Type\""), 1);
    HAS(answer, "Microsoft:00000000-0000-4000-8000-000000000002");
    HAS(answer, "<cim:Interval>P0DT0H5M0S</cim:Interval>");
    HAS(answer,
        "<p:Notes>first &#60;note&#62; &#38; more</p:Notes><p:Notes>second</p:Notes>");
    free(TAKE(opened));
    opened = text_dup(query(&s, "REFERENCES OF {Msvm_VirtualSystemSettingData.InstanceID="
                                "\"Microsoft:00000000-0000-4000-8000-000000000003\"}"));
    answer = pull(&s, opened, "<n:MaxElements>10</n:MaxElements>");
    HAS(answer,
        "<p:ManagedElement xmlns:a=\"" NS_ADDRESSING "\" xmlns:w=\"" NS_WSMAN
        "\"><a:Address>" ANONYMOUS "</a:Address><a:ReferenceParameters><w:ResourceURI>");
    free(TAKE(opened));
    /* The same by DSP0227's own filter. */
    opened = text_dup(enumerate(
        &s, V2_URI "*",
        "<w:Filter Dialect=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter\">"
        "<b:AssociatedInstances><b:Object><a:Address>x</a:Address><a:ReferenceParameters>"
        "<w:ResourceURI>" V2_URI
        "Msvm_VirtualSystemSettingData</w:ResourceURI><w:SelectorSet>"
        "<w:Selector Name=\"InstanceID\">Microsoft:00000000-0000-4000-8000-000000000003"
        "</w:Selector></w:SelectorSet></a:ReferenceParameters></b:Object>"
        "<b:ResultClassName>Msvm_ComputerSystem</b:ResultClassName></b:AssociatedInstances>"
        "</w:Filter>"));
    HAS(pull(&s, opened, ""), "<p:ElementName>vm 3</p:ElementName>");
    tear_down(&s);
}

TEST(references_can_be_asked_for_instead_of_objects)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;
    const char *answer;

    if (!set_up(&s, 0))
        return;
    opened = text_dup(enumerate(&s, V2_URI "Msvm_PartitionableGpu",
                                "<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>"));
    answer = pull(&s, opened, "");
    HAS(answer, "<n:Items><a:EndpointReference><a:Address>");
    HAS(answer, "<w:Selector Name=\"Name\">\\\\?\\PCI#VEN_10DE&#38;DEV_2860");
    CHECK(!strstr(answer, "PartitionCount"));
    free(TAKE(opened));
    opened =
        text_dup(enumerate(&s, V2_URI "CIM_ComputerSystem",
                           "<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>"));
    answer = pull(&s, opened, "<n:MaxElements>5</n:MaxElements>");
    CHECK_EQ(count(answer, "<w:Item>"), 2);
    CHECK_EQ(count(answer, "</a:EndpointReference></w:Item>"), 2);
    HAS(answer, "xsi:type=\"p:Msvm_PartitionableGpu_Type\""); /* subclasses in full */
    tear_down(&s);
}

#define VSMS V2_URI "Msvm_VirtualSystemManagementService"
#define VSMS_KEY                                                                                \
    "<w:SelectorSet><w:Selector Name=\"CreationClassName\">Msvm_VirtualSystemManagementService" \
    "</w:Selector></w:SelectorSet>"
#define SETTINGS_EPR                                                                               \
    "<a:Address>" ANONYMOUS "</a:Address><a:ReferenceParameters><w:ResourceURI>" V2_URI            \
    "Msvm_VirtualSystemSettingData</w:ResourceURI><w:SelectorSet><w:Selector Name=\"InstanceID\">" \
    "Microsoft:00000000-0000-4000-8000-000000000001</w:Selector></w:SelectorSet>"                  \
    "</a:ReferenceParameters>"

static const char *add_resource(struct setup *s, const char *keys, const char *inner)
{
    CLEANUP(free_cleanup)
    char *body = text_printf("<p:AddResourceSettings_INPUT xmlns:p=\"" VSMS
                             "\">%s</p:AddResourceSettings_INPUT>",
                             inner);

    return ask(s, VSMS "/AddResourceSettings", VSMS, keys, body);
}

TEST(methods_take_parameters_as_strictly_as_recorded)
{
    struct setup s;
    const char *answer;

    if (!set_up(&s, 1))
        return;
    answer =
        add_resource(&s, VSMS_KEY,
                     "<p:AffectedConfiguration>" SETTINGS_EPR "</p:AffectedConfiguration>"
                     "<p:ResourceSettings><![CDATA[<INSTANCE CLASSNAME=\"X\"/>]]>"
                     "</p:ResourceSettings><p:ResourceSettings>&lt;INSTANCE/&gt;"
                     "</p:ResourceSettings>");
    HAS(answer, "<p:AddResourceSettings_OUTPUT");
    HAS(answer, "<p:Job xsi:nil=\"true\"/>");
    HAS(answer, "<p:ReturnValue>0</p:ReturnValue>");
    CHECK_EQ(count(answer, "<p:ResultingResourceSettings "), 2);
    HAS(add_resource(&s, VSMS_KEY,
                     "<p:AffectedConfiguration><a:EndpointReference>" SETTINGS_EPR
                     "</a:EndpointReference></p:AffectedConfiguration>"),
        "w:SchemaValidationError");
    HAS(add_resource(
            &s, VSMS_KEY,
            "<p:ResourceSettings><p:Msvm_X><p:A>1</p:A></p:Msvm_X></p:ResourceSettings>"),
        "w:SchemaValidationError");
    HAS(add_resource(&s, VSMS_KEY, "<p:affectedconfiguration/>"),
        "w:SchemaValidationError");
    HAS(add_resource(&s, VSMS_KEY, "<p:Job/>"), "w:SchemaValidationError");
    HAS(add_resource(&s, VSMS_KEY, ""), "<p:ReturnValue>32773</p:ReturnValue>");
    tear_down(&s);
}

TEST(a_service_needs_its_selector_and_a_static_method_none)
{
    struct setup s;

    if (!set_up(&s, 1))
        return;
    HAS(add_resource(&s, "", ""), "Code=\"2147749935\""); /* 0x8004102F */
    HAS(add_resource(&s,
                     "<w:SelectorSet><w:Selector Name=\"Name\">other</w:Selector>"
                     "</w:SelectorSet>",
                     ""),
        "a:DestinationUnreachable");
    HAS(ask(&s, WMI_PREFIX "root/cimv2/StdRegProv/GetDWORDValue",
            WMI_PREFIX "root/cimv2/StdRegProv", "",
            "<p:GetDWORDValue_INPUT xmlns:p=\"" WMI_PREFIX
            "root/cimv2/StdRegProv\"><p:hDefKey>"
            "2147483650</p:hDefKey><p:sSubKeyName>a</p:sSubKeyName></p:GetDWORDValue_INPUT>"),
        "<p:uValue>2</p:uValue><p:ReturnValue>0</p:ReturnValue>");
    HAS(ask(&s, WMI_PREFIX "root/cimv2/StdRegProv/GetDWORDValue",
            WMI_PREFIX "root/cimv2/StdRegProv", "",
            "<p:GetDWORDValue_INPUT xmlns:p=\"" WMI_PREFIX
            "root/cimv2/StdRegProv\"><p:hDefKey>"
            "4294967296</p:hDefKey></p:GetDWORDValue_INPUT>"),
        "w:SchemaValidationError");
    HAS(ask(&s, VSMS "/Dance", VSMS, VSMS_KEY, ""), "a:ActionNotSupported");
    HAS(ask(&s, VSMS "/DestroySystem", VSMS, VSMS_KEY,
            "<p:DestroySystem_INPUT xmlns:p=\"" VSMS "\"/>"),
        "not known from public sources");
    tear_down(&s);
}

TEST(put_changes_what_the_class_lets_change)
{
    struct setup s;
    const char *keys =
        "<w:SelectorSet><w:Selector Name=\"CreationClassName\">Msvm_PartitionableGpu"
        "</w:Selector><w:Selector Name=\"Name\">\\\\?\\PCI#VEN_10DE&amp;DEV_2860#4"
        "&amp;0#{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV</w:Selector>"
        "</w:SelectorSet>";

    if (!set_up(&s, 1))
        return;
    HAS(ask(&s, NS_TRANSFER "/Put", V2_URI "Msvm_PartitionableGpu", keys,
            "<p:Msvm_PartitionableGpu xmlns:p=\"" V2_URI
            "Msvm_PartitionableGpu\"><p:PartitionCount>"
            "16</p:PartitionCount></p:Msvm_PartitionableGpu>"),
        "<p:PartitionCount>16</p:PartitionCount>");
    HAS(ask(&s, NS_TRANSFER "/Put", V2_URI "Msvm_PartitionableGpu", keys,
            "<p:Msvm_PartitionableGpu xmlns:p=\"" V2_URI
            "Msvm_PartitionableGpu\"><p:PartitionCount>"
            "many</p:PartitionCount></p:Msvm_PartitionableGpu>"),
        "w:SchemaValidationError");
    HAS(ask(&s, NS_TRANSFER "/Put", VSMS, VSMS_KEY, ""), "a:DestinationUnreachable");
    tear_down(&s);
}

TEST(instances_made_on_demand_are_found_by_query_and_by_key)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;

    if (!set_up(&s, 0))
        return;
    opened = text_dup(enumerate(
        &s, WMI_PREFIX "root/cimv2/*",
        "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">SELECT * FROM "
        "CIM_DataFile WHERE Name = 'C:\\\\Windows\\\\notepad.exe' AND FileSize &gt; 1</w:Filter>"));
    HAS(pull(&s, opened, ""), "<p:FileSize>201216</p:FileSize>");
    HAS(ask(&s, NS_TRANSFER "/Get", WMI_PREFIX "root/cimv2/CIM_DataFile",
            "<w:SelectorSet><w:Selector Name=\"Name\">c:\\windows\\notepad.exe</w:Selector>"
            "</w:SelectorSet>",
            ""),
        "<p:FileSize>201216</p:FileSize>");
    HAS(ask(&s, NS_TRANSFER "/Get", WMI_PREFIX "root/cimv2/CIM_DataFile",
            "<w:SelectorSet><w:Selector Name=\"Name\">c:\\nothing</w:Selector></w:SelectorSet>",
            ""),
        "a:DestinationUnreachable");
    HAS(enumerate(&s, WMI_PREFIX "root/cimv2/CIM_DataFile", ""),
        "not known from public sources");
    tear_down(&s);
}

TEST(an_answer_larger_than_the_client_takes_is_a_fault)
{
    struct setup s;
    CLEANUP(free_cleanup) char *opened = NULL;

    if (!set_up(&s, 1))
        return;
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_PartitionableGpu",
            "<w:MaxEnvelopeSize>1000</w:MaxEnvelopeSize>", ""),
        "Code=\"2150858823\"");
    opened = text_dup(enumerate(&s, V2_URI "Msvm_VirtualSystemSettingData", ""));
    {
        const char *from = strstr(opened, "uuid:");
        CLEANUP(free_cleanup) char *body = NULL;

        from = strstr(opened, "<n:EnumerationContext>");
        CHECK(from != NULL);
        body =
            text_printf("<n:Pull>%.*s</n:Pull>", from ? 22 + 41 + 23 : 0, from ? from : "");
        HAS(ask(&s, NS_ENUMERATION "/Pull", V2_URI "*",
                "<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>", body),
            "Code=\"2150858824\"");
    }
    tear_down(&s);
}

TEST(headers_that_cannot_be_obeyed_are_refused)
{
    struct setup s;

    if (!set_up(&s, 1))
        return;
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_PartitionableGpu",
            "<x:Magic xmlns:x=\"urn:x\" s:mustUnderstand=\"1\"/>", ""),
        "s:MustUnderstand");
    ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_PartitionableGpu",
        "<x:Magic xmlns:x=\"urn:x\" s:mustUnderstand=\"false\"/>", "");
    CHECK_EQ(s.answer.status, 200);
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_PartitionableGpu",
            "<w:OperationTimeout>soon</w:OperationTimeout>", ""),
        "Code=\"2150858767\"");
    HAS(ask(&s, "urn:unknown", V2_URI "Msvm_PartitionableGpu", "", ""),
        "a:ActionNotSupported");
    HAS(send_raw(&s, "<s:Envelope xmlns:s=\"" NS_SOAP "\"><s:Body/></s:Envelope>"),
        "a:MessageInformationHeaderRequired");
    HAS(send_raw(&s, "<s:Envelope xmlns:s=\"" NS_SOAP "\"/>"), "valid Body element");
    HAS(send_raw(&s, "garbage"), "the XML is invalid");
    HAS(send_raw(&s, "<!DOCTYPE x [<!ENTITY a \"b\">]><s:Envelope xmlns:s=\"" NS_SOAP
                     "\"><s:Body/></s:Envelope>"),
        "the XML is invalid");
    HAS(send_raw(&s, ""), "the XML is invalid");
    tear_down(&s);
}

TEST(identify_tells_vendor_and_version)
{
    struct setup s;

    if (!set_up(&s, 0))
        return;
    HAS(send_raw(&s, "<s:Envelope xmlns:s=\"" NS_SOAP "\" xmlns:i=\"" NS_IDENTITY
                     "\"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"),
        "<wsmid:ProductVersion>OS: 10.0.22631 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>");
    tear_down(&s);
}

TEST(faults_on_demand_hit_the_call_that_was_named)
{
    struct setup s;
    struct fault_rules *rules = fault_rules_new();
    struct err err = ERR_INIT;

    if (!set_up(&s, 1))
        return;
    CHECK_OK(fault_rules_add(rules, "*.AddResourceSettings@2=refuse:32775", &err));
    CHECK_OK(fault_rules_add(rules, "Msvm_PartitionableGpu.Get@1=fault:0x80338029", &err));
    CHECK_OK(fault_rules_add(rules, "SIM1:Pull@*=drop", &err));
    CHECK_OK(fault_rules_add(rules, "OTHER:*@*=drop", &err));
    CHECK_OK(fault_rules_add(rules, "Identify@1=http:503", &err));
    CHECK_OK(fault_rules_add(rules, "AddResourceSettings@4=job-fail:32768", &err));
    CHECK_OK(fault_rules_add(rules, "AddResourceSettings@5=job-hang", &err));
    s.endpoint.faults = rules;
    HAS(add_resource(&s, VSMS_KEY, ""), "<p:ReturnValue>32773<");
    HAS(add_resource(&s, VSMS_KEY, ""), "<p:ReturnValue>32775<");
    HAS(add_resource(&s, VSMS_KEY, ""), "<p:ReturnValue>32773<");
    HAS(add_resource(&s, VSMS_KEY, ""), "<p:ReturnValue>32768<");
    HAS(add_resource(&s, VSMS_KEY, ""), "<p:ReturnValue>4096<");
    HAS(ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_PartitionableGpu", "", ""), "w:TimedOut");
    ask(&s, NS_TRANSFER "/Get", V2_URI "Msvm_PartitionableGpu", "", "");
    CHECK_EQ(s.answer.status, 200);
    ask(&s, NS_ENUMERATION "/Pull", V2_URI "*", "", "<n:Pull/>");
    CHECK_EQ(s.answer.status, 0);
    send_raw(&s, "<s:Envelope xmlns:s=\"" NS_SOAP "\" xmlns:i=\"" NS_IDENTITY
                 "\"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>");
    CHECK_EQ(s.answer.status, 503);
    tear_down(&s);
    fault_rules_free(rules);
}

TEST(a_fault_that_is_written_wrongly_is_explained)
{
    static const char *const wrong[] = { "",
                                         "x",
                                         "a@1",
                                         "a@0=drop",
                                         "a@x=drop",
                                         "a@1=nope",
                                         "a@1=refuse",
                                         "a@1=drop:1",
                                         "@1=drop",
                                         "a.@1=drop",
                                         "a@1=http:99",
                                         "a=drop",
                                         "a@1=delay:99999999999" };
    struct fault_rules *rules = fault_rules_new();

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct err err = ERR_INIT;

        test_case(wrong[i]);
        CHECK(!fault_rules_add(rules, wrong[i], &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(err.hint[0] != '\0');
    }
    fault_rules_free(rules);
}

TEST(a_remote_shell_runs_a_command_and_gives_its_output_and_code)
{
    struct setup s;
    CLEANUP(free_cleanup) char *keys = NULL;
    CLEANUP(free_cleanup) char *body = NULL;
    const char *at;

    if (!set_up(&s, 0))
        return;
    at =
        strstr(ask(&s, NS_TRANSFER "/Create", SHELL_CMD, "", "<rsp:Shell/>"), "ShellId\">");
    CHECK(at != NULL);
    keys = text_printf(
        "<w:OperationTimeout>PT0.2S</w:OperationTimeout><w:SelectorSet><w:Selector "
        "Name=\"ShellId\">%.36s</w:Selector></w:SelectorSet>",
        at ? at + 9 : "");
    at = strstr(ask(&s, NS_SHELL "/Command", SHELL_CMD, keys,
                    "<rsp:CommandLine><rsp:Command>fail</rsp:Command><rsp:Arguments>7"
                    "</rsp:Arguments></rsp:CommandLine>"),
                "<rsp:CommandId>");
    CHECK(at != NULL);
    body = text_printf("<rsp:Receive><rsp:DesiredStream CommandId=\"%.36s\">stdout stderr"
                       "</rsp:DesiredStream></rsp:Receive>",
                       at ? at + 15 : "");
    for (unsigned i = 0; i < 3; i++) {
        at = ask(&s, NS_SHELL "/Receive", SHELL_CMD, keys, body);
        if (strstr(at, "CommandState/Done"))
            break;
    }
    HAS(at, "<rsp:ExitCode>7</rsp:ExitCode>");
    HAS(ask(&s, NS_TRANSFER "/Delete", SHELL_CMD, keys, ""), "<s:Body></s:Body>");
    HAS(ask(&s, NS_SHELL "/Receive", SHELL_CMD, keys, body), "Code=\"2150858843\"");
    tear_down(&s);
}

TEST(a_command_with_nothing_to_say_lets_receive_time_out_and_can_be_stopped)
{
    struct setup s;
    CLEANUP(free_cleanup) char *keys = NULL;
    CLEANUP(free_cleanup) char *body = NULL;
    const char *at;

    if (!set_up(&s, 0))
        return;
    at =
        strstr(ask(&s, NS_TRANSFER "/Create", SHELL_CMD, "", "<rsp:Shell/>"), "ShellId\">");
    keys = text_printf(
        "<w:OperationTimeout>PT0.1S</w:OperationTimeout><w:SelectorSet><w:Selector "
        "Name=\"ShellId\">%.36s</w:Selector></w:SelectorSet>",
        at ? at + 9 : "");
    at = strstr(ask(&s, NS_SHELL "/Command", SHELL_CMD, keys,
                    "<rsp:CommandLine><rsp:Command>slow</rsp:Command></rsp:CommandLine>"),
                "<rsp:CommandId>");
    body = text_printf("<rsp:Receive><rsp:DesiredStream CommandId=\"%.36s\">stdout stderr"
                       "</rsp:DesiredStream></rsp:Receive>",
                       at ? at + 15 : "");
    HAS(ask(&s, NS_SHELL "/Receive", SHELL_CMD, keys, body), "YQ0K"); /* "a\r\n" */
    HAS(ask(&s, NS_SHELL "/Receive", SHELL_CMD, keys, body), "Code=\"2150858793\"");
    free(TAKE(keys));
    tear_down(&s); /* waits for the command, which must notice that it is to stop */
}

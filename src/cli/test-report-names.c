/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of recorded answers when the names are gone. */

#include "report-names.h"

#include <stdlib.h>

#include "err.h"
#include "test.h"

#define P(name, value) \
    "{\"name\":\"" name "\",\"type\":\"string\",\"array\":false,\"value\":\"" value "\"}"
#define ROW(class, properties) \
    "{\"namespace\":\"n\",\"class\":\"" class "\",\"properties\":[" properties "]}"
#define ENTRY(wql, rows) \
    "{\"request\":{\"op\":\"query\",\"wql\":\"" wql "\"},\"answer\":{\"rows\":[" rows "]}}"

/* @text cleaned by what @learnt tells; owned. */
static char *clean(const char *const *learnt, const char *text)
{
    struct err err = ERR_INIT;
    struct report_names *names = report_names_new(&err);
    json_t *json, *made;
    char *result;

    for (; *learnt; learnt++) {
        json = json_loads(*learnt, 0, NULL);
        CHECK(json);
        report_names_learn(names, json);
        json_decref(json);
    }
    json = json_loads(text, JSON_DECODE_ANY, NULL);
    CHECK(json);
    made = report_names_clean(names, json, &err);
    result = json_dumps(made, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    json_decref(made);
    report_names_free(names);
    return result;
}

static const char *const learnt[] = {
    ENTRY("x", ROW("Win32_OperatingSystem",
                   P("CSName", "LAPTOP") "," P("RegisteredUser", "bob@corp.example") "," P(
                       "SerialNumber", "00331-10000-00001-AA404"))),
    ENTRY("x", ROW("Win32_ComputerSystem",
                   P("Name", "LAPTOP") "," P("Domain", "corp.example.org") "," P(
                       "UserName", "CORP\\\\alice"))),
    ENTRY("x", ROW("Msvm_ComputerSystem",
                   P("Name", "6B29FC40-CA47-1067-B31D-00DD010662DA") "," P(
                       "ElementName", "Secret Project"))),
    ENTRY("x", ROW("Win32_PnPEntity",
                   P("DeviceID", "PCI\\\\VEN_8086&DEV_1563\\\\0000C9FFFF001122"))),
    NULL,
};

TEST(names_become_stand_ins_wherever_they_stand_and_always_the_same_ones)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "\"\\\\\\\\LAPTOP\\\\root\\\\cimv2:X.Name=\\\"laptop\\\"\"",
          "\"\\\\\\\\host-1\\\\root\\\\cimv2:X.Name=\\\"host-1\\\"\"" },
        /* another word, and another spelling that is no name */
        { "\"LAPTOPS\"", "\"LAPTOPS\"" },
        { "\"RTX 4070 Laptop GPU\"", "\"RTX 4070 Laptop GPU\"" },
        { "\"Secret Project\"", "\"vm-1\"" },
        { "\"CORP\\\\Alice\"", "\"user-3\\\\user-4\"" },
        { "\"S/N 00331-10000-00001-AA404!\"", "\"S/N serial-1!\"" },
        { "\"PCI#VEN_8086&DEV_1563#0000c9ffff001122#{x}\"",
          "\"PCI#VEN_8086&DEV_1563#serial-2#{x}\"" },
        { "\"nothing of that\"", "\"nothing of that\"" },
        { "[1,null,true,\"LAPTOP\"]", "[1,null,true,\"host-1\"]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = clean(learnt, cases[i].text);

        test_case(cases[i].text);
        CHECK_STR_EQ(got, cases[i].want);
        free(got);
    }
}

TEST(folders_of_people_go_and_those_of_windows_stay)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "\"C:\\\\Windows\\\\System32\\\\nvapi64.dll\"",
          "\"C:\\\\Windows\\\\System32\\\\nvapi64.dll\"" },
        { "\"D:\\\\Customers\\\\ACME\\\\disk.vhdx\"",
          "\"D:\\\\folder-1\\\\folder-2\\\\file-1.vhdx\"" },
        { "\"C:\\\\Users\\\\Public\\\\Documents\\\\Hyper-V\\\\Virtual Hard Disks\\\\acme.vhdx\"",
          "\"C:\\\\Users\\\\Public\\\\Documents\\\\Hyper-V\\\\Virtual Hard Disks\\\\file-1.vhdx\"" },
        { "\"\\\\\\\\nas\\\\vms\\\\a.vhdx\"",
          "\"\\\\\\\\folder-1\\\\folder-2\\\\file-1.vhdx\"" },
        { "\"\\\\\\\\?\\\\PCI#VEN_10DE\"", "\"\\\\\\\\?\\\\PCI#VEN_10DE\"" },
        { "[\"C:\\\\a\\\\x.vhdx\",\"C:\\\\a\\\\y.vhdx\"]",
          "[\"C:\\\\folder-1\\\\file-1.vhdx\",\"C:\\\\folder-1\\\\file-2.vhdx\"]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = clean(learnt, cases[i].text);

        test_case(cases[i].text);
        CHECK_STR_EQ(got, cases[i].want);
        free(got);
    }
}

TEST(what_people_wrote_and_what_guests_say_of_themselves_goes)
{
    char *got = clean(
        learnt, ROW("Msvm_VirtualSystemSettingData", P("Notes", "password is swordfish")));

    CHECK(!strstr(got, "swordfish") && strstr(got, "removed"));
    free(got);
    got =
        clean(learnt,
              ROW("Msvm_KvpExchangeComponent",
                  "{\"name\":\"GuestIntrinsicExchangeItems\",\"type\":\"string\",\"array\":"
                  "true,\"value\":["
                  "\"<INSTANCE CLASSNAME=\\\"Msvm_KvpExchangeDataItem\\\"><PROPERTY "
                  "NAME=\\\"Name\\\" TYPE=\\\"string\\\"><VALUE>FullyQualifiedDomainName"
                  "</VALUE></PROPERTY><PROPERTY NAME=\\\"Data\\\" TYPE=\\\"string\\\">"
                  "<VALUE>db.acme.example</VALUE></PROPERTY></INSTANCE>\","
                  "\"<INSTANCE CLASSNAME=\\\"Msvm_KvpExchangeDataItem\\\"><PROPERTY "
                  "NAME=\\\"Name\\\" TYPE=\\\"string\\\"><VALUE>OSName</VALUE></PROPERTY>"
                  "<PROPERTY NAME=\\\"Data\\\" TYPE=\\\"string\\\"><VALUE>Windows 11 Pro"
                  "</VALUE></PROPERTY></INSTANCE>\",\"192.0.2.7 <broken\"]}"));
    CHECK(!strstr(got, "acme") && !strstr(got, "192.0.2.7"));
    CHECK(strstr(got, "FullyQualifiedDomainName") && strstr(got, "Windows 11 Pro"));
    free(got);
}

TEST(names_of_classes_and_properties_are_windows_own)
{
    static const char *const odd[] = {
        ENTRY("x", ROW("Win32_OperatingSystem", P("CSName", "NAME"))), NULL
    };
    char *got = clean(odd, ROW("NAME", P("NAME", "NAME")));

    CHECK_STR_EQ(got,
                 "{\"namespace\":\"n\",\"class\":\"NAME\",\"properties\":[{\"name\":"
                 "\"NAME\",\"type\":\"string\",\"array\":false,\"value\":\"host-1\"}]}");
    free(got);
}

TEST(roles_of_a_cluster_are_called_as_their_vms)
{
    static const char *const cluster[] = {
        ENTRY("x", ROW("Msvm_ComputerSystem",
                       P("Name", "6B29FC40-CA47-1067-B31D-00DD010662DA") "," P(
                           "ElementName", "Payroll"))),
        ENTRY("x", ROW("MSCluster_Resource", P("Name", "Virtual Machine Payroll") "," P(
                                                 "OwnerGroup", "Payroll"))),
        ENTRY("x", ROW("MSCluster_Resource", P("Name", "Virtual Machine Acme") "," P(
                                                 "OwnerGroup", "Acme of the other node"))),
        NULL
    };
    static const struct {
        const char *text, *want;
    } cases[] = {
        { ROW("MSCluster_Resource",
              P("Name", "Virtual Machine Payroll") "," P("OwnerGroup", "Payroll")),
          ROW("MSCluster_Resource", P("Name", "resource-1") "," P("OwnerGroup", "vm-1")) },
        { "\"Acme of the other node\"", "\"vm-2\"" },
        /* within quotes of a path and of a message, and nowhere else */
        { "\"MSCluster_Resource.Name=\\\"Virtual Machine Acme\\\"\"",
          "\"MSCluster_Resource.Name=\\\"resource-2\\\"\"" },
        { "\"the VM 'payroll' runs: 'no'\"", "\"the VM 'vm-1' runs: 'no'\"" },
        { "\"the payroll's 'end\"", "\"the payroll's 'end\"" },
        { ROW("MSCluster_Node", P("Description", "rack of Mr Smith")),
          ROW("MSCluster_Node", P("Description", "removed")) },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = clean(cluster, cases[i].text);

        test_case(cases[i].text);
        CHECK_STR_EQ(got, cases[i].want);
        free(got);
    }
}

TEST(names_in_a_certificate_go_and_so_do_their_parts)
{
    static const char *const refused[] = {
        "{\"error\":{\"hint\":\"the name it was made for (DNS:hv-01.acme.example, DNS:box, "
        "IP Address:192.0.2.7)\"}}",
        NULL
    };
    char *got = clean(refused, "\"(DNS:hv-01.acme.example, DNS:box, IP Address:192.0.2.7), "
                               "HV-01, x@ACME.EXAMPLE, 192.0.2.70\"");

    CHECK_STR_EQ(got, "\"(DNS:host-1, DNS:host-3, IP Address:host-4), host-2, x@domain-1, "
                      "192.0.2.70\"");
    free(got);
}

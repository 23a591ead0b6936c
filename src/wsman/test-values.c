/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each kind of value in each way that hosts write it (DSP0230 7, MS-WSMV; measured: the
 * recordings in tests/data/wsman, and OMI, which puts times as plain text).
 */

#include <stdio.h>

#include "answer.h"
#include "cim.h"
#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

#define WMI "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
#define V2 WMI "root/virtualization/v2/"

/* The instance with those properties, as a host would answer a Get; NULL with @err. */
static struct cim_instance *read_one(const char *class_name, const char *properties,
                                     struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    *err = ERR_INIT;
    strbuf_printf(&text,
                  "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
                  "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
                  "xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" "
                  "xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\" "
                  "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><s:Body>"
                  "<p:%s xmlns:p=\"" V2 "%s\" xsi:type=\"p:%s_Type\">%s</p:%s></s:Body>"
                  "</s:Envelope>",
                  class_name, class_name, class_name, properties, class_name);
    return answer_read_instance(&(struct soap_answer){ text.text, text.len, NULL }, err);
}

#define SYSTEM "Msvm_ComputerSystem"

TEST(null_and_empty_are_two_things)
{
    struct err err;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i = read_one(
        SYSTEM,
        "<p:Caption xsi:nil=\"true\"/><p:Description></p:Description><p:ElementName/>"
        "<p:OperationalStatus xsi:nil=\"true\"/><p:Status xsi:nil=\"1\"/>"
        "<p:Name xsi:nil=\"false\">x</p:Name>",
        &err);

    CHECK(i && cim_get(i, "Caption")->is_null && !cim_get_text(i, "Caption"));
    CHECK_STR_EQ(cim_get_text(i, "Description"), "");
    CHECK_STR_EQ(cim_get_text(i, "ElementName"), "");
    CHECK(cim_get(i, "OperationalStatus")->is_null);
    CHECK(cim_get(i, "OperationalStatus")->is_array);
    CHECK(cim_get(i, "Status")->is_null);
    CHECK_STR_EQ(cim_get_text(i, "Name"), "x");
    CHECK(!cim_get(i, "NameFormat")); /* not sent at all */
}

TEST(an_array_of_one_is_an_array_by_its_class)
{
    struct err err;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i =
        read_one(SYSTEM,
                 "<p:OperationalStatus>2</p:OperationalStatus><p:StatusDescriptions>OK"
                 "</p:StatusDescriptions><p:Name>n</p:Name><p:StatusDescriptions>more"
                 "</p:StatusDescriptions><p:StatusDescriptions></p:StatusDescriptions>",
                 &err);

    CHECK(i != NULL);
    CHECK(cim_get(i, "OperationalStatus")->is_array);
    CHECK_EQ(cim_get_count(i, "OperationalStatus"), 1);
    /* In the order of the document, also when something stands between. */
    CHECK_EQ(cim_get_count(i, "StatusDescriptions"), 3);
    CHECK_STR_EQ(cim_get(i, "StatusDescriptions")->data[1].text, "more");
    CHECK_STR_EQ(cim_get(i, "StatusDescriptions")->data[2].text, "");
    CHECK(!cim_get(i, "Name")->is_array);
}

TEST(numbers_and_booleans_are_held_to_their_types)
{
    static const struct {
        const char *xml;
        bool good;
    } cases[] = {
        { "<p:OnTimeInMilliseconds>18446744073709551615</p:OnTimeInMilliseconds>", true },
        { "<p:OnTimeInMilliseconds>18446744073709551616</p:OnTimeInMilliseconds>", false },
        { "<p:OnTimeInMilliseconds>-1</p:OnTimeInMilliseconds>", false },
        { "<p:EnabledState>65535</p:EnabledState>", true },
        { "<p:EnabledState>65536</p:EnabledState>", false },
        { "<p:EnabledState> 3 </p:EnabledState>", true },
        { "<p:EnabledState>3.0</p:EnabledState>", false },
        { "<p:EnabledState>0x3</p:EnabledState>", false },
    };

    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        struct err err;
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *i = read_one(SYSTEM, cases[n].xml, &err);

        test_case(cases[n].xml);
        CHECK_EQ(i != NULL, cases[n].good);
        CHECK(cases[n].good || err.kind == ERR_PROTOCOL);
    }
    for (unsigned n = 0; n < 2; n++) {
        struct err err;
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *i =
            read_one("Msvm_VirtualSystemSettingData",
                     n ? "<p:GuestControlledCacheTypes>true</p:GuestControlledCacheTypes>"
                       : "<p:GuestControlledCacheTypes>FALSE</p:GuestControlledCacheTypes>",
                     &err);
        bool value = n == 0;

        CHECK(i && cim_get_bool(i, "GuestControlledCacheTypes", &value) && value == n);
    }
}

TEST(an_empty_number_or_time_is_none)
{
    struct err err;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i =
        read_one(SYSTEM,
                 "<p:EnabledState></p:EnabledState><p:InstallDate><cim:Datetime/>"
                 "</p:InstallDate>",
                 &err);
    struct cim_datetime time;
    uint64_t state;

    CHECK(i && cim_get(i, "EnabledState")->is_null);
    CHECK(i && !cim_get_u64(i, "EnabledState", &state));
    CHECK(i && !cim_get_datetime(i, "InstallDate", &time));
}

TEST(times_come_in_many_ways)
{
    /* All of them the same moment, but for the part of a second. */
    static const struct {
        const char *xml;
        int64_t usec; /* of the second */
    } cases[] = {
        { "<cim:Datetime>2026-10-08T15:15:36Z</cim:Datetime>", 0 },
        { "<cim:Datetime>2026-10-08T15:15:36.5Z</cim:Datetime>", 500000 },
        { "<cim:Datetime>2026-10-08T15:15:36.68424Z</cim:Datetime>", 684240 },
        { "<cim:Datetime>2026-10-08T15:15:36.123456Z</cim:Datetime>", 123456 },
        { "<cim:Datetime>2026-10-08T17:15:36.5+02:00</cim:Datetime>", 500000 },
        { "<cim:Datetime>2026-10-08T05:45:36.5-09:30</cim:Datetime>", 500000 },
        { "<Datetime>2026-10-08T15:15:36Z</Datetime>", 0 }, /* as in w:XmlFragment */
        { "2026-10-08T15:15:36.5Z", 500000 },               /* OMI */
        { "20261008151536.500000+000", 500000 },            /* as WMI itself writes it */
    };

    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        CLEANUP(free_cleanup)
        char *xml = text_printf("<p:InstallDate>%s</p:InstallDate>", cases[n].xml);
        struct err err;
        CLEANUP(cim_instance_cleanup) struct cim_instance *i = read_one(SYSTEM, xml, &err);
        struct cim_datetime t = { 0 };

        test_case(cases[n].xml);
        CHECK(i && cim_get_datetime(i, "InstallDate", &t) && !t.interval);
        CHECK_EQ(t.usec % 1000000, cases[n].usec);
        CHECK_EQ(t.usec / 1000000, 13435946136); /* since 1601 */
    }
}

TEST(a_time_that_is_none_is_refused)
{
    static const char *const cases[] = {
        "<cim:Datetime>2026-13-08T15:15:36Z</cim:Datetime>",
        "<cim:Datetime>tomorrow</cim:Datetime>", "5"
    };

    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        CLEANUP(free_cleanup)
        char *xml = text_printf("<p:InstallDate>%s</p:InstallDate>", cases[n]);
        struct err err;
        CLEANUP(cim_instance_cleanup) struct cim_instance *i = read_one(SYSTEM, xml, &err);

        test_case(cases[n]);
        CHECK(!i && err.kind == ERR_PROTOCOL);
    }
}

TEST(references_need_no_address)
{
    static const char *const cases[] = {
        "<a:Address>http://x/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" V2
        "Msvm_ConcreteJob</w:ResourceURI><w:SelectorSet><w:Selector Name=\"InstanceID\">J"
        "</w:Selector></w:SelectorSet></a:ReferenceParameters>",
        "<a:ReferenceParameters><w:ResourceURI>" V2
        "Msvm_ConcreteJob</w:ResourceURI><w:SelectorSet><w:Selector Name=\"__cimnamespace\">"
        "root/virtualization/v2</w:Selector><w:Selector Name=\"InstanceID\">J</w:Selector>"
        "</w:SelectorSet></a:ReferenceParameters>",
    };

    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        CLEANUP(free_cleanup)
        char *xml = text_printf("<p:AffectingElement>%s</p:AffectingElement>", cases[n]);
        struct err err;
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *i = read_one("Msvm_AffectedJobElement", xml, &err);
        const struct cim_path *path = i ? cim_get_path(i, "AffectingElement") : NULL;

        test_case(cases[n]);
        CHECK(path != NULL);
        if (!path)
            continue;
        CHECK_STR_EQ(path->class_name, "Msvm_ConcreteJob");
        CHECK_STR_EQ(path->ns, "root/virtualization/v2");
        CHECK_STR_EQ(cim_path_get(path, "InstanceID"), "J");
    }
}

TEST(an_embedded_instance_stays_the_text_that_it_is)
{
    struct err err;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i = read_one(
        SYSTEM,
        "<p:Description>&lt;INSTANCE CLASSNAME=\"A\"&gt;&lt;PROPERTY NAME=\"P\"/&gt;"
        "&lt;/INSTANCE&gt;</p:Description><p:ElementName><![CDATA[<INSTANCE/>]]>"
        "</p:ElementName>",
        &err);

    CHECK_STR_EQ(i ? cim_get_text(i, "Description") : NULL,
                 "<INSTANCE CLASSNAME=\"A\"><PROPERTY NAME=\"P\"/></INSTANCE>");
    CHECK_STR_EQ(i ? cim_get_text(i, "ElementName") : NULL, "<INSTANCE/>");
}

TEST(octets_are_an_array_of_numbers)
{
    struct err err;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i =
        read_one("Msvm_Unknown", "<p:Data>0</p:Data><p:Data>255</p:Data>", &err);

    CHECK_EQ(i ? cim_get_count(i, "Data") : 0, 2);
}

TEST(prefixes_and_order_do_not_matter)
{
    static const char text[] =
        "<env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\"><env:Body>"
        "<Msvm_ComputerSystem xmlns=\"" V2 "Msvm_ComputerSystem\"><Name>b</Name>"
        "<Caption>a</Caption></Msvm_ComputerSystem></env:Body></env:Envelope>";
    struct err err = ERR_INIT;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i =
        answer_read_instance(&(struct soap_answer){ text, sizeof(text) - 1, NULL }, &err);

    CHECK_STR_EQ(i ? cim_get_text(i, "caption") : NULL, "a");
    CHECK_STR_EQ(i ? cim_get_text(i, "Name") : NULL, "b");
}

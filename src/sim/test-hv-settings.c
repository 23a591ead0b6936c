/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing the settings of VMs. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test-hv-fixture.h"
#include "test.h"
#include "text.h"

TEST(unknown_enumeration_value_is_accepted_and_the_job_fails)
{
    FIXTURE;

    CHECK_EQ(modify_system(f, "off", PROPERTY("AutomaticRecoveryAction", "uint16", "1")),
             4096);
    CHECK_EQ(job_error(f), HV_INVALID_PARAMETER);
    CHECK_EQ(hv_number(vssd(f, "off"), "AutomaticRecoveryAction"), 3);
}

TEST(left_out_and_null_mean_unchanged_while_false_and_zero_are_applied)
{
    FIXTURE;

    CHECK_EQ(
        outcome(f, modify_system(f, "off",
                                 PROPERTY("GuestControlledCacheTypes", "boolean", "true")
                                     PROPERTY("HighMmioGapSize", "uint64", "32768"))),
        0);
    CHECK_EQ(outcome(f, modify_system(
                            f, "off",
                            "<PROPERTY NAME=\"HighMmioGapSize\" TYPE=\"uint64\"/>" PROPERTY(
                                "GuestControlledCacheTypes", "boolean", "false"))),
             0);
    CHECK_EQ(hv_number(vssd(f, "off"), "HighMmioGapSize"), 32768);
    CHECK_EQ(hv_number(vssd(f, "off"), "GuestControlledCacheTypes"), 0);
    CHECK(cim_get(sim_object_instance(vssd(f, "off")), "GuestControlledCacheTypes") !=
          NULL);
    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("HighMmioGapSize", "uint64", "0"))), 0);
    CHECK_EQ(hv_number(vssd(f, "off"), "HighMmioGapSize"), 0);
}

TEST(interval_must_have_the_cim_form_and_type)
{
    static const struct {
        const char *text;
        long error;
    } cases[] = {
        { PROPERTY("AutomaticStartupActionDelay", "datetime", "00000000004500.000000:000"),
          0 },
        { PROPERTY("AutomaticStartupActionDelay", "datetime", "P0DT0H45M0S"), HV_FAILED },
        { PROPERTY("AutomaticStartupActionDelay", "string", "00000000004500.000000:000"),
          HV_FAILED },
        { PROPERTY("AutomaticStartupActionDelay", "string", "P0DT0H45M0S"), HV_FAILED },
    };
    FIXTURE;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_case(cases[i].text);
        CHECK_EQ(outcome(f, modify_system(f, "off", cases[i].text)), cases[i].error);
    }
}

TEST(named_entities_in_setting_data_fail_and_numeric_ones_round_trip)
{
    FIXTURE;

    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("ElementName", "string", "a &amp; b"))),
        HV_FAILED);
    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("ElementName", "string", "a &lt; b"))),
        HV_INVALID_PARAMETER);
    CHECK_EQ(
        outcome(f, modify_system(f, "off",
                                 PROPERTY("ElementName", "string", "a &#38; b &#60;"))),
        0);
    CHECK(vm(f, "a & b <") != NULL);
}

TEST(setting_data_that_is_malformed_fails_in_the_job_not_in_the_call)
{
    static const char *const texts[] = {
        "",
        "not xml",
        "<INSTANCE CLASSNAME=\"Msvm_NoSuchClass\"></INSTANCE>",
        "<INSTANCE CLASSNAME=\"Msvm_VirtualSystemSettingData\">" PROPERTY(
            "NoSuchProperty", "string", "x") "</INSTANCE>",
        "<INSTANCE CLASSNAME=\"Msvm_VirtualSystemSettingData\">" PROPERTY(
            "InstanceID", "string", "Microsoft:none") "</INSTANCE>",
        "<INSTANCE CLASSNAME=\"Msvm_VirtualSystemSettingData\"></INSTANCE>",
    };
    FIXTURE;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        test_case(texts[i]);
        CHECK_EQ(with_texts(f, "ModifySystemSettings", "SystemSettings", texts[i], NULL,
                            false, NULL),
                 4096);
        CHECK_EQ(job_error(f), HV_INVALID_PARAMETER);
    }
}

TEST(wrong_type_and_wrong_array_ness_are_told_apart)
{
    FIXTURE;

    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("LowMmioGapSize", "uint32", "1024"))),
        HV_FAILED);
    CHECK_EQ(outcome(f, add(f, "off",
                            GPU_TYPES PROPERTY("HostResource", "string", GPU_PATH), NULL)),
             HV_INVALID_PARAMETER);
}

TEST(mmio_and_cache_types_cannot_be_changed_while_running_and_the_stop_action_can)
{
    FIXTURE;

    CHECK_EQ(
        outcome(f, modify_system(f, "on", PROPERTY("HighMmioGapSize", "uint64", "1024"))),
        HV_INVALID_STATE);
    CHECK_EQ(
        outcome(f, modify_system(f, "on",
                                 PROPERTY("GuestControlledCacheTypes", "boolean", "true"))),
        HV_INVALID_STATE);
    CHECK_EQ(outcome(f, modify_system(f, "on",
                                      PROPERTY("AutomaticShutdownAction", "uint16", "2"))),
             0);
    CHECK_EQ(hv_number(vssd(f, "on"), "AutomaticShutdownAction"), 2);
}

TEST(echoing_a_whole_object_back_succeeds_and_changing_what_nobody_changed_is_a_fault)
{
    FIXTURE;
    struct err err = ERR_INIT;
    char *text = cim_xml_write(sim_object_instance(vssd(f, "off")), &err);

    CHECK_OK(text != NULL);
    CHECK_EQ(outcome(f, with_texts(f, "ModifySystemSettings", "SystemSettings", text, NULL,
                                   false, NULL)),
             0);
    free(text);
    CHECK_EQ(modify_system(f, "off", PROPERTY("Version", "string", "9.9")), FAULT);
}

TEST(critical_error_action_zero_clears_its_timeout)
{
    FIXTURE;

    CHECK_EQ(
        outcome(f, modify_system(f, "off",
                                 PROPERTY("AutomaticCriticalErrorAction", "uint16", "0"))),
        0);
    CHECK(cim_get(sim_object_instance(vssd(f, "off")),
                  "AutomaticCriticalErrorActionTimeout") == NULL);
}

TEST(dynamic_memory_needs_virtual_numa_off_first)
{
    FIXTURE;

    CHECK_EQ(
        outcome(f, modify_resource(f, memory(f, "off"),
                                   PROPERTY("DynamicMemoryEnabled", "boolean", "true"))),
        HV_INVALID_PARAMETER);
    CHECK_EQ(outcome(f, modify_system(f, "off",
                                      PROPERTY("VirtualNumaEnabled", "boolean", "false"))),
             0);
    CHECK_EQ(
        outcome(f, modify_resource(f, memory(f, "off"),
                                   PROPERTY("DynamicMemoryEnabled", "boolean", "true"))),
        0);
}

TEST(integration_component_comes_and_goes_with_its_switch)
{
    FIXTURE;
    struct sim_object *setting =
        hv_next_resource(&f->host, NULL, "Msvm_ShutdownComponentSettingData",
                         hv_text(vm(f, "mute"), "Name"));

    for (int on = 1; on >= 0; on--) {
        CHECK_EQ(outcome(f, modify_resource(f, setting,
                                            on ? PROPERTY("EnabledState", "uint16", "2")
                                               : PROPERTY("EnabledState", "uint16", "3"))),
                 0);
        CHECK((hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                               hv_text(vm(f, "mute"), "Name")) != NULL) == on);
    }
}

TEST(summary_has_what_was_asked_for_and_nothing_else)
{
    FIXTURE;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    const uint64_t asked[] = { 1, 4, 100 };
    const struct cim_instance *row;
    struct err err = ERR_INIT;
    uint64_t number = 0;

    CHECK_OK(cim_set_uints(in, "RequestedInformation", CIM_UINT32, asked, 3, &err));
    CHECK_EQ(call(f, service(f), "GetSummaryInformation", in, &out), 0);
    CHECK_EQ(cim_get_count(out, "SummaryInformation"), f->lab->hosts[0].vm_count);
    row = cim_get_object(out, "SummaryInformation", 1);
    CHECK(row != NULL);
    if (!row)
        return;
    CHECK_STR_EQ(cim_get_text(row, "ElementName"), "on");
    CHECK(cim_get_u64(row, "EnabledState", &number) && number == HV_RUNNING);
    CHECK(cim_get_u64(row, "NumberOfProcessors", &number) && number == 4);
    CHECK(cim_get_text(row, "Version") == NULL);
}

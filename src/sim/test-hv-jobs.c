/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs: what is answered at once and what later, and how it ends. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test-hv-fixture.h"
#include "test.h"
#include "text.h"

TEST(same_method_answers_at_once_one_time_and_by_a_job_the_next)
{
    FIXTURE;

    CHECK_EQ(modify_system(f, "off", PROPERTY("LowMmioGapSize", "uint64", "1024")), 0);
    CHECK_EQ(modify_system(f, "off", PROPERTY("LowMmioGapSize", "uint64", "2048")), 4096);
    CHECK_EQ(hv_number(vssd(f, "off"), "LowMmioGapSize"), 1024);
    CHECK_EQ(job_error(f), 0);
    CHECK_EQ(hv_number(vssd(f, "off"), "LowMmioGapSize"), 2048);
}

TEST(result_parameters_are_null_with_a_job_and_follow_in_affected_job_element)
{
    FIXTURE;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    struct sim_object *link = NULL;

    CHECK_EQ(add(f, "off", GPU_TYPES, &out), 0);
    CHECK_EQ(cim_get_count(out, "ResultingResourceSettings"), 1);
    cim_instance_free(TAKE(out));
    CHECK_EQ(add(f, "off", GPU_TYPES, &out), 4096);
    CHECK_EQ(cim_get_count(out, "ResultingResourceSettings"), 0);
    CHECK_EQ(count_of(f, "Msvm_AffectedJobElement"), 0);
    CHECK_EQ(job_error(f), 0);
    link = sim_store_next(f->host.store, NULL, HV_NS, "Msvm_AffectedJobElement");
    CHECK(link != NULL);
    if (!link)
        return;
    CHECK_STR_EQ(cim_path_get(cim_get_path(sim_object_instance(link), "AffectingElement"),
                              "InstanceID"),
                 f->last_job);
    CHECK(sim_store_find(f->host.store, cim_get_path(sim_object_instance(link),
                                                     "AffectedElement")) != NULL);
}

TEST(finished_jobs_vanish_after_five_minutes)
{
    FIXTURE;

    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    pass_time(f, 4 * 60000);
    CHECK(last_job(f) != NULL);
    pass_time(f, 5 * 60000 + 2000);
    CHECK(last_job(f) == NULL);
}

TEST(failed_job_explains_itself_in_get_error_ex_and_a_good_one_says_nothing)
{
    FIXTURE;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *error = NULL;
    struct err err = ERR_INIT;
    const char *text;

    CHECK_EQ(outcome(f, request_state(f, "gone", 2)), HV_FAILED);
    CHECK_EQ(call(f, last_job(f), "GetErrorEx", NULL, &out), 0);
    text = cim_get_text_at(out, "Errors", 0);
    CHECK(text != NULL);
    error = text ? cim_xml_read(text, strlen(text), &err) : NULL;
    CHECK(error && text_istr(cim_get_text(error, "Message"), "0x800705AA"));
    cim_instance_free(TAKE(out));

    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(call(f, last_job(f), "GetErrorEx", NULL, &out), 0);
    CHECK_EQ(cim_get_count(out, "Errors"), 0);
}

TEST(job_on_demand_fails_without_doing_its_work_or_hangs)
{
    FIXTURE;
    struct sim_fault fault = { 0 };
    struct err err = ERR_INIT;
    enum sim_job_fate fates[] = { SIM_JOB_FAILS, SIM_JOB_HANGS };

    for (size_t i = 0; i < 2; i++) {
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *out = cim_instance_new(HV_NS, "__PARAMETERS");
        char *text = text_printf("<INSTANCE CLASSNAME=\"Msvm_VirtualSystemSettingData\">"
                                 "<PROPERTY NAME=\"InstanceID\" TYPE=\"string\"><VALUE>%s"
                                 "</VALUE></PROPERTY>" PROPERTY("LowMmioGapSize", "uint64",
                                                                "1024") "</INSTANCE>",
                                 hv_text(vssd(f, "off"), "InstanceID"));
        struct sim_call c = { .host = &f->host,
                              .object = service(f),
                              .method = "ModifySystemSettings",
                              .in = in,
                              .out = out,
                              .job_fate = fates[i],
                              .job_error = HV_NOT_AVAILABLE };

        CHECK_OK(cim_set_text(in, "SystemSettings", text, &err));
        free(text);
        CHECK(find_method("Msvm_VirtualSystemManagementService", "ModifySystemSettings")
                  ->call(&c, &fault));
        snprintf(f->last_job, sizeof(f->last_job), "%s",
                 cim_path_get(cim_get_path(out, "Job"), "InstanceID"));
        pass_time(f, 2000);
        CHECK_EQ(hv_number(last_job(f), "JobState"), i == 0 ? 10 : 4);
        CHECK_EQ(hv_number(last_job(f), "ErrorCode"), i == 0 ? HV_NOT_AVAILABLE : 0);
        CHECK_EQ(hv_number(vssd(f, "off"), "LowMmioGapSize"), 128);
    }
}

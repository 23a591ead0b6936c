/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods that answer at once, or start jobs that end in every way. */

#include "job.h"
#include "os.h"
#include "progress.h"
#include "test-fake-host.h"
#include "test.h"
#include "text.h"

#define JOB_ID "C5F3C0D5-0000-4000-8000-000000000001"

static struct cim_path *path_of(const char *class_name, const char *id)
{
    struct cim_path *path = cim_path_new(HV_NS, class_name);
    struct err err = ERR_INIT;

    CHECK_OK(cim_path_set(path, "InstanceID", id, &err));
    return path;
}

/* The method answers 4096 with a job of @class_name. */
static void start_job(struct fake_host *fake, const char *class_name)
{
    CLEANUP(cim_path_cleanup) struct cim_path *job = path_of(class_name, JOB_ID);
    struct cim_instance *out =
        fake_answer(fake, "AddResourceSettings", "u:ReturnValue", "4096", NULL);
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_path(out, "Job", job, &err));
}

static bool call(struct fake_host *fake, const struct hv_call_options *options,
                 struct cim_path **ret_affected, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *service = hv_service_path("Msvm_VirtualSystemManagementService");

    return hv_call(&fake->base, service, "AddResourceSettings", NULL,
                   "ResultingResourceSettings", options, NULL, ret_affected, err);
}

TEST(a_method_that_is_done_at_once_gives_its_result)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(cim_path_cleanup)
    struct cim_path *made = path_of("Msvm_GpuPartitionSettingData", "x");
    CLEANUP(cim_path_cleanup) struct cim_path *affected = NULL;
    struct cim_instance *out =
        fake_answer(fake, "AddResourceSettings", "u:ReturnValue", "0", NULL);
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_path(out, "ResultingResourceSettings", made, &err));
    CHECK_OK(call(fake, NULL, &affected, &err));
    CHECK(affected && cim_path_equal(affected, made));
    CHECK_EQ(fake->gets, 0);
}

TEST(a_job_is_polled_with_the_class_its_reference_names)
{
    static const char *const classes[] = { "Msvm_ConcreteJob", "Msvm_StorageJob",
                                           "Msvm_MigrationJob", "Msvm_CopyFileToGuestJob" };

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
        struct err err = ERR_INIT;

        test_case(classes[i]);
        start_job(fake, classes[i]);
        fake_answer(fake, classes[i], "u:JobState", "3", NULL);
        fake_answer(fake, classes[i], "u:JobState", "4", "u:PercentComplete", "50", NULL);
        fake_answer(fake, classes[i], "u:JobState", "7", NULL);
        CHECK_OK(call(fake, NULL, NULL, &err));
        CHECK_STR_EQ(fake->last_get_class, classes[i]);
        CHECK_EQ(fake->gets, 3);
    }
}

TEST(a_job_that_completes_with_warnings_succeeded)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    struct err err = ERR_INIT;

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "32768", NULL);
    CHECK_OK(call(fake, NULL, NULL, &err));
}

TEST(a_job_that_ends_badly_says_why_in_one_line)
{
    static const struct {
        const char *state, *code, *text, *expected;
        enum err_kind kind;
        int64_t err_code;
    } cases[] = {
        { "10", "32773", "Die Ressource 'GPU' fehlt.\r\n\r\nUngültig.",
          "Die Ressource 'GPU' fehlt. Ungültig (invalid parameter)", ERR_REFUSED, 32773 },
        { "10", "32769", "", "access denied", ERR_DENIED, 32769 },
        { "10", "32775", "", "invalid state", ERR_CONFLICT, 32775 },
        { "10", "0", "", "failed", ERR_REFUSED, 32768 },
        { "10", "40000", "", "code 40000", ERR_REFUSED, 40000 },
        { "8", "0", "", "state 8", ERR_REFUSED, 8 },
        { "9", "32768", "", "failed", ERR_REFUSED, 32768 },
        { "33000", "0", "", "state 33000", ERR_REFUSED, 33000 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
        struct err err = ERR_INIT;
        char text[2048];

        test_case(cases[i].expected);
        start_job(fake, "Msvm_ConcreteJob");
        fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", cases[i].state, "u:ErrorCode",
                    cases[i].code, "s:ErrorDescription", cases[i].text, NULL);
        fake_answer(fake, "GetErrorEx", "u:ReturnValue", "0", NULL);
        CHECK(!call(fake, NULL, NULL, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(err.code, cases[i].err_code);
        err_format(&err, text, sizeof(text));
        CHECK(strstr(text, cases[i].expected) != NULL);
        CHECK(strstr(text, "AddResourceSettings") != NULL);
        CHECK(strchr(text, '\n') == NULL);
    }
}

TEST(an_error_without_a_description_is_asked_for)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    const char *const errors[] = {
        "<INSTANCE CLASSNAME=\"Msvm_Error\"><PROPERTY NAME=\"Message\" TYPE=\"string\">"
        "<VALUE>no room for the device</VALUE></PROPERTY></INSTANCE>"
    };
    struct err err = ERR_INIT;
    struct cim_instance *out;
    char text[2048];

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "10", "u:ErrorCode", "32768", NULL);
    out = fake_answer(fake, "GetErrorEx", "u:ReturnValue", "0", NULL);
    CHECK_OK(cim_set_texts(out, "Errors", errors, 1, &err));
    CHECK(!call(fake, NULL, NULL, &err));
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "no room for the device") != NULL);
}

TEST(return_codes_become_kinds)
{
    static const struct {
        const char *code;
        enum err_kind kind;
    } cases[] = {
        { "1", ERR_UNSUPPORTED },     { "5", ERR_CONFLICT },      { "32769", ERR_DENIED },
        { "32770", ERR_UNSUPPORTED }, { "32773", ERR_REFUSED },   { "32774", ERR_CONFLICT },
        { "32775", ERR_CONFLICT },    { "32779", ERR_NOT_FOUND }, { "32781", ERR_CONFLICT },
        { "4711", ERR_REFUSED },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
        struct err err = ERR_INIT;

        test_case(cases[i].code);
        fake_answer(fake, "AddResourceSettings", "u:ReturnValue", cases[i].code, NULL);
        CHECK(!call(fake, NULL, NULL, &err));
        CHECK_EQ(err.kind, cases[i].kind);
    }
}

TEST(answers_that_make_no_sense_are_errors)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(fake_host_cleanup) struct fake_host *no_job = fake_host_new();
    CLEANUP(fake_host_cleanup) struct fake_host *no_state = fake_host_new();
    struct err err = ERR_INIT;

    fake_answer(fake, "AddResourceSettings", NULL);
    CHECK(!call(fake, NULL, NULL, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);

    fake_answer(no_job, "AddResourceSettings", "u:ReturnValue", "4096", NULL);
    CHECK(!call(no_job, NULL, NULL, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);

    start_job(no_state, "Msvm_ConcreteJob");
    fake_answer(no_state, "Msvm_ConcreteJob", "u:PercentComplete", "5", NULL);
    CHECK(!call(no_state, NULL, NULL, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}

TEST(a_vanished_job_is_not_taken_for_done)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    struct err err = ERR_INIT;

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "4", NULL);
    fake_error(fake, "Msvm_ConcreteJob", ERR_NOT_FOUND, 0x80338012);
    CHECK(!call(fake, NULL, NULL, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(err.hint[0] != '\0');
}

TEST(a_lost_poll_is_repeated_and_a_lost_host_is_not_waited_for_ever)
{
    CLEANUP(fake_host_cleanup) struct fake_host *blink = fake_host_new();
    CLEANUP(fake_host_cleanup) struct fake_host *gone = fake_host_new();
    struct err err = ERR_INIT;

    start_job(blink, "Msvm_ConcreteJob");
    fake_error(blink, "Msvm_ConcreteJob", ERR_UNREACHABLE, 0);
    fake_error(blink, "Msvm_ConcreteJob", ERR_UNREACHABLE, 0);
    fake_answer(blink, "Msvm_ConcreteJob", "u:JobState", "7", NULL);
    CHECK_OK(call(blink, NULL, NULL, &err));

    start_job(gone, "Msvm_ConcreteJob");
    fake_error(gone, "Msvm_ConcreteJob", ERR_UNREACHABLE, 0);
    CHECK(!call(gone, NULL, NULL, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(gone->gets, 3);
}

TEST(a_job_that_hangs_is_cancelled_when_its_time_is_over)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    struct hv_call_options options = { .timeout_ms = 50 };
    struct err err = ERR_INIT;

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "4", "b:Cancellable", "true", NULL);
    fake_answer(fake, "RequestStateChange", "u:ReturnValue", "0", NULL);
    CHECK(!call(fake, &options, NULL, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_STR_EQ(fake->last_invoke, "RequestStateChange");
}

struct stopper {
    struct progress base;
    uint64_t last;
    unsigned reports;
};

static bool stop_at_half(struct progress *self, const char *what, enum progress_unit unit,
                         uint64_t done, uint64_t total)
{
    struct stopper *stopper = (struct stopper *)self;

    (void)what;
    (void)unit;
    (void)total;
    stopper->last = done;
    stopper->reports++;
    return done < 50;
}

TEST(stopping_waits_until_the_job_has_ended)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(fake_host_cleanup) struct fake_host *late = fake_host_new();
    struct stopper stopper = { .base.report = stop_at_half };
    struct hv_call_options options = { .progress = &stopper.base, .what = "x" };
    struct err err = ERR_INIT;

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "4", "u:PercentComplete", "10",
                NULL);
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "4", "u:PercentComplete", "60",
                "b:Cancellable", "true", NULL);
    fake_answer(fake, "RequestStateChange", "u:ReturnValue", "0", NULL);
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "6", NULL);
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "8", NULL);
    CHECK(!call(fake, &options, NULL, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK_EQ(fake->gets, 4);
    CHECK_EQ(stopper.last, 60);

    /* It ended well all the same: then that is what happened. */
    start_job(late, "Msvm_ConcreteJob");
    fake_answer(late, "Msvm_ConcreteJob", "u:JobState", "4", "u:PercentComplete", "60",
                NULL);
    fake_answer(late, "Msvm_ConcreteJob", "u:JobState", "7", NULL);
    CHECK_OK(call(late, &options, NULL, &err));
}

static void affect(struct fake_host *fake, const char *job_id, const char *element_class,
                   const char *element, const char *effects)
{
    CLEANUP(cim_path_cleanup) struct cim_path *job = path_of("Msvm_ConcreteJob", job_id);
    CLEANUP(cim_path_cleanup) struct cim_path *made = path_of(element_class, element);
    struct cim_instance *row =
        fake_row(fake, HV_NS, "Msvm_AffectedJobElement", "ElementEffects", effects, NULL);
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_path(row, "AffectingElement", job, &err));
    CHECK_OK(cim_set_path(row, "AffectedElement", made, &err));
}

TEST(what_a_job_made_is_the_element_it_created)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(cim_path_cleanup) struct cim_path *affected = NULL;
    struct err err = ERR_INIT;

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "7", NULL);
    affect(fake, "another job", "Msvm_GpuPartitionSettingData", "wrong", "5");
    affect(fake, JOB_ID, "Msvm_ComputerSystem", "vm", "0");
    affect(fake, JOB_ID, "Msvm_GpuPartitionSettingData", "right", "5");
    CHECK_OK(call(fake, NULL, &affected, &err));
    CHECK_STR_EQ(affected ? cim_path_get(affected, "InstanceID") : NULL, "right");
}

TEST(nothing_is_guessed_when_a_job_tells_of_several_elements)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(cim_path_cleanup) struct cim_path *affected = NULL;
    struct err err = ERR_INIT;

    start_job(fake, "Msvm_ConcreteJob");
    fake_answer(fake, "Msvm_ConcreteJob", "u:JobState", "7", NULL);
    affect(fake, JOB_ID, "Msvm_ComputerSystem", "vm", "0");
    affect(fake, JOB_ID, "Msvm_VirtualSystemSettingData", "settings", "0");
    CHECK_OK(call(fake, NULL, &affected, &err));
    CHECK(affected == NULL);
}

TEST(jobs_that_run_are_waited_for_and_those_that_ended_are_not)
{
    CLEANUP(fake_host_cleanup) struct fake_host *ended = fake_host_new();
    CLEANUP(fake_host_cleanup) struct fake_host *busy = fake_host_new();
    CLEANUP(fake_host_cleanup) struct fake_host *mute = fake_host_new();
    uint64_t began;

    fake_row(ended, HV_NS, "CIM_ConcreteJob", "InstanceID", "a", "JobState", "7", NULL);
    fake_row(ended, HV_NS, "CIM_ConcreteJob", "InstanceID", "b", "JobState", "10", NULL);
    hv_wait_for_jobs(&ended->base, 60 * 1000);
    CHECK_EQ(ended->queries, 1);

    fake_row(busy, HV_NS, "CIM_ConcreteJob", "InstanceID", "a", "JobState", "4", NULL);
    began = os_monotonic_ms();
    hv_wait_for_jobs(&busy->base, 50);
    CHECK(busy->queries > 1);
    CHECK(os_monotonic_ms() - began >= 50);

    fake_class(mute, HV_NS, "CIM_ConcreteJob")->error.kind = ERR_UNREACHABLE;
    hv_wait_for_jobs(&mute->base, 60 * 1000);
    CHECK_EQ(mute->queries, 1);
}

TEST(codes_have_names)
{
    CHECK_STR_EQ(hv_code_name(32773), "invalid parameter");
    CHECK_STR_EQ(hv_code_name(32790), "code 32790");
}

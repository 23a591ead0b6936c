/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answers real hosts gave (tests/data/wsman) become exactly the instances they show.
 * The expected values were written down from the files with another XML reader.
 */

#include "answer.h"
#include "cim.h"
#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

struct expected {
    const char *name, *value; /* value NULL: null */
};

/* clang-format off */
static const struct expected vm_off[] = {
    { "Caption", "仮想マシン" },
    { "CommunicationStatus", NULL },
    { "CreationClassName", "Msvm_ComputerSystem" },
    { "Description", "Microsoft Virtual Machine" },
    { "DetailedStatus", NULL },
    { "ElementName", "scrubbed-9" },
    { "EnabledDefault", "3" },
    { "EnabledState", "3" },
    { "EnhancedSessionModeState", "3" },
    { "FailedOverReplicationType", "0" },
    { "HealthState", "5" },
    { "HwThreadsPerCoreRealized", NULL },
    { "InstallDate", "2026-10-08T15:15:36.68424Z" },
    { "InstanceID", NULL },
    { "LastApplicationConsistentReplicationTime", "1601-01-01T00:00:00Z" },
    { "LastReplicationTime", "1601-01-01T00:00:00Z" },
    { "LastReplicationType", "0" },
    { "LastSuccessfulBackupTime", NULL },
    { "ManagementVtlImageFileName", NULL },
    { "ManagementVtlImageVersion", NULL },
    { "Name", "00000000-0000-4000-8000-000000000012" },
    { "NameFormat", NULL },
    { "NumberOfNumaNodes", "1" },
    { "OnTimeInMilliseconds", "0" },
    { "OperatingStatus", NULL },
    { "OperationalStatus", "2" },
    { "OtherEnabledState", NULL },
    { "PrimaryOwnerContact", NULL },
    { "PrimaryOwnerName", NULL },
    { "PrimaryStatus", NULL },
    { "ProcessID", NULL },
    { "ReplicationHealth", "0" },
    { "ReplicationMode", "0" },
    { "ReplicationState", "0" },
    { "RequestedState", "5" },
    { "ResetCapability", "1" },
    { "Status", "OK" },
    { "StatusDescriptions", "正常稼働中" },
    { "TimeOfLastConfigurationChange", "2026-10-08T15:15:36.842286Z" },
    { "TimeOfLastStateChange", "1601-01-01T00:00:00Z" },
    { "TransitioningToState", NULL },
};
static const struct expected host[] = {
    { "Caption", "ホスト コンピューター システム" },
    { "Description", "Microsoft ホスト コンピューター システム" },
    { "ElementName", "scrubbed-1" },
    { "EnabledDefault", "2" },
    { "EnabledState", "2" },
    { "EnhancedSessionModeState", NULL },
    { "FailedOverReplicationType", NULL },
    { "InstallDate", NULL },
    { "LastApplicationConsistentReplicationTime", NULL },
    { "LastReplicationTime", NULL },
    { "LastReplicationType", NULL },
    { "Name", "scrubbed-1" },
    { "OnTimeInMilliseconds", NULL },
    { "ReplicationHealth", NULL },
    { "ReplicationMode", NULL },
    { "ReplicationState", NULL },
    { "RequestedState", "12" },
    { "StatusDescriptions", "OK" },
    { "TimeOfLastConfigurationChange", NULL },
    { "TimeOfLastStateChange", NULL },
};
static const struct expected vm_running_a[] = {
    { "ElementName", "scrubbed-3" },
    { "EnabledDefault", "2" },
    { "EnabledState", "2" },
    { "EnhancedSessionModeState", "6" },
    { "HwThreadsPerCoreRealized", "2" },
    { "InstallDate", "2025-12-17T09:55:22.702341Z" },
    { "Name", "00000000-0000-4000-8000-00000000000a" },
    { "OnTimeInMilliseconds", "6138294371" },
    { "ProcessID", "9624" },
    { "TimeOfLastConfigurationChange", "2026-07-29T14:10:59.467886Z" },
    { "TimeOfLastStateChange", "2026-07-29T14:10:59.467886Z" },
};
static const struct expected vm_running_c_eos[] = {
    { "ElementName", "scrubbed-4" },
    { "EnabledDefault", "2" },
    { "EnabledState", "2" },
    { "EnhancedSessionModeState", "6" },
    { "HwThreadsPerCoreRealized", "2" },
    { "InstallDate", "2025-12-17T09:55:22.702341Z" },
    { "Name", "00000000-0000-4000-8000-000000000015" },
    { "OnTimeInMilliseconds", "6138293824" },
    { "ProcessID", "8748" },
    { "TimeOfLastConfigurationChange", "2026-07-29T14:11:00.026037Z" },
    { "TimeOfLastStateChange", "2026-07-29T14:11:00.019976Z" },
};
/* clang-format on */

static char *load(const char *name, size_t *ret_len)
{
    char *path = text_printf(WSMAN_RECORDINGS "/%s.xml", name);
    struct err err = ERR_INIT;
    char *bytes = os_read_file(path, 1 << 20, ret_len, &err);

    CHECK(bytes != NULL);
    free(path);
    return bytes;
}

struct collected {
    struct cim_instance *rows[8];
    size_t count;
};

static bool collect(const struct cim_instance *row, void *user, struct err *err)
{
    struct collected *c = user;

    if (c->count == ARRAY_LEN(c->rows))
        return err_fail(err, ERR_INVALID, 0, "too many rows");
    c->rows[c->count++] = cim_instance_copy(row);
    return true;
}

static void collected_free(struct collected *c)
{
    for (size_t i = 0; i < c->count; i++)
        cim_instance_free(c->rows[i]);
}

static struct items read_items(const char *name, struct collected *c)
{
    struct items items = { .ns = "root/virtualization/v2",
                           .wql = "select * from X",
                           .on_row = collect,
                           .user = c };
    struct err err = ERR_INIT;
    size_t len = 0;
    char *bytes = load(name, &len);

    test_case(name);
    CHECK_OK(answer_read_items(&(struct soap_answer){ bytes, len, NULL }, &items, &err));
    free(bytes);
    return items;
}

/* As the file writes it: datetimes in ISO form, everything else as CIM text. */
static void put_shown(const struct cim_value *value, struct strbuf *to)
{
    char iso[40];

    if (value->type != CIM_DATETIME) {
        cim_value_put_text(value, 0, to);
        return;
    }
    cim_datetime_to_iso(&value->data[0].datetime, iso);
    strbuf_puts(to, iso);
}

static void check_property(const struct cim_instance *i, const char *name,
                           const char *expected)
{
    const struct cim_value *value = cim_get(i, name);
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    test_case(name);
    CHECK(value != NULL);
    if (!value)
        return;
    CHECK(value->is_null == !expected);
    CHECK_EQ(value->count, expected ? 1 : 0);
    if (!expected || value->is_null)
        return;
    put_shown(value, &text);
    CHECK_STR_EQ(text.text, expected);
}

/* All of vm_off's properties, with the values of @differing where it names them. */
static void check_vm(const struct cim_instance *vm, const struct expected *differing,
                     size_t count)
{
    CHECK_STR_EQ(vm->ns, "root/virtualization/v2");
    CHECK_STR_EQ(vm->class_name, "Msvm_ComputerSystem");
    CHECK_EQ(vm->count, ARRAY_LEN(vm_off));
    for (size_t i = 0; i < ARRAY_LEN(vm_off); i++) {
        const char *value = vm_off[i].value;

        CHECK_STR_EQ(vm->properties[i].name, vm_off[i].name);
        for (size_t n = 0; n < count; n++)
            if (strcmp(differing[n].name, vm_off[i].name) == 0)
                value = differing[n].value;
        check_property(vm, vm_off[i].name, value);
    }
}

TEST(computer_systems_are_exactly_those_recorded)
{
    static const struct {
        const char *file;
        const struct expected *differing;
        size_t count;
        const char *context; /* NULL: the last answer */
    } cases[] = {
        { "recorded_computersystem_pull_vm_off", NULL, 0,
          "uuid:00000000-0000-4000-8000-000000000011" },
        { "recorded_computersystem_pull_host", host, ARRAY_LEN(host),
          "uuid:00000000-0000-4000-8000-000000000006" },
        { "recorded_computersystem_pull_vm_running_a", vm_running_a,
          ARRAY_LEN(vm_running_a), "uuid:00000000-0000-4000-8000-000000000009" },
        { "recorded_computersystem_pull_vm_running_c_eos", vm_running_c_eos,
          ARRAY_LEN(vm_running_c_eos), NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct collected c = { 0 };
        struct items items = read_items(cases[i].file, &c);

        CHECK_EQ(items.count, 1);
        CHECK_EQ(items.is_last, cases[i].context == NULL);
        CHECK_STR_EQ(items.context, cases[i].context);
        if (c.count == 1)
            check_vm(c.rows[0], cases[i].differing, cases[i].count);
        free(items.context);
        collected_free(&c);
    }
}

TEST(recorded_values_have_the_types_of_the_schema)
{
    struct collected c = { 0 };
    struct items items = read_items("recorded_computersystem_pull_vm_running_a", &c);
    const struct cim_instance *vm = c.rows[0];
    struct cim_datetime t = { 0 };
    uint64_t u = 0;

    /* One element, and an array all the same. */
    CHECK(cim_get(vm, "OperationalStatus")->is_array &&
          cim_get(vm, "StatusDescriptions")->is_array);
    CHECK_EQ(cim_get(vm, "OperationalStatus")->type, CIM_UINT16);
    CHECK(!cim_get(vm, "EnabledState")->is_array &&
          cim_get(vm, "EnabledState")->type == CIM_UINT16);
    CHECK(cim_get_u64(vm, "OnTimeInMilliseconds", &u) && u == UINT64_C(6138294371));
    CHECK_EQ(cim_get(vm, "ProcessID")->type, CIM_UINT32);
    CHECK_EQ(cim_get(vm, "LastSuccessfulBackupTime")->type, CIM_DATETIME);
    CHECK(cim_get_datetime(vm, "InstallDate", &t) && !t.interval);
    CHECK(cim_get_datetime(vm, "LastReplicationTime", &t) && t.usec == 0);
    free(items.context);
    collected_free(&c);
}

TEST(a_recorded_association_holds_its_two_references)
{
    struct collected c = { 0 };
    struct items items = read_items("recorded_affectedjobelement_pull_other_job_1", &c);
    const struct cim_path *vm, *job;

    CHECK_EQ(items.count, 1);
    CHECK_STR_EQ(items.context, "uuid:00000000-0000-4000-8000-000000000079");
    CHECK_STR_EQ(c.rows[0]->class_name, "Msvm_AffectedJobElement");
    CHECK_EQ(c.rows[0]->count, 3);
    vm = cim_get_path(c.rows[0], "AffectedElement");
    job = cim_get_path(c.rows[0], "AffectingElement");
    CHECK(vm && vm->count == 2 && job && job->count == 1);
    CHECK_STR_EQ(vm->ns, "root/virtualization/v2");
    CHECK_STR_EQ(vm->class_name, "Msvm_ComputerSystem");
    CHECK_STR_EQ(cim_path_get(vm, "CreationClassName"), "Msvm_ComputerSystem");
    CHECK_STR_EQ(cim_path_get(vm, "Name"), "00000000-0000-4000-8000-000000000003");
    CHECK_STR_EQ(job->class_name, "Msvm_ConcreteJob");
    CHECK_STR_EQ(cim_path_get(job, "InstanceID"), "00000000-0000-4000-8000-00000000006d");
    CHECK(cim_get(c.rows[0], "ElementEffects")->is_array);
    check_property(c.rows[0], "ElementEffects", "0");
    free(items.context);
    collected_free(&c);
}

TEST(a_recorded_first_answer_may_hold_only_a_context)
{
    static const char *const files[] = { "recorded_computersystem_enumerate",
                                         "recorded_affectedjobelement_enumerate" };
    static const char *const contexts[] = { "uuid:00000000-0000-4000-8000-000000000003",
                                            NULL };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct collected c = { 0 };
        struct items items = read_items(files[i], &c);

        CHECK_EQ(items.count, 0);
        CHECK(!items.is_last && text_istarts(items.context, "uuid:"));
        if (contexts[i])
            CHECK_STR_EQ(items.context, contexts[i]);
        free(items.context);
    }
}

TEST(a_recorded_first_answer_may_hold_everything_or_nothing)
{
    struct collected c = { 0 };
    struct items items = read_items("pypsrp_enumerate_shells_optimized", &c), none;

    CHECK_EQ(items.count, 2);
    CHECK(items.is_last && !items.context);
    CHECK_STR_EQ(c.rows[0]->class_name, "Shell");
    CHECK_STR_EQ(cim_get_text(c.rows[0], "ShellId"),
                 "B6631D8E-65A0-49F2-9053-A1B156C95777");
    CHECK_STR_EQ(cim_get_text(c.rows[0], "Owner"), "WIN-NNMU24VVKJ0\\vagrant");
    CHECK_STR_EQ(cim_get_text(c.rows[1], "ShellId"),
                 "01AA3E43-9E21-424B-A7FC-BC16AA34F4CE");
    CHECK_STR_EQ(cim_get_text(c.rows[1], "ProcessId"), "4060");
    CHECK_EQ(c.rows[0]->count, 20);
    CHECK_EQ(c.rows[1]->count, 20);
    none = read_items("pypsrp_enumerate_empty", &c);
    CHECK(none.count == 0 && none.is_last && !none.context);
    collected_free(&c);
}

TEST(recorded_single_answers_are_read)
{
    struct err err = ERR_INIT;
    size_t len = 0;
    char *bytes = load("pypsrp_config_get_response", &len);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *config =
        answer_read_instance(&(struct soap_answer){ bytes, len, NULL }, &err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *shell = NULL;
    const struct cim_instance *service;

    free(bytes);
    CHECK_STR_EQ(config->class_name, "Config");
    CHECK_STR_EQ(cim_get_text(config, "MaxEnvelopeSizekb"), "150");
    service = cim_get_object(config, "Service", 0);
    CHECK_STR_EQ(cim_get_text(service, "AllowUnencrypted"), "false");
    CHECK_STR_EQ(cim_get_text(service, "CertificateThumbprint"), "");
    CHECK_STR_EQ(cim_get_text(cim_get_object(service, "Auth", 0), "CbtHardeningLevel"),
                 "Relaxed");
    CHECK_STR_EQ(cim_get_text(cim_get_object(config, "Winrs", 0), "IdleTimeout"),
                 "7200000");

    bytes = load("pypsrp_shell_get_response", &len);
    shell = answer_read_instance(&(struct soap_answer){ bytes, len, NULL }, &err);
    free(bytes);
    CHECK_STR_EQ(shell ? shell->class_name : NULL, "Shell");
    CHECK_STR_EQ(shell ? cim_get_text(shell, "State") : NULL, "Connected");

    bytes = load("pypsrp_shell_delete_response", &len);
    CHECK_OK(answer_read_empty(&(struct soap_answer){ bytes, len, NULL }, &err));
    free(bytes);
}

TEST(recorded_faults_become_errors_with_kind_and_code)
{
    static const struct {
        const char *file;
        enum err_kind kind;
        int64_t code;
        const char *text;
    } cases[] = {
        { "pypsrp_fault_timed_out", ERR_UNREACHABLE, 2150858793,
          "The WS-Management service cannot complete the operation within the time specified in "
          "OperationTimeout (TimedOut, 0x80338029)" },
        { "pypsrp_fault_invalid_selectors_nested", ERR_NOT_FOUND, 2150858843,
          "The WS-Management service cannot process the request because the request contained "
          "invalid selectors for the resource (InvalidSelectors, 0x8033805B)" },
        { "pypsrp_fault_invalid_parameter_provider", ERR_INVALID, 87,
          "The parameter is incorrect (InvalidParameter, 0x57)" },
        { "pywinrm_fault_invalid_header", ERR_INVALID, 2150858767,
          "The WS-Management service cannot process the request. The SOAP packet that WS-Management "
          "received did not contain a valid Body element (InvalidMessageInformationHeader, "
          "0x8033800F)" },
        { "fault_destination_unreachable", ERR_NOT_FOUND, 2150858770, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        size_t len = 0;
        char *bytes = load(cases[i].file, &len);

        test_case(cases[i].file);
        CHECK(!answer_read_empty(&(struct soap_answer){ bytes, len, NULL }, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(err.code, cases[i].code);
        CHECK_EQ(err.depth, 1);
        if (cases[i].text)
            CHECK_STR_EQ(err.text[0], cases[i].text);
        else
            CHECK(strstr(err.text[0], "WS-Management サービスは要求を処理できません") ==
                  err.text[0]);
        CHECK(text_is_utf8(err.text[0], strlen(err.text[0])));
        free(bytes);
    }
}

TEST(a_recording_cut_anywhere_is_an_error_and_no_crash)
{
    static const char *const files[] = { "recorded_affectedjobelement_pull_other_job_1",
                                         "pypsrp_fault_invalid_selectors_nested" };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        size_t len = 0;
        char *bytes = load(files[i], &len);

        for (size_t cut = 0; cut < len; cut++) {
            struct collected c = { 0 };
            struct items items = {
                .ns = "root/x", .wql = "x", .on_row = collect, .user = &c
            };
            struct err err = ERR_INIT;
            char *part = malloc(cut + 1);

            memcpy(part, bytes, cut);
            CHECK(
                !answer_read_items(&(struct soap_answer){ part, cut, NULL }, &items, &err));
            CHECK(err.kind != ERR_NONE);
            free(part);
            free(items.context);
            collected_free(&c);
        }
        free(bytes);
    }
}

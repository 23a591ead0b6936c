/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Hyper-V classes of a simulated host, called as the server calls them.  Most tests
 * are one measured or documented peculiarity of real hosts each.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "jobs.h"
#include "os.h"
#include "test.h"
#include "text.h"
#include "world.h"

static const char LAB[] =
    "hosts:\n"
    "  - name: TEST\n"
    "    product: Microsoft Windows 11 Pro\n"
    "    edition: Professional\n"
    "    build: 22631\n"
    "    job_ms: 1000\n"
    "    address_bits: 36\n"
    "    gpus:\n"
    "      - name: NVIDIA\n"
    "        instance_id: PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296b7397&0&0008\n"
    "        location_path: PCIROOT(0)#PCI(0100)#PCI(0000)\n"
    "        mode: gpu-pv\n"
    "        partition_counts: [2, 1]\n"
    "        partition_count: 2\n"
    "      - name: A2\n"
    "        instance_id: PCI\\VEN_10DE&DEV_25B6&SUBSYS_157E10DE&REV_A1\\4&18416dc3&0&0000\n"
    "        location_path: PCIROOT(1)#PCI(0100)#PCI(0000)\n"
    "        mode: gpu-p\n"
    "        partition_counts: [4, 2, 1]\n"
    "        vram: 16 GiB\n"
    "      - name: Disabled\n"
    "        instance_id: PCI\\VEN_8086&DEV_A7A0&SUBSYS_252D1043&REV_04\\3&11583659&0&10\n"
    "        location_path: PCIROOT(0)#PCI(0200)\n"
    "        mode: gpu-pv\n"
    "        problem: 22\n"
    "    vms:\n"
    "      - name: off\n"
    "        disks: [{ path: 'C:\\VMs\\off.vhdx' }]\n"
    "      - { name: on, state: running, guest_os: Windows 11 Pro, guest_build: 22631,\n"
    "          disks: [{ path: 'C:\\VMs\\on.vhdx' }] }\n"
    "      - { name: locked, state: running, guest_locked: true }\n"
    "      - { name: mute, state: running, shutdown_service: false }\n"
    "      - { name: dynamic, dynamic_memory: true }\n"
    "      - { name: gone, adapters: [gone] }\n"
    "      - { name: saved, state: saved }\n"
    "      - { name: warm, state: running, guest_controlled_cache: true }\n"
    "      - { name: snapped, snapshots: [one, two] }\n";

struct fixture {
    struct lab_description *lab;
    struct sim_host host;
    char last_job[37]; /* InstanceID */
};

static void fixture_clear(struct fixture *f)
{
    sim_jobs_close(&f->host);
    sim_world_free(f->host.world);
    sim_store_free(f->host.store);
    free(f->host.name);
    free(f->host.edition);
    free(f->host.locale);
    lab_description_free(f->lab);
}

static bool fixture_init(struct fixture *f)
{
    struct err err = ERR_INIT;

    *f = (struct fixture){ 0 };
    f->lab = lab_parse(LAB, strlen(LAB), "test.yaml", 0, &err);
    CHECK_OK(f->lab != NULL);
    if (!f->lab)
        return false;
    f->host.lab = &f->lab->hosts[0];
    f->host.name = text_dup("TEST");
    f->host.edition = text_dup("Professional");
    f->host.locale = text_dup("en-US");
    f->host.build = 22631;
    f->host.job_ms = 1000;
    f->host.store = sim_store_new();
    CHECK_OK(hv_make_host(&f->host, &err));
    return true;
}

#define FIXTURE                                            \
    CLEANUP(fixture_clear) struct fixture fixture = { 0 }; \
    struct fixture *f = &fixture;                          \
    if (!fixture_init(f))                                  \
    return

static struct sim_object *vm(struct fixture *f, const char *name)
{
    return hv_find_by_text(&f->host, "Msvm_ComputerSystem", "ElementName", name);
}

static struct sim_object *vssd(struct fixture *f, const char *name)
{
    return hv_settings_of(&f->host, hv_text(vm(f, name), "Name"));
}

static const struct sim_method *find_method(const char *class_name, const char *name)
{
    static const struct sim_behaviour *const sets[] = { &sim_state_behaviour,
                                                        &sim_settings_behaviour,
                                                        &sim_summary_behaviour,
                                                        &sim_job_behaviour };

    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        for (const struct sim_method *m = sets[i]->methods; m && m->name; m++)
            if (strcmp(m->class_name, class_name) == 0 && strcmp(m->name, name) == 0)
                return m;
    return NULL;
}

enum { FAULT = -1 };

/* Calls; gives the ReturnValue or FAULT.  *ret_out (may be NULL) gets the OUT parameters. */
static long call(struct fixture *f, struct sim_object *object, const char *method,
                 struct cim_instance *in, struct cim_instance **ret_out)
{
    const struct sim_method *m = find_method(sim_object_class(object)->name, method);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *out = cim_instance_new(HV_NS, "__PARAMETERS");
    struct sim_fault fault = { 0 };
    struct sim_call c = {
        .host = &f->host, .object = object, .method = method, .in = in, .out = out
    };
    const struct cim_path *job;
    uint64_t value = 0;

    CHECK(m != NULL);
    if (!m || !m->call(&c, &fault)) {
        CHECK(!m || fault.text[0]);
        return FAULT;
    }
    CHECK(cim_get_u64(out, "ReturnValue", &value));
    job = cim_get_path(out, "Job");
    CHECK((value == 4096) == (job != NULL));
    if (job)
        snprintf(f->last_job, sizeof(f->last_job), "%s", cim_path_get(job, "InstanceID"));
    if (ret_out)
        *ret_out = TAKE(out);
    return (long)value;
}

static struct sim_object *last_job(struct fixture *f)
{
    return hv_find_by_text(&f->host, "Msvm_ConcreteJob", "InstanceID", f->last_job);
}

static void pass_time(struct fixture *f, int64_t ms)
{
    int64_t now = os_now_usec() + ms * 1000;

    sim_job_behaviour.tick(&f->host, now);
    sim_state_behaviour.tick(&f->host, now);
}

/* Lets the job end; its ErrorCode, or FAULT if it did not end well formed. */
static long job_error(struct fixture *f)
{
    struct sim_object *job;

    pass_time(f, 2000);
    job = last_job(f);
    CHECK(job != NULL);
    if (!job)
        return FAULT;
    if (hv_number(job, "JobState") == 7)
        CHECK_EQ(hv_number(job, "ErrorCode"), 0);
    else
        CHECK_EQ(hv_number(job, "JobState"), 10);
    return (long)hv_number(job, "ErrorCode");
}

/* What came of a call, done at once or by a job. */
static long outcome(struct fixture *f, long value)
{
    return value == 4096 ? job_error(f) : value;
}

static struct sim_object *service(struct fixture *f)
{
    return sim_store_next(f->host.store, NULL, HV_NS,
                          "Msvm_VirtualSystemManagementService");
}

static long with_texts(struct fixture *f, const char *method, const char *parameter,
                       const char *text, struct sim_object *config, bool is_array,
                       struct cim_instance **ret_out)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;

    if (config)
        CHECK_OK(cim_set_path(in, "AffectedConfiguration", sim_object_path(config), &err));
    CHECK_OK(is_array ? cim_set_texts(in, parameter, &text, 1, &err)
                      : cim_set_text(in, parameter, text, &err));
    return call(f, service(f), method, in, ret_out);
}

static long modify_system(struct fixture *f, const char *name, const char *properties)
{
    char *text =
        text_printf("<INSTANCE CLASSNAME=\"Msvm_VirtualSystemSettingData\">"
                    "<PROPERTY NAME=\"InstanceID\" TYPE=\"string\"><VALUE>%s</VALUE>"
                    "</PROPERTY>%s</INSTANCE>",
                    hv_text(vssd(f, name), "InstanceID"), properties);
    long value =
        with_texts(f, "ModifySystemSettings", "SystemSettings", text, NULL, false, NULL);

    free(text);
    return value;
}

#define PROPERTY(name, type, value) \
    "<PROPERTY NAME=\"" name "\" TYPE=\"" type "\"><VALUE>" value "</VALUE></PROPERTY>"
#define GPU_TYPES                               \
    PROPERTY("ResourceType", "uint16", "32770") \
    PROPERTY("ResourceSubType", "string", "Microsoft:Hyper-V:GPU Partition")
#define PIN(path)                                                                     \
    "<PROPERTY.ARRAY NAME=\"HostResource\" TYPE=\"string\"><VALUE.ARRAY><VALUE>" path \
    "</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>"
#define GPU_NAME                                                                           \
    "\\\\\\\\?\\\\PCI#VEN_10DE&#38;DEV_2860&#38;SUBSYS_252D1043&#38;REV_A1#4&#38;296b7397" \
    "&#38;0&#38;0008#{064092b3-625e-43bf-9eb5-dc845897dd59}\\\\GPUPARAV"
#define GPU_PATH                                                                       \
    "\\\\TEST\\root\\virtualization\\v2:Msvm_PartitionableGpu.CreationClassName=&#34;" \
    "Msvm_PartitionableGpu&#34;,Name=&#34;" GPU_NAME "&#34;"

static long add(struct fixture *f, const char *name, const char *properties,
                struct cim_instance **ret_out)
{
    char *text = text_printf("<INSTANCE CLASSNAME=\"Msvm_GpuPartitionSettingData\">%s"
                             "</INSTANCE>",
                             properties);
    long value = with_texts(f, "AddResourceSettings", "ResourceSettings", text,
                            vssd(f, name), true, ret_out);

    free(text);
    return value;
}

static struct sim_object *adapter(struct fixture *f, const char *name)
{
    return hv_next_resource(&f->host, NULL, "Msvm_GpuPartitionSettingData",
                            hv_text(vm(f, name), "Name"));
}

static long request_state(struct fixture *f, const char *name, unsigned state)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_uint(in, "RequestedState", CIM_UINT16, state, &err));
    return call(f, vm(f, name), "RequestStateChange", in, NULL);
}

static size_t count_of(struct fixture *f, const char *class_name)
{
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, HV_NS, class_name)))
        count++;
    return count;
}

/* ---- objects ---- */

TEST(host_row_is_told_from_vms_by_its_name_and_its_missing_install_date)
{
    FIXTURE;
    struct sim_object *host = vm(f, "TEST");

    CHECK_STR_EQ(hv_text(host, "Name"), "TEST");
    CHECK(cim_get(sim_object_instance(host), "InstallDate") == NULL);
    CHECK_EQ(hv_number(host, "RequestedState"), 12);
    CHECK(text_is_guid(hv_text(vm(f, "off"), "Name")));
    CHECK_EQ(hv_number(vm(f, "off"), "RequestedState"), 5);
    CHECK(hv_settings_of(&f->host, "TEST") == NULL);
}

TEST(gpu_partition_templates_are_always_listed)
{
    FIXTURE;
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, HV_NS, "Msvm_GpuPartitionSettingData"))) {
        CHECK(text_istarts(hv_text(o, "InstanceID"),
                           "Microsoft:Definition\\0DCC3FD1-21BD-423E-AB0B-A3A7451CE985\\"));
        CHECK(cim_get(sim_object_instance(o), "MinPartitionVRAM") == NULL);
        count++;
    }
    CHECK_EQ(count, 4);
}

TEST(processor_pool_is_not_among_the_resource_pools)
{
    FIXTURE;
    struct sim_object *o = NULL;

    while ((o = sim_store_next(f->host.store, o, HV_NS, "Msvm_ResourcePool")))
        CHECK(hv_number(o, "ResourceType") != 3);
    CHECK_EQ(count_of(f, "Msvm_ProcessorPool"), 1);
}

TEST(paravirtual_gpu_shows_placeholders_and_a_real_one_its_totals)
{
    FIXTURE;
    struct sim_object *pv =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    struct sim_object *p =
        sim_store_next(f->host.store, pv, HV_NS, "Msvm_PartitionableGpu");

    CHECK(text_iends(hv_text(pv, "Name"), "\\GPUPARAV"));
    CHECK_EQ(hv_number(pv, "TotalVRAM"), 1000000000);
    CHECK(hv_number(pv, "TotalEncode") == UINT64_MAX);
    CHECK(text_iends(hv_text(p, "Name"), "dc845897dd59}"));
    CHECK(hv_number(p, "TotalVRAM") == UINT64_C(16) << 30);
    CHECK(hv_number(p, "OptimalPartitionVRAM") == UINT64_C(4) << 30);
    CHECK(sim_store_next(f->host.store, p, HV_NS, "Msvm_PartitionableGpu") == NULL);
}

TEST(integration_devices_exist_only_while_running_and_their_settings_always)
{
    FIXTURE;

    CHECK(hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                          hv_text(vm(f, "on"), "Name")));
    CHECK(!hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                           hv_text(vm(f, "off"), "Name")));
    CHECK(!hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                           hv_text(vm(f, "mute"), "Name")));
    CHECK(hv_next_resource(&f->host, NULL, "Msvm_ShutdownComponentSettingData",
                           hv_text(vm(f, "off"), "Name")));
    CHECK_EQ(outcome(f, request_state(f, "on", 3)), 0);
    CHECK(!hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                           hv_text(vm(f, "on"), "Name")));
}

TEST(guest_service_interface_is_off_by_default)
{
    FIXTURE;

    CHECK_EQ(hv_number(hv_next_resource(&f->host, NULL,
                                        "Msvm_GuestServiceInterfaceComponentSettingData",
                                        hv_text(vm(f, "off"), "Name")),
                       "EnabledState"),
             3);
}

TEST(kvp_items_are_cim_xml_instances)
{
    FIXTURE;
    struct sim_object *kvp = hv_find_by_text(&f->host, "Msvm_KvpExchangeComponent",
                                             "SystemName", hv_text(vm(f, "on"), "Name"));
    struct err err = ERR_INIT;
    bool found = false;

    CHECK(kvp != NULL);
    for (size_t i = 0;
         kvp && i < cim_get_count(sim_object_instance(kvp), "GuestIntrinsicExchangeItems");
         i++) {
        const char *text =
            cim_get_text_at(sim_object_instance(kvp), "GuestIntrinsicExchangeItems", i);
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *item = cim_xml_read(text, strlen(text), &err);

        CHECK_OK(item != NULL);
        if (item && text_ieq(cim_get_text(item, "Name"), "OSBuildNumber")) {
            CHECK_STR_EQ(cim_get_text(item, "Data"), "22631");
            found = true;
        }
    }
    CHECK(found);
}

TEST(checkpoint_settings_have_their_own_guid_and_name_the_vm)
{
    FIXTURE;
    struct sim_object *o =
        hv_find_by_text(&f->host, "Msvm_VirtualSystemSettingData", "ElementName", "two");

    CHECK_STR_EQ(hv_text(o, "VirtualSystemIdentifier"), hv_text(vm(f, "snapped"), "Name"));
    CHECK_STR_EQ(hv_text(o, "VirtualSystemType"), "Microsoft:Hyper-V:Snapshot:Realized");
    CHECK(text_istr(hv_text(o, "InstanceID"), hv_text(vm(f, "snapped"), "Name")) == NULL);
    CHECK_EQ(count_of(f, "Msvm_SnapshotOfVirtualSystem"), 2);
}

TEST(same_lab_gives_the_same_objects_each_time)
{
    struct err err = ERR_INIT;
    char *first, *second;
    struct fixture a, b;

    if (!fixture_init(&a) || !fixture_init(&b))
        return;
    first = sim_store_save(a.host.store, &err);
    second = sim_store_save(b.host.store, &err);
    CHECK_STR_EQ(first, second);
    free(first);
    free(second);
    fixture_clear(&a);
    fixture_clear(&b);
}

/* ---- jobs ---- */

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

/* ---- settings ---- */

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

static long modify_resource(struct fixture *f, struct sim_object *o, const char *properties)
{
    char *text =
        text_printf("<INSTANCE CLASSNAME=\"%s\"><PROPERTY NAME=\"InstanceID\" "
                    "TYPE=\"string\"><VALUE>%s</VALUE></PROPERTY>%s</INSTANCE>",
                    sim_object_class(o)->name, hv_text(o, "InstanceID"), properties);
    long value =
        with_texts(f, "ModifyResourceSettings", "ResourceSettings", text, NULL, true, NULL);

    free(text);
    return value;
}

static struct sim_object *memory(struct fixture *f, const char *name)
{
    return hv_next_resource(&f->host, NULL, "Msvm_MemorySettingData",
                            hv_text(vm(f, name), "Name"));
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

/* ---- GPU partitions ---- */

TEST(pin_needs_an_object_path_with_doubled_backslashes)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(GPU_NAME), NULL)),
             HV_INVALID_PARAMETER);
    CHECK_EQ(
        outcome(f, add(f, "off",
                       GPU_TYPES PIN("root\\virtualization\\v2:Msvm_PartitionableGpu."
                                     "CreationClassName=&#34;Msvm_PartitionableGpu&#34;,"
                                     "Name=&#34;\\\\?\\PCI#VEN_10DE&#38;DEV_2860&#34;"),
                       NULL)),
        HV_INVALID_PARAMETER);
    CHECK(adapter(f, "off") == NULL);
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK(adapter(f, "off") != NULL);
    if (adapter(f, "off"))
        CHECK(
            hv_gpu_by_path(&f->host, cim_get_text_at(sim_object_instance(adapter(f, "off")),
                                                     "HostResource", 0)) != NULL);
}

TEST(setting_data_without_type_and_subtype_is_refused)
{
    FIXTURE;

    CHECK_EQ(add(f, "off", "", NULL), 4096);
    CHECK_EQ(job_error(f), HV_INVALID_PARAMETER);
}

TEST(quotas_are_refused_at_add_and_taken_by_modify)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PROPERTY("MinPartitionVRAM", "uint64", "1"),
                            NULL)),
             HV_INVALID_PARAMETER);
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK(cim_get(sim_object_instance(adapter(f, "off")), "MinPartitionVRAM") == NULL);
    CHECK_EQ(
        outcome(f, modify_resource(f, adapter(f, "off"),
                                   PROPERTY("MinPartitionVRAM", "uint64", "80000000"))),
        0);
    CHECK_EQ(hv_number(adapter(f, "off"), "MinPartitionVRAM"), 80000000);
}

TEST(quota_of_all_ones_is_refused_for_vram_only)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, modify_resource(f, adapter(f, "off"),
                                        PROPERTY("MaxPartitionVRAM", "uint64",
                                                 "18446744073709551615"))),
             HV_INVALID_PARAMETER);
    CHECK_EQ(outcome(f, modify_resource(f, adapter(f, "off"),
                                        PROPERTY("MaxPartitionEncode", "uint64",
                                                 "18446744073709551615"))),
             0);
}

static long remove_adapter(struct fixture *f, struct sim_object *o)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct cim_value value = { .type = CIM_REFERENCE, .is_array = true, .count = 1 };
    struct err err = ERR_INIT;

    value.data = calloc(1, sizeof(*value.data));
    value.data[0].path = cim_path_copy(sim_object_path(o));
    CHECK_OK(cim_set(in, "ResourceSettings", &value, &err));
    return call(f, service(f), "RemoveResourceSettings", in, NULL);
}

TEST(removed_adapter_takes_its_associations_with_it)
{
    FIXTURE;
    size_t before = count_of(f, "Msvm_VirtualSystemSettingDataComponent");

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(count_of(f, "Msvm_VirtualSystemSettingDataComponent"), before + 1);
    CHECK_EQ(outcome(f, remove_adapter(f, adapter(f, "off"))), 0);
    CHECK(adapter(f, "off") == NULL);
    CHECK_EQ(count_of(f, "Msvm_VirtualSystemSettingDataComponent"), before);
}

TEST(partitions_run_out_and_come_back)
{
    FIXTURE;
    struct sim_object *gpu =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    static const char *const names[] = { "off", "dynamic", "snapped" };

    gpu = sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    CHECK_EQ(
        outcome(f, modify_resource(f, memory(f, "dynamic"),
                                   PROPERTY("DynamicMemoryEnabled", "boolean", "false"))),
        0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(outcome(f, add(f, names[i], GPU_TYPES PIN(GPU_PATH), NULL)), 0);
        CHECK_EQ(outcome(f, request_state(f, names[i], 2)), i < 2 ? 0 : HV_FAILED);
        CHECK_EQ(hv_state(vm(f, names[i])), i < 2 ? HV_RUNNING : HV_OFF);
    }
    CHECK_EQ(hv_partitions_in_use(&f->host, gpu), 2);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(hv_partitions_in_use(&f->host, gpu), 1);
    CHECK_EQ(outcome(f, request_state(f, "snapped", 2)), 0);
}

TEST(running_vm_takes_a_partition_only_with_its_cache_types_set_before)
{
    FIXTURE;

    CHECK_EQ(add(f, "on", GPU_TYPES, NULL), FAULT);
    CHECK_EQ(outcome(f, add(f, "warm", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK_EQ(count_of(f, "Msvm_GpuPartition"), 1);
    CHECK_EQ(outcome(f, remove_adapter(f, adapter(f, "warm"))), 0);
    CHECK_EQ(count_of(f, "Msvm_GpuPartition"), 0);
}

TEST(stale_pin_is_invisible_and_the_start_fails)
{
    FIXTURE;

    CHECK(adapter(f, "gone") == NULL);
    CHECK_EQ(request_state(f, "gone", 2), 4096);
    CHECK_EQ(hv_state(vm(f, "gone")), HV_STARTING);
    CHECK_EQ(job_error(f), HV_FAILED);
    CHECK_EQ(hv_state(vm(f, "gone")), HV_OFF);
}

TEST(dynamic_memory_whose_startup_is_not_its_minimum_forbids_the_start_with_a_device)
{
    FIXTURE;

    CHECK_EQ(outcome(f, request_state(f, "dynamic", 2)), 0);
    CHECK_EQ(outcome(f, request_state(f, "dynamic", 3)), 0);
    CHECK_EQ(outcome(f, add(f, "dynamic", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, request_state(f, "dynamic", 2)), HV_FAILED);
    CHECK_EQ(outcome(f, modify_resource(f, memory(f, "dynamic"),
                                        PROPERTY("Reservation", "uint64", "4096"))),
             0);
    CHECK_EQ(outcome(f, request_state(f, "dynamic", 2)), 0);
}

TEST(high_mmio_gap_must_end_within_the_physical_addresses)
{
    FIXTURE;

    /* 36 bits: 64 GiB; the default gap ends exactly there. */
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("HighMmioGapSize", "uint64", "513"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), HV_FAILED);
    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("HighMmioGapBase", "uint64", "48128"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
}

TEST(vm_with_a_partition_cannot_be_saved)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 6)), HV_FAILED);
    CHECK_EQ(hv_state(vm(f, "off")), HV_RUNNING);
    CHECK_EQ(count_of(f, "Msvm_GpuPartition"), 1);
}

static bool put_count(struct fixture *f, struct sim_object *gpu, unsigned count)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *changes = cim_instance_new(HV_NS, "Msvm_PartitionableGpu");
    struct sim_fault fault = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_uint(changes, "PartitionCount", CIM_UINT16, count, &err));
    return sim_settings_behaviour.puts[0].put(&f->host, gpu, changes, &fault);
}

TEST(partition_count_is_written_by_put_and_only_to_valid_counts_while_nothing_is_assigned)
{
    FIXTURE;
    struct sim_object *gpu =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    struct sim_object *a2 =
        sim_store_next(f->host.store, gpu, HV_NS, "Msvm_PartitionableGpu");

    CHECK(!put_count(f, a2, 3));
    CHECK(put_count(f, a2, 2));
    CHECK_EQ(hv_number(a2, "PartitionCount"), 2);
    CHECK(hv_number(a2, "OptimalPartitionVRAM") == UINT64_C(8) << 30);
    CHECK_EQ(outcome(f, add(f, "warm", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK(!put_count(f, gpu, 1));
    CHECK(put_count(f, gpu, 2));
    CHECK_EQ(hv_number(gpu, "PartitionCount"), 2);
}

TEST(server_refuses_a_paravirtual_gpu_until_both_policy_values_are_zero)
{
    static const char key[] = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV";
    static const char *const names[] = { "RequireSecureDeviceAssignment",
                                         "RequireSupportedDeviceAssignment" };
    struct hive_value zero = { 0 };
    struct err err = ERR_INIT;
    char guid[37], dir[64];
    FIXTURE;

    os_guid(guid);
    snprintf(dir, sizeof(dir), "/tmp/hvgpu-test-%s", guid);
    free(f->host.edition);
    f->host.edition = text_dup("ServerDatacenter");
    f->host.product = text_dup("Microsoft Windows Server 2022 Datacenter");
    f->host.dir = text_dup(dir);
    f->host.machine = &f->lab->hosts[0].machine;
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK(hive_value_set_u64(&zero, HIVE_DWORD, 0));
    for (size_t i = 0; i < 2; i++) {
        struct sim_world *world;

        CHECK_EQ(outcome(f, request_state(f, "off", 2)), HV_FAILED);
        world = sim_host_world(&f->host, &err);
        CHECK_OK(world != NULL);
        if (!world)
            break;
        CHECK_EQ(world_reg_create(world, key), 0);
        CHECK_EQ(world_reg_set(world, key, names[i], &zero), 0);
    }
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    hive_value_clear(&zero);
    sim_world_free(TAKE(f->host.world));
    free(f->host.product);
    free(TAKE(f->host.dir));
    CHECK_OK(os_remove_tree(dir, &err));
}

/* ---- states ---- */

TEST(vm_goes_through_starting_to_running_and_back)
{
    FIXTURE;
    struct sim_object *o = vm(f, "off");

    CHECK_EQ(request_state(f, "off", 2), 4096);
    CHECK_EQ(hv_state(o), HV_STARTING);
    CHECK_EQ(hv_number(o, "RequestedState"), 2);
    CHECK_EQ(request_state(f, "off", 2), HV_INVALID_STATE);
    CHECK_EQ(job_error(f), 0);
    CHECK_EQ(hv_state(o), HV_RUNNING);
    CHECK_EQ(hv_number(o, "RequestedState"), 5);
    CHECK(hv_number(o, "ProcessID") != 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(hv_state(o), HV_OFF);
    CHECK(cim_get(sim_object_instance(o), "ProcessID") == NULL);
}

TEST(asking_for_the_state_the_vm_has_is_an_invalid_state)
{
    FIXTURE;

    CHECK_EQ(request_state(f, "on", 2), HV_INVALID_STATE);
    CHECK_EQ(request_state(f, "off", 3), HV_INVALID_STATE);
    CHECK_EQ(request_state(f, "off", 4242), FAULT);
}

static long shut_down(struct fixture *f, const char *name, bool force)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct sim_object *o = hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                                           hv_text(vm(f, name), "Name"));
    struct err err = ERR_INIT;

    CHECK(o != NULL);
    CHECK_OK(cim_set_bool(in, "Force", force, &err) &&
             cim_set_text(in, "Reason", "test", &err));
    return o ? call(f, o, "InitiateShutdown", in, NULL) : FAULT;
}

TEST(graceful_shutdown_has_no_job_and_takes_its_time)
{
    FIXTURE;

    CHECK_EQ(shut_down(f, "on", false), 0);
    CHECK_EQ(hv_state(vm(f, "on")), HV_SHUTTING_DOWN);
    CHECK_EQ(shut_down(f, "on", false), 32782);
    pass_time(f, 2000);
    CHECK_EQ(hv_state(vm(f, "on")), HV_OFF);
}

TEST(locked_guest_shuts_down_only_by_force)
{
    FIXTURE;

    CHECK_EQ(shut_down(f, "locked", false), 32781);
    CHECK_EQ(hv_state(vm(f, "locked")), HV_RUNNING);
    CHECK_EQ(shut_down(f, "locked", true), 0);
}

TEST(disks_are_in_use_unless_the_vm_is_off)
{
    FIXTURE;

    CHECK(sim_vm_uses_disk(&f->host, "c:\\vms\\ON.vhdx"));
    CHECK(!sim_vm_uses_disk(&f->host, "C:\\VMs\\off.vhdx"));
    CHECK_EQ(request_state(f, "off", 2), 4096);
    CHECK(sim_vm_uses_disk(&f->host, "C:\\VMs\\off.vhdx"));
    CHECK_EQ(job_error(f), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK(!sim_vm_uses_disk(&f->host, "C:\\VMs\\off.vhdx"));
}

TEST(killed_simulator_leaves_no_job_and_no_vm_between_states)
{
    FIXTURE;
    struct err err = ERR_INIT;
    char *json;

    CHECK_EQ(request_state(f, "off", 2), 4096);
    json = sim_store_save(f->host.store, &err);
    CHECK_OK(json != NULL);
    sim_jobs_close(&f->host);
    sim_store_free(f->host.store);
    f->host.store = sim_store_new();
    CHECK_OK(sim_store_load(f->host.store, json, &err) &&
             sim_jobs_after_load(&f->host, &err) && hv_after_load(&f->host, &err));
    CHECK_EQ(count_of(f, "Msvm_ConcreteJob"), 0);
    CHECK_EQ(hv_state(vm(f, "off")), HV_OFF);
    CHECK_EQ(hv_state(vm(f, "on")), HV_RUNNING);
    free(json);
}

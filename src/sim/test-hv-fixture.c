/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-hv-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test.h"
#include "text.h"
#include "world.h"

const char HV_TEST_LAB[] =
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

void fixture_clear(struct fixture *f)
{
    sim_jobs_close(&f->host);
    sim_world_free(f->host.world);
    sim_store_free(f->host.store);
    free(f->host.name);
    free(f->host.product);
    free(f->host.edition);
    free(f->host.locale);
    lab_description_free(f->lab);
}

bool fixture_init(struct fixture *f, const char *lab)
{
    const struct lab_host *facts;
    struct err err = ERR_INIT;

    *f = (struct fixture){ 0 };
    f->lab = lab_parse(lab, strlen(lab), "test.yaml", 0, &err);
    CHECK_OK(f->lab != NULL);
    if (!f->lab)
        return false;
    facts = &f->lab->hosts[0];
    f->host.lab = facts;
    f->host.machine = &f->lab->hosts[0].machine;
    f->host.name = text_dup(facts->name);
    f->host.product = text_dup(facts->product);
    f->host.edition = text_dup(facts->edition);
    f->host.locale = text_dup(facts->locale);
    f->host.build = facts->build;
    f->host.job_ms = facts->job_ms;
    f->host.store = sim_store_new();
    CHECK_OK(sim_machine_add_objects(&f->host, &err));
    CHECK_OK(hv_make_host(&f->host, &err));
    return true;
}

struct sim_object *vm(struct fixture *f, const char *name)
{
    return hv_find_by_text(&f->host, "Msvm_ComputerSystem", "ElementName", name);
}

struct sim_object *vssd(struct fixture *f, const char *name)
{
    return hv_settings_of(&f->host, hv_text(vm(f, name), "Name"));
}

struct sim_object *memory(struct fixture *f, const char *name)
{
    return hv_next_resource(&f->host, NULL, "Msvm_MemorySettingData",
                            hv_text(vm(f, name), "Name"));
}

struct sim_object *adapter(struct fixture *f, const char *name)
{
    return hv_next_resource(&f->host, NULL, "Msvm_GpuPartitionSettingData",
                            hv_text(vm(f, name), "Name"));
}

struct sim_object *service(struct fixture *f)
{
    return sim_store_next(f->host.store, NULL, HV_NS,
                          "Msvm_VirtualSystemManagementService");
}

size_t count_of(struct fixture *f, const char *class_name)
{
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, HV_NS, class_name)))
        count++;
    return count;
}

const struct sim_method *find_method(const char *class_name, const char *name)
{
    for (size_t i = 0; sim_behaviours[i]; i++)
        for (const struct sim_method *m = sim_behaviours[i]->methods; m && m->name; m++)
            if (strcmp(m->class_name, class_name) == 0 && strcmp(m->name, name) == 0)
                return m;
    return NULL;
}

long call(struct fixture *f, struct sim_object *object, const char *method,
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

struct sim_object *last_job(struct fixture *f)
{
    return hv_find_by_text(&f->host, "Msvm_ConcreteJob", "InstanceID", f->last_job);
}

void pass_time(struct fixture *f, int64_t ms)
{
    int64_t now = os_now_usec() + ms * 1000;

    for (size_t i = 0; sim_behaviours[i]; i++)
        if (sim_behaviours[i]->tick)
            sim_behaviours[i]->tick(&f->host, now);
}

long job_error(struct fixture *f)
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

long outcome(struct fixture *f, long value)
{
    return value == 4096 ? job_error(f) : value;
}

long with_texts(struct fixture *f, const char *method, const char *parameter,
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

long modify_system(struct fixture *f, const char *name, const char *properties)
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

long modify_resource(struct fixture *f, struct sim_object *o, const char *properties)
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

long add_resource(struct fixture *f, const char *name, const char *class_name,
                  const char *properties, struct cim_instance **ret_out)
{
    char *text =
        text_printf("<INSTANCE CLASSNAME=\"%s\">%s</INSTANCE>", class_name, properties);
    long value = with_texts(f, "AddResourceSettings", "ResourceSettings", text,
                            vssd(f, name), true, ret_out);

    free(text);
    return value;
}

long add(struct fixture *f, const char *name, const char *properties,
         struct cim_instance **ret_out)
{
    return add_resource(f, name, "Msvm_GpuPartitionSettingData", properties, ret_out);
}

long remove_resource(struct fixture *f, struct sim_object *o)
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

long request_state(struct fixture *f, const char *name, unsigned state)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_uint(in, "RequestedState", CIM_UINT16, state, &err));
    return call(f, vm(f, name), "RequestStateChange", in, NULL);
}

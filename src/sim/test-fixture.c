/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-fixture.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "err.h"
#include "soap.h"
#include "text.h"

void fixture_vm_id(unsigned i, char ret[37])
{
    snprintf(ret, 37, "00000000-0000-4000-8000-%012X", i);
}

/* ---- objects ---- */

static struct sim_object *add(struct sim_host *host, struct cim_instance **instance,
                              struct err *err)
{
    return sim_store_add(host->store, instance, err);
}

static struct sim_object *add_computer(struct sim_host *host, const char *id,
                                       const char *name, const char *caption,
                                       struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i = cim_instance_new(FIXTURE_V2, "Msvm_ComputerSystem");
    const struct cim_datetime installed = { .usec = 13410438922702341 }; /* 2025-12-17 */
    const uint64_t status[] = { 2 };

    if (!i || !cim_set_text(i, "CreationClassName", "Msvm_ComputerSystem", err) ||
        !cim_set_text(i, "Name", id, err) || !cim_set_text(i, "ElementName", name, err) ||
        !cim_set_text(i, "Caption", caption, err) ||
        !cim_set_uint(i, "EnabledState", CIM_UINT16, 3, err) ||
        !cim_set_uint(i, "OnTimeInMilliseconds", CIM_UINT64, UINT64_MAX, err) ||
        !cim_set_uints(i, "OperationalStatus", CIM_UINT16, status, 1, err) ||
        !cim_set_datetime(i, "InstallDate", &installed, err))
        return NULL;
    return add(host, &i, err);
}

static struct sim_object *add_settings(struct sim_host *host, const char *id,
                                       struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i = cim_instance_new(FIXTURE_V2, "Msvm_VirtualSystemSettingData");
    CLEANUP(free_cleanup) char *instance_id = text_printf("Microsoft:%s", id);
    const struct cim_datetime delay = { .interval = true, .usec = 300000000 };
    const char *notes[] = { "first <note> & more", "second" };

    if (!i || !instance_id || !cim_set_text(i, "InstanceID", instance_id, err) ||
        !cim_set_text(i, "VirtualSystemIdentifier", id, err) ||
        !cim_set_datetime(i, "AutomaticStartupActionDelay", &delay, err) ||
        !cim_set_bool(i, "GuestControlledCacheTypes", false, err) ||
        !cim_set_texts(i, "Notes", notes, 2, err))
        return NULL;
    return add(host, &i, err);
}

static bool add_vm(struct sim_host *host, unsigned number, struct err *err)
{
    CLEANUP(free_cleanup) char *name = text_printf("vm %u", number);
    struct sim_object *vm, *settings;
    char id[37];

    fixture_vm_id(number, id);
    vm = add_computer(host, id, name, "Virtual Machine", err);
    settings = vm ? add_settings(host, id, err) : NULL;
    return settings && sim_store_link(host->store, FIXTURE_V2, "Msvm_SettingsDefineState",
                                      "ManagedElement", vm, "SettingData", settings, err);
}

static bool add_gpu(struct sim_host *host, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i = cim_instance_new(FIXTURE_V2, "Msvm_PartitionableGpu");
    const uint64_t counts[] = { 16, 32 };

    return i && cim_set_text(i, "CreationClassName", "Msvm_PartitionableGpu", err) &&
           cim_set_text(i, "Name", FIXTURE_GPU, err) &&
           cim_set_uint(i, "PartitionCount", CIM_UINT16, 32, err) &&
           cim_set_uints(i, "ValidPartitionCounts", CIM_UINT16, counts, 2, err) &&
           add(host, &i, err);
}

static bool add_service(struct sim_host *host, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i =
        cim_instance_new(FIXTURE_V2, "Msvm_VirtualSystemManagementService");

    return i &&
           cim_set_text(i, "CreationClassName", "Msvm_VirtualSystemManagementService",
                        err) &&
           cim_set_text(i, "Name", "vmms", err) &&
           cim_set_text(i, "SystemCreationClassName", "Msvm_ComputerSystem", err) &&
           cim_set_text(i, "SystemName", host->name, err) && add(host, &i, err);
}

struct sim_host *fixture_host(const char *name, unsigned vm_count, struct err *err)
{
    CLEANUP(fixture_host_cleanup) struct sim_host *host = calloc(1, sizeof(*host));

    if (!host) {
        err_no_memory(err);
        return NULL;
    }
    pthread_mutex_init(&host->own_lock, NULL);
    host->lock = &host->own_lock;
    host->name = text_dup(name);
    host->locale = text_dup("ja-JP");
    host->build = 22631;
    host->store = sim_store_new();
    if (!host->name || !host->locale || !host->store) {
        err_no_memory(err);
        return NULL;
    }
    if (!add_computer(host, name, name, "Hosting Computer System", err))
        return NULL;
    for (unsigned i = 1; i <= vm_count; i++)
        if (!add_vm(host, i, err))
            return NULL;
    return add_gpu(host, err) && add_service(host, err) ? TAKE(host) : NULL;
}

void fixture_host_free(struct sim_host *host)
{
    if (!host)
        return;
    sim_store_free(host->store);
    free(host->name);
    free(host->locale);
    pthread_mutex_destroy(&host->own_lock);
    free(host);
}

/* ---- behaviour ---- */

static bool set_return(struct sim_call *call, uint32_t value)
{
    struct err ignored = ERR_INIT;

    return cim_set_uint(call->out, "ReturnValue", CIM_UINT32, value, &ignored);
}

/* 0 with the setting given as the result; 32773 without one; jobs as asked for. */
static bool add_resource(struct sim_call *call, struct sim_fault *fault)
{
    const struct cim_path *to = cim_get_path(call->in, "AffectedConfiguration");
    struct sim_object *object = to ? sim_store_find(call->host->store, to) : NULL;
    struct cim_value results = { .type = CIM_REFERENCE, .is_array = true };
    struct err err = ERR_INIT;

    if (call->job_fate == SIM_JOB_FAILS)
        return set_return(call, call->job_error);
    if (call->job_fate == SIM_JOB_HANGS)
        return set_return(call, 4096);
    if (!object || cim_get_count(call->in, "ResourceSettings") == 0)
        return set_return(call, 32773);
    for (size_t i = 0; i < cim_get_count(call->in, "ResourceSettings"); i++) {
        CLEANUP(free_cleanup) char *path = cim_path_format(sim_object_path(object));

        if (!path || !cim_value_add_text(&results, path, &err))
            return sim_refuse(fault, "w:InternalError", 14, "fixture");
    }
    call->host->dirty = true;
    return cim_set(call->out, "ResultingResourceSettings", &results, &err) &&
           set_return(call, 0);
}

static bool get_dword(struct sim_call *call, struct sim_fault *fault)
{
    struct err ignored = ERR_INIT;
    uint64_t key = 0;

    cim_get_u64(call->in, "hDefKey", &key);
    return cim_set_uint(call->out, "uValue", CIM_UINT32, key & 0xff, &ignored) &&
           set_return(call, 0);
}

static bool put_gpu(struct sim_host *host, struct sim_object *object,
                    const struct cim_instance *changes, struct sim_fault *fault)
{
    struct err ignored = ERR_INIT;
    uint64_t count;

    if (!cim_get_u64(changes, "PartitionCount", &count) || count > 64)
        return sim_refuse(fault, "w:InvalidParameter", CODE_INVALID_PARAMETER,
                          "PartitionCount is missing or too large");
    host->dirty = true;
    return cim_set_uint(sim_object_instance(object), "PartitionCount", CIM_UINT16, count,
                        &ignored);
}

static bool list_files(struct sim_host *host, const struct cim_instance *where,
                       bool (*on_row)(struct cim_instance *row, void *user), void *user,
                       struct sim_fault *fault)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    struct err err = ERR_INIT;

    if (!cim_get_text(where, "Name"))
        return sim_unknown(fault, "a list of all files");
    if (!text_ieq(cim_get_text(where, "Name"), "c:\\windows\\notepad.exe"))
        return true;
    row = cim_instance_new("root/cimv2", "CIM_DataFile");
    return row && cim_set_text(row, "Name", "c:\\windows\\notepad.exe", &err) &&
           cim_set_uint(row, "FileSize", CIM_UINT64, 201216, &err) && on_row(row, user);
}

static const struct sim_method methods[] = {
    { FIXTURE_V2, "Msvm_VirtualSystemManagementService", "AddResourceSettings",
      add_resource, "test" },
    { "root/cimv2", "StdRegProv", "GetDWORDValue", get_dword, "test" },
    { 0 },
};
static const struct sim_put puts_[] = {
    { FIXTURE_V2, "Msvm_PartitionableGpu", put_gpu, "test" },
    { 0 },
};
static const struct sim_dynamic_class dynamic_classes[] = {
    { "root/cimv2", "CIM_DataFile", list_files, "test" },
    { 0 },
};
static const struct sim_behaviour fixture = {
    .name = "fixture", .methods = methods, .puts = puts_, .dynamic_classes = dynamic_classes
};
const struct sim_behaviour *const sim_behaviours[] = { &fixture, NULL };

/* ---- commands ---- */

static void say(const struct sim_command *command, const char *text, bool is_stderr)
{
    command->on_output(text, strlen(text), is_stderr, command->user);
}

static uint32_t run_slow(const struct sim_command *command)
{
    const struct timespec moment = { .tv_nsec = 5 * 1000 * 1000 };

    say(command, "a\r\n", false);
    while (!atomic_load(command->stop))
        nanosleep(&moment, NULL);
    say(command, "b\r\n", false);
    return 1;
}

uint32_t sim_command_run(const struct sim_command *command)
{
    const char *rest = strchr(command->line, ' ');
    uint64_t number = 0;

    if (text_istarts(command->line, "echo ")) {
        say(command, rest + 1, false);
        say(command, "\r\n", false);
        return 0;
    }
    if (text_istarts(command->line, "fail ") && text_to_u64(rest + 1, 10, &number)) {
        say(command, "it failed\r\n", true);
        return (uint32_t)number;
    }
    if (text_istarts(command->line, "big ") && text_to_u64(rest + 1, 10, &number)) {
        for (uint64_t i = 0; i < number; i += 64)
            say(command,
                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n",
                false);
        return 0;
    }
    if (text_ieq(command->line, "umlaut")) {
        say(command, "Gr\xc3\xbc\xc3\x9f", false);
        return 0;
    }
    if (text_ieq(command->line, "slow"))
        return run_slow(command);
    say(command, "is not recognized as an internal or external command", true);
    return 9009;
}

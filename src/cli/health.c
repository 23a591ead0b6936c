/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of `status`, as a table each for GPUs and for VMs that have one. */

#include "health.h"

#include <inttypes.h>
#include <stdio.h>

#include "host-json.h"
#include "text.h"

enum { STOP_TURN_OFF = 2, STOP_SAVE = 3, CHECKPOINTS_OFF = 2 };

/* Source: MicrosoftDocs/windows-driver-docs install/cm-prob-*. */
static const char *problem_name(uint64_t code)
{
    static const struct {
        uint64_t code;
        const char *name;
    } names[] = {
        { 10, "the device could not start" },
        { 12, "not enough address space for its BARs" },
        { 14, "the host must be restarted" },
        { 22, "the device is disabled" },
        { 24, "the device is not there" },
        { 28, "no driver is installed" },
        { 29, "the firmware disabled the device" },
        { 31, "the driver did not accept the device" },
        { 43, "the driver reported a failure" },
        { 45, "the device is not connected" },
        { 52, "the driver's signature could not be verified" },
        { 57, "the device could not be assigned to a guest" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].code == code)
            return names[i].name;
    return "Windows reports a problem";
}

static void add(json_t *list, const char *id, const char *severity, const char *what,
                const char *name, const char *evidence, const char *cause, const char *fix,
                const char *source)
{
    CLEANUP(free_cleanup) char *subject = text_printf("%s '%s'", what, name ? name : "?");

    json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:[s], s:s, s:s, s:s}", "id", id,
                                          "severity", severity, "subject",
                                          text_to_json(subject), "evidence", evidence,
                                          "cause", cause, "fix", fix, "source", source));
}

static void judge_gpu(json_t *list, const struct hv_gpu *gpu)
{
    char evidence[64];

    if (gpu->place == GPU_DISMOUNTED)
        add(list, "gpu-dismounted", "warning", "GPU",
            gpu->name ? gpu->name : gpu->instance_id, "place: dismounted",
            "it was taken from the host, and no VM has it",
            "bring it home with 'hvgpu dda recover', or give it to a VM with 'hvgpu dda "
            "assign'",
            "Justsenger/ExHyperV issue 88");

    if (!gpu->problem_code.known || gpu->problem_code.value == 0)
        return;
    snprintf(evidence, sizeof(evidence), "problem code %" PRIu64, gpu->problem_code.value);
    add(list, "gpu-problem", "error", "GPU", gpu->name ? gpu->name : gpu->instance_id,
        evidence, problem_name(gpu->problem_code.value),
        "look at the device on the host; its driver or slot has to work before it is shared",
        "Win32_PnPEntity.ConfigManagerErrorCode");
}

/* What holds for a VM that has a GPU in one way or the other. */
static bool is_pinned_to_nothing(const struct hv_host *host, const struct hv_vm *vm)
{
    for (size_t i = 0; i < vm->adapter_count; i++)
        if (vm->adapters[i].interface_path && !hv_adapter_gpu(host, &vm->adapters[i]))
            return true;
    return false;
}

static bool names_a_gone_device(const struct hv_host *host, const struct hv_vm *vm)
{
    (void)host;
    for (size_t i = 0; i < vm->device_count; i++)
        if (vm->devices[i].is_gone)
            return true;
    return false;
}

static bool lacks_cache_types(const struct hv_host *host, const struct hv_vm *vm)
{
    (void)host;
    return vm->guest_controlled_cache == TRI_NO;
}

static bool saves_on_stop(const struct hv_host *host, const struct hv_vm *vm)
{
    (void)host;
    return vm->stop_action.known && vm->stop_action.value == STOP_SAVE;
}

static bool device_needs_turn_off(const struct hv_host *host, const struct hv_vm *vm)
{
    (void)host;
    return vm->device_count > 0 && vm->stop_action.known &&
           vm->stop_action.value != STOP_TURN_OFF;
}

static bool makes_checkpoints(const struct hv_host *host, const struct hv_vm *vm)
{
    (void)host;
    return vm->checkpoint_type.known && vm->checkpoint_type.value != CHECKPOINTS_OFF;
}

static const struct {
    const char *id, *severity;
    bool (*applies)(const struct hv_host *host, const struct hv_vm *vm);
    const char *evidence, *cause, *fix, *source;
} vm_rules[] = {
    { "gpu-gone", "error", is_pinned_to_nothing,
      "HostResource names a GPU that the host does not list",
      "its GPU was removed or moved to another slot: the VM cannot start",
      "detach the partition and attach the VM to a GPU that is there",
      "Justsenger/ExHyperV (stale pin)" },
    { "device-gone", "error", names_a_gone_device,
      "HostResource names a device that the host does not list",
      "its device was removed, moved to another slot or given back: the VM cannot start",
      "clear the entry away with 'hvgpu dda recover', and assign the device again",
      "Justsenger/ExHyperV issue 98" },
    { "cache-types", "warning", lacks_cache_types, "GuestControlledCacheTypes is false",
      "the guest may not control cache types, which GPUs need",
      "attach sets it; by hand: Set-VM -GuestControlledCacheTypes $true",
      "MicrosoftDocs/windowsserverdocs Deploying-graphics-devices-using-dda" },
    { "stop-action-device", "error", device_needs_turn_off,
      "AutomaticShutdownAction is not 'turn off'",
      "a VM with an assigned device must be turned off when its host stops",
      "Set-VM -AutomaticStopAction TurnOff",
      "MicrosoftDocs/windowsserverdocs Deploying-graphics-devices-using-dda" },
    { "stop-action", "warning", saves_on_stop, "AutomaticShutdownAction is 'save'",
      "a VM with a GPU cannot be saved when its host stops",
      "attach sets it; by hand: Set-VM -AutomaticStopAction TurnOff",
      "MicrosoftDocs/windowsserverdocs gpu-partitioning" },
    { "checkpoints", "info", makes_checkpoints, "UserSnapshotType is not 'disabled'",
      "checkpoints of a VM with a GPU fail or cannot be used",
      "attach sets it; by hand: Set-VM -CheckpointType Disabled",
      "MicrosoftDocs/windowsserverdocs gpu-partitioning" },
};

static void judge_vms(json_t *list, const struct hv_host *host, const char *severity)
{
    for (size_t v = 0; v < host->vm_count; v++) {
        const struct hv_vm *vm = &host->vms[v];

        if (vm->adapter_count == 0 && vm->device_count == 0)
            continue;
        for (size_t i = 0; i < ARRAY_LEN(vm_rules); i++)
            if (text_ieq(vm_rules[i].severity, severity) && vm_rules[i].applies(host, vm))
                add(list, vm_rules[i].id, severity, "VM", vm->name, vm_rules[i].evidence,
                    vm_rules[i].cause, vm_rules[i].fix, vm_rules[i].source);
    }
}

json_t *host_findings(const struct hv_host *host)
{
    json_t *list = json_array();

    if (!list)
        return NULL;
    for (size_t i = 0; i < host->gpu_count; i++)
        judge_gpu(list, &host->gpus[i]);
    judge_vms(list, host, "error");
    judge_vms(list, host, "warning");
    judge_vms(list, host, "info");
    return list;
}

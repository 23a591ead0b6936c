/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found about a VM, its role in a cluster and its disk. */

#include "test-rules.h"

CHANGE(runs)
{
    b->vm.state = VM_RUNNING;
}
CHANGE(paused)
{
    b->vm.state = VM_PAUSED;
    b->request.stop = true; /* does not help */
}
CHANGE(runs_asked)
{
    b->vm.state = VM_RUNNING;
    b->facts.request = NULL;
}
CHANGE(saved)
{
    b->vm.state = VM_SAVED;
}
CHANGE(runs_unchanged)
{
    b->vm.state = VM_RUNNING;
    b->request.changes_vm = false;
}
CHANGE(generation_1)
{
    b->vm.generation = num(1);
}
CHANGE(version_9)
{
    b->vm.version = (char *)"9.0";
}
CHANGE(dynamic)
{
    b->vm.dynamic_memory = TRI_YES;
}
CHANGE(dynamic_unknown)
{
    b->vm.dynamic_memory = TRI_YES;
    b->vm.memory_minimum_bytes.known = false;
}
CHANGE(checkpoints)
{
    b->vm.checkpoint_count = num(2);
}
CHANGE(checkpoints_asked)
{
    b->vm.checkpoint_count = num(2);
    b->facts.request = NULL;
}
CHANGE(checkpoint_type)
{
    b->vm.checkpoint_type = num(3);
    b->facts.request = NULL;
}
CHANGE(stop_saves)
{
    b->vm.stop_action = num(3);
    b->facts.request = NULL;
}
CHANGE(other_gpu)
{
    b->facts.has_other_gpu = true;
}
CHANGE(nested)
{
    b->vm.nested = TRI_YES;
}
CHANGE(devices)
{
    b->vm.device_count = 1;
}
CHANGE(partitions)
{
    b->vm.adapter_count = 1;
}
CHANGE(guest_16299)
{
    b->vm.guest_build = num(16299);
}
CHANGE(guest_17763)
{
    b->vm.guest_build = num(17763);
}
CHANGE(guest_9600)
{
    b->vm.guest_build = num(9600);
}
CHANGE(guest_7601)
{
    b->vm.guest_build = num(7601);
}
CHANGE(ubuntu)
{
    b->vm.guest_os = (char *)"Ubuntu 24.04";
}
CHANGE(low_too_large)
{
    b->request.low_mmio_bytes = num(4096 * MIB);
}
CHANGE(high_odd)
{
    b->request.high_mmio_bytes = num(32768 * MIB + 1);
}
CHANGE(high_small)
{
    b->request.high_mmio_bytes = num(512 * MIB);
}
CHANGE(windows_small_now)
{
    b->vm.high_mmio_bytes = num(512 * MIB);
    b->facts.request = NULL;
}
/* The VM is a role of a cluster, in good order. */
CHANGE(role)
{
    b->role = (struct hv_role){ .vm_id = b->vm.id,
                                .resource = (char *)"Virtual Machine vm",
                                .group = (char *)"vm",
                                .owner_node = (char *)"host",
                                .state = num(2),
                                .offline_action = num(OFFLINE_FORCE) };
    b->facts.role = &b->role;
}
CHANGE(role_saves)
{
    role(b);
    b->role.offline_action = num(OFFLINE_SAVE);
}
CHANGE(role_moves)
{
    role(b);
    b->role.state = num(130);
}
CHANGE(role_pinned)
{
    role(b);
    b->facts.is_pinned = true;
}
CHANGE(role_on_standard)
{
    role(b);
    b->host.edition = (char *)"ServerStandard";
}
CHANGE(role_unknown)
{
    b->host.platform.clustered = TRI_UNKNOWN;
}
CHANGE(no_disk)
{
    b->disk.path = NULL;
}
CHANGE(no_windows)
{
    b->disk.windows_found = false;
}
CHANGE(encrypted)
{
    b->disk.windows_found = false;
    b->disk.encrypted = true;
}
CHANGE(hibernated)
{
    b->disk.hibernated = true;
}

const struct rule_case vm_cases[] = {
    { GPU_MODE_PV, runs, "vm-power", SEVERITY_ERROR },
    { GPU_MODE_DDA, paused, "vm-power", SEVERITY_ERROR },
    { GPU_MODE_DDA, runs_asked, "vm-runs", SEVERITY_INFO },
    { GPU_MODE_DDA, saved, "vm-saved", SEVERITY_ERROR },
    { GPU_MODE_PV, runs_unchanged, "vm-running", SEVERITY_INFO },
    { GPU_MODE_PV, generation_1, "vm-generation", SEVERITY_WARNING },
    { GPU_MODE_DDA, generation_1, "vm-generation", SEVERITY_INFO },
    { GPU_MODE_PV, version_9, "vm-version", SEVERITY_WARNING },
    { GPU_MODE_PV, dynamic, "vm-memory", SEVERITY_ERROR },
    { GPU_MODE_P, dynamic, "vm-memory", SEVERITY_ERROR },
    { GPU_MODE_DDA, dynamic, "vm-memory", SEVERITY_WARNING },
    { GPU_MODE_DDA, dynamic_unknown, "vm-memory", SEVERITY_WARNING },
    { GPU_MODE_PV, dynamic_unknown, "vm-memory", SEVERITY_WARNING },
    { GPU_MODE_PV, checkpoints, "vm-checkpoints", SEVERITY_WARNING },
    { GPU_MODE_DDA, checkpoints, "vm-checkpoints", SEVERITY_ERROR },
    { GPU_MODE_DDA, checkpoints_asked, "vm-checkpoints", SEVERITY_WARNING },
    { GPU_MODE_DDA, checkpoint_type, "vm-checkpoint-type", SEVERITY_INFO },
    { GPU_MODE_DDA, stop_saves, "vm-stop-action", SEVERITY_INFO },
    { GPU_MODE_PV, other_gpu, "vm-other-gpu", SEVERITY_INFO },
    { GPU_MODE_P, other_gpu, "vm-other-gpu", SEVERITY_ERROR },
    { GPU_MODE_PV, devices, "vm-assigned-devices", SEVERITY_WARNING },
    { GPU_MODE_DDA, devices, "vm-assigned-devices", SEVERITY_INFO },
    { GPU_MODE_DDA, partitions, "vm-other-gpu", SEVERITY_WARNING },
    { GPU_MODE_DDA, NULL, "vm-afterwards", SEVERITY_INFO },
    { GPU_MODE_DDA, nested, "vm-nested", SEVERITY_WARNING },
    { GPU_MODE_PV, guest_16299, "vm-guest-build", SEVERITY_ERROR },
    { GPU_MODE_PV, guest_17763, "vm-guest-build", SEVERITY_WARNING },
    { GPU_MODE_DDA, guest_9600, "vm-guest-build", SEVERITY_INFO },
    { GPU_MODE_DDA, guest_7601, "vm-guest-build", SEVERITY_WARNING },
    { GPU_MODE_PV, ubuntu, "vm-guest-os", SEVERITY_ERROR },
    { GPU_MODE_PV, low_too_large, "vm-mmio", SEVERITY_ERROR },
    { GPU_MODE_PV, high_odd, "vm-mmio", SEVERITY_ERROR },
    { GPU_MODE_DDA, high_small, "vm-mmio-small", SEVERITY_WARNING },
    { GPU_MODE_DDA, windows_small_now, "vm-mmio-now", SEVERITY_INFO },
    { GPU_MODE_PV, role, "vm-cluster-paravirtual", SEVERITY_ERROR },
    { GPU_MODE_P, role_saves, "vm-offline-action", SEVERITY_INFO },
    { GPU_MODE_P, role_moves, "vm-role-busy", SEVERITY_ERROR },
    { GPU_MODE_P, role_pinned, "vm-pinned", SEVERITY_INFO },
    { GPU_MODE_P, role_on_standard, "vm-cluster-edition", SEVERITY_WARNING },
    { GPU_MODE_P, role_unknown, "vm-cluster-unknown", SEVERITY_WARNING },
    { GPU_MODE_PV, no_disk, "disk-missing", SEVERITY_ERROR },
    { GPU_MODE_PV, no_windows, "disk-windows", SEVERITY_ERROR },
    { GPU_MODE_PV, encrypted, "disk-encrypted", SEVERITY_ERROR },
    { GPU_MODE_PV, hibernated, "disk-hibernated", SEVERITY_ERROR },
    { 0 },
};

/* A survey joins findings that saw the same: these two differ in what is to be done. */
TEST(dynamic_memory_forbids_a_partition_and_only_changes_for_a_whole_card)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    const struct finding *finding;
    struct bench b;

    set_up(&b, GPU_MODE_PV);
    dynamic(&b);
    judge(&b, &findings);
    finding = findings_find(&findings, "vm-memory");
    CHECK(finding && finding->evidence_count == 1 && strstr(finding->fix, "Set-VMMemory"));

    findings_clear(&findings);
    set_up(&b, GPU_MODE_DDA);
    dynamic(&b);
    judge(&b, &findings);
    finding = findings_find(&findings, "vm-memory");
    CHECK(finding && finding->evidence_count == 2);
    CHECK(finding && strstr(finding->cause, "'hvgpu dda assign' switches it off"));
}

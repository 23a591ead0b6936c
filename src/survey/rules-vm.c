/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is judged about a VM, and about its disk. */

#include <stdio.h>

#include "builds.h"
#include "sources.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

/* Msvm_VirtualSystemSettingData: AutomaticShutdownAction, UserSnapshotType. */
enum { STOP_TURN_OFF = 2, STOP_SAVE = 3, CHECKPOINT_DISABLED = 2 };

static enum severity judge_power(const struct survey_facts *f, struct strbuf *seen)
{
    const struct survey_request *r = f->request;

    if (!f->vm || !r || !r->changes_vm || f->vm->state == VM_OFF ||
        f->vm->state == VM_SAVED ||
        (f->vm->state == VM_RUNNING && (r->stop || r->force_stop)))
        return SEVERITY_OK;
    strbuf_printf(seen, _("it is %s"), vm_state_name(f->vm->state));
    return SEVERITY_ERROR;
}

/* Without a request nothing is about to change; that it would have to be off is worth
 * knowing. */
static enum severity judge_runs(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || f->request || f->vm->state == VM_OFF || f->vm->state == VM_SAVED ||
        f->vm->state == VM_UNKNOWN)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it is %s"), vm_state_name(f->vm->state));
    return SEVERITY_INFO;
}

static enum severity judge_saved(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || f->vm->state != VM_SAVED)
        return SEVERITY_OK;
    strbuf_puts(seen, _("it has a saved state"));
    return SEVERITY_ERROR;
}

static enum severity judge_unread_disk(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || !f->request || f->vm->state != VM_RUNNING || f->request->changes_vm ||
        f->request->no_drivers)
        return SEVERITY_OK;
    strbuf_puts(seen, _("it runs"));
    return SEVERITY_INFO;
}

static enum severity judge_generation(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || !f->vm->generation.known || f->vm->generation.value != 1)
        return SEVERITY_OK;
    strbuf_puts(seen, _("it is of generation 1"));
    return f->use == GPU_MODE_DDA ? SEVERITY_INFO : SEVERITY_WARNING;
}

static enum severity judge_version(const struct survey_facts *f, struct strbuf *seen)
{
    unsigned major = 0, minor = 0;

    if (!f->vm || !f->vm->version ||
        sscanf(f->vm->version, "%3u.%3u", &major, &minor) != 2 || major > 9 ||
        (major == 9 && minor > 0))
        return SEVERITY_OK;
    strbuf_printf(seen, _("its configuration version is %.20s"), f->vm->version);
    return SEVERITY_WARNING;
}

static enum severity judge_memory(const struct survey_facts *f, struct strbuf *seen)
{
    const struct hv_vm *vm = f->vm;

    if (!vm || vm->dynamic_memory != TRI_YES ||
        (vm->memory_startup_bytes.known && vm->memory_minimum_bytes.known &&
         vm->memory_startup_bytes.value == vm->memory_minimum_bytes.value))
        return SEVERITY_OK;
    if (!vm->memory_startup_bytes.known || !vm->memory_minimum_bytes.known) {
        strbuf_puts(seen, _("dynamic memory; its startup and minimum are not known"));
        return SEVERITY_WARNING;
    }
    strbuf_printf(seen, _("dynamic memory with %llu MB at startup and %llu MB at least"),
                  (unsigned long long)(vm->memory_startup_bytes.value / MIB),
                  (unsigned long long)(vm->memory_minimum_bytes.value / MIB));
    return SEVERITY_ERROR;
}

/* 'dda assign' switches it off, so it stands in nobody's way. */
static enum severity judge_memory_dda(const struct survey_facts *f, struct strbuf *seen)
{
    if (judge_memory(f, seen) == SEVERITY_OK)
        return SEVERITY_OK;
    if (f->vm->memory_startup_bytes.known)
        strbuf_printf(seen, _("\nswitched off, it has %llu MB all the time"),
                      (unsigned long long)(f->vm->memory_startup_bytes.value / MIB));
    return SEVERITY_WARNING;
}

static enum severity judge_checkpoints(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || !f->vm->checkpoint_count.known || f->vm->checkpoint_count.value == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it has %llu checkpoints"),
                  (unsigned long long)f->vm->checkpoint_count.value);
    /* With a whole device there can be none; a survey only says so. */
    return f->use == GPU_MODE_DDA && f->request ? SEVERITY_ERROR : SEVERITY_WARNING;
}

static enum severity judge_other_gpu(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->has_other_gpu || (f->request && f->request->replace))
        return SEVERITY_OK;
    strbuf_puts(seen, _("it has a partition of another GPU, or one that is not pinned"));
    /* One partition per VM on Server 2025; clients take several. */
    return f->host && f->host->is_server && f->host->build.known &&
                   f->host->build.value >= BUILD_SERVER_2025
               ? SEVERITY_ERROR
               : SEVERITY_INFO;
}

static enum severity judge_assigned(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || f->vm->device_count == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("%zu devices are assigned to it whole"), f->vm->device_count);
    return f->use == GPU_MODE_DDA ? SEVERITY_INFO : SEVERITY_WARNING;
}

static enum severity judge_partitions(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || f->vm->adapter_count == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it has %zu GPU partitions"), f->vm->adapter_count);
    return SEVERITY_WARNING;
}

static enum severity judge_nested(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || f->vm->nested != TRI_YES)
        return SEVERITY_OK;
    strbuf_puts(seen, _("it exposes the processor's virtualization to its guest"));
    return SEVERITY_WARNING;
}

/* ---- its guest ---- */

static enum severity judge_guest_build(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || !f->vm->guest_build.known || f->vm->guest_build.value >= BUILD_MODEL_NAME)
        return SEVERITY_OK;
    strbuf_printf(seen, _("its guest is build %llu"),
                  (unsigned long long)f->vm->guest_build.value);
    return f->vm->guest_build.value >= BUILD_GPU_PV ? SEVERITY_WARNING : SEVERITY_ERROR;
}

static enum severity judge_guest_dda(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || !f->vm->guest_build.known ||
        f->vm->guest_build.value > BUILD_SERVER_2012_R2)
        return SEVERITY_OK;
    strbuf_printf(seen, _("its guest is build %llu"),
                  (unsigned long long)f->vm->guest_build.value);
    return f->vm->guest_build.value == BUILD_SERVER_2012_R2 ? SEVERITY_INFO
                                                            : SEVERITY_WARNING;
}

static enum severity judge_guest_os(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm || !f->vm->guest_os || !*f->vm->guest_os ||
        (f->request && f->request->no_drivers) || text_istr(f->vm->guest_os, "Windows"))
        return SEVERITY_OK;
    strbuf_printf(seen, _("its guest is %.60s"), f->vm->guest_os);
    return f->request ? SEVERITY_ERROR : SEVERITY_WARNING;
}

/* ---- its settings ---- */

static enum severity judge_stop_action(const struct survey_facts *f, struct strbuf *seen)
{
    const char *name;

    if (!f->vm || f->request || !f->vm->stop_action.known ||
        f->vm->stop_action.value != STOP_SAVE)
        return SEVERITY_OK;
    name = stop_action_name(f->vm->stop_action.value);
    strbuf_printf(seen, _("its automatic stop action is '%s'"), name ? name : "?");
    return SEVERITY_INFO;
}

static enum severity judge_checkpoint_type(const struct survey_facts *f,
                                           struct strbuf *seen)
{
    const char *name;

    if (!f->vm || f->request || !f->vm->checkpoint_type.known ||
        f->vm->checkpoint_type.value == CHECKPOINT_DISABLED)
        return SEVERITY_OK;
    name = checkpoint_type_name(f->vm->checkpoint_type.value);
    strbuf_printf(seen, _("its checkpoints are '%s'"), name ? name : "?");
    return SEVERITY_INFO;
}

static enum severity judge_afterwards(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->vm)
        return SEVERITY_OK;
    strbuf_puts(seen, _("a VM that has a device whole"));
    return SEVERITY_INFO;
}

/* What the VM will have: what the user says, else what was computed. */
static uint64_t low_of(const struct survey_facts *f)
{
    return f->request && f->request->low_mmio_bytes.known ? f->request->low_mmio_bytes.value
           : f->gaps                                      ? f->gaps->low_bytes
                                                          : MMIO_LOW_MIN;
}

static uint64_t high_of(const struct survey_facts *f)
{
    return f->request && f->request->high_mmio_bytes.known
               ? f->request->high_mmio_bytes.value
           : f->gaps ? f->gaps->high_bytes
                     : 0;
}

static enum severity judge_mmio(const struct survey_facts *f, struct strbuf *seen)
{
    uint64_t low = low_of(f), high = high_of(f);

    if (!f->vm || (low >= MMIO_LOW_MIN && low <= MMIO_LOW_MAX && high <= MMIO_HIGH_MAX &&
                   low % MIB == 0 && high % MIB == 0))
        return SEVERITY_OK;
    strbuf_printf(seen, _("%llu bytes below 4 GB, %llu bytes above"),
                  (unsigned long long)low, (unsigned long long)high);
    return SEVERITY_ERROR;
}

static enum severity judge_mmio_small(const struct survey_facts *f, struct strbuf *seen)
{
    const struct survey_request *r = f->request;
    bool low, high;

    if (!f->gaps || !r)
        return SEVERITY_OK;
    low = r->low_mmio_bytes.known && r->low_mmio_bytes.value < f->gaps->low_bytes;
    high = r->high_mmio_bytes.known && r->high_mmio_bytes.value < f->gaps->high_bytes;
    if (low)
        strbuf_printf(seen, _("--low-mmio says %llu MB; computed: %llu MB"),
                      (unsigned long long)(r->low_mmio_bytes.value / MIB),
                      (unsigned long long)(f->gaps->low_bytes / MIB));
    if (high)
        strbuf_printf(seen, _("%s--high-mmio says %llu MB; computed: %llu MB"),
                      low ? "\n" : "", (unsigned long long)(r->high_mmio_bytes.value / MIB),
                      (unsigned long long)(f->gaps->high_bytes / MIB));
    return low || high ? SEVERITY_WARNING : SEVERITY_OK;
}

/* What the VM has now against what it needs; 'attach' and 'dda assign' set it. */
static enum severity judge_mmio_now(const struct survey_facts *f, struct strbuf *seen)
{
    bool low, high;

    if (!f->vm || !f->gaps || f->request)
        return SEVERITY_OK;
    low = f->vm->low_mmio_bytes.known && f->vm->low_mmio_bytes.value < f->gaps->low_bytes;
    high =
        f->vm->high_mmio_bytes.known && f->vm->high_mmio_bytes.value < f->gaps->high_bytes;
    if (!low && !high)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it has %llu MB and %llu MB; needed: %llu MB and %llu MB"),
                  (unsigned long long)(f->vm->low_mmio_bytes.value / MIB),
                  (unsigned long long)(f->vm->high_mmio_bytes.value / MIB),
                  (unsigned long long)(f->gaps->low_bytes / MIB),
                  (unsigned long long)(f->gaps->high_bytes / MIB));
    return SEVERITY_INFO;
}

#define SHARING (GPU_MODE_PV | GPU_MODE_P)
#define ANY_USE (SHARING | GPU_MODE_DDA)

const struct rule survey_vm_rules[] = {
    { "vm-afterwards", ABOUT_VM, GPU_MODE_DDA, judge_afterwards,
      N_("it cannot be saved, paused to disk or live-migrated, has no checkpoints and no "
         "dynamic memory"),
      N_("plan for it: copy its disk instead, and shut it down before maintenance"),
      SRC_DDA, SAYS_BY_SEVERITY },
    { "vm-assigned-devices", ABOUT_VM, SHARING, judge_assigned,
      N_("a VM with assigned devices and a GPU partition is an untested combination"),
      N_("return the devices first if the VM does not start: 'hvgpu dda return'"),
      SRC_PARTITION, SAYS_BY_SEVERITY },
    { "vm-assigned-devices", ABOUT_VM, GPU_MODE_DDA, judge_assigned,
      N_("its MMIO windows must hold these devices too"), NULL, SRC_PLAN_DDA,
      SAYS_BY_SEVERITY },
    { "vm-checkpoint-type", ABOUT_VM, ANY_USE, judge_checkpoint_type,
      N_("a VM with a GPU cannot be checkpointed while it runs; this setting will be "
         "switched to 'disabled', and back when the GPU is taken away"),
      NULL, SRC_PARTITION, SAYS_BY_SEVERITY },
    { "vm-checkpoints", ABOUT_VM, SHARING, judge_checkpoints,
      N_("applying an older checkpoint takes the drivers away again"),
      N_("delete checkpoints that are not needed; after applying one, run attach again"),
      SRC_PARTITION, SAYS_BY_SEVERITY },
    { "vm-checkpoints", ABOUT_VM, GPU_MODE_DDA, judge_checkpoints,
      N_("a VM with an assigned device cannot have checkpoints"),
      N_("delete its checkpoints first"), SRC_DDA, SAYS_BY_SEVERITY },
    { "vm-generation", ABOUT_VM, SHARING, judge_generation,
      N_("GPU partitions are documented for VMs of generation 2"),
      N_("make a VM of generation 2 if it does not work"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "vm-generation", ABOUT_VM, GPU_MODE_DDA, judge_generation,
      N_("Microsoft documents both generations; some guides say generation 2 only"),
      N_("try generation 2 if it does not work"), SRC_PLAN_DDA, SAYS_BY_SEVERITY },
    { "vm-guest-build", ABOUT_VM, GPU_MODE_PV, judge_guest_build,
      N_("the guest's Windows is too old for GPU-PV (below 17134), or shows no model name "
         "(below 19041)"),
      N_("update Windows in the guest"), SRC_OS, SAYS_BY_SEVERITY },
    { "vm-guest-build", ABOUT_VM, GPU_MODE_DDA, judge_guest_dda,
      N_("assigned devices need Windows 10, Windows Server 2016, Linux, or Windows Server "
         "2012 R2 with KB3133690"),
      N_("update Windows in the guest"), SRC_PLAN_DDA, SAYS_BY_SEVERITY },
    { "vm-guest-os", ABOUT_VM, SHARING, judge_guest_os,
      N_("drivers can be put only into a Windows guest"),
      N_("use --no-drivers for guests that are not Windows"), SRC_OS, SAYS_BY_SEVERITY },
    { "vm-memory", ABOUT_VM, SHARING, judge_memory,
      N_("a VM with a GPU does not start with dynamic memory unless startup and minimum are "
         "equal"),
      N_("make them equal, or switch dynamic memory off: Set-VMMemory -DynamicMemoryEnabled "
         "$false"),
      "Justsenger/HyperV-WMI-Documentation recipe mem_dynamic (measured)",
      SAYS_BY_SEVERITY },
    { "vm-memory", ABOUT_VM, GPU_MODE_DDA, judge_memory_dda,
      N_("a VM with an assigned device cannot use dynamic memory: 'hvgpu dda assign' switches "
         "it off and the VM keeps its startup memory all the time; it is switched back on when "
         "the device is taken away"),
      N_("see that the startup memory is enough for the guest, and that the host can spare "
         "it"),
      SRC_DDA, SAYS_BY_SEVERITY },
    { "vm-mmio", ABOUT_VM, ANY_USE, judge_mmio,
      N_("the low window is 128 to 3584 MB, the high one at most 262656 MB, both whole MB"),
      N_("choose sizes within these limits, or leave --low-mmio and --high-mmio out"),
      "MicrosoftDocs/windows-powershell-docs Set-VM; Justsenger/ExHyperV (measured)",
      SAYS_BY_SEVERITY },
    { "vm-mmio-now", ABOUT_VM, ANY_USE, judge_mmio_now,
      N_("its MMIO windows are smaller than needed now; they will be set, and set back when "
         "the GPU is taken away"),
      NULL, SRC_PLAN_DDA, SAYS_BY_SEVERITY },
    { "vm-mmio-small", ABOUT_VM, ANY_USE, judge_mmio_small,
      N_("with too small an MMIO window the guest shows problem code 12 or 43"),
      N_("leave --low-mmio and --high-mmio out to have them computed"), SRC_PLAN_DDA,
      SAYS_BY_SEVERITY },
    { "vm-nested", ABOUT_VM, GPU_MODE_DDA, judge_nested,
      N_("with an assigned device such guests were seen to crash or restart for ever"),
      N_("switch it off: Set-VMProcessor -ExposeVirtualizationExtensions $false"),
      "MicrosoftDocs/Virtualization-Documentation issue 720 (reported)", SAYS_BY_SEVERITY },
    { "vm-other-gpu", ABOUT_VM, SHARING, judge_other_gpu,
      N_("one partition per VM on Windows Server 2025; elsewhere this one comes in "
         "addition"),
      N_("use --replace to have this GPU instead of the other"), SRC_ASSIGN_VM,
      SAYS_BY_SEVERITY },
    { "vm-other-gpu", ABOUT_VM, GPU_MODE_DDA, judge_partitions,
      N_("a VM with assigned devices and a GPU partition is an untested combination"),
      N_("detach the partitions first if the VM does not start: 'hvgpu detach'"),
      SRC_PARTITION, SAYS_BY_SEVERITY },
    { "vm-power", ABOUT_VM, ANY_USE, judge_power,
      N_("settings, adapters and disks can be changed only while the VM is off"),
      N_("use --stop to shut it down first"), SRC_PARTITION, SAYS_BY_SEVERITY },
    { "vm-runs", ABOUT_VM, ANY_USE, judge_runs,
      N_("settings, adapters and devices can be changed only while the VM is off"),
      N_("shut it down first, or use --stop then"), SRC_PARTITION, SAYS_BY_SEVERITY },
    { "vm-running", ABOUT_VM, SHARING, judge_unread_disk,
      N_("the disk of a VM that runs cannot be read, so its drivers were not compared"),
      N_("run the command again when the VM is off, or 'hvgpu driver sync'"), SRC_OS,
      SAYS_BY_SEVERITY },
    { "vm-saved", ABOUT_VM, ANY_USE, judge_saved,
      N_("a saved state remembers the old devices and is not supported with a GPU"),
      N_("start the VM and shut it down, or discard its saved state"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "vm-stop-action", ABOUT_VM, ANY_USE, judge_stop_action,
      N_("a VM with a GPU cannot be saved; this setting will be changed, and set back when "
         "the GPU is taken away"),
      NULL, SRC_DDA, SAYS_BY_SEVERITY },
    { "vm-version", ABOUT_VM, GPU_MODE_PV, judge_version,
      N_("GPU-PV is reported to need a configuration version above 9.0"),
      N_("run Update-VMVersion on a host that offers a newer one"),
      "Justsenger/ExHyperV README (reported, not in Microsoft's text)", SAYS_BY_SEVERITY },
    { NULL },
};

/* ---- disk ---- */

static enum severity judge_disk(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->disk || f->disk->path || !f->request || f->request->no_drivers)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the VM has no virtual hard disk"));
    return SEVERITY_ERROR;
}

static bool was_seen(const struct survey_facts *f)
{
    return f->disk && f->disk->seen;
}

static enum severity judge_windows(const struct survey_facts *f, struct strbuf *seen)
{
    if (!was_seen(f) || f->disk->windows_found || f->disk->encrypted)
        return SEVERITY_OK;
    strbuf_puts(seen, _("no volume with a Windows folder on it"));
    return SEVERITY_ERROR;
}

static enum severity judge_encrypted(const struct survey_facts *f, struct strbuf *seen)
{
    if (!was_seen(f) || f->disk->windows_found || !f->disk->encrypted)
        return SEVERITY_OK;
    strbuf_puts(seen, _("a volume whose file system Windows cannot name"));
    return SEVERITY_ERROR;
}

static enum severity judge_hibernated(const struct survey_facts *f, struct strbuf *seen)
{
    if (!was_seen(f) || !f->disk->hibernated)
        return SEVERITY_OK;
    strbuf_puts(seen, _("hiberfil.sys is on the Windows volume"));
    return SEVERITY_ERROR;
}

const struct rule survey_disk_rules[] = {
    { "disk-encrypted", ABOUT_DISK, SHARING, judge_encrypted,
      N_("the disk is encrypted with BitLocker, or holds no NTFS"),
      N_("suspend BitLocker inside the guest and shut it down, or use --no-drivers"),
      "MicrosoftDocs/windows-itpro-docs BitLocker; MSFT_Volume.FileSystem",
      SAYS_BY_SEVERITY },
    { "disk-hibernated", ABOUT_DISK, SHARING, judge_hibernated,
      N_("the guest may be hibernated or in fast start; writing to its disk would damage it"),
      N_("start the guest, run 'powercfg /h off' in it, and shut it down"),
      "MicrosoftDocs/windows-driver-docs kernel/distinguishing-fast-startup-from-wake-from-"
      "hibernation.md",
      SAYS_BY_SEVERITY },
    { "disk-missing", ABOUT_DISK, SHARING, judge_disk,
      N_("there is nowhere to put the drivers"), N_("add the disk, or use --no-drivers"),
      SRC_OS, SAYS_BY_SEVERITY },
    { "disk-windows", ABOUT_DISK, SHARING, judge_windows,
      N_("drivers can be put only into a Windows guest"),
      N_("use --no-drivers for guests that are not Windows"), SRC_OS, SAYS_BY_SEVERITY },
    { NULL },
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of attach, one block each, grouped by what they are about. */

#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mmio.h"
#include "text.h"

enum {
    BUILD_GPU_PV = 17134,     /* Windows 10 1803: GPU-PV begins */
    BUILD_MODEL_NAME = 19041, /* from here the guest shows the GPU's name */
    BUILD_SERVER_2022 = 20348,
    BUILD_WINDOWS_11 = 22000, /* from here one GPU out of several can be chosen */
    BUILD_SERVER_2025 = 26100,
};

#define SRC_OS "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"
#define SRC_PARTITION \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/gpu-partitioning.md"
#define SRC_CMDLET "MicrosoftDocs/windows-powershell-docs Add-VMGpuPartitionAdapter"

static bool uses_pv(const struct attach_facts *f)
{
    return f->gpu->interface_path && gpu_interface_is_paravirtual(f->gpu->interface_path);
}

/* ---- host ---- */

static enum severity judge_build(const struct attach_facts *f, char *evidence, size_t size)
{
    if (!f->host->build.known || f->host->build.value >= BUILD_GPU_PV)
        return SEVERITY_OK;
    snprintf(evidence, size, "the host is build %" PRIu64, f->host->build.value);
    return SEVERITY_ERROR;
}

static enum severity judge_edition(const struct attach_facts *f, char *evidence,
                                   size_t size)
{
    /* EditionID of the Home editions: "Core", "CoreN", "CoreSingleLanguage", ... */
    if (!f->host->edition || f->host->is_server || !text_istarts(f->host->edition, "Core"))
        return SEVERITY_OK;
    snprintf(evidence, size, "the host's edition is %.60s", f->host->edition);
    return SEVERITY_ERROR;
}

static enum severity judge_server(const struct attach_facts *f, char *evidence, size_t size)
{
    if (!f->host->is_server || !f->host->build.known)
        return SEVERITY_OK;
    if (f->host->build.value >= (uses_pv(f) ? BUILD_SERVER_2022 : BUILD_SERVER_2025))
        return SEVERITY_OK;
    snprintf(evidence, size, "the host is a Windows Server of build %" PRIu64,
             f->host->build.value);
    return SEVERITY_WARNING;
}

static enum severity judge_policy(const struct attach_facts *f, char *evidence, size_t size)
{
    bool secure = f->require_secure.known && f->require_secure.value == 0;
    bool supported = f->require_supported.known && f->require_supported.value == 0;

    if (!f->host->is_server || !uses_pv(f) || (secure && supported))
        return SEVERITY_OK;
    snprintf(evidence, size, "not 0 on this server: %s%s%s",
             secure ? "" : "RequireSecureDeviceAssignment",
             !secure && !supported ? ", " : "",
             supported ? "" : "RequireSupportedDeviceAssignment");
    return SEVERITY_WARNING;
}

static enum severity judge_pinning(const struct attach_facts *f, char *evidence,
                                   size_t size)
{
    if (f->host->is_server || !f->host->build.known ||
        f->host->build.value >= BUILD_WINDOWS_11 || f->host->build.value < BUILD_GPU_PV)
        return SEVERITY_OK;
    snprintf(evidence, size, "build %" PRIu64 ", %u partitionable GPUs",
             f->host->build.value, f->partitionable_gpus);
    return f->partitionable_gpus > 1 ? SEVERITY_ERROR : SEVERITY_INFO;
}

/* ---- GPU ---- */

static enum severity judge_partitionable(const struct attach_facts *f, char *evidence,
                                         size_t size)
{
    if (f->gpu->interface_path)
        return SEVERITY_OK;
    snprintf(evidence, size, "the host does not list it as Msvm_PartitionableGpu");
    return SEVERITY_ERROR;
}

static enum severity judge_place(const struct attach_facts *f, char *evidence, size_t size)
{
    if (f->gpu->place != GPU_DISMOUNTED && f->gpu->place != GPU_ASSIGNED)
        return SEVERITY_OK;
    snprintf(evidence, size, "the device is %s", gpu_place_name(f->gpu->place));
    return SEVERITY_ERROR;
}

static enum severity judge_driver(const struct attach_facts *f, char *evidence, size_t size)
{
    if (!f->gpu->problem_code.known || f->gpu->problem_code.value == 0)
        return SEVERITY_OK;
    snprintf(evidence, size, "problem code %" PRIu64, f->gpu->problem_code.value);
    return SEVERITY_ERROR;
}

static enum severity judge_partitions(const struct attach_facts *f, char *evidence,
                                      size_t size)
{
    if (uses_pv(f) || f->has_this_gpu || !f->gpu->partition_count.known ||
        f->partitions_taken < f->gpu->partition_count.value)
        return SEVERITY_OK;
    snprintf(evidence, size, "%u of %" PRIu64 " partitions are taken", f->partitions_taken,
             f->gpu->partition_count.value);
    return SEVERITY_ERROR;
}

static enum severity judge_share(const struct attach_facts *f, char *evidence, size_t size)
{
    if (!f->options->share_percent.known || !uses_pv(f))
        return SEVERITY_OK;
    snprintf(evidence, size, "--share %" PRIu64 " on a paravirtual GPU",
             f->options->share_percent.value);
    return SEVERITY_INFO;
}

/* ---- VM ---- */

static enum severity judge_power(const struct attach_facts *f, char *evidence, size_t size)
{
    if (f->vm->state == VM_OFF || !f->changes_vm || f->vm->state == VM_SAVED ||
        (f->vm->state == VM_RUNNING && (f->options->stop || f->options->force_stop)))
        return SEVERITY_OK;
    snprintf(evidence, size, "it is %s", vm_state_name(f->vm->state));
    return SEVERITY_ERROR;
}

static enum severity judge_saved(const struct attach_facts *f, char *evidence, size_t size)
{
    if (f->vm->state != VM_SAVED)
        return SEVERITY_OK;
    snprintf(evidence, size, "it has a saved state");
    return SEVERITY_ERROR;
}

static enum severity judge_unread_disk(const struct attach_facts *f, char *evidence,
                                       size_t size)
{
    if (f->vm->state != VM_RUNNING || f->changes_vm || f->options->no_drivers)
        return SEVERITY_OK;
    snprintf(evidence, size, "it runs");
    return SEVERITY_INFO;
}

static enum severity judge_generation(const struct attach_facts *f, char *evidence,
                                      size_t size)
{
    if (!f->vm->generation.known || f->vm->generation.value != 1)
        return SEVERITY_OK;
    snprintf(evidence, size, "it is of generation 1");
    return SEVERITY_WARNING;
}

static enum severity judge_version(const struct attach_facts *f, char *evidence,
                                   size_t size)
{
    unsigned major = 0, minor = 0;

    if (!f->vm->version || sscanf(f->vm->version, "%3u.%3u", &major, &minor) != 2 ||
        major > 9 || (major == 9 && minor > 0))
        return SEVERITY_OK;
    snprintf(evidence, size, "its configuration version is %.20s", f->vm->version);
    return SEVERITY_WARNING;
}

static enum severity judge_memory(const struct attach_facts *f, char *evidence, size_t size)
{
    const struct hv_vm *vm = f->vm;

    if (vm->dynamic_memory != TRI_YES ||
        (vm->memory_startup_bytes.known && vm->memory_minimum_bytes.known &&
         vm->memory_startup_bytes.value == vm->memory_minimum_bytes.value))
        return SEVERITY_OK;
    if (!vm->memory_startup_bytes.known || !vm->memory_minimum_bytes.known) {
        snprintf(evidence, size, "dynamic memory; its startup and minimum are not known");
        return SEVERITY_WARNING;
    }
    snprintf(evidence, size,
             "dynamic memory with %" PRIu64 " MB at startup and %" PRIu64 " MB at least",
             vm->memory_startup_bytes.value / MMIO_MB,
             vm->memory_minimum_bytes.value / MMIO_MB);
    return SEVERITY_ERROR;
}

static enum severity judge_checkpoints(const struct attach_facts *f, char *evidence,
                                       size_t size)
{
    if (!f->vm->checkpoint_count.known || f->vm->checkpoint_count.value == 0)
        return SEVERITY_OK;
    snprintf(evidence, size, "it has %" PRIu64 " checkpoints",
             f->vm->checkpoint_count.value);
    return SEVERITY_WARNING;
}

static enum severity judge_other_gpu(const struct attach_facts *f, char *evidence,
                                     size_t size)
{
    if (!f->has_other_gpu || f->options->replace)
        return SEVERITY_OK;
    snprintf(evidence, size,
             "it has a partition of another GPU, or one that is not pinned");
    /* One partition per VM on Server 2025; clients take several. */
    return f->host->is_server && f->host->build.known &&
                   f->host->build.value >= BUILD_SERVER_2025
               ? SEVERITY_ERROR
               : SEVERITY_INFO;
}

static enum severity judge_assigned(const struct attach_facts *f, char *evidence,
                                    size_t size)
{
    if (f->vm->device_count == 0)
        return SEVERITY_OK;
    snprintf(evidence, size, "%zu devices are assigned to it whole", f->vm->device_count);
    return SEVERITY_WARNING;
}

static enum severity judge_guest_build(const struct attach_facts *f, char *evidence,
                                       size_t size)
{
    if (!f->vm->guest_build.known || f->vm->guest_build.value >= BUILD_MODEL_NAME)
        return SEVERITY_OK;
    snprintf(evidence, size, "its guest is build %" PRIu64, f->vm->guest_build.value);
    return f->vm->guest_build.value >= BUILD_GPU_PV ? SEVERITY_WARNING : SEVERITY_ERROR;
}

static enum severity judge_guest_os(const struct attach_facts *f, char *evidence,
                                    size_t size)
{
    if (!f->vm->guest_os || !*f->vm->guest_os || f->options->no_drivers ||
        text_istr(f->vm->guest_os, "Windows"))
        return SEVERITY_OK;
    snprintf(evidence, size, "its guest is %.60s", f->vm->guest_os);
    return SEVERITY_ERROR;
}

static enum severity judge_mmio(const struct attach_facts *f, char *evidence, size_t size)
{
    if (f->low_mmio_bytes >= MMIO_LOW_MIN && f->low_mmio_bytes <= MMIO_LOW_MAX &&
        f->high_mmio_bytes <= MMIO_HIGH_MAX && f->low_mmio_bytes % MMIO_MB == 0 &&
        f->high_mmio_bytes % MMIO_MB == 0)
        return SEVERITY_OK;
    snprintf(evidence, size, "%" PRIu64 " bytes below 4 GB, %" PRIu64 " bytes above",
             f->low_mmio_bytes, f->high_mmio_bytes);
    return SEVERITY_ERROR;
}

/* ---- disk ---- */

static enum severity judge_disk(const struct attach_facts *f, char *evidence, size_t size)
{
    if (f->disk || f->options->no_drivers)
        return SEVERITY_OK;
    snprintf(evidence, size, "the VM has no virtual hard disk");
    return SEVERITY_ERROR;
}

static enum severity judge_windows(const struct attach_facts *f, char *evidence,
                                   size_t size)
{
    if (f->image.windows_found || f->image.encrypted)
        return SEVERITY_OK;
    snprintf(evidence, size, "no volume with a Windows folder on it");
    return SEVERITY_ERROR;
}

static enum severity judge_encrypted(const struct attach_facts *f, char *evidence,
                                     size_t size)
{
    if (f->image.windows_found || !f->image.encrypted)
        return SEVERITY_OK;
    snprintf(evidence, size, "a volume whose file system Windows cannot name");
    return SEVERITY_ERROR;
}

static enum severity judge_hibernated(const struct attach_facts *f, char *evidence,
                                      size_t size)
{
    if (!f->image.hibernated)
        return SEVERITY_OK;
    snprintf(evidence, size, "hiberfil.sys is on the Windows volume");
    return SEVERITY_ERROR;
}

/* ---- the table ---- */

const struct check attach_checks[] = {
    { "disk-encrypted", "disk", true, judge_encrypted,
      "the disk is encrypted with BitLocker, or holds no NTFS",
      "suspend BitLocker inside the guest and shut it down, or use --no-drivers",
      "MicrosoftDocs/windows-itpro-docs BitLocker; MSFT_Volume.FileSystem" },
    { "disk-hibernated", "disk", true, judge_hibernated,
      "the guest may be hibernated or in fast start; writing to its disk would damage it",
      "start the guest, run 'powercfg /h off' in it, and shut it down",
      "MicrosoftDocs/windows-driver-docs kernel/distinguishing-fast-startup-from-wake-from-"
      "hibernation.md" },
    { "disk-missing", "disk", false, judge_disk, "there is nowhere to put the drivers",
      "add the disk, or use --no-drivers", SRC_OS },
    { "disk-windows", "disk", true, judge_windows,
      "drivers can be put only into a Windows guest",
      "use --no-drivers for guests that are not Windows", SRC_OS },
    { "gpu-driver", "gpu", false, judge_driver,
      "the GPU does not work on the host, so it cannot work in a VM",
      "repair the GPU on the host first (Device Manager shows the problem)",
      "MicrosoftDocs/windows-driver-docs install/device-manager-problem-codes.md" },
    { "gpu-partitionable", "gpu", false, judge_partitionable,
      "Hyper-V cannot share this GPU: its driver does not offer it",
      "install the vendor's current driver on the host; 'hvgpu gpu list' shows the rest",
      SRC_OS },
    { "gpu-partitions", "gpu", false, judge_partitions,
      "every partition of this GPU is in use",
      "stop another VM, or raise the number with 'hvgpu partition set'", SRC_PARTITION },
    { "gpu-place", "gpu", false, judge_place,
      "a device that was taken from the host (DDA) cannot be shared",
      "give it back to the host first: 'hvgpu dda return'", SRC_PARTITION },
    { "gpu-share", "gpu", false, judge_share,
      "Hyper-V does not enforce quotas on GPU-PV: the guest sees the whole GPU",
      "leave --share out; nothing is set",
      "Justsenger/HyperV-WMI-Documentation recipe gpu_vram_fraction (measured)" },
    { "host-build", "host", false, judge_build,
      "GPU sharing needs Windows 10 1803 (build 17134) or newer", "update the host",
      SRC_OS },
    { "host-edition", "host", false, judge_edition, "Home editions have no Hyper-V",
      "upgrade the host to Pro, Enterprise or Education",
      "MicrosoftDocs/Virtualization-Documentation Hyper-V requirements" },
    { "host-pinning", "host", false, judge_pinning,
      "Windows 10 takes any GPU; which one cannot be said",
      "with several GPUs: use Windows 11, or disable the others on the host", SRC_CMDLET },
    { "host-policy", "host", false, judge_policy,
      "a server may refuse to start a VM whose GPU driver does not declare isolation",
      "set both values to 0 under HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV",
      "MicrosoftDocs/SupportArticles Hyper-V GPU partition troubleshooting" },
    { "host-server", "host", false, judge_server,
      "Microsoft does not document this technique for this version of Windows Server",
      "expect no support; Windows Server 2025 is the documented one", SRC_PARTITION },
    { "vm-assigned-devices", "vm", false, judge_assigned,
      "a VM with assigned devices and a GPU partition is an untested combination",
      "return the devices first if the VM does not start: 'hvgpu dda return'",
      SRC_PARTITION },
    { "vm-checkpoints", "vm", false, judge_checkpoints,
      "applying an older checkpoint takes the drivers away again",
      "delete checkpoints that are not needed; after applying one, run attach again",
      SRC_PARTITION },
    { "vm-generation", "vm", false, judge_generation,
      "GPU partitions are documented for VMs of generation 2",
      "make a VM of generation 2 if it does not work", SRC_PARTITION },
    { "vm-guest-build", "vm", false, judge_guest_build,
      "the guest's Windows is too old for GPU-PV (below 17134), or shows no model name "
      "(below 19041)",
      "update Windows in the guest", SRC_OS },
    { "vm-guest-os", "vm", false, judge_guest_os,
      "drivers can be put only into a Windows guest",
      "use --no-drivers for guests that are not Windows", SRC_OS },
    { "vm-memory", "vm", false, judge_memory,
      "a VM with a GPU partition does not start with dynamic memory unless startup and "
      "minimum are equal",
      "make them equal, or switch dynamic memory off: Set-VMMemory -DynamicMemoryEnabled "
      "$false",
      "Justsenger/HyperV-WMI-Documentation recipe mem_dynamic (measured)" },
    { "vm-mmio", "vm", false, judge_mmio,
      "the low window is 128 to 3584 MB, the high one at most 262656 MB, both whole MB",
      "choose sizes within these limits, or leave --low-mmio and --high-mmio out",
      "MicrosoftDocs/windows-powershell-docs Set-VM; Justsenger/ExHyperV (measured)" },
    { "vm-other-gpu", "vm", false, judge_other_gpu,
      "one partition per VM on Windows Server 2025; elsewhere this one comes in addition",
      "use --replace to have this GPU instead of the other",
      "MicrosoftDocs/windowsserverdocs partition-assign-vm-gpu.md" },
    { "vm-power", "vm", false, judge_power,
      "settings, adapters and disks can be changed only while the VM is off",
      "use --stop to shut it down first", SRC_PARTITION },
    { "vm-running", "vm", false, judge_unread_disk,
      "the disk of a VM that runs cannot be read, so its drivers were not compared",
      "run the command again when the VM is off, or 'hvgpu driver sync'", SRC_OS },
    { "vm-saved", "vm", false, judge_saved,
      "a saved state remembers the old devices and is not supported with a GPU partition",
      "start the VM and shut it down, or discard its saved state", SRC_PARTITION },
    { "vm-version", "vm", false, judge_version,
      "GPU-PV is reported to need a configuration version above 9.0",
      "Update-VMVersion on a host that offers a newer one",
      "Justsenger/ExHyperV README (reported, not in Microsoft's text)" },
    { NULL },
};

static const char *const severity_names[] = {
    [SEVERITY_OK] = "ok",
    [SEVERITY_INFO] = "info",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_ERROR] = "error",
};

static const char *subject_of(const struct attach_facts *f, const char *about)
{
    if (strcmp(about, "host") == 0)
        return f->host->name;
    if (strcmp(about, "gpu") == 0)
        return f->gpu->name;
    if (strcmp(about, "vm") == 0)
        return f->vm->name;
    return f->disk ? f->disk : f->vm->name;
}

bool run_attach_checks(struct plan *plan, const struct attach_facts *facts, bool disk,
                       struct err *err)
{
    for (const struct check *check = attach_checks; check->id; check++) {
        char evidence[256] = "";
        enum severity severity;

        if (check->needs_disk != disk)
            continue;
        severity = check->judge(facts, evidence, sizeof(evidence));
        if (severity != SEVERITY_OK &&
            !plan_find(plan, check->id, severity_names[severity],
                       subject_of(facts, check->about), evidence, check->cause, check->fix,
                       check->source, err))
            return false;
    }
    return true;
}

bool find_hibernated(struct plan *plan, const char *image, struct err *err)
{
    for (const struct check *check = attach_checks; check->id; check++)
        if (check->judge == judge_hibernated)
            return plan_find(plan, check->id, "error", image,
                             "hiberfil.sys is on the Windows volume", check->cause,
                             check->fix, check->source, err);
    return true;
}

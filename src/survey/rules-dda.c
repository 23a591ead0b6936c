/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Microsoft's SurveyDDA.ps1 decides about a device, in its order.  The script stops at
 * the first reason; here each is named.  Where a fact is missing the script decides anyway
 * (a device without the reserved-memory property is refused, one without the ACS property
 * passes); here it is said to be unknown.
 *
 * Source: MicrosoftDocs/Virtualization-Documentation
 * hyperv-tools/DiscreteDeviceAssignment/SurveyDDA.ps1.
 */

#include "strbuf.h"
#include "survey.h"
#include "tr.h"

#define SURVEY                                                                          \
    "MicrosoftDocs/Virtualization-Documentation hyperv-tools/DiscreteDeviceAssignment/" \
    "SurveyDDA.ps1"

/* ---- 1: memory that firmware keeps ---- */

static enum severity judge_reserved(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || f->device->reserved_memory != TRI_YES)
        return SEVERITY_OK;
    strbuf_puts(seen, _("firmware lists a reserved memory region for it"));
    return SEVERITY_ERROR;
}

static enum severity judge_reserved_unknown(const struct survey_facts *f,
                                            struct strbuf *seen)
{
    if (!f->device || !f->device->on_windows || f->device->reserved_memory != TRI_UNKNOWN)
        return SEVERITY_OK;
    strbuf_puts(seen, _("Windows has no value for its reserved memory"));
    return SEVERITY_INFO;
}

/* ---- 2: isolation ---- */

static enum severity judge_acs(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || f->device->acs != TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, f->device->on_windows
                          ? _("Windows says: no Access Control Services up the hierarchy")
                          : _("a bridge above it has no Access Control Services"));
    if (f->request && f->request->allow_unsafe)
        return SEVERITY_WARNING;
    return SEVERITY_ERROR;
}

static enum severity judge_acs_unknown(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || f->device->acs != TRI_UNKNOWN)
        return SEVERITY_OK;
    strbuf_puts(seen, f->device->on_windows
                          ? _("Windows has no value for Access Control Services up the "
                              "hierarchy")
                          : _("not everything above it, and on its card, shows whether it "
                              "has Access Control Services"));
    return SEVERITY_INFO;
}

/* A Linux machine tells in its own way what the IOMMU can keep apart. */
static enum severity judge_group(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || !f->device->iommu_group.known || f->device->group_strangers == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("its IOMMU group %llu has %u devices of other cards"),
                  (unsigned long long)f->device->iommu_group.value,
                  f->device->group_strangers);
    return SEVERITY_WARNING;
}

static enum severity judge_no_iommu(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || !f->device->iommu_told || f->device->iommu_group.known)
        return SEVERITY_OK;
    strbuf_puts(seen, _("this Linux has it in no IOMMU group"));
    return SEVERITY_INFO;
}

/* ---- 3: the kind of device ---- */

static bool type_is(const struct survey_facts *f, uint64_t type)
{
    return f->device && f->device->device_type.known &&
           f->device->device_type.value == type;
}

static enum severity judge_endpoint(const struct survey_facts *f, struct strbuf *seen)
{
    if (type_is(f, DEVICE_EXPRESS_ENDPOINT))
        strbuf_puts(seen, _("PCI Express endpoint"));
    return SEVERITY_OK;
}

static enum severity judge_integrated(const struct survey_facts *f, struct strbuf *seen)
{
    if (!type_is(f, DEVICE_EXPRESS_INTEGRATED))
        return SEVERITY_OK;
    strbuf_puts(seen, _("root complex integrated endpoint"));
    return SEVERITY_WARNING;
}

static enum severity judge_legacy_gpu(const struct survey_facts *f, struct strbuf *seen)
{
    if (type_is(f, DEVICE_EXPRESS_LEGACY) && f->device->is_display == TRI_YES)
        strbuf_puts(seen, _("legacy PCI Express endpoint, a graphics controller"));
    return SEVERITY_OK;
}

static enum severity judge_legacy_other(const struct survey_facts *f, struct strbuf *seen)
{
    if (!type_is(f, DEVICE_EXPRESS_LEGACY) || f->device->is_display != TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, _("legacy PCI Express endpoint, no graphics controller"));
    return SEVERITY_ERROR;
}

static enum severity judge_kept(const struct survey_facts *f, struct strbuf *seen)
{
    if (!type_is(f, DEVICE_EXPRESS_AS_PCI))
        return SEVERITY_OK;
    strbuf_puts(seen, _("Windows treats this PCI Express device as PCI"));
    return SEVERITY_ERROR;
}

static enum severity judge_windows_only(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || f->device->on_windows)
        return SEVERITY_OK;
    strbuf_puts(seen, _("only Windows knows whether firmware reserved memory for it, and "
                        "whether it lets Windows control PCI Express"));
    return SEVERITY_INFO;
}

static enum severity judge_old(const struct survey_facts *f, struct strbuf *seen)
{
    uint64_t type;

    if (!f->device || !f->device->device_type.known)
        return SEVERITY_OK;
    type = f->device->device_type.value;
    if (type >= DEVICE_EXPRESS_ENDPOINT && type <= DEVICE_EXPRESS_AS_PCI)
        return SEVERITY_OK;
    strbuf_puts(seen, type <= 1 ? _("conventional PCI device")
                                : _("bridge, switch port or event collector"));
    return SEVERITY_ERROR;
}

static enum severity judge_type_unknown(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device)
        return SEVERITY_OK;
    if (!f->device->device_type.known)
        strbuf_puts(seen, _("what kind of PCI device it is was not told"));
    else if (type_is(f, DEVICE_EXPRESS_LEGACY) && f->device->is_display == TRI_UNKNOWN)
        strbuf_puts(seen, _("legacy PCI Express endpoint of unknown class"));
    else
        return SEVERITY_OK;
    return SEVERITY_INFO;
}

/* ---- 4: disabled ---- */

static enum severity judge_disabled(const struct survey_facts *f, struct strbuf *seen)
{
    /* For an assignment that disables it anyway this is no obstacle. */
    if (!f->device || f->device->disabled != TRI_YES)
        return SEVERITY_OK;
    strbuf_puts(seen, _("problem code 22: disabled on the host"));
    return SEVERITY_WARNING;
}

/* ---- 5: interrupts ---- */

static enum severity judge_interrupts(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device)
        return SEVERITY_OK;
    if (f->device->any_interrupts == TRI_NO)
        strbuf_puts(seen, _("no interrupts at all"));
    else if (f->device->message_interrupts == TRI_YES)
        strbuf_puts(seen, f->device->interrupts_of_hardware
                              ? _("can use message-signalled interrupts")
                              : _("uses message-signalled interrupts"));
    return SEVERITY_OK;
}

static enum severity judge_line_only(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || f->device->message_interrupts != TRI_NO ||
        f->device->any_interrupts != TRI_YES)
        return SEVERITY_OK;
    strbuf_puts(seen, _("only line-based interrupts"));
    return SEVERITY_ERROR;
}

static enum severity judge_interrupts_unknown(const struct survey_facts *f,
                                              struct strbuf *seen)
{
    if (!f->device || f->device->any_interrupts == TRI_NO ||
        f->device->message_interrupts != TRI_UNKNOWN)
        return SEVERITY_OK;
    strbuf_puts(seen, _("which interrupts it uses was not told"));
    return SEVERITY_INFO;
}

/* ---- 6: memory space ---- */

static enum severity judge_memory(const struct survey_facts *f, struct strbuf *seen)
{
    uint64_t sum = 0, ranges = 0;

    if (!f->device || !f->device->has_bars)
        return SEVERITY_OK;
    for (size_t i = 0; i < f->device->bar_count; i++) {
        if (f->device->bars[i].is_io)
            continue;
        if (!f->device->bars[i].size_bytes.known)
            return SEVERITY_OK;
        sum += f->device->bars[i].size_bytes.value;
        ranges++;
    }
    if (sum == 0)
        strbuf_puts(seen, _("no memory space"));
    else /* as the script counts: each range one byte short, rounded up */
        strbuf_printf(seen, _("needs %llu MB of memory space"),
                      (unsigned long long)((sum - ranges + MIB - 1) / MIB));
    return SEVERITY_OK;
}

static enum severity judge_memory_unknown(const struct survey_facts *f, struct strbuf *seen)
{
    unsigned unknown = 0;

    if (!f->device)
        return SEVERITY_OK;
    for (size_t i = 0; i < f->device->bar_count; i++)
        unknown += !f->device->bars[i].is_io && !f->device->bars[i].size_bytes.known;
    if (!f->device->has_bars)
        strbuf_puts(seen, f->device->on_windows
                              ? _("Windows lists no resources of it: it is not started")
                              : _("the input has no BARs"));
    else if (unknown > 0)
        strbuf_puts(seen, _("addresses of BARs are known, their sizes are not"));
    else
        return SEVERITY_OK;
    return SEVERITY_INFO;
}

const struct rule survey_dda_rules[] = {
    { "device-reserved-memory", ABOUT_GPU, GPU_MODE_DDA, judge_reserved,
      N_("the BIOS keeps memory of this device for itself, so that it cannot be moved into a "
         "VM"),
      N_("look for an option of the firmware, or use another slot; no software can change "
         "it"),
      SURVEY, SAYS_BY_SEVERITY },
    { "device-reserved-memory-unknown", ABOUT_GPU, GPU_MODE_DDA, judge_reserved_unknown,
      N_("a device with memory reserved by firmware cannot be assigned"),
      N_("run 'hvgpu survey' against the Windows host while the device is enabled"), SURVEY,
      SAYS_UNKNOWN },
    { "device-windows-only", ABOUT_GPU, GPU_MODE_DDA, judge_windows_only,
      N_("either would forbid assigning it, and no hardware shows it"),
      N_("run 'hvgpu survey' against the Windows host"), SURVEY, SAYS_MAYBE },
    { "device-acs", ABOUT_GPU, GPU_MODE_DDA, judge_acs,
      N_("its traffic may be redirected to other devices past the IOMMU"),
      N_("switch ACS on in the firmware, or use another slot; forcing it gives up the "
         "isolation"),
      SURVEY, SAYS_BY_SEVERITY },
    { "device-acs-unknown", ABOUT_GPU, GPU_MODE_DDA, judge_acs_unknown,
      N_("without Access Control Services on everything above it a device is not isolated"),
      N_("run 'hvgpu survey' against the Windows host, or give a dump of the whole machine "
         "made as root: lspci -vvv"),
      SURVEY, SAYS_UNKNOWN },
    { "device-iommu-group", ABOUT_GPU, GPU_MODE_DDA, judge_group,
      N_("what shares a group cannot be kept apart by the IOMMU; Windows may refuse it too"),
      N_("switch ACS on in the firmware, or use another slot"),
      "torvalds/linux Documentation/driver-api/vfio.rst", SAYS_BY_SEVERITY },
    { "device-no-iommu", ABOUT_GPU, GPU_MODE_DDA, judge_no_iommu,
      N_("the IOMMU is missing, or switched off in the firmware or this kernel; without one "
         "nothing can be assigned"),
      N_("switch VT-d or AMD-Vi on in the firmware, and look again with the kernel option "
         "intel_iommu=on"),
      "torvalds/linux Documentation/driver-api/vfio.rst", SAYS_UNKNOWN },
    { "device-endpoint", ABOUT_GPU, GPU_MODE_DDA, judge_endpoint,
      N_("such devices can be assigned, with the better security"), NULL, SURVEY,
      SAYS_BY_SEVERITY },
    { "device-integrated", ABOUT_GPU, GPU_MODE_DDA, judge_integrated,
      N_("it may be assigned, but its isolation is weaker, and integrated GPUs fail in "
         "practice"),
      N_("use GPU-PV for an integrated GPU"), SURVEY "; Justsenger/ExHyperV README",
      SAYS_BY_SEVERITY },
    { "device-legacy-gpu", ABOUT_GPU, GPU_MODE_DDA, judge_legacy_gpu,
      N_("of the legacy endpoints only graphics controllers can be assigned; this is one"),
      NULL, SURVEY, SAYS_BY_SEVERITY },
    { "device-legacy-other", ABOUT_GPU, GPU_MODE_DDA, judge_legacy_other,
      N_("of the legacy endpoints only graphics controllers can be assigned"),
      N_("leave it on the host"), SURVEY, SAYS_BY_SEVERITY },
    { "device-bios-kept-pcie", ABOUT_GPU, GPU_MODE_DDA, judge_kept,
      N_("the BIOS kept control of PCI Express and did not give it to Windows"),
      N_("switch native PCIe control (or ASPM controlled by the OS) on in the firmware; it "
         "cannot be forced"),
      SURVEY, SAYS_BY_SEVERITY },
    { "device-old-pci", ABOUT_GPU, GPU_MODE_DDA, judge_old,
      N_("old-style PCI devices, switch ports and bridges can never be assigned"), NULL,
      SURVEY, SAYS_BY_SEVERITY },
    { "device-type-unknown", ABOUT_GPU, GPU_MODE_DDA, judge_type_unknown,
      N_("only PCI Express endpoints can be assigned"),
      N_("give a dump with capabilities, made as root: lspci -vvv -nn"), SURVEY,
      SAYS_UNKNOWN },
    { "device-disabled", ABOUT_GPU, GPU_MODE_DDA, judge_disabled,
      N_("a disabled device has no resources, so its interrupts and memory cannot be seen"),
      N_("enable it and look again"), SURVEY, SAYS_BY_SEVERITY },
    { "device-interrupts", ABOUT_GPU, GPU_MODE_DDA, judge_interrupts,
      N_("interrupts of this kind reach a guest"), NULL, SURVEY, SAYS_BY_SEVERITY },
    { "device-line-interrupts", ABOUT_GPU, GPU_MODE_DDA, judge_line_only,
      N_("line-based interrupts cannot be given to a guest"),
      N_("use a driver that switches message-signalled interrupts on, if there is one"),
      SURVEY, SAYS_BY_SEVERITY },
    { "device-interrupts-unknown", ABOUT_GPU, GPU_MODE_DDA, judge_interrupts_unknown,
      N_("a device with line-based interrupts only cannot be assigned"),
      N_("look again while the device is started on the host"), SURVEY, SAYS_UNKNOWN },
    { "device-memory", ABOUT_GPU, GPU_MODE_DDA, judge_memory,
      N_("the VM's MMIO windows must hold this"), NULL, SURVEY, SAYS_BY_SEVERITY },
    { "device-memory-unknown", ABOUT_GPU, GPU_MODE_DDA, judge_memory_unknown,
      N_("without the sizes it cannot be computed how large the VM's MMIO windows must be"),
      N_("look again while the device is started on the host, or give the sizes with "
         "--low-mmio and --high-mmio"),
      SURVEY, SAYS_UNKNOWN },
    { NULL },
};

const char *survey_dda_class(const struct device_facts *device)
{
    const struct survey_facts f = { .use = GPU_MODE_DDA, .device = device };
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;

    if (judge_reserved(&f, &seen))
        return "RESERVED_MEMORY";
    if (judge_acs(&f, &seen))
        return "TRAFFIC_REDIRECT";
    if (device->reserved_memory == TRI_UNKNOWN || device->acs == TRI_UNKNOWN ||
        judge_type_unknown(&f, &seen))
        return NULL;
    if (judge_legacy_other(&f, &seen))
        return "LEGACY_OTHER";
    if (judge_kept(&f, &seen))
        return "BIOS_KEPT_PCIE";
    if (judge_old(&f, &seen))
        return "OLD_PCI_OR_PORT";
    if (device->disabled == TRI_UNKNOWN)
        return NULL;
    if (judge_disabled(&f, &seen))
        return "DISABLED_MAYBE";
    if (judge_interrupts_unknown(&f, &seen))
        return NULL;
    if (judge_line_only(&f, &seen))
        return "LINE_ONLY";
    if (type_is(&f, DEVICE_EXPRESS_INTEGRATED))
        return "EMBEDDED";
    return type_is(&f, DEVICE_EXPRESS_LEGACY) ? "LEGACY_GPU" : "ENDPOINT";
}

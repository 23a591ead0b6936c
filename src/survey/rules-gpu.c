/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is judged about a GPU itself, beside what SurveyDDA.ps1 decides (rules-dda.c). */

#include "models.h"
#include "sources.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

enum { PROBLEM_RESOURCES = 12, PROBLEM_NO_DRIVER = 28 };
enum { WDDM_OF_PV = 24, SUBCLASS_3D = 2 };

static const struct gpu_model *model_of(const struct survey_facts *f)
{
    const char *id = f->gpu ? f->gpu->pci_id : f->device ? f->device->pci_id : NULL;

    return gpu_model_find(id);
}

/* ---- sharing ---- */

static enum severity judge_partitionable(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || f->gpu->interface_path)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the host does not list it as Msvm_PartitionableGpu"));
    return SEVERITY_ERROR;
}

static enum severity judge_not_paravirtual(const struct survey_facts *f,
                                           struct strbuf *seen)
{
    if (!f->gpu || !f->gpu->interface_path || (f->gpu->modes & GPU_MODE_PV) ||
        gpu_interface_is_paravirtual(f->gpu->interface_path))
        return SEVERITY_OK;
    strbuf_puts(seen, _("its interface path names hardware partitions"));
    return SEVERITY_ERROR;
}

static enum severity judge_not_partitioned(const struct survey_facts *f,
                                           struct strbuf *seen)
{
    const struct gpu_model *model = model_of(f);

    if (!f->gpu || !f->gpu->interface_path || (f->gpu->modes & GPU_MODE_P) ||
        !gpu_interface_is_paravirtual(f->gpu->interface_path))
        return SEVERITY_OK;
    strbuf_puts(seen, _("its interface path ends in \\GPUPARAV"));
    if (model && model->gpu_p == MODEL_LISTED)
        strbuf_printf(seen, _("\n%s is listed for hardware partitions"), model->name);
    else if (model && model->gpu_p == MODEL_NOT_SUPPORTED)
        strbuf_printf(seen, _("\n%s has no hardware partitions"), model->name);
    return SEVERITY_ERROR;
}

static enum severity judge_place(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || (f->gpu->place != GPU_DISMOUNTED && f->gpu->place != GPU_ASSIGNED))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the device is %s"), gpu_place_name(f->gpu->place));
    return SEVERITY_ERROR;
}

static enum severity judge_assigned(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || f->gpu->place != GPU_ASSIGNED || f->has_this_gpu)
        return SEVERITY_OK;
    strbuf_puts(seen, _("a VM has it"));
    return f->vm ? SEVERITY_ERROR : SEVERITY_WARNING;
}

static enum severity judge_shared(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || f->partitions_taken == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("VMs that run have %u partitions of it"), f->partitions_taken);
    return SEVERITY_ERROR;
}

static enum severity judge_driver(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || !f->gpu->problem_code.known || f->gpu->problem_code.value == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("problem code %llu"),
                  (unsigned long long)f->gpu->problem_code.value);
    return SEVERITY_ERROR;
}

/* For DDA the host's driver is not needed, but two codes mean something. */
static enum severity judge_resources(const struct survey_facts *f, struct strbuf *seen)
{
    const struct known_u64 *code = f->device ? &f->device->problem_code : NULL;

    if (!code || !code->known || code->value != PROBLEM_RESOURCES)
        return SEVERITY_OK;
    strbuf_puts(seen, _("problem code 12: not enough resources on the host"));
    return SEVERITY_WARNING;
}

static enum severity judge_driver_wddm(const struct survey_facts *f, struct strbuf *seen)
{
    unsigned wddm = f->gpu ? driver_wddm(f->gpu->driver_version) : 0;

    if (wddm == 0 || wddm >= WDDM_OF_PV)
        return SEVERITY_OK;
    strbuf_printf(seen, _("driver %s is of WDDM %u.%u"), f->gpu->driver_version, wddm / 10,
                  wddm % 10);
    return SEVERITY_ERROR;
}

static enum severity judge_driver_older(const struct survey_facts *f, struct strbuf *seen)
{
    unsigned wddm = f->gpu ? driver_wddm(f->gpu->driver_version) : 0;
    const struct windows_release *release =
        f->host && f->host->build.known ? windows_release_of(f->host->build.value) : NULL;

    if (wddm < WDDM_OF_PV || release_wddm(release) <= wddm)
        return SEVERITY_OK;
    strbuf_printf(seen, _("driver %s is of WDDM %u.%u, %s brings %s"),
                  f->gpu->driver_version, wddm / 10, wddm % 10, release->names,
                  release->wddm);
    return SEVERITY_INFO;
}

static enum severity judge_compute_class(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->device || f->device->is_compute_class != TRI_YES)
        return SEVERITY_OK;
    strbuf_puts(seen, _("its driver is of the class ComputeAccelerator"));
    return SEVERITY_ERROR;
}

static enum severity judge_tcc(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || f->gpu->interface_path || !text_ieq(f->gpu->service, "nvlddmkm") ||
        !f->gpu->problem_code.known || f->gpu->problem_code.value != 0 || !f->device ||
        !f->device->sub_class.known || f->device->sub_class.value != SUBCLASS_3D)
        return SEVERITY_OK;
    strbuf_puts(seen,
                _("a 3D controller whose driver works but does not offer partitions"));
    return SEVERITY_INFO;
}

static enum severity judge_partitions(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || f->has_this_gpu || !f->gpu->partition_count.known ||
        f->partitions_taken < f->gpu->partition_count.value)
        return SEVERITY_OK;
    strbuf_printf(seen, _("%u of %llu partitions are taken"), f->partitions_taken,
                  (unsigned long long)f->gpu->partition_count.value);
    return SEVERITY_ERROR;
}

static enum severity judge_share(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->request || !f->request->share_percent.known)
        return SEVERITY_OK;
    strbuf_printf(seen, _("--share %llu on a paravirtual GPU"),
                  (unsigned long long)f->request->share_percent.value);
    return SEVERITY_INFO;
}

static enum severity judge_sriov(const struct survey_facts *f, struct strbuf *seen)
{
    static const char *const reasons[] = {
        NULL,
        N_("no Access Control Services for its virtual functions"),
        N_("no driver for its physical function"),
        N_("no bus numbers for its virtual functions"),
        N_("no address space for its virtual functions"),
    };
    const struct known_u64 *value = f->device ? &f->device->sriov_support : NULL;

    if (!value || !value->known || value->value == 0 || value->value >= ARRAY_LEN(reasons))
        return SEVERITY_OK;
    strbuf_printf(seen, _("Windows cannot use its SR-IOV: %s"), _(reasons[value->value]));
    return SEVERITY_WARNING;
}

/* ---- what people report ---- */

static const char *issue_text(enum model_issue issue)
{
    static const char *const texts[] = {
        [ISSUE_NONE] = N_("does not work"),
        [ISSUE_CODE_43] = N_("problem code 43 in the guest"),
        [ISSUE_HOST_CRASH] = N_("the host crashes when the VM starts"),
        [ISSUE_NOT_ASSIGNABLE] = N_("cannot be assigned"),
        [ISSUE_NESTED_CRASH] = N_("crashes together with nested virtualization"),
        [ISSUE_NO_DRIVER] = N_("there is no driver of WDDM 2"),
        [ISSUE_INCOMPLETE_ID] =
            N_("the guest shows an incomplete hardware id; CUDA and OpenCL fail"),
    };

    return _(texts[issue]);
}

static enum severity judge_model(const struct gpu_model *model, enum model_status status,
                                 enum model_issue issue, struct strbuf *seen)
{
    switch (status) {
    case MODEL_LISTED:
        strbuf_printf(seen, _("%s is listed for it"), model->name);
        return SEVERITY_OK;
    case MODEL_WORKS:
        strbuf_printf(seen, _("%s is reported to work"), model->name);
        if (issue == ISSUE_NONE)
            return SEVERITY_OK;
        strbuf_printf(seen, "\n%s", issue_text(issue));
        return SEVERITY_INFO;
    case MODEL_PARTLY:
        strbuf_printf(seen, _("%s is reported to work in part"), model->name);
        if (issue != ISSUE_NONE)
            strbuf_printf(seen, "\n%s", issue_text(issue));
        return SEVERITY_INFO;
    case MODEL_FAILS:
        strbuf_printf(seen, _("reported of %s: %s"), model->name, issue_text(issue));
        return SEVERITY_WARNING;
    case MODEL_NOT_SUPPORTED:
        strbuf_printf(seen, _("%s does not support it"), model->name);
        return SEVERITY_WARNING;
    default:
        return SEVERITY_OK;
    }
}

static enum severity judge_model_dda(const struct survey_facts *f, struct strbuf *seen)
{
    const struct gpu_model *model = model_of(f);

    return model ? judge_model(model, model->dda, model->dda_issue, seen) : SEVERITY_OK;
}

static enum severity judge_model_pv(const struct survey_facts *f, struct strbuf *seen)
{
    const struct gpu_model *model = model_of(f);

    return model ? judge_model(model, model->gpu_pv, model->gpu_pv_issue, seen)
                 : SEVERITY_OK;
}

static enum severity judge_display_output(const struct survey_facts *f, struct strbuf *seen)
{
    const struct gpu_model *model = model_of(f);

    if (!model || model->display_output != TRI_NO)
        return SEVERITY_OK;
    strbuf_printf(seen, _("reported of %s: no picture on its outputs"), model->name);
    return SEVERITY_INFO;
}

/* ---- handing the whole over ---- */

/* The bit and what people saw are two things: both are shown. */
static enum severity judge_flr(const struct survey_facts *f, struct strbuf *seen)
{
    const struct gpu_model *model = model_of(f);
    enum tristate reported = model ? model->flr_reported : TRI_UNKNOWN;
    enum tristate bit = f->device ? f->device->flr : TRI_UNKNOWN;

    if (!f->device || f->device->is_display != TRI_YES || !f->device->device_type.known ||
        f->device->device_type.value < DEVICE_EXPRESS_ENDPOINT ||
        f->device->device_type.value > DEVICE_EXPRESS_INTEGRATED)
        return SEVERITY_OK;
    if (bit == TRI_UNKNOWN && model)
        bit = model->flr_bit;
    if (bit == TRI_YES)
        strbuf_puts(seen, _("has function level reset"));
    else if (bit == TRI_NO)
        strbuf_puts(seen,
                    _("no function level reset (Device Capabilities bit 28 is clear)"));
    if (reported != TRI_UNKNOWN)
        strbuf_puts(seen, seen->len ? "\n" : "");
    if (reported == TRI_YES)
        strbuf_printf(seen,
                      _("reported of %s: a restart of the guest leaves the host alone"),
                      model->name);
    else if (reported == TRI_NO)
        strbuf_printf(seen, _("reported of %s: a restart of the guest disturbs the host"),
                      model->name);
    if (reported == TRI_NO || (bit == TRI_NO && reported == TRI_UNKNOWN))
        return SEVERITY_WARNING;
    return bit == TRI_NO ? SEVERITY_INFO : SEVERITY_OK;
}

/* Windows knows where it shows something; before anybody has logged on firmware does. */
static enum severity judge_console(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->gpu || f->gpu->place != GPU_ON_HOST)
        return SEVERITY_OK;
    if (f->gpu->shows_display == TRI_YES && f->display_gpus == 1)
        strbuf_puts(seen,
                    _("it shows the host's screen, and no other GPU of the host does"));
    else if (f->display_gpus == 0 && f->device && f->device->on_post_path == TRI_YES)
        strbuf_puts(seen, _("the firmware shows its screen on it"));
    else
        return SEVERITY_OK;
    return f->request && f->vm && !f->request->take_console ? SEVERITY_ERROR
                                                            : SEVERITY_WARNING;
}

static enum severity judge_functions(const struct survey_facts *f, struct strbuf *seen)
{
    if (f->device_count < 2)
        return SEVERITY_OK;
    for (size_t i = 1; i < f->device_count; i++) {
        const struct device_facts *other = f->devices[i];

        strbuf_printf(seen, "%s%s%s%s", i > 1 ? "\n" : "",
                      *other->name ? other->name : other->pci_id,
                      *other->pci_address ? ", " : "", other->pci_address);
    }
    return SEVERITY_INFO;
}

static enum severity judge_gaps(const struct survey_facts *f, struct strbuf *seen)
{
    const struct survey_request *r = f->request;

    if (!f->gaps_error)
        return SEVERITY_OK;
    strbuf_puts(seen, f->gaps_error);
    /* Whoever gives both sizes may know better. */
    return r && r->low_mmio_bytes.known && r->high_mmio_bytes.known ? SEVERITY_WARNING
                                                                    : SEVERITY_ERROR;
}

static enum severity judge_rebar(const struct survey_facts *f, struct strbuf *seen)
{
    const struct device_facts *device = f->device;
    uint64_t largest =
        device && device->rebar_count ? device->rebar_sizes[device->rebar_count - 1] : 0;

    for (size_t i = 0; largest && i < device->bar_count; i++) {
        const struct device_bar *bar = &device->bars[i];

        if (!bar->index.known || bar->index.value != device->rebar_index ||
            !bar->size_bytes.known || bar->size_bytes.value >= largest)
            continue;
        strbuf_printf(seen, _("BAR %u is %llu MB now and can be %llu MB"),
                      device->rebar_index,
                      (unsigned long long)(bar->size_bytes.value / MIB),
                      (unsigned long long)(largest / MIB));
        return SEVERITY_INFO;
    }
    return SEVERITY_OK;
}

const struct rule survey_gpu_rules[] = {
    { "gpu-assigned", ABOUT_GPU, GPU_MODE_DDA, judge_assigned,
      N_("a device belongs to one VM at a time"),
      N_("give it back first: 'hvgpu dda return'"), SRC_DDA, SAYS_BY_SEVERITY },
    { "gpu-compute-class", ABOUT_GPU, GPU_MODE_PV | GPU_MODE_P, judge_compute_class,
      N_("a driver for computing only (MCDM) has no graphics to share"),
      N_("install the vendor's graphics driver, if there is one for this device"),
      "MicrosoftDocs/windows-driver-docs display/mcdm-implementation-guidelines.md",
      SAYS_BY_SEVERITY },
    { "gpu-console", ABOUT_GPU, GPU_MODE_DDA, judge_console,
      N_("the host is left without a picture when its only display is taken away"),
      N_("use --take-console if the host is reached over the network anyway"),
      "Justsenger/ExHyperV issue 88 (reported)", SAYS_BY_SEVERITY },
    { "gpu-display-output", ABOUT_GPU, GPU_MODE_DDA, judge_display_output,
      N_("the guest can compute and render, but a monitor on the card may stay dark"),
      N_("reach the guest over the network"), SRC_COMMUNITY, SAYS_BY_SEVERITY },
    { "gpu-driver", ABOUT_GPU, GPU_MODE_PV | GPU_MODE_P, judge_driver,
      N_("the GPU does not work on the host, so it cannot work in a VM"),
      N_("repair the GPU on the host first (Device Manager shows the problem)"),
      "MicrosoftDocs/windows-driver-docs install/device-manager-problem-codes.md",
      SAYS_BY_SEVERITY },
    { "gpu-driver-older", ABOUT_GPU, GPU_MODE_PV, judge_driver_older,
      N_("what newer versions of the driver model bring to VMs is not there"),
      N_("install the vendor's current driver on the host"), SRC_WDDM, SAYS_BY_SEVERITY },
    { "gpu-driver-wddm", ABOUT_GPU, GPU_MODE_PV, judge_driver_wddm,
      N_("GPU-PV needs a driver of WDDM 2.4 or newer"),
      N_("install the vendor's current driver on the host"), SRC_WDDM "; " SRC_OS,
      SAYS_BY_SEVERITY },
    { "gpu-flr", ABOUT_GPU, GPU_MODE_DDA, judge_flr,
      N_("without function level reset a restart of the guest may restart the host"),
      N_("shut the guest down and start it instead of restarting it, and try that while "
         "nothing important runs"),
      SRC_COMMUNITY, SAYS_BY_SEVERITY },
    { "gpu-functions", ABOUT_GPU, GPU_MODE_DDA, judge_functions,
      N_("the other functions of the card go to the VM together with it"), NULL, SRC_DDA,
      SAYS_BY_SEVERITY },
    { "gpu-mmio", ABOUT_GPU, GPU_MODE_DDA, judge_gaps,
      N_("the VM could not start: its MMIO windows cannot be made to hold the device"),
      N_("switch Resizable BAR off in the host's firmware, assign fewer devices, or give "
         "sizes with --low-mmio and --high-mmio"),
      SRC_PLAN_DDA, SAYS_BY_SEVERITY },
    { "gpu-model-dda", ABOUT_GPU, GPU_MODE_DDA, judge_model_dda,
      N_("what others met with this model"),
      N_("try it on a host that may fail before it matters"), SRC_COMMUNITY,
      SAYS_BY_SEVERITY },
    { "gpu-model-pv", ABOUT_GPU, GPU_MODE_PV, judge_model_pv,
      N_("what others met with this model"),
      N_("try it on a host that may fail before it matters"), SRC_COMMUNITY,
      SAYS_BY_SEVERITY },
    { "gpu-not-paravirtual", ABOUT_GPU, GPU_MODE_PV, judge_not_paravirtual,
      N_("the host shares this GPU in hardware partitions (GPU-P), not by GPU-PV"),
      N_("use its partitions: 'hvgpu attach' takes what the host offers"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "gpu-not-partitioned", ABOUT_GPU, GPU_MODE_P, judge_not_partitioned,
      N_("the host shares this GPU by paravirtualization, not in hardware partitions"),
      N_("for a card that has them: switch SR-IOV and the IOMMU on in the firmware and "
         "install the vendor's vGPU driver on the host"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "gpu-partitionable", ABOUT_GPU, GPU_MODE_PV | GPU_MODE_P, judge_partitionable,
      N_("Hyper-V cannot share this GPU: its driver does not offer it"),
      N_("install the vendor's current driver on the host; 'hvgpu gpu list' shows the rest"),
      SRC_OS, SAYS_BY_SEVERITY },
    { "gpu-partitions", ABOUT_GPU, GPU_MODE_P, judge_partitions,
      N_("every partition of this GPU is in use"),
      N_("stop another VM, or raise the number with 'hvgpu partition set'"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "gpu-place", ABOUT_GPU, GPU_MODE_PV | GPU_MODE_P, judge_place,
      N_("a device that was taken from the host (DDA) cannot be shared"),
      N_("give it back to the host first: 'hvgpu dda return'"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "gpu-rebar", ABOUT_GPU, GPU_MODE_DDA, judge_rebar,
      N_("a VM's MMIO windows fit the present size; they must grow when Resizable BAR is "
         "switched on in the firmware"),
      N_("run survey again after a change of the firmware"),
      "xCuri0/ReBarUEFI issue 384 (reported); PCI Express Resizable BAR capability",
      SAYS_BY_SEVERITY },
    { "gpu-resources", ABOUT_GPU, GPU_MODE_DDA, judge_resources,
      N_("the host itself found no room for its BARs, so their sizes are not known"),
      N_("switch 'Above 4G decoding' on in the firmware"),
      "MicrosoftDocs/windows-driver-docs install/cm-prob-normal-conflict.md",
      SAYS_BY_SEVERITY },
    { "gpu-share", ABOUT_GPU, GPU_MODE_PV, judge_share,
      N_("Hyper-V does not enforce quotas on GPU-PV: the guest sees the whole GPU"),
      N_("leave --share out; nothing is set"),
      "Justsenger/HyperV-WMI-Documentation recipe gpu_vram_fraction (measured)",
      SAYS_BY_SEVERITY },
    { "gpu-shared", ABOUT_GPU, GPU_MODE_DDA, judge_shared,
      N_("a GPU cannot be shared and handed over whole at the same time"),
      N_("stop these VMs and detach the GPU from them: 'hvgpu detach'"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "gpu-sriov", ABOUT_GPU, GPU_MODE_P, judge_sriov,
      N_("hardware partitions are virtual functions of SR-IOV"),
      N_("switch SR-IOV and ACS on in the firmware, and install the vendor's vGPU driver on "
         "the host"),
      "microsoft/win32metadata pciprop.h DevProp_PciDevice_SriovSupport",
      SAYS_BY_SEVERITY },
    { "gpu-tcc", ABOUT_GPU, GPU_MODE_PV, judge_tcc,
      N_("it may be in TCC mode, in which NVIDIA's driver does computing only"),
      N_("see what nvidia-smi says on the host (driver_model.current), and switch to WDDM "
         "where the card can"),
      "seflerZ/oneclick-gpu-pv issue 8 (reported)", SAYS_BY_SEVERITY },
    { NULL },
};

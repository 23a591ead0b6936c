/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is judged about a host: its Windows, its hypervisor, its firmware, its policy. */

#include "builds.h"
#include "models.h"
#include "sources.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

static bool uses_sharing(const struct survey_facts *f)
{
    return f->use == GPU_MODE_PV || f->use == GPU_MODE_P;
}

static bool build_below(const struct survey_facts *f, uint64_t build)
{
    return f->host && f->host->build.known && f->host->build.value < build;
}

static unsigned long long build_of(const struct survey_facts *f)
{
    return (unsigned long long)f->host->build.value;
}

static enum severity judge_build(const struct survey_facts *f, struct strbuf *seen)
{
    if (!build_below(f, uses_sharing(f) ? BUILD_GPU_PV : BUILD_SERVER_2016))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host is build %llu"), build_of(f));
    return SEVERITY_ERROR;
}

static enum severity judge_edition(const struct survey_facts *f, struct strbuf *seen)
{
    /* EditionID of the Home editions: "Core", "CoreN", "CoreSingleLanguage", ... */
    if (!f->host || !f->host->edition || f->host->is_server ||
        !text_istarts(f->host->edition, "Core"))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host's edition is %.60s"), f->host->edition);
    return SEVERITY_ERROR;
}

static enum severity judge_client(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->is_server || !f->host->build.known)
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host is %.60s, no Windows Server"),
                  f->host->product ? f->host->product : _("a client Windows"));
    return SEVERITY_ERROR;
}

/* Only of cards that a server would cut: of others their own rules speak. */
static enum severity judge_client_partitions(const struct survey_facts *f,
                                             struct strbuf *seen)
{
    const struct gpu_model *model = f->gpu ? gpu_model_find(f->gpu->pci_id) : NULL;

    return model && model->gpu_p == MODEL_LISTED ? judge_client(f, seen) : SEVERITY_OK;
}

static enum severity judge_server(const struct survey_facts *f, struct strbuf *seen)
{
    /* Azure Local, once Azure Stack HCI, has hardware partitions since 22H2. */
    if (!f->host || !f->host->is_server || !f->host->build.known ||
        (f->use == GPU_MODE_P && f->host->product &&
         text_istr(f->host->product, "Azure")) ||
        !build_below(f, f->use == GPU_MODE_PV ? BUILD_SERVER_2022 : BUILD_SERVER_2025))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host is a Windows Server of build %llu"), build_of(f));
    return SEVERITY_WARNING;
}

static enum severity judge_policy(const struct survey_facts *f, struct strbuf *seen)
{
    const struct hv_platform *p = f->host ? &f->host->platform : NULL;
    bool secure, supported;

    if (!f->host || !f->host->is_server || !p->policy_read)
        return SEVERITY_OK;
    secure = p->require_secure.known && p->require_secure.value == 0;
    supported = p->require_supported.known && p->require_supported.value == 0;
    if (secure && supported)
        return SEVERITY_OK;
    strbuf_printf(seen, _("not 0 on this server: %s%s%s"),
                  secure ? "" : "RequireSecureDeviceAssignment",
                  !secure && !supported ? ", " : "",
                  supported ? "" : "RequireSupportedDeviceAssignment");
    return f->use == GPU_MODE_PV ? SEVERITY_WARNING : SEVERITY_INFO;
}

static enum severity judge_pinning(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->is_server || !build_below(f, BUILD_WINDOWS_11) ||
        build_below(f, BUILD_GPU_PV))
        return SEVERITY_OK;
    strbuf_printf(seen, _("build %llu, %u partitionable GPUs"), build_of(f),
                  f->partitionable_gpus);
    return f->partitionable_gpus > 1 ? SEVERITY_ERROR : SEVERITY_INFO;
}

static enum severity judge_wddm(const struct survey_facts *f, struct strbuf *seen)
{
    const struct windows_release *release =
        f->host && f->host->build.known ? windows_release_of(f->host->build.value) : NULL;

    if (release && release->wddm)
        strbuf_printf(seen,
                      release->documented ? _("build %llu (%s) brings WDDM %s")
                                          : _("build %llu (%s) probably brings WDDM %s"),
                      build_of(f), release->names, release->wddm);
    return SEVERITY_OK;
}

static enum severity judge_hyper_v(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->platform.hyper_v != TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the machine has no Hyper-V"));
    return SEVERITY_ERROR;
}

static enum severity judge_no_gpu(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->gpu_count > 0 || f->gpu || f->device)
        return SEVERITY_OK;
    strbuf_puts(seen, _("Windows lists no GPU on PCI"));
    return SEVERITY_ERROR;
}

/* ---- the machine ---- */

static enum severity judge_hypervisor(const struct survey_facts *f, struct strbuf *seen)
{
    /* Without the role it is not expected to run. */
    if (!f->host || f->host->platform.hypervisor_runs != TRI_NO ||
        f->host->platform.hyper_v == TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, _("Windows says that no hypervisor runs below it"));
    return SEVERITY_ERROR;
}

static enum severity judge_slat(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->platform.slat != TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the processor has no second level address translation (SLAT)"));
    return SEVERITY_ERROR;
}

static enum severity judge_firmware(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->platform.firmware_virtualization != TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, _("virtualization is switched off in the firmware"));
    return SEVERITY_ERROR;
}

static enum severity judge_iov(const struct survey_facts *f, struct strbuf *seen)
{
    const struct hv_platform *p = f->host ? &f->host->platform : NULL;

    if (!p || p->iov != TRI_NO)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the host says that it does not support I/O virtualization"));
    for (size_t i = 0; i < p->iov_reason_count; i++)
        strbuf_printf(seen, "\n%.400s", p->iov_reasons[i]);
    return SEVERITY_ERROR;
}

static enum severity judge_iov_unknown(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || !f->host->platform.is_read || f->host->platform.iov != TRI_UNKNOWN)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the host does not tell whether it supports I/O virtualization"));
    return SEVERITY_INFO;
}

static enum severity judge_cluster(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || f->host->platform.clustered != TRI_YES)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it belongs to the cluster '%.60s'"),
                  f->host->platform.cluster_name ? f->host->platform.cluster_name : "?");
    return f->use == GPU_MODE_PV || build_below(f, BUILD_SERVER_2025) ? SEVERITY_WARNING
                                                                      : SEVERITY_INFO;
}

/* A range of the host itself above the VM's is as good as knowing the number. */
static enum severity judge_address_bits(const struct survey_facts *f, struct strbuf *seen)
{
    uint64_t end = f->gaps ? f->gaps->base_bytes + f->gaps->high_bytes : 0;

    if (!f->host || !f->gaps || f->host->platform.address_bits.known ||
        (f->host->platform.highest_address.known &&
         end <= f->host->platform.highest_address.value))
        return SEVERITY_OK;
    strbuf_printf(seen,
                  _("the VM's high MMIO window would end at %llu MB; how far the host's "
                    "processor addresses was not told"),
                  (unsigned long long)(end / MIB));
    return SEVERITY_INFO;
}

const struct rule survey_host_rules[] = {
    { "host-address-bits", ABOUT_HOST, GPU_MODE_DDA, judge_address_bits,
      N_("a VM whose MMIO window passes the processor's physical addresses does not start"),
      N_("give their number with --address-bits (CPUID 0x80000008; 39 on most client "
         "processors, 46 and more on server ones)"),
      "Easy-GPU-PV issue 278 (measured)", SAYS_BY_SEVERITY },
    { "host-build", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P, judge_build,
      N_("GPU sharing needs Windows 10 1803 (build 17134) or newer"), N_("update the host"),
      SRC_OS, SAYS_BY_SEVERITY },
    { "host-build", ABOUT_HOST, GPU_MODE_DDA, judge_build,
      N_("handing devices over needs Windows Server 2016 (build 14393) or newer"),
      N_("update the host"), SRC_PLAN_DDA, SAYS_BY_SEVERITY },
    { "host-client", ABOUT_HOST, GPU_MODE_DDA, judge_client,
      N_("client editions take the assignment, but the VM does not start (0xC035001E)"),
      N_("use GPU-PV, or a host with Windows Server"),
      "MicrosoftDocs/windowsserverdocs Plan-for-Deploying-Devices-using-Discrete-Device-"
      "Assignment.md; tfslabs/HyperV-DDA issue 2 (measured)",
      SAYS_BY_SEVERITY },
    { "host-client", ABOUT_HOST, GPU_MODE_P, judge_client_partitions,
      N_("client editions share GPUs by paravirtualization only"),
      N_("for hardware partitions: use a host with Windows Server 2025"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "host-cluster", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA, judge_cluster,
      N_("a clustered VM with a GPU moves only between hosts of Windows Server 2025 with the "
         "same GPUs, and never with GPU-PV"),
      N_("give every node the same GPUs and counts, use a pool of the same name on each, and "
         "set the VM's OfflineAction to 3"),
      "MicrosoftDocs/windowsserverdocs failover-clustering use-gpu-with-clustered-vm.md",
      SAYS_BY_SEVERITY },
    { "host-edition", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA, judge_edition,
      N_("Home editions have no Hyper-V"),
      N_("upgrade the host to Pro, Enterprise or Education"),
      "MicrosoftDocs/Virtualization-Documentation Hyper-V requirements", SAYS_BY_SEVERITY },
    { "host-firmware", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA, judge_firmware,
      N_("Hyper-V needs the processor's virtualization"),
      N_("switch it on in the firmware (VT-x, AMD-V or SVM)"),
      "MicrosoftDocs/Virtualization-Documentation Hyper-V requirements", SAYS_BY_SEVERITY },
    { "host-hyper-v", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA, judge_hyper_v,
      N_("without Hyper-V there are no VMs to give a GPU to"),
      N_("install the role or feature Hyper-V there, with its management tools, and restart"),
      "MicrosoftDocs/Virtualization-Documentation Hyper-V requirements", SAYS_BY_SEVERITY },
    { "host-hypervisor", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA,
      judge_hypervisor, N_("the hypervisor was not started with Windows"),
      N_("run 'bcdedit /set hypervisorlaunchtype auto' on the host and restart it"),
      "MicrosoftDocs/win32 CIMWin32Prov Win32_ComputerSystem.HypervisorPresent",
      SAYS_BY_SEVERITY },
    { "host-iov", ABOUT_HOST, GPU_MODE_P | GPU_MODE_DDA, judge_iov,
      N_("devices cannot be given to VMs safely: the IOMMU, interrupt remapping or SR-IOV is "
         "missing or switched off"),
      N_("switch VT-d or AMD-Vi, interrupt remapping, SR-IOV and ACS on in the firmware"),
      "MicrosoftDocs/Virtualization-Documentation SurveyDDA.ps1 (Get-VMHost IovSupport)",
      SAYS_BY_SEVERITY },
    { "host-iov-unknown", ABOUT_HOST, GPU_MODE_P | GPU_MODE_DDA, judge_iov_unknown,
      N_("without an IOMMU and interrupt remapping devices cannot be given to VMs"),
      N_("ask the host: Get-VMHost | Select IovSupport, IovSupportReasons"),
      "MicrosoftDocs/Virtualization-Documentation SurveyDDA.ps1 (Get-VMHost IovSupport)",
      SAYS_UNKNOWN },
    { "host-no-gpu", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA, judge_no_gpu,
      N_("there is nothing to share or to hand over"),
      N_("look in the host's Device Manager whether the card is seen at all"),
      "MicrosoftDocs/win32 CIMWin32Prov Win32_PnPEntity", SAYS_BY_SEVERITY },
    { "host-pinning", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P, judge_pinning,
      N_("Windows 10 takes any GPU; which one cannot be said"),
      N_("with several GPUs: use Windows 11, or disable the others on the host"),
      SRC_CMDLET, SAYS_BY_SEVERITY },
    { "host-policy", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_DDA, judge_policy,
      N_("a server may refuse to start a VM whose GPU driver does not declare isolation"),
      N_("set both values to 0 under HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV"),
      "MicrosoftDocs/SupportArticles Hyper-V GPU partition troubleshooting",
      SAYS_BY_SEVERITY },
    { "host-server", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P, judge_server,
      N_("Microsoft does not document this technique for this version of Windows Server"),
      N_("expect no support; Windows Server 2025 is the documented one"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "host-slat", ABOUT_HOST, GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA, judge_slat,
      N_("Hyper-V needs it since Windows Server 2016"),
      N_("use a host with a newer processor"),
      "MicrosoftDocs/Virtualization-Documentation Hyper-V requirements", SAYS_BY_SEVERITY },
    { "host-wddm", ABOUT_HOST, GPU_MODE_PV, judge_wddm,
      N_("what GPU-PV can do depends on it"), NULL, SRC_WDDM, SAYS_BY_SEVERITY },
    { NULL },
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a .vmx for 3D, and what 3D there is worth. */
#include "vmx.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"
#include "tr.h"

#define TOOLS_ISSUES "vmware/open-vm-tools issues 624, 681, 766"
#define LOCK_FILES "docs.vmware.com: lock files of a virtual machine"
#define GUIDES "VMware Workstation product pages; " TOOLS_ISSUES

/* What VMware's own dialog leaves when 3D is off. */
enum { MEMORY_WITHOUT_3D = 256 << 20 };

struct judging {
    const struct vmx *vmx;
    const struct vmx_facts *facts;
    const char *subject;
    struct findings *to;
    struct err *err;
};

static bool add(const struct judging *j, const char *id, enum severity severity,
                const char *evidence, const char *cause, const char *fix,
                const char *source)
{
    return findings_add(j->to, id, severity, j->subject, evidence, cause, fix, source,
                        j->err);
}

/* ---- what forbids changing it ---- */

static bool judge_open(const struct judging *j)
{
    const struct vmx_facts *f = j->facts;
    CLEANUP(free_cleanup)
    char *process = text_printf("vmware-vmx, process %" PRIu64, f->running.process);

    if (f->running.process &&
        !add(j, "vmx-running", SEVERITY_ERROR, process,
             N_("the VM runs: VMware would write the file over any change"),
             N_("shut the guest down and close the VM's tab"), LOCK_FILES))
        return false;
    return f->running.process || !vmx_lock_may_be_stale(f) ||
           add(j, "vmx-lock-stale", SEVERITY_ERROR, f->lock,
               N_("a lock is there, and no VMware of this computer runs: a crash left it, or "
                  "another computer has the VM open"),
               N_("if no other computer has the VM open, open it in VMware, which removes the "
                  "lock, or delete it"),
               LOCK_FILES);
}

static bool judge_file(const struct judging *j)
{
    const struct vmx_facts *f = j->facts;

    if (!f->is_machine &&
        !add(j, "vmx-no-machine", SEVERITY_ERROR, NULL,
             N_("this is no VM's file: it has neither config.version nor "
                "virtualHW.version"),
             N_("name the .vmx file in the VM's folder"), "libvirt/libvirt src/vmx/vmx.c"))
        return false;
    if (f->is_encrypted &&
        !add(j, "vmx-encrypted", SEVERITY_ERROR, "encryption.keySafe",
             N_("the VM is encrypted: its settings are not in this text"),
             N_("switch 3D on in VMware's settings of the VM, or decrypt it there first"),
             GUIDES))
        return false;
    if (!f->is_encoding_known &&
        !add(j, "vmx-encoding-unknown", SEVERITY_ERROR, j->vmx->encoding,
             N_("the file's encoding is not one that hvgpu can edit safely"),
             N_("change the setting in VMware itself"), "libvirt/libvirt src/vmx/vmx.c"))
        return false;
    if (!judge_open(j))
        return false;
    if (f->lock && !f->running.process && !vmx_lock_may_be_stale(f) &&
        !add(j, "vmx-open", SEVERITY_ERROR, f->lock,
             N_("the VM runs or is open in VMware, which would write the file over any "
                "change"),
             N_("shut the guest down and close the VM's tab; a lock that a crash left is "
                "removed by VMware when it opens the VM"),
             LOCK_FILES))
        return false;
    return !f->suspended ||
           add(j, "vmx-suspended", SEVERITY_ERROR, f->suspended,
               N_("the VM is suspended: it would wake up with another graphics adapter"),
               N_("resume it in VMware and shut the guest down"), GUIDES);
}

/* ---- what keeps 3D from working, or from being good ---- */

static bool judge_switch(const struct judging *j)
{
    const struct vmx_facts *f = j->facts;

    if (f->enable_3d == VMX_ODD &&
        !add(j, "vmx-odd-switch", SEVERITY_WARNING, VMX_ENABLE_3D,
             N_("the 3D switch is neither TRUE nor FALSE"),
             N_("hvgpu vmx enable-3d FILE sets it"), GUIDES))
        return false;
    if ((f->enable_3d == VMX_OFF || f->enable_3d == VMX_UNSET) &&
        !add(j, "vmx-3d-off", SEVERITY_WARNING, NULL, N_("3D acceleration is off"),
             N_("hvgpu vmx enable-3d FILE switches it on"), GUIDES))
        return false;
    if (f->enable_3d == VMX_ON && f->cached_supports_3d == VMX_OFF &&
        !add(j, "vmx-stale-capabilities", SEVERITY_WARNING,
             VMX_CACHED_PREFIX ".supports3D = 0",
             N_("noted from a start without 3D, these lines keep it off: \"No 3D support "
                "is available from the host\""),
             N_("hvgpu vmx enable-3d FILE removes them; VMware writes them anew"), GUIDES))
        return false;
    return !f->duplicates ||
           add(j, "vmx-twice", SEVERITY_WARNING, NULL,
               N_("a 3D setting stands in the file more than once, with different values"),
               N_("hvgpu vmx enable-3d FILE sets all of them alike"),
               "hashicorp/packer-plugin-vmware builder/vmware/common/vmx.go");
}

static bool judge_hardware(const struct judging *j)
{
    const struct vmx_facts *f = j->facts;
    CLEANUP(free_cleanup)
    char *evidence = f->hardware_known
                         ? text_printf("virtualHW.version = %" PRIu64, f->hardware_version)
                         : NULL;

    if (!f->hardware_known)
        return add(j, "vmx-hardware-unknown", SEVERITY_WARNING, NULL,
                   N_("the virtual hardware's version is not said, so the level of "
                      "Direct3D is not known"),
                   N_("look at the VM's hardware compatibility in VMware"), GUIDES);
    return f->hardware_version >= 18 ||
           add(j, "vmx-hardware-old", SEVERITY_WARNING, evidence,
               N_("Direct3D 11 needs virtual hardware of version 18 or later"),
               N_("with the VM off: Manage, Change Hardware Compatibility in VMware "
                  "Workstation 16 or later"),
               GUIDES);
}

static bool judge_memory(const struct judging *j)
{
    const struct vmx_facts *f = j->facts;
    CLEANUP(free_cleanup) char *value = vmx_get(j->vmx, VMX_GRAPHICS_MEMORY);
    CLEANUP(free_cleanup)
    char *evidence = text_printf(VMX_GRAPHICS_MEMORY " = %.60s", value ? value : "?");

    if (vmx_has(j->vmx, VMX_GRAPHICS_MEMORY) && !f->memory_known)
        return add(j, "vmx-memory-odd", SEVERITY_WARNING, evidence,
                   N_("the graphics memory is no number of kilobytes"),
                   N_("hvgpu vmx enable-3d --graphics-memory MB FILE sets it"), GUIDES);
    return !f->memory_known || f->graphics_memory_bytes > MEMORY_WITHOUT_3D ||
           add(j, "vmx-memory-low", SEVERITY_WARNING, evidence,
               N_("the graphics memory is what VMware gives without 3D"),
               N_("give it more: hvgpu vmx enable-3d --graphics-memory MB FILE"), GUIDES);
}

static bool judge_text(const struct judging *j)
{
    char evidence[64];

    if (j->facts->is_encoding_known && !j->facts->is_encoding_right &&
        !add(j, "vmx-encoding-wrong", SEVERITY_WARNING, j->vmx->encoding,
             N_("some bytes are no text of the encoding the file names; they stay as they "
                "are"),
             NULL, NULL))
        return false;
    snprintf(evidence, sizeof(evidence), _("line %zu"), j->vmx->first_bad_line);
    return j->vmx->bad_line_count == 0 ||
           add(j, "vmx-bad-line", SEVERITY_WARNING, evidence,
               N_("not every line is a setting, a comment or blank; those stay as they "
                  "are"),
               NULL, NULL);
}

bool vmx_judge(const struct vmx *vmx, const struct vmx_facts *facts, const char *subject,
               struct findings *to, struct err *err)
{
    const struct judging j = { vmx, facts, subject, to, err };

    return judge_file(&j) && judge_text(&j) &&
           (!facts->is_machine || facts->is_encrypted || !facts->is_encoding_known ||
            (judge_switch(&j) && judge_hardware(&j) && judge_memory(&j)));
}

/* ---- what it is worth ---- */

static const char *worth(const struct vmx_facts *facts)
{
    if (!facts->hardware_known)
        return N_("VMware draws for the guest with the host's GPU: Direct3D and OpenGL, no "
                  "Vulkan, no CUDA, no DirectML");
    if (facts->hardware_version >= 18)
        return N_("VMware draws for the guest with the host's GPU: Direct3D up to 11 and "
                  "OpenGL up to 4.1, no Vulkan, no CUDA, no DirectML");
    if (facts->hardware_version >= 12)
        return N_("VMware draws for the guest with the host's GPU: Direct3D up to 10 and "
                  "OpenGL up to 3.3 (as users report it), no Vulkan, no CUDA, no DirectML");
    return N_("VMware draws for the guest with the host's GPU: Direct3D up to 9 and OpenGL "
              "up to 2.1 (as users report it), no Vulkan, no CUDA, no DirectML");
}

bool vmx_advise(const struct vmx_facts *facts, const char *subject, struct findings *to,
                struct err *err)
{
    return findings_add(
               to, "vmx-worth", SEVERITY_INFO, subject, NULL, worth(facts),
               N_("what needs the GPU itself needs Hyper-V: 'hvgpu attach' shares it with a "
                  "VM (GPU-PV, GPU-P), 'hvgpu dda assign' hands it over"),
               GUIDES, err) &&
           findings_add(
               to, "vmx-guest-tools", SEVERITY_INFO, subject, NULL,
               N_("the guest needs VMware's display driver"),
               N_("Windows: install VMware Tools; Linux: the kernel's vmwgfx and Mesa, "
                  "which distributions have"),
               GUIDES, err) &&
           findings_add(
               to, "vmx-guest-browser", SEVERITY_INFO, subject, NULL,
               N_("browsers in the guest may have VMware's adapter on a block list"),
               N_("Chrome, Edge: chrome://flags, Override software rendering list: "
                  "Enabled, then look at chrome://gpu; Firefox: about:config, "
                  "layers.acceleration.force-enabled and webgl.force-enabled: true, then "
                  "look at about:support"),
               GUIDES, err);
}

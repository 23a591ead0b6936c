/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of dda assign, beyond those of the survey. */

#include "assign-checks.h"

#include <inttypes.h>
#include <stdio.h>

#include "strbuf.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

#define MB (UINT64_C(1) << 20)

/* ---- who has it ---- */

static bool check_owner(struct plan *plan, const struct assign_facts *f,
                        const struct dda_device *device, struct err *err)
{
    char evidence[256];

    for (size_t i = 0; i < device->entry_count; i++) {
        const struct dda_entry *entry = &device->entries[i];

        if (entry->vm == f->vm)
            continue;
        snprintf(evidence, sizeof(evidence), _("VM '%.100s' has it"),
                 entry->vm && entry->vm->name ? entry->vm->name : entry->vm_id);
        return entry->vm
                   ? plan_find(plan, "device-taken", "error", dda_name(device), evidence,
                               N_("a device belongs to one VM at a time"),
                               N_("take it back from that VM first: 'hvgpu dda return'"),
                               DDA_SRC_DEPLOY, err)
                   : plan_find(
                         plan, "device-orphaned", "error", dda_name(device), evidence,
                         N_("it was assigned to a VM that this host does not have any "
                            "more"),
                         N_("bring it home first: 'hvgpu dda recover'"), DDA_SRC_DEPLOY,
                         err);
    }
    return true;
}

static bool check_place(struct plan *plan, const struct dda_device *device, struct err *err)
{
    if (dda_is_away(device))
        return plan_find(
            plan, "device-gone", "error", dda_name(device), dda_state_name(device->state),
            N_("the host does not have this device now"),
            N_("'hvgpu dda list' shows where it is, 'hvgpu dda recover' clears "
               "what it left behind"),
            DDA_SRC_DEPLOY, err);
    if (!device->location_path)
        return plan_find(
            plan, "device-location", "error", dda_name(device),
            _("Windows tells no location path of it"),
            N_("without a location path Hyper-V cannot be told which device is "
               "meant"),
            N_("look at its properties in the host's Device Manager"), DDA_SRC_DEPLOY, err);
    if ((device->state == DDA_ON_HOST || device->state == DDA_DISABLED) &&
        device->entry_count > 0)
        return plan_find(
            plan, "device-stale-entry", "error", dda_name(device),
            _("it is on the host, and a VM's settings name it"),
            N_("such a VM does not start, and the entry stands in the way of a "
               "new one"),
            N_("clear it away first: 'hvgpu dda recover'"), "Justsenger/ExHyperV issue 98",
            err);
    return true;
}

/* What stays on the host of a card that is divided: it goes on working there, or does not. */
static bool check_divided(struct plan *plan, const struct assign_facts *f, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf left = STRBUF_INIT;
    struct dda_set whole = { .count = 0 };

    if (!f->options->only)
        return true;
    if (!dda_set_add_card(&whole, f->list, f->card.items[0], false, err))
        return false;
    for (size_t i = 0; i < whole.count; i++)
        if (!dda_set_has(&f->card, whole.items[i]) &&
            !dda_entry_of(whole.items[i], f->vm->id))
            strbuf_printf(&left, "%s%s", left.len ? ", " : "", dda_name(whole.items[i]));
    if (left.failed)
        return err_no_memory(err);
    return left.len == 0 ||
           plan_find(
               plan, "device-divided", "warning", dda_name(f->card.items[0]), left.text,
               N_("functions of one card share its reset and its power: what one side "
                  "does, the other feels"),
               N_("leave --only out to assign the whole card"),
               "MicrosoftDocs/Virtualization-Documentation "
               "hyperv-tools/DiscreteDeviceAssignment",
               err);
}

/* ---- what is waived ---- */

static bool check_waived(struct plan *plan, const struct assign_facts *f, struct err *err)
{
    const char *name = dda_name(f->card.items[0]);

    if (f->options->waive_acs &&
        !plan_find(
            plan, "unsafe-acs", "warning", name, "--allow-unsafe acs",
            N_("the device may reach other devices past the IOMMU, and with them the "
               "host's memory"),
            N_("assign it only to a VM that you trust like the host itself"), DDA_SRC_PLAN,
            err))
        return false;
    return !f->options->waive_mitigations ||
           plan_find(plan, "unsafe-mitigations", "warning", name,
                     "--allow-unsafe mitigations",
                     N_("its maker has not said how the device is kept from harming the "
                        "host, or it is not asked for"),
                     N_("assign it only to a VM that you trust like the host itself"),
                     DDA_SRC_PLAN, err);
}

/* ---- the windows ---- */

static bool check_windows(struct plan *plan, const struct assign_facts *f, struct err *err)
{
    const struct gaps *gaps = &f->gaps;
    bool given = f->options->low_mmio_bytes.known || f->options->high_mmio_bytes.known;
    char evidence[256];

    if (f->low_bytes < MMIO_LOW_MIN || f->low_bytes > MMIO_LOW_MAX ||
        f->high_bytes > MMIO_HIGH_MAX || f->low_bytes % MB || f->high_bytes % MB) {
        snprintf(evidence, sizeof(evidence),
                 _("%" PRIu64 " bytes below 4 GB, %" PRIu64 " bytes above"), f->low_bytes,
                 f->high_bytes);
        return plan_find(
            plan, "vm-mmio", "error", f->vm->name, evidence,
            N_("the low window is 128 to 3584 MB, the high one at most 262656 "
               "MB, both whole MB"),
            N_("choose sizes within these limits, or leave --low-mmio and "
               "--high-mmio out"),
            "MicrosoftDocs/windows-powershell-docs Set-VM; Justsenger/ExHyperV "
            "(measured)",
            err);
    }
    if (!f->gaps_known)
        return plan_find(
            plan, "vm-mmio", given ? "warning" : "error", f->vm->name,
            f->gaps_error.text[0],
            N_("the devices do not fit into the windows Hyper-V gives a VM"),
            N_("switch Resizable BAR off in the host's firmware, or give sizes "
               "with --low-mmio and --high-mmio"),
            DDA_SRC_PLAN, err);
    if (f->low_bytes < gaps->low_bytes || f->high_bytes < gaps->high_bytes) {
        snprintf(evidence, sizeof(evidence),
                 _("%" PRIu64 " and %" PRIu64 " MB were asked for, %" PRIu64 " and %" PRIu64
                   " MB are needed"),
                 f->low_bytes / MB, f->high_bytes / MB, gaps->low_bytes / MB,
                 gaps->high_bytes / MB);
        return plan_find(plan, "vm-mmio-small", "warning", f->vm->name, evidence,
                         N_("in windows that are too small the guest gets code 12 for the "
                            "device"),
                         N_("leave --low-mmio and --high-mmio out, and they are computed"),
                         DDA_SRC_PLAN, err);
    }
    if (gaps->unknown_devices == 0 || given)
        return true;
    snprintf(evidence, sizeof(evidence), _("%u devices that are not on the host now"),
             gaps->unknown_devices);
    return plan_find(
        plan, "vm-mmio-unknown", "warning", f->vm->name, evidence,
        N_("Windows tells how much memory space a device needs only while it is "
           "started on the host; the VM's windows stay as they are for these"),
        N_("give sizes with --low-mmio and --high-mmio, or bring the devices "
           "home first: 'hvgpu dda return'"),
        DDA_SRC_PLAN, err);
}

/* ---- the VM ---- */

static bool check_vm(struct plan *plan, const struct assign_facts *f, struct err *err)
{
    const struct hv_vm *vm = f->vm;
    bool can, stop;
    char evidence[64];

    if (vm->state == VM_SAVED)
        return plan_find(
            plan, "vm-saved", "error", vm->name, _("it has a saved state"),
            N_("a saved state remembers the old devices, and cannot be started "
               "with other ones"),
            N_("start the VM and shut it down, or discard its saved state"), DDA_SRC_PLAN,
            err);
    if (vm->checkpoint_count.known && vm->checkpoint_count.value > 0) {
        snprintf(evidence, sizeof(evidence), _("it has %" PRIu64 " checkpoints"),
                 vm->checkpoint_count.value);
        if (!plan_find(plan, "vm-checkpoints", "error", vm->name, evidence,
                       N_("a VM with an assigned device cannot have checkpoints"),
                       N_("delete its checkpoints first"), DDA_SRC_PLAN, err))
            return false;
    }
    if (vm->adapter_count > 0 &&
        !plan_find(plan, "vm-other-gpu", "warning", vm->name,
                   _("it has GPU partitions too"),
                   N_("a VM with an assigned device and a GPU partition is an untested "
                      "combination"),
                   N_("if it does not start, take the partition away: 'hvgpu detach'"),
                   DDA_SRC_PLAN, err))
        return false;
    return dda_check_power(plan, vm, f->options->stop || f->options->force_stop, "error",
                           &can, &stop, err);
}

static bool check_afterwards(struct plan *plan, const struct assign_facts *f,
                             struct err *err)
{
    return plan_find(plan, "dda-afterwards", "info", f->vm->name, NULL,
                     N_("while it has the device the VM cannot be saved, have checkpoints, "
                        "use dynamic memory or be moved while it runs"),
                     N_("take the device back first: 'hvgpu dda return'"), DDA_SRC_PLAN,
                     err);
}

/* ---- the survey's ---- */

static bool has_all(const struct assign_facts *f)
{
    for (size_t i = 0; i < f->card.count; i++)
        if (!dda_entry_of(f->card.items[i], f->vm->id))
            return false;
    return true;
}

/* Other functions of the card are judged as devices of their own. */
static bool judge(struct plan *plan, const struct assign_facts *f, struct err *err)
{
    const struct dda_assign_options *o = f->options;
    const struct survey_request request = {
        .changes_vm = f->changes_vm,
        .stop = o->stop,
        .force_stop = o->force_stop,
        .take_console = o->take_console,
        .allow_unsafe = o->waive_acs,
        .low_mmio_bytes = o->low_mmio_bytes,
        .high_mmio_bytes = o->high_mmio_bytes,
    };
    struct survey_facts facts = {
        .use = GPU_MODE_DDA,
        .host = f->host,
        .gpu = f->gpu,
        .vm = f->vm,
        .request = &request,
        .devices = f->hardware_refs,
        .device_count = f->card.count,
        .gaps = f->gaps_known ? &f->gaps : NULL,
        .gaps_error = f->gaps_known ? NULL : f->gaps_error.text[0],
        .has_this_gpu = has_all(f),
        .has_other_gpu = f->vm->adapter_count > 0,
    };
    struct findings found = FINDINGS_INIT;
    bool ok = true;

    for (size_t i = 0; i < f->host->gpu_count; i++) {
        facts.partitionable_gpus += f->host->gpus[i].interface_path != NULL;
        facts.display_gpus += f->host->gpus[i].place == GPU_ON_HOST;
    }
    for (size_t i = 0; ok && i < f->card.count; i++) {
        enum dda_state state = f->card.items[i]->state;

        facts.device =
            state == DDA_ON_HOST || state == DDA_DISABLED ? f->hardware_refs[i] : NULL;
        ok = survey_judge(&facts, i == 0 ? ABOUT_HOST | ABOUT_GPU | ABOUT_VM : ABOUT_GPU,
                          false, &found, err);
        facts.gpu = NULL;
        facts.devices = NULL;
        facts.gaps = NULL;
        facts.gaps_error = NULL;
    }
    ok = ok && plan_take_findings(plan, &found, err);
    findings_clear(&found);
    return ok;
}

bool run_assign_checks(struct plan *plan, const struct assign_facts *facts, struct err *err)
{
    if (!facts->changes_vm)
        return true; /* it is so already */
    for (size_t i = 0; i < facts->card.count; i++)
        if (!check_owner(plan, facts, facts->card.items[i], err) ||
            !check_place(plan, facts->card.items[i], err))
            return false;
    return check_vm(plan, facts, err) && judge(plan, facts, err) &&
           check_windows(plan, facts, err) && check_divided(plan, facts, err) &&
           check_waived(plan, facts, err) && check_afterwards(plan, facts, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of dda assign, beyond those of the survey. */

#include "assign-checks.h"

#include <stdio.h>

#include "strbuf.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

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
    if (device->state == DDA_ON_HOST && device->problem_code.known &&
        device->problem_code.value == 14)
        return plan_find(
            plan, "device-restart", "error", dda_name(device), _("problem code 14"),
            N_("a change of this device waits for a restart of the host"),
            N_("restart the host first"),
            "MicrosoftDocs/windows-driver-docs install/cm-prob-need-restart", err);
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

    if (!f->gaps_known || gaps->unknown_devices == 0 || given)
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

    survey_count(&facts);
    for (size_t i = 0; ok && i < f->card.count; i++) {
        enum dda_state state = f->card.items[i]->state;

        facts.device =
            state == DDA_ON_HOST || state == DDA_DISABLED ? f->hardware_refs[i] : NULL;
        ok = survey_judge(&facts, i == 0 ? ABOUT_HOST | ABOUT_GPU | ABOUT_VM : ABOUT_GPU,
                          false, &found, err);
        facts.gpu = NULL;
        facts.devices = NULL;
        facts.device_count = 0;
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
    return judge(plan, facts, err) && check_windows(plan, facts, err) &&
           check_divided(plan, facts, err) && check_waived(plan, facts, err);
}

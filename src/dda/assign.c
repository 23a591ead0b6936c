/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dda assign: facts, checks, and the steps from wherever the devices are into the VM. */

#include <string.h>

#include "assign-checks.h"
#include "dda-plan.h"
#include "dda-steps.h"
#include "dda.h"
#include "text.h"
#include "vm-plan.h"

/* Msvm_VirtualSystemSettingData: AutomaticShutdownAction, UserSnapshotType. */
enum { STOP_TURN_OFF = 2, CHECKPOINT_DISABLED = 2 };

struct assign {
    struct plan_context *context;
    struct plan *plan;
    const struct dda_assign_options *options;
    const struct dda_view *view;
    struct assign_facts facts;
    struct vm_changes changes;
};

/* ---- facts ---- */

/* Everything the VM shall have: the card, and what it has already. */
static bool collect_devices(struct assign *a, struct err *err)
{
    struct dda_set *all = &a->facts.all;

    *all = a->facts.card;
    for (size_t i = 0; i < a->view->list.count; i++)
        if (dda_entry_of(&a->view->list.devices[i], a->facts.vm->id) &&
            !dda_set_add(all, &a->view->list.devices[i], err))
            return false;
    return true;
}

/* What hardware told of them; a device the host does not have now has none to tell. */
static void collect_hardware(struct assign *a)
{
    struct assign_facts *facts = &a->facts;

    for (size_t i = 0; i < facts->all.count; i++) {
        const struct dda_device *device = facts->all.items[i];
        const struct hv_function *function =
            hv_find_function(a->view->host, device->instance_id);
        struct device_facts *to = &facts->hardware[i];

        if (function)
            facts_from_function(function, to);
        else
            *to = (struct device_facts){ .on_windows = true,
                                         .place = dda_place(device->state) };
        facts->hardware_refs[i] = to;
    }
}

/* What the VM has was made large enough when it got its devices; their sizes cannot be seen
 * now. */
static bool keeps_gaps(const struct assign *a)
{
    const struct assign_facts *facts = &a->facts;

    for (size_t i = 0; i < facts->card.count; i++)
        if (!dda_entry_of(facts->card.items[i], facts->vm->id) ||
            facts->card.items[i]->state != DDA_ASSIGNED)
            return false;
    return facts->vm->low_mmio_bytes.known && facts->vm->high_mmio_bytes.known;
}

/* The computed gaps, or what the user said instead. */
static void compute_gaps(struct assign *a)
{
    struct assign_facts *facts = &a->facts;
    const struct gaps present = { .low_bytes = facts->vm->low_mmio_bytes.value,
                                  .high_bytes = facts->vm->high_mmio_bytes.value };
    struct err why = ERR_INIT;

    if (keeps_gaps(a)) {
        facts->gaps_known = true;
        facts->gaps = present;
    } else {
        facts->gaps_known =
            gaps_for_devices(facts->hardware_refs, facts->all.count, facts->vm,
                             a->view->host->platform.address_bits, &facts->gaps, &why);
        facts->gaps_error = why;
        if (!facts->gaps_known)
            facts->gaps = present;
    }
    facts->low_bytes = a->options->low_mmio_bytes.known ? a->options->low_mmio_bytes.value
                                                        : facts->gaps.low_bytes;
    facts->high_bytes = a->options->high_mmio_bytes.known
                            ? a->options->high_mmio_bytes.value
                            : facts->gaps.high_bytes;
}

static void compare_settings(struct assign *a)
{
    const struct hv_vm *vm = a->facts.vm;
    struct vm_changes *changes = &a->changes;

    want_true(changes, "guest_controlled_cache", vm->guest_controlled_cache);
    want_number(changes, "low_mmio_bytes", &vm->low_mmio_bytes, a->facts.low_bytes);
    want_number(changes, "high_mmio_bytes", &vm->high_mmio_bytes, a->facts.high_bytes);
    if (a->facts.gaps_known && a->facts.gaps.moves_base)
        want_number(changes, "high_mmio_base_bytes", &vm->high_mmio_base_bytes,
                    a->facts.gaps.base_bytes);
    want_word(changes, "stop_action", &vm->stop_action, stop_action_name, STOP_TURN_OFF);
    want_word(changes, "checkpoint_type", &vm->checkpoint_type, checkpoint_type_name,
              CHECKPOINT_DISABLED);
    want_memory_fixed(changes, vm);
}

/* ---- steps ---- */

static bool must_move(const struct assign *a, const struct dda_device *device)
{
    return !dda_entry_of(device, a->facts.vm->id) || device->state != DDA_ASSIGNED;
}

/* All functions leave the host before the first goes to the VM: a card of which the host
 * refuses one goes nowhere. */
static bool add_moves(struct assign *a, struct err *err)
{
    const struct dda_set *card = &a->facts.card;

    for (size_t i = 0; i < card->count; i++)
        if (card->items[i]->state == DDA_ON_HOST &&
            !add_device_disable(a->plan, card->items[i], err))
            return false;
    for (size_t i = 0; i < card->count; i++)
        if ((card->items[i]->state == DDA_ON_HOST ||
             card->items[i]->state == DDA_DISABLED) &&
            !add_device_dismount(a->plan, card->items[i], !a->options->waive_acs,
                                 !a->options->waive_mitigations, err))
            return false;
    for (size_t i = 0; i < card->count; i++)
        if (!dda_entry_of(card->items[i], a->facts.vm->id) &&
            !add_device_add(a->plan, a->facts.vm, card->items[i], err))
            return false;
    return true;
}

static bool add_steps(struct assign *a, struct err *err)
{
    const struct hv_vm *vm = a->facts.vm;
    bool runs = vm->state == VM_RUNNING, changes = vm_changes_any(&a->changes);

    if (runs && a->facts.changes_vm &&
        !add_vm_stop(a->plan, vm, a->options->force_stop, err))
        return false;
    if (!add_vm_changes(a->plan, vm, &a->changes, err) || !add_moves(a, err))
        return false;
    if (a->plan->step_count > 0 &&
        !add_device_verify(a->plan, vm, a->facts.card.items, a->facts.card.count,
                           changes ? a->changes.after : NULL, err))
        return false;
    if ((runs && a->facts.changes_vm) || (!runs && a->options->start))
        return add_vm_start(a->plan, vm, err) &&
               add_device_used(a->plan, vm, a->facts.card.items[0], err);
    return true;
}

/* ---- the plan ---- */

static bool choose(struct assign *a, const char *vm, struct err *err)
{
    struct assign_facts *facts = &a->facts;
    const struct dda_device *device;

    if (!hv_select_vm(a->view->host, vm, &facts->vm, err) ||
        !dda_select(a->view, a->options->gpu, &device, err) ||
        !dda_set_add_card(&facts->card, &a->view->list, device, a->options->only, err))
        return false;
    facts->host = a->view->host;
    facts->list = &a->view->list;
    facts->options = a->options;
    facts->gpu = hv_find_gpu(a->view->host, device->instance_id);
    return true;
}

static bool plan_all(struct assign *a, struct err *err)
{
    struct assign_facts *facts = &a->facts;

    if (!collect_devices(a, err))
        return false;
    collect_hardware(a);
    compute_gaps(a);
    compare_settings(a);
    facts->changes_vm = vm_changes_any(&a->changes);
    for (size_t i = 0; i < facts->card.count; i++)
        facts->changes_vm |= must_move(a, facts->card.items[i]);
    if (!dda_lock_vm(a->plan, facts->vm, err) ||
        !dda_lock_device(a->plan, a->view, facts->card.items[0], err) ||
        !run_assign_checks(a->plan, facts, err))
        return false;
    return plan_has_errors(a->plan) || add_steps(a, err);
}

struct plan *dda_assign_from(struct plan_context *context, const struct dda_view *view,
                             const char *host, const char *vm,
                             const struct dda_assign_options *options, struct err *err)
{
    struct assign a = { .context = context, .view = view, .options = options };
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;
    bool ok;

    if (!choose(&a, vm, err))
        return NULL;
    title = text_printf("assign '%s' to '%s'", dda_name(a.facts.card.items[0]),
                        a.facts.vm->name);
    if (!title) {
        err_no_memory(err);
        return NULL;
    }
    plan = plan_new(host, title, err);
    a.plan = plan;
    ok = plan && vm_changes_init(&a.changes, err) && plan_all(&a, err);
    vm_changes_clear(&a.changes);
    return ok ? TAKE(plan) : NULL;
}

struct plan *dda_plan_assign(struct plan_context *context, const char *host, const char *vm,
                             const struct dda_assign_options *options, struct err *err)
{
    struct dda_view view;
    struct plan *plan;

    if (!dda_view_read(context, host, HV_SURVEY, &view, err))
        return NULL;
    plan = dda_assign_from(context, &view, host, vm, options, err);
    dda_view_clear(&view);
    return plan;
}

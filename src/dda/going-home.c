/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices on their way home: VMs off, entries removed, mounted, enabled, settings restored. */

#include "going-home.h"

#include "dda-steps.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

enum { VMS_MAX = DEVICES_MAX };

struct home {
    struct plan_context *context;
    struct plan *plan;
    const struct dda_view *view;
    const struct going_home *how;
    struct dda_set set; /* of those that can go */
    const struct hv_vm *vms[VMS_MAX];
    bool stop[VMS_MAX]; /* it has to be, and may be */
    size_t vm_count;
};

/* ---- which can go ---- */

static bool note_vm(struct home *h, const struct hv_vm *vm, bool stop, struct err *err)
{
    for (size_t i = 0; i < h->vm_count; i++)
        if (h->vms[i] == vm)
            return true;
    if (h->vm_count == VMS_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "devices of more than %d VMs", VMS_MAX);
    h->vms[h->vm_count] = vm;
    h->stop[h->vm_count++] = stop;
    return dda_lock_vm(h->plan, vm, err);
}

/* All VMs with an entry of it are off, or may be stopped. */
static bool check_vms(struct home *h, const struct dda_device *device, bool *ret_can,
                      struct err *err)
{
    bool stop[VMS_MAX] = { false };

    *ret_can = true;
    for (size_t i = 0; i < device->entry_count && i < VMS_MAX; i++) {
        const struct hv_vm *vm = device->entries[i].vm;
        bool can = true;

        if (vm && !dda_check_power(h->plan, vm, h->how->stop || h->how->force_stop,
                                   h->how->severity, &can, &stop[i], err))
            return false;
        *ret_can &= can;
    }
    for (size_t i = 0; *ret_can && i < device->entry_count && i < VMS_MAX; i++)
        if (device->entries[i].vm && !note_vm(h, device->entries[i].vm, stop[i], err))
            return false;
    return true;
}

/* A VM runs with it, and no entry of its settings says why: from a pool, or half removed. */
static bool check_user(struct home *h, const struct dda_device *device, bool *ret_can,
                       struct err *err)
{
    if (!device->user_id || device->entry_count > 0)
        return true;
    *ret_can = false;
    return plan_find(
        h->plan, "device-in-use", h->how->severity, dda_name(device), device->user_id,
        N_("a VM that runs uses it, without naming it in its "
           "settings: it has it from a pool"),
        N_("stop that VM, and take the device out of its settings"), DDA_SRC_DEPLOY, err);
}

static bool check_location(struct home *h, const struct dda_device *device, bool *ret_can,
                           struct err *err)
{
    if (device->location_path || dda_is_away(device) || device->state == DDA_ON_HOST)
        return true;
    *ret_can = false;
    return plan_find(
        h->plan, "device-location", h->how->severity, dda_name(device),
        dda_state_name(device->state),
        N_("without a location path Hyper-V cannot be told which device is meant"),
        N_("wait until the host lists it, and try again"), DDA_SRC_DEPLOY, err);
}

static bool choose(struct home *h, const struct dda_set *set, struct err *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct dda_device *device = set->items[i];
        bool can;

        if (!check_vms(h, device, &can, err) || !check_user(h, device, &can, err) ||
            !check_location(h, device, &can, err))
            return false;
        if (can && (!dda_lock_device(h->plan, h->view, device, err) ||
                    !dda_set_add(&h->set, device, err)))
            return false;
    }
    return true;
}

/* ---- steps ---- */

static bool add_stops(struct home *h, struct err *err)
{
    for (size_t i = 0; i < h->vm_count; i++)
        if (h->stop[i] && !add_vm_stop(h->plan, h->vms[i], h->how->force_stop, err))
            return false;
    return true;
}

static bool add_removals(struct home *h, struct err *err)
{
    for (size_t i = 0; i < h->set.count; i++)
        for (size_t k = 0; k < h->set.items[i]->entry_count; k++) {
            const struct dda_entry *entry = &h->set.items[i]->entries[k];
            struct hv_vm gone = { .id = entry->vm_id, .name = entry->vm_id };

            if (!add_device_remove(h->plan, entry->vm ? entry->vm : &gone, h->set.items[i],
                                   entry, err))
                return false;
        }
    return true;
}

static bool is_dismounted(const struct dda_device *device)
{
    return device->state == DDA_ASSIGNED || device->state == DDA_ORPHANED ||
           device->state == DDA_DISMOUNTED;
}

/* All are mounted before the first is enabled: a driver finds its whole card. */
static bool add_ways(struct home *h, struct err *err)
{
    for (size_t i = 0; i < h->set.count; i++)
        if (is_dismounted(h->set.items[i]) &&
            !add_device_mount(h->plan, h->set.items[i], err))
            return false;
    for (size_t i = 0; i < h->set.count; i++)
        if ((is_dismounted(h->set.items[i]) || h->set.items[i]->state == DDA_DISABLED) &&
            !add_device_enable(h->plan, h->set.items[i], err))
            return false;
    return true;
}

/* A VM that keeps a device or a partition keeps its settings. */
static bool keeps_any(const struct home *h, const struct hv_vm *vm)
{
    for (size_t i = 0; i < h->view->list.count; i++)
        if (!dda_set_has(&h->set, &h->view->list.devices[i]) &&
            dda_entry_of(&h->view->list.devices[i], vm->id))
            return true;
    return vm->adapter_count > 0;
}

static bool add_settings(struct home *h, struct err *err)
{
    for (size_t i = 0; i < h->vm_count; i++)
        if (!keeps_any(h, h->vms[i]) &&
            !add_former_settings(h->context, h->plan, h->vms[i], NULL, &step_device_add,
                                 DDA_SRC_DEPLOY, err))
            return false;
    return true;
}

static bool add_starts(struct home *h, struct err *err)
{
    for (size_t i = 0; i < h->vm_count; i++)
        if ((h->stop[i] || (h->how->start && h->vms[i]->state == VM_OFF)) &&
            !add_vm_start(h->plan, h->vms[i], err))
            return false;
    return true;
}

static bool add_looks(struct home *h, struct err *err)
{
    for (size_t i = 0; i < h->set.count; i++)
        if (h->set.items[i]->state != DDA_ON_HOST && !dda_is_away(h->set.items[i]) &&
            !add_device_works(h->plan, h->set.items[i], err))
            return false;
    return true;
}

static bool needs_nothing(const struct dda_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i]->entry_count > 0 ||
            (set->items[i]->state != DDA_ON_HOST && set->items[i]->state != DDA_PHANTOM))
            return false;
    return true;
}

bool dda_plan_home(struct plan_context *context, struct plan *plan,
                   const struct dda_view *view, const struct dda_set *set,
                   const struct going_home *how, struct err *err)
{
    struct home h = { .context = context, .plan = plan, .view = view, .how = how };

    if (!choose(&h, set, err))
        return false;
    if (plan_has_errors(plan) || needs_nothing(&h.set))
        return true;
    return add_stops(&h, err) && add_removals(&h, err) && add_ways(&h, err) &&
           add_settings(&h, err) && add_starts(&h, err) && add_looks(&h, err);
}

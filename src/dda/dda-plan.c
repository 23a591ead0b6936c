/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices in sets, cards, locks, and the way home. */

#include "dda-plan.h"

#include <string.h>

#include "text.h"
#include "tr.h"

/* ---- reading ---- */

void dda_view_clear(struct dda_view *view)
{
    dda_list_clear(&view->list);
    hv_host_free(view->host);
    view->host = NULL;
}

bool dda_view_read(struct plan_context *context, const char *host, unsigned what,
                   struct dda_view *ret, struct err *err)
{
    struct dda_view view = { 0 };

    if (!hv_inventory_read(context->session, host, what | HV_VMS | HV_GPUS, &view.host,
                           err))
        return false;
    if (!hv_read_assignable(context->session, view.host, &view.list, err)) {
        dda_view_clear(&view);
        return false;
    }
    *ret = view;
    return true;
}

/* ---- sets ---- */

bool dda_set_has(const struct dda_set *set, const struct dda_device *device)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i] == device)
            return true;
    return false;
}

bool dda_set_add(struct dda_set *set, const struct dda_device *device, struct err *err)
{
    if (dda_set_has(set, device))
        return true;
    if (set->count == DEVICES_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d devices at once",
                        DEVICES_MAX);
    set->items[set->count++] = device;
    return true;
}

bool dda_is_away(const struct dda_device *device)
{
    return device->state == DDA_GONE || device->state == DDA_PHANTOM;
}

bool dda_set_add_card(struct dda_set *set, const struct dda_list *list,
                      const struct dda_device *device, bool only, struct err *err)
{
    if (!dda_set_add(set, device, err))
        return false;
    for (size_t i = 0; !only && i < list->count; i++)
        if (!dda_is_away(&list->devices[i]) &&
            hv_same_card(list->devices[i].location_path, device->location_path) &&
            !dda_set_add(set, &list->devices[i], err))
            return false;
    return true;
}

const char *dda_name(const struct dda_device *device)
{
    return device->name ? device->name : device->instance_id;
}

bool dda_select(const struct dda_view *view, const char *selector,
                const struct dda_device **ret, struct err *err)
{
    const struct dda_device *device = dda_find(&view->list, selector);
    const struct hv_gpu *gpu = NULL;

    if (!device)
        device = dda_find_at(&view->list, selector);
    if (!device) {
        if (!hv_select_gpu(view->host, selector, &gpu, err))
            return false;
        device = dda_find(&view->list, gpu->instance_id);
    }
    if (!device)
        return err_fail(err, ERR_NOT_FOUND, 0, "'%s' is no device on PCI",
                        gpu && gpu->name ? gpu->name : selector);
    *ret = device;
    return true;
}

/* ---- locks ---- */

bool dda_lock_vm(struct plan *plan, const struct hv_vm *vm, struct err *err)
{
    CLEANUP(free_cleanup) char *name = text_printf("vm-%s", vm->id);

    return name ? plan_lock(plan, name, err) : err_no_memory(err);
}

char *dda_lock_name(const struct dda_view *view, const struct dda_device *device)
{
    return hv_device_lock_name(view->host, device->location_path, device->instance_id);
}

bool dda_lock_device(struct plan *plan, const struct dda_view *view,
                     const struct dda_device *device, struct err *err)
{
    CLEANUP(free_cleanup) char *name = dda_lock_name(view, device);

    return name ? plan_lock(plan, name, err) : err_no_memory(err);
}

/* ---- power ---- */

bool dda_check_power(struct plan *plan, const struct hv_vm *vm, bool may_stop,
                     const char *severity, bool *ret_can, bool *ret_stop, struct err *err)
{
    *ret_stop = vm->state == VM_RUNNING;
    *ret_can = vm->state == VM_OFF || (vm->state == VM_RUNNING && may_stop);
    if (*ret_can)
        return true;
    return plan_find(plan, "vm-power", severity, vm->name, vm_state_name(vm->state),
                     N_("devices can be given and taken only while the VM is off"),
                     vm->state == VM_RUNNING ? "use --stop to shut it down first"
                                             : "start the VM and shut it down first",
                     DDA_SRC_DEPLOY, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dda return: out of the VM, mounted, enabled, and looked at whether it works. */

#include <string.h>

#include "dda-plan.h"
#include "dda.h"
#include "going-home.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

struct back {
    const struct dda_view *view;
    const struct dda_return_options *options;
    const struct hv_vm *vm; /* NULL: not named */
    struct dda_set set;
};

static bool is_ones(const struct dda_device *device, const struct hv_vm *vm)
{
    return dda_entry_of(device, vm->id) || text_ieq(device->user_id, vm->id);
}

/* Neither was named: fine as long as one VM only has devices. */
static bool only_vm(struct back *b, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf names = STRBUF_INIT;

    for (size_t v = 0; v < b->view->host->vm_count; v++) {
        const struct hv_vm *vm = &b->view->host->vms[v];
        bool has = false;

        for (size_t i = 0; i < b->view->list.count; i++)
            has |= is_ones(&b->view->list.devices[i], vm);
        if (!has)
            continue;
        strbuf_printf(&names, "%s'%.40s'", names.len ? ", " : "", vm->name);
        if (!b->vm)
            b->vm = vm;
        else
            b->vm = NULL, v = b->view->host->vm_count;
    }
    if (names.failed)
        return err_no_memory(err);
    if (b->vm)
        return true;
    if (names.len == 0) {
        err_fail(err, ERR_NOT_FOUND, 0, "no VM of this host has an assigned device");
        return err_hint(err,
                        "'hvgpu dda list' shows the devices, 'hvgpu dda recover' brings "
                        "home what nobody has");
    }
    err_fail(err, ERR_INVALID, 0, "more than one VM has assigned devices: %.150s",
             names.text);
    return err_hint(err, "name the VM, or a device with --gpu");
}

static bool choose(struct back *b, struct err *err)
{
    const struct dda_device *device;

    if (b->options->vm && !hv_select_vm(b->view->host, b->options->vm, &b->vm, err))
        return false;
    if (b->options->gpu)
        return dda_select(b->view, b->options->gpu, &device, err) &&
               dda_set_add_card(&b->set, &b->view->list, device, b->options->only, err);
    if (!b->vm && !only_vm(b, err))
        return false;
    for (size_t i = 0; i < b->view->list.count; i++)
        if (is_ones(&b->view->list.devices[i], b->vm) &&
            !dda_set_add(&b->set, &b->view->list.devices[i], err))
            return false;
    return true;
}

/* --gpu GPU of a VM that does not have it: then it is another's, or nobody's. */
static bool check_owner(struct back *b, struct plan *plan, struct err *err)
{
    if (!b->options->vm || !b->options->gpu || is_ones(b->set.items[0], b->vm))
        return true;
    return plan_find(plan, "device-not-of-vm", "error", dda_name(b->set.items[0]),
                     b->vm->name, N_("this VM does not have the device"),
                     N_("leave the VM out to take it back from whoever has it"),
                     DDA_SRC_DEPLOY, err);
}

static char *title_of(const struct back *b)
{
    if (b->options->gpu)
        return text_printf("return '%s' to the host", dda_name(b->set.items[0]));
    return text_printf("return the devices of '%s' to the host", b->vm->name);
}

struct plan *dda_return_from(struct plan_context *context, const struct dda_view *view,
                             const char *host, const struct dda_return_options *options,
                             struct err *err)
{
    struct back b = { .view = view, .options = options };
    const struct going_home how = { .stop = options->stop,
                                    .force_stop = options->force_stop,
                                    .start = options->start,
                                    .severity = "error" };
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;

    if (!choose(&b, err))
        return NULL;
    title = title_of(&b);
    if (!title) {
        err_no_memory(err);
        return NULL;
    }
    plan = plan_new(host, title, err);
    if (!plan || !check_owner(&b, plan, err) ||
        (!plan_has_errors(plan) && !dda_plan_home(context, plan, view, &b.set, &how, err)))
        return NULL;
    return TAKE(plan);
}

struct plan *dda_plan_return(struct plan_context *context, const char *host,
                             const struct dda_return_options *options, struct err *err)
{
    struct dda_view view;
    struct plan *plan;

    if (!dda_view_read(context, host, DDA_RETURNS, &view, err))
        return NULL;
    plan = dda_return_from(context, &view, host, options, err);
    dda_view_clear(&view);
    return plan;
}

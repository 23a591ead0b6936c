/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One plan for one host: the planners called in an order that can work. */

#include "plan-host.h"

#include <string.h>

#include "assignable.h"
#include "found.h"
#include "partition.h"
#include "plan-parts.h"
#include "project.h"
#include "share-plan.h"
#include "survey.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

unsigned desired_plan_needs(const struct desired_host *wanted, const struct hv_host *found)
{
    unsigned what = DESIRED_WHAT;

    for (size_t v = 0; v < wanted->vm_count; v++)
        for (size_t u = 0; u < wanted->vms[v].use_count; u++)
            if (wanted->vms[v].uses[u].mode == GPU_MODE_DDA)
                what |= HV_SURVEY;
    for (size_t v = 0; found && v < found->vm_count; v++)
        if (found->vms[v].device_count > 0)
            what |= HV_SURVEY;
    return what;
}

/* ---- putting plans together ---- */

/* Takes over @more (may be NULL: then @err says why). */
static bool append(struct maker *m, struct plan *more, struct vm_work *work,
                   struct err *err)
{
    bool ok = more != NULL;

    if (!ok)
        return work ? err_wrap(err, "VM '%.80s'", work->wanted->name) : false;
    if (work && more->step_count > 0)
        work->changed = true;
    ok = project_plan(m->host, more, err) && plan_append(m->plan, more, err);
    plan_free(more);
    return ok;
}

/* Plans for partitions of several VMs have nothing to do with each other.  A whole GPU may go from
 * one VM to another, and counts depend on all. */
static bool append_of_vm(struct maker *m, struct plan *more, struct vm_work *work,
                         struct err *err)
{
    if (more)
        plan_part(more, work - m->work + 1);
    return append(m, more, work, err);
}

/* The last plan of a VM starts it, if that is wanted. */
static bool starts(const struct maker *m, const struct vm_work *work, bool is_last)
{
    return m->options->start && is_last && !work->held_off;
}

/* ---- what each VM needs ---- */

static bool collect_work(struct maker *m, struct err *err)
{
    const struct desired_host *wanted = m->c->wanted;

    m->work = calloc(wanted->vm_count + 1, sizeof(*m->work));
    m->moving = calloc(m->host->gpu_count + 1, sizeof(*m->moving));
    m->cut = calloc(m->host->gpu_count + 1, sizeof(*m->cut));
    if (!m->work || !m->moving || !m->cut)
        return err_no_memory(err);
    for (size_t v = 0; v < wanted->vm_count; v++) {
        size_t count;
        const struct hv_vm *vm = desired_find_vm(m->c, &wanted->vms[v], &count);

        m->work[v].wanted = &wanted->vms[v];
        m->work[v].vm = vm ? &m->host->vms[vm - m->host->vms] : NULL;
    }
    for (size_t i = 0; i < m->c->count; i++) {
        const struct difference *difference = &m->c->items[i];
        struct vm_work *work =
            difference->vm ? &m->work[difference->vm - wanted->vms] : NULL;

        if (work && (difference->kind == DIFF_MMIO || difference->kind == DIFF_SETTING ||
                     difference->kind == DIFF_SHARE))
            work->settings = true;
        if (work && difference->kind == DIFF_DRIVER)
            work->driver = true;
        if (!plan_say_hopeless(m, difference, err))
            return false;
    }
    return plan_check_wishes(m, err);
}

static const struct desired_use *use_of_gpu(const struct maker *m,
                                            const struct desired_vm *vm,
                                            const struct hv_gpu *gpu, bool whole)
{
    for (size_t u = 0; u < vm->use_count; u++)
        if ((vm->uses[u].mode == GPU_MODE_DDA) == whole &&
            desired_gpu_matches(m->c, &vm->uses[u], gpu))
            return &vm->uses[u];
    return NULL;
}

static const struct hv_gpu *gpu_of_pin(const struct maker *m,
                                       const struct hv_adapter *adapter)
{
    CLEANUP(free_cleanup) char *pin = found_pin(adapter);

    return pin ? hv_find_gpu(m->host, pin) : NULL;
}

/* Which of the file's uses an adapter is for; NULL: none, it is too many. */
static const struct desired_use *use_of_adapter(const struct maker *m,
                                                const struct desired_vm *vm,
                                                const struct hv_adapter *adapter)
{
    const struct hv_gpu *gpu = gpu_of_pin(m, adapter);
    CLEANUP(free_cleanup) char *pin = found_pin(adapter);

    if (gpu)
        return use_of_gpu(m, vm, gpu, false);
    for (size_t u = 0; u < vm->use_count; u++) {
        const struct desired_use *use = &vm->uses[u];

        if (use->mode == GPU_MODE_DDA)
            continue;
        if (!adapter->interface_path || use->gpu == DESIRED_ANY_GPU)
            return use;
        if (m->c->wanted->gpus[use->gpu].is_missing && pin &&
            text_ieq(m->c->wanted->gpus[use->gpu].instance_id, pin))
            return use;
    }
    return NULL;
}

/* The count a GPU shall have and has not; 0: it is cut as it shall be. */
static uint64_t new_count(const struct maker *m, const struct hv_gpu *gpu)
{
    const struct desired_gpu *wanted = desired_count_wish(m->c, gpu);

    return wanted && !(gpu->partition_count.known &&
                       gpu->partition_count.value == wanted->partition_count.value)
               ? wanted->partition_count.value
               : 0;
}

static bool lacks_partition(const struct maker *m, const struct vm_work *work)
{
    for (size_t u = 0; u < work->wanted->use_count; u++)
        if (work->wanted->uses[u].mode != GPU_MODE_DDA &&
            desired_count_adapters(m->c, &work->wanted->uses[u], work->vm) <
                work->wanted->uses[u].count)
            return true;
    return false;
}

/* One adapter instead of others is one plan of attach, which keeps settings and one restart. */
static bool is_replaced(const struct maker *m, const struct vm_work *work)
{
    if (work->wanted->use_count != 1 || work->wanted->uses[0].count != 1 ||
        work->wanted->uses[0].mode == GPU_MODE_DDA || !lacks_partition(m, work))
        return false;
    for (size_t a = 0; a < work->vm->adapter_count; a++) {
        const struct hv_gpu *gpu = gpu_of_pin(m, &work->vm->adapters[a]);

        if (gpu && new_count(m, gpu) > 0)
            return false; /* it must go before that */
    }
    return true;
}

/* ---- first: what shall go ---- */

static bool plan_detach(struct maker *m, struct vm_work *work, const char *gpu,
                        bool keeps_guest, bool is_last, struct err *err)
{
    const struct detach_options options = {
        .gpu = gpu,
        .stop = m->options->stop,
        .force_stop = m->options->force_stop,
        .start = starts(m, work, is_last),
        .no_drivers =
            keeps_guest || m->options->no_drivers || work->wanted->drivers == DRIVERS_NONE,
    };

    return append_of_vm(
        m,
        share_detach_from(m->context, m->host, m->host_name, work->vm->id, &options, err),
        work, err);
}

static bool detach_extra(struct maker *m, struct vm_work *work, struct err *err)
{
    bool last = work->wanted->use_count == 0;

    for (size_t a = 0; a < work->vm->adapter_count;) {
        const struct hv_adapter *adapter = &work->vm->adapters[a];
        const struct hv_gpu *gpu = gpu_of_pin(m, adapter);
        size_t before = work->vm->adapter_count;

        if (use_of_adapter(m, work->wanted, adapter)) {
            a++;
            continue;
        }
        if (!gpu && before > 1)
            return plan_say(
                m, "apply-adapter", true, work->wanted->name, adapter->interface_path,
                N_("the VM has several adapters, one of them of a GPU that is not "
                   "there, and only the only one could be chosen"),
                N_("take the others away first with 'hvgpu detach'"), err);
        if (!plan_detach(m, work, gpu ? gpu->instance_id : NULL, false, last, err))
            return false;
        if (plan_has_errors(m->plan) || work->vm->adapter_count == before)
            return true; /* said why */
    }
    return true;
}

/* Too many of one GPU: they go together, and as many as are wanted come back. */
static bool detach_surplus(struct maker *m, struct vm_work *work, struct err *err)
{
    for (size_t u = 0; u < work->wanted->use_count; u++) {
        const struct desired_use *use = &work->wanted->uses[u];
        size_t have = desired_count_adapters(m->c, use, work->vm), before;

        while (use->mode != GPU_MODE_DDA && have > use->count) {
            const struct hv_adapter *last = NULL;
            const struct hv_gpu *gpu;

            for (size_t a = 0; a < work->vm->adapter_count; a++)
                if (use_of_adapter(m, work->wanted, &work->vm->adapters[a]) == use)
                    last = &work->vm->adapters[a];
            if (!last)
                break; /* those of another use */
            gpu = gpu_of_pin(m, last);
            before = work->vm->adapter_count;
            if (!plan_detach(m, work, gpu ? gpu->instance_id : NULL, true, false, err))
                return false;
            if (plan_has_errors(m->plan) || work->vm->adapter_count == before)
                return true; /* said why */
            have = desired_count_adapters(m->c, use, work->vm);
        }
    }
    return true;
}

static bool read_view(struct maker *m, struct err *err)
{
    if (m->view_read)
        return true;
    m->view.host = m->host;
    m->view_read = hv_read_assignable(m->context->session, m->host, &m->view.list, err);
    return m->view_read;
}

static void set_moving(struct maker *m, const struct hv_gpu *gpu)
{
    m->moving[gpu - m->host->gpus] = true;
}

static bool return_extra(struct maker *m, struct vm_work *work, struct err *err)
{
    for (size_t d = 0; d < work->vm->device_count; d++) {
        const struct hv_device *device = &work->vm->devices[d];
        const struct hv_gpu *gpu =
            device->is_gone ? NULL : hv_find_gpu(m->host, device->instance_id);
        const struct dda_return_options options = {
            .vm = work->vm->id,
            .gpu = gpu ? gpu->instance_id : NULL,
            .stop = m->options->stop,
            .force_stop = m->options->force_stop,
            .start = starts(m, work, work->wanted->use_count == 0),
        };

        if (!gpu || use_of_gpu(m, work->wanted, gpu, true))
            continue;
        set_moving(m, gpu);
        if (!read_view(m, err) ||
            !append(m, dda_return_from(m->context, &m->view, m->host_name, &options, err),
                    work, err))
            return false;
    }
    return true;
}

static bool take_away(struct maker *m, struct err *err)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++) {
        struct vm_work *work = &m->work[v];

        if (work->vm && (!return_extra(m, work, err) ||
                         (!is_replaced(m, work) &&
                          (!detach_extra(m, work, err) || !detach_surplus(m, work, err)))))
            return false;
    }
    return true;
}

/* ---- second: partition counts ---- */

/* All the partitions it has are kept, and no guest's disk has to be looked at: then it can be
 * off from here to the end, and need not start without its GPU in between. */
static bool hold_off(struct maker *m, struct vm_work *work, struct err *err)
{
    struct plan *more;

    if (work->vm->state != VM_RUNNING || work->held_off || work->driver ||
        lacks_partition(m, work) || !(m->options->stop || m->options->force_stop))
        return true;
    more = plan_new(m->host_name, m->plan->title, err);
    if (!more)
        return false;
    if (!add_vm_stop(more, work->vm, m->options->force_stop, err)) {
        plan_free(more);
        return false;
    }
    work->held_off = true;
    return append_of_vm(m, more, work, err);
}

/* A GPU is cut only while nobody has a partition of it. */
static bool give_up(struct maker *m, struct err *err)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++) {
        struct vm_work *work = &m->work[v];

        for (size_t a = 0; work->vm && a < work->vm->adapter_count; a++) {
            const struct hv_gpu *gpu = gpu_of_pin(m, &work->vm->adapters[a]);
            size_t before = work->vm->adapter_count;

            if (!gpu || new_count(m, gpu) == 0)
                continue;
            work->gave_up = true;
            if (!hold_off(m, work, err) ||
                !plan_detach(m, work, gpu->instance_id, true, false, err))
                return false;
            if (work->vm->adapter_count == before)
                break;      /* a finding says why */
            a = (size_t)-1; /* they moved up */
        }
    }
    return true;
}

static bool same_kind(const struct hv_gpu *a, const struct hv_gpu *b)
{
    return text_ieq(a->pci_id, b->pci_id) &&
           a->valid_partition_count_count == b->valid_partition_count_count;
}

static bool append_counts(struct maker *m, const struct hv_gpu **gpus, size_t count,
                          uint64_t partitions, struct err *err)
{
    struct partition_host one = { .host = m->host, .gpus = gpus, .gpu_count = count };
    CLEANUP(findings_cleanup) struct findings about = FINDINGS_INIT;
    bool ok = partition_plan(&one, 1, partitions, &about, err) &&
              plan_take_findings(m->plan, &about, err);

    if (!ok) {
        plan_free(one.plan);
        return false;
    }
    return append(m, one.plan, NULL, err);
}

static bool is_wanted_whole(const struct maker *m, const struct hv_gpu *gpu)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++)
        if (use_of_gpu(m, &m->c->wanted->vms[v], gpu, true))
            return true;
    return false;
}

/* GPUs that are alike and get the same count are one plan of `partition set`. */
static bool set_counts(struct maker *m, struct err *err)
{
    size_t count = m->host->gpu_count;
    CLEANUP(free_cleanup)
    const struct hv_gpu **gpus = calloc(count + 1, sizeof(const struct hv_gpu *));
    CLEANUP(free_cleanup) uint64_t *wanted = calloc(count + 1, sizeof(*wanted));

    if (!gpus || !wanted)
        return err_no_memory(err);
    for (size_t g = 0; g < count; g++) {
        wanted[g] = new_count(m, &m->host->gpus[g]);
        if (wanted[g] > 0 && m->moving[g]) {
            m->counts_later |= !is_wanted_whole(m, &m->host->gpus[g]);
            wanted[g] = 0;
        }
        m->cut[g] = wanted[g] > 0;
    }
    for (size_t g = 0; g < count; g++) {
        uint64_t partitions = wanted[g];
        size_t chosen = 0;

        for (size_t k = g; partitions > 0 && k < count; k++)
            if (wanted[k] == partitions &&
                same_kind(&m->host->gpus[k], &m->host->gpus[g])) {
                gpus[chosen++] = &m->host->gpus[k];
                wanted[k] = 0;
            }
        if (chosen > 0 && !append_counts(m, gpus, chosen, partitions, err))
            return false;
    }
    return true;
}

/* ---- third: whole GPUs, then partitions ---- */

/* Some VM has the whole of it, or is to have it. */
static bool is_given(const struct maker *m, size_t gpu)
{
    return m->moving[gpu] || m->host->gpus[gpu].place == GPU_ASSIGNED;
}

/* The one that a use means; of a model, the one with the fewest adapters. */
static const struct hv_gpu *choose(const struct maker *m, const struct desired_use *use)
{
    const struct hv_gpu *best = NULL;
    size_t least = SIZE_MAX;

    if (use->gpu == DESIRED_ANY_GPU)
        return NULL;
    for (size_t g = 0; g < m->host->gpu_count; g++) {
        size_t users = 0;

        if (!desired_gpu_matches(m->c, use, &m->host->gpus[g]) ||
            (use->mode == GPU_MODE_DDA && use->count > 1 && is_given(m, g)))
            continue;
        for (size_t v = 0; v < m->host->vm_count; v++)
            for (size_t a = 0; a < m->host->vms[v].adapter_count; a++)
                users += text_ieq(m->host->vms[v].adapters[a].interface_path,
                                  m->host->gpus[g].interface_path);
        if (users < least) {
            least = users;
            best = &m->host->gpus[g];
        }
    }
    return best;
}

static bool assign(struct maker *m, struct vm_work *work, const struct desired_use *use,
                   struct err *err)
{
    const struct hv_gpu *gpu = choose(m, use);
    const struct dda_assign_options options = {
        .gpu = gpu ? gpu->instance_id : NULL,
        .low_mmio_bytes = work->wanted->low_mmio_bytes,
        .high_mmio_bytes = work->wanted->high_mmio_bytes,
        .stop = m->options->stop,
        .force_stop = m->options->force_stop,
        .start = starts(m, work, work->wanted->use_count == 1),
    };

    if (!gpu) /* said already */
        return true;
    set_moving(m, gpu);
    return read_view(m, err) && append(m,
                                       dda_assign_from(m->context, &m->view, m->host_name,
                                                       work->vm->id, &options, err),
                                       work, err);
}

static bool assign_all(struct maker *m, struct err *err)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++) {
        struct vm_work *work = &m->work[v];

        for (size_t u = 0; work->vm && u < work->wanted->use_count; u++) {
            const struct desired_use *use = &work->wanted->uses[u];

            size_t has = use->mode == GPU_MODE_DDA
                             ? desired_count_devices(m->c, use, work->vm)
                             : use->count;

            for (; has < use->count; has++)
                if (!assign(m, work, use, err))
                    return false;
            if (use->mode == GPU_MODE_DDA && use->count == 1 && work->settings &&
                desired_find_device(m->c, use, work->vm) && !assign(m, work, use, err))
                return false;
        }
    }
    return true;
}

static bool attach(struct maker *m, struct vm_work *work, const struct desired_use *use,
                   size_t has, bool adds, bool is_last, struct err *err)
{
    const struct hv_gpu *gpu = choose(m, use);
    bool has_it = has > 0;
    struct attach_options options = {
        .another =
            adds && (gpu ? survey_vm_has_gpu(work->vm, gpu->interface_path) : has_it),
        .gpu = gpu ? gpu->instance_id : NULL,
        .share_percent = use->share_percent,
        .stop = m->options->stop,
        .force_stop = m->options->force_stop,
        .start = starts(m, work, is_last),
        .replace = is_replaced(m, work),
        .disk_later = m->options->is_rest,
        /* Only settings differ, or it had the GPU a moment ago. */
        .no_drivers = m->options->no_drivers || work->wanted->drivers == DRIVERS_NONE ||
                      has_it || (work->gave_up && work->held_off),
    };

    if (!gpu && use->gpu != DESIRED_ANY_GPU)
        return true; /* said already */
    if (gpu && m->moving[gpu - m->host->gpus])
        return plan_later(
            m, work, gpu,
            N_("the GPU comes back to the host first; what it is then is seen "
               "when it is there, and planned then"),
            err);
    if (gpu && use->mode && gpu->modes && !(gpu->modes & use->mode))
        return plan_say_mode(m, work->wanted->name, gpu->name, err);
    if (gpu && m->cut[gpu - m->host->gpus] && use->share_percent.known) {
        options.share_percent.known = false;
        if (!plan_later(
                m, work, gpu,
                N_("the GPU is cut first; what a share of it is then is seen when it "
                   "is so, and set then"),
                err))
            return false;
    }
    desired_wish(work->wanted, &options.wish);
    return append_of_vm(
        m,
        share_attach_from(m->context, m->host, m->host_name, work->vm->id, &options, err),
        work, err);
}

static bool attach_all(struct maker *m, struct err *err)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++) {
        struct vm_work *work = &m->work[v];
        const struct desired_vm *vm = work->wanted;

        for (size_t u = 0; work->vm && u < vm->use_count; u++) {
            const struct desired_use *use = &vm->uses[u];
            size_t has;
            bool missing =
                use->gpu != DESIRED_ANY_GPU && m->c->wanted->gpus[use->gpu].is_missing;

            if (use->mode == GPU_MODE_DDA || missing)
                continue;
            has = desired_count_adapters(m->c, use, work->vm);
            if (has >= use->count && work->settings &&
                !attach(m, work, use, has, false, u + 1 == vm->use_count, err))
                return false;
            for (; has < use->count && !work->later; has++)
                if (!attach(m, work, use, has, true,
                            u + 1 == vm->use_count && has + 1 == use->count, err))
                    return false;
        }
    }
    return true;
}

/* ---- last: drivers, and VMs that were kept off ---- */

static bool sync_all(struct maker *m, struct err *err)
{
    const struct sync_options options = { .stop = m->options->stop,
                                          .force_stop = m->options->force_stop,
                                          .start = m->options->start };

    for (size_t v = 0; v < m->c->wanted->vm_count && !m->options->no_drivers; v++) {
        struct vm_work *work = &m->work[v];

        if (work->vm && work->driver && !work->changed &&
            !append_of_vm(m,
                          share_sync_from(m->context, m->host, m->host_name, work->vm->id,
                                          &options, err),
                          work, err))
            return false;
    }
    return true;
}

static bool start_held(struct maker *m, struct err *err)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++) {
        struct vm_work *work = &m->work[v];
        struct plan *more;

        if (!work->held_off)
            continue;
        more = plan_new(m->host_name, m->plan->title, err);
        if (!more)
            return false;
        if (!add_vm_start(more, work->vm, err)) {
            plan_free(more);
            return false;
        }
        if (!append_of_vm(m, more, work, err))
            return false;
    }
    return true;
}

struct plan *desired_plan(struct plan_context *context, struct comparison *c,
                          struct hv_host *host, const char *host_name, const char *title,
                          const struct apply_options *options, struct err *err)
{
    struct maker m = { .context = context,
                       .c = c,
                       .host = host,
                       .host_name = host_name,
                       .options = options,
                       .plan = plan_new(host_name, title, err) };
    bool ok = m.plan && collect_work(&m, err);

    /* What is wrong already would only be said again by every planner. */
    ok = ok && (plan_has_errors(m.plan) ||
                (take_away(&m, err) && give_up(&m, err) &&
                 (plan_has_errors(m.plan) || set_counts(&m, err)) &&
                 (plan_has_errors(m.plan) ||
                  (assign_all(&m, err) && attach_all(&m, err) && sync_all(&m, err) &&
                   plan_rest(&m, err) && start_held(&m, err)))));
    if (m.view_read)
        dda_list_clear(&m.view.list);
    free(m.work);
    free(m.moving);
    free(m.cut);
    if (ok)
        return m.plan;
    plan_free(m.plan);
    return NULL;
}

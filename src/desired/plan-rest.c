/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cannot be planned before the plan is under way: what a GPU is that comes back from a VM,
 * and how large a share of a GPU is that is cut anew, its host tells only then.  The part of
 * the file that is about it travels in the plan, and is planned against the host as it is when
 * its turn comes.  It is part of the same run: if nothing comes of it, everything is taken back.
 */
#include "plan-parts.h"

#include <string.h>
#include "step-params.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

bool desired_host_read(struct cim_session *session, const char *name,
                       const struct desired_host *wanted, struct hv_host **ret,
                       struct err *err)
{
    unsigned what = desired_plan_needs(wanted, NULL), more;

    if (!hv_inventory_read(session, name, what, ret, err))
        return false;
    more = desired_plan_needs(wanted, *ret);
    if (more == what)
        return survey_judge_gpus(*ret, err);
    hv_host_free(*ret);
    *ret = NULL;
    return hv_inventory_read(session, name, more, ret, err) && survey_judge_gpus(*ret, err);
}

/* ---- when its turn has come ---- */

static struct desired *read_wish(const struct step *step, struct err *err)
{
    const char *text;
    struct desired *wish;

    if (!param_text(step, "wish", &text, err))
        return NULL;
    wish = desired_read(step->target, text, strlen(text), err);
    if (wish && wish->host_count != 1) {
        err_fail(err, ERR_PROTOCOL, 0, "the journal's wish is not for one host");
        desired_free(wish);
        return NULL;
    }
    return wish;
}

/* The plan counts the VMs of its wish; the one it becomes part of counts those of the file. */
static json_int_t number_of(const json_t *parts, json_int_t part)
{
    return part > 0 ? json_integer_value(json_array_get(parts, (size_t)part - 1)) : 0;
}

static void number_parts(struct plan *plan, const json_t *parts)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        json_t *params = plan->steps[i].params;
        json_t *later = json_object_get(params, "parts"); /* what is put off once more */
        json_int_t part = number_of(parts, plan_part_of(&plan->steps[i]));

        json_object_del(params, "part");
        if (part > 0)
            json_object_set_new(params, "part", json_integer(part));
        for (size_t k = 0; k < json_array_size(later); k++)
            json_integer_set(
                json_array_get(later, k),
                number_of(parts, json_integer_value(json_array_get(later, k))));
    }
}

static bool expand(struct plan_context *context, const struct step *step, struct plan *more,
                   struct err *err)
{
    const struct apply_options options = { .stop = param_true(step, "stop"),
                                           .force_stop = param_true(step, "force_stop"),
                                           .start = param_true(step, "start"),
                                           .no_drivers = param_true(step, "no_drivers"),
                                           .is_rest = true };
    CLEANUP(desired_cleanup) struct desired *wish = read_wish(step, err);
    CLEANUP(hv_host_cleanup) struct hv_host *found = NULL;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    struct comparison c = { 0 };

    if (!wish ||
        !desired_host_read(context->session, more->host, &wish->hosts[0], &found, err))
        return false;
    if (desired_compare(&wish->hosts[0], found, &c, err))
        plan = desired_plan(context, &c, found, more->host, more->title, &options, err);
    comparison_clear(&c);
    if (plan)
        number_parts(plan, json_object_get(step->params, "parts"));
    return plan && plan_splice(more, 0, plan, err);
}

const struct step_kind step_apply_rest = {
    .name = "apply-rest",
    .expand = expand,
};

/* ---- before ---- */

bool plan_later(struct maker *m, struct vm_work *work, const struct hv_gpu *gpu,
                const char *cause, struct err *err)
{
    const struct apply_options *options = m->options;

    if (options->is_rest && m->moving[gpu - m->host->gpus]) /* else without end */
        return plan_say(m, "apply-later", true, work->wanted->name, gpu->name,
                        N_("the GPU did not come back as one that can be shared"),
                        N_("see what 'hvgpu survey' says about it"), err);
    work->later = true;
    if (work->vm->state != VM_OFF && !work->held_off && !options->stop &&
        !options->force_stop)
        return plan_say(m, "apply-power", true, work->wanted->name, NULL,
                        N_("the VM runs, and has to be off to be given a GPU"),
                        N_("give --stop, or shut it down first"), err);
    return plan_find(m->plan, "apply-later", "info",
                     work->vm->name ? work->vm->name : work->wanted->name, gpu->name, cause,
                     NULL, "hvgpu.yaml(5)", err);
}

/* By id, whatever it is called meanwhile. @parts: the numbers that append_of_vm() gives them. */
static size_t collect_later(const struct maker *m, bool held, struct desired_vm *to,
                            json_t *parts, struct strbuf *names)
{
    size_t count = 0;

    for (size_t v = 0; v < m->c->wanted->vm_count; v++) {
        const struct vm_work *work = &m->work[v];

        if (!work->later || work->held_off != held)
            continue;
        to[count] = *work->wanted;
        to[count].comment = NULL;
        to[count++].name = work->vm->id;
        json_array_append_new(parts, json_integer((json_int_t)v + 1));
        strbuf_printf(names, "%s'%s'", names->len ? ", " : "", work->wanted->name);
    }
    return count;
}

static bool lock_vms(struct maker *m, const struct desired_vm *vms, size_t count,
                     struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_cleanup) char *lock = text_printf("vm-%s", vms[i].name);

        if (!lock)
            return err_no_memory(err);
        if (!plan_lock(m->plan, lock, err))
            return false;
    }
    return true;
}

/* VMs that the plan keeps off start at its end, others where that is asked for. */
static bool add_step(struct maker *m, bool held, const struct desired_host *wish,
                     const char *names, json_t *parts, struct err *err)
{
    const struct apply_options *options = m->options;
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(free_cleanup) char *target = NULL;

    desired_write_head(&text);
    desired_write_host(wish, &text);
    target = wish->vm_count > 0
                 ? text_printf("what follows for %s, planned then", names)
                 : text_dup("partition counts of GPUs that came back, planned then");
    if (!target || text.failed)
        return err_no_memory(err);
    return lock_vms(m, wish->vms, wish->vm_count, err) &&
           plan_add(m->plan, &step_apply_rest, target,
                    json_pack("{s:s, s:O, s:b, s:b, s:b, s:b}", "wish", text.text, "parts",
                              parts, "stop", options->stop, "force_stop",
                              options->force_stop, "start", options->start && !held,
                              "no_drivers", options->no_drivers),
                    NULL, NULL, NULL, err);
}

static bool add_rest(struct maker *m, bool held, struct err *err)
{
    CLEANUP(free_cleanup)
    struct desired_vm *vms = calloc(m->c->wanted->vm_count + 1, sizeof(*vms));
    CLEANUP(strbuf_cleanup) struct strbuf names = STRBUF_INIT;
    struct desired_host wish = *m->c->wanted;
    json_t *parts = json_array();
    bool ok = (vms && parts) || err_no_memory(err);

    if (ok) {
        wish.vms = vms;
        wish.vm_count = collect_later(m, held, vms, parts, &names);
        wish.comment = NULL;
        if (names.failed || json_array_size(parts) != wish.vm_count)
            ok = err_no_memory(err);
    }
    if (ok && (wish.vm_count > 0 || (!held && m->counts_later)))
        ok = add_step(m, held, &wish, names.text, parts, err);
    json_decref(parts);
    return ok;
}

bool plan_rest(struct maker *m, struct err *err)
{
    return add_rest(m, true, err) && add_rest(m, false, err);
}

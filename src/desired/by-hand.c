/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who changed what: where the newest run of this user's hvgpu that touched a thing left it as
 * it is wanted, and it is otherwise now, others changed it since, or somebody by hand.
 */
#include "drift.h"

#include <stdio.h>
#include <string.h>
#include "text.h"

enum {
    PLANS_MAX = 200,    /* that are read again for one host */
    HOST_RUNS_MAX = 50, /* that are looked through for its GPUs */
};

struct memory {
    struct comparison *c;
    const char *host_name;
    json_t *of_host; /* [ids of runs, newest first]: for its GPUs */
    json_t *vms;     /* {GUID in small letters: [ids of runs, newest first]} */
    json_t *plans;   /* {id of a run: its steps} */
    size_t loaded;
};

/* ---- which runs were about which VMs ---- */

static bool note_run(const struct run_info *info, void *user, struct err *err)
{
    struct memory *memory = user;

    (void)err;
    if (info->state != RUN_DONE || !info->lock)
        return true;
    if (text_ieq(info->host, memory->host_name) &&
        json_array_size(memory->of_host) < HOST_RUNS_MAX)
        json_array_append_new(memory->of_host, json_string(info->id));
    for (const char *line = info->lock; *line;) {
        size_t len = strcspn(line, "\n");
        char name[64];
        json_t *runs;

        if (len > 3 && len < sizeof(name) && strncmp(line, "vm-", 3) == 0) {
            memcpy(name, line + 3, len - 3);
            name[len - 3] = '\0';
            text_lower(name);
            runs = json_object_get(memory->vms, name);
            if (runs)
                json_array_append_new(runs, json_string(info->id));
        }
        line += len + (line[len] == '\n');
    }
    return true;
}

static void lower_id(const struct hv_vm *vm, char ret[64])
{
    snprintf(ret, 64, "%s", vm->id);
    text_lower(ret);
}

/* Something that steps of ours could have made. */
static bool is_asked_for(const struct difference *difference)
{
    return difference->kind == DIFF_PARTITION_COUNT ||
           (difference->found_vm && !difference_is_note(difference));
}

static bool collect_runs(struct memory *memory, struct journal *journal, struct err *err)
{
    bool any = false;

    for (size_t i = 0; i < memory->c->count; i++) {
        const struct difference *difference = &memory->c->items[i];
        char id[64];

        any |= is_asked_for(difference);
        if (!difference->found_vm || difference_is_note(difference))
            continue;
        lower_id(difference->found_vm, id);
        if (!json_object_get(memory->vms, id) &&
            json_object_set_new(memory->vms, id, json_array()) != 0)
            return err_no_memory(err);
    }
    return !any || journal_list(journal, note_run, memory, err);
}

/* ---- what a run left ---- */

/* [{kind, params, after}]; lent; NULL: it cannot be read, which is no failure here. */
static const json_t *steps_of(struct memory *memory, struct plan_context *context,
                              const char *id)
{
    json_t *steps = json_object_get(memory->plans, id);
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    struct err ignored = ERR_INIT;

    if (steps || memory->loaded >= PLANS_MAX)
        return steps;
    memory->loaded++;
    plan = journal_load(context->journal, id, false, context->kinds, &ignored);
    steps = json_array();
    for (size_t i = 0; plan && i < plan->step_count; i++)
        json_array_append_new(steps, json_pack("{s:s, s:O?, s:O?}", "kind",
                                               plan->steps[i].kind->name, "params",
                                               plan->steps[i].params, "after",
                                               plan->steps[i].after));
    json_object_set_new(memory->plans, id, steps);
    return steps;
}

static const char *text_at(const json_t *step, const char *key)
{
    return json_string_value(json_object_get(json_object_get(step, "params"), key));
}

static bool is_kind(const json_t *step, const char *kind)
{
    return strcmp(json_string_value(json_object_get(step, "kind")), kind) == 0;
}

/* Whether what the step is about is @gpu: by interface path or by instance id. */
static bool is_about_gpu(const json_t *step, const struct comparison *c,
                         const struct desired_gpu *gpu)
{
    const char *path = text_at(step, "interface_path");
    const char *device = text_at(step, "instance_id");
    CLEANUP(free_cleanup) char *from_path = path ? gpu_instance_from_interface(path) : NULL;
    const char *id = from_path ? from_path : device;
    const struct hv_gpu *found;
    struct desired_use use = { 0 };

    if (!gpu || !id)
        return !gpu || !path; /* any GPU, or an adapter that names none */
    use.gpu = (int)(gpu - c->wanted->gpus);
    found = hv_find_gpu(c->found, id);
    return found ? desired_gpu_matches(c, &use, found)
                 : gpu->instance_id && text_ieq(gpu->instance_id, id);
}

enum verdict_of_run { SAYS_NOTHING, LEFT_SO, LEFT_OTHERWISE };

static enum verdict_of_run judge_setting(const json_t *step,
                                         const struct difference *difference)
{
    const json_t *value =
        json_object_get(json_object_get(step, "after"), difference->setting);
    CLEANUP(free_cleanup) char *text = NULL;

    if (!value)
        return SAYS_NOTHING;
    text = desired_setting_text(difference->setting, value);
    return text && text_ieq(text, difference->wanted) ? LEFT_SO : LEFT_OTHERWISE;
}

static enum verdict_of_run judge_count(const json_t *step, const struct comparison *c,
                                       const struct difference *difference)
{
    const json_t *count =
        json_object_get(json_object_get(step, "after"), "partition_count");
    CLEANUP(free_cleanup) char *text = NULL;

    if (!is_kind(step, "partition-count") || !is_about_gpu(step, c, difference->gpu))
        return SAYS_NOTHING;
    text = text_printf("%lld", (long long)json_integer_value(count));
    return text && text_ieq(text, difference->wanted) ? LEFT_SO : LEFT_OTHERWISE;
}

/* Fewer than are wanted of a GPU that a VM has several of. */
static bool added_too_few(const json_t *step, const struct comparison *c,
                          const struct difference *difference)
{
    json_int_t adapters =
        json_integer_value(json_object_get(json_object_get(step, "after"), "adapters"));
    const struct desired_vm *vm = difference->vm;
    int gpu = difference->gpu ? (int)(difference->gpu - c->wanted->gpus) : DESIRED_ANY_GPU;

    for (size_t u = 0; vm && u < vm->use_count; u++)
        if (vm->uses[u].gpu == gpu)
            return adapters < (json_int_t)vm->uses[u].count;
    return false;
}

static enum verdict_of_run judge_step(const json_t *step, const struct comparison *c,
                                      const struct difference *difference)
{
    bool whole = difference->wanted && strstr(difference->wanted, "(dda)");
    bool adds = is_kind(step, "adapter-add"), assigns = is_kind(step, "device-add");
    bool removes = is_kind(step, "adapter-remove") || is_kind(step, "device-remove");

    if (difference->kind == DIFF_PARTITION_COUNT)
        return judge_count(step, c, difference);
    if (!text_ieq(text_at(step, "vm"), difference->found_vm->id))
        return SAYS_NOTHING;
    switch (difference->kind) {
    case DIFF_ADAPTER_MISSING:
    case DIFF_WRONG_GPU:
    case DIFF_MODE:
        if (!(adds || assigns || removes) || !is_about_gpu(step, c, difference->gpu))
            return SAYS_NOTHING;
        if (adds && added_too_few(step, c, difference))
            return LEFT_OTHERWISE;
        return (whole ? assigns : adds) ? LEFT_SO : LEFT_OTHERWISE;
    case DIFF_ADAPTER_EXTRA:
        return removes ? LEFT_SO : adds || assigns ? LEFT_OTHERWISE : SAYS_NOTHING;
    case DIFF_MMIO:
    case DIFF_SETTING:
        return is_kind(step, "vm-settings") ? judge_setting(step, difference)
                                            : SAYS_NOTHING;
    default:
        return SAYS_NOTHING;
    }
}

/* The last step of a run that says something about it. */
static enum verdict_of_run judge_run(const json_t *steps, const struct comparison *c,
                                     const struct difference *difference)
{
    for (size_t i = json_array_size(steps); i-- > 0;) {
        enum verdict_of_run verdict = judge_step(json_array_get(steps, i), c, difference);

        if (verdict != SAYS_NOTHING)
            return verdict;
    }
    return SAYS_NOTHING;
}

static void find_run(struct memory *memory, struct plan_context *context,
                     struct difference *difference)
{
    const json_t *runs = memory->of_host, *id;
    char vm[64];
    size_t i;

    if (difference->found_vm) {
        lower_id(difference->found_vm, vm);
        runs = json_object_get(memory->vms, vm);
    }
    json_array_foreach(runs, i, id)
    {
        const json_t *steps = steps_of(memory, context, json_string_value(id));
        enum verdict_of_run verdict =
            steps ? judge_run(steps, memory->c, difference) : SAYS_NOTHING;

        if (verdict == LEFT_SO)
            snprintf(difference->run, sizeof(difference->run), "%s", json_string_value(id));
        if (verdict != SAYS_NOTHING)
            return;
    }
}

bool desired_find_runs(struct plan_context *context, const char *host_name,
                       struct comparison *c, struct err *err)
{
    struct memory memory = { .c = c,
                             .host_name = host_name,
                             .of_host = json_array(),
                             .vms = json_object(),
                             .plans = json_object() };
    bool ok = (memory.vms && memory.plans && memory.of_host) || err_no_memory(err);

    ok = ok && collect_runs(&memory, context->journal, err);
    for (size_t i = 0; ok && i < c->count; i++)
        if (is_asked_for(&c->items[i]))
            find_run(&memory, context, &c->items[i]);
    json_decref(memory.of_host);
    json_decref(memory.vms);
    json_decref(memory.plans);
    return ok;
}

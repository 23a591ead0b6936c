/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many hosts, a plan and a run each; threads only while hosts are asked or changed. */

#include "fleet.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "change.h"
#include "connect.h"
#include "finding-view.h"
#include "os.h"
#include "progress-bar.h"
#include "session.h"
#include "text.h"
#include "tr.h"

enum { JOBS_DEFAULT = 16, LOOK_MS = 200 };

static bool open_hosts(const struct invocation *in, const struct host_list *hosts,
                       struct fleet *ret, struct err *err)
{
    *ret = (struct fleet){ .in = in, .findings = json_array() };
    ret->hosts = calloc(hosts->count + 1, sizeof(*ret->hosts));
    if (!ret->hosts || !ret->findings) {
        fleet_close(ret);
        return err_no_memory(err);
    }
    ret->count = hosts->count;
    for (size_t i = 0; i < ret->count; i++)
        ret->hosts[i] = (struct fleet_host){ .fleet = ret,
                                             .target = &hosts->items[i],
                                             .name = hosts->items[i].name,
                                             .err = ERR_INIT };
    return true;
}

bool fleet_open(const struct invocation *in, struct fleet *ret, struct err *err)
{
    return open_hosts(in, in->connector->hosts, ret, err);
}

bool fleet_open_to_look(const struct invocation *in, const struct host_list *hosts,
                        struct fleet *ret, struct err *err)
{
    if (!open_hosts(in, hosts, ret, err))
        return false;
    ret->only_looks = true;
    return true;
}

void fleet_close(struct fleet *fleet)
{
    for (size_t i = 0; fleet->hosts && i < fleet->count; i++)
        plan_free(fleet->hosts[i].plan);
    free(fleet->hosts);
    json_decref(fleet->findings);
    json_decref(fleet->members);
    *fleet = (struct fleet){ 0 };
}

/* ---- on all of them at once ---- */

struct crowd {
    struct fleet *fleet;
    fleet_work_fn *work;
    bool (*wants)(const struct fleet_host *host);
    pthread_mutex_t lock; /* of what follows, and of the output */
    pthread_cond_t changed;
    size_t next, finished, total;
    unsigned interrupts; /* when it began */
};

static bool work_on(struct crowd *crowd, struct fleet_host *host, struct err *err)
{
    const struct invocation *in = crowd->fleet->in;
    bool only_looks = crowd->fleet->only_looks || !(in->command->flags & CMD_CHANGES);
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    bool ok;

    if (os_interrupt_count() != crowd->interrupts)
        return err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
    if (!only_looks && !change_may_begin(in, host->target, err))
        return false;
    session = connector_open(in->connector, host->target, err);
    if (!session)
        return false;
    if (only_looks) {
        host->context.session = session;
        ok = crowd->work(host, err);
        host->context = (struct plan_context){ 0 };
        return ok;
    }
    if (!command_context_open(in, session, &host->context, err))
        return false;
    host->crowd = crowd;
    host->context.progress = NULL; /* the bar belongs to the thread that waits */
    if (crowd->fleet->prepare)
        crowd->fleet->prepare(&host->context);
    ok = crowd->work(host, err);
    if (crowd->fleet->clear)
        crowd->fleet->clear(&host->context);
    command_context_close(&host->context);
    host->context = (struct plan_context){ 0 };
    return ok;
}

static void *work(void *user)
{
    struct crowd *crowd = user;

    pthread_mutex_lock(&crowd->lock);
    while (crowd->next < crowd->fleet->count) {
        struct fleet_host *host = &crowd->fleet->hosts[crowd->next++];
        struct err why = ERR_INIT;
        bool ok;

        if (!crowd->wants(host))
            continue;
        pthread_mutex_unlock(&crowd->lock);
        ok = work_on(crowd, host, &why);
        pthread_mutex_lock(&crowd->lock);
        host->failed = !ok;
        if (!ok)
            host->err = why;
        crowd->finished++;
        pthread_cond_broadcast(&crowd->changed);
    }
    pthread_mutex_unlock(&crowd->lock);
    return NULL;
}

/* A look now and then keeps the time of the bar going. */
static void wait_for_all(struct crowd *crowd, const char *what)
{
    pthread_mutex_lock(&crowd->lock);
    while (crowd->finished < crowd->total) {
        struct timespec until;

        if (crowd->total > 1)
            (void)progress_report(crowd->fleet->in->progress, what, PROGRESS_ITEMS,
                                  crowd->finished, crowd->total, &(struct err){ 0 });
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&crowd->changed, &crowd->lock, &until);
    }
    if (crowd->fleet->in->progress)
        progress_bar_clear((struct progress_bar *)crowd->fleet->in->progress);
    pthread_mutex_unlock(&crowd->lock);
}

static bool run_crowd(struct crowd *crowd, const char *what, struct err *err)
{
    struct fleet *fleet = crowd->fleet;
    uint64_t jobs = JOBS_DEFAULT;
    CLEANUP(free_cleanup) pthread_t *threads = NULL;
    size_t started = 0;

    if (!option_get_u64(fleet->in, "jobs", &jobs, err))
        return false;
    for (size_t i = 0; i < fleet->count; i++)
        crowd->total += crowd->wants(&fleet->hosts[i]);
    if (crowd->total == 0)
        return true;
    if (jobs > crowd->total)
        jobs = crowd->total;
    threads = calloc(jobs, sizeof(*threads));
    if (!threads)
        return err_no_memory(err);
    while (started < jobs && pthread_create(&threads[started], NULL, work, crowd) == 0)
        started++;
    if (started == 0)
        return err_fail(err, ERR_SYSTEM, 0, "no thread could be started");
    wait_for_all(crowd, what);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return true;
}

static struct crowd new_crowd(struct fleet *fleet, fleet_work_fn *work_fn,
                              bool (*wants)(const struct fleet_host *host))
{
    return (struct crowd){ .fleet = fleet,
                           .work = work_fn,
                           .wants = wants,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER,
                           .interrupts = os_interrupt_count() };
}

static bool has_not_failed(const struct fleet_host *host)
{
    return !host->failed && (!host->fleet->wants || host->fleet->wants(host));
}

bool fleet_each(struct fleet *fleet, const char *what, fleet_work_fn *work_fn,
                struct err *err)
{
    struct crowd crowd = new_crowd(fleet, work_fn, has_not_failed);

    if (!run_crowd(&crowd, what, err))
        return false;
    /* What was asked for before changes is not asked for to make them all the same. */
    return os_interrupt_count() == crowd.interrupts ||
           err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
}

/* ---- what there is to do ---- */

static bool has_steps(const struct fleet_host *host)
{
    return !host->failed && host->plan && host->plan->step_count > 0;
}

static bool is_error(const json_t *finding)
{
    const char *severity = json_string_value(json_object_get(finding, "severity"));

    return severity && strcmp(severity, "error") == 0;
}

static bool has_error_findings(const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding) if (is_error(finding)) return true;
    return false;
}

static bool is_forbidden(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->hosts[i].plan && plan_has_errors(fleet->hosts[i].plan))
            return true;
    return has_error_findings(fleet->findings);
}

static size_t count_hosts(const struct fleet *fleet,
                          bool (*is_so)(const struct fleet_host *host))
{
    size_t count = 0;

    for (size_t i = 0; i < fleet->count; i++)
        count += is_so(&fleet->hosts[i]);
    return count;
}

static bool has_failed(const struct fleet_host *host)
{
    return host->failed;
}

int fleet_status(const struct fleet *fleet)
{
    size_t failed = count_hosts(fleet, has_failed);

    if (failed == 0)
        return STATUS_DONE;
    return failed == fleet->count ? STATUS_FAILED : STATUS_SOME;
}

/* ---- showing ---- */

static json_t *host_document(const struct fleet_host *host)
{
    json_t *entry = json_pack("{s:s, s:o, s:o}", "host", host->name, "error",
                              host->failed ? error_to_json(&host->err) : json_null(),
                              "plan", host->plan ? plan_to_json(host->plan) : json_null());

    return entry;
}

/* The only host's own document, or that of all. */
static bool show_json(const struct fleet *fleet, const struct err *why, struct err *err)
{
    const struct fleet_host *first = &fleet->hosts[0];
    json_t *document, *hosts;

    if (fleet->count == 1 && !fleet->members) {
        if (!why && first->failed)
            why = &first->err;
        document = first->plan ? plan_document(first->plan)
                               : json_pack("{s:s}", "schema", "hvgpu/1");
    } else {
        hosts = json_array();
        for (size_t i = 0; i < fleet->count; i++)
            json_array_append_new(hosts, host_document(&fleet->hosts[i]));
        document = json_pack("{s:s, s:o, s:O}", "schema", "hvgpu/1", "hosts", hosts,
                             "findings", fleet->findings);
        if (document && fleet->members)
            json_object_update(document, fleet->members);
    }
    if (document && why &&
        json_object_set_new(document, "error", error_to_json(why)) != 0) {
        json_decref(document);
        document = NULL;
    }
    return output_json(fleet->in->out, document, err);
}

bool fleet_show_json(const struct fleet *fleet, struct err *err)
{
    return show_json(fleet, NULL, err);
}

void fleet_say_failures(struct fleet *fleet)
{
    char said[ERR_TEXT] = "";

    for (size_t i = 0; i < fleet->count; i++) {
        struct err why = fleet->hosts[i].err;

        if (!fleet->hosts[i].failed || fleet->hosts[i].was_told)
            continue;
        /* A rack that is off needs its advice once. */
        if (strcmp(why.hint, said) == 0)
            why.hint[0] = '\0';
        else
            memcpy(said, why.hint, sizeof(said));
        output_host_error(fleet->in->out, fleet->hosts[i].name, &why);
        fleet->hosts[i].was_told = true;
    }
}

static void show_set_findings(const struct fleet *fleet, size_t first)
{
    for (size_t i = first; i < json_array_size(fleet->findings); i++)
        finding_view(fleet->in->out, json_array_get(fleet->findings, i), true);
}

/* With what was seen: whose GPU, which VMs. */
static void show_findings(const struct fleet *fleet, const struct fleet_host *host,
                          size_t first)
{
    for (size_t i = first; i < json_array_size(host->plan->findings); i++) {
        const json_t *finding = json_array_get(host->plan->findings, i);
        const char *id = json_string_value(json_object_get(finding, "id"));

        if (!fleet->explained || !id || strcmp(id, fleet->explained) != 0)
            finding_view(fleet->in->out, finding, true);
    }
}

static void show_plan(const struct fleet *fleet, const struct fleet_host *host)
{
    output_heading(fleet->in->out, host->plan->title);
    plan_view_steps(fleet->in->out, host->plan);
    show_findings(fleet, host, 0);
}

static void show_plans(const struct fleet *fleet)
{
    struct output *out = fleet->in->out;
    bool any = false;

    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_host *host = &fleet->hosts[i];

        if (host->failed || !host->plan)
            continue;
        if (fleet->count > 1 && host->plan->step_count == 0 &&
            json_array_size(host->plan->findings) == 0) {
            output_text(out, "%s%s: %s\n", any ? "\n" : "", host->name, _("nothing to do"));
            any = true;
            continue;
        }
        if (fleet->count > 1)
            output_text(out, "%s%s:\n", any ? "\n" : "", host->name);
        show_plan(fleet, host);
        any = true;
    }
    if (fleet->explain)
        fleet->explain(fleet);
    show_set_findings(fleet, 0);
}

static void show_powershell(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++) {
        if (!has_steps(&fleet->hosts[i]))
            continue;
        if (fleet->count > 1)
            output_text(fleet->in->out, "%s# %s\n", i ? "\n" : "", fleet->hosts[i].name);
        plan_view_powershell(fleet->in->out, fleet->hosts[i].plan);
    }
}

/* ---- running ---- */

/* Whoever stops it stops all of it: the flag itself is forgotten by the first that takes its
 * changes back, which must not be stopped again. */
static bool was_stopped(void *user)
{
    const struct crowd *crowd = user;

    return os_interrupt_count() != crowd->interrupts;
}

static bool on_step(const struct plan *plan, const struct step *step, const char *what,
                    void *user)
{
    struct crowd *crowd = user;
    const struct invocation *in = crowd->fleet->in;
    CLEANUP(free_cleanup) char *target = NULL;

    if (in->quiet || in->json || strcmp(what, "doing") == 0 || strcmp(what, "undoing") == 0)
        return true;
    target = clean_text(step->target, 0);
    pthread_mutex_lock(&crowd->lock);
    if (in->progress)
        progress_bar_clear((struct progress_bar *)in->progress);
    output_text(in->out, "  %s%s[%u/%zu] %s: %s\n",
                crowd->fleet->count > 1 ? plan->host : "",
                crowd->fleet->count > 1 ? " " : "", step->n, plan->step_count,
                strcmp(what, "done") == 0     ? _("done")
                : strcmp(what, "undone") == 0 ? _("undone")
                                              : what,
                target ? target : "");
    fflush(in->out->text);
    pthread_mutex_unlock(&crowd->lock);
    return true;
}

static bool run_host(struct fleet_host *host, struct err *err)
{
    struct fleet *fleet = host->fleet;

    host->context.on_step = on_step;
    host->context.step_user = host->crowd;
    host->context.is_cancelled = was_stopped;
    host->context.cancel_user = host->crowd;
    if (!command_context_use(&host->context, host->plan, err) ||
        !plan_run(host->plan, &host->context, err))
        return false;
    host->was_run = true;
    return !fleet->after_host || fleet->after_host(host, err);
}

static bool run_plans(struct fleet *fleet, struct err *err)
{
    struct crowd crowd = new_crowd(fleet, run_host, has_steps);

    return run_crowd(&crowd, "hosts", err);
}

/* ---- how it ends ---- */

static void say_done(const struct fleet *fleet, size_t findings_before)
{
    struct output *out = fleet->in->out;

    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_host *host = &fleet->hosts[i];

        if (!host->was_run)
            continue;
        if (fleet->count > 1)
            output_text(out, "%s: ", host->name);
        output_text(out, _("%sDone.%s  Take it back with: hvgpu undo %s\n"),
                    style_on(out, STYLE_GOOD), style_off(out, STYLE_GOOD), host->plan->id);
        show_findings(fleet, host, host->findings_shown);
    }
    show_set_findings(fleet, findings_before);
}

static bool finish(struct fleet *fleet, size_t findings_before, struct err *err)
{
    fleet_say_failures(fleet);
    if (fleet->in->json)
        return show_json(fleet, NULL, err);
    say_done(fleet, findings_before);
    return true;
}

/* What forbids it, with what was seen of it: that says what to do. */
static bool refuse(struct fleet *fleet, struct err *err)
{
    struct err why = ERR_INIT;

    err_fail(&why, ERR_CONFLICT, 0, "the checks found what forbids it");
    err_wrap(&why, "nothing was changed");
    fleet_say_failures(fleet);
    if (fleet->in->json)
        return show_json(fleet, &why, err);
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_host *host = &fleet->hosts[i];
        const json_t *finding;
        size_t f;

        if (!host->plan || !plan_has_errors(host->plan))
            continue;
        if (fleet->count > 1)
            output_text(fleet->in->out, "%s:\n", host->name);
        json_array_foreach(host->plan->findings, f, finding) if (is_error(finding))
            finding_view(fleet->in->out, finding, true);
    }
    show_set_findings(fleet, 0);
    fflush(fleet->in->out->text);
    output_error(fleet->in->out, NULL, &why);
    return true;
}

static bool show_dry(struct fleet *fleet, const char *form, struct err *err)
{
    fleet_say_failures(fleet);
    if (fleet->in->json)
        return show_json(fleet, NULL, err);
    if (*form)
        show_powershell(fleet);
    else
        show_plans(fleet);
    return true;
}

bool fleet_carry_out(struct fleet *fleet, int *ret_exit, struct err *err)
{
    const struct invocation *in = fleet->in;
    const char *dry = option_get(in, "dry-run");
    size_t findings = json_array_size(fleet->findings);
    bool go = false;

    *ret_exit = STATUS_FAILED;
    if (is_forbidden(fleet))
        return refuse(fleet, err);
    if (count_hosts(fleet, has_steps) == 0) {
        *ret_exit = fleet_status(fleet);
        if (!in->json && *ret_exit != STATUS_FAILED) {
            show_plans(fleet);
            output_text(in->out, "%s\n", _("Nothing to do: it is so already."));
        }
        return finish(fleet, findings, err);
    }
    if (dry) {
        *ret_exit = fleet_status(fleet);
        return show_dry(fleet, dry, err);
    }
    if (!in->quiet && !in->json) {
        fleet_say_failures(fleet);
        show_plans(fleet);
    }
    if (!command_ask(in, _("Do this?"), &go, ret_exit, err))
        return false;
    if (!go)
        return true;

    *ret_exit = STATUS_FAILED;
    for (size_t i = 0; i < fleet->count; i++) {
        struct fleet_host *host = &fleet->hosts[i];

        host->findings_shown = host->plan ? json_array_size(host->plan->findings) : 0;
    }
    if (!run_plans(fleet, err) || (fleet->after_all && !fleet->after_all(fleet, err)))
        return false;
    *ret_exit = fleet_status(fleet);
    return finish(fleet, findings, err);
}

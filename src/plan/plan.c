/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans as data: making them, adding steps and findings, showing them as JSON. */

#include "plan.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "text.h"

enum { NUMBER_MAX = 0xFFFF }; /* the last part of an id */

/* clang-format off */
static const char *const state_names[] = {
    [STEP_PENDING] = "pending",
    [STEP_STARTED] = "started",
    [STEP_DONE] = "done",
    [STEP_UNDONE] = "undone",
};
/* clang-format on */

const char *step_state_name(enum step_state state)
{
    return (size_t)state < ARRAY_LEN(state_names) ? state_names[state] : "unknown";
}

/* Days since 1601-01-01 to year, month, day (Gregorian, proleptic). */
static void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
    /* Shifted so that years begin in March and 400-year eras at 0000-03-01. */
    int64_t shifted = days + 584694;
    int64_t era = shifted / 146097;
    unsigned day_of_era = (unsigned)(shifted % 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted_month = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = (int)(era * 400 + year_of_era + (*month <= 2));
}

/* No id twice in this process: a fleet makes hundreds of plans within a second, so that chance
 * alone would soon give two of them the same. */
static unsigned unused_number(int64_t second, unsigned chance)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint8_t used[(NUMBER_MAX + 1) / 8];
    static int64_t when;
    unsigned tries = 0;

    pthread_mutex_lock(&lock);
    if (second != when)
        memset(used, 0, sizeof(used));
    when = second;
    while ((used[chance / 8] >> chance % 8 & 1) && tries++ < NUMBER_MAX)
        chance = (chance + 1) & NUMBER_MAX;
    used[chance / 8] |= (uint8_t)(1u << chance % 8);
    pthread_mutex_unlock(&lock);
    return chance;
}

static void make_id(char id[24])
{
    int64_t seconds = os_now_usec() / 1000000;
    unsigned of_day = (unsigned)(seconds % 86400);
    unsigned month, day;
    uint8_t chance[2] = { 0, 0 };
    int year;

    civil_from_days(seconds / 86400, &year, &month, &day);
    os_random(chance, sizeof(chance));
    snprintf(id, 24, "%04u%02u%02u-%02u%02u%02u-%04x", (unsigned)year % 10000, month % 100,
             day % 100, of_day / 3600 % 24, of_day / 60 % 60, of_day % 60,
             unused_number(seconds, (unsigned)chance[0] << 8 | chance[1]) & NUMBER_MAX);
}

struct plan *plan_new(const char *host, const char *title, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = calloc(1, sizeof(*plan));

    if (plan) {
        plan->host = text_dup(host ? host : "");
        plan->title = text_dup(title ? title : "");
        plan->findings = json_array();
    }
    if (!plan || !plan->host || !plan->title || !plan->findings) {
        err_no_memory(err);
        return NULL;
    }
    make_id(plan->id);
    return TAKE(plan);
}

static void clear_step(struct step *step)
{
    free(step->target);
    free(step->powershell);
    json_decref(step->params);
    json_decref(step->before);
    json_decref(step->after);
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->step_count; i++)
        clear_step(&plan->steps[i]);
    free(plan->steps);
    free(plan->host);
    free(plan->title);
    free(plan->lock);
    json_decref(plan->findings);
    free(plan);
}

struct step *plan_add(struct plan *plan, const struct step_kind *kind, const char *target,
                      json_t *params, json_t *before, json_t *after, const char *powershell,
                      struct err *err)
{
    struct step step = {
        .n = (unsigned)plan->step_count + 1,
        .kind = kind,
        .target = text_dup(target ? target : ""),
        .params = params ? params : json_object(),
        .before = before ? before : json_null(),
        .after = after ? after : json_null(),
        .powershell = text_dup(powershell),
    };
    struct step *steps = realloc(plan->steps, (plan->step_count + 1) * sizeof(*steps));

    if (steps)
        plan->steps = steps;
    if (!steps || !step.target || !step.params || (powershell && !step.powershell)) {
        clear_step(&step);
        err_no_memory(err);
        return NULL;
    }
    steps[plan->step_count] = step;
    return &steps[plan->step_count++];
}

void plan_part(struct plan *plan, json_int_t part)
{
    /* Without memory for it the step is connected with all others, which is safe. */
    for (size_t i = 0; part > 0 && i < plan->step_count; i++)
        json_object_set_new(plan->steps[i].params, "part", json_integer(part));
}

json_int_t plan_part_of(const struct step *step)
{
    return json_integer_value(json_object_get(step->params, "part"));
}

bool plan_splice(struct plan *plan, size_t at, struct plan *more, struct err *err)
{
    size_t count = plan->step_count + more->step_count;
    struct step *steps;

    if (more->step_count > 0) {
        steps = realloc(plan->steps, count * sizeof(*steps));
        if (!steps)
            return err_no_memory(err);
        plan->steps = steps;
        memmove(&steps[at + more->step_count], &steps[at],
                (plan->step_count - at) * sizeof(*steps));
        memcpy(&steps[at], more->steps, more->step_count * sizeof(*steps));
        plan->step_count = count;
        more->step_count = 0;
        for (size_t i = 0; i < count; i++)
            steps[i].n = (unsigned)i + 1;
    }
    if (json_array_extend(plan->findings, more->findings) != 0)
        return err_no_memory(err);
    return true;
}

static bool take_locks(struct plan *to, const struct plan *from, struct err *err)
{
    for (const char *line = from->lock ? from->lock : ""; *line;) {
        size_t len = strcspn(line, "\n");
        CLEANUP(free_cleanup) char *one = text_ndup(line, len);

        if (!one)
            return err_no_memory(err);
        if (!plan_lock(to, one, err))
            return false;
        line += len + (line[len] == '\n');
    }
    return true;
}

static bool has_finding(const json_t *findings, const json_t *one)
{
    for (size_t i = 0; i < json_array_size(findings); i++)
        if (json_equal(json_array_get(findings, i), one))
            return true;
    return false;
}

bool plan_append(struct plan *plan, struct plan *more, struct err *err)
{
    for (size_t i = json_array_size(more->findings); i-- > 0;)
        if (has_finding(plan->findings, json_array_get(more->findings, i)))
            json_array_remove(more->findings, i);
    return take_locks(plan, more, err) && plan_splice(plan, plan->step_count, more, err);
}

bool plan_find(struct plan *plan, const char *id, const char *severity, const char *subject,
               const char *evidence, const char *cause, const char *fix, const char *source,
               struct err *err)
{
    json_t *lines = json_array();
    json_t *finding;

    if (evidence && lines)
        json_array_append_new(lines, json_string(evidence));
    finding = json_pack("{s:s, s:s, s:s?, s:o, s:s?, s:s?, s:s?}", "id", id, "severity",
                        severity, "subject", subject, "evidence", lines, "cause", cause,
                        "fix", fix, "source", source);
    if (!finding || json_array_append_new(plan->findings, finding) != 0)
        return err_no_memory(err);
    return true;
}

const char *plan_first_error(const struct plan *plan, const char **ret_fix)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(plan->findings, i, finding)
    {
        const char *severity = json_string_value(json_object_get(finding, "severity"));
        const char *cause = json_string_value(json_object_get(finding, "cause"));

        if (!severity || strcmp(severity, "error") != 0)
            continue;
        if (ret_fix)
            *ret_fix = json_string_value(json_object_get(finding, "fix"));
        return cause ? cause : json_string_value(json_object_get(finding, "id"));
    }
    return NULL;
}

bool plan_locks(const char *lock, const char *what)
{
    size_t wanted = strlen(what);

    for (const char *line = lock; line && *line;) {
        size_t len = strcspn(line, "\n");

        if (len == wanted && memcmp(line, what, len) == 0)
            return true;
        line += len + (line[len] == '\n');
    }
    return false;
}

bool plan_lock(struct plan *plan, const char *what, struct err *err)
{
    char *lock;

    if (plan_locks(plan->lock, what))
        return true;
    lock = plan->lock ? text_printf("%s\n%s", plan->lock, what) : text_dup(what);
    if (!lock)
        return err_no_memory(err);
    free(plan->lock);
    plan->lock = lock;
    return true;
}

bool plan_has_errors(const struct plan *plan)
{
    return plan_first_error(plan, NULL) != NULL;
}

bool plan_needs_host(const struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (!(plan->steps[i].kind->flags & STEP_NO_HOST))
            return true;
    return plan->step_count == 0;
}

bool plan_only_looks(const struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (!(plan->steps[i].kind->flags & STEP_PRIVATE))
            return false;
    return plan->step_count > 0;
}

json_t *plan_to_json(const struct plan *plan)
{
    json_t *steps = json_array();

    for (size_t i = 0; steps && i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];

        json_array_append_new(
            steps, json_pack("{s:i, s:s, s:s, s:O, s:O, s:s?, s:s}", "n", (int)step->n,
                             "kind", step->kind->name, "target", step->target, "before",
                             step->before, "after", step->after, "powershell",
                             step->powershell, "state", step_state_name(step->state)));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:O}", "id", plan->id, "host", plan->host,
                     "title", plan->title, "steps", steps, "findings", plan->findings);
}

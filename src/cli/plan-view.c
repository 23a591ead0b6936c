/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan looks like on a screen. */
#include <string.h>

#include "command.h"
#include "finding-view.h"
#include "json-view.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

/* "52 files, 3.4 MB": what a step puts somewhere, when it says how much it is; the rest of
 * an object (hashes, times) is for machines. */
static bool put_amount(struct strbuf *to, const json_t *value)
{
    const json_t *files = json_object_get(value, "files");
    const json_t *size = json_object_get(value, "size_bytes");
    char text[24];

    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return false;
    if (json_is_integer(files))
        strbuf_printf(to, _("%lld files, "), (long long)json_integer_value(files));
    strbuf_puts(to, size_text(text, (uint64_t)json_integer_value(size)));
    return true;
}

static void put_value(struct strbuf *to, const char *key, const json_t *value)
{
    if (json_is_array(value))
        strbuf_printf(to, _("%zu items"), json_array_size(value));
    else if (!json_is_object(value))
        view_put_as(to, key, value);
    else if (!put_amount(to, value))
        strbuf_printf(to, _("%zu values"), json_object_size(value));
}

static void view_change(struct output *out, const char *key, const json_t *before,
                        const json_t *after)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    CLEANUP(free_cleanup) char *clean = NULL;

    if (before && after && json_equal(before, after))
        return;
    if (*key)
        strbuf_printf(&line, "%s: ", key);
    put_value(&line, key, before);
    strbuf_puts(&line, " → ");
    put_value(&line, key, after);
    clean =
        line.text ? clean_text(line.text, out->columns > 6 ? out->columns - 6 : 0) : NULL;
    output_text(out, "      %s%s%s\n", style_on(out, STYLE_FAINT), clean ? clean : "",
                style_off(out, STYLE_FAINT));
}

static void view_step(struct output *out, const struct step *step, enum plan_way way)
{
    CLEANUP(free_cleanup) char *target = clean_text(step->target, 0);
    const json_t *from = way == PLAN_BACK ? step->after : step->before;
    const json_t *to = way == PLAN_BACK ? step->before : step->after;
    /* What is not there is null; the keys are those of the side that is. */
    json_t *keys = json_is_object(step->after) ? step->after : step->before;
    const char *key;
    json_t *value;

    output_text(out, "  %2u. %s\n", step->n, target ? target : "");
    if (!json_is_object(keys) || (!json_is_object(from) && !json_is_null(from)) ||
        (!json_is_object(to) && !json_is_null(to)))
        return;
    json_object_foreach(keys, key, value)
        view_change(out, key, json_object_get(from, key), json_object_get(to, key));
}

void plan_view_findings(struct output *out, const struct plan *plan, size_t first)
{
    for (size_t i = first; i < json_array_size(plan->findings); i++)
        finding_view(out, json_array_get(plan->findings, i), false);
}

void plan_view(struct output *out, const struct plan *plan, enum plan_way way)
{
    size_t i;

    output_heading(out, plan->title);
    if (way == PLAN_BACK) {
        for (i = plan->step_count; i-- > 0;)
            if (plan->steps[i].state == STEP_STARTED || plan->steps[i].state == STEP_DONE)
                view_step(out, &plan->steps[i], way);
        return;
    }
    plan_view_steps(out, plan);
    plan_view_findings(out, plan, 0);
}

void plan_view_steps(struct output *out, const struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        view_step(out, &plan->steps[i], PLAN_FORWARD);
}

void plan_view_powershell(struct output *out, const struct plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        CLEANUP(free_cleanup) char *target = clean_text(step->target, 0);

        if (step->powershell)
            output_text(out, "%s\n", step->powershell);
        else
            output_text(out, "# %u: %s\n", step->n, target ? target : "");
    }
}

json_t *plan_document(const struct plan *plan)
{
    return json_pack("{s:s, s:o}", "schema", "hvgpu/1", "plan", plan_to_json(plan));
}

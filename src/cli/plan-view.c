/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan looks like on a screen. */

#include <inttypes.h>
#include <string.h>

#include "command.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

enum { VALUE_MAX = 60 };

/* A value for people; sizes by the name they have in plans. */
static void put_value(struct strbuf *to, const char *key, const json_t *value)
{
    size_t len = strlen(key);
    char size[24];

    if (!value || json_is_null(value)) {
        strbuf_puts(to, "-");
    } else if (json_is_integer(value) && json_integer_value(value) >= 0 && len > 6 &&
               strcmp(key + len - 6, "_bytes") == 0) {
        strbuf_puts(to, size_text(size, (uint64_t)json_integer_value(value)));
    } else if (json_is_string(value)) {
        strbuf_puts(to, json_string_value(value));
    } else {
        CLEANUP(free_cleanup)
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        CLEANUP(free_cleanup) char *cut = text ? clean_text(text, VALUE_MAX) : NULL;

        strbuf_puts(to, cut ? cut : "?");
    }
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

static void view_step(struct output *out, const struct step *step)
{
    CLEANUP(free_cleanup) char *target = clean_text(step->target, 0);
    const char *key;
    json_t *value;

    output_text(out, "  %2u. %s\n", step->n, target ? target : "");
    if (json_is_object(step->before) && json_is_object(step->after)) {
        json_object_foreach(step->after, key, value)
            view_change(out, key, json_object_get(step->before, key), value);
    } else if (json_is_object(step->after) && json_is_null(step->before)) {
        json_object_foreach(step->after, key, value) view_change(out, key, NULL, value);
    }
}

static void view_finding(struct output *out, const json_t *finding)
{
    static const struct {
        const char *severity;
        enum style style;
    } styles[] = { { "ok", STYLE_GOOD },
                   { "warning", STYLE_WARN },
                   { "error", STYLE_BAD } };
    const char *severity = json_string_value(json_object_get(finding, "severity"));
    const char *cause = json_string_value(json_object_get(finding, "cause"));
    const char *fix = json_string_value(json_object_get(finding, "fix"));
    CLEANUP(free_cleanup) char *said = clean_text(cause ? cause : "", 0);
    CLEANUP(free_cleanup) char *todo = clean_text(fix ? fix : "", 0);
    enum style style = STYLE_PLAIN;

    for (size_t i = 0; severity && i < ARRAY_LEN(styles); i++)
        if (strcmp(styles[i].severity, severity) == 0)
            style = styles[i].style;
    output_text(out, "  %s%s%s: %s\n", style_on(out, style), severity ? severity : "?",
                style_off(out, style), said ? said : "");
    if (todo && *todo)
        output_text(out, "      → %s\n", todo);
}

void plan_view(struct output *out, const struct plan *plan)
{
    json_t *finding;
    size_t i;

    output_heading(out, plan->title);
    for (i = 0; i < plan->step_count; i++)
        view_step(out, &plan->steps[i]);
    json_array_foreach(plan->findings, i, finding) view_finding(out, finding);
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

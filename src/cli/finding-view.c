/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows findings. */

#include "finding-view.h"

#include <string.h>

#include "json-view.h"
#include "tr.h"

static const struct {
    const char *severity, *word;
    enum style style;
} styles[] = {
    { "ok", N_("ok"), STYLE_GOOD },
    { "info", N_("info"), STYLE_PLAIN },
    { "warning", N_("warning"), STYLE_WARN },
    { "error", N_("error"), STYLE_BAD },
};

static void view_evidence(struct output *out, const json_t *finding)
{
    const json_t *line;
    size_t i;

    json_array_foreach(json_object_get(finding, "evidence"), i, line)
    {
        CLEANUP(free_cleanup) char *text = clean_text(json_string_value(line), 0);

        output_text(out, "      %s\n", text ? text : "");
    }
}

/* " (gpu-pv, dda)": of a survey, which uses it is about. */
static void put_uses(struct strbuf *to, const json_t *finding)
{
    const json_t *uses = json_object_get(finding, "uses"), *use;
    size_t i;

    json_array_foreach(uses, i, use)
        strbuf_printf(to, "%s%s", i ? ", " : " (", json_string_value(use));
    if (json_array_size(uses) > 0)
        strbuf_puts(to, ")");
}

void finding_view(struct output *out, const json_t *finding, bool with_evidence)
{
    /* Those of a plan are English as they are kept in the journal; a text that is translated
     * already is no msgid and stays. */
    const char *severity = view_text(finding, "severity");
    const char *cause = view_text(finding, "cause");
    const char *fix = view_text(finding, "fix");
    const char *subject = with_evidence ? view_text(finding, "subject") : NULL;
    CLEANUP(free_cleanup) char *said = clean_text(cause ? tr_text(cause) : "", 0);
    CLEANUP(free_cleanup) char *advice = clean_text(fix ? tr_text(fix) : "", 0);
    CLEANUP(free_cleanup) char *whose = clean_text(subject ? subject : "", 0);
    CLEANUP(strbuf_cleanup) struct strbuf uses = STRBUF_INIT;
    enum style style = STYLE_PLAIN;

    if (with_evidence)
        put_uses(&uses, finding);
    for (size_t i = 0; severity && i < ARRAY_LEN(styles); i++)
        if (strcmp(styles[i].severity, severity) == 0) {
            style = styles[i].style;
            severity = _(styles[i].word);
            break;
        }
    output_text(out, "  %s%s%s%s: %s%s%s\n", style_on(out, style),
                severity ? severity : "?", style_off(out, style),
                uses.text ? uses.text : "", whose ? whose : "", whose && *whose ? ": " : "",
                said ? said : "");
    if (with_evidence)
        view_evidence(out, finding);
    if (advice && *advice)
        output_text(out, "      → %s\n", advice);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of findings, and their JSON. */

#include "finding.h"

#include <string.h>

#include "text.h"
#include "tr.h"

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {
        [SEVERITY_OK] = "ok",
        [SEVERITY_INFO] = "info",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_ERROR] = "error",
    };

    return names[severity];
}

static void free_finding(struct finding *finding)
{
    free(finding->subject);
    for (size_t i = 0; i < finding->evidence_count; i++)
        free(finding->evidence[i]);
    free(finding->evidence);
}

void findings_clear(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        free_finding(&findings->items[i]);
    free(findings->items);
    *findings = FINDINGS_INIT;
}

static bool split_lines(struct finding *finding, const char *text, struct err *err)
{
    size_t lines = 1;

    if (!text || !*text)
        return true;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    finding->evidence = calloc(lines, sizeof(*finding->evidence));
    if (!finding->evidence)
        return err_no_memory(err);
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, "\n");

        if (len > 0) {
            finding->evidence[finding->evidence_count] = text_ndup(at, len);
            if (!finding->evidence[finding->evidence_count])
                return err_no_memory(err);
            finding->evidence_count++;
        }
        at += len;
        if (!*at)
            return true;
    }
}

bool findings_add(struct findings *to, const char *id, enum severity severity,
                  const char *subject, const char *evidence, const char *cause,
                  const char *fix, const char *source, struct err *err)
{
    struct finding finding = {
        .id = id, .severity = severity, .cause = cause, .fix = fix, .source = source
    };
    struct finding *items;

    finding.subject = text_dup(subject ? subject : "");
    if (!finding.subject || !split_lines(&finding, evidence, err)) {
        free_finding(&finding);
        return err_no_memory(err);
    }
    items = realloc(to->items, (to->count + 1) * sizeof(*items));
    if (!items) {
        free_finding(&finding);
        return err_no_memory(err);
    }
    to->items = items;
    items[to->count++] = finding;
    return true;
}

bool finding_copy_evidence(struct finding *to, const struct finding *from, struct err *err)
{
    char **copy = calloc(from->evidence_count + 1, sizeof(*copy));

    if (!copy)
        return err_no_memory(err);
    to->evidence = copy;
    for (size_t i = 0; i < from->evidence_count; i++) {
        copy[i] = text_dup(from->evidence[i]);
        if (!copy[i])
            return err_no_memory(err);
        to->evidence_count++;
    }
    return true;
}

const struct finding *findings_find(const struct findings *in, const char *id)
{
    for (size_t i = 0; i < in->count; i++)
        if (strcmp(in->items[i].id, id) == 0)
            return &in->items[i];
    return NULL;
}

enum severity findings_worst(const struct findings *in)
{
    enum severity worst = SEVERITY_OK;

    for (size_t i = 0; i < in->count; i++)
        if (in->items[i].severity > worst)
            worst = in->items[i].severity;
    return worst;
}

/* Names of a host may hold broken text; a finding with '?' says more than none. */
static json_t *text_or_question(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_string("?");
}

json_t *finding_to_json(const struct finding *finding)
{
    json_t *evidence = json_array();
    bool ok = evidence != NULL;

    for (size_t i = 0; ok && i < finding->evidence_count; i++)
        ok = json_array_append_new(evidence, text_or_question(finding->evidence[i])) == 0;
    if (!ok) {
        json_decref(evidence);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:s?, s:s?, s:s?}", "id", finding->id,
                     "severity", severity_name(finding->severity), "subject",
                     text_or_question(finding->subject), "evidence", evidence, "cause",
                     finding->cause ? _(finding->cause) : NULL, "fix",
                     finding->fix ? _(finding->fix) : NULL, "source", finding->source);
}

json_t *findings_to_json(const struct findings *in)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < in->count; i++)
        if (json_array_append_new(list, finding_to_json(&in->items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

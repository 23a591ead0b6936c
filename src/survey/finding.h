/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings: what a check saw, why it matters, what to do about it.
 *
 * A finding's constant texts (cause, fix) are N_() texts and are translated when they are
 * read; its evidence is put together in the user's language when it is found.  JSON is made
 * in a program that does not translate at all (tr.h), so it is English everywhere.
 */
#pragma once

#include <jansson.h>

#include "err.h"

enum severity { SEVERITY_OK, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR };
const char *severity_name(enum severity severity); /* "ok", "info", "warning", "error" */

/* What a finding does to a verdict. */
enum rule_says {
    SAYS_BY_SEVERITY, /* an error no, a warning maybe */
    SAYS_UNKNOWN,     /* a fact is missing without which nobody can say yes or no */
    SAYS_MAYBE,       /* one is missing that this source never has */
};

struct finding {
    const char *id; /* stable: in JSON and in the manual; static */
    enum severity severity;
    enum rule_says says;
    unsigned uses;   /* GPU_MODE_* it is about; 0: not said */
    char *subject;   /* whose: a host's, GPU's or VM's name */
    char **evidence; /* what was seen, one text each; in the user's language */
    size_t evidence_count;
    const char *cause;  /* what the evidence means; static, N_() */
    const char *fix;    /* one sentence, imperative; static, N_(); NULL: nothing to do */
    const char *source; /* where the knowledge comes from; static, never translated */
};

struct findings {
    struct finding *items;
    size_t count;
};
#define FINDINGS_INIT ((struct findings){ 0 })

/* @evidence: lines, each its own piece; may be NULL or "". */
bool findings_add(struct findings *to, const char *id, enum severity severity,
                  const char *subject, const char *evidence, const char *cause,
                  const char *fix, const char *source, struct err *err) MUST_CHECK;
/* Gives @to the evidence that @from has. */
bool finding_copy_evidence(struct finding *to, const struct finding *from, struct err *err)
    MUST_CHECK;
/* The first one with that id, NULL: none. */
const struct finding *findings_find(const struct findings *in, const char *id);
enum severity findings_worst(const struct findings *in);
/* An element of the contract's "findings", and the whole array; owned, NULL: no memory. */
json_t *finding_to_json(const struct finding *finding);
json_t *findings_to_json(const struct findings *in);
void findings_clear(struct findings *findings);

static inline void findings_cleanup(struct findings *owned)
{
    findings_clear(owned);
}

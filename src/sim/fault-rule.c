/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault-rule.h"

#include <pthread.h>
#include <string.h>

#include "err.h"
#include "text.h"

struct rule {
    char *host, *class_name, *operation; /* NULL: any */
    uint64_t at;                         /* 0: every call */
    uint64_t seen;
    struct fault_hit hit;
    char *file; /* of @hit */
};

struct fault_rules {
    pthread_mutex_t lock;
    size_t count;
    struct rule *rules;
};

struct fault_rules *fault_rules_new(void)
{
    struct fault_rules *rules = calloc(1, sizeof(*rules));

    if (rules)
        pthread_mutex_init(&rules->lock, NULL);
    return rules;
}

static void rule_clear(struct rule *rule)
{
    free(rule->host);
    free(rule->class_name);
    free(rule->operation);
    free(rule->file);
    *rule = (struct rule){ 0 };
}

void fault_rules_free(struct fault_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++)
        rule_clear(&rules->rules[i]);
    free(rules->rules);
    pthread_mutex_destroy(&rules->lock);
    free(rules);
}

static bool take_part(const char *from, size_t len, char **ret, struct err *err)
{
    if (len == 1 && *from == '*')
        return true;
    if (len == 0)
        return err_fail(err, ERR_INVALID, 0, "a name is empty");
    *ret = text_ndup(from, len);
    return *ret || err_no_memory(err);
}

static bool parse_target(const char *from, const char *end, struct rule *rule,
                         struct err *err)
{
    const char *colon = memchr(from, ':', (size_t)(end - from)), *dot;

    if (colon) {
        if (!take_part(from, (size_t)(colon - from), &rule->host, err))
            return false;
        from = colon + 1;
    }
    dot = memchr(from, '.', (size_t)(end - from));
    if (dot) {
        if (!take_part(from, (size_t)(dot - from), &rule->class_name, err))
            return false;
        from = dot + 1;
    }
    return take_part(from, (size_t)(end - from), &rule->operation, err);
}

static bool parse_what(const char *text, struct rule *rule, struct err *err)
{
    static const struct {
        const char *word;
        enum fault_what what;
        bool has_number;
    } whats[] = {
        { "refuse", FAULT_REFUSE, true },     { "fault", FAULT_SOAP, true },
        { "http", FAULT_HTTP, true },         { "delay", FAULT_DELAY, true },
        { "drop", FAULT_DROP, false },        { "drop-after", FAULT_DROP_AFTER, false },
        { "garbage", FAULT_GARBAGE, false },  { "job-fail", FAULT_JOB_FAIL, true },
        { "job-hang", FAULT_JOB_HANG, false }
    };
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    uint64_t number = 0;

    if (text_istarts(text, "answer:") && text[len + 1]) {
        rule->file = text_dup(text + len + 1);
        rule->hit = (struct fault_hit){ .what = FAULT_ANSWER, .file = rule->file };
        return rule->file || err_no_memory(err);
    }
    for (size_t i = 0; i < ARRAY_LEN(whats); i++) {
        if (strlen(whats[i].word) != len || strncmp(whats[i].word, text, len) != 0)
            continue;
        if (whats[i].has_number != (colon != NULL) ||
            (colon && (!text_to_u64(colon + 1, 0, &number) || number > UINT32_MAX)))
            return err_fail(err, ERR_INVALID, 0, "'%.*s' %s", (int)len, text,
                            whats[i].has_number ? "needs a number, as in refuse:32773"
                                                : "takes no number");
        if (whats[i].what == FAULT_HTTP && (number < 200 || number > 599))
            return err_fail(err, ERR_INVALID, 0, "%u is no HTTP status", (unsigned)number);
        rule->hit = (struct fault_hit){ .what = whats[i].what, .number = (uint32_t)number };
        return true;
    }
    return err_fail(err, ERR_INVALID, 0, "no such fault: '%.60s'", text);
}

static bool parse(const char *text, struct rule *rule, struct err *err)
{
    const char *equals = strchr(text, '='), *at;
    CLEANUP(free_cleanup) char *number = NULL;

    if (!equals)
        return err_fail(err, ERR_INVALID, 0, "'=' is missing");
    at = memchr(text, '@', (size_t)(equals - text));
    if (!at)
        return err_fail(err, ERR_INVALID, 0, "'@N' is missing: which call, or @* for all");
    number = text_ndup(at + 1, (size_t)(equals - at - 1));
    if (!number)
        return err_no_memory(err);
    if (strcmp(number, "*") != 0 && (!text_to_u64(number, 10, &rule->at) || rule->at == 0))
        return err_fail(err, ERR_INVALID, 0, "'%.20s' is no call number", number);
    return parse_target(text, at, rule, err) && parse_what(equals + 1, rule, err);
}

bool fault_rules_add(struct fault_rules *rules, const char *text, struct err *err)
{
    struct rule *grown = realloc(rules->rules, (rules->count + 1) * sizeof(*grown));
    struct rule rule = { 0 };

    if (!grown)
        return err_no_memory(err);
    rules->rules = grown;
    if (!parse(text, &rule, err)) {
        rule_clear(&rule);
        err_wrap(err, "fault '%.80s'", text);
        return err_hint(err, "write it as Class.Method@N=WHAT, see hvgpu-sim(1)");
    }
    rules->rules[rules->count++] = rule;
    return true;
}

static bool fits(const char *wanted, const char *is)
{
    return !wanted || text_ieq(wanted, is);
}

struct fault_hit fault_rules_ask(struct fault_rules *rules, const char *host,
                                 const char *class_name, const char *operation)
{
    struct fault_hit hit = { .what = FAULT_NONE };

    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->rules[i];

        if (!fits(rule->host, host) || !fits(rule->class_name, class_name) ||
            !fits(rule->operation, operation))
            continue;
        rule->seen++;
        if (hit.what == FAULT_NONE && (rule->at == 0 || rule->at == rule->seen))
            hit = rule->hit;
    }
    pthread_mutex_unlock(&rules->lock);
    return hit;
}

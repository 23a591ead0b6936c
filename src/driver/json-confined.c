/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON that strangers wrote, parsed in a process that can do nothing else.  What comes back was
 * written anew by the same library. */

#include "json-confined.h"

#include "sandbox.h"
#include "strbuf.h"

enum { TIMEOUT_MS = 60 * 1000, CPU_SECONDS = 30, MEMORY_BYTES = 1 << 30 };

struct question {
    const char *text;
    size_t len;
};

json_t *json_parse_foreign(const char *text, size_t len, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

    if (!json)
        err_fail(err, ERR_INVALID, 0, "%s", why.text);
    return json;
}

static bool child_open(void *user, struct err *err)
{
    json_object_seed(0); /* reads a device, which is not allowed later */
    return true;
}

static bool child_serve(void *user, const void *request, size_t len,
                        struct progress *progress, struct strbuf *answer, struct err *err)
{
    const struct question *question = user;
    json_t *json = json_parse_foreign(question->text, question->len, err);
    CLEANUP(free_cleanup) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    bool ok = json && (text || err_no_memory(err));

    if (ok)
        strbuf_puts(answer, text);
    json_decref(json);
    return ok;
}

static void pack(const void *user, struct strbuf *to)
{
    const struct question *question = user;

    sandbox_pack(to, question->text, question->len);
}

static void *unpack(struct sandbox_packed *from)
{
    struct question *question = calloc(1, sizeof(*question));
    char *text;
    size_t len;

    if (!question || !sandbox_unpack(from, &text, &len))
        return NULL;
    *question = (struct question){ text, len };
    return question;
}

static const struct sandbox_job json_job = {
    .name = "json", .open = child_open, .serve = child_serve, .pack = pack, .unpack = unpack
};
SANDBOX_JOB(json_job)

json_t *json_parse_confined(const char *text, size_t len, const char *what, struct err *err)
{
    struct question question = { text, len };
    const struct sandbox_options options = {
        .what = what,
        .job = &json_job,
        .user = &question,
        .memory_bytes = MEMORY_BYTES,
        .cpu_seconds = CPU_SECONDS,
    };
    CLEANUP(free_cleanup) char *answer = NULL;
    size_t answer_len;
    json_t *json;

    if (!sandbox_run(&options, TIMEOUT_MS, NULL, &answer, &answer_len, err))
        return NULL;
    json = json_loadb(answer, answer_len, 0, NULL);
    if (!json)
        err_fail(err, ERR_PROTOCOL, 0, "%s: its reader answered nonsense", what);
    return json;
}

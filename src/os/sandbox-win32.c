/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox's interface without its walls: on Windows the work is done in this process.
 * The local disks of guests, which are what needs walls, are not opened there.
 */

#include "sandbox.h"

#include <string.h>

#include "err.h"
#include "strbuf.h"

struct sandbox {
    struct sandbox_options options;
};

struct sandbox *sandbox_start(const struct sandbox_options *options, struct err *err)
{
    struct sandbox *sandbox;

    if (!options->open(options->user, err))
        return NULL;
    sandbox = malloc(sizeof(*sandbox));
    if (!sandbox) {
        if (options->close)
            options->close(options->user);
        err_no_memory(err);
        return NULL;
    }
    sandbox->options = *options;
    return sandbox;
}

bool sandbox_call(struct sandbox *sandbox, const void *request, size_t len,
                  unsigned timeout_ms, struct progress *progress, char **ret_answer,
                  size_t *ret_len, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    const struct sandbox_options *options = &sandbox->options;
    size_t answer_len;
    char *text;

    (void)timeout_ms;
    if (!options->serve(options->user, request, len, progress, &answer, err))
        return false;
    answer_len = answer.len;
    text = strbuf_take(&answer);
    if (!text)
        return err_no_memory(err);
    *ret_answer = text;
    *ret_len = answer_len;
    return true;
}

void sandbox_stop(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    if (sandbox->options.close)
        sandbox->options.close(sandbox->options.user);
    free(sandbox);
}

bool sandbox_run(const struct sandbox_options *options, unsigned timeout_ms,
                 struct progress *progress, char **ret_answer, size_t *ret_len,
                 struct err *err)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = sandbox_start(options, err);

    return sandbox &&
           sandbox_call(sandbox, "", 0, timeout_ms, progress, ret_answer, ret_len, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file_version_read() in a process that can do nothing else: for files of strangers. */

#include <string.h>

#include "err.h"
#include "file-version.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"

enum { TIMEOUT_MS = 60 * 1000, CPU_SECONDS = 30, MEMORY_BYTES = 64 << 20 };

struct question {
    const void *bytes;
    size_t len;
};

struct answer {
    bool told;
    struct file_version version;
};

static bool child_open(void *user, struct err *err)
{
    return true; /* the bytes are here already */
}

static bool child_serve(void *user, const void *request, size_t len,
                        struct progress *progress, struct strbuf *answer, struct err *err)
{
    const struct question *question = user;
    struct answer found;

    memset(&found, 0, sizeof(found)); /* padding too: it leaves the process */
    found.told = file_version_read(question->bytes, question->len, &found.version);
    strbuf_add(answer, &found, sizeof(found));
    return true;
}

static void pack(const void *user, struct strbuf *to)
{
    const struct question *question = user;

    sandbox_pack(to, question->bytes, question->len);
}

static void *unpack(struct sandbox_packed *from)
{
    struct question *question = calloc(1, sizeof(*question));
    char *bytes;
    size_t len;

    if (!question || !sandbox_unpack(from, &bytes, &len) || !bytes)
        return NULL;
    *question = (struct question){ bytes, len };
    return question;
}

static const struct sandbox_job file_version_job = { .name = "file-version",
                                                     .open = child_open,
                                                     .serve = child_serve,
                                                     .pack = pack,
                                                     .unpack = unpack };
SANDBOX_JOB(file_version_job)

/* Of what came back only a plain text and plain truths are believed. */
static bool take_answer(const char *bytes, size_t len, struct file_version *ret,
                        bool *ret_told)
{
    struct answer found;
    uint8_t told, has_version;

    if (len != sizeof(found))
        return false;
    memcpy(&told, bytes + offsetof(struct answer, told), 1);
    memcpy(&has_version, bytes + offsetof(struct answer, version.has_version), 1);
    if (told > 1 || has_version > 1)
        return false;
    memcpy(&found, bytes, sizeof(found));
    len = strnlen(found.version.company, sizeof(found.version.company));
    if (len == sizeof(found.version.company) || !text_is_utf8(found.version.company, len))
        return false;
    *ret = found.version;
    *ret_told = found.told;
    return true;
}

bool file_version_read_confined(const void *bytes, size_t len, const char *name,
                                struct file_version *ret, bool *ret_told, struct err *err)
{
    CLEANUP(free_cleanup) char *what = text_printf("reading the version of '%s'", name);
    CLEANUP(free_cleanup) char *answer = NULL;
    struct question question = { bytes, len };
    const struct sandbox_options options = {
        .what = what,
        .job = &file_version_job,
        .user = &question,
        .memory_bytes = MEMORY_BYTES,
        .cpu_seconds = CPU_SECONDS,
    };
    size_t answer_len;

    if (!what)
        return err_no_memory(err);
    if (!sandbox_run(&options, TIMEOUT_MS, NULL, &answer, &answer_len, err))
        return false;
    return take_answer(answer, answer_len, ret, ret_told) ||
           err_fail(err, ERR_PROTOCOL, 0, "%s: its reader answered nonsense", what);
}

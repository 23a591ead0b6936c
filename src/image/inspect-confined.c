/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image_inspect() in a process that can do nothing else: it opens files of the image's
 * folder and of the one its parents may be in, and sends back facts that are checked
 * before anyone believes them.
 */

#include "image.h"

#include <string.h>

#include "hive.h"
#include "os.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"

enum { TIMEOUT_MS = 5 * 60 * 1000, MEMORY_BYTES = 1 << 30 };

struct question {
    const char *path, *parents;
};

static bool child_open(void *user, struct err *err)
{
    /* The image is opened by name, when this is confined to its folder. */
    return hive_prepare() ||
           err_fail(err, ERR_SYSTEM, 0, "this system cannot convert registry names");
}

static bool child_serve(void *user, const void *request, size_t len,
                        struct progress *progress, struct strbuf *answer, struct err *err)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    const struct question *question = user;

    if (!facts)
        return err_no_memory(err);
    if (!image_inspect(question->path, question->parents, facts, err))
        return false;
    strbuf_add(answer, facts, sizeof(*facts));
    return true;
}

static void pack(const void *user, struct strbuf *to)
{
    const struct question *question = user;

    sandbox_pack_text(to, question->path);
    sandbox_pack_text(to, question->parents);
}

static void *unpack(struct sandbox_packed *from)
{
    struct question *question = calloc(1, sizeof(*question));
    char *path, *parents;

    if (!question || !sandbox_unpack_text(from, &path) || !path ||
        !sandbox_unpack_text(from, &parents))
        return NULL;
    *question = (struct question){ path, parents };
    return question;
}

static const struct sandbox_job image_job = { .name = "image",
                                              .open = child_open,
                                              .serve = child_serve,
                                              .pack = pack,
                                              .unpack = unpack };
SANDBOX_JOB(image_job)

/* A text that ends within its array and that a person may be shown. */
static bool is_sound(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    return len < size && text_is_utf8(text, len);
}

static bool facts_are_sound(const struct image_facts *facts)
{
    const struct image_windows *windows = &facts->windows;

    if (facts->partition_count > PARTITION_MAX ||
        facts->blocker_count > IMAGE_BLOCKER_MAX ||
        !is_sound(facts->format, sizeof(facts->format)) ||
        !is_sound(facts->table, sizeof(facts->table)) ||
        !is_sound(windows->edition, sizeof(windows->edition)) ||
        !is_sound(windows->architecture, sizeof(windows->architecture)) ||
        !is_sound(windows->system_root, sizeof(windows->system_root)))
        return false;
    for (unsigned i = 0; i < facts->partition_count; i++) {
        const struct partition *part = &facts->partitions[i];

        if (!is_sound(part->type, sizeof(part->type)) ||
            !is_sound(part->id, sizeof(part->id)) ||
            !is_sound(part->file_system, sizeof(part->file_system)))
            return false;
    }
    for (unsigned i = 0; i < facts->blocker_count; i++)
        if (!is_sound(facts->blockers[i].id, sizeof(facts->blockers[i].id)) ||
            !is_sound(facts->blockers[i].message, sizeof(facts->blockers[i].message)))
            return false;
    return true;
}

bool image_inspect_confined(const char *path, const char *parents, struct image_facts *ret,
                            struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free_cleanup)
    char *folder = slash ? text_ndup(path, (size_t)(slash - path) + 1) : text_dup(".");
    CLEANUP(free_cleanup) char *what = text_printf("reading '%s'", path);
    CLEANUP(free_cleanup) char *answer = NULL;
    const char *const folders[] = { folder, NULL }, *const reads[] = { parents, NULL };
    struct question question = { path, parents };
    const struct sandbox_options options = {
        .what = what,
        .job = &image_job,
        .user = &question,
        .read_dirs = reads,
        .write_dirs = folders, /* whether others have it open is told by opening it so */
        .memory_bytes = MEMORY_BYTES,
    };
    size_t len;

    if (!folder || !what)
        return err_no_memory(err);
    if (parents && !os_file_exists(parents))
        return err_fail(err, ERR_NOT_FOUND, 0, "there is no folder '%s'", parents);
    if (!os_file_exists(path))
        return err_fail(err, ERR_NOT_FOUND, 0, "there is no disk image '%s'", path);
    if (!sandbox_run(&options, TIMEOUT_MS, NULL, &answer, &len, err))
        return false;
    if (len != sizeof(*ret) || !facts_are_sound((const struct image_facts *)(void *)answer))
        return err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense", path);
    memcpy(ret, answer, sizeof(*ret));
    return true;
}

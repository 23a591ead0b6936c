/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reader of foreign data can still do on this machine: it is told to try, after its door
 * has closed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"

enum { TRY_MS = 20000, MUCH = 1 << 30, ALLOWED = 64 << 20 };

struct attempt {
    char *deed, *path;
};

static void pack(const void *user, struct strbuf *to)
{
    const struct attempt *attempt = user;

    sandbox_pack_text(to, attempt->deed);
    sandbox_pack_text(to, attempt->path);
}

static void *unpack(struct sandbox_packed *from)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));

    return attempt && sandbox_unpack_text(from, &attempt->deed) &&
                   sandbox_unpack_text(from, &attempt->path) && attempt->deed &&
                   attempt->path
               ? attempt
               : NULL;
}

static bool open_nothing(void *user, struct err *err)
{
    (void)user;
    (void)err;
    return true;
}

static bool can_read(const char *path)
{
    struct err ignored = ERR_INIT;
    size_t len;
    CLEANUP(free_cleanup) char *text = os_read_file(path, 1, &len, &ignored);

    return text;
}

static bool can_write(const char *path)
{
    struct err ignored = ERR_INIT;

    return os_write_file(path, "2", 1, &ignored);
}

static bool can_start(void)
{
    static const char *const argv[] = { "hostname", NULL };
    struct err ignored = ERR_INIT;
    int status;

    return os_run(argv, TRY_MS / 2, 0, NULL, &status, &ignored);
}

static bool can_take_memory(void)
{
    void *volatile much = malloc(MUCH);
    bool had = much;

    free(much);
    return had;
}

static bool serve(void *user, const void *request, size_t len, struct progress *progress,
                  struct strbuf *answer, struct err *err)
{
    const struct attempt *attempt = user;
    bool can = strcmp(attempt->deed, "read") == 0    ? can_read(attempt->path)
               : strcmp(attempt->deed, "write") == 0 ? can_write(attempt->path)
               : strcmp(attempt->deed, "start") == 0 ? can_start()
                                                     : can_take_memory();

    strbuf_puts(answer, can ? "yes" : "no");
    return true;
}

static const struct sandbox_job attempt_job = {
    .name = "walls", .open = open_nothing, .serve = serve, .pack = pack, .unpack = unpack
};
SANDBOX_JOB(attempt_job)

/* Who is ended for trying could not do it. */
static bool try(const char *deed, const char *path, bool *ret_can, struct err *err)
{
    struct attempt attempt = { (char *)(uintptr_t)deed, (char *)(uintptr_t)path };
    const struct sandbox_options options = { .what = "trying what a reader can do",
                                             .job = &attempt_job,
                                             .user = &attempt,
                                             .memory_bytes = ALLOWED };
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = sandbox_start(&options, err);
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err ended = ERR_INIT;
    size_t len;

    if (!sandbox)
        return false;
    *ret_can = sandbox_call(sandbox, "", 0, TRY_MS, NULL, &answer, &len, &ended) &&
               len == 3 && strcmp(answer, "yes") == 0;
    return true;
}

bool sandbox_walls(struct sandbox_walls *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = os_state_dir(err);
    CLEANUP(free_cleanup) char *path = NULL;
    struct err ignored = ERR_INIT;
    char guid[37];
    bool ok;

    if (!folder)
        return false;
    os_guid(guid);
    path = text_printf("%s/walls-%s", folder, guid);
    if (!path)
        return err_no_memory(err);
    if (!os_make_dirs(folder, err) || !os_write_file(path, "1", 1, err))
        return false;
    ok = try("read", path, &ret->reads, err) && try("write", path, &ret->writes, err) &&
         try("start", path, &ret->starts, err) &&
         try("memory", path, &ret->takes_memory, err);
    return os_remove_file(path, ok ? err : &ignored) && ok;
}

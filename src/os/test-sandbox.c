/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/landlock.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "os.h"
#include "progress.h"
#include "sandbox.h"
#include "sandbox-frames.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

enum { SOCKET = STDERR_FILENO + 1 }; /* of the child */

static bool open_nothing(void *user, struct err *err)
{
    (void)user;
    (void)err;
    return true;
}

static bool open_fails(void *user, struct err *err)
{
    (void)user;
    err_fail(err, ERR_NOT_FOUND, 2, "no such disk");
    return err_hint(err, "look elsewhere");
}

/* Does what the request asks for. */
static bool serve(void *user, const void *request, size_t len, struct progress *progress,
                  struct strbuf *answer, struct err *err)
{
    const char *what = request;
    volatile char *nothing = NULL;
    const uint32_t answered[] = { FRAME_ANSWER, 0 };

    (void)user;
    if (strcmp(what, "echo") == 0)
        strbuf_add(answer, request, len);
    else if (strcmp(what, "fail") == 0)
        return err_fail(err, ERR_PROTOCOL, 7, "the disk is damaged");
    else if (strcmp(what, "crash") == 0)
        *nothing = 1;
    else if (strcmp(what, "hang") == 0)
        for (;;)
            os_sleep_ms(10);
    else if (strcmp(what, "deaf") ==
             0) { /* as one that was taken over: answers, and no more */
        if (write(SOCKET, answered, sizeof(answered)) == sizeof(answered))
            for (;;)
                os_sleep_ms(10);
    } else if (strncmp(what, "say ", 4) == 0) { /* a frame of its own making */
        if (write(SOCKET, what + 4, len - 4) != (ssize_t)len - 4)
            return false;
        strbuf_puts(answer, "said");
    } else if (strcmp(what, "exec") == 0)
        execl("/bin/true", "true", (char *)NULL);
    else if (strcmp(what, "socket") == 0)
        (void)!socket(AF_INET, SOCK_STREAM, 0);
    else if (strcmp(what, "memory") == 0) {
        /* volatile: Clang leaves out an allocation that nobody uses */
        void *volatile much = malloc(1u << 30);

        strbuf_puts(answer, much ? "had" : "none");
        free(much);
    } else if (strncmp(what, "read ", 5) == 0) {
        CLEANUP(free_cleanup) char *text = os_read_file(what + 5, 100, NULL, err);

        if (!text)
            return false;
        strbuf_puts(answer, text);
    } else if (strncmp(what, "write ", 6) == 0)
        return os_write_file(what + 6, "new", 3, err);
    else if (strcmp(what, "count") == 0)
        for (unsigned i = 0; i < 5; i++)
            if (!progress_report(progress, "counting", PROGRESS_ITEMS, i, 5, err))
                return false;
    return true;
}

/* There is nothing to know. */
static void pack(const void *user, struct strbuf *to)
{
    sandbox_pack_text(to, "nothing");
}

static void *unpack(struct sandbox_packed *from)
{
    char *text;

    return sandbox_unpack_text(from, &text) ? text : NULL;
}

static const struct sandbox_job job = {
    .name = "test", .open = open_nothing, .serve = serve, .pack = pack, .unpack = unpack
};
SANDBOX_JOB(job)

static const struct sandbox_job bad_job = {
    .name = "bad", .open = open_fails, .serve = serve, .pack = pack, .unpack = unpack
};
SANDBOX_JOB(bad_job)

static const struct sandbox_options options = {
    .what = "reading 'test'",
    .job = &job,
    .memory_bytes = 64 << 20,
};

static struct sandbox *start(void)
{
    struct err err = ERR_INIT;
    struct sandbox *sandbox = sandbox_start(&options, &err);

    CHECK_STR_EQ(err.text[0], "");
    return sandbox;
}

static bool ask(struct sandbox *sandbox, const char *what, char **answer, struct err *err)
{
    size_t len = 0;

    return sandbox &&
           sandbox_call(sandbox, what, strlen(what), 2000, NULL, answer, &len, err);
}

TEST(answers_and_errors_come_through)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(ask(sandbox, "echo", &answer, &err));
    CHECK_STR_EQ(answer, "echo");
    free(TAKE(answer));
    CHECK(!ask(sandbox, "fail", &answer, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK_EQ(err.code, 7);
    CHECK_STR_EQ(err.text[0], "the disk is damaged");
    CHECK_OK(ask(sandbox, "echo", &answer, &err)); /* an error is not the end */
}

TEST(a_child_that_cannot_open_says_why)
{
    struct sandbox_options bad = options;
    struct err err = ERR_INIT;

    bad.job = &bad_job;
    CHECK(!sandbox_start(&bad, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_STR_EQ(err.hint, "look elsewhere");
}

TEST(a_crash_a_hang_and_a_break_out_are_errors)
{
    static const char *const ends[] = { "crash", "hang", "exec", "socket" };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
        CLEANUP(free_cleanup) char *answer = NULL;
        struct err err = ERR_INIT;
        size_t len;

        test_case(ends[i]);
        CHECK(!sandbox_call(sandbox, ends[i], strlen(ends[i]), 300, NULL, &answer, &len,
                            &err));
        CHECK(err.kind == ERR_PROTOCOL || err.kind == ERR_SYSTEM);
        CHECK(err.hint[0]);
        CHECK(!ask(sandbox, "echo", &answer, &err));
        CHECK_EQ(err.kind, ERR_SYSTEM);
    }
}

TEST(a_child_that_never_reads_its_request_is_an_error)
{
    enum { MUCH = 8 << 20, MS = 300 }; /* more than a socket takes for somebody */
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *request = calloc(1, MUCH);
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;
    uint64_t began;
    size_t len;

    CHECK_OK(ask(sandbox, "deaf", &answer, &err));
    began = os_monotonic_ms();
    CHECK(!sandbox_call(sandbox, request, MUCH, MS, NULL, &answer, &len, &err));
    CHECK(os_monotonic_ms() - began >= MS);
    CHECK_EQ(err.kind, ERR_SYSTEM);
    CHECK_STR_EQ(err.text[0], "reading 'test': its reader took no request in time");
    CHECK(!ask(sandbox, "echo", &answer, &err));
    CHECK_EQ(err.kind, ERR_SYSTEM);
}

/* Has the child write a frame of @type that says it has @len bytes, and @bytes of them. */
static bool say(struct sandbox *sandbox, uint32_t type, uint32_t len, const void *content,
                size_t bytes, struct progress *progress, char **answer, struct err *err)
{
    const uint32_t head[] = { type, len };
    struct strbuf request = STRBUF_INIT;
    size_t answer_len = 0;
    bool ok;

    strbuf_puts(&request, "say ");
    strbuf_add(&request, head, sizeof(head));
    strbuf_add(&request, content, bytes);
    ok = sandbox && sandbox_call(sandbox, request.text, request.len, 500, progress, answer,
                                 &answer_len, err);
    strbuf_cleanup(&request);
    return ok;
}

TEST(a_child_that_speaks_nonsense_is_an_error)
{
    static struct err no_kind = { .depth = 1 };
    static struct err wild_kind = { .kind = 1000, .depth = 1 };
    static struct err no_text = { .kind = ERR_SYSTEM };
    static struct err deep = { .kind = ERR_SYSTEM, .depth = 1000 };
    static const char bytes[64] = "bytes";
    const struct {
        const char *name;
        uint32_t type, len;
        const void *content;
        size_t bytes;
        const char *text;
    } cases[] = {
        { "an unknown frame", 99, 5, bytes, 5, "answered nonsense" },
        { "a frame out of turn", FRAME_READY, 0, NULL, 0, "answered nonsense" },
        { "its own request", FRAME_REQUEST, 5, bytes, 5, "answered nonsense" },
        { "an endless answer", FRAME_ANSWER, FRAME_MAX + 1, NULL, 0, "answered nonsense" },
        { "half an answer", FRAME_ANSWER, 5000, bytes, 5, "did not answer in time" },
        { "half an error", FRAME_ERROR, 64, bytes, 64, "answered nonsense" },
        { "an error of no kind", FRAME_ERROR, sizeof(no_kind), &no_kind, sizeof(no_kind),
          "answered nonsense" },
        { "an error of a wild kind", FRAME_ERROR, sizeof(wild_kind), &wild_kind,
          sizeof(wild_kind), "answered nonsense" },
        { "an error without text", FRAME_ERROR, sizeof(no_text), &no_text, sizeof(no_text),
          "answered nonsense" },
        { "an endless error", FRAME_ERROR, sizeof(deep), &deep, sizeof(deep),
          "answered nonsense" },
        { "half a progress", FRAME_PROGRESS, 64, bytes, 64,
          "a report of progress is malformed" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
        CLEANUP(free_cleanup) char *answer = NULL;
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        CHECK(!say(sandbox, cases[i].type, cases[i].len, cases[i].content, cases[i].bytes,
                   NULL, &answer, &err));
        CHECK(strstr(err.text[0], cases[i].text));
        /* Whoever lied once is not asked again. */
        CHECK(!ask(sandbox, "echo", &answer, &err));
    }
}

static bool count_reports(struct progress *self, const char *what, enum progress_unit unit,
                          uint64_t done, uint64_t total)
{
    CHECK(false); /* none of them may come through */
    return true;
}

TEST(a_report_of_progress_that_cannot_be_is_passed_over)
{
    struct {
        uint32_t unit;
        uint64_t done, total;
        char what[256];
    } frames[] = { { .unit = 99, .what = "counting" },
                   { .unit = PROGRESS_ITEMS, .what = "\xFF" } };

    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
        CLEANUP(free_cleanup) char *answer = NULL;
        struct progress progress = { .report = count_reports };
        struct err err = ERR_INIT;

        CHECK_OK(say(sandbox, FRAME_PROGRESS, sizeof(frames[i]), &frames[i],
                     sizeof(frames[i]), &progress, &answer, &err));
        CHECK_STR_EQ(answer, "said");
    }
}

TEST(memory_is_limited)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;

#if HAS_ADDRESS_SANITIZER
    SKIP("sanitizers need their address space");
#endif
    CHECK_OK(ask(sandbox, "memory", &answer, &err));
    CHECK_STR_EQ(answer, "none");
}

static bool stop_at_two(struct progress *self, const char *what, enum progress_unit unit,
                        uint64_t done, uint64_t total)
{
    (void)self;
    CHECK_STR_EQ(what, "counting");
    CHECK_EQ(unit, PROGRESS_ITEMS);
    CHECK_EQ(total, 5);
    return done < 2;
}

TEST(progress_is_seen_and_can_cancel)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *answer = NULL;
    struct progress progress = { .report = stop_at_two };
    struct err err = ERR_INIT;
    size_t len;

    CHECK(!sandbox_call(sandbox, "count", 5, 2000, &progress, &answer, &len, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >
           0;
}

TEST(names_reach_only_the_folders_given)
{
    char guid[37];
    struct err err = ERR_INIT;

    if (!has_landlock())
        SKIP("this kernel has no Landlock");
    os_guid(guid);
    {
        CLEANUP(free_cleanup) char *dir = text_printf("/tmp/test-sandbox-%s", guid);
        CLEANUP(free_cleanup) char *in = text_printf("%s/in", dir);
        CLEANUP(free_cleanup) char *out = text_printf("%s/out", dir);
        CLEANUP(free_cleanup) char *secret = text_printf("%s/secret", dir);
        CLEANUP(free_cleanup) char *read_in = text_printf("read %s/in/file", dir);
        CLEANUP(free_cleanup) char *write_in = text_printf("write %s/in/new", dir);
        CLEANUP(free_cleanup) char *write_out = text_printf("write %s/out/new", dir);
        CLEANUP(free_cleanup) char *read_secret = text_printf("read %s", secret);
        CLEANUP(free_cleanup) char *file = text_printf("%s/file", in);
        const char *const reads[] = { in, NULL }, *const writes[] = { out, NULL };
        struct sandbox_options confined = options;
        CLEANUP(sandbox_cleanup) struct sandbox *sandbox = NULL;
        CLEANUP(free_cleanup) char *answer = NULL;

        CHECK_OK(os_make_dirs(in, &err) && os_make_dirs(out, &err) &&
                 os_write_file(secret, "secret", 6, &err) &&
                 os_write_file(file, "hello", 5, &err));
        confined.read_dirs = reads;
        confined.write_dirs = writes;
        sandbox = sandbox_start(&confined, &err);
        CHECK_OK(ask(sandbox, read_in, &answer, &err));
        CHECK_STR_EQ(answer, "hello");
        free(TAKE(answer));
        CHECK(!ask(sandbox, read_secret, &answer, &err));
        CHECK_EQ(err.kind, ERR_DENIED);
        CHECK(!ask(sandbox, write_in, &answer, &err));
        CHECK_OK(ask(sandbox, write_out, &answer, &err));
        CHECK_OK(os_remove_tree(dir, &err));
    }
}

TEST(what_a_reader_can_still_do_is_tried_out)
{
    struct sandbox_walls walls = { true, true, true, true };
    CLEANUP(free_cleanup) char *folder = NULL;
    struct err err = ERR_INIT;

    CHECK(setenv("XDG_STATE_HOME", test_temporary_dir(), 1) == 0);
    CHECK_OK(sandbox_walls(&walls, &err));
    /* A sanitizer's runtime opens files, and needs its address space. */
    if (!HAS_ADDRESS_SANITIZER)
        CHECK(!walls.reads && !walls.writes && !walls.starts && !walls.takes_memory);
    folder = text_printf("%s/hvgpu", test_temporary_dir());
    CHECK(rmdir(folder) == 0); /* the file that was tried is gone */
}

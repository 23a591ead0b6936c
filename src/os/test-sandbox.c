/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "os.h"
#include "progress.h"
#include "sandbox.h"
#include "strbuf.h"
#include "test.h"

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
    else if (strcmp(what, "exec") == 0)
        execl("/bin/true", "true", (char *)NULL);
    else if (strcmp(what, "socket") == 0)
        (void)!socket(AF_INET, SOCK_STREAM, 0);
    else if (strcmp(what, "memory") == 0)
        strbuf_puts(answer, malloc(1u << 30) ? "had" : "none");
    else if (strcmp(what, "count") == 0)
        for (unsigned i = 0; i < 5; i++)
            if (!progress_report(progress, "counting", PROGRESS_ITEMS, i, 5, err))
                return false;
    return true;
}

static const struct sandbox_options options = {
    .what = "reading 'test'",
    .open = open_nothing,
    .serve = serve,
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

    bad.open = open_fails;
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

TEST(memory_is_limited)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;

#ifdef __SANITIZE_ADDRESS__
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many sessions at a time in one process, each in a thread and several namespaces, against the
 * simulator behind COM: tests/wine/test-sessions.py says where it is.  Its COM server knows
 * threads: who calls it from outside of the multithreaded apartment is refused, and an error's
 * text is for the thread that made the error.
 */

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"
#include "wmi.h"

enum { THREADS = 8, ROUNDS = 6 };

static const struct question {
    const char *ns, *wql, *property;
} questions[] = {
    { "root/cimv2", "SELECT * FROM Win32_OperatingSystem", "Caption" },
    { "root/virtualization/v2", "SELECT * FROM Msvm_ComputerSystem", "ElementName" },
    { "root/cimv2", "SELECT * FROM Win32_VideoController", "PNPDeviceID" },
    { "root/virtualization/v2", "SELECT * FROM Msvm_PartitionableGpu", "Name" },
};

/* CHECK is for one thread. */
PRINTF_LIKE(1, 2) static void note(const char *fmt, ...)
{
    va_list list;

    va_start(list, fmt);
    fputs("# ", stderr);
    vfprintf(stderr, fmt, list);
    fputc('\n', stderr);
    va_end(list);
}

static struct cim_session *start(void)
{
    struct wmi_options options = { 0 };
    struct err err = ERR_INIT;

    return wmi_open(&options, &err);
}

struct rows {
    const char *property;
    struct strbuf text;
};

static bool add_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct rows *rows = user;
    const char *text = cim_get_text(row, rows->property);

    strbuf_printf(&rows->text, "%s=%s;", row->class_name, text ? text : "");
    return true;
}

static bool add_output(const char *text, size_t len, bool is_stderr, void *user,
                       struct err *err)
{
    strbuf_add(user, text, len);
    return true;
}

/* Owned; NULL: an error, which is said. */
static char *ask(struct cim_session *session, const struct question *question)
{
    struct rows rows = { .property = question->property, .text = STRBUF_INIT };
    struct err err = ERR_INIT;

    if (cim_query(session, question->ns, question->wql, add_row, &rows, &err))
        return strbuf_take(&rows.text);
    note("%s: %s", question->wql, err.text[0]);
    strbuf_free(&rows.text);
    return NULL;
}

static char *expected[ARRAY_LEN(questions)];
static atomic_uint wrong;

static void expect(bool so, const char *what)
{
    if (so)
        return;
    atomic_fetch_add(&wrong, 1);
    note("%s", what);
}

/* The provider's text of an error is for the thread whose call failed (IErrorInfo): half of them
 * look for what is not there, half ask what is no query. */
static void fail_in(struct cim_session *session, unsigned number)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new("root/cimv2", "Nothing");
    struct rows rows = { .property = "Name", .text = STRBUF_INIT };
    struct cim_instance *none = NULL;
    struct err err = ERR_INIT;
    char text[ERR_TEXT];
    bool ok, is_get = number % 2 == 0;

    ok = is_get ? cim_fetch(session, path, &none, &err)
                : cim_query(session, "root/cimv2", "no query", add_row, &rows, &err);
    cim_instance_free(none);
    strbuf_free(&rows.text);
    expect(!ok, "what is wrong is right");
    err_format(&err, text, sizeof(text));
    expect(err.kind == (is_get ? ERR_NOT_FOUND : ERR_INVALID), text);
    expect(strstr(text, is_get ? "Not found" : "neither SELECT"), text);
}

static void run_in(struct cim_session *session, unsigned number)
{
    CLEANUP(free_cleanup) char *line = text_printf("echo number %u", number);
    CLEANUP(free_cleanup) char *said = text_printf("number %u\r\n", number);
    struct strbuf output = STRBUF_INIT;
    struct shell_command command = {
        .line = line, .reads_only = true, .on_output = add_output, .user = &output
    };
    struct err err = ERR_INIT;
    uint32_t code = 99;

    expect(cim_run(session, &command, &code, &err), err.text[0]);
    expect(code == 0 && output.text && strcmp(output.text, said) == 0, "another's output");
    strbuf_free(&output);
}

static void *work(void *user)
{
    unsigned number = (unsigned)(uintptr_t)user;
    struct cim_session *session = start();

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
            size_t n = (i + number) % ARRAY_LEN(questions);
            CLEANUP(free_cleanup) char *got = ask(session, &questions[n]);

            expect(got && expected[n] && strcmp(got, expected[n]) == 0, questions[n].wql);
        }
        fail_in(session, number * ROUNDS + round);
        if (round == 0)
            run_in(session, number);
    }
    return session; /* its thread ends first */
}

TEST(many_sessions_at_a_time_get_each_its_own_answers)
{
    struct cim_session *first;
    pthread_t threads[THREADS];
    void *sessions[THREADS];

    if (!getenv("HVGPU_TEST_COM"))
        SKIP("no simulator behind COM: tests/wine/test-sessions.py");
    first = start();
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        expected[i] = ask(first, &questions[i]);
        CHECK(expected[i] && strchr(expected[i], ';'));
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], &sessions[i]);
    CHECK_EQ(atomic_load(&wrong), 0);
    /* The threads are gone; their sessions still answer, here. */
    for (size_t i = 0; i < THREADS; i++) {
        CLEANUP(free_cleanup) char *again = ask(sessions[i], &questions[1]);

        CHECK_STR_EQ(again, expected[1]);
        cim_release(sessions[i]);
    }
    cim_release(first);
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        free(expected[i]);
}

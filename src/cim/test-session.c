/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wrappers around a session: trace, record, replay, fault. */

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cim.h"
#include "err.h"
#include "os.h"
#include "session.h"
#include "test.h"
#include "text.h"

/* A host with one counter: every change adds one, and answers say how often. */
struct fake {
    struct cim_session base;
    unsigned *changes;
    unsigned *released;
};

static bool fake_query(struct cim_session *self, const char *ns, const char *wql,
                       cim_row_fn *on_row, void *user, struct err *err)
{
    static const char *const names[] = { "α", NULL, "" };
    const uint64_t counts[] = { 1, 2, 4 };

    for (unsigned i = 0; i < 2; i++) {
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *row = cim_instance_new(ns, "Row");

        if (!cim_set_uint(row, "Number", CIM_UINT64, UINT64_MAX - i, err) ||
            !cim_set_texts(row, "Names", names, 3, err) ||
            !cim_set_uints(row, "Counts", CIM_UINT16, counts, 3, err) ||
            !cim_set_null(row, "Nothing", CIM_DATETIME, false, err) ||
            !on_row(row, user, err))
            return false;
    }
    if (strcmp(wql, "fail") == 0) {
        err_fail(err, ERR_REFUSED, 0x80041017, "invalid query");
        return err_hint(err, "ask better");
    }
    return true;
}

static bool fake_get(struct cim_session *self, const struct cim_path *path,
                     struct cim_instance **ret, struct err *err)
{
    *ret = cim_instance_new(path->ns, path->class_name);
    return cim_set_uint(*ret, "Changes", CIM_UINT32, *((struct fake *)self)->changes, err);
}

static bool fake_put(struct cim_session *self, const struct cim_path *path,
                     const struct cim_instance *changes, struct err *err)
{
    ++*((struct fake *)self)->changes;
    return true;
}

static bool fake_invoke(struct cim_session *self, const struct cim_path *path,
                        const char *method, const struct cim_instance *in,
                        struct cim_instance **ret_out, struct err *err)
{
    unsigned *changes = ((struct fake *)self)->changes;

    *ret_out = cim_instance_new(NULL, "__PARAMETERS");
    *changes += !cim_method_reads_only(method);
    return cim_set_uint(*ret_out, "ReturnValue", CIM_UINT32, *changes, err);
}

static bool fake_run(struct cim_session *self, const struct shell_command *command,
                     uint32_t *ret_exit_code, struct err *err)
{
    if (!command->reads_only)
        ++*((struct fake *)self)->changes;
    *ret_exit_code = 3;
    return command->on_output("out\xff", 4, false, command->user, err) &&
           command->on_output("err ä\n", 7, true, command->user, err);
}

static void fake_release(struct cim_session *self)
{
    ++*((struct fake *)self)->released;
    free(self);
}

static const struct cim_session_ops fake_ops = {
    "fake", fake_query, fake_get, fake_put, fake_invoke, fake_run, fake_release,
};

static unsigned changes, released;

static struct cim_session *fake_open(void)
{
    struct fake *f = calloc(1, sizeof(*f));

    changes = released = 0;
    *f = (struct fake){ { &fake_ops }, &changes, &released };
    return &f->base;
}

static bool count_row(const struct cim_instance *row, void *user, struct err *err)
{
    uint64_t number = 0;

    CHECK(cim_get_u64(row, "Number", &number) && number == UINT64_MAX - *(unsigned *)user);
    CHECK_STR_EQ(cim_get_text_at(row, "Names", 0), "α");
    CHECK(cim_get_text_at(row, "Names", 1) == NULL && cim_get_count(row, "Names") == 3);
    CHECK(cim_get(row, "Nothing")->is_null &&
          cim_get(row, "Nothing")->type == CIM_DATETIME);
    CHECK_STR_EQ(row->ns, "root/x");
    ++*(unsigned *)user;
    return true;
}

static char seen_output[64];

static bool keep_output(const char *text, size_t len, bool is_stderr, void *user,
                        struct err *err)
{
    size_t used = strlen(seen_output);

    seen_output[used++] = is_stderr ? 'e' : 'o';
    memcpy(seen_output + used, text, len);
    seen_output[used + len] = '\0';
    return true;
}

/* Everything a session can do, once; the same against the host and against a recording. */
static void use_everything(struct cim_session *session)
{
    struct cim_path *path = cim_path_new("root/x", "Thing");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "__PARAMETERS");
    struct cim_instance *got = NULL;
    struct shell_command command = { .line = "dir", .on_output = keep_output };
    struct err err = ERR_INIT;
    unsigned rows = 0;
    uint32_t exit_code = 0;
    uint64_t value = 9;

    CHECK_OK(cim_path_set(path, "Name", "a\\b", &err));
    CHECK_OK(cim_set_text(in, "Password", "hunter2", &err) &&
             cim_set_text(in, "User", "me", &err));
    CHECK_OK(cim_query(session, "root/x", "select * from Row", count_row, &rows, &err));
    CHECK_EQ(rows, 2);
    CHECK_OK(cim_fetch(session, path, &got, &err));
    CHECK(cim_get_u64(got, "Changes", &value) && value == 0);
    cim_instance_free(TAKE(got));
    CHECK_OK(cim_put(session, path, in, &err));
    CHECK_OK(cim_invoke(session, path, "Change", in, &got, &err));
    CHECK(cim_get_u64(got, "ReturnValue", &value) && value == 2);
    cim_instance_free(TAKE(got));
    CHECK_OK(cim_fetch(session, path, &got, &err));
    CHECK(cim_get_u64(got, "Changes", &value) && value == 2);
    cim_instance_free(TAKE(got));
    seen_output[0] = '\0';
    CHECK_OK(cim_run(session, &command, &exit_code, &err));
    CHECK_EQ(exit_code, 3);
    CHECK_STR_EQ(seen_output, "oout\xff"
                              "eerr ä\n");

    rows = 0;
    CHECK(!cim_query(session, "root/x", "fail", count_row, &rows, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
    CHECK_EQ(err.code, 0x80041017);
    CHECK_STR_EQ(err.text[0], "invalid query");
    CHECK_STR_EQ(err.text[1], "asking 'root/x' for 'fail'");
    CHECK_STR_EQ(err.hint, "ask better");
    cim_path_free(path);
}

TEST(a_recording_answers_like_the_host)
{
    char path[TEST_FOLDER];
    CLEANUP(free_cleanup) char *text = NULL;
    struct cim_session *session = fake_open(), *replay;
    struct cim_instance *got = NULL;
    struct cim_path *other = cim_path_new("root/x", "Thing");
    struct err err = ERR_INIT;
    unsigned rows = 0;

    test_make_file("recording", path);
    session = cim_record_open(&session, path, &err);
    use_everything(session);
    cim_release(session);
    CHECK_EQ(released, 1);
    CHECK_EQ(changes, 3);

    replay = cim_replay_open(path, &err);
    CHECK(replay != NULL);
    use_everything(replay);
    CHECK_EQ(changes, 3);
    /* Everything was used up, and this never was asked. */
    CHECK(!cim_query(replay, "root/x", "select * from Row", count_row, &rows, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!cim_fetch(replay, other, &got, &err));
    cim_release(replay);

    /* One that many ask says the last answer again, and still nothing that it does not know. */
    replay = cim_replay_open(path, &err);
    cim_replay_repeat(replay);
    use_everything(replay);
    rows = 0;
    err = ERR_INIT;
    CHECK_OK(cim_query(replay, "root/x", "select * from Row", count_row, &rows, &err));
    CHECK(rows > 0);
    CHECK(!cim_fetch(replay, other, &got, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    cim_release(replay);

    text = os_read_file(path, 1 << 20, NULL, &err);
    CHECK(text && !strstr(text, "hunter2") && strstr(text, "\"me\""));
    cim_path_free(other);
    CHECK_OK(os_remove_file(path, &err));
}

TEST(a_damaged_recording_is_refused)
{
    static const char *const bad[] = { "x\n", "{}\n", "{\"request\":5}\n", "[1]\n", "\n" };
    char path[TEST_FOLDER];
    struct err err = ERR_INIT;

    test_make_file("recording", path);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        test_case(bad[i]);
        CHECK_OK(os_write_file(path, bad[i], strlen(bad[i]), &err));
        CHECK(cim_replay_open(path, &err) == NULL);
        CHECK_EQ(err.kind, ERR_INVALID);
    }
    CHECK_OK(os_remove_file(path, &err));
    CHECK(cim_replay_open(path, &err) == NULL);
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
}

TEST(a_trace_says_what_was_done_but_no_secret)
{
    struct cim_session *session = fake_open();
    struct err err = ERR_INIT;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    unsigned lines = 0;

    session = cim_trace_open(&session, out, &err);
    use_everything(session);
    cim_release(session);
    fclose(out);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    CHECK_EQ(lines, 7);
    CHECK(strstr(text, "fake: query root/x: select * from Row -> 2 rows, ") == text);
    CHECK(strstr(text,
                 "invoke root\\x:Thing.Name=\"a\\\\b\" Change(Password=***, User=me) -> "
                 "(ReturnValue=2)"));
    CHECK(strstr(text, "failed (refused): invalid query"));
    CHECK(!strstr(text, "hunter2"));
    free(text);
}

TEST(secrets_inside_embedded_text_and_registry_values_are_hidden)
{
    struct cim_session *session = fake_open();
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "__PARAMETERS");
    struct cim_path *path = cim_path_new("root/x", "StdRegProv");
    struct cim_instance *got = NULL;
    struct err err = ERR_INIT;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK_OK(cim_set_text(
        in, "Settings", "<INSTANCE CLASSNAME=\"A\"><PROPERTY NAME=\"SharedSecret\">hunter2",
        &err));
    CHECK_OK(cim_set_text(in, "sValueName", "DefaultPassword", &err));
    CHECK_OK(cim_set_text(in, "sValue", "hunter2", &err));
    session = cim_trace_open(&session, out, &err);
    CHECK_OK(cim_invoke(session, path, "SetStringValue", in, &got, &err));
    cim_instance_free(got);
    cim_release(session);
    fclose(out);
    CHECK(!strstr(text, "hunter2") && strstr(text, "DefaultPassword"));
    free(text);
    cim_path_free(path);
}

/* What a session does in order: two reads, then changes 1 (put), 2 (invoke), 3 (run). */
static unsigned run_until_fault(struct cim_session *session, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new("root/x", "Thing");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *got = NULL, *out = NULL, *info = NULL;
    struct shell_command read = { .line = "dir",
                                  .reads_only = true,
                                  .on_output = keep_output };
    struct shell_command write = { .line = "del", .on_output = keep_output };
    uint32_t exit_code;

    seen_output[0] = '\0';
    if (!cim_fetch(session, path, &got, err) ||
        !cim_invoke(session, path, "GetSummaryInformation", NULL, &info, err) ||
        !cim_run(session, &read, &exit_code, err))
        return 100;
    if (!cim_put(session, path, got, err))
        return 1;
    if (!cim_invoke(session, path, "AddResourceSettings", NULL, &out, err))
        return 2;
    seen_output[0] = '\0';
    return cim_run(session, &write, &exit_code, err) ? 0 : 3;
}

TEST(a_fault_hits_the_change_it_was_told_and_no_read)
{
    for (unsigned at = 0; at <= 4; at++) {
        for (int mode = CIM_FAULT_FAIL_BEFORE; mode <= CIM_FAULT_FAIL_AFTER; mode++) {
            struct cim_session *session = fake_open();
            struct err err = ERR_INIT;
            unsigned stopped;

            session = cim_fault_open(&session, (enum cim_fault_mode)mode, at, &err);
            stopped = run_until_fault(session, &err);
            CHECK_EQ(stopped, at <= 3 ? at : 0);
            if (stopped) {
                CHECK_EQ(err.kind, ERR_UNREACHABLE);
                CHECK_EQ(changes, mode == CIM_FAULT_FAIL_BEFORE ? at - 1 : at);
            } else {
                CHECK_EQ(changes, 3);
            }
            cim_release(session);
            CHECK_EQ(released, 1);
        }
    }
}

TEST(a_killing_fault_ends_the_process_at_once)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct cim_session *session = fake_open();
        struct err err = ERR_INIT;

        session = cim_fault_open(&session, CIM_FAULT_KILL_BEFORE, 2, &err);
        run_until_fault(session, &err);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(pure_reads_are_known_by_name)
{
    CHECK(cim_method_reads_only("GetDeviceProperties") && cim_method_reads_only("EnumKey"));
    CHECK(cim_method_reads_only("checkaccess") &&
          cim_method_reads_only("FindMountedStorageImageInstance"));
    CHECK(!cim_method_reads_only("RequestStateChange") &&
          !cim_method_reads_only("SetDWORDValue"));
    CHECK(!cim_method_reads_only("AddResourceSettings") &&
          !cim_method_reads_only("ExportSystemDefinition"));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal keeps: notes and runs, also damaged ones and very many. */

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os.h"
#include "test-plan-world.h"
#include "test.h"
#include "text.h"

TEST(a_note_is_read_back_replaced_and_forgotten)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    json_t *one = json_pack("{s:i}", "a", 1), *two = json_pack("{s:i}", "a", 2);
    json_t *read = NULL;

    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(read == NULL);
    CHECK_OK(journal_note(journal, "seen x", one, &err));
    CHECK_OK(journal_note(journal, "seen y", two, &err));
    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(json_equal(read, one));
    json_decref(read);
    CHECK_OK(journal_note(journal, "seen x", two, &err));
    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(json_equal(read, two));
    json_decref(read);
    CHECK_OK(journal_note(journal, "seen x", NULL, &err));
    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(read == NULL);
    CHECK_OK(journal_read_note(journal, "seen y", &read, &err));
    CHECK(read != NULL);
    json_decref(read);
    json_decref(one);
    json_decref(two);
    stop(journal);
}

TEST(a_plan_comes_back_from_the_journal_as_it_was)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    CLEANUP(plan_cleanup) struct plan *loaded = NULL;
    json_t *a, *b;

    CHECK(plan_find(plan, "x", "warning", "VM", "seen", "cause", "fix", "source", &err));
    CHECK_OK(plan_run(plan, &context, &err));
    loaded = journal_load(journal, plan->id, false, kinds, &err);
    CHECK(loaded != NULL);
    if (loaded) {
        a = plan_to_json(plan);
        b = plan_to_json(loaded);
        CHECK(a && json_equal(a, b));
        CHECK_STR_EQ(loaded->lock, "vm-1");
        json_decref(a);
        json_decref(b);
    }
    CHECK(!journal_load(journal, "2", false, kinds + 1, &err)); /* a beginning; no "cell" */
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(!journal_load(journal, "2%", false, kinds, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!journal_load(journal, "1999", false, kinds, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    stop(journal);
}

TEST(the_journal_is_private_and_refuses_what_is_none)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    char path[TEST_FOLDER + 16];
    struct stat st;
    sqlite3 *db;
    FILE *file;

    snprintf(path, sizeof(path), "%s/journal.db", state_dir);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    journal_close(journal);

    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, "PRAGMA user_version=9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK(!journal_open(state_dir, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);

    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, "CREATE TABLE bookmarks (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK(!journal_open(state_dir, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(strstr(err.text[0], "not a journal") != NULL);

    file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file) {
        for (int i = 0; i < 4096; i++)
            fputc(i * 7, file);
        fclose(file);
    }
    CHECK(!journal_open(state_dir, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(err.hint[0]);
    stop(NULL);
}

TEST(a_damaged_step_is_an_error_and_not_a_crash)
{
    static const char *const damage[] = {
        "UPDATE steps SET params = '[1]'",
        "UPDATE steps SET before = '{'",
        "UPDATE steps SET after = ''",
        "UPDATE steps SET state = 'perhaps'",
        "UPDATE steps SET n = 7 WHERE n = 2",
        "UPDATE steps SET kind = 'format-c' WHERE n = 1",
        "UPDATE runs SET state = 'perhaps'",
        "UPDATE steps SET params = x'00ff00'",
    };

    for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
        struct err err = ERR_INIT;
        struct journal *journal = start(&err);
        struct plan_context context = context_of(journal);
        CLEANUP(plan_cleanup) struct plan *plan = plan_new("lab", "one", &err);
        char path[TEST_FOLDER + 16];
        sqlite3 *db;

        test_case(damage[i]);
        for (int cell = 0; cell < 2; cell++)
            CHECK(plan_add(plan, &kind_cell, "cell", json_pack("{s:i}", "cell", cell),
                           json_integer(cell + 1), json_integer(50), NULL, &err));
        CHECK_OK(plan_run(plan, &context, &err));
        snprintf(path, sizeof(path), "%s/journal.db", state_dir);
        CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
        CHECK_EQ(sqlite3_exec(db, damage[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        CHECK(!journal_load(journal, plan->id, false, kinds, &err));
        CHECK(err.kind == ERR_PROTOCOL || err.kind == ERR_UNSUPPORTED);
        stop(journal);
    }
}

static bool count_run(const struct run_info *info, void *user, struct err *err)
{
    struct run_info *last = user;

    last->steps++;
    if (last->started_usec && info->started_usec > last->started_usec)
        return err_fail(err, ERR_PROTOCOL, 0, "not newest first");
    last->started_usec = info->started_usec;
    CHECK_EQ(info->steps, 30);
    return true;
}

TEST(ten_thousand_runs_are_listed_quickly)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct run_info count = { 0 };
    char path[TEST_FOLDER + 16];
    sqlite3 *db;
    uint64_t began;

    snprintf(path, sizeof(path), "%s/journal.db", state_dir);
    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(
        sqlite3_exec(
            db,
            "BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT "
            "10000) INSERT INTO runs (id, host, title, started_usec, state, findings) "
            "SELECT printf('20260101-%06d-0000', i), 'h', 't', i, 'done', '[]' FROM c;"
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 30) "
            "INSERT INTO steps (run, n, kind, target, params, before, after, state) "
            "SELECT id, i, 'cell', 't', '{}', printf('\"%0500d\"', i), 'null', 'done' "
            "FROM runs, c; COMMIT",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    began = os_monotonic_ms();
    CHECK_OK(journal_list(journal, count_run, &count, &err));
    CHECK_EQ(count.steps, 10000);
    CHECK(os_monotonic_ms() - began < 5000); /* about 0.2 s; sanitizers are slower */
    stop(journal);
}

/* ---- many hosts at work in one process ---- */

enum { WRITERS = 12, NOTES = 10 };

struct writer {
    unsigned n;
    unsigned written, listed;
    struct err err;
};

static bool load_while_listing(const struct run_info *info, void *user, struct err *err)
{
    struct journal *journal = ((void **)user)[0];
    struct writer *writer = ((void **)user)[1];
    CLEANUP(plan_cleanup)
    struct plan *plan = journal_load(journal, info->id, false, kinds, err);

    writer->listed += plan != NULL;
    return plan != NULL;
}

static void *write_notes(void *user)
{
    struct writer *writer = user;
    CLEANUP(journal_cleanup)
    struct journal *journal = journal_open(state_dir, &writer->err);
    void *both[] = { journal, writer };

    for (int i = 0; journal && i < NOTES; i++) {
        char name[32];
        json_t *note = json_integer(i);

        snprintf(name, sizeof(name), "of %u", writer->n);
        writer->written += journal_note(journal, name, note, &writer->err);
        json_decref(note);
    }
    if (journal && !journal_list(journal, load_while_listing, both, &writer->err))
        writer->listed = 0;
    return NULL;
}

TEST(hosts_that_work_at_once_take_turns)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned started = 0;

    CHECK_OK(plan_run(plan, &context, &err));
    for (; started < WRITERS; started++) {
        writers[started] = (struct writer){ .n = started, .err = ERR_INIT };
        if (pthread_create(&threads[started], NULL, write_notes, &writers[started]) != 0)
            break;
    }
    CHECK_EQ(started, WRITERS);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        err = writers[i].err;
        CHECK_OK(writers[i].written == NOTES);
        CHECK_EQ(writers[i].listed, 1);
    }
    stop(journal);
}

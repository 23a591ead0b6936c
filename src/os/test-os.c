/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _WIN32
#include <sys/stat.h>
#endif
#include <unistd.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

static char *scratch(void)
{
    char guid[37];
    struct err err = ERR_INIT;
    char *path;

    os_guid(guid);
    path = text_printf("%s/test-os-%s", test_temporary_dir(), guid);
    CHECK_OK(os_make_dirs(path, &err));
    return path;
}

static bool count_entry(const struct os_entry *entry, void *user, struct err *err)
{
    (void)err;
    if (strcmp(entry->name, "file") == 0)
        CHECK_EQ(entry->size, 5);
    ++*(int *)user;
    return true;
}

TEST(a_file_is_written_whole_and_privately)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(free_cleanup) char *file = text_printf("%s/file", dir);
    CLEANUP(free_cleanup) char *deep = text_printf("%s/a/b/c", dir);
    CLEANUP(free_cleanup) char *text = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;
    CLEANUP(free_cleanup) char *link = text_printf("%s/link", dir);
    struct os_entry entry;
    int count = 0;

    CHECK_OK(os_write_file(file, "first", 5, &err));
    CHECK_OK(os_write_file(file, "hello", 5, &err));
    CHECK(os_is_private_file(file));
    text = os_read_file(file, 100, &len, &err);
    CHECK_STR_EQ(text, "hello");
    CHECK_EQ(len, 5);
    CHECK(!os_read_file(file, 4, NULL, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK_OK(os_make_dirs(deep, &err));
    CHECK_OK(os_make_dirs(deep, &err));
    CHECK_OK(os_list_dir(dir, count_entry, &count, &err));
    CHECK_EQ(count, 2);
    CHECK(os_look(file, &entry));
    CHECK(!entry.is_dir && !entry.is_special);
    CHECK_EQ(entry.size, 5);
    CHECK(strstr(file, entry.name) && !strchr(entry.name, '/'));
    CHECK(entry.mtime_usec <= os_now_usec() &&
          entry.mtime_usec > os_now_usec() - 60 * 1000 * 1000);
    CHECK(os_look(dir, &entry) && entry.is_dir);
#ifndef _WIN32
    CHECK_EQ(symlink(file, link), 0);
    CHECK(os_look(link, &entry) && entry.is_special);
#endif
    CHECK_OK(os_remove_tree(dir, &err));
    CHECK(!os_look(file, &entry));
    CHECK(!os_file_exists(dir));
    CHECK_OK(os_remove_tree(dir, &err));
    CHECK(!os_read_file(file, 4, NULL, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
}

TEST(a_lock_excludes_and_is_given_back)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(free_cleanup) char *file = text_printf("%s/lock", dir);
    struct err err = ERR_INIT;
    struct os_lock *first = os_lock_take(file, 0, &err);
    struct os_lock *second;

    CHECK(first);
    CHECK(!os_lock_take(file, 30, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    os_lock_drop(first);
    second = os_lock_take(file, 0, &err);
    CHECK(second);
    os_lock_drop(second);
    CHECK_OK(os_remove_tree(dir, &err));
}

TEST(a_program_is_run_and_its_status_read)
{
#ifdef _WIN32
    const char *const echo[] = { "cmd", "/c", "echo hi& exit 3", NULL };
    const char *const sleepy[] = { "ping", "-n", "6", "127.0.0.1", NULL };
#else
    const char *const echo[] = { "sh", "-c", "echo hi; exit 3", NULL };
    const char *const sleepy[] = { "sleep", "5", NULL };
#endif
    const char *const missing[] = { "no-such-program-here", NULL };
    CLEANUP(free_cleanup) char *output = NULL;
    struct err err = ERR_INIT;
    int status = -1;

    CHECK_OK(os_run(echo, 5000, 100, &output, &status, &err));
    CHECK_EQ(status, 3);
    if (output)
        output[strcspn(output, "\r\n")] = '\0';
    CHECK_STR_EQ(output, "hi");
    CHECK(!os_run(sleepy, 50, 100, NULL, &status, &err));
    CHECK(!os_run(missing, 5000, 100, NULL, &status, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
}

TEST(guids_differ_and_look_like_guids)
{
    char a[37], b[37];

    os_guid(a);
    os_guid(b);
    CHECK(text_is_guid(a));
    CHECK(strcmp(a, b) != 0);
}

#ifndef _WIN32 /* see test-os-win32.c */
TEST(a_file_is_replaced_with_its_rights_kept)
{
    char folder[TEST_FOLDER];
    CLEANUP(free_cleanup) char *file = NULL;
    CLEANUP(free_cleanup) char *copy = NULL;
    CLEANUP(free_cleanup) char *now = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    test_make_folder("os", folder);
    file = text_printf("%s/file", folder);
    copy = text_printf("%s/copy", folder);
    CHECK(!os_write_file_like(file, file, "x", 1, &err));
    err = ERR_INIT;
    CHECK_OK(os_write_file(file, "first", 5, &err));
    CHECK(chmod(file, 0751) == 0);
    CHECK_OK(os_write_file_like(copy, file, "copy", 4, &err));
    CHECK_OK(os_write_file_like(file, file, "second", 6, &err));
    CHECK(stat(copy, &st) == 0 && (st.st_mode & 07777) == 0751);
    CHECK(stat(file, &st) == 0 && (st.st_mode & 07777) == 0751);
    now = os_read_file(file, 100, NULL, &err);
    CHECK_STR_EQ(now, "second");
    if (geteuid() != 0) { /* to root nothing is protected */
        CHECK(chmod(file, 0444) == 0);
        CHECK(!os_write_file_like(file, file, "third", 5, &err));
        CHECK_EQ(err.kind, ERR_DENIED);
        err = ERR_INIT;
    }
    CHECK_OK(os_remove_tree(folder, &err));
}
#endif

TEST(texts_of_other_encodings_are_read_or_refused)
{
    CLEANUP(strbuf_cleanup) struct strbuf many = STRBUF_INIT;
    CLEANUP(free_cleanup) char *text = NULL;
    struct err err = ERR_INIT;

    for (int i = 0; i < 5000; i++)
        strbuf_puts(&many, "\xB2\xE2"); /* longer than a piece, and cut in letters */
    strbuf_puts(&many, "x");
    text = os_text_from("GBK", many.text, many.len, &err);
    CHECK(text && strlen(text) == 15001 && strncmp(text, "\xE6\xB5\x8B", 3) == 0);
    CHECK(os_text_from("no-such", "a", 1, &err) == NULL);
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    err = ERR_INIT;
    CHECK(os_text_from("GBK", "\xB2", 1, &err) == NULL);
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}

static bool is_this_one(const struct os_process *process, void *user, struct err *err)
{
    (void)err;
    if (process->id == (uint64_t)getpid() && strncmp(process->name, "test-os", 7) == 0)
        *(bool *)user = true;
    return true;
}

static bool stop_at_once(const struct os_process *process, void *user, struct err *err)
{
    (void)process;
    ++*(unsigned *)user;
    return err_fail(err, ERR_CANCELLED, 0, "enough");
}

TEST(processes_are_listed_by_the_name_of_their_program)
{
    struct err err = ERR_INIT;
    unsigned count = 0;
    bool found = false;

    CHECK_OK(os_list_processes(is_this_one, &found, &err));
    CHECK(found);
    CHECK(!os_list_processes(stop_at_once, &count, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK_EQ(count, 1);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is Windows' own: long and foreign names, access lists, attributes, consoles, Ctrl-C,
 * command lines. */

#include "inside-win32.h"

#include <aclapi.h>
#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>

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

TEST(paths_get_the_prefix_that_lifts_the_limit)
{
    static const struct {
        const char *path;
        const wchar_t *want;
    } cases[] = {
        { "C:\\a\\b.txt", L"\\\\?\\C:\\a\\b.txt" },
        { "C:/a/./x/../b.txt", L"\\\\?\\C:\\a\\b.txt" },
        { "\\\\server\\share\\f", L"\\\\?\\UNC\\server\\share\\f" },
        { "//server/share/f", L"\\\\?\\UNC\\server\\share\\f" },
        { "\\\\?\\C:\\a", L"\\\\?\\C:\\a" },
        { "C:\\\xC3\xA4\xE6\xB5\x8B", L"\\\\?\\C:\\\x00E4\x6D4B" },
    };
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        wchar_t *wide = win32_path(cases[i].path, &err);

        test_case(cases[i].path);
        CHECK(wide && wcscmp(wide, cases[i].want) == 0);
        free(wide);
    }
    CHECK(!win32_path("C:\\\xFF", &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

static bool take_name(const struct os_entry *entry, void *user, struct err *err)
{
    (void)err;
    strbuf_printf(user, "%s%s;", entry->name, entry->is_dir ? "/" : "");
    return true;
}

TEST(names_may_be_long_and_in_any_script)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(strbuf_cleanup) struct strbuf path = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf names = STRBUF_INIT;
    CLEANUP(free_cleanup) char *file = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(free_cleanup) char *whole = NULL;
    struct err err = ERR_INIT;
    struct os_file *big;
    struct os_lock *lock;

    strbuf_puts(&path, dir);
    for (unsigned i = 0; i < 10; i++)
        strbuf_puts(&path,
                    "/a folder whose name has fifty letters and two \xC3\xA4\xC3\xB6");
    CHECK(path.len > 400);
    CHECK_OK(os_make_dirs(path.text, &err));
    CHECK_OK(os_make_dirs(path.text, &err));
    file = text_printf("%s\\\xE6\xB5\x8B\xE8\xAF\x95.txt", path.text);
    CHECK_OK(os_write_file(file, "hello", 5, &err));
    CHECK_OK(os_write_file(file, "hello", 5, &err));
    text = os_read_file(file, 100, NULL, &err);
    CHECK_STR_EQ(text, "hello");
    CHECK_OK(os_list_dir(path.text, take_name, &names, &err));
    CHECK_STR_EQ(names.text, "\xE6\xB5\x8B\xE8\xAF\x95.txt;");
    big = os_file_open(file, &err);
    CHECK(big && os_file_size(big) == 5);
    os_file_close(big);
    whole = os_absolute_path(file, &err);
    CHECK(whole && text_istarts(whole + 1, ":\\") && strlen(whole) > 400 &&
          strstr(whole, "\xE6\xB5\x8B\xE8\xAF\x95.txt"));
    strbuf_puts(&path, "/lock");
    lock = os_lock_take(path.text, 0, &err);
    CHECK(lock && !os_lock_take(path.text, 0, &err));
    os_lock_drop(lock);
    CHECK_OK(os_remove_tree(dir, &err));
    CHECK(!os_file_exists(dir));
}

TEST(folders_and_wrong_names_are_told_from_files)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(free_cleanup) char *missing = text_printf("%s/no/such", dir);
    CLEANUP(free_cleanup) char *star = text_printf("%s/a*", dir);
    CLEANUP(free_cleanup) char *file = text_printf("%s/abc", dir);
    struct err err = ERR_INIT;
    struct os_entry entry;

    CHECK(!os_file_open(dir, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!os_file_open(missing, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!os_absolute_path(missing, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!os_list_dir(missing, take_name, NULL, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!os_write_file(missing, "x", 1, &err));
    CHECK_OK(os_write_file(file, "x", 1, &err));
    CHECK(!os_look(star, &entry));
    CHECK(os_look("C:\\", &entry) && entry.is_dir);
    CHECK_OK(os_remove_tree(dir, &err));
}

static bool has_for_all(const char *path, ACCESS_MASK mask)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, &err);
    SID_IDENTIFIER_AUTHORITY world = { SECURITY_WORLD_SID_AUTHORITY };
    EXPLICIT_ACCESSW grant = { .grfAccessPermissions = mask,
                               .grfAccessMode = GRANT_ACCESS };
    PSID everyone = NULL;
    ACL *list = NULL, *old = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    bool ok;

    ok = AllocateAndInitializeSid(&world, 1, 0, 0, 0, 0, 0, 0, 0, 0, &everyone) &&
         GetNamedSecurityInfoW(wide, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL,
                               &old, NULL, &descriptor) == ERROR_SUCCESS;
    BuildTrusteeWithSidW(&grant.Trustee, everyone);
    ok = ok && SetEntriesInAclW(1, &grant, old, &list) == ERROR_SUCCESS &&
         SetNamedSecurityInfoW(wide, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL,
                               list, NULL) == ERROR_SUCCESS;
    LocalFree(list);
    LocalFree(descriptor);
    FreeSid(everyone);
    return ok;
}

TEST(what_is_made_here_is_for_its_user_alone)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(free_cleanup) char *file = text_printf("%s/file", dir);
    CLEANUP(free_cleanup) char *created = text_printf("%s/created", dir);
    CLEANUP(free_cleanup) char *none = text_printf("%s/none", dir);
    struct err err = ERR_INIT;
    struct os_file *big;

    CHECK(os_is_private_file(dir));
    CHECK_OK(os_write_file(file, "secret", 6, &err));
    CHECK(os_is_private_file(file));
    big = os_file_create(created, &err);
    CHECK(big && os_file_write(big, "0123456789", 10, &err));
    os_file_close(big);
    CHECK(os_is_private_file(created));
    big = os_file_create(created, &err); /* what was there is gone */
    CHECK(big && os_file_write(big, "x", 1, &err));
    os_file_close(big);
    free(TAKE(none));
    none = os_read_file(created, 100, NULL, &err);
    CHECK_STR_EQ(none, "x");
    CHECK(!os_is_private_file("C:\\no\\such"));
    CHECK(has_for_all(file, FILE_GENERIC_READ));
    CHECK(!os_is_private_file(file));
    CHECK_OK(os_write_file(file, "anew", 4, &err));
    CHECK(os_is_private_file(file));
    CHECK_OK(os_remove_tree(dir, &err));
}

TEST(a_file_is_replaced_with_its_attributes_kept)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(free_cleanup) char *file = text_printf("%s/file", dir);
    CLEANUP(free_cleanup) char *copy = text_printf("%s/copy", dir);
    CLEANUP(free_cleanup) char *text = NULL;
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(file, &err);
    CLEANUP(free_cleanup) wchar_t *wide_copy = win32_path(copy, &err);

    CHECK(!os_write_file_like(file, file, "x", 1, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_OK(os_write_file(file, "first", 5, &err));
    CHECK(has_for_all(file, FILE_GENERIC_READ));
    CHECK(!os_is_private_file(file));
    CHECK_OK(os_write_file_like(copy, file, "copy", 4, &err));
    CHECK(!os_is_private_file(copy));
    CHECK_OK(os_write_file_like(file, file, "second", 6, &err));
    text = os_read_file(file, 100, NULL, &err);
    CHECK_STR_EQ(text, "second");
    free(TAKE(text));
    text = os_read_file(copy, 100, NULL, &err);
    CHECK_STR_EQ(text, "copy");

    SetFileAttributesW(wide, FILE_ATTRIBUTE_READONLY);
    CHECK(!os_write_file_like(file, file, "third", 5, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    CHECK_OK(os_write_file_like(copy, file, "like", 4, &err));
    CHECK(GetFileAttributesW(wide_copy) & FILE_ATTRIBUTE_READONLY);
    CHECK_OK(os_remove_tree(dir, &err)); /* what is write-protected too */
    CHECK(!os_file_exists(dir));
}

static DWORD WINAPI close_soon(void *handle)
{
    Sleep(120);
    CloseHandle(handle);
    return 0;
}

TEST(a_file_that_somebody_looks_at_is_replaced_when_he_is_done)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    CLEANUP(free_cleanup) char *file = text_printf("%s/file", dir);
    CLEANUP(free_cleanup) char *text = NULL;
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(file, &err);
    HANDLE looking, thread;

    CHECK_OK(os_write_file(file, "first", 5, &err));
    looking =
        CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(looking != INVALID_HANDLE_VALUE);
    thread = CreateThread(NULL, 0, close_soon, looking, 0, NULL);
    CHECK_OK(os_write_file(file, "second", 6, &err));
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    text = os_read_file(file, 100, NULL, &err);
    CHECK_STR_EQ(text, "second");
    CHECK_OK(os_remove_tree(dir, &err));
}

TEST(folders_of_the_user_are_where_windows_has_them)
{
    CLEANUP(free_cleanup) char *dir = scratch();
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_wide(dir, &err);
    CLEANUP(free_cleanup) char *state = NULL;
    CLEANUP(free_cleanup) char *config = NULL;
    CLEANUP(free_cleanup) char *want = text_printf("%s\\hvgpu", dir);

    for (wchar_t *at = wide; *at; at++)
        if (*at == L'/')
            *at = L'\\';
    SetEnvironmentVariableW(L"LOCALAPPDATA", wide);
    SetEnvironmentVariableW(L"APPDATA", wide);
    state = os_state_dir(&err);
    config = os_config_dir(&err);
    CHECK(state && text_istarts(state + 1, ":\\") && os_file_exists(state));
    CHECK_OK(config != NULL);
    CHECK(state && config && strcmp(state, config) == 0);
    SetEnvironmentVariableW(L"LOCALAPPDATA", L"relative");
    CHECK(!os_state_dir(&err));
    CHECK(strstr(err.hint, "LOCALAPPDATA"));
    CHECK(os_env("HVGPU_NOT_SET") == NULL);
    SetEnvironmentVariableW(L"HVGPU_TEST", L"\x6D4B");
    CHECK_STR_EQ(os_env("HVGPU_TEST"), "\xE6\xB5\x8B");
    CHECK(os_user_name()[0] && strcmp(os_user_name(), "unknown") != 0);
    CHECK_OK(os_remove_tree(dir, &err));
}

/* Wine without a display has no console to type Ctrl-C in: the handler is called as the system
 * does, in a thread of its own. */
static PHANDLER_ROUTINE on_interrupt;

static BOOL WINAPI keep_handler(PHANDLER_ROUTINE handler, BOOL add)
{
    if (handler && add)
        on_interrupt = handler;
    return TRUE;
}
void *__imp_SetConsoleCtrlHandler = (void *)keep_handler;

static DWORD WINAPI interrupt_soon(void *answer)
{
    Sleep(30);
    *(BOOL *)answer = on_interrupt(CTRL_C_EVENT);
    return 0;
}

TEST(the_first_interrupt_is_noted_and_wakes_the_second_ends)
{
    uint64_t before = os_monotonic_ms();
    BOOL is_handled = FALSE;
    HANDLE thread;

    os_catch_interrupt();
    CHECK(on_interrupt && !os_was_interrupted());
    thread = CreateThread(NULL, 0, interrupt_soon, &is_handled, 0, NULL);
    os_sleep_ms(20000);
    CHECK(os_monotonic_ms() - before < 10000);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CHECK(os_was_interrupted());
    CHECK(is_handled);
    CHECK(!on_interrupt(CTRL_C_EVENT)); /* the system ends the program */

    os_forget_interrupt();
    CHECK(!os_was_interrupted());
    before = os_monotonic_ms();
    os_sleep_ms(60);
    CHECK(os_monotonic_ms() - before >= 40);
    CHECK(on_interrupt(CTRL_BREAK_EVENT));
    CHECK(os_was_interrupted());
    os_forget_interrupt();
}

TEST(arguments_arrive_as_they_were_given)
{
    static const char *const given[] = { "",           "a b",          "tab\tin",
                                         "say \"hi\"", "c:\\dir\\",    "c:\\my dir\\",
                                         "\\\\\"",     "\xE6\xB5\x8B", "*",
                                         "a\\\\b" };
    CLEANUP(strbuf_cleanup) struct strbuf got = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf want = STRBUF_INIT;
    CLEANUP(free_cleanup) char *output = NULL;
    const char *argv[ARRAY_LEN(given) + 3] = { 0 };
    struct err err = ERR_INIT;
    char self[1024];
    int status = -1;

    GetModuleFileNameA(NULL, self, sizeof(self));
    argv[0] = self;
    argv[1] = "--print-arguments";
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        argv[i + 2] = given[i];
        strbuf_printf(&want, "[%s]", given[i]);
    }
    CHECK_OK(os_run(argv, 20000, 4096, &output, &status, &err));
    CHECK_EQ(status, 0);
    CHECK_STR_EQ(output, want.text);
}

/* This program started anew, by the test above. */
__attribute__((constructor)) static void print_arguments(void)
{
    int argc = 0;
    char **argv = NULL;

    if (!wcsstr(GetCommandLineW(), L" --print-arguments "))
        return;
    os_arguments(&argc, &argv);
    for (int i = 2; i < argc; i++)
        printf("[%s]", argv[i]);
    fflush(stdout);
    os_terminal_setup();
    _exit(0);
}

/* What is one argument to others is one to us. */
static void compare(const wchar_t *line)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *text = win32_utf8(line, &err);
    int count = 0, wanted = 0;
    wchar_t **want = CommandLineToArgvW(line, &wanted);
    char **got = win32_split_line(line, &count);

    test_case(text);
    CHECK(want && got);
    CHECK_EQ(count, wanted);
    for (int i = 0; i < count && i < wanted; i++) {
        CLEANUP(free_cleanup) char *argument = win32_utf8(want[i], &err);

        CHECK_STR_EQ(got[i], argument);
        free(got[i]);
    }
    CHECK(!got[count]);
    free(got);
    LocalFree(want);
}

TEST(a_command_line_is_taken_apart_as_windows_does_it)
{
    static const wchar_t letters[] = L"aa\u00e4  \t\"\"\"\\\\\\";
    unsigned state = 1;

    compare(L"hvgpu.exe");
    compare(
        L"\"C:\\Program Files\\hvgpu.exe\"attach \"dev box\"\t--gpu \"\" \"a\\\\\" b\\\"c ");
    compare(L"\"open");
    for (int i = 0; i < 5000; i++) {
        wchar_t line[24];
        unsigned len;

        state = state * 1103515245 + 12345;
        len = 1 + (state >> 16) % (ARRAY_LEN(line) - 1);
        for (unsigned n = 0; n < len; n++) {
            state = state * 1103515245 + 12345;
            line[n] = letters[(state >> 16) % (ARRAY_LEN(letters) - 1)];
        }
        line[len] = L'\0';
        compare(line);
    }
}

TEST(dying_runs_nothing_and_says_so)
{
    CLEANUP(free_cleanup) char *output = NULL;
    char self[1024];
    const char *argv[] = { self, "--die", NULL };
    struct err err = ERR_INIT;
    int status = -1;

    GetModuleFileNameA(NULL, self, sizeof(self));
    CHECK_OK(os_run(argv, 20000, 4096, &output, &status, &err));
    CHECK_EQ(status, 137);
    CHECK_STR_EQ(output, "");
}

static void say(void)
{
    puts("cleaned up");
}

__attribute__((constructor)) static void die(void)
{
    if (!wcsstr(GetCommandLineW(), L" --die"))
        return;
    atexit(say);
    os_forbid_dumps();
    os_die();
}

TEST(what_a_program_starts_goes_with_it)
{
    const char *const argv[] = { "cmd", "/c", "ping -n 30 127.0.0.1 > nul", NULL };
    struct err err = ERR_INIT;
    uint64_t before = os_monotonic_ms();
    int status;

    CHECK(!os_run(argv, 300, 0, NULL, &status, &err));
    CHECK(os_monotonic_ms() - before < 5000);
}

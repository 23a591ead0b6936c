/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local operating system, as Windows offers it.  UTF-16 ends at this file. */

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <bcrypt.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

/* ---- between UTF-8 and UTF-16 ---- */

static wchar_t *to_wide(const char *text, struct err *err)
{
    wchar_t *wide = (wchar_t *)text_to_utf16le(text, NULL);

    if (!wide && errno == EILSEQ)
        err_fail(err, ERR_INVALID, 0, "a name is not UTF-8");
    else if (!wide)
        err_no_memory(err);
    return wide;
}

static char *from_wide(const wchar_t *wide)
{
    return text_from_utf16le(wide, wcslen(wide) * sizeof(*wide), NULL);
}

/* Long paths need the \\?\ form, and that needs backslashes and an absolute path. */
static wchar_t *to_path(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_wide(path, err);
    CLEANUP(free_cleanup) wchar_t *full = NULL;
    wchar_t *prefixed;
    DWORD size;

    if (!wide)
        return NULL;
    size = GetFullPathNameW(wide, 0, NULL, NULL);
    full = calloc(size + 1, sizeof(*full));
    prefixed = calloc(size + 8, sizeof(*prefixed));
    if (!full || !prefixed || !GetFullPathNameW(wide, size + 1, full, NULL)) {
        free(prefixed);
        err_no_memory(err);
        return NULL;
    }
    if (wcsncmp(full, L"\\\\", 2) != 0)
        wcscpy(prefixed, L"\\\\?\\");
    wcscat(prefixed, full);
    return prefixed;
}

static bool last_error(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool last_error(struct err *err, const char *fmt, ...)
{
    DWORD code = GetLastError();
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(free_cleanup) char *reason = NULL;
    enum err_kind kind = ERR_SYSTEM;
    wchar_t wide[256] = L"";
    char what[256];
    va_list args;
    DWORD len;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    len = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                         code, 0, wide, ARRAY_LEN(wide) - 1, NULL);
    while (len &&
           (wide[len - 1] == L'\n' || wide[len - 1] == L'\r' || wide[len - 1] == L'.'))
        wide[--len] = L'\0';
    reason = from_wide(wide);
    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
        kind = ERR_NOT_FOUND;
    else if (code == ERROR_ACCESS_DENIED)
        kind = ERR_DENIED;
    return err_fail(err, kind, (int64_t)code, "%s: %s", what, reason ? reason : "unknown");
}

static void handle_cleanup(HANDLE *handle)
{
    if (*handle && *handle != INVALID_HANDLE_VALUE)
        CloseHandle(*handle);
}

/* ---- folders ---- */

static char *user_dir(const wchar_t *variable, struct err *err)
{
    wchar_t wide[MAX_PATH * 2];
    DWORD len = GetEnvironmentVariableW(variable, wide, ARRAY_LEN(wide));
    CLEANUP(free_cleanup) char *base = NULL;
    char *path;

    if (len == 0 || len >= ARRAY_LEN(wide)) {
        err_fail(err, ERR_SYSTEM, 0, "this user has no application data folder");
        return NULL;
    }
    base = from_wide(wide);
    path = base ? text_printf("%s\\hvgpu", base) : NULL;
    if (!path)
        err_no_memory(err);
    return path;
}

char *os_state_dir(struct err *err)
{
    CLEANUP(free_cleanup) char *path = user_dir(L"LOCALAPPDATA", err);

    if (!path || !os_make_dirs(path, err))
        return NULL;
    return TAKE(path);
}

char *os_config_dir(struct err *err)
{
    return user_dir(L"APPDATA", err);
}

/* Data lies beside the program: nothing is installed. */
char *os_data_file(const char *name)
{
    const char *override = getenv("HVGPU_DATA_DIR");
    wchar_t wide[MAX_PATH * 2];
    DWORD len = GetModuleFileNameW(NULL, wide, ARRAY_LEN(wide));
    wchar_t *slash;
    CLEANUP(free_cleanup) char *dir = NULL;
    char *path;

    if (len == 0 || len >= ARRAY_LEN(wide))
        return NULL;
    slash = wcsrchr(wide, L'\\');
    if (slash)
        *slash = L'\0';
    dir = override && *override ? text_dup(override) : from_wide(wide);
    path = dir ? text_printf("%s\\%s", dir, name) : NULL;
    if (path && os_file_exists(path))
        return path;
    free(path);
    return NULL;
}

bool os_make_dirs(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    size_t start;

    if (!wide)
        return false;
    start = wcsncmp(wide, L"\\\\?\\", 4) == 0 ? 7 : 2; /* past "\\?\C:\" */
    for (size_t i = start;; i++) {
        wchar_t c = wide[i];

        if (c != L'\\' && c != L'\0')
            continue;
        wide[i] = L'\0';
        if (!CreateDirectoryW(wide, NULL) && GetLastError() != ERROR_ALREADY_EXISTS)
            return last_error(err, "cannot make folder '%s'", path);
        wide[i] = c;
        if (!c)
            return true;
    }
}

/* ---- files ---- */

bool os_file_exists(const char *path)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, &ignored);

    return wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
}

/* ---- large files ---- */

struct os_file {
    HANDLE handle;
    uint64_t size;
    char *path;
};

/* A link is opened as itself, so that it is seen and refused. */
static struct os_file *open_file(const char *path, DWORD access, DWORD disposition,
                                 struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    CLEANUP(os_file_cleanup) struct os_file *file = NULL;
    BY_HANDLE_FILE_INFORMATION info;
    HANDLE handle;

    if (!wide)
        return NULL;
    handle = CreateFileW(wide, access, FILE_SHARE_READ, NULL, disposition,
                         FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        last_error(err, "cannot open '%s'", path);
        return NULL;
    }
    file = calloc(1, sizeof(*file));
    if (!file) {
        CloseHandle(handle);
        err_no_memory(err);
        return NULL;
    }
    file->handle = handle;
    file->path = text_dup(path);
    if (!file->path) {
        err_no_memory(err);
        return NULL;
    }
    if (!GetFileInformationByHandle(handle, &info) ||
        (info.dwFileAttributes &
         (FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DIRECTORY))) {
        err_fail(err, ERR_INVALID, 0, "'%s' is not a file", path);
        return NULL;
    }
    file->size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    return TAKE(file);
}

struct os_file *os_file_open(const char *path, struct err *err)
{
    return open_file(path, GENERIC_READ, OPEN_EXISTING, err);
}

struct os_file *os_file_create(const char *path, struct err *err)
{
    return open_file(path, GENERIC_WRITE, CREATE_ALWAYS, err);
}

uint64_t os_file_size(const struct os_file *file)
{
    return file->size;
}

int os_file_descriptor(const struct os_file *file)
{
    (void)file;
    return -1;
}

bool os_file_read(struct os_file *file, void *to, size_t len, size_t *ret_len,
                  struct err *err)
{
    DWORD got;

    if (!ReadFile(file->handle, to, (DWORD)(len < 1 << 30 ? len : 1 << 30), &got, NULL))
        return last_error(err, "cannot read '%s'", file->path);
    *ret_len = got;
    return true;
}

bool os_file_write(struct os_file *file, const void *from, size_t len, struct err *err)
{
    const char *at = from;

    while (len > 0) {
        DWORD done;

        if (!WriteFile(file->handle, at, (DWORD)(len < 1 << 30 ? len : 1 << 30), &done,
                       NULL))
            return last_error(err, "cannot write '%s'", file->path);
        at += done;
        len -= done;
    }
    return true;
}

bool os_file_sync(struct os_file *file, struct err *err)
{
    return FlushFileBuffers(file->handle) ||
           last_error(err, "cannot write '%s'", file->path);
}

void os_file_close(struct os_file *file)
{
    if (!file)
        return;
    CloseHandle(file->handle);
    free(file->path);
    free(file);
}

char *os_absolute_path(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    char *absolute;

    if (!wide)
        return NULL;
    if (GetFileAttributesW(wide) == INVALID_FILE_ATTRIBUTES) {
        last_error(err, "cannot find '%s'", path);
        return NULL;
    }
    absolute = from_wide(wide);
    if (!absolute)
        err_no_memory(err);
    return absolute;
}

char *os_read_file(const char *path, size_t max, size_t *ret_len, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    CLEANUP(handle_cleanup) HANDLE file = INVALID_HANDLE_VALUE;
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;
    char piece[16384];
    char *text;

    if (!wide)
        return NULL;
    file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
                       OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        last_error(err, "cannot open '%s'", path);
        return NULL;
    }
    for (;;) {
        DWORD n;

        if (!ReadFile(file, piece, sizeof(piece), &n, NULL)) {
            last_error(err, "cannot read '%s'", path);
            return NULL;
        }
        if (n == 0)
            break;
        strbuf_add(&buf, piece, n);
        if (buf.len > max) {
            err_fail(err, ERR_INVALID, 0, "'%s' is larger than %zu bytes", path, max);
            return NULL;
        }
    }
    if (ret_len)
        *ret_len = buf.len;
    text = strbuf_take(&buf);
    if (!text)
        err_no_memory(err);
    return text;
}

static bool write_new(const wchar_t *wide, const char *bytes, size_t len)
{
    CLEANUP(handle_cleanup)
    HANDLE file = CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);

    if (file == INVALID_HANDLE_VALUE)
        return false;
    while (len) {
        DWORD n, piece = len > 1 << 30 ? 1 << 30 : (DWORD)len;

        if (!WriteFile(file, bytes, piece, &n, NULL))
            return false;
        bytes += n;
        len -= n;
    }
    return FlushFileBuffers(file);
}

bool os_write_file(const char *path, const void *bytes, size_t len, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    CLEANUP(free_cleanup) wchar_t *temporary = NULL;
    size_t size;

    if (!wide)
        return false;
    size = wcslen(wide) + 32;
    temporary = calloc(size, sizeof(*temporary));
    if (!temporary)
        return err_no_memory(err);
    swprintf(temporary, size, L"%ls.%lu.tmp", wide, (unsigned long)GetCurrentProcessId());
    if (!write_new(temporary, bytes, len) ||
        !MoveFileExW(temporary, wide, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
        last_error(err, "cannot write '%s'", path);
        DeleteFileW(temporary);
        return false;
    }
    return true;
}

bool os_remove_file(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);

    if (!wide)
        return false;
    if (!DeleteFileW(wide) && GetLastError() != ERROR_FILE_NOT_FOUND &&
        GetLastError() != ERROR_PATH_NOT_FOUND)
        return last_error(err, "cannot remove '%s'", path);
    return true;
}

static bool remove_entry(const struct os_entry *entry, void *user, struct err *err)
{
    CLEANUP(free_cleanup)
    char *path = text_printf("%s\\%s", (const char *)user, entry->name);

    if (!path)
        return err_no_memory(err);
    return entry->is_dir ? os_remove_tree(path, err) : os_remove_file(path, err);
}

bool os_remove_tree(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    DWORD attributes;

    if (!wide)
        return false;
    attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return true;
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY))
        return os_remove_file(path, err);
    /* A junction is removed, never followed. */
    if (!(attributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
        !os_list_dir(path, remove_entry, (void *)path, err))
        return false;
    if (!RemoveDirectoryW(wide))
        return last_error(err, "cannot remove folder '%s'", path);
    return true;
}

/* Files in the user's profile are private by the ACL they inherit.  A file elsewhere
 * cannot be judged by mode bits; it is the user's own decision there. */
bool os_is_private_file(const char *path)
{
    return os_file_exists(path);
}

static int64_t usec_of(const FILETIME *time)
{
    return (int64_t)(((uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime) / 10);
}

struct listing {
    struct os_entry *entries;
    size_t count, size;
};

static bool listing_add(struct listing *list, const WIN32_FIND_DATAW *found)
{
    struct os_entry *entry;

    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 64;
        struct os_entry *grown = realloc(list->entries, size * sizeof(*grown));

        if (!grown)
            return false;
        list->entries = grown;
        list->size = size;
    }
    entry = &list->entries[list->count];
    *entry = (struct os_entry){ .name = from_wide(found->cFileName) };
    if (!entry->name)
        return false;
    entry->is_special = found->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
    entry->is_dir =
        !entry->is_special && (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    entry->size = (uint64_t)found->nFileSizeHigh << 32 | found->nFileSizeLow;
    entry->mtime_usec = usec_of(&found->ftLastWriteTime);
    list->count++;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct os_entry *)a)->name, ((const struct os_entry *)b)->name);
}

bool os_look(const char *path, struct os_entry *ret)
{
    struct err unused = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, &unused);
    const char *name = path + strlen(path);
    WIN32_FILE_ATTRIBUTE_DATA found;

    if (!wide || !GetFileAttributesExW(wide, GetFileExInfoStandard, &found))
        return false;
    while (name > path && name[-1] != '/' && name[-1] != '\\')
        name--;
    *ret = (struct os_entry){ .name = name };
    ret->is_special = found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
    ret->is_dir = !ret->is_special && (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    ret->size = (uint64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow;
    ret->mtime_usec = usec_of(&found.ftLastWriteTime);
    return true;
}

bool os_list_dir(const char *path,
                 bool (*on_entry)(const struct os_entry *entry, void *user,
                                  struct err *err),
                 void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *pattern = text_printf("%s\\*", path);
    CLEANUP(free_cleanup) wchar_t *wide = pattern ? to_path(pattern, err) : NULL;
    struct listing list = { 0 };
    WIN32_FIND_DATAW found;
    HANDLE search;
    bool ok = true;

    if (!wide)
        return pattern ? false : err_no_memory(err);
    search = FindFirstFileW(wide, &found);
    if (search == INVALID_HANDLE_VALUE)
        return last_error(err, "cannot list '%s'", path);
    do {
        if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0)
            continue;
        if (!listing_add(&list, &found))
            ok = err_no_memory(err);
    } while (ok && FindNextFileW(search, &found));
    FindClose(search);

    if (list.count)
        qsort(list.entries, list.count, sizeof(*list.entries), by_name);
    for (size_t i = 0; i < list.count; i++) {
        ok = ok && on_entry(&list.entries[i], user, err);
        free((char *)list.entries[i].name);
    }
    free(list.entries);
    return ok;
}

/* ---- locks ---- */

struct os_lock {
    HANDLE file;
};

struct os_lock *os_lock_take(const char *path, unsigned wait_ms, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = to_path(path, err);
    uint64_t until = os_monotonic_ms() + wait_ms;
    struct os_lock *lock;

    if (!wide)
        return NULL;
    lock = malloc(sizeof(*lock));
    if (!lock) {
        err_no_memory(err);
        return NULL;
    }
    for (;;) {
        /* No sharing: the handle is the lock, and goes with the process. */
        lock->file =
            CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_ALWAYS, 0, NULL);
        if (lock->file != INVALID_HANDLE_VALUE)
            return lock;
        if (GetLastError() != ERROR_SHARING_VIOLATION) {
            last_error(err, "cannot lock '%s'", path);
            break;
        }
        if (os_monotonic_ms() >= until) {
            err_fail(err, ERR_CONFLICT, 0, "'%s' is held by another program", path);
            break;
        }
        os_sleep_ms(20);
    }
    free(lock);
    return NULL;
}

void os_lock_drop(struct os_lock *lock)
{
    if (!lock)
        return;
    CloseHandle(lock->file);
    free(lock);
}

/* ---- time and chance ---- */

int64_t os_now_usec(void)
{
    FILETIME now;

    GetSystemTimeAsFileTime(&now);
    return usec_of(&now);
}

uint64_t os_monotonic_ms(void)
{
    return GetTickCount64();
}

void os_sleep_ms(unsigned ms)
{
    Sleep(ms);
}

bool os_random(void *bytes, size_t len)
{
    return BCryptGenRandom(NULL, bytes, (ULONG)len, BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0;
}

/* ---- the terminal ---- */

static HANDLE standard_handle(int fd)
{
    static const DWORD names[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };

    return fd >= 0 && fd < 3 ? GetStdHandle(names[fd]) : INVALID_HANDLE_VALUE;
}

bool os_is_terminal(int fd)
{
    DWORD mode;

    return GetConsoleMode(standard_handle(fd), &mode);
}

unsigned os_terminal_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    if (GetConsoleScreenBufferInfo(standard_handle(1), &info))
        return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
    return 80;
}

void os_terminal_setup(void)
{
    SetConsoleOutputCP(CP_UTF8);
    SetConsoleCP(CP_UTF8);
    for (int fd = 1; fd <= 2; fd++) {
        DWORD mode;

        _setmode(fd, _O_BINARY); /* no CR added to what scripts read */
        if (GetConsoleMode(standard_handle(fd), &mode))
            SetConsoleMode(standard_handle(fd), mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    }
}

char *os_read_secret(const char *prompt, struct err *err)
{
    CLEANUP(handle_cleanup)
    HANDLE console = CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ,
                                 NULL, OPEN_EXISTING, 0, NULL);
    wchar_t line[512] = { 0 };
    char *secret = NULL;
    DWORD before, n = 0;

    if (console == INVALID_HANDLE_VALUE || !GetConsoleMode(console, &before)) {
        err_fail(err, ERR_INVALID, 0, "a password is needed and there is no terminal");
        err_hint(err, "give --password-file FILE or set HVGPU_PASSWORD_FILE");
        return NULL;
    }
    fputs(prompt, stderr);
    SetConsoleMode(console, ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT);
    if (ReadConsoleW(console, line, ARRAY_LEN(line) - 1, &n, NULL))
        while (n && (line[n - 1] == L'\n' || line[n - 1] == L'\r'))
            line[--n] = L'\0';
    SetConsoleMode(console, before);
    fputs("\n", stderr);
    secret = from_wide(line);
    if (!secret)
        err_no_memory(err);
    os_wipe(line, sizeof(line));
    return secret;
}

void os_wipe(void *bytes, size_t len)
{
    SecureZeroMemory(bytes, len);
}

/* Only administrators may look into another process, and crash reports are the one thing
 * that would write its memory down. */
void os_forbid_dumps(void)
{
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
}

/* ---- signals ---- */

static volatile LONG interrupted;

static BOOL WINAPI note_interrupt(DWORD event)
{
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT && event != CTRL_CLOSE_EVENT)
        return FALSE;
    /* The second one ends the program the ordinary way. */
    return InterlockedExchange(&interrupted, 1) == 0;
}

void os_catch_interrupt(void)
{
    SetConsoleCtrlHandler(note_interrupt, TRUE);
}

bool os_was_interrupted(void)
{
    return interrupted;
}

void os_forget_interrupt(void)
{
    InterlockedExchange(&interrupted, 0);
}

void os_die(void)
{
    TerminateProcess(GetCurrentProcess(), 137);
}

/* ---- processes ---- */

int os_cpu_count(void)
{
    SYSTEM_INFO info;

    GetSystemInfo(&info);
    return (int)info.dwNumberOfProcessors;
}

const char *os_user_name(void)
{
    const char *name = getenv("USERNAME");

    return name ? name : "unknown";
}

/* Only the simulator starts programs, and it runs on Linux. */
bool os_run(const char *const argv[], unsigned timeout_ms, size_t max, char **ret_output,
            int *ret_status, struct err *err)
{
    (void)timeout_ms;
    (void)max;
    (void)ret_output;
    (void)ret_status;
    return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' is not started on Windows", argv[0]);
}

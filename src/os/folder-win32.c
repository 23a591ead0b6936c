/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders: where things are kept, making, walking and removing them. */

#include "inside-win32.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

/* ---- where things are kept ---- */

static char *user_dir(const wchar_t *variable, const char *name, struct err *err)
{
    CLEANUP(free_cleanup) char *base = win32_variable(variable);
    char *path;

    /* A relative path would be another folder for every program that is started elsewhere. */
    if (!base || (base[0] != '\\' && (base[0] == '\0' || base[1] != ':'))) {
        err_fail(err, ERR_SYSTEM, 0, "this user has no folder for the data of programs");
        err_hint(err, "set %s to a folder for hvgpu to use", name);
        return NULL;
    }
    path = text_printf("%s\\hvgpu", base);
    if (!path)
        err_no_memory(err);
    return path;
}

char *os_state_dir(struct err *err)
{
    CLEANUP(free_cleanup) char *path = user_dir(L"LOCALAPPDATA", "LOCALAPPDATA", err);

    if (!path || !os_make_dirs(path, err))
        return NULL;
    return TAKE(path);
}

char *os_config_dir(struct err *err)
{
    return user_dir(L"APPDATA", "APPDATA", err);
}

wchar_t *win32_program_name(void)
{
    for (DWORD size = MAX_PATH; size <= 32768; size *= 2) {
        wchar_t *name = calloc(size, sizeof(*name));
        DWORD len = name ? GetModuleFileNameW(NULL, name, size) : 0;

        if (len > 0 && len < size)
            return name;
        free(name);
        if (len == 0)
            return NULL;
    }
    return NULL;
}

static char *program_folder(void)
{
    CLEANUP(free_cleanup) wchar_t *name = win32_program_name();
    wchar_t *slash = name ? wcsrchr(name, L'\\') : NULL;
    struct err ignored = ERR_INIT;

    if (!slash)
        return NULL;
    *slash = L'\0';
    return win32_utf8(name, &ignored);
}

/* Data lies beside the program: nothing is installed. */
char *os_data_file(const char *name)
{
    const char *given = os_env("HVGPU_DATA_DIR");
    CLEANUP(free_cleanup) char *beside = program_folder();
    const char *const roots[] = { given, beside };

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        char *path;

        if (!roots[i] || !*roots[i])
            continue;
        path = text_printf("%s\\%s", roots[i], name);
        if (path && os_file_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

/* ---- making ---- */

static bool is_folder(const wchar_t *wide)
{
    DWORD attributes = GetFileAttributesW(wide);

    return attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY;
}

/* Behind "\\?\C:\" or "\\?\UNC\server\share\": what is before cannot be made. */
static wchar_t *first_name(wchar_t *wide)
{
    bool is_unc;
    wchar_t *at = wide + (win32_past_prefix(wide, &is_unc) - wide);

    for (int names = is_unc ? 2 : 1; names > 0; names--) {
        at += wcscspn(at, L"\\");
        at += *at == L'\\';
    }
    return at;
}

bool os_make_dirs(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    SECURITY_ATTRIBUTES *private = wide ? win32_private_folder(err) : NULL;

    if (!private)
        return false;
    for (wchar_t *at = first_name(wide);; at++) {
        wchar_t c;

        at += wcscspn(at, L"\\");
        c = *at;
        *at = L'\0';
        /* Folders on the way may refuse for other reasons than being there. */
        if (!CreateDirectoryW(wide, private)) {
            DWORD code = GetLastError();

            if (code != ERROR_ALREADY_EXISTS && !is_folder(wide))
                return win32_fail(err, code, "cannot make folder '%s'", path);
        }
        *at = c;
        if (!c || !at[1])
            return true;
    }
}

/* ---- looking ---- */

/* Links and junctions lead elsewhere.  Other reparse points are the file itself, kept in
 * another way: deduplicated, compressed, in a cloud. */
static bool is_link(DWORD attributes, DWORD tag)
{
    return (attributes & FILE_ATTRIBUTE_REPARSE_POINT) && IsReparseTagNameSurrogate(tag);
}

static void take_entry(struct os_entry *ret, const WIN32_FIND_DATAW *found)
{
    ret->is_special = is_link(found->dwFileAttributes, found->dwReserved0) ||
                      (found->dwFileAttributes & FILE_ATTRIBUTE_DEVICE);
    ret->is_dir = !ret->is_special && (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    ret->size =
        ret->is_dir ? 0 : (uint64_t)found->nFileSizeHigh << 32 | found->nFileSizeLow;
    ret->mtime_usec = win32_usec(&found->ftLastWriteTime);
}

bool os_file_exists(const char *path)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, &ignored);

    return wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
}

/* The find functions alone tell the tag; they do not know roots ("C:\"), which are folders. */
static bool find_one(wchar_t *wide, WIN32_FIND_DATAW *ret)
{
    size_t len = wcslen(wide);
    HANDLE search;

    if (len > 0 && wide[len - 1] == L'\\')
        wide[len - 1] = L'\0';
    search = FindFirstFileW(wide, ret);
    if (search == INVALID_HANDLE_VALUE)
        return false;
    FindClose(search);
    return true;
}

bool os_look(const char *path, struct os_entry *ret)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, &ignored);
    WIN32_FILE_ATTRIBUTE_DATA here;
    WIN32_FIND_DATAW found = { 0 };
    const char *name = path + strlen(path);

    /* First without patterns: "a*" is no name. */
    if (!wide || !GetFileAttributesExW(wide, GetFileExInfoStandard, &here))
        return false;
    found.dwFileAttributes = here.dwFileAttributes;
    found.ftLastWriteTime = here.ftLastWriteTime;
    found.nFileSizeHigh = here.nFileSizeHigh;
    found.nFileSizeLow = here.nFileSizeLow;
    if ((here.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) && !find_one(wide, &found))
        return false;
    while (name > path && name[-1] != '/' && name[-1] != '\\')
        name--;
    *ret = (struct os_entry){ .name = name };
    take_entry(ret, &found);
    return true;
}

/* ---- walking ---- */

struct listing {
    struct os_entry *entries;
    size_t count, size;
};

static void listing_cleanup(struct listing *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)(uintptr_t)list->entries[i].name);
    free(list->entries);
}

static bool listing_add(struct listing *list, const WIN32_FIND_DATAW *found,
                        struct err *err)
{
    struct os_entry *entry;

    if (wcscmp(found->cFileName, L".") == 0 || wcscmp(found->cFileName, L"..") == 0)
        return true;
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 64;
        struct os_entry *grown = realloc(list->entries, size * sizeof(*grown));

        if (!grown)
            return err_no_memory(err);
        list->entries = grown;
        list->size = size;
    }
    entry = &list->entries[list->count];
    *entry = (struct os_entry){ .name = win32_utf8(found->cFileName, err) };
    if (!entry->name)
        return false;
    take_entry(entry, found);
    list->count++;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct os_entry *)a)->name, ((const struct os_entry *)b)->name);
}

static bool read_folder(const char *path, struct listing *list, struct err *err)
{
    CLEANUP(free_cleanup) char *pattern = text_printf("%s\\*", path);
    CLEANUP(free_cleanup) wchar_t *wide = pattern ? win32_path(pattern, err) : NULL;
    WIN32_FIND_DATAW found;
    HANDLE search;
    DWORD code;

    if (!wide)
        return pattern ? false : err_no_memory(err);
    search = FindFirstFileExW(wide, FindExInfoBasic, &found, FindExSearchNameMatch, NULL,
                              FIND_FIRST_EX_LARGE_FETCH);
    if (search == INVALID_HANDLE_VALUE) {
        code = GetLastError();
        /* A root has no "." and may be empty. */
        return (code == ERROR_FILE_NOT_FOUND && os_file_exists(path)) ||
               win32_fail(err, code, "cannot list '%s'", path);
    }
    do {
        if (!listing_add(list, &found, err)) {
            FindClose(search);
            return err_wrap(err, "cannot list '%s'", path);
        }
    } while (FindNextFileW(search, &found));
    code = GetLastError();
    FindClose(search);
    return code == ERROR_NO_MORE_FILES || win32_fail(err, code, "cannot list '%s'", path);
}

bool os_list_dir(const char *path,
                 bool (*on_entry)(const struct os_entry *entry, void *user,
                                  struct err *err),
                 void *user, struct err *err)
{
    CLEANUP(listing_cleanup) struct listing list = { 0 };

    if (!read_folder(path, &list, err))
        return false;
    if (list.count)
        qsort(list.entries, list.count, sizeof(*list.entries), by_name);
    for (size_t i = 0; i < list.count; i++)
        if (!on_entry(&list.entries[i], user, err))
            return false;
    return true;
}

/* ---- removing ---- */

bool os_remove_file(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    DWORD code, attributes;

    if (!wide)
        return false;
    if (DeleteFileW(wide))
        return true;
    code = GetLastError();
    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
        return true;
    /* What protects a file from being written does not protect it from being removed on
     * other systems; here it does. */
    attributes = GetFileAttributesW(wide);
    if (code == ERROR_ACCESS_DENIED && attributes != INVALID_FILE_ATTRIBUTES &&
        (attributes & FILE_ATTRIBUTE_READONLY) &&
        SetFileAttributesW(wide, attributes & ~(DWORD)FILE_ATTRIBUTE_READONLY)) {
        if (DeleteFileW(wide))
            return true;
        code = GetLastError();
        SetFileAttributesW(wide, attributes);
    }
    return win32_fail(err, code, "cannot remove '%s'", path);
}

static bool remove_entry(const struct os_entry *entry, void *user, struct err *err)
{
    CLEANUP(free_cleanup)
    char *path = text_printf("%s\\%s", (const char *)user, entry->name);

    return path ? os_remove_tree(path, err) : err_no_memory(err);
}

bool os_remove_tree(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    struct os_entry entry;
    DWORD attributes, code;

    if (!wide)
        return false;
    attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        code = GetLastError();
        return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND ||
               win32_fail(err, code, "cannot remove '%s'", path);
    }
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY))
        return os_remove_file(path, err);
    /* A junction is removed, never followed. */
    if (os_look(path, &entry) && !entry.is_special &&
        !os_list_dir(path, remove_entry, (void *)(uintptr_t)path, err))
        return false;
    if (RemoveDirectoryW(wide))
        return true;
    code = GetLastError();
    return code == ERROR_FILE_NOT_FOUND ||
           win32_fail(err, code, "cannot remove folder '%s'", path);
}

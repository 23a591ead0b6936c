/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This process and others: time, chance, programs that are run. */

#include "inside-win32.h"

#include <aclapi.h>
#include <bcrypt.h>
#include <sddl.h>
#include <stdlib.h>
#include <string.h>

#include "child-win32.h"
#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

/* ---- time and chance ---- */

int64_t os_now_usec(void)
{
    FILETIME now;

    GetSystemTimePreciseAsFileTime(&now);
    return win32_usec(&now);
}

uint64_t os_monotonic_ms(void)
{
    return GetTickCount64();
}

bool os_random(void *bytes, size_t len)
{
    unsigned char *at = bytes;

    while (len) {
        ULONG piece = len < 1 << 20 ? (ULONG)len : 1 << 20;

        if (BCryptGenRandom(NULL, at, piece, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
            return false;
        at += piece;
        len -= piece;
    }
    return true;
}

/* ---- this process ---- */

void os_die(void)
{
    TerminateProcess(GetCurrentProcess(), 137);
    Sleep(INFINITE);
}

int os_cpu_count(void)
{
    DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);

    return count > 0 && count < 1 << 16 ? (int)count : 1;
}

static char user_name[3 * 257];

static BOOL CALLBACK read_user_name(PINIT_ONCE once, PVOID parameter, PVOID *context)
{
    struct err ignored = ERR_INIT;
    wchar_t wide[257]; /* UNLEN + 1 */
    DWORD size = ARRAY_LEN(wide);
    CLEANUP(free_cleanup) char *name = NULL;

    (void)once;
    (void)parameter;
    (void)context;
    if (GetUserNameW(wide, &size))
        name = win32_utf8(wide, &ignored);
    snprintf(user_name, sizeof(user_name), "%s", name ? name : "unknown");
    return TRUE;
}

const char *os_user_name(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

    InitOnceExecuteOnce(&once, read_user_name, NULL, NULL);
    return user_name;
}

/* What is left to others: to end it, to wait for it, to see its name. */
static void shut_others_out(void)
{
    static const char list[] = "D:P(A;;0x1fffff;;;SY)(A;;0x101001;;;BA)(A;;0x101001;;;OW)";
    PSECURITY_DESCRIPTOR descriptor = NULL;

    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(list, SDDL_REVISION_1,
                                                              &descriptor, NULL))
        return;
    SetKernelObjectSecurity(GetCurrentProcess(), DACL_SECURITY_INFORMATION, descriptor);
    LocalFree(descriptor);
}

/* Crash reports would write the memory down. */
void os_forbid_dumps(void)
{
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    shut_others_out();
}

/* ---- programs ---- */

/* Where a program is looked for: the system's folder and the search path, but never the
 * folder one happens to be in, nor a part of the path that depends on it. */
static wchar_t *find_program(const char *name, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_wide(name, err);
    CLEANUP(free_cleanup) char *path = win32_variable(L"PATH");
    CLEANUP(strbuf_cleanup) struct strbuf folders = STRBUF_INIT;
    CLEANUP(free_cleanup) wchar_t *where = NULL;
    wchar_t system[MAX_PATH] = L"", *found;
    DWORD len;

    if (!wide)
        return NULL;
    if (strpbrk(name, "\\/:"))
        return TAKE(wide);
    for (char *at = path; at && *at;) {
        size_t part = strcspn(at, ";");

        if (part > 2 && (at[1] == ':' || at[0] == '\\'))
            strbuf_printf(&folders, ";%.*s", (int)part, at);
        at += part + (at[part] == ';');
    }
    if (!GetSystemDirectoryW(system, MAX_PATH))
        system[0] = L'\0';
    where = folders.text ? win32_wide(folders.text, err) : win32_wide("", err);
    found = calloc(32768, sizeof(*found));
    if (!where || !found || folders.failed) {
        free(found);
        err_no_memory(err);
        return NULL;
    }
    len = SearchPathW(system, wide, L".exe", 32768, found, NULL);
    if (len == 0)
        len = SearchPathW(where, wide, L".exe", 32768, found, NULL);
    if (len > 0 && len < 32768)
        return found;
    free(found);
    err_fail(err, ERR_NOT_FOUND, 0, "the program '%s' could not be started", name);
    err_hint(err, "is it installed?");
    return NULL;
}

/* Reads what the child says until it ends.  False: not in time. */
static bool collect(struct child *child, uint64_t until, size_t max, struct strbuf *output)
{
    for (;;) {
        char piece[4096];
        size_t n = 0;

        switch (child_read(child, CHILD_PIPE, piece, sizeof(piece), until, &n)) {
        case CHILD_LATE:
            return false;
        case CHILD_GONE:
            return child_wait(child, until);
        case CHILD_DONE:
            if (output->len < max)
                strbuf_add(output, piece, n < max - output->len ? n : max - output->len);
        }
    }
}

bool os_run(const char *const argv[], unsigned timeout_ms, size_t max, char **ret_output,
            int *ret_status, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf output = STRBUF_INIT;
    CLEANUP(child_cleanup) struct child child = CHILD_INIT;
    CLEANUP(free_cleanup) wchar_t *program = find_program(argv[0], err);
    CLEANUP(free_cleanup) wchar_t *line = program ? child_line(argv, err) : NULL;
    struct child_options options = { .program = program, .line = line, .name = argv[0] };

    if (!line || !child_start(&child, &options, err))
        return false;
    if (!collect(&child, os_monotonic_ms() + timeout_ms, max, &output))
        return err_fail(err, ERR_SYSTEM, 0, "'%s' did not end within %u ms", argv[0],
                        timeout_ms);
    if (ret_output) {
        *ret_output = strbuf_take(&output);
        if (!*ret_output)
            return err_no_memory(err);
    }
    *ret_status = (int)child_status(&child);
    return true;
}

/* ---- language ---- */

bool os_language(char ret[OS_LANGUAGE])
{
    wchar_t names[1024]; /* each ends with 0; the first is the one preferred */
    ULONG count = 0, size = ARRAY_LEN(names);

    return GetUserPreferredUILanguages(MUI_LANGUAGE_NAME, &count, names, &size) &&
           count > 0 &&
           WideCharToMultiByte(CP_UTF8, 0, names, -1, ret, OS_LANGUAGE, NULL, NULL) > 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of this machine on Windows.
 *
 * Sources: MicrosoftDocs/sdk-api tlhelp32 (CreateToolhelp32Snapshot, Process32NextW), winternl
 * NtQueryInformationProcess; its class ProcessCommandLineInformation (60, since Windows 8.1)
 * asks for no more than PROCESS_QUERY_LIMITED_INFORMATION: winsiderss/systeminformer phnt.
 */
#include "inside-win32.h"

#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

#include "err.h"
#include "os.h"
#include "text.h"

/* A UNICODE_STRING has at most 65535 bytes, which stand behind it. */
enum { COMMAND_LINE_CLASS = 60, COMMAND_BYTES_MAX = 70 * 1024, ARGUMENTS_MAX = 512 };

typedef NTSTATUS(NTAPI *query_fn)(HANDLE process, ULONG class, void *to, ULONG size,
                                  ULONG *ret_size);

/* As UTF-8; NULL: not for this user to see, or gone. */
static char *command_line(DWORD id)
{
    CLEANUP(win32_handle_cleanup)
    struct win32_handle process = { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE,
                                                id) };
    CLEANUP(free_cleanup) UNICODE_STRING *text = NULL;
    CLEANUP(free_cleanup) wchar_t *wide = NULL;
    struct err ignored = ERR_INIT;
    query_fn query;
    ULONG size = 0;

    query = (query_fn)(void (*)(void))GetProcAddress(GetModuleHandleW(L"ntdll.dll"),
                                                     "NtQueryInformationProcess");
    if (!process.h || !query)
        return NULL;
    text = calloc(1, COMMAND_BYTES_MAX);
    if (!text || query(process.h, COMMAND_LINE_CLASS, text, COMMAND_BYTES_MAX, &size) < 0 ||
        !text->Buffer)
        return NULL;
    wide = calloc(text->Length / sizeof(wchar_t) + 1, sizeof(wchar_t));
    if (!wide)
        return NULL;
    memcpy(wide, text->Buffer, text->Length / sizeof(wchar_t) * sizeof(wchar_t));
    return win32_utf8(wide, &ignored);
}

/* Where blanks are that no quotes stand around, in place; good enough to find a file's name. */
static size_t split(char *line, const char **arguments)
{
    size_t count = 0;
    char *to = line;
    bool quoted = false, within = false;

    for (char *from = line; *from; from++) {
        bool blank = (*from == ' ' || *from == '\t') && !quoted;

        if (!blank && !within && count < ARGUMENTS_MAX)
            arguments[count++] = to;
        within = !blank;
        if (*from == '"')
            quoted = !quoted;
        else
            *to++ = blank ? '\0' : *from;
    }
    *to = '\0';
    return count;
}

static bool tell(const PROCESSENTRY32W *entry, const char **arguments,
                 bool (*on_process)(const struct os_process *process, void *user,
                                    struct err *err),
                 void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *name = win32_utf8(entry->szExeFile, err);
    CLEANUP(free_cleanup) char *line = NULL;
    struct os_process process = { .id = entry->th32ProcessID, .arguments = arguments };

    if (!name)
        return false;
    if (text_iends(name, ".exe"))
        name[strlen(name) - 4] = '\0';
    process.name = name;
    line = command_line(entry->th32ProcessID);
    if (line)
        process.argument_count = split(line, arguments);
    return on_process(&process, user, err);
}

bool os_list_processes(bool (*on_process)(const struct os_process *process, void *user,
                                          struct err *err),
                       void *user, struct err *err)
{
    CLEANUP(win32_handle_cleanup)
    struct win32_handle snapshot = { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    CLEANUP(free_cleanup) const char **arguments = calloc(ARGUMENTS_MAX, sizeof(char *));
    PROCESSENTRY32W entry = { .dwSize = sizeof(entry) };

    if (!arguments)
        return err_no_memory(err);
    if (snapshot.h == INVALID_HANDLE_VALUE) {
        snapshot.h = NULL;
        return win32_fail(err, GetLastError(), "cannot list the processes");
    }
    if (!Process32FirstW(snapshot.h, &entry))
        return win32_fail(err, GetLastError(), "cannot list the processes");
    do {
        if (!tell(&entry, arguments, on_process, user, err))
            return false;
    } while (Process32NextW(snapshot.h, &entry));
    return true;
}

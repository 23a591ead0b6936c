/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The libraries of Windows that hvgpu.exe loads when it first calls them.
 *
 * Loading all of them at its start takes four times as long as everything `hvgpu --version` does.
 * Which functions come late stands in the folder late; the linker's delayed imports find them, with
 * the help of what is here.  They come from Windows' own folder only: a secur32.dll that somebody
 * put beside the program (say, among what a browser fetched) is never run.
 *
 * Sources: "Linker support for delay-loaded DLLs" of Microsoft's C++ documentation (the hooks);
 * MicrosoftDocs/win32 libloaderapi LoadLibraryExW, winnt PROCESS_MITIGATION_IMAGE_LOAD_POLICY.
 */

#include "inside-win32.h"

#include <delayimp.h>
#include <stdio.h>

#include "attr.h"

/* The caller cannot be told: it calls a function that does not return. */
static FARPROC WINAPI failed(unsigned when, DelayLoadInfo *what)
{
    char text[200];
    DWORD written;
    int len =
        when == dliFailLoadLib
            ? snprintf(text, sizeof(text), "hvgpu: Windows' %s is missing (error %lu)\r\n",
                       what->szDll, what->dwLastError)
            : snprintf(text, sizeof(text), "hvgpu: Windows' %s has no %s\r\n", what->szDll,
                       what->dlp.fImportByName ? what->dlp.szProcName : "such function");

    WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, (DWORD)len, &written, NULL);
    TerminateProcess(GetCurrentProcess(), 1);
    return NULL;
}

/* Without an answer from here it would be looked for beside the program, too. */
static FARPROC WINAPI before(unsigned when, DelayLoadInfo *what)
{
    HMODULE library = NULL;

    if (when != dliNotePreLoadLibrary)
        return NULL;
    library = LoadLibraryExA(what->szDll, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
    if (library)
        return (FARPROC)(void *)library;
    what->dwLastError = GetLastError();
    return failed(dliFailLoadLib, what);
}

/* The libraries that these load themselves, too; Windows 10 knows it since 1607. */
__attribute__((constructor)) static void prefer_windows_folder(void)
{
    PROCESS_MITIGATION_IMAGE_LOAD_POLICY images = { .PreferSystem32Images = 1 };

    SetProcessMitigationPolicy(ProcessImageLoadPolicy, &images, sizeof(images));
}

PfnDliHook __pfnDliNotifyHook2 = before;
PfnDliHook __pfnDliFailureHook2 = failed;

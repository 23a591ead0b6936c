/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line for this Windows' own cmd.exe, without a window, as WinRS runs it on a remote
 * machine (MS-WSMV 3.1.4.1.31): code page 65001, no AutoRun of the user (WINRS_NOPROFILE), an
 * empty input, a folder that exists and is not anybody's.
 */
#pragma once

#include "child-win32.h"

struct shell {
    struct child child; /* speaks apart */
    bool has_console;   /* ours, which prints in UTF-8 as long */
};
#define SHELL_INIT ((struct shell){ CHILD_INIT, false })

/* @line stands as it is; ERR_UNSUPPORTED: longer than cmd.exe takes. */
bool shell_start(struct shell *shell, const char *line, struct err *err) MUST_CHECK;
/* Ends it at once if it has not ended, and with it what it has started. */
void shell_cleanup(struct shell *shell);

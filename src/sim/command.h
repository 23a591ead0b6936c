/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines on a simulated host: cmd.exe's own commands and the system's tools that
 * act on files and registry.  Each tool does what Microsoft documents for the options it
 * takes; other options are refused as the tool would refuse nonsense, other programs with
 * cmd's "is not recognized" text and exit code 9009.
 *
 * Runs on the caller's thread, for as long as the command takes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_host;

struct sim_command {
    struct sim_host *host; /* must not be locked by the caller: taken in short pieces */
    const char *line; /* as given to cmd.exe /c, or with @no_shell the program itself */
    const char *directory; /* NULL: the user's profile folder */
    bool no_shell;     /* WINRS_SKIP_CMD_SHELL, Win32_Process.Create: no cmd in between */
    atomic_bool *stop; /* may be NULL; true: end soon, like a terminated process */
    /* UTF-8 with CR LF, in pieces as they come; may be NULL. */
    void (*on_output)(const char *text, size_t len, bool is_stderr, void *user);
    void *user;
};

/* The exit code. */
uint32_t sim_command_run(const struct sim_command *command);
/* Whether @program (first word of a line without shell) exists on the host, so that
 * Win32_Process.Create can answer 9 otherwise. */
bool sim_command_exists(const char *line);

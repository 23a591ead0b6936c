/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of a simulated host's command processor, as WinRS runs them
 * (MS-WSMV 3.1.4.1.31).  The server (op-shell.c) knows shells, streams and quotas; what
 * a command line does is known below this header (the WinRS tools of the host's world).
 *
 * Order of calls for one command: start, then any number of input, signal and poll, then
 * free.  start, input, signal and free run under the host's lock.  poll runs without it,
 * so that a command that takes long lets others use the host; a command that works in a
 * thread of its own takes host->lock for each step that touches the store or the world.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

struct sim_host;
struct sim_fault;
struct sim_command; /* one running or finished command; made by sim_command_start() */

struct sim_command_start {
    const char *line; /* command and arguments joined by blanks, as cmd.exe gets it */
    const char *working_dir;      /* NULL: the user's profile folder */
    const char *const *variables; /* "NAME=value" of the shell, NULL-terminated; or NULL */
    unsigned code_page;           /* 65001, 437, ...: of the output */
    bool skip_cmd_shell; /* WINRS_SKIP_CMD_SHELL: no cmd.exe, the line is a program */
};

enum sim_signal { SIM_SIGNAL_TERMINATE, SIM_SIGNAL_CTRL_C, SIM_SIGNAL_CTRL_BREAK };

/* A command that does not exist is no fault: cmd.exe says so on stderr and exits 1 (9009
 * inside batch files).  Faults are for what cannot be simulated (sim_unknown()). */
bool sim_command_start(struct sim_host *host, const struct sim_command_start *start,
                       struct sim_command **ret, struct sim_fault *fault);
/* Bytes for stdin; @end closes it. */
bool sim_command_input(struct sim_command *command, const void *bytes, size_t len, bool end,
                       struct sim_fault *fault);
void sim_command_signal(struct sim_command *command, enum sim_signal signal);
/* Waits at most @wait_ms for output or the end; appends what came since the last poll to
 * @out and @err_out; true with *ret_exit_code once the command has ended and everything
 * it wrote has been handed over. */
bool sim_command_poll(struct sim_command *command, unsigned wait_ms, struct strbuf *out,
                      struct strbuf *err_out, uint32_t *ret_exit_code);
/* Ends it first when it still runs. */
void sim_command_free(struct sim_command *command);

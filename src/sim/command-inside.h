/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command-*.c files share.  Nobody else includes this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "command.h"
#include "host.h"
#include "image.h"
#include "strbuf.h"
#include "world.h"

enum {
    STATUS_TERMINATED = 0xffffffff, /* what TerminateProcess gives the exit code of */
    COMMAND_NOT_FOUND = 9009,
    ARGUMENT_MAX = 256,
};

/* Where a stream goes. */
struct redirect {
    enum { TO_OUTER, TO_NUL, TO_FILE, TO_OTHER } kind; /* TO_OTHER: 2>&1, 1>&2 */
    char *file;
    bool append;
    struct strbuf text; /* of TO_FILE, written when the command ends */
};

/* Standard output and error of a command or of a block in parentheses; what they do not
 * redirect goes where the block around them says. */
struct streams {
    struct redirect to[2];
    struct streams *outer;
};

/* One command line at work. */
struct task {
    const struct sim_command *command;
    char *directory; /* current one, without trailing backslash unless "C:\\" */
    uint32_t errorlevel;
    bool exited;             /* `exit` was run */
    unsigned depth;          /* of blocks */
    struct streams *streams; /* innermost; NULL: the caller's */
};

/* The words after the command's name. */
struct arguments {
    size_t count;
    char *words[ARGUMENT_MAX];
    const char *raw; /* the text behind the name as it stands; lent */
};
void arguments_clear(struct arguments *arguments);
/* As the C runtime parts a command line for a program: \" is a quote. */
bool arguments_of_program(const char *text, struct arguments *ret);
/* As cmd.exe parts it for its own commands: quotes only protect blanks. */
bool arguments_of_builtin(const char *text, struct arguments *ret);

/* Output; without the host's lock. */
void say(struct task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);
void complain(struct task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);
void say_bytes(struct task *task, const void *bytes, size_t len);
/* "hvgpu-sim: ...": the simulator does not know this; exit code 1. */
uint32_t not_simulated(struct task *task, const char *what);
bool is_stopped(const struct task *task);

/* Paths relative to the task's folder made absolute.  Owned; NULL: no memory. */
char *task_path(const struct task *task, const char *path);

/* The host's lock around short pieces of work.  NULL: the world could not be made. */
struct sim_world *task_lock(struct task *task, struct err *err);
void task_unlock(struct task *task);

/* One world call each, under the lock; 0 or a Win32 code. */
uint32_t task_stat(struct task *task, const char *path,
                   struct file_info *ret); /* name freed */
uint32_t task_make_dirs(struct task *task, const char *path);
uint32_t task_copy(struct task *task, const char *from, const char *to);
uint32_t task_remove(struct task *task, const char *path, bool tree, bool even_readonly);
uint32_t task_rename(struct task *task, const char *from, const char *to);
uint32_t task_set_attributes(struct task *task, const char *path, uint32_t attributes);
uint32_t task_read(struct task *task, const char *path, size_t max, uint8_t **ret,
                   size_t *ret_len);
uint32_t task_write(struct task *task, const char *path, const void *bytes, size_t len);

/* A folder's entries, sorted by name; names owned. */
struct entries {
    size_t count, size;
    struct file_info *files;
};
void entries_clear(struct entries *entries);
uint32_t task_list(struct task *task, const char *path, struct entries *ret);

bool wildcard_match(const char *pattern, const char *name); /* '*' and '?', any case */
bool has_wildcard(const char *text);

/* Tables of what can be run. */
struct tool {
    const char *name;
    uint32_t (*run)(struct task *task, const struct arguments *arguments);
};
extern const struct tool builtin_tools[]; /* cmd.exe's own; end with a NULL name */
extern const struct tool program_tools[]; /* System32 */

uint32_t run_robocopy(struct task *task, const struct arguments *arguments);
uint32_t run_reg(struct task *task, const struct arguments *arguments);
uint32_t run_attrib(struct task *task, const struct arguments *arguments);
uint32_t run_certutil(struct task *task, const struct arguments *arguments);
uint32_t run_fc(struct task *task, const struct arguments *arguments);
uint32_t run_where(struct task *task, const struct arguments *arguments);
uint32_t run_fsutil(struct task *task, const struct arguments *arguments);
uint32_t run_hostname(struct task *task, const struct arguments *arguments);

/* ---- redirection (command-redirect.c) ---- */

void streams_clear(struct streams *streams);
/* The word that begins after blanks at *at, quotes removed; *at is behind it.  Owned. */
char *take_word(const char **at);
/* At a '>': sets a stream.  False: not understood. */
bool take_redirect(struct task *task, unsigned stream, const char **at);
/* Cuts redirections out of @text and resolves '^'; they are then in task->streams.  The rest
 * is owned by the caller; NULL with a message: not understood. */
char *strip_redirects(struct task *task, const char *text, size_t len);
/* Before the command runs, and after. */
bool open_redirects(struct task *task);
bool write_redirects(struct task *task);

/* A whole line for cmd.exe /c. */
uint32_t run_line(struct task *task, const char *line);

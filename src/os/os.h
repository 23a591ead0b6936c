/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hvgpu needs of the local operating system, and no more.  One header, and files for
 * POSIX and for Windows by their names; no other folder holds #ifdef _WIN32.  Paths are
 * UTF-8 and local; names on a managed host or inside an image never come here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

/* For main(): the arguments as UTF-8, whatever the system made of them; made once, kept for
 * good.  A variable of the environment, NULL when it is not set; lent for good. */
void os_arguments(int *argc, char ***argv);
const char *os_env(const char *name);

/* Folders (created, private to the user).  NULL with @err.  Owned by the caller. */
char *os_state_dir(struct err *err); /* $XDG_STATE_HOME/hvgpu, %LOCALAPPDATA%\hvgpu */
char *
os_config_dir(struct err *err); /* $XDG_CONFIG_HOME/hvgpu, %APPDATA%\hvgpu; not created */
char *os_data_file(const char *name); /* installed data ("labs/laptop.yaml"), or NULL */

bool os_make_dirs(const char *path, struct err *err)
    MUST_CHECK; /* mode 0700 for new ones */
bool os_file_exists(const char *path);
/* The one absolute name of a file that exists, links followed.  Owned; NULL with @err. */
char *os_absolute_path(const char *path, struct err *err);
/* At most @max bytes, NUL added behind; ERR_NOT_FOUND, ERR_INVALID when larger. */
char *os_read_file(const char *path, size_t max, size_t *ret_len, struct err *err);
/* Temporary file, flushed, renamed over @path: the old or the new content, whole. */
bool os_write_file(const char *path, const void *bytes, size_t len, struct err *err)
    MUST_CHECK;
/* The same, the new file having the owner, rights and extended attributes of @like, which
 * may be @path itself.  Fails rather than losing one of them. */
bool os_write_file_like(const char *path, const char *like, const void *bytes, size_t len,
                        struct err *err) MUST_CHECK;
/* Bytes of @encoding, as files and Windows name it ("windows-1252", "GBK", "Shift_JIS"), as
 * UTF-8.  Owned; NULL: ERR_UNSUPPORTED (no such encoding here), ERR_PROTOCOL (the bytes are
 * none of it). */
char *os_text_from(const char *encoding, const char *bytes, size_t len, struct err *err);
/* Large files, piece by piece.  Only files themselves: a link or a device is ERR_INVALID. */
struct os_file;
struct os_file *os_file_open(const char *path, struct err *err);   /* for reading */
struct os_file *os_file_create(const char *path, struct err *err); /* private; replaces */
uint64_t os_file_size(const struct os_file *file);
int os_file_descriptor(const struct os_file *file); /* lent; -1 on systems that have none */
/* *ret_len 0: the end. */
bool os_file_read(struct os_file *file, void *to, size_t len, size_t *ret_len,
                  struct err *err) MUST_CHECK;
bool os_file_write(struct os_file *file, const void *from, size_t len, struct err *err)
    MUST_CHECK;
bool os_file_sync(struct os_file *file, struct err *err) MUST_CHECK;
void os_file_close(struct os_file *file); /* NULL is fine */
DEFINE_CLEANUP(os_file_cleanup, struct os_file *, os_file_close)

bool os_remove_file(const char *path, struct err *err) MUST_CHECK; /* missing is fine */
bool os_remove_tree(const char *path, struct err *err) MUST_CHECK;
bool os_is_private_file(const char *path); /* others cannot read it */
/* The command that makes it so, for a hint; cut off when it is longer than @size. */
void os_private_command(const char *path, char *ret, size_t size);

/* Walks one folder, sorted by name, without "." and "..".  @name is lent. */
struct os_entry {
    const char *name;
    bool is_dir;
    bool is_special; /* neither file nor folder: a link, a device; what it names is not
                      * followed */
    uint64_t size;
    int64_t mtime_usec; /* since 1601, as in CIM */
};
/* What is at @path; false: nothing, or it cannot be told.  ret->name is lent: the end of
 * @path, as it is spelt there. */
bool os_look(const char *path, struct os_entry *ret);
bool os_list_dir(const char *path,
                 bool (*on_entry)(const struct os_entry *entry, void *user,
                                  struct err *err),
                 void *user, struct err *err) MUST_CHECK;

/* A lock on @path (created); held until unlocked or the process ends.  Waits at most
 * @wait_ms, then ERR_CONFLICT. */
struct os_lock;
struct os_lock *os_lock_take(const char *path, unsigned wait_ms, struct err *err);
void os_lock_drop(struct os_lock *lock); /* NULL is fine */
DEFINE_CLEANUP(os_lock_cleanup, struct os_lock *, os_lock_drop)

int64_t os_now_usec(void); /* since 1601, UTC */
uint64_t os_monotonic_ms(void);
void os_sleep_ms(unsigned ms); /* Ctrl-C wakes */
bool os_random(void *bytes, size_t len);
void os_guid(char ret[37]); /* random, upper case, no braces */

/* The terminal. */
bool os_is_terminal(int fd);        /* 0, 1, 2 */
unsigned os_terminal_columns(void); /* 80 when not known */
void os_terminal_setup(void);       /* UTF-8 and colours where a console needs asking */
bool os_takes_escapes(int fd);      /* a terminal that shows colours; after the setup */
/* One line typed without echo; NULL with @err when there is no terminal.  The caller
 * wipes it with os_wipe() and frees it. */
char *os_read_secret(const char *prompt, struct err *err);
void os_wipe(void *bytes, size_t len);
/* From now on: no core file, and no other process of the same user looks into this one.
 * For programs that hold a password. */
void os_forbid_dumps(void);

/* The program was started by a double click: its window goes when it ends. */
bool os_has_own_window(void);
void os_wait_for_key(void); /* any key, or Ctrl-C */

/* Ctrl-C and SIGTERM set a flag instead of ending the process. */
void os_catch_interrupt(void);
bool os_was_interrupted(void);
void os_forget_interrupt(void); /* what follows (undoing) is not to be stopped by it */
/* How many there were; forgetting one does not count back. */
unsigned os_interrupt_count(void);
void os_die(void); /* as if killed: no handler, no cleanup; for fault injection */

/* A process of this machine.  All is lent. */
struct os_process {
    uint64_t id;
    const char *name; /* of its program, without folder and ".exe" */
    const char *const
        *arguments; /* the program first; none where others may not see them */
    size_t argument_count;
};
/* Those that this user may see, in no order; false from @on_process stops. */
bool os_list_processes(bool (*on_process)(const struct os_process *process, void *user,
                                          struct err *err),
                       void *user, struct err *err) MUST_CHECK;

/* The language that the user chose for the system's own windows ("zh-Hans-CN"); false where
 * the environment is the place to look. */
enum { OS_LANGUAGE = 86 };
bool os_language(char ret[OS_LANGUAGE]);

int os_cpu_count(void);
const char *os_user_name(void);
char *os_machine_name(struct err *err); /* its host name, without a domain; owned */
bool os_is_elevated(void);              /* may change the machine: elevated, root */
/* What of Windows makes log-ons and TLS: "Negotiate, Kerberos, NTLM, ..."; owned. */
char *os_security_packages(struct err *err);
bool os_is_member(const char *sid); /* of a group of Windows: "S-1-5-32-544" */

/* Runs a local program (search path) with stdin empty, waits, gives its exit status
 * and at most @max bytes of its output (may be NULL).  For the simulator's mkntfs.
 * ERR_NOT_FOUND: there is no such program. */
bool os_run(const char *const argv[], unsigned timeout_ms, size_t max, char **ret_output,
            int *ret_status, struct err *err) MUST_CHECK;

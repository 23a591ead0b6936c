/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on a host, built from the host's own tools.  Their output is read by its shape,
 * never by its words, which follow the host's language.
 *
 * Sources: MicrosoftDocs/windowsserverdocs administration/windows-commands (cmd, robocopy,
 * attrib, certutil, copy, dir, ren, del, rd, reg); MicrosoftDocs/win32
 * desktop-src/CIMWin32Prov (cim-datafile, win32-directory).
 */
#pragma once

#include "session.h"
#include "source.h"
#include "strbuf.h"

enum { SHELL_LINE_MAX = 8000 /* cmd.exe takes 8191 */ };

/* Appends @path in quotes.  False (ERR_INVALID) for what cmd.exe would not take
 * literally there: quotes, percent signs, exclamation marks, control characters.  The
 * only way a path gets onto a command line. */
bool shell_quote(struct strbuf *line, const char *path, struct err *err) MUST_CHECK;

/* One line of standard output without its end, lent. */
typedef bool shell_line_fn(const char *line, void *user, struct err *err);

struct shell_run {
    struct cim_session *session;
    bool reads_only;
    unsigned timeout_ms;    /* 0: the session's */
    shell_line_fn *on_line; /* NULL: nobody listens */
    void *user;
};
/*
 * Runs a command line made of @format, in which each "%p" takes a path (const char *) and
 * quotes it, and "%%" is a percent sign; nothing else is replaced.
 * An exit code above @most is ERR_REFUSED with the last thing the command said.
 */
bool shell_run(const struct shell_run *run, uint32_t most, struct err *err,
               const char *format, ...) MUST_CHECK;

enum { ROBOCOPY_OK = 7 /* 0..7: bits of what was copied; 8 and up: failures */ };
#define ROBOCOPY_QUIET "/R:1 /W:1 /NJH /NJS /NDL /NC /NP /BYTES /FP"

/* A line of robocopy's list: size, time (with /TS), full path. */
struct shell_file {
    uint64_t size;
    int64_t mtime_usec; /* 0: no /TS; as printed, whatever zone that is */
    const char *path;   /* lent: points into the line */
};
bool shell_parse_file(const char *line, struct shell_file *ret);

/* One file or folder, through CIM_DataFile and Win32_Directory. */
struct shell_stat {
    bool exists, is_dir, readonly, hidden, system, archive;
    uint64_t size;
    int64_t mtime_usec; /* since 1601, UTC; 0: not told */
    bool has_version;   /* of the version resource */
    uint64_t version;
    char company[96]; /* "" not told */
};
bool shell_stat(struct cim_session *session, const char *path, struct shell_stat *ret,
                struct err *err) MUST_CHECK;
/* A folder; a file of that name is none. */
bool shell_has_folder(struct cim_session *session, const char *path, bool *ret,
                      struct err *err) MUST_CHECK;

/* A text file of at most @max bytes, its lines ended by '\n'.  ERR_NOT_FOUND: there is none;
 * ERR_INVALID: it is longer.  Owned. */
bool shell_read_text(struct cim_session *session, const char *path, size_t max, char **ret,
                     size_t *ret_len, struct err *err) MUST_CHECK;

/* Files below @folder whose name matches @pattern ("*"), to @levels (0: all); paths
 * relative to it.  *ret_found false: no such folder. */
bool shell_list(struct cim_session *session, const char *folder, const char *pattern,
                unsigned levels, bool *ret_found, struct source_file **ret_files,
                size_t *ret_count, struct err *err) MUST_CHECK;
/* The same of files of @folder itself by their names: those that are there, in any order. */
bool shell_list_named(struct cim_session *session, const char *folder,
                      const char *const *names, size_t name_count,
                      struct source_file **ret_files, size_t *ret_count, struct err *err)
    MUST_CHECK;
/* SHA-256 of one file; of many, whose sizes are known, with few commands.  @folder is what
 * their paths are relative to; NULL: they are whole. */
bool shell_hash(struct cim_session *session, const char *path, char ret[65],
                struct err *err) MUST_CHECK;
/* Copies a file, sets it read-only and reads back what arrived, in one command.  @to: not
 * there, or it was half copied before. */
bool shell_copy_file(struct cim_session *session, const char *from, const char *to,
                     char ret_sha256[65], struct err *err) MUST_CHECK;
bool shell_hash_files(struct cim_session *session, const char *folder,
                      struct source_file *files, size_t count, struct progress *progress,
                      const char *what, struct err *err) MUST_CHECK;

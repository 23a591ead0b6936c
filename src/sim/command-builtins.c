/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.exe's own commands.  Texts and exit codes: MicrosoftDocs/windowsserverdocs
 * administration/windows-commands, ss64.com/nt/errorlevel.html.  Questions that a command
 * would ask find no answer over WinRS: without the switch that avoids the question it is
 * not simulated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-inside.h"
#include "text.h"

enum { TYPE_MAX = 64 << 20, DEPTH_MAX = 64 };

/* Switches of a builtin: one letter each, in @known. */
struct switches {
    bool on[26];
    const char *paths[ARGUMENT_MAX];
    size_t path_count;
    const char *attributes; /* of /A */
};

static bool read_switches(struct task *task, const struct arguments *arguments,
                          const char *known, struct switches *ret)
{
    *ret = (struct switches){ 0 };
    for (size_t i = 0; i < arguments->count; i++) {
        const char *word = arguments->words[i];
        char letter = (char)(word[0] == '/' ? word[1] & ~0x20 : 0);

        if (word[0] != '/') {
            ret->paths[ret->path_count++] = word;
        } else if (letter == 'A' && strchr(known, 'A')) {
            ret->on[0] = true;
            ret->attributes = word[2] == ':' ? word + 3 : word + 2;
        } else if (letter >= 'A' && letter <= 'Z' && strchr(known, letter) && !word[2]) {
            ret->on[letter - 'A'] = true;
        } else {
            complain(task, "Invalid switch - \"%s\".\r\n", word + 1);
            return false;
        }
    }
    return true;
}

#define HAS(switches, letter) ((switches).on[(letter) - 'A'])

static uint32_t syntax(struct task *task)
{
    complain(task, "The syntax of the command is incorrect.\r\n");
    return 1;
}

static uint32_t fail(struct task *task, uint32_t code)
{
    complain(task, "%s\r\n", world_code_text(code));
    return 1;
}

static bool is_dir(const struct file_info *info)
{
    return info->attributes & FILE_IS_DIR;
}

/* Parts "C:\x\*.dll" into folder and pattern.  Owned. */
static bool split_pattern(struct task *task, const char *path, char **ret_folder,
                          char **ret_pattern)
{
    CLEANUP(free_cleanup) char *whole = task_path(task, path);
    char *slash = whole ? strrchr(whole, '\\') : NULL;

    if (!slash)
        return false;
    *ret_pattern = text_dup(slash + 1);
    slash[slash == whole + 2 ? 1 : 0] = '\0';
    *ret_folder = text_dup(whole);
    return *ret_folder && *ret_pattern;
}

/* What `del` and `dir` are given: a folder means all that is in it.  Owned. */
static bool find_named(struct task *task, const char *path, char **ret_folder,
                       char **ret_pattern)
{
    struct file_info info;

    if (has_wildcard(path) || task_stat(task, path, &info) != 0 || !is_dir(&info))
        return split_pattern(task, path, ret_folder, ret_pattern);
    *ret_folder = text_dup(path);
    *ret_pattern = text_dup("*");
    return *ret_folder && *ret_pattern;
}

/* ---- folders ---- */

static uint32_t run_mkdir(struct task *task, const struct arguments *arguments)
{
    struct switches s;
    uint32_t result = 0;

    if (!read_switches(task, arguments, "", &s))
        return 1;
    if (s.path_count == 0)
        return syntax(task);
    for (size_t i = 0; i < s.path_count; i++) {
        CLEANUP(free_cleanup) char *path = task_path(task, s.paths[i]);
        uint32_t code = path ? task_make_dirs(task, path) : 8;

        if (code == WIN_ALREADY_EXISTS) {
            complain(task, "A subdirectory or file %s already exists.\r\n", s.paths[i]);
            result = 1;
        } else if (code != 0) {
            result = fail(task, code);
        }
    }
    return result;
}

static uint32_t run_rmdir(struct task *task, const struct arguments *arguments)
{
    struct switches s;
    uint32_t result = 0;

    if (!read_switches(task, arguments, "SQ", &s))
        return 1;
    if (s.path_count == 0)
        return syntax(task);
    if (HAS(s, 'S') && !HAS(s, 'Q'))
        return not_simulated(task, "'rd /s' without /q, which asks");
    for (size_t i = 0; i < s.path_count; i++) {
        CLEANUP(free_cleanup) char *path = task_path(task, s.paths[i]);
        struct file_info info;
        uint32_t code = path ? task_stat(task, path, &info) : 8;

        if (code == 0 && !is_dir(&info))
            code = 267;
        if (code == 0)
            code = task_remove(task, path, HAS(s, 'S'), false);
        if (code != 0) {
            fail(task, code);
            result = code;
        }
    }
    return result;
}

/* ---- del ---- */

static uint32_t delete_one(struct task *task, const char *path, bool force, bool *ret_any)
{
    struct file_info info;
    uint32_t code = task_stat(task, path, &info);

    if (code != 0)
        return code;
    code = task_remove(task, path, false, force);
    if (code == 0) {
        *ret_any = true;
        return 0;
    }
    complain(task, "%s\r\n%s\r\n", path, world_code_text(code));
    *ret_any = true; /* it was there */
    return code;
}

static bool has_attributes(const struct file_info *info, const char *wanted)
{
    bool negated = false;

    for (; wanted && *wanted; wanted++) {
        uint32_t bit = 0;

        switch (*wanted & ~0x20) {
        case 'D':
            bit = FILE_IS_DIR;
            break;
        case 'R':
            bit = FILE_IS_READONLY;
            break;
        case 'H':
            bit = FILE_IS_HIDDEN;
            break;
        case 'S':
            bit = FILE_IS_SYSTEM;
            break;
        case 'A':
            bit = FILE_IS_ARCHIVE;
            break;
        default:
            negated = *wanted == '-';
            continue;
        }
        if (!(info->attributes & bit) != negated)
            return false;
        negated = false;
    }
    return true;
}

static void delete_matching(struct task *task, const char *folder, const char *pattern,
                            const struct switches *s, unsigned depth, bool *ret_any)
{
    CLEANUP(entries_clear) struct entries entries = { 0 };

    if (depth > DEPTH_MAX || task_list(task, folder, &entries) != 0)
        return;
    for (size_t i = 0; i < entries.count && !is_stopped(task); i++) {
        const struct file_info *info = &entries.files[i];
        CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", folder, info->name);

        if (!path)
            return;
        if (is_dir(info) && HAS(*s, 'S'))
            delete_matching(task, path, pattern, s, depth + 1, ret_any);
        /* Without /A hidden and system files stay. */
        else if (!is_dir(info) && wildcard_match(pattern, info->name) &&
                 (s->attributes ? has_attributes(info, s->attributes)
                                : !(info->attributes & (FILE_IS_HIDDEN | FILE_IS_SYSTEM))))
            delete_one(task, path, HAS(*s, 'F'), ret_any);
    }
}

static uint32_t run_del(struct task *task, const struct arguments *arguments)
{
    struct switches s;

    if (!read_switches(task, arguments, "FQSA", &s))
        return 1;
    if (s.path_count == 0)
        return syntax(task);
    for (size_t i = 0; i < s.path_count; i++) {
        CLEANUP(free_cleanup) char *path = task_path(task, s.paths[i]);
        CLEANUP(free_cleanup) char *folder = NULL;
        CLEANUP(free_cleanup) char *pattern = NULL;
        bool any = false;

        if (!path || !find_named(task, path, &folder, &pattern))
            return 1;
        if (strcmp(pattern, "*") == 0 && !HAS(s, 'Q'))
            return not_simulated(task, "'del' of everything without /q, which asks");
        delete_matching(task, folder, pattern, &s, 0, &any);
        if (!any)
            complain(task, "Could Not Find %s\r\n", path);
    }
    return 0; /* del leaves the error level as it is */
}

/* ---- copy, move, ren ---- */

/* Where @to is a folder: @to\NAME-OF-FROM. */
static char *into_folder(struct task *task, const char *from, const char *to)
{
    struct file_info info;
    const char *name = strrchr(from, '\\');

    if (task_stat(task, to, &info) != 0 || !is_dir(&info))
        return text_dup(to);
    return text_printf("%s%s%s", to, to[strlen(to) - 1] == '\\' ? "" : "\\",
                       name ? name + 1 : from);
}

static uint32_t run_copy(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *from = NULL;
    CLEANUP(free_cleanup) char *to = NULL;
    CLEANUP(free_cleanup) char *target = NULL;
    struct file_info info;
    struct switches s;
    uint32_t code;

    if (!read_switches(task, arguments, "BVYDZ", &s))
        return 1;
    if (s.path_count == 0 || s.path_count > 2)
        return syntax(task);
    if (has_wildcard(s.paths[0]) || strchr(s.paths[0], '+'))
        return not_simulated(task, "'copy' of several files");
    from = task_path(task, s.paths[0]);
    to = task_path(task, s.path_count == 2 ? s.paths[1] : ".");
    if (!from || !to)
        return 1;
    if (task_stat(task, from, &info) != 0) {
        complain(task, "%s\r\n", world_code_text(WIN_FILE_NOT_FOUND));
        return 1;
    }
    if (is_dir(&info))
        return not_simulated(task, "'copy' of a folder");
    target = into_folder(task, from, to);
    if (!target)
        return 1;
    if (task_stat(task, target, &info) == 0 && !HAS(s, 'Y'))
        return not_simulated(task, "'copy' over a file without /y, which asks");
    code = task_copy(task, from, target);
    if (code != 0) {
        complain(task, "%s\r\n", world_code_text(code));
        say(task, "        0 file(s) copied.\r\n");
        return 1;
    }
    say(task, "        1 file(s) copied.\r\n");
    return 0;
}

static uint32_t run_move(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *from = NULL;
    CLEANUP(free_cleanup) char *to = NULL;
    CLEANUP(free_cleanup) char *target = NULL;
    struct file_info source, info;
    struct switches s;
    uint32_t code;

    if (!read_switches(task, arguments, "Y", &s))
        return 1;
    if (s.path_count != 2)
        return syntax(task);
    if (has_wildcard(s.paths[0]))
        return not_simulated(task, "'move' of several files");
    from = task_path(task, s.paths[0]);
    to = task_path(task, s.paths[1]);
    if (!from || !to)
        return 1;
    code = task_stat(task, from, &source);
    if (code != 0)
        return fail(task, code);
    target = into_folder(task, from, to);
    if (!target)
        return 1;
    if (task_stat(task, target, &info) == 0 && !text_ieq(from, target)) {
        if (!HAS(s, 'Y'))
            return not_simulated(task, "'move' over a file without /y, which asks");
        if (is_dir(&info) || (info.attributes & FILE_IS_READONLY))
            return fail(task, WIN_ACCESS_DENIED);
        code = task_remove(task, target, false, false);
        if (code != 0)
            return fail(task, code);
    }
    code = task_rename(task, from, target);
    if (code == 17 && !is_dir(&source)) { /* another volume: MoveFileEx copies */
        code = task_copy(task, from, target);
        if (code == 0)
            code = task_remove(task, from, false, true);
    }
    if (code != 0)
        return fail(task, code == 17 ? WIN_ACCESS_DENIED : code);
    say(task, "        1 %s moved.\r\n", is_dir(&source) ? "dir(s)" : "file(s)");
    return 0;
}

static uint32_t run_ren(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *from = NULL;
    CLEANUP(free_cleanup) char *to = NULL;
    struct file_info info;
    struct switches s;
    uint32_t code;

    if (!read_switches(task, arguments, "", &s))
        return 1;
    if (s.path_count != 2 || strpbrk(s.paths[1], "\\/:"))
        return syntax(task);
    if (has_wildcard(s.paths[0]) || has_wildcard(s.paths[1]))
        return not_simulated(task, "'ren' of several files");
    from = task_path(task, s.paths[0]);
    if (!from)
        return 1;
    code = task_stat(task, from, &info);
    if (code != 0)
        return fail(task, code);
    to = text_printf("%.*s%s", (int)(strrchr(from, '\\') + 1 - from), from, s.paths[1]);
    code = to ? task_rename(task, from, to) : 8;
    if (code == WIN_ALREADY_EXISTS) {
        complain(task, "A duplicate file name exists, or the file\r\ncannot be found.\r\n");
        return 1;
    }
    return code == 0 ? 0 : fail(task, code);
}

/* ---- dir, type, echo and the small ones ---- */

static void list_bare(struct task *task, const char *folder, const char *pattern,
                      const struct switches *s, unsigned depth, bool *ret_any)
{
    CLEANUP(entries_clear) struct entries entries = { 0 };
    bool joined = folder[strlen(folder) - 1] == '\\';

    if (depth > DEPTH_MAX || task_list(task, folder, &entries) != 0)
        return;
    for (size_t i = 0; i < entries.count && !is_stopped(task); i++) {
        const struct file_info *info = &entries.files[i];
        bool shown = s->on[0] ? has_attributes(info, s->attributes)
                              : !(info->attributes & (FILE_IS_HIDDEN | FILE_IS_SYSTEM));

        if (!shown || !wildcard_match(pattern, info->name))
            continue;
        *ret_any = true;
        if (HAS(*s, 'S'))
            say(task, "%s%s%s\r\n", folder, joined ? "" : "\\", info->name);
        else
            say(task, "%s\r\n", info->name);
    }
    for (size_t i = 0; HAS(*s, 'S') && i < entries.count && !is_stopped(task); i++) {
        CLEANUP(free_cleanup)
        char *below =
            text_printf("%s%s%s", folder, joined ? "" : "\\", entries.files[i].name);

        if (below && is_dir(&entries.files[i]))
            list_bare(task, below, pattern, s, depth + 1, ret_any);
    }
}

static uint32_t run_dir(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *folder = NULL;
    CLEANUP(free_cleanup) char *pattern = NULL;
    CLEANUP(free_cleanup) char *path = NULL;
    struct file_info info;
    struct switches s;
    uint32_t code = 0;
    bool any = false;

    if (!read_switches(task, arguments, "ABS", &s))
        return 1;
    if (!HAS(s, 'B') || s.path_count > 1)
        return not_simulated(task, "'dir' without /b, whose output depends on the locale");
    path = task_path(task, s.path_count ? s.paths[0] : task->directory);
    if (!path || !find_named(task, path, &folder, &pattern))
        return 1;
    code = task_stat(task, folder, &info);
    if (code != 0)
        return fail(task, code);
    list_bare(task, folder, pattern, &s, 0, &any);
    if (!any) {
        complain(task, "File Not Found\r\n");
        return 1;
    }
    return 0;
}

/* A file that begins with UTF-16's byte order mark is given in the code page of the output;
 * every other as it is.  Source: Stack Overflow 1259084, "What encoding/code page is cmd.exe
 * using?"; `cmd /a /c type` is the known way to turn such files into others. */
static uint32_t say_file(struct task *task, const uint8_t *bytes, size_t len)
{
    CLEANUP(free_cleanup) char *text = NULL;
    size_t text_len = 0;

    if (len < 2 || bytes[0] != 0xFF || bytes[1] != 0xFE) {
        say_bytes(task, bytes, len);
        return 0;
    }
    text = text_from_utf16le(bytes + 2, (len - 2) & ~(size_t)1, &text_len);
    if (!text)
        return not_simulated(task, "'type' of a damaged UTF-16 file");
    say_bytes(task, (const uint8_t *)text, text_len);
    return 0;
}

static uint32_t run_type(struct task *task, const struct arguments *arguments)
{
    struct switches s;
    CLEANUP(free_cleanup) char *path = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;
    uint32_t code;

    if (!read_switches(task, arguments, "", &s))
        return 1;
    if (s.path_count != 1 || has_wildcard(s.paths[0]))
        return s.path_count ? not_simulated(task, "'type' of several files") : syntax(task);
    path = task_path(task, s.paths[0]);
    code = path ? task_read(task, path, TYPE_MAX, &bytes, &len) : 8;
    return code == 0 ? say_file(task, bytes, len) : fail(task, code);
}

static uint32_t run_echo(struct task *task, const struct arguments *arguments)
{
    const char *text = arguments->raw;

    if (*text)
        text++; /* the blank, or the dot of "echo." */
    if (text_ieq(text, "on") || text_ieq(text, "off"))
        return 0;
    if (!*text && arguments->raw[0] != '.' && arguments->raw[0] != ':')
        say(task, "ECHO is on.\r\n");
    else
        say(task, "%s\r\n", text);
    return 0; /* of a line, the last command's return code counts */
}

static uint32_t run_cd(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *path = NULL;
    struct file_info info;
    struct switches s;
    uint32_t code;

    if (!read_switches(task, arguments, "D", &s))
        return 1;
    if (s.path_count == 0) {
        say(task, "%s\r\n", task->directory);
        return 0;
    }
    path = task_path(task, s.paths[0]);
    code = path ? task_stat(task, path, &info) : 8;
    if (code == 0 && !is_dir(&info))
        code = 267;
    if (code != 0)
        return fail(task, WIN_PATH_NOT_FOUND);
    for (size_t len = strlen(path); len > 3 && path[len - 1] == '\\'; len--)
        path[len - 1] = '\0';
    free(task->directory);
    task->directory = TAKE(path);
    return 0;
}

static uint32_t run_ver(struct task *task, const struct arguments *arguments)
{
    const struct sim_host *host = task->command->host;

    say(task, "\r\nMicrosoft Windows [Version 10.0.%u.%u]\r\n", host->build, host->ubr);
    return 0;
}

static uint32_t run_exit(struct task *task, const struct arguments *arguments)
{
    uint64_t code = task->errorlevel;

    for (size_t i = 0; i < arguments->count; i++)
        if (!text_ieq(arguments->words[i], "/b") &&
            !text_to_u64(arguments->words[i], 10, &code))
            code = 0;
    task->exited = true;
    return (uint32_t)code;
}

static uint32_t run_chcp(struct task *task, const struct arguments *arguments)
{
    if (arguments->count != 1 || !text_ieq(arguments->words[0], "65001"))
        return not_simulated(task, "a code page other than 65001");
    say(task, "Active code page: 65001\r\n");
    return 0;
}

static uint32_t run_nothing(struct task *task, const struct arguments *arguments)
{
    return task->errorlevel;
}

const struct tool builtin_tools[] = {
    { "mkdir", run_mkdir }, { "md", run_mkdir },  { "rmdir", run_rmdir },
    { "rd", run_rmdir },    { "del", run_del },   { "erase", run_del },
    { "copy", run_copy },   { "move", run_move }, { "ren", run_ren },
    { "rename", run_ren },  { "dir", run_dir },   { "type", run_type },
    { "echo", run_echo },   { "cd", run_cd },     { "chdir", run_cd },
    { "ver", run_ver },     { "exit", run_exit }, { "rem", run_nothing },
    { NULL, NULL },
};

const struct tool program_tools[] = {
    { "robocopy", run_robocopy },
    { "reg", run_reg },
    { "attrib", run_attrib },
    { "certutil", run_certutil },
    { "fc", run_fc },
    { "where", run_where },
    { "hostname", run_hostname },
    { "fsutil", run_fsutil },
    { "chcp", run_chcp },
    { NULL, NULL },
};

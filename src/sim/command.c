/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a command line: cmd.exe's parsing (quotes, ^, %VARIABLES%, && || &, blocks in
 * parentheses, redirection, if, for /r), then a tool from the tables.  Pipes, other forms
 * of `for` and batch files are not simulated and say so.
 *
 * Source: MicrosoftDocs/windowsserverdocs administration/windows-commands/cmd.md;
 * "Escape characters, delimiters and quotes" (ss64.com/nt/syntax-esc.html).
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "command-inside.h"
#include "text.h"
#include "windows-os.h"

enum {
    LINE_MAX_BYTES = 8191, /* the longest line cmd.exe takes */
    DEPTH_MAX = 64,
};

/* ---- variables ---- */

static char *expand_line(const struct task *task, const char *line)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;

    while (*line) {
        const char *end = *line == '%' ? strchr(line + 1, '%') : NULL;
        size_t len = end ? (size_t)(end - line - 1) : 0;
        const char *value = NULL;

        if (end && len == 10 && text_istarts(line + 1, "ERRORLEVEL"))
            strbuf_printf(&to, "%d", (int)task->errorlevel);
        else if (end && len == 2 && text_istarts(line + 1, "CD"))
            strbuf_puts(&to, task->directory);
        else if (end && len == 12 && text_istarts(line + 1, "COMPUTERNAME"))
            strbuf_puts(&to, task->command->host->name);
        else if (end && (value = windows_variable(line + 1, len)))
            strbuf_puts(&to, value);
        else
            end = NULL; /* not a variable: stays, as in an interactive line */
        if (end)
            line = end + 1;
        else
            strbuf_putc(&to, *line++);
    }
    return strbuf_take(&to);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- one command ---- */

static const struct tool *find_tool(const struct tool *tools, const char *name, size_t len)
{
    static const char folder[] = "C:\\Windows\\System32\\";
    CLEANUP(free_cleanup) char *word = text_ndup(name, len);

    if (!word)
        return NULL;
    if (tools == program_tools) {
        size_t n = strlen(word);

        if (n > 4 && text_iends(word, ".exe"))
            word[n - 4] = '\0';
        if (text_istarts(word, folder))
            memmove(word, word + sizeof(folder) - 1, strlen(word) - sizeof(folder) + 2);
    }
    for (; tools->name; tools++)
        if (text_ieq(tools->name, word))
            return tools;
    return NULL;
}

/* Programs that every host has and the simulator has not: saying that they do not exist
 * would be a lie. */
static bool is_real_program(const char *name, size_t len)
{
    static const char *const names[] = {
        "powershell", "pwsh", "diskpart", "dism",     "pnputil",  "wmic",    "xcopy",
        "net",        "sc",   "find",     "findstr",  "icacls",   "takeown", "mountvol",
        "tar",        "curl", "bcdedit",  "shutdown", "tasklist", "for",     "call",
        "start",      "set",  "pushd",    "popd",     "goto"
    };
    CLEANUP(free_cleanup) char *word = text_ndup(name, len);

    if (word && text_iends(word, ".exe"))
        word[strlen(word) - 4] = '\0';
    for (size_t i = 0; word && i < ARRAY_LEN(names); i++)
        if (text_ieq(names[i], word))
            return true;
    return false;
}

/* Length of the command's name; @ret_quotes: of the quotes around it. */
static size_t name_length(const char *text, bool *ret_quoted)
{
    size_t len = 0;

    *ret_quoted = *text == '"';
    if (*ret_quoted)
        return strcspn(text + 1, "\"");
    while (text[len] && !strchr(" \t,;=\"", text[len]) && (len == 0 || text[len] != '/'))
        len++;
    return len;
}

static uint32_t run_tool_line(struct task *task, const char *text, bool builtins)
{
    CLEANUP(arguments_clear) struct arguments arguments = { 0 };
    const struct tool *tool;
    const char *name, *rest;
    bool quoted;
    size_t len;

    while (is_blank(*text)) /* behind a redirection */
        text++;
    len = name_length(text, &quoted);
    name = text + quoted;
    rest = name + len + (quoted && name[len] == '"');
    tool = builtins && !quoted ? find_tool(builtin_tools, name, len) : NULL;
    if (!tool && builtins && !quoted && len > 4 && text_istarts(name, "echo") &&
        strchr(".:(/\\[]+", name[4])) { /* "echo." */
        tool = find_tool(builtin_tools, name, 4);
        rest = name + 4;
    }
    if (tool) {
        if (!arguments_of_builtin(rest, &arguments))
            return 1;
        return tool->run(task, &arguments);
    }
    tool = find_tool(program_tools, name, len);
    if (tool) {
        if (!arguments_of_program(rest, &arguments))
            return 1;
        return tool->run(task, &arguments);
    }
    if (is_real_program(name, len)) {
        CLEANUP(free_cleanup)
        char *what = text_printf("the command '%.*s'", (int)len, name);

        return not_simulated(task, what ? what : "this command");
    }
    complain(task,
             "'%.*s' is not recognized as an internal or external command,\r\n"
             "operable program or batch file.\r\n",
             (int)len, name);
    return COMMAND_NOT_FOUND;
}

static uint32_t run_one(struct task *task, const char *text, size_t len);

/* if [not] exist PATH COMMAND; if [not] errorlevel N COMMAND */
static uint32_t run_if(struct task *task, const char *text)
{
    bool negate = false, holds;
    CLEANUP(free_cleanup) char *word = NULL;

    while (is_blank(*text))
        text++;
    if (text_istarts(text, "not ")) {
        negate = true;
        text += 4;
    }
    while (is_blank(*text))
        text++;
    if (text_istarts(text, "exist ")) {
        CLEANUP(free_cleanup) char *path = NULL;
        struct file_info info;

        text += 6;
        word = take_word(&text);
        path = word ? task_path(task, word) : NULL;
        holds = path && task_stat(task, path, &info) == 0;
    } else if (text_istarts(text, "errorlevel ")) {
        uint64_t number = 0;

        text += 11;
        word = take_word(&text);
        holds =
            word && text_to_u64(word, 10, &number) && (int)task->errorlevel >= (int)number;
    } else {
        return not_simulated(task, "'if' with this condition");
    }
    while (is_blank(*text))
        text++;
    if (!*text) {
        complain(task, "The syntax of the command is incorrect.\r\n");
        return 1;
    }
    return holds != negate ? run_one(task, text, strlen(text)) : task->errorlevel;
}

/* for /r FOLDER %X in (PATTERN) do @COMMAND */
struct loop {
    char *folder, *pattern;
    char variable;
    const char *body;
};

static bool read_loop(struct task *task, const char *text, struct loop *ret)
{
    CLEANUP(free_cleanup) char *folder = NULL;
    const char *end;

    while (is_blank(*text))
        text++;
    if (!text_istarts(text, "/r "))
        return false;
    text += 3;
    folder = take_word(&text);
    while (is_blank(*text))
        text++;
    if (!folder || text[0] != '%' || !text[1] || !text_istarts(text + 2, " in ("))
        return false;
    ret->variable = text[1];
    text += 7;
    end = strchr(text, ')');
    if (!end || !text_istarts(end + 1, " do "))
        return false;
    ret->body = end + 5;
    while (is_blank(*ret->body))
        ret->body++;
    ret->pattern = text_ndup(text, (size_t)(end - text));
    ret->folder = task_path(task, folder);
    return ret->pattern && ret->folder && *ret->body == '@';
}

/* @text with %X replaced by @value. */
static char *fill_in(const char *text, char variable, const char *value)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;

    for (; *text; text++) {
        if (*text == '%' && text[1] == variable) {
            strbuf_puts(&to, value);
            text++;
        } else {
            strbuf_putc(&to, *text);
        }
    }
    return strbuf_take(&to);
}

static void run_loop(struct task *task, const struct loop *loop, const char *folder,
                     unsigned depth)
{
    static const uint32_t skipped = FILE_IS_DIR | FILE_IS_HIDDEN | FILE_IS_SYSTEM;
    CLEANUP(entries_clear) struct entries entries = { 0 };

    if (depth > DEPTH_MAX || task_list(task, folder, &entries) != 0)
        return;
    for (unsigned dirs = 0; dirs < 2; dirs++)
        for (size_t i = 0; i < entries.count && !task->exited && !is_stopped(task); i++) {
            const struct file_info *info = &entries.files[i];
            CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", folder, info->name);
            CLEANUP(free_cleanup) char *line = NULL;

            if (!path)
                return;
            if (dirs && (info->attributes & FILE_IS_DIR))
                run_loop(task, loop, path, depth + 1);
            if (dirs || (info->attributes & skipped) ||
                !wildcard_match(loop->pattern, info->name))
                continue;
            line = fill_in(loop->body, loop->variable, path);
            if (line)
                task->errorlevel = run_one(task, line, strlen(line));
        }
}

static uint32_t run_for(struct task *task, const char *text)
{
    struct loop loop = { 0 };
    uint32_t code = 0;

    if (read_loop(task, text, &loop)) {
        run_loop(task, &loop, loop.folder, 0);
        code = task->errorlevel;
    } else {
        code = not_simulated(task, "'for' but with /r, a pattern and an @command");
    }
    free(loop.folder);
    free(loop.pattern);
    return code;
}

/* Length of the block at @text, parentheses included; 0: it is not closed. */
static size_t block_length(const char *text)
{
    bool quoted = false;
    unsigned depth = 0;

    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && text[i] == '^' && text[i + 1])
            i++;
        else if (!quoted && text[i] == '(')
            depth++;
        else if (!quoted && text[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

static uint32_t run_list(struct task *task, const char *line);

/* "[REDIRECTION] ( COMMANDS ) [REDIRECTION]"; @text begins at the parenthesis. */
static uint32_t run_block(struct task *task, const char *text)
{
    size_t len = block_length(text);
    CLEANUP(free_cleanup) char *inner = len ? text_ndup(text + 1, len - 2) : NULL;
    CLEANUP(free_cleanup)
    char *behind = len ? strip_redirects(task, text + len, strlen(text + len)) : NULL;

    if (!inner || !behind || behind[strspn(behind, " \t")]) {
        complain(task, "The syntax of the command is incorrect.\r\n");
        return 1;
    }
    return open_redirects(task) ? run_list(task, inner) : 1;
}

/* Redirections may stand before the command; true: a block follows them. */
static bool skip_to_block(struct task *task, const char **at)
{
    const char *p = *at;

    for (;;) {
        const char *word;

        while (is_blank(*p) || *p == '@')
            p++;
        word = p + ((*p == '1' || *p == '2') && p[1] == '>');
        if (*word != '>')
            break;
        p = word + 1;
        p += *p == '>';
        free(take_word(&p));
    }
    if (*p != '(')
        return false;
    for (const char *q = *at; q < p;) { /* now set them */
        unsigned stream = *q == '2';

        if (is_blank(*q) || *q == '@' || *q == '1' || *q == '2')
            q++;
        else if (!take_redirect(task, stream && q > *at, &q))
            return false;
    }
    *at = p;
    return true;
}

static uint32_t run_plain(struct task *task, const char *text)
{
    CLEANUP(free_cleanup) char *plain = NULL;

    if (skip_to_block(task, &text))
        return run_block(task, text);
    plain = strip_redirects(task, text, strlen(text));
    if (!plain || !open_redirects(task))
        return 1;
    return run_tool_line(task, plain + strspn(plain, " \t"), true);
}

static uint32_t run_one(struct task *task, const char *text, size_t len)
{
    CLEANUP(free_cleanup) char *copy = NULL;
    CLEANUP(streams_clear) struct streams streams = { .outer = task->streams };
    uint32_t code;

    while (len > 0 && (is_blank(*text) || *text == '@')) {
        text++;
        len--;
    }
    copy = text_ndup(text, len);
    if (len == 0 || !copy)
        return task->errorlevel;
    if (task->depth >= DEPTH_MAX)
        return not_simulated(task, "so deep a nesting");
    if (text_istarts(copy, "if "))
        return run_if(task, copy + 3);
    if (text_istarts(copy, "for "))
        return run_for(task, copy + 4);
    task->depth++;
    task->streams = &streams;
    code = run_plain(task, copy);
    if (!write_redirects(task))
        code = 1;
    task->streams = streams.outer;
    task->depth--;
    return code;
}

/* ---- sequences ---- */

/* Parentheses group where a block may stand: at the start, behind a redirection, in `if`
 * and `for`.  Elsewhere they are text. */
static bool may_hold_block(const char *text)
{
    while (is_blank(*text) || *text == '@')
        text++;
    return *text == '(' || *text == '>' || (*text && text[1] == '>') ||
           text_istarts(text, "if ") || text_istarts(text, "for ");
}

/* Length up to an operator outside quotes and blocks; *ret_operator: "&", "&&", "||" or
 * "". */
static size_t next_operator(const char *line, const char **ret_operator)
{
    bool quoted = false, blocks = may_hold_block(line);
    unsigned depth = 0;

    for (size_t i = 0; line[i]; i++) {
        char c = line[i];

        if (c == '"') {
            quoted = !quoted;
        } else if (quoted) {
            continue;
        } else if (c == '^' && line[i + 1]) {
            i++;
        } else if (blocks && c == '(') {
            depth++;
        } else if (blocks && c == ')' && depth > 0) {
            depth--;
        } else if (depth == 0 && c == '&') {
            if (i > 0 && line[i - 1] == '>')
                continue; /* 2>&1 */
            *ret_operator = line[i + 1] == '&' ? "&&" : "&";
            return i;
        } else if (depth == 0 && c == '|' && line[i + 1] == '|') {
            *ret_operator = "||";
            return i;
        }
    }
    *ret_operator = "";
    return strlen(line);
}

static uint32_t run_list(struct task *task, const char *line)
{
    const char *at = line, *joined = "&";

    while (*at && !task->exited && !is_stopped(task)) {
        const char *next;
        size_t len = next_operator(at, &next);
        bool runs = strcmp(joined, "&&") == 0   ? task->errorlevel == 0
                    : strcmp(joined, "||") == 0 ? task->errorlevel != 0
                                                : true;

        if (runs)
            task->errorlevel = run_one(task, at, len);
        at += len + strlen(next);
        joined = next;
    }
    return task->errorlevel;
}

uint32_t run_line(struct task *task, const char *line)
{
    CLEANUP(free_cleanup) char *expanded = expand_line(task, line);

    if (!expanded || strlen(expanded) > LINE_MAX_BYTES) {
        complain(task, "The command line is too long.\r\n");
        return 1;
    }
    return run_list(task, expanded);
}

/* cmd /c: a line that begins with a quote keeps its quotes only when there are just two,
 * nothing special between them, and they hold the name of a program. */
static char *strip_outer_quotes(const char *line, bool always)
{
    size_t quotes = 0;
    const char *last = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;

    while (is_blank(*line))
        line++;
    if (*line != '"')
        return text_dup(line);
    for (const char *p = line; *p; p++)
        if (*p == '"') {
            quotes++;
            last = p;
        }
    if (!always && quotes == 2) {
        CLEANUP(free_cleanup) char *inner = text_ndup(line + 1, (size_t)(last - line - 1));

        if (inner && !strpbrk(inner, "&<>()@^|") &&
            find_tool(program_tools, inner, strlen(inner)))
            return text_dup(line);
    }
    strbuf_add(&to, line + 1, (size_t)(last - line - 1));
    strbuf_puts(&to, last + 1);
    return strbuf_take(&to);
}

/* "cmd [/d] [/s] [/q] /c LINE" */
static uint32_t run_cmd(struct task *task, const char *rest)
{
    bool always = false;

    for (;;) {
        while (is_blank(*rest))
            rest++;
        if (text_istarts(rest, "/s"))
            always = true;
        if (text_istarts(rest, "/c") || text_istarts(rest, "/r")) {
            CLEANUP(free_cleanup) char *line = strip_outer_quotes(rest + 2, always);

            return line ? run_line(task, line) : 1;
        }
        if (!text_istarts(rest, "/d") && !text_istarts(rest, "/s") &&
            !text_istarts(rest, "/q"))
            return not_simulated(task, "cmd without /c");
        rest += 2;
    }
}

static uint32_t run_program(struct task *task, const char *line)
{
    bool quoted;
    size_t len;
    const char *name;

    while (is_blank(*line))
        line++;
    len = name_length(line, &quoted);
    name = line + quoted;
    if ((len == 3 && text_istarts(name, "cmd")) ||
        (len >= 7 && text_istarts(name + len - 7, "cmd.exe")))
        return run_cmd(task, name + len + (quoted && name[len] == '"'));
    return run_tool_line(task, line, false);
}

bool sim_command_exists(const char *line)
{
    bool quoted;
    size_t len;
    const char *name;

    while (is_blank(*line))
        line++;
    len = name_length(line, &quoted);
    name = line + quoted;
    return (len == 3 && text_istarts(name, "cmd")) ||
           (len >= 7 && text_istarts(name + len - 7, "cmd.exe")) ||
           find_tool(program_tools, name, len);
}

uint32_t sim_command_run(const struct sim_command *command)
{
    struct task task = { .command = command };
    CLEANUP(free_cleanup) char *line = NULL;
    uint32_t code;

    task.directory =
        text_dup(command->directory ? command->directory : "C:\\Users\\Administrator");
    if (!task.directory)
        return 1;
    if (command->no_shell) {
        code = run_program(&task, command->line);
    } else {
        line = strip_outer_quotes(command->line, false);
        code = line ? run_line(&task, line) : 1;
        if (code == COMMAND_NOT_FOUND)
            code = 1; /* what cmd /c itself ends with */
    }
    free(task.directory);
    return is_stopped(&task) ? STATUS_TERMINATED : code;
}

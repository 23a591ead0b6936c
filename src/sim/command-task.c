/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a running command uses: output, paths, files, arguments. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-inside.h"
#include "os.h"
#include "text.h"
#include "world-inside.h"

/* ---- output ---- */

static void emit(struct task *task, unsigned stream, const char *text, size_t len)
{
    for (struct streams *s = task->streams; s; s = s->outer) {
        if (s->to[stream].kind == TO_OTHER)
            stream = !stream;
        if (s->to[stream].kind == TO_NUL)
            return;
        if (s->to[stream].kind == TO_FILE) {
            strbuf_add(&s->to[stream].text, text, len);
            return;
        }
    }
    if (task->command->on_output && len > 0)
        task->command->on_output(text, len, stream == 1, task->command->user);
}

PRINTF_LIKE(3, 0)
static void emit_format(struct task *task, unsigned stream, const char *fmt, va_list args)
{
    CLEANUP(free_cleanup) char *text = NULL;
    int len = vasprintf(&text, fmt, args);

    if (len > 0)
        emit(task, stream, text, (size_t)len);
}

void say(struct task *task, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    emit_format(task, 0, fmt, args);
    va_end(args);
}

void complain(struct task *task, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    emit_format(task, 1, fmt, args);
    va_end(args);
}

void say_bytes(struct task *task, const void *bytes, size_t len)
{
    emit(task, 0, bytes, len);
}

uint32_t not_simulated(struct task *task, const char *what)
{
    complain(task, "hvgpu-sim: %s is not simulated\r\n", what);
    return 1;
}

bool is_stopped(const struct task *task)
{
    return task->command->stop && atomic_load(task->command->stop);
}

/* ---- the world ---- */

struct sim_world *task_lock(struct task *task, struct err *err)
{
    struct sim_world *world;

    pthread_mutex_lock(task->command->host->lock);
    world = sim_host_world(task->command->host, err);
    if (!world)
        pthread_mutex_unlock(task->command->host->lock);
    return world;
}

void task_unlock(struct task *task)
{
    pthread_mutex_unlock(task->command->host->lock);
}

char *task_path(const struct task *task, const char *path)
{
    if (path[0] && path[1] == ':')
        return text_dup(path);
    if (path[0] == '\\' && (path[1] == '\\' || path[1] == '?'))
        return text_dup(path);
    if (path[0] == '\\' || path[0] == '/')
        return text_printf("%.2s%s", task->directory, path);
    return text_printf("%s%s%s", task->directory,
                       task->directory[strlen(task->directory) - 1] == '\\' ? "" : "\\",
                       path);
}

/* What differs between the calls. */
#define LOCKED(call)                                     \
    do {                                                 \
        struct err err = ERR_INIT;                       \
        struct sim_world *world = task_lock(task, &err); \
        uint32_t code = 0;                               \
                                                         \
        if (!world)                                      \
            return world_code(&err);                     \
        if (!(call))                                     \
            code = world_code(&err);                     \
        task_unlock(task);                               \
        return code;                                     \
    } while (0)

static bool stat_nameless(struct sim_world *world, const char *path, struct file_info *ret,
                          struct err *err)
{
    if (!world_stat(world, path, ret, err))
        return false;
    free(TAKE(ret->name));
    return true;
}

uint32_t task_stat(struct task *task, const char *path, struct file_info *ret)
{
    LOCKED(stat_nameless(world, path, ret, &err));
}

static bool make_dirs(struct sim_world *world, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *plain = world_normalize(path, err);
    struct file_info info;

    if (!plain)
        return false;
    for (char *p = plain + 2; (p = strchr(p + 1, '\\'));) {
        struct err missing = ERR_INIT;

        if (p[-1] == '?' || p[-1] == '}') /* \\?\Volume{...} */
            continue;
        *p = '\0';
        if (!stat_nameless(world, plain, &info, &missing) &&
            !world_make_dir(world, plain, err))
            return false;
        *p = '\\';
    }
    return world_make_dir(world, plain, err);
}

uint32_t task_make_dirs(struct task *task, const char *path)
{
    LOCKED(make_dirs(world, path, &err));
}

uint32_t task_copy(struct task *task, const char *from, const char *to)
{
    LOCKED(world_copy(world, from, to, &err));
}

uint32_t task_remove(struct task *task, const char *path, bool tree, bool even_readonly)
{
    LOCKED(world_remove(world, path, tree, even_readonly, &err));
}

uint32_t task_rename(struct task *task, const char *from, const char *to)
{
    LOCKED(world_rename(world, from, to, &err));
}

uint32_t task_set_attributes(struct task *task, const char *path, uint32_t attributes)
{
    LOCKED(world_set_attributes(world, path, attributes, &err));
}

uint32_t task_read(struct task *task, const char *path, size_t max, uint8_t **ret,
                   size_t *ret_len)
{
    LOCKED(world_read_all(world, path, max, ret, ret_len, &err));
}

uint32_t task_write(struct task *task, const char *path, const void *bytes, size_t len)
{
    LOCKED(world_write_all(world, path, bytes, len, os_now_usec(), FILE_IS_ARCHIVE, &err));
}

void entries_clear(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->files[i].name);
    free(entries->files);
    *entries = (struct entries){ 0 };
}

static bool keep_entry(const struct file_info *info, void *user, struct err *err)
{
    struct entries *entries = user;
    struct file_info *at;

    if (entries->count == entries->size) {
        size_t size = entries->size ? 2 * entries->size : 64;
        struct file_info *files = reallocarray(entries->files, size, sizeof(*files));

        if (!files)
            return err_no_memory(err);
        entries->files = files;
        entries->size = size;
    }
    at = &entries->files[entries->count];
    *at = *info;
    at->name = text_dup(info->name);
    if (!at->name)
        return err_no_memory(err);
    entries->count++;
    return true;
}

uint32_t task_list(struct task *task, const char *path, struct entries *ret)
{
    LOCKED(world_list(world, path, keep_entry, ret, &err));
}

/* ---- arguments ---- */

void arguments_clear(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        free(arguments->words[i]);
    arguments->count = 0;
}

static bool add_word(struct arguments *to, struct strbuf *word)
{
    if (to->count >= ARGUMENT_MAX)
        return false;
    to->words[to->count] = strbuf_take(word);
    return to->words[to->count] && ++to->count;
}

/* Source: "Parsing C command-line arguments" (MicrosoftDocs/cpp-docs). */
bool arguments_of_program(const char *text, struct arguments *ret)
{
    CLEANUP(strbuf_cleanup) struct strbuf word = STRBUF_INIT;
    bool quoted = false, open = false;

    *ret = (struct arguments){ .raw = text };
    for (;;) {
        size_t slashes = strspn(text, "\\");

        if (slashes > 0) {
            bool before_quote = text[slashes] == '"';
            size_t keep = before_quote ? slashes / 2 : slashes;

            for (size_t i = 0; i < keep; i++)
                strbuf_putc(&word, '\\');
            text += slashes;
            open = true;
            if (before_quote && slashes % 2) {
                strbuf_putc(&word, '"');
                text++;
            }
        } else if (*text == '"') {
            quoted = !quoted;
            open = true;
            text++;
        } else if (*text == '\0' || (!quoted && (*text == ' ' || *text == '\t'))) {
            if (open && !add_word(ret, &word)) {
                arguments_clear(ret);
                return false;
            }
            open = false;
            if (*text++ == '\0')
                return true;
        } else {
            strbuf_putc(&word, *text++);
            open = true;
        }
    }
}

bool arguments_of_builtin(const char *text, struct arguments *ret)
{
    CLEANUP(strbuf_cleanup) struct strbuf word = STRBUF_INIT;
    bool quoted = false, open = false;

    *ret = (struct arguments){ .raw = text };
    for (;; text++) {
        bool blank = !quoted && (*text == ' ' || *text == '\t' || *text == ',' ||
                                 *text == ';' || *text == '=');
        /* "/s/q" are two switches. */
        bool next_switch =
            !quoted && open && *text == '/' && word.len > 0 && word.text[0] == '/';

        if (*text == '\0' || blank || next_switch) {
            if (open && !add_word(ret, &word)) {
                arguments_clear(ret);
                return false;
            }
            open = false;
            if (*text == '\0')
                return true;
        }
        if (*text == '"') {
            quoted = !quoted;
            open = true;
        } else if (!blank) {
            strbuf_putc(&word, *text);
            open = true;
        }
    }
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool wildcard_match(const char *pattern, const char *name)
{
    const char *star = NULL, *back = NULL;

    if (strcmp(pattern, "*.*") == 0)
        return true; /* matches names without a dot, too */
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            back = name;
        } else if (*pattern == '?' || lower(*pattern) == lower(*name)) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool has_wildcard(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

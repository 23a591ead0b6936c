/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * robocopy: selection of files, output lines, retries and exit bits as documented.
 * Security (/COPY:S, /SEC, /COPYALL) and moves are not simulated.
 *
 * Files are copied in rounds: each round is one commit of the attached image, after which
 * other requests get their turn and the lines of the round are shown.
 *
 * Source: MicrosoftDocs/windowsserverdocs administration/windows-commands/robocopy.md;
 * the run summary and the tags of files: robocopy.doc of the Windows 2000 Resource Kit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-robocopy.h"
#include "os.h"
#include "text.h"

enum {
    EXIT_COPIED = 1,
    EXIT_EXTRA = 2,
    EXIT_MISMATCH = 4,
    EXIT_FAILED = 8,
    EXIT_FATAL = 16,
    DEPTH_MAX = 64,
    ROUND_FILES = 64,
    ROUND_BYTES = 32 << 20,
    FAT_TIME = 2000000,
};

/* ---- options ---- */

static bool take_copy_flags(struct robocopy *r, const char *flags)
{
    r->copy_data = r->copy_attributes = r->copy_times = false;
    for (; *flags; flags++)
        switch (*flags & ~0x20) {
        case 'D':
            r->copy_data = true;
            break;
        case 'A':
            r->copy_attributes = true;
            break;
        case 'T':
            r->copy_times = true;
            break;
        default:
            return false;
        }
    return r->copy_data && r->copy_times;
}

static bool take_attributes(const char *letters, uint32_t *ret)
{
    for (; *letters; letters++)
        switch (*letters & ~0x20) {
        case 'R':
            *ret |= FILE_IS_READONLY;
            break;
        case 'A':
            *ret |= FILE_IS_ARCHIVE;
            break;
        case 'S':
            *ret |= FILE_IS_SYSTEM;
            break;
        case 'H':
            *ret |= FILE_IS_HIDDEN;
            break;
        default:
            return false;
        }
    return true;
}

/* False: not known here. */
static bool take_option(struct robocopy *r, const char *word)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        { "/S", &r->below },        { "/L", &r->list_only },   { "/NJH", &r->no_header },
        { "/NJS", &r->no_summary }, { "/NDL", &r->no_dirs },   { "/NFL", &r->no_files },
        { "/NC", &r->no_class },    { "/NS", &r->no_size },    { "/NP", &r->no_progress },
        { "/BYTES", &r->bytes },    { "/FP", &r->full_path },  { "/TS", &r->times },
        { "/V", &r->verbose },      { "/IS", &r->even_same },  { "/IT", &r->even_tweaked },
        { "/XO", &r->not_older },   { "/FFT", &r->fat_times }, { "/PURGE", &r->purge },
    };
    /* How it copies, not what: no difference here.  Folders get times and attributes
     * anyway, or keep none that the world shows. */
    static const char *const ways[] = { "/J",         "/XJ", "/XJD",     "/XJF",
                                        "/NOOFFLOAD", "/MT", "/NODCOPY", "/UNICODE" };

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (text_ieq(word, flags[i].name)) {
            *flags[i].flag = true;
            return true;
        }
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        if (text_ieq(word, ways[i]))
            return true;
    if (text_ieq(word, "/E")) {
        r->below = r->empty_too = true;
        return true;
    }
    if (text_ieq(word, "/MIR")) {
        r->below = r->empty_too = r->purge = true;
        return true;
    }
    if (text_istarts(word, "/MT:") || text_istarts(word, "/DCOPY:"))
        return true;
    if (text_istarts(word, "/COPY:"))
        return take_copy_flags(r, word + 6);
    if (text_istarts(word, "/R:"))
        return text_to_u64(word + 3, 10, &r->retries);
    if (text_istarts(word, "/W:"))
        return text_to_u64(word + 3, 10, &r->wait_s);
    if (text_istarts(word, "/A+:"))
        return take_attributes(word + 4, &r->add);
    if (text_istarts(word, "/A-:"))
        return take_attributes(word + 4, &r->remove);
    return false;
}

/* ---- choosing ---- */

static bool is_chosen(const struct robocopy *r, const char *name)
{
    for (size_t i = 0; i < r->without_count; i++)
        if (wildcard_match(r->without[i], name))
            return false;
    for (size_t i = 0; i < r->pattern_count; i++)
        if (wildcard_match(r->patterns[i], name))
            return true;
    return false;
}

static bool is_left_out(const struct robocopy *r, const char *name, const char *path)
{
    for (size_t i = 0; i < r->without_dir_count; i++)
        if (wildcard_match(r->without_dirs[i], name) || text_ieq(r->without_dirs[i], path))
            return true;
    return false;
}

static const struct file_info *find_entry(const struct entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->count; i++)
        if (text_ieq(entries->files[i].name, name))
            return &entries->files[i];
    return NULL;
}

/* NULL: nothing to do. */
static const char *class_of(const struct robocopy *r, const struct file_info *from,
                            const struct file_info *to, bool *ret_copy)
{
    static const uint32_t kept = FILE_IS_READONLY | FILE_IS_HIDDEN | FILE_IS_SYSTEM;
    int64_t apart = to ? from->mtime_usec - to->mtime_usec : 0;

    *ret_copy = true;
    if (!to)
        return "New File";
    if (r->fat_times && apart > -FAT_TIME && apart < FAT_TIME)
        apart = 0;
    if (apart > 0)
        return "Newer";
    if (apart < 0) {
        *ret_copy = !r->not_older;
        return "Older";
    }
    if (from->size != to->size)
        return "Changed";
    if (((from->attributes ^ to->attributes) & kept) != 0) {
        *ret_copy = r->even_tweaked;
        return "tweaked";
    }
    *ret_copy = r->even_same;
    return "same";
}

static void flush(struct robocopy *r, struct strbuf *lines)
{
    if (lines->len > 0)
        say_bytes(r->task, lines->text, lines->len);
    strbuf_clear(lines);
}

/* ---- copying ---- */

/* One file; the host is locked, a batch is open. */
static uint32_t copy_one(struct robocopy *r, struct sim_world *world, const char *from,
                         const char *to, const struct file_info *target)
{
    struct err err = ERR_INIT;
    struct file_info info = { 0 };
    uint32_t attributes;

    if (target && (target->attributes & FILE_IS_READONLY) &&
        !world_set_attributes(world, to, target->attributes & ~(uint32_t)FILE_IS_READONLY,
                              &err))
        return world_code(&err);
    if (!world_copy(world, from, to, &err))
        return world_code(&err);
    if (!r->add && !r->remove && r->copy_attributes)
        return 0;
    if (!world_stat(world, to, &info, &err))
        return world_code(&err);
    free(info.name);
    attributes = r->copy_attributes ? info.attributes : FILE_IS_ARCHIVE;
    attributes = (attributes | r->add) & ~r->remove;
    if (attributes != info.attributes && !world_set_attributes(world, to, attributes, &err))
        return world_code(&err);
    return 0;
}

/* The files of one folder that are to be copied. */
struct job {
    const char *from, *to;
    const struct entries *sources, *targets;
    const struct file_info **files;
    size_t count;
};

/* Copies from @job's file number *at on, as many as a round takes.  The code of the file
 * it stopped at, or 0. */
static uint32_t copy_round(struct robocopy *r, const struct job *job, size_t *at)
{
    struct err err = ERR_INIT;
    struct sim_world *world = task_lock(r->task, &err);
    size_t first = *at;
    uint64_t bytes = 0;
    uint32_t code = 0;

    if (!world)
        return world_code(&err);
    if (!world_batch_begin(world, &err))
        code = world_code(&err);
    while (code == 0 && *at < job->count && *at - first < ROUND_FILES &&
           bytes < ROUND_BYTES) {
        const struct file_info *file = job->files[*at];
        CLEANUP(free_cleanup) char *from = text_printf("%s\\%s", job->from, file->name);
        CLEANUP(free_cleanup) char *to = text_printf("%s\\%s", job->to, file->name);

        code = from && to
                   ? copy_one(r, world, from, to, find_entry(job->targets, file->name))
                   : 8;
        if (code == 0) {
            bytes += file->size;
            (*at)++;
        }
    }
    if (!world_batch_end(world, &err) && code == 0)
        code = world_code(&err);
    task_unlock(r->task);
    return code;
}

static void put_done(struct robocopy *r, const struct job *job, size_t first, size_t last,
                     struct strbuf *lines)
{
    for (size_t i = first; i < last; i++) {
        bool copy;

        r->files.copied++;
        r->size.copied += job->files[i]->size;
        r->result |= EXIT_COPIED;
        if (!r->no_files) {
            robocopy_put_file(r,
                              class_of(r, job->files[i],
                                       find_entry(job->targets, job->files[i]->name),
                                       &copy),
                              job->from, job->files[i], lines);
            if (!r->no_progress)
                strbuf_puts(lines, "  0%  \r100%  \r\n");
        }
    }
    flush(r, lines);
}

/* True: try again. */
static bool wait_for_retry(struct robocopy *r, uint64_t tried)
{
    if (tried >= r->retries)
        return false;
    say(r->task, "Waiting %" PRIu64 " seconds... Retrying...\r\n", r->wait_s);
    for (uint64_t ms = 0; ms < r->wait_s * 1000 && !is_stopped(r->task); ms += 50)
        os_sleep_ms(50);
    return !is_stopped(r->task);
}

static void copy_files(struct robocopy *r, const struct job *job)
{
    CLEANUP(strbuf_cleanup) struct strbuf lines = STRBUF_INIT;
    uint64_t tried = 0;

    for (size_t at = 0; at < job->count && !is_stopped(r->task);) {
        size_t first = at;
        uint32_t code = copy_round(r, job, &at);

        put_done(r, job, first, at, &lines);
        if (at > first)
            tried = 0;
        if (code == 0)
            continue;
        CLEANUP(free_cleanup)
        char *path =
            at < job->count ? text_printf("%s\\%s", job->from, job->files[at]->name) : NULL;
        robocopy_put_error(code, "Copying File", path ? path : job->from, &lines);
        flush(r, &lines);
        if (wait_for_retry(r, tried++))
            continue;
        say(r->task, "ERROR: RETRY LIMIT EXCEEDED.\r\n\r\n");
        r->result |= EXIT_FAILED;
        r->files.failed++;
        if (at < job->count)
            r->size.failed += job->files[at]->size;
        tried = 0;
        at++;
    }
}

/* ---- a folder ---- */

static void put_dir_line(struct robocopy *r, const char *class_name, size_t count,
                         const char *path)
{
    if (!r->no_dirs)
        say(r->task, "\t%12s\t%8zu\t%s\\\r\n", class_name, count, path);
}

static void handle_extras(struct robocopy *r, const struct entries *sources,
                          const struct entries *targets, const char *to)
{
    for (size_t i = 0; i < targets->count && !is_stopped(r->task); i++) {
        const struct file_info *extra = &targets->files[i];
        bool dir = extra->attributes & FILE_IS_DIR;
        CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", to, extra->name);
        CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
        uint32_t code;

        if (!path || find_entry(sources, extra->name) ||
            (!dir && !is_chosen(r, extra->name)))
            continue;
        r->result |= EXIT_EXTRA;
        (dir ? &r->dirs : &r->files)->extra++;
        if (dir) {
            if (!r->no_dirs)
                say(r->task, "\t*EXTRA Dir        -1\t%s\\\r\n", path);
        } else if (!r->no_files) {
            r->size.extra += extra->size;
            robocopy_put_file(r, "*EXTRA File", to, extra, &line);
            flush(r, &line);
        }
        if (!r->purge || r->list_only)
            continue;
        code = task_remove(r->task, path, dir, true);
        if (code != 0) {
            robocopy_put_error(code, "Deleting Extra File", path, &line);
            flush(r, &line);
            r->result |= EXIT_FAILED;
        }
    }
}

static void choose_files(struct robocopy *r, struct job *job)
{
    CLEANUP(strbuf_cleanup) struct strbuf lines = STRBUF_INIT;

    for (size_t i = 0; i < job->sources->count; i++) {
        const struct file_info *file = &job->sources->files[i];
        const struct file_info *target = find_entry(job->targets, file->name);
        const char *class_name;
        bool copy;

        if ((file->attributes & FILE_IS_DIR) || !is_chosen(r, file->name))
            continue;
        r->files.total++;
        r->size.total += file->size;
        if (target && (target->attributes & FILE_IS_DIR)) {
            r->files.mismatch++;
            r->result |= EXIT_MISMATCH;
            continue;
        }
        class_name = class_of(r, file, target, &copy);
        if (copy && !r->list_only) {
            job->files[job->count++] = file;
            continue;
        }
        if (copy) {
            r->files.copied++;
            r->size.copied += file->size;
            r->result |= EXIT_COPIED;
        } else {
            r->files.skipped++;
            r->size.skipped += file->size;
        }
        if (!r->no_files && (copy || r->verbose))
            robocopy_put_file(r, class_name, job->from, file, &lines);
    }
    flush(r, &lines);
}

static size_t count_files(const struct robocopy *r, const struct entries *entries)
{
    size_t count = 0;

    for (size_t i = 0; i < entries->count; i++)
        count += !(entries->files[i].attributes & FILE_IS_DIR) &&
                 is_chosen(r, entries->files[i].name);
    return count;
}

/* Makes the target folder where it is missing; false: failed. */
static bool make_target(struct robocopy *r, const char *to, size_t files, bool *ret_new)
{
    struct file_info info;
    uint32_t code = task_stat(r->task, to, &info);

    *ret_new = code != 0;
    if (code == 0 || r->list_only || (files == 0 && !r->empty_too && r->dirs.total > 1))
        return true;
    code = task_make_dirs(r->task, to);
    if (code != 0) {
        CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

        robocopy_put_error(code, "Creating Destination Directory", to, &line);
        flush(r, &line);
        r->result |= r->dirs.total == 1 ? EXIT_FATAL : EXIT_FAILED;
        r->dirs.failed++;
        return false;
    }
    return true;
}

static void do_folder(struct robocopy *r, const char *from, const char *to, unsigned depth)
{
    CLEANUP(entries_clear) struct entries sources = { 0 };
    CLEANUP(entries_clear) struct entries targets = { 0 };
    CLEANUP(free_cleanup) const struct file_info **files = NULL;
    struct job job = { .from = from, .to = to, .sources = &sources, .targets = &targets };
    bool new = false;
    size_t count;
    uint32_t code;

    if (depth > DEPTH_MAX || is_stopped(r->task))
        return;
    code = task_list(r->task, from, &sources);
    if (code != 0) {
        CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

        robocopy_put_error(code, "Scanning Source Directory", from, &line);
        flush(r, &line);
        r->result |= EXIT_FAILED;
        return;
    }
    r->dirs.total++;
    count = count_files(r, &sources);
    if (!make_target(r, to, count, &new))
        return;
    if (new)
        r->dirs.copied++;
    else
        r->dirs.skipped++;
    put_dir_line(r, new ? "New Dir  " : "", count, from);
    if (!new &&task_list(r->task, to, &targets) != 0)
        r->result |= EXIT_FAILED;
    files = calloc(sources.count + 1, sizeof(*files));
    if (!files)
        return;
    job.files = files;
    handle_extras(r, &sources, &targets, to);
    choose_files(r, &job);
    copy_files(r, &job);
    for (size_t i = 0; r->below && i < sources.count; i++) {
        const char *name = sources.files[i].name;
        CLEANUP(free_cleanup) char *below = text_printf("%s\\%s", from, name);
        CLEANUP(free_cleanup) char *target = text_printf("%s\\%s", to, name);

        if (below && target && (sources.files[i].attributes & FILE_IS_DIR) &&
            !is_left_out(r, name, below))
            do_folder(r, below, target, depth + 1);
    }
}

/* ---- the command ---- */

static uint32_t usage(struct robocopy *r, const char *word)
{
    say(r->task, "\r\nERROR : Invalid Parameter \"%s\"\r\n\r\n", word);
    return EXIT_FATAL;
}

static char *plain_folder(struct task *task, const char *word)
{
    char *path = task_path(task, word);

    for (size_t len = path ? strlen(path) : 0; len > 3 && path[len - 1] == '\\'; len--)
        path[len - 1] = '\0';
    return path;
}

uint32_t run_robocopy(struct task *task, const struct arguments *arguments)
{
    struct robocopy r = { .task = task,
                          .copy_data = true,
                          .copy_attributes = true,
                          .copy_times = true,
                          .retries = 1000000,
                          .wait_s = 30,
                          .started_ms = os_monotonic_ms() };
    CLEANUP(free_cleanup) char *from = NULL;
    CLEANUP(free_cleanup) char *to = NULL;
    const char **list = NULL; /* /XF, /XD take the words up to the next option */
    size_t *list_count = NULL;
    struct file_info info;
    uint32_t code;

    for (size_t i = 0; i < arguments->count; i++) {
        const char *word = arguments->words[i];

        if (word[0] == '/') {
            list = NULL;
            if (text_ieq(word, "/XF")) {
                list = r.without;
                list_count = &r.without_count;
            } else if (text_ieq(word, "/XD")) {
                list = r.without_dirs;
                list_count = &r.without_dir_count;
            } else if (!take_option(&r, word)) {
                return usage(&r, word);
            }
        } else if (list && *list_count < ROBOCOPY_PATTERN_MAX) {
            list[(*list_count)++] = word;
        } else if (!from) {
            from = plain_folder(task, word);
        } else if (!to) {
            to = plain_folder(task, word);
        } else if (r.pattern_count < ROBOCOPY_PATTERN_MAX) {
            r.patterns[r.pattern_count++] = word;
        } else {
            return usage(&r, word);
        }
    }
    if (!from || !to) {
        say(task, "\r\nERROR : No %s Directory Specified.\r\n\r\n",
            from ? "Destination" : "Source");
        return EXIT_FATAL;
    }
    if (r.pattern_count == 0)
        r.patterns[r.pattern_count++] = "*.*";
    if (!r.no_header)
        robocopy_put_header(&r, from, to);
    code = task_stat(task, from, &info);
    if (code == 0 && !(info.attributes & FILE_IS_DIR))
        code = 267;
    if (code != 0) {
        CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

        robocopy_put_error(code, "Accessing Source Directory", from, &line);
        flush(&r, &line);
        return EXIT_FATAL;
    }
    do_folder(&r, from, to, 0);
    if (!r.no_summary)
        robocopy_put_summary(&r);
    return r.result;
}

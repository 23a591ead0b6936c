/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on a host: quoting, running, and reading what the tools print. */

#include "remote-shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "text.h"
#include "win-path.h"

static const char EMPTY_SHA256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

enum { OUTPUT_LINE_MAX = 64 << 10, SAID_MAX = 160, LONG_MS = 30 * 60 * 1000 };

/* ---- running ---- */

bool shell_quote(struct strbuf *line, const char *path, struct err *err)
{
    size_t len = strlen(path);

    /* Inside quotes cmd.exe still replaces %names%, and !names! where delayed expansion is
     * switched on for the machine; nothing can be put before them to prevent it. */
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < 0x20 || strchr("\"%!\x7f", path[i]))
            return err_fail(err, ERR_INVALID, 0,
                            "'%s' cannot be named in a command on the host", path);
    /* A '\' before the closing quote would escape it for some programs. */
    while (len > 0 && path[len - 1] == '\\')
        len--;
    if (len == 0)
        return err_fail(err, ERR_INVALID, 0, "a path is missing");
    strbuf_putc(line, '"');
    strbuf_add(line, path, len);
    strbuf_putc(line, '"');
    return true;
}

static bool build(struct strbuf *line, struct err *err, const char *format, va_list args)
{
    for (const char *p = format; *p; p++) {
        if (*p == '%' && p[1] == 'p') {
            if (!shell_quote(line, va_arg(args, const char *), err))
                return false;
            p++;
        } else {
            p += *p == '%' && p[1] == '%';
            strbuf_putc(line, *p);
        }
    }
    if (line->failed)
        return err_no_memory(err);
    if (line->len > SHELL_LINE_MAX)
        return err_fail(
            err, ERR_UNSUPPORTED, 0,
            "a command would be longer than the host's command processor takes");
    return true;
}

/* Each stream has its own lines: pieces of the two come in any order. */
struct output_stream {
    struct strbuf part;  /* of a line */
    char last[SAID_MAX]; /* the last line that said anything, for errors */
};

struct output {
    const struct shell_run *run;
    struct output_stream out, errors;
};

static bool take_line(struct output *output, struct output_stream *stream, struct err *err)
{
    const char *text = stream->part.text ? stream->part.text : "";
    bool ok = true;

    if (stream->part.failed)
        return err_no_memory(err);
    if (text[strspn(text, " \t")])
        snprintf(stream->last, sizeof(stream->last), "%s", text + strspn(text, " \t"));
    if (stream == &output->out && output->run->on_line)
        ok = output->run->on_line(text, output->run->user, err);
    strbuf_clear(&stream->part);
    return ok;
}

static bool take_output(const char *text, size_t len, bool is_stderr, void *user,
                        struct err *err)
{
    struct output *output = user;
    struct output_stream *stream = is_stderr ? &output->errors : &output->out;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r')
            continue;
        if (text[i] == '\n') {
            if (!take_line(output, stream, err))
                return false;
        } else if (stream->part.len < OUTPUT_LINE_MAX) {
            strbuf_putc(&stream->part, text[i]);
        }
    }
    return true;
}

/* What ended without the end of a line. */
static bool take_rest(struct output *output, struct err *err)
{
    return (output->out.part.len == 0 || take_line(output, &output->out, err)) &&
           (output->errors.part.len == 0 || take_line(output, &output->errors, err));
}

/* Runs @line as @run wants it.  *ret_said: the last thing it said, errors first. */
static bool run_line(const struct shell_run *run, const char *line, uint32_t *ret_exit_code,
                     char ret_said[SAID_MAX], struct err *err)
{
    struct output output = { .run = run };
    const struct shell_command command = { .line = line,
                                           .timeout_ms = run->timeout_ms,
                                           .reads_only = run->reads_only,
                                           .on_output = take_output,
                                           .user = &output };
    bool ok =
        cim_run(run->session, &command, ret_exit_code, err) && take_rest(&output, err);

    snprintf(ret_said, SAID_MAX, "%s",
             *output.errors.last ? output.errors.last : output.out.last);
    strbuf_free(&output.out.part);
    strbuf_free(&output.errors.part);
    return ok;
}

bool shell_run(const struct shell_run *run, uint32_t most, struct err *err,
               const char *format, ...)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    uint32_t exit_code = 0;
    char said[SAID_MAX];
    va_list args;
    bool ok;

    va_start(args, format);
    ok = build(&line, err, format, args);
    va_end(args);
    if (!ok || !run_line(run, line.text, &exit_code, said, err))
        return false;
    return exit_code <= most ||
           err_fail(err, ERR_REFUSED, exit_code, "'%.*s' on the host ended with %u%s%s",
                    (int)strcspn(line.text, " "), line.text, exit_code, *said ? ": " : "",
                    said);
}

/* ---- reading what they print ---- */

/* "2021/05/04 10:11:12"; the form does not follow the host's language. */
static bool parse_time(const char *text, int64_t *ret_usec)
{
    unsigned year, month, day, hour, minute, second;
    char iso[32];
    struct cim_datetime t;
    struct err ignored = ERR_INIT;
    int used = 0;

    if (sscanf(text, "%4u/%2u/%2u %2u:%2u:%2u%n", &year, &month, &day, &hour, &minute,
               &second, &used) != 6 ||
        used != 19)
        return false;
    snprintf(iso, sizeof(iso), "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month, day, hour,
             minute, second);
    if (!cim_datetime_parse(iso, &t, &ignored))
        return false;
    *ret_usec = t.usec;
    return true;
}

bool shell_parse_file(const char *line, struct shell_file *ret)
{
    const char *at = line + strspn(line, " \t");
    size_t digits = strspn(at, "0123456789");
    CLEANUP(free_cleanup) char *number = digits ? text_ndup(at, digits) : NULL;
    struct shell_file file = { 0 };

    if (!number || !text_to_u64(number, 10, &file.size))
        return false;
    at += digits;
    if (*at != ' ' && *at != '\t')
        return false;
    at += strspn(at, " \t");
    if (parse_time(at, &file.mtime_usec)) {
        at += 19;
        at += strspn(at, " \t");
    }
    if (!win_path_is_absolute(at))
        return false;
    file.path = at;
    *ret = file;
    return true;
}

/* ---- one file ---- */

static bool stat_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct shell_stat *found = user;
    const char *version = cim_get_text(row, "Version");
    const char *company = cim_get_text(row, "Manufacturer");
    struct cim_datetime modified;
    bool writeable = true;
    unsigned part[4];

    found->exists = true;
    cim_get_bool(row, "Writeable", &writeable);
    found->readonly = !writeable;
    cim_get_bool(row, "Hidden", &found->hidden);
    cim_get_bool(row, "System", &found->system);
    cim_get_bool(row, "Archive", &found->archive);
    cim_get_u64(row, "FileSize", &found->size);
    if (cim_get_datetime(row, "LastModified", &modified))
        found->mtime_usec = modified.usec;
    snprintf(found->company, sizeof(found->company), "%s", company ? company : "");
    if (version &&
        sscanf(version, "%5u.%5u.%5u.%5u", &part[0], &part[1], &part[2], &part[3]) == 4) {
        found->has_version = true;
        for (size_t i = 0; i < 4; i++)
            found->version = found->version << 16 | (part[i] & 0xffff);
    }
    return true;
}

static bool find_named(struct cim_session *session, const char *class_name,
                       const char *path, struct shell_stat *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf wql = STRBUF_INIT;

    *ret = (struct shell_stat){ 0 };
    strbuf_printf(&wql, "SELECT * FROM %s WHERE Name='", class_name);
    for (const char *p = path; *p; p++) {
        if (*p == '\\' || *p == '\'')
            strbuf_putc(&wql, '\\');
        strbuf_putc(&wql, *p);
    }
    strbuf_puts(&wql, "'");
    if (wql.failed)
        return err_no_memory(err);
    return cim_query(session, "root/cimv2", wql.text, stat_row, ret, err);
}

/* What it is more likely to be by its name: a package's folder is called
 * "x.inf_amd64_0123456789abcdef". */
static bool looks_like_folder(const char *path)
{
    const char *dot = strrchr(win_path_base(path), '.');

    return !dot || strlen(dot) > strlen(".hvgpu-back");
}

bool shell_stat(struct cim_session *session, const char *path, struct shell_stat *ret,
                struct err *err)
{
    bool folder = looks_like_folder(path);

    for (unsigned i = 0; i < 2; i++, folder = !folder) {
        if (!find_named(session, folder ? "Win32_Directory" : "CIM_DataFile", path, ret,
                        err))
            return false;
        if (ret->exists)
            break;
    }
    ret->is_dir = ret->exists && folder;
    return true;
}

bool shell_has_folder(struct cim_session *session, const char *path, bool *ret,
                      struct err *err)
{
    struct shell_stat there;

    if (!find_named(session, "Win32_Directory", path, &there, err))
        return false;
    *ret = there.exists;
    return true;
}

/* ---- a file's text ---- */

struct reading {
    struct strbuf text;
    size_t max;
};

static bool read_line(const char *line, void *user, struct err *err)
{
    struct reading *reading = user;

    if (reading->text.len + strlen(line) + 1 > reading->max)
        return err_fail(err, ERR_INVALID, 0, "the file has more than %zu bytes",
                        reading->max);
    strbuf_puts(&reading->text, line);
    strbuf_putc(&reading->text, '\n');
    return true;
}

/* What `type` refuses, without reading its words. */
static bool why_unread(struct cim_session *session, const char *path, struct err *err)
{
    struct err why = *err;
    struct shell_stat there;

    if (why.kind == ERR_REFUSED) {
        *err = ERR_INIT;
        if (!shell_stat(session, path, &there, err))
            return false;
        if (!there.exists)
            return err_fail(err, ERR_NOT_FOUND, 0, "no file '%s' on the host", path);
        *err = why;
    }
    return err_wrap(err, "reading '%s' on the host", path);
}

/* `type` gives texts in the shell's code page, UTF-8. */
bool shell_read_text(struct cim_session *session, const char *path, size_t max, char **ret,
                     size_t *ret_len, struct err *err)
{
    struct reading reading = { .max = max };
    struct shell_run run = {
        .session = session, .reads_only = true, .on_line = read_line, .user = &reading
    };
    bool ok = shell_run(&run, 0, err, "type %p", path);

    *ret_len = reading.text.len;
    *ret = ok ? strbuf_take(&reading.text) : NULL;
    strbuf_free(&reading.text);
    if (!ok)
        return why_unread(session, path, err);
    return *ret || err_no_memory(err);
}

/* ---- listing ---- */

struct listing {
    const char *folder;
    unsigned levels;
    struct source_file *files;
    size_t count;
};

static bool list_line(const char *line, void *user, struct err *err)
{
    struct listing *listing = user;
    struct shell_file file;
    const char *below;

    if (!*line || !shell_parse_file(line, &file))
        return true;
    below = win_path_below(file.path, listing->folder);
    if (!below)
        return err_fail(err, ERR_PROTOCOL, 0, "the host listed '%s' below '%s'", file.path,
                        listing->folder);
    if (listing->levels) {
        unsigned level = 1;

        for (const char *p = below; *p; p++)
            level += *p == '\\';
        if (level > listing->levels)
            return true;
    }
    return source_files_add(&listing->files, &listing->count, text_dup(below), file.size,
                            file.mtime_usec, err);
}

/* A listing that robocopy refuses: of a folder that is not there it is none. */
static bool judge_refusal(struct cim_session *session, struct listing *listing,
                          struct err *err)
{
    struct err why = *err;
    bool there;

    source_files_free(TAKE(listing->files), listing->count);
    listing->count = 0;
    *err = ERR_INIT;
    if (why.kind == ERR_REFUSED) {
        if (!shell_has_folder(session, listing->folder, &there, err))
            return false;
        if (!there)
            return true;
    }
    *err = why;
    return err_wrap(err, "listing '%s' on the host", listing->folder);
}

bool shell_list(struct cim_session *session, const char *folder, const char *pattern,
                unsigned levels, bool *ret_found, struct source_file **ret_files,
                size_t *ret_count, struct err *err)
{
    struct listing listing = { .folder = folder, .levels = levels };
    struct shell_run run = { .session = session,
                             .reads_only = true,
                             .timeout_ms = LONG_MS,
                             .on_line = list_line,
                             .user = &listing };
    CLEANUP(free_cleanup) char *nowhere = text_printf("%s\\hvgpu-nowhere", folder);

    *ret_found = false;
    *ret_files = NULL;
    *ret_count = 0;
    if (!nowhere)
        return err_no_memory(err);
    /* /L only lists; the folder it would copy to does not exist and is not made. */
    *ret_found = levels == 1 ? shell_run(&run, ROBOCOPY_OK, err,
                                         "robocopy %p %p %p /L /TS " ROBOCOPY_QUIET, folder,
                                         nowhere, pattern)
                             : shell_run(&run, ROBOCOPY_OK, err,
                                         "robocopy %p %p %p /L /S /TS " ROBOCOPY_QUIET,
                                         folder, nowhere, pattern);
    if (!*ret_found)
        return judge_refusal(session, &listing, err);
    source_files_sort(listing.files, listing.count);
    *ret_files = listing.files;
    *ret_count = listing.count;
    return true;
}

enum { NAMES_MAX = 64 };

/* The names that a line has room for, from *@at on. */
static bool list_some(const struct shell_run *run, const char *folder, const char *nowhere,
                      const char *const *names, size_t count, size_t *at, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

    strbuf_puts(&line, "robocopy ");
    if (!shell_quote(&line, folder, err))
        return false;
    strbuf_putc(&line, ' ');
    if (!shell_quote(&line, nowhere, err))
        return false;
    for (size_t first = *at; *at < count && *at - first < NAMES_MAX &&
                             (*at == first || line.len < SHELL_LINE_MAX - 700);
         (*at)++) {
        strbuf_putc(&line, ' ');
        if (!shell_quote(&line, names[*at], err))
            return false;
    }
    strbuf_puts(&line, " /L /TS " ROBOCOPY_QUIET);
    /* What is quoted has no percent sign: the text is its own format. */
    return line.failed ? err_no_memory(err) : shell_run(run, ROBOCOPY_OK, err, line.text);
}

bool shell_list_named(struct cim_session *session, const char *folder,
                      const char *const *names, size_t name_count,
                      struct source_file **ret_files, size_t *ret_count, struct err *err)
{
    struct listing listing = { .folder = folder, .levels = 1 };
    struct shell_run run = { .session = session,
                             .reads_only = true,
                             .timeout_ms = LONG_MS,
                             .on_line = list_line,
                             .user = &listing };
    CLEANUP(free_cleanup) char *nowhere = text_printf("%s\\hvgpu-nowhere", folder);

    *ret_files = NULL;
    *ret_count = 0;
    if (!nowhere)
        return err_no_memory(err);
    for (size_t at = 0; at < name_count;)
        if (!list_some(&run, folder, nowhere, names, name_count, &at, err))
            return judge_refusal(session, &listing, err);
    *ret_files = listing.files;
    *ret_count = listing.count;
    return true;
}

/* ---- hashes ---- */

/* The line of certutil that is a hash: 64 hex digits, on older Windows in pairs. */
static bool parse_hash(const char *line, char ret[65])
{
    size_t len = 0;

    for (; *line; line++) {
        if (*line == ' ')
            continue;
        if (len >= 64 || !strchr("0123456789abcdefABCDEF", *line))
            return false;
        ret[len++] = *line;
    }
    ret[len] = '\0';
    text_lower(ret);
    return len == 64;
}

static bool hash_line(const char *line, void *user, struct err *err)
{
    char *found = user, hash[65];

    if (parse_hash(line, hash))
        memcpy(found, hash, sizeof(hash));
    return true;
}

bool shell_hash(struct cim_session *session, const char *path, char ret[65],
                struct err *err)
{
    struct shell_run run = { .session = session,
                             .reads_only = true,
                             .timeout_ms = LONG_MS,
                             .on_line = hash_line,
                             .user = ret };

    ret[0] = '\0';
    if (!shell_run(&run, 0, err, "certutil -hashfile %p SHA256", path))
        return err_wrap(err, "reading '%s' on the host", path);
    return ret[0] || err_fail(err, ERR_PROTOCOL, 0, "the host told no hash of '%s'", path);
}

bool shell_copy_file(struct cim_session *session, const char *from, const char *to,
                     char ret_sha256[65], struct err *err)
{
    struct shell_run run = {
        .session = session, .timeout_ms = LONG_MS, .on_line = hash_line, .user = ret_sha256
    };
    struct err why = ERR_INIT;
    struct shell_stat there;

    ret_sha256[0] = '\0';
    if (shell_run(&run, 0, &why,
                  "copy /b /y %p %p&&attrib +r %p&&certutil -hashfile %p SHA256", from, to,
                  to, to) &&
        ret_sha256[0])
        return true;
    /* certutil of older Windows refuses what is empty. */
    if (why.kind == ERR_REFUSED || why.kind == ERR_NONE) {
        if (!shell_stat(session, to, &there, err))
            return false;
        if (there.exists && there.readonly && there.size == 0) {
            memcpy(ret_sha256, EMPTY_SHA256, sizeof(EMPTY_SHA256));
            return true;
        }
    }
    *err = why;
    if (err->kind == ERR_NONE)
        err_fail(err, ERR_PROTOCOL, 0, "the host told no hash of '%s'", to);
    return err_wrap(err, "copying '%s' on the host", from);
}

struct hashing {
    struct source_file *const *batch; /* in the order of the command line */
    size_t batch_count, told;
    struct progress *progress;
    const char *what;
    uint64_t done, total;
};

static bool batch_line(const char *line, void *user, struct err *err)
{
    struct hashing *hashing = user;
    char hash[65];

    if (!parse_hash(line, hash))
        return true;
    if (hashing->told == hashing->batch_count)
        return err_fail(err, ERR_PROTOCOL, 0, "the host told more hashes than asked for");
    memcpy(hashing->batch[hashing->told]->sha256, hash, sizeof(hash));
    hashing->done += hashing->batch[hashing->told++]->size;
    return progress_report(hashing->progress, hashing->what, PROGRESS_BYTES, hashing->done,
                           hashing->total, err);
}

/* One command line for several files.  Each gives one hash or none; with none of one it
 * is not known whose are the others, so all count only when all are there. */
static bool hash_batch(struct cim_session *session, const char *line,
                       struct hashing *hashing, struct err *err)
{
    const struct shell_run run = { .session = session,
                                   .reads_only = true,
                                   .timeout_ms = LONG_MS,
                                   .on_line = batch_line,
                                   .user = hashing };
    uint32_t exit_code;
    char said[SAID_MAX];

    hashing->told = 0;
    if (!run_line(&run, line, &exit_code, said, err))
        return false;
    return hashing->told == hashing->batch_count ||
           err_fail(err, ERR_REFUSED, exit_code, "%zu of %zu files cannot be read%s%s",
                    hashing->batch_count - hashing->told, hashing->batch_count,
                    *said ? ": " : "", said);
}

/* What the tool says of a batch does not tell which file it was; one by one it does, and what
 * has passed in the meantime is forgotten. */
static bool hash_singly(struct cim_session *session, const char *folder,
                        const struct hashing *hashing, struct err *err)
{
    *err = ERR_INIT;
    for (size_t i = 0; i < hashing->batch_count; i++) {
        struct source_file *file = hashing->batch[i];
        CLEANUP(free_cleanup)
        char *path = folder ? win_path_join(folder, file->path) : text_dup(file->path);

        if (!path)
            return err_no_memory(err);
        if (!shell_hash(session, path, file->sha256, err))
            return false;
    }
    return true;
}

enum { BATCH_MAX = 100 };

bool shell_hash_files(struct cim_session *session, const char *folder,
                      struct source_file *files, size_t count, struct progress *progress,
                      const char *what, struct err *err)
{
    struct source_file *batch[BATCH_MAX];
    struct hashing hashing = { .batch = batch, .progress = progress, .what = what };
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

    for (size_t i = 0; i < count; i++)
        hashing.total += files[i].size;
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_cleanup)
        char *path =
            folder ? win_path_join(folder, files[i].path) : text_dup(files[i].path);
        bool last = i + 1 == count;

        if (!path)
            return err_no_memory(err);
        if (files[i].size == 0) { /* certutil of older Windows refuses these */
            snprintf(files[i].sha256, sizeof(files[i].sha256), "%s", EMPTY_SHA256);
        } else {
            strbuf_puts(&line, line.len ? "&certutil -hashfile " : "certutil -hashfile ");
            if (!shell_quote(&line, path, err))
                return false;
            strbuf_puts(&line, " SHA256");
            batch[hashing.batch_count++] = &files[i];
        }
        if (line.failed)
            return err_no_memory(err);
        if (hashing.batch_count > 0 &&
            (last || hashing.batch_count == BATCH_MAX || line.len > SHELL_LINE_MAX - 600)) {
            if (!hash_batch(session, line.text, &hashing, err) &&
                !(err->kind == ERR_REFUSED && hash_singly(session, folder, &hashing, err)))
                return err_wrap(err, "reading '%s'%s on the host",
                                folder ? folder : batch[0]->path,
                                folder || hashing.batch_count == 1 ? "" : " and others");
            strbuf_clear(&line);
            hashing.batch_count = 0;
        }
    }
    return true;
}

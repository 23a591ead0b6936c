/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both halves of reading hives in a confined child: requests and answers are small JSON
 * documents, values travel as in the manifest.
 */

#include "hive-reader.h"

#include <jansson.h>
#include <string.h>

#include "manifest.h"
#include "os.h"
#include "replayed-hive.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"

enum { TIMEOUT_MS = 2 * 60 * 1000, CPU_SECONDS = 300 };
#define MEMORY_BYTES (2ull << 30)

static const char *const hive_names[] = { "SYSTEM", "SOFTWARE", "DRIVERS" };

/* In the child: the bytes as read before the door closed, and the hive made of them. */
struct opened {
    char *bytes[3]; /* the hive, its two logs */
    size_t len[3];
    struct hive *hive;
    bool was_dirty, is_unfinished;
};

struct hive_reader {
    struct sandbox *sandbox;
    char *paths[HIVE_WHICH_COUNT];
    char *folder; /* of SYSTEM */
    const char *read_dirs[2];
    char *control_set;
    bool takes_unfinished;
    bool was_dirty[HIVE_WHICH_COUNT], is_unfinished[HIVE_WHICH_COUNT];
    struct opened opened[HIVE_WHICH_COUNT]; /* in the child only */
};

/* ---- the child's half ---- */

struct log_search {
    const char *wanted;
    char *found;
};

static bool match_log(const struct os_entry *entry, void *user, struct err *err)
{
    struct log_search *search = user;

    if (search->found || entry->is_dir || entry->is_special ||
        !text_ieq(entry->name, search->wanted))
        return true;
    search->found = text_dup(entry->name);
    return search->found || err_no_memory(err);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? text_ndup(path, (size_t)(slash - path) + 1) : text_dup("./");
}

/* "SYSTEM.LOG1" beside "SYSTEM", however it is spelt; none is fine. */
static bool read_log(const char *path, const char *suffix, char **ret, size_t *ret_len,
                     struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    CLEANUP(free_cleanup) char *folder = folder_of(path);
    CLEANUP(free_cleanup) char *wanted = text_printf("%s%s", base, suffix);
    CLEANUP(free_cleanup) char *full = NULL;
    struct log_search search = { .wanted = wanted };

    if (!folder || !wanted)
        return err_no_memory(err);
    if (!os_list_dir(folder, match_log, &search, err)) {
        free(search.found);
        return false;
    }
    if (!search.found)
        return true;
    full = text_printf("%s%s", folder, search.found);
    free(search.found);
    if (!full)
        return err_no_memory(err);
    *ret = os_read_file(full, HIVE_LOG_MAX, ret_len, err);
    return *ret != NULL;
}

static bool child_open(void *user, struct err *err)
{
    struct hive_reader *reader = user;

    json_object_seed(0); /* reads a device, which is not allowed later */
    if (!hive_prepare())
        return err_fail(err, ERR_SYSTEM, 0, "this system cannot convert registry names");
    for (int i = 0; i < HIVE_WHICH_COUNT; i++) {
        struct opened *one = &reader->opened[i];
        const char *path = reader->paths[i];

        if (!path)
            continue;
        one->bytes[0] = os_read_file(path, HIVE_FILE_MAX, &one->len[0], err);
        if (!one->bytes[0] || !read_log(path, ".LOG1", &one->bytes[1], &one->len[1], err) ||
            !read_log(path, ".LOG2", &one->bytes[2], &one->len[2], err))
            return false;
    }
    return true;
}

static void child_close(void *user)
{
    struct hive_reader *reader = user;

    for (int i = 0; i < HIVE_WHICH_COUNT; i++) {
        hive_close(reader->opened[i].hive);
        for (int k = 0; k < 3; k++)
            free(reader->opened[i].bytes[k]);
    }
}

/* As it stands, when it is dirty and nothing is there to make it whole; *ret NULL: else. */
static bool open_unfinished(struct opened *one, struct hive **ret, struct err *err)
{
    *ret = NULL;
    if (one->len[1] || one->len[2])
        return true;
    *ret = hive_open(one->bytes[0], one->len[0], false, err);
    if (!*ret)
        return false;
    one->is_unfinished = hive_is_dirty(*ret);
    return true;
}

/* Parsed when first asked for; *ret NULL: there is no such hive. */
static bool need(struct hive_reader *reader, int which, struct hive **ret, struct err *err)
{
    struct opened *one = &reader->opened[which];

    if (one->bytes[0] && !one->hive && reader->takes_unfinished &&
        !open_unfinished(one, &one->hive, err))
        return err_wrap(err, "hive '%s'", reader->paths[which]);
    if (one->bytes[0] && !one->hive) {
        one->hive = hive_open_replayed(
            (uint8_t *)one->bytes[0], one->len[0], (uint8_t *)one->bytes[1], one->len[1],
            (uint8_t *)one->bytes[2], one->len[2], false, &one->was_dirty, err);
        if (!one->hive)
            return err_wrap(err, "hive '%s'", reader->paths[which]);
    }
    *ret = one->hive;
    return true;
}

static bool serve_get(struct hive *hive, const char *key, const char *name, json_t *out,
                      struct err *err)
{
    struct hive_value value = { 0 };
    json_t *json;

    if (!hive_get(hive, key, name, &value, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        *err = ERR_INIT;
        return true;
    }
    json = manifest_value_to_json(&value);
    hive_value_clear(&value);
    return json_object_set_new(out, "value", json) == 0 || err_no_memory(err);
}

static bool serve_list(struct hive *hive, const char *key, bool values, json_t *out,
                       struct err *err)
{
    json_t *array = json_array();
    char **names = NULL;
    size_t count = 0;
    bool ok = true;

    if (hive_has_key(hive, key))
        ok = values ? hive_list_values(hive, key, &names, &count, err)
                    : hive_list_keys(hive, key, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        json_array_append_new(array,
                              json_string(names[i])); /* not those that are no text */
    hive_texts_free(names, count);
    return (json_object_set_new(out, "names", array) == 0 || err_no_memory(err)) && ok;
}

/* All hives are opened, so that a damaged one is told at once. */
static bool serve_start(struct hive_reader *reader, json_t *out, struct err *err)
{
    CLEANUP(free_cleanup) char *control_set = NULL;
    json_t *dirty = json_array(), *unfinished = json_array();
    struct hive *hive = NULL;
    bool ok = true;

    for (int i = 0; ok && i < HIVE_WHICH_COUNT; i++) {
        ok = need(reader, i, &hive, err);
        json_array_append_new(dirty, json_boolean(reader->opened[i].was_dirty));
        json_array_append_new(unfinished, json_boolean(reader->opened[i].is_unfinished));
    }
    if (ok)
        control_set = hive_current_control_set(reader->opened[HIVE_OF_SYSTEM].hive, err);
    json_object_set_new(out, "dirty", dirty);
    json_object_set_new(out, "unfinished", unfinished);
    return control_set &&
           (json_object_set_new(out, "control_set", json_string(control_set)) == 0 ||
            err_no_memory(err));
}

static bool serve_json(struct hive_reader *reader, const json_t *in, json_t *out,
                       struct err *err)
{
    json_int_t which = json_integer_value(json_object_get(in, "hive"));
    const char *key = json_string_value(json_object_get(in, "key"));
    const char *name = json_string_value(json_object_get(in, "name"));
    struct hive *hive = NULL;

    if (!key)
        return serve_start(reader, out, err);
    if (which < 0 || which >= HIVE_WHICH_COUNT)
        return err_fail(err, ERR_INVALID, 0, "no such hive");
    if (!need(reader, (int)which, &hive, err))
        return false;
    if (!hive)
        return true;
    return name ? serve_get(hive, key, name, out, err)
                : serve_list(hive, key, json_is_true(json_object_get(in, "values")), out,
                             err);
}

static bool child_serve(void *user, const void *request, size_t len,
                        struct progress *progress, struct strbuf *answer, struct err *err)
{
    json_t *in = json_loadb(request, len, 0, NULL), *out = json_object();
    CLEANUP(free_cleanup) char *text = NULL;
    bool ok = in && out ? serve_json(user, in, out, err) : err_no_memory(err);

    if (ok) {
        text = json_dumps(out, JSON_COMPACT);
        ok = text ? true : err_no_memory(err);
    }
    if (ok)
        strbuf_puts(answer, text);
    json_decref(in);
    json_decref(out);
    return ok;
}

static void pack(const void *user, struct strbuf *to)
{
    const struct hive_reader *reader = user;

    for (int i = 0; i < HIVE_WHICH_COUNT; i++)
        sandbox_pack_text(to, reader->paths[i]);
    sandbox_pack_text(to, reader->takes_unfinished ? "unfinished too" : NULL);
}

static void *unpack(struct sandbox_packed *from)
{
    struct hive_reader *reader = calloc(1, sizeof(*reader));
    char *unfinished = NULL;

    for (int i = 0; reader && i < HIVE_WHICH_COUNT; i++)
        if (!sandbox_unpack_text(from, &reader->paths[i]))
            return NULL;
    if (!reader || !sandbox_unpack_text(from, &unfinished))
        return NULL;
    reader->takes_unfinished = unfinished;
    free(unfinished);
    return reader;
}

static const struct sandbox_job hives_job = { .name = "hives",
                                              .open = child_open,
                                              .serve = child_serve,
                                              .close = child_close,
                                              .pack = pack,
                                              .unpack = unpack };
SANDBOX_JOB(hives_job)

/* ---- the parent's half ---- */

/* Takes @in over. */
static bool ask(struct hive_reader *reader, json_t *in, json_t **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *text = in ? json_dumps(in, JSON_COMPACT) : NULL;
    CLEANUP(free_cleanup) char *answer = NULL;
    size_t len;

    json_decref(in);
    if (!text)
        return err_fail(err, ERR_INVALID, 0, "a registry name that is no text");
    if (!sandbox_call(reader->sandbox, text, strlen(text), TIMEOUT_MS, NULL, &answer, &len,
                      err))
        return false;
    *ret = json_loadb(answer, len, 0, NULL);
    if (json_is_object(*ret))
        return true;
    json_decref(*ret);
    *ret = NULL;
    return err_fail(err, ERR_PROTOCOL, 0, "the reader of hives answered nonsense");
}

static bool begin(struct hive_reader *reader, struct err *err)
{
    const json_t *dirty, *unfinished;
    const char *control_set;
    json_t *out = NULL;
    bool ok = ask(reader, json_object(), &out, err);

    if (ok) {
        control_set = json_string_value(json_object_get(out, "control_set"));
        dirty = json_object_get(out, "dirty");
        unfinished = json_object_get(out, "unfinished");
        for (size_t i = 0; i < HIVE_WHICH_COUNT; i++) {
            reader->was_dirty[i] = json_is_true(json_array_get(dirty, i));
            reader->is_unfinished[i] = json_is_true(json_array_get(unfinished, i));
        }
        reader->control_set = text_dup(control_set ? control_set : "");
        ok = reader->control_set || err_no_memory(err);
    }
    json_decref(out);
    return ok;
}

struct hive_reader *hive_reader_start(const char *const paths[HIVE_WHICH_COUNT],
                                      bool takes_unfinished, struct err *err)
{
    CLEANUP(hive_reader_cleanup) struct hive_reader *reader = calloc(1, sizeof(*reader));
    struct sandbox_options options = {
        .what = "reading registry hives",
        .job = &hives_job,
        .user = reader,
        .memory_bytes = MEMORY_BYTES,
        .cpu_seconds = CPU_SECONDS,
    };

    if (!reader) {
        err_no_memory(err);
        return NULL;
    }
    reader->takes_unfinished = takes_unfinished;
    for (int i = 0; i < HIVE_WHICH_COUNT; i++) {
        if (!paths[i])
            continue;
        reader->paths[i] = text_dup(paths[i]);
        if (!reader->paths[i]) {
            err_no_memory(err);
            return NULL;
        }
    }
    if (!reader->paths[HIVE_OF_SYSTEM]) {
        err_fail(err, ERR_INVALID, 0, "no SYSTEM hive");
        return NULL;
    }
    reader->folder = folder_of(reader->paths[HIVE_OF_SYSTEM]);
    if (!reader->folder) {
        err_no_memory(err);
        return NULL;
    }
    /* hivex opens what it reads by name, also what is in memory only. */
    reader->read_dirs[0] = reader->folder;
    options.read_dirs = reader->read_dirs;
    reader->sandbox = sandbox_start(&options, err);
    return reader->sandbox && begin(reader, err) ? TAKE(reader) : NULL;
}

void hive_reader_stop(struct hive_reader *reader)
{
    if (!reader)
        return;
    sandbox_stop(reader->sandbox);
    for (int i = 0; i < HIVE_WHICH_COUNT; i++)
        free(reader->paths[i]);
    free(reader->folder);
    free(reader->control_set);
    free(reader);
}

const char *hive_reader_control_set(const struct hive_reader *reader)
{
    return reader->control_set;
}

bool hive_reader_has(const struct hive_reader *reader, enum hive_which which)
{
    return reader->paths[which] != NULL;
}

bool hive_reader_was_dirty(const struct hive_reader *reader, enum hive_which which)
{
    return reader->was_dirty[which];
}

bool hive_reader_is_unfinished(const struct hive_reader *reader, enum hive_which which)
{
    return reader->is_unfinished[which];
}

bool hive_reader_get(struct hive_reader *reader, enum hive_which which, const char *key,
                     const char *name, bool *ret_exists, struct hive_value *ret,
                     struct err *err)
{
    const json_t *value;
    json_t *out = NULL;
    bool ok;

    *ret_exists = false;
    if (!ask(reader,
             json_pack("{s:i, s:s, s:s}", "hive", (int)which, "key", key, "name", name),
             &out, err))
        return err_wrap(err, "hive %s", hive_names[which]);
    value = json_object_get(out, "value");
    ok = !value || manifest_value_from_json(value, ret) ||
         err_fail(err, ERR_PROTOCOL, 0, "the reader of hives answered nonsense");
    *ret_exists = value && ok;
    json_decref(out);
    return ok;
}

bool hive_reader_list(struct hive_reader *reader, enum hive_which which, const char *key,
                      bool values, char ***ret_names, size_t *ret_count, struct err *err)
{
    const json_t *names;
    json_t *out = NULL;
    bool ok = true;
    size_t count;

    if (!ask(reader,
             json_pack("{s:i, s:s, s:b}", "hive", (int)which, "key", key, "values", values),
             &out, err))
        return err_wrap(err, "hive %s", hive_names[which]);
    names = json_object_get(out, "names");
    count = json_array_size(names);
    *ret_count = 0;
    *ret_names = calloc(count + 1, sizeof(**ret_names));
    for (size_t i = 0; ok && *ret_names && i < count; i++) {
        (*ret_names)[i] = text_dup(json_string_value(json_array_get(names, i)));
        ok = (*ret_names)[i] != NULL;
        *ret_count += ok;
    }
    json_decref(out);
    if (*ret_names && ok)
        return true;
    hive_texts_free(*ret_names, *ret_count);
    return err_no_memory(err);
}

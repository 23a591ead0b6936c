/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session that answers from a recording.  Equal requests get their answers in the order
 * of the recording, each once; a request that was not recorded fails.
 */

#include <stdlib.h>
#include <string.h>

#include "cim-json.h"
#include "err.h"
#include "os.h"
#include "record-file.h"
#include "session.h"

enum { REPLAY_MAX = 256 << 20 };

struct replay_session {
    struct cim_session base;
    json_t *entries; /* array; a used one becomes null */
    bool repeats;
};

/* The parameters of a method without what who sends them may choose: which class they are said
 * to be of, their order, whether what is not given is there as null.  New. */
static json_t *bare_parameters(const json_t *in)
{
    json_t *bare = json_object();
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(in, "properties"), i,
                       p) if (!json_is_null(json_object_get(p, "value")))
        json_object_set(bare, json_string_value(json_object_get(p, "name")),
                        json_object_get(p, "value"));
    return bare;
}

static bool is_same_call(const json_t *a, const json_t *b)
{
    json_t *in_a = bare_parameters(json_object_get(a, "in"));
    json_t *in_b = bare_parameters(json_object_get(b, "in"));
    bool same = json_equal(json_object_get(a, "path"), json_object_get(b, "path")) &&
                json_equal(json_object_get(a, "method"), json_object_get(b, "method")) &&
                json_equal(in_a, in_b);

    json_decref(in_a);
    json_decref(in_b);
    return same;
}

static bool is_invoke(const json_t *request)
{
    const char *op = json_string_value(json_object_get(request, "op"));

    return op && strcmp(op, "invoke") == 0;
}

static bool answers(const struct replay_session *r, const json_t *recorded,
                    const json_t *request)
{
    return json_equal(recorded, request) ||
           (r->repeats && is_invoke(recorded) && is_invoke(request) &&
            is_same_call(recorded, request));
}

/* The entry for @request that is the next, or, where they repeat, the last one. */
static json_t *find_entry(struct replay_session *r, const json_t *request)
{
    json_t *last = NULL, *entry;
    size_t i;

    json_array_foreach(r->entries, i, entry)
    {
        if (!answers(r, json_object_get(entry, "request"), request))
            continue;
        if (!json_object_get(entry, "used"))
            return entry;
        last = entry;
    }
    return r->repeats ? last : NULL;
}

/* Takes @request.  The entry that answers it, lent until the session ends, or NULL. */
static const json_t *find(struct replay_session *r, json_t *request, struct err *err)
{
    const json_t *answer = NULL;
    json_t *entry;
    bool failed = false;

    if (!request)
        return NULL;
    entry = find_entry(r, request);
    if (entry) {
        json_object_set_new(entry, "used", json_true());
        answer = json_object_get(entry, "answer");
        if (!answer) {
            failed = true;
            cim_error_from_json(json_object_get(entry, "error"), err);
        }
    }
    if (!answer && !failed)
        err_fail(err, ERR_NOT_FOUND, 0, "the recording holds no %sanswer to this request",
                 json_array_size(r->entries) && !r->repeats ? "further " : "");
    json_decref(request);
    return answer;
}

void cim_replay_repeat(struct cim_session *replay)
{
    ((struct replay_session *)replay)->repeats = true;
}

static bool replay_query(struct cim_session *self, const char *ns, const char *wql,
                         cim_row_fn *on_row, void *user, struct err *err)
{
    const json_t *answer =
        find((struct replay_session *)self, record_query(ns, wql, err), err);
    const json_t *rows = json_object_get(answer, "rows");

    if (!answer)
        return false;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *row = cim_instance_from_json(json_array_get(rows, i), err);

        if (!row || !on_row(row, user, err))
            return false;
    }
    return true;
}

static bool replay_get(struct cim_session *self, const struct cim_path *path,
                       struct cim_instance **ret, struct err *err)
{
    const json_t *answer = find((struct replay_session *)self, record_get(path, err), err);
    struct cim_instance *instance = answer ? cim_instance_from_json(answer, err) : NULL;

    if (!instance)
        return false;
    *ret = instance;
    return true;
}

static bool replay_put(struct cim_session *self, const struct cim_path *path,
                       const struct cim_instance *changes, struct err *err)
{
    return find((struct replay_session *)self, record_put(path, changes, err), err) != NULL;
}

static bool replay_invoke(struct cim_session *self, const struct cim_path *path,
                          const char *method, const struct cim_instance *in,
                          struct cim_instance **ret_out, struct err *err)
{
    const json_t *answer =
        find((struct replay_session *)self, record_invoke(path, method, in, err), err);
    struct cim_instance *out = answer ? cim_instance_from_json(answer, err) : NULL;

    if (!out)
        return false;
    *ret_out = out;
    return true;
}

static bool replay_piece(const struct shell_command *command, const json_t *piece,
                         struct err *err)
{
    const char *stream = json_string_value(json_object_get(piece, "stream"));
    const json_t *text = json_object_get(piece, "text");
    const char *hex = json_string_value(json_object_get(piece, "hex"));
    CLEANUP(free_cleanup) char *bytes = NULL;
    size_t len = hex ? strlen(hex) / 2 : 0;
    bool is_stderr = stream && strcmp(stream, "stderr") == 0;

    if (!command->on_output)
        return true;
    if (json_is_string(text))
        return command->on_output(json_string_value(text), json_string_length(text),
                                  is_stderr, command->user, err);
    bytes = malloc(len + 1);
    if (!bytes)
        return err_no_memory(err);
    for (size_t i = 0; i < len; i++) {
        char pair[3] = { hex[i * 2], hex[i * 2 + 1], 0 };

        bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    return command->on_output(bytes, len, is_stderr, command->user, err);
}

static bool replay_run(struct cim_session *self, const struct shell_command *command,
                       uint32_t *ret_exit_code, struct err *err)
{
    const json_t *answer =
        find((struct replay_session *)self, record_run(command, err), err);
    const json_t *output = json_object_get(answer, "output");

    if (!answer)
        return false;
    for (size_t i = 0; i < json_array_size(output); i++)
        if (!replay_piece(command, json_array_get(output, i), err))
            return false;
    *ret_exit_code = (uint32_t)json_integer_value(json_object_get(answer, "exit_code"));
    return true;
}

static void replay_release(struct cim_session *self)
{
    struct replay_session *r = (struct replay_session *)self;

    json_decref(r->entries);
    free(r);
}

static const struct cim_session_ops replay_ops = {
    .name = "replay",
    .query = replay_query,
    .get = replay_get,
    .put = replay_put,
    .invoke = replay_invoke,
    .run = replay_run,
    .release = replay_release,
};

/* Cuts @text, which ends with a NUL, into lines. */
static bool load(struct replay_session *r, const char *name, char *text, struct err *err)
{
    unsigned number = 0;

    for (char *line = text, *end; *line; line = end) {
        json_error_t why;
        json_t *entry;

        number++;
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        entry = json_loads(line, JSON_ALLOW_NUL, &why);
        if (!entry || !json_is_object(json_object_get(entry, "request"))) {
            json_decref(entry);
            return err_fail(err, ERR_INVALID, 0,
                            "'%s' is no recording: line %u is not an entry", name, number);
        }
        if (json_array_append_new(r->entries, entry))
            return err_no_memory(err);
    }
    return true;
}

struct cim_session *cim_replay_open(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;
    size_t len;

    text = os_read_file(path, REPLAY_MAX, &len, err);
    return text ? cim_replay_text(path, text, err) : NULL;
}

struct cim_session *cim_replay_text(const char *name, char *text, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    struct replay_session *r = calloc(1, sizeof(*r));

    if (!r) {
        err_no_memory(err);
        return NULL;
    }
    r->base.ops = &replay_ops;
    session = &r->base;
    r->entries = json_array();
    if (!r->entries) {
        err_no_memory(err);
        return NULL;
    }
    return load(r, name, text, err) ? TAKE(session) : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session that writes every operation and its answer to a file. */

#include <stdlib.h>
#include <string.h>

#include "cim-json.h"
#include "err.h"
#include "os.h"
#include "record-file.h"
#include "session.h"
#include "strbuf.h"
#include "text.h"

struct record_session {
    struct cim_session base;
    struct cim_session *next;
    struct os_file *file;
};

static json_t *pack_failed(json_t *json, struct err *err)
{
    if (!json)
        err_fail(err, ERR_INVALID, 0, "a request cannot be written as JSON");
    return json;
}

static json_t *path_to_json(const struct cim_path *path)
{
    CLEANUP(free_cleanup) char *text = cim_path_format(path);

    return text ? json_string(text) : NULL;
}

json_t *record_query(const char *ns, const char *wql, struct err *err)
{
    return pack_failed(json_pack("{s:s, s:s, s:s}", "op", "query", "ns", ns, "wql", wql),
                       err);
}

json_t *record_get(const struct cim_path *path, struct err *err)
{
    return pack_failed(json_pack("{s:s, s:o}", "op", "get", "path", path_to_json(path)),
                       err);
}

json_t *record_put(const struct cim_path *path, const struct cim_instance *changes,
                   struct err *err)
{
    json_t *json = cim_instance_to_json(changes, err);

    if (!json)
        return NULL;
    return pack_failed(json_pack("{s:s, s:o, s:o}", "op", "put", "path", path_to_json(path),
                                 "changes", json),
                       err);
}

json_t *record_invoke(const struct cim_path *path, const char *method,
                      const struct cim_instance *in, struct err *err)
{
    json_t *json = cim_instance_to_json(in, err);

    if (!json)
        return NULL;
    return pack_failed(json_pack("{s:s, s:o, s:s, s:o}", "op", "invoke", "path",
                                 path_to_json(path), "method", method, "in", json),
                       err);
}

json_t *record_run(const struct shell_command *command, struct err *err)
{
    return pack_failed(json_pack("{s:s, s:s}", "op", "run", "line", command->line), err);
}

/* Takes both references.  @answer NULL: the operation failed with @err.  A recording that
 * cannot be written fails the operation: half a recording helps nobody. */
static bool write_entry(struct record_session *r, json_t *request, json_t *answer, bool ok,
                        struct err *err)
{
    json_t *entry =
        ok ? json_pack("{s:o, s:o}", "request", request, "answer", answer)
           : json_pack("{s:o, s:o}", "request", request, "error", cim_error_to_json(err));
    CLEANUP(free_cleanup) char *line = entry ? json_dumps(entry, JSON_COMPACT) : NULL;
    struct err why = ERR_INIT;
    bool written;

    json_decref(entry);
    written = line ? os_file_write(r->file, line, strlen(line), &why) &&
                         os_file_write(r->file, "\n", 1, &why)
                   : err_fail(&why, ERR_INVALID, 0, "an answer cannot be written as JSON");
    if (written || !ok)
        return ok;
    *err = why;
    return err_wrap(err, "writing the recording");
}

struct recorded_rows {
    cim_row_fn *on_row;
    void *user;
    json_t *rows;
};

static bool record_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct recorded_rows *r = user;
    json_t *json = cim_instance_to_json(row, err);

    if (!json)
        return false;
    if (json_array_append_new(r->rows, json))
        return err_no_memory(err);
    return r->on_row(row, r->user, err);
}

static bool session_query(struct cim_session *self, const char *ns, const char *wql,
                          cim_row_fn *on_row, void *user, struct err *err)
{
    struct record_session *r = (struct record_session *)self;
    json_t *request = record_query(ns, wql, err);
    struct recorded_rows rows = { on_row, user, NULL };
    json_t *answer;
    bool ok;

    if (!request)
        return false;
    rows.rows = json_array();
    answer = json_pack("{s:O}", "rows", rows.rows);
    ok = answer ? r->next->ops->query(r->next, ns, wql, record_row, &rows, err)
                : err_no_memory(err);
    json_decref(rows.rows);
    if (!ok)
        json_decref(answer);
    return write_entry(r, request, ok ? answer : NULL, ok, err);
}

static bool session_get(struct cim_session *self, const struct cim_path *path,
                        struct cim_instance **ret, struct err *err)
{
    struct record_session *r = (struct record_session *)self;
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = NULL;
    json_t *request = record_get(path, err), *answer = NULL;
    bool ok;

    if (!request)
        return false;
    ok = r->next->ops->get(r->next, path, &instance, err) &&
         (answer = cim_instance_to_json(instance, err)) != NULL;
    if (!write_entry(r, request, answer, ok, err))
        return false;
    *ret = TAKE(instance);
    return true;
}

static bool session_put(struct cim_session *self, const struct cim_path *path,
                        const struct cim_instance *changes, struct err *err)
{
    struct record_session *r = (struct record_session *)self;
    json_t *request = record_put(path, changes, err);
    bool ok;

    if (!request)
        return false;
    ok = r->next->ops->put(r->next, path, changes, err);
    return write_entry(r, request, ok ? json_object() : NULL, ok, err);
}

static bool session_invoke(struct cim_session *self, const struct cim_path *path,
                           const char *method, const struct cim_instance *in,
                           struct cim_instance **ret_out, struct err *err)
{
    struct record_session *r = (struct record_session *)self;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    json_t *request = record_invoke(path, method, in, err), *answer = NULL;
    bool ok;

    if (!request)
        return false;
    ok = r->next->ops->invoke(r->next, path, method, in, &out, err) &&
         (answer = cim_instance_to_json(out, err)) != NULL;
    if (!write_entry(r, request, answer, ok, err))
        return false;
    *ret_out = TAKE(out);
    return true;
}

struct recorded_output {
    const struct shell_command *command;
    json_t *pieces;
};

static bool record_output(const char *text, size_t len, bool is_stderr, void *user,
                          struct err *err)
{
    struct recorded_output *r = user;
    CLEANUP(strbuf_cleanup) struct strbuf hex = STRBUF_INIT;
    const char *stream = is_stderr ? "stderr" : "stdout";
    json_t *piece;

    if (text_is_utf8(text, len)) {
        piece = json_pack("{s:s, s:s%}", "stream", stream, "text", text, len);
    } else {
        for (size_t i = 0; i < len; i++)
            strbuf_printf(&hex, "%02x", (unsigned char)text[i]);
        piece = json_pack("{s:s, s:s}", "stream", stream, "hex", hex.text ? hex.text : "");
    }
    if (!piece || json_array_append_new(r->pieces, piece))
        return err_no_memory(err);
    return !r->command->on_output ||
           r->command->on_output(text, len, is_stderr, r->command->user, err);
}

static bool session_run(struct cim_session *self, const struct shell_command *command,
                        uint32_t *ret_exit_code, struct err *err)
{
    struct record_session *r = (struct record_session *)self;
    struct recorded_output output = { command, NULL };
    struct shell_command tapped = *command;
    json_t *request, *answer = NULL;
    bool ok;

    if (!r->next->ops->run)
        return err_fail(err, ERR_UNSUPPORTED, 0, "this connection cannot run commands");
    request = record_run(command, err);
    output.pieces = json_array();
    if (!request || !output.pieces) {
        json_decref(request);
        json_decref(output.pieces);
        return request ? err_no_memory(err) : false;
    }
    tapped.on_output = record_output;
    tapped.user = &output;
    ok = r->next->ops->run(r->next, &tapped, ret_exit_code, err);
    if (ok)
        answer = json_pack("{s:I, s:O}", "exit_code", (json_int_t)*ret_exit_code, "output",
                           output.pieces);
    json_decref(output.pieces);
    return write_entry(r, request, answer, ok, err);
}

static void session_release(struct cim_session *self)
{
    struct record_session *r = (struct record_session *)self;

    cim_release(r->next);
    os_file_close(r->file);
    free(r);
}

static const struct cim_session_ops record_ops = {
    .name = "record",
    .query = session_query,
    .get = session_get,
    .put = session_put,
    .invoke = session_invoke,
    .run = session_run,
    .release = session_release,
};

struct cim_session *cim_record_open(struct cim_session **next, const char *path,
                                    struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    struct record_session *r = calloc(1, sizeof(*r));

    if (!r) {
        err_no_memory(err);
        return NULL;
    }
    r->base.ops = &record_ops;
    session = &r->base;
    r->file = os_file_create(path, err);
    if (!r->file) {
        err_wrap(err, "making a recording");
        return NULL;
    }
    r->next = TAKE(*next);
    return TAKE(session);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session that writes one line per operation of the session it wraps. */

#include <inttypes.h>
#include <stdlib.h>

#include "err.h"
#include "os.h"
#include "secret.h"
#include "session.h"
#include "strbuf.h"

enum { TRACE_VALUE = 100, TRACE_LINE = 2000 };

struct trace_session {
    struct cim_session base;
    struct cim_session *next;
    FILE *out;
};

/* What a host sent must not steer the terminal. */
static void put_safe(struct strbuf *to, const char *text, size_t max)
{
    for (size_t n = 0; text[n]; n++) {
        unsigned char c = (unsigned char)text[n];

        if (n >= max && (c & 0xC0) != 0x80) {
            strbuf_puts(to, "...");
            return;
        }
        strbuf_putc(to, c < 0x20 || c == 0x7F ? ' ' : (char)c);
    }
}

static void put_value(struct strbuf *to, const struct cim_value *value)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (value->is_null) {
        strbuf_puts(to, "null");
        return;
    }
    for (size_t i = 0; i < value->count && text.len <= TRACE_VALUE; i++) {
        if (i)
            strbuf_puts(&text, ", ");
        cim_value_put_text(value, i, &text);
    }
    strbuf_puts(to, value->is_array ? "{" : "");
    put_safe(to, text.text ? text.text : "", TRACE_VALUE);
    strbuf_puts(to, value->is_array ? "}" : "");
}

static void put_properties(struct strbuf *to, const struct cim_instance *i)
{
    strbuf_putc(to, '(');
    for (size_t n = 0; i && n < i->count && to->len < TRACE_LINE; n++) {
        strbuf_printf(to, "%s%s=", n ? ", " : "", i->properties[n].name);
        if (cim_is_secret(i, &i->properties[n]))
            strbuf_puts(to, "***");
        else
            put_value(to, &i->properties[n].value);
    }
    strbuf_putc(to, ')');
}

static void put_path(struct strbuf *to, const struct cim_path *path)
{
    char *text = cim_path_format(path);

    if (text)
        put_safe(to, text, TRACE_LINE);
    free(text);
}

/* The end of the line: what came of it, and how long it took. */
static void finish(struct trace_session *t, struct strbuf *line, uint64_t start, bool ok,
                   const struct err *err)
{
    char why[512];

    if (!ok) {
        err_format(err, why, sizeof(why));
        strbuf_printf(line, " failed (%s): ", err_kind_name(err->kind));
        put_safe(line, why, sizeof(why));
    }
    fprintf(t->out, "%s: %s, %" PRIu64 " ms\n", t->next->ops->name,
            line->text && !line->failed ? line->text : "out of memory",
            os_monotonic_ms() - start);
    fflush(t->out);
}

struct counted {
    cim_row_fn *on_row;
    void *user;
    size_t rows;
};

static bool count_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct counted *c = user;

    c->rows++;
    return c->on_row(row, c->user, err);
}

static bool trace_query(struct cim_session *self, const char *ns, const char *wql,
                        cim_row_fn *on_row, void *user, struct err *err)
{
    struct trace_session *t = (struct trace_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    struct counted c = { on_row, user, 0 };
    uint64_t start = os_monotonic_ms();
    bool ok = t->next->ops->query(t->next, ns, wql, count_row, &c, err);

    strbuf_printf(&line, "query %s: ", ns);
    put_safe(&line, wql, TRACE_LINE);
    strbuf_printf(&line, " -> %zu rows", c.rows);
    finish(t, &line, start, ok, err);
    return ok;
}

static bool trace_get(struct cim_session *self, const struct cim_path *path,
                      struct cim_instance **ret, struct err *err)
{
    struct trace_session *t = (struct trace_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    uint64_t start = os_monotonic_ms();
    bool ok = t->next->ops->get(t->next, path, ret, err);

    strbuf_puts(&line, "get ");
    put_path(&line, path);
    finish(t, &line, start, ok, err);
    return ok;
}

static bool trace_put(struct cim_session *self, const struct cim_path *path,
                      const struct cim_instance *changes, struct err *err)
{
    struct trace_session *t = (struct trace_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    uint64_t start = os_monotonic_ms();
    bool ok = t->next->ops->put(t->next, path, changes, err);

    strbuf_puts(&line, "put ");
    put_path(&line, path);
    put_properties(&line, changes);
    finish(t, &line, start, ok, err);
    return ok;
}

static bool trace_invoke(struct cim_session *self, const struct cim_path *path,
                         const char *method, const struct cim_instance *in,
                         struct cim_instance **ret_out, struct err *err)
{
    struct trace_session *t = (struct trace_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    uint64_t start = os_monotonic_ms();
    bool ok = t->next->ops->invoke(t->next, path, method, in, ret_out, err);

    strbuf_puts(&line, "invoke ");
    put_path(&line, path);
    strbuf_printf(&line, " %s", method);
    put_properties(&line, in);
    if (ok) {
        strbuf_puts(&line, " -> ");
        put_properties(&line, *ret_out);
    }
    finish(t, &line, start, ok, err);
    return ok;
}

static bool trace_run(struct cim_session *self, const struct shell_command *command,
                      uint32_t *ret_exit_code, struct err *err)
{
    struct trace_session *t = (struct trace_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    uint64_t start = os_monotonic_ms();
    bool ok;

    if (!t->next->ops->run)
        return err_fail(err, ERR_UNSUPPORTED, 0, "this connection cannot run commands");
    ok = t->next->ops->run(t->next, command, ret_exit_code, err);
    strbuf_puts(&line, "run ");
    put_safe(&line, command->line, TRACE_LINE);
    if (ok)
        strbuf_printf(&line, " -> exit %" PRIu32, *ret_exit_code);
    finish(t, &line, start, ok, err);
    return ok;
}

static void trace_release(struct cim_session *self)
{
    struct trace_session *t = (struct trace_session *)self;

    cim_release(t->next);
    free(t);
}

static const struct cim_session_ops trace_ops = {
    .name = "trace",
    .query = trace_query,
    .get = trace_get,
    .put = trace_put,
    .invoke = trace_invoke,
    .run = trace_run,
    .release = trace_release,
};

struct cim_session *cim_trace_open(struct cim_session **next, FILE *out, struct err *err)
{
    struct trace_session *t = calloc(1, sizeof(*t));

    if (!t) {
        err_no_memory(err);
        return NULL;
    }
    t->base.ops = &trace_ops;
    t->next = TAKE(*next);
    t->out = out;
    return &t->base;
}

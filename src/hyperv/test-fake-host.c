/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host in memory. */

#include "test-fake-host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "test.h"
#include "text.h"

static struct fake_host *fake_of(struct cim_session *session)
{
    return (struct fake_host *)session;
}

static bool is_column(const char *columns, const char *name)
{
    size_t len;

    for (const char *at = columns; *at; at += len + strspn(at + len, ", ")) {
        len = strcspn(at, ", ");
        if (len == strlen(name) && strncasecmp(at, name, len) == 0)
            return true;
    }
    return false;
}

/* As a host does: only what was asked for. */
static bool give_row(const struct cim_instance *row, const char *columns,
                     cim_row_fn *on_row, void *user, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *some = NULL;

    if (!columns || strcmp(columns, "*") == 0)
        return on_row(row, user, err);
    some = cim_instance_copy(row);
    if (!some)
        return err_no_memory(err);
    for (size_t i = row->count; i-- > 0;)
        if (!is_column(columns, row->properties[i].name))
            cim_unset(some, row->properties[i].name);
    return on_row(some, user, err);
}

static bool fake_query(struct cim_session *self, const char *ns, const char *wql,
                       cim_row_fn *on_row, void *user, struct err *err)
{
    static const char select[] = "SELECT ", from[] = " FROM ";
    struct fake_host *fake = fake_of(self);
    const char *at = strstr(wql, from);
    CLEANUP(free_cleanup) char *columns = NULL;
    char name[80] = "";

    fake->queries++;
    if (at && strncmp(wql, select, strlen(select)) == 0) {
        columns = text_ndup(wql + strlen(select), (size_t)(at - wql) - strlen(select));
        at += strlen(from);
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, " "), at);
    }
    for (size_t i = 0; i < fake->class_count; i++) {
        struct fake_rows *rows = &fake->classes[i];

        if (!text_ieq(rows->ns, ns) || !text_ieq(rows->class_name, name))
            continue;
        snprintf(rows->query, sizeof(rows->query), "%s", wql);
        if (fake->refuses_columns && columns && strcmp(columns, "*") != 0)
            return err_fail(err, ERR_REFUSED, 0x80041017, "invalid query");
        if (rows->error.kind != ERR_NONE) {
            *err = rows->error;
            return false;
        }
        for (size_t r = 0; r < rows->count; r++)
            if (!give_row(rows->rows[r], columns, on_row, user, err))
                return false;
        return true;
    }
    test_report(false, __FILE__, __LINE__, "unexpected query '%s' in '%s'", wql, ns);
    return err_fail(err, ERR_INVALID, 0, "unexpected query '%s'", wql);
}

static bool give(struct fake_host *fake, const char *name, struct cim_instance **ret,
                 struct err *err)
{
    struct fake_answer *last = NULL;

    for (size_t i = 0; i < fake->answer_count; i++) {
        struct fake_answer *answer = &fake->answers[i];

        if (!text_ieq(answer->name, name))
            continue;
        last = answer;
        if (answer->used == 0)
            break;
    }
    if (!last) {
        test_report(false, __FILE__, __LINE__, "unexpected '%s'", name);
        return err_fail(err, ERR_INVALID, 0, "unexpected '%s'", name);
    }
    last->used++;
    if (last->error.kind != ERR_NONE) {
        *err = last->error;
        return false;
    }
    *ret = cim_instance_copy(last->out);
    return *ret || err_no_memory(err);
}

static bool fake_get(struct cim_session *self, const struct cim_path *path,
                     struct cim_instance **ret, struct err *err)
{
    struct fake_host *fake = fake_of(self);

    fake->gets++;
    snprintf(fake->last_get_class, sizeof(fake->last_get_class), "%s", path->class_name);
    return give(fake, path->class_name, ret, err);
}

static bool fake_put(struct cim_session *self, const struct cim_path *path,
                     const struct cim_instance *changes, struct err *err)
{
    (void)self;
    (void)path;
    (void)changes;
    return err_fail(err, ERR_UNSUPPORTED, 0, "nothing is written in these tests");
}

static bool fake_invoke(struct cim_session *self, const struct cim_path *path,
                        const char *method, const struct cim_instance *in,
                        struct cim_instance **ret_out, struct err *err)
{
    struct fake_host *fake = fake_of(self);

    (void)path;
    fake->invokes++;
    cim_instance_free(fake->last_in);
    fake->last_in = in ? cim_instance_copy(in) : NULL;
    snprintf(fake->last_invoke, sizeof(fake->last_invoke), "%s", method);
    return give(fake, method, ret_out, err);
}

static void fake_release(struct cim_session *self)
{
    (void)self; /* the test owns it */
}

static const struct cim_session_ops fake_ops = {
    .name = "fake",
    .query = fake_query,
    .get = fake_get,
    .put = fake_put,
    .invoke = fake_invoke,
    .release = fake_release,
};

struct fake_host *fake_host_new(void)
{
    struct fake_host *fake = calloc(1, sizeof(*fake));

    if (!fake)
        abort();
    fake->base.ops = &fake_ops;
    return fake;
}

void fake_host_free(struct fake_host *fake)
{
    for (size_t i = 0; i < fake->class_count; i++) {
        for (size_t r = 0; r < fake->classes[i].count; r++)
            cim_instance_free(fake->classes[i].rows[r]);
        free(fake->classes[i].rows);
    }
    for (size_t i = 0; i < fake->answer_count; i++)
        cim_instance_free(fake->answers[i].out);
    cim_instance_free(fake->last_in);
    free(fake);
}

struct fake_rows *fake_class(struct fake_host *fake, const char *ns, const char *class_name)
{
    struct fake_rows *rows;

    for (size_t i = 0; i < fake->class_count; i++)
        if (text_ieq(fake->classes[i].ns, ns) &&
            text_ieq(fake->classes[i].class_name, class_name))
            return &fake->classes[i];
    if (fake->class_count == FAKE_CLASSES)
        abort();
    rows = &fake->classes[fake->class_count++];
    rows->ns = ns;
    rows->class_name = class_name;
    return rows;
}

static void set(struct cim_instance *row, const struct cim_class *schema, const char *name,
                const char *text)
{
    const struct cim_class_property *p = schema ? cim_schema_property(schema, name) : NULL;
    struct cim_value value = { .is_null = true };
    struct err err = ERR_INIT;

    if (!p) {
        test_report(false, __FILE__, __LINE__, "%s has no property '%s'", row->class_name,
                    name);
        return;
    }
    value.type = p->type;
    value.is_array = p->is_array;
    while (text) {
        bool split = p->is_array && p->type != CIM_STRING && strchr(text, ',');
        CLEANUP(free_cleanup)
        char *part = split ? text_ndup(text, strcspn(text, ",")) : text_dup(text);

        CHECK_OK(cim_value_add_text(&value, part, &err));
        text = split ? strchr(text, ',') + 1 : NULL;
    }
    CHECK_OK(cim_set(row, name, &value, &err));
}

struct cim_instance *fake_row(struct fake_host *fake, const char *ns,
                              const char *class_name, ...)
{
    const struct cim_class *schema = cim_schema_class(ns, class_name);
    struct fake_rows *rows = fake_class(fake, ns, class_name);
    struct cim_instance *row = cim_instance_new(ns, class_name);
    const char *name;
    va_list args;

    va_start(args, class_name);
    while ((name = va_arg(args, const char *)))
        set(row, schema, name, va_arg(args, const char *));
    va_end(args);

    if ((rows->count & (rows->count - 1)) == 0)
        rows->rows =
            realloc(rows->rows, (rows->count ? rows->count * 2 : 1) * sizeof(*rows->rows));
    if (!rows->rows)
        abort();
    rows->rows[rows->count++] = row;
    return row;
}

static struct fake_answer *new_answer(struct fake_host *fake, const char *name)
{
    struct fake_answer *answer;

    if (fake->answer_count == FAKE_ANSWERS)
        abort();
    answer = &fake->answers[fake->answer_count++];
    answer->name = name;
    return answer;
}

struct cim_instance *fake_answer(struct fake_host *fake, const char *name, ...)
{
    struct fake_answer *answer = new_answer(fake, name);
    struct err err = ERR_INIT;
    const char *member;
    uint64_t number = 0;
    va_list args;

    answer->out = cim_instance_new(NULL, name);
    va_start(args, name);
    while ((member = va_arg(args, const char *))) {
        const char *text = va_arg(args, const char *);

        switch (member[0]) {
        case 'u':
            CHECK(text_to_u64(text, 10, &number));
            CHECK_OK(cim_set_uint(answer->out, member + 2, CIM_UINT64, number, &err));
            break;
        case 'b':
            CHECK_OK(
                cim_set_bool(answer->out, member + 2, strcmp(text, "true") == 0, &err));
            break;
        default:
            CHECK_OK(cim_set_text(answer->out, member + 2, text, &err));
        }
    }
    va_end(args);
    return answer->out;
}

void fake_error(struct fake_host *fake, const char *name, enum err_kind kind, int64_t code)
{
    struct fake_answer *answer = new_answer(fake, name);

    err_fail(&answer->error, kind, code, "the host said so");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making objects: values typed by the schema, one error for the whole object.
 */
#include "maker.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "text.h"

void make_begin(struct maker *m, struct sim_host *host, const char *ns,
                const char *class_name, struct err *err)
{
    *m = (struct maker){ .host = host, .err = err };
    m->class = cim_schema_class(ns, class_name);
    if (!m->class) {
        m->failed = true;
        err_fail(err, ERR_INVALID, 0, "the schema has no class %s:%s", ns, class_name);
        return;
    }
    m->instance = cim_instance_new(m->class->ns, m->class->name);
    if (!m->instance)
        m->failed = !err_no_memory(err);
}

/* Turns @value into the property's type.  False without error: not on this build. */
static bool typed(const struct sim_host *host, const struct cim_class *class,
                  const char *name, struct cim_value *ret, bool *failed, struct err *err)
{
    const struct cim_class_property *p = cim_schema_property(class, name);

    if (!p) {
        *failed = true;
        return err_fail(err, ERR_INVALID, 0, "class %s has no property '%s'", class->name,
                        name);
    }
    *ret = (struct cim_value){ .type = p->type, .is_array = p->is_array, .is_null = true };
    return p->first_build <= host->build;
}

static void set_text_of(struct maker *m, const char *name, const char *text)
{
    struct cim_value value;

    if (m->failed || !text || !typed(m->host, m->class, name, &value, &m->failed, m->err))
        return;
    m->failed = !cim_value_add_text(&value, text, m->err) ||
                !cim_set(m->instance, name, &value, m->err);
    cim_value_clear(&value);
}

void make_text(struct maker *m, const char *name, const char *text)
{
    set_text_of(m, name, text);
}

static const char *number_text(const struct cim_class *class, const char *name,
                               uint64_t number, char buf[24])
{
    const struct cim_class_property *p = cim_schema_property(class, name);

    if (p && p->type == CIM_BOOLEAN)
        return number ? "true" : "false";
    snprintf(buf, 24, "%llu", (unsigned long long)number);
    return buf;
}

void make_number(struct maker *m, const char *name, uint64_t number)
{
    char buf[24];

    if (!m->failed)
        set_text_of(m, name, number_text(m->class, name, number, buf));
}

void make_numbers(struct maker *m, const char *name, const uint64_t *numbers, size_t count)
{
    struct cim_value value = { 0 };

    if (m->failed || !typed(m->host, m->class, name, &value, &m->failed, m->err))
        return;
    m->failed = !cim_set_uints(m->instance, name, value.type, numbers, count, m->err);
}

static void make_datetime(struct maker *m, const char *name, struct cim_datetime t)
{
    struct cim_value value = { 0 };

    if (m->failed || !typed(m->host, m->class, name, &value, &m->failed, m->err))
        return;
    m->failed = !cim_set_datetime(m->instance, name, &t, m->err);
}

void make_time(struct maker *m, const char *name, int64_t usec)
{
    make_datetime(m, name, (struct cim_datetime){ .usec = usec });
}

void make_interval(struct maker *m, const char *name, int64_t usec)
{
    make_datetime(m, name, (struct cim_datetime){ .interval = true, .usec = usec });
}

void make_ref(struct maker *m, const char *name, struct sim_object *to)
{
    struct cim_value value = { 0 };

    if (m->failed || !typed(m->host, m->class, name, &value, &m->failed, m->err))
        return;
    if (!to) {
        m->failed = true;
        return;
    }
    if (value.type == CIM_STRING) {
        char *text = sim_path_text(m->host, sim_object_path(to));

        if (text)
            set_text_of(m, name, text);
        else
            m->failed = !err_no_memory(m->err);
        free(text);
        return;
    }
    m->failed = !cim_set_path(m->instance, name, sim_object_path(to), m->err);
}

struct sim_object *make_end(struct maker *m)
{
    struct sim_object *object = NULL;

    if (!m->failed)
        object = sim_store_add(sim_host_store(m->host, m->class->ns), &m->instance, m->err);
    cim_instance_free(TAKE(m->instance));
    return object;
}

bool object_set_text(struct sim_host *host, struct sim_object *object, const char *name,
                     const char *text, struct err *err)
{
    struct maker m = { .host = host,
                       .class = sim_object_class(object),
                       .instance = sim_object_instance(object),
                       .err = err };

    sim_host_changed(host, m.class->ns);
    if (!text)
        cim_unset(m.instance, name);
    else
        set_text_of(&m, name, text);
    return !m.failed;
}

bool object_set_number(struct sim_host *host, struct sim_object *object, const char *name,
                       uint64_t number, struct err *err)
{
    char buf[24];

    return object_set_text(host, object, name,
                           number_text(sim_object_class(object), name, number, buf), err);
}

char *sim_path_text(const struct sim_host *host, const struct cim_path *path)
{
    struct cim_path named = *path; /* borrows everything */

    named.host = host->name;
    return cim_path_format(&named);
}

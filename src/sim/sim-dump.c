/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two dumps of an unchanged host could differ in is left out: jobs and what refers
 * to them, points in time, process ids and running times.  Objects are sorted by path,
 * properties by name.
 */
#include "sim-dump.h"

#include <string.h>

#include "cluster.h"
#include "err.h"
#include "host.h"
#include "hv.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"
#include "world.h"

struct dump {
    char **objects;
    size_t count, size;
};

static void dump_clear(struct dump *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->objects[i]);
    free(d->objects);
}

static bool is_job(const char *ns, const char *name)
{
    const struct cim_class *class = cim_schema_class(ns, name);

    return class && (cim_schema_is_a(class, "CIM_ConcreteJob") ||
                     cim_schema_is_a(class, "CIM_Job") ||
                     cim_schema_is_a(class, "CIM_AffectedJobElement"));
}

static bool is_about_jobs(const struct cim_instance *instance)
{
    if (is_job(instance->ns, instance->class_name))
        return true;
    for (size_t i = 0; i < instance->count; i++) {
        const struct cim_value *value = &instance->properties[i].value;

        for (size_t j = 0; value->type == CIM_REFERENCE && j < value->count; j++)
            if (value->data[j].path &&
                is_job(value->data[j].path->ns ? value->data[j].path->ns : instance->ns,
                       value->data[j].path->class_name))
                return true;
    }
    return false;
}

static bool is_volatile(const struct cim_property *p)
{
    static const char *const names[] = { "OnTimeInMilliseconds", "ProcessID", "ProcessId",
                                         "SystemUpTime", "LocalDateTime" };

    if (p->value.is_null || (p->value.type == CIM_DATETIME && p->value.count > 0 &&
                             !p->value.data->datetime.interval))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (text_ieq(p->name, names[i]))
            return true;
    return false;
}

/* One line, whatever is in it. */
static void put_line_text(struct strbuf *to, const char *text)
{
    for (; text && *text; text++) {
        if (*text == '\\' && (text[1] == 'n' || text[1] == 'r'))
            strbuf_puts(to, "\\\\");
        else if (*text == '\n')
            strbuf_puts(to, "\\n");
        else if (*text == '\r')
            strbuf_puts(to, "\\r");
        else
            strbuf_putc(to, *text);
    }
}

static bool put_element(struct strbuf *to, const struct cim_value *value, size_t i,
                        struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (value->type == CIM_OBJECT) {
        CLEANUP(free_cleanup) char *xml = cim_xml_write(value->data[i].object, err);

        if (!xml)
            return false;
        put_line_text(to, xml);
        return true;
    }
    cim_value_put_text(value, i, &text);
    put_line_text(to, text.text);
    return true;
}

static bool put_property(struct strbuf *to, const struct cim_property *p, struct err *err)
{
    strbuf_printf(to, "  %s = ", p->name);
    for (size_t i = 0; i < p->value.count; i++) {
        if (i > 0)
            strbuf_puts(to, " | ");
        if (!put_element(to, &p->value, i, err))
            return false;
    }
    strbuf_putc(to, '\n');
    return true;
}

static int by_name(const void *a, const void *b)
{
    return text_casecmp((*(const struct cim_property *const *)a)->name,
                        (*(const struct cim_property *const *)b)->name);
}

static bool put_properties(struct strbuf *to, const struct cim_instance *instance,
                           struct err *err)
{
    const struct cim_property **sorted = calloc(instance->count + 1, sizeof(*sorted));
    bool ok = true;

    if (!sorted)
        return err_no_memory(err);
    for (size_t i = 0; i < instance->count; i++)
        sorted[i] = &instance->properties[i];
    qsort(sorted, instance->count, sizeof(*sorted), by_name);
    for (size_t i = 0; ok && i < instance->count; i++)
        if (!is_volatile(sorted[i]))
            ok = put_property(to, sorted[i], err);
    free(sorted);
    return ok;
}

static bool add_object(struct dump *d, struct sim_object *object, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(free_cleanup) char *path = NULL;
    const struct cim_path *own = sim_object_path(object);

    if (is_about_jobs(sim_object_instance(object)))
        return true;
    path = own ? cim_path_format(own) : NULL;
    if (!path)
        return err_no_memory(err);
    put_line_text(&text, path);
    strbuf_putc(&text, '\n');
    if (!put_properties(&text, sim_object_instance(object), err))
        return false;
    if (d->count == d->size) {
        size_t size = d->size ? d->size * 2 : 256;
        char **grown = realloc(d->objects, size * sizeof(*grown));

        if (!grown)
            return err_no_memory(err);
        d->objects = grown;
        d->size = size;
    }
    d->objects[d->count] = strbuf_take(&text);
    if (!d->objects[d->count])
        return err_no_memory(err);
    d->count++;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool dump_objects(struct sim_store *store, struct strbuf *to, struct err *err)
{
    struct dump d = { 0 };
    bool ok = true;

    for (struct sim_object *o = sim_store_next(store, NULL, NULL, NULL); ok && o;
         o = sim_store_next(store, o, NULL, NULL))
        ok = add_object(&d, o, err);
    if (ok && d.count > 0)
        qsort(d.objects, d.count, sizeof(*d.objects), by_text);
    for (size_t i = 0; ok && i < d.count; i++)
        strbuf_puts(to, d.objects[i]);
    dump_clear(&d);
    return ok;
}

/* Under the lock of its nodes. */
static bool dump_cluster(struct sim_cluster *cluster, struct strbuf *to, struct err *err)
{
    if (!cluster_open(cluster, err) || !cluster_refresh(cluster, err))
        return false;
    strbuf_printf(to, "cluster %s\n", cluster->name);
    return dump_objects(cluster->store, to, err);
}

static bool dump_host(struct sim_lab *lab, struct sim_host *host, struct strbuf *to,
                      struct err *err)
{
    struct sim_world *world;

    if (!sim_host_open(lab, host, err))
        return false;
    for (size_t i = 0; sim_behaviours[i]; i++)
        if (sim_behaviours[i]->tick)
            sim_behaviours[i]->tick(host, os_now_usec());
    strbuf_printf(to, "host %s\n", host->name);
    if (!dump_objects(host->store, to, err))
        return false;
    hv_dump_guests(host, to);
    world = sim_host_world(host, err);
    return world && world_dump(world, to, err);
}

char *sim_dump_lab(struct sim_lab *lab, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;
    char *text;

    for (size_t i = 0; i < lab->host_count; i++) {
        bool ok;

        pthread_mutex_lock(lab->hosts[i]->lock);
        ok = dump_host(lab, lab->hosts[i], &to, err);
        pthread_mutex_unlock(lab->hosts[i]->lock);
        if (!ok) {
            err_wrap(err, "dump of host '%s'", lab->hosts[i]->name);
            return NULL;
        }
    }
    for (size_t i = 0; i < lab->cluster_count; i++) {
        bool ok;

        pthread_mutex_lock(&lab->clusters[i]->lock);
        ok = dump_cluster(lab->clusters[i], &to, err);
        pthread_mutex_unlock(&lab->clusters[i]->lock);
        if (!ok) {
            err_wrap(err, "dump of cluster '%s'", lab->clusters[i]->name);
            return NULL;
        }
    }
    text = strbuf_take(&to);
    if (!text)
        err_no_memory(err);
    return text;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fixed number of threads take hosts from a list; the main thread shows the results in
 * the list's order. */

#include "collect.h"

#include <pthread.h>
#include <string.h>

#include "os.h"
#include "progress.h"
#include "session.h"
#include "text.h"

struct part {
    json_t *json; /* NULL: failed */
    struct err err;
    bool done;
};

struct fleet {
    const struct invocation *in;
    const struct connector *connector;
    const struct host_list *hosts;
    struct part *ring; /* @window places: host i is in i % window */
    size_t window;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next;  /* to be taken by a thread */
    size_t shown; /* everything before was taken from the ring */
    size_t failed;
    bool said_cancelled;
    bool stop;
};

static bool look_at(const struct fleet *fleet, const struct host_target *target,
                    json_t **ret, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    struct invocation in = *fleet->in;

    if (os_was_interrupted())
        return err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
    session = connector_open(fleet->connector, target, err);
    if (!session)
        return false;
    in.session = session;
    in.host = target->name;
    in.progress = NULL;
    return in.command->collect(&in, ret, err);
}

static void *work(void *user)
{
    struct fleet *fleet = (struct fleet *)user;

    pthread_mutex_lock(&fleet->lock);
    for (;;) {
        struct part part = { .err = ERR_INIT };
        size_t i;

        /* A place in the ring is free once the host before it was shown. */
        while (!fleet->stop && fleet->next < fleet->hosts->count &&
               fleet->next >= fleet->shown + fleet->window)
            pthread_cond_wait(&fleet->changed, &fleet->lock);
        if (fleet->stop || fleet->next >= fleet->hosts->count)
            break;
        i = fleet->next++;
        pthread_mutex_unlock(&fleet->lock);

        if (!look_at(fleet, &fleet->hosts->items[i], &part.json, &part.err))
            part.json = NULL;

        pthread_mutex_lock(&fleet->lock);
        part.done = true;
        fleet->ring[i % fleet->window] = part;
        pthread_cond_broadcast(&fleet->changed);
    }
    pthread_mutex_unlock(&fleet->lock);
    return NULL;
}

/* The contract's element of "hosts", from a part or from its error. */
static json_t *host_entry(const struct invocation *in, const char *name, struct part *part)
{
    json_t *entry = json_object();
    bool ok = entry && json_object_set_new(entry, "host", json_string(name)) == 0;

    if (part->json) {
        ok = ok && json_object_set(entry, "os", json_object_get(part->json, "os")) == 0 &&
             json_object_set_new(entry, "error", json_null()) == 0 &&
             json_object_update_missing(entry, part->json) == 0;
    } else {
        ok = ok && json_object_set_new(entry, "os", json_null()) == 0 &&
             json_object_set_new(entry, "error", error_to_json(&part->err)) == 0;
        if (ok && in->command->list)
            ok = json_object_set_new(entry, in->command->list, json_null()) == 0;
    }
    if (ok)
        return entry;
    json_decref(entry);
    return NULL;
}

static bool put_json(FILE *file, const json_t *entry, bool is_first)
{
    CLEANUP(free_cleanup) char *text = json_dumps(entry, JSON_INDENT(2));

    if (!text || fputs(is_first ? "\n" : ",\n", file) == EOF)
        return false;
    /* Indented by what stands around it. */
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");

        if (fprintf(file, "    %.*s%s", (int)len, line, line[len] ? "\n" : "") < 0)
            return false;
        line += len + (line[len] == '\n');
    }
    return true;
}

static bool show_parts(struct fleet *fleet, json_t *all, struct err *err)
{
    const struct invocation *in = fleet->in;
    struct output *out = in->out;

    for (size_t i = 0; i < fleet->hosts->count; i++) {
        const char *name = fleet->hosts->items[i].name;
        struct part part;
        json_t *entry;
        bool ok;

        pthread_mutex_lock(&fleet->lock);
        while (!fleet->ring[i % fleet->window].done)
            pthread_cond_wait(&fleet->changed, &fleet->lock);
        part = fleet->ring[i % fleet->window];
        fleet->ring[i % fleet->window] = (struct part){ .done = false };
        fleet->shown = i + 1;
        pthread_cond_broadcast(&fleet->changed);
        pthread_mutex_unlock(&fleet->lock);

        if (fleet->hosts->count > 1)
            (void)progress_report(in->progress, "hosts", PROGRESS_ITEMS, i + 1,
                                  fleet->hosts->count, &(struct err){ 0 });
        if (!part.json) {
            fleet->failed++;
            /* Ctrl-C stops all hosts at once: said once. */
            if (part.err.kind != ERR_CANCELLED || !fleet->said_cancelled)
                output_host_error(out, part.err.kind == ERR_CANCELLED ? NULL : name,
                                  &part.err);
            fleet->said_cancelled |= part.err.kind == ERR_CANCELLED;
        }
        entry = host_entry(in, name, &part);
        json_decref(part.json);
        if (!entry)
            return err_no_memory(err);
        if (out->json) {
            ok = put_json(out->text, entry, i == 0);
            json_decref(entry);
            if (!ok)
                return err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
        } else if (json_array_append_new(all, entry) != 0) {
            return err_no_memory(err);
        }
    }
    return true;
}

static bool show(struct fleet *fleet, struct err *err)
{
    struct output *out = fleet->in->out;
    json_t *document, *all = json_array();
    bool ok;

    document = json_pack("{s:s, s:o}", "schema", "hvgpu/1", "hosts", all);
    if (!document)
        return err_no_memory(err);
    if (out->json)
        fputs("{\n  \"schema\": \"hvgpu/1\",\n  \"hosts\": [", out->text);
    ok = show_parts(fleet, all, err);
    if (ok && out->json)
        ok = (fputs("\n  ]\n}\n", out->text) != EOF && fflush(out->text) == 0) ||
             err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
    else if (ok && fleet->failed < fleet->hosts->count)
        ok = fleet->in->command->print(fleet->in, document, err);
    json_decref(document);
    return ok;
}

static int status_of(const struct fleet *fleet)
{
    if (fleet->failed == 0)
        return STATUS_DONE;
    return fleet->failed == fleet->hosts->count ? STATUS_FAILED : STATUS_SOME;
}

bool collect_run(const struct invocation *in, const struct connector *connector,
                 const struct host_list *hosts, unsigned jobs, int *ret_exit,
                 struct err *err)
{
    unsigned count = jobs < hosts->count ? jobs : (unsigned)hosts->count, started = 0;
    struct fleet fleet = { .in = in,
                           .connector = connector,
                           .hosts = hosts,
                           .window = 2 * (size_t)count,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER };
    CLEANUP(free_cleanup) pthread_t *threads = calloc(count, sizeof(*threads));
    bool ok = true;

    fleet.ring = calloc(fleet.window, sizeof(*fleet.ring));
    if (!threads || !fleet.ring) {
        free(fleet.ring);
        return err_no_memory(err);
    }
    while (started < count && pthread_create(&threads[started], NULL, work, &fleet) == 0)
        started++;
    if (started == 0)
        ok = err_fail(err, ERR_SYSTEM, 0, "no thread could be started");
    ok = ok && show(&fleet, err);

    pthread_mutex_lock(&fleet.lock);
    fleet.stop = true;
    pthread_cond_broadcast(&fleet.changed);
    pthread_mutex_unlock(&fleet.lock);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < fleet.window; i++)
        json_decref(fleet.ring[i].json);
    free(fleet.ring);
    if (ok)
        *ret_exit = status_of(&fleet);
    return ok;
}

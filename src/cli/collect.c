/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fixed number of threads take hosts from a list; the main thread shows the results.
 *
 * JSON is in the order of the list, so a slow host holds back those behind it: their texts
 * wait, up to a number of bytes, after which no further host is asked.  Text is shown in
 * blocks, in the order of the list as well, but a slow host is overtaken.
 */

#include "collect.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "os.h"
#include "progress-bar.h"
#include "session.h"
#include "text.h"

enum {
    WAITING_BYTES_MOST = 64 << 20,
    BLOCK_HOSTS = 64,
    OVERTAKE_HOSTS = 4 * BLOCK_HOSTS, /* that wait behind a slow one */
    PATIENCE_SECONDS = 2,             /* at a terminal: with a block that does not fill */
};

/* What a host gave.  Only texts are kept: a tree of JSON needs several times as much. */
struct part {
    char *text;      /* its element of "hosts"; NULL: no memory for it */
    struct err *err; /* NULL: none */
    bool is_done, is_shown;
    bool found; /* its check found errors */
};

/* What collect() left for join(). */
struct kept {
    pthread_mutex_t lock;
    void **items;
    size_t count;
};

enum order {
    ORDER_LIST,  /* one by one as they are listed */
    ORDER_BLOCK, /* some, as they are listed unless one is slow */
    ORDER_ALL,   /* all at once */
};

struct fleet {
    const struct invocation *in;
    const struct connector *connector;
    const struct host_list *hosts;
    enum order order;
    struct part *parts; /* one per host */
    struct print_blocks blocks;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next;          /* to be taken by a thread */
    size_t first;         /* everything before was shown */
    size_t finished;      /* and not yet shown */
    size_t waiting_bytes; /* of these */
    size_t failed;
    bool found; /* a check found errors, at any host */
    bool said_cancelled;
    char said_hint[ERR_TEXT]; /* the last one */
    bool stop;
};

bool command_keep(const struct invocation *in, void *item, struct err *err)
{
    struct kept *kept = in->kept;
    void **items;

    pthread_mutex_lock(&kept->lock);
    items = realloc(kept->items, (kept->count + 1) * sizeof(*items));
    if (items) {
        kept->items = items;
        items[kept->count++] = item;
    }
    pthread_mutex_unlock(&kept->lock);
    if (items)
        return true;
    in->command->forget(item);
    return err_no_memory(err);
}

void *const *command_kept(const struct invocation *in, size_t *ret_count)
{
    *ret_count = in->kept->count;
    return in->kept->items;
}

static void kept_clear(struct kept *kept, const struct command *command)
{
    for (size_t i = 0; i < kept->count; i++)
        command->forget(kept->items[i]);
    free(kept->items);
    pthread_mutex_destroy(&kept->lock);
}

/* ---- asking ---- */

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

/* The contract's element of "hosts", from what collect() gave or from its error. */
static json_t *host_entry(const struct invocation *in, const char *name, json_t *found,
                          const struct err *why)
{
    json_t *entry = json_object();
    bool ok = entry && json_object_set_new(entry, "host", json_string(name)) == 0;

    if (found) {
        ok = ok && json_object_set(entry, "os", json_object_get(found, "os")) == 0 &&
             json_object_set_new(entry, "error", json_null()) == 0 &&
             json_object_update_missing(entry, found) == 0;
    } else {
        ok = ok && json_object_set_new(entry, "os", json_null()) == 0 &&
             json_object_set_new(entry, "error", error_to_json(why)) == 0;
        if (ok && in->command->list)
            ok = json_object_set_new(entry, in->command->list, json_null()) == 0;
    }
    if (ok)
        return entry;
    json_decref(entry);
    return NULL;
}

static struct part ask(const struct fleet *fleet, const struct host_target *target)
{
    struct part part = { .is_done = true };
    json_t *found = NULL, *entry;
    struct err err = ERR_INIT;

    if (!look_at(fleet, target, &found, &err)) {
        found = NULL;
        part.err = malloc(sizeof(err));
        if (part.err)
            *part.err = err;
    }
    part.found = found && fleet->in->command->found && fleet->in->command->found(found);
    if (found || part.err) {
        entry = host_entry(fleet->in, target->name, found, &err);
        part.text = entry
                        ? json_dumps(entry, fleet->in->json ? JSON_INDENT(2) : JSON_COMPACT)
                        : NULL;
        json_decref(entry);
    }
    json_decref(found);
    return part;
}

static size_t part_bytes(const struct part *part)
{
    return (part->text ? strlen(part->text) : 0) + (part->err ? sizeof(*part->err) : 0);
}

/* What has finished is shown before more is asked for.  The host that is to be shown next
 * was taken before any that waits, so this ends. */
static bool is_full(const struct fleet *fleet)
{
    return fleet->order != ORDER_ALL && fleet->waiting_bytes >= WAITING_BYTES_MOST;
}

static void *work(void *user)
{
    struct fleet *fleet = (struct fleet *)user;

    pthread_mutex_lock(&fleet->lock);
    for (;;) {
        struct part part;
        size_t i;

        while (!fleet->stop && fleet->next < fleet->hosts->count && is_full(fleet))
            pthread_cond_wait(&fleet->changed, &fleet->lock);
        if (fleet->stop || fleet->next >= fleet->hosts->count)
            break;
        i = fleet->next++;
        pthread_mutex_unlock(&fleet->lock);

        part = ask(fleet, &fleet->hosts->items[i]);

        pthread_mutex_lock(&fleet->lock);
        fleet->parts[i] = part;
        fleet->found |= part.found;
        fleet->finished++;
        fleet->waiting_bytes += part_bytes(&part);
        pthread_cond_broadcast(&fleet->changed);
    }
    pthread_mutex_unlock(&fleet->lock);
    return NULL;
}

/* ---- waiting ---- */

static bool has_block(const struct fleet *fleet)
{
    size_t count = 0;

    for (size_t i = fleet->first; i < fleet->next && fleet->parts[i].is_done; i++) {
        count += !fleet->parts[i].is_shown;
        if (count == BLOCK_HOSTS)
            return true;
    }
    return false;
}

static bool is_ready(const struct fleet *fleet)
{
    size_t left = fleet->hosts->count - fleet->blocks.shown;

    switch (fleet->order) {
    case ORDER_LIST:
        return fleet->parts[fleet->first].is_done;
    case ORDER_BLOCK:
        return fleet->finished == left || fleet->finished >= OVERTAKE_HOSTS ||
               is_full(fleet) || has_block(fleet);
    default:
        return fleet->finished == left;
    }
}

/* With the lock held. */
static void wait_for_some(struct fleet *fleet)
{
    const struct output *out = fleet->in->out;
    bool is_watched = fleet->order == ORDER_BLOCK && out->columns > 0;
    size_t said = SIZE_MAX;
    struct timespec until;
    bool is_late = false;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    while (!is_ready(fleet) && !(is_late && fleet->finished > 0)) {
        if (fleet->hosts->count > 1 && said != fleet->finished) {
            said = fleet->finished;
            (void)progress_report(fleet->in->progress, "hosts", PROGRESS_ITEMS,
                                  fleet->blocks.shown + said, fleet->hosts->count,
                                  &(struct err){ 0 });
        }
        if (is_watched && !is_late)
            is_late =
                pthread_cond_timedwait(&fleet->changed, &fleet->lock, &until) == ETIMEDOUT;
        else
            pthread_cond_wait(&fleet->changed, &fleet->lock);
    }
}

/* The next parts to show, in the order of the list.  Returns how many; theirs is what they
 * point to. */
static size_t take_parts(struct fleet *fleet, struct part *taken, size_t *ret_index)
{
    size_t most = fleet->order == ORDER_LIST    ? 1
                  : fleet->order == ORDER_BLOCK ? BLOCK_HOSTS
                                                : fleet->hosts->count;
    size_t count = 0;

    pthread_mutex_lock(&fleet->lock);
    wait_for_some(fleet);
    for (size_t i = fleet->first; i < fleet->next && count < most; i++) {
        struct part *part = &fleet->parts[i];

        if (!part->is_done || part->is_shown)
            continue;
        ret_index[count] = i;
        taken[count++] = *part;
        fleet->finished--;
        fleet->waiting_bytes -= part_bytes(part);
        *part = (struct part){ .is_done = true, .is_shown = true };
    }
    while (fleet->first < fleet->hosts->count && fleet->parts[fleet->first].is_shown)
        fleet->first++;
    pthread_cond_broadcast(&fleet->changed);
    pthread_mutex_unlock(&fleet->lock);
    return count;
}

/* ---- showing ---- */

static void show_error(struct fleet *fleet, const char *name, struct err *err)
{
    bool is_cancelled = err->kind == ERR_CANCELLED;

    fleet->failed++;
    /* A rack that is off needs its advice once. */
    if (strcmp(err->hint, fleet->said_hint) == 0)
        err->hint[0] = '\0';
    else if (err->hint[0])
        memcpy(fleet->said_hint, err->hint, sizeof(fleet->said_hint));
    /* Ctrl-C stops all hosts at once: said once. */
    if (!is_cancelled || !fleet->said_cancelled)
        output_host_error(fleet->in->out, is_cancelled ? NULL : name, err);
    fleet->said_cancelled |= is_cancelled;
}

/* Indented by what stands around it. */
static bool put_json(FILE *file, const char *text, bool is_first)
{
    if (fputs(is_first ? "\n" : ",\n", file) == EOF)
        return false;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");

        if (fprintf(file, "    %.*s%s", (int)len, line, line[len] ? "\n" : "") < 0)
            return false;
        line += len + (line[len] == '\n');
    }
    return true;
}

static bool show_json(struct fleet *fleet, const struct part *parts, size_t count,
                      struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!put_json(fleet->in->out->text, parts[i].text, fleet->blocks.shown + i == 0))
            return err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
    return true;
}

static bool show_text(struct fleet *fleet, const struct part *parts, size_t count,
                      struct err *err)
{
    json_t *all = json_array();
    json_t *document = json_pack("{s:s, s:o}", "schema", "hvgpu/1", "hosts", all);
    bool ok = document != NULL;

    for (size_t i = 0; ok && i < count; i++)
        ok = json_array_append_new(all, json_loads(parts[i].text, 0, NULL)) == 0;
    if (!ok)
        err_no_memory(err);
    fleet->blocks.is_last = fleet->blocks.shown + count == fleet->hosts->count;
    if (ok && fleet->failed < fleet->hosts->count) {
        struct invocation in = *fleet->in;

        in.blocks = &fleet->blocks;
        ok = in.command->print(&in, document, err);
        fflush(in.out->text);
    }
    json_decref(document);
    return ok;
}

static bool show_parts(struct fleet *fleet, const struct part *parts, const size_t *index,
                       size_t count, struct err *err)
{
    const struct invocation *in = fleet->in;
    bool ok = true;

    if (in->progress && (!in->json || parts[0].err))
        progress_bar_clear((struct progress_bar *)in->progress);
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].text)
            return err_no_memory(err);
        if (parts[i].err)
            show_error(fleet, fleet->hosts->items[index[i]].name, parts[i].err);
    }
    ok = in->json ? show_json(fleet, parts, count, err)
                  : show_text(fleet, parts, count, err);
    fleet->blocks.shown += count;
    return ok;
}

static bool show_all(struct fleet *fleet, struct err *err)
{
    size_t most = fleet->order == ORDER_ALL ? fleet->hosts->count : BLOCK_HOSTS;
    CLEANUP(free_cleanup) struct part *parts = calloc(most, sizeof(*parts));
    CLEANUP(free_cleanup) size_t *index = calloc(most, sizeof(*index));
    bool ok = parts && index;

    if (!ok)
        return err_no_memory(err);
    while (ok && fleet->blocks.shown < fleet->hosts->count) {
        size_t count = take_parts(fleet, parts, index);

        ok = show_parts(fleet, parts, index, count, err);
        for (size_t i = 0; i < count; i++) {
            free(parts[i].text);
            free(parts[i].err);
        }
    }
    return ok;
}

/* The members one by one, behind "hosts". */
static bool put_members(FILE *file, const json_t *members)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)members, key, value)
    {
        CLEANUP(free_cleanup) char *text = json_dumps(value, JSON_INDENT(2));

        if (!text || fprintf(file, ",\n  \"%s\": ", key) < 0)
            return false;
        for (const char *line = text; *line;) {
            size_t len = strcspn(line, "\n");

            if (fprintf(file, "%s%.*s%s", line == text ? "" : "  ", (int)len, line,
                        line[len] ? "\n" : "") < 0)
                return false;
            line += len + (line[len] == '\n');
        }
    }
    return true;
}

static bool show_joined(struct fleet *fleet, struct err *err)
{
    const struct invocation *in = fleet->in;
    json_t *members = NULL;
    bool found = false, ok = true;

    if (!in->command->join)
        return true;
    if (!in->command->join(in, in->kept->items, in->kept->count, &members, &found, err))
        return false;
    fleet->found |= found;
    if (!members)
        return true;
    if (!in->json)
        in->command->print_join(in, members);
    else if (!put_members(in->out->text, members))
        ok = err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
    json_decref(members);
    return ok;
}

static bool show(struct fleet *fleet, struct err *err)
{
    struct output *out = fleet->in->out;
    bool ok;

    if (out->json)
        fputs("{\n  \"schema\": \"hvgpu/1\",\n  \"hosts\": [", out->text);
    ok = show_all(fleet, err);
    if (ok && out->json)
        ok = fputs("\n  ]", out->text) != EOF ||
             err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
    ok = ok && show_joined(fleet, err);
    if (ok && out->json)
        ok = (fputs("\n}\n", out->text) != EOF && fflush(out->text) == 0) ||
             err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
    return ok;
}

static int status_of(const struct fleet *fleet)
{
    if (fleet->failed == 0)
        return fleet->found ? STATUS_FOUND : STATUS_DONE;
    return fleet->failed == fleet->hosts->count ? STATUS_FAILED : STATUS_SOME;
}

bool collect_run(const struct invocation *in, const struct connector *connector,
                 const struct host_list *hosts, unsigned jobs, int *ret_exit,
                 struct err *err)
{
    unsigned count = jobs < hosts->count ? jobs : (unsigned)hosts->count, started = 0;
    struct kept kept = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct invocation with_kept = *in;
    struct fleet fleet = { .in = &with_kept,
                           .connector = connector,
                           .hosts = hosts,
                           .order = in->json                 ? ORDER_LIST
                                    : in->command->in_blocks ? ORDER_BLOCK
                                                             : ORDER_ALL,
                           .parts = calloc(hosts->count, sizeof(*fleet.parts)),
                           .blocks = { .host_count = hosts->count,
                                       .memory = json_object() },
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER };
    CLEANUP(free_cleanup) pthread_t *threads = calloc(count, sizeof(*threads));
    bool ok = (threads && fleet.parts && fleet.blocks.memory) || err_no_memory(err);

    with_kept.kept = &kept;
    while (ok && started < count &&
           pthread_create(&threads[started], NULL, work, &fleet) == 0)
        started++;
    if (ok && started == 0)
        ok = err_fail(err, ERR_SYSTEM, 0, "no thread could be started");
    ok = ok && show(&fleet, err);

    pthread_mutex_lock(&fleet.lock);
    fleet.stop = true;
    pthread_cond_broadcast(&fleet.changed);
    pthread_mutex_unlock(&fleet.lock);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; fleet.parts && i < hosts->count; i++) {
        free(fleet.parts[i].text);
        free(fleet.parts[i].err);
    }
    free(fleet.parts);
    json_decref(fleet.blocks.memory);
    kept_clear(&kept, in->command);
    if (ok)
        *ret_exit = status_of(&fleet);
    return ok;
}

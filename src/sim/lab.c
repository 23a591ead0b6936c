/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labs: from a name or a file to hosts, and from hosts to their saved state.
 *
 *     <state>/labs/LAB/lab.yaml            the text the state began with
 *     <state>/labs/LAB/full-size           exists: driver packages of realistic size
 *     <state>/labs/LAB/HOST/objects.json   the objects, once they differ from the lab
 *
 * A host that never changed has no objects.json: its objects are made from the lab when
 * they are needed and are the same each time.
 */
#include "lab.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "host.h"
#include "hv.h"
#include "jobs.h"
#include "machine.h"
#include "os.h"
#include "session.h"
#include "text.h"
#include "windows-os.h"
#include "world.h"

enum { OPEN_STORES = 16, STATE_MAX = 256 << 20 };

/* ---- names ---- */

static bool is_plain(const char *name)
{
    size_t len = strlen(name);

    return len && len <= 40 &&
           strspn(name,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               len;
}

/* "laptop" and "fleet:200" are built in; a path holds '/' or ends in ".yaml".  Gives the
 * text, the lab's own name ("fleet-200"), the file's and the number. */
struct source {
    char *name, *file, *text;
    size_t len;
    unsigned number;
};

static void source_clear(struct source *s)
{
    free(s->name);
    free(s->file);
    free(s->text);
}

static bool source_name(const char *lab, struct source *ret, struct err *err)
{
    const char *colon = strchr(lab, ':'), *slash = strrchr(lab, '/');
    CLEANUP(free_cleanup) char *base = NULL;
    uint64_t number = 0;

    if (slash || text_iends(lab, ".yaml")) {
        const char *start = slash ? slash + 1 : lab;
        size_t len = strlen(start);

        if (text_iends(start, ".yaml"))
            len -= 5;
        ret->file = text_dup(lab);
        ret->name = text_ndup(start, len);
        if (!ret->file || !ret->name)
            return err_no_memory(err);
        if (!is_plain(ret->name)) {
            err_fail(err, ERR_INVALID, 0, "'%s' cannot name a lab", ret->name);
            return err_hint(err, "name the file with letters, digits, '-' and '_' only");
        }
        return true;
    }
    base = colon ? text_ndup(lab, (size_t)(colon - lab)) : text_dup(lab);
    if (!base)
        return err_no_memory(err);
    if (colon && (!text_to_u64(colon + 1, 10, &number) || !number || number > LAB_HOST_MAX))
        return err_fail(err, ERR_INVALID, 0, "'%s' is no number of hosts from 1 to %d",
                        colon + 1, LAB_HOST_MAX);
    if (is_plain(base)) {
        CLEANUP(free_cleanup) char *relative = text_printf("labs/%s.yaml", base);

        ret->file = relative ? os_data_file(relative) : NULL;
    }
    if (!ret->file) {
        err_fail(err, ERR_NOT_FOUND, 0, "no lab is named '%s'", lab);
        return err_hint(err,
                        "built in are laptop, server, cluster, fleet:N and others (see "
                        "hvgpu-lab(5)); a path names a file of your own");
    }
    ret->number = (unsigned)number;
    ret->name = number ? text_printf("%s-%" PRIu64, base, number) : text_dup(base);
    return ret->name || err_no_memory(err);
}

static bool source_read(const char *lab, struct source *ret, struct err *err)
{
    if (!source_name(lab, ret, err))
        return false;
    ret->text = os_read_file(ret->file, LAB_FILE_MAX, &ret->len, err);
    return ret->text || err_wrap(err, "reading lab '%s'", lab);
}

static char *dir_of(const char *name, const char *state_dir, struct err *err)
{
    CLEANUP(free_cleanup) char *own = state_dir ? text_dup(state_dir) : os_state_dir(err);
    char *dir;

    if (!own)
        return state_dir ? (err_no_memory(err), NULL) : NULL;
    dir = text_printf("%s/labs/%s", own, name);
    if (!dir)
        err_no_memory(err);
    return dir;
}

char *sim_lab_dir(const char *lab, const char *state_dir, struct err *err)
{
    struct source source = { 0 };
    char *dir = NULL;

    if (source_name(lab, &source, err))
        dir = dir_of(source.name, state_dir, err);
    source_clear(&source);
    return dir;
}

/* ---- opening ---- */

static bool exists_in(const char *dir, const char *name, char **ret_path, struct err *err)
{
    *ret_path = text_printf("%s/%s", dir, name);
    if (!*ret_path)
        return err_no_memory(err);
    return os_file_exists(*ret_path);
}

/* Keeps the text beside the state, or compares it with what is kept. */
static bool keep_text(const char *dir, const struct source *source, bool *full_size,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *kept_path = NULL, *full_path = NULL, *kept = NULL;
    bool has_text = exists_in(dir, "lab.yaml", &kept_path, err);
    bool has_full = kept_path && exists_in(dir, "full-size", &full_path, err);
    size_t len;

    if (!kept_path || !full_path)
        return false;
    if (!has_text) {
        if (!os_make_dirs(dir, err) ||
            (*full_size && !os_write_file(full_path, "", 0, err)))
            return false;
        return os_write_file(kept_path, source->text, source->len, err);
    }
    kept = os_read_file(kept_path, LAB_FILE_MAX, &len, err);
    if (!kept)
        return false;
    if (len != source->len || memcmp(kept, source->text, len) != 0)
        err_fail(err, ERR_CONFLICT, 0,
                 "lab '%s' has changed since its state in '%s' was made", source->name,
                 dir);
    else if (*full_size && !has_full)
        err_fail(err, ERR_CONFLICT, 0,
                 "lab '%s' was made with driver packages of small size", source->name);
    else {
        *full_size = has_full;
        return true;
    }
    return err_hint(err, "hvgpu-sim reset %s forgets the old state", source->name);
}

static struct sim_host *new_host(struct sim_lab *lab, struct lab_host *facts,
                                 bool full_size, struct err *err)
{
    struct sim_host *host = calloc(1, sizeof(*host));

    if (!host) {
        err_no_memory(err);
        return NULL;
    }
    pthread_mutex_init(&host->own_lock, NULL);
    host->lock = &host->own_lock;
    facts->machine.full_size = full_size;
    host->lab = facts;
    host->machine = &facts->machine;
    host->name = text_dup(facts->name);
    host->product = text_dup(facts->product);
    host->edition = text_dup(facts->edition);
    host->locale = text_dup(facts->locale);
    host->winrm = facts->winrm;
    host->domain = text_dup(facts->domain);
    host->dir = text_printf("%s/%s", lab->dir, facts->name);
    host->build = facts->build;
    host->ubr = facts->ubr;
    host->job_ms = facts->job_ms;
    if (!host->name || !host->product || !host->edition || !host->locale || !host->dir)
        err_no_memory(err); /* the caller frees it with the lab */
    else if (!lab_apply_moves(host, facts, err))
        err_wrap(err, "moved devices of host '%s'", facts->name);
    else if (!lab_apply_updates(host, &facts->machine, err))
        err_wrap(err, "driver updates of host '%s'", facts->name);
    return host;
}

/* A node of a cluster is saved with the others, so all are before any of them is freed. */
static void finish_host(struct sim_host *host)
{
    struct err err = ERR_INIT;

    if (!host || host->replay)
        return;
    windows_processes_end(host);
    pthread_mutex_lock(host->lock);
    sim_jobs_close(host);
    /* Nobody waits for an answer any more; the state of the last one stands. */
    if (host->store && host->dirty && !sim_host_save(host, &err))
        err = ERR_INIT;
    pthread_mutex_unlock(host->lock);
}

static void free_host(struct sim_host *host)
{
    if (!host)
        return;
    pthread_mutex_lock(host->lock);
    if (host->world)
        sim_world_free(host->world);
    sim_store_free(host->store);
    cim_release(host->replay);
    pthread_mutex_unlock(host->lock);
    pthread_mutex_destroy(&host->own_lock);
    free(host->name);
    free(host->product);
    free(host->edition);
    free(host->locale);
    free(host->domain);
    free(host->updates);
    free(host->moves);
    free(host->moved_id);
    free(host->moved_place);
    free(host->dir);
    free(host);
}

void sim_lab_close(struct sim_lab *lab)
{
    if (!lab)
        return;
    for (size_t i = 0; lab->hosts && i < lab->host_count; i++)
        finish_host(lab->hosts[i]);
    for (size_t i = 0; lab->hosts && i < lab->host_count; i++)
        free_host(lab->hosts[i]);
    free(lab->hosts);
    cluster_free_all(lab);
    lab_description_free(lab->description);
    free(lab->name);
    free(lab->dir);
    free(lab);
}

DEFINE_CLEANUP(lab_cleanup, struct sim_lab *, sim_lab_close)

static bool open_hosts(struct sim_lab *lab, bool full_size, struct err *err)
{
    lab->hosts = calloc(lab->description->host_count, sizeof(struct sim_host *));
    if (!lab->hosts)
        return err_no_memory(err);
    for (size_t i = 0; i < lab->description->host_count; i++) {
        struct sim_host *host = new_host(lab, &lab->description->hosts[i], full_size, err);

        if (!host)
            return false;
        lab->hosts[lab->host_count++] = host; /* freed with the lab, even half made */
        if (err->kind != ERR_NONE)
            return false;
    }
    return cluster_make_all(lab, err);
}

struct sim_lab *sim_lab_open(const char *name, const char *state_dir, bool full_size,
                             struct err *err)
{
    CLEANUP(lab_cleanup) struct sim_lab *lab = calloc(1, sizeof(*lab));
    struct source source = { 0 };
    bool ok;

    if (!lab) {
        err_no_memory(err);
        return NULL;
    }
    ok = source_read(name, &source, err);
    if (ok) {
        lab->description =
            lab_parse(source.text, source.len, source.file, source.number, err);
        lab->dir = lab->description ? dir_of(source.name, state_dir, err) : NULL;
        lab->name = TAKE(source.name);
        source.name = text_dup(lab->name);
        ok = lab->dir && keep_text(lab->dir, &source, &full_size, err) &&
             open_hosts(lab, full_size, err);
    }
    source_clear(&source);
    return ok ? TAKE(lab) : NULL;
}

/* ---- stores ---- */

static bool load(struct sim_host *host, const char *path, struct err *err)
{
    size_t len;
    CLEANUP(free_cleanup) char *json = os_read_file(path, STATE_MAX, &len, err);

    return json && sim_store_load(host->store, json, err) &&
           lab_update_objects(host, err) && sim_jobs_after_load(host, err) &&
           hv_after_load(host, err);
}

static bool make_store(struct sim_host *host, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/objects.json", host->dir);
    bool ok;

    host->store = path ? sim_store_new() : NULL;
    if (!host->store)
        return err_no_memory(err);
    if (os_file_exists(path))
        ok = load(host, path, err);
    else
        ok = sim_machine_add_objects(host, err) &&
             (!host->lab->hyperv || hv_make_host(host, err));
    host->dirty = false;
    if (!ok) {
        sim_store_free(TAKE(host->store));
        return err_wrap(err, "host '%s'", host->name);
    }
    return true;
}

/* Its store and world can be made again as they are, and nobody is at work on them. */
static bool is_idle(const struct sim_host *host)
{
    return host->store && !host->dirty && host->commands == 0 &&
           !sim_jobs_are_pending(host) && (!host->world || world_is_idle(host->world));
}

/* Frees the store and the world of the host that was not used longest, if it is idle and there
 * are too many.  Nodes of a cluster are opened together, so one may not be enough: true, then. */
static bool drop_one(struct sim_lab *lab, struct sim_host *except)
{
    struct sim_host *oldest = NULL;
    uint64_t oldest_use = 0;
    size_t open_count = 0;
    bool dropped;

    for (size_t i = 0; i < lab->host_count; i++) {
        struct sim_host *host = lab->hosts[i];

        if (host == except || pthread_mutex_trylock(host->lock) != 0)
            continue;
        open_count += host->store != NULL;
        if (is_idle(host) && (!oldest || host->last_used < oldest_use)) {
            oldest = host;
            oldest_use = host->last_used;
        }
        pthread_mutex_unlock(host->lock);
    }
    if (open_count < OPEN_STORES || !oldest || pthread_mutex_trylock(oldest->lock) != 0)
        return false;
    dropped = is_idle(oldest);
    if (dropped) {
        sim_store_free(TAKE(oldest->store));
        sim_world_free(TAKE(oldest->world));
    }
    pthread_mutex_unlock(oldest->lock);
    return dropped && open_count > OPEN_STORES;
}

bool sim_host_open(struct sim_lab *lab, struct sim_host *host, struct err *err)
{
    host->last_used = atomic_fetch_add(&lab->clock, 1);
    if (host->cluster && !cluster_open(host->cluster, err))
        return false;
    if (host->store)
        return true;
    while (drop_one(lab, host))
        ;
    return make_store(host, err);
}

bool sim_host_save_alone(struct sim_host *host, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/objects.json", host->dir);
    CLEANUP(free_cleanup) char *json = path ? sim_store_save(host->store, err) : NULL;

    if (!path)
        return err_no_memory(err);
    if (!json || !os_make_dirs(host->dir, err) ||
        !os_write_file(path, json, strlen(json), err))
        return err_wrap(err, "saving the state of host '%s'", host->name);
    host->dirty = false;
    return true;
}

bool sim_host_save(struct sim_host *host, struct err *err)
{
    struct sim_cluster *cluster = host->cluster;

    if (!cluster)
        return sim_host_save_alone(host, err);
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i]->dirty && !sim_host_save_alone(cluster->nodes[i], err))
            return false;
    return !cluster->dirty || cluster_save(cluster, err);
}

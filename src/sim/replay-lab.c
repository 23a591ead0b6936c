/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab of one host, which is a recording. */

#include <limits.h>
#include <stdlib.h>

#include "err.h"
#include "replay-host.h"
#include "session.h"
#include "text.h"
#include "zip.h"

enum { REPORT_MOST = 256 << 20 };

#define RECORDING "recording.jsonl" /* in a report */
#define OS_NS "root/cimv2"

static struct cim_session *open_session(const char *file, struct err *err)
{
    CLEANUP(free_cleanup) char *text = zip_read_either(file, RECORDING, REPORT_MOST, err);

    return text ? cim_replay_text(file, text, err) : NULL;
}

struct facts {
    uint64_t build;
    char name[64];
};

static bool take_facts(const struct cim_instance *row, void *user, struct err *err)
{
    struct facts *facts = user;
    const char *build = cim_get_text(row, "BuildNumber");
    const char *name = cim_get_text(row, "CSName");

    (void)err;
    if (!build || !text_to_u64(build, 10, &facts->build) || facts->build > UINT_MAX)
        facts->build = 0;
    snprintf(facts->name, sizeof(facts->name), "%s", name && *name ? name : "REPLAYED");
    return true;
}

/* As every inventory asks; without it whatever the schema has may be asked for. */
static void find_facts(struct cim_session *session, struct facts *ret)
{
    struct err ignored = ERR_INIT;

    *ret = (struct facts){ .name = "REPLAYED" };
    (void)!cim_query(session, OS_NS, "SELECT * FROM Win32_OperatingSystem", take_facts, ret,
                     &ignored);
    if (!ret->build)
        ret->build = UINT_MAX;
}

static struct sim_host *make_host(const char *file, const char *dir, struct err *err)
{
    struct sim_host *host = calloc(1, sizeof(*host));
    struct facts facts;

    if (!host) {
        err_no_memory(err);
        return NULL;
    }
    pthread_mutex_init(&host->own_lock, NULL);
    host->lock = &host->own_lock;
    host->winrm = WINRM_DEFAULTS;
    host->replay = open_session(file, err);
    if (!host->replay)
        return host;
    cim_replay_repeat(host->replay);
    find_facts(host->replay, &facts);
    host->build = (unsigned)facts.build;
    host->name = text_dup(facts.name);
    host->locale = text_dup("en-US");
    host->dir = text_dup(dir);
    if (!host->name || !host->locale || !host->dir)
        err_no_memory(err);
    return host;
}

struct sim_lab *replay_lab_open(const char *file, const char *dir, struct err *err)
{
    struct sim_lab *lab = calloc(1, sizeof(*lab));

    if (!lab) {
        err_no_memory(err);
        return NULL;
    }
    lab->name = text_dup(file);
    lab->dir = text_dup(dir);
    lab->hosts = calloc(1, sizeof(struct sim_host *));
    if (!lab->name || !lab->dir || !lab->hosts)
        err_no_memory(err);
    else if ((lab->hosts[0] = make_host(file, dir, err)))
        lab->host_count = 1;
    if (err->kind == ERR_NONE)
        return lab;
    sim_lab_close(lab);
    return NULL;
}

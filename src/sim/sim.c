/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab from opening to closing: its folder, its lock, its hosts, its server. */
#include "sim.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "com.h"
#include "cluster.h"
#include "fault-rule.h"
#include "host.h"
#include "hv.h"
#include "lab.h"
#include "os.h"
#include "replay-host.h"
#include "server.h"
#include "strbuf.h"
#include "sim-dump.h"
#include "text.h"

struct sim {
    char *user, *password;
    char *temporary; /* ephemeral: goes with the sim */
    char *owner_file;
    char *ntlm_file; /* holds the password; NULL: none written */
    struct os_lock *lock;
    struct sim_lab *lab;
    struct fault_rules *faults;
    struct server *server;
    struct com_server *com;
};

/* ---- the lab's folder ---- */

static char *make_temporary(struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = text_printf("%s/hvgpu-sim-XXXXXX", tmp && *tmp ? tmp : "/tmp");

    if (!dir) {
        err_no_memory(err);
        return NULL;
    }
    if (!mkdtemp(dir)) {
        err_errno(err, errno, "a temporary folder for the lab");
        free(dir);
        return NULL;
    }
    return dir;
}

static bool held_by_another(const char *lab, const char *owner_file, struct err *err)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) char *owner = os_read_file(owner_file, 4096, NULL, &ignored);

    if (err->kind != ERR_CONFLICT)
        return err_wrap(err, "lab '%s'", lab);
    err_fail(err, ERR_CONFLICT, 0, "lab '%s' is in use by %s", lab,
             owner && *owner ? owner : "another program");
    return err_hint(err,
                    "end that program, or talk to the hosts it serves (-H http://...)");
}

/* The lock and the name of who holds it stand beside the folder: they outlive a reset. */
static bool take_lock(const char *lab, const char *dir, unsigned wait_ms,
                      char **ret_owner_file, struct os_lock **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *lock_file = text_printf("%s.lock", dir);
    CLEANUP(free_cleanup) char *owner_file = text_printf("%s.owner", dir);
    CLEANUP(free_cleanup) char *parent = text_ndup(dir, (size_t)(strrchr(dir, '/') - dir));

    if (!lock_file || !owner_file || !parent)
        return err_no_memory(err);
    if (!os_make_dirs(parent, err))
        return false;
    *ret = os_lock_take(lock_file, wait_ms, err);
    if (!*ret)
        return held_by_another(lab, owner_file, err);
    *ret_owner_file = TAKE(owner_file);
    return true;
}

static bool write_owner(struct sim *sim, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;

    if (!sim->owner_file) /* nobody else can want a recording's temporary folder */
        return true;
    text =
        text_printf("process %ld, which serves %s", (long)getpid(), sim_host_url(sim, 0));

    if (!text)
        return err_no_memory(err);
    return os_write_file(sim->owner_file, text, strlen(text), err);
}

/* ---- who may log on ---- */

static char *random_password(void)
{
    static const char letters[] =
        "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    unsigned char bytes[20];
    char *password = calloc(1, sizeof(bytes) + 1);

    if (!password || !os_random(bytes, sizeof(bytes))) {
        free(password);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        password[i] = letters[bytes[i] % (sizeof(letters) - 1)];
    return password;
}

static bool set_user(struct sim *sim, const struct sim_options *o, struct err *err)
{
    sim->user = text_dup(o->user ? o->user : "admin");
    sim->password = o->password ? text_dup(o->password) : random_password();
    return (sim->user && sim->password) || err_no_memory(err);
}

/* ---- opening ---- */

static bool open_host(struct sim_host *host, void *lab, struct err *err)
{
    return sim_host_open(lab, host, err);
}

static bool save_host(struct sim_host *host, void *lab, struct err *err)
{
    return sim_host_save(host, err);
}

static bool add_faults(struct sim *sim, const char *const *faults, struct err *err)
{
    sim->faults = fault_rules_new();
    if (!sim->faults)
        return err_no_memory(err);
    for (size_t i = 0; faults && faults[i]; i++)
        if (!fault_rules_add(sim->faults, faults[i], err))
            return false;
    return true;
}

static bool open_lab(struct sim *sim, const struct sim_options *o, struct err *err)
{
    CLEANUP(free_cleanup) char *dir = NULL;
    const char *state_dir = o->state_dir;

    if (o->ephemeral || o->replay) {
        sim->temporary = make_temporary(err);
        if (!sim->temporary)
            return false;
        state_dir = sim->temporary;
    }
    if (o->replay) {
        sim->lab = replay_lab_open(o->replay, sim->temporary, err);
        return sim->lab;
    }
    dir = sim_lab_dir(o->lab, state_dir, err);
    if (!dir || !take_lock(o->lab, dir, o->lock_wait_ms, &sim->owner_file, &sim->lock, err))
        return false;
    sim->lab = sim_lab_open(o->lab, state_dir, o->full_size, err);
    if (!sim->lab)
        return false;
    for (size_t i = 0; i < sim->lab->description->fault_count; i++)
        if (!fault_rules_add(sim->faults, sim->lab->description->faults[i], err))
            return err_wrap(err, "lab '%s'", o->lab);
    return true;
}

/* NTLM knows its users from a file (gssntlmssp(8)): here the one user, as an account of
 * each host.  Without a file of somebody else's, that is. */
static bool tell_ntlm(struct sim *sim, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    bool ok;

    if (getenv("NTLM_USER_FILE"))
        return true;
    if (strchr(sim->password, ':'))
        return err_fail(err, ERR_INVALID, 0,
                        "the password holds ':', which ends it in the file NTLM reads");
    strbuf_printf(&text, ":%s:%s\n", sim->user, sim->password); /* no domain said */
    sim->ntlm_file = text_printf("%s/ntlm-users", sim->lab->dir);
    for (size_t i = 0; i < sim->lab->host_count; i++)
        strbuf_printf(&text, "%s:%s:%s\n", sim->lab->hosts[i]->name, sim->user,
                      sim->password);
    if (text.failed || !sim->ntlm_file)
        return err_no_memory(err);
    ok = os_write_file(sim->ntlm_file, text.text, text.len, err);
    os_wipe(text.text, text.len);
    if (ok && setenv("NTLM_USER_FILE", sim->ntlm_file, 1) != 0)
        return err_errno(err, errno, "telling NTLM its users");
    return ok;
}

static bool serve(struct sim *sim, const struct sim_options *o, struct err *err)
{
    struct server_options options = {
        .listen = o->listen,
        .user = sim->user,
        .password = sim->password,
        .pull_items = o->pull_items,
        .winrm = o->winrm,
        .faults = sim->faults,
        .auth = o->auth,
        .keytab = o->keytab,
        .demand_encryption = o->demand_encryption,
        .tls_cert = o->tls_cert,
        .tls_key = o->tls_key,
        .client_ca = o->client_ca,
        .verbose = o->verbose,
        .open = o->replay ? NULL : open_host,
        .save = o->replay ? NULL : save_host,
        .user_data = sim->lab,
    };

    if (sim->lab->host_count == 0)
        return err_fail(err, ERR_INVALID, 0, "lab '%s' has no host", o->lab);
    if (o->auth && text_istr(o->auth, "negotiate") && !tell_ntlm(sim, err))
        return false;
    sim->server = server_open(&options, sim->lab->hosts, sim->lab->host_count, err);
    if (!sim->server)
        return false;
    if (o->com) {
        sim->com = com_server_open(o->com, server_endpoints(sim->server),
                                   sim->lab->host_count, o->verbose, err);
        if (!sim->com)
            return false;
    }
    return write_owner(sim, err);
}

bool sim_is_built(void)
{
    return true;
}

struct sim *sim_open(const struct sim_options *options, struct err *err)
{
    CLEANUP(sim_cleanup) struct sim *sim = calloc(1, sizeof(*sim));

    if (!sim) {
        err_no_memory(err);
        return NULL;
    }
    if (!set_user(sim, options, err) || !add_faults(sim, options->faults, err) ||
        !open_lab(sim, options, err) || !serve(sim, options, err))
        return NULL;
    return TAKE(sim);
}

void sim_close(struct sim *sim)
{
    struct err ignored = ERR_INIT;

    if (!sim)
        return;
    com_server_close(sim->com);
    server_close(sim->server);
    if (sim->ntlm_file && !os_remove_file(sim->ntlm_file, &ignored))
        fprintf(stderr, "hvgpu-sim: '%s' stays behind: %s\n", sim->ntlm_file,
                ignored.text[0]);
    ignored = ERR_INIT;
    sim_lab_close(sim->lab);
    fault_rules_free(sim->faults);
    if (sim->owner_file && !os_remove_file(sim->owner_file, &ignored))
        ignored = ERR_INIT; /* stale, and said to be so by the free lock */
    os_lock_drop(sim->lock);
    if (sim->temporary && !os_remove_tree(sim->temporary, &ignored))
        fprintf(stderr, "hvgpu-sim: '%s' stays behind: %s\n", sim->temporary,
                ignored.text[0]);
    if (sim->password)
        os_wipe(sim->password, strlen(sim->password));
    free(sim->user);
    free(sim->password);
    free(sim->temporary);
    free(sim->ntlm_file);
    free(sim->owner_file);
    free(sim);
}

size_t sim_host_count(const struct sim *sim)
{
    return sim->lab->host_count;
}

const char *sim_host_name(const struct sim *sim, size_t i)
{
    return sim->lab->hosts[i]->name;
}

const char *sim_host_url(const struct sim *sim, size_t i)
{
    return server_url(sim->server, i);
}

const char *sim_com_address(const struct sim *sim)
{
    return sim->com ? com_server_address(sim->com) : NULL;
}

const char *sim_user(const struct sim *sim)
{
    return sim->user;
}

const char *sim_password(const struct sim *sim)
{
    return sim->password;
}

unsigned long sim_request_count(const struct sim *sim)
{
    return server_request_count(sim->server);
}

const char *sim_state_path(const struct sim *sim)
{
    return sim->lab->dir;
}

char *sim_dump(struct sim *sim, struct err *err)
{
    return sim_dump_lab(sim->lab, err);
}

/* What is to be done to a lab, and with what. */
struct change {
    bool (*make)(struct sim_lab *lab, const struct change *change, struct err *err);
    const char *what, *value;
    bool (*of_node)(struct sim_cluster *cluster, struct sim_host *node, struct err *err);
};

/* To a lab that no other program has open. */
static bool change_lab(const char *lab, const char *state_dir, const struct change *change,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *dir = sim_lab_dir(lab, state_dir, err);
    CLEANUP(free_cleanup) char *owner_file = NULL;
    CLEANUP(os_lock_cleanup) struct os_lock *lock = NULL;
    struct sim_lab *opened;
    bool ok;

    if (!dir || !take_lock(lab, dir, 0, &owner_file, &lock, err))
        return false;
    opened = sim_lab_open(lab, state_dir, false, err);
    ok = opened && change->make(opened, change, err);
    sim_lab_close(opened);
    return ok || err_wrap(err, "lab '%s'", lab);
}

static bool update_driver(struct sim_lab *lab, const struct change *change, struct err *err)
{
    return lab_update_driver(lab, change->what, change->value, err);
}

bool sim_update_driver(const char *lab, const char *state_dir, const char *gpu,
                       const char *version, struct err *err)
{
    const struct change change = { update_driver, gpu, version, NULL };

    return change_lab(lab, state_dir, &change, err);
}

static bool reboot_hosts(struct sim_lab *lab, const struct change *change, struct err *err)
{
    const char *name = change->what;
    bool any = false;

    for (size_t i = 0; i < lab->host_count; i++) {
        struct sim_host *host = lab->hosts[i];
        bool ok;

        if (name && !text_ieq(host->name, name))
            continue;
        any = true;
        if (host->is_down)
            return err_fail(err, ERR_CONFLICT, 0, "node '%s' is down: let it rejoin",
                            host->name);
        pthread_mutex_lock(host->lock);
        ok = sim_host_open(lab, host, err) &&
             (host->cluster ? cluster_restart_node(host->cluster, host, err)
                            : hv_reboot(host, NULL, NULL, err)) &&
             sim_host_save(host, err);
        pthread_mutex_unlock(host->lock);
        if (!ok)
            return err_wrap(err, "restarting host '%s'", host->name);
    }
    return any || err_fail(err, ERR_NOT_FOUND, 0, "no host '%s'", name ? name : "");
}

bool sim_reboot(const char *lab, const char *state_dir, const char *host, struct err *err)
{
    const struct change change = { reboot_hosts, host, NULL, NULL };

    return change_lab(lab, state_dir, &change, err);
}

static bool change_node(struct sim_lab *lab, const struct change *change, struct err *err)
{
    const char *name = change->what;

    for (size_t i = 0; i < lab->host_count; i++) {
        struct sim_host *host = lab->hosts[i];
        bool ok;

        if (!text_ieq(host->name, name))
            continue;
        if (!host->cluster)
            return err_fail(err, ERR_INVALID, 0, "host '%s' is no node of a cluster", name);
        pthread_mutex_lock(host->lock);
        ok = cluster_open(host->cluster, err) &&
             change->of_node(host->cluster, host, err) && sim_host_save(host, err);
        pthread_mutex_unlock(host->lock);
        return ok;
    }
    return err_fail(err, ERR_NOT_FOUND, 0, "no host '%s'", name);
}

bool sim_fail_node(const char *lab, const char *state_dir, const char *node,
                   struct err *err)
{
    const struct change change = { change_node, node, NULL, cluster_fail_node };

    return change_lab(lab, state_dir, &change, err);
}

bool sim_rejoin_node(const char *lab, const char *state_dir, const char *node,
                     struct err *err)
{
    const struct change change = { change_node, node, NULL, cluster_rejoin_node };

    return change_lab(lab, state_dir, &change, err);
}

static bool move_device(struct sim_lab *lab, const struct change *change, struct err *err)
{
    return lab_move_device(lab, change->what, change->value, err);
}

bool sim_move_device(const char *lab, const char *state_dir, const char *device,
                     const char *location_path, struct err *err)
{
    const struct change change = { move_device, device, location_path, NULL };

    return change_lab(lab, state_dir, &change, err);
}

bool sim_reset(const char *lab, const char *state_dir, struct err *err)
{
    CLEANUP(free_cleanup) char *dir = sim_lab_dir(lab, state_dir, err);
    CLEANUP(free_cleanup) char *owner_file = NULL;
    CLEANUP(os_lock_cleanup) struct os_lock *lock = NULL;

    return dir && take_lock(lab, dir, 0, &owner_file, &lock, err) &&
           (os_remove_tree(dir, err) || err_wrap(err, "resetting lab '%s'", lab));
}

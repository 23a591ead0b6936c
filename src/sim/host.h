/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One simulated host: its facts, objects, files and registry.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "behaviour.h"
#include "winrm-config.h"

struct cim_session;
struct lab_description; /* the lab file: lab.h */
struct lab_host;
struct sim_cluster;
struct sim_world;   /* files, registry, attached images: world.h */
struct sim_machine; /* devices, drivers, disks as the lab describes them: machine.h */

struct sim_host {
    const struct lab_host *lab; /* what the lab file says of it; lent */
    char *name;                 /* computer name, upper case */
    char *product;              /* "Microsoft Windows 11 Pro" */
    char *edition;              /* EditionID: "Professional", "ServerDatacenter" */
    char *locale;               /* "en-US": language of captions and fault texts */
    unsigned build;             /* 22631 */
    unsigned ubr;
    struct winrm_config winrm;
    char *domain;  /* NULL: workgroup */
    char *dir;     /* <state>/labs/LAB/HOST */
    char *updates; /* driver updates as noted; the machine points into it; NULL: none */
    char *moves;   /* moved devices, likewise */
    char *moved_id, *moved_place; /* of the device that was moved last; NULL: none */
    unsigned job_ms;       /* how long a job takes; 0 = answered synchronously where a real
                          * host is known to do so */
    unsigned job_parity;   /* alternates 0 and 4096 where both were seen (hyperv quirk 2) */
    pthread_mutex_t *lock; /* own_lock, or the cluster's, which all its nodes share */
    pthread_mutex_t own_lock;
    bool is_down;                /* a node that failed: answers nobody */
    struct sim_cluster *cluster; /* that it is a node of: cluster.h; NULL: none */
    struct sim_store *store;     /* NULL until sim_host_open() */
    uint64_t last_used;          /* sim_host_open()'s clock */
    struct sim_machine *machine; /* lent by the lab's description */
    struct sim_world *world;     /* made on first use */
    unsigned commands;           /* running in remote shells: keep store and world */
    struct sim_jobs *jobs;       /* started, not yet finished: jobs.c */
    int64_t devices_due_usec;    /* when Hyper-V sees what changed on PCI; 0: it has */
    struct cim_session
        *replay; /* answers, and nothing else does: replay-host.h; else NULL */
    bool dirty;  /* set by whoever changes the store; saved after the request */
};

struct sim_lab {
    char *name;
    char *dir;
    struct lab_description *description;
    atomic_uint_fast64_t clock;
    size_t host_count;
    struct sim_host **hosts;
    size_t cluster_count;
    struct sim_cluster **clusters;
};

/* @lab: a built-in name ("laptop", "fleet:200") or the path of a file.  The lab's text is
 * kept in its folder: a state goes on as it began, and a lab file that changed meanwhile
 * is an ERR_CONFLICT that says to reset the lab. */
struct sim_lab *sim_lab_open(const char *lab, const char *state_dir, bool full_size,
                             struct err *err);
void sim_lab_close(struct sim_lab *lab);
/* Where the state of @lab is, without opening it: for locks and reset.  Owned. */
char *sim_lab_dir(const char *lab, const char *state_dir, struct err *err);
/* Makes host->store (from its saved state, else from the lab).  Called with the host's
 * lock held before each use of the store; it stays until the lock is dropped.  Clean
 * stores of hosts not used lately are freed, which keeps a fleet small. */
bool sim_host_open(struct sim_lab *lab, struct sim_host *host, struct err *err) MUST_CHECK;
/* Where its objects of namespace @ns are: its own store, or its cluster's. */
struct sim_store *sim_host_store(const struct sim_host *host, const char *ns);
/* Notes that an object of @ns was changed. */
void sim_host_changed(struct sim_host *host, const char *ns);
/* Something of it, or of the cluster it is a node of, is not saved yet. */
bool sim_host_is_dirty(const struct sim_host *host);
/* Writes the store to <dir>/objects.json and clears host->dirty; so with the other nodes of
 * its cluster and the cluster itself, where they were changed. */
bool sim_host_save(struct sim_host *host, struct err *err) MUST_CHECK;
/* Its own store only. */
bool sim_host_save_alone(struct sim_host *host, struct err *err) MUST_CHECK;

/* A VM that is not off has its disks: attaching them to the host fails (32).  Paths
 * compare without case. */
bool sim_vm_uses_disk(struct sim_host *host, const char *path);

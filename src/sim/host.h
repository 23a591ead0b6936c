/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One simulated host: its facts, objects, files and registry.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "behaviour.h"

struct sim_world;   /* files, registry, attached images: world.h */
struct sim_machine; /* devices, drivers, disks as the lab describes them: machine.h */

struct sim_host {
    char *name;     /* computer name, upper case */
    char *product;  /* "Microsoft Windows 11 Pro" */
    char *edition;  /* EditionID: "Professional", "ServerDatacenter" */
    char *locale;   /* "en-US": language of captions and fault texts */
    unsigned build; /* 22631 */
    unsigned ubr;
    char *domain;        /* NULL: workgroup */
    char *dir;           /* <state>/labs/LAB/HOST */
    unsigned job_ms;     /* how long a job takes; 0 = answered synchronously where a real
                          * host is known to do so */
    unsigned job_parity; /* alternates 0 and 4096 where both were seen (hyperv quirk 2) */
    pthread_mutex_t lock;
    struct sim_store *store;
    struct sim_machine *machine; /* owned */
    struct sim_world *world;     /* made on first use */
    bool dirty; /* set by whoever changes the store; saved after the request */
};

/* Lab description -> hosts (lab.c). */
struct sim_lab {
    char *name;
    char *dir;
    size_t host_count;
    struct sim_host **hosts;
};
struct sim_lab *sim_lab_open(const char *lab, const char *state_dir, bool full_size,
                             struct err *err);
void sim_lab_close(struct sim_lab *lab);
bool sim_host_save(struct sim_host *host, struct err *err);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator: Hyper-V hosts that speak WS-Management (and, for tests, the line protocol
 * of com.h), as a library.
 *
 * A lab is a text file (YAML, see docs/man/hvgpu-lab.5) that describes hosts; its state
 * lives in <state>/labs/<name>/: one JSON file of objects per host, the hosts' C: drives
 * and the VM disks (real VHDX).  Everything a host does is saved before its answer
 * leaves.  One process holds a lab at a time.
 *
 * Each behaviour names its source where it is written; what no source settles is
 * refused with a fault that says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct sim;

struct sim_options {
    const char *lab;       /* "laptop", "fleet:200", or the path of a lab file */
    const char *replay;    /* instead of @lab: a report or recording, which then answers */
    const char *state_dir; /* NULL: the user's state folder */
    bool ephemeral;        /* state in a temporary folder that goes with sim_close() */
    const char *listen;    /* "127.0.0.1:5985"; NULL: loopback, free ports.  Host n of
                              * the lab listens on port + n (or on a free port each) */
    const char *com; /* "127.0.0.1:0": where to speak the line protocol of com.h, to this
                        machine only; NULL: nowhere */
    const char *user, *password; /* NULL: "admin" and a random password */
    const char *auth;            /* "basic,negotiate": what the hosts offer; NULL: basic */
    const char *keytab;       /* the hosts' Kerberos keys; NULL: what KRB5_KTNAME names */
    bool demand_encryption;   /* as AllowUnencrypted=false: plain messages get 500 */
    bool full_size;           /* driver packages of realistic size (1.2 GB) */
    const char *const *winrm; /* "MaxEnvelopeSizekb=150", see winrm-config.h; as @faults */
    unsigned pull_items; /* most items per Pull; 0: as many as fit; 1: like old hosts */
    const char *const
        *faults;           /* "Class.Method@n=what", see fault-rule.h; NULL-terminated */
    unsigned lock_wait_ms; /* how long to wait for another program on the lab */
    const char *tls_cert, *tls_key; /* PEM files: https instead of http; NULL: http */
    const char
        *client_ca; /* PEM file: who has a certificate of it is the user; NULL: none */
    bool verbose;   /* one line per request on stderr */
};

/* Whether there is a simulator in this program; without it sim_open() says so. */
bool sim_is_built(void);

/* Loads or makes the lab and starts to answer. */
struct sim *sim_open(const struct sim_options *options, struct err *err);
void sim_close(struct sim *sim); /* NULL is fine */
DEFINE_CLEANUP(sim_cleanup, struct sim *, sim_close)

/* What a client needs; all lent. */
size_t sim_host_count(const struct sim *sim);
const char *sim_host_name(const struct sim *sim, size_t i); /* computer name */
const char *sim_host_url(const struct sim *sim, size_t i); /* http://127.0.0.1:PORT/wsman */
const char *sim_com_address(const struct sim *sim);        /* 127.0.0.1:PORT; NULL: none */
const char *sim_user(const struct sim *sim);
const char *sim_password(const struct sim *sim);

unsigned long sim_request_count(const struct sim *sim); /* answered so far, all hosts */
const char *sim_state_path(const struct sim *sim);      /* the lab's folder */

/* Everything a host is, as stable text, for comparing before and after: CIM objects
 * (jobs, times and process ids left out), C: files with hashes, registry, and for each
 * VM disk its files with attributes and hashes and its registry values.  Owned. */
char *sim_dump(struct sim *sim, struct err *err);

/* Installs another version of a GPU's driver on its host, as an update would: a new package
 * in the store, new hives and copies; old packages stay behind.  @gpu: a part of its name
 * or instance id that means one device of the lab. */
bool sim_update_driver(const char *lab, const char *state_dir, const char *gpu,
                       const char *version, struct err *err) MUST_CHECK;

/* Restarts one host of the lab, or all with @host NULL. */
bool sim_reboot(const char *lab, const char *state_dir, const char *host, struct err *err)
    MUST_CHECK;

/* A node of the lab's cluster goes down without warning, and comes back: cluster-fail.c. */
bool sim_fail_node(const char *lab, const char *state_dir, const char *node,
                   struct err *err) MUST_CHECK;
bool sim_rejoin_node(const char *lab, const char *state_dir, const char *node,
                     struct err *err) MUST_CHECK;

/* Puts a device into another slot, which restarts its host.  @device: a part of its name
 * or instance id, or its location path, that means one device of the lab. */
bool sim_move_device(const char *lab, const char *state_dir, const char *device,
                     const char *location_path, struct err *err) MUST_CHECK;

/* Forgets the lab's state: the next sim_open() makes it new. */
bool sim_reset(const char *lab, const char *state_dir, struct err *err) MUST_CHECK;

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The WS-Management server: N hosts in one process, one TCP port each.
 *
 * One thread accepts for all ports; each connection has a thread of its own, because a
 * request may wait (Receive, a delay on demand, the host's lock).  Everything that
 * changes a host happens under that host's lock and is saved before the answer leaves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host.h"

struct endpoint;
struct fault_rules;
struct server;

struct server_options {
    const char *listen; /* "ADDRESS:PORT", "[::1]:PORT", "PORT"; NULL: 127.0.0.1, free
                           ports.  Host n answers on PORT + n; port 0: free ones */
    const char *user, *password;
    const char *auth;       /* "basic,negotiate": what is offered; NULL: basic */
    const char *keytab;     /* the hosts' Kerberos keys; NULL: the system's, KRB5_KTNAME */
    bool demand_encryption; /* AllowUnencrypted=false: plain messages over http get 500 */
    const char *const *winrm;   /* "MaxEnvelopeSizekb=150": over what the lab says of each
                               * host; NULL-terminated; NULL: none */
    unsigned pull_items;        /* most items per Pull; 0: as many as fit */
    struct fault_rules *faults; /* lent */
    const char *tls_cert, *tls_key; /* PEM files; NULL: plain HTTP */
    const char *client_ca; /* PEM file; NULL: client certificates are not asked for */
    bool verbose;
    /* Called under the host's lock: before its store is used, and after it was changed.
     * Either may be NULL. */
    bool (*open)(struct sim_host *host, void *user_data, struct err *err);
    bool (*save)(struct sim_host *host, void *user_data, struct err *err);
    void *user_data;
};

/* @hosts are lent and must outlive the server. */
struct server *server_open(const struct server_options *options,
                           struct sim_host *const *hosts, size_t host_count,
                           struct err *err);
/* Ends all connections and waits for them. */
void server_close(struct server *server); /* NULL is fine */
DEFINE_CLEANUP(server_cleanup, struct server *, server_close)

/* One per host, for another wire to the same hosts; lent. */
struct endpoint *server_endpoints(struct server *server);

const char *server_url(const struct server *server, size_t host); /* lent */

/* Messages answered so far, all hosts together. */
unsigned long server_request_count(const struct server *server);

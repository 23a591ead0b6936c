/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which hosts a command line means, and how each is reached: -H, the inventory file, the
 * common options, in that order of precedence for what they all may say.
 *
 * Nothing here connects, except that `sim:LAB` starts the lab inside the process.
 */
#pragma once

#include "err.h"
#include "options.h"

struct sim;

/* One host and the way to it.  Texts are owned; NULL: not said. */
struct host_target {
    char *name; /* as it is shown, and as -H takes it again */
    char *url;
    char *user, *password_file, *keytab, *auth;
    char *ca, *pin, *cert, *key; /* TLS */
    char *password;              /* of a simulated host, or typed; wiped when freed */
    bool insecure;
    char *replay;   /* the file of a report that answers instead of a host */
    bool is_local;  /* this machine itself, over COM: nothing of the above but the name */
    bool cluster;   /* stands for all nodes of its failover cluster */
    char *computer; /* whose name this is, where it told; NULL: what @name says */
    char *unavailable; /* why it need not be asked: the cluster says that it is down */
};

struct host_list {
    struct host_target *items;
    size_t count;
    bool is_auto;      /* "auto" was named: which one, follows from what is to be done */
    struct sim **labs; /* running until the list is freed */
    char **lab_names;
    size_t lab_count;
};

/* ---- the inventory file (inventory-file.c) ----
 *
 * YAML:
 *     defaults: { user: admin, password_file: secret }
 *     hosts:
 *       hv-01: { url: "https://hv-01.example.org:5986/wsman", groups: [rack-1] }
 *       hv-02: { ca: site-ca.pem }
 * Keys of a host: url, user, password_file, keytab, auth, ca, pin, cert, cert_key, insecure,
 * cluster, groups.  Files are named relative to the inventory.  `defaults`, and each of the `groups` by
 * its name, have the same keys, except url and groups; the nearer to the host wins.
 */
struct inventory_host {
    struct host_target target;
    char **groups;
    size_t group_count;
};
struct inventory_file {
    struct inventory_host *hosts;
    size_t count;
};
/* ERR_INVALID names the file and the line. */
struct inventory_file *inventory_file_read(const char *path, struct err *err);
void inventory_file_free(struct inventory_file *file); /* NULL is fine */
DEFINE_CLEANUP(inventory_file_cleanup, struct inventory_file *, inventory_file_free)

/* ---- the list ---- */

/* All hosts the options name, in their order, each once. */
bool host_list_make(const struct option_values *values, struct host_list *list,
                    struct err *err) MUST_CHECK;
/* The hosts of those names, each of which must be one host, in their order. */
bool host_list_name(const struct option_values *values, const char *const *names,
                    size_t count, struct host_list *list, struct err *err) MUST_CHECK;
/* The one host that target->name once was, for undo; added to the list when it is not in
 * it.  *ret is lent. */
bool host_list_find(struct host_list *list, const struct option_values *values,
                    const char *name, const struct host_target **ret, struct err *err)
    MUST_CHECK;
/* The node of a cluster that @seed is a node of (or is the name of): as the inventory has it,
 * else reached as @seed is.  Not twice.  @domain: of the cluster, or NULL; *ret is lent until
 * the list grows. */
bool host_list_add_node(struct host_list *list, const struct option_values *values,
                        const struct host_target *seed, const char *node,
                        const char *domain, struct host_target **ret, struct err *err)
    MUST_CHECK;
/* A copy of @target, known to be the computer @computer (NULL: not known), unless the list has
 * one by that name. */
bool host_list_append(struct host_list *list, const struct host_target *target,
                      const char *computer, struct err *err) MUST_CHECK;
/* The computer's name in how a target is named: of "https://hv-01.example:5986/wsman",
 * "sim:LAB:NODE", "hv-01:5986".  Owned; NULL: no memory. */
char *host_target_computer(const struct host_target *target);
void host_list_keep(struct host_list *list, size_t only); /* drops all others */
void host_list_free(struct host_list *list);

/* The password for @target: typed or from a file only the user can read.  NULL with @err;
 * *ret stays NULL when there is nothing to log in with.  The caller wipes it. */
bool host_password(const struct host_target *target, char **ret, struct err *err)
    MUST_CHECK;
/* Asks now, once per user, for the passwords of @list that nothing else tells: threads
 * cannot ask. */
bool host_list_ask(struct host_list *list, struct err *err) MUST_CHECK;
void secret_free(char *secret); /* wipes; NULL is fine */
DEFINE_CLEANUP(secret_cleanup, char *, secret_free)

bool host_target_copy(const struct host_target *from, struct host_target *to,
                      struct err *err) MUST_CHECK;
void host_target_clear(struct host_target *target);

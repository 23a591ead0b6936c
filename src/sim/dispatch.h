/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between HTTP and the operations: one SOAP message in, one answer out.  No sockets here,
 * so that tests and fuzzing can call it directly.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "fault-rule.h"
#include "host.h"
#include "soap.h"

struct context; /* an open enumeration */
struct shell;

/* What the server keeps of one host beside the host itself. */
struct endpoint {
    struct sim_host *host;
    char *url;
    const char *owner;          /* user name, for shells; lent */
    unsigned pull_items;        /* 0: as many as fit */
    struct fault_rules *faults; /* lent */
    /* As in server_options; may be NULL. */
    bool (*open)(struct sim_host *host, void *user_data, struct err *err);
    bool (*save)(struct sim_host *host, void *user_data, struct err *err);
    void *user_data;
    atomic_uint requests;
    atomic_uint being_served;
    /* Under host->lock. */
    struct context *contexts;
    size_t context_count;
    uint64_t next_context;
    /* Under shell_lock; shell_changed tells of output and of the end. */
    pthread_mutex_t shell_lock;
    pthread_cond_t shell_changed;
    struct shell *shells;
    unsigned running; /* threads of commands */
    bool closing;
};

bool endpoint_init(struct endpoint *endpoint, struct sim_host *host, struct err *err);
/* Makes waiting requests return. */
void endpoint_close(struct endpoint *endpoint);
void endpoint_clear(struct endpoint *endpoint);

struct answer {
    unsigned status; /* HTTP; 0: close the connection without an answer */
    struct strbuf body;
    char label[160]; /* "Msvm_ComputerSystem Enumerate", for the log */
};

/* Locks the host and makes its store usable; on failure it is not locked. */
bool endpoint_enter(struct endpoint *endpoint, struct err *err) MUST_CHECK;
/* Saves what was changed and unlocks, always. */
bool endpoint_leave(struct endpoint *endpoint, struct err *err) MUST_CHECK;

/* A command line on the host: its store is there as long as the command runs, and what it
 * changed is saved before anyone hears of its end.  The exit code. */
struct sim_command;
uint32_t endpoint_command(struct endpoint *endpoint, const struct sim_command *command);
/* Not beyond endpoint_close(). */
void endpoint_wait(struct endpoint *endpoint, uint32_t ms);
/* The refusal that a rule "...=fault:CODE" asks for; returns false. */
bool fault_on_demand(uint32_t code, struct sim_fault *fault);

/* @client: its address, as text; for rsp:ClientIP. */
void dispatch(struct endpoint *endpoint, const char *bytes, size_t len,
              const char *encoding, const char *client, struct answer *answer);

/* The answer to somebody who may do nothing here: w:AccessDenied, whatever is asked. */
void dispatch_denied(struct endpoint *endpoint, const char *bytes, size_t len,
                     struct answer *answer);

/* ---- operations; all fill @to with what stands within Body, or @fault ---- */

struct operation {
    struct endpoint *endpoint;
    struct sim_host *host;
    const struct soap_request *request;
    const char *client;
    struct strbuf *to;
    struct sim_fault *fault;
    enum sim_job_fate job_fate;
    uint32_t job_error;
    uint32_t forced_return; /* FAULT_REFUSE; valid when is_refused */
    bool is_refused;
};

bool op_get(struct operation *op);
bool op_config_get(struct operation *op);
bool op_put(struct operation *op);
bool op_enumerate(struct operation *op);
bool op_pull(struct operation *op);
bool op_release(struct operation *op);
bool op_invoke(struct operation *op, const char *method);
bool op_shell_create(struct operation *op);
bool op_shell_command(struct operation *op);
bool op_shell_receive(struct operation *op);
bool op_shell_send(struct operation *op);
bool op_shell_signal(struct operation *op);
bool op_shell_delete(struct operation *op);

/* What the answer may have: the host's limit, or less if the client wants less
 * (MS-WSMV 3.1.4.1.7: a larger MaxEnvelopeSize counts as the host's own). */
size_t op_envelope_limit(const struct operation *op);

void contexts_clear(struct endpoint *endpoint);
void shells_clear(struct endpoint *endpoint);

/* ---- finding objects (query.c) ---- */

/* Whether the roles of this host have brought the namespace, which some host has. */
bool query_has_namespace(const struct sim_host *host, const char *ns);
/* NULL with @fault: the class does not exist, or not yet on this host's build. */
const struct cim_class *query_class(struct sim_host *host, const char *ns, const char *name,
                                    struct sim_fault *fault);
/* The instance with exactly these keys: stored, or made on demand (then *ret_made is
 * owned).  False with DestinationUnreachable. */
bool query_find(struct sim_host *host, const struct cim_path *path,
                struct sim_object **ret_object, struct cim_instance **ret_made,
                struct sim_fault *fault);
bool query_not_found(struct sim_fault *fault);

typedef bool query_row_fn(const struct cim_instance *row, const struct cim_class *class,
                          void *user, struct sim_fault *fault);
struct wql_query;
/* Runs any of the three kinds in @ns. */
bool query_run(struct sim_host *host, const char *ns, const struct wql_query *query,
               query_row_fn *on_row, void *user, struct sim_fault *fault);

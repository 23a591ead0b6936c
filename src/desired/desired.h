/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Desired state: which VM of which host has which GPU, how, and how the GPUs are cut.  What
 * hvgpu.yaml(5) describes, as plain data.
 *
 * What a file does not say is not wanted and not forbidden: it is left alone.  A VM that is
 * named says all its GPUs, so an empty list means none.
 */
#pragma once

#include <jansson.h>

#include "inventory.h"

struct strbuf;

/* A GPU, by what stays the same as long as nobody opens the machine.  At least one of the
 * three identities is there; Windows tells no serial number of a GPU. */
struct desired_gpu {
    char *alias; /* as the file calls it */
    char *instance_id, *location_path, *pci_id;
    struct known_u64 partition_count;
    bool is_inline;  /* a VM named it by its identity, it has no entry of its own */
    bool is_missing; /* the host had no such GPU when this was written, and a VM has an
                      * adapter of it */
    char *name;      /* for a comment; NULL: none.  Not read back. */
};

enum { DESIRED_ANY_GPU = -1 }; /* for hosts that cannot pin an adapter */

/* What a VM has of a GPU. */
struct desired_use {
    int gpu;        /* index into the host's GPUs, or DESIRED_ANY_GPU */
    unsigned mode;  /* GPU_MODE_*; 0: a partition, of whichever kind the GPU offers */
    unsigned count; /* of such partitions, or of GPUs of a model; from 1 on */
    struct known_u64 share_percent;
};

enum desired_drivers {
    DRIVERS_LEFT, /* not said */
    DRIVERS_HOST, /* in step with the host's */
    DRIVERS_NONE, /* hvgpu puts none into the guest */
};

struct desired_vm {
    char *name; /* or a GUID, where a name would not be unique */
    struct desired_use *uses;
    size_t use_count;
    enum desired_drivers drivers;
    struct known_u64 low_mmio_bytes, high_mmio_bytes; /* not known: computed */
    enum tristate guest_controlled_cache;             /* unknown: on, with a partition */
    struct known_u64 stop_action, checkpoint_type;    /* not known: as attach sets them */
    char *comment;   /* "another name: NAME", ...; NULL: none.  Not read back. */
    bool is_role;    /* of its host's cluster, when it was found; not of the file */
    char *elsewhere; /* the node of its cluster that has it now; NULL: this one, or nobody
                      * said.  Not of the file: desired_localize(). */
};

struct desired_host {
    char *name; /* as -H takes it */
    struct desired_gpu *gpus;
    size_t gpu_count;
    struct desired_vm *vms;
    size_t vm_count;
    char *comment; /* the host's Windows */
};

/* A failover cluster: its VMs, on whichever node each runs, and the GPUs of all nodes. */
struct desired_cluster {
    struct desired_host wish; /* ->name is the cluster's; GPUs by their model only */
    char **nodes;             /* as -H takes them */
    size_t node_count;
};

struct desired {
    struct desired_host *hosts; /* also those that only a cluster names, with no wish */
    size_t host_count;
    struct desired_cluster *clusters;
    size_t cluster_count;
};

/**
 * desired_read - reads the text of a file
 * @name: of the file, for errors
 *
 * ERR_INVALID says file, line and column, and where it can what was probably meant.  Every
 * reference is resolved and every contradiction that needs no host to be seen is refused.
 */
struct desired *desired_read(const char *name, const char *text, size_t len,
                             struct err *err);
struct desired *desired_read_file(const char *path, struct err *err);
void desired_free(struct desired *desired); /* NULL is fine */
DEFINE_CLEANUP(desired_cleanup, struct desired *, desired_free)
void desired_host_clear(struct desired_host *host);
void desired_cluster_clear(struct desired_cluster *cluster);

/* Writes the whole file.  Same data, same bytes; what is read back is the same data, but for
 * the comments. */
void desired_write(const struct desired *desired, struct strbuf *to);
/* The lines before the hosts, and those of one host. */
void desired_write_head(struct strbuf *to);
void desired_write_host(const struct desired_host *host, struct strbuf *to);
/* All clusters of the file; nothing where there are none. */
void desired_write_clusters(const struct desired *desired, struct strbuf *to);
/* A host as the file has it, in JSON: the same keys, sizes as bytes.  Owned; NULL: no memory. */
json_t *desired_host_to_json(const struct desired_host *host);

/* The word of a mode: "gpu-pv", "gpu-p", "dda"; NULL for 0. */
const char *desired_mode_name(unsigned mode);

/* The host of that name, without case; NULL: the file says nothing of it. */
const struct desired_host *desired_find_host(const struct desired *desired,
                                             const char *name);

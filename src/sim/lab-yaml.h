/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML by tables: each kind of mapping in a lab file has a table of its keys, so that a
 * wrong key, a wrong type or a number out of range is one error with file and line.
 *
 * All memory is the description's and bounded.  Functions return false, or NULL, with
 * reader->err filled.
 */
#pragma once

#include <yaml.h>

#include "err.h"
#include "lab.h"

struct reader {
    yaml_document_t *document;
    const char *file;
    struct lab_description *lab;
    size_t memory;
    unsigned number;                 /* N of fleet:N; 0: not given */
    unsigned host_no, gpu_no, vm_no; /* 1-based; for {host}, {gpu}, {vm} */
    struct lab_host *host;           /* being read */
    unsigned next_gpu;               /* for "next" */
    struct err *err;
};

#define fail_at(r, node, fmt, ...)                                \
    err_fail((r)->err, ERR_INVALID, 0, "%s:%zu: " fmt, (r)->file, \
             (node)->start_mark.line + 1 __VA_OPT__(, ) __VA_ARGS__)

enum kind {
    TEXT,     /* char * */
    UNSIGNED, /* unsigned */
    U16,
    U32,
    U64,
    INT,
    SIZE_BYTES, /* uint64_t, bytes */
    SIZE_MB,    /* uint64_t, MiB */
    BOOL,
    WORD, /* int or enum */
    OTHER,
};

struct word {
    const char *name;
    int value;
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset;            /* in the target */
    uint64_t min, max;        /* of numbers and sizes */
    const struct word *words; /* WORD; ends with a NULL name */
    bool (*read)(struct reader *r, yaml_node_t *node, void *target); /* OTHER */
    bool required;
};

void *lab_take(struct reader *r, size_t size); /* zeroed */
char *lab_take_text(struct reader *r, const char *text);
yaml_node_t *lab_node(struct reader *r, int index);
void lab_blocks_free(struct lab_block *blocks);

/* The node's text as it stands, lent; and with {host}, {gpu} and {vm} filled in. */
const char *lab_scalar(struct reader *r, yaml_node_t *node);
char *lab_text(struct reader *r, yaml_node_t *node);
bool lab_number(struct reader *r, yaml_node_t *node, uint64_t min, uint64_t max,
                uint64_t *ret);
bool lab_word(struct reader *r, yaml_node_t *node, const struct word *words, int *ret);

/* @what: "a host", for errors.  At most 64 keys. */
bool lab_map(struct reader *r, yaml_node_t *node, const char *what, const struct key *keys,
             size_t key_count, void *target);
/* A list of elements of @size bytes; an entry with "count" stands as often.  @read_one
 * fills a zeroed element; @counter (may be NULL) has its number within its entry. */
bool lab_list(struct reader *r, yaml_node_t *node, const char *what, size_t size,
              size_t max, unsigned *counter,
              bool (*read_one)(struct reader *r, yaml_node_t *node, void *element),
              void *ret_list, size_t *ret_count);

/* The value of "gpus"; @target: struct lab_host (lab-gpu.c). */
bool lab_read_gpus(struct reader *r, yaml_node_t *node, void *target);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML by tables, for files that people write: bounded, and every error says line, column
 * and what was probably meant.
 *
 * libyaml gives a tree of nodes; aliases may make it a graph, even with circles.  The walk
 * follows the tables, which are not recursive, and what is read is counted, so a small file
 * cannot become a large state.
 */
#pragma once

#include <yaml.h>

#include "err.h"

enum {
    YAML_BYTES_MAX = 64 << 20,
    YAML_TEXT_MAX = 1024,   /* bytes of one text */
    YAML_DEPTH_MAX = 16,    /* a file of ours has 7 */
    YAML_ANCHORS_MAX = 256, /* libyaml looks through all of them for each */
    YAML_ENTRIES_MAX = 2 << 20,
};

struct yaml_reader {
    const char *file; /* for errors */
    yaml_document_t document;
    size_t entries; /* read so far */
    struct err *err;
};

/* Parses, and refuses what is not one YAML document within the bounds above.  The document
 * is to be deleted with yaml_reader_end() after success. */
bool yaml_reader_begin(struct yaml_reader *r, const char *file, const char *text,
                       size_t len, struct err *err) MUST_CHECK;
void yaml_reader_end(struct yaml_reader *r);

/* Fills r->err with "'FILE', line L, column C: ..."; returns false. */
bool yaml_fail(struct yaml_reader *r, const yaml_node_t *at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

yaml_node_t *yaml_node(struct yaml_reader *r, int index);
/* One more of what the file's entries become; mappings count their own, lists do not.  False:
 * too many, as of a small file whose aliases multiply. */
bool yaml_count(struct yaml_reader *r, const yaml_node_t *at) MUST_CHECK;
/* The node's text, lent; NULL with an error.  UTF-8 without control characters. */
const char *yaml_text(struct yaml_reader *r, yaml_node_t *node, const char *what);
bool yaml_number(struct yaml_reader *r, yaml_node_t *node, const char *what, uint64_t min,
                 uint64_t max, uint64_t *ret) MUST_CHECK;
bool yaml_size(struct yaml_reader *r, yaml_node_t *node, const char *what, uint64_t *ret)
    MUST_CHECK;
bool yaml_bool(struct yaml_reader *r, yaml_node_t *node, const char *what, bool *ret)
    MUST_CHECK;
/* Which of @words (ends with NULL). */
bool yaml_word(struct yaml_reader *r, yaml_node_t *node, const char *what,
               const char *const *words, size_t *ret) MUST_CHECK;

struct yaml_key {
    const char *name;
    bool (*read)(struct yaml_reader *r, yaml_node_t *node, void *target);
    bool is_required;
};
/* A mapping with these keys (the list ends with a NULL name), each at most once.  @what: "a
 * host", for errors. */
bool yaml_map(struct yaml_reader *r, yaml_node_t *node, const char *what,
              const struct yaml_key *keys, void *target) MUST_CHECK;

/* A mapping whose keys are names that somebody chose, each once, without case. */
struct yaml_names {
    const char *what; /* "hosts" */
    size_t max;
    size_t size; /* of an element, which read_one() finds zeroed */
    bool (*read_one)(struct yaml_reader *r, yaml_node_t *key, const char *name,
                     yaml_node_t *node, void *element, void *user);
    void *user;
};
/* *ret_count grows with each element, so that what was read can be let go after an error. */
bool yaml_named(struct yaml_reader *r, yaml_node_t *node, const struct yaml_names *names,
                void **ret, size_t *ret_count) MUST_CHECK;

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

/* ---- winrm (lab-winrm.c) ---- */

bool lab_read_winrm(struct reader *r, yaml_node_t *node, void *target); /* winrm_config */

/* ---- PCI devices (lab-device.c) ---- */

/* A device as read; words become enumerations in lab_check_device(). */
struct lab_device_entry {
    struct sim_device device;
    int driver_kind, interrupts;
    unsigned bus; /* begins as LAB_NO_BUS */
};
enum { LAB_NO_BUS = 256 };

extern const struct word lab_interrupt_words[];
bool lab_read_driver(struct reader *r, yaml_node_t *node, void *target);
bool lab_read_pci(struct reader *r, yaml_node_t *node, void *target);
bool lab_read_bars(struct reader *r, yaml_node_t *node, void *target);
bool lab_check_device(struct reader *r, yaml_node_t *node, struct lab_device_entry *entry);
/* Room for @count more devices of the host. */
bool lab_add_devices(struct reader *r, yaml_node_t *node, size_t count);
/* The value of "devices"; @target: struct lab_host. */
bool lab_read_devices(struct reader *r, yaml_node_t *node, void *target);
/* Of the whole host: no two at one place; addresses for BARs without one. */
bool lab_check_devices(struct reader *r, yaml_node_t *node, struct sim_machine *machine);

/* The keys that all PCI devices have: of the lab_device_entry @member of @type. */
#define LAB_DEVICE_KEYS(type, member)                                                      \
    { "name", TEXT, offsetof(type, member.device.name), .required = true },                \
        { "instance_id", TEXT, offsetof(type, member.device.instance_id),                  \
          .required = true },                                                              \
        { "location_path", TEXT, offsetof(type, member.device.location_path),              \
          .required = true },                                                              \
        { "acpi_path", TEXT, offsetof(type, member.device.acpi_path) },                    \
        { "bus", UNSIGNED, offsetof(type, member.bus), 0, 255 },                           \
        { "bars", OTHER, offsetof(type, member.device), .read = lab_read_bars },           \
        { "pci", OTHER, offsetof(type, member.device.pci), .read = lab_read_pci },         \
        { "problem", U32, offsetof(type, member.device.problem), 0, 57 },                  \
        { "interrupts", WORD, offsetof(type, member.interrupts),                           \
          .words = lab_interrupt_words },                                                  \
        { "legacy_vga", BOOL, offsetof(type, member.device.legacy_vga) },                  \
        { "console", BOOL, offsetof(type, member.device.shows_console) },                  \
        { "disable_reboots", BOOL, offsetof(type, member.device.disable_reboots) },        \
        { "problem_after_return", U32, offsetof(type, member.device.problem_after_return), \
          1, 57 },                                                                         \
        { "mitigations", BOOL, offsetof(type, member.device.has_mitigations) },            \
    {                                                                                      \
        "dismounted", BOOL, offsetof(type, member.device.is_dismounted)                    \
    }

/* Of all hosts: those that are nodes of one cluster fit together (lab-cluster.c). */
bool lab_check_clusters(struct reader *r, yaml_node_t *node,
                        const struct lab_description *lab);

/* The value of "vms"; @target: struct lab_host (lab-vm.c). */
bool lab_read_vms(struct reader *r, yaml_node_t *node, void *target);

/* The value of "gpus"; @target: struct lab_host (lab-gpu.c). */
bool lab_read_gpus(struct reader *r, yaml_node_t *node, void *target);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#pragma once

#include "partition.h"
#include "sources.h"

struct strbuf;

/* One GPU with hardware partitions, of one of the hosts. */
struct member {
    size_t host; /* index into the caller's hosts */
    const struct hv_gpu *gpu;
    bool is_chosen;
    size_t set; /* index of the first member that is like it */
};
struct members {
    struct member *items;
    size_t count;
};

/* All GPUs with hardware partitions of all hosts, and which of them are alike. */
bool members_find(const struct partition_host *hosts, size_t host_count,
                  struct members *ret, struct err *err) MUST_CHECK;
void members_clear(struct members *members);

/* "16, 8, 4, 2, 1" */
void put_counts(struct strbuf *to, const uint64_t *counts, size_t count);
bool takes_count(const struct hv_gpu *gpu, uint64_t count);
const char *gpu_label(const struct hv_gpu *gpu); /* its name, else its id */

/* The step that gives @gpu @count partitions. */
bool add_partition_count(struct plan *plan, const struct hv_host *host,
                         const struct hv_gpu *gpu, uint64_t count, struct err *err)
    MUST_CHECK;

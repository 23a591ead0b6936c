/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which GPUs of the hosts are alike: vendor, device, memory, valid counts; and who uses one. */

#include "partition-parts.h"

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "text.h"

enum { COUNTS_MAX = 64 }; /* longer lists are no list of partition counts */

bool partition_is_hardware(const struct hv_gpu *gpu)
{
    return gpu->interface_path && !gpu_interface_is_paravirtual(gpu->interface_path);
}

const char *gpu_label(const struct hv_gpu *gpu)
{
    return gpu->name ? gpu->name : gpu->instance_id;
}

bool takes_count(const struct hv_gpu *gpu, uint64_t count)
{
    for (size_t i = 0; i < gpu->valid_partition_count_count; i++)
        if (gpu->valid_partition_counts[i] == count)
            return true;
    return false;
}

void put_counts(struct strbuf *to, const uint64_t *counts, size_t count)
{
    for (size_t i = 0; i < count && i < COUNTS_MAX; i++)
        strbuf_printf(to, "%s%llu", i ? ", " : "", (unsigned long long)counts[i]);
}

/* ---- alike ---- */

static bool same_counts(const struct hv_gpu *a, const struct hv_gpu *b)
{
    if (a->valid_partition_count_count != b->valid_partition_count_count ||
        a->valid_partition_count_count > COUNTS_MAX)
        return false;
    for (size_t i = 0; i < a->valid_partition_count_count; i++)
        if (!takes_count(b, a->valid_partition_counts[i]) ||
            !takes_count(a, b->valid_partition_counts[i]))
            return false;
    return true;
}

/* What Hyper-V says of the memory it cuts, where it does, else what the driver says. */
static struct known_u64 memory_of(const struct hv_gpu *gpu)
{
    return gpu->amounts[QUOTA_VRAM].total.known ? gpu->amounts[QUOTA_VRAM].total
                                                : gpu->vram_bytes;
}

static bool are_alike(const struct hv_gpu *a, const struct hv_gpu *b)
{
    struct known_u64 left = memory_of(a), right = memory_of(b);

    return text_ieq(a->pci_id, b->pci_id) && left.known == right.known &&
           (!left.known || left.value == right.value) && same_counts(a, b);
}

static bool is_chosen(const struct partition_host *host, const struct hv_gpu *gpu)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i] == gpu)
            return true;
    return false;
}

bool members_find(const struct partition_host *hosts, size_t host_count,
                  struct members *ret, struct err *err)
{
    size_t most = 0;

    *ret = (struct members){ 0 };
    for (size_t h = 0; h < host_count; h++)
        most += hosts[h].host ? hosts[h].host->gpu_count : 0;
    ret->items = calloc(most + 1, sizeof(*ret->items));
    if (!ret->items)
        return err_no_memory(err);
    for (size_t h = 0; h < host_count; h++) {
        for (size_t g = 0; hosts[h].host && g < hosts[h].host->gpu_count; g++) {
            const struct hv_gpu *gpu = &hosts[h].host->gpus[g];
            struct member *new = &ret->items[ret->count];

            if (!partition_is_hardware(gpu))
                continue;
            *new = (struct member){ h, gpu, is_chosen(&hosts[h], gpu), ret->count };
            for (size_t i = 0; i < ret->count; i++)
                if (ret->items[i].set == i && are_alike(ret->items[i].gpu, gpu)) {
                    new->set = i;
                    break;
                }
            ret->count++;
        }
    }
    return true;
}

void members_clear(struct members *members)
{
    free(members->items);
    *members = (struct members){ 0 };
}

/* ---- users ---- */

bool partition_users(const struct hv_host *host, const struct hv_gpu *gpu,
                     bool (*on_user)(const struct partition_user *user, void *to,
                                     struct err *err),
                     void *to, struct err *err)
{
    size_t partitionable = 0;

    for (size_t i = 0; i < host->gpu_count; i++)
        partitionable += host->gpus[i].interface_path != NULL;
    for (size_t v = 0; v < host->vm_count; v++) {
        const struct hv_vm *vm = &host->vms[v];

        for (size_t a = 0; a < vm->adapter_count; a++) {
            const struct hv_adapter *adapter = &vm->adapters[a];
            bool names_one = adapter->running_on || adapter->interface_path;
            struct partition_user user = { vm, adapter, !names_one && partitionable > 1 };

            if (names_one ? hv_adapter_gpu(host, adapter) != gpu : !gpu->interface_path)
                continue;
            if (!on_user(&user, to, err))
                return false;
        }
    }
    return true;
}

/* ---- sizes ---- */

static char *size_text_of(const struct known_u64 values[QUOTA_COUNT])
{
    static const char *const units[QUOTA_COUNT] = {
        [QUOTA_ENCODE] = "encode",
        [QUOTA_DECODE] = "decode",
        [QUOTA_COMPUTE] = "compute",
    };
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        if (!values[i].known)
            continue;
        strbuf_puts(&text, text.len ? ", " : "");
        if (i == QUOTA_VRAM) {
            char size[24];

            strbuf_printf(&text, "%s VRAM", size_text(size, values[i].value));
        } else {
            strbuf_printf(&text, "%llu %s", (unsigned long long)values[i].value, units[i]);
        }
    }
    return strbuf_take(&text);
}

char *partition_size_text(const struct hv_gpu *gpu, enum partition_size which)
{
    struct known_u64 values[QUOTA_COUNT];

    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        const struct hv_amount *amount = &gpu->amounts[i];

        values[i] = which == PARTITION_TOTAL ? amount->total
                    : amount->optimal.known  ? amount->optimal
                                             : amount->max;
    }
    return size_text_of(values);
}

char *partition_computed_text(const struct hv_gpu *gpu, uint64_t count)
{
    struct known_u64 values[QUOTA_COUNT];

    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        values[i] = gpu->amounts[i].total;
        values[i].known = values[i].known && count > 0;
        values[i].value /= count > 0 ? count : 1;
    }
    return size_text_of(values);
}

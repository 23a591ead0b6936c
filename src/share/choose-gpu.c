/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which GPU a partition comes from. */

#include "choose-gpu.h"

#include "failover.h"
#include "err.h"
#include "share.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"

enum { BUILD_PINS = 20348 };

static bool is_hardware(const struct hv_gpu *gpu)
{
    return gpu->interface_path && !gpu_interface_is_paravirtual(gpu->interface_path);
}

static const struct hv_gpu *gpu_at(const struct hv_host *host, const char *interface_path)
{
    for (size_t i = 0; interface_path && i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].interface_path, interface_path))
            return &host->gpus[i];
    return NULL;
}

const struct hv_gpu *gpu_of_adapter(const struct hv_host *host,
                                    const struct hv_adapter *adapter)
{
    const char *path = adapter->running_on ? adapter->running_on : adapter->interface_path;

    if (path)
        return gpu_at(host, path);
    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i].interface_path)
            return hv_all_alike(host, &host->gpus[i]) ? &host->gpus[i] : NULL;
    return NULL;
}

/* ---- choosing ---- */

/* Partitions of @gpu that VMs have or will have when they start. */
static unsigned count_assigned(const struct hv_host *host, const struct hv_gpu *gpu)
{
    unsigned count = 0;

    for (size_t v = 0; v < host->vm_count; v++)
        for (size_t a = 0; a < host->vms[v].adapter_count; a++) {
            const struct hv_adapter *adapter = &host->vms[v].adapters[a];

            count += text_ieq(adapter->running_on ? adapter->running_on
                                                  : adapter->interface_path,
                              gpu->interface_path);
        }
    return count;
}

/* What a partition of it has, as the GPU reports it for its present count. */
static struct known_u64 partition_vram(const struct hv_gpu *gpu)
{
    const struct hv_amount *vram = &gpu->amounts[QUOTA_VRAM];

    return vram->max.known ? vram->max : vram->optimal;
}

static bool is_large_enough(const struct hv_gpu *gpu, const struct attach_options *options)
{
    struct known_u64 size = partition_vram(gpu);

    return !options->vram_bytes.known ||
           (size.known && size.value >= options->vram_bytes.value);
}

struct candidate {
    const struct hv_gpu *gpu;
    struct known_u64 size;
    uint64_t left; /* partitions that nobody has or waits for */
    bool is_free;  /* now */
};

static struct candidate look_at(const struct hv_host *host, const struct hv_gpu *gpu)
{
    struct survey_facts facts = { .host = host, .gpu = gpu };
    unsigned assigned = count_assigned(host, gpu);
    uint64_t count = gpu->partition_count.known ? gpu->partition_count.value : UINT16_MAX;

    survey_count(&facts);
    return (struct candidate){ .gpu = gpu,
                               .size = partition_vram(gpu),
                               .left = assigned < count ? count - assigned : 0,
                               .is_free = facts.partitions_taken < count };
}

/* Whether @a is to be taken before @b. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->is_free != b->is_free)
        return a->is_free;
    if ((a->left > 0) != (b->left > 0))
        return a->left > 0;
    if (a->size.known && b->size.known && a->size.value != b->size.value)
        return a->size.value < b->size.value;
    return a->left > b->left;
}

/* Says what sizes there are. */
static bool too_small(const struct hv_host *host, const struct hv_gpu *only,
                      const struct attach_options *options, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf sizes = STRBUF_INIT;
    char wanted[24], size[24];

    for (size_t i = 0; i < host->gpu_count; i++) {
        const struct hv_gpu *gpu = &host->gpus[i];
        struct known_u64 vram = partition_vram(gpu);

        if (is_hardware(gpu) && (!only || gpu == only))
            strbuf_printf(
                &sizes, "%s'%s' has %s", sizes.len ? ", " : "", gpu->name ? gpu->name : "?",
                vram.known ? size_text(size, vram.value) : "partitions of unknown size");
    }
    if (sizes.failed)
        return err_no_memory(err);
    err_fail(err, ERR_CONFLICT, 0, "no partition of at least %s: %.200s",
             size_text(wanted, options->vram_bytes.value), sizes.text ? sizes.text : "");
    return err_hint(err, "fewer partitions are larger: 'hvgpu partition set'");
}

static bool choose_hardware(const struct hv_host *host, unsigned count,
                            const struct attach_options *options, const struct hv_gpu **ret,
                            struct err *err)
{
    struct candidate best = { 0 };

    for (size_t i = 0; i < host->gpu_count; i++) {
        struct candidate one;

        if (!is_hardware(&host->gpus[i]) || !is_large_enough(&host->gpus[i], options))
            continue;
        one = look_at(host, &host->gpus[i]);
        if (!best.gpu || is_better(&one, &best))
            best = one;
    }
    if (!best.gpu)
        return too_small(host, NULL, options, err);
    if (!best.is_free && count > 1) {
        err_fail(err, ERR_CONFLICT, 0, "none of the host's %u GPUs has a free partition%s",
                 count, options->vram_bytes.known ? " of that size" : "");
        return err_hint(err, "detach it from another VM, or set more partitions");
    }
    *ret = best.gpu;
    return true;
}

static bool choose_any(const struct hv_host *host, const struct attach_options *options,
                       const struct hv_gpu **ret, struct err *err)
{
    const struct hv_gpu *only = NULL;
    unsigned count = 0, hardware = 0;

    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i].interface_path) {
            only = &host->gpus[i];
            hardware += is_hardware(only);
            count++;
        }
    if (count > 0 && hardware == count)
        return choose_hardware(host, count, options, ret, err);
    if (count == 1) {
        *ret = only;
        return true;
    }
    if (count == 0) {
        err_fail(err, ERR_NOT_FOUND, 0, "the host has no GPU that can be shared");
        return err_hint(err, "'hvgpu gpu list' shows its GPUs and what each can do");
    }
    err_fail(err, ERR_INVALID, 0, "the host has %u GPUs that can be shared", count);
    return err_hint(err, "choose one with --gpu; 'hvgpu gpu list' shows them");
}

/* The hardware partition the VM has, if it has just one adapter. */
static const struct hv_gpu *present_gpu(const struct hv_host *host, const struct hv_vm *vm)
{
    const struct hv_gpu *gpu =
        vm->adapter_count == 1 ? gpu_of_adapter(host, &vm->adapters[0]) : NULL;

    return gpu && is_hardware(gpu) ? gpu : NULL;
}

/* An adapter without a pin that is, or may be, on @gpu. */
static bool has_unpinned(const struct hv_host *host, const struct hv_vm *vm,
                         const struct hv_gpu *gpu)
{
    for (size_t i = 0; i < vm->adapter_count; i++) {
        const struct hv_adapter *adapter = &vm->adapters[i];

        if (adapter->interface_path)
            continue;
        if (adapter->running_on ? text_ieq(adapter->running_on, gpu->interface_path)
                                : hv_all_alike(host, gpu))
            return true;
    }
    return false;
}

static bool wants_pin(const struct hv_host *host, const struct hv_vm *vm,
                      const struct attach_options *options, const struct hv_gpu *gpu)
{
    if (host->build.known && host->build.value < BUILD_PINS)
        return false;
    if (!is_hardware(gpu))
        return true;
    if (has_unpinned(host, vm, gpu))
        return false; /* it has what is wanted */
    return options->gpu || survey_vm_has_gpu(vm, gpu->interface_path) ||
           !hv_find_role(host->cluster, vm->id) || !hv_all_alike(host, gpu);
}

bool choose_gpu(const struct hv_host *host, const struct hv_vm *vm,
                const struct attach_options *options, struct gpu_choice *ret,
                struct err *err)
{
    const struct hv_gpu *gpu = options->gpu ? NULL : present_gpu(host, vm);

    if (gpu && !is_large_enough(gpu, options))
        gpu = NULL;
    if (options->gpu) {
        if (!hv_select_gpu(host, options->gpu, &gpu, err))
            return false;
    } else if (!gpu && !choose_any(host, options, &gpu, err)) {
        return false;
    }
    if (options->vram_bytes.known && gpu->interface_path && !is_hardware(gpu)) {
        err_fail(err, ERR_INVALID, 0,
                 "'%.120s' shares all of its memory: --vram is of GPU-P",
                 gpu->name ? gpu->name : "?");
        return err_hint(err, "leave --vram out");
    }
    if (is_hardware(gpu) && !is_large_enough(gpu, options))
        return too_small(host, gpu, options, err);
    *ret = (struct gpu_choice){
        .gpu = gpu, .pin = wants_pin(host, vm, options, gpu) ? gpu->interface_path : NULL
    };
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host has, as desired state. */

#include "found.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "assignable.h"
#include "failover.h"
#include "text.h"
#include "vm-plan.h"
#include "wants.h"

enum { NAME_MAX_BYTES = 512, NAME_SHOWN_BYTES = 200 };

struct finding_out {
    const struct hv_host *host;
    const struct found_options *options;
    struct desired_host *to;
    const struct hv_gpu **gpus; /* of @to's, by the same index; NULL: not on the host */
};

char *found_pin(const struct hv_adapter *adapter)
{
    CLEANUP(free_cleanup)
    char *id = gpu_instance_from_interface(adapter->interface_path);

    return id ? dda_host_id(id) : NULL;
}

/* ---- GPUs ---- */

/* "NVIDIA GeForce RTX 4070 Laptop GPU" -> "rtx-4070-laptop"; "" when nothing is left. */
static void slug_of(const char *name, char ret[ALIAS_MAX + 1])
{
    static const char *const left_out[] = { "nvidia", "geforce",  "amd",    "radeon",
                                            "intel",  "graphics", "gpu",    "r",
                                            "tm",     "tesla",    "family", "wddm",
                                            "adapter" };
    size_t len = 0;

    while (name && *name) {
        char word[ALIAS_MAX + 1];
        size_t n = 0;
        bool skip = false;

        while (*name && !isalnum((unsigned char)*name))
            name++;
        while (isalnum((unsigned char)*name)) {
            if (n < ALIAS_MAX)
                word[n++] = (char)tolower((unsigned char)*name);
            name++;
        }
        word[n] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(left_out); i++)
            skip |= strcmp(word, left_out[i]) == 0;
        if (n == 0 || skip || len + n + 1 > ALIAS_MAX)
            continue;
        if (len > 0)
            ret[len++] = '-';
        memcpy(ret + len, word, n);
        len += n;
    }
    ret[len] = '\0';
}

void found_alias(const char *name, char ret[FOUND_ALIAS])
{
    char slug[ALIAS_MAX + 1];
    bool is_word;

    slug_of(name, slug);
    is_word = isalpha((unsigned char)slug[0]);
    /* A word that could be taken for a number, a pci id or nothing at all. */
    snprintf(ret, FOUND_ALIAS, "%s%s%s", is_word ? "" : "gpu",
             is_word || !slug[0] ? "" : "-", slug);
}

static int compare_places(const void *a, const void *b)
{
    const struct hv_gpu *left = *(const struct hv_gpu *const *)a;
    const struct hv_gpu *right = *(const struct hv_gpu *const *)b;
    int order = text_casecmp(left->location_path ? left->location_path : "~",
                             right->location_path ? right->location_path : "~");

    return order ? order
                 : text_casecmp(left->instance_id ? left->instance_id : "",
                                right->instance_id ? right->instance_id : "");
}

static bool is_used(const struct hv_host *host, const struct hv_gpu *gpu)
{
    for (size_t v = 0; v < host->vm_count; v++)
        for (size_t d = 0; d < host->vms[v].device_count; d++)
            if (hv_find_gpu(host, host->vms[v].devices[d].instance_id) == gpu)
                return true;
    return false;
}

/* "NVIDIA A2, 16 GB" */
static char *describe(const struct hv_gpu *gpu)
{
    return gpu->vram_bytes.known && gpu->vram_bytes.value >= UINT64_C(1) << 30
               ? text_printf("%s, %llu GB", gpu->name ? gpu->name : "GPU",
                             (unsigned long long)(gpu->vram_bytes.value >> 30))
               : text_dup(gpu->name ? gpu->name : "GPU");
}

static bool fill_gpu(const struct hv_gpu *gpu, const char *alias, struct desired_gpu *to,
                     struct err *err)
{
    to->alias = text_dup(alias);
    to->name = describe(gpu);
    to->instance_id = gpu->instance_id ? dda_host_id(gpu->instance_id) : NULL;
    to->location_path = text_dup(gpu->location_path);
    to->pci_id = text_dup(gpu->pci_id);
    if (gpu->modes & GPU_MODE_P)
        to->partition_count = gpu->partition_count;
    return (to->alias && to->name && (to->instance_id || !gpu->instance_id) &&
            (to->location_path || !gpu->location_path) && (to->pci_id || !gpu->pci_id)) ||
           err_no_memory(err);
}

/* The n-th GPU of those called so is NAME-n; the only one is NAME. */
static bool name_gpu(const struct finding_out *out, const struct hv_gpu *const *all,
                     size_t count, size_t i, struct err *err)
{
    char slug[ALIAS_MAX + 1], other[ALIAS_MAX + 1], alias[FOUND_ALIAS];
    size_t alike = 0, before = 0;

    slug_of(all[i]->name, slug);
    for (size_t k = 0; k < count; k++) {
        slug_of(all[k]->name, other);
        if (strcmp(slug, other) == 0) {
            alike++;
            before += k < i;
        }
    }
    found_alias(all[i]->name, alias);
    if (alike > 1 || text_ieq(alias, "any"))
        snprintf(alias + strlen(alias), 24, "-%zu", before + 1);
    return fill_gpu(all[i], alias, &out->to->gpus[i], err);
}

static bool add_gpus(struct finding_out *out, struct err *err)
{
    const struct hv_host *host = out->host;
    size_t adapters = 0, count = 0;

    for (size_t v = 0; v < host->vm_count; v++)
        adapters += host->vms[v].adapter_count;
    /* Each adapter may be of a GPU that is gone. */
    out->gpus = calloc(host->gpu_count + adapters + 1, sizeof(*out->gpus));
    out->to->gpus = calloc(host->gpu_count + adapters + 1, sizeof(*out->to->gpus));
    if (!out->gpus || !out->to->gpus)
        return err_no_memory(err);
    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i].instance_id &&
            (host->gpus[i].modes != 0 || is_used(host, &host->gpus[i])))
            out->gpus[count++] = &host->gpus[i];
    qsort(out->gpus, count, sizeof(*out->gpus), compare_places);
    for (size_t i = 0; i < count; i++) {
        out->to->gpu_count++;
        if (!name_gpu(out, out->gpus, count, i, err))
            return false;
    }
    return true;
}

static int index_of(const struct finding_out *out, const char *instance_id)
{
    for (size_t i = 0; i < out->to->gpu_count; i++)
        if (text_ieq(out->to->gpus[i].instance_id, instance_id))
            return (int)i;
    return -1;
}

/* An adapter of a GPU that the host does not have, or no longer lists as one to share. */
static bool add_missing(struct finding_out *out, const char *instance_id, struct err *err)
{
    const struct hv_gpu *gpu = hv_find_gpu(out->host, instance_id);
    size_t i = out->to->gpu_count++;
    char alias[40];

    out->gpus[i] = gpu;
    if (gpu) {
        snprintf(alias, sizeof(alias), "other-%zu", i + 1);
        return fill_gpu(gpu, alias, &out->to->gpus[i], err);
    }
    snprintf(alias, sizeof(alias), "missing-%zu", i + 1);
    out->to->gpus[i] = (struct desired_gpu){
        .alias = text_dup(alias),
        .name = text_dup("a VM has an adapter of it, and the host no such GPU"),
        .instance_id = text_dup(instance_id),
        .pci_id = gpu_pci_id(instance_id),
        .is_missing = true,
    };
    return (out->to->gpus[i].alias && out->to->gpus[i].name &&
            out->to->gpus[i].instance_id) ||
           err_no_memory(err);
}

/* ---- VMs ---- */

static struct desired_use *find_use(const struct desired_vm *vm, int gpu)
{
    for (size_t i = 0; i < vm->use_count; i++)
        if (vm->uses[i].gpu == gpu)
            return &vm->uses[i];
    return NULL;
}

static bool add_adapter(struct finding_out *out, const struct hv_adapter *adapter,
                        struct desired_vm *to, struct err *err)
{
    CLEANUP(free_cleanup) char *pin = found_pin(adapter);
    struct desired_use *same;
    int gpu = DESIRED_ANY_GPU;
    unsigned share = 0;

    if (adapter->interface_path) {
        if (!pin) /* not a path of Windows: nothing can be said about it */
            return true;
        gpu = index_of(out, pin);
        if (gpu < 0) {
            if (!add_missing(out, pin, err))
                return false;
            gpu = (int)out->to->gpu_count - 1;
        }
    }
    same = find_use(to, gpu);
    if (same) { /* one of a GPU that it has whole is dead */
        same->count += same->mode != GPU_MODE_DDA;
        same->share_percent.known &= same->mode == GPU_MODE_DDA;
        return true;
    }
    if (gpu >= 0 && out->gpus[gpu] &&
        !gpu_interface_is_paravirtual(adapter->interface_path))
        share = share_of_quota(out->gpus[gpu], adapter->quota);
    to->uses[to->use_count++] = (struct desired_use){
        .gpu = gpu,
        .count = 1,
        .share_percent = { share > 0, share },
        .mode = !adapter->interface_path                                ? 0
                : gpu_interface_is_paravirtual(adapter->interface_path) ? GPU_MODE_PV
                                                                        : GPU_MODE_P,
    };
    return true;
}

static void add_device(const struct finding_out *out, const struct hv_device *device,
                       struct desired_vm *to)
{
    CLEANUP(free_cleanup)
    char *id = device->instance_id ? dda_host_id(device->instance_id) : NULL;
    int gpu = id && !device->is_gone ? index_of(out, id) : -1;

    /* The card's other functions go where the GPU goes. */
    if (gpu >= 0 && !find_use(to, gpu))
        to->uses[to->use_count++] =
            (struct desired_use){ .gpu = gpu, .count = 1, .mode = GPU_MODE_DDA };
}

static int compare_uses(const void *a, const void *b)
{
    const struct desired_use *left = a, *right = b;

    return left->gpu - right->gpu;
}

static bool differs(const json_t *changes, const char *key)
{
    return json_object_get(changes, key) != NULL;
}

/* Only what `attach` would make otherwise is worth a line. */
static bool add_settings(const struct finding_out *out, const struct hv_vm *vm,
                         struct desired_vm *to, struct err *err)
{
    for (size_t i = 0; i < to->use_count; i++) {
        const struct hv_gpu *gpu =
            to->uses[i].gpu == DESIRED_ANY_GPU ? NULL : out->gpus[to->uses[i].gpu];
        struct vm_changes changes;
        struct gaps fresh;

        if (to->uses[i].mode == GPU_MODE_DDA || (!gpu && to->uses[i].gpu >= 0))
            continue;
        if (!vm_changes_init(&changes, err)) {
            vm_changes_clear(&changes);
            return false;
        }
        gaps_for_partition(NULL, gpu ? gpu : &(struct hv_gpu){ 0 }, &fresh);
        share_want_settings(&changes, vm, &fresh, &(struct share_wish){ 0 });
        if (differs(changes.after, "low_mmio_bytes"))
            to->low_mmio_bytes = vm->low_mmio_bytes;
        if (differs(changes.after, "high_mmio_bytes"))
            to->high_mmio_bytes = vm->high_mmio_bytes;
        if (differs(changes.after, "guest_controlled_cache"))
            to->guest_controlled_cache = vm->guest_controlled_cache;
        if (differs(changes.after, "stop_action") && vm->stop_action.known &&
            stop_action_name(vm->stop_action.value))
            to->stop_action = vm->stop_action;
        if (differs(changes.after, "checkpoint_type") && vm->checkpoint_type.known &&
            checkpoint_type_name(vm->checkpoint_type.value))
            to->checkpoint_type = vm->checkpoint_type;
        vm_changes_clear(&changes);
    }
    return true;
}

static bool is_fit_for_a_key(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return len > 0 && len <= NAME_MAX_BYTES && text_is_utf8(name, len);
}

/* Why a VM is named by its id. */
static char *why_by_id(const struct hv_vm *vm, bool is_unique)
{
    if (!text_is_utf8(vm->name, strlen(vm->name)))
        return text_dup("its name is not valid UTF-8");
    return text_printf(is_unique ? "'%.*s', which a file cannot hold as a name"
                                 : "'%.*s', which is not the only one of that name",
                       (int)text_cut(vm->name, NAME_SHOWN_BYTES), vm->name);
}

/* @is_unique: no other VM of the host is called so. */
static bool add_vm(struct finding_out *out, const struct hv_vm *vm, bool is_unique,
                   struct desired_vm *to, struct err *err)
{
    bool by_name = is_unique && vm->name && is_fit_for_a_key(vm->name);
    bool partition = false, whole = false;

    to->name = text_dup(by_name ? vm->name : vm->id);
    to->is_role = hv_find_role(out->host->cluster, vm->id) != NULL;
    if (!by_name && vm->name)
        to->comment = why_by_id(vm, is_unique);
    to->uses = calloc(vm->adapter_count + vm->device_count + 1, sizeof(*to->uses));
    if (!to->name || !to->uses || (!by_name && vm->name && !to->comment))
        return err_no_memory(err);
    /* A GPU that it has whole is not also in part: such an adapter is dead. */
    for (size_t i = 0; i < vm->device_count; i++)
        add_device(out, &vm->devices[i], to);
    for (size_t i = 0; i < vm->adapter_count; i++)
        if (!add_adapter(out, &vm->adapters[i], to, err))
            return false;
    qsort(to->uses, to->use_count, sizeof(*to->uses), compare_uses);
    for (size_t i = 0; i < to->use_count; i++) {
        partition |= to->uses[i].mode != GPU_MODE_DDA;
        whole |= to->uses[i].mode == GPU_MODE_DDA;
    }
    if (partition)
        to->drivers = vm->disk_count > 0 ? out->options->drivers : DRIVERS_NONE;
    if (whole) { /* computed from BARs that cannot be seen now */
        to->low_mmio_bytes = vm->low_mmio_bytes;
        to->high_mmio_bytes = vm->high_mmio_bytes;
    }
    return add_settings(out, vm, to, err);
}

static int compare_vms(const void *a, const void *b)
{
    const struct hv_vm *left = *(const struct hv_vm *const *)a;
    const struct hv_vm *right = *(const struct hv_vm *const *)b;
    int order = text_casecmp(left->name ? left->name : "", right->name ? right->name : "");

    return order ? order : text_casecmp(left->id, right->id);
}

static bool same_name(const struct hv_vm *a, const struct hv_vm *b)
{
    return a && b && text_ieq(a->name, b->name);
}

static bool add_vms(struct finding_out *out, struct err *err)
{
    size_t count = out->host->vm_count;
    CLEANUP(free_cleanup) const struct hv_vm **sorted = calloc(count + 2, sizeof(*sorted));

    out->to->vms = calloc(count + 1, sizeof(*out->to->vms));
    if (!sorted || !out->to->vms)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &out->host->vms[i];
    qsort(sorted, count, sizeof(*sorted), compare_vms);
    for (size_t i = 0; i < count; i++) {
        bool unique = !same_name(sorted[i], sorted[i + 1]) &&
                      !(i > 0 && same_name(sorted[i], sorted[i - 1]));

        out->to->vm_count++;
        if (!add_vm(out, sorted[i], unique, &out->to->vms[i], err))
            return false;
    }
    return true;
}

bool desired_from_host(const struct hv_host *host, const char *name,
                       const struct found_options *options, struct desired_host *ret,
                       struct err *err)
{
    struct desired_host made = { .name = text_dup(name) };
    struct finding_out out = { .host = host, .options = options, .to = &made };
    bool ok;

    if (host->product && host->build.known)
        made.comment =
            text_printf("%s (%llu)", host->product, (unsigned long long)host->build.value);
    ok = (made.name || err_no_memory(err)) && add_gpus(&out, err) && add_vms(&out, err);
    free(out.gpus);
    if (!ok) {
        desired_host_clear(&made);
        return false;
    }
    *ret = made;
    return true;
}

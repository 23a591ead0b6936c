/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file wants against what a host has: VMs, what they have, and their settings. */

#include "compare.h"

#include <stdio.h>
#include <string.h>

#include "assignable.h"
#include "choose-gpu.h"
#include "compare-parts.h"
#include "found.h"
#include "text.h"
#include "wants.h"

const char *difference_name(enum difference_kind kind)
{
    /* clang-format off */
    static const char *const names[DIFF_KIND_COUNT] = {
        [DIFF_GPU_MISSING] = "gpu-missing",
        [DIFF_GPU_MOVED] = "gpu-moved",
        [DIFF_GPU_FOUND] = "gpu-found",
        [DIFF_PARTITION_COUNT] = "partition-count",
        [DIFF_VM_MISSING] = "vm-missing",
        [DIFF_VM_AMBIGUOUS] = "vm-ambiguous",
        [DIFF_ADAPTER_MISSING] = "adapter-missing",
        [DIFF_ADAPTER_EXTRA] = "adapter-extra",
        [DIFF_ADAPTER_MOVED] = "adapter-moved",
        [DIFF_WRONG_GPU] = "wrong-gpu",
        [DIFF_MODE] = "mode",
        [DIFF_SHARE] = "share",
        [DIFF_MMIO] = "mmio",
        [DIFF_SETTING] = "setting",
        [DIFF_DRIVER] = "driver",
        [DIFF_DRIVER_UNKNOWN] = "driver-unknown",
        [DIFF_VM_ELSEWHERE] = "vm-elsewhere",
        [DIFF_UNLISTED] = "unlisted",
    };
    /* clang-format on */

    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

bool difference_is_note(const struct difference *difference)
{
    return difference->kind == DIFF_VM_ELSEWHERE || difference->kind == DIFF_GPU_MOVED ||
           difference->kind == DIFF_GPU_FOUND || difference->kind == DIFF_DRIVER_UNKNOWN ||
           difference->kind == DIFF_UNLISTED;
}

void comparison_clear(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++) {
        free(comparison->items[i].wanted);
        free(comparison->items[i].found);
        free(comparison->items[i].why);
    }
    free(comparison->items);
    free(comparison->gpus);
    free(comparison->vms);
    free(comparison->listed);
    *comparison = (struct comparison){ 0 };
}

struct difference *comparison_add(struct comparison *to, enum difference_kind kind,
                                  char *wanted, char *found, struct err *err)
{
    struct difference *items = to->items;

    /* Doubling, so that ten thousand of them are not copied ten thousand times. */
    if ((to->count & (to->count - 1)) == 0)
        items = realloc(items, (to->count ? 2 * to->count : 1) * sizeof(*items));
    if (!items) {
        free(wanted);
        free(found);
        err_no_memory(err);
        return NULL;
    }
    to->items = items;
    items[to->count] =
        (struct difference){ .kind = kind, .wanted = wanted, .found = found };
    return &items[to->count++];
}

/* ---- VMs, by name and by id ---- */

static int compare_names(const void *a, const void *b)
{
    return text_casecmp(((const struct vm_name *)a)->name,
                        ((const struct vm_name *)b)->name);
}

static bool index_vms(struct comparison *c, struct err *err)
{
    const struct hv_host *host = c->found;

    c->vms = calloc(2 * host->vm_count + 1, sizeof(*c->vms));
    c->listed = calloc(host->vm_count + 1, sizeof(*c->listed));
    if (!c->vms || !c->listed)
        return err_no_memory(err);
    for (size_t i = 0; i < host->vm_count; i++) {
        c->vms[c->vm_name_count++] =
            (struct vm_name){ host->vms[i].id, &host->vms[i], true };
        if (host->vms[i].name)
            c->vms[c->vm_name_count++] =
                (struct vm_name){ host->vms[i].name, &host->vms[i], false };
    }
    qsort(c->vms, c->vm_name_count, sizeof(*c->vms), compare_names);
    return true;
}

/* The first of that name or id. */
static const struct vm_name *first_named(struct comparison *c, const char *name)
{
    size_t from = 0, to = c->vm_name_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        c->name_compares++;
        if (text_casecmp(c->vms[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return c->vms + from;
}

const struct hv_vm *desired_find_vm(struct comparison *c, const struct desired_vm *vm,
                                    size_t *ret_count)
{
    const struct vm_name *end = c->vms + c->vm_name_count;
    const struct vm_name *at = first_named(c, vm->name);

    *ret_count = 0;
    for (const struct vm_name *n = at; n < end && text_ieq(n->name, vm->name); n++) {
        if (n->is_id) { /* an id is exact, whatever others are called */
            *ret_count = 1;
            return n->vm;
        }
        ++*ret_count;
    }
    return *ret_count == 1 ? at->vm : NULL;
}

/* ---- what a VM has ---- */

static bool same_instance(const char *a, const char *b)
{
    CLEANUP(free_cleanup) char *left = a ? dda_host_id(a) : NULL;
    CLEANUP(free_cleanup) char *right = b ? dda_host_id(b) : NULL;

    return left && right && text_ieq(left, right);
}

/* Also an adapter of a GPU that the host does not have, where the file says the same. */
static bool adapter_matches(const struct comparison *c, const struct desired_use *use,
                            const struct hv_adapter *adapter)
{
    CLEANUP(free_cleanup) char *pin = NULL;
    const struct hv_gpu *gpu;

    if (use->gpu == DESIRED_ANY_GPU || !adapter->interface_path)
        return true; /* a host that cannot pin does not tell either */
    pin = found_pin(adapter);
    gpu = pin ? hv_find_gpu(c->found, pin) : NULL;
    if (gpu)
        return desired_gpu_matches(c, use, gpu);
    return pin && c->wanted->gpus[use->gpu].is_missing &&
           same_instance(c->wanted->gpus[use->gpu].instance_id, pin);
}

const struct hv_adapter *desired_find_adapter(const struct comparison *c,
                                              const struct desired_use *use,
                                              const struct hv_vm *vm)
{
    for (size_t i = 0; i < vm->adapter_count; i++)
        if (adapter_matches(c, use, &vm->adapters[i]))
            return &vm->adapters[i];
    return NULL;
}

size_t desired_count_adapters(const struct comparison *c, const struct desired_use *use,
                              const struct hv_vm *vm)
{
    size_t count = 0;

    for (size_t i = 0; i < vm->adapter_count; i++)
        count += adapter_matches(c, use, &vm->adapters[i]);
    return count;
}

static const struct hv_gpu *device_gpu(const struct comparison *c,
                                       const struct hv_device *device)
{
    return device->is_gone ? NULL : hv_find_gpu(c->found, device->instance_id);
}

const struct hv_device *desired_find_device(const struct comparison *c,
                                            const struct desired_use *use,
                                            const struct hv_vm *vm)
{
    for (size_t i = 0; i < vm->device_count; i++) {
        const struct hv_gpu *gpu = device_gpu(c, &vm->devices[i]);

        if (gpu && use->gpu != DESIRED_ANY_GPU && desired_gpu_matches(c, use, gpu))
            return &vm->devices[i];
    }
    return NULL;
}

size_t desired_count_devices(const struct comparison *c, const struct desired_use *use,
                             const struct hv_vm *vm)
{
    size_t count = 0;

    for (size_t i = 0; i < vm->device_count; i++) {
        const struct hv_gpu *gpu = device_gpu(c, &vm->devices[i]);

        count += gpu && use->gpu != DESIRED_ANY_GPU && desired_gpu_matches(c, use, gpu);
    }
    return count;
}

/* ---- one VM ---- */

static bool has_whole(const struct vm_compare *v, const struct hv_gpu *gpu)
{
    for (size_t i = 0; gpu && i < v->count; i++)
        if (v->things[i].is_whole && v->things[i].gpu == gpu)
            return true;
    return false;
}

static void collect_things(struct vm_compare *v)
{
    for (size_t i = 0; i < v->found->device_count && v->count < THINGS_MAX; i++) {
        const struct hv_gpu *gpu = device_gpu(v->c, &v->found->devices[i]);

        if (gpu) /* other functions go with it */
            v->things[v->count++] =
                (struct thing){ .gpu = gpu, .is_whole = true, .mode = GPU_MODE_DDA };
    }
    for (size_t i = 0; i < v->found->adapter_count && v->count < THINGS_MAX; i++) {
        const struct hv_adapter *adapter = &v->found->adapters[i];
        struct thing thing = { .pin = found_pin(adapter) };

        thing.gpu = thing.pin ? hv_find_gpu(v->c->found, thing.pin) : NULL;
        thing.mode = !adapter->interface_path                                ? 0
                     : gpu_interface_is_paravirtual(adapter->interface_path) ? GPU_MODE_PV
                                                                             : GPU_MODE_P;
        if (has_whole(v, thing.gpu)) /* then this one is dead */
            free(thing.pin);
        else
            v->things[v->count++] = thing;
    }
}

/* "a2-1 (gpu-p)" */
static char *describe_use(const struct vm_compare *v, const struct desired_use *use)
{
    const char *name =
        use->gpu == DESIRED_ANY_GPU ? "any" : v->c->wanted->gpus[use->gpu].alias;
    const char *mode = desired_mode_name(use->mode);

    return mode ? text_printf("%s (%s)", name, mode) : text_dup(name);
}

/* By the name the file has for it, else by what it is. */
static char *describe_thing(const struct vm_compare *v, const struct thing *thing)
{
    const char *name = NULL, *mode = desired_mode_name(thing->mode);

    for (size_t i = 0; i < v->c->wanted->gpu_count && thing->gpu && !name; i++)
        if (desired_gpu_matches(v->c, &(struct desired_use){ .gpu = (int)i }, thing->gpu))
            name = v->c->wanted->gpus[i].alias;
    if (!name && thing->gpu)
        name = thing->gpu->instance_id;
    if (!name)
        name = thing->pin ? thing->pin : "any";
    return mode ? text_printf("%s (%s)", name, mode) : text_dup(name);
}

static bool add_vm_difference(struct vm_compare *v, enum difference_kind kind,
                              const struct desired_use *use, const struct thing *thing,
                              struct err *err)
{
    struct difference *made;
    char *wanted = use ? describe_use(v, use) : NULL;
    char *found = thing ? describe_thing(v, thing) : NULL;

    if ((use && !wanted) || (thing && !found)) {
        free(wanted);
        free(found);
        return err_no_memory(err);
    }
    made = comparison_add(v->c, kind, wanted, found, err);
    if (!made)
        return false;
    made->vm = v->vm;
    made->found_vm = v->found;
    made->gpu = use && use->gpu != DESIRED_ANY_GPU ? &v->c->wanted->gpus[use->gpu] : NULL;
    made->found_gpu = thing ? thing->gpu : NULL;
    return true;
}

static bool thing_matches(const struct vm_compare *v, const struct desired_use *use,
                          const struct thing *thing)
{
    if (use->gpu == DESIRED_ANY_GPU || (!thing->is_whole && !thing->pin))
        return !thing->is_whole;
    if (thing->gpu)
        return desired_gpu_matches(v->c, use, thing->gpu);
    return v->c->wanted->gpus[use->gpu].is_missing &&
           same_instance(v->c->wanted->gpus[use->gpu].instance_id, thing->pin);
}

/* An adapter that names the place the wanted GPU was in before it moved. */
static bool was_there(const struct vm_compare *v, const struct desired_use *use,
                      const struct thing *thing)
{
    return use->gpu != DESIRED_ANY_GPU && !thing->gpu && thing->pin &&
           v->c->gpus[use->gpu] &&
           same_instance(v->c->wanted->gpus[use->gpu].instance_id, thing->pin);
}

static bool mode_differs(const struct desired_use *use, const struct thing *thing)
{
    if (use->mode == 0)
        return thing->is_whole;
    return thing->mode != 0 && thing->mode != use->mode;
}

struct pairing {
    unsigned missing[THINGS_MAX]; /* per use */
};

static bool find_things(struct vm_compare *v, size_t u, struct pairing *p, struct err *err)
{
    const struct desired_use *use = &v->vm->uses[u];

    p->missing[u] = use->count;
    for (size_t t = 0; t < v->count && p->missing[u] > 0; t++) {
        struct thing *thing = &v->things[t];
        bool moved;

        if (thing->is_wanted)
            continue;
        moved = was_there(v, use, thing);
        if (!moved && !thing_matches(v, use, thing))
            continue;
        thing->is_wanted = true;
        p->missing[u]--;
        if (moved ? !add_vm_difference(v, DIFF_ADAPTER_MOVED, use, thing, err)
                  : mode_differs(use, thing) &&
                        !add_vm_difference(v, DIFF_MODE, use, thing, err))
            return false;
    }
    return true;
}

/* What means one GPU chooses before what takes any of a model, or any. */
static bool compare_present(struct vm_compare *v, struct pairing *p, struct err *err)
{
    for (int any = 0; any < 2; any++)
        for (size_t u = 0; u < v->vm->use_count && u < THINGS_MAX; u++) {
            int gpu = v->vm->uses[u].gpu;
            bool is_any =
                gpu == DESIRED_ANY_GPU || desired_is_model(&v->c->wanted->gpus[gpu]);

            if (is_any == any && !find_things(v, u, p, err))
                return false;
        }
    return true;
}

static bool compare_missing(struct vm_compare *v, struct pairing *p, struct err *err)
{
    size_t missing = 0, extra = 0, only_use = 0, only_thing = 0;

    for (size_t u = 0; u < v->vm->use_count; u++)
        if (p->missing[u] > 0) {
            missing += p->missing[u];
            only_use = u;
        }
    for (size_t t = 0; t < v->count; t++)
        if (!v->things[t].is_wanted) {
            extra++;
            only_thing = t;
        }
    if (missing == 1 && extra == 1)
        return add_vm_difference(v, DIFF_WRONG_GPU, &v->vm->uses[only_use],
                                 &v->things[only_thing], err);
    for (size_t u = 0; u < v->vm->use_count; u++)
        for (unsigned k = 0; k < p->missing[u]; k++)
            if (!add_vm_difference(v, DIFF_ADAPTER_MISSING, &v->vm->uses[u], NULL, err))
                return false;
    for (size_t t = 0; t < v->count; t++)
        if (!v->things[t].is_wanted &&
            !add_vm_difference(v, DIFF_ADAPTER_EXTRA, NULL, &v->things[t], err))
            return false;
    return true;
}

static bool compare_use(struct vm_compare *v, const struct desired_use *use,
                        struct err *err)
{
    const struct desired_gpu *gpu =
        use->gpu == DESIRED_ANY_GPU ? NULL : &v->c->wanted->gpus[use->gpu];
    const struct hv_adapter *adapter;

    if (use->mode == GPU_MODE_DDA)
        return !desired_find_device(v->c, use, v->found) || compare_gaps(v, err);
    adapter = desired_find_adapter(v->c, use, v->found);
    if (!adapter || (gpu && gpu->is_missing))
        return true;
    return compare_settings(v, gpu_of_adapter(v->c->found, adapter), err) &&
           compare_share(v, gpu_of_adapter(v->c->found, adapter), use, adapter, err);
}

static bool compare_found_vm(struct comparison *c, const struct desired_vm *vm,
                             const struct hv_vm *found, struct err *err)
{
    struct vm_compare *v = calloc(1, sizeof(*v));
    struct pairing pairing = { 0 };
    bool ok;

    if (!v)
        return err_no_memory(err);
    v->c = c;
    v->vm = vm;
    v->found = found;
    collect_things(v);
    ok = compare_present(v, &pairing, err) && compare_missing(v, &pairing, err);
    for (size_t u = 0; ok && u < vm->use_count; u++)
        ok = compare_use(v, &vm->uses[u], err);
    for (size_t t = 0; t < v->count; t++)
        free(v->things[t].pin);
    free(v);
    return ok;
}

static bool compare_vm(struct comparison *c, const struct desired_vm *vm, struct err *err)
{
    size_t count;
    const struct hv_vm *found = desired_find_vm(c, vm, &count);
    struct difference *made;

    if (found) {
        c->listed[found - c->found->vms] = true;
        return compare_found_vm(c, vm, found, err);
    }
    if (vm->elsewhere)
        made = comparison_add(c, DIFF_VM_ELSEWHERE, NULL, text_dup(vm->elsewhere), err);
    else
        made =
            comparison_add(c, count ? DIFF_VM_AMBIGUOUS : DIFF_VM_MISSING, NULL, NULL, err);
    if (!made)
        return false;
    made->vm = vm;
    return true;
}

static bool note_unlisted(struct comparison *c, struct err *err)
{
    for (size_t i = 0; i < c->found->vm_count; i++) {
        const struct hv_vm *vm = &c->found->vms[i];
        struct difference *made;

        if (c->listed[i] || vm->adapter_count + vm->device_count == 0)
            continue;
        made = comparison_add(c, DIFF_UNLISTED, NULL, NULL, err);
        if (!made)
            return false;
        made->found_vm = vm;
    }
    return true;
}

bool desired_compare(const struct desired_host *wanted, const struct hv_host *found,
                     struct comparison *ret, struct err *err)
{
    struct comparison c = { .wanted = wanted, .found = found };
    bool ok = index_vms(&c, err) && compare_gpus(&c, err);

    for (size_t i = 0; ok && i < wanted->vm_count; i++)
        ok = compare_vm(&c, &wanted->vms[i], err);
    ok = ok && note_unlisted(&c, err);
    if (!ok) {
        comparison_clear(&c);
        return false;
    }
    *ret = c;
    return true;
}

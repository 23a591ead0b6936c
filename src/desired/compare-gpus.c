/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which GPU of a host a file means.  By its instance id; where that is gone, the GPU of the
 * same model in the same place; where that is gone too, the only one of the model that
 * nothing else in the file accounts for: then it was moved.  By its model alone: any of them.
 */
#include "compare-parts.h"

#include <string.h>
#include "err.h"
#include "text.h"

bool desired_is_model(const struct desired_gpu *gpu)
{
    return !gpu->instance_id && !gpu->location_path;
}

static bool same_model(const struct desired_gpu *wanted, const struct hv_gpu *gpu)
{
    CLEANUP(free_cleanup)
    char *from_id = wanted->instance_id ? gpu_pci_id(wanted->instance_id) : NULL;
    const char *id = wanted->pci_id ? wanted->pci_id : from_id;

    return !id || text_ieq(id, gpu->pci_id);
}

bool desired_gpu_matches(const struct comparison *c, const struct desired_use *use,
                         const struct hv_gpu *gpu)
{
    const struct desired_gpu *wanted;

    if (use->gpu == DESIRED_ANY_GPU)
        return true;
    wanted = &c->wanted->gpus[use->gpu];
    return desired_is_model(wanted) ? text_ieq(wanted->pci_id, gpu->pci_id)
                                    : c->gpus[use->gpu] == gpu;
}

const struct desired_gpu *desired_count_wish(const struct comparison *c,
                                             const struct hv_gpu *gpu)
{
    const struct desired_gpu *of_model = NULL;

    for (size_t i = 0; i < c->wanted->gpu_count; i++) {
        const struct desired_gpu *wanted = &c->wanted->gpus[i];

        if (!wanted->partition_count.known)
            continue;
        if (!desired_is_model(wanted) && c->gpus[i] == gpu)
            return wanted;
        if (!of_model && desired_is_model(wanted) && text_ieq(wanted->pci_id, gpu->pci_id))
            of_model = wanted;
    }
    return of_model;
}

static const struct hv_gpu *at_place(const struct hv_host *host,
                                     const struct desired_gpu *wanted)
{
    for (size_t i = 0; wanted->location_path && i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].location_path, wanted->location_path) &&
            same_model(wanted, &host->gpus[i]))
            return &host->gpus[i];
    return NULL;
}

static bool is_taken(const struct comparison *c, const struct hv_gpu *gpu)
{
    for (size_t i = 0; i < c->wanted->gpu_count; i++)
        if (c->gpus[i] == gpu)
            return true;
    return false;
}

static const struct hv_gpu *moved_to(const struct comparison *c,
                                     const struct desired_gpu *wanted)
{
    const struct hv_gpu *only = NULL;

    if (!wanted->instance_id && !wanted->pci_id) /* a place alone does not move */
        return NULL;
    for (size_t i = 0; i < c->found->gpu_count; i++) {
        const struct hv_gpu *gpu = &c->found->gpus[i];

        if (!same_model(wanted, gpu) || is_taken(c, gpu))
            continue;
        if (only)
            return NULL;
        only = gpu;
    }
    return only;
}

static char *place_of(const struct hv_gpu *gpu)
{
    return text_dup(gpu->location_path ? gpu->location_path : gpu->instance_id);
}

static bool add(struct comparison *c, enum difference_kind kind,
                const struct desired_gpu *wanted, const struct hv_gpu *found,
                char *wanted_text, char *found_text, struct err *err)
{
    struct difference *made = comparison_add(c, kind, wanted_text, found_text, err);

    if (!made)
        return false;
    made->gpu = wanted;
    made->found_gpu = found;
    return true;
}

static bool compare_count(struct comparison *c, const struct desired_gpu *wanted,
                          const struct hv_gpu *gpu, struct err *err)
{
    const struct known_u64 *has = &gpu->partition_count;

    if (!wanted->partition_count.known ||
        (has->known && has->value == wanted->partition_count.value))
        return true;
    return add(c, DIFF_PARTITION_COUNT, wanted, gpu,
               text_printf("%llu", (unsigned long long)wanted->partition_count.value),
               has->known ? text_printf("%llu", (unsigned long long)has->value) : NULL,
               err);
}

static bool compare_model(struct comparison *c, const struct desired_gpu *wanted,
                          struct err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < c->found->gpu_count; i++) {
        if (!text_ieq(c->found->gpus[i].pci_id, wanted->pci_id))
            continue;
        count++;
        if (desired_count_wish(c, &c->found->gpus[i]) == wanted &&
            !compare_count(c, wanted, &c->found->gpus[i], err))
            return false;
    }
    return count > 0 || wanted->is_missing ||
           add(c, DIFF_GPU_MISSING, wanted, NULL, text_dup(wanted->pci_id), NULL, err);
}

/* What stands in the place, where it is another model. */
static char *instead(const struct comparison *c, const struct desired_gpu *wanted)
{
    for (size_t i = 0; wanted->location_path && i < c->found->gpu_count; i++) {
        const struct hv_gpu *gpu = &c->found->gpus[i];

        if (text_ieq(gpu->location_path, wanted->location_path))
            return text_dup(gpu->pci_id ? gpu->pci_id : gpu->name);
    }
    return NULL;
}

static bool compare_one(struct comparison *c, size_t i, bool moved, struct err *err)
{
    const struct desired_gpu *wanted = &c->wanted->gpus[i];
    const struct hv_gpu *gpu = c->gpus[i];
    const char *where = wanted->location_path ? wanted->location_path : wanted->instance_id;

    if (desired_is_model(wanted))
        return compare_model(c, wanted, err);
    if (!gpu)
        return wanted->is_missing || add(c, DIFF_GPU_MISSING, wanted, NULL, text_dup(where),
                                         instead(c, wanted), err);
    if (wanted->is_missing &&
        !add(c, DIFF_GPU_FOUND, wanted, gpu, NULL, place_of(gpu), err))
        return false;
    if (moved && !add(c, DIFF_GPU_MOVED, wanted, gpu, text_dup(where), place_of(gpu), err))
        return false;
    return compare_count(c, wanted, gpu, err);
}

bool compare_gpus(struct comparison *c, struct err *err)
{
    size_t count = c->wanted->gpu_count;
    CLEANUP(free_cleanup) bool *moved = calloc(count + 1, sizeof(*moved));

    c->gpus = calloc(count + 1, sizeof(*c->gpus));
    if (!c->gpus || !moved)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (c->wanted->gpus[i].instance_id)
            c->gpus[i] = hv_find_gpu(c->found, c->wanted->gpus[i].instance_id);
    for (size_t i = 0; i < count; i++)
        if (!c->gpus[i]) {
            const struct hv_gpu *gpu = at_place(c->found, &c->wanted->gpus[i]);

            c->gpus[i] = gpu && !is_taken(c, gpu) ? gpu : NULL;
        }
    for (size_t i = 0; i < count; i++)
        if (!c->gpus[i] && !desired_is_model(&c->wanted->gpus[i]) &&
            !c->wanted->gpus[i].is_missing) {
            c->gpus[i] = moved_to(c, &c->wanted->gpus[i]);
            moved[i] = c->gpus[i] != NULL;
        }
    for (size_t i = 0; i < count; i++)
        if (!compare_one(c, i, moved[i], err))
            return false;
    return true;
}

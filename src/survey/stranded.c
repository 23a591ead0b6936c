/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VMs do not come up when a node fails.
 *
 * VMs and GPUs with free partitions are the two sides of a matching: a VM takes a place on any
 * GPU that fits it, and one that finds all of them taken makes another move over, if that one
 * fits elsewhere.  So a VM is named only if there is no way to place it beside those before it.
 */

#include <stdlib.h>
#include <string.h>

#include "cluster-view.h"
#include "err.h"
#include "survey.h"
#include "text.h"

struct place {
    const struct hv_host *host;
    const struct hv_gpu *gpu;
    size_t room;    /* free partitions */
    size_t *guests; /* indexes of VMs placed here; room for all of them */
    size_t count;
};

struct guest {
    const struct hv_vm *vm;
    const char *pin; /* NULL: any GPU */
};

struct matching {
    struct guest *guests;
    size_t guest_count;
    struct place *places;
    size_t place_count;
    bool *seen; /* places tried for the guest that is being placed */
};

static size_t free_partitions(const struct hv_host *host, const struct hv_gpu *gpu)
{
    struct survey_facts facts = { .host = host, .gpu = gpu };

    if (!gpu->partition_count.known)
        return 0;
    survey_count(&facts);
    return facts.partitions_taken < gpu->partition_count.value
               ? (size_t)gpu->partition_count.value - facts.partitions_taken
               : 0;
}

static bool fits(const struct guest *guest, const struct place *place)
{
    return !guest->pin || text_ieq(guest->pin, place->gpu->interface_path);
}

/* Kuhn's augmenting path, with places that take several. */
static bool put(struct matching *m, size_t guest)
{
    for (size_t p = 0; p < m->place_count; p++) {
        struct place *place = &m->places[p];

        if (m->seen[p] || !fits(&m->guests[guest], place))
            continue;
        m->seen[p] = true;
        if (place->count < place->room) {
            place->guests[place->count++] = guest;
            return true;
        }
        for (size_t i = 0; i < place->count; i++)
            if (put(m, place->guests[i])) {
                place->guests[i] = guest;
                return true;
            }
    }
    return false;
}

static void matching_clear(struct matching *m)
{
    for (size_t i = 0; i < m->place_count; i++)
        free(m->places[i].guests);
    free(m->places);
    free(m->guests);
    free(m->seen);
}

/* The adapter for a hardware partition that a VM needs again elsewhere; NULL: none. */
static const struct hv_adapter *needs_partition(const struct hv_host *host,
                                                const struct hv_vm *vm)
{
    for (size_t i = 0; i < vm->adapter_count; i++) {
        const struct hv_gpu *gpu = hv_adapter_gpu(host, &vm->adapters[i]);

        if (!gpu || gpu_has_hardware_partitions(gpu))
            return &vm->adapters[i];
    }
    return NULL;
}

static bool add_guests(struct matching *m, const struct cluster_view *view,
                       const struct hv_host *failing, struct err *err)
{
    m->guests = calloc(failing->vm_count ? failing->vm_count : 1, sizeof(*m->guests));
    if (!m->guests)
        return err_no_memory(err);
    for (size_t i = 0; i < failing->vm_count; i++) {
        const struct hv_vm *vm = &failing->vms[i];
        const struct hv_adapter *adapter = needs_partition(failing, vm);

        if (adapter && vm->state == VM_RUNNING && hv_find_role(view->cluster, vm->id))
            m->guests[m->guest_count++] =
                (struct guest){ .vm = vm, .pin = adapter->interface_path };
    }
    return true;
}

static bool add_places(struct matching *m, const struct cluster_view *view,
                       const struct hv_host *failing, struct err *err)
{
    size_t most = 0;

    for (size_t h = 0; h < view->host_count; h++)
        most += view->hosts[h] == failing ? 0 : view->hosts[h]->gpu_count;
    m->places = calloc(most ? most : 1, sizeof(*m->places));
    m->seen = calloc(most ? most : 1, sizeof(*m->seen));
    if (!m->places || !m->seen)
        return err_no_memory(err);
    for (size_t h = 0; h < view->host_count; h++) {
        const struct hv_host *host = view->hosts[h];

        for (size_t g = 0; host != failing && g < host->gpu_count; g++) {
            struct place *place = &m->places[m->place_count];

            if (!gpu_has_hardware_partitions(&host->gpus[g]))
                continue;
            *place = (struct place){ .host = host,
                                     .gpu = &host->gpus[g],
                                     .room = free_partitions(host, &host->gpus[g]),
                                     .guests = calloc(m->guest_count ? m->guest_count : 1,
                                                      sizeof(*place->guests)) };
            m->place_count++;
            if (!place->guests)
                return err_no_memory(err);
            if (place->room > m->guest_count)
                place->room = m->guest_count;
        }
    }
    return true;
}

static bool add_stranded(struct cluster_view *view, const struct hv_host *host,
                         const struct hv_vm *vm, struct err *err)
{
    struct cluster_stranded *grown =
        realloc(view->stranded, (view->stranded_count + 1) * sizeof(*grown));

    if (!grown)
        return err_no_memory(err);
    view->stranded = grown;
    grown[view->stranded_count++] = (struct cluster_stranded){ .vm = vm, .host = host };
    return true;
}

static bool fail_one(struct cluster_view *view, const struct hv_host *failing,
                     struct err *err)
{
    struct matching m = { 0 };
    bool ok = add_guests(&m, view, failing, err) && add_places(&m, view, failing, err);

    for (size_t i = 0; ok && i < m.guest_count; i++) {
        memset(m.seen, 0, m.place_count * sizeof(*m.seen));
        if (!put(&m, i))
            ok = add_stranded(view, failing, m.guests[i].vm, err);
    }
    matching_clear(&m);
    return ok;
}

bool cluster_find_stranded(struct cluster_view *view, struct err *err)
{
    for (size_t h = 0; h < view->host_count; h++)
        if (!fail_one(view, view->hosts[h], err))
            return false;
    return true;
}

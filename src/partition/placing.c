/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what was read of hosts to the numbers of src/place. */

#include "placing.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "partition.h"
#include "text.h"

/* ---- models and cards ---- */

/* The number of @name in a list of lent texts, to which it is added. */
static bool number_of(const char ***list, size_t *count, const char *name, uint32_t *ret,
                      struct err *err)
{
    const char **more;

    for (size_t i = 0; i < *count; i++)
        if (text_ieq((*list)[i], name)) {
            *ret = (uint32_t)i;
            return true;
        }
    more = realloc(*list, (*count + 1) * sizeof(*more));
    if (!more)
        return err_no_memory(err);
    *list = more;
    more[*count] = name;
    *ret = (uint32_t)(*count)++;
    return true;
}

static const char *model_of(const struct hv_gpu *gpu)
{
    return gpu->pci_id ? gpu->pci_id : "";
}

static int by_path(const void *a, const void *b)
{
    return text_casecmp(*(const char *const *)a, *(const char *const *)b);
}

/* 0: nobody is pinned to it. */
static uint32_t card_of(const struct placing *p, const char *path)
{
    const char **found =
        path && p->cards_sorted > 0
            ? bsearch(&path, p->cards, p->cards_sorted, sizeof(const char *), by_path)
            : NULL;

    if (found)
        return (uint32_t)(found - p->cards) + 1;
    for (size_t i = p->cards_sorted; path && i < p->card_count; i++)
        if (text_ieq(p->cards[i], path))
            return (uint32_t)i + 1;
    return 0;
}

static bool add_card(struct placing *p, const char *path, struct err *err)
{
    if (p->card_count == p->card_room) {
        size_t room = p->card_room ? p->card_room * 2 : 64;
        const char **more = realloc(p->cards, room * sizeof(*more));

        if (!more)
            return err_no_memory(err);
        p->cards = more;
        p->card_room = room;
    }
    p->cards[p->card_count++] = path;
    return true;
}

static bool collect_pins(struct placing *p, const struct hv_host *host, struct err *err)
{
    for (size_t v = 0; v < host->vm_count; v++)
        for (size_t a = 0; a < host->vms[v].adapter_count; a++) {
            const char *path = host->vms[v].adapters[a].interface_path;

            if (path && !gpu_interface_is_paravirtual(path) && !add_card(p, path, err))
                return false;
        }
    return true;
}

/* Each once, in order. */
static void sort_pins(struct placing *p)
{
    size_t kept = 0;

    if (p->card_count > 1)
        qsort(p->cards, p->card_count, sizeof(*p->cards), by_path);
    for (size_t i = 0; i < p->card_count; i++)
        if (kept == 0 || !text_ieq(p->cards[kept - 1], p->cards[i]))
            p->cards[kept++] = p->cards[i];
    p->card_count = p->cards_sorted = kept;
}

/* ---- GPUs ---- */

uint64_t placing_partition_bytes(const struct hv_gpu *gpu)
{
    const struct hv_amount *vram = &gpu->amounts[QUOTA_VRAM];

    return vram->optimal.known ? vram->optimal.value
           : vram->max.known   ? vram->max.value
                               : 0;
}

static bool add_gpus(struct placing *p, size_t h, struct err *err)
{
    const struct hv_host *host = p->hosts[h];
    size_t count = 0;

    p->gpus[h] = calloc(host->gpu_count + 1, sizeof(const struct hv_gpu *));
    p->place_gpus[h] = calloc(host->gpu_count + 1, sizeof(**p->place_gpus));
    p->used[h] = calloc(host->gpu_count + 1, sizeof(**p->used));
    if (!p->gpus[h] || !p->place_gpus[h] || !p->used[h])
        return err_no_memory(err);
    for (size_t g = 0; g < host->gpu_count; g++) {
        const struct hv_gpu *gpu = &host->gpus[g];
        struct place_gpu *to = &p->place_gpus[h][count];

        if (!partition_is_hardware(gpu) || !gpu->partition_count.known ||
            gpu->partition_count.value > UINT16_MAX)
            continue;
        if (!number_of(&p->classes, &p->class_count, model_of(gpu), &to->class_id, err))
            return false;
        to->card = card_of(p, gpu->interface_path);
        to->partition_bytes = placing_partition_bytes(gpu);
        to->partitions = (unsigned)gpu->partition_count.value;
        p->gpus[h][count++] = gpu;
    }
    p->nodes[h] = (struct place_node){ p->place_gpus[h], count, false };
    return true;
}

const struct hv_gpu *placing_gpu(const struct placing *p, struct place_spot spot)
{
    return spot.node < p->host_count && spot.gpu < p->nodes[spot.node].gpu_count
               ? p->gpus[spot.node][spot.gpu]
               : NULL;
}

unsigned placing_used(const struct placing *p, size_t host, size_t gpu)
{
    return p->used[host][gpu];
}

/* ---- where a VM may run ---- */

bool placing_same_cluster(const struct placing *p, size_t host, size_t other)
{
    const struct hv_cluster *cluster = p->hosts[host] ? p->hosts[host]->cluster : NULL;
    const struct hv_host *node = p->hosts[other];

    return cluster && node && node->cluster &&
           text_ieq(cluster->name, node->cluster->name) &&
           hv_find_node(cluster, node->computer_name);
}

/* The hosts of a kind; *ret stays NULL where there are none. */
static bool list_nodes(const struct placing *p, size_t h, const struct placing_guest *guest,
                       bool (*is_so)(const struct placing *p, size_t h,
                                     const struct placing_guest *guest, size_t node),
                       const size_t **ret, size_t *ret_count, struct err *err)
{
    size_t *nodes = calloc(p->host_count, sizeof(*nodes)), count = 0;

    if (!nodes)
        return err_no_memory(err);
    for (size_t n = 0; n < p->host_count; n++)
        if (is_so(p, h, guest, n))
            nodes[count++] = n;
    if (count == 0)
        free(TAKE(nodes));
    *ret = nodes;
    *ret_count = count;
    return true;
}

static bool may_be_on(const struct placing *p, size_t h, const struct placing_guest *guest,
                      size_t node)
{
    return guest->role ? placing_same_cluster(p, h, node) &&
                             hv_may_own(guest->role, p->hosts[node]->computer_name)
                       : node == h;
}

static bool likes(const struct placing *p, size_t h, const struct placing_guest *guest,
                  size_t node)
{
    return placing_same_cluster(p, h, node) &&
           hv_prefers(guest->role, p->hosts[node]->computer_name);
}

/* The nodes that may own it, unless that is all there are, and those it prefers. */
static bool limit_nodes(const struct placing *p, size_t h,
                        const struct placing_guest *guest, struct place_vm *vm,
                        struct err *err)
{
    if (!guest->role && !p->hosts[h]->cluster)
        return true;
    if (!list_nodes(p, h, guest, may_be_on, &vm->nodes, &vm->node_count, err))
        return false;
    if (vm->node_count == p->host_count) {
        free((size_t *)(uintptr_t)TAKE(vm->nodes));
        vm->node_count = 0;
    }
    return !guest->role || guest->role->preferred_owner_count == 0 ||
           list_nodes(p, h, guest, likes, &vm->liked, &vm->liked_count, err);
}

static struct place_vm *add_guest(struct placing *p, size_t host, const struct hv_vm *vm,
                                  struct err *err)
{
    struct placing_guest guest = { .host = host,
                                   .vm = vm,
                                   .role = hv_find_role(p->hosts[host]->cluster, vm->id) };
    struct place_vm to = { .class_id = PLACE_ANY_CLASS, .node = PLACE_NOWHERE };

    if (p->vm_count == p->vm_room) {
        size_t room = p->vm_room ? p->vm_room * 2 : 64;
        struct place_vm *vms = realloc(p->vms, room * sizeof(*vms));
        struct placing_guest *guests =
            vms ? realloc(p->guests, room * sizeof(*guests)) : NULL;

        p->vms = vms ? vms : p->vms;
        p->guests = guests ? guests : p->guests;
        if (!guests) {
            err_no_memory(err);
            return NULL;
        }
        p->vm_room = room;
    }
    if (!limit_nodes(p, host, &guest, &to, err)) {
        free((size_t *)(uintptr_t)to.nodes);
        return NULL;
    }
    to.stays_down = p->hosts[host]->cluster && !guest.role;
    p->guests[p->vm_count] = guest;
    p->vms[p->vm_count] = to;
    return &p->vms[p->vm_count++];
}

/* ---- VMs that have a partition ---- */

static size_t most_left(const struct placing *p, size_t h)
{
    size_t best = 0;
    long most = -1;

    for (size_t g = 0; g < p->nodes[h].gpu_count; g++) {
        long left = (long)p->place_gpus[h][g].partitions - (long)placing_used(p, h, g);

        if (g == 0 || left > most) {
            most = left;
            best = g;
        }
    }
    return best;
}

/* Which GPU of its host it has, or will have; false: none of them. */
static bool find_gpu_of(const struct placing *p, size_t h, const struct hv_adapter *adapter,
                        size_t *ret, bool *ret_vague)
{
    const struct hv_gpu *gpu = hv_adapter_gpu(p->hosts[h], adapter);

    *ret_vague = false;
    for (size_t g = 0; gpu && g < p->nodes[h].gpu_count; g++)
        if (p->gpus[h][g] == gpu) {
            *ret = g;
            return true;
        }
    if (gpu || adapter->interface_path || adapter->running_on || p->nodes[h].gpu_count == 0)
        return false;
    *ret = most_left(p, h);
    *ret_vague = !hv_all_alike(p->hosts[h], p->gpus[h][0]);
    return true;
}

/* They want one like it again: of that model, and as large as they were promised, or as they
 * have. */
static bool add_placed(struct placing *p, size_t h, const struct hv_vm *its, bool move,
                       struct err *err)
{
    for (size_t a = 0; a < its->adapter_count; a++) {
        const struct hv_adapter *adapter = &its->adapters[a];
        struct known_u64 least = adapter->quota[QUOTA_VRAM].min;
        struct place_vm *vm;
        bool is_vague;
        size_t g;

        if (!find_gpu_of(p, h, adapter, &g, &is_vague))
            continue;
        vm = add_guest(p, h, its, err);
        if (!vm)
            return false;
        p->guests[p->vm_count - 1].is_vague = is_vague;
        vm->node = h;
        vm->gpu = g;
        p->used[h][g]++;
        /* One of several partitions does not go anywhere without the others. */
        vm->may_move = move && its->adapter_count == 1 && !vm->stays_down;
        vm->card = card_of(p, adapter->interface_path);
        if (least.known && least.value > 0)
            vm->vram_bytes = least.value;
        else if (!is_vague)
            vm->vram_bytes = placing_partition_bytes(p->gpus[h][g]);
        if (!is_vague)
            vm->class_id = p->place_gpus[h][g].class_id;
    }
    return true;
}

/* Those that say which first: the others take what is left. */
static bool add_vms(struct placing *p, size_t h, bool move, struct err *err)
{
    const struct hv_host *host = p->hosts[h];

    for (int pass = 0; pass < 2; pass++)
        for (size_t v = 0; v < host->vm_count; v++) {
            const struct hv_vm *vm = &host->vms[v];
            bool names_all = true;

            for (size_t a = 0; a < vm->adapter_count; a++)
                names_all &= vm->adapters[a].interface_path || vm->adapters[a].running_on;
            if (names_all == (pass == 0) && !add_placed(p, h, vm, move, err))
                return false;
        }
    return true;
}

/* A paused node keeps its VMs and takes no others (clusapi ne-clusapi-cluster_node_state). */
static void close_if_paused(struct placing *p, size_t h)
{
    const struct hv_host *host = p->hosts[h];
    const struct hv_node *node = hv_find_node(host->cluster, host->computer_name);

    if (!node || !node->state.known || node->state.value != NODE_PAUSED)
        return;
    for (size_t g = 0; g < p->nodes[h].gpu_count; g++) {
        struct place_gpu *gpu = &p->place_gpus[h][g];
        unsigned used = placing_used(p, h, g);

        gpu->taken_by_others += used < gpu->partitions ? gpu->partitions - used : 0;
    }
}

bool placing_make(struct placing *p, const struct hv_host *const *hosts, size_t count,
                  bool move, struct err *err)
{
    *p = (struct placing){ .hosts = hosts, .host_count = count };
    p->gpus = calloc(count + 1, sizeof(*p->gpus));
    p->place_gpus = calloc(count + 1, sizeof(*p->place_gpus));
    p->nodes = calloc(count + 1, sizeof(*p->nodes));
    p->used = calloc(count + 1, sizeof(*p->used));
    if (!p->gpus || !p->place_gpus || !p->used || !p->nodes)
        return err_no_memory(err);
    for (size_t h = 0; h < count; h++)
        if (hosts[h] && !collect_pins(p, hosts[h], err))
            return false;
    sort_pins(p);
    for (size_t h = 0; h < count; h++) {
        p->nodes[h].is_down = true;
        if (hosts[h] && (!add_gpus(p, h, err) || !add_vms(p, h, move, err)))
            return false;
        if (hosts[h])
            close_if_paused(p, h);
    }
    return true;
}

void placing_clear(struct placing *p)
{
    for (size_t h = 0; h < p->host_count; h++) {
        if (p->gpus)
            free(p->gpus[h]);
        if (p->place_gpus)
            free(p->place_gpus[h]);
        if (p->used)
            free(p->used[h]);
    }
    for (size_t i = 0; i < p->vm_count; i++) {
        free((size_t *)(uintptr_t)p->vms[i].nodes);
        free((size_t *)(uintptr_t)p->vms[i].liked);
    }
    free(p->gpus);
    free(p->place_gpus);
    free(p->used);
    free(p->nodes);
    free(p->classes);
    free(p->cards);
    free(p->guests);
    free(p->vms);
    *p = (struct placing){ 0 };
}

/* ---- what is wanted ---- */

bool placing_find_class(const struct placing *p, const char *selector, uint32_t *ret,
                        struct err *err)
{
    bool found = false;

    for (size_t h = 0; h < p->host_count; h++) {
        CLEANUP(free_cleanup) const struct hv_gpu **gpus = NULL;
        struct err why = ERR_INIT;
        size_t count = 0;

        if (!p->hosts[h] || !hv_select_gpus(p->hosts[h], selector, &gpus, &count, &why))
            continue;
        for (size_t g = 0; g < p->nodes[h].gpu_count; g++) {
            uint32_t class_id = p->place_gpus[h][g].class_id;
            bool fits = false;

            for (size_t i = 0; i < count; i++)
                fits |= gpus[i] == p->gpus[h][g];
            if (fits && found && class_id != *ret) {
                err_fail(err, ERR_INVALID, 0, "'%.60s' fits GPUs of several models: %s, %s",
                         selector, p->classes[*ret], p->classes[class_id]);
                return err_hint(err, "say which by vendor:device, like --gpu %s",
                                p->classes[*ret]);
            }
            if (fits)
                *ret = class_id;
            found |= fits;
        }
    }
    if (found)
        return true;
    err_fail(err, ERR_NOT_FOUND, 0, "no GPU with hardware partitions fits '%.60s'",
             selector);
    return err_hint(err, "'hvgpu gpu list' shows what there is");
}

bool placing_want(struct placing *p, size_t host, const struct hv_vm *vm,
                  const struct placing_wish *wish, struct err *err)
{
    struct place_vm *to;
    bool has_one = false;

    for (size_t i = 0; i < p->vm_count; i++)
        if (p->guests[i].vm == vm) {
            p->guests[i].is_wanted = has_one = true;
            p->vms[i].group = wish->apart;
        }
    if (has_one)
        return true;
    to = add_guest(p, host, vm, err);
    if (!to)
        return false;
    p->guests[p->vm_count - 1].is_wanted = true;
    to->vram_bytes = wish->vram_bytes;
    to->class_id = wish->class_id;
    to->near = host + 1;
    to->group = wish->apart;
    return true;
}

struct place_problem placing_problem(const struct placing *p)
{
    return (struct place_problem){ .nodes = p->nodes,
                                   .node_count = p->host_count,
                                   .vms = p->vms,
                                   .vm_count = p->vm_count };
}

/* ---- pins ---- */

bool placing_pins(const struct placing *p, struct place_spot spot)
{
    const struct hv_gpu *gpu = placing_gpu(p, spot);

    return gpu && !hv_all_alike(p->hosts[spot.node], gpu);
}

/* The card of a spot gets a number, wherever there is one by its name. */
bool placing_number_card(struct placing *p, struct place_spot spot, uint32_t *ret,
                         struct err *err)
{
    const char *path = placing_gpu(p, spot)->interface_path;

    if (card_of(p, path) == 0 && !add_card(p, path, err))
        return false;
    for (size_t h = 0; h < p->host_count; h++)
        for (size_t g = 0; g < p->nodes[h].gpu_count; g++)
            p->place_gpus[h][g].card = card_of(p, p->gpus[h][g]->interface_path);
    *ret = card_of(p, path);
    return true;
}

bool placing_check_pins(struct placing *p, struct place_answer *answer, struct err *err)
{
    size_t count = p->vm_count;
    CLEANUP(free_cleanup) struct place_vm *then = calloc(count + 1, sizeof(*then));
    struct place_problem problem = placing_problem(p);
    struct place_loss *losses = NULL;
    bool any = false;

    if (!then)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct place_spot spot = answer->spots[i];

        then[i] = p->vms[i];
        then[i].node = spot.node;
        then[i].gpu = spot.gpu;
        if (p->vms[i].node != PLACE_NOWHERE || !p->guests[i].role || !placing_pins(p, spot))
            continue;
        any = true;
        if (!placing_number_card(p, spot, &then[i].card, err))
            return false;
    }
    if (!any)
        return true;
    problem.vms = then;
    if (!place_check(&problem, &losses, &count, err))
        return false;
    free(answer->losses);
    answer->losses = losses;
    answer->loss_count = count;
    if (count > 0 && answer->verdict == PLACE_SAFE)
        answer->verdict = PLACE_UNDECIDED;
    return true;
}

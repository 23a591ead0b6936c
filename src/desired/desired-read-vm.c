/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what a file of desired state says of one GPU and of one VM: hvgpu.yaml(5). */

#include "desired-read.h"

#include <string.h>

#include "nearest-word.h"
#include "text.h"
#include "yaml-map.h"

enum { PARTITIONS_MAX = 1024 };

/* ---- GPUs ---- */

static bool copy_text(struct yaml_reader *r, char **to, const char *text)
{
    *to = text_dup(text);
    return *to || err_no_memory(r->err);
}

/* "10de:25b6" */
static bool is_pci_id(const char *text)
{
    return strlen(text) == 9 && text[4] == ':' &&
           strspn(text, "0123456789abcdefABCDEF") == 4 &&
           strspn(text + 5, "0123456789abcdefABCDEF") == 4;
}

static bool is_instance_id(const char *text)
{
    return text_istarts(text, "PCI\\VEN_") || text_istarts(text, "PCIP\\VEN_");
}

static bool is_location_path(const char *text)
{
    return text_istarts(text, "PCIROOT(") || text_istarts(text, "ACPI(");
}

static bool read_instance_id(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired_gpu *gpu = target;
    const char *text = yaml_text(r, node, "instance_id");

    if (!text)
        return false;
    if (!is_instance_id(text)) {
        yaml_fail(r, node, "'%.80s' is no instance id", text);
        return err_hint(r->err, "it begins with PCI\\VEN_; 'hvgpu gpu show' tells it");
    }
    return copy_text(r, &gpu->instance_id, text);
}

static bool read_location_path(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired_gpu *gpu = target;
    const char *text = yaml_text(r, node, "location_path");

    if (!text)
        return false;
    if (!is_location_path(text)) {
        yaml_fail(r, node, "'%.80s' is no location path", text);
        return err_hint(r->err, "it begins with PCIROOT(; 'hvgpu gpu show' tells it");
    }
    return copy_text(r, &gpu->location_path, text);
}

static bool read_pci_id(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired_gpu *gpu = target;
    const char *text = yaml_text(r, node, "pci_id");

    if (!text)
        return false;
    if (!is_pci_id(text)) {
        yaml_fail(r, node, "'%.40s' is no vendor:device", text);
        return err_hint(r->err, "write four hexadecimal digits each: 10de:25b6");
    }
    return copy_text(r, &gpu->pci_id, text);
}

static bool read_partition_count(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired_gpu *gpu = target;

    gpu->partition_count.known = true;
    return yaml_number(r, node, "partition_count", 1, PARTITIONS_MAX,
                       &gpu->partition_count.value);
}

static bool read_missing(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired_gpu *gpu = target;

    return yaml_bool(r, node, "missing", &gpu->is_missing);
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

bool desired_read_gpu(struct yaml_reader *r, yaml_node_t *key, const char *name,
                      yaml_node_t *node, void *element, void *user)
{
    static const struct yaml_key keys[] = {
        { "instance_id", read_instance_id, false },
        { "location_path", read_location_path, false },
        { "pci_id", read_pci_id, false },
        { "partition_count", read_partition_count, false },
        { "missing", read_missing, false },
        { NULL, NULL, false },
    };
    struct desired_gpu *gpu = element;

    if (text_ieq(name, "any") || is_number(name) || is_pci_id(name) ||
        is_instance_id(name) || is_location_path(name)) {
        yaml_fail(r, key, "'%.60s' is not for you to choose as a name", name);
        return err_hint(r->err, "take a word that says which it is: a2-upper, rtx-left");
    }
    if (!copy_text(r, &gpu->alias, name) || !yaml_map(r, node, "a GPU", keys, gpu))
        return false;
    if (gpu->instance_id || gpu->location_path || gpu->pci_id)
        return true;
    yaml_fail(r, key, "nothing says which GPU '%.60s' is", name);
    return err_hint(r->err, "give its instance_id, location_path or pci_id");
}

/* ---- what a VM has ---- */

struct use_reading {
    struct desired_host *host;
    struct desired_use *use;
    yaml_node_t *gpu; /* where it is named */
};

static int find_gpu(const struct desired_host *host, const char *name)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].alias, name))
            return (int)i;
    return -1;
}

/* A VM may name a GPU by its identity: then it has an entry like any other. */
static bool add_inline(struct yaml_reader *r, const yaml_node_t *at,
                       struct desired_host *host, const char *name)
{
    struct desired_gpu *gpus, *gpu;

    if (host->gpu_count == GPUS_MAX)
        return yaml_fail(r, at, "more than %d GPUs in a host", GPUS_MAX);
    gpus = realloc(host->gpus, (host->gpu_count + 1) * sizeof(*gpus));
    if (!gpus)
        return err_no_memory(r->err);
    host->gpus = gpus;
    gpu = &gpus[host->gpu_count++];
    *gpu = (struct desired_gpu){ .is_inline = true };
    return copy_text(r, &gpu->alias, name) &&
           copy_text(r,
                     is_pci_id(name)        ? &gpu->pci_id
                     : is_instance_id(name) ? &gpu->instance_id
                                            : &gpu->location_path,
                     name);
}

static bool unknown_gpu(struct yaml_reader *r, const yaml_node_t *at,
                        const struct desired_host *host, const char *name)
{
    const char *words[GPUS_MAX + 1], *near;

    for (size_t i = 0; i < host->gpu_count; i++)
        words[i] = host->gpus[i].alias;
    words[host->gpu_count] = NULL;
    if (is_number(name)) {
        yaml_fail(r, at, "'%.20s': the number of a list does not say which GPU it is",
                  name);
        return err_hint(r->err, "name it under 'gpus' of the host, by its instance_id");
    }
    yaml_fail(r, at, "host '%.60s' has no GPU '%.60s' in this file", host->name, name);
    near = nearest_word(name, words);
    if (near)
        return err_hint(r->err, "did you mean '%s'?", near);
    return err_hint(r->err, "name it under 'gpus' of the host");
}

static bool read_use_gpu(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct use_reading *reading = target;
    const char *name = yaml_text(r, node, "gpu");

    if (!name)
        return false;
    reading->gpu = node;
    if (text_ieq(name, "any")) {
        reading->use->gpu = DESIRED_ANY_GPU;
        return true;
    }
    if (find_gpu(reading->host, name) < 0 &&
        (is_pci_id(name) || is_instance_id(name) || is_location_path(name)) &&
        !add_inline(r, node, reading->host, name))
        return false;
    reading->use->gpu = find_gpu(reading->host, name);
    return reading->use->gpu >= 0 || unknown_gpu(r, node, reading->host, name);
}

static bool read_mode(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    static const char *const words[] = { "gpu-pv", "gpu-p", "dda", NULL };
    static const unsigned modes[] = { GPU_MODE_PV, GPU_MODE_P, GPU_MODE_DDA };
    struct use_reading *reading = target;
    size_t i;

    if (!yaml_word(r, node, "mode", words, &i))
        return false;
    reading->use->mode = modes[i];
    return true;
}

static bool read_share(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct use_reading *reading = target;

    reading->use->share_percent.known = true;
    return yaml_number(r, node, "share", 1, 100, &reading->use->share_percent.value);
}

static bool read_use_count(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct use_reading *reading = target;
    uint64_t count;

    if (!yaml_number(r, node, "count", 1, USES_MAX, &count))
        return false;
    reading->use->count = (unsigned)count;
    return true;
}

/* One that is named by more than its model. */
static bool is_one_gpu(const struct use_reading *reading)
{
    const struct desired_gpu *gpu =
        reading->use->gpu < 0 ? NULL : &reading->host->gpus[reading->use->gpu];

    return gpu && (gpu->instance_id || gpu->location_path);
}

static bool check_use(struct yaml_reader *r, const struct use_reading *reading,
                      const struct desired_vm *vm)
{
    const struct desired_use *use = reading->use;

    if (use->share_percent.known && (use->mode == GPU_MODE_PV || use->mode == GPU_MODE_DDA))
        return yaml_fail(r, reading->gpu, "a share means nothing for %s",
                         use->mode == GPU_MODE_PV ? "GPU-PV, which ignores quotas"
                                                  : "a GPU that is assigned whole");
    if (use->gpu == DESIRED_ANY_GPU && use->mode == GPU_MODE_DDA)
        return yaml_fail(r, reading->gpu, "a whole GPU is never 'any' GPU");
    if (use->count > 1 && use->share_percent.known)
        return yaml_fail(r, reading->gpu, "a share is for one partition, not for %u",
                         use->count);
    if (use->count > 1 && use->mode == GPU_MODE_DDA && is_one_gpu(reading))
        return yaml_fail(r, reading->gpu, "a whole GPU is there once");
    for (const struct desired_use *other = vm->uses; other < use; other++)
        if (other->gpu == use->gpu) {
            yaml_fail(r, reading->gpu, "VM '%.60s' has this GPU twice", vm->name);
            return err_hint(r->err, "for two partitions of it write 'count: 2'");
        }
    return true;
}

static bool read_use(struct yaml_reader *r, yaml_node_t *node, struct use_reading *reading)
{
    static const struct yaml_key keys[] = {
        { "gpu", read_use_gpu, true },  { "mode", read_mode, false },
        { "share", read_share, false }, { "count", read_use_count, false },
        { NULL, NULL, false },
    };

    reading->use->count = 1;
    if (node->type == YAML_SCALAR_NODE) /* "- a2-1" */
        return read_use_gpu(r, node, reading);
    return yaml_map(r, node, "a GPU of a VM", keys, reading);
}

/* ---- VMs ---- */

struct vm_reading {
    struct desired_host *host;
    struct desired_vm *vm;
    yaml_node_t *drivers, *settings;
};

static bool read_uses(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct vm_reading *reading = target;
    struct desired_vm *vm = reading->vm;
    size_t count;

    if (node->type != YAML_SEQUENCE_NODE) {
        yaml_fail(r, node, "'gpus' of a VM is a list");
        return err_hint(r->err, "'gpus: [a2-1]', or lines that begin with '-'; none is []");
    }
    count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > USES_MAX)
        return yaml_fail(r, node, "more than %d GPUs for one VM", USES_MAX);
    vm->uses = calloc(count + 1, sizeof(*vm->uses));
    if (!vm->uses)
        return err_no_memory(r->err);
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        struct use_reading use = { reading->host, &vm->uses[vm->use_count++], NULL };

        if (!yaml_count(r, node) || !read_use(r, yaml_node(r, *i), &use) ||
            !check_use(r, &use, vm))
            return false;
    }
    return true;
}

static bool read_drivers(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    static const char *const words[] = { "host", "none", NULL };
    struct vm_reading *reading = target;
    size_t i;

    if (!yaml_word(r, node, "drivers", words, &i))
        return false;
    reading->vm->drivers = i == 0 ? DRIVERS_HOST : DRIVERS_NONE;
    reading->drivers = node;
    return true;
}

static bool read_low_mmio(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct vm_reading *reading = target;

    reading->vm->low_mmio_bytes.known = true;
    return yaml_size(r, node, "low_mmio", &reading->vm->low_mmio_bytes.value);
}

static bool read_high_mmio(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct vm_reading *reading = target;

    reading->vm->high_mmio_bytes.known = true;
    return yaml_size(r, node, "high_mmio", &reading->vm->high_mmio_bytes.value);
}

static bool read_cache(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct vm_reading *reading = target;
    bool on;

    if (!yaml_bool(r, node, "guest_controlled_cache", &on))
        return false;
    reading->vm->guest_controlled_cache = on ? TRI_YES : TRI_NO;
    return true;
}

/* A number of Hyper-V by its word. */
static bool read_named_number(struct yaml_reader *r, yaml_node_t *node, const char *what,
                              const char *(*name)(uint64_t), struct known_u64 *ret)
{
    const char *words[16];
    uint64_t numbers[16];
    size_t count = 0, i;

    for (uint64_t n = 0; n < 15; n++)
        if (name(n)) {
            words[count] = name(n);
            numbers[count++] = n;
        }
    words[count] = NULL;
    if (!yaml_word(r, node, what, words, &i))
        return false;
    *ret = (struct known_u64){ true, numbers[i] };
    return true;
}

static bool read_stop_action(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct vm_reading *reading = target;

    return read_named_number(r, node, "stop_action", stop_action_name,
                             &reading->vm->stop_action);
}

static bool read_checkpoint_type(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct vm_reading *reading = target;

    return read_named_number(r, node, "checkpoint_type", checkpoint_type_name,
                             &reading->vm->checkpoint_type);
}

static bool read_settings(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    static const struct yaml_key keys[] = {
        { "guest_controlled_cache", read_cache, false },
        { "stop_action", read_stop_action, false },
        { "checkpoint_type", read_checkpoint_type, false },
        { NULL, NULL, false },
    };
    struct vm_reading *reading = target;

    reading->settings = node;
    return yaml_map(r, node, "'settings' of a VM", keys, target);
}

static bool check_vm(struct yaml_reader *r, const yaml_node_t *key,
                     const struct vm_reading *reading)
{
    const struct desired_vm *vm = reading->vm;
    bool partition = false;

    for (size_t i = 0; i < vm->use_count; i++)
        partition |= vm->uses[i].mode != GPU_MODE_DDA;
    if (reading->settings && !partition)
        return yaml_fail(r, reading->settings,
                         "these settings are those of a VM with a partition");
    if (reading->drivers && vm->drivers == DRIVERS_HOST && !partition)
        return yaml_fail(r, reading->drivers,
                         "the host's drivers are for a VM with a partition");
    if ((vm->low_mmio_bytes.known || vm->high_mmio_bytes.known) && vm->use_count == 0)
        return yaml_fail(r, key, "VM '%.60s' has no GPU that device memory would be for",
                         vm->name);
    return true;
}

bool desired_read_vm(struct yaml_reader *r, yaml_node_t *key, const char *name,
                     yaml_node_t *node, void *element, void *user)
{
    static const struct yaml_key keys[] = {
        { "gpus", read_uses, true },          { "drivers", read_drivers, false },
        { "low_mmio", read_low_mmio, false }, { "high_mmio", read_high_mmio, false },
        { "settings", read_settings, false }, { NULL, NULL, false },
    };
    struct vm_reading reading = { .host = user, .vm = element };

    return copy_text(r, &reading.vm->name, name) &&
           yaml_map(r, node, "a VM", keys, &reading) && check_vm(r, key, &reading);
}

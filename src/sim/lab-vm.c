/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files: the VMs of a host and their disks.
 */
#include <stdlib.h>
#include <string.h>

#include "lab-yaml.h"
#include "text.h"

struct vm_entry {
    struct lab_vm vm;
    int state, checkpoints, stop_action, offline_action;
    char *id;
    struct sim_disk *disks;
};

struct disk_entry {
    struct sim_disk disk;
    int content;
};

static bool read_problems(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word words[] = {
        { "none", 0 },
        { "bitlocker", SIM_DISK_BITLOCKER },
        { "hibernated", SIM_DISK_HIBERNATED },
        { "unclean", SIM_DISK_UNCLEAN },
        { "chkdsk", SIM_DISK_CHKDSK },
        { "full", SIM_DISK_FULL },
        { "dirty-hive", SIM_DISK_DIRTY_HIVE },
        { 0 },
    };
    unsigned *problems = target;
    int value;

    if (node->type != YAML_SEQUENCE_NODE) {
        if (!lab_word(r, node, words, &value))
            return false;
        *problems |= (unsigned)value;
        return true;
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        if (!lab_word(r, lab_node(r, *item), words, &value))
            return false;
        *problems |= (unsigned)value;
    }
    return true;
}

static bool read_disk(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word contents[] = { { "windows", SIM_DISK_WINDOWS },
                                            { "data", SIM_DISK_DATA },
                                            { "empty", SIM_DISK_EMPTY },
                                            { 0 } };
    static const struct key keys[] = {
        { "path", TEXT, offsetof(struct disk_entry, disk.path), .required = true },
        { "content", WORD, offsetof(struct disk_entry, content), .words = contents },
        { "size", SIZE_BYTES, offsetof(struct disk_entry, disk.size_bytes), 1 << 20,
          UINT64_C(64) << 40 },
        { "build", UNSIGNED, offsetof(struct disk_entry, disk.build), 1, 99999 },
        { "ubr", UNSIGNED, offsetof(struct disk_entry, disk.ubr), 0, 99999 },
        { "edition", TEXT, offsetof(struct disk_entry, disk.edition) },
        { "architecture", TEXT, offsetof(struct disk_entry, disk.architecture) },
        { "problems", OTHER, offsetof(struct disk_entry, disk.problems),
          .read = read_problems },
    };
    struct disk_entry *entry = target;
    const char *path;

    if (!lab_map(r, node, "a disk", keys, ARRAY_LEN(keys), entry))
        return false;
    entry->disk.content = (enum sim_disk_content)entry->content;
    path = entry->disk.path;
    if (!((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z' && path[1] == ':' &&
          path[2] == '\\') ||
        strstr(path, "..") || strpbrk(path + 2, ":*?\"<>|/"))
        return fail_at(r, node, "'%s' is no full path of a file on the host", path);
    return true;
}

static bool read_disks(struct reader *r, yaml_node_t *node, void *target)
{
    struct vm_entry *entry = target;
    struct disk_entry *disks;
    size_t count;

    if (!lab_list(r, node, "disks", sizeof(*disks), LAB_DISK_MAX, NULL, read_disk, &disks,
                  &count))
        return false;
    entry->disks = lab_take(r, count * sizeof(*entry->disks) + 1);
    if (!entry->disks)
        return false;
    for (size_t i = 0; i < count; i++)
        entry->disks[i] = disks[i].disk;
    entry->vm.disk_count = count;
    return true;
}

/* "1" (the first GPU of the host), "next" (one after the other), "any", "gone". */
static bool read_adapter(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_adapter *adapter = target;
    const char *text = lab_scalar(r, node);
    size_t gpu_count = r->host->gpu_count;
    uint64_t number = 0;

    if (!text)
        return false;
    adapter->gpu = -1;
    if (strcmp(text, "any") == 0)
        return true;
    if (strcmp(text, "gone") == 0) {
        adapter->stale = true;
        return true;
    }
    if (strcmp(text, "next") == 0) {
        for (size_t tries = 0; tries < gpu_count; tries++) {
            unsigned i = r->next_gpu++ % (unsigned)gpu_count;

            if (r->host->gpus[i].mode != LAB_GPU_NONE) {
                adapter->gpu = (int)i;
                return true;
            }
        }
        return fail_at(r, node,
                       "the host has no partitionable GPU; 'gpus' stands before 'vms'");
    }
    if (!text_to_u64(text, 10, &number) || number < 1 || number > gpu_count)
        return fail_at(r, node,
                       "'%s' is neither a GPU of the host (1 to %zu; 'gpus' stands before "
                       "'vms') nor 'next', 'any' or 'gone'",
                       text, gpu_count);
    if (r->host->gpus[number - 1].mode == LAB_GPU_NONE)
        return fail_at(r, node, "GPU %s is not partitionable", text);
    adapter->gpu = (int)number - 1;
    return true;
}

static bool read_adapters(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_vm *vm = target;

    return lab_list(r, node, "adapters", sizeof(*vm->adapters), LAB_ADAPTER_MAX, NULL,
                    read_adapter, &vm->adapters, &vm->adapter_count);
}

/* The location path of a device of the host, which is thereby dismounted; or "gone". */
static bool read_assigned(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_assigned *assigned = target;
    struct sim_machine *machine = &r->host->machine;
    const char *text = lab_scalar(r, node);

    if (!text)
        return false;
    assigned->device = -1;
    if (strcmp(text, "gone") == 0)
        return true;
    for (size_t i = 0; i < machine->device_count; i++)
        if (text_ieq(machine->devices[i].location_path, text)) {
            if (machine->devices[i].problem)
                return fail_at(r, node, "the device at '%s' has a 'problem'", text);
            machine->devices[i].is_dismounted = true;
            assigned->device = (int)i;
            return true;
        }
    return fail_at(r, node,
                   "'%s' is neither the location path of a device ('gpus' and 'devices' "
                   "stand before 'vms') nor 'gone'",
                   text);
}

static bool read_assigned_list(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_vm *vm = target;

    return lab_list(r, node, "devices", sizeof(*vm->assigned), LAB_ADAPTER_MAX, NULL,
                    read_assigned, &vm->assigned, &vm->assigned_count);
}

static bool read_snapshot(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_snapshot *snapshot = target;

    return (snapshot->name = lab_text(r, node)) != NULL;
}

static bool read_snapshots(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_vm *vm = target;

    return lab_list(r, node, "snapshots", sizeof(*vm->snapshots), LAB_SNAPSHOT_MAX, NULL,
                    read_snapshot, &vm->snapshots, &vm->snapshot_count);
}

/* Highest configuration version a host of this build makes (MicrosoftDocs via
 * Justsenger/HyperV-WMI-Documentation data/version_matrix.csv). */
static const char *default_version(unsigned build)
{
    static const struct {
        unsigned build;
        const char *version;
    } table[] = { { 26100, "12.0" }, { 22621, "11.0" }, { 20348, "10.0" },
                  { 19041, "9.2" },  { 17763, "9.0" },  { 0, "8.0" } };

    for (size_t i = 0;; i++)
        if (build >= table[i].build)
            return table[i].version;
}

static bool read_node_name(struct reader *r, yaml_node_t *node, void *target)
{
    const char **name = target;

    return (*name = lab_text(r, node)) != NULL;
}

static bool read_owners(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_vm *vm = target;

    return lab_list(r, node, "possible_owners", sizeof(*vm->possible_owners), LAB_NODE_MAX,
                    NULL, read_node_name, &vm->possible_owners, &vm->possible_owner_count);
}

static bool read_preferred(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_vm *vm = target;

    return lab_list(r, node, "preferred_owners", sizeof(*vm->preferred_owners),
                    LAB_NODE_MAX, NULL, read_node_name, &vm->preferred_owners,
                    &vm->preferred_owner_count);
}

static bool read_vm(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word states[] = { { "off", LAB_VM_OFF },
                                          { "running", LAB_VM_RUNNING },
                                          { "saved", LAB_VM_SAVED },
                                          { "paused", LAB_VM_PAUSED },
                                          { 0 } };
    static const struct word checkpoints[] = { { "disabled", 2 },
                                               { "production", 3 },
                                               { "production-only", 4 },
                                               { "standard", 5 },
                                               { 0 } };
    static const struct word actions[] = {
        { "turn-off", 2 }, { "save", 3 }, { "shut-down", 4 }, { 0 }
    };
    /* MsCS virtual-machines-offlineaction */
    static const struct word offline_actions[] = { { "turn-off", 0 },
                                                   { "save", 1 },
                                                   { "shut-down", 2 },
                                                   { "force-shut-down", 3 },
                                                   { 0 } };
    static const struct key keys[] = {
        { "name", TEXT, offsetof(struct vm_entry, vm.name), .required = true },
        { "id", TEXT, offsetof(struct vm_entry, id) },
        { "generation", UNSIGNED, offsetof(struct vm_entry, vm.generation), 1, 2 },
        { "state", WORD, offsetof(struct vm_entry, state), .words = states },
        { "version", TEXT, offsetof(struct vm_entry, vm.version) },
        { "memory", SIZE_MB, offsetof(struct vm_entry, vm.memory_mb), 32, 1 << 24 },
        { "memory_min", SIZE_MB, offsetof(struct vm_entry, vm.memory_min_mb), 32, 1 << 24 },
        { "memory_max", SIZE_MB, offsetof(struct vm_entry, vm.memory_max_mb), 32, 1 << 24 },
        { "dynamic_memory", BOOL, offsetof(struct vm_entry, vm.dynamic_memory) },
        { "processors", UNSIGNED, offsetof(struct vm_entry, vm.processors), 1, 2048 },
        { "guest_os", TEXT, offsetof(struct vm_entry, vm.guest_os) },
        { "guest_build", UNSIGNED, offsetof(struct vm_entry, vm.guest_build), 0, 99999 },
        { "checkpoints", WORD, offsetof(struct vm_entry, checkpoints),
          .words = checkpoints },
        { "stop_action", WORD, offsetof(struct vm_entry, stop_action), .words = actions },
        { "low_mmio", SIZE_MB, offsetof(struct vm_entry, vm.low_mmio_mb), 128, 3584 },
        { "high_mmio", SIZE_MB, offsetof(struct vm_entry, vm.high_mmio_mb), 0, 1 << 26 },
        { "high_mmio_base", SIZE_MB, offsetof(struct vm_entry, vm.high_mmio_base_mb), 4096,
          1 << 26 },
        { "guest_controlled_cache", BOOL,
          offsetof(struct vm_entry, vm.guest_controlled_cache) },
        { "shutdown_service", BOOL, offsetof(struct vm_entry, vm.shutdown_service) },
        { "guest_locked", BOOL, offsetof(struct vm_entry, vm.guest_locked) },
        { "clustered", BOOL, offsetof(struct vm_entry, vm.clustered) },
        { "offline_action", WORD, offsetof(struct vm_entry, offline_action),
          .words = offline_actions },
        { "preferred_owners", OTHER, offsetof(struct vm_entry, vm),
          .read = read_preferred },
        { "possible_owners", OTHER, offsetof(struct vm_entry, vm), .read = read_owners },
        { "disks", OTHER, 0, .read = read_disks },
        { "adapters", OTHER, offsetof(struct vm_entry, vm), .read = read_adapters },
        { "devices", OTHER, offsetof(struct vm_entry, vm), .read = read_assigned_list },
        { "snapshots", OTHER, offsetof(struct vm_entry, vm), .read = read_snapshots },
    };
    struct vm_entry *entry = target;
    struct lab_vm *vm = &entry->vm;
    char seed[2 * LAB_TEXT_MAX + 64];

    /* What a new generation 2 VM has (MicrosoftDocs/win32 msvm-virtualsystemsettingdata);
     * no source lists the gaps of generation 1, it gets the same. */
    *entry = (struct vm_entry){
        .vm = { .generation = 2,
                .memory_mb = 4096,
                .processors = 4,
                .guest_os = "",
                .low_mmio_mb = 128,
                .high_mmio_mb = 512,
                .high_mmio_base_mb = 65024,
                .shutdown_service = true },
        .state = LAB_VM_OFF,
        .checkpoints = 3,
        .stop_action = 3,
        .offline_action = 1,
    };
    vm->version = default_version(r->host->build);
    if (!lab_map(r, node, "a VM", keys, ARRAY_LEN(keys), entry))
        return false;
    vm->state = (enum lab_vm_state)entry->state;
    vm->checkpoint_type = (uint16_t)entry->checkpoints;
    vm->stop_action = (uint16_t)entry->stop_action;
    vm->offline_action = (uint32_t)entry->offline_action;
    if (!*vm->name)
        return fail_at(r, node, "a VM's name is empty");
    if (entry->id && (!text_is_guid(entry->id) || entry->id[0] == '{'))
        return fail_at(r, node, "'%s' is no GUID", entry->id);
    if (entry->id) {
        strcpy(vm->id, entry->id);
        for (char *c = vm->id; *c; c++)
            *c = *c >= 'a' && *c <= 'f' ? (char)(*c - 32) : *c;
    } else {
        snprintf(seed, sizeof(seed), "vm %s %s %u", r->host->name, vm->name, r->vm_no);
        lab_guid(vm->id, seed);
    }
    for (size_t i = 0; i < vm->snapshot_count; i++) {
        snprintf(seed, sizeof(seed), "snapshot %s %zu", vm->id, i);
        lab_guid(vm->snapshots[i].id, seed);
    }
    if (!vm->memory_min_mb)
        vm->memory_min_mb = vm->dynamic_memory ? 512 : vm->memory_mb;
    if (!vm->memory_max_mb)
        vm->memory_max_mb = vm->dynamic_memory ? 1048576 : vm->memory_mb;
    if (vm->memory_min_mb > vm->memory_mb || vm->memory_max_mb < vm->memory_mb)
        return fail_at(r, node, "'memory' must lie between 'memory_min' and 'memory_max'");
    for (size_t i = 0; i < vm->disk_count; i++) {
        entry->disks[i].vm_id = vm->id;
        entry->disks[i].generation = vm->generation;
        if (!entry->disks[i].build)
            entry->disks[i].build = vm->guest_build;
    }
    return true;
}

static int by_path(const void *a, const void *b)
{
    return text_casecmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_disk_paths(struct reader *r, yaml_node_t *node,
                             const struct sim_machine *machine)
{
    const char **paths = lab_take(r, machine->disk_count * sizeof(*paths) + 1);

    if (!paths)
        return false;
    for (size_t i = 0; i < machine->disk_count; i++)
        paths[i] = machine->disks[i].path;
    qsort(paths, machine->disk_count, sizeof(*paths), by_path);
    for (size_t i = 1; i < machine->disk_count; i++)
        if (text_ieq(paths[i - 1], paths[i]))
            return fail_at(r, node, "two disks have the path '%s'", paths[i]);
    return true;
}

bool lab_read_vms(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_host *host = target;
    struct vm_entry *entries;
    size_t count, disk_count = 0, done = 0;

    if (!lab_list(r, node, "vms", sizeof(*entries), LAB_VM_MAX, &r->vm_no, read_vm,
                  &entries, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        disk_count += entries[i].vm.disk_count;
    host->vms = lab_take(r, count * sizeof(*host->vms) + 1);
    host->machine.disks = lab_take(r, disk_count * sizeof(*host->machine.disks) + 1);
    if (!host->vms || !host->machine.disks)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            if (strcmp(host->vms[j].id, entries[i].vm.id) == 0)
                return fail_at(r, node, "two VMs have the id %s", entries[i].vm.id);
        host->vms[i] = entries[i].vm;
        host->vms[i].first_disk = done;
        for (size_t j = 0; j < entries[i].vm.disk_count; j++) {
            entries[i].disks[j].vm_id = host->vms[i].id;
            host->machine.disks[done++] = entries[i].disks[j];
        }
    }
    host->vm_count = count;
    host->machine.disk_count = disk_count;
    return check_disk_paths(r, node, &host->machine);
}

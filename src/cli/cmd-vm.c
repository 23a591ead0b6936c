/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm list, vm show: the VMs of hosts with everything a GPU has to do with. */

#include <string.h>

#include "host-views.h"
#include "command.h"
#include "commands.h"
#include "host-json.h"
#include "json-view.h"
#include "text.h"
#include "tr.h"

enum {
    VM_WHAT = HV_GPUS | HV_VMS | HV_VM_MEMORY | HV_VM_DISKS | HV_VM_GUEST | HV_DEVICES |
              HV_PARTITIONS
};

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_vm *only = NULL;
    /* One VM is shown with its role; a list does without, which costs less. */
    unsigned what = in->operand_count > 0 ? VM_WHAT | HV_CLUSTER : VM_WHAT;
    json_t *vms;

    if (!hv_inventory_read(in->session, in->host, what, &host, err))
        return false;
    if (in->operand_count > 0 && !hv_select_vm(host, in->operands[0], &only, err))
        return false;
    if (only && !hv_read_disk_parents(in->session, &host->vms[only - host->vms], err))
        return false;
    vms = json_array();
    for (size_t i = 0; i < host->vm_count; i++)
        if ((!only || only == &host->vms[i]) &&
            json_array_append_new(vms, vm_to_json(host, &host->vms[i])) != 0) {
            json_decref(vms);
            return err_no_memory(err);
        }
    if (only && !vm_add_cluster_json(json_array_get(vms, 0), host, only)) {
        json_decref(vms);
        return err_no_memory(err);
    }
    *ret = json_pack("{s:o, s:o}", "os", os_to_json(host), "vms", vms);
    return *ret || err_no_memory(err);
}

/* vm_state_name()'s words, for the table. */
static const char *state_text(const char *state)
{
    static const char *const words[] = { N_("running"), N_("off"), N_("saved"),
                                         N_("paused"), N_("changing") };

    for (size_t i = 0; state && i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], state) == 0)
            return _(words[i]);
    return state;
}

static enum style state_style(const char *state)
{
    if (!state)
        return STYLE_PLAIN;
    return strcmp(state, "running") == 0 ? STYLE_GOOD
           : strcmp(state, "off") == 0   ? STYLE_FAINT
                                         : STYLE_WARN;
}

/* "RTX 4070, -": the GPUs a VM has, by name. */
static char *list_gpus(const json_t *vm)
{
    struct strbuf text = STRBUF_INIT;
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(vm, "adapters"), i, item)
    {
        const char *gpu = view_text(item, "gpu");

        strbuf_printf(&text, "%s%s", text.len ? ", " : "", gpu ? gpu : _("any GPU"));
    }
    json_array_foreach(json_object_get(vm, "devices"), i, item)
    {
        const char *gpu = view_text(item, "gpu"), *place = view_text(item, "location_path");

        /* The other functions of its card go without saying. */
        if (gpu || !place || json_is_true(json_object_get(item, "gone")))
            strbuf_printf(&text, "%s%s", text.len ? ", " : "",
                          json_is_true(json_object_get(item, "gone")) ? _("gone")
                          : gpu                                       ? gpu
                                                                      : "?");
    }
    return strbuf_take(&text);
}

static void list_vm(struct table *table, const char *host, const json_t *vm)
{
    const json_t *memory = json_object_get(json_object_get(vm, "memory"), "startup_bytes");
    const char *state = view_text(vm, "state");
    CLEANUP(free_cleanup) char *gpus = list_gpus(vm);
    CLEANUP(strbuf_cleanup) struct strbuf generation = STRBUF_INIT;
    char size[24];

    if (host)
        table_cell(table, host);
    table_cell(table, view_text(vm, "name"));
    table_styled(table, state_style(state), state_text(state));
    view_put(&generation, json_object_get(vm, "generation"));
    table_cell(table, generation.text);
    table_cell(table, json_is_integer(memory)
                          ? size_text(size, (uint64_t)json_integer_value(memory))
                          : NULL);
    table_cell(table, view_text(json_object_get(vm, "guest"), "os"));
    table_cell(table, gpus && *gpus ? gpus : NULL);
}

/* The row of a host that gave nothing; why, was said already. */
static void list_failed(struct table *table, const char *host)
{
    table_cell(table, host);
    table_cell(table, NULL);
    table_styled(table, STYLE_BAD, _("failed"));
    for (int c = 0; c < 4; c++)
        table_cell(table, NULL);
}

static bool print_list(const struct invocation *in, const json_t *document, struct err *err)
{
    static const struct column columns[] = {
        { N_("HOST"), COL_SHRINK | COL_KEEP_END },
        { N_("VM"), COL_SHRINK },
        { N_("STATE"), 0 },
        { N_("GEN"), COL_RIGHT },
        { N_("MEMORY"), COL_RIGHT },
        { N_("GUEST"), COL_SHRINK },
        { N_("GPU"), COL_SHRINK },
        { NULL, 0 },
    };
    const json_t *hosts = json_object_get(document, "hosts"), *host, *vm;
    bool many = in->blocks->host_count > 1;
    CLEANUP(table_cleanup)
    struct table *table = table_new(many ? columns : columns + 1, err);
    size_t h, v;

    if (!table)
        return false;
    json_array_foreach(hosts, h, host)
    {
        if (many && json_is_object(json_object_get(host, "error")))
            list_failed(table, view_text(host, "host"));
        json_array_foreach(json_object_get(host, "vms"), v, vm)
            list_vm(table, many ? view_text(host, "host") : NULL, vm);
    }
    if (table_row_count(table) > 0)
        return table_continue(table, &in->blocks->layout, in->out, err);
    if (in->blocks->is_last && in->blocks->layout.rows == 0)
        output_note(in->out, "%s\n", _("No VMs."));
    return true;
}

enum { LABEL_COLUMNS = 20 };

static void put_quota(struct strbuf *to, const json_t *quota)
{
    const char *resource;
    const json_t *limits;

    json_object_foreach((json_t *)(uintptr_t)quota, resource, limits)
    {
        const json_t *optimal = json_object_get(limits, "optimal");

        if (json_is_null(optimal))
            continue;
        strbuf_printf(to, "  %s ", resource);
        view_put(to, optimal);
    }
}

static void show_adapters(struct output *out, const json_t *vm)
{
    const json_t *adapter, *partition;
    size_t i;

    json_array_foreach(json_object_get(vm, "adapters"), i, adapter)
    {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
        const char *gpu = view_text(adapter, "gpu");

        strbuf_puts(&text, gpu ? gpu : _("any GPU"));
        partition = json_object_get(adapter, "partition_id");
        if (json_is_integer(partition))
            strbuf_printf(&text, _("  partition %lld"),
                          (long long)json_integer_value(partition));
        put_quota(&text, json_object_get(adapter, "quota"));
        output_field(out, LABEL_COLUMNS, i ? "" : _("GPU partition"), text.text);
        if (view_text(adapter, "interface_path"))
            output_field(out, LABEL_COLUMNS, "", view_text(adapter, "interface_path"));
    }
}

static void show_devices(struct output *out, const json_t *devices)
{
    const json_t *device;
    size_t i;

    json_array_foreach(devices, i, device)
    {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
        const char *gpu = view_text(device, "gpu");
        const char *place = view_text(device, "location_path");
        const char *id = view_text(device, "instance_id");

        if (gpu)
            strbuf_printf(&text, "%s  ", gpu);
        strbuf_puts(&text, place ? place : id ? id : "?");
        if (json_is_true(json_object_get(device, "gone")))
            strbuf_puts(&text, _("  (the host does not have it)"));
        output_field(out, LABEL_COLUMNS, i ? "" : _("device"), text.text);
    }
}

static void show_disks(struct output *out, const json_t *disks)
{
    const json_t *disk;
    size_t i;

    json_array_foreach(disks, i, disk)
    {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
        const char *path = view_text(disk, "path"), *parent = view_text(disk, "parent");

        strbuf_puts(&text, path ? path : "?");
        if (parent)
            strbuf_printf(&text, "  ← %s", parent);
        output_field(out, LABEL_COLUMNS, i ? "" : _("disk"), text.text);
    }
}

static void show_cluster(struct output *out, const json_t *vm)
{
    const json_t *cluster = json_object_get(vm, "cluster");

    if (!json_is_object(cluster))
        return;
    view_field(out, LABEL_COLUMNS, _("cluster"), cluster, "name");
    view_field(out, LABEL_COLUMNS, _("owner node"), cluster, "owner_node");
    view_field(out, LABEL_COLUMNS, _("group"), cluster, "group");
    view_field(out, LABEL_COLUMNS, _("resource"), cluster, "resource");
    view_field(out, LABEL_COLUMNS, _("role state"), cluster, "state");
    view_field(out, LABEL_COLUMNS, _("offline action"), cluster, "offline_action");
}

static void show_vm(struct output *out, const json_t *vm)
{
    const json_t *guest = json_object_get(vm, "guest");
    const json_t *memory = json_object_get(vm, "memory");
    const char *name = view_text(vm, "name");

    output_heading(out, name ? name : view_text(vm, "id"));
    view_field(out, LABEL_COLUMNS, _("id"), vm, "id");
    view_field(out, LABEL_COLUMNS, _("state"), vm, "state");
    view_field(out, LABEL_COLUMNS, _("generation"), vm, "generation");
    view_field(out, LABEL_COLUMNS, _("version"), vm, "version");
    view_field(out, LABEL_COLUMNS, _("guest"), guest, "os");
    view_field(out, LABEL_COLUMNS, _("guest build"), guest, "build");
    view_field(out, LABEL_COLUMNS, _("memory"), memory, "startup_bytes");
    view_field(out, LABEL_COLUMNS, _("dynamic memory"), memory, "dynamic");
    view_field(out, LABEL_COLUMNS, _("guest cache types"), vm, "guest_controlled_cache");
    view_field(out, LABEL_COLUMNS, _("low MMIO"), vm, "low_mmio_bytes");
    view_field(out, LABEL_COLUMNS, _("high MMIO"), vm, "high_mmio_bytes");
    view_field(out, LABEL_COLUMNS, _("stop action"), vm, "stop_action");
    view_field(out, LABEL_COLUMNS, _("checkpoints"), vm, "checkpoint_type");
    show_cluster(out, vm);
    show_disks(out, json_object_get(vm, "disks"));
    show_adapters(out, vm);
    show_devices(out, json_object_get(vm, "devices"));
}

static bool print_show(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host, *vm;
    size_t h, v;

    (void)err;
    json_array_foreach(hosts, h, host)
    {
        json_array_foreach(json_object_get(host, "vms"), v, vm)
        {
            if (in->blocks->host_count > 1)
                output_text(in->out, "%s%s:\n", in->blocks->shown + h ? "\n" : "",
                            view_text(host, "host"));
            show_vm(in->out, vm);
        }
    }
    return true;
}

/* With --cluster: on the node that has it. */
static bool choose_show(struct invocation *in, const struct host_views *views, size_t *ret,
                        struct err *err)
{
    return host_views_find_vm(views, in->connector->hosts, in->operands[0], ret, err);
}

const struct command cmd_vm_list = {
    .name = "vm list",
    .summary = N_("list the VMs of hosts with their GPUs"),
    .flags = CMD_HOST,
    .list = "vms",
    .collect = collect,
    .print = print_list,
    .in_blocks = true,
};

const struct command cmd_vm_show = {
    .name = "vm show",
    .operands = "VM",
    .summary = N_("show one VM: adapters, MMIO windows, guest, disks"),
    .flags = CMD_HOST,
    .list = "vms",
    .collect = collect,
    .choose_what = HV_VMS,
    .choose = choose_show,
    .print = print_show,
    .in_blocks = true,
};

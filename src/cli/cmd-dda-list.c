/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dda list: devices that a VM can have whole, where each is, and who has it. */

#include "assignable.h"
#include "command.h"
#include "commands.h"
#include "host-json.h"
#include "json-view.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

/* ---- what the host says ---- */

/* Whether SurveyDDA.ps1 and what hvgpu knows of the host allow it; reasons are the ids of the
 * findings of `hvgpu survey`.  Only of a device that the host has. */
static bool judge(const struct hv_host *host, const struct dda_device *device,
                  json_t **ret_verdict, json_t **ret_reasons, struct err *err)
{
    const struct hv_function *function = hv_find_function(host, device->instance_id);
    struct device_facts facts;
    struct survey_facts survey = { .use = GPU_MODE_DDA,
                                   .host = host,
                                   .gpu = hv_find_gpu(host, device->instance_id),
                                   .device = &facts };
    struct findings found = FINDINGS_INIT;
    bool ok = true;

    *ret_verdict = json_null();
    *ret_reasons = json_array();
    if (!function || (device->state != DDA_ON_HOST && device->state != DDA_DISABLED))
        return *ret_reasons || err_no_memory(err);
    facts_from_function(function, &facts);
    ok = survey_judge(&survey, ABOUT_HOST | ABOUT_GPU, false, &found, err);
    for (size_t i = 0; ok && i < found.count; i++)
        if (found.items[i].severity > SEVERITY_INFO ||
            found.items[i].says != SAYS_BY_SEVERITY)
            ok = json_array_append_new(*ret_reasons, json_string(found.items[i].id)) == 0 ||
                 err_no_memory(err);
    if (ok)
        *ret_verdict = json_string(verdict_name(survey_verdict(&found)));
    findings_clear(&found);
    return ok;
}

static json_t *users_to_json(const struct dda_device *device, const struct hv_host *host)
{
    json_t *list = json_array();

    for (size_t i = 0; i < device->entry_count; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:o}", "vm",
                                        device->entries[i].vm
                                            ? text_to_json(device->entries[i].vm->name)
                                            : json_null(),
                                        "vm_id", text_to_json(device->entries[i].vm_id)));
    /* From a pool: only the VM that runs with it tells. */
    for (size_t v = 0; device->entry_count == 0 && v < host->vm_count; v++)
        if (text_ieq(host->vms[v].id, device->user_id))
            json_array_append_new(list, json_pack("{s:o, s:s}", "vm",
                                                  text_to_json(host->vms[v].name), "vm_id",
                                                  host->vms[v].id));
    return list;
}

static json_t *device_to_json(const struct hv_host *host, const struct dda_list *list,
                              const struct dda_device *device, json_t *verdict,
                              json_t *reasons)
{
    const char *place = gpu_place_name(dda_place(device->state));
    const struct dda_device *moved =
        device->moved_to.known ? &list->devices[device->moved_to.value] : NULL;

    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name",
        text_to_json(device->name), "class", dda_class_name(device->class), "pci_id",
        text_to_json(device->pci_id), "instance_id", text_to_json(device->instance_id),
        "location_path", text_to_json(device->location_path), "place",
        place ? json_string(place) : json_null(), "state", dda_state_name(device->state),
        "problem_code", device->on_host ? known_to_json(device->problem_code) : json_null(),
        "assignable", verdict, "reasons", reasons, "assigned_to",
        users_to_json(device, host), "moved_to",
        moved
            ? text_to_json(moved->location_path ? moved->location_path : moved->instance_id)
            : json_null());
}

static bool list_to_json(const struct hv_host *host, const struct dda_list *list,
                         json_t **ret, struct err *err)
{
    json_t *devices = json_array(), *verdict, *reasons = NULL;
    bool ok = devices != NULL || err_no_memory(err);

    for (size_t i = 0; ok && i < list->count; i++) {
        ok = judge(host, &list->devices[i], &verdict, &reasons, err);
        if (!ok) {
            json_decref(verdict);
            json_decref(reasons);
        } else if (json_array_append_new(devices,
                                         device_to_json(host, list, &list->devices[i],
                                                        verdict, reasons)) != 0) {
            ok = err_no_memory(err);
        }
    }
    if (!ok) {
        json_decref(devices);
        return false;
    }
    *ret = devices;
    return true;
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct dda_list list = { 0 };
    json_t *devices = NULL;
    bool ok;

    if (!hv_inventory_read(in->session, in->host,
                           HV_GPUS | HV_VMS | HV_DEVICES | HV_GPU_DETAILS | HV_FUNCTIONS |
                               HV_PLATFORM,
                           &host, err))
        return false;
    ok = hv_read_assignable(in->session, host, &list, err) &&
         list_to_json(host, &list, &devices, err);
    if (ok) {
        *ret = json_pack("{s:o, s:o}", "os", os_to_json(host), "devices", devices);
        ok = *ret || err_no_memory(err);
    }
    dda_list_clear(&list);
    return ok;
}

/* ---- for people ---- */

static const char *state_word(const char *state)
{
    static const char *const words[][2] = {
        { "host", N_("on the host") },
        { "disabled", N_("disabled on the host") },
        { "dismounted", N_("dismounted, nobody's") },
        { "assigned", N_("assigned") },
        { "orphaned", N_("dismounted for a VM that is gone") },
        { "gone", N_("not there, a VM names it") },
        { "phantom", N_("not there") },
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (text_ieq(state, words[i][0]))
            return _(words[i][1]);
    return state;
}

static enum style state_style(const char *state)
{
    if (text_ieq(state, "host") || text_ieq(state, "assigned"))
        return STYLE_PLAIN;
    return text_ieq(state, "phantom") ? STYLE_FAINT : STYLE_WARN;
}

static char *users_of(const json_t *device)
{
    struct strbuf text = STRBUF_INIT;
    const json_t *user;
    size_t i;

    json_array_foreach(json_object_get(device, "assigned_to"), i, user)
    {
        const char *name = view_text(user, "vm");

        strbuf_printf(&text, "%s%s", i ? ", " : "", name ? name : view_text(user, "vm_id"));
    }
    return strbuf_take(&text);
}

static char *verdict_of(const json_t *device)
{
    static const char *const words[][2] = {
        { "yes", N_("yes") },
        { "maybe", N_("maybe") },
        { "no", N_("no") },
        { "unknown", N_("unknown") },
    };
    const char *verdict = view_text(device, "assignable");
    struct strbuf text = STRBUF_INIT;
    const json_t *reason;
    size_t i;

    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        if (text_ieq(verdict, words[k][0]))
            strbuf_puts(&text, _(words[k][1]));
    json_array_foreach(json_object_get(device, "reasons"), i, reason)
        strbuf_printf(&text, "%s%s", i ? ", " : ": ", json_string_value(reason));
    return strbuf_take(&text);
}

static void list_device(struct table *table, const char *host, const json_t *device)
{
    CLEANUP(free_cleanup) char *users = users_of(device);
    CLEANUP(free_cleanup) char *verdict = verdict_of(device);
    const char *name = view_text(device, "name"), *state = view_text(device, "state");

    if (host)
        table_cell(table, host);
    table_cell(table, name ? name : view_text(device, "instance_id"));
    table_cell(table, view_text(device, "pci_id"));
    table_cell(table, view_text(device, "location_path"));
    table_styled(table, state_style(state), state_word(state));
    table_cell(table, users && *users ? users : NULL);
    table_cell(table, verdict && *verdict ? verdict : NULL);
}

static bool print_list(const struct invocation *in, const json_t *document, struct err *err)
{
    static const struct column columns[] = {
        { N_("HOST"), COL_SHRINK | COL_KEEP_END },
        { N_("DEVICE"), COL_SHRINK },
        { N_("ID"), 0 },
        { N_("LOCATION"), COL_SHRINK | COL_KEEP_END },
        { N_("STATE"), COL_SHRINK },
        { N_("VM"), COL_SHRINK },
        { N_("ASSIGNABLE"), COL_SHRINK },
        { NULL, 0 },
    };
    const json_t *hosts = json_object_get(document, "hosts"), *host, *device;
    bool many = json_array_size(hosts) > 1;
    CLEANUP(table_cleanup)
    struct table *table = table_new(many ? columns : columns + 1, err);
    size_t h, i;

    if (!table)
        return false;
    json_array_foreach(hosts, h, host)
        json_array_foreach(json_object_get(host, "devices"), i, device)
            list_device(table, many ? view_text(host, "host") : NULL, device);
    if (table_row_count(table) == 0) {
        output_note(in->out, "%s\n", _("No devices that a VM could have whole."));
        return true;
    }
    return table_print(table, in->out, err);
}

const struct command cmd_dda_list = {
    .name = "dda list",
    .summary = N_("list devices a VM can have whole, and where each is"),
    .flags = CMD_HOST,
    .list = "devices",
    .collect = collect,
    .print = print_list,
};

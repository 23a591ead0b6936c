/* SPDX-License-Identifier: GPL-2.0-or-later */
/* diff: what a file wants against what hosts have. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "desired-file.h"
#include "drift.h"
#include "found.h"
#include "host-json.h"
#include "json-view.h"
#include "share.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

/* ---- one host ---- */

static json_t *difference_to_json(const struct difference *difference)
{
    const char *name = difference->vm         ? difference->vm->name
                       : difference->found_vm ? difference->found_vm->name
                       : difference->gpu      ? difference->gpu->alias
                                              : NULL;
    bool about_vm = difference->vm || difference->found_vm;

    return json_pack(
        "{s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "reason",
        difference_name(difference->kind), "note", difference_is_note(difference), "what",
        about_vm ? "vm" : "gpu", "name", text_to_json(name), "vm_id",
        text_to_json(difference->found_vm ? difference->found_vm->id : NULL), "setting",
        text_to_json(difference->setting), "wanted", text_to_json(difference->wanted),
        "found", text_to_json(difference->found), "detail", text_to_json(difference->why),
        "changed_since", text_to_json(difference->run[0] ? difference->run : NULL));
}

static json_t *differences_to_json(const struct comparison *comparison)
{
    json_t *list = json_array();

    for (size_t i = 0; i < comparison->count; i++)
        json_array_append_new(list, difference_to_json(&comparison->items[i]));
    return list;
}

static bool compare_more(const struct invocation *in, struct comparison *comparison,
                         struct err *err)
{
    struct plan_context context;
    bool ok;

    if (!command_context_open(in, in->session, &context, err))
        return false;
    context.on_step = NULL; /* looking is no change */
    share_context_init(&context);
    ok = (option_get(in, "no-drivers") ||
          desired_compare_drivers(&context, in->host, comparison, err)) &&
         desired_find_runs(&context, in->host, comparison, err);
    share_context_clear(&context);
    command_context_close(&context);
    return ok;
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    const struct desired_host *part = desired_file_part(in, in->host, err);
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct comparison comparison = { 0 };
    struct desired_host wanted;
    bool ok;

    if (!part || !hv_inventory_read(in->session, in->host, DESIRED_WHAT, &host, err) ||
        !survey_judge_gpus(host, err) || !desired_file_local(in, part, host, &wanted, err))
        return false;
    ok = desired_compare(&wanted, host, &comparison, err) &&
         compare_more(in, &comparison, err);
    if (ok) {
        *ret = json_pack("{s:o, s:o}", "os", os_to_json(host), "differences",
                         differences_to_json(&comparison));
        ok = *ret || err_no_memory(err);
    }
    comparison_clear(&comparison);
    desired_host_clear(&wanted);
    return ok;
}

static bool is_note(const json_t *difference)
{
    return json_is_true(json_object_get(difference, "note"));
}

static bool found(const json_t *part)
{
    const json_t *difference;
    size_t i;

    json_array_foreach(json_object_get(part, "differences"), i,
                       difference) if (!is_note(difference)) return true;
    return false;
}

/* ---- for people ---- */

static const char *explain(const char *reason)
{
    static const struct {
        const char *reason, *text;
    } texts[] = {
        { "gpu-missing", N_("the host has no such GPU") },
        { "gpu-moved",
          N_("the GPU is in another place now; export again to write it down") },
        { "gpu-found", N_("written down as missing, and it is there") },
        { "partition-count", N_("partition count") },
        { "vm-missing", N_("the host has no such VM") },
        { "vm-ambiguous", N_("several VMs are called so; write its id instead") },
        { "adapter-missing", N_("GPU missing") },
        { "adapter-extra", N_("GPU too many") },
        { "adapter-moved", N_("its adapter names the place where the GPU was") },
        { "wrong-gpu", N_("wrong GPU") },
        { "mode", N_("wrong mode") },
        { "share", N_("share") },
        { "mmio", N_("device memory window") },
        { "setting", N_("setting") },
        { "driver", N_("the guest has not the host's driver") },
        { "vm-elsewhere", N_("another node of the cluster has it now") },
        { "unlisted", N_("has a GPU, and the file does not name it") },
    };

    for (size_t i = 0; reason && i < ARRAY_LEN(texts); i++)
        if (strcmp(texts[i].reason, reason) == 0)
            return _(texts[i].text);
    return reason ? reason : "";
}

static void show_difference(struct output *out, const json_t *difference)
{
    const char *reason = view_text(difference, "reason");
    const char *name = view_text(difference, "name");
    const char *wanted = view_text(difference, "wanted");
    const char *has = view_text(difference, "found");
    const char *setting = view_text(difference, "setting");
    const char *detail = view_text(difference, "detail");
    const char *since = view_text(difference, "changed_since");
    CLEANUP(free_cleanup) char *clean = clean_text(name ? name : "?", 0);
    CLEANUP(free_cleanup) char *clean_detail = detail ? clean_text(detail, 0) : NULL;
    enum style style = is_note(difference) ? STYLE_FAINT : STYLE_WARN;

    output_text(out, "  %s%s %s%s: %s", style_on(out, style),
                is_note(difference) ? "·" : "≠", clean ? clean : "?", style_off(out, style),
                explain(reason));
    if (setting)
        output_text(out, " %s", setting);
    if (has && strcmp(reason, "vm-elsewhere") == 0)
        output_text(out, ": %s", has);
    else if ((wanted || has) && strcmp(reason, "driver") != 0)
        output_text(out, _(": wanted %s, found %s"), wanted ? wanted : _("nothing"),
                    has ? has : _("nothing"));
    if (clean_detail)
        output_text(out, ": %s", clean_detail);
    output_text(out, "\n");
    if (since)
        output_text(out,
                    _("      changed by others or by hand since run %s, which left it as "
                      "wanted\n"),
                    since);
}

static void show_host(const struct invocation *in, const json_t *host)
{
    const json_t *differences = json_object_get(host, "differences"), *one;
    size_t i, count = 0, unknown = 0;
    const char *reason;

    json_array_foreach(differences, i, one)
    {
        count += !is_note(one);
        reason = view_text(one, "reason");
        unknown += reason && strcmp(reason, "driver-unknown") == 0;
    }
    if (count == 0)
        output_text(in->out, _("%s: as wanted\n"), view_text(host, "host"));
    else
        output_text(in->out, _("%s: differences: %zu\n"), view_text(host, "host"), count);
    json_array_foreach(differences, i, one)
    {
        reason = view_text(one, "reason");
        /* Running VMs are most of a rack: told once. */
        if (reason && strcmp(reason, "driver-unknown") == 0)
            continue;
        show_difference(in->out, one);
    }
    if (unknown > 0)
        output_text(in->out, _("  · guests whose drivers could not be looked at: %zu\n"),
                    unknown);
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host;
    size_t i;

    (void)err;
    json_array_foreach(hosts, i,
                       host) if (json_is_array(json_object_get(host, "differences")))
        show_host(in, host);
    return true;
}

static const struct option_spec options[] = {
    { "no-drivers", 0, NULL, N_("do not look at the guests' drivers") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_diff = {
    .name = "diff",
    .operands = "FILE",
    .summary = N_("compare hosts with a file of what is wanted"),
    .flags = CMD_HOST,
    .options = options,
    .hosts = desired_file_hosts,
    .end = desired_file_end,
    .list = "differences",
    .collect = collect,
    .print = print,
    .found = found,
    .in_blocks = true,
};

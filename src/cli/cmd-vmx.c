/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmx show, vmx enable-3d, vmx undo: 3D acceleration of a VMware VM, by its .vmx file. */

#include <stdio.h>
#include <string.h>

#include "change.h"
#include "command.h"
#include "commands.h"
#include "hash.h"
#include "host-json.h"
#include "json-view.h"
#include "os.h"
#include "text.h"
#include "tr.h"
#include "vmx-step.h"

enum { LABEL_COLUMNS = 22, MEMORY_LEAST_MB = 128, MEMORY_MOST_MB = 8192 };

/* A file that is open for both, and what it says. */
struct opened {
    char *path; /* absolute, links followed */
    struct vmx *vmx;
    struct vmx_facts facts;
};

static void opened_clear(struct opened *opened)
{
    free(opened->path);
    vmx_free(opened->vmx);
    vmx_facts_clear(&opened->facts);
}

static bool open_file(const char *name, struct opened *ret, struct err *err)
{
    ret->path = os_absolute_path(name, err);
    if (!ret->path)
        return false;
    ret->vmx = vmx_read(ret->path, err);
    return (ret->vmx && vmx_look(ret->vmx, ret->path, &ret->facts, err)) ||
           err_wrap(err, "'%.200s'", name);
}

static const char *file_name(const char *path)
{
    const char *name = path + strlen(path);

    while (name > path && name[-1] != '/' && name[-1] != '\\')
        name--;
    return name;
}

/* ---- show ---- */

static json_t *switch_to_json(enum vmx_switch value)
{
    return value == VMX_ON ? json_true() : value == VMX_OFF ? json_false() : json_null();
}

static json_t *number_to_json(bool known, uint64_t number)
{
    return known && number <= INT64_MAX ? json_integer((json_int_t)number) : json_null();
}

static json_t *level_to_json(const struct vmx_facts *facts)
{
    struct vmx_level level = vmx_level_of(facts->hardware_known, facts->hardware_version);

    if (!level.direct3d)
        return json_null();
    return json_pack("{s:s, s:s, s:b}", "direct3d", level.direct3d, "opengl", level.opengl,
                     "documented", (int)level.is_documented);
}

static json_t *to_json(const struct opened *file, const struct findings *findings)
{
    const struct vmx_facts *f = &file->facts;

    return json_pack(
        "{s:s, s:{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:b, "
        "s:[s,s,s]}, s:o}",
        "schema", "hvgpu/1", "vmx", "path", text_to_json(file->path), "name",
        text_to_json(f->name), "guest_os", text_to_json(f->guest_os), "encoding",
        file->vmx->encoding, "hardware_version",
        number_to_json(f->hardware_known, f->hardware_version), "enable_3d",
        switch_to_json(f->enable_3d), "level", level_to_json(f), "graphics_memory_bytes",
        number_to_json(f->memory_known, f->graphics_memory_bytes), "vram_bytes",
        number_to_json(f->vram_known, f->vram_bytes), "allow_blocklisted",
        switch_to_json(f->allow_blocklisted), "cached_capabilities",
        (json_int_t)f->cached_count, "open", text_to_json(f->lock), "process",
        number_to_json(f->running.process > 0, f->running.process), "suspended",
        text_to_json(f->suspended), "encrypted", (int)f->is_encrypted, "cannot", "vulkan",
        "cuda", "directml", "findings", findings_to_json(findings));
}

static void print_findings(struct output *out, const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        const char *severity = view_text(finding, "severity");
        const char *fix = view_text(finding, "fix");
        enum style style = strcmp(severity, "error") == 0     ? STYLE_BAD
                           : strcmp(severity, "warning") == 0 ? STYLE_WARN
                                                              : STYLE_PLAIN;
        const json_t *evidence = json_array_get(json_object_get(finding, "evidence"), 0);
        CLEANUP(free_cleanup)
        char *seen = evidence ? clean_text(json_string_value(evidence), 0) : NULL;

        output_text(out, "%s%s%s%s: %s%s%s%s\n", i == 0 ? "\n" : "", style_on(out, style),
                    strcmp(severity, "error") == 0     ? _("error")
                    : strcmp(severity, "warning") == 0 ? _("warning")
                                                       : _("note"),
                    style_off(out, style), view_text(finding, "cause"), seen ? " (" : "",
                    seen ? seen : "", seen ? ")" : "");
        if (fix)
            output_text(out, "  → %s\n", fix);
    }
}

static void print_switch(struct output *out, const char *label, const json_t *value,
                         const char *unset)
{
    output_field(out, LABEL_COLUMNS, label,
                 json_is_true(value)    ? _("on")
                 : json_is_false(value) ? _("off")
                                        : unset);
}

static void print_vmx(struct output *out, const json_t *document)
{
    const json_t *vmx = json_object_get(document, "vmx");
    const json_t *level = json_object_get(vmx, "level");
    CLEANUP(free_cleanup) char *text = NULL;

    output_heading(out, view_text(vmx, "name") ? view_text(vmx, "name")
                                               : file_name(view_text(vmx, "path")));
    view_field(out, LABEL_COLUMNS, _("file"), vmx, "path");
    view_field(out, LABEL_COLUMNS, _("guest"), vmx, "guest_os");
    view_field(out, LABEL_COLUMNS, _("encoding"), vmx, "encoding");
    view_field(out, LABEL_COLUMNS, _("hardware version"), vmx, "hardware_version");
    print_switch(out, _("3D acceleration"), json_object_get(vmx, "enable_3d"),
                 _("not set"));
    if (json_is_object(level))
        text = text_printf(_("Direct3D %s, OpenGL %s%s"), view_text(level, "direct3d"),
                           view_text(level, "opengl"),
                           json_is_true(json_object_get(level, "documented"))
                               ? ""
                               : _(" (as users report it)"));
    output_field(out, LABEL_COLUMNS, _("level with 3D"), text);
    view_field(out, LABEL_COLUMNS, _("graphics memory"), vmx, "graphics_memory_bytes");
    view_field(out, LABEL_COLUMNS, _("VRAM"), vmx, "vram_bytes");
    view_field(out, LABEL_COLUMNS, _("cached capabilities"), vmx, "cached_capabilities");
    print_switch(out, _("block-listed drivers"), json_object_get(vmx, "allow_blocklisted"),
                 _("not set"));
    print_findings(out, json_object_get(document, "findings"));
}

static bool run_show(const struct invocation *in, int *ret_exit, struct err *err)
{
    CLEANUP(opened_clear) struct opened file = { 0 };
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    json_t *document;

    *ret_exit = STATUS_FAILED;
    if (!open_file(in->operands[0], &file, err) ||
        !vmx_judge(file.vmx, &file.facts, file_name(file.path), &findings, err) ||
        !vmx_advise(&file.facts, file_name(file.path), &findings, err))
        return false;
    document = to_json(&file, &findings);
    if (!document)
        return err_no_memory(err);
    *ret_exit = STATUS_DONE;
    if (in->json)
        return output_json(in->out, document, err);
    print_vmx(in->out, document);
    json_decref(document);
    return true;
}

const struct command cmd_vmx_show = {
    .name = "vmx show",
    .operands = "FILE",
    .summary = N_("3D acceleration of a VMware VM: what its .vmx says"),
    .run = run_show,
};

/* ---- enable-3d ---- */

static const struct option_spec enable_options[] = {
    { "graphics-memory", 0, N_("MB"), N_("give the guest that much graphics memory") },
    { "allow-blocklisted", 0, NULL,
      N_("use a host driver that VMware has on its block list") },
    { NULL, 0, NULL, NULL },
};

/* One run at a time per file, and how `vmx undo` finds them again. */
static char *lock_name(const char *path)
{
    char sha256[SHA256_HEX];

    hash_bytes(path, strlen(path), sha256);
    return text_printf("vmx-%.32s", sha256);
}

static bool check_enable(const struct invocation *in, struct err *err)
{
    uint64_t mb = MEMORY_LEAST_MB;

    if (!option_get_u64(in, "graphics-memory", &mb, err))
        return false;
    return (mb >= MEMORY_LEAST_MB && mb <= MEMORY_MOST_MB) ||
           err_fail(err, ERR_INVALID, 0, _("--graphics-memory takes %d to %d MB"),
                    MEMORY_LEAST_MB, MEMORY_MOST_MB);
}

static bool plan_changes(const struct invocation *in, struct plan *plan,
                         const struct opened *file, struct err *err)
{
    struct vmx_change changes[3] = { { VMX_ENABLE_3D, "TRUE" } };
    size_t count = 1;
    uint64_t mb = 0;
    char kilobytes[24];

    if (!option_get_u64(in, "graphics-memory", &mb, err))
        return false;
    if (mb > 0) {
        snprintf(kilobytes, sizeof(kilobytes), "%llu", (unsigned long long)mb << 10);
        changes[count++] = (struct vmx_change){ VMX_GRAPHICS_MEMORY, kilobytes };
    }
    if (option_get(in, "allow-blocklisted"))
        changes[count++] = (struct vmx_change){ VMX_ALLOW_BLOCKLISTED, "TRUE" };
    return vmx_plan_edit(plan, file->path, file->vmx, changes, count, err);
}

/* What this very change puts right need not be said. */
static bool is_put_right(const struct invocation *in, const char *id)
{
    static const char *const always[] = { "vmx-3d-off", "vmx-odd-switch",
                                          "vmx-stale-capabilities", "vmx-twice" };

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        if (strcmp(id, always[i]) == 0)
            return true;
    return option_get(in, "graphics-memory") && text_istarts(id, "vmx-memory-");
}

static bool add_findings(const struct invocation *in, struct plan *plan,
                         const struct opened *file, struct err *err)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    const char *subject = file_name(file->path);

    if (!vmx_judge(file->vmx, &file->facts, subject, &findings, err))
        return false;
    if (findings_worst(&findings) != SEVERITY_ERROR &&
        !vmx_advise(&file->facts, subject, &findings, err))
        return false;
    for (size_t i = 0; i < findings.count; i++)
        if (!is_put_right(in, findings.items[i].id) &&
            json_array_append_new(plan->findings, finding_to_json(&findings.items[i])) != 0)
            return err_no_memory(err);
    return true;
}

static bool plan_enable(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    CLEANUP(opened_clear) struct opened file = { 0 };
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;

    if (!open_file(in->operands[0], &file, err))
        return false;
    title = text_printf("3D acceleration for '%s'",
                        file.facts.name ? file.facts.name : file_name(file.path));
    plan = title ? plan_new("local", title, err) : NULL;
    if (!plan)
        return title ? false : err_no_memory(err);
    plan->lock = lock_name(file.path);
    if (!plan->lock)
        return err_no_memory(err);
    if (!add_findings(in, plan, &file, err) ||
        (!plan_has_errors(plan) && !plan_changes(in, plan, &file, err)))
        return false;
    *ret = TAKE(plan);
    return true;
}

const struct command cmd_vmx_enable_3d = {
    .name = "vmx enable-3d",
    .operands = "FILE",
    .summary = N_("switch a VMware VM's 3D acceleration on"),
    .flags = CMD_CHANGES,
    .options = enable_options,
    .check = check_enable,
    .plan = plan_enable,
};

/* ---- undo ---- */

struct search {
    const char *lock;
    char id[24]; /* "": none */
};

/* The newest that can be taken back, else the newest of all. */
static bool on_run(const struct run_info *info, void *user, struct err *err)
{
    struct search *search = user;

    if (!info->lock || !plan_locks(info->lock, search->lock))
        return true;
    if (!*search->id || info->state != RUN_UNDONE)
        snprintf(search->id, sizeof(search->id), "%s", info->id);
    if (info->state != RUN_UNDONE)
        search->lock = ""; /* found: no later one counts */
    return true;
}

static bool find_run(const struct invocation *in, const char *path, char id[24],
                     struct err *err)
{
    CLEANUP(free_cleanup) char *lock = lock_name(path);
    struct search search = { lock, "" };
    struct plan_context context;
    bool ok;

    if (!lock)
        return err_no_memory(err);
    if (!command_context_open(in, NULL, &context, err))
        return false;
    ok = journal_list(context.journal, on_run, &search, err);
    command_context_close(&context);
    if (!ok)
        return false;
    snprintf(id, 24, "%s", search.id);
    if (*id)
        return true;
    err_fail(err, ERR_NOT_FOUND, 0, "hvgpu has not changed '%.200s', as far as is recorded",
             path);
    return err_hint(err, "a copy from before each change stands beside it: '%.80s.bak-*'",
                    file_name(path));
}

static bool run_undo(const struct invocation *in, int *ret_exit, struct err *err)
{
    CLEANUP(free_cleanup) char *path = os_absolute_path(in->operands[0], err);
    char id[24];

    *ret_exit = STATUS_FAILED;
    return path && find_run(in, path, id, err) && history_undo(in, id, ret_exit, err);
}

static const struct option_spec undo_options[] = {
    { "force", 0, NULL, N_("also what others have changed since") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_vmx_undo = {
    .name = "vmx undo",
    .operands = "FILE",
    .summary = N_("take hvgpu's newest change of a .vmx file back"),
    .flags = CMD_CHANGES,
    .options = undo_options,
    .run = run_undo,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* survey: what hosts and GPUs are fit for, and every reason; of hosts, of lspci's text, of
 * this machine. */

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "commands.h"
#include "finding-view.h"
#include "host-json.h"
#include "json-view.h"
#include "os.h"
#include "pci.h"
#include "survey-cluster.h"
#include "survey-json.h"
#include "text.h"
#include "tr.h"
#include "wmi.h"

enum { LSPCI_MAX = 16 << 20, LABEL_COLUMNS = 10, BITS_LEAST = 32, BITS_MOST = 57 };

static const struct option_spec options[] = {
    { "gpu", 0, "GPU", N_("only this GPU") },
    { "vm", 0, "VM", N_("also fit for this VM?") },
    { "for", 0, "USE", N_("fit for gpu-pv, gpu-p or dda; default: any of them") },
    { "address-bits", 0, "N", N_("physical address bits of the host's processor") },
    { "lspci", 0, "FILE", N_("the devices in this output of lspci ('-': standard input)") },
    { "all", 0, NULL, N_("every device on PCI, not only GPUs and their cards") },
    { NULL },
};

/* ---- the question ---- */

static bool read_question(const struct invocation *in, struct survey_question *ret,
                          struct err *err)
{
    static const struct {
        const char *name;
        unsigned use;
    } uses[] = { { "gpu-pv", GPU_MODE_PV },
                 { "gpu-p", GPU_MODE_P },
                 { "dda", GPU_MODE_DDA } };
    const char *use = option_get(in, "for");

    *ret = (struct survey_question){ .all_devices = option_get(in, "all") != NULL,
                                     .strict = use != NULL };
    for (size_t i = 0; use && i < ARRAY_LEN(uses); i++)
        if (strcmp(uses[i].name, use) == 0)
            ret->uses = uses[i].use;
    if (use && !ret->uses) {
        err_fail(err, ERR_INVALID, 0, _("--for: '%.40s' is no way to use a GPU"), use);
        return err_hint(err, _("there are gpu-pv, gpu-p and dda"));
    }
    if (!option_get_u64(in, "address-bits", &ret->address_bits.value, err))
        return false;
    ret->address_bits.known = option_get(in, "address-bits") != NULL;
    if (ret->address_bits.known &&
        (ret->address_bits.value < BITS_LEAST || ret->address_bits.value > BITS_MOST))
        return err_fail(err, ERR_INVALID, 0, _("--address-bits takes %d to %d"), BITS_LEAST,
                        BITS_MOST);
    return true;
}

/* lspci's text, or on Linux this machine. */
static bool is_alone(const struct invocation *in)
{
    return option_get(in, "lspci") ||
           (!wmi_is_here() && !option_get(in, "host") && !option_get(in, "inventory") &&
            os_file_exists(PCI_SYSFS));
}

static bool check(const struct invocation *in, struct err *err)
{
    struct survey_question question;
    const char *lspci = option_get(in, "lspci");

    if (!read_question(in, &question, err))
        return false;
    if (lspci && (option_get(in, "host") || option_get(in, "inventory")))
        return err_fail(err, ERR_INVALID, 0,
                        _("--lspci reads a file: it does not go with --host"));
    if (!is_alone(in))
        return true;
    if (option_get(in, "cluster")) {
        err_fail(err, ERR_INVALID, 0, _("--cluster needs a host that belongs to one"));
        return err_hint(err, _("name the host with --host"));
    }
    if (option_get(in, "vm")) {
        err_fail(err, ERR_INVALID, 0, _("--vm needs a host that has it"));
        return err_hint(err, _("name the host with --host"));
    }
    if (question.uses && question.uses != GPU_MODE_DDA) {
        err_fail(err, ERR_INVALID, 0, _("without a host only dda can be judged"));
        return err_hint(err, _("what a GPU can share is known to the driver on the host"));
    }
    return true;
}

/* ---- showing ---- */

static const char *verdict_word(const char *verdict, enum style *ret_style)
{
    static const struct {
        const char *verdict, *word;
        enum style style;
    } words[] = {
        { "yes", N_("yes"), STYLE_GOOD },
        { "maybe", N_("maybe"), STYLE_WARN },
        { "no", N_("no"), STYLE_BAD },
        { "unknown", N_("not known"), STYLE_PLAIN },
    };

    for (size_t i = 0; verdict && i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].verdict, verdict) == 0) {
            *ret_style = words[i].style;
            return _(words[i].word);
        }
    *ret_style = STYLE_PLAIN;
    return "?";
}

static void put_reasons(struct strbuf *to, const json_t *reasons)
{
    const json_t *reason;
    size_t i;

    json_array_foreach(reasons, i, reason)
        strbuf_printf(to, "%s%s", i ? ", " : "  ", json_string_value(reason));
}

static void show_verdict(struct output *out, const char *label, const char *verdict,
                         const json_t *reasons)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    enum style style;
    const char *word = verdict_word(verdict, &style);

    put_reasons(&text, reasons);
    output_text(out, "  %s%s:%s%*s %s%s%s%s\n", style_on(out, STYLE_FAINT), label,
                style_off(out, STYLE_FAINT), (int)(LABEL_COLUMNS - 1 - text_columns(label)),
                "", style_on(out, style), word, style_off(out, style),
                text.text ? text.text : "");
}

static void show_mmio(struct output *out, const json_t *mmio)
{
    const json_t *low = json_object_get(mmio, "low_bytes");
    const json_t *high = json_object_get(mmio, "high_bytes");
    const json_t *line;
    char text[120];
    size_t i;

    if (!json_is_integer(low) || !json_is_integer(high))
        return;
    snprintf(text, sizeof(text), _("low %lld MB, high %lld MB"),
             (long long)json_integer_value(low) >> 20,
             (long long)json_integer_value(high) >> 20);
    output_field(out, LABEL_COLUMNS, _("MMIO"), text);
    json_array_foreach(json_object_get(mmio, "arithmetic"), i, line)
        output_field(out, LABEL_COLUMNS, "", json_string_value(line));
}

static const char *title_of(const json_t *device)
{
    const char *name = view_text(device, "name");

    return name ? name : view_text(device, "pci_id");
}

static void show_place(struct output *out, const json_t *device)
{
    static const char *const keys[] = { "pci_address", "pci_id", "location_path" };
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = view_text(device, keys[i]);

        if (value)
            strbuf_printf(&text, "%s%s", text.len ? "  " : "", value);
    }
    output_field(out, LABEL_COLUMNS, _("device"), text.text);
}

/* What public sources say of the model. */
static void show_model(struct output *out, const json_t *device)
{
    static const struct {
        const char *key, *word;
    } parts[] = { { "gpu_pv", "GPU-PV" }, { "gpu_p", "GPU-P" }, { "dda", "DDA" } };
    static const struct {
        const char *status, *word;
    } words[] = {
        { "listed", N_("listed") },    { "works", N_("works") },
        { "partly", N_("in part") },   { "fails", N_("fails") },
        { "not-supported", N_("no") },
    };
    const json_t *model = json_object_get(device, "model");
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (!json_is_object(model))
        return;
    strbuf_puts(&text, view_text(model, "name"));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *status = view_text(model, parts[i].key);

        for (size_t w = 0; status && w < ARRAY_LEN(words); w++)
            if (strcmp(words[w].status, status) == 0)
                strbuf_printf(&text, "; %s: %s", parts[i].word, _(words[w].word));
    }
    output_field(out, LABEL_COLUMNS, _("known as"), text.text);
}

static void show_device(struct output *out, const json_t *device, bool first_of_card)
{
    const char *title = title_of(device);
    const json_t *verdict = json_object_get(device, "verdict");

    output_heading(out, title ? title : "?");
    show_place(out, device);
    show_model(out, device);
    show_verdict(out, "DDA", view_text(verdict, "dda"),
                 json_object_get(verdict, "reasons"));
    if (first_of_card)
        show_mmio(out, json_object_get(device, "mmio"));
}

static void show_findings(struct output *out, const json_t *findings)
{
    const json_t *finding;
    size_t i;

    if (json_array_size(findings) == 0)
        return;
    output_text(out, "\n");
    output_heading(out, _("Findings"));
    json_array_foreach(findings, i, finding) finding_view(out, finding, true);
}

static bool has_errors(const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        const char *severity = view_text(finding, "severity");

        if (severity && strcmp(severity, "error") == 0)
            return true;
    }
    return false;
}

/* ---- a machine without Hyper-V ---- */

/* Which function of @machine @selector means: its address, its ids, a part of its name. */
static bool select_function(const struct pci_machine *machine, const char *selector,
                            long *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf candidates = STRBUF_INIT;
    unsigned count = 0;

    *ret = -1;
    if (!selector)
        return true;
    for (size_t i = 0; i < machine->count; i++) {
        const struct pci_device *device = &machine->devices[i];
        char address[16], ids[12] = "";
        bool exact;

        pci_address(device, address);
        if (device->has_ids)
            snprintf(ids, sizeof(ids), "%04x:%04x", device->vendor_id, device->device_id);
        exact = text_ieq(address, selector) || text_ieq(address + 5, selector);
        if (!exact && !text_ieq(ids, selector) && !text_istr(device->name, selector))
            continue;
        *ret = (long)i;
        if (exact)
            return true;
        count++;
        if (count <= 8)
            strbuf_printf(&candidates, "%s%s %s", count > 1 ? ", " : "", address,
                          device->name);
    }
    if (count == 1)
        return true;
    if (count == 0)
        return err_fail(err, ERR_NOT_FOUND, 0, _("no device matches '%.80s'"), selector);
    err_fail(err, ERR_INVALID, 0, _("'%.80s' matches %u devices"), selector, count);
    return err_hint(err, _("choose one by its address: %s"),
                    candidates.text ? candidates.text : "");
}

static json_t *machine_document(const struct survey_report *report)
{
    return json_pack("{s:s, s:o, s:o}", "schema", "hvgpu/1", "devices",
                     survey_devices_to_json(report), "findings",
                     survey_findings_to_json(report));
}

static void show_machine(struct output *out, const struct survey_report *report,
                         const json_t *document)
{
    const json_t *devices = json_object_get(document, "devices");
    size_t at = 0;

    for (size_t i = 0; i < report->card_count; i++)
        for (size_t f = 0; f < report->cards[i].function_count; f++, at++) {
            if (at > 0)
                output_text(out, "\n");
            show_device(out, json_array_get(devices, at), f == 0);
        }
    show_findings(out, json_object_get(document, "findings"));
}

/* "address sizes	: 46 bits physical, 48 bits virtual"; x86 only. */
static void take_address_bits(struct known_u64 *bits)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup)
    char *text = os_read_file("/proc/cpuinfo", LSPCI_MAX, NULL, &ignored);
    const char *line = text ? strstr(text, "address sizes") : NULL;
    unsigned value;

    if (!bits->known && line && sscanf(line, "address sizes : %3u bits", &value) == 1)
        *bits = (struct known_u64){ true, value };
}

static bool survey_this(const struct invocation *in, const struct pci_machine *machine,
                        int *ret_exit, struct err *err)
{
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;
    struct survey_question question;
    json_t *document;
    long wanted;
    bool ok = true;

    if (!read_question(in, &question, err))
        return false;
    if (!option_get(in, "lspci"))
        take_address_bits(&question.address_bits);
    if (!select_function(machine, option_get(in, "gpu"), &wanted, err) ||
        !survey_machine(machine, &question, wanted, &report, err))
        return false;
    if (report->card_count == 0) {
        err_fail(err, ERR_NOT_FOUND, 0, _("there is no GPU among the %zu devices"),
                 machine->count);
        return err_hint(err, _("--all shows every device"));
    }
    document = machine_document(report);
    if (!document)
        return err_no_memory(err);
    *ret_exit =
        has_errors(json_object_get(document, "findings")) ? STATUS_FOUND : STATUS_DONE;
    if (in->json)
        return output_json(in->out, document, err);
    show_machine(in->out, report, document);
    json_decref(document);
    return ok;
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    const char *path = option_get(in, "lspci");
    struct pci_machine machine = { 0 };
    CLEANUP(free_cleanup) char *text = NULL;
    size_t len = 0;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (path) {
        text = os_read_file(strcmp(path, "-") == 0 ? "/dev/stdin" : path, LSPCI_MAX, &len,
                            err);
        if (!text || !pci_read_lspci(text, len, &machine, err))
            return err_wrap(err, "'%.200s'", path);
    } else if (!pci_read_sysfs(PCI_SYSFS, &machine, err)) {
        return false;
    }
    ok = survey_this(in, &machine, ret_exit, err);
    pci_machine_clear(&machine);
    return ok;
}

/* ---- hosts ---- */

static bool has_found(const json_t *part)
{
    return has_errors(json_object_get(part, "findings"));
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;
    const char *gpu = option_get(in, "gpu"), *vm = option_get(in, "vm");
    struct survey_question question;
    unsigned what = HV_SURVEY;

    if (!read_question(in, &question, err))
        return false;
    if (question.all_devices)
        what |= HV_ALL_FUNCTIONS;
    if (option_get(in, "cluster"))
        what |= HV_CLUSTER;
    if (!hv_inventory_read_any(in->session, in->host, what, &host, err) ||
        (gpu && !hv_select_gpu(host, gpu, &question.gpu, err)) ||
        (vm && !hv_select_vm(host, vm, &question.vm, err)) ||
        !survey_host(host, &question, &report, err))
        return false;
    *ret = json_pack("{s:o, s:o, s:o, s:o, s:o}", "os", os_to_json(host), "platform",
                     survey_platform_to_json(host), "gpus", survey_fit_to_json(report),
                     "devices", survey_devices_to_json(report), "findings",
                     survey_findings_to_json(report));
    if (!*ret)
        return err_no_memory(err);
    /* Its cluster is judged when all of its nodes have told. */
    if (!host->cluster || command_keep(in, TAKE(host), err))
        return true;
    json_decref(*ret);
    return false;
}

static void show_fit(struct output *out, const json_t *gpu)
{
    static const struct {
        const char *key, *label;
    } uses[] = { { "gpu-pv", "GPU-PV" }, { "gpu-p", "GPU-P" }, { "dda", "DDA" } };

    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        const json_t *fit = json_object_get(json_object_get(gpu, "fit"), uses[i].key);

        if (json_is_object(fit))
            show_verdict(out, uses[i].label, view_text(fit, "verdict"),
                         json_object_get(fit, "reasons"));
    }
}

static bool is_of(const json_t *device, const json_t *gpu)
{
    const char *id = view_text(device, "instance_id"), *own = view_text(gpu, "instance_id");

    id = id ? strchr(id, '\\') : NULL; /* PCI\ and PCIP\ are the same device */
    own = own ? strchr(own, '\\') : NULL;
    return id && own && text_ieq(id, own);
}

static void show_platform(struct output *out, const json_t *host)
{
    const json_t *os = json_object_get(host, "os");
    const json_t *platform = json_object_get(host, "platform"), *reason;
    const char *wddm = view_text(platform, "wddm"),
               *cluster = view_text(platform, "cluster");
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    size_t i;

    view_put(&text, json_object_get(os, "product"));
    strbuf_puts(&text, _(", build "));
    view_put(&text, json_object_get(os, "build"));
    if (wddm)
        strbuf_printf(&text, ", WDDM %s", wddm);
    if (cluster)
        strbuf_printf(&text, _(", cluster '%s'"), cluster);
    output_heading(out, _("Host"));
    output_field(out, LABEL_COLUMNS, _("system"), text.text);
    view_field(out, LABEL_COLUMNS, _("IOV"), platform, "iov");
    json_array_foreach(json_object_get(platform, "iov_reasons"), i, reason)
        output_field(out, LABEL_COLUMNS, "", json_string_value(reason));
}

/* GPUs with what they are fit for, every other device with its own verdict. */
static void show_host(struct output *out, const json_t *host)
{
    const json_t *gpus = json_object_get(host, "gpus");
    const json_t *devices = json_object_get(host, "devices"), *gpu, *device;
    size_t g, d;

    show_platform(out, host);
    json_array_foreach(gpus, g, gpu)
    {
        const char *title = title_of(gpu);

        if (!view_text(gpu, "instance_id"))
            continue; /* no GPU: among the devices */
        output_text(out, "\n");
        output_heading(out, title ? title : "?");
        json_array_foreach(devices, d, device) if (is_of(device, gpu))
        {
            show_place(out, device);
            show_model(out, device);
        }
        view_field(out, LABEL_COLUMNS, _("status"), gpu, "assigned_status");
        show_fit(out, gpu);
        json_array_foreach(devices, d, device) if (is_of(device, gpu))
            show_mmio(out, json_object_get(device, "mmio"));
    }
    json_array_foreach(devices, d, device)
    {
        bool shown = false;

        json_array_foreach(gpus, g, gpu) shown |= is_of(device, gpu);
        if (shown)
            continue;
        output_text(out, "\n");
        show_device(out, device, false);
    }
    show_findings(out, json_object_get(host, "findings"));
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host;
    size_t h;

    (void)err;
    json_array_foreach(hosts, h, host)
    {
        if (!json_is_array(json_object_get(host, "devices")))
            continue;
        if (in->blocks->host_count > 1)
            output_text(in->out, "%s%s:\n\n", in->blocks->shown + h ? "\n" : "",
                        view_text(host, "host"));
        show_host(in->out, host);
    }
    return true;
}

const struct command cmd_survey = {
    .name = "survey",
    .summary = N_("what hosts and GPUs are fit for, and every reason"),
    .flags = CMD_HOST,
    .options = options,
    .list = "devices",
    .check = check,
    .is_alone = is_alone,
    .run = run,
    .collect = collect,
    .print = print,
    .found = has_found,
    .join = survey_join_clusters,
    .print_join = survey_print_clusters,
    .forget = survey_forget_host,
    .in_blocks = true,
};

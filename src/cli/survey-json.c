/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON of a survey. */

#include "survey-json.h"

#include <string.h>

#include "host-json.h"
#include "models.h"

static json_t *truth_to_json(enum tristate value)
{
    return value == TRI_UNKNOWN ? json_null() : json_boolean(value == TRI_YES);
}

/* "" is unknown; names of a host may hold anything. */
static json_t *name_to_json(const char *text)
{
    return text_to_json(text && *text ? text : NULL);
}

static bool append(json_t *list, json_t *item)
{
    return json_array_append_new(list, item) == 0;
}

static const char *use_name(unsigned use)
{
    return use == GPU_MODE_PV ? "gpu-pv" : use == GPU_MODE_P ? "gpu-p" : "dda";
}

/* ---- devices ---- */

static json_t *bars_to_json(const struct device_facts *facts)
{
    json_t *list = json_array();

    if (!facts->has_bars) {
        json_decref(list);
        return json_null();
    }
    for (size_t i = 0; list && i < facts->bar_count; i++) {
        const struct device_bar *bar = &facts->bars[i];
        json_t *width = bar->is_io || bar->is_64bit == TRI_UNKNOWN
                            ? json_null()
                            : json_integer(bar->is_64bit == TRI_YES ? 64 : 32);

        if (bar->is_io) {
            json_decref(width);
            width = json_integer(32); /* I/O addresses have no more */
        }
        if (!append(list,
                    json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "index",
                              known_to_json(bar->index), "base",
                              known_to_json(bar->base_bytes), "size_bytes",
                              known_to_json(bar->size_bytes), "width", width,
                              "prefetchable",
                              bar->is_io ? json_false() : truth_to_json(bar->prefetchable),
                              "kind", bar->is_io ? "io" : "memory"))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *rebar_to_json(const struct device_facts *facts)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < facts->rebar_count; i++)
        if (!append(list, json_integer((json_int_t)facts->rebar_sizes[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* What stands in the way, or might: errors, warnings, and what is not known. */
static json_t *reasons_to_json(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        if ((finding->severity >= SEVERITY_WARNING || finding->says != SAYS_BY_SEVERITY) &&
            !append(list, json_string(finding->id))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *model_to_json(const struct device_facts *facts)
{
    static const char *const statuses[] = {
        [MODEL_UNKNOWN] = NULL,  [MODEL_LISTED] = "listed",
        [MODEL_WORKS] = "works", [MODEL_PARTLY] = "partly",
        [MODEL_FAILS] = "fails", [MODEL_NOT_SUPPORTED] = "not-supported",
    };
    const struct gpu_model *model = gpu_model_find(facts->pci_id);

    if (!model)
        return json_null();
    return json_pack("{s:s, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:s}", "name", model->name,
                     "dda", statuses[model->dda], "gpu_p", statuses[model->gpu_p], "gpu_pv",
                     statuses[model->gpu_pv], "flr_bit", truth_to_json(model->flr_bit),
                     "flr_reported", truth_to_json(model->flr_reported), "display_output",
                     truth_to_json(model->display_output), "source", model->source);
}

static json_t *mmio_to_json(const struct survey_card *card)
{
    json_t *lines = json_array();
    const char *at = card->arithmetic;

    while (lines && at && *at) {
        size_t len = strcspn(at, "\n");

        if (len > 0 && !append(lines, json_stringn_nocheck(at, len)))
            break;
        at += len + (at[len] == '\n');
    }
    if (!card->has_gaps)
        return json_pack("{s:n, s:n, s:n, s:o}", "low_bytes", "high_bytes", "base_bytes",
                         "arithmetic", lines);
    return json_pack("{s:I, s:I, s:I, s:o}", "low_bytes", (json_int_t)card->gaps.low_bytes,
                     "high_bytes", (json_int_t)card->gaps.high_bytes, "base_bytes",
                     (json_int_t)card->gaps.base_bytes, "arithmetic", lines);
}

static json_t *device_to_json(const struct survey_card *card, size_t index)
{
    const struct device_facts *f = &card->functions[index];
    json_t *verdict = json_pack("{s:s, s:o, s:s?}", "dda", verdict_name(card->dda[index]),
                                "reasons", reasons_to_json(&card->dda_findings[index]),
                                "script", survey_dda_class(f));
    json_t *device = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "pci_address", name_to_json(f->pci_address), "pci_id", name_to_json(f->pci_id),
        "name", name_to_json(f->name), "class", name_to_json(f->class_name),
        "location_path", name_to_json(f->location_path), "instance_id",
        name_to_json(f->instance_id), "bars", bars_to_json(f), "flr", truth_to_json(f->flr),
        "acs", truth_to_json(f->acs), "msi", truth_to_json(f->msi), "msix",
        truth_to_json(f->msix), "sriov", truth_to_json(f->sriov), "rebar_sizes_bytes",
        rebar_to_json(f), "iommu_group", known_to_json(f->iommu_group));

    if (!device || json_object_set_new(device, "mmio", mmio_to_json(card)) != 0 ||
        json_object_set_new(device, "model", model_to_json(f)) != 0 ||
        json_object_set(device, "verdict", verdict) != 0) {
        json_decref(device);
        device = NULL;
    }
    json_decref(verdict);
    return device;
}

json_t *survey_devices_to_json(const struct survey_report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < report->card_count; i++)
        for (size_t f = 0; f < report->cards[i].function_count; f++)
            if (!append(list, device_to_json(&report->cards[i], f))) {
                json_decref(list);
                return NULL;
            }
    return list;
}

/* ---- fitness of GPUs ---- */

static json_t *uses_to_json(const struct survey_card *card)
{
    json_t *all = json_object();

    for (size_t i = 0; all && i < card->fit_count; i++) {
        const struct fitness *fit = &card->fit[i];

        if (json_object_set_new(all, use_name(fit->use),
                                json_pack("{s:s, s:o}", "verdict",
                                          verdict_name(fit->verdict), "reasons",
                                          reasons_to_json(&fit->findings))) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

json_t *survey_fit_to_json(const struct survey_report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < report->card_count; i++) {
        const struct survey_card *card = &report->cards[i];
        const struct hv_gpu *gpu = card->gpu;
        const struct device_facts *first =
            card->function_count ? &card->functions[0] : NULL;
        const char *status = gpu_status_name(card->status);
        const char *place = gpu ? gpu_place_name(gpu->place) : NULL;

        if (gpu && !append(list, json_pack("{s:o, s:o, s:o, s:o, s:s?, s:s?, s:o}", "name",
                                           name_to_json(gpu->name), "pci_id",
                                           name_to_json(gpu->pci_id), "pci_address",
                                           name_to_json(first ? first->pci_address : NULL),
                                           "instance_id", name_to_json(gpu->instance_id),
                                           "assigned_status", status, "place", place, "fit",
                                           uses_to_json(card)))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* ---- findings: the contract's, and which uses they are about ---- */

json_t *survey_findings_to_json(const struct survey_report *report)
{
    static const unsigned order[] = { GPU_MODE_PV, GPU_MODE_P, GPU_MODE_DDA };
    json_t *list = json_array();

    for (size_t i = 0; list && i < report->findings.count; i++) {
        const struct finding *finding = &report->findings.items[i];
        json_t *entry = finding_to_json(finding), *uses = json_array();
        bool ok = entry && uses;

        for (size_t u = 0; ok && u < ARRAY_LEN(order); u++)
            if (finding->uses & order[u])
                ok = append(uses, json_string(use_name(order[u])));
        ok = ok && json_object_set(entry, "uses", uses) == 0 &&
             json_array_append(list, entry) == 0;
        json_decref(uses);
        json_decref(entry);
        if (!ok) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* ---- the host ---- */

json_t *survey_platform_to_json(const struct hv_host *host)
{
    const struct hv_platform *p = &host->platform;
    const struct windows_release *release =
        host->build.known ? windows_release_of(host->build.value) : NULL;
    json_t *reasons = p->iov == TRI_UNKNOWN ? json_null() : json_array();

    for (size_t i = 0; json_is_array(reasons) && i < p->iov_reason_count; i++)
        if (!append(reasons, text_to_json(p->iov_reasons[i]))) {
            json_decref(reasons);
            return NULL;
        }
    return json_pack(
        "{s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "wddm",
        release ? release->wddm : NULL, "hyper_v", truth_to_json(p->hyper_v), "hypervisor",
        truth_to_json(p->hypervisor_runs), "slat", truth_to_json(p->slat),
        "firmware_virtualization", truth_to_json(p->firmware_virtualization), "iov",
        truth_to_json(p->iov), "iov_reasons", reasons, "require_secure_device_assignment",
        known_to_json(p->require_secure), "require_supported_device_assignment",
        known_to_json(p->require_supported), "clustered", truth_to_json(p->clustered),
        "cluster", text_to_json(p->cluster_name), "address_bits",
        known_to_json(p->address_bits));
}

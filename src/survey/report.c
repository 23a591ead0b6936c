/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts cards together, has them judged, and gathers the findings. */

#include "report.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

void survey_report_free(struct survey_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->card_count; i++) {
        struct survey_card *card = &report->cards[i];

        for (size_t f = 0; f < CARD_FUNCTIONS_MAX; f++)
            findings_clear(&card->dda_findings[f]);
        for (size_t u = 0; u < card->fit_count; u++)
            findings_clear(&card->fit[u].findings);
        free(card->gaps_error);
        free(card->arithmetic);
    }
    free(report->cards);
    findings_clear(&report->findings);
    free(report);
}

static struct survey_card *new_card(struct survey_report *report, struct err *err)
{
    struct survey_card *cards =
        realloc(report->cards, (report->card_count + 1) * sizeof(*cards));

    if (!cards) {
        err_no_memory(err);
        return NULL;
    }
    report->cards = cards;
    cards[report->card_count] = (struct survey_card){ 0 };
    return &cards[report->card_count++];
}

static void list_functions(const struct survey_card *card,
                           const struct device_facts *ret[CARD_FUNCTIONS_MAX])
{
    for (size_t i = 0; i < card->function_count; i++)
        ret[i] = &card->functions[i];
}

/* ---- MMIO of a card ---- */

/* @others: of the VM already.  Without the sizes of the card itself there is nothing to
 * compute, and a rule says so. */
static bool compute_gaps(struct survey_card *card, const struct device_facts *others,
                         size_t other_count, const struct hv_vm *vm,
                         struct known_u64 address_bits, struct err *err)
{
    const struct device_facts *all[MMIO_DEVICES_MAX];
    size_t count = card->function_count;
    struct err why = ERR_INIT;
    char text[512];

    if (count == 0)
        return true;
    list_functions(card, all);
    for (size_t i = 0; i < count; i++)
        if (!facts_have_sizes(all[i]))
            return true;
    if (count + other_count > MMIO_DEVICES_MAX)
        other_count = MMIO_DEVICES_MAX - count; /* no VM has as many */
    for (size_t i = 0; i < other_count; i++)
        all[count++] = &others[i];
    card->has_gaps = gaps_for_devices(all, count, vm, address_bits, &card->gaps, &why);
    if (!card->has_gaps) {
        err_format(&why, text, sizeof(text));
        card->gaps_error = text_dup(text);
        return card->gaps_error || err_no_memory(err);
    }
    card->arithmetic = gaps_arithmetic(all, count, &card->gaps);
    return card->arithmetic || err_no_memory(err);
}

/* ---- judging ---- */

static bool judge_card(struct survey_card *card, const struct survey_facts *common,
                       unsigned uses, struct err *err)
{
    static const unsigned order[] = { GPU_MODE_PV, GPU_MODE_P, GPU_MODE_DDA };
    const struct device_facts *functions[CARD_FUNCTIONS_MAX];
    struct survey_facts facts = *common;
    unsigned about = ABOUT_GPU | ABOUT_HOST | ABOUT_VM;

    list_functions(card, functions);
    facts.gpu = card->gpu;
    facts.devices = functions;
    facts.device_count = card->function_count;
    for (size_t i = 0; i < card->function_count; i++) {
        struct survey_facts one = facts;

        one.use = GPU_MODE_DDA;
        one.gpu = NULL;
        one.gpu_name = i == 0 ? facts.gpu_name : NULL;
        one.device = functions[i];
        one.device_count = 0; /* by itself */
        if ((uses & GPU_MODE_DDA) &&
            !survey_judge(&one, ABOUT_GPU, true, &card->dda_findings[i], err))
            return false;
        card->dda[i] =
            uses & GPU_MODE_DDA ? survey_verdict(&card->dda_findings[i]) : VERDICT_UNKNOWN;
    }
    facts.device = card->function_count > 0 ? functions[0] : NULL;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        struct gaps partition;
        struct fitness *fit;

        if (!(uses & order[i]))
            continue;
        fit = &card->fit[card->fit_count++];
        fit->use = facts.use = order[i];
        facts.gaps = NULL;
        facts.gaps_error = NULL;
        if (order[i] == GPU_MODE_DDA) {
            facts.gaps = card->has_gaps ? &card->gaps : NULL;
            facts.gaps_error = card->gaps_error;
        } else if (card->gpu && common->vm) {
            gaps_for_partition(common->vm, card->gpu, &partition);
            facts.gaps = &partition;
        }
        if (!survey_judge(&facts, about, false, &fit->findings, err))
            return false;
        fit->verdict = survey_verdict(&fit->findings);
    }
    return true;
}

/* ---- gathering ---- */

static bool card_is_fit(const struct survey_card *card)
{
    for (size_t i = 0; i < card->fit_count; i++)
        if (card->fit[i].verdict != VERDICT_NO)
            return true;
    return false;
}

static bool same(const struct finding *a, const struct finding *b)
{
    if (strcmp(a->id, b->id) != 0 || strcmp(a->subject, b->subject) != 0 ||
        a->evidence_count != b->evidence_count)
        return false;
    for (size_t i = 0; i < a->evidence_count; i++)
        if (strcmp(a->evidence[i], b->evidence[i]) != 0)
            return false;
    return true;
}

static bool gather_one(struct findings *to, const struct finding *from,
                       enum severity severity, unsigned use, struct err *err)
{
    for (size_t i = 0; i < to->count; i++) {
        if (!same(&to->items[i], from))
            continue;
        if (severity > to->items[i].severity)
            to->items[i].severity = severity;
        to->items[i].uses |= use;
        return true;
    }
    if (!findings_add(to, from->id, severity, from->subject, NULL, from->cause, from->fix,
                      from->source, err) ||
        !finding_copy_evidence(&to->items[to->count - 1], from, err))
        return false;
    to->items[to->count - 1].uses = use;
    to->items[to->count - 1].says = from->says;
    return true;
}

static int worst_first(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;

    return (int)right->severity - (int)left->severity;
}

/* qsort() need not keep the order of equals; findings are few. */
static void sort_findings(struct findings *list)
{
    for (size_t i = 1; i < list->count; i++)
        for (size_t k = i; k > 0 && worst_first(&list->items[k - 1], &list->items[k]) > 0;
             k--) {
            struct finding moved = list->items[k];

            list->items[k] = list->items[k - 1];
            list->items[k - 1] = moved;
        }
}

static bool gather(struct survey_report *report, bool strict, struct err *err)
{
    bool any_fit = false;

    for (size_t i = 0; i < report->card_count; i++)
        any_fit |= card_is_fit(&report->cards[i]);
    for (size_t i = 0; i < report->card_count; i++) {
        const struct survey_card *card = &report->cards[i];
        enum severity ruled_out = strict              ? SEVERITY_ERROR
                                  : card_is_fit(card) ? SEVERITY_INFO
                                  : any_fit           ? SEVERITY_WARNING
                                                      : SEVERITY_ERROR;

        for (size_t u = 0; u < card->fit_count; u++)
            for (size_t f = 0; f < card->fit[u].findings.count; f++) {
                const struct finding *finding = &card->fit[u].findings.items[f];
                enum severity severity = finding->severity;

                /* How a VM would have to be for what is ruled out anyway: nobody's concern. */
                if (!strict && card->fit[u].verdict == VERDICT_NO &&
                    severity < SEVERITY_ERROR && strncmp(finding->id, "vm-", 3) == 0)
                    continue;
                /* What is wrong with a use that is ruled out anyway is worth less. */
                if (card->fit[u].verdict == VERDICT_NO && severity > ruled_out)
                    severity = ruled_out;
                if (!gather_one(&report->findings, finding, severity, card->fit[u].use,
                                err))
                    return false;
            }
        /* Of the other functions of the card: what stands in the way of their going along. */
        for (size_t f = 1; f < card->function_count; f++)
            for (size_t k = 0; k < card->dda_findings[f].count; k++) {
                const struct finding *finding = &card->dda_findings[f].items[k];

                if (finding->severity == SEVERITY_ERROR &&
                    !gather_one(&report->findings, finding,
                                ruled_out < SEVERITY_WARNING ? ruled_out : SEVERITY_WARNING,
                                GPU_MODE_DDA, err))
                    return false;
            }
    }
    sort_findings(&report->findings);
    return true;
}

/* Functions right on a root bus ("PCIROOT(0)#PCI(0200)") belong to the chipset. */
static bool shares_root_bus(const char *location_path)
{
    const char *first = strchr(location_path, '#');

    return !first || !strchr(first + 1, '#');
}

/* ---- a machine ---- */

static bool is_gpu(const struct pci_device *device)
{
    enum { CLASS_ACCELERATOR = 0x12 };

    return pci_is_display(device) ||
           (device->has_class && device->class_code >> 8 == CLASS_ACCELERATOR);
}

static bool add_pci_card(struct survey_report *report, const struct pci_machine *machine,
                         const struct pci_device *first, bool alone, struct err *err)
{
    struct survey_card *card = new_card(report, err);

    if (!card)
        return false;
    facts_from_pci(machine, first, &card->functions[card->function_count++]);
    for (size_t i = 0; !alone && i < machine->count; i++) {
        const struct pci_device *other = &machine->devices[i];

        /* Integrated ones share a bus with everything: not a card. */
        if (other != first && first->bus != 0 && pci_same_card(other, first) &&
            card->function_count < CARD_FUNCTIONS_MAX)
            facts_from_pci(machine, other, &card->functions[card->function_count++]);
    }
    return true;
}

bool survey_machine(const struct pci_machine *machine,
                    const struct survey_question *question, long wanted,
                    struct survey_report **ret, struct err *err)
{
    CLEANUP(survey_report_cleanup)
    struct survey_report *report = calloc(1, sizeof(*report));
    struct survey_facts common = { .request = question->request };

    if (!report)
        return err_no_memory(err);
    for (size_t i = 0; i < machine->count; i++) {
        const struct pci_device *device = &machine->devices[i];
        bool take = wanted >= 0             ? i == (size_t)wanted
                    : question->all_devices ? !device->is_bridge
                                            : is_gpu(device);

        if (take && !add_pci_card(report, machine, device, question->all_devices, err))
            return false;
    }
    for (size_t i = 0; i < report->card_count; i++)
        if (!compute_gaps(&report->cards[i], NULL, 0, NULL, question->address_bits, err) ||
            !judge_card(&report->cards[i], &common, GPU_MODE_DDA, err))
            return false;
    if (!gather(report, question->strict, err))
        return false;
    *ret = TAKE(report);
    return true;
}

/* ---- a host ---- */

static bool add_host_card(struct survey_report *report, const struct hv_host *host,
                          const struct hv_gpu *gpu, const struct hv_function *function,
                          struct err *err)
{
    struct survey_card *card = new_card(report, err);
    const char *path = function ? function->location_path : NULL;

    if (!card)
        return false;
    card->gpu = gpu;
    if (function)
        facts_from_function(function, &card->functions[card->function_count++]);
    for (size_t i = 0; gpu && path && i < host->function_count; i++) {
        const struct hv_function *other = &host->functions[i];

        if (other != function && hv_same_card(path, other->location_path) &&
            !shares_root_bus(path) && card->function_count < CARD_FUNCTIONS_MAX)
            facts_from_function(other, &card->functions[card->function_count++]);
    }
    return true;
}

static bool add_host_cards(struct survey_report *report, const struct hv_host *host,
                           const struct survey_question *question, struct err *err)
{
    for (size_t i = 0; i < host->gpu_count; i++) {
        const struct hv_gpu *gpu = &host->gpus[i];

        if ((!question->gpu || question->gpu == gpu) &&
            !add_host_card(report, host, gpu, hv_find_function(host, gpu->instance_id),
                           err))
            return false;
    }
    for (size_t i = 0; question->all_devices && i < host->function_count; i++)
        if (!hv_find_gpu(host, host->functions[i].instance_id) &&
            !add_host_card(report, host, NULL, &host->functions[i], err))
            return false;
    return true;
}

bool survey_vm_has_gpu(const struct hv_vm *vm, const char *interface_path)
{
    for (size_t i = 0; i < vm->adapter_count; i++)
        if (text_ieq(vm->adapters[i].interface_path, interface_path))
            return true;
    return false;
}

/* Of a VM that runs: where it runs counts, and its pin where that is not told. */
static bool uses_partition(const struct hv_vm *vm, const char *interface_path)
{
    for (size_t i = 0; i < vm->adapter_count; i++) {
        const struct hv_adapter *adapter = &vm->adapters[i];

        if (text_ieq(adapter->running_on ? adapter->running_on : adapter->interface_path,
                     interface_path))
            return true;
    }
    return false;
}

void survey_count(struct survey_facts *facts)
{
    const struct hv_host *host = facts->host;
    const char *path = facts->gpu ? facts->gpu->interface_path : NULL;

    facts->partitionable_gpus = facts->display_gpus = facts->partitions_taken = 0;
    for (size_t i = 0; i < host->gpu_count; i++) {
        facts->partitionable_gpus += host->gpus[i].interface_path != NULL;
        facts->display_gpus += host->gpus[i].shows_display == TRI_YES;
    }
    for (size_t i = 0; path && i < host->vm_count; i++)
        if (host->vms[i].state == VM_RUNNING)
            facts->partitions_taken += uses_partition(&host->vms[i], path);
}

static bool vm_has_device(const struct hv_vm *vm, const struct hv_gpu *gpu)
{
    for (size_t i = 0; gpu && i < vm->device_count; i++) {
        const char *id = vm->devices[i].instance_id;
        const char *own = strchr(gpu->instance_id, '\\'),
                   *other = id ? strchr(id, '\\') : NULL;

        if (own && other && text_ieq(own, other))
            return true;
    }
    return false;
}

/* The devices the VM has already need room too. */
static bool gaps_with_others(struct survey_card *card, const struct hv_host *host,
                             const struct survey_question *question,
                             struct known_u64 address_bits, struct err *err)
{
    const struct hv_vm *vm = question->vm;
    size_t count = vm && !vm_has_device(vm, card->gpu) ? vm->device_count : 0;
    CLEANUP(free_cleanup)
    struct device_facts *others = calloc(count ? count : 1, sizeof(*others));

    if (!others)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const char *id = vm->devices[i].instance_id;
        const struct hv_function *function = hv_find_function(host, id);

        if (function)
            facts_from_function(function, &others[i]);
        else /* of a size nobody knows */
            snprintf(others[i].name, sizeof(others[i].name), "%s", id ? id : "?");
    }
    return compute_gaps(card, others, count, vm, address_bits, err);
}

/* Two GPUs of one name are told apart by where they are.  NULL with @err: no memory. */
static char *name_among(const struct hv_host *host, const struct hv_gpu *gpu,
                        struct err *err)
{
    const char *path = gpu->location_path;
    char *name = NULL;

    for (size_t i = 0; i < host->gpu_count && !name; i++)
        if (&host->gpus[i] != gpu && text_ieq(host->gpus[i].name, gpu->name))
            name = text_printf("%s, %s", gpu->name ? gpu->name : "",
                               path ? path : gpu->instance_id);
    if (!name)
        name = text_dup(gpu->name ? gpu->name : gpu->instance_id);
    if (!name)
        err_no_memory(err);
    return name;
}

/* Source: MicrosoftDocs/windowsserverdocs partition-assign-vm-gpu.md, which names the four;
 * what is not shared and could be assigned is ready for it. */
static enum gpu_status status_of(const struct hv_host *host, const struct survey_card *card)
{
    if (!card->gpu || card->gpu->status != GPU_STATUS_UNKNOWN || !host->is_server)
        return card->gpu ? card->gpu->status : GPU_STATUS_UNKNOWN;
    switch (card->dda[0]) {
    case VERDICT_YES:
    case VERDICT_MAYBE:
        return GPU_READY_FOR_DDA;
    case VERDICT_NO:
        return GPU_NOT_ASSIGNABLE;
    default:
        return GPU_STATUS_UNKNOWN;
    }
}

/* Nothing to be fit, but the host has its own reasons. */
static bool judge_bare_host(struct survey_report *report, const struct hv_host *host,
                            unsigned uses, struct err *err)
{
    for (unsigned use = GPU_MODE_PV; use <= GPU_MODE_DDA; use <<= 1) {
        const struct survey_facts facts = { .use = use, .host = host };
        CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;

        if (!(uses & use))
            continue;
        if (!survey_judge(&facts, ABOUT_HOST, false, &found, err))
            return false;
        for (size_t i = 0; i < found.count; i++)
            if (!gather_one(&report->findings, &found.items[i], found.items[i].severity,
                            use, err))
                return false;
    }
    sort_findings(&report->findings);
    return true;
}

bool survey_host(const struct hv_host *host, const struct survey_question *question,
                 struct survey_report **ret, struct err *err)
{
    CLEANUP(survey_report_cleanup)
    struct survey_report *report = calloc(1, sizeof(*report));
    unsigned uses =
        question->uses ? question->uses : GPU_MODE_PV | GPU_MODE_P | GPU_MODE_DDA;
    struct known_u64 bits =
        question->address_bits.known ? question->address_bits : host->platform.address_bits;

    if (!report)
        return err_no_memory(err);
    if (!add_host_cards(report, host, question, err))
        return false;
    for (size_t i = 0; i < report->card_count; i++) {
        struct survey_card *card = &report->cards[i];
        CLEANUP(free_cleanup)
        char *name = card->gpu ? name_among(host, card->gpu, err) : NULL;
        struct survey_facts facts = { .host = host,
                                      .gpu = card->gpu,
                                      .gpu_name = name,
                                      .vm = question->vm,
                                      .request = question->request };

        if (card->gpu && !name)
            return false;
        survey_count(&facts);
        if (question->vm) {
            const char *path = card->gpu ? card->gpu->interface_path : NULL;

            facts.has_this_gpu = vm_has_device(question->vm, card->gpu) ||
                                 (path && survey_vm_has_gpu(question->vm, path));
            facts.has_other_gpu =
                question->vm->adapter_count > 0 && !survey_vm_has_gpu(question->vm, path);
        }
        if (!gaps_with_others(card, host, question, bits, err) ||
            !judge_card(card, &facts, card->gpu ? uses : uses & GPU_MODE_DDA, err))
            return false;
        card->status = status_of(host, card);
    }
    if (!gather(report, question->strict, err) ||
        (report->card_count == 0 && !judge_bare_host(report, host, uses, err)))
        return false;
    *ret = TAKE(report);
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VM or GPU the user means.  Never a guess: a selector that fits nothing or more
 * than one thing is an error that lists what there is.
 *
 * A GPU selector is tried in order of how exact it is: number of `gpu list`, instance id,
 * interface path, location path, vendor:device, and last any part of the name.  The first
 * kind that fits decides; it must then fit once.
 */
#include "inventory.h"

#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"

enum {
    CANDIDATES_BYTES = 200, /* of a list: an error holds one line of bounded length */
    SHOWN_BYTES = 48,
    NUMBER_MAX = 99,
};

/* Names come from the host and may be long; cut between letters, not inside one. */
static void put_name(struct strbuf *to, const char *name)
{
    size_t len = name ? text_cut(name, SHOWN_BYTES) : 0;

    if (len > 0)
        strbuf_printf(to, "'%.*s%s'", (int)len, name, name[len] ? "…" : "");
    else
        strbuf_puts(to, name ? "''" : "'?'");
}

static void put_gpu(struct strbuf *to, const struct hv_host *host, size_t i)
{
    const struct hv_gpu *gpu = &host->gpus[i];

    strbuf_printf(to, "%zu ", i + 1);
    put_name(to, gpu->name ? gpu->name : gpu->instance_id);
    if (gpu->pci_id)
        strbuf_printf(to, " %s", gpu->pci_id);
}

static void put_vm_name(struct strbuf *to, const struct hv_host *host, size_t i)
{
    put_name(to, host->vms[i].name);
}

static void put_vm(struct strbuf *to, const struct hv_host *host, size_t i)
{
    put_name(to, host->vms[i].name);
    strbuf_printf(to, " %s", host->vms[i].id);
}

struct candidates {
    struct strbuf text;
    size_t count, shown;
};

static void add_candidate(struct candidates *list, const struct hv_host *host, size_t i,
                          void (*put)(struct strbuf *to, const struct hv_host *host,
                                      size_t i))
{
    list->count++;
    if (list->text.len > CANDIDATES_BYTES - SHOWN_BYTES)
        return;
    if (list->shown++ > 0)
        strbuf_puts(&list->text, ", ");
    put(&list->text, host, i);
}

static void end_candidates(struct candidates *list)
{
    if (list->count > list->shown)
        strbuf_printf(&list->text, ", and %zu more", list->count - list->shown);
}

static bool fail_with(enum err_kind kind, const char *what, const char *selector,
                      struct candidates *list, const char *hint, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf shown = STRBUF_INIT;

    put_name(&shown, selector);
    end_candidates(list);
    if (shown.failed || list->text.failed) {
        err_no_memory(err);
    } else if (kind == ERR_NOT_FOUND) {
        err_fail(err, kind, 0, "no %s fits %s", what, shown.text);
        if (list->count > 0)
            err_hint(err, "there are: %s", list->text.text);
        else
            err_hint(err, "the host has none");
    } else {
        err_fail(err, kind, 0, "%s fits %zu %ss: %s", shown.text, list->count, what,
                 list->text.text);
        err_hint(err, "%s", hint);
    }
    strbuf_free(&list->text);
    return false;
}

bool hv_select_vm(const struct hv_host *host, const char *selector,
                  const struct hv_vm **ret, struct err *err)
{
    struct candidates found = { 0 }, all = { 0 };
    const struct hv_vm *vm = NULL;

    if (!*selector)
        return err_fail(err, ERR_INVALID, 0, "no VM was named");
    for (size_t i = 0; i < host->vm_count; i++) {
        if (text_ieq(host->vms[i].id, selector)) {
            strbuf_free(&found.text);
            *ret = &host->vms[i];
            return true;
        }
        if (text_ieq(host->vms[i].name, selector)) {
            vm = &host->vms[i];
            add_candidate(&found, host, i, put_vm);
        }
    }
    if (found.count == 1) {
        strbuf_free(&found.text);
        *ret = vm;
        return true;
    }
    if (found.count > 1)
        return fail_with(ERR_INVALID, "VM", selector, &found, "give the VM's id instead",
                         err);

    strbuf_free(&found.text);
    for (size_t i = 0; i < host->vm_count; i++)
        add_candidate(&all, host, i, put_vm_name);
    return fail_with(ERR_NOT_FOUND, "VM", selector, &all, NULL, err);
}

typedef bool gpu_match_fn(const struct hv_gpu *gpu, const char *selector);

static bool match_instance(const struct hv_gpu *gpu, const char *selector)
{
    return text_ieq(gpu->instance_id, selector);
}

/* Case and the prefix differ between the places that tell an interface path. */
static bool match_interface(const struct hv_gpu *gpu, const char *selector)
{
    CLEANUP(free_cleanup) char *instance = NULL;

    if (text_ieq(gpu->interface_path, selector))
        return true;
    instance = gpu_instance_from_interface(selector);
    return instance && text_ieq(gpu->instance_id, instance);
}

static bool match_location(const struct hv_gpu *gpu, const char *selector)
{
    return text_ieq(gpu->location_path, selector);
}

static bool match_pci_id(const struct hv_gpu *gpu, const char *selector)
{
    return text_ieq(gpu->pci_id, selector);
}

static bool match_name(const struct hv_gpu *gpu, const char *selector)
{
    return gpu->name && text_istr(gpu->name, selector);
}

/* All that fit in the first way that fits any, in their order; @found has room for each. */
static bool find_gpus(const struct hv_host *host, const char *selector,
                      const struct hv_gpu **found, size_t *ret_count, struct err *err)
{
    static gpu_match_fn *const matches[] = { match_instance, match_interface,
                                             match_location, match_pci_id, match_name };
    struct candidates all = { 0 };
    bool is_number = false;
    uint64_t number;
    size_t count = 0;

    if (!*selector)
        return err_fail(err, ERR_INVALID, 0, "no GPU was named");
    /* One or two digits are always a number of the list, never part of a name. */
    if (text_to_u64(selector, 10, &number)) {
        if (number >= 1 && number <= host->gpu_count) {
            found[0] = &host->gpus[number - 1];
            *ret_count = 1;
            return true;
        }
        is_number = number <= NUMBER_MAX;
    }
    for (size_t m = 0; m < ARRAY_LEN(matches) && !is_number && count == 0; m++)
        for (size_t i = 0; i < host->gpu_count; i++)
            if (matches[m](&host->gpus[i], selector))
                found[count++] = &host->gpus[i];
    *ret_count = count;
    if (count > 0)
        return true;
    for (size_t i = 0; i < host->gpu_count; i++)
        add_candidate(&all, host, i, put_gpu);
    return fail_with(ERR_NOT_FOUND, "GPU", selector, &all, NULL, err);
}

bool hv_select_gpu(const struct hv_host *host, const char *selector,
                   const struct hv_gpu **ret, struct err *err)
{
    CLEANUP(free_cleanup)
    const struct hv_gpu **found =
        calloc(host->gpu_count + 1, sizeof(const struct hv_gpu *));
    struct candidates list = { 0 };
    size_t count;

    if (!found)
        return err_no_memory(err);
    if (!find_gpus(host, selector, found, &count, err))
        return false;
    if (count == 1) {
        *ret = found[0];
        return true;
    }
    for (size_t i = 0; i < count; i++)
        add_candidate(&list, host, (size_t)(found[i] - host->gpus), put_gpu);
    return fail_with(ERR_INVALID, "GPU", selector, &list,
                     "give its number in 'gpu list', or its instance id", err);
}

bool hv_select_gpus(const struct hv_host *host, const char *selector,
                    const struct hv_gpu ***ret, size_t *ret_count, struct err *err)
{
    const struct hv_gpu **found =
        calloc(host->gpu_count + 1, sizeof(const struct hv_gpu *));

    if (!found)
        return err_no_memory(err);
    if (!find_gpus(host, selector, found, ret_count, err)) {
        free(found);
        return false;
    }
    *ret = found;
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The labs have a device for each verdict of Microsoft's SurveyDDA.ps1, judged as the script
 * judges: from the objects a host shows, in the script's order (MicrosoftDocs/
 * Virtualization-Documentation hyperv-tools/DiscreteDeviceAssignment/SurveyDDA.ps1).
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "os.h"
#include "test.h"
#include "text.h"
#include "windows-os.h"

enum verdict {
    RESERVED_MEMORY,
    RESERVED_MEMORY_UNKNOWN, /* null is not 0 either */
    TRAFFIC_REDIRECT,
    ENDPOINT,
    EMBEDDED,
    LEGACY_GPU,
    LEGACY_OTHER,
    BIOS_KEPT_PCIE,
    OLD_PCI,
    SWITCH_PORT,
    TYPE_UNKNOWN,
    DISABLED,
    NO_INTERRUPT,
    LINE_ONLY,
    MESSAGES,
    NO_MEMORY,
    MEMORY,
    DISMOUNTED,
    VERDICT_COUNT
};

static const char *const names[] = {
    "reserved memory", "reserved memory?", "no ACS",       "endpoint",  "embedded",
    "legacy GPU",      "legacy other",     "kept PCIe",    "old PCI",   "switch port",
    "type unknown",    "disabled",         "no interrupt", "line only", "messages",
    "no memory",       "memory",           "dismounted",
};

/* -1: the device does not have it. */
static int64_t property(struct sim_host *host, struct sim_object *entity, const char *key)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(CIMV2, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *out = cim_instance_new(CIMV2, "__PARAMETERS");
    const struct sim_method *m = windows_devices.methods;
    struct sim_call call = { .host = host, .object = entity, .in = in, .out = out };
    struct sim_fault fault = { 0 };
    const struct cim_instance *found;
    struct err err = ERR_INIT;
    uint64_t number;

    while (strcmp(m->name, "GetDeviceProperties") != 0)
        m++;
    call.method = m->name;
    CHECK_OK(cim_set_texts(in, "devicePropertyKeys", &key, 1, &err));
    CHECK(m->call(&call, &fault));
    found = cim_get_object(out, "deviceProperties", 0);
    return found && cim_get_u64(found, "Data", &number) ? (int64_t)number : -1;
}

struct resources {
    struct sim_host *host;
    size_t memories, lines, messages;
};

static bool on_resource(struct sim_object *association, const char *role, void *user,
                        struct err *err)
{
    struct resources *r = user;
    struct sim_object *resource = sim_store_find(
        r->host->store, cim_get_path(sim_object_instance(association), "Antecedent"));
    uint64_t number;

    if (text_ieq(sim_object_class(resource)->name, "Win32_DeviceMemoryAddress"))
        r->memories++;
    if (cim_get_u64(sim_object_instance(resource), "IRQNumber", &number)) {
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        *(text_istarts(text, "42949") ? &r->messages : &r->lines) += 1;
    }
    return true;
}

/* Counts what the script would say of one device, and where it would stop. */
static void judge(struct sim_host *host, struct sim_object *entity, size_t *counts)
{
#define PCI "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62} "
    int64_t type = property(host, entity, PCI "1"), base = property(host, entity, PCI "3");
    int64_t reserved = property(host, entity, PCI "34");
    struct resources r = { .host = host };
    struct err err = ERR_INIT;

    if (reserved != 0) {
        counts[reserved < 0 ? RESERVED_MEMORY_UNKNOWN : RESERVED_MEMORY]++;
        return;
    }
    if (property(host, entity, PCI "31") == 0) {
        counts[TRAFFIC_REDIRECT]++;
        return;
    }
    if (type != 2 && type != 4 && !(type == 3 && base == 3)) {
        counts[type == 3   ? LEGACY_OTHER
               : type == 5 ? BIOS_KEPT_PCIE
               : type < 0  ? TYPE_UNKNOWN
               : type < 6  ? OLD_PCI
                           : SWITCH_PORT]++;
        return;
    }
    counts[type == 2 ? ENDPOINT : type == 4 ? EMBEDDED : LEGACY_GPU]++;
    if (hv_number(entity, "ConfigManagerErrorCode") == 22) {
        counts[DISABLED]++;
        return;
    }
    CHECK_OK(sim_store_references(host->store, entity, "Win32_PnPAllocatedResource",
                                  "Dependent", on_resource, &r, &err));
    if (r.lines && !r.messages) {
        counts[LINE_ONLY]++;
        return;
    }
    counts[r.messages ? MESSAGES : NO_INTERRUPT]++;
    counts[r.memories ? MEMORY : NO_MEMORY]++;
}

DEFINE_CLEANUP(close_lab, struct sim_lab *, sim_lab_close)

TEST(lab_verdicts_has_a_device_for_every_verdict)
{
    size_t counts[VERDICT_COUNT] = { 0 };
    struct sim_object *o = NULL;
    struct err err = ERR_INIT;
    char dir[TEST_FOLDER];
    struct sim_lab *lab;

    test_make_folder("verdicts", dir);
    lab = sim_lab_open("verdicts", dir, false, &err);
    CHECK_OK(lab && sim_host_open(lab, lab->hosts[0], &err));
    while (lab && lab->hosts[0]->store &&
           (o = sim_store_next(lab->hosts[0]->store, o, CIMV2, "Win32_PnPEntity"))) {
        if (!sim_pnp_is_present(o))
            continue;
        if (text_istarts(hv_text(o, "DeviceID"), "PCIP\\"))
            counts[DISMOUNTED]++;
        else
            judge(lab->hosts[0], o, counts);
    }
    for (size_t i = 0; i < VERDICT_COUNT; i++) {
        test_case(names[i]);
        CHECK(counts[i] > 0);
    }
    sim_lab_close(lab);
    CHECK_OK(os_remove_tree(dir, &err));
}

TEST(lab_verdicts_has_no_sriov_and_says_why_and_lab_server_has)
{
    static const char *const labs[] = { "verdicts", "server" };
    struct err err = ERR_INIT;
    char dir[TEST_FOLDER];

    test_make_folder("verdicts", dir);
    for (size_t i = 0; i < ARRAY_LEN(labs); i++) {
        CLEANUP(close_lab) struct sim_lab *lab = sim_lab_open(labs[i], dir, false, &err);
        struct sim_object *o;

        test_case(labs[i]);
        CHECK_OK(lab && sim_host_open(lab, lab->hosts[0], &err));
        o = lab ? sim_store_next(lab->hosts[0]->store, NULL, HV_NS,
                                 "Msvm_VirtualEthernetSwitchManagementCapabilities")
                : NULL;
        CHECK(o != NULL);
        if (!o)
            continue;
        CHECK_EQ(hv_number(o, "IOVSupport"), i);
        CHECK_EQ(cim_get_count(sim_object_instance(o), "IOVSupportReasons"), i ? 0 : 1);
    }
    CHECK_OK(os_remove_tree(dir, &err));
}

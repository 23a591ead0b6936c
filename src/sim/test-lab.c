/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files: what they mean, what is wrong with broken ones, and how a lab's state is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "dispatch.h"
#include "err.h"
#include "host.h"
#include "hv.h"
#include "lab.h"
#include "os.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

#define HOST   \
    "hosts:\n" \
    "  - { name: A, product: Windows, edition: Professional, build: 22631"
#define HOST_WITH(more) HOST more " }\n"
#define DEVICE(more, end)                                                             \
    HOST_WITH(                                                                        \
        ", gpus: [ { name: G, instance_id: 'PCI\\VEN_10DE&DEV_1\\3&1', "              \
        "location_path: PCIROOT(0)#PCI(0100), mode: none } ], devices: [ { name: D, " \
        "instance_id: 'PCI\\VEN_10DE&DEV_1\\3&1" end "', " more " } ]")
#define GPU(more)                                                              \
    HOST_WITH(", gpus: [ { name: G, instance_id: 'PCI\\VEN_10DE&DEV_1\\3&1', " \
              "location_path: PCIROOT(0)#PCI(0100), " more " } ]")
#define VM(more) HOST_WITH(", vms: [ { name: v" more " } ]")

static struct lab_description *parse(const char *text, unsigned number, struct err *err)
{
    return lab_parse(text, strlen(text), "t.yaml", number, err);
}

TEST(every_key_that_is_left_out_has_the_value_of_a_new_vm)
{
    struct err err = ERR_INIT;
    CLEANUP(lab_description_cleanup) struct lab_description *lab = parse(VM(""), 0, &err);
    const struct lab_vm *vm;

    CHECK_OK(lab != NULL);
    if (!lab)
        return;
    vm = &lab->hosts[0].vms[0];
    CHECK_EQ(vm->generation, 2);
    CHECK_EQ(vm->state, LAB_VM_OFF);
    CHECK_EQ(vm->low_mmio_mb, 128);
    CHECK_EQ(vm->high_mmio_mb, 512);
    CHECK_EQ(vm->high_mmio_base_mb, 65024);
    CHECK_EQ(vm->stop_action, 3);
    CHECK_EQ(vm->checkpoint_type, 3);
    CHECK_EQ(vm->memory_min_mb, vm->memory_mb);
    CHECK_STR_EQ(vm->version, "11.0");
    CHECK(text_is_guid(vm->id));
}

TEST(interface_path_is_made_from_the_instance_id)
{
    struct err err = ERR_INIT;
    CLEANUP(lab_description_cleanup)
    struct lab_description *pv = parse(GPU("mode: gpu-pv"), 0, &err);
    CLEANUP(lab_description_cleanup)
    struct lab_description *p =
        parse(GPU("mode: gpu-p, partition_counts: [2, 1]"), 0, &err);

    CHECK_OK(pv && p);
    if (!pv || !p)
        return;
    CHECK_STR_EQ(pv->hosts[0].gpus[0].interface_path,
                 "\\\\?\\PCI#VEN_10DE&DEV_1#3&1#{064092b3-625e-43bf-9eb5-dc845897dd59}"
                 "\\GPUPARAV");
    CHECK_STR_EQ(p->hosts[0].gpus[0].interface_path,
                 "\\\\?\\PCI#VEN_10DE&DEV_1#3&1#{064092b3-625e-43bf-9eb5-dc845897dd59}");
    CHECK_EQ(pv->hosts[0].gpus[0].partition_count, 32);
    CHECK_EQ(p->hosts[0].gpus[0].partition_count, 2);
}

TEST(count_repeats_an_entry_and_fills_in_its_numbers)
{
    static const char text[] =
        "hosts:\n"
        "  - { name: 'H{host}', count: N, product: W, edition: E, build: 26100,\n"
        "      gpus: [ { name: G, count: 2, instance_id: 'PCI\\VEN_1&DEV_2\\{gpu}&0',\n"
        "                location_path: 'PCIROOT({gpu})#PCI(0100)', mode: gpu-pv } ],\n"
        "      vms: [ { name: 'v{host}-{vm}', count: 3, adapters: [next] },\n"
        "             { name: last, count: 0 } ] }\n";
    struct err err = ERR_INIT;
    CLEANUP(lab_description_cleanup) struct lab_description *lab = parse(text, 12, &err);

    CHECK_OK(lab != NULL);
    if (!lab)
        return;
    CHECK_EQ(lab->host_count, 12);
    CHECK_STR_EQ(lab->hosts[11].name, "H012");
    CHECK_EQ(lab->hosts[11].vm_count, 3);
    CHECK_STR_EQ(lab->hosts[11].vms[2].name, "v012-003");
    CHECK_EQ(lab->hosts[11].vms[0].adapters[0].gpu, 0);
    CHECK_EQ(lab->hosts[11].vms[1].adapters[0].gpu, 1);
    CHECK_EQ(lab->hosts[11].vms[2].adapters[0].gpu, 0);
    CHECK(strcmp(lab->hosts[0].vms[0].id, lab->hosts[1].vms[0].id) != 0);
}

TEST(bars_without_a_base_get_one_aligned_to_their_size)
{
    struct err err = ERR_INIT;
    CLEANUP(lab_description_cleanup)
    struct lab_description *lab = parse(
        GPU("mode: none, bars: [ { size: 16 MiB }, { size: 64 GiB, width: 64 }, { size: "
            "32 MiB, width: 64 } ]"),
        0, &err);
    const struct sim_range *r;

    CHECK_OK(lab != NULL);
    if (!lab)
        return;
    r = lab->hosts[0].machine.devices[0].ranges;
    CHECK_EQ(lab->hosts[0].machine.devices[0].range_count, 3);
    CHECK(r[0].start + r[0].size_bytes <= UINT64_C(1) << 32);
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ(r[i].start % r[i].size_bytes, 0);
    CHECK(r[2].start >= r[1].start + r[1].size_bytes);
}

TEST(broken_files_get_one_error_with_their_line)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "", "the file is empty" },
        { "- a\n", "t.yaml:1: a lab is a list of 'key: value' lines" },
        { "hosts: 5\n", "t.yaml:1: 'hosts' is a list" },
        { "hosts: []\n", "the lab has no hosts" },
        { "\nhostz: []\n", "t.yaml:2: a lab has no key 'hostz'" },
        { "hosts: [\n", "t.yaml:" },
        { "hosts: []\nhosts: []\n", "t.yaml:2: 'hosts' is given twice" },
        { "hosts:\n  - { name: A }\n", "t.yaml:2: a host needs 'product'" },
        { HOST_WITH(", domian: x"), "t.yaml:2: a host has no key 'domian'" },
        { HOST_WITH(", ubr: many"), "'many' is no number from 0 to 99999" },
        { HOST_WITH(", ubr: 1234567"), "'1234567' is no number" },
        { HOST_WITH(", hyperv: yes"), "'yes' is neither 'true' nor 'false'" },
        { HOST_WITH(", memory: 4 GB"), "'4 GB' is no size" },
        { HOST_WITH(", memory: 99999999999999999999 GiB"), "is no size" },
        { HOST_WITH(", memory: 20000000 TiB"), "is no size" },
        { HOST_WITH(", domain: [a]"), "a text or number is expected" },
        { HOST_WITH(", domain: \"a\\0b\""), "holds a NUL" },
        { HOST_WITH(", domain: \"a\\nb\""), "control character" },
        { HOST_WITH(", hyperv: false, vms: [ { name: v } ]"),
          "without Hyper-V has no VMs" },
        { "hosts: [ { name: '../../x', product: W, edition: E, build: 22631 } ]\n",
          "is no computer name" },
        { "hosts: [ { name: A, count: N, product: W, edition: E, build: 22631 } ]\n",
          "this lab needs a number" },
        { "hosts: [ { name: A, count: 1001, product: W, edition: E, build: 22631 } ]\n",
          "no number from 0 to 1000" },
        { "hosts: [ { name: A, count: 2, product: W, edition: E, build: 22631 } ]\n",
          "two hosts are named 'A'" },
        { VM(" }, { name: w, id: nonsense"), "'nonsense' is no GUID" },
        { VM(", generation: 3"), "is no number from 1 to 2" },
        { VM(", state: sleeping"), "'sleeping' is none of: off, running, saved, paused" },
        { VM(", memory: 1 KiB"), "whole MiB" },
        { VM(", memory: 1 GiB, memory_min: 2 GiB"), "must lie between" },
        { VM(", low_mmio: 4 GiB"), "'low_mmio' is out of range" },
        { VM(", adapters: [1]"), "neither a GPU of the host" },
        { VM(", adapters: [next]"), "no partitionable GPU" },
        { VM(", disks: [ { path: disk.vhdx } ]"), "no full path" },
        { VM(", disks: [ { path: 'C:\\..\\..\\x.vhdx' } ]"), "no full path" },
        { VM(", disks: [ { path: 'C:\\a.vhdx' }, { path: 'c:\\A.VHDX' } ]"),
          "two disks have the path" },
        { VM(", disks: [ { path: 'C:\\a.vhdx', problems: [tired] } ]"),
          "'tired' is none of" },
        { VM(", id: 11111111-0000-4000-8000-000000000001 }, { name: w, id: "
             "11111111-0000-4000-8000-000000000001"),
          "two VMs have the id" },
        { GPU("mode: gpu-p"), "needs 'partition_counts'" },
        { GPU("mode: gpu-pv, partition_counts: [4, 2], partition_count: 3"),
          "'partition_count' 3 is not among" },
        { GPU("mode: gpu-pv, bars: [ { size: 3 MiB } ]"), "power of two" },
        { HOST_WITH(
              ", gpus: [ { name: G, instance_id: USB, location_path: PCIROOT(0)#PCI(0100), mode: none } ]"),
          "no instance id of a PCI device" },
        { HOST_WITH(
              ", gpus: [ { name: G, instance_id: 'PCI\\VEN_1\\2', location_path: P, mode: none } ]"),
          "'P' is no location path" },
        { HOST_WITH(
              ", gpus: [ { name: G, instance_id: 'PCI\\VEN_1 2\\3', location_path: PCIROOT(0)#PCI(0100), mode: none } ]"),
          "no instance id of a PCI device" },
        { GPU("mode: none, problem: 22, dismounted: true"), "has no 'problem'" },
        { HOST_WITH(
              ", hyperv: false, gpus: [ { name: G, instance_id: 'PCI\\VEN_1\\2', location_path: PCIROOT(0)#PCI(0100), mode: none, dismounted: true } ]"),
          "no dismounted devices" },
        { GPU("mode: none, interrupts: often"), "'often' is none of" },
        { GPU("mode: none, pci: { device_type: 15 }"), "is no number from 0 to 14" },
        { GPU("mode: none, pci: { reserved_memory: maybe }"), "is no number from 0 to 4" },
        { GPU("mode: none, bars: [ { size: 512, io: true } ]"), "at most 256 bytes" },
        { GPU("mode: none, bars: [ { size: 8 } ]"), "at least 16 bytes" },
        { GPU("mode: none, bars: [ { size: 4 GiB } ]"), "at most 2 GiB" },
        { DEVICE("class: display, location_path: 'PCIROOT(0)#PCI(0200)'", ""),
          "two devices have the instance id" },
        { DEVICE("class: net, location_path: 'PCIROOT(0)#PCI(0100)'", "2"),
          "two devices have the location path" },
        { DEVICE("class: network, location_path: 'PCIROOT(0)#PCI(0200)'", "2"),
          "'network' is no class" },
        { DEVICE("location_path: 'PCIROOT(0)#PCI(0200)'", "2"), "'class'" },
        { DEVICE("class: net, mode: none, location_path: 'PCIROOT(0)#PCI(0200)'", "2"),
          "'mode'" },
        { HOST_WITH(
              ", devices: [ { name: D, class: net, instance_id: 'PCI\\VEN_1\\2', location_path: PCIROOT(0)#PCI(0200) } ], gpus: []"),
          "'gpus' stands before 'devices'" },
        { VM(", devices: ['PCIROOT(0)#PCI(0900)']"), "neither the location path" },
        { HOST_WITH(", registry: [ { key: 'HKCU\\x', name: y } ]"),
          "does not begin with HKLM" },
        { "hosts: &a [ *a ]\n", "a host is a list of 'key: value' lines" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        CLEANUP(lab_description_cleanup)
        struct lab_description *lab = parse(cases[i].text, 0, &err);
        char why[512];

        test_case(cases[i].text);
        CHECK(lab == NULL);
        if (lab)
            continue;
        err_format(&err, why, sizeof(why));
        test_report(strstr(why, cases[i].error) != NULL, __FILE__, __LINE__,
                    "\"%s\" does not say \"%s\"", why, cases[i].error);
        CHECK_EQ(err.kind, ERR_INVALID);
    }
}

TEST(file_that_multiplies_itself_is_refused_in_bounded_memory)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(lab_description_cleanup) struct lab_description *lab = NULL;
    struct err err = ERR_INIT;

    /* 1000 hosts of 500 VMs of 16 disks each, in a few lines. */
    strbuf_puts(&text,
                "hosts:\n  - { name: 'H{host}', count: 1000, product: W, edition: E, "
                "build: 22631, vms: [ { name: v, count: 500, disks: [");
    for (int i = 0; i < 16; i++)
        strbuf_printf(&text, "%s{ path: 'C:\\{vm}\\%d%0900d' }", i ? "," : "", i, 0);
    strbuf_puts(&text, "] } ] }\n");
    lab = parse(text.text, 0, &err);
    CHECK(lab == NULL);
    CHECK(strstr(err.text[0], "too large") != NULL);
}

TEST(too_long_a_file_is_refused_unread)
{
    char *text = malloc(LAB_FILE_MAX + 2);
    struct err err = ERR_INIT;

    memset(text, ' ', LAB_FILE_MAX + 1);
    CHECK(lab_parse(text, LAB_FILE_MAX + 1, "t.yaml", 0, &err) == NULL);
    CHECK_EQ(err.kind, ERR_INVALID);
    free(text);
}

/* ---- built-in labs and their state ---- */

struct state {
    char dir[TEST_FOLDER];
};

static void state_clear(struct state *s)
{
    struct err err = ERR_INIT;

    CHECK_OK(os_remove_tree(s->dir, &err));
}

static void state_init(struct state *s)
{
    test_make_folder("lab", s->dir);
}

DEFINE_CLEANUP(close_lab, struct sim_lab *, sim_lab_close)

TEST(each_built_in_lab_opens_and_its_hosts_have_what_it_says)
{
    static const struct {
        const char *name;
        size_t hosts, vms, partitionable;
    } cases[] = {
        { "laptop", 1, 24, 2 },    { "server", 1, 4, 1 },      { "cluster", 3, 5, 2 },
        { "fleet:20", 20, 50, 8 }, { "japanese", 1, 2, 1 },    { "demo", 1, 2, 2 },
        { "verdicts", 1, 1, 0 },   { "cluster-new", 3, 3, 2 },
    };
    CLEANUP(state_clear) struct state state;

    state_init(&state);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        CLEANUP(close_lab)
        struct sim_lab *lab = sim_lab_open(cases[i].name, state.dir, false, &err);

        test_case(cases[i].name);
        CHECK_OK(lab != NULL);
        if (!lab)
            continue;
        CHECK_EQ(lab->host_count, cases[i].hosts);
        for (size_t h = 0; h < lab->host_count; h++) {
            struct sim_object *o = NULL;
            size_t vms = 0, gpus = 0;

            CHECK_OK(sim_host_open(lab, lab->hosts[h], &err));
            if (!lab->hosts[h]->store)
                continue;
            while (
                (o = sim_store_next(lab->hosts[h]->store, o, HV_NS, "Msvm_ComputerSystem")))
                vms += !hv_is_host(lab->hosts[h], o);
            while ((o = sim_store_next(lab->hosts[h]->store, o, HV_NS,
                                       "Msvm_PartitionableGpu")))
                gpus++;
            CHECK_EQ(vms, cases[i].vms);
            CHECK_EQ(gpus, cases[i].partitionable);
        }
    }
}

TEST(damaged_list_of_moved_devices_is_refused)
{
    static const char *const lines[] = { "x y z w\n", "PCI\\VEN_1\\2 PCI\\VEN_3 P Q\n",
                                         "PCI\\VEN_1\\2 PCI\\VEN_3\\4 nowhere Q\n" };
    CLEANUP(state_clear) struct state state;

    state_init(&state);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CLEANUP(free_cleanup)
        char *folder = text_printf("%s/labs/demo/LAPTOP", state.dir);
        CLEANUP(free_cleanup) char *path = text_printf("%s/moved-devices", folder);
        struct err err = ERR_INIT;

        CHECK_OK(os_make_dirs(folder, &err));
        CHECK_OK(os_write_file(path, lines[i], strlen(lines[i]), &err));
        CHECK(sim_lab_open("demo", state.dir, false, &err) == NULL);
        CHECK_EQ(err.kind, ERR_PROTOCOL);
    }
}

TEST(nodes_of_a_cluster_know_each_other_and_others_have_no_such_namespace)
{
    CLEANUP(state_clear) struct state state;
    struct sim_fault fault = { 0 };
    struct err err = ERR_INIT;
    struct sim_object *o = NULL;
    size_t nodes = 0;

    state_init(&state);
    for (int i = 0; i < 2; i++) {
        CLEANUP(close_lab)
        struct sim_lab *lab = sim_lab_open(i ? "cluster" : "demo", state.dir, false, &err);

        CHECK_OK(lab && sim_host_open(lab, lab->hosts[0], &err));
        if (!lab)
            return;
        CHECK((query_class(lab->hosts[0], "root/MSCluster", "MSCluster_Cluster", &fault) !=
               NULL) == i);
        while (i && (o = sim_store_next(lab->clusters[0]->store, o, "root/MSCluster",
                                        "MSCluster_Node")))
            nodes++;
    }
    CHECK_EQ(nodes, 3);
}

TEST(fleet_keeps_few_hosts_in_memory_at_a_time)
{
    CLEANUP(state_clear) struct state state;
    struct err err = ERR_INIT;
    CLEANUP(close_lab) struct sim_lab *lab = NULL;
    size_t open_count = 0;

    state_init(&state);
    lab = sim_lab_open("fleet:40", state.dir, false, &err);
    CHECK_OK(lab != NULL);
    if (!lab)
        return;
    for (size_t i = 0; i < lab->host_count; i++)
        CHECK_OK(sim_host_open(lab, lab->hosts[i], &err));
    for (size_t i = 0; i < lab->host_count; i++)
        open_count += lab->hosts[i]->store != NULL;
    CHECK(open_count <= 17);
    CHECK(lab->hosts[0]->store == NULL);
    CHECK_OK(sim_host_open(lab, lab->hosts[0], &err));
    CHECK(lab->hosts[0]->store != NULL);
}

TEST(what_changed_is_there_again_after_closing)
{
    CLEANUP(state_clear) struct state state;
    struct err err = ERR_INIT;

    state_init(&state);
    for (int round = 0; round < 2; round++) {
        CLEANUP(close_lab)
        struct sim_lab *lab = sim_lab_open("japanese", state.dir, false, &err);
        struct sim_object *o;

        CHECK_OK(lab && sim_host_open(lab, lab->hosts[0], &err));
        if (!lab)
            return;
        o = hv_find_by_text(lab->hosts[0], "Msvm_VirtualSystemSettingData", "ElementName",
                            "ゲーム");
        CHECK(o != NULL);
        CHECK_EQ(hv_number(o, "LowMmioGapSize"), round ? 1024 : 128);
        CHECK_OK(object_set_number(lab->hosts[0], o, "LowMmioGapSize", 1024, &err));
    }
}

TEST(lab_file_that_changed_under_its_state_is_refused)
{
    CLEANUP(state_clear) struct state state;
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *path = NULL;

    state_init(&state);
    CHECK_OK(os_make_dirs(state.dir, &err));
    path = text_printf("%s/mine.yaml", state.dir);
    for (int round = 0; round < 2; round++) {
        const char *text = round ? HOST_WITH(", ubr: 2") : HOST_WITH(", ubr: 1");
        CLEANUP(close_lab) struct sim_lab *lab = NULL;

        CHECK_OK(os_write_file(path, text, strlen(text), &err));
        lab = sim_lab_open(path, state.dir, false, &err);
        CHECK((lab != NULL) == (round == 0));
    }
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(strstr(err.hint, "reset mine") != NULL);
}

TEST(wrong_lab_names_are_told)
{
    static const char *const names[] = { "nosuchlab", "fleet:0", "fleet:1001",
                                         "fleet:x",   "fleet",   "../laptop.yaml",
                                         "",          ":3" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = ERR_INIT;
        struct sim_lab *lab = sim_lab_open(names[i], "/tmp/hvgpu-test-none", false, &err);

        test_case(names[i]);
        CHECK(lab == NULL);
        CHECK(err.kind == ERR_NOT_FOUND || err.kind == ERR_INVALID);
        sim_lab_close(lab);
    }
}

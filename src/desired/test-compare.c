/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file wants against a host made of initialisers: every kind of difference. */

#include <stdio.h>
#include <stdlib.h>

#include "compare.h"
#include "err.h"
#include "found.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

#define A2 "PCI\\VEN_10DE&DEV_25B6&SUBSYS_157E10DE&REV_A1\\4&18416dc3&0&000"
#define A2_PATH                                                               \
    "\\\\?\\PCI#VEN_10DE&DEV_25B6&SUBSYS_157E10DE&REV_A1#4&18416dc3&0&000%u#" \
    "{064092b3-625e-43bf-9eb5-dc845897dd59}"

struct bench {
    struct hv_gpu gpus[4];
    struct hv_vm *vms;
    struct hv_host host;
};

static struct known_u64 number(uint64_t value)
{
    return (struct known_u64){ true, value };
}

static void set_gpu(struct bench *b, size_t i, unsigned slot)
{
    struct hv_gpu *gpu = &b->gpus[i];

    gpu->name = text_dup("NVIDIA A2");
    gpu->pci_id = text_dup("10de:25b6");
    gpu->instance_id = text_printf(A2 "%u", slot);
    gpu->interface_path = text_printf(A2_PATH, slot);
    gpu->location_path = text_printf("PCIROOT(%u)#PCI(0000)", slot);
    gpu->modes = GPU_MODE_P;
    gpu->partition_count = number(4);
    gpu->vram_bytes = number(UINT64_C(16) << 30);
    gpu->amounts[QUOTA_VRAM].total = number(UINT64_C(16) << 30);
}

static void set_vm(struct hv_vm *vm, const char *name, unsigned n)
{
    vm->name = text_dup(name);
    vm->id = text_printf("00000000-0000-4000-8000-%012u", n);
    vm->state = VM_OFF;
    vm->guest_controlled_cache = TRI_YES;
    vm->low_mmio_bytes = number(UINT64_C(1) << 30);
    vm->high_mmio_bytes = number(UINT64_C(32) << 30);
    vm->stop_action = number(4);
    vm->checkpoint_type = number(2);
}

/* @slot: of the GPU, which need not be there. */
static void give(struct hv_vm *vm, unsigned slot)
{
    vm->adapters = realloc(vm->adapters, (vm->adapter_count + 1) * sizeof(*vm->adapters));
    vm->adapters[vm->adapter_count++] =
        (struct hv_adapter){ .interface_path = text_printf(A2_PATH, slot) };
}

/* Two GPUs, in slots 1 and 2; VMs "a", "b", "c": a has one of slot 1. */
static struct bench *new_bench(size_t vm_count)
{
    struct bench *b = calloc(1, sizeof(*b));

    b->vms = calloc(vm_count, sizeof(*b->vms));
    set_gpu(b, 0, 1);
    set_gpu(b, 1, 2);
    for (size_t i = 0; i < vm_count; i++) {
        char name[32];

        if (i < 26)
            snprintf(name, sizeof(name), "%c", (int)('a' + i));
        else
            snprintf(name, sizeof(name), "vm-%zu", i);
        set_vm(&b->vms[i], name, (unsigned)i);
    }
    give(&b->vms[0], 1);
    b->host = (struct hv_host){ .gpus = b->gpus,
                                .gpu_count = 2,
                                .vms = b->vms,
                                .vm_count = vm_count,
                                .build = number(26100) };
    return b;
}

static void free_bench(struct bench *b)
{
    for (size_t i = 0; i < ARRAY_LEN(b->gpus); i++) {
        free(b->gpus[i].name);
        free(b->gpus[i].pci_id);
        free(b->gpus[i].instance_id);
        free(b->gpus[i].interface_path);
        free(b->gpus[i].location_path);
    }
    for (size_t i = 0; i < b->host.vm_count; i++) {
        for (size_t a = 0; a < b->vms[i].adapter_count; a++) {
            free(b->vms[i].adapters[a].id);
            free(b->vms[i].adapters[a].interface_path);
        }
        for (size_t d = 0; d < b->vms[i].device_count; d++)
            free(b->vms[i].devices[d].instance_id);
        free(b->vms[i].adapters);
        free(b->vms[i].devices);
        free(b->vms[i].name);
        free(b->vms[i].id);
    }
    free(b->vms);
    free(b);
}

#define HEAD                                                                     \
    "format: hvgpu/1\nhosts:\n  h:\n    gpus:\n"                                 \
    "      one: { instance_id: '" A2 "1', location_path: PCIROOT(1)#PCI(0000), " \
    "partition_count: 4 }\n"                                                     \
    "      two: { instance_id: '" A2 "2' }\n    vms:\n"

/* "reason name wanted found;..." */
static char *differences(const struct bench *b, const char *yaml)
{
    CLEANUP(desired_cleanup) struct desired *wanted = NULL;
    struct strbuf text = STRBUF_INIT;
    struct comparison c;
    struct err err = ERR_INIT;

    wanted = desired_read("f", yaml, strlen(yaml), &err);
    CHECK_OK(wanted);
    if (!wanted)
        return text_dup("?");
    CHECK_OK(desired_compare(&wanted->hosts[0], &b->host, &c, &err));
    for (size_t i = 0; i < c.count; i++) {
        const struct difference *d = &c.items[i];

        strbuf_printf(&text, "%s%s%s %s %s %s", i ? "; " : "",
                      difference_is_note(d) ? "note " : "", difference_name(d->kind),
                      d->vm         ? d->vm->name
                      : d->found_vm ? d->found_vm->name
                                    : d->gpu->alias,
                      d->wanted ? d->wanted : "-", d->found ? d->found : "-");
    }
    comparison_clear(&c);
    return strbuf_take(&text);
}

static void expect(const struct bench *b, const char *vms, const char *said)
{
    CLEANUP(free_cleanup) char *yaml = text_printf(HEAD "%s", vms);
    CLEANUP(free_cleanup) char *found = differences(b, yaml);

    test_case(vms);
    CHECK_STR_EQ(found, said);
}

TEST(what_is_as_wanted_is_no_difference)
{
    struct bench *b = new_bench(3);

    expect(b, "      a: { gpus: [{ gpu: one, mode: gpu-p }] }\n      b: { gpus: [] }\n",
           "");
    expect(b, "      A: { gpus: ['10de:25b6'] }\n", "");
    expect(b, "      a: { gpus: [any] }\n", "");
    expect(b, "      00000000-0000-4000-8000-000000000000: { gpus: [one] }\n", "");
    free_bench(b);
}

TEST(every_difference_has_its_reason)
{
    struct bench *b = new_bench(4);

    expect(b, "      a: { gpus: [] }\n", "adapter-extra a - one (gpu-p)");
    expect(b, "      b: { gpus: [one] }\n      a: { gpus: [one] }\n",
           "adapter-missing b one -");
    expect(b, "      a: { gpus: [two] }\n", "wrong-gpu a two one (gpu-p)");
    expect(b, "      a: { gpus: [one, two] }\n", "adapter-missing a two -");
    expect(b, "      a: { gpus: [{ gpu: one, mode: gpu-pv }] }\n",
           "mode a one (gpu-pv) one (gpu-p)");
    expect(b, "      a: { gpus: [{ gpu: one, mode: dda }] }\n",
           "mode a one (dda) one (gpu-p)");
    expect(b, "      z: { gpus: [one] }\n", "vm-missing z - -; note unlisted a - -");
    expect(b, "      a: { gpus: [{ gpu: one, share: 25 }] }\n", "share a 25 % -");
    expect(b, "      a: { gpus: [one], high_mmio: 40G }\n", "mmio a 40960 MB 32768 MB");
    expect(b, "      a: { gpus: [one], settings: { checkpoint_type: standard } }\n",
           "setting a standard disabled");
    free(b->vms[3].name);
    b->vms[3].name = text_dup("c");
    expect(b, "      c: { gpus: [] }\n      a: { gpus: [one] }\n", "vm-ambiguous c - -");
    b->gpus[0].partition_count = number(8);
    expect(b, "      a: { gpus: [one] }\n", "partition-count one 4 8");
    free_bench(b);
}

TEST(partitions_of_one_gpu_are_counted)
{
    struct bench *b = new_bench(2);

    give(&b->vms[0], 1);
    expect(b, "      a: { gpus: [{ gpu: one, count: 2 }] }\n", "");
    expect(b, "      a: { gpus: [{ gpu: '10de:25b6', count: 2 }] }\n", "");
    expect(b, "      a: { gpus: [one] }\n", "adapter-extra a - one (gpu-p)");
    expect(b, "      a: { gpus: [{ gpu: one, count: 3 }] }\n", "adapter-missing a one -");
    expect(b, "      a: { gpus: [one, two] }\n", "wrong-gpu a two one (gpu-p)");
    expect(b, "      a: { gpus: [] }\n",
           "adapter-extra a - one (gpu-p); adapter-extra a - one (gpu-p)");
    give(&b->vms[0], 2);
    /* What means one GPU chooses first, in whatever order they stand. */
    expect(b, "      a: { gpus: [{ gpu: '10de:25b6', count: 2 }, two] }\n", "");
    expect(b, "      a: { gpus: [{ gpu: any, count: 3 }] }\n", "");
    free_bench(b);
}

TEST(settings_that_attach_would_make_otherwise_are_differences)
{
    struct bench *b = new_bench(2);

    b->vms[0].stop_action = number(3);
    b->vms[0].guest_controlled_cache = TRI_NO;
    expect(b, "      a: { gpus: [one] }\n",
           "setting a true false; setting a shut-down save");
    expect(b,
           "      a: { gpus: [one], settings: { stop_action: save, "
           "guest_controlled_cache: false } }\n",
           "");
    /* Without a GPU they are nobody's business. */
    b->vms[1].stop_action = number(3);
    expect(b,
           "      a: { gpus: [any], settings: { stop_action: save, "
           "guest_controlled_cache: false } }\n      b: { gpus: [] }\n",
           "");
    free_bench(b);
}

TEST(a_share_is_the_quota_that_it_makes)
{
    struct bench *b = new_bench(1);
    struct hv_quota *quota = &b->vms[0].adapters[0].quota[QUOTA_VRAM];

    quota->min = quota->max = quota->optimal = number(UINT64_C(4) << 30);
    expect(b, "      a: { gpus: [{ gpu: one, share: 25 }] }\n", "");
    expect(b, "      a: { gpus: [{ gpu: one, share: 50 }] }\n", "share a 50 % 25 %");
    expect(b, "      a: { gpus: [one] }\n", ""); /* not said: left alone */
    free_bench(b);
}

TEST(a_gpu_that_moved_is_found_and_its_vms_are_named)
{
    struct bench *b = new_bench(2);

    /* From slot 1 to slot 3: the adapter still names slot 1. */
    free(b->gpus[0].instance_id);
    free(b->gpus[0].location_path);
    free(b->gpus[0].interface_path);
    free(b->gpus[0].name);
    free(b->gpus[0].pci_id);
    set_gpu(b, 0, 3);
    expect(b, "      a: { gpus: [one] }\n",
           "note gpu-moved one PCIROOT(1)#PCI(0000) PCIROOT(3)#PCI(0000); "
           "adapter-moved a one " A2 "1 (gpu-p)");
    /* Two of the model that it could be: nobody guesses. */
    set_gpu(b, 2, 4);
    b->host.gpu_count = 3;
    expect(b, "      a: { gpus: [one] }\n",
           "gpu-missing one PCIROOT(1)#PCI(0000) -; wrong-gpu a one " A2 "1 (gpu-p)");
    free_bench(b);
}

TEST(a_new_instance_id_in_the_same_place_is_the_same_gpu)
{
    struct bench *b = new_bench(1);

    free(b->gpus[0].instance_id);
    b->gpus[0].instance_id = text_dup(A2 "9");
    expect(b, "      b: { gpus: [] }\n", "vm-missing b - -; note unlisted a - -");
    free_bench(b);
}

/* ---- what is written of a host finds no difference on it ---- */

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16 & 0x7fff;
}

static void disturb(struct bench *b, unsigned seed)
{
    for (size_t i = 0; i < b->host.vm_count; i++) {
        struct hv_vm *vm = &b->vms[i];

        for (unsigned n = next(&seed) % 3; n > 0; n--) /* also of GPUs that are not there */
            give(vm, 1 + next(&seed) % 4);
        for (size_t a = 0; a < vm->adapter_count; a++)
            if (next(&seed) % 2) {
                struct hv_quota *quota = &vm->adapters[a].quota[QUOTA_VRAM];

                quota->min = quota->max = quota->optimal =
                    number((uint64_t)next(&seed) << 24);
            }
        if (next(&seed) % 4 == 0) {
            vm->devices = calloc(1, sizeof(*vm->devices));
            vm->device_count = 1;
            vm->devices[0].instance_id = text_printf(A2 "%u", 1 + next(&seed) % 2);
        }
        vm->stop_action = number(2 + next(&seed) % 3);
        vm->checkpoint_type = number(2 + next(&seed) % 4);
        vm->guest_controlled_cache = 1 + next(&seed) % 2;
        vm->low_mmio_bytes = number((uint64_t)next(&seed) << 20);
        vm->high_mmio_bytes = number((uint64_t)next(&seed) << 22);
        if (next(&seed) % 5 == 0 && i > 0) {
            free(vm->name);
            vm->name = text_dup(next(&seed) % 2 ? b->vms[i - 1].name : "x\ny");
        }
    }
    b->gpus[0].partition_count = number(1 + next(&seed) % 16);
}

TEST(what_is_written_of_a_host_is_what_it_has)
{
    const struct found_options options = { .drivers = DRIVERS_HOST };

    for (unsigned seed = 1; seed <= 200; seed++) {
        struct bench *b = new_bench(6);
        CLEANUP(strbuf_cleanup) struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
        CLEANUP(free_cleanup) char *said = NULL;
        struct desired_host found, again;
        struct err err = ERR_INIT;
        char name[24];

        snprintf(name, sizeof(name), "seed %u", seed);
        test_case(name);
        disturb(b, seed);
        CHECK_OK(desired_from_host(&b->host, "h", &options, &found, &err));
        CHECK_OK(desired_from_host(&b->host, "h", &options, &again, &err));
        desired_write_head(&once);
        desired_write_host(&found, &once);
        desired_write_head(&twice);
        desired_write_host(&again, &twice);
        CHECK_STR_EQ(once.text, twice.text);
        said = differences(b, once.text);
        CHECK_STR_EQ(said, "");
        desired_host_clear(&found);
        desired_host_clear(&again);
        free_bench(b);
    }
}

/* ---- many ---- */

static size_t compares;

/* Those that are not notes. */
static size_t count_differences(const struct comparison *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->count; i++)
        count += !difference_is_note(&c->items[i]);
    return count;
}

/* Counts what the comparison of names costs: not the clock, which lies on a busy machine. */
static size_t count_for(size_t vms)
{
    struct bench *b = new_bench(vms);
    CLEANUP(strbuf_cleanup) struct strbuf yaml = STRBUF_INIT;
    CLEANUP(desired_cleanup) struct desired *wanted = NULL;
    struct comparison c;
    struct err err = ERR_INIT;

    strbuf_puts(&yaml, HEAD);
    for (size_t i = 0; i < vms; i++)
        strbuf_printf(&yaml, "      %s: { gpus: [one] }\n", b->vms[i].name);
    wanted = desired_read("f", yaml.text, yaml.len, &err);
    CHECK_OK(wanted);
    compares = 0;
    CHECK_OK(desired_compare(&wanted->hosts[0], &b->host, &c, &err));
    CHECK_EQ(count_differences(&c), vms - 1);
    compares = c.name_compares;
    comparison_clear(&c);
    free_bench(b);
    return compares;
}

TEST(ten_thousand_vms_cost_ten_times_as_much_as_a_thousand)
{
    size_t thousand = count_for(1000), many = count_for(10000);

    CHECK(thousand > 0);
    /* n log n: 10 times, and a third more for the deeper search. */
    CHECK(many < 15 * thousand);
}

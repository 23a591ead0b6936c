/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of desired state: read, refused, written, read again. */

#include <stdio.h>
#include <stdlib.h>

#include "desired.h"
#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

static struct desired *read_text(const char *text, struct err *err)
{
    return desired_read("f.yaml", text, strlen(text), err);
}

#define GPU_A "      a2: { instance_id: 'PCI\\VEN_10DE&DEV_25B6\\1', partition_count: 4 }\n"

TEST(what_a_file_says_is_what_is_wanted)
{
    CLEANUP(desired_cleanup) struct desired *desired = NULL;
    struct err err = ERR_INIT;
    const struct desired_vm *vm;

    desired =
        read_text("format: hvgpu/1\n"
                  "hosts:\n"
                  "  hv-01:\n"
                  "    vms:\n"
                  "      dev:\n"
                  "        gpus: [{ gpu: A2, mode: gpu-p, share: 25 }, '10de:2860']\n"
                  "        drivers: host\n"
                  "        high_mmio: 33280M\n"
                  "        settings: { stop_action: save, guest_controlled_cache: false }\n"
                  "      web: { gpus: [] }\n"
                  "    gpus:\n" GPU_A,
                  &err);
    CHECK_OK(desired);
    if (!desired)
        return;
    CHECK_EQ(desired->host_count, 1);
    CHECK_EQ(desired->hosts[0].gpu_count, 2);
    CHECK_EQ(desired->hosts[0].gpus[0].partition_count.value, 4);
    CHECK_STR_EQ(desired->hosts[0].gpus[1].pci_id, "10de:2860");
    CHECK(desired->hosts[0].gpus[1].is_inline);
    CHECK_EQ(desired->hosts[0].vm_count, 2);
    vm = &desired->hosts[0].vms[0];
    CHECK_STR_EQ(vm->name, "dev");
    CHECK_EQ(vm->use_count, 2);
    CHECK_EQ(vm->uses[0].gpu, 0);
    CHECK_EQ(vm->uses[0].mode, GPU_MODE_P);
    CHECK_EQ(vm->uses[0].share_percent.value, 25);
    CHECK_EQ(vm->uses[1].gpu, 1);
    CHECK_EQ(vm->drivers, DRIVERS_HOST);
    CHECK(vm->high_mmio_bytes.known && !vm->low_mmio_bytes.known);
    CHECK_EQ(vm->high_mmio_bytes.value >> 20, 33280);
    CHECK_EQ(vm->stop_action.value, 3);
    CHECK_EQ(vm->guest_controlled_cache, TRI_NO);
    CHECK(!vm->checkpoint_type.known);
    CHECK_EQ(desired->hosts[0].vms[1].use_count, 0);
    CHECK(desired_find_host(desired, "HV-01") == &desired->hosts[0]);
    CHECK(!desired_find_host(desired, "hv-02"));
}

#define HEAD "format: hvgpu/1\nhosts:\n  h:\n    gpus:\n" GPU_A "    vms:\n"

TEST(what_is_wrong_is_said_with_its_place_and_what_was_meant)
{
    static const struct {
        const char *text, *says, *hint;
    } cases[] = {
        { "", "is empty", NULL },
        { "# nothing\n", "is empty", NULL },
        { "[]", "column 1: the file is lines", NULL },
        { "a: [", "line 2, column 1: did not", NULL },
        { "format: hvgpu/2\nhosts: {}", "line 1, column 9: the format 'hvgpu/2'",
          "it reads 'hvgpu/1'" },
        { "hosts: { h: {} }", "the file needs 'format'", NULL },
        { "format: hvgpu/1\nhosts: {}", "names no hosts", NULL },
        { "format: hvgpu/1\nhosst: {}", "line 2, column 1: the file has no key 'hosst'",
          "did you mean 'hosts'?" },
        { "format: hvgpu/1\nhosts: { h: {}, H: {} }",
          "line 2, column 17: 'H' is named twice", NULL },
        { "format: hvgpu/1\nformat: hvgpu/1\nhosts: { h: {} }", "'format' is given twice",
          NULL },
        { "format: hvgpu/1\nhosts: { h: {} }\n---\na: b\n", "line 3, column 1: a second",
          NULL },
        { "format: hvgpu/1\nhosts: { h: { gpus: { a: {} } } }",
          "nothing says which GPU 'a' is", "instance_id" },
        { "format: hvgpu/1\nhosts: { h: { gpus: { 1: { pci_id: '10de:1' } } } }",
          "'1' is not for you to choose", "word" },
        { "format: hvgpu/1\nhosts: { h: { gpus: { a: { pci_id: 10de } } } }",
          "'10de' is no vendor:device", "10de:25b6" },
        { "format: hvgpu/1\nhosts: { h: { gpus: { a: { instance_id: '4070' } } } }",
          "no instance id", "PCI\\VEN_" },
        { "format: hvgpu/1\nhosts: { h: { gpus: { a: { location_path: x } } } }",
          "no location path", "PCIROOT(" },
        { "format: hvgpu/1\nhosts: { h: { gpus: { a: { partition_count: 0 } } } }",
          "a number from 1 to 1024, not '0'", NULL },
        { HEAD "      v: {}\n", "line 7, column 10: a VM needs 'gpus'", NULL },
        { HEAD "      v: { gpus: a2 }\n", "'gpus' of a VM is a list", "[]" },
        { HEAD "      v: { gpus: [a3] }\n", "line 7, column 19: host 'h' has no GPU 'a3'",
          "did you mean 'a2'?" },
        { HEAD "      v: { gpus: [1] }\n", "'1': the number of a list does not say",
          "instance_id" },
        { HEAD "      v: { gpus: [a2, a2] }\n", "column 23: VM 'v' has this GPU twice",
          NULL },
        { HEAD "      v: { gpus: [a2, a2] }\n", "has this GPU twice", "'count: 2'" },
        { HEAD "      v: { gpus: [{ gpu: a2, count: 0 }] }\n", "from 1 to 64, not '0'",
          NULL },
        { HEAD "      v: { gpus: [{ gpu: a2, count: 2, share: 5 }] }\n",
          "a share is for one partition, not for 2", NULL },
        { HEAD "      v: { gpus: [{ gpu: a2, count: 2, mode: dda }] }\n",
          "a whole GPU is there once", NULL },
        { HEAD "      v: { gpus: [{ gpu: a2, mode: gpu-pw }] }\n",
          "mode is gpu-pv, gpu-p or dda, not 'gpu-pw'", "did you mean 'gpu-pv'?" },
        { HEAD "      v: { gpus: [{ gpu: a2, mode: gpu-pv, share: 5 }] }\n",
          "a share means nothing for GPU-PV", NULL },
        { HEAD "      v: { gpus: [{ gpu: a2, mode: dda, share: 5 }] }\n",
          "a share means nothing for a GPU that is assigned whole", NULL },
        { HEAD "      v: { gpus: [{ gpu: a2, share: 101 }] }\n", "from 1 to 100, not '101'",
          NULL },
        { HEAD "      v: { gpus: [{ gpu: any, mode: dda }] }\n", "never 'any'", NULL },
        { HEAD "      v: { gpus: [{ mode: dda }] }\n", "a GPU of a VM needs 'gpu'", NULL },
        { HEAD "      v: { gpus: [a2], drivers: newest }\n",
          "drivers is host or none, not 'newest'", NULL },
        { HEAD "      v: { gpus: [], drivers: host }\n", "for a VM with a partition",
          NULL },
        { HEAD "      v: { gpus: [], low_mmio: 1G }\n", "no GPU that device memory", NULL },
        { HEAD "      v: { gpus: [a2], low_mmio: lots }\n",
          "low_mmio is a size, not 'lots'", "33280M" },
        { HEAD "      v: { gpus: [a2], settings: { checkpoint_type: never } }\n",
          "disabled, production, production-only or standard, not 'never'", NULL },
        { HEAD "      v: { gpus: [a2], settings: { stop_acton: save } }\n",
          "no key 'stop_acton'", "did you mean 'stop_action'?" },
        { HEAD
          "      v: { gpus: [{ gpu: a2, mode: dda }], settings: { stop_action: save } }\n",
          "settings are those of a VM with a partition", NULL },
        { "format: hvgpu/1\n", "names no hosts", NULL },
        { "format: hvgpu/1\nhosts:\n\th: {}\n",
          "line 3, column 1: a tab stands where only blanks may", "blanks" },
        { "format: hvgpu/1\nhosts: { b\xfcro: {} }", "line 2, column 11: ", "UTF-8" },
        { "\xff\xfe"
          "f",
          "line 1, column 1: ", "UTF-8" },
        { HEAD "      v: { gpus: [{ gpu: a2, share: 010 }] }\n",
          "without zeros before it, not '010'", "octal" },
        { "format: hvgpu/1\nclusters: { c: {} }", "a cluster needs 'nodes'", NULL },
        { "format: hvgpu/1\nclusters: { c: { nodes: [] } }", "and none is named", NULL },
        { "format: hvgpu/1\nclusters: { c: { nodes: h } }",
          "'nodes' of a cluster is a list", "as -H takes them" },
        { "format: hvgpu/1\nclusters: { c: { nodes: [h, H] } }",
          "column 29: node 'H' is named", NULL },
        { "format: hvgpu/1\nclusters: { c: { nodes: [h] }, d: { nodes: [h] } }",
          "node 'h' stands under the clusters 'c' and 'd'", NULL },
        { "format: hvgpu/1\nclusters: { c: { nodes: [h], gpus: { a: { location_path: "
          "PCIROOT(0) } } } }",
          "'a' is a GPU of one node only", "pci_id: 10de:25b6" },
        { "format: hvgpu/1\nclusters: { c: { nodes: [h], vms: { v: { gpus: "
          "['PCIROOT(0)'] } } } }",
          "'PCIROOT(0)' is a GPU of one node only", NULL },
        { "format: hvgpu/1\nhosts: { h: { vms: { V: { gpus: [] } } } }\n"
          "clusters: { c: { nodes: [h], vms: { v: { gpus: [] } } } }",
          "VM 'V' stands under host 'h' and under cluster 'c'", NULL },
        { "format: hvgpu/1\nclusters: { c: { nods: [h] } }", "a cluster has no key 'nods'",
          "did you mean 'nodes'?" },
        { HEAD "      \"a\\0b\": { gpus: [] }\n", "a name holds a control character",
          NULL },
        { "format: hvgpu/1\nhosts: { h: { gpus: { a: { location_path: PCIROOT(0) }, "
          "b: { location_path: pciroot(0) } } } }",
          "'a' and 'b' are the same GPU", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct desired *desired = read_text(cases[i].text, &err);
        char said[1024];

        test_case(cases[i].says);
        CHECK(!desired);
        err_format(&err, said, sizeof(said));
        if (!strstr(said, cases[i].says))
            CHECK_STR_EQ(said, cases[i].says);
        CHECK(err.kind == ERR_INVALID);
        if (cases[i].hint && !strstr(err.hint, cases[i].hint))
            CHECK_STR_EQ(err.hint, cases[i].hint);
        desired_free(desired);
    }
}

TEST(line_ends_and_the_mark_of_windows_are_taken)
{
    CLEANUP(desired_cleanup) struct desired *marked = NULL;
    CLEANUP(desired_cleanup) struct desired *json = NULL;
    struct err err = ERR_INIT;

    marked = read_text("\xEF\xBB\xBF"
                       "format: hvgpu/1\r\nhosts:\r\n  h: {}\r\n",
                       &err);
    CHECK_OK(marked);
    json = read_text("{\"format\": \"hvgpu/1\", \"hosts\": {\"h\": {}}}", &err);
    CHECK_OK(json);
}

TEST(nodes_of_a_cluster_are_hosts)
{
    static const char text[] =
        "format: hvgpu/1\n"
        "hosts: { H1: { vms: { own: { gpus: [] } } } }\n"
        "clusters:\n"
        "  C:\n"
        "    nodes: [h1, h2]\n"
        "    gpus: { a2: { pci_id: '10de:25b6', partition_count: 4 } }\n"
        "    vms: { v: { gpus: [{ gpu: a2, count: 2 }] } }\n";
    CLEANUP(strbuf_cleanup) struct strbuf written = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf again = STRBUF_INIT;
    CLEANUP(desired_cleanup) struct desired *read = NULL;
    CLEANUP(desired_cleanup) struct desired *back = NULL;
    struct err err = ERR_INIT;

    read = read_text(text, &err);
    CHECK_OK(read);
    CHECK_EQ(read->host_count, 2);
    CHECK_STR_EQ(read->hosts[0].name, "H1");
    CHECK_STR_EQ(read->hosts[1].name, "h2");
    CHECK_EQ(read->hosts[1].vm_count, 0);
    CHECK_EQ(read->cluster_count, 1);
    CHECK_EQ(read->clusters[0].node_count, 2);
    CHECK_EQ(read->clusters[0].wish.gpus[0].partition_count.value, 4);
    CHECK_EQ(read->clusters[0].wish.vms[0].uses[0].count, 2);
    desired_write(read, &written);
    back = read_text(written.text, &err);
    CHECK_OK(back);
    desired_write(back, &again);
    CHECK_STR_EQ(again.text, written.text);
}

/* A file of a few kilobytes that would be read for hours, or fill the memory. */
TEST(small_files_do_not_become_large_ones)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    struct err err = ERR_INIT;

    strbuf_puts(&text, "format: hvgpu/1\nhosts:\n  h0: &h\n    vms: &v\n");
    for (int i = 0; i < 2000; i++)
        strbuf_printf(&text, "      v%d: { gpus: [] }\n", i);
    for (int i = 1; i < 9000; i++)
        strbuf_printf(&text, "  h%d: *h\n", i);
    CHECK(!read_text(text.text, &err));
    CHECK(strstr(err.text[0], "too many entries") != NULL);

    strbuf_clear(&text);
    for (int i = 0; i < 300; i++)
        strbuf_printf(&text, "- &a%d x\n", i);
    CHECK(!read_text(text.text, &err));
    CHECK(strstr(err.text[0], "256 anchors") != NULL);

    strbuf_clear(&text);
    for (int i = 0; i < 5000; i++)
        strbuf_putc(&text, '[');
    CHECK(!read_text(text.text, &err));
    CHECK(strstr(err.text[0], "nested too deep") != NULL);

    CHECK(!read_text("format: hvgpu/1\nhosts: &h { h: { vms: *h } }", &err));
    CHECK(!read_text("&f format: hvgpu/1\nhosts: { *f : { vms: { v: *x } } }", &err));
}

/* ---- what is written is read back ---- */

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16 & 0x7fff;
}

/* Names as hosts have them, and as nobody should have them. */
static char *odd_name(unsigned *seed, const char *kind, size_t n)
{
    static const char *const parts[] = { "web",
                                         "build server",
                                         "it's",
                                         "\"q\"",
                                         "a: b",
                                         "# no",
                                         "- x",
                                         "\\back",
                                         "\xe5\xbc\x80\xe5\x8f\x91",
                                         "true",
                                         "1e3",
                                         "&a *b",
                                         "~",
                                         "{x}",
                                         "PCIx",
                                         "",
                                         "x\xc2\xa0y",
                                         "%d%s",
                                         "@at",
                                         "!t",
                                         "\xef\xbb\xbfz",
                                         "a\xe2\x80\xa8z" };

    return text_printf("%s%s%zu", parts[next(seed) % ARRAY_LEN(parts)], kind, n);
}

static struct known_u64 maybe(unsigned *seed, uint64_t value)
{
    return (struct known_u64){ next(seed) % 2 == 0, value };
}

static void make_vm(unsigned *seed, const struct desired_host *host, struct desired_vm *vm,
                    size_t n)
{
    bool partition = false;

    vm->name = odd_name(seed, "v", n);
    vm->uses = calloc(host->gpu_count + 1, sizeof(*vm->uses));
    for (size_t g = 0; g < host->gpu_count; g++) {
        struct desired_use *use = &vm->uses[vm->use_count];

        if (next(seed) % 3)
            continue;
        vm->use_count++;
        use->gpu = (int)g;
        use->mode = (unsigned[]){ 0, 1, 2, 4 }[next(seed) % 4];
        if (use->mode == 0 || use->mode == GPU_MODE_P)
            use->share_percent = maybe(seed, 1 + next(seed) % 100);
        if (!use->share_percent.known)
            use->share_percent.value = 0;
        use->count =
            use->mode == GPU_MODE_DDA || use->share_percent.known ? 1 : 1 + next(seed) % 3;
        partition |= use->mode != GPU_MODE_DDA;
    }
    if (vm->use_count > 0) {
        vm->low_mmio_bytes = maybe(seed, (uint64_t)next(seed) << 20);
        vm->high_mmio_bytes = maybe(seed, next(seed));
    }
    if (partition) {
        vm->drivers = next(seed) % 3;
        vm->guest_controlled_cache = next(seed) % 3;
        vm->stop_action = maybe(seed, 2 + next(seed) % 3);
        vm->checkpoint_type = maybe(seed, 2 + next(seed) % 4);
    }
}

static struct desired *make_state(unsigned seed)
{
    struct desired *desired = calloc(1, sizeof(*desired));

    desired->host_count = 1 + next(&seed) % 3;
    desired->hosts = calloc(desired->host_count, sizeof(*desired->hosts));
    for (size_t h = 0; h < desired->host_count; h++) {
        struct desired_host *host = &desired->hosts[h];

        host->name = odd_name(&seed, "h", h);
        host->comment = odd_name(&seed, "\n", h);
        host->gpu_count = next(&seed) % 4;
        host->gpus = calloc(host->gpu_count + 1, sizeof(*host->gpus));
        for (size_t g = 0; g < host->gpu_count; g++) {
            struct desired_gpu *gpu = &host->gpus[g];

            gpu->alias = odd_name(&seed, "g", g);
            gpu->pci_id = text_dup("10de:25b6");
            if (next(&seed) % 2)
                gpu->instance_id = text_printf("PCI\\VEN_10DE&DEV_25B6\\%zu", g);
            if (next(&seed) % 2)
                gpu->location_path = text_printf("PCIROOT(%zu)#PCI(0000)", g);
            gpu->partition_count = maybe(&seed, 1 + next(&seed) % 16);
            gpu->is_missing = next(&seed) % 8 == 0;
        }
        host->vm_count = next(&seed) % 5;
        host->vms = calloc(host->vm_count + 1, sizeof(*host->vms));
        for (size_t v = 0; v < host->vm_count; v++)
            make_vm(&seed, host, &host->vms[v], v);
    }
    return desired;
}

static bool same_number(struct known_u64 a, struct known_u64 b)
{
    return a.known == b.known && (!a.known || a.value == b.value);
}

static void check_same_vm(const struct desired_vm *a, const struct desired_vm *b)
{
    CHECK_STR_EQ(a->name, b->name);
    CHECK_EQ(a->use_count, b->use_count);
    for (size_t u = 0; u < a->use_count && a->use_count == b->use_count; u++) {
        CHECK_EQ(a->uses[u].gpu, b->uses[u].gpu);
        CHECK_EQ(a->uses[u].mode, b->uses[u].mode);
        CHECK_EQ(a->uses[u].count, b->uses[u].count);
        CHECK(same_number(a->uses[u].share_percent, b->uses[u].share_percent));
    }
    CHECK_EQ(a->drivers, b->drivers);
    CHECK_EQ(a->guest_controlled_cache, b->guest_controlled_cache);
    CHECK(same_number(a->low_mmio_bytes, b->low_mmio_bytes));
    CHECK(same_number(a->high_mmio_bytes, b->high_mmio_bytes));
    CHECK(same_number(a->stop_action, b->stop_action));
    CHECK(same_number(a->checkpoint_type, b->checkpoint_type));
}

static void check_same(const struct desired *a, const struct desired *b)
{
    CHECK_EQ(a->host_count, b->host_count);
    for (size_t h = 0; h < a->host_count && a->host_count == b->host_count; h++) {
        const struct desired_host *one = &a->hosts[h], *other = &b->hosts[h];

        CHECK_STR_EQ(one->name, other->name);
        CHECK_EQ(one->gpu_count, other->gpu_count);
        for (size_t g = 0; g < one->gpu_count && one->gpu_count == other->gpu_count; g++) {
            CHECK_STR_EQ(one->gpus[g].alias, other->gpus[g].alias);
            CHECK_STR_EQ(one->gpus[g].instance_id, other->gpus[g].instance_id);
            CHECK_STR_EQ(one->gpus[g].location_path, other->gpus[g].location_path);
            CHECK_STR_EQ(one->gpus[g].pci_id, other->gpus[g].pci_id);
            CHECK_EQ(one->gpus[g].is_missing, other->gpus[g].is_missing);
            CHECK(
                same_number(one->gpus[g].partition_count, other->gpus[g].partition_count));
        }
        CHECK_EQ(one->vm_count, other->vm_count);
        for (size_t v = 0; v < one->vm_count && one->vm_count == other->vm_count; v++)
            check_same_vm(&one->vms[v], &other->vms[v]);
    }
}

TEST(what_is_written_is_read_back_and_written_alike)
{
    for (unsigned seed = 1; seed <= 500; seed++) {
        CLEANUP(desired_cleanup) struct desired *made = make_state(seed);
        CLEANUP(desired_cleanup) struct desired *read = NULL;
        CLEANUP(strbuf_cleanup) struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
        struct err err = ERR_INIT;
        char name[32];

        snprintf(name, sizeof(name), "seed %u", seed);
        test_case(name);
        desired_write(made, &once);
        read = read_text(once.text, &err);
        CHECK_OK(read);
        if (!read) {
            fprintf(stderr, "%s", once.text);
            return;
        }
        check_same(made, read);
        for (size_t h = 0; h < made->host_count; h++) {
            free(made->hosts[h].comment); /* not read back */
            made->hosts[h].comment = NULL;
        }
        strbuf_clear(&once);
        desired_write(made, &once);
        desired_write(read, &twice);
        CHECK_STR_EQ(once.text, twice.text);
    }
}

TEST(ten_thousand_vms_are_read)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(desired_cleanup) struct desired *desired = NULL;
    struct err err = ERR_INIT;

    strbuf_puts(&text, "format: hvgpu/1\nhosts:\n  h:\n    gpus:\n" GPU_A "    vms:\n");
    for (int i = 0; i < 10000; i++)
        strbuf_printf(&text, "      vm-%05d: { gpus: [a2], drivers: host }\n", i);
    desired = read_text(text.text, &err);
    CHECK_OK(desired);
    if (desired)
        CHECK_EQ(desired->hosts[0].vm_count, 10000);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-cluster-fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "dispatch.h"
#include "os.h"
#include "service.h"
#include "strbuf.h"
#include "text.h"
#include "wql.h"

#define NODE(name, more)                                                              \
    "  - name: " name "\n"                                                            \
    "    product: Microsoft Windows Server 2025 Datacenter\n"                         \
    "    edition: ServerDatacenter\n"                                                 \
    "    build: 26100\n"                                                              \
    "    domain: lab.example\n"                                                       \
    "    cluster: THREE\n"                                                            \
    "    job_ms: 0\n"                                                                 \
    "    address_bits: 46\n" more "    gpus:\n"                                       \
    "      - { name: A2, instance_id: 'PCI\\VEN_10DE&DEV_25B6\\4&1&0&0000',\n"        \
    "          location_path: 'PCIROOT(1)#PCI(0000)', mode: gpu-p, vram: 16 GiB,\n"   \
    "          partition_counts: [4, 2, 1], partition_count: 2,\n"                    \
    "          driver: { kind: nvidia, version: 32.0.15.5397, date: 2024-06-20 } }\n" \
    "      - { name: A2, instance_id: 'PCI\\VEN_10DE&DEV_25B6\\4&2&0&0000',\n"        \
    "          location_path: 'PCIROOT(2)#PCI(0000)', mode: gpu-p, vram: 16 GiB,\n"   \
    "          partition_counts: [4, 2, 1], partition_count: 2,\n"                    \
    "          driver: { kind: nvidia, version: 32.0.15.5397, date: 2024-06-20 } }\n"

#define VM(name, more)                                               \
    "      - { name: " name ", " more "\n"                           \
    "          disks: [ { path: 'C:\\ClusterStorage\\Volume1\\" name \
    ".vhdx', content: data, size: 1 GiB } ] }\n"
#define SHARE \
    "state: running, stop_action: turn-off, adapters: [next], checkpoints: disabled,"

static const char nodes[] =
    "hosts:\n" NODE("A", "") "    vms:\n" VM("A1", "clustered: true, offline_action: "
                                                   "force-shut-down, " SHARE)
        VM("A2", "clustered: true, " SHARE) VM("A3", "clustered: true,")
            NODE("B", "") "    vms:\n" VM(
                "B1", "clustered: true, offline_action: turn-off, " SHARE)
                VM("B2", "state: running,");

bool three_open(struct three *t, const char *extra)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(free_cleanup) char *file = NULL;
    struct err err = ERR_INIT;

    *t = (struct three){ 0 };
    test_make_folder("three", t->dir);
    file = text_printf("%s/three.yaml", t->dir);
    strbuf_puts(&text, nodes);
    strbuf_puts(&text, NODE("C", ""));
    strbuf_puts(&text, extra);
    CHECK_OK(os_write_file(file, text.text, text.len, &err));
    return three_reopen(t);
}

bool three_reopen(struct three *t)
{
    CLEANUP(free_cleanup) char *file = text_printf("%s/three.yaml", t->dir);
    struct err err = ERR_INIT;

    sim_lab_close(TAKE(t->lab));
    t->lab = sim_lab_open(file, t->dir, false, &err);
    CHECK_OK(t->lab != NULL);
    if (!t->lab)
        return false;
    t->cluster = t->lab->clusters[0];
    for (size_t i = 0; i < ARRAY_LEN(t->nodes); i++) {
        t->nodes[i] = t->lab->hosts[i];
        CHECK_OK(sim_host_open(t->lab, t->nodes[i], &err));
        if (!t->nodes[i]->store)
            return false;
    }
    return true;
}

void three_close(struct three *t)
{
    struct err err = ERR_INIT;

    sim_lab_close(TAKE(t->lab));
    if (t->dir[0])
        CHECK_OK(os_remove_tree(t->dir, &err));
}

struct first {
    const char *name;
    size_t count;
    char *text;
};

static bool on_row(const struct cim_instance *row, const struct cim_class *class,
                   void *user, struct sim_fault *fault)
{
    struct first *first = user;
    const struct cim_value *value = first->name ? cim_get(row, first->name) : NULL;

    if (first->count++ == 0 && value && !value->is_null) {
        struct strbuf text = STRBUF_INIT;

        cim_value_put_text(value, 0, &text);
        first->text = strbuf_take(&text);
    }
    return true;
}

size_t three_ask(struct three *t, unsigned node, const char *wql, const char *name,
                 char **ret)
{
    struct first first = { .name = name };
    struct sim_fault fault = { 0 };
    struct wql_query *query;
    struct err err = ERR_INIT;

    CHECK_OK(cluster_refresh(t->cluster, &err));
    query = wql_parse(wql, &err);
    CHECK_OK(query != NULL);
    if (query && !query_run(t->nodes[node], CLUSTER_NS, query, on_row, &first, &fault))
        test_report(false, __FILE__, __LINE__, "%s: %s", wql, fault.text);
    wql_free(query);
    if (ret)
        *ret = first.text;
    else
        free(first.text);
    return first.count;
}

char *three_text(struct three *t, const char *class_name, const char *name,
                 const char *property)
{
    struct sim_object *object = cluster_object(t->cluster, class_name, name);

    CHECK(object != NULL);
    return text_dup(object ? hv_text(object, property) : "");
}

long three_number(struct three *t, const char *class_name, const char *name,
                  const char *property)
{
    struct sim_object *object;
    struct err err = ERR_INIT;

    CHECK_OK(cluster_refresh(t->cluster, &err));
    object = cluster_object(t->cluster, class_name, name);
    CHECK(object != NULL);
    return object ? (long)hv_number(object, property) : -1;
}

struct sim_host *three_node_of(struct three *t, const char *vm)
{
    struct sim_host *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(t->nodes); i++)
        if (hv_find_by_text(t->nodes[i], "Msvm_ComputerSystem", "ElementName", vm)) {
            if (found)
                return NULL;
            found = t->nodes[i];
        }
    return found;
}

struct sim_object *three_vm(struct three *t, const char *vm)
{
    struct sim_host *node = three_node_of(t, vm);

    return node ? hv_find_by_text(node, "Msvm_ComputerSystem", "ElementName", vm) : NULL;
}

uint32_t three_call(struct three *t, unsigned node, const char *class_name,
                    const char *name, const char *method, struct cim_instance *in,
                    struct cim_instance **ret_out)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new(CLUSTER_NS, class_name);
    struct service_call call = { .host = t->nodes[node] };
    struct err err = ERR_INIT;
    bool ok;

    t->fault = (struct sim_fault){ 0 };
    CHECK_OK(cim_path_set(path, "Name", name, &err));
    CHECK_OK(service_prepare(t->nodes[node], CLUSTER_NS, &err));
    ok = service_call_find(&call, path, method, &t->fault);
    if (ok && in) {
        cim_instance_free(call.in);
        call.in = TAKE(in);
    }
    cim_instance_free(in);
    ok = ok && service_call_run(&call, &t->fault);
    if (ret_out)
        *ret_out = TAKE(call.out);
    service_call_clear(&call);
    CHECK(ok || t->fault.code);
    return ok ? 0 : t->fault.code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a file of desired state, its hosts and its clusters: hvgpu.yaml(5). */

#include "desired-read.h"

#include <string.h>

#include "os.h"
#include "text.h"

enum {
    HOSTS_MAX = 10000,
    CLUSTERS_MAX = 1000,
    NODES_MAX = 64,   /* of a cluster, as of Windows Server */
    VMS_MAX = 100000, /* of a host */
};

#define FORMAT "hvgpu/1"

static bool copy_text(struct yaml_reader *r, char **to, const char *text)
{
    *to = text_dup(text);
    return *to || err_no_memory(r->err);
}

/* ---- hosts ---- */

struct host_reading {
    struct desired_host *host;
    yaml_node_t *gpus, *vms, *nodes;
};

static bool note_gpus(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    (void)r;
    ((struct host_reading *)target)->gpus = node;
    return true;
}

static bool note_vms(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    (void)r;
    ((struct host_reading *)target)->vms = node;
    return true;
}

/* Two names for one GPU would be two wishes for it. */
static bool check_gpus(struct yaml_reader *r, const yaml_node_t *key,
                       const struct desired_host *host)
{
    for (size_t a = 0; a < host->gpu_count; a++)
        for (size_t b = 0; b < a; b++) {
            const struct desired_gpu *one = &host->gpus[a], *other = &host->gpus[b];

            if ((one->instance_id && text_ieq(one->instance_id, other->instance_id)) ||
                (one->location_path && text_ieq(one->location_path, other->location_path)))
                return yaml_fail(r, key,
                                 "host '%.60s': '%.60s' and '%.60s' are the same GPU",
                                 host->name, other->alias, one->alias);
        }
    return true;
}

/* The VMs name GPUs, in whatever order the two stand. */
static bool read_wish(struct yaml_reader *r, const yaml_node_t *key,
                      const struct host_reading *reading)
{
    struct desired_host *host = reading->host;
    const struct yaml_names gpus = { "gpus", GPUS_MAX, sizeof(*host->gpus),
                                     desired_read_gpu, host };
    const struct yaml_names vms = { "vms", VMS_MAX, sizeof(*host->vms), desired_read_vm,
                                    host };

    return (!reading->gpus ||
            yaml_named(r, reading->gpus, &gpus, (void **)&host->gpus, &host->gpu_count)) &&
           (!reading->vms ||
            yaml_named(r, reading->vms, &vms, (void **)&host->vms, &host->vm_count)) &&
           check_gpus(r, key, host);
}

static bool read_host(struct yaml_reader *r, yaml_node_t *key, const char *name,
                      yaml_node_t *node, void *element, void *user)
{
    static const struct yaml_key keys[] = {
        { "gpus", note_gpus, false },
        { "vms", note_vms, false },
        { NULL, NULL, false },
    };
    struct host_reading reading = { .host = element };

    (void)user;
    return copy_text(r, &reading.host->name, name) &&
           yaml_map(r, node, "a host", keys, &reading) && read_wish(r, key, &reading);
}

/* ---- clusters ---- */

static bool note_nodes(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    (void)r;
    ((struct host_reading *)target)->nodes = node;
    return true;
}

static bool read_nodes(struct yaml_reader *r, yaml_node_t *node,
                       struct desired_cluster *cluster)
{
    size_t count;

    if (node->type != YAML_SEQUENCE_NODE) {
        yaml_fail(r, node, "'nodes' of a cluster is a list");
        return err_hint(r->err, "'nodes: [hv-01, hv-02]', as -H takes them");
    }
    count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count == 0)
        return yaml_fail(r, node, "a cluster has nodes, and none is named");
    if (count > NODES_MAX)
        return yaml_fail(r, node, "more than %d nodes of a cluster", NODES_MAX);
    cluster->nodes = calloc(count + 1, sizeof(*cluster->nodes));
    if (!cluster->nodes)
        return err_no_memory(r->err);
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_node(r, *i);
        const char *name = yaml_text(r, item, "a node");

        if (!name || !yaml_count(r, item))
            return false;
        for (size_t k = 0; k < cluster->node_count; k++)
            if (text_ieq(cluster->nodes[k], name))
                return yaml_fail(r, item, "node '%.60s' is named twice", name);
        if (!copy_text(r, &cluster->nodes[cluster->node_count], name))
            return false;
        cluster->node_count++;
    }
    return true;
}

/* What one node calls a GPU, or where it stands there, says nothing on the others. */
static bool check_models(struct yaml_reader *r, const yaml_node_t *key,
                         const struct desired_host *wish)
{
    for (size_t i = 0; i < wish->gpu_count; i++) {
        const struct desired_gpu *gpu = &wish->gpus[i];

        if (!gpu->instance_id && !gpu->location_path && !gpu->is_missing)
            continue;
        yaml_fail(r, key, "cluster '%.60s': '%.60s' is a GPU of one node only", wish->name,
                  gpu->alias);
        return err_hint(r->err,
                        "its VMs run on any node: give the model, pci_id: 10de:25b6");
    }
    return true;
}

static bool read_cluster(struct yaml_reader *r, yaml_node_t *key, const char *name,
                         yaml_node_t *node, void *element, void *user)
{
    static const struct yaml_key keys[] = {
        { "nodes", note_nodes, true },
        { "gpus", note_gpus, false },
        { "vms", note_vms, false },
        { NULL, NULL, false },
    };
    struct desired_cluster *cluster = element;
    struct host_reading reading = { .host = &cluster->wish };

    (void)user;
    return copy_text(r, &cluster->wish.name, name) &&
           yaml_map(r, node, "a cluster", keys, &reading) &&
           read_nodes(r, reading.nodes, cluster) && read_wish(r, key, &reading) &&
           check_models(r, key, &cluster->wish);
}

/* ---- the file ---- */

static bool read_format(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    const char *text = yaml_text(r, node, "format");

    (void)target;
    if (!text || strcmp(text, FORMAT) == 0)
        return text != NULL;
    yaml_fail(r, node, "the format '%.40s' is not one this hvgpu reads", text);
    return err_hint(r->err, "it reads '" FORMAT "'");
}

static bool read_hosts(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired *desired = target;
    const struct yaml_names hosts = { "hosts", HOSTS_MAX, sizeof(*desired->hosts),
                                      read_host, NULL };

    return yaml_named(r, node, &hosts, (void **)&desired->hosts, &desired->host_count);
}

static bool read_clusters(struct yaml_reader *r, yaml_node_t *node, void *target)
{
    struct desired *desired = target;
    const struct yaml_names clusters = { "clusters", CLUSTERS_MAX,
                                         sizeof(*desired->clusters), read_cluster, NULL };

    return yaml_named(r, node, &clusters, (void **)&desired->clusters,
                      &desired->cluster_count);
}

static int compare_texts(const void *a, const void *b)
{
    return text_casecmp(*(const char *const *)a, *(const char *const *)b);
}

/* A VM that stands under a node, too, would have two wishes.  @names: of the cluster's VMs. */
static bool check_node(const char *file, const struct desired_cluster *cluster,
                       const char *const *names, const struct desired_host *host,
                       struct err *err)
{
    for (size_t v = 0; v < host->vm_count; v++)
        if (bsearch(&host->vms[v].name, names, cluster->wish.vm_count, sizeof(*names),
                    compare_texts))
            return err_fail(
                err, ERR_INVALID, 0,
                "'%.100s': VM '%.60s' stands under host '%.60s' and under cluster '%.60s'",
                file, host->vms[v].name, host->name, cluster->wish.name);
    return true;
}

static bool check_other_clusters(const char *file, const struct desired *desired,
                                 const struct desired_cluster *cluster, const char *node,
                                 struct err *err)
{
    for (const struct desired_cluster *other = desired->clusters; other < cluster; other++)
        for (size_t k = 0; k < other->node_count; k++)
            if (text_ieq(other->nodes[k], node))
                return err_fail(
                    err, ERR_INVALID, 0,
                    "'%.100s': node '%.60s' stands under the clusters '%.60s' and '%.60s'",
                    file, node, other->wish.name, cluster->wish.name);
    return true;
}

static bool add_host(const char *file, struct desired *desired, const char *name,
                     struct err *err)
{
    struct desired_host *hosts;

    if (desired->host_count == HOSTS_MAX)
        return err_fail(err, ERR_INVALID, 0, "'%.100s': more than %d hosts", file,
                        HOSTS_MAX);
    hosts = realloc(desired->hosts, (desired->host_count + 1) * sizeof(*hosts));
    if (!hosts)
        return err_no_memory(err);
    desired->hosts = hosts;
    hosts[desired->host_count] = (struct desired_host){ .name = text_dup(name) };
    return hosts[desired->host_count++].name || err_no_memory(err);
}

/* Nodes that stand nowhere else become hosts without a wish of their own. */
static bool add_nodes(const char *file, struct desired *desired,
                      const struct desired_cluster *cluster, struct err *err)
{
    CLEANUP(free_cleanup)
    const char **names = calloc(cluster->wish.vm_count + 1, sizeof(*names));
    bool ok = names || err_no_memory(err);

    for (size_t v = 0; ok && v < cluster->wish.vm_count; v++)
        names[v] = cluster->wish.vms[v].name;
    if (ok)
        qsort(names, cluster->wish.vm_count, sizeof(*names), compare_texts);
    for (size_t n = 0; ok && n < cluster->node_count; n++) {
        const struct desired_host *known = desired_find_host(desired, cluster->nodes[n]);

        ok = check_other_clusters(file, desired, cluster, cluster->nodes[n], err) &&
             (known ? check_node(file, cluster, names, known, err)
                    : add_host(file, desired, cluster->nodes[n], err));
    }
    return ok;
}

struct desired *desired_read(const char *name, const char *text, size_t len,
                             struct err *err)
{
    static const struct yaml_key keys[] = {
        { "format", read_format, true },
        { "hosts", read_hosts, false },
        { "clusters", read_clusters, false },
        { NULL, NULL, false },
    };
    CLEANUP(desired_cleanup) struct desired *desired = calloc(1, sizeof(*desired));
    struct yaml_reader r;
    yaml_node_t *root;
    bool ok;

    if (!desired) {
        err_no_memory(err);
        return NULL;
    }
    if (!yaml_reader_begin(&r, name, text, len, err))
        return NULL;
    root = yaml_document_get_root_node(&r.document);
    ok = root ? yaml_map(&r, root, "the file", keys, desired)
              : err_fail(err, ERR_INVALID, 0, "'%.100s' is empty", name);
    yaml_reader_end(&r);
    for (size_t i = 0; ok && i < desired->cluster_count; i++)
        ok = add_nodes(name, desired, &desired->clusters[i], err);
    if (ok && desired->host_count == 0)
        ok = err_fail(err, ERR_INVALID, 0, "'%.100s' names no hosts", name);
    return ok ? TAKE(desired) : NULL;
}

struct desired *desired_read_file(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;
    size_t len;

    text = os_read_file(path, YAML_BYTES_MAX, &len, err);
    return text ? desired_read(path, text, len, err) : NULL;
}

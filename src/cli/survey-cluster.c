/* SPDX-License-Identifier: GPL-2.0-or-later */
/* survey --cluster: what the nodes of a cluster tell together. */

#include "survey-cluster.h"

#include <stdlib.h>
#include <string.h>

#include "cluster-view.h"
#include "finding-view.h"
#include "host-json.h"
#include "inventory.h"
#include "json-view.h"
#include "text.h"
#include "tr.h"

enum { LABEL_COLUMNS = 10 };

void survey_forget_host(void *host)
{
    hv_host_free(host);
}

/* ---- one cluster ---- */

static int by_computer(const void *a, const void *b)
{
    const struct hv_host *const *x = a, *const *y = b;

    return text_casecmp((*x)->computer_name ? (*x)->computer_name : "",
                        (*y)->computer_name ? (*y)->computer_name : "");
}

static const struct hv_host *host_of(const struct hv_host *const *hosts, size_t count,
                                     const struct hv_node *node)
{
    for (size_t i = 0; i < count; i++)
        if (hv_same_node(hosts[i]->computer_name, node->name))
            return hosts[i];
    return NULL;
}

static json_t *word_or_null(const char *word)
{
    return word ? json_string(word) : json_null();
}

static json_t *nodes_to_json(const struct hv_cluster *cluster,
                             const struct hv_host *const *hosts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < cluster->node_count; i++) {
        const struct hv_node *node = &cluster->nodes[i];
        const struct hv_host *host = host_of(hosts, count, node);

        if (json_array_append_new(
                list,
                json_pack("{s:o, s:o, s:o}", "name", text_to_json(node->name), "state",
                          word_or_null(node->state.known
                                           ? node_state_name(node->state.value)
                                           : NULL),
                          "host", host ? text_to_json(host->name) : json_null())) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* The VMs with a GPU; the cluster may have many others. */
static json_t *vms_to_json(const struct hv_host *const *hosts, size_t count)
{
    json_t *list = json_array();

    for (size_t h = 0; list && h < count; h++)
        for (size_t v = 0; v < hosts[h]->vm_count; v++) {
            const struct hv_vm *vm = &hosts[h]->vms[v];
            json_t *entry;

            if (vm->adapter_count + vm->device_count == 0)
                continue;
            entry =
                json_pack("{s:o, s:s, s:o, s:o, s:i, s:i}", "name", text_to_json(vm->name),
                          "id", vm->id, "node", text_to_json(hosts[h]->computer_name),
                          "state", word_or_null(vm_state_name(vm->state)), "partitions",
                          (int)vm->adapter_count, "devices", (int)vm->device_count);
            if (!entry || !vm_add_cluster_json(entry, hosts[h], vm) ||
                json_array_append_new(list, entry) != 0) {
                json_decref(list);
                return NULL;
            }
        }
    return list;
}

static bool add_cluster(json_t *list, const struct hv_host **hosts, size_t count,
                        bool *ret_found, struct err *err)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    const struct hv_cluster *cluster = hosts[0]->cluster;

    qsort(hosts, count, sizeof(*hosts), by_computer);
    if (!survey_cluster(cluster, hosts, count, &findings, err))
        return false;
    *ret_found |= findings_worst(&findings) == SEVERITY_ERROR;
    return json_array_append_new(
               list, json_pack("{s:o, s:o, s:o, s:o}", "name", text_to_json(cluster->name),
                               "nodes", nodes_to_json(cluster, hosts, count), "vms",
                               vms_to_json(hosts, count), "findings",
                               findings_to_json(&findings))) == 0 ||
           err_no_memory(err);
}

/* One host may have been named in two ways: as a node it counts once. */
static bool is_new(const struct hv_host *const *hosts, size_t count,
                   const struct hv_host *host)
{
    for (size_t i = 0; i < count; i++)
        if (hv_same_node(hosts[i]->computer_name, host->computer_name))
            return false;
    return true;
}

bool survey_join_clusters(const struct invocation *in, void *const *kept, size_t count,
                          json_t **ret, bool *ret_found, struct err *err)
{
    CLEANUP(free_cleanup)
    const struct hv_host **some = calloc(count ? count : 1, sizeof(*some));
    json_t *list;
    bool ok = true;

    if (!option_get(in, "cluster"))
        return true;
    list = json_array();
    if (!some || !list) {
        json_decref(list);
        return err_no_memory(err);
    }
    for (size_t i = 0; ok && i < count; i++) {
        const struct hv_host *first = kept[i];
        size_t members = 0;
        bool seen = false;

        for (size_t k = 0; k < i; k++)
            seen |=
                text_ieq(((struct hv_host *)kept[k])->cluster->name, first->cluster->name);
        for (size_t k = i; !seen && k < count; k++) {
            const struct hv_host *host = kept[k];

            if (text_ieq(host->cluster->name, first->cluster->name) &&
                is_new(some, members, host))
                some[members++] = host;
        }
        if (members > 0)
            ok = add_cluster(list, some, members, ret_found, err);
    }
    *ret = ok ? json_pack("{s:O}", "clusters", list) : NULL;
    json_decref(list);
    return ok && (*ret || err_no_memory(err));
}

/* ---- as text ---- */

static void print_cluster(struct output *out, const json_t *cluster)
{
    CLEANUP(strbuf_cleanup) struct strbuf nodes = STRBUF_INIT;
    const json_t *item, *findings = json_object_get(cluster, "findings");
    const char *name = view_text(cluster, "name");
    CLEANUP(free_cleanup) char *title = text_printf(_("Cluster '%s'"), name ? name : "?");
    CLEANUP(free_cleanup) char *vms = NULL;
    size_t i, running = 0;

    json_array_foreach(json_object_get(cluster, "nodes"), i, item)
    {
        const char *node = view_text(item, "name"), *state = view_text(item, "state");

        strbuf_printf(&nodes, "%s%s %s", i ? ", " : "", node ? node : "?",
                      state ? state : "?");
    }
    json_array_foreach(json_object_get(cluster, "vms"), i, item)
    {
        const char *state = view_text(item, "state");

        running += state && strcmp(state, "running") == 0;
    }
    vms = text_printf(_("%zu with a GPU, %zu of them running"),
                      json_array_size(json_object_get(cluster, "vms")), running);
    output_text(out, "\n");
    output_heading(out, title ? title : "");
    output_field(out, LABEL_COLUMNS, _("nodes"), nodes.text ? nodes.text : "-");
    output_field(out, LABEL_COLUMNS, _("VMs"), vms ? vms : "");
    if (json_array_size(findings) == 0)
        output_field(out, LABEL_COLUMNS, _("findings"),
                     _("nothing that would stop failover or live migration"));
    json_array_foreach(findings, i, item) finding_view(out, item, true);
}

void survey_print_clusters(const struct invocation *in, const json_t *members)
{
    const json_t *clusters = json_object_get(members, "clusters"), *cluster;
    size_t i;

    json_array_foreach(clusters, i, cluster) print_cluster(in->out, cluster);
    if (json_array_size(clusters) == 0)
        output_note(in->out, "%s\n", _("None of the hosts belongs to a cluster."));
}

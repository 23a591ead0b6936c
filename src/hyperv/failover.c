/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a failover cluster, and changing what it keeps of a VM.
 *
 * A resource's private properties come inside of MSCluster_Resource as an object without a
 * class of its own: what they are depends on the resource's type, so their types are not
 * known beforehand and a number may come as text.
 *
 * They are written with CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES and a property list, which is
 * what the cluster API has for it and what every resource must take.  Sources:
 * MicrosoftDocs/win32 MsCS clusctl-resource-set-private-properties, property-lists;
 * clusapi.h of microsoft/win32metadata (numbers).  Moving: cluswmi
 * mscluster-resourcegroup-movetonewnode.
 */

#include "failover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

#define TYPE_VM "Virtual Machine"

enum { GUID_LEN = 36, NODE_NAME_MAX = 64, PROPERTIES_STORED = 5024, MOVE_POLL_MS = 500 };
enum { ROLE_OFFLINE = 3, ROLE_FAILED = 4 }; /* CLUSTER_RESOURCE_STATE */
static const uint32_t SET_PRIVATE_PROPERTIES = 0x01400086;

const char *node_state_name(uint64_t state)
{
    static const char *const words[] = { "up", "down", "paused", "joining" };

    return state < ARRAY_LEN(words) ? words[state] : NULL;
}

const char *offline_action_name(uint64_t action)
{
    static const char *const words[] = { "turn-off", "save", "shut-down",
                                         "force-shutdown" };

    return action < ARRAY_LEN(words) ? words[action] : NULL;
}

/* CLUSTER_RESOURCE_STATE of clusapi.h. */
const char *role_state_name(uint64_t state)
{
    switch (state) {
    case 2:
        return "online";
    case 3:
        return "offline";
    case 4:
        return "failed";
    case 129:
        return "online-pending";
    case 130:
        return "offline-pending";
    default:
        return NULL;
    }
}

/* ---- reading ---- */

static bool on_cluster(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_cluster **cluster = user;
    const char *fqdn, *dot;

    if (*cluster)
        return true;
    *cluster = calloc(1, sizeof(**cluster));
    if (!*cluster)
        return err_no_memory(err);
    /* "GPUCLUSTER.lab.example" */
    fqdn = cim_get_text(row, "Fqdn");
    dot = fqdn ? strchr(fqdn, '.') : NULL;
    if (dot && dot[1]) {
        (*cluster)->domain = text_dup(dot + 1);
        if (!(*cluster)->domain)
            return err_no_memory(err);
    }
    return take_text(&(*cluster)->name, row, "Name", err);
}

static bool on_node(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_cluster *cluster = user;
    struct hv_node *nodes, *node;
    const char *name = cim_get_text(row, "Name");

    if (!name || !*name)
        return true;
    nodes = list_grow(cluster->nodes, cluster->node_count, sizeof(*nodes), err);
    if (!nodes)
        return false;
    cluster->nodes = nodes;
    node = &nodes[cluster->node_count++];
    take_u64(&node->state, row, "State");
    take_u64(&node->build, row, "BuildNumber");
    return take_text(&node->name, row, "Name", err);
}

/* Of an object whose properties no class tells the types of. */
static bool loose_u64(const struct cim_instance *object, const char *name, uint64_t *ret)
{
    const char *text = cim_get_text(object, name);

    return cim_get_u64(object, name, ret) || (text && text_to_u64(text, 10, ret));
}

static void take_offline_action(struct known_u64 *to, const struct cim_instance *properties)
{
    to->known = loose_u64(properties, "OfflineAction", &to->value);
}

/* "{GUID}" or "GUID"; NULL where it is none. */
static char *plain_guid(const char *text)
{
    char guid[GUID_LEN + 1];

    if (!text)
        return NULL;
    text += *text == '{';
    if (strlen(text) < GUID_LEN)
        return NULL;
    memcpy(guid, text, GUID_LEN);
    guid[GUID_LEN] = '\0';
    return text_is_guid(guid) ? text_dup(guid) : NULL;
}

static struct cim_path *named_path(const char *class_name, const char *name,
                                   struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new(CLUSTER_NS, class_name);

    if (!path) {
        err_no_memory(err);
        return NULL;
    }
    return cim_path_set(path, "Name", name, err) ? TAKE(path) : NULL;
}

static struct cim_path *resource_path(const char *name, struct err *err)
{
    return named_path("MSCluster_Resource", name, err);
}

static bool add_role(struct hv_cluster *cluster, const struct cim_instance *row,
                     const struct cim_instance *properties, struct err *err)
{
    struct hv_role *roles, *role;
    char *vm_id = plain_guid(cim_get_text(properties, "VmID"));

    if (!vm_id)
        return true; /* a role without its VM: nothing to look up */
    roles = list_grow(cluster->roles, cluster->role_count, sizeof(*roles), err);
    if (!roles) {
        free(vm_id);
        return false;
    }
    cluster->roles = roles;
    role = &roles[cluster->role_count++];
    role->vm_id = vm_id;
    take_u64(&role->state, row, "State");
    take_offline_action(&role->offline_action, properties);
    return take_text(&role->resource, row, "Name", err) &&
           take_text(&role->group, row, "OwnerGroup", err) &&
           take_text(&role->owner_node, row, "OwnerNode", err);
}

static bool on_resource(const struct cim_instance *row, void *user, struct err *err)
{
    const struct cim_instance *properties;

    if (!text_ieq(cim_get_text(row, "Type"), TYPE_VM) || !cim_get_text(row, "Name"))
        return true;
    properties = cim_get_object(row, "PrivateProperties", 0);
    return !properties || add_role((struct hv_cluster *)user, row, properties, err);
}

static int by_name(const void *a, const void *b)
{
    return text_casecmp(((const struct hv_node *)a)->name,
                        ((const struct hv_node *)b)->name);
}

static int by_vm(const void *a, const void *b)
{
    return text_casecmp(((const struct hv_role *)a)->vm_id,
                        ((const struct hv_role *)b)->vm_id);
}

bool hv_cluster_read(struct cim_session *session, bool with_roles, struct hv_cluster **ret,
                     struct err *err)
{
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    struct err why = ERR_INIT;

    *ret = NULL;
    if (!cim_query(session, CLUSTER_NS, "SELECT * FROM MSCluster_Cluster", on_cluster,
                   &cluster, &why)) {
        if (is_missing_class(&why))
            return true; /* the feature is not installed */
        *err = why;
        return err_wrap(err, "reading whether it belongs to a cluster");
    }
    if (!cluster)
        return true; /* installed, and no cluster made */
    if (!cim_query(session, CLUSTER_NS, "SELECT * FROM MSCluster_Node", on_node, cluster,
                   err))
        return err_wrap(err, "listing the nodes of the cluster");
    if (with_roles &&
        !cim_query(session, CLUSTER_NS,
                   "SELECT * FROM MSCluster_Resource WHERE Type = '" TYPE_VM "'",
                   on_resource, cluster, err))
        return err_wrap(err, "listing the VMs of the cluster");
    if (cluster->node_count > 1)
        qsort(cluster->nodes, cluster->node_count, sizeof(*cluster->nodes), by_name);
    if (cluster->role_count > 1)
        qsort(cluster->roles, cluster->role_count, sizeof(*cluster->roles), by_vm);
    *ret = TAKE(cluster);
    return true;
}

/* ---- who may own it ---- */

struct names {
    char ***list;
    size_t *count;
};

static bool on_owner(const struct cim_instance *row, void *user, struct err *err)
{
    const struct names *to = user;
    const char *name = cim_get_text(row, "Name");
    char **names;

    if (!name || !*name)
        return true;
    names = list_grow(*to->list, *to->count, sizeof(*names), err);
    if (!names)
        return false;
    *to->list = names;
    names[*to->count] = text_dup(name);
    return names[(*to->count)++] || err_no_memory(err);
}

static void free_names(char ***list, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        free((*list)[i]);
    free(*list);
    *list = NULL;
    *count = 0;
}

static void forget_owners(struct hv_role *role)
{
    free_names(&role->possible_owners, &role->possible_owner_count);
    free_names(&role->preferred_owners, &role->preferred_owner_count);
}

/* The nodes that an association leads to. */
static bool read_nodes(struct cim_session *session, const char *class_name,
                       const char *name, const char *association, struct names to,
                       struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf wql = STRBUF_INIT;

    strbuf_printf(&wql, "ASSOCIATORS OF {%s.Name='", class_name);
    for (const char *c = name; *c; c++)
        strbuf_printf(&wql, "%s%c", *c == '\'' || *c == '\\' ? "\\" : "", *c);
    strbuf_printf(&wql, "'} WHERE AssocClass=%s", association);
    return wql.failed ? err_no_memory(err)
                      : cim_query(session, CLUSTER_NS, wql.text, on_owner, &to, err);
}

bool hv_read_owners(struct cim_session *session, struct hv_role *role, struct err *err)
{
    struct names possible = { &role->possible_owners, &role->possible_owner_count };
    struct names preferred = { &role->preferred_owners, &role->preferred_owner_count };

    forget_owners(role);
    if (read_nodes(session, "MSCluster_Resource", role->resource,
                   "MSCluster_ResourceToPossibleOwner", possible, err) &&
        (!role->group ||
         read_nodes(session, "MSCluster_ResourceGroup", role->group,
                    "MSCluster_ResourceGroupToPreferredNode", preferred, err)))
        return true;
    forget_owners(role);
    return err_wrap(err, "reading which nodes may own '%.120s'", role->resource);
}

static bool is_among(char *const *names, size_t count, const char *node)
{
    for (size_t i = 0; i < count; i++)
        if (hv_same_node(names[i], node))
            return true;
    return false;
}

bool hv_may_own(const struct hv_role *role, const char *node)
{
    return role->possible_owner_count == 0 ||
           is_among(role->possible_owners, role->possible_owner_count, node);
}

bool hv_prefers(const struct hv_role *role, const char *node)
{
    return is_among(role->preferred_owners, role->preferred_owner_count, node);
}

/* Those of the roles that this node has; the others are told by theirs.  What is not told is not
 * asked for again. */
bool read_owners(struct cim_session *session, struct hv_host *host, struct err *err)
{
    for (size_t i = 0; host->cluster && i < host->cluster->role_count; i++) {
        struct hv_role *role = &host->cluster->roles[i];
        struct err why = ERR_INIT;

        if (!hv_same_node(role->owner_node, host->computer_name) ||
            hv_read_owners(session, role, &why))
            continue;
        if (stays_unknown(&why))
            return true;
        *err = why;
        return false;
    }
    return true;
}

/* Not being let look at the cluster leaves it unknown: VMs and GPUs are told all the same. */
bool read_cluster(struct cim_session *session, struct hv_host *host, struct err *err)
{
    struct hv_platform *platform = &host->platform;
    struct err why = ERR_INIT;

    if (!host->is_server) { /* client editions cannot be nodes: nothing to ask */
        platform->clustered = TRI_NO;
        return true;
    }
    if (!hv_cluster_read(session, true, &host->cluster, &why)) {
        if (stays_unknown(&why))
            return true;
        *err = why;
        return false;
    }
    platform->clustered = host->cluster ? TRI_YES : TRI_NO;
    if (!host->cluster || !host->cluster->name || platform->cluster_name)
        return true;
    platform->cluster_name = text_dup(host->cluster->name);
    return platform->cluster_name || err_no_memory(err);
}

void hv_cluster_free(struct hv_cluster *cluster)
{
    if (!cluster)
        return;
    for (size_t i = 0; i < cluster->node_count; i++)
        free(cluster->nodes[i].name);
    for (size_t i = 0; i < cluster->role_count; i++) {
        free(cluster->roles[i].vm_id);
        free(cluster->roles[i].resource);
        free(cluster->roles[i].group);
        free(cluster->roles[i].owner_node);
        forget_owners(&cluster->roles[i]);
    }
    free(cluster->nodes);
    free(cluster->roles);
    free(cluster->name);
    free(cluster->domain);
    free(cluster);
}

/* ---- finding ---- */

const struct hv_role *hv_find_role(const struct hv_cluster *cluster, const char *vm_id)
{
    const struct hv_role wanted = { .vm_id = (char *)(uintptr_t)vm_id };

    if (!cluster || cluster->role_count == 0)
        return NULL;
    return bsearch(&wanted, cluster->roles, cluster->role_count, sizeof(wanted), by_vm);
}

/* Computer names are told short, and hosts are often named with their domain. */
bool hv_same_node(const char *name, const char *other)
{
    char a[NODE_NAME_MAX], b[NODE_NAME_MAX];

    if (!name || !other)
        return false;
    snprintf(a, sizeof(a), "%.*s", (int)strcspn(name, "."), name);
    snprintf(b, sizeof(b), "%.*s", (int)strcspn(other, "."), other);
    return *a && text_ieq(a, b);
}

const struct hv_node *hv_find_node(const struct hv_cluster *cluster, const char *name)
{
    for (size_t i = 0; cluster && i < cluster->node_count; i++)
        if (hv_same_node(cluster->nodes[i].name, name))
            return &cluster->nodes[i];
    return NULL;
}

/* ---- moving a group ---- */

bool hv_read_group_owner(struct cim_session *session, const char *group, char **ret,
                         struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = named_path("MSCluster_ResourceGroup", group, err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

    if (!path || !cim_fetch(session, path, &row, err))
        return false;
    *ret = text_dup(cim_get_text(row, "OwnerNode"));
    if (*ret)
        return true;
    return cim_get_text(row, "OwnerNode")
               ? err_no_memory(err)
               : err_fail(err, ERR_PROTOCOL, 0,
                          "the cluster does not tell who owns '%.80s'", group);
}

bool hv_read_role_is_down(struct cim_session *session, const char *resource, bool *ret,
                          struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = resource_path(resource, err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    uint64_t state = 0;

    if (!path || !cim_fetch(session, path, &row, err))
        return false;
    *ret = cim_get_u64(row, "State", &state) &&
           (state == ROLE_OFFLINE || state == ROLE_FAILED);
    return true;
}

/* Its own TimeOut is in seconds, and not every host keeps it: the owner is looked at. */
bool hv_move_group(struct cim_session *session, const char *group, const char *node,
                   unsigned timeout_ms, struct err *err)
{
    uint64_t until = os_monotonic_ms() + timeout_ms;
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = named_path("MSCluster_ResourceGroup", group, err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "MoveToNewNode");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;

    if (!path)
        return false;
    if (!in)
        return err_no_memory(err);
    if (!cim_set_text(in, "NodeName", node, err) ||
        !cim_set_uint(in, "TimeOut", CIM_UINT32, timeout_ms / 1000, err))
        return false;
    if (!cim_invoke(session, path, "MoveToNewNode", in, &out, err))
        return err_wrap(err, "moving the cluster's group '%.80s' to '%.60s'", group, node);
    for (;;) {
        CLEANUP(free_cleanup) char *owner = NULL;

        if (!hv_read_group_owner(session, group, &owner, err))
            return false;
        if (hv_same_node(owner, node))
            return true;
        if (os_was_interrupted())
            return err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
        if (os_monotonic_ms() >= until)
            return err_fail(err, ERR_UNREACHABLE, 0,
                            "the cluster has '%.80s' still on '%.60s' after %u seconds",
                            group, owner, timeout_ms / 1000);
        os_sleep_ms(MOVE_POLL_MS);
    }
}

/* ---- the offline action ---- */

bool hv_read_offline_action(struct cim_session *session, const char *resource,
                            struct known_u64 *ret, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = resource_path(resource, err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    const struct cim_instance *properties;

    *ret = (struct known_u64){ 0 };
    if (!path || !cim_fetch(session, path, &row, err))
        return false;
    properties = cim_get_object(row, "PrivateProperties", 0);
    if (properties)
        take_offline_action(ret, properties);
    return true;
}

/* ---- property lists ---- */

enum {
    SYNTAX_NAME = 0x00040003, /* CLUSPROP_SYNTAX_NAME */
    SYNTAX_DWORD = 0x00010002 /* CLUSPROP_SYNTAX_LIST_VALUE_DWORD */
};

struct bytes {
    uint64_t values[128];
    size_t count;
};

static void put_dword(struct bytes *to, uint32_t value)
{
    for (int shift = 0; shift < 32; shift += 8)
        to->values[to->count++] = value >> shift & 0xFF;
}

/* One number: how many, its name, its value, the end of its values.  Every part is padded to
 * four bytes, which its length does not count. */
static void put_list(struct bytes *to, const char *name, uint32_t value)
{
    size_t len = strlen(name) + 1;

    put_dword(to, 1);
    put_dword(to, SYNTAX_NAME);
    put_dword(to, (uint32_t)(2 * len));
    for (size_t i = 0; i < len; i++) { /* ASCII as UTF-16LE, with its end */
        to->values[to->count++] = (unsigned char)name[i];
        to->values[to->count++] = 0;
    }
    while (to->count % 4)
        to->values[to->count++] = 0;
    put_dword(to, SYNTAX_DWORD);
    put_dword(to, sizeof(value));
    put_dword(to, value);
    put_dword(to, 0); /* CLUSPROP_SYNTAX_ENDMARK */
}

bool hv_set_offline_action(struct cim_session *session, const char *resource,
                           uint64_t action, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = resource_path(resource, err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "ExecuteResourceControl");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    struct cim_value code = { .type = CIM_SINT32 };
    struct bytes list = { 0 };
    struct err why = ERR_INIT;
    uint64_t status = 0;

    if (!path)
        return false;
    if (!in)
        return err_no_memory(err);
    put_list(&list, "OfflineAction", (uint32_t)action);
    if (!cim_value_take(&code, (union cim_datum){ .s = SET_PRIVATE_PROPERTIES }, err))
        return false;
    if (!cim_set(in, "ControlCode", &code, err)) {
        cim_value_clear(&code);
        return false;
    }
    if (!cim_set_uints(in, "InputBuffer", CIM_UINT8, list.values, list.count, err))
        return false;
    if (cim_invoke(session, path, "ExecuteResourceControl", in, &out, &why)) {
        /* The method is void; a number that is there all the same is a Win32 error. */
        if (!out || !cim_get_u64(out, "ReturnValue", &status) || status == 0 ||
            status == PROPERTIES_STORED)
            return true;
        err_fail(&why, ERR_REFUSED, (int64_t)status, "Win32 error %u", (unsigned)status);
    } else if ((why.code & 0xFFFF) == PROPERTIES_STORED) {
        return true; /* kept; in force when the role comes online again */
    }
    *err = why;
    return err_wrap(err, "setting the offline action of the cluster's '%.120s'", resource);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private properties of a VM's resource, read and written with control codes as the cluster
 * API has it: ExecuteResourceControl.
 *
 * Sources: cluswmi mscluster-resource-executeresourcecontrol; MsCS
 * clusctl-resource-set-private-properties, -get-, -validate- (their Win32 errors); MS-CMRP
 * 3.1.4.3.1.17 to 3.1.4.3.1.19; the properties' own MsCS pages (ranges, what is read-only).
 * Methods of root/MSCluster return nothing; a Win32 error comes as an HRESULT in a fault.
 */
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "hv.h"
#include "jobs.h"
#include "property-list.h"
#include "strbuf.h"
#include "text.h"

enum { /* windows-docs-rs Win32::Networking::Clustering::CLUSCTL_RESOURCE_CODES */
       GET_PRIVATE_PROPERTIES = 0x01000081,
       SET_PRIVATE_PROPERTIES = 0x01400086,
       VALIDATE_PRIVATE_PROPERTIES = 0x01000089,
};

enum { ERROR_INVALID_DATA = 13, ERROR_INVALID_PARAMETER = 87, RPC_X_BAD_STUB_DATA = 1783 };

enum { LIST_MAX = 1 << 16 };

static const struct {
    const char *name;
    uint64_t max;
} numbers[] = {
    { "CheckHeartbeat", 1 },
    { "OfflineAction", OFFLINE_FORCE_SHUT_DOWN },
    { "ShutdownAction", 1 },
};

/* Which number that may be written @name is; -1: none. */
static int number_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (text_ieq(numbers[i].name, name))
            return (int)i;
    return -1;
}

static bool may_be_written(const char *name)
{
    return number_of(name) >= 0 || text_ieq(name, "VmID") ||
           text_ieq(name, "VmStoreRootPath");
}

bool cluster_win32(struct sim_fault *fault, uint32_t code, const char *text)
{
    return sim_refuse(fault, "w:InternalError", 0x80070000u | code, "%s", text);
}

/* ---- the buffers ---- */

static uint8_t *bytes_of(const struct cim_value *value, size_t *ret_len)
{
    uint8_t *bytes;

    *ret_len = value ? value->count : 0;
    if (!*ret_len || *ret_len > LIST_MAX)
        return NULL;
    bytes = calloc(1, *ret_len);
    for (size_t i = 0; bytes && i < *ret_len; i++)
        bytes[i] = (uint8_t)value->data[i].u;
    return bytes;
}

static bool put_bytes(struct sim_call *call, const struct strbuf *bytes, struct err *err)
{
    struct cim_value list = { .type = CIM_UINT8, .is_array = true };
    struct cim_value size = { .type = CIM_SINT32 };
    bool ok = cim_value_take(&size, (union cim_datum){ .s = (int64_t)bytes->len }, err);

    for (size_t i = 0; ok && i < bytes->len; i++)
        ok = cim_value_take(&list, (union cim_datum){ .u = (uint8_t)bytes->text[i] }, err);
    ok = ok && cim_set(call->out, "OutputBuffer", &list, err) &&
         cim_set(call->out, "OutputBufferSize", &size, err);
    cim_value_clear(&list);
    cim_value_clear(&size);
    return ok;
}

/* ---- the codes ---- */

static bool check(struct sim_object *resource, const struct cim_instance *wanted,
                  struct sim_fault *fault)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const struct cim_property *p = &wanted->properties[i];
        const char *now = cluster_private_text(resource, p->name);
        int n = number_of(p->name);

        if (n >= 0 && cluster_private_number(resource, p->name) >= 0) {
            if (p->value.type != CIM_UINT32 || p->value.data->u > numbers[n].max)
                return cluster_win32(fault, ERROR_INVALID_DATA, "The data is invalid.");
            continue;
        }
        /* A client that writes back what it read. */
        if (p->value.type == CIM_STRING && *now && text_ieq(now, p->value.data->text))
            continue;
        return sim_unknown(fault, "writing another private property than CheckHeartbeat, "
                                  "OfflineAction or ShutdownAction");
    }
    return true;
}

static bool set_properties(struct sim_call *call, bool only_check, struct sim_fault *fault)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *wanted = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct err err = ERR_INIT;
    size_t len;

    bytes = bytes_of(cim_get(call->in, "InputBuffer"), &len);
    if (!len)
        return cluster_win32(fault, RPC_X_BAD_STUB_DATA, "The stub received bad data.");
    wanted = bytes ? property_list_read(bytes, len, &err) : NULL;
    if (!wanted && err.kind == ERR_UNSUPPORTED)
        return sim_unknown(fault, err.text[0]);
    if (!wanted)
        return cluster_win32(fault, ERROR_INVALID_DATA, "The data is invalid.");
    if (!check(call->object, wanted, fault))
        return false;
    for (size_t i = 0; !only_check && i < wanted->count; i++)
        if (number_of(wanted->properties[i].name) >= 0 &&
            !cluster_set_private_number(call->host->cluster, call->object,
                                        wanted->properties[i].name,
                                        wanted->properties[i].value.data->u, &err))
            return sim_fault_err(fault, &err);
    return true;
}

static bool get_properties(struct sim_call *call, struct sim_fault *fault)
{
    CLEANUP(strbuf_cleanup) struct strbuf list = STRBUF_INIT;
    const struct cim_instance *all =
        cim_get_object(sim_object_instance(call->object), "PrivateProperties", 0);
    struct err err = ERR_INIT;

    return (property_list_write(all, may_be_written, &list, &err) &&
            put_bytes(call, &list, &err)) ||
           sim_fault_err(fault, &err);
}

static bool execute_resource_control(struct sim_call *call, struct sim_fault *fault)
{
    int64_t code = 0;

    if (!call->object || !call->host->cluster)
        return sim_unknown(fault, "a control code without a resource");
    if (!cim_get_i64(call->in, "ControlCode", &code))
        return cluster_win32(fault, ERROR_INVALID_PARAMETER, "The parameter is incorrect.");
    if (!cim_get_object(sim_object_instance(call->object), "PrivateProperties", 0))
        return sim_unknown(fault, "a control code for a resource that is no VM's");
    switch (code) {
    case GET_PRIVATE_PROPERTIES:
        return get_properties(call, fault);
    case SET_PRIVATE_PROPERTIES:
        return set_properties(call, false, fault);
    case VALIDATE_PRIVATE_PROPERTIES:
        return set_properties(call, true, fault);
    default:
        return sim_unknown(fault, "another resource control code than those that get, set "
                                  "and validate private properties");
    }
}

static const struct sim_method methods[] = {
    { CLUSTER_NS, "MSCluster_Resource", "ExecuteResourceControl", execute_resource_control,
      "cluswmi mscluster-resource-executeresourcecontrol" },
    { 0 },
};

const struct sim_behaviour sim_cluster_control_behaviour = { .name = "cluster-control",
                                                             .methods = methods };

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding Hyper-V objects by what ties them together.
 */
#include "hv.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

uint64_t hv_number(struct sim_object *object, const char *name)
{
    const struct cim_instance *instance = sim_object_instance(object);
    uint64_t number = 0;
    bool truth;

    if (cim_get_bool(instance, name, &truth))
        return truth;
    return cim_get_u64(instance, name, &number) ? number : 0;
}

const char *hv_text(struct sim_object *object, const char *name)
{
    const char *text = cim_get_text(sim_object_instance(object), name);

    return text ? text : "";
}

struct sim_object *hv_find_by_text(struct sim_host *host, const char *class_name,
                                   const char *property, const char *value)
{
    struct sim_object *o = sim_store_next(host->store, NULL, HV_NS, class_name);

    while (o && !text_ieq(hv_text(o, property), value))
        o = sim_store_next(host->store, o, HV_NS, class_name);
    return o;
}

static struct sim_object *find_by_key(struct sim_host *host, const char *class_name,
                                      const char *key, const char *value,
                                      const char *second, const char *second_value)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new(HV_NS, class_name);
    struct err err = ERR_INIT;

    if (!path || !cim_path_set(path, key, value, &err) ||
        (second && !cim_path_set(path, second, second_value, &err)))
        return NULL;
    return sim_store_find(host->store, path);
}

struct sim_object *hv_vm_by_id(struct sim_host *host, const char *id)
{
    struct sim_object *system = find_by_key(host, "Msvm_ComputerSystem", "Name", id,
                                            "CreationClassName", "Msvm_ComputerSystem");

    return system && !hv_is_host(host, system) ? system : NULL;
}

struct sim_object *hv_settings_of(struct sim_host *host, const char *vm_id)
{
    char id[64];

    snprintf(id, sizeof(id), "Microsoft:%s", vm_id);
    return find_by_key(host, "Msvm_VirtualSystemSettingData", "InstanceID", id, NULL, NULL);
}

bool hv_vm_id_of(const char *instance_id, char ret[37])
{
    if (!text_istarts(instance_id, "Microsoft:") || strlen(instance_id) < 10 + 36)
        return false;
    memcpy(ret, instance_id + 10, 36);
    ret[36] = 0;
    return text_is_guid(ret) && (!instance_id[46] || instance_id[46] == '\\');
}

struct sim_object *hv_next_resource(struct sim_host *host, struct sim_object *after,
                                    const char *class_name, const char *vm_id)
{
    struct sim_object *o = after;
    char id[37];

    while ((o = sim_store_next(host->store, o, HV_NS, class_name)))
        if (hv_vm_id_of(hv_text(o, "InstanceID"), id) && text_ieq(id, vm_id))
            return o;
    return NULL;
}

bool hv_is_host(struct sim_host *host, struct sim_object *system)
{
    return text_ieq(hv_text(system, "Name"), host->name);
}

struct sim_object *hv_gpu_by_path(struct sim_host *host, const char *text)
{
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_parse(text, &err);

    if (!path || !text_ieq(path->class_name, "Msvm_PartitionableGpu"))
        return NULL;
    if (path->host && !text_ieq(path->host, host->name) && !text_ieq(path->host, ".") &&
        !text_ieq(path->host, "localhost"))
        return NULL;
    return sim_store_find(host->store, path);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM goes to another node of its cluster: what one host's Hyper-V knew of it the other's
 * knows then, and the first forgets it.  Its files stay where they are, on shared storage.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "text.h"

struct moved {
    struct sim_object **objects;
    size_t count;
};

static bool is_of_vm(struct sim_object *object, const char *vm_id)
{
    char id[37];

    if (text_ieq(sim_object_class(object)->name, "Msvm_ComputerSystem"))
        return text_ieq(hv_text(object, "Name"), vm_id);
    if (!cim_schema_is_a(sim_object_class(object), "CIM_SettingData"))
        return false;
    return text_ieq(hv_text(object, "VirtualSystemIdentifier"), vm_id) ||
           (hv_vm_id_of(hv_text(object, "InstanceID"), id) && text_ieq(id, vm_id));
}

/* All that it refers to is the VM's. */
static bool ties_vm(struct sim_host *host, struct sim_object *association,
                    const char *vm_id)
{
    const struct cim_instance *ends = sim_object_instance(association);

    for (size_t i = 0; i < ends->count; i++) {
        const struct cim_value *value = &ends->properties[i].value;

        for (size_t j = 0; value->type == CIM_REFERENCE && j < value->count; j++) {
            struct sim_object *end = value->data[j].path
                                         ? sim_store_find(host->store, value->data[j].path)
                                         : NULL;

            if (!end || !is_of_vm(end, vm_id))
                return false;
        }
    }
    return true;
}

static bool keep(struct moved *moved, struct sim_object *object, struct err *err)
{
    struct sim_object **grown =
        realloc(moved->objects, (moved->count + 1) * sizeof(struct sim_object *));

    if (!grown)
        return err_no_memory(err);
    moved->objects = grown;
    moved->objects[moved->count++] = object;
    return true;
}

/* Objects first, then what refers to them. */
static bool collect(struct sim_host *host, const char *vm_id, struct moved *ret,
                    struct err *err)
{
    for (int ties = 0; ties < 2; ties++)
        for (struct sim_object *o = sim_store_next(host->store, NULL, NULL, NULL); o;
             o = sim_store_next(host->store, o, NULL, NULL)) {
            if (!text_ieq(sim_object_class(o)->ns, HV_NS) ||
                sim_object_class(o)->is_association != ties)
                continue;
            if ((ties ? ties_vm(host, o, vm_id) : is_of_vm(o, vm_id)) && !keep(ret, o, err))
                return false;
        }
    return true;
}

/* "\\\\FROM\\root\\..." in a text names an object of the host that the VM leaves. */
static bool rename_host(struct cim_instance *instance, const char *from, const char *to,
                        struct err *err)
{
    for (size_t i = 0; i < instance->count; i++) {
        struct cim_value *value = &instance->properties[i].value;

        for (size_t j = 0; value->type == CIM_STRING && j < value->count; j++) {
            const char *text = value->data[j].text;
            size_t len = strlen(from);
            char *renamed;

            if (!text || !text_istarts(text, "\\\\") || !text_istarts(text + 2, from) ||
                text[2 + len] != '\\')
                continue;
            renamed = text_printf("\\\\%s%s", to, text + 2 + len);
            if (!renamed)
                return err_no_memory(err);
            free(value->data[j].text);
            value->data[j].text = renamed;
        }
    }
    return true;
}

static bool copy_to(struct sim_host *from, struct sim_host *to, struct sim_object *object,
                    struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *copy = cim_instance_copy(sim_object_instance(object));

    if (!copy)
        return err_no_memory(err);
    return rename_host(copy, from->name, to->name, err) &&
           sim_store_add(to->store, &copy, err) != NULL;
}

bool hv_transplant(struct sim_host *from, struct sim_host *to, const char *vm_id,
                   struct err *err)
{
    struct moved moved = { 0 };
    char id[37];
    bool ok;

    snprintf(id, sizeof(id), "%s", vm_id); /* what it points to may go */
    ok = collect(from, id, &moved, err);
    for (size_t i = 0; ok && i < moved.count; i++)
        ok = copy_to(from, to, moved.objects[i], err);
    to->dirty = from->dirty = true;
    /* On disk the VM is nowhere less than once: who finds it twice believes the cluster. */
    ok = ok && sim_host_save_alone(to, err);
    for (size_t i = moved.count; ok && i > 0; i--)
        sim_store_remove_with_links(from->store, moved.objects[i - 1]);
    free(moved.objects);
    return ok || err_wrap(err, "moving a VM from '%s' to '%s'", from->name, to->name);
}

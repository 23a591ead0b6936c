/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-dda-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "test.h"
#include "text.h"
#include "windows-os.h"

const char SERVER[] = DDA_HOST("ServerDatacenter", "");

const struct sim_device *device_at(struct fixture *f, const char *location)
{
    for (size_t i = 0; i < f->host.machine->device_count; i++)
        if (strcmp(f->host.machine->devices[i].location_path, location) == 0)
            return &f->host.machine->devices[i];
    return NULL;
}

struct sim_object *entity(struct fixture *f, const char *location)
{
    return sim_pnp_entity(&f->host, device_at(f, location)->instance_id);
}

long problem(struct sim_object *pnp)
{
    return pnp ? (long)hv_number(pnp, "ConfigManagerErrorCode") : -1;
}

long switch_device(struct fixture *f, const char *location, const char *method,
                   bool *ret_reboot)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(CIMV2, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    long value = call(f, entity(f, location), method, in, &out);

    if (ret_reboot)
        CHECK(out && cim_get_bool(out, "rebootNeeded", ret_reboot));
    return value;
}

struct sim_object *assigner(struct fixture *f)
{
    return sim_store_next(f->host.store, NULL, HV_NS, "Msvm_AssignableDeviceService");
}

long dismount(struct fixture *f, const char *instance_id, const char *location, bool acs,
              bool mitigations)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *settings =
        cim_instance_new(HV_NS, "Msvm_AssignableDeviceDismountSettingData");
    struct err err = ERR_INIT;
    char *text;
    long value;

    if (instance_id)
        CHECK_OK(cim_set_text(settings, "DeviceInstancePath", instance_id, &err));
    if (location)
        CHECK_OK(cim_set_text(settings, "DeviceLocationPath", location, &err));
    CHECK_OK(cim_set_bool(settings, "RequireAcsSupport", acs, &err) &&
             cim_set_bool(settings, "RequireDeviceMitigations", mitigations, &err));
    text = cim_xml_write(settings, &err);
    CHECK_OK(text && cim_set_text(in, "DismountSettingData", text, &err));
    free(text);
    value = call(f, assigner(f), "DismountAssignableDevice", in, NULL);
    return value == FAULT ? FAULT : outcome(f, value);
}

long mount_back(struct fixture *f, const char *location)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;
    long value;

    CHECK_OK(cim_set_text(in, "DeviceLocationPath", location, &err));
    value = call(f, assigner(f), "MountAssignableDevice", in, NULL);
    return value == FAULT ? FAULT : outcome(f, value);
}

void take_from_host(struct fixture *f, const char *location)
{
    CHECK_EQ(switch_device(f, location, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, location, false, false), 0);
    pass_time(f, 4000);
    CHECK(hv_express_of(&f->host, device_at(f, location)) != NULL);
}

long assign_path(struct fixture *f, const char *name, const char *path)
{
    char *pin =
        text_printf(PROPERTY("ResourceType", "uint16", "32769")
                        PROPERTY("ResourceSubType", "string", HV_PCIE_SUBTYPE) PIN("%s"),
                    path);
    long value = add_resource(f, name, "Msvm_PciExpressSettingData", pin, NULL);

    free(pin);
    return value == FAULT ? FAULT : outcome(f, value);
}

char *escaped(const char *text)
{
    char *ret = calloc(strlen(text) * 5 + 1, 1), *to = ret;

    for (; *text; text++)
        to = *text == '&'   ? stpcpy(to, "&#38;")
             : *text == '"' ? stpcpy(to, "&#34;")
                            : (*to = *text, to + 1);
    return ret;
}

long assign(struct fixture *f, const char *name, const char *location)
{
    struct sim_object *express = hv_express_of(&f->host, device_at(f, location));
    char *path, *text;
    long value;

    CHECK(express != NULL);
    if (!express)
        return FAULT;
    path = sim_path_text(&f->host, sim_object_path(express));
    text = escaped(path);
    value = assign_path(f, name, text);
    free(path);
    free(text);
    return value;
}

struct sim_object *assigned(struct fixture *f, const char *name)
{
    return hv_next_resource(&f->host, NULL, "Msvm_PciExpressSettingData",
                            hv_text(vm(f, name), "Name"));
}

size_t resources_of(struct fixture *f, const char *location)
{
    const char *id = device_at(f, location)->instance_id;
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, CIMV2, "Win32_PnPAllocatedResource"))) {
        const struct cim_path *path = cim_get_path(sim_object_instance(o), "Dependent");

        count += path && text_ieq(cim_path_get(path, "DeviceID"), id);
    }
    return count;
}

size_t count_cimv2(struct fixture *f, const char *class_name)
{
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, CIMV2, class_name)))
        count++;
    return count;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Win32_PnPEntity.GetDeviceProperties: the device's property keys, those of the PCI bus
 * among them.  A property that the device does not have gives no instance: public
 * sources leave open whether there would be one without Data.
 *
 * Source: MicrosoftDocs/win32 desktop-src/CIMWin32Prov (getdeviceproperties-win32-
 * pnpentity, win32-pnpdeviceproperty*); devpkey.h and pciprop.h as in microsoft/windows-rs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv.h"
#include "machine.h"
#include "maker.h"
#include "package.h"
#include "text.h"
#include "windows-os.h"

#define DEVICE "{a45c254e-df1c-4efd-8020-67d146a850e0}"
#define DRIVER "{a8b865dd-2e3d-4094-ad97-e593a70c75d6}"
#define PCI "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62}"

enum { /* DEVPROP types; the list type is the native one */
       TYPE_UINT32 = 7,
       TYPE_GUID = 13,
       TYPE_STRING = 18,
       TYPE_STRING_LIST = 8210,
};

enum property {
    DEVICE_DESC,
    HARDWARE_IDS,
    SERVICE,
    CLASS_NAME,
    CLASS_GUID,
    DRIVER_KEY,
    LOCATION_PATHS,
    INSTANCE_ID,
    PROBLEM_CODE,
    DRIVER_VERSION,
    DRIVER_INF,
    DRIVER_INF_SECTION,
    DRIVER_PROVIDER,
    PCI_DEVICE_TYPE,
    PCI_BASE_CLASS,
    PCI_SUB_CLASS,
    PCI_PROG_IF,
    PCI_CURRENT_SPEED,
    PCI_CURRENT_WIDTH,
    PCI_MAX_SPEED,
    PCI_MAX_WIDTH,
    PCI_INTERRUPTS,
    PCI_BAR_TYPES,
    PCI_SRIOV,
    PCI_ACS_UP,
    PCI_RESERVED_MEMORY,
    PCI_ACS,
    PCI_MESSAGES,
    BUS_NUMBER,
    ADDRESS,
    NOT_DESCRIBED, /* devices have it; no lab says what it is: none here has */
};

static const struct {
    enum property property;
    const char *name, *fmtid;
    unsigned pid;
    unsigned type;
} known[] = {
    { DEVICE_DESC, "DEVPKEY_Device_DeviceDesc", DEVICE, 2, TYPE_STRING },
    { HARDWARE_IDS, "DEVPKEY_Device_HardwareIds", DEVICE, 3, TYPE_STRING_LIST },
    { SERVICE, "DEVPKEY_Device_Service", DEVICE, 6, TYPE_STRING },
    { CLASS_NAME, "DEVPKEY_Device_Class", DEVICE, 9, TYPE_STRING },
    { CLASS_GUID, "DEVPKEY_Device_ClassGuid", DEVICE, 10, TYPE_GUID },
    { DRIVER_KEY, "DEVPKEY_Device_Driver", DEVICE, 11, TYPE_STRING },
    { LOCATION_PATHS, "DEVPKEY_Device_LocationPaths", DEVICE, 37, TYPE_STRING_LIST },
    { INSTANCE_ID, "DEVPKEY_Device_InstanceId", "{78c34fc8-104a-4aca-9ea4-524d52996e57}",
      256, TYPE_STRING },
    { PROBLEM_CODE, "DEVPKEY_Device_ProblemCode", "{4340a6c5-93fa-4706-972c-7b648008a5a7}",
      3, TYPE_UINT32 },
    { DRIVER_VERSION, "DEVPKEY_Device_DriverVersion", DRIVER, 3, TYPE_STRING },
    { DRIVER_INF, "DEVPKEY_Device_DriverInfPath", DRIVER, 5, TYPE_STRING },
    { DRIVER_INF_SECTION, "DEVPKEY_Device_DriverInfSection", DRIVER, 6, TYPE_STRING },
    { DRIVER_PROVIDER, "DEVPKEY_Device_DriverProvider", DRIVER, 9, TYPE_STRING },
    { PCI_DEVICE_TYPE, "DEVPKEY_PciDevice_DeviceType", PCI, 1, TYPE_UINT32 },
    { PCI_BASE_CLASS, "DEVPKEY_PciDevice_BaseClass", PCI, 3, TYPE_UINT32 },
    { PCI_SUB_CLASS, "DEVPKEY_PciDevice_SubClass", PCI, 4, TYPE_UINT32 },
    { PCI_PROG_IF, "DEVPKEY_PciDevice_ProgIf", PCI, 5, TYPE_UINT32 },
    { PCI_CURRENT_SPEED, "DEVPKEY_PciDevice_CurrentLinkSpeed", PCI, 9, TYPE_UINT32 },
    { PCI_CURRENT_WIDTH, "DEVPKEY_PciDevice_CurrentLinkWidth", PCI, 10, TYPE_UINT32 },
    { PCI_MAX_SPEED, "DEVPKEY_PciDevice_MaxLinkSpeed", PCI, 11, TYPE_UINT32 },
    { PCI_MAX_WIDTH, "DEVPKEY_PciDevice_MaxLinkWidth", PCI, 12, TYPE_UINT32 },
    { PCI_INTERRUPTS, "DEVPKEY_PciDevice_InterruptSupport", PCI, 14, TYPE_UINT32 },
    { PCI_MESSAGES, "DEVPKEY_PciDevice_InterruptMessageMaximum", PCI, 15, TYPE_UINT32 },
    { PCI_BAR_TYPES, "DEVPKEY_PciDevice_BarTypes", PCI, 16, TYPE_UINT32 },
    { PCI_SRIOV, "DEVPKEY_PciDevice_SriovSupport", PCI, 26, TYPE_UINT32 },
    { PCI_ACS, "DEVPKEY_PciDevice_AcsSupport", PCI, 29, TYPE_UINT32 },
    { PCI_ACS_UP, "DEVPKEY_PciDevice_AcsCompatibleUpHierarchy", PCI, 31, TYPE_UINT32 },
    { PCI_RESERVED_MEMORY, "DEVPKEY_PciDevice_RequiresReservedMemoryRegion", PCI, 34,
      TYPE_UINT32 },
    { BUS_NUMBER, "DEVPKEY_Device_BusNumber", DEVICE, 23, TYPE_UINT32 },
    { ADDRESS, "DEVPKEY_Device_Address", DEVICE, 30, TYPE_UINT32 },
    { NOT_DESCRIBED, "DEVPKEY_PciDevice_OnPostPath", PCI, 37, TYPE_UINT32 },
};

struct subject {
    const struct sim_machine *machine;
    const struct sim_device *device;
    const struct cim_instance *entity; /* Win32_PnPEntity, as it is now */
    const struct package *package;     /* NULL: the system's own driver */
    bool is_dismounted;                /* the node PCIP\... */
    bool is_present;
};

/* Four byte counters: I/O, memory, 32-bit prefetchable, 64-bit prefetchable. */
static int64_t bar_types(const struct sim_device *device)
{
    uint32_t counts = 0;

    for (size_t i = 0; i < device->range_count; i++) {
        const struct sim_range *r = &device->ranges[i];

        counts += 1u << (r->io ? 0 : !r->prefetchable ? 8 : r->wide ? 24 : 16);
    }
    return counts;
}

/* Device and function, as the last part of the location path has them
 * (windows-driver-docs-ddi wdm IoGetDeviceProperty, DevicePropertyAddress). */
static int64_t address_of(const struct sim_device *device)
{
    const char *last = strrchr(device->location_path ? device->location_path : "", '(');
    unsigned address;

    if (!last || strlen(last) != strlen("(0000)") || sscanf(last, "(%4x)", &address) != 1)
        return -1;
    return (int64_t)(address >> 8) << 16 | (address & 0xff);
}

/* -1: the device does not have it. */
static int64_t number_of(const struct subject *s, enum property property)
{
    const struct sim_pci *pci = &s->device->pci;
    uint64_t problem = 0;

    /* The bus tells them of devices that are there (no source says so in words: a phantom
     * has no bus; ExHyperV reads its location path as empty). */
    if (property != PROBLEM_CODE && !s->is_present)
        return -1;
    switch (property) {
    case PROBLEM_CODE:
        cim_get_u64(s->entity, "ConfigManagerErrorCode", &problem);
        return (int64_t)problem;
    case PCI_DEVICE_TYPE:
        return pci->device_type;
    case PCI_BASE_CLASS:
        return pci->base_class;
    case PCI_SUB_CLASS:
        return pci->sub_class;
    case PCI_PROG_IF:
        return pci->prog_if;
    case PCI_CURRENT_SPEED:
    case PCI_MAX_SPEED:
        return pci->link_speed;
    case PCI_CURRENT_WIDTH:
    case PCI_MAX_WIDTH:
        return pci->link_width;
    case PCI_INTERRUPTS:
        return pci->interrupt_support;
    case PCI_BAR_TYPES:
        return bar_types(s->device);
    case PCI_SRIOV:
        return pci->sriov_support;
    case PCI_ACS_UP:
        return pci->acs_up_hierarchy;
    case PCI_RESERVED_MEMORY:
        return pci->reserved_memory;
    case PCI_ACS:
        return pci->acs_support;
    case PCI_MESSAGES:
        return pci->interrupt_messages;
    case BUS_NUMBER:
        return s->device->has_bus ? (int64_t)s->device->bus : -1;
    case ADDRESS:
        return address_of(s->device);
    default:
        return -1;
    }
}

/* Lent, or in @buf; NULL: the device does not have it. */
static const char *text_of(const struct subject *s, enum property property, char buf[64])
{
    switch (property) {
    case DEVICE_DESC:
        return cim_get_text(s->entity, "Name");
    case SERVICE:
        return cim_get_text(s->entity, "Service");
    case CLASS_NAME:
        return cim_get_text(s->entity, "PNPClass");
    case CLASS_GUID:
        return cim_get_text(s->entity, "ClassGuid");
    case DRIVER_KEY: /* of other classes the lab has none */
        if (s->device->class || s->is_dismounted)
            return NULL;
        snprintf(buf, 64, "%s\\%04u", sim_device_class(s->device)->guid,
                 s->device->class_index);
        return buf;
    case INSTANCE_ID:
        return cim_get_text(s->entity, "DeviceID");
    case DRIVER_VERSION:
        return s->package ? s->package->version : NULL;
    case DRIVER_INF:
        return s->package                             ? s->package->published
               : s->device->class || s->is_dismounted ? NULL
                                                      : "display.inf";
    case DRIVER_INF_SECTION:
        return s->package ? s->package->model->section : NULL;
    case DRIVER_PROVIDER:
        return s->package ? s->package->model->provider : NULL;
    default:
        return NULL;
    }
}

static bool set_texts(const struct subject *s, enum property property,
                      struct cim_instance *to, bool *ret_has, struct err *err)
{
    const char *texts[4];
    size_t count = 0;

    if (property == LOCATION_PATHS) {
        if (s->device->location_path && s->is_present)
            texts[count++] = s->device->location_path;
        if (s->device->acpi_path && s->is_present)
            texts[count++] = s->device->acpi_path;
    } else {
        count = cim_get_count(s->entity, "HardwareID");
        if (count > ARRAY_LEN(texts))
            count = ARRAY_LEN(texts);
        for (size_t i = 0; i < count; i++)
            texts[i] = cim_get_text_at(s->entity, "HardwareID", i);
    }
    *ret_has = count > 0;
    return count == 0 || cim_set_texts(to, "Data", texts, count, err);
}

/* NULL without @err: the device does not have the property. */
static struct cim_instance *make_property(const struct subject *s, size_t which,
                                          struct err *err)
{
    unsigned type = known[which].type;
    const char *class_name = type == TYPE_UINT32 ? "Win32_PnPDevicePropertyUint32"
                             : type == TYPE_STRING_LIST
                                 ? "Win32_PnPDevicePropertyStringArray"
                                 : "Win32_PnPDevicePropertyString";
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *to = cim_instance_new(CIMV2, class_name);
    bool has = false, ok = true;
    char key[80], buf[64];

    if (!to) {
        err_no_memory(err);
        return NULL;
    }
    snprintf(key, sizeof(key), "%s %u", known[which].fmtid, known[which].pid);
    if (type == TYPE_UINT32) {
        int64_t number = number_of(s, known[which].property);

        has = number >= 0;
        ok = !has || cim_set_uint(to, "Data", CIM_UINT32, (uint64_t)number, err);
    } else if (type == TYPE_STRING_LIST) {
        ok = set_texts(s, known[which].property, to, &has, err);
    } else {
        const char *text = text_of(s, known[which].property, buf);

        has = text != NULL;
        ok = !has || cim_set_text(to, "Data", text, err);
    }
    if (!ok || !has ||
        !cim_set_text(to, "DeviceID", cim_get_text(s->entity, "DeviceID"), err) ||
        !cim_set_text(to, "key", key, err) ||
        !cim_set_text(to, "KeyName", known[which].name, err) ||
        !cim_set_uint(to, "Type", CIM_UINT32, type, err))
        return NULL;
    return TAKE(to);
}

/* @wanted: a symbolic name, or "{fmtid} pid". */
static bool is_wanted(size_t which, const char *wanted)
{
    char key[80];

    snprintf(key, sizeof(key), "%s %u", known[which].fmtid, known[which].pid);
    return text_ieq(wanted, known[which].name) || text_ieq(wanted, key);
}

static bool add_property(const struct subject *s, size_t which, struct cim_value *to,
                         struct err *err)
{
    struct cim_instance *property = make_property(s, which, err);

    if (!property)
        return err->kind == ERR_NONE;
    to->data[to->count++].object = property;
    return true;
}

static bool fill(const struct subject *s, const struct cim_instance *in,
                 struct cim_value *to, struct sim_fault *fault)
{
    size_t wanted = cim_get_count(in, "devicePropertyKeys");
    struct err err = ERR_INIT;

    to->data = calloc((wanted ? wanted : 1) + ARRAY_LEN(known), sizeof(*to->data));
    if (!to->data)
        return sim_refuse(fault, "w:InternalError", 8, "no memory");
    for (size_t i = 0; wanted == 0 && i < ARRAY_LEN(known); i++)
        if (!add_property(s, i, to, &err))
            return sim_fault_err(fault, &err);
    for (size_t k = 0; k < wanted; k++) {
        const char *key = cim_get_text_at(in, "devicePropertyKeys", k);
        size_t which = 0;

        while (which < ARRAY_LEN(known) && (!key || !is_wanted(which, key)))
            which++;
        if (which == ARRAY_LEN(known)) {
            char what[160];

            snprintf(what, sizeof(what), "device property '%.100s'", key ? key : "");
            return sim_unknown(fault, what);
        }
        if (!add_property(s, which, to, &err))
            return sim_fault_err(fault, &err);
    }
    return true;
}

/* What was in another slot: Windows knows of it what stands in its object. */
static const struct sim_device_class any_class;
static const struct sim_device remembered = { .class = &any_class };

static bool get_device_properties(struct sim_call *call, struct sim_fault *fault)
{
    struct cim_value found = { .type = CIM_OBJECT, .is_array = true };
    CLEANUP(free_cleanup) struct package *packages = NULL;
    struct subject s = { .machine = call->host->machine };
    struct err err = ERR_INIT;
    size_t count;
    bool ok;

    if (!call->object)
        return sim_refuse(fault, "a:DestinationUnreachable", 0x8004102f,
                          "GetDeviceProperties needs an instance");
    s.entity = sim_object_instance(call->object);
    s.device = s.machine ? sim_machine_device(s.machine, cim_get_text(s.entity, "DeviceID"))
                         : NULL;
    s.is_present = sim_pnp_is_present(call->object);
    if (!s.device && !s.is_present)
        s.device = &remembered;
    if (!s.device)
        return sim_unknown(fault, "properties of a device that the lab does not describe");
    packages = calloc(PACKAGE_MAX, sizeof(*packages));
    if (!packages)
        return sim_refuse(fault, "w:InternalError", 8, "no memory");
    count = package_list(s.machine, packages);
    s.is_dismounted = text_istarts(cim_get_text(s.entity, "DeviceID"), "PCIP\\");
    s.package = s.is_dismounted ? NULL : package_of(packages, count, s.device);
    ok = fill(&s, call->in, &found, fault);
    if (ok && !cim_set(call->out, "deviceProperties", &found, &err))
        ok = sim_fault_err(fault, &err);
    cim_value_clear(&found);
    return ok && sim_return(call, 0, fault);
}

/* ---- Enable and Disable ---- */

/* The device of a call on Win32_PnPEntity; NULL with @fault filled. */
static const struct sim_device *device_of_call(struct sim_call *call, bool *ret_enable,
                                               struct sim_fault *fault)
{
    const char *id;
    const struct sim_device *device;

    *ret_enable = text_ieq(call->method, "Enable");
    if (!call->object) {
        sim_refuse(fault, "a:DestinationUnreachable", 0x8004102f, "%s needs an instance",
                   call->method);
        return NULL;
    }
    id = cim_get_text(sim_object_instance(call->object), "DeviceID");
    device = call->host->machine ? sim_machine_device(call->host->machine, id) : NULL;
    if (!device || text_istarts(id, "PCIP\\") || !sim_pnp_is_present(call->object)) {
        sim_unknown(fault, "enabling or disabling a device that is dismounted, not there, "
                           "or not described by the lab");
        return NULL;
    }
    return device;
}

/* Done before the answer; 0 is the only documented ReturnValue.  MicrosoftDocs/win32
 * desktop-src/CIMWin32Prov/enable-win32-pnpentity.md and disable-win32-pnpentity.md; a
 * device that stays in use until the next start: windows-driver-docs install/cm-prob-need-
 * restart.md. */
static bool enable_or_disable(struct sim_call *call, struct sim_fault *fault)
{
    bool enable, reboot = false, ok;
    const struct sim_device *device = device_of_call(call, &enable, fault);
    uint64_t problem = 0;
    const char *why = NULL;
    struct err err = ERR_INIT;

    if (!device)
        return false;
    cim_get_u64(sim_object_instance(call->object), "ConfigManagerErrorCode", &problem);
    if (problem != (enable ? SIM_PROBLEM_DISABLED : 0))
        return sim_unknown(fault, enable ? "enabling a device that is not disabled"
                                         : "disabling a device that does not work");
    if (!enable && !hv_may_stop_device(call->host, device, &why))
        return sim_unknown(fault, why);
    call->host->dirty = true;
    if (enable) {
        ok = sim_device_start(call->host, device, &err);
        /* A card that was not reset on its way back does not start until the host does
         * (code 10 and 43: ExHyperV README on FLR; windows-driver-docs cm-prob-*). */
        if (ok && device->problem_after_return && sim_pnp_dismounted(call->host, device)) {
            enable = false;
            ok = sim_device_stop(call->host, device, device->problem_after_return, &err);
        }
    } else if (device->disable_reboots) {
        reboot = true;
        ok = object_set_number(call->host, call->object, "ConfigManagerErrorCode",
                               SIM_PROBLEM_NEED_RESTART, &err);
    } else {
        ok = sim_device_stop(call->host, device, SIM_PROBLEM_DISABLED, &err);
    }
    if (!ok || (!reboot && !hv_device_changed(call->host, device, enable, &err)) ||
        !cim_set_bool(call->out, "rebootNeeded", reboot, &err))
        return sim_fault_err(fault, &err);
    return sim_return(call, 0, fault);
}

static const struct sim_method methods[] = {
    { CIMV2, "Win32_PnPEntity", "Enable", enable_or_disable,
      "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/enable-win32-pnpentity.md" },
    { CIMV2, "Win32_PnPEntity", "Disable", enable_or_disable,
      "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/disable-win32-pnpentity.md" },
    { CIMV2, "Win32_PnPEntity", "GetDeviceProperties", get_device_properties,
      "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/getdeviceproperties-win32-pnpentity.md" },
    { 0 },
};

const struct sim_behaviour windows_devices = { .name = "devices", .methods = methods };

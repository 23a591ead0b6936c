/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One PCI device as Windows shows it, in each of its states: started, with resources;
 * stopped, with a problem code; dismounted, when `PCI\...` is a phantom and `PCIP\...` is
 * there instead.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/CIMWin32Prov (win32-pnpentity,
 * win32-pnpallocatedresource); MicrosoftDocs/windows-driver-docs install/cm-prob-* and
 * install/identifiers-for-pci-devices; for the dismounted form the location path and id
 * that MicrosoftDocs/Virtualization-Documentation's SurveyDDA.ps1 and openstack/os-win
 * read, and Justsenger/ExHyperV issues 88 and 98.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "machine.h"
#include "maker.h"
#include "package.h"
#include "text.h"
#include "windows-os.h"

static const struct sim_device_class classes[] = {
    { "display", "Display", "{4d36e968-e325-11ce-bfc1-08002be10318}", "BasicDisplay" },
    { "audio", "MEDIA", "{4d36e96c-e325-11ce-bfc1-08002be10318}", "HDAudBus" },
    { "usb", "USB", "{36fc9e60-c465-11cf-8056-444553540000}", "USBXHCI" },
    { "net", "Net", "{4d36e972-e325-11ce-bfc1-08002be10318}", NULL },
    { "storage", "SCSIAdapter", "{4d36e97b-e325-11ce-bfc1-08002be10318}", "stornvme" },
    { "system", "System", "{4d36e97d-e325-11ce-bfc1-08002be10318}", "pci" },
    { "compute", "ComputeAccelerator", "{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}", NULL },
};

const struct sim_device_class *sim_device_class_by_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (strcmp(classes[i].word, word) == 0)
            return &classes[i];
    return NULL;
}

const struct sim_device_class *sim_device_class(const struct sim_device *device)
{
    return device->class ? device->class : &classes[0];
}

static bool is_display(const struct sim_device *device)
{
    return sim_device_class(device) == &classes[0];
}

/* ---- finding ---- */

struct sim_object *sim_pnp_entity(struct sim_host *host, const char *instance_id)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new(CIMV2, "Win32_PnPEntity");
    struct err err = ERR_INIT;

    if (!path || !instance_id || !cim_path_set(path, "DeviceID", instance_id, &err))
        return NULL;
    return sim_store_find(host->store, path);
}

char *sim_device_dismounted_id(const struct sim_device *device)
{
    char *id = text_printf("PCIP%s", strchr(device->instance_id, '\\'));

    for (char *c = id; c && *c; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    return id;
}

struct sim_object *sim_pnp_dismounted(struct sim_host *host,
                                      const struct sim_device *device)
{
    CLEANUP(free_cleanup) char *id = sim_device_dismounted_id(device);

    return sim_pnp_entity(host, id);
}

bool sim_pnp_is_present(struct sim_object *entity)
{
    bool present = false;

    return entity && cim_get_bool(sim_object_instance(entity), "Present", &present) &&
           present;
}

/* ---- the node ---- */

/* Hardware and compatible ids as the PCI bus makes them, from the most to the least
 * special (windows-driver-docs install/identifiers-for-pci-devices). */
static bool set_ids(struct maker *m, const struct sim_device *device, const char *bus)
{
    const char *id = strchr(device->instance_id, '\\') + 1;
    const char *end = strchr(id, '\\'), *revision = text_istr(id, "&REV_");
    int len = end ? (int)(end - id) : (int)strlen(id);
    int plain = revision ? (int)(revision - id) : len;
    unsigned code =
        (unsigned)(device->pci.base_class << 16 | (device->pci.sub_class & 0xff) << 8 |
                   (device->pci.prog_if & 0xff));
    CLEANUP(free_cleanup) char *whole = text_printf("%s\\%.*s", bus, len, id);
    CLEANUP(free_cleanup) char *no_revision = text_printf("%s\\%.*s", bus, plain, id);
    CLEANUP(free_cleanup) char *all = text_printf("%s\\CC_%06X", bus, code);
    CLEANUP(free_cleanup) char *two = text_printf("%s\\CC_%04X", bus, code >> 8);
    const char *hardware[] = { whole, no_revision };
    const char *compatible[] = { all, two };

    return whole && no_revision && all && two && !m->failed &&
           cim_set_texts(m->instance, "HardwareID", hardware, revision ? 2 : 1, m->err) &&
           (device->pci.base_class < 0 ||
            cim_set_texts(m->instance, "CompatibleID", compatible, 2, m->err));
}

static bool set_problem(struct sim_host *host, struct sim_object *entity, uint32_t problem,
                        bool present, struct err *err)
{
    host->dirty = true;
    return object_set_number(host, entity, "ConfigManagerErrorCode", problem, err) &&
           object_set_number(host, entity, "Present", present, err) &&
           object_set_text(host, entity, "Status",
                           !present  ? "Unknown"
                           : problem ? "Error"
                                     : "OK",
                           err);
}

/* @name is that of the node, @bus "PCI" or "PCIP". */
static struct sim_object *add_entity(struct sim_host *host, const struct sim_device *device,
                                     const struct package *package, const char *id,
                                     struct err *err)
{
    const struct sim_device_class *class = sim_device_class(device);
    bool dismounted = text_istarts(id, "PCIP\\");
    const char *name = device->name;
    struct maker m;

    /* Device Manager's name for it, "PCI Express ... - Dismounted" (ExHyperV issue 88).
     * Its class and service are written down nowhere, so they stay null. */
    if (dismounted)
        name = is_display(device) ? "PCI Express Graphics Processing Unit - Dismounted"
                                  : "PCI Express Device - Dismounted";
    make_begin(&m, host, CIMV2, "Win32_PnPEntity", err);
    make_text(&m, "DeviceID", id);
    make_text(&m, "PNPDeviceID", id);
    make_text(&m, "Name", name);
    make_text(&m, "Caption", name);
    make_text(&m, "Description", name);
    if (!dismounted) {
        make_text(&m, "ClassGuid", class->guid);
        make_text(&m, "PNPClass", class->name);
        make_text(&m, "Service",
                  package && package->model->service ? package->model->service
                                                     : class->service);
        make_text(&m, "Manufacturer", package ? package->model->provider : "Microsoft");
    }
    make_text(&m, "CreationClassName", "Win32_PnPEntity");
    make_text(&m, "SystemCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "SystemName", host->name);
    make_text(&m, "Status", "OK");
    make_number(&m, "ConfigManagerErrorCode", 0);
    make_number(&m, "ConfigManagerUserConfig", 0);
    make_number(&m, "Present", 1);
    if (!set_ids(&m, device, dismounted ? "PCIP" : "PCI"))
        m.failed = true;
    return make_end(&m);
}

static bool add_signed_driver(struct sim_host *host, const struct sim_device *device,
                              const struct package *package, struct err *err)
{
    const struct sim_device_class *class = sim_device_class(device);
    const char *end = strrchr(device->instance_id, '\\');
    CLEANUP(free_cleanup)
    char *id = text_ndup(device->instance_id, end ? (size_t)(end - device->instance_id)
                                                  : strlen(device->instance_id));
    struct maker m;

    if (!id)
        return err_no_memory(err);
    make_begin(&m, host, CIMV2, "Win32_PnPSignedDriver", err);
    make_text(&m, "DeviceID", device->instance_id);
    make_text(&m, "DeviceName", device->name);
    make_text(&m, "Description", device->name);
    make_text(&m, "FriendlyName", device->name);
    make_text(&m, "ClassGuid", class->guid);
    make_text(&m, "DeviceClass", "DISPLAY");
    make_text(&m, "InfName", package->published);
    make_text(&m, "DriverVersion", package->version);
    make_time(&m, "DriverDate", package_time(package) / 86400000000 * 86400000000);
    make_text(&m, "DriverProviderName", package->model->provider);
    make_text(&m, "Manufacturer", package->model->provider);
    make_text(&m, "HardWareID", id);
    make_text(&m, "Location", device->location_path);
    make_number(&m, "IsSigned", 1);
    make_text(&m, "Signer", "Microsoft Windows Hardware Compatibility Publisher");
    return make_end(&m) != NULL;
}

/* ---- what only a started device has ---- */

static struct sim_object *video_of(struct sim_host *host, const struct sim_device *device)
{
    struct sim_object *o = NULL;

    while ((o = sim_store_next(host->store, o, CIMV2, "Win32_VideoController")))
        if (text_ieq(cim_get_text(sim_object_instance(o), "PNPDeviceID"),
                     device->instance_id))
            return o;
    return NULL;
}

static void free_video_id(struct sim_host *host, char ret[32])
{
    for (unsigned number = 1;; number++) {
        struct sim_object *o = NULL;

        snprintf(ret, 32, "VideoController%u", number);
        while ((o = sim_store_next(host->store, o, CIMV2, "Win32_VideoController")))
            if (text_ieq(cim_get_text(sim_object_instance(o), "DeviceID"), ret))
                break;
        if (!o)
            return;
    }
}

static bool add_video(struct sim_host *host, const struct sim_device *device,
                      const struct package *package, struct err *err)
{
    char id[32];
    struct maker m;

    free_video_id(host, id);
    make_begin(&m, host, CIMV2, "Win32_VideoController", err);
    make_text(&m, "DeviceID", id);
    make_text(&m, "PNPDeviceID", device->instance_id);
    make_text(&m, "Name", device->name);
    make_text(&m, "Caption", device->name);
    make_text(&m, "Description", device->name);
    make_text(&m, "VideoProcessor", device->name);
    make_text(&m, "CreationClassName", "Win32_VideoController");
    make_text(&m, "SystemCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "SystemName", host->name);
    make_text(&m, "AdapterCompatibility", package ? package->model->provider : "Microsoft");
    make_text(&m, "InfFilename", package ? package->published : "display.inf");
    make_text(&m, "InfSection", package ? package->model->section : "MSBDA");
    make_text(&m, "DriverVersion", package ? package->version : "10.0.22621.1");
    if (package)
        make_time(&m, "DriverDate", package_time(package) / 86400000000 * 86400000000);
    /* uint32: stops at 4 GiB */
    make_number(&m, "AdapterRAM",
                device->vram_bytes > 0xfff00000u ? 0xfff00000u : device->vram_bytes);
    if (device->shows_console) { /* null for a controller that shows nothing */
        make_number(&m, "CurrentHorizontalResolution", 1920);
        make_number(&m, "CurrentVerticalResolution", 1080);
        make_number(&m, "CurrentRefreshRate", 60);
        make_number(&m, "CurrentBitsPerPixel", 32);
    }
    make_number(&m, "ConfigManagerErrorCode", 0);
    make_text(&m, "Status", "OK");
    return make_end(&m) != NULL;
}

static bool link_resource(struct sim_host *host, struct sim_object *resource,
                          struct sim_object *entity, struct err *err)
{
    return resource && sim_store_link(host->store, CIMV2, "Win32_PnPAllocatedResource",
                                      "Antecedent", resource, "Dependent", entity, err);
}

static bool add_range(struct sim_host *host, const struct sim_range *r,
                      struct sim_object *entity, struct err *err)
{
    const char *class_name = r->io ? "Win32_PortResource" : "Win32_DeviceMemoryAddress";
    struct maker m;
    char name[48];

    snprintf(name, sizeof(name), "0x%llX-0x%llX", (unsigned long long)r->start,
             (unsigned long long)(r->start + r->size_bytes - 1));
    make_begin(&m, host, CIMV2, class_name, err);
    make_number(&m, "StartingAddress", r->start);
    make_number(&m, "EndingAddress", r->start + r->size_bytes - 1);
    make_text(&m, "Name", name);
    make_text(&m, "CreationClassName", class_name);
    make_text(&m, "CSCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "CSName", host->name);
    return link_resource(host, make_end(&m), entity, err);
}

static struct sim_object *interrupt(struct sim_host *host, uint32_t number, struct err *err)
{
    struct sim_object *o = NULL;
    struct maker m;
    char name[24];

    while ((o = sim_store_next(host->store, o, CIMV2, "Win32_IRQResource"))) {
        uint64_t other;

        if (cim_get_u64(sim_object_instance(o), "IRQNumber", &other) && other == number)
            return o; /* a line that is shared */
    }
    snprintf(name, sizeof(name), "IRQ %u", number);
    make_begin(&m, host, CIMV2, "Win32_IRQResource", err);
    make_number(&m, "IRQNumber", number);
    make_number(&m, "Hardware", 1);
    make_text(&m, "Name", name);
    make_text(&m, "CreationClassName", "Win32_IRQResource");
    make_text(&m, "CSCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "CSName", host->name);
    return make_end(&m);
}

/* Messages have numbers that are negative as 32 bits, and so begin with 42949 (SurveyDDA.
 * ps1); lines are those of the I/O APIC. */
static bool add_interrupt(struct sim_host *host, const struct sim_device *device,
                          struct sim_object *entity, struct err *err)
{
    uint32_t index = (uint32_t)(device - host->machine->devices);
    int able = device->pci.interrupt_support;
    enum sim_interrupts kind = device->interrupts;

    if (kind == SIM_INTERRUPTS_AS_ABLE)
        kind = able > 0 && able & 6 ? SIM_INTERRUPTS_MESSAGE
               : able > 0           ? SIM_INTERRUPTS_LINE
                                    : SIM_INTERRUPTS_NONE;
    if (kind == SIM_INTERRUPTS_NONE)
        return true;
    return link_resource(
        host,
        interrupt(host,
                  kind == SIM_INTERRUPTS_MESSAGE ? UINT32_MAX - 1 - index : 16 + index % 8,
                  err),
        entity, err);
}

static bool add_resources(struct sim_host *host, const struct sim_device *device,
                          struct sim_object *entity, struct err *err)
{
    static const struct sim_range vga = { .start = 0xa0000, .size_bytes = 0x20000 };

    for (size_t i = 0; i < device->range_count; i++)
        if (!add_range(host, &device->ranges[i], entity, err))
            return false;
    if (device->legacy_vga && !add_range(host, &vga, entity, err))
        return false;
    return add_interrupt(host, device, entity, err);
}

struct links {
    struct sim_object *objects[SIM_RANGE_MAX + 8];
    size_t count;
};

static bool on_link(struct sim_object *association, const char *role, void *user,
                    struct err *err)
{
    struct links *links = user;

    if (links->count < ARRAY_LEN(links->objects))
        links->objects[links->count++] = association;
    return true;
}

/* A resource goes with the last device that had it. */
static bool remove_resources(struct sim_host *host, struct sim_object *entity,
                             struct err *err)
{
    struct links links = { 0 };

    if (!sim_store_references(host->store, entity, "Win32_PnPAllocatedResource",
                              "Dependent", on_link, &links, err))
        return false;
    for (size_t i = 0; i < links.count; i++) {
        const struct cim_path *path =
            cim_get_path(sim_object_instance(links.objects[i]), "Antecedent");
        struct sim_object *resource = path ? sim_store_find(host->store, path) : NULL;
        struct links others = { 0 };

        sim_store_remove(host->store, links.objects[i]);
        if (resource &&
            !sim_store_references(host->store, resource, "Win32_PnPAllocatedResource",
                                  "Antecedent", on_link, &others, err))
            return false;
        if (resource && others.count == 0)
            sim_store_remove(host->store, resource);
    }
    return true;
}

/* ---- states ---- */

static bool start(struct sim_host *host, const struct sim_device *device,
                  const struct package *package, struct err *err)
{
    struct sim_object *entity = sim_pnp_entity(host, device->instance_id);

    if (!entity) {
        entity = add_entity(host, device, package, device->instance_id, err);
        if (!entity || (package && !add_signed_driver(host, device, package, err)))
            return false;
    } else if (!remove_resources(host, entity, err) || /* of a started device */
               !set_problem(host, entity, 0, true, err)) {
        return false;
    }
    return add_resources(host, device, entity, err) &&
           (!is_display(device) || video_of(host, device) ||
            add_video(host, device, package, err));
}

bool sim_device_start(struct sim_host *host, const struct sim_device *device,
                      struct err *err)
{
    CLEANUP(free_cleanup) struct package *packages = calloc(PACKAGE_MAX, sizeof(*packages));
    size_t count;

    if (!packages)
        return err_no_memory(err);
    count = package_list(host->machine, packages);
    return start(host, device, package_of(packages, count, device), err);
}

bool sim_devices_begin(struct sim_host *host, struct err *err)
{
    CLEANUP(free_cleanup) struct package *packages = calloc(PACKAGE_MAX, sizeof(*packages));
    const struct sim_machine *machine = host->machine;
    size_t count;

    if (!packages)
        return err_no_memory(err);
    count = package_list(machine, packages);
    for (size_t i = 0; i < machine->device_count; i++) {
        const struct sim_device *device = &machine->devices[i];

        if (!device->instance_id)
            return err_fail(err, ERR_INVALID, 0, "device %zu of '%s' has no instance id", i,
                            host->name);
        /* A device that Windows knows was started at some time. */
        if (!start(host, device, package_of(packages, count, device), err) ||
            (device->problem && !sim_device_stop(host, device, device->problem, err)) ||
            (device->is_dismounted && !sim_device_dismount(host, device, err)))
            return err_wrap(err, "device '%s' of '%s'", device->instance_id, host->name);
    }
    return true;
}

bool sim_device_stop(struct sim_host *host, const struct sim_device *device,
                     uint32_t problem, struct err *err)
{
    struct sim_object *entity = sim_pnp_entity(host, device->instance_id);
    struct sim_object *video = video_of(host, device);

    if (!entity)
        return err_fail(err, ERR_NOT_FOUND, 0, "no device '%s'", device->instance_id);
    if (!remove_resources(host, entity, err))
        return false;
    if (video)
        sim_store_remove_with_links(host->store, video);
    return set_problem(host, entity, problem, problem != SIM_PROBLEM_PHANTOM, err);
}

bool sim_device_dismount(struct sim_host *host, const struct sim_device *device,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *id = sim_device_dismounted_id(device);
    struct sim_object *node = sim_pnp_entity(host, id);

    if (!id)
        return err_no_memory(err);
    if (!sim_device_stop(host, device, SIM_PROBLEM_PHANTOM, err))
        return false;
    if (!node)
        node = add_entity(host, device, NULL, id, err);
    return node && set_problem(host, node, 0, true, err);
}

bool sim_device_mount(struct sim_host *host, const struct sim_device *device,
                      struct err *err)
{
    struct sim_object *node = sim_pnp_dismounted(host, device);

    return (!node || set_problem(host, node, SIM_PROBLEM_PHANTOM, false, err)) &&
           sim_device_stop(host, device, SIM_PROBLEM_DISABLED, err);
}

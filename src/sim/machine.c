/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Win32_* objects of a machine, as a host shows them when nobody has touched it. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "maker.h"
#include "os.h"
#include "package.h"
#include "text.h"
#include "windows-os.h"

#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"

const struct sim_device *sim_machine_device(const struct sim_machine *machine,
                                            const char *instance_id)
{
    for (size_t i = 0; instance_id && i < machine->device_count; i++)
        if (text_ieq(machine->devices[i].instance_id, instance_id))
            return &machine->devices[i];
    return NULL;
}

void sim_machine_free(struct sim_machine *machine)
{
    if (!machine)
        return;
    for (size_t i = 0; i < machine->device_count; i++) {
        struct sim_device *d = &machine->devices[i];

        free(d->name);
        free(d->instance_id);
        free(d->location_path);
        free(d->acpi_path);
        free(d->driver_version);
        free(d->driver_date);
    }
    for (size_t i = 0; i < machine->disk_count; i++) {
        free(machine->disks[i].path);
        free(machine->disks[i].vm_id);
        free(machine->disks[i].edition);
        free(machine->disks[i].architecture);
    }
    for (size_t i = 0; i < machine->registry_count; i++) {
        free(machine->registry[i].key);
        free(machine->registry[i].name);
        free(machine->registry[i].text);
    }
    free(machine->devices);
    free(machine->disks);
    free(machine->registry);
    free(machine->manufacturer);
    free(machine->model);
    free(machine);
}

/* OperatingSystemSKU of the editions in winnt.h; 0: not known. */
static unsigned sku_of(const char *edition)
{
    static const struct {
        const char *edition;
        unsigned sku;
    } known[] = {
        { "Professional", 48 },         { "Enterprise", 4 },
        { "Education", 121 },           { "ProfessionalWorkstation", 161 },
        { "ServerStandard", 7 },        { "ServerDatacenter", 8 },
        { "ServerDatacenterCore", 12 }, { "Core", 101 },
    };

    for (size_t i = 0; edition && i < ARRAY_LEN(known); i++)
        if (text_ieq(known[i].edition, edition))
            return known[i].sku;
    return 0;
}

static bool add_system(struct sim_host *host, struct err *err)
{
    const struct sim_machine *machine = host->machine;
    bool server = text_istr(host->product ? host->product : "", "Server") != NULL;
    char version[32], build[16];
    int64_t now = os_now_usec();
    struct maker m;

    snprintf(version, sizeof(version), "10.0.%u", host->build);
    snprintf(build, sizeof(build), "%u", host->build);
    make_begin(&m, host, CIMV2, "Win32_OperatingSystem", err);
    make_text(&m, "Caption", host->product);
    make_text(&m, "Name", host->product);
    make_text(&m, "Version", version);
    make_text(&m, "BuildNumber", build);
    make_text(&m, "CSName", host->name);
    make_text(&m, "OSArchitecture", text_ieq(host->locale, "de-DE") ? "64-Bit" : "64-bit");
    make_text(&m, "Manufacturer", "Microsoft Corporation");
    make_text(&m, "CreationClassName", "Win32_OperatingSystem");
    make_text(&m, "CSCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "SystemDirectory", "C:\\Windows\\system32");
    make_text(&m, "WindowsDirectory", "C:\\Windows");
    make_text(&m, "SystemDrive", "C:");
    make_text(&m, "Status", "OK");
    make_number(&m, "ProductType", server ? 3 : 1);
    if (sku_of(host->edition))
        make_number(&m, "OperatingSystemSKU", sku_of(host->edition));
    make_number(&m, "OSType", 18); /* WINNT */
    make_number(&m, "TotalVisibleMemorySize", machine->memory_bytes / 1024);
    make_time(&m, "LastBootUpTime", now);
    make_time(&m, "LocalDateTime", now);
    if (!make_end(&m))
        return false;

    make_begin(&m, host, CIMV2, "Win32_ComputerSystem", err);
    make_text(&m, "Name", host->name);
    make_text(&m, "DNSHostName", host->name);
    make_text(&m, "Caption", host->name);
    make_text(&m, "CreationClassName", "Win32_ComputerSystem");
    make_text(&m, "Manufacturer", machine->manufacturer);
    make_text(&m, "Model", machine->model);
    make_text(&m, "SystemType", "x64-based PC");
    make_text(&m, "Domain", host->domain ? host->domain : "WORKGROUP");
    make_text(&m, "Workgroup", host->domain ? NULL : "WORKGROUP");
    make_number(&m, "PartOfDomain", host->domain != NULL);
    make_number(&m, "DomainRole", (server ? 2 : 0) + (host->domain ? 1 : 0));
    make_number(&m, "HypervisorPresent", 1);
    make_number(&m, "NumberOfProcessors", 1);
    make_number(&m, "NumberOfLogicalProcessors",
                machine->logical_processors ? machine->logical_processors : 1);
    make_number(&m, "TotalPhysicalMemory", machine->memory_bytes);
    make_text(&m, "Status", "OK");
    return make_end(&m) != NULL;
}

/* Hardware ids from the most to the least special, as the PCI bus makes them. */
static bool set_hardware_ids(struct maker *m, const char *instance_id)
{
    const char *end = strrchr(instance_id, '\\');
    const char *revision = text_istr(instance_id, "&REV_");
    size_t len = end ? (size_t)(end - instance_id) : strlen(instance_id);
    CLEANUP(free_cleanup) char *whole = text_ndup(instance_id, len);
    CLEANUP(free_cleanup)
    char *plain = text_ndup(instance_id, revision ? (size_t)(revision - instance_id) : len);
    const char *ids[] = { whole, plain };

    return whole && plain && !m->failed &&
           cim_set_texts(m->instance, "HardwareID", ids, revision ? 2 : 1, m->err);
}

static struct sim_object *add_entity(struct sim_host *host, const struct sim_device *device,
                                     const struct package *package, struct err *err)
{
    bool works = device->problem == 0;
    struct maker m;

    make_begin(&m, host, CIMV2, "Win32_PnPEntity", err);
    make_text(&m, "DeviceID", device->instance_id);
    make_text(&m, "PNPDeviceID", device->instance_id);
    make_text(&m, "Name", device->name);
    make_text(&m, "Caption", device->name);
    make_text(&m, "Description", device->name);
    make_text(&m, "ClassGuid", DISPLAY_CLASS);
    make_text(&m, "PNPClass", "Display");
    make_text(&m, "Service",
              package && package->model->service ? package->model->service
                                                 : "BasicDisplay");
    make_text(&m, "Manufacturer", package ? package->model->provider : "Microsoft");
    make_text(&m, "CreationClassName", "Win32_PnPEntity");
    make_text(&m, "SystemCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "SystemName", host->name);
    make_text(&m, "Status", works ? "OK" : "Error");
    make_number(&m, "ConfigManagerErrorCode", device->problem);
    make_number(&m, "ConfigManagerUserConfig", 0);
    make_number(&m, "Present", device->problem != 45);
    if (!set_hardware_ids(&m, device->instance_id))
        m.failed = true;
    return make_end(&m);
}

static bool add_video(struct sim_host *host, const struct sim_device *device,
                      const struct package *package, unsigned number, struct err *err)
{
    char id[32];
    struct maker m;

    snprintf(id, sizeof(id), "VideoController%u", number);
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
    make_number(&m, "ConfigManagerErrorCode", device->problem);
    make_text(&m, "Status", device->problem == 0 ? "OK" : "Error");
    return make_end(&m) != NULL;
}

static bool add_signed_driver(struct sim_host *host, const struct sim_device *device,
                              const struct package *package, struct err *err)
{
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
    make_text(&m, "ClassGuid", DISPLAY_CLASS);
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

/* Resources exist while the device is started. */
static bool add_ranges(struct sim_host *host, const struct sim_device *device,
                       struct sim_object *entity, struct err *err)
{
    for (size_t i = 0; i < device->range_count; i++) {
        const struct sim_range *r = &device->ranges[i];
        struct sim_object *memory;
        struct maker m;
        char name[48];

        snprintf(name, sizeof(name), "0x%llX-0x%llX", (unsigned long long)r->start,
                 (unsigned long long)(r->start + r->size_bytes - 1));
        make_begin(&m, host, CIMV2, "Win32_DeviceMemoryAddress", err);
        make_number(&m, "StartingAddress", r->start);
        make_number(&m, "EndingAddress", r->start + r->size_bytes - 1);
        make_text(&m, "Name", name);
        make_text(&m, "CreationClassName", "Win32_DeviceMemoryAddress");
        make_text(&m, "CSCreationClassName", "Win32_ComputerSystem");
        make_text(&m, "CSName", host->name);
        memory = make_end(&m);
        if (!memory || !sim_store_link(host->store, CIMV2, "Win32_PnPAllocatedResource",
                                       "Antecedent", memory, "Dependent", entity, err))
            return false;
    }
    return true;
}

bool sim_machine_add_objects(struct sim_host *host, struct err *err)
{
    const struct sim_machine *machine = host->machine;
    CLEANUP(free_cleanup) struct package *packages = calloc(PACKAGE_MAX, sizeof(*packages));
    unsigned video = 0;
    size_t count;

    if (!packages)
        return err_no_memory(err);
    if (!add_system(host, err))
        return err_wrap(err, "the system of '%s'", host->name);
    count = package_list(machine, packages);
    for (size_t i = 0; i < machine->device_count; i++) {
        const struct sim_device *device = &machine->devices[i];
        const struct package *package = package_of(packages, count, device);
        struct sim_object *entity;

        if (!device->instance_id)
            return err_fail(err, ERR_INVALID, 0, "device %zu of '%s' has no instance id", i,
                            host->name);
        entity = add_entity(host, device, package, err);
        if (!entity || (package && !add_signed_driver(host, device, package, err)) ||
            (device->problem == 0 && (!add_video(host, device, package, ++video, err) ||
                                      !add_ranges(host, device, entity, err))))
            return err_wrap(err, "device '%s' of '%s'", device->instance_id, host->name);
    }
    return true;
}

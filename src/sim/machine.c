/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Win32_* objects of a machine, as a host shows them when nobody has touched it. */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "host.h"
#include "lab.h"
#include "maker.h"
#include "os.h"
#include "text.h"
#include "windows-os.h"

const struct sim_device *sim_machine_device(const struct sim_machine *machine,
                                            const char *instance_id)
{
    const char *tail = instance_id;

    if (!instance_id)
        return NULL;
    if (text_istarts(instance_id, "PCIP\\"))
        tail = instance_id + strlen("PCIP\\");
    else if (text_istarts(instance_id, "PCI\\"))
        tail = instance_id + strlen("PCI\\");
    for (size_t i = 0; i < machine->device_count; i++) {
        const char *id = machine->devices[i].instance_id;

        if (id && text_ieq(tail == instance_id || !text_istarts(id, "PCI\\")
                               ? id
                               : id + strlen("PCI\\"),
                           tail))
            return &machine->devices[i];
    }
    return NULL;
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
    make_number(&m, "HypervisorPresent", !host->lab || host->lab->hyperv);
    make_number(&m, "NumberOfProcessors", 1);
    make_number(&m, "NumberOfLogicalProcessors",
                machine->logical_processors ? machine->logical_processors : 1);
    make_number(&m, "TotalPhysicalMemory", machine->memory_bytes);
    make_text(&m, "Status", "OK");
    return make_end(&m) != NULL;
}

/* What Windows' list of processors says of the virtualization is not to be believed once a
 * hypervisor runs, and no source says what it is then: so it is there only where none runs,
 * and null elsewhere. */
static bool add_processor(struct sim_host *host, struct err *err)
{
    bool bare = host->lab && !host->lab->hyperv;
    struct maker m;

    make_begin(&m, host, CIMV2, "Win32_Processor", err);
    make_text(&m, "DeviceID", "CPU0");
    make_text(&m, "CreationClassName", "Win32_Processor");
    make_text(&m, "SystemCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "SystemName", host->name);
    make_number(&m, "Architecture", 9); /* x64 */
    make_number(&m, "AddressWidth", 64);
    make_number(&m, "DataWidth", 64);
    make_number(&m, "NumberOfLogicalProcessors",
                host->machine->logical_processors ? host->machine->logical_processors : 1);
    if (bare) {
        make_number(&m, "SecondLevelAddressTranslationExtensions", 1);
        make_number(&m, "VirtualizationFirmwareEnabled", 1);
        make_number(&m, "VMMonitorModeExtensions", 1);
    }
    make_text(&m, "Status", "OK");
    return make_end(&m) != NULL;
}

bool sim_machine_add_objects(struct sim_host *host, struct err *err)
{
    if (!add_system(host, err) || !add_processor(host, err))
        return err_wrap(err, "the system of '%s'", host->name);
    return sim_devices_begin(host, err);
}

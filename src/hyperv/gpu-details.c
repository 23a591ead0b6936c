/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be asked per GPU: location path, VRAM, driver package, and the PCI facts that
 * decide whether it could be assigned whole.
 *
 * VRAM is the class key's HardwareInformation.qwMemorySize: Win32_VideoController.AdapterRAM
 * has 32 bits and is wrong for every GPU of today.  The package is where the service's
 * image lies, which is the driver that runs.
 *
 * A host that does not tell one of these leaves it unknown.
 *
 * Sources: cimwin32 Win32_PnPEntity.GetDeviceProperties; regprov StdRegProv;
 * MicrosoftDocs/Virtualization-Documentation SurveyDDA.ps1 (which PCI facts).
 */
#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "text.h"

#define CLASS_ROOT "SYSTEM\\CurrentControlSet\\Control\\Class\\"
#define SERVICE_ROOT "SYSTEM\\CurrentControlSet\\Services\\"
#define REPOSITORY "\\DriverStore\\FileRepository\\"

enum { HKEY_LOCAL_MACHINE_UINT = 0x80000002u };

bool is_device_property(const struct cim_instance *property, const char *name,
                        const char *guid)
{
    return text_ieq(cim_get_text(property, "KeyName"), name) ||
           text_ieq(cim_get_text(property, "KeyName"), guid) ||
           text_ieq(cim_get_text(property, "key"), guid);
}

struct asked {
    struct hv_gpu *gpu;
    char **driver_key;
};

static bool on_gpu_property(const struct cim_instance *p, void *user, struct err *err)
{
    struct asked *asked = (struct asked *)user;

    if (is_device_property(p, "DEVPKEY_Device_LocationPaths", DEVICE_FMTID " 37")) {
        const char *first = cim_get_text_at(p, "Data", 0);

        if (first && text_istarts(first, "PCIROOT(") && !asked->gpu->location_path) {
            asked->gpu->location_path = text_dup(first);
            if (!asked->gpu->location_path)
                return err_no_memory(err);
        }
    } else if (is_device_property(p, "DEVPKEY_Device_Driver", DEVICE_FMTID " 11")) {
        return take_text(asked->driver_key, p, "Data", err);
    } else if (is_device_property(p, "DEVPKEY_PciDevice_DeviceType", PCI_FMTID " 1")) {
        take_u64(&asked->gpu->pci.device_type, p, "Data");
    } else if (is_device_property(p, "DEVPKEY_PciDevice_BaseClass", PCI_FMTID " 3")) {
        take_u64(&asked->gpu->pci.base_class, p, "Data");
    } else if (is_device_property(p, "DEVPKEY_PciDevice_AcsCompatibleUpHierarchy",
                                  PCI_FMTID " 31")) {
        take_u64(&asked->gpu->pci.acs_up_hierarchy, p, "Data");
    } else if (is_device_property(p, "DEVPKEY_PciDevice_RequiresReservedMemoryRegion",
                                  PCI_FMTID " 34")) {
        take_u64(&asked->gpu->pci.reserved_memory, p, "Data");
    } else if (is_device_property(p, "DEVPKEY_PciDevice_SriovSupport", PCI_FMTID " 26")) {
        take_u64(&asked->gpu->pci.sriov_support, p, "Data");
    }
    return true;
}

bool ask_device_properties(struct cim_session *session, const char *instance_id,
                           const char *const *keys, size_t count,
                           bool (*on_property)(const struct cim_instance *property,
                                               void *user, struct err *err),
                           void *user, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/cimv2", "Win32_PnPEntity");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "GetDeviceProperties");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    struct err why = ERR_INIT;

    if (!path || !in)
        return err_no_memory(err);
    if (!cim_path_set(path, "DeviceID", instance_id, err) ||
        !cim_set_texts(in, "devicePropertyKeys", keys, count, err))
        return false;
    if (!cim_invoke(session, path, "GetDeviceProperties", in, &out, &why)) {
        if (stays_unknown(&why))
            return true;
        *err = why;
        return false;
    }
    for (size_t i = 0; i < cim_get_count(out, "deviceProperties"); i++) {
        const struct cim_instance *p = cim_get_object(out, "deviceProperties", i);

        if (p && !on_property(p, user, err))
            return false;
    }
    return true;
}

static bool ask_properties(struct cim_session *session, struct hv_gpu *gpu,
                           char **ret_driver_key, struct err *err)
{
    static const char *const keys[] = {
        "DEVPKEY_Device_LocationPaths",
        "DEVPKEY_Device_Driver",
        PCI_FMTID " 1",
        PCI_FMTID " 3",
        PCI_FMTID " 26",
        PCI_FMTID " 31",
        PCI_FMTID " 34",
    };
    struct asked asked = { gpu, ret_driver_key };

    return ask_device_properties(session, gpu->instance_id, keys, ARRAY_LEN(keys),
                                 on_gpu_property, &asked, err);
}

/* One value of HKEY_LOCAL_MACHINE; *ret_out NULL when there is none such. */
bool read_registry_value(struct cim_session *session, const char *method, const char *key,
                         const char *name, struct cim_instance **ret_out, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/cimv2", "StdRegProv");
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = cim_instance_new(NULL, method);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    struct err why = ERR_INIT;
    uint64_t code;

    if (!path || !in)
        return err_no_memory(err);
    if (!cim_set_uint(in, "hDefKey", CIM_UINT32, HKEY_LOCAL_MACHINE_UINT, err) ||
        !cim_set_text(in, "sSubKeyName", key, err) ||
        !cim_set_text(in, "sValueName", name, err))
        return false;
    if (!cim_invoke(session, path, method, in, &out, &why)) {
        if (stays_unknown(&why))
            return true;
        *err = why;
        return false;
    }
    if (cim_get_u64(out, "ReturnValue", &code) && code == 0)
        *ret_out = TAKE(out);
    return true;
}

static bool ask_driver_key(struct cim_session *session, const struct hv_gpu *gpu,
                           char **ret_driver_key, struct err *err)
{
    CLEANUP(free_cleanup)
    char *key = text_printf("SYSTEM\\CurrentControlSet\\Enum\\%s", gpu->instance_id);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;

    if (!key)
        return err_no_memory(err);
    return read_registry_value(session, "GetStringValue", key, "Driver", &out, err) &&
           (!out || take_text(ret_driver_key, out, "sValue", err));
}

static bool ask_vram(struct cim_session *session, struct hv_gpu *gpu,
                     const char *driver_key, struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf(CLASS_ROOT "%s", driver_key);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;

    if (!key)
        return err_no_memory(err);
    if (!read_registry_value(session, "GetQWORDValue", key,
                             "HardwareInformation.qwMemorySize", &out, err))
        return false;
    if (out)
        take_u64(&gpu->vram_bytes, out, "uValue");
    return true;
}

/* GPUs of one service run one driver: asked once, however many they are. */
static bool know_package(const struct hv_host *host, struct hv_gpu *gpu, bool *ret_known,
                         struct err *err)
{
    *ret_known = false;
    for (const struct hv_gpu *other = host->gpus; other < gpu && !*ret_known; other++) {
        if (!text_ieq(other->service, gpu->service) || !other->driver_package)
            continue;
        free(gpu->driver_package);
        gpu->driver_package = text_dup(other->driver_package);
        *ret_known = true;
    }
    return !*ret_known || gpu->driver_package || err_no_memory(err);
}

static bool ask_package(struct cim_session *session, struct hv_gpu *gpu, struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf(SERVICE_ROOT "%s", gpu->service);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    const char *image, *store;

    if (!key)
        return err_no_memory(err);
    if (!read_registry_value(session, "GetExpandedStringValue", key, "ImagePath", &out,
                             err))
        return false;
    image = out ? cim_get_text(out, "sValue") : NULL;
    store = image ? text_istr(image, REPOSITORY) : NULL;
    if (!store)
        return true;
    store += strlen(REPOSITORY);
    if (!strchr(store, '\\'))
        return true;
    free(gpu->driver_package);
    gpu->driver_package = text_ndup(store, strcspn(store, "\\"));
    return gpu->driver_package || err_no_memory(err);
}

bool read_gpu_details(struct cim_session *session, struct hv_host *host, struct err *err)
{
    for (size_t i = 0; i < host->gpu_count && i < DETAIL_GPU_MAX; i++) {
        struct hv_gpu *gpu = &host->gpus[i];
        CLEANUP(free_cleanup) char *driver_key = NULL;
        bool known = !gpu->service;

        if ((gpu->service && !know_package(host, gpu, &known, err)) ||
            !ask_properties(session, gpu, &driver_key, err) ||
            (!driver_key && !ask_driver_key(session, gpu, &driver_key, err)) ||
            (driver_key && !ask_vram(session, gpu, driver_key, err)) ||
            (!known && !ask_package(session, gpu, err)))
            return err_wrap(err, "asking about '%.80s'",
                            gpu->name ? gpu->name : gpu->instance_id);
    }
    return true;
}

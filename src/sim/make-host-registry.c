/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host's hives hold at first: the chain from a PCI device to its driver package
 * (Enum, Class, Services, DriverDatabase), as seen in real SYSTEM hives
 * (mkorman90/regipy test data; lxc/distrobuilder for DRIVERS).  SYSTEM's own
 * DriverDatabase lists boot drivers only; GPU packages stand in DRIVERS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "hive.h"
#include "make-registry.h"
#include "package.h"
#include "strbuf.h"
#include "text.h"
#include "world-inside.h"

#define SET "ControlSet001"
#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"

/* ---- one display adapter ---- */

static const struct package *companion_of(const struct package *packages, size_t count,
                                          const struct package *main, unsigned which)
{
    for (size_t i = 0; i < count; i++)
        if (packages[i].main == main && which-- == 0)
            return &packages[i];
    return main;
}

static void put_store_path(struct strbuf *to, const struct package *package)
{
    strbuf_printf(to, "C:\\Windows\\System32\\DriverStore\\FileRepository\\%s%s%s",
                  package->folder, package->model->subdir ? "\\" : "",
                  package->model->subdir ? package->model->subdir : "");
}

/* The table's text with its %13%, %c0%, %c1% as the installer writes them. */
static char *expand(const struct package *packages, size_t count,
                    const struct package *package, const char *text, size_t len)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;

    for (size_t i = 0; i < len;) {
        if (len - i >= 4 && strncmp(text + i, "%13%", 4) == 0) {
            put_store_path(&to, package);
            i += 4;
        } else if (len - i >= 4 && text[i] == '%' && text[i + 1] == 'c') {
            put_store_path(
                &to, companion_of(packages, count, package, (unsigned)(text[i + 2] - '0')));
            i += 4;
        } else {
            strbuf_putc(&to, text[i++]);
        }
    }
    return strbuf_take(&to);
}

static bool put_model_value(struct hive *hive, const char *key,
                            const struct package *packages, size_t count,
                            const struct package *package, const struct package_value *v,
                            struct err *err)
{
    char *texts[8] = { 0 };
    size_t n = 0;
    bool ok = true;

    for (const char *at = v->text; *at && n < ARRAY_LEN(texts);) {
        size_t len = strcspn(at, "|");

        texts[n] = expand(packages, count, package, at, len);
        if (!texts[n])
            ok = err_no_memory(err);
        else
            n++;
        if (!ok)
            break;
        at += len + (at[len] == '|');
    }
    if (ok && v->type == HIVE_MULTI_SZ)
        ok = put_texts(hive, key, v->name, (const char *const *)texts, n, err);
    else if (ok)
        ok = put_text(hive, key, v->name, v->type, texts[0], err);
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    return ok;
}

static bool put_copy_to_vm(struct hive *hive, const char *key,
                           const struct package_model *model, struct err *err)
{
    for (const struct package_copy *c = model->copies; c && c->source; c++) {
        CLEANUP(free_cleanup)
        char *source = text_printf("%s%s%s", model->subdir ? model->subdir : "",
                                   model->subdir ? "\\" : "", c->source);
        CLEANUP(free_cleanup)
        char *sub =
            text_printf("%s\\CopyToVm%s%s", key, c->overwrite ? "Overwrite" : "WhenNewer",
                        c->place == PLACE_SYSWOW64 ? "Wow64" : "");
        const char *pair[] = { source, c->dest };

        if (!c->label)
            continue;
        if (!source || !sub)
            return err_no_memory(err);
        if (!put_texts(hive, sub, c->label, pair, 2, err))
            return false;
    }
    return true;
}

/* "PCI\VEN_10DE&DEV_2860&SUBSYS_..." without revision and instance. */
static char *hardware_id(const struct sim_device *device, const char *upto)
{
    const char *end = text_istr(device->instance_id, upto);

    return text_ndup(device->instance_id, end ? (size_t)(end - device->instance_id)
                                              : strcspn(device->instance_id + 4, "\\") + 4);
}

static bool put_class_key(struct hive *hive, const struct sim_device *device,
                          const struct package *packages, size_t count, struct err *err)
{
    const struct package *package = package_of(packages, count, device);
    CLEANUP(free_cleanup)
    char *key =
        text_printf(SET "\\Control\\Class\\" DISPLAY_CLASS "\\%04u", device->class_index);
    CLEANUP(free_cleanup) char *match = hardware_id(device, "&REV_");
    char date[16];

    if (!key || !match)
        return err_no_memory(err);
    text_lower(match);
    if (!package) /* the system's basic driver: nothing of it lies in the store */
        return put_text(hive, key, "InfPath", HIVE_SZ, "display.inf", err) &&
               put_text(hive, key, "InfSection", HIVE_SZ, "MSBDA", err) &&
               put_text(hive, key, "MatchingDeviceId", HIVE_SZ, "pci\\cc_0300", err) &&
               put_text(hive, key, "ProviderName", HIVE_SZ, "Microsoft", err) &&
               put_text(hive, key, "DriverDesc", HIVE_SZ, "Microsoft Basic Display Adapter",
                        err) &&
               put_text(hive, key, "DriverVersion", HIVE_SZ, "10.0.22621.1", err) &&
               put_text(hive, key, "DriverDate", HIVE_SZ, "6-21-2006", err);
    snprintf(date, sizeof(date), "%d-%d-%.4s", atoi(package->date + 5),
             atoi(package->date + 8), package->date);
    if (!put_text(hive, key, "InfPath", HIVE_SZ, package->published, err) ||
        !put_text(hive, key, "InfSection", HIVE_SZ, package->model->section, err) ||
        !put_text(hive, key, "MatchingDeviceId", HIVE_SZ, match, err) ||
        !put_text(hive, key, "ProviderName", HIVE_SZ, package->model->provider, err) ||
        !put_text(hive, key, "DriverVersion", HIVE_SZ, package->version, err) ||
        !put_text(hive, key, "DriverDate", HIVE_SZ, date, err) ||
        !put_text(hive, key, "DriverDesc", HIVE_SZ, device->name ? device->name : "",
                  err) ||
        !put_number(hive, key, "HardwareInformation.qwMemorySize", HIVE_QWORD,
                    device->vram_bytes, err))
        return false;
    for (const struct package_value *v = package->model->values; v->name; v++)
        if (!put_model_value(hive, key, packages, count, package, v, err))
            return false;
    return put_copy_to_vm(hive, key, package->model, err);
}

static bool put_enum_key(struct hive *hive, const struct sim_device *device,
                         const struct package *packages, size_t count, struct err *err)
{
    const struct package *package = package_of(packages, count, device);
    const struct sim_device_class *class = sim_device_class(device);
    const char *service =
        package && package->model->service ? package->model->service : class->service;
    CLEANUP(free_cleanup) char *key = text_printf(SET "\\Enum\\%s", device->instance_id);
    CLEANUP(free_cleanup)
    char *driver = text_printf(DISPLAY_CLASS "\\%04u", device->class_index);
    CLEANUP(free_cleanup) char *whole = hardware_id(device, "\\VEN_none");
    CLEANUP(free_cleanup) char *no_revision = hardware_id(device, "&REV_");
    CLEANUP(free_cleanup) char *short_id = hardware_id(device, "&SUBSYS_");
    const char *ids[3];

    if (!key || !driver || !whole || !no_revision || !short_id)
        return err_no_memory(err);
    ids[0] = whole;
    ids[1] = no_revision;
    ids[2] = short_id;
    return put_text(hive, key, "DeviceDesc", HIVE_SZ, device->name ? device->name : "",
                    err) &&
           put_text(hive, key, "ClassGUID", HIVE_SZ, class->guid, err) &&
           (device->class || put_text(hive, key, "Driver", HIVE_SZ, driver, err)) &&
           (!service || put_text(hive, key, "Service", HIVE_SZ, service, err)) &&
           put_number(hive, key, "ConfigFlags", HIVE_DWORD, device->problem == 22 ? 1 : 0,
                      err) &&
           put_number(hive, key, "Capabilities", HIVE_DWORD, 0, err) &&
           put_texts(hive, key, "HardwareID", ids, 3, err);
}

static bool put_service(struct hive *hive, const struct package *package, struct err *err)
{
    const struct package_model *model = package->model;
    CLEANUP(free_cleanup) char *key = text_printf(SET "\\Services\\%s", model->service);
    CLEANUP(free_cleanup)
    char *image = text_printf(
        "\\SystemRoot\\System32\\DriverStore\\FileRepository\\%s\\%s%s%s", package->folder,
        model->subdir ? model->subdir : "", model->subdir ? "\\" : "", model->service_file);
    const char *owners[] = { package->published };

    if (!key || !image)
        return err_no_memory(err);
    return put_number(hive, key, "Type", HIVE_DWORD, 1, err) &&
           put_number(hive, key, "Start", HIVE_DWORD, 3, err) &&
           put_number(hive, key, "ErrorControl", HIVE_DWORD, 0, err) &&
           put_text(hive, key, "Group", HIVE_SZ, "Video", err) &&
           put_text(hive, key, "ImagePath", HIVE_EXPAND_SZ, image, err) &&
           put_text(hive, key, "DisplayName", HIVE_SZ, model->service, err) &&
           put_texts(hive, key, "Owners", owners, 1, err);
}

static bool put_component(struct hive *hive, const struct package *package, struct err *err)
{
    CLEANUP(free_cleanup)
    char *key = text_printf(SET "\\Control\\Class\\%s\\%04u", package->model->class_guid,
                            package->class_index);

    if (!key)
        return err_no_memory(err);
    return put_text(hive, key, "InfPath", HIVE_SZ, package->published, err) &&
           put_text(hive, key, "InfSection", HIVE_SZ, package->model->section, err) &&
           put_text(hive, key, "ProviderName", HIVE_SZ, package->model->provider, err) &&
           put_text(hive, key, "DriverVersion", HIVE_SZ, package->version, err) &&
           put_text(hive, key, "DriverDesc", HIVE_SZ, package->model->inf, err);
}

/* ---- the driver database ---- */

static bool put_database_entry(struct hive *hive, const struct package *package,
                               struct err *err)
{
    CLEANUP(free_cleanup)
    char *file = text_printf("DriverDatabase\\DriverInfFiles\\%s", package->published);
    CLEANUP(free_cleanup)
    char *entry = text_printf("DriverDatabase\\DriverPackages\\%s", package->folder);
    const char *folders[] = { package->folder };
    const char *sections[] = { package->model->section };

    if (!file || !entry)
        return err_no_memory(err);
    return put_texts(hive, file, "", folders, 1, err) &&
           put_text(hive, file, "Active", HIVE_SZ, package->folder, err) &&
           put_texts(hive, file, "Configurations", sections, 1, err) &&
           put_text(hive, entry, "", HIVE_SZ, package->published, err) &&
           put_text(hive, entry, "InfName", HIVE_SZ, package->model->inf, err) &&
           put_text(hive, entry, "Provider", HIVE_SZ, package->model->provider, err) &&
           put_text(hive, entry, "SignerName", HIVE_SZ,
                    "Microsoft Windows Hardware Compatibility Publisher", err) &&
           put_number(hive, entry, "StatusFlags", HIVE_DWORD, 0x12, err);
}

static bool put_database_head(struct hive *hive, struct err *err)
{
    return put_number(hive, "DriverDatabase", "Architecture", HIVE_DWORD, 9, err) &&
           put_number(hive, "DriverDatabase", "SchemaVersion", HIVE_DWORD, 0x10000, err) &&
           hive_create_key(hive, "DriverDatabase\\DriverInfFiles", err) &&
           hive_create_key(hive, "DriverDatabase\\DriverPackages", err);
}

static struct package *packages_of(struct sim_world *w, size_t *ret_count, struct err *err)
{
    struct package *packages = calloc(PACKAGE_MAX, sizeof(*packages));

    if (!packages) {
        err_no_memory(err);
        return NULL;
    }
    *ret_count = w->host->machine ? package_list(w->host->machine, packages) : 0;
    return packages;
}

bool host_fill_drivers(struct sim_world *w, struct hive *hive, struct err *err)
{
    size_t count;
    CLEANUP(free_cleanup) struct package *packages = packages_of(w, &count, err);

    if (!packages || !put_database_head(hive, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!put_database_entry(hive, &packages[i], err))
            return false;
    return true;
}

/* The values that the lab file adds, below @root ("HKLM\\SOFTWARE\\"). */
static bool put_lab_values(struct sim_world *w, struct hive *hive, const char *root,
                           struct err *err)
{
    static const char current[] = "CurrentControlSet\\";
    const struct sim_machine *machine = w->host->machine;

    for (size_t i = 0; machine && i < machine->registry_count; i++) {
        const struct sim_registry_value *v = &machine->registry[i];
        CLEANUP(free_cleanup) char *key = NULL;
        const char *rest;

        if (!text_istarts(v->key, root))
            continue;
        rest = v->key + strlen(root);
        key = text_istarts(rest, current)
                  ? text_printf(SET "\\%s", rest + sizeof(current) - 1)
                  : text_dup(rest);
        if (!key)
            return err_no_memory(err);
        if (v->text ? !put_text(hive, key, v->name, HIVE_SZ, v->text, err)
                    : !put_number(hive, key, v->name, HIVE_DWORD, v->number, err))
            return false;
    }
    return true;
}

bool host_fill_system(struct sim_world *w, struct hive *hive, struct err *err)
{
    const struct sim_machine *machine = w->host->machine;
    size_t count;
    CLEANUP(free_cleanup) struct package *packages = packages_of(w, &count, err);

    if (!packages || !put_number(hive, "Select", "Current", HIVE_DWORD, 1, err) ||
        !put_number(hive, "Select", "Default", HIVE_DWORD, 1, err) ||
        !put_number(hive, "Select", "Failed", HIVE_DWORD, 0, err) ||
        !put_number(hive, "Select", "LastKnownGood", HIVE_DWORD, 1, err) ||
        !put_text(hive, SET "\\Control\\ComputerName\\ComputerName", "ComputerName",
                  HIVE_SZ, w->host->name, err) ||
        !hive_create_key(hive, SET "\\Control\\GraphicsDrivers", err) ||
        !hive_create_key(hive, SET "\\Enum\\PCI", err) || !put_database_head(hive, err) ||
        !put_text(hive, "DriverDatabase\\DriverInfFiles\\disk.inf", "Active", HIVE_SZ,
                  "disk.inf_amd64_1ba1b6cdc3a2c4b5", err))
        return false;
    for (size_t i = 0; machine && i < machine->device_count; i++) {
        const struct sim_device *device = &machine->devices[i];

        if (device->instance_id &&
            ((!device->class && !put_class_key(hive, device, packages, count, err)) ||
             !put_enum_key(hive, device, packages, count, err)))
            return err_wrap(err, "device '%s'", device->instance_id);
    }
    for (size_t i = 0; i < count; i++) {
        if (!packages[i].active)
            continue;
        if ((packages[i].model->service && !put_service(hive, &packages[i], err)) ||
            (packages[i].main && !put_component(hive, &packages[i], err)))
            return false;
    }
    return put_lab_values(w, hive, "HKLM\\SYSTEM\\", err);
}

bool host_fill_software(struct sim_world *w, struct hive *hive, struct err *err)
{
    const struct sim_host *host = w->host;
    const char *product = host->product ? host->product : "Windows";
    struct windows_version version = {
        .build = host->build,
        .ubr = host->ubr,
        .edition = host->edition ? host->edition : "Professional",
        .server = text_istr(product, "Server") != NULL,
    };

    if (text_istarts(product, "Microsoft "))
        product += strlen("Microsoft ");
    version.product = product;
    return put_version(hive, &version, err) &&
           put_lab_values(w, hive, "HKLM\\SOFTWARE\\", err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packages a machine has, what is in them, and their INF texts. */
#include "package.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cim.h"
#include "hive.h"
#include "strbuf.h"
#include "text.h"

enum {
    FIRST_OEM = 3,       /* oem0 to oem2 belong to the chipset */
    OLD_PER_PACKAGE = 2, /* old versions that an update left in the store */
    SMALL_DIVISOR = 220, /* realistic size to the size that tests use */
    OLD_DIVISOR = 4000,  /* old packages are small in any lab */
    SMALLEST = 600,
};

/* ---- the list ---- */

static void step_back(struct package *package, unsigned steps)
{
    unsigned v[4] = { 0 }, year = 2024, month = 1, day = 1;

    if (sscanf(package->version, "%u.%u.%u.%u", &v[0], &v[1], &v[2], &v[3]) == 4) {
        v[3] = v[3] > 113 * steps ? v[3] - 113 * steps : v[3] + 1;
        snprintf(package->version, sizeof(package->version), "%u.%u.%u.%u", v[0] % 1000,
                 v[1] % 100000, v[2] % 100000, v[3] % 100000);
    }
    if (sscanf(package->date, "%u-%u-%u", &year, &month, &day) == 3) {
        month = month > steps ? month - steps : month + 12 - steps;
        year = month + steps > 12 ? year - 1 : year;
        snprintf(package->date, sizeof(package->date), "%04u-%02u-%02u", year % 10000,
                 month % 100, day % 100);
    }
}

static void add(struct package *list, size_t *count, const struct package *package)
{
    struct package *at = &list[*count];

    if (*count >= PACKAGE_MAX)
        return;
    *at = *package;
    snprintf(at->published, sizeof(at->published), "oem%u.inf",
             FIRST_OEM + (unsigned)*count * 2);
    snprintf(at->folder, sizeof(at->folder), "%s_amd64_%016" PRIx64, at->model->inf,
             make_hash(at->version, make_hash(at->model->inf, 0)));
    (*count)++;
}

static const struct package *find(const struct package *packages, size_t count,
                                  const struct package_model *model, const char *version)
{
    for (size_t i = 0; i < count; i++)
        if (packages[i].active && packages[i].model == model &&
            strcmp(packages[i].version, version) == 0)
            return &packages[i];
    return NULL;
}

static const char *version_of(const struct sim_device *device)
{
    return device->driver_version ? device->driver_version : "31.0.101.5333";
}

const struct package *package_of(const struct package *packages, size_t count,
                                 const struct sim_device *device)
{
    const struct package_model *model = package_model_of(device->driver);

    return model ? find(packages, count, model, version_of(device)) : NULL;
}

size_t package_list(const struct sim_machine *machine, struct package ret[PACKAGE_MAX])
{
    size_t count = 0;
    unsigned component = 0;

    for (size_t i = 0; i < machine->device_count; i++) {
        const struct sim_device *device = &machine->devices[i];
        const struct package_model *model = package_model_of(device->driver);
        struct package package = { .model = model };
        const struct package *main;

        if (!model || package_of(ret, count, device))
            continue;
        snprintf(package.date, sizeof(package.date), "%s",
                 device->driver_date ? device->driver_date : "2024-06-11");
        for (unsigned old = OLD_PER_PACKAGE; old > 0; old--) {
            snprintf(package.version, sizeof(package.version), "%s", version_of(device));
            step_back(&package, old);
            add(ret, &count, &package);
        }
        snprintf(package.version, sizeof(package.version), "%s", version_of(device));
        snprintf(package.date, sizeof(package.date), "%s",
                 device->driver_date ? device->driver_date : "2024-06-11");
        package.active = true;
        add(ret, &count, &package);
        main = &ret[count - 1];
        for (size_t c = 0; model->companions && model->companions[c]; c++) {
            package.model = model->companions[c];
            package.class_index = component++;
            package.main = main;
            add(ret, &count, &package);
        }
    }
    return count;
}

int64_t package_time(const struct package *package)
{
    struct cim_datetime when;
    struct err err = ERR_INIT;
    char text[40];

    snprintf(text, sizeof(text), "%.10sT08:12:34Z", package->date);
    return cim_datetime_parse(text, &when, &err) ? when.usec : 13370000000000000;
}

/* ---- the files ---- */

static const char *icd_library(const char *json)
{
    static const char *const known[][2] = {
        { "nv-vk64.json", "nvoglv64.dll" },      { "nv-vk32.json", "nvoglv32.dll" },
        { "igvk64.json", "igvk64.dll" },         { "amd-vulkan64.json", "amdvlk64.dll" },
        { "amd-vulkan32.json", "amdvlk32.dll" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i][0], json) == 0)
            return known[i][1];
    return NULL;
}

static size_t named_count(const struct package_model *model)
{
    size_t count = 0;

    while (model->files[count].name)
        count++;
    return count;
}

bool package_file_at(const struct package *package, bool full_size, size_t i,
                     char ret_name[160], struct make_file *ret)
{
    const struct package_model *model = package->model;
    size_t named = named_count(model);
    bool full = full_size && package->active;
    const char *slash;
    char name[120];
    uint64_t size;

    *ret = (struct make_file){ .version = package->version, .company = model->company };
    if (i < named) {
        snprintf(name, sizeof(name), "%s", model->files[i].name);
        ret->kind = model->files[i].kind;
        size = (uint64_t)model->files[i].kib * 1024 -
               make_hash(name, make_hash(package->version, 0)) % 900;
    } else if (full && model->filler && i < model->full_count) {
        snprintf(name, sizeof(name), "%s%03u%s", model->filler, (unsigned)(i - named),
                 model->filler_end);
        ret->kind = MAKE_NOISE;
        size = 1024 + make_hash(name, 0) % 190000;
    } else {
        return false;
    }
    snprintf(ret_name, 160, "%s%s%s", model->subdir ? model->subdir : "",
             model->subdir ? "\\" : "", name);
    slash = strrchr(ret_name, '\\');
    ret->name = slash ? slash + 1 : ret_name;
    ret->size = full ? size : size / (package->active ? SMALL_DIVISOR : OLD_DIVISOR);
    if (ret->size < SMALLEST)
        ret->size = SMALLEST;
    if (icd_library(ret->name)) {
        ret->kind = MAKE_TEXT;
        ret->size = 0;
        snprintf(ret->text, sizeof(ret->text),
                 "{\r\n    \"file_format_version\": \"1.0.1\",\r\n    \"ICD\": {\r\n"
                 "        \"library_path\": \".\\\\%s\",\r\n"
                 "        \"api_version\": \"1.3.277\"\r\n    }\r\n}\r\n",
                 icd_library(ret->name));
    }
    return true;
}

/* ---- the INF ---- */

enum { DIR_MAX = 8 };

struct dirs {
    size_t count;
    char names[DIR_MAX][64];
};

static void dir_of(const char *path, char ret[64])
{
    const char *slash = strrchr(path, '\\');

    snprintf(ret, 64, "%.*s", slash ? (int)(slash - path) : 0, path);
}

/* "nv_dispi_store", "nv_dispi_store_NvCamera" */
static void section_of(const struct package *package, const char *dir, char ret[128])
{
    snprintf(ret, 128, "%.*s_store%s%s", (int)strcspn(package->model->inf, "."),
             package->model->inf, *dir ? "_" : "", dir);
    for (char *p = ret; *p; p++)
        if (*p == '\\' || *p == '.')
            *p = '_';
}

static void collect_dirs(const struct package *package, bool full, struct dirs *dirs)
{
    struct make_file file;
    char path[160], dir[64];

    dirs->count = 0;
    for (size_t i = 0; package_file_at(package, full, i, path, &file); i++) {
        size_t k = 0;

        dir_of(path, dir);
        while (k < dirs->count && strcmp(dirs->names[k], dir) != 0)
            k++;
        if (k == dirs->count && k < DIR_MAX)
            strcpy(dirs->names[dirs->count++], dir);
    }
}

static const char *place_section(enum package_place place)
{
    static const char *const names[] = { "system32", "syswow64", "lxss" };

    return names[place];
}

static void put_version(const struct package *package, struct strbuf *to)
{
    const struct package_model *m = package->model;

    strbuf_printf(
        to,
        "; Made by hvgpu's simulator in the manner of a vendor's INF.\r\n\r\n"
        "[Version]\r\nSignature   = \"$Windows NT$\"\r\nProvider    = %%Provider%%\r\n"
        "ClassGUID   = %s\r\nClass       = %s\r\n"
        "DriverVer   = %.2s/%.2s/%.4s, %s\r\n"
        "CatalogFile = %s\r\nPnpLockdown = 1\r\n\r\n",
        m->class_guid, m->class_name, package->date + 5, package->date + 8, package->date,
        package->version, m->catalog);
}

static void put_destinations(const struct package *package, const struct dirs *dirs,
                             struct strbuf *to)
{
    char section[128];

    strbuf_puts(to, "[DestinationDirs]\r\nDefaultDestDir = 11\r\n");
    for (size_t i = 0; i < dirs->count; i++) {
        section_of(package, dirs->names[i], section);
        strbuf_printf(to, "%s = 13%s%s\r\n", section, *dirs->names[i] ? "," : "",
                      dirs->names[i]);
    }
    if (package->model->copies)
        strbuf_puts(to,
                    "system32 = 11\r\nsyswow64 = 10,SysWow64\r\nlxss = 11,lxss\\lib\r\n");
}

static void put_models(const struct package *package, const struct sim_machine *machine,
                       struct strbuf *to)
{
    const struct package_model *m = package->model;
    char inf[32];

    snprintf(inf, sizeof(inf), "%.*s", (int)strcspn(m->inf, "."), m->inf);
    strbuf_printf(
        to,
        "\r\n[Manufacturer]\r\n%%Maker%% = %s_Devices, NTamd64.10.0...16299\r\n\r\n"
        "[%s_Devices.NTamd64.10.0...16299]\r\n",
        inf, inf);
    if (strcmp(m->class_name, "Display") != 0) {
        strbuf_printf(to, "%%Component%% = %s, SWC\\%s\r\n", m->section, inf);
        return;
    }
    for (size_t i = 0; i < machine->device_count; i++) {
        const struct sim_device *d = &machine->devices[i];
        const char *id = d->instance_id ? d->instance_id : "";
        const char *end = text_istr(id, "&REV_");

        if (package_model_of(d->driver) == m)
            strbuf_printf(to, "%%Device%zu%% = %s, %.*s\r\n", i, m->section,
                          end ? (int)(end - id) : (int)strcspn(id, "\\"), id);
    }
}

static void put_install(const struct package *package, const struct dirs *dirs,
                        struct strbuf *to)
{
    const struct package_model *m = package->model;
    char section[128];

    strbuf_printf(to, "\r\n[%s]\r\nCopyFiles = ", m->section);
    for (size_t i = 0; i < dirs->count; i++) {
        section_of(package, dirs->names[i], section);
        strbuf_printf(to, "%s%s", i ? ", " : "", section);
    }
    if (m->copies)
        strbuf_puts(to, ", system32, syswow64, lxss");
    strbuf_puts(to, "\r\nAddReg = driver_values");
    if (m->copies)
        strbuf_puts(to, ", copy_to_vm");
    strbuf_puts(to, "\r\n");
    if (!m->service)
        return;
    strbuf_printf(
        to,
        "\r\n[%s.Services]\r\nAddService = %s, 0x00000002, service_install\r\n\r\n"
        "[service_install]\r\nDisplayName    = %%Service%%\r\nServiceType    = 1\r\n"
        "StartType      = 3\r\nErrorControl   = 0\r\nLoadOrderGroup = Video\r\n"
        "ServiceBinary  = %%13%%\\%s%s%s\r\n",
        m->section, m->service, m->subdir ? m->subdir : "", m->subdir ? "\\" : "",
        m->service_file);
}

static void put_file_lists(const struct package *package, bool full,
                           const struct dirs *dirs, struct strbuf *to)
{
    const struct package_model *m = package->model;
    struct make_file file;
    char section[128], path[160], dir[64];

    for (size_t k = 0; k < dirs->count; k++) {
        section_of(package, dirs->names[k], section);
        strbuf_printf(to, "\r\n[%s]\r\n", section);
        for (size_t i = 0; package_file_at(package, full, i, path, &file); i++) {
            dir_of(path, dir);
            if (strcmp(dir, dirs->names[k]) == 0)
                strbuf_printf(to, "%s,,,0x00004000\r\n", file.name);
        }
    }
    for (unsigned place = PLACE_SYSTEM32; m->copies && place <= PLACE_LXSS; place++) {
        strbuf_printf(to, "\r\n[%s]\r\n", place_section(place));
        for (const struct package_copy *c = m->copies; c->source; c++)
            if (c->place == place)
                strbuf_printf(to, "%s,%s,,0x%08x\r\n", c->dest,
                              strcmp(c->dest, c->source) ? c->source : "", c->flags);
    }
    strbuf_puts(to, "\r\n[SourceDisksNames.amd64]\r\n1 = %Disk%,,,\"\"\r\n\r\n"
                    "[SourceDisksFiles.amd64]\r\n");
    for (size_t i = 0; package_file_at(package, full, i, path, &file); i++) {
        dir_of(path, dir);
        strbuf_printf(to, "%s = 1%s%s\r\n", file.name, *dir ? ",\\" : "", dir);
    }
}

/* "%13%" of the table -> the INF's own way to say it (%13%, plus the subfolder). */
static void put_inf_text(const struct package *package, const char *text, size_t len,
                         struct strbuf *to)
{
    for (size_t i = 0; i < len;) {
        if (len - i >= 4 && strncmp(text + i, "%13%", 4) == 0) {
            strbuf_printf(to, "%%13%%%s%s", package->model->subdir ? "\\" : "",
                          package->model->subdir ? package->model->subdir : "");
            i += 4;
        } else {
            strbuf_putc(to, text[i++]);
        }
    }
}

static void put_registry(const struct package *package, struct strbuf *to)
{
    const struct package_model *m = package->model;

    strbuf_puts(to, "\r\n[driver_values]\r\n");
    for (const struct package_value *v = m->values; v->name; v++) {
        const char *text = v->text;

        if (strstr(text, "%c0%") || strstr(text, "%c1%"))
            continue; /* the companion's own INF sets it, through its extension */
        strbuf_printf(to, "HKR,,%s,%%REG_%s%%", v->name,
                      v->type == HIVE_MULTI_SZ ? "MULTI_SZ" : "SZ");
        while (*text) {
            size_t len = strcspn(text, "|");

            strbuf_puts(to, ",\"");
            put_inf_text(package, text, len, to);
            strbuf_puts(to, "\"");
            text += len + (text[len] == '|');
        }
        strbuf_puts(to, "\r\n");
    }
    if (!m->copies)
        return;
    strbuf_puts(to, "\r\n[copy_to_vm]\r\n");
    for (const struct package_copy *c = m->copies; c->source; c++) {
        char key[64];

        if (!c->label)
            continue;
        snprintf(key, sizeof(key), "CopyToVm%s%s", c->overwrite ? "Overwrite" : "WhenNewer",
                 c->place == PLACE_SYSWOW64 ? "Wow64" : "");
        strbuf_printf(to,
                      "HKR,%s,%s,%%REG_MULTI_SZ%%,\"%s%s%s\"\r\n"
                      "HKR,%s,%s,%%REG_MULTI_SZ_APPEND%%,\"%s\"\r\n",
                      key, c->label, m->subdir ? m->subdir : "", m->subdir ? "\\" : "",
                      c->source, key, c->label, c->dest);
    }
}

static void put_strings(const struct package *package, const struct sim_machine *machine,
                        struct strbuf *to)
{
    const struct package_model *m = package->model;

    strbuf_printf(
        to,
        "\r\n[Strings]\r\nProvider = \"%s\"\r\nMaker = \"%s\"\r\n"
        "Disk = \"Display driver disk\"\r\nService = \"%s\"\r\n"
        "Component = \"%s\"\r\nREG_SZ = 0x00000000\r\nREG_MULTI_SZ = 0x00010000\r\n"
        "REG_MULTI_SZ_APPEND = 0x00010008\r\n",
        m->provider, m->provider, m->service ? m->service : "", m->inf);
    for (size_t i = 0; i < machine->device_count; i++)
        if (package_model_of(machine->devices[i].driver) == m)
            strbuf_printf(to, "Device%zu = \"%s\"\r\n", i,
                          machine->devices[i].name ? machine->devices[i].name : "");
}

void package_inf(const struct package *package, const struct sim_machine *machine,
                 struct strbuf *to)
{
    struct dirs dirs;

    collect_dirs(package, machine->full_size, &dirs);
    put_version(package, to);
    put_destinations(package, &dirs, to);
    put_models(package, machine, to);
    put_install(package, &dirs, to);
    put_file_lists(package, machine->full_size, &dirs, to);
    put_registry(package, to);
    put_strings(package, machine, to);
}

uint8_t *package_inf_bytes(const struct package *package, const struct sim_machine *machine,
                           size_t *ret_len)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (package->model->utf16)
        strbuf_puts(&text, "\xef\xbb\xbf"); /* becomes the byte order mark */
    package_inf(package, machine, &text);
    if (text.failed)
        return NULL;
    if (package->model->utf16)
        return text_to_utf16le(text.text, ret_len);
    *ret_len = text.len;
    return (uint8_t *)strbuf_take(&text);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests: a Windows folder made of real hives and small files. */

#include "test-machine.h"

#include <stdio.h>
#include <string.h>

#include "os.h"
#include "sandbox.h"
#include "test.h"
#include "text.h"

/* What parses foreign data is this program started anew, on Windows. */
__attribute__((constructor)) static void begin_as_child(void)
{
    test_at_start(sandbox_main);
}

/* What a test cannot go on without. */
#define MUST(call)                                                     \
    do {                                                               \
        struct err err = ERR_INIT;                                     \
        bool done_ = (call);                                           \
        char why_[1024] = "";                                          \
        if (!done_)                                                    \
            err_format(&err, why_, sizeof(why_));                      \
        test_report(done_, __FILE__, __LINE__, "%s: %s", #call, why_); \
    } while (0)

void machine_text(struct hive *hive, const char *key, const char *name, unsigned type,
                  const char *text)
{
    struct hive_value value = { 0 };

    CHECK(hive_value_set_text(&value, type, text));
    MUST(hive_set(hive, key, name, &value, &err));
    hive_value_clear(&value);
}

void machine_texts(struct hive *hive, const char *key, const char *name,
                   const char *const *texts, size_t count)
{
    struct hive_value value = { 0 };

    CHECK(hive_value_set_texts(&value, texts, count));
    MUST(hive_set(hive, key, name, &value, &err));
    hive_value_clear(&value);
}

void machine_number(struct hive *hive, const char *key, const char *name, unsigned number)
{
    struct hive_value value = { 0 };

    CHECK(hive_value_set_u64(&value, HIVE_DWORD, number));
    MUST(hive_set(hive, key, name, &value, &err));
    hive_value_clear(&value);
}

void machine_file(struct machine *machine, const char *path, const void *bytes, size_t len)
{
    CLEANUP(free_cleanup) char *full = text_printf("%s/Windows/%s", machine->root, path);
    CLEANUP(free_cleanup) char *folder = text_dup(full);

    *strrchr(folder, '/') = '\0';
    MUST(os_make_dirs(folder, &err));
    MUST(os_write_file(full, bytes, len, &err));
}

void machine_text_file(struct machine *machine, const char *path, const char *text)
{
    machine_file(machine, path, text, strlen(text));
}

void machine_open(struct machine *machine)
{
    struct err err = ERR_INIT;

    test_make_folder("driver", machine->root);
    machine->system = hive_new(&err);
    machine->software = hive_new(&err);
    machine->drivers = hive_new(&err);
    machine_number(machine->system, "Select", "Current", 1);
    machine_number(machine->system, "DriverDatabase", "Architecture", 9);
    machine_text(machine->software, "Microsoft\\Windows NT\\CurrentVersion", "SystemRoot",
                 HIVE_SZ, "C:\\Windows");
    machine_text(machine->software, "Microsoft\\Windows NT\\CurrentVersion",
                 "CurrentBuildNumber", HIVE_SZ, "22631");
}

static void save_hive(struct machine *machine, struct hive *hive, const char *name)
{
    CLEANUP(free_cleanup) char *path = text_printf("System32/config/%s", name);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    if (!hive)
        return;
    MUST(hive_bytes(hive, &bytes, &len, &err));
    machine_file(machine, path, bytes, len);
}

void machine_save(struct machine *machine)
{
    save_hive(machine, machine->system, "SYSTEM");
    save_hive(machine, machine->software, "SOFTWARE");
    save_hive(machine, machine->drivers, "DRIVERS");
}

void machine_close(struct machine *machine)
{
    hive_close(machine->system);
    hive_close(machine->software);
    hive_close(machine->drivers);
    MUST(os_remove_tree(machine->root, &err));
}

static const struct shape {
    const char *vendor, *device, *instance, *name, *provider, *inf, *published, *package;
    const char *service, *image, *umd, *section, *version;
} shapes[] = {
    { "nvidia", "VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1", "4&296b7397&0&0008",
      "NVIDIA GeForce RTX 4070 Laptop GPU", "NVIDIA", "nv_dispi.inf", "oem12.inf",
      TEST_PACKAGE, "nvlddmkm", "nvlddmkm.sys", "nvldumdx.dll", "Section037",
      "31.0.15.5222" },
    { "amd", "VEN_1002&DEV_744C&SUBSYS_0E3B1002&REV_C8", "6&1a2b3c&0&00000019",
      "AMD Radeon RX 7900 XTX", "Advanced Micro Devices, Inc.", "u0399999.inf", "oem7.inf",
      "u0399999.inf_amd64_1111111111111111", "amdkmdag", "B399123\\amdkmdag.sys",
      "B399123\\amdxx64.dll", "ati2mtag_Navi31", "32.0.11016.14003" },
    { "intel", "VEN_8086&DEV_A7A0&SUBSYS_252D1043&REV_04", "3&11583659&0&10",
      "Intel(R) Iris(R) Xe Graphics", "Intel Corporation", "iigd_dch.inf", "oem5.inf",
      "iigd_dch.inf_amd64_2222222222222222", "igfxn", "igdkmdn64.sys", "igdumdim64.dll",
      "iRPLPD_w10_DS", "31.0.101.4953" },
};

static void add_device(struct machine *machine, const struct shape *shape, unsigned number)
{
    CLEANUP(free_cleanup)
    char *key =
        text_printf("ControlSet001\\Enum\\PCI\\%s\\%s", shape->device, shape->instance);
    CLEANUP(free_cleanup)
    char *driver = text_printf("%s\\%04u", TEST_DISPLAY_CLASS, number);

    machine_text(machine->system, key, "ClassGUID", HIVE_SZ, TEST_DISPLAY_CLASS);
    machine_text(machine->system, key, "Driver", HIVE_SZ, driver);
    machine_text(machine->system, key, "Service", HIVE_SZ, shape->service);
    machine_number(machine->system, key, "ConfigFlags", 0);
}

static void add_class_key(struct machine *machine, const struct shape *shape,
                          unsigned number)
{
    CLEANUP(free_cleanup)
    char *key =
        text_printf("ControlSet001\\Control\\Class\\%s\\%04u", TEST_DISPLAY_CLASS, number);
    CLEANUP(free_cleanup)
    char *umd = text_printf("C:\\Windows\\System32\\DriverStore\\FileRepository\\%s\\%s",
                            shape->package, shape->umd);
    const char *const umds[] = { umd, umd, umd, umd };

    machine_text(machine->system, key, "DriverDesc", HIVE_SZ, shape->name);
    machine_text(machine->system, key, "ProviderName", HIVE_SZ, shape->provider);
    machine_text(machine->system, key, "InfPath", HIVE_SZ, shape->published);
    machine_text(machine->system, key, "InfSection", HIVE_SZ, shape->section);
    machine_text(machine->system, key, "DriverVersion", HIVE_SZ, shape->version);
    machine_text(machine->system, key, "DriverDate", HIVE_SZ, "1-18-2024");
    machine_texts(machine->system, key, "UserModeDriverName", umds, 4);
}

static void add_records(struct machine *machine, const struct shape *shape)
{
    CLEANUP(free_cleanup)
    char *service = text_printf("ControlSet001\\Services\\%s", shape->service);
    CLEANUP(free_cleanup)
    char *image = text_printf("\\SystemRoot\\System32\\DriverStore\\FileRepository\\%s\\%s",
                              shape->package, shape->image);
    CLEANUP(free_cleanup)
    char *database = text_printf("DriverDatabase\\DriverInfFiles\\%s", shape->published);

    machine_text(machine->system, service, "ImagePath", HIVE_EXPAND_SZ, image);
    machine_text(machine->drivers, database, "Active", HIVE_SZ, shape->package);
}

static void add_package(struct machine *machine, const struct shape *shape)
{
    CLEANUP(free_cleanup)
    char *inf =
        text_printf("[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass=Display\r\n"
                    "ClassGuid=%s\r\nProvider=%%P%%\r\n"
                    "DriverVer=01/18/2024,%s\r\n[%s]\r\nAddReg=Values\r\n"
                    "[Values]\r\n[Strings]\r\nP=\"%s\"\r\n",
                    TEST_DISPLAY_CLASS, shape->version, shape->section, shape->provider);
    CLEANUP(free_cleanup)
    char *folder = text_printf("System32/DriverStore/FileRepository/%s", shape->package);
    CLEANUP(free_cleanup) char *inf_path = text_printf("%s/%s", folder, shape->inf);
    CLEANUP(free_cleanup) char *published = text_printf("INF/%s", shape->published);
    CLEANUP(free_cleanup) char *image = text_printf("%s/%s", folder, shape->image);
    CLEANUP(free_cleanup) char *umd = text_printf("%s/%s", folder, shape->umd);

    for (char *p = image; *p; p++)
        *p = *p == '\\' ? '/' : *p;
    for (char *p = umd; *p; p++)
        *p = *p == '\\' ? '/' : *p;
    machine_text_file(machine, inf_path, inf);
    machine_text_file(machine, published, inf);
    machine_text_file(machine, image, "kernel-mode driver");
    machine_text_file(machine, umd, "user-mode driver");
}

void machine_add_gpu(struct machine *machine, const char *vendor, unsigned number)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        if (strcmp(shapes[i].vendor, vendor) != 0)
            continue;
        add_device(machine, &shapes[i], number);
        add_class_key(machine, &shapes[i], number);
        add_records(machine, &shapes[i]);
        add_package(machine, &shapes[i]);
    }
}

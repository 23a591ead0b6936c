/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's Windows as far as a driver copier sees it.  Class key 0000 is Hyper-V Video,
 * as in real guests; System32\d3d12.dll and its like belong to the system and must never
 * be touched by anybody.
 */
#include "make-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "make-file.h"
#include "make-registry.h"
#include "text.h"

#define SET "ControlSet001"
#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"

static const int64_t guest_time = 13349808000000000; /* 2024-01-16 */
enum { LEFT_ON_FULL = 1 << 20, HIBER_SIZE = 8192 };

struct guest_file {
    const char *path;
    unsigned kib;
    uint32_t attributes;
};

static const struct guest_file guest_files[] = {
    { "\\Windows\\explorer.exe", 10, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\ntoskrnl.exe", 32, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\kernel32.dll", 12, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\ntdll.dll", 12, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\d3d11.dll", 10, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\d3d12.dll", 10, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\dxgi.dll", 8, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\opengl32.dll", 8, FILE_IS_ARCHIVE },
    { "\\Windows\\System32\\drivers\\dxgkrnl.sys", 16, FILE_IS_ARCHIVE },
    { "\\Windows\\SysWOW64\\kernel32.dll", 12, FILE_IS_ARCHIVE },
    { "\\Windows\\SysWOW64\\d3d12.dll", 10, FILE_IS_ARCHIVE },
    { "\\Windows\\SysWOW64\\opengl32.dll", 8, FILE_IS_ARCHIVE },
    { "\\Windows\\INF\\wvmbusvideo.inf", 2, FILE_IS_ARCHIVE },
};

static const char *architecture_of(const struct sim_disk *disk)
{
    return disk->architecture ? disk->architecture : "amd64";
}

static enum make_kind native_kind(const struct sim_disk *disk)
{
    const char *name = architecture_of(disk);

    return strcmp(name, "arm64") == 0 ? MAKE_PE_ARM64
           : strcmp(name, "x86") == 0 ? MAKE_PE32
                                      : MAKE_PE64;
}

static bool write_bytes(struct volume *volume, const char *path, const void *bytes,
                        size_t len, uint32_t attributes, struct err *err)
{
    return volume_write_all(volume, path, bytes, len, guest_time, attributes, err);
}

static bool write_files(struct volume *volume, const struct sim_disk *disk, struct err *err)
{
    char version[32];

    snprintf(version, sizeof(version), "10.0.%u.%u", disk->build, disk->ubr);
    for (size_t i = 0; i < ARRAY_LEN(guest_files); i++) {
        const struct guest_file *f = &guest_files[i];
        CLEANUP(free_cleanup) uint8_t *bytes = NULL;
        struct make_file file = {
            .name = strrchr(f->path, '\\') + 1,
            .kind = text_istr(f->path, "SysWOW64") ? MAKE_PE32
                    : text_iends(f->path, ".inf")  ? MAKE_NOISE
                                                   : native_kind(disk),
            .size = (uint64_t)f->kib * 1024,
            .version = version,
            .company = "Microsoft Corporation",
        };
        size_t len;

        bytes = make_file_bytes(&file, &len);
        if (!bytes)
            return err_no_memory(err);
        if (!write_bytes(volume, f->path, bytes, len, f->attributes, err))
            return false;
    }
    return true;
}

/* ---- hives ---- */

static bool fill_system(struct hive *hive, const struct sim_disk *disk, struct err *err)
{
    static const char video[] = SET "\\Control\\Class\\" DISPLAY_CLASS "\\0000";
    const char *architecture = architecture_of(disk);
    uint64_t number = strcmp(architecture, "arm64") == 0 ? 12
                      : strcmp(architecture, "x86") == 0 ? 0
                                                         : 9;
    char version[32], name[10];

    snprintf(version, sizeof(version), "10.0.%u.1", disk->build);
    snprintf(name, sizeof(name), "%s",
             number == 12  ? "ARM64"
             : number == 0 ? "x86"
                           : "AMD64");
    return put_number(hive, "Select", "Current", HIVE_DWORD, 1, err) &&
           put_number(hive, "Select", "Default", HIVE_DWORD, 1, err) &&
           put_number(hive, "Select", "Failed", HIVE_DWORD, 0, err) &&
           put_number(hive, "Select", "LastKnownGood", HIVE_DWORD, 1, err) &&
           put_text(hive, SET "\\Control\\ComputerName\\ComputerName", "ComputerName",
                    HIVE_SZ, "GUEST", err) &&
           put_text(hive, SET "\\Control\\Session Manager\\Environment",
                    "PROCESSOR_ARCHITECTURE", HIVE_SZ, name, err) &&
           put_text(hive, video, "InfPath", HIVE_SZ, "wvmbusvideo.inf", err) &&
           put_text(hive, video, "InfSection", HIVE_SZ, "HyperVVideo", err) &&
           put_text(hive, video, "ProviderName", HIVE_SZ, "Microsoft", err) &&
           put_text(hive, video, "DriverDesc", HIVE_SZ, "Microsoft Hyper-V Video", err) &&
           put_text(hive, video, "DriverDate", HIVE_SZ, "6-21-2006", err) &&
           put_text(hive, video, "DriverVersion", HIVE_SZ, version, err) &&
           put_text(hive, video, "MatchingDeviceId", HIVE_SZ,
                    "vmbus\\{da0a7802-e377-4aac-8e77-0558eb1073f8}", err) &&
           put_number(hive, SET "\\Services\\BasicDisplay", "Start", HIVE_DWORD, 1, err) &&
           put_number(hive, SET "\\Services\\DXGKrnl", "Start", HIVE_DWORD, 1, err) &&
           hive_create_key(hive, SET "\\Control\\GraphicsDrivers", err) &&
           put_number(hive, "DriverDatabase", "Architecture", HIVE_DWORD, number, err) &&
           hive_create_key(hive, "DriverDatabase\\DriverInfFiles", err);
}

/* What Windows Setup makes for each installation.  Source: denisbrodbeck/machineid
 * id_windows.go, which programs identify a Windows by. */
static bool put_machine_guid(struct hive *hive, const struct sim_disk *disk,
                             struct err *err)
{
    CLEANUP(free_cleanup)
    char *seed = text_printf("%s/%s/windows", disk->vm_id ? disk->vm_id : "", disk->path);
    char guid[37];

    if (!seed)
        return err_no_memory(err);
    lab_guid(guid, seed);
    text_lower(guid);
    return put_text(hive, "Microsoft\\Cryptography", "MachineGuid", HIVE_SZ, guid, err);
}

static bool fill_software(struct hive *hive, const struct sim_disk *disk, struct err *err)
{
    const char *edition = disk->edition ? disk->edition : "Professional";
    struct windows_version version = {
        .build = disk->build,
        .ubr = disk->ubr,
        .edition = edition,
        .server = text_istarts(edition, "Server"),
    };

    version.product = version.server         ? "Windows Server"
                      : disk->build >= 22000 ? "Windows 11"
                                             : "Windows 10";
    return put_version(hive, &version, err) && put_machine_guid(hive, disk, err);
}

static bool fill_drivers(struct hive *hive, const struct sim_disk *disk, struct err *err)
{
    return put_number(hive, "DriverDatabase", "SchemaVersion", HIVE_DWORD, 0x10000, err) &&
           hive_create_key(hive, "DriverDatabase\\DriverInfFiles", err) &&
           hive_create_key(hive, "DriverDatabase\\DriverPackages", err);
}

static uint32_t word_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* Sequence numbers that differ: Windows did not finish writing (checksum of the base
 * block: XOR of its first 127 words; msuhanov/regf). */
static void make_dirty(uint8_t *bytes)
{
    uint32_t sum = 0;

    bytes[4]++;
    for (size_t i = 0; i < 508; i += 4)
        sum ^= word_at(bytes + i);
    sum = sum == 0 ? 1 : sum == UINT32_MAX ? UINT32_MAX - 1 : sum;
    for (unsigned i = 0; i < 4; i++)
        bytes[508 + i] = (uint8_t)(sum >> 8 * i);
}

static bool write_hive(struct volume *volume, const struct sim_disk *disk, const char *name,
                       bool (*fill)(struct hive *, const struct sim_disk *, struct err *),
                       struct err *err)
{
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup)
    char *path = text_printf("\\Windows\\System32\\config\\%s", name);
    size_t len;

    if (!path)
        return err_no_memory(err);
    if (!hive || !fill(hive, disk, err) || !hive_bytes(hive, &bytes, &len, err))
        return false;
    if ((disk->problems & SIM_DISK_DIRTY_HIVE) && strcmp(name, "SYSTEM") == 0)
        make_dirty(bytes);
    return write_bytes(volume, path, bytes, len, FILE_IS_ARCHIVE, err);
}

/* ---- problems ---- */

static bool zeros(void *to, size_t len, size_t *ret_len, void *user, struct err *err)
{
    memset(to, 0, len);
    *ret_len = len;
    return true;
}

/* A page file takes what is free. */
static bool fill_up(struct volume *volume, struct err *err)
{
    uint64_t free_bytes = volume_free_bytes(volume);

    if (free_bytes <= 2 * LEFT_ON_FULL)
        return true;
    return volume_write(volume, "\\pagefile.sys", free_bytes - LEFT_ON_FULL, zeros, NULL,
                        guest_time, FILE_IS_HIDDEN | FILE_IS_SYSTEM | FILE_IS_ARCHIVE, err);
}

/* 'hibr' at the start of hiberfil.sys: a session waits there (fast startup writes the
 * same). */
static bool write_hiberfil(struct volume *volume, struct err *err)
{
    uint8_t head[HIBER_SIZE] = "hibr";

    return write_bytes(volume, "\\hiberfil.sys", head, sizeof(head),
                       FILE_IS_HIDDEN | FILE_IS_SYSTEM | FILE_IS_ARCHIVE, err);
}

bool guest_fill(struct volume *volume, const struct sim_disk *disk, struct err *err)
{
    static const char *const dirs[] = {
        "\\Windows\\System32\\config",
        "\\Windows\\System32\\drivers",
        "\\Windows\\System32\\DriverStore\\FileRepository",
        "\\Windows\\SysWOW64",
        "\\Windows\\INF",
        "\\Windows\\Temp",
        "\\Users\\Public\\Documents",
        "\\ProgramData",
        "\\Program Files",
    };

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (!volume_make_dirs(volume, dirs[i], err))
            return false;
    return write_files(volume, disk, err) &&
           write_hive(volume, disk, "SYSTEM", fill_system, err) &&
           write_hive(volume, disk, "SOFTWARE", fill_software, err) &&
           write_hive(volume, disk, "DRIVERS", fill_drivers, err) &&
           (!(disk->problems & SIM_DISK_FULL) || fill_up(volume, err)) &&
           (!(disk->problems & SIM_DISK_HIBERNATED) || write_hiberfil(volume, err));
}

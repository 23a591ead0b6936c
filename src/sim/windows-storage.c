/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSFT_Disk, MSFT_Partition, MSFT_Volume and MSFT_PartitionToVolume: the host's own disk
 * and the attached images, made on demand from the world.
 *
 * An image's disk appears some time after the attach job has ended (Justsenger/ExHyperV
 * VmStorageService.cs polls ten times half a second): here after twice the time of a job.
 * The host's own disk is a fixed one of 512 GiB; no lab file describes it.
 *
 * Source: microsoft/wmi server23h2 root/microsoft/windows/storage; MicrosoftDocs/
 * windows-driver-docs storage (addaccesspath-msft-partition and its neighbours).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "maker.h"
#include "os.h"
#include "text.h"
#include "windows-os.h"
#include "world-inside.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

enum {
    BUS_NVME = 17,
    BUS_FILE_BACKED = 15,
    STYLE_RAW = 0,
    STYLE_MBR = 1,
    STYLE_GPT = 2,
    STATUS_ONLINE = 0xd010,
    TYPE_FAT32 = 6,
    TYPE_NTFS = 14,
    FAILED_PARAMETER = 5,
    FAILED_IN_USE = 42002,
    FAILED_HIDDEN = 42004,
    FAILED_PATH = 42007,
};

/* A disk or one of its partitions, wherever it is. */
struct piece {
    struct sim_host *host;
    struct sim_world *world;
    struct attached *attached; /* NULL: the host's own disk */
    unsigned number;
    unsigned part; /* index */
    const struct partition *partition;
};

/* The host's own disk, as Windows Setup leaves it. */
static const struct partition own_parts[] = {
    { .index = 1,
      .type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
      .id = "5b0a4d3c-1d5e-4a0f-9c3a-0d6b1f4e0001",
      .offset_bytes = 1048576,
      .size_bytes = 104857600,
      .file_system = "fat32" },
    { .index = 2,
      .type = "e3c9e316-0b5c-4db8-817d-f92df00215ae",
      .id = "5b0a4d3c-1d5e-4a0f-9c3a-0d6b1f4e0002",
      .offset_bytes = 105906176,
      .size_bytes = 16777216 },
    { .index = 3,
      .type = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
      .id = "5b0a4d3c-1d5e-4a0f-9c3a-0d6b1f4e0003",
      .offset_bytes = 122683392,
      .size_bytes = 511ull << 30,
      .file_system = "ntfs" },
};

static bool is_visible(const struct sim_host *host, const struct attached *a)
{
    return os_now_usec() >= a->since_usec + (int64_t)host->job_ms * 2000;
}

static void volume_name(const struct piece *p, char ret[64])
{
    if (p->attached)
        attached_volume_name(p->attached, p->part, ret);
    else
        snprintf(ret, 64, "\\\\?\\Volume{%s}\\", p->partition->id);
}

static const char *access_of(const struct piece *p)
{
    if (p->attached)
        return p->attached->access[p->part];
    return p->part == 2 ? "C:\\" : NULL;
}

/* A letter's access path is "X:\"; 0: none. */
static unsigned letter_of(const struct piece *p)
{
    const char *access = access_of(p);

    return access && strlen(access) == 3 ? (unsigned char)access[0] : 0;
}

static void put_ids(struct maker *m, const struct piece *p, const char *kind,
                    const char *unique)
{
    CLEANUP(free_cleanup)
    char *object = text_printf(
        "{1}\\\\%s\\root/Microsoft/Windows/Storage/Providers_v2\\WSP_%s.ObjectId="
        "\"{a7e2b0c4-6d5f-4b1e-8a39-1f0d2c3b4a59}:%s\"",
        p->host->name, kind, unique);

    if (!object)
        m->failed = !err_no_memory(m->err);
    make_text(m, "ObjectId", object);
    make_text(m, "UniqueId", unique);
}

static void disk_path(const struct piece *p, char ret[128])
{
    if (p->attached)
        snprintf(ret, 128,
                 "\\\\?\\scsi#disk&ven_msft&prod_virtual_disk#2&1f4adffe&0&%06u#"
                 "{53f56307-b6bf-11d0-94f2-00a0c91efb8b}",
                 p->number);
    else
        snprintf(ret, 128,
                 "\\\\?\\scsi#disk&ven_nvme&prod_ssd#5&1c2f3e4d&0&000000#"
                 "{53f56307-b6bf-11d0-94f2-00a0c91efb8b}");
}

static struct cim_instance *finish(struct maker *m)
{
    if (m->failed) {
        cim_instance_free(TAKE(m->instance));
        return NULL;
    }
    return TAKE(m->instance);
}

static struct cim_instance *make_disk_row(const struct piece *p, struct err *err)
{
    const struct attached *a = p->attached;
    uint64_t size = a ? disk_size(a->disk) : 512 * GIB;
    bool mbr = a && a->part_count && strcmp(a->parts[0].type, "0x07") == 0;
    char path[128];
    struct maker m;

    disk_path(p, path);
    make_begin(&m, p->host, STORAGE, "MSFT_Disk", err);
    put_ids(&m, p, "Disk", path);
    make_text(&m, "Path", path);
    make_text(&m, "Location",
              a ? a->path : "Integrated : Bus 0 : Device 14 : Function 0 : Adapter 0");
    make_text(&m, "FriendlyName", a ? "Msft Virtual Disk" : "NVMe SSD");
    make_text(&m, "Manufacturer", a ? "Msft    " : "NVMe    ");
    make_text(&m, "Model", a ? "Virtual Disk    " : "SSD");
    make_number(&m, "Number", p->number);
    make_number(&m, "BusType", a ? BUS_FILE_BACKED : BUS_NVME);
    make_number(&m, "PartitionStyle",
                !a || (a->part_count && !mbr) ? STYLE_GPT
                : mbr                         ? STYLE_MBR
                                              : STYLE_RAW);
    make_number(&m, "NumberOfPartitions", a ? a->part_count : ARRAY_LEN(own_parts));
    make_number(&m, "Size", size);
    make_number(&m, "LogicalSectorSize", a ? disk_sector_bytes(a->disk) : 512);
    make_number(&m, "PhysicalSectorSize", 4096);
    make_number(&m, "IsOffline", 0);
    make_number(&m, "IsReadOnly", a && a->read_only);
    make_number(&m, "IsSystem", !a);
    make_number(&m, "IsBoot", !a);
    make_number(&m, "BootFromDisk", !a);
    make_number(&m, "HealthStatus", 0);
    make_number(&m, "OperationalStatus", STATUS_ONLINE);
    return finish(&m);
}

static struct cim_instance *make_partition_row(const struct piece *p, struct err *err)
{
    bool gpt = text_is_guid(p->partition->type);
    const char *access = access_of(p);
    char path[128], unique[200], volume[64], braced[48];
    const char *paths[2];
    size_t count = 0;
    struct maker m;

    disk_path(p, path);
    volume_name(p, volume);
    snprintf(unique, sizeof(unique), "PR:%s:%llu", path,
             (unsigned long long)p->partition->offset_bytes);
    make_begin(&m, p->host, STORAGE, "MSFT_Partition", err);
    put_ids(&m, p, "Partition", unique);
    make_text(&m, "DiskId", path);
    make_number(&m, "DiskNumber", p->number);
    make_number(&m, "PartitionNumber", p->partition->index);
    make_number(&m, "Offset", p->partition->offset_bytes);
    make_number(&m, "Size", p->partition->size_bytes);
    if (gpt) {
        snprintf(braced, sizeof(braced), "{%s}", p->partition->type);
        make_text(&m, "GptType", braced);
        snprintf(braced, sizeof(braced), "{%s}", p->partition->id);
        make_text(&m, "Guid", braced);
    } else {
        make_number(&m, "MbrType", 7);
        make_number(&m, "IsActive", p->part == 0);
    }
    make_number(&m, "DriveLetter", letter_of(p));
    if (access)
        paths[count++] = access;
    if (*p->partition->file_system)
        paths[count++] = volume;
    if (count > 0 && !m.failed)
        m.failed = !cim_set_texts(m.instance, "AccessPaths", paths, count, err);
    make_number(&m, "IsHidden", 0);
    make_number(&m, "IsOffline", 0);
    make_number(&m, "IsReadOnly", p->attached && p->attached->read_only);
    make_number(&m, "IsBoot", !p->attached && p->part == 2);
    make_number(&m, "IsSystem", !p->attached && p->part == 0);
    make_number(&m, "NoDefaultDriveLetter", 0);
    make_number(&m, "TransitionState", 1);
    return finish(&m);
}

/* A volume that cannot be mounted has neither file system nor sizes. */
static struct cim_instance *make_volume_row(const struct piece *p, struct err *err)
{
    struct volume *volume = NULL;
    struct err unreadable = ERR_INIT;
    char name[64];
    struct maker m;

    volume_name(p, name);
    make_begin(&m, p->host, STORAGE, "MSFT_Volume", err);
    put_ids(&m, p, "Volume", name);
    make_text(&m, "Path", name);
    make_number(&m, "DriveLetter", letter_of(p));
    make_number(&m, "DriveType", 3);
    make_number(&m, "HealthStatus", 0);
    if (strcmp(p->partition->file_system, "fat32") == 0) {
        make_text(&m, "FileSystem", "FAT32");
        make_number(&m, "FileSystemType", TYPE_FAT32);
        make_number(&m, "Size", p->partition->size_bytes);
        return finish(&m);
    }
    if (!p->attached) {
        make_text(&m, "FileSystem", "NTFS");
        make_number(&m, "FileSystemType", TYPE_NTFS);
        make_number(&m, "AllocationUnitSize", 4096);
        make_number(&m, "Size", p->partition->size_bytes);
        make_number(&m, "SizeRemaining", 200 * GIB);
        return finish(&m);
    }
    if (strcmp(p->partition->file_system, "ntfs") == 0 &&
        attached_volume(p->world, p->attached, p->part, &volume, &unreadable)) {
        CLEANUP(free_cleanup) char *label = volume_label(volume);

        make_text(&m, "FileSystem", "NTFS");
        make_text(&m, "FileSystemLabel", label);
        make_number(&m, "FileSystemType", TYPE_NTFS);
        make_number(&m, "AllocationUnitSize", volume_cluster_bytes(volume));
        make_number(&m, "Size", volume_size_bytes(volume));
        make_number(&m, "SizeRemaining", volume_free_bytes(volume));
    } else {
        make_number(&m, "FileSystemType", 0);
        make_number(&m, "Size", 0);
        make_number(&m, "SizeRemaining", 0);
    }
    return finish(&m);
}

static struct cim_instance *make_link_row(const struct piece *p, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *partition = make_partition_row(p, err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *volume = make_volume_row(p, err);
    CLEANUP(cim_path_cleanup)
    struct cim_path *from = partition ? cim_schema_path(partition, err) : NULL;
    CLEANUP(cim_path_cleanup)
    struct cim_path *to = volume ? cim_schema_path(volume, err) : NULL;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *link = cim_instance_new(STORAGE, "MSFT_PartitionToVolume");

    if (!link)
        err_no_memory(err);
    if (!from || !to || !link || !cim_set_path(link, "Partition", from, err) ||
        !cim_set_path(link, "Volume", to, err))
        return NULL;
    return TAKE(link);
}

/* ---- walking ---- */

typedef struct cim_instance *make_row_fn(const struct piece *p, struct err *err);

struct walk {
    make_row_fn *make;
    bool of_disks, of_volumes;
    bool (*on_row)(struct cim_instance *row, void *user);
    void *user;
    struct sim_fault *fault;
};

/* False: stop; @fault tells whether that is a failure. */
static bool give(const struct walk *walk, const struct piece *p, bool *ret_failed)
{
    struct err err = ERR_INIT;
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = walk->make(p, &err);

    if (!row) {
        *ret_failed = true;
        return sim_fault_err(walk->fault, &err);
    }
    return walk->on_row(row, walk->user);
}

static bool give_disk(const struct walk *walk, struct piece *p,
                      const struct partition *parts, unsigned count, bool *ret_failed)
{
    if (walk->of_disks)
        return give(walk, p, ret_failed);
    for (unsigned i = 0; i < count; i++) {
        p->part = i;
        p->partition = &parts[i];
        if (walk->of_volumes && !*parts[i].file_system)
            continue;
        if (!give(walk, p, ret_failed))
            return false;
    }
    return true;
}

static bool walk_disks(struct sim_host *host, const struct walk *walk)
{
    struct piece p = { .host = host };
    bool failed = false;

    if (!windows_world(host, &p.world, walk->fault))
        return false;
    if (!give_disk(walk, &p, own_parts, ARRAY_LEN(own_parts), &failed))
        return !failed;
    for (struct attached *a = p.world->attached; a; a = a->next) {
        p.attached = a;
        p.number = a->number;
        if (is_visible(host, a) && !give_disk(walk, &p, a->parts, a->part_count, &failed))
            return !failed;
    }
    return true;
}

static bool list_disks(struct sim_host *host, const struct cim_instance *where,
                       bool (*on_row)(struct cim_instance *row, void *user), void *user,
                       struct sim_fault *fault)
{
    struct walk walk = { make_disk_row, true, false, on_row, user, fault };

    return walk_disks(host, &walk);
}

static bool list_partitions(struct sim_host *host, const struct cim_instance *where,
                            bool (*on_row)(struct cim_instance *row, void *user),
                            void *user, struct sim_fault *fault)
{
    struct walk walk = { make_partition_row, false, false, on_row, user, fault };

    return walk_disks(host, &walk);
}

static bool list_volumes(struct sim_host *host, const struct cim_instance *where,
                         bool (*on_row)(struct cim_instance *row, void *user), void *user,
                         struct sim_fault *fault)
{
    struct walk walk = { make_volume_row, false, true, on_row, user, fault };

    return walk_disks(host, &walk);
}

static bool list_links(struct sim_host *host, const struct cim_instance *where,
                       bool (*on_row)(struct cim_instance *row, void *user), void *user,
                       struct sim_fault *fault)
{
    struct walk walk = { make_link_row, false, true, on_row, user, fault };

    return walk_disks(host, &walk);
}

/* ---- methods: the object is found again by its key ---- */

static bool find_piece(struct sim_call *call, bool of_disks, struct piece *ret,
                       struct sim_fault *fault)
{
    const char *wanted = cim_path_get(call->path, "ObjectId");
    struct piece p = { .host = call->host };
    struct err err = ERR_INIT;

    if (!windows_world(call->host, &p.world, fault))
        return false;
    for (struct attached *a = p.world->attached; wanted && a; a = a->next) {
        unsigned count = of_disks ? 1 : a->part_count;

        for (unsigned i = 0; i < count; i++) {
            CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

            p.attached = a;
            p.number = a->number;
            p.part = i;
            p.partition = &a->parts[i];
            row = of_disks ? make_disk_row(&p, &err) : make_partition_row(&p, &err);
            if (!row)
                return sim_fault_err(fault, &err);
            if (is_visible(call->host, a) &&
                text_ieq(cim_get_text(row, "ObjectId"), wanted)) {
                *ret = p;
                return true;
            }
        }
    }
    if (wanted && text_istr(wanted, "ven_nvme"))
        return sim_unknown(fault, "changing the host's own disk");
    return sim_refuse(fault, "a:DestinationUnreachable", 0x80041002, "no such %s",
                      of_disks ? "disk" : "partition");
}

static bool disk_online(struct sim_call *call, struct sim_fault *fault)
{
    struct piece p;

    return find_piece(call, true, &p, fault) && sim_return(call, 0, fault);
}

static bool disk_set_attributes(struct sim_call *call, struct sim_fault *fault)
{
    struct piece p;
    bool read_only;

    if (!find_piece(call, true, &p, fault))
        return false;
    if (cim_get_text(call->in, "Guid") || !cim_get_bool(call->in, "IsReadOnly", &read_only))
        return sim_unknown(fault, "MSFT_Disk.SetAttributes of anything but IsReadOnly");
    if (read_only != p.attached->read_only)
        return sim_unknown(fault, "changing IsReadOnly of an attached image");
    return sim_return(call, 0, fault);
}

/* "M:", "M:\", "C:\folder": as AccessPaths shows it.  0, or a ReturnValue. */
static uint32_t check_access(struct sim_world *w, const char *access, char **ret)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *plain = world_normalize(access, &err);
    struct file_info info;
    bool is_dir;

    if (!plain || strncmp(plain, "\\\\?\\", 4) == 0)
        return FAILED_PATH;
    for (struct attached *a = w->attached; a; a = a->next)
        for (unsigned i = 0; i < a->part_count; i++)
            if (a->access[i] && text_istarts(a->access[i], plain) &&
                a->access[i][strlen(plain)] == '\\' && !a->access[i][strlen(plain) + 1])
                return FAILED_IN_USE;
    if (strlen(plain) > 2) {
        bool empty = true;

        if (!world_stat(w, plain, &info, &err))
            return FAILED_PATH;
        is_dir = info.attributes & FILE_IS_DIR;
        free(info.name);
        if (!is_dir || !world_is_empty(w, plain, &empty, &err) || !empty)
            return FAILED_PATH;
    } else if (plain[0] == 'C') {
        return FAILED_IN_USE;
    }
    *ret = text_printf("%s\\", plain);
    return *ret ? 0 : 40002;
}

static bool add_access_path(struct sim_call *call, struct sim_fault *fault)
{
    const char *access = cim_get_text(call->in, "AccessPath");
    CLEANUP(free_cleanup) char *plain = NULL;
    char letter[] = "D:\\";
    bool assign = false;
    struct err err = ERR_INIT;
    struct piece p;
    uint32_t code;

    cim_get_bool(call->in, "AssignDriveLetter", &assign);
    if (!find_piece(call, false, &p, fault))
        return false;
    if (!access == !assign) /* one of them, not both */
        return sim_return(call, FAILED_PARAMETER, fault);
    if (!*p.partition->file_system)
        return sim_return(call, FAILED_HIDDEN, fault);
    if (assign) {
        if (!attached_free_letter(p.world, &letter[0]))
            return sim_return(call, 40002, fault);
        plain = text_dup(letter);
    } else {
        code = check_access(p.world, access, &plain);
        if (code != 0)
            return sim_return(call, code, fault);
    }
    if (!plain)
        return sim_refuse(fault, "w:InternalError", 8, "no memory");
    if (p.attached->access[p.part])
        return sim_unknown(fault, "a second access path of one partition");
    return attached_set_access(p.world, p.attached, p.part, plain, &err)
               ? sim_return(call, 0, fault)
               : sim_fault_err(fault, &err);
}

static bool remove_access_path(struct sim_call *call, struct sim_fault *fault)
{
    const char *access = cim_get_text(call->in, "AccessPath");
    CLEANUP(free_cleanup) char *plain = NULL;
    struct err err = ERR_INIT;
    struct piece p;
    const char *now;

    if (!find_piece(call, false, &p, fault))
        return false;
    if (!access)
        return sim_return(call, FAILED_PARAMETER, fault);
    plain = world_normalize(access, &err);
    now = p.attached->access[p.part];
    if (!plain || !now || !text_istarts(now, plain) || strlen(now) != strlen(plain) + 1)
        return sim_return(call, FAILED_PATH, fault);
    return attached_set_access(p.world, p.attached, p.part, NULL, &err)
               ? sim_return(call, 0, fault)
               : sim_fault_err(fault, &err);
}

#define DOCS "MicrosoftDocs/windows-driver-docs storage/"

static const struct sim_method methods[] = {
    { STORAGE, "MSFT_Disk", "Online", disk_online, DOCS "msft-disk-online.md" },
    { STORAGE, "MSFT_Disk", "SetAttributes", disk_set_attributes,
      DOCS "msft-disk-setattributes.md" },
    { STORAGE, "MSFT_Partition", "AddAccessPath", add_access_path,
      DOCS "addaccesspath-msft-partition.md" },
    { STORAGE, "MSFT_Partition", "RemoveAccessPath", remove_access_path,
      DOCS "removeaccesspath-msft-partition.md" },
    { 0 },
};

static const struct sim_dynamic_class classes[] = {
    { STORAGE, "MSFT_Disk", list_disks, DOCS "msft-disk.md" },
    { STORAGE, "MSFT_Partition", list_partitions, DOCS "msft-partition.md" },
    { STORAGE, "MSFT_Volume", list_volumes, DOCS "msft-volume.md" },
    { STORAGE, "MSFT_PartitionToVolume", list_links, DOCS "msft-partitiontovolume.md" },
    { 0 },
};

const struct sim_behaviour windows_storage = {
    .name = "storage",
    .methods = methods,
    .dynamic_classes = classes,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Msvm_ImageManagementService and Msvm_MountedStorageImage: attaching VM disks to the
 * host.  Attach is a Msvm_StorageJob (JobType 7); what stands against it ends the job
 * with 32768, the code of "failed" (which code an image in use gives is unconfirmed).
 *
 * Source: MicrosoftDocs/win32 desktop-src/HyperV_v2 (attachvirtualharddisk-, find
 * mountedstorageimageinstance-, getvirtualharddisksettingdata-msvm-imagemanagement
 * service; detachvirtualharddisk-msvm-mountedstorageimage; msvm-virtualharddisk*).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "maker.h"
#include "os.h"
#include "text.h"
#include "windows-os.h"
#include "world-inside.h"

#define HV "root/virtualization/v2"
enum {
    JOB_ATTACH = 7,
    FAILED = 32768,
    INVALID_PARAMETER = 32773,
    FILE_NOT_FOUND = 32779,
    NOT_MOUNTED = 32789,
    CRITERION_PATH = 2,
    TYPE_FIXED = 2,
    TYPE_DYNAMIC = 3,
    TYPE_DIFFERENCING = 4,
    FORMAT_VHD = 2,
    FORMAT_VHDX = 3,
    SHOWN_BY_HOST = 3, /* MountedStorageImage.Type of a VHDX */
    ACCESS_READ = 1,
    ACCESS_READ_WRITE = 3,
};

/* ---- attach ---- */

struct attach_job {
    bool read_only, assign_letter;
    char path[];
};

static uint32_t finish_attach(struct sim_host *host, void *user,
                              struct sim_object **affected)
{
    struct attach_job *job = user;
    struct err err = ERR_INIT;
    struct sim_world *world = sim_host_world(host, &err);
    char text[400];

    if (world && world_attach(world, job->path, job->read_only, job->assign_letter, &err))
        return 0;
    err_format(&err, text, sizeof(text));
    sim_job_say(host, "Failed to attach the virtual hard disk. %s", text);
    return FAILED;
}

static bool attach(struct sim_call *call, struct sim_fault *fault)
{
    const char *path = cim_get_text(call->in, "Path");
    struct attach_job *job;

    if (!path)
        return sim_return(call, INVALID_PARAMETER, fault);
    job = calloc(1, sizeof(*job) + strlen(path) + 1);
    if (!job)
        return sim_refuse(fault, "w:InternalError", 8, "no memory");
    strcpy(job->path, path);
    cim_get_bool(call->in, "ReadOnly", &job->read_only);
    cim_get_bool(call->in, "AssignDriveLetter", &job->assign_letter);
    return sim_job_start(call, "Msvm_StorageJob", JOB_ATTACH, finish_attach, job, fault);
}

/* ---- what is mounted ---- */

static struct cim_instance *make_mounted(struct sim_host *host, const struct attached *a,
                                         struct err *err)
{
    char pnp[128];
    struct maker m;

    snprintf(pnp, sizeof(pnp), "SCSI\\Disk&Ven_Msft&Prod_Virtual_Disk\\2&1f4adffe&0&%06u",
             a->number);
    make_begin(&m, host, HV, "Msvm_MountedStorageImage", err);
    make_text(&m, "Name", a->path);
    make_text(&m, "Caption", "Mounted Storage Image");
    make_text(&m, "Description", "Mounted Storage Image");
    make_number(&m, "PortNumber", 2);
    make_number(&m, "PathId", 0);
    make_number(&m, "TargetId", 0);
    make_number(&m, "Lun", a->number);
    make_number(&m, "Type", SHOWN_BY_HOST);
    make_number(&m, "Access", a->read_only ? ACCESS_READ : ACCESS_READ_WRITE);
    make_text(&m, "PnpDevicePath", pnp);
    if (m.failed) {
        cim_instance_free(TAKE(m.instance));
        return NULL;
    }
    return TAKE(m.instance);
}

static bool list_mounted(struct sim_host *host, const struct cim_instance *where,
                         bool (*on_row)(struct cim_instance *row, void *user), void *user,
                         struct sim_fault *fault)
{
    struct sim_world *world;

    if (!windows_world(host, &world, fault))
        return false;
    for (struct attached *a = world->attached; a; a = a->next) {
        struct err err = ERR_INIT;
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *row = make_mounted(host, a, &err);

        if (!row)
            return sim_fault_err(fault, &err);
        if (!on_row(row, user))
            break;
    }
    return true;
}

static bool find_mounted(struct sim_call *call, struct sim_fault *fault)
{
    const char *criterion = cim_get_text(call->in, "SelectionCriterion");
    uint64_t type = 0;
    struct sim_world *world;
    struct attached *a;
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *plain = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;

    cim_get_u64(call->in, "CriterionType", &type);
    if (!criterion)
        return sim_return(call, INVALID_PARAMETER, fault);
    if (type != CRITERION_PATH)
        return sim_unknown(fault, "FindMountedStorageImageInstance by anything but a path");
    if (!windows_world(call->host, &world, fault))
        return false;
    plain = world_normalize(criterion, &err);
    a = plain ? attached_find(world, plain) : NULL;
    if (!a)
        return sim_return(call, NOT_MOUNTED, fault);
    row = make_mounted(call->host, a, &err);
    path = row ? cim_schema_path(row, &err) : NULL;
    if (!path || !cim_set_path(call->out, "Image", path, &err))
        return sim_fault_err(fault, &err);
    return sim_return(call, 0, fault);
}

static bool detach(struct sim_call *call, struct sim_fault *fault)
{
    CLEANUP(free_cleanup) char *file = NULL;
    struct sim_world *world;
    struct err err = ERR_INIT;

    if (!windows_world(call->host, &world, fault))
        return false;
    for (struct attached *a = world->attached; a && !file; a = a->next) {
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *row = make_mounted(call->host, a, &err);
        CLEANUP(cim_path_cleanup)
        struct cim_path *path = row ? cim_schema_path(row, &err) : NULL;

        if (!path)
            return sim_fault_err(fault, &err);
        if (cim_path_equal(path, call->path))
            file = text_dup(a->path);
    }
    if (!file)
        return sim_refuse(fault, "a:DestinationUnreachable", 0x80041002,
                          "no such mounted storage image");
    if (world_detach(world, file, &err))
        return sim_return(call, 0, fault);
    return err.kind == ERR_UNSUPPORTED ? sim_unknown(fault, err.text[0])
                                       : sim_return(call, 1, fault);
}

/* ---- facts about an image ---- */

struct facts {
    char *path;
    bool is_attached, in_use;
    uint64_t file_bytes, virtual_bytes;
    unsigned type, format, sector_bytes;
};

static void read_facts(const struct disk *disk, struct facts *f)
{
    const char *format = disk_format(disk);

    f->virtual_bytes = disk_size(disk);
    f->sector_bytes = disk_sector_bytes(disk);
    f->format = text_istarts(format, "vhdx") ? FORMAT_VHDX : FORMAT_VHD;
    f->type = text_iends(format, "fixed")          ? TYPE_FIXED
              : text_iends(format, "differencing") ? TYPE_DIFFERENCING
                                                   : TYPE_DYNAMIC;
}

/* 0, or the ReturnValue. */
static uint32_t find_facts(struct sim_world *w, const char *path, struct facts *ret)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct file_info info;
    struct err err = ERR_INIT;
    struct attached *a;

    *ret = (struct facts){ 0 };
    if (!path)
        return INVALID_PARAMETER;
    if (!world_resolve(w, path, &place, &err) || !place.exists || place.is_dir ||
        place.attached || !world_stat(w, path, &info, &err))
        return FILE_NOT_FOUND;
    free(info.name);
    ret->file_bytes = info.size;
    a = attached_find(w, place.windows);
    ret->is_attached = a != NULL;
    ret->in_use = a || sim_vm_uses_disk(w->host, place.windows);
    if (a) {
        read_facts(a->disk, ret);
    } else {
        CLEANUP(disk_cleanup) struct disk *disk = disk_open(place.inner, DISK_READ, &err);

        if (!disk)
            return FAILED;
        read_facts(disk, ret);
    }
    ret->path = TAKE(place.windows);
    return 0;
}

static bool put_embedded(struct sim_call *call, struct maker *m, const char *name,
                         struct sim_fault *fault)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = TAKE(m->instance);
    CLEANUP(free_cleanup) char *text = NULL;

    if (m->failed)
        return sim_fault_err(fault, m->err);
    text = cim_xml_write(instance, m->err);
    return (text && cim_set_text(call->out, name, text, m->err)) ||
           sim_fault_err(fault, m->err);
}

static bool get_setting_data(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_world *world;
    struct err err = ERR_INIT;
    struct facts f;
    struct maker m;
    uint32_t code;
    bool ok;

    if (!windows_world(call->host, &world, fault))
        return false;
    code = find_facts(world, cim_get_text(call->in, "Path"), &f);
    if (code != 0)
        return sim_return(call, code, fault);
    make_begin(&m, call->host, HV, "Msvm_VirtualHardDiskSettingData", &err);
    make_text(&m, "InstanceID", f.path);
    make_text(&m, "ElementName", strrchr(f.path, '\\') + 1);
    make_text(&m, "Path", f.path);
    make_number(&m, "Type", f.type);
    make_number(&m, "Format", f.format);
    make_number(&m, "MaxInternalSize", f.virtual_bytes);
    make_number(&m, "LogicalSectorSize", f.sector_bytes);
    make_number(&m, "PhysicalSectorSize", 4096);
    ok = put_embedded(call, &m, "SettingData", fault);
    free(f.path);
    return ok && sim_return(call, 0, fault);
}

static bool get_state(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_world *world;
    struct err err = ERR_INIT;
    struct facts f;
    struct maker m;
    uint32_t code;

    if (!windows_world(call->host, &world, fault))
        return false;
    code = find_facts(world, cim_get_text(call->in, "Path"), &f);
    if (code != 0)
        return sim_return(call, code, fault);
    free(f.path);
    make_begin(&m, call->host, HV, "Msvm_VirtualHardDiskState", &err);
    make_number(&m, "InUse", f.in_use);
    make_number(&m, "FileSize", f.file_bytes);
    make_number(&m, "Alignment", 1);
    make_number(&m, "PhysicalSectorSize", 4096);
    return put_embedded(call, &m, "State", fault) && sim_return(call, 0, fault);
}

#define DOCS "MicrosoftDocs/win32 desktop-src/HyperV_v2/"

static const struct sim_method methods[] = {
    { HV, "Msvm_ImageManagementService", "AttachVirtualHardDisk", attach,
      DOCS "attachvirtualharddisk-msvm-imagemanagementservice.md" },
    { HV, "Msvm_ImageManagementService", "FindMountedStorageImageInstance", find_mounted,
      DOCS "msvm-imagemanagementservice-findmountedstorageimageinstance.md" },
    { HV, "Msvm_ImageManagementService", "GetVirtualHardDiskSettingData", get_setting_data,
      DOCS "getvirtualharddisksettingdata-msvm-imagemanagementservice.md" },
    { HV, "Msvm_ImageManagementService", "GetVirtualHardDiskState", get_state,
      DOCS "getvirtualharddiskstate-msvm-imagemanagementservice.md" },
    { HV, "Msvm_MountedStorageImage", "DetachVirtualHardDisk", detach,
      DOCS "detachvirtualharddisk-msvm-mountedstorageimage.md" },
    { 0 },
};

static const struct sim_dynamic_class classes[] = {
    { HV, "Msvm_MountedStorageImage", list_mounted, DOCS "msvm-mountedstorageimage.md" },
    { 0 },
};

const struct sim_behaviour windows_images = {
    .name = "images",
    .methods = methods,
    .dynamic_classes = classes,
};

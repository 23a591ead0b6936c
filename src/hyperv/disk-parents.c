/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parents of a VM's differencing disks, asked from the image service, one call per
 * disk: no class lists them.
 *
 * Source: hyperv_v2 getvirtualharddisksettingdata-msvm-imagemanagementservice,
 * Msvm_VirtualHardDiskSettingData.
 */
#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "job.h"
#include "text.h"

enum { DISK_MOST = 64, JOB_MS = 30 * 1000 };

static bool take_parent(struct hv_disk *disk, const struct cim_instance *out,
                        struct err *err)
{
    const char *text = cim_get_text(out, "SettingData");
    CLEANUP(cim_instance_cleanup) struct cim_instance *data = NULL;
    struct err ignored = ERR_INIT;

    data = text ? cim_xml_read(text, strlen(text), &ignored) : NULL;
    return !data || take_text(&disk->parent, data, "ParentPath", err);
}

static bool ask(struct cim_session *session, struct hv_disk *disk, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *service = hv_service_path("Msvm_ImageManagementService");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "GetVirtualHardDiskSettingData");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    struct hv_call_options options = { .timeout_ms = JOB_MS };
    struct err why = ERR_INIT;

    if (!service || !in)
        return err_no_memory(err);
    if (!cim_set_text(in, "Path", disk->path, err))
        return false;
    if (hv_call(session, service, "GetVirtualHardDiskSettingData", in, NULL, &options, &out,
                NULL, &why))
        return take_parent(disk, out, err);
    if (stays_unknown(&why))
        return true;
    *err = why;
    return false;
}

bool hv_read_disk_parents(struct cim_session *session, struct hv_vm *vm, struct err *err)
{
    for (size_t i = 0; i < vm->disk_count && i < DISK_MOST; i++)
        if (!ask(session, &vm->disks[i], err))
            return err_wrap(err, "asking about '%.120s'", vm->disks[i].path);
    return true;
}

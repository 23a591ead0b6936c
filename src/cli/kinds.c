/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every kind of step there is: whatever a run of any command did, undo can take back. */

#include "change.h"
#include "dda-steps.h"
#include "partition.h"
#include "plan-host.h"
#include "share-steps.h"
#include "steps.h"
#include "vm-steps.h"
#include "vmx-step.h"

/* clang-format off */
const struct step_kind *const all_step_kinds[] = {
    &step_vm_stop,
    &step_vm_start,
    &step_vm_settings,
    &step_adapter_add,
    &step_adapter_quota,
    &step_adapter_remove,
    &step_host_folder,
    &step_image_attach,
    &step_image_mount,
    &step_image_unmount,
    &step_image_detach,
    &step_drivers_plan,
    &step_drivers_look,
    &step_drivers_check,
    &step_verify,
    &step_driver_package,
    &step_driver_file,
    &step_driver_registry,
    &step_driver_manifest,
    &step_driver_remove,
    &step_disk_commit,
    &step_driver_verify,
    &step_device_disable,
    &step_device_enable,
    &step_device_dismount,
    &step_device_mount,
    &step_device_add,
    &step_device_remove,
    &step_device_verify,
    &step_device_used,
    &step_device_works,
    &step_vmx_edit,
    &step_offline_action,
    &step_cluster_owner,
    &step_partition_count,
    &step_apply_rest,
    NULL,
};
/* clang-format on */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All commands, in the order of --help. */

#include "commands.h"

#include "command.h"

const struct command *const hvgpu_commands[] = {
    &cmd_status,
    &cmd_gpu_list,
    &cmd_gpu_show,
    &cmd_vm_list,
    &cmd_vm_show,
    &cmd_survey,
    &cmd_attach,
    &cmd_detach,
    &cmd_partition_set,
    &cmd_partition_place,
    &cmd_driver_show,
    &cmd_driver_inf,
    &cmd_driver_adapters,
    &cmd_driver_inject,
    &cmd_driver_sync,
    &cmd_dda_list,
    &cmd_dda_assign,
    &cmd_dda_return,
    &cmd_dda_recover,
    &cmd_diff,
    &cmd_apply,
    &cmd_export,
    &cmd_history,
    &cmd_undo,
    &cmd_resume,
    &cmd_image_show,
    &cmd_vmx_show,
    &cmd_vmx_enable_3d,
    &cmd_vmx_undo,
    &cmd_host_check,
    NULL,
};

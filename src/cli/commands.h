/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line per command; the table is in commands.c. */
#pragma once

struct command;

extern const struct command cmd_status;
extern const struct command cmd_survey;
extern const struct command cmd_gpu_list;
extern const struct command cmd_gpu_show;
extern const struct command cmd_vm_list;
extern const struct command cmd_vm_show;
extern const struct command cmd_driver_inf;
extern const struct command cmd_attach;
extern const struct command cmd_detach;
extern const struct command cmd_partition_set;
extern const struct command cmd_partition_place;
extern const struct command cmd_diff;
extern const struct command cmd_apply;
extern const struct command cmd_export;
extern const struct command cmd_history;
extern const struct command cmd_undo;
extern const struct command cmd_resume;
extern const struct command cmd_driver_inject;
extern const struct command cmd_driver_show;
extern const struct command cmd_image_show;
extern const struct command cmd_host_check;
extern const struct command cmd_driver_adapters;
extern const struct command cmd_driver_sync;
extern const struct command cmd_dda_list;
extern const struct command cmd_dda_assign;
extern const struct command cmd_dda_return;
extern const struct command cmd_dda_recover;
extern const struct command cmd_vmx_show;
extern const struct command cmd_vmx_enable_3d;
extern const struct command cmd_vmx_undo;

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of step that attach and detach consist of, and what they are made from.
 * Each makes its step with the parameters its kind needs to find the thing again.
 */
#pragma once

#include "vm-steps.h"

extern const struct step_kind step_adapter_add, step_adapter_quota, step_adapter_remove;
extern const struct step_kind step_host_folder, step_image_attach, step_image_mount,
    step_image_unmount, step_image_detach;
extern const struct step_kind step_drivers_plan, step_drivers_look, step_drivers_check,
    step_verify;

/* ---- adapters (adapter-steps.c) ---- */

/* @interface_path NULL: not pinned, for hosts that cannot. */
bool add_adapter_add(struct plan *plan, const struct hv_vm *vm, const char *gpu_name,
                     const char *interface_path, struct err *err) MUST_CHECK;
bool add_adapter_remove(struct plan *plan, const struct hv_vm *vm,
                        const struct hv_adapter *adapter, struct err *err) MUST_CHECK;
/* @fresh: an earlier step of the plan adds the adapter, so undoing needs nothing here. */
bool add_adapter_quota(struct plan *plan, const struct hv_vm *vm,
                       const char *interface_path,
                       const struct hv_quota before[QUOTA_COUNT],
                       const struct hv_quota after[QUOTA_COUNT], bool fresh,
                       struct err *err) MUST_CHECK;
/* How many adapters of this VM are pinned to @interface_path (NULL: to none). */
bool count_adapters(struct cim_session *session, const char *vm_id,
                    const char *interface_path, unsigned *ret, struct err *err) MUST_CHECK;

/* ---- disks (image-steps.c) ---- */

/* The folder of one plan on the host: backups, and where the guest's disk is mounted. */
char *host_folder_of(const char *plan_id); /* "C:\\ProgramData\\hvgpu\\ID"; owned */

bool add_host_folder(struct plan *plan, const char *folder, struct err *err) MUST_CHECK;
/* Attach and mount; or, in this order, unmount and detach. */
bool add_image_open(struct plan *plan, const char *image, const char *folder,
                    bool read_only, struct err *err) MUST_CHECK;
bool add_image_close(struct plan *plan, const char *image, const char *folder,
                     struct err *err) MUST_CHECK;
/* The same read-only, for a disk that may hold no Windows: then it is attached only. */
bool add_image_look(struct plan *plan, const char *image, const char *folder,
                    struct err *err) MUST_CHECK;
bool add_image_look_end(struct plan *plan, const char *image, const char *folder,
                        bool mounted, struct err *err) MUST_CHECK;
/* Opens the guest on @image, attached and mounted in @folder; where it is not, it is brought
 * there first.  Sets context->guest. */
bool share_open_mounted(struct plan_context *context, const char *image, const char *folder,
                        bool read_only, struct err *err) MUST_CHECK;
/* The mounted Windows folder of @folder; owned. */
char *mounted_windows(const char *folder);
/* Where a run keeps what it needs of the guest; owned. */
char *backup_folder(const char *folder);

/* What was seen while looking for Windows on a disk. */
struct image_facts {
    bool windows_found;
    bool encrypted;       /* a volume without a file system Windows can name: BitLocker */
    bool hibernated;      /* hiberfil.sys */
    char file_system[32]; /* of the Windows volume, else of the largest one; "" unknown */
    struct known_u64 free_bytes;
};
bool read_image_facts(struct cim_session *session, const char *image, const char *folder,
                      struct image_facts *ret, struct err *err) MUST_CHECK;

/* ---- drivers (driver-steps.c) ---- */

enum drivers_task { DRIVERS_INSTALL, DRIVERS_REMOVE };
/* Plans the driver steps when the disk is open: for a VM that still runs. */
bool add_drivers_plan(struct plan *plan, const char *image, const char *folder,
                      const char *gpu, enum drivers_task task, struct err *err) MUST_CHECK;
/* Reads back what was put into the guest for that GPU. */
bool add_drivers_check(struct plan *plan, const char *gpu, struct err *err) MUST_CHECK;
/* Adds the driver steps now; the disk is open as context->guest.  @gpu: its interface path
 * or instance id.  @seen (may be NULL) learns of the driver, where nothing else on the disk
 * is left to do. */
struct seen;
bool plan_drivers(struct plan_context *context, struct plan *plan, const char *gpu,
                  enum drivers_task task, struct seen *seen, struct err *err) MUST_CHECK;

/* ---- reading everything back (verify-step.c) ---- */

/* @settings may be NULL; @adapters: how many of this GPU the VM must have then. */
bool add_verify(struct plan *plan, const struct hv_vm *vm, const json_t *settings,
                const char *interface_path, unsigned adapters, struct err *err) MUST_CHECK;

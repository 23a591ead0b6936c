/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM needs to be given a partition, compared with what it has. */

#include "wants.h"

#include "vm-plan.h"

/* Msvm_VirtualSystemSettingData: AutomaticShutdownAction, UserSnapshotType. */
enum { STOP_TURN_OFF = 2, STOP_SHUT_DOWN = 4, CHECKPOINT_DISABLED = 2 };

void share_want_settings(struct vm_changes *changes, const struct hv_vm *vm,
                         const struct gaps *gaps, const struct share_wish *wish)
{
    if (wish->guest_controlled_cache != TRI_NO)
        want_true(changes, "guest_controlled_cache", vm->guest_controlled_cache);
    else if (vm->guest_controlled_cache != TRI_NO)
        want_setting(changes, "guest_controlled_cache",
                     vm->guest_controlled_cache == TRI_YES ? json_true() : json_null(),
                     json_false());
    want_number(changes, "low_mmio_bytes", &vm->low_mmio_bytes,
                wish->low_mmio_bytes.known ? wish->low_mmio_bytes.value : gaps->low_bytes);
    want_number(changes, "high_mmio_bytes", &vm->high_mmio_bytes,
                wish->high_mmio_bytes.known ? wish->high_mmio_bytes.value
                                            : gaps->high_bytes);
    /* Saving is not supported with a partition; shutting down is kind to the guest. */
    if (wish->stop_action.known)
        want_word(changes, "stop_action", &vm->stop_action, stop_action_name,
                  wish->stop_action.value);
    else if (!vm->stop_action.known || vm->stop_action.value != STOP_TURN_OFF)
        want_word(changes, "stop_action", &vm->stop_action, stop_action_name,
                  STOP_SHUT_DOWN);
    want_word(changes, "checkpoint_type", &vm->checkpoint_type, checkpoint_type_name,
              wish->checkpoint_type.known ? wish->checkpoint_type.value
                                          : CHECKPOINT_DISABLED);
}

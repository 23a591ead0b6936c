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

/* ---- quotas ---- */

void share_want_quota(const struct hv_gpu *gpu, uint64_t percent,
                      struct hv_quota ret[QUOTA_COUNT])
{
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        const struct hv_amount *amount = &gpu->amounts[i];
        uint64_t total = amount->total.value, share;

        ret[i] = (struct hv_quota){ 0 };
        if (!amount->total.known)
            continue;
        share = total / 100 * percent + total % 100 * percent / 100;
        if (amount->min.known && share < amount->min.value)
            share = amount->min.value;
        else if (amount->max.known && share > amount->max.value)
            share = amount->max.value;
        ret[i].min = ret[i].max = ret[i].optimal = (struct known_u64){ true, share };
    }
}

bool share_same_quota(const struct hv_quota a[QUOTA_COUNT],
                      const struct hv_quota b[QUOTA_COUNT])
{
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        const struct known_u64 *left[] = { &a[i].min, &a[i].max, &a[i].optimal };
        const struct known_u64 *right[] = { &b[i].min, &b[i].max, &b[i].optimal };

        for (size_t k = 0; k < ARRAY_LEN(left); k++)
            if (left[k]->known != right[k]->known ||
                (left[k]->known && left[k]->value != right[k]->value))
                return false;
    }
    return true;
}

unsigned share_of_quota(const struct hv_gpu *gpu, const struct hv_quota quota[QUOTA_COUNT])
{
    const struct hv_quota none[QUOTA_COUNT] = { 0 };

    if (share_same_quota(quota, none))
        return 0;
    for (unsigned percent = 1; percent <= 100; percent++) {
        struct hv_quota wanted[QUOTA_COUNT];

        share_want_quota(gpu, percent, wanted);
        if (share_same_quota(quota, wanted))
            return percent;
    }
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract's words for what a host says in numbers. */
#include "inventory.h"

#include "attr.h"

static const char *word_at(const char *const *words, size_t count, uint64_t i)
{
    return i < count ? words[i] : NULL;
}

const char *gpu_status_name(enum gpu_status status)
{
    static const char *const words[] = { NULL, "partitioned", "paravirtualization",
                                         "ready-for-dda", "not-assignable" };

    return word_at(words, ARRAY_LEN(words), status);
}

const char *gpu_place_name(enum gpu_place place)
{
    static const char *const words[] = { NULL, "host", "dismounted", "assigned" };

    return word_at(words, ARRAY_LEN(words), place);
}

const char *vm_state_name(enum vm_state state)
{
    static const char *const words[] = { NULL,    "running", "off",
                                         "saved", "paused",  "changing" };

    return word_at(words, ARRAY_LEN(words), state);
}

/* Source: MicrosoftDocs/win32 HyperV_v2 msvm-virtualsystemsettingdata. */
const char *stop_action_name(uint64_t action)
{
    static const char *const words[] = { NULL, NULL, "turn-off", "save", "shut-down" };

    return word_at(words, ARRAY_LEN(words), action);
}

/* Source: as above, UserSnapshotType. */
const char *checkpoint_type_name(uint64_t type)
{
    static const char *const words[] = {
        NULL, NULL, "disabled", "production", "production-only", "standard"
    };

    return word_at(words, ARRAY_LEN(words), type);
}

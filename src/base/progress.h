/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long work tells whoever waits how far it is, and learns that it should
 * stop.  The worker calls progress_report() as often as it likes; the receiver
 * decides what to show.  NULL progress is allowed everywhere: nobody watches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

enum progress_unit { PROGRESS_BYTES, PROGRESS_PERCENT, PROGRESS_ITEMS };

struct progress {
    /* @what is lent: "copying nvlddmkm.sys".  @total 0 = not known.
     * Returning false asks the worker to stop (ERR_CANCELLED). */
    bool (*report)(struct progress *self, const char *what, enum progress_unit unit,
                   uint64_t done, uint64_t total);
};

/* True: go on.  False: @err holds ERR_CANCELLED. */
bool progress_report(struct progress *progress, const char *what, enum progress_unit unit,
                     uint64_t done, uint64_t total, struct err *err);

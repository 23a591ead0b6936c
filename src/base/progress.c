/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place where "nobody watches" and "please stop" are handled. */

#include "progress.h"

#include "err.h"

bool progress_report(struct progress *progress, const char *what, enum progress_unit unit,
                     uint64_t done, uint64_t total, struct err *err)
{
    if (!progress || progress->report(progress, what, unit, done, total))
        return true;
    return err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far long work is: a line on standard error, on terminals only.  Always there as a
 * progress, because it is also how a worker learns of Ctrl-C.
 */
#pragma once

#include "output.h"
#include "progress.h"

struct progress_bar {
    struct progress base; /* first, so that the pointers convert */
    FILE *to;             /* NULL: shows nothing */
    unsigned columns;
    bool drawn;
    uint64_t drawn_ms;   /* when it was last drawn */
    uint64_t started_ms; /* of the work with this total */
    uint64_t total, first_done;
};

void progress_bar_init(struct progress_bar *bar, const struct output *out);
/* Removes the line, so that other text can be written. */
void progress_bar_clear(struct progress_bar *bar);

/* The line itself, without control characters, at most @columns wide; for tests too. */
void progress_bar_format(char *buf, size_t size, unsigned columns, const char *what,
                         enum progress_unit unit, uint64_t done, uint64_t total,
                         uint64_t rate);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cutting the power between any two changes of an image.  A session is recorded: every
 * write, resize and flush of the image and its journal.  Then the files are rebuilt as they
 * could be found after a cut.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "test-tools.h"

enum power_cut {
    POWER_KILL, /* the process ended: what was written stays written */
    POWER_LOSS, /* of what was not flushed any part is kept, lost, or torn by sectors */
};

void power_record_start(void);      /* forgets what was recorded before */
unsigned power_record_stop(void);   /* how many changes */
unsigned power_first_journal(void); /* the first change of a journal; the count: none */
void power_forget(void);

/* To record something else meanwhile. */
struct power_recording;
struct power_recording *power_set_aside(void);
void power_take_back(struct power_recording *aside);

/* Writes the image as found when the power goes before change @cut to @path, and its journal
 * beside it.  @start: the image before the first change; @journal_start: its journal then,
 * NULL: none. */
bool power_rebuild(const uint8_t *start, size_t start_len, const uint8_t *journal_start,
                   size_t journal_len, unsigned cut, enum power_cut kind, struct dice *dice,
                   const char *path);

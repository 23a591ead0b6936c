/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small world in shared memory for plans to change, which can break or kill them. */
#pragma once

#include <stdbool.h>

#include "plan.h"
#include "test.h"

enum { CELLS = 8 };
/* LATE: the answer is lost, and what was begun comes only when it is waited for. */
enum fault { FAIL_BEFORE, FAIL_AFTER, FAIL_LATE, KILL_BEFORE, KILL_AFTER, KILL_LATE };

/* Survives the process that works on it. */
struct world {
    int cell[CELLS];
    int disk[CELLS];        /* committed */
    int uncommitted[CELLS]; /* of an open transaction; a new process starts from disk */
    bool mounted;
    int late_cell, late_value; /* still to come */
    bool is_late;
    unsigned changes;
};

extern struct world *world;
extern enum fault fault;
extern unsigned fault_at;  /* the change that it happens at; 0: never */
extern unsigned refuse_at; /* the same, but the host says no */
extern bool unreachable;
extern bool elsewhere; /* what was mounted is not of this host */
extern char state_dir[TEST_FOLDER];

/* A cell that takes two changes to set; one that may be so already; one that complains;
 * one that later steps stand on. */
extern const struct step_kind kind_cell, kind_maybe, kind_tell, kind_base;
extern const struct step_kind *const kinds[];

/* A new world and an empty journal. */
struct journal *start(struct err *err);
void stop(struct journal *journal);
struct plan_context context_of(struct journal *journal);
/* Cells 0 to 2, and two files of a disk that is mounted for them. */
struct plan *make_plan(struct err *err);
bool is_before(void);
bool is_after(void);
bool undo_newest(struct journal *journal, struct err *err);
bool resume_newest(struct journal *journal, struct err *err);

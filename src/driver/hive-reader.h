/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry hives of a Windows that is off, read in a process that can do nothing
 * else.  The child opens the files and their transaction logs, loses its rights, and only
 * then parses; a dirty hive is made clean from its logs in memory, or refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "hive.h"

struct hive_reader;

enum hive_which { HIVE_OF_SYSTEM, HIVE_OF_SOFTWARE, HIVE_OF_DRIVERS, HIVE_WHICH_COUNT };

/*
 * Local paths; NULL: there is none, and it has no keys.  SYSTEM must be given.  The logs
 * are looked for beside each: its name with .LOG1 and .LOG2, in any case.
 * @takes_unfinished: a dirty hive without any log is read as it stands, which may be older
 * than what that Windows knew: to be looked at, never to act upon.  One whose logs are there
 * and do not fit is refused all the same.
 */
struct hive_reader *hive_reader_start(const char *const paths[HIVE_WHICH_COUNT],
                                      bool takes_unfinished, struct err *err);
void hive_reader_stop(struct hive_reader *reader); /* NULL is fine */
DEFINE_CLEANUP(hive_reader_cleanup, struct hive_reader *, hive_reader_stop)

/* "ControlSet001"; lent. */
const char *hive_reader_control_set(const struct hive_reader *reader);
bool hive_reader_has(const struct hive_reader *reader, enum hive_which which);
/* It was dirty: what is read is what its logs make of it. */
bool hive_reader_was_dirty(const struct hive_reader *reader, enum hive_which which);
/* It is dirty, and read as it stands. */
bool hive_reader_is_unfinished(const struct hive_reader *reader, enum hive_which which);

/* A missing key or value is *ret_exists false. */
bool hive_reader_get(struct hive_reader *reader, enum hive_which which, const char *key,
                     const char *name, bool *ret_exists, struct hive_value *ret,
                     struct err *err) MUST_CHECK;
/* Subkeys, or with @values names of values; none when the key is missing. */
bool hive_reader_list(struct hive_reader *reader, enum hive_which which, const char *key,
                      bool values, char ***ret_names, size_t *ret_count, struct err *err)
    MUST_CHECK;

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 of many files of this machine, on all its processors. */
#pragma once

#include "err.h"
#include "hash.h"

struct progress;

struct hashed_file {
    const char *path; /* lent */
    uint64_t size;    /* what it is expected to have; then, what was read */
    char sha256[SHA256_HEX];
};

/* Only the caller's thread reports to @progress. */
bool hash_local_files(struct hashed_file *files, size_t count, struct progress *progress,
                      struct err *err) MUST_CHECK;

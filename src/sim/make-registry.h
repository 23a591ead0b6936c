/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling hives that the simulator makes: one value per call, keys as needed. */
#pragma once

#include "hive.h"

struct err;

bool put_text(struct hive *hive, const char *key, const char *name, uint32_t type,
              const char *text, struct err *err) MUST_CHECK;
bool put_number(struct hive *hive, const char *key, const char *name, uint32_t type,
                uint64_t number, struct err *err) MUST_CHECK;
bool put_texts(struct hive *hive, const char *key, const char *name,
               const char *const *texts, size_t count, struct err *err) MUST_CHECK;

/* What `winver` shows, below Microsoft\Windows NT\CurrentVersion of a SOFTWARE hive. */
struct windows_version {
    unsigned build, ubr;
    const char *edition; /* EditionID */
    const char *product; /* "Windows 11 Pro" */
    bool server;
};
bool put_version(struct hive *software, const struct windows_version *version,
                 struct err *err) MUST_CHECK;

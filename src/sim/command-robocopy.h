/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What command-robocopy*.c share: one run of robocopy, and what it prints. */
#pragma once

#include "command-inside.h"

enum { ROBOCOPY_PATTERN_MAX = 256 };

struct counts {
    uint64_t total, copied, skipped, mismatch, failed, extra;
};

struct robocopy {
    struct task *task;
    const char *patterns[ROBOCOPY_PATTERN_MAX], *without[ROBOCOPY_PATTERN_MAX],
        *without_dirs[ROBOCOPY_PATTERN_MAX];
    size_t pattern_count, without_count, without_dir_count;
    bool below, empty_too;      /* /S, /E */
    bool list_only, purge;      /* /L, /PURGE */
    bool no_header, no_summary; /* /NJH, /NJS */
    bool no_dirs, no_files;     /* /NDL, /NFL */
    bool no_class, no_size;     /* /NC, /NS */
    bool no_progress, bytes, full_path, times, verbose;
    bool even_same, even_tweaked, not_older, fat_times; /* /IS /IT /XO /FFT */
    bool copy_data, copy_attributes, copy_times;
    uint32_t add, remove; /* attributes: /A+ /A- */
    uint64_t retries, wait_s;
    uint32_t result;
    struct counts dirs, files, size;
    uint64_t started_ms;
};

/* @class_name: the tag before a file, "New File"; @folder: for /FP. */
void robocopy_put_file(const struct robocopy *r, const char *class_name, const char *folder,
                       const struct file_info *info, struct strbuf *to);
void robocopy_put_error(uint32_t code, const char *doing, const char *path,
                        struct strbuf *to);
void robocopy_put_header(const struct robocopy *r, const char *from, const char *to);
void robocopy_put_summary(const struct robocopy *r);

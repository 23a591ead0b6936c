/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk's pages in memory, by their number: changed ones, which wait for the commit,
 * and a few unchanged ones, which save reading them again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image-file.h"

enum {
    PAGES_CLEAN_MAX = 2048,
    PAGES_DIRTY_MAX = 65536, /* 256 MiB: more cannot change at once */
};

struct page {
    struct page *next; /* in its bucket */
    uint64_t number;   /* offset on the virtual disk / IMAGE_PAGE */
    bool is_dirty;
    uint8_t bytes[IMAGE_PAGE];
};

struct pages {
    struct page **buckets;
    size_t bucket_count;
    size_t dirty, clean;
};

struct page *pages_find(const struct pages *pages, uint64_t number);
/* A new page, its bytes not yet set; NULL: no memory.  Must not be there yet. */
struct page *pages_add(struct pages *pages, uint64_t number);
void pages_mark_dirty(struct pages *pages, struct page *page);
void pages_mark_clean(struct pages *pages, struct page *page);
void pages_remove(struct pages *pages, uint64_t number);
void pages_drop_clean(struct pages *pages);
void pages_clear(struct pages *pages);
/* Changed pages by number, owned (the array); NULL: no memory. */
struct page **pages_sorted_dirty(const struct pages *pages, size_t *ret_count);

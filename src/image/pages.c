/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chained hash table of pages. */

#include "pages.h"

#include <stdlib.h>

enum { BUCKETS_START = 1024 };

static size_t bucket_of(const struct pages *pages, uint64_t number)
{
    return (size_t)(number * 0x9E3779B97F4A7C15u >> 32) & (pages->bucket_count - 1);
}

struct page *pages_find(const struct pages *pages, uint64_t number)
{
    struct page *page;

    if (!pages->buckets)
        return NULL;
    page = pages->buckets[bucket_of(pages, number)];
    while (page && page->number != number)
        page = page->next;
    return page;
}

static bool grow(struct pages *pages)
{
    size_t count = pages->bucket_count ? pages->bucket_count * 2 : BUCKETS_START;
    struct pages bigger = { .buckets = calloc(count, sizeof(struct page *)),
                            .bucket_count = count };

    if (!bigger.buckets)
        return false;
    for (size_t i = 0; i < pages->bucket_count; i++)
        for (struct page *page = pages->buckets[i], *next; page; page = next) {
            struct page **bucket = &bigger.buckets[bucket_of(&bigger, page->number)];

            next = page->next;
            page->next = *bucket;
            *bucket = page;
        }
    free(pages->buckets);
    pages->buckets = bigger.buckets;
    pages->bucket_count = count;
    return true;
}

struct page *pages_add(struct pages *pages, uint64_t number)
{
    struct page *page, **bucket;

    if (pages->clean >= PAGES_CLEAN_MAX)
        pages_drop_clean(pages);
    if (pages->dirty + pages->clean >= pages->bucket_count && !grow(pages))
        return NULL;
    page = malloc(sizeof(*page));
    if (!page)
        return NULL;
    page->number = number;
    page->is_dirty = false;
    bucket = &pages->buckets[bucket_of(pages, number)];
    page->next = *bucket;
    *bucket = page;
    pages->clean++;
    return page;
}

void pages_mark_dirty(struct pages *pages, struct page *page)
{
    if (page->is_dirty)
        return;
    page->is_dirty = true;
    pages->dirty++;
    pages->clean--;
}

void pages_mark_clean(struct pages *pages, struct page *page)
{
    if (!page->is_dirty)
        return;
    page->is_dirty = false;
    pages->dirty--;
    pages->clean++;
}

void pages_remove(struct pages *pages, uint64_t number)
{
    struct page **at, *page;

    if (!pages->buckets)
        return;
    at = &pages->buckets[bucket_of(pages, number)];
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    page = *at;
    if (!page)
        return;
    *at = page->next;
    pages->dirty -= page->is_dirty;
    pages->clean -= !page->is_dirty;
    free(page);
}

void pages_drop_clean(struct pages *pages)
{
    for (size_t i = 0; i < pages->bucket_count; i++)
        for (struct page **at = &pages->buckets[i]; *at;) {
            struct page *page = *at;

            if (page->is_dirty) {
                at = &page->next;
                continue;
            }
            *at = page->next;
            free(page);
        }
    pages->clean = 0;
}

void pages_clear(struct pages *pages)
{
    for (size_t i = 0; i < pages->bucket_count; i++)
        for (struct page *page = pages->buckets[i], *next; page; page = next) {
            next = page->next;
            free(page);
        }
    free(pages->buckets);
    *pages = (struct pages){ 0 };
}

static int by_number(const void *a, const void *b)
{
    const struct page *x = *(struct page *const *)a, *y = *(struct page *const *)b;

    return x->number < y->number ? -1 : x->number > y->number;
}

struct page **pages_sorted_dirty(const struct pages *pages, size_t *ret_count)
{
    struct page **sorted = calloc(pages->dirty + 1, sizeof(struct page *));
    size_t count = 0;

    if (!sorted)
        return NULL;
    for (size_t i = 0; i < pages->bucket_count; i++)
        for (struct page *page = pages->buckets[i]; page; page = page->next)
            if (page->is_dirty)
                sorted[count++] = page;
    qsort(sorted, count, sizeof(struct page *), by_number);
    *ret_count = count;
    return sorted;
}

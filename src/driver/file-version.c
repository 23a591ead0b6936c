/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the version resource of a PE file.
 *
 * Every offset comes from the file: each is checked by at() before use, and each loop is
 * bounded by a count or moves forward.
 */

#include "file-version.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

enum { SECTIONS_MAX = 96, ENTRIES_MAX = 4096, RT_VERSION = 16 };
#define FIXED_SIGNATURE 0xFEEF04BDu

struct pe {
    const uint8_t *bytes;
    size_t len;
    size_t sections; /* offset of the section table */
    unsigned section_count;
    size_t resources, resources_len; /* in the file */
    uint32_t resources_rva;
};

/* @n bytes at @off, or NULL. */
static const uint8_t *at(const struct pe *pe, size_t off, size_t n)
{
    return off <= pe->len && n <= pe->len - off ? pe->bytes + off : NULL;
}

static uint16_t u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
}

/* Where in the file an address of the loaded image lies. */
static bool file_offset(const struct pe *pe, uint32_t rva, size_t *ret)
{
    for (unsigned i = 0; i < pe->section_count; i++) {
        const uint8_t *section = at(pe, pe->sections + 40 * (size_t)i, 40);
        uint32_t start, size;

        if (!section)
            return false;
        start = u32(section + 12);
        size = u32(section + 16);
        if (rva >= start && rva - start < size) {
            *ret = (size_t)u32(section + 20) + (rva - start);
            return true;
        }
    }
    return false;
}

static bool find_resources(struct pe *pe)
{
    const uint8_t *dos = at(pe, 0, 64), *header, *directory;
    size_t header_off, optional;
    unsigned optional_size, directories;

    if (!dos || dos[0] != 'M' || dos[1] != 'Z')
        return false;
    header_off = u32(dos + 60);
    header = at(pe, header_off, 24);
    if (!header || memcmp(header, "PE\0\0", 4) != 0)
        return false;
    pe->section_count = u16(header + 6);
    optional_size = u16(header + 20);
    optional = header_off + 24;
    pe->sections = optional + optional_size;
    if (pe->section_count > SECTIONS_MAX || !at(pe, optional, optional_size) ||
        optional_size < 2)
        return false;
    /* The table of directories: after 96 bytes in PE32, 112 in PE32+; entry 2. */
    directories = u16(pe->bytes + optional) == 0x20b ? 112 : 96;
    if (optional_size < directories + 3 * 8)
        return false;
    directory = pe->bytes + optional + directories + 2 * 8;
    pe->resources_rva = u32(directory);
    pe->resources_len = u32(directory + 4);
    return pe->resources_rva && file_offset(pe, pe->resources_rva, &pe->resources);
}

/* Follows one level of the resource tree: the entry with @id, or the first one for id 0. */
static bool descend(const struct pe *pe, uint32_t *offset, unsigned id)
{
    const uint8_t *table = at(pe, pe->resources + *offset, 16);
    unsigned count;

    if (!table)
        return false;
    count = (unsigned)u16(table + 12) + u16(table + 14);
    for (unsigned i = 0; i < count && i < ENTRIES_MAX; i++) {
        const uint8_t *entry = at(pe, pe->resources + *offset + 16 + 8 * (size_t)i, 8);

        if (!entry)
            return false;
        if (id != 0 && u32(entry) != id)
            continue;
        *offset = u32(entry + 4) & 0x7fffffff;
        return true;
    }
    return false;
}

/* One block of the version tree: length, length of value, type, key (UTF-16), value. */
struct block {
    size_t end, value, children;
    unsigned value_len;
    char key[64]; /* ASCII; other letters as '?' */
};

static bool read_block(const struct pe *pe, size_t off, size_t limit, struct block *ret)
{
    const uint8_t *head = at(pe, off, 6);
    size_t pos = off + 6, len = 0;
    const uint8_t *c;

    if (!head || u16(head) < 6 || u16(head) > limit - off)
        return false;
    ret->end = off + u16(head);
    ret->value_len = u16(head + 2);
    for (;;) {
        c = pos + 2 <= ret->end ? at(pe, pos, 2) : NULL;
        if (!c)
            return false;
        pos += 2;
        if (u16(c) == 0)
            break;
        if (len + 1 < sizeof(ret->key))
            ret->key[len++] = u16(c) < 0x80 ? (char)u16(c) : '?';
    }
    ret->key[len] = '\0';
    /* Aligned to 4 from the start of the resource, which is aligned itself. */
    ret->value = (pos + 3) & ~(size_t)3;
    ret->children = (ret->value + ret->value_len + 3) & ~(size_t)3;
    return true;
}

static bool find_child(const struct pe *pe, const struct block *parent, const char *key,
                       struct block *ret)
{
    size_t off = parent->children;

    while (off + 6 <= parent->end && read_block(pe, off, parent->end, ret)) {
        if (!key || text_ieq(ret->key, key))
            return true;
        off = (ret->end + 3) & ~(size_t)3;
    }
    return false;
}

static void read_company(const struct pe *pe, const struct block *version,
                         struct file_version *ret)
{
    struct block strings, table, company;
    const uint8_t *bytes;
    size_t len;

    if (!find_child(pe, version, "StringFileInfo", &strings))
        return;
    strings.children = strings.value; /* these two have no value of their own */
    if (!find_child(pe, &strings, NULL, &table))
        return;
    table.children = table.value;
    if (!find_child(pe, &table, "CompanyName", &company) || company.value > company.end)
        return;
    len = (size_t)company.value_len * 2; /* counted in letters, with the NUL */
    if (len > company.end - company.value)
        len = (company.end - company.value) & ~(size_t)1;
    bytes = at(pe, company.value, len);
    if (bytes) {
        CLEANUP(free_cleanup) char *text = text_from_utf16le(bytes, len, NULL);

        snprintf(ret->company, sizeof(ret->company), "%s", text ? text : "");
    }
}

bool file_version_read(const void *bytes, size_t len, struct file_version *ret)
{
    struct pe pe = { .bytes = bytes, .len = len };
    struct file_version found = { 0 };
    struct block version;
    uint32_t offset = 0;
    const uint8_t *data, *fixed;
    size_t start;

    if (!find_resources(&pe) || !descend(&pe, &offset, RT_VERSION) ||
        !descend(&pe, &offset, 0) || !descend(&pe, &offset, 0))
        return false;
    data = at(&pe, pe.resources + offset, 16);
    if (!data || !file_offset(&pe, u32(data), &start) || !at(&pe, start, u32(data + 4)) ||
        !read_block(&pe, start, start + u32(data + 4), &version) ||
        !text_ieq(version.key, "VS_VERSION_INFO"))
        return false;
    fixed = version.value_len >= 52 ? at(&pe, version.value, 52) : NULL;
    if (fixed && u32(fixed) == FIXED_SIGNATURE) {
        found.has_version = true;
        found.version = (uint64_t)u32(fixed + 8) << 32 | u32(fixed + 12);
    }
    read_company(&pe, &version, &found);
    *ret = found;
    return true;
}

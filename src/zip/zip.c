/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zip files of stored entries. */

#include "zip.h"

#include <stdint.h>
#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

enum {
    LOCAL_SIGNATURE = 0x04034b50,
    CENTRAL_SIGNATURE = 0x02014b50,
    END_SIGNATURE = 0x06054b50,
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    COMMENT_MOST = 65535,
    VERSION = 20,
    DAY = 0x21, /* 1980-01-01, the first there is */
    STORED = 0,
};

/* ---- writing ---- */

static void put16(struct strbuf *to, unsigned value)
{
    strbuf_putc(to, (char)value);
    strbuf_putc(to, (char)(value >> 8));
}

static void put32(struct strbuf *to, uint32_t value)
{
    put16(to, value & 0xFFFF);
    put16(to, value >> 16);
}

/* What both headers have in common. */
static void put_entry(struct strbuf *to, const struct zip_entry *entry)
{
    put16(to, VERSION);
    put16(to, 0); /* flags */
    put16(to, STORED);
    put16(to, 0); /* time */
    put16(to, DAY);
    put32(to, crc32_ieee(0, entry->bytes, entry->len));
    put32(to, (uint32_t)entry->len);
    put32(to, (uint32_t)entry->len);
    put16(to, (unsigned)strlen(entry->name));
    put16(to, 0); /* extra */
}

static void put_central(struct strbuf *to, const struct zip_entry *entry, uint32_t at)
{
    put32(to, CENTRAL_SIGNATURE);
    put16(to, VERSION); /* made by */
    put_entry(to, entry);
    put16(to, 0); /* comment */
    put16(to, 0); /* disk */
    put16(to, 0); /* internal attributes */
    put32(to, 0); /* external attributes */
    put32(to, at);
    strbuf_puts(to, entry->name);
}

char *zip_write(const struct zip_entry *entries, size_t count, size_t *ret_len,
                struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf file = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf directory = STRBUF_INIT;
    size_t start;
    char *text;

    for (size_t i = 0; i < count; i++) {
        put_central(&directory, &entries[i], (uint32_t)file.len);
        put32(&file, LOCAL_SIGNATURE);
        put_entry(&file, &entries[i]);
        strbuf_puts(&file, entries[i].name);
        strbuf_add(&file, entries[i].bytes, entries[i].len);
    }
    start = file.len;
    strbuf_add(&file, directory.text ? directory.text : "", directory.len);
    put32(&file, END_SIGNATURE);
    put16(&file, 0); /* this disk */
    put16(&file, 0); /* the directory's */
    put16(&file, (unsigned)count);
    put16(&file, (unsigned)count);
    put32(&file, (uint32_t)directory.len);
    put32(&file, (uint32_t)start);
    put16(&file, 0); /* comment */
    *ret_len = file.len;
    file.failed |= directory.failed;
    text = strbuf_take(&file);
    if (!text)
        err_no_memory(err);
    return text;
}

/* ---- reading ---- */

static unsigned get16(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;

    return b[0] | (unsigned)b[1] << 8;
}

static uint32_t get32(const char *at)
{
    return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static bool damaged(struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "the zip file is damaged");
}

/* The end record stands last, before a comment. */
static const char *find_end(const char *bytes, size_t len)
{
    if (len < END_BYTES)
        return NULL;
    for (size_t at = len - END_BYTES;; at--) {
        if (get32(bytes + at) == END_SIGNATURE &&
            get16(bytes + at + 20) == len - at - END_BYTES)
            return bytes + at;
        if (at == 0 || len - at > END_BYTES + COMMENT_MOST)
            return NULL;
    }
}

/* @at: the entry's header in the directory, whole. */
static bool read_entry(const char *bytes, size_t len, const char *at, const char **ret,
                       size_t *ret_len, struct err *err)
{
    size_t start = get32(at + 42), size = get32(at + 20), head;

    if (get16(at + 10) != STORED || (get16(at + 8) & 1))
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "the zip file was packed by another program");
    if (get32(at + 24) != size || start > len || len - start < LOCAL_BYTES ||
        get32(bytes + start) != LOCAL_SIGNATURE)
        return damaged(err);
    head = LOCAL_BYTES + get16(bytes + start + 26) + (size_t)get16(bytes + start + 28);
    if (len - start < head || len - start - head < size ||
        crc32_ieee(0, bytes + start + head, size) != get32(at + 16))
        return damaged(err);
    *ret = bytes + start + head;
    *ret_len = size;
    return true;
}

bool zip_find(const char *bytes, size_t len, const char *name, const char **ret,
              size_t *ret_len, struct err *err)
{
    const char *end = find_end(bytes, len);
    size_t at, last, count;

    if (!end)
        return err_fail(err, ERR_PROTOCOL, 0, "this is no zip file");
    count = get16(end + 10);
    at = get32(end + 16);
    last = (size_t)(end - bytes);
    while (count-- > 0) {
        size_t name_len;

        if (at > last || last - at < CENTRAL_BYTES ||
            get32(bytes + at) != CENTRAL_SIGNATURE)
            return damaged(err);
        name_len = get16(bytes + at + 28);
        if (last - at - CENTRAL_BYTES < name_len)
            return damaged(err);
        if (name_len == strlen(name) &&
            memcmp(bytes + at + CENTRAL_BYTES, name, name_len) == 0)
            return read_entry(bytes, len, bytes + at, ret, ret_len, err);
        at += CENTRAL_BYTES + name_len + get16(bytes + at + 30) + get16(bytes + at + 32);
    }
    return err_fail(err, ERR_NOT_FOUND, 0, "the zip file has no '%s'", name);
}

char *zip_read_either(const char *path, const char *name, size_t max, struct err *err)
{
    size_t len = 0, entry_len;
    CLEANUP(free_cleanup) char *bytes = os_read_file(path, max, &len, err);
    const char *entry;
    char *text;

    if (!bytes)
        return NULL;
    if (len < 2 || memcmp(bytes, "PK", 2) != 0)
        return TAKE(bytes);
    if (!zip_find(bytes, len, name, &entry, &entry_len, err)) {
        err_wrap(err, "'%.200s'", path);
        if (err->kind == ERR_UNSUPPORTED)
            err_hint(err, "unpack it, and name its %s instead", name);
        return NULL;
    }
    text = text_ndup(entry, entry_len);
    if (!text)
        err_no_memory(err);
    return text;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PE, ELF and noise files, made from a seed. */
#include "make-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor-posix.h"
#include "strbuf.h"
#include "text.h"

enum {
    PE_OFFSET = 0x80,
    FILE_ALIGN = 0x200,
    SECTION_ALIGN = 0x1000,
    RSRC_RVA = 0x2000,
    RT_VERSION = 16,
    EN_US = 0x409,
    PIECE = 1 << 20,
};

uint64_t make_hash(const char *text, uint64_t start)
{
    uint64_t hash = start ? start : 0xcbf29ce484222325;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
    return hash;
}

/* Noise: xorshift64*, eight bytes a step. */
static void fill(uint64_t *state, uint8_t *to, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint64_t word;
        size_t part = len - i < 8 ? len - i : 8;

        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        word = *state * 0x2545f4914f6cdd1d;
        memcpy(to + i, &word, part);
        i += part;
    }
}

static void put16(struct strbuf *to, unsigned value)
{
    uint8_t bytes[2] = { (uint8_t)value, (uint8_t)(value >> 8) };

    strbuf_add(to, bytes, sizeof(bytes));
}

static void put32(struct strbuf *to, uint32_t value)
{
    put16(to, value & 0xffff);
    put16(to, value >> 16);
}

static void put64(struct strbuf *to, uint64_t value)
{
    put32(to, (uint32_t)value);
    put32(to, (uint32_t)(value >> 32));
}

static void pad_to(struct strbuf *to, size_t size)
{
    static const uint8_t zeros[FILE_ALIGN];

    while (to->len < size && !to->failed)
        strbuf_add(to, zeros, size - to->len < FILE_ALIGN ? size - to->len : FILE_ALIGN);
}

static void align(struct strbuf *to, size_t unit)
{
    pad_to(to, (to->len + unit - 1) / unit * unit);
}

static void patch16(struct strbuf *to, size_t at, size_t value)
{
    if (to->failed)
        return;
    to->text[at] = (char)(value & 0xff);
    to->text[at + 1] = (char)(value >> 8);
}

static void put_wide(struct strbuf *to, const char *text)
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *wide = text_to_utf16le(text, &len);

    if (wide)
        strbuf_add(to, wide, len);
    put16(to, 0);
}

/* Opens a node of the version resource (wLength, wValueLength, wType, szKey, padding);
 * the length is patched by node_end(). */
static size_t node_begin(struct strbuf *to, unsigned value_len, unsigned type,
                         const char *key)
{
    size_t at;

    align(to, 4);
    at = to->len;
    put16(to, 0);
    put16(to, value_len);
    put16(to, type);
    put_wide(to, key);
    align(to, 4);
    return at;
}

static void node_end(struct strbuf *to, size_t at)
{
    patch16(to, at, to->len - at);
}

static void put_string(struct strbuf *to, const char *key, const char *value)
{
    size_t at = node_begin(to, (unsigned)strlen(value) + 1, 1, key);

    put_wide(to, value);
    node_end(to, at);
}

static void version_numbers(const char *version, unsigned ret[4])
{
    memset(ret, 0, 4 * sizeof(*ret));
    if (version && sscanf(version, "%u.%u.%u.%u", &ret[0], &ret[1], &ret[2], &ret[3]) < 1)
        ret[0] = 0;
}

static void put_version_info(struct strbuf *to, const struct make_file *file)
{
    unsigned v[4];
    size_t root, table, strings, vars, translation;

    version_numbers(file->version, v);
    root = node_begin(to, 52, 0, "VS_VERSION_INFO");
    put32(to, 0xfeef04bd);
    put32(to, 0x10000);
    for (unsigned twice = 0; twice < 2; twice++) { /* file version, product version */
        put32(to, v[0] << 16 | (v[1] & 0xffff));
        put32(to, v[2] << 16 | (v[3] & 0xffff));
    }
    put32(to, 0x3f);
    put32(to, 0);
    put32(to, 0x40004); /* VOS_NT_WINDOWS32 */
    put32(to, text_iends(file->name, ".exe") ? 1 : text_iends(file->name, ".sys") ? 3 : 2);
    put32(to, 0);
    put64(to, 0);

    strings = node_begin(to, 0, 1, "StringFileInfo");
    table = node_begin(to, 0, 1, "040904b0");
    put_string(to, "CompanyName", file->company ? file->company : "Microsoft Corporation");
    put_string(to, "FileDescription", file->description ? file->description : file->name);
    put_string(to, "FileVersion", file->version ? file->version : "0.0.0.0");
    put_string(to, "OriginalFilename", file->name);
    node_end(to, table);
    node_end(to, strings);

    vars = node_begin(to, 0, 1, "VarFileInfo");
    translation = node_begin(to, 4, 0, "Translation");
    put16(to, EN_US);
    put16(to, 0x4b0);
    node_end(to, translation);
    node_end(to, vars);
    node_end(to, root);
}

/* One level of the resource tree: a directory with a single entry. */
static void put_resource_level(struct strbuf *to, uint32_t id, uint32_t child)
{
    put32(to, 0);
    put32(to, 0);
    put32(to, 0);
    put16(to, 0);
    put16(to, 1);
    put32(to, id);
    put32(to, child);
}

static void put_resources(struct strbuf *to, const struct make_file *file)
{
    CLEANUP(strbuf_cleanup) struct strbuf info = STRBUF_INIT;

    put_version_info(&info, file);
    put_resource_level(to, RT_VERSION, 0x80000018);
    put_resource_level(to, 1, 0x80000030);
    put_resource_level(to, EN_US, 0x48);
    put32(to, RSRC_RVA + 0x58);
    put32(to, (uint32_t)info.len);
    put32(to, 0);
    put32(to, 0);
    strbuf_add(to, info.text ? info.text : "", info.len);
}

static void put_section(struct strbuf *to, const char *name, uint32_t virtual_size,
                        uint32_t rva, uint32_t raw_size, uint32_t raw_at, uint32_t flags)
{
    char padded[8] = "";

    memcpy(padded, name, strlen(name));
    strbuf_add(to, padded, sizeof(padded));
    put32(to, virtual_size);
    put32(to, rva);
    put32(to, raw_size);
    put32(to, raw_at);
    put32(to, 0);
    put32(to, 0);
    put32(to, 0);
    put32(to, flags);
}

static void put_pe(struct strbuf *to, const struct make_file *file)
{
    bool wide = file->kind != MAKE_PE32, driver = text_iends(file->name, ".sys");
    bool program = text_iends(file->name, ".exe");
    CLEANUP(strbuf_cleanup) struct strbuf rsrc = STRBUF_INIT;
    uint32_t rsrc_raw;

    put_resources(&rsrc, file);
    rsrc_raw = (uint32_t)((rsrc.len + FILE_ALIGN - 1) / FILE_ALIGN * FILE_ALIGN);

    put16(to, 0x5a4d); /* MZ */
    pad_to(to, 0x3c);
    put32(to, PE_OFFSET);
    pad_to(to, PE_OFFSET);
    strbuf_add(to, "PE\0", 4);
    put16(to, file->kind == MAKE_PE64 ? 0x8664 : file->kind == MAKE_PE32 ? 0x14c : 0xaa64);
    put16(to, 2);
    put32(to, 0x60000000 | (uint32_t)(make_hash(file->name, 0) & 0xffffff));
    put32(to, 0);
    put32(to, 0);
    put16(to, wide ? 240 : 224);
    put16(to, (program || driver ? 0x0002 : 0x2002) | (wide ? 0x20 : 0x100));

    put16(to, wide ? 0x20b : 0x10b);
    put16(to, 14);         /* linker version */
    put32(to, FILE_ALIGN); /* code, initialized data, bss */
    put32(to, rsrc_raw);
    put32(to, 0);
    put32(to, SECTION_ALIGN); /* entry point, base of code */
    put32(to, SECTION_ALIGN);
    if (wide) {
        put64(to, 0x180000000);
    } else {
        put32(to, RSRC_RVA);
        put32(to, 0x10000000);
    }
    put32(to, SECTION_ALIGN);
    put32(to, FILE_ALIGN);
    put16(to, 10); /* system, image, subsystem versions */
    put16(to, 0);
    put16(to, 0);
    put16(to, 0);
    put16(to, 10);
    put16(to, 0);
    put32(to, 0);
    put32(to, RSRC_RVA + (uint32_t)((rsrc.len + SECTION_ALIGN - 1) / SECTION_ALIGN *
                                    SECTION_ALIGN));
    put32(to, 2 * FILE_ALIGN);
    put32(to, 0);
    put16(to, driver ? 1 : program ? 3 : 2);
    put16(to, 0x160);                  /* dynamic base, NX, high entropy */
    for (unsigned i = 0; i < 4; i++) { /* stack and heap */
        if (wide)
            put64(to, i % 2 ? 0x1000 : 0x100000);
        else
            put32(to, i % 2 ? 0x1000 : 0x100000);
    }
    put32(to, 0);
    put32(to, 16);
    for (unsigned i = 0; i < 16; i++) {
        put32(to, i == 2 ? RSRC_RVA : 0);
        put32(to, i == 2 ? (uint32_t)rsrc.len : 0);
    }
    put_section(to, ".text", 4, SECTION_ALIGN, FILE_ALIGN, 2 * FILE_ALIGN, 0x60000020);
    put_section(to, ".rsrc", (uint32_t)rsrc.len, RSRC_RVA, rsrc_raw, 3 * FILE_ALIGN,
                0x40000040);
    pad_to(to, 2 * FILE_ALIGN);
    /* amd64, x86: xor eax,eax; ret.  arm64: ret. */
    strbuf_add(to, file->kind == MAKE_PE_ARM64 ? "\xc0\x03\x5f\xd6" : "\x31\xc0\xc3\x90",
               4);
    pad_to(to, 3 * FILE_ALIGN);
    strbuf_add(to, rsrc.text ? rsrc.text : "", rsrc.len);
    pad_to(to, 3 * FILE_ALIGN + rsrc_raw);
}

/* An ELF header of an x86-64 shared object without sections. */
static void put_elf(struct strbuf *to)
{
    strbuf_add(to, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16);
    put16(to, 3);
    put16(to, 62);
    put32(to, 1);
    put64(to, 0);
    put64(to, 0);
    put64(to, 0);
    put32(to, 0);
    put16(to, 64);
    put16(to, 56);
    put16(to, 0);
    put16(to, 64);
    put16(to, 0);
    put16(to, 0);
}

/* The headers; what follows is noise up to @file->size. */
static bool put_head(struct strbuf *to, const struct make_file *file, uint64_t *ret_seed)
{
    if (file->kind == MAKE_ELF64)
        put_elf(to);
    else if (file->kind == MAKE_TEXT)
        strbuf_puts(to, file->text);
    else if (file->kind != MAKE_NOISE)
        put_pe(to, file);
    *ret_seed = make_hash(file->name, make_hash(file->version ? file->version : "", 0)) | 1;
    return !to->failed;
}

uint8_t *make_file_bytes(const struct make_file *file, size_t *ret_len)
{
    CLEANUP(strbuf_cleanup) struct strbuf head = STRBUF_INIT;
    uint64_t seed;
    uint8_t *bytes;
    size_t len;

    if (!put_head(&head, file, &seed))
        return NULL;
    len = head.len > file->size ? head.len : (size_t)file->size;
    bytes = malloc(len ? len : 1);
    if (!bytes)
        return NULL;
    if (head.len > 0)
        memcpy(bytes, head.text, head.len);
    fill(&seed, bytes + head.len, len - head.len);
    *ret_len = len;
    return bytes;
}

static bool write_noise(int fd, uint64_t seed, uint64_t len)
{
    CLEANUP(free_cleanup) uint8_t *piece = malloc(PIECE);

    if (!piece) {
        errno = ENOMEM;
        return false;
    }
    while (len > 0) {
        size_t part = len < PIECE ? (size_t)len : PIECE;

        fill(&seed, piece, part);
        if (!descriptor_write_all(fd, piece, part))
            return false;
        len -= part;
    }
    return true;
}

static bool set_time(int fd, int64_t mtime_usec)
{
    struct timespec times[2];

    times[0].tv_sec = times[1].tv_sec = (time_t)(mtime_usec / 1000000 - 11644473600);
    times[0].tv_nsec = times[1].tv_nsec = (long)(mtime_usec % 1000000 * 1000);
    return futimens(fd, times) == 0;
}

bool make_file_at(const char *path, const struct make_file *file, int64_t mtime_usec,
                  struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf head = STRBUF_INIT;
    uint64_t seed;
    bool ok;
    int fd, why;

    if (!put_head(&head, file, &seed))
        return err_no_memory(err);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "cannot make '%s'", path);
    ok = descriptor_write_all(fd, (const uint8_t *)head.text, head.len) &&
         (file->size <= head.len || write_noise(fd, seed, file->size - head.len)) &&
         set_time(fd, mtime_usec);
    why = errno;
    close(fd);
    return ok || err_errno(err, why, "cannot write '%s'", path);
}

bool make_bytes_at(const char *path, const void *bytes, size_t len, int64_t mtime_usec,
                   struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && descriptor_write_all(fd, bytes, len) && set_time(fd, mtime_usec);
    int why = errno;

    if (fd >= 0)
        close(fd);
    return ok || err_errno(err, why, "cannot write '%s'", path);
}

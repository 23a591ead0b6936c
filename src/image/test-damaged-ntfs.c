/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NTFS volume whose structures are broken one at a time: whoever needs the broken one is
 * told, and nothing is written.  Places after ntfs-3g's layout.h.
 */

#include <stdio.h>

#include "err.h"
#include "image.h"
#include "little-endian.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

enum {
    VOLUME_MIB = 12,
    VOLUME_AT = 1 << 20,
    RECORD = 1024,
    BITMAP_RECORD = 6,
    AT_DATA = 0x80,
    AT_INDEX = 0xA0, /* a folder's entries that do not fit its record */
};
#define WHEN 13300000000000000ll

struct image {
    uint8_t *bytes;
    size_t len;
};

/* ---- structures ---- */

/* The record of the only file that is called so. */
static uint8_t *record_of(struct image *image, const char *name)
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *wide = text_to_utf16le(name, &len);

    for (size_t at = VOLUME_AT; at + RECORD <= image->len; at += RECORD)
        if (memcmp(image->bytes + at, "FILE", 4) == 0 &&
            memmem(image->bytes + at, RECORD / 2, wide, len))
            return image->bytes + at;
    CHECK(false);
    return image->bytes + VOLUME_AT;
}

static uint8_t *attribute_of(uint8_t *record, uint32_t type)
{
    uint8_t *at = record + load_u16(record + 20);

    while (at + 64 < record + RECORD && load_u32(at) != UINT32_MAX) {
        if (load_u32(at) == type)
            return at;
        at += load_u32(at + 4);
    }
    CHECK(false);
    return record;
}

/* Sends the first run of an attribute's clusters far behind the volume. */
static void lead_away(uint8_t *attribute)
{
    uint8_t *run = attribute + load_u16(attribute + 32);
    unsigned length_bytes = run[0] & 15, place_bytes = run[0] >> 4;

    CHECK(attribute[8] == 1 && place_bytes > 0);
    run[length_bytes + place_bytes] = 0x7F;
}

/* ---- damage ---- */

static void record_of_the_file(struct image *image)
{
    memset(record_of(image, "small.txt"), 0, 4);
}
static void record_of_the_folder(struct image *image)
{
    memset(record_of(image, "folder"), 0, 4);
}
static void no_content(struct image *image)
{
    store_u32(attribute_of(record_of(image, "small.txt"), AT_DATA), 0x100);
}
static void content_elsewhere(struct image *image)
{
    lead_away(attribute_of(record_of(image, "large.bin"), AT_DATA));
}
static void content_encrypted(struct image *image)
{
    store_u16(attribute_of(record_of(image, "large.bin"), AT_DATA) + 12, 0x4000);
}
static void index_elsewhere(struct image *image)
{
    lead_away(attribute_of(record_of(image, "folder"), AT_INDEX));
}
static void bitmap_elsewhere(struct image *image)
{
    uint64_t cluster =
        load_u16(image->bytes + VOLUME_AT + 11) * image->bytes[VOLUME_AT + 13];
    uint64_t table = VOLUME_AT + load_u64(image->bytes + VOLUME_AT + 48) * cluster;

    lead_away(
        attribute_of(image->bytes + table + (uint64_t)BITMAP_RECORD * RECORD, AT_DATA));
}

/* ---- who needs it ---- */

static struct volume *volume;

static bool stat_file(struct err *err)
{
    struct file_info info = { 0 };

    return volume_stat(volume, "small.txt", &info, err);
}
static bool replace_file(struct err *err)
{
    return volume_write_all(volume, "small.txt", "new", 3, WHEN, 0, err);
}
static bool remove_file(struct err *err)
{
    return volume_remove(volume, "small.txt", false, err);
}
static bool rename_file(struct err *err)
{
    return volume_rename(volume, "small.txt", "new.txt", err);
}
static bool read_small(struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    return volume_read_all(volume, "small.txt", 1 << 20, &bytes, &len, err);
}
static bool read_large(struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    return volume_read_all(volume, "large.bin", 1 << 20, &bytes, &len, err);
}
static bool replace_large(struct err *err)
{
    return volume_write_all(volume, "large.bin", "new", 3, WHEN, 0, err);
}
static bool on_file(const struct file_info *info, void *user, struct err *err)
{
    return true;
}
static bool list_folder(struct err *err)
{
    return volume_list(volume, "folder", on_file, NULL, err);
}
static bool look_into_folder(struct err *err)
{
    struct file_info info = { 0 };

    return volume_stat(volume, "folder/zzz", &info, err);
}
static bool put_into_folder(struct err *err)
{
    return volume_write_all(volume, "folder/zzz", "new", 3, WHEN, 0, err);
}
static bool make_volume(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = calloc(1, 200000);
    struct disk *disk = NULL;
    bool ok;

    shell("rm -f %s", path);
    if (!make_ntfs_image(path, VOLUME_MIB, "raw", err))
        return false;
    volume = open_ntfs_image(path, DISK_WRITE, &disk, err);
    ok = volume && volume_write_all(volume, "small.txt", "small", 5, WHEN, 0, err) &&
         volume_write_all(volume, "large.bin", bytes, 200000, WHEN, 0, err) &&
         volume_make_dirs(volume, "folder", err);
    for (unsigned i = 0; ok && i < 60; i++) {
        char name[32];

        snprintf(name, sizeof(name), "folder/a-file-with-a-name-%u", i);
        ok = volume_write_all(volume, name, "x", 1, WHEN, 0, err);
    }
    if (volume)
        ok = volume_close(volume, err) && ok;
    ok = ok && disk_commit(disk, err);
    disk_close(disk);
    return ok;
}

TEST(a_broken_structure_is_refused_by_whoever_needs_it)
{
    static const struct {
        const char *name;
        void (*harm)(struct image *image);
        bool (*ask)(struct err *err); /* NULL: the volume does not open */
        enum err_kind kind;
        const char *text, *place;
    } cases[] = {
        { "facts", record_of_the_file, stat_file, ERR_PROTOCOL, "damaged", "opening" },
        { "replacing", record_of_the_file, replace_file, ERR_PROTOCOL, "damaged",
          "opening" },
        { "removing", record_of_the_file, remove_file, ERR_PROTOCOL, "damaged", "opening" },
        { "renaming", record_of_the_file, rename_file, ERR_PROTOCOL, "damaged", "opening" },
        { "a folder", record_of_the_folder, list_folder, ERR_PROTOCOL, "damaged",
          "opening" },
        { "no content", no_content, read_small, ERR_NOT_FOUND, "it is not there",
          "reading" },
        { "replacing no content", no_content, replace_file, ERR_NOT_FOUND,
          "it is not there", "writing" },
        { "content elsewhere", content_elsewhere, read_large, ERR_PROTOCOL, "damaged",
          "reading" },
        { "content encrypted by half", content_encrypted, read_large, ERR_PROTOCOL,
          "damaged", "reading" },
        { "listing", index_elsewhere, list_folder, ERR_PROTOCOL, "damaged", "listing" },
        { "looking", index_elsewhere, look_into_folder, ERR_PROTOCOL, "damaged",
          "looking for" },
        { "putting", index_elsewhere, put_into_folder, ERR_PROTOCOL, "damaged",
          "looking for" },
        { "no clusters to count", bitmap_elsewhere, NULL, ERR_PROTOCOL, "damaged",
          "counting the free clusters" },
        { "replacing what is elsewhere", content_elsewhere, replace_large, ERR_PROTOCOL,
          "damaged", "writing" },
    };
    const char *path = scratch("good.raw"), *bad = scratch("bad.raw");
    struct image good = { 0 };
    struct err err = ERR_INIT;

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_volume(path, &err));
    good.bytes = read_whole(path, &good.len);
    for (size_t i = 0; good.bytes && i < ARRAY_LEN(cases); i++) {
        struct image image = { malloc(good.len), good.len };
        struct disk *disk = NULL;
        char text[1024] = "";

        test_case(cases[i].name);
        err = ERR_INIT;
        memcpy(image.bytes, good.bytes, good.len);
        cases[i].harm(&image);
        CHECK(write_whole(bad, image.bytes, image.len));
        volume = open_ntfs_image(bad, DISK_WRITE, &disk, &err);
        CHECK_EQ(volume != NULL, cases[i].ask != NULL);
        if (volume && cases[i].ask)
            CHECK(!cases[i].ask(&err));
        CHECK_EQ(err.kind, cases[i].kind);
        err_format(&err, text, sizeof(text));
        if (!strstr(text, cases[i].text) || !strstr(text, cases[i].place))
            printf("# %s\n", text);
        CHECK(strstr(text, cases[i].text) && strstr(text, cases[i].place));
        volume_drop(volume);
        disk_close(disk);
        free(image.bytes);
    }
    free(good.bytes);
}

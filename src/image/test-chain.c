/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Differencing VHDX.  Neither QEMU nor libvhdi makes them here, so the tests build one by
 * hand, from the format's own document: [MS-VHDX] 2.5.1 (states), 2.6.2.6 (locator).
 */

#include <stdio.h>
#include <unistd.h>

#include "err.h"
#include "image.h"
#include "little-endian.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

enum {
    MIB = 1 << 20,
    BLOCK = 2 << 20,
    DISK = 24 << 20,
    SECTORS = BLOCK / 512,
    BAT_AT = 3 << 20,
    BITMAP_ENTRY = 2048, /* behind as many blocks */
};

#define ABSOLUTE "C:\\VMs\\parent.vhdx"
static const char *absolute = ABSOLUTE; /* the other name children are given */

/* Makes @child remember @parent as it is now. */
static void give_linkage(const char *child, const char *parent)
{
    char linkage[40];
    size_t len = 0, key_len = 0;
    uint8_t *wide, *key = text_to_utf16le("parent_linkage", &key_len);

    data_write_guid(parent, linkage);
    wide = text_to_utf16le(linkage, &len);
    patch_file(child, 0x218000 + 1000 + key_len, wide, len); /* the first pair */
    free(wide);
    free(key);
}

/* parent.vhdx and child.vhdx in the scratch folder; @model: what the child shows. */
static bool make_chain(uint8_t *model, const char *parent_name, struct err *err)
{
    const char *parent = scratch("parent.vhdx"), *child = scratch("child.vhdx");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *own = malloc(BLOCK), *bitmap = calloc(1, MIB);
    struct dice dice = { 5 };

    unlink(parent);
    unlink(child);
    dice_fill(&dice, model, DISK / 2); /* the rest of the parent is empty */
    memset(model + DISK / 2, 0, DISK / 2);
    if (!disk_create_vhdx(parent, DISK, MIB, err))
        return false;
    disk = disk_open(parent, DISK_WRITE, err);
    if (!disk || !disk_write(disk, 0, model, DISK / 2, err) || !disk_commit(disk, err))
        return false;
    if (!disk_create_vhdx(child, DISK, BLOCK, err))
        return false;
    give_parent(child, parent, parent_name, absolute);

    /* Block 0: the parent's.  1: partly own.  2: own.  3: zero.  4: unmapped. */
    dice_fill(&dice, own, BLOCK);
    for (unsigned s = 0; s < SECTORS; s++) {
        bool here = s % 64 < 16 || dice_roll(&dice, 5) == 0;

        bitmap[SECTORS / 8 + s / 8] |= (uint8_t)(here << (s % 8)); /* of block 1 */
        if (here)
            memcpy(model + BLOCK + s * 512, own + s * 512, 512);
    }
    patch_file(child, 4 * MIB, own, BLOCK);
    patch_number(child, BAT_AT + 8, 4 * MIB | 7, 8);
    patch_file(child, 6 * MIB, bitmap, MIB);
    patch_number(child, BAT_AT + BITMAP_ENTRY * 8, 6 * MIB | 6, 8);
    dice_fill(&dice, own, BLOCK);
    memcpy(model + 2 * BLOCK, own, BLOCK);
    patch_file(child, 7 * MIB, own, BLOCK);
    patch_number(child, BAT_AT + 16, 7 * MIB | 6, 8);
    memset(model + 3 * BLOCK, 0, 2 * BLOCK);
    patch_number(child, BAT_AT + 24, 2, 8);
    patch_number(child, BAT_AT + 32, 3, 8);
    return true;
}

static bool shows(const char *path, const uint8_t *model, struct err *err)
{
    CLEANUP(disk_cleanup) struct disk *disk = disk_open(path, DISK_READ, err);
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(DISK);
    struct dice dice = { 8 };

    if (!disk || !disk_read(disk, 0, bytes, DISK, err))
        return false;
    if (memcmp(bytes, model, DISK) != 0)
        return err_fail(err, ERR_PROTOCOL, 0, "content differs");
    for (unsigned i = 0; i < 200; i++) {
        size_t len = 1 + dice_roll(&dice, 5000);
        uint64_t at = dice_roll(&dice, DISK - len + 1);

        if (!disk_read(disk, at, bytes, len, err))
            return false;
        if (memcmp(bytes, model + at, len) != 0)
            return err_fail(err, ERR_PROTOCOL, 0, "content differs in a short read");
    }
    return true;
}

TEST(a_child_shows_its_own_sectors_and_the_parents_behind_them)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    struct err err = ERR_INIT;
    CLEANUP(disk_cleanup) struct disk *disk = NULL;

    CHECK_OK(make_chain(model, ".\\parent.vhdx", &err));
    CHECK_OK(shows(scratch("child.vhdx"), model, &err));
    disk = disk_open(scratch("child.vhdx"), DISK_READ, &err);
    CHECK_STR_EQ(disk ? disk_format(disk) : NULL, "vhdx-differencing");
}

TEST(only_the_leaf_is_written)
{
    static const uint32_t sizes[] = { 1, 512, 4096, 5000, 40000, 300000, 3 << 20 };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK), *bytes = malloc(4 << 20);
    struct err err = ERR_INIT;
    struct dice dice = { 21 };

    CHECK_OK(make_chain(model, ".\\parent.vhdx", &err));
    copy_file(scratch("parent.vhdx"), scratch("parent.before"));
    for (unsigned session = 0; session < 4; session++) {
        CLEANUP(disk_cleanup)
        struct disk *disk = disk_open(scratch("child.vhdx"), DISK_WRITE, &err);
        CLEANUP(free_cleanup) uint8_t *next = malloc(DISK);

        CHECK_OK(disk != NULL);
        memcpy(next, model, DISK);
        for (unsigned i = 0; disk && i < 25; i++) {
            size_t len = 1 + dice_roll(&dice, sizes[dice_roll(&dice, ARRAY_LEN(sizes))]);
            uint64_t at = dice_roll(&dice, DISK - len + 1);

            dice_fill(&dice, bytes, len);
            if (dice_roll(&dice, 4) == 0)
                memset(bytes, 0, len);
            CHECK_OK(disk_write(disk, at, bytes, len, &err));
            memcpy(next + at, bytes, len);
        }
        if (session == 0) /* dropped: as if nothing had been */
            memcpy(next, model, DISK);
        else
            CHECK_OK(disk && disk_commit(disk, &err));
        disk_close(disk);
        disk = NULL;
        memcpy(model, next, DISK);
        CHECK_OK(shows(scratch("child.vhdx"), model, &err));
    }
    CHECK_EQ(shell("cmp %s %s", scratch("parent.vhdx"), scratch("parent.before")), 0);
}

TEST(a_parent_that_moved_on_or_is_gone_is_refused)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(make_chain(model, ".\\parent.vhdx", &err));
    disk = disk_open(scratch("parent.vhdx"), DISK_WRITE, &err);
    CHECK_OK(disk && disk_write(disk, 0, "changed", 7, &err) && disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    CHECK(!disk_open(scratch("child.vhdx"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(err.hint[0]);
    unlink(scratch("parent.vhdx"));
    CHECK(!disk_open(scratch("child.vhdx"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(strstr(err.text[err.depth - 1], "parent"));
    CHECK(err.hint[0]);
}

/* The chain, with the child in vm and the parent in @folder of the scratch folder. */
static void make_spread_chain(uint8_t *model, const char *name, const char *folder)
{
    struct err err = ERR_INIT;

    CHECK_OK(make_chain(model, name, &err));
    CHECK_EQ(shell("cd %s && rm -rf vm base other && mkdir -p vm other %s && "
                   "mv child.vhdx vm && mv parent.vhdx %s",
                   scratch_dir(), folder, folder),
             0);
}

static bool shows_with(const char *parents, const uint8_t *model, struct err *err)
{
    CLEANUP(disk_cleanup)
    struct disk *disk = disk_open_chain(scratch("vm/child.vhdx"), parents, DISK_READ, err);
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(DISK);

    return disk && disk_read(disk, 0, bytes, DISK, err) && memcmp(bytes, model, DISK) == 0;
}

TEST(a_parent_elsewhere_is_found_in_the_folder_a_person_names_and_nowhere_else)
{
    static const struct {
        const char *name, *folder;
        const char *parents; /* named, below the scratch folder; NULL: none */
        bool is_found;
    } cases[] = {
        { ".\\base\\parent.vhdx", "vm/base", NULL, true }, /* below the child's folder */
        { "base\\sub\\..\\parent.vhdx", "vm/base", NULL, false },
        { "..\\base\\parent.vhdx", "base", NULL, false },
        { "..\\base\\parent.vhdx", "base", "base", true },
        { "..\\base\\parent.vhdx", "base", ".", true },
        { "..\\..\\x\\base\\parent.vhdx", "base", ".", true },
        { "D:\\x\\base\\parent.vhdx", "base", "base", true },
        { "\\\\server\\x\\base\\parent.vhdx", "base", "base", true },
        { "..\\base\\parent.vhdx", "base", "other", false },
        { "..\\base\\other.vhdx", "base", "base", true }, /* the absolute path names it */
    };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup)
        char *root =
            cases[i].parents ? text_printf("%s/%s", scratch_dir(), cases[i].parents) : NULL;
        struct err err = ERR_INIT;
        bool is_found;

        test_case(cases[i].name);
        make_spread_chain(model, cases[i].name, cases[i].folder);
        is_found = shows_with(root, model, &err);
        CHECK_EQ(is_found, cases[i].is_found);
        if (!is_found) {
            CHECK_EQ(err.kind, ERR_NOT_FOUND);
            CHECK(strstr(err.text[0], "parent"));
            CHECK(strstr(err.hint, "--parents"));
        }
    }
}

TEST(a_disk_with_the_parents_name_that_is_not_the_parent_is_passed_over)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    struct err err = ERR_INIT;

    make_spread_chain(model, "..\\base\\parent.vhdx", "base");
    CHECK_OK(disk_create_vhdx(scratch("vm/parent.vhdx"), DISK, MIB, &err));
    CHECK(!shows_with(NULL, model, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    err = ERR_INIT;
    CHECK_OK(shows_with(scratch("base"), model, &err));
}

TEST(a_confined_reader_finds_the_parent_too)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    struct err err = ERR_INIT;

    make_spread_chain(model, "..\\base\\parent.vhdx", "base");
    CHECK(!image_inspect_confined(scratch("vm/child.vhdx"), NULL, facts, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(strstr(err.hint, "vm/../base'"));
    err = ERR_INIT;
    CHECK_OK(
        image_inspect_confined(scratch("vm/child.vhdx"), scratch("base"), facts, &err));
    CHECK_STR_EQ(facts->format, "vhdx-differencing");
    err = ERR_INIT;
    CHECK(
        !image_inspect_confined(scratch("vm/child.vhdx"), scratch("nowhere"), facts, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
}

TEST(a_name_in_an_image_leads_nowhere_but_downwards)
{
    static const char *const names[] = { "..\\..\\..\\etc\\parent.vhdx", "/etc/parent.vhdx",
                                         "C:\\x\\parent.vhdx", "C:parent.vhdx" };
    static const char *const bad[] = { "..", "x\\..", "", "dir\\", "/etc/passwd", "CON" };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        test_case(names[i]);
        CHECK_OK(make_chain(model, names[i], &err));
        CHECK_OK(shows(scratch("child.vhdx"), model, &err)); /* the one beside it */
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        test_case(bad[i]);
        err = ERR_INIT;
        absolute = bad[i];
        CHECK_OK(make_chain(model, bad[i], &err));
        absolute = ABSOLUTE;
        CHECK(!disk_open(scratch("child.vhdx"), DISK_READ, &err));
        CHECK_EQ(err.kind, ERR_NOT_FOUND);
    }
}

TEST(a_disk_that_is_its_own_parent_is_refused)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    struct err err = ERR_INIT;

    absolute = "child.vhdx";
    CHECK_OK(make_chain(model, "child.vhdx", &err));
    absolute = ABSOLUTE;
    CHECK(!disk_open(scratch("child.vhdx"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!disk_open(scratch("child.vhdx"), DISK_WRITE, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    /* A second name of the same content: it is the parent of itself without end. */
    err = ERR_INIT;
    CHECK_OK(make_chain(model, "twin.vhdx", &err));
    absolute = ABSOLUTE;
    give_linkage(scratch("child.vhdx"), scratch("child.vhdx"));
    copy_file(scratch("child.vhdx"), scratch("twin.vhdx"));
    CHECK_EQ(shell("cp %s %s", scratch("child.vhdx"), scratch("parent.vhdx")), 0);
    CHECK(!disk_open(scratch("child.vhdx"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
}

static bool has_blocker(const char *path, const char *id)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;
    bool found = false;

    CHECK_OK(image_inspect_confined(path, NULL, facts, &err));
    for (unsigned i = 0; i < facts->blocker_count; i++)
        if (strcmp(facts->blockers[i].id, id) == 0)
            found = strstr(facts->blockers[i].message, "child.vhdx") != NULL;
    return found;
}

TEST(a_disk_that_a_checkpoint_was_made_from_is_not_to_be_written)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    struct err err = ERR_INIT;

    CHECK_OK(make_chain(model, ".\\parent.vhdx", &err));
    CHECK(has_blocker(scratch("parent.vhdx"), "checkpoint"));
    CHECK(!has_blocker(scratch("child.vhdx"), "checkpoint"));
    unlink(scratch("child.vhdx"));
    CHECK(!has_blocker(scratch("parent.vhdx"), "checkpoint"));
    /* A child of what the disk was once is none of it now. */
    CHECK_OK(make_chain(model, ".\\parent.vhdx", &err));
    CHECK_OK(disk_create_vhdx(scratch("other.vhdx"), DISK, MIB, &err));
    CHECK(!has_blocker(scratch("other.vhdx"), "checkpoint"));
    unlink(scratch("other.vhdx"));
}

TEST(what_makes_no_chain_is_refused)
{
    static const struct {
        const char *name;
        enum err_kind kind;
    } cases[] = { { "a parent with an unfinished change", ERR_CONFLICT },
                  { "a parent that is no VHDX", ERR_PROTOCOL },
                  { "a locator of another kind", ERR_UNSUPPORTED },
                  { "a locator without names", ERR_PROTOCOL },
                  { "a partly present block without its bitmap", ERR_PROTOCOL },
                  { "a block on a sector bitmap", ERR_PROTOCOL },
                  { "a parent of other sectors", ERR_PROTOCOL } };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *child = scratch("child.vhdx");
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        CHECK_OK(make_chain(model, ".\\parent.vhdx", &err));
        if (i == 0)
            write_whole(scratch("parent.vhdx.hvgpu-commit"), "x", 1);
        if (i == 1)
            write_whole(scratch("parent.vhdx"), "hello", 5);
        if (i == 2)
            patch_number(child, 0x218000, 0, 8);
        if (i == 3)
            patch_number(child, 0x218000 + 18, 0, 2);
        if (i == 4)
            patch_number(child, BAT_AT + BITMAP_ENTRY * 8, 0, 8);
        if (i == 5)
            patch_number(child, BAT_AT + BITMAP_ENTRY * 8, 8 * MIB | 6, 8);
        if (i == 6)
            patch_number(scratch("parent.vhdx"), 0x210020, 4096, 4);
        CHECK(!disk_open(child, DISK_READ, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK(i != 0 || err.hint[0]);
        unlink(scratch("parent.vhdx.hvgpu-commit"));
    }
}

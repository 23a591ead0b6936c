/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differencing VHD: chains of disks, read, written and refused. */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "image.h"
#include "test-tools.h"
#include "test-vhd-image.h"
#include "test.h"
#include "text.h"

enum { MIB = 1 << 20, BLOCK = TEST_VHD_BLOCK, DISK = 12 << 20 };

#define ABSOLUTE "C:\\VMs\\parent.vhd"

/* parent.vhd and child.vhd in the scratch folder; @model: what the child shows. */
static bool make_chain(uint8_t *model, const char *relative, const char *absolute)
{
    const char *parent = scratch("parent.vhd"), *child = scratch("child.vhd");
    CLEANUP(free_cleanup) uint8_t *own = malloc(BLOCK);
    uint8_t bitmap[TEST_VHD_SECTORS / 8];
    struct dice dice = { 6 };

    unlink(parent);
    unlink(child);
    dice_fill(&dice, model, DISK / 2); /* the rest of the parent is empty */
    memset(model + DISK / 2, 0, DISK / 2);
    if (!write_whole(scratch("m.raw"), model, DISK) ||
        shell("qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on %s %s",
              scratch("m.raw"), parent) != 0 ||
        !test_vhd_set_footer(parent, 24, 600000000, 4) || /* not made just now */
        !test_vhd_make_child(child, parent, DISK, relative, absolute))
        return false;
    /* Block 0: the parent's.  1: partly own.  2: own.  4: own in part, the parent's empty. */
    for (unsigned block = 1; block <= 4; block++) {
        if (block == 3)
            continue;
        dice_fill(&dice, own, BLOCK);
        memset(bitmap, block == 2 ? 0xFF : 0, sizeof(bitmap));
        for (unsigned s = 0; s < TEST_VHD_SECTORS; s++) {
            if (block != 2 && (s % 64 < 16 || dice_roll(&dice, 5) == 0))
                bitmap[s / 8] |= (uint8_t)(0x80 >> s % 8);
            if (bitmap[s / 8] & 0x80 >> s % 8)
                memcpy(model + block * BLOCK + s * 512, own + s * 512, 512);
        }
        if (!test_vhd_put_block(child, block, bitmap, own))
            return false;
    }
    return true;
}

static bool shows(const char *path, const char *parents, const uint8_t *model,
                  struct err *err)
{
    CLEANUP(disk_cleanup)
    struct disk *disk = disk_open_chain(path, parents, DISK_READ, err);
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(DISK);
    struct dice dice = { 8 };

    if (!disk || !disk_read(disk, 0, bytes, DISK, err))
        return false;
    if (memcmp(bytes, model, DISK) != 0)
        return err_fail(err, ERR_PROTOCOL, 0, "content differs");
    for (unsigned i = 0; i < 100; i++) {
        size_t len = 1 + dice_roll(&dice, 5000);
        uint64_t at = dice_roll(&dice, DISK - len + 1);

        if (!disk_read(disk, at, bytes, len, err))
            return false;
        if (memcmp(bytes, model + at, len) != 0)
            return err_fail(err, ERR_PROTOCOL, 0, "content differs in a short read");
    }
    return true;
}

/* Readers others wrote.  QEMU is none: its vpc driver reads no differencing disk. */
static void check_others(const char *path, const char *parent, const uint8_t *model)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    CHECK(write_whole(scratch("model.raw"), model, DISK));
    if (has_program("7z")) {
        CHECK_EQ(shell("cd %s && rm -rf 7z && 7z x -tvhd -o7z %s && mv 7z/* 7z.raw",
                       scratch_dir(), path),
                 0);
        bytes = read_whole(scratch("7z.raw"), &len);
        CHECK(bytes && len == DISK && memcmp(bytes, model, DISK) == 0);
    }
    if (shell("python3 -c 'import pyvhdi'") == 0)
        CHECK_EQ(shell("python3 -c 'import pyvhdi, sys; c = pyvhdi.open(sys.argv[1]); "
                       "p = pyvhdi.open(sys.argv[2]); c.set_parent(p); "
                       "sys.exit(c.read(%d) != open(sys.argv[3], \"rb\").read())' %s %s %s",
                       DISK, path, parent, scratch("model.raw")),
                 0);
}

TEST(a_child_shows_its_own_sectors_and_the_parents_behind_them)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_chain(model, ".\\parent.vhd", ABSOLUTE));
    CHECK_OK(shows(scratch("child.vhd"), NULL, model, &err));
    disk = disk_open(scratch("child.vhd"), DISK_READ, &err);
    CHECK_STR_EQ(disk ? disk_format(disk) : NULL, "vhd-differencing");
    check_others(scratch("child.vhd"), scratch("parent.vhd"), model);
}

TEST(only_the_leaf_is_written_and_its_bitmaps_and_footers_are_right)
{
    static const uint32_t sizes[] = { 1, 512, 4096, 5000, 40000, 300000, 3 << 20 };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK), *bytes = malloc(4 << 20);
    const char *child = scratch("child.vhd"), *parent = scratch("parent.vhd");
    CLEANUP(free_cleanup) uint8_t *file = NULL;
    uint8_t bitmap[TEST_VHD_SECTORS / 8];
    struct stat before = { 0 }, after = { 0 };
    struct err err = ERR_INIT;
    struct dice dice = { 21 };
    unsigned blocks = 0;
    size_t len = 0;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_chain(model, ".\\parent.vhd", ABSOLUTE));
    CHECK_EQ(shell("cp -p %s %s", parent, scratch("parent.before")), 0);
    stat(parent, &before);
    patch_file(child, 3, "X", 1); /* the copy of the footer is damaged, and mended */
    for (unsigned session = 0; session < 3; session++) {
        CLEANUP(disk_cleanup) struct disk *disk = disk_open(child, DISK_WRITE, &err);
        CLEANUP(free_cleanup) uint8_t *next = malloc(DISK);

        CHECK_OK(disk != NULL);
        memcpy(next, model, DISK);
        for (unsigned i = 0; disk && i < 12; i++) {
            size_t n = 1 + dice_roll(&dice, sizes[dice_roll(&dice, ARRAY_LEN(sizes))]);
            uint64_t at = dice_roll(&dice, DISK - n + 1);

            dice_fill(&dice, bytes, n);
            if (dice_roll(&dice, 4) == 0)
                memset(bytes, 0, n);
            CHECK_OK(disk_write(disk, at, bytes, n, &err));
            memcpy(next + at, bytes, n);
        }
        if (session == 0) /* dropped: as if nothing had been */
            memcpy(next, model, DISK);
        else
            CHECK_OK(disk && disk_commit(disk, &err));
        disk_close(disk);
        disk = NULL;
        memcpy(model, next, DISK);
        CHECK_OK(shows(child, NULL, model, &err));
    }
    check_others(child, parent, model);
    for (unsigned block = 0; block < DISK / BLOCK; block++)
        if (test_vhd_bitmap(child, block, bitmap)) {
            bool is_whole = true;

            for (size_t i = 0; i < sizeof(bitmap); i++)
                is_whole = is_whole && bitmap[i] == 0xFF;
            blocks += is_whole;
        }
    CHECK(blocks >= 3);
    file = read_whole(child, &len);
    CHECK(file && len > 512 && memcmp(file, file + len - 512, 512) == 0);
    stat(parent, &after);
    CHECK_EQ(after.st_mtime, before.st_mtime);
    CHECK_EQ(shell("cmp %s %s", parent, scratch("parent.before")), 0);
}

/* A page of sectors that nobody has, one that the child has, and what is written now. */
TEST(a_little_written_beside_what_a_block_has_is_committed)
{
    static const uint8_t bitmap[TEST_VHD_SECTORS / 8] = { 0x40 };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK), *own = calloc(1, BLOCK);
    const char *child = scratch("child.vhd");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_chain(model, ".\\parent.vhd", ABSOLUTE));
    memset(own + 512, 'o', 512);
    CHECK(test_vhd_put_block(child, 5, bitmap, own));
    memcpy(model + 5 * BLOCK, own, BLOCK);
    disk = disk_open(child, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    CHECK_OK(disk && disk_write(disk, 5 * BLOCK + 1024, "abc", 3, &err));
    CHECK_OK(disk && disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    memcpy(model + 5 * BLOCK + 1024, "abc", 3);
    CHECK_OK(shows(child, NULL, model, &err));
}

TEST(a_chain_of_three_ends_in_a_fixed_disk)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK), *own = malloc(BLOCK);
    const char *base = scratch("base.vhd"), *middle = scratch("middle.vhd");
    const char *leaf = scratch("leaf.vhd");
    uint8_t bitmap[TEST_VHD_SECTORS / 8] = { 0xF0 };
    struct err err = ERR_INIT;
    struct dice dice = { 9 };
    CLEANUP(disk_cleanup) struct disk *disk = NULL;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    dice_fill(&dice, model, DISK);
    CHECK(write_whole(scratch("m.raw"), model, DISK));
    CHECK_EQ(shell("qemu-img convert -f raw -O vpc -o subformat=fixed,force_size=on %s %s",
                   scratch("m.raw"), base),
             0);
    CHECK(test_vhd_make_child(middle, base, DISK, ".\\base.vhd", NULL));
    dice_fill(&dice, own, BLOCK);
    CHECK(test_vhd_put_block(middle, 1, bitmap, own));
    memcpy(model + BLOCK, own, UINT64_C(4) * 512);
    /* The leaf was made larger: what its parents do not have is zeros. */
    CHECK(test_vhd_make_child(leaf, middle, DISK + MIB, NULL, "D:\\x\\middle.vhd"));
    CHECK_OK(shows(leaf, NULL, model, &err));
    disk = disk_open(leaf, DISK_WRITE, &err);
    CHECK_OK(disk && disk_size(disk) == DISK + MIB);
    CHECK_OK(disk && disk_write(disk, DISK - 5, "0123456789", 10, &err) &&
             disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    memcpy(model + DISK - 5, "01234", 5);
    CHECK_OK(shows(leaf, NULL, model, &err));
    disk = disk_open(leaf, DISK_READ, &err);
    CHECK_OK(disk && disk_read(disk, DISK, own, 512, &err));
    CHECK(memcmp(own, "56789\0\0", 7) == 0 && own[511] == 0);
}

/* A half filled block would show through in the next one that takes its place. */
TEST(a_parent_that_breaks_off_while_a_block_is_copied_spoils_the_change)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK), *bytes = calloc(1, 64 << 10);
    const char *child = scratch("child.vhd"), *parent = scratch("parent.vhd");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_chain(model, ".\\parent.vhd", ABSOLUTE));
    CHECK_EQ(shell("cp -p %s %s", parent, scratch("parent.before")), 0);
    disk = disk_open(child, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    CHECK_EQ(shell("truncate -s 1M %s", parent), 0);
    CHECK(disk && !disk_write(disk, 0, bytes, 64 << 10, &err));
    CHECK(strstr(err.text[0], "is cut off"));
    err = ERR_INIT;
    CHECK_OK(disk && disk_write(disk, 2 * BLOCK, "own", 3, &err));
    CHECK(disk && !disk_commit(disk, &err));
    CHECK(strstr(err.text[0], "failed half-way: nothing is committed"));
    disk_close(disk);
    disk = NULL;
    CHECK_EQ(shell("cp -p %s %s", scratch("parent.before"), parent), 0);
    err = ERR_INIT;
    CHECK_OK(shows(child, NULL, model, &err));
}

/* Makes what "a parent ..." and the like say of the chain. */
static void spoil(unsigned i)
{
    const char *child = scratch("child.vhd"), *parent = scratch("parent.vhd");
    struct err err = ERR_INIT;

    switch (i) {
    case 0:
        unlink(parent);
        break;
    case 1:
        CHECK_EQ(shell("touch -d '2001-02-03' %s", parent), 0);
        break;
    case 2:
        CHECK(test_vhd_set_footer(parent, 68, 12345, 8));
        break;
    case 3:
        CHECK_OK(disk_create_vhdx(scratch("other.vhdx"), DISK, MIB, &err));
        CHECK_EQ(shell("mv %s %s", scratch("other.vhdx"), parent), 0);
        break;
    case 4:
        write_whole(scratch("parent.vhd.hvgpu-commit"), "x", 1);
        break;
    case 5: /* no locator counts, and no name in the header */
        for (unsigned k = 0; k < 2; k++)
            CHECK(test_vhd_set_header(child, 576 + k * 24, 0, 4));
        for (unsigned k = 0; k < 64; k++)
            CHECK(test_vhd_set_header(child, 64 + k * 8, 0, 8));
        break;
    case 6: /* the parent is damaged itself */
        CHECK(test_vhd_set_header(parent, 32, 12345, 4));
        break;
    case 7: /* the first locator's name in block 1 */
        CHECK(test_vhd_set_header(child, 576 + 16, MIB, 8));
        break;
    case 8: /* itself, under a second name, without end */
        CHECK(test_vhd_link(child, child));
        CHECK(test_vhd_set_header(child, 56, 0, 4));
        CHECK_EQ(shell("cp %s %s", child, parent), 0);
        CHECK_EQ(shell("cp %s %s", child, scratch("twin.vhd")), 0);
        break;
    default:
        CHECK(false);
    }
}

TEST(what_makes_no_chain_is_refused_each_by_its_name)
{
    static const struct {
        const char *name;
        enum err_kind kind;
        const char *text, *hint;
    } cases[] = {
        { "a parent that is gone", ERR_NOT_FOUND, "is not there", "--parents" },
        { "a parent that was written since", ERR_CONFLICT, "was written after", "cp -p" },
        { "another disk of its name", ERR_CONFLICT, "is not the disk that", "--parents" },
        { "a VHDX as parent", ERR_PROTOCOL, "is no VHD", "one format" },
        { "a parent with an unfinished change", ERR_CONFLICT, "interrupted change",
          "image show" },
        { "no names", ERR_PROTOCOL, "does not say what its parent is", "" },
        { "a damaged parent", ERR_PROTOCOL, "a damaged VHD: its block size", "" },
        { "a block on a name", ERR_PROTOCOL, "a block lies on its tables", "" },
        { "a circle", ERR_UNSUPPORTED, "more than 32 disks in a chain", "" },
    };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        CHECK(make_chain(model, i == 8 ? "twin.vhd" : ".\\parent.vhd",
                         i == 8 ? "C:\\child.vhd" : ABSOLUTE));
        spoil(i);
        for (unsigned mode = 0; mode < 2 - i / 8; mode++) { /* a circle locks itself out */
            err = ERR_INIT;
            CHECK(!disk_open(scratch("child.vhd"), mode ? DISK_WRITE : DISK_READ, &err));
            CHECK_EQ(err.kind, cases[i].kind);
            CHECK(strstr(err.text[0], cases[i].text));
            CHECK(strstr(err.hint, cases[i].hint));
        }
        unlink(scratch("parent.vhd.hvgpu-commit"));
        unlink(scratch("twin.vhd"));
    }
}

TEST(any_of_the_names_will_do_but_only_downwards)
{
    static const struct {
        const char *relative, *absolute;
        const char *folder, *parents; /* below the scratch folder; NULL: not named */
        bool is_found;
    } cases[] = {
        { ".\\base\\parent.vhd", NULL, "vm/base", NULL, true },
        { NULL, "D:\\x\\parent.vhd", "vm", NULL, true },
        { "..\\base\\parent.vhd", "C:\\x\\parent.vhd", "base", NULL, false },
        { "..\\base\\parent.vhd", NULL, "base", "base", true },
        { "..\\..\\x\\base\\parent.vhd", NULL, "base", ".", true },
        { "\\\\server\\x\\parent.vhd", NULL, "base", "base", true },
    };
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup)
        char *root =
            cases[i].parents ? text_printf("%s/%s", scratch_dir(), cases[i].parents) : NULL;
        struct err err = ERR_INIT;

        test_case(cases[i].relative ? cases[i].relative : cases[i].absolute);
        CHECK(make_chain(model, cases[i].relative, cases[i].absolute));
        CHECK_EQ(shell("cd %s && rm -rf vm base && mkdir -p vm %s && mv child.vhd vm && "
                       "mv parent.vhd %s",
                       scratch_dir(), cases[i].folder, cases[i].folder),
                 0);
        CHECK_EQ(shows(scratch("vm/child.vhd"), root, model, &err), cases[i].is_found);
        /* The confined reader sees the same, and may open nothing else. */
        CHECK_EQ(image_inspect_confined(scratch("vm/child.vhd"), root, facts, &err),
                 cases[i].is_found);
        if (cases[i].is_found)
            CHECK_STR_EQ(facts->format, "vhd-differencing");
        else
            CHECK_EQ(err.kind, ERR_NOT_FOUND);
    }
}

/* What a child remembers of the time of its parent: the file's, the footer's, nothing. */
TEST(the_parents_time_may_be_told_in_three_ways)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);
    const char *child = scratch("child.vhd");
    struct err err = ERR_INIT;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_chain(model, ".\\parent.vhd", ABSOLUTE));
    CHECK(test_vhd_set_footer(scratch("parent.vhd"), 24, 700000001, 4));
    CHECK_EQ(shell("touch -d '2001-02-03' %s", scratch("parent.vhd")), 0);
    CHECK(!disk_open(child, DISK_READ, &err));
    CHECK(test_vhd_set_header(child, 56, 700000001, 4));
    CHECK_OK(shows(child, NULL, model, &err));
    CHECK(test_vhd_set_header(child, 56, 0, 4));
    CHECK_OK(shows(child, NULL, model, &err));
    CHECK(test_vhd_set_header(child, 56, 700000002, 4));
    CHECK(!disk_open(child, DISK_READ, &err));
}

static bool has_checkpoint(const char *path)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;
    bool found = false;

    CHECK_OK(image_inspect_confined(path, NULL, facts, &err));
    for (unsigned i = 0; i < facts->blocker_count; i++)
        if (strcmp(facts->blockers[i].id, "checkpoint") == 0)
            found = strstr(facts->blockers[i].message, "child.") != NULL;
    return found;
}

TEST(a_vhd_that_a_checkpoint_was_made_from_is_not_to_be_written)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(DISK);

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_chain(model, ".\\parent.vhd", ABSOLUTE));
    CHECK(has_checkpoint(scratch("parent.vhd")));
    CHECK(!has_checkpoint(scratch("child.vhd")));
    CHECK_EQ(shell("mv %s %s", scratch("child.vhd"), scratch("child.avhd")), 0);
    CHECK(has_checkpoint(scratch("parent.vhd")));
    /* A child of what the disk was once is none of it now. */
    CHECK_EQ(shell("touch -d '2001-02-03' %s", scratch("parent.vhd")), 0);
    CHECK(!has_checkpoint(scratch("parent.vhd")));
    unlink(scratch("child.avhd"));
}

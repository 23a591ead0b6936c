/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All or nothing for a set of pages of one file. */

#include "commit-journal.h"

#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "little-endian.h"
#include "text.h"

enum {
    HEADER = 4096,
    RECORD = 64,
    SECTORS = 8, /* of a page */
    SECTOR = 512,
    PAGES_MAX = 1 << 20,
};
static const char magic[16] = "hvgpu-commit-1\n";

struct commit_journal {
    struct image_file *target;
    struct image_file *file;
    uint8_t identity[32];
    bool check_sectors;
    uint32_t count, crc;
};

static char *journal_path(const char *path)
{
    return text_printf("%s.hvgpu-commit", path);
}

static bool has_identity(const uint8_t identity[32])
{
    static const uint8_t none[32];

    return memcmp(identity, none, 32) != 0;
}

struct commit_journal *commit_journal_new(struct image_file *target,
                                          const uint8_t identity[32], struct err *err)
{
    struct commit_journal *journal = calloc(1, sizeof(*journal));
    CLEANUP(free_cleanup) char *path = journal_path(target->path);

    if (!journal || !path) {
        free(journal);
        err_no_memory(err);
        return NULL;
    }
    journal->target = target;
    memcpy(journal->identity, identity, 32);
    journal->check_sectors = !has_identity(identity);
    journal->file = image_file_create(path, err);
    if (!journal->file) {
        free(journal);
        return NULL;
    }
    return journal;
}

/* Closed first: Windows removes no file that is open.  The target's lock keeps others out of
 * the moment in between. */
static bool remove_file(struct commit_journal *journal, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_dup(journal->file->path);

    image_file_close(journal->file);
    journal->file = NULL;
    return path ? image_file_remove(path, err) : err_no_memory(err);
}

void commit_journal_free(struct commit_journal *journal)
{
    struct err unused = ERR_INIT;

    if (!journal)
        return;
    if (journal->file && !remove_file(journal, &unused))
        unused = ERR_INIT; /* the next opener of the target removes it */
    free(journal);
}

static uint64_t record_at(uint32_t i)
{
    return HEADER + (uint64_t)i * (RECORD + IMAGE_PAGE);
}

bool commit_journal_add(struct commit_journal *journal, uint64_t file_offset,
                        const uint8_t *bytes, size_t len, struct err *err)
{
    uint8_t record[RECORD + IMAGE_PAGE] = { 0 };

    if (journal->count == PAGES_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "too many changes for one commit");
    store_u64(record, file_offset);
    store_u32(record + 8, (uint32_t)len);
    if (journal->check_sectors) {
        uint8_t old[IMAGE_PAGE] = { 0 };

        if (!image_file_read(journal->target, file_offset, old, len, err))
            return false;
        for (unsigned s = 0; s < SECTORS; s++)
            store_u32(record + 16 + 4 * s, crc32c(0, old + s * SECTOR, SECTOR));
    }
    memcpy(record + RECORD, bytes, len);
    journal->crc = crc32c(journal->crc, record, sizeof(record));
    if (!image_file_write(journal->file, record_at(journal->count), record, sizeof(record),
                          err))
        return false;
    journal->count++;
    return true;
}

static void encode_header(const struct commit_journal *journal, uint8_t bytes[HEADER])
{
    memset(bytes, 0, HEADER);
    memcpy(bytes, magic, sizeof(magic));
    store_u32(bytes + 16, journal->count);
    store_u32(bytes + 20, journal->check_sectors);
    memcpy(bytes + 24, journal->identity, 32);
    store_u64(bytes + 56, journal->target->size);
    store_u32(bytes + 64, journal->crc);
    store_u32(bytes + 68, crc32c(0, bytes, 68));
}

/* Reads a journal's header; false: it is none, or was not finished. */
static bool decode_header(struct commit_journal *journal, uint64_t *ret_target_size)
{
    uint8_t bytes[HEADER];
    struct err unused = ERR_INIT;

    if (journal->file->size < HEADER ||
        !image_file_read(journal->file, 0, bytes, HEADER, &unused) ||
        memcmp(bytes, magic, sizeof(magic)) != 0 ||
        load_u32(bytes + 68) != crc32c(0, bytes, 68))
        return false;
    journal->count = load_u32(bytes + 16);
    journal->check_sectors = load_u32(bytes + 20);
    memcpy(journal->identity, bytes + 24, 32);
    *ret_target_size = load_u64(bytes + 56);
    journal->crc = load_u32(bytes + 64);
    return journal->count <= PAGES_MAX && journal->file->size >= record_at(journal->count);
}

typedef bool record_fn(struct commit_journal *journal, const uint8_t *record,
                       struct err *err);

static bool each_record(struct commit_journal *journal, record_fn *on_record,
                        struct err *err)
{
    for (uint32_t i = 0; i < journal->count; i++) {
        uint8_t record[RECORD + IMAGE_PAGE];

        if (!image_file_read(journal->file, record_at(i), record, sizeof(record), err) ||
            !on_record(journal, record, err))
            return false;
    }
    return true;
}

static bool put_in_place(struct commit_journal *journal, const uint8_t *record,
                         struct err *err)
{
    return image_file_write(journal->target, load_u64(record), record + RECORD,
                            load_u32(record + 8), err);
}

static bool finish(struct commit_journal *journal, struct err *err)
{
    bool ok =
        each_record(journal, put_in_place, err) && image_file_sync(journal->target, err);

    if (ok)
        return remove_file(journal, err);
    /* Not removed on failure: the next opener finishes what was begun. */
    image_file_close(journal->file);
    journal->file = NULL;
    return false;
}

bool commit_journal_apply(struct commit_journal *journal, struct err *err)
{
    uint8_t header[HEADER];

    encode_header(journal, header);
    return image_file_write(journal->file, 0, header, HEADER, err) &&
           image_file_sync(journal->file, err) &&
           image_file_sync_folder(journal->file->path, err) && finish(journal, err);
}

bool commit_journal_exists(const char *path)
{
    CLEANUP(free_cleanup) char *name = journal_path(path);

    return name && image_file_exists(name);
}

static bool add_to_crc(struct commit_journal *journal, const uint8_t *record,
                       struct err *err)
{
    journal->crc = crc32c(journal->crc, record, RECORD + IMAGE_PAGE);
    return true;
}

static bool fits_target(struct commit_journal *journal, const uint8_t *record,
                        struct err *err)
{
    uint64_t offset = load_u64(record);
    uint32_t len = load_u32(record + 8);
    uint8_t now[IMAGE_PAGE] = { 0 };

    if (len > IMAGE_PAGE || offset > journal->target->size ||
        len > journal->target->size - offset)
        return err_fail(err, ERR_CONFLICT, 0, "the image is shorter than its journal says");
    if (!journal->check_sectors)
        return true;
    if (!image_file_read(journal->target, offset, now, len, err))
        return false;
    for (unsigned s = 0; s < SECTORS; s++) {
        const uint8_t *sector = now + s * SECTOR;

        if (memcmp(sector, record + RECORD + s * SECTOR, SECTOR) != 0 &&
            crc32c(0, sector, SECTOR) != load_u32(record + 16 + 4 * s))
            return err_fail(err, ERR_CONFLICT, 0, "the image was written since");
    }
    return true;
}

static bool is_whole_and_ours(struct commit_journal *journal, const uint8_t identity[32])
{
    struct err unused = ERR_INIT;
    uint64_t target_size = 0;
    uint32_t crc;

    if (!decode_header(journal, &target_size))
        return false;
    if (journal->target->size < target_size || memcmp(journal->identity, identity, 32) != 0)
        return false;
    crc = journal->crc;
    journal->crc = 0;
    return each_record(journal, add_to_crc, &unused) && journal->crc == crc &&
           each_record(journal, fits_target, &unused);
}

bool commit_journal_recover(struct image_file *target, const uint8_t identity[32],
                            struct err *err)
{
    CLEANUP(free_cleanup) char *path = journal_path(target->path);
    struct commit_journal journal = { .target = target };

    if (!path)
        return err_no_memory(err);
    if (!image_file_exists(path))
        return true;
    journal.file = image_file_open(path, IMAGE_LOCK_WRITE, err);
    if (!journal.file)
        return err_wrap(err, "opening the unfinished commit of '%s'", target->path);
    if (is_whole_and_ours(&journal, identity))
        return finish(&journal, err);
    return remove_file(&journal, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything below CIM as stable text: files with size, attributes, time and hash, hives
 * and copies of them as their keys and values (a hive that was changed and changed back has
 * other bytes but the same values), each VM disk's volumes likewise.  Times of folders and
 * of hives are left out: they change without anything having changed.
 */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "strbuf.h"
#include "text.h"
#include "world-inside.h"

enum { HIVE_MAX = 256 << 20, DEPTH_MAX = 64 };

/* ---- hives ---- */

static bool dump_value(struct hive *hive, const char *key, const char *name,
                       struct strbuf *to, struct err *err)
{
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };

    if (!hive_get(hive, key, name, &value, err))
        return false;
    strbuf_printf(to, "    %s = %u:", *name ? name : "(default)", value.type);
    for (size_t i = 0; i < value.len; i++)
        strbuf_printf(to, "%02x", value.bytes[i]);
    strbuf_putc(to, '\n');
    return true;
}

static bool dump_key(struct hive *hive, const char *key, unsigned depth, struct strbuf *to,
                     struct err *err)
{
    char **names = NULL;
    size_t count = 0;
    bool ok = true;

    if (depth > DEPTH_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "key '%.100s' lies too deep", key);
    strbuf_printf(to, "  [%s]\n", key);
    if (!hive_list_values(hive, key, &names, &count, err))
        return false;
    for (size_t i = 0; ok && i < count; i++)
        ok = dump_value(hive, key, names[i], to, err);
    hive_texts_free(names, count);
    names = NULL;
    count = 0;
    if (!ok || !hive_list_keys(hive, key, &names, &count, err))
        return false;
    for (size_t i = 0; ok && i < count; i++) {
        CLEANUP(free_cleanup)
        char *below = *key ? text_printf("%s\\%s", key, names[i]) : text_dup(names[i]);

        ok = below ? dump_key(hive, below, depth + 1, to, err) : err_no_memory(err);
    }
    hive_texts_free(names, count);
    return ok;
}

/* By its name, wherever it lies: a copy of a hive tells its values as the hive itself does. */
static bool is_hive(const char *path)
{
    return text_iends(path, "\\SYSTEM") || text_iends(path, "\\SOFTWARE") ||
           text_iends(path, "\\DRIVERS");
}

static void put_hash(const uint8_t *bytes, size_t len, struct strbuf *to)
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_init(&sha);
    sha256_update(&sha, len, bytes);
    sha256_digest(&sha, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        strbuf_printf(to, "%02x", digest[i]);
}

static bool dump_hive(const uint8_t *bytes, size_t len, struct strbuf *to, struct err *err)
{
    struct err unreadable = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = hive_open(bytes, len, false, &unreadable);

    if (!hive) { /* damaged or dirty: what it is, byte by byte */
        strbuf_puts(to, "  no readable hive, ");
        put_hash(bytes, len, to);
        strbuf_putc(to, '\n');
        return true;
    }
    return dump_key(hive, "", 0, to, err);
}

/* ---- files: one walk for C: and for volumes ---- */

struct tree {
    struct sim_world *world;
    struct volume *volume; /* NULL: C: */
    struct strbuf *to;
    const char *path;
    unsigned depth;
};

static bool hash_piece(const void *bytes, size_t len, void *user, struct err *err)
{
    sha256_update(user, len, bytes);
    return true;
}

static bool read_whole(const struct tree *tree, const char *path, uint8_t **ret,
                       size_t *ret_len, struct err *err)
{
    if (tree->volume)
        return volume_read_all(tree->volume, path, HIVE_MAX, ret, ret_len, err);

    CLEANUP(place_clear) struct place place = { 0 };
    if (!world_resolve(tree->world, path, &place, err))
        return false;
    *ret = (uint8_t *)os_read_file(place.inner, HIVE_MAX, ret_len, err);
    return *ret != NULL;
}

static bool put_file_hash(const struct tree *tree, const char *path, struct err *err)
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_init(&sha);
    if (tree->volume) {
        if (!volume_read(tree->volume, path, hash_piece, &sha, err))
            return false;
    } else {
        CLEANUP(free_cleanup) uint8_t *bytes = NULL;
        size_t len;

        if (!read_whole(tree, path, &bytes, &len, err))
            return false;
        sha256_update(&sha, len, bytes);
    }
    sha256_digest(&sha, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        strbuf_printf(tree->to, "%02x", digest[i]);
    return true;
}

static bool dump_tree(const struct tree *tree, struct err *err);

/* A folder of C: where the volume of an attached image is mounted: what is in it is told
 * with the image. */
static bool is_mount_point(const struct tree *tree, const char *path, bool *ret,
                           struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };

    *ret = false;
    if (tree->volume)
        return true;
    if (!world_resolve(tree->world, path, &place, err))
        return false;
    *ret = place.attached != NULL;
    return true;
}

static bool dump_entry(const struct file_info *info, void *user, struct err *err)
{
    const struct tree *tree = user;
    CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", tree->path, info->name);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    if (!path)
        return err_no_memory(err);
    if (tree->depth == 0 && info->name[0] == '$')
        return true; /* NTFS' own files */
    if (info->attributes & FILE_IS_DIR) {
        struct tree below = *tree;
        bool mounted;

        if (!is_mount_point(tree, path, &mounted, err))
            return false;
        strbuf_printf(tree->to, "%s\\ %x%s\n", path, info->attributes,
                      mounted ? " mount point" : "");
        if (mounted)
            return true;
        below.path = path;
        below.depth++;
        return below.depth > DEPTH_MAX
                   ? err_fail(err, ERR_PROTOCOL, 0, "'%.100s' lies too deep", path)
                   : dump_tree(&below, err);
    }
    if (!tree->volume && text_iends(path, ".vhdx")) {
        strbuf_printf(tree->to, "%s disk\n", path);
        return true;
    }
    if (is_hive(path)) {
        strbuf_printf(tree->to, "%s %x hive\n", path, info->attributes);
        return read_whole(tree, path, &bytes, &len, err) &&
               dump_hive(bytes, len, tree->to, err);
    }
    strbuf_printf(tree->to, "%s %x %" PRIu64 " %" PRId64 " ", path, info->attributes,
                  info->size, info->mtime_usec);
    if (!put_file_hash(tree, path, err))
        return false;
    strbuf_putc(tree->to, '\n');
    return true;
}

static bool dump_tree(const struct tree *tree, struct err *err)
{
    return tree->volume
               ? volume_list(tree->volume, tree->path, dump_entry, (void *)tree, err)
               : world_list(tree->world, tree->path, dump_entry, (void *)tree, err);
}

/* ---- VM disks ---- */

static bool dump_volume(struct sim_world *w, struct volume *volume, struct strbuf *to,
                        struct err *err)
{
    struct tree tree = { .world = w, .volume = volume, .to = to, .path = "" };

    return dump_tree(&tree, err);
}

static bool dump_parts(struct sim_world *w, struct disk *disk, struct strbuf *to,
                       struct err *err)
{
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    struct err unreadable = ERR_INIT;
    const char *table;
    unsigned count;

    if (!parts)
        return err_no_memory(err);
    if (!disk_partitions(disk, parts, &count, &table, &unreadable)) {
        strbuf_puts(to, "no partitions\n");
        return true;
    }
    for (unsigned i = 0; i < count; i++) {
        struct volume *volume = NULL;
        bool ok;

        strbuf_printf(to, "partition %u %s %" PRIu64 " %" PRIu64 " %s\n", parts[i].index,
                      parts[i].type, parts[i].offset_bytes, parts[i].size_bytes,
                      parts[i].file_system);
        if (strcmp(parts[i].file_system, "ntfs") != 0)
            continue;
        unreadable = ERR_INIT;
        volume = volume_open(disk, &parts[i], DISK_READ, &unreadable);
        if (!volume) { /* BitLocker, unclean ...: as the lab asked for */
            strbuf_printf(to, "unreadable: %s\n", unreadable.text[0]);
            continue;
        }
        ok = dump_volume(w, volume, to, err);
        volume_drop(volume);
        if (!ok)
            return false;
    }
    return true;
}

static bool dump_disk(struct sim_world *w, const char *path, struct strbuf *to,
                      struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct attached *a;

    strbuf_printf(to, "\ndisk %s\n", path);
    if (!world_resolve(w, path, &place, err))
        return false;
    if (!place.exists) {
        strbuf_puts(to, "missing\n");
        return true;
    }
    if (!attached_by_any(w, place.windows, &a, err))
        return false;
    if (a) {
        /* Nothing is uncommitted: no batch is open.  Dropping would spoil the disk. */
        if (a->volume && !volume_close(TAKE(a->volume), err))
            return false;
        return dump_parts(w, a->disk, to, err);
    }

    CLEANUP(disk_cleanup) struct disk *disk = disk_open(place.inner, DISK_READ, err);
    return disk && dump_parts(w, disk, to, err);
}

bool world_dump(struct sim_world *w, struct strbuf *to, struct err *err)
{
    const struct sim_machine *machine = w->host->machine;
    struct tree tree = { .world = w, .to = to, .path = "C:" };

    for (struct attached *a = w->attached; a; a = a->next)
        for (unsigned i = 0; i < a->part_count; i++)
            strbuf_printf(to, "attached %s%s partition %u at %s\n", a->path,
                          a->read_only ? " read-only" : "", a->parts[i].index,
                          a->access[i] ? a->access[i] : "-");
    for (size_t i = 0; i < w->hive_count; i++)
        if (!w->hives[i].own)
            strbuf_printf(to, "loaded %s from %s\n", w->hives[i].mount, w->hives[i].file);
    if (!dump_tree(&tree, err))
        return err_wrap(err, "C: of '%s'", w->host->name);
    for (size_t i = 0; machine && i < machine->disk_count; i++)
        if (!dump_disk(w, machine->disks[i].path, to, err))
            return err_wrap(err, "disk '%s'", machine->disks[i].path);
    return !to->failed || err_no_memory(err);
}

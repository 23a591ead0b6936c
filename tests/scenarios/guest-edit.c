/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody does by hand inside a guest: writes, reads, removes a file of the Windows on a
 * disk, or lists a folder.  For scenarios, which cannot start the guest.
 */

#include <stdio.h>
#include <string.h>

#include "image.h"
#include "os.h"
#include "text.h"

enum { FILE_MAX = 256 << 20 };

static bool print_name(const struct file_info *info, void *user, struct err *err)
{
    printf("%s\t%llu\n", info->name, (unsigned long long)info->size);
    return true;
}

static bool read_out(struct volume *volume, const char *path, const char *to,
                     struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    return volume_read_all(volume, path, FILE_MAX, &bytes, &len, err) &&
           os_write_file(to, bytes, len, err);
}

/* @times: "keep" the file's time, as somebody does who hides a change; else it is now. */
static bool write_in(struct volume *volume, const char *path, const char *from,
                     const char *times, struct err *err)
{
    size_t len;
    CLEANUP(free_cleanup) char *bytes = os_read_file(from, FILE_MAX, &len, err);
    struct file_info was = { .mtime_usec = os_now_usec() };
    bool keep = strcmp(times, "keep") == 0;

    if (!bytes)
        return false;
    if (keep && !volume_stat(volume, path, &was, err))
        return false;
    free(was.name);
    return volume_write_all(volume, path, bytes, len, was.mtime_usec, FILE_IS_ARCHIVE, err);
}

static bool act(struct volume *volume, char **args, int count, bool *ret_changed,
                struct err *err)
{
    const char *verb = args[0], *path = args[1];

    *ret_changed = false;
    if (count == 2 && strcmp(verb, "list") == 0)
        return volume_list(volume, path, print_name, NULL, err);
    if (count == 3 && strcmp(verb, "get") == 0)
        return read_out(volume, path, args[2], err);
    *ret_changed = true;
    if (count == 4 && strcmp(verb, "put") == 0)
        return write_in(volume, path, args[2], args[3], err);
    if (count == 2 && strcmp(verb, "remove") == 0)
        return volume_remove(volume, path, true, err);
    return err_fail(err, ERR_INVALID, 0,
                    "get PATH TO, put PATH FROM now|keep, remove PATH, "
                    "or list PATH");
}

static bool edit(const char *image, char **args, int count, struct err *err)
{
    struct image_facts *facts = calloc(1, sizeof(*facts));
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(volume_cleanup) struct volume *volume = NULL;
    const struct partition *windows = NULL;
    bool changed, ok;

    ok = facts && image_inspect(image, NULL, facts, err);
    for (unsigned i = 0; ok && i < facts->partition_count; i++)
        if (facts->has_windows && facts->partitions[i].index == facts->windows.partition)
            windows = &facts->partitions[i];
    ok = ok && (windows || err_fail(err, ERR_NOT_FOUND, 0, "no Windows on '%s'", image));
    disk = ok ? disk_open(image, DISK_WRITE, err) : NULL;
    volume = disk ? volume_open(disk, windows, DISK_WRITE, err) : NULL;
    ok = volume && act(volume, args, count, &changed, err);
    if (ok && changed)
        ok = volume_close(TAKE(volume), err) && disk_commit(disk, err);
    free(facts);
    return ok;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char text[ERR_TEXT];

    if (argc >= 4 && edit(argv[1], argv + 2, argc - 2, &err))
        return 0;
    err_format(&err, text, sizeof(text));
    fprintf(stderr, "guest-edit: %s\n", argc >= 4 ? text : "DISK VERB PATH ...");
    return 1;
}

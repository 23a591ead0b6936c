/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies the files of a folder into the first NTFS volume of an image, commits, and says how
 * long that took and how much memory.  Used by bench/disks.py. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "err.h"
#include "image.h"
#include "os.h"
#include "text.h"

#define STORE "Windows/System32/HostDriverStore/FileRepository/bench"

struct copy {
    struct volume *volume;
    const char *folder;
    uint64_t files, bytes;
};

static bool copy_file(const struct os_entry *entry, void *user, struct err *err)
{
    struct copy *copy = user;
    CLEANUP(free_cleanup) char *from = text_printf("%s/%s", copy->folder, entry->name);
    CLEANUP(free_cleanup) char *to = text_printf(STORE "/%s", entry->name);
    int fd;
    bool ok;

    if (entry->is_dir)
        return true;
    if (!from || !to)
        return err_no_memory(err);
    fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_fail(err, ERR_NOT_FOUND, 0, "cannot open '%s'", from);
    ok = volume_import(copy->volume, to, fd, entry->size, NULL, NULL, entry->mtime_usec,
                       FILE_IS_READONLY, err);
    close(fd);
    copy->files++;
    copy->bytes += entry->size;
    return ok;
}

static bool run(const char *image, const char *folder, struct copy *copy, struct err *err)
{
    CLEANUP(disk_cleanup) struct disk *disk = disk_open(image, DISK_WRITE, err);
    struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    const char *table;
    unsigned count = 0, at = 0;
    bool ok = disk && parts && disk_partitions(disk, parts, &count, &table, err);

    while (ok && at < count && !text_ieq(parts[at].file_system, "ntfs"))
        at++;
    copy->volume = ok && at < count ? volume_open(disk, &parts[at], DISK_WRITE, err) : NULL;
    copy->folder = folder;
    free(parts);
    if (!copy->volume)
        return false;
    ok = volume_make_dirs(copy->volume, STORE, err) &&
         os_list_dir(folder, copy_file, copy, err);
    if (!ok) {
        volume_drop(copy->volume);
        return false;
    }
    return volume_close(copy->volume, err) && disk_commit(disk, err);
}

int main(int argc, char **argv)
{
    struct copy copy = { 0 };
    struct err err = ERR_INIT;
    struct rusage usage;
    uint64_t start = os_monotonic_ms();

    if (argc != 3) {
        fprintf(stderr, "usage: copy-to-image IMAGE FOLDER\n");
        return 2;
    }
    if (!run(argv[1], argv[2], &copy, &err)) {
        char text[1024];

        err_format(&err, text, sizeof(text));
        fprintf(stderr, "copy-to-image: %s\n", text);
        return 1;
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("%.3f s, %llu files, %.2f GB, %ld MB of memory\n",
           (double)(os_monotonic_ms() - start) / 1000, (unsigned long long)copy.files,
           (double)copy.bytes / 1e9, usage.ru_maxrss / 1024);
    return 0;
}

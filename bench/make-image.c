/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a dynamic VHDX with one partition and lays a file system made by mkntfs into it. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "err.h"
#include "image.h"

enum { MIB = 1 << 20 };

static bool run(const char *image, const char *content, struct err *err)
{
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(MIB);
    struct partition part = { .index = 1,
                              .type = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
                              .offset_bytes = MIB };
    int fd = open(content, O_RDONLY | O_CLOEXEC);
    off_t at = 0, size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    bool ok;

    if (fd < 0 || !bytes)
        return err_fail(err, ERR_NOT_FOUND, 0, "cannot open '%s'", content);
    part.size_bytes = (uint64_t)size / MIB * MIB;
    ok = disk_create_vhdx(image, part.size_bytes + 2 * MIB, 0, err);
    disk = ok ? disk_open(image, DISK_WRITE, err) : NULL;
    ok = disk && disk_write_gpt(disk, &part, 1, err);
    while (ok && (at = lseek(fd, at, SEEK_DATA)) >= 0) {
        ssize_t n;

        at -= at % MIB;
        n = pread(fd, bytes, MIB, at);
        ok = n > 0 && disk_write(disk, (uint64_t)(MIB + at), bytes, (size_t)n, err);
        at += MIB;
    }
    close(fd);
    return ok && disk_commit(disk, err);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char text[1024];

    if (argc != 3) {
        fprintf(stderr, "usage: make-image NEW.vhdx FILE-SYSTEM\n");
        return 2;
    }
    if (run(argv[1], argv[2], &err))
        return 0;
    err_format(&err, text, sizeof(text));
    fprintf(stderr, "make-image: %s\n", text);
    return 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers of the image tests. */

#include "test-tools.h"

#include "err.h"
#include "image.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static pid_t owner;

static void remove_dir(void)
{
    if (getpid() == owner)
        shell("rm -rf %s", dir);
}

const char *scratch_dir(void)
{
    if (!dir[0]) {
        snprintf(dir, sizeof(dir), "/tmp/hvgpu-test-XXXXXX");
        if (!mkdtemp(dir))
            abort();
        owner = getpid();
        atexit(remove_dir);
    }
    return dir;
}

const char *scratch(const char *name)
{
    static char paths[256][128]; /* enough for one test */
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir(), name);
    return path;
}

bool has_program(const char *name)
{
    return shell("command -v %s", name) == 0;
}

static char *line_of(const char *fmt, const char *end, va_list args) PRINTF_LIKE(1, 0);
static char *line_of(const char *fmt, const char *end, va_list args)
{
    char *body = NULL, *line = NULL;

    if (vasprintf(&body, fmt, args) < 0 || asprintf(&line, "{ %s ; } %s", body, end) < 0)
        abort();
    free(body);
    return line;
}

int shell(const char *fmt, ...)
{
    va_list args;
    char *line;
    int status;

    va_start(args, fmt);
    line = line_of(fmt, ">/dev/null 2>&1", args);
    va_end(args);
    status = system(line);
    free(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

char *shell_output(const char *fmt, ...)
{
    size_t size = 4 << 20, len = 0;
    char *text = malloc(size), *line;
    va_list args;
    FILE *pipe;

    va_start(args, fmt);
    line = line_of(fmt, "2>&1", args);
    va_end(args);
    pipe = popen(line, "re");
    if (pipe && text) {
        len = fread(text, 1, size - 1, pipe);
        text[len] = '\0';
    }
    if (pipe)
        pclose(pipe);
    free(line);
    return text;
}

uint8_t *read_whole(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = NULL;
    long len = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        len = ftell(file);
    if (len >= 0)
        bytes = malloc((size_t)len + 1);
    if (bytes) {
        rewind(file);
        *ret_len = fread(bytes, 1, (size_t)len, file);
    }
    if (file)
        fclose(file);
    return bytes;
}

bool write_whole(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wbe");
    bool ok = file && fwrite(bytes, 1, len, file) == len;

    return file && fclose(file) == 0 && ok;
}

bool patch_file(const char *path, uint64_t offset, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && pwrite(fd, bytes, len, (off_t)offset) == (ssize_t)len;

    if (fd >= 0)
        close(fd);
    return ok;
}

bool copy_file(const char *from, const char *to)
{
    return shell("cp --sparse=always '%s' '%s'", from, to) == 0;
}

uint64_t dice_roll(struct dice *dice, uint64_t below)
{
    /* splitmix64 */
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return below ? (z ^ z >> 31) % below : 0;
}

void dice_fill(struct dice *dice, void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)dice_roll(dice, 256);
}

/* ---- NTFS images ---- */

bool make_ntfs_image(const char *path, unsigned mib, const char *format, struct err *err)
{
    static const struct partition part = { .index = 1,
                                           .type = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
                                           .offset_bytes = 1 << 20 };
    struct partition layout = part;
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    uint64_t size = (uint64_t)(mib + 2) << 20;
    size_t len = 0;

    shell("rm -f %s %s && truncate -s %uM %s", path, scratch("mkntfs.raw"), mib,
          scratch("mkntfs.raw"));
    if (shell("mkntfs -q -F -f -L Gast -s 512 -p 2048 -H 255 -S 63 %s",
              scratch("mkntfs.raw")) != 0)
        return err_fail(err, ERR_SYSTEM, 0, "mkntfs failed");
    bytes = read_whole(scratch("mkntfs.raw"), &len);
    if (!bytes)
        return err_no_memory(err);
    if (!format ? !disk_create_vhdx(path, size, 1 << 20, err)
        : strcmp(format, "raw") == 0
            ? shell("truncate -s %uM %s", mib + 2, path) != 0
            : shell("qemu-img create -f vpc -o subformat=dynamic,force_size=on %s %uM",
                    path, mib + 2) != 0)
        return false;
    disk = disk_open(path, DISK_WRITE, err);
    layout.size_bytes = len;
    if (!disk || !disk_write_gpt(disk, &layout, 1, err))
        return false;
    for (size_t at = 0; at < len; at += 1 << 20)
        if (!disk_write(disk, (1 << 20) + at, bytes + at, 1 << 20, err))
            return false;
    return disk_commit(disk, err);
}

struct volume *open_ntfs_image(const char *path, enum disk_mode mode,
                               struct disk **ret_disk, struct err *err)
{
    struct disk *disk = disk_open(path, mode, err);
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    struct volume *volume = NULL;
    const char *table;
    unsigned count = 0;

    if (disk && disk_partitions(disk, parts, &count, &table, err) && count)
        volume = volume_open(disk, &parts[0], mode, err);
    if (!volume) {
        disk_close(disk);
        return NULL;
    }
    *ret_disk = disk;
    return volume;
}

bool extract_partition(const char *path, const char *format, unsigned mib, const char *to)
{
    shell("rm -f %s", to);
    return shell("qemu-img dd -f %s -O raw if=%s of=%s bs=1M skip=1 count=%u", format, path,
                 to, mib + 1) == 0 &&
           shell("truncate -s %uM %s", mib, to) == 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers of the image tests. */

#include "test-tools.h"

#include "err.h"
#include "guid-text.h"
#include "hive.h"
#include "image.h"
#include "little-endian.h"
#include "test.h"
#include "text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG "Windows/System32/config"

static char dir[TEST_FOLDER];
static pid_t owner;

static void remove_dir(void)
{
    if (getpid() == owner)
        shell("rm -rf %s", dir);
}

const char *scratch_dir(void)
{
    if (!dir[0]) {
        test_make_folder("image", dir);
        owner = getpid();
        atexit(remove_dir);
    }
    return dir;
}

const char *scratch(const char *name)
{
    static char paths[256][TEST_FOLDER + 64]; /* enough for one test */
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

/* A restart page of $LogFile, as Windows leaves it: with a client that did not finish.
 * Source: libntfs-3g, logfile.h. */
static void make_restart_page(uint8_t page[4096], uint64_t log_bytes, uint16_t major)
{
    enum { AREA = 0x30, CLIENT = AREA + 0x30, NONE = 0xFFFF };
    unsigned bits = 0;

    for (uint64_t n = log_bytes; n; n >>= 1)
        bits++;
    memset(page, 0, 4096);
    memcpy(page, "RSTR", 4);
    store_u16(page + 4, 30); /* fixups: one number, then what it replaces */
    store_u16(page + 6, 9);
    store_u32(page + 16, 4096);
    store_u32(page + 20, 4096);
    store_u16(page + 24, AREA);
    store_u16(page + 26, major == 2 ? 0 : 1);
    store_u16(page + 28, major);
    store_u16(page + 30, 1);
    store_u64(page + AREA, 0x100000);
    store_u16(page + AREA + 8, 1);     /* clients */
    store_u16(page + AREA + 10, NONE); /* none free */
    store_u16(page + AREA + 12, 0);    /* the first one is in use */
    store_u32(page + AREA + 16, 67 - bits);
    store_u16(page + AREA + 20, 0x30 + 160);
    store_u16(page + AREA + 22, 0x30);
    store_u64(page + AREA + 24, log_bytes);
    store_u16(page + AREA + 36, 48);
    store_u16(page + AREA + 38, 64);
    store_u64(page + CLIENT + 8, 0x100000);
    store_u16(page + CLIENT + 16, NONE);
    store_u16(page + CLIENT + 18, NONE);
    store_u32(page + CLIENT + 28, 8);
    memcpy(page + CLIENT + 32, "N\0T\0F\0S\0", 8);
    for (unsigned sector = 0; sector < 8; sector++)
        store_u16(page + sector * 512 + 510, 1);
}

/* mkntfs fills $LogFile with FF: the longest run of such pages. */
static uint64_t find_log(const uint8_t *image, size_t len, uint64_t *ret_bytes)
{
    uint64_t best = 0, best_bytes = 0;

    for (uint64_t at = 0; at + 4096 <= len; at += 4096) {
        uint64_t end = at;

        while (end + 4096 <= len && image[end] == 0xFF &&
               memcmp(image + end, image + end + 1, 4095) == 0)
            end += 4096;
        if (end - at > best_bytes) {
            best = at;
            best_bytes = end - at;
        }
        if (end > at)
            at = end - 4096;
    }
    *ret_bytes = best_bytes;
    return best;
}

bool leave_log_open(const char *path, unsigned major)
{
    CLEANUP(free_cleanup) uint8_t *image = NULL;
    uint64_t at, bytes = 0;
    uint8_t page[4096];
    size_t len = 0;

    image = read_whole(path, &len);
    at = image ? find_log(image, len, &bytes) : 0;
    if (bytes < 256 << 10)
        return false;
    make_restart_page(page, bytes, (uint16_t)major);
    return patch_file(path, at, page, sizeof(page)) &&
           patch_file(path, at + 4096, page, sizeof(page));
}

/* ---- chains ---- */

void patch_number(const char *path, uint64_t at, uint64_t number, size_t len)
{
    uint8_t bytes[8];

    store_u64(bytes, number);
    patch_file(path, at, bytes, len);
}

/* One key and its value into the locator at @locator, entry @i; *@used: its bytes so far. */
static void put_pair(uint8_t *locator, unsigned i, const char *key, const char *value,
                     uint32_t *used)
{
    uint8_t *entry = locator + 20 + i * 12;
    size_t len = 0;
    uint8_t *wide = text_to_utf16le(key, &len);

    store_u32(entry, *used);
    store_u16(entry + 8, (uint16_t)len);
    memcpy(locator + *used, wide, len);
    *used += (uint32_t)len;
    free(wide);
    wide = text_to_utf16le(value, &len);
    store_u32(entry + 4, *used);
    store_u16(entry + 10, (uint16_t)len);
    memcpy(locator + *used, wide, len);
    *used += (uint32_t)len;
    free(wide);
}

void data_write_guid(const char *path, char ret[40])
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &len);
    const uint8_t *a = bytes + 0x10000, *b = bytes + 0x20000;
    char guid[37];

    guid_to_text((load_u64(a + 8) > load_u64(b + 8) ? a : b) + 32, guid);
    snprintf(ret, 40, "{%s}", guid);
}

void give_parent(const char *child, const char *parent, const char *relative,
                 const char *absolute)
{
    static const uint8_t item[16] = { 0x2D, 0x5F, 0xD3, 0xA8, 0x0B, 0xB3, 0x4D, 0x45,
                                      0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C };
    static const uint8_t type[16] = { 0xB7, 0xEF, 0x4A, 0xB0, 0x9E, 0xD1, 0x81, 0x4A,
                                      0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13 };
    uint8_t entry[32] = { 0 }, locator[4096] = { 0 };
    uint32_t used = 1000;
    char linkage[40];

    data_write_guid(parent, linkage);
    memcpy(locator, type, 16);
    store_u16(locator + 18, 3);
    put_pair(locator, 0, "parent_linkage", linkage, &used);
    put_pair(locator, 1, "relative_path", relative, &used);
    put_pair(locator, 2, "absolute_win32_path", absolute, &used);
    patch_file(child, 0x218000, locator, sizeof(locator));

    memcpy(entry, item, 16);
    store_u32(entry + 16, 0x18000);
    store_u32(entry + 20, sizeof(locator));
    store_u32(entry + 24, 4);
    patch_file(child, 0x200020 + 5 * 32, entry, sizeof(entry));
    patch_number(child, 0x20000A, 6, 2);
    patch_number(child, 0x210004, 2, 4); /* has a parent */
}

/* ---- Windows on them ---- */

static bool set_text(struct hive *hive, const char *key, const char *name, const char *text,
                     struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_text(&value, HIVE_SZ, text) &&
              hive_set(hive, key, name, &value, err);

    hive_value_clear(&value);
    return ok;
}

static bool set_number(struct hive *hive, const char *key, const char *name,
                       uint64_t number, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_u64(&value, HIVE_DWORD, number) &&
              hive_set(hive, key, name, &value, err);

    hive_value_clear(&value);
    return ok;
}

static bool put_hive(struct volume *volume, const char *path, struct hive *hive, bool dirty,
                     struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    if (!hive_bytes(hive, &bytes, &len, err))
        return false;
    if (dirty) { /* one bit in the sequence number and in the checksum */
        bytes[4] ^= 1;
        bytes[508] ^= 1;
    }
    return volume_write_all(volume, path, bytes, len, 0, 0, err);
}

bool put_windows(struct volume *volume, bool dirty, struct err *err)
{
    static const char version[] = "Microsoft\\Windows NT\\CurrentVersion";
    CLEANUP(hive_cleanup) struct hive *system = hive_new(err), *software = hive_new(err);

    return system && software && set_number(system, "Select", "Current", 2, err) &&
           set_text(system, "ControlSet002\\Control\\Session Manager\\Environment",
                    "PROCESSOR_ARCHITECTURE", "AMD64", err) &&
           set_text(software, version, "CurrentBuildNumber", "22631", err) &&
           set_number(software, version, "UBR", 4317, err) &&
           set_text(software, version, "EditionID", "Professional", err) &&
           set_text(software, version, "SystemRoot", "C:\\Windows", err) &&
           volume_make_dirs(volume, CONFIG, err) &&
           put_hive(volume, CONFIG "/SYSTEM", system, dirty, err) &&
           put_hive(volume, CONFIG "/SOFTWARE", software, false, err);
}

bool make_windows_image(const char *path, unsigned mib, const char *format, struct err *err)
{
    struct disk *disk = NULL;
    struct volume *volume;
    bool ok;

    if (!make_ntfs_image(path, mib, format, err))
        return false;
    volume = open_ntfs_image(path, DISK_WRITE, &disk, err);
    ok = volume && put_windows(volume, false, err);
    if (volume)
        ok = volume_close(volume, err) && ok;
    ok = ok && disk_commit(disk, err);
    disk_close(disk);
    return ok;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal beside an image: followed or dropped, it is gone afterwards, and the image has
 * the size it had.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit-journal.h"
#include "crc32c.h"
#include "err.h"
#include "fuzz.h"
#include "image-file.h"
#include "little-endian.h"

enum { IMAGE_BYTES = 64 << 10, RECORD = 64 + 4096, JOURNAL_MAX = 4096 + 8 * RECORD };

static char image[64], journal[80];

static void put(const char *path, const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    MUST(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

static void remove_folder(void)
{
    unlink(image);
    unlink(journal);
    *strrchr(image, '/') = '\0';
    rmdir(image);
}

static void make_folder(void)
{
    char folder[] = "/dev/shm/hvgpu-fuzz-XXXXXX";

    MUST(mkdtemp(folder) || mkdtemp(strcpy(folder, "/tmp/hvgpu-fuzz-XXXXXX")));
    snprintf(image, sizeof(image), "%s/image", folder);
    snprintf(journal, sizeof(journal), "%s.hvgpu-commit", image);
    atexit(remove_folder);
}

/* Right checksums, so that the fuzzer gets behind them. */
static void seal(uint8_t *bytes, size_t len)
{
    uint32_t count;

    if (len < 4096)
        return;
    memcpy(bytes, "hvgpu-commit-1\n", 16);
    count = load_u32(bytes + 16) % 9;
    if (count > (len - 4096) / RECORD)
        count = (uint32_t)((len - 4096) / RECORD);
    store_u32(bytes + 16, count);
    store_u32(bytes + 64, crc32c(0, bytes + 4096, (size_t)count * RECORD));
    store_u32(bytes + 68, crc32c(0, bytes, 68));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[JOURNAL_MAX], content[IMAGE_BYTES];
    static const uint8_t identity[32];
    struct image_file *file;
    struct err err = ERR_INIT;
    struct stat st;

    if (!image[0])
        make_folder();
    if (size > sizeof(bytes))
        size = sizeof(bytes);
    memcpy(bytes, data, size);
    seal(bytes, size);
    put(image, content, sizeof(content));
    put(journal, bytes, size);
    file = image_file_open(image, IMAGE_LOCK_WRITE, &err);
    MUST(file);
    if (commit_journal_recover(file, identity, &err))
        MUST(access(journal, F_OK) != 0);
    else
        MUST(err.kind != ERR_NONE);
    image_file_close(file);
    MUST(stat(image, &st) == 0 && st.st_size == IMAGE_BYTES);
    return 0;
}

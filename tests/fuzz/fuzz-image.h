/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk images are large and mostly empty, which a fuzzer cannot change sensibly.  So its
 * input is a list of pieces laid into an empty file in memory.  One piece: a byte that says
 * its kind, the offset (32 bits), then
 *   0: length (16 bits), the bytes        1: length (32 bits), one byte that fills it
 *   2: count (16 bits), first number (16 bits): that many 16-bit numbers, counting up
 * All little-endian.  pack-image.py makes such a list of an image.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

static inline uint32_t fuzz_take(const uint8_t **data, size_t *size, unsigned len)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < len && *size; i++, ++*data, --*size)
        number |= (uint32_t) * *data << (8 * i);
    return number;
}

/* The image as @image_size bytes, owned. */
static inline uint8_t *fuzz_unpack(const uint8_t *data, size_t size, size_t image_size)
{
    uint8_t *image = calloc(1, image_size);

    MUST(image);
    while (size) {
        unsigned kind = fuzz_take(&data, &size, 1) % 3;
        size_t at = fuzz_take(&data, &size, 4) % image_size, room = image_size - at;
        size_t len = fuzz_take(&data, &size, kind == 1 ? 4 : 2);
        uint32_t first = kind ? fuzz_take(&data, &size, kind) : 0;

        if (kind == 2)
            len *= 2;
        if (kind == 0 && len > size)
            len = size;
        if (len > room)
            len = room;
        if (kind == 0) {
            memcpy(image + at, data, len);
            data += len;
            size -= len;
        } else if (kind == 1) {
            memset(image + at, (int)first, len);
        } else {
            for (size_t i = 0; i < len; i++)
                image[at + i] = (uint8_t)((first + i / 2) >> (i % 2 * 8));
        }
    }
    return image;
}

/* A descriptor of a file in memory with the image, and its path.  Takes @image over. */
static inline int fuzz_file(uint8_t *image, size_t image_size, char path[40])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    MUST(fd >= 0 && ftruncate(fd, (off_t)image_size) == 0);
    for (size_t at = 0; at < image_size; at += 4096) {
        static const uint8_t zeros[4096];
        size_t n = image_size - at < 4096 ? image_size - at : 4096;

        if (memcmp(image + at, zeros, n) != 0)
            MUST(pwrite(fd, image + at, n, (off_t)at) == (ssize_t)n);
    }
    free(image);
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of this folder share: a folder for scratch files, programs others wrote,
 * random numbers that repeat. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

/* Made on first use, removed at exit. */
const char *scratch_dir(void);
/* "DIR/name"; one of a few static buffers. */
const char *scratch(const char *name);

bool has_program(const char *name);
/* Runs a shell line; its exit status, output dropped. */
int shell(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* What it prints, stderr included; owned. */
char *shell_output(const char *fmt, ...) PRINTF_LIKE(1, 2);

uint8_t *read_whole(const char *path, size_t *ret_len); /* owned; NULL: cannot */
bool write_whole(const char *path, const void *bytes, size_t len);
bool patch_file(const char *path, uint64_t offset, const void *bytes, size_t len);
bool copy_file(const char *from, const char *to);

/* Not for secrets: the same numbers every run, so that a failure repeats. */
struct dice {
    uint64_t state;
};
uint64_t dice_roll(struct dice *dice, uint64_t below);
void dice_fill(struct dice *dice, void *to, size_t len);

/* A GPT image with an EFI-like gap and one basic-data partition of @mib MiB at 1 MiB, NTFS
 * made by mkntfs.  @format: NULL for our VHDX with 1 MiB blocks, "raw", or "vpc" for QEMU's
 * dynamic VHD. */
bool make_ntfs_image(const char *path, unsigned mib, const char *format, struct err *err);
/* Opens it with its only volume; both to be closed by the caller. */
struct volume *open_ntfs_image(const char *path, enum disk_mode mode,
                               struct disk **ret_disk, struct err *err);
/* The partition of a VHDX as a raw file, taken out by QEMU. */
bool extract_partition(const char *path, const char *format, unsigned mib, const char *to);

/* Chains of VHDX files are built by hand, from the format's own document ([MS-VHDX] 2.5.1,
 * 2.6.2.6): neither QEMU nor libvhdi makes them here. */
void patch_number(const char *path, uint64_t at, uint64_t number, size_t len);
/* The DataWriteGuid of the newer header, as a child's locator writes it. */
void data_write_guid(const char *path, char ret[40]);
/* Turns @child, an empty disk of disk_create_vhdx(), into one whose parent is @parent, and
 * which calls it @relative and @absolute. */
void give_parent(const char *child, const char *parent, const char *relative,
                 const char *absolute);

/* Leaves the log of the only NTFS volume of a raw image as a running Windows does (@major
 * 1), or one that fast startup hibernated (2). */
bool leave_log_open(const char *path, unsigned major);

/* As much of a Windows as `image show` looks at: build 22631.4317, Professional, amd64.
 * @dirty: its SYSTEM hive was not written to its end. */
bool put_windows(struct volume *volume, bool dirty, struct err *err);
/* make_ntfs_image() with that on it, committed. */
bool make_windows_image(const char *path, unsigned mib, const char *format,
                        struct err *err);

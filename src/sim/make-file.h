/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of a simulated Windows: made from a seed, so that the same lab always has the
 * same bytes.  Programs and libraries are PE files with a machine type and a VERSIONINFO
 * resource that other tools read (Microsoft PE format; VS_VERSIONINFO), the rest of them
 * is noise that does not compress.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum make_kind {
    MAKE_PE64,
    MAKE_PE32,
    MAKE_PE_ARM64,
    MAKE_ELF64, /* a shared object of WSL */
    MAKE_NOISE,
    MAKE_TEXT, /* make_file.text as it stands */
};

struct make_file {
    const char *name; /* last part: goes into the version resource and the seed */
    enum make_kind kind;
    uint64_t size;           /* at least what the headers need */
    const char *version;     /* "32.0.15.6094": file version; also seeds the noise */
    const char *company;     /* "NVIDIA Corporation" */
    const char *description; /* NULL: the name */
    char text[256];          /* of MAKE_TEXT */
};

/* All of it in memory; NULL: no memory. */
uint8_t *make_file_bytes(const struct make_file *file, size_t *ret_len);
/* To a local path, in pieces, with that modification time (since 1601). */
bool make_file_at(const char *path, const struct make_file *file, int64_t mtime_usec,
                  struct err *err) MUST_CHECK;
/* The same with bytes that are there already. */
bool make_bytes_at(const char *path, const void *bytes, size_t len, int64_t mtime_usec,
                   struct err *err) MUST_CHECK;

/* FNV-1a: stable across runs and machines. */
uint64_t make_hash(const char *text, uint64_t start);

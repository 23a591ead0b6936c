/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests: a Windows folder made of real hives and small files, in a temporary folder. */
#pragma once

#include "err.h"
#include "hive.h"
#include "test.h"

#define TEST_DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"
#define TEST_NVIDIA "PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296b7397&0&0008"
#define TEST_NVIDIA_INTERFACE                                                \
    "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#" \
    "{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV"
#define TEST_PACKAGE "nv_dispi.inf_amd64_0123456789abcdef"

struct machine {
    char root[TEST_FOLDER]; /* the drive; its Windows folder is <root>/Windows */
    struct hive *system, *software, *drivers;
};

/* An empty Windows: hives with control set 1 and a SystemRoot. */
void machine_open(struct machine *machine);
/* Writes the hives to System32/config. */
void machine_save(struct machine *machine);
void machine_close(struct machine *machine); /* removes everything */

/* Keys of SYSTEM below its root; texts as UTF-8; "" ends a list. */
void machine_text(struct hive *hive, const char *key, const char *name, unsigned type,
                  const char *text);
void machine_texts(struct hive *hive, const char *key, const char *name,
                   const char *const *texts, size_t count);
void machine_number(struct hive *hive, const char *key, const char *name, unsigned number);
/* Path below the Windows folder, '/' separated; folders are made. */
void machine_file(struct machine *machine, const char *path, const void *bytes, size_t len);
void machine_text_file(struct machine *machine, const char *path, const char *text);

/* A display adapter with its class key @number, a package, the published INF, and all
 * five records that name the package.  Vendor by shape: "nvidia", "amd", "intel". */
void machine_add_gpu(struct machine *machine, const char *vendor, unsigned number);

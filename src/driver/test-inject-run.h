/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's driver, a guest's disk, and the plan that brings one to the other, for tests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver-set.h"
#include "image.h"
#include "plan.h"
#include "source.h"
#include "test-machine.h"

enum { VOLUME_MIB = 64 };
#define STORE "System32/DriverStore/FileRepository/"
#define CLASS_KEY "ControlSet001\\Control\\Class\\" TEST_DISPLAY_CLASS "\\0001"
#define GUEST_PACKAGE "/Windows/System32/HostDriverStore/FileRepository/" TEST_PACKAGE

bool has_tools(void);

/* ---- a guest's disk, and all of it as text ---- */

extern const char *guest_architecture; /* of the next make_guest(): "AMD64" */
extern const char *guest_build;        /* "22631" */

/* A Windows 11 that has an OpenCL.dll of its own, read-only, in System32. */
void make_guest(const char *path);
void guest_put(struct volume *volume, const char *path, const void *bytes, size_t len,
               uint32_t attributes);
/* Every file with size, time, attributes and hash.  Owned. */
char *guest_dump(const char *image);

/* ---- runs ---- */

struct run {
    struct windows_source *source;
    struct driver_set *set;
    struct plan *plan;
    struct plan_context context;
    char *state, *backup;
};

extern const char *run_parents; /* of the image; NULL: none elsewhere */

/* An offline Windows with an NVIDIA GPU. */
void make_host(struct machine *machine);
/* The plan to put @machine's GPU onto @image.  run_close() even after a failure. */
bool run_open(struct run *run, struct machine *machine, const char *image, struct err *err);
void run_close(struct run *run);
bool run_verify(struct run *run, const char *image, struct err *err);

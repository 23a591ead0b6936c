/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the behaviours of Windows itself (windows-*.c) share: root\cimv2, root\default,
 * root\Microsoft\Windows\Storage, and the image service. */
#pragma once

#include "host.h"
#include "jobs.h"
#include "world.h"

#define CIMV2 "root/cimv2"
#define STORAGE "root/Microsoft/Windows/Storage"

/* The host's world, or false with @fault. */
bool windows_world(struct sim_host *host, struct sim_world **ret, struct sim_fault *fault);

/* Expands %SystemRoot%, %windir%, %SystemDrive%, %TEMP%, ...; a variable that is not
 * known stays as it stands.  Owned; NULL: no memory. */
char *windows_expand(const char *text);
/* The value of such a variable, or NULL. */
const char *windows_variable(const char *name, size_t len);

/* Ends and waits for what Win32_Process.Create started; without the host's lock.  Before
 * the host's world is freed. */
void windows_processes_end(struct sim_host *host);

extern const struct sim_behaviour windows_registry, windows_devices, windows_storage,
    windows_images, windows_files, windows_processes;

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows paths as text: joined, taken apart, and judged before they are used.  Pure
 * functions; nothing here looks at a file system.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/FileIO/naming-a-file.md (reserved names and
 * characters).
 */
#pragma once

#include <stdbool.h>

#include "attr.h"

/* "a\\b"; one '\' between, whatever the parts end and start with.  NULL: no memory. */
char *win_path_join(const char *folder, const char *name);
const char *win_path_base(const char *path); /* behind the last '\' or '/'; lent */
char *win_path_parent(const char *path);     /* "" when there is none; NULL: no memory */

/* One file name that Windows can hold and that means no device: no separator, colon,
 * wildcard or control character, no "." or "..", no trailing dot or blank, not CON,
 * NUL, COM1 ... with or without extension. */
bool win_name_is_plain(const char *name);
/* Plain names with '\' between, nothing else. */
bool win_path_is_relative(const char *path);
/* "C:\\..." with plain names. */
bool win_path_is_absolute(const char *path);
/* The part of absolute @path below @folder (both "C:\\..."), lent; NULL: not below it. */
const char *win_path_below(const char *path, const char *folder);

/* The package named by a path into the driver store:
 * "...\\DriverStore\\FileRepository\\<package>\\..." -> "<package>".  NULL: not such a
 * path, a package name that is not plain, or no memory. */
char *win_path_store_package(const char *path);
/* The same path in the guest's copy of the store, from "\\SystemRoot" on, whatever drive
 * the host's Windows is on: "\\SystemRoot\\System32\\HostDriverStore\\FileRepository\\...".
 * NULL: not a path into the store, or no memory. */
char *win_path_in_guest_store(const char *path);
/* The same path with everything before System32 as it was, also when it is in the guest's
 * store already: "C:\\Windows\\System32\\HostDriverStore\\...".  NULL as above. */
char *win_path_led_to_guest_store(const char *path);
/* "amd64" of "nv_dispi.inf_amd64_0123456789abcdef"; NULL: not so named, or no memory. */
char *win_package_architecture(const char *package);
/* "nv_dispi.inf" of the same. */
char *win_package_inf(const char *package);

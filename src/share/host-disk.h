/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk images and folders on a host, through its CIM and its own command processor.
 * Every changing function is harmless when what it makes is so already.
 */
#pragma once

#include <jansson.h>

#include "session.h"
#include "share-steps.h"

struct progress;

bool host_folder_exists(struct cim_session *session, const char *path, bool *ret,
                        struct err *err) MUST_CHECK;
bool host_make_folder(struct cim_session *session, const char *path, struct err *err)
    MUST_CHECK; /* those above it too */
bool host_remove_folder(struct cim_session *session, const char *path, bool tree,
                        struct err *err) MUST_CHECK;
/* Stays, without error, when something is in it. */
bool host_remove_empty_folder(struct cim_session *session, const char *path,
                              struct err *err) MUST_CHECK;

/* [path, size, time of last change] of a file; *ret NULL: there is none, or the host does not
 * tell all of it.  Owned. */
bool host_read_file_stamp(struct cim_session *session, const char *path, json_t **ret,
                          struct err *err) MUST_CHECK;

bool host_image_is_attached(struct cim_session *session, const char *image, bool *ret,
                            struct err *err) MUST_CHECK;
/* Attached, online, and its partitions listed. */
bool host_attach_image(struct cim_session *session, const char *image, bool read_only,
                       struct progress *progress, struct err *err) MUST_CHECK;
bool host_detach_image(struct cim_session *session, const char *image, struct err *err)
    MUST_CHECK;

bool host_image_is_mounted(struct cim_session *session, const char *image,
                           const char *point, bool *ret, struct err *err) MUST_CHECK;
/* Finds the volume with Windows on it by looking, and mounts it in @point (made). */
bool host_mount_windows(struct cim_session *session, const char *image, const char *point,
                        struct err *err) MUST_CHECK;
bool host_unmount(struct cim_session *session, const char *image, const char *point,
                  struct err *err) MUST_CHECK;
/* Of an attached image, mounted in @point or not. */
bool host_read_image_facts(struct cim_session *session, const char *image,
                           const char *point, struct image_facts *ret, struct err *err)
    MUST_CHECK;

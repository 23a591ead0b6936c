/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of steps share. */
#pragma once

#include <jansson.h>

#include "manifest.h"
#include "plan.h"
#include "steps.h"

/* A text of step->params; NULL: not there. */
const char *step_text(const struct step *step, const char *name);
bool step_is_damaged(const struct step *step, struct err *err); /* ERR_PROTOCOL; false */

/* What a step calls the copy it keeps of what was at @path: one name for each path and GPU,
 * since several planners work on one guest and its copies lie in one folder. */
json_t *step_backup_name(const char *instance_id, const char *path);

/* What a person would type to make the @states of a registry step true; NULL: no memory. */
char *step_registry_powershell(const json_t *states);

/* null, or {"size_bytes", "sha256", "readonly"} of a file. */
bool step_file_state(struct guest_disk *guest, const char *path, json_t **ret,
                     struct err *err) MUST_CHECK;
/* null, or {"files", "size_bytes"} of a folder. */
bool step_folder_state(struct guest_disk *guest, const char *path, json_t **ret,
                       struct err *err) MUST_CHECK;
/* Every file of the guest's folder has the size and (if wanted) hash that @files ([{path,
 * size_bytes, sha256}]) says, and there is no other.  ERR_CONFLICT names the first that
 * differs. */
bool step_verify_tree(struct guest_disk *guest, const char *path, const json_t *files,
                      bool with_hash, struct progress *progress, struct err *err)
    MUST_CHECK;
/* How many of the folders named in the array there are. */
bool step_count_folders(struct guest_disk *guest, const json_t *folders, json_int_t *ret,
                        struct err *err) MUST_CHECK;
/* Removes the folders named in the array, last first, as far as they are empty. */
bool step_remove_folders(struct guest_disk *guest, const json_t *folders, struct err *err)
    MUST_CHECK;

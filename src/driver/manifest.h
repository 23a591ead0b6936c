/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manifest on a guest's disk: what hvgpu put there, for which GPU, and what was there
 * before.  Format: docs/man/hvgpu-manifest.5.
 *
 * It comes from the guest, so it is foreign input: it is parsed in a confined process, and
 * manifest_read() checks every name before anyone acts on it.  A manifest can make hvgpu touch
 * files of its own guest only.
 */
#pragma once

#include <jansson.h>

#include "driver-set.h"
#include "guest-disk.h"

#define MANIFEST_SCHEMA "hvgpu-manifest/1"
#define MANIFEST_PATH "System32\\HostDriverStore\\hvgpu-manifest.json"
#define GUEST_STORE "System32\\HostDriverStore\\FileRepository"
enum { MANIFEST_BYTES_MAX = 64 << 20 };

/* *ret NULL: there is none.  ERR_PROTOCOL: damaged, or not ours; ERR_UNSUPPORTED: written
 * by a newer hvgpu.  Owned. */
bool manifest_read(struct guest_disk *guest, json_t **ret, struct err *err) MUST_CHECK;
/* The manifest in @text, parsed here; the same checks. */
json_t *manifest_parse(const char *text, size_t len, struct err *err);
char *manifest_text(const json_t *manifest); /* as in the file; NULL: no memory */

/* Lent; NULL: none. */
json_t *manifest_gpu(const json_t *manifest, const char *instance_id);
json_t *manifest_package(const json_t *gpu, const char *name);
json_t *manifest_file(const json_t *gpu, const char *path);
json_t *manifest_value(const json_t *gpu, const char *key, const char *name);
/* Whether any GPU but @instance_id has it. */
bool manifest_others_have_package(const json_t *manifest, const char *instance_id,
                                  const char *name);
bool manifest_others_have_file(const json_t *manifest, const char *instance_id,
                               const char *path);
bool manifest_others_have_value(const json_t *manifest, const char *instance_id,
                                const char *key, const char *name);

/* Notes in a manifest whose guest it is of: what is known of build and machine GUID.  False:
 * no memory.  JSON null stays as it is. */
bool manifest_set_guest(json_t *manifest, const struct guest_facts *facts) MUST_CHECK;

/* A copy of @manifest (NULL: a new one) with @gpu (taken over) in place of the entry of
 * the same instance id; with @gpu NULL without that entry.  JSON null when no GPU is left;
 * NULL: no memory. */
json_t *manifest_with(const json_t *manifest, const char *instance_id, json_t *gpu);

/* Registry values as JSON: {"type": 4, "data": "01000000"}, the bytes as stored in hex. */
json_t *manifest_value_to_json(const struct hive_value *value);
bool manifest_value_from_json(const json_t *json, struct hive_value *ret);

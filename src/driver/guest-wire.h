/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes between the two halves of a sandboxed guest disk: requests and answers in JSON.
 * What is missing or of another type reads as "", false or 0: the receiver checks meaning,
 * never shape.
 */
#pragma once

#include <jansson.h>

#include "guest-disk.h"

char *wire_hex(const uint8_t *bytes, size_t len); /* NULL: no memory; owned */
/* NULL: not hexadecimal, or no memory.  One byte more than *ret_len is there to end it. */
uint8_t *wire_bytes(const char *hex, size_t *ret_len);
json_t *wire_value(const struct hive_value *value); /* NULL: no memory */
bool wire_read_value(const json_t *json, struct hive_value *ret) MUST_CHECK;

const char *wire_text(const json_t *in, const char *key); /* lent */
bool wire_flag(const json_t *in, const char *key);
uint64_t wire_number(const json_t *in, const char *key);
bool wire_put(json_t *out, const char *key, json_t *value, struct err *err) MUST_CHECK;

/* The child's half (guest-serve.c): does what @in asks for on @disk. */
bool guest_serve(struct guest_disk *disk, const json_t *in, struct progress *progress,
                 json_t *out, struct err *err) MUST_CHECK;

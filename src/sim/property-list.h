/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Property lists of the cluster API: names and values in one buffer.
 *
 *     uint32 how many
 *     for each: uint32 0x00040003, uint32 bytes, name in UTF-16LE with its NUL, padding;
 *               one or more of: uint32 syntax, uint32 bytes, value, padding;
 *               uint32 0
 *
 * Little-endian; padding to 4 bytes, which the byte counts leave out.
 * Source: MS-CMRP 2.2.3.10, 2.2.3.10.1; numbers 2.2.2.3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct cim_instance;
struct err;
struct strbuf;

/* The properties as those of an instance: numbers as uint32, texts as strings; other syntaxes
 * are ERR_UNSUPPORTED.  @bytes is a client's: what does not fit the form is ERR_INVALID. */
struct cim_instance *property_list_read(const uint8_t *bytes, size_t len, struct err *err);

/* Appends the list of @properties (uint32 and strings) for which @wanted says so. */
bool property_list_write(const struct cim_instance *properties,
                         bool (*wanted)(const char *name), struct strbuf *to,
                         struct err *err) MUST_CHECK;

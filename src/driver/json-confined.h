/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON that strangers wrote. */
#pragma once

#include <jansson.h>

#include "err.h"

/* Here and now, for a process that can do nothing else: ERR_INVALID: it is none. */
json_t *json_parse_foreign(const char *text, size_t len, struct err *err);
/* In such a process.  @what: "reading the guest's manifest", for its failures. */
json_t *json_parse_confined(const char *text, size_t len, const char *what,
                            struct err *err);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The smallest hive Windows accepts: a root key and its security. */
#pragma once

#include <stdint.h>

enum { HIVE_EMPTY_BYTES = 8192 };

void hive_make_empty(uint8_t bytes[HIVE_EMPTY_BYTES]);

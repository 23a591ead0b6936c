/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GUIDs as they lie in disk structures (first three fields little-endian), and as text. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

/* Lower case, no braces. */
void guid_to_text(const uint8_t guid[16], char ret[37]);
bool guid_from_text(const char *text, uint8_t ret[16]) MUST_CHECK;

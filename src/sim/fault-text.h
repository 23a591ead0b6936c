/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host whose Windows speaks another language says in the place of an English fault
 * text. */
#pragma once

#include <stdint.h>

/* The text for @code in @locale ("ja-JP"); NULL: not known from a public source, so the
 * English one stands there.  Lent. */
const char *fault_text_in(const char *locale, uint32_t code);

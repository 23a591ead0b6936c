/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was probably meant by a word that nobody knows. */
#pragma once

/* The one of @words (ends with NULL) that @text was probably meant to be, or NULL. */
const char *nearest_word(const char *text, const char *const *words);

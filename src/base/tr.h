/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of what people read: _("text") where it is shown or put together, N_("text")
 * in tables, whose text goes through _() later.  Any folder may use it; which language is
 * spoken is chosen once, by the program (src/cli/language.c).
 *
 * JSON is English in every language: with --json nothing is translated at all.  What goes
 * on to a host (names, PowerShell) is never translated.
 */
#pragma once

#include <stdbool.h>

#define _(text) tr_text(text)
#define N_(text) text

/* @text in the user's language, or itself. */
const char *tr_text(const char *text) __attribute__((format_arg(1)));
/* Where translations are linked in: speaks what @locale asks for; false: English, or gettext
 * has the say.  Before threads are started. */
bool tr_speak(const char *locale);
/* False from now on: everything stays English.  Before threads are started. */
void tr_translate(bool translate);

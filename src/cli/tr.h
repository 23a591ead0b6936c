/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of what people read: _("text") in code, N_("text") in tables, whose text
 * goes through _() when it is shown.  Without libintl both are the text itself.
 */
#pragma once

#ifdef HAVE_LIBINTL
#include <libintl.h>
#define _(text) gettext(text)
#else
#define _(text) (text)
#endif
#define N_(text) text

void tr_init(void); /* once, first thing in main() */

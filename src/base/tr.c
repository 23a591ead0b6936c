/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place that knows gettext. */

#include "tr.h"

#ifdef HAVE_LIBINTL
#include <libintl.h>
#endif

static bool translated = true;

void tr_translate(bool translate)
{
    translated = translate;
}

const char *tr_text(const char *text)
{
#ifdef HAVE_LIBINTL
    if (translated && *text) /* gettext("") is the header of the translation */
        return dgettext("hvgpu", text);
#endif
    return text;
}

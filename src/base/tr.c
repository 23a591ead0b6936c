/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place that knows gettext; where there is none, translations are linked in. */

#include "tr.h"

#include <stddef.h>

#ifdef HAVE_LIBINTL
#include <libintl.h>
#else
#include "tr-table.h"
#endif

static bool translated = true;

void tr_translate(bool translate)
{
    translated = translate;
}

#ifdef HAVE_LIBINTL

bool tr_speak(const char *locale)
{
    return false; /* setlocale() and the environment have the say */
}

const char *tr_text(const char *text)
{
    if (translated && *text) /* gettext("") is the header of the translation */
        return dgettext("hvgpu", text);
    return text;
}

#else

static const struct tr_language *language; /* NULL: English */

bool tr_speak(const char *locale)
{
    language = tr_language_find(locale);
    return language != NULL;
}

const char *tr_text(const char *text)
{
    return translated && language ? tr_language_text(language, text) : text;
}

#endif

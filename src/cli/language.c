/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which language to speak. */

#include "language.h"

#include <locale.h>
#include <stdlib.h>

#ifdef HAVE_LIBINTL
#include <libintl.h>
#endif

void language_init(void)
{
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* JSON and CIM have one decimal point */
#ifdef HAVE_LIBINTL
    /* In a build folder the translations are where no prefix leads. */
    const char *folder = getenv("HVGPU_LOCALE_DIR");

    bindtextdomain("hvgpu", folder ? folder : HVGPU_LOCALE_DIR);
    bind_textdomain_codeset("hvgpu", "UTF-8");
#endif
}

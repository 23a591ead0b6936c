/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which language to speak. */

#include "language.h"

#include <locale.h>
#include <stdlib.h>

#include "os.h"
#include "tr.h"

#ifdef HAVE_LIBINTL
#include <libintl.h>

void language_init(void)
{
    /* In a build folder the translations are where no prefix leads. */
    const char *folder = getenv("HVGPU_LOCALE_DIR");

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* JSON and CIM have one decimal point */
    bindtextdomain("hvgpu", folder ? folder : HVGPU_LOCALE_DIR);
    bind_textdomain_codeset("hvgpu", "UTF-8");
}

#else

void language_init(void)
{
    static const char *const names[] = { "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG" };
    char own[OS_LANGUAGE];

    /* As elsewhere: the environment first, then what the system speaks. */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value && *value) {
            tr_speak(value);
            return;
        }
    }
    if (os_language(own))
        tr_speak(own);
}

#endif

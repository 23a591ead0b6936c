/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text between UTF-8 and COM's BSTR. */

#include "bstr.h"

#include <errno.h>
#include <stdlib.h>

#include "err.h"
#include "text.h"

BSTR bstr_from(const char *text, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = (wchar_t *)text_to_utf16le(text, NULL);
    BSTR bstr;

    if (!wide) {
        if (errno == EILSEQ)
            err_fail(err, ERR_INVALID, 0, "a text for the host is not UTF-8");
        else
            err_no_memory(err);
        return NULL;
    }
    bstr = SysAllocString(wide);
    if (!bstr)
        err_no_memory(err);
    return bstr;
}

char *bstr_text(const WCHAR *bstr, struct err *err)
{
    int len =
        bstr && *bstr ? WideCharToMultiByte(CP_UTF8, 0, bstr, -1, NULL, 0, NULL, NULL) : 0;
    char *text = calloc((size_t)len + 1, 1);

    /* Half a letter, which names on Windows may hold, becomes U+FFFD. */
    if (text && len)
        WideCharToMultiByte(CP_UTF8, 0, bstr, -1, text, len, NULL, NULL);
    if (!text)
        err_no_memory(err);
    return text;
}

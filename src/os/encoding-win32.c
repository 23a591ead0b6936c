/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of other encodings, read with the code pages of Windows. */

#include "os.h"
#include <string.h>
#include <windows.h>

#include "err.h"
#include "text.h"

/* 0: not known. */
static UINT code_page(const char *encoding)
{
    static const struct {
        const char *name;
        UINT page;
    } pages[] = {
        { "UTF-8", CP_UTF8 },      { "Shift_JIS", 932 },    { "GBK", 936 },
        { "GB2312", 936 },         { "EUC-KR", 949 },       { "Big5", 950 },
        { "ks_c_5601-1987", 949 }, { "GB18030", 54936 },    { "US-ASCII", 20127 },
        { "ISO-8859-1", 28591 },   { "ISO-8859-2", 28592 }, { "ISO-8859-15", 28605 },
        { "EUC-JP", 20932 },       { "KOI8-R", 20866 },
    };
    uint64_t number;

    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (text_ieq(encoding, pages[i].name))
            return pages[i].page;
    if ((text_istarts(encoding, "windows-") &&
         text_to_u64(encoding + strlen("windows-"), 10, &number)) ||
        (text_istarts(encoding, "cp") && text_to_u64(encoding + 2, 10, &number)))
        return number <= 65535 && IsValidCodePage((UINT)number) ? (UINT)number : 0;
    return 0;
}

char *os_text_from(const char *encoding, const char *bytes, size_t len, struct err *err)
{
    UINT page = code_page(encoding);
    CLEANUP(free_cleanup) wchar_t *wide = NULL;
    char *text;
    int units;

    if (page == 0) {
        err_fail(err, ERR_UNSUPPORTED, 0, "the encoding '%.40s' is not known here",
                 encoding);
        return NULL;
    }
    if (len == 0 || len > INT_MAX / 4)
        return text_dup("");
    units = MultiByteToWideChar(page, MB_ERR_INVALID_CHARS, bytes, (int)len, NULL, 0);
    if (units <= 0) {
        err_fail(err, ERR_PROTOCOL, 0, "the bytes are no %.40s", encoding);
        return NULL;
    }
    wide = calloc((size_t)units + 1, sizeof(*wide));
    text = calloc((size_t)units + 1, 4);
    if (!wide || !text) {
        free(text);
        err_no_memory(err);
        return NULL;
    }
    MultiByteToWideChar(page, MB_ERR_INVALID_CHARS, bytes, (int)len, wide, units);
    WideCharToMultiByte(CP_UTF8, 0, wide, units, text, units * 4 + 3, NULL, NULL);
    return text;
}

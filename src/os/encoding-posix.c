/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of other encodings, read with the C library's iconv(). */

#include "os.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"

/* Windows means its own code pages by these names. */
static const char *iconv_name(const char *encoding)
{
    static const struct {
        const char *windows, *iconv;
    } names[] = {
        { "Shift_JIS", "CP932" }, { "GB2312", "CP936" }, { "GBK", "CP936" },
        { "Big5", "CP950" },      { "EUC-KR", "CP949" }, { "ks_c_5601-1987", "CP949" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (text_ieq(encoding, names[i].windows))
            return names[i].iconv;
    return encoding;
}

char *os_text_from(const char *encoding, const char *bytes, size_t len, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    iconv_t to = iconv_open("UTF-8", iconv_name(encoding));
    char *from = (char *)(uintptr_t)bytes, *taken;
    bool ok = true;

    if (to == (iconv_t)-1) {
        err_fail(err, ERR_UNSUPPORTED, errno, "the encoding '%.40s' is not known here",
                 encoding);
        return NULL;
    }
    while (ok && len > 0) {
        char piece[1024], *at = piece;
        size_t room = sizeof(piece);

        ok = iconv(to, &from, &len, &at, &room) != (size_t)-1 || errno == E2BIG;
        strbuf_add(&text, piece, (size_t)(at - piece));
    }
    iconv_close(to);
    if (!ok) {
        err_fail(err, ERR_PROTOCOL, 0, "the bytes are no %.40s", encoding);
        return NULL;
    }
    taken = strbuf_take(&text);
    if (!taken)
        err_no_memory(err);
    return taken;
}

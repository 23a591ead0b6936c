/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What programs print, in whatever code page. */

#include "console-text.h"

#include "err.h"
#include "test.h"

static bool keep(const char *text, size_t len, bool is_stderr, void *user, struct err *err)
{
    strbuf_add(user, text, len);
    strbuf_putc(user, '|');
    return true;
}

TEST(lines_are_given_whole_in_utf8_whichever_way_they_were_written)
{
    static const struct {
        unsigned page;
        const char *bytes, *want;
    } cases[] = {
        { 437, "plain\r\nend", "plain\r\n|end|" },
        { 437, "M\xc3\xbcll\n", "M\xc3\xbcll\n|" },                   /* UTF-8 */
        { 437, "M\x81ll\n", "M\xc3\xbcll\n|" },                       /* code page 437 */
        { 936, "\xb2\xe2\xca\xd4\n", "\xe6\xb5\x8b\xe8\xaf\x95\n|" }, /* GBK */
        { 437, "M\x81ll\nM\xc3\xbcll", "M\xc3\xbcll\n|M\xc3\xbcll|" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct console_text t;
        struct strbuf got = STRBUF_INIT;
        struct err err = ERR_INIT;

        test_case(cases[i].want);
        console_text_init(&t, false, keep, &got);
        t.code_page = cases[i].page;
        /* One byte at a time: no letter and no line comes in pieces. */
        for (const char *c = cases[i].bytes; *c; c++)
            CHECK_OK(console_text_add(&t, c, 1, &err));
        CHECK_OK(console_text_end(&t, &err));
        CHECK_STR_EQ(got.text, cases[i].want);
        strbuf_free(&got);
        console_text_free(&t);
    }
}

TEST(a_line_without_end_is_given_in_pieces)
{
    struct console_text t;
    struct strbuf got = STRBUF_INIT;
    struct err err = ERR_INIT;
    static char piece[100000];

    memset(piece, 'x', sizeof(piece));
    console_text_init(&t, false, keep, &got);
    for (int i = 0; i < 5; i++)
        CHECK_OK(console_text_add(&t, piece, sizeof(piece), &err));
    CHECK(got.len > 0);
    CHECK_OK(console_text_end(&t, &err));
    CHECK(got.len >= 5 * sizeof(piece));
    strbuf_free(&got);
    console_text_free(&t);
}

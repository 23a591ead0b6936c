/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cursor.h"
#include "err.h"
#include "nearest-word.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

TEST(an_error_keeps_its_root_cause_and_its_outermost_context)
{
    struct err err = ERR_INIT;
    char line[2048];

    CHECK(!err_fail(&err, ERR_NOT_FOUND, 7, "no VM named '%s'", "a"));
    for (int i = 0; i < 10; i++)
        CHECK(!err_wrap(&err, "level %d", i));
    err_format(&err, line, sizeof(line));
    CHECK_STR_EQ(line, "level 9: level 3: level 2: level 1: level 0: no VM named 'a'");
    CHECK_STR_EQ(err_kind_name(err.kind), "not-found");
    CHECK_EQ(err.code, 7);
}

TEST(an_error_text_is_never_cut_inside_a_letter)
{
    struct err err = ERR_INIT;
    char name[ERR_TEXT * 3];

    for (size_t pad = 0; pad < 4; pad++) {
        memset(name, 'x', pad);
        for (size_t i = pad; i + 3 < sizeof(name); i += 3)
            memcpy(name + i, "\xE8\x99\x9A\0", 4);
        err_fail(&err, ERR_NOT_FOUND, 0, "%s", name);
        CHECK(text_is_utf8(err.text[0], strlen(err.text[0])));
    }
}

TEST(the_first_hint_wins)
{
    struct err err = ERR_INIT;

    err_fail(&err, ERR_CONFLICT, 0, "VM is running");
    err_hint(&err, "use --stop");
    err_hint(&err, "try again");
    CHECK_STR_EQ(err.hint, "use --stop");
}

TEST(numbers_are_read_whole_or_not_at_all)
{
    static const struct {
        const char *text;
        int base;
        bool ok;
        uint64_t value;
    } cases[] = {
        { "0", 10, true, 0 },
        { "18446744073709551615", 10, true, UINT64_MAX },
        { "18446744073709551616", 10, false, 0 },
        { "", 10, false, 0 },
        { "-1", 10, false, 0 },
        { " 1", 10, false, 0 },
        { "1x", 10, false, 0 },
        { "ff", 16, true, 255 },
        { "0x1F", 0, true, 31 },
        { "1F", 0, false, 0 },
        { "0x", 0, false, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = 77;

        test_case(cases[i].text);
        CHECK_EQ(text_to_u64(cases[i].text, cases[i].base, &value), cases[i].ok);
        CHECK(value == (cases[i].ok ? cases[i].value : 77));
    }
}

TEST(signed_numbers_reach_both_ends)
{
    int64_t value = 5;

    CHECK(text_to_i64("-9223372036854775808", 10, &value));
    CHECK(value == INT64_MIN);
    CHECK(text_to_i64("9223372036854775807", 10, &value));
    CHECK(value == INT64_MAX);
    CHECK(!text_to_i64("9223372036854775808", 10, &value));
    CHECK(!text_to_i64("--1", 10, &value));
}

TEST(utf16_goes_there_and_back)
{
    static const char *const texts[] = { "", "abc", "\xE8\x99\x9A\xE6\x8B\x9F\xE6\x9C\xBA",
                                         "\xF0\x9F\x8E\xAE gpu", "\xC3\xA9" };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len, back_len;
        CLEANUP(free_cleanup) uint8_t *utf16 = text_to_utf16le(texts[i], &len);
        CLEANUP(free_cleanup) char *back = text_from_utf16le(utf16, len, &back_len);

        CHECK_STR_EQ(back, texts[i]);
        CHECK_EQ(back_len, strlen(texts[i]));
    }
    CHECK(!text_from_utf16le("\x00\xD8", 2, NULL));         /* half a pair */
    CHECK(!text_from_utf16le("\x00\xDC\x00\xD8", 4, NULL)); /* wrong way round */
    CHECK(!text_from_utf16le("abc", 3, NULL));
    CHECK(!text_to_utf16le("\xC0\x80", NULL));
    CHECK(!text_to_utf16le("\xED\xA0\x80", NULL));
}

TEST(columns_count_wide_letters_twice)
{
    CHECK_EQ(text_columns("abc"), 3);
    CHECK_EQ(text_columns("\xE8\x99\x9A\xE6\x8B\x9F"), 4);
    CHECK_EQ(text_columns("e\xCC\x81"), 1);
}

TEST(a_guid_is_recognised_with_and_without_braces)
{
    CHECK(text_is_guid("0DCC3FD1-21BD-423E-AB0B-A3A7451CE985"));
    CHECK(text_is_guid("{0dcc3fd1-21bd-423e-ab0b-a3a7451ce985}"));
    CHECK(!text_is_guid("{0dcc3fd1-21bd-423e-ab0b-a3a7451ce985"));
    CHECK(!text_is_guid("0DCC3FD1-21BD-423E-AB0B-A3A7451CE98G"));
    CHECK(!text_is_guid("HOST"));
}

TEST(a_text_is_cut_between_letters)
{
    static const char name[] = "a\xC3\xA4\xE6\xB5\x8B"; /* 1, 2 and 3 bytes */

    CHECK_EQ(text_cut(name, 0), 0);
    CHECK_EQ(text_cut(name, 1), 1);
    CHECK_EQ(text_cut(name, 2), 1);
    CHECK_EQ(text_cut(name, 3), 3);
    CHECK_EQ(text_cut(name, 5), 3);
    CHECK_EQ(text_cut(name, 6), 6);
    CHECK_EQ(text_cut(name, 100), 6);
    CHECK_EQ(text_cut("\x8B\x8B\x8B", 2), 0); /* no text at all */
}

TEST(what_others_say_becomes_one_line)
{
    static const struct {
        const char *text;
        size_t size;
        const char *want;
    } cases[] = {
        { " Access\r\n\tis  denied. \r\n", 100, "Access is denied" },
        { "", 100, "" },
        { " ... ", 100, "" },
        { "abcdef", 4, "abc" },
        { "ab cd", 4, "ab" },
        { "a\xC3\xA4", 3, "a" },
        { "a\xC3\xA4", 4, "a\xC3\xA4" },
        { "a\xC3\xA4z", 4, "a\xC3\xA4" },
        { "\x8B\x8B\x8B", 3, "" },
    };
    char line[100];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_case(cases[i].want);
        text_put_line(line, cases[i].size, cases[i].text);
        CHECK_STR_EQ(line, cases[i].want);
    }
}

TEST(comparisons_ignore_ascii_case_only)
{
    CHECK(text_ieq("PCI\\VEN_10DE", "pci\\ven_10de"));
    CHECK(!text_ieq("a", NULL));
    CHECK(text_ieq(NULL, NULL));
    CHECK(text_istarts("HKLM\\x", "hklm"));
    CHECK(text_iends("a.DLL", ".dll"));
    CHECK(text_istr("aaGpuParaV", "GPUPARAV"));
    CHECK(!text_istr("abc", "d"));
    CHECK(text_casecmp("a", "B") < 0);
}

TEST(a_cursor_never_leaves_its_buffer)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
    struct cursor c = { bytes, sizeof(bytes) }, sub;
    uint32_t word = 9;
    uint16_t half = 9;

    CHECK(!cursor_skip(&c, 6));
    CHECK_EQ(c.left, 5);
    CHECK(cursor_u32le(&c, &word));
    CHECK_EQ(word, 0x04030201);
    CHECK(!cursor_u32le(&c, &word));
    CHECK(!cursor_u16le(&c, &half));
    CHECK_EQ(half, 9);
    CHECK_EQ(c.left, 1);
    CHECK(!cursor_sub(&c, 2, &sub));
    CHECK(cursor_sub(&c, 1, &sub));
    CHECK_EQ(sub.left, 1);
}

TEST(a_buffer_remembers_that_it_failed)
{
    struct strbuf buf = STRBUF_INIT;
    char *text;

    strbuf_puts(&buf, "a");
    strbuf_printf(&buf, "%d", 42);
    text = strbuf_take(&buf);
    CHECK_STR_EQ(text, "a42");
    free(text);

    buf.failed = true;
    strbuf_puts(&buf, "lost");
    text = strbuf_take(&buf);
    CHECK(!text);
}

TEST(the_nearest_word_is_near)
{
    static const char *const words[] = { "attach", "detach", "status", NULL };

    CHECK_STR_EQ(nearest_word("attahc", words), "attach");
    CHECK_STR_EQ(nearest_word("detatch", words), "detach");
    CHECK_STR_EQ(nearest_word("statu", words), "status");
    CHECK(nearest_word("x", words) == NULL);
    CHECK(nearest_word("", words) == NULL);
    CHECK(nearest_word("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                       words) == NULL);
}

TEST(sizes_have_units_and_do_not_overflow)
{
    uint64_t size = 0;

    CHECK(text_to_size("512", &size) && size == 512);
    CHECK(text_to_size("3G", &size) && size == UINT64_C(3) << 30);
    CHECK(text_to_size("33280m", &size) && size == UINT64_C(33280) << 20);
    CHECK(text_to_size("64K", &size) && size == 65536);
    size = 7;
    CHECK(!text_to_size("", &size));
    CHECK(!text_to_size("G", &size));
    CHECK(!text_to_size("-1G", &size));
    CHECK(!text_to_size("1GB", &size));
    CHECK(!text_to_size("17179869184G", &size));
    CHECK(!text_to_size("000000000000000000000000000000001", &size));
    CHECK(size == 7);
}

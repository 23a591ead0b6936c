/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed: cut, aligned, harmless. */

#include "output.h"
#include "progress-bar.h"
#include "test.h"
#include "text.h"

static bool cleans(const char *text, unsigned columns, const char *expected)
{
    CLEANUP(free_cleanup) char *clean = clean_text(text, columns);

    return clean && strcmp(clean, expected) == 0;
}

TEST(control_characters_of_names_do_not_reach_the_terminal)
{
    CHECK(cleans("a\033[2Jb", 0, "a?[2Jb"));
    CHECK(cleans("a\r\nb\tc\x7f", 0, "a??b?c?"));
    CHECK(cleans("\xC2\x9B"
                 "31m",
                 0, "?31m")); /* C1: CSI in one byte */
    CHECK(cleans("abc\xE2\x80\xAE"
                 "cba",
                 0, "abc?cba")); /* right-to-left override */
    CHECK(cleans("\xff\xfe", 0, "\xEF\xBF\xBD\xEF\xBF\xBD"));
    CHECK(cleans("\xE2\x82", 0, "\xEF\xBF\xBD\xEF\xBF\xBD")); /* cut letter */
    CHECK(cleans("日本語 ünïcode", 0, "日本語 ünïcode"));
}

TEST(long_texts_are_cut_between_letters_with_an_ellipsis)
{
    CHECK(cleans("abcdef", 6, "abcdef"));
    CHECK(cleans("abcdefg", 6, "abcde…"));
    CHECK(cleans("日本語", 6, "日本語"));
    CHECK(cleans("日本語版", 6, "日本…"));
    CHECK(cleans("日本語版", 7, "日本語…"));
    CHECK(cleans("ab", 1, "…"));
}

TEST(names_whose_end_tells_more_are_cut_at_the_beginning)
{
    CLEANUP(free_cleanup) char *host = clean_text_end("sim:cluster:NODE001", 8);
    CLEANUP(free_cleanup) char *wide = clean_text_end("開発:日本語", 6);
    CLEANUP(free_cleanup) char *fits = clean_text_end("hv-01", 5);

    CHECK_STR_EQ(host, "…NODE001");
    CHECK_STR_EQ(wide, "…本語");
    CHECK_STR_EQ(fits, "hv-01");
}

/* Prints into memory what a terminal of @columns would show. */
static char *printed(const struct table *table, unsigned columns)
{
    struct output out = { .columns = columns };
    struct err err = ERR_INIT;
    char *text = calloc(1, 8192);
    size_t len;

    out.text = tmpfile();
    if (!text || !out.text)
        return text;
    CHECK_OK(table_print(table, &out, &err));
    rewind(out.text);
    len = fread(text, 1, 8191, out.text);
    text[len] = '\0';
    fclose(out.text);
    return text;
}

static const struct column columns[] = {
    { "#", COL_RIGHT }, { "NAME", COL_SHRINK }, { "ID", 0 }, { NULL, 0 }
};

TEST(a_table_aligns_wide_letters)
{
    struct err err = ERR_INIT;
    CLEANUP(table_cleanup) struct table *table = table_new(columns, &err);
    CLEANUP(free_cleanup) char *text = NULL;

    table_cell(table, "1");
    table_cell(table, "開発");
    table_cell(table, "10de:2860");
    table_cell(table, "12");
    table_cell(table, "a");
    table_cell(table, NULL);
    text = printed(table, 0);
    CHECK_STR_EQ(text, " #  NAME  ID\n 1  開発  10de:2860\n12  a     -\n");
}

TEST(a_table_is_cut_where_it_may_be_and_nowhere_else)
{
    struct err err = ERR_INIT;
    CLEANUP(table_cleanup) struct table *table = table_new(columns, &err);
    CLEANUP(free_cleanup) char *text = NULL;

    table_cell(table, "1");
    table_cell(table, "NVIDIA GeForce RTX 4070 Laptop GPU");
    table_cell(table, "PCI\\VEN_10DE");
    text = printed(table, 30);
    CHECK_STR_EQ(text, "#  NAME           ID\n1  NVIDIA GeFor…  PCI\\VEN_10DE\n");
}

TEST(a_name_of_ten_thousand_letters_is_one_line)
{
    struct err err = ERR_INIT;
    CLEANUP(table_cleanup) struct table *table = table_new(columns, &err);
    CLEANUP(free_cleanup) char *text = NULL;
    static char name[10001];

    memset(name, 'n', 10000);
    table_cell(table, "1");
    table_cell(table, name);
    table_cell(table, "x");
    text = printed(table, 40);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        CHECK(text_columns(line) <= 40);
}

TEST(sizes_are_short)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1 KB" },
        { 1536, "1.5 KB" },
        { 8585740288, "8.0 GB" },
        { 8589934592, "8 GB" },
        { 128849018880, "120 GB" },
        { UINT64_MAX, "16 EB" },
    };
    char buf[24];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_STR_EQ(size_text(buf, cases[i].bytes), cases[i].text);
}

TEST(the_progress_line_fits_and_tells_bytes_rate_and_time_left)
{
    char line[512];

    progress_bar_format(line, sizeof(line), 79, "copying nvlddmkm.sys", PROGRESS_BYTES,
                        512u << 20, 1024u << 20, 64 << 20);
    CHECK(text_columns(line) <= 79);
    CHECK(strstr(line, "copying nvlddmkm.sys") != NULL);
    CHECK(strstr(line, "50%") != NULL);
    CHECK(strstr(line, "512 MB/1 GB") != NULL);
    CHECK(strstr(line, "64 MB/s") != NULL);
    CHECK(strstr(line, "0:08 left") != NULL);

    progress_bar_format(line, sizeof(line), 40, "a very long name that does not fit at all",
                        PROGRESS_PERCENT, 200, 100, 0);
    CHECK(text_columns(line) <= 40);
    CHECK(strstr(line, "100%") != NULL);

    progress_bar_format(line, sizeof(line), 79, "hosts", PROGRESS_ITEMS, 3, 0, 0);
    CHECK(strstr(line, "%") == NULL);
}

TEST(an_error_is_json_with_every_part)
{
    struct err err = ERR_INIT;
    json_t *json;

    err_fail(&err, ERR_REFUSED, 32773, "invalid parameter");
    err_wrap(&err, "ModifySystemSettings");
    err_wrap(&err, "VM 'a\033b'");
    err_hint(&err, "try this");
    json = error_to_json(&err);
    CHECK_STR_EQ(json_string_value(json_object_get(json, "kind")), "refused");
    CHECK_EQ(json_integer_value(json_object_get(json, "code")), 32773);
    CHECK_STR_EQ(json_string_value(json_object_get(json, "message")), "VM 'a?b'");
    CHECK_EQ(json_array_size(json_object_get(json, "causes")), 2);
    CHECK_STR_EQ(json_string_value(json_array_get(json_object_get(json, "causes"), 0)),
                 "ModifySystemSettings");
    CHECK_STR_EQ(json_string_value(json_object_get(json, "hint")), "try this");
    json_decref(json);

    err_fail(&err, ERR_INVALID, 0, "no");
    json = error_to_json(&err);
    CHECK(json_is_null(json_object_get(json, "code")));
    CHECK(json_is_null(json_object_get(json, "hint")));
    CHECK_EQ(json_array_size(json_object_get(json, "causes")), 0);
    json_decref(json);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hives: made, edited, read back, and judged by readers others wrote (reged of chntpw,
 * regfexport of libregf).  Real ones from the shared test data. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base-block.h"
#include "err.h"
#include "hive.h"
#include "test.h"
#include "text.h"

/* What a shell line prints, owned. */
static char *output_of(const char *line)
{
    FILE *pipe = popen(line, "r");
    size_t size = 1 << 20, len = 0;
    char *text = malloc(size);

    if (pipe && text) {
        len = fread(text, 1, size - 1, pipe);
        text[len] = '\0';
    }
    if (pipe)
        pclose(pipe);
    return text;
}

/* A shell that is none of POSIX', as on Windows, prints no path. */
static bool has_program(const char *name)
{
    CLEANUP(free_cleanup) char *line = text_printf("command -v %s 2>/dev/null", name);
    CLEANUP(free_cleanup) char *out = line ? output_of(line) : NULL;

    return out && out[0] == '/';
}

static bool write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(bytes, 1, len, file) == len;

    return file && fclose(file) == 0 && ok;
}

/* A temporary copy of an xz-compressed hive of the test data; unlink() and free() it. */
static char *unpack(const char *name)
{
    CLEANUP(free_cleanup) char *line = NULL;
    char path[TEST_FOLDER];

    test_make_file("hive", path);
    line = text_printf("xz -dc '%s/hives/%s.xz' > %s", test_data_dir(), name, path);
    return system(line) == 0 ? text_dup(path) : NULL;
}

static bool set_text(struct hive *hive, const char *key, const char *name, uint32_t type,
                     const char *text, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok =
        hive_value_set_text(&value, type, text) && hive_set(hive, key, name, &value, err);

    hive_value_clear(&value);
    return ok;
}

static bool set_number(struct hive *hive, const char *key, const char *name, uint32_t type,
                       uint64_t number, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok =
        hive_value_set_u64(&value, type, number) && hive_set(hive, key, name, &value, err);

    hive_value_clear(&value);
    return ok;
}

/* The hive most tests start from. */
static struct hive *make_sample(struct err *err)
{
    static const char *const texts[] = { "nvapi64.dll", "nvcuda.dll", "Grafik-Käfer" };
    struct hive *hive = hive_new(err);
    struct hive_value list = { 0 };
    bool ok = hive && hive_value_set_texts(&list, texts, ARRAY_LEN(texts)) &&
              set_number(hive, "Select", "Current", HIVE_DWORD, 1, err) &&
              set_text(hive, "ControlSet001\\Services\\nvlddmkm", "ImagePath",
                       HIVE_EXPAND_SZ, "\\SystemRoot\\System32\\nvlddmkm.sys", err) &&
              set_number(hive, "ControlSet001\\Services\\nvlddmkm", "Start", HIVE_DWORD, 3,
                         err) &&
              hive_set(hive, "ControlSet001\\Services\\nvlddmkm", "DriverSupportModules",
                       &list, err) &&
              set_number(hive, "ControlSet001\\Class", "qwMemorySize", HIVE_QWORD,
                         0x1FFF00000ull, err) &&
              set_text(hive, "ControlSet001\\Class\\日本", "", HIVE_SZ, "default", err);

    hive_value_clear(&list);
    if (!ok) {
        hive_close(hive);
        return NULL;
    }
    return hive;
}

TEST(what_was_set_is_there_after_closing_and_opening_again)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *made = make_sample(&err);
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup) char *text = NULL, *set = NULL;
    struct hive_value value = { 0 };
    char **texts = NULL;
    size_t len = 0, count = 0;
    uint64_t number = 0;

    CHECK_OK(made && hive_bytes(made, &bytes, &len, &err));
    hive = hive_open(bytes, len, false, &err);
    CHECK_OK(hive != NULL);
    if (!hive)
        return;
    set = hive_current_control_set(hive, &err);
    CHECK_STR_EQ(set, "ControlSet001");

    CHECK_OK(
        hive_get(hive, "controlset001\\SERVICES\\NvLddmkm", "imagepath", &value, &err));
    CHECK_EQ(value.type, HIVE_EXPAND_SZ);
    text = hive_value_text(&value);
    CHECK_STR_EQ(text, "\\SystemRoot\\System32\\nvlddmkm.sys");
    hive_value_clear(&value);

    CHECK_OK(hive_get(hive, "ControlSet001\\Class", "qwMemorySize", &value, &err));
    CHECK(hive_value_u64(&value, &number));
    CHECK_EQ(number, 0x1FFF00000ll);
    hive_value_clear(&value);

    CHECK_OK(hive_get(hive, "ControlSet001\\Services\\nvlddmkm", "DriverSupportModules",
                      &value, &err));
    texts = hive_value_texts(&value, &count);
    CHECK_EQ(count, 3);
    if (count == 3)
        CHECK_STR_EQ(texts[2], "Grafik-Käfer");
    hive_texts_free(texts, count);
    hive_value_clear(&value);

    CHECK(hive_has_key(hive, "ControlSet001\\Class\\日本"));
    CHECK_OK(hive_get(hive, "ControlSet001\\Class\\日本", "", &value, &err));
    hive_value_clear(&value);
    CHECK(!hive_has_key(hive, "ControlSet002"));
}

TEST(what_is_missing_is_said_to_be_missing)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = make_sample(&err);
    struct hive_value value = { 0 };
    char **names = NULL;
    size_t count = 7;

    CHECK(!hive_get(hive, "ControlSet001\\Nothing", "x", &value, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!hive_get(hive, "ControlSet001\\Class", "x", &value, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!hive_list_keys(hive, "No", &names, &count, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_EQ(count, 7);
    CHECK_OK(hive_delete_key(hive, "No\\Such", &err));
    CHECK_OK(hive_delete_value(hive, "ControlSet001\\Class", "no", &err));
}

TEST(bad_names_are_refused_and_change_nothing)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(&err);
    CLEANUP(free_cleanup) char *longer = malloc(400);
    CLEANUP(free_cleanup) uint8_t *before = NULL, *after = NULL;
    size_t before_len = 0, after_len = 0;
    const char *const bad[] = { "\\A", "A\\", "A\\\\B", "\xFF\xFE", longer };

    CHECK_OK(hive_bytes(hive, &before, &before_len, &err));
    memset(longer, 'k', 300);
    longer[300] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        test_case(bad[i]);
        CHECK(!hive_create_key(hive, bad[i], &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(!hive_has_key(hive, bad[i]));
    }
    test_case(NULL);
    CHECK(!hive_delete_key(hive, "", &err));
    CHECK_OK(hive_bytes(hive, &after, &after_len, &err));
    CHECK_EQ(before_len, after_len);
    CHECK(before_len == after_len && memcmp(before, after, after_len) == 0);
}

TEST(values_and_keys_are_replaced_listed_and_deleted)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = make_sample(&err);
    char **names = NULL;
    size_t count = 0;
    struct hive_value value = { 0 };

    CHECK_OK(set_number(hive, "ControlSet001\\Services\\nvlddmkm", "START", HIVE_DWORD, 4,
                        &err));
    CHECK_OK(
        hive_list_values(hive, "ControlSet001\\Services\\nvlddmkm", &names, &count, &err));
    CHECK_EQ(count, 3); /* replaced, not added under another case */
    hive_texts_free(names, count);
    CHECK_OK(hive_get(hive, "ControlSet001\\Services\\nvlddmkm", "Start", &value, &err));
    CHECK(value.len == 4 && value.bytes[0] == 4);
    hive_value_clear(&value);

    CHECK_OK(hive_delete_value(hive, "ControlSet001\\Services\\nvlddmkm", "start", &err));
    CHECK(!hive_get(hive, "ControlSet001\\Services\\nvlddmkm", "Start", &value, &err));
    CHECK_OK(
        hive_get(hive, "ControlSet001\\Services\\nvlddmkm", "ImagePath", &value, &err));
    hive_value_clear(&value);

    CHECK_OK(hive_delete_key(hive, "ControlSet001\\Services", &err));
    CHECK(!hive_has_key(hive, "ControlSet001\\Services\\nvlddmkm"));
    CHECK_OK(hive_list_keys(hive, "ControlSet001", &names, &count, &err));
    CHECK_EQ(count, 1);
    CHECK_STR_EQ(count ? names[0] : NULL, "Class");
    hive_texts_free(names, count);
}

TEST(a_key_of_a_thousand_keys_keeps_them_all)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(&err);
    CLEANUP(hive_cleanup) struct hive *again = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0, count = 0;
    char **names = NULL;

    for (unsigned i = 0; i < 1000; i++) {
        char key[64];

        snprintf(key, sizeof(key), "Enum\\key-%u", i * 7919 % 1000);
        if (!hive_create_key(hive, key, &err))
            CHECK_OK(false);
    }
    CHECK_OK(hive_bytes(hive, &bytes, &len, &err));
    again = hive_open(bytes, len, false, &err);
    CHECK_OK(again && hive_list_keys(again, "Enum", &names, &count, &err));
    CHECK_EQ(count, 1000);
    hive_texts_free(names, count);
}

TEST(damage_and_dirt_are_refused_before_hivex_sees_them)
{
    static const struct {
        const char *name;
        size_t at;
        uint32_t value;
        bool fix_checksum;
        enum err_kind kind;
    } cases[] = {
        { "no signature", 0, 0x12345678, true, ERR_PROTOCOL },
        { "checksum wrong", HIVE_CHECKSUM, 0x1234, false, ERR_CONFLICT },
        { "sequence numbers differ", HIVE_SEQUENCE_2, 77, true, ERR_CONFLICT },
        { "version 2", HIVE_MAJOR, 2, true, ERR_PROTOCOL },
        { "a log, not a hive", HIVE_FILE_TYPE, 6, true, ERR_PROTOCOL },
        { "no bins", HIVE_BINS_BYTES, 0, true, ERR_PROTOCOL },
        { "size no multiple of a page", HIVE_BINS_BYTES, 4095, true, ERR_PROTOCOL },
        { "larger than the file", HIVE_BINS_BYTES, 0x1000000, true, ERR_PROTOCOL },
        { "root outside", HIVE_ROOT_CELL, 0xFFFFFFF0, true, ERR_PROTOCOL },
        { "root is no key", HIVE_ROOT_CELL, 0x200, true, ERR_PROTOCOL },
        { "first bin damaged", 4096, 0, true, ERR_PROTOCOL },
        { "cell of no size", 4096 + 32, 0, true, ERR_PROTOCOL },
    };
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(&err);
    CLEANUP(free_cleanup) uint8_t *good = NULL;
    size_t len = 0;

    CHECK_OK(hive_bytes(hive, &good, &len, &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) uint8_t *bad = malloc(len);

        test_case(cases[i].name);
        memcpy(bad, good, len);
        hive_store_u32(bad + cases[i].at, cases[i].value);
        if (cases[i].fix_checksum)
            hive_store_u32(bad + HIVE_CHECKSUM, hive_base_checksum(bad));
        CHECK(!hive_open(bad, len, true, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK((cases[i].kind == ERR_CONFLICT) == (err.hint[0] != '\0'));
    }
    test_case("cut off");
    for (size_t cut = 0; cut < len; cut += 509)
        CHECK(!hive_open(good, cut, false, &err));
}

TEST(nothing_edited_gives_the_very_bytes_back)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *made = make_sample(&err);
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    CLEANUP(free_cleanup) uint8_t *first = NULL, *second = NULL;
    size_t first_len = 0, second_len = 0;

    CHECK_OK(hive_bytes(made, &first, &first_len, &err));
    hive = hive_open(first, first_len, true, &err);
    CHECK_OK(hive && hive_bytes(hive, &second, &second_len, &err));
    CHECK(first_len == second_len && memcmp(first, second, first_len) == 0);
}

TEST(values_of_odd_shape_are_read_or_refused)
{
    struct hive_value unterminated = { HIVE_SZ, 4, (uint8_t *)"a\0b\0" };
    struct hive_value odd = { HIVE_SZ, 3, (uint8_t *)"a\0b" };
    struct hive_value lone = { HIVE_SZ, 2, (uint8_t *)"\x00\xD8" };
    struct hive_value list = { HIVE_MULTI_SZ, 6, (uint8_t *)"a\0\0\0b\0" };
    struct hive_value short_number = { HIVE_DWORD, 2, (uint8_t *)"\1\0" };
    struct hive_value none = { HIVE_NONE, 0, NULL };
    CLEANUP(free_cleanup) char *text = hive_value_text(&unterminated);
    uint64_t number = 5;
    size_t count = 0;
    char **texts = hive_value_texts(&list, &count);

    CHECK_STR_EQ(text, "ab");
    CHECK(!hive_value_text(&odd));
    CHECK(!hive_value_text(&lone));
    CHECK(!hive_value_text(&none));
    CHECK_EQ(count, 2);
    CHECK_STR_EQ(count == 2 ? texts[1] : NULL, "b");
    hive_texts_free(texts, count);
    CHECK(!hive_value_u64(&short_number, &number));
    CHECK_EQ(number, 5);
}

TEST(other_readers_see_what_was_written)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = make_sample(&err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup) char *line = NULL, *out = NULL;
    char path[TEST_FOLDER], reg[TEST_FOLDER + 4];
    size_t len = 0;

    if (!has_program("regfexport") && !has_program("reged"))
        SKIP("neither regfexport (libregf-utils) nor reged (chntpw) is installed");
    CHECK_OK(hive_bytes(hive, &bytes, &len, &err));
    test_make_file("hive", path);
    CHECK(write_file(path, bytes, len));
    if (has_program("regfexport")) {
        test_case("regfexport");
        line = text_printf("LC_ALL=C.UTF-8 regfexport %s 2>&1", path);
        out = output_of(line);
        CHECK(strstr(out, "nvlddmkm"));
        CHECK(strstr(out, "\\SystemRoot\\System32\\nvlddmkm.sys"));
        CHECK(
            strstr(out, "72 00 61 00 66 00 69 00  6b 00 2d 00 4b 00 e4 00")); /* rafik-Kä */
        CHECK(strstr(out, "日本"));
        CHECK(!strstr(out, "orrupt") && !strstr(out, "nable to"));
    }
    if (has_program("reged")) {
        test_case("reged");
        snprintf(reg, sizeof(reg), "%s.reg", path);
        free(TAKE(line));
        free(TAKE(out));
        line = text_printf("reged -x %s 'HKLM' '\\ControlSet001\\Services\\nvlddmkm' %s "
                           ">/dev/null 2>&1; cat %s",
                           path, reg, reg);
        out = output_of(line);
        CHECK(strstr(out, "\"Start\"=dword:00000003"));
        CHECK(strstr(out, "\"DriverSupportModules\"=hex(7):6e,00,76,00"));
        unlink(reg);
    }
    unlink(path);
}

TEST(a_real_hive_shows_its_documented_facts)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    CLEANUP(free_cleanup) char *path = NULL, *set = NULL, *key = NULL, *text = NULL;
    struct hive_value value = { 0 };
    char **texts = NULL;
    size_t count = 0;

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    path = unpack("SYSTEM_WIN_10_1709");
    if (!path)
        SKIP("xz is not installed");
    hive = hive_open_file(path, false, &err);
    CHECK_OK(hive != NULL);
    /* Taken from a running machine: sequence numbers 4317 and 4316, no logs. */
    CHECK(hive && hive_is_dirty(hive));
    CHECK(!hive_open_file(path, true, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    if (!hive)
        return;
    set = hive_current_control_set(hive, &err);
    key = text_printf("%s\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}\\0000",
                      set);
    CHECK_OK(hive_get(hive, key, "InfPath", &value, &err));
    text = hive_value_text(&value);
    CHECK_STR_EQ(text, "oem3.inf");
    hive_value_clear(&value);
    CHECK_OK(hive_get(hive, key, "UserModeDriverName", &value, &err));
    texts = hive_value_texts(&value, &count);
    CHECK(count > 0 && !strchr(texts[0], '\\')); /* bare names: not store-resident */
    hive_texts_free(texts, count);
    hive_value_clear(&value);
    CHECK(hive_has_key(hive, "DriverDatabase\\DriverInfFiles\\oem2.inf"));
    CHECK(!hive_has_key(hive, "DriverDatabase\\DriverInfFiles\\oem3.inf"));

    unlink(path);
}

TEST(a_real_hive_edited_keeps_its_old_facts)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = NULL, *again = NULL;
    CLEANUP(free_cleanup) char *path = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL, *edited = NULL;
    struct hive_value value = { 0 };
    const char *key = "ControlSet001\\Control\\Class\\"
                      "{4d36e968-e325-11ce-bfc1-08002be10318}\\0000";
    size_t len = 0, edited_len = 0;

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    path = unpack("SYSTEM_WIN_10_1709");
    if (!path)
        SKIP("xz is not installed");
    hive = hive_open_file(path, false, &err);
    unlink(path);
    CHECK_OK(hive && hive_bytes(hive, &bytes, &len, &err));
    if (!hive || !bytes)
        return;
    /* As if the write had been finished. */
    memcpy(bytes + HIVE_SEQUENCE_2, bytes + HIVE_SEQUENCE_1, 4);
    hive_store_u32(bytes + HIVE_CHECKSUM, hive_base_checksum(bytes));
    hive_close(hive);
    hive = hive_open(bytes, len, true, &err);
    CHECK_OK(hive != NULL);
    if (!hive)
        return;
    CHECK(!hive_is_dirty(hive));
    CHECK_OK(set_number(hive, key, "hvgpu-test", HIVE_DWORD, 42, &err));
    CHECK_OK(hive_bytes(hive, &edited, &edited_len, &err));
    again = hive_open(edited, edited_len, false, &err);
    CHECK_OK(again && hive_get(again, key, "hvgpu-test", &value, &err));
    hive_value_clear(&value);
    CHECK_OK(again && hive_get(again, key, "InfPath", &value, &err));
    hive_value_clear(&value);
}

TEST(a_real_dirty_hive_is_refused_with_a_hint)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *path = NULL;

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    path = unpack("transactions_NTUSER.DAT");
    if (!path)
        SKIP("xz is not installed");
    CHECK(!hive_open_file(path, true, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(err.hint[0]);
    unlink(path);
}

/* A refusal's text, for who made it. */
static void check_says(const struct err *err, enum err_kind kind, const char *part)
{
    char text[1024];

    err_format(err, text, sizeof(text));
    test_report(err->kind == kind && strstr(text, part), __FILE__, __LINE__,
                "%s: \"%s\" has no \"%s\"", err_kind_name(err->kind), text, part);
}

TEST(what_goes_beyond_a_limit_or_a_right_is_refused)
{
    struct err err = ERR_INIT;
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(&err), *read_only = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL, *big = calloc(1, 20000);
    CLEANUP(free_cleanup) char *deep = malloc(2 * 600);
    struct hive_value value = { .type = HIVE_BINARY, .len = 20000, .bytes = big };
    char path[TEST_FOLDER];
    size_t len = 0;
    int fd;

    CHECK(hive && big && deep);
    for (size_t i = 0; i < 600; i++)
        memcpy(deep + 2 * i, i < 599 ? "a\\" : "a", 2);
    CHECK(!hive_create_key(hive, deep, &err));
    check_says(&err, ERR_INVALID, "nest too deep");
    CHECK(!hive_set(hive, "Key", "big", &value, &err));
    check_says(&err, ERR_UNSUPPORTED, "more than 16344 bytes");
    CHECK_OK(hive_bytes(hive, &bytes, &len, &err));
    read_only = hive_open(bytes, len, false, &err);
    CHECK_OK(read_only != NULL);
    value.len = 1;
    CHECK(!hive_set(read_only, "Key", "small", &value, &err));
    check_says(&err, ERR_INVALID, "reading only");

    if (getenv("SystemRoot")) /* Windows: no file there is larger than what is in it */
        return;
    test_make_file("hive-large", path);
    fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
    close(fd);
    CHECK(!hive_open_file(path, false, &err));
    check_says(&err, ERR_PROTOCOL, "too large");
    unlink(path);
}

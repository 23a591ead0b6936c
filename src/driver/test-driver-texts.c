/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Windows paths: what is accepted, what is not. */

#include "test.h"
#include "text.h"
#include "win-path.h"

TEST(a_name_that_means_a_device_or_leaves_the_folder_is_not_plain)
{
    static const char *const bad[] = { "",        ".",       "..",    "a/b",         "a\\b",
                                       "a:b",     "nul",     "NUL.x", "con.a",       "COM1",
                                       "lpt9.xy", "CONIN$",  "a.",    "a ",          "a?",
                                       "a*",      "a\tb",    "a\"b",  "COM\xC2\xB9", "a\nb",
                                       "a|b",     "nul .txt" };
    static const char *const good[] = { "a",       "nvcuda.dll", "com.dll",  "COM10",
                                        "console", "x y.z",      "\xC3\xA4", "%a%",
                                        "a&b",     "nulx" };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        test_case(bad[i]);
        CHECK(!win_name_is_plain(bad[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        test_case(good[i]);
        CHECK(win_name_is_plain(good[i]));
    }
}

TEST(a_relative_path_has_plain_names_only)
{
    CHECK(win_path_is_relative("B1\\x.dll"));
    CHECK(!win_path_is_relative("..\\x.dll"));
    CHECK(!win_path_is_relative("a\\\\b"));
    CHECK(!win_path_is_relative("\\a"));
    CHECK(!win_path_is_relative("a\\"));
    CHECK(!win_path_is_relative("C:\\a"));
    CHECK(win_path_is_absolute("C:\\Windows\\x"));
    CHECK(!win_path_is_absolute("\\\\server\\share\\x"));
    CHECK(!win_path_is_absolute("C:\\Windows\\..\\x"));
    CHECK_STR_EQ(win_path_below("c:\\windows\\system32\\a", "C:\\Windows"), "system32\\a");
    CHECK_STR_EQ(win_path_below("C:\\Windows2\\a", "C:\\Windows"), NULL);
}

TEST(a_store_path_names_its_package)
{
    CLEANUP(free_cleanup)
    char *package = win_path_store_package(
        "\\SystemRoot\\System32\\driverstore\\FILEREPOSITORY\\nv.inf_amd64_0123456789abcdef\\"
        "nvlddmkm.sys");
    CLEANUP(free_cleanup) char *bare = win_path_store_package("vm3dum64_loader.dll");
    CLEANUP(free_cleanup)
    char *escape = win_path_store_package("C:\\x\\DriverStore\\FileRepository\\..\\x.dll");
    CLEANUP(free_cleanup) char *arch = win_package_architecture(package);
    CLEANUP(free_cleanup) char *inf = win_package_inf(package);
    CLEANUP(free_cleanup) char *no_hash = win_package_inf("nv.inf_amd64_01234567");

    CHECK_STR_EQ(package, "nv.inf_amd64_0123456789abcdef");
    CHECK_STR_EQ(bare, NULL);
    CHECK_STR_EQ(escape, NULL);
    CHECK_STR_EQ(arch, "amd64");
    CHECK_STR_EQ(inf, "nv.inf");
    CHECK_STR_EQ(no_hash, NULL);
}

TEST(a_store_path_becomes_the_guests_whatever_the_drive)
{
    static const char want[] =
        "\\SystemRoot\\System32\\HostDriverStore\\FileRepository\\p\\k.sys";
    CLEANUP(free_cleanup)
    char *a = win_path_in_guest_store(
        "\\SystemRoot\\System32\\DriverStore\\FileRepository\\p\\k.sys");
    CLEANUP(free_cleanup)
    char *b = win_path_in_guest_store(
        "D:\\WINDOWS\\system32\\driverstore\\filerepository\\p\\k.sys");
    CLEANUP(free_cleanup) char *twice = win_path_in_guest_store(want);

    CHECK_STR_EQ(a, want);
    CHECK_STR_EQ(b, want);
    CHECK_STR_EQ(twice, NULL); /* already translated: not a host path any more */
}

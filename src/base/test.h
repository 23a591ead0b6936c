/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test harness: TEST(name_as_a_sentence) { ... CHECK(...); }
 *
 * CHECK reports the place and the case and goes on.  main() comes from test.c.
 * A test that lacks what it needs calls SKIP("why"), which returns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "attr.h"

void test_add(const char *name, void (*run)(void));
/* @run is called first of all in main(), before any test. */
void test_at_start(void (*run)(int argc, char **argv));
void test_case(const char *name); /* names the case in later reports */
void test_report(bool ok, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void test_skip(const char *why);

/* Path of the shared test data given by $HVGPU_TEST_DATA, or NULL. */
const char *test_data_dir(void);
/* Where a test may make a folder of its own: $HVGPU_TEST_TMP, or the system's. */
const char *test_temporary_dir(void);
/* Makes one: "hvgpu-@name-", and letters that nobody else has.  The test removes it. */
enum { TEST_FOLDER = 256 };
void test_make_folder(const char *name, char ret[TEST_FOLDER]);
/* An empty file in there, named likewise. */
void test_make_file(const char *name, char ret[TEST_FOLDER]);

/* Of POSIX; where the system lacks them they come from test-win32.c. */
char *mkdtemp(char *name);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);

#define TEST(name)                                            \
    static void test_##name(void);                            \
    __attribute__((constructor)) static void add_##name(void) \
    {                                                         \
        test_add(#name, test_##name);                         \
    }                                                         \
    static void test_##name(void)

#define SKIP(why)       \
    do {                \
        test_skip(why); \
        return;         \
    } while (0)

#define CHECK(cond) test_report((cond), __FILE__, __LINE__, "%s", #cond)

#define CHECK_EQ(a, b)                                                                     \
    do {                                                                                   \
        long long a_ = (long long)(a), b_ = (long long)(b);                                \
        test_report(a_ == b_, __FILE__, __LINE__, "%s is %lld, not %s = %lld", #a, a_, #b, \
                    b_);                                                                   \
    } while (0)

#define CHECK_STR_EQ(a, b)                                                                 \
    do {                                                                                   \
        const char *a_ = (a), *b_ = (b);                                                   \
        test_report((!a_ && !b_) || (a_ && b_ && strcmp(a_, b_) == 0), __FILE__, __LINE__, \
                    "%s is \"%s\", not \"%s\"", #a, a_ ? a_ : "(null)",                    \
                    b_ ? b_ : "(null)");                                                   \
    } while (0)

/* For calls that fill `struct err err`: shows the error when they fail. */
#define CHECK_OK(call)                                               \
    do {                                                             \
        bool ok_ = (call);                                           \
        char why_[1024] = "";                                        \
        if (!ok_)                                                    \
            err_format(&err, why_, sizeof(why_));                    \
        test_report(ok_, __FILE__, __LINE__, "%s: %s", #call, why_); \
    } while (0)

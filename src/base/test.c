/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main() of every unit test: runs the tests that registered themselves and
 * prints TAP, which Meson counts. */

#include "test.h"

#include <stdarg.h>
#include <unistd.h>

enum { TEST_MAX = 256 };

static struct {
    const char *name;
    void (*run)(void);
} tests[TEST_MAX];
static size_t test_count;

static const char *case_name;
static unsigned failures;
static const char *skipped;

void test_add(const char *name, void (*run)(void))
{
    if (test_count == TEST_MAX)
        abort();
    tests[test_count].name = name;
    tests[test_count++].run = run;
}

static void (*at_start)(int argc, char **argv);

void test_at_start(void (*run)(int argc, char **argv))
{
    at_start = run;
}

void test_case(const char *name)
{
    case_name = name;
}

void test_skip(const char *why)
{
    skipped = why;
}

void test_report(bool ok, const char *file, int line, const char *fmt, ...)
{
    va_list args;

    if (ok)
        return;
    failures++;
    printf("# %s:%d: ", file, line);
    if (case_name)
        printf("[%s] ", case_name);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

const char *test_data_dir(void)
{
    const char *dir = getenv("HVGPU_TEST_DATA");

    return dir && *dir ? dir : NULL;
}

const char *test_temporary_dir(void)
{
    static const char *const names[] = { "HVGPU_TEST_TMP", "TMPDIR", "TEMP" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *dir = getenv(names[i]);

        if (dir && *dir)
            return dir;
    }
    return "/tmp";
}

void test_make_folder(const char *name, char ret[TEST_FOLDER])
{
    snprintf(ret, TEST_FOLDER, "%s/hvgpu-%s-XXXXXX", test_temporary_dir(), name);
    if (!mkdtemp(ret)) {
        fprintf(stderr, "no folder can be made in '%s'\n", test_temporary_dir());
        abort();
    }
}

void test_make_file(const char *name, char ret[TEST_FOLDER])
{
    int fd;

    snprintf(ret, TEST_FOLDER, "%s/hvgpu-%s-XXXXXX", test_temporary_dir(), name);
    fd = mkstemp(ret);
    if (fd < 0) {
        fprintf(stderr, "no file can be made in '%s'\n", test_temporary_dir());
        abort();
    }
    close(fd);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    unsigned failed = 0, ran = 0;

    if (at_start)
        at_start(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    for (size_t i = 0; i < test_count; i++) {
        if (only && !strstr(tests[i].name, only))
            continue;
        case_name = NULL;
        failures = 0;
        skipped = NULL;
        tests[i].run();
        ran++;
        failed += failures != 0;
        printf("%s %u - %s%s%s\n", failures ? "not ok" : "ok", ran, tests[i].name,
               skipped ? " # SKIP " : "", skipped ? skipped : "");
    }
    printf("1..%u\n", ran);
    return failed ? 1 : 0;
}

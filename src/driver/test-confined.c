/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every reader of foreign data, made to crash, to hang and to run out of memory: each time
 * an error comes out, and this process goes on.
 */

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "err.h"
#include "file-version.h"
#include "guest-disk.h"
#include "hive-reader.h"
#include "hive.h"
#include "image.h"
#include "os.h"
#include "package-inf.h"
#include "sandbox.h"
#include "test-tools.h"
#include "test.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

static const char inf[] = "[Version]\nSignature=\"$Windows NT$\"\nClass=Display\n"
                          "ClassGUID={4d36e968-e325-11ce-bfc1-08002be10318}\n"
                          "Provider=\"x\"\nDriverVer=01/02/2024,1.2.3.4\n";

/* ---- the readers ---- */

static bool read_image(struct err *err)
{
    struct image_facts *facts = calloc(1, sizeof(*facts));
    bool ok = image_inspect_confined(scratch("guest.vhdx"), NULL, facts, err) &&
              facts->has_windows && facts->blocker_count == 0;

    free(facts);
    return ok;
}

static bool read_guest(struct err *err)
{
    CLEANUP(guest_disk_cleanup)
    struct guest_disk *disk =
        guest_disk_open_sandboxed(scratch("guest.vhdx"), NULL, NULL, NULL, err);
    struct guest_facts facts = { 0 };

    return disk && disk->ops->facts(disk, &facts, err) && facts.build == 22631;
}

static bool read_hives(struct err *err)
{
    const char *const paths[HIVE_WHICH_COUNT] = { scratch("SYSTEM") };
    CLEANUP(hive_reader_cleanup)
    struct hive_reader *reader = hive_reader_start(paths, err);

    return reader != NULL;
}

static bool read_inf(struct err *err)
{
    struct package_inf package = { 0 };
    bool ok = package_inf_parse(inf, sizeof(inf) - 1, "reading the INF", NULL, "amd64",
                                &package, err);

    package_inf_clear(&package);
    return ok;
}

static bool read_version(struct err *err)
{
    struct file_version version;
    bool told = true;

    return file_version_read_confined("MZ", 2, "x.dll", &version, &told, err) && !told;
}

static const struct {
    const char *name;
    bool (*read)(struct err *err);
} readers[] = {
    { "image", read_image }, { "guest disk", read_guest },          { "hives", read_hives },
    { "INF", read_inf },     { "version of a file", read_version },
};

/* ---- what happens to them ---- */

static void crash(const char *what)
{
    *(volatile char *)NULL = 1;
}

static void hang(const char *what)
{
    for (;;)
        os_sleep_ms(1000);
}

static void spin(const char *what)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

static void starve(const char *what)
{
    for (size_t size = (size_t)1 << 30; size >= 64; size /= 2)
        while (malloc(size)) /* kept for good: the process ends soon */
            ;
}

static void break_out(const char *what)
{
    execl("/bin/true", "true", (char *)NULL);
}

static bool make_hive(const char *path, struct err *err)
{
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct hive_value value = { 0 };
    size_t len = 0;
    bool ok = hive && hive_value_set_u64(&value, HIVE_DWORD, 1) &&
              hive_set(hive, "Select", "Current", &value, err) &&
              hive_bytes(hive, &bytes, &len, err);

    hive_value_clear(&value);
    return ok && write_whole(path, bytes, len);
}

TEST(a_reader_that_crashes_hangs_or_starves_is_an_error)
{
    static const struct {
        const char *name;
        void (*happen)(const char *what);
        const char *says; /* NULL: any error */
        unsigned cap_ms;
    } cases[] = {
        { "nothing", NULL, NULL, 0 },
        { "crash", crash, "crashed", 0 },
        { "hang", hang, "did not answer in time", 300 },
        { "endless loop", spin, "did not answer in time", 300 },
        { "no memory", starve, NULL, 0 },
        { "a forbidden call", break_out, "tried what it may not do", 0 },
    };
    struct err err = ERR_INIT;
    char text[1024];

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(scratch("guest.vhdx"), 40, NULL, &err));
    CHECK_OK(make_hive(scratch("SYSTEM"), &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].happen == starve && HAS_SANITIZER)
            continue; /* their address space has no limit */
        sandbox_before_serve = cases[i].happen;
        sandbox_timeout_cap_ms = cases[i].cap_ms;
        for (size_t k = 0; k < ARRAY_LEN(readers); k++) {
            snprintf(text, sizeof(text), "%s: %s", readers[k].name, cases[i].name);
            test_case(text);
            err = ERR_INIT;
            if (!cases[i].happen) {
                CHECK_OK(readers[k].read(&err));
                continue;
            }
            CHECK(!readers[k].read(&err));
            CHECK(err.kind != ERR_NONE);
            err_format(&err, text, sizeof(text));
            if (cases[i].says && !strstr(text, cases[i].says))
                printf("# %s\n", text);
            CHECK(!cases[i].says || strstr(text, cases[i].says));
        }
    }
    sandbox_before_serve = NULL;
    sandbox_timeout_cap_ms = 0;
}

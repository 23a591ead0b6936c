/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files of the guest may be replaced: whose they are, and which version they have. */

#include <stdlib.h>

#include "file-version.h"
#include "ntfs-internal.h"
#include "os.h"
#include "steps.h"
#include "test-inject-run.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

/* A DLL whose version resource says whose it is, made by another compiler.  Owned. */
static uint8_t *make_dll(const char *company, const char *version, size_t *ret_len)
{
    CLEANUP(free_cleanup)
    char *rc =
        text_printf("1 VERSIONINFO\nFILEVERSION %s\nBEGIN\nBLOCK \"StringFileInfo\"\n"
                    "BEGIN\nBLOCK \"040904b0\"\nBEGIN\n"
                    "VALUE \"CompanyName\", \"%s\"\n"
                    "VALUE \"FileDescription\", \"odd length\"\nEND\nEND\nEND\n",
                    version, company);

    CHECK(write_whole(scratch("version.rc"), rc, strlen(rc)));
    CHECK(write_whole(scratch("dll.c"), "int f(void);int f(void){return 1;}\n", 35));
    CHECK_EQ(shell("cd %s && x86_64-w64-mingw32-windres version.rc version.o && "
                   "x86_64-w64-mingw32-gcc -shared -nostdlib -o made.dll dll.c version.o",
                   scratch_dir()),
             0);
    return read_whole(scratch("made.dll"), ret_len);
}

static bool has_cross_compiler(void)
{
    return has_program("x86_64-w64-mingw32-gcc") &&
           has_program("x86_64-w64-mingw32-windres");
}

TEST(version_and_company_are_read_from_a_dll_others_made)
{
    struct file_version version = { 0 };
    CLEANUP(free_cleanup) uint8_t *dll = NULL;
    size_t len = 0;

    if (!has_cross_compiler())
        SKIP("mingw-w64 is not installed");
    dll = make_dll("Microsoft Corporation", "10,0,22621,3880", &len);
    CHECK(dll && file_version_read(dll, len, &version));
    CHECK(version.has_version);
    CHECK_EQ(version.version, 10ull << 48 | 22621ull << 16 | 3880);
    CHECK_STR_EQ(version.company, "Microsoft Corporation");
    /* Cut anywhere, or with any byte changed: an answer or none, never a crash. */
    for (size_t cut = 0; dll && cut < len; cut += 1 + cut / 40) {
        CLEANUP(free_cleanup) uint8_t *part = malloc(cut + 1);

        memcpy(part, dll, cut);
        file_version_read(part, cut, &version);
        part[cut / 2] ^= 0xff;
        file_version_read(part, cut, &version);
    }
}

/* Puts @dll in the place of the guest's OpenCL.dll. */
static void replace_opencl(const char *image, const uint8_t *dll, size_t len)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);

    CHECK_OK(volume_remove(volume, "/Windows/System32/OpenCL.dll", false, &err));
    guest_put(volume, "/Windows/System32/OpenCL.dll", dll, len, FILE_IS_ARCHIVE);
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);
}

TEST(a_file_of_windows_itself_is_left_alone_and_said)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) uint8_t *dll = NULL;
    size_t len = 0;

    if (!has_tools() || !has_cross_compiler())
        SKIP("mkntfs, qemu-img or mingw-w64 is not installed");
    dll = make_dll("Microsoft Corporation", "10,0,22621,3880", &len);
    make_host(&machine);
    make_guest(image);
    replace_opencl(image, dll, len);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_EQ(run.plan->step_count, 5);
    CHECK_EQ(json_array_size(run.plan->findings), 1);
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    CHECK_OK(run_verify(&run, image, &err));
    run_close(&run);
    machine_close(&machine);
}

/* A second name of the guest's OpenCL.dll in WinSxS, as Windows' own files have. */
static void link_opencl(struct volume *volume)
{
    static const char name[] = "amd64_opencl_31bf3856ad364e35_10.0.22621.1_none_opencl.dll";
    struct err err = ERR_INIT;
    ntfs_inode *file, *folder;
    ntfschar *wide = NULL;
    int len;

    CHECK_OK(volume_make_dirs(volume, "/Windows/WinSxS", &err));
    file = ntfs_pathname_to_inode(volume->ntfs, NULL, "/Windows/System32/OpenCL.dll");
    folder = ntfs_pathname_to_inode(volume->ntfs, NULL, "/Windows/WinSxS");
    len = ntfs_mbstoucs(name, &wide);
    CHECK(file && folder && len > 0);
    CHECK_EQ(ntfs_link(file, folder, wide, (u8)len), 0);
    free(wide);
    CHECK_EQ(ntfs_inode_close_in_dir(file, folder), 0);
    CHECK_EQ(ntfs_inode_close(folder), 0);
}

/* Gives it to TrustedInstaller, as a hand-made security descriptor says: no access list, owner
 * and group S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464. */
static void give_opencl_away(struct volume *volume)
{
    static const uint32_t parts[] = { 80,         956008885,  3418522649,
                                      1831038044, 1853292631, 2271478464 };
    uint8_t descriptor[20 + 2 * 32] = { 1, 0, 0, 0x80, 20, 0, 0, 0, 52 };
    struct SECURITY_CONTEXT context = { .vol = volume->ntfs,
                                        .pseccache = &volume->security_cache };
    ntfs_inode *file =
        ntfs_pathname_to_inode(volume->ntfs, NULL, "/Windows/System32/OpenCL.dll");

    for (unsigned sid = 20; sid <= 52; sid += 32) {
        descriptor[sid] = 1;
        descriptor[sid + 1] = ARRAY_LEN(parts);
        descriptor[sid + 7] = 5;
        memcpy(descriptor + sid + 8, parts, sizeof(parts));
    }
    CHECK(file != NULL);
    CHECK_EQ(
        ntfs_set_ntfs_acl(&context, file, (const char *)descriptor, sizeof(descriptor), 0),
        0);
    CHECK_EQ(ntfs_inode_close(file), 0);
}

TEST(a_file_with_a_second_name_in_winsxs_or_of_the_installer_is_never_touched)
{
    static const struct {
        const char *name;
        void (*make)(struct volume *volume);
        const char *evidence;
    } cases[] = {
        { "a second name", link_opencl, "2 links" },
        { "owner", give_opencl_away, "TrustedInstaller" },
    };
    const char *image = scratch("guest.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct machine machine;
        struct disk *disk = NULL;
        struct volume *volume;
        struct run run;
        CLEANUP(free_cleanup) char *before = NULL;
        CLEANUP(free_cleanup) char *after = NULL;
        const char *evidence;

        test_case(cases[i].name);
        make_host(&machine);
        make_guest(image);
        volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);
        CHECK_OK(volume != NULL);
        cases[i].make(volume);
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
        before = guest_dump(image);

        CHECK_OK(run_open(&run, &machine, image, &err));
        CHECK_EQ(run.plan->step_count, 5); /* one less: OpenCL.dll */
        CHECK_EQ(json_array_size(run.plan->findings), 1);
        evidence = json_string_value(json_array_get(
            json_object_get(json_array_get(run.plan->findings, 0), "evidence"), 0));
        CHECK(evidence && strstr(evidence, cases[i].evidence));
        CHECK_OK(plan_run(run.plan, &run.context, &err));
        driver_close_guest(&run.context);
        after = guest_dump(image);
        /* Every line about it, under either name, is as it was. */
        for (char *line = before, *end; line && *line; line = end + (*end == '\n')) {
            CLEANUP(free_cleanup) char *one = NULL;

            end = line + strcspn(line, "\n");
            one = text_ndup(line, (size_t)(end - line));
            if (text_istr(one, "opencl"))
                CHECK(strstr(after, one));
        }
        run_close(&run);
        machine_close(&machine);
    }
}

TEST(a_newer_file_of_the_guest_stays_and_an_older_one_goes)
{
    static const struct {
        const char *host, *guest;
        size_t steps;
    } cases[] = {
        { "3,0,2,0", "3,0,3,0", 5 }, /* package, nvcuda, hive, manifest, commit */
        { "3,0,4,0", "3,0,3,0", 6 },
    };
    const char *const opencl[] = { "OpenCL64.dll", "OpenCL.dll" };
    const char *image = scratch("guest.vhdx");

    if (!has_tools() || !has_cross_compiler())
        SKIP("mkntfs, qemu-img or mingw-w64 is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct machine machine;
        struct run run;
        size_t host_len = 0, guest_len = 0;
        CLEANUP(free_cleanup)
        uint8_t *host = make_dll("Khronos Group", cases[i].host, &host_len);
        CLEANUP(free_cleanup)
        uint8_t *guest = make_dll("Khronos Group", cases[i].guest, &guest_len);

        test_case(cases[i].host);
        make_host(&machine);
        CHECK_OK(hive_delete_key(machine.system, CLASS_KEY "\\CopyToVmOverwrite", &err));
        machine_texts(machine.system, CLASS_KEY "\\CopyToVmWhenNewer", "OpenCL", opencl, 2);
        machine_file(&machine, STORE TEST_PACKAGE "/OpenCL64.dll", host, host_len);
        machine_save(&machine);
        make_guest(image);
        replace_opencl(image, guest, guest_len);
        CHECK_OK(run_open(&run, &machine, image, &err));
        CHECK_EQ(run.plan->step_count, cases[i].steps);
        run_close(&run);
        machine_close(&machine);
    }
}

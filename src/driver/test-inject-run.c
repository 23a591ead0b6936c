/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-inject-run.h"

#include <stdlib.h>
#include <unistd.h>

#include "driver.h"
#include "hash.h"
#include "os.h"
#include "steps.h"
#include "strbuf.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

#define WHEN 13300000000000000ll /* a day in 2022 */

/* ---- a guest's disk, and all of it as text ---- */

void guest_put(struct volume *volume, const char *path, const void *bytes, size_t len,
               uint32_t attributes)
{
    struct err err = ERR_INIT;

    CHECK_OK(volume_write_all(volume, path, bytes, len, WHEN, attributes, &err));
}

static void put_hive(struct volume *volume, const char *path, struct hive *hive)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    CHECK_OK(hive_bytes(hive, &bytes, &len, &err));
    guest_put(volume, path, bytes, len, FILE_IS_ARCHIVE);
}

const char *guest_architecture = "AMD64";
const char *guest_build = "22631";

void make_guest(const char *path)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    struct hive *system = hive_new(&err), *software = hive_new(&err);

    machine_number(system, "Select", "Current", 1);
    machine_text(system, "ControlSet001\\Control\\Session Manager\\Environment",
                 "PROCESSOR_ARCHITECTURE", HIVE_SZ, guest_architecture);
    machine_text(system, "ControlSet001\\Services\\Tcpip", "ImagePath", HIVE_EXPAND_SZ,
                 "System32\\drivers\\tcpip.sys");
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "CurrentBuildNumber",
                 HIVE_SZ, guest_build);
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "EditionID", HIVE_SZ,
                 "Professional");
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "SystemRoot", HIVE_SZ,
                 "C:\\Windows");
    unlink(path);
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume != NULL);
    if (!volume)
        return;
    CHECK_OK(volume_make_dirs(volume, "/Windows/System32/config", &err));
    CHECK_OK(volume_make_dirs(volume, "/Windows/SysWOW64", &err));
    put_hive(volume, "/Windows/System32/config/SYSTEM", system);
    put_hive(volume, "/Windows/System32/config/SOFTWARE", software);
    guest_put(volume, "/Windows/System32/OpenCL.dll", "the guest's own", 15,
              FILE_IS_ARCHIVE | FILE_IS_READONLY | FILE_IS_HIDDEN);
    guest_put(volume, "/Windows/System32/ntoskrnl.exe", "MZ", 2, FILE_IS_ARCHIVE);
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);
    hive_close(system);
    hive_close(software);
}

struct dumping {
    struct volume *volume;
    const char *folder;
    struct strbuf *to;
};

static bool hash_bytes_of(const void *bytes, size_t len, void *user, struct err *err)
{
    hash_add(user, bytes, len);
    return true;
}

static bool dump_one(const struct file_info *info, void *user, struct err *err)
{
    struct dumping *dumping = user;
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", dumping->folder, info->name);
    struct dumping below = { dumping->volume, path, dumping->to };
    struct hash hash;
    char sha256[SHA256_HEX];

    if (info->attributes & FILE_IS_DIR) {
        strbuf_printf(dumping->to, "%s/\n", path);
        return volume_list(dumping->volume, path, dump_one, &below, err);
    }
    hash_begin(&hash);
    if (!volume_read(dumping->volume, path, hash_bytes_of, &hash, err))
        return false;
    hash_end(&hash, sha256);
    strbuf_printf(dumping->to, "%s %llu %lld %x %s\n", path, (unsigned long long)info->size,
                  (long long)info->mtime_usec, info->attributes, sha256);
    return true;
}

char *guest_dump(const char *image)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(image, DISK_READ, &disk, &err);
    struct strbuf text = STRBUF_INIT;
    struct dumping dumping = { volume, "/Windows", &text };

    CHECK_OK(volume != NULL);
    if (volume)
        CHECK_OK(volume_list(volume, "/Windows", dump_one, &dumping, &err));
    volume_drop(volume);
    disk_close(disk);
    return strbuf_take(&text);
}

/* ---- runs ---- */

static char *bench_path(const char *name)
{
    return text_printf("%s/%s", scratch_dir(), name);
}

void make_host(struct machine *machine)
{
    const char *const cuda[] = { "nvcuda_loader64.dll", "nvcuda.dll" };
    const char *const opencl[] = { "OpenCL64.dll", "OpenCL.dll" };
    CLEANUP(free_cleanup) uint8_t *big = malloc(3 << 20);
    struct dice dice = { 7 };

    machine_open(machine);
    machine_add_gpu(machine, "nvidia", 1);
    dice_fill(&dice, big, 3 << 20);
    machine_file(machine, STORE TEST_PACKAGE "/nvoglv64.dll", big, 3 << 20);
    machine_text_file(machine, STORE TEST_PACKAGE "/empty.bin", "");
    machine_text_file(machine, STORE TEST_PACKAGE "/NvCamera/NvCamera64.dll", "camera");
    machine_text_file(machine, STORE TEST_PACKAGE "/nvcuda_loader64.dll", "cuda loader");
    machine_text_file(machine, STORE TEST_PACKAGE "/OpenCL64.dll", "the host's OpenCL");
    machine_texts(machine->system, CLASS_KEY "\\CopyToVmWhenNewer", "Cuda", cuda, 2);
    machine_texts(machine->system, CLASS_KEY "\\CopyToVmOverwrite", "OpenCL", opencl, 2);
    machine_save(machine);
}

const char *run_parents;

bool run_open(struct run *run, struct machine *machine, const char *image, struct err *err)
{
    struct guest_disk *guest;
    bool ok;

    *run = (struct run){ .state = bench_path("state"), .backup = bench_path("backup") };
    if (!os_make_dirs(run->state, err))
        return false;
    run->context = (struct plan_context){ .journal = journal_open(run->state, err),
                                          .kinds = driver_kinds,
                                          .backup_dir = run->backup,
                                          .open_guest = driver_open_local,
                                          .close_guest = driver_close_guest,
                                          .commit_guest = driver_commit_guest };
    run->source = windows_source_offline(machine->root, err);
    if (!run->context.journal || !run->source ||
        !driver_resolve(run->source, "10de:2860", &run->set, err))
        return false;
    guest = guest_disk_open_local(image, run_parents, NULL, err);
    run->plan = plan_new("local", "inject", err);
    ok = guest && run->plan && driver_plan_install(run->plan, guest, run->set, err) &&
         driver_plan_commit(run->plan, image, run_parents, err);
    guest_disk_close(guest);
    return ok;
}

void run_close(struct run *run)
{
    struct err err = ERR_INIT;

    driver_close_guest(&run->context);
    plan_free(run->plan);
    driver_set_free(run->set);
    windows_source_free(run->source);
    journal_close(run->context.journal);
    CHECK_OK(os_remove_tree(run->state, &err));
    CHECK_OK(os_remove_tree(run->backup, &err));
    free(run->state);
    free(run->backup);
}

bool has_tools(void)
{
    return has_program("mkntfs") && has_program("qemu-img");
}

bool run_verify(struct run *run, const char *image, struct err *err)
{
    struct guest_disk *guest = guest_disk_open_local(image, run_parents, NULL, err);
    bool ok = guest && driver_verify(guest, run->set, NULL, err);

    guest_disk_close(guest);
    return ok;
}

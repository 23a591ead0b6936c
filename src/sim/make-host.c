/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's C: as it is before anybody works on it: the folders of Windows, a few of its
 * files, the driver store with its packages, what the packages put outside the store,
 * and the hives.
 *
 * Hives and files are made apart: asking for a registry value does not write a driver
 * store.  Each part is made in a temporary folder's stead by marking its end with a file,
 * so that what was cut off is made again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "lab.h"
#include "make-file.h"
#include "os.h"
#include "package.h"
#include "text.h"
#include "world-inside.h"

#define CONFIG "/Windows/System32/config"
#define STORE "/Windows/System32/DriverStore/FileRepository"

static const int64_t system_time = 13349808000000000; /* 2024-01-16: the system's files */

static bool is_marked(struct sim_world *w, const char *name)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", w->host->dir, name);

    return path && os_file_exists(path);
}

static bool mark(struct sim_world *w, const char *name, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", w->host->dir, name);

    return path ? os_write_file(path, "", 0, err) : err_no_memory(err);
}

static bool make_dir(struct sim_world *w, const char *below, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s%s", w->root, below);

    return path ? os_make_dirs(path, err) : err_no_memory(err);
}

/* ---- hives ---- */

static bool write_hive(struct sim_world *w, const char *name,
                       bool (*fill)(struct sim_world *, struct hive *, struct err *),
                       struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s" CONFIG "/%s", w->root, name);
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    if (!path)
        return err_no_memory(err);
    return hive && fill(w, hive, err) && hive_bytes(hive, &bytes, &len, err) &&
           os_write_file(path, bytes, len, err);
}

bool host_make_registry(struct sim_world *w, struct err *err)
{
    if (!is_marked(w, "registry-made") &&
        (!make_dir(w, CONFIG, err) || !write_hive(w, "SYSTEM", host_fill_system, err) ||
         !write_hive(w, "SOFTWARE", host_fill_software, err) ||
         !write_hive(w, "DRIVERS", host_fill_drivers, err) ||
         !mark(w, "registry-made", err)))
        return err_wrap(err, "making the registry");
    w->registry_made = true;
    return true;
}

/* ---- files ---- */

struct system_file {
    const char *path;
    enum make_kind kind;
    unsigned kib;
};

static const struct system_file system_files[] = {
    { "/Windows/explorer.exe", MAKE_PE64, 12 },
    { "/Windows/System32/ntoskrnl.exe", MAKE_PE64, 40 },
    { "/Windows/System32/kernel32.dll", MAKE_PE64, 12 },
    { "/Windows/System32/cmd.exe", MAKE_PE64, 8 },
    { "/Windows/System32/robocopy.exe", MAKE_PE64, 6 },
    { "/Windows/System32/reg.exe", MAKE_PE64, 4 },
    { "/Windows/System32/certutil.exe", MAKE_PE64, 8 },
    { "/Windows/System32/attrib.exe", MAKE_PE64, 4 },
    { "/Windows/System32/fc.exe", MAKE_PE64, 4 },
    { "/Windows/System32/where.exe", MAKE_PE64, 4 },
    { "/Windows/System32/hostname.exe", MAKE_PE64, 4 },
    { "/Windows/System32/d3d11.dll", MAKE_PE64, 10 },
    { "/Windows/System32/d3d12.dll", MAKE_PE64, 10 },
    { "/Windows/System32/opengl32.dll", MAKE_PE64, 8 },
    { "/Windows/SysWOW64/d3d12.dll", MAKE_PE32, 10 },
    { "/Windows/SysWOW64/opengl32.dll", MAKE_PE32, 8 },
    { "/Windows/System32/drivers/dxgkrnl.sys", MAKE_PE64, 16 },
};

static bool write_system_files(struct sim_world *w, struct err *err)
{
    CLEANUP(free_cleanup)
    char *version = text_printf("10.0.%u.%u", w->host->build, w->host->ubr);

    if (!version)
        return err_no_memory(err);
    for (size_t i = 0; i < ARRAY_LEN(system_files); i++) {
        const struct system_file *f = &system_files[i];
        CLEANUP(free_cleanup) char *path = text_printf("%s%s", w->root, f->path);
        struct make_file file = {
            .name = strrchr(f->path, '/') + 1,
            .kind = f->kind,
            .size = (uint64_t)f->kib * 1024,
            .version = version,
            .company = "Microsoft Corporation",
        };

        if (!path)
            return err_no_memory(err);
        if (!make_file_at(path, &file, system_time, err))
            return false;
    }
    return true;
}

static void to_local(char *path)
{
    for (; *path; path++)
        if (*path == '\\')
            *path = '/';
}

/* @bytes to two places: the package and \Windows\INF. */
static bool write_inf(struct sim_world *w, const struct package *package, struct err *err)
{
    CLEANUP(free_cleanup)
    char *in_store =
        text_printf("%s" STORE "/%s/%s", w->root, package->folder, package->model->inf);
    CLEANUP(free_cleanup)
    char *published = text_printf("%s/Windows/INF/%s", w->root, package->published);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    bytes = package_inf_bytes(package, w->host->machine, &len);
    if (!in_store || !published || !bytes)
        return err_no_memory(err);
    return make_bytes_at(in_store, bytes, len, package_time(package), err) &&
           make_bytes_at(published, bytes, len, package_time(package), err);
}

static bool write_package_file(struct sim_world *w, const struct package *package,
                               const char *name, const struct make_file *file,
                               struct err *err)
{
    CLEANUP(free_cleanup)
    char *path = text_printf("%s" STORE "/%s/%s", w->root, package->folder, name);
    /* Files of a driver are built over some hours. */
    int64_t when = package_time(package) - (int64_t)(make_hash(name, 0) % 36000) * 1000000;

    if (!path)
        return err_no_memory(err);
    to_local(path + strlen(w->root));
    if (strchr(name, '\\')) {
        CLEANUP(free_cleanup) char *folder = text_dup(path);

        if (!folder)
            return err_no_memory(err);
        *strrchr(folder, '/') = '\0';
        if (!os_make_dirs(folder, err))
            return false;
    }
    return make_file_at(path, file, when, err);
}

/* What the package's INF copies outside the store. */
static bool write_copies(struct sim_world *w, const struct package *package,
                         struct err *err)
{
    static const char *const folders[] = { "/Windows/System32", "/Windows/SysWOW64",
                                           "/Windows/System32/lxss/lib" };
    char name[160];
    struct make_file file;

    for (const struct package_copy *c = package->model->copies; c && c->source; c++) {
        CLEANUP(free_cleanup)
        char *path = text_printf("%s%s/%s", w->root, folders[c->place], c->dest);
        bool found = false;

        if (!path)
            return err_no_memory(err);
        for (size_t i = 0; !found && package_file_at(package, w->host->machine->full_size,
                                                     i, name, &file);
             i++)
            found = strcmp(file.name, c->source) == 0;
        if (!found)
            return err_fail(err, ERR_INVALID, 0, "package '%s' has no '%s'",
                            package->folder, c->source);
        if ((c->flags & 0x20) && os_file_exists(path))
            continue; /* another vendor's loader: the first one stays */
        if (!make_file_at(path, &file,
                          package_time(package) -
                              (int64_t)(make_hash(name, 0) % 36000) * 1000000,
                          err))
            return false;
    }
    return true;
}

static bool write_package(struct sim_world *w, const struct package *package,
                          struct err *err)
{
    CLEANUP(free_cleanup) char *below = text_printf(STORE "/%s", package->folder);
    struct make_file file = { .kind = MAKE_NOISE, .size = 1500 };
    char name[160];

    if (!below)
        return err_no_memory(err);
    if (!make_dir(w, below, err) || !write_inf(w, package, err))
        return false;
    file.name = package->model->catalog;
    file.version = package->version;
    if (!write_package_file(w, package, package->model->catalog, &file, err))
        return false;
    for (size_t i = 0;
         package_file_at(package, w->host->machine->full_size, i, name, &file); i++)
        if (!write_package_file(w, package, name, &file, err))
            return false;
    return !package->active || write_copies(w, package, err);
}

/* Empty files stand for the VM disks until somebody uses them: those that lie on the shared
 * storage of a cluster, or those that do not, below @root. */
static bool write_disk_names(const struct sim_machine *machine, const char *root,
                             bool shared, struct err *err)
{
    for (size_t i = 0; i < machine->disk_count; i++) {
        const char *windows = machine->disks[i].path;
        CLEANUP(free_cleanup) char *path = NULL;
        CLEANUP(free_cleanup) char *folder = NULL;

        if (!text_istarts(windows, "C:\\"))
            return err_fail(err, ERR_INVALID, 0, "disk '%s' is not on C:", windows);
        if (shared != lab_is_shared_path(windows))
            continue;
        path = text_printf("%s/%s", root, windows + 3);
        if (!path)
            return err_no_memory(err);
        to_local(path + strlen(root));
        folder = text_dup(path);
        if (!folder)
            return err_no_memory(err);
        *strrchr(folder, '/') = '\0';
        if (os_file_exists(path))
            continue;
        if (!os_make_dirs(folder, err) || !os_write_file(path, "", 0, err))
            return false;
    }
    return true;
}

/* Of the VMs of all nodes, by the first node that looks. */
static bool make_shared_storage(struct sim_world *w, struct err *err)
{
    struct sim_cluster *cluster = w->host->cluster;
    CLEANUP(free_cleanup) char *marker = text_printf("%s/files-made", cluster->dir);
    CLEANUP(free_cleanup) char *volume = NULL;

    volume = text_printf("%s/ClusterStorage/Volume1", cluster->dir);
    if (!marker || !volume)
        return err_no_memory(err);
    /* The folder's place on C:, for who lists C:. */
    if (!make_dir(w, "/ClusterStorage", err))
        return false;
    if (os_file_exists(marker))
        return true;
    if (!os_make_dirs(volume, err))
        return false;
    for (size_t i = 0; i < cluster->node_count; i++)
        if (!write_disk_names(cluster->nodes[i]->machine, cluster->dir, true, err))
            return false;
    return os_write_file(marker, "", 0, err);
}

bool host_make_files(struct sim_world *w, struct err *err)
{
    static const char *const dirs[] = {
        "/Windows/INF",
        "/Windows/System32/drivers",
        "/Windows/System32/lxss/lib",
        "/Windows/SysWOW64",
        "/Windows/Temp",
        STORE,
        "/Users/Public",
        "/Users/Administrator",
        "/ProgramData",
        "/Program Files",
        "/Program Files (x86)",
    };
    CLEANUP(free_cleanup) struct package *packages = NULL;
    size_t count;

    if (!w->registry_made && !host_make_registry(w, err))
        return false;
    if (is_marked(w, "files-made")) {
        w->files_made = true;
        return true;
    }
    packages = calloc(PACKAGE_MAX, sizeof(*packages));
    if (!packages)
        return err_no_memory(err);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (!make_dir(w, dirs[i], err))
            return false;
    count = w->host->machine ? package_list(w->host->machine, packages) : 0;
    if (!write_system_files(w, err))
        return err_wrap(err, "making drive C:");
    for (size_t i = 0; i < count; i++)
        if (!write_package(w, &packages[i], err))
            return err_wrap(err, "making driver package '%s'", packages[i].folder);
    /* A host of no cluster may have a folder of that name like any other. */
    if ((w->host->machine &&
         (!write_disk_names(w->host->machine, w->root, false, err) ||
          !(w->host->cluster ? make_shared_storage(w, err)
                             : write_disk_names(w->host->machine, w->root, true, err)))) ||
        !mark(w, "files-made", err))
        return err_wrap(err, "making drive C:");
    w->files_made = true;
    return true;
}

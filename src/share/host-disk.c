/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk images and folders on a host.
 *
 * Sources: hyperv_v2 Msvm_ImageManagementService, Msvm_MountedStorageImage;
 * MicrosoftDocs/win32 fs vds storage classes MSFT_Disk, MSFT_Partition, MSFT_Volume; an
 * attached image's MSFT_Disk has the file as Location and appears with a delay (Location:
 * Justsenger/ExHyperV, which polls for it).
 */

#include "host-disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "job.h"
#include "os.h"
#include "progress.h"
#include "schema.h"
#include "strbuf.h"
#include "remote-shell.h"
#include "text.h"
#include "vm-access.h"

#define STORAGE_NS "root/Microsoft/Windows/Storage"
#define CIMV2_NS "root/cimv2"
/* GPT type "basic data": where Windows lives (UEFI specification, appendix A of GPT). */
#define BASIC_DATA "{ebd0a0a2-b9e5-4433-87c0-68b6b72699c7}"

enum {
    APPEAR_MS = 20 * 1000,
    APPEAR_POLL_MS = 10, /* at first, then half as much again each time */
    APPEAR_POLL_MAX_MS = 200,
    COMMAND_MS = 60 * 1000,
    OUTPUT_MAX = 2000,
    PARTITION_TYPE_NTFS = 7, /* MBR */
    CANDIDATE_MAX = 16
};

/* ---- folders ---- */

/* WQL doubles backslashes and writes quotes as \' . */
static char *wql_text(const char *text)
{
    struct strbuf buf = STRBUF_INIT;

    for (const char *at = text; *at; at++) {
        if (*at == '\\' || *at == '\'')
            strbuf_putc(&buf, '\\');
        strbuf_putc(&buf, *at);
    }
    return strbuf_take(&buf);
}

/* *ret NULL: no such file. */
static bool find_file(struct cim_session *session, const char *path,
                      struct cim_instance **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *name = wql_text(path);
    CLEANUP(free_cleanup) char *wql = NULL;
    struct first_row first = { 0 };

    if (name)
        wql = text_printf("SELECT * FROM CIM_DataFile WHERE Name='%s'", name);
    if (!wql)
        return err_no_memory(err);
    if (!cim_query(session, CIMV2_NS, wql, keep_first_row, &first, err)) {
        cim_instance_free(first.found);
        return false;
    }
    *ret = first.found;
    return true;
}

static bool file_exists(struct cim_session *session, const char *path, bool *ret,
                        struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *found = NULL;

    if (!find_file(session, path, &found, err))
        return false;
    *ret = found != NULL;
    return true;
}

bool host_read_file_stamp(struct cim_session *session, const char *path, json_t **ret,
                          struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *found = NULL;
    struct cim_datetime modified;
    uint64_t size;

    *ret = NULL;
    if (!find_file(session, path, &found, err))
        return false;
    if (!found || !cim_get_datetime(found, "LastModified", &modified) ||
        !cim_get_u64(found, "FileSize", &size))
        return true;
    *ret = json_pack("[s, I, I]", path, (json_int_t)size, (json_int_t)modified.usec);
    return *ret || err_no_memory(err);
}

bool host_folder_exists(struct cim_session *session, const char *path, bool *ret,
                        struct err *err)
{
    return shell_has_folder(session, path, ret, err);
}

static bool keep_output(const char *text, size_t len, bool is_stderr, void *user,
                        struct err *err)
{
    struct strbuf *buf = user;

    if (buf->len + len <= OUTPUT_MAX)
        strbuf_add(buf, text, len);
    return true;
}

/* @path was checked by the caller to hold nothing that cmd.exe would act on. */
static bool run(struct cim_session *session, const char *command, const char *path,
                uint32_t *ret_exit, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf output = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    struct shell_command shell = { .timeout_ms = COMMAND_MS,
                                   .on_output = keep_output,
                                   .user = &output };
    uint32_t code = 0;

    strbuf_printf(&line, "%s ", command);
    if (!shell_quote(&line, path, err))
        return false;
    if (line.failed)
        return err_no_memory(err);
    shell.line = line.text;
    if (!cim_run(session, &shell, &code, err))
        return false;
    if (ret_exit)
        *ret_exit = code;
    else if (code != 0)
        return err_fail(err, ERR_REFUSED, code, "%s '%s': %.200s", command, path,
                        output.text ? output.text : "the host's command failed");
    return true;
}

bool host_make_folder(struct cim_session *session, const char *path, struct err *err)
{
    bool exists;

    return host_folder_exists(session, path, &exists, err) &&
           (exists || run(session, "mkdir", path, NULL, err));
}

bool host_remove_folder(struct cim_session *session, const char *path, bool tree,
                        struct err *err)
{
    CLEANUP(free_cleanup) char *all = text_printf("%s\\*", path);
    struct shell_run run = { .session = session, .timeout_ms = COMMAND_MS };
    bool is_left = false;

    if (!all)
        return err_no_memory(err);
    if (!tree)
        return shell_run(&run, 0, err, "rmdir %p", path);
    /* Copies for undo are read-only where the files were.  rmdir may leave the exit code to
     * attrib, which finds nothing in an empty folder: what counts is what is there still. */
    return shell_run(&run, UINT32_MAX, err, "attrib -r %p /s&rmdir /s /q %p", all, path) &&
           host_folder_exists(session, path, &is_left, err) &&
           (!is_left ||
            err_fail(err, ERR_REFUSED, 0, "the host did not remove the folder '%s'", path));
}

bool host_remove_empty_folder(struct cim_session *session, const char *path,
                              struct err *err)
{
    uint32_t code;
    bool exists;

    return host_folder_exists(session, path, &exists, err) &&
           (!exists || run(session, "rmdir", path, &code, err));
}

/* ---- finding ---- */

static bool find_disk(struct cim_session *session, const char *image,
                      struct cim_instance **ret, struct err *err)
{
    struct first_row first = { .property = "Location", .value = image };

    if (!cim_query(session, STORAGE_NS, "SELECT * FROM MSFT_Disk", keep_first_row, &first,
                   err)) {
        cim_instance_free(first.found);
        return false;
    }
    *ret = first.found;
    return true;
}

static bool find_image(struct cim_session *session, const char *image,
                       struct cim_instance **ret, struct err *err)
{
    struct first_row first = { .property = "Name", .value = image };

    if (!cim_query(session, HV_NS, "SELECT * FROM Msvm_MountedStorageImage", keep_first_row,
                   &first, err)) {
        cim_instance_free(first.found);
        return false;
    }
    *ret = first.found;
    return true;
}

struct volumes { /* the volumes of one disk that may hold Windows, largest first */
    size_t count;
    struct cim_instance *partition[CANDIDATE_MAX];
    struct cim_instance *volume[CANDIDATE_MAX]; /* NULL: the host lists none */
};

static void volumes_clear(struct volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++) {
        cim_instance_free(volumes->partition[i]);
        cim_instance_free(volumes->volume[i]);
    }
    volumes->count = 0;
}

static uint64_t size_of(const struct cim_instance *partition)
{
    uint64_t size = 0;

    cim_get_u64(partition, "Size", &size);
    return size;
}

static bool keep_partition(const struct cim_instance *row, void *user, struct err *err)
{
    struct volumes *volumes = user;
    const char *gpt = cim_get_text(row, "GptType");
    uint64_t mbr = 0;
    size_t at;
    struct cim_instance *copy;

    cim_get_u64(row, "MbrType", &mbr);
    if ((gpt && *gpt ? !text_ieq(gpt, BASIC_DATA) : mbr != PARTITION_TYPE_NTFS) ||
        volumes->count == CANDIDATE_MAX)
        return true;
    copy = cim_instance_copy(row);
    if (!copy)
        return err_no_memory(err);
    for (at = volumes->count++;
         at > 0 && size_of(volumes->partition[at - 1]) < size_of(row); at--)
        volumes->partition[at] = volumes->partition[at - 1];
    volumes->partition[at] = copy;
    volumes->volume[volumes->count - 1] = NULL;
    return true;
}

/* "C:\\x" and "C:\\x\\" are the same place. */
static bool same_place(const char *a, const char *b)
{
    size_t len = strlen(a);

    if (len > 0 && a[len - 1] == '\\')
        len--;
    for (size_t i = 0; i < len; i++) {
        char x = a[i], y = b[i];

        x = x >= 'A' && x <= 'Z' ? (char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (char)(y + 32) : y;
        if (x != y) /* also where @b ends early */
            return false;
    }
    return b[len] == '\0' || (b[len] == '\\' && b[len + 1] == '\0');
}

static bool has_access_path(const struct cim_instance *partition, const char *place)
{
    for (size_t i = 0; i < cim_get_count(partition, "AccessPaths"); i++) {
        const char *path = cim_get_text_at(partition, "AccessPaths", i);

        if (path && same_place(path, place))
            return true;
    }
    return false;
}

static bool join_volume(const struct cim_instance *row, void *user, struct err *err)
{
    struct volumes *volumes = user;
    const char *path = cim_get_text(row, "Path");

    for (size_t i = 0; path && i < volumes->count; i++)
        if (!volumes->volume[i] && has_access_path(volumes->partition[i], path)) {
            volumes->volume[i] = cim_instance_copy(row);
            return volumes->volume[i] || err_no_memory(err);
        }
    return true;
}

/* Where they are mounted, but not what is on them. */
static bool find_partitions(struct cim_session *session, const char *image,
                            struct volumes *ret, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *disk = NULL;
    char wql[80];
    uint64_t number;

    *ret = (struct volumes){ 0 };
    if (!find_disk(session, image, &disk, err))
        return false;
    if (!disk)
        return true;
    if (!cim_get_u64(disk, "Number", &number))
        return err_fail(err, ERR_PROTOCOL, 0, "the host's disk of '%s' has no number",
                        image);
    snprintf(wql, sizeof(wql), "SELECT * FROM MSFT_Partition WHERE DiskNumber=%" PRIu64,
             number);
    if (cim_query(session, STORAGE_NS, wql, keep_partition, ret, err))
        return true;
    volumes_clear(ret);
    return false;
}

static bool find_volumes(struct cim_session *session, const char *image,
                         struct volumes *ret, struct err *err)
{
    if (!find_partitions(session, image, ret, err))
        return false;
    if (ret->count == 0 ||
        cim_query(session, STORAGE_NS, "SELECT * FROM MSFT_Volume", join_volume, ret, err))
        return true;
    volumes_clear(ret);
    return false;
}

/* ---- attaching ---- */

bool host_image_is_attached(struct cim_session *session, const char *image, bool *ret,
                            struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *found = NULL;

    if (!find_image(session, image, &found, err))
        return false;
    *ret = found != NULL;
    return true;
}

static bool call_storage(struct cim_session *session, const struct cim_instance *object,
                         const char *method, const struct cim_instance *in, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_schema_path(object, err);

    return path && hv_call(session, path, method, in, NULL, NULL, NULL, NULL, err);
}

/* New disks may come up offline or read-only, as the host's SAN policy has it. */
static bool bring_online(struct cim_session *session, const struct cim_instance *disk,
                         bool read_only, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "SetAttributes");
    bool flag;

    if (!in)
        return err_no_memory(err);
    if (cim_get_bool(disk, "IsOffline", &flag) && flag &&
        !call_storage(session, disk, "Online", NULL, err))
        return false;
    if (read_only || !cim_get_bool(disk, "IsReadOnly", &flag) || !flag)
        return true;
    return cim_set_bool(in, "IsReadOnly", false, err) &&
           call_storage(session, disk, "SetAttributes", in, err);
}

static bool wait_for_disk(struct cim_session *session, const char *image,
                          struct cim_instance **ret, struct err *err)
{
    uint64_t until = os_monotonic_ms() + APPEAR_MS;
    unsigned poll_ms = APPEAR_POLL_MS;

    for (;;) {
        if (!find_disk(session, image, ret, err))
            return false;
        if (*ret)
            return true;
        if (os_monotonic_ms() >= until)
            return err_fail(err, ERR_UNREACHABLE, 0,
                            "'%s' was attached, but its disk does not appear on the host",
                            image);
        os_sleep_ms(poll_ms);
        poll_ms += poll_ms / 2;
        if (poll_ms > APPEAR_POLL_MAX_MS)
            poll_ms = APPEAR_POLL_MAX_MS;
    }
}

bool host_attach_image(struct cim_session *session, const char *image, bool read_only,
                       struct progress *progress, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *service = hv_service_path("Msvm_ImageManagementService");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "AttachVirtualHardDisk");
    CLEANUP(cim_instance_cleanup) struct cim_instance *disk = NULL;
    CLEANUP(free_cleanup) char *what = text_printf("attaching '%s'", image);
    struct hv_call_options options = { .progress = progress, .what = what };
    bool attached;

    if (!service || !in || !what)
        return err_no_memory(err);
    if (!host_image_is_attached(session, image, &attached, err))
        return false;
    if (!attached) {
        if (!cim_set_text(in, "Path", image, err) ||
            !cim_set_bool(in, "AssignDriveLetter", false, err) ||
            !cim_set_bool(in, "ReadOnly", read_only, err))
            return false;
        if (!hv_call(session, service, "AttachVirtualHardDisk", in, NULL, &options, NULL,
                     NULL, err)) {
            err_hint(err, "is the disk in use by a VM, or attached by another program?");
            return err_wrap(err, "%s", what);
        }
    }
    return wait_for_disk(session, image, &disk, err) &&
           bring_online(session, disk, read_only, err);
}

bool host_detach_image(struct cim_session *session, const char *image, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *found = NULL;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;

    if (!find_image(session, image, &found, err))
        return false;
    if (!found)
        return true;
    path = cim_schema_path(found, err);
    return path && (hv_call(session, path, "DetachVirtualHardDisk", NULL, NULL, NULL, NULL,
                            NULL, err) ||
                    err_wrap(err, "detaching '%s'", image));
}

/* ---- mounting ---- */

bool host_image_is_mounted(struct cim_session *session, const char *image,
                           const char *point, bool *ret, struct err *err)
{
    struct volumes volumes;

    if (!find_partitions(session, image, &volumes, err))
        return false;
    *ret = false;
    for (size_t i = 0; i < volumes.count; i++)
        *ret = *ret || has_access_path(volumes.partition[i], point);
    volumes_clear(&volumes);
    return true;
}

static bool change_access(struct cim_session *session, const struct cim_instance *partition,
                          const char *method, const char *point, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = cim_instance_new(NULL, method);

    if (!in)
        return err_no_memory(err);
    return cim_set_text(in, "AccessPath", point, err) &&
           (strcmp(method, "AddAccessPath") != 0 ||
            cim_set_bool(in, "AssignDriveLetter", false, err)) &&
           call_storage(session, partition, method, in, err);
}

static bool is_ntfs(const struct cim_instance *volume)
{
    return volume && text_ieq(cim_get_text(volume, "FileSystem"), "NTFS");
}

static bool has_windows(struct cim_session *session, const char *point, bool *ret,
                        struct err *err)
{
    CLEANUP(free_cleanup)
    char *config = text_printf("%s\\Windows\\System32\\config", point);

    return config ? host_folder_exists(session, config, ret, err) : err_no_memory(err);
}

/* Mounts one volume and looks; takes it back when there is no Windows on it. */
static bool try_volume(struct cim_session *session, const struct cim_instance *partition,
                       const char *point, bool *ret, struct err *err)
{
    bool here = has_access_path(partition, point);

    *ret = false;
    if (!here && !change_access(session, partition, "AddAccessPath", point, err))
        return false;
    return has_windows(session, point, ret, err) &&
           (*ret || change_access(session, partition, "RemoveAccessPath", point, err));
}

bool host_mount_windows(struct cim_session *session, const char *image, const char *point,
                        struct err *err)
{
    struct volumes volumes;
    bool found = false, ok;
    size_t unreadable = 0;

    if (!host_make_folder(session, point, err) ||
        !find_volumes(session, image, &volumes, err))
        return false;
    ok = true;
    /* One that is mounted already (half done before) comes first: the folder holds one. */
    for (size_t i = 0; ok && !found && i < volumes.count; i++)
        if (has_access_path(volumes.partition[i], point))
            ok = try_volume(session, volumes.partition[i], point, &found, err);
    for (size_t i = 0; ok && !found && i < volumes.count; i++) {
        if (is_ntfs(volumes.volume[i]))
            ok = try_volume(session, volumes.partition[i], point, &found, err);
        else
            unreadable++;
    }
    volumes_clear(&volumes);
    if (!ok)
        return err_wrap(err, "mounting '%s'", image);
    if (found)
        return true;
    if (unreadable > 0) {
        err_fail(err, ERR_UNSUPPORTED, 0,
                 "'%s' has no Windows volume that can be read: encrypted (BitLocker), not "
                 "cleanly shut down, or not NTFS",
                 image);
        return err_hint(err, "suspend BitLocker inside the guest and shut it down, or use "
                             "--no-drivers");
    }
    err_fail(err, ERR_NOT_FOUND, 0, "no Windows on '%s'", image);
    return err_hint(err, "use --no-drivers for guests that are not Windows");
}

bool host_unmount(struct cim_session *session, const char *image, const char *point,
                  struct err *err)
{
    struct volumes volumes;
    bool ok = true;

    if (!find_partitions(session, image, &volumes, err))
        return false;
    for (size_t i = 0; ok && i < volumes.count; i++)
        if (has_access_path(volumes.partition[i], point))
            ok = change_access(session, volumes.partition[i], "RemoveAccessPath", point,
                               err);
    volumes_clear(&volumes);
    return ok || err_wrap(err, "unmounting '%s'", image);
}

/* ---- facts ---- */

bool host_read_image_facts(struct cim_session *session, const char *image,
                           const char *point, struct image_facts *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *hibernation = text_printf("%s\\hiberfil.sys", point);
    struct volumes volumes;
    size_t chosen = 0;

    *ret = (struct image_facts){ 0 };
    if (!hibernation)
        return err_no_memory(err);
    if (!find_volumes(session, image, &volumes, err))
        return false;
    for (size_t i = 0; i < volumes.count; i++) {
        const char *type =
            volumes.volume[i] ? cim_get_text(volumes.volume[i], "FileSystem") : NULL;

        if (!type || !*type || text_ieq(type, "RAW") || text_ieq(type, "Unknown"))
            ret->encrypted = true;
        if (has_access_path(volumes.partition[i], point)) {
            ret->windows_found = true;
            chosen = i;
        }
    }
    if (volumes.count > 0 && volumes.volume[chosen]) {
        const char *type = cim_get_text(volumes.volume[chosen], "FileSystem");

        snprintf(ret->file_system, sizeof(ret->file_system), "%s", type ? type : "");
        ret->free_bytes.known =
            cim_get_u64(volumes.volume[chosen], "SizeRemaining", &ret->free_bytes.value);
    }
    volumes_clear(&volumes);
    return !ret->windows_found || file_exists(session, hibernation, &ret->hibernated, err);
}

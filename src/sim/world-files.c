/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of a simulated host: on C:, a local folder, and on the volumes of attached
 * images.  Refusals are those of the Win32 calls (CreateFile, CopyFile, DeleteFile,
 * MoveFile, CreateDirectory, RemoveDirectory).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "descriptor-posix.h"
#include "os.h"
#include "text.h"
#include "world-inside.h"

#define ATTRIBUTES "user.hvgpu.attributes"
enum { PIECE = 1 << 20, SETTABLE = FILE_IS_HIDDEN | FILE_IS_SYSTEM | FILE_IS_ARCHIVE };

static const int64_t seconds_1601_to_1970 = 11644473600;

static void fd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool local_fail(struct err *err, int code, const char *path)
{
    switch (code) {
    case ENOENT:
        return world_fail(err, WIN_FILE_NOT_FOUND, path);
    case ENOTDIR:
        return world_fail(err, WIN_PATH_NOT_FOUND, path);
    case EACCES:
    case EPERM:
    case EISDIR:
        return world_fail(err, WIN_ACCESS_DENIED, path);
    case EEXIST:
        return world_fail(err, WIN_ALREADY_EXISTS, path);
    case ENOTEMPTY:
        return world_fail(err, WIN_DIR_NOT_EMPTY, path);
    case ENOSPC:
    case EDQUOT:
        return world_fail(err, WIN_DISK_FULL, path);
    default:
        return err_errno(err, code, "'%.200s'", path);
    }
}

/* READONLY is the write permission of the owner; what else differs from a new file's
 * attributes (ARCHIVE) is kept beside the file. */
uint32_t local_attributes(const char *local, mode_t mode)
{
    uint32_t attributes = S_ISDIR(mode) ? FILE_IS_DIR : FILE_IS_ARCHIVE;
    char text[16] = "";
    ssize_t len = getxattr(local, ATTRIBUTES, text, sizeof(text) - 1);
    uint64_t kept;

    if (len > 0 && text_to_u64(text, 16, &kept))
        attributes = ((uint32_t)kept & SETTABLE) | (attributes & FILE_IS_DIR);
    if (!S_ISDIR(mode) && !(mode & S_IWUSR))
        attributes |= FILE_IS_READONLY;
    return attributes;
}

static bool local_set_attributes(const char *local, mode_t mode, uint32_t attributes,
                                 struct err *err)
{
    uint32_t plain = S_ISDIR(mode) ? 0 : FILE_IS_ARCHIVE;
    mode_t wanted = attributes & FILE_IS_READONLY ? mode & ~(mode_t)0222 : mode | 0200;
    char text[16];

    if (!S_ISDIR(mode) && wanted != mode && chmod(local, wanted & 07777) != 0)
        return local_fail(err, errno, local);
    if ((attributes & SETTABLE) == plain) {
        removexattr(local, ATTRIBUTES); /* missing is fine */
        return true;
    }
    snprintf(text, sizeof(text), "%x", attributes & SETTABLE);
    /* Without the permission to write, extended attributes are closed, too. */
    if (!(wanted & 0200) && chmod(local, (wanted | 0200) & 07777) != 0)
        return local_fail(err, errno, local);
    if (setxattr(local, ATTRIBUTES, text, strlen(text), 0) != 0)
        return err_errno(err, errno, "'%s' cannot keep file attributes", local);
    if (!(wanted & 0200) && chmod(local, wanted & 07777) != 0)
        return local_fail(err, errno, local);
    return true;
}

static bool local_info(const char *local, const char *name, struct file_info *ret,
                       struct err *err)
{
    struct stat st;

    if (lstat(local, &st) != 0)
        return local_fail(err, errno, name);
    *ret = (struct file_info){
        .attributes = local_attributes(local, st.st_mode),
        .size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size,
        .mtime_usec = (st.st_mtim.tv_sec + seconds_1601_to_1970) * 1000000 +
                      st.st_mtim.tv_nsec / 1000,
        .number = st.st_ino,
    };
    return true;
}

/* Whatever way leads to it: a letter, a mount folder, the volume's name. */
static bool is_file_of(struct sim_world *w, const struct loaded_hive *hive,
                       const struct place *place)
{
    CLEANUP(place_clear) struct place other = { 0 };
    struct err err = ERR_INIT;

    if (text_ieq(hive->file, place->windows))
        return true;
    return place->attached && !hive->own && world_resolve(w, hive->file, &other, &err) &&
           other.attached == place->attached && other.part == place->part &&
           text_ieq(other.inner, place->inner);
}

/* Files that Windows keeps open: its own hives, an attached image, a running VM's disk. */
static bool in_use(struct sim_world *w, const struct place *place)
{
    static const char config[] = "C:\\Windows\\System32\\config\\";
    struct attached *attached;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < w->hive_count; i++)
        if (is_file_of(w, &w->hives[i], place))
            return true;
    if (place->attached)
        return false;
    if (text_istarts(place->windows, config)) {
        const char *name = place->windows + sizeof(config) - 1;

        return text_ieq(name, "SYSTEM") || text_ieq(name, "SOFTWARE");
    }
    if (!text_iends(place->windows, ".vhdx"))
        return false;
    /* Of a node whose state cannot be read nothing is known: better in use. */
    return !attached_by_any(w, place->windows, &attached, &err) || attached ||
           (w->host->store && sim_vm_uses_disk(w->host, place->windows));
}

/* A folder that holds such a file, or something of the attached images, or is the root. */
static bool holds_used(struct sim_world *w, const struct place *place)
{
    size_t len = strlen(place->windows);

    for (size_t i = 0; i < w->hive_count; i++)
        if (text_istarts(w->hives[i].file, place->windows) && w->hives[i].file[len] == '\\')
            return true;
    for (struct attached *a = w->attached; a; a = a->next)
        if (text_istarts(a->path, place->windows) && a->path[len] == '\\')
            return true;
    return len <= 2 || (w->host->cluster && text_ieq(place->windows, "C:\\ClusterStorage"));
}

static bool find_existing(struct sim_world *w, const char *path, struct place *place,
                          struct err *err)
{
    if (!world_resolve(w, path, place, err))
        return false;
    if (place->exists)
        return true;
    return world_fail(err, place->parent_exists ? WIN_FILE_NOT_FOUND : WIN_PATH_NOT_FOUND,
                      path);
}

static bool open_volume(struct sim_world *w, const struct place *place, struct volume **ret,
                        struct err *err)
{
    return attached_volume(w, place->attached, place->part, ret, err);
}

static bool volume_for_write(struct sim_world *w, const struct place *place,
                             struct volume **ret, struct err *err)
{
    if (place->attached->read_only)
        return world_fail(err, 19, place->windows);
    return open_volume(w, place, ret, err);
}

/* What writing to @place would be refused for; it may exist or not. */
static bool check_target(struct sim_world *w, const struct place *place, struct err *err)
{
    struct file_info info = { 0 };

    if (!place->parent_exists)
        return world_fail(err, WIN_PATH_NOT_FOUND, place->windows);
    if (place->is_dir)
        return world_fail(err, WIN_ACCESS_DENIED, place->windows);
    if (!place->exists)
        return true;
    if (in_use(w, place))
        return world_fail(err, WIN_SHARING_VIOLATION, place->windows);
    if (!world_stat(w, place->windows, &info, err))
        return false;
    free(info.name);
    if (info.attributes & FILE_IS_READONLY)
        return world_fail(err, WIN_ACCESS_DENIED, place->windows);
    return true;
}

bool world_stat(struct sim_world *w, const char *path, struct file_info *ret,
                struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct volume *volume;
    const char *name;

    if (!find_existing(w, path, &place, err))
        return false;
    if (place.attached && strcmp(place.inner, "\\") != 0)
        return open_volume(w, &place, &volume, err) &&
               volume_stat(volume, place.inner, ret, err);
    if (place.attached)
        *ret = (struct file_info){ .attributes = FILE_IS_DIR };
    else if (!local_info(place.inner, path, ret, err))
        return false;
    /* The name as it is on disk. */
    name = place.attached ? "" : strrchr(place.inner, '/') + 1;
    ret->name = text_dup(strlen(place.windows) > 2 ? name : "");
    return ret->name || err_no_memory(err);
}

struct listing {
    const char *folder;
    bool (*on_file)(const struct file_info *info, void *user, struct err *err);
    void *user;
};

static bool list_entry(const struct os_entry *entry, void *user, struct err *err)
{
    struct listing *listing = user;
    CLEANUP(free_cleanup) char *local = text_printf("%s/%s", listing->folder, entry->name);
    CLEANUP(free_cleanup) char *name = text_dup(entry->name);
    struct file_info info;

    if (!local || !name)
        return err_no_memory(err);
    if (!local_info(local, entry->name, &info, err))
        return false;
    info.name = name;
    return listing->on_file(&info, listing->user, err);
}

bool world_list(struct sim_world *w, const char *path,
                bool (*on_file)(const struct file_info *, void *user, struct err *err),
                void *user, struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct listing listing = { .on_file = on_file, .user = user };
    struct volume *volume;

    if (!find_existing(w, path, &place, err))
        return false;
    if (!place.is_dir)
        return world_fail(err, 267, path);
    if (place.attached)
        return open_volume(w, &place, &volume, err) &&
               volume_list(volume, place.inner, on_file, user, err);
    listing.folder = place.inner;
    return os_list_dir(place.inner, list_entry, &listing, err);
}

bool world_read_all(struct sim_world *w, const char *path, size_t max, uint8_t **ret,
                    size_t *ret_len, struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct volume *volume;
    char *bytes;

    if (!find_existing(w, path, &place, err))
        return false;
    if (place.is_dir)
        return world_fail(err, WIN_ACCESS_DENIED, path);
    if (in_use(w, &place))
        return world_fail(err, WIN_SHARING_VIOLATION, path);
    if (place.attached)
        return open_volume(w, &place, &volume, err) &&
               volume_read_all(volume, place.inner, max, ret, ret_len, err);
    bytes = os_read_file(place.inner, max, ret_len, err);
    *ret = (uint8_t *)bytes;
    return bytes != NULL;
}

static void set_times(int fd, int64_t mtime_usec)
{
    struct timespec times[2] = { 0 };

    times[0].tv_sec = times[1].tv_sec =
        (time_t)(mtime_usec / 1000000 - seconds_1601_to_1970);
    times[0].tv_nsec = times[1].tv_nsec = (long)(mtime_usec % 1000000 * 1000);
    if (futimens(fd, times) != 0)
        return; /* a time that cannot be kept is not worth failing for */
}

/* A file beside @local that takes its place when it is whole. */
static int open_beside(const char *local, char **ret_name)
{
    *ret_name = text_printf("%s.~hvgpu", local);
    return *ret_name ? open(*ret_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
}

static bool finish_beside(const char *beside, const char *local, uint32_t attributes,
                          struct err *err)
{
    if (!local_set_attributes(beside, S_IFREG | 0600, attributes, err) ||
        (rename(beside, local) != 0 && !local_fail(err, errno, local))) {
        unlink(beside);
        return false;
    }
    return true;
}

bool world_write_all(struct sim_world *w, const char *path, const void *bytes, size_t len,
                     int64_t mtime_usec, uint32_t attributes, struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    CLEANUP(free_cleanup) char *beside = NULL;
    CLEANUP(fd_cleanup) int fd = -1;
    struct volume *volume;

    if (!world_resolve(w, path, &place, err) || !check_target(w, &place, err))
        return false;
    if (place.attached)
        return volume_for_write(w, &place, &volume, err) &&
               volume_write_all(volume, place.inner, bytes, len, mtime_usec, attributes,
                                err) &&
               attached_changed(w, place.attached, err);
    fd = open_beside(place.inner, &beside);
    if (fd < 0)
        return local_fail(err, errno, path);
    if (!descriptor_write_all(fd, bytes, len)) {
        int why = errno;

        unlink(beside);
        return local_fail(err, why, path);
    }
    set_times(fd, mtime_usec);
    return finish_beside(beside, place.inner, attributes, err);
}

/* ---- copying: the four ways between C: and volumes ---- */

struct feed {
    int fd;
    const char *path;
};

static bool feed_from_fd(void *to, size_t len, size_t *ret_len, void *user, struct err *err)
{
    struct feed *feed = user;
    ssize_t got;

    do
        got = read(feed->fd, to, len);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return local_fail(err, errno, feed->path);
    *ret_len = (size_t)got;
    return true;
}

static bool drain_to_fd(const void *bytes, size_t len, void *user, struct err *err)
{
    struct feed *feed = user;

    return descriptor_write_all(feed->fd, bytes, len) || local_fail(err, errno, feed->path);
}

static bool copy_fd(int from, int to, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *piece = malloc(PIECE);
    ssize_t got;

    if (!piece)
        return err_no_memory(err);
    while ((got = read(from, piece, PIECE)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || !descriptor_write_all(to, piece, (size_t)got))
            return local_fail(err, errno, path);
    }
    return true;
}

/* From anywhere into a local file. */
static bool copy_out(struct sim_world *w, const struct place *from, int to, struct err *err)
{
    struct feed feed = { .fd = to, .path = from->windows };
    struct volume *volume;

    if (from->attached)
        return open_volume(w, from, &volume, err) &&
               volume_read(volume, from->inner, drain_to_fd, &feed, err);

    CLEANUP(fd_cleanup) int fd = open(from->inner, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return local_fail(err, errno, from->windows);
    return copy_fd(fd, to, from->windows, err);
}

static bool copy_into_volume(struct sim_world *w, const struct place *from,
                             const struct place *to, const struct file_info *info,
                             struct err *err)
{
    CLEANUP(fd_cleanup) int fd = -1;
    struct feed feed = { .path = from->windows };
    struct volume *volume;

    if (from->attached) { /* libntfs-3g reads and writes one file at a time */
        CLEANUP(free_cleanup) char *beside = text_printf("%s/copy", w->host->dir);
        CLEANUP(free_cleanup) char *name = NULL;

        if (!beside)
            return err_no_memory(err);
        fd = open_beside(beside, &name);
        if (fd < 0)
            return local_fail(err, errno, from->windows);
        close(fd);
        fd = open(name, O_RDWR | O_CLOEXEC);
        unlink(name);
        if (fd < 0 || !copy_out(w, from, fd, err))
            return fd >= 0 ? false : local_fail(err, errno, from->windows);
        if (lseek(fd, 0, SEEK_SET) != 0)
            return local_fail(err, errno, from->windows);
    } else {
        fd = open(from->inner, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return local_fail(err, errno, from->windows);
    }
    feed.fd = fd;
    return volume_for_write(w, to, &volume, err) &&
           volume_write(volume, to->inner, info->size, feed_from_fd, &feed,
                        info->mtime_usec, info->attributes & ~(uint32_t)FILE_IS_DIR, err) &&
           attached_changed(w, to->attached, err);
}

bool world_copy(struct sim_world *w, const char *from, const char *to, struct err *err)
{
    CLEANUP(place_clear) struct place source = { 0 };
    CLEANUP(place_clear) struct place target = { 0 };
    CLEANUP(free_cleanup) char *beside = NULL;
    CLEANUP(fd_cleanup) int fd = -1;
    struct file_info info = { 0 };

    if (!find_existing(w, from, &source, err))
        return false;
    if (source.is_dir)
        return world_fail(err, WIN_ACCESS_DENIED, from);
    if (in_use(w, &source))
        return world_fail(err, WIN_SHARING_VIOLATION, from);
    if (!world_stat(w, from, &info, err))
        return false;
    free(TAKE(info.name));
    if (!world_resolve(w, to, &target, err) || !check_target(w, &target, err))
        return false;
    if (text_ieq(source.windows, target.windows))
        return world_fail(err, WIN_SHARING_VIOLATION, to);
    info.attributes |= FILE_IS_ARCHIVE; /* CopyFile sets it */
    if (target.attached)
        return copy_into_volume(w, &source, &target, &info, err);

    fd = open_beside(target.inner, &beside);
    if (fd < 0)
        return local_fail(err, errno, to);
    if (!copy_out(w, &source, fd, err)) {
        unlink(beside);
        return false;
    }
    set_times(fd, info.mtime_usec);
    return finish_beside(beside, target.inner, info.attributes, err);
}

/* ---- folders, removing, renaming ---- */

bool world_make_dir(struct sim_world *w, const char *path, struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct volume *volume;

    if (!world_resolve(w, path, &place, err))
        return false;
    if (place.exists)
        return world_fail(err, WIN_ALREADY_EXISTS, path);
    if (!place.parent_exists)
        return world_fail(err, WIN_PATH_NOT_FOUND, path);
    if (place.attached)
        return volume_for_write(w, &place, &volume, err) &&
               volume_make_dirs(volume, place.inner, err) &&
               attached_changed(w, place.attached, err);
    if (mkdir(place.inner, 0700) != 0)
        return local_fail(err, errno, path);
    return true;
}

struct readonly_search {
    struct sim_world *w;
    const char *folder;
};

/* Refuses what Windows would refuse below a folder, before anything is removed. */
static bool check_entry(const struct file_info *info, void *user, struct err *err)
{
    struct readonly_search *search = user;
    CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", search->folder, info->name);

    if (!path)
        return err_no_memory(err);
    if (info->attributes & FILE_IS_DIR) {
        struct readonly_search below = { search->w, path };

        return world_list(search->w, path, check_entry, &below, err);
    }
    if (info->attributes & FILE_IS_READONLY)
        return world_fail(err, WIN_ACCESS_DENIED, path);
    return true;
}

static bool note_entry(const struct file_info *info, void *user, struct err *err)
{
    *(bool *)user = false;
    return true;
}

bool world_is_empty(struct sim_world *w, const char *path, bool *ret, struct err *err)
{
    *ret = true;
    return world_list(w, path, note_entry, ret, err);
}

bool world_remove(struct sim_world *w, const char *path, bool tree, bool even_readonly,
                  struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct readonly_search search = { .w = w };
    struct file_info info = { 0 };
    struct volume *volume;
    bool empty = true;

    if (!find_existing(w, path, &place, err))
        return false;
    if (in_use(w, &place) || (place.is_dir && holds_used(w, &place)) ||
        (place.attached && strcmp(place.inner, "\\") == 0))
        return world_fail(err, WIN_SHARING_VIOLATION, path);
    if (!world_stat(w, path, &info, err))
        return false;
    free(TAKE(info.name));
    if (!even_readonly && !place.is_dir && (info.attributes & FILE_IS_READONLY))
        return world_fail(err, WIN_ACCESS_DENIED, path);
    search.folder = place.windows;
    if (place.is_dir && !tree) {
        if (!world_is_empty(w, path, &empty, err))
            return false;
        if (!empty)
            return world_fail(err, WIN_DIR_NOT_EMPTY, path);
    } else if (place.is_dir && !even_readonly &&
               !world_list(w, path, check_entry, &search, err)) {
        return false;
    }
    if (place.attached)
        return volume_for_write(w, &place, &volume, err) &&
               volume_remove(volume, place.inner, tree && place.is_dir, err) &&
               attached_changed(w, place.attached, err);
    if (place.is_dir)
        return os_remove_tree(place.inner, err);
    if (unlink(place.inner) != 0)
        return local_fail(err, errno, path);
    return true;
}

bool world_rename(struct sim_world *w, const char *from, const char *to, struct err *err)
{
    CLEANUP(place_clear) struct place source = { 0 };
    CLEANUP(place_clear) struct place target = { 0 };
    struct volume *volume;

    if (!find_existing(w, from, &source, err) || !world_resolve(w, to, &target, err))
        return false;
    if (in_use(w, &source) || (source.is_dir && holds_used(w, &source)))
        return world_fail(err, WIN_SHARING_VIOLATION, from);
    if (source.attached != target.attached || source.part != target.part)
        return world_fail(err, 17, to);
    if (target.exists && !text_ieq(source.windows, target.windows))
        return world_fail(err, WIN_ALREADY_EXISTS, to);
    if (!target.parent_exists)
        return world_fail(err, WIN_PATH_NOT_FOUND, to);
    if (source.attached)
        return volume_for_write(w, &source, &volume, err) &&
               volume_rename(volume, source.inner, target.inner, err) &&
               attached_changed(w, source.attached, err);
    if (text_ieq(source.windows, target.windows)) { /* only the case changes */
        CLEANUP(free_cleanup)
        char *beside =
            text_printf("%.*s%s", (int)(strrchr(source.inner, '/') + 1 - source.inner),
                        source.inner, strrchr(target.windows, '\\') + 1);

        if (!beside)
            return err_no_memory(err);
        return rename(source.inner, beside) == 0 || local_fail(err, errno, from);
    }
    if (rename(source.inner, target.inner) != 0)
        return local_fail(err, errno, from);
    return true;
}

bool world_set_attributes(struct sim_world *w, const char *path, uint32_t attributes,
                          struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    struct volume *volume;
    struct stat st;

    if (!find_existing(w, path, &place, err))
        return false;
    if (place.attached)
        return volume_for_write(w, &place, &volume, err) &&
               volume_set_attributes(volume, place.inner, attributes, err) &&
               attached_changed(w, place.attached, err);
    if (lstat(place.inner, &st) != 0)
        return local_fail(err, errno, path);
    return local_set_attributes(place.inner, st.st_mode, attributes, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an image holds, and everything that forbids writing it.
 *
 * The Windows volume is found by content: the largest basic-data NTFS partition with a
 * Windows/System32/config.  Whether a volume could be mounted for writing is tried with
 * changes that stay in memory.
 */

#include <stdarg.h>
#include <string.h>

#include "err.h"
#include "replayed-hive.h"
#include "ntfs-internal.h"
#include "partition-type.h"
#include "text.h"

#define CONFIG "Windows/System32/config"

/* With less nothing of use can be written: a file's record, a folder's, a hive's pages. */
enum { ROOM_MIN = 16 << 20 };

/* A name in it may be no UTF-8, or cut within a letter. */
static void make_text(char *message)
{
    size_t len = strlen(message), end = len;

    while (end && len - end < 3 && !text_is_utf8(message, end))
        end--;
    if (text_is_utf8(message, end))
        message[end] = '\0';
    for (char *c = message; !text_is_utf8(message, strlen(message)) && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

static void add_blocker(struct image_facts *facts, const char *id, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void add_blocker(struct image_facts *facts, const char *id, const char *fmt, ...)
{
    struct image_blocker *blocker = &facts->blockers[facts->blocker_count];
    va_list args;

    if (facts->blocker_count == IMAGE_BLOCKER_MAX)
        return;
    facts->blocker_count++;
    snprintf(blocker->id, sizeof(blocker->id), "%s", id);
    va_start(args, fmt);
    vsnprintf(blocker->message, sizeof(blocker->message), fmt, args);
    va_end(args);
    make_text(blocker->message);
}

/* Why, and what to do about it. */
static void add_blocker_from(struct image_facts *facts, const char *id,
                             const struct err *err)
{
    char text[ERR_TEXT - 1];

    err_format(err, text, sizeof(text));
    add_blocker(facts, id, "%s%s%s", text, err->hint[0] ? "; " : "", err->hint);
}

/* ---- the registry ---- */

static void get_text(struct hive *hive, const char *key, const char *name, char *to,
                     size_t size)
{
    struct hive_value value = { 0 };
    struct err unused = ERR_INIT;
    CLEANUP(free_cleanup) char *text = NULL;

    if (!hive_get(hive, key, name, &value, &unused))
        return;
    text = hive_value_text(&value);
    hive_value_clear(&value);
    if (text)
        snprintf(to, size, "%s", text);
}

static uint64_t get_number(struct hive *hive, const char *key, const char *name,
                           uint64_t otherwise)
{
    struct hive_value value = { 0 };
    struct err unused = ERR_INIT;
    uint64_t number = otherwise;

    if (hive_get(hive, key, name, &value, &unused)) {
        if (!hive_value_u64(&value, &number))
            number = otherwise;
        hive_value_clear(&value);
    }
    return number;
}

static void read_software(struct hive *hive, struct image_windows *windows)
{
    static const char key[] = "Microsoft\\Windows NT\\CurrentVersion";
    char build[16] = "";
    uint64_t number = 0;

    get_text(hive, key, "CurrentBuildNumber", build, sizeof(build));
    if (text_to_u64(build, 10, &number) && number <= UINT32_MAX)
        windows->build = (uint32_t)number;
    windows->ubr = (uint32_t)get_number(hive, key, "UBR", 0);
    get_text(hive, key, "EditionID", windows->edition, sizeof(windows->edition));
    get_text(hive, key, "SystemRoot", windows->system_root, sizeof(windows->system_root));
}

static void read_system(struct hive *hive, struct image_windows *windows)
{
    struct err unused = ERR_INIT;
    CLEANUP(free_cleanup) char *set = hive_current_control_set(hive, &unused);
    CLEANUP(free_cleanup)
    char *key = text_printf("%s\\Control\\Session Manager\\Environment", set ? set : "");

    if (set && key)
        get_text(hive, key, "PROCESSOR_ARCHITECTURE", windows->architecture,
                 sizeof(windows->architecture));
    text_lower(windows->architecture);
    if (windows->architecture[0])
        return;
    switch (get_number(hive, "DriverDatabase", "Architecture", UINT64_MAX)) {
    case 9:
        strcpy(windows->architecture, "amd64");
        break;
    case 12:
        strcpy(windows->architecture, "arm64");
        break;
    case 0:
        strcpy(windows->architecture, "x86");
        break;
    default:
        break;
    }
}

/* What NTFS does with a file or folder that writing would undo, or that hides its content.
 * Of a folder: what Windows makes in it becomes so too, and what hvgpu made there not.
 * @what: "the registry hive SYSTEM". */
static void check_kind(struct volume *volume, const char *path, const char *what,
                       struct image_facts *facts)
{
    struct err unused = ERR_INIT;
    ntfs_inode *inode = volume_open_path(volume, path, &unused);
    uint32_t flags, tag;

    if (!inode)
        return; /* not there; or it is said by whoever reads it */
    flags = le32_to_cpu(inode->flags);
    tag = ntfs_reparse_tag(inode);
    ntfs_inode_close(inode);
    if (flags & FILE_IS_ENCRYPTED)
        add_blocker(facts, "encrypted-system", "%s is encrypted (EFS)", what);
    else if (tag || (flags & FILE_IS_COMPRESSED))
        add_blocker(facts, "compressed-system", "%s is %s", what,
                    tag ? ntfs_reparse_name(tag) : "compressed");
}

/* Where a driver is put, and what is changed with it (guest-drivers: HostDriverStore, the
 * files beside it, the registry with its logs). */
static void check_places(struct volume *volume, struct image_facts *facts)
{
    static const char *const folders[] = {
        "Windows",
        "Windows/System32",
        "Windows/System32/config",
        "Windows/System32/drivers",
        "Windows/System32/HostDriverStore",
        "Windows/System32/HostDriverStore/FileRepository",
        "Windows/SysWOW64",
    };
    static const char *const files[] = {
        CONFIG "/SYSTEM.LOG1",
        CONFIG "/SYSTEM.LOG2",
        "Windows/System32/HostDriverStore/hvgpu-manifest.json",
    };
    char what[128];

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(what, sizeof(what), "the folder %s", folders[i]);
        check_kind(volume, folders[i], what, facts);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(what, sizeof(what), "the file %s", files[i]);
        check_kind(volume, files[i], what, facts);
    }
}

static bool read_log(struct volume *volume, const char *path, const char *suffix,
                     uint8_t **ret, size_t *ret_len, struct err *err)
{
    CLEANUP(free_cleanup) char *log = text_printf("%s%s", path, suffix);

    if (!log)
        return err_no_memory(err);
    if (volume_read_all(volume, log, HIVE_LOG_MAX, ret, ret_len, err))
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    *err = ERR_INIT;
    return true;
}

/* As it is after its transaction logs, which is how it will be edited. */
static struct hive *open_hive(struct volume *volume, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL, *log1 = NULL, *log2 = NULL;
    size_t len = 0, log1_len = 0, log2_len = 0;

    if (!volume_read_all(volume, path, HIVE_FILE_MAX, &bytes, &len, err) ||
        !read_log(volume, path, ".LOG1", &log1, &log1_len, err) ||
        !read_log(volume, path, ".LOG2", &log2, &log2_len, err))
        return NULL;
    return hive_open_replayed(bytes, len, log1, log1_len, log2, log2_len, false, NULL, err);
}

/* Reads one hive; what keeps it from being edited becomes a blocker. */
static void read_hive(struct volume *volume, const char *name,
                      void (*read)(struct hive *hive, struct image_windows *windows),
                      struct image_facts *facts)
{
    CLEANUP(free_cleanup) char *path = text_printf(CONFIG "/%s", name);
    CLEANUP(free_cleanup) char *what = text_printf("the registry hive %s", name);
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    unsigned before = facts->blocker_count;
    struct err err = ERR_INIT;

    if (!path || !what)
        return;
    check_kind(volume, path, what, facts);
    hive = open_hive(volume, path, &err);
    if (hive) {
        read(hive, &facts->windows);
        return;
    }
    if (facts->blocker_count > before)
        return; /* the reason is told */
    err_wrap(&err, "registry hive %s", name);
    add_blocker_from(facts, err.kind == ERR_CONFLICT ? "dirty-hive" : "damaged-hive", &err);
}

/* ---- the volume ---- */

static bool has_windows(struct disk *disk, const struct partition *partition,
                        struct volume **ret_volume)
{
    struct err unused = ERR_INIT;
    struct file_info info = { 0 };
    const char *blocker;
    struct volume *volume =
        volume_open_or_blocker(disk, partition, DISK_READ, &blocker, &unused);

    if (volume && volume_stat(volume, CONFIG, &info, &unused)) {
        free(info.name);
        if (info.attributes & FILE_IS_DIR) {
            *ret_volume = volume;
            return true;
        }
    }
    volume_drop(volume);
    return false;
}

static bool is_candidate(const struct partition *p)
{
    return strcmp(p->file_system, "ntfs") == 0 &&
           (text_ieq(p->type, PARTITION_BASIC_DATA) || text_ieq(p->type, "0x07"));
}

static struct volume *find_windows(struct disk *disk, const struct image_facts *facts,
                                   unsigned *ret_at)
{
    bool tried[PARTITION_MAX] = { false };

    for (;;) {
        unsigned best = PARTITION_MAX;
        struct volume *volume = NULL;

        for (unsigned i = 0; i < facts->partition_count; i++)
            if (!tried[i] && is_candidate(&facts->partitions[i]) &&
                (best == PARTITION_MAX ||
                 facts->partitions[i].size_bytes > facts->partitions[best].size_bytes))
                best = i;
        if (best == PARTITION_MAX)
            return NULL;
        tried[best] = true;
        if (has_windows(disk, &facts->partitions[best], &volume)) {
            *ret_at = best;
            return volume;
        }
    }
}

/* Tries to mount for writing, in memory. */
static void try_to_write(const char *path, const char *parents,
                         const struct partition *partition, struct image_facts *facts)
{
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;
    const char *blocker;
    struct volume *volume;

    disk = disk_open_chain(path, parents, DISK_READ, &err);
    if (!disk)
        return; /* it could be opened a moment ago: in use, and said so below */
    disk_keep_in_memory(disk);
    volume = volume_open_or_blocker(disk, partition, DISK_WRITE, &blocker, &err);
    if (!volume)
        add_blocker_from(facts, *blocker ? blocker : "damaged", &err);
    volume_drop(volume);
}

/* No Windows was found: what may hide it. */
static void explain_absence(struct disk *disk, struct image_facts *facts)
{
    bool explained = false, has_not_basic = false;

    for (unsigned i = 0; i < facts->partition_count; i++) {
        const struct partition *p = &facts->partitions[i];
        struct err err = ERR_INIT;
        const char *blocker = "";
        struct volume *volume;

        if (!text_ieq(p->type, PARTITION_BASIC_DATA) && !text_ieq(p->type, "0x07") &&
            strcmp(p->file_system, "bitlocker") != 0 &&
            strcmp(p->file_system, "refs") != 0 &&
            (has_not_basic || !partition_is_not_basic(p)))
            continue;
        has_not_basic = has_not_basic || partition_is_not_basic(p);
        volume = volume_open_or_blocker(disk, p, DISK_READ, &blocker, &err);
        volume_drop(volume);
        if (!volume && *blocker && strcmp(blocker, "not-ntfs") != 0) {
            err_wrap(&err, "partition %u", p->index);
            add_blocker_from(facts, blocker, &err);
            explained = true;
        }
    }
    if (!explained)
        add_blocker(facts, "no-windows", "no partition holds a Windows installation");
}

static void look_at_windows(struct disk *disk, const char *path, const char *parents,
                            struct image_facts *facts)
{
    unsigned at = 0;
    struct volume *volume = find_windows(disk, facts, &at);

    if (!volume) {
        explain_absence(disk, facts);
        return;
    }
    facts->has_windows = true;
    facts->windows.partition = facts->partitions[at].index;
    facts->free_bytes = volume_free_bytes(volume);
    read_hive(volume, "SYSTEM", read_system, facts);
    read_hive(volume, "SOFTWARE", read_software, facts);
    check_places(volume, facts);
    volume_drop(volume);
    try_to_write(path, parents, &facts->partitions[at], facts);
    if (facts->free_bytes < ROOM_MIN)
        add_blocker(
            facts, "no-space",
            "the Windows volume is full: %llu bytes free; make room in the guest, or "
            "make its disk larger",
            (unsigned long long)facts->free_bytes);
    if (strcmp(facts->windows.architecture, "x86") == 0)
        add_blocker(facts, "architecture",
                    "its Windows is 32-bit: hosts and their drivers are 64-bit");
}

static void look_for_children(const struct disk *disk, struct image_facts *facts)
{
    char name[200];

    disk_find_child(disk, name, sizeof(name));
    if (name[0])
        add_blocker(facts, "checkpoint",
                    "'%s' was made from this disk, by a checkpoint perhaps, and would lose "
                    "it; write that one, or merge or remove the checkpoint with Hyper-V",
                    name);
}

/* Whether the file itself could be written: its format, our right, nobody's lock. */
static void look_at_file(const char *path, struct image_facts *facts)
{
    struct err err = ERR_INIT;

    if (!disk_can_write(path, &err))
        add_blocker_from(facts, err.kind == ERR_CONFLICT ? "in-use" : "read-only", &err);
}

bool image_inspect(const char *path, const char *parents, struct image_facts *ret,
                   struct err *err)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err why = ERR_INIT;
    const char *table = "";

    if (!facts)
        return err_no_memory(err);
    disk = disk_open_chain(path, parents, DISK_READ, err);
    if (!disk)
        return false;
    snprintf(facts->format, sizeof(facts->format), "%s", disk_format(disk));
    facts->virtual_bytes = disk_size(disk);
    facts->has_log = disk_had_log(disk);
    if (disk_partitions(disk, facts->partitions, &facts->partition_count, &table, &why)) {
        snprintf(facts->table, sizeof(facts->table), "%s", table);
        look_at_windows(disk, path, parents, facts);
    } else {
        add_blocker_from(facts, "no-windows", &why);
    }
    look_for_children(disk, facts);
    disk_close(disk);
    disk = NULL;
    look_at_file(path, facts);
    *ret = *facts;
    return true;
}

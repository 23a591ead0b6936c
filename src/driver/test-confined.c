/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every reader of foreign data, made to crash, to hang, to run out of memory and to lie: each
 * time an error comes out, and this process goes on.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "err.h"
#include "file-version.h"
#include "guest-sandbox.h"
#include "hive-reader.h"
#include "hive.h"
#include "json-confined.h"
#include "image.h"
#include "ntfs-internal.h"
#include "os.h"
#include "package-inf.h"
#include "sandbox.h"
#include "strbuf.h"
#include "test-tools.h"
#include "test.h"

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
    struct hive_reader *reader = hive_reader_start(paths, false, err);

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

static bool read_json(struct err *err)
{
    json_t *json = json_parse_confined("{\"a\": [1, \"b\"]}", 15, "reading JSON", err);
    bool ok = json && json_array_size(json_object_get(json, "a")) == 2;

    json_decref(json);
    return ok;
}

static const struct {
    const char *name;
    bool (*read)(struct err *err);
} readers[] = {
    { "image", read_image }, { "guest disk", read_guest },          { "hives", read_hives },
    { "INF", read_inf },     { "version of a file", read_version }, { "JSON", read_json },
};

/* ---- what happens to them ---- */

__attribute__((no_sanitize("address", "undefined"))) static void crash(const char *what)
{
    signal(SIGSEGV, SIG_DFL); /* not the sanitizers' */
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
        if (cases[i].happen == starve && HAS_ADDRESS_SANITIZER)
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

/* ---- readers that were taken over, and lie ---- */

static void say_nothing(struct strbuf *answer)
{
    answer->len = 0;
}

static void say_half(struct strbuf *answer)
{
    answer->len /= 2;
}

static void say_more(struct strbuf *answer)
{
    strbuf_putc(answer, '}');
}

static struct dice lies;

static void say_something_else(struct strbuf *answer)
{
    for (unsigned i = 0; answer->len && i < 4; i++)
        dice_fill(&lies, answer->text + dice_roll(&lies, answer->len), 1);
}

TEST(a_reader_that_answers_nonsense_is_an_error)
{
    static const struct {
        const char *name;
        void (*lie)(struct strbuf *answer);
    } cases[] = { { "nothing", say_nothing }, { "half", say_half }, { "more", say_more } };
    struct err err = ERR_INIT;
    char text[1024];

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(scratch("guest.vhdx"), 40, NULL, &err));
    CHECK_OK(make_hive(scratch("SYSTEM"), &err));
    for (size_t k = 0; k < ARRAY_LEN(readers); k++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            snprintf(text, sizeof(text), "%s says %s", readers[k].name, cases[i].name);
            test_case(text);
            sandbox_before_answer = cases[i].lie;
            err = ERR_INIT;
            CHECK(!readers[k].read(&err));
            CHECK_EQ(err.kind, ERR_PROTOCOL);
            err_format(&err, text, sizeof(text));
            CHECK(strstr(text, "nonsense"));
        }
        /* What it says may still be possible, and is believed then. */
        sandbox_before_answer = say_something_else;
        for (uint64_t seed = 1; seed <= 30; seed++) {
            lies.state = seed;
            err = ERR_INIT;
            if (!readers[k].read(&err))
                err_format(&err, text, sizeof(text));
        }
        sandbox_before_answer = NULL;
    }
}

/* What is said instead of an answer that holds @about. */
static const char *lie_about, *lie_told;

static void say_what_was_told(struct strbuf *answer)
{
    if (!answer->text || !strstr(answer->text, lie_about))
        return;
    answer->len = 0;
    strbuf_puts(answer, lie_told);
}

static bool on_entry(const struct guest_entry *file, void *user, struct err *err)
{
    return true;
}

static bool ask_for_files(struct guest_disk *disk, struct err *err)
{
    return disk->ops->list_tree(disk, "System32", false, NULL, on_entry, NULL, err);
}

static bool ask_for_hashes(struct guest_disk *disk, struct err *err)
{
    return disk->ops->list_tree(disk, "System32", true, NULL, on_entry, NULL, err);
}

static bool ask_for_json(struct guest_disk *disk, struct err *err)
{
    json_t *json = NULL;
    bool ok = disk->ops->write_file(disk, "System32\\x.json", "{}", 2, err) &&
              disk->ops->read_json(disk, "System32\\x.json", 100, &json, err);

    json_decref(json);
    return ok;
}

static bool ask_for_value(struct guest_disk *disk, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false;
    bool ok = disk->ops->reg_get(disk, "Control\\Session Manager\\Environment",
                                 "PROCESSOR_ARCHITECTURE", &exists, &value, err) &&
              exists;

    hive_value_clear(&value);
    return ok;
}

TEST(an_answer_of_another_shape_is_an_error)
{
    static const struct {
        const char *name;
        bool (*ask)(struct guest_disk *disk, struct err *err);
        const char *about, *told;
    } cases[] = {
        { "files", ask_for_files, "\"files\"", "{\"files\": [[1, 2, 3, 4]]}" },
        { "hashes", ask_for_hashes, "\"files\"", "{\"files\": [[\"a\", 2, 3, 4]]}" },
        { "JSON", ask_for_json, "\"json\"", "{}" },
        { "a value", ask_for_value, "\"exists\"", "{\"exists\": true, \"value\": 7}" },
    };
    const char *const paths[HIVE_WHICH_COUNT] = { scratch("SYSTEM") };
    struct hive_reader *reader;
    struct hive_value value = { 0 };
    struct err err = ERR_INIT;
    bool exists = false;

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(scratch("guest.vhdx"), 40, NULL, &err));
    CHECK_OK(make_hive(scratch("SYSTEM"), &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (unsigned lies_now = 0; lies_now < 2; lies_now++) {
            struct guest_disk *disk;
            char text[1024];

            test_case(cases[i].name);
            err = ERR_INIT;
            lie_about = cases[i].about;
            lie_told = cases[i].told;
            sandbox_before_answer = lies_now ? say_what_was_told : NULL;
            disk = guest_disk_open_sandboxed(scratch("guest.vhdx"), NULL, scratch("kept"),
                                             NULL, &err);
            CHECK_OK(disk != NULL);
            CHECK(disk && cases[i].ask(disk, &err) != lies_now);
            err_format(&err, text, sizeof(text));
            CHECK(!lies_now || strstr(text, "nonsense"));
            guest_disk_close(disk);
        }
    test_case("a value of a hive");
    lie_about = "\"value\"";
    lie_told = "{\"value\": 7}";
    err = ERR_INIT;
    reader = hive_reader_start(paths, false, &err);
    CHECK_OK(reader != NULL);
    CHECK(reader && !hive_reader_get(reader, HIVE_OF_SYSTEM, "Select", "Current", &exists,
                                     &value, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    hive_reader_stop(reader);
    sandbox_before_answer = NULL;
}

static unsigned which_fact;

static void say_impossible_facts(struct strbuf *answer)
{
    struct image_facts *facts = (struct image_facts *)(void *)answer->text;

    switch (which_fact) {
    case 0:
        facts->partition_count = PARTITION_MAX + 1;
        break;
    case 1:
        facts->blocker_count = IMAGE_BLOCKER_MAX + 1;
        break;
    case 2:
        memset(facts->format, 'x', sizeof(facts->format));
        break;
    case 3:
        memset(facts->table, 'x', sizeof(facts->table));
        break;
    case 4:
        strcpy(facts->windows.edition, "\xFF");
        break;
    case 5:
        strcpy(facts->windows.architecture, "\xC3");
        break;
    case 6:
        memset(facts->windows.system_root, 'x', sizeof(facts->windows.system_root));
        break;
    case 7:
        memset(facts->partitions[0].file_system, 'x',
               sizeof(facts->partitions[0].file_system));
        break;
    case 8:
        facts->blocker_count = 1;
        strcpy(facts->blockers[0].message, "\xFF");
        break;
    default:
        facts->blocker_count = 1;
        memset(facts->blockers[0].id, 'x', sizeof(facts->blockers[0].id));
        break;
    }
}

TEST(facts_about_an_image_that_cannot_be_are_an_error)
{
    struct err err = ERR_INIT;

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(scratch("guest.vhdx"), 40, NULL, &err));
    sandbox_before_answer = say_impossible_facts;
    for (which_fact = 0; which_fact < 10; which_fact++) {
        err = ERR_INIT;
        CHECK(!read_image(&err));
        CHECK_EQ(err.kind, ERR_PROTOCOL);
        CHECK(strstr(err.text[0], "nonsense"));
    }
    sandbox_before_answer = NULL;
}

/* ---- names ---- */

/* A file with the very name, which no Windows would make, in the guest's folder. */
static void put_named(const char *image, const ntfschar *name, unsigned len)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);
    ntfs_inode *folder, *inode;

    CHECK_OK(volume && volume_make_dirs(volume, "Windows/hostile", &err) &&
             volume_write_all(volume, "Windows/hostile/honest", "x", 1, 0, 0, &err));
    folder = volume_open_folder(volume, "Windows/hostile", &err);
    CHECK_OK(folder != NULL);
    inode = ntfs_create(folder, folder->security_id, name, (u8)len, S_IFREG);
    CHECK(inode != NULL);
    CHECK_EQ(ntfs_inode_close_in_dir(inode, folder), 0);
    CHECK_EQ(ntfs_inode_close(folder), 0);
    CHECK_OK(volume_close(volume, &err) && disk_commit(disk, &err));
    disk_close(disk);
}

static bool count_file(const struct guest_entry *file, void *user, struct err *err)
{
    ++*(unsigned *)user;
    return true;
}

TEST(names_in_an_image_never_become_names_of_local_files)
{
    static const char *const names[] = {
        /* '0' stands for a NUL */
        "..",  "..\\..\\evil", "/tmp/evil", "C:\\evil", "C:evil",    "evil0.dll",
        "CON", "evil:stream",  "../evil",   "evil\n",   "kept.json", "kept.1",
    };

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *image = scratch("named.vhdx"), *backup = scratch("kept");
        size_t len = strlen(names[i]);
        unsigned files = 0;
        struct guest_disk *guest;
        struct err err = ERR_INIT;
        ntfschar name[32];

        test_case(names[i]);
        for (size_t k = 0; k < len; k++)
            name[k] = cpu_to_le16(names[i][k] == '0' ? 0 : (u16)names[i][k]);
        shell("rm -rf %s %s", image, backup);
        CHECK_OK(make_windows_image(image, 40, NULL, &err));
        put_named(image, name, (unsigned)len);
        guest = guest_disk_open_sandboxed(image, NULL, backup, NULL, &err);
        CHECK_OK(guest != NULL);
        if (guest && !guest->ops->backup(guest, "hostile", "kept", true, &err))
            CHECK(err.kind != ERR_NONE); /* refused is as well as numbered */
        err = ERR_INIT;
        if (guest &&
            !guest->ops->list_tree(guest, "hostile", true, NULL, count_file, &files, &err))
            CHECK(err.kind != ERR_NONE);
        else
            CHECK(files >= 1 && files <= 2);
        guest_disk_close(guest);
        /* Nothing but the index and the numbered copies, of two files and their folder. */
        CHECK_EQ(shell("cd %s && ls -A | grep -vxE 'kept\\.(json|[0-2])'", backup), 1);
        CHECK_EQ(shell("ls %s /tmp / | grep -E '^evil'", scratch_dir()), 1);
    }
}

/* ---- several readers of one disk ---- */

static bool add_line(const struct guest_entry *file, void *user, struct err *err)
{
    strbuf_printf(user, "%s %llu %s\n", file->path, (unsigned long long)file->size,
                  file->sha256);
    return true;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What the files of the disk are, in any order: sorted. */
static void list_sorted(struct guest_disk *disk, char *ret, size_t size)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    struct err err = ERR_INIT;
    char *lines[64];
    size_t count = 0;

    CHECK_OK(disk->ops->list_tree(disk, "System32", true, NULL, add_line, &text, &err));
    for (char *line = strtok(text.text, "\n"); line && count < ARRAY_LEN(lines);
         line = strtok(NULL, "\n"))
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), by_line);
    *ret = '\0';
    for (size_t i = 0; i < count; i++)
        snprintf(ret + strlen(ret), size - strlen(ret), "%s\n", lines[i]);
    CHECK(count > 1);
}

TEST(several_readers_hash_each_file_once_and_the_first_outlives_the_others)
{
    const char *image = scratch("guest.vhdx");
    char one[4096], several[4096], text[1024];
    struct err err = ERR_INIT;
    struct guest_disk *local, *disk;
    struct strbuf lines = STRBUF_INIT;
    struct guest_facts facts;

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(image, 40, NULL, &err));
    local = guest_disk_open_local(image, NULL, NULL, &err);
    disk = guest_disk_open_sandboxed(image, NULL, scratch("kept"), NULL, &err);
    CHECK_OK(local && disk);
    list_sorted(local, one, sizeof(one));
    guest_disk_close(local);
    for (sandboxed_reader_count = 1; sandboxed_reader_count <= 4;
         sandboxed_reader_count++) {
        list_sorted(disk, several, sizeof(several));
        CHECK_STR_EQ(several, one);
    }

    /* The first reader was started before, and does not crash. */
    sandboxed_reader_count = 3;
    sandbox_before_serve = crash;
    CHECK(!disk->ops->list_tree(disk, "System32", true, NULL, add_line, &lines, &err));
    sandbox_before_serve = NULL;
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "crashed"));
    err = ERR_INIT;
    CHECK_OK(disk->ops->facts(disk, &facts, &err));

    /* What is not committed only the first one sees. */
    CHECK_OK(disk->ops->write_file(disk, "System32\\new", "x", 1, &err));
    list_sorted(disk, several, sizeof(several));
    CHECK(strstr(several, "new 1 "));
    sandboxed_reader_count = 0;
    strbuf_cleanup(&lines);
    guest_disk_close(disk);
}

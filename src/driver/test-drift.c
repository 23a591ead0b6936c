/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that got a driver, one thing changed then in it or on its host: the comparison names
 * that thing and nothing else.  (What other drifts there are: tests/scenarios/test-sync.py;
 * of the VM: src/share/test-sync.c.) */

#include "manifest.h"
#include "steps.h"
#include "test-inject-run.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

#define DLL GUEST_PACKAGE "/nvldumdx.dll"

struct scene {
    struct machine machine;
    struct volume *volume; /* of the guest's image, open to be written */
};

static void nothing(struct scene *scene)
{
}

static void change_a_file(struct scene *scene)
{
    struct err err = ERR_INIT;

    CHECK_OK(volume_remove(scene->volume, DLL, false, &err));
    guest_put(scene->volume, DLL, "something else", 14, FILE_IS_ARCHIVE);
}

static void lose_a_file(struct scene *scene)
{
    struct err err = ERR_INIT;

    CHECK_OK(volume_remove(scene->volume, DLL, false, &err));
}

static void add_a_file(struct scene *scene)
{
    guest_put(scene->volume, GUEST_PACKAGE "/foreign.dll", "x", 1, FILE_IS_ARCHIVE);
}

static void change_a_value(struct scene *scene)
{
    static const char path[] = "/Windows/System32/config/SYSTEM";
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL, *changed = NULL;
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    size_t len = 0;

    CHECK_OK(volume_read_all(scene->volume, path, 1 << 24, &bytes, &len, &err));
    hive = hive_open(bytes, len, true, &err);
    CHECK_OK(hive != NULL);
    machine_text(hive, "ControlSet001\\Services\\nvlddmkm", "ImagePath", HIVE_EXPAND_SZ,
                 "System32\\drivers\\thief.sys");
    CHECK_OK(hive_bytes(hive, &changed, &len, &err));
    guest_put(scene->volume, path, changed, len, FILE_IS_ARCHIVE);
}

/* A file that the guest also has outside of the package's folder; version and name of the
 * package stay. */
static void change_the_hosts_file(struct scene *scene)
{
    machine_text_file(&scene->machine, STORE TEST_PACKAGE "/OpenCL64.dll",
                      "the host's OpenGL");
}

static void change_the_record(struct scene *scene)
{
    static const char path[] = "/Windows/System32/HostDriverStore/hvgpu-manifest.json";
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    char *provider;
    size_t len = 0;

    CHECK_OK(volume_read_all(scene->volume, path, 1 << 20, &bytes, &len, &err));
    provider = bytes ? strstr((char *)bytes, "\"NVIDIA") : NULL;
    CHECK(provider != NULL);
    if (provider)
        provider[1] = 'n';
    guest_put(scene->volume, path, bytes, len, FILE_IS_ARCHIVE);
}

static const struct {
    const char *name;
    void (*happen)(struct scene *scene);
    const char *id, *evidence; /* NULL: no drift */
} cases[] = {
    { "nothing", nothing, NULL, NULL },
    { "a file is changed", change_a_file, "drift-file-changed", "nvldumdx.dll" },
    { "a file is gone", lose_a_file, "drift-file-missing", "nvldumdx.dll" },
    { "a file is added", add_a_file, "drift-file-added", "foreign.dll" },
    { "a registry value is changed", change_a_value, "drift-registry",
      "Services\\nvlddmkm\\ImagePath" },
    { "the record is changed", change_the_record, "drift-record", "up to date" },
    /* The last one: the host stays so. */
    { "the host's file is another", change_the_hosts_file, "drift-host-file",
      "System32\\OpenCL.dll" },
};

static void compare(struct scene *scene, const char *image, struct plan *plan)
{
    struct err err = ERR_INIT;
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    CLEANUP(guest_disk_cleanup) struct guest_disk *guest = NULL;

    source = windows_source_offline(scene->machine.root, &err);
    CHECK_OK(source && driver_resolve(source, "10de:2860", &set, &err));
    guest = guest_disk_open_local(image, NULL, NULL, &err);
    CHECK_OK(guest && driver_plan_update(plan, guest, set, false, &err));
}

static void check_drift(const struct plan *plan, const char *id, const char *evidence)
{
    size_t drifts = 0, i;
    const json_t *finding;

    json_array_foreach(plan->findings, i, finding)
    {
        const char *its = json_string_value(json_object_get(finding, "id"));
        CLEANUP(free_cleanup) char *text = json_dumps(finding, JSON_COMPACT);
        CLEANUP(free_cleanup) char *escaped = NULL;
        json_t *wanted;

        if (!its || strncmp(its, "drift-", 6) != 0)
            continue;
        drifts++;
        CHECK_STR_EQ(its, id ? id : "none");
        wanted = json_string(evidence);
        escaped = wanted ? json_dumps(wanted, JSON_ENCODE_ANY) : NULL;
        if (escaped)
            escaped[strlen(escaped) - 1] = '\0';
        CHECK(text && escaped && strstr(text, escaped + 1));
        json_decref(wanted);
    }
    CHECK_EQ(drifts, id ? 1u : 0u);
    CHECK_EQ(plan->step_count > 0, id != NULL);
}

TEST(what_changed_in_a_guest_or_on_its_host_is_said_and_nothing_else)
{
    const char *image = scratch("guest.vhdx"), *whole = scratch("whole.vhdx");
    struct err err = ERR_INIT;
    struct scene scene;
    struct run run;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&scene.machine);
    make_guest(whole);
    CHECK_OK(run_open(&run, &scene.machine, whole, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    run_close(&run);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(plan_cleanup) struct plan *plan = plan_new("local", "sync", &err);
        struct disk *disk = NULL;

        test_case(cases[i].name);
        CHECK_EQ(shell("cp --sparse=always %s %s", whole, image), 0);
        scene.volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);
        CHECK_OK(scene.volume != NULL);
        if (scene.volume)
            cases[i].happen(&scene);
        CHECK_OK(volume_close(scene.volume, &err) && disk_commit(disk, &err));
        disk_close(disk);
        compare(&scene, image, plan);
        check_drift(plan, cases[i].id, cases[i].evidence);
    }
    machine_close(&scene.machine);
}

TEST(a_record_that_cannot_be_believed_is_refused)
{
    static const struct {
        const char *text;
        enum err_kind kind;
        const char *says;
    } refused[] = {
        { "", ERR_PROTOCOL, "damaged" },
        { "{", ERR_PROTOCOL, "damaged" },
        { "[]", ERR_PROTOCOL, "no schema" },
        { "{\"schema\": 1}", ERR_PROTOCOL, "no schema" },
        { "{\"schema\": \"hvgpu-manifest/1\", \"schema\": \"x\"}", ERR_PROTOCOL,
          "duplicate" },
        { "{\"schema\": \"hvgpu-manifest/2\", \"gpus\": []}", ERR_UNSUPPORTED,
          "another hvgpu" },
        { "{\"schema\": \"hvgpu-manifest/1\"}", ERR_PROTOCOL, "never makes" },
        { "{\"schema\": \"hvgpu-manifest/1\", \"gpus\": [{}], \"made_folders\": []}",
          ERR_PROTOCOL, "never makes" },
        { "{\"schema\": \"hvgpu-manifest/1\", \"gpus\": [], \"made_folders\": "
          "[\"C:\\\\evil\"]}",
          ERR_PROTOCOL, "never makes" },
        { "{\"schema\": \"hvgpu-manifest/1\", \"gpus\": [{\"instance_id\": \"x\", "
          "\"packages\": [{\"name\": \"..\", \"files\": []}], \"files\": [], "
          "\"registry\": []}], \"made_folders\": []}",
          ERR_PROTOCOL, "never makes" },
    };

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct err err = ERR_INIT;
        char text[1024] = "";

        test_case(refused[i].text);
        CHECK(!manifest_parse(refused[i].text, strlen(refused[i].text), &err));
        CHECK_EQ(err.kind, refused[i].kind);
        err_format(&err, text, sizeof(text));
        CHECK(strstr(text, refused[i].says));
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text byte for byte, what it means, and the step on real files. */

#include "vmx-step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "os.h"
#include "test.h"
#include "text.h"

#define SAMPLE                         \
    ".encoding = \"UTF-8\"\n"          \
    "config.version = \"8\"\n"         \
    "virtualHW.version = \"19\"\n"     \
    "displayName = \"Test |22A|22\"\n" \
    "mks.enable3d = \"FALSE\"\n"       \
    "svga.graphicsMemoryKB = \"262144\"\n"
#define CACHED                                  \
    "vmotion.svga.supports3D = \"0\"\n"         \
    "vmotion.svga.mobMaxSize = \"268435456\"\n" \
    "VMotion.SVGA.baseCapsLevel = \"0\"\n"
#define LAST "vmotion.checkpointFBSize = \"4194304\""

static struct vmx *parse(const char *text)
{
    struct err err = ERR_INIT;
    struct vmx *vmx = vmx_parse(text, strlen(text), &err);

    CHECK_OK(vmx != NULL);
    return vmx;
}

static char *edit(const char *text, const struct vmx_change *changes, size_t count,
                  const char *without)
{
    CLEANUP(vmx_cleanup) struct vmx *vmx = parse(text);
    struct strbuf to = STRBUF_INIT;
    struct err err = ERR_INIT;

    CHECK_OK(vmx_edit(vmx, changes, count, without, &to, &err));
    return strbuf_take(&to);
}

/* ---- the text ---- */

TEST(values_are_read_whatever_their_key_and_quotes_look_like)
{
    static const char text[] = "\xEF\xBB\xBF# a comment = \"x\"\r\n"
                               "\t MKS.Enable3D=\"TRUE\"  \r\n"
                               ".virtualSSD = 1\n"
                               "scsi0:0.fileName = \"a b.vmdk\"\n"
                               "guestinfo.x = \"a = b # c\"\n"
                               "annotation = \"one|0Atwo|7cthree|zz|2\"\n"
                               "empty = \"\"\n"
                               "twice = \"1\"\ntwice = \"2\"";
    CLEANUP(vmx_cleanup) struct vmx *vmx = parse(text);
    static const struct {
        const char *key, *value;
    } cases[] = {
        { "mks.enable3d", "TRUE" },
        { ".VIRTUALSSD", "1" },
        { "scsi0:0.filename", "a b.vmdk" },
        { "guestinfo.x", "a = b # c" },
        { "annotation", "one\ntwo|three|zz|2" },
        { "empty", "" },
        { "twice", "2" },
        { "a comment", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) char *value = vmx_get(vmx, cases[i].key);

        test_case(cases[i].key);
        CHECK_STR_EQ(value, cases[i].value);
    }
    CHECK_EQ(vmx->bad_line_count, 0);
    CHECK(!vmx->has_crlf); /* not most of them */
}

TEST(lines_that_are_no_settings_are_counted_and_kept)
{
    static const char text[] =
        "a = \"1\"\nno equals sign\n= \"no key\"\nb = \"open\n"
        "c = \"1\" behind\nd = un\"quoted\ne e = \"1\"\nmks.enable3d = \"FALSE\"\n";
    CLEANUP(vmx_cleanup) struct vmx *vmx = parse(text);
    static const struct vmx_change on[] = { { VMX_ENABLE_3D, "TRUE" } };
    CLEANUP(free_cleanup) char *after = edit(text, on, 1, NULL);

    CHECK_EQ(vmx->bad_line_count, 6);
    CHECK_EQ(vmx->first_bad_line, 2);
    CHECK_EQ(vmx->count, 2);
    CHECK(after && strncmp(after, text, strlen(text) - 8) == 0);
    CHECK(after && text_iends(after, "mks.enable3d = \"TRUE\"\n"));
}

TEST(what_is_no_text_or_endless_is_refused)
{
    CLEANUP(strbuf_cleanup) struct strbuf many = STRBUF_INIT;
    struct err err = ERR_INIT;

    CHECK(!vmx_parse("a\0b", 3, &err) && err.kind == ERR_PROTOCOL);
    for (int i = 0; i < 70000; i++)
        strbuf_puts(&many, "a=1\n");
    err = ERR_INIT;
    CHECK(!vmx_parse(many.text, many.len, &err) && err.kind == ERR_PROTOCOL);
    vmx_free(parse(""));
    vmx_free(parse("\n\r\n\r"));
    vmx_free(parse("\xEF\xBB\xBF"));
}

TEST(editing_touches_only_what_it_means)
{
    static const struct vmx_change on[] = { { VMX_ENABLE_3D, "TRUE" } };
    static const struct vmx_change gone[] = { { VMX_ENABLE_3D, NULL } };
    static const struct {
        const char *name, *before, *after;
        const struct vmx_change *change;
    } cases[] = {
        { "the sample", SAMPLE CACHED LAST,
          ".encoding = \"UTF-8\"\nconfig.version = \"8\"\nvirtualHW.version = \"19\"\n"
          "displayName = \"Test |22A|22\"\nmks.enable3d = \"TRUE\"\n"
          "svga.graphicsMemoryKB = \"262144\"\n" LAST,
          on },
        { "CRLF, and blanks",
          "a = \"1\"\r\n  Mks.Enable3D   =   \"False\"  \r\nb=\"2\"\r\n",
          "a = \"1\"\r\n  Mks.Enable3D   =   \"TRUE\"  \r\nb=\"2\"\r\n", on },
        { "every copy", "mks.enable3d = \"FALSE\"\nx = \"1\"\nmks.enable3d = \"no\"\n",
          "mks.enable3d = \"TRUE\"\nx = \"1\"\nmks.enable3d = \"TRUE\"\n", on },
        { "so already, in small letters", "mks.enable3d = \"true\"\n",
          "mks.enable3d = \"true\"\n", on },
        { "without quotes", "mks.enable3d = FALSE\n", "mks.enable3d = TRUE\n", on },
        { "an empty value", "mks.enable3d = \"\"\n", "mks.enable3d = \"TRUE\"\n", on },
        { "no value at all", "mks.enable3d =\n", "mks.enable3d =TRUE\n", on },
        { "a new key", "a = \"1\"\n", "a = \"1\"\nmks.enable3d = \"TRUE\"\n", on },
        { "a new key, CRLF", "a = \"1\"\r\n", "a = \"1\"\r\nmks.enable3d = \"TRUE\"\r\n",
          on },
        { "a new key, no last newline", "a = \"1\"\r\nb = \"2\"",
          "a = \"1\"\r\nb = \"2\"\r\nmks.enable3d = \"TRUE\"", on },
        { "an empty file", "", "mks.enable3d = \"TRUE\"\n", on },
        { "a comment is no key", "#mks.enable3d = \"FALSE\"\n",
          "#mks.enable3d = \"FALSE\"\nmks.enable3d = \"TRUE\"\n", on },
        { "only cached lines",
          "vmotion.svga.a = \"1\"\nmks.enable3d = \"TRUE\"\n"
          "VMOTION.SVGA.B = \"1\"",
          "mks.enable3d = \"TRUE\"\n", on },
        { "a key goes", "a = \"1\"\nmks.enable3d = \"TRUE\"\nb = \"2\"\n",
          "a = \"1\"\nb = \"2\"\n", gone },
        { "a key like it stays", "mks.enable3dx = \"1\"\nxmks.enable3d = \"1\"\n",
          "mks.enable3dx = \"1\"\nxmks.enable3d = \"1\"\n", gone },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup)
        char *once = edit(cases[i].before, cases[i].change, 1, VMX_CACHED_PREFIX);
        CLEANUP(free_cleanup)
        char *twice = edit(once ? once : "", cases[i].change, 1, VMX_CACHED_PREFIX);

        test_case(cases[i].name);
        CHECK_STR_EQ(once, cases[i].after);
        CHECK_STR_EQ(twice, once);
    }
}

TEST(a_value_that_would_need_an_escape_is_not_written)
{
    static const char *const bad[] = { "a\"b", "a|b", "a\nb", "\xC3\xA4", "a b" };
    CLEANUP(vmx_cleanup) struct vmx *vmx = parse("a = \"1\"\n");

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct vmx_change change = { "a", bad[i] };
        CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;
        struct err err = ERR_INIT;

        test_case(bad[i]);
        CHECK(!vmx_edit(vmx, &change, 1, NULL, &to, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
    }
}

/* ---- encodings ---- */

TEST(names_are_shown_from_the_files_encoding_and_no_byte_of_them_changes)
{
    static const struct {
        const char *encoding, *bytes, *text;
    } cases[] = {
        { "UTF-8", "\xE6\xB5\x8B\xE8\xAF\x95", "\xE6\xB5\x8B\xE8\xAF\x95" },
        { "windows-1252",
          "B\xFC"
          "ro |22x|22",
          "B\xC3\xBCro \"x\"" },
        { "GBK", "\xB2\xE2\xCA\xD4", "\xE6\xB5\x8B\xE8\xAF\x95" },
        /* The second byte of the first is a bar. */
        { "GBK", "\x81|22",
          "\xE4\xBA\x85"
          "22" },
        { "Shift_JIS", "\x83|\x83\x5C\x83\x52\x83\x93", NULL },
        { "Big5", "\xB4\xFA\xB8\xD5", "\xE6\xB8\xAC\xE8\xA9\xA6" },
        { "windows-1251", "\xC2\xCC", "\xD0\x92\xD0\x9C" },
        { "EUC-KR", "\xBD\xC3\xC7\xE8", "\xEC\x8B\x9C\xED\x97\x98" },
    };
    static const struct vmx_change on[] = { { VMX_ENABLE_3D, "TRUE" } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup)
        char *before = text_printf(".encoding = \"%s\"\ndisplayName = \"%s\"\n"
                                   "mks.enable3d = \"FALSE\"\n",
                                   cases[i].encoding, cases[i].bytes);
        CLEANUP(free_cleanup)
        char *wanted = text_printf(".encoding = \"%s\"\ndisplayName = \"%s\"\n"
                                   "mks.enable3d = \"TRUE\"\n",
                                   cases[i].encoding, cases[i].bytes);
        CLEANUP(vmx_cleanup) struct vmx *vmx = parse(before);
        CLEANUP(free_cleanup) char *name = vmx_get(vmx, "displayname");
        CLEANUP(free_cleanup) char *after = edit(before, on, 1, VMX_CACHED_PREFIX);
        struct vmx_facts facts;
        struct err err = ERR_INIT;

        test_case(cases[i].encoding);
        CHECK_OK(vmx_look(vmx, NULL, &facts, &err));
        CHECK(facts.is_encoding_known);
        if (cases[i].text) {
            CHECK(facts.is_encoding_right);
            CHECK_STR_EQ(name, cases[i].text);
        }
        CHECK_STR_EQ(after, wanted);
        vmx_facts_clear(&facts);
    }
}

TEST(encodings_in_which_bytes_mean_something_else_are_not_edited)
{
    static const char *const bad[] = { "UTF-16",         "UTF-16LE", "UTF-7",
                                       "ISO-2022-JP",    "CP037",    "no-such-encoding",
                                       "UTF-8//IGNORE\n" };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(free_cleanup)
        char *text = text_printf(".encoding = \"%s\"\nconfig.version = \"8\"\n", bad[i]);
        CLEANUP(vmx_cleanup) struct vmx *vmx = parse(text);
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        struct vmx_facts facts;
        struct err err = ERR_INIT;

        test_case(bad[i]);
        CHECK_OK(vmx_look(vmx, NULL, &facts, &err));
        CHECK_OK(vmx_judge(vmx, &facts, "x", &findings, &err));
        if (strchr(bad[i], '\n')) { /* then it is a broken line */
            CHECK(facts.is_encoding_known);
        } else {
            CHECK(!facts.is_encoding_known);
            CHECK(findings_find(&findings, "vmx-encoding-unknown") != NULL);
            CHECK_EQ(findings_worst(&findings), SEVERITY_ERROR);
        }
        vmx_facts_clear(&facts);
    }
}

/* ---- what it means ---- */

TEST(every_finding_is_found_where_it_belongs_and_only_there)
{
#define VM "config.version = \"8\"\nvirtualHW.version = \"20\"\n"
#define ON "mks.enable3d = \"TRUE\"\n"
    static const struct {
        const char *text, *id; /* NULL: no finding at all */
        enum severity severity;
    } cases[] = {
        { VM ON, NULL, SEVERITY_OK },
        { VM ON "svga.graphicsMemoryKB = \"8388608\"\nvmotion.svga.supports3D = \"1\"\n",
          NULL, SEVERITY_OK },
        { "a = \"1\"\n", "vmx-no-machine", SEVERITY_ERROR },
        { VM ON "encryption.data = \"x\"\n", "vmx-encrypted", SEVERITY_ERROR },
        { VM ON ".encoding = \"UTF-32\"\n", "vmx-encoding-unknown", SEVERITY_ERROR },
        { VM ON "displayName = \"\xFF\"\n", "vmx-encoding-wrong", SEVERITY_WARNING },
        { VM ON "nonsense\n", "vmx-bad-line", SEVERITY_WARNING },
        { VM, "vmx-3d-off", SEVERITY_WARNING },
        { VM "mks.enable3d = \"FALSE\"\n", "vmx-3d-off", SEVERITY_WARNING },
        { VM "mks.enable3d = \"maybe\"\n", "vmx-odd-switch", SEVERITY_WARNING },
        { VM ON "vmotion.svga.supports3D = \"0\"\n", "vmx-stale-capabilities",
          SEVERITY_WARNING },
        { VM "mks.enable3d = \"FALSE\"\n" ON, "vmx-twice", SEVERITY_WARNING },
        { "config.version = \"8\"\n" ON, "vmx-hardware-unknown", SEVERITY_WARNING },
        { "virtualHW.version = \"x\"\n" ON, "vmx-hardware-unknown", SEVERITY_WARNING },
        { "virtualHW.version = \"17\"\n" ON, "vmx-hardware-old", SEVERITY_WARNING },
        { VM ON "svga.graphicsMemoryKB = \"262144\"\n", "vmx-memory-low",
          SEVERITY_WARNING },
        { VM ON "svga.graphicsMemoryKB = \"lots\"\n", "vmx-memory-odd", SEVERITY_WARNING },
        { VM ON "svga.graphicsMemoryKB = \"18446744073709551615\"\n", "vmx-memory-odd",
          SEVERITY_WARNING },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(vmx_cleanup) struct vmx *vmx = parse(cases[i].text);
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        struct vmx_facts facts;
        struct err err = ERR_INIT;

        test_case(cases[i].text);
        CHECK_OK(vmx_look(vmx, NULL, &facts, &err));
        CHECK_OK(vmx_judge(vmx, &facts, "x", &findings, &err));
        CHECK_EQ(findings.count, cases[i].id ? 1 : 0);
        if (findings.count == 1) {
            CHECK_STR_EQ(findings.items[0].id, cases[i].id);
            CHECK_EQ(findings.items[0].severity, cases[i].severity);
        }
        vmx_facts_clear(&facts);
    }
}

TEST(the_level_follows_the_hardware_version_and_says_how_sure_that_is)
{
    static const struct {
        uint64_t version;
        const char *direct3d;
        bool documented;
    } cases[] = { { 8, "9", false },   { 11, "9", false }, { 12, "10", false },
                  { 17, "10", false }, { 18, "11", true }, { 22, "11", true } };

    CHECK(vmx_level_of(false, 18).direct3d == NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct vmx_level level = vmx_level_of(true, cases[i].version);

        CHECK_STR_EQ(level.direct3d, cases[i].direct3d);
        CHECK_EQ(level.is_documented, cases[i].documented);
    }
}

/* ---- the step, on files ---- */

struct machine {
    char folder[TEST_FOLDER];
    char *path, *before;
    struct plan *plan;
    struct plan_context context;
};

static char *content(const char *path)
{
    struct err err = ERR_INIT;

    return os_read_file(path, 1 << 20, NULL, &err);
}

static void begin(struct machine *m, const char *text)
{
    static const struct vmx_change on[] = { { VMX_ENABLE_3D, "TRUE" } };
    CLEANUP(vmx_cleanup) struct vmx *vmx = NULL;
    struct err err = ERR_INIT;

    *m = (struct machine){ 0 };
    test_make_folder("vmx", m->folder);
    m->path = text_printf("%s/vm.vmx", m->folder);
    m->before = text_dup(text);
    CHECK_OK(os_write_file(m->path, text, strlen(text), &err));
    vmx = vmx_read(m->path, &err);
    m->plan = plan_new("local", "test", &err);
    CHECK_OK(vmx && m->plan && vmx_plan_edit(m->plan, m->path, vmx, on, 1, &err));
}

static void end(struct machine *m)
{
    struct err err = ERR_INIT;

    plan_free(m->plan);
    CHECK_OK(os_remove_tree(m->folder, &err));
    free(m->path);
    free(m->before);
}

static bool do_step(struct machine *m, struct err *err)
{
    struct step *step = &m->plan->steps[0];
    bool ok;

    step->state = STEP_STARTED;
    ok = step->kind->apply(&m->context, step, err);
    if (ok)
        step->state = STEP_DONE;
    return ok;
}

static void make_beside(const struct machine *m, const char *name)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", m->folder, name);
    struct err err = ERR_INIT;

    CHECK_OK(os_write_file(path, "", 0, &err));
}

static void is_state(const struct machine *m, const json_t *wanted)
{
    const struct step *step = &m->plan->steps[0];
    struct err err = ERR_INIT;
    json_t *now = NULL;

    CHECK_OK(
        step->kind->probe((struct plan_context *)(uintptr_t)&m->context, step, &now, &err));
    CHECK(now && json_equal(now, (json_t *)(uintptr_t)wanted));
    json_decref(now);
}

TEST(the_step_changes_the_file_and_takes_it_back_to_the_byte)
{
    struct machine m;
    struct err err = ERR_INIT;
    struct stat st;
    char value[8] = "";

    begin(&m, SAMPLE CACHED LAST);
    CHECK(chmod(m.path, 0754) == 0);
    /* Not every file system has them. */
    (void)!setxattr(m.path, "user.note", "mine", 4, 0);
    CHECK_EQ(m.plan->step_count, 1);
    is_state(&m, m.plan->steps[0].before);
    CHECK_OK(do_step(&m, &err));
    is_state(&m, m.plan->steps[0].after);
    {
        CLEANUP(free_cleanup) char *now = content(m.path);

        CHECK(now && strstr(now, "mks.enable3d = \"TRUE\"") &&
              !strstr(now, "svga.supports"));
    }
    CHECK(stat(m.path, &st) == 0 && (st.st_mode & 07777) == 0754);
    CHECK(getxattr(m.path, "user.note", value, 4) == 4 ? strcmp(value, "mine") == 0 : true);
    CHECK_OK(do_step(&m, &err)); /* once more: nothing */
    CHECK_OK(m.plan->steps[0].kind->revert(&m.context, &m.plan->steps[0], &err));
    {
        CLEANUP(free_cleanup) char *now = content(m.path);

        CHECK_STR_EQ(now, m.before);
    }
    CHECK(!os_file_exists(
        json_string_value(json_object_get(m.plan->steps[0].params, "backup"))));
    m.plan->steps[0].state = STEP_UNDONE;
    is_state(&m, m.plan->steps[0].before);
    CHECK_OK(m.plan->steps[0].kind->revert(&m.context, &m.plan->steps[0], &err));
    end(&m);
}

TEST(what_vmware_wrote_meanwhile_stays_and_only_our_settings_go_back)
{
    static const char wrote[] = "config.version = \"8\"\nvirtualHW.version = \"19\"\n"
                                "mks.enable3d = \"TRUE\"\nethernet0.present = \"TRUE\"\n"
                                "vmotion.svga.supports3D = \"1\"\n";
    struct machine m;
    struct err err = ERR_INIT;
    struct step *step;

    begin(&m, SAMPLE CACHED LAST);
    step = &m.plan->steps[0];
    CHECK_OK(do_step(&m, &err));
    CHECK_OK(os_write_file(m.path, wrote, strlen(wrote), &err));
    is_state(&m, step->after); /* nobody has changed what we changed */
    CHECK_OK(step->kind->revert(&m.context, step, &err));
    {
        CLEANUP(free_cleanup) char *now = content(m.path);

        CHECK(now && strstr(now, "mks.enable3d = \"FALSE\"\nethernet0.present"));
        CHECK(now && strstr(now, "vmotion.svga.supports3D"));
    }
    end(&m);
}

TEST(without_its_backup_a_change_is_still_taken_back)
{
    struct machine m;
    struct err err = ERR_INIT;
    struct step *step;

    begin(&m, "config.version = \"8\"\n");
    step = &m.plan->steps[0];
    CHECK_OK(do_step(&m, &err));
    CHECK_OK(
        os_remove_file(json_string_value(json_object_get(step->params, "backup")), &err));
    CHECK_OK(step->kind->revert(&m.context, step, &err));
    {
        CLEANUP(free_cleanup) char *now = content(m.path);

        CHECK_STR_EQ(now, m.before);
    }
    end(&m);
}

TEST(a_step_cut_off_behind_its_backup_is_taken_back_with_the_backup)
{
    struct machine m;
    struct err err = ERR_INIT;
    struct step *step;
    const char *backup;
    json_t *now = NULL;

    begin(&m, SAMPLE);
    step = &m.plan->steps[0];
    backup = json_string_value(json_object_get(step->params, "backup"));
    CHECK_OK(os_write_file(backup, m.before, strlen(m.before), &err));
    step->state = STEP_STARTED;
    CHECK_OK(step->kind->probe(&m.context, step, &now, &err));
    CHECK(!json_equal(now, step->before)); /* so that undo looks after it */
    json_decref(now);
    CHECK_OK(step->kind->revert(&m.context, step, &err));
    CHECK(!os_file_exists(backup));
    end(&m);
}

TEST(a_vm_that_is_open_or_suspended_is_left_alone_either_way)
{
    static const char *const beside[] = { "vm.vmx.lck", "disk.vmdk.LCK", "vm-1.vmss" };

    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        struct machine m;
        struct err err = ERR_INIT;

        test_case(beside[i]);
        begin(&m, SAMPLE);
        make_beside(&m, beside[i]);
        CHECK(!do_step(&m, &err) && err.kind == ERR_CONFLICT);
        err = ERR_INIT;
        CHECK(!m.plan->steps[0].kind->revert(&m.context, &m.plan->steps[0], &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        {
            CLEANUP(free_cleanup) char *now = content(m.path);

            CHECK_STR_EQ(now, m.before);
        }
        end(&m);
    }
}

TEST(copies_of_a_setting_that_differ_are_a_change_and_come_back)
{
    struct machine m;
    struct err err = ERR_INIT;
    struct step *step;

    begin(&m,
          "config.version = \"8\"\nmks.enable3d = \"FALSE\"\nmks.enable3d = \"TRUE\"\n");
    CHECK_EQ(m.plan->step_count, 1);
    step = &m.plan->steps[0];
    CHECK(!json_equal(step->before, step->after));
    CHECK_OK(do_step(&m, &err));
    is_state(&m, step->after);
    CHECK_OK(step->kind->revert(&m.context, step, &err));
    {
        CLEANUP(free_cleanup) char *now = content(m.path);

        CHECK_STR_EQ(now, m.before);
    }
    end(&m);
}

TEST(only_a_file_of_reasonable_size_is_read)
{
    char folder[TEST_FOLDER];
    CLEANUP(free_cleanup) char *pipe = NULL;
    CLEANUP(free_cleanup) char *large = NULL;
    struct err err = ERR_INIT;

    test_make_folder("vmx", folder);
    pipe = text_printf("%s/pipe.vmx", folder);
    large = text_printf("%s/large.vmx", folder);
    CHECK(mkfifo(pipe, 0600) == 0);
    CHECK(!vmx_read(pipe, &err) && err.kind == ERR_INVALID);
    err = ERR_INIT;
    CHECK_OK(os_write_file(large, "x", 1, &err));
    CHECK(truncate(large, VMX_BYTES_MAX + 1) == 0);
    CHECK(!vmx_read(large, &err) && err.kind == ERR_PROTOCOL);
    err = ERR_INIT;
    CHECK(!vmx_read(folder, &err) && err.kind == ERR_INVALID);
    err = ERR_INIT;
    CHECK_OK(os_remove_tree(folder, &err));
}

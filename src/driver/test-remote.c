/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver from a simulated host into a Windows folder on that host, over WS-Management:
 * put there, verified, broken at each change, taken back.
 *
 * The guest is a folder with copies of the host's own hives: what src/share mounts is no
 * different to these functions.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "os.h"
#include "remote-shell.h"
#include "sim.h"
#include "steps.h"
#include "test-machine.h"
#include "test.h"
#include "text.h"
#include "wsman.h"

#define GUEST "C:\\ProgramData\\hvgpu\\mount\\test\\Windows"
#define BACKUP "C:\\ProgramData\\hvgpu\\backup\\test"
#define GPU "10de:2860"

struct bench {
    char state[TEST_FOLDER];
    struct sim *sim;
    struct cim_session *session;
    FILE *log; /* of what it is asked: trace() */
};

static bool open_session(struct bench *bench, struct cim_session **ret, struct err *err)
{
    *ret = wsman_open(&(struct wsman_options){ .url = sim_host_url(bench->sim, 0),
                                               .user = sim_user(bench->sim),
                                               .password = sim_password(bench->sim) },
                      err);
    return *ret != NULL;
}

static bool run_line(struct cim_session *session, const char *line, struct err *err)
{
    return shell_run(&(struct shell_run){ .session = session }, ROBOCOPY_OK, err, line);
}

static void add_hive(struct bench *bench, const char *name, struct hive *hive)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup)
    char *path =
        text_printf("%s/%s/C/ProgramData/hvgpu/mount/test/Windows/System32/config/%s",
                    sim_state_path(bench->sim), sim_host_name(bench->sim, 0), name);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    CHECK_OK(hive_bytes(hive, &bytes, &len, &err));
    CHECK_OK(os_write_file(path, bytes, len, &err));
    hive_close(hive);
}

static void add_hives(struct bench *bench)
{
    struct err err = ERR_INIT;
    struct hive *system = hive_new(&err), *software = hive_new(&err);

    machine_number(system, "Select", "Current", 1);
    machine_text(system, "ControlSet001\\Control\\Session Manager\\Environment",
                 "PROCESSOR_ARCHITECTURE", HIVE_SZ, "AMD64");
    machine_text(system, "ControlSet001\\Services\\Tcpip", "ImagePath", HIVE_EXPAND_SZ,
                 "System32\\drivers\\tcpip.sys");
    machine_text(system, "ControlSet001\\Services\\nvlddmkm", "ImagePath", HIVE_EXPAND_SZ,
                 "%SystemRoot%\\System32\\DRIVERS\\nvlddmkm.sys");
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "CurrentBuildNumber",
                 HIVE_SZ, "22631");
    add_hive(bench, "SYSTEM", system);
    add_hive(bench, "SOFTWARE", software);
}

static bool bench_open(struct bench *bench, struct err *err)
{
    struct sim_options options = { .lab = HVGPU_LAB, .state_dir = bench->state };

    test_make_folder("remote", bench->state);
    bench->sim = sim_open(&options, err);
    if (!bench->sim || !open_session(bench, &bench->session, err) ||
        !run_line(bench->session, "mkdir \"" GUEST "\\System32\\config\"", err) ||
        !run_line(bench->session, "mkdir \"" GUEST "\\SysWOW64\"", err))
        return false;
    add_hives(bench);
    return true;
}

static void bench_close(struct bench *bench)
{
    struct err err = ERR_INIT;

    cim_release(bench->session);
    if (bench->log)
        fclose(bench->log);
    sim_close(bench->sim);
    CHECK_OK(os_remove_tree(bench->state, &err));
}

/* What the guest's folder holds, by the host's own dump. */
static char *guest_dump(struct bench *bench)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *all = sim_dump(bench->sim, &err);
    struct strbuf guest = STRBUF_INIT;

    CHECK_OK(all != NULL);
    for (const char *line = all; line && *line;) {
        size_t len = strcspn(line, "\n");
        CLEANUP(free_cleanup) char *one = text_ndup(line, len);

        if (text_istr(one, "mount\\test") || text_istr(one, "mount/test") ||
            text_istr(one, "hvgpu-"))
            strbuf_printf(&guest, "%s\n", one);
        line += len + (line[len] == '\n');
    }
    return strbuf_take(&guest);
}

struct run {
    struct plan_context context;
    struct plan *plan;
    struct windows_source *source;
    struct driver_set *set;
    char *journal;
};

static bool open_guest(struct plan_context *context, const struct plan *plan,
                       struct err *err)
{
    context->guest = guest_disk_open_remote(context->session, GUEST, BACKUP, err);
    return context->guest != NULL;
}

static bool run_open(struct run *run, struct bench *bench, struct err *err)
{
    *run = (struct run){ .journal = text_printf("%s/journal", bench->state) };
    run->context = (struct plan_context){ .session = bench->session,
                                          .kinds = driver_kinds,
                                          .open_guest = open_guest,
                                          .close_guest = driver_close_guest };
    if (!os_make_dirs(run->journal, err))
        return false;
    run->context.journal = journal_open(run->journal, err);
    run->source = windows_source_live(bench->session, err);
    run->plan = plan_new("test", "install", err);
    return run->context.journal && run->source && run->plan &&
           driver_resolve(run->source, GPU, &run->set, err) &&
           open_guest(&run->context, NULL, err) &&
           driver_plan_install(run->plan, run->context.guest, run->set, err);
}

static void run_close(struct run *run, struct bench *bench)
{
    struct err err = ERR_INIT;

    driver_close_guest(&run->context);
    plan_free(run->plan);
    driver_set_free(run->set);
    windows_source_free(run->source);
    journal_close(run->context.journal);
    CHECK_OK(os_remove_tree(run->journal, &err));
    free(run->journal);
    CHECK_OK(
        run_line(bench->session, "if exist \"" BACKUP "\" rd /s /q \"" BACKUP "\"", &err));
}

/* ---- asking little ---- */

/* Everything that @bench's host is asked from now on is a line of its log. */
static bool trace(struct bench *bench, struct err *err)
{
    struct cim_session *traced;

    bench->log = tmpfile();
    if (!bench->log)
        return err_errno(err, errno, "tmpfile");
    traced = cim_trace_open(&bench->session, bench->log, err);
    if (traced)
        bench->session = traced;
    return traced != NULL;
}

/* How many of them have @what in them. */
static unsigned count_asked(const struct bench *bench, const char *what)
{
    char line[8192];
    unsigned count = 0;

    rewind(bench->log);
    while (fgets(line, sizeof(line), bench->log))
        count += strchr(line, '\n') && strstr(line, what) != NULL;
    fseek(bench->log, 0, SEEK_END);
    return count;
}

TEST(many_files_are_told_at_once_as_they_are_one_by_one)
{
    static const char *const paths[] = {
        "System32\\nowhere.dll",   "System32\\a & b^(c)'s.dll", "SysWOW64\\NVAPI.dll",
        "System32\\config",        "System32\\empty.dll",       "system32\\second.dll",
        "System32\\none\\x.dll",   "System32\\config\\SYSTEM",  "SysWOW64\\nvapi.dll",
        "System32\\second.dll.old"
    };
    struct guest_file many[ARRAY_LEN(paths)], one;
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    struct guest_disk *guest;

    CHECK_OK(bench_open(&bench, &err));
    CHECK_OK(run_line(bench.session,
                      "cd /d \"" GUEST "\"&echo one>\"System32\\a & b^(c)'s.dll\"&"
                      "echo two>System32\\second.dll&echo three>SysWOW64\\nvapi.dll&"
                      "type NUL>System32\\empty.dll",
                      &err));
    CHECK_OK(trace(&bench, &err));
    guest = guest_disk_open_remote(bench.session, GUEST, BACKUP, &err);
    CHECK_OK(guest && guest_stat_files(guest, paths, ARRAY_LEN(paths), many, &err));
    CHECK_EQ(count_asked(&bench, ": run robocopy"), 4); /* folders */
    CHECK_EQ(count_asked(&bench, ": run certutil"), 1);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        test_case(paths[i]);
        CHECK_OK(guest->ops->stat(guest, paths[i], true, &one, &err));
        CHECK_EQ(many[i].exists, one.exists);
        CHECK_EQ(many[i].is_dir, one.is_dir);
        CHECK_EQ(many[i].size, one.size);
        CHECK_STR_EQ(many[i].sha256, one.sha256);
    }
    CHECK(many[1].exists && many[2].exists && many[4].exists && many[8].exists);
    CHECK_STR_EQ(many[2].sha256, many[8].sha256);
    guest_disk_close(guest);
    bench_close(&bench);
}

/* Of several hashes one is missing: certutil's words do not tell whose. */
TEST(a_file_that_cannot_be_read_among_many_is_named)
{
    char first[] = "System32\\first.dll", gone[] = "System32\\gone.dll";
    char third[] = "System32\\third.dll";
    struct source_file files[] = { { .path = first, .size = 5 },
                                   { .path = gone, .size = 5 },
                                   { .path = third, .size = 5 } };
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    char text[1024];

    CHECK_OK(bench_open(&bench, &err));
    CHECK_OK(run_line(bench.session,
                      "cd /d \"" GUEST "\"&echo one>System32\\first.dll&"
                      "echo two>System32\\third.dll",
                      &err));
    CHECK(
        !shell_hash_files(bench.session, GUEST, files, ARRAY_LEN(files), NULL, NULL, &err));
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "gone.dll") != NULL);
    bench_close(&bench);
}

/* More than fit one command line, each still told with its own hash. */
TEST(as_many_files_as_there_are_are_told)
{
    enum { FILES = 150 };
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    char names[FILES][64];
    const char *paths[FILES];
    struct guest_file many[FILES], one;
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    struct guest_disk *guest;

    CHECK_OK(bench_open(&bench, &err));
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(names[i], sizeof(names[i]), "System32\\a-rather-long-name-of-a-file-%u",
                 i);
        paths[i] = names[i];
        strbuf_printf(&line, "%secho %u>%s", line.len ? "&" : "cd /d \"" GUEST "\"&", i,
                      names[i]);
        if (line.len < 7000 && i + 1 < FILES)
            continue;
        CHECK_OK(run_line(bench.session, line.text, &err));
        strbuf_clear(&line);
    }
    guest = guest_disk_open_remote(bench.session, GUEST, BACKUP, &err);
    CHECK_OK(guest && guest_stat_files(guest, paths, FILES, many, &err));
    for (unsigned i = 0; i < FILES; i += 29) {
        CHECK_OK(guest->ops->stat(guest, paths[i], true, &one, &err));
        CHECK(many[i].exists);
        CHECK_STR_EQ(many[i].sha256, one.sha256);
    }
    guest_disk_close(guest);
    bench_close(&bench);
}

TEST(what_was_read_of_the_registry_is_forgotten_when_it_is_written)
{
    static const char key[] = "Services\\Hvgpu-new";
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    struct hive_value value = { 0 };
    struct guest_disk *guest;
    char sha256[65];
    uint64_t number = 0;
    bool exists = true, key_exists = true;

    CHECK_OK(bench_open(&bench, &err));
    guest = guest_disk_open_remote(bench.session, GUEST, BACKUP, &err);
    CHECK_OK(guest->ops->reg_get(guest, key, "Start", &exists, &value, &err));
    CHECK_OK(guest->ops->reg_key_exists(guest, key, &key_exists, &err));
    CHECK(!exists && !key_exists);
    CHECK_OK(guest->ops->hive_begin(guest, "before", &err));
    for (unsigned i = 3; i < 5; i++) {
        CHECK(hive_value_set_u64(&value, HIVE_DWORD, i));
        CHECK_OK(guest->ops->reg_set(guest, key, "Start", &value, &err));
        hive_value_clear(&value);
        CHECK_OK(guest->ops->reg_get(guest, key, "Start", &exists, &value, &err));
        CHECK(exists && hive_value_u64(&value, &number));
        CHECK_EQ(number, i);
        hive_value_clear(&value);
    }
    CHECK_OK(guest->ops->hive_end(guest, sha256, &err));
    CHECK_OK(guest->ops->reg_get(guest, key, "Start", &exists, &value, &err));
    CHECK(exists && hive_value_u64(&value, &number));
    CHECK_EQ(number, 4);
    hive_value_clear(&value);
    CHECK_OK(guest->ops->hive_begin(guest, "again", &err));
    CHECK_OK(guest->ops->reg_delete(guest, key, "Start", true, &err));
    CHECK_OK(guest->ops->reg_key_exists(guest, key, &key_exists, &err));
    CHECK(!key_exists);
    CHECK_OK(guest->ops->hive_end(guest, sha256, &err));
    guest_disk_close(guest);
    bench_close(&bench);
}

TEST(a_copy_tells_what_arrived)
{
    static const struct {
        const char *from, *to;
        bool is_there;
    } copies[] = {
        { "C:\\ProgramData\\one & ^two.dll", "System32\\x & ^y.dll", true },
        { "C:\\ProgramData\\empty.dll", "System32\\empty.dll", true },
        { "C:\\ProgramData\\nowhere.dll", "System32\\nothing.dll", false },
        { "C:\\ProgramData\\empty.dll", "System32\\no folder\\x.dll", false },
    };
    struct guest_file there;
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    struct guest_disk *guest;

    CHECK_OK(bench_open(&bench, &err));
    CHECK_OK(run_line(bench.session,
                      "echo what is copied>\"C:\\ProgramData\\one & ^two.dll\"&"
                      "type NUL>C:\\ProgramData\\empty.dll",
                      &err));
    guest = guest_disk_open_remote(bench.session, GUEST, BACKUP, &err);
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        char sha256[65] = "";

        test_case(copies[i].to);
        err = ERR_INIT;
        CHECK_EQ(guest->ops->copy_file(guest, copies[i].from, copies[i].to, sha256, &err),
                 copies[i].is_there);
        CHECK_EQ(err.kind, copies[i].is_there ? ERR_NONE : ERR_REFUSED);
        err = ERR_INIT;
        CHECK_OK(guest->ops->stat(guest, copies[i].to, true, &there, &err));
        CHECK_EQ(there.exists, copies[i].is_there);
        CHECK_EQ(there.is_readonly, copies[i].is_there);
        CHECK_STR_EQ(there.sha256, sha256);
    }
    guest_disk_close(guest);
    bench_close(&bench);
}

TEST(what_cmd_would_read_otherwise_is_never_quoted)
{
    static const char *const bad[] = { "C:\\a\"b", "C:\\%TEMP%", "C:\\a\nb", "C:\\a!b",
                                       "" };
    struct err err = ERR_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        test_case(bad[i]);
        CHECK(!shell_quote(&line, bad[i], &err));
        CHECK_EQ(err.kind, ERR_INVALID);
    }
    CHECK_EQ(line.len, 0);
    CHECK_OK(shell_quote(&line, "C:\\a & b^(c)\\", &err));
    CHECK_STR_EQ(line.text, "\"C:\\a & b^(c)\"");
}

/* A host whose command says on its two streams what @said lists, piece by piece. */
struct talker {
    struct cim_session base; /* first, so that the pointers convert */
    uint32_t exit_code;
};

static bool talk(struct cim_session *self, const struct shell_command *command,
                 uint32_t *ret_exit_code, struct err *err)
{
    static const struct {
        bool is_stderr;
        const char *text;
    } said[] = { { false, "dri" },        { true, "  war" },     { false, "ver.inf\r" },
                 { true, "ning\r\nacc" }, { false, "\n\nlast" }, { true, "ess denied" } };

    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        if (!command->on_output(said[i].text, strlen(said[i].text), said[i].is_stderr,
                                command->user, err))
            return false;
    *ret_exit_code = ((struct talker *)self)->exit_code;
    return true;
}

static bool join_lines(const char *line, void *user, struct err *err)
{
    strbuf_printf(user, "[%s]", line);
    return true;
}

TEST(lines_of_output_and_of_errors_are_never_mixed)
{
    static const struct cim_session_ops ops = { .name = "talker", .run = talk };
    CLEANUP(strbuf_cleanup) struct strbuf lines = STRBUF_INIT;
    struct talker talker = { .base.ops = &ops };
    struct shell_run run = { .session = &talker.base,
                             .on_line = join_lines,
                             .user = &lines };
    struct err err = ERR_INIT;

    CHECK_OK(shell_run(&run, 0, &err, "talk"));
    CHECK_STR_EQ(lines.text, "[driver.inf][][last]");
    talker.exit_code = 5;
    CHECK(!shell_run(&run, 0, &err, "talk"));
    CHECK_EQ(err.kind, ERR_REFUSED);
    CHECK_STR_EQ(err.text[0], "'talk' on the host ended with 5: access denied");
}

TEST(robocopys_lines_are_read_by_their_shape)
{
    struct shell_file file;

    CHECK(shell_parse_file("\t\t\t       12 2021/05/04 10:11:12\tC:\\a b\\c.dll", &file));
    CHECK_EQ(file.size, 12);
    CHECK_STR_EQ(file.path, "C:\\a b\\c.dll");
    CHECK_EQ(file.mtime_usec, 13264596672000000ll);
    CHECK(shell_parse_file("  0\tC:\\x", &file));
    CHECK_EQ(file.mtime_usec, 0);
    CHECK(!shell_parse_file("2021/05/04 10:11:12 FEHLER 5 (0x00000005) C:\\x", &file));
    CHECK(!shell_parse_file("", &file));
    CHECK(!shell_parse_file("12 C:\\..\\x", &file));
}

TEST(a_live_host_gives_the_set_its_lab_describes)
{
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    struct driver_set *set = NULL;

    CHECK_OK(bench_open(&bench, &err));
    if (bench.session)
        source = windows_source_live(bench.session, &err);
    CHECK_OK(source && driver_resolve(source, GPU, &set, &err));
    if (set) {
        CHECK_STR_EQ(set->service, "nvlddmkm");
        CHECK_STR_EQ(set->architecture, "amd64");
        CHECK(set->packages[0].file_count > 3);
        CHECK(set->value_count == 5);
        CHECK_OK(driver_set_hash(set, &err));
    }
    driver_set_free(set);
    windows_source_free(TAKE(source));
    bench_close(&bench);
}

TEST(put_there_verified_nothing_the_second_time_and_undone)
{
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    struct run run, again;
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *after = NULL;

    CHECK_OK(bench_open(&bench, &err));
    before = guest_dump(&bench);
    CHECK(before && *before);
    CHECK_OK(run_open(&run, &bench, &err));
    CHECK(run.plan->step_count >= 3);
    CHECK(!plan_has_errors(run.plan));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    CHECK_OK(run.context.guest && driver_verify(run.context.guest, run.set, NULL, &err));
    driver_close_guest(&run.context);

    CHECK_OK(trace(&bench, &err));
    CHECK_OK(run_open(&again, &bench, &err));
    CHECK_EQ(again.plan->step_count, 0);
    CHECK(count_asked(&bench, "") < 100); /* however many files the driver has */
    CHECK(count_asked(&bench, ": run certutil") <= 3);
    CHECK_EQ(count_asked(&bench,
                         "EnumValues(hDefKey=2147483650, sSubKeyName=SYSTEM\\Current"
                         "ControlSet\\Services\\nvlddmkm)"),
             1);
    driver_close_guest(&again.context);
    plan_free(again.plan);
    driver_set_free(again.set);
    windows_source_free(again.source);
    journal_close(again.context.journal);
    free(again.journal);

    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    run_close(&run, &bench);
    after = guest_dump(&bench);
    CHECK_STR_EQ(after, before);
    bench_close(&bench);
}

/* When somebody wrote the hive since, its former bytes are not put back but its values. */
TEST(an_expandable_text_that_was_there_comes_back_with_its_variables)
{
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    struct hive_value value = { 0 };
    struct guest_disk *guest;
    CLEANUP(free_cleanup) char *text = NULL;
    char sha256[65];
    bool exists = false;
    struct run run;

    CHECK_OK(bench_open(&bench, &err));
    CHECK_OK(run_open(&run, &bench, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);

    guest = guest_disk_open_remote(bench.session, GUEST, BACKUP, &err);
    CHECK_OK(guest != NULL);
    CHECK(hive_value_set_u64(&value, HIVE_DWORD, 5));
    CHECK_OK(guest->ops->hive_begin(guest, "other", &err));
    CHECK_OK(guest->ops->reg_set(guest, "Services\\Tcpip", "Start", &value, &err));
    CHECK_OK(guest->ops->hive_end(guest, sha256, &err));
    hive_value_clear(&value);
    guest_disk_close(guest);

    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    guest = guest_disk_open_remote(bench.session, GUEST, BACKUP, &err);
    CHECK_OK(guest->ops->reg_get(guest, "Services\\nvlddmkm", "ImagePath", &exists, &value,
                                 &err));
    CHECK(exists);
    text = exists ? hive_value_text(&value) : NULL;
    CHECK_STR_EQ(text, "%SystemRoot%\\System32\\DRIVERS\\nvlddmkm.sys");
    CHECK_EQ(value.type, HIVE_EXPAND_SZ);
    hive_value_clear(&value);
    CHECK_OK(guest->ops->reg_get(guest, "Services\\Tcpip", "Start", &exists, &value, &err));
    CHECK(exists); /* what somebody wrote stays */
    hive_value_clear(&value);
    guest_disk_close(guest);
    run_close(&run, &bench);
    bench_close(&bench);
}

/* Each of the first changes, then one in thirteen, before and after in turn: tests/scenarios
 * breaks a whole attach at every one. */
TEST(broken_at_a_change_undo_restores_everything)
{
    static const enum cim_fault_mode modes[] = { CIM_FAULT_FAIL_BEFORE,
                                                 CIM_FAULT_FAIL_AFTER };
    struct err err = ERR_INIT;
    struct bench bench = { 0 };
    CLEANUP(free_cleanup) char *before = NULL;
    bool broke = true;

    CHECK_OK(bench_open(&bench, &err));
    before = guest_dump(&bench);
    for (unsigned at = 1; broke && at < 5000; at += at < 6 ? 1 : 13) {
        struct cim_session *plain = NULL, *faulty = NULL;
        CLEANUP(free_cleanup) char *after = NULL;
        struct run run;
        char name[32];

        snprintf(name, sizeof(name), "%s change %u", at % 2 ? "before" : "after", at);
        test_case(name);
        CHECK_OK(run_open(&run, &bench, &err));
        driver_close_guest(&run.context);
        CHECK_OK(open_session(&bench, &plain, &err));
        faulty = cim_fault_open(&plain, modes[at % 2 == 0], at, &err);
        CHECK_OK(faulty != NULL);
        run.context.session = faulty;
        broke = !plan_run(run.plan, &run.context, &err);
        err = ERR_INIT;
        driver_close_guest(&run.context);
        run.context.session = bench.session;
        cim_release(faulty);
        CHECK_OK(plan_undo(run.plan, &run.context, &err)); /* fine when undone already */
        run_close(&run, &bench);
        after = guest_dump(&bench);
        CHECK_STR_EQ(after, before);
    }
    CHECK(!broke);
    bench_close(&bench);
}

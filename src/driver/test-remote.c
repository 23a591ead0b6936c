/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver from a simulated host into a Windows folder on that host, over WS-Management:
 * put there, verified, broken at each change, taken back.
 *
 * The guest is a folder with copies of the host's own hives: what src/share mounts is no
 * different to these functions.
 */

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

    CHECK_OK(run_open(&again, &bench, &err));
    CHECK_EQ(again.plan->step_count, 0);
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

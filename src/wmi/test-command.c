/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on this machine, by its own cmd.exe. */

#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"
#include "wmi.h"

struct output {
    struct strbuf out, err;
    bool refuse;
};

static bool keep(const char *text, size_t len, bool is_stderr, void *user, struct err *err)
{
    struct output *o = user;

    strbuf_add(is_stderr ? &o->err : &o->out, text, len);
    return !o->refuse || err_fail(err, ERR_CANCELLED, 0, "enough");
}

static bool run(const char *line, unsigned timeout_ms, struct output *o, uint32_t *ret_code,
                struct err *err)
{
    struct wmi_options options = { 0 };
    struct shell_command command = {
        .line = line, .timeout_ms = timeout_ms, .on_output = keep, .user = o
    };
    struct cim_session *session = wmi_open(&options, err);
    bool ok = cim_run(session, &command, ret_code, err);

    cim_release(session);
    return ok;
}

static void clear(struct output *o)
{
    strbuf_free(&o->out);
    strbuf_free(&o->err);
}

TEST(a_line_runs_as_it_stands_and_its_two_outputs_and_exit_code_come_back)
{
    struct output o = { 0 };
    struct err err = ERR_INIT;
    uint32_t code = 0;

    CHECK_OK(run("echo \"a  b\" & echo bad>&2 & exit 7", 0, &o, &code, &err));
    CHECK_EQ(code, 7);
    CHECK(o.out.text && strncmp(o.out.text, "\"a  b\"", 6) == 0);
    CHECK(o.err.text && strncmp(o.err.text, "bad", 3) == 0);
    clear(&o);
}

TEST(a_command_sees_the_systems_path_and_nothing_that_changes_its_tools)
{
    struct output o = { 0 };
    struct err err = ERR_INIT;
    uint32_t code;

    SetEnvironmentVariableW(L"DIRCMD", L"/b");
    SetEnvironmentVariableW(L"PATH", L"C:\\evil");
    SetEnvironmentVariableW(L"HVGPU_OWN", L"kept \x6d4b");
    CHECK_OK(run("echo [%DIRCMD%] [%PATH%] [%HVGPU_OWN%] [%CD%]", 0, &o, &code, &err));
    CHECK(o.out.text && !strstr(o.out.text, "[/b]"));
    CHECK(o.out.text && !strstr(o.out.text, "evil"));
    CHECK(o.out.text && strstr(o.out.text, "\\Wbem]"));
    CHECK(o.out.text && strstr(o.out.text, "[kept "));
    clear(&o);
}

/* It would leave a file behind, some time after it was given up. */
TEST(a_command_that_does_not_end_is_ended_with_all_it_started)
{
    struct output o = { 0 };
    struct err err = ERR_INIT;
    uint64_t start = os_monotonic_ms();
    char *left = text_printf("%s/hvgpu-left-%lu", test_temporary_dir(),
                             (unsigned long)GetCurrentProcessId());
    char *absolute, *line;
    uint32_t code;

    CHECK_OK(os_write_file(left, "", 0, &err));
    absolute = os_absolute_path(left, &err);
    CHECK_OK(os_remove_file(left, &err));
    line = text_printf("ping -n 3 127.0.0.1 >NUL & echo x>%s", absolute);
    CHECK(!run(line, 700, &o, &code, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(os_monotonic_ms() - start < 20000);
    os_sleep_ms(3000);
    CHECK(!os_file_exists(left));
    free(left);
    free(absolute);
    free(line);
    clear(&o);
}

TEST(who_has_seen_enough_ends_the_command)
{
    struct output o = { .refuse = true };
    struct err err = ERR_INIT;
    uint64_t start = os_monotonic_ms();
    uint32_t code;

    CHECK(!run("echo x& ping -n 15 127.0.0.1", 0, &o, &code, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK(os_monotonic_ms() - start < 12000);
    clear(&o);
}

TEST(much_output_comes_whole)
{
    struct output o = { 0 };
    struct err err = ERR_INIT;
    uint32_t code;

    CHECK_OK(run("for /l %i in (1,1,3000) do @echo line %i of three thousand lines", 60000,
                 &o, &code, &err));
    CHECK(o.out.len > 3000 * 30);
    CHECK(o.out.text && strstr(o.out.text, "line 3000 of"));
    clear(&o);
}

TEST(a_line_longer_than_cmd_takes_is_refused_here)
{
    struct output o = { 0 };
    struct err err = ERR_INIT;
    char *line = malloc(9000);
    uint32_t code;

    memset(line, 'x', 8999);
    line[8999] = '\0';
    CHECK(!run(line, 0, &o, &code, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    free(line);
    clear(&o);
}

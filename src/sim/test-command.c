/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines on a simulated host: parsing, tools, output, exit codes. */
#include "command.h"
#include <string.h>

#include "command-inside.h"
#include "test-world-host.h"
#include "test.h"
#include "text.h"
#include "windows-os.h"

struct result {
    struct strbuf out, err_out;
    uint32_t code;
};

static void keep(const char *text, size_t len, bool is_stderr, void *user)
{
    struct result *r = user;

    strbuf_add(is_stderr ? &r->err_out : &r->out, text, len);
}

static void result_clear(struct result *r)
{
    strbuf_free(&r->out);
    strbuf_free(&r->err_out);
}

/* Runs, and compares the exit code; the output is in @r until the next run. */
static void run(struct test_host *t, struct result *r, const char *line, uint32_t code)
{
    struct sim_command command = { .host = &t->host,
                                   .line = line,
                                   .directory = "C:\\Users\\Public",
                                   .on_output = keep,
                                   .user = r };

    strbuf_clear(&r->out);
    strbuf_clear(&r->err_out);
    test_case(line);
    r->code = sim_command_run(&command);
    CHECK_EQ(r->code, code);
}

static const char *out(const struct result *r)
{
    return r->out.text && r->out.len ? r->out.text : "";
}

static const char *err_out(const struct result *r)
{
    return r->err_out.text && r->err_out.len ? r->err_out.text : "";
}

TEST(lines_are_parsed_as_cmd_does)
{
    static const struct {
        const char *line, *out;
        uint32_t code;
    } cases[] = {
        { "echo one", "one\r\n", 0 },
        { "echo one & echo two", "one \r\ntwo\r\n", 0 },
        { "echo one&&echo two||echo three", "one\r\ntwo\r\n", 0 },
        { "rd none 2>nul || echo failed", "failed\r\n", 0 },
        { "rd none 2>nul && echo not reached", "", 2 },
        { "echo \"a & b\" ^& c", "\"a & b\" & c\r\n", 0 },
        { "echo %SystemRoot% %nothing%", "C:\\Windows %nothing%\r\n", 0 },
        { "if exist C:\\Windows echo yes", "yes\r\n", 0 },
        { "if not exist \"C:\\no such\" echo yes", "yes\r\n", 0 },
        { "if exist C:\\none echo yes", "", 0 },
        { "echo hidden>nul", "", 0 },
        { "exit 7", "", 7 },
        { ">C:\\b.txt (echo one&echo two&rem)", "", 0 },
        { ">>C:\\b.txt (echo three)&type C:\\b.txt", "one\r\ntwo\r\nthree\r\n", 0 },
        { "(echo a&echo b)>nul", "", 0 },
        { "if exist C:\\Windows (echo a&echo b) & echo c", "a\r\nb\r\nc\r\n", 0 },
        { "echo (text)", "(text)\r\n", 0 },
        { "(rd none 2>&1) >nul", "", 2 },
        { "mkdir C:\\f\\g&echo one>C:\\f\\1.x&echo two>C:\\f\\g\\2.x", "", 0 },
        { "for /r \"C:\\f\" %f in (*) do @(echo \"%f\"&echo x)",
          "\"C:\\f\\1.x\"\r\nx\r\n\"C:\\f\\g\\2.x\"\r\nx\r\n", 0 },
        { "cd /d C:\\Windows&cd", "C:\\Windows\r\n", 0 },
        { "\"C:\\Windows\\System32\\hostname.exe\"", "TEST\r\n", 0 },
        { "\"\"C:\\Windows\\System32\\hostname.exe\" & echo \"x\"\"", "TEST\r\n\"x\"\r\n",
          0 },
    };
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    CLEANUP(result_clear) struct result r = { 0 };

    CHECK(test_host_world(&t, &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        run(&t, &r, cases[i].line, cases[i].code);
        CHECK_STR_EQ(out(&r), cases[i].out);
    }
    test_case(NULL);
}

TEST(what_does_not_exist_is_told_from_what_is_not_simulated)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    CLEANUP(result_clear) struct result r = { 0 };

    CHECK(test_host_world(&t, &err));
    run(&t, &r, "nosuch.exe /x", 1);
    CHECK_STR_EQ(err_out(&r), "'nosuch.exe' is not recognized as an internal or external "
                              "command,\r\noperable program or batch file.\r\n");
    run(&t, &r, "powershell -Command x", 1);
    CHECK(text_istarts(err_out(&r), "hvgpu-sim: the command 'powershell'"));
    run(&t, &r, "echo x | more", 1);
    CHECK(text_istarts(err_out(&r), "hvgpu-sim:"));
    CHECK(sim_command_exists("robocopy.exe a b"));
    CHECK(sim_command_exists("C:\\Windows\\System32\\cmd.exe /c dir"));
    CHECK(!sim_command_exists("mkdir x"));
    test_case(NULL);
}

TEST(arguments_are_parted_as_the_c_runtime_does)
{
    static const struct {
        const char *text;
        const char *words[3];
    } cases[] = {
        { "a b  c", { "a", "b", "c" } },
        { "\"a b\" c", { "a b", "c" } },
        { "\"C:\\x\\\" b\"", { "C:\\x\" b" } }, /* the trap of a trailing backslash */
        { "\"C:\\x\\\\\" b", { "C:\\x\\", "b" } },
        { "a\\\\b \\\"c", { "a\\\\b", "\"c" } },
        { "\"\" x", { "", "x" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arguments_clear) struct arguments a = { 0 };
        size_t count = 0;

        test_case(cases[i].text);
        while (count < 3 && cases[i].words[count])
            count++;
        CHECK(arguments_of_program(cases[i].text, &a));
        CHECK_EQ(a.count, count);
        for (size_t k = 0; k < count && k < a.count; k++)
            CHECK_STR_EQ(a.words[k], cases[i].words[k]);
    }
    test_case(NULL);
}

TEST(builtins_work_on_files_and_say_what_windows_says)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    CLEANUP(result_clear) struct result r = { 0 };
    struct sim_world *world;

    world = test_host_world(&t, &err);
    CHECK(world);
    run(&t, &r, "mkdir C:\\w\\a\\b", 0);
    run(&t, &r, "mkdir C:\\w\\a", 1);
    CHECK_STR_EQ(err_out(&r), "A subdirectory or file C:\\w\\a already exists.\r\n");
    run(&t, &r, "echo hello>C:\\w\\x.txt", 0);
    run(&t, &r, "echo again>>\"C:\\w\\x.txt\"", 0);
    run(&t, &r, "type C:\\w\\x.txt", 0);
    CHECK_STR_EQ(out(&r), "hello\r\nagain\r\n");
    /* "\xFF\xFEhi": a file in UTF-16 is given in the code page of the output. */
    CHECK_OK(world_write_all(world, "C:\\w\\wide.txt", "\xFF\xFEh\0i\0", 6, 0,
                             FILE_IS_ARCHIVE, &err));
    run(&t, &r, "type C:\\w\\wide.txt", 0);
    CHECK_STR_EQ(out(&r), "hi");
    run(&t, &r, "del C:\\w\\wide.txt", 0);
    run(&t, &r, "copy /b /y C:\\w\\x.txt C:\\w\\a\\y.txt", 0);
    CHECK_STR_EQ(out(&r), "        1 file(s) copied.\r\n");
    run(&t, &r, "copy /b C:\\w\\x.txt C:\\w\\a\\y.txt", 1); /* would ask */
    run(&t, &r, "dir /b /s /a-d C:\\w", 0);
    CHECK_STR_EQ(out(&r), "C:\\w\\x.txt\r\nC:\\w\\a\\y.txt\r\n");
    run(&t, &r, "fc /b C:\\w\\x.txt C:\\w\\a\\y.txt", 0);
    run(&t, &r, "attrib +R C:\\w\\*.txt /S", 0);
    run(&t, &r, "attrib C:\\w\\x.txt", 0);
    CHECK_STR_EQ(out(&r), "A    R               C:\\w\\x.txt\r\n");
    run(&t, &r, "fsutil hardlink list C:\\w\\x.txt", 0);
    CHECK_STR_EQ(out(&r), "\\w\\x.txt\r\n");
    run(&t, &r, "del C:\\w\\x.txt", 0);
    CHECK(strstr(err_out(&r), "Access is denied.") != NULL);
    run(&t, &r, "if exist C:\\w\\x.txt echo there", 0);
    CHECK_STR_EQ(out(&r), "there\r\n");
    run(&t, &r, "del /f /q C:\\w\\x.txt", 0);
    run(&t, &r, "del C:\\w\\x.txt", 0);
    CHECK_STR_EQ(err_out(&r), "Could Not Find C:\\w\\x.txt\r\n");
    run(&t, &r, "rd C:\\w", 145);
    CHECK_STR_EQ(err_out(&r), "The directory is not empty.\r\n");
    run(&t, &r, "rd /s /q C:\\w", 5); /* holds a read-only file */
    run(&t, &r, "attrib -R C:\\w\\a\\y.txt&rd /s /q C:\\w", 0);
    run(&t, &r, "dir /b C:\\w", 1);
    test_case(NULL);
}

TEST(robocopy_copies_trees_and_tells_by_its_exit_code)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    CLEANUP(result_clear) struct result r = { 0 };

    CHECK(test_host_world(&t, &err));
    run(&t, &r,
        "mkdir C:\\s\\below&mkdir C:\\s\\empty&echo one>C:\\s\\1.txt&"
        "echo two>C:\\s\\below\\2.txt",
        0);
    run(&t, &r, "robocopy C:\\s C:\\d /E /NJH /NJS /NDL /NP /BYTES /R:0 /W:0", 1);
    CHECK_STR_EQ(out(&r), "\t    New File    \t         5\t1.txt\r\n"
                          "\t    New File    \t         5\t2.txt\r\n");
    run(&t, &r, "fc /b C:\\s\\below\\2.txt C:\\d\\below\\2.txt", 0);
    run(&t, &r, "if exist C:\\d\\empty echo made", 0);
    CHECK_STR_EQ(out(&r), "made\r\n");
    run(&t, &r, "robocopy C:\\s C:\\d /E /NJH /NJS /NDL /NP", 0);
    CHECK_STR_EQ(out(&r), "");
    run(&t, &r, "echo x>C:\\d\\extra.txt&robocopy C:\\s C:\\d /E /NJS /NJH /NDL", 2);
    CHECK(strstr(out(&r), "*EXTRA File") != NULL);
    run(&t, &r, "echo changed>C:\\s\\1.txt&robocopy C:\\s C:\\d /E /L /NJH /NJS", 3);
    run(&t, &r, "type C:\\d\\1.txt", 0);
    CHECK_STR_EQ(out(&r), "one\r\n");
    run(&t, &r, "robocopy C:\\s C:\\d /MIR /NJH /NJS", 3);
    run(&t, &r, "dir /b C:\\d", 0);
    CHECK_STR_EQ(out(&r), "1.txt\r\nbelow\r\nempty\r\n");
    run(&t, &r, "robocopy C:\\none C:\\d /R:0 /W:0", 16);
    CHECK(strstr(out(&r), "ERROR 2 (0x00000002) Accessing Source Directory") != NULL);
    run(&t, &r, "robocopy C:\\s C:\\d /NOSUCH", 16);
    run(&t, &r, "robocopy C:\\Windows\\System32\\config C:\\d SYSTEM /R:0 /W:0 /NJH",
        8 | 2);
    CHECK(strstr(out(&r), "ERROR 32 (0x00000020) Copying File") != NULL);
    CHECK(strstr(out(&r), "RETRY LIMIT EXCEEDED") != NULL);
    test_case(NULL);
}

TEST(reg_and_certutil_answer_like_the_real_ones)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    CLEANUP(result_clear) struct result r = { 0 };

    CHECK(test_host_world(&t, &err));
    run(&t, &r, "reg add HKLM\\SOFTWARE\\T /v n /t REG_DWORD /d 0x10 /f", 0);
    CHECK_STR_EQ(out(&r), "The operation completed successfully.\r\n");
    run(&t, &r, "reg query HKEY_LOCAL_MACHINE\\SOFTWARE\\T /v n", 0);
    CHECK_STR_EQ(
        out(&r),
        "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\T\r\n    n    REG_DWORD    0x10\r\n\r\n");
    run(&t, &r, "reg add HKLM\\SOFTWARE\\T /v m /t REG_MULTI_SZ /d a\\0b /f", 0);
    run(&t, &r, "reg query HKLM\\SOFTWARE\\T /v m", 0);
    CHECK(strstr(out(&r), "m    REG_MULTI_SZ    a\\0b\r\n") != NULL);
    run(&t, &r, "reg delete HKLM\\SOFTWARE\\T /f", 0);
    run(&t, &r, "reg query HKLM\\SOFTWARE\\T", 1);
    CHECK_STR_EQ(err_out(&r), "ERROR: The system was unable to find the specified registry "
                              "key or value.\r\n");
    run(&t, &r, "reg load HKLM\\X C:\\Windows\\System32\\config\\SOFTWARE", 1);
    run(&t, &r, "reg load HKLM\\X C:\\Windows\\System32\\config\\DRIVERS", 0);
    run(&t, &r, "del /f /q C:\\Windows\\System32\\config\\DRIVERS", 0);
    CHECK(strstr(err_out(&r), "being used by another process") != NULL);
    run(&t, &r, "reg unload HKLM\\X", 0);
    run(&t, &r, "reg unload HKLM\\X", 1);
    run(&t, &r, "reg save HKLM\\SYSTEM C:\\saved", 0);
    run(&t, &r, "reg load HKLM\\X C:\\saved", 0);
    run(&t, &r, "reg query HKLM\\X\\Select /v Current", 0);
    run(&t, &r, "reg unload HKLM\\X", 0);

    run(&t, &r, "echo hello>C:\\h.txt&certutil -hashfile C:\\h.txt SHA256", 0);
    CHECK_STR_EQ(out(&r),
                 "SHA256 hash of C:\\h.txt:\r\n"
                 "cd2eca3535741f27a8ae40c31b0c41d4057a7a7b912b33b9aed86485d1c84676\r\n"
                 "CertUtil: -hashfile command completed successfully.\r\n");
    run(&t, &r, "certutil -hashfile C:\\none SHA256", 0x80070002);
    run(&t, &r,
        "echo aGVsbG8=>C:\\b&certutil -f -decode C:\\b C:\\h.txt>nul&type C:\\h.txt", 0);
    CHECK_STR_EQ(out(&r), "hello");
    test_case(NULL);
}

static bool count_rows(struct cim_instance *row, void *user)
{
    ++*(unsigned *)user;
    return true;
}

static unsigned process_count(struct sim_host *host)
{
    unsigned count = 0;
    struct sim_fault fault;

    pthread_mutex_lock(host->lock);
    CHECK(windows_processes.dynamic_classes->list(host, NULL, count_rows, &count, &fault));
    pthread_mutex_unlock(host->lock);
    return count;
}

TEST(a_process_runs_without_a_shell_until_it_ends_or_is_ended)
{
    static const char line[] =
        "robocopy C:\\Windows\\System32\\config C:\\d SYSTEM /W:3600";
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = NULL, *out_ = NULL;
    struct sim_call call = { .host = &t.host, .method = "Create" };
    struct sim_fault fault;
    uint64_t code = 99, id = 0;

    CHECK(test_host_world(&t, &err));
    in = cim_instance_new(NULL, "in");
    out_ = cim_instance_new(NULL, "out");
    CHECK_OK(cim_set_text(in, "CommandLine", "nosuch.exe", &err));
    call.in = in;
    call.out = out_;
    CHECK(windows_processes.methods->call(&call, &fault));
    CHECK(cim_get_u64(out_, "ReturnValue", &code) && code == 9);
    CHECK_OK(cim_set_text(in, "CommandLine", line, &err));
    pthread_mutex_lock(t.host.lock);
    CHECK(windows_processes.methods->call(&call, &fault));
    pthread_mutex_unlock(t.host.lock);
    CHECK(cim_get_u64(out_, "ReturnValue", &code) && code == 0);
    CHECK(cim_get_u64(out_, "ProcessId", &id) && id > 0);
    CHECK_EQ(process_count(&t.host), 2); /* and System */
    windows_processes_end(&t.host);
    CHECK_EQ(process_count(&t.host), 1);
}

static void stop_it(const char *text, size_t len, bool is_stderr, void *user)
{
    atomic_store((atomic_bool *)user, true);
}

TEST(a_command_that_is_ended_ends_soon)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    atomic_bool stop = false;
    struct sim_command command = { .host = &t.host,
                                   .line = "robocopy C:\\Windows\\System32\\config C:\\d "
                                           "SYSTEM /R:9 /W:3600 /NJH",
                                   .stop = &stop,
                                   .on_output = stop_it,
                                   .user = &stop };

    CHECK(test_host_world(&t, &err));
    CHECK_EQ(sim_command_run(&command), STATUS_TERMINATED);
}

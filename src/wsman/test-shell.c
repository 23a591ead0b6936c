/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remote commands against a scripted server, which partly plays recorded answers. */

#include <stdio.h>

#include "err.h"
#include "test-fake-server.h"
#include "os.h"
#include "session.h"
#include "test.h"
#include "text.h"
#include "wsman.h"

#define RSP "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
#define ENV(body)                                                                                      \
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "                                 \
    "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:rsp=\"" RSP                    \
    "\" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header><a:RelatesTo>" REQUEST_ID \
    "</a:RelatesTo></s:Header><s:Body>" body "</s:Body></s:Envelope>"
#define CREATED(id)                                          \
    ENV("<x><w:SelectorSet><w:Selector Name=\"ShellId\">" id \
        "</w:Selector></w:SelectorSet></x>")
#define COMMAND(id) \
    ENV("<rsp:CommandResponse><rsp:CommandId>" id "</rsp:CommandId></rsp:CommandResponse>")
#define STREAM(name, base64) \
    "<rsp:Stream Name=\"" name "\" CommandId=\"C\">" base64 "</rsp:Stream>"
#define RUNNING(streams)                                                                 \
    ENV("<rsp:ReceiveResponse>" streams "<rsp:CommandState CommandId=\"C\" State=\"" RSP \
        "/CommandState/Running\"/></rsp:ReceiveResponse>")
#define DONE(streams, code)                                                              \
    ENV("<rsp:ReceiveResponse>" streams "<rsp:CommandState CommandId=\"C\" State=\"" RSP \
        "/CommandState/Done\"><rsp:ExitCode>" code "</rsp:ExitCode></rsp:CommandState>"  \
        "</rsp:ReceiveResponse>")
#define EMPTY ENV("")
#define FAULT(subcode, code)                                                                          \
    ENV("<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:" subcode                \
        "</s:Value></s:Subcode></s:Code><s:Reason><s:Text>r</s:Text></s:Reason><s:Detail>"            \
        "<f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"" code \
        "\"/></s:Detail></s:Fault>")

struct output {
    char text[256];
    unsigned pieces;
};

static bool keep(const char *text, size_t len, bool is_stderr, void *user, struct err *err)
{
    struct output *o = user;
    size_t used = strlen(o->text);

    CHECK(text_is_utf8(text, len));
    snprintf(o->text + used, sizeof(o->text) - used, "%s%.*s|",
             is_stderr ? "e:" : "o:", (int)len, text);
    o->pieces++;
    return true;
}

static struct cim_session *open_session(struct fake_server *server, unsigned timeout_ms)
{
    struct wsman_options options = { .url = fake_server_url(server),
                                     .user = "u",
                                     .auth = "basic",
                                     .password = "p",
                                     .operation_timeout_ms = timeout_ms };
    struct err err = ERR_INIT;

    return wsman_open(&options, &err);
}

/* As an answer to whatever is asked; owned by the caller. */
static char *load(const char *name)
{
    static const char tag[] = "<a:RelatesTo>";
    char *path = text_printf(WSMAN_RECORDINGS "/%s.xml", name);
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *bytes = os_read_file(path, 1 << 20, NULL, &err);
    const char *id = strstr(bytes, tag) + strlen(tag);

    free(path);
    return text_printf("%.*s" REQUEST_ID "%s", (int)(id - bytes), bytes, strchr(id, '<'));
}

TEST(a_recorded_command_runs_from_create_to_delete)
{
    char *create = load("pypsrp_shell_create_response"),
         *command = load("pypsrp_shell_command_response"),
         *timed_out = load("pypsrp_fault_timed_out"),
         *receive = load("pypsrp_shell_receive_response"),
         *delete = load("pypsrp_shell_delete_response");
    struct fake_answer script[] = {
        { create }, { command }, { timed_out, 500 }, { receive }, { EMPTY }, { delete },
    };
    struct fake_server *server = fake_server_start(script, 6);
    struct cim_session *session = open_session(server, 8000);
    struct output output = { 0 };
    struct shell_command cmd = { .line = "dir \"a & b\"",
                                 .on_output = keep,
                                 .user = &output };
    struct err err = ERR_INIT;
    uint32_t exit_code = 77;

    CHECK_OK(cim_run(session, &cmd, &exit_code, &err));
    cim_release(session);
    CHECK_EQ(exit_code, 0);
    CHECK_STR_EQ(output.text, "o:hi\r\n|");
    CHECK_EQ(fake_server_requests(server), 6);
    CHECK(strstr(fake_server_body(server, 0),
                 "<w:Option Name=\"WINRS_CODEPAGE\">65001</w:Option>"));
    CHECK(strstr(fake_server_body(server, 0),
                 "<w:Option Name=\"WINRS_NOPROFILE\">TRUE</w:Option>"));
    CHECK(strstr(fake_server_body(server, 1),
                 "<rsp:Command>dir &#34;a &#38; b&#34;</rsp:Command>"));
    CHECK(strstr(fake_server_body(server, 1),
                 ">4283CBDC-3706-415B-88BD-B385F3E51A53</w:Selector>"));
    CHECK(strstr(
        fake_server_body(server, 3),
        "DesiredStream CommandId=\"CF84C20A-0A35-43FA-AF78-0B4711DA5F30\">stdout stderr<"));
    CHECK(strstr(fake_server_body(server, 4), "/signal/terminate</rsp:Code>"));
    CHECK(strstr(fake_server_body(server, 5), "/transfer/Delete</a:Action>"));
    fake_server_stop(server);
    free(create);
    free(command);
    free(timed_out);
    free(receive);
    free(delete);
}

TEST(letters_cut_between_pieces_arrive_whole)
{
    /* "ä" is C3 A4, "€" E2 82 AC; FF is no UTF-8, and C3 at the very end is half a letter. */
    static const struct fake_answer script[] = {
        { CREATED("S") },
        { COMMAND("C") },
        { RUNNING(STREAM("stdout", "YcM=") STREAM("stderr", "4oI=")) },
        { RUNNING(STREAM("stdout", "pGI=")) },
        { DONE(STREAM("stderr", "rA==") STREAM("stdout", "/8M="), "4294967295") },
        { EMPTY },
    };
    struct fake_server *server = fake_server_start(script, 6);
    struct cim_session *session = open_session(server, 8000);
    struct output output = { 0 };
    struct shell_command cmd = { .line = "x", .on_output = keep, .user = &output };
    struct err err = ERR_INIT;
    uint32_t exit_code = 0;

    CHECK_OK(cim_run(session, &cmd, &exit_code, &err));
    CHECK_EQ(exit_code, UINT32_MAX);
    CHECK_STR_EQ(output.text, "o:a|o:äb|e:€|o:\xEF\xBF\xBD|o:\xEF\xBF\xBD|");
    cim_release(session);
    fake_server_stop(server);
}

TEST(one_shell_serves_many_commands_and_a_lost_one_is_replaced)
{
    static const struct fake_answer script[] = {
        { CREATED("S1") }, { COMMAND("C") },
        { DONE("", "1") }, { EMPTY },
        { COMMAND("C") },  { DONE("", "2") },
        { EMPTY },         { FAULT("InvalidSelectors", "2150858843"), 500 },
        { CREATED("S2") }, { COMMAND("C") },
        { DONE("", "3") }, { EMPTY },
        { EMPTY },
    };
    struct fake_server *server = fake_server_start(script, 13);
    struct cim_session *session = open_session(server, 8000);
    struct shell_command cmd = { .line = "x" };
    struct err err = ERR_INIT;

    for (uint32_t i = 1; i <= 3; i++) {
        uint32_t exit_code = 0;

        CHECK_OK(cim_run(session, &cmd, &exit_code, &err));
        CHECK_EQ(exit_code, i);
    }
    cim_release(session);
    CHECK_EQ(fake_server_requests(server), 13);
    CHECK(strstr(fake_server_body(server, 9), ">S2</w:Selector>"));
    CHECK(strstr(fake_server_body(server, 12), ">S2</w:Selector>"));
    fake_server_stop(server);
}

TEST(a_command_that_takes_too_long_is_ended)
{
    static const struct fake_answer script[] = {
        { CREATED("S") },
        { COMMAND("C") },
        { FAULT("TimedOut", "2150858793"), 500, .delay_ms = 400 },
        { FAULT("TimedOut", "2150858793"), 500, .delay_ms = 400 },
        { EMPTY },
        { EMPTY },
    };
    struct fake_server *server = fake_server_start(script, 6);
    struct cim_session *session = open_session(server, 8000);
    struct shell_command cmd = { .line = "x", .timeout_ms = 600 };
    struct err err = ERR_INIT;
    uint32_t exit_code = 5;

    CHECK(!cim_run(session, &cmd, &exit_code, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(exit_code, 5);
    CHECK(strstr(fake_server_body(server, 4), "/signal/terminate"));
    cim_release(session);
    fake_server_stop(server);
}

static bool is_cancelled(void *user)
{
    return *(bool *)user;
}

static bool cancel(const char *text, size_t len, bool is_stderr, void *user,
                   struct err *err)
{
    *(bool *)user = true;
    return true;
}

TEST(a_cancelled_command_is_ended_and_its_shell_deleted)
{
    static const struct fake_answer script[] = {
        { CREATED("S") }, { COMMAND("C") }, { RUNNING(STREAM("stdout", "YQ==")) },
        { EMPTY },        { EMPTY },
    };
    struct fake_server *server = fake_server_start(script, 5);
    bool flag = false;
    struct wsman_options options = { .url = fake_server_url(server),
                                     .user = "u",
                                     .auth = "basic",
                                     .password = "p",
                                     .is_cancelled = is_cancelled,
                                     .cancel_user = &flag };
    struct err err = ERR_INIT;
    struct cim_session *session = wsman_open(&options, &err);
    struct shell_command cmd = { .line = "x", .on_output = cancel, .user = &flag };
    uint32_t exit_code;

    CHECK(!cim_run(session, &cmd, &exit_code, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    cim_release(session);
    CHECK_EQ(fake_server_requests(server), 5);
    CHECK(strstr(fake_server_body(server, 3), "/signal/terminate"));
    CHECK(strstr(fake_server_body(server, 4), "/transfer/Delete"));
    fake_server_stop(server);
}

TEST(broken_shell_answers_are_errors)
{
    static const struct {
        const char *name;
        struct fake_answer script[4];
        enum err_kind kind;
    } cases[] = {
        { "no shell id", { { EMPTY } }, ERR_PROTOCOL },
        { "no command id", { { CREATED("S") }, { EMPTY } }, ERR_PROTOCOL },
        { "no base64",
          { { CREATED("S") }, { COMMAND("C") }, { RUNNING(STREAM("stdout", "!")) } },
          ERR_PROTOCOL },
        { "no exit code",
          { { CREATED("S") },
            { COMMAND("C") },
            { ENV("<rsp:ReceiveResponse><rsp:CommandState State=\"" RSP
                  "/CommandState/Done\"/>"
                  "</rsp:ReceiveResponse>") } },
          ERR_PROTOCOL },
        { "an odd exit code",
          { { CREATED("S") }, { COMMAND("C") }, { DONE("", "x") } },
          ERR_PROTOCOL },
        { "lost in the middle",
          { { CREATED("S") }, { COMMAND("C") }, { .drop = true } },
          ERR_UNREACHABLE },
        { "refused", { { FAULT("AccessDenied", "5"), 500 } }, ERR_DENIED },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_server *server = fake_server_start(cases[i].script, 4);
        struct cim_session *session = open_session(server, 2000);
        struct shell_command cmd = { .line = "x" };
        struct err err = ERR_INIT;
        uint32_t exit_code;

        test_case(cases[i].name);
        CHECK(!cim_run(session, &cmd, &exit_code, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        cim_release(session);
        fake_server_stop(server);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that can go wrong on the way to a host and back. */

#include "os.h"
#include "strbuf.h"
#include "test-soap.h"
#include "text.h"

TEST(bad_answers_become_errors_of_the_right_kind)
{
    static const struct {
        const char *name;
        struct fake_answer answer;
        enum err_kind kind;
        int64_t code;
        const char *hint; /* part of it */
    } cases[] = {
        { "garbage instead of HTTP",
          { .raw = "hello, this is not HTTP\r\n" },
          ERR_PROTOCOL,
          0,
          "port" },
        { "an empty answer", { .body = "" }, ERR_PROTOCOL, 200, "WinRM" },
        { "a web page",
          { .body = "<html/>", .type = "text/html" },
          ERR_PROTOCOL,
          200,
          "web server" },
        { "text that is no XML", { .body = "no xml" }, ERR_PROTOCOL, 0, NULL },
        { "XML that is no SOAP", { .body = "<a/>" }, ERR_PROTOCOL, 0, NULL },
        { "SOAP 1.1",
          { .body = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"/>" },
          ERR_PROTOCOL,
          0,
          NULL },
        { "no body",
          { .body = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"/>" },
          ERR_PROTOCOL,
          0,
          NULL },
        { "another answer",
          { .body = ENV("<n:ReleaseResponse/>") },
          ERR_PROTOCOL,
          0,
          NULL },
        { "an entity bomb",
          { .body = "<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>" },
          ERR_PROTOCOL,
          0,
          NULL },

        { "wrong password", { .status = 401 }, ERR_DENIED, 401, "Basic" },
        { "forbidden",
          { .status = 403, .body = "no", .type = "text/plain" },
          ERR_DENIED,
          403,
          "proxy" },
        { "not understood", { .status = 400 }, ERR_PROTOCOL, 400, NULL },
        { "not understood, with the reason",
          { FAULT("SchemaValidationError", "2150858817"), 400 },
          ERR_INVALID,
          0x80338041,
          NULL },
        { "a proxy", { .status = 407 }, ERR_DENIED, 407, NULL },
        { "too large", { .status = 413 }, ERR_REFUSED, 413, "MaxEnvelopeSizekb" },
        { "too long", { .status = 414 }, ERR_REFUSED, 414, NULL },
        { "not here", { .status = 405 }, ERR_PROTOCOL, 405, NULL },
        { "not SOAP", { .status = 415 }, ERR_PROTOCOL, 415, NULL },
        { "nothing to say", { .status = 204 }, ERR_PROTOCOL, 204, NULL },
        { "no listener", { .status = 404 }, ERR_UNREACHABLE, 404, "/wsman" },
        { "moved", { .status = 302 }, ERR_PROTOCOL, 302, NULL },
        { "unencrypted is refused", { .status = 500 }, ERR_REFUSED, 500, "https" },
        { "service stopped", { .status = 503 }, ERR_UNREACHABLE, 503, "winrm" },
        { "access denied",
          { FAULT("AccessDenied", "5"), 500 },
          ERR_DENIED,
          5,
          "Hyper-V Administrators" },
        { "no such namespace",
          { FAULT("CannotProcessFilter", "2147749902"), 500 },
          ERR_NOT_FOUND,
          0x8004100E,
          "namespace" },
        { "no such class",
          { FAULT("DestinationUnreachable", "2147749904"), 500 },
          ERR_NOT_FOUND,
          0x80041010,
          "class" },
        { "too many shells",
          { FAULT("QuotaLimit", "2150859173"), 500 },
          ERR_CONFLICT,
          0x803381A5,
          "wait" },
        { "an unknown fault",
          { FAULT("SomethingNew", "305419896"), 400 },
          ERR_REFUSED,
          0x12345678,
          NULL },
        { "a number as text",
          { .body = ENUMERATED(
                "<w:Items><p:Msvm_ComputerSystem xmlns:p=\"" V2
                "Msvm_ComputerSystem\"><p:EnabledState>x</p:EnabledState></p:Msvm_ComputerSystem></w:Items>") },
          ERR_PROTOCOL,
          0,
          NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        /* Some of it is sent again, as a lost connection would. */
        struct fake_answer a = cases[i].answer, script[] = { a, a, a, a, a };
        struct err err;
        size_t requests;

        query_script(script, ARRAY_LEN(script), 5000, &err, &requests);
        test_case(cases[i].name);
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(err.code, cases[i].code);
        if (cases[i].hint)
            CHECK(strstr(err.hint, cases[i].hint));
        CHECK(err.text[0][0] && text_is_utf8(err.text[0], strlen(err.text[0])));
    }
}

TEST(an_answer_to_another_request_is_not_believed)
{
    static const char items[] =
        "<n:EnumerateResponse><w:Items>" VM("a") "</w:Items><w:EndOfSequence/>"
                                                 "</n:EnumerateResponse>";
    static const struct {
        const char *name, *header, *text;
    } cases[] = {
        { "to nobody's",
          "<a:RelatesTo>uuid:00000000-0000-4000-8000-000000000001"
          "</a:RelatesTo>",
          "one to another request" },
        { "to nothing", "<a:RelatesTo/>", "one to another request" },
        { "without a word about it", "", "does not say which request" },
        { "with the word elsewhere",
          "<a:Action><a:RelatesTo>" REQUEST_ID "</a:RelatesTo></a:Action>",
          "does not say which request" },
        { "in another namespace", "<w:RelatesTo>" REQUEST_ID "</w:RelatesTo>",
          "does not say which request" },
        { "right and wrong",
          "<a:RelatesTo>" REQUEST_ID "</a:RelatesTo><a:RelatesTo>"
          "uuid:other</a:RelatesTo>",
          "one to another request" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
        struct fake_answer script[1] = { { 0 } };
        struct err err;
        size_t requests;
        struct seen seen;

        strbuf_printf(&body,
                      "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
                      "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
                      "xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" "
                      "xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\">"
                      "<s:Header>%s</s:Header><s:Body>%s</s:Body></s:Envelope>",
                      cases[i].header, items);
        script[0].body = body.text;
        test_case(cases[i].name);
        seen = query_script(script, 1, 5000, &err, &requests);
        CHECK_EQ(err.kind, ERR_PROTOCOL);
        CHECK(strstr(err.text[0], cases[i].text));
        CHECK_EQ(requests, 1);
        CHECK_EQ(seen.count, 0); /* no row of it was handed on */
    }
}

TEST(an_old_answer_sent_again_is_not_believed)
{
    static const struct fake_answer script[] = {
        { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
        { ENV_TO(LAST_REQUEST_ID, "<n:PullResponse>" CONTEXT("2") "<n:Items>" VM(
                                      "b") "</n:Items></n:PullResponse>") },
        { ENV("<n:ReleaseResponse/>") },
    };
    struct err err;
    size_t requests;
    struct seen seen = query_script(script, 3, 5000, &err, &requests);

    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK_STR_EQ(seen.names, "a;");
    CHECK_EQ(requests, 3); /* the list is given back */
}

TEST(a_fault_need_not_say_what_it_relates_to_but_must_not_say_another)
{
    static const struct fake_answer none[] = {
        { "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault>"
          "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:AccessDenied</s:Value>"
          "</s:Subcode></s:Code></s:Fault></s:Body></s:Envelope>",
          500 }
    };
    static const struct fake_answer other[] = {
        { ENV_TO("uuid:other", "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
                               "<s:Value>w:AccessDenied</s:Value></s:Subcode></s:Code>"
                               "</s:Fault>"),
          500 }
    };
    struct err err;
    size_t requests;

    query_script(none, 1, 5000, &err, &requests);
    CHECK_EQ(err.kind, ERR_DENIED);
    query_script(other, 1, 5000, &err, &requests);
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}

static size_t try_invoke(const struct fake_answer *script, size_t count, bool is_put,
                         struct err *err)
{
    struct fake_server *server = fake_server_start(script, count);
    struct cim_session *session = connect_with(server, 5000);
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/virtualization/v2", "X");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *changes = cim_instance_new(NULL, "X");
    struct cim_instance *out = NULL;
    size_t requests;

    *err = ERR_INIT;
    if (is_put)
        CHECK(!cim_put(session, path, changes, err));
    else
        CHECK(!cim_invoke(session, path, "M", NULL, &out, err));
    cim_release(session);
    requests = fake_server_requests(server);
    fake_server_stop(server);
    return requests;
}

TEST(a_busy_host_is_asked_again_for_what_only_reads)
{
    static const struct fake_answer busy[] = {
        { .status = 503, .type = "text/plain", .body = "x" },
        { FAULT("QuotaLimit", "2150859174"), 500 },
        { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
        { PULLED("<n:Items>" VM("b") "</n:Items>" END) },
    };
    struct err err;
    size_t requests;
    uint64_t start = os_monotonic_ms();
    struct seen seen = query_script(busy, 4, 5000, &err, &requests);

    CHECK(err.kind == ERR_NONE);
    CHECK_STR_EQ(seen.names, "a;b;");
    CHECK_EQ(requests, 4);
    CHECK(os_monotonic_ms() - start >= 700); /* 250 ms, then twice as long */
}

TEST(patience_with_a_busy_host_ends)
{
    static const struct fake_answer busy = { .status = 503 };
    const struct fake_answer script[] = { busy, busy, busy, busy, busy, busy, busy };
    struct err err;
    size_t requests;
    uint64_t start = os_monotonic_ms();

    query_script(script, 7, 1500, &err, &requests); /* by the time limit */
    CHECK_EQ(err.code, 503);
    CHECK_EQ(requests, 3);
    CHECK(os_monotonic_ms() - start < 3000);
}

TEST(a_busy_host_is_not_asked_again_to_change_something)
{
    static const struct fake_answer busy[] = { { .status = 503 }, { .status = 503 } };
    static const struct fake_answer full[] = { { FAULT("QuotaLimit", "2150858815"), 500 },
                                               { FAULT("QuotaLimit", "2150858815"), 500 } };
    struct err err;

    for (int put = 0; put < 2; put++) {
        CHECK_EQ(try_invoke(busy, 2, put, &err), 1);
        CHECK_EQ(err.code, 503);
        CHECK_EQ(try_invoke(full, 2, put, &err), 1);
        CHECK_EQ(err.code, 0x8033803F);
    }
}

TEST(a_pull_is_not_repeated_on_a_busy_host)
{
    static const struct fake_answer script[] = {
        { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
        { .status = 503 },
        { PULLED("<n:Items>" VM("b") "</n:Items>" END) },
    };
    struct err err;
    size_t requests;

    query_script(script, 3, 5000, &err, &requests);
    CHECK_EQ(err.code, 503);
    CHECK_EQ(requests, 2);
}

TEST(a_host_that_has_answered_before_gets_more_than_a_second_chance)
{
    static const struct fake_answer script[] = {
        { ENUMERATED("<w:Items>" VM("a") "</w:Items><w:EndOfSequence/>") },
        { .drop = true },
        { .drop = true },
        { .drop = true },
        { ENUMERATED("<w:Items>" VM("b") "</w:Items><w:EndOfSequence/>") },
    };
    struct fake_server *server = fake_server_start(script, 5);
    struct cim_session *session = connect_with(server, 5000);
    struct seen seen = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(query(session, &seen, &err));
    CHECK_OK(query(session, &seen, &err));
    CHECK_STR_EQ(seen.names, "a;b;");
    CHECK_EQ(fake_server_requests(server), 5);
    cim_release(session);
    fake_server_stop(server);
}

static bool stop_at_once(void *user)
{
    return ++*(unsigned *)user > 3;
}

TEST(waiting_for_a_busy_host_can_be_cancelled)
{
    static const struct fake_answer script[] = { { .status = 503 }, { .status = 503 } };
    struct fake_server *server = fake_server_start(script, 2);
    unsigned asked = 0;
    struct wsman_options options = { .url = fake_server_url(server),
                                     .user = "u",
                                     .auth = "basic",
                                     .password = "p",
                                     .is_cancelled = stop_at_once,
                                     .cancel_user = &asked };
    struct err err = ERR_INIT;
    struct cim_session *session = wsman_open(&options, &err);
    struct seen seen = { 0 };

    CHECK(!query(session, &seen, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK(fake_server_requests(server) <= 1);
    cim_release(session);
    fake_server_stop(server);
}

TEST(an_answer_without_end_is_cut_off)
{
    static const struct fake_answer script[] = { { .body = "<a>", .repeat = 5 << 20 } };
    struct err err;
    size_t requests;

    query_script(script, 1, 5000, &err, &requests);
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK_STR_EQ(err.text[0], "the answer is longer than 4194304 bytes");
    CHECK_EQ(requests, 1);
}

TEST(a_lost_connection_repeats_what_only_reads_and_nothing_else)
{
    static const struct fake_answer dropped_once[] = {
        { .drop = true },
        { ENUMERATED("<w:Items>" VM("a") "</w:Items><w:EndOfSequence/>") },
    };
    static const struct fake_answer half_once[] = {
        { ENUMERATED("<w:Items>" VM("x") "</w:Items><w:EndOfSequence/>"), .cut = 400 },
        { ENUMERATED("<w:Items>" VM("a") "</w:Items><w:EndOfSequence/>") },
    };
    static const struct fake_answer dropped_twice[] = { { .drop = true },
                                                        { .drop = true },
                                                        { .drop = true } };
    static const struct fake_answer lost_pull[] = {
        { ENUMERATED(CONTEXT("1") "<w:Items>" VM("a") "</w:Items>") },
        { .drop = true },
        { PULLED("<n:Items>" VM("b") "</n:Items>" END) },
    };
    struct err err;
    size_t requests;
    struct seen seen = query_script(dropped_once, 2, 5000, &err, &requests);

    CHECK(err.kind == ERR_NONE && requests == 2);
    CHECK_STR_EQ(seen.names, "a;");
    seen = query_script(half_once, 2, 5000, &err, &requests);
    CHECK(err.kind == ERR_NONE && requests == 2);
    CHECK_STR_EQ(seen.names, "a;");
    query_script(dropped_twice, 3, 5000, &err, &requests);
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(requests, 2);
    query_script(lost_pull, 3, 5000, &err, &requests);
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(requests, 2);
}

TEST(an_invoke_whose_answer_is_lost_is_never_sent_again)
{
    /* The second one goes over a connection kept from the first, where libcurl by itself
     * would send again. */
    static const struct fake_answer script[] = {
        { ENV("<p:M_OUTPUT xmlns:p=\"" V2
              "X\"><p:ReturnValue>0</p:ReturnValue></p:M_OUTPUT>") },
        { .drop = true },
        { ENV("<p:M_OUTPUT xmlns:p=\"" V2
              "X\"><p:ReturnValue>0</p:ReturnValue></p:M_OUTPUT>") },
    };
    struct fake_server *server = fake_server_start(script, 3);
    struct cim_session *session = connect_with(server, 5000);
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/virtualization/v2", "X");
    struct cim_instance *out = NULL;
    struct err err = ERR_INIT;
    uint64_t value = 1;

    CHECK_OK(cim_invoke(session, path, "M", NULL, &out, &err));
    CHECK(cim_get_u64(out, "ReturnValue", &value) && value == 0);
    cim_instance_free(TAKE(out));
    CHECK(!cim_invoke(session, path, "M", NULL, &out, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(fake_server_requests(server), 2);
    cim_release(session);
    fake_server_stop(server);
}

TEST(a_change_on_a_new_connection_is_not_repeated_either)
{
    static const struct fake_answer script[] = {
        { .drop = true },
        { ENV("<p:M_OUTPUT xmlns:p=\"" V2
              "X\"><p:ReturnValue>0</p:ReturnValue></p:M_OUTPUT>") },
    };
    struct fake_server *server = fake_server_start(script, 2);
    struct cim_session *session = connect_with(server, 5000);
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/virtualization/v2", "X");
    struct cim_instance *out = NULL;
    struct err err = ERR_INIT;

    CHECK(!cim_invoke(session, path, "M", NULL, &out, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK_EQ(fake_server_requests(server), 1);
    cim_release(session);
    fake_server_stop(server);
}

TEST(a_silent_host_is_given_up_in_time)
{
    static const struct fake_answer script[] = { { .delay_ms = 10000 } };
    struct err err;
    size_t requests;
    uint64_t start = os_monotonic_ms();

    query_script(script, 1, 300, &err, &requests);
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(os_monotonic_ms() - start < 3000);
    CHECK_EQ(requests, 1);
}

static bool cancel_soon(void *user)
{
    return os_monotonic_ms() > *(uint64_t *)user;
}

TEST(waiting_can_be_cancelled)
{
    static const struct fake_answer script[] = { { .delay_ms = 20000 } };
    struct fake_server *server = fake_server_start(script, 1);
    uint64_t start = os_monotonic_ms(), when = start + 200;
    struct wsman_options options = { .url = fake_server_url(server),
                                     .user = "u",
                                     .auth = "basic",
                                     .password = "p",
                                     .is_cancelled = cancel_soon,
                                     .cancel_user = &when };
    struct err err = ERR_INIT;
    struct cim_session *session = wsman_open(&options, &err);
    struct seen seen = { 0 };

    CHECK(!query(session, &seen, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK(os_monotonic_ms() - start < 5000);
    cim_release(session);
    fake_server_stop(server);
}

TEST(nobody_listening_is_unreachable_with_a_hint)
{
    struct fake_server *server = fake_server_start(NULL, 0);
    struct cim_session *session = connect_with(server, 2000);
    struct seen seen = { 0 };
    struct err err = ERR_INIT;

    fake_server_stop(server);
    CHECK(!query(session, &seen, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(strstr(err.hint, "winrm quickconfig"));
    cim_release(session);
}

TEST(passwords_go_to_this_machine_or_over_tls_only)
{
    static const struct {
        struct wsman_options options;
        enum err_kind kind;
    } cases[] = {
        { { .url = "http://host:5985/wsman", .user = "u", .auth = "basic" }, ERR_DENIED },
        { { .url = "http://host:5985/wsman",
            .user = "u",
            .auth = "basic",
            .insecure = true },
          ERR_NONE },
        { { .url = "https://host:5986/wsman", .user = "u", .auth = "basic" }, ERR_NONE },
        { { .url = "http://localhost:5985/wsman", .user = "u", .auth = "basic" },
          ERR_NONE },
        { { .url = "http://127.1.2.3:5985/wsman", .user = "u", .auth = "basic" },
          ERR_NONE },
        { { .url = "http://127.1.2.3.evil.example:5985/wsman",
            .user = "u",
            .auth = "basic" },
          ERR_DENIED },
        { { .url = "http://[::1]:5985/wsman", .user = "u", .auth = "basic" }, ERR_NONE },
        { { .url = "https://host:5986/wsman", .auth = "basic" }, ERR_DENIED },
        { { .url = "https://host:5986/wsman", .user = "a:b", .auth = "basic" },
          ERR_INVALID },
        { { .url = "https://host:5986/wsman", .user = "u", .auth = "basic" }, ERR_NONE },
        { { .url = "https://host:5986/wsman", .user = "u", .auth = "magic" },
          ERR_UNSUPPORTED },
        { { .url = "https://u:p@host:5986/wsman", .user = "u", .auth = "basic" },
          ERR_INVALID },
        { { .url = "ftp://host/wsman", .user = "u", .auth = "basic" }, ERR_INVALID },
        { { .url = "not a url", .user = "u", .auth = "basic" }, ERR_INVALID },
        { { .url = NULL, .user = "u", .auth = "basic" }, ERR_INVALID },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct cim_session *session = wsman_open(&cases[i].options, &err);

        test_case(cases[i].options.url);
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK((session != NULL) == (cases[i].kind == ERR_NONE));
        cim_release(session);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS: who is trusted, and what a person is told when nobody is. */

#include <microhttpd.h>
#include <stdio.h>

#include "err.h"
#include "os.h"
#include "session.h"
#include "test.h"
#include "text.h"
#include "wsman.h"

static const char answer_text[] =
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
    "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
    "xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"><s:Header><a:RelatesTo>"
    "%.41s</a:RelatesTo></s:Header><s:Body>"
    "<n:EnumerateResponse><n:EndOfSequence/></n:EnumerateResponse></s:Body></s:Envelope>";

/* Of the request under way; one client at a time. */
static char message_id[42];

/* The body comes in calls after the first; the answer goes out with the call after the last. */
static enum MHD_Result handle(void *user, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **state)
{
    static const char tag[] = "<a:MessageID>";
    struct MHD_Response *response;
    enum MHD_Result result;
    char *text, *id;

    if (!*state) {
        *state = user;
        return MHD_YES;
    }
    if (*size) {
        text = text_ndup(data, *size);
        id = strstr(text, tag);
        if (id)
            snprintf(message_id, sizeof(message_id), "%s", id + strlen(tag));
        free(text);
        *size = 0;
        return MHD_YES;
    }
    ++*(unsigned *)user;
    text = text_printf(answer_text, message_id);
    response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, "Content-Type", "application/soap+xml;charset=UTF-8");
    result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static bool no_row(const struct cim_instance *row, void *user, struct err *err)
{
    return true;
}

/* One query to @url; what came of it is in @err. */
static void try_query(const char *url, const char *ca_file, bool insecure, struct err *err)
{
    struct wsman_options options = { .url = url,
                                     .user = "u",
                                     .auth = "basic",
                                     .password = "p",
                                     .ca_file = ca_file,
                                     .insecure = insecure,
                                     .operation_timeout_ms = 5000 };
    struct cim_session *session;

    *err = ERR_INIT;
    session = wsman_open(&options, err);
    if (session && cim_query(session, "root/x", "select * from X", no_row, NULL, err))
        err->kind = ERR_NONE;
    cim_release(session);
}

TEST(only_a_trusted_certificate_with_the_right_name_is_accepted)
{
    struct err err = ERR_INIT;
    char *key = os_read_file(TLS_DATA "/key.pem", 1 << 16, NULL, &err);
    char *cert = os_read_file(TLS_DATA "/cert.pem", 1 << 16, NULL, &err);
    unsigned answered = 0;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, handle, &answered,
        MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_END);
    unsigned port =
        daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port : 0;
    char *by_name = text_printf("https://localhost:%u/wsman", port);
    char *by_address = text_printf("https://127.0.0.1:%u/wsman", port);
    char *plain = text_printf("http://localhost:%u/wsman", port);

    CHECK(daemon != NULL);
    test_case("trusted");
    try_query(by_name, TLS_DATA "/cert.pem", false, &err);
    CHECK_EQ(err.kind, ERR_NONE);
    CHECK_EQ(answered, 1);
    test_case("unknown issuer");
    try_query(by_name, NULL, false, &err);
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(strstr(err.text[0], "is self-signed") && strstr(err.hint, "--ca FILE") &&
          strstr(err.hint, "--pin sha256:"));
    test_case("wrong name");
    try_query(by_address, TLS_DATA "/cert.pem", false, &err);
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(strstr(err.text[0], "is for another name") &&
          strstr(err.hint, "by the name it was made for"));
    test_case("no such CA file");
    try_query(by_name, TLS_DATA "/missing.pem", false, &err);
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK_EQ(answered, 1);
    test_case("insecure");
    try_query(by_address, NULL, true, &err);
    CHECK_EQ(err.kind, ERR_NONE);
    CHECK_EQ(answered, 2);
    test_case("http to an https port");
    try_query(plain, NULL, false, &err);
    CHECK(err.kind == ERR_UNREACHABLE || err.kind == ERR_PROTOCOL);
    CHECK(strstr(err.hint, "mixed up"));

    if (daemon)
        MHD_stop_daemon(daemon);
    free(by_name);
    free(by_address);
    free(plain);
    free(key);
    free(cert);
}

TEST(https_to_an_http_port_says_so)
{
    unsigned answered = 0;
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL,
                                                 NULL, handle, &answered, MHD_OPTION_END);
    unsigned port =
        daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port : 0;
    char *url = text_printf("https://localhost:%u/wsman", port);
    struct err err;

    try_query(url, NULL, false, &err);
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(strstr(err.text[0], "no TLS connection") && strstr(err.hint, "5986"));
    CHECK_EQ(answered, 0);
    if (daemon)
        MHD_stop_daemon(daemon);
    free(url);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP.  Our own listening sockets, one per host, hand their connections to one
 * libmicrohttpd daemon; which host is meant follows from the local port.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gssapi/gssapi_krb5.h>
#include <libxml/parser.h>
#include <microhttpd.h>

#include "auth.h"
#include "client-certificate.h"
#include "dispatch.h"
#include "err.h"
#include "listen.h"
#include "os.h"
#include "sealed-message.h"
#include "text.h"
#include "tls-binding.h"

enum {
    ROOM = 12 * 1024, /* of a request beside MaxEnvelopeSizekb: what seals it */
    MAX_SKIPPED_BYTES = 16 * 1024 * 1024, /* more than that is not even read */
    MAX_CONNECTIONS = 8192,
    REQUEST_SECONDS = 120, /* MaxPacketRetrievalTimeSeconds */
    STACK_BYTES = 2 * 1024 * 1024,
};

struct server {
    struct server_options options;
    struct auth_users users;
    char *user, *password;
    struct endpoint *endpoints;
    size_t count;
    struct pollfd *listeners; /* @count of them, and the waking pipe */
    unsigned *ports;
    int wake[2];
    struct MHD_Daemon *daemon;
    char *tls_cert, *tls_key, *client_ca;
    struct strbuf binding;
    pthread_t acceptor;
    bool is_accepting;
};

/* ---- connections ---- */

struct connection {
    struct endpoint *endpoint;
    char client[NI_MAXHOST];
    const struct auth_scheme *scheme;
    void *auth_state;
};

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *server = user;
    struct connection *c;
    int fd;
    unsigned port;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        c = *context;
        if (c && c->scheme && c->scheme->forget)
            c->scheme->forget(c->auth_state);
        free(c);
        *context = NULL;
        return;
    }
    c = calloc(1, sizeof(*c));
    if (!c)
        return;
    fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    port = listen_port(fd);
    for (size_t i = 0; i < server->count; i++)
        if (server->ports[i] == port)
            c->endpoint = &server->endpoints[i];
    {
        struct sockaddr_storage name;
        socklen_t len = sizeof(name);

        if (getpeername(fd, (struct sockaddr *)&name, &len) != 0 ||
            getnameinfo((struct sockaddr *)&name, len, c->client, sizeof(c->client), NULL,
                        0, NI_NUMERICHOST) != 0)
            snprintf(c->client, sizeof(c->client), "0.0.0.0");
    }
    *context = c;
}

static bool accept_one(struct server *server, int listener)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    int one = 1;
    int fd =
        accept4(listener, (struct sockaddr *)&name, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    /* Closes the socket when it fails. */
    MHD_add_connection(server->daemon, fd, (struct sockaddr *)&name, len);
    return true;
}

static void *accept_all(void *user)
{
    struct server *server = user;
    struct pollfd *wake = &server->listeners[server->count];

    while (poll(server->listeners, server->count + 1, -1) >= 0 || errno == EINTR) {
        if (wake->revents)
            break;
        for (size_t i = 0; i < server->count; i++) {
            if (!server->listeners[i].revents)
                continue;
            while (accept_one(server, server->listeners[i].fd))
                ;
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                poll(wake, 1, 100); /* no room now: do not spin */
        }
    }
    return NULL;
}

/* ---- requests ---- */

struct upload {
    struct strbuf body;
    size_t skipped;
    unsigned status; /* decided before the body came; 0: go on */
    bool only_identify;
    bool is_unmapped; /* with a client certificate that is nobody's here */
    bool is_utf16;
    bool is_log_on;                   /* and perhaps nothing else */
    bool is_sealed;                   /* as came, so goes the answer */
    const struct auth_scheme *scheme; /* of the connection */
    struct strbuf challenge;          /* what authentication has to say to the client */
};

static enum MHD_Result reply(struct server *server, struct MHD_Connection *mhd,
                             unsigned status, struct strbuf *content,
                             const struct upload *upload)
{
    size_t len = content ? content->len : 0;
    char *body = len > 0 ? strbuf_take(content) : NULL; /* the response frees it */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, body, body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (!response) {
        free(body);
        return MHD_NO;
    }
    if (len > 0) {
        CLEANUP(free_cleanup)
        char *sealed = upload->is_sealed ? sealed_message_type(upload->scheme) : NULL;

        MHD_add_response_header(response, "Content-Type",
                                sealed ? sealed : "application/soap+xml;charset=UTF-8");
    }
    MHD_add_response_header(response, "Server", "Microsoft-HTTPAPI/2.0");
    if (upload->challenge.len)
        MHD_add_response_header(response, "WWW-Authenticate", upload->challenge.text);
    else if (status == MHD_HTTP_UNAUTHORIZED)
        for (unsigned i = 0; auth_schemes[i]; i++)
            if (server->users.schemes & 1u << i)
                MHD_add_response_header(response, "WWW-Authenticate",
                                        auth_schemes[i]->challenge);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "POST");
    result = MHD_queue_response(mhd, status, response);
    MHD_destroy_response(response);
    return result;
}

static const char *header(struct MHD_Connection *mhd, const char *name)
{
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

static unsigned check_type(const struct connection *c, struct MHD_Connection *mhd,
                           struct upload *upload)
{
    const char *type = header(mhd, "Content-Type");
    const char *charset = type ? text_istr(type, "charset=") : NULL;

    if (c->scheme && c->scheme->is_done && c->scheme->is_done(c->auth_state) &&
        sealed_message_is(c->scheme, type)) {
        upload->is_sealed = true;
        upload->scheme = c->scheme;
        return 0;
    }
    if (!type || !text_istarts(type, "application/soap+xml"))
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    if (!charset)
        return 0;
    charset += strlen("charset=");
    charset += *charset == '"';
    upload->is_utf16 = text_istarts(charset, "utf-16");
    return upload->is_utf16 || text_istarts(charset, "utf-8")
               ? 0
               : MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
}

/* MS-WSMV 3.1.4.1.35. */
static bool has_certificate(const struct server *server, struct MHD_Connection *mhd,
                            struct upload *upload)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const char *authorization = header(mhd, "Authorization");
    enum client_certificate which;

    if (!server->client_ca || !info || !authorization ||
        strcmp(authorization, MUTUAL_PROFILE) != 0)
        return false;
    which = client_certificate_look((gnutls_session_t)info->tls_session);
    upload->is_unmapped = which == CLIENT_CERTIFICATE_UNMAPPED;
    return which != CLIENT_CERTIFICATE_NONE;
}

/* What can be said before the body is there.  The body is read all the same, so that the
 * connection stays usable. */
static unsigned judge(struct server *server, struct connection *c,
                      struct MHD_Connection *mhd, const char *url, const char *method,
                      struct upload *upload)
{
    const char *identify = header(mhd, "WSMANIDENTIFY");
    struct auth_users users = server->users;
    unsigned status;

    if (!text_ieq(url, "/wsman") && !text_ieq(url, "/wsman/"))
        return MHD_HTTP_NOT_FOUND;
    if (strcmp(method, "POST") != 0)
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    users.cbt = c->endpoint->host->winrm.cbt;
    if (!has_certificate(server, mhd, upload) &&
        auth_check(&users, header(mhd, "Authorization"), &c->scheme, &c->auth_state,
                   &upload->challenge) != AUTH_OK) {
        if (!identify || !text_ieq(identify, "unauthenticated"))
            return MHD_HTTP_UNAUTHORIZED;
        upload->only_identify = true;
    }
    upload->is_log_on = upload->challenge.len > 0;
    status = check_type(c, mhd, upload);
    return status == MHD_HTTP_UNSUPPORTED_MEDIA_TYPE && upload->is_log_on ? 0 : status;
}

static bool is_identify(const struct upload *upload)
{
    CLEANUP(soap_request_cleanup) struct soap_request *request = NULL;
    struct sim_fault ignored;

    return soap_read(upload->body.text ? upload->body.text : "", upload->body.len,
                     upload->is_utf16 ? "UTF-16" : NULL, &request, &ignored) &&
           request->is_identify;
}

static enum MHD_Result answer_request(struct server *server, struct connection *c,
                                      struct MHD_Connection *mhd, struct upload *upload)
{
    struct answer answer = { 0 };
    int64_t began = os_now_usec();
    enum MHD_Result result;
    size_t len;

    if (c->endpoint->host->is_down)
        return MHD_NO;
    if (!upload->status && upload->only_identify && !is_identify(upload))
        upload->status = MHD_HTTP_UNAUTHORIZED;
    if (upload->status) {
        if (server->options.verbose)
            fprintf(stderr, "%s %s HTTP %u\n", c->endpoint->host->name, c->client,
                    upload->status);
        return reply(server, mhd, upload->status, NULL, upload);
    }
    if (upload->is_log_on && upload->body.len == 0)
        return reply(server, mhd, MHD_HTTP_OK, NULL, upload);
    /* The service's log says why; the client gets no word (measured: diyan/pywinrm#129). */
    if (!c->endpoint->host->winrm.allow_unencrypted && !server->tls_cert &&
        !upload->is_sealed && !upload->only_identify)
        return reply(server, mhd, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, upload);
    if (upload->is_sealed &&
        !sealed_message_open(c->scheme, c->auth_state, &upload->body)) {
        upload->is_sealed = false;
        return reply(server, mhd, MHD_HTTP_BAD_REQUEST, NULL, upload);
    }
    if (upload->is_unmapped)
        dispatch_denied(c->endpoint, upload->body.text ? upload->body.text : "",
                        upload->body.len, &answer);
    else
        dispatch(c->endpoint, upload->body.text ? upload->body.text : "", upload->body.len,
                 upload->is_utf16 ? "UTF-16" : NULL, c->client, &answer);
    len = answer.body.len;
    if (server->options.verbose)
        fprintf(stderr, "%s %s %s: HTTP %u, %zu bytes in, %zu out, %.1f ms\n",
                c->endpoint->host->name, c->client, answer.label, answer.status,
                upload->body.len, len, (double)(os_now_usec() - began) / 1000);
    if (answer.status == 0) { /* a connection lost on demand */
        strbuf_free(&answer.body);
        return MHD_NO;
    }
    if (answer.body.failed ||
        (len > 0 && upload->is_sealed &&
         !sealed_message_close(c->scheme, c->auth_state, &answer.body))) {
        strbuf_free(&answer.body);
        return MHD_NO;
    }
    result = reply(server, mhd, answer.status, &answer.body, upload);
    strbuf_free(&answer.body);
    return result;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    struct server *server = user;
    struct connection *c =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct upload *upload = *context;
    size_t most;

    if (!c || !c->endpoint)
        return MHD_NO;
    most = (size_t)c->endpoint->host->winrm.max_envelope_kb * 1024 + ROOM;
    if (!upload) {
        upload = *context = calloc(1, sizeof(*upload));
        if (!upload)
            return MHD_NO;
        upload->status = judge(server, c, mhd, url, method, upload);
        return MHD_YES;
    }
    if (*size == 0)
        return answer_request(server, c, mhd, upload);
    if (upload->status == 0 && upload->body.len + *size <= most) {
        strbuf_add(&upload->body, data, *size);
    } else {
        if (upload->status == 0)
            upload->status = MHD_HTTP_CONTENT_TOO_LARGE;
        upload->skipped += *size;
        if (upload->skipped > MAX_SKIPPED_BYTES)
            return MHD_NO;
    }
    *size = 0;
    return MHD_YES;
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct upload *upload = *context;

    if (upload) {
        strbuf_free(&upload->body);
        strbuf_free(&upload->challenge);
    }
    free(upload);
    *context = NULL;
}

/* ---- opening and closing ---- */

/* Each host has a listener, each client a connection. */
static void allow_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool open_endpoints(struct server *server, struct sim_host *const *hosts,
                           struct err *err)
{
    for (size_t i = 0; i < server->count; i++) {
        struct endpoint *e = &server->endpoints[i];
        CLEANUP(free_cleanup) char *place = NULL;

        if (!endpoint_init(e, hosts[i], err))
            return false;
        if (server->options.demand_encryption)
            hosts[i]->winrm.allow_unencrypted = false;
        for (const char *const *w = server->options.winrm; w && *w; w++)
            if (!winrm_config_apply(&hosts[i]->winrm, *w, err))
                return false;
        e->owner = server->user;
        e->pull_items = server->options.pull_items;
        e->faults = server->options.faults;
        e->open = server->options.open;
        e->save = server->options.save;
        e->user_data = server->options.user_data;
        server->listeners[i].events = POLLIN;
        server->listeners[i].fd =
            listen_open(server->options.listen, i, &place, &server->ports[i], err);
        if (server->listeners[i].fd < 0)
            return false;
        e->url = text_printf("%s://%s/wsman", server->tls_cert ? "https" : "http", place);
        if (!e->url)
            return err_no_memory(err);
    }
    return true;
}

static bool read_tls(struct server *server, struct err *err)
{
    const struct server_options *o = &server->options;
    enum { MAX_PEM = 1024 * 1024 };

    if (!o->tls_cert && !o->tls_key)
        return !o->client_ca ||
               err_fail(err, ERR_INVALID, 0,
                        "client certificates need TLS: a certificate and a key");
    if (!o->tls_cert || !o->tls_key)
        return err_fail(err, ERR_INVALID, 0, "TLS needs both a certificate and a key");
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "this libmicrohttpd was built without TLS");
    server->tls_cert = os_read_file(o->tls_cert, MAX_PEM, NULL, err);
    server->tls_key =
        server->tls_cert ? os_read_file(o->tls_key, MAX_PEM, NULL, err) : NULL;
    if (server->tls_key && o->client_ca) {
        server->client_ca = os_read_file(o->client_ca, MAX_PEM, NULL, err);
        if (!server->client_ca)
            return false;
    }
    return server->tls_key && tls_binding_make(server->tls_cert, &server->binding, err);
}

static bool set_up_auth(struct server *server, struct err *err)
{
    const struct server_options *o = &server->options;

    server->users = (struct auth_users){ .user = server->user,
                                         .password = server->password,
                                         .binding = &server->binding };
    if (!auth_parse(o->auth ? o->auth : "basic", &server->users.schemes, err))
        return false;
    if (o->keytab && krb5_gss_register_acceptor_identity(o->keytab) != GSS_S_COMPLETE)
        return err_fail(err, ERR_INVALID, 0, "the keytab '%.160s' cannot be used",
                        o->keytab);
    return true;
}

static bool start_daemon(struct server *server, struct err *err)
{
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, server->tls_cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, server->tls_key },
        { server->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
          server->client_ca },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_NO_LISTEN_SOCKET | MHD_USE_POLL | MHD_USE_ITC;

    if (server->tls_cert)
        flags |= MHD_USE_TLS;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)REQUEST_SECONDS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_ARRAY,
        server->tls_cert ? tls : none, MHD_OPTION_END);
    if (!server->daemon)
        return err_fail(err, ERR_SYSTEM, errno, "the HTTP server does not start%s",
                        server->tls_cert ? " (certificate or key unusable?)" : "");
    return true;
}

static bool start_accepting(struct server *server, struct err *err)
{
    int error;

    if (pipe2(server->wake, O_CLOEXEC) != 0)
        return err_errno(err, errno, "a pipe");
    server->listeners[server->count] =
        (struct pollfd){ .fd = server->wake[0], .events = POLLIN };
    error = pthread_create(&server->acceptor, NULL, accept_all, server);
    if (error)
        return err_errno(err, error, "a thread");
    server->is_accepting = true;
    return true;
}

struct server *server_open(const struct server_options *options,
                           struct sim_host *const *hosts, size_t host_count,
                           struct err *err)
{
    CLEANUP(server_cleanup) struct server *server = calloc(1, sizeof(*server));

    if (!server) {
        err_no_memory(err);
        return NULL;
    }
    xmlInitParser();
    allow_many_files();
    server->options = *options;
    server->wake[0] = server->wake[1] = -1;
    server->user = text_dup(options->user);
    server->password = text_dup(options->password);
    server->endpoints = calloc(host_count, sizeof(*server->endpoints));
    server->listeners = calloc(host_count + 1, sizeof(*server->listeners));
    server->ports = calloc(host_count, sizeof(*server->ports));
    if (!server->user || !server->password || !server->endpoints || !server->listeners ||
        !server->ports) {
        err_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < host_count; i++)
        server->listeners[i].fd = -1;
    server->count = host_count;
    if (!read_tls(server, err) || !set_up_auth(server, err) ||
        !open_endpoints(server, hosts, err) || !start_daemon(server, err) ||
        !start_accepting(server, err))
        return NULL;
    return TAKE(server);
}

void server_close(struct server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->count; i++)
        if (server->endpoints[i].host)
            endpoint_close(&server->endpoints[i]);
    if (server->is_accepting) {
        ssize_t ignored = write(server->wake[1], "", 1);

        (void)ignored;
        pthread_join(server->acceptor, NULL);
    }
    for (size_t i = 0; i < server->count; i++)
        if (server->listeners[i].fd >= 0)
            close(server->listeners[i].fd);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    for (size_t i = 0; i < server->count; i++)
        endpoint_clear(&server->endpoints[i]);
    if (server->wake[0] >= 0) {
        close(server->wake[0]);
        close(server->wake[1]);
    }
    if (server->password)
        os_wipe(server->password, strlen(server->password));
    if (server->tls_key)
        os_wipe(server->tls_key, strlen(server->tls_key));
    free(server->user);
    free(server->password);
    free(server->endpoints);
    free(server->listeners);
    free(server->ports);
    free(server->tls_cert);
    free(server->tls_key);
    free(server->client_ca);
    strbuf_free(&server->binding);
    free(server);
}

struct endpoint *server_endpoints(struct server *server)
{
    return server->endpoints;
}

const char *server_url(const struct server *server, size_t host)
{
    return server->endpoints[host].url;
}

unsigned long server_request_count(const struct server *server)
{
    unsigned long count = 0;

    for (size_t i = 0; i < server->count; i++)
        count += atomic_load(&server->endpoints[i].requests);
    return count;
}

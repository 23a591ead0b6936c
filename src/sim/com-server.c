/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections of the line protocol: one thread accepts, each client has one of its own. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "com.h"
#include "dispatch.h"
#include "err.h"
#include "listen.h"
#include "text.h"

enum {
    CLIENTS_MAX = 256,
    STACK_BYTES = 2 * 1024 * 1024,
    SEND_SECONDS = 120, /* a client that does not read is given up */
};

struct client {
    struct com_server *server;
    int fd;
    struct endpoint *endpoint; /* NULL before CONNECT */
    struct strbuf input, output;
    size_t scanned; /* of the input: no message ends before */
    struct client *next;
};

struct com_server {
    struct endpoint *endpoints;
    size_t count;
    bool verbose;
    char *address;
    int listener, wake[2];
    pthread_t acceptor;
    bool is_accepting;
    pthread_mutex_t lock;
    pthread_cond_t gone;
    /* Under lock. */
    struct client *clients;
    size_t client_count;
    bool closing;
};

/* ---- one client ---- */

static bool send_all(struct client *c)
{
    size_t sent = 0;
    bool ok = !c->output.failed;

    while (ok && sent < c->output.len) {
        ssize_t n = send(c->fd, c->output.text + sent, c->output.len - sent, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        else
            ok = n < 0 && errno == EINTR;
    }
    strbuf_clear(&c->output);
    return ok;
}

static bool flush(struct com_request *request)
{
    return send_all(request->user);
}

static bool wait_gone(struct com_request *request, int wake)
{
    const struct client *c = request->user;
    struct pollfd wait[2] = { { .fd = wake, .events = POLLIN },
                              { .fd = c->fd, .events = POLLRDHUP } };

    while (poll(wait, 2, -1) < 0 && errno == EINTR)
        ;
    return !wait[0].revents;
}

/* CONNECT host ns */
static void connect_to(struct client *c, const struct com_line *line)
{
    const char *host = line->count > 1 ? line->fields[1] : "";
    bool any = *host == '\0' || strcmp(host, ".") == 0;
    struct endpoint *found = NULL;
    uint32_t hresult = 0;

    for (size_t i = c->server->count; i-- > 0;)
        if (any || text_ieq(c->server->endpoints[i].host->name, host))
            found = &c->server->endpoints[i];
    if (line->count != 3)
        hresult = COM_INVALID_PARAMETER;
    else if (!found)
        hresult = 0x800706BAu; /* RPC_S_SERVER_UNAVAILABLE: no such machine */
    else if (!com_has_namespace(found, line->fields[2]))
        hresult = COM_INVALID_NAMESPACE;
    else
        c->endpoint = found;
    strbuf_printf(&c->output, "S\t%x\n\n", hresult);
}

/* False: this connection is over. */
static bool answer(struct client *c, const char *bytes, size_t len)
{
    struct com_message message = { 0 };
    struct com_request request = {
        .message = &message,
        .to = &c->output,
        .flush = flush,
        .wait_gone = wait_gone,
        .user = c,
    };
    bool ok = com_message_read(bytes, len, &message);

    if (!ok)
        strbuf_printf(&c->output, "S\t%x\n\n", COM_INVALID_PARAMETER);
    else if (strcmp(message.lines[0].fields[0], "CONNECT") == 0)
        connect_to(c, &message.lines[0]);
    else if (!c->endpoint)
        strbuf_printf(&c->output, "S\t%x\n\n", COM_INVALID_NAMESPACE);
    else {
        request.endpoint = c->endpoint;
        com_answer(&request);
        if (c->server->verbose)
            fprintf(stderr, "%s com %.100s %.60s\n", c->endpoint->host->name,
                    message.lines[0].fields[0],
                    message.lines[0].count > 2 ? message.lines[0].fields[2] : "");
    }
    com_message_clear(&message);
    return !request.drop && send_all(c) && ok;
}

/* Answers the messages that are there whole. */
static bool answer_input(struct client *c)
{
    const char *end;

    while (
        c->input.len > c->scanned &&
        (end = memmem(c->input.text + c->scanned, c->input.len - c->scanned, "\n\n", 2))) {
        size_t len = (size_t)(end - c->input.text) + 1, rest = c->input.len - len - 1;

        if (!answer(c, c->input.text, len))
            return false;
        memmove(c->input.text, c->input.text + len + 1, rest);
        c->input.len = rest;
        c->scanned = 0;
    }
    c->scanned = c->input.len > 0 ? c->input.len - 1 : 0;
    return c->input.len <= COM_MESSAGE_MAX;
}

static void *serve_client(void *user)
{
    struct client *c = user;
    struct com_server *server = c->server;
    char bytes[16 * 1024];

    for (;;) {
        ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        strbuf_add(&c->input, bytes, (size_t)n);
        if (c->input.failed || !answer_input(c))
            break;
    }
    pthread_mutex_lock(&server->lock);
    for (struct client **at = &server->clients; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    close(c->fd);
    strbuf_free(&c->input);
    strbuf_free(&c->output);
    free(c);
    server->client_count--;
    pthread_cond_broadcast(&server->gone);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* ---- accepting ---- */

static bool start_client(struct com_server *server, int fd)
{
    const struct timeval limit = { .tv_sec = SEND_SECONDS };
    struct client *c = calloc(1, sizeof(*c));
    pthread_attr_t attributes;
    pthread_t thread;
    bool ok;

    if (!c)
        return false;
    c->server = server;
    c->fd = fd;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&server->lock);
    ok = !server->closing && server->client_count < CLIENTS_MAX &&
         pthread_create(&thread, &attributes, serve_client, c) == 0;
    if (ok) {
        c->next = server->clients;
        server->clients = c;
        server->client_count++;
    }
    pthread_mutex_unlock(&server->lock);
    pthread_attr_destroy(&attributes);
    if (!ok)
        free(c);
    return ok;
}

static void *accept_all(void *user)
{
    struct com_server *server = user;
    struct pollfd wait[2] = { { .fd = server->listener, .events = POLLIN },
                              { .fd = server->wake[0], .events = POLLIN } };

    while (poll(wait, 2, -1) >= 0 || errno == EINTR) {
        int one = 1;
        int fd;

        if (wait[1].revents)
            break;
        if (!wait[0].revents)
            continue;
        fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (fd >= 0 && !start_client(server, fd))
            close(fd);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
            poll(&wait[1], 1, 100); /* no room now: do not spin */
    }
    return NULL;
}

struct com_server *com_server_open(const char *listen, struct endpoint *endpoints,
                                   size_t count, bool verbose, struct err *err)
{
    struct com_server *server;
    unsigned port;
    int error;

    if (!listen_is_local(listen, err))
        return NULL;
    server = calloc(1, sizeof(*server));
    if (!server) {
        err_no_memory(err);
        return NULL;
    }
    server->endpoints = endpoints;
    server->count = count;
    server->verbose = verbose;
    server->wake[0] = server->wake[1] = -1;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->gone, NULL);
    server->listener = listen_open(listen, 0, &server->address, &port, err);
    if (server->listener >= 0 && pipe2(server->wake, O_CLOEXEC) != 0)
        err_errno(err, errno, "a pipe");
    if (server->wake[0] < 0) {
        com_server_close(server);
        return NULL;
    }
    error = pthread_create(&server->acceptor, NULL, accept_all, server);
    if (error) {
        err_errno(err, error, "a thread");
        com_server_close(server);
        return NULL;
    }
    server->is_accepting = true;
    return server;
}

void com_server_close(struct com_server *server)
{
    if (!server)
        return;
    if (server->is_accepting) {
        ssize_t ignored = write(server->wake[1], "", 1);

        (void)ignored;
        pthread_join(server->acceptor, NULL);
        /* Whoever waits on purpose waits no longer. */
        for (size_t i = 0; i < server->count; i++)
            endpoint_close(&server->endpoints[i]);
    }
    pthread_mutex_lock(&server->lock);
    server->closing = true;
    for (struct client *c = server->clients; c; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    while (server->client_count > 0)
        pthread_cond_wait(&server->gone, &server->lock);
    pthread_mutex_unlock(&server->lock);
    if (server->listener >= 0)
        close(server->listener);
    if (server->wake[0] >= 0) {
        close(server->wake[0]);
        close(server->wake[1]);
    }
    pthread_cond_destroy(&server->gone);
    pthread_mutex_destroy(&server->lock);
    free(server->address);
    free(server);
}

const char *com_server_address(const struct com_server *server)
{
    return server->address;
}

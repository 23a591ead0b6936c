/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scripted HTTP server for tests. */

#include "test-fake-server.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "test-socket.h"
#include "text.h"

enum { MAX_REQUESTS = 256 };

struct fake_server {
    const struct fake_answer *script;
    size_t count;
    int listener, stop[2];
    pthread_t thread;
    char url[64];
    pthread_mutex_t lock;
    size_t requests;
    char *heads[MAX_REQUESTS], *bodies[MAX_REQUESTS];
};

/* False: the server is to stop, or the time is over. */
static bool wait_for(struct fake_server *s, int fd, int timeout_ms)
{
    struct pollfd fds[] = { { fd, POLLIN, 0 }, { s->stop[0], POLLIN, 0 } };

    return poll(fds, 2, timeout_ms) > 0 && !fds[1].revents && fds[0].revents;
}

/* One request: head and body.  False: the other side is gone. */
static bool read_request(struct fake_server *s, int fd)
{
    struct strbuf in = STRBUF_INIT;
    size_t need = 0;
    char piece[4096], *end = NULL, *length;

    while (!end || in.len < need) {
        ssize_t n = wait_for(s, fd, -1) ? recv(fd, piece, sizeof(piece), 0) : 0;

        if (n <= 0) {
            strbuf_free(&in);
            return false;
        }
        strbuf_add(&in, piece, (size_t)n);
        if (!end && (end = strstr(in.text, "\r\n\r\n")) != NULL) {
            length = (char *)text_istr(in.text, "Content-Length: ");
            need =
                (size_t)(end + 4 - in.text) + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
        end = strstr(in.text, "\r\n\r\n");
    }
    pthread_mutex_lock(&s->lock);
    if (s->requests < MAX_REQUESTS) {
        s->heads[s->requests] = text_ndup(in.text, (size_t)(end - in.text));
        s->bodies[s->requests] = text_dup(end + 4);
    }
    s->requests++;
    pthread_mutex_unlock(&s->lock);
    strbuf_free(&in);
    return true;
}

/* What stands between the tags of the n-th request's MessageID; owned by the caller. */
static char *request_id(struct fake_server *s, size_t n)
{
    static const char tag[] = "<a:MessageID>";
    const char *from = n < MAX_REQUESTS && s->bodies[n] ? strstr(s->bodies[n], tag) : NULL;

    from = from ? from + strlen(tag) : "";
    return text_ndup(from, strcspn(from, "<"));
}

static void put_body(struct fake_server *s, struct strbuf *to, const char *body)
{
    CLEANUP(free_cleanup) char *now = request_id(s, s->requests - 1);
    CLEANUP(free_cleanup)
    char *before = s->requests > 1 ? request_id(s, s->requests - 2) : text_dup("");

    while (*body) {
        if (text_istarts(body, REQUEST_ID)) {
            strbuf_puts(to, now);
            body += strlen(REQUEST_ID);
        } else if (text_istarts(body, LAST_REQUEST_ID)) {
            strbuf_puts(to, before);
            body += strlen(LAST_REQUEST_ID);
        } else {
            strbuf_putc(to, *body++);
        }
    }
}

/* False: close the connection. */
static bool answer(struct fake_server *s, int fd, const struct fake_answer *a)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct strbuf out = STRBUF_INIT;
    size_t sent = 0;

    if (a->delay_ms)
        poll(&(struct pollfd){ s->stop[0], POLLIN, 0 }, 1, (int)a->delay_ms);
    if (a->drop)
        return false;
    if (a->raw) {
        strbuf_puts(&out, a->raw);
    } else {
        put_body(s, &body, a->body ? a->body : "");
        strbuf_printf(
            &out, "HTTP/1.1 %d Status\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
            a->status ? a->status : 200,
            a->type ? a->type : "application/soap+xml;charset=UTF-8", body.len + a->repeat);
        strbuf_add(&out, body.text, body.len);
        for (size_t i = 0; i < a->repeat; i++)
            strbuf_putc(&out, 'x');
    }
    if (a->cut && a->cut < out.len)
        out.len = a->cut;
    while (sent < out.len) {
        ssize_t n = send(fd, out.text + sent, out.len - sent, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    strbuf_free(&out);
    return !a->cut && !a->raw;
}

static void *serve(void *user)
{
    struct fake_server *s = user;

    while (wait_for(s, s->listener, -1)) {
        int fd = accept(s->listener, NULL, NULL);
        bool open = fd >= 0;

        if (open)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (const char *)&(int){ 1 },
                       sizeof(int));
        while (open && read_request(s, fd)) {
            size_t n = s->requests - 1;

            open = n < s->count && answer(s, fd, &s->script[n]);
        }
        if (fd >= 0)
            socket_close(fd);
    }
    return NULL;
}

static int listen_here(struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof(*ret_address);

    *ret_address = (struct sockaddr_in){ .sin_family = AF_INET };
    ret_address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, size) || listen(fd, 8) ||
        getsockname(fd, (struct sockaddr *)ret_address, &size))
        abort();
    return fd;
}

/* A pipe of sockets: nothing else can be waited for together with sockets everywhere. */
static void make_pipe(int ends[2])
{
    struct sockaddr_in address;
    int listener = listen_here(&address);

    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[1], (struct sockaddr *)&address, sizeof(address)))
        abort();
    ends[0] = accept(listener, NULL, NULL);
    socket_close(listener);
}

struct fake_server *fake_server_start(const struct fake_answer *script, size_t count)
{
    struct fake_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in address;

    socket_prepare();
    s->script = script;
    s->count = count;
    pthread_mutex_init(&s->lock, NULL);
    make_pipe(s->stop);
    s->listener = listen_here(&address);
    if (pthread_create(&s->thread, NULL, serve, s))
        abort();
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/wsman", ntohs(address.sin_port));
    return s;
}

const char *fake_server_url(const struct fake_server *server)
{
    return server->url;
}

size_t fake_server_requests(struct fake_server *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->requests;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const char *fake_server_body(struct fake_server *s, size_t n)
{
    return n < fake_server_requests(s) && s->bodies[n] ? s->bodies[n] : "";
}

const char *fake_server_head(struct fake_server *s, size_t n)
{
    return n < fake_server_requests(s) && s->heads[n] ? s->heads[n] : "";
}

void fake_server_stop(struct fake_server *s)
{
    if (send(s->stop[1], "x", 1, MSG_NOSIGNAL) != 1)
        abort();
    pthread_join(s->thread, NULL);
    socket_close(s->listener);
    socket_close(s->stop[0]);
    socket_close(s->stop[1]);
    for (size_t i = 0; i < MAX_REQUESTS; i++) {
        free(s->heads[i]);
        free(s->bodies[i]);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

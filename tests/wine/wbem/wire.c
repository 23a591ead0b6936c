/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to the simulator.  Each request has one of its own; idle ones are kept. */
#include "wbem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ws2tcpip.h>

enum { IDLE_MOST = 8, LINE_MOST = 256 * 1024 * 1024, READ_BYTES = 64 * 1024 };

#define SERVER_UNAVAILABLE ((HRESULT)0x800706BA) /* RPC_S_SERVER_UNAVAILABLE */
#define CALL_FAILED ((HRESULT)0x800706BE)        /* RPC_S_CALL_FAILED */

/* ---- places ---- */

struct place *place_new(const char *host, const char *ns)
{
    struct place *place = grab(sizeof(*place));

    place->host = copy_text(host);
    place->ns = copy_text(ns);
    place->refs = 1;
    return place;
}

struct place *place_keep(struct place *place)
{
    if (place)
        InterlockedIncrement(&place->refs);
    return place;
}

void place_drop(struct place *place)
{
    if (!place || InterlockedDecrement(&place->refs) > 0)
        return;
    free(place->host);
    free(place->ns);
    free(place);
}

/* ---- texts ---- */

void text_add(struct text *to, const char *bytes, size_t len)
{
    if (to->len + len + 1 > to->size) {
        to->size = (to->len + len + 1) * 2;
        to->bytes = realloc(to->bytes, to->size);
        if (!to->bytes)
            abort();
    }
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
    to->bytes[to->len] = '\0';
}

void text_field(struct text *to, const char *field)
{
    text_add(to, "\t", 1);
    for (; *field; field++)
        switch (*field) {
        case '\t':
            text_add(to, "\\t", 2);
            break;
        case '\n':
            text_add(to, "\\n", 2);
            break;
        case '\r':
            text_add(to, "\\r", 2);
            break;
        case '\\':
            text_add(to, "\\\\", 2);
            break;
        default:
            text_add(to, field, 1);
        }
}

/* ---- connections ---- */

struct line_in {
    char *bytes;
    size_t len, size, at; /* read up to @len, of which @at are used up */
};

struct connection {
    SOCKET socket;
    struct line_in in;
    char *host, *ns; /* that it is connected to */
    struct connection *next;
};

static SRWLOCK idle_lock = SRWLOCK_INIT;
static struct connection *idle;
static size_t idle_count;

static void connection_close(struct connection *c)
{
    if (!c)
        return;
    if (c->socket != INVALID_SOCKET)
        closesocket(c->socket);
    free(c->in.bytes);
    free(c->host);
    free(c->ns);
    free(c);
}

static void connection_keep(struct connection *c)
{
    AcquireSRWLockExclusive(&idle_lock);
    if (c->in.at == c->in.len && idle_count < IDLE_MOST) {
        c->next = idle;
        idle = c;
        idle_count++;
        c = NULL;
    }
    ReleaseSRWLockExclusive(&idle_lock);
    connection_close(c);
}

static struct connection *take_idle(const char *host, const char *ns)
{
    struct connection *found = NULL;

    AcquireSRWLockExclusive(&idle_lock);
    for (struct connection **at = &idle; *at; at = &(*at)->next)
        if (_stricmp((*at)->host, host) == 0 && _stricmp((*at)->ns, ns) == 0) {
            found = *at;
            *at = found->next;
            idle_count--;
            break;
        }
    ReleaseSRWLockExclusive(&idle_lock);
    return found;
}

static BOOL CALLBACK start_sockets(INIT_ONCE *once, void *user, void **context)
{
    WSADATA data;

    return WSAStartup(MAKEWORD(2, 2), &data) == 0;
}

/* HVGPU_TEST_COM=127.0.0.1:PORT[/HOST]; HOST is meant where a path names none. */
static bool read_port(unsigned short *ret_port, char *ret_host, size_t size)
{
    WCHAR value[256];
    DWORD len = GetEnvironmentVariableW(PORT_VARIABLE, value, ARRAYSIZE(value));
    char *text, *colon, *slash;
    long port;

    if (len == 0 || len >= ARRAYSIZE(value))
        return false;
    text = utf8_of(value);
    slash = strchr(text, '/');
    if (slash)
        *slash++ = '\0';
    snprintf(ret_host, size, "%s", slash ? slash : "");
    colon = strrchr(text, ':');
    port = strtol(colon ? colon + 1 : text, NULL, 10);
    *ret_port = (unsigned short)port;
    free(text);
    return port > 0 && port < 65536;
}

static SOCKET dial(unsigned short port)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int one = 1;
    SOCKET s;

    if (!InitOnceExecuteOnce(&once, start_sockets, NULL, NULL))
        return INVALID_SOCKET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_NO_HANDLE_INHERIT);
    if (s == INVALID_SOCKET)
        return s;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&one, sizeof(one));
    if (connect(s, (struct sockaddr *)&to, sizeof(to)) != 0) {
        closesocket(s);
        return INVALID_SOCKET;
    }
    return s;
}

static bool send_all(struct connection *c, const struct text *request)
{
    size_t sent = 0;

    while (sent < request->len) {
        size_t rest = request->len - sent;
        int n =
            send(c->socket, request->bytes + sent, rest > 1 << 20 ? 1 << 20 : (int)rest, 0);

        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

/* S_OK and a line, lent until the next call, without its end; WBEM_S_TIMEDOUT; CALL_FAILED. */
static HRESULT read_line(struct connection *c, ULONGLONG deadline, char **ret)
{
    struct line_in *in = &c->in;
    size_t scanned = in->at;

    for (;;) {
        char *end =
            in->len > scanned ? memchr(in->bytes + scanned, '\n', in->len - scanned) : NULL;
        ULONGLONG now = GetTickCount64();
        ULONGLONG left = deadline > now ? deadline - now : 0;
        struct timeval wait = { .tv_sec = (long)(left / 1000),
                                .tv_usec = (long)(left % 1000) * 1000 };
        fd_set set;
        int n;

        if (end) {
            *end = '\0';
            *ret = in->bytes + in->at;
            in->at = (size_t)(end - in->bytes) + 1;
            return S_OK;
        }
        if (in->at > 0) {
            memmove(in->bytes, in->bytes + in->at, in->len - in->at);
            in->len -= in->at;
            in->at = 0;
        }
        scanned = in->len;
        if (in->len > LINE_MOST)
            return CALL_FAILED;
        if (in->size - in->len < READ_BYTES) {
            in->size = in->len * 2 + READ_BYTES;
            in->bytes = realloc(in->bytes, in->size);
            if (!in->bytes)
                abort();
        }
        FD_ZERO(&set);
        FD_SET(c->socket, &set);
        n = select(0, &set, NULL, NULL, deadline == ~0ull ? NULL : &wait);
        if (n == 0)
            return WBEM_S_TIMEDOUT;
        n = n < 0 ? -1 : recv(c->socket, in->bytes + in->len, READ_BYTES, 0);
        if (n <= 0)
            return CALL_FAILED;
        in->len += (size_t)n;
    }
}

/* `S hresult [text]` */
static bool parse_status(char *line, HRESULT *ret, char **ret_text)
{
    char *tab, *end;

    if (line[0] != 'S' && line[0] != 'X')
        return false;
    if (line[1] != '\t')
        return false;
    *ret = (HRESULT)strtoul(line + 2, &end, 16);
    tab = *end == '\t' ? end + 1 : NULL;
    if (end == line + 2 || (*end && !tab))
        return false;
    free(*ret_text);
    *ret_text = copy_text(tab ? tab : "");
    return true;
}

static HRESULT say_hello(struct connection *c, const char *host, const char *ns)
{
    struct text hello = { 0 };
    HRESULT hr, status = CALL_FAILED;
    char *line, *text = NULL;
    bool ok;

    text_add(&hello, "CONNECT", 7);
    text_field(&hello, host);
    text_field(&hello, ns);
    text_add(&hello, "\n\n", 2);
    ok = send_all(c, &hello);
    free(hello.bytes);
    hr = ok ? read_line(c, ~0ull, &line) : CALL_FAILED;
    if (SUCCEEDED(hr) && !parse_status(line, &status, &text))
        hr = WBEM_E_TRANSPORT_FAILURE;
    free(text);
    if (SUCCEEDED(hr))
        hr = read_line(c, ~0ull, &line); /* the empty one */
    return FAILED(hr) ? hr : status;
}

static HRESULT connection_open(const struct place *place, struct connection **ret)
{
    struct connection *c;
    unsigned short port;
    char host[128];
    HRESULT hr;

    *ret = NULL;
    if (!read_port(&port, host, sizeof(host)))
        return SERVER_UNAVAILABLE;
    if (*place->host)
        snprintf(host, sizeof(host), "%s", place->host);
    *ret = take_idle(host, place->ns);
    if (*ret)
        return S_OK;
    c = grab(sizeof(*c));
    c->host = copy_text(host);
    c->ns = copy_text(place->ns);
    c->socket = dial(port);
    if (c->socket == INVALID_SOCKET) {
        connection_close(c);
        return SERVER_UNAVAILABLE;
    }
    hr = say_hello(c, host, place->ns);
    if (FAILED(hr)) {
        connection_close(c);
        return hr;
    }
    *ret = c;
    return S_OK;
}

HRESULT wire_check(struct place *place)
{
    struct connection *c;
    HRESULT hr = connection_open(place, &c);

    if (SUCCEEDED(hr))
        connection_keep(c);
    return hr;
}

/* ---- answers ---- */

struct answer {
    struct place *place;
    struct connection *c; /* NULL: over */
    HRESULT end;          /* S_FALSE: nothing more; or an error, once @c is NULL */
    bool has_status;
    char *text;
    struct object *coming; /* its properties come */
    char *coming_role;
};

struct answer *answer_start(struct place *place, struct text *request)
{
    struct answer *a = grab(sizeof(*a));

    a->place = place_keep(place);
    a->text = copy_text("");
    text_add(request, "\n", 1);
    a->end = connection_open(place, &a->c);
    if (a->c && !send_all(a->c, request)) {
        connection_close(a->c);
        a->c = NULL;
        a->end = SERVER_UNAVAILABLE;
    }
    free(request->bytes);
    *request = (struct text){ 0 };
    return a;
}

void answer_free(struct answer *a)
{
    if (!a)
        return;
    connection_close(a->c); /* nobody reads the rest */
    object_release(a->coming);
    free(a->coming_role);
    place_drop(a->place);
    free(a->text);
    free(a);
}

const char *answer_text(const struct answer *a)
{
    return a->text;
}

static void finish(struct answer *a, HRESULT end, bool is_whole)
{
    if (is_whole)
        connection_keep(a->c);
    else
        connection_close(a->c);
    a->c = NULL;
    a->end = end;
}

static HRESULT hand_out(struct answer *a, struct object **ret, char **ret_role)
{
    *ret = a->coming;
    if (ret_role)
        *ret_role = a->coming_role;
    else
        free(a->coming_role);
    a->coming = NULL;
    a->coming_role = NULL;
    return S_OK;
}

/* One line; S_OK: go on reading, unless *ret is an object. */
static HRESULT take_line(struct answer *a, char *line, struct object **ret, char **ret_role)
{
    struct object *next = NULL;
    char *role = NULL;
    HRESULT status;

    if (!*line) {
        HRESULT end =
            a->has_status ? (FAILED(a->end) ? a->end : S_FALSE) : WBEM_E_TRANSPORT_FAILURE;

        finish(a, end, true);
        return a->coming ? hand_out(a, ret, ret_role) : end;
    }
    if (*line == 'P' && a->coming && parse_property(line, a->coming))
        return S_OK;
    if (*line == 'O' && a->has_status && parse_head(a->place, line, &next, &role)) {
        HRESULT hr = a->coming ? hand_out(a, ret, ret_role) : S_OK;

        a->coming = next;
        a->coming_role = role;
        return hr;
    }
    if (parse_status(line, &status, &a->text) && (*line == 'X' || !a->has_status)) {
        a->has_status = true;
        a->end = status;
        return S_OK;
    }
    finish(a, WBEM_E_TRANSPORT_FAILURE, false);
    return a->end;
}

HRESULT answer_next(struct answer *a, LONG timeout, struct object **ret, char **ret_role)
{
    ULONGLONG deadline =
        timeout == WBEM_INFINITE ? ~0ull : GetTickCount64() + (ULONG)timeout;

    *ret = NULL;
    if (ret_role)
        *ret_role = NULL;
    while (a->c) {
        char *line;
        HRESULT hr = read_line(a->c, deadline, &line);

        if (hr == WBEM_S_TIMEDOUT)
            return hr;
        if (FAILED(hr)) {
            finish(a, hr, false);
            break;
        }
        hr = take_line(a, line, ret, ret_role);
        if (*ret)
            return S_OK;
        if (hr != S_OK)
            return hr;
    }
    return FAILED(a->end) ? a->end : S_FALSE;
}

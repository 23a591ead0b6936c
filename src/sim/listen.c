/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "text.h"

/* "[::1]:5985" -> "::1", "5985". */
static bool split(const char *listen, char **ret_address, uint64_t *ret_port,
                  struct err *err)
{
    const char *colon = strrchr(listen, ':'), *from = listen, *end = colon;
    const char *port = colon ? colon + 1 : listen;

    if (!colon) {
        from = "127.0.0.1";
        end = from + strlen(from);
    } else if (*from == '[' && end > from && end[-1] == ']') {
        from++;
        end--;
    }
    if (!text_to_u64(port, 10, ret_port) || *ret_port > 65535)
        return err_fail(err, ERR_INVALID, 0, "'%.80s' is not ADDRESS:PORT", listen);
    *ret_address = text_ndup(from, (size_t)(end - from));
    return *ret_address || err_no_memory(err);
}

static int open_socket(const struct addrinfo *where, const char *address, uint64_t port,
                       struct err *err)
{
    int one = 1;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        err_errno(err, errno, "a socket for port %u", (unsigned)port);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        err_errno(err, errno, "listening on %s port %u", address, (unsigned)port);
        err_hint(err, "choose another place with --listen ADDRESS:PORT");
        close(fd);
        return -1;
    }
    return fd;
}

unsigned listen_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);

    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return 0;
    return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                            : ((struct sockaddr_in *)&name)->sin_port);
}

/* What a client on this machine can connect to. */
static const char *reachable(const char *address)
{
    if (strcmp(address, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(address, "::") == 0 ? "::1" : address;
}

bool listen_is_local(const char *listen, struct err *err)
{
    CLEANUP(free_cleanup) char *address = NULL;
    struct in6_addr v6;
    struct in_addr v4;
    uint64_t port;

    if (!split(listen, &address, &port, err))
        return false;
    if ((inet_pton(AF_INET, address, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127) ||
        (inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6)))
        return true;
    return err_fail(err, ERR_INVALID, 0, "'%.80s' is no address of this machine alone",
                    address);
}

int listen_open(const char *listen, size_t index, char **ret_place, unsigned *ret_port,
                struct err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    CLEANUP(free_cleanup) char *address = NULL;
    struct addrinfo *where = NULL;
    uint64_t port;
    char service[8];
    int fd, failed;

    if (!split(listen ? listen : "127.0.0.1:0", &address, &port, err))
        return -1;
    if (port != 0)
        port += index;
    if (port > 65535) {
        err_fail(err, ERR_INVALID, 0, "host %zu of the lab would need port %u", index + 1,
                 (unsigned)port);
        err_hint(err, "start at a lower port, or take free ports with ADDRESS:0");
        return -1;
    }
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    failed = getaddrinfo(address, service, &hints, &where);
    if (failed) {
        err_fail(err, ERR_INVALID, 0, "'%.80s' is no IP address: %s", address,
                 gai_strerror(failed));
        return -1;
    }
    fd = open_socket(where, address, port, err);
    freeaddrinfo(where);
    if (fd < 0)
        return -1;
    *ret_port = listen_port(fd);
    *ret_place = text_printf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", reachable(address),
                             *ret_port);
    if (!*ret_place) {
        close(fd);
        err_no_memory(err);
        return -1;
    }
    return fd;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets for the fake server, which are almost the same on Windows. */
#pragma once

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>

#define MSG_NOSIGNAL 0
#define poll WSAPoll

/* Handles are small numbers: Windows promises 32 bits of them to other processes. */
#define socket(...) ((int)socket(__VA_ARGS__))
#define accept(...) ((int)accept(__VA_ARGS__))

static inline void socket_prepare(void)
{
    WSADATA data;

    WSAStartup(MAKEWORD(2, 2), &data);
}

static inline void socket_close(int fd)
{
    closesocket((SOCKET)fd);
}
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void socket_prepare(void)
{
}

static inline void socket_close(int fd)
{
    close(fd);
}
#endif

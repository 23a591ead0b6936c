/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening TCP sockets, one per simulated host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Whether only programs of this machine can come to @listen; else ERR_INVALID. */
bool listen_is_local(const char *listen, struct err *err);

/* @listen: "ADDRESS:PORT", "[V6]:PORT", "PORT" or NULL (127.0.0.1, a free port).  The
 * socket for host @index takes PORT + @index, or a free port when PORT is 0.  Gives the
 * socket and its place as text for a URL ("127.0.0.1:5985"; owned); -1 with @err. */
int listen_open(const char *listen, size_t index, char **ret_place, unsigned *ret_port,
                struct err *err);

/* Of our end of a socket; 0: it has none. */
unsigned listen_port(int fd);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ties a log-on to this server's TLS certificate (RFC 5929, tls-server-end-point). */
#pragma once

#include <stdbool.h>

#include "strbuf.h"

struct err;

/* @pem: the server's certificate. */
bool tls_binding_make(const char *pem, struct strbuf *ret, struct err *err);

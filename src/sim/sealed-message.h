/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The multipart/encrypted body of a message (MS-WSMV 2.2.9.1), as a server reads and writes
 * it.  Written apart from the client's, so that each can contradict the other. */
#pragma once

#include <stdbool.h>

#include "auth.h"
#include "strbuf.h"

/* The Content-Type of @scheme's messages, owned by the caller. */
char *sealed_message_type(const struct auth_scheme *scheme);

/* One of @scheme: another protocol than the log-on's is none. */
bool sealed_message_is(const struct auth_scheme *scheme, const char *content_type);

/* Puts the message in the place of its sealed form, and the other way round.  False: not
 * possible; what @body holds then is of no use. */
bool sealed_message_open(const struct auth_scheme *scheme, void *state,
                         struct strbuf *body);
bool sealed_message_close(const struct auth_scheme *scheme, void *state,
                          struct strbuf *body);

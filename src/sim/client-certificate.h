/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging on with a TLS client certificate (MS-WSMV 3.1.4.1.35): the host has one mapping,
 * of all certificates (Subject "*") that one authority issued, for all resources (URI "*"),
 * to the simulated user.
 */
#pragma once

#include <stdbool.h>

#include <gnutls/gnutls.h>

/* What the Authorization header says (the literal profile of DSP0226 C.2.3.3). */
#define MUTUAL_PROFILE "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

enum client_certificate {
    CLIENT_CERTIFICATE_NONE,     /* none was shown: HTTP 401, as without any log-on */
    CLIENT_CERTIFICATE_UNMAPPED, /* not of this authority, or expired: w:AccessDenied */
    CLIENT_CERTIFICATE_MAPPED,
};
/* @session knows the authority as its trusted one. */
enum client_certificate client_certificate_look(gnutls_session_t session);

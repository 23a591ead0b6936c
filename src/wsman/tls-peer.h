/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TLS libraries do differently: how one learns whose certificate the other side of a
 * connection has shown, and what may be shown to it.  OpenSSL and others: tls-peer-posix.c;
 * Schannel: tls-peer-win32.c.
 */
#pragma once

#include <stdbool.h>

#include <curl/curl.h>

#include "certificate.h"

/* Before the transfer. */
CURLcode tls_peer_prepare(CURL *curl);

/* Within the transfer, when the connection is there (CURLOPT_PREREQFUNCTION). */
bool tls_peer_certificate(CURL *curl, struct certificate *ret);
/* "DNS:hv-01.example.org, DNS:hv-01" of the certificate; "" when it has none. */
enum { TLS_NAMES_MOST = 160 };
void tls_peer_names(CURL *curl, char ret[TLS_NAMES_MOST]);

/* @key NULL: in the same file.  Which forms are taken differs. */
bool tls_set_client_certificate(CURL *curl, const char *certificate, const char *key,
                                struct err *err) MUST_CHECK;

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What auth-sspi-win32.c is made of: a context of SSPI, its messages (sspi-message-win32.c),
 * its errors (sspi-error-win32.c). */
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#define SECURITY_WIN32
#include <windows.h>
#include <security.h>

#include <stdbool.h>
#include <stddef.h>

#include "auth.h"

enum sspi_mechanism { SSPI_NOT_KNOWN, SSPI_KERBEROS, SSPI_NTLM };

struct sspi_context {
    CredHandle cred;
    CtxtHandle ctx;
    bool has_cred, has_ctx;
    enum sspi_mechanism mechanism;
};

void sspi_forget(struct sspi_context *context);
/* Which mechanism @context has come to, by what Windows says, or by the token it made. */
void sspi_find_mechanism(struct sspi_context *context, const wchar_t *package,
                         const void *token, size_t len);
/* "Kerberos", "NTLM", or @otherwise. */
const char *sspi_mechanism_name(const struct sspi_context *context, const char *otherwise);

/* ---- sspi-message-win32.c: the layout of MS-WSMV 2.2.9.1 ---- */

bool sspi_wrap(struct sspi_context *context, const void *bytes, size_t len,
               struct wsman_sealed *ret, struct err *err) MUST_CHECK;
/* @token: @header_len bytes of header, and the data behind it up to @len. */
bool sspi_unwrap(struct sspi_context *context, const void *token, size_t header_len,
                 size_t len, struct strbuf *ret, struct err *err) MUST_CHECK;

/* ---- sspi-error-win32.c ---- */

bool sspi_fail(SECURITY_STATUS status, struct err *err);
/* The domain knows no such service on that host: another name may do. */
bool sspi_is_unknown_service(SECURITY_STATUS status);
/* Windows' own words, or the number. */
void sspi_words(SECURITY_STATUS status, char *to, size_t size);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages wrapped by a GSS-API context, laid out as SSPI has them (MS-WSMV 2.2.9.1). */
#pragma once

#include "auth.h"
#include "gss-error.h"

bool gss_message_wrap(gss_ctx_id_t ctx, const struct gss_mech *mech, const void *bytes,
                      size_t len, struct wsman_sealed *ret, struct err *err) MUST_CHECK;
/* Takes both forms of Kerberos' token.  A repeated one, or one out of order, is an error
 * although GSS-API calls it complete. */
bool gss_message_unwrap(gss_ctx_id_t ctx, const void *token, size_t len, struct strbuf *ret,
                        struct err *err) MUST_CHECK;

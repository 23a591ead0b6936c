/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * multipart/encrypted: a SOAP message wrapped by the log-on's mechanism, as WinRM carries
 * it over plain HTTP (MS-WSMV 2.2.9.1; what peers really send: reference given there).
 *
 *     --Encrypted Boundary
 *     <HT>Content-Type: application/HTTP-SPNEGO-session-encrypted
 *     <HT>OriginalContent: type=application/soap+xml;charset=UTF-8;Length=N
 *     --Encrypted Boundary
 *     <HT>Content-Type: application/octet-stream
 *     H (4 bytes, little-endian), H bytes of header, N bytes of data--Encrypted Boundary--
 *
 * N counts the message and what the mechanism filled it up with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"
#include "strbuf.h"

struct err;

/* Which scheme of HTTP logged the connection on stands in the Content-Type and in the first
 * part: SPNEGO for "Negotiate", Kerberos for "Kerberos". */
const char *encrypted_type(bool is_bare_kerberos);
void encrypted_put(struct strbuf *to, bool is_bare_kerberos, const struct strbuf *header,
                   const struct strbuf *data);

/* True for a Content-Type of this kind, whatever the order and the blanks. */
bool encrypted_is_type(const char *content_type);

/* Finds header and data, which lie behind one another: a token of @header_len + @data_len
 * bytes, lent out of @bytes.  ERR_PROTOCOL when the lengths do not fit what is there. */
struct encrypted_part {
    const char *token;
    size_t header_len, data_len;
};
bool encrypted_find(const char *bytes, size_t len, struct encrypted_part *ret,
                    struct err *err) MUST_CHECK;

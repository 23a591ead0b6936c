/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hvgpu must know of a host's certificate: its fingerprints, for pinning, and the hash
 * that ties a log-on to the TLS connection.  Whether it is trusted is
 * decided by libcurl and what stands behind it: OpenSSL, or Windows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"

struct err;

enum { CERTIFICATE_HASH = 32, CERTIFICATE_BINDING_MOST = 64 };

struct certificate {
    unsigned char sha256[CERTIFICATE_HASH];      /* of the certificate (DER) */
    unsigned char spki_sha256[CERTIFICATE_HASH]; /* of its public key, as in HPKP */
    /* RFC 5929 4.1: with the hash of its own signature, but no weaker than SHA-256.
     * Length 0: the signature has no hash of its own (Ed25519), so nothing is defined. */
    unsigned char binding[CERTIFICATE_BINDING_MOST];
    size_t binding_len;
};

/* The first certificate in @pem. */
bool certificate_read(const char *pem, struct certificate *ret, struct err *err) MUST_CHECK;

/* The same of its bytes as they are. */
bool certificate_read_der(const void *bytes, size_t len, struct certificate *ret,
                          struct err *err) MUST_CHECK;

/* A pin: "sha256:" and the 64 hex digits of the certificate's SHA-256 (colons, blanks and
 * case do not matter), or "sha256//" and the base64 of the public key's (as curl has it). */
struct certificate_pin {
    bool is_spki;
    unsigned char hash[CERTIFICATE_HASH];
};
bool certificate_pin_parse(const char *text, struct certificate_pin *ret, struct err *err)
    MUST_CHECK;
bool certificate_pin_matches(const struct certificate_pin *pin,
                             const struct certificate *certificate);

/* "sha256:" and lower-case hex: what certificate_pin_parse() takes. */
enum { CERTIFICATE_PIN_TEXT = 7 + 2 * CERTIFICATE_HASH + 1 };
void certificate_pin_format(const struct certificate *certificate,
                            char ret[CERTIFICATE_PIN_TEXT]);

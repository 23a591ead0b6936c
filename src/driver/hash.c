/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 as lower-case hex, by nettle. */

#include "hash.h"

#include <stdio.h>

void hash_begin(struct hash *hash)
{
    sha256_init(&hash->sha);
}

void hash_add(struct hash *hash, const void *bytes, size_t len)
{
    sha256_update(&hash->sha, len, bytes);
}

void hash_end(struct hash *hash, char ret[SHA256_HEX])
{
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_digest(&hash->sha, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

void hash_bytes(const void *bytes, size_t len, char ret[SHA256_HEX])
{
    struct hash hash;

    hash_begin(&hash);
    hash_add(&hash, bytes, len);
    hash_end(&hash, ret);
}

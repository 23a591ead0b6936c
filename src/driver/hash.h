/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 of what is copied, as lower-case hex. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

enum { SHA256_HEX = 65 };

struct hash {
    struct sha256_ctx sha;
};
void hash_begin(struct hash *hash);
void hash_add(struct hash *hash, const void *bytes, size_t len);
void hash_end(struct hash *hash, char ret[SHA256_HEX]);
void hash_bytes(const void *bytes, size_t len, char ret[SHA256_HEX]);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Showing values of a JSON document as text: what is printed is what --json says. */
#pragma once

#include <jansson.h>

#include "output.h"
#include "strbuf.h"

/* Member @key if it is a text, else NULL; lent. */
const char *view_text(const json_t *object, const char *key);
/* A text, number, size (@key ends in "_bytes"), truth, or "-" for null. */
void view_put_as(struct strbuf *to, const char *key, const json_t *value);
void view_put(struct strbuf *to, const json_t *value);
/* output_field() with member @key. */
void view_field(struct output *out, unsigned width, const char *label, const json_t *object,
                const char *key);

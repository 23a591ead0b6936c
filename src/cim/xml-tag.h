/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds a tag that is too long before the XML parser sees it.
 *
 * libxml2 compares every attribute and every namespace declaration of a tag with all the
 * others: a tag of 4 MiB keeps it busy for minutes, and no callback comes before its end.
 * This looks at the bytes alone, for encodings in which markup looks as in ASCII (UTF-8,
 * UTF-16 with its zero bytes left out).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { XML_TAG_MOST = 64 << 10 }; /* the longest that real hosts send has 1 KiB */

struct xml_tag_watch {
    enum {
        XML_IN_TEXT,
        XML_IN_OPEN, /* behind '<' */
        XML_IN_TAG,
        XML_IN_QUOTES,
        XML_IN_BANG, /* behind "<!" */
        XML_IN_COMMENT,
        XML_IN_CDATA,
        XML_IN_PI,
    } state;
    char quote;
    char last[2]; /* the characters before, newest first */
    size_t len;   /* of the tag so far */
};

/* True while no tag is longer than XML_TAG_MOST.  Call for each piece, in order; start with
 * a zeroed @watch. */
bool xml_tag_watch(struct xml_tag_watch *watch, const char *bytes, size_t len);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a tag begins and ends, and nothing else. */

#include "xml-tag.h"

#include <string.h>

static void step(struct xml_tag_watch *w, char c)
{
    switch (w->state) {
    case XML_IN_TEXT:
        if (c == '<') {
            w->state = XML_IN_OPEN;
            w->len = 0;
        }
        break;
    case XML_IN_OPEN:
        w->state = c == '!'   ? XML_IN_BANG
                   : c == '?' ? XML_IN_PI
                   : c == '>' ? XML_IN_TEXT
                              : XML_IN_TAG;
        break;
    case XML_IN_BANG:
        w->state = c == '-' ? XML_IN_COMMENT : c == '[' ? XML_IN_CDATA : XML_IN_TAG;
        break;
    case XML_IN_TAG:
        if (c == '"' || c == '\'') {
            w->state = XML_IN_QUOTES;
            w->quote = c;
        } else if (c == '>') {
            w->state = XML_IN_TEXT;
        }
        break;
    case XML_IN_QUOTES:
        if (c == w->quote)
            w->state = XML_IN_TAG;
        break;
    case XML_IN_COMMENT:
        if (c == '>' && w->last[0] == '-' && w->last[1] == '-')
            w->state = XML_IN_TEXT;
        break;
    case XML_IN_CDATA:
        if (c == '>' && w->last[0] == ']' && w->last[1] == ']')
            w->state = XML_IN_TEXT;
        break;
    case XML_IN_PI:
        if (c == '>' && w->last[0] == '?')
            w->state = XML_IN_TEXT;
        break;
    }
    w->last[1] = w->last[0];
    w->last[0] = c;
    w->len++;
    /* The dashes that begin a comment are not among those that end it. */
    if (w->state == XML_IN_COMMENT && w->len <= strlen("<!--"))
        w->last[0] = w->last[1] = '\0';
}

bool xml_tag_watch(struct xml_tag_watch *w, const char *bytes, size_t len)
{
    const char *end = len ? bytes + len : bytes; /* nothing may be NULL */

    while (bytes < end) {
        if (w->state == XML_IN_TEXT) { /* most of it: look for the next tag only */
            bytes = memchr(bytes, '<', (size_t)(end - bytes));
            if (!bytes)
                return true;
        }
        if (*bytes)
            step(w, *bytes);
        if ((w->state == XML_IN_TAG || w->state == XML_IN_QUOTES) && w->len > XML_TAG_MOST)
            return false;
        bytes++;
    }
    return true;
}

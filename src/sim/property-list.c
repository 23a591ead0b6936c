/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "property-list.h"

#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "err.h"
#include "strbuf.h"
#include "text.h"

enum { /* MS-CMRP 2.2.2.3 */
       SYNTAX_ENDMARK = 0,
       SYNTAX_NAME = 0x00040003,
       SYNTAX_DWORD = 0x00010002,
       SYNTAX_SZ = 0x00010003,
};

enum { PROPERTY_MAX = 256 }; /* of one list; far more than a resource has */

struct cursor {
    const uint8_t *at;
    size_t left;
};

static bool take_u32(struct cursor *c, uint32_t *ret)
{
    if (c->left < 4)
        return false;
    *ret = (uint32_t)c->at[0] | (uint32_t)c->at[1] << 8 | (uint32_t)c->at[2] << 16 |
           (uint32_t)c->at[3] << 24;
    c->at += 4;
    c->left -= 4;
    return true;
}

/* The bytes behind a syntax, and past their padding. */
static bool take_bytes(struct cursor *c, const uint8_t **ret, uint32_t *ret_len)
{
    size_t padded;

    if (!take_u32(c, ret_len))
        return false;
    padded = ((size_t)*ret_len + 3) & ~(size_t)3;
    if (padded > c->left)
        return false;
    *ret = c->at;
    c->at += padded;
    c->left -= padded;
    return true;
}

/* A text has its NUL within its length, and no other. */
static char *take_text(struct cursor *c)
{
    const uint8_t *bytes;
    uint32_t len;
    size_t letters;
    char *text;

    if (!take_bytes(c, &bytes, &len) || len < 2 || len % 2 || bytes[len - 2] ||
        bytes[len - 1])
        return NULL;
    text = text_from_utf16le(bytes, len - 2, &letters);
    if (text && strlen(text) != letters)
        free(TAKE(text));
    return text;
}

static bool damaged(struct err *err)
{
    return err_fail(err, ERR_INVALID, 0, "the property list is not well-formed");
}

static bool take_value(struct cursor *c, struct cim_instance *to, const char *name,
                       uint32_t syntax, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;
    const uint8_t *bytes;
    uint32_t len, number;

    if (syntax == SYNTAX_SZ) {
        text = take_text(c);
        return text ? cim_set_text(to, name, text, err) : damaged(err);
    }
    if (syntax != SYNTAX_DWORD)
        return err_fail(err, ERR_UNSUPPORTED, 0, "property '%.80s' has syntax 0x%08x", name,
                        syntax);
    if (!take_bytes(c, &bytes, &len) || len != 4)
        return damaged(err);
    number = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
             (uint32_t)bytes[3] << 24;
    return cim_set_uint(to, name, CIM_UINT32, number, err);
}

static bool take_property(struct cursor *c, struct cim_instance *to, struct err *err)
{
    CLEANUP(free_cleanup) char *name = NULL;
    uint32_t syntax;
    bool any = false;

    if (!take_u32(c, &syntax) || syntax != SYNTAX_NAME)
        return damaged(err);
    name = take_text(c);
    if (!name || !*name || cim_get(to, name))
        return damaged(err);
    for (;; any = true) {
        if (!take_u32(c, &syntax))
            return damaged(err);
        if (syntax == SYNTAX_ENDMARK)
            return any || damaged(err);
        if (any)
            return err_fail(err, ERR_UNSUPPORTED, 0, "property '%.80s' has several values",
                            name);
        if (!take_value(c, to, name, syntax, err))
            return false;
    }
}

struct cim_instance *property_list_read(const uint8_t *bytes, size_t len, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *to = cim_instance_new(NULL, "MSCluster_Property");
    struct cursor c = { .at = bytes, .left = len };
    uint32_t count;

    if (!to) {
        err_no_memory(err);
        return NULL;
    }
    if (!take_u32(&c, &count) || count > PROPERTY_MAX) {
        damaged(err);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!take_property(&c, to, err))
            return NULL;
    return TAKE(to);
}

/* ---- writing ---- */

static void put_u32(struct strbuf *to, uint32_t value)
{
    for (int shift = 0; shift < 32; shift += 8)
        strbuf_putc(to, (char)(value >> shift & 0xff));
}

static bool put_text(struct strbuf *to, uint32_t syntax, const char *text, struct err *err)
{
    size_t len;
    CLEANUP(free_cleanup) uint8_t *bytes = text_to_utf16le(text, &len);

    if (!bytes)
        return err_no_memory(err);
    put_u32(to, syntax);
    put_u32(to, (uint32_t)len + 2);
    strbuf_add(to, bytes, len + 2);
    if ((len + 2) % 4)
        strbuf_add(to, "\0", 2);
    return true;
}

static bool put_property(struct strbuf *to, const struct cim_property *p, struct err *err)
{
    if (!put_text(to, SYNTAX_NAME, p->name, err))
        return false;
    if (p->value.type == CIM_STRING) {
        if (!put_text(to, SYNTAX_SZ, p->value.data->text, err))
            return false;
    } else {
        put_u32(to, SYNTAX_DWORD);
        put_u32(to, 4);
        put_u32(to, (uint32_t)p->value.data->u);
    }
    put_u32(to, SYNTAX_ENDMARK);
    return true;
}

bool property_list_write(const struct cim_instance *properties,
                         bool (*wanted)(const char *name), struct strbuf *to,
                         struct err *err)
{
    uint32_t count = 0;

    for (size_t i = 0; i < properties->count; i++)
        count += !properties->properties[i].value.is_null &&
                 wanted(properties->properties[i].name);
    put_u32(to, count);
    for (size_t i = 0; i < properties->count; i++) {
        const struct cim_property *p = &properties->properties[i];

        if (!p->value.is_null && wanted(p->name) && !put_property(to, p, err))
            return false;
    }
    return !to->failed || err_no_memory(err);
}

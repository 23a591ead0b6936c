/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Object paths: `\\HOST\root\virtualization\v2:Class.Key="value",...`. */

#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "err.h"
#include "schema.h"
#include "strbuf.h"
#include "text.h"

enum {
    PATH_MAX_TEXT = 64 * 1024,
    PATH_MAX_KEYS = 32,
    PATH_MAX_DEPTH = 4, /* references within references */
};

struct cim_path *cim_path_new(const char *ns, const char *class_name)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = calloc(1, sizeof(*path));

    if (!path)
        return NULL;
    path->ns = text_dup(ns);
    path->class_name = text_dup(class_name);
    if ((ns && !path->ns) || !path->class_name)
        return NULL;
    return TAKE(path);
}

void cim_path_free(struct cim_path *path)
{
    if (!path)
        return;
    for (size_t i = 0; i < path->count; i++) {
        free(path->keys[i].name);
        cim_value_clear(&path->keys[i].value);
    }
    free(path->keys);
    free(path->host);
    free(path->ns);
    free(path->class_name);
    free(path);
}

static struct cim_property *find(const struct cim_path *path, const char *key)
{
    for (size_t i = 0; i < path->count; i++)
        if (text_ieq(path->keys[i].name, key))
            return &path->keys[i];
    return NULL;
}

/* Takes over what @value holds, also on failure. */
static bool take_key(struct cim_path *path, const char *key, struct cim_value *value,
                     struct err *err)
{
    struct cim_property *p = find(path, key), *grown;
    char *name;

    if (p) {
        cim_value_clear(&p->value);
        p->value = *value;
        return true;
    }
    name = text_dup(key);
    grown = name ? realloc(path->keys, (path->count + 1) * sizeof(*grown)) : NULL;
    if (!grown) {
        free(name);
        cim_value_clear(value);
        return err_no_memory(err);
    }
    path->keys = grown;
    path->keys[path->count++] = (struct cim_property){ name, *value };
    return true;
}

bool cim_path_set_value(struct cim_path *path, const char *key,
                        const struct cim_value *value, struct err *err)
{
    struct cim_value copy;

    if (!cim_value_copy(value, &copy, err))
        return false;
    return take_key(path, key, &copy, err);
}

bool cim_path_set(struct cim_path *path, const char *key, const char *value,
                  struct err *err)
{
    union cim_datum datum = { .text = (char *)value };
    struct cim_value lent = { .type = CIM_STRING, .count = 1, .data = &datum };

    return cim_path_set_value(path, key, &lent, err);
}

bool cim_path_set_ref(struct cim_path *path, const char *key, const struct cim_path *value,
                      struct err *err)
{
    union cim_datum datum = { .path = (struct cim_path *)value };
    struct cim_value lent = { .type = CIM_REFERENCE, .count = 1, .data = &datum };

    return cim_path_set_value(path, key, &lent, err);
}

const char *cim_path_get(const struct cim_path *path, const char *key)
{
    const struct cim_property *p = find(path, key);

    return p && p->value.type == CIM_STRING && p->value.count ? p->value.data[0].text
                                                              : NULL;
}

bool cim_path_get_u64(const struct cim_path *path, const char *key, uint64_t *ret)
{
    const struct cim_property *p = find(path, key);

    if (!p || p->value.is_null || p->value.is_array || !p->value.count)
        return false;
    switch (p->value.type) {
    case CIM_UINT8:
    case CIM_UINT16:
    case CIM_UINT32:
    case CIM_UINT64:
        *ret = p->value.data[0].u;
        return true;
    case CIM_SINT8:
    case CIM_SINT16:
    case CIM_SINT32:
    case CIM_SINT64:
        if (p->value.data[0].s < 0)
            return false;
        *ret = (uint64_t)p->value.data[0].s;
        return true;
    case CIM_STRING:
        return p->value.data[0].text && text_to_u64(p->value.data[0].text, 10, ret);
    default:
        return false;
    }
}

struct cim_path *cim_path_copy(const struct cim_path *from)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *copy = cim_path_new(from->ns, from->class_name);
    struct err err;

    if (!copy)
        return NULL;
    copy->host = text_dup(from->host);
    if (from->host && !copy->host)
        return NULL;
    for (size_t i = 0; i < from->count; i++)
        if (!cim_path_set_value(copy, from->keys[i].name, &from->keys[i].value, &err))
            return NULL;
    return TAKE(copy);
}

/* Reading ---------------------------------------------------------------- */

static bool is_slash(char c)
{
    return c == '\\' || c == '/';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

static bool bad_path(const char *what, struct err *err)
{
    return err_fail(err, ERR_INVALID, 0, "an object path %s", what);
}

/* A class or key name from *at on; moves *at behind it. */
static char *parse_name(const char **at, struct err *err)
{
    const char *start = *at;
    char *name;

    while (is_name_char(**at))
        ++*at;
    if (*at == start || (*start >= '0' && *start <= '9')) {
        bad_path("lacks a name where one belongs", err);
        return NULL;
    }
    name = text_ndup(start, (size_t)(*at - start));
    if (!name)
        err_no_memory(err);
    return name;
}

/* `\\HOST\` and the namespace up to ':', if there is one. */
static bool parse_place(const char **at, struct cim_path *path, struct err *err)
{
    const char *p = *at, *colon;

    if (is_slash(p[0]) && is_slash(p[1])) {
        const char *host = p + 2;

        p = host + strcspn(host, "\\/:\"");
        if (p == host || !is_slash(*p))
            return bad_path("has no host name behind its two slashes", err);
        /* "." is "this machine", whichever that is: nothing said. */
        if (!(p - host == 1 && *host == '.')) {
            path->host = text_ndup(host, (size_t)(p - host));
            if (!path->host)
                return err_no_memory(err);
        }
        p++;
    }
    colon = p + strcspn(p, ":.=\"'");
    if (*colon == ':') {
        if (is_slash(*p))
            p++;
        if (colon == p)
            return bad_path("has an empty namespace", err);
        /* Names with one slash between each two. */
        for (const char *c = p; c < colon; c++)
            if (!is_name_char(*c) &&
                !(is_slash(*c) && c > p && is_name_char(c[-1]) && is_name_char(c[1])))
                return bad_path("has a namespace with odd characters", err);
        path->ns = text_ndup(p, (size_t)(colon - p));
        if (!path->ns)
            return err_no_memory(err);
        for (char *c = path->ns; *c; c++)
            *c = *c == '\\' ? '/' : *c;
        p = colon + 1;
    } else if (path->host) {
        return bad_path("has a host but no namespace", err);
    }
    *at = p;
    return true;
}

/* A quoted text with \" and \\ undone. */
static char *parse_quoted(const char **at, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;
    char quote = **at;
    char *text;

    for (++*at; **at != quote; ++*at) {
        if (**at == '\\' && (*at)[1])
            ++*at;
        if (**at == '\0') {
            bad_path("ends within quotes", err);
            return NULL;
        }
        strbuf_putc(&buf, **at);
    }
    ++*at;
    text = strbuf_take(&buf);
    if (!text)
        err_no_memory(err);
    return text;
}

static char *parse_bare(const char **at, struct err *err)
{
    size_t len = strcspn(*at, ",\"' \t\r\n");
    char *text;

    if (len == 0 || len > 40) {
        bad_path("has a key without a value", err);
        return NULL;
    }
    text = text_ndup(*at, len);
    *at += len;
    if (!text)
        err_no_memory(err);
    return text;
}

static struct cim_path *parse(const char *text, unsigned depth, struct err *err);

/* Without a schema a quoted value is a string and a bare one a number or boolean. */
static enum cim_type guess_type(bool quoted, const char *text)
{
    if (quoted)
        return CIM_STRING;
    if (text_ieq(text, "true") || text_ieq(text, "false"))
        return CIM_BOOLEAN;
    return *text == '-' ? CIM_SINT64 : CIM_UINT64;
}

static bool parse_key(const char **at, struct cim_path *path, unsigned depth,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *name = parse_name(at, err);
    CLEANUP(free_cleanup) char *text = NULL;
    const struct cim_class *c = cim_schema_class(path->ns, path->class_name);
    const struct cim_class_property *known;
    struct cim_value value = { .is_null = true };
    bool quoted;

    if (!name)
        return false;
    if (**at != '=')
        return bad_path("has a key without a value", err);
    ++*at;
    quoted = **at == '"' || **at == '\'';
    text = quoted ? parse_quoted(at, err) : parse_bare(at, err);
    if (!text)
        return false;
    if (find(path, name))
        return err_fail(err, ERR_INVALID, 0, "an object path has the key '%.60s' twice",
                        name);

    known = c ? cim_schema_property(c, name) : NULL;
    value.type = known && !known->is_array ? known->type : guess_type(quoted, text);
    if (value.type == CIM_REFERENCE) {
        CLEANUP(cim_path_cleanup) struct cim_path *ref = parse(text, depth + 1, err);

        return ref && cim_path_set_ref(path, name, ref, err);
    }
    if (!cim_value_add_text(&value, text, err))
        return err_wrap(err, "key '%.60s' of an object path", name);
    return take_key(path, name, &value, err);
}

static struct cim_path *parse(const char *text, unsigned depth, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = calloc(1, sizeof(*path));

    if (!path) {
        err_no_memory(err);
        return NULL;
    }
    if (depth > PATH_MAX_DEPTH) {
        bad_path("names too many paths within each other", err);
        return NULL;
    }
    if (!parse_place(&text, path, err))
        return NULL;
    path->class_name = parse_name(&text, err);
    if (!path->class_name)
        return NULL;
    if (strcmp(text, "=@") == 0) /* the only instance of its class */
        return TAKE(path);
    for (char mark = '.'; *text; mark = ',') {
        if (*text != mark || path->count == PATH_MAX_KEYS) {
            bad_path("goes on where it should end", err);
            return NULL;
        }
        text++;
        if (!parse_key(&text, path, depth, err))
            return NULL;
    }
    return TAKE(path);
}

struct cim_path *cim_path_parse(const char *text, struct err *err)
{
    struct cim_path *path;

    if (strnlen(text, PATH_MAX_TEXT) == PATH_MAX_TEXT) {
        bad_path("is longer than 64 KiB", err);
        return NULL;
    }
    path = parse(text, 0, err);
    if (!path)
        err_wrap(err, "'%.120s'", text);
    return path;
}

/* Writing ---------------------------------------------------------------- */

static void put_quoted(struct strbuf *to, const char *text)
{
    strbuf_putc(to, '"');
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            strbuf_putc(to, '\\');
        strbuf_putc(to, *text);
    }
    strbuf_putc(to, '"');
}

static bool is_bare(enum cim_type type)
{
    return type != CIM_STRING && type != CIM_REFERENCE && type != CIM_DATETIME;
}

char *cim_path_format(const struct cim_path *path)
{
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;

    if (path->host)
        strbuf_printf(&buf, "\\\\%s\\", path->host);
    if (path->ns) {
        for (const char *c = path->ns; *c; c++)
            strbuf_putc(&buf, *c == '/' ? '\\' : *c);
        strbuf_putc(&buf, ':');
    }
    strbuf_puts(&buf, path->class_name);
    for (size_t i = 0; i < path->count; i++) {
        CLEANUP(strbuf_cleanup) struct strbuf value = STRBUF_INIT;

        strbuf_printf(&buf, "%c%s=", i ? ',' : '.', path->keys[i].name);
        cim_value_put_text(&path->keys[i].value, 0, &value);
        if (value.failed)
            return NULL;
        if (is_bare(path->keys[i].value.type))
            strbuf_puts(&buf, value.text ? value.text : "");
        else
            put_quoted(&buf, value.text ? value.text : "");
    }
    return strbuf_take(&buf);
}

/* Comparing -------------------------------------------------------------- */

static bool ns_equal(const char *a, const char *b)
{
    for (;; a++, b++) {
        char x[2] = { *a == '\\' ? '/' : *a, 0 }, y[2] = { *b == '\\' ? '/' : *b, 0 };

        if (text_casecmp(x, y) != 0)
            return false;
        if (*a == '\0')
            return true;
    }
}

/* WS-Management selectors carry no types, so 0 and "0" are the same key; and hosts
 * compare keys without case. */
static bool key_equal(const struct cim_value *a, const struct cim_value *b)
{
    CLEANUP(strbuf_cleanup) struct strbuf x = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf y = STRBUF_INIT;

    if (a->count != 1 || b->count != 1)
        return a->count == b->count;
    if (a->type == CIM_REFERENCE && b->type == CIM_REFERENCE)
        return cim_path_equal(a->data[0].path, b->data[0].path);
    cim_value_put_text(a, 0, &x);
    cim_value_put_text(b, 0, &y);
    return !x.failed && !y.failed && text_ieq(x.text ? x.text : "", y.text ? y.text : "");
}

bool cim_path_equal(const struct cim_path *a, const struct cim_path *b)
{
    if (!text_ieq(a->class_name, b->class_name) || a->count != b->count)
        return false;
    if (a->host && b->host && !text_ieq(a->host, b->host))
        return false;
    if (a->ns && b->ns && !ns_equal(a->ns, b->ns))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct cim_property *other = find(b, a->keys[i].name);

        if (!other || !key_equal(&a->keys[i].value, &other->value))
            return false;
    }
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WQL conditions against instances. */
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"
#include "wql-condition.h"

/* Three-valued, as in SQL: a comparison with null is neither true nor false. */
enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* [abc], [a-f], [^a-f]; *pattern stands behind '['.  A set without end is no set. */
static bool in_set(char c, const char **pattern)
{
    const char *p = *pattern;
    bool negated = *p == '^', found = false;

    p += negated;
    for (; *p && *p != ']'; p++) {
        if (p[1] == '-' && p[2] && p[2] != ']') {
            found |= lower(c) >= lower(p[0]) && lower(c) <= lower(p[2]);
            p += 2;
        } else {
            found |= lower(c) == lower(*p);
        }
    }
    *pattern = *p ? p + 1 : p;
    return found != negated;
}

bool wql_like(const char *text, const char *pattern)
{
    const char *retry_text = NULL, *retry_pattern = NULL;

    /* One '%' is remembered: the last one decides, so this takes len * len at most. */
    for (;;) {
        const char *after = pattern + 1;
        bool same;

        if (*pattern == '%') {
            retry_pattern = ++pattern;
            retry_text = text;
            continue;
        }
        if (*text == '\0' && *pattern == '\0')
            return true;
        if (*text == '\0')
            return false;
        if (*pattern == '_')
            same = true;
        else if (*pattern == '[')
            same = in_set(*text, &after);
        else
            same = *pattern && lower(*text) == lower(*pattern);
        if (same) {
            do {
                text++;
            } while (*pattern == '_' && ((unsigned char)*text & 0xc0) == 0x80);
            pattern = after;
        } else if (retry_pattern) {
            text = ++retry_text;
            pattern = retry_pattern;
        } else {
            return false;
        }
    }
}

static bool is_unsigned(enum cim_type type)
{
    return type == CIM_UINT8 || type == CIM_UINT16 || type == CIM_UINT32 ||
           type == CIM_UINT64 || type == CIM_CHAR16;
}

static bool is_signed(enum cim_type type)
{
    return type == CIM_SINT8 || type == CIM_SINT16 || type == CIM_SINT32 ||
           type == CIM_SINT64;
}

/* ---- comparing: -1, 0, 1; false: cannot be compared ---- */

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

static bool order_number(const struct cim_value *value, const char *literal, int *ret)
{
    double real = value->data->real;
    uint64_t u;
    int64_t s;
    char *end;

    if (value->type == CIM_REAL32 || value->type == CIM_REAL64) {
        double asked = strtod(literal, &end);

        if (*end || end == literal)
            return false;
        *ret = ORDER(real, asked);
        return true;
    }
    if (is_unsigned(value->type) && text_to_u64(literal, 0, &u)) {
        *ret = ORDER(value->data->u, u);
        return true;
    }
    if (!text_to_i64(literal, 0, &s))
        return false;
    if (is_unsigned(value->type))
        *ret = s < 0 ? 1 : ORDER(value->data->u, (uint64_t)s);
    else
        *ret = ORDER(value->data->s, s);
    return true;
}

static bool order_boolean(const struct cim_value *value, const char *literal, int *ret)
{
    bool asked;
    uint64_t number;

    if (text_ieq(literal, "TRUE") || text_ieq(literal, "FALSE"))
        asked = text_ieq(literal, "TRUE");
    else if (text_to_u64(literal, 10, &number))
        asked = number != 0;
    else
        return false;
    *ret = (int)value->data->boolean - (int)asked;
    return true;
}

static bool order_path(const struct cim_value *value, const char *literal, int *ret)
{
    struct err ignored;
    CLEANUP(cim_path_cleanup) struct cim_path *asked = cim_path_parse(literal, &ignored);

    if (!asked || !value->data->path)
        return false;
    *ret = cim_path_equal(value->data->path, asked) ? 0 : 1;
    return true;
}

static bool order_value(const struct cim_value *value, const struct wql_condition *c,
                        int *ret)
{
    struct cim_datetime time;
    struct err ignored;

    if (is_unsigned(value->type) || is_signed(value->type) || value->type == CIM_REAL32 ||
        value->type == CIM_REAL64)
        return c->literal_kind != WQL_BOOLEAN && order_number(value, c->literal, ret);
    switch (value->type) {
    case CIM_BOOLEAN:
        return order_boolean(value, c->literal, ret);
    case CIM_STRING:
        *ret = text_casecmp(value->data->text ? value->data->text : "", c->literal);
        return true;
    case CIM_DATETIME:
        if (!cim_datetime_parse(c->literal, &time, &ignored))
            return false;
        *ret = ORDER(value->data->datetime.usec, time.usec);
        return true;
    case CIM_REFERENCE:
        return order_path(value, c->literal, ret);
    default:
        return false;
    }
}

static enum truth compare(const struct wql_condition *c, const struct cim_value *value)
{
    int order;

    if (c->op == WQL_LIKE) {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

        cim_value_put_text(value, 0, &text);
        return wql_like(text.text ? text.text : "", c->literal) ? TRUTH_TRUE : TRUTH_FALSE;
    }
    if (!order_value(value, c, &order))
        return TRUTH_UNKNOWN;
    switch (c->op) {
    case WQL_EQ:
        return order == 0;
    case WQL_NE:
        return order != 0;
    case WQL_LT:
        return order < 0;
    case WQL_LE:
        return order <= 0;
    case WQL_GT:
        return order > 0;
    case WQL_GE:
        return order >= 0;
    default:
        return TRUTH_UNKNOWN;
    }
}

/* Object properties: what kind of thing does it hold? */
static enum truth is_a(const struct wql_condition *c, const struct cim_value *value)
{
    const char *ns = NULL, *name = NULL;

    if (value->type == CIM_OBJECT) {
        ns = value->data->object->ns;
        name = value->data->object->class_name;
    } else if (value->type == CIM_REFERENCE && value->data->path) {
        ns = value->data->path->ns;
        name = value->data->path->class_name;
    }
    if (!name)
        return TRUTH_UNKNOWN;
    if (text_ieq(name, c->literal))
        return TRUTH_TRUE;
    if (!ns || !cim_schema_class(ns, name))
        return TRUTH_FALSE;
    return cim_schema_is_a(cim_schema_class(ns, name), c->literal) ? TRUTH_TRUE
                                                                   : TRUTH_FALSE;
}

static bool is_system_property(const char *name)
{
    return text_istarts(name, "__");
}

/* __CLASS is the row's own class; the others are not used by anyone we know. */
static enum truth compare_system(const struct wql_condition *c,
                                 const struct cim_class *class)
{
    struct cim_value value = { .type = CIM_STRING, .count = 1 };
    union cim_datum datum = { .text = (char *)(uintptr_t) class->name };

    value.data = &datum;
    if (c->op == WQL_ISA)
        return cim_schema_is_a(class, c->literal) ? TRUTH_TRUE : TRUTH_FALSE;
    if (c->op == WQL_IS_NULL || c->op == WQL_IS_NOT_NULL)
        return c->op == WQL_IS_NOT_NULL ? TRUTH_TRUE : TRUTH_FALSE;
    return compare(c, &value);
}

static enum truth evaluate(const struct wql_condition *c, const struct cim_instance *row,
                           const struct cim_class *class)
{
    const struct cim_value *value;
    enum truth left, right;

    switch (c->op) {
    case WQL_NOT:
        left = evaluate(c->left, row, class);
        return left == TRUTH_UNKNOWN ? left : left == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
    case WQL_AND:
        left = evaluate(c->left, row, class);
        if (left == TRUTH_FALSE)
            return left;
        right = evaluate(c->right, row, class);
        return right == TRUTH_TRUE ? left : right;
    case WQL_OR:
        left = evaluate(c->left, row, class);
        if (left == TRUTH_TRUE)
            return left;
        right = evaluate(c->right, row, class);
        return right == TRUTH_FALSE ? left : right;
    default:
        break;
    }
    if (is_system_property(c->property))
        return compare_system(c, class);
    value = cim_get(row, c->property);
    if (c->op == WQL_IS_NULL || c->op == WQL_IS_NOT_NULL)
        return (!value || value->is_null) == (c->op == WQL_IS_NULL);
    if (!value || value->is_null || value->count != 1)
        return TRUTH_UNKNOWN;
    if (c->op == WQL_ISA)
        return is_a(c, value);
    return compare(c, value);
}

bool wql_matches(const struct wql_query *query, const struct cim_instance *row,
                 const struct cim_class *class)
{
    return !query->where || evaluate(query->where, row, class) == TRUTH_TRUE;
}

/* ---- checking ---- */

static bool check_literal(const struct wql_condition *c,
                          const struct cim_class_property *known, struct err *err)
{
    struct cim_value value = { .type = known->type, .count = 1 };
    struct cim_path empty = { 0 };
    union cim_datum zero;
    int order;

    memset(&zero, 0, sizeof(zero));
    if (known->type == CIM_REFERENCE)
        zero.path = &empty;
    value.data = &zero;
    if (c->op == WQL_LIKE && known->type != CIM_STRING)
        return err_fail(err, ERR_INVALID, 0, "WQL: LIKE on %s, which is no string",
                        known->name);
    if (c->op == WQL_LIKE || c->op == WQL_ISA)
        return true;
    if (known->type == CIM_STRING && c->literal_kind == WQL_TEXT)
        return true;
    if (known->type == CIM_STRING || !order_value(&value, c, &order))
        return err_fail(err, ERR_INVALID, 0, "WQL: '%.60s' cannot be compared with %s %s",
                        c->literal, cim_type_name(known->type), known->name);
    return true;
}

static bool check(const struct wql_condition *c, const struct cim_class *class,
                  struct err *err)
{
    const struct cim_class_property *known;

    if (!c)
        return true;
    if (c->op == WQL_AND || c->op == WQL_OR || c->op == WQL_NOT)
        return check(c->left, class, err) && check(c->right, class, err);
    if (text_ieq(c->property, "__CLASS") || text_ieq(c->property, "__this"))
        return true;
    known = cim_schema_property(class, c->property);
    if (!known)
        return err_fail(err, ERR_INVALID, 0, "WQL: class %s has no property '%.80s'",
                        class->name, c->property);
    if (c->op == WQL_IS_NULL || c->op == WQL_IS_NOT_NULL)
        return true;
    if (known->is_array)
        return err_fail(err, ERR_INVALID, 0, "WQL: %s is an array and cannot be compared",
                        known->name);
    return check_literal(c, known, err);
}

bool wql_check(const struct wql_query *query, const struct cim_class *class,
               struct err *err)
{
    for (size_t i = 0; i < query->column_count; i++)
        if (!is_system_property(query->columns[i]) &&
            !cim_schema_property(class, query->columns[i]))
            return err_fail(err, ERR_INVALID, 0, "WQL: class %s has no property '%.80s'",
                            class->name, query->columns[i]);
    return check(query->where, class, err);
}

static bool collect(const struct wql_condition *c, const struct cim_class *class,
                    struct cim_instance *to, struct err *err)
{
    const struct cim_class_property *known;
    struct cim_value value;

    if (!c)
        return true;
    if (c->op == WQL_AND)
        return collect(c->left, class, to, err) && collect(c->right, class, to, err);
    if (c->op != WQL_EQ || is_system_property(c->property))
        return true;
    known = cim_schema_property(class, c->property);
    if (!known || known->is_array || known->type == CIM_OBJECT)
        return true;
    value = (struct cim_value){ .type = known->type, .is_null = true };
    if (!cim_value_add_text(&value, c->literal, err))
        return true; /* 0x10 for 16: left to wql_matches() */
    if (!cim_set(to, known->name, &value, err)) {
        cim_value_clear(&value);
        return false;
    }
    return true;
}

struct cim_instance *wql_equalities(const struct wql_query *query,
                                    const struct cim_class *class, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *to = cim_instance_new(class->ns, class->name);

    if (!to) {
        err_no_memory(err);
        return NULL;
    }
    return collect(query->where, class, to, err) ? TAKE(to) : NULL;
}

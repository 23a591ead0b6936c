/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WQL text to a query.  A recursive descent parser with a limit on depth. */
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"
#include "wql-condition.h"

enum { MAX_TEXT = 64 * 1024, MAX_DEPTH = 64, MAX_COLUMNS = 512 };

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_SIGN, TOKEN_PATH };

struct parser {
    const char *at;
    enum token_kind kind;
    char *token; /* owned: word, decoded text, number, sign ("<="), or path within braces */
    struct err *err;
};

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || (unsigned char)c >= 0x80;
}

static bool syntax(struct parser *p, const char *what)
{
    return err_fail(p->err, ERR_INVALID, 0, "WQL: %s near '%.40s'", what, p->at);
}

static bool take_token(struct parser *p, enum token_kind kind, const char *from, size_t len)
{
    free(p->token);
    p->kind = kind;
    p->token = text_ndup(from, len);
    return p->token || err_no_memory(p->err);
}

/* 'it\'s' and "C:\\x": a backslash takes the next character as it is. */
static bool next_text(struct parser *p)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    char quote = *p->at++;

    for (; *p->at != quote; p->at++) {
        if (*p->at == '\\')
            p->at++;
        if (*p->at == '\0')
            return syntax(p, "a text without end");
        strbuf_putc(&text, *p->at);
    }
    p->at++;
    free(p->token);
    p->kind = TOKEN_TEXT;
    p->token = strbuf_take(&text);
    return p->token || err_no_memory(p->err);
}

/* {path}: braces may stand within its quotes. */
static bool next_path(struct parser *p)
{
    const char *from = ++p->at;
    char quote = '\0';

    for (; *p->at && (quote || *p->at != '}'); p->at++) {
        if (quote && *p->at == '\\' && p->at[1])
            p->at++;
        else if (quote && *p->at == quote)
            quote = '\0';
        else if (!quote && (*p->at == '\'' || *p->at == '"'))
            quote = *p->at;
    }
    if (*p->at != '}')
        return syntax(p, "'}' is missing");
    return take_token(p, TOKEN_PATH, from, (size_t)(p->at++ - from));
}

static bool next_number(struct parser *p)
{
    const char *from = p->at;

    p->at += *p->at == '-' || *p->at == '+';
    while ((*p->at >= '0' && *p->at <= '9') || *p->at == '.' || *p->at == 'x' ||
           *p->at == 'X' || (*p->at >= 'a' && *p->at <= 'f') ||
           (*p->at >= 'A' && *p->at <= 'F'))
        p->at++;
    return take_token(p, TOKEN_NUMBER, from, (size_t)(p->at - from));
}

static bool next(struct parser *p)
{
    const char *from;

    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n')
        p->at++;
    from = p->at;
    if (*from == '\0')
        return take_token(p, TOKEN_END, "", 0);
    if (*from == '\'' || *from == '"')
        return next_text(p);
    if (*from == '{')
        return next_path(p);
    if ((*from >= '0' && *from <= '9') ||
        ((*from == '-' || *from == '+') && from[1] >= '0' && from[1] <= '9'))
        return next_number(p);
    if (is_word_char(*from)) {
        while (is_word_char(*p->at))
            p->at++;
        return take_token(p, TOKEN_WORD, from, (size_t)(p->at - from));
    }
    if (!strchr("=<>!*(),.", *from))
        return syntax(p, "an unexpected character");
    p->at++;
    if ((*from == '<' && (*p->at == '=' || *p->at == '>')) ||
        ((*from == '>' || *from == '!') && *p->at == '='))
        p->at++;
    return take_token(p, TOKEN_SIGN, from, (size_t)(p->at - from));
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->kind == TOKEN_WORD && text_ieq(p->token, word);
}

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->kind == TOKEN_SIGN && strcmp(p->token, sign) == 0;
}

static bool expect_word(struct parser *p, const char *word)
{
    if (!is_word(p, word))
        return err_fail(p->err, ERR_INVALID, 0, "WQL: '%s' is missing before '%.40s'", word,
                        p->token);
    return next(p);
}

static bool take_name(struct parser *p, char **ret)
{
    if (p->kind != TOKEN_WORD)
        return syntax(p, "a name is missing");
    *ret = TAKE(p->token);
    return next(p);
}

/* ---- conditions ---- */

static void condition_free(struct wql_condition *c)
{
    if (!c)
        return;
    condition_free(c->left);
    condition_free(c->right);
    free(c->property);
    free(c->literal);
    free(c);
}
DEFINE_CLEANUP(condition_cleanup, struct wql_condition *, condition_free)

static struct wql_condition *new_condition(struct parser *p, enum wql_operator op)
{
    struct wql_condition *c = calloc(1, sizeof(*c));

    if (c)
        c->op = op;
    else
        err_no_memory(p->err);
    return c;
}

static bool take_operator(struct parser *p, enum wql_operator *ret)
{
    static const struct {
        const char *sign;
        enum wql_operator op;
    } signs[] = { { "=", WQL_EQ },  { "<>", WQL_NE }, { "!=", WQL_NE }, { "<", WQL_LT },
                  { "<=", WQL_LE }, { ">", WQL_GT },  { ">=", WQL_GE } };

    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        if (is_sign(p, signs[i].sign)) {
            *ret = signs[i].op;
            return next(p);
        }
    if (is_word(p, "LIKE") || is_word(p, "ISA")) {
        *ret = is_word(p, "LIKE") ? WQL_LIKE : WQL_ISA;
        return next(p);
    }
    return syntax(p, "an operator is missing");
}

static bool take_literal(struct parser *p, struct wql_condition *c)
{
    if (p->kind == TOKEN_TEXT)
        c->literal_kind = WQL_TEXT;
    else if (p->kind == TOKEN_NUMBER)
        c->literal_kind = WQL_NUMBER;
    else if (is_word(p, "TRUE") || is_word(p, "FALSE"))
        c->literal_kind = WQL_BOOLEAN;
    else if (is_word(p, "NULL"))
        c->literal_kind = WQL_NULL;
    else
        return syntax(p, "a value is missing");
    c->literal = TAKE(p->token);
    return next(p);
}

/* `= NULL` and `<> NULL` mean IS NULL and IS NOT NULL (WmiSdk/where-clause). */
static bool settle_null(struct parser *p, struct wql_condition *c)
{
    if (c->literal_kind != WQL_NULL)
        return true;
    if (c->op != WQL_EQ && c->op != WQL_NE)
        return syntax(p, "NULL has no order");
    c->op = c->op == WQL_EQ ? WQL_IS_NULL : WQL_IS_NOT_NULL;
    return true;
}

static enum wql_operator mirrored(enum wql_operator op)
{
    switch (op) {
    case WQL_LT:
        return WQL_GT;
    case WQL_LE:
        return WQL_GE;
    case WQL_GT:
        return WQL_LT;
    case WQL_GE:
        return WQL_LE;
    default:
        return op;
    }
}

/* Property op value, value op property, property IS [NOT] NULL. */
static struct wql_condition *parse_comparison(struct parser *p)
{
    CLEANUP(condition_cleanup) struct wql_condition *c = new_condition(p, WQL_EQ);

    if (!c)
        return NULL;
    if (p->kind != TOKEN_WORD || is_word(p, "TRUE") || is_word(p, "FALSE")) {
        if (!take_literal(p, c) || !take_operator(p, &c->op) || !take_name(p, &c->property))
            return NULL;
        c->op = mirrored(c->op);
        return settle_null(p, c) ? TAKE(c) : NULL;
    }
    if (!take_name(p, &c->property))
        return NULL;
    if (is_word(p, "IS")) {
        bool negated;

        if (!next(p))
            return NULL;
        negated = is_word(p, "NOT");
        if ((negated && !next(p)) || !expect_word(p, "NULL"))
            return NULL;
        c->op = negated ? WQL_IS_NOT_NULL : WQL_IS_NULL;
        return TAKE(c);
    }
    if (is_word(p, "NOT")) { /* NOT LIKE */
        CLEANUP(condition_cleanup) struct wql_condition *not = new_condition(p, WQL_NOT);

        if (!not || !next(p) || !expect_word(p, "LIKE") || !take_literal(p, c))
            return NULL;
        c->op = WQL_LIKE;
        not ->left = TAKE(c);
        return TAKE(not );
    }
    if (!take_operator(p, &c->op) || !take_literal(p, c) || !settle_null(p, c))
        return NULL;
    return TAKE(c);
}

static struct wql_condition *parse_or(struct parser *p, unsigned depth);

static struct wql_condition *parse_not(struct parser *p, unsigned depth)
{
    CLEANUP(condition_cleanup) struct wql_condition *inner = NULL;

    if (depth > MAX_DEPTH) {
        syntax(p, "the condition is nested too deeply");
        return NULL;
    }
    if (is_word(p, "NOT")) {
        CLEANUP(condition_cleanup) struct wql_condition *not = new_condition(p, WQL_NOT);

        if (!not || !next(p))
            return NULL;
        not ->left = parse_not(p, depth + 1);
        return not ->left ? TAKE(not ) : NULL;
    }
    if (!is_sign(p, "("))
        return parse_comparison(p);
    if (!next(p))
        return NULL;
    inner = parse_or(p, depth + 1);
    if (!inner)
        return NULL;
    if (!is_sign(p, ")")) {
        syntax(p, "')' is missing");
        return NULL;
    }
    return next(p) ? TAKE(inner) : NULL;
}

/* One level of left-associative operators; AND below OR. */
static struct wql_condition *parse_chain(struct parser *p, enum wql_operator op,
                                         unsigned depth)
{
    const char *word = op == WQL_AND ? "AND" : "OR";
    CLEANUP(condition_cleanup)
    struct wql_condition *left =
        op == WQL_AND ? parse_not(p, depth) : parse_chain(p, WQL_AND, depth);

    /* The tree leans left and is walked recursively: its length counts as depth. */
    for (unsigned length = 0; left && is_word(p, word); length++) {
        CLEANUP(condition_cleanup) struct wql_condition *both = new_condition(p, op);

        if (length > 1000) {
            syntax(p, "the condition is too long");
            return NULL;
        }
        if (!both || !next(p))
            return NULL;
        both->left = TAKE(left);
        both->right = op == WQL_AND ? parse_not(p, depth) : parse_chain(p, WQL_AND, depth);
        if (!both->right)
            return NULL;
        left = TAKE(both);
    }
    return TAKE(left);
}

static struct wql_condition *parse_or(struct parser *p, unsigned depth)
{
    return parse_chain(p, WQL_OR, depth);
}

/* ---- statements ---- */

static bool parse_columns(struct parser *p, struct wql_query *q)
{
    if (is_sign(p, "*"))
        return next(p);
    do {
        char **grown;

        if (q->column_count > 0 && !next(p)) /* the comma */
            return false;
        if (q->column_count == MAX_COLUMNS)
            return syntax(p, "too many columns");
        grown = realloc(q->columns, (q->column_count + 1) * sizeof(*grown));
        if (!grown)
            return err_no_memory(p->err);
        q->columns = grown;
        grown[q->column_count++] = NULL;
        if (!take_name(p, &grown[q->column_count - 1]))
            return false;
    } while (is_sign(p, ","));
    return true;
}

static bool parse_select(struct parser *p, struct wql_query *q)
{
    q->kind = WQL_SELECT;
    if (!parse_columns(p, q) || !expect_word(p, "FROM") || !take_name(p, &q->class_name))
        return false;
    if (p->kind == TOKEN_END)
        return true;
    if (!expect_word(p, "WHERE"))
        return false;
    q->where = parse_or(p, 0);
    return q->where != NULL;
}

static bool parse_term(struct parser *p, struct wql_query *q)
{
    const struct {
        const char *word;
        char **value;
        bool only_associators;
    } terms[] = { { "AssocClass", &q->assoc_class, true },
                  { "ResultClass", &q->result_class, false },
                  { "Role", &q->role, false },
                  { "ResultRole", &q->result_role, true } };

    if (is_word(p, "ClassDefsOnly") || is_word(p, "KeysOnly")) {
        *(is_word(p, "KeysOnly") ? &q->keys_only : &q->class_defs_only) = true;
        return next(p);
    }
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        if (!is_word(p, terms[i].word) || *terms[i].value ||
            (terms[i].only_associators && q->kind != WQL_ASSOCIATORS))
            continue;
        if (!next(p))
            return false;
        if (!is_sign(p, "="))
            return syntax(p, "'=' is missing");
        return next(p) && take_name(p, terms[i].value);
    }
    return err_fail(p->err, ERR_INVALID, 0, "WQL: unknown or repeated term '%.40s'",
                    p->token);
}

static bool parse_association(struct parser *p, struct wql_query *q)
{
    if (!expect_word(p, "OF"))
        return false;
    if (p->kind != TOKEN_PATH)
        return syntax(p, "'{' is missing");
    q->source = cim_path_parse(p->token, p->err);
    if (!q->source || !next(p))
        return false;
    if (p->kind == TOKEN_END)
        return true;
    if (!expect_word(p, "WHERE"))
        return false;
    do {
        if (!parse_term(p, q))
            return false;
    } while (p->kind != TOKEN_END);
    return true;
}

static bool parse_statement(struct parser *p, struct wql_query *q)
{
    if (is_word(p, "SELECT")) {
        if (!next(p) || !parse_select(p, q))
            return false;
    } else if (is_word(p, "ASSOCIATORS") || is_word(p, "REFERENCES")) {
        q->kind = is_word(p, "ASSOCIATORS") ? WQL_ASSOCIATORS : WQL_REFERENCES;
        if (!next(p) || !parse_association(p, q))
            return false;
    } else {
        return err_fail(p->err, ERR_INVALID, 0,
                        "WQL: neither SELECT nor ASSOCIATORS OF nor REFERENCES OF");
    }
    return p->kind == TOKEN_END || syntax(p, "something follows the end");
}

struct wql_query *wql_parse(const char *text, struct err *err)
{
    struct parser p = { .at = text, .err = err };
    CLEANUP(wql_cleanup) struct wql_query *q = NULL;
    bool ok;

    if (strlen(text) > MAX_TEXT) {
        err_fail(err, ERR_INVALID, 0, "WQL: longer than %d bytes", MAX_TEXT);
        return NULL;
    }
    q = calloc(1, sizeof(*q));
    if (!q) {
        err_no_memory(err);
        return NULL;
    }
    ok = next(&p) && parse_statement(&p, q);
    free(p.token);
    return ok ? TAKE(q) : NULL;
}

const char *wql_subject(const struct wql_query *q)
{
    return q->class_name     ? q->class_name
           : q->result_class ? q->result_class
           : q->assoc_class  ? q->assoc_class
                             : q->source->class_name;
}

void wql_free(struct wql_query *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->column_count; i++)
        free(q->columns[i]);
    free(q->columns);
    free(q->class_name);
    free(q->assoc_class);
    free(q->result_class);
    free(q->role);
    free(q->result_role);
    cim_path_free(q->source);
    condition_free(q->where);
    free(q);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INF text to sections, lines and fields. */

#include "inf.h"

#include <errno.h>
#include <string.h>

#include "strbuf.h"
#include "text.h"

enum {
    LINE_MAX_BYTES = 256 * 1024, /* with its continuations */
    LINES_MAX = 1000000,
    SECTIONS_MAX = 200000,
    FIELDS_MAX = 8192, /* per line */
    BUCKETS = 4096,
};

struct section {
    char *name;
    struct inf_line *lines;
    size_t count, size;
    size_t next; /* in its bucket, +1; 0 = last */
};

struct inf {
    struct section *sections;
    size_t count, size;
    size_t buckets[BUCKETS]; /* index + 1 of the first; 0 = none */
    size_t line_total;
};

/* ---- sections ---- */

static size_t bucket_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;

        hash = (hash ^ (unsigned char)c) * 16777619u;
    }
    return hash % BUCKETS;
}

static struct section *find_section(const struct inf *inf, const char *name)
{
    for (size_t i = inf->buckets[bucket_of(name)]; i; i = inf->sections[i - 1].next)
        if (text_ieq(inf->sections[i - 1].name, name))
            return &inf->sections[i - 1];
    return NULL;
}

static struct section *add_section(struct inf *inf, const char *name, struct err *err)
{
    struct section *section = find_section(inf, name);
    size_t bucket;

    if (section)
        return section;
    if (inf->count == SECTIONS_MAX) {
        err_fail(err, ERR_PROTOCOL, 0, "the INF has more than %d sections", SECTIONS_MAX);
        return NULL;
    }
    if (inf->count == inf->size) {
        size_t size = inf->size ? inf->size * 2 : 64;
        struct section *grown = realloc(inf->sections, size * sizeof(*grown));

        if (!grown) {
            err_no_memory(err);
            return NULL;
        }
        inf->sections = grown;
        inf->size = size;
    }
    bucket = bucket_of(name);
    section = &inf->sections[inf->count];
    *section = (struct section){ .name = text_dup(name), .next = inf->buckets[bucket] };
    if (!section->name) {
        err_no_memory(err);
        return NULL;
    }
    inf->buckets[bucket] = ++inf->count;
    return section;
}

/* ---- lines ---- */

struct splitter {
    const char *at, *end;
    unsigned line;
};

/* Joins one logical line: comments cut, continuations followed.  False at the end. */
static bool next_line(struct splitter *in, struct strbuf *line, unsigned *ret_number)
{
    bool quoted = false;

    strbuf_clear(line);
    if (in->at == in->end)
        return false;
    *ret_number = in->line + 1;
    while (in->at < in->end) {
        const char *eol = memchr(in->at, '\n', (size_t)(in->end - in->at));
        const char *next = eol ? eol + 1 : in->end;
        const char *stop = eol ? eol : in->end;
        const char *at = in->at;

        in->at = next;
        in->line++;
        while (stop > at && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        for (const char *c = at; c < stop; c++) {
            if (*c == '"')
                quoted = !quoted;
            else if (*c == ';' && !quoted)
                stop = c;
        }
        while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        /* A quote that is not closed ends with its line. */
        if (stop > at && stop[-1] == '\\' && !quoted && line->len < LINE_MAX_BYTES) {
            strbuf_add(line, at, (size_t)(stop - 1 - at));
            continue;
        }
        strbuf_add(line, at, (size_t)(stop - at));
        break;
    }
    return true;
}

/* Reads one field up to @until (',' or '='), unquoting; returns where it stopped. */
static const char *read_field(const char *at, const char *until, struct strbuf *field)
{
    size_t keep = 0; /* blanks inside quotes are kept, those outside are trimmed */
    bool quoted = false;

    strbuf_clear(field);
    strbuf_puts(field, "");
    while (*at == ' ' || *at == '\t')
        at++;
    for (; *at; at++) {
        if (*at == '"') {
            if (quoted && at[1] == '"')
                strbuf_putc(field, *at++);
            else
                quoted = !quoted;
            keep = field->len;
            continue;
        }
        if (!quoted && strchr(until, *at))
            break;
        strbuf_putc(field, *at);
    }
    while (!field->failed && field->len > keep &&
           (field->text[field->len - 1] == ' ' || field->text[field->len - 1] == '\t'))
        field->text[--field->len] = '\0';
    return at;
}

/* A key ends at an '=' that comes before any comma. */
static bool has_key(const char *text)
{
    bool quoted = false;

    for (; *text; text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (!quoted && *text == ',')
            return false;
        else if (!quoted && *text == '=')
            return true;
    }
    return false;
}

/* The fields of a line live in one block: the pointers, then the texts. */
static bool add_line(struct inf *inf, struct section *section, const char *text,
                     unsigned number, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf all = STRBUF_INIT, field = STRBUF_INIT;
    struct inf_line *line;
    size_t count = 0, at = 0;
    bool key = has_key(text);
    char **block;
    char *texts;

    if (++inf->line_total > LINES_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "the INF has more than %d lines", LINES_MAX);
    if (section->count == section->size) {
        size_t size = section->size ? section->size * 2 : 8;
        struct inf_line *grown = realloc(section->lines, size * sizeof(*grown));

        if (!grown)
            return err_no_memory(err);
        section->lines = grown;
        section->size = size;
    }

    if (key) {
        text = read_field(text, "=", &field) + 1;
        strbuf_add(&all, field.text, field.len + 1);
    }
    for (;;) {
        text = read_field(text, ",", &field);
        if (field.failed)
            return err_no_memory(err);
        if (++count > FIELDS_MAX)
            return err_fail(err, ERR_PROTOCOL, 0, "line %u has more than %d fields", number,
                            FIELDS_MAX);
        strbuf_add(&all, field.text, field.len + 1);
        if (!*text)
            break;
        text++;
    }
    if (all.failed)
        return err_no_memory(err);

    block = malloc(count * sizeof(*block) + all.len);
    if (!block)
        return err_no_memory(err);
    texts = (char *)(block + count);
    memcpy(texts, all.text, all.len);
    line = &section->lines[section->count++];
    *line = (struct inf_line){ .key = key ? texts : NULL,
                               .field_count = count,
                               .fields = (const char *const *)block,
                               .number = number };
    if (key)
        at = strlen(texts) + 1;
    for (size_t i = 0; i < count; i++) {
        block[i] = texts + at;
        at += strlen(texts + at) + 1;
    }
    return true;
}

static bool parse_lines(struct inf *inf, const char *text, size_t len, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    struct splitter in = { .at = text, .end = text + len };
    struct section *section = NULL;
    unsigned number;

    while (next_line(&in, &line, &number)) {
        const char *at = line.text;
        char *close;

        if (line.failed)
            return err_no_memory(err);
        if (line.len > LINE_MAX_BYTES)
            return err_fail(err, ERR_PROTOCOL, 0, "line %u is longer than %d bytes", number,
                            LINE_MAX_BYTES);
        while (at && (*at == ' ' || *at == '\t'))
            at++;
        if (!at || !*at)
            continue;
        if (*at == '[') {
            close = strrchr(line.text, ']');
            if (!close)
                return err_fail(err, ERR_PROTOCOL, 0,
                                "line %u opens a section and does not close it", number);
            *close = '\0';
            section = add_section(inf, at + 1, err);
            if (!section)
                return false;
            continue;
        }
        /* Before the first section there is nothing to belong to. */
        if (section && !add_line(inf, section, at, number, err))
            return false;
    }
    return true;
}

/* ---- encodings ---- */

/* Single-byte text of an unknown code page: letters past ASCII are read as Latin-1.
 * They occur in descriptions and comments, never in names that matter. */
static char *from_single_byte(const uint8_t *bytes, size_t len, size_t *ret_len)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x80) {
            strbuf_putc(&text, (char)bytes[i]);
        } else {
            strbuf_putc(&text, (char)(0xC0 | bytes[i] >> 6));
            strbuf_putc(&text, (char)(0x80 | (bytes[i] & 0x3F)));
        }
    }
    *ret_len = text.len;
    return strbuf_take(&text);
}

static char *to_utf8(const uint8_t *bytes, size_t len, size_t *ret_len, struct err *err)
{
    char *text;

    if (len >= 2 && bytes[0] == 0xFF && bytes[1] == 0xFE) {
        text = text_from_utf16le(bytes + 2, (len - 2) & ~(size_t)1, ret_len);
        if (!text && errno == EILSEQ)
            err_fail(err, ERR_PROTOCOL, 0, "the INF is not valid UTF-16");
        else if (!text)
            err_no_memory(err);
        return text;
    }
    if (len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        len -= 3;
    }
    if (text_is_utf8((const char *)bytes, len)) {
        *ret_len = len;
        text = text_ndup((const char *)bytes, len);
    } else {
        text = from_single_byte(bytes, len, ret_len);
    }
    if (!text)
        err_no_memory(err);
    return text;
}

/* ---- the whole ---- */

static bool has_signature(const struct inf *inf)
{
    for (size_t i = 0; i < inf_line_count(inf, "Version"); i++) {
        const struct inf_line *line = inf_line(inf, "Version", i);

        if (line->key && text_ieq(line->key, "Signature"))
            return text_ieq(line->fields[0], "$Windows NT$") ||
                   text_ieq(line->fields[0], "$Chicago$");
    }
    return false;
}

struct inf *inf_parse(const void *bytes, size_t len, struct err *err)
{
    CLEANUP(inf_cleanup) struct inf *inf = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    size_t text_len = 0;

    if (len > INF_SIZE_MAX) {
        err_fail(err, ERR_PROTOCOL, 0, "the INF is larger than %d bytes", INF_SIZE_MAX);
        return NULL;
    }
    text = to_utf8(bytes, len, &text_len, err);
    if (!text)
        return NULL;
    if (memchr(text, '\0', text_len)) {
        err_fail(err, ERR_PROTOCOL, 0, "this is not an INF file: it holds zero bytes");
        return NULL;
    }
    inf = calloc(1, sizeof(*inf));
    if (!inf) {
        err_no_memory(err);
        return NULL;
    }
    if (!parse_lines(inf, text, text_len, err))
        return NULL;
    if (!has_signature(inf)) {
        err_fail(err, ERR_PROTOCOL, 0,
                 "this is not an INF file: no [Version] section with a Signature");
        return NULL;
    }
    return TAKE(inf);
}

void inf_free(struct inf *inf)
{
    if (!inf)
        return;
    for (size_t i = 0; i < inf->count; i++) {
        for (size_t j = 0; j < inf->sections[i].count; j++)
            free((void *)inf->sections[i].lines[j].fields);
        free(inf->sections[i].lines);
        free(inf->sections[i].name);
    }
    free(inf->sections);
    free(inf);
}

bool inf_has_section(const struct inf *inf, const char *section)
{
    return find_section(inf, section) != NULL;
}

size_t inf_line_count(const struct inf *inf, const char *section)
{
    const struct section *found = find_section(inf, section);

    return found ? found->count : 0;
}

const struct inf_line *inf_line(const struct inf *inf, const char *section, size_t index)
{
    const struct section *found = find_section(inf, section);

    return found && index < found->count ? &found->lines[index] : NULL;
}

static const char *find_string(const struct inf *inf, const char *name)
{
    /* English first: what is searched for in texts must not depend on the language. */
    static const char *const sections[] = { "Strings", "Strings.0409", "Strings.0009" };

    for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
        const struct section *strings = find_section(inf, sections[s]);

        for (size_t i = 0; strings && i < strings->count; i++)
            if (strings->lines[i].key && text_ieq(strings->lines[i].key, name))
                return strings->lines[i].fields[0];
    }
    return NULL;
}

char *inf_expand(const struct inf *inf, const char *text, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf out = STRBUF_INIT;
    char *result;

    while (*text) {
        const char *close = *text == '%' ? strchr(text + 1, '%') : NULL;
        CLEANUP(free_cleanup) char *name = NULL;
        const char *value;

        if (!close) {
            strbuf_putc(&out, *text++);
            continue;
        }
        if (close == text + 1) {
            strbuf_putc(&out, '%');
            text = close + 1;
            continue;
        }
        name = text_ndup(text + 1, (size_t)(close - text - 1));
        value = name ? find_string(inf, name) : NULL;
        if (value) {
            strbuf_puts(&out, value);
            text = close + 1;
        } else {
            /* A dirid, or nothing we know: leave the token as it is. */
            strbuf_add(&out, text, (size_t)(close - text));
            text = close;
            strbuf_putc(&out, *text++);
        }
    }
    result = strbuf_take(&out);
    if (!result)
        err_no_memory(err);
    return result;
}

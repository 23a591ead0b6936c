/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML by tables: bounded parsing, values, mappings, errors with their place. */

#include "yaml-map.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest-word.h"
#include "strbuf.h"
#include "text.h"

/* ---- errors ---- */

static bool fail_at(struct yaml_reader *r, yaml_mark_t mark, const char *what)
{
    return err_fail(r->err, ERR_INVALID, 0, "'%.100s', line %zu, column %zu: %s", r->file,
                    mark.line + 1, mark.column + 1, what);
}

bool yaml_fail(struct yaml_reader *r, const yaml_node_t *at, const char *fmt, ...)
{
    char what[ERR_TEXT];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return fail_at(r, at->start_mark, what);
}

/* ---- parsing ---- */

/* What a parser reads, without the mark that some editors begin a file with. */
struct source {
    const char *text;
    size_t len;
};

static yaml_mark_t mark_of(const struct source *source, size_t offset)
{
    yaml_mark_t mark = { 0 };

    for (size_t i = 0; i < source->len && i < offset; i++) {
        bool ends = source->text[i] == '\n';

        mark.line += ends;
        mark.column = ends ? 0 : mark.column + 1;
    }
    return mark;
}

static bool is_tab(const struct source *source, yaml_mark_t mark)
{
    size_t line = 0, i = 0;

    for (; i < source->len && line < mark.line; i++)
        line += source->text[i] == '\n';
    /* Only blanks stand before it, so columns are bytes. */
    return line == mark.line && mark.column < source->len - i &&
           source->text[i + mark.column] == '\t';
}

static bool fail_parse(struct yaml_reader *r, const yaml_parser_t *parser,
                       const struct source *source)
{
    const char *problem = parser->problem ? parser->problem : "this is no YAML";

    if (parser->error == YAML_MEMORY_ERROR)
        return err_no_memory(r->err);
    if (parser->error == YAML_READER_ERROR) {
        fail_at(r, mark_of(source, parser->problem_offset), problem);
        return err_hint(r->err, "save the file as UTF-8");
    }
    if (is_tab(source, parser->problem_mark)) {
        fail_at(r, parser->problem_mark, "a tab stands where only blanks may");
        return err_hint(r->err, "indent with blanks");
    }
    return fail_at(r, parser->problem_mark, problem);
}

/* What libyaml would take a long time or much memory for, seen before it does. */
static bool check_events(struct yaml_reader *r, yaml_parser_t *parser,
                         const struct source *source)
{
    size_t depth = 0, anchors = 0, documents = 0, events = 0;
    bool done = false;

    while (!done) {
        yaml_event_t event;
        const yaml_char_t *anchor = NULL;
        const char *wrong = NULL;

        if (!yaml_parser_parse(parser, &event))
            return fail_parse(r, parser, source);
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            done = true;
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (++documents > 1)
                wrong = "a second document begins here; one file is one document";
            break;
        case YAML_MAPPING_START_EVENT:
            anchor = event.data.mapping_start.anchor;
            depth++;
            break;
        case YAML_SEQUENCE_START_EVENT:
            anchor = event.data.sequence_start.anchor;
            depth++;
            break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT:
            depth--;
            break;
        case YAML_SCALAR_EVENT:
            anchor = event.data.scalar.anchor;
            break;
        default:
            break;
        }
        anchors += anchor != NULL;
        if (depth > YAML_DEPTH_MAX)
            wrong = "this is nested too deep";
        else if (anchors > YAML_ANCHORS_MAX)
            wrong = "there are more than 256 anchors";
        else if (++events > 4 * YAML_ENTRIES_MAX)
            wrong = "the file has too many entries";
        if (wrong)
            fail_at(r, event.start_mark, wrong);
        yaml_event_delete(&event);
        if (wrong)
            return false;
    }
    return documents == 1 || err_fail(r->err, ERR_INVALID, 0, "'%.100s' is empty", r->file);
}

static void set_input(yaml_parser_t *parser, const struct source *source)
{
    yaml_parser_set_input_string(parser, (const unsigned char *)source->text, source->len);
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
}

bool yaml_reader_begin(struct yaml_reader *r, const char *file, const char *text,
                       size_t len, struct err *err)
{
    bool is_marked = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
    struct source source = { text + (is_marked ? 3 : 0), len - (is_marked ? 3 : 0) };
    yaml_parser_t parser;
    bool ok;

    *r = (struct yaml_reader){ .file = file, .err = err };
    if (len > YAML_BYTES_MAX)
        return err_fail(err, ERR_INVALID, 0, "'%.100s' is larger than 64 MB", file);
    if (!yaml_parser_initialize(&parser))
        return err_no_memory(err);
    set_input(&parser, &source);
    ok = check_events(r, &parser, &source);
    yaml_parser_delete(&parser);
    if (!ok)
        return false;
    if (!yaml_parser_initialize(&parser))
        return err_no_memory(err);
    set_input(&parser, &source);
    ok = yaml_parser_load(&parser, &r->document) || fail_parse(r, &parser, &source);
    yaml_parser_delete(&parser);
    return ok;
}

void yaml_reader_end(struct yaml_reader *r)
{
    yaml_document_delete(&r->document);
}

yaml_node_t *yaml_node(struct yaml_reader *r, int index)
{
    return yaml_document_get_node(&r->document, index);
}

/* ---- values ---- */

const char *yaml_text(struct yaml_reader *r, yaml_node_t *node, const char *what)
{
    const char *text;
    size_t len;

    if (node->type != YAML_SCALAR_NODE) {
        yaml_fail(r, node, "%s is one text or number", what);
        return NULL;
    }
    text = (const char *)node->data.scalar.value;
    len = node->data.scalar.length;
    if (len == 0) {
        yaml_fail(r, node, "%s has no value", what);
        return NULL;
    }
    if (len > YAML_TEXT_MAX) {
        yaml_fail(r, node, "%s is longer than %d bytes", what, YAML_TEXT_MAX);
        return NULL;
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            yaml_fail(r, node, "%s holds a control character", what);
            return NULL;
        }
    return text;
}

bool yaml_number(struct yaml_reader *r, yaml_node_t *node, const char *what, uint64_t min,
                 uint64_t max, uint64_t *ret)
{
    const char *text = yaml_text(r, node, what);
    uint64_t value;

    if (!text)
        return false;
    if (text[0] == '0' && text[1] >= '0' && text[1] <= '9') {
        yaml_fail(r, node, "%s is a number without zeros before it, not '%.40s'", what,
                  text);
        return err_hint(r->err, "some readers of YAML take such a one for octal");
    }
    if (!text_to_u64(text, 10, &value) || value < min || value > max)
        return yaml_fail(r, node, "%s is a number from %llu to %llu, not '%.40s'", what,
                         (unsigned long long)min, (unsigned long long)max, text);
    *ret = value;
    return true;
}

bool yaml_size(struct yaml_reader *r, yaml_node_t *node, const char *what, uint64_t *ret)
{
    const char *text = yaml_text(r, node, what);

    if (!text || text_to_size(text, ret))
        return text != NULL;
    yaml_fail(r, node, "%s is a size, not '%.40s'", what, text);
    return err_hint(r->err, "a number of bytes, or one with M or G: 3G, 33280M");
}

bool yaml_bool(struct yaml_reader *r, yaml_node_t *node, const char *what, bool *ret)
{
    const char *text = yaml_text(r, node, what);

    if (!text)
        return false;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return yaml_fail(r, node, "%s is true or false, not '%.40s'", what, text);
    *ret = text[0] == 't';
    return true;
}

/* "a, b or c" */
static void put_words(struct strbuf *to, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        strbuf_printf(to, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

bool yaml_word(struct yaml_reader *r, yaml_node_t *node, const char *what,
               const char *const *words, size_t *ret)
{
    CLEANUP(strbuf_cleanup) struct strbuf known = STRBUF_INIT;
    const char *text = yaml_text(r, node, what), *near;

    if (!text)
        return false;
    for (size_t i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0) {
            *ret = i;
            return true;
        }
    put_words(&known, words);
    yaml_fail(r, node, "%s is %s, not '%.40s'", what, known.text, text);
    near = nearest_word(text, words);
    return near ? err_hint(r->err, "did you mean '%s'?", near) : false;
}

/* ---- mappings ---- */

bool yaml_count(struct yaml_reader *r, const yaml_node_t *at)
{
    return ++r->entries <= YAML_ENTRIES_MAX ||
           yaml_fail(r, at, "the file has too many entries");
}

enum { KEYS_MAX = 32 };

static bool unknown_key(struct yaml_reader *r, const yaml_node_t *at, const char *what,
                        const struct yaml_key *keys, const char *name)
{
    CLEANUP(strbuf_cleanup) struct strbuf known = STRBUF_INIT;
    const char *words[KEYS_MAX + 1], *near;
    size_t count = 0;

    for (; keys[count].name && count < KEYS_MAX; count++)
        words[count] = keys[count].name;
    words[count] = NULL;
    yaml_fail(r, at, "%s has no key '%.60s'", what, name);
    near = nearest_word(name, words);
    if (near)
        return err_hint(r->err, "did you mean '%s'?", near);
    put_words(&known, words);
    return err_hint(r->err, "its keys are %s", known.text);
}

bool yaml_map(struct yaml_reader *r, yaml_node_t *node, const char *what,
              const struct yaml_key *keys, void *target)
{
    uint32_t seen = 0;

    if (node->type != YAML_MAPPING_NODE)
        return yaml_fail(r, node, "%s is lines of 'key: value'", what);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_node(r, pair->key);
        const char *name = yaml_text(r, key, "a key");
        size_t i = 0;

        if (!name || !yaml_count(r, key))
            return false;
        while (keys[i].name && strcmp(keys[i].name, name) != 0)
            i++;
        if (!keys[i].name)
            return unknown_key(r, key, what, keys, name);
        if (seen & (UINT32_C(1) << i))
            return yaml_fail(r, key, "'%s' is given twice", name);
        seen |= UINT32_C(1) << i;
        if (!keys[i].read(r, yaml_node(r, pair->value), target))
            return false;
    }
    for (size_t i = 0; keys[i].name; i++)
        if (keys[i].is_required && !(seen & (UINT32_C(1) << i)))
            return yaml_fail(r, node, "%s needs '%s'", what, keys[i].name);
    return true;
}

struct named {
    const char *name;
    const yaml_node_t *at;
    size_t i;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    int order = text_casecmp(left->name, right->name);

    return order ? order : (left->i > right->i) - (left->i < right->i);
}

/* In n log n: a file may name thousands of VMs. */
static bool check_twice(struct yaml_reader *r, struct named *all, size_t count)
{
    const struct named *twice = NULL;

    qsort(all, count, sizeof(*all), compare_named);
    for (size_t i = 1; i < count; i++)
        if (text_ieq(all[i - 1].name, all[i].name) && (!twice || all[i].i < twice->i))
            twice = &all[i];
    return !twice || yaml_fail(r, twice->at, "'%.60s' is named twice", twice->name);
}

static bool read_elements(struct yaml_reader *r, yaml_node_t *node,
                          const struct yaml_names *names, struct named *all, char *list,
                          size_t *ret_count)
{
    size_t count = 0;

    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++, count++) {
        yaml_node_t *key = yaml_node(r, pair->key);
        const char *name = yaml_text(r, key, "a name");

        if (!name || !yaml_count(r, key))
            return false;
        all[count] = (struct named){ name, key, count };
    }
    if (!check_twice(r, all, count))
        return false;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_node(r, pair->key);
        char *element = list + *ret_count * names->size;

        ++*ret_count;
        if (!names->read_one(r, key, (const char *)key->data.scalar.value,
                             yaml_node(r, pair->value), element, names->user))
            return false;
    }
    return true;
}

bool yaml_named(struct yaml_reader *r, yaml_node_t *node, const struct yaml_names *names,
                void **ret, size_t *ret_count)
{
    struct named *all;
    size_t count;
    bool ok;

    if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0)
        return true; /* "vms:" alone */
    if (node->type != YAML_MAPPING_NODE)
        return yaml_fail(r, node, "'%s' is lines of 'name: ...'", names->what);
    count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    if (count > names->max)
        return yaml_fail(r, node, "more than %zu %s", names->max, names->what);
    if (count == 0)
        return true;
    if (count > YAML_ENTRIES_MAX - r->entries) /* before there is memory for them */
        return yaml_fail(r, node, "the file has too many entries");
    all = calloc(count, sizeof(*all));
    *ret = calloc(count, names->size);
    ok = (all && *ret) || err_no_memory(r->err);
    ok = ok && read_elements(r, node, names, all, *ret, ret_count);
    free(all);
    return ok;
}

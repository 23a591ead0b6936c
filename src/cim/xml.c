/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounded, streaming XML reading on libxml2's SAX2 push parser. */

#include "xml.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <pthread.h>
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"
#include "xml-tag.h"

enum { XML_MAX_TEXT = 4 << 20, XML_MAX_DEPTH = 48, XML_MAX_ATTRS = 64 };

struct xml_reader {
    struct xml_handler handler;
    xmlParserCtxtPtr parser;
    xmlSAXHandler sax;
    struct strbuf text;
    struct strbuf attrs; /* the values of one element, NUL-terminated */
    struct xml_tag_watch watch;
    size_t depth;
    bool failed;
    struct err err;
};

static void stop(struct xml_reader *r)
{
    r->failed = true;
    xmlStopParser(r->parser);
}

static const char *text_of(const xmlChar *text)
{
    return text ? (const char *)text : "";
}

/* libxml2 gives attributes as five pointers each: name, prefix, namespace, first byte
 * of the value, byte after it. */
static bool collect_attrs(struct xml_reader *r, const xmlChar **from, size_t count,
                          struct xml_attr *ret)
{
    size_t at = 0;

    strbuf_clear(&r->attrs);
    for (size_t i = 0; i < count; i++) {
        strbuf_add(&r->attrs, from[i * 5 + 3], (size_t)(from[i * 5 + 4] - from[i * 5 + 3]));
        strbuf_putc(&r->attrs, '\0');
    }
    if (r->attrs.failed)
        return err_no_memory(&r->err);
    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct xml_attr){ text_of(from[i * 5 + 2]), text_of(from[i * 5]),
                                    r->attrs.text + at };
        at += (size_t)(from[i * 5 + 4] - from[i * 5 + 3]) + 1;
    }
    return true;
}

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix,
                     const xmlChar *ns, int ns_count, const xmlChar **namespaces,
                     int attr_count, int defaulted, const xmlChar **attributes)
{
    struct xml_reader *r = user;
    struct xml_attr attrs[XML_MAX_ATTRS];
    struct xml_element e = { .ns = text_of(ns), .name = text_of(name), .attrs = attrs };

    if (r->failed)
        return;
    strbuf_clear(&r->text);
    e.depth = ++r->depth;
    e.attr_count = (size_t)attr_count;
    if (r->depth > r->handler.max_depth || attr_count > XML_MAX_ATTRS) {
        err_fail(&r->err, ERR_PROTOCOL, 0,
                 r->depth > r->handler.max_depth
                     ? "the XML is nested too deeply"
                     : "an XML element has too many attributes");
        stop(r);
        return;
    }
    if (!collect_attrs(r, attributes, e.attr_count, attrs) ||
        (r->handler.on_start && !r->handler.on_start(r->handler.user, &e, &r->err)))
        stop(r);
}

static void on_end(void *user, const xmlChar *name, const xmlChar *prefix,
                   const xmlChar *ns)
{
    struct xml_reader *r = user;
    struct xml_element e = { .ns = text_of(ns), .name = text_of(name), .depth = r->depth };

    if (r->failed)
        return;
    e.text = r->text.len ? r->text.text : "";
    e.text_len = r->text.len;
    r->depth--;
    if (r->handler.on_end && !r->handler.on_end(r->handler.user, &e, &r->err))
        stop(r);
    strbuf_clear(&r->text);
}

static void on_text(void *user, const xmlChar *text, int len)
{
    struct xml_reader *r = user;

    if (r->failed)
        return;
    if (r->text.len + (size_t)len > r->handler.max_text) {
        err_fail(&r->err, ERR_PROTOCOL, 0, "a text in the XML is longer than %zu bytes",
                 r->handler.max_text);
        stop(r);
        return;
    }
    strbuf_add(&r->text, text, (size_t)len);
    if (r->text.failed) {
        err_no_memory(&r->err);
        stop(r);
    }
}

/* Neither SOAP nor CIM-XML has a document type declaration; entities live there. */
static void on_doctype(void *user, const xmlChar *name, const xmlChar *public_id,
                       const xmlChar *system_id)
{
    struct xml_reader *r = user;

    if (r->failed)
        return;
    err_fail(&r->err, ERR_PROTOCOL, 0, "the XML has a document type declaration");
    stop(r);
}

/* In other encodings the watch over the tags' length could be fooled; and nobody sends them. */
static void on_document(void *user)
{
    static const char *const known[] = { "UTF-8",    "UTF-16", "UTF-16LE",  "UTF-16BE",
                                         "US-ASCII", "ASCII",  "ISO-8859-1" };
    struct xml_reader *r = user;
    const char *encoding = (const char *)r->parser->encoding;

    for (size_t i = 0; encoding && i < ARRAY_LEN(known); i++)
        if (text_ieq(encoding, known[i]))
            return;
    if (!encoding || r->failed)
        return;
    err_fail(&r->err, ERR_PROTOCOL, 0, "the XML is in the encoding '%.40s'", encoding);
    stop(r);
}

/* The five entities of XML itself only. */
static xmlEntityPtr on_entity(void *user, const xmlChar *name)
{
    return xmlGetPredefinedEntity(name);
}

static pthread_once_t init_once = PTHREAD_ONCE_INIT;

struct xml_reader *xml_reader_new(const struct xml_handler *handler, struct err *err)
{
    struct xml_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        err_no_memory(err);
        return NULL;
    }
    pthread_once(&init_once, xmlInitParser);
    r->handler = *handler;
    if (!r->handler.max_text)
        r->handler.max_text = XML_MAX_TEXT;
    if (!r->handler.max_depth)
        r->handler.max_depth = XML_MAX_DEPTH;
    r->sax.initialized = XML_SAX2_MAGIC;
    r->sax.startDocument = on_document;
    r->sax.startElementNs = on_start;
    r->sax.endElementNs = on_end;
    r->sax.characters = on_text;
    r->sax.ignorableWhitespace = on_text;
    r->sax.cdataBlock = on_text;
    r->sax.internalSubset = on_doctype;
    r->sax.getEntity = on_entity;
    r->parser = xmlCreatePushParserCtxt(&r->sax, r, NULL, 0, NULL);
    if (!r->parser) {
        free(r);
        err_no_memory(err);
        return NULL;
    }
    xmlCtxtUseOptions(r->parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    return r;
}

static bool feed(struct xml_reader *r, const void *bytes, size_t len, bool last,
                 struct err *err)
{
    int code;

    if (!r->failed && !xml_tag_watch(&r->watch, bytes, len)) {
        err_fail(&r->err, ERR_PROTOCOL, 0, "a tag in the XML is longer than %d KiB",
                 XML_TAG_MOST >> 10);
        r->failed = true;
    }
    if (!r->failed) {
        code = xmlParseChunk(r->parser, bytes, (int)len, last);
        if (code != XML_ERR_OK && !r->failed && !r->parser->wellFormed) {
            const xmlError *e = xmlCtxtGetLastError(r->parser);
            const char *why = e && e->message ? e->message : "not well-formed";

            err_fail(&r->err, ERR_PROTOCOL, 0, "the XML is broken: %.*s",
                     (int)strcspn(why, "\n"), why);
            r->failed = true;
        }
    }
    if (r->failed) {
        *err = r->err;
        return false;
    }
    return true;
}

bool xml_reader_feed(struct xml_reader *r, const void *bytes, size_t len, struct err *err)
{
    enum { PIECE = 1 << 20 };
    const char *at = bytes;

    for (; len > PIECE; at += PIECE, len -= PIECE)
        if (!feed(r, at, PIECE, false, err))
            return false;
    return feed(r, at, len, false, err);
}

bool xml_reader_finish(struct xml_reader *r, struct err *err)
{
    return feed(r, NULL, 0, true, err);
}

void xml_reader_free(struct xml_reader *r)
{
    if (!r)
        return;
    xmlFreeParserCtxt(r->parser);
    strbuf_free(&r->text);
    strbuf_free(&r->attrs);
    free(r);
}

bool xml_is(const struct xml_element *e, const char *ns, const char *name)
{
    return strcmp(e->name, name) == 0 && strcmp(e->ns, ns) == 0;
}

const char *xml_attr(const struct xml_element *e, const char *ns, const char *name)
{
    for (size_t i = 0; i < e->attr_count; i++)
        if (strcmp(e->attrs[i].name, name) == 0 && strcmp(e->attrs[i].ns, ns) == 0)
            return e->attrs[i].value;
    return NULL;
}

void xml_put_text(struct strbuf *to, const char *text)
{
    for (const char *run = text;; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= 0x20 && c != '<' && c != '>' && c != '&' && c != '"';

        if (plain || c == '\t' || c == '\n')
            continue;
        strbuf_add(to, run, (size_t)(text - run));
        run = text + 1;
        if (c == '\0')
            return;
        /* A bare carriage return would arrive as a line feed. */
        if (c < 0x20 && c != '\r')
            to->failed = true;
        else
            strbuf_printf(to, "&#%u;", c);
    }
}

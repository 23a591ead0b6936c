/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text, colours, errors and the JSON document. */

#include "output.h"

#include <stdarg.h>
#include <string.h>

#include "os.h"
#include "strbuf.h"
#include "text.h"

void output_init(struct output *out, bool json, bool quiet, bool no_color)
{
    const char *asked = os_env("NO_COLOR"); /* https://no-color.org */
    bool plain = no_color || (asked && *asked);

    *out = (struct output){
        .text = stdout,
        .messages = stderr,
        .json = json,
        .quiet = quiet,
        .colour = !json && !plain && os_takes_escapes(1),
        .colour_messages = !plain && os_takes_escapes(2),
        .columns = os_is_terminal(1) ? os_terminal_columns() : 0,
    };
}

static const char *const style_codes[] = {
    [STYLE_PLAIN] = "",       [STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m",
    [STYLE_BAD] = "\033[31m", [STYLE_FAINT] = "\033[2m", [STYLE_BOLD] = "\033[1m",
};

const char *style_on(const struct output *out, enum style style)
{
    return out->colour ? style_codes[style] : "";
}

const char *style_off(const struct output *out, enum style style)
{
    return out->colour && style != STYLE_PLAIN ? "\033[0m" : "";
}

void output_text(struct output *out, const char *fmt, ...)
{
    va_list args;

    if (out->json)
        return;
    va_start(args, fmt);
    vfprintf(out->text, fmt, args);
    va_end(args);
    if (out->columns) /* a terminal, where a console buffers more than a line */
        fflush(out->text);
}

void output_note(struct output *out, const char *fmt, ...)
{
    va_list args;

    if (out->quiet)
        return;
    fflush(out->text); /* what was said before stands before */
    va_start(args, fmt);
    vfprintf(out->messages, fmt, args);
    va_end(args);
    fflush(out->messages);
}

/* Length of the UTF-8 letter at @text, 1 for a byte that begins none; *ret_code its code
 * point. */
static size_t letter_at(const char *text, uint32_t *ret_code)
{
    unsigned char c = (unsigned char)*text;
    size_t len = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;
    uint32_t code;

    *ret_code = 0xFFFD;
    if (len == 0)
        return 1;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            return 1;
    if (!text_is_utf8(text, len))
        return len;
    code = len == 1 ? c : c & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3F);
    *ret_code = code;
    return len;
}

/* Control characters, and those that reorder what stands beside them. */
static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C ||
           (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

char *clean_text(const char *text, unsigned columns)
{
    struct strbuf buf = STRBUF_INIT;
    size_t fits = 0; /* bytes after which "…" still fits */
    unsigned used = 0;

    while (*text) {
        uint32_t code;
        size_t len = letter_at(text, &code);
        char letter[8] = "?";

        if (code == 0xFFFD)
            strcpy(letter, "\xEF\xBF\xBD");
        else if (!is_unsafe(code))
            snprintf(letter, sizeof(letter), "%.*s", (int)len, text);
        used += text_columns(letter);
        if (columns && used > columns) {
            if (buf.text)
                buf.text[fits] = '\0';
            buf.len = fits;
            strbuf_puts(&buf, "…");
            break;
        }
        strbuf_puts(&buf, letter);
        if (columns && used < columns)
            fits = buf.len;
        text += len;
    }
    return strbuf_take(&buf);
}

char *clean_text_end(const char *text, unsigned columns)
{
    CLEANUP(free_cleanup) char *clean = clean_text(text, 0);
    const char *at = clean;
    uint32_t code;

    if (!clean || text_columns(clean) <= columns)
        return TAKE(clean);
    while (*at && text_columns(at) + 1 > columns)
        at += letter_at(at, &code);
    return text_printf("…%s", at);
}

void output_field(struct output *out, unsigned width, const char *label, const char *value)
{
    CLEANUP(free_cleanup) char *clean = value ? clean_text(value, 0) : NULL;
    const char *colon = *label ? ":" : ""; /* no label: goes on with the line before */
    unsigned used = text_columns(label) + (*label ? 1 : 0);

    output_text(out, "  %s%s%s%s%*s %s\n", style_on(out, STYLE_FAINT), label, colon,
                style_off(out, STYLE_FAINT), used < width ? (int)(width - used) : 0, "",
                clean ? clean : "-");
}

void output_heading(struct output *out, const char *title)
{
    CLEANUP(free_cleanup) char *clean = clean_text(title, 0);

    output_text(out, "%s%s%s\n", style_on(out, STYLE_BOLD), clean ? clean : "",
                style_off(out, STYLE_BOLD));
}

bool output_json(struct output *out, json_t *document, struct err *err)
{
    int bad;

    if (!document)
        return err_no_memory(err);
    bad = json_dumpf(document, out->text, JSON_INDENT(2));
    json_decref(document);
    if (bad || putc('\n', out->text) == EOF || fflush(out->text) != 0)
        return err_fail(err, ERR_SYSTEM, 0, "the result could not be written");
    return true;
}

/* What depth says, outermost first, as the text chain has it. */
json_t *error_to_json(const struct err *err)
{
    json_t *causes = json_array();
    unsigned depth = err->depth ? err->depth : 1;

    for (unsigned i = depth; causes && i-- > 0;) {
        CLEANUP(free_cleanup) char *clean = clean_text(err->text[i], 0);

        if (i == depth - 1)
            continue; /* that one is the message */
        json_array_append_new(causes, json_string(clean ? clean : ""));
    }
    {
        CLEANUP(free_cleanup) char *message = clean_text(err->text[depth - 1], 0);
        CLEANUP(free_cleanup) char *hint = clean_text(err->hint, 0);

        return json_pack("{s:s, s:o, s:s, s:o, s:o}", "kind", err_kind_name(err->kind),
                         "code",
                         err->code ? json_integer((json_int_t)err->code) : json_null(),
                         "message", message ? message : "", "causes", causes, "hint",
                         hint && *hint ? json_string(hint) : json_null());
    }
}

static void print_error(struct output *out, const char *subject, const struct err *err)
{
    char line[ERR_DEPTH * (ERR_TEXT + 4)];
    CLEANUP(free_cleanup) char *clean = NULL;
    CLEANUP(free_cleanup) char *hint = clean_text(err->hint, 0);
    CLEANUP(free_cleanup) char *who = subject ? clean_text(subject, 0) : NULL;
    const char *red = out->colour_messages ? style_codes[STYLE_BAD] : "";
    const char *off = out->colour_messages ? "\033[0m" : "";

    err_format(err, line, sizeof(line));
    clean = clean_text(line, 0);
    fflush(out->text);
    fprintf(out->messages, "%shvgpu:%s %s%s%s\n", red, off, who ? who : "", who ? ": " : "",
            clean ? clean : line);
    if (hint && *hint)
        fprintf(out->messages, "  → %s\n", hint);
    fflush(out->messages);
}

void output_error(struct output *out, const char *subject, const struct err *err)
{
    json_t *document;
    struct err why = ERR_INIT;

    if (out->json && !ferror(out->text)) { /* not into a closed pipe */
        document =
            json_pack("{s:s, s:o}", "schema", "hvgpu/1", "error", error_to_json(err));
        if (!output_json(out, document, &why))
            print_error(out, subject, &why);
    }
    print_error(out, subject, err);
}

void output_host_error(struct output *out, const char *host, const struct err *err)
{
    print_error(out, host, err);
}

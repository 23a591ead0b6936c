/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines and their places.  Everything is looked for in the bytes of the file: in the
 * encodings that are let through (see vmx-facts.c) no byte of '=', '"', '#' or a line's end
 * is ever a part of another letter.
 */
#include "vmx.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "text.h"

enum { ENTRIES_MAX = 65536, KEY_MAX_BYTES = 256 };

/* ---- reading ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_key_byte(char c)
{
    return (unsigned char)c > ' ' && c != '=' && c != '"' && c != '#' && c != 0x7F;
}

static size_t skip_blanks(const char *bytes, size_t at, size_t end)
{
    while (at < end && is_blank(bytes[at]))
        at++;
    return at;
}

/* The value from @at on: in quotes up to the next one, else up to the last letter. */
static bool find_value(const char *bytes, size_t at, size_t end, struct vmx_entry *entry)
{
    entry->is_quoted = at < end && bytes[at] == '"';
    if (entry->is_quoted) {
        const char *close = memchr(bytes + at + 1, '"', end - at - 1);

        if (!close || skip_blanks(bytes, (size_t)(close - bytes) + 1, end) != end)
            return false;
        entry->value_at = at + 1;
        entry->value_len = (size_t)(close - bytes) - entry->value_at;
        return true;
    }
    while (end > at && is_blank(bytes[end - 1]))
        end--;
    entry->value_at = at;
    entry->value_len = end - at;
    return !memchr(bytes + at, '"', end - at);
}

/* *ret_found false without error: no entry. */
static bool read_line(struct vmx *vmx, size_t at, size_t end, struct vmx_entry *entry,
                      bool *ret_found, struct err *err)
{
    size_t key_at = skip_blanks(vmx->bytes, at, end), key_end = key_at, value;

    *ret_found = false;
    while (key_end < end && is_key_byte(vmx->bytes[key_end]))
        key_end++;
    value = skip_blanks(vmx->bytes, key_end, end);
    if (key_end == key_at || key_end - key_at > KEY_MAX_BYTES || value >= end ||
        vmx->bytes[value] != '=')
        return true;
    if (!find_value(vmx->bytes, skip_blanks(vmx->bytes, value + 1, end), end, entry))
        return true;
    entry->key = text_ndup(vmx->bytes + key_at, key_end - key_at);
    *ret_found = entry->key != NULL;
    return entry->key || err_no_memory(err);
}

static bool add_entry(struct vmx *vmx, const struct vmx_entry *entry, struct err *err)
{
    if (vmx->count == ENTRIES_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "the file has more than %d entries",
                        ENTRIES_MAX);
    if ((vmx->count & (vmx->count - 1)) == 0) {
        size_t size = vmx->count ? vmx->count * 2 : 1;
        struct vmx_entry *grown = realloc(vmx->entries, size * sizeof(*grown));

        if (!grown)
            return err_no_memory(err);
        vmx->entries = grown;
    }
    vmx->entries[vmx->count++] = *entry;
    return true;
}

static bool is_empty_or_comment(const char *bytes, size_t at, size_t end)
{
    at = skip_blanks(bytes, at, end);
    return at == end || bytes[at] == '#';
}

static bool read_lines(struct vmx *vmx, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    size_t at = 0, line = 1, crlf = 0, lines = 0;

    if (vmx->len >= 3 && memcmp(vmx->bytes, mark, 3) == 0)
        at = 3;
    for (size_t next; at < vmx->len; at = next, line++) {
        const char *feed = memchr(vmx->bytes + at, '\n', vmx->len - at);
        size_t end = feed ? (size_t)(feed - vmx->bytes) : vmx->len;
        struct vmx_entry entry = { .line_at = at };
        bool found;

        next = feed ? end + 1 : end;
        entry.line_len = next - at;
        lines += feed != NULL;
        crlf += feed && end > at && vmx->bytes[end - 1] == '\r';
        if (is_empty_or_comment(vmx->bytes, at, end))
            continue;
        if (!read_line(vmx, at, end, &entry, &found, err))
            return false;
        if (!found) {
            vmx->first_bad_line = vmx->bad_line_count++ ? vmx->first_bad_line : line;
        } else if (!add_entry(vmx, &entry, err)) {
            free(entry.key);
            return false;
        }
    }
    vmx->has_crlf = crlf > lines / 2;
    return true;
}

struct vmx *vmx_parse(const char *bytes, size_t len, struct err *err)
{
    CLEANUP(vmx_cleanup) struct vmx *vmx = calloc(1, sizeof(*vmx));

    if (len > 0 && memchr(bytes, '\0', len)) {
        err_fail(err, ERR_PROTOCOL, 0,
                 "the file holds zero bytes: UTF-16, or no text at all");
        return NULL;
    }
    if (vmx)
        vmx->bytes = text_ndup(bytes, len);
    if (!vmx || !vmx->bytes) {
        err_no_memory(err);
        return NULL;
    }
    vmx->len = len;
    vmx->encoding = text_dup("UTF-8"); /* that of `.encoding` itself */
    if (!vmx->encoding) {
        err_no_memory(err);
        return NULL;
    }
    if (!read_lines(vmx, err))
        return NULL;
    if (vmx_has(vmx, ".encoding")) {
        char *encoding = vmx_get(vmx, ".encoding");

        if (encoding && *encoding) {
            free(vmx->encoding);
            vmx->encoding = TAKE(encoding);
        }
        free(encoding);
    }
    return TAKE(vmx);
}

struct vmx *vmx_read(const char *path, struct err *err)
{
    CLEANUP(os_file_cleanup) struct os_file *file = os_file_open(path, err);
    CLEANUP(strbuf_cleanup) struct strbuf bytes = STRBUF_INIT;
    char piece[16 * 1024];
    size_t n;

    if (!file)
        return NULL;
    do {
        if (!os_file_read(file, piece, sizeof(piece), &n, err))
            return NULL;
        strbuf_add(&bytes, piece, n);
        if (bytes.len > VMX_BYTES_MAX) {
            err_fail(err, ERR_PROTOCOL, 0, "'%s' is too large for a .vmx file", path);
            return NULL;
        }
    } while (n > 0);
    if (bytes.failed) {
        err_no_memory(err);
        return NULL;
    }
    return vmx_parse(bytes.text ? bytes.text : "", bytes.len, err);
}

void vmx_free(struct vmx *vmx)
{
    if (!vmx)
        return;
    for (size_t i = 0; i < vmx->count; i++)
        free(vmx->entries[i].key);
    free(vmx->entries);
    free(vmx->encoding);
    free(vmx->bytes);
    free(vmx);
}

/* ---- asking ---- */

static const struct vmx_entry *find(const struct vmx *vmx, const char *key)
{
    for (size_t i = vmx->count; i-- > 0;)
        if (text_ieq(vmx->entries[i].key, key))
            return &vmx->entries[i];
    return NULL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* `|22` and the like; a bar without two digits stays what it is. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at; at++, to++) {
        int high = at[0] == '|' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;

        if (low >= 0 && (high || low)) {
            *to = (char)(high << 4 | low);
            at += 2;
        } else {
            *to = *at;
        }
    }
    *to = '\0';
}

static char *value_of(const struct vmx *vmx, const struct vmx_entry *entry)
{
    struct err ignored = ERR_INIT;
    char *text;

    if (text_ieq(vmx->encoding, "UTF-8"))
        text = text_is_utf8(vmx->bytes + entry->value_at, entry->value_len)
                   ? text_ndup(vmx->bytes + entry->value_at, entry->value_len)
                   : NULL;
    else
        text = os_text_from(vmx->encoding, vmx->bytes + entry->value_at, entry->value_len,
                            &ignored);
    if (text)
        unescape(text);
    /* An escape may stand for any byte. */
    if (text && !text_is_utf8(text, strlen(text)))
        free(TAKE(text));
    return text;
}

char *vmx_get(const struct vmx *vmx, const char *key)
{
    const struct vmx_entry *entry = find(vmx, key);

    return entry ? value_of(vmx, entry) : NULL;
}

char *vmx_shown(const struct vmx *vmx, const char *key)
{
    CLEANUP(strbuf_cleanup) struct strbuf all = STRBUF_INIT;
    CLEANUP(free_cleanup) char *last = vmx_get(vmx, key);
    bool differ = false;

    for (size_t i = 0; last && i < vmx->count; i++) {
        CLEANUP(free_cleanup) char *one = NULL;

        if (!text_ieq(vmx->entries[i].key, key))
            continue;
        one = value_of(vmx, &vmx->entries[i]);
        differ |= !one || strcmp(one, last) != 0;
        strbuf_printf(&all, "%s%s", all.len ? ", " : "", one ? one : "?");
    }
    return differ ? strbuf_take(&all) : TAKE(last);
}

bool vmx_get_u64(const struct vmx *vmx, const char *key, uint64_t *ret)
{
    CLEANUP(free_cleanup) char *text = vmx_get(vmx, key);

    return text && text_to_u64(text, 10, ret);
}

bool vmx_has(const struct vmx *vmx, const char *key)
{
    return find(vmx, key) != NULL;
}

size_t vmx_count(const struct vmx *vmx, const char *prefix)
{
    size_t count = 0;

    for (size_t i = 0; i < vmx->count; i++)
        count += text_istarts(vmx->entries[i].key, prefix);
    return count;
}

/* ---- editing ---- */

static const struct vmx_change *change_of(const struct vmx_change *changes, size_t count,
                                          const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (text_ieq(changes[i].key, key))
            return &changes[i];
    return NULL;
}

static bool is_so(const struct vmx *vmx, const struct vmx_entry *entry, const char *value)
{
    CLEANUP(free_cleanup)
    char *now = text_ndup(vmx->bytes + entry->value_at, entry->value_len);

    return text_ieq(now, value);
}

/* What is written needs no escape in any encoding. */
static bool is_plain(const char *value)
{
    for (; *value; value++)
        if (!((*value >= '0' && *value <= '9') || (*value >= 'A' && *value <= 'Z') ||
              (*value >= 'a' && *value <= 'z') || strchr("._-", *value)))
            return false;
    return true;
}

static void append_new(const struct vmx *vmx, const struct vmx_change *changes,
                       size_t count, struct strbuf *to)
{
    const char *newline = vmx->has_crlf ? "\r\n" : "\n";
    bool ended = vmx->len == 0 || vmx->bytes[vmx->len - 1] == '\n';

    for (size_t i = 0; i < count; i++) {
        if (!changes[i].value || vmx_has(vmx, changes[i].key))
            continue;
        /* A line that was the last and is removed took the missing end with it. */
        if (to->len > 0 && to->text[to->len - 1] != '\n')
            strbuf_puts(to, newline);
        strbuf_printf(to, "%s = \"%s\"%s", changes[i].key, changes[i].value,
                      ended ? newline : "");
    }
}

bool vmx_edit(const struct vmx *vmx, const struct vmx_change *changes, size_t count,
              const char *without_prefix, struct strbuf *ret, struct err *err)
{
    size_t copied = 0;

    for (size_t i = 0; i < count; i++)
        if (changes[i].value && !is_plain(changes[i].value))
            return err_fail(err, ERR_INVALID, 0, "'%.80s' is no value hvgpu writes",
                            changes[i].value);
    for (size_t i = 0; i < vmx->count; i++) {
        const struct vmx_entry *entry = &vmx->entries[i];
        const struct vmx_change *change = change_of(changes, count, entry->key);
        bool goes = (without_prefix && text_istarts(entry->key, without_prefix)) ||
                    (change && !change->value);

        if (!goes && (!change || is_so(vmx, entry, change->value)))
            continue;
        strbuf_add(ret, vmx->bytes + copied,
                   (goes ? entry->line_at : entry->value_at) - copied);
        copied =
            goes ? entry->line_at + entry->line_len : entry->value_at + entry->value_len;
        if (!goes)
            strbuf_puts(ret, change->value);
    }
    strbuf_add(ret, vmx->bytes + copied, vmx->len - copied);
    append_new(vmx, changes, count, ret);
    return !ret->failed || err_no_memory(err);
}

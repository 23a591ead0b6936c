/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people see: text on standard output, aligned tables, colour on terminals only.
 *
 * Names come from hosts and may hold anything.  Whatever goes through these functions as
 * an argument of %s in a cell or a field has its control characters replaced, so that no
 * VM's name can move the cursor or recolour the screen.
 *
 * In JSON mode nothing here prints; output_json() does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "attr.h"
#include "err.h"
#include "text.h"

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_FAINT, STYLE_BOLD };

struct output {
    FILE *text;       /* standard output */
    FILE *messages;   /* standard error */
    bool json, quiet; /* quiet: only what was asked for, no remarks */
    bool colour;      /* on @text */
    bool colour_messages;
    unsigned columns; /* width to fit in; 0: not a terminal, do not cut */
};

void output_init(struct output *out, bool json, bool quiet, bool no_color);

/* A line of the result; nothing in JSON mode.  The format has its own newline. */
void output_text(struct output *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A remark on standard error, unless quiet. */
void output_note(struct output *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Escape sequences around a word, or "" without colour. */
const char *style_on(const struct output *out, enum style style);
const char *style_off(const struct output *out, enum style style);

/* "name:    value" lines of a show command, labels in a column of @width columns.  Values
 * are printed whole, however long: ids are there to be copied.  NULL value prints "-". */
void output_field(struct output *out, unsigned width, const char *label, const char *value);
void output_heading(struct output *out, const char *title);

/* The one document of --json.  Takes over @document; NULL is "no memory". */
bool output_json(struct output *out, json_t *document, struct err *err) MUST_CHECK;

/* An error: one line on standard error with its chain, and a line with the hint; in JSON
 * mode the error document on standard output.  @subject (a host) may be NULL. */
void output_error(struct output *out, const char *subject, const struct err *err);
/* The same for a host's error within a document, which has its JSON elsewhere. */
void output_host_error(struct output *out, const char *host, const struct err *err);
json_t *error_to_json(const struct err *err); /* the contract's "error" object */

/* @text without control characters and other than UTF-8, cut to @columns with "…" (0: not
 * cut).  Owned; NULL: no memory. */
char *clean_text(const char *text, unsigned columns);
/* The same, with what does not fit cut off at the beginning. */
char *clean_text_end(const char *text, unsigned columns);

/* ---- tables ---- */

enum {
    COL_RIGHT = 1 << 0,
    COL_SHRINK = 1 << 1,   /* may be cut to fit the terminal, at its end */
    COL_KEEP_END = 1 << 2, /* with COL_SHRINK: cut at its beginning, which says less */
};

struct column {
    const char *title; /* N_() */
    unsigned flags;
};

struct table;

/* @columns ends with a NULL title; lent, constant. */
struct table *table_new(const struct column *columns, struct err *err);
void table_free(struct table *table);
DEFINE_CLEANUP(table_cleanup, struct table *, table_free)
/* The next cell of the row; NULL shows "-".  Rows fill up from left to right, a new one
 * begins by itself.  Running out of memory shows when the table is printed. */
void table_cell(struct table *table, const char *text);
void table_styled(struct table *table, enum style style, const char *text);
void table_printf(struct table *table, const char *fmt, ...) PRINTF_LIKE(2, 3);
size_t table_row_count(const struct table *table);
/* Two blanks between columns, widths from text_columns(); columns with COL_SHRINK are cut
 * when the terminal is too narrow, the widest first. */
bool table_print(const struct table *table, struct output *out, struct err *err) MUST_CHECK;

/* A table that comes in pieces, the next one as soon as it is known: titles stand above
 * the first, columns never get narrower again. */
enum { COLUMN_MAX = 16 };
struct table_layout {
    size_t rows;
    unsigned width[COLUMN_MAX];
};
bool table_continue(const struct table *table, struct table_layout *layout,
                    struct output *out, struct err *err) MUST_CHECK;

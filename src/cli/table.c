/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned tables that fit the terminal. */

#include <stdarg.h>
#include <string.h>

#include "output.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

enum { GAP = 2, SHRINK_LEAST = 8, CELL_MAX = 4096 };

struct cell {
    char *text; /* clean; NULL shows "-" */
    enum style style;
};

struct table {
    const struct column *columns;
    size_t column_count;
    struct cell *cells;
    size_t count, size;
    bool failed;
};

struct table *table_new(const struct column *columns, struct err *err)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table) {
        err_no_memory(err);
        return NULL;
    }
    table->columns = columns;
    while (columns[table->column_count].title && table->column_count < COLUMN_MAX)
        table->column_count++;
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}

void table_styled(struct table *table, enum style style, const char *text)
{
    if (table->count == table->size) {
        size_t size = table->size ? table->size * 2 : 64;
        struct cell *cells = realloc(table->cells, size * sizeof(*cells));

        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->size = size;
    }
    table->cells[table->count].style = style;
    table->cells[table->count].text = text ? clean_text(text, CELL_MAX) : NULL;
    if (text && !table->cells[table->count].text)
        table->failed = true;
    table->count++;
}

void table_cell(struct table *table, const char *text)
{
    table_styled(table, STYLE_PLAIN, text);
}

void table_printf(struct table *table, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    table_cell(table, text);
}

size_t table_row_count(const struct table *table)
{
    return table->count / table->column_count;
}

static unsigned cell_columns(const struct cell *cell)
{
    return cell->text ? text_columns(cell->text) : 1;
}

/* The widest column that may shrink gives way, one column at a time, down to what still
 * tells something. */
static void fit(const struct table *table, unsigned width[COLUMN_MAX], unsigned columns)
{
    unsigned total = 0;

    for (size_t c = 0; c < table->column_count; c++)
        total += width[c] + (c ? GAP : 0);
    while (total > columns) {
        size_t widest = COLUMN_MAX;

        for (size_t c = 0; c < table->column_count; c++)
            if ((table->columns[c].flags & COL_SHRINK) && width[c] > SHRINK_LEAST &&
                (widest == COLUMN_MAX || width[c] > width[widest]))
                widest = c;
        if (widest == COLUMN_MAX)
            return;
        width[widest]--;
        total--;
    }
}

static void put_cell(struct strbuf *line, const struct output *out, const char *text,
                     enum style style, unsigned flags, unsigned width, bool is_last)
{
    CLEANUP(free_cleanup) char *cut = NULL;
    unsigned used = text_columns(text);

    if (used > width) {
        cut = flags & COL_KEEP_END ? clean_text_end(text, width) : clean_text(text, width);
        text = cut ? cut : "";
        used = text_columns(text);
    }
    if (flags & COL_RIGHT)
        strbuf_printf(line, "%*s", (int)(width - used), "");
    strbuf_printf(line, "%s%s%s", style_on(out, style), text, style_off(out, style));
    if (!(flags & COL_RIGHT) && !is_last)
        strbuf_printf(line, "%*s", (int)(width - used), "");
    if (!is_last)
        strbuf_printf(line, "%*s", GAP, "");
}

/* @width grows to what the titles and cells need. */
static void widen(const struct table *table, unsigned width[COLUMN_MAX])
{
    size_t n = table->column_count;

    for (size_t i = 0; i < n + table->count; i++) {
        unsigned used = i < n ? text_columns(_(table->columns[i].title))
                              : cell_columns(&table->cells[i - n]);

        if (used > width[i % n])
            width[i % n] = used;
    }
}

static bool put_row(const struct table *table, const struct cell *cells,
                    const unsigned width[COLUMN_MAX], struct output *out, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    size_t n = table->column_count;

    for (size_t c = 0; c < n; c++)
        put_cell(&line, out,
                 !cells          ? _(table->columns[c].title)
                 : cells[c].text ? cells[c].text
                                 : "-",
                 cells ? cells[c].style : STYLE_FAINT, table->columns[c].flags, width[c],
                 c + 1 == n);
    if (line.failed)
        return err_no_memory(err);
    output_text(out, "%s\n", line.text);
    return true;
}

bool table_continue(const struct table *table, struct table_layout *layout,
                    struct output *out, struct err *err)
{
    unsigned width[COLUMN_MAX];
    size_t n = table->column_count;

    if (table->failed)
        return err_no_memory(err);
    widen(table, layout->width);
    memcpy(width, layout->width, sizeof(width));
    if (out->columns)
        fit(table, width, out->columns);
    if (layout->rows == 0 && !put_row(table, NULL, width, out, err))
        return false;
    for (size_t row = 0; row < table->count / n; row++, layout->rows++)
        if (!put_row(table, &table->cells[row * n], width, out, err))
            return false;
    return true;
}

bool table_print(const struct table *table, struct output *out, struct err *err)
{
    struct table_layout layout = { 0 };

    return table_continue(table, &layout, out, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The progress line. */

#include "progress-bar.h"

#include <inttypes.h>
#include <string.h>

#include "os.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

enum { DRAW_MS = 100, RATE_AFTER_MS = 500, BAR_LEAST = 5, BAR_MOST = 24, LABEL_SHARE = 2 };

static void put_amount(struct strbuf *to, enum progress_unit unit, uint64_t done,
                       uint64_t total, uint64_t rate)
{
    char a[24], b[24];

    if (unit == PROGRESS_BYTES) {
        strbuf_printf(to, "  %s", size_text(a, done));
        if (total)
            strbuf_printf(to, "/%s", size_text(b, total));
        if (rate)
            strbuf_printf(to, "  %s/s", size_text(a, rate));
    } else if (unit == PROGRESS_ITEMS) {
        strbuf_printf(to, "  %" PRIu64, done);
        if (total)
            strbuf_printf(to, "/%" PRIu64, total);
    }
    if (rate && total > done && unit == PROGRESS_BYTES) {
        uint64_t left = (total - done) / rate;

        strbuf_printf(to, _("  %" PRIu64 ":%02u left"), left / 60, (unsigned)(left % 60));
    }
}

void progress_bar_format(char *buf, size_t size, unsigned columns, const char *what,
                         enum progress_unit unit, uint64_t done, uint64_t total,
                         uint64_t rate)
{
    CLEANUP(strbuf_cleanup) struct strbuf tail = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf bar = STRBUF_INIT;
    CLEANUP(free_cleanup) char *label = NULL;
    unsigned percent =
        total ? (unsigned)((double)(done > total ? total : done) * 100 / (double)total) : 0;
    unsigned tail_columns, width;

    if (total)
        strbuf_printf(&tail, "  %3u%%", percent);
    put_amount(&tail, unit, done, total, rate);
    tail_columns = tail.text ? text_columns(tail.text) : 0;

    label = clean_text(what, columns / LABEL_SHARE);
    width = columns > tail_columns + 4 + (label ? text_columns(label) : 0)
                ? columns - tail_columns - 4 - (label ? text_columns(label) : 0)
                : 0;
    if (width > BAR_MOST)
        width = BAR_MOST;
    if (total && width >= BAR_LEAST) {
        unsigned full = width * percent / 100;

        strbuf_puts(&bar, " [");
        for (unsigned i = 0; i < width; i++)
            strbuf_putc(&bar, i < full ? '#' : '.');
        strbuf_puts(&bar, "]");
    }
    snprintf(buf, size, "%s%s%s", label ? label : "", bar.text ? bar.text : "",
             tail.text ? tail.text : "");
}

static bool report(struct progress *self, const char *what, enum progress_unit unit,
                   uint64_t done, uint64_t total)
{
    struct progress_bar *bar = (struct progress_bar *)self;
    uint64_t now = os_monotonic_ms(), passed, rate = 0;
    char line[1024];

    if (!bar->to)
        return !os_was_interrupted();
    if (total != bar->total || done < bar->first_done) {
        bar->total = total;
        bar->first_done = done;
        bar->started_ms = now;
    }
    if (bar->drawn && now - bar->drawn_ms < DRAW_MS && done != total)
        return !os_was_interrupted();

    passed = now - bar->started_ms;
    if (passed >= RATE_AFTER_MS)
        rate = (uint64_t)((double)(done - bar->first_done) * 1000 / (double)passed);
    progress_bar_format(line, sizeof(line), bar->columns - 1, what, unit, done, total,
                        rate);
    fprintf(bar->to, "\r%s\033[K", line);
    fflush(bar->to);
    bar->drawn = true;
    bar->drawn_ms = now;
    return !os_was_interrupted();
}

void progress_bar_init(struct progress_bar *bar, const struct output *out)
{
    bool show = !out->quiet && os_takes_escapes(2);

    *bar = (struct progress_bar){ .base.report = report,
                                  .to = show ? out->messages : NULL,
                                  .columns = os_terminal_columns() };
}

void progress_bar_clear(struct progress_bar *bar)
{
    if (!bar->to || !bar->drawn)
        return;
    fputs("\r\033[K", bar->to);
    fflush(bar->to);
    bar->drawn = false;
}

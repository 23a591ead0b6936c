/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What robocopy prints: header, one line per file, errors, summary.
 *
 * Source: robocopy.doc of the Windows 2000 Resource Kit; MicrosoftDocs/windowsserverdocs
 * administration/windows-commands/robocopy.md.
 */
#include <inttypes.h>
#include <stdio.h>

#include "command-robocopy.h"
#include "os.h"

static void put_size(const struct robocopy *r, uint64_t size, char ret[24])
{
    if (r->bytes || size < 1000000)
        snprintf(ret, 24, "%" PRIu64, size);
    else if (size < 1000000000)
        snprintf(ret, 24, "%.1f m", (double)size / (1 << 20));
    else
        snprintf(ret, 24, "%.3f g", (double)size / (1 << 30));
}

static void put_time(int64_t usec, char ret[40])
{
    struct cim_datetime t = { .usec = usec };
    char iso[40];

    cim_datetime_to_iso(&t, iso); /* 2024-08-14T08:12:34... */
    snprintf(ret, 40, "%.4s/%.2s/%.2s %.8s", iso, iso + 5, iso + 8, iso + 11);
}

void robocopy_put_file(const struct robocopy *r, const char *class_name, const char *folder,
                       const struct file_info *info, struct strbuf *to)
{
    char size[24], time[40] = "";

    put_size(r, info->size, size);
    if (r->times)
        put_time(info->mtime_usec, time);
    strbuf_puts(to, "\t");
    if (!r->no_class)
        strbuf_printf(to, "%*s%-*s\t", 4, "", 12, class_name);
    if (!r->no_size)
        strbuf_printf(to, "%*s\t", r->bytes ? 10 : 8, size);
    if (r->times)
        strbuf_printf(to, "%s\t", time);
    strbuf_printf(to, "%s%s%s\r\n", r->full_path ? folder : "", r->full_path ? "\\" : "",
                  info->name);
}

void robocopy_put_error(uint32_t code, const char *doing, const char *path,
                        struct strbuf *to)
{
    char time[40];

    put_time(os_now_usec(), time);
    strbuf_printf(to, "%s ERROR %u (0x%08X) %s %s\r\n%s\r\n", time, code, code, doing, path,
                  world_code_text(code));
}

void robocopy_put_header(const struct robocopy *r, const char *from, const char *to)
{
    char time[40];

    put_time(os_now_usec(), time);
    say(r->task,
        "\r\n-------------------------------------------------------------------------------\r\n"
        "   ROBOCOPY     ::     Robust File Copy for Windows                              \r\n"
        "-------------------------------------------------------------------------------\r\n\r\n"
        "  Started : %s\r\n   Source : %s\\\r\n     Dest : %s\\\r\n\r\n    Files : ",
        time, from, to);
    for (size_t i = 0; i < r->pattern_count; i++)
        say(r->task, "%s%s\r\n", i ? "\t    " : "", r->patterns[i]);
    say(r->task, "\r\n------------------------------------------------------------------"
                 "------------\r\n\r\n");
}

static void put_counts(const struct robocopy *r, const char *name, const struct counts *c,
                       bool sizes)
{
    const uint64_t numbers[] = { c->total,    c->copied, c->skipped,
                                 c->mismatch, c->failed, c->extra };

    say(r->task, "%8s :", name);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char text[24];

        if (sizes)
            put_size(r, numbers[i], text);
        else
            snprintf(text, sizeof(text), "%" PRIu64, numbers[i]);
        say(r->task, "%10s", text);
    }
    say(r->task, "\r\n");
}

void robocopy_put_summary(const struct robocopy *r)
{
    uint64_t seconds = (os_monotonic_ms() - r->started_ms) / 1000;
    char time[40];

    say(r->task,
        "\r\n------------------------------------------------------------------------------"
        "\r\n\r\n               Total    Copied   Skipped  Mismatch    FAILED    Extras\r\n");
    put_counts(r, "Dirs", &r->dirs, false);
    put_counts(r, "Files", &r->files, false);
    put_counts(r, "Bytes", &r->size, true);
    put_time(os_now_usec(), time);
    say(r->task, "%8s :%4" PRIu64 ":%02u:%02u\r\n   Ended : %s\r\n\r\n", "Times",
        seconds / 3600, (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60), time);
}

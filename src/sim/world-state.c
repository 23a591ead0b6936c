/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host keeps in memory and a simulator that ends must not forget: attached images
 * with their access paths, loaded hives.  A real host forgets both when it restarts, but
 * the simulator's end is no restart.  One line each, parts parted by tabs:
 *
 *     image  NUMBER  ro|rw  SINCE  PATH
 *     access NUMBER  PARTITION  ACCESS-PATH
 *     hive   MOUNT   FILE
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "strbuf.h"
#include "text.h"
#include "world-inside.h"

enum { STATE_MAX = 1 << 20, PART_MAX = 5 };

static char *state_file(const struct sim_world *w)
{
    return text_printf("%s/world-state", w->host->dir);
}

bool world_state_save(struct sim_world *w, struct err *err)
{
    CLEANUP(free_cleanup) char *file = state_file(w);
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (w->loading)
        return true;
    for (struct attached *a = w->attached; a; a = a->next) {
        strbuf_printf(&text, "image\t%u\t%s\t%" PRId64 "\t%s\n", a->number,
                      a->read_only ? "ro" : "rw", a->since_usec, a->path);
        for (unsigned i = 0; i < a->part_count; i++)
            if (a->access[i])
                strbuf_printf(&text, "access\t%u\t%u\t%s\n", a->number, i, a->access[i]);
    }
    for (size_t i = 0; i < w->hive_count; i++)
        if (!w->hives[i].own)
            strbuf_printf(&text, "hive\t%s\t%s\n", w->hives[i].mount, w->hives[i].file);
    if (!file || text.failed)
        return err_no_memory(err);
    return os_write_file(file, text.text ? text.text : "", text.len, err);
}

static size_t split(char *line, char *parts[PART_MAX])
{
    size_t count = 0;

    while (count < PART_MAX) {
        parts[count++] = line;
        line = count < PART_MAX ? strchr(line, '\t') : NULL;
        if (!line)
            break;
        *line++ = '\0';
    }
    return count;
}

static bool load_line(struct sim_world *w, char *line, struct err *err)
{
    char *parts[PART_MAX];
    size_t count = split(line, parts);
    uint64_t number, part;
    int64_t since;

    if (strcmp(parts[0], "image") == 0 && count == 5 &&
        text_to_u64(parts[1], 10, &number) && text_to_i64(parts[3], 10, &since))
        return attached_restore(w, parts[4], strcmp(parts[2], "ro") == 0, (unsigned)number,
                                since, err);
    if (strcmp(parts[0], "access") == 0 && count == 4 &&
        text_to_u64(parts[1], 10, &number) && text_to_u64(parts[2], 10, &part)) {
        for (struct attached *a = w->attached; a; a = a->next)
            if (a->number == number && part < a->part_count) {
                free(a->access[part]);
                a->access[part] = text_dup(parts[3]);
                return a->access[part] || err_no_memory(err);
            }
        return err_fail(err, ERR_PROTOCOL, 0, "no image %s", parts[1]);
    }
    if (strcmp(parts[0], "hive") == 0 && count == 3) {
        uint32_t code = world_reg_load(w, parts[1], parts[2]);

        return code == 0 ||
               err_fail(err, ERR_PROTOCOL, code, "cannot load '%s' again", parts[2]);
    }
    return err_fail(err, ERR_PROTOCOL, 0, "unknown line '%s'", parts[0]);
}

bool world_state_load(struct sim_world *w, struct err *err)
{
    CLEANUP(free_cleanup) char *file = state_file(w);
    CLEANUP(free_cleanup) char *text = NULL;
    char *line, *end;

    if (!file)
        return err_no_memory(err);
    if (!os_file_exists(file))
        return true;
    text = os_read_file(file, STATE_MAX, NULL, err);
    if (!text)
        return false;
    for (line = text; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            return err_fail(err, ERR_PROTOCOL, 0, "'%s' is cut off", file);
        *end = '\0';
        w->loading = true;
        if (!load_line(w, line, err))
            return err_wrap(err, "'%s'", file) ||
                   err_hint(err, "reset the lab to begin anew");
    }
    w->loading = false;
    return true;
}

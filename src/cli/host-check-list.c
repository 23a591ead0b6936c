/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of checks: what each came to, as text and as JSON. */

#include "host-check.h"

#include <string.h>

#include "connect.h"
#include "host-report.h"
#include "session.h"
#include "text.h"
#include "tr.h"

void check_items_init(struct check_item *items, const struct check_title *titles,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        items[i] = (struct check_item){ .title = &titles[i] };
}

void check_items_free(struct check_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        strbuf_free(&items[i].said);
}

bool check_judge(struct check_item *item, bool good, const struct err *err)
{
    item->state = good ? CHECK_GOOD : CHECK_BAD;
    if (!good)
        item->err = *err;
    return good;
}

bool check_all_good(const struct check_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].state == CHECK_BAD)
            return false;
    return true;
}

json_t *check_document(const char *host, const struct check_item *items, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct check_item *item = &items[i];
        bool bad = item->state == CHECK_BAD;

        json_array_append_new(
            list, json_pack("{s:s, s:o, s:s?, s:o}", "id", item->title->id, "ok",
                            item->state == CHECK_OPEN ? json_null() : json_boolean(!bad),
                            "detail", item->state == CHECK_GOOD ? item->said.text : NULL,
                            "error", bad ? error_to_json(&item->err) : json_null()));
    }
    return json_pack("{s:s, s:s, s:b, s:o}", "schema", "hvgpu/1", "host", host, "ready",
                     check_all_good(items, count), "checks", list);
}

static void print(struct output *out, const struct check_item *item)
{
    static const char *const words[] = { "-", N_("ok"), N_("FAILED") };
    static const enum style styles[] = { STYLE_FAINT, STYLE_GOOD, STYLE_BAD };
    const char *word = _(words[item->state]), *title = _(item->title->text);
    CLEANUP(free_cleanup) char *said = NULL;
    char why[1024];

    if (item->state == CHECK_BAD)
        err_format(&item->err, why, sizeof(why));
    said = clean_text(item->state == CHECK_BAD                       ? why
                      : item->state == CHECK_GOOD && item->said.text ? item->said.text
                                                                     : "",
                      0);
    output_text(out, "%s%s%s%*s%s%*s%s\n", style_on(out, styles[item->state]), word,
                style_off(out, styles[item->state]), 8 - (int)text_columns(word), "", title,
                16 - (int)text_columns(title), "", said ? said : "");
    if (item->state == CHECK_BAD && item->err.hint[0])
        output_text(out, "%24s→ %s\n", "", item->err.hint);
}

bool check_show(const struct invocation *in, const char *host,
                const struct check_item *items, size_t count, int *ret_exit,
                struct err *err)
{
    *ret_exit = check_all_good(items, count) ? STATUS_DONE : STATUS_FOUND;
    if (in->json)
        return output_json(in->out, check_document(host, items, count), err);
    for (size_t i = 0; i < count; i++)
        if (!items[i].is_left_out)
            print(in->out, &items[i]);
    return true;
}

/* Without the host's name and address. */
bool check_report(const struct invocation *in, const struct host_target *target,
                  const struct check_item *items, size_t count, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    const char *path = option_get(in, "report");
    struct err ignored = ERR_INIT;
    json_t *document;
    bool ok;

    if (!path)
        return true;
    document = check_document("", items, count);
    if (!document)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].title->id, "name") == 0)
            json_object_set_new(json_array_get(json_object_get(document, "checks"), i),
                                "detail", json_null());
    session = connector_open(in->connector, target, &ignored);
    ok = report_write(path, &session, target, document, err);
    json_decref(document);
    if (ok)
        output_note(in->out,
                    _("Written: %s.  Look into it before you send it to anybody.\n"), path);
    return ok;
}

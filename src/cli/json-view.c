/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values as text for people. */

#include "json-view.h"

#include "text.h"
#include "tr.h"

const char *view_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void view_put_as(struct strbuf *to, const char *key, const json_t *value)
{
    char size[24];

    if (json_is_string(value))
        strbuf_puts(to, json_string_value(value));
    else if (json_is_integer(value) && json_integer_value(value) >= 0 &&
             text_iends(key, "_bytes"))
        strbuf_puts(to, size_text(size, (uint64_t)json_integer_value(value)));
    else if (json_is_integer(value))
        strbuf_printf(to, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        strbuf_puts(to, json_is_true(value) ? _("yes") : _("no"));
    else
        strbuf_puts(to, "-");
}

void view_put(struct strbuf *to, const json_t *value)
{
    view_put_as(to, "", value);
}

void view_field(struct output *out, unsigned width, const char *label, const json_t *object,
                const char *key)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    view_put_as(&text, key, json_object_get(object, key));
    output_field(out, width, label, text.text);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person would type to put values into a guest's SYSTEM hive.  Sources:
 * MicrosoftDocs/windowsserverdocs reg-load.md; MicrosoftDocs/PowerShell-Docs
 * Set-ItemProperty (its -Type names the kinds of registry values).
 */

#include <inttypes.h>
#include <string.h>

#include "step-common.h"
#include "strbuf.h"
#include "text.h"

static const char LOAD[] =
    "reg load HKLM\\hvgpu-guest \"$guest\\Windows\\System32\\config\\SYSTEM\"; "
    "$set = 'HKLM:\\hvgpu-guest\\ControlSet{0:d3}' -f "
    "(Get-ItemProperty 'HKLM:\\hvgpu-guest\\Select').Current";
static const char UNLOAD[] = "[gc]::Collect(); reg unload HKLM\\hvgpu-guest";

/* 'text', and what is no text as "" would be wrong: then false. */
static bool put_quoted(struct strbuf *to, const char *text)
{
    CLEANUP(free_cleanup) char *quoted = ps_quote(text);

    strbuf_puts(to, quoted ? quoted : "");
    return quoted != NULL;
}

static bool put_texts(struct strbuf *to, const struct hive_value *value)
{
    size_t count = 0;
    char **texts = hive_value_texts(value, &count);
    bool ok = true;

    strbuf_puts(to, "@(");
    for (size_t i = 0; i < count; i++) {
        strbuf_puts(to, i ? ", " : "");
        ok = put_quoted(to, texts[i]) && ok;
    }
    strbuf_puts(to, ")");
    hive_texts_free(texts, count);
    return ok;
}

static bool put_data(struct strbuf *to, const struct hive_value *value)
{
    CLEANUP(free_cleanup) char *text = NULL;
    uint64_t number = 0;

    switch (value->type) {
    case HIVE_SZ:
    case HIVE_EXPAND_SZ:
        text = hive_value_text(value);
        strbuf_printf(to, " -Type %s -Value ",
                      value->type == HIVE_SZ ? "String" : "ExpandString");
        return put_quoted(to, text ? text : "");
    case HIVE_MULTI_SZ:
        strbuf_puts(to, " -Type MultiString -Value ");
        return put_texts(to, value);
    case HIVE_DWORD:
    case HIVE_QWORD:
        if (!hive_value_u64(value, &number))
            break;
        strbuf_printf(to, " -Type %s -Value %" PRIu64,
                      value->type == HIVE_DWORD ? "DWord" : "QWord", number);
        return true;
    default:
        break;
    }
    strbuf_puts(to, " -Type Binary -Value ([byte[]](");
    for (size_t i = 0; i < value->len; i++)
        strbuf_printf(to, "%s0x%02x", i ? "," : "", value->bytes[i]);
    strbuf_puts(to, "))");
    return true;
}

static bool put_state(struct strbuf *to, const json_t *state)
{
    const json_t *json = json_object_get(state, "value");
    const char *key = json_string_value(json_object_get(state, "key"));
    const char *name = json_string_value(json_object_get(state, "name"));
    CLEANUP(free_cleanup) char *below = key ? ps_quote(key) : NULL;
    struct hive_value value = { 0 };
    bool ok;

    if (!below || !name)
        return false;
    strbuf_printf(to, "; $key = Join-Path $set %s; ", below);
    if (json_is_null(json)) {
        strbuf_puts(to, "Remove-ItemProperty -Path $key -ErrorAction Ignore -Name ");
        return put_quoted(to, name);
    }
    if (!manifest_value_from_json(json, &value))
        return false;
    strbuf_puts(to, "if (!(Test-Path $key)) { New-Item -Force $key | Out-Null }; "
                    "Set-ItemProperty -Path $key -Name ");
    ok = put_quoted(to, name) && put_data(to, &value);
    hive_value_clear(&value);
    return ok;
}

char *step_registry_powershell(const json_t *states)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    bool ok = true;

    strbuf_puts(&text, LOAD);
    for (size_t i = 0; ok && i < json_array_size(states); i++)
        ok = put_state(&text, json_array_get(states, i));
    strbuf_printf(&text, "; %s", UNLOAD);
    return ok ? strbuf_take(&text) : NULL;
}

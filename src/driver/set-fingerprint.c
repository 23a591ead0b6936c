/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling whether a host's driver is still the one it was, from what listing it tells. */

#include <inttypes.h>
#include <string.h>

#include "driver.h"
#include "hash.h"
#include "strbuf.h"

static void add_value(struct strbuf *text, const struct driver_registry_value *value)
{
    strbuf_printf(text, "value %s|%s|%u|%u|", value->key, value->name,
                  (unsigned)value->place, (unsigned)value->value.type);
    for (size_t i = 0; i < value->value.len; i++)
        strbuf_printf(text, "%02x", value->value.bytes[i]);
    strbuf_putc(text, '\n');
}

static void add_set(struct strbuf *text, const struct driver_set *set)
{
    strbuf_printf(text, "gpu %s|%s|%s\n", set->instance_id,
                  set->gpu_name ? set->gpu_name : "",
                  set->driver_version ? set->driver_version : "");
    for (size_t i = 0; i < set->package_count; i++) {
        const struct driver_package *package = &set->packages[i];

        strbuf_printf(text, "package %s|%s\n", package->name, package->source);
        for (size_t k = 0; k < package->file_count; k++)
            strbuf_printf(text, "%s|%" PRIu64 "|%" PRId64 "\n", package->files[k].path,
                          package->files[k].size, package->files[k].mtime_usec);
    }
    for (size_t i = 0; i < set->file_count; i++)
        strbuf_printf(text, "file %s|%s|%d|%" PRIu64 "|%" PRId64 "\n", set->files[i].source,
                      set->files[i].destination, (int)set->files[i].rule,
                      set->files[i].size, set->files[i].mtime_usec);
    for (size_t i = 0; i < set->value_count; i++)
        add_value(text, &set->values[i]);
}

bool driver_fingerprint(const struct driver_set *set, char sha256[65], struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    strbuf_printf(&text, "%s\n", set ? sha256 : HVGPU_VERSION);
    if (set)
        add_set(&text, set);
    if (text.failed || !text.text)
        return err_no_memory(err);
    hash_bytes(text.text, text.len, sha256);
    return true;
}

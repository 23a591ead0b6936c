/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a guest has not what its host has: the planner's observations as findings. */

#include <stdio.h>
#include <string.h>

#include "plan-install.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

#define SRC "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"

enum { NAMES_SHOWN = 5 };

bool driver_say_drift(struct plan *plan, const char *id, const char *gpu, const char *why,
                      const char *evidence, struct err *err)
{
    CLEANUP(free_cleanup) char *text = text_printf("%s: %s: %s", gpu, why, evidence);

    return text ? plan_find(plan, id, "warning", gpu, evidence, text, NULL, SRC, err)
                : err_no_memory(err);
}

bool drift_open(struct drift *drift, struct err *err)
{
    *drift = (struct drift){ .missing = json_array(),
                             .changed = json_array(),
                             .added = json_array(),
                             .host = json_array(),
                             .values = json_array() };
    return (drift->missing && drift->changed && drift->added && drift->host &&
            drift->values) ||
           err_no_memory(err);
}

void drift_close(struct drift *drift)
{
    json_decref(drift->missing);
    json_decref(drift->changed);
    json_decref(drift->added);
    json_decref(drift->host);
    json_decref(drift->values);
    *drift = (struct drift){ 0 };
}

bool drift_note(json_t *list, const char *name, struct err *err)
{
    return json_array_append_new(list, json_string(name)) == 0 || err_no_memory(err);
}

/* "a, b, c and 12 more" */
static char *some_of(const json_t *names)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    size_t count = json_array_size(names);

    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "",
                      json_string_value(json_array_get(names, i)));
    if (count > NAMES_SHOWN)
        strbuf_printf(&text, _(" and %zu more"), count - NAMES_SHOWN);
    return strbuf_take(&text);
}

static const char *gpu_of(const struct install *install)
{
    return install->set->gpu_name ? install->set->gpu_name : install->set->instance_id;
}

static bool say(struct install *install, const char *id, const char *why,
                const char *evidence, struct err *err)
{
    return evidence
               ? driver_say_drift(install->plan, id, gpu_of(install), why, evidence, err)
               : err_no_memory(err);
}

static bool say_names(struct install *install, const char *id, const char *why,
                      const json_t *names, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;

    if (json_array_size(names) == 0)
        return true;
    text = some_of(names);
    return say(install, id, why, text, err);
}

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text : "unknown";
}

/* ---- the driver ---- */

static char *package_names(const json_t *entry)
{
    json_t *names = json_array();
    const json_t *package;
    char *text = NULL;
    size_t i;

    json_array_foreach(json_object_get(entry, "packages"), i, package)
        json_array_append_new(names, json_string(text_at(package, "name")));
    text = json_array_size(names) > 0 ? some_of(names) : text_dup("none");
    json_decref(names);
    return text;
}

static bool packages_differ(const struct install *install)
{
    const struct driver_set *set = install->set;

    if (json_array_size(json_object_get(install->old, "packages")) != set->package_count)
        return true;
    for (size_t i = 0; i < set->package_count; i++)
        if (!manifest_package(install->old, set->packages[i].name))
            return true;
    return false;
}

/* A new version or package; then files and values differ because of that. */
static bool say_driver(struct install *install, bool *ret_new, struct err *err)
{
    const struct driver_set *set = install->set;
    const char *had = text_at(install->old, "driver_version");
    CLEANUP(free_cleanup) char *names = NULL;
    CLEANUP(free_cleanup) char *text = NULL;

    *ret_new = true;
    if (!text_ieq(had, set->driver_version)) {
        text = text_printf(_("guest %s, host %s"), had,
                           set->driver_version ? set->driver_version : "unknown");
        return say(install, "drift-version", _("the host's driver was updated"), text, err);
    }
    if (packages_differ(install)) {
        names = package_names(install->old);
        text = names && set->package_count > 0
                   ? text_printf(_("the guest has %s; the host's is %s"), names,
                                 set->packages[0].name)
                   : NULL;
        return say(install, "drift-package",
                   _("the host has another package of this version"), text, err);
    }
    *ret_new = false;
    return true;
}

/* ---- the guest ---- */

/* Another build, or another installation with this one's files: its record says so. */
static bool say_guest(struct install *install, const struct guest_facts *facts,
                      struct err *err)
{
    const json_t *guest = json_object_get(install->manifest, "guest");
    const char *guid = json_string_value(json_object_get(guest, "machine_guid"));
    json_int_t build = json_integer_value(json_object_get(guest, "build"));
    CLEANUP(free_cleanup) char *text = NULL;

    if (guid && facts->machine_guid[0] && !text_ieq(guid, facts->machine_guid)) {
        text = text_printf(_("machine GUID %.38s, now %s"), guid, facts->machine_guid);
        return say(
            install, "drift-guest-reinstalled",
            _("the guest is another installation of Windows than the one its record is "
              "of"),
            text, err);
    }
    if (build > 0 && facts->build != 0 && build != (json_int_t)facts->build) {
        text =
            text_printf(_("build %lld, now %u"), (long long)build, (unsigned)facts->build);
        return say(install, "drift-guest-upgraded", _("the guest's Windows was upgraded"),
                   text, err);
    }
    return true;
}

bool drift_say(struct install *install, const struct guest_facts *facts, bool steps,
               struct err *err)
{
    const struct drift *drift = &install->drift;
    size_t before = json_array_size(install->plan->findings);
    bool is_new;

    if (!install->says_why || !install->old || !steps)
        return true;
    if (!say_guest(install, facts, err) || !say_driver(install, &is_new, err))
        return false;
    if (!say_names(install, "drift-file-changed", _("files were changed in the guest"),
                   drift->changed, err) ||
        !say_names(install, "drift-file-added",
                   _("the guest has files in the driver's folder that are not of it"),
                   drift->added, err))
        return false;
    if (is_new)
        return true;
    return say_names(install, "drift-file-missing", _("files are missing in the guest"),
                     drift->missing, err) &&
           say_names(install, "drift-host-file",
                     _("the host has other files of the same driver version"), drift->host,
                     err) &&
           say_names(install, "drift-registry", _("registry values differ in the guest"),
                     drift->values, err) &&
           (json_array_size(install->plan->findings) > before ||
            say(install, "drift-record", _("the guest's record is not as it should be"),
                _("what is there is up to date"), err));
}

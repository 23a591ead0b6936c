/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a report, and answering from one. */

#include "host-report.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hosts.h"
#include "inventory.h"
#include "os.h"
#include "report-names.h"
#include "session.h"
#include "strbuf.h"
#include "text.h"
#include "wmi.h"
#include "zip.h"

#define RECORDING "recording.jsonl"

enum { REPORT_MOST = 256 << 20 };

static const char readme[] =
    "A report of hvgpu's about one host: `hvgpu host check HOST --report FILE`.\n"
    "\n"
    "report.json      versions, and what the checks found\n"
    "recording.jsonl  what the host was asked, and what it answered\n"
    "\n"
    "Names of machines, users, domains and VMs, serial numbers, notes and folders were replaced\n"
    "by stand-ins such as vm-1.  Look into both files before you send them to anybody.\n"
    "\n"
    "To see that host as hvgpu does:  hvgpu -H replay:FILE status\n";

/* Everything that any command reads to show it.  Twice, since an answer is given once per
 * question: so two commands' worth, or one that reads again. */
static bool ask_everything(struct cim_session *session, const char *host,
                           struct err *ret_why)
{
    const unsigned what = HV_SURVEY | HV_CLUSTER;
    bool ok = true;

    for (int i = 0; i < 2 && ok; i++) {
        CLEANUP(hv_host_cleanup) struct hv_host *read = NULL;

        ok = hv_inventory_read_any(session, host, what, &read, ret_why);
    }
    return ok;
}

/* The name out of a name, a name with a port, or a URL; owned. */
static char *host_part(const char *text)
{
    const char *at = strstr(text, "://");

    at = at ? at + 3 : text;
    return *at == '[' ? text_ndup(at + 1, strcspn(at + 1, "]"))
                      : text_ndup(at, strcspn(at, ":/"));
}

static void add_target(struct report_names *names, const struct host_target *target)
{
    CLEANUP(free_cleanup) char *name = host_part(target->name);
    CLEANUP(free_cleanup) char *address = target->url ? host_part(target->url) : NULL;

    report_names_add(names, name, "host");
    report_names_add(names, address, "host");
    report_names_add(names, target->user, "user");
    if (target->is_local) /* where not even COM works, nothing else tells it */
        report_names_add(names, os_user_name(), "user");
}

/* One line per entry, names taken out; and @report likewise. */
static char *clean_recording(char *text, const struct host_target *target,
                             const json_t *report, json_t **ret_report, struct err *err)
{
    CLEANUP(report_names_cleanup) struct report_names *names = report_names_new(err);
    CLEANUP(strbuf_cleanup) struct strbuf out = STRBUF_INIT;
    json_t *entries = json_array(), *entry;
    bool ok = names && entries;
    char *made;
    size_t i;

    for (char *line = text, *end; ok && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        entry = json_loads(line, JSON_ALLOW_NUL, NULL);
        ok = entry && json_array_append_new(entries, entry) == 0;
        if (ok)
            report_names_learn(names, entry);
    }
    if (ok) {
        report_names_learn(names, report);
        add_target(names, target);
    }
    json_array_foreach(entries, i, entry)
    {
        json_t *clean = ok ? report_names_clean(names, entry, err) : NULL;
        CLEANUP(free_cleanup) char *line = clean ? json_dumps(clean, JSON_COMPACT) : NULL;

        ok = ok && line;
        if (ok)
            strbuf_printf(&out, "%s\n", line);
        json_decref(clean);
    }
    json_decref(entries);
    if (ok)
        *ret_report = report_names_clean(names, report, err);
    made = ok && *ret_report ? strbuf_take(&out) : NULL;
    if (!made && err->kind == ERR_NONE)
        err_no_memory(err);
    return made;
}

static bool write_zip(const char *path, const json_t *report, const char *recording,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *text = json_dumps(report, JSON_INDENT(2));
    CLEANUP(free_cleanup) char *bytes = NULL;
    const struct zip_entry entries[] = {
        { "README.txt", readme, sizeof(readme) - 1 },
        { "report.json", text ? text : "", text ? strlen(text) : 0 },
        { RECORDING, recording, strlen(recording) },
    };
    size_t len;

    if (!text)
        return err_no_memory(err);
    bytes = zip_write(entries, ARRAY_LEN(entries), &len, err);
    return bytes && os_write_file(path, bytes, len, err);
}

static json_t *describe(const json_t *checks, const struct err *why)
{
    char text[1024] = "";

    if (why->kind != ERR_NONE)
        err_format(why, text, sizeof(text));
    return json_pack("{s:s, s:s, s:s, s:O, s:s?}", "schema", "hvgpu/1", "version",
                     HVGPU_VERSION, "system", wmi_is_here() ? "windows" : "posix", "check",
                     checks, "error", *text ? text : NULL);
}

/* In a folder that only the user can look into: names are still in it. */
static bool record(struct cim_session **session, const char *host, const char *file,
                   const json_t *checks, json_t **ret_report, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *recorded = NULL;
    struct err why = ERR_INIT;

    if (!*session)
        return (*ret_report = describe(checks, &why)) && os_write_file(file, "", 0, err);
    recorded = cim_record_open(session, file, err);
    if (!recorded)
        return false;
    /* A host that cannot be read to its end is what reports are for. */
    (void)!ask_everything(recorded, host, &why);
    *ret_report = describe(checks, &why);
    return *ret_report || err_no_memory(err);
}

bool report_write(const char *path, struct cim_session **session,
                  const struct host_target *target, const json_t *checks, struct err *err)
{
    CLEANUP(free_cleanup) char *state = os_state_dir(err);
    CLEANUP(free_cleanup) char *file = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(free_cleanup) char *recording = NULL;
    json_t *report = NULL, *clean = NULL;
    struct err ignored = ERR_INIT;
    char guid[37];
    size_t len;
    bool ok;

    if (!state)
        return false;
    if (os_file_exists(path))
        return err_fail(err, ERR_CONFLICT, 0, "'%.200s' exists already", path);
    os_guid(guid);
    file = text_printf("%s/report-%s", state, guid);
    if (!file)
        return err_no_memory(err);
    ok = record(session, target->name, file, checks, &report, err);
    text = ok ? os_read_file(file, REPORT_MOST, &len, err) : NULL;
    (void)!os_remove_file(file, &ignored);
    recording = text ? clean_recording(text, target, report, &clean, err) : NULL;
    ok = recording && write_zip(path, clean, recording, err);
    json_decref(report);
    json_decref(clean);
    return ok || err_wrap(err, "writing the report");
}

struct cim_session *report_replay(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *text = zip_read_either(path, RECORDING, REPORT_MOST, err);

    return text ? cim_replay_text(path, text, err) : NULL;
}

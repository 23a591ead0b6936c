/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host check on the machine itself: what no test of hvgpu's could prove there, because it needs
 * a real Windows.  Nothing stops at the first that fails, so that one report tells all; and
 * nothing is changed.
 */

#include <string.h>

#include "cim.h"
#include "connect.h"
#include "host-check.h"
#include "job.h"
#include "local.h"
#include "os.h"
#include "remote-registry.h"
#include "sandbox.h"
#include "session.h"
#include "text.h"
#include "tr.h"

enum {
    LOCAL_COM,
    LOCAL_ELEVATION,
    LOCAL_NAMESPACE,
    LOCAL_HYPER_V,
    LOCAL_HYPER_V_RIGHTS,
    LOCAL_IMAGES,
    LOCAL_STORAGE,
    LOCAL_REGISTRY,
    LOCAL_COMMANDS,
    LOCAL_LOG_ON,
    LOCAL_READER,
    LOCAL_COUNT
};

static const struct check_title titles[LOCAL_COUNT] = {
    [LOCAL_COM] = { "com", N_("COM") },
    [LOCAL_ELEVATION] = { "elevation", N_("elevation") },
    [LOCAL_NAMESPACE] = { "namespace", N_("namespace") },
    [LOCAL_HYPER_V] = { "hyper-v", N_("Hyper-V") },
    [LOCAL_HYPER_V_RIGHTS] = { "hyper-v-rights", N_("Hyper-V rights") },
    [LOCAL_IMAGES] = { "image-service", N_("disk images") },
    [LOCAL_STORAGE] = { "storage", N_("storage") },
    [LOCAL_REGISTRY] = { "registry", N_("registry") },
    [LOCAL_COMMANDS] = { "commands", N_("commands") },
    [LOCAL_LOG_ON] = { "log-on", N_("log-on") },
    [LOCAL_READER] = { "reader", N_("reader") },
};

static void check_elevation(struct check_item *item)
{
    struct local_rights rights = local_rights();
    struct err err = ERR_INIT;

    if (!check_judge(item, local_judge(&rights, HV_NS, &err), &err))
        return;
    strbuf_puts(&item->said, rights.is_elevated
                                 ? _("elevated")
                                 : _("not elevated, but in Hyper-V Administrators: VMs can "
                                     "be changed, drivers cannot"));
}

static bool count_row(const struct cim_instance *row, void *user, struct err *err)
{
    ++*(size_t *)user;
    return true;
}

/* Attaches the disks of VMs. */
static void check_images(struct check_item *item, struct cim_session *session)
{
    struct err err = ERR_INIT;
    size_t services = 0;
    bool ok = cim_query(session, HV_NS, "SELECT Name FROM Msvm_ImageManagementService",
                        count_row, &services, &err);

    if (ok && services == 0) {
        ok = err_fail(&err, ERR_DENIED, 0, "Hyper-V shows no service for disk images");
        err_hint(&err, "see whether the service Hyper-V Virtual Machine Management (vmms) "
                       "runs");
    }
    if (check_judge(item, ok, &err))
        strbuf_puts(&item->said, _("the service is there"));
}

/* Finds their volumes. */
static void check_storage(struct check_item *item, struct cim_session *session)
{
    struct err err = ERR_INIT;
    size_t volumes = 0;

    if (check_judge(item,
                    cim_query(session, "root/Microsoft/Windows/Storage",
                              "SELECT ObjectId FROM MSFT_Volume", count_row, &volumes,
                              &err),
                    &err))
        strbuf_printf(&item->said, _("volumes seen: %zu"), volumes);
}

static bool put_value(struct strbuf *to, struct cim_session *session, const char *name,
                      struct err *err)
{
    static const char key[] = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
    struct hive_value value = { 0 };
    CLEANUP(free_cleanup) char *text = NULL;
    bool exists = false;

    if (!remote_reg_get(session, key, name, &exists, &value, err))
        return false;
    if (!exists)
        return true;
    text = hive_value_text(&value);
    hive_value_clear(&value);
    if (text)
        strbuf_printf(to, "%s%s", to->len ? " " : "", text);
    return true;
}

static void check_registry(struct check_item *item, struct cim_session *session)
{
    struct err err = ERR_INIT;
    bool ok = put_value(&item->said, session, "EditionID", &err) &&
              put_value(&item->said, session, "DisplayVersion", &err) &&
              put_value(&item->said, session, "CurrentBuildNumber", &err);

    if (ok && item->said.len == 0)
        ok = err_fail(&err, ERR_PROTOCOL, 0,
                      "the registry does not tell which Windows this is");
    check_judge(item, ok, &err);
}

#define SAMPLE "gr\xc3\xbc\xc3\x9f\x65 \xe6\xb5\x8b\xe8\xaf\x95"

static bool keep_output(const char *text, size_t len, bool is_stderr, void *user,
                        struct err *err)
{
    struct strbuf *buf = user;

    if (!is_stderr && buf->len + len < 4096)
        strbuf_add(buf, text, len);
    return true;
}

/* As drivers are copied: by cmd.exe, and letters of any language come back whole. */
static void check_commands(struct check_item *item, struct cim_session *session)
{
    CLEANUP(strbuf_cleanup) struct strbuf output = STRBUF_INIT;
    struct shell_command command = { .line = "echo " SAMPLE,
                                     .reads_only = true,
                                     .on_output = keep_output,
                                     .user = &output };
    struct err err = ERR_INIT;
    uint32_t code = 0;
    bool ok = cim_run(session, &command, &code, &err);

    if (ok && code != 0)
        ok = err_fail(&err, ERR_REFUSED, code, "cmd.exe ended with %u", (unsigned)code);
    if (ok && (!output.text || strncmp(output.text, SAMPLE, strlen(SAMPLE)) != 0)) {
        ok = err_fail(&err, ERR_UNSUPPORTED, 0,
                      "letters of other languages do not come back from cmd.exe");
        err_hint(&err, "files whose names have such letters cannot be dealt with here");
    }
    if (check_judge(item, ok, &err))
        strbuf_puts(&item->said, _("cmd.exe, text in UTF-8"));
}

/* Needed for going to other hosts from here. */
static void check_log_on(struct check_item *item)
{
    static const char *const wanted[] = { "Negotiate", "Kerberos", "NTLM", "Schannel" };
    struct err err = ERR_INIT;
    char *all = os_security_packages(&err);
    bool ok = all;

    for (size_t i = 0; ok && i < ARRAY_LEN(wanted); i++)
        if (text_istr(all, wanted[i]))
            strbuf_printf(&item->said, "%s%s", item->said.len ? ", " : "", wanted[i]);
    if (ok && (!text_istr(all, "Negotiate") || !text_istr(all, "Schannel"))) {
        ok = err_fail(&err, ERR_UNSUPPORTED, 0,
                      "Windows offers only %s for going to other hosts",
                      item->said.len ? item->said.text : "nothing");
    }
    free(all);
    check_judge(item, ok, &err);
}

/* Disks, hives and INF files are read in a process that Windows is to hold back: does it? */
static void check_reader(struct check_item *item)
{
    struct sandbox_walls walls = { 0 };
    struct err err = ERR_INIT;
    bool ok = sandbox_walls(&walls, &err);

    if (ok && (walls.writes || walls.starts || walls.takes_memory)) {
        ok = err_fail(&err, ERR_UNSUPPORTED, 0,
                      "Windows does not hold back what reads foreign disks: it can%s%s%s",
                      walls.writes ? " change files" : "",
                      !walls.starts  ? ""
                      : walls.writes ? ", start programs"
                                     : " start programs",
                      !walls.takes_memory            ? ""
                      : walls.writes || walls.starts ? ", take any memory"
                                                     : " take any memory");
        err_hint(&err,
                 "hvgpu works all the same; look at disks that you do not trust on another "
                 "machine, and send its authors what --report FILE writes");
    }
    if (check_judge(item, ok, &err))
        strbuf_puts(&item->said, walls.reads
                                     ? _("changes and starts nothing; can read files")
                                     : _("reads, changes and starts nothing"));
}

static void check_all(struct check_item *items, struct cim_session *session)
{
    struct check_facts facts = { 0 };

    check_elevation(&items[LOCAL_ELEVATION]);
    check_log_on(&items[LOCAL_LOG_ON]);
    check_reader(&items[LOCAL_READER]);
    check_commands(&items[LOCAL_COMMANDS], session);
    if (!check_system(&items[LOCAL_COM], session, &facts))
        return;
    check_registry(&items[LOCAL_REGISTRY], session);
    check_storage(&items[LOCAL_STORAGE], session);
    if (!check_namespace(&items[LOCAL_NAMESPACE], session, &facts))
        return;
    check_images(&items[LOCAL_IMAGES], session);
    check_hypervisor(&items[LOCAL_HYPER_V], session);
    check_hyper_v_rights(&items[LOCAL_HYPER_V_RIGHTS], session);
}

bool check_local(const struct invocation *in, const struct host_target *target,
                 int *ret_exit, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    struct check_item items[LOCAL_COUNT];
    bool ok;

    session = connector_open(in->connector, target, err);
    if (!session)
        return err_wrap(err, "%.80s", target->name);
    check_items_init(items, titles, LOCAL_COUNT);
    check_all(items, session);
    ok = check_report(in, target, items, LOCAL_COUNT, err) &&
         check_show(in, target->name, items, LOCAL_COUNT, ret_exit, err);
    check_items_free(items, LOCAL_COUNT);
    return ok;
}

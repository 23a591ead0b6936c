/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host check: what works on the way to a host, step by step, and what to do about the
 * first thing that does not. */

#include <stdio.h>
#include <string.h>

#include "cim.h"
#include "command.h"
#include "commands.h"
#include "connect.h"
#include "session.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"
#include "wsman.h"

enum check_state { CHECK_OPEN, CHECK_GOOD, CHECK_BAD };

/* The steps of wsman_check(), then what one may do there. */
enum {
    STEP_RIGHTS = WSMAN_STEP_COUNT,
    STEP_NAMESPACE,
    STEP_HYPER_V,
    STEP_HYPER_V_RIGHTS,
    STEP_COUNT
};

static const struct {
    const char *id, *title;
} steps[STEP_COUNT] = {
    [WSMAN_STEP_NAME] = { "name", N_("name") },
    [WSMAN_STEP_PORT] = { "port", N_("port") },
    [WSMAN_STEP_TLS] = { "tls", N_("TLS") },
    [WSMAN_STEP_HTTP] = { "winrm", N_("WinRM") },
    [WSMAN_STEP_LOG_ON] = { "log-on", N_("log-on") },
    [WSMAN_STEP_SERVICE] = { "service", N_("service") },
    [STEP_RIGHTS] = { "rights", N_("rights") },
    [STEP_NAMESPACE] = { "namespace", N_("namespace") },
    [STEP_HYPER_V] = { "hyper-v", N_("Hyper-V") },
    [STEP_HYPER_V_RIGHTS] = { "hyper-v-rights", N_("Hyper-V rights") },
};

struct check {
    struct wsman_check way;
    enum check_state state[STEP_COUNT];
    struct strbuf said[STEP_COUNT];
    struct err err;         /* of the one bad step */
    struct err no_password; /* why we have none; ERR_NONE: we have, or need none */
    uint64_t sku, product_type;
};

/* ---- what a host needs, as lines to type ---- */

/* Sources: MicrosoftDocs/win32 desktop-src/WinRM/installation-and-configuration-for-windows-
 * remote-management.md; the group is S-1-5-32-578, whatever its name is in that language. */
static const char setup_text[] =
    "# On the host, in PowerShell as administrator.  WinRM on port 5985, encrypted by the log-on:\n"
    "winrm quickconfig -quiet\n"
    "# A user who is no administrator: rights to Hyper-V, and to WinRM\n"
    "Add-LocalGroupMember -SID S-1-5-32-578 -Member USER\n"
    "Add-LocalGroupMember -SID S-1-5-32-580 -Member USER\n"
    "# A local administrator other than the built-in one, without a domain:\n"
    "Set-ItemProperty HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System "
    "LocalAccountTokenFilterPolicy 1 -Type DWord\n"
    "# And https on port 5986, with a certificate of its own:\n"
    "$c = New-SelfSignedCertificate -DnsName $env:COMPUTERNAME -CertStoreLocation "
    "Cert:\\LocalMachine\\My\n"
    "New-Item WSMan:\\localhost\\Listener -Transport HTTPS -Address * -CertificateThumbPrint "
    "$c.Thumbprint -Force\n"
    "New-NetFirewallRule -DisplayName 'WinRM HTTPS' -Direction Inbound -Protocol TCP "
    "-LocalPort 5986 -Action Allow\n"
    "# Its fingerprint, for hvgpu --pin:\n"
    "'sha256:' + $c.GetCertHashString('SHA256')\n";

/* ---- checking ---- */

static void say_way(struct check *c, const char *host)
{
    const struct wsman_check *w = &c->way;

    if (w->address[0])
        strbuf_printf(&c->said[WSMAN_STEP_NAME], _("%s is %s"), host, w->address);
    else
        strbuf_printf(&c->said[WSMAN_STEP_NAME], _("%s has an address"), host);
    strbuf_puts(&c->said[WSMAN_STEP_PORT], _("something listens"));
    strbuf_printf(&c->said[WSMAN_STEP_TLS],
                  w->is_insecure ? _("certificate %s, not checked (--insecure)")
                                 : _("certificate %s, trusted"),
                  w->pin);
    strbuf_printf(&c->said[WSMAN_STEP_HTTP], _("offers %s"), w->offers);
    strbuf_printf(&c->said[WSMAN_STEP_LOG_ON],
                  w->is_encrypted ? _("with %s, messages encrypted")
                                  : _("with %s, messages readable by anyone on the way"),
                  w->method);
    strbuf_puts(&c->said[WSMAN_STEP_SERVICE],
                w->version[0] ? w->version : _("WS-Management"));
}

static bool count_row(const struct cim_instance *row, void *user, struct err *err)
{
    ++*(size_t *)user;
    return true;
}

static bool keep_system(const struct cim_instance *row, void *user, struct err *err)
{
    struct check *c = user;
    const char *caption = cim_get_text(row, "Caption"),
               *version = cim_get_text(row, "Version");

    strbuf_printf(&c->said[STEP_RIGHTS], "%s %s", caption ? caption : "Windows",
                  version ? version : "");
    (void)!cim_get_u64(row, "OperatingSystemSKU", &c->sku);
    (void)!cim_get_u64(row, "ProductType", &c->product_type);
    return true;
}

static bool keep_hypervisor(const struct cim_instance *row, void *user, struct err *err)
{
    /* Windows has the property from 8 and Server 2012 on; Hyper-V v2 came with those. */
    (void)!cim_get_bool(row, "HypervisorPresent", user);
    return true;
}

/* True: go on. */
static bool judge(struct check *c, int step, bool good)
{
    c->state[step] = good ? CHECK_GOOD : CHECK_BAD;
    return good;
}

/* MicrosoftDocs/win32 desktop-src/CIMWin32Prov/win32-operatingsystem.md: 98 to 101 are the
 * Home editions, which have no Hyper-V; ProductType 1 is a workstation. */
static void say_no_hyper_v(const struct check *c, struct err *err)
{
    err_fail(err, ERR_UNSUPPORTED, err->code, "the machine has no Hyper-V");
    err->hint[0] = '\0';
    if (c->sku >= 98 && c->sku <= 101)
        err_hint(err, "this is a Home edition, which has none: it takes Pro, Enterprise, "
                      "Education or Server");
    else if (c->product_type > 1)
        err_hint(err, "on the host: Install-WindowsFeature Hyper-V "
                      "-IncludeManagementTools -Restart");
    else
        err_hint(err, "on the host: Enable-WindowsOptionalFeature -Online -FeatureName "
                      "Microsoft-Hyper-V -All, and restart");
}

static bool check_way(struct check *c, struct cim_session *session)
{
    bool ok = wsman_check(session, &c->way, &c->err);

    /* What is missing is the password, whatever the log-on made of that. */
    if (!ok && c->way.failed == WSMAN_STEP_LOG_ON && c->no_password.kind != ERR_NONE)
        c->err = c->no_password;
    for (int i = 0; i < WSMAN_STEP_COUNT; i++)
        if (i != WSMAN_STEP_TLS || c->way.is_tls)
            if (!judge(c, i, ok || i != (int)c->way.failed))
                return false;
    return true;
}

/* The host itself is one of the systems; who has no rights is shown an empty list. */
static void check_hyper_v_rights(struct check *c, struct cim_session *session)
{
    size_t systems = 0;
    bool ok =
        cim_query(session, "root/virtualization/v2", "SELECT Name FROM Msvm_ComputerSystem",
                  count_row, &systems, &c->err);

    if (!judge(c, STEP_HYPER_V_RIGHTS, ok && systems > 0)) {
        if (!ok)
            return;
        err_fail(&c->err, ERR_DENIED, 0, "Hyper-V shows this user nothing");
        err_hint(&c->err,
                 "on the host: Add-LocalGroupMember -SID S-1-5-32-578 -Member USER "
                 "(Hyper-V Administrators), and log on again");
        return;
    }
    strbuf_printf(&c->said[STEP_HYPER_V_RIGHTS], _("VMs seen: %zu"), systems - 1);
}

/* The namespace is there if anything but "no such namespace" is answered. */
static bool check_namespace(struct check *c, struct cim_session *session)
{
    size_t services = 0;
    bool ok = cim_query(session, "root/virtualization/v2",
                        "SELECT Name FROM Msvm_VirtualSystemManagementService", count_row,
                        &services, &c->err);

    if (!ok && c->err.kind == ERR_NOT_FOUND)
        say_no_hyper_v(c, &c->err);
    if (!judge(c, STEP_NAMESPACE, ok || c->err.kind == ERR_DENIED))
        return false;
    c->err = ERR_INIT;
    strbuf_puts(&c->said[STEP_NAMESPACE], "root/virtualization/v2");
    return true;
}

static bool check_hypervisor(struct check *c, struct cim_session *session)
{
    bool is_running = false;

    if (!judge(c, STEP_HYPER_V,
               cim_query(session, "root/cimv2",
                         "SELECT HypervisorPresent FROM Win32_ComputerSystem",
                         keep_hypervisor, &is_running, &c->err)))
        return false;
    if (!judge(c, STEP_HYPER_V, is_running)) {
        err_fail(&c->err, ERR_UNSUPPORTED, 0, "Hyper-V is installed, but does not run");
        return err_hint(&c->err,
                        "on the host: bcdedit /set hypervisorlaunchtype auto, "
                        "virtualization switched on in the firmware, and a restart");
    }
    strbuf_puts(&c->said[STEP_HYPER_V], _("runs"));
    return true;
}

/* Every Windows has one operating system to show, to whoever may look. */
static bool check_rights(struct check *c, struct cim_session *session)
{
    if (!judge(c, STEP_RIGHTS,
               cim_query(session, "root/cimv2",
                         "SELECT Caption, Version, OperatingSystemSKU, ProductType FROM "
                         "Win32_OperatingSystem",
                         keep_system, c, &c->err)))
        return false;
    if (judge(c, STEP_RIGHTS, c->said[STEP_RIGHTS].len > 0))
        return true;
    err_fail(&c->err, ERR_DENIED, 0, "the host shows this user nothing of itself");
    return err_hint(&c->err, "the user must be in Administrators, or in Remote Management "
                             "Users (S-1-5-32-580) with rights to root/cimv2");
}

static void check_host(struct check *c, struct cim_session *session)
{
    if (!check_way(c, session) || !check_rights(c, session) ||
        !check_namespace(c, session) || !check_hypervisor(c, session))
        return;
    check_hyper_v_rights(c, session);
}

/* ---- showing ---- */

static json_t *document_of(const struct check *c, const char *host)
{
    json_t *list = json_array();
    bool good = true;

    for (int i = 0; i < STEP_COUNT; i++) {
        bool bad = c->state[i] == CHECK_BAD;

        good = good && !bad;
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:s?, s:o}", "id", steps[i].id, "ok",
                            c->state[i] == CHECK_OPEN ? json_null() : json_boolean(!bad),
                            "detail", c->state[i] == CHECK_GOOD ? c->said[i].text : NULL,
                            "error", bad ? error_to_json(&c->err) : json_null()));
    }
    return json_pack("{s:s, s:s, s:b, s:o}", "schema", "hvgpu/1", "host", host, "ready",
                     good, "checks", list);
}

static void print(struct output *out, const struct check *c)
{
    static const char *const words[] = { "-", N_("ok"), N_("FAILED") };
    static const enum style styles[] = { STYLE_FAINT, STYLE_GOOD, STYLE_BAD };
    char why[1024];

    for (int i = 0; i < STEP_COUNT; i++) {
        const char *word = _(words[c->state[i]]), *title = _(steps[i].title);
        CLEANUP(free_cleanup) char *said = NULL;

        if (i == WSMAN_STEP_TLS && !c->way.is_tls)
            continue;
        if (c->state[i] == CHECK_BAD)
            err_format(&c->err, why, sizeof(why));
        said = clean_text(c->state[i] == CHECK_BAD                       ? why
                          : c->state[i] == CHECK_GOOD && c->said[i].text ? c->said[i].text
                                                                         : "",
                          0);
        output_text(out, "%s%s%s%*s%s%*s%s\n", style_on(out, styles[c->state[i]]), word,
                    style_off(out, styles[c->state[i]]), 8 - (int)text_columns(word), "",
                    title, 16 - (int)text_columns(title), "", said ? said : "");
        if (c->state[i] == CHECK_BAD && c->err.hint[0])
            output_text(out, "%24s→ %s\n", "", c->err.hint);
    }
}

static bool run_check(const struct invocation *in, struct check *c, const char *host,
                      int *ret_exit, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    const struct host_target *target;
    bool good = true;

    if (!host_list_find(in->connector->hosts, in->values, host, &target, err))
        return false;
    session = connector_open_plain(in->connector, target, &c->no_password, err);
    if (!session)
        return err_wrap(err, "%.80s", host);
    check_host(c, session);
    say_way(c, target->name);
    for (int i = 0; i < STEP_COUNT; i++)
        good = good && c->state[i] != CHECK_BAD;
    *ret_exit = good ? STATUS_DONE : STATUS_FOUND;
    if (in->json)
        return output_json(in->out, document_of(c, target->name), err);
    print(in->out, c);
    return true;
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    const char *host = in->operand_count ? in->operands[0] : option_get(in, "host");
    struct check c = { 0 };
    bool ok;

    *ret_exit = STATUS_USAGE;
    if (option_get(in, "setup")) {
        *ret_exit = STATUS_DONE;
        if (in->json)
            return output_json(
                in->out, json_pack("{s:s, s:s}", "schema", "hvgpu/1", "setup", setup_text),
                err);
        output_text(in->out, "%s", setup_text);
        return true;
    }
    if (!host) {
        err_fail(err, ERR_INVALID, 0, _("no host was named"));
        return err_hint(err, _("see 'hvgpu host check --help'"));
    }
    *ret_exit = STATUS_FAILED;
    ok = run_check(in, &c, host, ret_exit, err);
    for (int i = 0; i < STEP_COUNT; i++)
        strbuf_free(&c.said[i]);
    return ok;
}

static const struct option_spec options[] = {
    { "setup", 0, NULL, N_("print what to type on a host to make it ready, and stop") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_host_check = {
    .name = "host check",
    .operands = "[HOST]",
    .summary = N_("what works on the way to a host, and what to do about the rest"),
    .options = options,
    .run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host check: what works on the way to a host, step by step, and what to do about the
 * first thing that does not; on the machine itself, about all that does not. */

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "commands.h"
#include "connect.h"
#include "host-check.h"
#include "session.h"
#include "text.h"
#include "tr.h"
#include "wmi.h"
#include "wsman.h"

/* The steps of wsman_check(), then what one may do there. */
enum {
    STEP_RIGHTS = WSMAN_STEP_COUNT,
    STEP_NAMESPACE,
    STEP_HYPER_V,
    STEP_HYPER_V_RIGHTS,
    STEP_COUNT
};

static const struct check_title steps[STEP_COUNT] = {
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

/* ---- the way over the network ---- */

struct check {
    struct wsman_check way;
    struct check_item items[STEP_COUNT];
    struct err no_password; /* why we have none; ERR_NONE: we have, or need none */
    struct check_facts facts;
};

static void say_way(struct check *c, const char *host)
{
    const struct wsman_check *w = &c->way;

    if (w->address[0])
        strbuf_printf(&c->items[WSMAN_STEP_NAME].said, _("%s is %s"), host, w->address);
    else
        strbuf_printf(&c->items[WSMAN_STEP_NAME].said, _("%s has an address"), host);
    strbuf_puts(&c->items[WSMAN_STEP_PORT].said, _("something listens"));
    strbuf_printf(&c->items[WSMAN_STEP_TLS].said,
                  w->is_insecure ? _("certificate %s, not checked (--insecure)")
                                 : _("certificate %s, trusted"),
                  w->pin);
    strbuf_printf(&c->items[WSMAN_STEP_HTTP].said, _("offers %s"), w->offers);
    strbuf_printf(&c->items[WSMAN_STEP_LOG_ON].said,
                  w->is_encrypted ? _("with %s, messages encrypted")
                                  : _("with %s, messages readable by anyone on the way"),
                  w->method);
    strbuf_puts(&c->items[WSMAN_STEP_SERVICE].said,
                w->version[0] ? w->version : _("WS-Management"));
}

static bool check_way(struct check *c, struct cim_session *session)
{
    struct err err = ERR_INIT;
    bool ok = wsman_check(session, &c->way, &err);

    /* What is missing is the password, whatever the log-on made of that. */
    if (!ok && c->way.failed == WSMAN_STEP_LOG_ON && c->no_password.kind != ERR_NONE)
        err = c->no_password;
    c->items[WSMAN_STEP_TLS].is_left_out = !c->way.is_tls;
    for (int i = 0; i < WSMAN_STEP_COUNT; i++)
        if (!c->items[i].is_left_out &&
            !check_judge(&c->items[i], ok || i != (int)c->way.failed, &err))
            return false;
    return true;
}

static void check_host(struct check *c, struct cim_session *session)
{
    struct check_item *items = c->items;

    if (check_way(c, session) && check_system(&items[STEP_RIGHTS], session, &c->facts) &&
        check_namespace(&items[STEP_NAMESPACE], session, &c->facts) &&
        check_hypervisor(&items[STEP_HYPER_V], session))
        (void)!check_hyper_v_rights(&items[STEP_HYPER_V_RIGHTS], session);
}

static bool check_remote(const struct invocation *in, const struct host_target *target,
                         int *ret_exit, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    struct check c = { 0 };
    bool ok;

    session = connector_open_plain(in->connector, target, &c.no_password, err);
    if (!session)
        return err_wrap(err, "%.80s", target->name);
    check_items_init(c.items, steps, STEP_COUNT);
    check_host(&c, session);
    say_way(&c, target->name);
    ok = check_report(in, target, c.items, STEP_COUNT, err) &&
         check_show(in, target->name, c.items, STEP_COUNT, ret_exit, err);
    check_items_free(c.items, STEP_COUNT);
    return ok;
}

/* ---- the command ---- */

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    const char *host = in->operand_count ? in->operands[0] : option_get(in, "host");
    const struct host_target *target;

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
    if (!host && wmi_is_here())
        host = "local";
    if (!host) {
        err_fail(err, ERR_INVALID, 0, _("no host was named"));
        return err_hint(err, _("see 'hvgpu host check --help'"));
    }
    *ret_exit = STATUS_FAILED;
    if (!host_list_find(in->connector->hosts, in->values, host, &target, err))
        return false;
    if (target->replay)
        return err_fail(err, ERR_INVALID, 0,
                        "a report is no host: there is no way to check");
    return target->is_local ? check_local(in, target, ret_exit, err)
                            : check_remote(in, target, ret_exit, err);
}

static const struct option_spec options[] = {
    { "setup", 0, NULL, N_("print what to type on a host to make it ready, and stop") },
    { "report", 0, "FILE", N_("also write what was found into a zip file, without names") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_host_check = {
    .name = "host check",
    .operands = "[HOST]",
    .summary = N_("what works on the way to a host, and what to do about the rest"),
    .options = options,
    .run = run,
};

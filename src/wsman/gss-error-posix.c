/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kerberos' and GSS-API's codes, in the words of somebody who wants to log on. */

#include "gss-error.h"

#include <string.h>

#include <krb5/krb5.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"

static const struct {
    krb5_error_code code;
    enum err_kind kind;
    const char *what, *hint;
} kerberos_errors[] = {
    { KRB5_FCC_NOFILE, ERR_DENIED, "there is no Kerberos ticket",
      "get one with kinit USER@REALM, or give --user and --password-file or --keytab" },
    { KRB5_CC_NOTFOUND, ERR_DENIED, "there is no Kerberos ticket",
      "get one with kinit USER@REALM, or give --user and --password-file or --keytab" },
    { KRB5_KT_NOTFOUND, ERR_DENIED, "the keytab has no key for this user",
      "see what it has with klist -k FILE" },
    { KRB5KRB_AP_ERR_TKT_EXPIRED, ERR_DENIED, "the Kerberos ticket has expired",
      "get a new one with kinit" },
    { KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN, ERR_DENIED, "the realm knows no such user",
      "check the part before the '@' of --user" },
    { KRB5KDC_ERR_PREAUTH_FAILED, ERR_DENIED, "the password is wrong",
      "check the password" },
    { KRB5KRB_AP_ERR_BAD_INTEGRITY, ERR_DENIED, "the password is wrong",
      "check the password" },
    { KRB5KDC_ERR_KEY_EXP, ERR_DENIED, "the password has expired",
      "change it (kpasswd, or log on to Windows)" },
    { KRB5KDC_ERR_CLIENT_REVOKED, ERR_DENIED, "the account is locked or disabled",
      "ask the administrator of the domain" },
    { KRB5_REALM_UNKNOWN, ERR_DENIED, "this machine does not know that Kerberos realm",
      "check the part behind the '@' of --user, DNS, and [realms] in /etc/krb5.conf" },
    { KRB5_REALM_CANT_RESOLVE, ERR_UNREACHABLE, "no Kerberos server of the realm answers",
      "check the part behind the '@' of --user, DNS, and [realms] in /etc/krb5.conf" },
    { KRB5_KDC_UNREACH, ERR_UNREACHABLE, "no Kerberos server of the realm answers",
      "check the part behind the '@' of --user, DNS, and [realms] in /etc/krb5.conf" },
    { KRB5KDC_ERR_WRONG_REALM, ERR_DENIED, "the user belongs to another Kerberos realm",
      "check the part behind the '@' of --user" },
    { KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN, ERR_DENIED,
      "the domain knows no WinRM service of that host name",
      "use the name under which the host joined the domain; an alias or an address does not "
      "do (setspn -L HOST shows its names)" },
    { KRB5KRB_AP_ERR_SKEW, ERR_DENIED,
      "the clocks of this machine and of the domain differ by more than 5 minutes",
      "set both by the same time server (timedatectl here, w32tm /resync there)" },
    { KRB5_KDCREP_SKEW, ERR_DENIED,
      "the clocks of this machine and of the domain differ by more than 5 minutes",
      "set both by the same time server (timedatectl here, w32tm /resync there)" },
    { KRB5_CONFIG_NODEFREALM, ERR_INVALID, "the user name does not say of which realm",
      "write --user NAME@REALM, or set default_realm in /etc/krb5.conf" },
    { KRB5_CONFIG_CANTOPEN, ERR_SYSTEM, "the Kerberos configuration cannot be read",
      "check /etc/krb5.conf, or what KRB5_CONFIG names" },
    { KRB5KDC_ERR_ETYPE_NOSUPP, ERR_DENIED,
      "this machine and the domain have no encryption type in common",
      "enable AES for the account in the domain" },
};

static void put_status(struct strbuf *to, OM_uint32 status, int type, gss_OID mech)
{
    OM_uint32 context = 0, minor;

    do {
        gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

        if (gss_display_status(&minor, status, type, mech, &context, &text) !=
            GSS_S_COMPLETE)
            return;
        if (to->len && text.length)
            strbuf_puts(to, ": ");
        strbuf_add(to, text.value, text.length);
        gss_release_buffer(&minor, &text);
    } while (context);
}

/* The code itself when Kerberos was asked by its own name; else SPNEGO has put a number of
 * its own in its place, and only the words tell. */
static bool is_kerberos(const struct gss_failure *f, krb5_context context,
                        krb5_error_code code, const char *words)
{
    const char *text;
    bool same;

    if (f->mech && f->mech->length == gss_mech_kerberos.oid.length &&
        memcmp(f->mech->elements, gss_mech_kerberos.oid.elements, f->mech->length) == 0)
        return f->minor == (OM_uint32)code;
    text = krb5_get_error_message(context, code);
    same = text && *text && words && strstr(words, text);
    krb5_free_error_message(context, text);
    return same;
}

static bool explain_kerberos(const struct gss_failure *f, const char *words,
                             struct err *err)
{
    krb5_context context;
    bool found = false;

    if (krb5_init_context(&context))
        return false;
    for (size_t i = 0; !found && i < ARRAY_LEN(kerberos_errors); i++) {
        if (!is_kerberos(f, context, kerberos_errors[i].code, words))
            continue;
        err_fail(err, kerberos_errors[i].kind, 0, "%s (%s)", kerberos_errors[i].what,
                 words);
        err_hint(err, "%s", kerberos_errors[i].hint);
        found = true;
    }
    krb5_free_context(context);
    return found;
}

void gss_words(const struct gss_failure *f, struct strbuf *to)
{
    put_status(to, f->major, GSS_C_GSS_CODE, GSS_C_NO_OID);
    if (f->minor)
        put_status(to, f->minor, GSS_C_MECH_CODE, f->mech);
}

bool gss_fail(const struct gss_failure *f, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf major = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf minor = STRBUF_INIT;

    put_status(&major, f->major, GSS_C_GSS_CODE, GSS_C_NO_OID);
    if (f->minor)
        put_status(&minor, f->minor, GSS_C_MECH_CODE, f->mech);
    if (explain_kerberos(f, minor.len ? minor.text : "", err))
        return false;
    switch (GSS_ERROR(f->major)) {
    case GSS_S_NO_CRED:
        err_fail(err, ERR_DENIED, 0, "there is nothing to log on with (%s)",
                 minor.len ? minor.text : "no credentials");
        return err_hint(
            err, "get a ticket with kinit USER@REALM, or give --user and --password-file");
    case GSS_S_CREDENTIALS_EXPIRED:
        err_fail(err, ERR_DENIED, 0, "the Kerberos ticket has expired");
        return err_hint(err, "get a new one with kinit");
    case GSS_S_BAD_BINDINGS:
        err_fail(err, ERR_DENIED, 0, "the log-on is bound to another TLS connection");
        return err_hint(err, "something between here and the host opens its TLS");
    case GSS_S_BAD_QOP:
        return err_fail(err, ERR_DENIED, 0, "the host offers no encryption");
    default:
        return err_fail(err, ERR_DENIED, 0, "%s%s%s",
                        major.len ? major.text : "the log-on failed", minor.len ? ": " : "",
                        minor.len ? minor.text : "");
    }
}

bool gss_is_no_ticket(const struct gss_failure *f)
{
    return f->minor == (OM_uint32)KRB5_FCC_NOFILE ||
           f->minor == (OM_uint32)KRB5_CC_NOTFOUND ||
           f->minor == (OM_uint32)KRB5_KT_NOTFOUND;
}

bool gss_is_unknown_service(const struct gss_failure *f)
{
    return f->minor == (OM_uint32)KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What SSPI says, as an error a person can do something about.
 *
 * Source: MicrosoftDocs/win32 secauthn "SSPI status codes", winerror.h. */

#include "sspi-win32.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "text.h"

static const char check_name[] =
    "use the name under which the host joined the domain; an alias or an address does not do "
    "(setspn -L HOST shows its names)";
static const char check_password[] =
    "check user name and password; a user of a domain is DOMAIN\\user, one of the host .\\user";

static const struct {
    SECURITY_STATUS status;
    enum err_kind kind;
    const char *what, *hint;
} errors[] = {
    { SEC_E_LOGON_DENIED, ERR_DENIED, "the user name or the password is wrong",
      check_password },
    { SEC_E_NO_CREDENTIALS, ERR_DENIED, "there is nothing to log on with",
      "give --user and --password-file, or log on to Windows as a user of the domain" },
    { SEC_E_UNKNOWN_CREDENTIALS, ERR_DENIED, "Windows does not know these credentials",
      check_password },
    { SEC_E_TARGET_UNKNOWN, ERR_DENIED,
      "the domain knows no WinRM service of that host name", check_name },
    { SEC_E_WRONG_PRINCIPAL, ERR_DENIED, "the host is another one than its name says",
      check_name },
    { SEC_E_NO_AUTHENTICATING_AUTHORITY, ERR_UNREACHABLE, "no domain controller answers",
      "check the network and DNS, or use --auth ntlm" },
    { SEC_E_TIME_SKEW, ERR_DENIED,
      "the clocks of this machine and of the domain differ by more than 5 minutes",
      "set both by the same time server (w32tm /resync)" },
    { SEC_E_BAD_BINDINGS, ERR_DENIED, "the log-on is bound to another TLS connection",
      "something between here and the host opens its TLS" },
    { SEC_E_INVALID_TOKEN, ERR_PROTOCOL, "the host's log-on token is not understood",
      "check that no other web server or proxy answers there" },
    { SEC_E_SECPKG_NOT_FOUND, ERR_UNSUPPORTED, "this Windows has no such way to log on",
      "use --auth basic over https; under Wine, install the program ntlm_auth (winbind)" },
    { SEC_E_UNSUPPORTED_FUNCTION, ERR_UNSUPPORTED,
      "Windows does not offer what this log-on needs",
      "a policy may forbid NTLM (Network security: Restrict NTLM)" },
    { SEC_E_POLICY_NLTM_ONLY, ERR_DENIED, "a policy allows nothing but NTLM here",
      "use --auth ntlm" },
    { SEC_E_MUTUAL_AUTH_FAILED, ERR_DENIED, "the host could not prove who it is",
      check_name },
    { SEC_E_DOWNGRADE_DETECTED, ERR_DENIED,
      "somebody tried to weaken the log-on, or no domain controller can be reached",
      "check the network and DNS" },
    { SEC_E_KDC_INVALID_REQUEST, ERR_DENIED, "the domain controller refused the request",
      NULL },
    { SEC_E_KDC_UNABLE_TO_REFER, ERR_DENIED,
      "the domain controller cannot find the host's domain", check_name },
    { SEC_E_KDC_UNKNOWN_ETYPE, ERR_DENIED,
      "this machine and the domain have no encryption type in common",
      "enable AES for the account in the domain" },
    { SEC_E_ENCRYPT_FAILURE, ERR_DENIED, "the log-on cannot encrypt", NULL },
    { SEC_E_QOP_NOT_SUPPORTED, ERR_DENIED, "the host offers no encryption", NULL },
    { SEC_E_CANNOT_PACK, ERR_DENIED, "Windows could not use the password", NULL },
    { SEC_E_NO_IMPERSONATION, ERR_DENIED, "Windows did not allow the log-on", NULL },
    { SEC_E_INTERNAL_ERROR, ERR_SYSTEM, "the local security authority of Windows failed",
      "see the event log of this machine (System, LSA)" },
};

void sspi_words(SECURITY_STATUS status, char *to, size_t size)
{
    wchar_t wide[160] = L"";
    DWORD len = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                                   FORMAT_MESSAGE_MAX_WIDTH_MASK,
                               NULL, (DWORD)status, 0, wide, ARRAY_LEN(wide) - 1, NULL);
    CLEANUP(free_cleanup) char *words = NULL;

    while (len && (wide[len - 1] <= L' ' || wide[len - 1] == L'.'))
        wide[--len] = L'\0';
    words = len ? text_from_utf16le(wide, len * sizeof(*wide), NULL) : NULL;
    if (words)
        snprintf(to, size, "%s, 0x%08lX", words, (unsigned long)status);
    else
        snprintf(to, size, "0x%08lX", (unsigned long)status);
}

bool sspi_fail(SECURITY_STATUS status, struct err *err)
{
    char words[240];

    sspi_words(status, words, sizeof(words));
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (errors[i].status != status)
            continue;
        err_fail(err, errors[i].kind, (int64_t)(uint32_t)status, "%s (%s)", errors[i].what,
                 words);
        return errors[i].hint ? err_hint(err, "%s", errors[i].hint) : false;
    }
    return err_fail(err, ERR_DENIED, (int64_t)(uint32_t)status, "the log-on failed (%s)",
                    words);
}

bool sspi_is_unknown_service(SECURITY_STATUS status)
{
    return status == SEC_E_TARGET_UNKNOWN || status == SEC_E_WRONG_PRINCIPAL;
}

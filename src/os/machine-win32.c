/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine is called, and what this process may do to it.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/SecAuthZ (access tokens, well-known SIDs);
 * sdk-api winnt TOKEN_ELEVATION; securitybaseapi CheckTokenMembership.
 */

#include "inside-win32.h"

#include <sddl.h>
#define SECURITY_WIN32
#include <security.h>
#include <stdlib.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"

char *os_machine_name(struct err *err)
{
    wchar_t wide[256];
    DWORD size = ARRAY_LEN(wide);

    if (GetComputerNameExW(ComputerNameDnsHostname, wide, &size))
        return win32_utf8(wide, err);
    win32_fail(err, GetLastError(), "cannot tell the name of this machine");
    return NULL;
}

bool os_is_elevated(void)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle token = { NULL };
    TOKEN_ELEVATION elevation = { 0 };
    DWORD size = 0;

    return OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token.h) &&
           GetTokenInformation(token.h, TokenElevation, &elevation, sizeof(elevation),
                               &size) &&
           size == sizeof(elevation) && elevation.TokenIsElevated;
}

/* Groups that count only for denying, as Administrators does before elevation, are not had. */
bool os_is_member(const char *sid_text)
{
    PSID sid = NULL;
    BOOL is_member = FALSE;
    bool ok = ConvertStringSidToSidA(sid_text, &sid) &&
              CheckTokenMembership(NULL, sid, &is_member);

    LocalFree(sid);
    return ok && is_member;
}

char *os_security_packages(struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf names = STRBUF_INIT;
    SecPkgInfoW *packages = NULL;
    ULONG count = 0;
    SECURITY_STATUS status = EnumerateSecurityPackagesW(&count, &packages);
    char *text;

    if (status != SEC_E_OK) {
        win32_fail(err, (DWORD)status, "cannot list what makes log-ons");
        return NULL;
    }
    for (ULONG i = 0; i < count; i++) {
        CLEANUP(free_cleanup) char *name = win32_utf8(packages[i].Name, err);

        if (name)
            strbuf_printf(&names, "%s%s", names.len ? ", " : "", name);
    }
    FreeContextBuffer(packages);
    text = strbuf_take(&names);
    if (!text)
        err_no_memory(err);
    return text;
}

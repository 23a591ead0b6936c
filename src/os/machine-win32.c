/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine is called, and what this process may do to it.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/SecAuthZ (access tokens, well-known SIDs);
 * sdk-api winnt TOKEN_ELEVATION; securitybaseapi CheckTokenMembership.
 */

#include "inside-win32.h"

#include <sddl.h>
#include <stdlib.h>

#include "err.h"
#include "os.h"

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

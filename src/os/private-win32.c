/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may read a file: what is made here is for its user alone, and what is given as a
 * secret is looked at for others who could read it.
 *
 * The system and administrators can read everything anyway (backup and restore rights), as
 * OpenSSH for Windows judges it too.  Source: MicrosoftDocs/win32 secauthz, security
 * descriptor definition language.
 */

#include "inside-win32.h"

#include <aclapi.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>

#include "err.h"
#include "os.h"
#include "text.h"

struct user {
    TOKEN_USER info;
    BYTE sid[SECURITY_MAX_SID_SIZE];
};

static bool get_user(struct user *ret)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle token = { NULL };
    DWORD len;

    return OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token.h) &&
           GetTokenInformation(token.h, TokenUser, ret, sizeof(*ret), &len);
}

/* ---- making ---- */

struct attributes {
    INIT_ONCE once;
    const char *flags; /* of each entry of the list: what is made inside has it too */
    SECURITY_ATTRIBUTES made;
};

static struct attributes for_file = { INIT_ONCE_STATIC_INIT, "", { 0 } };
static struct attributes for_folder = { INIT_ONCE_STATIC_INIT, "OICI", { 0 } };

static BOOL CALLBACK make_attributes(PINIT_ONCE once, PVOID parameter, PVOID *context)
{
    struct attributes *attributes = parameter;
    CLEANUP(free_cleanup) char *list = NULL;
    char *sid = NULL;
    struct user user;
    BOOL ok;

    (void)once;
    (void)context;
    if (!get_user(&user) || !ConvertSidToStringSidA(user.info.User.Sid, &sid))
        return FALSE;
    /* Protected: nothing is inherited from the folder. */
    list = text_printf("D:P(A;%s;FA;;;SY)(A;%s;FA;;;%s)", attributes->flags,
                       attributes->flags, sid);
    LocalFree(sid);
    ok = list && ConvertStringSecurityDescriptorToSecurityDescriptorA(
                     list, SDDL_REVISION_1, &attributes->made.lpSecurityDescriptor, NULL);
    attributes->made.nLength = sizeof(attributes->made);
    return ok;
}

static SECURITY_ATTRIBUTES *get_attributes(struct attributes *attributes, struct err *err)
{
    if (InitOnceExecuteOnce(&attributes->once, make_attributes, attributes, NULL))
        return &attributes->made;
    win32_fail(err, GetLastError(), "cannot tell which user this is");
    return NULL;
}

SECURITY_ATTRIBUTES *win32_private_file(struct err *err)
{
    return get_attributes(&for_file, err);
}

SECURITY_ATTRIBUTES *win32_private_folder(struct err *err)
{
    return get_attributes(&for_folder, err);
}

/* ---- looking ---- */

static bool is_known(PSID sid, WELL_KNOWN_SID_TYPE type)
{
    return IsWellKnownSid(sid, type);
}

static bool may_read(const ACE_HEADER *ace, const struct user *user)
{
    const ACCESS_ALLOWED_ACE *allowed = (const ACCESS_ALLOWED_ACE *)(const void *)ace;
    const ACCESS_MASK reading = FILE_READ_DATA | GENERIC_READ | GENERIC_ALL | WRITE_DAC |
                                WRITE_OWNER | FILE_WRITE_DATA | GENERIC_WRITE;
    PSID sid = (PSID)(uintptr_t)&allowed->SidStart;

    switch (ace->AceType) {
    case ACCESS_DENIED_ACE_TYPE:
    case ACCESS_DENIED_OBJECT_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_ACE_TYPE:
        return false;
    case ACCESS_ALLOWED_ACE_TYPE:
        break;
    default: /* conditional: who can say? */
        return true;
    }
    if ((ace->AceFlags & INHERIT_ONLY_ACE) || !(allowed->Mask & reading))
        return false;
    return !EqualSid(sid, user->info.User.Sid) && !is_known(sid, WinLocalSystemSid) &&
           !is_known(sid, WinBuiltinAdministratorsSid) &&
           !is_known(sid, WinCreatorOwnerRightsSid);
}

/* No list at all (as on FAT) lets everybody in. */
bool os_is_private_file(const char *path)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, &ignored);
    PSECURITY_DESCRIPTOR descriptor = NULL;
    ACL *list = NULL;
    struct user user;
    bool is_private;

    if (!wide || !get_user(&user) ||
        GetNamedSecurityInfoW(wide, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL,
                              &list, NULL, &descriptor) != ERROR_SUCCESS)
        return false;
    is_private = list != NULL;
    for (DWORD i = 0; is_private && i < list->AceCount; i++) {
        void *ace;

        is_private = GetAce(list, i, &ace) && !may_read(ace, &user);
    }
    LocalFree(descriptor);
    return is_private;
}

void os_private_command(const char *path, char *ret, size_t size)
{
    snprintf(ret, size, "icacls \"%s\" /inheritance:r /grant:r \"%s:F\"", path,
             os_user_name());
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device assignment policy of a Windows Server, through StdRegProv. */

#include "policy.h"

#include "err.h"

#define KEY "SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV"
enum { HKEY_LOCAL_MACHINE_ID = 0x80000002u };

static bool read_dword(struct cim_session *session, const char *name, struct known_u64 *ret,
                       struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/cimv2", "StdRegProv");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "GetDWORDValue");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    uint64_t code;

    if (!path || !in)
        return err_no_memory(err);
    if (!cim_set_uint(in, "hDefKey", CIM_UINT32, HKEY_LOCAL_MACHINE_ID, err) ||
        !cim_set_text(in, "sSubKeyName", KEY, err) ||
        !cim_set_text(in, "sValueName", name, err) ||
        !cim_invoke(session, path, "GetDWORDValue", in, &out, err))
        return false;
    /* Any other code means that there is no such value: a Win32 error. */
    if (cim_get_u64(out, "ReturnValue", &code) && code == 0)
        ret->known = cim_get_u64(out, "uValue", &ret->value);
    return true;
}

bool read_assignment_policy(struct cim_session *session, const struct hv_host *host,
                            struct known_u64 *ret_secure, struct known_u64 *ret_supported,
                            struct err *err)
{
    if (!host->is_server)
        return true;
    return read_dword(session, "RequireSecureDeviceAssignment", ret_secure, err) &&
           read_dword(session, "RequireSupportedDeviceAssignment", ret_supported, err);
}

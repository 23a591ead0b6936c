/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the numbers mean that Hyper-V answers: return values of methods and ErrorCode of
 * jobs share one scale.
 *
 * Source: MicrosoftDocs/win32 desktop-src/HyperV_v2 (return values of every Msvm_
 * method; the small ones are those of DMTF's services).
 */
#include "codes.h"

#include <stdio.h>

#include "attr.h"
#include "job.h"

static const struct hv_code codes[] = {
    { 0, ERR_NONE, "completed", NULL },
    { 1, ERR_UNSUPPORTED, "not supported", NULL },
    { 2, ERR_REFUSED, "failed", NULL },
    { 3, ERR_REFUSED, "timeout on the host", NULL },
    { 4, ERR_REFUSED, "invalid parameter", NULL },
    { 5, ERR_CONFLICT, "invalid state", NULL },
    { 6, ERR_REFUSED, "incompatible parameters", NULL },
    { 4096, ERR_NONE, "job started", NULL },
    { 32768, ERR_REFUSED, "failed", NULL },
    { 32769, ERR_DENIED, "access denied",
      "use an account in the host's group Administrators or Hyper-V Administrators" },
    { 32770, ERR_UNSUPPORTED, "not supported", NULL },
    { 32771, ERR_REFUSED, "status unknown", NULL },
    { 32772, ERR_REFUSED, "timeout on the host", NULL },
    { 32773, ERR_REFUSED, "invalid parameter", NULL },
    { 32774, ERR_CONFLICT, "system in use",
      "try again when the other operation has ended" },
    { 32775, ERR_CONFLICT, "invalid state for this operation",
      "look at the VM's state with 'hvgpu vm show'" },
    { 32776, ERR_REFUSED, "incorrect data type", NULL },
    { 32777, ERR_CONFLICT, "system not available", NULL },
    { 32778, ERR_REFUSED, "out of memory on the host", NULL },
    { 32779, ERR_NOT_FOUND, "file not found", NULL },
    { 32780, ERR_CONFLICT, "the guest is not ready", "wait until the guest has started" },
    { 32781, ERR_CONFLICT, "the guest is locked",
      "log out in the guest, or turn the VM off with --force-stop" },
    { 32782, ERR_CONFLICT, "a shutdown is already running", "wait until the VM is off" },
    { 32789, ERR_NOT_FOUND, "object not found", NULL },
};

const struct hv_code *hv_code_find(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

const char *hv_code_name(uint32_t code)
{
    static _Thread_local char unknown[32];
    const struct hv_code *known = hv_code_find(code);

    if (known)
        return known->name;
    snprintf(unknown, sizeof(unknown), "code %lu", (unsigned long)code);
    return unknown;
}

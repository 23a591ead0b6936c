/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A .vmx is looked at, judged and edited; editing twice is editing once, and what an edit
 * leaves is read as what was asked for. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "vmx.h"

static void must(bool so)
{
    if (!so)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct vmx_change changes[] = { { VMX_ENABLE_3D, "TRUE" },
                                                 { VMX_GRAPHICS_MEMORY, "1048576" },
                                                 { VMX_ALLOW_BLOCKLISTED, NULL } };
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf once = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf twice = STRBUF_INIT;
    CLEANUP(vmx_cleanup) struct vmx *vmx = NULL;
    CLEANUP(vmx_cleanup) struct vmx *again = NULL;
    struct vmx_facts facts;
    struct err err = ERR_INIT;

    vmx = vmx_parse((const char *)bytes, size, &err);
    if (!vmx || !vmx_look(vmx, NULL, &facts, &err))
        return 0;
    must(vmx_judge(vmx, &facts, "fuzz", &findings, &err) &&
         vmx_advise(&facts, "fuzz", &findings, &err));
    must(vmx_edit(vmx, changes, 3, VMX_CACHED_PREFIX, &once, &err));
    again = vmx_parse(once.text ? once.text : "", once.len, &err);
    if (again && again->bad_line_count == 0 && vmx->bad_line_count == 0) {
        must(vmx_edit(again, changes, 3, VMX_CACHED_PREFIX, &twice, &err));
        must(once.len == twice.len && memcmp(once.text, twice.text, once.len) == 0);
        must(vmx_count(again, VMX_CACHED_PREFIX) == 0);
        must(!vmx_has(again, VMX_ALLOW_BLOCKLISTED));
    }
    vmx_facts_clear(&facts);
    return 0;
}

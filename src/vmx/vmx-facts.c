/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a .vmx and the files beside it say.
 *
 * Sources: vmware/open-vm-tools issues 624, 681, 766 (hardware versions, keys); VMware's
 * product pages of Workstation 16 (DirectX 11, OpenGL 4.1 from hardware version 18);
 * docs.vmware.com on lock files; hashicorp/packer-plugin-vmware step_shutdown (names of
 * lock folders).
 */
#include "vmx.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "text.h"

/* ---- levels ---- */

struct vmx_level vmx_level_of(bool known, uint64_t hardware_version)
{
    if (!known)
        return (struct vmx_level){ 0 };
    if (hardware_version >= 18)
        return (struct vmx_level){ "11", "4.1", true };
    if (hardware_version >= 12)
        return (struct vmx_level){ "10", "3.3", false };
    return (struct vmx_level){ "9", "2.1", false };
}

/* ---- the text ---- */

static enum vmx_switch switch_of(const struct vmx *vmx, const char *key)
{
    CLEANUP(free_cleanup) char *value = vmx_get(vmx, key);

    if (!vmx_has(vmx, key))
        return VMX_UNSET;
    if (text_ieq(value, "true") || text_ieq(value, "1"))
        return VMX_ON;
    return text_ieq(value, "false") || text_ieq(value, "0") ? VMX_OFF : VMX_ODD;
}

static bool has_duplicates(const struct vmx *vmx, const char *key)
{
    const struct vmx_entry *first = NULL;

    for (size_t i = 0; i < vmx->count; i++) {
        const struct vmx_entry *entry = &vmx->entries[i];

        if (!text_ieq(entry->key, key))
            continue;
        if (first && (first->value_len != entry->value_len ||
                      memcmp(vmx->bytes + first->value_at, vmx->bytes + entry->value_at,
                             entry->value_len) != 0))
            return true;
        if (!first)
            first = entry;
    }
    return false;
}

/* Encodings in which the bytes of ASCII may mean something else: they must not be searched
 * for in them. */
static bool is_stateful(const char *encoding)
{
    static const char *const prefixes[] = { "UTF-16", "UTF16",  "UTF-32",   "UTF32",
                                            "UTF-7",  "UCS",    "ISO-2022", "HZ",
                                            "IBM",    "EBCDIC", "unicode" };

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (text_istarts(encoding, prefixes[i]))
            return true;
    return false;
}

/* Known: what ASCII has is the same in it.  Right: the file's bytes are text of it. */
static void check_encoding(const struct vmx *vmx, struct vmx_facts *facts)
{
    static const char ascii[] = "ABCabc019.=\"#:|\r\n";
    CLEANUP(free_cleanup) char *same = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    struct err ignored = ERR_INIT;

    if (text_ieq(vmx->encoding, "UTF-8")) {
        facts->is_encoding_known = true;
        facts->is_encoding_right = text_is_utf8(vmx->bytes, vmx->len);
        return;
    }
    if (is_stateful(vmx->encoding))
        return;
    same = os_text_from(vmx->encoding, ascii, sizeof(ascii) - 1, &ignored);
    facts->is_encoding_known = same && strcmp(same, ascii) == 0;
    ignored = ERR_INIT;
    if (facts->is_encoding_known)
        text = os_text_from(vmx->encoding, vmx->bytes, vmx->len, &ignored);
    facts->is_encoding_right = text != NULL;
}

/* ---- the files beside it ---- */

static bool on_entry(const struct os_entry *entry, void *user, struct err *err)
{
    struct vmx_facts *facts = user;

    if (!facts->lock && text_iends(entry->name, ".lck")) {
        facts->lock = text_dup(entry->name);
        return facts->lock || err_no_memory(err);
    }
    if (!facts->suspended && text_iends(entry->name, ".vmss")) {
        facts->suspended = text_dup(entry->name);
        return facts->suspended || err_no_memory(err);
    }
    return true;
}

/* The folder of @path, whose separators are those of either system. */
static char *folder_of(const char *path)
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] != '/' && path[len - 1] != '\\')
        len--;
    return len > 0 ? text_ndup(path, len) : text_dup(".");
}

static bool look_beside(const char *path, struct vmx_facts *facts, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = folder_of(path);

    if (!folder)
        return err_no_memory(err);
    facts->running = vmx_find_running(path);
    return os_list_dir(folder, on_entry, facts, err);
}

bool vmx_lock_may_be_stale(const struct vmx_facts *facts)
{
    return facts->lock && facts->running.is_known && !facts->running.has_vmware;
}

bool vmx_check_free(const char *path, struct err *err)
{
    struct vmx_facts facts = { 0 };
    bool ok = look_beside(path, &facts, err);

    if (ok && facts.running.process) {
        ok = err_fail(err, ERR_CONFLICT, 0, "the VM runs: process %llu, vmware-vmx, has it",
                      (unsigned long long)facts.running.process);
        err_hint(err, "shut the guest down and close the VM's tab in VMware");
    } else if (ok && vmx_lock_may_be_stale(&facts)) {
        ok = err_fail(err, ERR_CONFLICT, 0,
                      "the VM is locked: '%.80s' is there, and no VMware of this computer "
                      "runs",
                      facts.lock);
        err_hint(err,
                 "a crash left it, or another computer has the VM open: if none has, open "
                 "the VM in VMware, which removes it, or delete it");
    } else if (ok && facts.lock) {
        ok = err_fail(err, ERR_CONFLICT, 0, "the VM is open in VMware: '%.80s' is there",
                      facts.lock);
        err_hint(err, "shut the guest down and close the VM's tab in VMware");
    } else if (ok && facts.suspended) {
        ok = err_fail(err, ERR_CONFLICT, 0, "the VM is suspended: '%.80s' is there",
                      facts.suspended);
        err_hint(err, "resume it in VMware and shut the guest down");
    }
    vmx_facts_clear(&facts);
    return ok;
}

/* ---- all together ---- */

bool vmx_look(const struct vmx *vmx, const char *path, struct vmx_facts *ret,
              struct err *err)
{
    static const char *const keys[] = { VMX_ENABLE_3D, VMX_ALLOW_BLOCKLISTED,
                                        VMX_GRAPHICS_MEMORY };
    struct vmx_facts facts = { 0 };
    uint64_t kilobytes;

    if (path && !look_beside(path, &facts, err)) {
        vmx_facts_clear(&facts);
        return false;
    }
    facts.name = vmx_get(vmx, "displayName");
    facts.guest_os = vmx_get(vmx, "guestOS");
    facts.hardware_known = vmx_get_u64(vmx, "virtualHW.version", &facts.hardware_version);
    facts.memory_known = vmx_get_u64(vmx, VMX_GRAPHICS_MEMORY, &kilobytes) &&
                         kilobytes > 0 && kilobytes <= UINT64_MAX >> 11;
    facts.graphics_memory_bytes = facts.memory_known ? kilobytes << 10 : 0;
    facts.vram_known = vmx_get_u64(vmx, "svga.vramSize", &facts.vram_bytes) &&
                       facts.vram_bytes <= INT64_MAX;
    facts.enable_3d = switch_of(vmx, VMX_ENABLE_3D);
    facts.allow_blocklisted = switch_of(vmx, VMX_ALLOW_BLOCKLISTED);
    facts.cached_supports_3d = switch_of(vmx, VMX_CACHED_PREFIX ".supports3D");
    facts.cached_count = vmx_count(vmx, VMX_CACHED_PREFIX);
    facts.is_machine = vmx_has(vmx, "config.version") || vmx_has(vmx, "virtualHW.version");
    facts.is_encrypted =
        vmx_has(vmx, "encryption.keySafe") || vmx_has(vmx, "encryption.data");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        facts.duplicates |= has_duplicates(vmx, keys[i]);
    check_encoding(vmx, &facts);
    *ret = facts;
    return true;
}

void vmx_facts_clear(struct vmx_facts *facts)
{
    free(facts->name);
    free(facts->guest_os);
    free(facts->lock);
    free(facts->suspended);
    *facts = (struct vmx_facts){ 0 };
}

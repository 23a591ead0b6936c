/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's .vmx files: what one says about 3D, and changing that without touching anything
 * else.
 *
 * A .vmx is lines of `key = "value"`; keys ignore case, `#` begins a comment, `|22` in a value
 * is the character 0x22.  The file says its own encoding (`.encoding = "GBK"`).  An editor
 * replaces the values of matching keys, removes matching lines, puts new keys at the end, and
 * leaves every other byte alone: order, comments, line ends, the missing last newline.
 *
 * Sources: libvirt/libvirt src/vmx/vmx.c, src/util/virconf.c;
 * hashicorp/packer-plugin-vmware builder/vmware/common/vmx.go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "finding.h"
#include "strbuf.h"

#define VMX_ENABLE_3D "mks.enable3d"
#define VMX_ALLOW_BLOCKLISTED "mks.gl.allowBlacklistedDrivers"
#define VMX_GRAPHICS_MEMORY "svga.graphicsMemoryKB"
/* What VMware noted of the host's abilities at an earlier start; it writes them anew.  Kept
 * from a start without 3D they keep 3D off. */
#define VMX_CACHED_PREFIX "vmotion.svga"

enum { VMX_BYTES_MAX = 4 << 20 };

/* ---- the text (vmx-text.c) ---- */

struct vmx_entry {
    char *key;                  /* as written */
    size_t line_at, line_len;   /* the whole line, with its end */
    size_t value_at, value_len; /* without quotes */
    bool is_quoted;
};

struct vmx {
    char *bytes; /* as they are in the file */
    size_t len;
    struct vmx_entry *entries;
    size_t count;
    char *encoding;        /* "UTF-8" when the file does not say */
    size_t bad_line_count; /* neither entry, comment nor blank; kept as they are */
    size_t first_bad_line; /* 1-based */
    bool has_crlf;         /* how most lines end */
};

/* ERR_PROTOCOL: too many lines, or zero bytes (UTF-16 and no text at all). */
struct vmx *vmx_parse(const char *bytes, size_t len, struct err *err);
/* A regular file only, of at most VMX_BYTES_MAX. */
struct vmx *vmx_read(const char *path, struct err *err);
void vmx_free(struct vmx *vmx); /* NULL is fine */
DEFINE_CLEANUP(vmx_cleanup, struct vmx *, vmx_free)

/* The value of the last copy of @key, as UTF-8, escapes resolved.  Owned.  NULL: no such key,
 * or no text in the file's encoding. */
char *vmx_get(const struct vmx *vmx, const char *key);
/* The same, or all copies behind each other, "FALSE, TRUE", where they differ. */
char *vmx_shown(const struct vmx *vmx, const char *key);
/* As a number; false: missing or none. */
bool vmx_get_u64(const struct vmx *vmx, const char *key, uint64_t *ret);
bool vmx_has(const struct vmx *vmx, const char *key);
/* Keys that begin so, case aside. */
size_t vmx_count(const struct vmx *vmx, const char *prefix);

struct vmx_change {
    const char *key;
    const char *value; /* letters, digits, '.', '_', '-' only; NULL: the key goes */
};
/* The bytes of the file with @changes made, and without the keys that begin with
 * @without_prefix (NULL: none).  A value that is so already, case aside, is left as it is, so
 * doing it twice changes nothing. */
bool vmx_edit(const struct vmx *vmx, const struct vmx_change *changes, size_t count,
              const char *without_prefix, struct strbuf *ret, struct err *err) MUST_CHECK;

/* ---- who has it open (vmx-running.c) ---- */

struct vmx_running {
    bool is_known;    /* the processes of this machine could be listed */
    bool has_vmware;  /* one of them is VMware's */
    uint64_t process; /* that runs the VM; 0: none of those that can be seen */
};
struct vmx_running vmx_find_running(const char *path);

/* ---- what it means (vmx-facts.c) ---- */

/* What a guest gets to draw with, by the virtual hardware's version. */
struct vmx_level {
    const char *direct3d, *opengl; /* "11", "4.1"; NULL: not known */
    bool is_documented;            /* false: as users report it */
};
struct vmx_level vmx_level_of(bool known, uint64_t hardware_version);

enum vmx_switch { VMX_UNSET, VMX_OFF, VMX_ON, VMX_ODD };

struct vmx_facts {
    char *name, *guest_os; /* NULL: not said */
    bool hardware_known, memory_known, vram_known;
    uint64_t hardware_version, graphics_memory_bytes, vram_bytes;
    enum vmx_switch enable_3d, allow_blocklisted, cached_supports_3d;
    size_t cached_count;
    bool is_machine;   /* has what every .vmx has */
    bool is_encrypted; /* it cannot be edited as text */
    char *lock;        /* "dev.vmx.lck": somebody has the VM open; NULL: nobody */
    struct vmx_running running;
    char *suspended; /* "dev.vmss"; NULL: not suspended */
    bool duplicates; /* a 3D key more than once, with different values */
    bool is_encoding_known, is_encoding_right;
};

/* A lock, and no VMware on this machine that could have it: left by a crash, or of another
 * computer. */
bool vmx_lock_may_be_stale(const struct vmx_facts *facts);
/* @path NULL: only what the text says. */
bool vmx_look(const struct vmx *vmx, const char *path, struct vmx_facts *ret,
              struct err *err) MUST_CHECK;
void vmx_facts_clear(struct vmx_facts *facts);
/* ERR_CONFLICT while somebody has the VM of @path open or it is suspended: VMware would
 * write the file over what we do. */
bool vmx_check_free(const char *path, struct err *err) MUST_CHECK;

/* ---- what is wrong (vmx-rules.c) ---- */

/* With severity "error": the file must not be changed as it is. */
bool vmx_judge(const struct vmx *vmx, const struct vmx_facts *facts, const char *subject,
               struct findings *to, struct err *err) MUST_CHECK;
/* What 3D there can do and cannot, and what is left to do in the guest: severity "info". */
bool vmx_advise(const struct vmx_facts *facts, const char *subject, struct findings *to,
                struct err *err) MUST_CHECK;

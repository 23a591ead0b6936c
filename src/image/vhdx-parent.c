/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a differencing VHDX says of its parent. */

#include "vhdx-parent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "guid-text.h"
#include "image-file.h"
#include "little-endian.h"
#include "text.h"
#include "vhdx-layout.h"

enum { LOCATOR_MAX = 256 << 10 };

static const char *const keys[] = { "relative_path", "absolute_win32_path", "volume_path" };

static bool fail_silent(const struct image_file *child, struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is",
                    child->path);
}

/* Takes the text at [@at, @at + @len) when @key is one of those that count. */
static bool take_value(struct vhdx_locator *locator, const char *key, const uint8_t *at,
                       size_t len)
{
    char **to = text_ieq(key, "parent_linkage") ? &locator->linkage : NULL;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (text_ieq(key, keys[i]))
            to = &locator->names.names[i];
    if (!to || *to)
        return true;
    errno = 0;
    *to = text_from_utf16le(at, len, NULL);
    if (!*to)
        return errno != ENOMEM;
    if (strlen(*to) > PARENT_NAME_MAX_BYTES) {
        free(*to);
        *to = NULL;
    }
    return true;
}

static bool decode(const uint8_t *bytes, uint32_t len, struct vhdx_locator *ret)
{
    uint16_t count = load_u16(bytes + 18);

    for (uint32_t i = 0; i < count && 20 + (i + 1) * 12 <= len; i++) {
        const uint8_t *entry = bytes + 20 + i * 12;
        uint32_t key_at = load_u32(entry), value_at = load_u32(entry + 4);
        uint16_t key_len = load_u16(entry + 8), value_len = load_u16(entry + 10);
        CLEANUP(free_cleanup) char *key = NULL;

        if (key_at > len || key_len > len - key_at || value_at > len ||
            value_len > len - value_at)
            continue;
        key = text_from_utf16le(bytes + key_at, key_len, NULL);
        if (key && !take_value(ret, key, bytes + value_at, value_len))
            return false;
    }
    return true;
}

bool vhdx_locator_read(const struct image_file *child, uint64_t at, uint32_t len,
                       struct vhdx_locator *ret, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct vhdx_locator locator = { 0 };

    if (len < 20 || len > LOCATOR_MAX)
        return fail_silent(child, err);
    bytes = malloc(len);
    if (!bytes)
        return err_no_memory(err);
    if (!image_file_read(child, at, bytes, len, err))
        return false;
    if (memcmp(bytes, vhdx_guid_locator_vhdx, 16) != 0)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' has a parent that is no VHDX",
                        child->path);
    if (!decode(bytes, len, &locator)) {
        vhdx_locator_clear(&locator);
        return err_no_memory(err);
    }
    if (!locator.linkage || parent_names_are_empty(&locator.names)) {
        vhdx_locator_clear(&locator);
        return fail_silent(child, err);
    }
    *ret = locator;
    return true;
}

void vhdx_locator_clear(struct vhdx_locator *locator)
{
    parent_names_clear(&locator->names);
    free(locator->linkage);
    *locator = (struct vhdx_locator){ 0 };
}

bool vhdx_locator_fits(const struct vhdx_locator *locator,
                       const uint8_t data_write_guid[16])
{
    char guid[37], braced[40];

    guid_to_text(data_write_guid, guid);
    snprintf(braced, sizeof(braced), "{%s}", guid);
    return text_ieq(locator->linkage, braced);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Version resources of PE files: what is told is a text that ends. */

#include "file-version.h"
#include "fuzz.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct file_version version = { 0 };

    if (file_version_read(bytes, size, &version)) {
        size_t len = strnlen(version.company, sizeof(version.company));

        MUST(len < sizeof(version.company));
        MUST(version.has_version || version.version == 0);
    }
    return 0;
}

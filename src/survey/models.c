/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up rows of models.h. */

#include "models.h"

#include <string.h>

#include "text.h"

static int by_id(const void *key, const void *row)
{
    return strcmp((const char *)key, ((const struct gpu_model *)row)->pci_id);
}

const struct gpu_model *gpu_model_find(const char *pci_id)
{
    return pci_id && *pci_id
               ? bsearch(pci_id, gpu_models, gpu_model_count, sizeof(*gpu_models), by_id)
               : NULL;
}

const struct windows_release *windows_release_of(uint64_t build)
{
    const struct windows_release *found = NULL;

    for (size_t i = 0; i < windows_release_count; i++)
        if (windows_releases[i].build <= build)
            found = &windows_releases[i];
    return found;
}

/* Numbers below 20 are of Windows 8.1 and older, counted in another way. */
unsigned driver_wddm(const char *version)
{
    size_t len = version ? strcspn(version, ".") : 0;
    CLEANUP(free_cleanup) char *first = len == 2 ? text_ndup(version, len) : NULL;
    uint64_t number;

    return first && text_to_u64(first, 10, &number) && number >= 20 ? (unsigned)number : 0;
}

unsigned release_wddm(const struct windows_release *release)
{
    const char *wddm = release ? release->wddm : NULL;

    if (!wddm || strlen(wddm) != 3 || wddm[1] != '.')
        return 0;
    return (unsigned)(wddm[0] - '0') * 10 + (unsigned)(wddm[2] - '0');
}

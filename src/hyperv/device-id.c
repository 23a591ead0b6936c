/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names a PCI device has on Windows, and what one tells of another.
 *
 * An interface path is the instance id with '\' written as '#', between a prefix and the
 * interface's GUID: `\\?\PCI#VEN_10DE&DEV_2860&...#4&296b7397&0&0008#{064092b3-...}`.
 *
 * Source: MicrosoftDocs/windows-driver-docs install/device-instance-ids;
 * measured names: Justsenger/HyperV-WMI-Documentation recipe gpu_partition.
 */
#include "inventory.h"

#include <string.h>

#include "text.h"

char *gpu_instance_from_interface(const char *path)
{
    const char *start, *end;
    char *id;

    if (!path)
        return NULL;
    start = path;
    if (strncmp(start, "\\\\?\\", 4) == 0 || strncmp(start, "\\??\\", 4) == 0 ||
        strncmp(start, "\\\\.\\", 4) == 0)
        start += 4;
    /* Some readers eat the prefix or a part of it. */
    while (*start == '\\' || *start == '?')
        start++;
    end = strstr(start, "#{");
    if (!end || end == start || !text_istarts(start, "PCI"))
        return NULL;
    id = text_ndup(start, (size_t)(end - start));
    for (char *at = id; at && *at; at++)
        if (*at == '#')
            *at = '\\';
    return id;
}

bool gpu_interface_is_paravirtual(const char *path)
{
    return path && text_iends(path, "\\GPUPARAV");
}

/* Exactly four hex digits behind @prefix. */
static bool hex_after(const char *id, const char *prefix, char ret[5])
{
    const char *at = text_istr(id, prefix);

    if (!at)
        return false;
    at += strlen(prefix);
    for (int i = 0; i < 4; i++) {
        char c = at[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
        ret[i] = c;
    }
    ret[4] = '\0';
    text_lower(ret);
    return true;
}

char *gpu_pci_id(const char *id)
{
    char vendor[5], device[5];

    if (!id || !hex_after(id, "VEN_", vendor) || !hex_after(id, "DEV_", device))
        return NULL;
    return text_printf("%s:%s", vendor, device);
}

char *hv_device_lock_name(const struct hv_host *host, const char *location_path,
                          const char *instance_id)
{
    size_t len = location_path ? strlen(location_path) : 0;
    const char *computer = host->computer_name ? host->computer_name : "?";
    const char *slash = strchr(instance_id, '\\');
    char *name = len > 3
                     ? text_printf("device-%s-%.*s", computer, (int)len - 3, location_path)
                     : text_printf("device-%s-%s", computer, slash ? slash : instance_id);

    if (name)
        text_lower(name);
    return name;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Driver updates of simulated hosts.  What a host has comes from the lab's text, which does
 * not change; an update is noted beside the host's state ("INSTANCE-ID VERSION" per line)
 * and applied when the lab is opened.  The drive C: is then made again: an update leaves the
 * package before it in the store, as a vendor's installer does.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "lab.h"
#include "os.h"
#include "text.h"

enum { UPDATES_MAX = 1 << 16 };

static char *updates_path(const struct sim_host *host)
{
    return text_printf("%s/driver-updates", host->dir);
}

static bool read_updates(const struct sim_host *host, char **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *path = updates_path(host);

    *ret = NULL;
    if (!path)
        return err_no_memory(err);
    if (!os_file_exists(path))
        return true;
    *ret = os_read_file(path, UPDATES_MAX, NULL, err);
    return *ret != NULL;
}

/* The versions stay in the line, which the host keeps. */
static void apply_line(struct sim_machine *machine, char *line)
{
    char *blank = strchr(line, ' ');

    if (!blank)
        return;
    *blank = '\0';
    for (size_t i = 0; i < machine->device_count; i++)
        if (text_ieq(machine->devices[i].instance_id, line))
            machine->devices[i].driver_version = blank + 1;
}

bool lab_apply_updates(struct sim_host *host, struct sim_machine *machine, struct err *err)
{
    char *next;

    if (!read_updates(host, &host->updates, err))
        return false;
    for (char *line = host->updates; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        apply_line(machine, line);
    }
    return true;
}

/* What Windows tells of the driver of one device; it tells it in two classes. */
static bool update_rows(struct sim_host *host, const struct sim_device *device,
                        const char *class_name, const char *id, struct err *err)
{
    struct sim_object *row = NULL;

    while ((row = sim_store_next(host->store, row, "root/cimv2", class_name))) {
        struct cim_instance *instance = sim_object_instance(row);

        if (text_ieq(cim_get_text(instance, id), device->instance_id) &&
            !cim_set_text(instance, "DriverVersion", device->driver_version, err))
            return false;
    }
    return true;
}

bool lab_update_objects(struct sim_host *host, struct err *err)
{
    for (size_t i = 0; host->updates && i < host->machine->device_count; i++) {
        const struct sim_device *device = &host->machine->devices[i];

        if (device->driver == SIM_DRIVER_NONE || !device->driver_version)
            continue;
        if (!update_rows(host, device, "Win32_VideoController", "PNPDeviceID", err) ||
            !update_rows(host, device, "Win32_PnPSignedDriver", "DeviceID", err))
            return false;
    }
    return true;
}

static bool means(const struct sim_device *device, const char *gpu)
{
    return device->driver != SIM_DRIVER_NONE && device->instance_id &&
           (text_istr(device->instance_id, gpu) ||
            (device->name && text_istr(device->name, gpu)));
}

/* What was made from the old description is made again when it is next looked at. */
static bool forget(const struct sim_host *host, const char *name, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", host->dir, name);

    if (!path)
        return err_no_memory(err);
    return !os_file_exists(path) || os_remove_file(path, err);
}

static bool note(const struct sim_host *host, const struct sim_device *device,
                 const char *version, struct err *err)
{
    CLEANUP(free_cleanup) char *path = updates_path(host);
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *after = NULL;

    if (!read_updates(host, &before, err))
        return false;
    after = text_printf("%s%s %s\n", before ? before : "", device->instance_id, version);
    if (!path || !after)
        return err_no_memory(err);
    return os_make_dirs(host->dir, err) && os_write_file(path, after, strlen(after), err) &&
           forget(host, "files-made", err) && forget(host, "registry-made", err);
}

static bool is_version(const char *text)
{
    unsigned part[4];
    char rest;

    return sscanf(text, "%5u.%5u.%5u.%5u%c", &part[0], &part[1], &part[2], &part[3],
                  &rest) == 4 &&
           strspn(text, "0123456789.") == strlen(text);
}

bool lab_update_driver(struct sim_lab *lab, const char *gpu, const char *version,
                       struct err *err)
{
    const struct sim_device *found = NULL;
    const struct sim_host *where = NULL;
    unsigned count = 0;

    if (!is_version(version))
        return err_fail(err, ERR_INVALID, 0, "'%s' is no driver version (32.0.15.6603)",
                        version);
    for (size_t h = 0; h < lab->host_count; h++) {
        const struct sim_machine *machine = lab->hosts[h]->machine;

        for (size_t i = 0; i < machine->device_count; i++) {
            if (!means(&machine->devices[i], gpu))
                continue;
            found = &machine->devices[i];
            where = lab->hosts[h];
            count++;
        }
    }
    if (count != 1)
        return err_fail(err, count ? ERR_INVALID : ERR_NOT_FOUND, 0,
                        "'%s' means %u GPUs with a driver", gpu, count);
    return note(where, found, version, err);
}

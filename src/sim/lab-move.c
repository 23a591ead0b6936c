/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that were moved to another slot.  The lab's text does not change; a move is noted
 * beside the host's state ("OLD-ID NEW-ID NEW-PLACE OLD-PLACE" per line) and applied whenever the lab
 * is opened.
 *
 * A moved device has another location path and another end of its instance id (Windows
 * makes it from the place); Windows remembers the old one as a phantom, and a VM that had
 * the device keeps an entry that leads nowhere (windowsserverdocs issue 3083; ExHyperV
 * issues 67, 98, 180).
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "hv.h"
#include "lab.h"
#include "os.h"
#include "text.h"

enum { MOVES_MAX = 1 << 16 };

static char *moves_path(const struct sim_host *host)
{
    return text_printf("%s/moved-devices", host->dir);
}

static bool read_moves(const struct sim_host *host, char **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *path = moves_path(host);

    *ret = NULL;
    if (!path)
        return err_no_memory(err);
    if (!os_file_exists(path))
        return true;
    *ret = os_read_file(path, MOVES_MAX, NULL, err);
    return *ret != NULL;
}

static bool put_device(struct lab_host *facts, size_t n, char *id, char *place,
                       struct err *err)
{
    struct sim_device *device = &facts->machine.devices[n];

    device->instance_id = id;
    device->location_path = place;
    device->acpi_path = NULL;
    device->is_dismounted = false;
    return n >= facts->gpu_count || lab_name_interface(&facts->gpus[n], id, err);
}

bool lab_apply_moves(struct sim_host *host, struct lab_host *facts, struct err *err)
{
    char *next;

    if (!read_moves(host, &host->moves, err))
        return false;
    for (char *line = host->moves; line && *line; line = next) {
        char *id = strchr(line, ' '), *place = id ? strchr(id + 1, ' ') : NULL;

        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        if (!place)
            continue;
        *id++ = *place++ = '\0';
        place[strcspn(place, " ")] = '\0';
        if (!lab_is_instance_id(id) || !lab_is_location_path(place))
            return err_fail(err, ERR_PROTOCOL, 0, "the list of moved devices is damaged");
        for (size_t i = 0; i < facts->machine.device_count; i++)
            if (text_ieq(facts->machine.devices[i].instance_id, line) &&
                !put_device(facts, i, id, place, err))
                return false;
    }
    return true;
}

static bool means(const struct sim_device *device, const char *text)
{
    return text_istr(device->instance_id, text) || text_ieq(device->location_path, text) ||
           (device->name && text_istr(device->name, text));
}

/* The device is pulled out: its nodes become phantoms, nothing lists it any more. */
static bool pull_out(struct sim_host *host, const struct sim_device *device,
                     struct err *err)
{
    struct sim_object *node = sim_pnp_dismounted(host, device);

    return sim_device_stop(host, device, SIM_PROBLEM_PHANTOM, err) &&
           (!sim_pnp_is_present(node) || sim_device_mount(host, device, err)) &&
           sim_device_stop(host, device, SIM_PROBLEM_PHANTOM, err) &&
           hv_device_changed(host, device, false, err) && hv_follow_devices(host, err);
}

/* Where and as what it was before: a card that comes back gets its old name. */
static char *old_id(const struct sim_host *host, const struct sim_device *device,
                    const char *place, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;
    size_t make = (size_t)(strrchr(device->instance_id, '\\') - device->instance_id) + 1;
    char *next;

    if (!read_moves(host, &text, err))
        return NULL;
    for (char *line = text; line && *line; line = next) {
        char *blank = strchr(line, ' '), *before;

        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        before = strrchr(line, ' ');
        if (!blank || !text_ieq(before + 1, place))
            continue;
        *blank = '\0';
        if (strlen(line) > make && text_istarts(device->instance_id, "PCI\\") &&
            strncmp(line, device->instance_id, make) == 0)
            return text_dup(line);
    }
    return NULL;
}

/* "PCI\\VEN_...\\" and an end that depends on the place. */
static char *new_id(const struct sim_host *host, const struct sim_device *device,
                    const char *place, struct err *err)
{
    char *id = old_id(host, device, place, err);
    char guid[37];

    if (id || err->kind != ERR_NONE)
        return id;
    lab_guid(guid, place);
    return text_printf("%.*s\\4&%.8s&0&%.4s",
                       (int)(strrchr(device->instance_id, '\\') - device->instance_id),
                       device->instance_id, guid, guid + 9);
}

static bool note(struct sim_host *host, const struct sim_device *device, const char *id,
                 const char *place, struct err *err)
{
    CLEANUP(free_cleanup) char *path = moves_path(host);
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *after = NULL;
    CLEANUP(free_cleanup) char *made = text_printf("%s/registry-made", host->dir);

    if (!read_moves(host, &before, err))
        return false;
    after = text_printf("%s%s %s %s %s\n", before ? before : "", device->instance_id, id,
                        place, device->location_path);
    if (!path || !after || !made)
        return err_no_memory(err);
    /* The registry is made again: it has the new place's key below Enum\PCI. */
    return os_make_dirs(host->dir, err) && os_write_file(path, after, strlen(after), err) &&
           (!os_file_exists(made) || os_remove_file(made, err));
}

struct move {
    size_t device;
    char *id, *place;
};

static bool while_off(struct sim_host *host, void *user, struct err *err)
{
    struct move *move = user;
    struct lab_host *facts = (struct lab_host *)host->lab; /* the lab's owner calls */
    struct sim_device *device = &facts->machine.devices[move->device];

    return pull_out(host, device, err) && note(host, device, move->id, move->place, err) &&
           put_device(facts, move->device, move->id, move->place, err) &&
           sim_device_start(host, device, err) &&
           hv_device_changed(host, device, true, err);
}

static bool move(struct sim_host *host, size_t n, const char *place, struct err *err)
{
    struct move move = { .device = n,
                         .id = new_id(host, &host->machine->devices[n], place, err),
                         .place = text_dup(place) };

    free(host->moved_id);
    free(host->moved_place);
    host->moved_id = move.id;
    host->moved_place = move.place;
    if (!move.id || !move.place)
        return err->kind != ERR_NONE ? false : err_no_memory(err);
    return hv_reboot(host, while_off, &move, err);
}

bool lab_move_device(struct sim_lab *lab, const char *device, const char *place,
                     struct err *err)
{
    struct sim_host *where = NULL;
    size_t found = 0;
    unsigned count = 0;

    if (!lab_is_location_path(place))
        return err_fail(err, ERR_INVALID, 0,
                        "'%s' is no location path (PCIROOT(0)#PCI(0100)#PCI(0000))", place);
    for (size_t h = 0; h < lab->host_count; h++) {
        const struct sim_machine *machine = lab->hosts[h]->machine;

        for (size_t i = 0; i < machine->device_count; i++)
            if (means(&machine->devices[i], device)) {
                where = lab->hosts[h];
                found = i;
                count++;
            }
    }
    if (count != 1)
        return err_fail(err, count ? ERR_INVALID : ERR_NOT_FOUND, 0,
                        "'%s' means %u devices", device, count);
    for (size_t i = 0; i < where->machine->device_count; i++)
        if (text_ieq(where->machine->devices[i].location_path, place))
            return err_fail(err, ERR_CONFLICT, 0, "there is a device at '%s'", place);
    return sim_host_open(lab, where, err) && move(where, found, place, err);
}

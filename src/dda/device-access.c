/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One device of a host: its node, Hyper-V's list of what was taken, the entries of VMs. */

#include "device-access.h"

#include <string.h>

#include "assignable.h"
#include "err.h"
#include "job.h"
#include "os.h"
#include "plan.h"
#include "progress.h"
#include "schema.h"
#include "text.h"
#include "vm-access.h"

enum {
    FOLLOW_MS = 60 * 1000, /* until a host shows what it has done */
    POLL_MS = 100,
    /* MicrosoftDocs/windows-driver-docs install/cm-prob-need-restart, cm-prob-disabled */
    PROBLEM_NEED_RESTART = 14,
    PROBLEM_DISABLED = 22
};

/* ---- the node on the host ---- */

static struct cim_path *node_path(const char *instance_id)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/cimv2", "Win32_PnPEntity");
    struct err ignored = ERR_INIT;

    return path && cim_path_set(path, "DeviceID", instance_id, &ignored) ? TAKE(path)
                                                                         : NULL;
}

/* *ret_row NULL: no such node, or only a phantom of it. */
static bool fetch_node(struct cim_session *session, const char *instance_id,
                       struct cim_instance **ret_row, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = node_path(instance_id);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    struct err why = ERR_INIT;
    bool present = true;

    *ret_row = NULL;
    if (!path)
        return err_no_memory(err);
    if (!cim_fetch(session, path, &row, &why)) {
        if (why.kind == ERR_NOT_FOUND)
            return true;
        *err = why;
        return false;
    }
    cim_get_bool(row, "Present", &present);
    if (present)
        *ret_row = TAKE(row);
    return true;
}

bool dda_read_node(struct cim_session *session, const struct dda_target *target,
                   enum dda_node *ret, struct known_u64 *ret_problem, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    struct known_u64 problem = { 0 };

    if (!fetch_node(session, target->instance_id, &row, err))
        return false;
    if (row)
        problem.known = cim_get_u64(row, "ConfigManagerErrorCode", &problem.value);
    *ret = !row                                    ? NODE_AWAY
           : !problem.known                        ? NODE_ENABLED
           : problem.value == PROBLEM_DISABLED     ? NODE_DISABLED
           : problem.value == PROBLEM_NEED_RESTART ? NODE_RESTART
                                                   : NODE_ENABLED;
    if (ret_problem)
        *ret_problem = problem;
    return true;
}

/* Calls @is_so until it says yes. */
static bool wait_until(struct plan_context *context, const char *what,
                       bool (*is_so)(struct cim_session *session,
                                     const struct dda_target *target, bool *ret,
                                     struct err *err),
                       const struct dda_target *target, struct err *err)
{
    uint64_t until = os_monotonic_ms() + FOLLOW_MS;
    bool so = false;

    for (;;) {
        if (!is_so(context->session, target, &so, err))
            return false;
        if (so)
            return true;
        if (os_monotonic_ms() >= until) {
            err_fail(err, ERR_UNREACHABLE, 0,
                     "%s: the host said yes, and does not show it after %d seconds", what,
                     FOLLOW_MS / 1000);
            return err_hint(err, "'hvgpu dda list' shows where the device is");
        }
        if (os_was_interrupted())
            return err_fail(err, ERR_CANCELLED, 0, "stopped by the user while %s", what);
        if (!progress_report(context->progress, what, PROGRESS_ITEMS, 0, 0, err))
            return false;
        os_sleep_ms(POLL_MS);
    }
}

static bool is_enabled(struct cim_session *session, const struct dda_target *target,
                       bool *ret, struct err *err)
{
    enum dda_node node;

    if (!dda_read_node(session, target, &node, NULL, err))
        return false;
    *ret = node == NODE_ENABLED;
    return true;
}

static bool is_disabled(struct cim_session *session, const struct dda_target *target,
                        bool *ret, struct err *err)
{
    enum dda_node node;

    if (!dda_read_node(session, target, &node, NULL, err))
        return false;
    *ret = node == NODE_DISABLED;
    return true;
}

/* Return values are not documented; 0 is success, as everywhere in this provider. */
static bool call_node(struct plan_context *context, const struct dda_target *target,
                      bool enable, bool *ret_restart, struct err *err)
{
    const char *method = enable ? "Enable" : "Disable";
    CLEANUP(cim_path_cleanup) struct cim_path *path = node_path(target->instance_id);
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = cim_instance_new(NULL, method);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    uint64_t code = 0;

    if (!path || !in)
        return err_no_memory(err);
    if (!cim_invoke(context->session, path, method, in, &out, err))
        return false;
    if (!cim_get_u64(out, "ReturnValue", &code) || code != 0) {
        err_fail(err, ERR_REFUSED, (int64_t)code, "the host refused with code %llu",
                 (unsigned long long)code);
        return err_hint(err, "look at the device in the host's Device Manager");
    }
    *ret_restart = false;
    cim_get_bool(out, "rebootNeeded", ret_restart);
    return true;
}

bool dda_switch_node(struct plan_context *context, const struct dda_target *target,
                     bool enable, struct err *err)
{
    CLEANUP(free_cleanup)
    char *what = text_printf("%s '%s'", enable ? "enabling" : "disabling", target->name);
    enum dda_node node;
    bool restart = false;

    if (!what)
        return err_no_memory(err);
    if (!dda_read_node(context->session, target, &node, NULL, err))
        return false;
    if (node == (enable ? NODE_ENABLED : NODE_DISABLED))
        return true;
    if (node == NODE_AWAY)
        return err_fail(err, ERR_CONFLICT, 0, "%s: the host does not have it now", what);
    if ((enable || node != NODE_RESTART) &&
        !call_node(context, target, enable, &restart, err))
        return err_wrap(err, "%s", what);
    if (restart || (!enable && node == NODE_RESTART)) {
        err_fail(err, ERR_CONFLICT, 0,
                 "%s takes effect only when the host has been restarted", what);
        return err_hint(err, enable ? "restart the host; the device is on it"
                                    : "something on the host uses the device: close it, or "
                                      "restart the host and try again");
    }
    return wait_until(context, what, enable ? is_enabled : is_disabled, target, err);
}

/* ---- taken from the host, or not ---- */

struct listed {
    const struct dda_target *target;
    const char *system;         /* NULL: of the host; else of this VM */
    struct cim_instance *found; /* owned */
    bool other;                 /* another device has its place */
};

static bool on_listed(const struct cim_instance *row, void *user, struct err *err)
{
    struct listed *listed = user;
    const char *id = cim_get_text(row, "DeviceInstancePath");
    const char *system = cim_get_text(row, "SystemName");
    bool of_vm = system && text_is_guid(system);

    if (listed->found ||
        !text_ieq(cim_get_text(row, "LocationPath"), listed->target->location_path))
        return true;
    if (listed->system ? !text_ieq(system, listed->system) : of_vm)
        return true;
    if (id && !dda_same_make(id, listed->target->instance_id)) {
        listed->other = true; /* somebody changed the cards */
        return true;
    }
    listed->found = cim_instance_copy(row);
    return listed->found || err_no_memory(err);
}

static bool find_listed(struct cim_session *session, const struct dda_target *target,
                        const char *system, struct cim_instance **ret, struct err *err)
{
    struct listed listed = { .target = target, .system = system };

    if (!cim_query(session, HV_NS, "SELECT * FROM Msvm_PciExpress", on_listed, &listed,
                   err)) {
        cim_instance_free(listed.found);
        return false;
    }
    *ret = listed.found;
    if (listed.found || !listed.other)
        return true;
    err_fail(err, ERR_CONFLICT, 0, "another device is at %s now", target->location_path);
    return err_hint(err, "'hvgpu dda list' shows what is there");
}

static bool is_listed(struct cim_session *session, const struct dda_target *target,
                      bool *ret, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

    if (!find_listed(session, target, NULL, &row, err))
        return false;
    *ret = row != NULL;
    return true;
}

static bool is_on_host(struct cim_session *session, const struct dda_target *target,
                       bool *ret, struct err *err)
{
    enum dda_node node;

    if (!dda_read_node(session, target, &node, NULL, err))
        return false;
    *ret = node != NODE_AWAY;
    return true;
}

/* Hyper-V lists a device some time after it was dismounted; its node changes at once. */
bool dda_read_place(struct cim_session *session, const struct dda_target *target,
                    enum gpu_place *ret, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    CLEANUP(free_cleanup) char *id = dda_dismounted_id(target->instance_id);
    enum dda_node node;
    bool listed;

    if (!id)
        return err_no_memory(err);
    if (!dda_read_node(session, target, &node, NULL, err))
        return false;
    if (node != NODE_AWAY) {
        *ret = GPU_ON_HOST;
        return true;
    }
    if (!fetch_node(session, id, &row, err))
        return false;
    if (!row && !is_listed(session, target, &listed, err))
        return false;
    *ret = row || listed ? GPU_DISMOUNTED : GPU_PLACE_UNKNOWN;
    return true;
}

static bool find_service(struct cim_session *session, struct cim_path **ret,
                         struct err *err)
{
    struct first_row first = { 0 };
    bool ok = cim_query(session, HV_NS, "SELECT * FROM Msvm_AssignableDeviceService",
                        keep_first_row, &first, err);

    if (ok && !first.found) {
        err_fail(err, ERR_UNSUPPORTED, 0, "the host has no service for assignable devices");
        ok = err_hint(err, "Discrete Device Assignment needs Windows Server 2016 or newer");
    }
    if (ok)
        *ret = cim_schema_path(first.found, err);
    cim_instance_free(first.found);
    return ok && *ret;
}

static bool call_service(struct plan_context *context, const char *method,
                         const struct cim_instance *in, const char *what, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *service = NULL;
    struct hv_call_options options = { .progress = context->progress, .what = what };

    return find_service(context->session, &service, err) &&
           (hv_call(context->session, service, method, in, NULL, &options, NULL, NULL,
                    err) ||
            err_wrap(err, "%s", what));
}

bool dda_dismount(struct plan_context *context, const struct dda_target *target, bool acs,
                  bool mitigations, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *data =
        cim_instance_new(HV_NS, "Msvm_AssignableDeviceDismountSettingData");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "DismountAssignableDevice");
    CLEANUP(free_cleanup) char *what = text_printf("dismounting '%s'", target->name);
    CLEANUP(free_cleanup) char *xml = NULL;
    enum gpu_place place;

    if (!data || !in || !what)
        return err_no_memory(err);
    if (!dda_read_place(context->session, target, &place, err))
        return false;
    if (place == GPU_ON_HOST) {
        if (!cim_set_text(data, "DeviceInstancePath", target->instance_id, err) ||
            !cim_set_text(data, "DeviceLocationPath", target->location_path, err) ||
            !cim_set_bool(data, "RequireAcsSupport", acs, err) ||
            !cim_set_bool(data, "RequireDeviceMitigations", mitigations, err))
            return false;
        xml = cim_xml_write(data, err);
        if (!xml || !cim_set_text(in, "DismountSettingData", xml, err))
            return false;
        if (!call_service(context, "DismountAssignableDevice", in, what, err))
            return err->kind == ERR_REFUSED && (acs || mitigations)
                       ? err_hint(err,
                                  "the host's words say which demand the device does "
                                  "not meet; see --allow-unsafe in hvgpu-dda-assign(1)")
                       : false;
    }
    return wait_until(context, what, is_listed, target, err);
}

bool dda_mount(struct plan_context *context, const struct dda_target *target,
               struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "MountAssignableDevice");
    CLEANUP(free_cleanup) char *what = text_printf("mounting '%s'", target->name);
    CLEANUP(free_cleanup) char *id = dda_dismounted_id(target->instance_id);
    enum gpu_place place;
    bool listed;

    if (!in || !what || !id)
        return err_no_memory(err);
    if (!dda_read_place(context->session, target, &place, err))
        return false;
    if (place == GPU_PLACE_UNKNOWN) {
        err_fail(err, ERR_CONFLICT, 0, "%s: the host has no such device any more", what);
        return err_hint(err, "if the card was moved or taken out, 'hvgpu dda recover' says "
                             "what is left to do");
    }
    /* Another card at its place is not to be taken for it. */
    if (place == GPU_DISMOUNTED && !is_listed(context->session, target, &listed, err))
        return false;
    if (place == GPU_DISMOUNTED &&
        (!cim_set_text(in, "DeviceInstancePath", id, err) ||
         !cim_set_text(in, "DeviceLocationPath", target->location_path, err) ||
         !call_service(context, "MountAssignableDevice", in, what, err)))
        return false;
    return wait_until(context, what, is_on_host, target, err);
}

bool dda_is_in_use(struct cim_session *session, const char *vm_id,
                   const struct dda_target *target, bool *ret, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

    if (!find_listed(session, target, vm_id, &row, err))
        return false;
    *ret = row != NULL;
    return true;
}

/* ---- what a VM has ---- */

enum { ENTRIES_MAX = 16 };

struct entries {
    const char *vm_id;
    const char *instance_id;
    struct cim_instance *rows[ENTRIES_MAX];
    size_t count;
    struct cim_instance *model; /* the default values of a new one */
};

static void clear_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        cim_instance_free(entries->rows[i]);
    cim_instance_free(entries->model);
}

/* HostResource[0]: the path of a Msvm_PciExpress, whose DeviceID ends in the instance id. */
static bool is_of(const struct cim_instance *row, const char *instance_id)
{
    const char *resource = cim_get_text_at(row, "HostResource", 0);
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    struct err ignored = ERR_INIT;
    const char *id, *rest;

    path = resource && *resource ? cim_path_parse(resource, &ignored) : NULL;
    id = path ? cim_path_get(path, "DeviceID") : NULL;
    rest = id ? strchr(id, '\\') : NULL;
    return rest && text_istarts(rest + 1, "PCIP\\") &&
           text_ieq(rest + 1 + strlen("PCIP\\"), instance_id + strlen("PCI\\"));
}

static bool on_entry(const struct cim_instance *row, void *user, struct err *err)
{
    struct entries *entries = user;
    const char *id = cim_get_text(row, "InstanceID");
    size_t len = strlen(entries->vm_id);

    if (!id || !text_istarts(id, "Microsoft:"))
        return true;
    if (text_istarts(id + 10, "Definition\\") && text_iends(id, "\\Default") &&
        !entries->model) {
        entries->model = cim_instance_copy(row);
        return entries->model || err_no_memory(err);
    }
    if (!text_istarts(id + 10, entries->vm_id) || id[10 + len] != '\\' ||
        !is_of(row, entries->instance_id))
        return true;
    if (entries->count == ENTRIES_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "the VM has one device more than %d times",
                        ENTRIES_MAX);
    entries->rows[entries->count] = cim_instance_copy(row);
    return entries->rows[entries->count++] || err_no_memory(err);
}

static bool read_entries(struct cim_session *session, const char *vm_id,
                         const struct dda_target *target, struct entries *ret,
                         struct err *err)
{
    *ret = (struct entries){ .vm_id = vm_id, .instance_id = target->instance_id };
    if (!text_istarts(target->instance_id, "PCI\\"))
        return err_fail(err, ERR_PROTOCOL, 0, "'%.80s' is no device of the host",
                        target->instance_id);
    if (cim_query(session, HV_NS, "SELECT * FROM Msvm_PciExpressSettingData", on_entry, ret,
                  err))
        return true;
    clear_entries(ret);
    return false;
}

bool dda_has_entry(struct cim_session *session, const char *vm_id,
                   const struct dda_target *target, bool *ret, struct err *err)
{
    struct entries entries;

    if (!read_entries(session, vm_id, target, &entries, err))
        return false;
    *ret = entries.count > 0;
    clear_entries(&entries);
    return true;
}

/* The values of the host's own model of such an entry, of which the name is left out. */
static struct cim_instance *new_entry(struct entries *entries, const char *resource,
                                      struct err *err)
{
    enum { RESOURCE_PCI_EXPRESS = 32769 };
    static const char subtype[] = "Microsoft:Hyper-V:Virtual Pci Express Port";
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *entry =
        entries->model ? TAKE(entries->model)
                       : cim_instance_new(HV_NS, "Msvm_PciExpressSettingData");

    if (!entry) {
        err_no_memory(err);
        return NULL;
    }
    cim_unset(entry, "InstanceID");
    if (!cim_set_uint(entry, "ResourceType", CIM_UINT16, RESOURCE_PCI_EXPRESS, err) ||
        !cim_set_text(entry, "ResourceSubType", subtype, err) ||
        !cim_set_texts(entry, "HostResource", (const char *const[]){ resource }, 1, err))
        return NULL;
    return TAKE(entry);
}

static bool call_add(struct plan_context *context, const char *vm_id,
                     const struct cim_instance *entry, const char *what, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "AddResourceSettings");
    CLEANUP(cim_path_cleanup) struct cim_path *configuration = vm_settings_path(vm_id);
    CLEANUP(free_cleanup) char *xml = cim_xml_write(entry, err);

    if (!xml)
        return false;
    if (!in || !configuration)
        return err_no_memory(err);
    return cim_set_path(in, "AffectedConfiguration", configuration, err) &&
           cim_set_texts(in, "ResourceSettings", (const char *const[]){ xml }, 1, err) &&
           (vm_service_call(context, "AddResourceSettings", in, what, err) ||
            err_wrap(err, "%s", what));
}

bool dda_add_entry(struct plan_context *context, const char *vm_id,
                   const struct dda_target *target, const char *resource, struct err *err)
{
    CLEANUP(free_cleanup) char *what = text_printf("adding '%s' to the VM", target->name);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL, *entry = NULL;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(free_cleanup) char *listed = NULL;
    struct entries entries;
    bool ok = true;

    if (!what)
        return err_no_memory(err);
    if (!read_entries(context->session, vm_id, target, &entries, err))
        return false;
    if (entries.count == 0) {
        ok = find_listed(context->session, target, NULL, &row, err);
        if (ok && row) {
            path = cim_schema_path(row, err);
            listed = path ? cim_path_format(path) : NULL;
            ok = path && (listed || err_no_memory(err));
        } else if (ok && !resource) {
            ok = err_fail(err, ERR_CONFLICT, 0, "%s: it is not dismounted", what);
        }
        entry = ok ? new_entry(&entries, listed ? listed : resource, err) : NULL;
        ok = entry && call_add(context, vm_id, entry, what, err);
    }
    clear_entries(&entries);
    return ok;
}

static bool call_remove(struct plan_context *context, const struct cim_instance *row,
                        const char *what, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "RemoveResourceSettings");
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_schema_path(row, err);
    struct cim_value paths = { .type = CIM_REFERENCE, .is_array = true };

    if (!path)
        return false;
    if (!in)
        return err_no_memory(err);
    if (!cim_value_take(&paths, (union cim_datum){ .path = TAKE(path) }, err) ||
        !cim_set(in, "ResourceSettings", &paths, err)) {
        cim_value_clear(&paths);
        return false;
    }
    return vm_service_call(context, "RemoveResourceSettings", in, what, err) ||
           err_wrap(err, "%s", what);
}

bool dda_remove_entry(struct plan_context *context, const char *vm_id,
                      const struct dda_target *target, struct err *err)
{
    CLEANUP(free_cleanup)
    char *what = text_printf("removing '%s' from the VM", target->name);
    struct entries entries;
    bool ok = true;

    if (!what)
        return err_no_memory(err);
    if (!read_entries(context->session, vm_id, target, &entries, err))
        return false;
    for (size_t i = 0; ok && i < entries.count; i++)
        ok = call_remove(context, entries.rows[i], what, err);
    clear_entries(&entries);
    return ok;
}

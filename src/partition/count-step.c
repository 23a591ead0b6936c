/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * partition-count: PartitionCount of a Msvm_PartitionableGpu, written with Put.
 *
 * Nothing says what a host does when it is asked to while a VM has a partition, so right before
 * each change, there and back, it is looked whether one has, and the change is not even tried.
 * Afterwards the count is read: a host that answered well and did nothing has failed.
 *
 * Sources: hyperv_v2 Msvm_PartitionableGpu; Justsenger/HyperV-WMI-Documentation recipe
 * gpu_partition (measured: Put changes it); MicrosoftDocs/windowsserverdocs
 * partition-assign-vm-gpu.md (Windows Admin Center refuses it while partitions are assigned).
 */

#include "partition-parts.h"

#include <inttypes.h>
#include <string.h>

#include "builds.h"
#include "job.h"
#include "step-params.h"
#include "strbuf.h"
#include "text.h"

static struct cim_path *gpu_path(const char *interface_path, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new(HV_NS, "Msvm_PartitionableGpu");

    if (!path) {
        err_no_memory(err);
        return NULL;
    }
    if (!cim_path_set(path, "CreationClassName", "Msvm_PartitionableGpu", err) ||
        !cim_path_set(path, "Name", interface_path, err))
        return NULL;
    return TAKE(path);
}

static bool read_count(struct cim_session *session, const char *interface_path,
                       struct known_u64 *ret, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = gpu_path(interface_path, err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

    if (!path || !cim_fetch(session, path, &row, err))
        return false;
    ret->known = cim_get_u64(row, "PartitionCount", &ret->value);
    return true;
}

static json_t *count_to_json(struct known_u64 count)
{
    return json_pack("{s:o}", "partition_count",
                     count.known && count.value <= INT64_MAX
                         ? json_integer((json_int_t)count.value)
                         : json_null());
}

static bool probe(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err)
{
    struct known_u64 count = { 0 };
    const char *path;

    if (!param_text(step, "interface_path", &path, err) ||
        !read_count(context->session, path, &count, err))
        return false;
    *ret_now = count_to_json(count);
    return *ret_now || err_no_memory(err);
}

/* ---- who has a partition now ---- */

struct takers {
    struct strbuf names;
    size_t count;
};

static bool note_taker(const struct partition_user *user, void *to, struct err *err)
{
    struct takers *takers = to;

    (void)err;
    if (user->may_only)
        return true;
    strbuf_printf(&takers->names, "%s'%.60s'", takers->count++ ? ", " : "",
                  user->vm->name ? user->vm->name : user->vm->id);
    return true;
}

static bool check_unused(struct cim_session *session, const char *interface_path,
                         struct err *err)
{
    enum { WHAT = HV_GPUS | HV_VMS | HV_PARTITIONS };
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(free_cleanup) char *id = gpu_instance_from_interface(interface_path);
    struct takers takers = { 0 };
    const struct hv_gpu *gpu;
    bool ok = true;

    if (!id)
        return err_fail(err, ERR_PROTOCOL, 0, "'%.100s' is no interface path",
                        interface_path);
    if (!hv_inventory_read(session, "", WHAT, &host, err))
        return false;
    gpu = hv_find_gpu(host, id);
    if (gpu && !partition_users(host, gpu, note_taker, &takers, err))
        ok = false;
    if (ok && takers.count > 0) {
        ok = err_fail(err, ERR_CONFLICT, 0, "partitions of it are assigned: %.200s",
                      takers.names.text ? takers.names.text : "?");
        err_hint(err, "take them away first with 'hvgpu detach'");
    }
    strbuf_free(&takers.names);
    return ok;
}

/* ---- changing ---- */

static bool put_count(struct cim_session *session, const char *interface_path,
                      uint64_t count, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = gpu_path(interface_path, err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *changes = cim_instance_new(HV_NS, "Msvm_PartitionableGpu");

    if (!path)
        return false;
    if (!changes)
        return err_no_memory(err);
    return cim_set_uint(changes, "PartitionCount", CIM_UINT16, count, err) &&
           cim_put(session, path, changes, err);
}

static bool make_count(struct plan_context *context, const struct step *step,
                       const json_t *wanted, struct err *err)
{
    const json_t *number = json_object_get(wanted, "partition_count");
    struct known_u64 now = { 0 };
    const char *path;
    uint64_t count;

    if (!param_text(step, "interface_path", &path, err))
        return false;
    if (!json_is_integer(number) || json_integer_value(number) < 1 ||
        json_integer_value(number) > UINT16_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "the step has no partition count");
    count = (uint64_t)json_integer_value(number);
    if (!read_count(context->session, path, &now, err))
        return false;
    if (now.known && now.value == count)
        return true;
    if (!check_unused(context->session, path, err) ||
        !put_count(context->session, path, count, err) ||
        !read_count(context->session, path, &now, err))
        return false;
    if (now.known && now.value == count)
        return true;
    return err_fail(err, ERR_REFUSED, 0,
                    "the host took %" PRIu64 " as the partition count and has %" PRIu64,
                    count, now.value);
}

static bool apply(struct plan_context *context, struct step *step, struct err *err)
{
    return make_count(context, step, step->after, err);
}

static bool revert(struct plan_context *context, struct step *step, struct err *err)
{
    return make_count(context, step, step->before, err);
}

const struct step_kind step_partition_count = {
    .name = "partition-count",
    .probe = probe,
    .apply = apply,
    .revert = revert,
};

/* The cmdlets were renamed with Windows 11 and Server 2022. */
static char *powershell_of(const struct hv_host *host, const struct hv_gpu *gpu,
                           uint64_t count)
{
    CLEANUP(free_cleanup) char *name = ps_quote(gpu->interface_path);
    bool is_old = host->build.known && host->build.value < BUILD_SERVER_2022;

    return name ? text_printf("Set-VM%sPartitionableGpu -Name %s -PartitionCount %" PRIu64,
                              is_old ? "" : "Host", name, count)
                : NULL;
}

bool add_partition_count(struct plan *plan, const struct hv_host *host,
                         const struct hv_gpu *gpu, uint64_t count, struct err *err)
{
    CLEANUP(free_cleanup) char *powershell = powershell_of(host, gpu, count);
    CLEANUP(free_cleanup)
    char *target = gpu->location_path ? text_printf("partitions of '%s' at %s",
                                                    gpu_label(gpu), gpu->location_path)
                                      : text_printf("partitions of '%s'", gpu_label(gpu));
    CLEANUP(free_cleanup)
    char *lock = hv_device_lock_name(host, gpu->location_path, gpu->instance_id);

    if (!powershell || !target || !lock)
        return err_no_memory(err);
    return plan_lock(plan, lock, err) &&
           plan_add(plan, &step_partition_count, target,
                    json_pack("{s:s}", "interface_path", gpu->interface_path),
                    count_to_json(gpu->partition_count),
                    count_to_json((struct known_u64){ true, count }), powershell, err);
}

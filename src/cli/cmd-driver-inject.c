/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver inject: the driver of a Windows that is off, or of a copy of its files, into a
 * powered-off guest's disk on this machine. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "driver.h"
#include "guest-disk.h"
#include "hash.h"
#include "image.h"
#include "os.h"
#include "share.h"
#include "steps.h"
#include "text.h"
#include "tr.h"

static const struct option_spec options[] = {
    { "disk", 0, "DISK", N_("the guest's disk image, powered off") },
    { "from", 0, "WINDOWS_ROOT", N_("the host's Windows folder, or the drive it is on") },
    { "gpu", 0, "GPU",
      N_("a part of its name, vendor:device, instance id or interface path") },
    { "parents", 0, "DIR", N_("folder with the parents of a checkpoint's disk") },
    { NULL, 0, NULL, NULL },
};

/* What forbids writing the disk becomes findings: nothing else is looked at then. */
static bool find_blockers(struct plan *plan, const char *image, const char *parents,
                          bool *ret_blocked, struct err *err)
{
    struct image_facts *facts = calloc(1, sizeof(*facts));
    bool ok;

    if (!facts)
        return err_no_memory(err);
    ok = image_inspect_confined(image, parents, facts, err);
    *ret_blocked = ok && facts->blocker_count > 0;
    for (unsigned i = 0; ok && i < facts->blocker_count; i++)
        ok = plan_find(plan, facts->blockers[i].id, "error", image,
                       facts->blockers[i].message, _("the disk cannot be written safely"),
                       NULL, NULL, err);
    free(facts);
    return ok;
}

/* NULL: it cannot be read, which is an error or, when *ret_blocked, has its findings. */
static struct guest_disk *open_guest(struct plan *plan, const char *image,
                                     const char *parents, bool *ret_blocked,
                                     struct err *err)
{
    CLEANUP(guest_disk_cleanup)
    struct guest_disk *guest = guest_disk_open_sandboxed(image, parents, NULL, NULL, err);
    struct guest_facts facts;
    struct err why;

    *ret_blocked = false;
    if (guest && guest->ops->facts(guest, &facts, err) && !facts.is_blocked)
        return TAKE(guest);
    why = *err;
    *err = ERR_INIT;
    if (find_blockers(plan, image, parents, ret_blocked, err) && !*ret_blocked)
        *err = why;
    if (!*ret_blocked && err->kind == ERR_NONE)
        err_fail(err, ERR_CONFLICT, 0, "'%s' changed while it was looked at", image);
    return NULL;
}

static bool plan_on(struct plan *plan, const struct invocation *in, const char *image,
                    const char *parents, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    CLEANUP(guest_disk_cleanup) struct guest_disk *guest = NULL;
    bool blocked = false;

    source = windows_source_offline(option_get(in, "from"), err);
    if (!source)
        return false;
    windows_source_watch(source, in->progress);
    if (!driver_resolve(source, option_get(in, "gpu"), &set, err))
        return false;
    guest = open_guest(plan, image, parents, &blocked, err);
    if (!guest)
        return blocked;
    return driver_plan_install(plan, guest, set, err) &&
           driver_plan_commit(plan, image, parents, err) &&
           driver_plan_verify(plan, set->instance_id, err);
}

/* One run at a time per image, whatever it is called from where. */
static char *lock_name(const char *image)
{
    char sha256[SHA256_HEX];

    hash_bytes(image, strlen(image), sha256);
    return text_printf("disk-%.32s", sha256);
}

static bool check(const struct invocation *in, struct err *err)
{
    static const char *const needed[] = { "disk", "from", "gpu" };

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        const char *value = option_get(in, needed[i]);

        if (value && *value)
            continue;
        err_fail(err, ERR_INVALID, 0, _("--%s is missing"), needed[i]);
        return err_hint(err,
                        "hvgpu driver inject --disk DISK --from WINDOWS_ROOT --gpu GPU");
    }
    return true;
}

static bool plan_inject(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *image = NULL;
    CLEANUP(free_cleanup) char *parents = NULL;
    CLEANUP(free_cleanup) char *title = NULL;

    share_context_init(context);
    image = os_absolute_path(option_get(in, "disk"), err);
    if (!image)
        return false;
    if (option_get(in, "parents") &&
        !(parents = os_absolute_path(option_get(in, "parents"), err)))
        return false;
    title = text_printf("driver of '%s' into '%s'", option_get(in, "gpu"), image);
    plan = title ? plan_new("local", title, err) : NULL;
    if (!plan)
        return title ? false : err_no_memory(err);
    plan->lock = lock_name(image);
    if (!plan->lock)
        return err_no_memory(err);
    if (!plan_on(plan, in, image, parents, err))
        return false;
    *ret = TAKE(plan);
    return true;
}

static void finish(const struct invocation *in, struct plan_context *context)
{
    share_context_clear(context);
}

const struct command cmd_driver_inject = {
    .name = "driver inject",
    .summary = N_("put a driver into a powered-off guest's disk"),
    .flags = CMD_CHANGES,
    .options = options,
    .check = check,
    .plan = plan_inject,
    .finish = finish,
};

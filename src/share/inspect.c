/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at the disk of a VM that is off. */

#include "inspect.h"

#include <string.h>

#include "os.h"
#include "text.h"

/* The steps of looking, without those that a plan of change needs. */
static struct plan *plan_look(struct plan_context *context, const char *host,
                              const struct hv_vm *vm, const char *image, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = text_printf("look at the disk of '%s'", vm->name);
    CLEANUP(free_cleanup) char *folder = NULL;

    plan = title ? plan_new(host, title, err) : NULL;
    if (!plan)
        return NULL;
    plan->lock = text_printf("vm-%s", vm->id);
    folder = host_folder_of(plan->id);
    if (!plan->lock || !folder) {
        err_no_memory(err);
        return NULL;
    }
    if (!add_host_folder(plan, folder, err) ||
        !add_image_open(plan, image, folder, true, err))
        return NULL;
    return TAKE(plan);
}

static const char *folder_of(const struct plan *plan)
{
    return json_string_value(json_object_get(plan->steps[0].params, "folder"));
}

static bool look_at(struct plan_context *context, const char *host, const struct hv_vm *vm,
                    const char *image, look_fn *look, void *user, struct image_facts *ret,
                    struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = plan_look(context, host, vm, image, err);
    struct err undo_err = ERR_INIT;
    char why[ERR_TEXT];
    bool ok;

    if (!plan)
        return false;
    if (!plan_run(plan, context, err)) {
        struct err ignored = ERR_INIT;

        /* Undone already; nothing of it is worth a line in `history`. */
        if (!journal_forget(context->journal, plan->id, &ignored))
            err_wrap(err, "and the journal keeps run %s", plan->id);
        return err_wrap(err, "looking at the disk of '%s'", vm->name);
    }
    ok = read_image_facts(context->session, image, folder_of(plan), ret, err);
    if (ok && ret->windows_found && !ret->hibernated)
        ok = context->open_guest(context, plan, err) && look(context, user, err);
    if (!plan_undo(plan, context, &undo_err)) {
        if (ok) {
            *err = undo_err;
            return err_wrap(err, "giving the disk of '%s' back", vm->name);
        }
        err_format(&undo_err, why, sizeof(why));
        err_hint(err, "%s", undo_err.hint);
        return err_wrap(err, "and the disk of '%s' was not given back (%s)", vm->name, why);
    }
    if (!ok)
        return journal_forget(context->journal, plan->id, &undo_err) &&
               err_wrap(err, "looking at the disk of '%s'", vm->name);
    return journal_forget(context->journal, plan->id, err);
}

struct newest { /* run on a VM */
    const char *lock;
    char id[sizeof(((struct run_info *)0)->id)]; /* "": none, or it was taken back */
    bool seen;
};

static bool keep_newest(const struct run_info *info, void *user, struct err *err)
{
    struct newest *newest = user;

    if (newest->seen || !plan_locks(info->lock, newest->lock))
        return true;
    newest->seen = true;
    if (info->state != RUN_UNDONE)
        memcpy(newest->id, info->id, sizeof(newest->id));
    return true;
}

/* What a killed look left behind is ours to clear away: it changed nothing that counts.  It
 * may have come to its end, and the process died looking. */
static bool clear_old_look(struct plan_context *context, struct err *err)
{
    struct newest newest = { .lock = context->held_lock };
    CLEANUP(plan_cleanup) struct plan *old = NULL;

    if (!journal_list(context->journal, keep_newest, &newest, err))
        return false;
    if (!newest.id[0])
        return true;
    old = journal_load(context->journal, newest.id, false, context->kinds, err);
    if (!old)
        return false;
    return !plan_only_looks(old) ||
           (plan_undo(old, context, err) && journal_forget(context->journal, old->id, err));
}

/* The lock is kept from here to there: what another hvgpu has attached and mounted to look
 * at must not be taken for the leavings of a dead one. */
static struct os_lock *lock_vm(struct plan_context *context, const char *lock,
                               const struct hv_vm *vm, struct err *err)
{
    CLEANUP(free_cleanup) char *holder = text_printf("look at the disk of '%s'", vm->name);

    if (!holder) {
        err_no_memory(err);
        return NULL;
    }
    return journal_lock_target(context->journal, lock, holder, context->lock_wait_ms, err);
}

struct inspection {
    struct plan_context *context;
    const char *host;
    const struct hv_vm *vm;
    look_fn *look;
    looked_fn *looked; /* NULL: the first Windows is enough */
    void *user;
    size_t *ret_disk;
    struct image_facts *facts;
};

static bool inspect_until_found(struct inspection *in, struct err *err)
{
    for (size_t i = 0; i < in->vm->disk_count && !in->facts->windows_found; i++) {
        struct err one = ERR_INIT;

        *in->ret_disk = i;
        if (look_at(in->context, in->host, in->vm, in->vm->disks[i].path, in->look,
                    in->user, in->facts, &one))
            continue;
        /* A data disk is no failure while there are others to look at. */
        if (one.kind == ERR_NOT_FOUND && i + 1 < in->vm->disk_count)
            continue;
        *err = one;
        return false;
    }
    return true;
}

static bool inspect_each(struct inspection *in, struct err *err)
{
    for (size_t i = 0; i < in->vm->disk_count; i++) {
        struct err one = ERR_INIT;
        bool ok;

        *in->ret_disk = i;
        *in->facts = (struct image_facts){ 0 };
        ok = look_at(in->context, in->host, in->vm, in->vm->disks[i].path, in->look,
                     in->user, in->facts, &one);
        if (!ok && one.kind != ERR_NOT_FOUND && one.kind != ERR_UNSUPPORTED) {
            *err = one;
            return false;
        }
        if (!in->looked(i, in->facts, ok ? NULL : &one, in->user, err))
            return false;
    }
    return true;
}

static bool inspect(struct inspection *in, struct err *err)
{
    struct plan_context *context = in->context;
    bool (*on_step)(const struct plan *, const struct step *, const char *, void *) =
        context->on_step;
    CLEANUP(free_cleanup) char *name = text_printf("vm-%s", in->vm->id);
    CLEANUP(os_lock_cleanup)
    struct os_lock *lock = name ? lock_vm(context, name, in->vm, err) : NULL;
    bool ok;

    if (!lock)
        return name ? false : err_no_memory(err);
    context->held_lock = name;
    context->on_step = NULL; /* not steps of what the user asked for */
    ok = clear_old_look(context, err);
    *in->facts = (struct image_facts){ 0 };
    ok = ok && (in->looked ? inspect_each(in, err) : inspect_until_found(in, err));
    context->on_step = on_step;
    context->held_lock = NULL;
    return ok;
}

bool inspect_disks(struct plan_context *context, const char *host, const struct hv_vm *vm,
                   look_fn *look, void *user, size_t *ret_disk,
                   struct image_facts *ret_facts, struct err *err)
{
    return inspect(&(struct inspection){ .context = context,
                                         .host = host,
                                         .vm = vm,
                                         .look = look,
                                         .user = user,
                                         .ret_disk = ret_disk,
                                         .facts = ret_facts },
                   err);
}

bool inspect_every_disk(struct plan_context *context, const char *host,
                        const struct hv_vm *vm, look_fn *look, looked_fn *looked,
                        void *user, struct err *err)
{
    struct image_facts facts;
    size_t disk;

    return inspect(&(struct inspection){ .context = context,
                                         .host = host,
                                         .vm = vm,
                                         .look = look,
                                         .looked = looked,
                                         .user = user,
                                         .ret_disk = &disk,
                                         .facts = &facts },
                   err);
}

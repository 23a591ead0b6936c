/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must be true before counts are set, what is worth knowing, and the plan of each host. */

#include "partition-parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

enum { NAMED_MAX = 8 }; /* of one finding; the rest is a number */

/* ---- one host ---- */

struct plan_of {
    struct partition_host *to;
    const struct hv_host *host;
    const struct hv_gpu *gpu;
    uint64_t count;
    bool alone; /* no other host: what all have in common is not asked */
};

/* Whether it has partitions at all, and if not, why: the survey knows. */
static bool judge_gpu(const struct plan_of *p, struct err *err)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;

    return survey_judge_partitions(p->host, p->gpu, GPU_MODE_P, &found, err) &&
           plan_take_findings(p->to->plan, &found, err);
}

static bool check_count(const struct plan_of *p, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;

    if (takes_count(p->gpu, p->count) || !p->alone)
        return true;
    if (p->gpu->valid_partition_count_count == 0)
        strbuf_puts(&seen, _("the GPU tells no valid counts"));
    else
        strbuf_puts(&seen, _("valid are: "));
    put_counts(&seen, p->gpu->valid_partition_counts, p->gpu->valid_partition_count_count);
    if (seen.failed)
        return err_no_memory(err);
    return plan_find(p->to->plan, "partition-count-invalid", "error", gpu_label(p->gpu),
                     seen.text, N_("the GPU cannot be cut into this number of partitions"),
                     N_("choose one of its valid counts; 'hvgpu gpu show' lists them"),
                     SRC_PARTITION, err);
}

struct users {
    struct strbuf having, perhaps;
    size_t having_count, perhaps_count;
};

static bool note_user(const struct partition_user *user, void *to, struct err *err)
{
    struct users *users = to;
    struct strbuf *text = user->may_only ? &users->perhaps : &users->having;
    size_t *count = user->may_only ? &users->perhaps_count : &users->having_count;
    const char *state = vm_state_name(user->vm->state);

    (void)err;
    strbuf_printf(text, "%s%s (%s)", (*count)++ ? ", " : "",
                  user->vm->name ? user->vm->name : user->vm->id, state ? state : "?");
    return true;
}

static bool check_users(const struct plan_of *p, struct err *err)
{
    struct users users = { 0 };
    bool ok = partition_users(p->host, p->gpu, note_user, &users, err);

    if (ok && (users.having.failed || users.perhaps.failed))
        ok = err_no_memory(err);
    if (ok && users.having_count > 0)
        ok = plan_find(p->to->plan, "partition-assigned", "error", gpu_label(p->gpu),
                       users.having.text,
                       N_("the count of a GPU cannot be changed while VMs have partitions "
                          "of it"),
                       N_("take them away first with 'hvgpu detach', and attach them again "
                          "afterwards"),
                       SRC_PARTITION, err);
    if (ok && users.perhaps_count > 0)
        ok = plan_find(p->to->plan, "partition-perhaps-assigned", "warning",
                       gpu_label(p->gpu), users.perhaps.text,
                       N_("these VMs have a partition without saying of which GPU, and may "
                          "get one of this"),
                       N_("see that they are off, or pin them to a GPU"), SRC_PARTITION,
                       err);
    strbuf_free(&users.having);
    strbuf_free(&users.perhaps);
    return ok;
}

/* Reported is what the device says, for the count that it has; the rest is arithmetic. */
static bool tell_sizes(const struct plan_of *p, struct err *err)
{
    CLEANUP(free_cleanup) char *now = partition_size_text(p->gpu, PARTITION_REPORTED);
    CLEANUP(free_cleanup) char *total = partition_size_text(p->gpu, PARTITION_TOTAL);
    CLEANUP(free_cleanup) char *then = partition_computed_text(p->gpu, p->count);
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;

    if (!now || !total || !then)
        return err_no_memory(err);
    if (*now && p->gpu->partition_count.known)
        strbuf_printf(&seen, _("reported: with %llu partitions, as it is now, each has %s"),
                      (unsigned long long)p->gpu->partition_count.value, now);
    if (*total)
        strbuf_printf(&seen, _("%sreported: the whole GPU has %s"), seen.len ? "; " : "",
                      total);
    if (*then)
        strbuf_printf(&seen, _("%scomputed: %llu equal parts of it have %s each"),
                      seen.len ? "; " : "", (unsigned long long)p->count, then);
    if (seen.failed)
        return err_no_memory(err);
    return plan_find(p->to->plan, "partition-size", "info", gpu_label(p->gpu),
                     seen.len ? seen.text : _("the GPU reports no sizes"),
                     N_("how much a partition has follows from the count"), NULL,
                     SRC_PARTITION, err);
}

static bool plan_gpu(const struct plan_of *p, struct err *err)
{
    if (!judge_gpu(p, err) || (partition_is_hardware(p->gpu) && !check_count(p, err)))
        return false;
    if (!partition_is_hardware(p->gpu) || !takes_count(p->gpu, p->count) ||
        (p->gpu->partition_count.known && p->gpu->partition_count.value == p->count))
        return true;
    /* Former values come back, or nothing is begun. */
    if (!p->gpu->partition_count.known)
        return plan_find(p->to->plan, "partition-count-unknown", "error", gpu_label(p->gpu),
                         NULL,
                         N_("the GPU does not tell its present count, which could not be "
                            "given back then"),
                         N_("look at it with 'hvgpu gpu show', and run the command again"),
                         SRC_PARTITION, err);
    return tell_sizes(p, err) && check_users(p, err) &&
           add_partition_count(p->to->plan, p->host, p->gpu, p->count, err);
}

static char *title_of(const struct partition_host *to, uint64_t count)
{
    struct strbuf title = STRBUF_INIT;

    strbuf_printf(&title, "set %" PRIu64 " partitions of ", count);
    if (to->gpu_count == 1)
        strbuf_printf(&title, "'%s'", gpu_label(to->gpus[0]));
    else
        strbuf_printf(&title, "%zu GPUs", to->gpu_count);
    return strbuf_take(&title);
}

static bool plan_host(struct partition_host *to, uint64_t count, bool alone,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *title = title_of(to, count);

    if (!title)
        return err_no_memory(err);
    to->plan = plan_new(to->host->name, title, err);
    if (!to->plan)
        return false;
    for (size_t i = 0; i < to->gpu_count; i++) {
        const struct plan_of p = { to, to->host, to->gpus[i], count, alone };

        if (!plan_gpu(&p, err))
            return false;
    }
    return true;
}

/* ---- all of them ---- */

/* Host names, some of them, each once. */
struct names {
    struct strbuf text;
    size_t count;
    size_t last; /* host that was added last, plus one */
};

static void put_host(struct names *names, const struct partition_host *hosts, size_t host)
{
    if (names->last == host + 1)
        return;
    names->last = host + 1;
    if (names->count++ < NAMED_MAX)
        strbuf_printf(&names->text, "%s%s", names->count > 1 ? ", " : "",
                      hosts[host].host->name);
}

static void end_names(struct names *names)
{
    if (names->count > NAMED_MAX)
        strbuf_printf(&names->text, _(", and %zu more"), names->count - NAMED_MAX);
}

/* "NVIDIA A2 (10de:25b6), 16 GB VRAM, counts 16, 8, 4: NODE1, NODE2" */
static void describe_set(struct strbuf *to, const struct partition_host *hosts,
                         const struct members *members, size_t set)
{
    const struct hv_gpu *gpu = members->items[set].gpu;
    struct names names = { 0 };
    char size[24];

    strbuf_printf(to, "%s%s (%s)", to->len ? "\n" : "", gpu_label(gpu),
                  gpu->pci_id ? gpu->pci_id : "?");
    if (gpu->amounts[QUOTA_VRAM].total.known)
        strbuf_printf(to, _(", %s VRAM"),
                      size_text(size, gpu->amounts[QUOTA_VRAM].total.value));
    strbuf_puts(to, _(", counts "));
    put_counts(to, gpu->valid_partition_counts, gpu->valid_partition_count_count);
    for (size_t i = 0; i < members->count; i++)
        if (members->items[i].set == set && members->items[i].is_chosen)
            put_host(&names, hosts, members->items[i].host);
    end_names(&names);
    strbuf_printf(to, ": %s", names.text.text ? names.text.text : "?");
    strbuf_free(&names.text);
}

static bool has_chosen(const struct members *members, size_t set)
{
    for (size_t i = set; i < members->count; i++)
        if (members->items[i].set == set && members->items[i].is_chosen)
            return true;
    return false;
}

static bool check_mixed(const struct partition_host *hosts, const struct members *members,
                        struct findings *set, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
    size_t sets = 0;

    for (size_t i = 0; i < members->count; i++)
        if (members->items[i].set == i && has_chosen(members, i) && sets++ < NAMED_MAX)
            describe_set(&seen, hosts, members, i);
    if (sets < 2)
        return true;
    if (seen.failed)
        return err_no_memory(err);
    return findings_add(
        set, "partition-set-mixed", SEVERITY_ERROR, NULL, seen.text,
        N_("GPUs that differ in vendor, device, memory or valid counts are not set together: "
           "a VM could not move between them"),
        N_("name GPUs of one kind; run the command once for each kind"), SRC_PARTITION,
        err);
}

static bool check_left_out(const struct partition_host *hosts,
                           const struct members *members, uint64_t count,
                           struct findings *set, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
    size_t left = 0;

    for (size_t i = 0; i < members->count; i++) {
        const struct member *m = &members->items[i];

        if (m->is_chosen || !has_chosen(members, m->set) ||
            (m->gpu->partition_count.known && m->gpu->partition_count.value == count))
            continue;
        if (left++ >= NAMED_MAX)
            continue;
        strbuf_printf(&seen, "%s%s: %s%s%s", seen.len ? "\n" : "",
                      hosts[m->host].host->name, gpu_label(m->gpu),
                      m->gpu->location_path ? ", " : "",
                      m->gpu->location_path ? m->gpu->location_path : "");
        if (m->gpu->partition_count.known)
            strbuf_printf(&seen, _(", %llu partitions"),
                          (unsigned long long)m->gpu->partition_count.value);
    }
    if (left == 0)
        return true;
    if (left > NAMED_MAX)
        strbuf_printf(&seen, _("\nand %zu more"), left - NAMED_MAX);
    if (seen.failed)
        return err_no_memory(err);
    return findings_add(
        set, "partition-set-left-out", SEVERITY_WARNING, NULL, seen.text,
        N_("GPUs that are alike are left out, and will have another count"),
        N_("name them too, or use --all, so that VMs can move between all of "
           "them"),
        SRC_PARTITION, err);
}

/* Several hosts know more than each: which counts all would take. */
static bool check_common(const struct partition_host *hosts, const struct members *members,
                         uint64_t count, struct findings *set, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
    const struct member *first = NULL;
    struct names names = { 0 };
    bool ok = true;

    for (size_t i = 0; i < members->count; i++) {
        const struct member *m = &members->items[i];

        if (!m->is_chosen)
            continue;
        first = first ? first : m;
        if (!takes_count(m->gpu, count))
            put_host(&names, hosts, m->host);
    }
    end_names(&names);
    for (size_t c = 0; first && c < first->gpu->valid_partition_count_count; c++) {
        uint64_t one = first->gpu->valid_partition_counts[c];
        bool all = true;

        for (size_t i = 0; i < members->count && all; i++)
            all = !members->items[i].is_chosen || takes_count(members->items[i].gpu, one);
        if (all)
            strbuf_printf(&seen, "%s%" PRIu64, seen.len ? ", " : "", one);
    }
    if (names.count > 0) {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

        strbuf_printf(&text, _("%llu is not valid on: %s"), (unsigned long long)count,
                      names.text.text ? names.text.text : "?");
        if (seen.len > 0)
            strbuf_printf(&text, _("\nall take: %s"), seen.text);
        ok = (!text.failed && !seen.failed) || err_no_memory(err);
        ok = ok && findings_add(
                       set, "partition-count-not-common", SEVERITY_ERROR, NULL, text.text,
                       N_("not every GPU named can be cut into this number of "
                          "partitions"),
                       N_("choose a count that all of them take"), SRC_PARTITION, err);
    }
    strbuf_free(&names.text);
    return ok;
}

bool partition_plan(struct partition_host *hosts, size_t host_count, uint64_t count,
                    struct findings *set, struct err *err)
{
    struct members members = { 0 };
    size_t read = 0;
    bool ok = true;

    for (size_t h = 0; h < host_count; h++)
        read += hosts[h].host != NULL;
    for (size_t h = 0; ok && h < host_count; h++)
        if (hosts[h].host)
            ok = plan_host(&hosts[h], count, read == 1, err);
    ok = ok && members_find(hosts, host_count, &members, err) &&
         check_mixed(hosts, &members, set, err) &&
         (read < 2 || check_common(hosts, &members, count, set, err)) &&
         check_left_out(hosts, &members, count, set, err);
    members_clear(&members);
    return ok;
}

/* ---- afterwards ---- */

struct tally {
    uint64_t count;
    bool known;
    struct names names;
};

static void add_to_tally(struct tally *tallies, size_t *tally_count,
                         const struct partition_host *hosts, const struct member *m)
{
    struct known_u64 count = m->gpu->partition_count;
    size_t i = 0;

    while (i < *tally_count &&
           (tallies[i].known != count.known || tallies[i].count != count.value))
        i++;
    if (i == NAMED_MAX)
        return;
    if (i == *tally_count)
        tallies[(*tally_count)++] = (struct tally){ count.value, count.known, { { 0 } } };
    put_host(&tallies[i].names, hosts, m->host);
}

static bool compare_set(const struct partition_host *hosts, const struct members *members,
                        size_t set, struct findings *to, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
    struct tally tallies[NAMED_MAX] = { 0 };
    size_t tally_count = 0;

    for (size_t i = 0; i < members->count; i++)
        if (members->items[i].set == set)
            add_to_tally(tallies, &tally_count, hosts, &members->items[i]);
    for (size_t i = 0; i < tally_count; i++) {
        end_names(&tallies[i].names);
        if (seen.len)
            strbuf_putc(&seen, '\n');
        if (tallies[i].known)
            strbuf_printf(&seen, _("%llu partitions: %s"),
                          (unsigned long long)tallies[i].count, tallies[i].names.text.text);
        else
            strbuf_printf(&seen, _("not told: %s"), tallies[i].names.text.text);
        strbuf_free(&tallies[i].names.text);
    }
    if (tally_count < 2)
        return true;
    if (seen.failed)
        return err_no_memory(err);
    return findings_add(to, "partition-counts-differ", SEVERITY_WARNING,
                        gpu_label(members->items[set].gpu), seen.text,
                        N_("GPUs that are alike have different partition counts: a VM may "
                           "find no partition of its size when it moves"),
                        N_("give all of them the same count with 'hvgpu partition set'"),
                        SRC_PARTITION, err);
}

bool partition_compare(const struct partition_host *hosts, size_t host_count,
                       struct findings *set, struct err *err)
{
    struct members members;
    bool ok = members_find(hosts, host_count, &members, err);

    for (size_t i = 0; ok && i < members.count; i++)
        if (members.items[i].set == i && has_chosen(&members, i))
            ok = compare_set(hosts, &members, i, set, err);
    members_clear(&members);
    return ok;
}

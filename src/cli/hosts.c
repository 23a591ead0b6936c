/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From -H and the inventory to the list of hosts. */

#include "hosts.h"
#include "hosts-parts.h"

#include <stdio.h>
#include <string.h>

#include "failover.h"
#include "os.h"
#include "sim.h"
#include "text.h"
#include "wmi.h"

enum { HOST_MAX = 10000, SIM_LOCK_WAIT_MS = 10 * 1000 };

void host_target_clear(struct host_target *target)
{
    free(target->name);
    free(target->url);
    free(target->user);
    free(target->password_file);
    free(target->keytab);
    free(target->auth);
    free(target->ca);
    free(target->pin);
    free(target->cert);
    free(target->key);
    free(target->replay);
    free(target->computer);
    free(target->unavailable);
    secret_free(target->password);
    *target = (struct host_target){ 0 };
}

bool copy_text(char **to, const char *from, struct err *err)
{
    *to = text_dup(from);
    return *to || !from || err_no_memory(err);
}

bool host_target_copy(const struct host_target *from, struct host_target *to,
                      struct err *err)
{
    struct host_target made = { .insecure = from->insecure,
                                .is_local = from->is_local,
                                .cluster = from->cluster };

    if (copy_text(&made.name, from->name, err) && copy_text(&made.url, from->url, err) &&
        copy_text(&made.user, from->user, err) &&
        copy_text(&made.password_file, from->password_file, err) &&
        copy_text(&made.keytab, from->keytab, err) &&
        copy_text(&made.auth, from->auth, err) && copy_text(&made.ca, from->ca, err) &&
        copy_text(&made.pin, from->pin, err) && copy_text(&made.cert, from->cert, err) &&
        copy_text(&made.key, from->key, err) &&
        copy_text(&made.unavailable, from->unavailable, err) &&
        copy_text(&made.computer, from->computer, err) &&
        copy_text(&made.replay, from->replay, err) &&
        copy_text(&made.password, from->password, err)) {
        *to = made;
        return true;
    }
    host_target_clear(&made);
    return false;
}

void host_list_keep(struct host_list *list, size_t only)
{
    for (size_t i = 0; i < list->count; i++)
        if (i != only)
            host_target_clear(&list->items[i]);
    if (only > 0) {
        list->items[0] = list->items[only];
        list->items[only] = (struct host_target){ 0 };
    }
    list->count = 1;
}

void host_list_free(struct host_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        host_target_clear(&list->items[i]);
    free(list->items);
    for (size_t i = 0; i < list->lab_count; i++) {
        sim_close(list->labs[i]);
        free(list->lab_names[i]);
    }
    free(list->labs);
    free(list->lab_names);
    *list = (struct host_list){ 0 };
}

/* ---- one host ---- */

struct host_target *list_add(struct host_list *list, struct err *err)
{
    struct host_target *items;

    if (list->count == HOST_MAX) {
        err_fail(err, ERR_INVALID, 0, "more than %d hosts", HOST_MAX);
        return NULL;
    }
    items = realloc(list->items, (list->count + 1) * sizeof(*items));
    if (!items) {
        err_no_memory(err);
        return NULL;
    }
    list->items = items;
    items[list->count] = (struct host_target){ 0 };
    return &items[list->count++];
}

bool list_has(const struct host_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_ieq(list->items[i].name, name))
            return true;
    return false;
}

/* What the command line says of all hosts wins over the inventory. */
static bool apply_options(struct host_target *target, const struct option_values *values,
                          struct err *err)
{
    static const struct {
        const char *option;
        size_t offset;
    } texts[] = {
        { "user", offsetof(struct host_target, user) },
        { "password-file", offsetof(struct host_target, password_file) },
        { "auth", offsetof(struct host_target, auth) },
        { "keytab", offsetof(struct host_target, keytab) },
        { "ca", offsetof(struct host_target, ca) },
        { "pin", offsetof(struct host_target, pin) },
        { "cert", offsetof(struct host_target, cert) },
        { "cert-key", offsetof(struct host_target, key) },
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char **to = (char **)((char *)target + texts[i].offset);
        const char *value = values_get(values, texts[i].option);

        if (!value)
            continue;
        free(*to);
        if (!copy_text(to, value, err))
            return false;
    }
    if (values_get(values, "insecure"))
        target->insecure = true;
    if (values_get(values, "cluster"))
        target->cluster = true;
    return true;
}

/* Whoever names anything of TLS, or a method that is worth nothing without, means TLS. */
static bool wants_tls(const struct host_target *target)
{
    return target->ca || target->pin || target->cert || target->insecure ||
           text_ieq(target->auth, "basic") || text_ieq(target->auth, "certificate");
}

/* A name, a name with a port, or a URL.  Without a scheme the port decides, and without a
 * port it is the one a Windows host has by default, 5985: there the log-on encrypts every
 * message, and Basic, which does not, is refused. */
bool make_url(struct host_target *target, const char *name, struct err *err)
{
    const char *host_end = name[0] == '[' ? strchr(name, ']') : name;
    const char *colon = host_end ? strchr(host_end, ':') : NULL;
    uint64_t port = wants_tls(target) ? 5986 : 5985;

    if (text_istarts(name, "http://") || text_istarts(name, "https://"))
        return copy_text(&target->url, name, err);
    if (!*name || strpbrk(name, "/\\ \t@?#") || !host_end)
        return err_fail(err, ERR_INVALID, 0, "'%.80s' is not a host", name);
    if (colon && (!text_to_u64(colon + 1, 10, &port) || port == 0 || port > 65535))
        return err_fail(err, ERR_INVALID, 0, "'%.80s' has no valid port", name);
    target->url =
        text_printf("%s://%.*s:%u/wsman", port == 5985 ? "http" : "https",
                    (int)(colon ? colon - name : (long)strlen(name)), name, (unsigned)port);
    return target->url || err_no_memory(err);
}

static bool add_replayed(struct host_list *list, const char *name, const char *path,
                         struct err *err)
{
    struct host_target *target;

    if (!*path)
        return err_fail(err, ERR_INVALID, 0, "'replay:' needs the name of a file");
    if (list_has(list, name))
        return true;
    target = list_add(list, err);
    return target && copy_text(&target->name, name, err) &&
           copy_text(&target->replay, path, err);
}

/* ---- simulated hosts ---- */

static struct sim *open_lab(struct host_list *list, const char *lab, struct err *err)
{
    struct sim_options options = { .lab = lab, .lock_wait_ms = SIM_LOCK_WAIT_MS };
    struct sim **labs;
    char **names;

    for (size_t i = 0; i < list->lab_count; i++)
        if (strcmp(list->lab_names[i], lab) == 0)
            return list->labs[i];

    labs = realloc(list->labs, (list->lab_count + 1) * sizeof(*labs));
    if (labs)
        list->labs = labs;
    names = realloc(list->lab_names, (list->lab_count + 1) * sizeof(*names));
    if (names)
        list->lab_names = names;
    if (!labs || !names) {
        err_no_memory(err);
        return NULL;
    }
    names[list->lab_count] = text_dup(lab);
    if (!names[list->lab_count]) {
        err_no_memory(err);
        return NULL;
    }
    labs[list->lab_count] = sim_open(&options, err);
    if (!labs[list->lab_count]) {
        free(names[list->lab_count]);
        err_wrap(err, "simulating the lab '%.80s'", lab);
        return NULL;
    }
    return labs[list->lab_count++];
}

/* "laptop", "server:HV-01", "fleet:200", "fleet:200:HV-003", "/path/of/lab.yaml": the last
 * part is a host unless it is a number or part of a path. */
static bool split_lab(const char *text, char **ret_lab, char **ret_host, struct err *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t number;

    if (colon && !text_to_u64(colon + 1, 10, &number) && !strpbrk(colon, "/\\")) {
        *ret_lab = text_ndup(text, (size_t)(colon - text));
        *ret_host = text_dup(colon + 1);
        return (*ret_lab && *ret_host) || err_no_memory(err);
    }
    *ret_lab = text_dup(text);
    return *ret_lab || err_no_memory(err);
}

bool add_simulated(struct host_list *list, const struct option_values *values,
                   const char *text, struct err *err)
{
    CLEANUP(free_cleanup) char *lab = NULL;
    CLEANUP(free_cleanup) char *host = NULL;
    struct sim *sim;
    bool found = false;

    if (!split_lab(text, &lab, &host, err))
        return false;
    if (!*lab)
        return err_fail(err, ERR_INVALID, 0, "'sim:' needs the name of a lab");
    sim = open_lab(list, lab, err);
    if (!sim)
        return false;
    for (size_t i = 0; i < sim_host_count(sim); i++) {
        CLEANUP(free_cleanup) char *name = NULL;
        struct host_target *target;

        if (host && !text_ieq(host, sim_host_name(sim, i)))
            continue;
        found = true;
        name = sim_host_count(sim) == 1
                   ? text_printf("sim:%s", lab)
                   : text_printf("sim:%s:%s", lab, sim_host_name(sim, i));
        if (!name)
            return err_no_memory(err);
        if (list_has(list, name))
            continue;
        target = list_add(list, err);
        if (!target)
            return false;
        target->name = TAKE(name);
        if (!copy_text(&target->url, sim_host_url(sim, i), err) ||
            !copy_text(&target->user, sim_user(sim), err) ||
            !copy_text(&target->password, sim_password(sim), err) ||
            !copy_text(&target->auth, "basic", err))
            return false;
        target->cluster = values_get(values, "cluster") != NULL;
    }
    if (found)
        return true;
    err_fail(err, ERR_NOT_FOUND, 0, "the lab '%.80s' has no host '%.80s'", lab,
             host ? host : "");
    return err_hint(err, "see them with 'hvgpu -H sim:%.80s status'", lab);
}

/* ---- the list ---- */

/* This machine under its own name, by which `undo` finds it again. */
static bool add_local(struct host_list *list, struct err *err)
{
    CLEANUP(free_cleanup) char *name = NULL;
    struct host_target *target;

    if (!wmi_is_here()) {
        err_fail(err, ERR_UNSUPPORTED, 0, "this machine runs no Hyper-V");
        return err_hint(err, "name a host with -H, or try a simulated one: -H sim:laptop");
    }
    name = os_machine_name(err);
    if (!name)
        return false;
    if (list_has(list, name))
        return true;
    target = list_add(list, err);
    if (!target)
        return false;
    target->name = TAKE(name);
    target->is_local = true;
    return true;
}

/* Who says how to log on means the way over the network. */
static bool is_this_machine(const struct option_values *values, const char *name)
{
    static const char *const log_on[] = { "user", "auth", "keytab",  "ca",
                                          "pin",  "cert", "insecure" };
    CLEANUP(free_cleanup) char *own = NULL;
    struct err ignored = ERR_INIT;

    if (!wmi_is_here())
        return false;
    for (size_t i = 0; i < ARRAY_LEN(log_on); i++)
        if (values_get(values, log_on[i]))
            return false;
    own = os_machine_name(&ignored);
    return own && text_ieq(own, name);
}

static bool in_group(const struct inventory_host *host, const char *name)
{
    for (size_t i = 0; i < host->group_count; i++)
        if (text_ieq(host->groups[i], name))
            return true;
    return false;
}

bool add_known(struct host_list *list, const struct option_values *values,
               const struct host_target *known, struct err *err)
{
    struct host_target *target;

    if (list_has(list, known->name))
        return true;
    target = list_add(list, err);
    if (!target || !host_target_copy(known, target, err))
        return false;
    return apply_options(target, values, err) &&
           (target->url || make_url(target, known->name, err));
}

/* @name may be a host or a group of the inventory, or any host. */
static bool add_named(struct host_list *list, const struct option_values *values,
                      const struct inventory_file *file, const char *name, struct err *err)
{
    struct host_target plain = { .name = (char *)(uintptr_t)name };
    bool found = false;

    if (text_istarts(name, "sim:"))
        return add_simulated(list, values, name + 4, err);
    if (text_istarts(name, "replay:"))
        return add_replayed(list, name, name + strlen("replay:"), err);
    if (text_ieq(name, "local"))
        return add_local(list, err);
    for (size_t i = 0; file && i < file->count; i++) {
        const struct inventory_host *known = &file->hosts[i];

        if (!text_ieq(known->target.name, name) && !in_group(known, name))
            continue;
        found = true;
        if (!add_known(list, values, &known->target, err))
            return false;
    }
    if (!found && is_this_machine(values, name))
        return add_local(list, err);
    return found || add_known(list, values, &plain, err);
}

/* The file of --inventory, else the user's own if there is one. */
bool read_inventory(const struct option_values *values, struct inventory_file **ret,
                    struct err *err)
{
    const char *path = values_get(values, "inventory");
    CLEANUP(free_cleanup) char *folder = NULL;
    CLEANUP(free_cleanup) char *own = NULL;
    struct err ignored = ERR_INIT;

    if (!path) {
        folder = os_config_dir(&ignored);
        own = folder ? text_printf("%s/inventory.yaml", folder) : NULL;
        if (!own || !os_file_exists(own))
            return true;
        path = own;
    }
    *ret = inventory_file_read(path, err);
    return *ret;
}

bool host_list_make(const struct option_values *values, struct host_list *list,
                    struct err *err)
{
    CLEANUP(inventory_file_cleanup) struct inventory_file *file = NULL;
    const char *name;
    size_t n = 0, named = 0;

    if (!read_inventory(values, &file, err))
        return false;
    for (; (name = values_get_nth(values, "host", n)); n++) {
        if (text_ieq(name, "auto")) {
            list->is_auto = true;
            continue;
        }
        if (!add_named(list, values, file, name, err))
            return false;
        named++;
    }
    /* Which of them follows from the cluster, so all of it counts. */
    for (size_t i = 0; list->is_auto && named > 0 && i < list->count; i++)
        list->items[i].cluster = true;
    if (named > 0)
        return true;
    if (list->is_auto && (!file || file->count == 0)) {
        err_fail(err, ERR_INVALID, 0, "'auto' needs hosts to choose from");
        return err_hint(err, "name a node of the cluster with -H, or an --inventory");
    }
    if (!file || !values_get(values, "inventory"))
        return add_local(list, err);
    for (size_t i = 0; i < file->count; i++)
        if (!add_known(list, values, &file->hosts[i].target, err))
            return false;
    if (list->count == 0)
        return err_fail(err, ERR_INVALID, 0, "the inventory names no hosts");
    return true;
}

static bool one_more(const struct host_list *list, size_t before, const char *name,
                     struct err *err)
{
    return list->count == before + 1 ||
           err_fail(err, ERR_INVALID, 0, "'%.80s' names %zu hosts, not one", name,
                    list->count - before);
}

bool host_list_name(const struct option_values *values, const char *const *names,
                    size_t count, struct host_list *list, struct err *err)
{
    CLEANUP(inventory_file_cleanup) struct inventory_file *file = NULL;

    if (!read_inventory(values, &file, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t before = list->count;

        if (!add_named(list, values, file, names[i], err) ||
            !one_more(list, before, names[i], err))
            return false;
    }
    return true;
}

bool host_list_find(struct host_list *list, const struct option_values *values,
                    const char *name, const struct host_target **ret, struct err *err)
{
    CLEANUP(inventory_file_cleanup) struct inventory_file *file = NULL;
    size_t before = list->count;

    for (size_t i = 0; i < list->count; i++)
        if (text_ieq(list->items[i].name, name)) {
            *ret = &list->items[i];
            return true;
        }
    if (!read_inventory(values, &file, err) || !add_named(list, values, file, name, err))
        return false;
    if (!one_more(list, before, name, err))
        return false;
    *ret = &list->items[before];
    return true;
}

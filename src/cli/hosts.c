/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From -H and the inventory to the list of hosts. */

#include "hosts.h"

#include <stdio.h>
#include <string.h>

#include "failover.h"
#include "os.h"
#include "sim.h"
#include "text.h"
#include "tr.h"
#include "wmi.h"

enum { HOST_MAX = 10000, SECRET_MAX = 4096, SIM_LOCK_WAIT_MS = 10 * 1000 };

void secret_free(char *secret)
{
    if (secret)
        os_wipe(secret, strlen(secret));
    free(secret);
}

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

static bool copy(char **to, const char *from, struct err *err)
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

    if (copy(&made.name, from->name, err) && copy(&made.url, from->url, err) &&
        copy(&made.user, from->user, err) &&
        copy(&made.password_file, from->password_file, err) &&
        copy(&made.keytab, from->keytab, err) && copy(&made.auth, from->auth, err) &&
        copy(&made.ca, from->ca, err) && copy(&made.pin, from->pin, err) &&
        copy(&made.cert, from->cert, err) && copy(&made.key, from->key, err) &&
        copy(&made.unavailable, from->unavailable, err) &&
        copy(&made.computer, from->computer, err) &&
        copy(&made.replay, from->replay, err) &&
        copy(&made.password, from->password, err)) {
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

/* ---- passwords ---- */

/* The first line of a file that only its owner can read. */
static bool read_password(const char *path, char **ret, struct err *err)
{
    CLEANUP(secret_cleanup) char *text = NULL;
    size_t len;

    if (os_file_exists(path) && !os_is_private_file(path)) {
        char command[ERR_TEXT];

        os_private_command(path, command, sizeof(command));
        err_fail(err, ERR_DENIED, 0, "others can read the password file '%.160s'", path);
        return err_hint(err, "%s", command);
    }
    os_forbid_dumps();
    text = os_read_file(path, SECRET_MAX, &len, err);
    if (!text)
        return err_wrap(err, "reading the password");
    text[strcspn(text, "\r\n")] = '\0';
    if (!*text)
        return err_fail(err, ERR_INVALID, 0, "the password file '%.160s' is empty", path);
    *ret = TAKE(text);
    return true;
}

/* Kerberos by name means the tickets there are; a password for it comes from a file. */
static bool wants_password(const struct host_target *target)
{
    return target->user && !target->keytab && !target->cert &&
           !(target->auth && text_ieq(target->auth, "kerberos"));
}

bool host_password(const struct host_target *target, char **ret, struct err *err)
{
    const char *environment = os_env("HVGPU_PASSWORD_FILE");
    char prompt[256];

    if (target->password)
        return copy(ret, target->password, err);
    if (target->password_file)
        return read_password(target->password_file, ret, err);
    if (environment && *environment)
        return read_password(environment, ret, err);
    if (!wants_password(target))
        return true;
    if (!os_is_terminal(0)) {
        err_fail(err, ERR_DENIED, 0, "no password for '%.80s'", target->user);
        return err_hint(err, "name a file with --password-file or HVGPU_PASSWORD_FILE");
    }
    snprintf(prompt, sizeof(prompt), _("Password of %.80s on %.80s: "), target->user,
             target->name);
    os_forbid_dumps();
    *ret = os_read_secret(prompt, err);
    return *ret;
}

bool host_list_ask(struct host_list *list, struct err *err)
{
    const char *environment = os_env("HVGPU_PASSWORD_FILE");

    if ((environment && *environment) || !os_is_terminal(0))
        return true; /* each host finds out for itself */
    for (size_t i = 0; i < list->count; i++) {
        struct host_target *target = &list->items[i];

        if (target->password || target->password_file || !wants_password(target))
            continue;
        for (size_t k = 0; k < i && !target->password; k++)
            if (!list->items[k].password_file &&
                text_ieq(list->items[k].user, target->user) &&
                !copy(&target->password, list->items[k].password, err))
                return false;
        if (!target->password && !host_password(target, &target->password, err))
            return false;
    }
    return true;
}

/* ---- one host ---- */

static struct host_target *add(struct host_list *list, struct err *err)
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

static bool has(const struct host_list *list, const char *name)
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
        if (!copy(to, value, err))
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
static bool make_url(struct host_target *target, const char *name, struct err *err)
{
    const char *host_end = name[0] == '[' ? strchr(name, ']') : name;
    const char *colon = host_end ? strchr(host_end, ':') : NULL;
    uint64_t port = wants_tls(target) ? 5986 : 5985;

    if (text_istarts(name, "http://") || text_istarts(name, "https://"))
        return copy(&target->url, name, err);
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
    if (has(list, name))
        return true;
    target = add(list, err);
    return target && copy(&target->name, name, err) && copy(&target->replay, path, err);
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

static bool add_simulated(struct host_list *list, const struct option_values *values,
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
        if (has(list, name))
            continue;
        target = add(list, err);
        if (!target)
            return false;
        target->name = TAKE(name);
        if (!copy(&target->url, sim_host_url(sim, i), err) ||
            !copy(&target->user, sim_user(sim), err) ||
            !copy(&target->password, sim_password(sim), err) ||
            !copy(&target->auth, "basic", err))
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
    if (has(list, name))
        return true;
    target = add(list, err);
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

static bool add_known(struct host_list *list, const struct option_values *values,
                      const struct host_target *known, struct err *err)
{
    struct host_target *target;

    if (has(list, known->name))
        return true;
    target = add(list, err);
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
static bool read_inventory(const struct option_values *values, struct inventory_file **ret,
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

/* ---- nodes of a cluster ---- */

/* What stands for the computer in how it is named. */
static char *named_part(const struct host_target *target)
{
    const char *at = target->name, *slashes = strstr(target->name, "://"), *end;

    if (text_istarts(at, "sim:"))
        return text_dup(strrchr(at, ':') + 1);
    if (slashes)
        at = slashes + 3;
    end = at[0] == '[' ? strchr(at, ']') : NULL;
    end = end ? end + 1 : at + strcspn(at, ":/");
    return text_ndup(at, (size_t)(end - at));
}

char *host_target_computer(const struct host_target *target)
{
    return target->computer ? text_dup(target->computer) : named_part(target);
}

static bool is_address(const char *host)
{
    return host[0] == '[' || host[strspn(host, "0123456789.")] == '\0';
}

/* @text with @computer in it replaced, behind the scheme if it has one; NULL where it is not in
 * there. */
static bool replace_computer(const char *text, const char *computer, const char *by,
                             char **ret, struct err *err)
{
    const char *slashes = text ? strstr(text, "://") : NULL;
    const char *at = text ? text_istr(slashes ? slashes + 3 : text, computer) : NULL;

    if (!at)
        return true;
    *ret = text_printf("%.*s%s%s", (int)(at - text), text, by, at + strlen(computer));
    return *ret || err_no_memory(err);
}

bool host_list_append(struct host_list *list, const struct host_target *target,
                      const char *computer, struct err *err)
{
    struct host_target *made;

    if (has(list, target->name))
        return true;
    made = add(list, err);
    if (!made || !host_target_copy(target, made, err))
        return false;
    if (!computer)
        return true;
    free(TAKE(made->computer));
    return copy(&made->computer, computer, err);
}

/* As the node that was named is reached: same port, same log-on; a pinned certificate is that
 * of the other. */
static bool derive_node(struct host_list *list, const struct host_target *seed,
                        const char *node, const char *domain, struct err *err)
{
    CLEANUP(free_cleanup) char *computer = named_part(seed);
    CLEANUP(free_cleanup) char *full = NULL;
    struct host_target made = { 0 }, *target;
    const char *dot;
    bool ok;

    if (!computer)
        return err_no_memory(err);
    dot = strchr(computer, '.');
    if (!is_address(computer))
        domain = dot ? dot + 1 : NULL;
    full = domain && *domain ? text_printf("%s.%s", node, domain) : text_dup(node);
    if (!full)
        return err_no_memory(err);
    if (!host_target_copy(seed, &made, err))
        return false;
    free(TAKE(made.name));
    free(TAKE(made.url));
    free(TAKE(made.pin));
    free(TAKE(made.computer));
    free(TAKE(made.unavailable));
    made.is_local = false;
    ok = replace_computer(seed->name, computer, full, &made.name, err) &&
         replace_computer(seed->url, computer, full, &made.url, err) &&
         (made.url || make_url(&made, full, err));
    if (ok && !made.name)
        ok = err_no_memory(err);
    if (ok && has(list, made.name)) {
        host_target_clear(&made);
        return true;
    }
    target = ok ? add(list, err) : NULL;
    if (target)
        *target = made;
    else
        host_target_clear(&made);
    return target != NULL;
}

bool host_list_add_node(struct host_list *list, const struct option_values *values,
                        const struct host_target *seed, const char *node,
                        const char *domain, struct host_target **ret, struct err *err)
{
    CLEANUP(inventory_file_cleanup) struct inventory_file *file = NULL;
    const struct host_target *known = NULL;
    bool ok;

    if (!read_inventory(values, &file, err))
        return false;
    for (size_t i = 0; file && i < file->count && !known; i++) {
        CLEANUP(free_cleanup) char *name = host_target_computer(&file->hosts[i].target);

        if (!name)
            return err_no_memory(err);
        if (hv_same_node(name, node))
            known = &file->hosts[i].target;
    }
    if (text_istarts(seed->name, "sim:")) {
        const char *end = strrchr(seed->name, ':');
        CLEANUP(free_cleanup)
        char *name =
            text_printf("%.*s:%s", (int)(end - seed->name) - 4, seed->name + 4, node);

        ok = name ? add_simulated(list, values, name, err) : err_no_memory(err);
    } else {
        ok = known ? add_known(list, values, known, err)
                   : derive_node(list, seed, node, domain, err);
    }
    for (size_t i = list->count; ok && i-- > 0;) {
        CLEANUP(free_cleanup) char *name = host_target_computer(&list->items[i]);

        if (!name)
            return err_no_memory(err);
        if (hv_same_node(name, node)) {
            *ret = &list->items[i];
            return true;
        }
    }
    return ok &&
           err_fail(err, ERR_NOT_FOUND, 0, "no way to the node '%.80s' is known", node);
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

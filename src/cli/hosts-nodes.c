/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to a node of a cluster, from the way to another node or out of the inventory. */

#include "hosts.h"
#include "hosts-parts.h"

#include <string.h>

#include "failover.h"
#include "text.h"

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

    if (list_has(list, target->name))
        return true;
    made = list_add(list, err);
    if (!made || !host_target_copy(target, made, err))
        return false;
    if (!computer)
        return true;
    free(TAKE(made->computer));
    return copy_text(&made->computer, computer, err);
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
    if (ok && list_has(list, made.name)) {
        host_target_clear(&made);
        return true;
    }
    target = ok ? list_add(list, err) : NULL;
    if (target)
        *target = made;
    else
        host_target_clear(&made);
    return target != NULL;
}

/* A full name of another domain than the cluster's, or than the one that @seed is reached in,
 * is another computer. */
static bool is_elsewhere(const char *computer, const char *seed, const char *domain)
{
    const char *dot = strchr(computer, '.');
    const char *of_seed = is_address(seed) ? NULL : strchr(seed, '.');

    return dot && (domain || of_seed) && !text_ieq(dot + 1, domain) &&
           !text_ieq(dot, of_seed);
}

/* The last of the list that is that node; NULL in *ret: none.  @seed NULL: in any domain. */
static bool find_node(struct host_list *list, const char *seed, const char *node,
                      const char *domain, struct host_target **ret, struct err *err)
{
    *ret = NULL;
    for (size_t i = list->count; !*ret && i-- > 0;) {
        CLEANUP(free_cleanup) char *name = host_target_computer(&list->items[i]);

        if (!name)
            return err_no_memory(err);
        if (hv_same_node(name, node) && !(seed && is_elsewhere(name, seed, domain)))
            *ret = &list->items[i];
    }
    return true;
}

/* Hosts of two labs may have the same names. */
static bool add_simulated_node(struct host_list *list, const struct option_values *values,
                               const struct host_target *seed, const char *node,
                               struct err *err)
{
    const char *end = strrchr(seed->name, ':');
    CLEANUP(free_cleanup)
    char *name = text_printf("%.*s:%s", (int)(end - seed->name) - 4, seed->name + 4, node);

    return name ? add_simulated(list, values, name, err) : err_no_memory(err);
}

static bool add_real_node(struct host_list *list, const struct option_values *values,
                          const struct host_target *seed, const char *node,
                          const char *domain, struct err *err)
{
    CLEANUP(inventory_file_cleanup) struct inventory_file *file = NULL;

    if (!read_inventory(values, &file, err))
        return false;
    for (size_t i = 0; file && i < file->count; i++) {
        const struct host_target *known = &file->hosts[i].target;
        CLEANUP(free_cleanup) char *name = host_target_computer(known);

        if (!name)
            return err_no_memory(err);
        if (hv_same_node(name, node))
            return add_known(list, values, known, err);
    }
    return derive_node(list, seed, node, domain, err);
}

bool host_list_add_node(struct host_list *list, const struct option_values *values,
                        const struct host_target *seed, const char *node,
                        const char *domain, struct host_target **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *named = named_part(seed);
    bool is_simulated = text_istarts(seed->name, "sim:");

    *ret = NULL;
    if (!named)
        return err_no_memory(err);
    if (!is_simulated && !find_node(list, named, node, domain, ret, err))
        return false;
    if (*ret)
        return true;
    if (is_simulated ? !add_simulated_node(list, values, seed, node, err)
                     : !add_real_node(list, values, seed, node, domain, err))
        return false;
    if (!find_node(list, NULL, node, NULL, ret, err))
        return false;
    return *ret ||
           err_fail(err, ERR_NOT_FOUND, 0, "no way to the node '%.80s' is known", node);
}

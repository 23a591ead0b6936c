/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the inventory: hosts and how to reach them, as YAML. */

#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "hosts.h"
#include "os.h"
#include "text.h"

enum { FILE_MAX = 8 * 1024 * 1024, HOSTS_MAX = 10000, GROUPS_MAX = 64 };

static void clear_host(struct inventory_host *host)
{
    host_target_clear(&host->target);
    for (size_t i = 0; i < host->group_count; i++)
        free(host->groups[i]);
    free(host->groups);
}

void inventory_file_free(struct inventory_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->count; i++)
        clear_host(&file->hosts[i]);
    free(file->hosts);
    free(file);
}

struct reading {
    const char *path;
    char *folder; /* that relative names start from */
    yaml_document_t document;
    struct inventory_file *file;
    struct host_target defaults;
    yaml_node_t *groups; /* what holds for all hosts of a group; NULL: nothing */
};

static bool wrong(const struct reading *r, const yaml_node_t *node, const char *what,
                  struct err *err)
{
    return err_fail(err, ERR_INVALID, 0, "inventory '%.160s', line %zu: %s", r->path,
                    node->start_mark.line + 1, what);
}

static const char *scalar(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE &&
                   node->data.scalar.length == strlen((char *)node->data.scalar.value)
               ? (const char *)node->data.scalar.value
               : NULL;
}

static bool set_text(char **to, const char *value, struct err *err)
{
    free(*to);
    *to = text_dup(value);
    return *to || err_no_memory(err);
}

static bool set_file(const struct reading *r, char **to, const char *value, struct err *err)
{
    bool absolute = value[0] == '/' || value[0] == '\\' || (value[0] && value[1] == ':');

    if (absolute)
        return set_text(to, value, err);
    free(*to);
    *to = text_printf("%s%s", r->folder, value);
    return *to || err_no_memory(err);
}

static bool set_groups(struct reading *r, struct inventory_host *host,
                       const yaml_node_t *node, struct err *err)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return wrong(r, node, "groups is a list of names", err);
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        const char *name = scalar(yaml_document_get_node(&r->document, *i));
        char **groups;

        if (!name || !*name || host->group_count == GROUPS_MAX)
            return wrong(r, node, "groups is a list of at most 64 names", err);
        groups = realloc(host->groups, (host->group_count + 1) * sizeof(*groups));
        if (!groups)
            return err_no_memory(err);
        host->groups = groups;
        groups[host->group_count] = text_dup(name);
        if (!groups[host->group_count])
            return err_no_memory(err);
        host->group_count++;
    }
    return true;
}

/* @host is NULL for the defaults. */
static bool set_key(struct reading *r, struct host_target *target,
                    struct inventory_host *host, const yaml_node_t *key,
                    const yaml_node_t *node, struct err *err)
{
    const char *name = scalar(key), *value = scalar(node);

    if (!name)
        return wrong(r, key, "a key is a word", err);
    if (host && strcmp(name, "groups") == 0)
        return set_groups(r, host, node, err);
    if (!value)
        return wrong(r, node, "expected one value", err);
    if (host && strcmp(name, "url") == 0)
        return set_text(&target->url, value, err);
    if (strcmp(name, "user") == 0)
        return set_text(&target->user, value, err);
    if (strcmp(name, "auth") == 0)
        return set_text(&target->auth, value, err);
    if (strcmp(name, "password_file") == 0)
        return set_file(r, &target->password_file, value, err);
    if (strcmp(name, "keytab") == 0)
        return set_file(r, &target->keytab, value, err);
    if (strcmp(name, "ca") == 0)
        return set_file(r, &target->ca, value, err);
    if (strcmp(name, "pin") == 0)
        return set_text(&target->pin, value, err);
    if (strcmp(name, "cert") == 0)
        return set_file(r, &target->cert, value, err);
    if (strcmp(name, "cert_key") == 0)
        return set_file(r, &target->key, value, err);
    if (strcmp(name, "insecure") == 0) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return wrong(r, node, "insecure is true or false", err);
        target->insecure = strcmp(value, "true") == 0;
        return true;
    }
    if (strcmp(name, "cluster") == 0) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return wrong(r, node, "cluster is true or false", err);
        target->cluster = strcmp(value, "true") == 0;
        return true;
    }
    if (strcmp(name, "password") == 0)
        return wrong(r, key, "passwords stand in a file of their own (password_file)", err);
    return wrong(
        r, key,
        "no such key (url, user, password_file, keytab, auth, ca, pin, cert, cert_key, "
        "insecure, cluster, groups)",
        err);
}

static bool set_keys(struct reading *r, struct host_target *target,
                     struct inventory_host *host, const yaml_node_t *node, struct err *err)
{
    if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0)
        return true; /* "hv-01:" alone */
    if (node->type != YAML_MAPPING_NODE)
        return wrong(r, node, "expected keys and values", err);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        if (!set_key(r, target, host, yaml_document_get_node(&r->document, pair->key),
                     yaml_document_get_node(&r->document, pair->value), err))
            return false;
    return true;
}

static yaml_node_t *find_key(struct reading *r, const yaml_node_t *map, const char *name)
{
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const char *key = scalar(yaml_document_get_node(&r->document, pair->key));

        if (key && strcmp(key, name) == 0)
            return yaml_document_get_node(&r->document, pair->value);
    }
    return NULL;
}

/* What its groups say, in the order in which the host names them; the later one wins. */
static bool set_from_groups(struct reading *r, struct host_target *target,
                            const yaml_node_t *host, struct err *err)
{
    yaml_node_t *names =
        r->groups && host->type == YAML_MAPPING_NODE ? find_key(r, host, "groups") : NULL;

    if (!names || names->type != YAML_SEQUENCE_NODE)
        return true; /* none, or wrong: set_groups() says so */
    for (yaml_node_item_t *i = names->data.sequence.items.start;
         i < names->data.sequence.items.top; i++) {
        const char *name = scalar(yaml_document_get_node(&r->document, *i));
        yaml_node_t *group = name ? find_key(r, r->groups, name) : NULL;

        if (group && !set_keys(r, target, NULL, group, err))
            return false;
    }
    return true;
}

/* Also groups that no host is in must be right. */
static bool check_groups(struct reading *r, struct err *err)
{
    if (!r->groups)
        return true;
    if (r->groups->type != YAML_MAPPING_NODE)
        return wrong(r, r->groups,
                     "'groups:' has the names of groups, with keys and values", err);
    for (yaml_node_pair_t *pair = r->groups->data.mapping.pairs.start;
         pair < r->groups->data.mapping.pairs.top; pair++) {
        struct host_target scratch = { 0 };
        bool ok = set_keys(r, &scratch, NULL,
                           yaml_document_get_node(&r->document, pair->value), err);

        host_target_clear(&scratch);
        if (!ok)
            return false;
    }
    return true;
}

static bool add_host(struct reading *r, const yaml_node_t *key, const yaml_node_t *node,
                     struct err *err)
{
    const char *name = scalar(key);
    struct inventory_host *hosts, *host;

    if (!name || !*name)
        return wrong(r, key, "a host has a name", err);
    for (size_t i = 0; i < r->file->count; i++)
        if (text_ieq(r->file->hosts[i].target.name, name))
            return wrong(r, key, "this host is named twice", err);
    if (r->file->count == HOSTS_MAX)
        return wrong(r, key, "more than 10000 hosts", err);
    hosts = realloc(r->file->hosts, (r->file->count + 1) * sizeof(*hosts));
    if (!hosts)
        return err_no_memory(err);
    r->file->hosts = hosts;
    host = &hosts[r->file->count];
    *host = (struct inventory_host){ 0 };
    if (!host_target_copy(&r->defaults, &host->target, err))
        return false;
    r->file->count++;
    return set_text(&host->target.name, name, err) &&
           set_from_groups(r, &host->target, node, err) &&
           set_keys(r, &host->target, host, node, err);
}

static bool read_document(struct reading *r, struct err *err)
{
    yaml_node_t *root = yaml_document_get_root_node(&r->document);
    yaml_node_t *defaults, *hosts;

    if (!root || root->type != YAML_MAPPING_NODE)
        return err_fail(err, ERR_INVALID, 0, "inventory '%.160s' has no 'hosts:'", r->path);
    defaults = find_key(r, root, "defaults");
    hosts = find_key(r, root, "hosts");
    r->groups = find_key(r, root, "groups");
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);

        if (value != defaults && value != hosts && value != r->groups)
            return wrong(r, yaml_document_get_node(&r->document, pair->key),
                         "no such key (defaults, groups, hosts)", err);
    }
    if (defaults && !set_keys(r, &r->defaults, NULL, defaults, err))
        return false;
    if (!check_groups(r, err))
        return false;
    if (!hosts || hosts->type != YAML_MAPPING_NODE)
        return wrong(r, hosts ? hosts : root, "'hosts:' names the hosts", err);
    for (yaml_node_pair_t *pair = hosts->data.mapping.pairs.start;
         pair < hosts->data.mapping.pairs.top; pair++)
        if (!add_host(r, yaml_document_get_node(&r->document, pair->key),
                      yaml_document_get_node(&r->document, pair->value), err))
            return false;
    return true;
}

/* The folder of @path with its separator; "" for a bare name. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *back = strrchr(path, '\\');

    if (back && (!slash || back > slash))
        slash = back;
    return text_ndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}

struct inventory_file *inventory_file_read(const char *path, struct err *err)
{
    CLEANUP(inventory_file_cleanup) struct inventory_file *file = calloc(1, sizeof(*file));
    struct reading r = { .path = path, .file = file };
    CLEANUP(free_cleanup) char *text = NULL;
    yaml_parser_t parser;
    size_t len;
    bool ok;

    text = os_read_file(path, FILE_MAX, &len, err);
    if (!text) {
        err_wrap(err, "reading the inventory");
        return NULL;
    }
    r.folder = folder_of(path);
    if (!file || !r.folder || !yaml_parser_initialize(&parser)) {
        free(r.folder);
        err_no_memory(err);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (unsigned char *)text, len);
    if (yaml_parser_load(&parser, &r.document)) {
        ok = read_document(&r, err);
        yaml_document_delete(&r.document);
    } else {
        ok = err_fail(err, ERR_INVALID, 0, "inventory '%.160s', line %zu: %s", path,
                      parser.problem_mark.line + 1,
                      parser.problem ? parser.problem : "not YAML");
    }
    yaml_parser_delete(&parser);
    host_target_clear(&r.defaults);
    free(r.folder);
    return ok ? TAKE(file) : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The "winrm" of a host in a lab: names and values as in winrm/config. */
#include "err.h"
#include "lab-yaml.h"

bool lab_read_winrm(struct reader *r, yaml_node_t *node, void *target)
{
    struct winrm_config *config = target;

    if (node->type != YAML_MAPPING_NODE)
        return fail_at(r, node, "winrm has names and values of winrm/config");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = lab_node(r, pair->key), *value = lab_node(r, pair->value);
        const char *name = key ? lab_scalar(r, key) : NULL;
        const char *text = name && value ? lab_scalar(r, value) : NULL;
        struct err why = ERR_INIT;

        if (!text)
            return false;
        if (!winrm_config_set(config, name, text, &why))
            return fail_at(r, key, "%s", why.text[0]);
    }
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoint references to object paths. */

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "err.h"
#include "names.h"
#include "schema.h"
#include "text.h"

enum { EPR_MAX_KEYS = 32 };

bool epr_start(struct epr_decoder *d, const struct xml_element *e, struct err *err)
{
    struct epr_level *at = &d->at[d->level];
    const char *name;

    if (xml_is(e, NS_ADDRESSING, "EndpointReference") && at->selector) {
        if (d->level + 1 == EPR_MAX_DEPTH)
            return err_fail(err, ERR_PROTOCOL, 0, "references are nested too deeply");
        d->level++;
        return true;
    }
    if (!xml_is(e, NS_WSMAN, "Selector"))
        return true;
    name = xml_attr(e, "", "Name");
    if (!name || !*name || at->selector)
        return err_fail(err, ERR_PROTOCOL, 0, "a reference has a selector without a name");
    at->selector = text_dup(name);
    return at->selector || err_no_memory(err);
}

static bool end_selector(struct epr_level *at, const struct xml_element *e, struct err *err)
{
    bool ok;

    if (!at->selector)
        return true;
    if (!at->keys)
        at->keys = cim_path_new(NULL, "");
    if (!at->keys)
        return err_no_memory(err);
    if (at->keys->count == EPR_MAX_KEYS)
        return err_fail(err, ERR_PROTOCOL, 0, "a reference has too many selectors");
    ok = at->inner ? cim_path_set_ref(at->keys, at->selector, at->inner, err)
                   : cim_path_set(at->keys, at->selector, e->text, err);
    cim_path_free(TAKE(at->inner));
    free(TAKE(at->selector));
    return ok;
}

/* Selectors carry no types; the schema has them. */
static bool type_keys(struct cim_path *path, struct err *err)
{
    const struct cim_class *c = cim_schema_class(path->ns, path->class_name);

    for (size_t i = 0; c && i < path->count; i++) {
        const struct cim_class_property *p = cim_schema_property(c, path->keys[i].name);
        struct cim_value *value = &path->keys[i].value, typed;

        if (!p || p->is_array || value->type != CIM_STRING || p->type == CIM_STRING)
            continue;
        typed = (struct cim_value){ .type = p->type, .is_null = true };
        if (!cim_value_add_text(&typed, value->data[0].text, err)) {
            err->kind = err->kind == ERR_INVALID ? ERR_PROTOCOL : err->kind;
            return err_wrap(err, "key '%.60s' of a reference", path->keys[i].name);
        }
        cim_value_clear(value);
        *value = typed;
    }
    return true;
}

/* `.../wmi/<namespace>/<class>`, or DMTF's `.../cim-schema/2/<class>` with the namespace in
 * a selector. */
static struct cim_path *build(struct epr_level *at, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = TAKE(at->keys);
    CLEANUP(free_cleanup) char *uri = TAKE(at->uri);
    const char *slash = uri ? strrchr(uri, '/') : NULL;

    if (!path)
        path = cim_path_new(NULL, "");
    if (!path) {
        err_no_memory(err);
        return NULL;
    }
    if (!slash || !slash[1]) {
        err_fail(err, ERR_PROTOCOL, 0, "a reference names no class");
        return NULL;
    }
    free(path->class_name);
    path->class_name = text_dup(slash + 1);
    if (text_istarts(uri, WMI_PREFIX) && slash > uri + strlen(WMI_PREFIX))
        path->ns =
            text_ndup(uri + strlen(WMI_PREFIX), (size_t)(slash - uri) - strlen(WMI_PREFIX));
    for (size_t i = 0; i < path->count; i++) {
        struct cim_property key = path->keys[i];

        if (!text_ieq(key.name, "__cimnamespace"))
            continue;
        free(path->ns);
        path->ns = text_dup(cim_path_get(path, key.name));
        free(key.name);
        cim_value_clear(&key.value);
        path->keys[i] = path->keys[--path->count];
        break;
    }
    if (!path->class_name) {
        err_no_memory(err);
        return NULL;
    }
    return type_keys(path, err) ? TAKE(path) : NULL;
}

bool epr_end(struct epr_decoder *d, const struct xml_element *e, struct err *err)
{
    struct epr_level *at = &d->at[d->level];

    if (xml_is(e, NS_WSMAN, "ResourceURI")) {
        free(at->uri);
        at->uri = text_dup(e->text);
        return at->uri || err_no_memory(err);
    }
    if (xml_is(e, NS_WSMAN, "Selector"))
        return end_selector(at, e, err);
    if (xml_is(e, NS_ADDRESSING, "EndpointReference") && d->level > 0) {
        struct cim_path *inner = build(at, err);

        d->level--;
        cim_path_free(d->at[d->level].inner);
        d->at[d->level].inner = inner;
        return inner != NULL;
    }
    return true;
}

struct cim_path *epr_take(struct epr_decoder *d, struct err *err)
{
    struct cim_path *path = build(&d->at[0], err);

    epr_clear(d);
    return path;
}

void epr_clear(struct epr_decoder *d)
{
    for (size_t i = 0; i < EPR_MAX_DEPTH; i++) {
        free(d->at[i].uri);
        free(d->at[i].selector);
        cim_path_free(d->at[i].keys);
        cim_path_free(d->at[i].inner);
    }
    *d = (struct epr_decoder){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML by tables.  libyaml gives a tree of nodes; aliases may make it a graph, even with
 * circles: the walk follows the tables, which are not recursive.
 */
#include "lab-yaml.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { LAB_BLOCK = 64 << 10, LAB_MEMORY_MAX = 96 << 20 };

struct lab_block {
    struct lab_block *next;
    size_t used, size;
    max_align_t bytes[];
};

/* ---- memory, errors ---- */

void *lab_take(struct reader *r, size_t size)
{
    struct lab_block *block = r->lab->blocks;
    void *ret;

    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (size > LAB_MEMORY_MAX - r->memory) {
        err_fail(r->err, ERR_INVALID, 0, "%s: the lab is too large", r->file);
        return NULL;
    }
    if (!block || size > block->size - block->used) {
        size_t room = size > LAB_BLOCK ? size : LAB_BLOCK;

        block = calloc(1, sizeof(*block) + room);
        if (!block) {
            err_no_memory(r->err);
            return NULL;
        }
        block->size = room;
        block->next = r->lab->blocks;
        r->lab->blocks = block;
    }
    ret = (char *)block->bytes + block->used;
    block->used += size;
    r->memory += size;
    return ret;
}

char *lab_take_text(struct reader *r, const char *text)
{
    char *ret = lab_take(r, strlen(text) + 1);

    if (ret)
        strcpy(ret, text);
    return ret;
}

yaml_node_t *lab_node(struct reader *r, int index)
{
    return yaml_document_get_node(r->document, index);
}

/* ---- texts and numbers ---- */

/* The node's text as it stands; NULL with an error. */
const char *lab_scalar(struct reader *r, yaml_node_t *node)
{
    const char *text;

    if (node->type != YAML_SCALAR_NODE) {
        fail_at(r, node, "a text or number is expected here");
        return NULL;
    }
    text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length ||
        node->data.scalar.length > LAB_TEXT_MAX) {
        fail_at(r, node, "this text is too long or holds a NUL");
        return NULL;
    }
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            fail_at(r, node, "this text holds a control character");
            return NULL;
        }
    return text;
}

/* Fills in {host} and {vm} (three digits) and {gpu}. */
char *lab_text(struct reader *r, yaml_node_t *node)
{
    const struct {
        const char *name;
        unsigned number, width;
    } words[] = {
        { "{host}", r->host_no, 3 },
        { "{vm}", r->vm_no, 3 },
        { "{gpu}", r->gpu_no, 1 },
    };
    const char *text = lab_scalar(r, node);
    char buf[LAB_TEXT_MAX + 32];
    size_t len = 0;

    if (!text)
        return NULL;
    while (*text) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (strncmp(text, words[i].name, strlen(words[i].name)) == 0) {
                if (!words[i].number) {
                    fail_at(r, node, "%s has no number here", words[i].name);
                    return NULL;
                }
                len += (size_t)snprintf(buf + len, 16, "%0*u", (int)words[i].width,
                                        words[i].number);
                text += strlen(words[i].name);
                found = true;
            }
        if (!found)
            buf[len++] = *text++;
        if (len > LAB_TEXT_MAX) {
            fail_at(r, node, "this text is too long");
            return NULL;
        }
    }
    buf[len] = 0;
    return lab_take_text(r, buf);
}

/* "64 GiB", "512 MiB", "4096" (bytes). */
static bool read_size(struct reader *r, yaml_node_t *node, uint64_t *ret)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = { { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };
    const char *text = lab_scalar(r, node);
    char digits[24];
    unsigned shift = 0;
    uint64_t value;
    size_t len;

    if (!text)
        return false;
    len = strspn(text, "0123456789");
    if (len && len < sizeof(digits)) {
        const char *unit = text + len + strspn(text + len, " ");

        memcpy(digits, text, len);
        digits[len] = 0;
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
            if (strcmp(unit, units[i].name) == 0)
                shift = units[i].shift;
        if ((shift || !*unit) && text_to_u64(digits, 10, &value) &&
            value <= UINT64_MAX >> shift) {
            *ret = value << shift;
            return true;
        }
    }
    return fail_at(r, node, "'%s' is no size; write '64 GiB', '512 MiB' or bytes", text);
}

bool lab_number(struct reader *r, yaml_node_t *node, uint64_t min, uint64_t max,
                uint64_t *ret)
{
    const char *text = lab_scalar(r, node);
    uint64_t value;

    if (!text)
        return false;
    if (!text_to_u64(text, 0, &value) || value < min || value > max)
        return fail_at(r, node, "'%s' is no number from %llu to %llu", text,
                       (unsigned long long)min, (unsigned long long)max);
    *ret = value;
    return true;
}

static bool read_bool(struct reader *r, yaml_node_t *node, bool *ret)
{
    const char *text = lab_scalar(r, node);

    if (!text)
        return false;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return fail_at(r, node, "'%s' is neither 'true' nor 'false'", text);
    *ret = text[0] == 't';
    return true;
}

/* @words ends with a NULL name. */
bool lab_word(struct reader *r, yaml_node_t *node, const struct word *words, int *ret)
{
    const char *text = lab_scalar(r, node);
    char known[160] = "";

    if (!text)
        return false;
    for (const struct word *w = words; w->name; w++) {
        if (strcmp(text, w->name) == 0) {
            *ret = w->value;
            return true;
        }
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
                 *known ? ", " : "", w->name);
    }
    return fail_at(r, node, "'%s' is none of: %s", text, known);
}

/* ---- mappings and lists by table ---- */

static bool read_key(struct reader *r, const struct key *key, yaml_node_t *node,
                     void *target)
{
    void *to = (char *)target + key->offset;
    uint64_t number = 0;

    switch (key->kind) {
    case TEXT:
        return (*(char **)to = lab_text(r, node)) != NULL;
    case BOOL:
        return read_bool(r, node, to);
    case WORD:
        return lab_word(r, node, key->words, to);
    case OTHER:
        return key->read(r, node, to);
    case SIZE_BYTES:
    case SIZE_MB:
        if (!read_size(r, node, &number))
            return false;
        if (key->kind == SIZE_MB && number & 0xfffff)
            return fail_at(r, node, "this size must be whole MiB");
        if (key->kind == SIZE_MB)
            number >>= 20;
        if (number < key->min || number > key->max)
            return fail_at(r, node, "'%s' is out of range", key->name);
        *(uint64_t *)to = number;
        return true;
    case UNSIGNED:
    case U16:
    case U32:
    case U64:
    case INT:
        if (!lab_number(r, node, key->min, key->max, &number))
            return false;
        if (key->kind == U64)
            *(uint64_t *)to = number;
        else if (key->kind == U16)
            *(uint16_t *)to = (uint16_t)number;
        else if (key->kind == INT)
            *(int *)to = (int)number;
        else
            *(uint32_t *)to = (uint32_t)number;
        return true;
    }
    return false;
}

/* @what: "a host", for errors.  "count" is the business of lab_list(). */
bool lab_map(struct reader *r, yaml_node_t *node, const char *what, const struct key *keys,
             size_t key_count, void *target)
{
    uint64_t seen = 0;

    if (node->type != YAML_MAPPING_NODE)
        return fail_at(r, node, "%s is a list of 'key: value' lines", what);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *name_node = lab_node(r, pair->key);
        const char *name = lab_scalar(r, name_node);
        size_t i;

        if (!name)
            return false;
        if (strcmp(name, "count") == 0)
            continue;
        for (i = 0; i < key_count && strcmp(name, keys[i].name) != 0; i++)
            ;
        if (i == key_count)
            return fail_at(r, name_node, "%s has no key '%s'", what, name);
        if (seen & (UINT64_C(1) << i))
            return fail_at(r, name_node, "'%s' is given twice", name);
        seen |= UINT64_C(1) << i;
        if (!read_key(r, &keys[i], lab_node(r, pair->value), target))
            return false;
    }
    for (size_t i = 0; i < key_count; i++)
        if (keys[i].required && !(seen & (UINT64_C(1) << i)))
            return fail_at(r, node, "%s needs '%s'", what, keys[i].name);
    return true;
}

/* How often an entry stands: its "count", 1 without. */
static bool entry_count(struct reader *r, yaml_node_t *node, size_t max, size_t *ret)
{
    *ret = 1;
    if (node->type != YAML_MAPPING_NODE)
        return true;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = lab_node(r, pair->key), *value = lab_node(r, pair->value);
        const char *text;
        uint64_t count;

        if (key->type != YAML_SCALAR_NODE ||
            strcmp((const char *)key->data.scalar.value, "count") != 0)
            continue;
        text = lab_scalar(r, value);
        if (!text)
            return false;
        if (strcmp(text, "N") == 0) {
            if (!r->number)
                return fail_at(r, value, "this lab needs a number: write LAB:N");
            if (r->number > max)
                return fail_at(r, value, "at most %zu are possible", max);
            *ret = r->number;
            return true;
        }
        if (!lab_number(r, value, 0, max, &count))
            return false;
        *ret = (size_t)count;
    }
    return true;
}

/* Reads a list of entries, repeating those with a count.  @read_one fills a zeroed
 * element; @counter (may be NULL) tells it the element's number within its entry. */
bool lab_list(struct reader *r, yaml_node_t *node, const char *what, size_t size,
              size_t max, unsigned *counter,
              bool (*read_one)(struct reader *r, yaml_node_t *node, void *element),
              void *ret_list, size_t *ret_count)
{
    size_t total = 0, done = 0;
    char *list;

    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(r, node, "'%s' is a list: lines that begin with '-'", what);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        size_t count;

        if (!entry_count(r, lab_node(r, *item), max, &count))
            return false;
        total += count;
        if (total > max)
            return fail_at(r, lab_node(r, *item), "more than %zu %s", max, what);
    }
    list = lab_take(r, total * size + 1);
    if (!list)
        return false;
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        yaml_node_t *entry = lab_node(r, *item);
        size_t count;

        if (!entry_count(r, entry, max, &count))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (counter)
                *counter = (unsigned)i + 1;
            if (!read_one(r, entry, list + done++ * size))
                return false;
        }
    }
    if (counter)
        *counter = 0;
    *(void **)ret_list = list;
    *ret_count = total;
    return true;
}

void lab_blocks_free(struct lab_block *blocks)
{
    for (struct lab_block *next; blocks; blocks = next) {
        next = blocks->next;
        free(blocks);
    }
}

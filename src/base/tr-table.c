/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding a translation in the program itself. */

#include "tr-table.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What Windows calls the languages that po/ calls otherwise. */
static const struct {
    const char *start, *name;
} others[] = {
    { "zh_hans", "zh_cn" },
    { "zh_sg", "zh_cn" },
};

/* "zh-Hans-CN", "zh_CN.UTF-8@pinyin" -> "zh_hans_cn", "zh_cn". */
static void normalize(const char *locale, char *ret, size_t size)
{
    size_t len = 0;

    for (; *locale && *locale != '.' && *locale != '@' && len + 1 < size; locale++)
        ret[len++] = *locale == '-' ? '_' : (char)tolower((unsigned char)*locale);
    ret[len] = '\0';
}

const struct tr_language *tr_language_find(const char *locale)
{
    char wanted[32], name[32];

    normalize(locale, wanted, sizeof(wanted));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strncmp(wanted, others[i].start, strlen(others[i].start)) == 0)
            strcpy(wanted, others[i].name);
    }
    for (const struct tr_language *at = tr_languages; *wanted && at->name; at++) {
        size_t len = strlen(wanted);

        normalize(at->name, name, sizeof(name));
        /* "zh" alone is whichever Chinese there is; "zh_TW" is not "zh_CN". */
        if (strcmp(name, wanted) == 0 ||
            (strncmp(name, wanted, len) == 0 && name[len] == '_'))
            return at;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, ((const struct tr_entry *)b)->source);
}

const char *tr_language_text(const struct tr_language *language, const char *source)
{
    const struct tr_entry *entry =
        bsearch(source, language->entries, language->count, sizeof(*entry), compare);

    return entry ? entry->text : source;
}

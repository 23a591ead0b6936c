/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Software components: AMD's OpenGL, Vulkan and OpenCL are such.
 *
 * That one is the adapter's is told by provider and version, since the link from component
 * to adapter is not in every hive.  Its package is told as the adapter's own is, by records
 * that do not depend on each other: the driver databases, the INF's bytes, paths in its
 * class key, and the notes about files that it put into Windows' folders.
 *
 * Source: MicrosoftDocs/windows-driver-docs install/using-a-component-inf-file.
 */

#include "components.h"

#include <string.h>

#include "strbuf.h"
#include "text.h"
#include "win-path.h"

static const char COMPONENT_CLASS[] = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Class\\"
                                      "{5c4c3332-344d-483c-8739-259e934c9cc8}";

/* ---- what the records say ---- */

struct votes {
    struct component *component;
    struct strbuf told;
    bool differ;
};

/* @package NULL: it does not tell. */
static bool vote(struct votes *votes, const char *source, const char *package,
                 struct err *err)
{
    struct component *one = votes->component;

    strbuf_printf(&votes->told, "%s%s: %s", votes->told.len ? "; " : "", source,
                  package ? package : "does not tell");
    if (!package)
        return true;
    votes->differ |= one->package && !text_ieq(one->package, package);
    one->votes++;
    if (!one->package)
        one->package = text_dup(package);
    return one->package || err_no_memory(err);
}

static bool ask_databases(struct votes *votes, struct driver_set *set, struct err *err)
{
    static const char *const hives[][2] = {
        { "DRIVERS", "DRIVERS hive" },
        { "SYSTEM", "SYSTEM hive's driver database" },
    };

    for (size_t i = 0; i < ARRAY_LEN(hives); i++) {
        CLEANUP(free_cleanup) char *package = NULL;

        if (!store_ask_database(set->origin, hives[i][0], votes->component->published,
                                &package, err) ||
            !vote(votes, hives[i][1], package, err))
            return false;
    }
    return true;
}

/* The first path into the store that a text of the component's class key is. */
static bool ask_class_key(struct votes *votes, struct driver_set *set, const char *key,
                          struct err *err)
{
    CLEANUP(free_cleanup) char *package = NULL;
    char **names = NULL;
    size_t count = 0;
    bool ok = source_list_reg(set->origin, key, true, &names, &count, err);

    for (size_t i = 0; ok && !package && i < count; i++) {
        char **texts = NULL;
        size_t text_count = 0;

        ok = driver_store_texts(set, key, names[i], &texts, &text_count, err);
        for (size_t k = 0; ok && !package && k < text_count; k++)
            package = win_path_store_package(texts[k]);
        hive_texts_free(texts, text_count);
    }
    hive_texts_free(names, count);
    return ok && vote(votes, "class key", package, err);
}

struct owned {
    const char *published;
    const char *expected; /* what the other records say; NULL: nothing */
    char *package;
};

static bool take_owned(const struct lockdown_note *note, void *user, struct err *err)
{
    struct owned *owned = user;

    if (owned->package || !note->package || !lockdown_is_owner(note, owned->published) ||
        (owned->expected && !text_ieq(note->package, owned->expected)))
        return true;
    owned->package = text_dup(note->package);
    return owned->package || err_no_memory(err);
}

/* Asked last: an INF may have put files from other packages too, so these notes confirm
 * what others say, and never contradict them. */
static bool ask_lockdown(struct votes *votes, struct store_index *index, struct err *err)
{
    struct owned owned = { .published = votes->component->published,
                           .expected = votes->component->package };
    bool all, ok = lockdown_each(&index->lockdown, take_owned, &owned, &all, err) &&
                   vote(votes, "PnpLockdownFiles", owned.package, err);

    free(owned.package);
    return ok;
}

static bool find_package(struct driver_set *set, struct store_index *index, const char *key,
                         struct component *one, struct err *err)
{
    struct votes votes = { .component = one };
    CLEANUP(free_cleanup) char *bytes = NULL;
    bool ok = ask_databases(&votes, set, err) &&
              store_match_inf(index, one->published, &bytes, err) &&
              vote(&votes, "published INF", bytes, err) &&
              ask_class_key(&votes, set, key, err) && ask_lockdown(&votes, index, err);

    one->told = strbuf_take(&votes.told);
    if (ok && !one->told)
        ok = err_no_memory(err);
    if (ok && votes.differ) {
        err_fail(err, ERR_CONFLICT, 0, "%s", one->told);
        ok = err_wrap(err, "the host's records of '%s' name different packages",
                      one->published);
    }
    return ok;
}

/* ---- the components ---- */

static bool consider(struct driver_set *set, struct store_index *index, const char *version,
                     const char *number, struct components *to, struct err *err)
{
    struct windows_source *source = set->origin;
    CLEANUP(free_cleanup) char *key = text_printf("%s\\%s", COMPONENT_CLASS, number);
    CLEANUP(free_cleanup) char *provider = NULL;
    CLEANUP(free_cleanup) char *registered = NULL;
    CLEANUP(free_cleanup) char *published = NULL;
    CLEANUP(free_cleanup) char *section = NULL;
    CLEANUP(free_cleanup) char *extension = NULL;
    struct component *one;

    if (!key)
        return err_no_memory(err);
    if (!source_text(source, key, "ProviderName", &provider, err) ||
        !source_text(source, key, "DriverVersion", &registered, err) ||
        !source_text(source, key, "InfPath", &published, err))
        return false;
    if (!published || !win_name_is_plain(published) || !text_ieq(provider, set->provider) ||
        !driver_versions_equal(registered, version))
        return true;
    for (size_t i = 0; i < to->count; i++)
        if (text_ieq(to->all[i].published, published))
            return true; /* one package, several components */
    if (to->count == COMPONENTS_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d software components",
                        COMPONENTS_MAX);
    if (!source_text(source, key, "InfSection", &section, err) ||
        !source_text(source, key, "InfSectionExt", &extension, err))
        return false;
    one = &to->all[to->count++];
    one->published = TAKE(published);
    if (section) {
        one->section = text_printf("%s%s", section, extension ? extension : "");
        if (!one->section)
            return err_no_memory(err);
    }
    return find_package(set, index, key, one, err);
}

bool components_read(struct driver_set *set, struct store_index *index, const char *version,
                     struct components *ret, struct err *err)
{
    char **numbers;
    size_t count;
    bool ok = true;

    if (!source_list_reg(set->origin, COMPONENT_CLASS, false, &numbers, &count, err))
        return false;
    for (size_t i = 0; ok && i < count; i++)
        if (strspn(numbers[i], "0123456789") == 4 && !numbers[i][4])
            ok = consider(set, index, version, numbers[i], ret, err);
    hive_texts_free(numbers, count);
    return ok;
}

void components_clear(struct components *components)
{
    for (size_t i = 0; i < components->count; i++) {
        free(components->all[i].published);
        free(components->all[i].section);
        free(components->all[i].package);
        free(components->all[i].told);
    }
    components->count = 0;
}

const struct component *components_of(const struct components *components,
                                      const char *package)
{
    for (size_t i = 0; i < components->count; i++)
        if (text_ieq(components->all[i].package, package))
            return &components->all[i];
    return NULL;
}

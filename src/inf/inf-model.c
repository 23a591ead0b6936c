/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an INF is, and which line of it is for a device. */

#include "inf-internal.h"

#include <string.h>

#include "text.h"

enum { MANUFACTURERS_MAX = 1000, DECORATIONS_MAX = 256 };

const char *inf_key(const struct inf *inf, const char *section, const char *key)
{
    size_t count = inf_line_count(inf, section);

    for (size_t i = 0; i < count; i++) {
        const struct inf_line *line = inf_line(inf, section, i);

        if (line->key && text_ieq(line->key, key))
            return line->fields[0];
    }
    return NULL;
}

/* ---- [Version] ---- */

static bool read_key(const struct inf *inf, const char *key, char **ret, struct err *err)
{
    const char *value = inf_key(inf, "Version", key);

    if (!value || !*value)
        return true;
    *ret = inf_expand(inf, value, err);
    return *ret != NULL;
}

/* DriverVer = mm/dd/yyyy[,w.x.y.z] -> "yyyy-mm-dd" and "w.x.y.z". */
static bool read_driver_ver(const struct inf *inf, struct inf_version *ret, struct err *err)
{
    for (size_t i = 0; i < inf_line_count(inf, "Version"); i++) {
        const struct inf_line *line = inf_line(inf, "Version", i);
        unsigned month, day, year;
        char end;

        if (!line->key || !text_ieq(line->key, "DriverVer"))
            continue;
        if (sscanf(line->fields[0], "%2u/%2u/%4u%c", &month, &day, &year, &end) == 3 &&
            month >= 1 && month <= 12 && day >= 1 && day <= 31) {
            ret->driver_date = text_printf("%04u-%02u-%02u", year, month, day);
            if (!ret->driver_date)
                return err_no_memory(err);
        }
        if (line->field_count > 1 && *line->fields[1]) {
            ret->driver_version = text_dup(line->fields[1]);
            if (!ret->driver_version)
                return err_no_memory(err);
        }
        return true;
    }
    return true;
}

static bool read_catalog(const struct inf *inf, struct inf_version *ret, struct err *err)
{
    static const char *const keys[] = { "CatalogFile", "CatalogFile.NTamd64",
                                        "CatalogFile.NTarm64", "CatalogFile.NT",
                                        "CatalogFile.NTx86" };

    for (size_t i = 0; i < ARRAY_LEN(keys) && !ret->catalog; i++)
        if (!read_key(inf, keys[i], &ret->catalog, err))
            return false;
    return true;
}

static char *models_name(const struct inf_line *manufacturer, size_t decoration)
{
    return decoration == 0 ? text_dup(manufacturer->fields[0])
                           : text_printf("%s.%s", manufacturer->fields[0],
                                         manufacturer->fields[decoration]);
}

/* A decoration may be named twice; its section counts once. */
static bool named_before(const struct inf_line *line, size_t decoration)
{
    for (size_t i = 1; i < decoration; i++)
        if (text_ieq(line->fields[i], line->fields[decoration]))
            return true;
    return false;
}

static bool count_models(const struct inf *inf, size_t *ret, struct err *err)
{
    size_t lines = inf_line_count(inf, "Manufacturer");

    for (size_t i = 0; i < lines && i < MANUFACTURERS_MAX; i++) {
        const struct inf_line *line = inf_line(inf, "Manufacturer", i);

        for (size_t d = 0; d < line->field_count && d < DECORATIONS_MAX; d++) {
            CLEANUP(free_cleanup) char *name = models_name(line, d);

            if (!name)
                return err_no_memory(err);
            if (!named_before(line, d))
                *ret += inf_line_count(inf, name);
        }
    }
    return true;
}

bool inf_read_version(const struct inf *inf, struct inf_version *ret, struct err *err)
{
    struct inf_version version = { 0 };
    const char *lockdown = inf_key(inf, "Version", "PnpLockdown");

    version.pnp_lockdown = lockdown && strcmp(lockdown, "1") == 0;
    if (!read_key(inf, "Class", &version.class_name, err) ||
        !read_key(inf, "ClassGuid", &version.class_guid, err) ||
        !read_key(inf, "Provider", &version.provider, err) ||
        !read_key(inf, "ExtensionId", &version.extension_id, err) ||
        !read_catalog(inf, &version, err) || !read_driver_ver(inf, &version, err) ||
        !count_models(inf, &version.model_count, err)) {
        inf_version_clear(&version);
        return false;
    }
    if (version.class_guid)
        text_lower(version.class_guid);
    *ret = version;
    return true;
}

void inf_version_clear(struct inf_version *version)
{
    free(version->class_name);
    free(version->class_guid);
    free(version->provider);
    free(version->driver_date);
    free(version->driver_version);
    free(version->catalog);
    free(version->extension_id);
    *version = (struct inf_version){ 0 };
}

/* ---- models ---- */

/* NT[arch][.[major][.[minor][.[product][.[suite][.[build]]]]]] */
bool inf_target_parse(const char *decoration, struct inf_target *ret)
{
    static const char *const archs[] = { "amd64", "arm64", "x86", "arm", "ia64" };
    struct inf_target target = { 0 };
    const char *at = decoration;
    unsigned numbers[5] = { 0 }; /* major, minor, product, suite, build */

    if (!text_istarts(at, "NT"))
        return false;
    at += 2;
    for (size_t i = 0; i < ARRAY_LEN(archs) && !target.arch[0]; i++) {
        if (!text_istarts(at, archs[i]))
            continue;
        snprintf(target.arch, sizeof(target.arch), "%s", archs[i]);
        at += strlen(archs[i]);
    }
    for (unsigned i = 0; *at; i++) {
        if (*at++ != '.' || i == ARRAY_LEN(numbers))
            return false;
        while (*at && *at != '.') {
            /* Product and suite may be hexadecimal; they are not used. */
            if (*at >= '0' && *at <= '9' && numbers[i] < 100000000)
                numbers[i] = numbers[i] * 10 + (unsigned)(*at - '0');
            else if (i != 2 && i != 3)
                return false;
            at++;
        }
    }
    target.major = numbers[0];
    target.minor = numbers[1];
    target.build = numbers[4];
    *ret = target;
    return true;
}

/* All Windows that hvgpu cares about is 10.0; an INF for 6.x runs on it too. */
static bool target_fits(const struct inf_target *target, const char *architecture,
                        unsigned build)
{
    if (target->arch[0] && !text_ieq(target->arch, architecture))
        return false;
    if (target->major > 10 || (target->major == 10 && target->minor > 0))
        return false;
    return build == 0 || target->major < 10 || target->build <= build;
}

static bool target_is_closer(const struct inf_target *a, const struct inf_target *b)
{
    if (a->major != b->major)
        return a->major > b->major;
    if (a->minor != b->minor)
        return a->minor > b->minor;
    if (a->build != b->build)
        return a->build > b->build;
    return a->arch[0] && !b->arch[0];
}

/* The models section of one manufacturer that fits this Windows best; NULL: none. */
static char *choose_models(const struct inf *inf, const struct inf_line *line,
                           const char *architecture, unsigned build)
{
    struct inf_target best = { 0 };
    size_t chosen = SIZE_MAX;

    for (size_t d = 1; d < line->field_count && d < DECORATIONS_MAX; d++) {
        struct inf_target target;

        if (!inf_target_parse(line->fields[d], &target) ||
            !target_fits(&target, architecture, build))
            continue;
        if (chosen == SIZE_MAX || target_is_closer(&target, &best)) {
            best = target;
            chosen = d;
        }
    }
    /* Undecorated: the answer only where there is no decorated one, as on Windows
     * since x64 (an undecorated section means x86 there). */
    if (chosen == SIZE_MAX && line->field_count == 1 &&
        inf_has_section(inf, line->fields[0]))
        chosen = 0;
    return chosen == SIZE_MAX ? NULL : models_name(line, chosen);
}

/* The forms of a PCI id, most specific first; NULL past the last. */
static char *id_form(const char *id, unsigned form)
{
    const char *last = strrchr(id, '\\');
    const char *first = strchr(id, '\\');
    size_t len = last && last != first ? (size_t)(last - id) : strlen(id);
    CLEANUP(free_cleanup) char *whole = text_ndup(id, len);
    const char *subsys, *rev;
    size_t base;

    if (!whole || form == 0)
        return TAKE(whole);
    subsys = text_istr(whole, "&SUBSYS_");
    rev = text_istr(whole, "&REV_");
    base = subsys ? (size_t)(subsys - whole) : rev ? (size_t)(rev - whole) : len;
    if (form == 1 && subsys && rev)
        return text_ndup(whole, (size_t)(rev - whole));
    if (form == 2 && subsys && rev)
        return text_printf("%.*s%s", (int)base, whole, rev);
    if (form == 3)
        return text_ndup(whole, base);
    return form < 3 ? text_dup("") : NULL;
}

static bool search_models(const struct inf *inf, const char *models, const char *id,
                          const struct inf_line **ret_line, size_t *ret_field)
{
    size_t count = inf_line_count(inf, models);

    for (size_t i = 0; i < count; i++) {
        const struct inf_line *line = inf_line(inf, models, i);

        for (size_t f = 1; f < line->field_count; f++) {
            if (!text_ieq(line->fields[f], id))
                continue;
            *ret_line = line;
            *ret_field = f;
            return true;
        }
    }
    return false;
}

bool inf_find_model(const struct inf *inf, const char *hardware_id,
                    const char *architecture, unsigned build, char **ret_models,
                    const struct inf_line **ret_line, size_t *ret_id_field, struct err *err)
{
    size_t lines = inf_line_count(inf, "Manufacturer");
    bool any = false;

    for (unsigned form = 0;; form++) {
        CLEANUP(free_cleanup) char *id = id_form(hardware_id, form);

        if (!id)
            break;
        for (size_t i = 0; *id && i < lines && i < MANUFACTURERS_MAX; i++) {
            CLEANUP(free_cleanup)
            char *models =
                choose_models(inf, inf_line(inf, "Manufacturer", i), architecture, build);

            if (!models)
                continue;
            any = true;
            if (search_models(inf, models, id, ret_line, ret_id_field)) {
                *ret_models = TAKE(models);
                return true;
            }
        }
    }
    if (!any && build)
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "the INF is not supported on this OS: no models section fits "
                        "Windows build %u on %s",
                        build, architecture);
    if (!any)
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "the INF has no models section for Windows 10 or later on %s",
                        architecture);
    err_fail(err, ERR_NOT_FOUND, 0, "the INF has no device '%s'", hardware_id);
    return err_hint(err, "the id is written like PCI\\VEN_10DE&DEV_1E07");
}

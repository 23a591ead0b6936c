/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The INF of a package: read from where the package is, parsed in a confined child, which
 * sends what the caller needs of it as JSON.  The parent checks that like foreign input.
 */

#include "package-inf.h"

#include <jansson.h>
#include <string.h>

#include "driver-set.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"
#include "win-path.h"

enum { TIMEOUT_MS = 60 * 1000, CPU_SECONDS = 60, MEMORY_BYTES = 1 << 29 };

struct parsing {
    const char *bytes;
    size_t len;
    const char *section, *architecture;
};

/* ---- the child's half ---- */

static json_t *files_to_json(const struct inf_install *install)
{
    json_t *files = json_array();

    for (size_t i = 0; files && i < install->file_count; i++) {
        const struct inf_file *file = &install->files[i];

        json_array_append_new(files,
                              json_pack("{s:s, s:i, s:s, s:s, s:i, s:b}", "source",
                                        file->source, "dirid", file->dirid, "subdir",
                                        file->subdir, "name", file->name, "rule",
                                        (int)file->rule, "listed", (int)file->is_listed));
    }
    return files;
}

static json_t *texts_to_json(char *const *texts, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < count; i++)
        json_array_append_new(array, json_string(texts[i]));
    return array;
}

static json_t *inf_to_json(const struct inf_version *v, const struct inf_install *install)
{
    return json_pack(
        "{s:s?, s:s?, s:s?, s:s?, s:s?, s:b, s:o, s:o, s:o}", "class", v->class_name,
        "class_guid", v->class_guid, "provider", v->provider, "date", v->driver_date,
        "version", v->driver_version, "install", install != NULL, "files",
        install ? files_to_json(install) : json_array(), "copy_infs",
        install ? texts_to_json(install->copy_infs, install->copy_inf_count) : json_array(),
        "unresolved",
        install ? texts_to_json(install->unresolved, install->unresolved_count)
                : json_array());
}

static bool child_open(void *user, struct err *err)
{
    json_object_seed(0); /* reads a device, which is not allowed later */
    return true;
}

static bool child_serve(void *user, const void *request, size_t len,
                        struct progress *progress, struct strbuf *answer, struct err *err)
{
    const struct parsing *parsing = user;
    CLEANUP(inf_cleanup) struct inf *inf = inf_parse(parsing->bytes, parsing->len, err);
    struct inf_version version = { 0 };
    struct inf_install install = { 0 };
    CLEANUP(free_cleanup) char *text = NULL;
    json_t *json = NULL;
    bool ok = inf && inf_read_version(inf, &version, err) &&
              (!parsing->section || inf_read_install(inf, parsing->section,
                                                     parsing->architecture, &install, err));

    if (ok) {
        json = inf_to_json(&version, parsing->section ? &install : NULL);
        text = json ? json_dumps(json, JSON_COMPACT) : NULL;
        ok = text ? true : err_fail(err, ERR_PROTOCOL, 0, "the INF is no text");
    }
    if (ok)
        strbuf_puts(answer, text);
    json_decref(json);
    inf_version_clear(&version);
    inf_install_clear(&install);
    return ok;
}

static void pack(const void *user, struct strbuf *to)
{
    const struct parsing *parsing = user;

    sandbox_pack(to, parsing->bytes, parsing->len);
    sandbox_pack_text(to, parsing->section);
    sandbox_pack_text(to, parsing->architecture);
}

static void *unpack(struct sandbox_packed *from)
{
    struct parsing *parsing = calloc(1, sizeof(*parsing));
    char *bytes, *section, *architecture;
    size_t len;

    if (!parsing || !sandbox_unpack(from, &bytes, &len) || !bytes ||
        !sandbox_unpack_text(from, &section) || !sandbox_unpack_text(from, &architecture))
        return NULL;
    *parsing = (struct parsing){ bytes, len, section, architecture };
    return parsing;
}

static const struct sandbox_job package_inf_job = { .name = "package-inf",
                                                    .open = child_open,
                                                    .serve = child_serve,
                                                    .pack = pack,
                                                    .unpack = unpack };
SANDBOX_JOB(package_inf_job)

/* ---- the parent's half ---- */

static char *dup_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text_dup(text) : NULL;
}

static bool file_from_json(const json_t *json, struct inf_file *ret)
{
    json_int_t rule = json_integer_value(json_object_get(json, "rule"));

    ret->source = dup_text(json, "source");
    ret->subdir = dup_text(json, "subdir");
    ret->name = dup_text(json, "name");
    ret->dirid = (int)json_integer_value(json_object_get(json, "dirid"));
    ret->rule = rule >= INF_EXACT && rule <= INF_ALWAYS ? (enum inf_rule)rule : INF_EXACT;
    ret->is_listed = json_is_true(json_object_get(json, "listed"));
    return ret->source && ret->subdir && ret->name;
}

static bool files_from_json(const json_t *json, struct inf_install *ret)
{
    size_t count = json_array_size(json);

    ret->files = calloc(count + 1, sizeof(*ret->files));
    for (size_t i = 0; ret->files && i < count; i++) {
        ret->file_count++;
        if (!file_from_json(json_array_get(json, i), &ret->files[i]))
            return false;
    }
    return ret->files != NULL;
}

static bool texts_from_json(const json_t *json, char ***ret, size_t *ret_count)
{
    size_t count = json_array_size(json);

    *ret = calloc(count + 1, sizeof(**ret));
    for (size_t i = 0; *ret && i < count; i++) {
        const char *text = json_string_value(json_array_get(json, i));

        (*ret)[i] = text_dup(text ? text : "");
        if (!(*ret)[i])
            return false;
        (*ret_count)++;
    }
    return *ret != NULL;
}

static bool inf_from_json(const json_t *json, struct package_inf *ret)
{
    ret->version.class_name = dup_text(json, "class");
    ret->version.class_guid = dup_text(json, "class_guid");
    ret->version.provider = dup_text(json, "provider");
    ret->version.driver_date = dup_text(json, "date");
    ret->version.driver_version = dup_text(json, "version");
    ret->has_install = json_is_true(json_object_get(json, "install"));
    return json_is_object(json) &&
           files_from_json(json_object_get(json, "files"), &ret->install) &&
           texts_from_json(json_object_get(json, "copy_infs"), &ret->install.copy_infs,
                           &ret->install.copy_inf_count) &&
           texts_from_json(json_object_get(json, "unresolved"), &ret->install.unresolved,
                           &ret->install.unresolved_count);
}

bool package_inf_parse(const char *bytes, size_t len, const char *what, const char *section,
                       const char *architecture, struct package_inf *ret, struct err *err)
{
    struct parsing parsing = { bytes, len, section, architecture };
    struct sandbox_options options = {
        .what = what,
        .job = &package_inf_job,
        .user = &parsing,
        .memory_bytes = MEMORY_BYTES,
        .cpu_seconds = CPU_SECONDS,
    };
    CLEANUP(free_cleanup) char *answer = NULL;
    struct package_inf out = { 0 };
    size_t answer_len;
    json_t *json;
    bool ok;

    if (!sandbox_run(&options, TIMEOUT_MS, NULL, &answer, &answer_len, err))
        return false;
    json = json_loadb(answer, answer_len, 0, NULL);
    ok = json && inf_from_json(json, &out);
    json_decref(json);
    if (!ok) {
        package_inf_clear(&out);
        return err_fail(err, ERR_PROTOCOL, 0, "%s: its reader answered nonsense", what);
    }
    *ret = out;
    return true;
}

bool package_inf_read(struct windows_source *source, const char *package,
                      const char *section, const char *architecture,
                      struct package_inf *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = driver_store_path(package);
    CLEANUP(free_cleanup) char *name = win_package_inf(package);
    CLEANUP(free_cleanup) char *path = folder && name ? win_path_join(folder, name) : NULL;
    CLEANUP(free_cleanup) char *what = text_printf("reading the INF of '%s'", package);
    CLEANUP(free_cleanup) char *bytes = NULL;
    size_t len;

    if (!name)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' is no name of a driver package",
                        package);
    if (!path || !what)
        return err_no_memory(err);
    if (!source->ops->read(source, path, INF_SIZE_MAX, &bytes, &len, err) ||
        !package_inf_parse(bytes, len, what, section, architecture, ret, err))
        return err_wrap(err, "INF of package '%s'", package);
    return true;
}

void package_inf_clear(struct package_inf *inf)
{
    inf_version_clear(&inf->version);
    inf_install_clear(&inf->install);
    *inf = (struct package_inf){ 0 };
}

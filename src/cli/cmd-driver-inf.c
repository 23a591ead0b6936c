/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver inf: what an INF file is and what it installs, without any host. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "inf.h"
#include "json-view.h"
#include "os.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

enum { READ_TIMEOUT_MS = 60 * 1000, LABEL_COLUMNS = 16 };

static const struct option_spec options[] = {
    { "hardware-id", 0, "ID", N_("also what it installs for this device") },
    { "build", 0, "N", N_("for this Windows build (default: the newest it knows)") },
    { "architecture", 0, "NAME", N_("amd64, arm64 or x86 (default: amd64)") },
    { NULL, 0, NULL, NULL },
};

struct question {
    const char *path, *hardware_id, *architecture;
    uint64_t build;
    char *bytes; /* of the file; owned */
    size_t len;
};

/* ---- to JSON ---- */

static json_t *or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *version_to_json(const struct inf_version *version)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "class",
                     or_null(version->class_name), "class_guid",
                     or_null(version->class_guid), "provider", or_null(version->provider),
                     "driver_date", or_null(version->driver_date), "driver_version",
                     or_null(version->driver_version), "catalog", or_null(version->catalog),
                     "extension_id", or_null(version->extension_id), "models",
                     (json_int_t)version->model_count);
}

static json_t *file_to_json(const struct inf_file *file)
{
    CLEANUP(free_cleanup) char *destination = inf_file_destination(file);

    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:b}", "source", file->source,
                     "destination", destination ? destination : "", "rule",
                     inf_rule_name(file->rule), "dirid", file->dirid, "subdir",
                     file->subdir, "flags", (json_int_t)file->flags, "listed",
                     file->is_listed);
}

static json_t *copy_to_json(const struct inf_copy_to_vm *copy)
{
    CLEANUP(free_cleanup)
    char *destination = text_printf("%%SystemRoot%%\\%s\\%s",
                                    copy->wow64 ? "SysWOW64" : "System32", copy->name);

    return json_pack("{s:s, s:s, s:s, s:s}", "source", copy->source, "destination",
                     destination ? destination : "", "rule", inf_rule_name(copy->rule),
                     "label", copy->label);
}

static json_t *value_to_json(const struct inf_value *value)
{
    json_t *texts = json_array();

    for (size_t i = 0; i < value->text_count; i++)
        json_array_append_new(texts, json_string(value->texts[i]));
    return json_pack("{s:s, s:s, s:I, s:o}", "subkey", value->subkey, "name", value->name,
                     "type", (json_int_t)value->type, "data", texts);
}

static json_t *service_to_json(const struct inf_service *service)
{
    json_t *values = json_array();

    for (size_t i = 0; i < service->value_count; i++)
        json_array_append_new(values, value_to_json(&service->values[i]));
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:o, s:o, s:o}", "name", service->name,
                     "function_driver", service->is_function_driver, "type",
                     (json_int_t)service->type, "start", (json_int_t)service->start,
                     "error_control", (json_int_t)service->error_control, "group",
                     or_null(service->group), "binary", or_null(service->binary), "values",
                     values);
}

static json_t *names_to_json(char *const *names, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(names[i]));
    return array;
}

static json_t *install_to_json(const struct inf_install *install)
{
    json_t *files = json_array(), *copies = json_array();
    json_t *values = json_array(), *services = json_array();

    for (size_t i = 0; i < install->file_count; i++)
        json_array_append_new(files, file_to_json(&install->files[i]));
    for (size_t i = 0; i < install->copy_count; i++)
        json_array_append_new(copies, copy_to_json(&install->copies[i]));
    for (size_t i = 0; i < install->value_count; i++)
        json_array_append_new(values, value_to_json(&install->values[i]));
    for (size_t i = 0; i < install->service_count; i++)
        json_array_append_new(services, service_to_json(&install->services[i]));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "hardware_id",
        install->hardware_id, "description", install->description, "models_section",
        install->models, "section", install->section, "actual_section", install->actual,
        "files", files, "copy_to_vm", copies, "values", values, "services", services,
        "copy_inf", names_to_json(install->copy_infs, install->copy_inf_count),
        "unresolved", names_to_json(install->unresolved, install->unresolved_count));
}

/* ---- the reading, confined ---- */

/* Only drivers of display adapters are hvgpu's business; an extension INF adds to one. */
static bool is_for_displays(const char *class_name)
{
    return text_ieq(class_name, "Display") || text_ieq(class_name, "Extension");
}

/* Nothing here is translated: loading a catalogue opens files. */
static bool answer_question(const struct question *question, json_t **ret, struct err *err)
{
    CLEANUP(inf_cleanup) struct inf *inf = inf_parse(question->bytes, question->len, err);
    struct inf_version version = { 0 };
    struct inf_install install = { 0 };
    bool ok = true, wanted;

    if (!inf || !inf_read_version(inf, &version, err))
        return false;
    wanted = question->hardware_id && is_for_displays(version.class_name);
    if (wanted)
        ok = inf_find_install(inf, question->hardware_id, question->architecture,
                              (unsigned)question->build, &install, err);
    if (ok) {
        *ret = json_pack("{s:s, s:o, s:o}", "schema", "hvgpu/1", "inf",
                         version_to_json(&version), "install",
                         wanted ? install_to_json(&install) : json_null());
        ok = *ret || err_no_memory(err);
    }
    inf_install_clear(&install);
    inf_version_clear(&version);
    return ok;
}

static bool open_inf(void *user, struct err *err)
{
    struct question *question = user;

    json_object_seed(0); /* reads a device, which is not allowed later */
    question->bytes = os_read_file(question->path, INF_SIZE_MAX, &question->len, err);
    return question->bytes != NULL;
}

static bool serve_inf(void *user, const void *request, size_t len,
                      struct progress *progress, struct strbuf *answer, struct err *err)
{
    json_t *document = NULL;
    CLEANUP(free_cleanup) char *text = NULL;

    (void)request;
    (void)len;
    (void)progress;
    if (!answer_question(user, &document, err))
        return false;
    text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (!text)
        return err_no_memory(err);
    strbuf_puts(answer, text);
    return true;
}

static void pack_question(const void *user, struct strbuf *to)
{
    const struct question *question = user;

    sandbox_pack_text(to, question->path);
    sandbox_pack_text(to, question->hardware_id);
    sandbox_pack_text(to, question->architecture);
    sandbox_pack(to, &question->build, sizeof(question->build));
}

static void *unpack_question(struct sandbox_packed *from)
{
    struct question *question = calloc(1, sizeof(*question));
    char *path, *hardware_id, *architecture, *build;
    size_t len;

    if (!question || !sandbox_unpack_text(from, &path) || !path ||
        !sandbox_unpack_text(from, &hardware_id) ||
        !sandbox_unpack_text(from, &architecture) || !sandbox_unpack(from, &build, &len) ||
        len != sizeof(question->build))
        return NULL;
    *question = (struct question){ .path = path,
                                   .hardware_id = hardware_id,
                                   .architecture = architecture };
    memcpy(&question->build, build, sizeof(question->build));
    free(build);
    return question;
}

static const struct sandbox_job inf_job = { .name = "inf",
                                            .open = open_inf,
                                            .serve = serve_inf,
                                            .pack = pack_question,
                                            .unpack = unpack_question };
SANDBOX_JOB(inf_job)

/* ---- for people ---- */

static void print_inf(struct output *out, const json_t *inf)
{
    static const struct {
        const char *key, *label;
    } fields[] = {
        { "class", N_("class") },
        { "class_guid", N_("class GUID") },
        { "provider", N_("provider") },
        { "driver_version", N_("driver version") },
        { "driver_date", N_("driver date") },
        { "catalog", N_("catalog") },
        { "models", N_("models") },
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        view_field(out, LABEL_COLUMNS, _(fields[i].label), inf, fields[i].key);
}

static bool print_files(struct output *out, const char *title, const json_t *files,
                        struct err *err)
{
    static const struct column columns[] = {
        { N_("SOURCE"), 0 }, { N_("DESTINATION"), 0 }, { N_("RULE"), 0 }, { NULL, 0 }
    };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *file;
    size_t i;

    if (!table)
        return false;
    json_array_foreach(files, i, file)
    {
        table_cell(table, view_text(file, "source"));
        table_cell(table, view_text(file, "destination"));
        table_cell(table, view_text(file, "rule"));
    }
    if (!table_row_count(table))
        return true;
    output_text(out, "\n");
    output_heading(out, title);
    return table_print(table, out, err);
}

static bool print_install(struct output *out, const json_t *install, struct err *err)
{
    const json_t *files = json_object_get(install, "files"), *file, *name;
    size_t i;

    output_text(out, "\n");
    view_field(out, LABEL_COLUMNS, _("device"), install, "description");
    view_field(out, LABEL_COLUMNS, _("hardware id"), install, "hardware_id");
    view_field(out, LABEL_COLUMNS, _("models section"), install, "models_section");
    view_field(out, LABEL_COLUMNS, _("section"), install, "actual_section");
    if (!print_files(out, _("Files"), files, err) ||
        !print_files(out, _("Windows' own copier would bring to a guest"),
                     json_object_get(install, "copy_to_vm"), err))
        return false;
    json_array_foreach(files, i, file) if (!json_is_true(json_object_get(file, "listed")))
        output_note(out, _("'%s' is copied but not in SourceDisksFiles.\n"),
                    view_text(file, "source"));
    json_array_foreach(json_object_get(install, "unresolved"), i, name)
        output_note(out, _("Section '%s' is not in this file.\n"), json_string_value(name));
    return true;
}

static bool check(const struct invocation *in, struct err *err)
{
    static const char *const architectures[] = { "amd64", "arm64", "x86" };
    const char *architecture = option_get(in, "architecture");
    const char *hardware_id = option_get(in, "hardware-id");
    bool known = !architecture;
    uint64_t build = 0;

    if (!option_get_u64(in, "build", &build, err))
        return false;
    if (option_get(in, "build") && (build == 0 || build > UINT32_MAX))
        return err_fail(err, ERR_INVALID, 0,
                        _("--build takes the build of a Windows, such as 22631"));
    for (size_t i = 0; !known && i < ARRAY_LEN(architectures); i++)
        known = strcmp(architecture, architectures[i]) == 0;
    if (!known)
        return err_fail(err, ERR_INVALID, 0, _("--architecture takes amd64, arm64 or x86"));
    if (hardware_id && !*hardware_id)
        return err_fail(err, ERR_INVALID, 0,
                        _("--hardware-id takes an id such as PCI\\VEN_10DE&DEV_2860"));
    return true;
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct question question = { .path = in->operands[0],
                                 .hardware_id = option_get(in, "hardware-id"),
                                 .architecture = option_get(in, "architecture") };
    CLEANUP(free_cleanup) char *answer = NULL;
    struct sandbox_options sandbox = { .what = "this file",
                                       .job = &inf_job,
                                       .user = &question };
    const char *class_name;
    json_t *document;
    size_t len = 0;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!option_get_u64(in, "build", &question.build, err))
        return false;
    if (!question.architecture)
        question.architecture = "amd64";
    if (!sandbox_run(&sandbox, READ_TIMEOUT_MS, NULL, &answer, &len, err))
        return err_wrap(err, "'%.200s'", question.path);
    document = json_loadb(answer, len, 0, NULL);
    if (!document)
        return err_fail(err, ERR_PROTOCOL, 0, _("the reader of '%s' answered nonsense"),
                        question.path);
    class_name = view_text(json_object_get(document, "inf"), "class");
    if (!is_for_displays(class_name)) {
        err_fail(err, ERR_UNSUPPORTED, 0, _("'%.200s' is of class '%.60s', not Display"),
                 question.path, class_name ? class_name : "");
        json_decref(document);
        return err_hint(err, _("give the INF of a display driver, such as nv_dispi.inf"));
    }
    *ret_exit = STATUS_DONE;
    if (in->json)
        return output_json(in->out, document, err);
    print_inf(in->out, json_object_get(document, "inf"));
    ok = !question.hardware_id ||
         print_install(in->out, json_object_get(document, "install"), err);
    json_decref(document);
    return ok;
}

const struct command cmd_driver_inf = {
    .name = "driver inf",
    .operands = "FILE",
    .summary = N_("what an INF file installs"),
    .options = options,
    .check = check,
    .run = run,
};

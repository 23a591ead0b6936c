/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a DDInstall section installs: files, registry values, services. */

#include "inf-internal.h"

#include <string.h>

#include "text.h"

enum {
    RESULTS_MAX = 100000,
    NEEDS_MAX = 64, /* sections followed through Needs */
};

/* COPYFLG_* of setupapi.h, and SPSVCINST_ASSOCSERVICE. */
enum {
    COPY_NO_OVERWRITE = 0x10,
    COPY_NO_VERSION_DIALOG = 0x20,
    COPY_OVERWRITE_OLDER_ONLY = 0x40,
    ADDREG_APPEND = 0x8,
    ADDREG_KEY_ONLY = 0x10,
    ADDREG_BINARY = 0x1,
    SERVICE_IS_FUNCTION_DRIVER = 0x2,
};

/* clang-format off */
static const char *const rule_names[] = {
    [INF_EXACT] = "exact",
    [INF_NEWER] = "newer",
    [INF_ABSENT] = "absent",
    [INF_ALWAYS] = "always",
};
static const struct {
    const char *subkey;
    enum inf_rule rule;
    bool wow64;
} vm_subkeys[] = {
    { "CopyToVmOverwrite", INF_ALWAYS, false },
    { "CopyToVmWhenNewer", INF_NEWER, false },
    { "CopyToVmOverwriteWow64", INF_ALWAYS, true },
    { "CopyToVmWhenNewerWow64", INF_NEWER, true },
};
static const struct {
    int dirid;
    const char *path;
} dir_names[] = {
    { INF_DIR_SOURCE, "<package>" },
    { INF_DIR_WINDOWS, "%SystemRoot%" },
    { INF_DIR_SYSTEM32, "%SystemRoot%\\System32" },
    { INF_DIR_DRIVERS, "%SystemRoot%\\System32\\drivers" },
    { INF_DIR_STORE, "<package>" },
    { INF_DIR_INF, "%SystemRoot%\\INF" },
    { INF_DIR_SYSTEM_DRIVE, "%SystemDrive%" },
    { INF_DIR_PROGRAM_FILES, "%ProgramFiles%" },
    { INF_DIR_SYSWOW64, "%SystemRoot%\\SysWOW64" },
    { INF_DIR_PROGRAM_FILES_X86, "%ProgramFiles(x86)%" },
    { INF_DIR_COMMON_FILES, "%CommonProgramFiles%" },
};
/* clang-format on */

const char *inf_rule_name(enum inf_rule rule)
{
    return rule_names[rule];
}

/* Makes room for one more; false at the limit or without memory. */
static bool grow(void **items, size_t count, size_t item_size)
{
    void *grown;

    if (count >= RESULTS_MAX)
        return false;
    if (count & (count - 1)) /* sizes are powers of two: room is left */
        return true;
    grown = realloc(*items, (count ? count * 2 : 1) * item_size);
    if (!grown)
        return false;
    *items = grown;
    return true;
}

static bool too_much(struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0,
                    "out of memory, or the INF names more than %d things", RESULTS_MAX);
}

static bool add_text(char ***texts, size_t *count, const char *text, struct err *err)
{
    if (!grow((void **)texts, *count, sizeof(**texts)))
        return too_much(err);
    (*texts)[*count] = text_dup(text);
    if (!(*texts)[*count])
        return err_no_memory(err);
    ++*count;
    return true;
}

static bool add_text_once(char ***texts, size_t *count, const char *text, struct err *err)
{
    for (size_t i = 0; i < *count; i++)
        if (text_ieq((*texts)[i], text))
            return true;
    return add_text(texts, count, text, err);
}

static const char *field(const struct inf_line *line, size_t i)
{
    return i < line->field_count ? line->fields[i] : "";
}

/* A number field after its tokens were replaced: "0x00010008", "%REG_DWORD%". */
static bool number_field(const struct inf *inf, const char *text, uint32_t *ret,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *expanded = inf_expand(inf, text, err);
    uint64_t value = 0;

    if (!expanded)
        return false;
    if (*expanded && !text_to_u64(expanded, 0, &value))
        value = 0; /* not a number: as if it were not there, like SetupAPI */
    *ret = (uint32_t)value;
    return true;
}

/* ---- files ---- */

/* "13,NvCamera" of [DestinationDirs] for a file list. */
static bool destination_of(const struct inf *inf, const char *list, int *ret_dirid,
                           char **ret_subdir, struct err *err)
{
    const struct inf_line *found = NULL, *fallback = NULL;
    size_t count = inf_line_count(inf, "DestinationDirs");
    CLEANUP(free_cleanup) char *dirid = NULL;
    uint64_t number = INF_DIR_SYSTEM32; /* what SetupAPI takes when nothing is said */

    for (size_t i = 0; i < count && !found; i++) {
        const struct inf_line *line = inf_line(inf, "DestinationDirs", i);

        if (line->key && list && text_ieq(line->key, list))
            found = line;
        else if (line->key && text_ieq(line->key, "DefaultDestDir"))
            fallback = line;
    }
    if (!found)
        found = fallback;
    if (found) {
        dirid = inf_expand(inf, field(found, 0), err);
        if (!dirid)
            return false;
        if (!text_to_u64(dirid, 0, &number) || number > 0xFFFF)
            number = 0; /* -1 (absolute) and what is no dirid: shown, never used */
    }
    *ret_dirid = (int)number;
    *ret_subdir = found ? inf_expand(inf, field(found, 1), err) : text_dup("");
    if (!*ret_subdir)
        return found ? false : err_no_memory(err);
    return true;
}

/* "1,NvCamera" of [SourceDisksFiles] for a source file; false: not listed there. */
static const struct inf_line *source_disk_line(const struct inf *inf, const char *file,
                                               const char *architecture)
{
    CLEANUP(free_cleanup)
    char *decorated = text_printf("SourceDisksFiles.%s", architecture);
    const char *const sections[] = { decorated, "SourceDisksFiles" };

    for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
        size_t count = sections[s] ? inf_line_count(inf, sections[s]) : 0;

        for (size_t i = 0; i < count; i++) {
            const struct inf_line *line = inf_line(inf, sections[s], i);

            if (line->key && text_ieq(line->key, file))
                return line;
        }
    }
    return NULL;
}

static enum inf_rule rule_of_flags(uint32_t flags)
{
    if (flags & COPY_NO_OVERWRITE)
        return INF_ABSENT;
    if (flags & (COPY_NO_VERSION_DIALOG | COPY_OVERWRITE_OLDER_ONLY))
        return INF_NEWER;
    return INF_EXACT;
}

static bool add_file(const struct inf *inf, struct inf_install *out, const char *list,
                     const char *name, const char *source, uint32_t flags,
                     const char *architecture, struct err *err)
{
    const struct inf_line *disk;
    struct inf_file *file;
    const char *folder;

    if (!grow((void **)&out->files, out->file_count, sizeof(*out->files)))
        return too_much(err);
    file = &out->files[out->file_count];
    *file = (struct inf_file){ .flags = flags, .rule = rule_of_flags(flags) };
    out->file_count++;

    disk = source_disk_line(inf, source, architecture);
    folder = disk ? field(disk, 1) : "";
    while (*folder == '\\')
        folder++;
    file->is_listed = disk != NULL;
    file->source = *folder ? text_printf("%s\\%s", folder, source) : text_dup(source);
    file->name = text_dup(name);
    if (!file->source || !file->name)
        return err_no_memory(err);
    return destination_of(inf, list, &file->dirid, &file->subdir, err);
}

/* One name of a CopyFiles directive: a list section, or "@file". */
static bool read_copy_files(const struct inf *inf, struct inf_install *out,
                            const char *list, const char *architecture, struct err *err)
{
    size_t count;

    if (list[0] == '@')
        return add_file(inf, out, NULL, list + 1, list + 1, 0, architecture, err);
    if (!inf_has_section(inf, list))
        return add_text_once(&out->unresolved, &out->unresolved_count, list, err);
    count = inf_line_count(inf, list);
    for (size_t i = 0; i < count; i++) {
        const struct inf_line *line = inf_line(inf, list, i);
        CLEANUP(free_cleanup) char *name = inf_expand(inf, field(line, 0), err);
        CLEANUP(free_cleanup) char *source = inf_expand(inf, field(line, 1), err);
        uint32_t flags;

        if (!name || !source || !number_field(inf, field(line, 3), &flags, err))
            return false;
        if (*name && !add_file(inf, out, list, name, *source ? source : name, flags,
                               architecture, err))
            return false;
    }
    return true;
}

/* ---- registry ---- */

static struct inf_value *find_value(struct inf_value *values, size_t count,
                                    const char *subkey, const char *name)
{
    for (size_t i = count; i-- > 0;)
        if (text_ieq(values[i].subkey, subkey) && text_ieq(values[i].name, name))
            return &values[i];
    return NULL;
}

static void clear_value(struct inf_value *value)
{
    for (size_t i = 0; i < value->text_count; i++)
        free(value->texts[i]);
    free(value->texts);
    free(value->subkey);
    free(value->name);
}

/* The registry type that an AddReg line's flags mean. */
static uint32_t type_of_flags(uint32_t flags)
{
    if (flags & ADDREG_BINARY) /* the high word is the type; 0 is REG_BINARY */
        return flags >> 16 ? flags >> 16 : 3;
    switch (flags >> 16) {
    case 1:
        return 7; /* REG_MULTI_SZ */
    case 2:
        return 2; /* REG_EXPAND_SZ */
    default:
        return 1;
    }
}

/* HKR, subkey, name, flags, data... */
static bool read_add_reg(const struct inf *inf, const struct inf_line *line,
                         struct inf_value **values, size_t *count, struct err *err)
{
    CLEANUP(free_cleanup) char *subkey = inf_expand(inf, field(line, 1), err);
    CLEANUP(free_cleanup) char *name = inf_expand(inf, field(line, 2), err);
    struct inf_value *value;
    uint32_t flags;

    if (!subkey || !name || !number_field(inf, field(line, 3), &flags, err))
        return false;
    if (flags & ADDREG_KEY_ONLY && !(flags & ADDREG_BINARY))
        return true;
    value = find_value(*values, *count, subkey, name);
    if (!value) {
        if (!grow((void **)values, *count, sizeof(**values)))
            return too_much(err);
        value = &(*values)[(*count)++];
        *value = (struct inf_value){ .subkey = TAKE(subkey), .name = TAKE(name) };
    } else if (!(flags & ADDREG_APPEND)) {
        while (value->text_count)
            free(value->texts[--value->text_count]);
    }
    if (!(flags & ADDREG_APPEND) || !value->text_count)
        value->type = type_of_flags(flags & ~(uint32_t)ADDREG_APPEND);

    for (size_t i = 4; i < line->field_count; i++) {
        CLEANUP(free_cleanup) char *text = inf_expand(inf, line->fields[i], err);

        if (!text || !add_text(&value->texts, &value->text_count, text, err))
            return false;
    }
    return true;
}

static bool read_add_reg_list(const struct inf *inf, const char *list,
                              struct inf_value **values, size_t *count, char ***unresolved,
                              size_t *unresolved_count, struct err *err)
{
    size_t lines = inf_line_count(inf, list);

    if (!inf_has_section(inf, list))
        return add_text_once(unresolved, unresolved_count, list, err);
    for (size_t i = 0; i < lines; i++) {
        const struct inf_line *line = inf_line(inf, list, i);

        if (text_ieq(field(line, 0), "HKR") && !read_add_reg(inf, line, values, count, err))
            return false;
    }
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '\\');

    return slash ? slash + 1 : path;
}

static bool pick_copies(struct inf_install *out, struct err *err)
{
    for (size_t i = 0; i < out->value_count; i++) {
        const struct inf_value *value = &out->values[i];

        for (size_t k = 0; k < ARRAY_LEN(vm_subkeys); k++) {
            const char *name;
            struct inf_copy_to_vm *copy;

            if (!text_ieq(value->subkey, vm_subkeys[k].subkey) || !value->text_count)
                continue;
            if (!grow((void **)&out->copies, out->copy_count, sizeof(*out->copies)))
                return too_much(err);
            name = value->text_count > 1 && *value->texts[1] ? value->texts[1]
                                                             : base_name(value->texts[0]);
            copy = &out->copies[out->copy_count++];
            *copy = (struct inf_copy_to_vm){ .label = text_dup(value->name),
                                             .source = text_dup(value->texts[0]),
                                             .name = text_dup(name),
                                             .wow64 = vm_subkeys[k].wow64,
                                             .rule = vm_subkeys[k].rule };
            if (!copy->label || !copy->source || !copy->name)
                return err_no_memory(err);
        }
    }
    return true;
}

/* ---- services ---- */

static bool read_service_section(const struct inf *inf, const char *section,
                                 struct inf_service *service, struct inf_install *out,
                                 struct err *err)
{
    struct {
        const char *key;
        uint32_t *number;
        char **text;
    } const keys[] = {
        { "ServiceType", &service->type, NULL },
        { "StartType", &service->start, NULL },
        { "ErrorControl", &service->error_control, NULL },
        { "LoadOrderGroup", NULL, &service->group },
        { "ServiceBinary", NULL, &service->binary },
    };
    size_t lines = inf_line_count(inf, section);

    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        const char *value = inf_key(inf, section, keys[k].key);

        if (!value)
            continue;
        if (keys[k].number && !number_field(inf, value, keys[k].number, err))
            return false;
        if (keys[k].text && !(*keys[k].text = inf_expand(inf, value, err)))
            return false;
    }
    for (size_t i = 0; i < lines; i++) {
        const struct inf_line *line = inf_line(inf, section, i);

        if (!line->key || !text_ieq(line->key, "AddReg"))
            continue;
        for (size_t f = 0; f < line->field_count; f++)
            if (*line->fields[f] &&
                !read_add_reg_list(inf, line->fields[f], &service->values,
                                   &service->value_count, &out->unresolved,
                                   &out->unresolved_count, err))
                return false;
    }
    return true;
}

/* AddService = name, flags, section[, event log section] */
static bool read_services(const struct inf *inf, const char *section,
                          struct inf_install *out, struct err *err)
{
    CLEANUP(free_cleanup) char *name = text_printf("%s.Services", section);
    size_t lines = name ? inf_line_count(inf, name) : 0;

    if (!name)
        return err_no_memory(err);
    for (size_t i = 0; i < lines; i++) {
        const struct inf_line *line = inf_line(inf, name, i);
        struct inf_service *service;
        uint32_t flags;

        if (!line->key || !text_ieq(line->key, "AddService") || !*field(line, 0))
            continue;
        if (!grow((void **)&out->services, out->service_count, sizeof(*out->services)))
            return too_much(err);
        service = &out->services[out->service_count++];
        *service = (struct inf_service){ 0 };
        if (!number_field(inf, field(line, 1), &flags, err))
            return false;
        service->is_function_driver = flags & SERVICE_IS_FUNCTION_DRIVER;
        service->name = inf_expand(inf, field(line, 0), err);
        if (!service->name || !read_service_section(inf, field(line, 2), service, out, err))
            return false;
    }
    return true;
}

/* ---- the section ---- */

struct needs {
    const char *names[NEEDS_MAX];
    size_t count;
};

static bool read_section(const struct inf *inf, const char *section,
                         const char *architecture, struct inf_install *out,
                         struct needs *needs, struct err *err);

/* Needs names sections, mostly of INFs that Windows itself has (Include).  Only those
 * in this file can be followed; the others are told to the caller. */
static bool follow_need(const struct inf *inf, const char *section,
                        const char *architecture, struct inf_install *out,
                        struct needs *needs, struct err *err)
{
    for (size_t i = 0; i < needs->count; i++)
        if (text_ieq(needs->names[i], section))
            return true;
    if (!inf_has_section(inf, section) || needs->count == NEEDS_MAX)
        return add_text_once(&out->unresolved, &out->unresolved_count, section, err);
    needs->names[needs->count++] = section;
    return read_section(inf, section, architecture, out, needs, err);
}

static bool read_directive(const struct inf *inf, const char *key, const char *value,
                           const char *architecture, struct inf_install *out,
                           struct needs *needs, struct err *err)
{
    if (text_ieq(key, "CopyFiles"))
        return read_copy_files(inf, out, value, architecture, err);
    if (text_ieq(key, "AddReg"))
        return read_add_reg_list(inf, value, &out->values, &out->value_count,
                                 &out->unresolved, &out->unresolved_count, err);
    if (text_ieq(key, "CopyINF"))
        return add_text_once(&out->copy_infs, &out->copy_inf_count, value, err);
    if (text_ieq(key, "Needs"))
        return follow_need(inf, value, architecture, out, needs, err);
    return true;
}

static bool read_section(const struct inf *inf, const char *section,
                         const char *architecture, struct inf_install *out,
                         struct needs *needs, struct err *err)
{
    size_t lines = inf_line_count(inf, section);

    for (size_t i = 0; i < lines; i++) {
        const struct inf_line *line = inf_line(inf, section, i);

        for (size_t f = 0; line->key && f < line->field_count; f++)
            if (*line->fields[f] && !read_directive(inf, line->key, line->fields[f],
                                                    architecture, out, needs, err))
                return false;
    }
    return true;
}

/* "Section001" -> "Section001.ntamd64" or ".nt" where those exist. */
static char *actual_section(const struct inf *inf, const char *section,
                            const char *architecture)
{
    CLEANUP(free_cleanup) char *by_arch = text_printf("%s.NT%s", section, architecture);
    CLEANUP(free_cleanup) char *by_nt = text_printf("%s.NT", section);

    if (by_arch && inf_has_section(inf, by_arch))
        return TAKE(by_arch);
    if (by_nt && inf_has_section(inf, by_nt))
        return TAKE(by_nt);
    return text_dup(section);
}

bool inf_read_install(const struct inf *inf, const char *section, const char *architecture,
                      struct inf_install *ret, struct err *err)
{
    struct inf_install out = { 0 };
    struct needs needs = { 0 };

    out.section = text_dup(section);
    out.actual = actual_section(inf, section, architecture);
    if (!out.section || !out.actual)
        err_no_memory(err);
    else if (!inf_has_section(inf, out.actual))
        err_fail(err, ERR_PROTOCOL, 0, "the INF has no section [%s]", out.actual);
    else if (follow_need(inf, out.actual, architecture, &out, &needs, err) &&
             pick_copies(&out, err) && read_services(inf, out.actual, &out, err)) {
        *ret = out;
        return true;
    }
    inf_install_clear(&out);
    return false;
}

bool inf_find_install(const struct inf *inf, const char *hardware_id,
                      const char *architecture, unsigned build, struct inf_install *ret,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *models = NULL;
    CLEANUP(free_cleanup) char *description = NULL;
    CLEANUP(free_cleanup) char *id = NULL;
    const struct inf_line *line;
    struct inf_install out;
    size_t id_field;

    if (!inf_find_model(inf, hardware_id, architecture, build, &models, &line, &id_field,
                        err))
        return false;
    description = inf_expand(inf, line->key ? line->key : "", err);
    id = text_dup(line->fields[id_field]);
    if (!description || !id)
        return description ? err_no_memory(err) : false;
    if (!inf_read_install(inf, line->fields[0], architecture, &out, err))
        return err_wrap(err, "device '%s'", line->fields[id_field]);
    out.description = TAKE(description);
    out.hardware_id = TAKE(id);
    out.models = TAKE(models);
    *ret = out;
    return true;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_values(struct inf_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        clear_value(&values[i]);
    free(values);
}

void inf_install_clear(struct inf_install *install)
{
    for (size_t i = 0; i < install->file_count; i++) {
        free(install->files[i].source);
        free(install->files[i].subdir);
        free(install->files[i].name);
    }
    for (size_t i = 0; i < install->copy_count; i++) {
        free(install->copies[i].label);
        free(install->copies[i].source);
        free(install->copies[i].name);
    }
    for (size_t i = 0; i < install->service_count; i++) {
        free(install->services[i].name);
        free(install->services[i].group);
        free(install->services[i].binary);
        free_values(install->services[i].values, install->services[i].value_count);
    }
    free_values(install->values, install->value_count);
    free(install->files);
    free(install->copies);
    free(install->services);
    free_texts(install->copy_infs, install->copy_inf_count);
    free_texts(install->unresolved, install->unresolved_count);
    free(install->description);
    free(install->hardware_id);
    free(install->section);
    free(install->actual);
    free(install->models);
    *install = (struct inf_install){ 0 };
}

char *inf_file_destination(const struct inf_file *file)
{
    const char *dir = NULL;
    char number[16];

    for (size_t i = 0; i < ARRAY_LEN(dir_names); i++)
        if (dir_names[i].dirid == file->dirid)
            dir = dir_names[i].path;
    if (!dir) {
        snprintf(number, sizeof(number), "%%%d%%", file->dirid);
        dir = number;
    }
    return text_printf("%s%s%s\\%s", dir, *file->subdir ? "\\" : "", file->subdir,
                       file->name);
}

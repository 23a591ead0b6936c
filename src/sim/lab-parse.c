/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files: what stands in them, key by key.  docs/man/hvgpu-lab.5 tells users.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lab-yaml.h"
#include "text.h"

/* ---- hosts ---- */

static bool read_registry_value(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        { "key", TEXT, offsetof(struct sim_registry_value, key), .required = true },
        { "name", TEXT, offsetof(struct sim_registry_value, name), .required = true },
        { "number", U32, offsetof(struct sim_registry_value, number), 0, UINT32_MAX },
        { "text", TEXT, offsetof(struct sim_registry_value, text) },
    };
    struct sim_registry_value *value = target;

    if (!lab_map(r, node, "a registry value", keys, ARRAY_LEN(keys), value))
        return false;
    if (!text_istarts(value->key, "HKLM\\"))
        return fail_at(r, node, "'%s' does not begin with HKLM\\", value->key);
    return true;
}

static bool read_registry(struct reader *r, yaml_node_t *node, void *target)
{
    struct sim_machine *machine = target;

    return lab_list(r, node, "registry", sizeof(*machine->registry), LAB_REGISTRY_MAX, NULL,
                    read_registry_value, &machine->registry, &machine->registry_count);
}

static bool read_reason(struct reader *r, yaml_node_t *node, void *target)
{
    const char **reason = target;

    return (*reason = lab_text(r, node)) != NULL;
}

static bool read_iov_reasons(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_host *host = target;

    return lab_list(r, node, "iov_reasons", sizeof(*host->iov_reasons), LAB_REASON_MAX,
                    NULL, read_reason, &host->iov_reasons, &host->iov_reason_count);
}

static bool read_host(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        { "name", TEXT, offsetof(struct lab_host, name), .required = true },
        { "product", TEXT, offsetof(struct lab_host, product), .required = true },
        { "edition", TEXT, offsetof(struct lab_host, edition), .required = true },
        { "build", UNSIGNED, offsetof(struct lab_host, build), 9200, 99999,
          .required = true },
        { "ubr", UNSIGNED, offsetof(struct lab_host, ubr), 0, 99999 },
        { "locale", TEXT, offsetof(struct lab_host, locale) },
        { "winrm", OTHER, offsetof(struct lab_host, winrm), .read = lab_read_winrm },
        { "domain", TEXT, offsetof(struct lab_host, domain) },
        { "cluster", TEXT, offsetof(struct lab_host, cluster) },
        { "hyperv", BOOL, offsetof(struct lab_host, hyperv) },
        { "job_ms", UNSIGNED, offsetof(struct lab_host, job_ms), 0, 600000 },
        { "device_ms", UNSIGNED, offsetof(struct lab_host, device_ms), 0, 86400000 },
        { "address_bits", UNSIGNED, offsetof(struct lab_host, address_bits), 36, 52 },
        { "manufacturer", TEXT, offsetof(struct lab_host, machine.manufacturer) },
        { "model", TEXT, offsetof(struct lab_host, machine.model) },
        { "memory", SIZE_BYTES, offsetof(struct lab_host, machine.memory_bytes), 1 << 20,
          UINT64_C(64) << 40 },
        { "processors", UNSIGNED, offsetof(struct lab_host, machine.logical_processors), 1,
          2048 },
        { "iov_reasons", OTHER, 0, .read = read_iov_reasons },
        { "gpus", OTHER, 0, .read = lab_read_gpus },
        { "devices", OTHER, 0, .read = lab_read_devices },
        { "vms", OTHER, 0, .read = lab_read_vms },
        { "registry", OTHER, offsetof(struct lab_host, machine), .read = read_registry },
    };
    struct lab_host *host = target;
    size_t len;

    *host = (struct lab_host){ .locale = "en-US",
                               .winrm = WINRM_DEFAULTS,
                               .hyperv = true,
                               .job_ms = 100,
                               .device_ms = UINT_MAX,
                               .address_bits = 39 };
    host->machine.memory_bytes = UINT64_C(32) << 30;
    host->machine.logical_processors = 16;
    r->host = host;
    r->next_gpu = 0;
    if (!lab_map(r, node, "a host", keys, ARRAY_LEN(keys), host))
        return false;

    if (host->device_ms == UINT_MAX)
        host->device_ms = 3 * host->job_ms;
    /* What may be a folder here and a computer name there (NetBIOS: 15 letters). */
    len = strlen(host->name);
    if (!len || len > 15 ||
        strspn(host->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != len)
        return fail_at(r, node, "'%s' is no computer name: 1 to 15 of A-Z, 0-9 and -",
                       host->name);
    if (!host->hyperv && host->vm_count)
        return fail_at(r, node, "a host without Hyper-V has no VMs");
    for (size_t i = 0; !host->hyperv && i < host->machine.device_count; i++)
        if (host->machine.devices[i].is_dismounted)
            return fail_at(r, node, "a host without Hyper-V has no dismounted devices");
    return lab_check_devices(r, node, &host->machine);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool read_hosts(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_description *lab = target;
    const char **names;

    if (!lab_list(r, node, "hosts", sizeof(*lab->hosts), LAB_HOST_MAX, &r->host_no,
                  read_host, &lab->hosts, &lab->host_count))
        return false;
    names = lab_take(r, lab->host_count * sizeof(*names) + 1);
    if (!names)
        return false;
    for (size_t i = 0; i < lab->host_count; i++) {
        names[i] = lab->hosts[i].name;
        lab->hosts[i].description = lab;
    }
    qsort(names, lab->host_count, sizeof(*names), by_name);
    for (size_t i = 1; i < lab->host_count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return fail_at(r, node, "two hosts are named '%s'", names[i]);
    return lab_check_clusters(r, node, lab);
}

/* ---- the file ---- */

/* Keys whose values only hold anchors for the rest of the file. */
static bool read_fault(struct reader *r, yaml_node_t *node, void *target)
{
    const char **fault = target;

    return (*fault = lab_text(r, node)) != NULL;
}

static bool read_faults(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_description *lab = target;

    return lab_list(r, node, "faults", sizeof(*lab->faults), LAB_FAULT_MAX, NULL,
                    read_fault, &lab->faults, &lab->fault_count);
}

static bool read_nothing(struct reader *r, yaml_node_t *node, void *target)
{
    return true;
}

struct lab_description *lab_parse(const char *text, size_t len, const char *file,
                                  unsigned number, struct err *err)
{
    static const struct key keys[] = {
        { "hosts", OTHER, 0, .read = read_hosts, .required = true },
        { "faults", OTHER, 0, .read = read_faults },
        { "about", OTHER, 0, .read = read_nothing },
        { "shared", OTHER, 0, .read = read_nothing },
    };
    CLEANUP(lab_description_cleanup) struct lab_description *lab = calloc(1, sizeof(*lab));
    struct lab_description *ret = NULL;
    yaml_parser_t parser;
    yaml_document_t document;
    struct reader r = {
        .document = &document, .file = file, .lab = lab, .number = number, .err = err
    };
    yaml_node_t *root;

    if (len > LAB_FILE_MAX) {
        err_fail(err, ERR_INVALID, 0, "%s: a lab file has at most %d bytes", file,
                 LAB_FILE_MAX);
        return NULL;
    }
    if (!lab || !yaml_parser_initialize(&parser)) {
        err_no_memory(err);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &document)) {
        err_fail(err, ERR_INVALID, 0, "%s:%zu: %s", file, parser.problem_mark.line + 1,
                 parser.problem ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return NULL;
    }
    root = yaml_document_get_root_node(&document);
    if (!root)
        err_fail(err, ERR_INVALID, 0, "%s: the file is empty", file);
    else if (lab_map(&r, root, "a lab", keys, ARRAY_LEN(keys), lab)) {
        if (!lab->host_count)
            fail_at(&r, root, "the lab has no hosts");
        else {
            ret = lab;
            lab = NULL;
        }
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return ret;
}

void lab_description_free(struct lab_description *lab)
{
    if (!lab)
        return;
    lab_blocks_free(lab->blocks);
    free(lab);
}

/* FNV-1a, twice, with a final mix; shaped like a random GUID (RFC 9562 version 4). */
void lab_guid(char ret[37], const char *seed)
{
    uint64_t a = UINT64_C(0xcbf29ce484222325), b = UINT64_C(0x9e3779b97f4a7c15);

    for (const char *c = seed; *c; c++) {
        a = (a ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        b = (b ^ (unsigned char)*c ^ (a >> 32)) * UINT64_C(0x100000001b3);
    }
    a = (a ^ (a >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
    b = (b ^ (b >> 29)) * UINT64_C(0x94d049bb133111eb);
    a ^= a >> 30;
    b ^= b >> 32;
    snprintf(ret, 37, "%08X-%04X-4%03X-%04X-%012llX", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
             (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

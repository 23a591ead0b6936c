/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a file of desired state.  Everything is sorted, so the same state gives the same
 * bytes; comments say for people what the identities mean.
 */
#include "desired.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "strbuf.h"
#include "text.h"

/* ---- YAML ---- */

static bool is_word(const char *text)
{
    static const char *const taken[] = { "true", "false", "yes", "no", "on",
                                         "off",  "null",  "y",   "n",  "any" };

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (text_ieq(text, taken[i]))
            return false;
    return true;
}

/* What no reader of YAML takes for anything but this text. */
static bool is_plain(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char rest[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.()#-";
    size_t len = strlen(text);

    return len > 0 && len < 64 && strchr(letters, text[0]) && strspn(text, rest) == len &&
           is_word(text);
}

/* C0 and C1 control characters, DEL, the line and paragraph separators, the mark that begins
 * a file: a double-quoted text can hold them by number. */
static size_t odd_letter(const char *text, unsigned *ret)
{
    const unsigned char *c = (const unsigned char *)text;

    if (c[0] < 0x20 || c[0] == 0x7f) {
        *ret = c[0];
        return 1;
    }
    if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) {
        *ret = c[1];
        return 2;
    }
    if (c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9)) {
        *ret = 0x2000 + (c[2] & 0x3f);
        return 3;
    }
    if (c[0] == 0xEF &&
        ((c[1] == 0xBB && c[2] == 0xBF) || (c[1] == 0xBF && c[2] >= 0xBE))) {
        *ret = 0xF000 + ((c[1] & 0x3fu) << 6) + (c[2] & 0x3f);
        return 3;
    }
    return 0;
}

static bool has_odd_letters(const char *text)
{
    unsigned code;

    for (; *text; text++)
        if (odd_letter(text, &code) > 0)
            return true;
    return false;
}

static void put_double_quoted(struct strbuf *to, const char *text)
{
    strbuf_putc(to, '"');
    while (*text) {
        unsigned code;
        size_t len = odd_letter(text, &code);

        if (len > 0) {
            strbuf_printf(to, code < 0x100 ? "\\x%02X" : "\\u%04X", code);
            text += len;
        } else {
            if (*text == '"' || *text == '\\')
                strbuf_putc(to, '\\');
            strbuf_putc(to, *text++);
        }
    }
    strbuf_putc(to, '"');
}

static void put_text(struct strbuf *to, const char *text)
{
    if (is_plain(text)) {
        strbuf_puts(to, text);
    } else if (has_odd_letters(text)) {
        put_double_quoted(to, text);
    } else {
        strbuf_putc(to, '\'');
        for (; *text; text++) {
            if (*text == '\'')
                strbuf_putc(to, '\'');
            strbuf_putc(to, *text);
        }
        strbuf_putc(to, '\'');
    }
}

/* On a line of its own; what could end it is left out. */
static void put_comment(struct strbuf *to, unsigned indent, const char *text)
{
    unsigned code;

    if (!text)
        return;
    strbuf_printf(to, "%*s# ", (int)indent, "");
    while (*text) {
        size_t len = odd_letter(text, &code);

        if (len > 0)
            strbuf_putc(to, ' ');
        else
            strbuf_putc(to, *text);
        text += len > 0 ? len : 1;
    }
    strbuf_putc(to, '\n');
}

static void put_line(struct strbuf *to, unsigned indent, const char *key, const char *text)
{
    if (!text)
        return;
    strbuf_printf(to, "%*s%s: ", (int)indent, "", key);
    put_text(to, text);
    strbuf_putc(to, '\n');
}

static void put_size(struct strbuf *to, const char *key, const struct known_u64 *size)
{
    const uint64_t m = UINT64_C(1) << 20, g = UINT64_C(1) << 30;

    if (!size->known)
        return;
    if (size->value > 0 && size->value % g == 0)
        strbuf_printf(to, "        %s: %" PRIu64 "G\n", key, size->value / g);
    else if (size->value > 0 && size->value % m == 0)
        strbuf_printf(to, "        %s: %" PRIu64 "M\n", key, size->value / m);
    else
        strbuf_printf(to, "        %s: %" PRIu64 "\n", key, size->value);
}

/* ---- the file ---- */

static void put_gpu(struct strbuf *to, const struct desired_gpu *gpu)
{
    strbuf_puts(to, "      ");
    put_text(to, gpu->alias);
    strbuf_puts(to, ":\n");
    put_comment(to, 8, gpu->name);
    put_line(to, 8, "instance_id", gpu->instance_id);
    put_line(to, 8, "location_path", gpu->location_path);
    put_line(to, 8, "pci_id", gpu->pci_id);
    if (gpu->partition_count.known)
        strbuf_printf(to, "        partition_count: %" PRIu64 "\n",
                      gpu->partition_count.value);
    if (gpu->is_missing)
        strbuf_puts(to, "        missing: true\n");
}

static void put_use(struct strbuf *to, const struct desired_host *host,
                    const struct desired_use *use)
{
    strbuf_puts(to, "          - gpu: ");
    if (use->gpu == DESIRED_ANY_GPU)
        strbuf_puts(to, "any");
    else
        put_text(to, host->gpus[use->gpu].alias);
    strbuf_putc(to, '\n');
    put_line(to, 12, "mode", desired_mode_name(use->mode));
    if (use->count > 1)
        strbuf_printf(to, "            count: %u\n", use->count);
    if (use->share_percent.known)
        strbuf_printf(to, "            share: %" PRIu64 "\n", use->share_percent.value);
}

static void put_settings(struct strbuf *to, const struct desired_vm *vm)
{
    if (vm->guest_controlled_cache == TRI_UNKNOWN && !vm->stop_action.known &&
        !vm->checkpoint_type.known)
        return;
    strbuf_puts(to, "        settings:\n");
    if (vm->guest_controlled_cache != TRI_UNKNOWN)
        strbuf_printf(to, "          guest_controlled_cache: %s\n",
                      vm->guest_controlled_cache == TRI_YES ? "true" : "false");
    if (vm->stop_action.known)
        put_line(to, 10, "stop_action", stop_action_name(vm->stop_action.value));
    if (vm->checkpoint_type.known)
        put_line(to, 10, "checkpoint_type",
                 checkpoint_type_name(vm->checkpoint_type.value));
}

static void put_vm(struct strbuf *to, const struct desired_host *host,
                   const struct desired_vm *vm)
{
    strbuf_puts(to, "      ");
    put_text(to, vm->name);
    strbuf_puts(to, ":\n");
    put_comment(to, 8, vm->comment);
    if (vm->use_count == 0)
        strbuf_puts(to, "        gpus: []\n");
    else
        strbuf_puts(to, "        gpus:\n");
    for (size_t i = 0; i < vm->use_count; i++)
        put_use(to, host, &vm->uses[i]);
    if (vm->drivers != DRIVERS_LEFT)
        put_line(to, 8, "drivers", vm->drivers == DRIVERS_HOST ? "host" : "none");
    put_size(to, "low_mmio", &vm->low_mmio_bytes);
    put_size(to, "high_mmio", &vm->high_mmio_bytes);
    put_settings(to, vm);
}

static void put_name(const struct desired_host *host, struct strbuf *to)
{
    strbuf_puts(to, "  ");
    put_text(to, host->name);
    strbuf_puts(to, ":\n");
    put_comment(to, 4, host->comment);
}

static void put_wish(const struct desired_host *host, struct strbuf *to)
{
    bool any = false;

    for (size_t i = 0; i < host->gpu_count; i++) {
        if (host->gpus[i].is_inline)
            continue;
        if (!any)
            strbuf_puts(to, "    gpus:\n");
        any = true;
        put_gpu(to, &host->gpus[i]);
    }
    if (!any)
        strbuf_puts(to, "    gpus: {}\n");
    strbuf_puts(to, host->vm_count > 0 ? "    vms:\n" : "    vms: {}\n");
    for (size_t i = 0; i < host->vm_count; i++)
        put_vm(to, host, &host->vms[i]);
}

void desired_write_host(const struct desired_host *host, struct strbuf *to)
{
    put_name(host, to);
    put_wish(host, to);
}

void desired_write_clusters(const struct desired *desired, struct strbuf *to)
{
    if (desired->cluster_count > 0)
        strbuf_puts(to, "clusters:\n");
    for (size_t i = 0; i < desired->cluster_count; i++) {
        const struct desired_cluster *cluster = &desired->clusters[i];

        put_name(&cluster->wish, to);
        if (cluster->node_count > 0)
            strbuf_puts(to, "    nodes:\n");
        for (size_t n = 0; n < cluster->node_count; n++) {
            strbuf_puts(to, "      - ");
            put_text(to, cluster->nodes[n]);
            strbuf_putc(to, '\n');
        }
        put_wish(&cluster->wish, to);
    }
}

void desired_write_head(struct strbuf *to)
{
    strbuf_puts(to, "# Which VM has which GPU.  hvgpu.yaml(5) explains every key;\n"
                    "# 'hvgpu diff FILE' compares, 'hvgpu apply FILE' makes it so.\n"
                    "format: hvgpu/1\n"
                    "hosts:\n");
}

void desired_write(const struct desired *desired, struct strbuf *to)
{
    desired_write_head(to);
    for (size_t i = 0; i < desired->host_count; i++)
        desired_write_host(&desired->hosts[i], to);
    desired_write_clusters(desired, to);
}

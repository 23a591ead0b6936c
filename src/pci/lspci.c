/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what lspci prints: the words of -v to -vvv, the bytes of -x to -xxxx. */

#include "pci.h"

#include <string.h>
#include "text.h"

enum {
    LINE_MAX_BYTES = 4096,
    DEVICES_MAX = 8192, /* no machine has as many */
    CONFIG_MAX = 4096,
};

struct reader {
    struct pci_machine machine;
    size_t size;
    uint8_t config[CONFIG_MAX]; /* of the device being read */
    size_t config_len;
};

/* ---- heads: "0000:04:00.0 3D controller [0302]: NVIDIA ... [10de:15f7] (rev a1)" ---- */

static bool hex_field(const char **at, unsigned digits, char end, unsigned *ret)
{
    CLEANUP(free_cleanup) char *text = NULL;
    uint64_t value;

    if (strnlen(*at, digits + 1) < digits + (end != '\0') || (end && (*at)[digits] != end))
        return false;
    text = text_ndup(*at, digits);
    if (!text || !text_to_u64(text, 16, &value))
        return false;
    *at += digits + (end != '\0');
    *ret = (unsigned)value;
    return true;
}

static bool read_address(const char **at, struct pci_device *device)
{
    const char *start = *at;

    if (!hex_field(at, 4, ':', &device->domain)) {
        device->domain = 0;
        *at = start;
    }
    if (hex_field(at, 2, ':', &device->bus) && hex_field(at, 2, '.', &device->device) &&
        hex_field(at, 1, ' ', &device->function) && device->device < 32 &&
        device->function < 8)
        return true;
    *at = start;
    return false;
}

/* "[10de:15f7]" or "[0302]" at the end of @text: cut off, and read. */
static bool take_bracket(char *text, bool pair, unsigned *ret_a, unsigned *ret_b)
{
    char *open = strrchr(text, '[');
    const char *at = open ? open + 1 : NULL;

    if (!at)
        return false;
    if (pair ? !hex_field(&at, 4, ':', ret_a) || !hex_field(&at, 4, ']', ret_b)
             : !hex_field(&at, 4, ']', ret_a))
        return false;
    while (open > text && open[-1] == ' ')
        open--;
    *open = '\0';
    return true;
}

/* Class names of pci.ids that matter here, for dumps without -n or -nn. */
static const struct {
    const char *name;
    uint16_t class_code;
} class_names[] = {
    { "VGA compatible controller", 0x0300 },
    { "XGA compatible controller", 0x0301 },
    { "3D controller", 0x0302 },
    { "Display controller", 0x0380 },
    { "PCI bridge", 0x0604 },
    { "Audio device", 0x0403 },
    { "USB controller", 0x0C03 },
    { "Serial bus controller", 0x0C80 },
    { "Processing accelerators", 0x1200 },
};

static void read_class(struct pci_device *device)
{
    unsigned class_code, none;

    if (take_bracket(device->class_name, false, &class_code, &none)) {
        device->has_class = true;
        device->class_code = (uint16_t)class_code;
    }
    for (size_t i = 0; i < ARRAY_LEN(class_names) && !device->has_class; i++) {
        if (strcmp(device->class_name, class_names[i].name) != 0)
            continue;
        device->has_class = true;
        device->class_code = class_names[i].class_code;
    }
    device->is_bridge = device->has_class && device->class_code == 0x0604;
}

/* "(rev a1)", "(prog-if 00 [VGA controller])" */
static void cut_remarks(char *name)
{
    static const char *const remarks[] = { " (prog-if ", " (rev " };

    for (size_t i = 0; i < ARRAY_LEN(remarks); i++) {
        char *at = strstr(name, remarks[i]);

        if (at)
            *at = '\0';
    }
}

static bool read_head(const char *line, struct pci_device *ret)
{
    struct pci_device device = { .express = PCI_EXPRESS_UNKNOWN };
    const char *at = line, *colon;
    unsigned vendor, id;

    if (!read_address(&at, &device))
        return false;
    colon = strstr(at, ": ");
    if (!colon)
        return false;
    snprintf(device.class_name, sizeof(device.class_name), "%.*s", (int)(colon - at), at);
    snprintf(device.name, sizeof(device.name), "%s", colon + 2);
    cut_remarks(device.name);
    if (take_bracket(device.name, true, &vendor, &id)) {
        device.has_ids = true;
        device.vendor_id = (uint16_t)vendor;
        device.device_id = (uint16_t)id;
    }
    read_class(&device);
    *ret = device;
    return true;
}

/* ---- bytes: "10: 0c 00 00 e0 ..." ---- */

static bool read_bytes(struct reader *reader, const char *line)
{
    const char *colon = strchr(line, ':');
    CLEANUP(free_cleanup) char *offset = NULL;
    uint64_t at;

    if (!colon || colon == line || colon - line > 3 || colon[1] != ' ')
        return false;
    offset = text_ndup(line, (size_t)(colon - line));
    if (!offset || !text_to_u64(offset, 16, &at) || at % 16 || at >= CONFIG_MAX)
        return false;
    /* Rows come in order; one out of it means the text was cut or mixed. */
    if (at != reader->config_len)
        return true;
    line = colon + 1;
    for (unsigned i = 0; i < 16; i++) {
        unsigned byte;

        if (*line++ != ' ' || !hex_field(&line, 2, '\0', &byte))
            return true;
        reader->config[reader->config_len++] = (uint8_t)byte;
    }
    return true;
}

/* ---- words ---- */

/* "16M", "4K", "64", "128G" -> bytes */
static bool read_size(const char *text, uint64_t *ret)
{
    static const char units[] = "KMGT";
    size_t digits = strspn(text, "0123456789");
    CLEANUP(free_cleanup) char *number = text_ndup(text, digits);
    const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
    uint64_t value;

    if (!digits || digits > 6 || !number || !text_to_u64(number, 10, &value) || !value)
        return false;
    if (unit)
        value <<= 10 * (unsigned)(unit - units + 1);
    *ret = value;
    return true;
}

/* "Region 1: Memory at 3b800000000 (64-bit, prefetchable) [size=16G]" */
static void read_region(struct pci_device *device, const char *text)
{
    struct pci_bar bar = { .index = (unsigned)(text[7] - '0') };
    const char *at = strstr(text, " at ");
    const char *size = strstr(text, "[size=");
    CLEANUP(free_cleanup) char *base = NULL;

    device->has_bars = true;
    if (bar.index >= PCI_BAR_MAX || text[8] != ':' || device->bar_count == PCI_BAR_MAX ||
        !at)
        return;
    bar.is_io = strncmp(text + 9, " I/O", 4) == 0;
    bar.is_64bit = strstr(text, "64-bit") != NULL;
    bar.prefetchable = strstr(text, ", prefetchable") != NULL;
    base = text_ndup(at + 4, strspn(at + 4, "0123456789abcdef"));
    /* "<unassigned>", "<ignored>", "<invalid...>": an address there is none. */
    bar.has_base =
        base && *base && at[4 + strlen(base)] == ' ' && text_to_u64(base, 16, &bar.base);
    bar.has_size = size && read_size(size + 6, &bar.size_bytes);
    device->bars[device->bar_count++] = bar;
}

static void read_express(struct pci_device *device, const char *text)
{
    static const struct {
        const char *word;
        int type;
    } types[] = {
        { "Legacy Endpoint", PCI_EXPRESS_LEGACY_ENDPOINT },
        { "Root Complex Integrated Endpoint", PCI_EXPRESS_INTEGRATED_ENDPOINT },
        { "Root Complex Event Collector", PCI_EXPRESS_EVENT_COLLECTOR },
        { "Root Port", PCI_EXPRESS_ROOT_PORT },
        { "Upstream Port", PCI_EXPRESS_UPSTREAM },
        { "Downstream Port", PCI_EXPRESS_DOWNSTREAM },
        { "PCI-Express to PCI/PCI-X Bridge", PCI_EXPRESS_TO_PCI },
        { "PCI/PCI-X to PCI-Express Bridge", PCI_EXPRESS_FROM_PCI },
        { "Endpoint", PCI_EXPRESS_ENDPOINT },
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!strstr(text, types[i].word))
            continue;
        device->express = types[i].type;
        return;
    }
}

/* "Capabilities: [78] Express (v2) Endpoint, MSI 00".  Verbose text lists them all, so
 * what is not listed is not there; extended ones (offset of three digits) only where the
 * reader of the hardware had the rights to see them. */
static void read_capability_text(struct pci_device *device, const char *text)
{
    if (strstr(text, "<access denied>")) {
        device->msi = device->msix = device->flr = PCI_UNKNOWN;
        device->acs = device->sriov = PCI_UNKNOWN;
        device->express = PCI_EXPRESS_UNKNOWN;
        return;
    }
    if (device->msi == PCI_UNKNOWN) {
        device->msi = device->msix = device->flr = PCI_NO;
        device->acs = device->sriov = PCI_NO;
        device->express = PCI_EXPRESS_NONE;
    }
    if (strstr(text, "] MSI-X:"))
        device->msix = PCI_YES;
    else if (strstr(text, "] MSI:"))
        device->msi = PCI_YES;
    else if (strstr(text, "] Express "))
        read_express(device, text);
    else if (strstr(text, "] Access Control Services"))
        device->acs = PCI_YES;
    else if (strstr(text, "] Single Root I/O Virtualization"))
        device->sriov = PCI_YES;
}

/* "BAR 1: current size: 64GB, supported: 64MB 128MB ... 64GB" */
static void read_rebar_text(struct pci_device *device, const char *text)
{
    const char *at = strstr(text, "supported:");
    uint64_t sizes[PCI_REBAR_SIZES_MAX];
    unsigned count = 0;

    if (!at)
        return;
    for (at += 10; *at && count < PCI_REBAR_SIZES_MAX;) {
        while (*at == ' ')
            at++;
        if (read_size(at, &sizes[count]))
            count++;
        while (*at && *at != ' ')
            at++;
    }
    if (!count || (device->rebar_count &&
                   sizes[count - 1] <= device->rebar_sizes[device->rebar_count - 1]))
        return;
    device->rebar_index = (unsigned)(text[4] - '0');
    device->rebar_count = count;
    memcpy(device->rebar_sizes, sizes, count * sizeof(*sizes));
}

static void read_word_line(struct pci_device *device, const char *text)
{
    const char *secondary;
    uint64_t bus;

    if (strncmp(text, "Region ", 7) == 0) {
        read_region(device, text);
    } else if (strncmp(text, "Capabilities: ", 14) == 0) {
        read_capability_text(device, text);
    } else if (strncmp(text, "BAR ", 4) == 0 && text[4] >= '0' && text[4] <= '5') {
        read_rebar_text(device, text);
    } else if (strncmp(text, "Bus: primary=", 13) == 0) {
        CLEANUP(free_cleanup) char *number = NULL;

        secondary = strstr(text, "secondary=");
        number = secondary
                     ? text_ndup(secondary + 10, strspn(secondary + 10, "0123456789abcdef"))
                     : NULL;
        if (number && text_to_u64(number, 16, &bus) && bus < 256) {
            device->has_secondary = true;
            device->secondary_bus = (unsigned)bus;
        }
    } else if (strncmp(text, "Interrupt: pin ", 15) == 0) {
        device->line_interrupt = PCI_YES;
    }
    /* Deeper lines of the Express capability. */
    if (strstr(text, "FLReset+") && !strncmp(text, "ExtTag", 6))
        device->flr = PCI_YES;
    if (strncmp(text, "AFCap:", 6) == 0 && strstr(text, "FLR+"))
        device->flr = PCI_YES;
}

/* ---- the whole ---- */

static void end_device(struct reader *reader)
{
    if (reader->machine.count && reader->config_len >= 64)
        pci_read_config(&reader->machine.devices[reader->machine.count - 1], reader->config,
                        reader->config_len);
    reader->config_len = 0;
}

static bool add_device(struct reader *reader, const struct pci_device *device,
                       struct err *err)
{
    end_device(reader);
    if (reader->machine.count == DEVICES_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "more than %d devices", DEVICES_MAX);
    if (reader->machine.count == reader->size) {
        size_t size = reader->size ? reader->size * 2 : 32;
        struct pci_device *grown = realloc(reader->machine.devices, size * sizeof(*grown));

        if (!grown)
            return err_no_memory(err);
        reader->machine.devices = grown;
        reader->size = size;
    }
    reader->machine.devices[reader->machine.count++] = *device;
    return true;
}

static bool read_line(struct reader *reader, const char *line, struct err *err)
{
    struct pci_device device;

    if (read_head(line, &device))
        return add_device(reader, &device, err);
    if (!reader->machine.count || read_bytes(reader, line))
        return true;
    if (*line != ' ' && *line != '\t')
        return true;
    line += strspn(line, " \t");
    read_word_line(&reader->machine.devices[reader->machine.count - 1], line);
    return true;
}

bool pci_read_lspci(const char *text, size_t len, struct pci_machine *ret, struct err *err)
{
    struct reader reader = { 0 };
    const char *end = text + len;

    while (text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        size_t line_len = (size_t)((eol ? eol : end) - text);
        char line[LINE_MAX_BYTES];

        if (line_len && text[line_len - 1] == '\r')
            line_len--;
        if (line_len < sizeof(line)) { /* lspci prints no such lines: not ours */
            memcpy(line, text, line_len);
            line[line_len] = '\0';
            if (!read_line(&reader, line, err)) {
                pci_machine_clear(&reader.machine);
                return false;
            }
        }
        text = eol ? eol + 1 : end;
    }
    end_device(&reader);
    if (!reader.machine.count) {
        err_fail(err, ERR_PROTOCOL, 0, "no PCI device in this text");
        return err_hint(err, "give the output of 'lspci -vvv' or 'lspci -xxxx'");
    }
    *ret = reader.machine;
    return true;
}

void pci_machine_clear(struct pci_machine *machine)
{
    free(machine->devices);
    *machine = (struct pci_machine){ 0 };
}

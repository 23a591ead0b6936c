/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names to stand-ins. */

#include "report-names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "err.h"
#include "strbuf.h"
#include "text.h"

enum { SHORTEST = 2, SERIAL_DIGITS = 16, QUOTED_MOST = 512 };

struct report_names {
    json_t *words; /* in lower case, to their stand-ins: replaced wherever they stand */
    json_t *spelt; /* the same, to how they were met first */
    json_t *whole; /* the same for what is replaced only where it is all there is */
    json_t *counts;
};

struct report_names *report_names_new(struct err *err)
{
    struct report_names *names = calloc(1, sizeof(*names));

    if (names) {
        names->words = json_object();
        names->spelt = json_object();
        names->whole = json_object();
        names->counts = json_object();
    }
    if (names && names->words && names->spelt && names->whole && names->counts)
        return names;
    report_names_free(names);
    err_no_memory(err);
    return NULL;
}

void report_names_free(struct report_names *names)
{
    if (!names)
        return;
    json_decref(names->words);
    json_decref(names->spelt);
    json_decref(names->whole);
    json_decref(names->counts);
    free(names);
}

/* The stand-in of @text in @map, made at the first time: "vm-1".  Lent; NULL: no memory. */
static const char *stand_in(struct report_names *names, json_t *map, const char *text,
                            const char *kind, const char *ending)
{
    CLEANUP(free_cleanup) char *key = text_dup(text);
    CLEANUP(free_cleanup) char *made = NULL;
    const char *known;
    json_int_t count;

    if (!key)
        return NULL;
    text_lower(key);
    known = json_string_value(json_object_get(map, key));
    if (known)
        return known;
    count = json_integer_value(json_object_get(names->counts, kind)) + 1;
    made = text_printf("%s-%d%s", kind, (int)count, ending);
    if (!made || json_object_set_new(names->counts, kind, json_integer(count)) ||
        json_object_set_new(map, key, json_string(made)) ||
        (map == names->words && json_object_set_new(names->spelt, key, json_string(text))))
        return NULL;
    return json_string_value(json_object_get(map, key));
}

/* ---- what is a name ---- */

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (text_ieq(text, *list))
            return true;
    return false;
}

/* What Windows fills in when there is nothing to say, and what says nothing of anybody. */
static bool is_nothing(const char *text)
{
    static const char *const list[] = { "WORKGROUP",      "None",
                                        "Default string", "To be filled by O.E.M.",
                                        "Not Specified",  "System Serial Number",
                                        "unknown",        "localhost",
                                        "local",          "Administrator",
                                        "Administrators", "user",
                                        "host",           "Windows User",
                                        "removed",        "Microsoft",
                                        "Windows",        NULL };

    return !text || strlen(text) < SHORTEST || is_one_of(text, list);
}

/* "DOMAIN\user", "user@domain" and plain names. */
static void learn_words(struct report_names *names, const char *text, const char *kind)
{
    CLEANUP(free_cleanup) char *copy = text_dup(text);
    char *rest = copy;

    while (rest && *rest) {
        size_t len = strcspn(rest, "\\@");
        char *next = rest[len] ? rest + len + 1 : rest + len;

        rest[len] = '\0';
        if (!is_nothing(rest))
            (void)stand_in(names, names->words, rest, kind, "");
        rest = next;
    }
}

static void learn_value(struct report_names *names, const json_t *value, const char *kind)
{
    const json_t *element;
    size_t i;

    if (json_is_string(value))
        learn_words(names, json_string_value(value), kind);
    json_array_foreach(value, i, element) learn_value(names, element, kind);
}

static const json_t *property(const json_t *instance, const char *name)
{
    const json_t *list = json_object_get(instance, "properties"), *p;
    size_t i;

    json_array_foreach(list, i,
                       p) if (text_ieq(json_string_value(json_object_get(p, "name")),
                                       name)) return json_object_get(p, "value");
    return NULL;
}

/* The host is one of the systems, and is called by its name; VMs by a GUID. */
static void learn_system(struct report_names *names, const json_t *instance)
{
    const char *name = json_string_value(property(instance, "Name"));
    const char *element = json_string_value(property(instance, "ElementName"));

    if (name && !text_is_guid(name))
        learn_words(names, name, "host");
    else if (name && element && *element)
        (void)stand_in(names, names->whole, element, "vm", "");
}

static void learn_whole(struct report_names *names, const json_t *instance,
                        const char *property_name, const char *kind)
{
    const json_t *value = property(instance, property_name);

    if (json_string_length(value))
        (void)stand_in(names, names->whole, json_string_value(value), kind, "");
}

/* A role is called as its VM, or as somebody liked; the VM's resource "Virtual Machine NAME".
 * Those of the other nodes' VMs are met nowhere else. */
static void learn_role(struct report_names *names, const json_t *instance)
{
    learn_whole(names, instance, "OwnerGroup", "vm");
    learn_whole(names, instance, "Name", "resource");
}

static const struct {
    const char *property, *kind;
} known[] = {
    { "CSName", "host" },
    { "DNSHostName", "host" },
    { "RegisteredUser", "user" },
    { "UserName", "user" },
    { "PrimaryOwnerName", "user" },
    { "Owner", "user" },
    { "Domain", "domain" },
    { "Workgroup", "domain" },
    { "Fqdn", "domain" },
    { "SerialNumber", "serial" },
    { "IdentifyingNumber", "serial" },
    { "UUID", "serial" },
    { "BIOSGUID", "serial" },
    { "BIOSSerialNumber", "serial" },
    { "BaseBoardSerialNumber", "serial" },
    { "ChassisSerialNumber", "serial" },
    { "ChassisAssetTag", "serial" },
};

/* The last part of a PCI instance id may be the number that the device was given alone
 * (16 hexadecimal digits, instead of "4&296b7397&0&0008"). */
static void learn_device(struct report_names *names, const char *id)
{
    const char *last = strrchr(id, '\\');

    if (text_istarts(id, "PCI\\") && last &&
        strspn(last + 1, "0123456789ABCDEFabcdef") == SERIAL_DIGITS &&
        !last[1 + SERIAL_DIGITS])
        (void)stand_in(names, names->words, last + 1, "serial", "");
}

static void learn_user_folder(struct report_names *names, const char *path)
{
    static const char *const common[] = { "Public", "Default", "All Users", "Default User",
                                          NULL };
    const char *at = text_istr(path, "\\Users\\");
    CLEANUP(free_cleanup) char *name = NULL;

    if (!at)
        return;
    at += strlen("\\Users\\");
    name = text_ndup(at, strcspn(at, "\\\""));
    if (name && !is_one_of(name, common) && !is_nothing(name))
        (void)stand_in(names, names->words, name, "user", "");
}

/* What a certificate is for, as messages list it: "DNS:hv-01.example.org, IP
 * Address:192.0.2.7". */
static void learn_certificate(struct report_names *names, const char *text)
{
    static const char *const labels[] = { "DNS:", "IP Address:" };

    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        for (const char *at = text; (at = strstr(at, labels[i]));) {
            CLEANUP(free_cleanup) char *name = NULL;

            at += strlen(labels[i]);
            name = text_ndup(at, strcspn(at, ",) "));
            report_names_add(names, name, "host");
        }
}

static void learn_texts(struct report_names *names, const json_t *json)
{
    const json_t *element;
    const char *key;
    size_t i;

    if (json_is_string(json)) {
        learn_device(names, json_string_value(json));
        learn_user_folder(names, json_string_value(json));
        learn_certificate(names, json_string_value(json));
    }
    json_array_foreach(json, i, element) learn_texts(names, element);
    json_object_foreach((json_t *)(uintptr_t)json, key, element)
        learn_texts(names, element);
}

static void learn_instances(struct report_names *names, const json_t *json)
{
    const char *class = json_string_value(json_object_get(json, "class")), *key;
    const json_t *element;
    size_t i;

    if (class && json_is_array(json_object_get(json, "properties"))) {
        if (text_ieq(class, "Msvm_ComputerSystem"))
            learn_system(names, json);
        if (text_ieq(class, "Win32_ComputerSystem") ||
            text_ieq(class, "MSCluster_Cluster") || text_ieq(class, "MSCluster_Node"))
            learn_value(names, property(json, "Name"), "host");
        if (text_ieq(class, "MSCluster_Resource"))
            learn_role(names, json);
        if (text_ieq(class, "Msvm_VirtualSystemSettingData"))
            learn_whole(names, json, "ElementName", "vm");
        for (size_t n = 0; n < ARRAY_LEN(known); n++)
            learn_value(names, property(json, known[n].property), known[n].kind);
    }
    json_array_foreach(json, i, element) learn_instances(names, element);
    json_object_foreach((json_t *)(uintptr_t)json, key, element)
        learn_instances(names, element);
}

/* "hv-01" and "example.org" of "hv-01.example.org"; an address has no parts. */
static void learn_host_parts(struct report_names *names, const char *name)
{
    const char *dot = strchr(name, '.');
    CLEANUP(free_cleanup) char *label = NULL;

    if (!dot || !name[strspn(name, "0123456789.")])
        return;
    label = text_ndup(name, (size_t)(dot - name));
    if (label && !is_nothing(label))
        (void)stand_in(names, names->words, label, "host", "");
    if (strchr(dot + 1, '.'))
        (void)stand_in(names, names->words, dot + 1, "domain", "");
}

void report_names_add(struct report_names *names, const char *name, const char *kind)
{
    if (!name)
        return;
    if (strchr(name, '.') && !is_nothing(name))
        (void)stand_in(names, names->words, name, kind, "");
    learn_words(names, name, kind);
    if (strcmp(kind, "host") == 0)
        learn_host_parts(names, name);
}

void report_names_learn(struct report_names *names, const json_t *entry)
{
    learn_instances(names, entry);
    learn_texts(names, entry);
}

/* ---- cleaning ---- */

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* A machine's name is written as it is, or all in one case: LAPTOP is no "Laptop GPU". */
static bool is_spelt_so(const struct report_names *names, const char *key, const char *at,
                        size_t len)
{
    const char *spelt = json_string_value(json_object_get(names->spelt, key));
    bool has_lower = false, has_upper = false;

    for (size_t i = 0; i < len; i++) {
        has_lower |= islower((unsigned char)at[i]);
        has_upper |= isupper((unsigned char)at[i]);
    }
    return !text_istarts(json_string_value(json_object_get(names->words, key)), "host-") ||
           !has_lower || !has_upper || (spelt && strncmp(spelt, at, len) == 0);
}

/* The longest known word that begins at @at and ends with a word; NULL: none. */
static const char *word_at(const struct report_names *names, const char *at,
                           size_t *ret_len)
{
    const char *key, *found = NULL;
    json_t *value;
    size_t best = 0;

    json_object_foreach(names->words, key, value)
    {
        size_t len = strlen(key);

        if (len > best && text_istarts(at, key) && !is_letter(at[len]) &&
            is_spelt_so(names, key, at, len)) {
            best = len;
            found = json_string_value(value);
        }
    }
    *ret_len = best;
    return found;
}

/* What is replaced only as a whole, where quotes are around it: a VM's name in a message or
 * a path.  NULL: none. */
static const char *quoted_at(const struct report_names *names, const char *at,
                             size_t *ret_len)
{
    const char *end = at[0] == '"' || at[0] == '\'' ? strchr(at + 1, at[0]) : NULL;
    CLEANUP(free_cleanup) char *key = NULL;

    if (!end || end - at > QUOTED_MOST)
        return NULL;
    key = text_ndup(at + 1, (size_t)(end - at) - 1);
    if (!key)
        return NULL;
    text_lower(key);
    *ret_len = (size_t)(end - at) - 1;
    return json_string_value(json_object_get(names->whole, key));
}

static void put_words(struct strbuf *to, const struct report_names *names, const char *text)
{
    for (const char *at = text; *at;) {
        bool begins = at == text || !is_letter(at[-1]);
        size_t len = 0;
        const char *found = begins && is_letter(*at) ? word_at(names, at, &len) : NULL;
        const char *quoted = found ? NULL : quoted_at(names, at, &len);

        if (quoted) {
            strbuf_putc(to, *at);
            strbuf_puts(to, quoted);
            strbuf_putc(to, at[0]);
            at += len + 2;
        } else if (found) {
            strbuf_puts(to, found);
            at += len;
        } else {
            strbuf_putc(to, *at++);
        }
    }
}

/* Folders that every Windows has. */
static const char *const common_folders[] = {
    "Users",     "Public",           "Documents",      "ProgramData",
    "Microsoft", "Windows",          "Hyper-V",        "Virtual Hard Disks",
    "Snapshots", "Virtual Machines", "ClusterStorage", "Volume1",
    "Volume2",   "Volume3",          "hvgpu",          NULL,
};

static bool is_path(const char *text)
{
    if (isalpha((unsigned char)text[0]) && text[1] == ':' && text[2] == '\\')
        return true;
    return text[0] == '\\' && text[1] == '\\' && text[2] && !strchr("?.", text[2]) &&
           !strchr(text, ':');
}

/* Its own parts are somebody's; those of Windows and of programs are everybody's. */
static bool put_path(struct strbuf *to, struct report_names *names, const char *path)
{
    static const char *const everybodys[] = { "Windows", "Program Files",
                                              "Program Files (x86)", NULL };
    bool is_first = true;
    const char *at = path;

    if (path[1] == ':') {
        strbuf_add(to, path, 3);
        at += 3;
    } else {
        strbuf_puts(to, "\\\\");
        at += 2;
    }
    while (*at) {
        size_t len = strcspn(at, "\\");
        CLEANUP(free_cleanup) char *part = text_ndup(at, len);
        const char *dot = part ? strrchr(part, '.') : NULL, *made;
        bool is_last = !at[len];

        if (!part)
            return false;
        if (is_first && path[1] == ':' && is_one_of(part, everybodys)) {
            put_words(to, names, at);
            return true;
        }
        is_first = false;
        if (is_one_of(part, common_folders) || text_is_guid(part)) {
            strbuf_puts(to, part);
        } else {
            CLEANUP(free_cleanup) char *key = text_dup(part);

            if (!key)
                return false;
            text_lower(key);
            made = json_string_value(json_object_get(names->words, key));
            if (!made)
                made = is_last && dot && dot > part
                           ? stand_in(names, names->whole, part, "file", dot)
                           : stand_in(names, names->whole, part, "folder", "");
            if (!made)
                return false;
            strbuf_puts(to, made);
        }
        if (!is_last)
            strbuf_putc(to, '\\');
        at += len + !is_last;
    }
    return true;
}

/* One of a guest's items, which say its name, its addresses and much else: only what the
 * system is stays. */
static bool put_guest_item(struct strbuf *to, const char *text)
{
    static const char *const kept[] = { "OSName",
                                        "OSVersion",
                                        "OSBuildNumber",
                                        "OSMajorVersion",
                                        "OSMinorVersion",
                                        "ProcessorArchitecture",
                                        NULL };
    struct err ignored = ERR_INIT;
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *item = cim_xml_read(text, strlen(text), &ignored);
    const char *name = item ? cim_get_text(item, "Name") : NULL;
    CLEANUP(free_cleanup) char *made = NULL;

    if (name && is_one_of(name, kept)) {
        strbuf_puts(to, text);
        return true;
    }
    if (!item || !cim_set_text(item, "Data", "removed", &ignored))
        return true; /* nothing that can be read: nothing stays */
    made = cim_xml_write(item, &ignored);
    strbuf_puts(to, made ? made : "");
    return true;
}

enum rule { RULE_ANY, RULE_BLANK, RULE_GUEST };

/* What people write into these is theirs. */
static enum rule rule_of(const char *class, const char *name)
{
    static const char *const blank[] = { "Notes",
                                         "Organization",
                                         "PrimaryOwnerContact",
                                         "SupportContactDescription",
                                         "OEMStringArray",
                                         "Roles",
                                         NULL };

    if (is_one_of(name, blank))
        return RULE_BLANK;
    if (text_ieq(name, "Description") &&
        (text_ieq(class, "Win32_OperatingSystem") ||
         text_ieq(class, "Msvm_VirtualSystemSettingData") ||
         (class && text_istarts(class, "MSCluster_"))))
        return RULE_BLANK;
    return text_iends(name, "ExchangeItems") ? RULE_GUEST : RULE_ANY;
}

static json_t *clean_text_value(struct report_names *names, const char *text,
                                enum rule rule)
{
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;
    CLEANUP(free_cleanup) char *key = text_dup(text);
    const char *whole;
    bool ok = key;

    if (!ok)
        return NULL;
    text_lower(key);
    whole = json_string_value(json_object_get(names->whole, key));
    if (rule == RULE_BLANK)
        strbuf_puts(&buf, *text ? "removed" : "");
    else if (rule == RULE_GUEST)
        ok = put_guest_item(&buf, text);
    else if (whole)
        strbuf_puts(&buf, whole);
    else if (is_path(text))
        ok = put_path(&buf, names, text);
    else
        put_words(&buf, names, text);
    if (!ok || buf.failed)
        return NULL;
    return json_stringn(buf.text ? buf.text : "", buf.len);
}

static json_t *clean(struct report_names *names, const json_t *json, const char *class,
                     enum rule rule)
{
    json_t *made, *element;
    const char *key, *own = json_string_value(json_object_get(json, "class"));
    const char *name = json_string_value(json_object_get(json, "name"));
    size_t i;
    bool ok = true;

    if (json_is_string(json))
        return clean_text_value(names, json_string_value(json), rule);
    if (json_is_array(json)) {
        made = json_array();
        json_array_foreach(json, i, element) ok =
            ok && json_array_append_new(made, clean(names, element, class, rule)) == 0;
    } else if (json_is_object(json)) {
        class = own ? own : class;
        made = json_object();
        json_object_foreach((json_t *)(uintptr_t)json, key, element)
        {
            /* Names of classes and properties are Windows' own. */
            bool is_own = strcmp(key, "class") == 0 || strcmp(key, "name") == 0 ||
                          strcmp(key, "type") == 0 || strcmp(key, "namespace") == 0;
            enum rule inner =
                name && strcmp(key, "value") == 0 ? rule_of(class, name) : rule;

            ok = ok &&
                 json_object_set_new(made, key,
                                     is_own ? json_deep_copy(element)
                                            : clean(names, element, class, inner)) == 0;
        }
    } else {
        return json_deep_copy(json);
    }
    if (ok)
        return made;
    json_decref(made);
    return NULL;
}

json_t *report_names_clean(struct report_names *names, const json_t *json, struct err *err)
{
    json_t *made = clean(names, json, NULL, RULE_ANY);

    if (!made)
        err_no_memory(err);
    return made;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's registry through StdRegProv: one method per type of value, each with its own
 * name for the value's parameter.
 */

#include "remote-registry.h"

#include <string.h>

#include "remote-shell.h"
#include "text.h"

enum { HKLM = 0x80000002, WIN_OK = 0, WIN_NOT_FOUND = 2, WMI_FAILED = 1 };

static const struct {
    uint32_t type;
    const char *get, *set, *parameter;
} methods[] = {
    { HIVE_SZ, "GetStringValue", "SetStringValue", "sValue" },
    { HIVE_EXPAND_SZ, "GetExpandedStringValue", "SetExpandedStringValue", "sValue" },
    { HIVE_BINARY, "GetBinaryValue", "SetBinaryValue", "uValue" },
    { HIVE_DWORD, "GetDWORDValue", "SetDWORDValue", "uValue" },
    { HIVE_MULTI_SZ, "GetMultiStringValue", "SetMultiStringValue", "sValue" },
    { HIVE_QWORD, "GetQWORDValue", "SetQWORDValue", "uValue" },
};

/* ReturnValue is a Win32 code. */
static bool call(struct cim_session *session, const char *method, const char *key,
                 struct cim_instance *in, struct cim_instance **ret_out, uint64_t *ret_code,
                 struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new("root/cimv2", "StdRegProv");

    if (!path)
        return err_no_memory(err);
    if (!text_istarts(key, "HKLM\\"))
        return err_fail(err, ERR_INVALID, 0, "'%s' is not below HKLM", key);
    if (!cim_set_uint(in, "hDefKey", CIM_UINT32, HKLM, err) ||
        !cim_set_text(in, "sSubKeyName", key + strlen("HKLM\\"), err) ||
        !cim_invoke(session, path, method, in, ret_out, err))
        return false;
    if (!cim_get_u64(*ret_out, "ReturnValue", ret_code))
        return err_fail(err, ERR_PROTOCOL, 0, "the host gave no result for '%s'", method);
    return true;
}

static bool refuse(uint64_t code, const char *method, const char *key, const char *name,
                   struct err *err)
{
    return err_fail(err, code == 5 ? ERR_DENIED : ERR_REFUSED, (int64_t)code,
                    "%s of '%s\\%s' was refused (Win32 error %llu)", method, key, name,
                    (unsigned long long)code);
}

static struct cim_instance *new_call(struct err *err)
{
    struct cim_instance *in = cim_instance_new("root/cimv2", "StdRegProv");

    if (!in)
        err_no_memory(err);
    return in;
}

static bool copy_names(const struct cim_instance *out, char ***ret, size_t *ret_count,
                       struct err *err)
{
    size_t count = cim_get_count(out, "sNames");
    char **names = calloc(count + 1, sizeof(*names));

    for (size_t i = 0; names && i < count; i++) {
        const char *name = cim_get_text_at(out, "sNames", i);

        names[i] = text_dup(name ? name : "");
        if (!names[i]) {
            hive_texts_free(names, i);
            names = NULL;
        }
    }
    if (!names)
        return err_no_memory(err);
    *ret = names;
    *ret_count = count;
    return true;
}

/* ---- what is known ---- */

struct known_value {
    char *name;
    struct hive_value value;
};

struct remote_reg_key {
    char *key;
    bool values_listed, subkeys_listed;
    struct cim_instance *values, *subkeys; /* NULL once listed: there is no such key */
    struct known_value *got;
    size_t got_count;
};

void remote_reg_forget(struct remote_reg_known *known)
{
    for (size_t i = 0; i < known->count; i++) {
        struct remote_reg_key *key = &known->keys[i];

        for (size_t k = 0; k < key->got_count; k++) {
            free(key->got[k].name);
            hive_value_clear(&key->got[k].value);
        }
        free(key->got);
        free(key->key);
        cim_instance_free(key->values);
        cim_instance_free(key->subkeys);
    }
    free(known->keys);
    *known = (struct remote_reg_known){ 0 };
}

/* NULL: no memory. */
static struct remote_reg_key *known_key(struct remote_reg_known *known, const char *key,
                                        struct err *err)
{
    struct remote_reg_key *more;

    for (size_t i = 0; i < known->count; i++)
        if (text_ieq(known->keys[i].key, key))
            return &known->keys[i];
    more = realloc(known->keys, (known->count + 1) * sizeof(*more));
    if (more) {
        known->keys = more;
        more[known->count] = (struct remote_reg_key){ .key = text_dup(key) };
        if (more[known->count].key)
            return &more[known->count++];
    }
    err_no_memory(err);
    return NULL;
}

/* EnumValues or EnumKey, once. */
static bool need_list(struct cim_session *session, struct remote_reg_key *key, bool values,
                      struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    const char *method = values ? "EnumValues" : "EnumKey";
    uint64_t code;

    if (values ? key->values_listed : key->subkeys_listed)
        return true;
    in = new_call(err);
    if (!in || !call(session, method, key->key, in, &out, &code, err))
        return false;
    if (code != WIN_OK && code != WIN_NOT_FOUND)
        return refuse(code, method, key->key, "", err);
    *(values ? &key->values_listed : &key->subkeys_listed) = true;
    if (code == WIN_OK)
        *(values ? &key->values : &key->subkeys) = TAKE(out);
    return true;
}

bool remote_reg_list_known(struct cim_session *session, struct remote_reg_known *known,
                           const char *key, bool values, char ***ret_names,
                           size_t *ret_count, bool *ret_key_exists, struct err *err)
{
    struct remote_reg_key *one = known_key(known, key, err);
    const struct cim_instance *listed;

    *ret_names = NULL;
    *ret_count = 0;
    if (!one || !need_list(session, one, values, err))
        return false;
    listed = values ? one->values : one->subkeys;
    if (ret_key_exists)
        *ret_key_exists = listed != NULL;
    return !listed || copy_names(listed, ret_names, ret_count, err);
}

bool remote_reg_list(struct cim_session *session, const char *key, bool values,
                     char ***ret_names, size_t *ret_count, bool *ret_key_exists,
                     struct err *err)
{
    struct remote_reg_known known = { 0 };
    bool ok = remote_reg_list_known(session, &known, key, values, ret_names, ret_count,
                                    ret_key_exists, err);

    remote_reg_forget(&known);
    return ok;
}

static bool copy_value(const struct hive_value *from, struct hive_value *ret,
                       struct err *err)
{
    *ret = *from;
    ret->bytes = malloc(from->len + 1);
    if (!ret->bytes)
        return err_no_memory(err);
    memcpy(ret->bytes, from->bytes, from->len);
    return true;
}

static bool keep_value(struct remote_reg_key *key, const char *name,
                       const struct hive_value *value, struct err *err)
{
    struct known_value *more = realloc(key->got, (key->got_count + 1) * sizeof(*more));
    struct known_value one = { .name = text_dup(name) };

    if (more)
        key->got = more;
    if (!more || !one.name) {
        free(one.name);
        return err_no_memory(err);
    }
    if (!copy_value(value, &one.value, err)) {
        free(one.name);
        return false;
    }
    more[key->got_count++] = one;
    return true;
}

/* ---- values ---- */

/* The type of one value, from the list of all. */
static bool find_type(const struct cim_instance *values, const char *name,
                      uint32_t *ret_type)
{
    const struct cim_value *types = values ? cim_get(values, "Types") : NULL;
    bool found = false;

    for (size_t i = 0; types && i < cim_get_count(values, "sNames"); i++) {
        const char *one = cim_get_text_at(values, "sNames", i);

        if (!text_ieq(one ? one : "", name) || i >= types->count)
            continue;
        found = true;
        *ret_type = (uint32_t)(types->type >= CIM_SINT8 && types->type <= CIM_SINT64
                                   ? (uint64_t)types->data[i].s
                                   : types->data[i].u);
    }
    return found;
}

static bool texts_from(const struct cim_instance *out, struct hive_value *ret)
{
    size_t count = cim_get_count(out, "sValue");
    const char **texts = calloc(count + 1, sizeof(*texts));
    bool ok = texts != NULL;

    for (size_t i = 0; ok && i < count; i++) {
        texts[i] = cim_get_text_at(out, "sValue", i);
        ok = texts[i] != NULL;
    }
    ok = ok && hive_value_set_texts(ret, texts, count);
    free(texts);
    return ok;
}

static bool bytes_from(const struct cim_instance *out, struct hive_value *ret)
{
    const struct cim_value *value = cim_get(out, "uValue");

    ret->len = value ? value->count : 0;
    ret->type = HIVE_BINARY;
    ret->bytes = malloc(ret->len + 1);
    for (size_t i = 0; ret->bytes && i < ret->len; i++)
        ret->bytes[i] = (uint8_t)value->data[i].u;
    return ret->bytes != NULL;
}

static bool value_from(const struct cim_instance *out, uint32_t type,
                       struct hive_value *ret)
{
    const char *text;
    uint64_t number;

    switch (type) {
    case HIVE_SZ:
    case HIVE_EXPAND_SZ:
        text = cim_get_text(out, "sValue");
        return hive_value_set_text(ret, type, text ? text : "");
    case HIVE_MULTI_SZ:
        return texts_from(out, ret);
    case HIVE_BINARY:
        return bytes_from(out, ret);
    default:
        return cim_get_u64(out, "uValue", &number) && hive_value_set_u64(ret, type, number);
    }
}

bool remote_reg_get(struct cim_session *session, const char *key, const char *name,
                    bool *ret_exists, struct hive_value *ret, struct err *err)
{
    struct remote_reg_known known = { 0 };
    bool ok = remote_reg_get_known(session, &known, key, name, ret_exists, ret, err);

    remote_reg_forget(&known);
    return ok;
}

static bool ask_value(struct cim_session *session, const char *key, const char *name,
                      uint32_t type, struct hive_value *ret, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    uint64_t code;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].type != type)
            continue;
        in = new_call(err);
        if (!in || !cim_set_text(in, "sValueName", name, err) ||
            !call(session, methods[i].get, key, in, &out, &code, err))
            return false;
        if (code != WIN_OK)
            return refuse(code, methods[i].get, key, name, err);
        return value_from(out, type, ret) ||
               err_fail(err, ERR_PROTOCOL, 0, "the host told no value of '%s\\%s'", key,
                        name);
    }
    return err_fail(err, ERR_UNSUPPORTED, 0, "'%s\\%s' has type %u, which cannot be read",
                    key, name, type);
}

bool remote_reg_get_known(struct cim_session *session, struct remote_reg_known *known,
                          const char *key, const char *name, bool *ret_exists,
                          struct hive_value *ret, struct err *err)
{
    struct remote_reg_key *one = known_key(known, key, err);
    uint32_t type = 0;

    /* EnumValues leaves the default value out when it is not set. */
    *ret_exists = false;
    if (!one || !need_list(session, one, true, err))
        return false;
    *ret_exists = find_type(one->values, name, &type);
    if (!*ret_exists)
        return true;
    for (size_t i = 0; i < one->got_count; i++)
        if (text_ieq(one->got[i].name, name))
            return copy_value(&one->got[i].value, ret, err);
    if (!ask_value(session, key, name, type, ret, err))
        return false;
    if (keep_value(one, name, ret, err))
        return true;
    hive_value_clear(ret);
    return false;
}

/* "    NAME    REG_EXPAND_SZ    DATA", whatever the language. */
static bool take_raw(const char *line, void *user, struct err *err)
{
    static const char mark[] = "    REG_EXPAND_SZ    ";
    const char *at = strncmp(line, "    ", 4) == 0 ? strstr(line, mark) : NULL;
    char **raw = user;

    if (!at || *raw)
        return true;
    *raw = text_dup(at + strlen(mark));
    return *raw || err_no_memory(err);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

bool remote_reg_get_exact(struct cim_session *session, struct remote_reg_known *known,
                          const char *key, const char *name, bool *ret_exists,
                          struct hive_value *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *raw = NULL;
    struct shell_run run = {
        .session = session, .reads_only = true, .on_line = take_raw, .user = &raw
    };
    struct hive_value exact = { 0 };

    if (!remote_reg_get_known(session, known, key, name, ret_exists, ret, err))
        return false;
    if (!*ret_exists || ret->type != HIVE_EXPAND_SZ || !*name)
        return true;
    if (shell_run(&run, 0, err, "reg query %p /v %p", key, name)) {
        if (raw && !strchr(raw, '%'))
            return true; /* nothing was replaced */
        if (raw && is_ascii(raw) && hive_value_set_text(&exact, HIVE_EXPAND_SZ, raw)) {
            hive_value_clear(ret);
            *ret = exact;
            return true;
        }
        err_fail(err, ERR_UNSUPPORTED, 0,
                 "the text of '%s\\%s' cannot be read to the letter", key, name);
    }
    hive_value_clear(ret);
    *ret_exists = false;
    return false;
}

/* The method and its parameters that write @value. */
static const char *put_into(struct cim_instance *in, const struct hive_value *value,
                            struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(free_cleanup) uint64_t *numbers = NULL;
    char **texts = NULL;
    size_t count = 0;
    uint64_t number;
    bool ok = false;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].type != value->type)
            continue;
        switch (value->type) {
        case HIVE_SZ:
        case HIVE_EXPAND_SZ:
            text = hive_value_text(value);
            ok = text && cim_set_text(in, "sValue", text, err);
            break;
        case HIVE_MULTI_SZ:
            texts = hive_value_texts(value, &count);
            ok = texts &&
                 cim_set_texts(in, "sValue", (const char *const *)texts, count, err);
            hive_texts_free(texts, count);
            break;
        case HIVE_BINARY:
            numbers = calloc(value->len + 1, sizeof(*numbers));
            for (size_t j = 0; numbers && j < value->len; j++)
                numbers[j] = value->bytes[j];
            ok =
                numbers && cim_set_uints(in, "uValue", CIM_UINT8, numbers, value->len, err);
            break;
        default:
            ok = hive_value_u64(value, &number) &&
                 cim_set_uint(in, "uValue",
                              value->type == HIVE_QWORD ? CIM_UINT64 : CIM_UINT32, number,
                              err);
        }
        if (ok)
            return methods[i].set;
    }
    if (err->kind == ERR_NONE)
        err_fail(err, ERR_UNSUPPORTED, 0, "a value of type %u cannot be written",
                 value->type);
    return NULL;
}

bool remote_reg_set(struct cim_session *session, const char *key, const char *name,
                    const struct hive_value *value, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *create = new_call(err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *created = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = new_call(err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    const char *method;
    uint64_t code;

    if (!create || !in || !cim_set_text(in, "sValueName", name, err))
        return false;
    method = put_into(in, value, err);
    if (!method)
        return err_wrap(err, "registry value '%s\\%s'", key, name);
    if (!call(session, "CreateKey", key, create, &created, &code, err))
        return false;
    if (code != WIN_OK)
        return refuse(code, "CreateKey", key, "", err);
    if (!call(session, method, key, in, &out, &code, err))
        return false;
    return code == WIN_OK || refuse(code, method, key, name, err);
}

bool remote_reg_delete_value(struct cim_session *session, const char *key, const char *name,
                             struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = new_call(err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    uint64_t code;

    if (!in || !cim_set_text(in, "sValueName", name, err) ||
        !call(session, "DeleteValue", key, in, &out, &code, err))
        return false;
    return code == WIN_OK || code == WIN_NOT_FOUND || code == WMI_FAILED ||
           refuse(code, "DeleteValue", key, name, err);
}

bool remote_reg_delete_key(struct cim_session *session, const char *key, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = new_call(err);
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    uint64_t code;

    if (!in || !call(session, "DeleteKey", key, in, &out, &code, err))
        return false;
    return code == WIN_OK || code == WIN_NOT_FOUND ||
           refuse(code, "DeleteKey", key, "", err);
}

static bool is_loaded(struct cim_session *session, const char *key, bool *ret,
                      struct err *err)
{
    char **names;
    size_t count;

    if (!remote_reg_list(session, key, false, &names, &count, ret, err))
        return false;
    hive_texts_free(names, count);
    return true;
}

bool remote_reg_unload(struct cim_session *session, const char *key, bool reads_only,
                       struct err *err)
{
    struct shell_run run = { .session = session, .reads_only = reads_only };
    bool loaded;

    if (!is_loaded(session, key, &loaded, err))
        return false;
    return !loaded || shell_run(&run, 0, err, "reg unload %p", key) ||
           err_wrap(err, "a hive stays loaded as '%s' on the host", key);
}

bool remote_reg_load(struct cim_session *session, const char *key, const char *file,
                     bool reads_only, struct err *err)
{
    struct shell_run run = { .session = session, .reads_only = reads_only };

    return shell_run(&run, 0, err, "reg load %p %p", key, file) ||
           err_wrap(err, "loading hive '%s' on the host", file);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator behind COM, for tests only: a DLL that takes the place of Windows' WMI
 * locator in a Wine prefix and passes everything on to hvgpu-sim --com (the protocol is in
 * src/sim/com.h).  It knows no class and no method: what there is, the simulator says.
 *
 * It is as strict as the documentation allows: values must have the automation types that
 * MicrosoftDocs/win32 WmiSdk/numbers.md names, a proxy without CoSetProxyBlanket is denied,
 * errors of a query that returns at once come out of Next().
 *
 * Test code: when memory ends, so does the process.
 */
#pragma once

#define COBJMACROS
#define CINTERFACE
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>

#include <ole2.h>
#include <wbemcli.h>

#include <stdbool.h>
#include <stddef.h>

#define PORT_VARIABLE L"HVGPU_TEST_COM"

/* What mingw-w64 has in libraries that this is not to be linked with. */
extern const GUID wbem_iid_unknown, wbem_iid_class_factory, wbem_iid_locator,
    wbem_iid_services, wbem_iid_object, wbem_iid_enum, wbem_iid_result,
    wbem_iid_client_security, wbem_iid_error_info, wbem_iid_support_error_info,
    wbem_clsid_locator;

/* ---- base.c ---- */

void *grab(size_t size); /* zeroed */
char *copy_text(const char *text);
char *utf8_of(const WCHAR *text);
WCHAR *wide_of(const char *text);
BSTR bstr_of(const char *text);
/* Slots that are NULL answer E_NOTIMPL. */
void fill_table(void *table, size_t size);
/* Keeps @text for GetErrorInfo() of this thread; returns @hr. */
HRESULT tell_error(HRESULT hr, const char *text);
/* The last to go: objects that hold this module. */
extern LONG module_objects;

/* IClientSecurity for a proxy: remembers whether it may impersonate. */
struct security {
    IClientSecurity iface;
    IUnknown *outer;
    volatile LONG level; /* RPC_C_IMP_LEVEL_...; 0: never set */
};
void security_init(struct security *security, IUnknown *outer);
/* ISupportErrorInfo, the same for all: it says yes. */
struct support {
    ISupportErrorInfo iface;
    IUnknown *outer;
};
void support_init(struct support *support, IUnknown *outer);

/* ---- wire.c ---- */

struct place {
    char *host, *ns;
    LONG refs;
};
struct place *place_new(const char *host, const char *ns);
struct place *place_keep(struct place *place);
void place_drop(struct place *place);

/* Text that grows, for requests. */
struct text {
    char *bytes;
    size_t len, size;
};
void text_add(struct text *to, const char *bytes, size_t len);
void text_field(struct text *to, const char *field); /* with a TAB before */

/* CONNECT: whether the host and the namespace are there. */
HRESULT wire_check(struct place *place);

struct object;
/* One request under way, whose answer comes piece by piece. */
struct answer;
/* Sends @request, which is freed; the answer says what went wrong. */
struct answer *answer_start(struct place *place, struct text *request);
void answer_free(struct answer *answer); /* NULL is fine */
/* The next object: S_OK, S_FALSE at the end, WBEM_S_TIMEDOUT, or an error, which stays.
 * @role: of a signature's object; may be NULL. */
HRESULT answer_next(struct answer *answer, LONG timeout, struct object **ret,
                    char **ret_role);
/* The text that came with an error; lent; "" is none. */
const char *answer_text(const struct answer *answer);

/* ---- object.c ---- */

struct property {
    char *name;
    CIMTYPE type; /* with CIM_FLAG_ARRAY */
    bool is_null;
    size_t count;
    char **values; /* as on the wire */
};

struct object {
    IWbemClassObject iface;
    volatile LONG refs;
    struct place *place;
    char *class_name, *path, *derivation;
    int genus; /* 1: class, 2: instance */
    size_t count;
    struct property *properties;
    /* BeginEnumeration() */
    bool is_enumerating;
    LONG enum_flags;
    size_t next;
};

struct object *object_new(struct place *place, const char *class_name, int genus,
                          const char *path, const char *derivation);
/* Takes @values over. */
void object_add(struct object *object, const char *name, CIMTYPE type, bool is_null,
                char **values, size_t count);
void object_release(struct object *object);          /* NULL is fine */
struct object *object_from(IWbemClassObject *iface); /* NULL: none of ours */
void object_write(const struct object *object, struct text *to);
struct property *object_find(struct object *object, const char *name);

/* ---- value.c ---- */

/* A property as WMI gives it; what cannot be read is WBEM_E_FAILED. */
HRESULT value_to_variant(const struct property *p, struct place *place, VARIANT *ret);
/* The automation type must be the one of numbers.md. */
HRESULT value_from_variant(struct property *p, const VARIANT *v);

/* ---- result.c, services.c, locator.c ---- */

/* Take @answer over. */
HRESULT enum_make(struct answer *answer, bool is_immediate, IEnumWbemClassObject **ret);
HRESULT result_make(struct answer *answer, const char *path, IWbemCallResult **ret);
HRESULT services_make(struct place *place, IWbemServices **ret);
HRESULT locator_make(REFIID iid, void **ret);
void base_tables_init(void);
void object_tables_init(void);
void result_tables_init(void);
void services_tables_init(void);

/* An object line and its property lines, from an answer or from within a field. */
struct object *object_parse(struct place *place, char *lines);
bool parse_head(struct place *place, char *line, struct object **ret, char **ret_role);
bool parse_property(char *line, struct object *to);

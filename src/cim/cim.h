/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIM data: values, instances, object paths.  Plain data, no I/O.
 *
 * Everything here that is returned as a pointer is owned by the caller and
 * freed with the function named beside it, unless it says "lent".
 *
 * Sources: DSP0004 (CIM types), DSP0201 (CIM-XML), DSP0230 (WS-CIM mapping).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct strbuf;

enum cim_type {
    CIM_BOOLEAN,
    CIM_UINT8,
    CIM_UINT16,
    CIM_UINT32,
    CIM_UINT64,
    CIM_SINT8,
    CIM_SINT16,
    CIM_SINT32,
    CIM_SINT64,
    CIM_REAL32,
    CIM_REAL64,
    CIM_CHAR16,
    CIM_STRING,
    CIM_DATETIME,
    CIM_REFERENCE, /* names another instance */
    CIM_OBJECT,    /* embedded instance, as an element (not as text) */
    CIM_TYPE_COUNT
};

const char *cim_type_name(enum cim_type type); /* "uint32"; DSP0201 spelling */
bool cim_type_from_name(const char *name, enum cim_type *ret) MUST_CHECK;

/**
 * cim_datetime - a point in time or an interval
 * @interval: which of the two
 * @usec: point: microseconds since 1601-01-01T00:00:00Z (UTC, the FILETIME epoch);
 *        interval: its length in microseconds
 * @offset_minutes: point only: the zone it was written in; for printing
 *
 * Reads: WS-Man gives ISO 8601 text, CIM-XML the 25-character CIM form; both parse.
 * Writes: CIM form in CIM-XML, ISO in WS-Man bodies.
 */
struct cim_datetime {
    bool interval;
    int64_t usec;
    int16_t offset_minutes;
};

bool cim_datetime_parse(const char *text, struct cim_datetime *ret, struct err *err)
    MUST_CHECK;                                                       /* either form */
void cim_datetime_to_cim(const struct cim_datetime *t, char ret[26]); /* "…00.000000:000" */
void cim_datetime_to_iso(const struct cim_datetime *t,
                         char ret[40]); /* "2025-…Z", "P0DT…" */

struct cim_path;
struct cim_instance;

union cim_datum {
    bool boolean;
    uint64_t u; /* all unsigned widths and char16 */
    int64_t s;  /* all signed widths */
    double real;
    char *text; /* CIM_STRING; NULL only as a null element of an array */
    struct cim_datetime datetime;
    struct cim_path *path;
    struct cim_instance *object;
};

/* A value of known type.  A null has count 0 and is_null; an empty array has
 * count 0 and not is_null; a scalar has count 1. */
struct cim_value {
    enum cim_type type;
    bool is_array;
    bool is_null;
    size_t count;
    union cim_datum *data; /* owned, @count of them, and what they point to */
};

void cim_value_clear(struct cim_value *value); /* to a null of the same type */
bool cim_value_copy(const struct cim_value *from, struct cim_value *ret, struct err *err)
    MUST_CHECK;
bool cim_value_equal(const struct cim_value *a, const struct cim_value *b);

/* Appends one element parsed from its CIM text form ("5", "true", "abc", a
 * datetime, an object path) to @value, whose type (and is_array) say how.  Range
 * is checked.  A scalar takes one element only. */
bool cim_value_add_text(struct cim_value *value, const char *text, struct err *err)
    MUST_CHECK;
/* Appends one element of @value's type; what @datum points to is taken over, also on
 * failure. */
bool cim_value_take(struct cim_value *value, union cim_datum datum, struct err *err)
    MUST_CHECK;
/* Element @i as text in the form above (datetime: CIM form). */
void cim_value_put_text(const struct cim_value *value, size_t i, struct strbuf *to);

struct cim_property {
    char *name;
    struct cim_value value;
    uint32_t shape; /* of the name, for instance.c to find it by; 0 in keys of paths */
};

/* Property names and class names compare without case; order is kept. */
struct cim_instance {
    char *ns; /* "root/virtualization/v2"; may be NULL when embedded */
    char *class_name;
    size_t count;
    struct cim_property *properties;
};

struct cim_instance *cim_instance_new(const char *ns,
                                      const char *class_name); /* NULL: memory */
struct cim_instance *cim_instance_copy(const struct cim_instance *from);
void cim_instance_free(struct cim_instance *instance); /* NULL is fine */
DEFINE_CLEANUP(cim_instance_cleanup, struct cim_instance *, cim_instance_free)

/* Lent; NULL if the instance has no such property. */
const struct cim_value *cim_get(const struct cim_instance *instance, const char *name);
/* Takes over what @value holds and leaves it null; replaces an earlier value. */
bool cim_set(struct cim_instance *instance, const char *name, struct cim_value *value,
             struct err *err) MUST_CHECK;
void cim_unset(struct cim_instance *instance, const char *name);

/* Typed setters; false means out of memory, and @err says so. */
bool cim_set_bool(struct cim_instance *i, const char *name, bool v, struct err *err)
    MUST_CHECK;
bool cim_set_uint(struct cim_instance *i, const char *name, enum cim_type type, uint64_t v,
                  struct err *err) MUST_CHECK;
bool cim_set_text(struct cim_instance *i, const char *name, const char *v, struct err *err)
    MUST_CHECK; /* CIM_STRING; NULL sets null */
bool cim_set_texts(struct cim_instance *i, const char *name, const char *const *v,
                   size_t count, struct err *err) MUST_CHECK; /* CIM_STRING array */
bool cim_set_uints(struct cim_instance *i, const char *name, enum cim_type type,
                   const uint64_t *v, size_t count, struct err *err) MUST_CHECK; /* array */
bool cim_set_datetime(struct cim_instance *i, const char *name,
                      const struct cim_datetime *v, struct err *err) MUST_CHECK;
bool cim_set_path(struct cim_instance *i, const char *name, const struct cim_path *v,
                  struct err *err) MUST_CHECK; /* CIM_REFERENCE; copies */
bool cim_set_null(struct cim_instance *i, const char *name, enum cim_type type,
                  bool is_array, struct err *err) MUST_CHECK;

/* Typed getters: false (and *ret alone) if missing, null, or another kind.  The
 * integer getter takes every integer type; text is lent. */
bool cim_get_bool(const struct cim_instance *i, const char *name, bool *ret);
bool cim_get_u64(const struct cim_instance *i, const char *name, uint64_t *ret);
bool cim_get_i64(const struct cim_instance *i, const char *name, int64_t *ret);
const char *cim_get_text(const struct cim_instance *i, const char *name); /* or NULL */
const char *cim_get_text_at(const struct cim_instance *i, const char *name, size_t index);
size_t cim_get_count(const struct cim_instance *i,
                     const char *name); /* elements; 0 if null */
const struct cim_path *cim_get_path(const struct cim_instance *i, const char *name);
const struct cim_instance *cim_get_object(const struct cim_instance *i, const char *name,
                                          size_t index);
bool cim_get_datetime(const struct cim_instance *i, const char *name,
                      struct cim_datetime *ret);

/* Names an instance: `\\HOST\root\virtualization\v2:Class.Key1="v1",Key2="v2"`. */
struct cim_path {
    char *host; /* NULL: not said */
    char *ns;   /* with '/'; NULL: not said */
    char *class_name;
    size_t count;
    struct cim_property *keys; /* strings, numbers, booleans, references */
};

struct cim_path *cim_path_new(const char *ns, const char *class_name); /* NULL: memory */
struct cim_path *cim_path_copy(const struct cim_path *from);
void cim_path_free(struct cim_path *path); /* NULL is fine */
DEFINE_CLEANUP(cim_path_cleanup, struct cim_path *, cim_path_free)
bool cim_path_set(struct cim_path *path, const char *key, const char *value,
                  struct err *err) MUST_CHECK; /* a string key */
bool cim_path_set_ref(struct cim_path *path, const char *key, const struct cim_path *value,
                      struct err *err) MUST_CHECK;
bool cim_path_set_value(struct cim_path *path, const char *key,
                        const struct cim_value *value, struct err *err)
    MUST_CHECK; /* a key of any type; copies */
const char *cim_path_get(const struct cim_path *path,
                         const char *key); /* string keys; or NULL */
/* Numbers, however the host's answer wrote them: as one, or as text. */
bool cim_path_get_u64(const struct cim_path *path, const char *key, uint64_t *ret);

/* Accepts the variants of hyperv-cim.md 1.2: with or without `\\HOST\`, `/` or
 * `\` in the namespace, any case.  Bounded; hostile text is an ERR_INVALID. */
struct cim_path *cim_path_parse(const char *text, struct err *err);
/* Backslashes inside quotes doubled, quotes as \".  NULL: no memory. */
char *cim_path_format(const struct cim_path *path);
/* Same class and keys without case; host and namespace only where both say. */
bool cim_path_equal(const struct cim_path *a, const struct cim_path *b);

/* Embedded instances as text: CIM-XML INSTANCE (DSP0201).  Special characters are
 * written as numeric references (&#38;), which real hosts require. */
char *cim_xml_write(const struct cim_instance *instance, struct err *err);
struct cim_instance *cim_xml_read(const char *text, size_t len, struct err *err);

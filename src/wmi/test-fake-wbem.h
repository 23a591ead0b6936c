/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A WMI in the test itself: objects, lists and services with vtables of our own behind
 * CoCreateInstance, which is replaced at its import.  What a test sets up is in fake_wbem;
 * every call is written down there.
 */
#pragma once

#include "strbuf.h"
#include "wbem.h"

struct fake_property {
    WCHAR name[64];
    CIMTYPE type;
    VARIANT value;
};

enum { FAKE_PROPERTIES = 48 };

struct fake_object {
    IWbemClassObject iface;
    LONG refs;
    WCHAR class_name[64];
    struct fake_property properties[FAKE_PROPERTIES];
    size_t count, next;
    /* Of classes: the methods' signatures. */
    WCHAR method[64];
    IWbemClassObject *in;
    HRESULT put_result; /* of Put; S_OK: it is kept */
};

/* A new object without properties; the caller's reference. */
struct fake_object *fake_object(const WCHAR *class_name);
/* Takes @value over. */
void fake_set(struct fake_object *object, const WCHAR *name, CIMTYPE type, VARIANT value);
void fake_set_text(struct fake_object *object, const WCHAR *name, CIMTYPE type,
                   const WCHAR *text);
void fake_set_i4(struct fake_object *object, const WCHAR *name, CIMTYPE type, LONG value);
const VARIANT *fake_get(const struct fake_object *object, const WCHAR *name); /* or NULL */
struct fake_object *fake_of(IWbemClassObject *object); /* behind the interface */

struct fake_wbem {
    struct strbuf log;      /* a line per call */
    HRESULT connect_result; /* of ConnectServer */
    HRESULT query_result;   /* of ExecQuery */
    /* What Next gives, one after the other: its result, and objects with it. */
    struct {
        HRESULT result;
        struct fake_object *rows[4]; /* handed over */
        size_t row_count;
    } next[8];
    size_t next_count, next_at;
    HRESULT object_result;          /* of GetObject */
    struct fake_object *objects[4]; /* by the order of GetObject; given once each */
    size_t object_count, object_at;
    HRESULT put_result, method_result;
    struct fake_object *put_object; /* what PutInstance was given; a reference */
    struct fake_object *in_object;  /* what ExecMethod was given; a reference */
    struct fake_object *out_object; /* what ExecMethod gives; handed over */
    /* True: calls return at once, and the result comes later. */
    bool is_slow;
    unsigned waits;      /* how often GetCallStatus says "not yet" */
    bool never_finishes; /* ... for ever */
    const WCHAR *said;   /* the text in IErrorInfo of the failing call; NULL: none */
    LONG live;           /* objects of all kinds that are still referenced */
    LONG initialized;    /* CoInitializeEx without CoUninitialize */
    HRESULT blanket_result;
    unsigned connects;
};
extern struct fake_wbem fake_wbem;

/* Forgets everything; call first in each test. */
void fake_wbem_reset(void);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values between the wire's text and VARIANT.
 * Which automation type stands for which CIM type: MicrosoftDocs/win32 WmiSdk/numbers.md
 * (uint16, uint32 and sint32 are VT_I4, 64 bits are VT_BSTR), strings.md, booleans.md.
 */
#include "wbem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static VARTYPE form_of(CIMTYPE type)
{
    switch (type & ~CIM_FLAG_ARRAY) {
    case CIM_BOOLEAN:
        return VT_BOOL;
    case CIM_UINT8:
        return VT_UI1;
    case CIM_SINT8:
    case CIM_SINT16:
    case CIM_CHAR16:
        return VT_I2;
    case CIM_UINT16:
    case CIM_SINT32:
    case CIM_UINT32:
        return VT_I4;
    case CIM_REAL32:
        return VT_R4;
    case CIM_REAL64:
        return VT_R8;
    case CIM_OBJECT:
        return VT_UNKNOWN;
    default:
        return VT_BSTR;
    }
}

/* One element of the form, wherever it lies. */
union element {
    VARIANT_BOOL boolean;
    BYTE ui1;
    SHORT i2;
    LONG i4;
    float r4;
    double r8;
    BSTR bstr;
    IUnknown *unknown;
};

static bool read_text(CIMTYPE type, const char *text, struct place *place,
                      union element *ret)
{
    char *copy;
    struct object *object;

    switch (form_of(type)) {
    case VT_BOOL:
        ret->boolean = _stricmp(text, "true") == 0 ? VARIANT_TRUE : VARIANT_FALSE;
        return true;
    case VT_UI1:
        ret->ui1 = (BYTE)strtoul(text, NULL, 10);
        return true;
    case VT_I2:
        ret->i2 = (SHORT)strtol(text, NULL, 10);
        return true;
    case VT_I4:
        ret->i4 = (LONG)strtoll(text, NULL, 10); /* uint32: the same bits */
        return true;
    case VT_R4:
        ret->r4 = strtof(text, NULL);
        return true;
    case VT_R8:
        ret->r8 = strtod(text, NULL);
        return true;
    case VT_UNKNOWN:
        copy = copy_text(text);
        object = object_parse(place, copy);
        free(copy);
        ret->unknown = object ? (IUnknown *)&object->iface : NULL;
        return object;
    default:
        ret->bstr = bstr_of(text);
        return true;
    }
}

static HRESULT read_array(const struct property *p, struct place *place, VARIANT *ret)
{
    VARTYPE form = form_of(p->type);
    SAFEARRAY *array = SafeArrayCreateVector(form, 0, (ULONG)p->count);

    for (LONG i = 0; (size_t)i < p->count; i++) {
        union element e = { 0 };

        if (!read_text(p->type, p->values[i], place, &e)) {
            SafeArrayDestroy(array);
            return WBEM_E_FAILED;
        }
        /* Texts and objects are handed over as they are, and copied. */
        if (form == VT_BSTR) {
            SafeArrayPutElement(array, &i, e.bstr);
            SysFreeString(e.bstr);
        } else if (form == VT_UNKNOWN) {
            SafeArrayPutElement(array, &i, e.unknown);
            IUnknown_Release(e.unknown);
        } else {
            SafeArrayPutElement(array, &i, &e);
        }
    }
    V_VT(ret) = VT_ARRAY | form;
    V_ARRAY(ret) = array;
    return S_OK;
}

HRESULT value_to_variant(const struct property *p, struct place *place, VARIANT *ret)
{
    union element e = { 0 };

    if (p->is_null) {
        V_VT(ret) = VT_NULL;
        return S_OK;
    }
    if (p->type & CIM_FLAG_ARRAY)
        return read_array(p, place, ret);
    if (p->count != 1 || !read_text(p->type, p->values[0], place, &e))
        return WBEM_E_FAILED;
    V_VT(ret) = form_of(p->type);
    memcpy(&V_I8(ret), &e, sizeof(e));
    return S_OK;
}

/* ---- writing ---- */

static char *number_text(CIMTYPE type, const union element *e)
{
    char text[64];

    switch (type & ~CIM_FLAG_ARRAY) {
    case CIM_BOOLEAN:
        snprintf(text, sizeof(text), "%s", e->boolean ? "true" : "false");
        break;
    case CIM_UINT8:
        snprintf(text, sizeof(text), "%u", e->ui1);
        break;
    case CIM_SINT8:
    case CIM_SINT16:
        snprintf(text, sizeof(text), "%d", e->i2);
        break;
    case CIM_CHAR16:
        snprintf(text, sizeof(text), "%u", (unsigned short)e->i2);
        break;
    case CIM_SINT32:
    case CIM_UINT16: /* what does not fit, the simulator finds */
        snprintf(text, sizeof(text), "%ld", (long)e->i4);
        break;
    case CIM_UINT32:
        snprintf(text, sizeof(text), "%lu", (unsigned long)(ULONG)e->i4);
        break;
    case CIM_REAL32:
        snprintf(text, sizeof(text), "%.9g", (double)e->r4);
        break;
    default:
        snprintf(text, sizeof(text), "%.17g", e->r8);
    }
    return copy_text(text);
}

static bool write_element(CIMTYPE type, const union element *e, char **ret)
{
    VARTYPE form = form_of(type);

    if (form == VT_BSTR) {
        *ret = utf8_of(e->bstr ? e->bstr : L"");
    } else if (form == VT_UNKNOWN) {
        struct object *object = object_from((IWbemClassObject *)e->unknown);
        struct text text = { 0 };

        if (!object)
            return false;
        object_write(object, &text);
        *ret = text.bytes;
    } else {
        *ret = number_text(type, e);
    }
    return true;
}

static void replace(struct property *p, bool is_null, char **values, size_t count)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->values[i]);
    free(p->values);
    p->is_null = is_null;
    p->values = values;
    p->count = count;
}

static HRESULT write_array(struct property *p, SAFEARRAY *array)
{
    VARTYPE form = form_of(p->type);
    LONG low = 0, high = -1;
    char **values;
    size_t count = 0;

    if (!array || SafeArrayGetDim(array) != 1 ||
        FAILED(SafeArrayGetLBound(array, 1, &low)) ||
        FAILED(SafeArrayGetUBound(array, 1, &high)))
        return WBEM_E_TYPE_MISMATCH;
    values = grab(((size_t)(high - low) + 2) * sizeof(*values));
    for (LONG i = low; i <= high; i++) {
        union element e = { 0 };

        if (FAILED(SafeArrayGetElement(array, &i, &e)) ||
            !write_element(p->type, &e, &values[count]))
            return WBEM_E_TYPE_MISMATCH;
        count++;
        if (form == VT_BSTR)
            SysFreeString(e.bstr);
        if (form == VT_UNKNOWN)
            IUnknown_Release(e.unknown);
    }
    replace(p, false, values, count);
    return S_OK;
}

HRESULT value_from_variant(struct property *p, const VARIANT *v)
{
    VARTYPE wanted = form_of(p->type);
    union element e = { 0 };
    char **values;

    if (V_VT(v) == VT_NULL) {
        replace(p, true, NULL, 0);
        return S_OK;
    }
    if (p->type & CIM_FLAG_ARRAY)
        return V_VT(v) == (VT_ARRAY | wanted) ? write_array(p, V_ARRAY(v))
                                              : WBEM_E_TYPE_MISMATCH;
    if (V_VT(v) != wanted)
        return WBEM_E_TYPE_MISMATCH;
    memcpy(&e, &V_I8(v), sizeof(e));
    values = grab(sizeof(*values));
    if (!write_element(p->type, &e, &values[0])) {
        free(values);
        return WBEM_E_TYPE_MISMATCH;
    }
    replace(p, false, values, 1);
    return S_OK;
}

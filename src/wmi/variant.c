/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIM values between COM's VARIANT and ours. */

#include "variant.h"

#include <stdlib.h>

#include "bstr.h"
#include "err.h"
#include "strbuf.h"
#include "text.h"

enum { ARRAY_MOST = 1 << 20 };

/* clang-format off */
static const struct {
    CIMTYPE number;
    VARTYPE form; /* the one Windows gives, and takes without asking back */
    unsigned bits;
} types[] = {
    [CIM_BOOLEAN] = { WBEM_CIM_BOOLEAN, VT_BOOL, 0 },
    [CIM_UINT8] = { WBEM_CIM_UINT8, VT_UI1, 8 },
    [CIM_UINT16] = { WBEM_CIM_UINT16, VT_I4, 16 },
    [CIM_UINT32] = { WBEM_CIM_UINT32, VT_I4, 32 },
    [CIM_UINT64] = { WBEM_CIM_UINT64, VT_BSTR, 64 },
    [CIM_SINT8] = { WBEM_CIM_SINT8, VT_I2, 8 },
    [CIM_SINT16] = { WBEM_CIM_SINT16, VT_I2, 16 },
    [CIM_SINT32] = { WBEM_CIM_SINT32, VT_I4, 32 },
    [CIM_SINT64] = { WBEM_CIM_SINT64, VT_BSTR, 64 },
    [CIM_REAL32] = { WBEM_CIM_REAL32, VT_R4, 0 },
    [CIM_REAL64] = { WBEM_CIM_REAL64, VT_R8, 0 },
    [CIM_CHAR16] = { WBEM_CIM_CHAR16, VT_I2, 16 },
    [CIM_STRING] = { WBEM_CIM_STRING, VT_BSTR, 0 },
    [CIM_DATETIME] = { WBEM_CIM_DATETIME, VT_BSTR, 0 },
    [CIM_REFERENCE] = { WBEM_CIM_REFERENCE, VT_BSTR, 0 },
    [CIM_OBJECT] = { WBEM_CIM_OBJECT, VT_UNKNOWN, 0 },
};
/* clang-format on */

bool wmi_type_read(CIMTYPE number, enum cim_type *ret_type, bool *ret_is_array)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].number != (number & ~WBEM_CIM_FLAG_ARRAY))
            continue;
        *ret_type = (enum cim_type)i;
        *ret_is_array = number & WBEM_CIM_FLAG_ARRAY;
        return true;
    }
    return false;
}

CIMTYPE wmi_type_number(enum cim_type type, bool is_array)
{
    return types[type].number | (is_array ? WBEM_CIM_FLAG_ARRAY : 0);
}

static bool is_signed(enum cim_type type)
{
    return type >= CIM_SINT8 && type <= CIM_SINT64;
}

static bool is_unsigned(enum cim_type type)
{
    return (type >= CIM_UINT8 && type <= CIM_UINT64) || type == CIM_CHAR16;
}

/* ---- reading ---- */

/* One element, wherever it lies: the bytes of @at are of the automation type @form. */
union element {
    LONGLONG i8;
    LONG i4;
    SHORT i2;
    signed char i1;
    ULONGLONG ui8;
    ULONG ui4;
    USHORT ui2;
    BYTE ui1;
    float r4;
    double r8;
    VARIANT_BOOL boolean;
    BSTR text;
    IUnknown *object;
};

static bool as_integer(VARTYPE form, const union element *e, int64_t *ret)
{
    switch (form) {
    case VT_I1:
        *ret = e->i1;
        return true;
    case VT_I2:
        *ret = e->i2;
        return true;
    case VT_I4:
    case VT_INT:
        *ret = e->i4;
        return true;
    case VT_I8:
        *ret = e->i8;
        return true;
    case VT_UI1:
        *ret = e->ui1;
        return true;
    case VT_UI2:
        *ret = e->ui2;
        return true;
    case VT_UI4:
    case VT_UINT:
        *ret = e->ui4;
        return true;
    case VT_UI8:
        *ret = (int64_t)e->ui8;
        return true;
    case VT_BOOL:
        *ret = e->boolean != VARIANT_FALSE;
        return true;
    default:
        return false;
    }
}

static bool wrong(enum cim_type type, VARTYPE form, struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "a %s comes as the automation type %u",
                    cim_type_name(type), form);
}

/* A negative number may be an unsigned one of the width it came in. */
static bool read_integer(enum cim_type type, VARTYPE form, int64_t number,
                         union cim_datum *ret, struct err *err)
{
    unsigned bits = types[type].bits;
    unsigned came = form == VT_I1 || form == VT_UI1   ? 8
                    : form == VT_I2 || form == VT_UI2 ? 16
                    : form == VT_I8 || form == VT_UI8 ? 64
                                                      : 32;
    uint64_t u = (uint64_t)number;

    if (is_signed(type)) {
        bool is_huge = form == VT_UI8 && number < 0;

        ret->s = number;
        if (!is_huge && (bits == 64 || (number >= -((int64_t)1 << (bits - 1)) &&
                                        number < (int64_t)1 << (bits - 1))))
            return true;
    } else {
        if (came < 64)
            u &= ((uint64_t)1 << came) - 1;
        /* A uint16 of VT_I4 that was sign-extended on its way. */
        if (bits < came && number < 0 && number >= -((int64_t)1 << (bits - 1)))
            u &= ((uint64_t)1 << bits) - 1;
        ret->u = u;
        if (bits == 64 || u < (uint64_t)1 << bits)
            return true;
    }
    return err_fail(err, ERR_PROTOCOL, 0, "%lld is no %s", (long long)number,
                    cim_type_name(type));
}

static bool read_text(enum cim_type type, BSTR bstr, struct cim_value *to, struct err *err)
{
    CLEANUP(free_cleanup) char *text = bstr_text(bstr, err);

    if (!text)
        return false;
    if (cim_value_add_text(to, text, err))
        return true;
    /* A time with '*' in it, a path of a form not known: what is said, then. */
    if (err->kind == ERR_INVALID && to->count == 0 &&
        (type == CIM_DATETIME || type == CIM_REFERENCE)) {
        *err = ERR_INIT;
        to->type = CIM_STRING;
        return cim_value_add_text(to, text, err);
    }
    err->kind = err->kind == ERR_INVALID ? ERR_PROTOCOL : err->kind; /* the host wrote it */
    return false;
}

static bool read_element(VARTYPE form, const union element *e,
                         const struct variant_objects *objects, struct cim_value *to,
                         struct err *err)
{
    enum cim_type type = to->type;
    union cim_datum datum = { 0 };
    int64_t number;

    if (form == VT_BSTR)
        return type == CIM_OBJECT ? wrong(type, form, err)
                                  : read_text(type, e->text, to, err);
    if (form == VT_UNKNOWN || form == VT_DISPATCH) {
        if (type != CIM_OBJECT || !e->object)
            return wrong(type, form, err);
        datum.object = objects->read(e->object, objects->user, err);
        return datum.object && cim_value_take(to, datum, err);
    }
    if (type == CIM_REAL32 || type == CIM_REAL64) {
        if (form == VT_R4)
            datum.real = (double)e->r4;
        else if (form == VT_R8)
            datum.real = e->r8;
        else if (as_integer(form, e, &number))
            datum.real = (double)number;
        else
            return wrong(type, form, err);
        return cim_value_take(to, datum, err);
    }
    if (!as_integer(form, e, &number))
        return wrong(type, form, err);
    if (type == CIM_BOOLEAN)
        datum.boolean = number != 0;
    else if (!is_signed(type) && !is_unsigned(type))
        return wrong(type, form, err);
    else if (!read_integer(type, form, number, &datum, err))
        return false;
    return cim_value_take(to, datum, err);
}

static bool read_array(const VARIANT *v, const struct variant_objects *objects,
                       struct cim_value *to, struct err *err)
{
    SAFEARRAY *array = V_VT(v) & VT_BYREF ? *V_ARRAYREF(v) : V_ARRAY(v);
    VARTYPE form = V_VT(v) & VT_TYPEMASK;
    LONG low, high;

    to->is_null = false;
    if (!array)
        return true;
    if (SafeArrayGetDim(array) != 1 || FAILED(SafeArrayGetLBound(array, 1, &low)) ||
        FAILED(SafeArrayGetUBound(array, 1, &high)) || (int64_t)high - low >= ARRAY_MOST)
        return err_fail(err, ERR_PROTOCOL, 0, "an array has an odd shape");
    for (LONG i = low; i <= high; i++) {
        union element e = { 0 };
        VARIANT whole;
        bool ok;

        VariantInit(&whole);
        if (FAILED(SafeArrayGetElement(array, &i,
                                       form == VT_VARIANT ? (void *)&whole : (void *)&e)))
            return err_fail(err, ERR_PROTOCOL, 0, "an array cannot be read");
        if (form == VT_VARIANT && (V_VT(&whole) & ~VT_TYPEMASK))
            ok = wrong(to->type, V_VT(&whole), err);
        else if (form == VT_VARIANT)
            ok = read_element(V_VT(&whole), (const union element *)&V_I8(&whole), objects,
                              to, err);
        else
            ok = read_element(form, &e, objects, to, err);
        VariantClear(&whole);
        if (form == VT_BSTR)
            SysFreeString(e.text);
        if (form == VT_UNKNOWN || form == VT_DISPATCH)
            COM_RELEASE(e.object);
        if (!ok)
            return false;
    }
    return true;
}

bool wmi_value_read(const VARIANT *v, CIMTYPE type, const struct variant_objects *objects,
                    struct cim_value *ret, struct err *err)
{
    VARTYPE form = V_VT(v);

    *ret = (struct cim_value){ .is_null = true };
    if (!wmi_type_read(type, &ret->type, &ret->is_array))
        return err_fail(err, ERR_PROTOCOL, 0, "%ld is no type of CIM", (long)type);
    if (form == VT_NULL || form == VT_EMPTY)
        return true;
    if (form & VT_ARRAY) {
        ret->is_array = true; /* what comes as one is one, whatever is said beside it */
        return read_array(v, objects, ret, err);
    }
    if (form & ~VT_TYPEMASK)
        return wrong(ret->type, form, err);
    return read_element(form, (const union element *)&V_I8(v), objects, ret, err);
}

/* ---- writing ---- */

bool wmi_value_retype(struct cim_value *value, enum cim_type type, bool is_array)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    struct cim_value made = { .type = type, .is_array = is_array, .is_null = true };
    struct err ignored = ERR_INIT;

    if (!is_array && value->count > 1)
        return false;
    made.is_null = value->is_null;
    for (size_t i = 0; i < value->count; i++) {
        bool is_gap = value->type == CIM_STRING && !value->data[i].text;

        strbuf_clear(&text);
        cim_value_put_text(value, i, &text);
        if (text.failed || !cim_value_add_text(&made,
                                               is_gap      ? NULL
                                               : text.text ? text.text
                                                           : "",
                                               &ignored)) {
            cim_value_clear(&made);
            return false;
        }
    }
    cim_value_clear(value);
    *value = made;
    return true;
}

static void reinterpret(struct cim_value *value, enum cim_type wanted)
{
    unsigned bits = types[wanted].bits;

    for (size_t i = 0; i < value->count && bits < 64; i++) {
        union cim_datum *d = &value->data[i];

        if (is_signed(wanted) && !is_signed(value->type) && d->u >> (bits - 1))
            d->s = (int64_t)d->u - ((int64_t)1 << bits);
        else if (!is_signed(wanted) && is_signed(value->type))
            d->u = (uint64_t)d->s & (((uint64_t)1 << bits) - 1);
    }
    value->type = wanted;
}

static bool write_text(const struct cim_value *value, size_t i, BSTR *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    cim_value_put_text(value, i, &text);
    if (text.failed)
        return err_fail(err, ERR_INVALID, 0, "a %s cannot be written as text",
                        cim_type_name(value->type));
    *ret = bstr_from(text.text ? text.text : "", err);
    return *ret;
}

/* In the form of types[]; what @ret points to belongs to the caller. */
static bool write_element(const struct cim_value *value, size_t i,
                          const struct variant_objects *objects, union element *ret,
                          struct err *err)
{
    const union cim_datum *d = &value->data[i];

    switch (types[value->type].form) {
    case VT_BOOL:
        ret->boolean = d->boolean ? VARIANT_TRUE : VARIANT_FALSE;
        return true;
    case VT_UI1:
        ret->ui1 = (BYTE)d->u;
        return true;
    case VT_I2:
        ret->i2 = is_signed(value->type) ? (SHORT)d->s : (SHORT)d->u;
        return true;
    case VT_I4:
        ret->i4 = is_signed(value->type) ? (LONG)d->s : (LONG)d->u;
        return true;
    case VT_R4:
        ret->r4 = (float)d->real;
        return true;
    case VT_R8:
        ret->r8 = d->real;
        return true;
    case VT_UNKNOWN:
        ret->object = objects->write(d->object, objects->user, err);
        return ret->object;
    default:
        return write_text(value, i, &ret->text, err);
    }
}

static bool write_array(const struct cim_value *value,
                        const struct variant_objects *objects, VARIANT *ret,
                        struct err *err)
{
    VARTYPE form = types[value->type].form;
    SAFEARRAY *array = SafeArrayCreateVector(form, 0, (ULONG)value->count);

    if (!array)
        return err_no_memory(err);
    V_VT(ret) = VT_ARRAY | form;
    V_ARRAY(ret) = array;
    for (size_t i = 0; i < value->count; i++) {
        union element e = { 0 };
        LONG at = (LONG)i;
        bool ok = write_element(value, i, objects, &e, err);
        HRESULT hr = S_OK;

        /* Texts and objects are handed over as they are and copied; others by address. */
        if (ok)
            hr = SafeArrayPutElement(
                array, &at, form == VT_BSTR || form == VT_UNKNOWN ? (void *)e.text : &e);
        if (form == VT_BSTR)
            SysFreeString(e.text);
        if (form == VT_UNKNOWN)
            COM_RELEASE(e.object);
        if (!ok)
            return false;
        if (FAILED(hr))
            return err_no_memory(err);
    }
    return true;
}

bool wmi_value_write(const struct cim_value *value, CIMTYPE type,
                     const struct variant_objects *objects, VARIANT *ret, struct err *err)
{
    struct cim_value copy;
    enum cim_type wanted;
    bool is_array, ok;

    VariantInit(ret);
    if (value->is_null) {
        V_VT(ret) = VT_NULL;
        return true;
    }
    if (!wmi_type_read(type, &wanted, &is_array))
        return err_fail(err, ERR_PROTOCOL, 0, "%ld is no type of CIM", (long)type);
    if (!cim_value_copy(value, &copy, err))
        return false;
    /* The same bits: some classes call a uint32 a sint32 (HKEY_LOCAL_MACHINE is 0x80000002). */
    if (types[copy.type].bits && types[copy.type].bits == types[wanted].bits)
        reinterpret(&copy, wanted);
    /* An empty array has nothing to give to what takes one value. */
    if ((!is_array && copy.count != 1) ||
        ((copy.type != wanted || copy.is_array != is_array) &&
         !wmi_value_retype(&copy, wanted, is_array))) {
        ok = err_fail(err, ERR_INVALID, 0, "a %s%s was given where a %s%s belongs",
                      cim_type_name(value->type), value->is_array ? " array" : "",
                      cim_type_name(wanted), is_array ? " array" : "");
    } else if (is_array) {
        ok = write_array(&copy, objects, ret, err);
    } else {
        ok = write_element(&copy, 0, objects, (union element *)&V_I8(ret), err);
        if (ok)
            V_VT(ret) = types[wanted].form;
    }
    cim_value_clear(&copy);
    return ok;
}

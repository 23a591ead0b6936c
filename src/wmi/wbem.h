/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wbemcli.h beside cim.h: both name the CIM types CIM_STRING and so on, with other numbers.
 * Windows' own are called WBEM_CIM_... here.
 */
#pragma once

#ifndef COBJMACROS
#define COBJMACROS
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif

#define CIM_ILLEGAL WBEM_CIM_ILLEGAL
#define CIM_EMPTY WBEM_CIM_EMPTY
#define CIM_SINT8 WBEM_CIM_SINT8
#define CIM_UINT8 WBEM_CIM_UINT8
#define CIM_SINT16 WBEM_CIM_SINT16
#define CIM_UINT16 WBEM_CIM_UINT16
#define CIM_SINT32 WBEM_CIM_SINT32
#define CIM_UINT32 WBEM_CIM_UINT32
#define CIM_SINT64 WBEM_CIM_SINT64
#define CIM_UINT64 WBEM_CIM_UINT64
#define CIM_REAL32 WBEM_CIM_REAL32
#define CIM_REAL64 WBEM_CIM_REAL64
#define CIM_BOOLEAN WBEM_CIM_BOOLEAN
#define CIM_STRING WBEM_CIM_STRING
#define CIM_DATETIME WBEM_CIM_DATETIME
#define CIM_REFERENCE WBEM_CIM_REFERENCE
#define CIM_CHAR16 WBEM_CIM_CHAR16
#define CIM_OBJECT WBEM_CIM_OBJECT
#define CIM_FLAG_ARRAY WBEM_CIM_FLAG_ARRAY

#include <windows.h>

#include <ole2.h>
#include <wbemcli.h>

#undef CIM_ILLEGAL
#undef CIM_EMPTY
#undef CIM_SINT8
#undef CIM_UINT8
#undef CIM_SINT16
#undef CIM_UINT16
#undef CIM_SINT32
#undef CIM_UINT32
#undef CIM_SINT64
#undef CIM_UINT64
#undef CIM_REAL32
#undef CIM_REAL64
#undef CIM_BOOLEAN
#undef CIM_STRING
#undef CIM_DATETIME
#undef CIM_REFERENCE
#undef CIM_CHAR16
#undef CIM_OBJECT
#undef CIM_FLAG_ARRAY

#include "attr.h"

/* guids.c */
extern const GUID wmi_clsid_locator, wmi_iid_locator, wmi_iid_object;

/* Lets go of a COM object and forgets it; NULL is fine. */
#define COM_RELEASE(p)                         \
    do {                                       \
        if (p)                                 \
            IUnknown_Release((IUnknown *)(p)); \
        (p) = NULL;                            \
    } while (0)

#define DEFINE_COM_CLEANUP(fn, type) \
    static inline void fn(type **p)  \
    {                                \
        COM_RELEASE(*p);             \
    }
DEFINE_COM_CLEANUP(object_cleanup, IWbemClassObject)
DEFINE_COM_CLEANUP(enum_cleanup, IEnumWbemClassObject)
DEFINE_COM_CLEANUP(result_cleanup, IWbemCallResult)

static inline void bstr_cleanup(BSTR *text)
{
    SysFreeString(*text);
}
static inline void variant_cleanup(VARIANT *v)
{
    VariantClear(v);
}

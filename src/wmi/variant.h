/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIM values between COM's VARIANT and ours.
 *
 * Automation has fewer types than CIM: uint16, uint32 and sint32 all come as VT_I4, uint64,
 * datetime and reference as text.  The CIM type, which COM tells beside the value, says what
 * is meant.  Source: MicrosoftDocs/win32 desktop-src/WmiSdk/numbers.md, .../date-and-time-
 * format.md; sdk-api wbemcli CIMTYPE_ENUMERATION.
 */
#pragma once

#include "cim.h"
#include "wbem.h"

/* Embedded objects, which need more than a conversion; see object.h. */
struct variant_objects {
    /* Owned; NULL with @err. */
    struct cim_instance *(*read)(IUnknown *object, void *user, struct err *err);
    /* Owned: to be released.  NULL with @err. */
    IUnknown *(*write)(const struct cim_instance *instance, void *user, struct err *err);
    void *user;
};

/* False: a number that is none of Windows' CIM types. */
bool wmi_type_read(CIMTYPE number, enum cim_type *ret_type, bool *ret_is_array) MUST_CHECK;
CIMTYPE wmi_type_number(enum cim_type type, bool is_array);

/* @type is what COM says beside @v.  *ret is overwritten; the caller clears it. */
bool wmi_value_read(const VARIANT *v, CIMTYPE type, const struct variant_objects *objects,
                    struct cim_value *ret, struct err *err) MUST_CHECK;
/* @value as a property of the type @type takes it: its text in CIM's form where the two
 * differ.  A null gives VT_NULL.  *ret is overwritten; the caller clears it. */
bool wmi_value_write(const struct cim_value *value, CIMTYPE type,
                     const struct variant_objects *objects, VARIANT *ret, struct err *err)
    MUST_CHECK;

/* Turns @value into one of @type, by its text; false, @value as it was: it is none. */
bool wmi_value_retype(struct cim_value *value, enum cim_type type, bool is_array);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances between WMI's objects and ours. */
#pragma once

#include "schema.h"
#include "wmi-session.h"

/* All properties of @object, which lives in @ns; @method: they are what it gave out, or
 * NULL.  The schema's types win over those COM tells, as over WS-Management.  Owned. */
struct cim_instance *wmi_object_read(IWbemClassObject *object, const char *ns,
                                     const struct cim_class_method *method,
                                     struct err *err);

/* Sets in @to what @from holds; a null stays out unless @nulls.  Where @to has no such
 * property that is an ERR_INVALID with @missing as its code. */
bool wmi_object_write(struct wmi_session *ws, const struct cim_instance *from,
                      const char *ns, bool nulls, HRESULT missing, IWbemClassObject *to,
                      struct err *err) MUST_CHECK;

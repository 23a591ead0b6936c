/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HRESULTs of COM and WMI to errors, with what the provider says beside them. */
#pragma once

#include "err.h"
#include "wbem.h"

/* Call at once after the call that gave @hr, on the same thread: the text that WMI keeps
 * for it (IErrorInfo) is overwritten by the next.  Returns false. */
bool wmi_fail(HRESULT hr, struct err *err);

/* The connection to WMI is gone (its service was restarted): worth connecting anew. */
bool wmi_is_lost(HRESULT hr);

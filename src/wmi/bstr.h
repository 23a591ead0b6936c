/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text between UTF-8 and COM's BSTR. */
#pragma once

#include "wbem.h"

struct err;

/* Owned: SysFreeString().  NULL: ERR_INVALID (no UTF-8), ERR_NO_MEMORY. */
BSTR bstr_from(const char *text, struct err *err);
/* Up to the first NUL, of which a BSTR may hold some; NULL, an empty one of COM, gives "".
 * Owned; NULL: no memory. */
char *bstr_text(const WCHAR *bstr, struct err *err);

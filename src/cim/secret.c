/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which values must not reach a trace or a recording. */

#include "secret.h"

#include <string.h>

#include "attr.h"
#include "text.h"

static bool names_a_secret(const char *text)
{
    static const char *const words[] = { "password",  "passphrase", "passwd",
                                         "secret",    "credential", "privatekey",
                                         "ownerauth", "accountkey", "keyprotector",
                                         "token" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (text && text_istr(text, words[i]))
            return true;
    return false;
}

static bool carries_a_secret(const struct cim_value *value)
{
    for (size_t n = 0; value->type == CIM_STRING && n < value->count; n++)
        if (value->data[n].text && strstr(value->data[n].text, "<INSTANCE") &&
            names_a_secret(value->data[n].text))
            return true;
    return false;
}

bool cim_is_secret(const struct cim_instance *i, const struct cim_property *p)
{
    if (names_a_secret(p->name) || carries_a_secret(&p->value))
        return true;
    return text_iends(p->name, "Value") && names_a_secret(cim_get_text(i, "sValueName"));
}

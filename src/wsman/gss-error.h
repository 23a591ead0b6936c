/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What GSS-API says, as an error a person can do something about. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <gssapi/gssapi.h>

struct err;
struct strbuf;

struct gss_mech {
    const char *name; /* as people know it */
    gss_OID_desc oid;
};

extern const struct gss_mech gss_mech_kerberos, gss_mech_ntlm;

/* GSS-API takes what it only reads as if it would write to it. */
static inline gss_OID gss_oid_of(const struct gss_mech *mech)
{
    return (gss_OID)(uintptr_t)&mech->oid;
}

struct gss_failure {
    OM_uint32 major, minor;
    gss_OID mech; /* whose minor it is; GSS_C_NO_OID: not known */
};

/* Major and minor status in the library's own words. */
void gss_words(const struct gss_failure *f, struct strbuf *to);

bool gss_fail(const struct gss_failure *failure, struct err *err);

/* There is nothing to ask Kerberos for a ticket with. */
bool gss_is_no_ticket(const struct gss_failure *failure);
/* Kerberos knows no such service on that host: another name may do. */
bool gss_is_unknown_service(const struct gss_failure *failure);

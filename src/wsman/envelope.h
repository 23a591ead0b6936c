/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing SOAP requests.
 *
 * envelope_begin() writes everything up to the open body, the caller adds the body,
 * envelope_end() closes it.  What XML cannot carry fails the buffer (strbuf.failed).
 */
#pragma once

#include <stdint.h>

#include "cim.h"
#include "strbuf.h"

struct cim_class_parameter;

struct envelope {
    const char *to; /* the URL */
    const char *action;
    const char *resource_uri;
    const struct cim_path *selectors; /* its keys; NULL: none */
    const char *shell_id;             /* the one selector of a shell; NULL: none */
    const char *const *options;       /* name, value, name, value, ..., NULL; NULL: none */
    uint32_t max_envelope_bytes;
    unsigned timeout_ms; /* what the host may take */
};

/* @ret_id: the MessageID, new each time; the answer carries it in a:RelatesTo. */
enum { MESSAGE_ID = 42 };
void envelope_begin(struct strbuf *to, const struct envelope *e, char ret_id[MESSAGE_ID]);
void envelope_end(struct strbuf *to);

/* "http://schemas.microsoft.com/wbem/wsman/1/wmi/<ns>/<class>", owned by the caller. */
char *wmi_uri(const char *ns, const char *class_name);

/* One parameter of a method, or property of a Put, as elements of prefix p.  @known (may be
 * NULL) says how the host wants it: an embedded instance goes as CIM-XML text if the
 * parameter is a string, and as elements if it is an object.  @nil_for_null: write a null
 * as xsi:nil instead of leaving it out. */
void put_parameter(struct strbuf *to, const char *name, const struct cim_value *value,
                   const struct cim_class_parameter *known, bool nil_for_null);

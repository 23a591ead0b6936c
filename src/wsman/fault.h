/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SOAP faults, as they arrive from Windows (MS-WSMV 2.2.4.43 WSManFault, DSP0226 14): a
 * subcode, a reason, and in the detail nested WSManFaults and a WMI error, any of which may
 * be missing.  They become one struct err: the innermost text and code, a kind, a hint.
 */
#pragma once

#include <stdint.h>

#include "xml.h"

enum { FAULT_TEXT = 512 };

struct soap_fault {
    bool present;
    uint32_t code;    /* innermost code known; 0: none */
    char subcode[64]; /* without prefix: "TimedOut" */
    char reason[FAULT_TEXT];
    char message[FAULT_TEXT]; /* innermost text of the detail */
    bool code_is_wmi;         /* an HRESULT of WMI was found and stays */
};

/* Feed with the elements within s:Fault. */
void soap_fault_start(struct soap_fault *fault, const struct xml_element *e);
void soap_fault_end(struct soap_fault *fault, const struct xml_element *e);

/* Returns false, with @err filled. */
bool soap_fault_to_err(const struct soap_fault *fault, struct err *err);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces, actions and dialects of WS-Management as Windows speaks it.  Always matched
 * by namespace and local name: every server chooses its own prefixes.
 *
 * Sources: DSP0226, DSP0227, DSP0230, MS-WSMV 2.2.1 and 2.2.9.
 */
#pragma once

#define NS_SOAP "http://www.w3.org/2003/05/soap-envelope"
/* The version of 2004/08, not W3C's of 2005. */
#define CONFIG_URI "http://schemas.microsoft.com/wbem/wsman/1/config"
#define NS_ADDRESSING "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define NS_ENUMERATION "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define NS_TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define NS_WSMAN "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define NS_CIM "http://schemas.dmtf.org/wbem/wscim/1/common"
#define NS_FAULT "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
#define NS_SHELL "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
#define NS_XSI "http://www.w3.org/2001/XMLSchema-instance"

/* Class resource URI: this, the namespace with '/', '/', the class. */
#define WMI_PREFIX "http://schemas.microsoft.com/wbem/wsman/1/wmi/"

#define ANONYMOUS NS_ADDRESSING "/role/anonymous"
#define WQL_DIALECT "http://schemas.microsoft.com/wbem/wsman/1/WQL"

#define ACTION_GET NS_TRANSFER "/Get"
#define ACTION_PUT NS_TRANSFER "/Put"
#define ACTION_CREATE NS_TRANSFER "/Create"
#define ACTION_DELETE NS_TRANSFER "/Delete"
#define ACTION_ENUMERATE NS_ENUMERATION "/Enumerate"
#define ACTION_PULL NS_ENUMERATION "/Pull"
#define ACTION_RELEASE NS_ENUMERATION "/Release"

#define SHELL_URI NS_SHELL "/cmd"
#define ACTION_COMMAND NS_SHELL "/Command"
#define ACTION_RECEIVE NS_SHELL "/Receive"
#define ACTION_SIGNAL NS_SHELL "/Signal"

/* Fault codes the client itself acts on (Win32::System::RemoteManagement). */
enum {
    WSMAN_ENVELOPE_TOO_SMALL = 0x80338047,
    WSMAN_ENVELOPE_EXCEEDED = 0x80338048,
    WSMAN_ENVELOPE_TOO_LARGE = 0x80338026,
    WSMAN_ENCODING_LIMIT = 0x80338035,
    WSMAN_QUOTA_LIMIT = 0x8033803F,
    WSMAN_TOO_MANY_OPERATIONS = 0x803381A6,
    WSMAN_QUOTA_USER = 0x803381A7,
    WSMAN_QUOTA_SYSTEM = 0x803381A8,
    WSMAN_TIMED_OUT = 0x80338029,
    WSMAN_INVALID_SELECTORS = 0x8033805B,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-certificate.h"

enum client_certificate client_certificate_look(gnutls_session_t session)
{
    unsigned count = 0, status = 0;

    if (!session || !gnutls_certificate_get_peers(session, &count) || count == 0)
        return CLIENT_CERTIFICATE_NONE;
    return gnutls_certificate_verify_peers2(session, &status) == GNUTLS_E_SUCCESS &&
                   status == 0
               ? CLIENT_CERTIFICATE_MAPPED
               : CLIENT_CERTIFICATE_UNMAPPED;
}

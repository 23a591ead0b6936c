/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates of hosts nobody trusts yet. */

#include <stdlib.h>
#include <string.h>

#include "certificate.h"
#include "err.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct certificate certificate;
    struct certificate_pin pin;
    char text[CERTIFICATE_PIN_TEXT], *pem = malloc(size + 1);

    if (!pem)
        return 0;
    memcpy(pem, data, size);
    pem[size] = '\0';
    if (certificate_read(pem, &certificate, &err)) {
        certificate_pin_format(&certificate, text);
        MUST(certificate_pin_parse(text, &pin, &err));
        MUST(certificate_pin_matches(&pin, &certificate));
        MUST(certificate.binding_len <= sizeof(certificate.binding));
    }
    free(pem);
    return 0;
}

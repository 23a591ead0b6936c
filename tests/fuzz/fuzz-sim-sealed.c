/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encrypted messages as the simulator takes them apart: whatever is in it, what is handed to
 * the mechanism lies within the message, and what is sealed is found again. */

#include <string.h>

#include "fuzz.h"
#include "sealed-message.h"
#include "text.h"

static const char *from;
static size_t size_of_all;

/* Takes anything and gives it back. */
static bool unseal(void *state, const char *header, size_t header_len, const char *data,
                   size_t data_len, struct strbuf *plain)
{
    MUST(header >= from && header + header_len + data_len <= from + size_of_all);
    MUST(data == header + header_len);
    strbuf_add(plain, header, header_len);
    strbuf_add(plain, data, data_len);
    return true;
}

static bool seal(void *state, const struct strbuf *plain, struct strbuf *header,
                 struct strbuf *data)
{
    size_t cut = plain->len / 3;

    strbuf_add(header, plain->text, cut);
    strbuf_add(data, plain->text + cut, plain->len - cut);
    return true;
}

static const struct auth_scheme scheme = {
    .name = "Test",
    .protocol = "application/HTTP-SPNEGO-session-encrypted",
    .seal = seal,
    .unseal = unseal,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf whole = STRBUF_INIT;

    strbuf_add(&body, data, size);
    from = body.text;
    size_of_all = body.len;
    (void)!sealed_message_open(&scheme, NULL, &body);

    if (size == 0)
        return 0;
    strbuf_add(&whole, data, size);
    MUST(sealed_message_close(&scheme, NULL, &whole));
    from = whole.text;
    size_of_all = whole.len;
    MUST(sealed_message_open(&scheme, NULL, &whole));
    MUST(whole.len == size && memcmp(whole.text, data, size) == 0);
    return 0;
}

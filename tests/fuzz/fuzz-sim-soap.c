/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a request to a simulated host.  What comes back must be XML. */
#include <libxml/parser.h>

#include "dispatch.h"
#include "err.h"
#include "fuzz.h"
#include "test-fixture.h"
#include "text.h"

static struct endpoint endpoint;

static bool set_up(void)
{
    struct err err = ERR_INIT;
    struct sim_host *host = fixture_host("SIM1", 2, &err);

    endpoint.owner = "admin";
    endpoint.url = text_dup("http://127.0.0.1:5985/wsman");
    return host && endpoint.url && endpoint_init(&endpoint, host, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer answer = { 0 };
    xmlDoc *document;

    if (!endpoint.host && !set_up())
        return 0;
    dispatch(&endpoint, (const char *)data, size, NULL, "127.0.0.1", &answer);
    document = xmlReadMemory(answer.body.text, (int)answer.body.len, NULL, NULL,
                             XML_PARSE_NONET | XML_PARSE_HUGE);
    MUST(document);
    xmlFreeDoc(document);
    strbuf_free(&answer.body);
    /* Commands and contexts of one input are nothing to the next one. */
    shells_clear(&endpoint);
    contexts_clear(&endpoint);
    return 0;
}

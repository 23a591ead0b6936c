/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a message of the line protocol behind COM.  What comes back must be messages of
 * it: a status first, an empty line last. */
#include "com.h"
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

/* The output of a command is given up at once, so that `slow` ends. */
static bool nobody_listens(struct com_request *request)
{
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct com_message message = { 0 }, answer = { 0 };
    struct strbuf to = STRBUF_INIT;
    struct com_request request = {
        .endpoint = &endpoint, .message = &message, .to = &to, .flush = nobody_listens
    };

    if (!endpoint.host && !set_up())
        return 0;
    /* What never comes to an end by itself is no message to answer here. */
    if (memmem(data, size, "slow", 4) ||
        !com_message_read((const char *)data, size, &message))
        return 0;
    com_answer(&request);
    MUST(!to.failed && to.len > 1 && to.text[to.len - 1] == '\n');
    MUST(to.text[0] == 'S' && to.text[1] == '\t');
    MUST(com_message_read(to.text, to.len - 1, &answer));
    MUST(answer.lines[0].count >= 2);
    com_message_clear(&answer);
    com_message_clear(&message);
    strbuf_free(&to);
    return 0;
}

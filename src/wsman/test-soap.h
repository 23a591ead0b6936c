/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SOAP answers for scripts, and what a query makes of a script. */
#pragma once

#include "cim.h"
#include "err.h"
#include "session.h"
#include "test-fake-server.h"
#include "test.h"
#include "wsman.h"

/* An answer to the request with that MessageID. */
#define ENV_TO(id, body)                                                                   \
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "                     \
    "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "                        \
    "xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" "                       \
    "xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" "                          \
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "                             \
    "xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\"><s:Header><a:RelatesTo>" id \
    "</a:RelatesTo></s:Header><s:Body>" body "</s:Body></s:Envelope>"
#define ENV(body) ENV_TO(REQUEST_ID, body)
#define V2 "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/"
#define VM(name)                                                                 \
    "<p:Msvm_ComputerSystem xmlns:p=\"" V2 "Msvm_ComputerSystem\"><p:Name>" name \
    "</p:Name><p:EnabledState>2</p:EnabledState></p:Msvm_ComputerSystem>"
#define CONTEXT(c) "<n:EnumerationContext>" c "</n:EnumerationContext>"
#define END "<n:EndOfSequence/>"
#define ENUMERATED(inner) ENV("<n:EnumerateResponse>" inner "</n:EnumerateResponse>")
#define PULLED(inner) ENV("<n:PullResponse>" inner "</n:PullResponse>")
#define FAULT(subcode, code)                                                                  \
    ENV("<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:" subcode          \
        "</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en-US\">reason</s:Text>" \
        "</s:Reason><s:Detail><f:WSManFault "                                                 \
        "xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"" code       \
        "\" Machine=\"h\"><f:Message>why.</f:Message></f:WSManFault></s:Detail></s:Fault>")

static inline struct cim_session *connect_with(struct fake_server *server,
                                               unsigned timeout_ms)
{
    struct wsman_options options = { .url = fake_server_url(server),
                                     .user = "me",
                                     .auth = "basic",
                                     .password = "pw",
                                     .operation_timeout_ms = timeout_ms };
    struct err err = ERR_INIT;
    struct cim_session *session = wsman_open(&options, &err);

    CHECK(session != NULL);
    return session;
}

struct seen {
    char names[256];
    size_t stop_at; /* 0: never */
    size_t count;
};

static inline bool see(const struct cim_instance *row, void *user, struct err *err)
{
    struct seen *seen = user;
    const char *name = cim_get_text(row, "Name");

    strcat(seen->names, name ? name : "?");
    strcat(seen->names, ";");
    if (++seen->count == seen->stop_at)
        return err_fail(err, ERR_CONFLICT, 0, "enough");
    return true;
}

static inline bool query(struct cim_session *session, struct seen *seen, struct err *err)
{
    return cim_query(session, "root/virtualization/v2", "select * from Msvm_ComputerSystem",
                     see, seen, err);
}

/* What a query makes of a script. */
static inline struct seen query_script(const struct fake_answer *script, size_t count,
                                       unsigned timeout_ms, struct err *err,
                                       size_t *ret_requests)
{
    struct fake_server *server = fake_server_start(script, count);
    struct cim_session *session = connect_with(server, timeout_ms);
    struct seen seen = { 0 };

    *err = ERR_INIT;
    if (query(session, &seen, err))
        err->kind = ERR_NONE;
    cim_release(session);
    *ret_requests = fake_server_requests(server);
    fake_server_stop(server);
    return seen;
}

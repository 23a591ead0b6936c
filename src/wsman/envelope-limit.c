/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long an answer may be.
 *
 * We say what we take (w:MaxEnvelopeSize), the host has a limit of its own
 * (winrm/config MaxEnvelopeSizekb), and the smaller of the two holds (MS-WSMV 3.1.4.1.7).  A
 * host refuses what does not fit; only then is its limit asked for, because it costs a
 * request and takes an administrator.  A higher limit than ours makes room for one object
 * that is larger than our limit; whoever may not ask goes by the lower of the documented
 * defaults (150 KB, MS-WSMV 2.2.4.10), which every host has.
 */

#include "cim.h"
#include "err.h"
#include "names.h"
#include "text.h"
#include "wsman-session.h"

enum {
    DOCUMENTED_DEFAULT = 150 * 1024,
    MOST = 16 << 20, /* of what a host could want us to keep in memory */
};

static bool ask_host(struct wsman_session *ws, uint64_t *ret_kb)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    CLEANUP(cim_instance_cleanup) struct cim_instance *config = NULL;
    struct envelope e = { .action = ACTION_GET, .resource_uri = CONFIG_URI };
    struct wsman_send how = { .may_repeat = true };
    struct err ignored = ERR_INIT;
    struct soap_answer got;

    wsman_begin(ws, &body, &e);
    if (!wsman_send(ws, &body, &how, &answer, &ignored))
        return false;
    got = wsman_answer(ws, &answer);
    config = answer_read_instance(&got, &ignored);
    /* Its class is in no schema, so its values are texts. */
    return config && text_to_u64(cim_get_text(config, "MaxEnvelopeSizekb"), 10, ret_kb);
}

bool wsman_is_too_large(const struct err *err)
{
    return err->code == WSMAN_ENVELOPE_TOO_LARGE || err->code == WSMAN_ENVELOPE_TOO_SMALL ||
           err->code == WSMAN_ENVELOPE_EXCEEDED || err->code == WSMAN_ENCODING_LIMIT;
}

bool wsman_learn_envelope(struct wsman_session *ws)
{
    uint64_t kb = 0, bytes;
    uint32_t before = ws->max_envelope_bytes;

    if (ws->knows_envelope)
        return false;
    ws->knows_envelope = true;
    bytes = ask_host(ws, &kb) && kb ? kb * 1024 : DOCUMENTED_DEFAULT;
    ws->host_envelope_kb = kb;
    ws->max_envelope_bytes = bytes < MOST ? (uint32_t)bytes : MOST;
    http_expect(ws->http, ws->max_envelope_bytes);
    return ws->max_envelope_bytes != before;
}

bool wsman_say_limit(const struct wsman_session *ws, struct err *err)
{
    if (!ws->host_envelope_kb)
        return false;
    err->hint[0] = '\0'; /* the general one, which has no number */
    return err_hint(err,
                    "raise the host's limit, now %u KB: "
                    "winrm set winrm/config @{MaxEnvelopeSizekb=\"%u\"}",
                    (unsigned)ws->host_envelope_kb, (unsigned)ws->host_envelope_kb * 2);
}

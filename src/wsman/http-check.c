/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to a host, one step at a time: which step is the first that does not work. */

#include <string.h>

#include "answer.h"
#include "err.h"
#include "http-inside.h"
#include "text.h"

static const char identify[] =
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
    "xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">"
    "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>";

/* Which step libcurl was at when it gave up. */
static enum wsman_step step_of(const struct http *h)
{
    curl_off_t connected = 0;

    switch (h->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return WSMAN_STEP_NAME;
    case CURLE_COULDNT_CONNECT:
        return WSMAN_STEP_PORT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return WSMAN_STEP_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(h->curl, CURLINFO_CONNECT_TIME_T, &connected);
        return connected > 0 ? WSMAN_STEP_HTTP : WSMAN_STEP_PORT;
    default:
        return h->is_pin_wrong ? WSMAN_STEP_TLS : WSMAN_STEP_HTTP;
    }
}

/* What does not fit is cut off, but no letter is halved. */
static void keep(char *to, size_t size, const char *from)
{
    size_t len = from ? text_cut(from, size - 1) : 0;

    if (len)
        memcpy(to, from, len);
    to[len] = '\0';
}

#define NS_IDENTITY "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"

struct identity {
    bool is_one;
    struct wsman_check *check;
};

static bool identity_end(void *user, const struct xml_element *e, struct err *err)
{
    struct identity *identity = user;

    identity->is_one |= e->depth == 1 && xml_is(e, NS_IDENTITY, "IdentifyResponse");
    if (xml_is(e, NS_IDENTITY, "ProductVersion"))
        keep(identity->check->version, sizeof(identity->check->version), e->text);
    return true;
}

static bool check_identify(struct http *h, struct wsman_check *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    struct identity identity = { .check = ret };
    const struct xml_handler handler = { .on_end = identity_end, .user = &identity };
    struct http_request request = { .body = identify,
                                    .len = sizeof(identify) - 1,
                                    .timeout_ms = ret->timeout_ms,
                                    .may_repeat = true };

    if (!http_post(h, &request, &answer, err)) {
        ret->failed = err->kind == ERR_DENIED ? WSMAN_STEP_LOG_ON : WSMAN_STEP_SERVICE;
        return false;
    }
    ret->failed = WSMAN_STEP_SERVICE;
    /* Its header is empty (DSP0226 11): it relates to nothing.  A fault becomes @err. */
    if (!answer_read(&(struct soap_answer){ answer.text, answer.len, NULL }, &handler, err))
        return false;
    return identity.is_one ||
           err_fail(err, ERR_PROTOCOL, 0, "the answer is not that of WS-Management");
}

bool http_check_way(struct http *h, struct wsman_check *ret, struct err *err)
{
    struct http_request request = { .timeout_ms = ret->timeout_ms };
    const char *address = NULL;
    bool is_asked;

    ret->is_tls = h->endpoint.is_tls;
    ret->is_insecure = h->endpoint.is_tls && !h->is_verified && !h->has_pin;
    is_asked = http_ask_offers(h, &request, err);
    /* Also of a connection that came to nothing. */
    curl_easy_getinfo(h->curl, CURLINFO_PRIMARY_IP, &address);
    keep(ret->address, sizeof(ret->address), address);
    if (h->has_certificate)
        certificate_pin_format(&h->certificate, ret->pin);
    if (!is_asked) {
        ret->failed = step_of(h);
        return false;
    }
    keep(ret->offers, sizeof(ret->offers), h->head.offers);
    if (!http_log_on(h, &request, err)) {
        ret->failed = WSMAN_STEP_LOG_ON;
        return false;
    }
    keep(ret->method, sizeof(ret->method),
         h->auth->ops->mechanism ? h->auth->ops->mechanism(h->auth) : h->auth->ops->name);
    ret->is_encrypted = h->endpoint.is_tls || http_is_sealing(h);
    return check_identify(h, ret, err);
}

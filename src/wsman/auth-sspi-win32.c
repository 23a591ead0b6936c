/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Negotiate through SSPI: what auth-gss-posix.c is elsewhere, with what Windows has.
 *
 * The package "Negotiate" chooses between Kerberos and NTLM by itself, and takes NTLM when
 * no domain knows the name of the service; so every name a host may have is asked for before
 * that is believed.  "kerberos" and "ntlm" by name are those packages, whose own tokens
 * hosts take under the scheme Negotiate too, as other clients send them.
 * Without a user name it is the user who runs this who logs on.
 *
 * Source: MicrosoftDocs/win32 secauthn (Negotiate, Kerberos and NTLM packages), RFC 4559.
 */

#include "sspi-win32.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "err.h"
#include "os.h"
#include "text.h"
#include "wsman.h"

enum {
    WANTED = ISC_REQ_MUTUAL_AUTH | ISC_REQ_REPLAY_DETECT | ISC_REQ_SEQUENCE_DETECT |
             ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_ALLOCATE_MEMORY
};

struct sspi {
    struct wsman_auth base;
    char *host;
    wchar_t *user, *domain, *password; /* @user NULL: who runs this */
    bool is_address, is_bare;
    struct strbuf binding; /* SEC_CHANNEL_BINDINGS and what it points to; empty: none */
    struct sspi_context context;
    wchar_t *target;
    char passed_over[ERR_TEXT];
};

/* ---- opening ---- */

static void forget_connection(struct sspi *s)
{
    sspi_forget(&s->context);
    free(s->target);
    s->target = NULL;
}

static void free_secret(wchar_t *secret)
{
    if (secret)
        os_wipe(secret, wcslen(secret) * sizeof(*secret));
    free(secret);
}

static void sspi_release(struct wsman_auth *self)
{
    struct sspi *s = (struct sspi *)self;

    forget_connection(s);
    free_secret(s->password);
    strbuf_free(&s->binding);
    free(s->user);
    free(s->domain);
    free(s->host);
    free(s);
}

static bool may_open(const struct wsman_options *o, const struct wsman_endpoint *endpoint,
                     struct err *err)
{
    if (o->keytab) {
        err_fail(err, ERR_UNSUPPORTED, 0, "Windows cannot log on with a keytab");
        return err_hint(err, "run this as that user, or give --password-file");
    }
    if (o->user && *o->user && !o->password) {
        err_fail(err, ERR_DENIED, 0, "there is no password of '%.80s' for '%s'", o->user,
                 endpoint->host);
        return err_hint(err, "give --password-file; without --user it is you who logs on");
    }
    return true;
}

static wchar_t *wide_part(const char *text, size_t len)
{
    char *part = text_ndup(text, len);
    wchar_t *wide = part ? (wchar_t *)(void *)text_to_utf16le(part, NULL) : NULL;

    if (part)
        os_wipe(part, len);
    free(part);
    return wide;
}

/* "CORP\user"; ".\user" is one of the host itself; "user@corp.example" stays whole. */
static bool take_user(struct sspi *s, const struct wsman_options *o)
{
    const char *slash = strchr(o->user, '\\'), *name = slash ? slash + 1 : o->user;
    bool is_local = slash && slash == o->user + 1 && o->user[0] == '.';

    s->user = wide_part(name, strlen(name));
    s->domain = wide_part(o->user, slash && !is_local ? (size_t)(slash - o->user) : 0);
    s->password = wide_part(o->password, strlen(o->password));
    return s->user && s->domain && s->password;
}

static struct wsman_auth *open_package(const struct wsman_options *o,
                                       const struct wsman_endpoint *endpoint,
                                       const struct wsman_auth_ops *ops, struct err *err)
{
    struct sspi *s;

    if (!may_open(o, endpoint, err))
        return NULL;
    s = calloc(1, sizeof(*s));
    if (s) {
        s->base.ops = ops;
        s->host = text_dup(endpoint->host);
        s->is_address = endpoint->is_address;
    }
    if (!s || !s->host || (o->user && *o->user && !take_user(s, o))) {
        if (s)
            sspi_release(&s->base);
        err_no_memory(err);
        return NULL;
    }
    return &s->base;
}

static struct wsman_auth *negotiate_open(const struct wsman_options *o,
                                         const struct wsman_endpoint *endpoint,
                                         struct err *err)
{
    return open_package(o, endpoint, &wsman_auth_negotiate, err);
}

static struct wsman_auth *kerberos_open(const struct wsman_options *o,
                                        const struct wsman_endpoint *endpoint,
                                        struct err *err)
{
    return wsman_auth_has_name(endpoint, err)
               ? open_package(o, endpoint, &wsman_auth_kerberos, err)
               : NULL;
}

static struct wsman_auth *ntlm_open(const struct wsman_options *o,
                                    const struct wsman_endpoint *endpoint, struct err *err)
{
    return open_package(o, endpoint, &wsman_auth_ntlm, err);
}

static const wchar_t *package_of(const struct sspi *s)
{
    if (s->is_bare || s->base.ops == &wsman_auth_kerberos)
        return L"Kerberos";
    return s->base.ops == &wsman_auth_ntlm ? L"NTLM" : L"Negotiate";
}

/* ---- logging on ---- */

static SECURITY_STATUS acquire(struct sspi *s)
{
    SEC_WINNT_AUTH_IDENTITY_W identity = { .Flags = SEC_WINNT_AUTH_IDENTITY_UNICODE };
    wchar_t *package = (wchar_t *)(uintptr_t)package_of(s);
    SECURITY_STATUS status;

    if (s->user) {
        identity.User = (unsigned short *)s->user;
        identity.UserLength = (unsigned long)wcslen(s->user);
        identity.Domain = (unsigned short *)s->domain;
        identity.DomainLength = (unsigned long)wcslen(s->domain);
        identity.Password = (unsigned short *)s->password;
        identity.PasswordLength = (unsigned long)wcslen(s->password);
    }
    status = AcquireCredentialsHandleW(NULL, package, SECPKG_CRED_OUTBOUND, NULL,
                                       s->user ? &identity : NULL, NULL, NULL,
                                       &s->context.cred, NULL);
    s->context.has_cred = status == SEC_E_OK;
    return status;
}

/* One call of InitializeSecurityContext(); @token NULL: the first. */
static SECURITY_STATUS advance(struct sspi *s, const void *token, size_t len, bool is_bound,
                               struct strbuf *ret_token)
{
    SecBuffer in[2], out = { 0, SECBUFFER_TOKEN, NULL };
    SecBufferDesc given = { SECBUFFER_VERSION, 0, in },
                  made = { SECBUFFER_VERSION, 1, &out };
    unsigned long flags = 0;
    SECURITY_STATUS status;

    if (token)
        in[given.cBuffers++] =
            (SecBuffer){ (unsigned long)len, SECBUFFER_TOKEN, (void *)(uintptr_t)token };
    if (is_bound && s->binding.len)
        in[given.cBuffers++] = (SecBuffer){ (unsigned long)s->binding.len,
                                            SECBUFFER_CHANNEL_BINDINGS, s->binding.text };
    status = InitializeSecurityContextW(
        &s->context.cred, s->context.has_ctx ? &s->context.ctx : NULL, s->target, WANTED, 0,
        SECURITY_NATIVE_DREP, given.cBuffers ? &given : NULL, 0, &s->context.ctx, &made,
        &flags, NULL);
    if (status == SEC_I_COMPLETE_NEEDED || status == SEC_I_COMPLETE_AND_CONTINUE) {
        SECURITY_STATUS completed = CompleteAuthToken(&s->context.ctx, &made);

        if (completed != SEC_E_OK)
            status = completed;
        else
            status = status == SEC_I_COMPLETE_NEEDED ? SEC_E_OK : SEC_I_CONTINUE_NEEDED;
    }
    if (status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED) {
        s->context.has_ctx = true;
        strbuf_add(ret_token, out.pvBuffer, out.cbBuffer);
        sspi_find_mechanism(&s->context, package_of(s), out.pvBuffer, out.cbBuffer);
    }
    if (out.pvBuffer)
        FreeContextBuffer(out.pvBuffer);
    return status;
}

/* The structure that SSPI wants the bytes of RFC 5929 in. */
static bool take_binding(struct sspi *s, const struct strbuf *binding)
{
    SEC_CHANNEL_BINDINGS head = { 0 };

    strbuf_clear(&s->binding);
    if (!binding)
        return true;
    head.cbApplicationDataLength = (unsigned long)binding->len;
    head.dwApplicationDataOffset = sizeof(head);
    strbuf_add(&s->binding, &head, sizeof(head));
    strbuf_add(&s->binding, binding->text, binding->len);
    return !s->binding.failed;
}

/* Kerberos puts the binding into its first token, NTLM into its last.  Where NTLM takes none
 * with the first (as in Wine) it is told later; Kerberos never goes without. */
static SECURITY_STATUS first_leg(struct sspi *s, struct strbuf *ret_token)
{
    SECURITY_STATUS status =
        advance(s, NULL, 0, s->base.ops != &wsman_auth_ntlm, ret_token);

    if (status != SEC_E_INVALID_TOKEN || !s->binding.len)
        return status;
    status = advance(s, NULL, 0, false, ret_token);
    return s->context.mechanism == SSPI_NTLM ? status : SEC_E_INVALID_TOKEN;
}

static SECURITY_STATUS begin_as(struct sspi *s, const char *service,
                                struct strbuf *ret_token, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("%s/%s", service, s->host);
    SECURITY_STATUS status;

    forget_connection(s);
    strbuf_clear(ret_token);
    s->target = target ? (wchar_t *)(void *)text_to_utf16le(target, NULL) : NULL;
    if (!s->target) {
        err_no_memory(err);
        return SEC_E_INSUFFICIENT_MEMORY;
    }
    status = acquire(s);
    return status == SEC_E_OK ? first_leg(s, ret_token) : status;
}

/* A host answers to HTTP, WSMAN and host; the first may belong to the account that its web
 * server runs under, or not be there at all. */
static const char *const services[] = { "HTTP", "WSMAN", "host" };

static bool is_started(SECURITY_STATUS status)
{
    return status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED;
}

/* Until it is Kerberos; when it never is, as it was with the first name. */
static SECURITY_STATUS begin_any(struct sspi *s, struct strbuf *ret_token, struct err *err)
{
    bool may_be_kerberos = s->base.ops != &wsman_auth_ntlm && !s->is_address;
    SECURITY_STATUS status = SEC_E_OK;

    for (size_t i = 0; i < (may_be_kerberos ? ARRAY_LEN(services) : 1); i++) {
        status = begin_as(s, services[i], ret_token, err);
        if (is_started(status) ? !may_be_kerberos || s->context.mechanism == SSPI_KERBEROS
                               : !sspi_is_unknown_service(status))
            return status;
    }
    if (may_be_kerberos && is_started(status)) {
        snprintf(s->passed_over, sizeof(s->passed_over),
                 "Kerberos: Windows has no ticket for '%.120s'", s->host);
        status = begin_as(s, services[0], ret_token, err);
    }
    return status;
}

static bool fail(struct sspi *s, SECURITY_STATUS status, struct err *err)
{
    sspi_fail(status, err);
    return err_wrap(err, "logging on to '%s' with %s", s->host,
                    sspi_mechanism_name(&s->context, s->base.ops->name));
}

static bool sspi_begin(struct wsman_auth *self, const struct strbuf *binding,
                       struct strbuf *ret_token, bool *ret_done, struct err *err)
{
    struct sspi *s = (struct sspi *)self;
    SECURITY_STATUS status;

    s->passed_over[0] = '\0';
    if (!take_binding(s, binding))
        return err_no_memory(err);
    status = begin_any(s, ret_token, err);
    *ret_done = status == SEC_E_OK;
    if (!is_started(status))
        return status == SEC_E_INSUFFICIENT_MEMORY ? err_no_memory(err)
                                                   : fail(s, status, err);
    return !ret_token->failed || err_no_memory(err);
}

static bool sspi_step(struct wsman_auth *self, const void *token, size_t len,
                      struct strbuf *ret_token, bool *ret_done, struct err *err)
{
    struct sspi *s = (struct sspi *)self;
    SECURITY_STATUS status;

    strbuf_clear(ret_token);
    status = advance(s, token, len, true, ret_token);
    *ret_done = status == SEC_E_OK;
    if (ret_token->failed)
        return err_no_memory(err);
    return is_started(status) || fail(s, status, err);
}

static bool sspi_go_bare(struct wsman_auth *self)
{
    struct sspi *s = (struct sspi *)self;

    s->is_bare = s->base.ops != &wsman_auth_ntlm && !s->is_address;
    return s->is_bare;
}

/* ---- messages ---- */

static bool sspi_auth_wrap(struct wsman_auth *self, const void *bytes, size_t len,
                           struct wsman_sealed *ret, struct err *err)
{
    return sspi_wrap(&((struct sspi *)self)->context, bytes, len, ret, err);
}

static bool sspi_auth_unwrap(struct wsman_auth *self, const void *token, size_t header_len,
                             size_t len, struct strbuf *ret, struct err *err)
{
    return sspi_unwrap(&((struct sspi *)self)->context, token, header_len, len, ret, err);
}

static const char *sspi_mechanism(const struct wsman_auth *self)
{
    const struct sspi *s = (const struct sspi *)self;

    return sspi_mechanism_name(&s->context, s->base.ops->name);
}

static const char *sspi_passed_over(const struct wsman_auth *self)
{
    const struct sspi *s = (const struct sspi *)self;

    return s->passed_over[0] ? s->passed_over : NULL;
}

static void sspi_explain(const struct wsman_auth *self, struct err *err)
{
    const struct sspi *s = (const struct sspi *)self;

    if (s->context.has_ctx)
        wsman_auth_explain_refusal(sspi_mechanism(self), s->context.mechanism == SSPI_NTLM,
                                   err);
}

#define SSPI_OPS(word, opener)                                                           \
    {                                                                                    \
        .name = word, .scheme = "Negotiate", .open = opener, .release = sspi_release,    \
        .begin = sspi_begin, .step = sspi_step, .go_bare = sspi_go_bare,                 \
        .wrap = sspi_auth_wrap, .unwrap = sspi_auth_unwrap, .mechanism = sspi_mechanism, \
        .passed_over = sspi_passed_over, .explain = sspi_explain                         \
    }

const struct wsman_auth_ops wsman_auth_negotiate = SSPI_OPS("negotiate", negotiate_open);
const struct wsman_auth_ops wsman_auth_kerberos = SSPI_OPS("kerberos", kerberos_open);
const struct wsman_auth_ops wsman_auth_ntlm = SSPI_OPS("ntlm", ntlm_open);

const char wsman_auth_nothing_given[] =
    "give --user and --password-file, or log on to Windows as a user of the host's domain";

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of Negotiate: SPNEGO, and bare NTLMSSP and Kerberos tokens, which
 * clients in the field also send under that name (measured: python3-requests-ntlm, curl).
 *
 * Kerberos takes its keys from the keytab (KRB5_KTNAME, or server_options.keytab), NTLM its
 * users from NTLM_USER_FILE (gssntlmssp(8)).
 */
#include "auth.h"

#include <string.h>

#include <gssapi/gssapi_ext.h>
#include <nettle/base64.h>

#include "text.h"

enum { SIGNATURE = 16, MAX_TOKEN = 96 * 1024 };

struct negotiation {
    gss_ctx_id_t ctx;
    bool done, is_kerberos;
    const char *scheme; /* that its tokens go under */
};

static const gss_OID_desc kerberos = { 9, (void *)"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" };

static void forget(void *state)
{
    struct negotiation *n = state;
    OM_uint32 minor;

    if (n && n->ctx)
        gss_delete_sec_context(&minor, &n->ctx, GSS_C_NO_BUFFER);
    free(n);
}

static void put_challenge(const struct negotiation *n, struct strbuf *to,
                          const gss_buffer_desc *token)
{
    size_t size = BASE64_ENCODE_RAW_LENGTH(token->length);
    CLEANUP(free_cleanup) char *text = malloc(size + 1);

    if (!text)
        return;
    base64_encode_raw(text, token->length, token->value);
    text[size] = '\0';
    strbuf_clear(to);
    strbuf_printf(to, "%s%s%s", n->scheme, size ? " " : "", text);
}

/* "DOMAIN\user", "user@REALM", "user": the user alone. */
static bool is_user(gss_name_t name, const char *user)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    CLEANUP(free_cleanup) char *copy = NULL;
    const char *from;
    OM_uint32 minor;

    if (gss_display_name(&minor, name, &text, NULL) != GSS_S_COMPLETE)
        return false;
    copy = text_ndup(text.value, text.length);
    gss_release_buffer(&minor, &text);
    if (!copy)
        return false;
    from = strchr(copy, '\\');
    from = from ? from + 1 : copy;
    copy[(from - copy) + (long)strcspn(from, "@")] = '\0';
    return text_ieq(from, user);
}

static enum auth_result finish(struct negotiation *n, const struct auth_users *users,
                               gss_name_t name, gss_OID mech, OM_uint32 flags)
{
    const OM_uint32 need = GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;

    n->is_kerberos = mech && mech->length == kerberos.length &&
                     memcmp(mech->elements, kerberos.elements, kerberos.length) == 0;
    n->done = (flags & need) == need && is_user(name, users->user) &&
              (users->cbt != WINRM_CBT_STRICT || !users->binding->len ||
               flags & GSS_C_CHANNEL_BOUND_FLAG);
    return n->done ? AUTH_OK : AUTH_DENIED;
}

/* What the context really is, behind SPNEGO. */
static gss_OID real_mech(const struct negotiation *n)
{
    gss_OID mech = GSS_C_NO_OID;
    OM_uint32 minor;

    gss_inquire_context(&minor, n->ctx, NULL, NULL, NULL, &mech, NULL, NULL, NULL);
    return mech;
}

static enum auth_result check(const struct auth_users *users, const char *scheme,
                              const char *credentials, void **state,
                              struct strbuf *challenge)
{
    CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;
    struct negotiation *n = *state;
    struct gss_channel_bindings_struct bindings = { 0 };
    gss_buffer_desc in, out = GSS_C_EMPTY_BUFFER;
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major, minor, flags = 0, ignored;
    enum auth_result result = AUTH_DENIED;

    if (strlen(credentials) > MAX_TOKEN || !auth_base64_decode(credentials, &token))
        return AUTH_DENIED;
    if (n && n->done) { /* logs on anew */
        forget(n);
        n = *state = NULL;
    }
    if (!n)
        n = *state = calloc(1, sizeof(*n));
    if (!n)
        return AUTH_DENIED;
    n->scheme = scheme;
    in = (gss_buffer_desc){ token.len, token.text };
    if (users->binding && users->cbt != WINRM_CBT_NONE)
        bindings.application_data =
            (gss_buffer_desc){ users->binding->len, users->binding->text };
    major = gss_accept_sec_context(
        &minor, &n->ctx, GSS_C_NO_CREDENTIAL, &in,
        bindings.application_data.length ? &bindings : GSS_C_NO_CHANNEL_BINDINGS, &name,
        NULL, &out, &flags, NULL, NULL);
    if (out.length || major == GSS_S_COMPLETE)
        put_challenge(n, challenge, &out);
    if (major == GSS_S_COMPLETE)
        result = finish(n, users, name, real_mech(n), flags);
    else if (major == GSS_S_CONTINUE_NEEDED)
        result = AUTH_CONTINUE;
    gss_release_name(&ignored, &name);
    gss_release_buffer(&ignored, &out);
    if (result == AUTH_DENIED) {
        forget(n);
        *state = NULL;
    }
    return result;
}

static enum auth_result check_negotiate(const struct auth_users *users,
                                        const char *credentials, void **state,
                                        struct strbuf *challenge)
{
    return check(users, "Negotiate", credentials, state, challenge);
}

/* Under "Kerberos" come Kerberos' own tokens (RFC 2743 3.1: a tag, a length, the OID). */
static enum auth_result check_kerberos(const struct auth_users *users,
                                       const char *credentials, void **state,
                                       struct strbuf *challenge)
{
    CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;

    if (strlen(credentials) > MAX_TOKEN || !auth_base64_decode(credentials, &token) ||
        token.len < 32 || token.text[0] != 0x60 ||
        !memmem(token.text, 16, kerberos.elements, kerberos.length))
        return AUTH_DENIED;
    return check(users, "Kerberos", credentials, state, challenge);
}

static bool is_done(const void *state)
{
    const struct negotiation *n = state;

    return n && n->done;
}

/* ---- messages: as SSPI lays them out ---- */

static bool seal_ntlm(struct negotiation *n, gss_buffer_desc in, struct strbuf *header,
                      struct strbuf *data)
{
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, ignored;
    bool ok =
        gss_wrap(&minor, n->ctx, 1, GSS_C_QOP_DEFAULT, &in, NULL, &out) == GSS_S_COMPLETE &&
        out.length >= SIGNATURE;

    if (ok) {
        strbuf_add(header, out.value, SIGNATURE);
        strbuf_add(data, (char *)out.value + SIGNATURE, out.length - SIGNATURE);
    }
    gss_release_buffer(&ignored, &out);
    return ok;
}

static bool seal_kerberos(struct negotiation *n, gss_buffer_desc in, struct strbuf *header,
                          struct strbuf *data)
{
    gss_iov_buffer_desc iov[] = {
        { GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER },
        { GSS_IOV_BUFFER_TYPE_DATA, GSS_C_EMPTY_BUFFER },
        { GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER },
    };
    OM_uint32 minor, ignored;
    bool ok;

    strbuf_add(data, in.value, in.length);
    if (data->failed)
        return false;
    iov[1].buffer = (gss_buffer_desc){ data->len, data->text };
    ok = gss_wrap_iov(&minor, n->ctx, 1, GSS_C_QOP_DEFAULT, NULL, iov, 3) == GSS_S_COMPLETE;
    if (ok) {
        strbuf_add(header, iov[0].buffer.value, iov[0].buffer.length);
        strbuf_add(data, iov[2].buffer.value, iov[2].buffer.length);
    }
    gss_release_iov_buffer(&ignored, iov, 3);
    return ok;
}

static bool seal(void *state, const struct strbuf *plain, struct strbuf *header,
                 struct strbuf *data)
{
    struct negotiation *n = state;
    gss_buffer_desc in = { plain->len, plain->text };
    bool ok = n->is_kerberos ? seal_kerberos(n, in, header, data)
                             : seal_ntlm(n, in, header, data);

    return ok && !header->failed && !data->failed;
}

/* The tokens of RC4 begin as an InitialContextToken does (RFC 1964 1.2.2), those of AES with
 * 05 04 (RFC 4121 4.2.6.2). A byte 01 of padding is counted with the data (RFC 4757 7.3), which
 * gss_unwrap_iov() leaves there, or is missing, as from Windows (krb5/krb5 pull request 1093). */
static void cut_padding(const struct strbuf *header, struct strbuf *plain)
{
    if (header->len && header->text[0] == 0x60 && plain->len &&
        plain->text[plain->len - 1] == 1)
        plain->len--;
}

/* DecryptMessage of SSPI is given the two parts, so a token that was not rotated fails
 * there; it does here too. */
static bool unseal_kerberos(struct negotiation *n, struct strbuf *header,
                            struct strbuf *plain)
{
    gss_iov_buffer_desc iov[] = {
        { GSS_IOV_BUFFER_TYPE_HEADER, { header->len, header->text } },
        { GSS_IOV_BUFFER_TYPE_DATA, { plain->len, plain->text } },
        { GSS_IOV_BUFFER_TYPE_DATA, GSS_C_EMPTY_BUFFER },
    };
    OM_uint32 minor;
    int sealed = 0;

    if (gss_unwrap_iov(&minor, n->ctx, &sealed, NULL, iov, 3) != GSS_S_COMPLETE || !sealed)
        return false;
    plain->len = iov[1].buffer.length;
    cut_padding(header, plain);
    return true;
}

static bool unseal_ntlm(struct negotiation *n, struct strbuf *token, struct strbuf *plain)
{
    gss_buffer_desc in = { token->len, token->text }, out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, ignored;
    int sealed = 0;
    bool ok =
        gss_unwrap(&minor, n->ctx, &in, &out, &sealed, NULL) == GSS_S_COMPLETE && sealed;

    if (ok)
        strbuf_add(plain, out.value, out.length);
    gss_release_buffer(&ignored, &out);
    return ok;
}

static bool unseal(void *state, const char *header, size_t header_len, const char *data,
                   size_t data_len, struct strbuf *plain)
{
    struct negotiation *n = state;
    CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;

    strbuf_add(&token, header, header_len);
    if (n->is_kerberos)
        strbuf_add(plain, data, data_len);
    else
        strbuf_add(&token, data, data_len);
    if (token.failed || plain->failed)
        return false;
    return (n->is_kerberos ? unseal_kerberos(n, &token, plain)
                           : unseal_ntlm(n, &token, plain)) &&
           !plain->failed;
}

const struct auth_scheme auth_negotiate = { .name = "Negotiate",
                                            .challenge = "Negotiate",
                                            .protocol =
                                                "application/HTTP-SPNEGO-session-encrypted",
                                            .check = check_negotiate,
                                            .forget = forget,
                                            .is_done = is_done,
                                            .seal = seal,
                                            .unseal = unseal };

const struct auth_scheme auth_kerberos = {
    .name = "Kerberos",
    .challenge = "Kerberos",
    .protocol = "application/HTTP-Kerberos-session-encrypted",
    .check = check_kerberos,
    .forget = forget,
    .is_done = is_done,
    .seal = seal,
    .unseal = unseal
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Negotiate through GSS-API (MIT krb5): SPNEGO (RFC 4178) around Kerberos or, with the
 * plug-in gss-ntlmssp, NTLM.
 *
 * libcurl could exchange the tokens itself, but it keeps the context, without which no
 * message can be encrypted, and ignores user and password.  Which of the two mechanisms is
 * used is decided here, one SPNEGO exchange with one mechanism in it: so what failed can be
 * told by its name.
 *
 * What works with Windows' side of it was measured: see the tests, and RFC 4121, MS-NLMP,
 * MS-WSMV 2.2.9.1.
 */

#include <stdatomic.h>
#include <string.h>

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>

#include "auth.h"
#include "err.h"
#include "gss-error.h"
#include "gss-message.h"
#include "os.h"
#include "text.h"
#include "wsman.h"

enum { MECHS_MOST = 2 };

struct gss {
    struct wsman_auth base;
    char *user, *password, *keytab, *host;
    const struct gss_mech *mechs[MECHS_MOST];
    size_t mech_count;
    char *memory_cache;    /* holds the tickets of @keytab; NULL: none yet */
    struct strbuf binding; /* to the TLS connection of @ctx; empty: none */
    gss_cred_id_t cred;
    gss_ctx_id_t ctx;
    const struct gss_mech *mech; /* of @ctx */
    const char *service;
    char passed_over[ERR_TEXT];
    bool is_bare; /* Kerberos' own tokens, not SPNEGO's */
};

/* ---- mechanisms ---- */

static gss_OID_desc spnego = { 6, (void *)"\x2b\x06\x01\x05\x05\x02" };

const struct gss_mech gss_mech_kerberos = {
    .name = "Kerberos", .oid = { 9, (void *)"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" }
};
const struct gss_mech gss_mech_ntlm = {
    .name = "NTLM", .oid = { 10, (void *)"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" }
};

/* NTLM is a plug-in, found through /etc/gss/mech.d. */
static bool is_installed(const struct gss_mech *mech)
{
    gss_OID_set all = GSS_C_NO_OID_SET;
    OM_uint32 minor;
    int present = 0;

    if (gss_indicate_mechs(&minor, &all) != GSS_S_COMPLETE)
        return false;
    gss_test_oid_set_member(&minor, gss_oid_of(mech), all, &present);
    gss_release_oid_set(&minor, &all);
    return present;
}

static gss_OID outer_mech(const struct gss *g)
{
    return g->is_bare ? gss_oid_of(&gss_mech_kerberos) : &spnego;
}

/* ---- opening ---- */

static void forget_connection(struct gss *g)
{
    OM_uint32 minor;

    if (g->ctx)
        gss_delete_sec_context(&minor, &g->ctx, GSS_C_NO_BUFFER);
    if (g->cred)
        gss_release_cred(&minor, &g->cred);
    g->mech = NULL;
}

static void destroy_cache(const char *name)
{
    krb5_context context;
    krb5_ccache cache;

    if (krb5_init_context(&context))
        return;
    if (krb5_cc_resolve(context, name, &cache) == 0)
        krb5_cc_destroy(context, cache);
    krb5_free_context(context);
}

static void gss_auth_release(struct wsman_auth *self)
{
    struct gss *g = (struct gss *)self;

    forget_connection(g);
    if (g->memory_cache)
        destroy_cache(g->memory_cache);
    if (g->password)
        os_wipe(g->password, strlen(g->password));
    strbuf_free(&g->binding);
    free(g->memory_cache);
    free(g->user);
    free(g->password);
    free(g->keytab);
    free(g->host);
    free(g);
}

static bool kerberos_possible(const struct wsman_options *o,
                              const struct wsman_endpoint *endpoint, struct err *err)
{
    if (!is_installed(&gss_mech_kerberos))
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "the GSS-API library on this machine knows no Kerberos");
    if (!wsman_auth_has_name(endpoint, err))
        return false;
    if (o->keytab && (!o->user || !*o->user)) {
        err_fail(err, ERR_INVALID, 0, "a keytab says nothing without a user name");
        return err_hint(err, "name one of its principals: --user NAME@REALM");
    }
    return true;
}

static bool ntlm_possible(const struct wsman_options *o,
                          const struct wsman_endpoint *endpoint, struct err *err)
{
    if (!is_installed(&gss_mech_ntlm)) {
        err_fail(err, ERR_UNSUPPORTED, 0, "NTLM is not available on this machine");
        return err_hint(err, "install the package gss-ntlmssp");
    }
    if (!o->user || !*o->user || !o->password) {
        err_fail(err, ERR_DENIED, 0, "NTLM needs a user name and a password for '%s'",
                 endpoint->host);
        return err_hint(err, "give --user and --password-file");
    }
    return true;
}

/* A user of a realm has a password for Kerberos too; nobody else's is tried there, because
 * asking the network for a realm that is none takes long. */
static bool has_realm(const struct wsman_options *o)
{
    return o->user && strchr(o->user, '@');
}

static bool choose(struct gss *g, const struct wsman_options *o,
                   const struct wsman_endpoint *endpoint, struct err *err)
{
    struct err kerberos = ERR_INIT, ntlm = ERR_INIT;

    if ((!o->password || o->keytab || has_realm(o)) &&
        kerberos_possible(o, endpoint, &kerberos))
        g->mechs[g->mech_count++] = &gss_mech_kerberos;
    if (ntlm_possible(o, endpoint, &ntlm))
        g->mechs[g->mech_count++] = &gss_mech_ntlm;
    if (g->mech_count)
        return true;
    *err = o->password || (o->user && kerberos.kind == ERR_NONE) ? ntlm : kerberos;
    return false;
}

static struct gss *gss_new(const struct wsman_options *o,
                           const struct wsman_endpoint *endpoint, struct err *err)
{
    struct gss *g = calloc(1, sizeof(*g));

    if (!g) {
        err_no_memory(err);
        return NULL;
    }
    g->user = o->user && *o->user ? text_dup(o->user) : NULL;
    g->password = text_dup(o->password);
    g->keytab = text_dup(o->keytab);
    g->host = text_dup(endpoint->host);
    if (!g->host || (!g->user && o->user && *o->user) || (!g->password && o->password) ||
        (!g->keytab && o->keytab)) {
        gss_auth_release(&g->base);
        err_no_memory(err);
        return NULL;
    }
    return g;
}

static struct wsman_auth *negotiate_open(const struct wsman_options *o,
                                         const struct wsman_endpoint *endpoint,
                                         struct err *err)
{
    struct gss *g = gss_new(o, endpoint, err);

    if (g && !choose(g, o, endpoint, err)) {
        gss_auth_release(&g->base);
        return NULL;
    }
    if (g)
        g->base.ops = &wsman_auth_negotiate;
    return g ? &g->base : NULL;
}

static struct wsman_auth *open_one(const struct wsman_options *o,
                                   const struct wsman_endpoint *endpoint,
                                   const struct gss_mech *mech,
                                   const struct wsman_auth_ops *ops, struct err *err)
{
    struct gss *g = gss_new(o, endpoint, err);

    if (!g)
        return NULL;
    g->mechs[g->mech_count++] = mech;
    g->base.ops = ops;
    return &g->base;
}

static struct wsman_auth *kerberos_open(const struct wsman_options *o,
                                        const struct wsman_endpoint *endpoint,
                                        struct err *err)
{
    return kerberos_possible(o, endpoint, err)
               ? open_one(o, endpoint, &gss_mech_kerberos, &wsman_auth_kerberos, err)
               : NULL;
}

static struct wsman_auth *ntlm_open(const struct wsman_options *o,
                                    const struct wsman_endpoint *endpoint, struct err *err)
{
    return ntlm_possible(o, endpoint, err)
               ? open_one(o, endpoint, &gss_mech_ntlm, &wsman_auth_ntlm, err)
               : NULL;
}

/* ---- logging on ---- */

static bool import(const char *text, gss_OID type, gss_name_t *ret, struct err *err)
{
    gss_buffer_desc buffer = { strlen(text), (void *)(uintptr_t)text };
    OM_uint32 major, minor;

    major = gss_import_name(&minor, &buffer, type, ret);
    if (major == GSS_S_COMPLETE)
        return true;
    return gss_fail(&(struct gss_failure){ major, minor, &spnego }, err);
}

/* Realms are upper case; "CORP\user" is how Windows users write user@CORP. */
static char *kerberos_user(const char *user)
{
    const char *slash = strchr(user, '\\');
    char *name = slash ? text_printf("%s@%.*s", slash + 1, (int)(slash - user), user)
                       : text_dup(user);
    char *realm = name ? strchr(name, '@') : NULL;

    for (; realm && *realm; realm++)
        if (*realm >= 'a' && *realm <= 'z')
            *realm = (char)(*realm - 'a' + 'A');
    return name;
}

/* ".\user" is how Windows users write an account of the host itself. */
static char *ntlm_user(const char *user)
{
    return text_dup(strncmp(user, ".\\", 2) == 0 ? user + 2 : user);
}

static bool user_name(const struct gss *g, const struct gss_mech *mech, gss_name_t *ret,
                      struct err *err)
{
    CLEANUP(free_cleanup)
    char *user = mech == &gss_mech_kerberos ? kerberos_user(g->user) : ntlm_user(g->user);

    if (!user)
        return err_no_memory(err);
    return import(user, GSS_C_NT_USER_NAME, ret, err);
}

/* The tickets that a keytab gets stay in this process. */
static OM_uint32 acquire_from_keytab(struct gss *g, gss_name_t name, gss_OID_set wanted,
                                     gss_cred_id_t *ret, OM_uint32 *minor)
{
    static atomic_uint number;
    gss_key_value_element_desc elements[2];
    gss_key_value_set_desc store = { 2, elements };

    if (!g->memory_cache)
        g->memory_cache = text_printf("MEMORY:hvgpu-%u", atomic_fetch_add(&number, 1));
    if (!g->memory_cache)
        return GSS_S_FAILURE;
    elements[0] = (gss_key_value_element_desc){ "client_keytab", g->keytab };
    elements[1] = (gss_key_value_element_desc){ "ccache", g->memory_cache };
    return gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, wanted, GSS_C_INITIATE,
                                 &store, ret, NULL, NULL);
}

/* @as: the mechanism the credential is asked for by, SPNEGO or @mech's own. */
static bool acquire(struct gss *g, const struct gss_mech *mech, gss_OID as,
                    gss_cred_id_t *ret, struct gss_failure *failure, struct err *err)
{
    gss_OID_set_desc wanted = { 1, as };
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major, minor = 0, ignored;

    if (g->user && !user_name(g, mech, &name, err))
        return false;
    if (mech == &gss_mech_kerberos && g->keytab) {
        major = acquire_from_keytab(g, name, &wanted, ret, &minor);
    } else if (g->password && name) {
        gss_buffer_desc password = { strlen(g->password), g->password };

        major = gss_acquire_cred_with_password(&minor, name, &password, GSS_C_INDEFINITE,
                                               &wanted, GSS_C_INITIATE, ret, NULL, NULL);
    } else {
        major = gss_acquire_cred(&minor, name, GSS_C_INDEFINITE, &wanted, GSS_C_INITIATE,
                                 ret, NULL, NULL);
    }
    gss_release_name(&ignored, &name);
    *failure = (struct gss_failure){ major, minor, as };
    return major == GSS_S_COMPLETE;
}

static bool target_name(const struct gss *g, const char *service, gss_name_t *ret,
                        struct err *err)
{
    CLEANUP(free_cleanup) char *text = text_printf("%s@%s", service, g->host);

    if (!text)
        return err_no_memory(err);
    return import(text, GSS_C_NT_HOSTBASED_SERVICE, ret, err);
}

enum {
    WANTED = GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_CONF_FLAG |
             GSS_C_INTEG_FLAG
};

/* One call of gss_init_sec_context(). */
struct leg {
    gss_cred_id_t cred;
    gss_ctx_id_t *ctx;
    gss_name_t target;
    gss_OID mech;
    const struct strbuf *binding;
};

static OM_uint32 advance(const struct leg *leg, const void *token, size_t len,
                         struct strbuf *ret_token, OM_uint32 *minor)
{
    gss_buffer_desc in = { len, (void *)(uintptr_t)token }, out = GSS_C_EMPTY_BUFFER;
    struct gss_channel_bindings_struct bindings = { 0 };
    bool is_bound = leg->binding && leg->binding->len;
    OM_uint32 major, flags = 0, ignored;

    if (is_bound)
        bindings.application_data =
            (gss_buffer_desc){ leg->binding->len, leg->binding->text };
    major = gss_init_sec_context(
        minor, leg->cred, leg->ctx, leg->target, leg->mech, WANTED, GSS_C_INDEFINITE,
        is_bound ? &bindings : GSS_C_NO_CHANNEL_BINDINGS, &in, NULL, &out, &flags, NULL);
    if (ret_token)
        strbuf_add(ret_token, out.value, out.length);
    gss_release_buffer(&ignored, &out);
    /* A context that cannot encrypt or sign is none. */
    if (major == GSS_S_COMPLETE && (flags & (GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG)) !=
                                       (GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG))
        major = GSS_S_BAD_QOP;
    return major;
}

/* SPNEGO hides whose error it was, so Kerberos is asked once more by its own name. */
static void diagnose(struct gss *g, const char *service, struct gss_failure *failure)
{
    struct gss_failure own = { 0 };
    struct err ignored = ERR_INIT;
    gss_OID oid = gss_oid_of(&gss_mech_kerberos);
    gss_cred_id_t cred = GSS_C_NO_CREDENTIAL;
    gss_ctx_id_t ctx = GSS_C_NO_CONTEXT;
    gss_name_t target = GSS_C_NO_NAME;
    OM_uint32 minor;

    if (!acquire(g, &gss_mech_kerberos, oid, &cred, &own, &ignored)) {
        if (own.major)
            *failure = own;
    } else if (target_name(g, service, &target, &ignored)) {
        struct leg leg = { .cred = cred, .ctx = &ctx, .target = target, .mech = oid };

        own.major = advance(&leg, NULL, 0, NULL, &own.minor);
        own.mech = oid;
        if (GSS_ERROR(own.major))
            *failure = own;
    }
    gss_release_name(&minor, &target);
    gss_delete_sec_context(&minor, &ctx, GSS_C_NO_BUFFER);
    gss_release_cred(&minor, &cred);
}

static bool start_context(struct gss *g, const struct gss_mech *mech, const char *service,
                          struct strbuf *ret_token, bool *ret_done,
                          struct gss_failure *failure, struct err *err)
{
    gss_OID_set_desc only = { 1, gss_oid_of(mech) };
    gss_name_t target = GSS_C_NO_NAME;
    OM_uint32 major = GSS_S_COMPLETE, minor = 0, ignored;

    if (!g->is_bare)
        major = gss_set_neg_mechs(&minor, g->cred, &only);
    if (major == GSS_S_COMPLETE) {
        struct leg leg = {
            .cred = g->cred, .ctx = &g->ctx, .mech = outer_mech(g), .binding = &g->binding
        };

        if (!target_name(g, service, &target, err))
            return false;
        leg.target = target;
        major = advance(&leg, NULL, 0, ret_token, &minor);
        gss_release_name(&ignored, &target);
    }
    *failure = (struct gss_failure){ major, minor, outer_mech(g) };
    *ret_done = major == GSS_S_COMPLETE;
    return major == GSS_S_COMPLETE || major == GSS_S_CONTINUE_NEEDED;
}

/* A host answers to HTTP, WSMAN and host; the first may belong to the account that its web
 * server runs under, or not be there at all. */
static const char *const services[] = { "HTTP", "WSMAN", "host" };

static bool begin_with(struct gss *g, const struct gss_mech *mech, struct strbuf *ret_token,
                       bool *ret_done, struct err *err)
{
    struct gss_failure failure = { 0 };
    size_t count = mech == &gss_mech_kerberos ? ARRAY_LEN(services) : 1;

    for (size_t i = 0; i < count; i++) {
        OM_uint32 minor;

        forget_connection(g);
        *err = ERR_INIT;
        if (acquire(g, mech, outer_mech(g), &g->cred, &failure, err) &&
            start_context(g, mech, services[i], ret_token, ret_done, &failure, err)) {
            g->service = services[i];
            g->mech = mech;
            return true;
        }
        if (err->kind != ERR_NONE)
            return false;
        if (mech == &gss_mech_kerberos && !g->is_bare)
            diagnose(g, services[i], &failure);
        gss_delete_sec_context(&minor, &g->ctx, GSS_C_NO_BUFFER);
        if (!gss_is_unknown_service(&failure))
            break;
    }
    if (mech == &gss_mech_kerberos && g->keytab && gss_is_no_ticket(&failure)) {
        err_fail(err, ERR_DENIED, 0, "the keytab '%.160s' has no key of '%.80s'", g->keytab,
                 g->user);
        err_hint(err, "see whose keys it has with klist -k '%.160s'", g->keytab);
    } else {
        gss_fail(&failure, err);
    }
    return err_wrap(err, "logging on to '%s' with %s", g->host, mech->name);
}

static bool gss_begin(struct wsman_auth *self, const struct strbuf *binding,
                      struct strbuf *ret_token, bool *ret_done, struct err *err)
{
    struct gss *g = (struct gss *)self;
    struct err first = ERR_INIT;

    g->passed_over[0] = '\0';
    strbuf_clear(&g->binding);
    if (binding)
        strbuf_add(&g->binding, binding->text, binding->len);
    if (g->binding.failed)
        return err_no_memory(err);
    for (size_t i = 0; i < g->mech_count; i++) {
        struct err why = ERR_INIT;

        if (g->is_bare && g->mechs[i] != &gss_mech_kerberos)
            continue;
        strbuf_clear(ret_token);
        if (begin_with(g, g->mechs[i], ret_token, ret_done, &why))
            return !ret_token->failed || err_no_memory(err);
        if (i == 0) {
            first = why;
            snprintf(g->passed_over, sizeof(g->passed_over), "%s: %.200s",
                     g->mechs[i]->name, why.text[0]);
        }
    }
    *err = first;
    return false;
}

static bool gss_step(struct wsman_auth *self, const void *token, size_t len,
                     struct strbuf *ret_token, bool *ret_done, struct err *err)
{
    struct gss *g = (struct gss *)self;
    gss_name_t target = GSS_C_NO_NAME;
    struct leg leg = {
        .cred = g->cred, .ctx = &g->ctx, .mech = outer_mech(g), .binding = &g->binding
    };
    OM_uint32 major, minor = 0, ignored;

    if (!target_name(g, g->service, &target, err))
        return false;
    leg.target = target;
    strbuf_clear(ret_token);
    major = advance(&leg, token, len, ret_token, &minor);
    gss_release_name(&ignored, &target);
    *ret_done = major == GSS_S_COMPLETE;
    if (ret_token->failed)
        return err_no_memory(err);
    if (major == GSS_S_COMPLETE || major == GSS_S_CONTINUE_NEEDED)
        return true;
    gss_fail(&(struct gss_failure){ major, minor, outer_mech(g) }, err);
    return err_wrap(err, "logging on to '%s' with %s", g->host, g->mech->name);
}

static bool gss_go_bare(struct wsman_auth *self)
{
    struct gss *g = (struct gss *)self;

    for (size_t i = 0; i < g->mech_count && !g->is_bare; i++)
        g->is_bare = g->mechs[i] == &gss_mech_kerberos;
    return g->is_bare;
}

/* ---- messages ---- */

static bool gss_auth_wrap(struct wsman_auth *self, const void *bytes, size_t len,
                          struct wsman_sealed *ret, struct err *err)
{
    struct gss *g = (struct gss *)self;

    return gss_message_wrap(g->ctx, g->mech, bytes, len, ret, err);
}

/* Where the header ends is GSS-API's own business. */
static bool gss_auth_unwrap(struct wsman_auth *self, const void *token, size_t header_len,
                            size_t len, struct strbuf *ret, struct err *err)
{
    struct gss *g = (struct gss *)self;

    return gss_message_unwrap(g->ctx, token, len, ret, err);
}

static const char *gss_mechanism(const struct wsman_auth *self)
{
    const struct gss *g = (const struct gss *)self;

    return g->mech ? g->mech->name : g->base.ops->name;
}

static const char *gss_passed_over(const struct wsman_auth *self)
{
    const struct gss *g = (const struct gss *)self;

    return g->passed_over[0] ? g->passed_over : NULL;
}

static void gss_explain(const struct wsman_auth *self, struct err *err)
{
    const struct gss *g = (const struct gss *)self;

    if (g->mech)
        wsman_auth_explain_refusal(g->mech->name, g->mech == &gss_mech_ntlm, err);
}

#define GSS_OPS(word, opener)                                                             \
    {                                                                                     \
        .name = word, .scheme = "Negotiate", .open = opener, .release = gss_auth_release, \
        .begin = gss_begin, .step = gss_step, .go_bare = gss_go_bare,                     \
        .wrap = gss_auth_wrap, .unwrap = gss_auth_unwrap, .mechanism = gss_mechanism,     \
        .passed_over = gss_passed_over, .explain = gss_explain                            \
    }

const struct wsman_auth_ops wsman_auth_negotiate = GSS_OPS("negotiate", negotiate_open);
const struct wsman_auth_ops wsman_auth_kerberos = GSS_OPS("kerberos", kerberos_open);
const struct wsman_auth_ops wsman_auth_ntlm = GSS_OPS("ntlm", ntlm_open);

const char wsman_auth_nothing_given[] =
    "give --user and --password-file, or get a ticket with kinit";

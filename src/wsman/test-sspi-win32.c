/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Negotiate through SSPI, against an SSPI of our own: what Wine lacks (Kerberos, channel
 * bindings, padding) and what no machine of a test has (domains, clocks that differ). */

#include "sspi-win32.h"

#include <stdio.h>
#include <stdlib.h>

#include "err.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"
#include "wsman.h"

/* ---- the SSPI of these tests: some calls go through the table of imports, some to the
 * function itself ---- */

static struct {
    SECURITY_STATUS acquired, stepped; /* what the calls say; stepped after the first */
    SECURITY_STATUS first[3];          /* of the first call, for each name of the service */
    const wchar_t *chosen;             /* by Negotiate */
    unsigned long trailer, block, padding;
    bool only_signs, unbound_first; /* as Wine: no binding in the first call */
    SECURITY_STATUS decrypted;
    unsigned long quality;

    unsigned names, credentials, contexts;
    wchar_t package[16], user[32], domain[32], password[32], target[3][48];
    bool has_identity;
    unsigned long wanted;
    char bound[80];
    size_t bound_len;
    unsigned long parts[3]; /* types of the buffers of a message */
    size_t header_len;
} fake;

static SECURITY_STATUS SEC_ENTRY fake_acquire(SEC_WCHAR *principal, SEC_WCHAR *package,
                                              unsigned long use, void *logon,
                                              void *identity, SEC_GET_KEY_FN key,
                                              void *argument, PCredHandle ret,
                                              PTimeStamp expiry)
{
    const SEC_WINNT_AUTH_IDENTITY_W *id = identity;

    swprintf(fake.package, ARRAY_LEN(fake.package), L"%ls", package);
    fake.has_identity = id != NULL;
    if (id) {
        swprintf(fake.user, ARRAY_LEN(fake.user), L"%.*ls", (int)id->UserLength,
                 (const wchar_t *)id->User);
        swprintf(fake.domain, ARRAY_LEN(fake.domain), L"%.*ls", (int)id->DomainLength,
                 (const wchar_t *)id->Domain);
        swprintf(fake.password, ARRAY_LEN(fake.password), L"%.*ls", (int)id->PasswordLength,
                 (const wchar_t *)id->Password);
    }
    if (fake.acquired == SEC_E_OK)
        fake.credentials++;
    return fake.acquired;
}
void *__imp_AcquireCredentialsHandleW = (void *)fake_acquire;

static SECURITY_STATUS SEC_ENTRY fake_free_credentials(PCredHandle cred)
{
    fake.credentials--;
    return SEC_E_OK;
}
void *__imp_FreeCredentialsHandle = (void *)fake_free_credentials;

static SECURITY_STATUS SEC_ENTRY fake_delete(PCtxtHandle ctx)
{
    fake.contexts--;
    return SEC_E_OK;
}
void *__imp_DeleteSecurityContext = (void *)fake_delete;

SECURITY_STATUS SEC_ENTRY FreeContextBuffer(void *bytes)
{
    free(bytes);
    return SEC_E_OK;
}

static SECURITY_STATUS SEC_ENTRY fake_initialize(PCredHandle cred, PCtxtHandle before,
                                                 SEC_WCHAR *target, unsigned long wanted,
                                                 unsigned long a, unsigned long b,
                                                 PSecBufferDesc in, unsigned long c,
                                                 PCtxtHandle ret, PSecBufferDesc out,
                                                 unsigned long *flags, PTimeStamp expiry)
{
    SECURITY_STATUS status = fake.stepped;

    fake.wanted = wanted;
    if (!before && in && fake.unbound_first)
        return SEC_E_INVALID_TOKEN;
    for (unsigned i = 0; in && i < in->cBuffers; i++) {
        const SecBuffer *given = &in->pBuffers[i];
        const SEC_CHANNEL_BINDINGS *head = given->pvBuffer;

        if (given->BufferType != SECBUFFER_CHANNEL_BINDINGS)
            continue;
        fake.bound_len = head->cbApplicationDataLength;
        CHECK(given->cbBuffer == sizeof(*head) + fake.bound_len &&
              fake.bound_len <= sizeof(fake.bound));
        memcpy(fake.bound, (const char *)head + head->dwApplicationDataOffset,
               fake.bound_len);
    }
    if (!before) {
        unsigned n = fake.names % 3;

        swprintf(fake.target[n], ARRAY_LEN(fake.target[n]), L"%ls", target);
        status = fake.first[n];
        fake.names++;
        if (status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED)
            fake.contexts++;
    }
    *flags = 0;
    if (status == SEC_I_CONTINUE_NEEDED || (!before && status == SEC_E_OK)) {
        out->pBuffers[0].pvBuffer = _strdup("token");
        out->pBuffers[0].cbBuffer = 5;
    }
    return status;
}
void *__imp_InitializeSecurityContextW = (void *)fake_initialize;

static SECURITY_STATUS SEC_ENTRY fake_query(PCtxtHandle ctx, unsigned long what, void *ret)
{
    if (what == SECPKG_ATTR_SIZES) {
        *(SecPkgContext_Sizes *)ret =
            (SecPkgContext_Sizes){ 48256, fake.trailer, fake.block, fake.trailer };
        return SEC_E_OK;
    }
    if (what == SECPKG_ATTR_NEGOTIATION_INFO && fake.chosen) {
        SecPkgInfoW *info = calloc(1, sizeof(*info));

        info->Name = (SEC_WCHAR *)(uintptr_t)fake.chosen;
        ((SecPkgContext_NegotiationInfoW *)ret)->PackageInfo = info;
        return SEC_E_OK;
    }
    return SEC_E_UNSUPPORTED_FUNCTION;
}
void *__imp_QueryContextAttributesW = (void *)fake_query;

SECURITY_STATUS SEC_ENTRY EncryptMessage(PCtxtHandle ctx, unsigned long quality,
                                         PSecBufferDesc all, unsigned long number)
{
    SecBuffer *p = all->pBuffers;

    CHECK_EQ(all->cBuffers, 3);
    for (unsigned i = 0; i < 3; i++)
        fake.parts[i] = p[i].BufferType;
    memset(p[0].pvBuffer, 'H', p[0].cbBuffer);
    if (!fake.only_signs)
        for (unsigned long i = 0; i < p[1].cbBuffer; i++)
            ((char *)p[1].pvBuffer)[i] ^= 0x20;
    p[2].cbBuffer = fake.padding;
    memset(p[2].pvBuffer, 'P', fake.padding);
    return SEC_E_OK;
}

SECURITY_STATUS SEC_ENTRY DecryptMessage(PCtxtHandle ctx, PSecBufferDesc all,
                                         unsigned long number, unsigned long *quality)
{
    SecBuffer *p = all->pBuffers;

    fake.header_len = p[0].cbBuffer;
    for (unsigned i = 0; i < 3; i++)
        fake.parts[i] = p[i].BufferType;
    for (unsigned long i = 0; i < p[1].cbBuffer; i++)
        if (((char *)p[1].pvBuffer)[i] != 1)
            ((char *)p[1].pvBuffer)[i] ^= 0x20;
    *quality = fake.quality;
    return fake.decrypted;
}

/* ---- what it is asked ---- */

static struct wsman_options options_of(const char *user, const char *password)
{
    return (struct wsman_options){ .url = "http://hv.corp.example:5985/wsman",
                                   .user = user,
                                   .password = password };
}

static struct wsman_auth *open_as(const struct wsman_auth_ops *ops, const char *user,
                                  const char *password, const char *host, struct err *err)
{
    struct wsman_options options = options_of(user, password);
    struct wsman_endpoint endpoint = { .host = (char *)(uintptr_t)host,
                                       .is_address = host[0] == '1' };

    *err = ERR_INIT;
    return ops->open(&options, &endpoint, err);
}

/* A world in which everything works, with Kerberos. */
static void reset(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.stepped = SEC_E_OK;
    fake.chosen = L"Kerberos";
    for (unsigned i = 0; i < 3; i++)
        fake.first[i] = SEC_I_CONTINUE_NEEDED;
    fake.trailer = 60;
    fake.block = 16;
}

static bool begin(struct wsman_auth *auth, const char *binding, bool *ret_done,
                  struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf bound = STRBUF_INIT;
    bool ok;

    if (binding)
        strbuf_puts(&bound, binding);
    ok = auth->ops->begin(auth, binding ? &bound : NULL, &token, ret_done, err);
    CHECK(!ok || (token.len == 5 && memcmp(token.text, "token", 5) == 0));
    return ok;
}

TEST(users_are_named_as_windows_users_write_them)
{
    static const struct {
        const char *user;
        const wchar_t *name, *domain;
    } cases[] = {
        { "CORP\\anna", L"anna", L"CORP" },
        { "anna@corp.example", L"anna@corp.example", L"" },
        { ".\\Administrator", L"Administrator", L"" },
        { "Administrator", L"Administrator", L"" },
        { "J\xC3\xBCrgen", L"J\x00FCrgen", L"" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        bool done = true;
        struct wsman_auth *auth;

        reset();
        test_case(cases[i].user);
        auth = open_as(&wsman_auth_negotiate, cases[i].user, "p\xC3\xA4ss",
                       "hv.corp.example", &err);
        CHECK_OK(auth && begin(auth, NULL, &done, &err));
        CHECK(!done && fake.has_identity && wcscmp(fake.user, cases[i].name) == 0 &&
              wcscmp(fake.domain, cases[i].domain) == 0 &&
              wcscmp(fake.password, L"p\x00E4ss") == 0);
        CHECK(wcscmp(fake.package, L"Negotiate") == 0);
        CHECK(wcscmp(fake.target[0], L"HTTP/hv.corp.example") == 0);
        CHECK_EQ(fake.wanted & (ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY |
                                ISC_REQ_MUTUAL_AUTH | ISC_REQ_SEQUENCE_DETECT),
                 ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_MUTUAL_AUTH |
                     ISC_REQ_SEQUENCE_DETECT);
        wsman_auth_release(auth);
        CHECK_EQ(fake.credentials, 0);
        CHECK_EQ(fake.contexts, 0);
    }
}

TEST(without_a_user_it_is_the_one_who_runs_this)
{
    struct wsman_auth *auth;
    struct err err;
    bool done;

    reset();
    auth = open_as(&wsman_auth_negotiate, NULL, NULL, "hv", &err);
    CHECK_OK(auth && begin(auth, NULL, &done, &err));
    CHECK(!fake.has_identity);
    CHECK_STR_EQ(auth->ops->mechanism(auth), "Kerberos");
    CHECK(!auth->ops->passed_over(auth));
    wsman_auth_release(auth);

    CHECK(!open_as(&wsman_auth_negotiate, "anna", NULL, "hv", &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    CHECK(strstr(err.hint, "--password-file"));
}

TEST(what_windows_cannot_do_is_refused_by_name)
{
    struct wsman_options options = options_of("anna@CORP", NULL);
    struct wsman_endpoint endpoint = { .host = (char *)(uintptr_t) "hv" };
    struct err err = ERR_INIT;

    options.keytab = "anna.keytab";
    CHECK(!wsman_auth_kerberos.open(&options, &endpoint, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "keytab"));
    CHECK(!open_as(&wsman_auth_kerberos, NULL, NULL, "10.0.0.1", &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

TEST(every_name_of_the_service_is_tried_before_ntlm_is_believed)
{
    struct wsman_auth *auth;
    struct err err;
    bool done;

    reset();
    fake.chosen = L"NTLM";
    auth = open_as(&wsman_auth_negotiate, NULL, NULL, "hv", &err);
    CHECK_OK(auth && begin(auth, NULL, &done, &err));
    CHECK_EQ(fake.names, 4);
    CHECK(wcscmp(fake.target[1], L"WSMAN/hv") == 0 &&
          wcscmp(fake.target[2], L"host/hv") == 0 &&
          wcscmp(fake.target[0], L"HTTP/hv") == 0);
    CHECK_STR_EQ(auth->ops->mechanism(auth), "NTLM");
    CHECK(auth->ops->passed_over(auth) &&
          strstr(auth->ops->passed_over(auth), "Kerberos: Windows has no ticket for 'hv'"));
    CHECK_EQ(fake.contexts, 1);
    wsman_auth_release(auth);

    test_case("Kerberos alone, by its second name");
    reset();
    fake.first[0] = SEC_E_TARGET_UNKNOWN;
    auth = open_as(&wsman_auth_kerberos, NULL, NULL, "hv", &err);
    CHECK_OK(auth && begin(auth, NULL, &done, &err));
    CHECK_EQ(fake.names, 2);
    CHECK(wcscmp(fake.package, L"Kerberos") == 0);
    wsman_auth_release(auth);

    test_case("an address has no other names");
    reset();
    fake.chosen = L"NTLM";
    auth = open_as(&wsman_auth_negotiate, NULL, NULL, "10.0.0.1", &err);
    CHECK_OK(auth && begin(auth, NULL, &done, &err));
    CHECK_EQ(fake.names, 1);
    CHECK(!auth->ops->go_bare(auth));
    wsman_auth_release(auth);

    test_case("NTLM by name");
    reset();
    auth = open_as(&wsman_auth_ntlm, "u", "p", "hv", &err);
    CHECK_OK(auth && begin(auth, NULL, &done, &err));
    CHECK(fake.names == 1 && wcscmp(fake.package, L"NTLM") == 0);
    CHECK_STR_EQ(auth->ops->mechanism(auth), "NTLM");
    CHECK(!auth->ops->go_bare(auth));
    wsman_auth_release(auth);

    test_case("the scheme Kerberos");
    reset();
    auth = open_as(&wsman_auth_negotiate, NULL, NULL, "hv", &err);
    CHECK(auth && auth->ops->go_bare(auth));
    CHECK_OK(begin(auth, NULL, &done, &err));
    CHECK(wcscmp(fake.package, L"Kerberos") == 0);
    wsman_auth_release(auth);
}

TEST(the_log_on_is_bound_to_the_connection)
{
    struct wsman_auth *auth;
    struct err err;
    bool done;

    reset();
    auth = open_as(&wsman_auth_negotiate, NULL, NULL, "hv", &err);
    CHECK_OK(auth && begin(auth, "tls-server-end-point:0123456789", &done, &err));
    CHECK(fake.bound_len == 31 &&
          memcmp(fake.bound, "tls-server-end-point:0123456789", 31) == 0);
    fake.bound_len = 0;
    {
        CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;

        CHECK_OK(auth->ops->step(auth, "answer", 6, &token, &done, &err));
        CHECK(done && token.len == 0);
    }
    CHECK_EQ(fake.bound_len, 31);
    CHECK_OK(begin(auth, NULL, &done, &err));
    wsman_auth_release(auth);

    test_case("NTLM is bound with its last token");
    for (unsigned i = 0; i < 2; i++) {
        CLEANUP(strbuf_cleanup) struct strbuf token = STRBUF_INIT;

        reset();
        fake.chosen = L"NTLM";
        fake.unbound_first = true;
        auth = open_as(i ? &wsman_auth_ntlm : &wsman_auth_negotiate, "u", "p", "hv", &err);
        CHECK_OK(auth && begin(auth, "tls-server-end-point:0123456789", &done, &err));
        CHECK_EQ(fake.bound_len, 0);
        CHECK_OK(auth->ops->step(auth, "challenge", 9, &token, &done, &err));
        CHECK_EQ(fake.bound_len, 31);
        wsman_auth_release(auth);
    }
    test_case("Kerberos never goes without");
    reset();
    fake.unbound_first = true;
    auth = open_as(&wsman_auth_negotiate, "u", "p", "hv", &err);
    CHECK(auth && !begin(auth, "tls-server-end-point:0123456789", &done, &err));
    wsman_auth_release(auth);
    CHECK_EQ(fake.contexts, 0);
}

TEST(errors_say_what_to_do)
{
    static const struct {
        SECURITY_STATUS status;
        enum err_kind kind;
        const char *words, *hint;
    } cases[] = {
        { SEC_E_LOGON_DENIED, ERR_DENIED, "password is wrong", "DOMAIN\\user" },
        { SEC_E_TIME_SKEW, ERR_DENIED, "5 minutes", "w32tm" },
        { SEC_E_NO_AUTHENTICATING_AUTHORITY, ERR_UNREACHABLE, "domain controller", "DNS" },
        { SEC_E_BAD_BINDINGS, ERR_DENIED, "another TLS connection", "opens its TLS" },
        { SEC_E_SECPKG_NOT_FOUND, ERR_UNSUPPORTED, "no such way", "basic" },
        { SEC_E_TARGET_UNKNOWN, ERR_DENIED, "no WinRM service", "setspn" },
        { (SECURITY_STATUS)0x8009ABCD, ERR_DENIED, "0x8009ABCD", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct wsman_auth *auth;
        struct err err;
        char text[1024];
        bool done;

        reset();
        test_case(cases[i].words);
        for (unsigned n = 0; n < 3; n++)
            fake.first[n] = cases[i].status;
        auth = open_as(&wsman_auth_negotiate, "u", "secret-word", "hv", &err);
        CHECK(auth && !begin(auth, NULL, &done, &err));
        err_format(&err, text, sizeof(text));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK(strstr(text, cases[i].words));
        CHECK(strstr(err.hint, cases[i].hint));
        CHECK(strstr(text, "logging on to 'hv'") && !strstr(text, "secret-word"));
        wsman_auth_release(auth);
        CHECK_EQ(fake.credentials, 0);
        CHECK_EQ(fake.contexts, 0);
    }
    {
        struct wsman_auth *auth;
        struct err err;
        bool done;

        test_case("no credentials at all");
        reset();
        fake.acquired = SEC_E_NO_CREDENTIALS;
        auth = open_as(&wsman_auth_negotiate, NULL, NULL, "hv", &err);
        CHECK(auth && !begin(auth, NULL, &done, &err));
        CHECK(strstr(err.hint, "--user"));
        wsman_auth_release(auth);
    }
}

TEST(messages_have_the_header_in_front_and_the_padding_behind)
{
    struct wsman_sealed sealed = { STRBUF_INIT, STRBUF_INIT };
    CLEANUP(strbuf_cleanup) struct strbuf plain = STRBUF_INIT;
    struct wsman_auth *auth;
    struct err err;
    bool done;

    reset();
    fake.padding = 3;
    auth = open_as(&wsman_auth_negotiate, NULL, NULL, "hv", &err);
    CHECK_OK(auth && begin(auth, NULL, &done, &err));
    CHECK_OK(auth->ops->wrap(auth, "abc", 3, &sealed, &err));
    CHECK(fake.parts[0] == SECBUFFER_TOKEN && fake.parts[1] == SECBUFFER_DATA &&
          fake.parts[2] == SECBUFFER_PADDING);
    CHECK_EQ(sealed.header.len, 60);
    CHECK(sealed.data.len == 6 && memcmp(sealed.data.text, "ABCPPP", 6) == 0);

    CHECK_OK(auth->ops->unwrap(auth, "HHHHabc", 4, 7, &plain, &err));
    CHECK_EQ(fake.header_len, 4);
    CHECK_STR_EQ(plain.text, "ABC");
    strbuf_clear(&plain);
    CHECK_OK(
        auth->ops->unwrap(auth, "HHHHabc\x01", 4, 8, &plain, &err)); /* RC4's padding */
    CHECK_STR_EQ(plain.text, "ABC");
    CHECK(!auth->ops->unwrap(auth, "HHHH", 5, 4, &plain, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);

    test_case("changed on the way");
    fake.decrypted = SEC_E_MESSAGE_ALTERED;
    CHECK(!auth->ops->unwrap(auth, "HHHHabc", 4, 7, &plain, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    test_case("signed, not encrypted");
    fake.decrypted = SEC_E_OK;
    fake.quality = 0x80000001;
    CHECK(!auth->ops->unwrap(auth, "HHHHabc", 4, 7, &plain, &err));
    CHECK(strstr(err.text[0], "not encrypted"));
    test_case("a context that cannot encrypt");
    fake.only_signs = true;
    strbuf_clear(&sealed.header);
    strbuf_clear(&sealed.data);
    CHECK(!auth->ops->wrap(auth, "abc", 3, &sealed, &err));
    CHECK(strstr(err.text[0], "cannot encrypt") && sealed.data.len == 0);
    strbuf_free(&sealed.header);
    strbuf_free(&sealed.data);
    wsman_auth_release(auth);
}

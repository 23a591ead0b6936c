/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth.h"

#include <string.h>

#include "attr.h"
#include "err.h"
#include "os.h"
#include "text.h"

static int digit_of(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

bool auth_base64_decode(const char *text, struct strbuf *ret)
{
    size_t len = strcspn(text, "= \t");
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = digit_of(text[i]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (unsigned)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            strbuf_putc(ret, (char)(bits >> have & 0xff));
        }
    }
    return !ret->failed;
}

/* Takes as long for a wrong first character as for a wrong last one. */
static bool same_secret(const char *a, const char *b)
{
    size_t len_a = strlen(a), len_b = strlen(b);
    unsigned difference = len_a != len_b;

    for (size_t i = 0; i < len_a; i++)
        difference |= (unsigned)(unsigned char)a[i] ^
                      (unsigned)(unsigned char)b[len_b ? i % len_b : 0];
    return difference == 0;
}

static enum auth_result check_basic(const struct auth_users *users, const char *credentials,
                                    void **state, struct strbuf *challenge)
{
    CLEANUP(strbuf_cleanup) struct strbuf pair = STRBUF_INIT;
    char *colon;
    bool is_user, is_password;

    if (!auth_base64_decode(credentials, &pair) || !pair.text ||
        strlen(pair.text) != pair.len)
        return AUTH_DENIED;
    colon = strchr(pair.text, ':');
    if (!colon)
        return AUTH_DENIED;
    *colon = '\0';
    is_user = text_ieq(pair.text, users->user);
    is_password = same_secret(colon + 1, users->password);
    os_wipe(colon + 1, strlen(colon + 1));
    return is_user && is_password ? AUTH_OK : AUTH_DENIED;
}

/* MS-WSMV: the realm of Basic is WSMAN. */
static const struct auth_scheme basic = { .name = "Basic",
                                          .challenge = "Basic realm=\"WSMAN\"",
                                          .check = check_basic };

const struct auth_scheme *const auth_schemes[] = { &auth_negotiate, &auth_kerberos, &basic,
                                                   NULL };

bool auth_parse(const char *list, unsigned *ret, struct err *err)
{
    unsigned found = 0;

    for (const char *at = list; *at;
         at += at[strcspn(at, ",")] ? strcspn(at, ",") + 1 : strlen(at)) {
        CLEANUP(free_cleanup) char *name = text_ndup(at, strcspn(at, ","));
        unsigned before = found;

        if (!name)
            return err_no_memory(err);
        for (unsigned i = 0; auth_schemes[i]; i++)
            if (text_ieq(auth_schemes[i]->name, name))
                found |= 1u << i;
        if (found == before)
            return err_fail(err, ERR_INVALID, 0,
                            "'%.40s' is no authentication (basic, negotiate, kerberos)",
                            name);
    }
    *ret = found;
    return found || err_fail(err, ERR_INVALID, 0, "no authentication is named");
}

enum auth_result auth_check(const struct auth_users *users, const char *authorization,
                            const struct auth_scheme **scheme, void **state,
                            struct strbuf *challenge)
{
    if (!authorization)
        return *scheme && (*scheme)->is_done && (*scheme)->is_done(*state) ? AUTH_OK
                                                                           : AUTH_DENIED;
    for (unsigned i = 0; auth_schemes[i]; i++) {
        size_t len = strlen(auth_schemes[i]->name);

        if (!(users->schemes & 1u << i) ||
            !text_istarts(authorization, auth_schemes[i]->name) ||
            authorization[len] != ' ')
            continue;
        if (*scheme != auth_schemes[i] && *scheme && (*scheme)->forget) {
            (*scheme)->forget(*state);
            *state = NULL;
        }
        *scheme = auth_schemes[i];
        return auth_schemes[i]->check(
            users, authorization + len + strspn(authorization + len, " "), state,
            challenge);
    }
    return AUTH_DENIED;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth.h"

#include <string.h>

#include "attr.h"
#include "os.h"
#include "text.h"

static int digit_of(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* NULL: no base64, or a NUL within. */
static char *from_base64(const char *text)
{
    size_t len = strcspn(text, "= \t"), done = 0;
    char *bytes = malloc(len + 1);
    unsigned bits = 0, have = 0;

    if (!bytes)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        int digit = digit_of(text[i]);

        if (digit < 0) {
            free(bytes);
            return NULL;
        }
        bits = bits << 6 | (unsigned)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[done++] = (char)(bits >> have & 0xff);
        }
    }
    bytes[done] = '\0';
    if (strlen(bytes) != done) {
        free(bytes);
        return NULL;
    }
    return bytes;
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
                                    void **state, char *challenge, size_t challenge_size)
{
    char *pair = from_base64(credentials);
    char *colon = pair ? strchr(pair, ':') : NULL;
    bool ok = false;

    if (colon) {
        bool is_user, is_password;

        *colon = '\0';
        is_user = text_ieq(pair, users->user);
        is_password = same_secret(colon + 1, users->password);
        ok = is_user && is_password;
    }
    if (pair) {
        if (colon)
            os_wipe(colon + 1, strlen(colon + 1));
        free(pair);
    }
    return ok ? AUTH_OK : AUTH_DENIED;
}

/* MS-WSMV: the realm of Basic is WSMAN. */
static const struct auth_scheme basic = { .name = "Basic",
                                          .challenge = "Basic realm=\"WSMAN\"",
                                          .check = check_basic };

const struct auth_scheme *const auth_schemes[] = { &basic, NULL };

enum auth_result auth_check(const struct auth_users *users, const char *authorization,
                            const struct auth_scheme **scheme, void **state,
                            char *challenge, size_t challenge_size)
{
    for (size_t i = 0; authorization && auth_schemes[i]; i++) {
        size_t len = strlen(auth_schemes[i]->name);

        if (!text_istarts(authorization, auth_schemes[i]->name) ||
            authorization[len] != ' ')
            continue;
        *scheme = auth_schemes[i];
        return auth_schemes[i]->check(
            users, authorization + len + strspn(authorization + len, " "), state, challenge,
            challenge_size);
    }
    return AUTH_DENIED;
}

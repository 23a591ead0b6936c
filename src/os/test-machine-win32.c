/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process may do, as its token says: Wine's is always elevated, so the token here
 * is a fake at the import. */

#include "inside-win32.h"

#include "err.h"
#include "os.h"
#include "test.h"

static BOOL opens, answers, is_elevated, is_member, member_answers;
static DWORD answer_size;
static int open_tokens;

static BOOL WINAPI fake_open(HANDLE process, DWORD access, HANDLE *token)
{
    CHECK_EQ(access, TOKEN_QUERY);
    if (opens) {
        /* Something that can be closed, once. */
        *token = CreateEventW(NULL, TRUE, FALSE, NULL);
        open_tokens++;
    }
    return opens;
}

static BOOL WINAPI fake_information(HANDLE token, TOKEN_INFORMATION_CLASS what, void *to,
                                    DWORD size, DWORD *ret_size)
{
    CHECK_EQ(what, TokenElevation);
    CHECK_EQ(size, sizeof(TOKEN_ELEVATION));
    ((TOKEN_ELEVATION *)to)->TokenIsElevated = is_elevated;
    *ret_size = answer_size;
    return answers;
}

static unsigned char asked[32];

static BOOL WINAPI fake_membership(HANDLE token, PSID sid, BOOL *ret)
{
    CHECK(!token); /* this thread's, as the system would judge it */
    memcpy(asked, sid, GetLengthSid(sid));
    *ret = is_member;
    return member_answers;
}

extern void *__imp_OpenProcessToken, *__imp_GetTokenInformation,
    *__imp_CheckTokenMembership;
void *__imp_OpenProcessToken = (void *)fake_open;
void *__imp_GetTokenInformation = (void *)fake_information;
void *__imp_CheckTokenMembership = (void *)fake_membership;

TEST(only_a_token_that_says_so_is_elevated)
{
    static const struct {
        const char *name;
        BOOL opens, answers, elevated;
        DWORD size;
        bool want;
    } cases[] = {
        { "elevated", TRUE, TRUE, TRUE, sizeof(TOKEN_ELEVATION), true },
        { "filtered by UAC", TRUE, TRUE, FALSE, sizeof(TOKEN_ELEVATION), false },
        { "no token", FALSE, TRUE, TRUE, sizeof(TOKEN_ELEVATION), false },
        { "no answer", TRUE, FALSE, TRUE, sizeof(TOKEN_ELEVATION), false },
        { "half an answer", TRUE, TRUE, TRUE, 1, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_case(cases[i].name);
        opens = cases[i].opens;
        answers = cases[i].answers;
        is_elevated = cases[i].elevated;
        answer_size = cases[i].size;
        CHECK_EQ(os_is_elevated(), cases[i].want);
    }
    CHECK_EQ(open_tokens, 4);
}

TEST(membership_is_asked_for_the_group_that_was_named)
{
    static const unsigned char hyper_v[] = { 1,  2, 0, 0, 0,    0, 0, 5,
                                             32, 0, 0, 0, 0x42, 2, 0, 0 };

    member_answers = is_member = TRUE;
    CHECK(os_is_member("S-1-5-32-578"));
    CHECK(memcmp(asked, hyper_v, sizeof(hyper_v)) == 0);
    is_member = FALSE;
    CHECK(!os_is_member("S-1-5-32-578"));
    is_member = TRUE;
    member_answers = FALSE;
    CHECK(!os_is_member("S-1-5-32-578"));
    member_answers = TRUE;
    CHECK(!os_is_member("Hyper-V Administrators")); /* names are of one language */
}

TEST(the_machine_has_a_name)
{
    struct err err = ERR_INIT;
    char *name = os_machine_name(&err);

    CHECK(name && *name && !strchr(name, '.'));
    free(name);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may change what on the machine itself. */

#include "local.h"

#include "err.h"
#include "test.h"

TEST(an_administrator_may_all_and_hyper_v_administrators_vms_only)
{
    static const struct {
        struct local_rights rights;
        const char *ns;
        bool may;
    } cases[] = {
        { { .is_elevated = true }, "root/virtualization/v2", true },
        { { .is_elevated = true }, "root/cimv2", true },
        { { .is_elevated = true }, NULL, true },
        { { .is_hyper_v_administrator = true }, "root/virtualization/v2", true },
        { { .is_hyper_v_administrator = true }, "ROOT/virtualization/V2", true },
        { { .is_hyper_v_administrator = true }, "root/cimv2", false },
        { { .is_hyper_v_administrator = true }, NULL, false },
        { { 0 }, "root/virtualization/v2", false },
        { { 0 }, NULL, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;

        test_case(cases[i].ns ? cases[i].ns : "a command");
        CHECK_EQ(local_judge(&cases[i].rights, cases[i].ns, &err), cases[i].may);
        if (cases[i].may)
            continue;
        CHECK_EQ(err.kind, ERR_DENIED);
        CHECK(strstr(err.hint, "as administrator"));
    }
}

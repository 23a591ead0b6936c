/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hosts a command line means on Windows, where the machine itself is one. */

#include "hosts.h"
#include "os.h"
#include "test.h"
#include "text.h"

static const struct option_spec host_option = { "host", 'H', "HOST", "" },
                                user_option = { "user", 0, "NAME", "" };

static void give(struct option_values *values, const struct option_spec *spec,
                 const char *value)
{
    values->given[values->count].spec = spec;
    values->given[values->count].value = value;
    values->count++;
}

static char *own_name(void)
{
    struct err err = ERR_INIT;
    char *name = os_machine_name(&err);

    CHECK(name);
    return name;
}

TEST(without_a_host_the_machine_itself_is_meant_under_its_own_name)
{
    struct option_values values = { 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;
    char *name = own_name();

    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK_EQ(list.count, 1);
    CHECK(list.count == 1 && list.items[0].is_local && !list.items[0].url);
    CHECK_STR_EQ(list.count ? list.items[0].name : NULL, name);
    host_list_free(&list);
    free(name);
}

TEST(local_and_the_machines_own_name_are_one_host_and_others_are_not_touched)
{
    struct option_values values = { 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;
    char *name = own_name();

    give(&values, &host_option, "LOCAL");
    give(&values, &host_option, name);
    give(&values, &host_option, "hv-02");
    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK_EQ(list.count, 2);
    CHECK(list.count == 2 && list.items[0].is_local && !list.items[1].is_local);
    host_list_free(&list);
    free(name);
}

TEST(who_says_how_to_log_on_means_the_network)
{
    struct option_values values = { 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;
    char *name = own_name();

    give(&values, &host_option, name);
    give(&values, &user_option, "admin");
    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK(list.count == 1 && !list.items[0].is_local && list.items[0].url);
    host_list_free(&list);
    free(name);
}

/* The journal has the name, not "local". */
TEST(a_run_on_the_machine_itself_is_found_again_by_the_name_it_was_recorded_with)
{
    struct option_values values = { 0 };
    struct host_list list = { 0 };
    const struct host_target *target = NULL;
    struct err err = ERR_INIT;
    char *name = own_name();

    CHECK_OK(host_list_find(&list, &values, name, &target, &err));
    CHECK(target && target->is_local);
    host_list_free(&list);
    free(name);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hosts a command line means. */

#include <sys/stat.h>

#include "hosts.h"
#include "os.h"
#include "test.h"
#include "text.h"
#include "wmi.h"

static const struct option_spec host_option = { "host", 'H', "HOST", "" },
                                user_option = { "user", 0, "NAME", "" },
                                inventory_option = { "inventory", 0, "FILE", "" };

static void give(struct option_values *values, const struct option_spec *spec,
                 const char *value)
{
    values->given[values->count].spec = spec;
    values->given[values->count].value = value;
    values->count++;
}

/* A file in a folder of its own; the caller frees the path. */
static char *write_file(const char *text, int mode)
{
    char folder[TEST_FOLDER];
    struct err err = ERR_INIT;
    char *path;

    test_make_folder("hosts", folder);
    path = text_printf("%s/file", folder);
    CHECK(path && os_write_file(path, text, strlen(text), &err));
    if (path)
        chmod(path, (mode_t)mode);
    return path;
}

static void remove_file(char *path)
{
    struct err err = ERR_INIT;
    char *slash = path ? strrchr(path, '/') : NULL;

    if (slash)
        *slash = '\0';
    if (path)
        CHECK_OK(os_remove_tree(path, &err));
    free(path);
}

TEST(names_ports_and_urls_become_urls)
{
    static const struct {
        const char *name, *url;
    } cases[] = {
        { "hv-01", "http://hv-01:5985/wsman" },
        { "hv-01:5985", "http://hv-01:5985/wsman" },
        { "hv-01:443", "https://hv-01:443/wsman" },
        { "[fe80::1]", "http://[fe80::1]:5985/wsman" },
        { "[fe80::1]:5986", "https://[fe80::1]:5986/wsman" },
        { "[fe80::1]:5985", "http://[fe80::1]:5985/wsman" },
        { "http://hv-01/wsman", "http://hv-01/wsman" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct option_values values = { .count = 0 };
        struct host_list list = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        give(&values, &host_option, cases[i].name);
        CHECK_OK(host_list_make(&values, &list, &err));
        CHECK_EQ(list.count, 1);
        CHECK_STR_EQ(list.count ? list.items[0].url : NULL, cases[i].url);
        host_list_free(&list);
    }
}

TEST(what_is_no_host_is_refused)
{
    static const char *const cases[] = { "",     "a b",     "hv/x",     "hv:0", "hv:70000",
                                         "hv:x", "user@hv", "[fe80::1", "sim:", "local" };
    size_t count = ARRAY_LEN(cases) - wmi_is_here(); /* on Windows "local" is a host */

    for (size_t i = 0; i < count; i++) {
        struct option_values values = { .count = 0 };
        struct host_list list = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i]);
        give(&values, &host_option, cases[i]);
        CHECK(!host_list_make(&values, &list, &err));
        host_list_free(&list);
    }
}

TEST(a_host_named_twice_is_worked_on_once)
{
    struct option_values values = { .count = 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;

    give(&values, &host_option, "hv-01");
    give(&values, &host_option, "hv-02");
    give(&values, &host_option, "HV-01");
    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK_EQ(list.count, 2);
    host_list_free(&list);
}

TEST(the_inventory_gives_defaults_groups_and_files_beside_it)
{
    char *path =
        write_file("defaults: { user: admin, password_file: secret, ca: /etc/ca.pem }\n"
                   "hosts:\n"
                   "  hv-01:\n"
                   "  hv-02: { user: other, groups: [rack], insecure: true }\n"
                   "  hv-03: { url: 'https://x/wsman', groups: [rack] }\n",
                   0600);
    CLEANUP(free_cleanup)
    char *secret = text_printf("%.*ssecret", (int)(strlen(path) - 4), path);
    struct option_values all = { .count = 0 }, rack = { .count = 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;

    give(&all, &inventory_option, path);
    CHECK_OK(host_list_make(&all, &list, &err));
    CHECK_EQ(list.count, 3);
    if (list.count == 3) {
        CHECK_STR_EQ(list.items[0].user, "admin");
        CHECK_STR_EQ(list.items[0].password_file, secret);
        CHECK_STR_EQ(list.items[0].ca, "/etc/ca.pem");
        CHECK_STR_EQ(list.items[0].url, "https://hv-01:5986/wsman");
        CHECK_STR_EQ(list.items[1].user, "other");
        CHECK(list.items[1].insecure && !list.items[0].insecure);
        CHECK_STR_EQ(list.items[2].url, "https://x/wsman");
    }
    host_list_free(&list);

    give(&rack, &inventory_option, path);
    give(&rack, &host_option, "rack");
    give(&rack, &user_option, "me");
    CHECK_OK(host_list_make(&rack, &list, &err));
    CHECK_EQ(list.count, 2);
    CHECK_STR_EQ(list.count ? list.items[0].user : NULL, "me"); /* the command line wins */
    host_list_free(&list);
    remove_file(path);
}

TEST(a_group_says_what_holds_for_its_hosts)
{
    char *path = write_file("defaults: { user: everybody, auth: negotiate, ca: all.pem }\n"
                            "groups:\n"
                            "  rack: { user: racker, keytab: rack.keytab }\n"
                            "  lab: { user: tester, insecure: true, ca: /lab.pem }\n"
                            "  empty:\n"
                            "hosts:\n"
                            "  a: { groups: [rack] }\n"
                            "  b: { groups: [rack, lab, unknown, empty] }\n"
                            "  c: { user: own, groups: [lab, rack], insecure: false }\n"
                            "  d:\n",
                            0600);
    static const struct {
        const char *user, *auth, *ca;
        bool keytab, insecure;
    } expected[] = {
        { "racker", "negotiate", NULL, true, false },
        { "tester", "negotiate", "/lab.pem", true, true },
        { "own", "negotiate", "/lab.pem", true, false },
        { "everybody", "negotiate", NULL, false, false },
    };
    struct option_values all = { .count = 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;

    give(&all, &inventory_option, path);
    CHECK_OK(host_list_make(&all, &list, &err));
    CHECK_EQ(list.count, 4);
    for (size_t i = 0; i < list.count && i < 4; i++) {
        test_case(list.items[i].name);
        CHECK_STR_EQ(list.items[i].user, expected[i].user);
        CHECK_STR_EQ(list.items[i].auth, expected[i].auth);
        CHECK(!expected[i].ca || strcmp(list.items[i].ca, expected[i].ca) == 0);
        CHECK(expected[i].ca || text_iends(list.items[i].ca, "/all.pem"));
        CHECK_EQ(list.items[i].keytab != NULL, expected[i].keytab);
        CHECK_EQ(list.items[i].insecure, expected[i].insecure);
    }
    host_list_free(&list);
    remove_file(path);
}

TEST(an_inventory_that_is_wrong_is_refused_with_its_line)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "no 'hosts:'" },
        { "- a\n- b\n", "no 'hosts:'" },
        { "hosts: 5\n", "line 1" },
        { "hosts:\n  a: { password: x }\n", "line 2: passwords" },
        { "hosts:\n  a: { colour: red }\n", "line 2: no such key" },
        { "hosts:\n  a:\n  A:\n", "line 3: this host is named twice" },
        { "hosts:\n  a: { insecure: maybe }\n", "line 2: insecure" },
        { "hosts:\n  a: { cluster: 3 }\n", "line 2: cluster is true or false" },
        { "hosts:\n  a: { user: [x] }\n", "line 2" },
        { "host:\n  a:\n", "line 1: no such key" },
        { "hosts:\n  a: {\n", "line" },
        { "hosts: { a: { user: \"x\\0y\" } }\n", "line 1" },
        { "hosts: {}\n", "names no hosts" },
        { "groups: [a]\nhosts:\n  a:\n", "line 1: 'groups:' has the names" },
        { "groups:\n  x: { colour: red }\nhosts:\n  a:\n", "line 2: no such key" },
        { "groups:\n  x: { url: 'http://x' }\nhosts:\n  a:\n", "line 2: no such key" },
        { "groups:\n  x: { password: p }\nhosts:\n  a:\n", "line 2: passwords" },
        { "groups:\n  x: 5\nhosts:\n  a:\n", "line 2: expected keys" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *path = write_file(cases[i].text, 0600);
        struct option_values values = { .count = 0 };
        struct host_list list = { 0 };
        struct err err = ERR_INIT;
        char text[2048];

        test_case(cases[i].text);
        give(&values, &inventory_option, path);
        CHECK(!host_list_make(&values, &list, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        err_format(&err, text, sizeof(text));
        CHECK(strstr(text, cases[i].says) != NULL);
        host_list_free(&list);
        remove_file(path);
    }
}

/* One node of a cluster is known, the name of another is told by the cluster. */
TEST(the_other_nodes_are_reached_like_the_one_that_was_named)
{
    static const struct {
        const char *named, *domain, *name, *url;
    } cases[] = {
        { "NODE1", NULL, "NODE2", "http://NODE2:5985/wsman" },
        { "NODE1", "lab.example", "NODE2", "http://NODE2:5985/wsman" },
        { "node1.lab.example", "other.example", "NODE2.lab.example",
          "http://NODE2.lab.example:5985/wsman" },
        { "node1:443", NULL, "NODE2:443", "https://NODE2:443/wsman" },
        { "https://node1.lab.example:5986/wsman", NULL,
          "https://NODE2.lab.example:5986/wsman", "https://NODE2.lab.example:5986/wsman" },
        { "10.0.0.1", "lab.example", "NODE2.lab.example",
          "http://NODE2.lab.example:5985/wsman" },
        { "[fe80::1]:5986", NULL, "NODE2:5986", "https://NODE2:5986/wsman" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct option_values values = { .count = 0 };
        struct host_list list = { 0 };
        struct host_target *node = NULL, seed = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i].named);
        give(&values, &host_option, cases[i].named);
        give(&values, &user_option, "admin");
        CHECK_OK(host_list_make(&values, &list, &err));
        CHECK_OK(host_target_copy(&list.items[0], &seed, &err));
        seed.pin = text_dup("00");
        CHECK_OK(host_list_add_node(&list, &values, &seed, "NODE2", cases[i].domain, &node,
                                    &err));
        CHECK_EQ(list.count, 2);
        CHECK_STR_EQ(node ? node->name : NULL, cases[i].name);
        CHECK_STR_EQ(node ? node->url : NULL, cases[i].url);
        CHECK_STR_EQ(node ? node->user : NULL, "admin");
        CHECK_STR_EQ(node ? node->pin : "", NULL); /* of another certificate */
        /* Once is enough. */
        CHECK_OK(host_list_add_node(&list, &values, &seed, "node2", cases[i].domain, &node,
                                    &err));
        CHECK_EQ(list.count, 2);
        host_target_clear(&seed);
        host_list_free(&list);
    }
}

/* However it was named: by its address, another port, or a name that only we have for it. */
TEST(a_node_that_is_in_the_list_already_is_not_added_again)
{
    static const struct {
        const char *named, *computer;
    } cases[] = {
        { "10.0.0.2", "NODE2" },
        { "https://node2.lab.example:5986/wsman", NULL },
        { "node2:443", NULL },
        { "left.lab.example", "node2.lab.example" },
    };
    char other[] = "node2.other.example";

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct option_values values = { .count = 0 };
        struct host_list list = { 0 };
        struct host_target *node = NULL, seed = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i].named);
        give(&values, &host_option, "node1");
        give(&values, &host_option, cases[i].named);
        CHECK_OK(host_list_make(&values, &list, &err));
        CHECK_EQ(list.count, 2);
        list.items[1].computer = text_dup(cases[i].computer);
        /* One of another domain is another one. */
        CHECK_OK(
            host_list_append(&list, &(struct host_target){ .name = other }, NULL, &err));
        CHECK_OK(host_target_copy(&list.items[0], &seed, &err));
        CHECK_OK(
            host_list_add_node(&list, &values, &seed, "NODE2", "lab.example", &node, &err));
        CHECK_EQ(list.count, 3);
        CHECK_STR_EQ(node ? node->name : NULL, list.items[1].name);
        host_target_clear(&seed);
        host_list_free(&list);
    }
}

TEST(a_node_that_the_inventory_knows_is_reached_as_it_says)
{
    char *path = write_file("defaults: { user: me }\n"
                            "hosts:\n"
                            "  gpucluster: { cluster: true }\n"
                            "  node2.lab.example: { user: other, insecure: true }\n",
                            0600);
    struct option_values values = { .count = 0 };
    struct host_list list = { 0 };
    struct host_target *node = NULL, seed = { 0 };
    struct err err = ERR_INIT;

    give(&values, &inventory_option, path);
    give(&values, &host_option, "gpucluster");
    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK_EQ(list.count, 1);
    CHECK(list.items[0].cluster);
    CHECK_OK(host_target_copy(&list.items[0], &seed, &err));
    CHECK_OK(host_list_add_node(&list, &values, &seed, "NODE2", NULL, &node, &err));
    CHECK_STR_EQ(node ? node->name : NULL, "node2.lab.example");
    CHECK_STR_EQ(node ? node->user : NULL, "other");
    CHECK(node && node->insecure);
    host_target_clear(&seed);
    host_list_free(&list);
    remove_file(path);
}

TEST(auto_is_no_host_and_needs_others)
{
    struct option_values values = { .count = 0 };
    struct host_list list = { 0 };
    struct err err = ERR_INIT;

    give(&values, &host_option, "auto");
    CHECK(!host_list_make(&values, &list, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    host_list_free(&list);
    give(&values, &host_option, "node1");
    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK(list.is_auto && list.count == 1 && list.items[0].cluster);
    host_list_free(&list);
}

TEST(a_password_is_the_first_line_of_a_file_others_cannot_read)
{
    char *private = write_file("secret word\nsecond line\n", 0600);
    char *open = write_file("secret\n", 0644);
    char *empty = write_file("\n", 0600);
    struct host_target target = { .password_file = private };
    char *password = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(host_password(&target, &password, &err));
    CHECK_STR_EQ(password, "secret word");
    secret_free(password);
    password = NULL;

    /* Windows knows no such modes: there access lists decide (test-os-win32). */
    if (open && !os_is_private_file(open)) {
        target.password_file = open;
        CHECK(!host_password(&target, &password, &err));
        CHECK_EQ(err.kind, ERR_DENIED);
        CHECK(strstr(err.hint, "chmod 600") != NULL);
    }

    target.password_file = empty;
    CHECK(!host_password(&target, &password, &err));
    CHECK_EQ(err.kind, ERR_INVALID);

    target = (struct host_target){ 0 };
    CHECK_OK(host_password(&target, &password, &err)); /* nobody to log in as */
    CHECK(password == NULL);
    remove_file(private);
    remove_file(open);
    remove_file(empty);
}

TEST(a_report_is_named_by_its_file_whatever_the_options_say)
{
    struct option_values values = { 0 };
    struct host_list list = { 0 };
    const struct host_target *target = NULL;
    struct err err = ERR_INIT;

    give(&values, &host_option, "replay:C:\\a b.zip");
    give(&values, &user_option, "admin");
    CHECK_OK(host_list_make(&values, &list, &err));
    CHECK_EQ(list.count, 1);
    CHECK_STR_EQ(list.items[0].name, "replay:C:\\a b.zip");
    CHECK_STR_EQ(list.items[0].replay, "C:\\a b.zip");
    CHECK(!list.items[0].url && !list.items[0].is_local);
    CHECK_OK(host_list_find(&list, &values, "replay:c:\\A B.zip", &target, &err));
    CHECK(target == &list.items[0]);
    host_list_free(&list);
    values = (struct option_values){ 0 };
    give(&values, &host_option, "replay:");
    CHECK(!host_list_make(&values, &list, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    host_list_free(&list);
}

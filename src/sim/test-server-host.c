/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serves fixture hosts for test-server.py: prints one URL a line and an empty line, then
 * answers until standard input ends.
 *     test-server-host HOSTS VMS PULL-ITEMS [FAULT...]
 */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "fault-rule.h"
#include "os.h"
#include "server.h"
#include "test-fixture.h"
#include "text.h"

static unsigned saves;

static bool count_save(struct sim_host *host, void *user_data, struct err *err)
{
    saves++;
    return true;
}

static bool serve(int argc, char **argv, struct err *err)
{
    enum { MAX_HOSTS = 2000 };
    static struct sim_host *hosts[MAX_HOSTS];
    struct fault_rules *rules = fault_rules_new();
    struct server_options options = {
        .user = "admin", .password = "p\xc3\xa4ss:word", .faults = rules, .save = count_save
    };
    struct server *server = NULL;
    uint64_t count = 0, vms = 0, pull = 0;
    bool ok = rules && argc >= 4 && text_to_u64(argv[1], 10, &count) &&
              count <= MAX_HOSTS && text_to_u64(argv[2], 10, &vms) &&
              text_to_u64(argv[3], 10, &pull);

    options.pull_items = (unsigned)pull;
    options.tls_cert = getenv("TEST_TLS_CERT");
    options.tls_key = getenv("TEST_TLS_KEY");
    options.auth = getenv("TEST_AUTH");
    options.demand_encryption = getenv("TEST_DEMAND_ENCRYPTION");
    for (int i = 4; ok && i < argc; i++)
        ok = fault_rules_add(rules, argv[i], err);
    for (size_t i = 0; ok && i < count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "SIM%zu", i + 1);
        hosts[i] = fixture_host(name, (unsigned)vms, err);
        ok = hosts[i] != NULL;
    }
    server = ok ? server_open(&options, hosts, count, err) : NULL;
    if (server) {
        for (size_t i = 0; i < count; i++)
            printf("%s\n", server_url(server, i));
        printf("\n");
        fflush(stdout);
        while (getchar() != EOF)
            ;
        server_close(server);
        printf("saves %u\n", saves);
    }
    for (size_t i = 0; i < count; i++)
        fixture_host_free(hosts[i]);
    fault_rules_free(rules);
    return server != NULL;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char why[1024];

    if (serve(argc, argv, &err))
        return 0;
    err_format(&err, why, sizeof(why));
    fprintf(stderr, "%s\n", why);
    return 1;
}

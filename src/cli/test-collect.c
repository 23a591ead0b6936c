/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many hosts at once, with hosts that are functions: orders, failures, what may wait. */

#include "collect.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "session.h"
#include "test.h"
#include "text.h"

/* ENOUGH fill several blocks of text; of MANY, a slow one is overtaken. */
enum { ENOUGH = 200, MANY = 300, FOR_GOOD_MS = 20 * 1000, MEGABYTE = 1 << 20 };

/* ---- hosts without a network ---- */

static void release(struct cim_session *session)
{
    free(session);
}

static const struct cim_session_ops no_ops = { .name = "none", .release = release };

struct cim_session *connector_open(const struct connector *connector,
                                   const struct host_target *target, struct err *err)
{
    struct cim_session *session = calloc(1, sizeof(*session));

    if (session)
        session->ops = &no_ops;
    else
        err_no_memory(err);
    return session;
}

static atomic_uint asked, at_once, most_at_once, printed_blocks;
static bool slow_was_overtaken;
static char printed[1 << 16];

static unsigned number_of(const char *host)
{
    return (unsigned)atoi(host + strcspn(host, "0123456789"));
}

static bool answer(const struct invocation *in, size_t size, json_t **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *text = calloc(1, size + 1);

    if (text)
        memset(text, 'x', size);
    *ret = text ? json_pack("{s:o, s:[s]}", "os", json_null(), "things", text) : NULL;
    return *ret || err_no_memory(err);
}

static bool wait_until(bool (*is_so)(void))
{
    for (int ms = 0; ms < FOR_GOOD_MS; ms += 5) {
        if (is_so())
            return true;
        os_sleep_ms(5);
    }
    return false;
}

/* The later a host is listed within its dozen, the sooner it answers. */
static bool answer_backwards(const struct invocation *in, json_t **ret, struct err *err)
{
    unsigned now = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);

    while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
        ;
    os_sleep_ms(12 - number_of(in->host) % 12);
    atomic_fetch_sub(&at_once, 1);
    if (number_of(in->host) % 100 == 7)
        return err_fail(err, ERR_UNREACHABLE, 0, "nobody there");
    return answer(in, 10, ret, err);
}

static bool never(const struct invocation *in, json_t **ret, struct err *err)
{
    err_fail(err, ERR_UNREACHABLE, 0, "nobody there");
    return err_hint(err, number_of(in->host) == 2 ? "wait" : "switch it on");
}

static bool anything_printed(void)
{
    return atomic_load(&printed_blocks) > 0;
}

/* Host 5 does not answer before others are shown. */
static bool answer_slowly(const struct invocation *in, json_t **ret, struct err *err)
{
    if (number_of(in->host) == 5)
        slow_was_overtaken = wait_until(anything_printed);
    return answer(in, 10, ret, err);
}

/* No host was begun for a good while. */
static bool all_wait(void)
{
    static unsigned last, same;
    unsigned now = atomic_load(&asked);

    same = now == last ? same + 1 : 0;
    last = now;
    return now > 32 && same > 40;
}

/* Host 0 does not answer before the others wait for it, each with a megabyte. */
static bool answer_much(const struct invocation *in, json_t **ret, struct err *err)
{
    if (number_of(in->host) == 0) {
        CHECK(wait_until(all_wait));
        CHECK(atomic_load(&asked) <= 64 + 8);
    } else {
        atomic_fetch_add(&asked, 1);
    }
    return answer(in, MEGABYTE, ret, err);
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host;
    size_t i, len = strlen(printed);

    CHECK_EQ(in->blocks->is_last,
             in->blocks->shown + json_array_size(hosts) == in->blocks->host_count);
    json_array_foreach(hosts, i, host)
    {
        const char *name = json_string_value(json_object_get(host, "host"));

        len += (size_t)snprintf(printed + len, sizeof(printed) - len, "%s%s ", name,
                                json_is_null(json_object_get(host, "error")) ? "" : "!");
    }
    atomic_fetch_add(&printed_blocks, 1);
    return true;
}

/* ---- a run ---- */

struct run {
    bool ok;
    int status;
    char *text, *messages; /* standard output, standard error */
    json_t *document;
    struct err err;
};

static struct run run(const struct command *command, bool json, size_t count)
{
    struct run r = { .err = ERR_INIT, .status = -1 };
    struct host_list hosts = { 0 };
    struct output out = { .json = json, .quiet = true };
    struct invocation in = { .command = command, .out = &out, .json = json };
    struct connector connector = { 0 };
    size_t len, messages_len;

    atomic_store(&asked, 0);
    atomic_store(&most_at_once, 0);
    atomic_store(&printed_blocks, 0);
    printed[0] = '\0';
    out.text = open_memstream(&r.text, &len);
    out.messages = open_memstream(&r.messages, &messages_len);
    hosts.items = calloc(count, sizeof(*hosts.items));
    if (!out.text || !out.messages || !hosts.items)
        abort();
    for (; hosts.count < count; hosts.count++)
        hosts.items[hosts.count].name = text_printf("hv-%zu", hosts.count);
    r.ok = collect_run(&in, &connector, &hosts, 8, &r.status, &r.err);
    fclose(out.text);
    fclose(out.messages);
    r.document = json_loads(r.text, 0, NULL);
    for (size_t i = 0; i < count; i++)
        free(hosts.items[i].name);
    free(hosts.items);
    return r;
}

static void run_clear(struct run *r)
{
    free(r->text);
    free(r->messages);
    json_decref(r->document);
}

static const json_t *host_of(const struct run *r, size_t i)
{
    return json_array_get(json_object_get(r->document, "hosts"), i);
}

TEST(json_has_every_host_in_the_order_of_the_list_whatever_answers_first)
{
    static const struct command command = { .collect = answer_backwards, .list = "things" };
    struct run r = run(&command, true, ENOUGH);

    CHECK(r.ok);
    CHECK_EQ(r.status, STATUS_SOME);
    CHECK_EQ(json_array_size(json_object_get(r.document, "hosts")), ENOUGH);
    CHECK(atomic_load(&most_at_once) > 1 && atomic_load(&most_at_once) <= 8);
    for (size_t i = 0; i < ENOUGH; i++) {
        const json_t *host = host_of(&r, i), *error = json_object_get(host, "error");
        const char *name = json_string_value(json_object_get(host, "host"));

        CHECK(name && number_of(name) == i);
        if (i % 100 == 7) {
            CHECK_STR_EQ(json_string_value(json_object_get(error, "kind")), "unreachable");
            CHECK(json_is_null(json_object_get(host, "things")));
        } else {
            CHECK(json_is_null(error));
            CHECK_EQ(json_array_size(json_object_get(host, "things")), 1);
        }
    }
    run_clear(&r);
}

TEST(text_comes_in_blocks_in_the_order_of_the_list)
{
    static const struct command command = { .collect = answer_backwards,
                                            .print = print,
                                            .in_blocks = true };
    struct run r = run(&command, false, ENOUGH);
    const char *at = printed;

    CHECK(r.ok);
    CHECK_EQ(r.status, STATUS_SOME);
    CHECK(atomic_load(&printed_blocks) > 1);
    for (unsigned i = 0; i < ENOUGH; i++, at += strcspn(at, " ") + 1) {
        CHECK_EQ(number_of(at), i);
        CHECK_EQ(at[strcspn(at, " ") - 1] == '!', i % 100 == 7);
    }
    run_clear(&r);
}

TEST(a_command_that_needs_all_hosts_together_gets_them)
{
    static const struct command command = { .collect = answer_backwards, .print = print };
    struct run r = run(&command, false, ENOUGH);

    CHECK(r.ok);
    CHECK_EQ(r.status, STATUS_SOME);
    CHECK_EQ(atomic_load(&printed_blocks), 1);
    run_clear(&r);
}

TEST(text_of_a_slow_host_comes_later_and_does_not_hold_back_the_others)
{
    static const struct command command = { .collect = answer_slowly,
                                            .print = print,
                                            .in_blocks = true };
    struct run r = run(&command, false, MANY);
    const char *slow = strstr(printed, "hv-5 ");
    bool is_later = false;

    CHECK(r.ok);
    CHECK_EQ(r.status, STATUS_DONE);
    CHECK(slow_was_overtaken);
    CHECK(slow != NULL);
    for (const char *at = printed; slow && at < slow; at += strcspn(at, " ") + 1)
        is_later |= number_of(at) > 5;
    CHECK(is_later);
    run_clear(&r);
}

TEST(behind_a_slow_host_a_bounded_number_of_bytes_waits)
{
    static const struct command command = { .collect = answer_much, .list = "things" };
    struct run r = run(&command, true, 100);

    CHECK(r.ok);
    CHECK_EQ(r.status, STATUS_DONE);
    CHECK_EQ(json_array_size(json_object_get(r.document, "hosts")), 100);
    run_clear(&r);
}

TEST(when_every_host_failed_nothing_is_printed_and_the_run_has_failed)
{
    static const struct command command = { .collect = never, .print = print };
    struct run r = run(&command, false, 3);

    CHECK(r.ok);
    CHECK_EQ(r.status, STATUS_FAILED);
    CHECK_STR_EQ(r.text, "");
    /* What to do is said once for hosts in a row. */
    CHECK_STR_EQ(r.messages, "hvgpu: hv-0: nobody there\n  \xE2\x86\x92 switch it on\n"
                             "hvgpu: hv-1: nobody there\n"
                             "hvgpu: hv-2: nobody there\n  \xE2\x86\x92 wait\n");
    CHECK_EQ(atomic_load(&printed_blocks), 0);
    run_clear(&r);
}

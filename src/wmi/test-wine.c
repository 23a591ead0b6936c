/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session against the WMI there is: Wine's own here, Windows' there. */

#include <pthread.h>

#include "err.h"
#include "test.h"
#include "wmi.h"

static bool count(const struct cim_instance *row, void *user, struct err *err)
{
    ++*(size_t *)user;
    return true;
}

static bool keep_system(const struct cim_instance *row, void *user, struct err *err)
{
    bool *good = user;
    uint64_t memory, type;

    /* A text, a number that comes as one, a small number, a class, no system properties. */
    *good = cim_get_text(row, "Version") &&
            cim_get_u64(row, "TotalVisibleMemorySize", &memory) && memory > 1024 &&
            cim_get_u64(row, "ProductType", &type) && type >= 1 && type <= 3 &&
            strcmp(row->class_name, "Win32_OperatingSystem") == 0 &&
            !cim_get(row, "__CLASS");
    return true;
}

static struct cim_session *start(void)
{
    struct wmi_options options = { 0 };
    struct err err = ERR_INIT;

    return wmi_open(&options, &err);
}

TEST(the_operating_system_is_read)
{
    struct cim_session *session = start();
    struct err err = ERR_INIT;
    bool good = false;

    CHECK_OK(cim_query(session, "root/cimv2", "SELECT * FROM Win32_OperatingSystem",
                       keep_system, &good, &err));
    CHECK(good);
    cim_release(session);
}

TEST(what_is_not_there_is_told_apart)
{
    struct cim_session *session = start();
    struct err err = ERR_INIT;
    struct cim_path *path = cim_path_new("root/cimv2", "Win32_Process");
    struct cim_instance *got = NULL;
    size_t rows = 0;

    CHECK(!cim_query(session, "root/nothing/here", "SELECT * FROM X", count, &rows, &err));
    CHECK_EQ(err.code, 0x8004100E);
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!cim_query(session, "root/cimv2", "not a query", count, &rows, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK_OK(cim_path_set(path, "Handle", "4294967294", &err));
    CHECK(!cim_fetch(session, path, &got, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    cim_path_free(path);
    cim_release(session);
}

TEST(a_method_of_a_real_provider_is_called)
{
    struct cim_session *session = start();
    struct cim_path *path = cim_path_new("root/cimv2", "StdRegProv");
    struct cim_instance *in = cim_instance_new(NULL, "__PARAMETERS"), *out = NULL;
    struct err err = ERR_INIT;
    uint64_t code;

    CHECK_OK(cim_set_uint(in, "hDefKey", CIM_UINT32, 0x80000002, &err));
    CHECK_OK(cim_set_text(in, "sSubKeyName", "Software\\Microsoft", &err));
    CHECK_OK(cim_invoke(session, path, "EnumKey", in, &out, &err));
    CHECK(out && cim_get_u64(out, "ReturnValue", &code) && code == 0);
    CHECK(out && cim_get_count(out, "sNames") > 0);
    cim_instance_free(in);
    cim_instance_free(out);
    cim_path_free(path);
    cim_release(session);
}

static void *ask_in_thread(void *user)
{
    struct cim_session **session = user;
    struct err err = ERR_INIT;
    bool good = false;

    if (!*session)
        *session = start();
    CHECK_OK(cim_query(*session, "root/cimv2", "SELECT * FROM Win32_OperatingSystem",
                       keep_system, &good, &err));
    CHECK(good);
    return NULL;
}

/* One after the other: Wine's provider keeps its tables for all threads, without a lock. */
TEST(a_session_outlives_the_thread_that_made_it_and_is_used_by_others)
{
    struct cim_session *session = NULL;

    for (int i = 0; i < 3; i++) {
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, ask_in_thread, &session) == 0);
        pthread_join(thread, NULL);
    }
    ask_in_thread(&session);
    cim_release(session);
}

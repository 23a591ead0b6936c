/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values into a hive. */
#include "make-registry.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "text.h"

bool put_text(struct hive *hive, const char *key, const char *name, uint32_t type,
              const char *text, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_text(&value, type, text) || err_no_memory(err);

    ok = ok && hive_set(hive, key, name, &value, err);
    hive_value_clear(&value);
    return ok;
}

bool put_number(struct hive *hive, const char *key, const char *name, uint32_t type,
                uint64_t number, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_u64(&value, type, number) || err_no_memory(err);

    ok = ok && hive_set(hive, key, name, &value, err);
    hive_value_clear(&value);
    return ok;
}

bool put_texts(struct hive *hive, const char *key, const char *name,
               const char *const *texts, size_t count, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_texts(&value, texts, count) || err_no_memory(err);

    ok = ok && hive_set(hive, key, name, &value, err);
    hive_value_clear(&value);
    return ok;
}

static const char *display_version(unsigned build)
{
    static const struct {
        unsigned build;
        const char *name;
    } known[] = {
        { 26100, "24H2" }, { 22631, "23H2" }, { 22621, "22H2" },
        { 22000, "21H2" }, { 20348, "21H2" }, { 19045, "22H2" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].build == build)
            return known[i].name;
    return NULL;
}

bool put_version(struct hive *software, const struct windows_version *version,
                 struct err *err)
{
    static const char key[] = "Microsoft\\Windows NT\\CurrentVersion";
    static const char eleven[] = "Windows 11";
    CLEANUP(free_cleanup) char *build = text_printf("%u", version->build);
    /* Windows 11 still calls itself 10 here. */
    CLEANUP(free_cleanup)
    char *name = text_istarts(version->product, eleven)
                     ? text_printf("Windows 10%s", version->product + strlen(eleven))
                     : text_dup(version->product);

    if (!build || !name)
        return err_no_memory(err);
    return put_text(software, key, "CurrentBuildNumber", HIVE_SZ, build, err) &&
           put_text(software, key, "CurrentBuild", HIVE_SZ, build, err) &&
           put_number(software, key, "UBR", HIVE_DWORD, version->ubr, err) &&
           put_text(software, key, "EditionID", HIVE_SZ, version->edition, err) &&
           put_text(software, key, "ProductName", HIVE_SZ, name, err) &&
           put_text(software, key, "InstallationType", HIVE_SZ,
                    version->server ? "Server" : "Client", err) &&
           put_text(software, key, "SystemRoot", HIVE_SZ, "C:\\Windows", err) &&
           (!display_version(version->build) ||
            put_text(software, key, "DisplayVersion", HIVE_SZ,
                     display_version(version->build), err));
}

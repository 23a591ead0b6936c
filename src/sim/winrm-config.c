/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "winrm-config.h"

#include <stddef.h>
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"

static const struct number {
    const char *name;
    size_t offset;
    uint32_t min, max;
} numbers[] = {
    /* The largest is what MicrosoftDocs/win32 calls supported. */
    { "MaxEnvelopeSizekb", offsetof(struct winrm_config, max_envelope_kb), 32, 1039440 },
    { "MaxTimeoutms", offsetof(struct winrm_config, max_timeout_ms), 500, UINT32_MAX },
    { "MaxBatchItems", offsetof(struct winrm_config, max_batch_items), 1, UINT32_MAX },
    { "MaxConcurrentOperationsPerUser",
      offsetof(struct winrm_config, max_operations_per_user), 1, UINT32_MAX },
    { "EnumerationTimeoutms", offsetof(struct winrm_config, enumeration_timeout_ms), 500,
      UINT32_MAX },
    { "MaxConnections", offsetof(struct winrm_config, max_connections), 1, UINT32_MAX },
    { "MaxShellsPerUser", offsetof(struct winrm_config, max_shells_per_user), 1,
      INT32_MAX },
    { "MaxProcessesPerShell", offsetof(struct winrm_config, max_processes_per_shell), 1,
      INT32_MAX },
};

static const char *const cbt_words[] = { "None", "Relaxed", "Strict" };

static bool set_number(struct winrm_config *config, const struct number *n,
                       const char *value, struct err *err)
{
    uint64_t number;

    if (!text_to_u64(value, 10, &number) || number < n->min || number > n->max)
        return err_fail(err, ERR_INVALID, 0, "%s is a number from %u to %u, not '%.40s'",
                        n->name, n->min, n->max, value);
    *(uint32_t *)((char *)config + n->offset) = (uint32_t)number;
    return true;
}

static bool set_cbt(struct winrm_config *config, const char *value, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(cbt_words); i++) {
        if (text_ieq(cbt_words[i], value)) {
            config->cbt = (enum winrm_cbt)i;
            return true;
        }
    }
    return err_fail(err, ERR_INVALID, 0,
                    "CbtHardeningLevel is None, Relaxed or Strict, not '%.40s'", value);
}

bool winrm_config_set(struct winrm_config *config, const char *name, const char *value,
                      struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (text_ieq(numbers[i].name, name))
            return set_number(config, &numbers[i], value, err);
    if (text_ieq(name, "CbtHardeningLevel"))
        return set_cbt(config, value, err);
    if (text_ieq(name, "AllowUnencrypted")) {
        config->allow_unencrypted = text_ieq(value, "true");
        return config->allow_unencrypted || text_ieq(value, "false") ||
               err_fail(err, ERR_INVALID, 0, "AllowUnencrypted is true or false");
    }
    err_fail(err, ERR_INVALID, 0, "hvgpu-sim knows no '%.60s' of winrm/config", name);
    return err_hint(err, "see hvgpu-lab(5), winrm");
}

bool winrm_config_apply(struct winrm_config *config, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    CLEANUP(free_cleanup)
    char *name = equals ? text_ndup(text, (size_t)(equals - text)) : NULL;

    if (!equals)
        return err_fail(err, ERR_INVALID, 0, "'%.80s' is not NAME=VALUE", text);
    return name ? winrm_config_set(config, name, equals + 1, err) : err_no_memory(err);
}

/* As recorded, with the defaults of what the simulator does not act on.  Who may log on how
 * is told by the log-on itself, so Auth holds the binding's level alone. */
void winrm_config_put(struct strbuf *to, const struct winrm_config *c)
{
    strbuf_printf(
        to,
        "<cfg:Config xmlns:cfg=\"http://schemas.microsoft.com/wbem/wsman/1/config\">"
        "<cfg:MaxEnvelopeSizekb>%u</cfg:MaxEnvelopeSizekb>"
        "<cfg:MaxTimeoutms>%u</cfg:MaxTimeoutms>"
        "<cfg:MaxBatchItems>%u</cfg:MaxBatchItems>"
        "<cfg:MaxProviderRequests>4294967295</cfg:MaxProviderRequests><cfg:Service>"
        "<cfg:MaxConcurrentOperations>4294967295</cfg:MaxConcurrentOperations>"
        "<cfg:MaxConcurrentOperationsPerUser>%u</cfg:MaxConcurrentOperationsPerUser>"
        "<cfg:EnumerationTimeoutms>%u</cfg:EnumerationTimeoutms>"
        "<cfg:MaxConnections>%u</cfg:MaxConnections>"
        "<cfg:MaxPacketRetrievalTimeSeconds>120</cfg:MaxPacketRetrievalTimeSeconds>"
        "<cfg:AllowUnencrypted>%s</cfg:AllowUnencrypted><cfg:Auth>"
        "<cfg:CbtHardeningLevel>%s</cfg:CbtHardeningLevel></cfg:Auth></cfg:Service>"
        "<cfg:Winrs><cfg:AllowRemoteShellAccess>true</cfg:AllowRemoteShellAccess>"
        "<cfg:IdleTimeout>7200000</cfg:IdleTimeout>"
        "<cfg:MaxProcessesPerShell>%u</cfg:MaxProcessesPerShell>"
        "<cfg:MaxShellsPerUser>%u</cfg:MaxShellsPerUser></cfg:Winrs></cfg:Config>",
        c->max_envelope_kb, c->max_timeout_ms, c->max_batch_items,
        c->max_operations_per_user, c->enumeration_timeout_ms, c->max_connections,
        c->allow_unencrypted ? "true" : "false", cbt_words[c->cbt],
        c->max_processes_per_shell, c->max_shells_per_user);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How WinRM is configured on a simulated host: the values of winrm/config that change what a
 * client sees, under the names they have there.
 *
 * Sources: MS-WSMV 2.2.4.10 ConfigType, 2.2.4.36 ServiceType, 2.2.4.43 WinrsType (names,
 * limits, defaults); recorded: jborean93/pypsrp tests (the document itself).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct strbuf;

/* Service/Auth/CbtHardeningLevel (MicrosoftDocs/win32 desktop-src/WinRM/installation-and-
 * configuration-for-windows-remote-management.md): whether a log-on over TLS must be bound to
 * this TLS connection: never looked at; right if there; there and right. */
enum winrm_cbt { WINRM_CBT_NONE, WINRM_CBT_RELAXED, WINRM_CBT_STRICT };

struct winrm_config {
    uint32_t max_envelope_kb; /* of a request, and the most that an answer may have */
    uint32_t max_timeout_ms;  /* the longest that a Receive waits */
    uint32_t max_batch_items;
    uint32_t max_operations_per_user; /* open enumerations */
    uint32_t enumeration_timeout_ms;  /* an idle one is forgotten */
    uint32_t max_connections;         /* requests being served at one time */
    uint32_t max_shells_per_user, max_processes_per_shell;
    enum winrm_cbt cbt;
    bool allow_unencrypted;
};

/* A modern host's, but for AllowUnencrypted: what is tried out on loopback is readable. */
#define WINRM_DEFAULTS                                        \
    ((struct winrm_config){ .max_envelope_kb = 500,           \
                            .max_timeout_ms = 60000,          \
                            .max_batch_items = 32000,         \
                            .max_operations_per_user = 1500,  \
                            .enumeration_timeout_ms = 240000, \
                            .max_connections = 300,           \
                            .max_shells_per_user = 30,        \
                            .max_processes_per_shell = 25,    \
                            .cbt = WINRM_CBT_RELAXED,         \
                            .allow_unencrypted = true })

/* One value by its name there, without regard to case: "MaxEnvelopeSizekb", "150". */
bool winrm_config_set(struct winrm_config *config, const char *name, const char *value,
                      struct err *err) MUST_CHECK;
/* The same from "MaxEnvelopeSizekb=150". */
bool winrm_config_apply(struct winrm_config *config, const char *text, struct err *err)
    MUST_CHECK;
/* The cfg:Config of a GetResponse. */
void winrm_config_put(struct strbuf *to, const struct winrm_config *config);

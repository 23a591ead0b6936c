/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's registry through StdRegProv, and hive files loaded into it.
 *
 * Keys as "HKLM\\...".  Values raw, as in a hive.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/RegProv; windows-commands reg-load, reg-unload.
 */
#pragma once

#include "hive.h"
#include "session.h"

/* What was read of some keys, to ask the host for each thing once; for who can do with what
 * the keys had then, and forgets it before anything is written there.  Zeroed at first. */
struct remote_reg_known {
    struct remote_reg_key *keys;
    size_t count;
};
void remote_reg_forget(struct remote_reg_known *known);
bool remote_reg_get_known(struct cim_session *session, struct remote_reg_known *known,
                          const char *key, const char *name, bool *ret_exists,
                          struct hive_value *ret, struct err *err) MUST_CHECK;
/* A missing key has nothing in it. */
bool remote_reg_list_known(struct cim_session *session, struct remote_reg_known *known,
                           const char *key, bool values, char ***ret_names,
                           size_t *ret_count, bool *ret_key_exists, struct err *err)
    MUST_CHECK;

/* Variables in EXPAND_SZ are replaced. */
bool remote_reg_get(struct cim_session *session, const char *key, const char *name,
                    bool *ret_exists, struct hive_value *ret, struct err *err) MUST_CHECK;
/* The same to the letter: StdRegProv gives texts of type EXPAND_SZ only with their variables
 * replaced by this host's, which must not be written back.  Those cost a command.
 * ERR_UNSUPPORTED: a text with variables and with letters that the host's console cannot
 * tell. */
bool remote_reg_get_exact(struct cim_session *session, struct remote_reg_known *known,
                          const char *key, const char *name, bool *ret_exists,
                          struct hive_value *ret, struct err *err) MUST_CHECK;
/* A missing key has nothing in it. */
bool remote_reg_list(struct cim_session *session, const char *key, bool values,
                     char ***ret_names, size_t *ret_count, bool *ret_key_exists,
                     struct err *err) MUST_CHECK;
bool remote_reg_set(struct cim_session *session, const char *key, const char *name,
                    const struct hive_value *value, struct err *err) MUST_CHECK;
bool remote_reg_delete_value(struct cim_session *session, const char *key, const char *name,
                             struct err *err) MUST_CHECK; /* missing is fine */
bool remote_reg_delete_key(struct cim_session *session, const char *key, struct err *err)
    MUST_CHECK; /* without subkeys; missing is fine */
/* @key: "HKLM\\hvgpu-..."; @reads_only: the file is a copy of our own. */
bool remote_reg_load(struct cim_session *session, const char *key, const char *file,
                     bool reads_only, struct err *err) MUST_CHECK;
bool remote_reg_unload(struct cim_session *session, const char *key, bool reads_only,
                       struct err *err) MUST_CHECK; /* not loaded is fine */

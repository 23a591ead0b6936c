/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passwords of hosts: typed, or out of a file that only the user can read. */

#include "hosts.h"
#include "hosts-parts.h"

#include <stdio.h>
#include <string.h>

#include "os.h"
#include "text.h"
#include "tr.h"

enum { SECRET_MAX = 4096 };

void secret_free(char *secret)
{
    if (secret)
        os_wipe(secret, strlen(secret));
    free(secret);
}

/* The first line of a file that only its owner can read. */
static bool read_password(const char *path, char **ret, struct err *err)
{
    CLEANUP(secret_cleanup) char *text = NULL;
    size_t len;

    if (os_file_exists(path) && !os_is_private_file(path)) {
        char command[ERR_TEXT];

        os_private_command(path, command, sizeof(command));
        err_fail(err, ERR_DENIED, 0, "others can read the password file '%.160s'", path);
        return err_hint(err, "%s", command);
    }
    os_forbid_dumps();
    text = os_read_file(path, SECRET_MAX, &len, err);
    if (!text)
        return err_wrap(err, "reading the password");
    text[strcspn(text, "\r\n")] = '\0';
    if (!*text)
        return err_fail(err, ERR_INVALID, 0, "the password file '%.160s' is empty", path);
    *ret = TAKE(text);
    return true;
}

/* Kerberos by name means the tickets there are; a password for it comes from a file. */
static bool wants_password(const struct host_target *target)
{
    return target->user && !target->keytab && !target->cert &&
           !(target->auth && text_ieq(target->auth, "kerberos"));
}

bool host_password(const struct host_target *target, char **ret, struct err *err)
{
    const char *environment = os_env("HVGPU_PASSWORD_FILE");
    char prompt[256];

    if (target->password)
        return copy_text(ret, target->password, err);
    if (target->password_file)
        return read_password(target->password_file, ret, err);
    if (environment && *environment)
        return read_password(environment, ret, err);
    if (!wants_password(target))
        return true;
    if (!os_is_terminal(0)) {
        err_fail(err, ERR_DENIED, 0, "no password for '%.80s'", target->user);
        return err_hint(err, "name a file with --password-file or HVGPU_PASSWORD_FILE");
    }
    snprintf(prompt, sizeof(prompt), _("Password of %.80s on %.80s: "), target->user,
             target->name);
    os_forbid_dumps();
    *ret = os_read_secret(prompt, err);
    return *ret;
}

bool host_list_ask(struct host_list *list, struct err *err)
{
    const char *environment = os_env("HVGPU_PASSWORD_FILE");

    if ((environment && *environment) || !os_is_terminal(0))
        return true; /* each host finds out for itself */
    for (size_t i = 0; i < list->count; i++) {
        struct host_target *target = &list->items[i];

        if (target->password || target->password_file || !wants_password(target))
            continue;
        for (size_t k = 0; k < i && !target->password; k++)
            if (!list->items[k].password_file &&
                text_ieq(list->items[k].user, target->user) &&
                !copy_text(&target->password, list->items[k].password, err))
                return false;
        if (!target->password && !host_password(target, &target->password, err))
            return false;
    }
    return true;
}

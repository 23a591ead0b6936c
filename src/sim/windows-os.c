/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the behaviours of Windows share. */
#include "windows-os.h"

#include <string.h>

#include "strbuf.h"
#include "text.h"

bool windows_world(struct sim_host *host, struct sim_world **ret, struct sim_fault *fault)
{
    struct err err = ERR_INIT;

    *ret = sim_host_world(host, &err);
    return *ret || sim_fault_err(fault, &err);
}

/* The environment of a process without a user's profile. */
const char *windows_variable(const char *name, size_t len)
{
    static const char *const known[][2] = {
        { "SystemRoot", "C:\\Windows" },
        { "windir", "C:\\Windows" },
        { "SystemDrive", "C:" },
        { "TEMP", "C:\\Windows\\Temp" },
        { "TMP", "C:\\Windows\\Temp" },
        { "ProgramData", "C:\\ProgramData" },
        { "ProgramFiles", "C:\\Program Files" },
        { "ProgramFiles(x86)", "C:\\Program Files (x86)" },
        { "ComSpec", "C:\\Windows\\system32\\cmd.exe" },
        { "PUBLIC", "C:\\Users\\Public" },
        { "USERPROFILE", "C:\\Users\\Administrator" },
        { "OS", "Windows_NT" },
        { "PROCESSOR_ARCHITECTURE", "AMD64" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strlen(known[i][0]) == len && text_istarts(name, known[i][0]))
            return known[i][1];
    return NULL;
}

char *windows_expand(const char *text)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;

    while (*text) {
        const char *end = *text == '%' ? strchr(text + 1, '%') : NULL;
        const char *value =
            end ? windows_variable(text + 1, (size_t)(end - text - 1)) : NULL;

        if (value) {
            strbuf_puts(&to, value);
            text = end + 1;
        } else {
            strbuf_putc(&to, *text++);
        }
    }
    return strbuf_take(&to);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Windows paths as text: joined, taken apart, judged. */

#include "win-path.h"

#include <string.h>

#include "text.h"

static const char STORE[] = "\\DriverStore\\FileRepository\\";
static const char SYSTEM_STORE[] = "\\System32\\DriverStore\\FileRepository\\";

char *win_path_join(const char *folder, const char *name)
{
    size_t len = strlen(folder);

    while (len > 0 && (folder[len - 1] == '\\' || folder[len - 1] == '/'))
        len--;
    while (*name == '\\' || *name == '/')
        name++;
    if (len == 0)
        return text_dup(name);
    return text_printf("%.*s\\%s", (int)len, folder, name);
}

const char *win_path_base(const char *path)
{
    const char *base = path;

    for (const char *p = path; *p; p++)
        if (*p == '\\' || *p == '/')
            base = p + 1;
    return base;
}

char *win_path_parent(const char *path)
{
    const char *base = win_path_base(path);

    return text_ndup(path, base > path ? (size_t)(base - path) - 1 : 0);
}

/* Also with an extension: "NUL.txt" is the device NUL. */
static bool is_device_name(const char *name)
{
    static const char *const devices[] = { "CON",    "PRN",     "AUX",   "NUL",
                                           "CONIN$", "CONOUT$", "CLOCK$" };
    size_t stem = strcspn(name, ".");

    while (stem > 0 && name[stem - 1] == ' ')
        stem--;
    for (size_t i = 0; i < ARRAY_LEN(devices); i++)
        if (strlen(devices[i]) == stem && text_istarts(name, devices[i]))
            return true;
    if (!text_istarts(name, "COM") && !text_istarts(name, "LPT"))
        return false;
    if (stem == 4)
        return name[3] >= '0' && name[3] <= '9';
    /* COM and LPT with a superscript one, two or three, two bytes in UTF-8. */
    return stem == 5 &&
           (strncmp(name + 3, "\xC2\xB9", 2) == 0 ||
            strncmp(name + 3, "\xC2\xB2", 2) == 0 || strncmp(name + 3, "\xC2\xB3", 2) == 0);
}

bool win_name_is_plain(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > 255 || !text_is_utf8(name, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f ||
            strchr("<>:\"/\\|?*", name[i]))
            return false;
    if (name[len - 1] == '.' || name[len - 1] == ' ')
        return false; /* also "." and ".." */
    return !is_device_name(name);
}

bool win_path_is_relative(const char *path)
{
    for (;;) {
        const char *end = strchr(path, '\\');
        CLEANUP(free_cleanup)
        char *name = end ? text_ndup(path, (size_t)(end - path)) : text_dup(path);

        if (!name || !win_name_is_plain(name))
            return false;
        if (!end)
            return true;
        path = end + 1;
    }
}

bool win_path_is_absolute(const char *path)
{
    bool letter = (*path >= 'A' && *path <= 'Z') || (*path >= 'a' && *path <= 'z');

    return letter && path[1] == ':' && path[2] == '\\' && win_path_is_relative(path + 3);
}

const char *win_path_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    if (!text_istarts(path, folder) || path[len] != '\\')
        return NULL;
    return path + len + 1;
}

char *win_path_store_package(const char *path)
{
    const char *store = text_istr(path, STORE);
    CLEANUP(free_cleanup) char *package = NULL;

    if (!store)
        return NULL;
    store += strlen(STORE);
    package = text_ndup(store, strcspn(store, "\\"));
    return package && win_name_is_plain(package) ? TAKE(package) : NULL;
}

char *win_path_in_guest_store(const char *path)
{
    const char *store = text_istr(path, SYSTEM_STORE);

    if (!store || !win_path_is_relative(store + strlen(SYSTEM_STORE)))
        return NULL;
    return text_printf("\\SystemRoot\\System32\\HostDriverStore\\FileRepository\\%s",
                       store + strlen(SYSTEM_STORE));
}

/* A package, or something in it; folders may end with '\\'. */
static bool is_in_store(const char *rest)
{
    size_t len = strlen(rest);
    CLEANUP(free_cleanup)
    char *plain = text_ndup(rest, len && rest[len - 1] == '\\' ? len - 1 : len);

    return plain && win_path_is_relative(plain);
}

char *win_path_led_to_guest_store(const char *path)
{
    static const char done[] = "\\System32\\HostDriverStore\\FileRepository\\";
    const char *led = text_istr(path, done);
    const char *store = text_istr(path, SYSTEM_STORE);

    if (led)
        return is_in_store(led + strlen(done)) ? text_dup(path) : NULL;
    if (!store || !is_in_store(store + strlen(SYSTEM_STORE)))
        return NULL;
    return text_printf("%.*s%s%s", (int)(store - path), path, done,
                       store + strlen(SYSTEM_STORE));
}

/* The '_' before the architecture, or NULL: the name must end in _<arch>_<16 hex>. */
static const char *package_tail(const char *package)
{
    size_t len = strlen(package);
    const char *arch;

    if (len < 18 || package[len - 17] != '_')
        return NULL;
    for (size_t i = len - 16; i < len; i++)
        if (!strchr("0123456789abcdefABCDEF", package[i]))
            return NULL;
    for (arch = package + len - 18; arch > package && *arch != '_'; arch--)
        ;
    return arch > package ? arch : NULL;
}

char *win_package_architecture(const char *package)
{
    const char *tail = package_tail(package);
    char *arch = tail ? text_ndup(tail + 1, strlen(tail) - 18) : NULL;

    if (arch)
        text_lower(arch);
    return arch;
}

char *win_package_inf(const char *package)
{
    const char *tail = package_tail(package);

    return tail ? text_ndup(package, (size_t)(tail - package)) : NULL;
}

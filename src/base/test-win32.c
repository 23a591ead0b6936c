/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests use of POSIX and mingw-w64 lacks; declared in test.h. */

#define _CRT_RAND_S
#include <direct.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

char *mkdtemp(char *name)
{
    char *end = name + strlen(name) - 6; /* XXXXXX */

    for (int i = 0; i < 100; i++) {
        unsigned number = 0;
        char digits[9];

        if (rand_s(&number) != 0)
            return NULL;
        snprintf(digits, sizeof(digits), "%08x", number);
        memcpy(end, digits, 6);
        if (_mkdir(name) == 0)
            return name;
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

int setenv(const char *name, const char *value, int overwrite)
{
    return overwrite || !getenv(name) ? _putenv_s(name, value) : 0;
}

int unsetenv(const char *name)
{
    return _putenv_s(name, "");
}

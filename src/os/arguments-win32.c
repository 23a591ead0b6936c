/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command line taken apart into arguments, as CommandLineToArgvW does it.  That function stands
 * in shell32.dll, which brings the windows' DLLs with it: a third of the time in which the program
 * starts.
 *
 * Source: MicrosoftDocs/win32 shellapi CommandLineToArgvW, and "Parsing C command-line
 * arguments" of the C library's documentation; the tests compare with the function itself.
 */

#include "inside-win32.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "err.h"
#include "os.h"
#include "text.h"

static bool is_blank(wchar_t c)
{
    return c == L' ' || c == L'\t';
}

/* The program's own name: quotes hold it together, and nothing else means anything. */
static const wchar_t *take_program(const wchar_t *at, wchar_t *to)
{
    wchar_t end = *at == L'"' ? L'"' : L' ';

    if (*at == L'"')
        at++;
    while (*at && *at != end && (end == L'"' || !is_blank(*at)))
        *to++ = *at++;
    *to = L'\0';
    return at + (*at == L'"' && end == L'"');
}

/* Backslashes mean themselves, except before a quote: there each pair is one, and a single one
 * more makes the quote a letter.  A quote that closes, with another behind it, is a letter, too. */
static const wchar_t *take_argument(const wchar_t *at, wchar_t *to)
{
    bool is_quoted = false;

    while (*at && (is_quoted || !is_blank(*at))) {
        size_t slashes = wcsspn(at, L"\\");
        bool is_letter;

        if (at[slashes] != L'"') {
            size_t plain = slashes ? slashes : 1;

            wmemcpy(to, at, plain);
            to += plain;
            at += plain;
            continue;
        }
        wmemcpy(to, at, slashes / 2);
        to += slashes / 2;
        at += slashes + 1;
        is_letter = slashes % 2 == 1;
        if (!is_letter) {
            is_letter = is_quoted && *at == L'"';
            at += is_letter;
            is_quoted = !is_quoted;
        }
        if (is_letter)
            *to++ = L'"';
    }
    *to = L'\0';
    return at;
}

static void free_arguments(char **arguments)
{
    for (char **at = arguments; at && *at; at++)
        free(*at);
    free(arguments);
}

char **win32_split_line(const wchar_t *line, int *ret_count)
{
    size_t size = wcslen(line) + 1, count = 0;
    /* One letter and one blank make the most arguments. */
    char **made = calloc(size / 2 + 2, sizeof(*made));
    CLEANUP(free_cleanup) wchar_t *text = calloc(size, sizeof(*text));
    struct err ignored = ERR_INIT;

    for (const wchar_t *at = line; made && text && (count == 0 || *at); count++) {
        at = count == 0 ? take_program(at, text) : take_argument(at, text);
        while (is_blank(*at))
            at++;
        made[count] = win32_utf8(text, &ignored);
        if (!made[count]) {
            free_arguments(made);
            return NULL;
        }
    }
    if (!text) {
        free(made);
        return NULL;
    }
    *ret_count = (int)count;
    return made;
}

/* As they were typed; main() is given them in the code page of the system, or with stars
 * replaced by names of files. */
void os_arguments(int *argc, char ***argv)
{
    int count = 0;
    char **made = win32_split_line(GetCommandLineW(), &count);

    if (!made) /* half a letter: the system's own version has a question mark there */
        return;
    *argc = count;
    *argv = made;
}

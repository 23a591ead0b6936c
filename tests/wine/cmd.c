/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.exe for the Wine prefix of the tests: with HVGPU_TEST_COM set, the command line runs on
 * the simulated host (RUN in src/sim/com.h), and its output and exit code are those of the
 * host; without, the original runs, which the prefix keeps beside this as cmd-wine.exe.
 *
 * Of the switches before /c those are known that hvgpu gives: /d, /s, /q, /u is refused.
 */
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <ws2tcpip.h>

enum { NO_SIMULATOR = 120, WRONG_USE = 121 };

static int fail(const char *what)
{
    fprintf(stderr, "cmd.exe of the tests: %s (%lu)\n", what, GetLastError());
    return NO_SIMULATOR;
}

/* ---- the command line ---- */

/* What stands behind this program's own name. */
static const WCHAR *arguments(void)
{
    const WCHAR *at = GetCommandLineW();
    bool quoted = false;

    for (; *at && (quoted || (*at != L' ' && *at != L'\t')); at++)
        if (*at == L'"')
            quoted = !quoted;
    return at + wcsspn(at, L" \t");
}

/* Behind /c; NULL: there is none, or a switch that is not known here. */
static const WCHAR *behind_c(const WCHAR *at)
{
    while (*at == L'/') {
        WCHAR letter = towlower(at[1]);

        at += 2;
        if (letter == L'c')
            return at + wcsspn(at, L" \t");
        if (letter == L'u' || letter == L'k' || !letter)
            return NULL;
        /* /e:on, /v:off, /t:fg */
        at += wcscspn(at, L" \t/");
        at += wcsspn(at, L" \t");
    }
    return NULL;
}

/* ---- the simulator ---- */

static char *utf8(const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *copy = malloc((size_t)size);

    if (copy)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, copy, size, NULL, NULL);
    return copy;
}

static SOCKET dial(char *place, const char **ret_host)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    char *slash = strchr(place, '/'), *colon;
    WSADATA data;
    int one = 1;
    SOCKET s;

    *ret_host = slash ? slash + 1 : "";
    if (slash)
        *slash = '\0';
    colon = strrchr(place, ':');
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return INVALID_SOCKET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((unsigned short)atoi(colon ? colon + 1 : place));
    s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    /* Or what is sent in pieces waits for the acknowledgement of the first, 40 ms. */
    if (s != INVALID_SOCKET)
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&one, sizeof(one));
    if (s != INVALID_SOCKET && connect(s, (struct sockaddr *)&to, sizeof(to)) != 0) {
        closesocket(s);
        s = INVALID_SOCKET;
    }
    return s;
}

static bool put(SOCKET s, const char *bytes)
{
    size_t len = strlen(bytes);

    while (len > 0) {
        int n = send(s, bytes, len > 65536 ? 65536 : (int)len, 0);

        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool put_field(SOCKET s, const char *field)
{
    char *escaped = malloc(strlen(field) * 2 + 2), *to = escaped;
    bool ok;

    if (!escaped)
        return false;
    *to++ = '\t';
    for (; *field; field++) {
        if (strchr("\t\n\r\\", *field)) {
            *to++ = '\\';
            *to++ = *field == '\t'   ? 't'
                    : *field == '\n' ? 'n'
                    : *field == '\r' ? 'r'
                                     : '\\';
        } else {
            *to++ = *field;
        }
    }
    *to = '\0';
    ok = put(s, escaped);
    free(escaped);
    return ok;
}

struct reader {
    SOCKET s;
    char *bytes;
    size_t len, size, at;
};

/* A line without its end, lent; NULL: the connection is gone. */
static char *next_line(struct reader *r)
{
    for (;;) {
        char *end = r->len > r->at ? memchr(r->bytes + r->at, '\n', r->len - r->at) : NULL;
        int n;

        if (end) {
            char *line = r->bytes + r->at;

            *end = '\0';
            r->at = (size_t)(end - r->bytes) + 1;
            return line;
        }
        memmove(r->bytes, r->bytes + r->at, r->len - r->at);
        r->len -= r->at;
        r->at = 0;
        if (r->size - r->len < 4096) {
            char *grown = realloc(r->bytes, r->size * 2);

            if (!grown)
                return NULL;
            r->bytes = grown;
            r->size *= 2;
        }
        n = recv(r->s, r->bytes + r->len, (int)(r->size - r->len), 0);
        if (n <= 0)
            return NULL;
        r->len += (size_t)n;
    }
}

/* The text of `1 text` or `2 text`, as the bytes that the command wrote. */
static void show(char *text, HANDLE to)
{
    char *out = text;
    const char *bytes = text;
    size_t len;
    DWORD written;

    for (char *c = text; *c; c++) {
        if (*c == '\\' && c[1]) {
            c++;
            *out++ = *c == 't' ? '\t' : *c == 'n' ? '\n' : *c == 'r' ? '\r' : *c;
        } else {
            *out++ = *c;
        }
    }
    len = (size_t)(out - bytes);
    while (len > 0 && WriteFile(to, bytes, (DWORD)len, &written, NULL) && written > 0) {
        bytes += written;
        len -= written;
    }
}

static int run(char *place, const char *line)
{
    struct reader r = { .size = 65536 };
    const char *host;
    char *answer;
    bool ok;

    r.s = dial(place, &host);
    r.bytes = malloc(r.size);
    if (r.s == INVALID_SOCKET || !r.bytes)
        return fail("no simulator there");
    ok = put(r.s, "CONNECT") && put_field(r.s, host) && put_field(r.s, "root/cimv2") &&
         put(r.s, "\n\nRUN") && put_field(r.s, "") && put_field(r.s, line) &&
         put(r.s, "\n\n");
    answer = ok ? next_line(&r) : NULL;
    if (!answer || strcmp(answer, "S\t0") != 0 || !next_line(&r))
        return fail("the simulator does not know the host");
    while ((answer = next_line(&r))) {
        if (answer[0] == 'R')
            return (int)strtoul(answer + 2, NULL, 10);
        if (answer[0] == '1' || answer[0] == '2')
            show(answer + 2,
                 GetStdHandle(answer[0] == '1' ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE));
        else if (strcmp(answer, "S\t0") != 0)
            break;
    }
    return fail("the simulator went away");
}

/* ---- the original ---- */

static int pass_on(void)
{
    WCHAR path[MAX_PATH + 16], *line;
    const WCHAR *rest = arguments();
    PROCESS_INFORMATION process;
    STARTUPINFOW start = { .cb = sizeof(start) };
    UINT len = GetSystemDirectoryW(path, MAX_PATH);
    DWORD code;

    wcscpy(path + len, L"\\cmd-wine.exe");
    line = malloc((wcslen(rest) + 8) * sizeof(*line));
    if (!line)
        return NO_SIMULATOR;
    wcscpy(line, L"cmd ");
    wcscat(line, rest);
    GetStartupInfoW(&start);
    if (!CreateProcessW(path, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
        return fail("no cmd-wine.exe");
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return (int)code;
}

int wmain(void);

int wmain(void)
{
    WCHAR place[256];
    DWORD len = GetEnvironmentVariableW(L"HVGPU_TEST_COM", place, ARRAYSIZE(place));
    const WCHAR *command;

    if (len == 0)
        return pass_on();
    if (len >= ARRAYSIZE(place))
        return fail("HVGPU_TEST_COM is too long");
    command = behind_c(arguments());
    if (!command) {
        fprintf(stderr, "cmd.exe of the tests: only `[/d] [/s] /c LINE` is known\n");
        return WRONG_USE;
    }
    return run(utf8(place), utf8(command));
}

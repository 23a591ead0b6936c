/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers of the image tests. */

#include "test-tools.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static pid_t owner;

static void remove_dir(void)
{
    if (getpid() == owner)
        shell("rm -rf %s", dir);
}

const char *scratch_dir(void)
{
    if (!dir[0]) {
        snprintf(dir, sizeof(dir), "/tmp/hvgpu-test-XXXXXX");
        if (!mkdtemp(dir))
            abort();
        owner = getpid();
        atexit(remove_dir);
    }
    return dir;
}

const char *scratch(const char *name)
{
    static char paths[256][128]; /* enough for one test */
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir(), name);
    return path;
}

bool has_program(const char *name)
{
    return shell("command -v %s", name) == 0;
}

static char *line_of(const char *fmt, const char *end, va_list args) PRINTF_LIKE(1, 0);
static char *line_of(const char *fmt, const char *end, va_list args)
{
    char *body = NULL, *line = NULL;

    if (vasprintf(&body, fmt, args) < 0 || asprintf(&line, "{ %s ; } %s", body, end) < 0)
        abort();
    free(body);
    return line;
}

int shell(const char *fmt, ...)
{
    va_list args;
    char *line;
    int status;

    va_start(args, fmt);
    line = line_of(fmt, ">/dev/null 2>&1", args);
    va_end(args);
    status = system(line);
    free(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

char *shell_output(const char *fmt, ...)
{
    size_t size = 4 << 20, len = 0;
    char *text = malloc(size), *line;
    va_list args;
    FILE *pipe;

    va_start(args, fmt);
    line = line_of(fmt, "2>&1", args);
    va_end(args);
    pipe = popen(line, "re");
    if (pipe && text) {
        len = fread(text, 1, size - 1, pipe);
        text[len] = '\0';
    }
    if (pipe)
        pclose(pipe);
    free(line);
    return text;
}

uint8_t *read_whole(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = NULL;
    long len = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        len = ftell(file);
    if (len >= 0)
        bytes = malloc((size_t)len + 1);
    if (bytes) {
        rewind(file);
        *ret_len = fread(bytes, 1, (size_t)len, file);
    }
    if (file)
        fclose(file);
    return bytes;
}

bool write_whole(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wbe");
    bool ok = file && fwrite(bytes, 1, len, file) == len;

    return file && fclose(file) == 0 && ok;
}

bool patch_file(const char *path, uint64_t offset, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && pwrite(fd, bytes, len, (off_t)offset) == (ssize_t)len;

    if (fd >= 0)
        close(fd);
    return ok;
}

bool copy_file(const char *from, const char *to)
{
    return shell("cp --sparse=always '%s' '%s'", from, to) == 0;
}

uint64_t dice_roll(struct dice *dice, uint64_t below)
{
    /* splitmix64 */
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return below ? (z ^ z >> 31) % below : 0;
}

void dice_fill(struct dice *dice, void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)dice_roll(dice, 256);
}

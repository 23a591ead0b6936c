/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small programs of System32: attrib, certutil, fc, where, hostname.
 *
 * Source: MicrosoftDocs/windowsserverdocs administration/windows-commands (attrib.md,
 * certutil.md, fc.md, where.md, hostname.md).
 */
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-inside.h"
#include "text.h"

enum {
    FILE_MAX = 512 << 20,
    DEPTH_MAX = 64,
    FC_SAME = 0,
    FC_DIFFERENT = 1,
    FC_FAILED = 2,
    DIFFERENCES_MAX = 100000,
};

/* ---- attrib ---- */

struct attrib {
    uint32_t set, clear;
    bool below, folders; /* /S, /D */
};

static uint32_t attribute_bit(char letter)
{
    switch (letter & ~0x20) {
    case 'R':
        return FILE_IS_READONLY;
    case 'A':
        return FILE_IS_ARCHIVE;
    case 'S':
        return FILE_IS_SYSTEM;
    case 'H':
        return FILE_IS_HIDDEN;
    default:
        return 0;
    }
}

/* "A  SHR      I        C:\\path": a column per attribute, the path behind them. */
static void show(struct task *task, const char *path, const struct file_info *info)
{
    uint32_t a = info->attributes;

    say(task, "%c  %c%c%c%*s%s\r\n", a & FILE_IS_ARCHIVE ? 'A' : ' ',
        a & FILE_IS_SYSTEM ? 'S' : ' ', a & FILE_IS_HIDDEN ? 'H' : ' ',
        a & FILE_IS_READONLY ? 'R' : ' ', 15, "", path);
}

static void apply(struct task *task, const struct attrib *a, const char *path,
                  const struct file_info *info)
{
    static const uint32_t guarded = FILE_IS_HIDDEN | FILE_IS_SYSTEM;
    uint32_t wanted = (info->attributes | a->set) & ~a->clear;
    uint32_t code;

    if (!a->set && !a->clear) {
        show(task, path, info);
        return;
    }
    /* attrib does not touch hidden or system files unless told about these bits. */
    if ((info->attributes & guarded & ~(a->set | a->clear)) != 0) {
        say(task, "Not resetting %s file - %s\r\n",
            info->attributes & FILE_IS_HIDDEN ? "hidden" : "system", path);
        return;
    }
    code = wanted == info->attributes ? 0 : task_set_attributes(task, path, wanted);
    if (code != 0)
        say(task, "%s - %s\r\n", world_code_text(code), path);
}

static void walk_attrib(struct task *task, const struct attrib *a, const char *folder,
                        const char *pattern, unsigned depth, bool *ret_any)
{
    CLEANUP(entries_clear) struct entries entries = { 0 };

    if (depth > DEPTH_MAX || task_list(task, folder, &entries) != 0)
        return;
    for (size_t i = 0; i < entries.count && !is_stopped(task); i++) {
        const struct file_info *info = &entries.files[i];
        bool dir = info->attributes & FILE_IS_DIR;
        CLEANUP(free_cleanup)
        char *path = text_printf(
            "%s%s%s", folder, folder[strlen(folder) - 1] == '\\' ? "" : "\\", info->name);

        if (!path)
            return;
        if (wildcard_match(pattern, info->name) && (!dir || a->folders)) {
            *ret_any = true;
            apply(task, a, path, info);
        }
        if (dir && a->below)
            walk_attrib(task, a, path, pattern, depth + 1, ret_any);
    }
}

uint32_t run_attrib(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *path = NULL;
    struct attrib a = { 0 };
    const char *pattern = NULL;
    struct file_info info;
    char *slash;
    bool any = false;

    for (size_t i = 0; i < arguments->count; i++) {
        const char *word = arguments->words[i];

        if ((word[0] == '+' || word[0] == '-') && attribute_bit(word[1]) && !word[2])
            *(word[0] == '+' ? &a.set : &a.clear) |= attribute_bit(word[1]);
        else if (text_ieq(word, "/s"))
            a.below = true;
        else if (text_ieq(word, "/d"))
            a.folders = true;
        else if (word[0] == '/' || word[0] == '+' || pattern) {
            say(task, "Invalid switch - %s\r\n", word);
            return 1;
        } else {
            pattern = word;
        }
    }
    path = task_path(task, pattern ? pattern : "*");
    slash = path ? strrchr(path, '\\') : NULL;
    if (!slash)
        return 1;
    if (!has_wildcard(path) && !a.below) {
        if (task_stat(task, path, &info) == 0) {
            any = true;
            apply(task, &a, path, &info);
        }
    } else {
        CLEANUP(free_cleanup) char *name = text_dup(slash + 1);

        slash[slash == path + 2 ? 1 : 0] = '\0';
        if (name)
            walk_attrib(task, &a, path, name, 0, &any);
    }
    if (any)
        return 0;
    say(task, "File not found - %s\r\n", pattern ? pattern : "*");
    return 1;
}

/* ---- certutil ---- */

static uint32_t certutil_failed(struct task *task, const char *verb, uint32_t win32)
{
    static const struct {
        uint32_t code;
        const char *name;
    } names[] = {
        { 2, "ERROR_FILE_NOT_FOUND" },     { 3, "ERROR_PATH_NOT_FOUND" },
        { 5, "ERROR_ACCESS_DENIED" },      { 13, "ERROR_INVALID_DATA" },
        { 32, "ERROR_SHARING_VIOLATION" }, { 80, "ERROR_FILE_EXISTS" },
        { 112, "ERROR_DISK_FULL" },        { 1006, "ERROR_FILE_INVALID" },
    };
    const char *name = "ERROR";
    uint32_t result = 0x80070000 | win32;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].code == win32)
            name = names[i].name;
    say(task, "CertUtil: -%s command FAILED: 0x%08x (WIN32: %u %s)\r\nCertUtil: %s\r\n",
        verb, result, win32, name,
        win32 == 13     ? "The data is invalid."
        : win32 == 1006 ? "The volume for a file has been externally altered so that the "
                          "opened file is no longer valid."
                        : world_code_text(win32));
    return result;
}

static size_t digest_of(const char *algorithm, const uint8_t *bytes, size_t len,
                        uint8_t ret[64])
{
    if (text_ieq(algorithm, "SHA256")) {
        struct sha256_ctx sha;

        sha256_init(&sha);
        sha256_update(&sha, len, bytes);
        sha256_digest(&sha, SHA256_DIGEST_SIZE, ret);
        return SHA256_DIGEST_SIZE;
    }
    if (text_ieq(algorithm, "SHA512")) {
        struct sha512_ctx sha;

        sha512_init(&sha);
        sha512_update(&sha, len, bytes);
        sha512_digest(&sha, SHA512_DIGEST_SIZE, ret);
        return SHA512_DIGEST_SIZE;
    }
    if (text_ieq(algorithm, "SHA1")) {
        struct sha1_ctx sha;

        sha1_init(&sha);
        sha1_update(&sha, len, bytes);
        sha1_digest(&sha, SHA1_DIGEST_SIZE, ret);
        return SHA1_DIGEST_SIZE;
    }
    if (text_ieq(algorithm, "MD5")) {
        struct md5_ctx md5;

        md5_init(&md5);
        md5_update(&md5, len, bytes);
        md5_digest(&md5, MD5_DIGEST_SIZE, ret);
        return MD5_DIGEST_SIZE;
    }
    return 0;
}

static uint32_t hash_file(struct task *task, const char *file, const char *algorithm)
{
    CLEANUP(free_cleanup) char *path = task_path(task, file);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup) char *upper = text_dup(algorithm);
    uint8_t digest[64];
    size_t len = 0, digest_len;
    uint32_t code;

    if (!path || !upper)
        return 1;
    for (char *p = upper; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p & ~0x20) : *p;
    code = task_read(task, path, FILE_MAX, &bytes, &len);
    if (code == 0 && len == 0)
        code = 1006; /* an empty file cannot be mapped */
    if (code != 0)
        return certutil_failed(task, "hashfile", code);
    digest_len = digest_of(algorithm, bytes, len, digest);
    if (digest_len == 0)
        return not_simulated(task, "this hash algorithm");
    say(task, "%s hash of %s:\r\n", upper, file);
    for (size_t i = 0; i < digest_len; i++)
        say(task, "%02x", digest[i]);
    say(task, "\r\nCertUtil: -hashfile command completed successfully.\r\n");
    return 0;
}

/* Base64 with or without the BEGIN and END lines. */
static bool decode(const uint8_t *bytes, size_t len, struct strbuf *to)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(free_cleanup) uint8_t *out = NULL;
    struct base64_decode_ctx ctx;
    size_t out_len;

    for (size_t i = 0; i < len;) {
        size_t end = i;

        while (end < len && bytes[end] != '\n')
            end++;
        if (end - i < 5 || memcmp(bytes + i, "-----", 5) != 0)
            strbuf_add(&text, bytes + i, end - i);
        i = end + 1;
    }
    out_len = BASE64_DECODE_LENGTH(text.len);
    out = malloc(out_len + 1);
    if (!out || text.failed)
        return false;
    base64_decode_init(&ctx);
    if (text.len > 0 && (!base64_decode_update(&ctx, &out_len, out, text.len, text.text) ||
                         !base64_decode_final(&ctx)))
        return false;
    strbuf_add(to, out, text.len > 0 ? out_len : 0);
    return true;
}

static void encode(const uint8_t *bytes, size_t len, struct strbuf *to)
{
    strbuf_puts(to, "-----BEGIN CERTIFICATE-----\r\n");
    for (size_t i = 0; i < len; i += 48) {
        char line[BASE64_ENCODE_RAW_LENGTH(48)];
        size_t part = len - i < 48 ? len - i : 48;

        base64_encode_raw(line, part, bytes + i);
        strbuf_add(to, line, BASE64_ENCODE_RAW_LENGTH(part));
        strbuf_puts(to, "\r\n");
    }
    strbuf_puts(to, "-----END CERTIFICATE-----\r\n");
}

static uint32_t convert(struct task *task, const char *verb, const char *from_file,
                        const char *to_file, bool overwrite)
{
    CLEANUP(free_cleanup) char *from = task_path(task, from_file);
    CLEANUP(free_cleanup) char *to = task_path(task, to_file);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf out = STRBUF_INIT;
    struct file_info info;
    size_t len = 0;
    uint32_t code;

    if (!from || !to)
        return 1;
    code = task_read(task, from, FILE_MAX, &bytes, &len);
    if (code == 0 && !overwrite && task_stat(task, to, &info) == 0)
        code = WIN_FILE_EXISTS;
    if (code == 0 && text_ieq(verb, "encode"))
        encode(bytes, len, &out);
    else if (code == 0 && !decode(bytes, len, &out))
        code = 13;
    if (code == 0)
        code = task_write(task, to, out.text ? out.text : "", out.len);
    if (code != 0)
        return certutil_failed(task, verb, code);
    say(task,
        "Input Length = %zu\r\nOutput Length = %zu\r\n"
        "CertUtil: -%s command completed successfully.\r\n",
        len, out.len, verb);
    return 0;
}

uint32_t run_certutil(struct task *task, const struct arguments *arguments)
{
    const char *verb = NULL, *files[3] = { 0 };
    size_t count = 0;
    bool overwrite = false;

    for (size_t i = 0; i < arguments->count; i++) {
        const char *word = arguments->words[i];

        if ((word[0] == '-' || word[0] == '/') && text_ieq(word + 1, "f"))
            overwrite = true;
        else if (word[0] == '-' || word[0] == '/')
            verb = word + 1;
        else if (count < ARRAY_LEN(files))
            files[count++] = word;
    }
    if (verb && text_ieq(verb, "hashfile") && (count == 1 || count == 2))
        return hash_file(task, files[0], count == 2 ? files[1] : "SHA1");
    if (verb && (text_ieq(verb, "decode") || text_ieq(verb, "encode")) && count == 2)
        return convert(task, text_ieq(verb, "decode") ? "decode" : "encode", files[0],
                       files[1], overwrite);
    return not_simulated(task, "this use of certutil");
}

/* ---- fc /b ---- */

static bool fc_open(struct task *task, const char *file, uint8_t **ret, size_t *ret_len)
{
    CLEANUP(free_cleanup) char *path = task_path(task, file);
    uint32_t code = path ? task_read(task, path, FILE_MAX, ret, ret_len) : 8;

    if (code != 0)
        complain(task, "FC: cannot open %s - %s\r\n", file,
                 code == WIN_SHARING_VIOLATION ? "Permission denied"
                                               : "No such file or folder");
    return code == 0;
}

uint32_t run_fc(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) uint8_t *a = NULL;
    CLEANUP(free_cleanup) uint8_t *b = NULL;
    const char *files[2] = { 0 };
    size_t count = 0, a_len = 0, b_len = 0, shorter, shown = 0;
    bool binary = false;

    for (size_t i = 0; i < arguments->count; i++) {
        if (text_ieq(arguments->words[i], "/b"))
            binary = true;
        else if (arguments->words[i][0] == '/' || count == 2)
            return not_simulated(task, "fc without /b");
        else
            files[count++] = arguments->words[i];
    }
    if (!binary || count != 2 || has_wildcard(files[0]) || has_wildcard(files[1]))
        return not_simulated(task, "fc without /b and two files");
    if (!fc_open(task, files[0], &a, &a_len) || !fc_open(task, files[1], &b, &b_len))
        return FC_FAILED;
    say(task, "Comparing files %s and %s\r\n", files[0], files[1]);
    shorter = a_len < b_len ? a_len : b_len;
    for (size_t i = 0; i < shorter && shown < DIFFERENCES_MAX && !is_stopped(task); i++)
        if (a[i] != b[i]) {
            say(task, "%08zX: %02X %02X\r\n", i, a[i], b[i]);
            shown++;
        }
    if (a_len != b_len)
        say(task, "FC: %s longer than %s\r\n\r\n", a_len > b_len ? files[0] : files[1],
            a_len > b_len ? files[1] : files[0]);
    else if (shown == 0)
        say(task, "FC: no differences encountered\r\n\r\n");
    else
        say(task, "\r\n");
    return shown > 0 || a_len != b_len ? FC_DIFFERENT : FC_SAME;
}

/* ---- where, hostname, fsutil ---- */

/* fsutil hardlink list FILE: the file's names on its volume.  Files that the simulator
 * makes have one each. */
uint32_t run_fsutil(struct task *task, const struct arguments *arguments)
{
    CLEANUP(free_cleanup) char *path = NULL;
    struct file_info info;
    uint32_t code;

    if (arguments->count != 3 || !text_ieq(arguments->words[0], "hardlink") ||
        !text_ieq(arguments->words[1], "list"))
        return not_simulated(task, "this use of fsutil");
    path = task_path(task, arguments->words[2]);
    code = path ? task_stat(task, path, &info) : 8;
    if (code != 0) {
        say(task, "Error:  %s\r\n", world_code_text(code));
        return 1;
    }
    say(task, "%s\r\n", path[1] == ':' ? path + 2 : path);
    return 0;
}

uint32_t run_where(struct task *task, const struct arguments *arguments)
{
    static const char *const extensions[] = { "", ".exe" };

    if (arguments->count != 1 || arguments->words[0][0] == '/')
        return not_simulated(task, "this use of where");
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
        CLEANUP(free_cleanup)
        char *path =
            text_printf("C:\\Windows\\System32\\%s%s", arguments->words[0], extensions[i]);
        struct file_info info;

        if (path && task_stat(task, path, &info) == 0 && !(info.attributes & FILE_IS_DIR)) {
            say(task, "%s\r\n", path);
            return 0;
        }
    }
    complain(task, "INFO: Could not find files for the given pattern(s).\r\n");
    return 1;
}

uint32_t run_hostname(struct task *task, const struct arguments *arguments)
{
    if (arguments->count > 0)
        return not_simulated(task, "hostname with an option");
    say(task, "%s\r\n", task->command->host->name);
    return 0;
}

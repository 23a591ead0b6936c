/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox as this program started anew: a job object around it, and what it gives up by
 * itself before it looks at foreign data.
 *
 * Source: MicrosoftDocs/win32 procthread (job objects, SetProcessMitigationPolicy), secauthz
 * (mandatory integrity control, AdjustTokenPrivileges).
 */

#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child-win32.h"
#include "err.h"
#include "inside-win32.h"
#include "os.h"
#include "sandbox-frames.h"
#include "strbuf.h"
#include "text.h"

static const char child_word[] = "--sandboxed-child";

enum {
    JOBS_MOST = 32,
    STOP_WAIT_MS = 2000,
    GONE_WAIT_MS = 5000,
    DEFAULT_CPU_SECONDS = 600,
    PIECE = 64 * 1024,
};
#define DEFAULT_MEMORY_BYTES (512ull << 20)
#define PROGRAM_BYTES (64ull << 20) /* of the program itself, which counts on Windows */

static const struct sandbox_job *jobs[JOBS_MOST];
static size_t job_count;
static bool is_ready; /* sandbox_main() was called: a child would find its way */

void sandbox_register(const struct sandbox_job *job)
{
    if (job_count == JOBS_MOST)
        abort();
    jobs[job_count++] = job;
}

/* ---- the child ---- */

struct child_end {
    struct sandbox_pipe base; /* first, so that the pointers convert */
    HANDLE pipe;
};

static bool child_send(struct sandbox_pipe *pipe, const void *bytes, size_t len,
                       uint64_t until)
{
    HANDLE handle = ((struct child_end *)pipe)->pipe;
    const char *at = bytes;

    (void)until;
    while (len) {
        DWORD n = 0;

        if (!WriteFile(handle, at, len < PIECE ? (DWORD)len : PIECE, &n, NULL) || n == 0)
            return false;
        at += n;
        len -= n;
    }
    return true;
}

static bool child_receive(struct sandbox_pipe *pipe, void *bytes, size_t len,
                          uint64_t until)
{
    HANDLE handle = ((struct child_end *)pipe)->pipe;
    char *at = bytes;

    (void)until;
    while (len) {
        DWORD n = 0;

        if (!ReadFile(handle, at, len < PIECE ? (DWORD)len : PIECE, &n, NULL) || n == 0) {
            errno = EPIPE;
            return false;
        }
        at += n;
        len -= n;
    }
    return true;
}

/* All but the one without which no folder can be passed through. */
static bool drop_privileges(HANDLE token)
{
    CLEANUP(free_cleanup) TOKEN_PRIVILEGES *held = NULL;
    LUID passing;
    DWORD size = 0;

    GetTokenInformation(token, TokenPrivileges, NULL, 0, &size);
    held = malloc(size);
    if (!held || !GetTokenInformation(token, TokenPrivileges, held, size, &size) ||
        !LookupPrivilegeValueA(NULL, SE_CHANGE_NOTIFY_NAME, &passing))
        return false;
    for (DWORD i = 0; i < held->PrivilegeCount; i++)
        if (memcmp(&held->Privileges[i].Luid, &passing, sizeof(passing)) != 0)
            held->Privileges[i].Attributes = SE_PRIVILEGE_REMOVED;
    return AdjustTokenPrivileges(token, FALSE, held, 0, NULL, NULL);
}

/* Nothing of the user's has a level as low, so nothing can be written to. */
static bool sink(HANDLE token)
{
    SID lowest = { .Revision = SID_REVISION,
                   .SubAuthorityCount = 1,
                   .IdentifierAuthority = { SECURITY_MANDATORY_LABEL_AUTHORITY },
                   .SubAuthority = { SECURITY_MANDATORY_UNTRUSTED_RID } };
    TOKEN_MANDATORY_LABEL label = { .Label = { &lowest, SE_GROUP_INTEGRITY } };

    return SetTokenInformation(token, TokenIntegrityLevel, &label,
                               sizeof(label) + sizeof(lowest));
}

/* Each closes a way that attacks have gone.  What this Windows does not know, or has used
 * already, is not there to be closed; the walls that count are not among them. */
static void forbid_more(void)
{
    PROCESS_MITIGATION_DYNAMIC_CODE_POLICY code = { .ProhibitDynamicCode = 1 };
    PROCESS_MITIGATION_EXTENSION_POINT_DISABLE_POLICY points = { .DisableExtensionPoints =
                                                                     1 };
    PROCESS_MITIGATION_IMAGE_LOAD_POLICY images = { .NoRemoteImages = 1,
                                                    .NoLowMandatoryLabelImages = 1 };
    PROCESS_MITIGATION_STRICT_HANDLE_CHECK_POLICY handles = {
        .RaiseExceptionOnInvalidHandleReference = 1, .HandleExceptionsPermanentlyEnabled = 1
    };
    PROCESS_MITIGATION_SYSTEM_CALL_DISABLE_POLICY calls = { .DisallowWin32kSystemCalls =
                                                                1 };

    SetProcessMitigationPolicy(ProcessDynamicCodePolicy, &code, sizeof(code));
    SetProcessMitigationPolicy(ProcessExtensionPointDisablePolicy, &points, sizeof(points));
    SetProcessMitigationPolicy(ProcessImageLoadPolicy, &images, sizeof(images));
    SetProcessMitigationPolicy(ProcessStrictHandleCheckPolicy, &handles, sizeof(handles));
    SetProcessMitigationPolicy(ProcessSystemCallDisablePolicy, &calls, sizeof(calls));
}

static bool close_door(bool writes, struct err *err)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle token = { NULL };

    if (!OpenProcessToken(GetCurrentProcess(),
                          TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES | TOKEN_ADJUST_DEFAULT,
                          &token.h) ||
        !drop_privileges(token.h) || (!writes && !sink(token.h)))
        return win32_fail(err, GetLastError(), "cannot give up privileges");
    forbid_more();
    return true;
}

/* Behind the door no library may be found any more; what makes random numbers comes when it is
 * first asked (late-win32.c). */
static bool load_rest(struct err *err)
{
    char any;

    return os_random(&any, sizeof(any)) ||
           err_fail(err, ERR_SYSTEM, 0, "the system has no random numbers");
}

/* What the parent packed: the job's name, whether it writes to folders later, for messages
 * what it is about, and the job's own. */
static bool take_start(struct sandbox_packed *from, struct sandbox_options *ret,
                       bool *ret_writes)
{
    char *name = NULL, *writes = NULL, *what = NULL;

    if (!sandbox_unpack_text(from, &name) || !sandbox_unpack_text(from, &writes) ||
        !sandbox_unpack_text(from, &what) || !name)
        return false;
    for (size_t i = 0; i < job_count; i++)
        if (strcmp(jobs[i]->name, name) == 0)
            ret->job = jobs[i];
    *ret_writes = writes;
    ret->what = what ? what : "";
    ret->user = ret->job ? ret->job->unpack(from) : NULL;
    return ret->user;
}

static bool begin(struct child_end *end, struct sandbox_options *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *packed = NULL;
    struct sandbox_packed from;
    enum frame_type type;
    bool writes = false;
    size_t len;

    if (!frame_receive(&end->base, 0, &type, &packed, &len))
        return err_fail(err, ERR_SYSTEM, 0, "nobody says what to read");
    from = (struct sandbox_packed){ packed, len };
    if (type != FRAME_START || !take_start(&from, ret, &writes))
        return err_fail(err, ERR_SYSTEM, 0, "a reader was not told what to read");
    return ret->job->open(ret->user, err) && load_rest(err) && close_door(writes, err);
}

/* No debugger, no report, no waiting for either. */
static LONG WINAPI end_at_once(EXCEPTION_POINTERS *what)
{
    TerminateProcess(GetCurrentProcess(), what->ExceptionRecord->ExceptionCode);
    return EXCEPTION_EXECUTE_HANDLER;
}

static void be_child(void)
{
    struct child_end end = { { child_send, child_receive, NULL, NULL },
                             GetStdHandle(STD_INPUT_HANDLE) };
    struct sandbox_options options = { 0 };
    struct err err = ERR_INIT;

    if (GetFileType(end.pipe) != FILE_TYPE_PIPE) /* somebody tries it by hand */
        _exit(2);
    os_forbid_dumps();
    SetUnhandledExceptionFilter(end_at_once);
    if (!begin(&end, &options, &err)) {
        frame_send(&end.base, 0, FRAME_ERROR, &err, sizeof(err));
        _exit(1);
    }
    if (frame_send(&end.base, 0, FRAME_READY, "", 0))
        frame_serve(&options, &end.base);
    if (options.job->close)
        options.job->close(options.user);
    _exit(0);
}

void sandbox_main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], child_word) == 0)
        be_child();
    is_ready = true;
}

/* ---- the parent ---- */

struct sandbox {
    struct sandbox_pipe base; /* first, so that the pointers convert */
    struct child child;
    char *what;
};

static bool parent_send(struct sandbox_pipe *pipe, const void *bytes, size_t len,
                        uint64_t until)
{
    return child_write(&((struct sandbox *)pipe)->child, bytes, len, until);
}

static bool parent_receive(struct sandbox_pipe *pipe, void *bytes, size_t len,
                           uint64_t until)
{
    struct child *child = &((struct sandbox *)pipe)->child;
    char *at = bytes;

    while (len) {
        size_t n = 0;

        switch (child_read(child, CHILD_PIPE, at, len, until, &n)) {
        case CHILD_LATE:
            errno = ETIMEDOUT;
            return false;
        case CHILD_GONE:
            errno = EPIPE;
            return false;
        case CHILD_DONE:
            at += n;
            len -= n;
        }
    }
    return true;
}

static void parent_stop(struct sandbox_pipe *pipe)
{
    child_cleanup(&((struct sandbox *)pipe)->child);
}

static bool parent_gone(struct sandbox_pipe *pipe, const char *how, struct err *err)
{
    struct sandbox *sandbox = (struct sandbox *)pipe;
    DWORD status = 0;

    /* It has closed its pipe; how it ended is known a moment later. */
    if (!how && child_wait(&sandbox->child, os_monotonic_ms() + GONE_WAIT_MS))
        status = child_status(&sandbox->child);
    child_cleanup(&sandbox->child);
    if (how)
        err_fail(err, ERR_SYSTEM, 0, "%s: %s", sandbox->what, how);
    else if (status == ERROR_NOT_ENOUGH_QUOTA)
        err_fail(err, ERR_PROTOCOL, status, "%s: its reader took too much time",
                 sandbox->what);
    else
        err_fail(err, ERR_PROTOCOL, status, "%s: its reader crashed", sandbox->what);
    return err_hint(err, "the data is damaged or made to do harm; nothing was changed");
}

static bool pack_start(const struct sandbox_options *options, struct strbuf *ret,
                       struct err *err)
{
    sandbox_pack_text(ret, options->job->name);
    sandbox_pack_text(ret, options->write_dirs ? "writes" : NULL);
    sandbox_pack_text(ret, options->what);
    options->job->pack(options->user, ret);
    if (ret->failed)
        return err_no_memory(err);
    return ret->len <= FRAME_MAX ||
           err_fail(err, ERR_INVALID, 0, "%s: it is too large", options->what);
}

static bool start_child(struct sandbox *sandbox, const struct sandbox_options *options,
                        size_t start_len, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *program = win32_program_name();
    CLEANUP(free_cleanup) char *name = program ? win32_utf8(program, err) : NULL;
    const char *const argv[] = { name, child_word, NULL };
    CLEANUP(free_cleanup) wchar_t *line = name ? child_line(argv, err) : NULL;
    const struct child_options how = {
        .program = program,
        .line = line,
        .name = name,
        .streams = CHILD_TALKS,
        .is_confined = true,
        .memory_bytes =
            PROGRAM_BYTES + 2 * start_len +
            (options->memory_bytes ? options->memory_bytes : DEFAULT_MEMORY_BYTES),
        .cpu_seconds = options->cpu_seconds ? options->cpu_seconds : DEFAULT_CPU_SECONDS,
    };

    if (!program)
        return err_no_memory(err);
    if (!line)
        return false;
    return child_start(&sandbox->child, &how, err) ||
           err_wrap(err, "cannot start the reader of foreign data");
}

struct sandbox *sandbox_start(const struct sandbox_options *options, struct err *err)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    CLEANUP(strbuf_cleanup) struct strbuf start = STRBUF_INIT;

    if (!sandbox || !(sandbox->what = text_dup(options->what))) {
        err_no_memory(err);
        return NULL;
    }
    sandbox->base =
        (struct sandbox_pipe){ parent_send, parent_receive, parent_stop, parent_gone };
    if (!is_ready) { /* its child would be the whole program once more */
        err_fail(err, ERR_SYSTEM, 0, "this program has no reader of foreign data in it");
        return NULL;
    }
    if (!pack_start(options, &start, err) || !start_child(sandbox, options, start.len, err))
        return NULL;
    if (!frame_send(&sandbox->base, os_monotonic_ms() + START_MS, FRAME_START, start.text,
                    start.len)) {
        parent_gone(&sandbox->base, NULL, err);
        return NULL;
    }
    if (!frame_await(&sandbox->base, FRAME_READY, START_MS, NULL, NULL, NULL, err))
        return NULL;
    return TAKE(sandbox);
}

bool sandbox_call(struct sandbox *sandbox, const void *request, size_t len,
                  unsigned timeout_ms, struct progress *progress, char **ret_answer,
                  size_t *ret_len, struct err *err)
{
    if (!sandbox->child.process)
        return err_fail(err, ERR_SYSTEM, 0, "%s: its reader has ended", sandbox->what);
    return frame_call(&sandbox->base, request, len, timeout_ms, progress, ret_answer,
                      ret_len, err);
}

void sandbox_stop(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    if (sandbox->child.process) {
        child_hang_up(&sandbox->child); /* the child reads its end and closes */
        child_wait(&sandbox->child, os_monotonic_ms() + STOP_WAIT_MS);
    }
    child_cleanup(&sandbox->child);
    free(sandbox->what);
    free(sandbox);
}

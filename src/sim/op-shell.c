/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WinRS: remote shells with the resource URI .../windows/shell/cmd (MS-WSMV 3.1.4.1.26 ff.).
 * A command runs in a thread of its own and fills two buffers; Receive empties them and
 * waits for more.  Shapes are those of jborean93/pypsrp tests_pypsrp/responses/
 * test_winrs_standard.yml.
 */
#include <string.h>

#include "command.h"
#include "dispatch.h"
#include "err.h"
#include "os.h"
#include "replay-host.h"
#include "text.h"
#include "xml.h"

enum {
    CHUNK_BYTES = 96 * 1024,         /* of one stream in one answer */
    BUFFER_BYTES = 16 * 1024 * 1024, /* a command that writes more waits for Receive */
};

struct run {
    char id[37];
    struct endpoint *endpoint;
    char *line, *directory;
    bool no_shell, plain_ascii;
    atomic_bool stop;
    /* Under shell_lock. */
    unsigned refs;           /* the shell's and the thread's */
    struct strbuf output[2]; /* stdout, stderr */
    size_t taken[2];
    bool ended, overflow;
    uint32_t exit_code;
    struct run *next;
};

struct shell {
    char id[37];
    char *directory;
    unsigned code_page;
    struct run *runs;
    unsigned run_count;
    int64_t made_usec;
    struct shell *next;
};

static bool out_of_memory(struct sim_fault *fault)
{
    return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
}

/* ---- life of a command; all under shell_lock ---- */

static void run_unref(struct run *run)
{
    if (--run->refs > 0)
        return;
    free(run->line);
    free(run->directory);
    strbuf_free(&run->output[0]);
    strbuf_free(&run->output[1]);
    free(run);
}

static void on_output(const char *text, size_t len, bool is_stderr, void *user)
{
    struct run *run = user;
    struct endpoint *endpoint = run->endpoint;
    struct strbuf *to = &run->output[is_stderr];

    pthread_mutex_lock(&endpoint->shell_lock);
    while (to->len - run->taken[is_stderr] > BUFFER_BYTES && !atomic_load(&run->stop) &&
           !endpoint->closing)
        pthread_cond_wait(&endpoint->shell_changed, &endpoint->shell_lock);
    if (!run->plain_ascii) {
        strbuf_add(to, text, len);
    } else {
        /* Another code page than UTF-8: what it cannot be known to hold becomes '?'. */
        for (size_t i = 0; i < len; i++)
            if (((unsigned char)text[i] & 0xc0) != 0x80)
                strbuf_putc(to, (unsigned char)text[i] < 0x80 ? text[i] : '?');
    }
    pthread_cond_broadcast(&endpoint->shell_changed);
    pthread_mutex_unlock(&endpoint->shell_lock);
}

uint32_t endpoint_command(struct endpoint *endpoint, const struct sim_command *command)
{
    struct err err = ERR_INIT;
    uint32_t exit_code = 1;

    if (endpoint->host->replay)
        return replay_command(command);
    if (endpoint_enter(endpoint, &err)) {
        endpoint->host->commands++;
        if (endpoint_leave(endpoint, &err))
            exit_code = sim_command_run(command);
    }
    if (err.kind == ERR_NONE && endpoint_enter(endpoint, &err)) {
        endpoint->host->commands--;
        if (!endpoint_leave(endpoint, &err))
            exit_code = 1;
    }
    if (err.kind != ERR_NONE) {
        char why[ERR_TEXT];

        err_format(&err, why, sizeof(why));
        command->on_output(why, strlen(why), true, command->user);
    }
    return exit_code;
}

static void *run_command(void *user)
{
    struct run *run = user;
    struct endpoint *endpoint = run->endpoint;
    const struct sim_command command = { .host = endpoint->host,
                                         .line = run->line,
                                         .directory = run->directory,
                                         .no_shell = run->no_shell,
                                         .stop = &run->stop,
                                         .on_output = on_output,
                                         .user = run };
    uint32_t exit_code = endpoint_command(endpoint, &command);

    pthread_mutex_lock(&endpoint->shell_lock);
    run->exit_code = exit_code;
    run->ended = true;
    run_unref(run);
    endpoint->running--;
    pthread_cond_broadcast(&endpoint->shell_changed);
    pthread_mutex_unlock(&endpoint->shell_lock);
    return NULL;
}

static void drop_run(struct endpoint *endpoint, struct shell *shell, struct run **at)
{
    struct run *run = *at;

    *at = run->next;
    shell->run_count--;
    atomic_store(&run->stop, true);
    pthread_cond_broadcast(&endpoint->shell_changed);
    run_unref(run);
}

static void drop_shell(struct endpoint *endpoint, struct shell **at)
{
    struct shell *shell = *at;

    *at = shell->next;
    while (shell->runs)
        drop_run(endpoint, shell, &shell->runs);
    free(shell->directory);
    free(shell);
}

void shells_clear(struct endpoint *endpoint)
{
    pthread_mutex_lock(&endpoint->shell_lock);
    while (endpoint->shells)
        drop_shell(endpoint, &endpoint->shells);
    while (endpoint->running > 0)
        pthread_cond_wait(&endpoint->shell_changed, &endpoint->shell_lock);
    pthread_mutex_unlock(&endpoint->shell_lock);
}

/* ---- finding ---- */

static bool no_such_shell(struct sim_fault *fault)
{
    return sim_refuse(
        fault, "w:InvalidSelectors", CODE_UNEXPECTED_SELECTORS,
        "The WS-Management service cannot process the request because the request "
        "contained invalid selectors for the resource.");
}

static struct shell **find_shell(struct operation *op)
{
    const char *id = soap_selector(op->request, "ShellId");

    for (struct shell **at = &op->endpoint->shells; id && *at; at = &(*at)->next)
        if (text_ieq((*at)->id, id))
            return at;
    no_such_shell(op->fault);
    return NULL;
}

static struct run **find_run(struct operation *op, struct shell *shell, const xmlNode *node)
{
    CLEANUP(free_cleanup) char *id = node ? soap_attribute(node, NULL, "CommandId") : NULL;

    for (struct run **at = &shell->runs; id && *at; at = &(*at)->next)
        if (text_ieq((*at)->id, id))
            return at;
    no_such_shell(op->fault);
    return NULL;
}

/* ---- Create ---- */

static bool create(struct operation *op, const xmlNode *body, struct shell *shell)
{
    xmlNode *directory = soap_child(body, NS_SHELL, "WorkingDirectory");
    const char *code_page = soap_option(op->request, "WINRS_CODEPAGE");
    uint64_t number = 437; /* the OEM code page of an English Windows */

    if (soap_child(body, NS_SHELL, "Environment"))
        return sim_unknown(op->fault, "environment variables of a remote shell");
    if (code_page && (!text_to_u64(code_page, 10, &number) || number > 65535))
        return sim_refuse(op->fault, "w:InvalidParameter", CODE_INVALID_PARAMETER,
                          "The parameter is incorrect.");
    shell->code_page = (unsigned)number;
    os_guid(shell->id);
    shell->made_usec = os_now_usec();
    if (directory && !(shell->directory = soap_text(directory)))
        return out_of_memory(op->fault);
    return true;
}

static void put_created(struct operation *op, const struct shell *shell)
{
    strbuf_puts(op->to, "<x:ResourceCreated><a:Address>");
    xml_put_text(op->to, op->endpoint->url);
    strbuf_printf(
        op->to,
        "</a:Address><a:ReferenceParameters><w:ResourceURI>" SHELL_CMD
        "</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">%s</w:Selector>"
        "</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
        "<rsp:Shell xmlns:rsp=\"" NS_SHELL "\"><rsp:ShellId>%s</rsp:ShellId>"
        "<rsp:ResourceUri>" SHELL_CMD "</rsp:ResourceUri><rsp:Owner>",
        shell->id, shell->id);
    xml_put_text(op->to, op->endpoint->owner);
    strbuf_printf(op->to,
                  "</rsp:Owner><rsp:ClientIP>%s</rsp:ClientIP>"
                  "<rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>"
                  "<rsp:InputStreams>stdin</rsp:InputStreams>"
                  "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams>"
                  "<rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>"
                  "<rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>",
                  op->client);
}

bool op_shell_create(struct operation *op)
{
    struct endpoint *endpoint = op->endpoint;
    struct shell *shell;
    unsigned count = 0;

    if (!soap_is(op->request->body, NS_SHELL, "Shell"))
        return sim_refuse(op->fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
                          "The body is no rsp:Shell.");
    for (shell = endpoint->shells; shell; shell = shell->next)
        count++;
    if (count >= op->host->winrm.max_shells_per_user)
        return sim_refuse(
            op->fault, "w:QuotaLimit", CODE_TOO_MANY_SHELLS,
            "The WS-Management service cannot process the request. The maximum "
            "number of concurrent shells for this user has been exceeded.");
    shell = calloc(1, sizeof(*shell));
    if (!shell)
        return out_of_memory(op->fault);
    if (!create(op, op->request->body, shell)) {
        free(shell);
        return false;
    }
    shell->next = endpoint->shells;
    endpoint->shells = shell;
    put_created(op, shell);
    return true;
}

/* ---- Command ---- */

static char *join_line(const xmlNode *body)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

    for (xmlNode *node = soap_first(body); node; node = soap_next(node)) {
        CLEANUP(free_cleanup) char *part = soap_text(node);

        if (!part)
            return NULL;
        if (line.len > 0)
            strbuf_putc(&line, ' ');
        strbuf_puts(&line, part);
    }
    return strbuf_take(&line);
}

static bool start(struct operation *op, struct shell *shell, struct run *run)
{
    const char *skip = soap_option(op->request, "WINRS_SKIP_CMD_SHELL");
    pthread_attr_t detached;
    pthread_t thread;
    int error;

    os_guid(run->id);
    run->endpoint = op->endpoint;
    run->line = join_line(op->request->body);
    run->directory = text_dup(shell->directory);
    run->no_shell = skip && (text_ieq(skip, "TRUE") || strcmp(skip, "1") == 0);
    run->plain_ascii = shell->code_page != 65001;
    if (!run->line || (shell->directory && !run->directory))
        return out_of_memory(op->fault);
    run->refs = 2;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    error = pthread_create(&thread, &detached, run_command, run);
    pthread_attr_destroy(&detached);
    if (error)
        return out_of_memory(op->fault);
    op->endpoint->running++;
    return true;
}

bool op_shell_command(struct operation *op)
{
    struct shell **at = find_shell(op);
    struct shell *shell;
    struct run *run;

    if (!at)
        return false;
    shell = *at;
    if (!soap_is(op->request->body, NS_SHELL, "CommandLine") ||
        !soap_child(op->request->body, NS_SHELL, "Command"))
        return sim_refuse(op->fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
                          "The body is no rsp:CommandLine.");
    if (shell->run_count >= op->host->winrm.max_processes_per_shell)
        return sim_refuse(
            op->fault, "w:QuotaLimit", CODE_QUOTA_LIMIT,
            "The maximum number of processes of this shell has been exceeded.");
    run = calloc(1, sizeof(*run));
    if (!run)
        return out_of_memory(op->fault);
    if (!start(op, shell, run)) {
        run->refs = 1;
        run_unref(run);
        return false;
    }
    run->next = shell->runs;
    shell->runs = run;
    shell->run_count++;
    strbuf_printf(
        op->to,
        "<rsp:CommandResponse><rsp:CommandId>%s</rsp:CommandId></rsp:CommandResponse>",
        run->id);
    return true;
}

/* ---- Receive ---- */

static void put_base64(struct strbuf *to, const char *text, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = (const unsigned char *)text;

    for (size_t i = 0; i < len; i += 3) {
        unsigned more = len - i > 2 ? 2 : (unsigned)(len - i - 1);
        unsigned bits = (unsigned)b[i] << 16 | (more > 0 ? (unsigned)b[i + 1] << 8 : 0) |
                        (more > 1 ? b[i + 2] : 0);

        strbuf_putc(to, digits[bits >> 18]);
        strbuf_putc(to, digits[bits >> 12 & 63]);
        strbuf_putc(to, more > 0 ? digits[bits >> 6 & 63] : '=');
        strbuf_putc(to, more > 1 ? digits[bits & 63] : '=');
    }
}

static const char *const stream_names[] = { "stdout", "stderr" };

static bool has_output(const struct run *run)
{
    return run->output[0].len > run->taken[0] || run->output[1].len > run->taken[1];
}

static void put_stream(struct operation *op, struct run *run, unsigned i)
{
    size_t len = run->output[i].len - run->taken[i];

    if (len == 0)
        return;
    if (len > CHUNK_BYTES)
        len = CHUNK_BYTES;
    strbuf_printf(op->to, "<rsp:Stream Name=\"%s\" CommandId=\"%s\">", stream_names[i],
                  run->id);
    put_base64(op->to, run->output[i].text + run->taken[i], len);
    strbuf_puts(op->to, "</rsp:Stream>");
    run->taken[i] += len;
    if (run->taken[i] == run->output[i].len) {
        strbuf_clear(&run->output[i]);
        run->taken[i] = 0;
    }
}

static void put_received(struct operation *op, struct run *run)
{
    bool done;

    strbuf_puts(op->to, "<rsp:ReceiveResponse>");
    for (unsigned i = 0; i < 2; i++)
        put_stream(op, run, i);
    done = run->ended && !has_output(run);
    for (unsigned i = 0; done && i < 2; i++)
        strbuf_printf(op->to,
                      "<rsp:Stream Name=\"%s\" CommandId=\"%s\" End=\"true\"></rsp:Stream>",
                      stream_names[i], run->id);
    strbuf_printf(
        op->to, "<rsp:CommandState CommandId=\"%s\" State=\"" NS_SHELL "/CommandState/%s\"",
        run->id, done ? "Done" : "Running");
    if (done)
        strbuf_printf(op->to, "><rsp:ExitCode>%u</rsp:ExitCode></rsp:CommandState>",
                      run->exit_code);
    else
        strbuf_puts(op->to, "/>");
    strbuf_puts(op->to, "</rsp:ReceiveResponse>");
}

static struct timespec deadline_after(uint32_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool op_shell_receive(struct operation *op)
{
    uint32_t wait_ms = op->request->timeout_ms, longest = op->host->winrm.max_timeout_ms;
    struct timespec deadline;
    struct shell **shell = find_shell(op);
    struct run **at, *run;
    bool in_time = true, gone;

    if (!shell)
        return false;
    at = find_run(op, *shell, soap_child(op->request->body, NS_SHELL, "DesiredStream"));
    if (!at)
        return false;
    run = *at;
    deadline = deadline_after(wait_ms == 0 || wait_ms > longest ? longest : wait_ms);
    run->refs++; /* it may be signalled away while we wait */
    while (!has_output(run) && !run->ended && !op->endpoint->closing && in_time)
        in_time = pthread_cond_timedwait(&op->endpoint->shell_changed,
                                         &op->endpoint->shell_lock, &deadline) == 0;
    gone = op->endpoint->closing || (!has_output(run) && !run->ended);
    if (!gone) {
        put_received(op, run);
        pthread_cond_broadcast(&op->endpoint->shell_changed); /* room for more */
    }
    run_unref(run);
    return !gone ||
           sim_refuse(op->fault, "w:TimedOut", CODE_TIMED_OUT,
                      "The WS-Management service cannot complete the operation within the "
                      "time specified in OperationTimeout.  ");
}

/* ---- Send, Signal, Delete ---- */

bool op_shell_send(struct operation *op)
{
    struct shell **shell = find_shell(op);
    xmlNode *stream = soap_child(op->request->body, NS_SHELL, "Stream");
    CLEANUP(free_cleanup) char *text = stream ? soap_text(stream) : NULL;

    if (!shell || !find_run(op, *shell, stream))
        return false;
    if (text && text[strspn(text, " \t\r\n")] != '\0')
        return sim_unknown(op->fault,
                           "input to a command (none of the simulated ones reads any)");
    strbuf_puts(op->to, "<rsp:SendResponse/>");
    return true;
}

bool op_shell_signal(struct operation *op)
{
    struct shell **shell = find_shell(op);
    xmlNode *code_node = soap_child(op->request->body, NS_SHELL, "Code");
    CLEANUP(free_cleanup) char *code = code_node ? soap_text(code_node) : NULL;
    struct run **run;

    if (!shell)
        return false;
    run = find_run(op, *shell, op->request->body);
    if (!run)
        return false;
    if (!code ||
        (!text_iends(code, "/signal/terminate") && !text_iends(code, "/signal/ctrl_c") &&
         !text_iends(code, "/signal/ctrl_break")))
        return sim_refuse(op->fault, "w:InvalidParameter", CODE_INVALID_PARAMETER,
                          "The parameter is incorrect.");
    if (text_iends(code, "/terminate"))
        drop_run(op->endpoint, *shell, run);
    else
        atomic_store(&(*run)->stop, true);
    strbuf_puts(op->to, "<rsp:SignalResponse/>");
    return true;
}

bool op_shell_delete(struct operation *op)
{
    struct shell **at = find_shell(op);

    if (!at)
        return false;
    drop_shell(op->endpoint, at);
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Win32_Process: Create runs a command line in a thread of its own, without a window, its
 * output lost, its exit code untold; the process is listed until it ends.  Of the host's
 * other processes only System is shown.
 *
 * Source: MicrosoftDocs/win32 desktop-src/CIMWin32Prov (create-method-in-class-win32-
 * process.md, terminate-method-in-class-win32-process.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "maker.h"
#include "os.h"
#include "text.h"
#include "windows-os.h"
#include "world-inside.h"

enum {
    PROCESS_MAX = 64,
    FIRST_ID = 4000, /* ids are multiples of four */
    PATH_NOT_FOUND = 9,
    UNKNOWN_FAILURE = 8,
    INVALID_PARAMETER = 21,
};

struct process {
    struct process *next;
    struct sim_host *host;
    unsigned id;
    char *line, *directory;
    int64_t since_usec;
    atomic_bool stop, ended;
    pthread_t thread;
};

static void process_free(struct process *process)
{
    free(process->line);
    free(process->directory);
    free(process);
}

static void *run_process(void *user)
{
    struct process *process = user;
    struct sim_command command = { .host = process->host,
                                   .line = process->line,
                                   .directory = process->directory,
                                   .no_shell = true,
                                   .stop = &process->stop };

    sim_command_run(&command);
    atomic_store(&process->ended, true);
    return NULL;
}

/* Those that have ended; under the host's lock, which an ended one no longer needs. */
static void reap(struct sim_world *w)
{
    for (struct process **at = &w->processes; *at;) {
        struct process *process = *at;

        if (!atomic_load(&process->ended)) {
            at = &process->next;
            continue;
        }
        pthread_join(process->thread, NULL);
        *at = process->next;
        process_free(process);
    }
}

void windows_processes_end(struct sim_host *host)
{
    struct process *all = NULL;

    pthread_mutex_lock(host->lock);
    if (host->world)
        all = TAKE(host->world->processes);
    pthread_mutex_unlock(host->lock);
    for (struct process *p = all; p; p = p->next)
        atomic_store(&p->stop, true);
    while (all) {
        struct process *next = all->next;

        pthread_join(all->thread, NULL);
        process_free(all);
        all = next;
    }
}

static struct process *start(struct sim_host *host, struct sim_world *w, const char *line,
                             const char *directory)
{
    struct process *process = calloc(1, sizeof(*process));

    if (!process)
        return NULL;
    process->host = host;
    process->line = text_dup(line);
    process->directory = text_dup(directory);
    process->id = FIRST_ID + 4 * w->process_count;
    process->since_usec = os_now_usec();
    if (!process->line || (directory && !process->directory) ||
        pthread_create(&process->thread, NULL, run_process, process) != 0) {
        process_free(process);
        return NULL;
    }
    w->process_count++;
    process->next = w->processes;
    w->processes = process;
    return process;
}

static bool create(struct sim_call *call, struct sim_fault *fault)
{
    const char *line = cim_get_text(call->in, "CommandLine");
    struct process *process;
    struct sim_world *w;
    struct err err = ERR_INIT;
    unsigned running = 0;

    if (!line || !*line)
        return sim_return(call, INVALID_PARAMETER, fault);
    if (!sim_command_exists(line))
        return sim_return(call, PATH_NOT_FOUND, fault);
    if (!windows_world(call->host, &w, fault))
        return false;
    reap(w);
    for (struct process *p = w->processes; p; p = p->next)
        running++;
    process = running < PROCESS_MAX
                  ? start(call->host, w, line, cim_get_text(call->in, "CurrentDirectory"))
                  : NULL;
    if (!process)
        return sim_return(call, UNKNOWN_FAILURE, fault);
    return cim_set_uint(call->out, "ProcessId", CIM_UINT32, process->id, &err)
               ? sim_return(call, 0, fault)
               : sim_fault_err(fault, &err);
}

static bool terminate(struct sim_call *call, struct sim_fault *fault)
{
    const char *handle = cim_path_get(call->path, "Handle");
    struct sim_world *w;
    uint64_t id;

    if (!windows_world(call->host, &w, fault))
        return false;
    for (struct process *p = w->processes; handle && p; p = p->next)
        if (text_to_u64(handle, 10, &id) && id == p->id && !atomic_load(&p->ended)) {
            atomic_store(&p->stop, true);
            return sim_return(call, 0, fault);
        }
    return sim_refuse(fault, "a:DestinationUnreachable", 0x80041002, "no such process");
}

/* "robocopy.exe" of the line's first word. */
static void put_name(struct maker *m, const char *line)
{
    bool quoted = *line == '"';
    size_t len = strcspn(line + quoted, quoted ? "\"" : " \t");
    CLEANUP(free_cleanup) char *word = text_ndup(line + quoted, len);
    CLEANUP(free_cleanup) char *name = NULL;
    const char *slash = word ? strrchr(word, '\\') : NULL;
    const char *last = slash ? slash + 1 : word;

    if (!last)
        return;
    name = text_printf("%s%s", last, text_iends(last, ".exe") ? "" : ".exe");
    make_text(m, "Name", name);
    make_text(m, "Caption", name);
    make_text(m, "Description", name);
}

static bool give(struct sim_host *host, unsigned id, const char *line, int64_t since_usec,
                 bool (*on_row)(struct cim_instance *row, void *user), void *user,
                 struct err *err)
{
    char handle[16];
    struct maker m;

    snprintf(handle, sizeof(handle), "%u", id);
    make_begin(&m, host, CIMV2, "Win32_Process", err);
    make_text(&m, "Handle", handle);
    make_number(&m, "ProcessId", id);
    make_text(&m, "CreationClassName", "Win32_Process");
    make_text(&m, "CSCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "CSName", host->name);
    make_text(&m, "OSCreationClassName", "Win32_OperatingSystem");
    make_text(&m, "OSName", host->product);
    if (line) {
        put_name(&m, line);
        make_text(&m, "CommandLine", line);
        make_time(&m, "CreationDate", since_usec);
    } else {
        make_text(&m, "Name", "System");
        make_text(&m, "Caption", "System");
    }
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = TAKE(m.instance);
    if (!m.failed)
        on_row(row, user);
    return !m.failed;
}

static bool list(struct sim_host *host, const struct cim_instance *where,
                 bool (*on_row)(struct cim_instance *row, void *user), void *user,
                 struct sim_fault *fault)
{
    struct err err = ERR_INIT;
    struct sim_world *w;

    if (!windows_world(host, &w, fault))
        return false;
    reap(w);
    if (!give(host, 4, NULL, 0, on_row, user, &err))
        return sim_fault_err(fault, &err);
    for (struct process *p = w->processes; p; p = p->next)
        if (!give(host, p->id, p->line, p->since_usec, on_row, user, &err))
            return sim_fault_err(fault, &err);
    return true;
}

#define DOCS "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/"

static const struct sim_method methods[] = {
    { CIMV2, "Win32_Process", "Create", create,
      DOCS "create-method-in-class-win32-process.md" },
    { CIMV2, "Win32_Process", "Terminate", terminate,
      DOCS "terminate-method-in-class-win32-process.md" },
    { 0 },
};

static const struct sim_dynamic_class classes[] = {
    { CIMV2, "Win32_Process", list, DOCS "win32-process.md" },
    { 0 },
};

const struct sim_behaviour windows_processes = {
    .name = "processes",
    .methods = methods,
    .dynamic_classes = classes,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines over the line protocol: output as it comes, and an end with the client's. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "com.h"
#include "command.h"
#include "dispatch.h"
#include "strbuf.h"

enum { FLUSH_BYTES = 32 * 1024 }; /* of a command's output, sent at once */

struct running {
    struct com_request *request;
    atomic_bool stop;
    int wake; /* readable once the command has ended */
};

/* A command whose cmd.exe is ended on the client's side ends, whether it writes or not. */
static void *watch(void *user)
{
    struct running *r = user;

    if (r->request->wait_gone(r->request, r->wake))
        atomic_store(&r->stop, true);
    return NULL;
}

static void on_output(const char *text, size_t len, bool is_stderr, void *user)
{
    struct running *r = user;

    while (len > 0 && !atomic_load(&r->stop)) {
        size_t piece = len < FLUSH_BYTES ? len : FLUSH_BYTES;

        /* Not within a character: each line is UTF-8 for itself. */
        while (piece < len && piece > 1 && ((unsigned char)text[piece] & 0xc0) == 0x80)
            piece--;
        strbuf_putc(r->request->to, is_stderr ? '2' : '1');
        com_put_field(r->request->to, text, piece);
        strbuf_putc(r->request->to, '\n');
        if (!r->request->flush(r->request))
            atomic_store(&r->stop, true);
        text += piece;
        len -= piece;
    }
}

void com_run(struct com_request *request)
{
    const struct com_line *line = &request->message->lines[0];
    struct running running = { .request = request };
    const struct sim_command command = {
        .host = request->endpoint->host,
        .line = line->fields[2],
        .directory = *line->fields[1] ? line->fields[1] : NULL,
        .stop = &running.stop,
        .on_output = on_output,
        .user = &running,
    };
    uint32_t exit_code;
    pthread_t watcher;
    bool is_watched;

    running.wake = request->wait_gone ? eventfd(0, EFD_CLOEXEC) : -1;
    is_watched = running.wake >= 0 && pthread_create(&watcher, NULL, watch, &running) == 0;
    strbuf_puts(request->to, "S\t0\n");
    exit_code = endpoint_command(request->endpoint, &command);
    if (is_watched) {
        eventfd_write(running.wake, 1);
        pthread_join(watcher, NULL);
    }
    if (running.wake >= 0)
        close(running.wake);
    strbuf_printf(request->to, "R\t%u\n", exit_code);
}

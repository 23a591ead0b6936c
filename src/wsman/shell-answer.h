/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a Windows remote shell answers (MS-WSMV 2.2.4.7, 2.2.4.28, 2.2.4.30): ids, output in
 * base64 pieces, state and exit code.
 */
#pragma once

#include "answer.h"
#include "session.h"

/* Output arrives in pieces that may end within a letter: the cut letter waits here. */
struct stream {
    bool is_stderr;
    char rest[4];
    size_t rest_len;
};

/* One reader for all answers: what an answer has is filled in. */
struct shell_answer {
    char *shell_id, *command_id;         /* owned by the caller */
    const struct shell_command *command; /* for Receive */
    struct stream *streams;              /* two */
    struct stream *current;              /* of the rsp:Stream being read */
    bool in_shell_selector;
    bool is_done, has_exit_code;
    uint32_t exit_code;
};

/* Output goes to @a->command as it is met; @a->streams must be there for that. */
bool shell_answer_read(const struct soap_answer *answer, struct shell_answer *a,
                       struct err *err) MUST_CHECK;
/* After the last answer: what was held back of a letter that never ended. */
bool shell_answer_flush(struct shell_answer *a, struct err *err) MUST_CHECK;

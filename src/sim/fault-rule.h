/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults on demand: what a client must live with, at a chosen call.
 *
 *     [HOST:]TARGET@N=WHAT
 *
 * TARGET  `Class.Method`, `Class.*`, `*.Method`, `Method`, or `*`.  Beside methods the
 *         operations count: Get, Put, Enumerate, Pull, Release, Identify, and for remote
 *         shells (class `Shell`) Create, Command, Receive, Send, Signal, Delete.
 * N       the n-th such call since the simulator started, or `*` for every one.
 * WHAT    refuse:CODE     the method answers ReturnValue CODE and does nothing
 *         fault:CODE      a SOAP fault with that WSManFault code (0x... or decimal)
 *         http:STATUS     an HTTP answer without a body
 *         delay:MS        answers later
 *         drop            closes the connection, does nothing
 *         drop-after      does it, then closes the connection without an answer
 *         garbage         does nothing, answers bytes that are no SOAP
 *         answer:FILE     does nothing, answers what is in FILE, encrypted where messages
 *                         are; @request@ in it becomes the MessageID of the request
 *         job-fail:CODE   the job that the method starts ends in state 10, ErrorCode CODE
 *         job-hang        the job never ends
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct fault_rules;

enum fault_what {
    FAULT_NONE,
    FAULT_REFUSE,
    FAULT_SOAP,
    FAULT_HTTP,
    FAULT_DELAY,
    FAULT_DROP,
    FAULT_DROP_AFTER,
    FAULT_GARBAGE,
    FAULT_ANSWER,
    FAULT_JOB_FAIL,
    FAULT_JOB_HANG,
};

struct fault_hit {
    enum fault_what what;
    uint32_t number;  /* CODE, STATUS, MS */
    const char *file; /* FILE; lent by the rules */
};

struct fault_rules *fault_rules_new(void); /* NULL: no memory */
void fault_rules_free(struct fault_rules *rules);
bool fault_rules_add(struct fault_rules *rules, const char *text, struct err *err)
    MUST_CHECK;
/* Counts the call for every rule it fits; the first rule whose turn it is decides.  Safe
 * from several threads. */
struct fault_hit fault_rules_ask(struct fault_rules *rules, const char *host,
                                 const char *class_name, const char *operation);

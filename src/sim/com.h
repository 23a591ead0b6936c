/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts behind COM: a line protocol that a DLL of the tests speaks (tests/wine/wbem), so
 * that the Windows program meets the simulator through IWbemServices.  Objects, methods and
 * command lines are those of WS-Management; only the wire is another.
 *
 * UTF-8.  A message is lines that end with LF; an empty line ends it.  A line is fields
 * with TAB in between; within a field TAB, LF, CR and the backslash are \t \n \r \\.
 *
 *     CONNECT host ns                     first on a connection; "" or ".": the lab's first
 *     QUERY ns wql
 *     GET ns path                         an instance, or a class
 *     SIG ns class method
 *     METHOD ns path method        + object
 *     PUT ns flags                 + object
 *     DEL ns path
 *     RUN directory line
 *
 * Answers begin with `S hresult [text]`, the hresult in hex.  Then objects; a query that
 * fails behind its first rows ends with `X hresult text`.  A command's output comes as it
 * is written, in lines `1 text` and `2 text`, and its exit code in `R code`.
 *
 *     O class genus path derivation role  genus 1: a class, 2: an instance; derivation: the
 *                                         superclasses with commas; role of a signature's
 *                                         objects: in, out
 *     P name cimtype N                    null; cimtype is the number of WMI (CIMTYPE)
 *     P name cimtype V value              numbers in decimal, datetimes in CIM form,
 *                                         references as paths, objects as such lines
 *     P name cimtype A value...
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct cim_class;
struct cim_class_parameter;
struct cim_instance;
struct cim_value;
struct com_server;
struct endpoint;
struct err;
struct strbuf;

/* WBEMSTATUS (MicrosoftDocs/win32 WmiSdk/wmi-error-constants). */
#define COM_FAILED 0x80041001u
#define COM_NOT_FOUND 0x80041002u
#define COM_ACCESS_DENIED 0x80041003u
#define COM_TYPE_MISMATCH 0x80041005u
#define COM_INVALID_PARAMETER 0x80041008u
#define COM_NOT_SUPPORTED 0x8004100Cu
#define COM_INVALID_NAMESPACE 0x8004100Eu
#define COM_INVALID_OBJECT 0x8004100Fu
#define COM_INVALID_CLASS 0x80041010u
#define COM_INVALID_QUERY 0x80041017u
#define COM_INVALID_METHOD 0x8004102Eu
#define COM_INVALID_METHOD_PARAMETERS 0x8004102Fu
#define COM_INVALID_OBJECT_PATH 0x8004103Au
#define COM_TIMED_OUT 0x80041069u
#define COM_QUOTA_VIOLATION 0x8004106Cu

/* ---- lines (com-line.c) ---- */

enum { COM_MESSAGE_MAX = 16 * 1024 * 1024 };

struct com_line {
    size_t count;
    char **fields; /* never NULL; count of at least one */
};

struct com_message {
    char *bytes; /* what the fields point into */
    char **fields;
    size_t count;
    struct com_line *lines;
};

/* @bytes up to the empty line.  False: not such a message, or no memory. */
bool com_message_read(const char *bytes, size_t len, struct com_message *ret) MUST_CHECK;
void com_message_clear(struct com_message *message);

void com_put_field(struct strbuf *to, const char *text, size_t len); /* with a TAB before */
void com_put_text(struct strbuf *to, const char *text);              /* likewise */

/* ---- objects (com-object.c) ---- */

struct com_status {
    uint32_t hresult;
    char text[512];
};

/* @build: leaves out what this host does not know yet; 0: of an embedded object, which has
 * what it has.  @columns: of a SELECT; count 0 is all. */
void com_put_instance(struct strbuf *to, const char *host,
                      const struct cim_instance *instance, const struct cim_class *class,
                      unsigned build, char *const *columns, size_t column_count);
void com_put_class(struct strbuf *to, const char *host, const struct cim_class *class,
                   unsigned build);
/* The class __PARAMETERS of a method, in or out; nothing when it has no such. */
struct cim_class_method;
void com_put_signature(struct strbuf *to, const struct cim_class_method *method, bool out);
/* An instance of it. */
void com_put_out(struct strbuf *to, const char *host, const struct cim_class_method *method,
                 const struct cim_instance *out);

/* The line's value as what @value's type says, which is the schema's; false fills
 * @status. */
bool com_read_value(const struct com_line *line, struct cim_value *value,
                    struct com_status *status);

/* ---- requests (com-request.c) ---- */

struct com_request {
    struct endpoint *endpoint;
    const struct com_message *message;
    struct strbuf *to;
    /* For RUN: sends what @to holds at once; false: nobody listens any more. */
    bool (*flush)(struct com_request *request);
    /* Waits until nobody listens any more (true) or @wake can be read.  NULL: nothing to
     * wait for. */
    bool (*wait_gone)(struct com_request *request, int wake);
    void *user;
    bool drop; /* close the connection without an answer */
};

/* Answers everything but CONNECT. */
void com_answer(struct com_request *request);
bool com_has_namespace(struct endpoint *endpoint, const char *ns);
/* RUN, whose two arguments are there (com-run.c). */
void com_run(struct com_request *request);

/* ---- the server (com-server.c) ---- */

/* @listen: "127.0.0.1:PORT", "[::1]:PORT"; others than this machine's own are refused.
 * @endpoints are lent, one per host, and must outlive the server. */
struct com_server *com_server_open(const char *listen, struct endpoint *endpoints,
                                   size_t count, bool verbose, struct err *err);
void com_server_close(struct com_server *server);                /* NULL is fine */
const char *com_server_address(const struct com_server *server); /* lent */

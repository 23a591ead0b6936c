/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIM over WS-Management (WinRM): a cim_session made of HTTP, SOAP and a table of
 * authentication functions.  Knows nothing of Hyper-V.
 *
 * Sources: MS-WSMV, DSP0226, DSP0227, DSP0230; quirks as noted where they are met.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session.h"

struct wsman_options {
    const char *url;      /* http(s)://host:port/wsman */
    const char *user;     /* NULL: none given */
    const char *password; /* lent; copied into memory that is wiped on release */
    const char *auth;     /* "negotiate" (Kerberos if there is a ticket or a
                                    * password for it, else NTLM), "kerberos", "ntlm",
                                    * "basic", "certificate"; NULL: the strongest of what
                                    * these options allow and the host offers */
    const char *keytab;   /* Kerberos without a password; needs @user */
    const char *client_cert, *client_key; /* PEM files, for "certificate" */
    const char *ca_file;                  /* NULL: the system's store */
    const char *pin;               /* SHA-256 of the host's certificate or public key (see
                                    * certificate.h).  Alone it is all that counts; with
                                    * @ca_file both must hold */
    bool without_credentials;      /* open even with nothing to log on with, which is then
                                    * the error of the log-on: for wsman_check() */
    bool insecure;                 /* no certificate check; Basic over plain HTTP allowed */
    unsigned connect_timeout_ms;   /* 0: 10 s */
    unsigned operation_timeout_ms; /* 0: 60 s; one request */
    uint32_t max_envelope_bytes;   /* 0: 512000 */
    uint32_t max_elements;         /* 0: 32000 */
    bool (*is_cancelled)(void *user); /* polled while waiting; NULL: never */
    void *cancel_user;
    /* Told once per log-on how it was made, and what stronger way was passed over and why;
     * NULL: nobody wants to know. */
    void (*on_log_on)(const char *text, void *user);
    void *log_on_user;
};

/* Checks the options and makes the session; the first request connects.
 * Basic goes to loopback or over TLS only, unless @insecure.  Negotiate, Kerberos and NTLM
 * encrypt every message where TLS does not. */
struct cim_session *wsman_open(const struct wsman_options *options, struct err *err);

/* The way to a host step by step: true, or false with the step that did not work in
 * ret->failed and why in @err.  What was found out before it is in @ret. */
enum wsman_step {
    WSMAN_STEP_NAME,    /* its name has an address */
    WSMAN_STEP_PORT,    /* something listens there */
    WSMAN_STEP_TLS,     /* ... with a certificate we trust; not with http */
    WSMAN_STEP_HTTP,    /* ... that asks us to log on */
    WSMAN_STEP_LOG_ON,  /* ... and lets us */
    WSMAN_STEP_SERVICE, /* ... and speaks WS-Management */
    WSMAN_STEP_COUNT
};
struct wsman_check {
    unsigned timeout_ms; /* in: of each step */
    enum wsman_step failed;
    bool is_tls, is_insecure, is_encrypted;
    char address[64];
    char pin[80];      /* of its certificate; "": none */
    char offers[128];  /* how one may log on: "Negotiate, Basic" */
    char method[32];   /* how we did: "NTLM" */
    char version[128]; /* "OS: 10.0.22631 SP: 0.0 Stack: 3.0" */
};
bool wsman_check(struct cim_session *session, struct wsman_check *ret, struct err *err)
    MUST_CHECK;

/* SPDX-License-Identifier: MIT */
/*
 * Random scripts of system calls on a few sockets over loopback, and the function that runs one on any system
 * table.
 *
 * A step is one call on one of four slots. Its outcome is a line of text: the result, the bytes, and what
 * poll reports of every slot afterwards. Two tables agree if their lines are equal. The kernel chooses port
 * numbers, so a line names ports by the order in which they appear.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <ptk_test.h>

#define CALLS_SLOTS 4
#define CALLS_STEPS 40
#define CALLS_LINE  224

typedef enum calls_op {
    CALLS_SOCKET,
    CALLS_BIND,
    CALLS_LISTEN,
    CALLS_CONNECT,
    CALLS_ACCEPT,
    CALLS_SEND,
    CALLS_RECV,
    CALLS_SHUTDOWN,
    CALLS_CLOSE,
    CALLS_ABORT,
    CALLS_DISCONNECT, /* connect to AF_UNSPEC */
    CALLS_REUSE,
    CALLS_NAMES,
    CALLS_ERROR,
    CALLS_OPS
} calls_op_t;

typedef struct calls_step {
    calls_op_t op;
    unsigned slot;
    unsigned other;  /* whose port */
    unsigned amount; /* bytes, backlog, direction, kind of address */
} calls_step_t;

typedef struct calls_script {
    int family;
    size_t count;
    calls_step_t steps[CALLS_STEPS];
} calls_script_t;

typedef struct calls_record {
    char lines[CALLS_STEPS][CALLS_LINE];
} calls_record_t;

/* How long a table is given to settle after a call. */
typedef enum calls_rest {
    CALLS_REST_SIMULATED, /* virtual time passes */
    CALLS_REST_EXPECTED,  /* waits for events only while the line is not the expected one */
    CALLS_REST_QUIET      /* waits until there has been no event for a while */
} calls_rest_t;

void calls_generate(calls_script_t *script, ptk_test_random_t *random);

/* Writes the step as text. */
void calls_print(const calls_step_t *step, char *text_out, size_t text_bytes);

/* Runs a script on the table in use (ptk_sys). `expected` may be NULL. */
void calls_run(const calls_script_t *script, calls_rest_t rest, const calls_record_t *expected,
               calls_record_t *record_out);

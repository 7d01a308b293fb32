/* SPDX-License-Identifier: MIT */
/*
 * Random scripts of ptk's socket calls over loopback, and the function that runs one on the platform of the
 * loop.
 *
 * A step is one call on one of four sockets, made by the script's own green thread or, without a time limit,
 * by one of two others. Its outcome is a line of text: the result, the bytes, and the results of the other
 * two that have ended meanwhile. Platforms agree if their lines are equal.
 */
#pragma once

#include <ptk.h>
#include <ptk_test.h>

#define SOCKS_SLOTS 4
#define SOCKS_TASKS 2
#define SOCKS_STEPS 40
#define SOCKS_LINE  320

typedef enum socks_op {
    SOCKS_OPEN,
    SOCKS_BIND,
    SOCKS_LISTEN,
    SOCKS_CONNECT,
    SOCKS_ACCEPT,
    SOCKS_SEND,
    SOCKS_SEND_SOME,
    SOCKS_RECV,
    SOCKS_RECV_SOME,
    SOCKS_WAIT,
    SOCKS_SHUTDOWN,
    SOCKS_CLOSE,
    SOCKS_ABORT,
    SOCKS_NAMES,
    SOCKS_CANCEL, /* a task */
    SOCKS_OPS
} socks_op_t;

typedef enum socks_patience { SOCKS_AT_ONCE, SOCKS_SHORTLY, SOCKS_AS_A_TASK } socks_patience_t;

typedef struct socks_step {
    socks_op_t op;
    unsigned slot;
    unsigned other;  /* whose port; which task */
    unsigned amount; /* bytes, backlog, direction, events */
    socks_patience_t patience;
} socks_step_t;

typedef struct socks_script {
    size_t count;
    socks_step_t steps[SOCKS_STEPS];
} socks_script_t;

typedef struct socks_record {
    char lines[SOCKS_STEPS][SOCKS_LINE];
} socks_record_t;

/* How the network is given time to settle. */
typedef enum socks_rest {
    SOCKS_REST_SIMULATED, /* virtual time passes */
    SOCKS_REST_EXPECTED,  /* as long as the line is not the expected one, up to a limit */
    SOCKS_REST_QUIET      /* always for a while */
} socks_rest_t;

void socks_generate(socks_script_t *script, ptk_test_random_t *random);

/* Writes the step as text. */
void socks_print(const socks_step_t *step, char *text_out, size_t text_bytes);

/* Runs a script with a loop of its own on the platform, NULL: the default one. `expected` may be NULL. */
ptk_err socks_run(const socks_script_t *script, const char *platform, socks_rest_t rest,
                  const socks_record_t *expected, socks_record_t *record_out);

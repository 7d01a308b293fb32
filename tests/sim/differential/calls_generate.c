/* SPDX-License-Identifier: MIT */
/*
 * Random scripts. Most begin with a connection, because calls on a socket that is not connected soon return
 * the same; then anything may follow, in any order. The bytes of a script are fewer than the smallest buffer,
 * so buffers never fill: the simulation differs from the kernel in their size on purpose.
 */
#include "calls.h"
#include "scripts.h"

#include <sys/socket.h>

#define MOST_BYTES 24000

static const unsigned weights[CALLS_OPS] = {
    [CALLS_SOCKET] = 6,  [CALLS_BIND] = 5,  [CALLS_LISTEN] = 4,     [CALLS_CONNECT] = 10,
    [CALLS_ACCEPT] = 10, [CALLS_SEND] = 18, [CALLS_RECV] = 18,      [CALLS_SHUTDOWN] = 9,
    [CALLS_CLOSE] = 6,   [CALLS_ABORT] = 4, [CALLS_DISCONNECT] = 2, [CALLS_REUSE] = 2,
    [CALLS_NAMES] = 6,   [CALLS_ERROR] = 5,
};

typedef struct maker {
    calls_script_t *script;
    ptk_test_random_t *random;
    unsigned bytes; /* sent so far */
} maker_t;

static unsigned below(maker_t *maker, unsigned limit) {
    return (unsigned) ptk_test_random_below(maker->random, limit);
}

static void add(maker_t *maker, calls_op_t op, unsigned slot, unsigned other, unsigned amount) {
    calls_script_t *script = maker->script;
    if (script->count < CALLS_STEPS) {
        script->steps[script->count++] = (calls_step_t) {op, slot, other, amount};
    }
}

static calls_op_t draw_op(maker_t *maker) {
    unsigned drawn = below(maker, scripts_sum(weights, CALLS_OPS));
    return (calls_op_t) scripts_pick(weights, drawn);
}

static unsigned draw_bytes(maker_t *maker) {
    static const unsigned sizes[] = {0, 1, 2, 7, 100, 1000, 1460, 1461, 4000};
    return sizes[below(maker, sizeof sizes / sizeof sizes[0])];
}

static unsigned draw_amount(maker_t *maker, calls_op_t op) {
    switch (op) {
    case CALLS_BIND:
        return below(maker, 6);
    case CALLS_SEND: {
        unsigned bytes = draw_bytes(maker);
        bytes = maker->bytes + bytes > MOST_BYTES ? 1 : bytes;
        maker->bytes += bytes;
        return bytes;
    }
    case CALLS_RECV:
        return draw_bytes(maker);
    case CALLS_SHUTDOWN:
        return below(maker, 16) == 0 ? 3 : below(maker, 3);
    default:
        return below(maker, 4);
    }
}

static void add_connection(maker_t *maker) {
    add(maker, CALLS_SOCKET, 0, 0, 0);
    if (below(maker, 4) == 0) {
        add(maker, CALLS_REUSE, 0, 0, 1);
    }
    add(maker, CALLS_BIND, 0, 0, below(maker, 2));
    add(maker, CALLS_LISTEN, 0, 0, below(maker, 4));
    add(maker, CALLS_SOCKET, 1, 0, 0);
    add(maker, CALLS_CONNECT, 1, 0, 0);
    if (below(maker, 4) != 0) {
        add(maker, CALLS_ACCEPT, 0, 0, 0);
    }
    if (below(maker, 2) != 0) { /* the number of steps is limited */
        add(maker, CALLS_CLOSE, 0, 0, 0);
    }
}

void calls_generate(calls_script_t *script, ptk_test_random_t *random) {
    maker_t maker = {script, random, 0};
    script->family = below(&maker, 8) == 0 ? AF_INET6 : AF_INET;
    script->count = 0;
    if (below(&maker, 8) != 0) {
        add_connection(&maker);
    } else {
        add(&maker, CALLS_SOCKET, 0, 0, 0);
        add(&maker, CALLS_SOCKET, 1, 0, 0);
    }
    for (unsigned more = 4 + below(&maker, 24); more > 0; more--) {
        calls_op_t op = draw_op(&maker);
        unsigned slot = below(&maker, CALLS_SLOTS);
        unsigned other = below(&maker, CALLS_SLOTS);
        add(&maker, op, slot, other, draw_amount(&maker, op));
    }
}

void calls_print(const calls_step_t *step, char *text_out, size_t text_bytes) {
    static const char *const names[CALLS_OPS] = {
        [CALLS_SOCKET] = "socket",
        [CALLS_BIND] = "bind",
        [CALLS_LISTEN] = "listen",
        [CALLS_CONNECT] = "connect",
        [CALLS_ACCEPT] = "accept",
        [CALLS_SEND] = "send",
        [CALLS_RECV] = "recv",
        [CALLS_SHUTDOWN] = "shutdown",
        [CALLS_CLOSE] = "close",
        [CALLS_ABORT] = "abort",
        [CALLS_DISCONNECT] = "disconnect",
        [CALLS_REUSE] = "reuse",
        [CALLS_NAMES] = "names",
        [CALLS_ERROR] = "error",
    };
    (void) ptk_sys_format(text_out, text_bytes, "%s slot %u, other %u, amount %u", names[step->op],
                          step->slot, step->other, step->amount);
}

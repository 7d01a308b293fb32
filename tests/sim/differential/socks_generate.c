/* SPDX-License-Identifier: MIT */
/*
 * Random scripts of socket calls; see calls_generate.c. A send fits into one segment of the simulation: those
 * of the real loopback are larger, and how much of a longer send the first wake finds depends on the network.
 */
#include "socks.h"
#include "scripts.h"

#include "sys/ptk_sys.h"

#define MOST_BYTES 24000

static const unsigned weights[SOCKS_OPS] = {
    [SOCKS_OPEN] = 6,       [SOCKS_BIND] = 3,  [SOCKS_LISTEN] = 3,    [SOCKS_CONNECT] = 10,
    [SOCKS_ACCEPT] = 10,    [SOCKS_SEND] = 12, [SOCKS_SEND_SOME] = 6, [SOCKS_RECV] = 14,
    [SOCKS_RECV_SOME] = 10, [SOCKS_WAIT] = 8,  [SOCKS_SHUTDOWN] = 7,  [SOCKS_CLOSE] = 4,
    [SOCKS_ABORT] = 3,      [SOCKS_NAMES] = 5, [SOCKS_CANCEL] = 4,
};

typedef struct maker {
    socks_script_t *script;
    ptk_test_random_t *random;
    unsigned bytes; /* sent so far */
} maker_t;

static unsigned below(maker_t *maker, unsigned limit) {
    return (unsigned) ptk_test_random_below(maker->random, limit);
}

static void add(maker_t *maker, socks_step_t step) {
    socks_script_t *script = maker->script;
    if (script->count < SOCKS_STEPS) {
        script->steps[script->count++] = step;
    }
}

static socks_op_t draw_op(maker_t *maker) {
    unsigned drawn = below(maker, scripts_sum(weights, SOCKS_OPS));
    return (socks_op_t) scripts_pick(weights, drawn);
}

static unsigned draw_amount(maker_t *maker, socks_op_t op) {
    static const unsigned sizes[] = {0, 1, 1, 2, 7, 7, 100, 1000, 1459, 1460};
    unsigned bytes = sizes[below(maker, sizeof sizes / sizeof sizes[0])];
    switch (op) {
    case SOCKS_SEND:
    case SOCKS_SEND_SOME:
        bytes = maker->bytes + bytes > MOST_BYTES ? 1 : bytes;
        maker->bytes += bytes;
        return bytes;
    case SOCKS_RECV:
    case SOCKS_RECV_SOME:
        return bytes;
    case SOCKS_WAIT:
    case SOCKS_SHUTDOWN:
        return 1 + below(maker, 3);
    default:
        return below(maker, 4);
    }
}

static socks_patience_t draw_patience(maker_t *maker) {
    unsigned drawn = below(maker, 8);
    return drawn < 4 ? SOCKS_AT_ONCE : (drawn == 4 ? SOCKS_SHORTLY : SOCKS_AS_A_TASK);
}

static void add_connection(maker_t *maker) {
    add(maker, (socks_step_t) {.op = SOCKS_OPEN});
    add(maker, (socks_step_t) {.op = SOCKS_BIND});
    add(maker, (socks_step_t) {.op = SOCKS_LISTEN, .amount = below(maker, 4)});
    add(maker, (socks_step_t) {.op = SOCKS_OPEN, .slot = 1});
    bool is_awaited = below(maker, 4) == 0;
    if (is_awaited) {
        add(maker, (socks_step_t) {.op = SOCKS_ACCEPT, .patience = SOCKS_AS_A_TASK});
    }
    add(maker, (socks_step_t) {.op = SOCKS_CONNECT, .slot = 1, .patience = SOCKS_SHORTLY});
    if (!is_awaited && below(maker, 4) != 0) {
        add(maker, (socks_step_t) {.op = SOCKS_ACCEPT});
    }
}

void socks_generate(socks_script_t *script, ptk_test_random_t *random) {
    maker_t maker = {script, random, 0};
    script->count = 0;
    if (below(&maker, 8) != 0) {
        add_connection(&maker);
    }
    for (unsigned more = 4 + below(&maker, 24); more > 0; more--) {
        socks_step_t step = {.op = draw_op(&maker)};
        step.slot = below(&maker, SOCKS_SLOTS);
        step.other = below(&maker, SOCKS_SLOTS);
        step.amount = draw_amount(&maker, step.op);
        step.patience = draw_patience(&maker);
        add(&maker, step);
    }
}

void socks_print(const socks_step_t *step, char *text_out, size_t text_bytes) {
    static const char *const names[SOCKS_OPS] = {
        [SOCKS_OPEN] = "open",           [SOCKS_BIND] = "bind",         [SOCKS_LISTEN] = "listen",
        [SOCKS_CONNECT] = "connect",     [SOCKS_ACCEPT] = "accept",     [SOCKS_SEND] = "send",
        [SOCKS_SEND_SOME] = "send_some", [SOCKS_RECV] = "recv",         [SOCKS_RECV_SOME] = "recv_some",
        [SOCKS_WAIT] = "wait",           [SOCKS_SHUTDOWN] = "shutdown", [SOCKS_CLOSE] = "close",
        [SOCKS_ABORT] = "abort",         [SOCKS_NAMES] = "names",       [SOCKS_CANCEL] = "cancel",
    };
    static const char *const patience[] = {"at once", "shortly", "as a task"};
    (void) ptk_sys_format(text_out, text_bytes, "%s slot %u, other %u, amount %u, %s", names[step->op],
                          step->slot, step->other, step->amount, patience[step->patience]);
}

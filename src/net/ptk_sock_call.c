/* SPDX-License-Identifier: MIT */
/* Entering and leaving a socket's calls (layer 5): the unusual cases. The model stands in ptk_sock_impl.h. */
#include "net/ptk_sock_impl.h"

/* What a green thread waits for in a gate's queue, for the dump. */
static const char *const gate_kinds[] = {
    [PTK_SOCK_VERB_RECV] = "gate to receive",    [PTK_SOCK_VERB_ACCEPT] = "gate to accept",
    [PTK_SOCK_VERB_SEND] = "gate to send",       [PTK_SOCK_VERB_SEND_SOME] = "gate to send",
    [PTK_SOCK_VERB_CONNECT] = "gate to connect",
};

/* Returns OK if the socket's state allows a connect, else the code of the state. */
static ptk_err check_connect_state(const ptk_sock_t *sock) {
    switch ((ptk_sock_state_t) sock->state) {
    case PTK_SOCK_CONNECTED:
        return PTK_ERR_ALREADY_CONNECTED;
    case PTK_SOCK_LISTENING:
        return PTK_ERR_LISTENING;
    case PTK_SOCK_FAILED:
        return PTK_ERR_CONNECT_FAILED;
    case PTK_SOCK_UNLISTENED:
        return PTK_ERR_CLOSED;
    case PTK_SOCK_OPEN:
    case PTK_SOCK_BOUND:
    case PTK_SOCK_CONNECTING:
        break;
    }
    return sock->outbound_gate.unusual & PTK_GATE_TAKEN ? PTK_ERR_BUSY : PTK_OK;
}

static ptk_err check_accept_state(const ptk_sock_t *sock) {
    if (sock->state == PTK_SOCK_UNLISTENED) {
        return PTK_ERR_CLOSED;
    }
    return sock->state == PTK_SOCK_LISTENING ? PTK_OK : PTK_ERR_NOT_LISTENING;
}

/* Returns OK if the socket's state allows the call, else the code of the state. While a connect is under way
   no transfer is allowed: it would take the error that the connect is to find. */
static ptk_err check_state(const ptk_sock_t *sock, ptk_sock_verb_t verb) {
    switch (verb) {
    case PTK_SOCK_VERB_ACCEPT:
        return check_accept_state(sock);
    case PTK_SOCK_VERB_CONNECT:
        return check_connect_state(sock);
    case PTK_SOCK_VERB_RECV:
    case PTK_SOCK_VERB_SEND:
    case PTK_SOCK_VERB_SEND_SOME:
        break;
    }
    return sock->state == PTK_SOCK_CONNECTED ? PTK_OK : PTK_ERR_NOT_CONNECTED;
}

/* Waits for the gate. The socket may have been closed, its listening ended, or a send cut short, meanwhile.
 */
static ptk_err pass_gate(ptk_sock_call_t *call, ptk_sock_verb_t verb) {
    ptk_sock_t *sock = call->sock;
    ptk_err err = ptk_gate_enter(call->gate, &call->call, gate_kinds[verb], sock);
    if (err != PTK_OK || sock->pin.closed) {
        return sock->pin.closed ? PTK_ERR_CLOSED : err;
    }
    if (verb == PTK_SOCK_VERB_ACCEPT) {
        err = check_accept_state(sock);
    } else if (verb == PTK_SOCK_VERB_SEND && sock->missing_bytes > 0) {
        err = PTK_ERR_BROKEN;
    }
    if (err != PTK_OK) {
        ptk_gate_leave(call->gate);
    }
    return err;
}

/* Enters a socket inside an entered call. OK: gate and pin are held. */
static ptk_err enter_sock(ptk_sock_call_t *call, const ptk_sock_t *token, ptk_sock_verb_t verb) {
    ptk_sock_t *sock = ptk_sock_find(token); /* the call may have yielded */
    if (!sock) {
        return PTK_ERR_CLOSED;
    }
    ptk_err err = check_state(sock, verb);
    if (err != PTK_OK) {
        return err;
    }
    call->sock = sock;
    call->gate = ptk_sock_gate(sock, verb);
    ptk_pin_take(&sock->pin);
    err = pass_gate(call, verb);
    ptk_assert(err != PTK_OK || (call->gate->unusual & PTK_GATE_TAKEN));
    if (err != PTK_OK) {
        (void) ptk_pin_drop(&sock->pin);
    }
    return err;
}

ptk_err ptk_sock_enter_unusual(ptk_sock_call_t *call, const ptk_sock_t *token, ptk_sock_verb_t verb,
                               uint32_t timeout_ms) {
    if (!ptk_sock_find(token)) {
        return ptk_fail(ptk_token_refusal(token));
    }
    ptk_err err = ptk_call_enter(&call->call, ptk_scheduler_here(), timeout_ms);
    if (err == PTK_OK) {
        err = enter_sock(call, token, verb);
    }
    return err == PTK_OK ? PTK_OK : ptk_fail(err);
}

/* The gate of a closed socket is not left: its close has ended the waits in the queue. A result that came
 * before the close stays. */
ptk_err ptk_sock_leave_unusual(ptk_sock_call_t *call, ptk_err err) {
    bool closed = call->sock->pin.closed;
    ptk_assert(call->sock->pin.count > 0 && closed == (call->sock->head.token == 0));
    if (!closed) {
        ptk_gate_leave(call->gate);
    }
    (void) ptk_pin_drop(&call->sock->pin);
    if (err == PTK_OK) {
        return PTK_OK;
    }
    return closed ? ptk_fail(PTK_ERR_CLOSED) : ptk_call_fail(&call->call, err);
}

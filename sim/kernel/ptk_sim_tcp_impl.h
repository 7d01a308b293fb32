/* SPDX-License-Identifier: MIT */
/*
 * The inside of simulated TCP (layer 0). Its files, lowest first: _stream (bytes in a ring), _ports (who has
 * which port), _end (one endpoint: begin, die, tell), _output (segments out), _alarm (what happens when no
 * answer comes), _acknowledge, _content and _handshake (what segments bring), _input (segments in); and the
 * calls of programs: _bind, _connect, _option and ptk_sim_tcp.c.
 */
#pragma once

#include "sim/kernel/ptk_sim_tcp.h"
#include <poll.h>

#define PTK_SIM_TCP_SEGMENT_BYTES 1460
#define PTK_SIM_TCP_TIME_WAIT_NS  UINT64_C(60000000000)
#define PTK_SIM_TCP_FIRST_WAIT_NS UINT64_C(1000000000)
#define PTK_SIM_TCP_USUAL_BUFFER  65536

typedef enum ptk_sim_tcp_phase {
    PTK_SIM_TCP_CLOSED,
    PTK_SIM_TCP_LISTEN,
    PTK_SIM_TCP_SYN_SENT,
    PTK_SIM_TCP_SYN_RECEIVED,
    PTK_SIM_TCP_ESTABLISHED,
    PTK_SIM_TCP_FIN_WAIT_1,
    PTK_SIM_TCP_FIN_WAIT_2,
    PTK_SIM_TCP_CLOSE_WAIT,
    PTK_SIM_TCP_CLOSING,
    PTK_SIM_TCP_LAST_ACK,
    PTK_SIM_TCP_TIME_WAIT
} ptk_sim_tcp_phase_t;

/* What the program has done towards a connection, which decides what its next connect answers. */
typedef enum ptk_sim_tcp_attempt {
    PTK_SIM_TCP_UNCONNECTED,
    PTK_SIM_TCP_CONNECTING, /* until a connect has answered 0 */
    PTK_SIM_TCP_CONNECTED,
    PTK_SIM_TCP_DISCONNECTING
} ptk_sim_tcp_attempt_t;

enum { PTK_SIM_TCP_FIN = 1, PTK_SIM_TCP_SYN = 2, PTK_SIM_TCP_RST = 4, PTK_SIM_TCP_PSH = 8 };
enum { PTK_SIM_TCP_ACK = 16, PTK_SIM_TCP_URG = 32 };
enum { PTK_SIM_TCP_SHUT_IN = 1, PTK_SIM_TCP_SHUT_OUT = 2, PTK_SIM_TCP_SHUT_BOTH = 3 };

/* --- bytes in a ring --- */
typedef struct ptk_sim_stream {
    uint8_t *data;
    uint32_t capacity;
    uint32_t start;
    uint32_t count;
} ptk_sim_stream_t;

void ptk_sim_stream_append(ptk_sim_stream_t *stream, const uint8_t *bytes, uint32_t count);
void ptk_sim_stream_copy(const ptk_sim_stream_t *stream, uint32_t offset, uint8_t *bytes, uint32_t count);
void ptk_sim_stream_drop(ptk_sim_stream_t *stream, uint32_t count);
void ptk_sim_stream_clear(ptk_sim_stream_t *stream);

/* --- hash tables; what has equal hashes stays in the order of entering --- */
typedef struct ptk_sim_tcp_link {
    ptk_list_node_t node;
    uint32_t hash;
} ptk_sim_tcp_link_t;

typedef struct ptk_sim_tcp_table {
    ptk_list_t *buckets;
    uint32_t capacity;
    uint32_t count;
} ptk_sim_tcp_table_t;

/* Of one node. */
typedef struct ptk_sim_tcp_tables {
    ptk_sim_tcp_table_t ports;     /* everything that has a local port, by it */
    ptk_sim_tcp_table_t pairs;     /* everything that has a peer, by both addresses */
    ptk_sim_tcp_table_t listeners; /* by port */
    ptk_list_t all;
    uint32_t count;
    uint32_t next_port; /* where the search for a free one begins */
} ptk_sim_tcp_tables_t;

/* One endpoint. Sequence numbers are compared modulo 2^32. */
typedef struct ptk_sim_tcp_state {
    ptk_sim_tcp_t tcp;
    ptk_list_node_t in_all;
    ptk_sim_tcp_link_t by_port;
    ptk_sim_tcp_link_t by_pair;
    ptk_sim_tcp_link_t by_listener;
    ptk_sim_addr_t local;
    ptk_sim_addr_t peer;
    ptk_sim_tcp_phase_t phase;
    ptk_sim_tcp_attempt_t attempt;
    int family;
    int error;
    uint32_t events; /* to tell the owner */
    uint8_t shut;
    bool is_owned;    /* a program has a descriptor of it */
    bool is_bound;    /* by bind or listen */
    bool keeps_port;  /* bound to a port that the program chose */
    bool keeps_addr;  /* bound to an address other than "any" */
    bool had_fin;     /* the peer's has arrived, and all before it */
    bool wants_space; /* a send found too little room, or a poll none */
    /* options */
    bool reuses_addr, reuses_port, is_kept_alive, has_no_delay, has_urgent_inline, is_ipv6_only, lingers;
    int linger_seconds;
    uint32_t send_limit, receive_limit; /* bytes of payload */
    /* the backlog */
    struct ptk_sim_tcp_state *parent; /* the listener, until it is accepted */
    ptk_list_node_t in_parent;        /* in one of these two of the parent's */
    ptk_list_t ready;                 /* to be accepted */
    ptk_list_t pending;               /* SYN_RECEIVED */
    uint32_t ready_count, ready_limit;
    bool is_ready; /* in the parent's `ready` */
    /* out */
    ptk_sim_stream_t outgoing; /* from `unacknowledged` on */
    uint32_t unacknowledged;   /* the oldest number that is */
    uint32_t next;             /* to be sent; goes back when no answer came */
    uint32_t most;             /* the furthest `next` ever was */
    uint32_t send_edge;        /* where the peer's window ends */
    uint32_t urgent_out;       /* the number after the last urgent byte */
    bool has_urgent_out, has_fin_out, is_fin_acknowledged;
    /* in */
    ptk_sim_stream_t incoming; /* from `read` on */
    uint32_t expected;         /* the next number of the peer's */
    uint32_t read;             /* the next number that the program reads */
    uint32_t receive_edge;     /* where the window that the peer knows ends */
    uint32_t urgent_in;        /* the urgent byte's number */
    enum { PTK_SIM_TCP_NO_URGENT, PTK_SIM_TCP_URGENT_ANNOUNCED, PTK_SIM_TCP_URGENT_HERE } urgent;
    bool owes_ack;
    uint64_t last_challenge_ns; /* when it last answered something that is out of the window; 0: never */
    /* time */
    ptk_sim_event_t alarm;  /* retransmission, probe, end of TIME_WAIT */
    ptk_sim_event_t notice; /* the program's own call concerns its pollers */
    uint64_t smooth_ns, deviation_ns, wait_ns;
    uint64_t timed_at_ns;
    uint32_t timed; /* the number whose acknowledgement ends the measurement */
    bool is_timing;
    uint32_t retries; /* of what is not acknowledged */
    uint32_t probes;  /* of a window that is shut; and how many of them without an answer */
    uint32_t unanswered;
} ptk_sim_tcp_end_t;

static inline bool ptk_sim_is_before(uint32_t one, uint32_t other) {
    return (int32_t) (one - other) < 0;
}

static inline bool ptk_sim_is_after(uint32_t one, uint32_t other) {
    return (int32_t) (other - one) < 0;
}

static inline ptk_sim_net_t *ptk_sim_tcp_net(const ptk_sim_tcp_end_t *end) {
    return end->tcp.node->net;
}

static inline uint64_t ptk_sim_tcp_now(const ptk_sim_tcp_end_t *end) {
    return end->tcp.node->net->events.now_ns;
}

static inline void ptk_sim_tcp_strike_alarm(ptk_sim_tcp_end_t *end) {
    ptk_sim_event_queue_cancel(&end->tcp.node->net->events, &end->alarm);
}

/* --- ports --- */
ptk_sim_tcp_tables_t *ptk_sim_tcp_tables(ptk_sim_node_t *node); /* made when they are needed */
void ptk_sim_tcp_tables_free(ptk_sim_node_t *node);
void ptk_sim_tcp_enter_port(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_enter_pair(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_enter_listener(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_leave_port(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_leave_pair(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_leave_listeners(ptk_sim_tcp_end_t *end);
ptk_sim_tcp_end_t *ptk_sim_tcp_find_pair(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                         const ptk_sim_addr_t *peer);
ptk_sim_tcp_end_t *ptk_sim_tcp_find_listener(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                             const ptk_sim_addr_t *peer);
/* Somebody else has its local address and port, and does not share it. */
bool ptk_sim_tcp_is_taken(const ptk_sim_tcp_end_t *end);
/* Find a free local port, for itself or towards its peer; false: there is none. */
bool ptk_sim_tcp_choose_port(ptk_sim_tcp_end_t *end);
bool ptk_sim_tcp_choose_port_to_peer(ptk_sim_tcp_end_t *end);

/* --- one endpoint --- */
ptk_sim_tcp_end_t *ptk_sim_tcp_end_create(ptk_sim_node_t *node, int family,
                                          void (*alarm)(ptk_sim_event_t *event));
/* Its local address is "any"; the port stays. */
void ptk_sim_tcp_forget_address(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_end_free(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_tell(ptk_sim_tcp_end_t *end, uint32_t events);
uint32_t ptk_sim_tcp_poll(const ptk_sim_tcp_end_t *end);
int ptk_sim_tcp_take_error(ptk_sim_tcp_end_t *end);
/* It is CLOSED from now on, in both directions; what has arrived can still be read. */
void ptk_sim_tcp_die(ptk_sim_tcp_end_t *end, int error);
/* Its number pair waits by itself; what the program has of it is CLOSED. */
void ptk_sim_tcp_wait_out(ptk_sim_tcp_end_t *end);
/* The last thing of every event: tell the owner what has gathered, and free what nobody needs any more. */
void ptk_sim_tcp_settle(ptk_sim_tcp_end_t *end);

/* --- segments out --- */
uint32_t ptk_sim_tcp_first_sequence(const ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_send_control(ptk_sim_tcp_end_t *end, uint8_t flags, uint32_t sequence);
void ptk_sim_tcp_send_ack(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_send_reset(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_refuse(ptk_sim_node_t *node, const ptk_sim_packet_t *packet);
/* Send SYN, or SYN and ACK; again. */
void ptk_sim_tcp_send_syn(ptk_sim_tcp_end_t *end);
/* Send whatever may be sent, and set the alarm. */
void ptk_sim_tcp_output(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_set_alarm(ptk_sim_tcp_end_t *end);
/* The program has read something: tell the peer if that is worth a packet. */
void ptk_sim_tcp_open_window(ptk_sim_tcp_end_t *end);

/* --- what a segment brings --- */
/* How long the way to the peer and back is, if this ends a measurement. */
void ptk_sim_tcp_measure(ptk_sim_tcp_end_t *end, uint32_t acknowledged);
void ptk_sim_tcp_take_acknowledgement(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet);
void ptk_sim_tcp_be_reset(ptk_sim_tcp_end_t *end);
void ptk_sim_tcp_take_content(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet);
/* A SYN comes to a listener. */
void ptk_sim_tcp_welcome(ptk_sim_tcp_end_t *listener, const ptk_sim_packet_t *packet);
void ptk_sim_tcp_arrive_at_syn_sent(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet);
/* The SYN once more: as it came, or as the answer to one's own when both have called each other. True: that
   was all. */
bool ptk_sim_tcp_is_syn_again(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet);
/* True: it is a connection, perhaps by this very segment. */
bool ptk_sim_tcp_complete(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet);

/* --- events --- */
void ptk_sim_tcp_alarm(ptk_sim_event_t *event);
void ptk_sim_tcp_arrives(ptk_sim_node_t *node, const ptk_sim_packet_t *packet);

/* --- names, connect and back --- */
/* `addr` is one of the node's, or any. */
bool ptk_sim_tcp_is_own(const ptk_sim_tcp_end_t *end, const ptk_sim_addr_t *addr);
/* As a call of this endpoint's family takes it; 0 or -errno. */
int ptk_sim_tcp_address_from(const ptk_sim_tcp_end_t *end, ptk_sim_addr_t *addr_out,
                             const struct sockaddr *addr, socklen_t addrlen);
/* Its backlog is reset. */
void ptk_sim_tcp_stop_listening(ptk_sim_tcp_end_t *end);
/* As good as new, after a reset if it was in the middle of a connection. */
void ptk_sim_tcp_disconnect(ptk_sim_tcp_end_t *end);

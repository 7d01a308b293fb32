/* SPDX-License-Identifier: MIT */
/*
 * The inside of simulated TCP.
 *
 * Names follow RFC 9293 (snd_una, snd_nxt, rcv_nxt, the states) and RFC 6298 (srtt, rttvar, rto); where the
 * RFCs have no name, Linux's or BSD's is used (snd_max, copied_seq, accept queue, SYN queue).
 *
 * The files, lowest first:
 *   _ring        bytes in a ring buffer
 *   _ports       hash tables of ports, connections and listeners
 *   _tcb         create, close, notify and free one control block
 *   _output      segments out
 *   _keepalive   the keepalive timer
 *   _timer       retransmission, persist, FIN_WAIT_2 and TIME_WAIT timers
 *   _ack, _data, _handshake   what the parts of a segment do
 *   _input       segments in
 *   _bind, _connect, _option, and ptk_sim_tcp.c   the calls of programs
 *
 * Sequence numbers are compared modulo 2^32 (ptk_sim_seq_before, ptk_sim_seq_after).
 */
#pragma once

#include "sim/kernel/ptk_sim_tcp.h"
#include <poll.h>

/* of Ethernet; smaller than loopback's, so that streams are cut */
#define PTK_SIM_TCP_MSS                  1460
#define PTK_SIM_TCP_TIME_WAIT_NS         UINT64_C(60000000000) /* of FIN_WAIT_2 without a program, too */
#define PTK_SIM_TCP_INITIAL_RTO_NS       UINT64_C(1000000000)
#define PTK_SIM_TCP_MAX_RTO_NS           UINT64_C(120000000000)
#define PTK_SIM_TCP_DEFAULT_BUFFER_BYTES 65536

/* net.ipv4.tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes */
#define PTK_SIM_TCP_KEEPALIVE_IDLE_S     7200
#define PTK_SIM_TCP_KEEPALIVE_INTERVAL_S 75
#define PTK_SIM_TCP_KEEPALIVE_COUNT      9

/* The states of RFC 9293, section 3.3.2. The order matters: comparisons select ranges of it. */
typedef enum ptk_sim_tcp_state {
    PTK_SIM_TCP_CLOSED,   /* no connection: new, ended, or disconnected */
    PTK_SIM_TCP_LISTEN,   /* has a backlog */
    PTK_SIM_TCP_SYN_SENT, /* connect: our SYN is unacknowledged */
    /* a child, or a simultaneous open: both SYNs are known, ours is unacknowledged */
    PTK_SIM_TCP_SYN_RECEIVED,
    PTK_SIM_TCP_ESTABLISHED, /* both SYNs are acknowledged */
    PTK_SIM_TCP_FIN_WAIT_1,  /* our FIN is unacknowledged, the peer's has not arrived */
    PTK_SIM_TCP_FIN_WAIT_2,  /* our FIN is acknowledged, the peer's has not arrived */
    PTK_SIM_TCP_CLOSE_WAIT,  /* the peer's FIN has arrived, ours is not queued */
    PTK_SIM_TCP_CLOSING,     /* both FINs were sent at the same time, ours is unacknowledged */
    PTK_SIM_TCP_LAST_ACK,    /* the peer's FIN has arrived, ours is unacknowledged */
    PTK_SIM_TCP_TIME_WAIT    /* acknowledges retransmissions of the peer until old segments have expired */
} ptk_sim_tcp_state_t;

/* The state of the socket in front of the connection (SS_* in Linux). It selects what the next connect
   returns. */
typedef enum ptk_sim_tcp_socket_state {
    PTK_SIM_TCP_UNCONNECTED, /* connect may start */
    PTK_SIM_TCP_CONNECTING,  /* until a connect has returned 0 */
    PTK_SIM_TCP_CONNECTED,
    PTK_SIM_TCP_DISCONNECTING /* shut down before the connection existed */
} ptk_sim_tcp_socket_state_t;

/* Flags of a segment, as on the wire. */
enum { PTK_SIM_TCP_FIN = 1, PTK_SIM_TCP_SYN = 2, PTK_SIM_TCP_RST = 4, PTK_SIM_TCP_PSH = 8 };
enum { PTK_SIM_TCP_ACK = 16, PTK_SIM_TCP_URG = 32 };

/* Directions that are shut down: SHUT_RD, SHUT_WR and SHUT_RDWR plus 1. */
enum { PTK_SIM_TCP_SHUT_RD = 1, PTK_SIM_TCP_SHUT_WR = 2, PTK_SIM_TCP_SHUT_RDWR = 3 };

/* --- ring buffer --- */
typedef struct ptk_sim_ring {
    uint8_t *data;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t start;
    uint32_t count;
} ptk_sim_ring_t;

/* Appends bytes; the ring grows as needed. */
void ptk_sim_ring_append(ptk_sim_ring_t *ring, const uint8_t *bytes, uint32_t count);

/* Copies bytes that start `offset` behind the first; they stay in the ring. */
void ptk_sim_ring_copy(const ptk_sim_ring_t *ring, uint32_t offset, uint8_t *bytes, uint32_t count);

/* Removes the first `count` bytes. */
void ptk_sim_ring_drop(ptk_sim_ring_t *ring, uint32_t count);

/* Removes all bytes and frees the memory. */
void ptk_sim_ring_clear(ptk_sim_ring_t *ring);

/* --- hash tables; entries with equal hashes stay in the order of insertion --- */
typedef struct ptk_sim_tcp_link {
    ptk_list_node_t node;
    uint32_t hash;
} ptk_sim_tcp_link_t;

typedef struct ptk_sim_tcp_table {
    ptk_list_t *buckets;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t count;
} ptk_sim_tcp_table_t;

/* The control blocks of one node. */
typedef struct ptk_sim_tcp_tables {
    ptk_sim_tcp_table_t ports;     /* those with a local port, by it */
    ptk_sim_tcp_table_t pairs;     /* those with a peer, by both addresses */
    ptk_sim_tcp_table_t listeners; /* those in LISTEN, by port */
    ptk_list_t all;
    uint32_t count;
    uint32_t next_port; /* where the search for a free ephemeral port starts */
} ptk_sim_tcp_tables_t;

/*
 * Transmission control block: one endpoint, from socket() until the last timer of its connection.
 *
 * It is owned by a program (`is_owned`, a descriptor refers to it), by its listener's backlog (`listener`),
 * or by nothing but the node's tables (an orphan, TIME_WAIT). See ptk_sim_tcp_finish_event() for when it is
 * freed.
 */
typedef struct ptk_sim_tcb {
    ptk_sim_tcp_t tcp; /* what the program's side sees */
    ptk_list_node_t in_all;
    ptk_sim_tcp_link_t by_port; /* entries in the node's tables */
    ptk_sim_tcp_link_t by_pair;
    ptk_sim_tcp_link_t by_listener;
    ptk_sim_addr_t local;
    ptk_sim_addr_t peer;
    ptk_sim_tcp_state_t state;
    ptk_sim_tcp_socket_state_t socket_state;
    int family;              /* AF_INET or AF_INET6, as of socket() */
    int error;               /* SO_ERROR */
    uint32_t pending_events; /* poll bits that the owner is notified of at the end of the event */
    uint8_t shutdown;        /* PTK_SIM_TCP_SHUT_*; SHUT_RD also by the peer's FIN */
    bool is_owned;           /* a program has a descriptor of it */
    bool is_bound;           /* by bind or listen, not by connect */
    bool keeps_port;         /* bound to a port that the program chose: it survives the connection */
    bool keeps_addr;         /* bound to an address other than "any": it survives the connection */
    bool fin_received;       /* and everything before it */
    bool drops_segments;     /* a filter of the program drops whatever arrives (SO_ATTACH_FILTER) */
    bool has_no_space;       /* a send or poll found too little room: POLLOUT is due (SOCK_NOSPACE) */
    /* Options. */
    bool reuses_addr, reuses_port, is_kept_alive, has_no_delay, has_oob_inline, is_ipv6_only, lingers;
    int linger_seconds;                               /* only 0 has an effect: close resets */
    uint32_t send_buffer_bytes, receive_buffer_bytes; /* SO_SNDBUF and SO_RCVBUF, in bytes of payload */
    uint32_t keepalive_idle_s, keepalive_interval_s, keepalive_count;
    uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0: the numbers of retransmissions and probes decide */
    /* Backlog. */
    struct ptk_sim_tcb *listener; /* of a child that has not been accepted yet; else NULL */
    ptk_list_node_t in_backlog;   /* of the listener: in one of the next two lists */
    ptk_list_t accept_queue;      /* complete connections, oldest first */
    ptk_list_t syn_queue;         /* children in SYN_RECEIVED */
    uint32_t accept_count;        /* length of accept_queue */
    uint32_t accept_limit;        /* the backlog of listen() */
    bool is_in_accept_queue;      /* of the listener */
    /* Send sequence variables. */
    ptk_sim_ring_t send_buffer; /* bytes from snd_una on */
    uint32_t snd_una;           /* oldest unacknowledged number */
    uint32_t snd_nxt;           /* next number to send; goes back to snd_una for a retransmission */
    uint32_t snd_max;           /* the highest value that snd_nxt ever had */
    uint32_t snd_wnd_end;       /* right edge of the send window: snd_una + snd_wnd at its furthest */
    uint32_t snd_up;            /* the number after the last urgent byte, if has_snd_up */
    bool has_snd_up, fin_queued, fin_acknowledged;
    /* Receive sequence variables. */
    ptk_sim_ring_t receive_buffer; /* bytes from copied_seq up to rcv_nxt */
    uint32_t rcv_nxt;              /* next number expected of the peer */
    uint32_t copied_seq;           /* next number that the program reads */
    uint32_t rcv_wnd_end;          /* right edge of the receive window as last advertised */
    uint32_t rcv_up;               /* the urgent byte's number, unless urg_state is NONE */
    enum { PTK_SIM_TCP_URG_NONE, PTK_SIM_TCP_URG_NOTYET, PTK_SIM_TCP_URG_VALID } urg_state;
    bool ack_pending; /* the next segment carries an ACK, or one is sent at the end of the event */
    uint64_t last_challenge_ack_ns; /* of an ACK for an unacceptable segment without data; 0: none yet */
    /* Timers. One at a time: retransmission, persist, FIN_WAIT_2 or TIME_WAIT, by state. */
    ptk_sim_event_t timer;
    ptk_sim_event_t keepalive;      /* scheduled while the connection is synchronized and kept alive */
    ptk_sim_event_t shutdown_event; /* notifies pollers of the program's own shutdown */
    uint64_t srtt_ns, rttvar_ns, rto_ns;
    uint64_t rtt_start_ns;  /* when rtt_seq was sent */
    uint32_t rtt_seq;       /* an acknowledgement of this number ends the measurement */
    bool is_measuring_rtt;  /* never during a retransmission (Karn's algorithm) */
    uint32_t retransmits;   /* of what is at snd_una */
    uint32_t window_probes; /* sent since the window closed; they back off the persist timer */
    uint32_t unanswered_probes;
    uint32_t keepalive_probes; /* sent since the peer's last segment */
    uint64_t last_received_ns; /* when the peer's last segment was accepted */
    uint64_t stalled_since_ns; /* when snd_una was sent first, or the window was found closed */
} ptk_sim_tcb_t;

/* Compares sequence numbers modulo 2^32. */
static inline bool ptk_sim_seq_before(uint32_t one, uint32_t other) {
    return (int32_t) (one - other) < 0;
}

static inline bool ptk_sim_seq_after(uint32_t one, uint32_t other) {
    return (int32_t) (other - one) < 0;
}

/* Returns when the user timeout ends for what is unacknowledged, or for the closed window; UINT64_MAX: there
   is none. */
static inline uint64_t ptk_sim_tcp_user_timeout_end(const ptk_sim_tcb_t *tcb) {
    return tcb->user_timeout_ms > 0 ? tcb->stalled_since_ns + tcb->user_timeout_ms * UINT64_C(1000000)
                                    : UINT64_MAX;
}

/* Returns the net of the endpoint's node. */
static inline ptk_sim_net_t *ptk_sim_tcp_net(const ptk_sim_tcb_t *tcb) {
    return tcb->tcp.node->net;
}

/* Returns the world's time, which TCP's timers run on; a host's clock does not matter. */
static inline uint64_t ptk_sim_tcp_now(const ptk_sim_tcb_t *tcb) {
    return tcb->tcp.node->net->events.now_ns;
}

/* Cancels whichever timer is armed. */
static inline void ptk_sim_tcp_cancel_timer(ptk_sim_tcb_t *tcb) {
    ptk_sim_event_queue_cancel(&tcb->tcp.node->net->events, &tcb->timer);
}

/* --- tables (_ports) --- */

/* Returns the node's tables and creates them at first use. */
ptk_sim_tcp_tables_t *ptk_sim_tcp_tables(ptk_sim_node_t *node);

/* Frees the tables, which must be empty. */
void ptk_sim_tcp_tables_free(ptk_sim_node_t *node);

/* Each inserts the block into one table, by what its addresses are now; they must not change while it is in
   there. */
void ptk_sim_tcp_insert_port(ptk_sim_tcb_t *tcb);
void ptk_sim_tcp_insert_pair(ptk_sim_tcb_t *tcb);
void ptk_sim_tcp_insert_listener(ptk_sim_tcb_t *tcb);

/* Each removes the block from one table; without effect if it is not in there. */
void ptk_sim_tcp_remove_port(ptk_sim_tcb_t *tcb);
void ptk_sim_tcp_remove_pair(ptk_sim_tcb_t *tcb);
void ptk_sim_tcp_remove_listener(ptk_sim_tcb_t *tcb);

/* Returns the connection between two addresses, or NULL. */
ptk_sim_tcb_t *ptk_sim_tcp_find_pair(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                     const ptk_sim_addr_t *peer);

/* Returns the listener that a SYN from `peer` to `local` is for, or NULL. */
ptk_sim_tcb_t *ptk_sim_tcp_find_listener(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                         const ptk_sim_addr_t *peer);

/* Returns whether another endpoint has the same local address and port and does not share it. */
bool ptk_sim_tcp_is_port_in_use(const ptk_sim_tcb_t *tcb);

/* Chooses a free ephemeral port: for bind and listen, or one that is free towards the peer. Returns false if
   there is none; the port is unchanged then. */
bool ptk_sim_tcp_choose_port(ptk_sim_tcb_t *tcb);
bool ptk_sim_tcp_choose_port_for_peer(ptk_sim_tcb_t *tcb);

/* --- one control block (_tcb) --- */

/* Creates a block in CLOSED. `timer` handles its timer. Never returns NULL. */
ptk_sim_tcb_t *ptk_sim_tcb_create(ptk_sim_node_t *node, int family, void (*timer)(ptk_sim_event_t *event));

/* Sets the local address to "any"; the port stays. */
void ptk_sim_tcp_reset_local_address(ptk_sim_tcb_t *tcb);

/* Frees the block at once, without a packet. Its backlog must be empty. */
void ptk_sim_tcb_free(ptk_sim_tcb_t *tcb);

/* Calls the owner's `changed`, if there is an owner and a bit is set. */
void ptk_sim_tcp_notify(ptk_sim_tcb_t *tcb, uint32_t events);

/* Returns the poll bits that hold now. */
uint32_t ptk_sim_tcp_poll_bits(const ptk_sim_tcb_t *tcb);

/* Returns SO_ERROR and clears it. */
int ptk_sim_tcp_take_error(ptk_sim_tcb_t *tcb);

/* Changes to CLOSED in both directions, with this error unless it is 0. Received bytes can still be read. */
void ptk_sim_tcp_set_closed(ptk_sim_tcb_t *tcb, int error);

/* Changes to TIME_WAIT. If a program owns the block, a new block without a program takes its place there and
   the program's own is CLOSED. */
void ptk_sim_tcp_enter_time_wait(ptk_sim_tcb_t *tcb);

/* Ends the handling of an event: notifies the owner of the pending events, or frees a block that is CLOSED
   and has neither an owner nor a place in an accept queue. The block must not be used afterwards. */
void ptk_sim_tcp_finish_event(ptk_sim_tcb_t *tcb);

/* --- segments out (_output) --- */

/* Chooses the initial send sequence number (ISS). */
uint32_t ptk_sim_tcp_choose_iss(const ptk_sim_tcb_t *tcb);

/* Sends a segment without data. */
void ptk_sim_tcp_send_control(ptk_sim_tcb_t *tcb, uint8_t flags, uint32_t seq);
void ptk_sim_tcp_send_ack(ptk_sim_tcb_t *tcb);
void ptk_sim_tcp_send_reset(ptk_sim_tcb_t *tcb);

/* Replies with RST to a segment that belongs to no connection; an RST gets no reply. */
void ptk_sim_tcp_reply_reset(ptk_sim_node_t *node, const ptk_sim_packet_t *packet);

/* Sends SYN, or SYN and ACK in SYN_RECEIVED, for the first time or again. */
void ptk_sim_tcp_send_syn(ptk_sim_tcb_t *tcb);

/* Sends the data, FIN and ACK that may be sent now, and arms the timer. */
void ptk_sim_tcp_output(ptk_sim_tcb_t *tcb);

/* Arms the retransmission or persist timer if something is unacknowledged or queued, and else cancels it. A
   timer that is armed already keeps its deadline. */
void ptk_sim_tcp_arm_timer(ptk_sim_tcb_t *tcb);

/* Sends a window update after the program has read, if the window grew enough for one. */
void ptk_sim_tcp_update_window(ptk_sim_tcb_t *tcb);

/* --- keepalive (_keepalive) --- */

/* Starts, restarts or stops the keepalive timer, as option and state require. */
void ptk_sim_tcp_start_keepalive(ptk_sim_tcb_t *tcb);
/* Moves a running keepalive timer to a new idle time. */
void ptk_sim_tcp_change_keepalive_idle(ptk_sim_tcb_t *tcb);
/* Records that a segment of the peer has arrived. */
void ptk_sim_tcp_note_peer(ptk_sim_tcb_t *tcb);

/* --- what a segment brings (_ack, _data, _handshake) --- */

/* Updates srtt, rttvar and rto if this acknowledgement ends a measurement. */
void ptk_sim_tcp_sample_rtt(ptk_sim_tcb_t *tcb, uint32_t ack);
/* Handles the acknowledgement and window of an acceptable segment. */
void ptk_sim_tcp_process_ack(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet);
/* Handles an acceptable RST. */
void ptk_sim_tcp_process_reset(ptk_sim_tcb_t *tcb);
/* Handles what an acceptable segment carries. */
void ptk_sim_tcp_process_data(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet);

/* Handles a SYN in LISTEN: creates a child in SYN_RECEIVED, or ignores the SYN if the accept queue is full.
 */
void ptk_sim_tcp_input_listen(ptk_sim_tcb_t *listener, const ptk_sim_packet_t *packet);
/* Handles a segment in SYN_SENT. */
void ptk_sim_tcp_input_syn_sent(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet);

/* Handles the peer's SYN when it arrives again in SYN_RECEIVED: as a retransmission, or with the ACK of our
   own SYN in a simultaneous open. Returns true if that was all the segment held. */
bool ptk_sim_tcp_input_repeated_syn(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet);

/* Completes the handshake if this segment acknowledges our SYN. Returns whether the connection is
   synchronized, by this segment or before. */
bool ptk_sim_tcp_complete_handshake(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet);

/* --- events --- */
/* Event handler of the block's timer. */
void ptk_sim_tcp_timer_expired(ptk_sim_event_t *event);
/* Handles a segment that a node receives. The packet stays the net's. */
void ptk_sim_tcp_input(ptk_sim_node_t *node, const ptk_sim_packet_t *packet);

/* --- addresses, connect and disconnect (_bind, _connect) --- */

/* Returns whether `addr` is one of the node's addresses, or "any". */
bool ptk_sim_tcp_is_own_address(const ptk_sim_tcb_t *tcb, const ptk_sim_addr_t *addr);

/* Converts a sockaddr as calls of this endpoint's family accept it. Returns 0 or -errno. */
int ptk_sim_tcp_addr_from_os(const ptk_sim_tcb_t *tcb, ptk_sim_addr_t *addr_out, const struct sockaddr *addr,
                             socklen_t addrlen);

/* Resets and frees the listener's backlog. */
void ptk_sim_tcp_stop_listening(ptk_sim_tcb_t *tcb);

/* Returns the endpoint to its state before connect or listen; resets a connection that is synchronized. */
void ptk_sim_tcp_disconnect(ptk_sim_tcb_t *tcb);

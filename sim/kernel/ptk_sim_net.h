/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: nodes with addresses, links between them, and packets in flight.
 *
 * A packet leaves a node, takes the link's time, and is delivered to the protocol of the node that has its
 * destination address, or is lost. The sender gives the packet away. TCP (ptk_sim_tcp.h) is built on this;
 * another protocol would use another `protocol` number.
 *
 * Ownership: the net owns its nodes, their links, and the packets in flight. Everything happens on one OS
 * thread, in events of `events`.
 */
#pragma once

#include "base/ptk_list.h"
#include "sim/kernel/ptk_sim_event_queue.h"
#include "sim/kernel/ptk_sim_trace.h"
#include <ptk_os_net.h>

typedef struct ptk_sim_net ptk_sim_net_t;
typedef struct ptk_sim_node ptk_sim_node_t;
typedef struct ptk_sim_packet ptk_sim_packet_t;

/* An internet address and port, comparable byte by byte. IPv4 addresses are mapped (::ffff:a.b.c.d). The
   port is in host byte order. */
typedef struct ptk_sim_addr {
    uint8_t bytes[16]; /* in network order */
    uint16_t port;     /* in host order */
} ptk_sim_addr_t;

enum { PTK_SIM_PROTOCOL_TCP = 6 };

/* A packet. The header fields are named after the TCP segment's variables (SEG.SEQ, SEG.ACK, SEG.WND). */
struct ptk_sim_packet {
    ptk_sim_event_t arrival; /* scheduled while the packet is in flight */
    ptk_sim_net_t *net;
    ptk_sim_addr_t from;
    ptk_sim_addr_t to;
    uint32_t from_node; /* index of the sender */
    uint32_t to_node;   /* index of the receiver; PTK_SIM_NO_HOST: no node has the address */
    /* Numbered in the order of departure, from 1 on; a duplicate has the number of its original. */
    uint32_t number;
    uint8_t protocol; /* PTK_SIM_PROTOCOL_TCP */
    uint8_t flags;    /* of the protocol */
    uint16_t urg_ptr; /* urgent pointer, relative to seq; with PTK_SIM_TCP_URG */
    uint32_t seq;
    uint32_t ack;
    uint32_t wnd;   /* in bytes: windows are not scaled */
    uint32_t bytes; /* of payload */
    uint8_t payload[];
};

/* One direction between two nodes. All times are in ns. */
typedef struct ptk_sim_link {
    uint64_t latency_ns;      /* the least latency */
    uint64_t latency_step_ns; /* PTK_SIM_SITE_LATENCY adds a multiple of this */
    uint32_t latency_steps;   /* the multiple is below this; at least 1 */
    uint64_t ns_per_byte;     /* bandwidth: how long one byte occupies the link; 0: unlimited */
    uint32_t loss_site;       /* the site that decides about loss; 0: PTK_SIM_SITE_LOSS */
    bool loses_all;           /* every packet is lost, until faults are off */
    uint32_t partition_count; /* partitions that hold; no packet passes unless it is 0 */
    uint64_t busy_until_ns;   /* private: when the last byte so far has left */
    /* Private: a packet does not arrive before this unless PTK_SIM_SITE_REORDER lets it overtake. */
    uint64_t last_arrival_ns;
} ptk_sim_link_t;

/* A node: the network side of a host, which outlives the host's crashes. */
struct ptk_sim_node {
    ptk_sim_net_t *net;
    uint32_t index;              /* in the net; also the number of its host */
    bool up;                     /* a node that is down neither sends nor receives */
    ptk_sim_addr_t addresses[4]; /* with port 0 */
    uint32_t address_count;
    ptk_sim_link_t **links; /* by the index of the other node; NULL: not used yet */
    uint32_t link_capacity;
    ptk_sim_link_t default_link; /* the net's, at the time when this node was added */
    void *tcp;                   /* ptk_sim_tcp_tables_t of this node; NULL until it is needed */
    void *kernel;                /* ptk_sim_kernel_t of this node */
};

/* The net of a world. */
struct ptk_sim_net {
    ptk_sim_event_queue_t events; /* the world's events and its time */
    ptk_sim_trace_t trace;        /* the world's trace */
    ptk_sim_node_t **nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    struct ptk_sim_address_slot *addresses; /* a hash table of all nodes' addresses */
    uint32_t address_count;
    uint32_t address_capacity;
    ptk_sim_link_t default_link; /* what the links of nodes that are added from now on are like */
    uint64_t packets_sent;
    uint64_t packets_lost; /* refused ones included */
    uint64_t packets_delivered;
    uint64_t bytes_delivered; /* payload only */
    bool faults_off;          /* no loss, no duplicates, no reordering, the least latency */
    /* Receives the packets of TCP; set by ptk_sim_tcp_create(). It must not keep the packet. */
    void (*tcp_input)(ptk_sim_node_t *node, const ptk_sim_packet_t *packet);
};

/* Initialises a net without nodes at time 0. */
void ptk_sim_net_init(ptk_sim_net_t *net);

/* Frees nodes, links, packets in flight, the event queue and the trace. The protocols must have freed their
   part before (ptk_sim_tcp_clear). */
void ptk_sim_net_fini(ptk_sim_net_t *net);

/* Adds a node, which is up and has no address. The net owns it. Its links to and from all others are like
   `default_link`; a node reaches itself (its own addresses, 127.0.0.0/8 and ::1) without a link, at once
   and without loss. */
ptk_sim_node_t *ptk_sim_net_add(ptk_sim_net_t *net);

/* Gives a node another address. Returns false if it has four already, or if another node has it. */
bool ptk_sim_node_add_address(ptk_sim_node_t *node, const ptk_sim_addr_t *addr);
/* Returns whether an address, ports aside, is the node's own; loopback addresses are. */
bool ptk_sim_node_has_address(const ptk_sim_node_t *node, const ptk_sim_addr_t *addr);

/* Returns the node's first address of a family (AF_INET, AF_INET6), which its packets come from. False: it
   has none. */
bool ptk_sim_node_address(const ptk_sim_node_t *node, int family, ptk_sim_addr_t *addr_out);

/* Returns the link from one node to another; creates it at first use. The pointer stays valid as long as
   the net. */
ptk_sim_link_t *ptk_sim_net_link(ptk_sim_net_t *net, uint32_t from, uint32_t to);

/* Returns the node that has an address as `from` sees it (loopback addresses are its own), or NULL. */
ptk_sim_node_t *ptk_sim_net_find(ptk_sim_node_t *from, const ptk_sim_addr_t *addr);

/* Creates a packet with room for `bytes` of payload; everything else is zero. It must be sent or freed. */
ptk_sim_packet_t *ptk_sim_packet_create(ptk_sim_net_t *net, uint32_t bytes);
/* Frees a packet, in flight or not. NULL is allowed. */
void ptk_sim_packet_free(ptk_sim_packet_t *packet);

/* Sends a packet from `node` to the node that has `packet->to`. The net owns it from now on. If no node has
   the address, the packet is counted as lost. */
void ptk_sim_packet_send(ptk_sim_node_t *node, ptk_sim_packet_t *packet);

/* Converts between sockaddr and ptk_sim_addr_t: 0 or -EAFNOSUPPORT, -EINVAL. An IPv4 address is written as
   AF_INET if `family` is that, and else mapped into IPv6. `addrlen` is in and out as in getsockname(2). */
int ptk_sim_addr_from_os(ptk_sim_addr_t *addr_out, const struct sockaddr *addr, socklen_t addrlen);
void ptk_sim_addr_to_os(const ptk_sim_addr_t *addr, int family, struct sockaddr *addr_out,
                        socklen_t *addrlen);
bool ptk_sim_addr_is_loopback(const ptk_sim_addr_t *addr);

/* Returns whether an address is a multicast group or the broadcast address; no stream can lead there. */
bool ptk_sim_addr_is_multicast_or_broadcast(const ptk_sim_addr_t *addr);
bool ptk_sim_addr_is_any(const ptk_sim_addr_t *addr); /* 0.0.0.0 or :: */
bool ptk_sim_addr_is_ipv4(const ptk_sim_addr_t *addr);
bool ptk_sim_addr_equal(const ptk_sim_addr_t *one, const ptk_sim_addr_t *other); /* bytes and port */

/* Adds an entry to the trace, with the present time. */
void ptk_sim_net_trace(ptk_sim_net_t *net, ptk_sim_trace_kind_t kind, uint32_t host, uint64_t a, uint64_t b,
                       uint64_t c);

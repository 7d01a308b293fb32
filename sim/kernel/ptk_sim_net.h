/* SPDX-License-Identifier: MIT */
/*
 * The simulated network (layer 0): nodes with addresses, links between them, and packets on their way.
 *
 * Everything is plain data and numbers. A packet leaves a node, takes the link's time, and is delivered to
 * the protocol of the node that has its destination address, or is lost. Whoever sends it gives it away. TCP
 * (ptk_sim_tcp.h) stands on this; other protocols join by another `protocol` number.
 */
#pragma once

#include "base/ptk_list.h"
#include "sim/kernel/ptk_sim_event_queue.h"
#include "sim/kernel/ptk_sim_trace.h"
#include <ptk_os_net.h>

typedef struct ptk_sim_net ptk_sim_net_t;
typedef struct ptk_sim_node ptk_sim_node_t;
typedef struct ptk_sim_packet ptk_sim_packet_t;

/* An internet address and port, comparable byte by byte. IPv4 stands mapped (::ffff:a.b.c.d). The port is a
   number, not in network order. */
typedef struct ptk_sim_addr {
    uint8_t bytes[16];
    uint16_t port;
} ptk_sim_addr_t;

enum { PTK_SIM_PROTOCOL_TCP = 6 };

struct ptk_sim_packet {
    ptk_sim_event_t arrival;
    ptk_sim_net_t *net;
    ptk_sim_addr_t from;
    ptk_sim_addr_t to;
    uint32_t from_node;
    uint32_t to_node;
    uint32_t
        number; /* the net's: of the packets of a world, from 1 on; a second copy has that of the first */
    uint8_t protocol;
    uint8_t flags; /* the protocol's */
    uint16_t urg_ptr;
    uint32_t seq;
    uint32_t ack;
    uint32_t wnd;
    uint32_t bytes;
    uint8_t payload[];
};

/* One direction between two nodes. All times in ns. */
typedef struct ptk_sim_link {
    uint64_t latency_ns;      /* the least */
    uint64_t latency_step_ns; /* PTK_SIM_SITE_LATENCY adds so many of these */
    uint32_t latency_steps;   /* fewer than these; at least 1 */
    uint64_t ns_per_byte;     /* bandwidth: how long one byte occupies the link; 0: no limit */
    uint32_t loss_site;       /* where it is decided whether a packet is lost; 0: PTK_SIM_SITE_LOSS */
    bool loses_all;           /* until the net is calm */
    uint32_t partition_count;             /* by so many partitions: nothing passes unless 0 */
    uint64_t busy_until_ns;   /* the link's own: when the last byte so far has left */
    uint64_t
        last_arrival_ns; /* the link's own: packets do not overtake each other, unless the oracle says so */
} ptk_sim_link_t;

struct ptk_sim_node {
    ptk_sim_net_t *net;
    uint32_t index;
    bool up;                     /* a node that is down sends and receives nothing */
    ptk_sim_addr_t addresses[4]; /* its own; ports 0 */
    uint32_t address_count;
    ptk_sim_link_t **links; /* those that have been asked for, by the other node's index */
    uint32_t link_capacity;
    ptk_sim_link_t default_link; /* the net's, when this node was added */
    void *tcp;            /* ptk_sim_tcp.c's tables of this node; NULL until they are needed */
    void *kernel;         /* the owner's */
};

struct ptk_sim_net {
    ptk_sim_event_queue_t events;
    ptk_sim_trace_t trace;
    ptk_sim_node_t **nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    struct ptk_sim_address_slot *addresses; /* who has which address: a hash table */
    uint32_t address_count;
    uint32_t address_capacity;
    ptk_sim_link_t default_link; /* what the links of the nodes added from now on are like */
    uint64_t packets_sent;
    uint64_t packets_lost;
    uint64_t packets_delivered;
    uint64_t bytes_delivered;
    bool faults_off; /* no more faults: no loss, no duplicates, no reordering, the least latency */
    /* Who gets the packets of a protocol; tcp_arrives is ptk_sim_tcp.c's. It may not keep the packet. */
    void (*tcp_input)(ptk_sim_node_t *node, const ptk_sim_packet_t *packet);
};

void ptk_sim_net_init(ptk_sim_net_t *net);

/* Free nodes, links and packets on their way, the event queue and the trace. The protocols have been shut before
   (ptk_sim_tcp_clear). */
void ptk_sim_net_fini(ptk_sim_net_t *net);

/* A new node, up and without addresses; the net keeps it. Links to and from all others are like `usual`; a
   node reaches itself (its own addresses, 127.0.0.0/8 and ::1) without a link, at once and without loss. */
ptk_sim_node_t *ptk_sim_net_add(ptk_sim_net_t *net);

/* Give a node another address. False: it has four already, or another node has it. */
bool ptk_sim_node_add_address(ptk_sim_node_t *node, const ptk_sim_addr_t *addr);
bool ptk_sim_node_has_address(const ptk_sim_node_t *node, const ptk_sim_addr_t *addr);

/* Its first address of a family (AF_INET, AF_INET6), which is where its packets come from; false: none. */
bool ptk_sim_node_address(const ptk_sim_node_t *node, int family, ptk_sim_addr_t *addr_out);

/* The link from one node to another; it stays where it is. */
ptk_sim_link_t *ptk_sim_net_link(ptk_sim_net_t *net, uint32_t from, uint32_t to);

/* The node that has an address as `from` sees it (loopback addresses are its own); NULL: nobody. */
ptk_sim_node_t *ptk_sim_net_find(ptk_sim_node_t *from, const ptk_sim_addr_t *addr);

/* A packet with room for `bytes` of payload, everything else zero; to be sent or freed. */
ptk_sim_packet_t *ptk_sim_packet_create(ptk_sim_net_t *net, uint32_t bytes);
void ptk_sim_packet_free(ptk_sim_packet_t *packet);

/* Send it from `node` to whoever has `packet->to`; it is the net's from now on. Nobody there: it vanishes. */
void ptk_sim_packet_send(ptk_sim_node_t *node, ptk_sim_packet_t *packet);

/* sockaddr <-> ptk_sim_addr_t: 0 or -EAFNOSUPPORT, -EINVAL. An IPv4 address goes out as AF_INET when `family`
   says so, else as it stands in IPv6. `addrlen` is in and out as in getsockname(2). */
int ptk_sim_addr_from_os(ptk_sim_addr_t *addr_out, const struct sockaddr *addr, socklen_t addrlen);
void ptk_sim_addr_to_os(const ptk_sim_addr_t *addr, int family, struct sockaddr *addr_out,
                        socklen_t *addrlen);
bool ptk_sim_addr_is_loopback(const ptk_sim_addr_t *addr);

/* A group, or everybody: nobody that a stream could lead to. */
bool ptk_sim_addr_is_multicast_or_broadcast(const ptk_sim_addr_t *addr);
bool ptk_sim_addr_is_any(const ptk_sim_addr_t *addr); /* 0.0.0.0 or :: */
bool ptk_sim_addr_is_ipv4(const ptk_sim_addr_t *addr);
bool ptk_sim_addr_equal(const ptk_sim_addr_t *one, const ptk_sim_addr_t *other); /* bytes and port */

/* Enter something into the trace, now. */
void ptk_sim_net_trace(ptk_sim_net_t *net, ptk_sim_trace_kind_t kind, uint32_t host, uint64_t a, uint64_t b,
                      uint64_t c);

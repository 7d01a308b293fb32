/* SPDX-License-Identifier: MIT */
/*
 * The path of a packet:
 *
 *     departure   after the packets before it have left the link (bandwidth); loss and duplication are
 * decided here flight      for the link's latency arrival     not before that of an earlier departure, unless
 * PTK_SIM_SITE_REORDER lets it overtake
 *
 * Whether the link is partitioned and the node is up is checked at departure and at arrival. Within a node
 * there is no link: a packet arrives at the present time, after the events that are due already. Packets are
 * numbered at departure, and a duplicate has the number of its original, so the trace entries of one packet
 * can be joined.
 *
 * Links are created at first use, like the `default_link` of the node that was added later: a thousand nodes
 * have a million links, of which few are used. Addresses are found in a hash table with open addressing, from
 * which nothing is removed.
 */
#include "sim/kernel/ptk_sim_net.h"

#include "base/ptk_assert.h"
#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <string.h>

#define NET_FIRST_CAPACITY     16
#define NET_HEADER_BYTES       40 /* what a packet takes of the bandwidth beside its payload */
#define NET_DEFAULT_LATENCY_NS UINT64_C(100000)
#define NODE_MAX_ADDRESSES     4

typedef struct ptk_sim_address_slot {
    ptk_sim_addr_t addr;
    ptk_sim_node_t *node; /* NULL: the slot is free */
} address_slot_t;

/* --- the net, nodes and links --- */

void ptk_sim_net_init(ptk_sim_net_t *net) {
    *net = (ptk_sim_net_t) {.default_link = {.latency_ns = NET_DEFAULT_LATENCY_NS, .latency_steps = 1}};
    ptk_sim_event_queue_init(&net->events, 0);
    ptk_sim_trace_init(&net->trace, false);
}

/* Frees a node and its links. Its TCP tables are gone already. */
static void node_free(ptk_sim_node_t *node) {
    ptk_assert(!node->tcp);
    for (uint32_t i = 0; i < node->link_capacity; i++) {
        ptk_sim_free(node->links[i]);
    }
    ptk_sim_free(node->links);
    ptk_sim_free(node);
}

static void packet_arrive(ptk_sim_event_t *event);

/* Frees the packets in flight: those events whose handler is packet_arrive. */
static void net_free_packets(ptk_sim_event_queue_t *events) {
    for (uint32_t i = 0; i < events->count; i++) {
        if (events->entries[i].event->fire == packet_arrive) {
            ptk_sim_free(ptk_container_of(events->entries[i].event, ptk_sim_packet_t, arrival));
        }
    }
}

void ptk_sim_net_fini(ptk_sim_net_t *net) {
    net_free_packets(&net->events);
    for (uint32_t i = 0; i < net->node_count; i++) {
        node_free(net->nodes[i]);
    }
    ptk_sim_free(net->nodes);
    ptk_sim_free(net->addresses);
    ptk_sim_event_queue_fini(&net->events);
    ptk_sim_trace_fini(&net->trace);
    net->nodes = NULL;
    net->addresses = NULL;
    net->node_count = net->node_capacity = 0;
    net->address_count = net->address_capacity = 0;
}

/* Nodes are allocated one by one: pointers to them stay valid. */
ptk_sim_node_t *ptk_sim_net_add(ptk_sim_net_t *net) {
    if (net->node_count == net->node_capacity) {
        net->node_capacity = net->node_capacity ? net->node_capacity * 2 : NET_FIRST_CAPACITY;
        net->nodes = ptk_sim_reallocate(net->nodes, net->node_capacity * sizeof(ptk_sim_node_t *));
    }
    ptk_sim_node_t *node = ptk_sim_allocate(sizeof *node);
    *node = (ptk_sim_node_t) {
        .net = net, .index = net->node_count, .up = true, .default_link = net->default_link};
    net->nodes[net->node_count++] = node;
    return node;
}

/* Grows the node's array of links so that it has an entry for node `to`. */
static void node_reserve_links(ptk_sim_node_t *node, uint32_t to) {
    uint32_t capacity = node->link_capacity ? node->link_capacity : NET_FIRST_CAPACITY;
    while (capacity <= to) {
        capacity *= 2;
    }
    node->links = ptk_sim_reallocate(node->links, capacity * sizeof(ptk_sim_link_t *));
    memset(node->links + node->link_capacity, 0, (capacity - node->link_capacity) * sizeof(ptk_sim_link_t *));
    node->link_capacity = capacity;
}

ptk_sim_link_t *ptk_sim_net_link(ptk_sim_net_t *net, uint32_t from, uint32_t to) {
    ptk_assert(from < net->node_count && to < net->node_count);
    ptk_sim_node_t *node = net->nodes[from];
    if (to >= node->link_capacity) {
        node_reserve_links(node, to);
    }
    if (!node->links[to]) {
        node->links[to] = ptk_sim_allocate(sizeof(ptk_sim_link_t));
        *node->links[to] = net->nodes[from > to ? from : to]->default_link;
    }
    return node->links[to];
}

/* --- addresses --- */

/* Returns the slot that holds an address, or the free one where it is to be inserted. The table is at most
   half full, so the search ends. */
static address_slot_t *net_address_slot(const ptk_sim_net_t *net, const ptk_sim_addr_t *addr) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < sizeof addr->bytes; i++) {
        hash = (hash ^ addr->bytes[i]) * UINT64_C(0x100000001b3);
    }
    uint32_t index = (uint32_t) (hash >> 32) & (net->address_capacity - 1);
    while (net->addresses[index].node &&
           memcmp(net->addresses[index].addr.bytes, addr->bytes, sizeof addr->bytes) != 0) {
        index = (index + 1) & (net->address_capacity - 1);
    }
    return &net->addresses[index];
}

/* Returns the node that has an address, ports aside, or NULL. */
static ptk_sim_node_t *net_find_holder(const ptk_sim_net_t *net, const ptk_sim_addr_t *addr) {
    return net->address_capacity ? net_address_slot(net, addr)->node : NULL;
}

/* Makes room for one more address: doubles the table when it would be more than half full. */
static void net_reserve_addresses(ptk_sim_net_t *net) {
    uint32_t old_capacity = net->address_capacity;
    address_slot_t *old = net->addresses;
    if ((net->address_count + 1) * 2 <= old_capacity) {
        return;
    }
    net->address_capacity = old_capacity ? old_capacity * 2 : NET_FIRST_CAPACITY;
    net->addresses = ptk_sim_allocate(net->address_capacity * sizeof *old);
    for (uint32_t i = 0; i < old_capacity; i++) {
        if (old[i].node) {
            *net_address_slot(net, &old[i].addr) = old[i];
        }
    }
    ptk_sim_free(old);
}

/* The port of a node's address is 0, so that addresses compare equal whatever port was given. */
bool ptk_sim_node_add_address(ptk_sim_node_t *node, const ptk_sim_addr_t *addr) {
    ptk_sim_net_t *net = node->net;
    if (node->address_count == NODE_MAX_ADDRESSES || net_find_holder(net, addr)) {
        return false;
    }
    net_reserve_addresses(net);
    ptk_sim_addr_t *own = &node->addresses[node->address_count++];
    *own = *addr;
    own->port = 0;
    *net_address_slot(net, own) = (address_slot_t) {*own, node};
    net->address_count++;
    return true;
}

bool ptk_sim_node_has_address(const ptk_sim_node_t *node, const ptk_sim_addr_t *addr) {
    return ptk_sim_addr_is_loopback(addr) || net_find_holder(node->net, addr) == node;
}

bool ptk_sim_node_address(const ptk_sim_node_t *node, int family, ptk_sim_addr_t *addr_out) {
    for (uint32_t i = 0; i < node->address_count; i++) {
        if (ptk_sim_addr_is_ipv4(&node->addresses[i]) == (family == AF_INET)) {
            *addr_out = node->addresses[i];
            return true;
        }
    }
    return false;
}

ptk_sim_node_t *ptk_sim_net_find(ptk_sim_node_t *from, const ptk_sim_addr_t *addr) {
    return ptk_sim_addr_is_loopback(addr) ? from : net_find_holder(from->net, addr);
}

/* --- the trace --- */

void ptk_sim_net_trace(ptk_sim_net_t *net, ptk_sim_trace_kind_t kind, uint32_t host, uint64_t a, uint64_t b,
                       uint64_t c) {
    ptk_sim_trace_add(
        &net->trace,
        &(ptk_sim_trace_entry_t) {
            .at_ns = net->events.now_ns, .a = a, .b = b, .c = c, .kind = (uint32_t) kind, .host = host});
}

/* Traces an event of a packet on `host`; `other` is the host at its other end. */
static void packet_trace(const ptk_sim_packet_t *packet, ptk_sim_trace_kind_t kind, uint32_t host,
                         uint32_t other) {
    ptk_sim_net_trace(packet->net, kind, host, other, (uint64_t) packet->flags << 32 | packet->bytes,
                      (uint64_t) packet->number << 32 | (uint64_t) packet->from.port << 16 | packet->to.port);
}

/* --- packets --- */

ptk_sim_packet_t *ptk_sim_packet_create(ptk_sim_net_t *net, uint32_t bytes) {
    ptk_sim_packet_t *packet = ptk_sim_allocate(sizeof *packet + bytes);
    packet->net = net;
    packet->bytes = bytes;
    return packet;
}

void ptk_sim_packet_free(ptk_sim_packet_t *packet) {
    if (packet) {
        ptk_sim_event_queue_cancel(&packet->net->events, &packet->arrival);
        ptk_sim_free(packet);
    }
}

/* Counts a packet as lost, traces that, and frees it. */
static void packet_drop(ptk_sim_packet_t *packet) {
    packet_trace(packet, PTK_SIM_TRACE_DROP, packet->to_node, packet->from_node);
    packet->net->packets_lost++;
    ptk_sim_packet_free(packet);
}

/* Returns whether the receiver is up and the link is not partitioned. */
static bool packet_can_pass(const ptk_sim_packet_t *packet) {
    ptk_sim_net_t *net = packet->net;
    if (!net->nodes[packet->to_node]->up) {
        return false;
    }
    return packet->from_node == packet->to_node ||
           ptk_sim_net_link(net, packet->from_node, packet->to_node)->partition_count == 0;
}

/* Event handler: delivers a packet to its protocol, or drops it if the way is blocked by now. */
static void packet_arrive(ptk_sim_event_t *event) {
    ptk_sim_packet_t *packet = ptk_container_of(event, ptk_sim_packet_t, arrival);
    ptk_sim_net_t *net = packet->net;
    if (!packet_can_pass(packet)) {
        packet_drop(packet);
        return;
    }
    packet_trace(packet, PTK_SIM_TRACE_DELIVER, packet->to_node, packet->from_node);
    net->packets_delivered++;
    net->bytes_delivered += packet->bytes;
    if (packet->protocol == PTK_SIM_PROTOCOL_TCP && net->tcp_input) {
        net->tcp_input(net->nodes[packet->to_node], packet);
    }
    ptk_sim_packet_free(packet);
}

/* Takes a decision; it is 0, without the oracle, while faults are off. */
static uint32_t net_decide(const ptk_sim_net_t *net, uint32_t site, uint32_t count) {
    return net->faults_off ? 0 : ptk_choice(site, count);
}

/* Occupies the link for the packet's bytes and schedules its arrival. */
static void packet_depart(ptk_sim_packet_t *packet, ptk_sim_link_t *link) {
    ptk_sim_net_t *net = packet->net;
    if (link->busy_until_ns < net->events.now_ns) {
        link->busy_until_ns = net->events.now_ns;
    }
    link->busy_until_ns += (packet->bytes + NET_HEADER_BYTES) * link->ns_per_byte;
    uint64_t steps = net_decide(net, PTK_SIM_SITE_LATENCY, link->latency_steps);
    uint64_t at_ns = link->busy_until_ns + link->latency_ns + steps * link->latency_step_ns;
    if (at_ns < link->last_arrival_ns) {
        uint32_t may_overtake = net_decide(net, PTK_SIM_SITE_REORDER, 2);
        at_ns = may_overtake ? at_ns : link->last_arrival_ns;
    } else {
        link->last_arrival_ns = at_ns;
    }
    ptk_sim_event_queue_insert(&net->events, &packet->arrival, at_ns);
}

/* Sends a copy of a packet that has departed; both have the same number. */
static void packet_duplicate(const ptk_sim_packet_t *packet, ptk_sim_link_t *link) {
    ptk_sim_packet_t *copy = ptk_sim_packet_create(packet->net, packet->bytes);
    memcpy(copy, packet, sizeof *packet + packet->bytes);
    copy->arrival = (ptk_sim_event_t) {.fire = packet_arrive};
    packet_depart(copy, link);
}

/* Decides about loss and duplication, and lets the packet depart. */
static void packet_transmit(ptk_sim_packet_t *packet) {
    ptk_sim_net_t *net = packet->net;
    ptk_sim_link_t *link = ptk_sim_net_link(net, packet->from_node, packet->to_node);
    if (link->loses_all && !net->faults_off) {
        packet_drop(packet);
        return;
    }
    uint32_t lost = net_decide(net, link->loss_site ? link->loss_site : PTK_SIM_SITE_LOSS, 2);
    if (lost) {
        packet_drop(packet);
        return;
    }
    packet_depart(packet, link);
    uint32_t doubled = net_decide(net, PTK_SIM_SITE_DUPLICATE, 2);
    if (doubled) {
        packet_duplicate(packet, link);
    }
}

/* Ends a packet whose destination address no node has. */
static void packet_refuse(ptk_sim_packet_t *packet) {
    packet_trace(packet, PTK_SIM_TRACE_REFUSED, PTK_SIM_NO_HOST, packet->from_node);
    packet->net->packets_lost++;
    ptk_sim_packet_free(packet);
}

/* A node that is down loses its own packets; it has no way to notice. */
void ptk_sim_packet_send(ptk_sim_node_t *node, ptk_sim_packet_t *packet) {
    ptk_sim_net_t *net = packet->net;
    ptk_sim_node_t *to = ptk_sim_net_find(node, &packet->to);
    packet->arrival.fire = packet_arrive;
    packet->from_node = node->index;
    packet->to_node = to ? to->index : PTK_SIM_NO_HOST;
    packet->number = (uint32_t) ++net->packets_sent;
    packet_trace(packet, PTK_SIM_TRACE_SEND, node->index, packet->to_node);
    if (!to) {
        packet_refuse(packet);
    } else if (!node->up || !packet_can_pass(packet)) {
        packet_drop(packet);
    } else if (to == node) {
        ptk_sim_event_queue_insert(&net->events, &packet->arrival, net->events.now_ns);
    } else {
        packet_transmit(packet);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * The ports of a node, in three hash tables: blocks with a local port by that port (the rules of bind are
 * about these); blocks with a peer by both addresses (a packet is for one of these); listeners by local port
 * (or else for one of these). A bucket is a list in the order of insertion, and nothing walks over all
 * buckets except to grow the table, so results do not depend on the table's size.
 *
 * Linux's rules: two endpoints may have the same port if their addresses do not cover each other, or if both
 * have SO_REUSEADDR and the other one does not listen, or if both have SO_REUSEPORT. A connect without a bind
 * takes a port that no endpoint is bound to, and that is free towards this peer only.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <string.h>

#define TCP_TABLE_FIRST_CAPACITY 8
#define EPHEMERAL_PORT_MIN       32768U /* the range of Linux, ip_local_port_range */
#define EPHEMERAL_PORT_COUNT     (61000U - EPHEMERAL_PORT_MIN)
#define PORT_CHOICES             16 /* how many free ports the oracle may skip, and 1 */

/* --- tables --- */

/* Appends an entry to the bucket of its hash. */
static void tcp_table_link(ptk_sim_tcp_table_t *table, ptk_sim_tcp_link_t *link) {
    ptk_list_append(&table->buckets[link->hash & (table->capacity - 1)], &link->node);
}

/* Doubles the table. Entries of one bucket stay in their order. */
static void tcp_table_grow(ptk_sim_tcp_table_t *table) {
    uint32_t old_capacity = table->capacity;
    ptk_list_t *old = table->buckets;
    table->capacity = old_capacity ? old_capacity * 2 : TCP_TABLE_FIRST_CAPACITY;
    table->buckets = ptk_sim_allocate(table->capacity * sizeof *old);
    for (uint32_t i = 0; i < table->capacity; i++) {
        ptk_list_init(&table->buckets[i]);
    }
    for (uint32_t i = 0; i < old_capacity; i++) {
        for (ptk_list_node_t *node; (node = ptk_list_pop(&old[i]));) {
            tcp_table_link(table, ptk_container_of(node, ptk_sim_tcp_link_t, node));
        }
    }
    ptk_sim_free(old);
}

/* Inserts an entry, which must not be in a table. */
static void tcp_table_insert(ptk_sim_tcp_table_t *table, ptk_sim_tcp_link_t *link, uint32_t hash) {
    ptk_assert(!ptk_list_is_linked(&link->node));
    if (table->count == table->capacity) {
        tcp_table_grow(table);
    }
    link->hash = hash;
    tcp_table_link(table, link);
    table->count++;
}

/* Removes an entry; without effect if it is in no table. */
static void tcp_table_remove(ptk_sim_tcp_table_t *table, ptk_sim_tcp_link_t *link) {
    if (ptk_list_is_linked(&link->node)) {
        ptk_list_remove(&link->node);
        table->count--;
    }
}

/* Returns the first entry with this hash behind `link`, or the first of all if `link` is NULL; NULL at the
   end. */
static ptk_sim_tcp_link_t *tcp_table_next(const ptk_sim_tcp_table_t *table, const ptk_sim_tcp_link_t *link,
                                          uint32_t hash) {
    if (table->capacity == 0) {
        return NULL;
    }
    const ptk_list_t *bucket = &table->buckets[hash & (table->capacity - 1)];
    ptk_list_node_t *node = link ? ptk_list_next(bucket, &link->node) : ptk_list_first(bucket);
    while (node && ptk_container_of(node, ptk_sim_tcp_link_t, node)->hash != hash) {
        node = ptk_list_next(bucket, node);
    }
    return node ? ptk_container_of(node, ptk_sim_tcp_link_t, node) : NULL;
}

/* Most nodes of a large world never open an endpoint. */
ptk_sim_tcp_tables_t *ptk_sim_tcp_tables(ptk_sim_node_t *node) {
    if (!node->tcp) {
        ptk_sim_tcp_tables_t *tables = ptk_sim_allocate(sizeof *tables);
        ptk_list_init(&tables->all);
        node->tcp = tables;
    }
    return node->tcp;
}

void ptk_sim_tcp_tables_free(ptk_sim_node_t *node) {
    ptk_sim_tcp_tables_t *tables = node->tcp;
    if (tables) {
        ptk_assert(tables->count == 0 && tables->ports.count == 0);
        ptk_assert(tables->pairs.count == 0 && tables->listeners.count == 0);
        ptk_sim_free(tables->ports.buckets);
        ptk_sim_free(tables->pairs.buckets);
        ptk_sim_free(tables->listeners.buckets);
        ptk_sim_free(tables);
        node->tcp = NULL;
    }
}

/* --- inserting, removing, finding --- */

/* Multiplicative hashing with the golden ratio; the shift brings high bits down, since buckets are chosen
   by low ones. */
static uint32_t tcp_hash_mix(uint32_t hash, uint32_t value) {
    hash = (hash ^ value) * UINT32_C(0x9E3779B1);
    return hash ^ hash >> 15;
}

/* The bytes are combined by shifts, so the hash is the same on every machine. */
static uint32_t tcp_hash_addr(uint32_t hash, const ptk_sim_addr_t *addr) {
    for (size_t i = 0; i < sizeof addr->bytes; i += 4) {
        uint32_t part = (uint32_t) addr->bytes[i] << 24 | (uint32_t) addr->bytes[i + 1] << 16 |
                        (uint32_t) addr->bytes[i + 2] << 8 | addr->bytes[i + 3];
        hash = tcp_hash_mix(hash, part);
    }
    return tcp_hash_mix(hash, addr->port);
}

static uint32_t tcp_hash_port(uint16_t port) {
    return tcp_hash_mix(0, port);
}

static uint32_t tcp_hash_pair(const ptk_sim_addr_t *local, const ptk_sim_addr_t *peer) {
    return tcp_hash_addr(tcp_hash_addr(0, local), peer);
}

/* Inserts the block into the table of bound ports. A block is in at most one list of each table. */
void ptk_sim_tcp_insert_port(ptk_sim_tcb_t *tcb) {
    tcp_table_insert(&ptk_sim_tcp_tables(tcb->tcp.node)->ports, &tcb->by_port,
                     tcp_hash_port(tcb->local.port));
}

void ptk_sim_tcp_insert_pair(ptk_sim_tcb_t *tcb) {
    tcp_table_insert(&ptk_sim_tcp_tables(tcb->tcp.node)->pairs, &tcb->by_pair,
                     tcp_hash_pair(&tcb->local, &tcb->peer));
}

void ptk_sim_tcp_insert_listener(ptk_sim_tcb_t *tcb) {
    tcp_table_insert(&ptk_sim_tcp_tables(tcb->tcp.node)->listeners, &tcb->by_listener,
                     tcp_hash_port(tcb->local.port));
}

/* A block without a port is not bound, either. */
void ptk_sim_tcp_remove_port(ptk_sim_tcb_t *tcb) {
    tcp_table_remove(&ptk_sim_tcp_tables(tcb->tcp.node)->ports, &tcb->by_port);
    tcb->is_bound = false;
}

void ptk_sim_tcp_remove_pair(ptk_sim_tcb_t *tcb) {
    tcp_table_remove(&ptk_sim_tcp_tables(tcb->tcp.node)->pairs, &tcb->by_pair);
}

void ptk_sim_tcp_remove_listener(ptk_sim_tcb_t *tcb) {
    tcp_table_remove(&ptk_sim_tcp_tables(tcb->tcp.node)->listeners, &tcb->by_listener);
}

/* Hashes may collide, so addresses are compared. */
ptk_sim_tcb_t *ptk_sim_tcp_find_pair(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                     const ptk_sim_addr_t *peer) {
    uint32_t hash = tcp_hash_pair(local, peer);
    for (ptk_sim_tcp_link_t *link = NULL; (link = tcp_table_next(&tables->pairs, link, hash));) {
        ptk_sim_tcb_t *tcb = ptk_container_of(link, ptk_sim_tcb_t, by_pair);
        if (ptk_sim_addr_equal(&tcb->local, local) && ptk_sim_addr_equal(&tcb->peer, peer)) {
            return tcb;
        }
    }
    return NULL;
}

/* Returns whether packets to `addr` are for an endpoint that is bound to `tcb->local`, ports aside. */
static bool tcp_bound_address_covers(const ptk_sim_tcb_t *tcb, const ptk_sim_addr_t *addr) {
    if (!ptk_sim_addr_is_any(&tcb->local)) {
        return memcmp(tcb->local.bytes, addr->bytes, sizeof addr->bytes) == 0;
    }
    if (ptk_sim_addr_is_ipv4(&tcb->local)) {
        return ptk_sim_addr_is_ipv4(addr);
    }
    return !tcb->is_ipv6_only || !ptk_sim_addr_is_ipv4(addr);
}

/* Returns how well a listener matches a local address, as Linux ranks them: a bound address before "any",
   IPv4 before IPv6. 0: not at all. */
static uint32_t tcp_listener_score(const ptk_sim_tcb_t *tcb, const ptk_sim_addr_t *local) {
    if (tcb->local.port != local->port || !tcp_bound_address_covers(tcb, local)) {
        return 0;
    }
    return 1U + (ptk_sim_addr_is_any(&tcb->local) ? 0U : 2U) + (tcb->family == AF_INET ? 1U : 0U);
}

/* The best match is returned. Among equal ones (SO_REUSEPORT) a hash of the peer's address decides. */
ptk_sim_tcb_t *ptk_sim_tcp_find_listener(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                         const ptk_sim_addr_t *peer) {
    uint32_t hash = tcp_hash_port(local->port);
    uint32_t best = 0;
    uint32_t equals = 0;
    for (ptk_sim_tcp_link_t *link = NULL; (link = tcp_table_next(&tables->listeners, link, hash));) {
        uint32_t points = tcp_listener_score(ptk_container_of(link, ptk_sim_tcb_t, by_listener), local);
        equals = points > best ? 1 : equals + (points == best);
        best = points > best ? points : best;
    }
    if (best == 0) {
        return NULL;
    }
    uint32_t skip = equals > 1 ? tcp_hash_pair(local, peer) % equals : 0;
    for (ptk_sim_tcp_link_t *link = NULL; (link = tcp_table_next(&tables->listeners, link, hash));) {
        ptk_sim_tcb_t *tcb = ptk_container_of(link, ptk_sim_tcb_t, by_listener);
        if (tcp_listener_score(tcb, local) == best && skip-- == 0) {
            return tcb;
        }
    }
    return NULL;
}

/* --- binding --- */

/* Returns whether two endpoints must not have the same port. */
static bool tcp_bind_conflicts(const ptk_sim_tcb_t *tcb, const ptk_sim_tcb_t *other) {
    if (other == tcb || other->local.port != tcb->local.port) {
        return false;
    }
    if (!tcp_bound_address_covers(tcb, &other->local) && !tcp_bound_address_covers(other, &tcb->local)) {
        return false;
    }
    bool share_addr = tcb->reuses_addr && other->reuses_addr && other->state != PTK_SIM_TCP_LISTEN;
    return !share_addr && !(tcb->reuses_port && other->reuses_port);
}

/* All blocks with the port are candidates: also connections and those in TIME_WAIT. */
bool ptk_sim_tcp_is_port_in_use(const ptk_sim_tcb_t *tcb) {
    const ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(tcb->tcp.node);
    uint32_t hash = tcp_hash_port(tcb->local.port);
    for (ptk_sim_tcp_link_t *link = NULL; (link = tcp_table_next(&tables->ports, link, hash));) {
        if (tcp_bind_conflicts(tcb, ptk_container_of(link, ptk_sim_tcb_t, by_port))) {
            return true;
        }
    }
    return false;
}

/* Returns whether an endpoint is bound to this port, by bind or listen. */
static bool tcp_is_port_bound(const ptk_sim_tcp_tables_t *tables, uint16_t port) {
    uint32_t hash = tcp_hash_port(port);
    for (ptk_sim_tcp_link_t *link = NULL; (link = tcp_table_next(&tables->ports, link, hash));) {
        const ptk_sim_tcb_t *other = ptk_container_of(link, ptk_sim_tcb_t, by_port);
        if (other->local.port == port && other->is_bound) {
            return true;
        }
    }
    return false;
}

/* Returns whether a connect to the peer cannot use `tcb->local.port`. */
static bool tcp_is_port_in_use_for_peer(const ptk_sim_tcb_t *tcb) {
    const ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(tcb->tcp.node);
    return tcp_is_port_bound(tables, tcb->local.port) ||
           ptk_sim_tcp_find_pair(tables, &tcb->local, &tcb->peer);
}

/* Searches the ephemeral ports, from where the last search ended plus what the oracle adds, for one that is
   not in use. The port is unchanged if there is none. */
static bool tcp_choose_port_by(ptk_sim_tcb_t *tcb, bool (*is_in_use)(const ptk_sim_tcb_t *tcb)) {
    ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(tcb->tcp.node);
    uint32_t skip = ptk_choice(PTK_SIM_SITE_PORT, PORT_CHOICES);
    uint16_t before = tcb->local.port;
    for (uint32_t i = 0; i < EPHEMERAL_PORT_COUNT; i++) {
        uint32_t offset = (tables->next_port + skip + i) % EPHEMERAL_PORT_COUNT;
        tcb->local.port = (uint16_t) (EPHEMERAL_PORT_MIN + offset);
        if (!is_in_use(tcb)) {
            tables->next_port = offset + 1;
            return true;
        }
    }
    tcb->local.port = before;
    return false;
}

bool ptk_sim_tcp_choose_port(ptk_sim_tcb_t *tcb) {
    return tcp_choose_port_by(tcb, ptk_sim_tcp_is_port_in_use);
}

bool ptk_sim_tcp_choose_port_for_peer(ptk_sim_tcb_t *tcb) {
    return tcp_choose_port_by(tcb, tcp_is_port_in_use_for_peer);
}

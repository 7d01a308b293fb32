/* SPDX-License-Identifier: MIT */
/*
 * Who has which port of a node. Three hash tables: by local port, whoever has one (the rules of bind are
 * about these); by both addresses, whoever has a peer (a packet is for one of these); by local port, those
 * who listen (or else for one of these). A bucket is a list in the order of entering, and nothing ever walks
 * over all buckets but to make them more.
 *
 * Linux's rules: two endpoints may have the same port if their addresses do not cover each other, or if both
 * have SO_REUSEADDR and the other one does not listen, or if both have SO_REUSEPORT. A connect without a bind
 * takes a port that nobody has bound, and that is free towards this peer only.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <string.h>

#define FIRST_CAPACITY 8
#define LEAST_PORT     32768U
#define PORT_COUNT     (61000U - LEAST_PORT)
#define PORT_CHOICES   16

/* --- tables --- */

static void add(ptk_sim_tcp_table_t *table, ptk_sim_tcp_link_t *link) {
    ptk_list_append(&table->buckets[link->hash & (table->capacity - 1)], &link->node);
}

static void grow(ptk_sim_tcp_table_t *table) {
    uint32_t old_capacity = table->capacity;
    ptk_list_t *old = table->buckets;
    table->capacity = old_capacity ? old_capacity * 2 : FIRST_CAPACITY;
    table->buckets = ptk_sim_allocate(table->capacity * sizeof *old);
    for (uint32_t i = 0; i < table->capacity; i++) {
        ptk_list_init(&table->buckets[i]);
    }
    for (uint32_t i = 0; i < old_capacity; i++) {
        for (ptk_list_node_t *node; (node = ptk_list_pop(&old[i]));) {
            add(table, ptk_container_of(node, ptk_sim_tcp_link_t, node));
        }
    }
    ptk_sim_free(old);
}

static void enter(ptk_sim_tcp_table_t *table, ptk_sim_tcp_link_t *link, uint32_t hash) {
    ptk_assert(!ptk_list_is_linked(&link->node));
    if (table->count == table->capacity) {
        grow(table);
    }
    link->hash = hash;
    add(table, link);
    table->count++;
}

static void leave(ptk_sim_tcp_table_t *table, ptk_sim_tcp_link_t *link) {
    if (ptk_list_is_linked(&link->node)) {
        ptk_list_remove(&link->node);
        table->count--;
    }
}

/* The first with this hash after `link`, or at all if that is NULL. */
static ptk_sim_tcp_link_t *following(const ptk_sim_tcp_table_t *table, const ptk_sim_tcp_link_t *link,
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

/* --- entering, leaving, finding --- */

static uint32_t mix(uint32_t hash, uint32_t value) {
    hash = (hash ^ value) * UINT32_C(0x9E3779B1);
    return hash ^ hash >> 15;
}

static uint32_t mix_addr(uint32_t hash, const ptk_sim_addr_t *addr) {
    for (size_t i = 0; i < sizeof addr->bytes; i += 4) {
        uint32_t part = (uint32_t) addr->bytes[i] << 24 | (uint32_t) addr->bytes[i + 1] << 16 |
                        (uint32_t) addr->bytes[i + 2] << 8 | addr->bytes[i + 3];
        hash = mix(hash, part);
    }
    return mix(hash, addr->port);
}

static uint32_t hash_of_port(uint16_t port) {
    return mix(0, port);
}

static uint32_t hash_of_pair(const ptk_sim_addr_t *local, const ptk_sim_addr_t *peer) {
    return mix_addr(mix_addr(0, local), peer);
}

void ptk_sim_tcp_enter_port(ptk_sim_tcp_end_t *end) {
    enter(&ptk_sim_tcp_tables(end->tcp.node)->ports, &end->by_port, hash_of_port(end->local.port));
}

void ptk_sim_tcp_enter_pair(ptk_sim_tcp_end_t *end) {
    enter(&ptk_sim_tcp_tables(end->tcp.node)->pairs, &end->by_pair, hash_of_pair(&end->local, &end->peer));
}

void ptk_sim_tcp_enter_listener(ptk_sim_tcp_end_t *end) {
    enter(&ptk_sim_tcp_tables(end->tcp.node)->listeners, &end->by_listener, hash_of_port(end->local.port));
}

void ptk_sim_tcp_leave_port(ptk_sim_tcp_end_t *end) {
    leave(&ptk_sim_tcp_tables(end->tcp.node)->ports, &end->by_port);
    end->is_bound = false;
}

void ptk_sim_tcp_leave_pair(ptk_sim_tcp_end_t *end) {
    leave(&ptk_sim_tcp_tables(end->tcp.node)->pairs, &end->by_pair);
}

void ptk_sim_tcp_leave_listeners(ptk_sim_tcp_end_t *end) {
    leave(&ptk_sim_tcp_tables(end->tcp.node)->listeners, &end->by_listener);
}

ptk_sim_tcp_end_t *ptk_sim_tcp_find_pair(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                         const ptk_sim_addr_t *peer) {
    uint32_t hash = hash_of_pair(local, peer);
    for (ptk_sim_tcp_link_t *link = NULL; (link = following(&tables->pairs, link, hash));) {
        ptk_sim_tcp_end_t *end = ptk_container_of(link, ptk_sim_tcp_end_t, by_pair);
        if (ptk_sim_addr_equal(&end->local, local) && ptk_sim_addr_equal(&end->peer, peer)) {
            return end;
        }
    }
    return NULL;
}

/* Is what goes to `addr` for an endpoint that is bound to `end->local`, ports aside? */
static bool covers(const ptk_sim_tcp_end_t *end, const ptk_sim_addr_t *addr) {
    if (!ptk_sim_addr_is_any(&end->local)) {
        return memcmp(end->local.bytes, addr->bytes, sizeof addr->bytes) == 0;
    }
    if (ptk_sim_addr_is_ipv4(&end->local)) {
        return ptk_sim_addr_is_ipv4(addr);
    }
    return !end->is_ipv6_only || !ptk_sim_addr_is_ipv4(addr);
}

/* 0: not for it. */
static uint32_t score(const ptk_sim_tcp_end_t *end, const ptk_sim_addr_t *local) {
    if (end->local.port != local->port || !covers(end, local)) {
        return 0;
    }
    return 1U + (ptk_sim_addr_is_any(&end->local) ? 0U : 2U) + (end->family == AF_INET ? 1U : 0U);
}

/* The one that fits best; among equals (SO_REUSEPORT) the peer's address decides, as a hash. */
ptk_sim_tcp_end_t *ptk_sim_tcp_find_listener(const ptk_sim_tcp_tables_t *tables, const ptk_sim_addr_t *local,
                                             const ptk_sim_addr_t *peer) {
    uint32_t hash = hash_of_port(local->port);
    uint32_t best = 0;
    uint32_t equals = 0;
    for (ptk_sim_tcp_link_t *link = NULL; (link = following(&tables->listeners, link, hash));) {
        uint32_t points = score(ptk_container_of(link, ptk_sim_tcp_end_t, by_listener), local);
        equals = points > best ? 1 : equals + (points == best);
        best = points > best ? points : best;
    }
    if (best == 0) {
        return NULL;
    }
    uint32_t skip = equals > 1 ? hash_of_pair(local, peer) % equals : 0;
    for (ptk_sim_tcp_link_t *link = NULL; (link = following(&tables->listeners, link, hash));) {
        ptk_sim_tcp_end_t *end = ptk_container_of(link, ptk_sim_tcp_end_t, by_listener);
        if (score(end, local) == best && skip-- == 0) {
            return end;
        }
    }
    return NULL;
}

/* --- binding --- */

static bool is_in_conflict(const ptk_sim_tcp_end_t *end, const ptk_sim_tcp_end_t *other) {
    if (other == end || other->local.port != end->local.port) {
        return false;
    }
    if (!covers(end, &other->local) && !covers(other, &end->local)) {
        return false;
    }
    bool share_addr = end->reuses_addr && other->reuses_addr && other->phase != PTK_SIM_TCP_LISTEN;
    return !share_addr && !(end->reuses_port && other->reuses_port);
}

bool ptk_sim_tcp_is_taken(const ptk_sim_tcp_end_t *end) {
    const ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(end->tcp.node);
    uint32_t hash = hash_of_port(end->local.port);
    for (ptk_sim_tcp_link_t *link = NULL; (link = following(&tables->ports, link, hash));) {
        if (is_in_conflict(end, ptk_container_of(link, ptk_sim_tcp_end_t, by_port))) {
            return true;
        }
    }
    return false;
}

static bool is_bound_by_anybody(const ptk_sim_tcp_tables_t *tables, uint16_t port) {
    uint32_t hash = hash_of_port(port);
    for (ptk_sim_tcp_link_t *link = NULL; (link = following(&tables->ports, link, hash));) {
        const ptk_sim_tcp_end_t *other = ptk_container_of(link, ptk_sim_tcp_end_t, by_port);
        if (other->local.port == port && other->is_bound) {
            return true;
        }
    }
    return false;
}

static bool is_taken_to_peer(const ptk_sim_tcp_end_t *end) {
    const ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(end->tcp.node);
    return is_bound_by_anybody(tables, end->local.port) ||
           ptk_sim_tcp_find_pair(tables, &end->local, &end->peer);
}

static bool choose(ptk_sim_tcp_end_t *end, bool (*is_taken)(const ptk_sim_tcp_end_t *end)) {
    ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(end->tcp.node);
    uint32_t skip = ptk_choice(PTK_SIM_SITE_PORT, PORT_CHOICES);
    uint16_t before = end->local.port;
    for (uint32_t i = 0; i < PORT_COUNT; i++) {
        uint32_t offset = (tables->next_port + skip + i) % PORT_COUNT;
        end->local.port = (uint16_t) (LEAST_PORT + offset);
        if (!is_taken(end)) {
            tables->next_port = offset + 1;
            return true;
        }
    }
    end->local.port = before;
    return false;
}

bool ptk_sim_tcp_choose_port(ptk_sim_tcp_end_t *end) {
    return choose(end, ptk_sim_tcp_is_taken);
}

bool ptk_sim_tcp_choose_port_to_peer(ptk_sim_tcp_end_t *end) {
    return choose(end, is_taken_to_peer);
}

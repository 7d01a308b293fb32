/* SPDX-License-Identifier: MIT */
/*
 * Addresses as the simulator stores them, 16 bytes with IPv4 mapped, and as programs see them.
 *
 * Bytes are moved by memcpy and shifts, so neither alignment nor the machine's byte order matters.
 */
#include "sim/kernel/ptk_sim_net.h"

#include <errno.h>
#include <string.h>

/* Linux accepts an IPv6 address without its scope id: the layout of RFC 2133. */
#define SIN6_MIN_BYTES 24 /* Linux accepts an IPv6 address without its scope: the layout of RFC 2133 */

/* The prefix of an IPv4-mapped IPv6 address, ::ffff:0:0/96. */
static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Converts a port in network order by its bytes, independent of the machine's order. */
static uint16_t port_from_network(uint16_t network) {
    uint8_t bytes[2];
    memcpy(bytes, &network, sizeof bytes);
    return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

static uint16_t port_to_network(uint16_t port) {
    uint8_t bytes[2] = {(uint8_t) (port >> 8), (uint8_t) port};
    uint16_t network;
    memcpy(&network, bytes, sizeof network);
    return network;
}

/* Converts a sockaddr_in. Returns 0, or -EINVAL if it is too short. */
static int addr_from_ipv4(ptk_sim_addr_t *addr_out, const struct sockaddr *addr, socklen_t addrlen) {
    struct sockaddr_in ipv4;
    if (addrlen < sizeof ipv4) {
        return -EINVAL;
    }
    memcpy(&ipv4, addr, sizeof ipv4);
    memcpy(addr_out->bytes, mapped_prefix, sizeof mapped_prefix);
    memcpy(addr_out->bytes + sizeof mapped_prefix, &ipv4.sin_addr, 4);
    addr_out->port = port_from_network(ipv4.sin_port);
    return 0;
}

/* Converts a sockaddr_in6, with or without its scope id. Returns 0, or -EINVAL if it is too short. */
static int addr_from_ipv6(ptk_sim_addr_t *addr_out, const struct sockaddr *addr, socklen_t addrlen) {
    struct sockaddr_in6 ipv6;
    if (addrlen < SIN6_MIN_BYTES) {
        return -EINVAL;
    }
    memcpy(&ipv6, addr, SIN6_MIN_BYTES);
    memcpy(addr_out->bytes, &ipv6.sin6_addr, sizeof addr_out->bytes);
    addr_out->port = port_from_network(ipv6.sin6_port);
    return 0;
}

/* The family decides the layout; sockaddr is copied, since a caller's buffer may be unaligned. */
int ptk_sim_addr_from_os(ptk_sim_addr_t *addr_out, const struct sockaddr *addr, socklen_t addrlen) {
    sa_family_t family;
    if (!addr || addrlen < sizeof family) {
        return -EINVAL;
    }
    memcpy(&family, (const char *) addr + offsetof(struct sockaddr, sa_family), sizeof family);
    switch (family) {
    case AF_INET:
        return addr_from_ipv4(addr_out, addr, addrlen);
    case AF_INET6:
        return addr_from_ipv6(addr_out, addr, addrlen);
    default:
        return -EAFNOSUPPORT;
    }
}

/* Copies as much of an address as the caller has room for, and returns its full length in `addrlen`, as
   getsockname(2) does. */
static void addr_copy_out(const void *from, socklen_t bytes, struct sockaddr *addr_out, socklen_t *addrlen) {
    memcpy(addr_out, from, *addrlen < bytes ? *addrlen : bytes);
    *addrlen = bytes;
}

/* The scope id of IPv6 is written as 0: simulated links have no interfaces. */
void ptk_sim_addr_to_os(const ptk_sim_addr_t *addr, int family, struct sockaddr *addr_out,
                        socklen_t *addrlen) {
    if (family == AF_INET) {
        struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = port_to_network(addr->port)};
        memcpy(&ipv4.sin_addr, addr->bytes + sizeof mapped_prefix, 4);
        addr_copy_out(&ipv4, sizeof ipv4, addr_out, addrlen);
    } else {
        struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = port_to_network(addr->port)};
        memcpy(&ipv6.sin6_addr, addr->bytes, sizeof addr->bytes);
        addr_copy_out(&ipv6, sizeof ipv6, addr_out, addrlen);
    }
}

bool ptk_sim_addr_is_ipv4(const ptk_sim_addr_t *addr) {
    return memcmp(addr->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool ptk_sim_addr_is_loopback(const ptk_sim_addr_t *addr) {
    static const uint8_t ipv6_loopback[16] = {[15] = 1};
    return ptk_sim_addr_is_ipv4(addr) ? addr->bytes[12] == 127 : memcmp(addr->bytes, ipv6_loopback, 16) == 0;
}

/* IPv4: 224.0.0.0/4 or 255.255.255.255. IPv6: ff00::/8. */
bool ptk_sim_addr_is_multicast_or_broadcast(const ptk_sim_addr_t *addr) {
    const uint8_t *ipv4 = addr->bytes + 12;
    if (!ptk_sim_addr_is_ipv4(addr)) {
        return addr->bytes[0] == 0xff;
    }
    return ipv4[0] >> 4 == 14 || (ipv4[0] & ipv4[1] & ipv4[2] & ipv4[3]) == 0xff;
}

/* The mapped 0.0.0.0 counts as "any" of IPv4 only. */
bool ptk_sim_addr_is_any(const ptk_sim_addr_t *addr) {
    static const uint8_t zero[16];
    return ptk_sim_addr_is_ipv4(addr) ? memcmp(addr->bytes + 12, zero, 4) == 0
                                      : memcmp(addr->bytes, zero, 16) == 0;
}

bool ptk_sim_addr_equal(const ptk_sim_addr_t *one, const ptk_sim_addr_t *other) {
    return one->port == other->port && memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

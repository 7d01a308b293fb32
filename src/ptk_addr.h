/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_addr.h
 * Addresses as people write them: `HOST:PORT` to a socket address and back. Numeric, so nothing here can
 * block.
 */
#pragma once

#include <ptk_api.h>
#include <ptk_err.h>
#include <ptk_os_net.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A socket address of any family with its exact length. */
typedef struct ptk_addr {
    /** How much of `storage` is the address. */
    socklen_t length;
    /** The address itself. */
    struct sockaddr_storage storage;
} ptk_addr_t;

/** Room for the longest text that ptk_addr_format() writes, with its final NUL. */
#define PTK_ADDR_TEXT_BYTES 80

/**
 * Parse `HOST:PORT`: HOST is an IPv4 address, an IPv6 address in brackets (with an optional `%scope`, RFC
 * 4007, a number or an interface's name), `localhost` (127.0.0.1), or `*` or nothing (0.0.0.0); PORT is 0 to
 * 65535 in decimal. Never parks; any thread. PTK_ERR_INVALID_PARAM for anything else; `addr_out` is then left
 * alone.
 */
PTK_API ptk_err ptk_addr_parse(const char *text, ptk_addr_t *addr_out);

/**
 * Write an IPv4 or IPv6 address as `HOST:PORT`, in the form that ptk_addr_parse() reads back. Never parks;
 * any thread. PTK_ERR_INVALID_PARAM if the family is another or `text_bytes` too small; `text_out` is then an
 * empty string.
 */
PTK_API ptk_err ptk_addr_format(const struct sockaddr *addr, socklen_t addrlen, char *text_out,
                                size_t text_bytes);

/** The port of an IPv4 or IPv6 address in host order, 0 for another family. Never parks; any thread. */
PTK_API uint16_t ptk_addr_port(const struct sockaddr *addr, socklen_t addrlen);

/** `addr` as the pointer that socket calls take. Never parks; any thread. */
static inline const struct sockaddr *ptk_addr_sockaddr(const ptk_addr_t *addr) {
    return (const struct sockaddr *) (const void *) &addr->storage;
}

#ifdef __cplusplus
}
#endif

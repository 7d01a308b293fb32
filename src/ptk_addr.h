/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_addr.h
 * Text forms of addresses: `HOST:PORT` to a socket address and back. Addresses are numeric, so no function
 * here can block.
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
    /** How many bytes of `storage` the address has. */
    socklen_t length;
    /** The address itself. */
    struct sockaddr_storage storage;
} ptk_addr_t;

/** Room for the longest text that ptk_addr_format() writes, with its final NUL. */
#define PTK_ADDR_TEXT_BYTES 80

/**
 * Parses `HOST:PORT`.
 *
 * HOST is one of:
 * - an IPv4 address: `192.0.2.1:502`;
 * - an IPv6 address in brackets, with an optional scope (RFC 4007), which is a number or the name of an
 *   interface: `[fe80::1%eth0]:502`;
 * - `localhost`, which is 127.0.0.1;
 * - `*` or nothing, which is 0.0.0.0.
 *
 * PORT is 0 to 65535 in decimal.
 *
 * @param text      the text, NUL-terminated
 * @param addr_out  receives the address; it is left as it was when the call fails
 * @return PTK_OK, or
 *         PTK_ERR_NOT_NUMERIC: HOST is a host name, such as `example.com`; ptk resolves no names;
 *         PTK_ERR_NO_PORT: HOST may be good, but no port follows it;
 *         PTK_ERR_INVALID_PARAM: the text is none of the forms above, or an argument is NULL.
 *
 * Parks: no. \n
 * Thread: any. \n
 * Ownership: `text` is not kept.
 */
PTK_API PTK_NODISCARD ptk_err ptk_addr_parse(const char *text, ptk_addr_t *addr_out);

/**
 * Writes an IPv4 or IPv6 address as `HOST:PORT`, in the form that ptk_addr_parse() reads.
 *
 * @param addr        the address
 * @param addrlen     its length in bytes
 * @param text_out    receives the text with its final NUL, an empty string when the call fails
 * @param text_bytes  the size of `text_out`; PTK_ADDR_TEXT_BYTES is enough for every address
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: the address is of another family, it is shorter than its family needs, or
 *         the text does not fit.
 *
 * Parks: no. \n
 * Thread: any. \n
 * Ownership: nothing is kept.
 */
PTK_API PTK_NODISCARD ptk_err ptk_addr_format(const struct sockaddr *addr, socklen_t addrlen, char *text_out,
                                              size_t text_bytes);

/**
 * Returns the port of an IPv4 or IPv6 address.
 *
 * @param addr     the address
 * @param addrlen  its length in bytes
 * @return the port in host byte order, 0 for another family.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API uint16_t ptk_addr_port(const struct sockaddr *addr, socklen_t addrlen);

/**
 * Returns an address as the pointer type that socket calls take.
 *
 * @param addr  the address
 * @return a pointer into `addr`.
 *
 * Parks: no. \n
 * Thread: any. \n
 * Ownership: the result is valid as long as `addr`.
 */
static inline const struct sockaddr *ptk_addr_sockaddr(const ptk_addr_t *addr) {
    return (const struct sockaddr *) (const void *) &addr->storage;
}

#ifdef __cplusplus
}
#endif

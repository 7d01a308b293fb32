/* SPDX-License-Identifier: MIT */
/*
 * `HOST:PORT` to a socket address and back (layer 5).
 *
 * A text is cut into two spans, host and port, and each is parsed by itself; the caller's struct is written
 * only if both are valid. Addresses are copied in and out as bytes, because a caller's sockaddr may have no
 * alignment.
 */
#include <ptk_addr.h>

#include "base/ptk_thread.h"
#include <string.h>

/* A part of the caller's text; not terminated. */
typedef struct span {
    const char *start;
    size_t length;
} span_t;

/* What the characters of a host allow it to be. */
typedef enum host_kind {
    HOST_NUMERIC,
    HOST_NAME,
    HOST_NEITHER,
} host_kind_t;

/* The longest host with its scope: an IPv6 text (45), '%', an interface's name (15). */
#define HOST_BYTES_MAX 64

static bool span_is(span_t span, const char *text) {
    return span.length == strlen(text) && memcmp(span.start, text, span.length) == 0;
}

/* Copies a span and adds a NUL. Returns false if it is empty or does not fit. */
static bool span_copy(span_t span, char *text_out, size_t text_bytes) {
    if (span.length == 0 || span.length >= text_bytes) {
        return false;
    }
    memcpy(text_out, span.start, span.length);
    text_out[span.length] = '\0';
    return true;
}

/* Reads a span as a decimal number. Returns false if it is none, or larger than `limit`. */
static bool span_number(span_t span, uint32_t limit, uint32_t *number_out) {
    uint64_t number = 0;
    if (span.length == 0 || span.length > 10) {
        return false;
    }
    for (size_t i = 0; i < span.length; i++) {
        if (span.start[i] < '0' || span.start[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t) (span.start[i] - '0');
    }
    *number_out = (uint32_t) number;
    return number <= limit;
}

/* Splits "[HOST]:PORT" or "HOST:PORT" into its two spans. A text without ":PORT" has an empty port. Returns
 * false if the text has neither form. */
static bool split_host_port(const char *text, bool *bracketed_out, span_t *host_out, span_t *port_out) {
    bool bracketed = text[0] == '[';
    const char *start = bracketed ? text + 1 : text;
    const char *end = bracketed ? strchr(start, ']') : strrchr(start, ':');
    if (text[0] == '\0' || (bracketed && !end)) {
        return false;
    }
    end = end ? end : start + strlen(start);
    const char *colon = bracketed ? end + 1 : end;
    if (*colon != ':' && *colon != '\0') {
        return false;
    }
    const char *port = *colon == ':' ? colon + 1 : colon;
    *bracketed_out = bracketed;
    *host_out = (span_t) {start, (size_t) (end - start)};
    *port_out = (span_t) {port, strlen(port)};
    return true;
}

/* Returns what characters a host without brackets is made of: HOST_NUMERIC, if only those of an IPv4 address
 * or of a wildcard; HOST_NAME, if those of a host name (RFC 1123, and the underscore that many use). */
static host_kind_t kind_of_host(span_t host) {
    if (host.length == 0 || span_is(host, "*") || span_is(host, "localhost")) {
        return HOST_NUMERIC;
    }
    host_kind_t kind = HOST_NUMERIC;
    for (size_t i = 0; i < host.length; i++) {
        char c = host.start[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_') {
            kind = HOST_NAME;
        } else if (c != '.' && (c < '0' || c > '9')) {
            return HOST_NEITHER;
        }
    }
    return kind;
}

/* Returns a port in network byte order: two bytes, the high one first. */
static in_port_t port_to_network(uint32_t port) {
    const uint8_t bytes[2] = {(uint8_t) (port >> 8), (uint8_t) port};
    in_port_t network;
    memcpy(&network, bytes, sizeof network);
    return network;
}

static uint16_t port_from_network(in_port_t network) {
    uint8_t bytes[2];
    memcpy(bytes, &network, sizeof bytes);
    return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

/* Parses a host without brackets. Returns false if it is no IPv4 address. */
static bool parse_ipv4(span_t host, uint32_t port, ptk_addr_t *addr) {
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = port_to_network(port)};
    char text[HOST_BYTES_MAX];
    if (span_is(host, "localhost")) {
        host = (span_t) {"127.0.0.1", 9};
    } else if (host.length == 0 || span_is(host, "*")) {
        host = (span_t) {"0.0.0.0", 7};
    }
    if (!span_copy(host, text, sizeof text) || !ptk_sys_inet_parse(AF_INET, text, &in4.sin_addr)) {
        return false;
    }
    addr->length = sizeof in4;
    memcpy(&addr->storage, &in4, sizeof in4);
    return true;
}

/* Parses what follows the '%': a number, or the name of an interface. Returns false if there is no such
 * interface.
 */
static bool parse_scope(span_t scope, uint32_t *scope_out) {
    char name[HOST_BYTES_MAX];
    if (span_number(scope, UINT32_MAX, scope_out)) {
        return true;
    }
    if (!span_copy(scope, name, sizeof name)) {
        return false;
    }
    *scope_out = ptk_sys_interface_index(name);
    return *scope_out != 0;
}

/* Parses a host in brackets. Returns false if it is no IPv6 address. */
static bool parse_ipv6(span_t host, uint32_t port, ptk_addr_t *addr) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port_to_network(port)};
    char text[HOST_BYTES_MAX];
    const char *percent = memchr(host.start, '%', host.length);
    if (percent) {
        span_t scope = {percent + 1, (size_t) (host.start + host.length - (percent + 1))};
        if (!parse_scope(scope, &in6.sin6_scope_id)) {
            return false;
        }
        host.length = (size_t) (percent - host.start);
    }
    if (!span_copy(host, text, sizeof text) || !ptk_sys_inet_parse(AF_INET6, text, &in6.sin6_addr)) {
        return false;
    }
    addr->length = sizeof in6;
    memcpy(&addr->storage, &in6, sizeof in6);
    return true;
}

/* Returns OK, or why the spans are no address. A missing port is reported before a host name, because a text
 * with a host name needs a port too. */
static ptk_err parse_spans(bool bracketed, span_t host, span_t port_text, ptk_addr_t *addr_out) {
    host_kind_t kind = bracketed ? HOST_NUMERIC : kind_of_host(host);
    uint32_t port = 0;
    bool has_port = span_number(port_text, UINT16_MAX, &port);
    if (kind == HOST_NEITHER || (!has_port && port_text.length > 0)) {
        return PTK_ERR_INVALID_PARAM;
    }
    bool is_good = kind == HOST_NAME || (bracketed ? parse_ipv6 : parse_ipv4)(host, port, addr_out);
    if (!is_good) {
        return PTK_ERR_INVALID_PARAM;
    }
    if (!has_port) {
        return PTK_ERR_NO_PORT;
    }
    return kind == HOST_NAME ? PTK_ERR_NOT_NUMERIC : PTK_OK;
}

ptk_err ptk_addr_parse(const char *text, ptk_addr_t *addr_out) {
    ptk_addr_t addr;
    span_t host;
    span_t port;
    bool bracketed;
    if (!text || !addr_out || !split_host_port(text, &bracketed, &host, &port)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    memset(&addr, 0, sizeof addr);
    ptk_err err = parse_spans(bracketed, host, port, &addr);
    if (err == PTK_OK) {
        *addr_out = addr;
    }
    return ptk_fail(err);
}

/* Copies a sockaddr of the given family and size. Returns false if it is another family's or too short. */
static bool copy_sockaddr(const struct sockaddr *addr, socklen_t addrlen, int family, void *copy_out,
                          size_t copy_bytes) {
    sa_family_t found;
    if (!addr || addrlen < copy_bytes) {
        return false;
    }
    memcpy(&found, (const char *) addr + offsetof(struct sockaddr, sa_family), sizeof found);
    if (found != family) {
        return false;
    }
    memcpy(copy_out, addr, copy_bytes);
    return true;
}

/* Writes the text, as far as it fits, and returns its whole length; 0 for an address that has no text. */
static size_t format_any(const struct sockaddr *addr, socklen_t addrlen, char *text_out, size_t text_bytes) {
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    char host[HOST_BYTES_MAX];
    if (copy_sockaddr(addr, addrlen, AF_INET, &in4, sizeof in4) &&
        ptk_sys_inet_format(AF_INET, &in4.sin_addr, host, sizeof host)) {
        return ptk_sys_format(text_out, text_bytes, "%s:%u", host, port_from_network(in4.sin_port));
    }
    if (!copy_sockaddr(addr, addrlen, AF_INET6, &in6, sizeof in6) ||
        !ptk_sys_inet_format(AF_INET6, &in6.sin6_addr, host, sizeof host)) {
        return 0;
    }
    unsigned port = port_from_network(in6.sin6_port);
    if (in6.sin6_scope_id) {
        return ptk_sys_format(text_out, text_bytes, "[%s%%%u]:%u", host, (unsigned) in6.sin6_scope_id, port);
    }
    return ptk_sys_format(text_out, text_bytes, "[%s]:%u", host, port);
}

ptk_err ptk_addr_format(const struct sockaddr *addr, socklen_t addrlen, char *text_out, size_t text_bytes) {
    if (!text_out || text_bytes == 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    size_t length = format_any(addr, addrlen, text_out, text_bytes);
    if (length == 0 || length >= text_bytes) {
        text_out[0] = '\0';
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    return PTK_OK;
}

uint16_t ptk_addr_port(const struct sockaddr *addr, socklen_t addrlen) {
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    if (copy_sockaddr(addr, addrlen, AF_INET, &in4, sizeof in4)) {
        return port_from_network(in4.sin_port);
    }
    return copy_sockaddr(addr, addrlen, AF_INET6, &in6, sizeof in6) ? port_from_network(in6.sin6_port) : 0;
}

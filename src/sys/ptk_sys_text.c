/* SPDX-License-Identifier: MIT */
/* Text: libc's conversions between values and text. Each restores errno, like the calls of the table. */
#include "sys/ptk_sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

/* vsnprintf(3) fails only on a wide character that has no multibyte form: the text is then empty. */
size_t ptk_sys_format_list(char *buffer, size_t bytes, const char *format, va_list arguments) {
    int saved_errno = errno;
    int length = vsnprintf(buffer, bytes, format, arguments);
    errno = saved_errno;
    if (length >= 0) {
        return (size_t) length;
    }
    if (bytes > 0) {
        buffer[0] = '\0';
    }
    return 0;
}

size_t ptk_sys_format(char *buffer, size_t bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length = ptk_sys_format_list(buffer, bytes, format, arguments);
    va_end(arguments);
    return length;
}

/* inet_pton(3) returns -1 for an unknown family and 0 for a text that is no address. */
bool ptk_sys_inet_parse(int family, const char *text, void *address_out) {
    int saved_errno = errno;
    int result = inet_pton(family, text, address_out);
    errno = saved_errno;
    return result == 1;
}

bool ptk_sys_inet_format(int family, const void *address, char *text_out, size_t text_bytes) {
    int saved_errno = errno;
    const char *text = inet_ntop(family, address, text_out, (socklen_t) text_bytes);
    errno = saved_errno;
    return text != NULL;
}

/* if_nametoindex(3) opens a socket, so it can fail also for lack of descriptors. */
uint32_t ptk_sys_interface_index(const char *name) {
    int saved_errno = errno;
    unsigned index = if_nametoindex(name);
    errno = saved_errno;
    return index;
}

/* SPDX-License-Identifier: MIT */
/*
 * The one table of every operating-system call that ptk makes (layer 0).
 *
 * All code above reaches the system through `ptk_sys()`: the table of the thread block in use, or the real
 * one. A fault injector, a test or another host puts its own table into its thread block. Code that reads
 * memory from a signal handler, or that maps stacks, uses `ptk_sys_real` whatever the block holds: both are
 * process-wide.
 *
 * Conventions:
 *   - a call that can fail returns a negative errno value and leaves errno itself unchanged;
 *   - results are written through `_out` parameters, only on success;
 *   - nothing here retries: EINTR is returned to the caller;
 *   - every descriptor is close-on-exec and above 2, and every socket is non-blocking;
 *   - a call may be made from any thread; those marked so are async-signal-safe.
 *
 * A port fills one such table: its files stand beside ptk_sys_linux*.c.
 */
#pragma once

#include <ptk_os_net.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct epoll_event;
struct pollfd;
struct sigaction;

#define PTK_SYS_NAME_BYTES 64 /* of the name of a static function; a longer one is cut */

/* The name of a code address, as far as the system has one. */
typedef struct ptk_sys_symbol {
    const char *module; /* path of the program or library, NULL if unknown */
    const char *name;   /* the function, NULL if unknown; may point to `text`, so the struct is not copied */
    uintptr_t offset;   /* from the function; 0 without a name */
    uintptr_t module_offset; /* in the module's file, as addr2line and llvm-symbolizer take it */
    char text[PTK_SYS_NAME_BYTES];
} ptk_sys_symbol_t;

typedef struct ptk_sys {
    /* The monotonic clock in nanoseconds, and bytes from the system's entropy source. */
    uint64_t (*now_ns)(void);
    int (*random_bytes)(void *buffer, size_t bytes);

    /* The heap behind the default allocator: realloc(3) and free(3). NULL: no memory. */
    void *(*heap_reallocate)(void *memory, size_t bytes);
    void (*heap_free)(void *memory);

    /* Pages. All ranges are whole pages. map_stacks: private, anonymous, zeroed, NORESERVE, without huge
     * pages. guard_install may succeed without effect (MADV_GUARD_INSTALL under an emulator): is_readable
     * proves it. */
    int (*map_stacks)(size_t bytes, void **memory_out);
    int (*unmap)(void *memory, size_t bytes);
    int (*protect_none)(void *memory, size_t bytes);
    int (*guard_install)(void *memory, size_t bytes);
    int (*resident)(void *memory, size_t bytes, unsigned char *vector); /* mincore(2): one byte per page */
    /* Gives the pages' memory back: they read as zeros afterwards. Guards stay. Pages that the program has
     * locked in memory stay as they are. */
    void (*discard)(void *memory, size_t bytes);
    /* Returns how many mappings the process may still make, and how many it may have at most; SIZE_MAX where
     * that is unknown. Reads a text that has a line per mapping. */
    size_t (*mapping_room)(size_t *limit_out);
    /* The kernel reads one byte: false is EFAULT. True for every address, NULL included, where the system
     * cannot find out. Async-signal-safe. */
    bool (*is_readable)(const void *memory);
    size_t (*page_bytes)(void);

    /* Sockets. Each call is one system call on a non-blocking descriptor. */
    int (*socket)(int family, int type, int protocol, ptk_os_handle_t *handle_out);
    int (*bind)(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
    int (*listen)(ptk_os_handle_t handle, int backlog);
    int (*accept)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                  ptk_os_handle_t *handle_out);
    int (*connect)(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
    intptr_t (*recv)(ptk_os_handle_t handle, void *buffer, size_t bytes);
    intptr_t (*send)(ptk_os_handle_t handle, const void *buffer, size_t bytes); /* without SIGPIPE */
    int (*shutdown)(ptk_os_handle_t handle, int how);
    int (*close)(ptk_os_handle_t handle);
    int (*local_name)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*peer_name)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*get_option)(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length);
    int (*set_option)(ptk_os_handle_t handle, int level, int name, const void *value, socklen_t length);

    /* Pollers. timeout_ns < 0: no limit. A wait may end early, never late by a millisecond or more. The
     * events of epoll and poll keep the system's own layout. */
    int (*epoll_create)(ptk_os_handle_t *handle_out);
    int (*epoll_ctl)(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle, struct epoll_event *event);
    int (*epoll_wait)(ptk_os_handle_t epoll, struct epoll_event *events, int capacity, int64_t timeout_ns);
    int (*poll)(struct pollfd *entries, size_t count, int64_t timeout_ns);

    /* A timer: a descriptor that becomes readable at a point of the monotonic clock; PTK_TIME_NEVER disarms
     * it. */
    int (*timer_open)(ptk_os_handle_t *handle_out);
    int (*timer_set)(ptk_os_handle_t timer, uint64_t deadline_ns);

    /* A wake: a descriptor that is readable from a kick until it is drained, and the one to kick, which may
     * be the same; both are closed. Kicks are not counted. wake_kick is async-signal-safe. */
    int (*wake_open)(ptk_os_handle_t *handle_out, ptk_os_handle_t *kick_out);
    int (*wake_kick)(ptk_os_handle_t kick);
    int (*wake_drain)(ptk_os_handle_t wake);

    /* Signals and the process. */
    int (*signal_action)(int signal_number, const struct sigaction *action, struct sigaction *old_out);
    /* Returns whether the calling thread blocks a signal; blocks or unblocks it; sends it to the calling
     * thread, which is async-signal-safe. */
    bool (*signal_is_blocked)(int signal_number);
    void (*signal_set_blocked)(int signal_number, bool blocked);
    void (*signal_raise)(int signal_number);
    /* Gives the calling thread an alternate signal stack unless it has one; NULL is then the cookie. Remove
     * takes the cookie on the same thread and does nothing for NULL. */
    int (*signal_stack_install)(void **cookie_out);
    void (*signal_stack_remove)(void *cookie);

    /* Returns whether a signal that has a handler is blocked: true inside such a handler, and where the
     * thread blocks one by itself. */
    bool (*in_signal_handler)(void);

    int (*at_fork_child)(void (*handler)(void));
    /* Calls handler(argument) when the calling thread ends, on its own stack; NULL: no longer. There is one
     * handler, the same for all threads. */
    int (*at_thread_exit)(void (*handler)(void *argument), void *argument);
    void (*thread_yield)(void);

    /* Other threads. start runs body(argument) on a thread with all signals blocked but those of faults; join
     * waits for its end. self names the calling thread. signal sends a signal to a living thread; it is
     * async-signal-safe. */
    int (*thread_start)(void (*body)(void *argument), void *argument, uintptr_t *thread_out);
    void (*thread_join)(uintptr_t thread);
    uintptr_t (*thread_self)(void);
    void (*thread_signal)(uintptr_t thread, int signal_number);
    /* wait returns at once if *word is not `value`, else after a wake, after the timeout (< 0: none), or
     * earlier for no reason. Both are async-signal-safe. */
    void (*thread_wait)(atomic_uint *word, unsigned value, int64_t timeout_ns);
    void (*thread_wake)(atomic_uint *word);
    const char *(*environment)(const char *name);

    /* Standard error: descriptor 2. write_error neither waits nor raises a signal, and writes only to the
     * file that descriptor 2 was at the last error_adopt; to any before the first, or after error_forget.
     * Returns whether the whole text was written. All are async-signal-safe. */
    void (*error_adopt)(void);
    void (*error_forget)(void);
    bool (*write_error)(const char *text, size_t bytes);

    void (*abort)(void);
    /* Names a code address, also of a static function where the program has its symbol table. False: no
     * module is mapped there. Allocates nothing; reads files. */
    bool (*symbolize)(const void *address, ptk_sys_symbol_t *symbol_out);
} ptk_sys_t;

/* The table of the real system. */
extern const ptk_sys_t ptk_sys_real;

/* Returns the name of a system call that a filter denies, and what ptk does instead, and writes the errno
 * value of the refusal to *os_err_out; NULL if there is none that was not returned before. Any thread. */
const char *ptk_sys_take_denied(int *os_err_out);

/* Returns whether a negative errno value means that the system does not have the call: sandboxes answer with
 * EPERM or EACCES as well as with ENOSYS. */
static inline bool ptk_sys_is_denied(intptr_t result) {
    return result == -ENOSYS || result == -EPERM || result == -EACCES;
}

/* Returns where the C++ library keeps the exceptions of the calling thread (`__cxa_get_globals`), NULL in a
 * process without one. Any thread. */
void *ptk_sys_cxx_globals(void);

/* Formats like snprintf(3) into `buffer`, which is always terminated. Returns the length of the whole text,
 * also where it was cut. Leaves errno unchanged. Any thread. Not part of the table, like all text functions:
 * they make no system call. */
size_t ptk_sys_format(char *buffer, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t ptk_sys_format_list(char *buffer, size_t bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Parses a numeric IPv4 or IPv6 address (family AF_INET or AF_INET6) into 4 or 16 bytes, network order.
 * Returns false if the text is none. */
bool ptk_sys_inet_parse(int family, const char *text, void *address_out);

/* Writes the numeric form of such an address, terminated. Returns false if it does not fit. */
bool ptk_sys_inet_format(int family, const void *address, char *text_out, size_t text_bytes);

/* Returns the index of a network interface, 0 if there is none of that name. */
uint32_t ptk_sys_interface_index(const char *name);

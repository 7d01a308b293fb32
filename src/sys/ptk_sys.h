/* SPDX-License-Identifier: MIT */
/*
 * The one table of every operating-system call that ptk makes (layer 0).
 *
 * All code above reaches the system through `ptk_sys()`: the table of the thread block in use, or the real
 * one. A simulated host, a fault injector or a test hangs its own table into its thread block. Whoever
 * touches memory from a signal handler, or maps stacks, uses `ptk_sys_real` whatever the block says: those
 * are process-wide.
 *
 * Convention: a call that can fail answers a negative errno value and never touches errno. Nothing here
 * retries: EINTR is passed up. Every descriptor is made close-on-exec, and every socket non-blocking.
 */
#pragma once

#include <ptk_os_net.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct epoll_event;
struct pollfd;
struct sigaction;

/* One line of a backtrace, as far as the system can name it. */
typedef struct ptk_sys_symbol {
    const char *module; /* path of the program or library, NULL if unknown */
    const char *name;   /* nearest exported symbol, NULL if unknown */
    uintptr_t offset;   /* from the symbol if there is one, else from the module's base */
} ptk_sys_symbol_t;

typedef struct ptk_sys {
    /* Time and chance. */
    uint64_t (*now_ns)(void);
    int (*random_bytes)(void *buffer, size_t bytes);

    /* The heap behind the default allocator. */
    void *(*heap_reallocate)(void *memory, size_t bytes);
    void (*heap_free)(void *memory);

    /* Pages. map_stacks: private, anonymous, NORESERVE, no huge pages. */
    int (*map_stacks)(size_t bytes, void **memory_out);
    int (*unmap)(void *memory, size_t bytes);
    int (*protect_none)(void *memory, size_t bytes);
    int (*guard_install)(void *memory, size_t bytes); /* MADV_GUARD_INSTALL; may lie, see guard_holds */
    int (*discard)(void *memory, size_t bytes);       /* give the pages back, keep the range */
    int (*resident)(void *memory, size_t bytes, unsigned char *vector); /* mincore */
    bool (*is_readable)(const void *memory); /* asks the kernel to read one byte: false is EFAULT */
    size_t (*page_bytes)(void);

    /* Sockets. */
    int (*socket)(int family, int type, int protocol, ptk_os_handle_t *handle_out);
    int (*bind)(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
    int (*listen)(ptk_os_handle_t handle, int backlog);
    int (*accept)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                  ptk_os_handle_t *handle_out);
    int (*connect)(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
    intptr_t (*recv)(ptk_os_handle_t handle, void *buffer, size_t bytes);
    intptr_t (*send)(ptk_os_handle_t handle, const void *buffer, size_t bytes); /* never raises SIGPIPE */
    int (*shutdown)(ptk_os_handle_t handle, int how);
    int (*close)(ptk_os_handle_t handle);
    int (*local_name)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*peer_name)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*get_option)(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length);
    int (*set_option)(ptk_os_handle_t handle, int level, int name, const void *value, socklen_t length);

    /* Pollers. timeout_ns < 0: no limit. The events of epoll and poll keep the system's own layout. */
    int (*epoll_create)(ptk_os_handle_t *handle_out);
    int (*epoll_ctl)(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle, struct epoll_event *event);
    int (*epoll_wait)(ptk_os_handle_t epoll, struct epoll_event *events, int capacity, int64_t timeout_ns);
    int (*poll)(struct pollfd *entries, size_t count, int64_t timeout_ns);
    int (*timer_open)(ptk_os_handle_t *handle_out);
    int (*timer_set)(ptk_os_handle_t timer,
                     uint64_t deadline_ns); /* absolute, monotonic; PTK_TIME_NEVER disarms */

    /* A wake: a descriptor that becomes readable when kicked. wake_kick is async-signal-safe. */
    int (*wake_open)(ptk_os_handle_t *handle_out);
    int (*wake_kick)(ptk_os_handle_t wake);
    int (*wake_drain)(ptk_os_handle_t wake);

    /* Signals and the process. */
    int (*signal_action)(int signal_number, const struct sigaction *action, struct sigaction *old_out);
    int (*signal_stack_install)(
        void **cookie_out); /* an alternate stack for this thread, unless it has one */
    void (*signal_stack_remove)(void *cookie);
    bool (*in_signal_handler)(void); /* a signal that has a handler is blocked: true inside such a handler,
                                        and where a thread blocks one otherwise */
    int (*at_fork_child)(void (*handler)(void));
    void (*thread_yield)(void);
    const char *(*environment)(const char *name);
    void (*write_error)(const char *text, size_t bytes); /* standard error; async-signal-safe */
    void (*abort)(void);
    bool (*symbolize)(const void *address, ptk_sys_symbol_t *symbol_out);
} ptk_sys_t;

/* The real system. */
extern const ptk_sys_t ptk_sys_real;

/* printf into a buffer, always terminated; answers the length that the whole text would have had. */
size_t ptk_sys_format(char *buffer, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t ptk_sys_format_list(char *buffer, size_t bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* IPv4/IPv6 text to bytes and back; interface names. Pure functions of libc, so not part of the table. */
bool ptk_sys_inet_parse(int family, const char *text, void *address_out);
bool ptk_sys_inet_format(int family, const void *address, char *text_out, size_t text_bytes);
uint32_t ptk_sys_interface_index(const char *name);

/* SPDX-License-Identifier: MIT */
/*
 * Pages and signals of the real system on Linux.
 *
 * The alternate signal stack of a thread is a mapping of its own, whose address is the cookie. A thread that
 * has an alternate stack already keeps it: another library's, or a sanitizer's.
 */
#include "sys/ptk_sys_linux.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SYS_SIGNAL_STACK_BYTES ((size_t) 64 * 1024)

/* NORESERVE keeps untouched stacks out of the commit limit. Huge pages are switched off: one touched byte
 * would make 2 MiB resident. */
int ptk_sys_linux_map_stacks(size_t bytes, void **memory_out) {
    int saved_errno = errno;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        return (int) ptk_sys_result(-1, saved_errno);
    }
    if (madvise(memory, bytes, MADV_NOHUGEPAGE) < 0) {
        errno = saved_errno; /* the kernel has no huge pages: nothing to switch off */
    }
    *memory_out = memory;
    return 0;
}

int ptk_sys_linux_unmap(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_result(munmap(memory, bytes), saved_errno);
}

/* Splits the mapping, which counts against vm.max_map_count: ENOMEM at the limit. */
int ptk_sys_linux_protect_none(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_result(mprotect(memory, bytes, PROT_NONE), saved_errno);
}

/* Linux 6.13 and later: the guard lives in the page table, so it does not split the mapping. EINVAL: an older
 * kernel, or locked memory. */
int ptk_sys_linux_guard_install(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_result(madvise(memory, bytes, MADV_GUARD_INSTALL), saved_errno);
}

/* Bit 0 of each byte is the residency; the others are undefined. */
int ptk_sys_linux_resident(void *memory, size_t bytes, unsigned char *vector) {
    int saved_errno = errno;
    return (int) ptk_sys_result(mincore(memory, bytes, vector), saved_errno);
}

void ptk_sys_linux_discard(void *memory, size_t bytes) {
    int saved_errno = errno;
    (void) madvise(memory, bytes, MADV_DONTNEED);
    errno = saved_errno;
}

/* What a file of /proc begins with, and how many newlines it has. */
typedef struct sys_text {
    long number;
    size_t lines;
} sys_text_t;

/* Reads a file to its end. Returns false if it cannot be read. */
static bool sys_read_text(const char *path, sys_text_t *text_out) {
    char chunk[2048];
    intptr_t got = -1;
    *text_out = (sys_text_t) {0};
    int fd = ptk_sys_above_standard(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0) {
        return false;
    }
    for (bool is_first = true; (got = read(fd, chunk, sizeof chunk - 1)) > 0; is_first = false) {
        chunk[got] = '\0';
        text_out->number = is_first ? strtol(chunk, NULL, 10) : text_out->number;
        for (intptr_t i = 0; i < got; i++) {
            text_out->lines += chunk[i] == '\n';
        }
    }
    close(fd);
    return got == 0;
}

/* vm.max_map_count, and a line of /proc/self/maps per mapping. */
size_t ptk_sys_linux_mapping_room(size_t *limit_out) {
    int saved_errno = errno;
    sys_text_t limit;
    sys_text_t mappings;
    bool is_known = sys_read_text("/proc/sys/vm/max_map_count", &limit) && limit.number > 0 &&
                    sys_read_text("/proc/self/maps", &mappings);
    errno = saved_errno;
    *limit_out = is_known ? (size_t) limit.number : SIZE_MAX;
    if (!is_known) {
        return SIZE_MAX;
    }
    return mappings.lines < (size_t) limit.number ? (size_t) limit.number - mappings.lines : 0;
}

/* Reads one byte without a descriptor, which a filter or a kernel option may forbid. Returns 1, -EFAULT, or
 * the reason why the call does not work here. */
static intptr_t sys_read_own_memory(const void *memory) {
    int saved_errno = errno;
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {(void *) (uintptr_t) memory, 1};
    return ptk_sys_result(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), saved_errno);
}

/* Has the kernel read one byte by writing it to a pipe: works everywhere, and takes two descriptors. */
static intptr_t sys_write_to_pipe(const void *memory) {
    int saved_errno = errno;
    int ends[2];
    int result = ptk_sys_linux_pipe(ends);
    if (result != 0) {
        return result;
    }
    intptr_t written = ptk_sys_result(write(ends[1], memory, 1), saved_errno);
    close(ends[0]);
    close(ends[1]);
    errno = saved_errno;
    return written;
}

/* Without a pipe the byte counts as readable, address 0 included; only EFAULT proves a guard. */
bool ptk_sys_linux_is_readable(const void *memory) {
    intptr_t result = sys_read_own_memory(memory);
    if (result < 0 && result != -EFAULT) {
        result = sys_write_to_pipe(memory);
    }
    return result != -EFAULT;
}

/* sysconf(3) reads a value that libc holds; it makes no system call. */
size_t ptk_sys_linux_page_bytes(void) {
    return (size_t) sysconf(_SC_PAGESIZE);
}

int ptk_sys_linux_signal_action(int signal_number, const struct sigaction *action,
                                struct sigaction *old_out) {
    int saved_errno = errno;
    return (int) ptk_sys_result(sigaction(signal_number, action, old_out), saved_errno);
}

bool ptk_sys_linux_signal_is_blocked(int signal_number) {
    sigset_t blocked;
    return pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, signal_number) == 1;
}

/* Fails for no signal number that exists. */
void ptk_sys_linux_signal_set_blocked(int signal_number, bool blocked) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

void ptk_sys_linux_signal_raise(int signal_number) {
    int saved_errno = errno;
    raise(signal_number);
    errno = saved_errno;
}

/* 64 KiB hold the largest signal frame of any CPU (AMX: about 11 KiB) and an earlier handler that is called
 * from ptk's. */
int ptk_sys_linux_signal_stack_install(void **cookie_out) {
    int saved_errno = errno;
    stack_t stack;
    *cookie_out = NULL;
    if (sigaltstack(NULL, &stack) < 0 || !(stack.ss_flags & SS_DISABLE)) {
        return 0;
    }
    void *memory =
        mmap(NULL, SYS_SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return (int) ptk_sys_result(-1, saved_errno);
    }
    stack = (stack_t) {.ss_sp = memory, .ss_size = SYS_SIGNAL_STACK_BYTES};
    intptr_t result = ptk_sys_result(sigaltstack(&stack, NULL), saved_errno);
    if (result < 0) {
        munmap(memory, SYS_SIGNAL_STACK_BYTES);
        return (int) result;
    }
    *cookie_out = memory;
    return 0;
}

/* The stack is removed only if it is still the current one: the program may have installed its own since. */
void ptk_sys_linux_signal_stack_remove(void *cookie) {
    int saved_errno = errno;
    stack_t stack;
    if (!cookie) {
        return;
    }
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == cookie) {
        stack = (stack_t) {.ss_flags = SS_DISABLE};
        sigaltstack(&stack, NULL);
    }
    munmap(cookie, SYS_SIGNAL_STACK_BYTES);
    errno = saved_errno;
}

/* Returns whether the program has a handler for the signal. */
static bool sys_has_handler(int signal_number) {
    struct sigaction action;
    if (sigaction(signal_number, NULL, &action) != 0) {
        return false;
    }
    return (action.sa_flags & SA_SIGINFO) || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

/* The kernel blocks a signal while its handler runs, unless SA_NODEFER is set; there is no call that returns
 * the fact itself. */
bool ptk_sys_linux_in_signal_handler(void) {
    int saved_errno = errno;
    bool found = false;
    sigset_t blocked;
    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0) {
        for (int number = 1; number < NSIG && !found; number++) {
            found = sigismember(&blocked, number) == 1 && sys_has_handler(number);
        }
    }
    errno = saved_errno;
    return found;
}

/* SPDX-License-Identifier: MIT */
/* Pages and signals of the real system on Linux. */
#include "sys/ptk_sys_linux.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SIGNAL_STACK_BYTES ((size_t) 64 * 1024)

int ptk_sys_linux_map_stacks(size_t bytes, void **memory_out) {
    int saved_errno = errno;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        return (int) ptk_sys_answer(-1, saved_errno);
    }
    if (madvise(memory, bytes, MADV_NOHUGEPAGE) < 0) {
        errno = saved_errno; /* a kernel without huge pages: just as good */
    }
    *memory_out = memory;
    return 0;
}

int ptk_sys_linux_unmap(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(munmap(memory, bytes), saved_errno);
}

int ptk_sys_linux_protect_none(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(mprotect(memory, bytes, PROT_NONE), saved_errno);
}

int ptk_sys_linux_guard_install(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(madvise(memory, bytes, MADV_GUARD_INSTALL), saved_errno);
}

int ptk_sys_linux_discard(void *memory, size_t bytes) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(madvise(memory, bytes, MADV_DONTNEED), saved_errno);
}

int ptk_sys_linux_resident(void *memory, size_t bytes, unsigned char *vector) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(mincore(memory, bytes, vector), saved_errno);
}

/* Without a descriptor, but not everywhere: 1, -EFAULT, or some other reason why it does not work here. */
static intptr_t read_own_memory(const void *memory) {
    int saved_errno = errno;
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {(void *) (uintptr_t) memory, 1};
    return ptk_sys_answer(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), saved_errno);
}

static intptr_t write_to_pipe(const void *memory) {
    int saved_errno = errno;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return ptk_sys_answer(-1, saved_errno);
    }
    intptr_t written = ptk_sys_answer(write(ends[1], memory, 1), saved_errno);
    close(ends[0]);
    close(ends[1]);
    return written;
}

bool ptk_sys_linux_is_readable(const void *memory) {
    intptr_t result = read_own_memory(memory);
    if (result < 0 && result != -EFAULT) {
        result = write_to_pipe(memory);
    }
    return result != -EFAULT;
}

size_t ptk_sys_linux_page_bytes(void) {
    return (size_t) sysconf(_SC_PAGESIZE);
}

int ptk_sys_linux_signal_action(int signal_number, const struct sigaction *action,
                                struct sigaction *old_out) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(sigaction(signal_number, action, old_out), saved_errno);
}

int ptk_sys_linux_signal_stack_install(void **cookie_out) {
    int saved_errno = errno;
    stack_t stack;
    *cookie_out = NULL;
    if (sigaltstack(NULL, &stack) < 0 || !(stack.ss_flags & SS_DISABLE)) {
        return 0;
    }
    void *memory = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return (int) ptk_sys_answer(-1, saved_errno);
    }
    stack = (stack_t) {.ss_sp = memory, .ss_size = SIGNAL_STACK_BYTES};
    intptr_t result = ptk_sys_answer(sigaltstack(&stack, NULL), saved_errno);
    if (result < 0) {
        munmap(memory, SIGNAL_STACK_BYTES);
        return (int) result;
    }
    *cookie_out = memory;
    return 0;
}

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
    munmap(cookie, SIGNAL_STACK_BYTES);
    errno = saved_errno;
}

/* Returns true if the program has a handler for the signal. */
static bool has_handler(int signal_number) {
    struct sigaction action;
    if (sigaction(signal_number, NULL, &action) != 0) {
        return false;
    }
    return (action.sa_flags & SA_SIGINFO) || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

bool ptk_sys_linux_in_signal_handler(void) {
    int saved_errno = errno;
    bool found = false;
    sigset_t blocked;
    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0) {
        for (int number = 1; number < NSIG && !found; number++) {
            found = sigismember(&blocked, number) == 1 && has_handler(number);
        }
    }
    errno = saved_errno;
    return found;
}

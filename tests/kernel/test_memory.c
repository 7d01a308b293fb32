/* SPDX-License-Identifier: MIT */
/* The behaviour of the kernel's memory management that ptk relies on, tested without ptk. */
#include "ptk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static size_t page_bytes(void) {
    return (size_t) sysconf(_SC_PAGESIZE);
}

static char *map_pages(size_t count) {
    char *memory = mmap(NULL, count * page_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* Returns whether the kernel can read this byte. It returns EFAULT where the process would fault. */
static bool kernel_reads(const char *place) {
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    ssize_t written = write(fds[1], place, 1);
    int error = errno;
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
    CHECK(written == 1 || error == EFAULT);
    return written == 1;
}

static void install_guard(char *place) {
    if (madvise(place, page_bytes(), MADV_GUARD_INSTALL) != 0) {
        CHECK_EQ(errno, EINVAL);
        SKIP("no guard advice in this kernel");
    }
}

TEST(p64_guard_advice_gives_efault) {
    char *memory = map_pages(4);
    memset(memory, 1, 4 * page_bytes());
    install_guard(memory + page_bytes());
    CHECK(kernel_reads(memory));
    CHECK(!kernel_reads(memory + page_bytes()));
    CHECK(!kernel_reads(memory + 2 * page_bytes() - 1));
    CHECK(kernel_reads(memory + 2 * page_bytes()));
    CHECK_EQ(munmap(memory, 4 * page_bytes()), 0);
}

TEST(guard_advice_survives_dontneed_and_goes_with_remove) {
    char *memory = map_pages(3);
    install_guard(memory);
    CHECK_EQ(madvise(memory, 3 * page_bytes(), MADV_DONTNEED), 0);
    CHECK(!kernel_reads(memory));
    CHECK_EQ(madvise(memory, page_bytes(), MADV_GUARD_REMOVE), 0);
    CHECK(kernel_reads(memory));
    CHECK_EQ(munmap(memory, 3 * page_bytes()), 0);
}

static void touch(void *place) {
    *(volatile char *) place = 1;
}

TEST(guard_advice_faults_the_process) {
    char *memory = map_pages(2);
    install_guard(memory);
    int status = ptk_test_in_child(touch, memory, NULL, 0);
    CHECK(WIFSIGNALED(status) ||
          (WIFEXITED(status) && WEXITSTATUS(status) != 0)); /* a sanitizer exits with a code */
    status = ptk_test_in_child(touch, memory + page_bytes(), NULL, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(munmap(memory, 2 * page_bytes()), 0);
}

TEST(protection_gives_efault_too) {
    char *memory = map_pages(2);
    CHECK_EQ(mprotect(memory, page_bytes(), PROT_NONE), 0);
    CHECK(!kernel_reads(memory));
    CHECK(kernel_reads(memory + page_bytes()));
    CHECK_EQ(munmap(memory, 2 * page_bytes()), 0);
}

TEST(untouched_pages_are_not_resident) {
    unsigned char resident[4];
    char *memory = map_pages(4);
    memory[2 * page_bytes()] = 1;
    CHECK_EQ(mincore(memory, 4 * page_bytes(), resident), 0);
    CHECK_EQ(resident[0] & 1, 0);
    CHECK_EQ(resident[1] & 1, 0);
    CHECK_EQ(resident[2] & 1, 1);
    CHECK_EQ(madvise(memory, 4 * page_bytes(), MADV_DONTNEED), 0);
    CHECK_EQ(mincore(memory, 4 * page_bytes(), resident), 0);
    CHECK_EQ(resident[2] & 1, 0);
    CHECK_EQ(munmap(memory, 4 * page_bytes()), 0);
}

static void expect_zero(void *place) {
    _exit(*(char *) place == 0 ? 0 : 1);
}

TEST(p52_wipe_on_fork_shows_the_child_zeros) {
    char *memory = map_pages(1);
    CHECK_EQ(madvise(memory, page_bytes(), MADV_WIPEONFORK), 0);
    *memory = 1;
    int status = ptk_test_in_child(expect_zero, memory, NULL, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(*memory, 1);
    CHECK_EQ(munmap(memory, page_bytes()), 0);
}

/* SPDX-License-Identifier: MIT */
#include "ptk_test_jail.h"

#include "ptk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNPRIVILEGED_ID 65534
#define CALLS_MAX       16
#define LENGTH(array)   (sizeof(array) / sizeof(array)[0])

/* --- seccomp filters --- */

#define LOAD(field)               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS_EQUAL(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) (value), 0, skip)
#define RETURN(value)             BPF_STMT(BPF_RET | BPF_K, value)

static void install_filter(struct sock_filter *program, size_t length) {
    const struct sock_fprog filter = {(unsigned short) length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        SKIP("no seccomp filters here");
    }
}

void ptk_test_deny_calls(const int *calls, size_t count, int os_err) {
    struct sock_filter program[2 * CALLS_MAX + 2] = {LOAD(nr)};
    size_t length = 1;
    CHECK(count > 0 && count <= CALLS_MAX);
    for (size_t i = 0; i < count; i++) {
        program[length++] = (struct sock_filter) UNLESS_EQUAL(calls[i], 1);
        program[length++] = (struct sock_filter) RETURN(SECCOMP_RET_ERRNO | (unsigned) os_err);
    }
    program[length++] = (struct sock_filter) RETURN(SECCOMP_RET_ALLOW);
    install_filter(program, length);
    errno = 0;
    if (syscall(calls[0], -1, 0, 0, 0, 0, 0) >= 0 || errno != os_err) {
        SKIP("the system accepts seccomp filters and does not apply them");
    }
}

/* A kernel that was started without IPv6 refuses the family. */
static void deny_ipv6(void) {
    struct sock_filter program[] = {
        LOAD(nr),
        UNLESS_EQUAL(SYS_socket, 3),
        LOAD(args[0]), /* its lower half: the CPUs that run this are little-endian */
        UNLESS_EQUAL(AF_INET6, 1),
        RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        RETURN(SECCOMP_RET_ALLOW),
    };
    install_filter(program, LENGTH(program));
    errno = 0;
    if (socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT) {
        SKIP("the system accepts seccomp filters and does not apply them");
    }
}

/* --- a container --- */

static void need(bool condition, const char *what) {
    if (!condition) {
        char reason[160];
        snprintf(reason, sizeof reason, "no container here: %s: %s", what, strerror(errno));
        SKIP(reason);
    }
}

static void write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text), path);
    close(fd);
}

/* Enters a user namespace in which the process has no privileges outside. A superuser gives them up first. */
static void give_up_privileges(void) {
    char map[64];
    if (geteuid() == 0) {
        need(syscall(SYS_setgroups, 0, NULL) == 0 && setgid(UNPRIVILEGED_ID) == 0 &&
                 setuid(UNPRIVILEGED_ID) == 0,
             "setuid");
        need(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0, "prctl"); /* else /proc/self is root's */
    }
    unsigned uid = geteuid();
    need(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) == 0, "unshare");
    snprintf(map, sizeof map, "%d %u 1", UNPRIVILEGED_ID, uid);
    write_file("/proc/self/uid_map", map);
}

static void make_mounts_read_only(void) {
    struct {
        uint64_t set, clear, propagation, userns_fd;
    } attributes = {.set = 1 /* MOUNT_ATTR_RDONLY */, .propagation = MS_PRIVATE};
    const int recursive = 0x8000; /* AT_RECURSIVE */
    need(syscall(442 /* mount_setattr */, -1, "/", recursive, &attributes, sizeof attributes) == 0,
         "mount_setattr");
    need(mount("none", "/proc", "tmpfs", MS_RDONLY, "size=4k") == 0, "mount");
    need(access("/proc/self", F_OK) != 0 && open("/tmp/x", O_CREAT | O_WRONLY, 0600) < 0, "open");
}

static void drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    need(syscall(SYS_capset, &header, none) == 0, "capset");
}

/* Continues in a child, which is process 1 of the new namespace. */
static void become_pid_1(void) {
    int status = 0;
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        need(getpid() == 1, "getpid");
        return;
    }
    need(waitpid(child, &status, 0) == child, "waitpid");
    if (!WIFEXITED(status)) {
        ptk_test_failed(__FILE__, __LINE__, "ended by signal %d", WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

static void enter_container(void) {
    give_up_privileges();
    make_mounts_read_only();
    become_pid_1();
    drop_capabilities();
    deny_ipv6();
}

/* --- the others --- */

static void enter_denied(void) {
    static const int calls[] = {SYS_epoll_create1, SYS_eventfd2, SYS_process_vm_readv};
    ptk_test_deny_calls(calls, LENGTH(calls), EPERM);
}

static void enter_filtered(void) {
    static const int calls[] = {441 /* epoll_pwait2 */, SYS_process_vm_readv};
    ptk_test_deny_calls(calls, LENGTH(calls), EACCES);
}

static void enter_small(void) {
    const struct rlimit memory = {512 << 20, 512 << 20};
    const struct rlimit locked_memory = {0, 0};
    const struct rlimit descriptors = {64, 64};
    CHECK_EQ(setrlimit(RLIMIT_AS, &memory), 0);
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &locked_memory), 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
}

static const struct {
    const char *name;
    void (*enter)(void);
} jails[] = {
    {"container", enter_container},
    {"denied", enter_denied},
    {"filtered", enter_filtered},
    {"small", enter_small},
};

void ptk_test_enter_jail(const char *name) {
    for (size_t i = 0; i < LENGTH(jails); i++) {
        if (strcmp(jails[i].name, name) == 0) {
            jails[i].enter();
            return;
        }
    }
    ptk_test_failed(__FILE__, __LINE__, "there is no jail named %s", name);
}

/* SPDX-License-Identifier: MIT */
/*
 * New descriptors of the real system on Linux.
 *
 * The number is looked at after the call that made the descriptor, so the ordinary case costs no system call.
 */
#include "sys/ptk_sys_linux.h"

#include <fcntl.h>
#include <unistd.h>

/* F_DUPFD fails with EINVAL where the limit of descriptors is 3 or less, which is a lack of them too. */
int ptk_sys_above_standard(int fd) {
    if (fd < 0 || fd > STDERR_FILENO) {
        return fd;
    }
    int saved_errno = errno;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int move_errno = errno == EINVAL ? EMFILE : errno;
    close(fd);
    errno = moved < 0 ? move_errno : saved_errno;
    return moved;
}

int ptk_sys_handle_or_error(int fd, int errno_before, ptk_os_handle_t *handle_out) {
    int result = (int) ptk_sys_result(ptk_sys_above_standard(fd), errno_before);
    if (result < 0) {
        return result;
    }
    errno = errno_before;
    *handle_out = result;
    return 0;
}

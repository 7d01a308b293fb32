/* SPDX-License-Identifier: MIT */
/*
 * The thread block and the error slot.
 *
 * A failed call writes its reason where ptk_get_err() will look for it: in the slot of the running green
 * thread, to which the scheduler points `errors` at every switch; in the slot that `locate` finds, when
 * somebody else's coroutines run here; in the thread's own slot otherwise.
 */
#include "base/ptk_thread.h"

#include <errno.h>

_Thread_local ptk_thread_block_t ptk_thread_own;
_Thread_local ptk_thread_block_t *ptk_thread_in_use;

ptk_error_slot_t *ptk_error_slot(void) {
    ptk_thread_block_t *block = ptk_thread();
    ptk_error_slot_t *slot = block->errors;
    if (!slot && block->locate) {
        slot = block->locate();
    }
    return slot ? slot : &block->own_errors;
}

void ptk_record_failure(ptk_error_slot_t failure) {
    if (failure.err != PTK_OK) {
        *ptk_error_slot() = failure;
    }
}

/* A table and not a switch: some systems give two of these names one value. */
static const struct {
    int os_err;
    ptk_err err;
} os_errors[] = {
    {0, PTK_OK},
    /* What ran out. */
    {ENOMEM, PTK_ERR_NO_RESOURCES},
    {ENOBUFS, PTK_ERR_NO_RESOURCES},
    {ENOSPC, PTK_ERR_NO_RESOURCES},
    {EMFILE, PTK_ERR_NO_RESOURCES},
    {ENFILE, PTK_ERR_NO_RESOURCES},
    /* What the caller asked for makes no sense. */
    {EINVAL, PTK_ERR_INVALID_PARAM},
    {EFAULT, PTK_ERR_INVALID_PARAM},
    {EBADF, PTK_ERR_INVALID_PARAM},
    {ENOTSOCK, PTK_ERR_INVALID_PARAM},
    {EDESTADDRREQ, PTK_ERR_INVALID_PARAM},
    {EMSGSIZE, PTK_ERR_INVALID_PARAM},
    {ENAMETOOLONG, PTK_ERR_INVALID_PARAM},
    /* What this system does not have. */
    {ENOSYS, PTK_ERR_NOT_SUPPORTED},
    {ENOTSUP, PTK_ERR_NOT_SUPPORTED},
    {EOPNOTSUPP, PTK_ERR_NOT_SUPPORTED},
    {EAFNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {EPFNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {EPROTONOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {ESOCKTNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {EPROTOTYPE, PTK_ERR_NOT_SUPPORTED},
    {ENOPROTOOPT, PTK_ERR_NOT_SUPPORTED},
    /* What is not allowed, or not now. */
    {EACCES, PTK_ERR_PERMISSION},
    {EPERM, PTK_ERR_PERMISSION},
    {EBUSY, PTK_ERR_BUSY},
    {EALREADY, PTK_ERR_BUSY},
    {EINPROGRESS, PTK_ERR_BUSY},
    {ECANCELED, PTK_ERR_CANCELED},
    /* What the network did. */
    {ECONNREFUSED, PTK_ERR_REFUSED},
    {ECONNRESET, PTK_ERR_RESET},
    {ECONNABORTED, PTK_ERR_RESET},
    {ENETRESET, PTK_ERR_RESET},
    {EPIPE, PTK_ERR_RESET},
    {ENETUNREACH, PTK_ERR_UNREACHABLE},
    {EHOSTUNREACH, PTK_ERR_UNREACHABLE},
    {ENETDOWN, PTK_ERR_UNREACHABLE},
    {EHOSTDOWN, PTK_ERR_UNREACHABLE},
    {ETIMEDOUT, PTK_ERR_PEER_TIMEOUT},
    {EADDRINUSE, PTK_ERR_ADDRESS_IN_USE},
    {EADDRNOTAVAIL, PTK_ERR_ADDRESS_NOT_AVAILABLE},
    {ENOTCONN, PTK_ERR_NOT_CONNECTED},
    {EISCONN, PTK_ERR_ALREADY_CONNECTED},
    {EPROTO, PTK_ERR_NETWORK},
    {ESHUTDOWN, PTK_ERR_NETWORK},
    {ETOOMANYREFS, PTK_ERR_NETWORK},
#ifdef ENONET
    {ENONET, PTK_ERR_UNREACHABLE},
#endif
#ifdef ECOMM
    {ECOMM, PTK_ERR_NETWORK},
#endif
#ifdef EREMOTEIO
    {EREMOTEIO, PTK_ERR_NETWORK},
#endif
    {ENOLINK, PTK_ERR_NETWORK},
};

ptk_err ptk_err_from_os(int os_err) {
    int positive = os_err < 0 ? -os_err : os_err;
    for (size_t i = 0; i < sizeof os_errors / sizeof os_errors[0]; i++) {
        if (os_errors[i].os_err == positive) {
            return os_errors[i].err;
        }
    }
    return PTK_ERR_OS;
}

ptk_err ptk_fail_errno(int os_err) {
    return ptk_fail_os(ptk_err_from_os(os_err), os_err);
}

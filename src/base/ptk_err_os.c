/* SPDX-License-Identifier: MIT */
/*
 * From the operating system's errno values to ptk's codes.
 *
 * A code states what a program can do about the failure, so several errno values share one. A value that is
 * not in the table becomes PTK_ERR_OS; the value itself stays available through ptk_get_os_err().
 */
#include <ptk_err.h>

#include <errno.h>

/* This is a table and not a switch because two of these names have the same value on some systems. */
static const struct {
    int os_err;
    ptk_err err;
} err_os_table[] = {
    {0, PTK_OK},
    /* A resource is used up. */
    {ENOMEM, PTK_ERR_NO_RESOURCES},
    {ENOBUFS, PTK_ERR_NO_RESOURCES},
    {ENOSPC, PTK_ERR_NO_RESOURCES},
    {EMFILE, PTK_ERR_NO_RESOURCES},
    {ENFILE, PTK_ERR_NO_RESOURCES},
    /* An argument of the call is not valid. */
    {EINVAL, PTK_ERR_INVALID_PARAM},
    {EFAULT, PTK_ERR_INVALID_PARAM},
    {EBADF, PTK_ERR_INVALID_PARAM},
    {ENOTSOCK, PTK_ERR_INVALID_PARAM},
    {EDESTADDRREQ, PTK_ERR_INVALID_PARAM},
    {EMSGSIZE, PTK_ERR_INVALID_PARAM},
    {ENAMETOOLONG, PTK_ERR_INVALID_PARAM},
    /* The system lacks the call, the family, the protocol or the option. */
    {ENOSYS, PTK_ERR_NOT_SUPPORTED},
    {ENOTSUP, PTK_ERR_NOT_SUPPORTED},
    {EOPNOTSUPP, PTK_ERR_NOT_SUPPORTED},
    {EAFNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {EPFNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {EPROTONOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {ESOCKTNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
    {EPROTOTYPE, PTK_ERR_NOT_SUPPORTED},
    {ENOPROTOOPT, PTK_ERR_NOT_SUPPORTED},
    /* The call is not permitted, or not at this time. */
    {EACCES, PTK_ERR_PERMISSION},
    {EPERM, PTK_ERR_PERMISSION},
    {EBUSY, PTK_ERR_BUSY},
    {EALREADY, PTK_ERR_BUSY},
    {EINPROGRESS, PTK_ERR_BUSY},
    {ECANCELED, PTK_ERR_CANCELED},
    /* The network or the peer ended or refused the connection. */
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
    for (size_t i = 0; i < sizeof err_os_table / sizeof err_os_table[0]; i++) {
        if (err_os_table[i].os_err == positive) {
            return err_os_table[i].err;
        }
    }
    return PTK_ERR_OS;
}

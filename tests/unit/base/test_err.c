/* SPDX-License-Identifier: MIT */
#include <ptk_err.h>
#include <ptk_test.h>
#include <ptk_time.h>
#include <ptk_version.h>

#include "base/ptk_thread.h"
#include "ptk_test_intercept.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

typedef struct fixed_value {
    ptk_err err;
    int32_t value;
    const char *name;
} fixed_value_t;

#define FIXED(name, value) {name, value, #name}

/* A second, independent table of the values: programs may have stored these numbers. */
static const fixed_value_t fixed[] = {
    FIXED(PTK_OK, 0),
    FIXED(PTK_ERR_TIMEOUT, 1),
    FIXED(PTK_ERR_CLOSED, 2),
    FIXED(PTK_ERR_CANCELED, 3),
    FIXED(PTK_ERR_BUSY, 4),
    FIXED(PTK_ERR_TRUNCATED, 5),
    FIXED(PTK_ERR_SHORT, 6),
    FIXED(PTK_ERR_PARTIAL, 7),
    FIXED(PTK_ERR_BROKEN, 8),
    FIXED(PTK_ERR_ABORTED, 9),
    FIXED(PTK_ERR_EOF, 10),
    FIXED(PTK_ERR_UNEXPECTED_EOF, 11),
    FIXED(PTK_ERR_WRITE_SHUT, 12),
    FIXED(PTK_ERR_DONE, 13),
    FIXED(PTK_ERR_STUCK, 14),
    FIXED(PTK_ERR_NO_RESOURCES, 100),
    FIXED(PTK_ERR_INVALID_PARAM, 101),
    FIXED(PTK_ERR_WRONG_THREAD, 102),
    FIXED(PTK_ERR_NOT_GREEN, 103),
    FIXED(PTK_ERR_NOT_SUPPORTED, 104),
    FIXED(PTK_ERR_DEADLOCK, 105),
    FIXED(PTK_ERR_FORKED, 106),
    FIXED(PTK_ERR_PERMISSION, 107),
    FIXED(PTK_ERR_OS, 108),
    FIXED(PTK_ERR_NO_LOOP, 109),
    FIXED(PTK_ERR_NETWORK, 120),
    FIXED(PTK_ERR_REFUSED, 121),
    FIXED(PTK_ERR_RESET, 122),
    FIXED(PTK_ERR_UNREACHABLE, 123),
    FIXED(PTK_ERR_PEER_TIMEOUT, 124),
    FIXED(PTK_ERR_ADDRESS_IN_USE, 125),
    FIXED(PTK_ERR_ADDRESS_NOT_AVAILABLE, 126),
    FIXED(PTK_ERR_NOT_CONNECTED, 127),
    FIXED(PTK_ERR_ALREADY_CONNECTED, 128),
    FIXED(PTK_ERR_NOT_BOUND, 129),
    FIXED(PTK_ERR_ALREADY_BOUND, 130),
    FIXED(PTK_ERR_NOT_LISTENING, 131),
    FIXED(PTK_ERR_LISTENING, 132),
    FIXED(PTK_ERR_CONNECT_FAILED, 133),
    FIXED(PTK_ERR_NOT_NUMERIC, 134),
    FIXED(PTK_ERR_NO_PORT, 135),
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

TEST(err_values_are_never_renumbered) {
    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        CHECK_EQ(fixed[i].err, fixed[i].value);
        CHECK_STR(ptk_err_name(fixed[i].err), fixed[i].name);
    }
#define ONE(name, value, text) +1
    CHECK_EQ(COUNT_OF(fixed), 0 PTK_ERR_TABLE(ONE));
#undef ONE
}

TEST(err_texts_are_all_different) {
    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        CHECK(strlen(ptk_err_text(fixed[i].err)) > 3);
        CHECK(strcmp(ptk_err_text(fixed[i].err), "unknown error") != 0);
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(ptk_err_text(fixed[i].err), ptk_err_text(fixed[j].err)) != 0);
        }
    }
}

TEST(err_of_an_undefined_value_has_a_text) {
    static const ptk_err undefined[] = {-1, 15, 99, 119, 136, 200, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT_OF(undefined); i++) {
        CHECK_STR(ptk_err_text(undefined[i]), "unknown error");
        CHECK_STR(ptk_err_name(undefined[i]), "unknown error");
    }
}

static void check_slot(ptk_err err, int os_err, size_t count, ptk_err cause) {
    CHECK_EQ(ptk_get_err(), err);
    CHECK_EQ(ptk_get_os_err(), os_err);
    CHECK_EQ(ptk_get_count(), count);
    CHECK_EQ(ptk_get_cause(), cause);
}

TEST(err_slot_starts_empty) {
    check_slot(PTK_OK, 0, 0, PTK_OK);
}

TEST(fail_records_and_clears_the_rest) {
    CHECK_ERR(ptk_fail_count(PTK_ERR_PARTIAL, PTK_ERR_RESET, 17), PTK_ERR_PARTIAL);
    check_slot(PTK_ERR_PARTIAL, 0, 17, PTK_ERR_RESET);
    CHECK_ERR(ptk_fail_os(PTK_ERR_OS, -EXDEV), PTK_ERR_OS);
    check_slot(PTK_ERR_OS, EXDEV, 0, PTK_OK);
    CHECK_ERR(ptk_fail_errno(ECONNREFUSED), PTK_ERR_REFUSED);
    check_slot(PTK_ERR_REFUSED, ECONNREFUSED, 0, PTK_OK);
    CHECK_ERR(ptk_fail(PTK_ERR_BUSY), PTK_ERR_BUSY);
    check_slot(PTK_ERR_BUSY, 0, 0, PTK_OK);
}

TEST(set_err_records_and_clears_the_rest) {
    ptk_fail_count(PTK_ERR_PARTIAL, PTK_ERR_RESET, 17);
    CHECK_OK(ptk_set_err(PTK_OK));
    check_slot(PTK_ERR_PARTIAL, 0, 17, PTK_ERR_RESET);
    CHECK_ERR(ptk_set_err(PTK_ERR_BUSY), PTK_ERR_BUSY);
    check_slot(PTK_ERR_BUSY, 0, 0, PTK_OK);
}

TEST(fail_with_ok_leaves_the_slot) {
    ptk_fail_count(PTK_ERR_PARTIAL, PTK_ERR_RESET, 17);
    CHECK_OK(ptk_fail(PTK_OK));
    CHECK_OK(ptk_fail_errno(0));
    check_slot(PTK_ERR_PARTIAL, 0, 17, PTK_ERR_RESET);
}

static ptk_error_slot_t located;
static ptk_error_slot_t *found;

static ptk_error_slot_t *locate(void) {
    return found;
}

TEST(err_slot_is_the_located_one_else_the_thread_s) {
    ptk_thread_block_t *block = ptk_thread();
    CHECK_EQ(ptk_error_slot(), &block->own_errors);
    block->locate = locate;
    CHECK_EQ(ptk_error_slot(), &block->own_errors);
    found = &located;
    CHECK_EQ(ptk_error_slot(), &located);
    ptk_fail(PTK_ERR_BUSY);
    CHECK_EQ(located.err, PTK_ERR_BUSY);
    CHECK_EQ(block->own_errors.err, PTK_OK);
    block->locate = NULL;
    check_slot(PTK_OK, 0, 0, PTK_OK);
}

TEST(err_slot_follows_the_block_in_use) {
    ptk_thread_block_t host = {.loop = NULL};
    ptk_fail(PTK_ERR_BUSY);
    ptk_thread_in_use = &host;
    check_slot(PTK_OK, 0, 0, PTK_OK);
    ptk_fail(PTK_ERR_CLOSED);
    ptk_thread_in_use = NULL;
    check_slot(PTK_ERR_BUSY, 0, 0, PTK_OK);
    CHECK_EQ(host.own_errors.err, PTK_ERR_CLOSED);
}

static void *fail_elsewhere(void *argument) {
    (void) argument;
    check_slot(PTK_OK, 0, 0, PTK_OK);
    ptk_fail(PTK_ERR_CLOSED);
    return NULL;
}

TEST(err_slot_is_per_thread) {
    pthread_t thread;
    ptk_fail(PTK_ERR_BUSY);
    CHECK_EQ(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    check_slot(PTK_ERR_BUSY, 0, 0, PTK_OK);
}

TEST(err_from_os_covers_every_network_errno) {
    static const struct {
        int os_err;
        ptk_err err;
    } expected[] = {
        {0, PTK_OK},
        {ENOMEM, PTK_ERR_NO_RESOURCES},
        {ENOBUFS, PTK_ERR_NO_RESOURCES},
        {ENOSPC, PTK_ERR_NO_RESOURCES},
        {EMFILE, PTK_ERR_NO_RESOURCES},
        {ENFILE, PTK_ERR_NO_RESOURCES},
        {EINVAL, PTK_ERR_INVALID_PARAM},
        {EBADF, PTK_ERR_INVALID_PARAM},
        {ENOTSOCK, PTK_ERR_INVALID_PARAM},
        {EDESTADDRREQ, PTK_ERR_INVALID_PARAM},
        {EMSGSIZE, PTK_ERR_INVALID_PARAM},
        {EFAULT, PTK_ERR_INVALID_PARAM},
        {ENAMETOOLONG, PTK_ERR_INVALID_PARAM},
        {ENOSYS, PTK_ERR_NOT_SUPPORTED},
        {EOPNOTSUPP, PTK_ERR_NOT_SUPPORTED},
        {EAFNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
        {EPFNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
        {EPROTONOSUPPORT, PTK_ERR_NOT_SUPPORTED},
        {ESOCKTNOSUPPORT, PTK_ERR_NOT_SUPPORTED},
        {EPROTOTYPE, PTK_ERR_NOT_SUPPORTED},
        {ENOPROTOOPT, PTK_ERR_NOT_SUPPORTED},
        {EACCES, PTK_ERR_PERMISSION},
        {EPERM, PTK_ERR_PERMISSION},
        {EBUSY, PTK_ERR_BUSY},
        {EALREADY, PTK_ERR_BUSY},
        {EINPROGRESS, PTK_ERR_BUSY},
        {ECANCELED, PTK_ERR_CANCELED},
        {ECONNREFUSED, PTK_ERR_REFUSED},
        {ECONNRESET, PTK_ERR_RESET},
        {ECONNABORTED, PTK_ERR_RESET},
        {ENETRESET, PTK_ERR_RESET},
        {EPIPE, PTK_ERR_RESET},
        {ENETUNREACH, PTK_ERR_UNREACHABLE},
        {EHOSTUNREACH, PTK_ERR_UNREACHABLE},
        {ENETDOWN, PTK_ERR_UNREACHABLE},
        {EHOSTDOWN, PTK_ERR_UNREACHABLE},
        {ENONET, PTK_ERR_UNREACHABLE},
        {ETIMEDOUT, PTK_ERR_PEER_TIMEOUT},
        {EADDRINUSE, PTK_ERR_ADDRESS_IN_USE},
        {EADDRNOTAVAIL, PTK_ERR_ADDRESS_NOT_AVAILABLE},
        {ENOTCONN, PTK_ERR_NOT_CONNECTED},
        {EISCONN, PTK_ERR_ALREADY_CONNECTED},
        {EPROTO, PTK_ERR_NETWORK},
        {ESHUTDOWN, PTK_ERR_NETWORK},
        {ETOOMANYREFS, PTK_ERR_NETWORK},
        {EXDEV, PTK_ERR_OS},
        {99999, PTK_ERR_OS},
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        CHECK_EQ(ptk_err_from_os(expected[i].os_err), expected[i].err);
        CHECK_EQ(ptk_err_from_os(-expected[i].os_err), expected[i].err);
    }
}

static int64_t standing_clock(ptk_sys_call_t *call) {
    (void) call;
    return 12345;
}

TEST(now_ns_reads_the_table_in_use) {
    ptk_interceptor_t interceptor = {.hooks = {[PTK_SYS_now_ns] = standing_clock}};
    uint64_t before = ptk_now_ns();
    CHECK(before > 0 && ptk_now_ns() >= before);
    ptk_intercept(&interceptor);
    CHECK_EQ(ptk_now_ns(), 12345);
    ptk_intercept_end();
    CHECK(ptk_now_ns() >= before);
}

TEST(version_number_grows_with_the_version) {
    CHECK_EQ(PTK_VERSION_NUMBER, PTK_VERSION_MAJOR * 10000 + PTK_VERSION_MINOR * 100 + PTK_VERSION_PATCH);
#if PTK_VERSION_NUMBER < 100
#error "the number does not work in #if"
#endif
}

/* Where the next step is known, the text of an error names it. */
TEST(err_texts_name_the_next_step) {
    static const struct {
        ptk_err err;
        const char *next;
    } steps[] = {
        {PTK_ERR_NO_LOOP, "ptk_event_loop_platform_create"},
        {PTK_ERR_NOT_GREEN, "ptk_go"},
        {PTK_ERR_NOT_BOUND, "bind it"},
        {PTK_ERR_NOT_LISTENING, "ptk_sock_listen"},
        {PTK_ERR_CONNECT_FAILED, "open another"},
        {PTK_ERR_NO_PORT, "HOST:PORT"},
        {PTK_ERR_BROKEN, "ptk_sock_send_some"},
        {PTK_ERR_CANCELED, "shield"},
        {PTK_ERR_UNEXPECTED_EOF, "ptk_sock_recv_some"},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        CHECK(strstr(ptk_err_text(steps[i].err), steps[i].next) != NULL);
    }
}

TEST(version_is_the_header_s) {
    char text[32];
    ptk_sys_format(text, sizeof text, "%d.%d.%d", PTK_VERSION_MAJOR, PTK_VERSION_MINOR, PTK_VERSION_PATCH);
    CHECK_STR(ptk_version(), text);
}

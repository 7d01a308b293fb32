/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail on demand: an interceptor that fails the n-th call of a chosen member with a chosen
 * errno, once or from then on. heap_reallocate fails by returning NULL; close closes, and then returns the
 * error. There is one such interceptor per process; it fails nothing once it is removed.
 *
 *     ptk_test_faults_install();
 *     ptk_test_fault(PTK_SYS_socket, 1, EMFILE, PTK_TEST_ONCE);
 *     CHECK(ptk_sock_open(...) == NULL);
 *     ptk_test_faults_remove();
 */
#pragma once

#include "ptk_test_intercept.h"

typedef enum ptk_test_fault_span { PTK_TEST_ONCE, PTK_TEST_FOR_GOOD } ptk_test_fault_span_t;

/* Installs the interceptor in this thread, without plans. A test that leaves it installed fails. */
void ptk_test_faults_install(void);
void ptk_test_faults_remove(void);

/* Forgets all plans, and counts from zero. */
void ptk_test_faults_forget(void);

/* Plans: from now on, the n-th call of `member` (1 is the next one) fails; an os_err of 0 means ENOMEM.
   Replaces what was planned for it; nth 0 plans nothing. */
void ptk_test_fault(ptk_sys_member_t member, uint32_t nth, int os_err, ptk_test_fault_span_t span);

/* Returns how many calls of `member` came since its last plan (else since install), and how many of them
   failed. */
uint32_t ptk_test_fault_calls(ptk_sys_member_t member);
uint32_t ptk_test_fault_failures(ptk_sys_member_t member);

/* For other interceptors that follow the same plans: counts a call, and returns the errno with which it is to
   fail, 0 if it is to succeed. */
int ptk_test_fault_take(ptk_sys_member_t member);

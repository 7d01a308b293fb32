/* SPDX-License-Identifier: MIT */
/*
 * The thread block and the error slot (layer 0).
 *
 * The slot of a failed call is looked up when the call fails, so that a switch stores nothing for it: it is
 * the one that `locate` returns, the running green thread's, or else the block's own.
 */
#include "base/ptk_thread.h"

_Thread_local ptk_thread_block_t ptk_thread_own;
_Thread_local ptk_thread_block_t *ptk_thread_in_use;

ptk_error_slot_t *ptk_error_slot(void) {
    ptk_thread_block_t *block = ptk_thread();
    ptk_error_slot_t *slot = block->locate ? block->locate() : NULL;
    return slot ? slot : &block->own_errors;
}

void ptk_record_failure(ptk_error_slot_t failure) {
    if (failure.err != PTK_OK) {
        *ptk_error_slot() = failure;
    }
}

ptk_err ptk_fail_errno(int os_err) {
    return ptk_fail_os(ptk_err_from_os(os_err), os_err);
}

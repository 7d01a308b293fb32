/* SPDX-License-Identifier: MIT */
/*
 * The thread block and the error slot.
 *
 * The slot of a failed call is found in three steps, and the first that exists is used:
 *   1. `errors`, which the scheduler points at the slot of the running green thread at every switch;
 *   2. what `locate` returns: with foreign coroutines ptk does not see the switches, so the slot of the
 * current coroutine is looked up at the time of the failure;
 *   3. the block's own slot, for code that runs outside green threads.
 */
#include "base/ptk_thread.h"

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

ptk_err ptk_fail_errno(int os_err) {
    return ptk_fail_os(ptk_err_from_os(os_err), os_err);
}

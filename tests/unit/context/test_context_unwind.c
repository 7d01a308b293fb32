/* SPDX-License-Identifier: MIT */
/* Every kind of stack walk ends at the start of a context (P39). */
#include "context/ptk_backtrace.h"
#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "ptk_test.h"

#include <execinfo.h>
#include <unwind.h>

#define FRAMES 64

static const ptk_stack_label_t label = {"test", __FILE__, 1};
static ptk_stack_pool_t pool;
static ptk_stack_slot_t *stack;
static ptk_context_t home;
static ptk_context_t away;
static void (*body)(void);

static const void *return_of_middle;
static const void *return_of_inner;

__attribute__((noinline)) static void inner(void) {
    return_of_inner = __builtin_return_address(0);
    body();
    __asm__ volatile("" : : : "memory");
}

__attribute__((noinline)) static void middle(void) {
    return_of_middle = __builtin_return_address(0);
    inner();
    __asm__ volatile("" : : : "memory");
}

static void entry(void *argument) {
    (void) argument;
    ptk_context_entered(&away);
    middle();
    ptk_context_switch_end(&away, &home);
}

/* Calls fn on a fresh context, below entry, middle and inner; returns at its first switch. */
static void call_away(void (*fn)(void)) {
    int os_err = 0;
    body = fn;
    ptk_stack_pool_init(&pool, false);
    stack = ptk_stack_alloc(&pool, 0, &label, &os_err);
    CHECK(stack != NULL);
    ptk_context_adopt(&home);
    ptk_context_make(&away, stack->low, stack->high, entry, NULL);
    ptk_context_switch(&home, &away);
}

static void clean_up(void) {
    ptk_context_fini(&away);
    ptk_stack_free(&pool, stack);
    ptk_stack_pool_fini(&pool);
}

static size_t index_of(const void *address, const void *const *frames, size_t count) {
    size_t index = 0;
    while (index < count && frames[index] != address) {
        index++;
    }
    return index;
}

/* inner's caller, middle's caller, then at most the few instructions before entry. */
static void check_frames(const void *const *frames, size_t count) {
    size_t place = index_of(return_of_inner, frames, count);
    CHECK(place + 1 < count);
    CHECK_EQ(frames[place + 1], return_of_middle);
    CHECK(count - place <= 4);
}

/* --- the language's unwinder --------------------------------------------------------------------- */

static const void *unwound[FRAMES];
static size_t unwound_count;
static _Unwind_Reason_Code unwound_to;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument) {
    (void) argument;
    CHECK(unwound_count < FRAMES);
    unwound[unwound_count++] = (const void *) (uintptr_t) _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static void unwind(void) {
    unwound_to = _Unwind_Backtrace(note_frame, NULL);
}

TEST(p39_the_unwinder_ends_at_the_entry) { /* P39 */
    call_away(unwind);
    CHECK_EQ((int) unwound_to, (int) _URC_END_OF_STACK);
    check_frames(unwound, unwound_count);
    clean_up();
}

static void *listed[FRAMES];
static int listed_count;

static void list(void) {
    listed_count = backtrace(listed, FRAMES);
}

TEST(p39_backtrace_of_libc_ends_at_the_entry) { /* P39 */
    call_away(list);
    CHECK(listed_count > 0 && listed_count < FRAMES);
    check_frames((const void *const *) listed, (size_t) listed_count);
    clean_up();
}

/* --- ptk's own walk ------------------------------------------------------------------------------ */

static const void *walked[FRAMES];
static size_t walked_count;

static void walk_here(void) {
    walked_count = ptk_backtrace_here(stack->low, stack->high, walked, FRAMES);
}

TEST(a_walk_of_the_running_context_ends_at_the_entry) { /* P39 */
    call_away(walk_here);
    check_frames(walked, walked_count);
    clean_up();
}

static void park(void) {
    ptk_context_switch(&away, &home);
}

TEST(a_walk_of_a_suspended_context_ends_at_the_entry) { /* P39 */
    void *pc;
    void *frame;
#if defined(PTK_CONTEXT_UCONTEXT) && defined(PTK_SANITIZER_ADDRESS)
    SKIP("the sanitizer's own swapcontext hides where a context stands");
#endif
    call_away(park);
    ptk_context_position(&away, &pc, &frame);
    if (!frame) {
        SKIP("this switch does not report the position of a suspended context");
    }
    walked_count = ptk_backtrace_walk(pc, frame, stack->low, stack->high, walked, FRAMES);
    CHECK_EQ(walked[0], pc);
    check_frames(walked, walked_count);
    ptk_context_switch(&home, &away);
    clean_up();
}

TEST(a_walk_of_a_context_that_never_ran_is_empty) {
    void *pc;
    void *frame;
    int os_err = 0;
    ptk_stack_pool_init(&pool, false);
    stack = ptk_stack_alloc(&pool, 0, &label, &os_err);
    ptk_context_make(&away, stack->low, stack->high, entry, NULL);
    ptk_context_position(&away, &pc, &frame);
    CHECK(ptk_backtrace_walk(pc, frame, stack->low, stack->high, walked, FRAMES) <= 1);
    clean_up();
}

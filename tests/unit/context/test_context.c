/* SPDX-License-Identifier: MIT */
/*
 * The switch. Each test switches contexts itself, without a scheduler: `home` is the test's own stack, `away`
 * the other one.
 */
#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "ptk_test.h"

#include <stdalign.h>
#include <string.h>

typedef struct away {
    ptk_context_t context;
    ptk_stack_slot_t *stack;
    int count;
    uintptr_t frame;
    struct away *next;
} away_t;

static const ptk_stack_label_t label = {"test", __FILE__, 1};
static ptk_stack_pool_t pool;
static ptk_context_t home;

static void begin(void) {
    ptk_stack_pool_init(&pool, false);
    ptk_context_adopt(&home);
}

static void start(away_t *away, void (*entry)(void *)) {
    int os_err = 0;
    memset(away, 0, sizeof *away);
    away->stack = ptk_stack_alloc(&pool, 0, &label, &os_err);
    CHECK(away->stack != NULL);
    ptk_context_make(&away->context, away->stack->low, away->stack->high, entry, away);
}

static void stop(away_t *away) {
    ptk_context_fini(&away->context);
    ptk_stack_free(&pool, away->stack);
}

static void end(void) {
    ptk_stack_pool_fini(&pool);
}

static void go(away_t *away) {
    ptk_context_switch(&home, &away->context);
}

static void count_up(void *argument) {
    away_t *self = argument;
    ptk_context_entered(&self->context);
    for (;;) {
        self->count++;
        ptk_context_switch(&self->context, &home);
    }
}

TEST(a_context_runs_from_switch_to_switch) {
    away_t away;
    begin();
    start(&away, count_up);
    for (int i = 1; i <= 1000; i++) {
        go(&away);
        CHECK_EQ(away.count, i);
    }
    stop(&away);
    end();
}

static void count_and_end(void *argument) {
    away_t *self = argument;
    ptk_context_entered(&self->context);
    self->count++;
    ptk_context_switch_end(&self->context, &home);
}

TEST(a_stack_serves_one_context_after_the_other) {
    away_t away;
    begin();
    for (int i = 0; i < 1000; i++) {
        start(&away, count_and_end);
        go(&away);
        CHECK_EQ(away.count, 1);
        stop(&away);
    }
    end();
}

static void pass_on(void *argument) {
    away_t *self = argument;
    ptk_context_entered(&self->context);
    for (;;) {
        self->count++;
        ptk_context_switch(&self->context, self->next ? &self->next->context : &home);
    }
}

TEST(a_hundred_contexts_switch_to_one_another) {
    static away_t ring[100];
    begin();
    for (size_t i = 0; i < 100; i++) {
        start(&ring[i], pass_on);
    }
    for (size_t i = 0; i < 99; i++) {
        ring[i].next = &ring[i + 1];
    }
    for (int round = 1; round <= 100; round++) {
        go(&ring[0]);
        CHECK_EQ(ring[0].count, round);
        CHECK_EQ(ring[99].count, round);
    }
    for (size_t i = 0; i < 100; i++) {
        stop(&ring[i]);
    }
    end();
}

static void note_alignment(void *argument) {
    away_t *self = argument;
    alignas(16) char aligned[64];
    ptk_context_entered(&self->context);
    memset(aligned, 1, sizeof aligned);
    __asm__ volatile("" : : "r"(aligned) : "memory");
    self->frame = (uintptr_t) __builtin_frame_address(0);
    self->count = (int) ((uintptr_t) aligned % 16);
    ptk_context_switch_end(&self->context, &home);
}

/* ThreadSanitizer and vector instructions crash where the first frame is not aligned as the ABI requires. */
TEST(the_first_frame_is_aligned) {
    begin();
    for (int i = 0; i < 32; i++) {
        away_t away;
        start(&away, note_alignment);
        go(&away);
        CHECK_EQ(away.count, 0);
        CHECK_EQ(away.frame % 16, 0);
        CHECK(away.frame >= (uintptr_t) away.stack->low && away.frame < (uintptr_t) away.stack->high);
        stop(&away);
    }
    end();
}

/* --- registers ----------------------------------------------------------------------------------- */

/* Overwrites every register that a callee must keep; the compiler saves those in use around it. */
static void poison_registers(void) {
#if defined(__x86_64__)
    __asm__ volatile("movq $-1, %%rax\n\tmovq %%rax, %%rbx\n\tmovq %%rax, %%r12\n\tmovq %%rax, %%r13\n\t"
                     "movq %%rax, %%r14\n\tmovq %%rax, %%r15\n\tmovq %%rax, %%xmm6\n\tmovq %%rax, %%xmm15"
                     :
                     :
                     : "rax", "rbx", "r12", "r13", "r14", "r15", "xmm6", "xmm15");
#elif defined(__aarch64__)
    __asm__ volatile("mov x19, #-1\n\tmov x20, x19\n\tmov x21, x19\n\tmov x22, x19\n\tmov x23, x19\n\t"
                     "mov x24, x19\n\tmov x25, x19\n\tmov x26, x19\n\tmov x27, x19\n\tmov x28, x19\n\t"
                     "fmov d8, x19\n\tfmov d9, x19\n\tfmov d10, x19\n\tfmov d11, x19\n\tfmov d12, x19\n\t"
                     "fmov d13, x19\n\tfmov d14, x19\n\tfmov d15, x19"
                     :
                     :
                     : "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "v8", "v9",
                       "v10", "v11", "v12", "v13", "v14", "v15");
#endif
}

static void poison_and_return(void *argument) {
    away_t *self = argument;
    ptk_context_entered(&self->context);
    for (;;) {
        poison_registers();
        ptk_context_switch(&self->context, &home);
    }
}

__attribute__((noinline)) static void go_by_call(away_t *away) {
    go(away);
}

/* More values are live across the switch than there are registers: some stay in callee-saved ones. P37. */
__attribute__((noinline)) static uint64_t mix_across(away_t *away, uint64_t seed, double scale,
                                                     bool by_call) {
    uint64_t word[10];
    double real[10];
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    double u = scale * 3, v = scale * 5, w = scale * 7, x = scale * 11, y = scale * 13, z = scale * 17;
    for (unsigned i = 0; i < 10; i++) {
        word[i] = seed + i;
        real[i] = scale + i;
    }
    if (by_call) {
        go_by_call(away);
    } else {
        go(away);
    }
    for (unsigned i = 0; i < 10; i++) {
        a += word[i];
        u += real[i];
    }
    return (a ^ b << 1 ^ c << 2 ^ d << 3 ^ e << 4 ^ f << 5) + (uint64_t) (u + v + w + x + y + z);
}

TEST(p37_registers_survive_a_switch) { /* P37 */
    away_t poison;
    away_t harmless;
    begin();
    start(&poison, poison_and_return);
    start(&harmless, count_up);
    for (uint64_t seed = 1; seed < 1000; seed++) {
        uint64_t expected = mix_across(&harmless, seed, (double) seed, false);
        CHECK_EQ(mix_across(&poison, seed, (double) seed, false), expected);
        CHECK_EQ(mix_across(&poison, seed, (double) seed, true), expected);
    }
    stop(&poison);
    stop(&harmless);
    end();
}

/* A leaf function may keep its variables below the stack pointer; the switch must not write there. */
__attribute__((noinline)) static unsigned leaf(away_t *away, unsigned seed) {
    volatile unsigned below[16];
    for (unsigned i = 0; i < 16; i++) {
        below[i] = seed + i;
    }
    ptk_context_jump(&home.registers, &away->context.registers);
    unsigned sum = 0;
    for (unsigned i = 0; i < 16; i++) {
        sum += below[i];
    }
    return sum;
}

TEST(the_red_zone_survives_a_switch) {
#if defined(PTK_SANITIZER_ADDRESS) || defined(PTK_SANITIZER_THREAD)
    SKIP("switches without the sanitizer's hooks");
#endif
    away_t away;
    begin();
    start(&away, poison_and_return);
    for (unsigned seed = 0; seed < 100; seed++) {
        CHECK_EQ(leaf(&away, seed), 16 * seed + 120);
    }
    stop(&away);
    end();
}

/* --- floating-point control words ---------------------------------------------------------------- */

static volatile double one = 1.0;
static volatile double three = 3.0;

static ptk_fp_words_t rounding_up(void) {
    ptk_fp_words_t words;
    ptk_fp_save(&words);
#if defined(__x86_64__)
    words.mxcsr = (words.mxcsr & ~0x6000u) | 0x4000u;
    words.x87 = (words.x87 & ~0x0c00u) | 0x0800u;
#elif defined(__aarch64__)
    words.fpcr = (words.fpcr & ~(UINT64_C(3) << 22)) | UINT64_C(1) << 22;
#else
    SKIP("ptk supports no control words on this CPU");
#endif
    return words;
}

/* Valgrind keeps the words but always rounds to nearest. */
static bool rounding_mode_has_effect(void) {
    ptk_fp_words_t usual;
    ptk_fp_words_t up = rounding_up();
    ptk_fp_save(&usual);
    double third = one / three;
    ptk_fp_load(&up);
    double third_up = one / three;
    ptk_fp_load(&usual);
    return third_up > third;
}

static double third_rounded_up;
static ptk_fp_words_t fp_of_home;
static ptk_fp_words_t fp_of_away;

/* Switches like the scheduler for a green thread that has control words of its own. */
static void go_home_with_words(away_t *self) {
    ptk_fp_save(&fp_of_away);
    ptk_fp_load(&fp_of_home);
    ptk_context_switch(&self->context, &home);
    ptk_fp_load(&fp_of_away);
}

static void round_up(void *argument) {
    away_t *self = argument;
    ptk_context_entered(&self->context);
    ptk_fp_words_t up = rounding_up();
    ptk_fp_load(&up);
    for (;;) {
        third_rounded_up = one / three;
        self->count++;
        go_home_with_words(self);
    }
}

TEST(p37_a_rounding_mode_stays_with_its_context) { /* P37 */
    away_t away;
    ptk_fp_words_t now;
    bool rounds = rounding_mode_has_effect();
    begin();
    start(&away, round_up);
    ptk_fp_save(&fp_of_home);
    double third = one / three;
    for (int i = 1; i <= 10; i++) {
        go(&away);
        ptk_fp_save(&now);
        CHECK(ptk_fp_equal(&now, &fp_of_home));
        CHECK(!ptk_fp_equal(&now, &fp_of_away));
        CHECK_EQ(away.count, i);
        CHECK(third_rounded_up > third || !rounds);
        CHECK(one / three == third);
    }
    stop(&away);
    end();
}

TEST(control_words_do_not_hold_status_bits) { /* P37 */
    ptk_fp_words_t before;
    ptk_fp_words_t after;
    ptk_fp_save(&before);
    volatile double inexact = one / three;
    (void) inexact;
    ptk_fp_save(&after);
    CHECK(ptk_fp_equal(&before, &after));
    ptk_fp_load(&before);
    ptk_fp_save(&after);
    CHECK(ptk_fp_equal(&before, &after));
}

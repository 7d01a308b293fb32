/* SPDX-License-Identifier: MIT */
/* Fortified code must not take a switch to a lower or higher stack for a broken longjmp (P41). */
#if defined(__OPTIMIZE__)
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 3
#endif

#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "ptk_test.h"

#include <stdio.h>
#include <string.h>

static const ptk_stack_label_t label = {"test", __FILE__, 1};
static ptk_context_t home;
static ptk_context_t away[2];
static char words[2][32];

static void copy_and_switch(void *argument) {
    size_t index = (size_t) (uintptr_t) argument;
    ptk_context_entered(&away[index]);
    for (int i = 0;; i++) {
        char text[32];
        snprintf(text, sizeof text, "%zu:%d", index, i);
        memcpy(words[index], text, sizeof text);
        ptk_context_switch(&away[index], index == 0 ? &away[1] : &home);
    }
}

TEST(p41_fortified_code_may_switch_both_ways) { /* P41 */
    ptk_stack_pool_t pool;
    ptk_stack_slot_t *stack[2];
    int os_err = 0;
    ptk_stack_pool_init(&pool, false);
    ptk_context_adopt(&home);
    for (size_t i = 0; i < 2; i++) {
        stack[i] = ptk_stack_alloc(&pool, 0, &label, &os_err);
        CHECK(stack[i] != NULL);
        ptk_context_make(&away[i], stack[i]->low, stack[i]->high, copy_and_switch, (void *) (uintptr_t) i);
    }
    for (int i = 0; i < 10; i++) {
        ptk_context_switch(&home, &away[0]);
    }
    CHECK_STR(words[0], "0:9");
    CHECK_STR(words[1], "1:9");
    for (size_t i = 0; i < 2; i++) {
        ptk_context_fini(&away[i]);
        ptk_stack_free(&pool, stack[i]);
    }
    ptk_stack_pool_fini(&pool);
}

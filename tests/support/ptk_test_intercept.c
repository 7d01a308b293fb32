/* SPDX-License-Identifier: MIT */
/*
 * Each entry of the table packs its arguments into a call and passes it to the first interceptor. The entries
 * are made from the one list PTK_SYS_ENTRIES. The stack of interceptors is per thread, like the table in use.
 */
#include "ptk_test_intercept.h"

#include "base/ptk_thread.h"
#include "ptk_test.h"

static _Thread_local ptk_interceptor_t *top;
static _Thread_local const ptk_sys_t *base;         /* what the thread block used; NULL: `bottom` */
static _Thread_local const ptk_sys_t *block_before; /* the block's own pointer, to be put back */

static ptk_interceptor_t *everywhere;
static const ptk_sys_t *bottom = &ptk_sys_real;

/* --- from a call to the system ----------------------------------------------------------------------------
 */

#define RESULT_NUMBER(made)  return (int64_t) (made)
#define RESULT_POINTER(made) return ptk_sys_pointer(made)
#define RESULT_NOTHING(made) return made, 0

#define IN0()
#define IN1(type, name)      in->name
#define IN2(type, name, ...) in->name, IN1(__VA_ARGS__)
#define IN3(type, name, ...) in->name, IN2(__VA_ARGS__)
#define IN4(type, name, ...) in->name, IN3(__VA_ARGS__)
#define IN5(type, name, ...) in->name, IN4(__VA_ARGS__)

#define MAKE(entry, kind, type, count, parameters)                                                           \
    case PTK_SYS_##entry: {                                                                                  \
        const struct ptk_sys_##entry##_arguments *in = &call->entry;                                         \
        (void) in;                                                                                           \
        RESULT_##kind(system->entry(IN##count parameters));                                                  \
    }

static int64_t make(const ptk_sys_call_t *call) {
    const ptk_sys_t *system = base ? base : bottom;
    switch (call->member) {
        PTK_SYS_ENTRIES(MAKE)
    default:
        ptk_test_failed(__FILE__, __LINE__, "there is no system call %d", (int) call->member);
    }
}

int64_t ptk_sys_call_below(ptk_sys_call_t *call) {
    ptk_interceptor_t *next = call->next;
    ptk_interceptor_t *interceptor = next;
    while (interceptor && !interceptor->hooks[call->member]) {
        interceptor = interceptor->below;
    }
    if (!interceptor) {
        return make(call);
    }
    call->next = interceptor->below;
    int64_t result = interceptor->hooks[call->member](call);
    call->next = next;
    return result;
}

/* --- from the table to a call -----------------------------------------------------------------------------
 */

static int64_t begin(ptk_sys_call_t *call) {
    call->next = top ? top : everywhere;
    return ptk_sys_call_below(call);
}

#define RETURN_NUMBER(type, result)  return (type) (result)
#define RETURN_POINTER(type, result) return (type) (intptr_t) (result)
#define RETURN_NOTHING(type, result) (void) (result)

#define PARAMETERS0()                void
#define PARAMETERS1(type, name)      type name
#define PARAMETERS2(type, name, ...) type name, PARAMETERS1(__VA_ARGS__)
#define PARAMETERS3(type, name, ...) type name, PARAMETERS2(__VA_ARGS__)
#define PARAMETERS4(type, name, ...) type name, PARAMETERS3(__VA_ARGS__)
#define PARAMETERS5(type, name, ...) type name, PARAMETERS4(__VA_ARGS__)
#define NAMES0()                     0
#define NAMES1(type, name)           name
#define NAMES2(type, name, ...)      name, NAMES1(__VA_ARGS__)
#define NAMES3(type, name, ...)      name, NAMES2(__VA_ARGS__)
#define NAMES4(type, name, ...)      name, NAMES3(__VA_ARGS__)
#define NAMES5(type, name, ...)      name, NAMES4(__VA_ARGS__)

#define ENTRY(entry, kind, type, count, parameters)                                                          \
    static type intercepted_##entry(PARAMETERS##count parameters) {                                          \
        ptk_sys_call_t call = {.member = PTK_SYS_##entry, .entry = {NAMES##count parameters}};               \
        RETURN_##kind(type, begin(&call));                                                                   \
    }
PTK_SYS_ENTRIES(ENTRY)

#define INTERCEPTED(entry, kind, type, count, parameters) .entry = intercepted_##entry,
const ptk_sys_t ptk_intercept_table = {PTK_SYS_ENTRIES(INTERCEPTED)};

/* --- the stack --------------------------------------------------------------------------------------------
 */

void ptk_intercept(ptk_interceptor_t *interceptor) {
    CHECK(!ptk_intercept_is_installed(interceptor));
    if (!top) {
        bool is_intercepted = ptk_sys()->now_ns == ptk_intercept_table.now_ns;
        block_before = ptk_thread()->sys;
        base = is_intercepted ? NULL : ptk_sys();
    }
    interceptor->below = top ? top : everywhere;
    top = interceptor;
    ptk_thread()->sys = &ptk_intercept_table;
}

/* Objects that keep the table still reach `base` through it. */
void ptk_intercept_end(void) {
    if (top) {
        top = NULL;
        ptk_thread()->sys = block_before;
    }
}

void ptk_intercept_remove(ptk_interceptor_t *interceptor) {
    ptk_interceptor_t **link = &top;
    while (*link && *link != interceptor) {
        link = &(*link)->below;
    }
    CHECK(*link == interceptor);
    if (link == &top && interceptor->below == everywhere) {
        ptk_intercept_end();
    } else {
        *link = interceptor->below;
    }
}

bool ptk_intercept_is_installed(const ptk_interceptor_t *interceptor) {
    const ptk_interceptor_t *other = top;
    while (other && other != interceptor) {
        other = other->below;
    }
    return other != NULL;
}

void ptk_intercept_everywhere(ptk_interceptor_t *interceptor, const ptk_sys_t *system) {
    CHECK(!top && !everywhere);
    everywhere = interceptor;
    bottom = system;
}

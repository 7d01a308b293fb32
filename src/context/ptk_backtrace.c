/* SPDX-License-Identifier: MIT */
/*
 * Where code is built with frame pointers, each frame begins with two words: the caller's frame and the
 * return address. A walk follows them towards the top of the stack and checks each word before it is used: a
 * frame must be aligned, inside the stack, and above the frame before it. Where the bounds of the stack are
 * unknown, the kernel checks that the words can be read, and a step must have a plausible size. On CPUs with
 * another layout a walk returns the program counter alone.
 */
#include "context/ptk_backtrace.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_sanitizer.h"
#include "sys/ptk_sys.h"
#include <ucontext.h>

#if defined(__x86_64__) || defined(__aarch64__) || defined(__i386__)
#define BACKTRACE_FRAMES_ARE_PAIRS 1
#else
#define BACKTRACE_FRAMES_ARE_PAIRS 0
#endif

#define BACKTRACE_STEP_BYTES_MAX ((uintptr_t) 1024 * 1024)
#define BACKTRACE_TEXT_BYTES     400

typedef struct backtrace_frame {
    uintptr_t caller_frame;
    uintptr_t return_address;
} backtrace_frame_t;

typedef struct backtrace_bounds {
    uintptr_t low;
    uintptr_t high; /* 0: unknown */
} backtrace_bounds_t;

/* Returns a return address without the signature that pointer authentication may have put into it. */
static uintptr_t backtrace_strip_signature(uintptr_t address) {
#if defined(__aarch64__)
    register uintptr_t link __asm__("x30") = address;
    __asm__("hint #7" : "+r"(link)); /* xpaclri */
    return link;
#else
    return address;
#endif
}

/* The first and the last byte are enough: a frame of two words crosses one page boundary at most. */
static bool backtrace_is_readable(uintptr_t frame) {
    return ptk_sys_real.is_readable((const void *) frame) &&
           ptk_sys_real.is_readable((const void *) (frame + sizeof(backtrace_frame_t) - 1));
}

/* Returns whether a frame can be at `frame` if the frame below it is at `previous`. */
static bool backtrace_is_plausible(const backtrace_bounds_t *bounds, uintptr_t previous, uintptr_t frame) {
    if (frame <= previous || frame % sizeof(uintptr_t) != 0) {
        return false;
    }
    if (bounds->high == 0) {
        return frame - previous <= BACKTRACE_STEP_BYTES_MAX && backtrace_is_readable(frame);
    }
    return frame >= bounds->low && frame < bounds->high && bounds->high - frame >= sizeof(backtrace_frame_t);
}

/* Reads a frame of another context. Without memcpy, because a sanitizer's version of it would check the
 * access. */
PTK_SANITIZER_BLIND static backtrace_frame_t backtrace_read_frame(uintptr_t frame) {
    const volatile backtrace_frame_t *words = (const volatile backtrace_frame_t *) frame;
    backtrace_frame_t copy = {words->caller_frame, words->return_address};
    return copy;
}

/* Writes the return addresses of the frames from `frame` upward, up to `capacity`, and returns their number.
 */
static size_t backtrace_walk(const backtrace_bounds_t *bounds, uintptr_t previous, uintptr_t frame,
                             const void **frames, size_t capacity) {
    size_t count = 0;
    while (BACKTRACE_FRAMES_ARE_PAIRS && count < capacity &&
           backtrace_is_plausible(bounds, previous, frame)) {
        backtrace_frame_t words = backtrace_read_frame(frame);
        if (words.return_address == 0) {
            break;
        }
        frames[count++] = (const void *) backtrace_strip_signature(words.return_address);
        previous = frame;
        frame = words.caller_frame;
    }
    return count;
}

/* `frame - 1` makes the first frame pass the test that frames ascend. */
size_t ptk_backtrace_walk(const void *pc, const void *frame, const void *low, const void *high,
                          const void **frames, size_t capacity) {
    backtrace_bounds_t bounds = {(uintptr_t) low, (uintptr_t) high};
    if (!pc || capacity == 0) {
        return 0;
    }
    frames[0] = pc;
    return 1 + backtrace_walk(&bounds, (uintptr_t) frame - 1, (uintptr_t) frame, frames + 1, capacity - 1);
}

/* Not inlined, so that frame 0 is this function's and the first return address is the caller's. */
__attribute__((noinline)) size_t ptk_backtrace_here(const void *low, const void *high, const void **frames,
                                                    size_t capacity) {
    backtrace_bounds_t bounds = {(uintptr_t) low, (uintptr_t) high};
    uintptr_t frame = (uintptr_t) __builtin_frame_address(0);
    return backtrace_walk(&bounds, frame - 1, frame, frames, capacity);
}

/* Reads the program counter and the frame pointer at an interruption; 0 if unknown. */
static void backtrace_read_registers(const void *interrupted, uintptr_t *pc_out, uintptr_t *frame_out) {
    const ucontext_t *context = interrupted;
#if defined(__linux__) && defined(__x86_64__)
    *pc_out = (uintptr_t) context->uc_mcontext.gregs[REG_RIP];
    *frame_out = (uintptr_t) context->uc_mcontext.gregs[REG_RBP];
#elif defined(__linux__) && defined(__aarch64__)
    *pc_out = (uintptr_t) context->uc_mcontext.pc;
    *frame_out = (uintptr_t) context->uc_mcontext.regs[29];
#elif defined(__linux__) && defined(__i386__)
    *pc_out = (uintptr_t) context->uc_mcontext.gregs[REG_EIP];
    *frame_out = (uintptr_t) context->uc_mcontext.gregs[REG_EBP];
#else
    (void) context;
    *pc_out = 0;
    *frame_out = 0;
#endif
}

/* Code without frame pointers may hold anything in that register: a frame outside the stack, or one that the
 * kernel cannot read, ends the walk. */
size_t ptk_backtrace_interrupted(const void *interrupted, const void *low, const void *high,
                                 const void **frames, size_t capacity) {
    uintptr_t pc;
    uintptr_t frame;
    backtrace_read_registers(interrupted, &pc, &frame);
    if (low && frame >= (uintptr_t) low && frame < (uintptr_t) high) {
        return ptk_backtrace_walk((const void *) pc, (const void *) frame, low, high, frames, capacity);
    }
    return ptk_backtrace_walk((const void *) pc, (const void *) frame, NULL, NULL, frames, capacity);
}

/* A return address can lie behind the end of its function, if the call was the last instruction; so it is
 * looked up one byte earlier, and the offset in the module is that of the call. */
void ptk_backtrace_describe(const void *address, bool is_return_address, char *text_out, size_t bytes) {
    ptk_sys_symbol_t symbol;
    uintptr_t back = is_return_address ? 1 : 0;
    uintptr_t place = (uintptr_t) address;
    if (!ptk_sys_real.symbolize((const void *) (place - back), &symbol)) {
        ptk_sys_format(text_out, bytes, "0x%zx", (size_t) place);
        return;
    }
    const char *module = symbol.module ? symbol.module : "?";
    size_t module_offset = (size_t) symbol.module_offset;
    if (symbol.name) {
        ptk_sys_format(text_out, bytes, "%s+0x%zx (%s+0x%zx)", symbol.name, (size_t) (symbol.offset + back),
                       module, module_offset);
    } else {
        ptk_sys_format(text_out, bytes, "0x%zx (%s+0x%zx)", (size_t) place, module, module_offset);
    }
}

void ptk_backtrace_report(const void *const *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char text[BACKTRACE_TEXT_BYTES];
        ptk_backtrace_describe(frames[i], i > 0, text, sizeof text);
        ptk_report("    #%zu %s", i, text);
    }
}

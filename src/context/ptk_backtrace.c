/* SPDX-License-Identifier: MIT */
/*
 * Where code is built with frame pointers, each frame begins with two words: the caller's frame and the
 * address to return to. A walk follows them upward; it believes no word: a frame must be aligned, inside the
 * stack, and above the one before. On a stack whose bounds are unknown the kernel is asked whether the words
 * can be read at all, and a step must be of a plausible size. On CPUs with another layout a walk is the
 * program counter alone.
 */
#include "context/ptk_backtrace.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_sanitizer.h"
#include "sys/ptk_sys.h"

#if defined(__x86_64__) || defined(__aarch64__) || defined(__i386__)
#define FRAMES_ARE_PAIRS 1
#else
#define FRAMES_ARE_PAIRS 0
#endif

#define PLAUSIBLE_STEP_BYTES ((uintptr_t) 1024 * 1024)

typedef struct frame_words {
    uintptr_t caller_frame;
    uintptr_t return_address;
} frame_words_t;

typedef struct bounds {
    uintptr_t low;
    uintptr_t high; /* 0: unknown */
} bounds_t;

/* A return address as it is, without a signature that the CPU may have put into it. */
static uintptr_t without_signature(uintptr_t address) {
#if defined(__aarch64__)
    register uintptr_t link __asm__("x30") = address;
    __asm__("hint #7" : "+r"(link)); /* xpaclri */
    return link;
#else
    return address;
#endif
}

static bool is_readable(uintptr_t frame) {
    return ptk_sys_real.is_readable((const void *) frame) &&
           ptk_sys_real.is_readable((const void *) (frame + sizeof(frame_words_t) - 1));
}

/* May a frame lie at `frame`, if the one before lies at `previous`? */
static bool is_plausible(const bounds_t *bounds, uintptr_t previous, uintptr_t frame) {
    if (frame <= previous || frame % sizeof(uintptr_t) != 0) {
        return false;
    }
    if (bounds->high == 0) {
        return frame - previous <= PLAUSIBLE_STEP_BYTES && is_readable(frame);
    }
    return frame >= bounds->low && frame < bounds->high && bounds->high - frame >= sizeof(frame_words_t);
}

/* Not memcpy: a sanitizer's would mind whose memory this is. */
PTK_SANITIZER_BLIND static frame_words_t read_words(uintptr_t frame) {
    const volatile frame_words_t *words = (const volatile frame_words_t *) frame;
    frame_words_t copy = {words->caller_frame, words->return_address};
    return copy;
}

static size_t walk(const bounds_t *bounds, uintptr_t previous, uintptr_t frame, const void **frames,
                   size_t capacity) {
    size_t count = 0;
    while (FRAMES_ARE_PAIRS && count < capacity && is_plausible(bounds, previous, frame)) {
        frame_words_t words = read_words(frame);
        if (words.return_address == 0) {
            break;
        }
        frames[count++] = (const void *) without_signature(words.return_address);
        previous = frame;
        frame = words.caller_frame;
    }
    return count;
}

size_t ptk_backtrace_walk(const void *pc, const void *frame, const void *low, const void *high,
                          const void **frames, size_t capacity) {
    bounds_t bounds = {(uintptr_t) low, (uintptr_t) high};
    if (!pc || capacity == 0) {
        return 0;
    }
    frames[0] = pc;
    return 1 + walk(&bounds, (uintptr_t) frame - 1, (uintptr_t) frame, frames + 1, capacity - 1);
}

__attribute__((noinline)) size_t ptk_backtrace_here(const void *low, const void *high, const void **frames,
                                                    size_t capacity) {
    bounds_t bounds = {(uintptr_t) low, (uintptr_t) high};
    uintptr_t frame = (uintptr_t) __builtin_frame_address(0);
    return walk(&bounds, frame - 1, frame, frames, capacity);
}

/* A return address may lie behind the end of its function, so its name is looked up one byte earlier. */
static void report_frame(size_t number, const void *address, uintptr_t back) {
    ptk_sys_symbol_t symbol;
    uintptr_t place = (uintptr_t) address;
    if (!ptk_sys_real.symbolize((const void *) (place - back), &symbol)) {
        ptk_report("    #%zu 0x%zx", number, (size_t) place);
        return;
    }
    const char *module = symbol.module ? symbol.module : "?";
    size_t offset = (size_t) (symbol.offset + back);
    if (symbol.name) {
        ptk_report("    #%zu %s+0x%zx (%s)", number, symbol.name, offset, module);
    } else {
        ptk_report("    #%zu 0x%zx (%s+0x%zx)", number, (size_t) place, module, offset);
    }
}

void ptk_backtrace_report(const void *const *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        report_frame(i, frames[i], i == 0 ? 0 : 1);
    }
}

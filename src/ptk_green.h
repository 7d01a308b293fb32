/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_green.h
 * Green threads: start, join, cancel, end; sleep and yield; names, user pointers and local storage.
 * Cancellation as such is described in ptk_cancel.h.
 *
 * A call *parks* when it suspends its green thread until an event, and lets the loop's other green threads
 * run; it never blocks the OS thread. The line "Parks:" of a call says whether it may.
 *
 * A handle is a token that ptk looks up and never dereferences. Once it is gone (joined, detached, or its
 * loop destroyed), every call with it is refused, on 64-bit systems for ever: with PTK_ERR_CLOSED, or with
 * PTK_ERR_WRONG_THREAD if its loop is gone and a living loop of another thread has its number. A call that
 * returns a pointer returns NULL then.
 */
#pragma once

#include <ptk_cancel.h>
#include <ptk_event_loop_platform.h>
#include <ptk_time.h>

#ifdef __cplusplus
#include <new>
#include <type_traits>
#include <utility>

extern "C" {
#endif

/** A handle to a green thread. ptk_green_spawn() returns one, which is valid until it is joined, ended or
 * detached; ptk_green_self() lends one. */
typedef struct ptk_green ptk_green_t;

/** The body of a green thread. Its result is what ptk_green_join() stores at `result_out`. */
typedef ptk_err (*ptk_green_fn)(void *arg);

/** The green thread changes floating-point control words (rounding mode, exception masks): it keeps its own.
 */
#define PTK_GREEN_FP 1u
/** A daemon: ptk_scheduler_run() does not wait for it, and cancels it when only daemons are left. */
#define PTK_GREEN_DAEMON 2u
/** The green thread runs C++ that may call ptk in a catch block, or while an exception unwinds the stack: it
 * keeps its own exceptions, in the two words that the C++ library has per OS thread. Costs some nanoseconds
 * per switch. Set by ptk_go() and ptk_green_spawn() in C++, not by the functions behind these macros. */
#define PTK_GREEN_CXX 4u

/** Options for ptk_green_spawn(). Zero in a field means its default. */
typedef struct ptk_green_options {
    uint32_t struct_size; /**< The size of this struct; 0 is filled in by the call. */
    uint32_t flags;       /**< #PTK_GREEN_FP, #PTK_GREEN_DAEMON, #PTK_GREEN_CXX. */
    const char *name;     /**< For reports; copied, cut at 31 bytes. NULL: the function's name. */
    size_t stack_bytes;   /**< At least this much stack; 0: the usual 64 KiB, which include the guard. */
    void *stack; /**< The caller's own memory of `stack_bytes` bytes, without a guard. The caller may use it
                      again when the green thread has ended. NULL: ptk's memory. */
    uint32_t lifetime_ms; /**< A deadline for the green thread's whole life: it is cancelled then, with the
                             cause PTK_CANCEL_DEADLINE. 0 or PTK_TIMEOUT_INFINITE: none. */
    uint32_t reserved;    /**< Zero. */
} ptk_green_options_t;

/** Initialises #ptk_green_options_t in C and C++; fields that are not named are zero. */
#define PTK_GREEN_OPTIONS_INIT {(uint32_t) sizeof(ptk_green_options_t), 0, 0, 0, 0, 0, 0}

#ifndef __cplusplus
/** Makes options in C: `ptk_green_spawn(loop, &PTK_GREEN_OPTIONS(.name = "worker"), fn, arg)`. */
#define PTK_GREEN_OPTIONS(...)                                                                               \
    ((ptk_green_options_t) {.struct_size = (uint32_t) sizeof(ptk_green_options_t), __VA_ARGS__})
#endif

/**
 * Starts a green thread without a handle. It first runs when the loop runs and the caller has parked or
 * ended. If `fn` returns anything but PTK_OK, PTK_ERR_CANCELED or PTK_ERR_EOF, that is logged once, and no
 * other code receives it.
 *
 * A macro of the same name adds the function's name and the place of the call, for reports. `(ptk_go)` is the
 * function itself, for function pointers and other languages.
 *
 * In C++, `fn` may be a lambda without captures, and the green thread keeps its own exceptions
 * (#PTK_GREEN_CXX). Instead of `fn` and `arg` there may be one object that is called without arguments, such
 * as a lambda with captures: `ptk_go(loop, [sock, name] { return serve(sock, name); })`. It returns ptk_err
 * or nothing, is moved to the heap, and is destroyed on the green thread after the call, or by the caller if
 * none is started. An exception that escapes it ends the program by std::terminate(); one must not escape
 * `fn`.
 *
 * @param loop  the loop; NULL means the current one
 * @param fn    the body
 * @param arg   passed to `fn`
 * @return PTK_OK, or
 *         PTK_ERR_NO_RESOURCES: no memory or stack is left, or the loop's green_thread_limit is reached;
 *         PTK_ERR_INVALID_PARAM: `fn` is NULL;
 *         PTK_ERR_NOT_SUPPORTED: the loop has hooks without `spawn` (ptk_foreign.h);
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's, inside or outside a green thread, also before run. \n
 * Ownership: `arg` is not copied; it must live as long as `fn` uses it.
 */
PTK_API PTK_NODISCARD ptk_err ptk_go(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg);

/**
 * Implements the macro ptk_go(): the same with a name and a place.
 *
 * @param loop  as for ptk_go()
 * @param fn    as for ptk_go()
 * @param arg   as for ptk_go()
 * @param name  the green thread's name, a static string
 * @param file  the file of the call, a static string
 * @param line  the line of the call
 * @return as ptk_go().
 *
 * Parks: no. \n
 * Thread: as ptk_go(). \n
 * Ownership: as ptk_go().
 */
PTK_API PTK_NODISCARD ptk_err ptk_go_at(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg,
                                        const char *name, const char *file, int line);

/**
 * Starts a green thread and returns a handle, which ptk_green_join(), ptk_green_end() or ptk_green_detach()
 * ends. A macro of the same name adds the function's name and the place of the call, as for ptk_go(). In C++
 * one object instead of `fn` and `arg` is taken, too.
 *
 * @param loop     the loop; NULL means the current one
 * @param options  the options; NULL means all defaults
 * @param fn       the body
 * @param arg      passed to `fn`
 * @return the handle; NULL on failure, with the reason in ptk_get_err(). The reasons are those of ptk_go(),
 *         and PTK_ERR_INVALID_PARAM also means unknown flags, too small a stack of the caller's, a non-zero
 *         field that this version does not have, or no `struct_size` where the function was called without
 *         the macro.
 *
 * Parks: no. \n
 * Thread: the loop's, inside or outside a green thread, also before run. \n
 * Ownership: the caller joins, ends or detaches the handle; `options` is not kept; `arg` is not copied.
 */
PTK_API PTK_NODISCARD ptk_green_t *ptk_green_spawn(ptk_event_loop_platform_t *loop,
                                                   const ptk_green_options_t *options, ptk_green_fn fn,
                                                   void *arg);

/**
 * Implements the macro ptk_green_spawn(): the same with a name and a place.
 *
 * @param loop     as for ptk_green_spawn()
 * @param options  as for ptk_green_spawn()
 * @param fn       as for ptk_green_spawn()
 * @param arg      as for ptk_green_spawn()
 * @param name     the green thread's name, a static string
 * @param file     the file of the call, a static string
 * @param line     the line of the call
 * @return as ptk_green_spawn().
 *
 * Parks: no. \n
 * Thread: as ptk_green_spawn(). \n
 * Ownership: as ptk_green_spawn().
 */
PTK_API PTK_NODISCARD ptk_green_t *ptk_green_spawn_at(ptk_event_loop_platform_t *loop,
                                                      const ptk_green_options_t *options, ptk_green_fn fn,
                                                      void *arg, const char *name, const char *file,
                                                      int line);

/**
 * Waits until a green thread has ended, stores its result, and frees the handle. Only one green thread may
 * join a handle at a time. A green thread that was cancelled cannot join: its clean-up uses ptk_green_end().
 *
 * @param green       the handle
 * @param result_out  if not NULL, receives what the body returned
 * @param timeout_ms  the longest time to wait; 0: only look; PTK_TIMEOUT_INFINITE: no limit
 * @return PTK_OK, or
 *         PTK_ERR_TIMEOUT: it has not ended; the handle stays valid and may be joined again;
 *         PTK_ERR_CANCELED: the caller was cancelled; the handle stays valid;
 *         PTK_ERR_BUSY: another green thread joins it;
 *         PTK_ERR_CLOSED: the handle was joined or detached;
 *         PTK_ERR_INVALID_PARAM: it is NULL, or the caller's own;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes, unless it has ended. \n
 * Thread: a green thread of the same loop; with timeout 0 also outside one. \n
 * Ownership: frees the handle when it returns PTK_OK.
 */
PTK_API PTK_NODISCARD ptk_err ptk_green_join(ptk_green_t *green, ptk_err *result_out, uint32_t timeout_ms);

/**
 * Cancels a green thread (see ptk_cancel.h). The cancel is permanent, and repeating it does nothing. The
 * green thread may run on for some time; ptk_green_join() waits for its end, and ptk_green_end() does both.
 *
 * @param green  the handle
 * @return PTK_OK, also if the green thread has ended already, or
 *         PTK_ERR_CLOSED: the handle was joined or detached;
 *         PTK_ERR_INVALID_PARAM: it is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_green_cancel(ptk_green_t *green);

/**
 * Cancels a green thread, waits until it has ended, and frees the handle; the result is dropped. The call
 * works also in a green thread that was cancelled: it never returns PTK_ERR_CANCELED, so it serves for
 * clean-up.
 *
 * @param green       the handle
 * @param timeout_ms  the longest time to wait; 0: cancel and look; PTK_TIMEOUT_INFINITE: no limit
 * @return PTK_OK, or
 *         PTK_ERR_TIMEOUT: it was cancelled and has not ended; the handle stays valid;
 *         PTK_ERR_BUSY: another green thread joins it; it was cancelled;
 *         PTK_ERR_CLOSED: the handle was joined or detached;
 *         PTK_ERR_INVALID_PARAM: it is NULL, or the caller's own;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout; nothing was done;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes, unless it has ended. \n
 * Thread: a green thread of the same loop; with timeout 0 also outside one. \n
 * Ownership: frees the handle when it returns PTK_OK.
 */
PTK_API PTK_NODISCARD ptk_err ptk_green_end(ptk_green_t *green, uint32_t timeout_ms);

/**
 * Frees a handle without waiting. The green thread runs on; a failure of it is logged from then on, as for
 * ptk_go().
 *
 * @param green  the handle
 * @return PTK_OK, or
 *         PTK_ERR_BUSY: another green thread joins it;
 *         PTK_ERR_CLOSED: the handle was joined or detached;
 *         PTK_ERR_INVALID_PARAM: it is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: frees the handle when it returns PTK_OK.
 */
PTK_API PTK_NODISCARD ptk_err ptk_green_detach(ptk_green_t *green);

/**
 * Lets the other runnable green threads run first. If it returns PTK_ERR_CANCELED, they may have run or not.
 *
 * @return PTK_OK, or
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread;
 *         PTK_ERR_FORKED: the loop was inherited over a fork.
 *
 * Parks: yes; it stays runnable. \n
 * Thread: a green thread.
 */
PTK_API PTK_NODISCARD ptk_err ptk_yield(void);

/**
 * Sleeps for some time.
 *
 * @param ms  milliseconds; the sleep is never shorter; 0: as ptk_yield(); PTK_TIMEOUT_INFINITE: until
 * cancelled
 * @return PTK_OK when the time has passed, or
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread;
 *         PTK_ERR_FORKED: the loop was inherited over a fork.
 *
 * Parks: yes. \n
 * Thread: a green thread.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sleep_ms(uint32_t ms);

/**
 * Sleeps until ptk_now_ns() has reached a point in time.
 *
 * @param deadline_ns  the point in time; a past one: as ptk_yield(); PTK_TIME_NEVER: until cancelled
 * @return as ptk_sleep_ms().
 *
 * Parks: yes. \n
 * Thread: a green thread.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sleep_until(uint64_t deadline_ns);

/**
 * Returns the running green thread.
 *
 * @return its handle, NULL outside a green thread.
 *
 * Parks: no. \n
 * Thread: any. \n
 * Ownership: the handle is borrowed, and valid while the green thread runs.
 */
PTK_API PTK_NODISCARD ptk_green_t *ptk_green_self(void);

/**
 * Returns a green thread's name.
 *
 * @param green  the handle
 * @return the name; "" if the handle is gone or another thread's, with the reason in ptk_get_err().
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the string is valid as long as the handle.
 */
PTK_API const char *ptk_green_name(const ptk_green_t *green);

/**
 * Sets a green thread's user pointer, which is NULL at first. ptk does not use it.
 *
 * @param green  the handle, also the caller's own
 * @param user   the pointer
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: the handle was joined or detached;
 *         PTK_ERR_INVALID_PARAM: it is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: `user` stays the caller's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_green_set_user(ptk_green_t *green, void *user);

/**
 * Returns a green thread's user pointer.
 *
 * @param green  the handle, also the caller's own
 * @return the pointer; NULL if none was set, or on failure, with the reason of ptk_green_set_user() in
 *         ptk_get_err().
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API void *ptk_green_user(const ptk_green_t *green);

/** A key of green-local storage: a static variable, the same for all green threads. */
typedef struct ptk_green_key {
    /** Called with a value other than NULL when its green thread ends, on its stack; or NULL. */
    void (*destructor)(void *value);
} ptk_green_key_t;

/**
 * Sets the running green thread's value of a key.
 *
 * @param key    the key
 * @param value  the value
 * @return PTK_OK, or
 *         PTK_ERR_NOT_GREEN: called outside a green thread;
 *         PTK_ERR_INVALID_PARAM: `key` is NULL;
 *         PTK_ERR_NO_RESOURCES: out of memory, which only the first value of a key in a green thread can
 *         return;
 *         PTK_ERR_FORKED: the loop was inherited over a fork.
 *
 * Parks: no. \n
 * Thread: a green thread. \n
 * Ownership: `key` must outlive the green thread; `value` goes to the key's destructor when it ends.
 */
PTK_API PTK_NODISCARD ptk_err ptk_green_set_local(const ptk_green_key_t *key, void *value);

/**
 * Returns the running green thread's value of a key.
 *
 * @param key  the key
 * @return the value, NULL if none was set or outside a green thread.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API void *ptk_green_get_local(const ptk_green_key_t *key);

/** Implements the macro ptk_green_spawn(): fills in a `struct_size` of 0. */
PTK_NODISCARD static inline ptk_green_t *ptk_green_spawn_sized(ptk_event_loop_platform_t *loop,
                                                               const ptk_green_options_t *options,
                                                               ptk_green_fn fn, void *arg, const char *name,
                                                               const char *file, int line) {
    if (options && options->struct_size == 0) {
        ptk_green_options_t copy = *options;
        copy.struct_size = (uint32_t) sizeof copy;
        return ptk_green_spawn_at(loop, &copy, fn, arg, name, file, line);
    }
    return ptk_green_spawn_at(loop, options, fn, arg, name, file, line);
}

#ifdef __cplusplus
}

/** A name of a green thread, as C++'s ptk_go() and ptk_green_spawn() derive it from their arguments. */
struct ptk_green_text {
    char text[32]; /**< NUL-terminated. */
};

/**
 * Returns the first of several arguments in the text of a macro's arguments, "lambda" for a lambda.
 *
 * @param arguments  the text
 * @return the name, cut at 31 bytes.
 */
constexpr ptk_green_text ptk_green_first_argument(const char *arguments) {
    ptk_green_text name{};
    const char *text = arguments[0] == '[' ? "lambda" : arguments;
    for (unsigned i = 0; i + 1 < sizeof name.text && text[i] != '\0' && text[i] != ','; i++) {
        name.text[i] = text[i];
    }
    return name;
}

/** The name of the first argument, as a static string. */
#define PTK_GREEN_NAME_OF(...)                                                                               \
    ([]() -> const char * {                                                                                  \
        static constexpr ptk_green_text name = ptk_green_first_argument(#__VA_ARGS__);                       \
        return name.text;                                                                                    \
    }())

/** Implements C++'s ptk_go(), whose `fn` may have commas in it; sets #PTK_GREEN_CXX. */
PTK_NODISCARD inline ptk_err ptk_go_named(const char *name, const char *file, int line,
                                          ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.flags = PTK_GREEN_CXX;
    ptk_green_t *green = ptk_green_spawn_at(loop, &options, fn, arg, name, file, line);
    return green ? ptk_green_detach(green) : ptk_get_err();
}

/** Implements C++'s ptk_green_spawn(), whose `fn` may have commas in it; sets #PTK_GREEN_CXX. */
PTK_NODISCARD inline ptk_green_t *ptk_green_spawn_named(const char *name, const char *file, int line,
                                                        ptk_event_loop_platform_t *loop,
                                                        const ptk_green_options_t *options, ptk_green_fn fn,
                                                        void *arg) {
    ptk_green_options_t own = PTK_GREEN_OPTIONS_INIT;
    if (options && options->struct_size > sizeof own) {
        return ptk_green_spawn_at(loop, options, fn, arg, name, file,
                                  line); /* refused if the rest is not zero */
    }
    if (options) {
        own = *options;
    }
    own.flags |= PTK_GREEN_CXX;
    return ptk_green_spawn_sized(loop, &own, fn, arg, name, file, line);
}

/** Implements green threads whose body is an object on the heap. */
template <typename Body> struct ptk_green_body {
    Body body; /**< The object. */

    /** Calls the object, and deletes it; an exception of either is std::terminate(). */
    static ptk_err run(void *arg) noexcept {
        struct owner {
            ptk_green_body *held;
            ~owner() {
                delete held;
            }
        } owned{static_cast<ptk_green_body *>(arg)};
        if constexpr (std::is_void_v<decltype(owned.held->body())>) {
            owned.held->body();
            return PTK_OK;
        } else {
            return owned.held->body();
        }
    }
};

/** Implements C++'s ptk_green_spawn() of an object that is called without arguments. */
template <typename Body>
PTK_NODISCARD inline ptk_green_t *ptk_green_spawn_named(const char *name, const char *file, int line,
                                                        ptk_event_loop_platform_t *loop,
                                                        const ptk_green_options_t *options, Body &&body) {
    static_assert(std::is_invocable_v<std::decay_t<Body> &>,
                  "pass fn and arg, or one object that is called without arguments");
    using held_t = ptk_green_body<std::decay_t<Body>>;
    auto *held = new (std::nothrow) held_t{std::forward<Body>(body)};
    if (!held) {
        PTK_IGNORE(ptk_set_err(PTK_ERR_NO_RESOURCES));
        return nullptr;
    }
    ptk_green_t *green = ptk_green_spawn_named(name, file, line, loop, options, held_t::run, held);
    if (!green) {
        delete held;
    }
    return green;
}

/** Implements C++'s ptk_go() of an object that is called without arguments. */
template <typename Body>
PTK_NODISCARD inline ptk_err ptk_go_named(const char *name, const char *file, int line,
                                          ptk_event_loop_platform_t *loop, Body &&body) {
    ptk_green_t *green = ptk_green_spawn_named(name, file, line, loop, nullptr, std::forward<Body>(body));
    return green ? ptk_green_detach(green) : ptk_get_err();
}

/** Calls ptk_go_at() with the function's name and the place. */
#define ptk_go(loop, ...)                                                                                    \
    ptk_go_named(PTK_GREEN_NAME_OF(__VA_ARGS__), __FILE__, __LINE__, (loop), __VA_ARGS__)

/** Calls ptk_green_spawn_at() with the function's name and the place, after filling in a `struct_size` of 0.
 */
#define ptk_green_spawn(loop, options, ...)                                                                  \
    ptk_green_spawn_named(PTK_GREEN_NAME_OF(__VA_ARGS__), __FILE__, __LINE__, (loop), (options), __VA_ARGS__)

#else

/** Calls ptk_go_at() with the function's name and the place. */
#define ptk_go(loop, fn, arg) ptk_go_at((loop), (fn), (arg), #fn, __FILE__, __LINE__)

/** Calls ptk_green_spawn_at() with the function's name and the place, after filling in a `struct_size` of 0.
 */
#define ptk_green_spawn(loop, options, fn, arg)                                                              \
    ptk_green_spawn_sized((loop), (options), (fn), (arg), #fn, __FILE__, __LINE__)

#endif

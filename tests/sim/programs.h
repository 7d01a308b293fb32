/* SPDX-License-Identifier: MIT */
/*
 * Random programs and their model: what scenario_programs.c and the files programs_*.c share.
 *
 * A *program* is a list of steps for each of a few green threads (the *workers*) of one host. A step is one
 * public call on an object that all share. The *model* is the state of these objects as the headers define
 * it; programs_model.c has the rules, and says what each call may return and when.
 *
 * Time makes the rules exact. The world's clock advances only while the program computes (ptk_sim_compute)
 * and while the loop sleeps because nothing is runnable. `idle` is the time without what was computed: it
 * stands still as long as anything is runnable, so whatever must end a call ends it before `idle` advances.
 */
#pragma once

#include "scenarios.h"

#define WORKERS       8
#define STEPS         14
#define COUNTERS      8 /* at a time */
#define COUNTERS_EVER 64
#define SOCKS         40 /* ever */
#define FRAMES        64 /* sends of one socket */
#define ITEMS         4
#define SHIELDS       3
#define BUFFER        8192

typedef struct programs_step {
    uint8_t kind;    /* 0: nothing */
    uint8_t object;  /* which of the objects of its kind */
    uint8_t timeout; /* index of a timeout */
    uint8_t extra;
} programs_step_t;

/* A TIMER, SIGNAL or USER waitable. */
typedef struct programs_counter {
    ptk_waitable_t *waitable;
    ptk_waitable_type_t type;
    uint64_t signaled; /* SIGNAL, USER */
    uint64_t taken;
    uint64_t added_idle_ns; /* `idle` of the last event */
    uint32_t aborts;
    bool is_destroyed;
    uint64_t created_ns; /* TIMER */
    uint64_t created_computed_ns;
    uint64_t first_ns;
    uint64_t period_ns;
} programs_counter_t;

/* One send. Its first byte distinguishes it from every other send of the socket. */
typedef struct programs_frame {
    uint64_t order; /* of the call; see programs_call_t */
    uint64_t start_idle_ns;
    size_t bytes; /* of the send; once it has returned, those that went out */
    size_t received;
    bool is_done;
} programs_frame_t;

typedef enum programs_sock_state {
    SOCK_OPEN,
    SOCK_LISTENING,
    SOCK_CONNECTING,
    SOCK_CONNECTED,
    SOCK_FAILED,
    SOCK_UNLISTENED,
} programs_sock_state_t;

typedef struct programs_sock {
    ptk_sock_t *token;
    ptk_os_handle_t fd;
    struct programs_sock *peer; /* NULL: none, or it was not accepted yet */
    programs_sock_state_t state;
    bool is_closed; /* in this program: by close, reset or linger */
    bool is_reset;  /* by ptk_sock_reset */
    bool is_write_shut;
    bool is_read_shut;
    bool is_narrow; /* its buffers have 2 KiB */
    bool may_keep_rest;
    size_t missing;     /* bytes of a send that was cut short */
    uint64_t resumes;   /* calls of send_some that sent some */
    uint32_t aborts;    /* of its waitables */
    uint16_t port;      /* of a client */
    uint16_t peer_port; /* of an accepted socket */
    uint32_t cuts;      /* sends that were cut short */
    size_t frame_count;
    programs_frame_t frames[FRAMES]; /* sent by this socket */
    programs_frame_t *receiving;     /* of the peer's frames, the one whose bytes came last */
} programs_sock_t;

/* A call that a worker makes. */
typedef struct programs_call {
    bool is_open;
    const char *name;
    uint64_t order; /* number of the call */
    uint64_t start_ns;
    uint64_t start_idle_ns;
    uint64_t start_computed_ns;
    uint32_t timeout_ms;
    bool takes_cancel;
    bool must_cancel; /* it was cancelled at entry */
    bool is_due;      /* something has ended it */
    uint64_t due_idle_ns;
    bool may_have_ended;
    bool is_exact;   /* the result is known, unless a cancel comes before the call begins: */
    bool is_decided; /* no cancel can come before it */
    ptk_err result;
    size_t result_index;
    size_t item_count;                /* what it waits for */
    programs_counter_t *items[ITEMS]; /* NULL: the socket */
    uint32_t aborts[ITEMS];           /* of the counters, at entry */
    programs_sock_t *sock;
    uint32_t events;         /* PTK_EVENT_*: the directions of `sock` */
    programs_frame_t *frame; /* that it sends */
    bool is_ready;           /* the kernel says so: */
    uint64_t ready_idle_ns;
    struct programs_worker *joined;
    uint32_t cuts; /* of the socket, at entry */
    uint32_t sock_aborts;
    bool is_shared; /* other calls have used the same direction of the socket meanwhile */
    bool accepts;
    bool spawns;    /* the loop's limit of green threads may be reached */
    bool lingers;   /* closes with linger: it uses both directions */
    bool ran_other; /* another worker has made a call meanwhile */
} programs_call_t;

typedef struct programs_shield {
    ptk_shield_t shield;
    uint64_t deadline_ns;
    uint64_t computed_ns; /* at its begin */
    bool was_seen;        /* its end */
} programs_shield_t;

typedef struct programs_worker {
    size_t number;
    programs_step_t steps[STEPS];
    ptk_green_t *handle; /* NULL: none, or detached */
    bool is_started;
    bool is_ended;
    bool is_joined; /* or detached: the handle is refused */
    bool is_daemon;
    bool is_requested; /* cancelled by a request */
    bool was_seen;     /* that it is cancelled */
    uint64_t life_ns;  /* its deadline; PTK_TIME_NEVER: none */
    uint64_t life_computed_ns;
    size_t shield_count;
    programs_shield_t shields[SHIELDS];
    programs_call_t call;
    ptk_err last_error;                /* what ptk_get_err() is to return */
    struct programs_worker *locals[2]; /* this: the value of a key that was set; NULL: none */
    size_t calls_after_cancel;
    bool is_over;   /* it makes no further step */
    char text[120]; /* its call, if it is shown */
    char bytes[BUFFER];
} programs_worker_t;

typedef struct programs_world {
    ptk_sim_host_t *host;
    bool is_shown; /* the calls are printed */
    bool is_short; /* of memory or descriptors */
    bool is_stopped;
    bool over; /* the workers' steps are over */
    uint64_t computed_ns;
    uint64_t orders;
    size_t report_lines;   /* that ptk has printed */
    size_t report_running; /* of these, those of a running one */
    size_t report_greens;  /* of them, those that begin a green thread's paragraph */
    ptk_green_fn work;     /* a worker's body */
    uint32_t green_limit;  /* of the loop's green threads; 0: none */
    programs_worker_t workers[WORKERS];
    size_t worker_count;
    programs_counter_t counters[COUNTERS_EVER];
    size_t counter_count;
    programs_counter_t *slots[COUNTERS];
    programs_sock_t socks[SOCKS];
    size_t sock_count;
    programs_sock_t *listener;
    uint64_t listened_order; /* the number of the call that made it */
    ptk_signaler_t *signaler;
    programs_counter_t *signaled;  /* whose it is */
    int pair[2];                   /* descriptors that are not ptk's */
    ptk_waitable_t *pair_waitable; /* of pair[0] */
    programs_sock_t pair_sock;     /* stands for pair[0] in the model of calls */
} programs_world_t;

extern programs_world_t programs;

/* --- programs_model.c --- */

/* Returns whether a check has failed, and the host unwinds. */
bool programs_has_failed(void);
/* Returns how many green threads live: the supervisor and the workers. */
uint32_t programs_living(void);
/* The time that the loop has slept. */
uint64_t programs_idle_ns(void);

/* Begins and ends a worker's call. `began` may fill in what the call waits for in between. The rules that
   hold for every call are checked at its end. */
programs_call_t *programs_begin(programs_worker_t *me, const char *name, uint32_t timeout_ms,
                                bool takes_cancel);
void programs_end(programs_worker_t *me, ptk_err err);

/* Returns whether the worker is cancelled: certainly, or perhaps. */
bool programs_must_be_cancelled(const programs_worker_t *worker);
bool programs_may_be_cancelled(const programs_worker_t *worker);
void programs_check_cause(programs_worker_t *me);

/* Checks that no call is open that must have ended. */
void programs_audit(void);

/* The events of the model, after the call that made them. */
void programs_signaled(programs_counter_t *counter, bool at_once);
void programs_ended_waits(programs_counter_t *counter, ptk_err err);
void programs_cancelled(programs_worker_t *worker);
void programs_closed(programs_sock_t *sock);
void programs_stopped(void);
void programs_ended(programs_worker_t *worker);
/* Returns whether the connection may have been reset, or was never accepted. */
bool programs_may_be_reset(const programs_sock_t *sock);
/* Returns whether another worker's call uses the same directions of the socket. */
bool programs_is_shared(const programs_worker_t *me, const programs_sock_t *sock, uint32_t events);

/* How many events of a counter no wait has taken. */
uint64_t programs_left(const programs_counter_t *counter);
/* How many of them a look must find. */
uint64_t programs_least_left(const programs_counter_t *counter);
/* Returns whether a call other than `me`'s waits for the counter. */
bool programs_has_other_waiter(const programs_worker_t *me, const programs_counter_t *counter);
/* Checks a wait's result. */
void programs_check_wait(programs_worker_t *me, ptk_err err, size_t index, uint32_t ready, uint64_t count);

/* Fills in the socket that a call uses. */
void programs_uses(programs_worker_t *me, programs_sock_t *sock, uint32_t events);
/* Checks the error of a transfer or wait on a socket. */
void programs_check_sock_error(programs_worker_t *me, programs_sock_t *sock, ptk_err err);
/* Returns the PTK_EVENT_* of a socket as its kernel has them now. */
uint32_t programs_kernel_ready(const programs_sock_t *sock, uint32_t events);

/* Streams: writes a frame's bytes, ends a send, checks received bytes. NULL: there are too many frames. */
programs_frame_t *programs_frame(programs_sock_t *sock, uint64_t order, char *bytes, size_t count);
void programs_sent(programs_sock_t *sock, programs_frame_t *frame, size_t count);
void programs_received(programs_sock_t *sock, const char *bytes, size_t count);
/* Returns whether every byte that the peer has sent was received. */
bool programs_is_drained(const programs_sock_t *sock);

/* --- programs_show.c --- */

/* Describes the coming call, if calls are shown. */
__attribute__((format(printf, 2, 3))) void programs_describe(programs_worker_t *me, const char *format, ...);
void programs_show(const programs_worker_t *me, const char *what, const char *result);
/* Begins a call that a text describes, and ends it. */
#define PROGRAMS_BEGIN(me, timeout_ms, takes_cancel, ...)                                                    \
    (programs_describe(me, __VA_ARGS__), programs_begin(me, (me)->text, timeout_ms, takes_cancel))
void programs_finish(programs_worker_t *me, ptk_err err);

/* The arguments of a step. */
uint32_t programs_timeout(const programs_step_t *step);
uint32_t programs_short_time(const programs_step_t *step);
programs_sock_t *programs_sock_of(const programs_step_t *step);

/* Returns whether a socket is connected and was not closed. */
bool programs_is_usable(const programs_sock_t *sock);

/* --- programs_steps.c --- */

/* Makes one step. */
void programs_make_step(programs_worker_t *me, const programs_step_t *step);
size_t programs_kinds(void);

/* --- programs_waits.c --- */

void programs_make_counter(size_t slot);
void programs_compute(programs_worker_t *me, const programs_step_t *step);
void programs_yield(programs_worker_t *me, const programs_step_t *step);
void programs_sleep(programs_worker_t *me, const programs_step_t *step);
void programs_wait_one(programs_worker_t *me, const programs_step_t *step);
void programs_wait_any(programs_worker_t *me, const programs_step_t *step);
void programs_wait_sock(programs_worker_t *me, const programs_step_t *step);
void programs_signal(programs_worker_t *me, const programs_step_t *step);
void programs_signal_through_inbox(programs_worker_t *me, const programs_step_t *step);
void programs_raise(programs_worker_t *me, const programs_step_t *step);
void programs_abort(programs_worker_t *me, const programs_step_t *step);
void programs_destroy(programs_worker_t *me, const programs_step_t *step);
void programs_abort_sock(programs_worker_t *me, const programs_step_t *step);

/* --- programs_streams.c --- */

void programs_recv(programs_worker_t *me, const programs_step_t *step);
void programs_recv_some(programs_worker_t *me, const programs_step_t *step);
void programs_send(programs_worker_t *me, const programs_step_t *step);
void programs_send_some(programs_worker_t *me, const programs_step_t *step);

/* --- programs_socks.c --- */

/* Makes and ends the objects. Without memory or descriptors some are missing. */
ptk_err programs_make_listener(void);
void programs_make_pair(bool is_narrow);
ptk_err programs_make_descriptors(void);
void programs_end_descriptors(void);
void programs_open(programs_worker_t *me, const programs_step_t *step);
void programs_connect(programs_worker_t *me, const programs_step_t *step);
void programs_accept(programs_worker_t *me, const programs_step_t *step);
void programs_listen(programs_worker_t *me, const programs_step_t *step);
void programs_close(programs_worker_t *me, const programs_step_t *step);
void programs_linger(programs_worker_t *me, const programs_step_t *step);
void programs_shutdown(programs_worker_t *me, const programs_step_t *step);
void programs_look_at_sock(programs_worker_t *me, const programs_step_t *step);
void programs_use_pair(programs_worker_t *me, const programs_step_t *step);
void programs_connect_tcp(programs_worker_t *me, const programs_step_t *step);

/* --- programs_greens.c --- */

/* Starts the next worker. */
void programs_start(const programs_step_t *step);
void programs_spawn(programs_worker_t *me, const programs_step_t *step);
void programs_join(programs_worker_t *me, const programs_step_t *step);
void programs_end_green(programs_worker_t *me, const programs_step_t *step);
void programs_cancel(programs_worker_t *me, const programs_step_t *step);
void programs_detach(programs_worker_t *me, const programs_step_t *step);
void programs_look_at_green(programs_worker_t *me, const programs_step_t *step);
void programs_begin_shield(programs_worker_t *me, const programs_step_t *step);
void programs_end_shield(programs_worker_t *me, const programs_step_t *step);
void programs_set_local(programs_worker_t *me, const programs_step_t *step);
void programs_stop(programs_worker_t *me, const programs_step_t *step);

/* --- programs_misc.c --- */

void programs_misuse(programs_worker_t *me, const programs_step_t *step);
void programs_look_at_texts(programs_worker_t *me, const programs_step_t *step);
void programs_live_alone(programs_worker_t *me, const programs_step_t *step);
void programs_dump(programs_worker_t *me, const programs_step_t *step);
void programs_go_on(programs_worker_t *me, const programs_step_t *step);

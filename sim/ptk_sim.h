/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_sim.h
 * Protocol code under a simulated network and clock, replayable from a seed.
 *
 * A simulation is a world of hosts on one OS thread. Each host runs an unmodified program: a `main` that
 * makes its loop, its green threads and its sockets with ptk's usual calls. Time is virtual: it stands still
 * while any host runs, and jumps when none can. Every decision that a real world leaves to chance (which host
 * goes on, how long a packet travels, whether it is lost, when a host crashes) is taken by one oracle from
 * the seed, so the same seed is the same run, event by event.
 *
 *     static void scenario(ptk_sim_t *sim) {
 *         ptk_sim_host(sim, &(ptk_sim_host_options_t) {.struct_size = sizeof(ptk_sim_host_options_t),
 *                      .name = "server", .address = "10.0.0.1", .flags = PTK_SIM_HOST_DAEMON}, serve, NULL);
 *         ptk_sim_host(sim, &client_options, ask, NULL);
 *         ptk_sim_run_for(sim, 10000);   // safety: with faults
 *         ptk_sim_settle(sim, 600000);   // liveness: the faults stop, and the program must finish
 *     }
 *
 *     int main(int argc, char **argv) {
 *         return ptk_sim_main(argc, argv, scenarios, 1);
 *     }
 *
 * Link libptk_sim.a before libptk.a (it needs the archive: it works on ptk's inside). Nothing here parks. All
 * of it is called from the thread that created the simulation, outside its hosts, but for what says "on a
 * host".
 */
#pragma once

#include <ptk_event_loop_platform.h>

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A simulated world. */
typedef struct ptk_sim ptk_sim_t;

/** One of its hosts: a process with a kernel, a clock and addresses of its own. */
typedef struct ptk_sim_host ptk_sim_host_t;

/** Why a run came to its end. */
typedef enum ptk_sim_end {
    PTK_SIM_END_NONE = 0,       /**< it has not */
    PTK_SIM_END_QUIESCENT = 1,  /**< every host but daemons has ended */
    PTK_SIM_END_PREDICATE = 2,  /**< what was waited for is so */
    PTK_SIM_END_TIME_LIMIT = 3, /**< virtual time is up */
    PTK_SIM_END_LIVELOCK = 4,   /**< too many steps at one moment: the hosts run and time does not */
    PTK_SIM_END_DEADLOCK = 5,   /**< a host has not ended, and nothing will ever happen again */
    PTK_SIM_END_CHECK = 6,      /**< a check failed */
    PTK_SIM_END_HOST = 7,       /**< a host's main answered an error, or left something behind */
    PTK_SIM_END_STEP_LIMIT = 8  /**< too many steps in all */
} ptk_sim_end_t;

/** No faults at all: only latencies, schedules and the like vary. */
#define PTK_SIM_NO_FAULTS 0x01u
/** Keep what happens, for a timeline. */
#define PTK_SIM_KEEP_TRACE 0x02u
/** Always the benign answer: no faults, the least latency, first come first served. */
#define PTK_SIM_BENIGN 0x04u

/** Memory and descriptors may run out too: allocations and openings fail at random. */
#define PTK_SIM_EXHAUSTION 0x08u

/** How a world is made; all zeros but `struct_size` are the defaults. */
typedef struct ptk_sim_options {
    uint32_t struct_size; /**< sizeof(ptk_sim_options_t) */
    uint32_t flags;       /**< PTK_SIM_* */
    uint64_t seed;        /**< what decides, and which run this is */
    const char *platform; /**< "sim", "epoll" or "poll" for every loop; NULL: the seed chooses */
    const char *tape; /**< the decisions of an earlier run as text: replayed instead of the seed's; or NULL */
    const uint8_t *input; /**< a fuzzer's input: decides instead of the seed; or NULL */
    size_t input_bytes;   /**< of `input` */
    uint64_t step_limit;  /**< 0: ten million */
    uint32_t pct_changes; /**< more than 0: schedules by priorities with so many changes (PCT) */
    uint32_t reserved;    /**< 0 */
} ptk_sim_options_t;

/** The host serves for ever: the others' end is the end. */
#define PTK_SIM_HOST_DAEMON 0x01u
/** Faults may crash it; it is started again after a while. */
#define PTK_SIM_HOST_MAY_CRASH 0x02u
/** Its main may answer an error. */
#define PTK_SIM_HOST_MAY_FAIL 0x04u

/** How a host is made. */
typedef struct ptk_sim_host_options {
    uint32_t struct_size; /**< sizeof(ptk_sim_host_options_t) */
    uint32_t flags;       /**< PTK_SIM_HOST_* */
    const char *name;     /**< for reports; stays the caller's and must outlive the world */
    const char
        *address; /**< "10.0.0.1", "fd00::1", or both with a comma between; NULL: 10.0.0.N, N from 1 on */
    uint32_t descriptor_limit; /**< 0: 1024 */
    uint32_t reserved;         /**< 0 */
    /** What ptk may have on this host's heap at a time; then calls answer NO_RESOURCES. 0: no limit. Like a
     * kernel's limit of a process it does not see what the kernel has, such as the buffers of sockets; nor
     * stacks, which are mapped, nor what the program takes by malloc. A block counts as what a usual heap
     * takes for it: its size rounded up to one of four sizes per power of two. The same program meets the
     * limit at the same allocation in every 64-bit build (compilers, -O0, processors, sanitizers), so a seed
     * or tape can be replayed in any; with AddressSanitizer, as long as fewer than 147 green threads live on
     * the host. */
    uint64_t memory_limit_bytes;
} ptk_sim_host_options_t;

/** One direction of a link between two hosts. */
typedef struct ptk_sim_link_options {
    uint32_t struct_size;      /**< sizeof(ptk_sim_link_options_t) */
    uint32_t latency_steps;    /**< the latency is drawn from so many values; 0: 16 */
    uint64_t latency_ns;       /**< the least of them; 0: 100 us */
    uint64_t latency_step_ns;  /**< and how far apart they are; 0: 50 us */
    uint64_t bytes_per_second; /**< 0: no limit */
    uint32_t loss_ppm; /**< so many of a million packets are lost, all of them if it is a million; 0: as the
                            seed has it. Like every fault it ends with ptk_sim_settle(), and is not at all
                            with PTK_SIM_NO_FAULTS or PTK_SIM_BENIGN. Less than all is a decision for each
                            packet, which only a seed takes by this rate */
    uint32_t reserved; /**< 0 */
} ptk_sim_link_options_t;

/** What a run came to. */
typedef struct ptk_sim_report {
    ptk_sim_end_t end;     /**< of the last run */
    uint64_t hash[2];      /**< of everything that happened, in order */
    uint64_t events;       /**< packets, timers, resumptions and other steps */
    uint64_t decisions;    /**< of the oracle */
    uint64_t calls;        /**< system calls of the hosts */
    uint64_t elapsed_ns;   /**< of virtual time */
    uint64_t packets_sent; /**< all of them */
    uint64_t packets_lost; /**< of these: by chance, a partition or a host that was down */
    uint64_t faults;       /**< crashes, pauses and partitions */
    const char *failure;   /**< what went wrong, NULL if nothing; lives as long as the world */
} ptk_sim_report_t;

/** A new world; NULL: an option is wrong (INVALID_PARAM), for a tape also when it cannot be read; or there
 * is one already (BUSY): one at a time. */
ptk_sim_t *ptk_sim_create(const ptk_sim_options_t *options);

/** End it: hosts that still run are cancelled and unwound, as by a crash. NULL is fine. */
void ptk_sim_destroy(ptk_sim_t *sim);

/**
 * A new host, which will run main(arg) from its first step on; again after a crash. NULL: an option is wrong
 * or the address taken (ptk_get_err()). The world keeps the host; `arg` must outlive it, or ptk_sim_settle().
 *
 * `main` runs on a stack of 512 KiB and must return: ptk_scheduler_run() ends when the host does. When a host
 * crashes, its network is gone at once and without a word, and its green threads are cancelled so that they
 * let go of their memory; what they still do reaches nobody.
 */
ptk_sim_host_t *ptk_sim_host(ptk_sim_t *sim, const ptk_sim_host_options_t *options,
                             ptk_err (*main)(void *arg), void *arg);

/** What the link from one host to another is like, from now on. INVALID_PARAM. */
ptk_err ptk_sim_link(ptk_sim_host_t *from, ptk_sim_host_t *to, const ptk_sim_link_options_t *options);

/** Run until every host but daemons has ended, something is wrong, or so much virtual time has passed. */
ptk_sim_end_t ptk_sim_run_for(ptk_sim_t *sim, uint64_t limit_ms);

/** The same, or until `predicate` holds, which is asked after each step. */
ptk_sim_end_t ptk_sim_run_until(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg, uint64_t limit_ms);

/**
 * Faults stop, partitions heal, crashed hosts are started and paused ones go on; then the program must finish
 * within so much virtual time: any other end than QUIESCENT is a failure.
 * Then every host that still runs, the daemons, is ended and unwound, and what it leaves behind is looked at:
 * it is the last phase of a world.
 */
ptk_sim_end_t ptk_sim_settle(ptk_sim_t *sim, uint64_t limit_ms);

/**
 * The network and the hosts stay whole from now on: no loss, duplicates or reordering, no partitions, crashes
 * and pauses. The kernels of the hosts may still do whatever a real one may: cut sends short, interrupt
 * calls, report what is not so. On such a network a program may insist on success, unless a link gets a rate
 * of loss afterwards.
 */
void ptk_sim_quiet_network(ptk_sim_t *sim);

/** What it came to so far. */
ptk_sim_report_t ptk_sim_report(ptk_sim_t *sim);

/** Faults by hand. A partition has one direction; it holds until it was healed as often as it was made. */
void ptk_sim_partition(ptk_sim_host_t *from, ptk_sim_host_t *to);
/** The end of a partition, see ptk_sim_partition(). */
void ptk_sim_heal(ptk_sim_host_t *from, ptk_sim_host_t *to);
/** Its power goes. Nothing if it is down or has ended. */
void ptk_sim_crash(ptk_sim_host_t *host);
/** One that is down runs its main again. */
void ptk_sim_restart(ptk_sim_host_t *host);
/** Stand still and go on. While it is suspended (not only paused) its clock stands too. */
void ptk_sim_pause(ptk_sim_host_t *host);
/** A pause in which its clock stands too. */
void ptk_sim_suspend(ptk_sim_host_t *host);
/** The end of a pause or of a suspension. */
void ptk_sim_resume(ptk_sim_host_t *host);
/** Its clock jumps forward, and runs faster by so many millionths from now on (negative: slower; at most
 * half). */
void ptk_sim_clock(ptk_sim_host_t *host, uint64_t forward_ns, int32_t drift_ppm);

/** A signal arrives at the host's process: its SIGNAL waitables for it get one more. Unheard, it does
 * nothing. */
void ptk_sim_signal(ptk_sim_host_t *host, int signo);

/** Has it ended, and with what? On a host or outside. */
bool ptk_sim_host_ended(const ptk_sim_host_t *host, ptk_err *result_out);

/** A decision of the program's own: a number below `count`, 0 being the plain case. On a host or outside. */
uint32_t ptk_sim_choose(uint32_t count);

/** The world's time, whatever the hosts' clocks say. On a host or outside. */
uint64_t ptk_sim_now_ns(void);

/** Two numbers for the trace and the timeline, with a label that only the latter shows; it
 * stays the caller's and must outlive the world. On a host or outside. */
void ptk_sim_note(const char *label, uint64_t a, uint64_t b);

/** PTK_SIM_CHECK without the macro. Answers the condition. */
bool ptk_sim_check(bool condition, const char *text, const char *file, int line);

/** What must be so. If it is not, the run ends at the next step and is a failure. On a host or outside. */
#define PTK_SIM_CHECK(condition) ptk_sim_check((condition), #condition, __FILE__, __LINE__)

/** A scenario for ptk_sim_main: it makes hosts, runs and settles. */
typedef struct ptk_sim_scenario {
    const char *name;            /**< for the command line */
    const char *what;            /**< one line */
    void (*run)(ptk_sim_t *sim); /**< makes hosts, runs and settles */
} ptk_sim_scenario_t;

/**
 * The `main` of a program of scenarios: runs seeds of them on several processes, stops at the first failure,
 * shrinks it and writes its timeline. `--help` says how. Answers the exit status: 0 if nothing failed.
 */
int ptk_sim_main(int argc, char **argv, const ptk_sim_scenario_t *scenarios, size_t count);

#ifdef __cplusplus
}
#endif

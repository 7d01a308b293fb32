/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_sim.h
 * Runs protocol code under a simulated network and clock, replayable from a seed.
 *
 * A simulation is a world of hosts on one OS thread. Each host runs an unmodified program: a `main` that
 * creates its loop, its green threads and its sockets with ptk's usual calls. Time is virtual: it stands
 * still while any host executes (but for ptk_sim_compute()), and jumps to the next event when none can.
 *
 * Every decision that a real world leaves to chance (which host executes next, how long a packet travels,
 * whether it is lost, when a host crashes) is taken by one oracle from the seed. So the same seed is the same
 * run, event by event.
 *
 *     static void scenario(ptk_sim_t *sim) {
 *         ptk_sim_host(sim, &(ptk_sim_host_options_t) {.struct_size = sizeof(ptk_sim_host_options_t),
 *                      .name = "server", .address = "10.0.0.1", .flags = PTK_SIM_HOST_DAEMON}, serve, NULL);
 *         ptk_sim_host(sim, &client_options, request, NULL);
 *         ptk_sim_run_for(sim, 10000);   // safety: with faults
 *         ptk_sim_settle(sim, 600000);   // liveness: faults are off, and the program must finish
 *     }
 *
 *     int main(int argc, char **argv) {
 *         return ptk_sim_main(argc, argv, scenarios, 1);
 *     }
 *
 * Link libptk_sim.a before libptk.a; it needs the archive, since it uses ptk's internals. Link the guard,
 * too, see ptk_sim_is_guarded().
 *
 * No function of this header parks. All are called from the thread that created the world, outside its hosts,
 * except where "Thread:" says otherwise. See docs/simulation.md for a guide.
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

/** A host of a world: a process with a kernel, a clock and addresses of its own. */
typedef struct ptk_sim_host ptk_sim_host_t;

/** Why a run ended. */
typedef enum ptk_sim_end {
    PTK_SIM_END_NONE = 0,       /**< it has not ended */
    PTK_SIM_END_QUIESCENT = 1,  /**< every host but daemons has ended */
    PTK_SIM_END_PREDICATE = 2,  /**< the predicate holds */
    PTK_SIM_END_TIME_LIMIT = 3, /**< the limit of virtual time is reached */
    PTK_SIM_END_LIVELOCK = 4,   /**< too many steps at one time: hosts execute, and time does not advance */
    PTK_SIM_END_DEADLOCK = 5,   /**< a host has not ended, and no event is left */
    PTK_SIM_END_CHECK = 6,      /**< a check failed */
    PTK_SIM_END_HOST = 7,       /**< a host's main returned an error, or leaked something */
    PTK_SIM_END_STEP_LIMIT = 8  /**< too many steps in all */
} ptk_sim_end_t;

/** No faults at all: only latencies, schedules and the like vary. */
#define PTK_SIM_NO_FAULTS 0x01u

/** The events are kept, for a timeline. */
#define PTK_SIM_KEEP_TRACE 0x02u

/** Every decision is the benign one: no faults, the least latency, first come first served. */
#define PTK_SIM_BENIGN 0x04u

/** Allocations and openings of descriptors fail at random, too. */
#define PTK_SIM_EXHAUSTION 0x08u

/** How a world is created; all zeros but `struct_size` are the defaults. */
typedef struct ptk_sim_options {
    uint32_t struct_size; /**< sizeof(ptk_sim_options_t) */
    uint32_t flags;       /**< PTK_SIM_* */
    uint64_t seed;        /**< decides everything, unless `tape` or `input` does */
    const char *platform; /**< "sim", "epoll" or "poll" for every loop; NULL: the seed chooses */
    const char *tape; /**< the decisions of an earlier run as text, replayed instead of the seed's; or NULL */
    const uint8_t *input; /**< a fuzzer's input that decides instead of the seed; or NULL */
    size_t input_bytes;   /**< length of `input` */
    uint64_t step_limit;  /**< 0: ten million */
    uint32_t pct_changes; /**< more than 0: schedules by priorities with so many changes (PCT) */
    uint32_t reserved;    /**< 0 */
} ptk_sim_options_t;

/** The host serves for ever: a run does not wait for its end. */
#define PTK_SIM_HOST_DAEMON 0x01u

/** Faults may crash the host; it is restarted after a while. */
#define PTK_SIM_HOST_MAY_CRASH 0x02u

/** Its main may return an error. */
#define PTK_SIM_HOST_MAY_FAIL 0x04u

/** How a host is created. */
typedef struct ptk_sim_host_options {
    uint32_t struct_size; /**< sizeof(ptk_sim_host_options_t) */
    uint32_t flags;       /**< PTK_SIM_HOST_* */
    const char *name;     /**< for reports; it stays the caller's and must outlive the world */
    /** "10.0.0.1", "fd00::1", or both with a comma between; NULL: 10.0.0.N and fd00::N, N from 1 on. */
    const char *address;
    uint32_t descriptor_limit; /**< 0: 1024 */
    uint32_t reserved;         /**< 0 */
    /**
     * The most bytes of ptk's allocations on this host at a time; beyond it calls fail with
     * PTK_ERR_NO_RESOURCES. 0: no limit.
     *
     * Like a kernel's limit of a process it does not count what the kernel has, such as the buffers of
     * sockets; nor stacks, which are mapped; nor what the program allocates by malloc. A block counts as what
     * a usual heap takes for it: its size rounded up to one of four sizes per power of two.
     *
     * The same program reaches the limit at the same allocation in every 64-bit build (compilers, -O0,
     * processors, sanitizers), so a seed or tape can be replayed in any; with AddressSanitizer, as long as
     * fewer than 147 green threads live on the host.
     */
    uint64_t memory_limit_bytes;
} ptk_sim_host_options_t;

/** One direction of a link between two hosts. */
typedef struct ptk_sim_link_options {
    uint32_t struct_size;      /**< sizeof(ptk_sim_link_options_t) */
    uint32_t latency_steps;    /**< how many latencies are possible; 0: 16 */
    uint64_t latency_ns;       /**< the least latency; 0: 100 us */
    uint64_t latency_step_ns;  /**< the distance of two latencies; 0: 50 us */
    uint64_t bytes_per_second; /**< bandwidth; 0: unlimited */
    /**
     * How many of a million packets are lost; a million: all of them; 0: as the seed decides. Like every
     * fault it ends with ptk_sim_settle(), and has no effect with PTK_SIM_NO_FAULTS or PTK_SIM_BENIGN. Less
     * than all is a decision for each packet, and only a seed decides by this rate.
     */
    uint32_t loss_ppm;
    uint32_t reserved; /**< 0 */
} ptk_sim_link_options_t;

/** The state of a world so far. */
typedef struct ptk_sim_report {
    ptk_sim_end_t end;     /**< of the last run */
    uint64_t hash[2];      /**< of every event, in order */
    uint64_t events;       /**< packets, timers, resumptions and other steps */
    uint64_t decisions;    /**< of the oracle */
    uint64_t calls;        /**< system calls of the hosts */
    uint64_t elapsed_ns;   /**< virtual time */
    uint64_t packets_sent; /**< all packets */
    uint64_t packets_lost; /**< of these: by chance, a partition or a host that was down */
    uint64_t faults;       /**< crashes, pauses and partitions */
    const char *failure;   /**< the first failure, NULL if there is none; lives as long as the world */
} ptk_sim_report_t;

/**
 * Creates a world. Only one can exist at a time.
 *
 * @param options how; NULL is the defaults. `platform`, `tape` and `input` must outlive the world.
 * @return the world, or NULL with ptk_get_err(): PTK_ERR_INVALID_PARAM if an option is wrong or the tape
 * cannot be read; PTK_ERR_BUSY if there is a world already.
 *
 * Parks: never.
 * Thread: any; it is the world's from then on.
 * Ownership: the caller destroys it.
 */
ptk_sim_t *ptk_sim_create(const ptk_sim_options_t *options);

/**
 * Destroys a world. Hosts that still run are cancelled and unwound, as by a crash.
 *
 * @param sim the world; NULL is allowed.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_destroy(ptk_sim_t *sim);

/**
 * Adds a host, which runs main(arg) from its first step on, and again after each crash.
 *
 * `main` runs on a stack of 512 KiB and must return: ptk_scheduler_run() ends when the host does. When a host
 * crashes, its network is gone at once and without a packet, and its green threads are cancelled so that they
 * free their memory; what they still do has no effect outside.
 *
 * @param sim the world.
 * @param options how; NULL is the defaults.
 * @param main the program.
 * @param arg its argument.
 * @return the host, or NULL with ptk_get_err(): PTK_ERR_INVALID_PARAM if an option is wrong or an address is
 *   taken.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 * Ownership: the world's. `arg` stays the caller's and must outlive the world, or ptk_sim_settle().
 */
ptk_sim_host_t *ptk_sim_host(ptk_sim_t *sim, const ptk_sim_host_options_t *options,
                             ptk_err (*main)(void *arg), void *arg);

/**
 * Sets the properties of one direction of a link, from now on.
 *
 * @param from the sending host.
 * @param to the receiving host, another one of the same world.
 * @param options the properties; NULL is the defaults.
 * @return PTK_OK, or PTK_ERR_INVALID_PARAM.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
ptk_err ptk_sim_link(ptk_sim_host_t *from, ptk_sim_host_t *to, const ptk_sim_link_options_t *options);

/**
 * Runs until every host but daemons has ended, something fails, or `limit_ms` of virtual time have passed.
 *
 * @param sim the world.
 * @param limit_ms the limit.
 * @return why it ended.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
ptk_sim_end_t ptk_sim_run_for(ptk_sim_t *sim, uint64_t limit_ms);

/**
 * Runs as ptk_sim_run_for() does, or until a predicate holds.
 *
 * @param sim the world.
 * @param predicate evaluated before each step, outside the hosts.
 * @param arg its argument.
 * @param limit_ms the limit of virtual time.
 * @return why it ended.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
ptk_sim_end_t ptk_sim_run_until(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg, uint64_t limit_ms);

/**
 * Runs the last phase of a world, in which the program must finish.
 *
 * Faults are off, partitions heal, crashed hosts are restarted and paused ones resume. Then the program must
 * finish within `limit_ms` of virtual time: any end but PTK_SIM_END_QUIESCENT is a failure. After that every
 * host that still runs, the daemons, is stopped and unwound, and checked for what it leaks.
 *
 * @param sim the world.
 * @param limit_ms the limit of virtual time.
 * @return why it ended.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
ptk_sim_end_t ptk_sim_settle(ptk_sim_t *sim, uint64_t limit_ms);

/**
 * Keeps the network and the hosts free of faults from now on: no loss, duplicates or reordering, no
 * partitions, crashes and pauses.
 *
 * The kernels of the hosts may still do whatever a real one may: cut sends short, interrupt calls, report
 * readiness that does not hold. On such a network a program may insist on success, unless a link gets a rate
 * of loss afterwards.
 *
 * @param sim the world.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_quiet_network(ptk_sim_t *sim);

/**
 * Returns the state of a world so far.
 *
 * @param sim the world.
 * @return the report.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 * Ownership: `failure` is the world's.
 */
ptk_sim_report_t ptk_sim_report(ptk_sim_t *sim);

/**
 * Partitions two hosts in one direction. A partition holds until it was healed as often as it was made.
 *
 * @param from the host whose packets are lost.
 * @param to the host that they no longer reach.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_partition(ptk_sim_host_t *from, ptk_sim_host_t *to);

/**
 * Heals a partition, see ptk_sim_partition(). Without effect if there is none.
 *
 * @param from the host whose packets were lost.
 * @param to the host that they reach again.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_heal(ptk_sim_host_t *from, ptk_sim_host_t *to);

/**
 * Crashes a host and unwinds it. Without effect if it is down or has ended.
 *
 * @param host the host.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_crash(ptk_sim_host_t *host);

/**
 * Restarts a host that is down: it runs its main again. Without effect if it is not down.
 *
 * @param host the host.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_restart(ptk_sim_host_t *host);

/**
 * Pauses a host: it executes nothing until ptk_sim_resume(). Its clock goes on.
 *
 * @param host the host.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_pause(ptk_sim_host_t *host);

/**
 * Pauses a host and its clock.
 *
 * @param host the host.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_suspend(ptk_sim_host_t *host);

/**
 * Ends all pauses and suspensions of a host.
 *
 * @param host the host.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_resume(ptk_sim_host_t *host);

/**
 * Changes the clock of a host.
 *
 * @param host the host.
 * @param forward_ns how far it jumps forward now.
 * @param drift_ppm by how many millionths it is faster from now on; negative: slower. At most half.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_clock(ptk_sim_host_t *host, uint64_t forward_ns, int32_t drift_ppm);

/**
 * Sends a signal to the host's process: each of its SIGNAL waitables for it counts one more. Without a
 * waitable it has no effect.
 *
 * @param host the host.
 * @param signo the signal.
 *
 * Parks: never.
 * Thread: the one that created the world, outside its hosts.
 */
void ptk_sim_signal(ptk_sim_host_t *host, int signo);

/**
 * Returns whether a host has ended, and with what.
 *
 * @param host the host.
 * @param result_out if it has ended: what its main returned; may be NULL.
 * @return whether it has ended.
 *
 * Parks: never.
 * Thread: the one that created the world, on a host or outside.
 */
bool ptk_sim_host_ended(const ptk_sim_host_t *host, ptk_err *result_out);

/**
 * Takes a decision of the program's own.
 *
 * @param count how many values there are.
 * @return a number below `count`; 0 is the benign value.
 *
 * Parks: never.
 * Thread: the one that created the world, on a host or outside.
 */
uint32_t ptk_sim_choose(uint32_t count);

/**
 * Returns the world's time, which is independent of the hosts' clocks.
 *
 * @return the time in ns; 0 without a world.
 *
 * Parks: never.
 * Thread: the one that created the world, on a host or outside.
 */
uint64_t ptk_sim_now_ns(void);

/**
 * Lets the program compute: its host executes for some time, in which other hosts and the network go on and
 * none of its other green threads runs. Everything else that a host executes takes no time.
 *
 * A loop with a watchdog (ptk_diagnose.h) reports the green thread at the end of the call if the loop has
 * taken no tick for the watchdog's time by then.
 *
 * Without effect outside a host, and on a host that has crashed and unwinds.
 *
 * @param ns the time by the world's clock; the host may also be paused or crash meanwhile.
 *
 * Parks: never; the green thread that calls keeps its loop.
 * Thread: the one that created the world, on a host.
 */
void ptk_sim_compute(uint64_t ns);

/**
 * Adds two numbers to the trace and the timeline.
 *
 * @param label shown in the timeline only; it stays the caller's and must outlive the world.
 * @param a a number.
 * @param b another one.
 *
 * Parks: never.
 * Thread: the one that created the world, on a host or outside.
 */
void ptk_sim_note(const char *label, uint64_t a, uint64_t b);

/**
 * Implements PTK_SIM_CHECK.
 *
 * @param condition what must hold.
 * @param text the condition as text.
 * @param file where the check is.
 * @param line where the check is.
 * @return the condition.
 *
 * Parks: never.
 * Thread: the one that created the world, on a host or outside.
 */
bool ptk_sim_check(bool condition, const char *text, const char *file, int line);

/** Checks a condition. If it does not hold, the run ends with the next step and is a failure; the code that
 * checks goes on. It can be used on a host or outside. */
#define PTK_SIM_CHECK(condition) ptk_sim_check((condition), #condition, __FILE__, __LINE__)

/**
 * Returns whether the program is linked with the guard, which ends it where a simulated host calls something
 * that no seed can replay: a real clock, a random number, a sleep, a socket, a thread, a fork.
 *
 * The guard is a list of options for the linker, which is installed as `share/ptk/ptk_sim_wrap.txt`:
 * `-Wl,@PREFIX/share/ptk/ptk_sim_wrap.txt`. `pkg-config --libs ptk_sim` contains it, and so does the CMake
 * target ptk::sim_guarded. ptk_sim_main() prints a warning in a program without it; a program with a `main`
 * of its own calls this function.
 *
 * @return whether every call of such a function is caught. Calls inside the C library never are.
 *
 * Parks: never.
 * Thread: any.
 */
bool ptk_sim_is_guarded(void);

/** A scenario for ptk_sim_main(). */
typedef struct ptk_sim_scenario {
    const char *name;            /**< for the command line */
    const char *what;            /**< one line of description */
    void (*run)(ptk_sim_t *sim); /**< adds hosts, runs and settles */
} ptk_sim_scenario_t;

/**
 * Implements the `main` of a program of scenarios: runs seeds of them on several processes, stops at the
 * first failure, shrinks it and writes its timeline. `--help` prints the options.
 *
 * @param argc as of main.
 * @param argv as of main.
 * @param scenarios the scenarios.
 * @param count how many there are.
 * @return the exit status: 0 if nothing failed.
 *
 * Parks: never.
 * Thread: the main thread, without a world.
 */
int ptk_sim_main(int argc, char **argv, const ptk_sim_scenario_t *scenarios, size_t count);

#ifdef __cplusplus
}
#endif

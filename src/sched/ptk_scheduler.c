/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of a loop (layer 3): how it is attached to the loop and detached again, its tables, its
 * counters.
 *
 * The loop carries the scheduler as its attachment, made by the first call that needs one. When the loop is
 * destroyed, `detach` ends and frees, in this order:
 *   1. the green threads, by the drain: afterwards no call is inside any object (what the program has left
 *      behind is reported before and after it, if the loop does that); then the watchdog;
 *   2. the objects of the layers above: sockets, then waitables;
 *   3. what is in the inbox: it is closed first, so that no message follows;
 *   4. tasks and handles, which return their room in the heap of timers;
 *   5. the memory of all these: tables, slab, stacks.
 */
#include "base/ptk_memory.h"
#include "sched/ptk_budget.h"
#include "sched/ptk_drain.h"
#include "sched/ptk_dump.h"
#include "sched/ptk_leaks.h"
#include "sched/ptk_park.h"
#include "sched/ptk_pick.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_task.h"
#include "sched/ptk_tick.h"
#include "sched/ptk_timer.h"
#include "sched/ptk_trim.h"
#include <errno.h>
#include <string.h>

ptk_err ptk_scheduler_dump(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err == PTK_OK) {
        ptk_dump_all(scheduler, "dump");
    }
    return err;
}

ptk_err ptk_scheduler_trim(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err == PTK_OK) {
        ptk_trim_all(scheduler);
    }
    return err;
}

/* Callers use the macro of the same name, which fills in struct_size. */
#undef ptk_scheduler_counters
ptk_err ptk_scheduler_counters(ptk_event_loop_platform_t *loop, ptk_scheduler_counters_t *counters_out) {
    ptk_scheduler_t *scheduler = NULL;
    if (!counters_out || counters_out->struct_size < sizeof counters_out->struct_size) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err != PTK_OK) {
        return err;
    }
    ptk_scheduler_counters_t counters = {
        .struct_size = counters_out->struct_size,
        .green_threads = scheduler->task_count,
        .spawned = scheduler->spawned,
        .switches = scheduler->switches,
        .polls = scheduler->loop->polls,
        .events = scheduler->loop->events,
        .timers_armed = scheduler->timers_armed,
        .timers_fired = scheduler->timers_fired,
        .inbox_messages = scheduler->inbox_messages,
    };
    size_t bytes = counters.struct_size;
    memcpy(counters_out, &counters, bytes < sizeof counters ? bytes : sizeof counters);
    return PTK_OK;
}

/* --- attach and detach --- */

ptk_token_table_t *ptk_scheduler_service(ptk_scheduler_t *scheduler, ptk_service_id_t id, size_t stride,
                                         void (*fini)(ptk_scheduler_t *scheduler)) {
    ptk_service_t *service = &scheduler->services[id];
    if (!service->fini) {
        ptk_event_loop_platform_t *loop = scheduler->loop;
        ptk_token_table_init(&service->table, stride, loop->tag, loop->first_generation);
        service->fini = fini;
    }
    return &service->table;
}

/* Returns the highest generation of all tokens of the loop. No object is living. */
static uint32_t last_generation(const ptk_scheduler_t *scheduler) {
    uint32_t last = ptk_token_last_generation(&scheduler->handles);
    for (size_t id = 0; id < PTK_SERVICE_COUNT; id++) {
        uint32_t of_service = ptk_token_last_generation(&scheduler->services[id].table);
        last = of_service > last ? of_service : last;
    }
    return last;
}

/* Ends the living objects of all services, the highest layer first. */
static void end_services(ptk_scheduler_t *scheduler) {
    for (size_t id = PTK_SERVICE_COUNT; id-- > 0;) {
        if (scheduler->services[id].fini) {
            scheduler->services[id].fini(scheduler);
        }
    }
}

/* Frees the memory of all tokens' objects. No object is living. */
static void free_tables(ptk_scheduler_t *scheduler) {
    for (size_t id = 0; id < PTK_SERVICE_COUNT; id++) {
        ptk_token_table_fini(&scheduler->services[id].table);
    }
    ptk_token_table_fini(&scheduler->handles);
}

/* The attachment's `detach`. BUSY inside run and poll, and with coroutines of another library inside ptk,
 * which it cannot run to their end. */
static ptk_err detach_scheduler(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = loop->attachment.data;
    if (scheduler->active || (scheduler->end_coroutines && !scheduler->end_coroutines(scheduler))) {
        return PTK_ERR_BUSY;
    }
    if (scheduler->task_count > 0) {
        ptk_leaks_report_never_run(scheduler);
        ptk_drain(scheduler);
    }
    ptk_leaks_report_handles(scheduler);
    ptk_watchdog_end(scheduler);
    end_services(scheduler);
    ptk_inbox_close(scheduler->inbox);
    ptk_drain_inbox(scheduler);
    ptk_task_fini(scheduler);
    ptk_assert(ptk_list_is_empty(&scheduler->new_timers) && ptk_list_is_empty(&scheduler->finished));
    ptk_heap_fini(&scheduler->heap);
    loop->last_generation = last_generation(scheduler);
    free_tables(scheduler);
    ptk_slab_fini(&scheduler->tasks);
    ptk_stack_pool_fini(&scheduler->stacks);
    scheduler->block->scheduler = NULL;
    scheduler->block->locate = NULL;
    loop->attachment.data = NULL;
    ptk_free(scheduler);
    return PTK_OK;
}

/* Ends the objects of a loop whose green threads never run again: in a forked child, and at the end of a
 * thread that leaves its loop behind. Destructors of local values are not called. Where green threads are
 * living, the memory of tasks and stacks stays: the program may have lent addresses on them, and the caller
 * may stand on one. Returns true if everything was freed. */
static bool abandon_scheduler(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = loop->attachment.data;
    loop->options.report_leaks = 0; /* it is not destroyed as its program meant to do it */
    if (!scheduler->active && scheduler->task_count == 0) {
        return detach_scheduler(loop) == PTK_OK;
    }
    ptk_watchdog_end(scheduler);
    scheduler->kicks = false;
    end_services(scheduler);
    ptk_inbox_close(scheduler->inbox);
    ptk_drain_inbox(scheduler);
    loop->last_generation = last_generation(scheduler) + 1; /* of a handle that is living */
    scheduler->block->scheduler = NULL;
    scheduler->block->locate = NULL;
    loop->attachment.data = NULL;
    return false;
}

/* The attachment's `exposed`. */
static void show_loop(ptk_event_loop_platform_t *loop) {
    ptk_tick_show(loop->attachment.data);
}

/* Fills in a zeroed scheduler. Allocates nothing. */
static void init_scheduler(ptk_scheduler_t *scheduler, ptk_event_loop_platform_t *loop) {
    scheduler->loop = loop;
    scheduler->block = ptk_thread();
    scheduler->inbox = loop->inbox;
    scheduler->errno_place = &errno;
    scheduler->main_context.scheduler = scheduler;
    scheduler->main_context.state = PTK_TASK_READY;
    scheduler->keeps_stacks = ptk_sanitizer_watches_stacks() == 0;
    ptk_queue_init(&scheduler->run_queue);
    ptk_list_init(&scheduler->new_timers);
    ptk_list_init(&scheduler->finished);
    ptk_list_init(&scheduler->living);
    ptk_heap_init(&scheduler->heap);
    ptk_list_init(&scheduler->descriptor_waiters);
    ptk_slab_init(&scheduler->tasks, sizeof(ptk_task_t));
    ptk_token_table_init(&scheduler->handles, PTK_TOKEN_STRIDE(ptk_green_t), loop->tag,
                         loop->first_generation);
    ptk_stack_pool_init(&scheduler->stacks, loop->options.allow_unguarded != 0);
    ptk_timer_read_clock(scheduler);
    ptk_budget_begin(scheduler);
}

ptk_err ptk_scheduler_attach(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out) {
    ptk_event_loop_platform_t *mine = NULL;
    ptk_err err = ptk_loop_resolve(loop, &mine);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    if (!mine->attachment.data) {
        ptk_scheduler_t *scheduler = ptk_allocate_zeroed(sizeof *scheduler);
        if (!scheduler) {
            return ptk_fail(PTK_ERR_NO_RESOURCES);
        }
        init_scheduler(scheduler, mine);
        mine->attachment.data = scheduler;
        mine->attachment.detach = detach_scheduler;
        mine->attachment.abandon = abandon_scheduler;
        mine->attachment.exposed = show_loop;
        ptk_thread()->scheduler = scheduler;
        if (mine->options.watchdog_ms != 0) {
            ptk_watchdog_watch(scheduler, mine->options.watchdog_ms);
        }
        ptk_tick_show(scheduler);
    }
    *scheduler_out = mine->attachment.data;
    return PTK_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * The many-to-one inbox: a stack that producers push to with compare-and-swap, and that the consumer drains
 * whole with one exchange and reverses. No thread ever pops a single node, so there is no ABA problem.
 *
 * States of a node: free (queued is false; its owner may free it) -> queued (in the list, exactly once) ->
 * drained (in the consumer's hands, still marked queued) -> free. States of the inbox: open -> closed, for
 * ever.
 *
 * Three handshakes keep any message from being lost. In each, both sides write first and read second. All
 * four accesses are sequentially consistent, because with acquire and release alone both sides could read the
 * old value; so at least one of them sees the other's write.
 *
 *     message     producer: count up the message, then exchange `queued`
 *                 consumer: clear `queued`, then read the message
 *     sleep       producer: push the node, then exchange `kicked`; kick if it was clear
 *                 consumer: clear `kicked`, then read the list; sleep if it is empty
 *     bare kick   the same with `kicked_bare` instead of the list
 *
 * Closing puts PTK_INBOX_CLOSED in the place of the list, so a producer sees the close in the very step that
 * would have pushed its node.
 */
#include "base/ptk_inbox.h"

#include "base/ptk_assert.h"
#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include <errno.h>

#define INBOX_LINE_BYTES ((size_t) 64)

/* Returns a zeroed inbox that shares its cache lines with nothing else: producers on other cores write it. */
static ptk_inbox_t *inbox_allocate(void) {
    size_t room = (sizeof(ptk_inbox_t) + INBOX_LINE_BYTES - 1) & ~(INBOX_LINE_BYTES - 1);
    char *memory = ptk_allocate_zeroed(room + INBOX_LINE_BYTES - 1);
    if (!memory) {
        return NULL;
    }
    size_t over = (uintptr_t) memory % INBOX_LINE_BYTES;
    ptk_inbox_t *inbox = (ptk_inbox_t *) (void *) (memory + (over ? INBOX_LINE_BYTES - over : 0));
    inbox->memory = memory;
    return inbox;
}

ptk_inbox_t *ptk_inbox_create(int *os_err_out) {
    ptk_inbox_t *inbox = inbox_allocate();
    if (!inbox) {
        *os_err_out = ENOMEM;
        return NULL;
    }
    inbox->sys = ptk_sys();
    int result = inbox->sys->wake_open(&inbox->wake);
    if (result < 0) {
        ptk_free(inbox->memory);
        *os_err_out = -result;
        return NULL;
    }
    atomic_init(&inbox->head, NULL);
    atomic_init(&inbox->kicked, true);
    atomic_init(&inbox->kicked_bare, false);
    atomic_init(&inbox->references, 1);
    atomic_init(&inbox->wakers, 0);
    return inbox;
}

/* Relaxed is enough: the caller's own reference keeps the inbox alive, and no data is handed over. */
void ptk_inbox_ref(ptk_inbox_t *inbox) {
    unsigned before = atomic_fetch_add_explicit(&inbox->references, 1, memory_order_relaxed);
    ptk_assert(before != 0);
}

/* Release makes this thread's accesses happen before the free, acquire makes the freeing thread see them. */
void ptk_inbox_unref(ptk_inbox_t *inbox) {
    unsigned before = atomic_fetch_sub_explicit(&inbox->references, 1, memory_order_acq_rel);
    ptk_assert(before != 0);
    if (before == 1) {
        inbox->sys->close(inbox->wake);
        ptk_free(inbox->memory);
    }
}

void ptk_inbox_close(ptk_inbox_t *inbox) {
    ptk_inbox_node_t *head = atomic_exchange(&inbox->head, PTK_INBOX_CLOSED);
    if (head != PTK_INBOX_CLOSED) {
        ptk_assert(inbox->remains == NULL);
        inbox->remains = head;
    }
}

/* Kicks the consumer if it sleeps or is about to. The exchange lets one of several producers make the call.
 */
static void inbox_wake(ptk_inbox_t *inbox) {
    if (!atomic_exchange(&inbox->kicked, true)) {
        inbox->sys->wake_kick(inbox->wake);
    }
}

/* Puts `node` in front of the list. Returns false if the inbox is closed. */
static bool inbox_link(ptk_inbox_t *inbox, ptk_inbox_node_t *node) {
    ptk_inbox_node_t *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        if (head == PTK_INBOX_CLOSED) {
            return false;
        }
        node->next = head;
    } while (!atomic_compare_exchange_weak(&inbox->head, &head, node));
    return true;
}

bool ptk_inbox_push(ptk_inbox_t *inbox, ptk_inbox_node_t *node) {
    if (atomic_exchange(&node->queued, true)) {
        return atomic_load_explicit(&inbox->head, memory_order_relaxed) != PTK_INBOX_CLOSED;
    }
    if (!inbox_link(inbox, node)) {
        atomic_store(&node->queued, false);
        return false;
    }
    inbox_wake(inbox);
    return true;
}

void ptk_inbox_kick(ptk_inbox_t *inbox) {
    atomic_store(&inbox->kicked_bare, true);
    inbox_wake(inbox);
}

void ptk_inbox_add_waker(ptk_inbox_t *inbox) {
    unsigned before = atomic_fetch_add(&inbox->wakers, 1);
    ptk_assert(before != UINT32_MAX);
}

void ptk_inbox_remove_waker(ptk_inbox_t *inbox) {
    unsigned before = atomic_fetch_sub(&inbox->wakers, 1);
    ptk_assert(before != 0);
    if (before == 1) {
        ptk_inbox_kick(inbox);
    }
}

/* Returns the list in the order of pushing. */
static ptk_inbox_node_t *inbox_reverse(ptk_inbox_node_t *newest) {
    ptk_inbox_node_t *oldest = NULL;
    while (newest) {
        ptk_inbox_node_t *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

ptk_inbox_node_t *ptk_inbox_drain(ptk_inbox_t *inbox) {
    ptk_inbox_node_t *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    if (head == PTK_INBOX_CLOSED) {
        head = inbox->remains;
        inbox->remains = NULL;
    } else if (head) {
        head = atomic_exchange(&inbox->head, NULL);
    }
    return inbox_reverse(head);
}

/* An exchange and not a store: it also makes visible what the last producer wrote that found the node queued.
 */
void ptk_inbox_node_dequeued(ptk_inbox_node_t *node) {
    bool was_queued = atomic_exchange(&node->queued, false);
    ptk_assert(was_queued);
}

bool ptk_inbox_prepare_sleep(ptk_inbox_t *inbox) {
    atomic_store(&inbox->kicked, false);
    bool bare = atomic_exchange(&inbox->kicked_bare, false);
    if (!bare && atomic_load(&inbox->head) == NULL) {
        return true;
    }
    atomic_store(&inbox->kicked, true);
    return false;
}

void ptk_inbox_end_sleep(ptk_inbox_t *inbox) {
    atomic_store(&inbox->kicked, true);
    atomic_exchange(&inbox->kicked_bare, false);
}

/* SPDX-License-Identifier: MIT */
/*
 * The many-to-one inbox: a stack that producers push to with compare-and-swap, and that the consumer takes
 * whole with one exchange and turns round. Nobody ever pops a single node, so there is no ABA.
 *
 * Three hand-shakes keep anything from being lost; in each, both sides write first and read second, all
 * sequentially consistent, so that at least one of them sees the other (P50).
 *
 *     message     producer: count up the message, then exchange `queued`
 *                 consumer: clear `queued`, then read the message
 *     sleep       producer: push the node, then exchange `kicked`; kick if it was clear
 *                 consumer: clear `kicked`, then look at the list; sleep if it is empty
 *     bare kick   the same with `kicked_bare` instead of the list
 *
 * Closing puts PTK_INBOX_CLOSED in the place of the list, so a producer learns of it in the very step that
 * would have pushed its node.
 */
#include "base/ptk_inbox.h"

#include "base/ptk_assert.h"
#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include <errno.h>

#define CACHE_LINE_BYTES ((size_t) 64)

/* Nothing but the inbox on its cache lines. */
static ptk_inbox_t *allocate_apart(void) {
    size_t room = (sizeof(ptk_inbox_t) + CACHE_LINE_BYTES - 1) & ~(CACHE_LINE_BYTES - 1);
    char *memory = ptk_allocate_zeroed(room + CACHE_LINE_BYTES - 1);
    if (!memory) {
        return NULL;
    }
    size_t over = (uintptr_t) memory % CACHE_LINE_BYTES;
    ptk_inbox_t *inbox = (ptk_inbox_t *) (void *) (memory + (over ? CACHE_LINE_BYTES - over : 0));
    inbox->memory = memory;
    return inbox;
}

ptk_inbox_t *ptk_inbox_create(int *os_err_out) {
    ptk_inbox_t *inbox = allocate_apart();
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

void ptk_inbox_ref(ptk_inbox_t *inbox) {
    unsigned before = atomic_fetch_add_explicit(&inbox->references, 1, memory_order_relaxed);
    ptk_assert(before != 0);
}

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
        inbox->remains = head;
    }
}

static void wake_sleeper(ptk_inbox_t *inbox) {
    if (!atomic_exchange(&inbox->kicked, true)) {
        inbox->sys->wake_kick(inbox->wake);
    }
}

static bool link_node(ptk_inbox_t *inbox, ptk_inbox_node_t *node) {
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
    if (!link_node(inbox, node)) {
        atomic_store(&node->queued, false);
        return false;
    }
    wake_sleeper(inbox);
    return true;
}

void ptk_inbox_kick(ptk_inbox_t *inbox) {
    atomic_store(&inbox->kicked_bare, true);
    wake_sleeper(inbox);
}

void ptk_inbox_add_waker(ptk_inbox_t *inbox) {
    atomic_fetch_add(&inbox->wakers, 1);
}

void ptk_inbox_remove_waker(ptk_inbox_t *inbox) {
    if (atomic_fetch_sub(&inbox->wakers, 1) == 1) {
        ptk_inbox_kick(inbox);
    }
}

static ptk_inbox_node_t *reverse(ptk_inbox_node_t *newest) {
    ptk_inbox_node_t *oldest = NULL;
    while (newest) {
        ptk_inbox_node_t *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

ptk_inbox_node_t *ptk_inbox_take(ptk_inbox_t *inbox) {
    ptk_inbox_node_t *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    if (head == PTK_INBOX_CLOSED) {
        head = inbox->remains;
        inbox->remains = NULL;
    } else if (head) {
        head = atomic_exchange(&inbox->head, NULL);
    }
    return reverse(head);
}

void ptk_inbox_node_taken(ptk_inbox_node_t *node) {
    /* Not a store: an exchange also shows what the last producer that found the node queued has written. */
    atomic_exchange(&node->queued, false);
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

/* SPDX-License-Identifier: MIT */
/*
 * Green-local storage (layer 3): a short list of values in the task, found by the address of their key. There
 * is no table of keys, so a key is a static variable of the user's. The task owns the records; what a value
 * points to is the user's, until the key's destructor gets it.
 */
#include "sched/ptk_green_local.h"

#include "base/ptk_memory.h"

/* One value of one green thread. */
typedef struct ptk_green_local {
    struct ptk_green_local *next;
    const ptk_green_key_t *key;
    void *value;
} green_local_t;

/* Returns the record of a key, NULL if the green thread has set no value of it. */
static green_local_t *find_local(const ptk_task_t *task, const ptk_green_key_t *key) {
    green_local_t *local = task->locals;
    while (local && local->key != key) {
        local = local->next;
    }
    return local;
}

ptk_err ptk_green_set_local(const ptk_green_key_t *key, void *value) {
    ptk_task_t *self = ptk_task_current();
    if (!self || !key) {
        return ptk_fail(self ? PTK_ERR_INVALID_PARAM : ptk_not_green());
    }
    green_local_t *local = find_local(self, key);
    if (!local) {
        local = ptk_allocate(sizeof *local);
        if (!local) {
            return ptk_fail(PTK_ERR_NO_RESOURCES);
        }
        *local = (green_local_t) {.next = self->locals, .key = key};
        self->locals = local;
    }
    local->value = value;
    return PTK_OK;
}

void *ptk_green_get_local(const ptk_green_key_t *key) {
    const ptk_task_t *self = ptk_task_current();
    const green_local_t *local = self ? find_local(self, key) : NULL;
    return local ? local->value : NULL;
}

/* The newest value is destroyed first. A destructor may set values again, which are then destroyed too. */
void ptk_locals_end(ptk_task_t *task) {
    green_local_t *local;
    while ((local = task->locals) != NULL) {
        task->locals = local->next;
        if (local->value && local->key->destructor) {
            local->key->destructor(local->value);
        }
        ptk_free(local);
    }
}

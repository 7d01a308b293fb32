/* SPDX-License-Identifier: MIT */
/*
 * Green-local storage (floor 3): a short list of values in the control block, found by the address of their
 * key. There is no table of keys, so a key is just a static variable of the user's.
 */
#include "ptk_control_impl.h"

#include "base/ptk_memory.h"

typedef struct ptk_green_local {
    struct ptk_green_local *next;
    const ptk_green_key_t *key;
    void *value;
} local_t;

static local_t *find_local(const ptk_control_t *control, const ptk_green_key_t *key) {
    local_t *local = control->locals;
    while (local && local->key != key) {
        local = local->next;
    }
    return local;
}

ptk_err ptk_green_set_local(const ptk_green_key_t *key, void *value) {
    ptk_control_t *self = ptk_control_current();
    if (!self || !key) {
        return ptk_fail(self ? PTK_ERR_INVALID_PARAM : PTK_ERR_NOT_GREEN);
    }
    local_t *local = find_local(self, key);
    if (!local) {
        local = ptk_allocate(sizeof *local);
        if (!local) {
            return ptk_fail(PTK_ERR_NO_RESOURCES);
        }
        *local = (local_t) {.next = self->locals, .key = key};
        self->locals = local;
    }
    local->value = value;
    return PTK_OK;
}

void *ptk_green_get_local(const ptk_green_key_t *key) {
    const ptk_control_t *self = ptk_control_current();
    const local_t *local = self ? find_local(self, key) : NULL;
    return local ? local->value : NULL;
}

/* Newest first; a destructor may set values again, which are then destroyed too. */
void ptk_locals_end(ptk_control_t *control) {
    local_t *local;
    while ((local = control->locals) != NULL) {
        control->locals = local->next;
        if (local->value && local->key->destructor) {
            local->key->destructor(local->value);
        }
        ptk_release(local);
    }
}

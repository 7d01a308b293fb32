/* SPDX-License-Identifier: MIT */
/*
 * ptk in GLib, on any platform: a source that, before each wait of the main loop, watches what ptk waits for
 * then. Where the loop has a descriptor, g_unix_fd_add() of it is enough.
 */
#include "embedding/guest.h"

#include <glib.h>

static ptk_event_loop_platform_t *loop;
static GMainLoop *host;
static unsigned ticks;
static bool living = true;

static void quit_if_done(void) {
    if (!living && ticks == HOST_TICKS) {
        g_main_loop_quit(host);
    }
}

/* --- the source ----------------------------------------------------------------------------------------- */

typedef struct watched {
    ptk_poll_entry_t entry;
    void *tag;
} watched_t;

static GArray *watched; /* what the source watches */

static bool is_watched(guest_wait_t wait) {
    bool same = wait.count == watched->len;
    for (unsigned i = 0; i < wait.count && same; i++) {
        ptk_poll_entry_t entry = g_array_index(watched, watched_t, i).entry;
        same = entry.handle == wait.entries[i].handle && entry.events == wait.entries[i].events;
    }
    return same;
}

/* A change of what a source watches ends the next wait of the main loop, so it is made only where needed. */
static gboolean prepare(GSource *source, int *timeout_ms) {
    guest_wait_t wait = guest_wait(loop);
    *timeout_ms = wait.timeout_ms;
    if (is_watched(wait)) {
        return FALSE;
    }
    for (unsigned i = 0; i < watched->len; i++) {
        g_source_remove_unix_fd(source, g_array_index(watched, watched_t, i).tag);
    }
    g_array_set_size(watched, 0);
    for (size_t i = 0; i < wait.count; i++) {
        GIOCondition bits = (GIOCondition) guest_poll_bits(wait.entries[i].events);
        watched_t one = {wait.entries[i], g_source_add_unix_fd(source, (int) wait.entries[i].handle, bits)};
        g_array_append_val(watched, one);
    }
    return FALSE;
}

/* Returns whether ptk has work: a descriptor is ready, or a deadline has passed. It must not be true after
 * every wait, because GLib ends the wait after a dispatch of a source that has descriptors. */
static gboolean check(GSource *source) {
    bool due = guest_wait(loop).timeout_ms == 0;
    for (unsigned i = 0; i < watched->len && !due; i++) {
        due = g_source_query_unix_fd(source, g_array_index(watched, watched_t, i).tag) != 0;
    }
    return due;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, void *data) {
    (void) source;
    (void) callback;
    (void) data;
    living = guest_poll(loop);
    quit_if_done();
    return living ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void attach(void) {
    static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};
    watched = g_array_new(FALSE, FALSE, sizeof(watched_t));
    GSource *source = g_source_new(&functions, sizeof *source);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

/* --- the host ------------------------------------------------------------------------------------------- */

static gboolean tick(void *data) {
    (void) data;
    ticks++;
    quit_if_done();
    return ticks < HOST_TICKS;
}

int main(void) {
    loop = guest_begin(NULL);
    host = g_main_loop_new(NULL, FALSE);
    attach();
    g_timeout_add(HOST_TICK_MS, tick, NULL);
    g_main_loop_run(host);
    g_array_free(watched, TRUE);
    g_main_loop_unref(host);
    return guest_end(loop, ticks, "ticks of GLib");
}

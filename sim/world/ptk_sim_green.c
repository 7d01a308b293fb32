/* SPDX-License-Identifier: MIT */
/*
 * What the green threads of a host do, for the timeline.
 *
 * The scheduler tells of control blocks, which are addresses and are used again. Here each life gets a number
 * of its host, in the order in which they begin, and its name and what it waits for become numbers of words;
 * so that nothing in the log depends on where memory lies. Of a host that unwinds after a crash nothing is
 * told: what its ghosts do has no bearing on anything.
 */
#include "sim/world/ptk_sim_impl.h"

#include "sim/kernel/ptk_sim_memory.h"
#include <string.h>

struct ptk_sim_life {
    const void *green;
    uint64_t number;
    uint32_t name;
    bool waits;
};

/* --- words --- */

static uint32_t number_of_word(ptk_sim_words_t *words, const char *word) {
    for (uint32_t i = 0; i < words->count; i++) {
        if (strcmp(words->words[i], word) == 0) {
            return i + 1;
        }
    }
    size_t bytes = strlen(word) + 1;
    words->words = ptk_sim_reallocate(words->words, (words->count + 1) * sizeof(*words->words));
    words->words[words->count] = memcpy(ptk_sim_allocate(bytes), word, bytes);
    return ++words->count;
}

void ptk_sim_words_fini(ptk_sim_words_t *words) {
    for (uint32_t i = 0; i < words->count; i++) {
        ptk_sim_free(words->words[i]);
    }
    ptk_sim_free(words->words);
    *words = (ptk_sim_words_t) {0};
}

/* --- lives --- */

static ptk_sim_life_t *find(const ptk_sim_greens_t *greens, const void *green) {
    for (uint32_t i = 0; i < greens->count; i++) {
        if (greens->lives[i].green == green) {
            return &greens->lives[i];
        }
    }
    return NULL;
}

static ptk_sim_life_t *add(ptk_sim_greens_t *greens, const void *green, const char *name) {
    greens->lives = ptk_sim_reallocate(greens->lives, (greens->count + 1) * sizeof *greens->lives);
    ptk_sim_life_t *life = &greens->lives[greens->count++];
    *life = (ptk_sim_life_t) {.green = green,
                              .number = ++greens->begun,
                              .name = number_of_word(&greens->host->sim->green_words, name)};
    return life;
}

static void note(const ptk_sim_greens_t *greens, const ptk_sim_life_t *life, ptk_sim_green_t what,
                 uint32_t detail) {
    ptk_sim_net_t *net = &greens->host->sim->net;
    ptk_sim_trace_add_aside(&net->trace, &(ptk_sim_trace_entry_t) {.at_ns = net->events.now_ns,
                                                                   .a = life->number,
                                                                   .b = life->name,
                                                                   .c = (uint64_t) what << 32 | detail,
                                                                   .kind = PTK_SIM_TRACE_GREEN,
                                                                   .host = greens->host->kernel.node->index});
}

static void goes_on(ptk_observer_t *observer, const void *green, const char *name, ptk_err code) {
    ptk_sim_greens_t *greens = ptk_container_of(observer, ptk_sim_greens_t, observer);
    if (greens->host->kernel.crashed) {
        return;
    }
    ptk_sim_life_t *life = find(greens, green);
    if (!life) {
        note(greens, add(greens, green, name), PTK_SIM_GREEN_BEGINS, 0);
        return;
    }
    note(greens, life, PTK_SIM_GREEN_GOES_ON, life->waits && code > 0 ? (uint32_t) code : 0);
    life->waits = false;
}

static void leaves(ptk_observer_t *observer, const void *green, ptk_observed_t how, const char *what) {
    static const ptk_sim_green_t does[] = {[PTK_OBSERVED_WAIT] = PTK_SIM_GREEN_WAITS,
                                           [PTK_OBSERVED_YIELD] = PTK_SIM_GREEN_YIELDS,
                                           [PTK_OBSERVED_END] = PTK_SIM_GREEN_ENDS};
    ptk_sim_greens_t *greens = ptk_container_of(observer, ptk_sim_greens_t, observer);
    ptk_sim_life_t *life = find(greens, green);
    if (greens->host->kernel.crashed || !life) {
        return;
    }
    note(greens, life, does[how], what ? number_of_word(&greens->host->sim->green_words, what) : 0);
    life->waits = how == PTK_OBSERVED_WAIT;
    if (how == PTK_OBSERVED_END) {
        *life = greens->lives[--greens->count];
    }
}

void ptk_sim_greens_watch(ptk_sim_host_t *host) {
    host->greens.observer = (ptk_observer_t) {.resumes = goes_on, .suspends = leaves};
    host->greens.host = host;
    host->greens.count = 0; /* none is left of an earlier process */
    host->kernel.block.observer = &host->greens.observer;
}

void ptk_sim_greens_fini(ptk_sim_greens_t *greens) {
    ptk_sim_free(greens->lives);
    greens->lives = NULL;
}

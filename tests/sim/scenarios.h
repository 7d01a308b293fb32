/* SPDX-License-Identifier: MIT */
/* The scenarios that ptk is tested with under simulation, and what they share. */
#pragma once

#include <ptk.h>
#include <ptk_sim.h>

/* A host of a scenario: 10.0.0.N by its number from 1 on, in the order of making. */
ptk_sim_host_t *scenario_host(ptk_sim_t *sim, const char *name, uint32_t flags, ptk_err (*main)(void *arg),
                              void *arg);

/* May memory and descriptors run out? Then, and only then, NO_RESOURCES is no bug. */
extern bool scenario_exhausts;

/* A host's whole main: a loop, one green thread with this body, the loop's end. Answers what the body
   answered; a body that was cancelled is fine, and one that had no resources is begun anew. */
ptk_err scenario_run(ptk_green_fn body, void *arg);

/* Did a call fail for want of memory or descriptors, where they may run out? */
bool scenario_is_short(ptk_err err);

/* A shield without a limit, for a wait that must be: it is tried until there is memory for it. */
void scenario_shield(ptk_shield_t *shield);

/* Did a call fail because of the network, or of a deadline, and not because it was wrong? */
bool scenario_is_network(ptk_err err);

/* A listening socket; NULL: memory or descriptors have run out, or the call was cancelled. */
ptk_sock_t *scenario_listen(const char *address);

/* A connection; NULL: the network did not give one. */
ptk_sock_t *scenario_connect(const char *address, uint32_t timeout_ms);

/* A green thread's body: listen and run `serve` for each connection, until it is cancelled. */
ptk_err scenario_accept_all(const char *address, void (*serve)(ptk_sock_t *sock));

/* A server's whole main: listen and run `serve` for each connection, until the host is ended. */
ptk_err scenario_serve(const char *address, void (*serve)(ptk_sock_t *sock));

void scenario_echo(ptk_sim_t *sim);
void scenario_quiet(ptk_sim_t *sim);
void scenario_modbus(ptk_sim_t *sim);
void scenario_poller(ptk_sim_t *sim);
void scenario_stream(ptk_sim_t *sim);
void scenario_waits(ptk_sim_t *sim);
void scenario_log(ptk_sim_t *sim);
void scenario_log_planted(ptk_sim_t *sim); /* has a bug: not among the scenarios of main.c */

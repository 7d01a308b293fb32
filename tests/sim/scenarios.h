/* SPDX-License-Identifier: MIT */
/*
 * The scenarios that ptk is tested with under simulation, and what they have in common.
 */
#pragma once

#include <ptk.h>
#include <ptk_sim.h>

/* Adds a host: 10.0.0.N by its number from 1 on, in the order of adding. */
ptk_sim_host_t *scenario_host(ptk_sim_t *sim, const char *name, uint32_t flags, ptk_err (*main)(void *arg),
                              void *arg);

/* Memory and descriptors may run out. Then, and only then, NO_RESOURCES is not a bug. */
extern bool scenario_exhausts;

/* A host's whole main: a loop, one green thread with this body, the loop's end. Returns what the body
   returned; a body that was cancelled succeeds, and one that had no resources is started again. */
ptk_err scenario_run(ptk_green_fn body, void *arg);

/* Returns whether a call failed for lack of memory or descriptors, where they may run out. */
bool scenario_is_short(ptk_err err);

/* Begins a shield without a limit, for a wait that must be carried out: tries until there is memory for it.
 */
void scenario_shield(ptk_shield_t *shield);

/* Returns whether a call failed because of the network, or of a deadline, and not because it was wrong. */
bool scenario_is_network(ptk_err err);

/* Returns a listening socket. NULL: memory or descriptors have run out, or the call was cancelled. */
ptk_sock_t *scenario_listen(const char *address);

/* Returns a connection. NULL: the network did not provide one. */
ptk_sock_t *scenario_connect(const char *address, uint32_t timeout_ms);

/* A green thread's body: listens and runs `serve` for each connection, until it is cancelled. */
ptk_err scenario_accept_all(const char *address, void (*serve)(ptk_sock_t *sock));

/* A server's whole main: listens and runs `serve` for each connection, until the host is stopped. */
ptk_err scenario_serve(const char *address, void (*serve)(ptk_sock_t *sock));

void scenario_echo(ptk_sim_t *sim);
void scenario_quiet(ptk_sim_t *sim);
void scenario_modbus(ptk_sim_t *sim);
void scenario_poller(ptk_sim_t *sim);
void scenario_stream(ptk_sim_t *sim);
void scenario_waits(ptk_sim_t *sim);
void scenario_programs(ptk_sim_t *sim);
void scenario_log(ptk_sim_t *sim);
void scenario_log_broken(ptk_sim_t *sim); /* has a bug: not among the scenarios of main.c */

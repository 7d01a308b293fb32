/* SPDX-License-Identifier: MIT */
/*
 * A small replicated log: an example of how a protocol is tested under simulation.
 *
 * A leader has the log, two followers have copies. A client sends an entry to the leader until it is
 * acknowledged, and only then its next one. The leader acknowledges an entry when a majority, itself and a
 * follower, has it on disk. A follower requests the entry that it lacks: "I have N entries" states both what
 * it requests and what is safe with it, so it catches up from any position in the same way.
 *
 *     client -> leader     APPEND client, number        leader -> client     DONE
 *     follower -> leader   PULL follower, have          leader -> follower   ENTRY client, number, or NOTHING
 *
 * Any host may crash at any time. What survives is its disk: memory of the scenario. What was written is read
 * back at once, but only what was synced survives a crash.
 *
 * The invariants, at every acknowledgement and at the end: what was acknowledged is on a majority of disks;
 * of any two logs one is a prefix of the other; no entry is there twice, and each client's are in order. With
 * faults off, everything is acknowledged and all logs become equal.
 *
 * scenario_log_planted() is the same with one bug, for the guide: see PLANTED BUG.
 */
#include "scenarios.h"

#include <string.h>

#define DISKS      3 /* the leader's, then the followers' */
#define CLIENTS    2
#define NUMBERS    15 /* entries of each client */
#define LOG_MOST   (CLIENTS * NUMBERS)
#define LEADER     "10.0.0.1:9"
#define TIMEOUT_MS 500
#define IDLE_MS    100
#define BETWEEN_MS 20

typedef enum kind { APPEND = 1, DONE, PULL, ENTRY, NOTHING } kind_t;

/* Every message has this size. The hosts are of one kind, so it is sent as it is in memory. */
typedef struct message {
    uint32_t kind;
    uint32_t sender; /* client or follower */
    uint32_t number; /* of the client's entry; how many entries the follower has */
} message_t;

typedef struct disk {
    message_t entries[LOG_MOST];
    uint32_t count;  /* written */
    uint32_t synced; /* of them: these survive a crash */
} disk_t;

/* The memory of the scenario, which survives crashes. */
static struct {
    disk_t disks[DISKS];
    uint32_t acknowledged[CLIENTS]; /* on a client's own disk: how many of its entries, in order */
    bool has_planted_bug;
} world;

/* --- invariants --- */

static int find(const disk_t *disk, uint32_t client, uint32_t number) {
    for (uint32_t i = 0; i < disk->count; i++) {
        if (disk->entries[i].sender == client && disk->entries[i].number == number) {
            return (int) i;
        }
    }
    return -1;
}

static void check_majority(uint32_t client, uint32_t number) {
    uint32_t holders = 0;
    for (uint32_t i = 0; i < DISKS; i++) {
        holders += find(&world.disks[i], client, number) >= 0;
    }
    PTK_SIM_CHECK(holders >= 2);
}

/* The clients' numbers grow by one, so no entry is missing or there twice. */
static void check_order(const disk_t *disk) {
    uint32_t next[CLIENTS] = {0};
    for (uint32_t i = 0; i < disk->count; i++) {
        PTK_SIM_CHECK(disk->entries[i].number == next[disk->entries[i].sender]);
        next[disk->entries[i].sender]++;
    }
}

static void check_prefix(const disk_t *one, const disk_t *other) {
    uint32_t count = one->count < other->count ? one->count : other->count;
    PTK_SIM_CHECK(memcmp(one->entries, other->entries, count * sizeof one->entries[0]) == 0);
}

static void check_world(void) {
    for (uint32_t i = 0; i < DISKS; i++) {
        check_order(&world.disks[i]);
        check_prefix(&world.disks[i], &world.disks[(i + 1) % DISKS]);
    }
    for (uint32_t client = 0; client < CLIENTS; client++) {
        for (uint32_t number = 0; number < world.acknowledged[client]; number++) {
            check_majority(client, number);
        }
    }
}

static bool logs_are_equal(void) {
    return world.disks[1].count == world.disks[0].count && world.disks[2].count == world.disks[0].count;
}

/* --- disks and messages --- */

static void disk_sync(disk_t *disk) {
    disk->synced = disk->count;
}

/* Appends an entry and makes it survive a crash. */
static void disk_append(disk_t *disk, const message_t *entry) {
    if (!PTK_SIM_CHECK(disk->count < LOG_MOST)) {
        return;
    }
    disk->entries[disk->count++] = *entry;
    /* PLANTED BUG: it syncs only every fourth entry, and all of them count as safe. */
    if (!world.has_planted_bug || disk->count % 4 == 0) {
        disk_sync(disk);
    }
}

/* The power returns: what was not synced is lost. */
static void disk_open(disk_t *disk) {
    disk->count = disk->synced;
}

static ptk_err say(ptk_sock_t *sock, kind_t kind, uint32_t sender, uint32_t number) {
    message_t message = {kind, sender, number};
    return ptk_sock_send(sock, &message, sizeof message, TIMEOUT_MS);
}

static ptk_err hear(ptk_sock_t *sock, message_t *message_out) {
    return ptk_sock_recv(sock, message_out, sizeof *message_out, TIMEOUT_MS);
}

/* --- the leader --- */

/* The leader's memory while it runs. */
typedef struct leader {
    disk_t *disk;
    uint32_t followers_have[DISKS]; /* the entries that each has reported */
    ptk_waitable_t *changed;        /* aborted whenever one of these two grows: all waiters check again */
} leader_t;

static leader_t leader;

static bool majority_has(int index) {
    return (int) leader.followers_have[1] > index || (int) leader.followers_have[2] > index;
}

/* Waits for a change. Returns false if none came in time. */
static bool await_change(uint32_t timeout_ms) {
    return ptk_waitable_wait(leader.changed, PTK_EVENT_READ, timeout_ms) == PTK_ERR_ABORTED;
}

/* A client without a reply sends its entry again: an entry that is there already is not appended twice. */
static ptk_err append(ptk_sock_t *sock, const message_t *request) {
    int index = find(leader.disk, request->sender, request->number);
    if (index < 0) {
        index = (int) leader.disk->count;
        disk_append(leader.disk, &(message_t) {ENTRY, request->sender, request->number});
        PTK_SIM_CHECK(ptk_waitable_abort(leader.changed) == PTK_OK);
    }
    while (!majority_has(index)) {
        if (!await_change(TIMEOUT_MS)) {
            return PTK_ERR_TIMEOUT;
        }
    }
    return say(sock, DONE, request->sender, request->number);
}

static ptk_err pull(ptk_sock_t *sock, const message_t *request) {
    uint32_t have = request->number;
    if (have > leader.followers_have[request->sender]) {
        leader.followers_have[request->sender] = have;
        PTK_SIM_CHECK(ptk_waitable_abort(leader.changed) == PTK_OK);
    }
    while (have >= leader.disk->count) {
        if (!await_change(IDLE_MS)) {
            return say(sock, NOTHING, 0, 0);
        }
    }
    return ptk_sock_send(sock, &leader.disk->entries[have], sizeof(message_t), TIMEOUT_MS);
}

static void answer(ptk_sock_t *sock) {
    message_t request;
    ptk_err err;
    do {
        err = hear(sock, &request);
        if (err == PTK_OK) {
            err = request.kind == APPEND ? append(sock, &request) : pull(sock, &request);
        }
    } while (err == PTK_OK);
}

static ptk_err run_leader_loop(void *arg) {
    leader = (leader_t) {.disk = arg};
    disk_open(leader.disk);
    leader.changed = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    return leader.changed ? scenario_accept_all(LEADER, answer) : ptk_get_err();
}

static ptk_err run_leader(void *arg) {
    return scenario_run(run_leader_loop, arg);
}

/* --- a follower --- */

static ptk_err pull_one(ptk_sock_t *sock, disk_t *disk) {
    message_t answer_to_it;
    ptk_err err = say(sock, PULL, (uint32_t) (disk - world.disks), disk->count);
    if (err == PTK_OK) {
        err = hear(sock, &answer_to_it);
    }
    if (err == PTK_OK && answer_to_it.kind == ENTRY) {
        disk_append(disk, &answer_to_it);
    }
    return err;
}

static ptk_err follow(void *arg) {
    ptk_err err = PTK_OK;
    disk_open(arg);
    while (err != PTK_ERR_CANCELED) {
        ptk_sock_t *sock = scenario_connect(LEADER, TIMEOUT_MS);
        for (err = sock ? PTK_OK : PTK_ERR_REFUSED; err == PTK_OK;) {
            err = pull_one(sock, arg);
        }
        ptk_sock_close(sock);
        err = ptk_sleep_ms(BETWEEN_MS);
    }
    return err;
}

static ptk_err run_follower(void *arg) {
    return scenario_run(follow, arg);
}

/* --- a client --- */

static ptk_err append_one(ptk_sock_t *sock, uint32_t client) {
    message_t reply;
    uint32_t *acknowledged = &world.acknowledged[client];
    ptk_err err = say(sock, APPEND, client, *acknowledged);
    if (err == PTK_OK) {
        err = hear(sock, &reply);
    }
    if (err == PTK_OK) {
        PTK_SIM_CHECK(reply.kind == DONE && reply.sender == client && reply.number == *acknowledged);
        ptk_sim_note("acknowledged", client, *acknowledged);
        (*acknowledged)++;
        check_world();
    }
    return err;
}

/* Writes until all is acknowledged and, so that the run does not end before, every disk has everything. */
static ptk_err write_all(void *arg) {
    uint32_t *acknowledged = arg;
    ptk_err err = PTK_OK;
    while (err != PTK_ERR_CANCELED && (*acknowledged < NUMBERS || !logs_are_equal())) {
        ptk_sock_t *sock = *acknowledged < NUMBERS ? scenario_connect(LEADER, TIMEOUT_MS) : NULL;
        for (err = sock ? PTK_OK : PTK_ERR_REFUSED; err == PTK_OK && *acknowledged < NUMBERS;) {
            err = append_one(sock, (uint32_t) (acknowledged - world.acknowledged));
        }
        ptk_sock_close(sock);
        err = ptk_sleep_ms(BETWEEN_MS);
    }
    return err;
}

static ptk_err run_client(void *arg) {
    return scenario_run(write_all, arg);
}

/* --- the scenario --- */

static void run(ptk_sim_t *sim, bool has_planted_bug) {
    uint32_t serves = PTK_SIM_HOST_DAEMON | PTK_SIM_HOST_MAY_CRASH;
    memset(&world, 0, sizeof world);
    world.has_planted_bug = has_planted_bug;
    scenario_host(sim, "leader", serves, run_leader, &world.disks[0]);
    scenario_host(sim, "follower 1", serves, run_follower, &world.disks[1]);
    scenario_host(sim, "follower 2", serves, run_follower, &world.disks[2]);
    scenario_host(sim, "anna", PTK_SIM_HOST_MAY_CRASH, run_client, &world.acknowledged[0]);
    scenario_host(sim, "bert", PTK_SIM_HOST_MAY_CRASH, run_client, &world.acknowledged[1]);
    ptk_sim_run_for(sim, 10000);
    if (ptk_sim_settle(sim, 600000) == PTK_SIM_END_QUIESCENT) {
        PTK_SIM_CHECK(logs_are_equal() && world.disks[0].count == LOG_MOST);
        check_world();
    }
}

void scenario_log(ptk_sim_t *sim) {
    run(sim, false);
}

void scenario_log_planted(ptk_sim_t *sim) {
    run(sim, true);
}

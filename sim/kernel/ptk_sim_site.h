/* SPDX-License-Identifier: MIT */
/*
 * Sites: where a simulated world takes a decision, for its ptk_choice calls.
 *
 * 0 is always the benign value: no loss, the least latency, the whole buffer, the oldest first. The numbers
 * are stable and append only, like those of ptk_choice.h: a seed or tape refers to them.
 */
#pragma once

typedef enum ptk_sim_site {
    PTK_SIM_SITE_HOST = 100,             /* which runnable host executes next */
    PTK_SIM_SITE_LATENCY = 101,          /* how much later than the least a packet arrives, in steps */
    PTK_SIM_SITE_LOSS = 102,             /* 1: the packet is lost */
    PTK_SIM_SITE_DUPLICATE = 103,        /* 1: the packet arrives twice */
    PTK_SIM_SITE_SEGMENT = 104,          /* how many bytes fewer than possible a segment carries */
    PTK_SIM_SITE_SHORT_SEND = 105,       /* how many bytes fewer than there is room for a send accepts */
    PTK_SIM_SITE_PARTITION = 106,        /* 1: two hosts are partitioned for a while */
    PTK_SIM_SITE_PARTITION_TIME = 107,   /* for how long */
    PTK_SIM_SITE_CRASH = 108,            /* 1: a host crashes */
    PTK_SIM_SITE_RESTART_TIME = 109,     /* how long it stays down */
    PTK_SIM_SITE_PAUSE = 110,            /* 1: a host is paused */
    PTK_SIM_SITE_PAUSE_TIME = 111,       /* for how long */
    PTK_SIM_SITE_SPURIOUS = 112,         /* 1: a poller reports readiness that does not hold */
    PTK_SIM_SITE_EARLY = 113,            /* 1: a poller returns early, without an event */
    PTK_SIM_SITE_BATCH = 114,            /* how many events fewer than there are a poller reports */
    PTK_SIM_SITE_READY_ORDER = 115,      /* which of the ready descriptors is reported next */
    PTK_SIM_SITE_EINTR = 116,            /* 1: a call is interrupted */
    PTK_SIM_SITE_NO_MEMORY = 117,        /* 1: an allocation fails */
    PTK_SIM_SITE_NO_RESOURCES = 118,     /* more than 0: a call fails for lack of memory or descriptors */
    PTK_SIM_SITE_INITIAL_SEQUENCE = 119, /* which initial sequence number a connection has */
    PTK_SIM_SITE_PORT = 120,             /* which free port a socket gets */
    PTK_SIM_SITE_RANDOM = 121,           /* a byte of the system's random numbers */
    PTK_SIM_SITE_SHORT_RECV = 122,       /* how many bytes fewer than requested a receive returns at most */
    PTK_SIM_SITE_CLOCK_STEP = 123,       /* 1: a host's clock jumps or drifts */
    PTK_SIM_SITE_REORDER = 124,          /* 1: the packet may overtake those before it */
    PTK_SIM_SITE_ACCEPT_ERROR = 125,     /* 1: the accepted connection has ended already */
    PTK_SIM_SITE_FAULT_HOST = 126,       /* the target of a fault, and its variant */
    PTK_SIM_SITE_PLATFORM = 127,         /* which platform the loops run on */
    PTK_SIM_SITE_USER = 1000,            /* from here on: scenarios and user programs */
    PTK_SIM_SITE_LINK_LOSS = 1 << 20     /* from here on: LOSS on the links that have a rate of their own */
} ptk_sim_site_t;

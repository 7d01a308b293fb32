/* SPDX-License-Identifier: MIT */
/*
 * Where a simulated world decides something (layer 0): the sites of its ptk_choice calls.
 *
 * 0 is always the benign answer: no loss, the shortest latency, the whole buffer, the oldest first. Stable
 * and append only, like those of ptk_choice.h.
 */
#pragma once

typedef enum ptk_sim_site {
    PTK_SIM_SITE_HOST = 100,             /* which runnable host goes next */
    PTK_SIM_SITE_LATENCY = 101,          /* how much later than the least a packet arrives, in steps */
    PTK_SIM_SITE_LOSS = 102,             /* 1: the packet is lost */
    PTK_SIM_SITE_DUPLICATE = 103,        /* 1: the packet arrives twice */
    PTK_SIM_SITE_SEGMENT = 104,          /* how many bytes fewer than the most a segment carries */
    PTK_SIM_SITE_SHORT_SEND = 105,       /* how many bytes fewer than there is room for a send takes */
    PTK_SIM_SITE_PARTITION = 106,        /* 1: two hosts are parted for a while */
    PTK_SIM_SITE_PARTITION_TIME = 107,   /* for how long */
    PTK_SIM_SITE_CRASH = 108,            /* 1: a host crashes */
    PTK_SIM_SITE_RESTART_TIME = 109,     /* how long it stays down */
    PTK_SIM_SITE_PAUSE = 110,            /* 1: a host stands still for a while */
    PTK_SIM_SITE_PAUSE_TIME = 111,       /* for how long */
    PTK_SIM_SITE_SPURIOUS = 112,         /* 1: a poller reports something that is not so */
    PTK_SIM_SITE_EARLY = 113,            /* 1: a poller comes back early, with nothing */
    PTK_SIM_SITE_BATCH = 114,            /* how many events fewer than there are a poller reports */
    PTK_SIM_SITE_READY_ORDER = 115,      /* which of the ready descriptors is reported next */
    PTK_SIM_SITE_EINTR = 116,            /* 1: a call is interrupted */
    PTK_SIM_SITE_NO_MEMORY = 117,        /* 1: an allocation fails */
    PTK_SIM_SITE_NO_RESOURCES = 118,     /* 1: a call fails for want of memory or descriptors */
    PTK_SIM_SITE_INITIAL_SEQUENCE = 119, /* where the numbers of a connection begin */
    PTK_SIM_SITE_PORT = 120,             /* which free port a socket gets */
    PTK_SIM_SITE_RANDOM = 121,           /* a byte that a program asked the system for */
    PTK_SIM_SITE_SHORT_RECV = 122,       /* how many bytes fewer than there are a receive gives */
    PTK_SIM_SITE_CLOCK_STEP = 123,       /* how far a host's clock is off */
    PTK_SIM_SITE_REORDER = 124,          /* 1: the packet may overtake those before it */
    PTK_SIM_SITE_ACCEPT_ERROR = 125,     /* 1: the connection that is accepted is already dead */
    PTK_SIM_SITE_FAULT_HOST = 126,       /* which host a fault strikes, and how */
    PTK_SIM_SITE_PLATFORM = 127,         /* which platform the loops run on */
    PTK_SIM_SITE_USER = 1000,            /* from here on: scenarios and user programs */
    PTK_SIM_SITE_LINK_LOSS = 1 << 20     /* from here on: LOSS on the links that have a rate of their own */
} ptk_sim_site_t;

/* SPDX-License-Identifier: MIT */
/**
 * @file ptk.h
 * All public headers of ptk.
 *
 * The comment of each call ends with: "Parks:", whether it may suspend the green thread that calls it
 * (ptk_green.h); "Thread:", where it may be called; "Ownership:", what becomes of its arguments and result.
 */
#pragma once

#include <ptk_addr.h>
#include <ptk_alloc.h>
#include <ptk_api.h>
#include <ptk_cancel.h>
#include <ptk_diagnose.h>
#include <ptk_err.h>
#include <ptk_event_loop_platform.h>
#include <ptk_foreign.h>
#include <ptk_green.h>
#include <ptk_log.h>
#include <ptk_os_net.h>
#include <ptk_scheduler.h>
#include <ptk_sock.h>
#include <ptk_tcp.h>
#include <ptk_time.h>
#include <ptk_version.h>
#include <ptk_waitable.h>

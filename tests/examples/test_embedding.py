#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ptk beside other event loops: each example that is built ends by itself, after its guest's and its host's work."""

import os
from pathlib import Path

from harness import check, check_equal, example, run

PROGRAMS = {
    "in_poll": "bytes of the host",
    "in_libuv": "ticks of libuv",
    "in_glib": "ticks of GLib",
    "in_libevent": "ticks of libevent",
    "pump_libpcl": "ticks of a task",
    "drive_libuv": "ticks of libuv",
}
ECHOES, TICKS = 120, 10

sources = {path.stem for path in (Path(os.environ["PTK_SOURCE_DIR"]) / "examples/embedding").glob("*.c")}
check_equal(sources - {"guest", "tasks"}, set(PROGRAMS), "every program of examples/embedding is in this test")
check(os.access(example("embedding/in_poll"), os.X_OK), "the program that needs no library is built")
for name, host_work in PROGRAMS.items():
    if not os.access(example(f"embedding/{name}"), os.X_OK):
        print(f"not checked: {name} is not built: its library is not installed, or does not go with a sanitizer")
        continue
    for platform in ("epoll", "poll"):
        os.environ["PTK_PLATFORM"] = platform
        done = run(example(f"embedding/{name}"))
        check_equal((done.returncode, done.stdout, done.stderr), (0, f"{ECHOES} echoes beside {TICKS} {host_work}\n", ""),
                    f"{name} on {platform}")

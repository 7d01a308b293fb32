#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The smallest example runs."""

import os

from harness import check_equal, example, run

for platform in ("epoll", "poll"):
    os.environ["PTK_PLATFORM"] = platform
    done = run(example("usage"))
    check_equal((done.returncode, done.stdout, done.stderr), (0, "the server answered: hello, green thread\n", ""),
                f"usage on {platform}")

#!/bin/sh
# SPDX-License-Identifier: MIT
# The sources and objects of this build are on their layers.
exec python3 tools/layers.py --build "$PTK_BUILD_DIR"

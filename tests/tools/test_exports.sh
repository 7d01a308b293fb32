#!/bin/sh
# SPDX-License-Identifier: MIT
# What libptk.so of this build exports is what tools/exports.txt lists.
exec python3 tools/exports.py --build "$PTK_BUILD_DIR"

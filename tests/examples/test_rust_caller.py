#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A caller in Rust, compiled by rustc alone, runs an echo server and three clients through libptk.so."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bindings import constants, layouts, library
from harness import check_equal, need, run, skip

need("rustc")
version = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()
if len(version) < 2 or [int(part) for part in version[1].split("-")[0].split(".")] < [1, 82]:
    skip("rustc is older than 1.82, or does not run")
folder = Path(tempfile.mkdtemp())
try:
    lines = [f"const {name}: {'u64' if value > 2**63 else 'i64'} = {value};" for name, value in constants().items()]
    for struct, (size, fields) in layouts().items():
        lines.append(f"const SIZE_OF_{struct.upper()}: usize = {size};")
        lines += [f"const OFFSET_OF_{struct.upper()}_{field.upper()}: usize = {place};" for field, (place, _) in fields.items()]
    (folder / "constants.rs").write_text("\n".join(lines))
    os.environ["PTK_CONSTANTS"] = str(folder / "constants.rs")
    where = library().parent
    caller = Path(__file__).with_name("rust_caller.rs")
    done = run("rustc", "--edition", "2021", "-D", "warnings", "-L", f"native={where}", "-C", f"link-arg=-Wl,-rpath,{where}",
               "-o", str(folder / "caller"), str(caller))
    check_equal((done.returncode, done.stderr), (0, ""), "rust_caller.rs compiles without a warning")
    for platform in ("epoll", "poll"):
        os.environ["PTK_PLATFORM"] = platform
        done = run(str(folder / "caller"))
        check_equal((done.returncode, done.stdout, done.stderr), (0, "150 echoes\n", ""), f"the caller on {platform}")
finally:
    shutil.rmtree(folder)

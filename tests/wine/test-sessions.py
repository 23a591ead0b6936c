#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many COM sessions in one process, at a time: src/wmi/test-sessions.c of the Windows build,
against a simulated host.

usage: test-sessions.py HVGPU-SIM, with hvgpu.exe in HVGPU_WINDOWS_EXE, beside which the tests of
src/wmi were built, and the build folder of tests/wine in HVGPU_WINE_BUILD
"""

import os
import pathlib
import subprocess
import sys

import prefix

SECONDS_MAX = 120


def main():
    exe = pathlib.Path(os.environ.get("HVGPU_WINDOWS_EXE", "none"))
    program = exe.parents[1] / "wmi/test-sessions.exe" if len(exe.parents) > 1 else exe
    build = pathlib.Path(os.environ["HVGPU_WINE_BUILD"])
    if not program.exists() or not (build / "cmd.exe").exists():
        print(f"1..0 # SKIP no {program}, or no mingw-w64")
        return 0
    try:
        home = prefix.make(build / "prefix", build / "hvgpu-test-wbem.dll", build / "cmd.exe")
    except prefix.NoWine as why:
        print(f"1..0 # SKIP {why}")
        return 0
    words = [sys.argv[1], "laptop", "--ephemeral", "--com", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as server:
        try:
            port = server.stdout.readline().split()[1]
            server.stdout.readline()
            env = dict(prefix.environment(home), HVGPU_TEST_COM=port)
            return subprocess.run([*prefix.wine(), str(program)], env=env, check=False,
                                  stdin=subprocess.DEVNULL, timeout=SECONDS_MAX).returncode
        finally:
            server.terminate()


sys.exit(main())

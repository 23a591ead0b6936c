#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""COM of the tests' Wine prefix: a client of IWbemServices, and the prefix's cmd.exe.

usage: test-wbem.py HVGPU-SIM, with the build folder of tests/wine in HVGPU_WINE_BUILD
"""

import os
import subprocess
import sys

import prefix

SECONDS_MAX = 120
# What test-wbem.c says it expects.
FAULTS = ["Win32_Process.Enumerate@*=delay:400", "Win32_VideoController.Pull@1=fault:5",
          "Win32_OperatingSystem.Get@2=drop", "Win32_OperatingSystem.Get@3=garbage"]


class Tap:
    def __init__(self):
        self.number = self.failures = 0

    def add(self, ok, name):
        self.number += 1
        self.failures += not ok
        print(f"{'ok' if ok else 'not ok'} {self.number} - {name}", flush=True)

    def take(self, text, returncode):
        """The lines of another TAP program, as ours."""
        planned, seen = 0, 0
        for line in text.splitlines():
            if line.startswith("1.."):
                planned = int(line[3:])
            elif line.startswith(("ok ", "not ok ")):
                self.add(line.startswith("ok "), line.split(" - ", 1)[1])
                seen += 1
            elif line:
                print(line)
        if planned != seen or not seen or returncode > 1:
            self.add(False, f"the program ended with {returncode} after {seen} tests")


def run(env, *argv, port=None, **more):
    if port:
        env = dict(env, HVGPU_TEST_COM=port)
    return subprocess.run([*prefix.wine(), *argv], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=SECONDS_MAX, check=False, **more)


def cmd(tap, env, port):
    line = "echo gr\u00fc\u00dfe \u30d3\u30eb\u30c9& echo no>&2& exit 7"
    done = run(env, r"C:\windows\system32\cmd.exe", "/d", "/s", "/c", line, port=port)
    tap.add(done.stdout == "gr\u00fc\u00dfe \u30d3\u30eb\u30c9\r\n".encode() and
            done.stderr == b"no\r\n" and done.returncode == 7,
            "cmd.exe gives the host's output as it is, and its exit code")
    if done.returncode != 7:
        print(f"# {done}")
    done = run(env, r"C:\windows\system32\cmd.exe", "/c", "echo own", port=None)
    tap.add(done.stdout.strip() == b"own" and done.returncode == 0,
            "without a simulator, Wine's own cmd.exe runs")
    done = run(env, r"C:\windows\system32\cmd.exe", "/c", "echo x", port="127.0.0.1:1")
    tap.add(done.returncode == 120 and done.stdout == b"", "no simulator there is an error")


def main():
    folder, sim = os.environ["HVGPU_WINE_BUILD"], sys.argv[1]
    client = os.path.join(folder, "test-wbem.exe")
    if not os.path.exists(client):
        print("1..0 # SKIP no mingw-w64")
        return
    try:
        home = prefix.make(os.path.join(folder, "prefix"),
                           os.path.join(folder, "hvgpu-test-wbem.dll"),
                           os.path.join(folder, "cmd.exe"))
    except prefix.NoWine as why:
        print(f"1..0 # SKIP {why}")
        return
    env = prefix.environment(home)
    words = [sim, "laptop", "--ephemeral", "--com", "127.0.0.1:0"]
    for fault in FAULTS:
        words += ["--fault", fault]
    tap = Tap()
    server = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True)
    try:
        port = server.stdout.readline().split()[1]
        server.stdout.readline()
        done = run(env, client, port=port)
        tap.take(done.stdout.decode("utf-8", "replace"), done.returncode)
        cmd(tap, env, port)
        done = run(env, client)
        tap.take(done.stdout.decode("utf-8", "replace"), done.returncode)
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()
    print(f"1..{tap.number}")
    sys.exit(1 if tap.failures else 0)


main()

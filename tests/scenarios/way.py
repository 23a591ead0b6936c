# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways in which a test can run hvgpu, so that each scenario can be told of all of them.

HVGPU_TEST_WAY: linux (the default): this machine's own build, over WS-Management;
                exe: hvgpu.exe under Wine, over WS-Management;
                com: hvgpu.exe under Wine, over COM: it runs "on the host".

For the Windows ways HVGPU_WINDOWS_EXE names hvgpu.exe and HVGPU_WINE_BUILD the build folder of
tests/wine, whose prefix is made when it is missing.  Paths are Unix ones throughout: Wine takes
/tmp/x for Z:\\tmp\\x wherever the current folder is on Z:.
"""

import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wine"))
import prefix  # noqa: E402  (needs the path above)

KILLED = 137  # what hvgpu.exe ends with where hvgpu kills itself (HVGPU_FAULT)


class Missing(Exception):
    """What this way needs is not on this machine."""


class Way:
    def __init__(self, name):
        if name not in ("linux", "exe", "com"):
            raise SystemExit(f"HVGPU_TEST_WAY={name}: linux, exe and com there are")
        self.name, self.is_windows, self.is_com = name, name != "linux", name == "com"
        self.parts = None

    def make_ready(self):
        """Finds hvgpu.exe and the launcher, makes the prefix; Missing without them."""
        if not self.is_windows or self.parts:
            return
        exe = os.environ.get("HVGPU_WINDOWS_EXE")
        build = os.environ.get("HVGPU_WINE_BUILD", "")
        launcher = os.path.join(build, "launch.exe")
        if not exe or not os.path.exists(exe):
            raise Missing(f"no hvgpu.exe (HVGPU_WINDOWS_EXE={exe or ''})")
        if not os.path.exists(launcher):
            raise Missing("nothing of tests/wine was built: no mingw-w64?")
        try:
            home = prefix.make(os.path.join(build, "prefix"),
                               os.path.join(build, "hvgpu-test-wbem.dll"),
                               os.path.join(build, "cmd.exe"))
            self.parts = [*prefix.wine(), launcher, os.path.abspath(exe)], home
        except prefix.NoWine as why:
            raise Missing(str(why)) from why

    def program(self, hvgpu):
        """The words that start hvgpu; @hvgpu is the Linux build."""
        self.make_ready()
        return list(self.parts[0]) if self.is_windows else [hvgpu]

    def environment(self, env, com=None):
        """@env, in which XDG_STATE_HOME and XDG_CONFIG_HOME say where hvgpu keeps things.  @com:
        what hvgpu-sim printed of the host that hvgpu is to run on."""
        if not self.is_windows:
            return env
        self.make_ready()
        env = prefix.environment(self.parts[1], env)
        # A console: where Ctrl-C comes from; and who has none gives each command that it starts
        # one, by a process more.
        env["HVGPU_TEST_CONSOLE"] = "1"
        for name, wanted in (("HVGPU_TEST_STATE", "XDG_STATE_HOME"),
                             ("HVGPU_TEST_CONFIG", "XDG_CONFIG_HOME")):
            if wanted in env:
                env[name] = self.path(env[wanted])
        if self.is_com:
            env["HVGPU_TEST_COM"] = com or "127.0.0.1:1"
        return env

    def path(self, unix):
        """A path as hvgpu writes it."""
        return "Z:" + unix.replace("/", "\\") if self.is_windows else unix

    def hold(self, path):
        """A context manager: a program of Windows has the file open for itself alone."""
        self.make_ready()
        return Held([*self.parts[0][:-1], "--hold", path],
                    prefix.environment(self.parts[1], os.environ))

    def server_options(self):
        """What hvgpu-sim needs beside its usual options."""
        return ["--com", "127.0.0.1:0"] if self.is_com else []

    def options(self, url, login):
        """How hvgpu is told of a simulated host, which it reaches as @url and with @login."""
        return ["-H", "local"] if self.is_com else ["-H", url, *login]

    def finished(self, done):
        """A CompletedProcess as on Linux: killed is killed."""
        if self.is_windows and done.returncode == KILLED:
            done.returncode = -signal.SIGKILL
        return done


class Held:
    def __init__(self, words, env):
        self.process = subprocess.Popen(words, env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def __enter__(self):
        said = self.process.stdout.readline()
        if said.strip() != b"held":
            raise AssertionError(f"the file cannot be held open: {said}")

    def __exit__(self, *why):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


HERE = Way(os.environ.get("HVGPU_TEST_WAY") or "linux")


def skip_all_without(*ways):
    """Says so and ends where one of these ways cannot be gone."""
    try:
        for way in ways or (HERE,):
            way.make_ready()
    except Missing as why:
        print(f"1..0 # SKIP {why}")
        raise SystemExit(0) from why

# SPDX-License-Identifier: GPL-2.0-or-later
"""What every scenario needs: a state folder of its own, hvgpu and hvgpu-sim as a user starts
them, and TAP.

A scenario is a function `test_*(world)`; it fails by raising.  scenario.main() runs those of a
module.  Arguments of each such program: HVGPU HVGPU-SIM [NAME...]; a NAME runs that test only.

HVGPU_TEST_WAY says how hvgpu is run (way.py).  hvgpu.exe has no simulator in it: there, "sim:LAB"
is a simulator of its own for the time of one command, always on the same port.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
import typing

import way

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SECONDS_MAX = 180
# What is new each time something is made: the ids of runs.
RUN_ID = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")


class Skip(Exception):
    """What a test needs is not on this machine."""


def tool(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise Skip(f"no {name}")
    return path


def output_of(*argv, **more):
    done = subprocess.run([tool(argv[0]), *argv[1:]], capture_output=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{argv[0]} ended with {done.returncode}: "
                             f"{done.stdout[-2000:]!r} {done.stderr[-2000:]!r}")
    return done.stdout


def difference(before, now):
    old, new = before.splitlines(), now.splitlines()
    gone = [line for line in old if line not in set(new)][:20]
    come = [line for line in new if line not in set(old)][:20]
    return "\n".join([f"- {line[:200]}" for line in gone] + [f"+ {line[:200]}" for line in come])


def must(done, what="hvgpu"):
    if done.returncode != 0:
        raise AssertionError(f"{what} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Place(typing.NamedTuple):
    """How a simulated host is reached."""
    url: str
    login: list
    com: str


class Server:
    """hvgpu-sim in a process of its own."""

    def __init__(self, world, lab, options, port=0, hosts=None):
        self.password_file = world.dir / "password"
        self.password_file.write_text("Correct-Horse-7\n")
        self.password_file.chmod(0o600)
        self.log = open(world.dir / "server.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            [world.sim, lab, "--listen", f"127.0.0.1:{port}", "--password-file",
             str(self.password_file), *way.HERE.server_options(), *options],
            env=world.env, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.hosts, self.com = {}, None
        # The first line comes when all hosts answer; there is one per host.
        for line in self.process.stdout:
            name, url = line.split()
            if name == "com":
                self.com = world.com = url
                continue
            self.hosts[name] = url
            if len(self.hosts) == (hosts or world.hosts_of(lab)):
                break
        if not self.hosts:
            self.process.wait(30)
            self.log.flush()
            raise AssertionError("the simulator did not start: " +
                                 (world.dir / "server.log").read_text("utf-8"))
        self.url = next(iter(self.hosts.values()))
        self.login = ["--user", "admin", "--password-file", str(self.password_file)]
        if way.HERE.is_com:
            self.login = []  # who runs on a host needs none

    def at(self, name):
        """One of its hosts."""
        return Place(self.hosts[name], self.login, self.com and f"{self.com}/{name}")

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.stdout.close()
        status = self.process.wait(60)
        self.log.close()
        if how != signal.SIGKILL and status != 0:
            raise AssertionError(f"the simulator ended with {status}")

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.end()


class World:
    """One user's machine: state and configuration folders that nobody else has."""

    def __init__(self, hvgpu, sim, folder):
        self.hvgpu_path, self.sim = os.path.abspath(hvgpu), os.path.abspath(sim)
        self.dir = pathlib.Path(folder)
        self.com = None  # where COM leads to, once there is a simulator
        self.lab, self.port = None, 0  # of the commands with "sim:LAB"
        self.env = dict(os.environ, XDG_STATE_HOME=f"{folder}/state",
                        XDG_CONFIG_HOME=f"{folder}/config", LC_ALL="C.UTF-8")
        self.env.setdefault("HVGPU_DATA_DIR", str(SOURCE))
        for name in ("HVGPU_FAULT", "HVGPU_PASSWORD_FILE", "LANGUAGE", "COLUMNS", "NO_COLOR"):
            self.env.pop(name, None)

    @staticmethod
    def hosts_of(lab):
        if lab.startswith("fleet:"):
            return int(lab.removeprefix("fleet:"))
        return {"cluster": 3, "bare": 2}.get(lab, 1)

    def serve(self, lab="laptop", *options, port=0, hosts=None):
        """@hosts: how many a lab has that is a file."""
        return Server(self, lab, options, port, hosts)

    def other_user(self):
        """The same simulated hosts, another user of hvgpu: a state folder of its own."""
        other = World(self.hvgpu_path, self.sim, self.dir)
        other.env["XDG_STATE_HOME"] = f"{self.dir}/other-state"
        return other

    def command(self, args, host):
        words = way.HERE.program(self.hvgpu_path)
        if isinstance(host, (Server, Place)):
            self.com = host.com
            words += way.HERE.options(host.url, host.login)
        elif host:
            words += ["-H", host]
        return words + list(args)

    def environment(self, env):
        return way.HERE.environment({**self.env, **(env or {})}, self.com)

    def hvgpu(self, *args, host="sim:laptop", env=None, **more):
        if way.HERE.is_windows and (host is None or str(host).startswith("sim:")):
            return self.hvgpu_of_lab(args, host, env, more)
        return self.run(self.command(args, host), env, more)

    def run(self, words, env, more):
        more = {"timeout": SECONDS_MAX * (10 if way.HERE.is_windows else 1), **more}
        return way.HERE.finished(subprocess.run(
            words, env=self.environment(env), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, **more))

    def hvgpu_of_lab(self, args, host, env, more):
        """hvgpu.exe with "sim:LAB", or without a host after that: the simulator runs as long as
        the command does."""
        if host is not None:
            self.lab = host.removeprefix("sim:")
        if self.lab is None:
            return self.run(self.command(args, None), env, more)
        with self.serve(self.lab, port=self.port) as server:
            self.port = int(server.url.split(":")[2].split("/")[0])
            if host is not None:
                return self.run(self.command(args, server), env, more)
            self.com = server.com
            return self.run(self.command([*args, *server.login], None), env, more)

    def start(self, *args, host="sim:laptop", env=None):
        """A running hvgpu, which SIGINT stops as Ctrl-C does and SIGKILL kills."""
        words = self.command(args, host)
        return subprocess.Popen(words, env=self.environment(env),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def start_plain(self, *args, stdout, env):
        """Without a host, for whoever waits for it himself."""
        return subprocess.Popen([self.hvgpu_path, *args], env={**self.env, **env},
                                stdin=subprocess.DEVNULL, stdout=stdout)

    def json(self, *args, **more):
        return json.loads(must(self.hvgpu(*args, "--json", **more)).stdout)

    def journaled(self):
        """States of the runs in the journal, newest first; as it is at this moment."""
        try:
            with contextlib.closing(sqlite3.connect(
                    f"file:{self.dir}/state/hvgpu/journal.db?mode=ro", uri=True)) as journal:
                return [row[0] for row in
                        journal.execute("SELECT state FROM runs ORDER BY id DESC")]
        except sqlite3.OperationalError:
            return []

    def dump(self, lab="laptop"):
        """Everything the hosts of a lab are that is not there to say that the lab was used."""
        done = subprocess.run([self.sim, "dump", lab], env=self.env, capture_output=True,
                              text=True, timeout=SECONDS_MAX, check=False)
        must(done, "hvgpu-sim dump")
        return RUN_ID.sub("RUN", done.stdout)

    def must_be(self, before, what, lab="laptop"):
        now = self.dump(lab)
        if now != before:
            raise AssertionError(f"{what}: the host is not as before\n{difference(before, now)}")

    def drive(self, host="LAPTOP", lab="laptop"):
        """The folder that is a simulated host's C:."""
        return self.dir / "state/hvgpu/labs" / lab / host / "C"

    def disk(self, path, host="LAPTOP", lab="laptop"):
        return self.drive(host, lab) / path.removeprefix("C:\\").replace("\\", "/")


def main(module):
    way.skip_all_without()
    names = sys.argv[3:]
    tests = [(k, v) for k, v in module.items() if k.startswith("test_")
             and (not names or k in names or k[5:] in names)]
    failed = not tests
    print(f"1..{len(tests)}")
    for n, (name, test) in enumerate(tests, 1):
        label = name[5:].replace("_", " ")
        with tempfile.TemporaryDirectory(prefix="hvgpu-scenario-") as folder:
            try:
                test(World(*sys.argv[1:3], folder))
                print(f"ok {n} - {label}", flush=True)
            except Skip as why:
                print(f"ok {n} - {label} # SKIP {why}", flush=True)
            except Exception as error:  # any failure of any kind is a failed test
                failed = True
                print(f"not ok {n} - {label}")
                for line in "".join(traceback.format_exception(error)).splitlines():
                    print("#", line, flush=True)
    sys.exit(1 if failed else 0)

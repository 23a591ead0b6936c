#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job, broken at every change, and taken back or finished.

For every n: `attach` whose n-th change fails before or after it took place must leave the host
and the VM's disk as they were; an `attach` that is killed there must be taken back whole by
`undo`, or finished by `resume`; an `undo` that is killed there, by the next `undo`.  "As they
were" is what `hvgpu-sim dump` prints: every object, file, attribute and registry value.

usage: test-broken.py HVGPU HVGPU-SIM LAB MODE... [--part K/N] [--http] [--sync]
                      [--host NAME] [--job 'COMMAND...'] [--first 'COMMAND...']

MODE: fail-before, fail-after, kill-before, kill-after (then undo), resume (kill-after, then
resume, then undo), undo (the undo is killed).  --part: only every N-th change, from the K-th,
so that several processes share the work.  --http: a simulator in a process of its own.
--sync: the job is not `attach` but the `driver sync` after an update of the host's driver; of its
modes those that kill.
--job: another command than `attach`, on the lab's host --host, after --first was done.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import way

CHANGES_MAX = 400
SECONDS_MAX = 1200 if way.HERE.is_windows else 120
# What is new each time something is made: ids of runs, the GUID of a new adapter, times.
RUN_ID = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")
ADAPTER = re.compile(r"(Microsoft:[0-9A-F-]{36}\\+)[0-9A-F]{8}-[0-9A-F-]{27}", re.I)
MANIFEST = re.compile(r"(hvgpu-manifest\.json \d+ \d+) \d{17}")


class Failure(Exception):
    pass


class Bench:
    def __init__(self, hvgpu, sim, lab, http):
        self.hvgpu, self.sim, self.lab, self.http = hvgpu, sim, lab, http
        self.job = ["attach", "games", "--gpu", "10de:2860", "--yes"]
        self.dir = tempfile.mkdtemp(prefix="hvgpu-broken-")
        self.env = dict(os.environ, XDG_STATE_HOME=self.dir, XDG_CONFIG_HOME=self.dir,
                        LC_ALL="C.UTF-8", NO_COLOR="1")
        self.env.pop("HVGPU_FAULT", None)
        self.server = None
        self.way = way.HERE
        self.com = None
        self.adds_again = False
        self.host, self.named = f"sim:{lab}", None
        if self.way.is_windows:  # hvgpu.exe has no simulator in it
            self.http = True

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        if not self.http or self.server:
            return
        self.server = subprocess.Popen(
            [self.sim, self.lab, "--listen", "127.0.0.1:0", *self.way.server_options()], env=self.env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seen = []
        for line in self.server.stdout:
            seen.append(line)
            found = re.search(r"password in (.+)$", line.rstrip())
            if found:
                self.password_file = found.group(1)
            found = re.search(r"^com (\S+)", line)
            if found:
                self.com = found.group(1)
            found = re.search(rf"{self.named or ''} (http://127\.0\.0\.1:\d+/wsman)", line)
            if found:
                self.host = found.group(1)
                return
        raise Failure("the simulator did not start: " + "".join(seen))

    def com_place(self):
        return f"{self.com}/{self.named}" if self.com and self.named else self.com

    def stop(self):
        if self.server:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(30)
            self.server.stdout.close()
            self.server = None

    def run(self, *args, fault=None):
        self.start()
        env = dict(self.env)
        if fault:
            env["HVGPU_FAULT"] = fault
        login = ["--user", "admin", "--password-file", self.password_file] if self.http else []
        line = [*self.way.program(self.hvgpu), *self.way.options(self.host, login), *args]
        return self.way.finished(subprocess.run(
            line, env=self.way.environment(env, self.com_place()), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS_MAX, check=False))

    def attach(self, fault=None):
        """The job."""
        return self.run(*self.job, fault=fault)

    def make_sync_the_job(self):
        self.must("attach", self.attach())
        self.stop()
        self.must("update", subprocess.run(
            [self.sim, "update-driver", self.lab, "4070", "32.0.15.6603"], env=self.env,
            capture_output=True, text=True, timeout=SECONDS_MAX, check=False))
        self.job = ["driver", "sync", "games", "--yes"]

    def dump(self):
        """What the lab is, without what is new each time, and without what only says that
        the lab was used."""
        self.stop()
        done = subprocess.run([self.sim, "dump", self.lab], env=self.env, capture_output=True,
                              text=True, timeout=SECONDS_MAX, check=False)
        if done.returncode != 0:
            raise Failure("dump: " + done.stderr)
        # What detach took away, undo adds again under a new name.
        return new_names(normal(done.stdout)) if self.adds_again else normal(done.stdout)

    def must(self, what, done):
        if done.returncode != 0:
            raise Failure(f"{what}: exit {done.returncode}\n{done.stdout}{done.stderr}")

    def must_be(self, what, before):
        now = self.dump()
        if now != before:
            raise Failure(f"{what}: the host is not as it should be\n{difference(before, now)}")


def normal(text):
    text = RUN_ID.sub("RUN", text)
    return text


def new_names(text):
    """For comparing two finished states, which were not made by the same run."""
    text = MANIFEST.sub(r"\1 TIME", text)
    return ADAPTER.sub(r"\1NEW", text)


def hives(dump):
    """What a dump tells of hives, and of the copies of them that a run keeps: (path, values)."""
    return re.findall(r"^(\S.*) [0-9a-f]+ hive\n((?:  .*\n)*)", dump, re.M)


def check_kept_hives(before, now):
    """What is kept of a hive is worth nothing unless it is from before the change."""
    known = {values for _, values in hives(before)}
    for path, values in hives(now):
        if "\\hvgpu\\RUN\\backup\\" in path and values not in known:
            raise Failure(f"{path} is not the hive from before")


def difference(before, now):
    old, new = before.splitlines(), now.splitlines()
    gone = [line for line in old if line not in set(new)][:20]
    come = [line for line in new if line not in set(old)][:20]
    return "\n".join([f"- {line[:160]}" for line in gone] + [f"+ {line[:160]}" for line in come])


def was_killed(done):
    return done.returncode == -signal.SIGKILL


def count_changes(bench, before):
    """How many changes an attach consists of: the last one at which it can be killed.  Counted on
    Linux, which is quicker, and the same in all ways."""
    bench.stop()
    bench.way, chosen = way.Way("linux"), bench.way
    try:
        return search_last(bench, before)
    finally:
        bench.stop()
        bench.way = chosen


def search_last(bench, before):
    low, high = 0, 1
    while high < CHANGES_MAX and can_kill(bench, high, before):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if can_kill(bench, middle, before):
            low = middle
        else:
            high = middle
    return low


def can_kill(bench, n, before):
    done = bench.attach(f"kill-after:{n}")
    bench.must("undo", bench.run("undo", "--yes"))
    bench.must_be(f"after undo of change {n}", before)
    return was_killed(done)


def fail(bench, mode, n, before, after):
    done = bench.attach(f"{mode}:{n}")
    if done.returncode == 0:
        # A lost answer while taking back what only looked is made good by looking again.
        state = bench.dump()
        if new_names(state) != new_names(after):
            raise Failure("succeeded, but not finished\n" +
                          difference(new_names(after), new_names(state)))
        bench.must("undo", bench.run("undo", "--yes"))
    elif "not everything" in done.stderr or "could not be taken back" in done.stderr:
        raise Failure(done.stdout + done.stderr)
    bench.must_be("after the failure", before)
    return True


def kill(bench, mode, n, before, _after):
    done = bench.attach(f"{mode}:{n}")
    if not was_killed(done):
        bench.must("attach", done)
        bench.must("undo", bench.run("undo", "--yes"))
        return False
    bench.must("undo", bench.run("undo", "--yes"))
    bench.must_be("after undo", before)
    again = bench.run("undo", "--yes")
    bench.must("undo again", again)
    if "nothing to undo" not in again.stdout:
        raise Failure("undo again: " + again.stdout)
    return True


def resume(bench, _mode, n, before, after):
    done = bench.attach(f"kill-after:{n}")
    if not was_killed(done):
        bench.must("attach", done)
        bench.must("undo", bench.run("undo", "--yes"))
        return False
    bench.must("resume", bench.run("resume", "--yes"))
    state = bench.dump()
    check_kept_hives(before, state)
    # Killed while it only looked, there is nothing to finish: then all is as before.
    if state != before and new_names(state) != new_names(after):
        raise Failure("resume: not finished\n" +
                      difference(new_names(after), new_names(state)))
    bench.must("undo", bench.run("undo", "--yes"))
    bench.must_be("after resume and undo", before)
    return True


def undo(bench, _mode, n, before, _after):
    bench.must("attach", bench.attach())
    done = bench.run("undo", "--yes", fault=f"kill-after:{n}")
    if was_killed(done):
        bench.must("undo", bench.run("undo", "--yes"))
    else:
        bench.must("undo", done)
    bench.must_be("after undo", before)
    return was_killed(done)


MODES = {"fail-before": fail, "fail-after": fail, "kill-before": kill, "kill-after": kill,
         "resume": resume, "undo": undo}


def main():
    args, modes, http, part, parts, sync = sys.argv[1:], [], False, 1, 1, False
    named, job, first = None, None, None
    hvgpu, sim, lab = args[:3]
    rest = args[3:]
    while rest:
        word = rest.pop(0)
        if word == "--http":
            http = True
        elif word == "--sync":
            sync = True
        elif word == "--host":
            named = rest.pop(0)
        elif word == "--job":
            job = shlex.split(rest.pop(0))
        elif word == "--first":
            first = shlex.split(rest.pop(0))
        elif word == "--part":
            part, parts = (int(n) for n in rest.pop(0).split("/"))
        else:
            modes.append(word)
    way.skip_all_without()
    bench = Bench(hvgpu, sim, lab, http)
    bench.host += f":{named}" if named else ""
    bench.named = named
    bench.job = [*job, "--yes"] if job else bench.job
    number, failed = 0, 0
    try:
        bench.must("status", bench.run("status"))
        if sync:
            bench.make_sync_the_job()
            bench.must("vm list", bench.run("vm", "list"))  # the host has the new driver's files
        if first:
            bench.adds_again = True
            bench.must("first", bench.run(*first, "--yes"))
        before = bench.dump()
        bench.must("attach", bench.attach())
        after = bench.dump()
        if after == before:
            raise Failure("attach changed nothing")
        check_kept_hives(before, after)
        again = bench.attach()
        bench.must("attach again", again)
        bench.must_be("attach again", after)
        bench.must("undo", bench.run("undo", "--yes"))
        bench.must_be("after undo", before)
        # A killed job says by itself that there was no such change.
        total = CHANGES_MAX if sync else count_changes(bench, before)
        print(f"# {bench.job[0]} makes {total} changes", flush=True)
        for mode in modes:
            last = CHANGES_MAX if mode == "undo" else total
            count, reached, began = 0, False, time.monotonic()
            problem = None
            for n in range(part, last + 1, parts):
                try:
                    hit = MODES[mode](bench, mode, n, before, after)
                except (Failure, subprocess.TimeoutExpired) as error:
                    problem = f"change {n}: {error}"
                    break
                if not hit:
                    reached = True
                    break
                count += 1
                if count % 10 == 0:
                    print(f"# {mode}: {count} changes, up to number {n}", flush=True)
            number += 1
            # What fails and is made good looks like a change that was never reached.
            told = sync and not mode.startswith("fail") or mode == "undo"
            ok = problem is None and (reached or not told) and count > 0
            failed += not ok
            print(f"{'ok' if ok else 'not ok'} {number} - {mode}: {count} changes, "
                  f"{time.monotonic() - began:.0f} s", flush=True)
            if problem:
                print("# " + problem.replace("\n", "\n# "), flush=True)
                break
    except Failure as error:
        number += 1
        failed += 1
        print(f"not ok {number} - setting up\n# " + str(error).replace("\n", "\n# "))
    finally:
        bench.close()
    print(f"1..{number}")
    sys.exit(1 if failed else 0)


main()

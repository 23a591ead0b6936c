#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Desired state of several hosts: written, changed by hand, compared, healed, taken back; and
broken at every change on one host while the others finish.

HVGPU_DESIRED_EVERY=N: of the changes only every N-th is broken.
"""

import json
import os
import pathlib
import re
import subprocess

import scenario

LAB = str(pathlib.Path(__file__).resolve().parent / "desired.yaml")
NODES = ["NODE1", "NODE2", "NODE3"]
EVERY = int(os.environ.get("HVGPU_DESIRED_EVERY", "37"))
CHANGES_MAX = 400
# VMs that go elsewhere when their node fails.
MOVED = {("NODE002", f"node002-{vm}", "vm-elsewhere")
         for vm in ("vdi-001", "vdi-002", "design-001", "design-002")}
# An adapter that was taken away and given back has a new id.
ADAPTER = re.compile(r"(Microsoft:[0-9A-F-]{36}\\+)[0-9A-F]{8}-[0-9A-F-]{27}", re.I)
# Only one has a disk that drivers could be on.
WISHES = dict.fromkeys(["render", "train", "office"], "{ gpus: [a2], drivers: none }")
WISHES["design"] = "{ gpus: [a2], drivers: host }"


class Fleet:
    """Three hosts that several users of hvgpu reach: a simulator of its own."""

    def __init__(self, world):
        self.world = world
        self.server = scenario.Server(world, LAB, [])
        # Server stops after the first line for a lab it does not know.
        for line in self.server.process.stdout:
            name, url = line.split()
            self.server.hosts[name] = url
            if len(self.server.hosts) == len(NODES):
                break
        self.urls = [self.server.hosts[name] for name in NODES]

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.server.end()

    def hvgpu(self, *args, nodes=(0, 1, 2), user=None, env=None, hosts=True):
        words = [word for n in nodes for word in ("-H", self.urls[n])] if hosts else []
        return (user or self.world).hvgpu(*words, *self.server.login, *args, host=None, env=env)

    def must(self, *args, **more):
        return scenario.must(self.hvgpu(*args, **more)).stdout

    def export(self, name):
        path = self.world.dir / name
        self.must("export", "-o", str(path))
        return path

    def diff(self, path):
        """The differences as (node, name, reason), and the runs that had left it right."""
        done = self.hvgpu("diff", str(path), "--json", hosts=False)
        if done.returncode not in (0, 3):
            scenario.must(done, "diff")
        found, runs = [], {}
        for host in json.loads(done.stdout)["hosts"]:
            node = NODES[self.urls.index(host["host"])]
            for one in host["differences"]:
                if not one["note"]:
                    found.append((node, one["name"], one["reason"]))
                    runs[found[-1]] = one["changed_since"]
        if (done.returncode == 3) != bool(found):
            raise AssertionError(f"diff ended with {done.returncode} and found {found}")
        return sorted(found), runs

    def runs(self, user=None):
        """Ids of what is done and not undone, newest first."""
        done = (user or self.world).hvgpu("history", "--json", host=None)
        return [run["id"] for run in json.loads(scenario.must(done).stdout)["runs"]
                if run["state"] == "done"]

    def undo(self, ids, user=None):
        for run in ids:
            self.must("undo", run, "-y", hosts=False, user=user)


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: {found}, not {wanted}")


def test_written_changed_by_hand_compared_healed_and_taken_back(world):
    before = world.dump(LAB)
    other = world.other_user()
    with Fleet(world) as fleet:
        counts = [gpu["partition_count"]
                  for host in json.loads(fleet.must("gpu", "list", "--json"))["hosts"]
                  for gpu in host["gpus"]]
        expect("counts", counts, [16, 16, 16])
        first = fleet.export("first.yaml")
        fleet.must("partition", "set", "A2", "--all", "--count", "4", "-y", "-q")
        fleet.must("attach", "design", "-y", "-q", nodes=[0])
        for node, vm in ((0, "render"), (1, "train"), (2, "office")):
            fleet.must("attach", vm, "-y", "-q", "--no-drivers", nodes=[node])
        wanted = fleet.export("wanted.yaml")
        expect("twice", fleet.export("again.yaml").read_bytes(), wanted.read_bytes())
        expect("as written", fleet.diff(wanted)[0], [])
        made = fleet.runs()

        # By hand: that is, not by this user's hvgpu.
        fleet.must("detach", "train", "-y", "-q", "--no-drivers", nodes=[1], user=other)
        fleet.must("partition", "set", "A2", "--count", "8", "-y", "-q", nodes=[1], user=other)
        fleet.must("detach", "design", "-y", "-q", "--no-drivers", nodes=[0], user=other)
        found, runs = fleet.diff(wanted)
        expect("by hand", found, [("NODE1", "design", "adapter-missing"),
                                  ("NODE2", "a2", "partition-count"),
                                  ("NODE2", "train", "adapter-missing")])
        for difference, run in runs.items():
            if run not in made:
                raise AssertionError(f"{difference} is not told to be by hand: {run}")

        done = fleet.hvgpu("apply", str(wanted), hosts=False)
        expect("without --yes", done.returncode, 2)
        fleet.must("apply", str(wanted), "-n", hosts=False)
        expect("after looking", fleet.diff(wanted)[0], found)
        fleet.must("apply", str(wanted), "-y", "-q", hosts=False)
        expect("healed", fleet.diff(wanted)[0], [])
        expect("healed, written", fleet.export("healed.yaml").read_bytes(), wanted.read_bytes())
        if "Nothing to do" not in fleet.must("apply", str(wanted), "-y", hosts=False):
            raise AssertionError("apply twice has something to do")
        healed = [run for run in fleet.runs() if run not in made]
        expect("hosts that were healed", len(healed), 2)

        # All partitions away, and the counts as they were.
        fleet.must("apply", str(first), "-y", "-q", hosts=False)
        expect("as at first", fleet.diff(first)[0], [])
        expect("as at first, written", fleet.export("end.yaml").read_bytes(), first.read_bytes())
        ended = [run for run in fleet.runs() if run not in made + healed]
        expect("hosts that were changed", len(ended), 3)

        fleet.undo(ended + healed)
        expect("healing undone", fleet.diff(wanted)[0], found)
        fleet.undo(fleet.runs(other), user=other)
        expect("by hand undone", fleet.diff(wanted)[0], [])
        fleet.undo(made)
    world.must_be(before, "all undone", LAB)


def test_a_vm_of_a_cluster_is_compared_where_it_is(world):
    path = str(world.dir / "cluster.yaml")
    scenario.must(world.hvgpu("export", "-o", path, host="sim:cluster"))
    for what in ("fail", "rejoin"):
        scenario.must(subprocess.run([world.sim, what, "cluster", "NODE002"], env=world.env,
                                     capture_output=True, text=True, check=False), what)

    def look(wanted):
        done = world.hvgpu("diff", path, "--no-drivers", "--json", host=None)
        found = {(host["host"].rsplit(":", 1)[1], one["name"], one["reason"])
                 for host in json.loads(done.stdout)["hosts"] for one in host["differences"]}
        expect("moved", found - MOVED, wanted)
        expect("notes", found & MOVED, MOVED)

    look(set())
    scenario.must(world.hvgpu("attach", "node002-design-001", "-y", "-q", "--no-drivers",
                              host="sim:cluster:NODE001"))
    look({("NODE001", "node002-design-001", "adapter-extra")})
    scenario.must(world.hvgpu("apply", path, "-y", "-q", "--no-drivers", host=None))
    look(set())


def test_a_file_keeps_what_it_says_of_hosts_that_do_not_answer(world):
    path = world.dir / "rack.yaml"
    hosts = ["-H", f"sim:{LAB}", "-H", "http://127.0.0.1:1/wsman"]

    def export(*args):
        return world.hvgpu(*hosts, "export", "-o", str(path), *args, host=None).returncode

    expect("a new file", export(), 4)
    if "NODE1" not in path.read_text():
        raise AssertionError("hosts that answered are not in it")
    path.write_text("precious\n")
    expect("a file that is there", export(), 4)
    expect("its text", path.read_text(), "precious\n")
    expect("--partial", export("--partial"), 4)
    if "NODE3" not in path.read_text():
        raise AssertionError("hosts that answered are not in it")


def apply_broken(world, path, mode, number):
    """apply, broken at a change on the first host only."""
    return world.hvgpu("apply", str(path), "-y", "--json", host=None,
                       env={"HVGPU_FAULT": f"{mode}:{number}@NODE1"})


def write_wish(world, count, wishes):
    path = world.dir / f"{count}.yaml"
    path.write_text("format: hvgpu/1\nhosts:\n" + "".join(
        f"  'sim:{LAB}:{node}':\n"
        f"    gpus: {{ a2: {{ pci_id: '10de:25b6', partition_count: {count} }} }}\n"
        f"    vms: {{ {', '.join(f'{vm}: {wishes[vm]}' for vm in vms)} }}\n"
        for node, vms in zip(NODES, (["design", "render"], ["train"], ["office"]))))
    return path


def break_at(world, path, kept, mode, number):
    """False: there is no such change."""
    done = apply_broken(world, path, mode, number)
    if done.returncode == 0:
        undo_all(world, kept)
        return False
    if mode.startswith("kill"):
        # The process died, with all hosts: each is taken back, or finished.
        expect(f"{mode}:{number}", done.returncode, -9)
        for run in unfinished(world):
            scenario.must(world.hvgpu("resume", run, "-y", "-q", host=None), "resume")
        expect("resumed", world.hvgpu("apply", str(path), "-y", "-q", host=None).returncode, 0)
        expect("differs", world.hvgpu("diff", str(path), "-q", host=None).returncode, 0)
        undo_all(world, kept)
        return True
    expect(f"{mode}:{number}", done.returncode, 4)
    hosts = {host["host"].rsplit(":", 1)[1]: host for host in json.loads(done.stdout)["hosts"]}
    if not hosts["NODE1"]["error"] or hosts["NODE2"]["error"] or hosts["NODE3"]["error"]:
        raise AssertionError(f"{mode}:{number}: {done.stdout[-3000:]}")
    now = world.hvgpu("diff", str(path), "--json", host=None)
    for host in json.loads(now.stdout)["hosts"]:
        differs = any(not one["note"] for one in host["differences"])
        expect(f"{mode}:{number} differs on {host['host']}", differs,
               host["host"].endswith("NODE1"))
    undo_all(world, kept)
    return True


def history(world, *wanted):
    done = world.hvgpu("history", "--json", host=None)
    return [run["id"] for run in json.loads(scenario.must(done).stdout)["runs"]
            if run["state"] in wanted]


def unfinished(world):
    return history(world, "started")


def undo_all(world, kept):
    for run in history(world, "done", "started", "undoing", "failed"):
        if run not in kept:
            scenario.must(world.hvgpu("undo", run, "-y", "-q", host=None), "undo")


def dump(world):
    return "\n".join(sorted(ADAPTER.sub(r"\1NEW", world.dump(LAB)).splitlines()))


def must_be(world, before, what):
    now = dump(world)
    if now != before:
        raise AssertionError(f"{what}: the hosts are not as before\n"
                             f"{scenario.difference(before, now)}")


def break_everywhere(world, mode, path):
    before = dump(world)
    kept = history(world, "done")
    number, broken = 1, 0
    while number < CHANGES_MAX and break_at(world, path, kept, mode, number):
        must_be(world, before, f"{mode}:{number} and undone")
        number += EVERY
        broken += 1
    if not 0 < broken < CHANGES_MAX:
        raise AssertionError(f"{broken} changes were broken")
    must_be(world, before, "not broken, and undone")


def give_all(world):
    path = write_wish(world, 4, WISHES)
    scenario.must(world.hvgpu("apply", str(path), "-y", "-q", host=None), "apply")
    return write_wish(world, 16, dict.fromkeys(WISHES, "{ gpus: [] }"))


def test_broken_on_one_host_while_the_others_finish(world):
    break_everywhere(world, "fail-after", write_wish(world, 4, WISHES))


def test_killed_and_finished(world):
    break_everywhere(world, "kill-after", write_wish(world, 4, WISHES))


def test_taking_away_broken_on_one_host(world):
    if EVERY > 1:
        raise scenario.Skip("in the suite 'slow'")
    break_everywhere(world, "fail-after", give_all(world))


def test_cut_anew_broken_on_one_host(world):
    """VMs keep their partitions, and give them up meanwhile."""
    if EVERY > 1:
        raise scenario.Skip("in the suite 'slow'")
    give_all(world)
    break_everywhere(world, "fail-before", write_wish(world, 8, WISHES))


if __name__ == "__main__":
    scenario.main(globals())

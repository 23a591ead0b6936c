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
from fleet import Fleet

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


def desired_fleet(world):
    return Fleet(world, LAB, NODES)


def diff(fleet, path):
    """The differences as (node, name, reason), and the runs that had left it right."""
    done = fleet.hvgpu("diff", str(path), "--json")
    if done.returncode not in (0, 3):
        scenario.must(done, "diff")
    found, runs = [], {}
    for host in json.loads(done.stdout)["hosts"]:
        node = fleet.node(host["host"])
        for one in host["differences"]:
            if not one["note"]:
                found.append((node, one["name"], one["reason"]))
                runs[found[-1]] = one["changed_since"]
    if (done.returncode == 3) != bool(found):
        raise AssertionError(f"diff ended with {done.returncode} and found {found}")
    return sorted(found), runs


def runs_in(fleet, *states, user=None):
    """Newest first."""
    return [run["id"] for run in fleet.history(user) if run["state"] in states]


def undo(fleet, ids, user=None):
    for run in ids:
        fleet.must("undo", run, "-y", user=user)


def export(fleet, name):
    path = fleet.world.dir / name
    fleet.must("export", "-o", str(path), nodes=NODES)
    return path


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: {found}, not {wanted}")


def test_written_changed_by_hand_compared_healed_and_taken_back(world):
    before = world.dump(LAB)
    other = world.other_user()
    with desired_fleet(world).serving() as fleet:
        counts = [gpu["partition_count"]
                  for host in fleet.json("gpu", "list", nodes=NODES)["hosts"]
                  for gpu in host["gpus"]]
        expect("counts", counts, [16, 16, 16])
        first = export(fleet, "first.yaml")
        fleet.must("partition", "set", "A2", "--all", "--count", "4", "-y", "-q", nodes=NODES)
        fleet.must("attach", "design", "-y", "-q", nodes=["NODE1"])
        for node, vm in (("NODE1", "render"), ("NODE2", "train"), ("NODE3", "office")):
            fleet.must("attach", vm, "-y", "-q", "--no-drivers", nodes=[node])
        wanted = export(fleet, "wanted.yaml")
        expect("twice", export(fleet, "again.yaml").read_bytes(), wanted.read_bytes())
        expect("as written", diff(fleet, wanted)[0], [])
        made = runs_in(fleet, "done")

        # By hand: that is, not by this user's hvgpu.
        fleet.must("detach", "train", "-y", "-q", "--no-drivers", nodes=["NODE2"], user=other)
        fleet.must("partition", "set", "A2", "--count", "8", "-y", "-q", nodes=["NODE2"], user=other)
        fleet.must("detach", "design", "-y", "-q", "--no-drivers", nodes=["NODE1"], user=other)
        found, runs = diff(fleet, wanted)
        expect("by hand", found, [("NODE1", "design", "adapter-missing"),
                                  ("NODE2", "a2", "partition-count"),
                                  ("NODE2", "train", "adapter-missing")])
        for difference, run in runs.items():
            if run not in made:
                raise AssertionError(f"{difference} is not told to be by hand: {run}")

        done = fleet.hvgpu("apply", str(wanted))
        expect("without --yes", done.returncode, 2)
        fleet.must("apply", str(wanted), "-n")
        expect("after looking", diff(fleet, wanted)[0], found)
        fleet.must("apply", str(wanted), "-y", "-q")
        expect("healed", diff(fleet, wanted)[0], [])
        expect("healed, written", export(fleet, "healed.yaml").read_bytes(), wanted.read_bytes())
        if "Nothing to do" not in fleet.must("apply", str(wanted), "-y"):
            raise AssertionError("apply twice has something to do")
        healed = [run for run in runs_in(fleet, "done") if run not in made]
        expect("hosts that were healed", len(healed), 2)

        # All partitions away, and the counts as they were.
        fleet.must("apply", str(first), "-y", "-q")
        expect("as at first", diff(fleet, first)[0], [])
        expect("as at first, written", export(fleet, "end.yaml").read_bytes(), first.read_bytes())
        ended = [run for run in runs_in(fleet, "done") if run not in made + healed]
        expect("hosts that were changed", len(ended), 3)

        undo(fleet, ended + healed)
        expect("healing undone", diff(fleet, wanted)[0], found)
        undo(fleet, runs_in(fleet, "done", user=other), user=other)
        expect("by hand undone", diff(fleet, wanted)[0], [])
        undo(fleet, made)
    world.must_be(before, "all undone", LAB)


def test_a_vm_of_a_cluster_is_compared_where_it_is(world):
    by_node, by_cluster = (str(world.dir / name) for name in ("nodes.yaml", "cluster.yaml"))
    scenario.must(world.hvgpu("export", "-o", by_node, host="sim:cluster"))
    scenario.must(world.hvgpu("--cluster", "export", "-o", by_cluster, host="sim:cluster:NODE001"))
    for what in ("fail", "rejoin"):
        scenario.must(subprocess.run([world.sim, what, "cluster", "NODE002"], env=world.env,
                                     capture_output=True, text=True, check=False), what)

    def look(path, wanted, notes):
        done = world.hvgpu("diff", path, "--no-drivers", "--json", host=None)
        found = {(host["host"].rsplit(":", 1)[1], one["name"], one["reason"])
                 for host in json.loads(done.stdout)["hosts"] for one in host["differences"]}
        expect("differences", found - MOVED, wanted)
        expect("notes", found & MOVED, notes)

    for path, notes in ((by_node, MOVED), (by_cluster, set())):
        look(path, set(), notes)
        scenario.must(world.hvgpu("attach", "node002-design-001", "-y", "-q", "--no-drivers",
                                  host="sim:cluster:NODE001"))
        look(path, {("NODE001", "node002-design-001", "adapter-extra")}, notes)
        scenario.must(world.hvgpu("apply", path, "-y", "-q", "--no-drivers", host=None))
        look(path, set(), notes)
    scenario.must(world.hvgpu("--cluster", "export", "-o", f"{by_cluster}.again",
                              host="sim:cluster:NODE003"))
    with open(by_cluster, "rb") as old, open(f"{by_cluster}.again", "rb") as new:
        expect("the file of the cluster, whoever runs where", new.read(), old.read())


def test_a_file_keeps_what_it_says_of_hosts_that_do_not_answer(world):
    path = world.dir / "rack.yaml"
    fleet = desired_fleet(world)

    def export_all(*args):
        return fleet.hvgpu("-H", "http://127.0.0.1:1/wsman", "export", "-o", str(path), *args,
                           nodes=NODES).returncode

    expect("a new file", export_all(), 4)
    if fleet.name("NODE1") not in path.read_text():
        raise AssertionError("hosts that answered are not in it")
    path.write_text("precious\n")
    expect("a file that is there", export_all(), 4)
    expect("its text", path.read_text(), "precious\n")
    expect("--partial", export_all("--partial"), 4)
    if fleet.name("NODE3") not in path.read_text():
        raise AssertionError("hosts that answered are not in it")


def write_wish(fleet, count, wishes):
    path = fleet.world.dir / f"{count}.yaml"
    path.write_text("format: hvgpu/1\nhosts:\n" + "".join(
        f"  '{fleet.name(node)}':\n"
        f"    gpus: {{ a2: {{ pci_id: '10de:25b6', partition_count: {count} }} }}\n"
        f"    vms: {{ {', '.join(f'{vm}: {wishes[vm]}' for vm in vms)} }}\n"
        for node, vms in zip(NODES, (["design", "render"], ["train"], ["office"]))))
    return path


def break_at(fleet, path, kept, mode, number):
    """False: there is no such change."""
    done = fleet.hvgpu("apply", str(path), "-y", "--json", env=fleet.fault(mode, number, "NODE1"))
    if done.returncode == 0:
        undo_all(fleet, kept)
        return False
    if mode.startswith("kill"):
        # The process died, with all hosts: each is taken back, or finished.
        expect(f"{mode}:{number}", done.returncode, -9)
        for run in runs_in(fleet, "started"):
            fleet.must("resume", run, "-y", "-q")
        expect("resumed", fleet.hvgpu("apply", str(path), "-y", "-q").returncode, 0)
        expect("differs", fleet.hvgpu("diff", str(path), "-q").returncode, 0)
        undo_all(fleet, kept)
        return True
    expect(f"{mode}:{number}", done.returncode, 4)
    hosts = {fleet.node(host["host"]): host for host in json.loads(done.stdout)["hosts"]}
    if not hosts["NODE1"]["error"] or hosts["NODE2"]["error"] or hosts["NODE3"]["error"]:
        raise AssertionError(f"{mode}:{number}: {done.stdout[-3000:]}")
    now = fleet.hvgpu("diff", str(path), "--json")
    for host in json.loads(now.stdout)["hosts"]:
        differs = any(not one["note"] for one in host["differences"])
        expect(f"{mode}:{number} differs on {host['host']}", differs,
               fleet.node(host["host"]) == "NODE1")
    undo_all(fleet, kept)
    return True


def undo_all(fleet, kept):
    for run in runs_in(fleet, "done", "started", "undoing", "failed"):
        if run not in kept:
            fleet.must("undo", run, "-y", "-q")


def dump(world):
    return "\n".join(sorted(ADAPTER.sub(r"\1NEW", world.dump(LAB)).splitlines()))


def must_be(world, before, what):
    now = dump(world)
    if now != before:
        raise AssertionError(f"{what}: the hosts are not as before\n"
                             f"{scenario.difference(before, now)}")


def break_everywhere(fleet, mode, path):
    world = fleet.world
    before = dump(world)
    kept = runs_in(fleet, "done")
    number, broken = 1, 0
    while number < CHANGES_MAX and break_at(fleet, path, kept, mode, number):
        must_be(world, before, f"{mode}:{number} and undone")
        number += EVERY
        broken += 1
    if not 0 < broken < CHANGES_MAX:
        raise AssertionError(f"{broken} changes were broken")
    must_be(world, before, "not broken, and undone")


def give_all(fleet):
    path = write_wish(fleet, 4, WISHES)
    fleet.must("apply", str(path), "-y", "-q")
    return write_wish(fleet, 16, dict.fromkeys(WISHES, "{ gpus: [] }"))


def test_broken_on_one_host_while_the_others_finish(world):
    fleet = desired_fleet(world)
    break_everywhere(fleet, "fail-after", write_wish(fleet, 4, WISHES))


def test_killed_and_finished(world):
    if EVERY > 1:
        raise scenario.Skip("in the suite 'slow'")
    fleet = desired_fleet(world)
    break_everywhere(fleet, "kill-after", write_wish(fleet, 4, WISHES))


def test_taking_away_broken_on_one_host(world):
    if EVERY > 1:
        raise scenario.Skip("in the suite 'slow'")
    fleet = desired_fleet(world)
    break_everywhere(fleet, "fail-after", give_all(fleet))


def test_cut_anew_broken_on_one_host(world):
    """VMs keep their partitions, and give them up meanwhile."""
    if EVERY > 1:
        raise scenario.Skip("in the suite 'slow'")
    fleet = desired_fleet(world)
    give_all(fleet)
    break_everywhere(fleet, "fail-before", write_wish(fleet, 8, WISHES))


if __name__ == "__main__":
    scenario.main(globals())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The partition count of three nodes is set, broken and killed on one of them, taken back; the
others finish.

usage: test-partition.py HVGPU HVGPU-SIM [NAME...]      (see scenario.py)
"""

import json
import signal
import time

import scenario
from fleet import Fleet

LAB = str(scenario.SOURCE / "tests/scenarios/partition.yaml")
NODES = ["PART-001", "PART-002", "PART-003"]
SET = ("partition", "set", "A2", "--count", "4", "--yes")
CHANGES_MAX = 9


def partition_fleet(world):
    return Fleet(world, LAB, NODES, in_lab=4)


def counts(fleet):
    return [gpu["partition_count"] for host in fleet.json("gpu", "list", nodes=NODES)["hosts"]
            for gpu in host["gpus"]]


def must_be(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found}, not {wanted}")


def undo_all(fleet):
    """Every run that is not undone, newest first."""
    for entry in fleet.history():
        if entry["state"] != "undone":
            fleet.must("undo", entry["id"], "--yes")


def test_all_are_set_read_back_and_taken_back(world):
    before = world.dump(LAB)
    fleet = partition_fleet(world)
    done = fleet.must(*SET, nodes=NODES)
    must_be(counts(fleet), [4, 4, 4], "after set")
    for node in NODES:
        if f"{fleet.name(node)}: Done." not in done:
            raise AssertionError(f"{node} is not said to be done: {done}")
    must_be(fleet.must(*SET, nodes=NODES).count("nothing to do"), 3, "a second time")
    undo_all(fleet)
    world.must_be(before, "after undo", LAB)


def break_one(fleet, mode, node):
    wanted = [16 if one == node else 4 for one in NODES]
    for n in range(1, CHANGES_MAX):
        done = fleet.hvgpu(*SET, "--json", nodes=NODES, env=fleet.fault(mode, n, node))
        document = json.loads(done.stdout)
        if done.returncode == 0:
            break
        must_be(done.returncode, 4, f"{mode}:{n}")
        must_be(counts(fleet), wanted, f"{mode}:{n}")
        must_be([host["error"] is None for host in document["hosts"]], [one != node for one in NODES],
                f"{mode}:{n}: errors")
        must_be([f["id"] for f in document["findings"]], ["partition-counts-differ"],
                f"{mode}:{n}: findings")
        undo_all(fleet)
        must_be(counts(fleet), [16, 16, 16], f"{mode}:{n} undone")
    else:
        raise AssertionError(f"{mode}: no end")
    must_be(n > 1, True, f"{mode}: some change was broken")
    undo_all(fleet)


def test_one_node_breaks_and_the_others_finish(world):
    fleet = partition_fleet(world)
    for mode in ("fail-before", "fail-after"):
        break_one(fleet, mode, "PART-002")
    break_one(fleet, "fail-after", "PART-001")


def test_killed_on_one_node_it_is_finished_or_taken_back(world):
    before = world.dump(LAB)
    fleet = partition_fleet(world)
    for mode in ("kill-before", "kill-after"):
        for end in ("undo", "resume"):
            done = fleet.hvgpu(*SET, "--jobs", "1", nodes=NODES,
                               env=fleet.fault(mode, 1, "PART-002"))
            must_be(done.returncode, -signal.SIGKILL, mode)
            if end == "resume":
                fleet.must("resume", "--yes")
                must_be(counts(fleet), [4, 4, 16], f"{mode}, resumed")
            undo_all(fleet)
            world.must_be(before, f"{mode}, {end}", LAB)


def test_a_vm_that_takes_a_partition_forbids_it_there_and_the_way_back(world):
    fleet = partition_fleet(world)
    third = NODES[2:]
    fleet.must(*SET, nodes=NODES)
    fleet.must("attach", "part003-vdi", "--gpu", "A2", "--no-drivers", "--yes", nodes=third)
    refused = fleet.hvgpu("partition", "set", "A2", "--count", "8", "--yes", nodes=NODES)
    must_be(refused.returncode, 1, "while a partition is assigned")
    if "part003-vdi (off)" not in refused.stdout:
        raise AssertionError(f"the VM is not named: {refused.stdout}")
    must_be(counts(fleet), [4, 4, 4], "nothing was changed anywhere")
    mine = next(r for r in fleet.history()
                if r["host"] == fleet.name("PART-003") and "partitions" in r["title"])
    back = fleet.hvgpu("undo", mine["id"], "--yes")
    must_be(back.returncode, 1, "undo while a partition is assigned")
    if "'part003-vdi'" not in back.stderr:
        raise AssertionError(f"the VM is not named: {back.stderr}")
    fleet.must("detach", "part003-vdi", "--yes", nodes=third)
    fleet.must("undo", mine["id"], "--yes")
    must_be(counts(fleet), [4, 4, 16], "undone")


def test_stopped_by_ctrl_c_the_host_at_work_is_taken_back_and_no_other_begins(world):
    slow = ("--ephemeral", "--fault", "PART-002:*.Put@1=delay:15000")
    with partition_fleet(world).serving(*slow) as fleet:
        running = fleet.start(*SET, "--jobs", "1", nodes=NODES)
        while len(world.journaled()) < 2:  # until the second host is at work
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        running.stdout.read()
        running.stderr.read()
        must_be(running.wait(60), 4, "stopped")
        must_be(counts(fleet), [4, 16, 16], "stopped")
        must_be(sorted(r["state"] for r in fleet.history()), ["done", "undone"], "runs")


if __name__ == "__main__":
    scenario.main(globals())

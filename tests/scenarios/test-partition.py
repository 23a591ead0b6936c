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
from scenario import must

LAB = str(scenario.SOURCE / "tests/scenarios/partition.yaml")
NODES = ["PART-001", "PART-002", "PART-003"]
SET = ("partition", "set", "A2", "--count", "4", "--yes")
CHANGES_MAX = 9


def hosts(nodes=NODES):
    return [word for node in nodes for word in ("-H", f"sim:{LAB}:{node}")]


def run(world, *args, env=None):
    return world.hvgpu(*hosts(), *args, host=None, env=env)


def counts(world):
    listed = json.loads(must(run(world, "gpu", "list", "--json")).stdout)
    return [gpu["partition_count"] for host in listed["hosts"] for gpu in host["gpus"]]


def must_be(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found}, not {wanted}")


def history(world):
    return json.loads(must(world.hvgpu("history", "--json", host=None)).stdout)["runs"]


def undo_all(world):
    """Every run that is not undone, newest first."""
    for entry in history(world):
        if entry["state"] != "undone":
            must(world.hvgpu("undo", entry["id"], "--yes", host=None), f"undo {entry['id']}")


def test_all_are_set_read_back_and_taken_back(world):
    before = world.dump(LAB)
    done = must(run(world, *SET))
    must_be(counts(world), [4, 4, 4], "after set")
    for node in NODES:
        if f"{node}: Done." not in done.stdout:
            raise AssertionError(f"{node} is not said to be done: {done.stdout}")
    must_be(must(run(world, *SET)).stdout.count("nothing to do"), 3, "a second time")
    undo_all(world)
    world.must_be(before, "after undo", LAB)


def test_one_node_breaks_and_the_others_finish(world):
    for mode in ("fail-before", "fail-after"):
        for n in range(1, CHANGES_MAX):
            done = run(world, *SET, "--json", env={"HVGPU_FAULT": f"{mode}:{n}@PART-002"})
            document = json.loads(done.stdout)
            if done.returncode == 0:
                break
            must_be(done.returncode, 4, f"{mode}:{n}")
            must_be(counts(world), [4, 16, 4], f"{mode}:{n}")
            must_be([host["error"] is None for host in document["hosts"]], [True, False, True],
                    f"{mode}:{n}: errors")
            must_be([f["id"] for f in document["findings"]], ["partition-counts-differ"],
                    f"{mode}:{n}: findings")
            undo_all(world)
            must_be(counts(world), [16, 16, 16], f"{mode}:{n} undone")
        else:
            raise AssertionError(f"{mode}: no end")
        must_be(n > 1, True, f"{mode}: some change was broken")
        undo_all(world)


def test_killed_on_one_node_it_is_finished_or_taken_back(world):
    before = world.dump(LAB)
    for mode in ("kill-before", "kill-after"):
        for way in ("undo", "resume"):
            done = run(world, *SET, "--jobs", "1", env={"HVGPU_FAULT": f"{mode}:1@PART-002"})
            must_be(done.returncode, -signal.SIGKILL, mode)
            if way == "resume":
                must(world.hvgpu("resume", "--yes", host=None))
                must_be(counts(world), [4, 4, 16], f"{mode}, resumed")
            undo_all(world)
            world.must_be(before, f"{mode}, {way}", LAB)


def test_a_vm_that_takes_a_partition_forbids_it_there_and_the_way_back(world):
    host = f"sim:{LAB}:PART-003"
    must(run(world, *SET))
    must(world.hvgpu("attach", "part003-vdi", "--gpu", "A2", "--no-drivers", "--yes", host=host))
    refused = run(world, "partition", "set", "A2", "--count", "8", "--yes")
    must_be(refused.returncode, 1, "while a partition is assigned")
    if "part003-vdi (off)" not in refused.stdout:
        raise AssertionError(f"the VM is not named: {refused.stdout}")
    must_be(counts(world), [4, 4, 4], "nothing was changed anywhere")
    mine = next(r for r in history(world) if "PART-003" in r["host"] and "partitions" in r["title"])
    back = world.hvgpu("undo", mine["id"], "--yes", host=None)
    must_be(back.returncode, 1, "undo while a partition is assigned")
    if "'part003-vdi'" not in back.stderr:
        raise AssertionError(f"the VM is not named: {back.stderr}")
    must(world.hvgpu("detach", "part003-vdi", "--yes", host=host))
    must(world.hvgpu("undo", mine["id"], "--yes", host=None))
    must_be(counts(world), [4, 4, 16], "undone")


def test_stopped_by_ctrl_c_the_host_at_work_is_taken_back_and_no_other_begins(world):
    world.hosts_of = lambda lab: 4
    with world.serve(LAB, "--ephemeral", "--fault", "PART-002:*.Put@1=delay:5000") as server:
        urls = [server.hosts[node] for node in NODES]
        words = [word for url in urls for word in ("-H", url)] + server.login
        running = world.start(*words, *SET, "--jobs", "1", host=None)
        while len(history(world)) < 2:  # until the second host is at work
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        running.stdout.read()
        running.stderr.read()
        must_be(running.wait(60), 4, "stopped")
        listed = json.loads(must(world.hvgpu(*words, "gpu", "list", "--json", host=None)).stdout)
        must_be([gpu["partition_count"] for host in listed["hosts"] for gpu in host["gpus"]],
                [4, 16, 16], "stopped")
        must_be(sorted(r["state"] for r in history(world)), ["done", "undone"], "runs")


if __name__ == "__main__":
    scenario.main(globals())

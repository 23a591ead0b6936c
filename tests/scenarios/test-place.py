#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Partitions are placed in a cluster whose first node is full: by partition place, which attaches
where that is all there is to do and says what the cluster has to do, and by attach -H auto, which
has the VM moved when it is told to.

usage: test-place.py HVGPU HVGPU-SIM [NAME...]      (see scenario.py)
"""

import json

import scenario
from scenario import must

LAB = str(scenario.SOURCE / "tests/scenarios/place.yaml")
ALL = ("-H", f"sim:{LAB}")


def node(name):
    return f"sim:{LAB}:{name}"


def place(world, *args, status=0):
    done = world.hvgpu(*ALL, "partition", "place", "--no-drivers", "--json", *args, host=None)
    if done.returncode != status:
        raise AssertionError(f"status {done.returncode}, not {status}: {done}")
    return json.loads(done.stdout)


def vms(document):
    return {vm["vm"]: vm for vm in document["vms"]}


def findings(document):
    return {finding["id"]: finding for finding in document["findings"]}


def must_be(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found}, not {wanted}")


def test_vms_that_are_off_count_and_one_is_too_many(world):
    """Off with an adapter that names no GPU: they want a partition when they start."""
    found = place(world)
    must_be((found["verdict"], len(found["vms"])), ("safe", 6), "now")
    must_be({vm["host"] for name, vm in vms(found).items() if name.startswith("off")},
            {node("BUSY")}, "off")
    must_be(place(world, "home", "-n")["verdict"], "safe", "EMPTY has four")
    must(world.hvgpu("partition", "set", "A2", "--count", "2", "-y", host=node("EMPTY")))
    found = place(world, "home", "-n", status=3)
    must_be(found["verdict"], "impossible", "EMPTY has two")
    must_be([host["plan"] for host in found["hosts"]], [None] * 3, "nothing is planned")
    must(world.hvgpu("undo", "-y", host=None))


def test_what_it_can_do_it_does_and_takes_back(world):
    before = world.dump(LAB)
    dry = place(world, "home", "-n")
    must_be([host["plan"] is not None for host in dry["hosts"]], [False, False, True], "plans")
    must_be(world.hvgpu(*ALL, "partition", "place", "--no-drivers", "home", host=None).returncode,
            2, "not confirmed")
    world.must_be(before, "not confirmed", LAB)
    done = place(world, "home", "-y")
    must_be(done["hosts"][2]["plan"]["steps"][-1]["state"], "done", "carried out")
    shown = world.json("vm", "show", "home", host=node("EMPTY"))["hosts"][0]["vms"][0]
    # A role takes any of like GPUs: it names none, so that it starts on any node.
    must_be([adapter["interface_path"] for adapter in shown["adapters"]], [None], "home")
    must_be(vms(place(world, "home"))["home"]["action"], "stay", "again")
    must(world.hvgpu("undo", "-y", host=None))
    world.must_be(before, "undone", LAB)


def test_moves_are_the_clusters(world):
    before = world.dump(LAB)
    found = place(world, "roams", "-y")
    roams = vms(found)["roams"]
    must_be((roams["action"], roams["by"], found["verdict"]),
            ("move-and-attach", "cluster", "safe"), "roams")
    if not roams["command"].startswith("Move-ClusterVirtualMachineRole -Name 'roams' -Node '"):
        raise AssertionError(roams["command"])
    must_be([host["plan"] for host in found["hosts"]], [None] * 3, "no plan")
    # EMPTY has more left, and BUSY is where this one should rather be.
    must_be((roams["to"], vms(place(world, "likes"))["likes"]["to"]),
            (node("EMPTY"), node("BUSY")), "preferred")
    world.must_be(before, "nothing is moved", LAB)


def test_possible_owners_are_all_there_is(world):
    # FULL and EMPTY may own it: if EMPTY fails, FULL has no room.
    found = place(world, "wants", status=3)
    must_be((found["verdict"], vms(found)["wants"]["to"]), ("impossible", node("EMPTY")), "wants")
    must_be(findings(found)["place-lost"]["evidence"], ["wants"], "lost")


def test_what_is_no_role_stays_and_wants_no_second_place(world):
    found = place(world, "alone", status=3)
    must_be(vms(found)["alone"]["action"], "nowhere", "its node is full")
    must(world.hvgpu("detach", "has004", "--no-drivers", "--force-stop", "-y", host=node("FULL")))
    found = place(world, "alone", "-n")
    must_be((found["verdict"], vms(found)["alone"]["to"]), ("safe", node("FULL")), "alone")
    must_be(findings(found)["place-no-role"]["evidence"], ["alone"], "said")
    must(world.hvgpu("undo", "-y", host=None))


def test_nobody_who_answers_is_no_safety(world):
    done = world.hvgpu("-H", "http://127.0.0.1:1/wsman", "--user", "x", "partition", "place",
                       "--json", host=None)
    must_be((done.returncode, json.loads(done.stdout)["verdict"]), (1, None), "no host")


def attach(world, vm, *args, env=None):
    return world.hvgpu("-H", node("BUSY"), "-H", "auto", "attach", vm, "--no-drivers", *args,
                       host=None, env=env)


def refused(done, *texts):
    must_be(done.returncode, 1, "refused")
    for text in texts:
        if text not in done.stderr:
            raise AssertionError(f"'{text}' is not in: {done.stderr}")


def test_auto_says_where_a_full_nodes_vm_would_fit(world):
    before = world.dump(LAB)
    refused(attach(world, "roams", "-y"), "has VM 'roams' and no partition left for it", "--move",
            "Move-ClusterVirtualMachineRole -Name 'roams' -Node 'EMPTY'")
    refused(attach(world, "likes", "-y"), "-Name 'likes' -Node 'BUSY'")
    refused(attach(world, "wants", "-y"), f"there is one on {node('EMPTY')}\n")
    refused(attach(world, "alone", "-y"), "is no role of a cluster")
    refused(attach(world, "roams", "--vram", "8G", "-y"),
            "none of the 3 nodes that may have VM 'roams' has a partition of at least 8 GB: "
            "the largest have 4 GB")
    must_be(attach(world, "roams", "--vram", "much").returncode, 2, "no size")
    must_be(world.hvgpu("attach", "roams", "--move", "-y", host=node("FULL")).returncode, 2,
            "--move without a choice")
    world.must_be(before, "nothing was done", LAB)
    # Its own node does, so nothing is moved.
    plan = json.loads(must(attach(world, "home", "--move", "-n", "--json")).stdout)["plan"]
    must_be((plan["host"], plan["steps"][0]["kind"]), (node("EMPTY"), "vm-settings"), "home")


def test_a_node_that_takes_no_other_vms_place_is_better(world):
    """FULL's VMs need the large partitions of BUSY; those of EMPTY are too small for them."""
    must(world.hvgpu("partition", "set", "A2", "--count", "8", "-y", host=node("EMPTY")))
    refused(attach(world, "extra", "-y"), f"with one of {node('EMPTY')} they would",
            "name its own node with -H")
    found = place(world, "extra", status=3)
    must_be(found["verdict"], "impossible", "FULL's VMs have no place anyway")
    # Where none is better, it says so and goes on.
    plan = json.loads(must(attach(world, "extra", "--vram", "4G", "-n", "--json")).stdout)["plan"]
    must_be((plan["host"], "attach-unsafe" in {f["id"] for f in plan["findings"]}),
            (node("BUSY"), True), "all the same")
    must(world.hvgpu("undo", "-y", host=None))


def test_the_cluster_moves_it_and_it_is_taken_back(world):
    before = world.dump(LAB)
    plan = json.loads(must(attach(world, "roams", "--move", "-y", "--json")).stdout)["plan"]
    must_be((plan["host"], plan["steps"][0]["kind"], plan["steps"][0]["after"]),
            (node("EMPTY"), "cluster-owner", {"owner_node": "EMPTY"}), "first step")
    shown = world.json("vm", "show", "roams", host=node("EMPTY"))["hosts"][0]["vms"][0]
    must_be((shown["cluster"]["owner_node"], len(shown["adapters"])), ("EMPTY", 1), "moved")
    must(world.hvgpu("undo", "-y", host=None))
    world.must_be(before, "undone", LAB)
    # Killed when it has moved, and when it has its settings: taken back, and finished.
    for fault, end in (("kill-after:1", "undo"), ("kill-before:3", "resume"),
                       ("fail-after:1", None)):
        if attach(world, "roams", "--move", "-y", env={"HVGPU_FAULT": fault}).returncode == 0:
            raise AssertionError(f"{fault} did not break it")
        if end:
            must(world.hvgpu(end, "-y", host=None), f"{end} after {fault}")
        if end == "resume":
            must(world.hvgpu("undo", "-y", host=None))
        world.must_be(before, f"after {fault}", LAB)


def test_a_vm_that_runs_is_not_moved(world):
    must(world.hvgpu("detach", "has001", "--no-drivers", "--force-stop", "-y", host=node("FULL")))
    must(world.hvgpu("-H", node("FULL"), "attach", "wants", "--no-drivers", "-y", host=None))
    done = attach(world, "has001", "--move", "-y")
    refused(done, "has VM 'has001' and no partition left for it", "move it first: Move-Cluster")


scenario.main(globals())

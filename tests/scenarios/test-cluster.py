#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A failover cluster reached over the network: all nodes from the cluster's name or one node's,
by an inventory that knows the way to each; nodes that are down or cannot be reached; and a run
that is taken back on the node the VM is on now."""

import socket
import subprocess
import time

import scenario
from scenario import must

VM = "node002-design-001"
FULL = ".lab.example"


def inventory(world, server, more="", names=("NODE001", "NODE002", "NODE003")):
    """Nodes by their whole names, and the cluster's own name, which leads to the first of them."""
    lines = ["defaults:", "  user: admin", f"  password_file: {server.password_file}",
             "  auth: basic", "hosts:",
             f"  gpucluster: {{ url: '{server.hosts['NODE001']}', cluster: true }}"]
    lines += [f"  {name.lower()}{FULL}: {{ url: '{server.hosts[name]}' }}" for name in names]
    path = world.dir / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n" + more)
    return ["--inventory", str(path)]


def hosts_of(document):
    return {host["host"]: host for host in document["hosts"]}


def offline_action(world, where, node, vm=VM):
    shown = world.json(*where, "-H", f"{node}{FULL}", "vm", "show", vm, host=None)
    return shown["hosts"][0]["vms"][0]["cluster"]["offline_action"]


def test_the_clusters_own_name_stands_for_its_nodes(world):
    with world.serve("cluster") as server:
        where = inventory(world, server)
        found = hosts_of(world.json(*where, "-H", "gpucluster", "vm", "list", host=None))
        assert sorted(found) == [f"node00{n}{FULL}" for n in (1, 2, 3)], sorted(found)
        for name, host in found.items():
            owners = {vm["name"][:7] for vm in host["vms"]}
            assert owners == {name[:7]}, (name, owners)


def test_one_node_stands_for_all_and_keeps_its_way(world):
    with world.serve("cluster") as server:
        where = inventory(world, server)
        found = hosts_of(world.json(*where, "-H", f"node002{FULL}", "--cluster", "gpu", "list",
                                    host=None))
        assert sorted(found) == [f"node00{n}{FULL}" for n in (1, 2, 3)], sorted(found)
        # Named twice it is looked at once.
        again = hosts_of(world.json(*where, "-H", f"node002{FULL}", "-H", f"node001{FULL}",
                                    "--cluster", "gpu", "list", host=None))
        assert sorted(again) == sorted(found)


def test_two_names_of_one_cluster_are_one_question(world):
    with world.serve("cluster") as server:
        where = inventory(world, server)
        done = must(world.hvgpu(*where, "-v", "-H", f"node002{FULL}", "-H", "gpucluster", "-H",
                                f"node001{FULL}", "--cluster", "gpu", "list", host=None))
        asked = [line for line in done.stderr.splitlines() if "FROM MSCluster_Cluster" in line]
        assert len(asked) == 1, asked
        assert "gpucluster" not in done.stdout, done.stdout


def test_names_that_do_not_answer_are_waited_for_together(world):
    silent = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
    try:
        hosts = [f"http://127.0.0.1:{one.getsockname()[1]}/wsman" for one in silent]
        password = world.dir / "password"
        password.touch(0o600)
        password.write_text("x")
        begun = time.monotonic()
        done = world.hvgpu(*[word for host in hosts for word in ("-H", host)], "--cluster",
                           "--user", "x", "--auth", "negotiate", "--password-file", str(password),
                           "--timeout", "1", "vm", "list", host=None)
        assert done.returncode == 1 and done.stderr.count("no answer in time") == 6, done
        # One waits alone, the other five together, and all of them once more to be listed.
        assert time.monotonic() - begun < 5.5, done
    finally:
        for one in silent:
            one.close()


def test_attach_finds_the_node_and_undo_finds_it_again(world):
    with world.serve("cluster") as server:
        where = inventory(world, server)
        assert offline_action(world, where, "node002") == "save"
        must(world.hvgpu(*where, "-H", f"node001{FULL}", "-H", "auto", "attach", VM,
                         "--no-drivers", "-y", host=None))
        assert offline_action(world, where, "node002") == "force-shutdown"
        runs = world.json("history", host=None)["runs"]
        assert runs[0]["host"] == f"node002{FULL}", runs[0]
        must(world.hvgpu(*where, "undo", "-y", host=None))
        assert offline_action(world, where, "node002") == "save"


def test_detach_leaves_alone_what_others_changed(world):
    """The former offline action comes back only if hvgpu's change was the last."""
    with world.serve("cluster") as server:
        where = inventory(world, server)
        vdi = "node003-vdi-001"
        before = offline_action(world, where, "node003", vdi)
        assert before == "force-shutdown"  # as the lab has it: not by hvgpu
        must(world.hvgpu(*where, "-H", "gpucluster", "--cluster", "detach", vdi, "--no-drivers",
                         "--stop", "-y", host=None))
        assert offline_action(world, where, "node003", vdi) == before


def test_a_node_without_a_way_to_it_is_one_error(world):
    with world.serve("cluster") as server:
        where = inventory(world, server, names=("NODE001", "NODE003"))
        done = world.hvgpu(*where, "-H", f"node001{FULL}", "--cluster", "--timeout", "5", "--json",
                           "vm", "list", host=None)
        assert done.returncode == 4, done
        found = hosts_of(scenario.json.loads(done.stdout))
        assert len(found) == 3, sorted(found)
        failed = [name for name, host in found.items() if host["error"]]
        assert [name.lower() for name in failed] == [f"node002{FULL}"], failed


def test_a_node_that_is_down_is_said_to_be_and_its_vm_taken_back_elsewhere(world):
    if scenario.way.HERE.is_windows:
        raise scenario.Skip("hvgpu.exe has no simulator in it")
    lab = "sim:cluster-new"
    must(world.hvgpu("attach", "desk002-001", "--no-drivers", "--start", "-y",
                     host=f"{lab}:GPUNODE002"))
    run = world.json("history", host=None)["runs"][0]["id"]
    subprocess.run([world.sim, "fail", "cluster-new", "GPUNODE002"], env=world.env, check=True,
                   capture_output=True)
    done = world.hvgpu("--cluster", "--json", "vm", "list", host=f"{lab}:GPUNODE001")
    assert done.returncode == 4, done
    found = hosts_of(scenario.json.loads(done.stdout))
    error = found[f"{lab}:GPUNODE002"]["error"]
    assert error["kind"] == "unreachable" and "is down" in error["message"], error
    now = [name for name, host in found.items() for vm in host["vms"] or []
           if vm["name"] == "desk002-001"]
    assert len(now) == 1 and now[0] != f"{lab}:GPUNODE002", now
    must(world.hvgpu("undo", run, "-y", host=now[0]))
    shown = world.json("vm", "show", "desk002-001", host=now[0])["hosts"][0]["vms"][0]
    assert shown["adapters"] == [] and shown["cluster"]["offline_action"] == "save", shown


scenario.main(globals())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C, a host that dies, two users at once, disks in use, a state folder that is no use:
nothing is left half done, and what happened is said.

Breaking at every single change is test-broken.py's.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time

import scenario
import way
from scenario import SOURCE, Skip, must

LAB = str(SOURCE / "tests/scenarios/small.yaml")
ATTACH = ["attach", "games", "--gpu", "10de:2860", "--yes"]


def wait_for(process, text):
    """Reads the process's standard output up to a line that has @text."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"'{text}' never came:\n{''.join(seen)}{process.stderr.read()}")


def rest_of(process):
    out, err = process.communicate(timeout=scenario.SECONDS_MAX)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def port_of(server):
    return int(re.search(r":(\d+)/", server.url)[1])


def test_ctrl_c_in_the_middle_of_the_copy(world):
    before = world.dump(LAB)
    # A host that takes its time for each command, so that there is a middle.
    with world.serve(LAB, "--fault", "Shell.Command@*=delay:150") as server:
        for step in ("[3/", "[5/"):
            process = world.start(*ATTACH, host=server)
            wait_for(process, step)
            process.send_signal(signal.SIGINT)
            done = rest_of(process)
            assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
            assert "undone" in done.stderr, done.stderr
            errors = [line for line in done.stderr.splitlines() if line.startswith("hvgpu: ")]
            assert len(errors) == 1, done.stderr
            assert set(world.journaled()) == {"undone"}, world.journaled()
    world.must_be(before, "after Ctrl-C", LAB)


def test_ctrl_c_again_while_it_is_taken_back(world):
    """That stops, too; what is left is in the journal, and the next undo finds it."""
    before = world.dump(LAB)
    with world.serve(LAB, "--fault", "Shell.Command@*=delay:300") as server:
        process = world.start(*ATTACH, host=server)
        wait_for(process, "[5/")
        process.send_signal(signal.SIGINT)
        wait_for_state(world, "undoing")
        process.send_signal(signal.SIGINT)
        done = rest_of(process)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert "could not be taken back" in done.stderr, done.stderr
        run = world.json("history", host=None)["runs"][0]
        assert run["state"] == "failed" and f"hvgpu undo {run['id']}" in done.stderr, (run, done)
    assert world.dump(LAB) != before, "it was stopped too late to leave anything"
    with world.serve(LAB, port=port_of(server)) as again:
        must(world.hvgpu("undo", run["id"], "--yes", *again.login, host=None))
    world.must_be(before, "after undo", LAB)


def test_ctrl_c_while_a_job_hangs(world):
    before = world.dump(LAB)
    with world.serve(LAB, "--fault", "*.AddResourceSettings@1=job-hang") as server:
        process = world.start(*ATTACH, host=server)
        wait_for(process, "[17/")
        time.sleep(1)  # let it wait for the job
        process.send_signal(signal.SIGINT)
        done = rest_of(process)
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert "undone" in done.stderr, done.stderr
    world.must_be(before, "after Ctrl-C", LAB)


def test_the_host_dies_and_comes_back(world):
    """Its power fails in the middle; hvgpu cannot take anything back until it is there again."""
    before = world.dump(LAB)
    for step, command in (("[4/", "undo"), ("[17/", "undo"), ("[6/", "resume")):
        server = world.serve(LAB, "--fault", "Shell.Command@*=delay:100",
                             "--fault", "*.AddResourceSettings@1=delay:500")
        process = world.start(*ATTACH, "--timeout", "5", host=server)
        wait_for(process, step)
        server.end(signal.SIGKILL)
        done = rest_of(process)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert "undo" in done.stderr, done.stderr
        with world.serve(LAB, port=port_of(server)) as again:
            history = world.json("history", host=None)
            assert history, history
            must(world.hvgpu(command, "--yes", *again.login, host=None), command)
            if command == "resume":
                must(world.hvgpu("undo", "--yes", *again.login, host=None))
        world.must_be(before, f"after {command}", LAB)


def test_two_hvgpu_at_once_on_one_vm(world):
    before = world.dump(LAB)
    with world.serve(LAB) as server:
        both = [world.start(*ATTACH, host=server) for _ in range(2)]
        ends = [rest_of(process) for process in both]
        assert 0 in [e.returncode for e in ends], ends
        for end in ends:
            if end.returncode != 0:  # it waited, and found another state than it had planned for
                assert end.returncode == 1 and "hvgpu: " in end.stderr, end
        vm = [v for h in world.json("vm", "list", host=server)["hosts"] for v in h["vms"]][0]
        assert len(vm["adapters"]) == 1, vm
        runs = world.json("history", host=None)["runs"]
        done = [run["id"] for run in runs if run["state"] == "done"]
        assert len(done) == 1, runs
        assert all(run["state"] == "undone" for run in runs if run["id"] != done[0]), runs
        must(world.hvgpu("undo", *done, "--yes", *server.login, host=None))
    world.must_be(before, "after two at once", LAB)


def wait_for_state(world, state):
    """Until the newest run has it."""
    until = time.monotonic() + 60
    while world.journaled()[:1] != [state]:
        if time.monotonic() > until:
            raise AssertionError(f"no run is {state}: {world.journaled()}")
        time.sleep(0.02)


def test_killed_while_it_looks_at_the_disk(world):
    """The disk is attached, the looking was under way: the next one clears it away by itself."""
    before = world.dump(LAB)
    with world.serve(LAB, "--fault", "Shell.Command@*=delay:100") as server:
        dead = world.start(*ATTACH, host=server)
        wait_for_state(world, "done")
        dead.kill()
        rest_of(dead)
        left = world.json("history", host=None)["runs"]
        assert len(left) == 1 and left[0]["title"].startswith("look at the disk"), left
    assert world.dump(LAB) != before, "it was killed too late to leave anything"
    with world.serve(LAB) as server:
        must(world.hvgpu(*ATTACH, host=server))
        must(world.hvgpu("undo", "--yes", *server.login, host=None))
    world.must_be(before, "after a killed look", LAB)


def killed_with_a_hive_loaded(world, *args, port=0):
    """Kills hvgpu while it reads a guest's registry: a copy of it stays loaded.  On a busy
    machine the kill may come too late; then once more."""
    for _ in range(8):
        with world.serve(LAB, "--fault", "Shell.Command@*=delay:200", port=port) as server:
            process = world.start("-v", *args, host=server)
            for line in process.stderr:
                if "run reg load" in line:
                    break
            process.kill()
            rest_of(process)
        if "loaded " in world.dump(LAB):
            return server
        with world.serve(LAB, port=port_of(server)) as again:
            world.hvgpu("undo", "--yes", *again.login, host=None)
    raise AssertionError("it was always killed too late to leave anything")


def test_killed_while_it_reads_the_guests_registry(world):
    """A loaded hive holds disk and folder; no step had begun that would open the guest again."""
    before = world.dump(LAB)
    killed_with_a_hive_loaded(world, *ATTACH)
    with world.serve(LAB) as server:
        must(world.hvgpu(*ATTACH, host=server))
        must(world.hvgpu("undo", "--yes", *server.login, host=None))
    world.must_be(before, "after a look that was killed reading", LAB)
    with world.serve(LAB, port=port_of(server)) as server:
        must(world.hvgpu("attach", "games", "--gpu", "10de:2860", "--no-drivers", "--start",
                         "--yes", host=server))
    # The same within a plan that looks when it has stopped the VM.
    running = world.dump(LAB)
    server = killed_with_a_hive_loaded(world, "driver", "sync", "games", "--stop", "--yes",
                                       port=port_of(server))
    with world.serve(LAB, port=port_of(server)) as server:
        must(world.hvgpu("undo", "--yes", *server.login, host=None))
    world.must_be(running, "after a sync that was killed reading", LAB)


def test_a_disk_that_another_program_attached(world):
    """Another user's hvgpu died with the disk attached: this one must not touch it."""
    before = world.dump(LAB)
    other = world.other_user()
    with world.serve(LAB) as server:
        dead = other.start(*ATTACH, host=server)
        wait_for(dead, "[4/")
        dead.kill()
        rest_of(dead)
        done = world.hvgpu(*ATTACH, host=server)
        assert done.returncode == 1, done
        assert len(done.stderr.splitlines()) <= 2, done.stderr
        must(other.hvgpu("undo", "--yes", *server.login, host=None))
    world.must_be(before, "after the other's undo", LAB)


def test_a_local_disk_that_is_in_use(world):
    world.dump(LAB)
    name = sorted((world.dir / "state/hvgpu/labs").iterdir())[0].name
    drive = next((world.dir / "state/hvgpu/labs" / name.removesuffix(".lock")).glob("*/C"))
    disk = world.dir / "copy.vhdx"
    shutil.copyfile(drive / "VMs/games/games.vhdx", disk)
    content = disk.read_bytes()
    inject = ["driver", "inject", "--disk", str(disk), "--from", str(drive), "--gpu",
              "10de:2860", "--yes"]
    with somebody_has_open(disk):
        done = world.hvgpu(*inject, host=None)
        assert done.returncode == 1, done
        assert "use" in done.stderr or "lock" in done.stderr, done.stderr
        assert disk.read_bytes() == content
    must(world.hvgpu(*inject, host=None))
    assert disk.read_bytes() != content


def somebody_has_open(disk):
    if way.HERE.is_windows:
        return way.HERE.hold(str(disk))
    file = open(disk, "r+b")
    # As QEMU locks what it has open.
    fcntl.fcntl(file, 37, bytes_of_flock())  # F_OFD_SETLK
    return file


def bytes_of_flock():
    """struct flock of Linux on 64 bits: a write lock on the whole file."""
    import struct
    return struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def test_a_state_folder_that_is_no_use(world):
    before = world.dump(LAB)
    with world.serve(LAB) as server:
        blocked = world.dir / "a-file"
        blocked.write_text("x")
        for state in (str(blocked), "/proc/1/nothing", "/dev/null/x"):
            done = world.hvgpu(*ATTACH, host=server, env={"XDG_STATE_HOME": state})
            assert done.returncode == 1 and way.HERE.path(state) in done.stderr, (state, done)
            assert len(done.stderr.splitlines()) <= 2, done.stderr
    world.must_be(before, "after no state folder", LAB)


def test_a_state_folder_that_is_full(world):
    """Full before the first change: nothing is changed.  Full in the middle: it says that it
    could not take everything back, and can when there is room again."""
    if way.HERE.is_windows:
        raise Skip("a file system that only this test sees is not seen by Wine's server")
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise Skip("needs root, to mount a small file system")
    before = world.dump(LAB)
    small = world.dir / "small"
    small.mkdir()
    kept = world.dir / "kept"
    with world.serve(LAB) as server:
        for size in (40, 64, 80, 104, 112, 120, 128):
            script = (f'mount -t tmpfs -o size={size}k none "{small}" || exit 99; "$@"; end=$?; '
                      f'rm -rf "{kept}"; cp -r "{small}" "{kept}"; exit $end')
            done = subprocess.run(
                ["unshare", "-m", "sh", "-c", script, "sh", *world.command(ATTACH, server)],
                env={**world.env, "XDG_STATE_HOME": str(small)}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=scenario.SECONDS_MAX, check=False)
            if done.returncode == 99 or "unshare:" in done.stderr:
                raise Skip("no file system can be mounted here")
            errors = [x for x in done.stderr.splitlines() if x.startswith("hvgpu: ")]
            assert done.returncode == 0 or len(errors) == 1 and "full" in errors[0], done
            if done.returncode == 0 or "not everything" in errors[0]:
                roomy = world.hvgpu("undo", "--yes", *server.login, host=None,
                                    env={"XDG_STATE_HOME": str(kept)})
                must(roomy, f"undo after {size} KiB: {done.stderr}")
            if done.returncode == 0:
                break
    world.must_be(before, "after a full state folder", LAB)


def test_a_damaged_journal(world):
    before = world.dump(LAB)
    must(world.hvgpu(*ATTACH, host=f"sim:{LAB}"))
    must(world.hvgpu("undo", "--yes", host=None))
    journal = world.dir / "state/hvgpu/journal.db"
    good = journal.read_bytes()
    for name, bad in (("garbage", b"garbage " * 1000), ("cut", good[:len(good) // 2 + 7]),
                      ("holes", good[:100] + b"\xff" * 3000 + good[3100:])):
        journal.write_bytes(bad)
        for suffix in ("-wal", "-shm"):
            (journal.parent / f"journal.db{suffix}").unlink(missing_ok=True)
        for command in (ATTACH, ["history"], ["undo", "--yes"]):
            done = world.hvgpu(*command, host=f"sim:{LAB}" if command is ATTACH else None)
            if name != "cut" or done.returncode != 0:
                assert done.returncode == 1, (name, done)
                assert "journal" in done.stderr, (name, done)
                assert len(done.stderr.splitlines()) <= 2, done.stderr
        assert journal.exists(), "what cannot be read is still evidence"
    world.must_be(before, "after a damaged journal", LAB)


scenario.main(globals())

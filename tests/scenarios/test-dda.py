#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A card goes to a VM and comes back, a hundred times, broken and killed at every change, and is
never lost; what is left in between comes home.

usage: test-dda.py HVGPU HVGPU-SIM [NAME...]      (see scenario.py)

HVGPU_DDA_TRIPS: round trips instead of a hundred; HVGPU_DDA_EVERY: only each so-manieth change
is broken, which is for every-day testing.
"""

import base64
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

import scenario
from scenario import must

LAB = str(scenario.SOURCE / "tests/scenarios/dda.yaml")
HOST = f"sim:{LAB}"
TRIPS = int(os.environ.get("HVGPU_DDA_TRIPS", "100"))
EVERY = int(os.environ.get("HVGPU_DDA_EVERY", "1"))
CHANGES_MAX = 60
# What is new each time: the GUID of an entry in a VM.
ENTRY = re.compile(r"(Microsoft:[0-9A-F-]{36}\\+)[0-9A-F]{8}-[0-9A-F-]{27}", re.I)
ENTRY_ID = re.compile(r"\{[0-9A-F]{8}-[0-9A-F-]{27}\}", re.I)
ASSIGN = ("dda", "assign", "compute", "--gpu", "A16", "--yes")
RETURN = ("dda", "return", "--gpu", "A16", "--yes")


def state(world):
    """Where each device is: {instance id: (state, [VMs])}."""
    listed = world.json("dda", "list", host=HOST)["hosts"][0]["devices"]
    return {d["instance_id"]: (d["state"], sorted(u["vm"] or u["vm_id"] for u in d["assigned_to"]))
            for d in listed}


def all_home(world, what):
    away = {k: v for k, v in state(world).items() if v != ("host", []) and v[0] != "phantom"}
    if away:
        raise AssertionError(f"{what}: not at home: {away}")


def dump(world):
    """Objects in an order that does not depend on the GUIDs that are new each time."""
    text = ENTRY_ID.sub("{NEW}", ENTRY.sub(r"\1NEW", world.dump(LAB)))
    return "".join(sorted(re.split(r"^(?=\S)", text, flags=re.M)))


def must_be(world, before, what):
    now = dump(world)
    if now != before:
        raise AssertionError(f"{what}: the host is not as it should be\n"
                             f"{scenario.difference(before, now)}")


def used(world):
    """The dump of a host whose card has been away once: that leaves phantoms."""
    must(world.hvgpu(*ASSIGN, host=HOST))
    must(world.hvgpu(*RETURN, host=HOST))
    return dump(world)


def was_killed(done):
    return done.returncode == -signal.SIGKILL


def faults(mode):
    """HVGPU_FAULT for each change in turn, a sample of them if so wanted."""
    for n in range(1, CHANGES_MAX):
        if n % EVERY == (len(mode) % EVERY):
            yield {"HVGPU_FAULT": f"{mode}:{n}"}, n
    raise AssertionError(f"{mode}: no end")


def test_a_hundred_times_there_and_back(world):
    """Back by return, and every third time by undo; all of it against one simulator."""
    with world.serve(LAB) as server:
        before = state_of(world, server)
        for trip in range(TRIPS):
            must(world.hvgpu(*ASSIGN, host=server), f"assign {trip}")
            if trip % 10 == 0:
                there = state_of(world, server)
                if [v for v in there.values() if v != ("host", [])] != [("assigned", ["compute"])] * 2:
                    raise AssertionError(f"trip {trip}: {there}")
            must(world.hvgpu(*(("undo", "--yes") if trip % 3 == 2 else RETURN), host=server),
                 f"back {trip}")
            if trip % 10 == 0 and state_of(world, server) != before:
                raise AssertionError(f"trip {trip}: {state_of(world, server)}")
        if state_of(world, server) != before:
            raise AssertionError(f"after {TRIPS} trips: {state_of(world, server)}")
        vm = world.json("vm", "show", "compute", host=server)["hosts"][0]["vms"][0]
        settings = (vm["stop_action"], vm["checkpoint_type"], vm["guest_controlled_cache"],
                    vm["low_mmio_bytes"], vm["high_mmio_bytes"])
        if settings != ("save", "production", False, 128 << 20, 512 << 20):
            raise AssertionError(f"the VM's settings are not as before: {settings}")


def state_of(world, server):
    listed = world.json("dda", "list", host=server)["hosts"][0]["devices"]
    return {d["instance_id"]: (d["state"], sorted(u["vm"] for u in d["assigned_to"]))
            for d in listed if d["state"] != "phantom"}


def broken(world, mode, do, undo_first):
    """Runs @do with each change failing; afterwards all is as before, or the run succeeded."""
    before = used(world)
    if undo_first:
        must(world.hvgpu(*ASSIGN, host=HOST))
        before = dump(world)
    count = 0
    for env, n in faults(mode):
        done = world.hvgpu(*do, host=HOST, env=env)
        if done.returncode == 0:
            must(world.hvgpu("undo", "--yes", host=None))
            must_be(world, before, f"undo behind change {n}")
            break
        if "could not be undone" in done.stderr or "could not be taken back" in done.stderr:
            raise AssertionError(f"change {n}: {done.stdout}{done.stderr}")
        must_be(world, before, f"{mode}:{n}")
        count += 1
    if count < 6 // EVERY:
        raise AssertionError(f"only {count} changes")


def test_assign_that_fails_before_any_change_takes_all_back(world):
    broken(world, "fail-before", ASSIGN, False)


def test_assign_that_loses_any_answer_takes_all_back(world):
    broken(world, "fail-after", ASSIGN, False)


def test_return_that_fails_before_any_change_takes_all_back(world):
    broken(world, "fail-before", RETURN, True)


def test_return_that_loses_any_answer_takes_all_back(world):
    broken(world, "fail-after", RETURN, True)


def killed(world, mode, do, prepare):
    """Runs @do killed at each change: undo takes it back, and of another one resume finishes it."""
    used(world)
    if prepare:
        must(world.hvgpu(*prepare, host=HOST))
    before = dump(world)
    must(world.hvgpu(*do, host=HOST))
    after = dump(world)
    must(world.hvgpu("undo", "--yes", host=None))
    must_be(world, before, "undo of the whole")
    for env, n in faults(mode):
        done = world.hvgpu(*do, host=HOST, env=env)
        if not was_killed(done):
            must(done)
            break
        must(world.hvgpu("undo", "--yes", host=None), f"undo {n}")
        must_be(world, before, f"undo of {mode}:{n}")

        if not was_killed(world.hvgpu(*do, host=HOST, env=env)):
            raise AssertionError(f"{mode}:{n} did not kill twice")
        must(world.hvgpu("resume", "--yes", host=None), f"resume {n}")
        must_be(world, after, f"resume of {mode}:{n}")
        must(world.hvgpu("undo", "--yes", host=None), f"undo {n}")
        must_be(world, before, f"undo of the resumed {mode}:{n}")


def test_assign_killed_at_any_change_is_undone_or_resumed(world):
    killed(world, "kill-after", ASSIGN, None)


def test_assign_killed_before_any_change_is_undone_or_resumed(world):
    killed(world, "kill-before", ASSIGN, None)


def test_return_killed_at_any_change_is_undone_or_resumed(world):
    killed(world, "kill-after", RETURN, ASSIGN)


def test_an_undo_killed_at_any_change_is_undone_by_the_next(world):
    before = used(world)
    for env, n in faults("kill-after"):
        must(world.hvgpu(*ASSIGN, host=HOST))
        done = world.hvgpu("undo", "--yes", host=None, env=env)
        if not was_killed(done):
            must(done)
            break
        must(world.hvgpu("undo", "--yes", host=None), f"undo {n}")
        must_be(world, before, f"undo killed at {n}")


def forget(world):
    """The journal of what was is lost, as if another user's hvgpu had been at work."""
    for path in (world.dir / "state/hvgpu").glob("journal.db*"):
        path.unlink()


def test_recover_brings_home_what_a_killed_run_left_at_any_change(world):
    used(world)
    for do in (ASSIGN, RETURN):
        for env, n in faults("kill-after"):
            if do is RETURN:
                must(world.hvgpu(*ASSIGN, host=HOST))
            forget(world)
            done = world.hvgpu(*do, host=HOST, env=env)
            forget(world)
            found = state(world)
            must(world.hvgpu("dda", "recover", "--yes", host=HOST), f"recover {n}")
            for device, (where, users) in state(world).items():
                if where not in ("host", "phantom", "assigned"):
                    raise AssertionError(f"{do[1]} {n}: {device} was {found[device]}, "
                                         f"is {where} {users}")
            # What a VM has whole is in nobody's way.
            must(world.hvgpu(*RETURN, host=HOST))
            all_home(world, f"{do[1]} {n}")
            if not was_killed(done):
                must(done)
                break


def test_recover_clears_entries_of_a_card_that_was_moved_and_says_where_one_is(world):
    must(world.hvgpu(*ASSIGN, host=HOST))
    must(sim(world, "move", LAB, "NVIDIA A16", "PCIROOT(40)#PCI(0400)#PCI(0000)"), "move")
    gone = [d for d in world.json("dda", "list", host=HOST)["hosts"][0]["devices"]
            if d["state"] == "gone"]
    if [d["moved_to"] for d in gone] != ["PCIROOT(40)#PCI(0400)#PCI(0000)"]:
        raise AssertionError(gone)
    shown = must(world.hvgpu("dda", "recover", "--dry-run", host=HOST)).stdout
    if "may have moved there" not in shown:
        raise AssertionError(shown)
    must(world.hvgpu("dda", "recover", "--yes", host=HOST))
    left = [k for k, v in state(world).items() if v[0] == "gone"]
    if left:
        raise AssertionError(left)
    must(world.hvgpu("dda", "return", "compute", "--yes", host=HOST))
    all_home(world, "after the move")
    must(world.hvgpu(*ASSIGN, host=HOST), "assign from the new place")


def with_line(world, line):
    """A lab like LAB, whose cards have one more line."""
    path = world.dir / "changed.yaml"
    text = pathlib.Path(LAB).read_text("utf-8")
    path.write_text(text.replace("mitigations: true", f"mitigations: true\n        {line}"), "utf-8")
    return str(path)


def test_dynamic_memory_is_off_while_a_vm_has_a_card_and_as_before_afterwards(world):
    path = world.dir / "dynamic.yaml"
    text = pathlib.Path(LAB).read_text("utf-8")
    path.write_text(text.replace("- name: compute\n        memory: 8 GiB", """- name: compute
        memory: 8 GiB
        dynamic_memory: true
        memory_min: 2 GiB
        memory_max: 32 GiB"""), "utf-8")
    lab, host = str(path), f"sim:{path}"
    assign = ("dda", "assign", "compute", "--gpu", "L4", "--yes")

    def memory():
        return re.findall(r"^  (DynamicMemoryEnabled|Reservation|VirtualQuantity|Limit) = "
                          r"(true|2048|8192|32768)$", world.dump(lab), re.M)

    before = memory()
    if len(before) < 4:  # the very text of the dump, or the test compares nothing
        raise AssertionError(before)
    for way_back in (("dda", "return", "compute", "--yes"), ("undo", "--yes")):
        must(world.hvgpu(*assign, host=host))
        if world.json("vm", "show", "compute", host=host)["hosts"][0]["vms"][0]["memory"]["dynamic"]:
            raise AssertionError("its memory is still dynamic")
        must(world.hvgpu(*assign, host=host))  # it is so already
        must(world.hvgpu(*way_back, host=None if way_back[0] == "undo" else host))
        if memory() != before:
            raise AssertionError(f"{way_back}: {before} became {memory()}")
    # Its settings are two changes, each of them broken and killed.
    for mode in ("fail-before", "fail-after", "kill-before", "kill-after"):
        for n in (1, 2, 3):
            done = world.hvgpu(*assign, host=host, env={"HVGPU_FAULT": f"{mode}:{n}"})
            if done.returncode == 0:
                raise AssertionError(f"{mode}:{n} did not happen")
            if was_killed(done):
                must(world.hvgpu("undo", "--yes", host=None))
            if memory() != before:
                raise AssertionError(f"{mode}:{n}: {before} became {memory()}")


def test_a_device_that_only_a_restart_disables_is_told_and_taken_back_after_it(world):
    lab = with_line(world, "disable_reboots: true")
    done = world.hvgpu("dda", "assign", "compute", "--gpu", "L4", "--yes", host=f"sim:{lab}")
    if done.returncode != 1 or "when the host has been restarted" not in done.stderr \
            or "everything was undone" in done.stderr:
        raise AssertionError(done)
    again = world.hvgpu("dda", "assign", "other", "--gpu", "L4", "--yes", host=f"sim:{lab}")
    if again.returncode != 1 or "waits for a restart of the host" not in again.stderr:
        raise AssertionError(again)
    must(sim(world, "reboot", lab), "reboot")
    states = {d["name"]: d["state"]
              for d in world.json("dda", "list", host=f"sim:{lab}")["hosts"][0]["devices"]}
    if states["NVIDIA L4"] != "disabled":
        raise AssertionError(states)
    must(world.hvgpu("undo", "--yes", host=None))
    states = {d["name"]: d["state"]
              for d in world.json("dda", "list", host=f"sim:{lab}")["hosts"][0]["devices"]}
    if states["NVIDIA L4"] != "host":
        raise AssertionError(states)


def test_a_card_whose_driver_does_not_come_back_stays_on_the_host_and_is_told(world):
    lab = with_line(world, "problem_after_return: 43")
    must(world.hvgpu("dda", "assign", "compute", "--gpu", "L4", "--yes", host=f"sim:{lab}"))
    done = world.hvgpu("dda", "return", "compute", "--yes", host=f"sim:{lab}")
    if done.returncode != 1 or "problem code 43" not in done.stderr:
        raise AssertionError(done)
    device = next(d for d in world.json("dda", "list", host=f"sim:{lab}")["hosts"][0]["devices"]
                  if d["name"] == "NVIDIA L4")
    if (device["state"], device["problem_code"]) != ("host", 43):
        raise AssertionError(device)
    runs = world.json("history", host=None)["runs"]
    if runs[0]["state"] != "done":
        raise AssertionError(runs[0])


def test_a_server_that_takes_its_time_and_a_vm_that_runs(world):
    """The lab "server": jobs, a list that is late, a second Msvm_PciExpress, a disabled return."""
    assign = ("dda", "assign", "compute", "--gpu", "A100", "--start", "--yes")
    with world.serve("server") as server:
        must(world.hvgpu(*assign, host=server))
        gpu = next(g for g in world.json("gpu", "list", host=server)["hosts"][0]["gpus"]
                   if g["pci_id"] == "10de:20f1")
        if (gpu["place"], gpu["name"], [u["vm"] for u in gpu["assigned_to"]]) != \
                ("assigned", "NVIDIA A100-PCIE-40GB", ["compute"]):
            raise AssertionError(gpu)
        must(world.hvgpu(*assign, host=server))  # it is so already
        refused = world.hvgpu("dda", "return", "compute", "--yes", host=server)
        if refused.returncode != 1 or "--stop" not in refused.stderr:
            raise AssertionError(refused)
        must(world.hvgpu("dda", "return", "compute", "--stop", "--yes", host=server))
        if any(v != ("host", []) for v in state_of(world, server).values()):
            raise AssertionError(state_of(world, server))
        # The driver of a GeForce does not say how to secure it: refused half way, taken back.
        refused = world.hvgpu("dda", "assign", "desktop", "--gpu", "4090", "--yes", host=server)
        if refused.returncode != 1 or "everything was undone" not in refused.stderr:
            raise AssertionError(refused)
        if any(v != ("host", []) for v in state_of(world, server).values()):
            raise AssertionError(state_of(world, server))


def sim(world, *words):
    return subprocess.run([world.sim, *words], env=world.env, capture_output=True, text=True,
                          timeout=scenario.SECONDS_MAX, check=False)


WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/"


def destroy(server, vm_id):
    """What the host's administrator does: DestroySystem, without hvgpu."""
    uri = WMI + "Msvm_VirtualSystemManagementService"

    def selectors(**keys):
        return "<w:SelectorSet>" + "".join(f'<w:Selector Name="{k}">{v}</w:Selector>'
                                           for k, v in keys.items()) + "</w:SelectorSet>"

    envelope = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        f'xmlns:a="{ADDRESSING}" xmlns:w="{WSMAN}"><s:Header><a:To>{server.url}</a:To>'
        f"<a:ReplyTo><a:Address>{ADDRESSING}/role/anonymous</a:Address></a:ReplyTo>"
        f'<a:MessageID>uuid:7</a:MessageID><a:Action s:mustUnderstand="true">{uri}/DestroySystem'
        f"</a:Action><w:ResourceURI>{uri}</w:ResourceURI>"
        f"{selectors(CreationClassName='Msvm_VirtualSystemManagementService')}</s:Header><s:Body>"
        f'<p:DestroySystem_INPUT xmlns:p="{uri}"><p:AffectedSystem><a:ReferenceParameters>'
        f"<w:ResourceURI>{WMI}Msvm_ComputerSystem</w:ResourceURI>"
        f"{selectors(CreationClassName='Msvm_ComputerSystem', Name=vm_id)}"
        "</a:ReferenceParameters></p:AffectedSystem></p:DestroySystem_INPUT></s:Body></s:Envelope>")
    login = base64.b64encode(f"admin:{server.password_file.read_text().strip()}".encode()).decode()
    request = urllib.request.Request(server.url, envelope.encode(), {
        "Content-Type": "application/soap+xml;charset=UTF-8", "Authorization": f"Basic {login}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=60) as answer:
        text = answer.read().decode()
    if not re.search(r"ReturnValue>(0|4096)<", text):  # done, or a job does it
        raise AssertionError(text)


def test_a_vm_deleted_with_its_card_leaves_it_nobodys_and_recover_brings_it_home(world):
    with world.serve(LAB) as server:
        before = state_of(world, server)
        vms = world.json("vm", "list", host=server)["hosts"][0]["vms"]
        must(world.hvgpu(*ASSIGN, host=server))
        destroy(server, next(vm["id"] for vm in vms if vm["name"] == "compute"))
        until = time.monotonic() + 30
        while any(vm["name"] == "compute"
                  for vm in world.json("vm", "list", host=server)["hosts"][0]["vms"]):
            if time.monotonic() > until:
                raise AssertionError("the VM is not gone")
            time.sleep(0.1)
        left = sorted(v for v in state_of(world, server).values() if v != ("host", []))
        if left != [("dismounted", [])] * 2:
            raise AssertionError(left)
        table = must(world.hvgpu("dda", "list", host=server)).stdout
        if table.count("dismounted, nobody's") != 2:
            raise AssertionError(table)
        # There is no such VM any more to return it from.
        done = world.hvgpu("dda", "return", "compute", "--yes", host=server)
        if done.returncode != 1 or "compute" not in done.stderr:
            raise AssertionError(done)
        must(world.hvgpu("dda", "recover", "--yes", host=server))
        if state_of(world, server) != before:
            raise AssertionError(state_of(world, server))
        must(world.hvgpu("dda", "assign", "other", "--gpu", "A16", "--yes", host=server))


def test_what_was_assigned_stays_through_a_restart_of_the_host(world):
    must(world.hvgpu(*ASSIGN, host=HOST))
    before = state(world)
    must(sim(world, "reboot", LAB), "reboot")
    if state(world) != before:
        raise AssertionError(f"{before} became {state(world)}")
    must(world.hvgpu("dda", "recover", "--yes", host=HOST))  # nothing is in between
    if state(world) != before:
        raise AssertionError("recover took an assigned device away")
    must(world.hvgpu(*RETURN, host=HOST))
    all_home(world, "after the restart")


def test_two_hvgpu_want_one_card_and_one_gets_it(world):
    with world.serve(LAB) as server:
        both = [world.start("dda", "assign", vm, "--gpu", "A16", "--yes", host=server)
                for vm in ("compute", "other")]
        ends = [(p.communicate(timeout=scenario.SECONDS_MAX), p.returncode) for p in both]
        if sorted(code for _, code in ends) != [0, 1]:
            raise AssertionError(ends)
        users = {tuple(v[1]) for v in state_of(world, server).values() if v[0] == "assigned"}
        if len(users) != 1 or len(next(iter(users))) != 1:
            raise AssertionError(state_of(world, server))


if __name__ == "__main__":
    scenario.main(globals())

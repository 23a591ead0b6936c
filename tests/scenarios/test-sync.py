#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What drifts between a host's driver and its guests, one kind after the other: each is named,
put right with what differs only, and taken back exactly.

The guest's files are changed as somebody inside it would, by guest-edit (HVGPU_GUEST_EDIT).
"""

import os
import re
import shutil
import subprocess

import scenario
from scenario import SOURCE, Skip, must, output_of

SMALL = (SOURCE / "tests/scenarios/small.yaml").read_text("utf-8")
GPU = "10de:2860"
STORE = "/Windows/System32/HostDriverStore"
MANIFEST = f"{STORE}/hvgpu-manifest.json"
SECOND = """\
          - { path: 'C:\\VMs\\games\\second.vhdx', size: 64 GiB, build: 22631, ubr: 3880 }
"""
SECOND_GPU = """\
      - name: NVIDIA RTX 2000 Ada Generation
        instance_id: PCI\\VEN_10DE&DEV_28B8&SUBSYS_01101028&REV_A1\\4&1ACEA4A8&0&0010
        location_path: PCIROOT(0)#PCI(0200)#PCI(0000)
        acpi_path: ACPI(_SB_)#ACPI(PC00)#ACPI(PEG2)
        mode: gpu-pv
        partition_counts: [32]
        vram: 8 GiB
        driver: { kind: nvidia, version: 32.0.15.6094, date: 2024-08-14 }
        bars:
          - { size: 16 MiB, width: 32 }
          - { size: 256 MiB, width: 64, prefetchable: true }
"""


class Lab:
    """A lab file of its own, and its only host's disks."""

    def __init__(self, world, text, name="drift"):
        self.world, self.path = world, world.dir / f"{name}.yaml"
        self.name = name
        self.path.write_text(text, "utf-8")

    @property
    def host(self):
        return f"sim:{self.path}"

    def dump(self):
        return self.world.dump(str(self.path))

    def must_be(self, before, what):
        self.world.must_be(before, what, str(self.path))

    def disk(self, name="games"):
        return next((self.world.dir / f"state/hvgpu/labs/{self.name}").glob(
            f"*/C/VMs/games/{name}.vhdx"))

    def edit(self, *args, disk="games"):
        tool = os.environ.get("HVGPU_GUEST_EDIT")
        if not tool:
            raise Skip("no HVGPU_GUEST_EDIT")
        done = subprocess.run([tool, str(self.disk(disk)), *map(str, args)],
                              capture_output=True, text=True, check=False)
        return must(done, "guest-edit").stdout

    def write(self, path, content, disk="games", times="now"):
        file = self.world.dir / "hand"
        file.write_bytes(content)
        self.edit("put", path, file, times, disk=disk)

    def read(self, path, disk="games"):
        file = self.world.dir / "hand"
        self.edit("get", path, file, disk=disk)
        return file.read_bytes()

    def run(self, *args):
        return must(self.world.hvgpu(*args, host=self.host))

    def attach(self, *args):
        self.run("attach", "games", "--gpu", GPU, "--yes", *args)

    def plan(self, *args):
        """The plan of a dry run: its findings by id, and its steps."""
        found = self.world.json("driver", "sync", "games", "-n", *args, host=self.host)
        (vm,) = found["vms"]
        assert vm["error"] is None, vm
        return ({f["id"]: "".join(f["evidence"]) for f in vm["plan"]["findings"]},
                vm["plan"]["steps"])

    def sync(self, *args):
        self.run("driver", "sync", "games", "--yes", *args)

    def update_driver(self, version, gpu="4070"):
        must(subprocess.run([self.world.sim, "update-driver", str(self.path), gpu, version],
                            env=self.world.env, capture_output=True, text=True, check=False))


def kinds(steps):
    return [step["kind"] for step in steps if step["kind"].startswith("driver-")]


def drifts(findings):
    return sorted(name for name in findings if name.startswith("drift-"))


def package_of(lab):
    """The package folder in the guest, and its files with their sizes."""
    (line,) = lab.edit("list", f"{STORE}/FileRepository").splitlines()
    name = line.split("\t")[0]
    files = dict(line.split("\t") for line in
                 lab.edit("list", f"{STORE}/FileRepository/{name}").splitlines())
    return f"{STORE}/FileRepository/{name}", {k: int(v) for k, v in files.items()}


def test_files_changed_by_hand_are_put_right_one_by_one(world):
    lab = Lab(world, SMALL)
    lab.attach()
    package, _ = package_of(lab)
    good = lab.dump()
    dll, inf = f"{package}/nvldumdx.dll", f"{package}/nv_dispi.inf"
    was = lab.read(dll)

    lab.write(dll, b"X" + was[1:])
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-file-changed"], findings
    assert findings["drift-file-changed"] == "nvldumdx.dll", findings
    assert kinds(steps) == ["driver-file"], steps
    bad = lab.dump()
    trace = lab.run("-v", "driver", "sync", "games", "--yes").stderr
    # On the host: one file from the store into the guest; the only robocopy that copies (and
    # does not list) keeps a copy of that file for undo, or of a hive to be read.
    assert [line for line in trace.splitlines() if " run copy " in line and
            "FileRepository" in line.split('"')[1]] != [], trace
    assert len([line for line in trace.splitlines() if " run copy " in line]) == 1, trace
    assert not [line for line in trace.splitlines() if " run robocopy " in line
                and " /L " not in line and " /E " in line], trace
    assert lab.read(dll) == was

    # Nothing to do is nothing done; looked at once more, it is not even attached again.
    idle = lab.dump()
    findings, steps = lab.plan()
    assert not drifts(findings) and not steps, (findings, steps)
    trace = lab.run("-v", "driver", "sync", "games").stderr
    assert "AttachVirtualHardDisk" not in trace, trace
    lab.must_be(idle, "a sync with nothing to do")
    trace = lab.run("-v", "driver", "sync", "games", "--verify").stderr
    assert "AttachVirtualHardDisk" in trace, trace
    must(world.hvgpu("undo", "--yes", host=None))
    lab.must_be(bad, "undo of one repaired file")
    assert drifts(lab.plan()[0]) == ["drift-file-changed"]  # what was remembered is void

    # Same size and time: only reading everything finds it.
    lab.sync()
    lab.write(dll, b"Y" + was[1:], times="keep")
    findings, steps = lab.plan()
    assert not drifts(findings) and not steps, (findings, steps)
    findings, steps = lab.plan("--verify")
    assert drifts(findings) == ["drift-file-changed"] and kinds(steps) == ["driver-file"], steps
    lab.sync("--verify")
    assert lab.read(dll) == was

    # Missing, added by others, a registry value, a file outside the package: each by name.
    lab.edit("remove", inf)
    lab.write(f"{package}/evil.dll", b"not of this driver")
    lab.edit("remove", "/Windows/System32/nvapi64.dll")
    lab.write("/Windows/System32/nvcuvid.dll", b"changed by hand")
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-file-added", "drift-file-changed",
                                "drift-file-missing"], findings
    assert findings["drift-file-added"] == "evil.dll", findings
    assert findings["drift-file-changed"] == "System32\\nvcuvid.dll", findings
    missing = findings["drift-file-missing"]
    assert missing == "nv_dispi.inf, System32\\nvapi64.dll", missing
    assert sorted(kinds(steps)) == ["driver-file"] * 3 + ["driver-remove"], steps
    bad = lab.dump()
    lab.sync()
    names = package_of(lab)[1]
    assert "evil.dll" not in names and "nv_dispi.inf" in names, names
    must(world.hvgpu("undo", "--yes", host=None))
    lab.must_be(bad, "undo of several repairs")

    # The whole package gone: copied again.
    lab.edit("remove", package)
    findings, steps = lab.plan()
    assert "drift-file-missing" in findings and "driver-package" in kinds(steps), steps
    lab.sync()
    assert package_of(lab)[0] == package
    assert good != bad


def test_what_hvgpu_put_right_itself_is_not_looked_at_again(world):
    lab = Lab(world, SMALL)

    def looks(*args):
        return "AttachVirtualHardDisk" in lab.run("-v", "driver", "sync", "games", *args).stderr

    lab.attach()
    assert not looks()  # what attach wrote it has read back
    must(world.hvgpu("undo", "--yes", host=None))
    lab.attach("--no-drivers")  # what was noted is of a disk that is no more
    assert drifts(lab.plan()[0]) == ["drift-no-record"], lab.plan()[0]
    assert looks("--yes") and not looks()
    lab.update_driver("32.0.15.6603")
    assert looks("--yes") and not looks()
    must(world.hvgpu("undo", "--yes", host=None))
    assert drifts(lab.plan()[0]) == ["drift-version"], lab.plan()[0]


def test_what_the_guest_keeps_of_its_own_is_said_every_time(world):
    lab = Lab(world, SMALL)
    lab.plan()  # its disk is there now
    own = "/Windows/System32/nvcuda.dll"
    lab.write(own, lab.read("/Windows/System32/kernel32.dll"))

    def look(*args):
        done = lab.run("-v", "driver", "sync", "games", *args)
        return "nvcuda.dll" in done.stdout, "AttachVirtualHardDisk" in done.stderr

    lab.attach()
    assert look() == (True, False)  # what attach left alone it has noted
    lab.disk().touch()
    assert look() == (True, True)
    assert look() == (True, False)
    lab.edit("remove", own)
    lab.sync()
    assert look() == (False, False)


def test_updates_of_the_host_and_packages_nobody_needs(world):
    lab = Lab(world, SMALL)
    lab.attach()
    old, _ = package_of(lab)
    before = lab.dump()
    lab.update_driver("32.0.15.6603")
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-version"], findings
    assert findings["drift-version"] == "guest 32.0.15.6094, host 32.0.15.6603"
    assert "driver-package" in kinds(steps) and "driver-remove" in kinds(steps), steps
    lab.sync()
    new, _ = package_of(lab)  # one only: the old one is gone
    assert new != old
    findings, steps = lab.plan()
    assert not drifts(findings) and not steps, findings

    # The same version, reinstalled: another package.
    record = lab.read(MANIFEST)
    lab.write(MANIFEST, record.replace(new.rpartition("/")[2].encode(),
                                       b"nv_dispi.inf_amd64_0000000000000000"))
    findings, steps = lab.plan()
    assert "drift-package" in findings and "drift-version" not in findings, findings
    lab.sync()
    assert package_of(lab)[0] == new

    # Detached but for the drivers: what is left goes, also where nobody asked for a GPU.
    lab.run("detach", "games", "--no-drivers", "--yes")
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-gpu-gone"], findings
    lab.run("driver", "sync", "--all", "--yes")
    assert "HostDriverStore" not in lab.edit("list", "/Windows/System32")
    done = lab.run("driver", "sync", "--all")
    assert "nothing to sync" in done.stdout, done.stdout
    assert before


def test_the_guest_became_another_one(world):
    lab = Lab(world, SMALL)
    lab.dump()
    must(world.hvgpu("vm", "list", host=lab.host))
    fresh = world.dir / "fresh.vhdx"
    lab.run("driver", "sync", "games")  # has the disk made
    shutil.copyfile(lab.disk(), fresh)
    lab.attach()

    # Upgraded: the build in its registry is another one.
    hive = world.dir / "SOFTWARE"
    hive.write_bytes(lab.read("/Windows/System32/config/SOFTWARE"))
    merge(hive, '[\\Microsoft\\Windows NT\\CurrentVersion]\n"CurrentBuildNumber"="26100"\n')
    lab.write("/Windows/System32/config/SOFTWARE", hive.read_bytes())
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-guest-upgraded"], findings
    assert findings["drift-guest-upgraded"] == "build 22631, now 26100", findings
    assert kinds(steps) == ["driver-manifest"], steps
    lab.sync()
    assert lab.plan()[1] == []

    # Another installation that has this one's files.
    merge(hive, '[\\Microsoft\\Cryptography]\n'
                '"MachineGuid"="11111111-2222-3333-4444-555555555555"\n')
    lab.write("/Windows/System32/config/SOFTWARE", hive.read_bytes())
    findings, _ = lab.plan()
    assert drifts(findings) == ["drift-guest-reinstalled"], findings
    lab.sync()
    assert lab.plan()[1] == []

    # Reinstalled: nothing of ours is left.
    shutil.copyfile(fresh, lab.disk())
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-no-record"], findings
    assert "driver-package" in kinds(steps), steps
    lab.sync()
    assert lab.plan()[1] == []

    # A record that is no record: nothing is touched, and it is said what to do.
    for bad in (b"garbage", b'{"schema": "hvgpu-manifest/9"}', lab.read(MANIFEST).replace(
            b"System32\\\\nvcuda.dll", b"..\\\\..\\\\boot.ini"), b"{" * 100000, b"\xff\x00" * 99):
        good = lab.read(MANIFEST)
        lab.write(MANIFEST, bad)
        before = lab.dump()
        done = world.hvgpu("driver", "sync", "games", "--json", "--yes", host=lab.host)
        assert done.returncode == 1, done
        assert "drift-manifest" in done.stdout, done.stdout
        assert MANIFEST.rpartition("/")[2] in done.stdout, done.stdout
        lab.must_be(before, "a damaged record")
        lab.write(MANIFEST, good)


def merge(hive, text):
    file = hive.parent / "change.reg"
    file.write_text("Windows Registry Editor Version 5.00\n\n" + text, "utf-8")
    output_of("hivexregedit", "--merge", hive, file)


def test_the_gpu_became_another_one(world):
    """Labs whose hosts differ in the GPU; the guest's disk goes from one to the next."""
    first = Lab(world, SMALL)
    first.attach()
    moved = Lab(world, SMALL.replace("4&296b7397&0&0008", "4&296b7397&0&00E0"), "moved")
    moved.dump()
    moved.run("driver", "sync", "games")
    moved.attach("--no-drivers")
    shutil.copyfile(first.disk(), moved.disk())
    findings, _ = moved.plan()
    assert drifts(findings) == ["drift-gpu-gone", "drift-gpu-moved"], findings
    assert "00E0" in findings["drift-gpu-moved"], findings
    before = moved.dump()
    moved.sync()
    assert moved.plan()[1] == []
    record = moved.read(MANIFEST)
    assert b"00E0" in record and b"&0008" not in record, record[:300]
    must(world.hvgpu("undo", "--yes", host=None))
    moved.must_be(before, "undo of a moved GPU")

    other = Lab(world, SMALL.replace("RTX 4070 Laptop GPU", "RTX 2000 Ada Generation")
                .replace("DEV_2860&SUBSYS_252D1043", "DEV_28B8&SUBSYS_01101028"), "other")
    other.dump()
    other.run("driver", "sync", "games")
    other.run("attach", "games", "--gpu", "10de:28b8", "--no-drivers", "--yes")
    shutil.copyfile(first.disk(), other.disk())
    findings, _ = other.plan()
    assert drifts(findings) == ["drift-gpu-gone", "drift-gpu-replaced"], findings
    other.sync()
    assert other.plan()[1] == []


def test_several_disks_and_gpus(world):
    lab = Lab(world, SMALL.replace("    vms:\n", SECOND_GPU + "    vms:\n") + SECOND)
    lab.attach()
    # The second disk carries a Windows with the driver too: it was the first once.
    shutil.copyfile(lab.disk(), lab.disk("second"))
    findings, steps = lab.plan()
    assert not steps, steps
    lab.run("attach", "games", "--gpu", "10de:28b8", "--no-drivers", "--yes")
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-gpu-new"], findings
    lab.sync()
    assert lab.read(MANIFEST).count(b'"instance_id"') == 2

    # One of two GPUs of one package goes: the package stays.
    package, _ = package_of(lab)
    lab.run("detach", "games", "--gpu", GPU, "--no-drivers", "--yes")
    findings, steps = lab.plan()
    assert drifts(findings) == ["drift-gpu-gone"], findings
    assert len([s for s in steps if s["kind"] == "image-attach"]) == 2, steps
    before = lab.dump()
    lab.sync()
    assert package_of(lab)[0] == package
    assert lab.read(MANIFEST).count(b'"instance_id"') == 1
    # The second Windows needs nothing of it any more.
    assert "HostDriverStore" not in lab.edit("list", "/Windows/System32", disk="second")
    must(world.hvgpu("undo", "--yes", host=None))
    lab.must_be(before, "undo on two disks")

    # The same for a VM that runs: stopped, looked at, started again; undo leaves it running.
    lab.run("attach", "games", "--gpu", "10de:28b8", "--start", "--yes")
    state = [v["state"] for h in world.json("vm", "list", host=lab.host)["hosts"]
             for v in h["vms"]]
    if state == ["off"]:
        raise AssertionError("it does not run")
    before = lab.dump()
    done = world.hvgpu("driver", "sync", "--all", host=lab.host)
    assert done.returncode == 0 and "--stop" not in done.stderr, done
    done = lab.run("driver", "sync", "--all", "--stop", "--yes")
    assert "no longer has this GPU" in done.stdout, done.stdout
    assert [v["state"] for h in world.json("vm", "list", host=lab.host)["hosts"]
            for v in h["vms"]] == state
    must(world.hvgpu("undo", "--yes", host=None))
    lab.must_be(before, "undo of a sync that stopped the VM")


def test_powershell_that_is_printed_stands_on_its_own(world):
    """Every variable a line names was set by a line before; quotes and braces are closed."""
    lab = Lab(world, SMALL)
    sync = ["driver", "sync", "games"]
    scripts = {"attach": lab.run("attach", "games", "--gpu", GPU, "--dry-run=powershell").stdout}
    drive = lab.disk().parents[2]
    copy = world.dir / "it's a copy.vhdx"
    shutil.copyfile(lab.disk(), copy)
    scripts["inject"] = must(world.hvgpu(
        "driver", "inject", "--disk", str(copy), "--from", str(drive), "--gpu", GPU,
        "--dry-run=powershell", host=None)).stdout
    lab.attach()
    scripts["detach"] = lab.run("detach", "games", "--dry-run=powershell").stdout
    lab.edit("remove", package_of(lab)[0] + "/nvldumdx.dll")
    lab.update_driver("32.0.15.6603")
    scripts["sync"] = lab.run(*sync, "--dry-run=powershell").stdout
    lab.run("attach", "games", "--gpu", GPU, "--start", "--yes")
    stopped = lab.run(*sync, "--stop", "--dry-run=powershell").stdout
    assert "Stop-VM" in stopped and "Dismount-VHD" in stopped and "Start-VM" in stopped, stopped
    for name, script in scripts.items():
        known = {"_", "true", "false", "null"}
        assert "$guest\\Windows\\System32\\HostDriverStore" in script, (name, script)
        assert "reg load" in script and "reg unload" in script, (name, script)
        for line in script.splitlines():
            if line.startswith("#"):
                continue
            bare = re.sub(r"'(?:[^']|'')*'", "''", line)
            for variable, equals in re.findall(r"(?<!`)\$(?:\()?\$?(\w+)( =)?", bare):
                assert equals or variable in known, (name, variable, line)
                known.add(variable)
            assert bare.count('"') % 2 == 0 and "'" not in bare.replace("''", ""), line
            for pair in ("()", "{}"):
                assert bare.count(pair[0]) == bare.count(pair[1]), (name, line)


scenario.main(globals())

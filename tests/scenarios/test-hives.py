#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`driver adapters` on hives as they are found: clean, not written to their end with and without
logs, broken, not hives at all, and those of a real Windows.  No file is ever changed.

The hives are made by hivexregedit, their logs by hives.py after the published format.
"""

import json
import os
import pathlib
import random
import struct
import subprocess

import hives
import scenario
from scenario import must

CLASS = "ControlSet001\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}"
STORE = "C:\\Windows\\System32\\DriverStore\\FileRepository\\nv_dispi.inf_amd64_0123456789abcdef"
SET = ["[SYSTEM\\Select]", "Current = dword 1"]
ADAPTER = [
    "[SYSTEM\\ControlSet001\\Enum\\PCI\\VEN_10DE&DEV_2684\\4&1&0]",
    "ClassGUID = sz {4d36e968-e325-11ce-bfc1-08002be10318}",
    "Driver = sz {4d36e968-e325-11ce-bfc1-08002be10318}\\0000", "Service = sz nvlddmkm",
    f"[SYSTEM\\{CLASS}\\0000]", "DriverDesc = sz NVIDIA GeForce RTX 4090",
    "ProviderName = sz NVIDIA", "InfPath = sz oem12.inf", "InfSection = sz Section001",
    "DriverVersion = sz 32.0.15.6094", f"UserModeDriverName = multi_sz {STORE}\\nvldumdx.dll",
    "[SYSTEM\\ControlSet001\\Services\\nvlddmkm]",
    f"ImagePath = expand_sz \\SystemRoot{STORE[10:]}\\nvlddmkm.sys",
]
RENAMED = [f"[SYSTEM\\{CLASS}\\0000]", "DriverDesc = sz NVIDIA GeForce RTX 4090 D"]
NAME, NEW_NAME = "NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090 D"


def made(world, *steps):
    """The hive after each of the steps, as bytes."""
    path, states = world.dir / "work", []
    path.write_bytes(hives.empty())
    for step in steps:
        hives.merge(path, hives.parse(step)["SYSTEM"])
        states.append(path.read_bytes())
    return states


def put(world, **files):
    """SYSTEM and its logs, alone in a folder."""
    folder = world.dir / "hives"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return folder / "SYSTEM"


def adapters(world, hive, *more):
    """What the command says; and that it wrote nowhere."""
    before = {p.name: p.read_bytes() for p in hive.parent.iterdir()}
    done = world.hvgpu("driver", "adapters", "--system", str(hive), "--json", *more, host=None)
    assert {p.name: p.read_bytes() for p in hive.parent.iterdir()} == before, "it wrote"
    return done.returncode, json.loads(done.stdout)


def names(world, hive):
    status, document = adapters(world, hive)
    assert status == 0, document
    return document["replayed"], [adapter["name"] for adapter in document["adapters"]]


def must_refuse(world, hive, kind, *parts):
    status, document = adapters(world, hive)
    assert status == 1, document
    said = json.dumps(document["error"])
    assert document["error"]["kind"] == kind, said
    for part in parts:
        assert part in said, (part, said)


def test_a_clean_hive_and_its_old_logs(world):
    empty, full = made(world, SET, ADAPTER)
    clean = hives.with_sequence(full, 7, 7)
    assert names(world, put(world, SYSTEM=clean)) == (False, [NAME])
    # What a clean hive's logs hold is in it already, or of another hive.
    stale = hives.log(empty, 5, hives.log_entry(full, empty, 5))
    assert names(world, put(world, SYSTEM=clean, SYSTEM_LOG1=stale)) == (False, [NAME])


def test_a_hive_not_written_to_its_end_is_read_with_what_its_logs_add(world):
    empty, full, renamed = made(world, SET, ADAPTER, RENAMED)
    dirty = hives.with_sequence(empty, 9, 8)
    first, second = hives.log_entry(empty, full, 8), hives.log_entry(full, renamed, 9)
    one = hives.log(empty, 8, first)
    assert names(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=one)) == (True, [NAME])
    # Names of files as Windows spells them or not, entries in one log or in both.
    assert names(world, put(world, SYSTEM=dirty, system_log2=one)) == (True, [NAME])
    both = hives.log(empty, 8, first, second)
    assert names(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=both)) == (True, [NEW_NAME])
    other = hives.log(full, 9, second)
    assert names(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=other, SYSTEM_LOG2=one)) == \
        (True, [NEW_NAME])


def test_a_log_that_breaks_off_counts_up_to_there(world):
    empty, full, renamed = made(world, SET, ADAPTER, RENAMED)
    dirty = hives.with_sequence(empty, 9, 8)
    whole = hives.log(empty, 8, hives.log_entry(empty, full, 8),
                      hives.log_entry(full, renamed, 9))
    cut = whole[:-100]
    assert names(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=cut)) == (True, [NAME])
    broken = bytearray(whole)
    broken[-700] ^= 1
    assert names(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=bytes(broken))) == (True, [NAME])


def test_logs_that_do_not_fit_are_refused(world):
    empty, full = made(world, SET, ADAPTER)
    dirty = hives.with_sequence(full, 9, 8)
    late = hives.log(full, 12, hives.log_entry(empty, full, 12))
    broken = bytearray(hives.log(full, 8, hives.log_entry(empty, full, 8)))
    broken[600] ^= 1
    for log in (late, bytes(broken), b"nonsense" * 100):
        must_refuse(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=log), "conflict",
                    "did not finish writing", "no transaction log holds what it lacks")


def test_logs_that_would_do_harm_are_refused(world):
    """Entries whose hashes are right and whose numbers are not."""
    empty, full = made(world, SET, ADAPTER)
    dirty = hives.with_sequence(full, 9, 8)

    def entry(bins, offset):
        body = struct.pack("<II", offset, 512) + b"x" * 512
        body = body.ljust(1024 - 40, b"\0")
        head = b"HvLE" + struct.pack("<IIIII", 1024, 0, 8, bins, 1)
        head += struct.pack("<Q", hives.marvin32(body))
        return hives.log(full, 8, head + struct.pack("<Q", hives.marvin32(head)) + body)

    for bins, offset, said in [(0, 0, "names a size of 0 bytes"),
                               (4097, 0, "names a size of 4097 bytes"),
                               (0xfffff000, 0, "names a size of"),
                               (len(full) - 4096, len(full), "writes outside of its hive"),
                               (len(full) - 4096, 0xffffff00, "writes outside of its hive")]:
        must_refuse(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=entry(bins, offset)), "protocol",
                    said)
    # The logs of Windows 8 and before: a bitmap of pages, then fewer pages than it says.
    old = bytearray(hives.with_sequence(full, 8, 8, kind=1)[:512])
    for cut in (b"DIRT", b"DIRT" + b"\xff" * ((len(full) - 4096) // 512 // 8)):
        must_refuse(world, put(world, SYSTEM=dirty, SYSTEM_LOG1=bytes(old) + cut), "protocol",
                    "log is cut off")


def test_without_logs_it_is_shown_with_a_warning(world):
    full = made(world, SET, ADAPTER)[1]
    hive = put(world, SYSTEM=hives.with_sequence(full, 9, 8))
    status, document = adapters(world, hive)
    assert status == 0 and not document["replayed"], document
    assert [a["name"] for a in document["adapters"]] == [NAME], document
    assert [(f["id"], f["severity"]) for f in document["findings"]] == \
        [("hive-unfinished", "warning")], document
    done = must(world.hvgpu("driver", "adapters", "--system", str(hive), host=None))
    assert "warning" in done.stderr and ".LOG1" in done.stderr, done.stderr
    # A clean one has no such finding.
    status, document = adapters(world, put(world, SYSTEM=hives.with_sequence(full, 9, 9)))
    assert status == 0 and document["findings"] == [], document


def test_nothing_is_made_of_it_without_logs(world):
    """Injecting acts on what the hive says: there it is refused."""
    full = made(world, SET, ADAPTER)[1]
    config = world.dir / "Windows/System32/config"
    config.mkdir(parents=True)
    (config / "SYSTEM").write_bytes(hives.with_sequence(full, 9, 8))
    disk = world.dir / "disk.vhdx"
    disk.write_bytes(b"never looked at")
    done = world.hvgpu("driver", "inject", "--disk", str(disk), "--from",
                       str(world.dir / "Windows"), "--gpu", "10de:2684", "--yes", "--json",
                       host=None)
    assert done.returncode == 1, done
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "conflict", error
    assert "did not finish writing" in json.dumps(error), error


def test_a_torn_first_block_comes_from_the_log_or_is_refused(world):
    empty, full = made(world, SET, ADAPTER)
    torn = bytearray(hives.with_sequence(empty, 9, 8))
    torn[100] ^= 1
    must_refuse(world, put(world, SYSTEM=bytes(torn)), "conflict",
                "checksum of its first block is wrong")
    log = hives.log(empty, 8, hives.log_entry(empty, full, 8))
    assert names(world, put(world, SYSTEM=bytes(torn), SYSTEM_LOG1=log)) == (True, [NAME])


def test_what_is_no_hive_or_damaged_is_refused(world):
    full = hives.with_sequence(made(world, SET, ADAPTER)[1], 7, 7)

    def base(at, number):
        changed = bytearray(full)
        changed[at:at + 4] = number.to_bytes(4, "little")
        changed[508:512] = hives.checksum(changed).to_bytes(4, "little")
        return bytes(changed)

    for content, part in [
            (b"", "no registry hive"), (b"regf", "no registry hive"),
            (b"MZ" + full[2:], "no registry hive"), (full[:6000], "cut off"),
            (base(20, 2), "unknown version 2.3"), (base(24, 9), "unknown version 1.9"),
            (base(28, 6), "transaction log, not a hive"), (base(40, 0), "damaged"),
            (base(40, 4095), "damaged"), (base(40, 1 << 28), "cut off"),
            (base(36, 1 << 28), "root key lies outside"),
            (full[:4096] + b"\0" * (len(full) - 4096), "")]:
        must_refuse(world, put(world, SYSTEM=content), "protocol", part)
    no_select = hives.with_sequence(made(world, ADAPTER)[0], 7, 7)
    status, document = adapters(world, put(world, SYSTEM=no_select))
    assert status == 1 and "control set" in json.dumps(document), document


def test_damage_anywhere_is_an_answer_or_a_refusal_never_a_crash(world):
    full = hives.with_sequence(made(world, SET, ADAPTER)[1], 7, 7)
    dice = random.Random(20)
    for _ in range(25):
        broken = bytearray(full)
        for _ in range(dice.randrange(1, 40)):
            broken[dice.randrange(4096, len(broken))] = dice.randrange(256)
        status, document = adapters(world, put(world, SYSTEM=bytes(broken)))
        assert status == 0 or (status == 1 and document["error"]["kind"] in
                               ("protocol", "not-found", "unsupported")), document


def unpacked(name):
    data = os.environ.get("HVGPU_TEST_DATA")
    if not data:
        raise scenario.Skip("no HVGPU_TEST_DATA")
    return subprocess.run([scenario.tool("xz"), "-dc", str(pathlib.Path(data, "hives", name))],
                          capture_output=True, check=True).stdout


def test_the_hive_of_a_real_windows_10(world):
    hive = put(world, SYSTEM=unpacked("SYSTEM_WIN_10_1709.xz"))
    status, document = adapters(world, hive)
    assert status == 0, document
    adapter, = document["adapters"]
    for key, value in {
            "class_key": "{4d36e968-e325-11ce-bfc1-08002be10318}\\0000",
            "name": "VMware SVGA 3D", "provider": "VMware, Inc.", "inf": "oem3.inf",
            "inf_section": "VM3D_AMD64", "service": "vm3dmp_loader", "package": None,
            "matching_device_id": "pci\\ven_15ad&dev_0405&subsys_040515ad&rev_00",
            "driver_version": "8.16.7.0", "user_mode_drivers": ["vm3dum64_loader.dll"] * 3,
            "usable": False}.items():
        assert adapter[key] == value, (key, adapter[key])
    assert "not store-resident" in adapter["reason"], adapter
    assert "DRIVERS hive: not given" in adapter["reason"], adapter
    assert [c["package"] for c in adapter["packages_considered"]] == [None] * 5, adapter


def test_real_logs_of_a_users_hive_are_replayed_before_it_is_refused(world):
    logs = {f"SYSTEM_LOG{n}": unpacked(f"transactions_ntuser.dat.log{n}.xz") for n in (1, 2)}
    hive = put(world, SYSTEM=unpacked("transactions_NTUSER.DAT.xz"), **logs)
    must_refuse(world, hive, "not-found", "Select")  # a user's hive has no control set
    must_refuse(world, put(world, SYSTEM=unpacked("transactions_NTUSER.DAT.xz"),
                           SYSTEM_LOG1=logs["SYSTEM_LOG1"][:700]), "conflict",
                "did not finish writing")


scenario.main(globals())

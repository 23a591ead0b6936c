#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of strangers, read and written by hvgpu.exe under Wine in its confined process: a disk
of a guest, an INF, a hive.  What it makes of them hvgpu on this machine must find right.

usage: test-disk.py HVGPU LAB [TEST...], with hvgpu.exe in HVGPU_WINDOWS_EXE and the build folder of
tests/wine in HVGPU_WINE_BUILD
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import prefix

GPU, HARDWARE_ID = "10de:2860", r"PCI\VEN_10DE&DEV_2860&SUBSYS_252D1043"


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


class World:
    def __init__(self, folder, hvgpu, windows, lab):
        self.folder, self.hvgpu, self.windows = pathlib.Path(folder), hvgpu, windows
        self.env = dict(os.environ, XDG_STATE_HOME=str(self.folder / "state"), LC_ALL="C.UTF-8")
        host = f"sim:{lab}"
        # A disk is made when somebody first looks at it.
        self.run(hvgpu, "-H", host, "attach", "games", "--gpu", GPU, "--yes")
        self.run(hvgpu, "-H", host, "undo", "--yes")
        disk, = self.folder.glob("state/**/games.vhdx")
        self.root = next(self.folder.glob("state/**/C/Windows"))
        self.disk = self.folder / "Gast \u6d4b\u8bd5.vhdx"
        shutil.copyfile(disk, self.disk)

    def run(self, program, *argv, want=0):
        done = subprocess.run([program, *argv], env=self.env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == want, (argv, done.returncode, done.stdout, done.stderr)
        return done

    def inject(self, program, *more, want=0):
        return self.run(program, "driver", "inject", "--disk", str(self.disk), "--from",
                        str(self.root), "--gpu", GPU, *more, want=want)

    def steps(self, program):
        """What would be done: kinds and targets."""
        document = json.loads(self.inject(program, "--dry-run", "--json").stdout)
        return [(s["kind"], s["target"].replace("\\", "/").split("/")[-1])
                for s in document["plan"]["steps"]]


def test_a_disk_is_shown_as_on_linux(world):
    shown = [json.loads(world.run(p, "image", "show", str(world.disk), "--json").stdout)
             for p in (world.hvgpu, world.windows)]
    assert shown[0] == shown[1] and shown[0]["image"]["windows"]["build"] == 22631, shown


def test_a_driver_is_put_into_a_disk_and_taken_out_again(world):
    before = world.steps(world.hvgpu)
    assert len(before) > 5 and world.steps(world.windows) == before, before
    world.inject(world.windows, "--yes")
    after = world.steps(world.hvgpu)
    assert len(after) < len(before), "hvgpu on Linux finds as much to do as before: " + str(after)
    world.run(world.windows, "undo", "--yes")
    assert world.steps(world.hvgpu) == before


def test_what_is_no_disk_is_an_error(world):
    bad = world.folder / "bad.vhdx"
    bad.write_bytes(b"vhdxfile" + b"\xff" * 2000000)
    done = world.run(world.windows, "image", "show", str(bad), want=1)
    assert "bad.vhdx" in done.stderr and not done.stdout, done


def test_an_inf_is_read_as_on_linux(world):
    inf = next(world.root.glob("System32/DriverStore/FileRepository/nv*/*.inf"))
    shown = [world.run(p, "driver", "inf", str(inf), "--hardware-id", HARDWARE_ID,
                       "--json").stdout for p in (world.hvgpu, world.windows)]
    assert json.loads(shown[0]) == json.loads(shown[1]) and "nvlddmkm" in shown[0], shown
    done = world.run(world.windows, "driver", "inf", str(world.disk), want=1)
    assert "larger than" in done.stderr, done


def test_hives_are_read_as_on_linux(world):
    hive = world.root / "System32/config/SYSTEM"
    shown = [json.loads(world.run(p, "driver", "adapters", "--system", str(hive), "--json").stdout)
             for p in (world.hvgpu, world.windows)]
    assert shown[0] == shown[1] and shown[0]["adapters"], shown


if __name__ == "__main__":
    exe = os.environ.get("HVGPU_WINDOWS_EXE", "")
    if not os.path.exists(exe):
        skip_all(f"no hvgpu.exe (HVGPU_WINDOWS_EXE={exe})")
    build = pathlib.Path(os.environ["HVGPU_WINE_BUILD"])
    if not shutil.which("wine") or not (build / "cmd.exe").exists():
        skip_all("no wine, or no mingw-w64 to build the parts of its prefix with")
    made = prefix.make(build / "prefix", build / "hvgpu-test-wbem.dll", build / "cmd.exe")
    tests = [(n[5:], f) for n, f in globals().items()
             if n.startswith("test_") and (not sys.argv[3:] or n[5:] in sys.argv[3:])]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        there = World(scratch, os.path.abspath(sys.argv[1]), prefix.wrapper(exe, made, scratch),
                      os.path.abspath(sys.argv[2]))
        for number, (name, test) in enumerate(tests, 1):
            try:
                test(there)
                print(f"ok {number} - {name}", flush=True)
            except Exception as error:  # noqa: BLE001 - whatever it was, the test failed
                failed += 1
                print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}", flush=True)
    sys.exit(failed > 0)

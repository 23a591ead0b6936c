#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver package of 602 files, 1.27 GB, into a 40 GB dynamic VHDX, against what a user would
do instead.

usage: bench/disks.py BUILD [--runs N] [--in FOLDER] [SIDE...]

Every side ends with its data on the disk.  The sides of one ratio take turns, and a ratio is
that of its own run; the table shows the median, the least and the greatest.  SIDE is one or
more of
    copy       against cp -r to the plain file system          (the default, with the next)
    share      the same on an XFS, where blocks are shared     (root: mounts one)
    inject     all of `hvgpu driver inject`, and again with nothing to do
    sync       `hvgpu driver sync` with nothing to do, against `attach`
    fuse       against QEMU's FUSE export, mounted by ntfs-3g  (root; every 6th file)
    guestfish  against guestfish copy-in under emulation       (every 40th file)
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

FILES, TOTAL = 602, 1.27e9
PARTITION_MIB = 40958
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def sh(*words, **more):
    subprocess.run([str(word) for word in words], check=True, **more)


def make_package(folder):
    """602 files whose sizes are spread like those of a driver package."""
    chance = random.Random(1)
    sizes = [chance.lognormvariate(12.5, 2.0) for _ in range(FILES)]
    blob = os.urandom(1 << 26)
    folder.mkdir()
    for i, size in enumerate(sizes):
        left = int(size * TOTAL / sum(sizes))
        with open(folder / f"file-{i}.dll", "wb") as file:
            while left > 0:
                left -= file.write(blob[:left])


def make_part(package, folder, step):
    """Every @step-th file."""
    folder.mkdir()
    for path in sorted(package.iterdir())[::step]:
        shutil.copyfile(path, folder / path.name)
    return sum(path.stat().st_size for path in folder.iterdir())


def make_image(build, folder):
    raw = folder / "ntfs.raw"
    sh("truncate", "-s", f"{PARTITION_MIB}M", raw)
    sh("mkntfs", "-q", "-Q", "-F", "-s", "512", "-p", "2048", "-H", "255", "-S", "63", raw, **QUIET)
    sh(build / "bench/bench-make-image", folder / "empty.vhdx", raw)
    raw.unlink()


def timed(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def measured(command, **more):
    """Seconds, peak memory in MB (the largest process), exit status and processor seconds of a
    command."""
    with tempfile.NamedTemporaryFile("r") as report:
        start = time.monotonic()
        # Not our own wait4(): a child starts with what its parent has in memory.
        status = subprocess.run(["time", "-f", "%U %S %M", "-o", report.name,
                                 *map(str, command)], check=False, **more).returncode
        seconds = time.monotonic() - start
        user, system, memory = report.read().split()[-3:]
        return seconds, int(memory) / 1024, status, float(user) + float(system)


class Place:
    """A folder with the package, an empty image, and the means to start over."""

    def __init__(self, build, folder, package=None):
        self.build, self.folder = build, folder
        self.package = folder / "package"
        if package:
            sh("cp", "-r", "--reflink=never", package, self.package)
        else:
            make_package(self.package)
        make_image(build, folder)

    def fresh(self):
        image = self.folder / "disk.vhdx"
        sh("cp", "--sparse=always", "--reflink=never", self.folder / "empty.vhdx", image)
        sh("sync")
        return image

    def plain(self, package, *options):
        """cp -r of @package beside it; what is read is in memory for every side."""
        copy = self.folder / "copy"
        sh("sync")
        seconds = timed(lambda: (sh("cp", "-r", *options, package, copy), sh("sync", "-f", copy)))
        shutil.rmtree(copy)
        return seconds

    def ours(self, package):
        """Seconds, MB of memory, and by how many MiB the image grew."""
        image = self.fresh()
        before = image.stat().st_size
        seconds, memory, status, _ = measured(
            [self.build / "bench/bench-copy-to-image", image, package], stdout=subprocess.DEVNULL)
        if status:
            sys.exit("the copy into the image failed")
        return seconds, memory, (image.stat().st_size - before) / (1 << 20)


def spread(numbers, digits):
    """Median (least to greatest)."""
    return (f"{statistics.median(numbers):.{digits}f} "
            f"({min(numbers):.{digits}f} to {max(numbers):.{digits}f})")


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def compare(name, runs, ours, other):
    """Runs both in turn; prints one row: seconds of each, ours in parts of the other's time."""
    mine, others, memory, grown = [], [], [], []
    for _ in range(runs):
        others.append(other())
        seconds, peak, growth = ours()
        mine.append(seconds)
        memory.append(peak)
        grown.append(growth)
    ratios = [a / b for a, b in zip(mine, others)]
    row(name, spread(others, 2) + " s", spread(mine, 2) + " s", spread(ratios, 3),
        f"{max(memory):.0f} MB", f"{max(grown):.0f} MiB")


# ---- the sides ----

def copy(place, runs):
    compare("(a) `cp -r`, ext4" if filesystem(place.folder) == "ext2/ext3" else "(a) `cp -r`",
            runs, lambda: place.ours(place.package), lambda: place.plain(place.package))


def filesystem(folder):
    return subprocess.run(["stat", "-f", "-c", "%T", folder], check=True, text=True,
                          capture_output=True).stdout.strip()


def share(place, runs):
    image, mount = place.folder / "xfs.img", place.folder / "xfs"
    mount.mkdir()
    sh("truncate", "-s", "8G", image)
    sh("mkfs.xfs", "-q", image)
    sh("mount", "-o", "loop", image, mount)
    try:
        there = Place(place.build, mount, place.package)
        compare("(a) `cp -r --reflink=never`, XFS", runs, lambda: there.ours(there.package),
                lambda: there.plain(there.package, "--reflink=never"))
        compare("(a) `cp -r`, XFS, which shares too", runs, lambda: there.ours(there.package),
                lambda: there.plain(there.package))
    finally:
        sh("umount", mount)
        image.unlink()
        mount.rmdir()


class Laptop:
    """A simulated host of its own, whose driver package holds the files of @place."""

    def __init__(self, place):
        self.hvgpu = place.build / "src/cli/hvgpu"
        self.state = place.folder / "state"
        self.env = dict(os.environ, XDG_STATE_HOME=str(self.state),
                        PATH=f"{place.build}/src/cli:{place.build}/src/sim/program:{os.environ['PATH']}")
        self.env.setdefault("HVGPU_DATA_DIR", str(pathlib.Path(__file__).resolve().parent.parent))
        sh(*self.command("attach", "games", "--gpu", "10de:2860", "-n"), env=self.env, **QUIET)
        self.drive = self.state / "hvgpu/labs/laptop/LAPTOP/C"
        store = self.drive / "Windows/System32/DriverStore/FileRepository"
        found = subprocess.run(
            [self.hvgpu, "driver", "adapters", "--system",
             self.drive / "Windows/System32/config/SYSTEM", "--store", store, "--json"],
            env=self.env, check=True, capture_output=True)
        package = next(adapter["package"] for adapter in json.loads(found.stdout)["adapters"]
                       if "10de" in adapter["matching_device_id"].lower())
        for path in place.package.iterdir():
            shutil.copyfile(path, store / package / path.name)

    def command(self, *words):
        return [self.hvgpu, "-H", "sim:laptop", *words]

    def measured(self, command):
        seconds, peak, status, cpu = measured(command, env=self.env, **QUIET)
        if status:
            sys.exit(f"{' '.join(map(str, command))} failed")
        return seconds, peak, cpu

    def close(self):
        shutil.rmtree(self.state)


def inject(place, runs):
    """The whole command, on the disk and the Windows folder of a simulated host."""
    laptop = Laptop(place)
    image = place.folder / "guest.vhdx"
    command = [laptop.hvgpu, "driver", "inject", "--disk", image, "--from",
               laptop.drive / "Windows", "--gpu", "10de:2860", "-y", "-q"]
    whole, again, memory, plain = [], [], [], []
    for _ in range(runs):
        sh("cp", "--sparse=always", laptop.drive / "VMs/games/games.vhdx", image)
        plain.append(place.plain(place.package))
        for times in (whole, again):
            seconds, peak, _ = laptop.measured(command)
            times.append(seconds)
            memory.append(peak)
    row("`hvgpu driver inject`, all of it: hashes, copy, commit, read back; against (a)", spread(plain, 2) + " s",
        spread(whole, 2) + " s", spread([a / b for a, b in zip(whole, plain)], 3),
        f"{max(memory):.0f} MB", "")
    row("the same with nothing to do, against the first time", spread(whole, 2) + " s",
        spread(again, 2) + " s", spread([a / b for a, b in zip(again, whole)], 3),
        f"{max(memory):.0f} MB", "")
    laptop.close()
    image.unlink()


def sync(place, runs):
    """On the simulated host itself, by its own tools; the simulator's time is in it."""
    whole, first, ran, again = [], [], [], []
    for _ in range(runs):
        laptop = Laptop(place)
        seconds, _, cpu = laptop.measured(
            laptop.command("attach", "games", "--gpu", "10de:2860", "-y"))
        whole.append((seconds, cpu))
        for times in (first, ran, again):
            if times is ran:  # as if the VM had been started and shut down
                (laptop.drive / "VMs/games/games.vhdx").touch()
            seconds, _, cpu = laptop.measured(laptop.command("driver", "sync", "games", "-y"))
            times.append((seconds, cpu))
        laptop.close()
    for name, times in (("first look", first), ("after its VM ran", ran), ("later", again)):
        for i, what in ((0, ""), (1, "; processor time")):
            ours, other = [time[i] for time in times], [time[i] for time in whole]
            row(f"`hvgpu driver sync` with nothing to do, {name}, against `attach`{what}",
                spread(other, 2) + " s", spread(ours, 2) + " s",
                spread([a / b for a, b in zip(ours, other)], 4), "", "")


def through_fuse(place, package):
    """QEMU serves the partition as a file, ntfs-3g mounts that file, cp -r copies into it."""
    image, partition = place.fresh(), place.folder / "partition"
    mount, pid = place.folder / "mount", place.folder / "pid"
    partition.touch()
    mount.mkdir(exist_ok=True)
    sh("qemu-storage-daemon",
       "--blockdev", f"driver=file,node-name=file,filename={image}",
       "--blockdev", "driver=vhdx,node-name=image,file=file",
       "--blockdev", f"driver=raw,node-name=part,file=image,offset=1048576,size={PARTITION_MIB << 20}",
       "--export", f"type=fuse,id=fuse,node-name=part,mountpoint={partition},writable=on",
       "--daemonize", "--pidfile", pid)
    daemon = int(pid.read_text())

    def work():
        sh("ntfs-3g", partition, mount, **QUIET)
        try:
            sh("cp", "-r", package, mount / "copy")
        finally:
            sh("umount", mount)
        os.kill(daemon, signal.SIGTERM)
        while pid.exists():
            time.sleep(0.01)
        sh("sync", "-f", image)

    return timed(work)


def fuse(place, runs):
    part = place.folder / "part"
    total = make_part(place.package, part, 6)
    compare(f"(b) QEMU's FUSE export, ntfs-3g, `cp -r` ({total / 1e6:.0f} MB)", runs,
            lambda: place.ours(part), lambda: through_fuse(place, part))
    shutil.rmtree(part)


def guestfish(place, runs):
    part = place.folder / "part"
    total = make_part(place.package, part, 40)
    env = dict(os.environ, LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg")

    def work():
        image = place.fresh()
        return timed(lambda: sh("guestfish", "-a", image, "run", ":", "mount", "/dev/sda1", "/",
                                ":", "copy-in", part, "/", ":", "sync", ":", "umount-all",
                                env=env, **QUIET))

    compare(f"(c) guestfish copy-in, emulated ({total / 1e6:.0f} MB)", runs,
            lambda: place.ours(part), work)
    shutil.rmtree(part)


SIDES = {"copy": copy, "share": share, "inject": inject, "sync": sync, "fuse": fuse, "guestfish": guestfish}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1])
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--in", dest="folder", default=None)
    parser.add_argument("sides", nargs="*", metavar="SIDE")
    options = parser.parse_intermixed_args()
    unknown = set(options.sides) - set(SIDES)
    if unknown:
        parser.error(f"no side '{unknown.pop()}'")
    with tempfile.TemporaryDirectory(prefix="hvgpu-bench-", dir=options.folder) as folder:
        place = Place(options.build, pathlib.Path(folder))
        row("against", "its time", "hvgpu's time", "hvgpu's in parts of it", "memory",
            "image grew")
        row(*["---"] * 6)
        for name in options.sides or ["copy"]:
            SIDES[name](place, options.runs)
    print(f"\n{FILES} files, {TOTAL / 1e9:.2f} GB; {options.runs} runs; load at the end "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()

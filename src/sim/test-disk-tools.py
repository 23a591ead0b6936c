#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulator's disks, judged by programs that others wrote: QEMU's VHDX code, ntfs-3g's
tools, mtools, hivex.  Argument: the program that makes one disk (test-make-disk)."""
import os
import shutil
import subprocess
import sys
import tempfile

TOOLS = ["qemu-img", "ntfsinfo", "ntfsls", "ntfscat", "hivexregedit", "mdir"]
MIB = 1 << 20


def run(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, **more).stdout


def find(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def partitions(raw):
    """Type GUID (as stored), first byte and size of each GPT entry; read by hand, so that
    not the writer's own code judges itself."""
    with open(raw, "rb") as file:
        file.seek(512)
        header = file.read(92)
        assert header[:8] == b"EFI PART", "no GPT header"
        at = int.from_bytes(header[72:80], "little") * 512
        count = int.from_bytes(header[80:84], "little")
        size = int.from_bytes(header[84:88], "little")
        file.seek(at)
        found = []
        for _ in range(count):
            entry = file.read(size)
            first = int.from_bytes(entry[32:40], "little")
            last = int.from_bytes(entry[40:48], "little")
            if first:
                found.append((entry[:16], first * 512, (last - first + 1) * 512))
        return found


def cut(raw, part, to):
    _, first, size = part
    assert first % MIB == 0 and size % MIB == 0
    run("dd", f"if={raw}", f"of={to}", "bs=1M", f"skip={first // MIB}",
        f"count={size // MIB}", "conv=sparse")


def main():
    maker = sys.argv[1]
    missing = [t for t in TOOLS if not find(t)] + \
              [t for t in ("mkntfs", "mkfs.vfat", "mcopy") if not find(t)]
    print("1..4")
    if missing:
        for n in range(1, 5):
            print(f"ok {n} # SKIP no {', '.join(missing)}")
        return
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with tempfile.TemporaryDirectory() as folder:
        image, raw = folder + "/d.vhdx", folder + "/d.raw"
        efi, windows = folder + "/efi", folder + "/windows"
        run(maker, image)

        run("qemu-img", "check", "-f", "vhdx", image)
        assert "log" not in run("qemu-img", "info", "-f", "vhdx", image).decode().lower()
        assert os.stat(image).st_blocks * 512 < 400 * MIB, "the image is not sparse"
        print("ok 1 - QEMU finds the VHDX clean and small")

        run("qemu-img", "convert", "-f", "vhdx", "-O", "raw", image, raw)
        parts = partitions(raw)
        assert len(parts) == 4, parts
        cut(raw, parts[0], efi)
        boot = run("mdir", "-/", "-b", "-i", efi, "::").decode().lower()
        assert "/efi/microsoft/boot/bootmgfw.efi" in boot, boot
        print("ok 2 - mtools read the EFI partition")

        cut(raw, parts[2], windows)
        info = run("ntfsinfo", "-m", windows).decode()
        assert "Volume Name: Windows" in info and "DIRTY" not in info, info
        names = run("ntfsls", "-p", "/Windows/System32", windows).decode().split()
        assert {"d3d12.dll", "ntoskrnl.exe", "config", "drivers"} <= set(names), names
        print("ok 3 - ntfsinfo and ntfsls read the Windows volume")

        hive = folder + "/SOFTWARE"
        with open(hive, "wb") as file:
            file.write(run("ntfscat", windows, "/Windows/System32/config/SOFTWARE"))
        text = run("hivexregedit", "--export", "--unsafe-printable-strings", hive,
                   "\\Microsoft\\Windows NT\\CurrentVersion").decode()
        assert 'CurrentBuildNumber"=str(1):"22631"' in text, text
        print("ok 4 - hivexregedit reads the guest's build")


main()

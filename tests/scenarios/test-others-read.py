#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""After the drivers went into a disk, programs that others wrote see the very files and values:
qemu-img the VHDX, ntfs-3g's tools and 7z the file system, hivex and chntpw the registry.

What is expected is written here by hand, from the host's C: and NVIDIA's public INF
(nv_dispi.inf 470.05); nothing of hvgpu's own is asked.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import scenario
from scenario import must, output_of, tool
from volumes import cat, must_be_clean, sha256, tree, windows_volume

# CopyToVmWhenNewer[Wow64] of nv_dispi.inf: where in the guest, and from what in the package.
COPIES = {
    "System32/nvcuda.dll": "nvcuda_loader64.dll",
    "System32/nvml.dll": "nvml_loader.dll",
    "System32/OpenCL.dll": "OpenCL64.dll",
    "System32/vulkan-1.dll": "vulkan-1-x64.dll",
    "SysWOW64/nvcuda.dll": "nvcuda_loader32.dll",
    "SysWOW64/OpenCL.dll": "OpenCL32.dll",
    "SysWOW64/vulkan-1.dll": "vulkan-1-x86.dll",
}


def registry(hive, key):
    """The values of one key as hivexregedit writes them, in lower case names."""
    text = output_of("hivexregedit", "--export", "--unsafe-printable-strings", "--max-depth", "1",
                     hive, key).decode("utf-8")
    values = {}
    for line in text.replace("\\\n", "").splitlines():
        found = re.match(r'"([^"]+)"=(.*)', line)
        if found:
            values[found[1].lower()] = found[2]
    return values


def text_of(value):
    """str(2):"..." of hivexregedit."""
    found = re.fullmatch(r'str\((\d+)\):"(.*)"', value)
    assert found, value
    return int(found[1]), found[2].replace("\\\\", "\\")


def active_package(drive):
    """The folder the host's driver runs from, by the host's own registry."""
    values = registry(str(drive / "Windows/System32/config/SYSTEM"),
                      "\\ControlSet001\\Services\\nvlddmkm")
    _, path = text_of(values["imagepath"])
    return re.search(r"FileRepository\\([^\\]+)\\nvlddmkm\.sys$", path)[1]


def must_hold_the_driver(image, drive, folder):
    package = active_package(drive)
    store = drive / "Windows/System32/DriverStore/FileRepository" / package
    host = tree(store)
    assert len(host) > 40 and "nvlddmkm.sys" in host, sorted(host)
    volume = windows_volume(image, folder)
    must_be_clean(volume)

    # 7z: every file of the package, no other, none in another package's folder.
    out = pathlib.Path(folder) / "out"
    output_of("7z", "x", "-y", f"-o{out}", volume, "Windows/System32/HostDriverStore")
    there = tree(out / "Windows/System32/HostDriverStore/FileRepository")
    expected = {f"{package}/{name}": digest for name, digest in host.items()}
    names = {name: digest for name, digest in there.items() if name.startswith(package + "/")}
    assert names == expected, scenario.difference(
        "\n".join(f"{k} {v}" for k, v in sorted(expected.items())),
        "\n".join(f"{k} {v}" for k, v in sorted(names.items())))
    assert set(there) == set(expected), set(there) ^ set(expected)

    # ntfscat: what goes beside it, under its new name.
    for target, source in COPIES.items():
        digest = hashlib.sha256(cat(volume, f"/Windows/{target}")).hexdigest()
        assert digest == host[source], f"{target} is not the host's {source}"

    # ntfsinfo: against loss, the files are read-only.
    for path in (f"/Windows/System32/HostDriverStore/FileRepository/{package}/nvldumdx.dll",
                 "/Windows/System32/nvcuda.dll"):
        info = output_of("ntfsinfo", "-F", path, volume).decode()
        assert re.search(r"File attributes:.*READONLY", info), info

    # hivexregedit and reged: NVIDIA's service, that no device binds.
    hive = f"{folder}/SYSTEM"
    pathlib.Path(hive).write_bytes(cat(volume, "/Windows/System32/config/SYSTEM"))
    must_have_service(hive, package)
    software = f"{folder}/SOFTWARE"
    pathlib.Path(software).write_bytes(cat(volume, "/Windows/System32/config/SOFTWARE"))
    registry(software, "\\Microsoft\\Windows NT\\CurrentVersion")


def must_have_service(hive, package):
    image = f"\\SystemRoot\\System32\\HostDriverStore\\FileRepository\\{package}\\nvlddmkm.sys"
    values = registry(hive, "\\ControlSet001\\Services\\nvlddmkm")
    assert values["type"] == "dword:00000001", values
    assert values["start"] == "dword:00000003", values
    assert values["errorcontrol"] == "dword:00000000", values
    assert text_of(values["group"]) == (1, "Video"), values
    assert text_of(values["imagepath"]) == (2, image), values

    out = hive + ".reg"
    done = subprocess.run([tool("reged"), "-x", hive, "HKEY_LOCAL_MACHINE\\SYSTEM",
                           "ControlSet001\\Services\\nvlddmkm", out],
                          capture_output=True, text=True, check=False)
    # reged leaves with 2 after reading a hive without trouble.
    assert done.returncode in (0, 2) and os.path.exists(out), done.stdout + done.stderr
    exported = pathlib.Path(out).read_text("latin-1").replace("\r\n", "\n")
    assert '"Start"=dword:00000003' in exported and '"Group"="Video"' in exported, exported
    data = re.search(r'"ImagePath"=hex\(2\):((?:[0-9a-f]{2},?(?:\\\n\s*)?)+)', exported)
    assert data, exported
    decoded = bytes.fromhex(re.sub(r"[^0-9a-f]", "", data[1])).decode("utf-16-le")
    assert decoded.rstrip("\0") == image, decoded


def volume_tree(image, folder):
    """Every file of the Windows volume with its hash, as 7z sees it."""
    volume = windows_volume(image, folder)
    must_be_clean(volume)
    out = pathlib.Path(folder) / "all"
    output_of("7z", "x", "-y", f"-o{out}", volume)
    found = tree(out)
    shutil.rmtree(out)
    os.unlink(volume)
    return {name: digest for name, digest in found.items() if not name.startswith("[SYSTEM]")}


def test_after_attach_over_the_network(world):
    image = world.disk("C:\\VMs\\games\\games.vhdx")
    with world.serve("laptop") as server:
        must(world.hvgpu("attach", "games", "--gpu", "10de:2860", "--yes", host=server))
    must_hold_the_driver(image, world.drive(), world.dir)


def test_a_non_ascii_vm_whose_disk_has_a_non_ascii_name(world):
    lab = {"host": "JP-DESKTOP", "lab": "japanese"}
    before = world.dump("japanese")
    must(world.hvgpu("attach", "ゲーム", "--gpu", "4090", "--yes", host="sim:japanese"))
    must_hold_the_driver(world.disk("C:\\VMs\\ゲーム\\ゲーム.vhdx", **lab), world.drive(**lab),
                         world.dir)
    must(world.hvgpu("undo", "--yes", host=None))
    world.must_be(before, "after undo", "japanese")


def test_after_undo_the_volume_holds_what_it_held(world):
    lab = {"host": "JP-DESKTOP", "lab": "japanese"}
    image = world.disk("C:\\VMs\\ゲーム\\ゲーム.vhdx", **lab)
    world.dump("japanese")  # makes the disks
    before = volume_tree(image, world.dir)
    assert "Windows/System32/ntoskrnl.exe" in before, sorted(before)[:20]
    must(world.hvgpu("attach", "ゲーム", "--gpu", "4090", "--yes", host="sim:japanese"))
    attached = volume_tree(image, world.dir)
    assert attached != before
    must(world.hvgpu("undo", "--yes", host=None))
    after = volume_tree(image, world.dir)
    assert after == before, scenario.difference(
        "\n".join(f"{k} {v}" for k, v in sorted(before.items())),
        "\n".join(f"{k} {v}" for k, v in sorted(after.items())))


def test_after_driver_inject_into_a_local_disk(world):
    lab = {"host": "JP-DESKTOP", "lab": "japanese"}
    world.dump("japanese")  # makes the disks
    disk = world.dir / "copy.vhdx"
    shutil.copyfile(world.disk("C:\\VMs\\ゲーム\\ゲーム.vhdx", **lab), disk)
    before = sha256(disk)
    inject = ["driver", "inject", "--disk", str(disk), "--from", str(world.drive(**lab)),
              "--gpu", "10de:2684"]
    must(world.hvgpu(*inject, "--dry-run", host=None))
    assert sha256(disk) == before, "a dry run wrote"
    must(world.hvgpu(*inject, "--yes", host=None))
    must_hold_the_driver(disk, world.drive(**lab), world.dir)
    again = sha256(disk)
    must(world.hvgpu(*inject, "--yes", host=None))
    assert sha256(disk) == again, "the second time changed the disk"


def test_intels_values_on_a_host_whose_infs_are_utf_16(world):
    image = world.disk("C:\\VMs\\games\\games.vhdx")
    before = world.dump()
    must(world.hvgpu("attach", "games", "--gpu", "Iris", "--yes"))
    volume = windows_volume(image, world.dir)
    must_be_clean(volume)
    hive = f"{world.dir}/SYSTEM"
    pathlib.Path(hive).write_bytes(cat(volume, "/Windows/System32/config/SYSTEM"))
    display = "\\ControlSet001\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}"
    values = {name: text_of(value) for name, value in registry(hive, display + "\\0001").items()}
    folder, = {text for name, (_, text) in values.items() if name.startswith("driverstorepath")}
    assert re.fullmatch(r"C:\\Windows\\System32\\HostDriverStore\\FileRepository\\"
                        r"iigd_dch\.inf_amd64_[0-9a-f]{16}", folder), folder
    # What the simulated host's class key has of the values that Intel's runtimes read.
    assert values == {
        "opencldrivername": (1, folder + "\\igdrcl64.dll"),
        "opengldrivername": (1, folder + "\\igxelpicd64.dll"),
        "opengldrivernamewow": (1, folder + "\\igxelpicd32.dll"),
        "vulkandrivername": (1, folder + "\\igvk64.json"),
        "levelzerodriverpath": (1, folder + "\\ze_intel_gpu64.dll"),
        "driverstorepathforcomputeruntime": (1, folder),
        "driverstorepathformediasdk": (1, folder),
        "driverstorepathforvpl": (1, folder)}, values
    video = registry(hive, display + "\\0000")
    assert text_of(video["infpath"])[1] == "wvmbusvideo.inf", video
    assert text_of(video["levelzerodriverpath"]) == (1, folder + "\\ze_intel_gpu64.dll"), video
    must(world.hvgpu("undo", "--yes", host=None))
    world.must_be(before, "after undo")


scenario.main(globals())

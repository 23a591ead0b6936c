#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `driver inject` makes of a guest's disk, entry by entry: for hosts that are hives and a
FileRepository folder, every file and every registry value that is new or changed is what a person
wrote down from the INF, no more and no less.  The format: exact/README.md.

Read back by qemu-img, 7z, ntfscat and hivexregedit.
"""

import datetime
import json
import os
import pathlib
import re
import shutil

import hives
import scenario
import volumes
from scenario import must, output_of

EXACT = pathlib.Path(__file__).resolve().parent / "exact"
MANIFEST = "System32/HostDriverStore/hvgpu-manifest.json"
HIVE = "System32/config/SYSTEM"
os.environ["TZ"] = "UTC"  # 7z prints local time
FIRST_TIME = 1700000000  # 2023-11-14; every file of a store has a time of its own


# ---- the host ----

class Host:
    """A Windows folder: hives, store, published INFs, of one description or several together.
    @real: {place below the store: a vendor's own INF, whose files are made too}."""

    def __init__(self, folder, *described, real=None):
        self.root = folder
        self.store = folder / "System32/DriverStore/FileRepository"
        config = folder / "System32/config"
        config.mkdir(parents=True)
        for each in described:
            if (each / "store").exists():
                shutil.copytree(each / "store", self.store, dirs_exist_ok=True)
        for place, inf in (real or {}).items():
            package = place.split("\\")[0]
            for path in source_disks_files(inf):
                self.put(f"{package}\\{path}", path.encode() + b"\n")
            self.put(place, inf)
        registry = [line for each in described for line in lines_of(each / "host.txt")]
        for name, keys in hives.parse(registry).items():
            hives.make(config / name, keys)
        for line in (line for each in described for line in lines_of(each / "files.txt")):
            path, _, source = line.partition(" = ")
            if source:
                self.copy(source, path)
            else:
                self.put(path, path.encode() + b"\n")
        self.date()

    def put(self, path, content):
        file = self.store / path.replace("\\", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def copy(self, source, path):
        """A published INF is the package's, byte for byte."""
        target = self.root / path.replace("\\", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.store / source.replace("\\", "/"), target)

    def date(self):
        for i, file in enumerate(sorted(p for p in self.store.rglob("*") if p.is_file())):
            os.utime(file, (FIRST_TIME + 60 * i,) * 2)

    def below(self, package):
        """The files of a package, as the store names them."""
        return ["\\".join(p.relative_to(self.store).parts)
                for p in (self.store / package).rglob("*") if p.is_file()]

    def entry(self, source):
        """What a guest's copy of a file of the store must be."""
        file = self.store / source.replace("\\", "/")
        return volumes.sha256(file), int(file.stat().st_mtime), "AR"


def source_disks_files(inf):
    """[SourceDisksFiles] 'name = disk[,folder]', where each file is in the package."""
    text = inf.decode("utf-16" if inf.startswith(b"\xff\xfe") else "ascii").replace("\r\n", "\n")
    section = re.search(r"(?ms)^\[SourceDisksFiles\]\s*\n(.*?)(?=^\[)", text)[1]
    found = re.findall(r"(?m)^([^\s;=]+)[ \t]*=[ \t]*1[ \t]*(?:,[ \t]*([^\s;,]+))?", section)
    return sorted({f"{folder}\\{name}" if folder else name for name, folder in found})


def lines_of(path):
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def expectation(path, host):
    """expected.txt: the GPU, {path: entry}, {(key, name): value}."""
    lines = lines_of(path)
    gpu = lines.pop(0).removeprefix("gpu = ")
    assert lines.pop(0) == "[files]", path
    files = {}
    while lines and not lines[0].startswith("["):
        destination, source = lines.pop(0).split(" = ")
        if source.endswith("\\*"):  # a whole package
            for path in host.below(source[:-2]):
                files[(destination[:-1] + path[len(source) - 1:]).replace("\\", "/")] = \
                    host.entry(path)
            continue
        destination = destination.replace("\\", "/")
        assert destination not in files, f"{destination} is there twice"
        files[destination] = host.entry(source)
    values = {}
    for hive, keys in hives.parse(lines).items():
        assert hive == "SYSTEM", hive
        for key, named in keys.items():
            for parent in (key.rsplit("\\", n)[0] for n in range(key.count("\\") + 1)):
                values[parent.lower(), None] = None
            for name, value in named.items():
                values[key.lower(), name.lower()] = value
    return gpu, files, values


# ---- the guest ----

def guest_disk(world):
    lab = str(EXACT / "guest.yaml")
    world.dump(lab)  # makes the disk
    disk = world.dir / "guest.vhdx"
    shutil.copyfile(world.disk("C:\\VMs\\guest.vhdx", host="EXACT", lab="guest"), disk)
    return disk


def listing(volume):
    """{path: (time, attributes)} of every file below Windows, and all folders, as 7z lists
    them."""
    listed = output_of("7z", "l", "-slt", "-ba", str(volume)).decode("utf-8")
    files, folders = {}, set()
    for block in listed.split("\n\n"):
        fields = dict(re.findall(r"(?m)^(\w+) = (.*)$", block))
        path = fields.get("Path", "").replace("\\", "/")
        if not path.startswith("Windows/"):
            continue
        path = path.removeprefix("Windows/")
        if fields["Folder"] == "+":
            folders.add(path)
        else:
            time = datetime.datetime.fromisoformat(fields["Modified"][:19] + "+00:00")
            seconds = int(time.timestamp())
            files[path] = seconds, "".join(sorted(fields["Attributes"]))
    return files, folders


class Seen:
    """All of a guest's Windows folder, by programs that others wrote."""

    def __init__(self, disk, folder):
        volume = volumes.windows_volume(disk, folder)
        volumes.must_be_clean(volume)
        out = pathlib.Path(folder) / "out"
        output_of("7z", "x", "-y", f"-o{out}", volume, "Windows")
        hashes = volumes.tree(out / "Windows")
        listed, self.folders = listing(volume)
        assert set(hashes) == set(listed), set(hashes) ^ set(listed)
        self.files = {path: (digest, *listed[path]) for path, digest in hashes.items()}
        self.values = hives.export(out / "Windows" / HIVE)
        manifest = out / "Windows" / MANIFEST
        self.manifest = json.loads(manifest.read_text("utf-8")) if manifest.exists() else None
        shutil.rmtree(out)
        os.unlink(volume)


def change_guest(disk, folder, files=None, registry=()):
    """Files of the guest's Windows folder written, and its SYSTEM hive edited, by ntfscp and
    hivexregedit."""
    raw, new = f"{folder}/whole.raw", f"{folder}/file"
    output_of("qemu-img", "convert", "-f", "vhdx", "-O", "raw", str(disk), raw)
    volume = volumes.windows_volume(disk, folder)
    contents = dict(files or {})
    for name, keys in hives.parse(registry).items():
        path = f"System32/config/{name}"
        hive = pathlib.Path(folder) / name
        hive.write_bytes(volumes.cat(volume, f"/Windows/{path}"))
        hives.merge(hive, keys)
        contents[path] = hive.read_bytes()
    for path, content in contents.items():
        pathlib.Path(new).write_bytes(content)
        output_of("ntfscp", "-f", volume, new, f"/Windows/{path}")
    volumes.put_back(raw, volume)
    output_of("qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=dynamic", raw,
              str(disk))
    for path in (raw, volume):
        os.unlink(path)


def changes(before, now):
    """What is new or other in @now, and what is gone."""
    came = {key: value for key, value in now.items() if key not in before or before[key] != value}
    return came, set(before) - set(now)


def same(what, expected, found):
    lines = [f"missing: {key} {value}" for key, value in expected.items() if key not in found]
    lines += [f"too much: {key} {value}" for key, value in found.items() if key not in expected]
    lines += [f"other: {key}\n    is     {found[key]}\n    should {value}"
              for key, value in expected.items() if key in found and found[key] != value]
    assert not lines, "\n".join([what, *sorted(lines)])


def inject(world, disk, host, gpu, *more):
    return world.hvgpu("driver", "inject", "--disk", str(disk), "--from", str(host.root), "--gpu",
                       gpu, "--yes", *more, host=None)


def folders_of(paths):
    return {str(folder) for path in paths for folder in pathlib.PurePosixPath(path).parents}


def check(before, now, files, values):
    assert now.folders - before.folders == folders_of(files) - before.folders - {"."}
    assert before.folders <= now.folders
    came, gone = changes(before.files, now.files)
    assert not gone, f"gone: {gone}"
    for own in (MANIFEST, HIVE):
        came.pop(own, None)
    same("files", files, came)
    came, gone = changes(before.values, now.values)
    assert not gone, f"gone: {gone}"
    # The keys that were there are no change; their new values are.
    same("registry", {key: value for key, value in values.items()
                      if key[1] is not None or key not in before.values}, came)


def run_case(world, described, real=None):
    host = Host(world.dir / "host/Windows", described, real=real)
    gpu, files, values = expectation(described / "expected.txt", host)
    disk = guest_disk(world)
    before = Seen(disk, world.dir)
    must(inject(world, disk, host, gpu))
    now = Seen(disk, world.dir)
    check(before, now, files, values)

    # Its own record lists the same.
    mine = now.manifest["gpus"][0]
    recorded = {f["path"].replace("\\", "/"): f["sha256"] for f in mine["files"]}
    for package in mine["packages"]:
        for f in package["files"]:
            path = f"System32\\HostDriverStore\\FileRepository\\{package['name']}\\{f['path']}"
            recorded[path.replace("\\", "/")] = f["sha256"]
    same("manifest", {path: entry[0] for path, entry in files.items()}, recorded)

    # A second time there is nothing to do; undo leaves what was there before.
    digest = volumes.sha256(disk)
    must(inject(world, disk, host, gpu))
    assert volumes.sha256(disk) == digest, "the second time changed the disk"
    must(world.hvgpu("undo", "--yes", host=None))
    after = Seen(disk, world.dir)
    same("files after undo", before.files, after.files)
    assert after.folders == before.folders, after.folders ^ before.folders
    same("registry after undo", before.values, after.values)


def test_nvidia(world):
    run_case(world, EXACT / "nvidia")


def test_amd(world):
    run_case(world, EXACT / "amd")


def test_intel(world):
    run_case(world, EXACT / "intel")


CLASS = "ControlSet001\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}"
INTEL_KEY = f"{CLASS}\\0002".lower()


def test_intel_where_the_display_key_is_another_drivers(world):
    host = Host(world.dir / "host/Windows", EXACT / "intel")
    gpu, files, values = expectation(EXACT / "intel/expected.txt", host)
    disk = guest_disk(world)
    change_guest(disk, world.dir, registry=[
        f"[SYSTEM\\{CLASS}\\0002]", "ProviderName = sz Contoso", "InfPath = sz oem1.inf",
        "DriverDesc = sz Contoso Indirect Display"])
    before = Seen(disk, world.dir)
    done = must(inject(world, disk, host, gpu))
    assert "Contoso Indirect Display" in done.stdout + done.stderr, done
    # Nothing of it in that key; all the rest as ever.
    check(before, Seen(disk, world.dir), files,
          {key: value for key, value in values.items() if key[0] != INTEL_KEY})


def leave_unfinished(system):
    """The hive as a Windows leaves it whose power failed: all of it in the log only."""
    full, log = system.read_bytes(), system.with_name("SYSTEM.LOG1")
    empty = hives.empty()
    log.write_bytes(hives.log(empty, 4, hives.log_entry(empty, full, 4)))
    system.write_bytes(hives.with_sequence(empty, 5, 4))


def test_intel_where_the_display_key_is_of_the_virtual_device_and_the_host_lost_power(world):
    host = Host(world.dir / "host/Windows", EXACT / "intel")
    leave_unfinished(host.root / "System32/config/SYSTEM")
    gpu, files, values = expectation(EXACT / "intel/expected.txt", host)
    disk = guest_disk(world)
    change_guest(disk, world.dir, registry=[
        f"[SYSTEM\\{CLASS}\\0002]", "ProviderName = sz Microsoft", "InfPath = sz vrd.inf",
        "DriverDesc = sz Microsoft Virtual Render Driver"])
    before = Seen(disk, world.dir)
    must(inject(world, disk, host, gpu))
    check(before, Seen(disk, world.dir), files, values)


# ---- two GPUs in one guest ----

def two_gpus(world):
    host = Host(world.dir / "host/Windows", EXACT / "nvidia", EXACT / "intel")
    return (host, expectation(EXACT / "nvidia/expected.txt", host),
            expectation(EXACT / "intel/expected.txt", host))


LOADERS = [f"{folder}/{name}" for folder in ("System32", "SysWOW64")
           for name in ("OpenCL.dll", "vulkan-1.dll")]


def must_have_both(world, disk, host, before, nvidia, intel, winner):
    """Both drivers, the loaders that they share from @winner, and records that say so."""
    gpus = [nvidia[0], intel[0]]
    files, values = {**nvidia[1], **intel[1]}, {**nvidia[2], **intel[2]}
    files.update({path: winner[1][path] for path in LOADERS})
    now = Seen(disk, world.dir)
    check(before, now, files, values)
    assert len(now.manifest["gpus"]) == 2
    for gpu in now.manifest["gpus"]:
        recorded = {f["path"].replace("\\", "/"): f["sha256"] for f in gpu["files"]}
        for path in LOADERS:
            assert recorded[path] == files[path][0], (gpu["name"], path)
    # Neither takes it from the other again.
    digest = volumes.sha256(disk)
    for gpu in gpus:
        must(inject(world, disk, host, gpu))
    assert volumes.sha256(disk) == digest, "the second time changed the disk"


def test_two_gpus_share_the_newer_loaders_whichever_comes_first(world):
    host, nvidia, intel = two_gpus(world)
    # NVIDIA's files are the younger ones here.
    for order in ((nvidia, intel), (intel, nvidia)):
        disk = guest_disk(world)
        before = Seen(disk, world.dir)
        for gpu in order:
            must(inject(world, disk, host, gpu[0]))
        must_have_both(world, disk, host, before, nvidia, intel, nvidia)


def test_two_gpus_that_need_different_files_of_one_name_are_refused_with_both_named(world):
    host, nvidia, intel = two_gpus(world)
    for inf in host.root.rglob("iigd_dch.inf"):
        inf.write_text(inf.read_text().replace("[Loaders64]\n",
                                               "[Loaders64]\nnvml.dll, igdrcl64.dll\n"))
    shutil.copyfile(host.store / "iigd_dch.inf_amd64_2f3e4d5c6b7a8990/iigd_dch.inf",
                    host.root / "INF/oem5.inf")
    disk = guest_disk(world)
    must(inject(world, disk, host, nvidia[0]))
    digest = volumes.sha256(disk)
    done = inject(world, disk, host, intel[0])
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    for part in ("System32\\nvml.dll", "NVIDIA GeForce RTX 4090", "Intel(R) Iris(R) Xe Graphics",
                 "nvml_loader.dll", "igdrcl64.dll"):
        assert part in said, (part, said)
    assert volumes.sha256(disk) == digest, "it wrote"


def vendors_own(name):
    data = os.environ.get("HVGPU_TEST_DATA")
    if not data:
        raise scenario.Skip("no HVGPU_TEST_DATA")
    return pathlib.Path(data, "inf", name).read_bytes()


def test_nvidia_470_05_as_nvidia_wrote_it(world):
    inf = vendors_own("nvidia-470.05-nv_dispi.inf")
    package = "nv_dispi.inf_amd64_5a3e1b7c9d2f4860"
    assert len(source_disks_files(inf)) == 308
    run_case(world, EXACT / "nvidia-470.05", {f"{package}\\nv_dispi.inf": inf})


def test_intel_21_20_as_intel_wrote_it(world):
    inf = vendors_own("intel-21.20.16.4860-igdlh64-utf16.inf")
    package = "igdlh64.inf_amd64_9e8d7c6b5a493827"
    assert len(source_disks_files(inf)) == 221
    run_case(world, EXACT / "intel-21.20", {f"{package}\\igdlh64.inf": inf})


scenario.main(globals())

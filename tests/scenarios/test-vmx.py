#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""VMware's .vmx files as users have them: odd encodings and line ends, a VM that VMware has run
in between, what others changed; and back to the byte."""

import json
import os
import stat
import subprocess

import scenario
import way
from scenario import must

SAMPLE = ('config.version = "8"\nvirtualHW.version = "19"\n# a comment\n\n'
          'mks.enable3d = "FALSE"\nscsi0:0.fileName = "disk.vmdk"\n'
          'vmotion.svga.supports3D = "0"\nVMotion.SVGA.mobMaxSize = "1"\n'
          'vmotion.checkpointFBSize = "4194304"')


def check(so, what):
    if not so:
        raise AssertionError(what)


def write(world, content, name="vm.vmx"):
    folder = world.dir / "vm"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o640)
    return path


def enable(world, path, *options, env=None):
    return world.hvgpu("vmx", "enable-3d", "-y", *options, str(path), host=None, env=env)


def undo(world, path, *options):
    return world.hvgpu("vmx", "undo", "-y", *options, str(path), host=None)


def test_each_encoding_and_line_end_comes_back_to_the_byte(world):
    for encoding, name in (("UTF-8", "Büro 测试"), ("windows-1252", "Büro"), ("GBK", "测试亅"),
                           ("Shift_JIS", "ポリシー"), ("Big5", "測試"), ("EUC-KR", "시험"),
                           ("windows-1251", "Проба")):
        for end in ("\n", "\r\n"):
            text = f'.encoding = "{encoding}"\ndisplayName = "{name} |22x|22"\n' + SAMPLE
            before = text.replace("\n", end).encode(encoding)
            path = write(world, before)
            must(enable(world, path))
            changed = path.read_bytes()
            lines = text.split("\n")
            wanted = [line.replace("FALSE", "TRUE") for line in lines
                      if not line.lower().startswith("vmotion.svga")]
            check(changed == end.join(wanted).encode(encoding), f"{encoding}: {changed!r}")
            shown = world.json("vmx", "show", str(path), host=None)
            check(shown["vmx"]["name"] == f'{name} "x"', f"{encoding}: {shown['vmx']['name']}")
            if not way.HERE.is_windows:  # which has no such rights
                check(stat.S_IMODE(os.stat(path).st_mode) == 0o640, "the file's rights")
            must(undo(world, path))
            check(path.read_bytes() == before, f"{encoding}: not back to the byte")
            check(os.listdir(path.parent) == ["vm.vmx"], f"left over: {os.listdir(path.parent)}")


def test_after_vmware_ran_only_the_switch_goes_back(world):
    path = write(world, SAMPLE.encode())
    must(enable(world, path))
    ran = path.read_text() + '\nvmotion.svga.supports3D = "1"\nusb.present = "TRUE"\n'
    path.write_text(ran)
    must(undo(world, path))
    check(path.read_text() == ran.replace('mks.enable3d = "TRUE"', 'mks.enable3d = "FALSE"'),
          path.read_text())


def test_what_somebody_else_changed_is_left_alone_unless_forced(world):
    path = write(world, SAMPLE.encode())
    must(enable(world, path, "--graphics-memory", "2048"))
    other = path.read_text().replace('"2097152"', '"1048576"')
    check(other != path.read_text(), "the memory was set")
    path.write_text(other)
    done = undo(world, path)
    check(done.returncode == 1 and "changed by others" in done.stderr, done.stderr)
    check(path.read_text() == other, "left alone")
    must(undo(world, path, "--force"))
    check("svga.graphicsMemoryKB" not in path.read_text(), path.read_text())
    check('mks.enable3d = "FALSE"' in path.read_text(), path.read_text())


def pretend(name, *arguments):
    """A process of that name, which does nothing until it is ended."""
    if way.HERE.is_windows:
        raise scenario.Skip("Wine does not show processes of Linux")
    return subprocess.Popen([name, "-f", "/dev/null", *arguments], executable=scenario.tool("tail"),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_vm_that_runs_is_refused_without_a_lock(world):
    path = write(world, SAMPLE.encode())
    (path.parent / "link").symlink_to(path.parent)
    other = write(world, SAMPLE.encode(), "other.vmx")
    must(enable(world, path))
    changed = path.read_bytes()
    for name in (path, path.parent / "link" / "vm.vmx"):
        with pretend("/usr/lib/vmware/bin/vmware-vmx", str(name)) as runs:
            try:
                for done in (undo(world, path), enable(world, path, "--graphics-memory", "1024")):
                    check(done.returncode == 1 and "the VM runs" in done.stderr,
                          f"{name}: {done.stderr}")
                shown = json.loads(world.hvgpu("vmx", "show", str(path), "--json", host=None).stdout)
                check(shown["vmx"]["process"] == runs.pid, shown)
                must(enable(world, other))  # another VM than the one that runs
                must(undo(world, other))
            finally:
                runs.kill()
        check(path.read_bytes() == changed, "changed while it runs")
    must(undo(world, path))


def test_a_lock_while_vmware_is_there_is_not_called_stale(world):
    path = write(world, SAMPLE.encode())
    (path.parent / "vm.vmx.lck").mkdir()
    with pretend("vmplayer") as window:
        try:
            done = enable(world, path)
        finally:
            window.kill()
    check(done.returncode == 1 and "open in VMware" in done.stderr, done.stderr)


def test_a_vm_that_is_locked_is_refused_both_ways(world):
    path = write(world, SAMPLE.encode())
    must(enable(world, path))
    lock = path.parent / "vm.vmx.lck"
    lock.mkdir()
    changed = path.read_bytes()
    for done in (undo(world, path), enable(world, path, "--graphics-memory", "1024")):
        check(done.returncode == 1 and "no VMware of this computer runs" in done.stderr,
              done.stderr)
        check(path.read_bytes() == changed, "changed in spite of the lock")
    lock.rmdir()
    must(undo(world, path))
    check(path.read_bytes() == SAMPLE.encode(), "not back to the byte")


def test_a_link_is_followed_and_stays_a_link(world):
    path = write(world, SAMPLE.encode())
    link = world.dir / "link.vmx"
    link.symlink_to(path)
    must(enable(world, link))
    check(link.is_symlink() and b'mks.enable3d = "TRUE"' in path.read_bytes(), "the file itself")
    must(undo(world, path))
    check(path.read_bytes() == SAMPLE.encode(), "found by its own name, too")


def test_several_changes_are_taken_back_newest_first(world):
    path = write(world, SAMPLE.encode())
    must(enable(world, path))
    first = path.read_bytes()
    must(enable(world, path, "--allow-blocklisted"))
    must(undo(world, path))
    check(path.read_bytes() == first, "the second change only")
    must(undo(world, path))
    check(path.read_bytes() == SAMPLE.encode(), "both")
    done = must(undo(world, path))
    check("undone already" in done.stdout, done.stdout)


if __name__ == "__main__":
    scenario.main(globals())

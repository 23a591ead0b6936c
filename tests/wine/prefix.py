#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Wine prefix in which COM and cmd.exe lead to a simulated host.

usage: prefix.py FOLDER WBEM-DLL CMD-EXE     makes it, or brings it up to date

One per build tree.  What is in it beside a new prefix: Windows 10 as the version, the DLL in the
place of WMI's locator, and a cmd.exe before Wine's own.  Without HVGPU_TEST_COM both give way to
the originals.
"""

import fcntl
import filecmp
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

LOCATOR = "{4590F811-1D3A-11D0-891F-00AA004B2E24}"
DLL = r"C:\windows\system32\wbem\hvgpu-test-wbem.dll"


class NoWine(Exception):
    """What a test under Wine needs is not on this machine."""


def environment(folder, base=None):
    """What every program in the prefix wants; see docs/building.md."""
    env = dict(os.environ if base is None else base, WINEPREFIX=str(folder), WINEDEBUG="-all",
               LC_ALL="C.UTF-8")
    env.pop("DISPLAY", None)
    env.pop("WAYLAND_DISPLAY", None)
    env.pop("HVGPU_TEST_COM", None)
    return env


def wine():
    """The words that start a program in a prefix, before its name."""
    if not shutil.which("wine"):
        raise NoWine("no wine")
    tools = pathlib.Path(__file__).resolve().parents[2] / "tools"
    return [str(tools / "fixed-addresses.sh"), "wine"]


def run(env, *argv):
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=300, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")


def install(source, target):
    """Over what may be running: the old file keeps its place until nobody has it open."""
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return
    new = target.with_name(target.name + ".new")
    shutil.copyfile(source, new)
    os.replace(new, target)


KEPT = {}  # prefix -> the program that keeps it going


def keep(folder, launcher):
    """Windows' services run until this process ends.  Whoever comes first starts them, and they
    have what it has for output: were that a test's hvgpu.exe, its pipes would not end before they
    do, which takes until nobody uses the prefix any more."""
    if str(folder) in KEPT or not os.path.exists(launcher):
        return
    kept = subprocess.Popen([*wine(), str(launcher), "--hold", "NUL"], env=environment(folder),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    if kept.stdout.readline().strip() != b"held":
        raise AssertionError("nothing runs in the Wine prefix")
    KEPT[str(folder)] = kept


def make(folder, wbem_dll, cmd_exe):
    """The prefix, ready and running; safe to call from several tests at a time."""
    program = wine()
    folder = pathlib.Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    env = environment(folder)
    system = folder / "drive_c/windows/system32"
    ready = folder / "hvgpu-ready"
    with open(str(folder) + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            run(env, *program, "wineboot", "-i")
            run(env, *program, "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10",
                "/f")
            run(env, *program, "reg", "add",
                rf"HKLM\Software\Classes\CLSID\{LOCATOR}\InprocServer32", "/ve", "/d", DLL, "/f")
            run(env, *program, "reg", "add", r"HKCU\Software\Wine\DllOverrides", "/v", "cmd.exe",
                "/d", "native", "/f")
            shutil.move(system / "cmd.exe", system / "cmd-wine.exe")
        install(wbem_dll, system / "wbem/hvgpu-test-wbem.dll")
        install(cmd_exe, system / "cmd.exe")
        ready.touch()
    keep(folder, pathlib.Path(cmd_exe).with_name("launch.exe"))
    return folder


def wrapper(exe, folder, where):
    """The name of a program, made in @where, that is @exe in the prefix @folder, whatever the
    environment it is started in."""
    path = pathlib.Path(where) / "hvgpu"
    path.write_text("#!/bin/sh\nunset DISPLAY WAYLAND_DISPLAY HVGPU_TEST_COM\n" +
                    "".join(f"export {k}='{v}'\n" for k, v in environment(folder, {}).items()) +
                    f"exec {shlex.join(wine())} '{pathlib.Path(exe).absolute()}' \"$@\"\n",
                    encoding="utf-8")
    path.chmod(0o755)
    return str(path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    make(*sys.argv[1:])

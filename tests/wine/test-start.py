#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What hvgpu.exe loads of Windows: nothing it does not need yet, and nothing from its own folder.

usage: test-start.py, with hvgpu.exe in HVGPU_WINDOWS_EXE and the build folder of tests/wine in
HVGPU_WINE_BUILD

How long a start takes is not tested but measured (bench/start.py); what makes it long is loading,
and that is counted here.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import prefix

# What every program has: the kernel's, and the C library, which is another one in other builds.
ALWAYS = {"ntdll.dll", "kernel32.dll", "kernelbase.dll", "msvcrt.dll", "ucrtbase.dll"}
# Without ws2_32, which Windows takes from its own folder always ("known DLLs") and which Wine's
# other libraries load by its mere name.
LATE = "advapi32 bcrypt crypt32 ole32 oleaut32 secur32 user32".split()


def run(program, *argv):
    """Exit code, what was said, and the libraries that came, each with its folder."""
    env = dict(prefix.environment(MADE), WINEDEBUG="-all,+pid,+loaddll")
    done = subprocess.run([*prefix.wine(), str(program), *argv], env=env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, errors="replace",
                          timeout=120, check=False)
    lines = re.findall(r'^(\w+):.*Loaded L"([^"]*)\\\\([^"\\]*)" at', done.stderr, re.M)
    # Wine's own programs, which the first one in a prefix starts, load much.
    ours = {pid for pid, _, name in lines if name == "hvgpu.exe"}
    loaded = [(folder, name) for pid, folder, name in lines if pid in ours]
    said = "".join(line for line in done.stderr.splitlines(True) if ":trace:" not in line)
    return (done.returncode, done.stdout + said,
            {name.lower(): folder.replace("\\\\", "\\").lower() for folder, name in loaded})


def test_the_program_names_no_library_but_those_that_every_program_has():
    """A function that is new to the program and not in src/os/late/*.def shows up here."""
    objdump = shutil.which("x86_64-w64-mingw32-objdump")
    if not objdump:
        return "no objdump of mingw-w64"
    text = subprocess.run([objdump, "-p", EXE], capture_output=True, text=True, check=True).stdout
    named = {}
    for line in text.splitlines():
        if "DLL Name:" in line:
            functions = named.setdefault(line.split()[-1].lower(), [])
        elif re.match(r"\t[0-9a-f]+\t *\d+ +\S+$", line) and named:
            functions.append(line.split()[-1])
    assert "kernel32.dll" in named and len(named["kernel32.dll"]) > 50, named
    too_many = {k: v for k, v in named.items() if k not in ALWAYS}
    assert not too_many, f"loaded at each start: {too_many}"
    return None


def test_a_start_loads_nothing_else():
    for argv in ["--version"], ["--help"], ["attach", "--help"], ["nonsense"]:
        _, said, loaded = run(EXE, *argv)
        assert "hvgpu" in said and "kernel32.dll" in loaded, (said, loaded)
        others = set(loaded) - ALWAYS - {"hvgpu.exe"}
        assert not others, (argv, others)
    return None


def test_what_comes_late_comes_from_windows_own_folder():
    """A library that somebody put beside the program is not run."""
    with tempfile.TemporaryDirectory() as folder:
        beside = pathlib.Path(folder) / "hvgpu.exe"
        shutil.copyfile(EXE, beside)
        password = pathlib.Path(folder) / "password"
        password.write_text("x")
        password.chmod(0o600)
        for name in LATE:
            shutil.copyfile(BUILD / "hvgpu-test-wbem.dll", pathlib.Path(folder) / f"{name}.dll")
        status, said, loaded = run(beside, "-H", "http://127.0.0.1:1/wsman", "--user", "u",
                                   "--password-file", str(password), "gpu", "list")
        assert status == 1 and "127.0.0.1:1" in said, (status, said)
        assert {"advapi32.dll", "secur32.dll"} <= set(loaded), loaded
        wrong = {n: f for n, f in loaded.items() if "system32" not in f and n != "hvgpu.exe"}
        assert not wrong, wrong
        status, said, loaded = run(beside, "-H", "local", "gpu", "list")
        assert "ole32.dll" in loaded and status in (0, 1), (status, said, loaded)
        wrong = {n: f for n, f in loaded.items() if "system32" not in f and n != "hvgpu.exe"}
        assert not wrong, wrong
    return None


def main():
    tests = {n: f for n, f in globals().items() if n.startswith("test_")}
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, test) in enumerate(tests.items(), 1):
        try:
            skipped = test()
        except AssertionError as error:
            failed += 1
            print(f"not ok {number} - {name}", *("# " + line for line in str(error).splitlines()),
                  sep="\n")
        else:
            print(f"ok {number} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
    return failed > 0


if __name__ == "__main__":
    EXE = os.environ.get("HVGPU_WINDOWS_EXE", "")
    BUILD = pathlib.Path(os.environ["HVGPU_WINE_BUILD"])
    for thing, why in ((os.path.exists(EXE), f"no hvgpu.exe (HVGPU_WINDOWS_EXE={EXE})"),
                       (shutil.which("wine"), "no wine"),
                       ((BUILD / "cmd.exe").exists(), "no mingw-w64 to build the prefix with")):
        if not thing:
            print(f"1..0 # SKIP {why}")
            sys.exit(0)
    MADE = prefix.make(BUILD / "prefix", BUILD / "hvgpu-test-wbem.dll", BUILD / "cmd.exe")
    # Kept for a moment, Wine need not start anew for each of them.
    subprocess.run(["wineserver", "--persistent=5"], env=prefix.environment(MADE), check=False)
    sys.exit(main())

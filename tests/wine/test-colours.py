#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Colours of hvgpu.exe: the console is told to obey escape sequences while the program runs, and
is as before when it ends; what is redirected, or not wanted in colours, has none.

usage: test-colours.py [TEST...], with hvgpu.exe in HVGPU_WINDOWS_EXE and the build folder of
tests/wine in HVGPU_WINE_BUILD

Wine's console takes the mode and shows the sequences as they are: so they can be counted.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import traceback

import prefix

OBEYS = 4  # ENABLE_VIRTUAL_TERMINAL_PROCESSING
ERROR = "--nonsense"  # an error is the shortest text with a colour


def run(*words, **env):
    return subprocess.run([*prefix.wine(), *map(str, words)], stdin=subprocess.DEVNULL,
                          env={**prefix.environment(MADE), **env}, capture_output=True, text=True,
                          timeout=120, check=False)


def in_window(*args, **env):
    """(mode before, meanwhile, after, escapes on the screen)."""
    launch = BUILD / "launch.exe"
    done = run(launch, launch, "--window", EXE, *args, HVGPU_TEST_CONSOLE="1", **env)
    found = re.fullmatch(r"before (\d+) while (\d+) after (\d+) escapes (\d+)\s*", done.stdout)
    assert found and done.returncode == 2, done
    return [int(number) for number in found.groups()]


def test_a_console_obeys_escapes_while_the_program_runs_and_not_longer():
    before, meanwhile, after, escapes = in_window(ERROR)
    assert not before & OBEYS, before
    assert meanwhile & OBEYS, meanwhile
    assert after == before, (before, after)
    assert escapes == 2, f"{escapes} escapes: on and off"


def test_a_console_that_obeyed_before_does_so_after():
    before, _, after, escapes = in_window(ERROR, HVGPU_TEST_VT="1")
    assert before & OBEYS and after == before, (before, after)
    assert escapes == 2, escapes


def test_no_colours_where_they_are_not_wanted():
    for args, env in ((["--no-color", ERROR], {}), ([ERROR], {"NO_COLOR": "1"})):
        assert in_window(*args, **env)[3] == 0, (args, env)


def test_no_colours_in_what_is_redirected():
    done = run(EXE, ERROR)
    assert done.returncode == 2 and "nonsense" in done.stderr and "\x1b" not in done.stderr, done
    # Nor with a console beside the pipes.
    done = run(BUILD / "launch.exe", EXE, ERROR, HVGPU_TEST_CONSOLE="1")
    assert done.returncode == 2 and "nonsense" in done.stderr and "\x1b" not in done.stderr, done


if __name__ == "__main__":
    EXE, BUILD = os.environ.get("HVGPU_WINDOWS_EXE", ""), pathlib.Path(
        os.environ["HVGPU_WINE_BUILD"])
    if not os.path.exists(EXE) or not shutil.which("wine") or not (BUILD / "cmd.exe").exists():
        print(f"1..0 # SKIP no hvgpu.exe (HVGPU_WINDOWS_EXE={EXE}), no wine or no mingw-w64")
        sys.exit(0)
    EXE = os.path.abspath(EXE)
    MADE = prefix.make(BUILD / "prefix", BUILD / "hvgpu-test-wbem.dll", BUILD / "cmd.exe")
    tests = [(n[5:], f) for n, f in list(globals().items()) if n.startswith("test_")
             and (not sys.argv[1:] or n[5:] in sys.argv[1:])]
    print(f"1..{len(tests)}")
    failed = not tests
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {name.replace('_', ' ')}", flush=True)
        except Exception:  # any failure of any kind is a failed test
            failed = True
            print(f"not ok {number} - {name.replace('_', ' ')}")
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    sys.exit(1 if failed else 0)

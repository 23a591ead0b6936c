#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long hvgpu takes to start and say something short, against a program that does nothing.

usage: bench/start.py BUILD [--runs N]

With hvgpu.exe in HVGPU_WINDOWS_EXE, Wine and mingw-w64 the same under Wine, whose server runs
already: against an empty program, built here.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def milliseconds(argv, env):
    began = time.perf_counter()
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def compare(title, empty, program, runs, env):
    """The sides take turns; the first round, which loads everything, does not count."""
    sides = {"empty": empty, "--version": [*program, "--version"], "--help": [*program, "--help"]}
    times = {name: [] for name in sides}
    for _ in range(runs + 1):
        for name, argv in sides.items():
            times[name].append(milliseconds(argv, env))
    nothing = statistics.median(times["empty"][1:])
    for name, all_of_them in times.items():
        took = sorted(all_of_them[1:])
        middle = statistics.median(took)
        print(f"| {title} | {name} | {middle:.1f} ms ({took[0]:.1f} to {took[-1]:.1f}) | "
              f"{middle / nothing:.1f} |", flush=True)


def under_wine(exe, runs, folder):
    prefix = folder / "wine"
    env = dict(os.environ, WINEPREFIX=str(prefix), WINEDEBUG="-all", LC_ALL="C.UTF-8")
    env.pop("DISPLAY", None)
    subprocess.run([HERE.parent / "tools/wine-prefix.sh", prefix], check=True)
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    subprocess.run(["x86_64-w64-mingw32-gcc", "-O2", "-static", "-o", folder / "empty.exe",
                    source], check=True)
    subprocess.run(["wineserver", "--persistent"], env=env, check=True)
    try:
        compare("Wine", ["wine", folder / "empty.exe"], ["wine", exe], runs, env)
    finally:
        subprocess.run(["wineserver", "--kill"], env=env, check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=21)
    args = parser.parse_args()
    print("| where | what | median (least to greatest) | times the empty program |")
    print("| --- | --- | --- | --- |")
    compare("Linux", ["/bin/true"], [args.build / "src/cli/hvgpu"], args.runs, dict(os.environ))
    exe = os.environ.get("HVGPU_WINDOWS_EXE", "")
    if os.path.exists(exe) and shutil.which("wine") and shutil.which("x86_64-w64-mingw32-gcc"):
        with tempfile.TemporaryDirectory() as folder:
            under_wine(exe, args.runs, pathlib.Path(folder))
    else:
        print("(not under Wine: that takes wine, mingw-w64 and HVGPU_WINDOWS_EXE)")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Types the tour of a README and compares what comes out with what stands there; in TAP.

    test-readme.py FOLDER:FOLDER... LOCALE_DIR SOURCE_ROOT README...

In blocks marked ```console a line "$ COMMAND" is typed into one shell per README, in a home
folder of its own; the lines below it must be what comes out, errors included.  "..." stands for
any lines.  Ids of runs are new each time.  README.zh-CN.md is read with LANGUAGE=zh_CN.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROGRAMS, LOCALE_DIR, SOURCE = sys.argv[1:4]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
RUN_ID = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")
END = "-- end of the output, status "


def commands(text):
    """(command, expected lines)"""
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, *expected = part.rstrip("\n").split("\n")
            yield line, expected


def is_like(expected, lines):
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(RUN_ID.sub("ID", line)) + r"\n"
                      for line in expected)
    text = "".join(RUN_ID.sub("ID", line) + "\n" for line in lines)
    return re.fullmatch(pattern, text) is not None


def shown(lines):
    return lines if len(lines) <= 40 else [*lines[:20], "...", *lines[-20:]]


def answers(readme, typed):
    with tempfile.TemporaryDirectory(prefix="hvgpu-readme-") as home:
        language = "zh_CN" if ".zh" in readme.name else "en"
        env = {"HOME": home, "PATH": PROGRAMS + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8",
               "LANGUAGE": language, "HVGPU_LOCALE_DIR": LOCALE_DIR, "HVGPU_DATA_DIR": SOURCE}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TMPDIR"):
            if name in os.environ:
                env[name] = os.environ[name]
        script = "exec 2>&1\n" + "".join(f"{line}\necho '{END}'$?\n" for line in typed)
        done = subprocess.run(["sh", "-c", script], env=env, cwd=home, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=540)
        return done.stdout.decode("utf-8").split(END)


number = failures = 0
for path in map(pathlib.Path, sys.argv[4:]):
    tour = list(commands(path.read_text("utf-8")))
    pieces = answers(path, [line for line, _ in tour])
    for at, (line, expected) in enumerate(tour):
        text = pieces[at] if at < len(pieces) else ""
        found = re.sub(r"\A\d*\n?", "", text) if at > 0 else text
        lines = found.rstrip("\n").split("\n") if found.strip() else []
        good = is_like(expected, lines)
        number += 1
        failures += not good
        print(f"{'ok' if good else 'not ok'} {number} - {path.name}: {line[:70].replace('#', '')}")
        if not good:
            print("\n".join("# " + l for l in ["it says:", *shown(expected),
                                                   "but out came:", *shown(lines)]))
    if not tour:
        failures += 1
        print(f"# {path.name} has no commands")
print(f"1..{number}")
sys.exit(failures > 0)

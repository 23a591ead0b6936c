#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hvgpu speaks Chinese when asked to, and scripts do not notice; in TAP.

    test-language.py HVGPU LOCALE_DIR SOURCE_ROOT

LANGUAGE is what chooses: it works in every locale but "C" and "POSIX", so also in C.UTF-8,
which every Debian has.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

HVGPU, LOCALE_DIR, SOURCE = sys.argv[1:]
HAN = re.compile("[\u4e00-\u9fff]")
number = failures = 0


def run(state, language, *args):
    env = dict(os.environ, XDG_STATE_HOME=state, XDG_CONFIG_HOME=state, LC_ALL="C.UTF-8",
               LANGUAGE=language, HVGPU_LOCALE_DIR=LOCALE_DIR, HVGPU_DATA_DIR=SOURCE)
    return subprocess.run([HVGPU, *args], env=env, stdin=subprocess.DEVNULL, timeout=120,
                          capture_output=True, text=True, encoding="utf-8")


def check(name, good, why=""):
    global number, failures
    number += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good:
        print("\n".join("# " + line for line in str(why).splitlines()))


with tempfile.TemporaryDirectory(prefix="hvgpu-language-") as state:
    english, chinese = (run(state, language, "--help").stdout for language in ("en", "zh_CN"))
    check("without a translation the texts are English", not HAN.search(english), english)
    check("help in Chinese has as many lines", chinese.count("\n") == english.count("\n"), chinese)
    untold = [line for line in chinese.splitlines()
              if re.match(r"  \S", line) and not HAN.search(line)]
    check("every command and option is explained in Chinese", not untold and chinese,
          "\n".join(untold))

    tables = [run(state, language, "-H", "sim:laptop", "gpu", "list").stdout
              for language in ("en", "zh_CN")]
    check("a table's titles are Chinese, its data is not translated",
          HAN.search(tables[1].splitlines()[0]) and "NVIDIA GeForce RTX 4070 Laptop GPU" in tables[1],
          tables[1])

    wrong = run(state, "zh_CN", "-H", "sim:laptop", "vm", "shwo", "games")
    check("wrong usage is said in Chinese, with the same exit status",
          wrong.returncode == 2 and HAN.search(wrong.stderr), wrong.stderr)

    documents = [json.loads(run(state, language, "-H", "sim:laptop", "vm", "list", "--json").stdout)
                 for language in ("en", "zh_CN")]
    check("JSON is the same in every language", documents[0] == documents[1], documents[1])

print(f"1..{number}")
sys.exit(failures > 0)

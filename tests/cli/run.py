#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs hvgpu as a user would and compares what it says, in TAP.

    run.py HVGPU SCHEMA_DIR CASES_DIR...

A case is a folder <command>/<case>/ below CASES_DIR with
    command    what to type, one command per line; only the last one is compared, the others
               must succeed (hvgpu-sim may be one of them).  $CASE is the case's folder, $TMP an empty one
    status     the exit status (default 0)
    stdout     the exact text on standard output, with RUN-ID for the ids of runs
    stderr     the same for standard error
    stderr-has texts that standard error must contain, one per line
    json       the document of --json; a key with the value "*" may have any value
    terminal   number of columns: runs on a terminal of that width, and no line is wider
Every --json document is checked against schema/<command>.schema.json, also where a case
says nothing about it.  State folders are the case's own.

HVGPU_CASES=N takes every Nth case only, for builds that are slow.  With HVGPU_RECORD=1 in the environment, the stdout and stderr files that exist are written
instead of compared: look at the difference before you commit it.
"""
import json
import os
import pathlib
import pty
import re
import shlex
import subprocess
import sys
import tempfile
import unicodedata
import warnings

import jsonschema

TIMEOUT_S = 120

# Newer versions have another resolver; the one of Debian 12 has only this.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*RefResolver")


def with_whole_references(node, own):
    """Debian 12's resolver loses a "#/..." within a schema whose id is a urn."""
    if isinstance(node, dict):
        return {key: own + value if key == "$ref" and value.startswith("#")
                else with_whole_references(value, own) for key, value in node.items()}
    return [with_whole_references(item, own) for item in node] if isinstance(node, list) else node


def load_schemas(folder):
    store = {}
    for path in sorted(folder.glob("*.schema.json")):
        document = json.loads(path.read_text("utf-8"))
        document = with_whole_references(document, document["$id"])
        jsonschema.Draft202012Validator.check_schema(document)
        store[document["$id"]] = document
    return store


def validate(store, name, document):
    schema = store.get(f"urn:hvgpu:1:{name}")
    if schema is None:
        return f"there is no schema/{name}.schema.json"
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=store)
    validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    return f"{name}: {error.json_path}: {error.message[:300]}" if error else None


def columns(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def run(argv, env, terminal):
    """(status, stdout, stderr); on a terminal both are one."""
    if terminal is None:
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=TIMEOUT_S)
        return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    import fcntl
    import struct
    import termios
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, terminal, 0, 0))
    child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=follower,
                             stderr=subprocess.PIPE)
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    stderr = child.stderr.read().decode("utf-8")
    os.close(leader)
    return child.wait(TIMEOUT_S), text.decode("utf-8").replace("\r\n", "\n"), stderr


def like(expected, found, where="$"):
    """None, or where and how @found differs."""
    if expected == "*":
        return None
    if isinstance(expected, dict) and isinstance(found, dict):
        if set(expected) != set(found):
            return f"{where}: keys {sorted(set(expected) ^ set(found))} differ"
        for key in expected:
            why = like(expected[key], found[key], f"{where}.{key}")
            if why:
                return why
        return None
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{where}: {len(found)} items, not {len(expected)}"
        for i, pair in enumerate(zip(expected, found)):
            why = like(*pair, f"{where}[{i}]")
            if why:
                return why
        return None
    return None if expected == found else f"{where}: {found!r}, not {expected!r}"


def differ(name, expected, found):
    if expected == found:
        return None
    lines = [f"{name} differs, expected:"] + expected.splitlines() + ["found:"] + found.splitlines()
    return "\n".join(lines)


def check(case, hvgpu, store, tmp):
    env = dict(os.environ, XDG_STATE_HOME=f"{tmp}/state", XDG_CONFIG_HOME=f"{tmp}/config",
               LC_ALL="C.UTF-8", CASE=str(case), TMP=str(tmp))
    env.setdefault("HVGPU_DATA_DIR", str(pathlib.Path(sys.argv[2]).resolve().parent))
    env.pop("LANGUAGE", None)
    env.pop("HVGPU_PASSWORD_FILE", None)
    terminal = None
    if (case / "terminal").exists():
        terminal = int((case / "terminal").read_text())
        env["TERM"] = "xterm"
    env["NO_COLOR"] = "1"
    lines = [l for l in (case / "command").read_text("utf-8").splitlines()
             if l and not l.startswith("#")]
    for i, line in enumerate(lines):
        last = i == len(lines) - 1
        words = shlex.split(re.sub(r"\$(CASE|TMP)", lambda m: shlex.quote(env[m[1]]), line))
        if words[0] == "hvgpu-sim":
            words[0] = str(pathlib.Path(hvgpu).resolve().parent.parent / "sim/program/hvgpu-sim")
        if words[0] != "hvgpu":
            subprocess.run(words, env=env, check=True, timeout=TIMEOUT_S)
            continue
        status, stdout, stderr = run([hvgpu] + words[1:], env, terminal if last else None)
        if not last and status != 0:
            yield f"'{line}' ended with {status}: {stderr}"
            return
        if "--json" in words:
            try:
                document = json.loads(stdout)
            except ValueError as e:
                yield f"'{line}' printed no JSON ({e}): {stdout[:300]}"
                return
            yield validate(store, "-".join(case.parent.name.split()), document)
    stdout, stderr = (re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "RUN-ID", t) for t in (stdout, stderr))
    wanted = int((case / "status").read_text()) if (case / "status").exists() else 0
    if status != wanted:
        yield f"status {status}, not {wanted}: {stderr}"
    for name, found in (("stdout", stdout), ("stderr", stderr)):
        if (case / name).exists() and os.environ.get("HVGPU_RECORD"):
            (case / name).write_text(found, "utf-8")
        elif (case / name).exists():
            yield differ(name, (case / name).read_text("utf-8"), found)
    if (case / "stderr-has").exists():
        for text in (case / "stderr-has").read_text("utf-8").splitlines():
            if text not in stderr:
                yield f"'{text}' is not in: {stderr}"
    if (case / "json").exists():
        yield like(json.loads((case / "json").read_text("utf-8")), document)
    if terminal:
        wide = [l for l in stdout.splitlines() if columns(l) > terminal]
        if wide and case.parent.name not in ("gpu-show", "vm-show"):
            yield f"wider than {terminal} columns: {wide[0]}"


def incomplete(hvgpu, schema_dir, roots):
    """What the commands of --help lack: a manual page, a schema, cases."""
    text = subprocess.run([hvgpu, "--help"], capture_output=True, check=True,
                          env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="")).stdout.decode()
    block = text.split("Commands\n", 1)[1].split("\n\n", 1)[0]
    names = [re.match(r"  ((?:[a-z][a-z0-9-]* ?)+)", line)[1].strip().replace(" ", "-")
             for line in block.splitlines()]
    source = schema_dir.parent
    for name in names:
        if not (source / f"docs/man/hvgpu-{name}.1").exists():
            yield f"docs/man/hvgpu-{name}.1 is missing"
        if not (schema_dir / f"{name}.schema.json").exists():
            yield f"schema/{name}.schema.json is missing"
        if not any((pathlib.Path(root) / name).is_dir() for root in roots):
            yield f"tests/cli/{name}/ is missing"
    if not names:
        yield "no commands in --help"


def main():
    hvgpu, schemas = sys.argv[1], load_schemas(pathlib.Path(sys.argv[2]))
    cases = sorted(p.parent for root in sys.argv[3:] for p in pathlib.Path(root).glob("*/*/command"))
    cases = cases[::int(os.environ.get("HVGPU_CASES", "1"))]
    print(f"1..{len(cases) + 1}")
    why = list(incomplete(hvgpu, pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]))
    print(f"{'not ok' if why else 'ok'} 1 - every command has a page, a schema and cases")
    for text in why:
        print(f"# {text}")
    failed = bool(why)
    for n, case in enumerate(cases, 2):
        with tempfile.TemporaryDirectory() as tmp:
            try:
                why = [w for w in check(case, hvgpu, schemas, tmp) if w]
            except (subprocess.SubprocessError, OSError, ValueError) as e:
                why = [str(e)]
        failed += bool(why)
        print(f"{'not ok' if why else 'ok'} {n} - {case.parent.name}/{case.name}", flush=True)
        for text in why:
            for line in text.splitlines():
                print(f"# {line}")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares who uses whom with docs/architecture.md: the drawing, the table, the code.

usage: check-layers.py [SOURCE_ROOT]

A folder's uses are what the libraries and programs of its meson.build depend on, and what its
sources include.  They must be exactly those in the column "uses" of the table; each must stand
below the folder in the drawing; and the table's order must be that of the top meson.build, in
which a folder comes after everything it uses.  Tests beside the code may use any folder below.
"""

import collections
import pathlib
import re
import sys

CALL = re.compile(r"\b(static_library|declare_dependency|executable)\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def without_comments(text):
    """Meson has no # inside strings in this project."""
    return re.sub(r"#.*", "", text)


def calls(text):
    """(function, arguments) of the calls that make or describe something to link."""
    for found in CALL.finditer(text):
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield found.group(1), text[found.end():end - 1]


def is_of_tests(function, arguments):
    if function == "executable":
        return "install: true" not in arguments
    return re.search(r"'[a-z-]*(test|fixture)[a-z-]*'|(test|fixture)\w*_lib\b|test_dep\b",
                     arguments) is not None


def linked(text, folders):
    """The folders that a meson.build links into what is not a test."""
    text = without_comments(text)
    used = set()
    for function, arguments in calls(text):
        if is_of_tests(function, arguments):
            continue
        for name in re.findall(r"\b(\w+_deps)\b", arguments):
            arguments += " ".join(re.findall(rf"\b{name} \+?= *(\[[^\]]*\]|\w+)", text))
        used |= {name for name in re.findall(r"\b(\w+)_dep\b", arguments) if name in folders}
    return used


def included(folder, headers, tests):
    """The folders whose headers the sources of @folder include; a header of its own wins."""
    used = collections.defaultdict(set)
    for source in sorted(folder.rglob("*.[ch]")):
        if source.name.startswith("test-") != tests:
            continue
        for name in INCLUDE.findall(source.read_text("utf-8")):
            if not (source.parent / name).exists() and not (folder / name).exists():
                for owner in headers.get(name, ()):
                    used[owner].add(source.name)
    return used


def table(text):
    """folder -> what it uses, in the table's order."""
    rows = re.findall(r"^\| `src/([a-z]+)` \|[^|]*\| *([a-z, -]*?) *\|$", text, re.M)
    return {name: set(re.findall(r"[a-z]+", uses)) for name, uses in rows}


def drawing(text):
    """folder -> line of the drawing: the first word of a cell is a folder."""
    rows = {}
    block = re.search(r"^```\n(.*?)^```", text, re.M | re.S).group(1)
    for number, line in enumerate(block.splitlines()):
        for cell in re.findall(r"(?<=[│►])\s+([a-z]+)\b", line):
            rows.setdefault(cell, number)
    return rows


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    page = (root / "docs/architecture.md").read_text("utf-8")
    order = re.findall(r"^subdir\('src/([a-z]+)'\)", (root / "meson.build").read_text("utf-8"), re.M)
    stated, rows = table(page), drawing(page)
    faults = []

    here = {path.name for path in (root / "src").iterdir() if (path / "meson.build").exists()}
    if here != set(order):
        faults.append(f"meson.build does not name, or names too much: {sorted(here ^ set(order))}")
    if list(stated) != order:
        faults.append(f"the table's order is not that of meson.build: {list(stated)} {order}")
    if set(rows) != here:
        faults.append(f"the drawing lacks, or has too much: {sorted(here ^ set(rows))}")

    headers = collections.defaultdict(set)
    for path in (root / "src").glob("*/*.h"):
        headers[path.name].add(path.parent.name)

    for name in order:
        folder = root / "src" / name
        text = (folder / "meson.build").read_text("utf-8")
        links = linked(text, here) - {name}
        # The header alone tells who is meant only where one folder has a header of that name.
        unique = {header: owners for header, owners in headers.items() if len(owners) == 1}
        includes = included(folder, unique, tests=False)
        includes.pop(name, None)
        for other in sorted(set(includes) - links):
            faults.append(f"src/{name} includes headers of {other} ({min(includes[other])}), "
                          "which its meson.build does not link")
        uses = links | set(includes)
        if uses != stated.get(name, set()):
            faults.append(f"src/{name} uses {', '.join(sorted(uses)) or 'nothing'}; the table "
                          f"says {', '.join(sorted(stated.get(name, set()))) or 'nothing'}")
        for other in sorted(uses):
            if order.index(other) > order.index(name):
                faults.append(f"src/{name} uses {other}, which comes later in meson.build")
            if rows.get(other, -1) <= rows.get(name, 1 << 30):
                faults.append(f"src/{name} uses {other}, which the drawing has not below it")
        of_tests = included(folder, unique, tests=True)
        of_tests.pop(name, None)
        for other in sorted(of_tests):
            if order.index(other) > order.index(name):
                faults.append(f"a test of src/{name} uses {other}: {min(of_tests[other])}")

    for fault in faults:
        print(fault)
    print(f"{len(order)} folders, {len(faults)} faults")
    return 1 if faults or not order else 0


sys.exit(main())

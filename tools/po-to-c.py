#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns po/LANGUAGE.po into the table of src/base/tr-table.h, for systems without gettext.

usage: po-to-c.py OUT.c FILE.po...

Fuzzy and empty translations are left out, as msgfmt does.
"""

import ast
import pathlib
import re
import sys


def entries(path):
    """Yields (msgid, msgstr) of every usable entry."""
    fuzzy, keyword, parts = False, None, {}

    def done():
        return not fuzzy and parts.get("msgid") and parts.get("msgstr")

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() + [""], 1):
        if line.startswith("#,"):
            fuzzy = "fuzzy" in line
        if line.startswith("#"):
            continue
        if not line.strip():
            if done():
                yield parts["msgid"], parts["msgstr"]
            fuzzy, keyword, parts = False, None, {}
            continue
        found = re.fullmatch(r'(?:(msgid|msgstr) )?(".*")', line.strip())
        if not found:
            sys.exit(f"{path}:{number}: not understood: {line}")
        keyword = found[1] or keyword
        parts[keyword] = parts.get(keyword, "") + ast.literal_eval(found[2])


def literal(text):
    """A C string; octal escapes end by themselves, other than hexadecimal ones."""
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\?' else f"\\{c:03o}"
                         for c in text.encode()) + '"'


def main():
    out, *files = map(pathlib.Path, sys.argv[1:])
    lines = ["/* Made by tools/po-to-c.py. */", "", '#include "tr-table.h"', "", "#include <stddef.h>", ""]
    for path in files:
        # strcmp() compares bytes.
        table = sorted(dict(entries(path)).items(), key=lambda pair: pair[0].encode())
        lines.append(f"static const struct tr_entry {path.stem}[] = {{")
        lines += [f"    {{ {literal(source)}, {literal(text)} }}," for source, text in table]
        lines += ["};", ""]
    lines.append("const struct tr_language tr_languages[] = {")
    lines += [f'    {{ "{path.stem}", {path.stem}, sizeof({path.stem}) / sizeof({path.stem}[0]) }},'
              for path in files]
    lines += ["    { NULL, NULL, 0 },", "};"]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


main()

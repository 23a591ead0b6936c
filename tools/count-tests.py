#!/usr/bin/env python3
"""Adds up Meson's JUnit logs: passed, failed, skipped, one line each at the end.

usage: count-tests.py LOG... ; exits 1 when something failed or nothing ran."""

import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"failed: {case.get('classname')}: {case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


totals = [sum(column) for column in zip(*map(count, sys.argv[1:]))] or [0, 0, 0]
print(*totals)
sys.exit(1 if totals[1] or not totals[0] else 0)
